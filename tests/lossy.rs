//! Calls over a bad line: 5 % loss, 2 % reordering, 1 % duplicates, both ways, RTP and RTCP, by three seeds for 60 s
//! (spec reliability §2, "Loss, reorder, dup"): the call lives, every digit comes once, the recording is as long as the
//! time, and nothing grows.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/alg.rs"]
mod alg;
#[path = "common/bursts.rs"]
mod bursts;
mod common;
#[path = "common/line.rs"]
mod line;
#[path = "common/pair.rs"]
mod pair;
#[path = "common/baresip.rs"]
mod softphone;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bursts::{Setup, burst_call, median};
use common::*;
use hatif::clock::Wall;
use hatif::robot::audio::{level_db, read_wav};
use hatif::robot::{Call, Phone, Source};
use line::{Faults, Line};
use pair::{ALICE_HZ, BOB_HZ, alice, bob};

const OWN: [u8; 4] = [127, 0, 0, 1];
const FAULTS: Faults = Faults { loss: 0.05, reorder: 0.02, duplicate: 0.01 };
const SEEDS: [u64; 3] = [1, 2, 3];
const TALK: Duration = Duration::from_secs(60);
/// Each key twice: what is counted twice or lost shows.
const ALICE_KEYS: &str = "11223344556677889900";
const BOB_KEYS: &str = "90817263544536271809";
/// What is louder than this is the tone.
const TONE: u16 = 1_000;

/// One flow that asks for 20 keys, beside the shipped ones.
const DIGITS: &str = r#"flow = 1
name = "digits"
languages = ["en"]
start = "ask"
[vars]
number = { type = "text", default = "" }
[node.ask]
kind = "collect"
say = [{ prompt = "no_key" }]
into = "number"
min = 20
max = 20
inter_digit = "5s"
timeout = "10s"
tries = 1
next = "end"
on = { no_input = "end", invalid = "end" }
[node.end]
kind = "hangup"
"#;

/// A call of two phones, each behind its own line.
struct Talk {
    number: String,
    alice: Call,
    bob: Call,
    answered: Instant,
    // The phones go before the lines.
    _phones: [Phone; 2],
    lines: [Arc<Line>; 2],
}

impl Talk {
    #[track_caller]
    fn start(server: &Server, n: u16, port: u16, faults: Faults, seed: u64) -> Self {
        let lines = [Line::new(OWN, None, faults, seed), Line::new(OWN, None, faults, seed + 1_000)];
        let mut options = alice(server, Source::Silence, Some(lines[0].clone()));
        options.user = format!("05{n:02}");
        let number = options.user.clone();
        let phones = [
            Phone::start(options).expect("Alice's phone"),
            Phone::start(bob(server, port, Some(lines[1].clone())).says(Source::Silence)).expect("Bob's phone"),
        ];
        let alice = phones[0].invite(&format!("7{n:02}")).expect("sent");
        let bob = phones[1].incoming(SOON).unwrap_or_else(|e| panic!("{e}\n{}", phones[0].trace()));
        bob.answer();
        alice.answered(SOON).unwrap_or_else(|e| panic!("{e}\n{}", phones[0].trace()));
        Self { number, alice, bob, answered: Instant::now(), _phones: phones, lines }
    }

    /// The whole minute, in step with the others.
    fn run(&self) -> Heard {
        std::thread::sleep(seconds(1));
        self.alice.say(Source::Tone(ALICE_HZ));
        self.bob.say(Source::Tone(BOB_HZ));
        std::thread::sleep(seconds(1));
        let began = [&self.alice, &self.bob].map(|call| call.said_at().expect("the tone has begun"));
        std::thread::sleep(seconds(3));
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(self.bob.press(BOB_KEYS)));
            assert!(self.alice.press(ALICE_KEYS));
        });
        std::thread::sleep(ms(500));
        let quiet = Instant::now();
        std::thread::sleep(TALK.saturating_sub(self.answered.elapsed()));
        let sound = [&self.alice, &self.bob].map(|call| call.heard_since(quiet));
        self.alice.say(Source::Silence);
        self.bob.say(Source::Silence);
        std::thread::sleep(seconds(1));
        let ended = [&self.alice, &self.bob].map(|call| call.said_at().expect("the silence has begun"));
        assert!(self.alice.live() && self.bob.live(), "{}: the call lives", self.number);
        let digits = [&self.alice, &self.bob].map(Call::digits);
        assert_eq!(digits, [BOB_KEYS, ALICE_KEYS], "{}: keys", self.number);
        let said = [0, 1].map(|n| self.came_through(n, began[n], ended[n]));
        Heard { said, sound }
    }

    /// When the first packet of a phone left within this time, and when the last one was over; the lost ones left none.
    fn came_through(&self, phone: usize, from: Instant, until: Instant) -> (Instant, Instant) {
        let passed = self.lines[phone].passed();
        let mut times = passed.iter().filter(|p| p.to_server && !p.rtcp && !p.lost && p.at >= from && p.at < until);
        let first = times.next().expect("a packet came through").at;
        (first, times.next_back().map_or(first, |last| last.at) + ms(20))
    }
}

