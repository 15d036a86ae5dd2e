use std::collections::BTreeSet;

use super::*;

const EVIL: &str = "198.51.100.66:5555";

fn evil() -> SocketAddr {
    EVIL.parse().unwrap()
}

fn update(phone: &Phone, send: bool, receive: bool) -> Command {
    Command::Update {
        leg: phone.leg,
        remote: Some(phone.address),
        terms: Terms { send, receive, ..Terms::plain(phone.codec, payload_type(phone.codec), Some(101)) },
    }
}

/// Reliability §2, RTP bleed and injection: 200 packets of a stranger are neither heard, nor answered, nor digits.
#[test]
fn a_stranger_is_never_heard_nor_sent_to() {
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcmu, 604.0));
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.talk(100, &mut [&mut caller, &mut agent]);
    world.heard(&agent);
    let mut forged = Phone { address: evil(), hz: 2_000.0, ..caller };
    for _ in 0..200 {
        let datagram = forged.speak();
        world.packet(forged.slot, evil(), &datagram);
        for datagram in forged.press(9) {
            world.packet(forged.slot, evil(), &datagram);
        }
        world.run(20);
        world.says(&mut agent);
    }
    assert!(world.heard(&agent).is_empty());
    assert_eq!(world.digits(forged.leg), "");
    assert!(world.wire.sent.iter().all(|s| s.to != evil()));
    assert_eq!(world.shard.stats().refused, 1_600);
}

#[test]
fn the_kernel_filters_for_the_phone_while_it_speaks() {
    let mut world = World::new();
    let mut phone = world.phone(Codec::Pcmu, 1_004.0);
    world.talk(2_000, &mut [&mut phone]);
    assert_eq!(world.wire.connected, [(phone.slot, Some(phone.address))]);
    world.run(2_500);
    assert_eq!(world.wire.connected.last(), Some(&(phone.slot, None)), "silent: it may come from a new port");
    // NAT rebinding: a new port, the same SSRC, the sequence goes on.
    phone.address.set_port(4_444);
    world.says(&mut phone);
    assert_eq!(world.wire.connected.last(), Some(&(phone.slot, Some(phone.address))));
    assert_eq!(world.shard.stats().refused, 0);
}

#[test]
fn a_phone_on_hold_is_neither_heard_nor_sent_to_nor_timed_out() {
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcmu, 604.0));
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.talk(100, &mut [&mut caller, &mut agent]);
    world.command(update(&agent, false, false));
    world.heard(&caller);
    world.heard(&agent);
    world.talk(100, &mut [&mut caller, &mut agent]);
    assert!(world.heard(&caller).is_empty() && world.heard(&agent).is_empty());
    world.talk(120_000, &mut [&mut caller]);
    assert!(world.events.is_empty(), "{:?}", world.events);
    world.command(update(&agent, true, true));
    world.talk(40, &mut [&mut caller, &mut agent]);
    assert_eq!((world.heard(&caller).len(), world.heard(&agent).len()), (2, 2));
}

#[test]
fn silence_of_60_s_is_told_once_and_rtcp_keeps_a_muted_phone_alive() {
    let mut world = World::new();
    let (mut deaf, muted) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcmu, 604.0));
    world.talk(1_000, &mut [&mut deaf]);
    let mut report = [0; rtcp::REPORT_BYTES];
    let length = rtcp::write(&mut report, 5, None, None, rtcp::LastSr::default());
    for _ in 0..200 {
        world.run(1_000);
        let mut bytes = report[..length].to_vec();
        let source = SocketAddr::new(muted.address.ip(), muted.address.port() + 1);
        let now = world.now();
        world.shard.handle_packet(now, muted.slot, Channel::Rtcp, source, &mut bytes, &mut world.wire);
        // Reports of a stranger keep nobody alive.
        world.shard.handle_packet(now, deaf.slot, Channel::Rtcp, evil(), &mut bytes, &mut world.wire);
    }
    assert_eq!(world.events.len(), 1);
    assert_eq!(world.events[0].1, Event::MediaTimeout { leg: deaf.leg });
    assert!((60_900..=62_000).contains(&world.events[0].0), "{}", world.events[0].0);
    // It may have been told of somebody who only rang: once he is answered, it counts anew.
    world.command(update(&deaf, true, true));
    world.run(62_000);
    assert_eq!(world.events.iter().filter(|(_, e)| *e == Event::MediaTimeout { leg: deaf.leg }).count(), 2);
}

