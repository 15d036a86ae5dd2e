//! By ITU-T Q.24, and by speech.

use std::process::Command;

use super::*;
use crate::media::tones::TonePair;

const KEYS: &str = "123A456B789C*0#D";

/// Noise and choices by seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Normal, with a variance of 1.
    fn noise(&mut self) -> f64 {
        (0..12).map(|_| (self.roll() >> 11) as f64 / (1u64 << 53) as f64).sum::<f64>() - 6.0
    }
}

/// A key at these levels in dBm0, its frequencies off by these shares.
fn pair(key: char, levels: (f64, f64), off: (f64, f64)) -> TonePair {
    let tone = TonePair::of_key(key).unwrap();
    TonePair { low: (tone.low.0 * (1.0 + off.0), levels.0), high: (tone.high.0 * (1.0 + off.1), levels.1) }
}

fn tone(pair: TonePair, ms: f64) -> Vec<i16> {
    let mut sound = vec![0; (ms * 8.0) as usize];
    pair.fill(8_000, 0, &mut sound);
    sound
}

/// `lead` samples of silence, the sound, and 100 ms of silence.
fn alone(lead: usize, sound: &[i16]) -> Vec<i16> {
    [&vec![0; lead][..], sound, &[0; 800]].concat()
}

/// The keys heard in this, in frames of 20 ms.
fn heard(sound: &[i16]) -> String {
    let mut reader = ToneReader::default();
    sound.chunks(160).filter_map(|frame| reader.handle(frame)).collect()
}

/// How often each of the 16 keys with these levels, deviations and length is heard, at every place of the hop.
fn hits(levels: (f64, f64), off: (f64, f64), ms: f64) -> (usize, usize) {
    let (mut right, mut all) = (0, 0);
    for key in KEYS.chars() {
        for lead in (0..102).step_by(3) {
            let heard = heard(&alone(lead, &tone(pair(key, levels, off), ms)));
            assert!(heard.is_empty() || heard == key.to_string(), "{key} is heard as {heard}");
            right += usize::from(!heard.is_empty());
            all += 1;
        }
    }
    (right, all)
}

#[test]
fn every_key_is_heard_at_every_level() {
    for level in [0.0, -3.0, -6.0, -12.0, -18.0, -24.0, -30.0] {
        let (right, all) = hits((level, level), (0.0, 0.0), 40.0);
        assert_eq!(right, all, "at {level} dBm0");
    }
    assert_eq!(hits((-50.0, -50.0), (0.0, 0.0), 80.0).0, 0, "−50 dBm0 is too weak");
}

/// Q.24 §2.1: ±1.5 % is operation, ±3.5 % is not, for either frequency.
#[test]
fn a_frequency_may_be_off_by_one_and_a_half_percent_but_not_by_three_and_a_half() {
    for off in [(0.015, 0.0), (-0.015, 0.0), (0.0, 0.015), (0.0, -0.015), (0.015, -0.015), (-0.015, 0.015)] {
        let (right, all) = hits((-9.0, -9.0), off, 40.0);
        assert_eq!(right, all, "off by {off:?}");
    }
    for off in [(0.015, 0.015), (-0.015, -0.015)] {
        let (right, all) = hits((-9.0, -9.0), off, 40.0);
        assert_eq!(right, all, "off by {off:?}");
    }
    for off in [(0.035, 0.0), (-0.035, 0.0), (0.0, 0.035), (0.0, -0.035), (0.035, 0.035), (-0.035, -0.035)] {
        assert_eq!(hits((-9.0, -9.0), off, 100.0).0, 0, "off by {off:?}");
    }
}

/// Q.24 §2.3: administrations ask for 4 to 8 dB either way.
#[test]
fn the_tones_may_differ_in_level() {
    for levels in [(-6.0, -14.0), (-20.0, -28.0), (-14.0, -8.0), (-30.0, -24.0)] {
        let (right, all) = hits(levels, (0.0, 0.0), 40.0);
        assert_eq!(right, all, "at {levels:?}");
    }
    for levels in [(-6.0, -18.0), (-18.0, -6.0), (-6.0, -90.0), (-90.0, -6.0)] {
        assert_eq!(hits(levels, (0.0, 0.0), 100.0).0, 0, "at {levels:?}");
    }
}

/// Q.24 §2.4: 40 ms is a press, less than 23 ms is none.
#[test]
fn a_short_tone_is_none() {
    assert_eq!(hits((-9.0, -9.0), (0.0, 0.0), 23.0).0, 0);
    let (right, all) = hits((-12.0, -6.0), (0.01, -0.01), 40.0);
    assert_eq!(right, all);
}

