use super::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

const RECORDING: u128 = 5;

fn recording() -> RecordingId {
    RecordingId::new(1, RECORDING)
}

/// The whole recording as left and right samples, gaps as silence.
fn channels(world: &mut World) -> (Vec<i16>, Vec<i16>) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut begun = false;
    for chunk in world.wire.chunks.drain(..) {
        assert_eq!((chunk.recording, chunk.track), (recording(), Track::Main));
        match chunk.kind {
            ChunkKind::Start { .. } => assert!(!std::mem::replace(&mut begun, true)),
            ChunkKind::Samples(samples) => {
                assert!(begun);
                left.extend(samples.iter().step_by(2));
                right.extend(samples.iter().skip(1).step_by(2));
            }
            ChunkKind::Gap { samples } => {
                left.resize(left.len() + samples as usize, 0);
                right.resize(right.len() + samples as usize, 0);
            }
            ChunkKind::Pause { .. } => {}
            ChunkKind::End => begun = false,
        }
    }
    (left, right)
}

fn ended(world: &World) -> Option<(u64, u64)> {
    world.events.iter().find_map(|e| match e.1 {
        Event::RecordingEnded { length_ms, lost_ms, .. } => Some((length_ms, lost_ms)),
        _ => None,
    })
}

#[test]
fn left_is_the_customer_and_right_the_agent_each_as_sent() {
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcma, 604.0));
    world.command(Command::Record { recording: recording(), customer: caller.leg, others: smallvec![] });
    world.command(Command::Music { leg: caller.leg, music: Arc::new(Clip::tone(440.0, -6.0, 1_000)) });
    world.talk(1_000, &mut [&mut caller]);
    world.command(Command::Silence { leg: caller.leg });
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.command(Command::Record { recording: recording(), customer: caller.leg, others: smallvec![agent.leg] });
    world.talk(2_000, &mut [&mut caller, &mut agent]);
    world.command(Command::Close { leg: agent.leg });
    world.talk(1_000, &mut [&mut caller]);
    world.command(Command::Close { leg: caller.leg });
    assert_eq!(ended(&world), Some((4_000, 0)));
    let (left, right) = channels(&mut world);
    assert_eq!((left.len(), right.len()), (32_000, 32_000));
    for (name, of) in [("before", 800..7_200), ("talk", 8_800..23_200), ("after", 24_800..31_200)] {
        let left = &left[of.clone()];
        let noise = [604.0, 440.0].map(|hz| level(left, hz)).into_iter().fold(0.0, f64::max);
        assert!(level(left, 1_004.0) - noise > 35.0, "{name}");
        let right = &right[of];
        match name {
            "talk" => assert!(level(right, 604.0) - level(right, 1_004.0) > 35.0),
            _ => assert!(right.iter().all(|s| *s == 0), "{name}: the agent is not there"),
        }
    }
}

/// At 5 % loss, 2 % reordering, 1 % repeats and 60 ms of jitter a minute is a minute, and the sides stay in step.
#[test]
fn the_length_is_wall_time_whatever_the_network_does() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcma, 604.0));
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.run(137);
    world.command(Command::Record { recording: recording(), customer: caller.leg, others: smallvec![agent.leg] });
    let began = world.ms;
    let mut queue: Vec<(u64, u32, SocketAddr, Vec<u8>)> = Vec::new();
    for n in 0..3_000u64 {
        for phone in [&mut caller, &mut agent] {
            // Ten seconds of silence suppression.
            if (1_000..1_500).contains(&n) {
                phone.pause();
                continue;
            }
            let datagram = phone.speak();
            let copies = match rng.next_u32() % 100 {
                0..5 => 0,
                5 => 2,
                _ => 1,
            };
            for _ in 0..copies {
                let late = u64::from(rng.next_u32() % if rng.next_u32() % 50 == 0 { 60 } else { 10 });
                queue.push((n * 20 + late, phone.slot, phone.address, datagram.clone()));
            }
        }
    }
    queue.sort_by_key(|q| q.0);
    for (at, slot, address, datagram) in queue {
        world.run((began + at).saturating_sub(world.ms));
        world.packet(slot, address, &datagram);
    }
    world.run((began + 60_000).saturating_sub(world.ms));
    world.command(Command::StopRecord { recording: recording() });
    let wall = world.ms - began;
    let (length, lost) = ended(&world).unwrap();
    assert!(length.abs_diff(wall) <= 40 && lost == 0, "{length} ms of {wall}");
    let (left, right) = channels(&mut world);
    assert_eq!(left.len() as u64 / 8, length);
    for (samples, own, other) in [(&left, 1_004.0, 604.0), (&right, 604.0, 1_004.0)] {
        let talk = &samples[8_000..150_000];
        assert!(level(talk, own) - level(talk, other) > 20.0);
        assert!(samples[162_000..238_000].iter().all(|s| *s == 0), "silence keeps its place");
        let runs =
            talk.chunk_by(|a, b| (*a == 0) == (*b == 0)).filter(|run| run.len() >= 100 && run.first() == Some(&0));
        let silent = runs.map(|run| run.len()).sum::<usize>() as f64 / talk.len() as f64;
        assert!((0.01..0.09).contains(&silent), "lost frames are silence: {silent}");
    }
}

