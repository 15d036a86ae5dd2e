use super::*;

fn clip(hz: f64, ms: u32) -> Arc<Clip> {
    Arc::new(Clip::tone(hz, -6.0, ms))
}

#[test]
fn play_sends_whole_frames_in_order_and_says_done_with_the_last() {
    let mut world = World::new();
    let phone = world.phone(Codec::Pcmu, 0.0);
    world.run(5);
    world.command(Command::Play { leg: phone.leg, play: 9, clips: vec![clip(500.0, 90), clip(700.0, 115)] });
    world.run(500);
    let heard = world.heard(&phone);
    // 205 ms are 11 frames, the last filled with silence.
    assert_eq!(heard.len(), 11);
    assert_continuous(&heard);
    assert!(heard[0].1.marker && !heard[1].1.marker);
    let sound: Vec<u8> = heard.iter().flat_map(|h| h.2.clone()).collect();
    let mut expected = [clip(500.0, 90).ulaw.to_vec(), clip(700.0, 115).ulaw.to_vec()].concat();
    expected.resize(11 * 160, 0xff);
    assert_eq!(sound, expected);
    assert_eq!(world.events, [(heard[10].0, Event::PlayDone { leg: phone.leg, play: 9 })]);
    assert!(heard.windows(2).all(|w| w[1].0 - w[0].0 == 20), "evenly spaced");
}

#[test]
fn a_play_is_replaced_without_done_and_an_empty_one_is_done_at_once() {
    let mut world = World::new();
    let phone = world.phone(Codec::Pcma, 0.0);
    world.command(Command::Play { leg: phone.leg, play: 1, clips: vec![clip(500.0, 1_000)] });
    world.run(100);
    world.command(Command::Play { leg: phone.leg, play: 2, clips: vec![] });
    world.run(40);
    world.command(Command::Play { leg: phone.leg, play: 3, clips: vec![clip(500.0, 1_000)] });
    world.run(100);
    world.command(Command::Silence { leg: phone.leg });
    world.run(2_000);
    assert_eq!(
        world.events.iter().map(|e| e.1.clone()).collect::<Vec<_>>(),
        [Event::PlayDone { leg: phone.leg, play: 2 }]
    );
    let heard = world.heard(&phone);
    assert_eq!(heard.len(), 10);
    assert_continuous(&heard);
}

#[test]
fn all_who_hear_the_same_music_hear_the_same_place_each_in_his_codec() {
    let mut world = World::new();
    let (one, two) = (world.phone(Codec::Pcmu, 0.0), world.phone(Codec::Pcma, 0.0));
    let music = clip(440.0, 3_010);
    world.command(Command::Music { leg: one.leg, music: Arc::clone(&music) });
    world.run(1_234);
    world.command(Command::Music { leg: two.leg, music: Arc::clone(&music) });
    world.heard(&one);
    world.run(10_000);
    let (one, two) = (world.heard(&one), world.heard(&two));
    assert_eq!((one.len(), two.len()), (500, 500));
    for (a, b) in one.iter().zip(&two) {
        assert!(a.0.abs_diff(b.0) < 20);
        let alaw: Vec<u8> = b.2.clone();
        let place = music.alaw.iter().cycle().skip((a.0 / 20) as usize * 160 % music.samples()).take(160);
        assert_eq!(alaw, place.copied().collect::<Vec<_>>());
    }
}

#[test]
fn one_stream_goes_on_over_play_music_bridge_and_play() {
    let mut world = World::new();
    let (caller, mut agent) = (world.phone(Codec::Pcmu, 0.0), world.phone(Codec::Pcma, 604.0));
    world.command(Command::Play { leg: caller.leg, play: 1, clips: vec![clip(500.0, 300)] });
    world.run(313);
    world.command(Command::Music { leg: caller.leg, music: clip(440.0, 1_000) });
    world.run(777);
    world.command(Command::Bridge { a: agent.leg, b: caller.leg });
    world.talk(200, &mut [&mut agent]);
    world.command(Command::Silence { leg: caller.leg });
    world.talk(1_000, &mut [&mut agent]);
    world.command(Command::Play { leg: caller.leg, play: 2, clips: vec![clip(500.0, 400)] });
    world.talk(1_000, &mut [&mut agent]);
    world.command(Command::Unbridge { a: caller.leg });
    world.run(3_000);
    world.command(Command::Tone { leg: caller.leg, tone: clip(1_000.0, 1_000) });
    world.run(1_000);
    let heard = world.heard(&caller);
    assert_continuous(&heard);
    let markers: Vec<u64> = heard.iter().filter(|h| h.1.marker).map(|h| h.0).collect();
    assert_eq!(markers.len(), 6, "play, music, bridge, play, bridge, tone: {markers:?}");
    let (first, last) = (&heard[0], heard.last().unwrap());
    let elapsed = (last.0 - first.0) as u32 * 8;
    assert!(last.1.timestamp.wrapping_sub(first.1.timestamp).abs_diff(elapsed) <= 320, "timestamps keep the clock");
}