/// All keys, twice each, at this rhythm, with noise so many dB below the tone.
fn rhythm(on_ms: f64, off_ms: f64, snr_db: f64, seed: u64) -> (String, String) {
    let (mut dice, mut sound, mut keys) = (Dice(seed), vec![0; 37], String::new());
    for key in KEYS.chars().flat_map(|key| [key, key]) {
        sound.extend(tone(pair(key, (-10.0, -10.0), (0.0, 0.0)), on_ms));
        sound.extend(vec![0; (off_ms * 8.0) as usize]);
        keys.push(key);
    }
    // A sine of −10 dBm0 has an RMS of 5,065; two have 3 dB more.
    let noise = 5_065.0 * std::f64::consts::SQRT_2 / 10f64.powf(snr_db / 20.0);
    sound.iter_mut().for_each(|sample| *sample = sample.saturating_add((dice.noise() * noise) as i16));
    (heard(&sound), keys)
}

#[test]
fn fast_dialling_is_heard_press_by_press() {
    for (on, off) in [(50.0, 50.0), (40.0, 40.0), (200.0, 40.0), (100.0, 300.0)] {
        let (heard, keys) = rhythm(on, off, 60.0, 1);
        assert_eq!(heard, keys, "{on} ms on, {off} ms off");
    }
}

/// A signal-to-noise ratio of 15 dB over the telephone band; the noise here is as strong and reaches to 4 kHz.
#[test]
fn noise_does_no_harm() {
    for seed in 0..20 {
        let (heard, keys) = rhythm(50.0, 50.0, 15.0, seed);
        assert_eq!(heard, keys, "seed {seed}");
    }
    let mut dice = Dice(7);
    let noise: Vec<i16> = (0..480_000).map(|_| (dice.noise() * 4_000.0) as i16).collect();
    assert_eq!(heard(&noise), "", "a minute of noise");
}

/// Q.24 §2.4: a break of 10 ms is within one press.
#[test]
fn a_break_of_ten_milliseconds_is_one_press() {
    for at in (600..1_000).step_by(17) {
        let mut sound = tone(pair('5', (-9.0, -7.0), (0.0, 0.0)), 200.0);
        sound[at..at + 80].fill(0);
        assert_eq!(heard(&alone(0, &sound)), "5", "broken at {at}");
    }
}

#[test]
fn a_key_is_held_until_its_tone_ends() {
    let mut reader = ToneReader::default();
    let sound = alone(0, &tone(pair('#', (-9.0, -7.0), (0.0, 0.0)), 400.0));
    let held: Vec<_> = sound.chunks(160).map(|frame| (reader.handle(frame), reader.held())).collect();
    assert_eq!(held.iter().filter_map(|(told, _)| *told).collect::<String>(), "#");
    assert!(held[3..20].iter().all(|(_, held)| *held == Some('#')));
    assert_eq!(held[24].1, None);
    reader.handle(&sound[..800]);
    reader.restart();
    assert_eq!(reader.held(), None);
}

#[test]
fn the_length_of_the_pieces_does_not_matter() {
    let mut sound = Vec::new();
    for key in "0123".chars() {
        sound.extend(alone(11, &tone(pair(key, (-9.0, -7.0), (0.0, 0.0)), 60.0)));
    }
    for length in [1, 7, 51, 80, 160, 480, 1_200] {
        let mut reader = ToneReader::default();
        let mut keys: String = sound.chunks(length).filter_map(|piece| reader.handle(piece)).collect();
        keys.extend(reader.handle(&[]));
        assert_eq!(keys, "0123", "pieces of {length}");
    }
}

/// What makes a voice of two steady tones: −10 dB of a second harmonic; a bad telephone's −20 dB is none.
#[test]
fn a_strong_harmonic_is_a_voice() {
    for (key, hz) in [('2', 1_336.0), ('0', 1_336.0), ('D', 941.0), ('*', 941.0), ('9', 1_477.0)] {
        for (db, expected) in [(-10.0, String::new()), (-20.0, key.to_string())] {
            let mut sound = tone(pair(key, (-10.0, -10.0), (0.0, 0.0)), 100.0);
            let harmonic = TonePair { low: (2.0 * hz, -10.0 + db), high: (2.0 * hz, -90.0) };
            sound.iter_mut().zip(tone(harmonic, 100.0)).for_each(|(sum, sample)| *sum += sample);
            assert_eq!(heard(&alone(0, &sound)), expected, "{key} with {db} dB at {} Hz", 2.0 * hz);
        }
    }
}

