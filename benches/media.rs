//! What the media thread costs beside the bare kernel path: relay, recording, music, listeners, SRTP, browsers, transcoding; and
//! mixing alone.
//!
//! Each row has its yardstick in the same run: a bare thread that receives the same packets and sends as many, and the
//! codecs alone on this thread. `HATIF_BENCH_LEGS` sets the legs of a row (default 500), `HATIF_BENCH_ROUNDS` the rounds
//! (default 3), `HATIF_BENCH_ROWS` a word of the rows to run (default all). CPU time of the threads that are named, never
//! wall time.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod rtp;

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hatif::id::{LegId, RecordingId};
use hatif::media::mixer::{Limiter, Mix};
use hatif::media::resample::Resampler;
use hatif::media::seal::Security;
use hatif::media::srtp::{Keys, Profile, Sender};
use hatif::media::voice::{Decoder, Encoder};
use hatif::media::{Clip, Codec, Command, Law, Terms};
use nix::time::{ClockId, clock_gettime};
use rtp::browser::Browsers;
use rtp::{Bare, Figures, Media, Voice, measure, measure_while, median, number, raise_file_limit};
use smallvec::smallvec;

/// As the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PACKETS: usize = 250;

fn main() {
    // `cargo test --benches` runs every bench without the flag: nothing to check there.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let (legs, rounds) = (number("HATIF_BENCH_LEGS", 500), number("HATIF_BENCH_ROUNDS", 3));
    raise_file_limit();
    println!("Media on loopback: {legs} legs, {} packets/s, {rounds} rounds of 4 s, CPU of the thread\n", legs * 50);
    println!("| for each packet that comes | µs min | median | max | yardstick | µs median | ratio | lost |");
    println!("|---|---|---|---|---|---|---|---|");
    let turns = |legs| measure(legs, &Voice::pcmu(), Bare::turns);
    let relay = |legs| measure(legs, &Voice::pcmu(), Bare::relay);
    row(rounds, legs, "relay", |legs| bridged(legs, false), "bare relay", relay);
    row(rounds, legs, "relay and stereo recording", |legs| bridged(legs, true), "bare relay", relay);
    row(rounds, legs, "a waiting caller: his packet, one of music", music, "bare: receive one, send one", turns);
    row(rounds, legs, "a silent listener: his packet, one of the mix", listener, "bare: receive one, send one", turns);
    for (name, profile) in [("AES-GCM", Profile::AeadAes128Gcm), ("AES-CM, SHA-1", Profile::AesCm128HmacSha1_80)] {
        let sealed = |legs| srtp(legs, profile);
        row(rounds, legs, &format!("relay, SRTP on both legs, {name}"), sealed, "bare relay", relay);
    }
    row(rounds, legs, "browser and phone, PCMU", browsers, "bare relay", relay);
    transcoding(rounds, legs.min(100));
    println!("\nMixing a conference of three, G.711, without packets: {:.2} µs a frame for all three.", mixing_us());
}

/// One row: each round the yardstick and what is measured, one after the other.
fn row(
    rounds: usize,
    legs: usize,
    name: &str,
    run: impl Fn(usize) -> Figures,
    yardstick: &str,
    bare: impl Fn(usize) -> Figures,
) {
    if !is_wanted(name) {
        return;
    }
    let both = (0..rounds).map(|_| (bare(legs), run(legs)));
    let (its, own): (Vec<Figures>, Vec<Figures>) = both.unzip();
    print(name, &own, yardstick, median(&its));
}

/// The codecs alone work on this thread while the media thread does: processors that share a core slow each other, and a
/// machine that others use as well is not as fast at all times.
fn transcoding(rounds: usize, legs: usize) {
    let name = "Opus to PCMU and back";
    if !is_wanted(name) {
        return;
    }
    let voice = spoken(Codec::Opus);
    let (mut relays, mut codecs, mut own) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        relays.push(measure(legs, &voice, Bare::relay));
        let mut alone = 0.0;
        own.push(measure_while(legs, &voice, transcoder, || alone = codecs_us(&voice, legs)));
        codecs.push(Figures { cost_us: alone, lost: 0.0 });
    }
    let (relay, alone) = (median(&relays), median(&codecs));
    print(name, &own, "the codecs alone + bare relay of the same", alone + relay);
    let most = 1.1 * alone + 1.3 * relay;
    println!(
        "\nOf which the codecs {alone:.1} µs, the relay {relay:.1}; 1.1 × the one + 1.3 × the other: {most:.1} µs."
    );
}

