use super::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

#[test]
fn the_relay_copies_within_a_codec_and_transcodes_between_them() {
    for (one, two) in [(Codec::Pcmu, Codec::Pcmu), (Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
        let mut world = World::new();
        let (mut caller, agent) = (world.phone(one, 1_004.0), world.phone(two, 604.0));
        world.command(Command::Bridge { a: caller.leg, b: agent.leg });
        let datagram = caller.speak();
        world.packet(caller.slot, caller.address, &datagram);
        let heard = world.heard(&agent);
        let expected: Vec<u8> =
            datagram[12..].iter().map(|b| if one == two { *b } else { law(two).encode(law(one).decode(*b)) }).collect();
        assert_eq!(heard.len(), 1);
        assert_eq!((heard[0].1.payload_type, &heard[0].2), (payload_type(two), &expected));
        assert_ne!(heard[0].1.ssrc, caller.ssrc);
    }
}

#[test]
fn both_sides_hear_each_other_alone_even_with_equal_ssrcs() {
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcma, 604.0));
    let mut third = world.phone(Codec::Pcmu, 404.0);
    (caller.ssrc, agent.ssrc, third.ssrc) = (7, 7, 7);
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.talk(1_000, &mut [&mut caller, &mut agent, &mut third]);
    for (phone, wanted, other) in [(&caller, 604.0, 1_004.0), (&agent, 1_004.0, 604.0)] {
        let heard = world.samples(phone);
        assert_eq!(heard.len(), 8_000);
        assert!(level(&heard, wanted) - level(&heard, other).max(level(&heard, 404.0)) > 30.0);
    }
    assert!(world.samples(&third).is_empty());
    // A new bridge ends the old one.
    world.command(Command::Bridge { a: third.leg, b: agent.leg });
    world.talk(1_000, &mut [&mut caller, &mut agent, &mut third]);
    assert!(world.samples(&caller).is_empty());
    let heard = world.samples(&agent);
    assert!(level(&heard, 404.0) - level(&heard, 1_004.0) > 30.0);
}

#[test]
fn a_transfer_to_a_phone_with_the_same_numbers_leaves_no_gap() {
    let mut world = World::new();
    let (mut caller, agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcmu, 604.0));
    let mut third = world.phone(Codec::Pcmu, 404.0);
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.talk(200, &mut [&mut caller]);
    (third.ssrc, third.sequence, third.timestamp) =
        (caller.ssrc, caller.sequence.wrapping_add(40), caller.timestamp + 6_400);
    world.command(Command::Bridge { a: third.leg, b: agent.leg });
    world.talk(200, &mut [&mut third]);
    let heard = world.heard(&agent);
    assert_eq!(heard.len(), 20);
    assert_continuous(&heard);
}

#[test]
fn csrc_extension_and_padding_do_not_reach_the_other_phone() {
    let mut world = World::new();
    let (mut caller, agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcmu, 604.0));
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    let plain = caller.speak();
    let mut odd = plain[..12].to_vec();
    odd[0] = 0x80 | 0x20 | 0x10 | 2;
    odd.extend([0; 8]);
    odd.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
    odd.extend(&plain[12..]);
    odd.extend([0, 0, 0, 4]);
    world.packet(caller.slot, caller.address, &odd);
    let sent = world.wire.sent.pop().unwrap();
    assert_eq!((sent.slot, sent.bytes.len(), sent.bytes[0]), (agent.slot, 172, 0x80));
    assert_eq!(sent.bytes[12..], plain[12..]);
}

