//! Legs whose packets are protected: by keys of SDP, and by DTLS behind ICE as a browser has it.

use super::super::dtls::{Dtls, Event as DtlsEvent, Identity, Role};
use super::super::ice::tests::request;
use super::super::rtcp;
use super::super::seal::{Browser, Security};
use super::super::srtp::{self, Keys, OVERHEAD_BYTES_MAX, Receiver, Sender};
use super::*;

fn keys(profile: srtp::Profile, seed: u8) -> Keys {
    let joined: Vec<u8> = (0..profile.key_bytes() + profile.salt_bytes()).map(|n| seed ^ n as u8).collect();
    Keys::from_joined(profile, &joined).unwrap()
}

/// The far end's half of the keys.
struct Lock {
    send: Sender,
    receive: Receiver,
}

impl Lock {
    fn seal(&mut self, datagram: &[u8]) -> Vec<u8> {
        let mut packet = datagram.to_vec();
        packet.resize(datagram.len() + OVERHEAD_BYTES_MAX, 0);
        let length = self.send.protect(&mut packet, datagram.len()).unwrap();
        packet.truncate(length);
        packet
    }
}

/// A phone whose packets are sealed, and what it hears opened.
fn sealed_talk(world: &mut World, ms: u64, phone: &mut Phone, lock: &mut Lock, other: &mut Phone) -> Vec<i16> {
    world.wire.sent.clear();
    for _ in 0..ms / 20 {
        let datagram = lock.seal(&phone.speak());
        world.packet(phone.slot, phone.address, &datagram);
        world.says(other);
        world.run(20);
    }
    let sent = std::mem::take(&mut world.wire.sent);
    let (own, rest): (Vec<_>, Vec<_>) = sent.into_iter().partition(|s| s.slot == phone.slot);
    world.wire.sent = rest;
    let mut heard = Vec::new();
    for Sent { channel, mut bytes, .. } in own {
        if channel == Channel::Rtcp {
            let length = lock.receive.unprotect_control(&mut bytes).expect("reports are sealed too");
            assert!(rtcp::parse(&bytes[..length], 0).is_some());
            continue;
        }
        let length = lock.receive.unprotect(&mut bytes).expect("what we send is authentic");
        let packet = rtp::parse(&bytes[..length]).unwrap();
        heard.extend(phone.sound(&bytes[packet.payload]));
    }
    heard
}

#[test]
fn sdes_protects_both_ways_and_what_is_forged_changes_nothing() {
    for profile in [srtp::Profile::AeadAes128Gcm, srtp::Profile::AesCm128HmacSha1_80] {
        let mut world = World::new();
        let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcma, 604.0));
        let (ours, theirs) = (keys(profile, 1), keys(profile, 77));
        let mut lock = Lock { send: Sender::new(&theirs), receive: Receiver::new(&ours) };
        let security = Security::Sdes { ours, theirs };
        let terms = Terms { security, ..Terms::plain(Codec::Pcmu, 0, Some(101)) };
        world.command(Command::Update { leg: caller.leg, remote: None, terms: terms.clone() });
        world.command(Command::Bridge { a: caller.leg, b: agent.leg });
        // In the clear, from the right address: not heard, and it locks nothing.
        world.says(&mut caller);
        assert!(world.heard(&agent).is_empty());
        let heard = sealed_talk(&mut world, 8_000, &mut caller, &mut lock, &mut agent);
        assert!(heard.len() > 60_000 && level(&heard, 604.0) > 74.0);
        let agents = world.samples(&agent);
        assert!(agents.len() > 60_000 && level(&agents, 1_004.0) > 74.0);
        // Hold and back with the same keys: their counters go on.
        world.command(Command::Update { leg: caller.leg, remote: None, terms });
        let heard = sealed_talk(&mut world, 1_000, &mut caller, &mut lock, &mut agent);
        assert!(level(&heard, 604.0) > 74.0);
        // The peer alone takes another key: ours goes on counting, or what it receives would be no more authentic.
        let next = keys(profile, 133);
        lock.send = Sender::new(&next);
        let security = Security::Sdes { ours: keys(profile, 1), theirs: next };
        let terms = Terms { security, ..Terms::plain(Codec::Pcmu, 0, Some(101)) };
        world.command(Command::Update { leg: caller.leg, remote: None, terms });
        let heard = sealed_talk(&mut world, 8_000, &mut caller, &mut lock, &mut agent);
        assert!(level(&heard, 604.0) > 74.0);
        world.heard(&agent);
        let mut stale = lock.seal(&caller.speak());
        let last = stale.len() - 1;
        stale[last] ^= 1;
        for _ in 0..200 {
            world.packet(caller.slot, caller.address, &stale);
        }
        assert!(world.heard(&agent).is_empty());
        assert_eq!(world.shard.stats().forged, 201);
        let heard = sealed_talk(&mut world, 400, &mut caller, &mut lock, &mut agent);
        assert!(level(&heard, 604.0) > 74.0, "the call lives");
    }
}

