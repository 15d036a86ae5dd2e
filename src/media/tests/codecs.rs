//! Legs of different codecs: who hears what, at which level, in which packets.

use super::*;

const ALL: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];

/// The tone beside all else that is heard: how far it is above the residue, in dB.
fn above(samples: &[i16], hz: f64) -> f64 {
    let all = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64 * 2.0;
    let own = 10f64.powf(level(samples, hz) / 10.0);
    10.0 * (own / (all - own).max(1e-3)).log10()
}

#[test]
fn each_codec_hears_each_other_at_its_level() {
    for one in ALL {
        for two in ALL {
            let mut world = World::new();
            let (mut caller, mut agent) = (world.phone(one, 1_004.0), world.phone(two, 604.0));
            world.command(Command::Bridge { a: caller.leg, b: agent.leg });
            world.talk(1_000, &mut [&mut caller, &mut agent]);
            let _ = (world.samples(&caller), world.samples(&agent));
            world.talk(2_000, &mut [&mut caller, &mut agent]);
            let opus = one == Codec::Opus || two == Codec::Opus;
            let (off, least) = if opus { (3.0, 15.0) } else { (1.0, 30.0) };
            for (phone, hz) in [(&caller, 604.0), (&agent, 1_004.0)] {
                let heard = world.samples(phone);
                assert!(heard.len() >= 15_600, "{one:?} and {two:?}: {} samples", heard.len());
                let spoken = 20.0 * 8_000f64.log10();
                let level = level(&heard, hz) - spoken;
                assert!(level.abs() < off, "{one:?} and {two:?}: {hz} Hz is {level:.1} dB off");
                let above = above(&heard, hz);
                assert!(above > least, "{one:?} and {two:?}: {hz} Hz is {above:.1} dB above the rest");
            }
        }
    }
}

#[test]
fn what_passes_as_it_is_is_not_touched() {
    for codec in [Codec::G722, Codec::Opus] {
        let mut world = World::new();
        let (mut caller, agent) = (world.phone(codec, 1_004.0), world.phone(codec, 604.0));
        world.command(Command::Bridge { a: caller.leg, b: agent.leg });
        let datagram = caller.speak();
        world.packet(caller.slot, caller.address, &datagram);
        let heard = world.heard(&agent);
        assert_eq!(heard.len(), 1, "at once");
        assert_eq!(heard[0].2, datagram[rtp::HEADER_BYTES..]);
        assert_eq!(world.shard.poll_timeout().map(|at| at > world.now()), Some(true));
    }
}

#[test]
fn a_recording_hears_every_codec_in_step() {
    for codec in ALL {
        let mut world = World::new();
        let (mut caller, mut agent) = (world.phone(codec, 1_004.0), world.phone(Codec::Pcma, 604.0));
        let recording = RecordingId::new(1, 1);
        world.command(Command::Bridge { a: caller.leg, b: agent.leg });
        world.command(Command::Record { recording, customer: caller.leg, others: smallvec![agent.leg] });
        // Both fall silent for a second at the same moment.
        world.talk(2_000, &mut [&mut caller, &mut agent]);
        for _ in 0..50 {
            caller.pause();
            agent.pause();
            world.run(20);
        }
        world.talk(1_000, &mut [&mut caller, &mut agent]);
        world.command(Command::StopRecord { recording });
        let mut sides = [Vec::new(), Vec::new()];
        for chunk in &world.wire.chunks {
            if let ChunkKind::Samples(samples) = &chunk.kind {
                samples.chunks(2).for_each(|pair| (0..2).for_each(|n| sides[n].push(pair[n])));
            }
        }
        assert!(level(&sides[0][4_000..14_000], 1_004.0) > 74.0, "{codec:?}");
        assert!(level(&sides[1][4_000..14_000], 604.0) > 74.0, "{codec:?}");
        let loud = |s: &i16| s.unsigned_abs() > 2_000;
        let begins = [0, 1].map(|n: usize| 20_000 + sides[n][20_000..].iter().position(loud).unwrap());
        let ends = [0, 1].map(|n: usize| sides[n][..18_000].iter().rposition(loud).unwrap());
        for (of, [left, right]) in [("begin", begins), ("end", ends)] {
            let off = left.abs_diff(right);
            assert!(off <= 160, "{codec:?}: they {of} {off} samples apart");
        }
    }
}