/// RFC 3389: noise goes where it was agreed on, with the place it has in time; elsewhere it is a pause.
#[test]
fn comfort_noise_passes_between_phones_that_know_it() {
    for (codec, agreed, wanted) in
        [(Codec::Pcma, true, true), (Codec::Pcma, false, false), (Codec::G722, true, false), (Codec::Opus, true, false)]
    {
        let mut world = World::new();
        let (mut caller, agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(codec, 604.0));
        let knows = |leg, codec, comfort_noise| Command::Update {
            leg,
            remote: None,
            terms: Terms { comfort_noise, ..Terms::plain(codec, payload_type(codec), Some(101)) },
        };
        world.command(knows(caller.leg, Codec::Pcmu, true));
        world.command(knows(agent.leg, codec, agreed));
        world.command(Command::Bridge { a: caller.leg, b: agent.leg });
        world.talk(100, &mut [&mut caller]);
        world.heard(&agent);
        let noise = caller.datagram(13, caller.timestamp, &[55, 1, 2]);
        world.packet(caller.slot, caller.address, &noise);
        (0..10).for_each(|_| caller.pause());
        let voice = caller.speak();
        world.packet(caller.slot, caller.address, &voice);
        let heard: Vec<_> = world.heard(&agent).into_iter().filter(|(_, p, _)| p.payload_type == 13).collect();
        let payloads: Vec<_> = heard.iter().map(|(_, _, payload)| payload.clone()).collect();
        assert_eq!(payloads, if wanted { vec![vec![55, 1, 2]] } else { vec![] }, "{codec:?} {agreed}");
        assert_eq!(world.shard.stats().unheard, 0);
    }
}

/// At 5 % loss, 5 % repeats and 10 % reordering each key press reaches the engine once and the other phone as one
/// event, unless all its packets were lost.
#[test]
fn digits_are_told_once_and_relayed_once_through_a_bad_network() {
    for seed in 0..20 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut chance = move |percent: u32| rng.next_u32() % 100 < percent;
        let mut world = World::new();
        let (mut caller, agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcma, 604.0));
        world.command(Command::Bridge { a: caller.leg, b: agent.leg });
        world.talk(100, &mut [&mut caller]);
        let pressed = "0123456789*#ABCD55500##";
        for key in pressed.chars() {
            let event = "0123456789*#ABCD".find(key).unwrap() as u8;
            let mut datagrams = caller.press(event);
            datagrams.push(caller.speak());
            datagrams.push(caller.speak());
            let mut n = 0;
            while n + 1 < datagrams.len() {
                if chance(10) {
                    datagrams.swap(n, n + 1);
                    n += 1;
                }
                n += 1;
            }
            for datagram in datagrams {
                let copies = if chance(5) { 0 } else { 1 + usize::from(chance(5)) };
                for _ in 0..copies {
                    world.packet(caller.slot, caller.address, &datagram);
                }
                world.run(20);
            }
        }
        assert_eq!(world.digits(caller.leg), pressed, "seed {seed}");
        assert_eq!(world.digits(agent.leg), "");
        let mut reader = dtmf::DigitReader::default();
        let relayed: String = world
            .heard(&agent)
            .iter()
            .filter(|h| h.1.payload_type == 101)
            .filter_map(|h| reader.handle(h.1.timestamp, &h.2))
            .collect();
        assert_eq!(relayed, pressed, "seed {seed}");
    }
}

#[test]
fn a_digit_is_not_sent_to_a_phone_without_telephone_event() {
    let mut world = World::new();
    let (mut caller, agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcmu, 604.0));
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.command(Command::Update {
        leg: agent.leg,
        remote: Some(agent.address),
        terms: Terms::plain(Codec::Pcmu, 0, None),
    });
    for datagram in caller.press(1) {
        world.packet(caller.slot, caller.address, &datagram);
    }
    assert!(world.heard(&agent).is_empty());
    assert_eq!(world.digits(caller.leg), "1");
}