/// A key pressed while somebody speaks 20 dB below it.
#[test]
fn a_key_is_heard_over_soft_speech() {
    let mut sound = speech("en", 50, 150, ENGLISH[1]);
    if sound.is_empty() {
        return eprintln!("a_key_is_heard_over_soft_speech: skipped, no espeak-ng");
    }
    let loudest = sound.iter().fold(0, |most: u16, s| most.max(s.unsigned_abs()));
    sound.iter_mut().for_each(|s| *s = (i32::from(*s) * 1_600 / i32::from(loudest)) as i16);
    let places: Vec<usize> = (2_000..sound.len() - 2_000).step_by(2_400).collect();
    for (at, key) in places.iter().zip(KEYS.chars().cycle()) {
        let press = tone(pair(key, (-9.0, -7.0), (0.0, 0.0)), 100.0);
        sound[*at..].iter_mut().zip(press).for_each(|(sum, sample)| *sum = sum.saturating_add(sample));
    }
    assert_eq!(heard(&sound), KEYS.chars().cycle().take(places.len()).collect::<String>());
}

/// Tones that are no keys: dial tones, ringing tones, busy tones, faxes, modems, a single frequency of a key.
#[test]
fn tones_of_the_network_are_no_keys() {
    let tones: &[&[f64]] = &[
        &[425.0],
        &[350.0, 440.0],
        &[440.0, 480.0],
        &[480.0, 620.0],
        &[1_100.0],
        &[2_100.0],
        &[950.0, 1_400.0, 1_800.0],
        &[697.0],
        &[1_209.0],
        &[941.0, 1_882.0],
        &[770.0, 852.0],
        &[1_336.0, 1_477.0],
        &[1_004.0],
        &[700.0, 900.0],
        &[1_300.0, 1_500.0],
        &[697.0, 1_209.0, 1_633.0],
        &[770.0, 941.0, 1_336.0],
    ];
    for hz in tones {
        let part = |n: usize| hz.iter().map(|hz| (std::f64::consts::TAU * hz * n as f64 / 8_000.0).sin()).sum::<f64>();
        let sound: Vec<i16> = (0..16_000).map(|n| (8_000.0 * part(n)) as i16).collect();
        assert_eq!(heard(&sound), "", "{hz:?}");
    }
}

/// G.711's own noise, at 38 dB below the tone, is far from hiding it.
#[test]
fn keys_pass_through_g711() {
    use crate::media::codec::Law;
    for law in [Law::Mu, Law::A] {
        let mut sound = tone(pair('8', (-28.0, -24.0), (0.01, -0.01)), 50.0);
        sound.iter_mut().for_each(|s| *s = law.decode(law.encode(*s)));
        assert_eq!(heard(&alone(5, &sound)), "8");
    }
}

const ENGLISH: &[&str] = &[
    "Thank you for calling, my name is Sara, how may I help you today?",
    "I would like to ask about the invoice that I received last Thursday, number four seven one nine.",
    "Could you please hold the line for a moment while I look up your account and check the payment?",
    "The technician was here in the morning but the internet is still as slow as it was before he came.",
    "We were told the delivery would arrive between nine and twelve, and nobody has called us since then.",
    "Oh no, really? That is not what the lady in your shop said to me when we moved in here.",
    "Please spell your family name for me, letter by letter, and the street where you live.",
    "Yes, yes, I see. Eleven, seventeen, ninety nine. No, it is zero five five, six eight one, two two three.",
];
const ARABIC: &[&str] = &[
    "أهلا وسهلا بكم في مركز خدمة العملاء، معك عمر، كيف يمكنني أن أساعدك اليوم؟",
    "أريد أن أسأل عن الفاتورة التي وصلتني يوم الخميس الماضي، رقمها أربعة سبعة واحد تسعة.",
    "من فضلك انتظر قليلا حتى أراجع حسابك وأتأكد من وصول المبلغ إلى البنك.",
    "جاء الفني في الصباح ولكن الإنترنت ما زال بطيئا كما كان قبل أن يأتي.",
    "قيل لنا إن الطلب سيصل بين التاسعة والثانية عشرة ولم يتصل بنا أحد منذ ذلك الوقت.",
    "لا، لا، هذا ليس ما قالته لي الموظفة في المعرض عندما انتقلنا إلى هذا البيت.",
    "هل يمكنك أن تذكر لي اسم العائلة واسم الشارع والمدينة التي تسكن فيها؟",
    "نعم، نعم، فهمت. صفر خمسة خمسة، ستة ثمانية واحد، اثنان اثنان ثلاثة. شكرا جزيلا لك.",
];