fn is_wanted(name: &str) -> bool {
    std::env::var("HATIF_BENCH_ROWS").map_or(true, |word| name.contains(&word))
}

/// One line of the table.
fn print(name: &str, own: &[Figures], yardstick: &str, other: f64) {
    let least = own.iter().map(|f| f.cost_us).fold(f64::MAX, f64::min);
    let most = own.iter().map(|f| f.cost_us).fold(0.0, f64::max);
    let lost = own.iter().map(|f| f.lost).fold(0.0, f64::max) * 100.0;
    let (middle, ratio) = (median(own), median(own) / other);
    println!("| {name} | {least:.2} | {middle:.2} | {most:.2} | {yardstick} | {other:.2} | {ratio:.2} | {lost:.2} % |");
}

fn pcmu() -> Terms {
    Terms::plain(Codec::Pcmu, 0, Some(101))
}

fn bridge_all(phones: &[UdpSocket], tell: &mut dyn FnMut(Command)) {
    for n in (0..phones.len() as u64).step_by(2) {
        tell(Command::Bridge { a: LegId(n), b: LegId(n + 1) });
    }
}

fn bridged(legs: usize, record: bool) -> Figures {
    measure(legs, &Voice::pcmu(), |phones| {
        Media::start(
            phones,
            |_| pcmu(),
            |tell| {
                bridge_all(phones, tell);
                for n in (0..phones.len() as u64).step_by(2).filter(|_| record) {
                    let recording = RecordingId::new(1, u128::from(n));
                    tell(Command::Record { recording, customer: LegId(n), others: smallvec![LegId(n + 1)] });
                }
            },
        )
    })
}

fn music(legs: usize) -> Figures {
    let music = Arc::new(Clip::tone(440.0, -16.0, 7_000));
    measure(legs, &Voice::pcmu(), |phones| {
        Media::start(
            phones,
            |_| pcmu(),
            |tell| {
                for n in 0..phones.len() as u64 {
                    tell(Command::Music { leg: LegId(n), music: Arc::clone(&music) });
                }
            },
        )
    })
}

/// All but the first two listen to these.
fn listener(legs: usize) -> Figures {
    measure(legs, &Voice::pcmu(), |phones| {
        Media::start(
            phones,
            |_| pcmu(),
            |tell| {
                tell(Command::Bridge { a: LegId(0), b: LegId(1) });
                for n in 2..phones.len() as u64 {
                    tell(Command::Mix { leg: LegId(n), voices: smallvec![LegId(0), LegId(1)] });
                }
            },
        )
    })
}

/// The phones send packets that were sealed before: the same keys for all of them, one SSRC each.
fn srtp(legs: usize, profile: Profile) -> Figures {
    let voice = Voice { seal: Some(Arc::new(move |_| Some(Sender::new(&keys(profile, 9))))), ..Voice::pcmu() };
    measure(legs, &voice, |phones| {
        let security = || Security::Sdes { ours: keys(profile, 1), theirs: keys(profile, 9) };
        Media::start(phones, |_| Terms { security: security(), ..pcmu() }, |tell| bridge_all(phones, tell))
    })
}

/// Every other phone is a browser: DTLS-SRTP at the port they share, checks each 2.5 s; the others plain RTP.
fn browsers(legs: usize) -> Figures {
    let browsers = Browsers::new(legs);
    let voice = Voice { seal: Some(browsers.seals()), browsers: true, ..Voice::pcmu() };
    measure(legs, &voice, |phones| {
        Media::with_browsers(phones, Some(&browsers), |_| pcmu(), |tell| bridge_all(phones, tell))
    })
}

fn keys(profile: Profile, seed: u8) -> Keys {
    let joined: Vec<u8> = (0..profile.key_bytes() + profile.salt_bytes()).map(|n| seed ^ n as u8).collect();
    Keys::from_joined(profile, &joined).unwrap()
}

/// Even phones speak Opus, odd ones PCMU.
fn transcoder(phones: &[UdpSocket]) -> Media {
    let terms = |n| if n % 2 == 0 { Terms::plain(Codec::Opus, 111, Some(101)) } else { pcmu() };
    Media::start(phones, terms, |tell| bridge_all(phones, tell))
}