#[test]
fn reports_go_out_every_5_s_and_tell_loss_and_round_trip() {
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcmu, 604.0));
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    let (mut reports, mut last_loss) = (0, 0);
    for second in 0..60u64 {
        for n in 0..50 {
            world.says(&mut caller);
            if n % 10 == 9 {
                agent.speak(); // lost on its way
            } else {
                world.says(&mut agent);
            }
            world.run(20);
        }
        let sent = std::mem::take(&mut world.wire.sent);
        for report in sent.iter().filter(|s| s.channel == Channel::Rtcp && s.slot == agent.slot) {
            reports += 1;
            assert_eq!((report.to.ip(), report.to.port()), (agent.address.ip(), agent.address.port() + 1));
            assert_eq!(report.bytes[1], 200, "a sender report, as we send");
            last_loss = report.bytes[32];
            // The phone answers 30 ms after the report was sent, 10 of them its own.
            let (high, low) = (&report.bytes[10..12], &report.bytes[12..14]);
            let middle = u32::from_be_bytes([high[0], high[1], low[0], low[1]]);
            let ssrc = u32::from_be_bytes([report.bytes[4], report.bytes[5], report.bytes[6], report.bytes[7]]);
            let waited = (world.ms - report.ms) as u32 * 65_536 / 1_000;
            let block = reception::Report { ssrc, fraction_lost: 0, lost: 0, highest: 0, jitter: 0 };
            let mut answer = [0; rtcp::REPORT_BYTES];
            let last_sr = rtcp::LastSr { ntp: middle, delay: waited + 10 * 65_536 / 1_000 };
            let length = rtcp::write(&mut answer, agent.ssrc, None, Some(block), last_sr);
            let source = SocketAddr::new(agent.address.ip(), 4_001);
            let now = world.now() + Duration::from_millis(30);
            world.shard.handle_packet(now, agent.slot, Channel::Rtcp, source, &mut answer[..length], &mut world.wire);
        }
        let _ = second;
    }
    assert!((9..=16).contains(&reports), "{reports}");
    assert!((20..=31).contains(&last_loss), "10 % are 25 of 256: {last_loss}");
    world.command(Command::Close { leg: agent.leg });
    let Some((_, Event::Closed { quality, .. })) = world.events.last() else { panic!("{:?}", world.events) };
    assert!((quality.rtt_ms - 20.0).abs() < 1.0, "{}", quality.rtt_ms);
    assert!((295..=300).contains(&quality.lost) && quality.received == 2_700 && quality.sent == 3_000, "{quality:?}");
    assert!(quality.mos > 3.0 && quality.mos < 4.0 && quality.jitter_ms < 1.0, "{quality:?}");
}