#[test]
fn packets_have_the_length_that_the_phone_asked_for() {
    for codec in ALL {
        for ptime_ms in [10, 20, 40, 60] {
            let mut world = World::new();
            let (mut caller, agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(codec, 604.0));
            let number = payload_type(codec);
            world.command(Command::Update {
                leg: agent.leg,
                remote: None,
                terms: Terms { ptime_ms, ..Terms::plain(codec, number, Some(101)) },
            });
            world.command(Command::Music { leg: agent.leg, music: Arc::new(Clip::tone(1_004.0, -10.0, 1_000)) });
            world.run(1_200);
            let ticks = codec.clock_hz() / 1_000 * u32::from(ptime_ms);
            let heard = world.heard(&agent);
            assert!(heard.len() + 2 >= 1_200 / usize::from(ptime_ms), "{codec:?} {ptime_ms}: {}", heard.len());
            for pair in heard.windows(2) {
                assert_eq!(pair[1].1.timestamp.wrapping_sub(pair[0].1.timestamp), ticks, "{codec:?} {ptime_ms}");
                assert_eq!(pair[1].1.sequence, pair[0].1.sequence.wrapping_add(1));
            }
            let sound: Vec<i16> = heard.iter().skip(4).flat_map(|(_, _, payload)| agent.sound(payload)).collect();
            assert!(level(&sound, 1_004.0) > 70.0, "{codec:?} {ptime_ms}");
            world.says(&mut caller);
        }
    }
}

/// RFC 7587 §3.1.3: the pauses of our Opus are not sent to a phone that asked for it, and its clock goes on over them.
#[test]
fn pauses_in_opus_are_not_sent_where_that_was_asked_for() {
    for dtx in [false, true] {
        let mut world = World::new();
        let (mut caller, agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Opus, 604.0));
        let terms = Terms { dtx, ..Terms::plain(Codec::Opus, payload_type(Codec::Opus), Some(101)) };
        world.command(Command::Update { leg: agent.leg, remote: None, terms });
        world.command(Command::Bridge { a: caller.leg, b: agent.leg });
        world.talk(1_000, &mut [&mut caller]);
        world.heard(&agent);
        for _ in 0..100 {
            let (number, timestamp) = (payload_type(Codec::Pcmu), caller.timestamp);
            let silence = caller.datagram(number, timestamp, &[law(Codec::Pcmu).silence(); 160]);
            caller.pause();
            world.packet(caller.slot, caller.address, &silence);
            world.run(20);
        }
        let paused = world.heard(&agent);
        world.talk(1_000, &mut [&mut caller]);
        let heard = world.heard(&agent);
        assert_eq!(paused.len() < 40, dtx, "{} packets in 2 s of pause", paused.len());
        let (last, first) = (&paused.last().unwrap().1, &heard[0].1);
        assert_eq!(first.sequence, last.sequence.wrapping_add(1));
        let end = heard.last().unwrap();
        let passed = end.1.timestamp.wrapping_sub(paused[0].1.timestamp) / 48;
        let clock = end.0 - paused[0].0;
        assert!(u64::from(passed).abs_diff(clock) <= 40, "{passed} ms by timestamps, {clock} by the clock");
        let sound: Vec<i16> = heard.iter().skip(10).flat_map(|(_, _, payload)| agent.sound(payload)).collect();
        assert!(level(&sound, 1_004.0) > 72.0, "{}", level(&sound, 1_004.0));
    }
}

#[test]
fn a_phone_may_change_among_what_was_agreed() {
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::G722, 1_004.0), world.phone(Codec::Pcma, 604.0));
    let mut terms = Terms::plain(Codec::G722, 9, Some(101));
    terms.accepts.push((111, Codec::Opus));
    world.command(Command::Update { leg: caller.leg, remote: None, terms });
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.talk(1_000, &mut [&mut caller, &mut agent]);
    caller.codec = Codec::Opus;
    caller.encoder = Encoder::new(Codec::Opus).unwrap();
    caller.spoken = 0;
    world.talk(500, &mut [&mut caller, &mut agent]);
    world.heard(&agent);
    world.talk(1_000, &mut [&mut caller, &mut agent]);
    let heard = world.samples(&agent);
    assert!(level(&heard, 1_004.0) > 74.0 && above(&heard, 1_004.0) > 15.0);
}