struct Heard {
    /// From when to when Alice and Bob said their tones, as far as anything of them came through.
    said: [(Instant, Instant); 2],
    /// What Alice and Bob heard after the keys.
    sound: [Vec<i16>; 2],
}

/// Where a tone begins and ends in a sound, in seconds.
fn edges(sound: &[i16]) -> (f64, f64) {
    let is_tone = |sample: &i16| sample.unsigned_abs() > TONE;
    let first = sound.iter().position(is_tone).expect("the tone is there");
    let last = sound.iter().rposition(is_tone).expect("the tone is there");
    (first as f64 / 8_000.0, (last + 1) as f64 / 8_000.0)
}

#[test]
fn calls_over_a_bad_line_live_and_lose_nothing_that_matters() {
    let (ports, folder) = (free_ports(), temp_folder());
    for file in ["main.toml", "survey.toml", "prompts.toml"] {
        std::fs::copy(root().join("ivr-scripts").join(file), folder.join(file)).expect("copied");
    }
    std::fs::write(folder.join("digits.toml"), DIGITS).expect("written");
    let mut numbers = "[[number]]\nmatch = \"600\"\nflow = \"digits\"\npublic = true\n".to_owned();
    for n in 0..=SEEDS.len() as u16 {
        let port = ports.spare + 2 * n;
        numbers += &format!(
            "[[number]]\nmatch = \"7{n:02}\"\ndial = \"sip:bob@127.0.0.1:{port}\"\nrecord = \"always\"\npublic = true\n"
        );
    }
    let text = config(ports, &numbers)
        .replace(&format!("{}/tests/common/flows", root().display()), &folder.display().to_string());
    let server = Server::configured(ports, &(text + &floor("").replace("match = \"600\"", "match = \"601\"")));
    let start = |n: u16| {
        // The first one is the measure: a good line.
        let (faults, seed) =
            SEEDS.get(usize::from(n).wrapping_sub(1)).map_or((Faults::default(), 0), |seed| (FAULTS, *seed));
        Talk::start(&server, n, ports.spare + 2 * n, faults, seed)
    };
    let talks: Vec<Talk> = (0..=SEEDS.len() as u16).map(start).collect();
    let heard: Vec<Heard> = std::thread::scope(|scope| {
        let threads: Vec<_> = talks.iter().map(|talk| scope.spawn(|| talk.run())).collect();
        let flows: Vec<_> = SEEDS.iter().map(|seed| scope.spawn(|| keys_reach_a_flow(&server, *seed))).collect();
        let heard = threads.into_iter().map(|t| t.join().expect("a talk")).collect();
        flows.into_iter().for_each(|t| t.join().expect("a flow"));
        heard
    });
    let mut measure = None;
    for (talk, heard) in talks.into_iter().zip(&heard) {
        let name = talk.number.clone();
        let talked = talk.answered.elapsed();
        assert_eq!(talk.alice.hang_up_and_wait(SOON), Some(200));
        assert!(talk.bob.ended(SOON));
        let record = server.ended_call(&name);
        for (who, sound, wanted, other) in
            [("Alice", &heard.sound[0], BOB_HZ, ALICE_HZ), ("Bob", &heard.sound[1], ALICE_HZ, BOB_HZ)]
        {
            let (level, rest) = (level_db(sound, wanted), level_db(sound, other));
            println!("{name}: {who} hears {level:.1} dBm0, beside it {rest:.1} dBm0");
            assert!((level + 16.0).abs() < 2.0 && level - rest > 20.0, "{name}: {who}: {level:.1} and {rest:.1} dBm0");
        }
        let mos = ["customer", "agent"].map(|leg| record["quality"][leg]["mos"].as_f64().unwrap_or(0.0));
        println!("{name}: MOS {mos:?}, {}", record["quality"]);
        let clean = *measure.get_or_insert(mos);
        assert!(
            clean.iter().zip(mos).all(|(clean, mos)| clean - mos <= 0.6 && mos > 3.5),
            "{name}: {mos:?} of {clean:?}"
        );
        the_file_is_as_long_as_the_time(&server, &record, talked, heard, &name);
    }
    server.idle(SOON);
    let _ = std::fs::remove_dir_all(folder);
}

/// 20 keys to a flow over a bad line: each once and in order.
fn keys_reach_a_flow(server: &Server, seed: u64) {
    let line = Line::new(OWN, None, FAULTS, seed + 2_000);
    let mut options = alice(server, Source::Silence, Some(line));
    options.user = format!("06{seed:02}");
    let number = options.user.clone();
    let phone = Phone::start(options).expect("a phone");
    let call = phone.invite("600").expect("sent");
    call.answered(SOON).unwrap_or_else(|e| panic!("600: {e}\n{}", phone.trace()));
    std::thread::sleep(ms(500));
    // The flow ends with the first packet of the last key: nobody is there to take the rest of it.
    call.press(ALICE_KEYS);
    assert!(call.ended(SOON), "{number}: 20 keys end the flow");
    let record = server.ended_call(&number);
    assert_eq!(record["ivr"]["inputs"][0]["digits"], ALICE_KEYS, "{number}: {:#}", record["ivr"]);
}