/// Something like a voice: even phones speak `codec`, odd ones PCMU.
fn spoken(codec: Codec) -> Voice {
    let side = |codec: Codec, number: u8| {
        let mut encoder = Encoder::new(codec).unwrap();
        let rate = encoder.rate();
        let payloads = (0..PACKETS)
            .map(|packet| {
                let mut out = [0; 1_275];
                let bytes = encoder.encode(&sound(packet, rate), &mut out);
                out[..bytes].to_vec()
            })
            .collect();
        (number, codec.clock_hz() / 50, payloads)
    };
    Voice { sides: [side(codec, 111), side(Codec::Pcmu, 0)], seal: None, browsers: false }
}

/// 20 ms of it.
fn sound(packet: usize, rate: u32) -> Vec<i16> {
    (0..rate as usize / 50).map(|n| voice(packet * rate as usize / 50 + n, rate)).collect()
}

fn voice(n: usize, rate: u32) -> i16 {
    let at = n as f64 / f64::from(rate);
    let loud = (at * 3.0).sin().max(0.0);
    let turn = std::f64::consts::TAU * 140.0 * at;
    (1..=10).map(|k| loud * 2_500.0 / f64::from(k) * (turn * f64::from(k)).sin()).sum::<f64>() as i16
}

/// CPU of decoding and encoding one packet, mean of the two ways, without anything else: by as many coders as so many legs
/// have, each 20 ms in 1 ms slots, so that the processor is as cold as in a media thread.
fn codecs_us(voice: &Voice, legs: usize) -> f64 {
    let [(_, _, opus), (_, _, pcmu)] = &voice.sides;
    let ways = [(opus, Codec::Opus, Codec::Pcmu), (pcmu, Codec::Pcmu, Codec::Opus)];
    let coders = |n: usize| (Decoder::new(ways[n % 2].1).unwrap(), Encoder::new(ways[n % 2].2).unwrap());
    let mut coders: Vec<(Decoder, Encoder)> = (0..legs).map(coders).collect();
    // What each encoder gets in a media thread: the sound of the other side, at its own rate.
    let (mut wide, mut narrow) = (Resampler::new(8_000, 16_000).unwrap(), Resampler::new(16_000, 8_000).unwrap());
    let through = |resampler: &mut Resampler, sound: &[i16]| {
        let mut out = [0; 640];
        let count = resampler.process(sound, &mut out);
        out[..count].to_vec()
    };
    let sounds: Vec<[Vec<i16>; 2]> = (0..PACKETS)
        .map(|packet| [through(&mut narrow, &sound(packet, 16_000)), through(&mut wide, &sound(packet, 8_000))])
        .collect();
    let (mut decoded, mut out, mut spent) = ([0i16; 1_920], [0; 1_275], 0.0);
    let (began, a_slot) = (Instant::now(), legs.div_ceil(20));
    let mut packets = 0;
    for (packet, sounds) in sounds.iter().enumerate() {
        for (slot, coders) in coders.chunks_mut(a_slot).enumerate() {
            let due = began + Duration::from_millis((packet * 20 + slot) as u64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let before = cpu_us();
            for (n, (decoder, encoder)) in coders.iter_mut().enumerate() {
                let n = (slot * a_slot + n) % 2;
                decoder.decode(&ways[n].0[packet], &mut decoded);
                encoder.encode(&sounds[n], &mut out);
                packets += 1;
            }
            spent += cpu_us() - before;
        }
    }
    spent / f64::from(packets)
}

/// Three parties: each is decoded, hears the two others and is encoded.
fn mixing_us() -> f64 {
    let said: Vec<Vec<u8>> = (1..=3usize).map(|n| (0..160).map(|at| (at * n * 7) as u8).collect()).collect();
    let mut limiters = [(); 3].map(|()| Limiter::new(8_000));
    let (mut mix, mut heard, mut sink) = (Mix::default(), [0i16; 160], 0u64);
    let rounds = 20_000;
    let began = cpu_us();
    for _ in 0..rounds {
        // A leg's packet is decoded once, whoever hears it.
        let sound: [[i16; 160]; 3] =
            std::array::from_fn(|of| std::array::from_fn(|at| Law::Mu.decode(std::hint::black_box(&said)[of][at])));
        for (n, limiter) in limiters.iter_mut().enumerate() {
            mix.begin(160);
            sound.iter().enumerate().filter(|(of, _)| *of != n).for_each(|(_, voice)| mix.add(voice));
            mix.hear(&[], limiter, &mut heard);
            sink += heard.iter().map(|sample| u64::from(Law::Mu.encode(*sample))).sum::<u64>();
        }
    }
    assert!(sink > 0);
    (cpu_us() - began) / f64::from(rounds)
}

fn cpu_us() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    time.tv_sec() as f64 * 1e6 + time.tv_nsec() as f64 / 1e3
}