#[test]
fn a_packet_100_ms_late_is_in_its_place() {
    let mut world = World::new();
    let mut caller = world.phone(Codec::Pcmu, 1_004.0);
    world.command(Command::Record { recording: recording(), customer: caller.leg, others: smallvec![] });
    world.run(20);
    world.says(&mut caller);
    world.run(100);
    world.talk(800, &mut [&mut caller]);
    world.command(Command::StopRecord { recording: recording() });
    let (left, _) = channels(&mut world);
    let silent = left[..6_400].chunks(160).filter(|frame| frame.iter().all(|s| *s == 0)).count();
    assert_eq!((left.len(), silent), (920 * 8, 0));
}

/// Silence is told once, within half a second of when it was long enough, and with whether anything was said before it.
#[test]
fn silence_that_is_awaited_is_told_once() {
    let quiet = |world: &World| -> Vec<(u64, bool)> {
        let told = |(at, event): &(u64, Event)| match event {
            Event::Quiet { spoke, .. } => Some((*at, *spoke)),
            _ => None,
        };
        world.events.iter().filter_map(told).collect()
    };
    let mut world = World::new();
    let mut caller = world.phone(Codec::Pcma, 1_004.0);
    let silence = Duration::from_secs(2);
    world.command(Command::Record { recording: recording(), customer: caller.leg, others: smallvec![] });
    world.command(Command::AwaitQuiet { recording: recording(), silence });
    for _ in 0..3 {
        world.talk(1_000, &mut [&mut caller]);
        world.run(1_500);
    }
    assert_eq!(quiet(&world), [], "pauses of a speaker are shorter");
    world.talk(1_000, &mut [&mut caller]);
    let ended = world.ms;
    world.run(5_000);
    let [(at, spoke)] = quiet(&world).try_into().unwrap();
    assert!(spoke && (ended + 2_000..=ended + 2_600).contains(&at), "{ended} {at}");

    let mut world = World::new();
    let caller = world.phone(Codec::Pcma, 1_004.0);
    world.command(Command::Record { recording: recording(), customer: caller.leg, others: smallvec![] });
    world.run(1_000);
    assert_eq!(quiet(&world), []);
    world.command(Command::AwaitQuiet { recording: recording(), silence });
    world.run(3_000);
    let [(_, spoke)] = quiet(&world).try_into().unwrap();
    assert!(!spoke, "he never said a word");
}

#[test]
fn what_storage_cannot_take_is_a_gap_and_the_end_waits_for_room() {
    let mut world = World::new();
    let mut caller = world.phone(Codec::Pcmu, 1_004.0);
    world.command(Command::Record { recording: recording(), customer: caller.leg, others: smallvec![] });
    world.talk(1_000, &mut [&mut caller]);
    world.wire.full = true;
    world.talk(1_000, &mut [&mut caller]);
    world.wire.full = false;
    world.talk(1_000, &mut [&mut caller]);
    world.wire.full = true;
    world.command(Command::Close { leg: caller.leg });
    assert_eq!(ended(&world), None);
    world.run(1_000);
    world.wire.full = false;
    world.run(400);
    let (length, lost) = ended(&world).unwrap();
    assert_eq!(length, 3_000);
    assert!((1_000..=1_500).contains(&lost), "{lost}");
    assert_eq!(world.wire.chunks.back().map(|c| c.kind.clone()), Some(ChunkKind::End));
    let (left, _) = channels(&mut world);
    assert_eq!(left.len(), 24_000);
    assert!(level(&left[..4_800], 1_004.0) > 70.0);
    assert!(left[8_000..12_800].iter().all(|s| *s == 0));
    assert_eq!(world.shard.stats().recordings, 0);
    assert_eq!(world.shard.poll_timeout(), None, "nothing is left");
}

#[test]
fn a_recording_of_a_leg_that_is_not_there_ends_at_once() {
    let mut world = World::new();
    world.command(Command::Record { recording: recording(), customer: LegId(77), others: smallvec![] });
    assert_eq!(ended(&world), Some((0, 0)));
    world.command(Command::StopRecord { recording: recording() });
    assert!(world.wire.chunks.is_empty());
}

