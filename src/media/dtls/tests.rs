use std::time::{Duration, Instant};

use super::*;

/// Two endpoints and a wire that loses what it is told to.
struct World {
    now: Instant,
    client: Dtls,
    server: Dtls,
    /// How many datagrams went each way, and which of them are lost.
    sent: usize,
    lost: fn(usize) -> bool,
}

fn identity() -> Identity {
    Identity::generate().expect("randomness")
}

fn world(lost: fn(usize) -> bool) -> World {
    let (caller, hatif, now) = (identity(), identity(), Instant::now());
    let client = Dtls::new(now, &caller, Role::Client, &[hatif.fingerprint().clone()]).unwrap();
    let server = Dtls::new(now, &hatif, Role::Server, &[caller.fingerprint().clone()]).unwrap();
    World { now, client, server, sent: 0, lost }
}

impl World {
    /// Carries datagrams until nobody has one left.
    fn carry(&mut self) {
        loop {
            let (from_client, from_server) = (self.client.poll_transmit(), self.server.poll_transmit());
            if from_client.is_none() && from_server.is_none() {
                return;
            }
            for (datagram, to) in [(from_client, &mut self.server), (from_server, &mut self.client)] {
                let Some(datagram) = datagram else { continue };
                assert!(datagram.len() <= DATAGRAM_BYTES + 100, "{} bytes", datagram.len());
                self.sent += 1;
                if !(self.lost)(self.sent) {
                    to.handle_datagram(self.now, &datagram);
                }
            }
        }
    }

    /// Runs until no timer is left; returns how long the handshake took.
    fn run(&mut self) -> Duration {
        let start = self.now;
        self.carry();
        while let Some(at) = self.client.poll_timeout().into_iter().chain(self.server.poll_timeout()).min() {
            assert!(at >= self.now, "a deadline in the past");
            self.now = at;
            self.client.handle_timeout(at);
            self.server.handle_timeout(at);
            self.carry();
        }
        self.now - start
    }

    fn events(&mut self) -> (Option<Event>, Option<Event>) {
        (self.client.poll_event(), self.server.poll_event())
    }

    fn keys(&mut self) -> (SrtpKeys, SrtpKeys) {
        match self.events() {
            (Some(Event::Keys(client)), Some(Event::Keys(server))) => (client, server),
            other => panic!("no keys: {other:?}"),
        }
    }
}

/// RFC 5764 §4.2: what one side sends with, the other receives with. The best profile of both is taken.
#[test]
fn both_sides_have_the_same_keys() {
    let mut world = world(|_| false);
    assert_eq!(world.run(), Duration::ZERO);
    let (client, server) = world.keys();
    assert_eq!((&client.local, &client.remote), (&server.remote, &server.local));
    assert_eq!((client.profile, server.profile), (Profile::AeadAes128Gcm, Profile::AeadAes128Gcm));
    assert_eq!((client.local.key.len(), client.local.salt.len()), (16, 12));
    assert_ne!(client.local, client.remote);
    assert_eq!(world.events(), (None, None), "keys are told once");
    assert!(!format!("{client:?}").contains(&format!("{:?}", client.local.key)));
}

/// RFC 6347 §4.2.4: whichever datagram is lost, the flight is sent again, after 250 ms, 500 ms, …
#[test]
fn a_handshake_survives_loss() {
    let mut one = world(|n| n == 1);
    assert_eq!(one.run(), RESEND_FIRST);
    one.keys();
    let losses: [fn(usize) -> bool; 6] =
        [|n| n == 2, |n| n == 3, |n| n == 4, |n| n == 5, |n| n == 6 || n == 8, |n| n % 3 == 0];
    for lost in losses {
        let mut world = world(lost);
        let took = world.run();
        let (client, server) = world.keys();
        assert_eq!(client.local, server.remote);
        assert!(took < HANDSHAKE, "{took:?}");
    }
}