/// What espeak-ng says, at 8 kHz with 3.4 kHz of band; empty without it.
fn speech(voice: &str, pitch: u64, speed: u64, text: &str) -> Vec<i16> {
    let settings = ["-v", voice, "-p", &pitch.to_string(), "-s", &speed.to_string(), "--stdout", text];
    let Ok(said) = Command::new("espeak-ng").args(settings).output() else { return Vec::new() };
    let wave = said.stdout.get(44..).unwrap_or_default();
    let at_22_050: Vec<f32> = wave.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]]))).collect();
    // A windowed sinc at 3.4 kHz, its values taken from a table of 64 places between two samples.
    const HALF: usize = 16;
    let table: Vec<f32> = (0..=2 * HALF * 64)
        .map(|n| {
            let (x, cut) = (n as f64 / 64.0 - HALF as f64, 2.0 * 3_400.0 / 22_050.0);
            let angle = std::f64::consts::PI * x;
            let sinc = if x == 0.0 { cut } else { (angle * cut).sin() / angle };
            (sinc * (0.5 + 0.5 * (angle / HALF as f64).cos())) as f32
        })
        .collect();
    let count = at_22_050.len() * 8_000 / 22_050;
    let sample = |n: usize| {
        let place = n as f64 * 22_050.0 / 8_000.0;
        let (whole, part) = (place as usize, ((place.fract()) * 64.0) as usize);
        let first = HALF.saturating_sub(whole + 1);
        let near = at_22_050.iter().skip((whole + 1).saturating_sub(HALF)).take(2 * HALF - first);
        near.enumerate().map(|(k, s)| s * table[(k + first + 1) * 64 - part]).sum::<f32>() as i16
    };
    (0..count).map(sample).collect()
}

/// Talk-off: ten minutes of many voices in two languages. `HATIF_TALK_MINUTES` asks for more.
#[test]
fn speech_is_hardly_ever_a_key() {
    let minutes = std::env::var("HATIF_TALK_MINUTES").ok().and_then(|m| m.parse().ok()).unwrap_or(10);
    let (mut dice, mut samples, mut keys, mut seed) = (Dice(11), 0, String::new(), 0);
    let mut reader = ToneReader::default();
    while samples < minutes * 60 * 8_000 {
        seed += 1;
        let (language, texts) = if seed % 2 == 0 { ("ar", ARABIC) } else { ("en", ENGLISH) };
        let variant = ["", "+f1", "+f2", "+f3", "+f4", "+m1", "+m3", "+m5", "+m7"][dice.roll() as usize % 9];
        let words: Vec<&str> = (0..4).map(|_| texts[dice.roll() as usize % texts.len()]).collect();
        let (pitch, speed) = (15 + dice.roll() % 80, 120 + dice.roll() % 90);
        let sound = speech(&format!("{language}{variant}"), pitch, speed, &words.join(" "));
        if sound.is_empty() {
            eprintln!("speech_is_hardly_ever_a_key: skipped, no espeak-ng");
            return;
        }
        samples += sound.len();
        keys.extend(sound.chunks(160).filter_map(|frame| reader.handle(frame)));
    }
    println!("{} s of speech: {} false keys {keys:?}", samples / 8_000, keys.len());
    assert!(keys.len() <= minutes / 10, "{keys:?}");
}

/// `cargo test --release --lib inband -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn speed() {
    let mut dice = Dice(5);
    let sounds: [(&str, Vec<i16>); 4] = [
        ("silence", vec![3; 8_000]),
        ("noise", (0..8_000).map(|_| (dice.noise() * 2_000.0) as i16).collect()),
        ("a held key", tone(TonePair::of_key('5').unwrap(), 1_000.0)),
        ("speech", speech("en", 50, 150, ENGLISH[0])),
    ];
    for (name, sound) in sounds {
        let mut best = f64::INFINITY;
        for _ in 0..100 {
            let mut reader = ToneReader::default();
            let start = std::time::Instant::now();
            for frame in sound.chunks_exact(160) {
                std::hint::black_box(reader.handle(std::hint::black_box(frame)));
            }
            best = best.min(start.elapsed().as_secs_f64() / (sound.len() / 160) as f64);
        }
        println!("{name}: {:.0} ns a frame of 20 ms", best * 1e9);
    }
}