/// RFC 4733 §2.1: timestamps and durations are at the clock of the codec.
#[test]
fn a_key_goes_from_one_clock_to_the_other_once_with_its_length() {
    for (one, two) in [(Codec::Opus, Codec::Pcmu), (Codec::Pcmu, Codec::Opus), (Codec::Pcmu, Codec::Pcma)] {
        let mut world = World::new();
        let (mut caller, mut agent) = (world.phone(one, 1_004.0), world.phone(two, 604.0));
        world.command(Command::Bridge { a: caller.leg, b: agent.leg });
        world.talk(400, &mut [&mut caller, &mut agent]);
        for key in [5, 5, 11] {
            for datagram in caller.press(key) {
                world.packet(caller.slot, caller.address, &datagram);
                world.says(&mut agent);
                world.run(20);
            }
        }
        world.talk(200, &mut [&mut caller, &mut agent]);
        assert_eq!(world.digits(caller.leg), "55#");
        let heard = world.heard(&agent);
        let events: Vec<_> = heard.iter().filter(|(_, packet, _)| packet.payload_type == 101).collect();
        assert_eq!(events.len(), 21, "{one:?} to {two:?}");
        let mut begins: Vec<u32> = events.iter().map(|(_, packet, _)| packet.timestamp).collect();
        begins.dedup();
        assert_eq!(begins.len(), 3, "{one:?} to {two:?}: one timestamp a press");
        let clock = two.clock_hz();
        let last = events.last().map(|(_, _, payload)| u16::from_be_bytes([payload[2], payload[3]]));
        assert_eq!(last, Some((clock / 10) as u16), "100 ms");
        let apart = begins[1].wrapping_sub(begins[0]);
        assert!((clock / 10..clock / 5).contains(&apart), "{one:?} to {two:?}: {apart} ticks apart");
        for pair in heard.windows(2) {
            assert_eq!(pair[1].1.sequence, pair[0].1.sequence.wrapping_add(1), "{one:?} to {two:?}");
        }
    }
}

#[test]
fn a_phone_without_events_hears_the_tones() {
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcma, 604.0));
    world.command(Command::Update { leg: agent.leg, remote: None, terms: Terms::plain(Codec::Pcma, 8, None) });
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.talk(400, &mut [&mut caller, &mut agent]);
    world.heard(&agent);
    for datagram in caller.press(5) {
        world.packet(caller.slot, caller.address, &datagram);
        world.run(20);
    }
    let heard = world.samples(&agent);
    assert!((640..=1_280).contains(&heard.len()), "{} samples", heard.len());
    let tones = [770.0, 1_336.0].map(|hz| level(&heard[..640], hz));
    assert!(tones.iter().all(|tone| *tone > 72.0), "{tones:?}");
    world.command(Command::Press { leg: agent.leg, digit: '#', length: Duration::from_millis(100) });
    world.run(400);
    let heard = world.samples(&agent);
    assert_eq!(heard.len(), 800);
    assert!(level(&heard, 941.0) > 72.0 && level(&heard, 1_477.0) > 72.0);
}