/// A browser repeats its ClientHello after 50 ms: that must not stop our own timer when our flight was lost.
#[test]
fn an_early_repeat_does_not_stop_our_timer() {
    let mut world = world(|_| false);
    let step = |world: &mut World, from_client: bool| {
        let (from, to) =
            if from_client { (&mut world.client, &mut world.server) } else { (&mut world.server, &mut world.client) };
        let datagram = from.poll_transmit().expect("a flight");
        to.handle_datagram(world.now, &datagram);
        datagram
    };
    step(&mut world, true);
    step(&mut world, false);
    let hello = step(&mut world, true);
    while world.server.poll_transmit().is_some() {} // the server's flight is lost
    let start = world.now;
    for ms in [50, 150] {
        let mut repeat = hello.to_vec();
        repeat[10] += ms; // its record has a new number
        world.now = start + Duration::from_millis(ms.into());
        world.server.handle_datagram(world.now, &repeat);
    }
    world.now = world.server.poll_timeout().unwrap();
    assert_eq!(world.now, start + RESEND_FIRST);
    world.server.handle_timeout(world.now);
    world.run();
    world.keys();
}

/// Nobody answers: eight tries within 30 s, each wait twice the one before, then the end.
#[test]
fn a_silent_peer_is_given_up_after_thirty_seconds() {
    let (ours, now) = (identity(), Instant::now());
    let mut client = Dtls::new(now, &ours, Role::Client, &[identity().fingerprint().clone()]).unwrap();
    let mut sent_ms = Vec::new();
    let mut at = now;
    loop {
        while client.poll_transmit().is_some() {
            sent_ms.push((at - now).as_millis());
        }
        let Some(next) = client.poll_timeout() else { break };
        at = next;
        client.handle_timeout(at);
    }
    assert_eq!(sent_ms, [0, 250, 750, 1_750, 3_750, 7_750, 15_750, 23_750]);
    assert_eq!((at - now, client.poll_event()), (HANDSHAKE, Some(Event::Ended(End::Timeout))));

    let mut server = Dtls::new(now, &ours, Role::Server, &[identity().fingerprint().clone()]).unwrap();
    assert_eq!(server.poll_timeout(), Some(now + HANDSHAKE));
    server.handle_timeout(now + HANDSHAKE);
    assert_eq!((server.poll_event(), server.poll_timeout()), (Some(Event::Ended(End::Timeout)), None));
}

/// RFC 8122 §6.1: another certificate than the SDP's ends it, and the peer is told. No keys on either side's wire.
#[test]
fn a_wrong_fingerprint_is_refused_by_either_side() {
    let (caller, hatif, other, now) = (identity(), identity(), identity(), Instant::now());
    for (client_wants, server_wants) in [(&hatif, &other), (&other, &caller)] {
        let client = Dtls::new(now, &caller, Role::Client, &[client_wants.fingerprint().clone()]).unwrap();
        let server = Dtls::new(now, &hatif, Role::Server, &[server_wants.fingerprint().clone()]).unwrap();
        let mut world = World { now, client, server, sent: 0, lost: |_| false };
        assert_eq!(world.run(), Duration::ZERO);
        let (client, server) = world.events();
        let (refused, told) =
            if client_wants.fingerprint() == other.fingerprint() { (client, server) } else { (server, client) };
        assert_eq!(refused, Some(Event::Ended(End::Fingerprint)));
        // 42 is bad_certificate.
        assert_eq!(told, Some(Event::Ended(End::Alert(Some(42)))));
    }
    assert!(Dtls::new(now, &hatif, Role::Server, &[]).is_err());
}

/// RFC 8122 §5.1: one of several fingerprints is enough.
#[test]
fn any_of_the_peers_fingerprints_will_do() {
    let (caller, hatif, now) = (identity(), identity(), Instant::now());
    let der = &caller.certificate.certificate[0];
    let wanted = [identity().fingerprint().clone(), Fingerprint::of(HashFunction::Sha512, der)];
    let client = Dtls::new(now, &caller, Role::Client, &[hatif.fingerprint().clone()]).unwrap();
    let server = Dtls::new(now, &hatif, Role::Server, &wanted).unwrap();
    let mut world = World { now, client, server, sent: 0, lost: |_| false };
    world.run();
    world.keys();
}

/// RFC 5246 §7.2.1: close_notify is told and answered; afterwards nothing is heard.
#[test]
fn closing_is_told_to_the_peer() {
    let mut world = world(|_| false);
    world.run();
    world.keys();
    world.client.close(world.now);
    world.carry();
    assert_eq!(world.events(), (None, Some(Event::Ended(End::Closed))));
    world.server.close(world.now);
    assert_eq!(world.server.poll_transmit(), None);
    world.server.handle_datagram(world.now, &[22; 100]);
    assert_eq!((world.server.poll_transmit(), world.server.poll_timeout()), (None, None));
}