/// Recording length = wall time ± 40 ms: between two marks that each phone made, and as a whole.
#[track_caller]
fn the_file_is_as_long_as_the_time(
    server: &Server,
    record: &serde_json::Value,
    talked: Duration,
    heard: &Heard,
    name: &str,
) {
    let file = record["recordings"][0]["file"].as_str().expect("a recording");
    let (channels, _) = read_wav(&server.data.join(file)).expect("the file can be read");
    let length = channels[0].len() as f64 / 8_000.0;
    let at = |of: &serde_json::Value| of.as_str().and_then(|text| text.parse::<Wall>().ok()).expect("a time");
    let wall = at(&record["ended_at"]).since(at(&record["recordings"][0]["started_at"])).as_secs_f64();
    println!("{name}: {length:.3} s are written, {wall:.3} s by the record");
    assert!((length - wall).abs() <= 0.04, "{name}: {length:.3} s are written of {wall:.3}");
    // The ends of the call travel by SIP and wait for the phones' timers.
    assert!((length - talked.as_secs_f64()).abs() < 0.2, "{name}: {length:.3} s are written, {talked:?} were talked");
    let marks: Vec<_> = channels.iter().map(|channel| edges(channel)).collect();
    for (side, (first, last)) in marks.iter().enumerate() {
        let (began, ended) = heard.said[side];
        let said = (ended - began).as_secs_f64();
        let off = (last - first - said) * 1_000.0;
        println!("{name}: side {side}: {off:+.1} ms in {said:.3} s");
        assert!(off.abs() <= 40.0, "{name}: side {side}: {off:+.1} ms");
    }
    // In step: what both began was so far apart in truth too.
    let [(one, _), (other, _)] = heard.said;
    let truth = other.saturating_duration_since(one).as_secs_f64() - one.saturating_duration_since(other).as_secs_f64();
    let step = (marks[1].0 - marks[0].0 - truth) * 1_000.0;
    println!("{name}: sides {step:+.1} ms apart");
    assert!(step.abs() <= 40.0, "{name}: the sides are {step:+.1} ms apart");
}

/// Where sound is decoded, a jitter buffer and concealment stand between the phones: after a minute of a bad line the
/// delay is what it was, and both sides are recorded in step.
#[test]
fn decoded_calls_over_a_bad_line_do_not_fall_behind() {
    const CODECS: [(&str, &str, u32); 2] = [("G.722", "g722/16000/1", 8_000), ("Opus", "opus/48000/2", 48_000)];
    let (ports, phones) = (free_ports(), free_ports());
    let mut numbers = String::new();
    for n in 0..CODECS.len() as u16 {
        let port = ports.spare + 2 * n;
        numbers += &format!(
            "[[number]]\nmatch = \"9{n:02}\"\ndial = \"sip:bob@127.0.0.1:{port}\"\nrecord = \"always\"\npublic = true\n"
        );
    }
    let codecs = "codecs = [\"pcma\", \"pcmu\", \"g722\", \"opus\"]";
    let text = config(ports, &(floor("") + &numbers)).replace("codecs = [\"pcma\", \"pcmu\"]", codecs);
    let server = Server::configured(ports, &text);
    std::thread::scope(|scope| {
        for (n, (name, codec, clock)) in (0u16..).zip(CODECS) {
            let server = &server;
            scope.spawn(move || {
                let (number, from) = (format!("9{n:02}"), format!("07{n:02}"));
                let outcome = burst_call(&Setup {
                    server,
                    number: &number,
                    callee: ports.spare + 2 * n,
                    ports: phones.sip + 40 * n,
                    from: &from,
                    codec,
                    clock,
                    faults: FAULTS,
                    seed: SEEDS[usize::from(n)],
                    length: TALK - seconds(2),
                });
                let delays = &outcome.delays;
                let (early, late) = (median(&delays[..12]), median(&delays[delays.len() - 12..]));
                let step = median(&outcome.right) * 1_000.0;
                println!(
                    "{name}: {} bursts heard, delay {:.0} ms at first, {:.0} at last; sides {step:+.1} ms apart in {} and {} \
                     bursts; {:.3} s written of {:.3}; {}",
                    delays.len(),
                    early * 1_000.0,
                    late * 1_000.0,
                    outcome.left.len(),
                    outcome.right.len(),
                    outcome.written,
                    outcome.wall,
                    outcome.record["quality"]
                );
                assert!(delays.len() >= 54, "{name}: bursts are missing");
                assert!(late - early <= 0.04 && early.max(late) <= 0.3, "{name}: from {early:.3} to {late:.3} s");
                assert!(step.abs() <= 20.0, "{name}: the sides are {step:+.1} ms apart");
                assert!((outcome.written - outcome.wall).abs() <= 0.04, "{name}: the length of the recording");
            });
        }
    });
    server.idle(SOON);
}