/// A browser: checks, then the handshake, then SRTP, all at the shared port.
#[test]
fn a_browser_is_heard_behind_its_checks_and_its_handshake_only() {
    let (identity, theirs) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let mut world = World::new();
    world.shard = Shard::new(world.start, Clock::new(world.start, Wall(0)), [7; 32], Some(Duration::from_secs(60)))
        .with_identity(Some(identity.clone()));
    let mut phone = world.phone(Codec::Pcma, 604.0);
    let mut browser = world.phone_at(Port::Shared(19_998), Codec::Pcmu, 1_004.0);
    let security = Security::Dtls(Box::new(Browser {
        ours: ("hatf".into(), "a-password-of-22-chars".into()),
        theirs: Some("peer".into()),
        role: Some(Role::Server),
        fingerprints: vec![theirs.fingerprint().clone()],
    }));
    let terms = Terms { security, rtcp_mux: true, ..Terms::plain(Codec::Pcmu, 0, Some(101)) };
    world.command(Command::Update { leg: browser.leg, remote: None, terms });
    world.command(Command::Bridge { a: browser.leg, b: phone.leg });
    let stranger: SocketAddr = "203.0.113.66:9".parse().unwrap();
    let mut dtls = Dtls::new(world.now(), &theirs, Role::Client, &[identity.fingerprint().clone()]).unwrap();
    let hello = dtls.poll_transmit().unwrap();
    // The race of hellos: another speaks first, and from the right place but unproved.
    for source in [stranger, browser.address] {
        world.shared(Channel::Rtp, source, &hello);
        world.shared(Channel::Rtp, source, &request("hatf:peer", "not the password at all", &[]));
    }
    world.run(40);
    assert!(world.wire.sent.iter().all(|sent| sent.slot != browser.slot), "nothing is answered");
    let check = request("hatf:peer", "a-password-of-22-chars", &[(0x802a, &[1; 8]), (0x0025, b"")]);
    world.shared(Channel::Rtp, browser.address, &check);
    assert_eq!(world.wire.sent.last().map(|sent| (sent.slot, sent.to)), Some((browser.slot, browser.address)));
    world.wire.sent.clear();
    world.shared(Channel::Rtp, browser.address, &hello);
    let mut found = None;
    for _ in 0..200 {
        for sent in std::mem::take(&mut world.wire.sent) {
            if sent.slot == browser.slot && (20..64).contains(&sent.bytes[0]) {
                assert_eq!(sent.to, browser.address);
                dtls.handle_datagram(world.now(), &sent.bytes);
            }
        }
        while let Some(datagram) = dtls.poll_transmit() {
            world.shared(Channel::Rtp, browser.address, &datagram);
        }
        if let Some(DtlsEvent::Keys(keys)) = dtls.poll_event() {
            found = Some(keys);
        }
        world.run(20);
        if found.is_some() {
            break;
        }
    }
    let found = found.expect("the handshake is done");
    let profile = srtp::Profile::from(found.profile);
    let half = |key: &super::super::dtls::MasterKey| Keys::new(profile, &key.key, &key.salt).unwrap();
    let mut lock = Lock { send: Sender::new(&half(&found.local)), receive: Receiver::new(&half(&found.remote)) };
    let mut heard = Vec::new();
    world.wire.sent.clear();
    for n in 0..150 {
        let datagram = lock.seal(&browser.speak());
        world.shared(Channel::Rtp, browser.address, &datagram);
        world.shared(Channel::Rtp, stranger, &datagram);
        if n % 50 == 0 {
            // Consent.
            world.shared(Channel::Rtp, browser.address, &check);
        }
        world.says(&mut phone);
        world.run(20);
    }
    let sent = std::mem::take(&mut world.wire.sent);
    for Sent { slot, to, mut bytes, .. } in sent.clone() {
        assert_ne!(to, stranger);
        if slot == browser.slot && bytes[0] >= 128 && !rtp::is_rtcp(&bytes) {
            let length = lock.receive.unprotect(&mut bytes).unwrap();
            let packet = rtp::parse(&bytes[..length]).unwrap();
            heard.extend(browser.sound(&bytes[packet.payload]));
        }
    }
    assert!(heard.len() > 20_000 && level(&heard, 604.0) > 74.0);
    world.wire.sent = sent;
    world.wire.sent.retain(|sent| sent.slot == phone.slot);
    let said = world.samples(&phone);
    assert!(said.len() > 20_000 && level(&said, 1_004.0) > 74.0);
    world.command(Command::Close { leg: browser.leg });
    world.wire.sent.clear();
    world.shared(Channel::Rtp, browser.address, &check);
    assert!(world.wire.sent.is_empty(), "a leg that is gone has no name");
}

#[test]
fn another_certificate_than_sdp_named_ends_the_leg() {
    let (identity, theirs, other) =
        (Identity::generate().unwrap(), Identity::generate().unwrap(), Identity::generate().unwrap());
    let mut world = World::new();
    world.shard = Shard::new(world.start, Clock::new(world.start, Wall(0)), [7; 32], Some(Duration::from_secs(60)))
        .with_identity(Some(identity.clone()));
    let browser = world.phone_at(Port::Shared(19_998), Codec::Pcmu, 1_004.0);
    let security = Security::Dtls(Box::new(Browser {
        ours: ("hatf".into(), "a-password-of-22-chars".into()),
        theirs: Some("peer".into()),
        role: Some(Role::Server),
        fingerprints: vec![theirs.fingerprint().clone()],
    }));
    let terms = Terms { security, rtcp_mux: true, ..Terms::plain(Codec::Pcmu, 0, Some(101)) };
    world.command(Command::Update { leg: browser.leg, remote: None, terms });
    world.shared(Channel::Rtp, browser.address, &request("hatf:peer", "a-password-of-22-chars", &[(0x802a, &[1; 8])]));
    let mut dtls = Dtls::new(world.now(), &other, Role::Client, &[identity.fingerprint().clone()]).unwrap();
    for _ in 0..200 {
        while let Some(datagram) = dtls.poll_transmit() {
            world.shared(Channel::Rtp, browser.address, &datagram);
        }
        for sent in std::mem::take(&mut world.wire.sent) {
            if (20..64).contains(&sent.bytes[0]) {
                dtls.handle_datagram(world.now(), &sent.bytes);
            }
        }
        world.run(20);
    }
    let ended = world.events.iter().filter(|(_, event)| *event == Event::MediaTimeout { leg: browser.leg }).count();
    assert_eq!(ended, 1);
}
