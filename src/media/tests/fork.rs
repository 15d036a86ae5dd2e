use super::*;
use crate::media::fork::{Frame, Line};

/// What came for the program since the last call of this.
fn told(line: &Line) -> Vec<i16> {
    std::iter::from_fn(|| line.ear.pop()).flatten().collect()
}

fn sine(hz: f64, from: usize) -> Frame {
    std::array::from_fn(|n| (8_000.0 * (std::f64::consts::TAU * hz * (from + n) as f64 / 8_000.0).sin()) as i16)
}

/// The program takes what came, and for every 20 ms says 20 ms; the phone speaks all the while.
fn converse(world: &mut World, phone: &mut Phone, line: &Line, ms: u64) -> Vec<i16> {
    let mut heard = Vec::new();
    for n in 0..ms / 20 {
        assert!(line.mouth.push(&sine(700.0, n as usize * 160)));
        world.says(phone);
        world.run(20);
        heard.extend(told(line));
    }
    heard
}

#[test]
fn a_program_hears_the_phone_and_is_heard_whatever_it_speaks() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
        let (mut world, line) = (World::new(), Line::new());
        let mut phone = world.phone(codec, 500.0);
        world.talk(200, &mut [&mut phone]);
        world.heard(&phone);
        world.command(Command::Fork { leg: phone.leg, line: Arc::clone(&line) });
        let heard = converse(&mut world, &mut phone, &line, 2_000);
        // Wall time, but for what a jitter buffer keeps.
        assert!((15_000..=16_160).contains(&heard.len()), "{codec:?}: {} samples", heard.len());
        let said = level(&heard[4_000..12_000], 500.0) - 20.0 * 8_000f64.log10();
        assert!(said.abs() < 1.0, "{codec:?}: hears the phone {said:.2} dB off");
        assert!(level(&heard[4_000..12_000], 700.0) < 30.0, "{codec:?}: and not itself");
        let samples = world.samples(&phone);
        assert!((15_500..=16_160).contains(&samples.len()), "{codec:?}: {} samples", samples.len());
        let off = level(&samples[4_000..12_000], 700.0) - 20.0 * 8_000f64.log10();
        assert!(off.abs() < if codec == Codec::Opus { 3.0 } else { 1.0 }, "{codec:?}: is heard {off:.2} dB off");
    }
}

#[test]
fn a_program_that_says_nothing_is_heard_as_silence_and_one_that_left_not_at_all() {
    let (mut world, line) = (World::new(), Line::new());
    let mut phone = world.phone(Codec::Pcma, 500.0);
    world.command(Command::Fork { leg: phone.leg, line: Arc::clone(&line) });
    world.talk(400, &mut [&mut phone]);
    let heard = world.heard(&phone);
    assert_eq!(heard.len(), 20);
    assert_continuous(&heard);
    assert!(heard.iter().all(|(_, _, payload)| payload.iter().all(|byte| law(Codec::Pcma).decode(*byte).abs() <= 8)));
    assert!(!told(&line).is_empty());
    world.command(Command::Unfork { leg: phone.leg });
    world.talk(400, &mut [&mut phone]);
    assert!(world.heard(&phone).is_empty() && told(&line).is_empty());
    assert_eq!(Arc::strong_count(&line), 1, "the shard keeps nothing of it");
}

/// A phone that stops sending has not stopped time.
#[test]
fn silence_suppression_is_silence_of_its_length() {
    let (mut world, line) = (World::new(), Line::new());
    let mut phone = world.phone(Codec::Pcmu, 500.0);
    world.command(Command::Fork { leg: phone.leg, line: Arc::clone(&line) });
    let mut heard = Vec::new();
    for n in 0..150 {
        if !(50..100).contains(&n) {
            world.says(&mut phone);
        } else {
            phone.pause();
        }
        world.run(20);
        heard.extend(told(&line));
    }
    let frames: Vec<bool> = heard.chunks(160).map(|frame| frame.iter().all(|sample| *sample == 0)).collect();
    assert!((145..=150).contains(&frames.len()), "{} frames in 3 s", frames.len());
    let silent = frames[10..].iter().filter(|silent| **silent).count();
    assert!((49..=51).contains(&silent), "{silent} frames of silence");
}

#[test]
fn a_leg_that_closes_lets_the_line_go_and_a_prompt_takes_its_place() {
    let (mut world, line) = (World::new(), Line::new());
    let mut phone = world.phone(Codec::Pcmu, 500.0);
    world.command(Command::Fork { leg: phone.leg, line: Arc::clone(&line) });
    world.talk(100, &mut [&mut phone]);
    let clip = Arc::new(Clip::tone(440.0, -6.0, 60));
    world.command(Command::Play { leg: phone.leg, play: 1, clips: vec![clip] });
    world.run(200);
    assert!(world.events.iter().any(|(_, event)| *event == Event::PlayDone { leg: phone.leg, play: 1 }));
    world.command(Command::Close { leg: phone.leg });
    assert_eq!(Arc::strong_count(&line), 1);
}