/// Another process of the phone's host, or of its neighbour behind NAT, may send RTCP: our reports stay with the phone.
#[test]
fn reports_follow_the_phone_and_its_ssrc_only() {
    let mut world = World::new();
    let mut phone = world.phone(Codec::Pcmu, 1_004.0);
    let (slot, ip) = (phone.slot, phone.address.ip());
    let report = |world: &mut World, ssrc: u32, port: u16| {
        let mut bytes = [0; rtcp::REPORT_BYTES];
        let length = rtcp::write(&mut bytes, ssrc, None, None, rtcp::LastSr::default());
        let (now, source) = (world.now(), SocketAddr::new(ip, port));
        world.shard.handle_packet(now, slot, Channel::Rtcp, source, &mut bytes[..length], &mut world.wire);
    };
    let told = |world: &mut World| {
        let sent = std::mem::take(&mut world.wire.sent);
        sent.iter().filter(|s| s.channel == Channel::Rtcp).map(|s| s.to.port()).collect::<BTreeSet<_>>()
    };
    let (ssrc, above) = (phone.ssrc, phone.address.port() + 1);
    report(&mut world, 1, 5_555);
    world.talk(10_000, &mut [&mut phone]);
    assert_eq!(told(&mut world), [above].into(), "a stranger of that host is told nothing");
    report(&mut world, ssrc, 6_666);
    world.talk(10_000, &mut [&mut phone]);
    assert_eq!(told(&mut world), [6_666].into(), "a port that a router made up");
    report(&mut world, ssrc, above);
    world.talk(10_000, &mut [&mut phone]);
    assert_eq!(told(&mut world), [above].into(), "its own port is its own");
}

#[test]
fn a_port_that_cannot_be_opened_is_told_and_a_closed_leg_leaves_nothing() {
    let mut world = World::new();
    world.wire.taken_ports.push(30_000);
    let open = |port| Command::Open {
        leg: LegId(50),
        port,
        remote: None,
        signalling: None,
        terms: Terms::plain(Codec::Pcmu, 0, None),
        role: LegRole::Agent,
    };
    world.command(open(Port::Own(30_000)));
    let error = "port 30000 is taken".to_owned();
    assert_eq!(world.events.pop().map(|e| e.1), Some(Event::OpenFailed { leg: LegId(50), error }));
    world.command(open(Port::Own(20_002)));
    world.command(Command::Tone { leg: LegId(50), tone: Arc::new(Clip::tone(440.0, -6.0, 1_000)) });
    world.run(1_000);
    assert!(world.wire.sent.is_empty(), "no address, no packets");
    world.command(Command::Close { leg: LegId(50) });
    world.command(Command::Close { leg: LegId(50) });
    assert!(matches!(world.events.last(), Some((_, Event::Closed { leg: LegId(50), .. }))));
    assert!(world.wire.open.is_empty());
    assert_eq!((world.shard.stats().legs, world.shard.poll_timeout()), (0, None));
    // The slot is used again and time that passed while nothing was open is not caught up.
    world.ms += 100_000;
    let phone = world.phone(Codec::Pcmu, 1_004.0);
    world.run(100);
    assert_eq!((phone.slot, world.shard.stats().skipped_ms), (0, 0));
}

#[test]
fn noise_of_all_lengths_changes_nothing() {
    let mut world = World::new();
    let (mut caller, agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcmu, 604.0));
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.says(&mut caller);
    let before = world.heard(&agent).len();
    let mut state = 1u32;
    for length in 0..600usize {
        let mut bytes: Vec<u8> = (0..length % 60)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        if let Some(first) = bytes.first_mut().filter(|_| length % 2 == 0) {
            *first = 0x80 | (*first & 0x3f);
        }
        let now = world.now();
        for channel in [Channel::Rtp, Channel::Rtcp] {
            world.shard.handle_packet(now, caller.slot, channel, evil(), &mut bytes.clone(), &mut world.wire);
            let from_phone = &mut bytes.clone();
            if from_phone.get(1).is_some_and(|b| ![0, 8, 101].contains(&(b & 0x7f))) {
                world.shard.handle_packet(now, caller.slot, channel, caller.address, from_phone, &mut world.wire);
            }
        }
    }
    world.shard.handle_packet(world.start, 9_999, Channel::Rtp, evil(), &mut [0x80; 172], &mut world.wire);
    assert_eq!((before, world.heard(&agent).len()), (1, 0));
    world.says(&mut caller);
    assert_eq!(world.heard(&agent).len(), 1);
}