#[test]
fn a_listener_hears_both_and_nobody_hears_him() {
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcma, 604.0));
    let mut spy = world.phone(Codec::Pcma, 404.0);
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    let recording = RecordingId::new(1, 1);
    world.command(Command::Record { recording, customer: caller.leg, others: smallvec![agent.leg] });
    world.command(Command::Mix { leg: spy.leg, voices: smallvec![caller.leg, agent.leg] });
    world.talk(200, &mut [&mut caller, &mut agent, &mut spy]);
    world.heard(&spy);
    world.talk(2_000, &mut [&mut caller, &mut agent, &mut spy]);
    let heard = world.heard(&spy);
    assert_eq!(heard.len(), 100);
    assert_continuous(&heard);
    let mix: Vec<i16> = heard.iter().flat_map(|h| h.2.iter().map(|b| Law::A.decode(*b))).collect();
    assert!(level(&mix, 1_004.0) - level(&mix, 404.0) > 30.0 && level(&mix, 604.0) - level(&mix, 404.0) > 30.0);
    for phone in [&caller, &agent] {
        let heard = world.samples(phone);
        assert!(level(&heard, phone.hz.max(604.0)) < 90.0);
        let wanted = if phone.hz == 604.0 { 1_004.0 } else { 604.0 };
        assert!(level(&heard, wanted) - level(&heard, 404.0) > 30.0);
    }
    world.command(Command::StopRecord { recording });
    for chunk in world.wire.chunks.iter() {
        if let ChunkKind::Samples(samples) = &chunk.kind {
            assert!(level(samples, 404.0 / 2.0) < 35.0, "404 Hz is in the recording");
        }
    }
    world.command(Command::Mix { leg: spy.leg, voices: smallvec![] });
    world.talk(200, &mut [&mut caller, &mut agent, &mut spy]);
    assert!(world.heard(&spy).is_empty());
}

/// Who whispers is heard by the agent, in place of the bridge, and never by the customer.
#[test]
fn a_whisper_reaches_the_agent_only() {
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcma, 604.0));
    let mut coach = world.phone(Codec::Pcma, 404.0);
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.command(Command::Mix { leg: coach.leg, voices: smallvec![caller.leg, agent.leg] });
    world.command(Command::Mix { leg: agent.leg, voices: smallvec![caller.leg, coach.leg] });
    world.talk(200, &mut [&mut caller, &mut agent, &mut coach]);
    let _ = [&caller, &agent, &coach].map(|phone| world.heard(phone));
    world.talk(2_000, &mut [&mut caller, &mut agent, &mut coach]);
    let heard = [&caller, &agent, &coach].map(|phone| world.samples(phone));
    let hears = |n: usize, hz: f64| level(&heard[n], hz) > level(&heard[n], 1_804.0) + 30.0;
    assert_eq!([hears(0, 1_004.0), hears(0, 604.0), hears(0, 404.0)], [false, true, false], "the customer");
    assert_eq!([hears(1, 1_004.0), hears(1, 604.0), hears(1, 404.0)], [true, false, true], "the agent");
    assert_eq!([hears(2, 1_004.0), hears(2, 604.0), hears(2, 404.0)], [true, true, false], "the coach");
    world.command(Command::Mix { leg: agent.leg, voices: smallvec![] });
    world.talk(200, &mut [&mut caller, &mut agent, &mut coach]);
    world.heard(&agent);
    world.talk(1_000, &mut [&mut caller, &mut agent, &mut coach]);
    let heard = world.samples(&agent);
    assert!(level(&heard, 1_004.0) > 60.0 && level(&heard, 404.0) < 40.0, "he hears his bridge again");
}

#[test]
fn the_listener_is_between_40_and_60_ms_behind() {
    let mut world = World::new();
    let (mut caller, agent, spy) =
        (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcmu, 0.0), world.phone(Codec::Pcmu, 0.0));
    world.command(Command::Mix { leg: spy.leg, voices: smallvec![caller.leg, agent.leg] });
    for _ in 0..50 {
        caller.pause();
        world.run(20);
    }
    world.heard(&spy);
    let began = world.ms - 20; // the packet that comes now was spoken in the last 20 ms
    world.talk(200, &mut [&mut caller]);
    let mut first = None;
    for (ms, _, payload) in world.heard(&spy) {
        let loud = payload.iter().position(|b| Law::Mu.decode(*b).abs() > 1_000);
        if let (Some(n), None) = (loud, first) {
            // The frame sent at `ms` is played from then on.
            first = Some(ms + n as u64 / 8);
        }
    }
    let delay = first.unwrap() - began;
    assert!((40..=62).contains(&delay), "{delay} ms");
}