/// A conference: the customer left, all others mixed right; who comes and goes changes it from then on.
#[test]
fn all_others_are_mixed_on_the_right() {
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcma, 604.0));
    let mut guest = world.phone(Codec::Pcmu, 804.0);
    let record = |others| Command::Record { recording: recording(), customer: LegId(1), others };
    world.command(record(smallvec![agent.leg]));
    world.talk(1_000, &mut [&mut caller, &mut agent, &mut guest]);
    world.command(record(smallvec![agent.leg, guest.leg]));
    world.talk(1_000, &mut [&mut caller, &mut agent, &mut guest]);
    world.command(Command::Close { leg: agent.leg });
    world.talk(1_000, &mut [&mut caller, &mut guest]);
    world.command(Command::StopRecord { recording: recording() });
    let (left, right) = channels(&mut world);
    assert_eq!((left.len(), right.len()), (24_000, 24_000));
    assert!(left.chunks(8_000).all(|left| level(left, 1_004.0) - level(left, 604.0).max(level(left, 804.0)) > 35.0));
    for (second, agent, guest) in [(0, true, false), (1, true, true), (2, false, true)] {
        let right = &right[second * 8_000 + 800..(second + 1) * 8_000 - 800];
        let heard = [604.0, 804.0].map(|hz| level(right, hz) - level(right, 1_004.0) > 35.0);
        assert_eq!(heard, [agent, guest], "second {second}");
    }
}

/// Chunks of one extra file: where it begins, and its samples. They are taken out of the wire.
fn extra(world: &mut World, track: Track) -> (u64, Vec<i16>) {
    let (own, others): (Vec<_>, Vec<_>) = world.wire.chunks.drain(..).partition(|chunk| chunk.track == track);
    world.wire.chunks = others.into();
    let (mut begins, mut samples, mut ended) = (None, Vec::new(), false);
    for chunk in own {
        assert!(!ended);
        match chunk.kind {
            ChunkKind::Start { offset } => assert_eq!(begins.replace(offset), None),
            ChunkKind::Samples(more) => samples.extend(more),
            ChunkKind::Gap { samples: lost } => samples.resize(samples.len() + lost as usize, 0),
            ChunkKind::Pause { .. } => panic!("pauses are told in the main file"),
            ChunkKind::End => ended = true,
        }
    }
    assert!(ended, "{track:?}");
    (begins.unwrap(), samples)
}

fn supervisor(number: u16) -> Track {
    Track::Extra { kind: TrackKind::Supervisor, number }
}

/// What is said while a recording is paused is in no file, to the sample, also when its packets come after the pause;
/// what was said before and comes late is there.
#[test]
fn a_pause_is_silence_exactly_whenever_the_packets_come() {
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcma, 604.0));
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.run(20);
    let began = world.ms;
    world.command(Command::Record { recording: recording(), customer: caller.leg, others: smallvec![agent.leg] });
    world.command(Command::RecordTrack { recording: recording(), kind: TrackKind::Consult, leg: agent.leg });
    // The network of the caller holds everything back for 100 ms.
    let mut late: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    let mut bounds = Vec::new();
    for n in 0..200u64 {
        late.push_back((world.ms + 100, caller.speak()));
        while late.front().is_some_and(|(at, _)| *at <= world.ms) {
            let (_, datagram) = late.pop_front().unwrap();
            world.packet(caller.slot, caller.address, &datagram);
        }
        world.says(&mut agent);
        // Not at the bounds of packets or chunks.
        world.run(7);
        if n == 50 || n == 130 {
            bounds.push((world.ms - began) * 8);
            world.command(match n {
                50 => Command::PauseRecord { recording: recording() },
                _ => Command::ResumeRecord { recording: recording() },
            });
        }
        world.run(13);
    }
    world.command(Command::StopRecord { recording: recording() });
    let mark = |chunk: &Chunk| match chunk.kind {
        ChunkKind::Pause { at, on } => Some((at, on)),
        _ => None,
    };
    let marks: Vec<_> = world.wire.chunks.iter().filter_map(mark).collect();
    assert_eq!(marks, [(bounds[0], true), (bounds[1], false)]);
    let (from, until) = (bounds[0] as usize, bounds[1] as usize);
    let (offset, voice) = extra(&mut world, Track::Extra { kind: TrackKind::Consult, number: 1 });
    assert_eq!(offset, 0);
    let (left, right) = channels(&mut world);
    for (name, samples, hz) in [("left", &left, 1_004.0), ("right", &right, 604.0), ("extra", &voice, 604.0)] {
        assert!(samples[from..until].iter().all(|s| *s == 0), "{name}");
        for piece in [&samples[from - 800..from], &samples[until..until + 800]] {
            assert!(level(piece, hz) > 70.0, "{name}: all but the pause is there");
        }
    }
    assert_eq!(left.len(), 200 * 160);
}