#[test]
fn a_play_on_a_bridged_leg_is_heard_by_it_alone_and_the_bridge_comes_back() {
    let mut world = World::new();
    let (mut caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcmu, 604.0));
    world.command(Command::Bridge { a: caller.leg, b: agent.leg });
    world.talk(200, &mut [&mut caller, &mut agent]);
    world.samples(&caller);
    world.command(Command::Play { leg: caller.leg, play: 1, clips: vec![clip(2_000.0, 500)] });
    world.talk(500, &mut [&mut caller, &mut agent]);
    let heard = world.samples(&caller);
    assert!(level(&heard, 2_000.0) - level(&heard, 604.0) > 30.0);
    world.talk(500, &mut [&mut caller, &mut agent]);
    let heard = world.samples(&caller);
    assert!(level(&heard, 604.0) - level(&heard, 2_000.0) > 30.0);
    let other = world.samples(&agent);
    assert_eq!(other.len(), 60 * 160);
    assert!(level(&other, 1_004.0) - level(&other, 2_000.0) > 30.0);
}

#[test]
fn echo_returns_audio_and_digits_to_their_sender_only() {
    let mut world = World::new();
    let (mut phone, mut other) = (world.phone(Codec::Pcma, 1_004.0), world.phone(Codec::Pcmu, 604.0));
    world.command(Command::Bridge { a: phone.leg, b: other.leg });
    world.command(Command::Echo { leg: phone.leg });
    world.talk(400, &mut [&mut phone, &mut other]);
    let back = world.samples(&phone);
    assert_eq!(back.len(), 20 * 160);
    assert!(level(&back, 1_004.0) - level(&back, 604.0) > 30.0);
    assert!(world.samples(&other).is_empty());
    for datagram in phone.press(5) {
        world.packet(phone.slot, phone.address, &datagram);
    }
    assert_eq!(world.heard(&phone).iter().filter(|h| h.1.payload_type == 101).count(), 7);
    assert_eq!(world.digits(phone.leg), "5");
}

#[test]
fn frames_missed_in_a_stall_are_caught_up_to_100_ms_and_skipped_beyond() {
    let mut world = World::new();
    let phone = world.phone(Codec::Pcmu, 0.0);
    world.command(Command::Tone { leg: phone.leg, tone: clip(1_000.0, 1_000) });
    world.run(200);
    world.heard(&phone);
    world.ms += 1_000;
    let now = world.now();
    world.shard.handle_timeout(now, &mut world.wire);
    assert_eq!(world.heard(&phone).len(), 5);
    assert_eq!(world.shard.stats().skipped_ms, 900);
}

/// An announcement or music ends within one frame of the answer: nothing of it leaves 20 ms after the talk began.
#[test]
fn what_plays_is_cut_within_a_frame_when_a_talk_begins() {
    for announcement in [true, false] {
        for offset in [0, 1, 7, 19] {
            let mut world = World::new();
            let (caller, mut agent) = (world.phone(Codec::Pcmu, 1_004.0), world.phone(Codec::Pcmu, 604.0));
            world.command(Command::Music { leg: caller.leg, music: clip(440.0, 3_000) });
            world.run(2_000);
            if announcement {
                world.command(Command::Play { leg: caller.leg, play: 1, clips: vec![clip(2_000.0, 5_000)] });
            }
            world.talk(1_000 + offset, &mut [&mut agent]);
            world.run(offset);
            let answered = world.ms;
            world.heard(&caller);
            world.command(Command::Silence { leg: caller.leg });
            world.command(Command::Bridge { a: caller.leg, b: agent.leg });
            world.talk(1_000, &mut [&mut agent]);
            let heard = world.heard(&caller);
            assert_continuous(&heard);
            let ours = |payload: &[u8]| {
                let sound: Vec<i16> = payload.iter().map(|byte| Law::Mu.decode(*byte)).collect();
                level(&sound, 604.0) < level(&sound, 440.0).max(level(&sound, 2_000.0))
            };
            let last = heard.iter().filter(|(_, _, payload)| ours(payload)).map(|(at, ..)| *at).max();
            assert!(last.is_none_or(|at| at < answered + 20), "{announcement} {offset}: {last:?}, answer {answered}");
            assert!(heard.first().is_some_and(|(at, ..)| *at <= answered + 20), "the agent is heard at once");
        }
    }
}
