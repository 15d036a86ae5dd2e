//! Legs that share one port.

use super::*;

const PORT: Port = Port::Shared(20_000);

impl World {
    /// A datagram comes to the shared port.
    pub(super) fn shared(&mut self, channel: Channel, source: SocketAddr, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        let now = self.now();
        self.shard.handle_shared(now, channel, source, &mut datagram, &mut self.wire);
        self.events();
    }

    fn shared_talk(&mut self, ms: u64, phones: &mut [&mut Phone]) {
        for _ in 0..ms / 20 {
            for phone in phones.iter_mut() {
                let datagram = phone.speak();
                self.shared(Channel::Rtp, phone.address, &datagram);
            }
            self.run(20);
        }
    }
}

#[test]
fn two_calls_keep_apart_and_a_closed_leg_is_silent() {
    let mut world = World::new();
    let mut phones: Vec<Phone> =
        [1_004.0, 604.0, 404.0, 804.0].iter().map(|hz| world.phone_at(PORT, Codec::Pcmu, *hz)).collect();
    world.command(Command::Bridge { a: phones[0].leg, b: phones[1].leg });
    world.command(Command::Bridge { a: phones[2].leg, b: phones[3].leg });
    world.shared_talk(1_000, &mut phones.iter_mut().collect::<Vec<_>>());
    for (phone, hz) in phones.iter().zip([604.0, 1_004.0, 804.0, 404.0]) {
        let samples = world.samples(phone);
        let others = [604.0, 1_004.0, 804.0, 404.0].into_iter().filter(|other| *other != hz);
        let heard = level(&samples, hz);
        assert!(samples.len() >= 49 * 160 && others.into_iter().all(|other| heard - level(&samples, other) > 30.0));
    }
    let datagram = phones[0].speak();
    world.command(Command::Close { leg: phones[0].leg });
    world.wire.sent.clear();
    world.shared(Channel::Rtp, phones[0].address, &datagram);
    world.run(1_000);
    assert!(world.wire.sent.iter().all(|sent| sent.to != phones[0].address && sent.to != phones[1].address));
    assert_eq!(world.shard.stats().refused, 1);
}

/// The rules of who may speak hold as on a port of one's own; nobody finds a leg but who may.
#[test]
fn a_phone_behind_nat_locks_after_four_packets_and_strangers_find_nobody() {
    let mut world = World::new();
    let mut phone = world.phone_at(PORT, Codec::Pcmu, 1_004.0);
    let mut agent = world.phone_at(PORT, Codec::Pcmu, 604.0);
    world.command(Command::Bridge { a: phone.leg, b: agent.leg });
    let evil: SocketAddr = "198.51.100.66:5555".parse().unwrap();
    let mut forged = Phone { address: evil, hz: 2_000.0, ..world.phone(Codec::Pcmu, 2_000.0) };
    phone.address.set_port(61_000);
    for n in 0..9 {
        let datagram = phone.speak();
        world.shared(Channel::Rtp, phone.address, &datagram);
        let datagram = forged.speak();
        world.shared(Channel::Rtp, evil, &datagram);
        assert_eq!(world.heard(&agent).len(), usize::from(n >= 3), "{n}");
        world.shared_talk(20, &mut [&mut agent]);
    }
    assert!(world.wire.sent.iter().all(|sent| sent.to != evil));
    // NAT rebinding: a new port of the locked IP goes on after a second of silence.
    world.shared_talk(1_200, &mut [&mut agent]);
    phone.address.set_port(62_000);
    world.wire.sent.clear();
    world.shared_talk(100, &mut [&mut phone, &mut agent]);
    assert_eq!(world.heard(&agent).len(), 5);
    // New SDP moves the leg, and its old source must earn it again.
    let old = phone.address;
    phone.address = "10.9.9.9:4000".parse().unwrap();
    let terms = Terms::plain(Codec::Pcmu, 0, Some(101));
    world.command(Command::Update { leg: phone.leg, remote: Some(phone.address), terms });
    let datagram = phone.speak();
    world.shared(Channel::Rtp, old, &datagram);
    assert_eq!(world.heard(&agent).len(), 0);
    world.shared_talk(20, &mut [&mut phone, &mut agent]);
    assert_eq!(world.heard(&agent).len(), 1);
}

/// RFC 5761: with rtcp-mux both directions of RTCP use the port of RTP; without it the one above.
#[test]
fn reports_are_told_from_audio_and_leave_as_agreed() {
    let mut world = World::new();
    let (mut plain, mut mux) = (world.phone_at(PORT, Codec::Pcmu, 1.0), world.phone_at(PORT, Codec::Pcmu, 1.0));
    let terms = Terms { rtcp_mux: true, ..Terms::plain(Codec::Pcmu, 0, Some(101)) };
    world.command(Command::Update { leg: mux.leg, remote: Some(mux.address), terms });
    world.shared_talk(9_000, &mut [&mut plain, &mut mux]);
    let above = SocketAddr::new(plain.address.ip(), plain.address.port() + 1);
    let reports: Vec<_> = world.wire.sent.iter().filter(|sent| sent.bytes[1] >= 200).collect();
    assert!(reports.iter().any(|sent| (sent.channel, sent.to) == (Channel::Rtcp, above)));
    assert!(reports.iter().any(|sent| (sent.channel, sent.to) == (Channel::Rtp, mux.address)));
    assert!(reports.iter().all(|sent| sent.to == above || sent.to == mux.address));
    let before = world.shard.stats();
    let report = |ssrc: u32| [[0x80, 201, 0, 1], ssrc.to_be_bytes()].concat();
    world.shared(Channel::Rtcp, above, &report(plain.ssrc));
    world.shared(Channel::Rtp, mux.address, &report(mux.ssrc));
    let after = world.shard.stats();
    assert_eq!((after.packets_in, after.refused, after.noise), (before.packets_in, before.refused, before.noise));
    // Something that is neither: STUN without a leg that speaks ICE, DTLS of a source that proved nothing, and noise.
    world.shared(Channel::Rtp, plain.address, &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0]);
    world.shared(Channel::Rtp, plain.address, &[0x16; 40]);
    world.shared(Channel::Rtp, plain.address, &[0x46; 40]);
    let end = world.shard.stats();
    assert_eq!((end.refused, end.noise), (after.refused + 2, after.noise + 1));
}