/// Keys of 60 ms with breaks of 60 ms, in a codec with a memory, from a phone that agreed on no events: each once, and the
/// other phone hears the tones, whatever it speaks. With events agreed the same sound is no key.
#[test]
fn keys_in_the_sound_of_every_codec_are_told_once() {
    const KEYS: &str = "0123456789*#ABCD";
    for (codec, other) in [(Codec::G722, Codec::G722), (Codec::Opus, Codec::Opus), (Codec::Opus, Codec::Pcmu)] {
        for (events, told) in [(None, KEYS), (Some(101), "")] {
            let mut world = World::new();
            let (mut caller, agent) = (world.phone(codec, 0.0), world.phone(other, 604.0));
            let terms = Terms::plain(codec, payload_type(codec), events);
            world.command(Command::Update { leg: caller.leg, remote: None, terms });
            world.command(Command::Bridge { a: caller.leg, b: agent.leg });
            world.talk(400, &mut [&mut caller]);
            world.events.clear();
            world.heard(&agent);
            let rate = caller.encoder.rate();
            for digit in KEYS.chars() {
                let place = "123A456B789C*0#D".find(digit).unwrap();
                let low = [697.0, 770.0, 852.0, 941.0][place / 4];
                let high = [1_209.0, 1_336.0, 1_477.0, 1_633.0][place % 4];
                for n in 0..6 {
                    let sound: Vec<i16> = (0..rate / 50)
                        .map(|at| {
                            let seconds = f64::from(n * rate / 50 + at) / f64::from(rate) * std::f64::consts::TAU;
                            let tones = (low * seconds).sin() + (high * seconds).sin();
                            if n < 3 { (4_000.0 * tones) as i16 } else { 0 }
                        })
                        .collect();
                    let datagram = caller.say(&sound);
                    world.packet(caller.slot, caller.address, &datagram);
                    world.run(20);
                }
            }
            world.talk(200, &mut [&mut caller]);
            let digit = |event: &(u64, Event)| match event.1 {
                Event::Digit { leg, digit } if leg == caller.leg => Some(digit),
                _ => None,
            };
            let found: String = world.events.iter().filter_map(digit).collect();
            assert_eq!(found, told, "{codec:?} to {other:?}, events {events:?}");
            assert!(level(&world.samples(&agent), 697.0) > 40.0, "the other phone hears it as well");
        }
    }
}

#[test]
fn a_key_pressed_by_us_is_events_among_what_is_relayed() {
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcma, 604.0));
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.talk(400, &mut [&mut caller, &mut agent]);
    world.heard(&agent);
    world.command(Command::Press { leg: agent.leg, digit: '7', length: Duration::from_millis(100) });
    world.talk(400, &mut [&mut caller, &mut agent]);
    let heard = world.heard(&agent);
    let events: Vec<_> = heard.iter().filter(|(_, packet, _)| packet.payload_type == 101).collect();
    let ends = events.iter().filter(|(_, _, payload)| payload[1] & 0x80 != 0).count();
    assert_eq!((events.len(), ends, events[0].2[0]), (8, 3, 7));
    let mut sequences: Vec<u16> = heard.iter().map(|(_, packet, _)| packet.sequence).collect();
    sequences.sort_unstable();
    sequences.dedup();
    assert_eq!(sequences.len(), heard.len(), "no number twice");
}

/// 5 % lost, 2 % out of order, 1 % twice: the call lives, the tone stands, and no delay builds up.
#[test]
fn loss_is_concealed_where_sound_is_decoded() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let mut world = World::new();
        let other = if codec == Codec::Opus { Codec::Pcma } else { Codec::Opus };
        let (mut caller, agent) = (world.phone(codec, 1_004.0), world.phone(other, 604.0));
        world.command(Command::Bridge { a: caller.leg, b: agent.leg });
        let mut seed = 5u64;
        let mut held: Option<Vec<u8>> = None;
        for n in 0..1_500 {
            let datagram = caller.speak();
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match (seed >> 33) % 100 {
                0..5 => {}
                5..7 if held.is_none() => held = Some(datagram),
                7 => (0..2).for_each(|_| world.packet(caller.slot, caller.address, &datagram)),
                _ => {
                    world.packet(caller.slot, caller.address, &datagram);
                    if let Some(late) = held.take() {
                        world.packet(caller.slot, caller.address, &late);
                    }
                }
            }
            world.run(20);
            if n == 1_000 {
                world.heard(&agent);
            }
        }
        let packets = world.wire.sent.iter().filter(|s| s.slot == agent.slot && s.channel == Channel::Rtp).count();
        assert!((495..=502).contains(&packets), "{codec:?}: {packets} packets in 10 s");
        let heard = world.samples(&agent);
        assert!(level(&heard, 1_004.0) > 72.0, "{codec:?}: {}", level(&heard, 1_004.0));
    }
}