/// What is silent while the other side speaks is told after 5 s, once, and that it speaks again; not while it is on hold,
/// hears music or when nobody speaks.
#[test]
fn one_way_audio_is_told_once_and_so_is_its_end() {
    let told = |world: &mut World| {
        let events = std::mem::take(&mut world.events);
        let one_way = |(at, event)| match event {
            Event::OneWay { leg, silent } => Some((at, leg, silent)),
            _ => None,
        };
        events.into_iter().filter_map(one_way).collect::<Vec<_>>()
    };
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcmu, 604.0));
    world.talk(10_000, &mut [&mut caller]);
    assert_eq!(told(&mut world), [], "nobody is there to be heard");
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.talk(10_000, &mut [&mut caller]);
    let first = told(&mut world);
    assert_eq!(first.iter().map(|t| (t.1, t.2)).collect::<Vec<_>>(), [(agent.leg, true)]);
    assert!((15_000..16_100).contains(&first[0].0), "5 s after the bridge, looked at once a second: {first:?}");
    world.talk(2_000, &mut [&mut caller, &mut agent]);
    assert_eq!(told(&mut world).iter().map(|t| (t.1, t.2)).collect::<Vec<_>>(), [(agent.leg, false)]);
    world.run(20_000);
    assert_eq!(told(&mut world), [], "both are silent");

    // The agent holds: he owes no sound, and the caller who hears music none either.
    let held = Terms { send: false, ..Terms::plain(Codec::Pcmu, 0, Some(101)) };
    world.command(Command::Update { leg: agent.leg, remote: Some(agent.address), terms: held });
    world.command(Command::Music { leg: caller.leg, music: Arc::new(Clip::tone(440.0, -6.0, 1_000)) });
    world.talk(10_000, &mut [&mut caller]);
    world.talk(10_000, &mut [&mut agent]);
    assert_eq!(told(&mut world), []);
    let back = Terms::plain(Codec::Pcmu, 0, Some(101));
    world.command(Command::Update { leg: agent.leg, remote: Some(agent.address), terms: back });
    world.command(Command::Silence { leg: caller.leg });
    world.talk(4_000, &mut [&mut caller]);
    assert_eq!(told(&mut world), [], "his 5 s count from the new terms");
    world.talk(4_000, &mut [&mut caller]);
    world.command(Command::Unbridge { a: caller.leg });
    world.talk(2_000, &mut [&mut caller]);
    assert_eq!(
        told(&mut world).iter().map(|t| (t.1, t.2)).collect::<Vec<_>>(),
        [(agent.leg, true), (agent.leg, false)]
    );
}

#[test]
fn how_a_leg_is_can_be_asked_at_any_time() {
    let mut world = World::new();
    let (mut caller, agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcmu, 604.0));
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.talk(1_000, &mut [&mut caller]);
    caller.sequence += 10;
    world.talk(1_000, &mut [&mut caller]);
    world.command(Command::Report { leg: caller.leg });
    world.command(Command::Report { leg: agent.leg });
    world.command(Command::Report { leg: LegId(99) });
    let told: Vec<Quality> = world
        .events
        .iter()
        .filter_map(|(_, event)| if let Event::Quality { quality, .. } = event { Some(*quality) } else { None })
        .collect();
    assert_eq!(told.iter().map(|q| (q.received, q.lost, q.sent)).collect::<Vec<_>>(), [(100, 10, 0), (0, 0, 100)]);
    assert!((3.0..4.0).contains(&told[0].mos), "9 % loss: {}", told[0].mos);
}