/// Pausing twice, resuming twice, or something that does not run changes nothing.
#[test]
fn a_pause_begins_and_ends_once() {
    let mut world = World::new();
    let mut caller = world.phone(Codec::Pcmu, 1_004.0);
    world.command(Command::PauseRecord { recording: recording() });
    world.command(Command::Record { recording: recording(), customer: caller.leg, others: smallvec![] });
    world.command(Command::ResumeRecord { recording: recording() });
    for _ in 0..2 {
        world.talk(400, &mut [&mut caller]);
        world.command(Command::PauseRecord { recording: recording() });
    }
    for _ in 0..2 {
        world.talk(400, &mut [&mut caller]);
        world.command(Command::ResumeRecord { recording: recording() });
    }
    world.command(Command::StopRecord { recording: recording() });
    let marks = world.wire.chunks.iter().filter(|chunk| matches!(chunk.kind, ChunkKind::Pause { .. })).count();
    let (left, _) = channels(&mut world);
    assert_eq!((marks, left.len()), (2, 1_600 * 8));
    assert!(left[3_200..9_600].iter().all(|s| *s == 0) && level(&left[9_800..], 1_004.0) > 70.0);
}

/// A supervisor whispers: he is in his own file, as long as he was there and in step, and not in the call's.
#[test]
fn a_whisper_has_a_file_of_its_own_and_is_not_in_the_call_s() {
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcma, 604.0));
    let mut boss = world.phone(Codec::Pcmu, 1_604.0);
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.command(Command::Record { recording: recording(), customer: caller.leg, others: smallvec![agent.leg] });
    world.talk(1_000, &mut [&mut caller, &mut agent, &mut boss]);
    world.command(Command::Mix { leg: agent.leg, voices: smallvec![caller.leg, boss.leg] });
    for _ in 0..2 {
        let kind = TrackKind::Supervisor;
        world.command(Command::RecordTrack { recording: recording(), kind, leg: boss.leg });
    }
    world.talk(2_000, &mut [&mut caller, &mut agent, &mut boss]);
    world.command(Command::StopTrack { recording: recording(), leg: boss.leg });
    world.talk(1_000, &mut [&mut caller, &mut agent, &mut boss]);
    world.command(Command::RecordTrack { recording: recording(), kind: TrackKind::Supervisor, leg: boss.leg });
    world.talk(1_000, &mut [&mut caller, &mut agent, &mut boss]);
    world.command(Command::Close { leg: boss.leg });
    world.talk(500, &mut [&mut caller, &mut agent]);
    world.command(Command::Close { leg: caller.leg });
    assert_eq!(ended(&world), Some((5_500, 0)));
    for (number, begins, length) in [(1, 8_000, 16_000), (2, 32_000, 8_000)] {
        let (offset, samples) = extra(&mut world, supervisor(number));
        assert_eq!((offset, samples.len()), (begins, length));
        assert!(level(&samples[800..], 1_604.0) - level(&samples[800..], 604.0) > 35.0);
    }
    let (left, right) = channels(&mut world);
    for samples in [left, right] {
        assert!(level(&samples, 1_604.0) < 20.0, "whisper in the call's own file");
    }
}

/// An extra file ends with its recording, before it, also while storage has no room.
#[test]
fn extra_files_end_before_their_recording_and_wait_for_room() {
    let mut world = World::new();
    let (mut caller, mut boss) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcmu, 1_604.0));
    world.command(Command::Record { recording: recording(), customer: caller.leg, others: smallvec![] });
    world.command(Command::RecordTrack { recording: recording(), kind: TrackKind::Supervisor, leg: boss.leg });
    world.talk(1_000, &mut [&mut caller, &mut boss]);
    world.wire.full = true;
    world.command(Command::Close { leg: caller.leg });
    world.run(1_000);
    assert_eq!(ended(&world), None);
    world.wire.full = false;
    world.run(400);
    assert_eq!(ended(&world).map(|(length, _)| length), Some(1_000));
    let ends: Vec<Track> =
        world.wire.chunks.iter().filter(|chunk| chunk.kind == ChunkKind::End).map(|chunk| chunk.track).collect();
    assert_eq!(ends, [supervisor(1), Track::Main]);
}