/// An alert, garbage or a new handshake that anybody could have sent in the clear does not end an association.
#[test]
fn what_is_in_the_clear_does_not_end_an_association() {
    let mut world = world(|_| false);
    let hello = world.client.transmits[0].clone();
    world.run();
    world.keys();
    let alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40];
    let forged = [21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 99, 0, 24].into_iter().chain([7; 24]).collect::<Vec<u8>>();
    for bytes in [&alert[..], &forged, &hello, &[22; 64], &[]] {
        world.server.handle_datagram(world.now, bytes);
        world.client.handle_datagram(world.now, bytes);
    }
    assert_eq!(world.events(), (None, None));
    while world.client.poll_transmit().or_else(|| world.server.poll_transmit()).is_some() {}
    world.client.close(world.now);
    world.carry();
    assert_eq!(world.events(), (None, Some(Event::Ended(End::Closed))));
}

/// A flood of the same ClientHello, and of ever new ones, costs no more than the first hundred of them.
#[test]
fn a_flood_of_hellos_costs_nothing_that_grows() {
    let mut world = world(|_| false);
    let hello = world.client.transmits[0].to_vec();
    let mut answers = 0;
    for n in 0..10_000u32 {
        let mut bytes = hello.clone();
        bytes[7..11].copy_from_slice(&n.to_be_bytes()); // the record's sequence number
        world.server.handle_datagram(world.now, &bytes);
        answers += std::iter::from_fn(|| world.server.poll_transmit()).count();
        assert!(world.server.transmits.len() <= TRANSMITS_MAX);
    }
    assert!((1..=128).contains(&answers), "{answers}");
    assert_eq!(world.server.poll_event(), None);
}

/// A peer that cannot do SRTP gets no keys (RFC 5764 §4.1).
#[test]
fn a_peer_without_srtp_is_refused() {
    let (caller, hatif, now) = (identity(), identity(), Instant::now());
    let config = ConfigBuilder::default()
        .with_crypto_provider(Arc::clone(&caller.provider))
        .with_certificates(vec![caller.certificate.clone()])
        .with_insecure_skip_verify(true)
        .build(true, Some(PEER))
        .unwrap();
    let mut plain = Endpoint::new(PEER, TransportProtocol::UDP, None);
    plain.connect(now, PEER, Arc::new(config), None).unwrap();
    let mut server = Dtls::new(now, &hatif, Role::Server, &[caller.fingerprint().clone()]).unwrap();
    for _ in 0..10 {
        while let Some(transmit) = plain.poll_transmit() {
            server.handle_datagram(now, &transmit.message);
        }
        while let Some(datagram) = server.poll_transmit() {
            let _ = plain.read(now, PEER, None, BytesMut::from(&datagram[..]));
        }
    }
    assert_eq!(server.poll_event(), Some(Event::Ended(End::Profile)));
}

/// Any change of any datagram of a handshake: no panic, no keys that differ, and an end in time.
#[test]
fn changed_datagrams_do_no_harm() {
    for at in (0..1_500).step_by(7) {
        let mut world = world(|_| false);
        let mut seen = 0;
        for _ in 0..12 {
            let datagrams: Vec<(bool, Bytes)> = std::iter::from_fn(|| world.client.poll_transmit().map(|d| (true, d)))
                .chain(std::iter::from_fn(|| world.server.poll_transmit().map(|d| (false, d))))
                .collect();
            for (from_client, datagram) in datagrams {
                let mut bytes = datagram.to_vec();
                if (seen..seen + bytes.len()).contains(&at) {
                    bytes[at - seen] ^= 1 << (at % 8);
                }
                seen += bytes.len();
                let to = if from_client { &mut world.server } else { &mut world.client };
                to.handle_datagram(world.now, &bytes);
            }
        }
        world.run();
        if let (Some(Event::Keys(client)), Some(Event::Keys(server))) = world.events() {
            assert_eq!((client.local, client.remote), (server.remote, server.local), "byte {at}");
        }
    }
}
