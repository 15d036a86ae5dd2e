//! Every codec with every codec, by a phone that people use on both ends: a tone each way comes out as loud as it went
//! in and clear of everything else, and the recording holds both.
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

use std::f64::consts::PI;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use bursts::{Setup, burst_call, median};
use common::*;
use hatif::robot::audio::read_wav;
use line::Faults;
use serde_json::Value;
use softphone::Baresip;

const CALLER_HZ: f64 = 1_004.0;
const CALLEE_HZ: f64 = 604.0;
/// Peak of a sine of 0 dBm0 (G.711 §5).
const PEAK_0_DBM0: f64 = 22_300.0;
/// One test at a time: each is as many phones as two processors serve without a hiccup.
static TURN: Mutex<()> = Mutex::new(());
/// How long each pair talks.
const TALK: std::time::Duration = ms(3_500);

/// A codec as baresip names it, and what it owes us.
#[derive(Clone, Copy, Debug)]
struct Codec {
    name: &'static str,
    account: &'static str,
    /// Of its RTP timestamps: G.722 counts as if it sampled at 8,000 (RFC 3551 §4.5.2).
    clock: u32,
    /// How far the level may be off, in dB.
    level: f64,
    /// How far all that is not the tone must be below it, in dB.
    clear: f64,
}

const CODECS: [Codec; 4] = [
    Codec { name: "PCMU", account: "pcmu", clock: 8_000, level: 1.0, clear: 30.0 },
    Codec { name: "PCMA", account: "pcma", clock: 8_000, level: 1.0, clear: 30.0 },
    Codec { name: "G722", account: "g722/16000/1", clock: 8_000, level: 1.0, clear: 20.0 },
    Codec { name: "opus", account: "opus/48000/2", clock: 48_000, level: 3.0, clear: 15.0 },
];

/// One end of a pair: a codec and how its sound is kept from others.
// Browsers are the third kind of end: they come here as `Security::Browser` with an end of their own.
#[derive(Clone, Copy, Debug)]
struct Kind {
    codec: Codec,
    security: Security,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Security {
    /// RTP as it is.
    None,
}

impl Kind {
    fn all() -> Vec<Self> {
        let kinds = |security| CODECS.map(|codec| Self { codec, security });
        [Security::None].into_iter().flat_map(kinds).collect()
    }

    fn label(self) -> String {
        match self.security {
            Security::None => self.codec.name.to_owned(),
        }
    }

    /// What its account says of media.
    fn account(self) -> String {
        let Self { codec, security } = self;
        let security = match security {
            Security::None => "",
        };
        format!("audio_codecs={}{security}", codec.account)
    }
}

/// Level of `hz` in dBm0, and how far the rest is below it in dB: of each quarter of a second the worse ones count, so
/// that a hole now and then fails and one hiccup of the machine does not.
fn measure(sound: &[i16], rate: u32, hz: f64) -> (f64, f64) {
    let block = rate as usize / 4;
    let (mut levels, mut clear) = (Vec::new(), Vec::new());
    for samples in sound.chunks_exact(block) {
        let count = samples.len() as f64;
        let (mut cosine, mut sine, mut sum, mut power) = (0.0, 0.0, 0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let (angle, value) = (2.0 * PI * hz * n as f64 / f64::from(rate), f64::from(*sample));
            cosine += value * angle.cos();
            sine += value * angle.sin();
            sum += value;
            power += value * value;
        }
        // A whole number of periods fits into a block: these are the parts of one sine.
        let tone = (cosine * cosine + sine * sine) * 2.0 / (count * count);
        let rest = (power / count - (sum / count).powi(2) - tone).max(0.01);
        levels.push(10.0 * (tone * 2.0 / PEAK_0_DBM0.powi(2)).max(1e-12).log10());
        clear.push(10.0 * (tone.max(1e-6) / rest).log10());
    }
    for list in [&mut levels, &mut clear] {
        list.sort_by(f64::total_cmp);
    }
    (levels.get(levels.len() / 2).copied().unwrap_or(-120.0), clear.get(clear.len() / 4).copied().unwrap_or(-120.0))
}

/// Without the first second, in which jitter buffers settle, and the end.
fn settled(sound: &[i16], rate: u32) -> &[i16] {
    let rate = rate as usize;
    sound.get(rate..sound.len().saturating_sub(rate / 4)).unwrap_or_default()
}

/// Whether a tone that was `sent` so loud came through these codecs; a line of the table says how.
fn judge(table: &mut String, what: &str, (sound, rate): (&[i16], u32), (hz, sent): (f64, f64), by: &[Codec]) -> bool {
    let (level, clear) = measure(settled(sound, rate), rate, hz);
    let allowed = by.iter().map(|c| c.level).fold(0.0, f64::max);
    let wanted = by.iter().map(|c| c.clear).fold(f64::MAX, f64::min);
    let good = sent > -20.0 && (level - sent).abs() <= allowed && clear >= wanted;
    let verdict = if good { "" } else { "  <-- wrong" };
    let _ = writeln!(table, "{what:<28} {level:6.1} dBm0 of {sent:6.1}, the rest {clear:5.1} dB below{verdict}");
    good
}

/// How loud a phone said its tone.
#[track_caller]
fn said(phone: &Baresip, hz: f64) -> f64 {
    let (sound, rate) = phone.said_at_its_rate();
    measure(settled(&sound, rate), rate, hz).0
}

/// The record of the call from this number to that one, when it and its recording are whole.
#[track_caller]
fn record_of(server: &Server, from: &str, to: &str) -> Value {
    let mut record = Value::Null;
    wait_until(seconds(15), &format!("the record of {from} to {to} is closed"), || {
        let listed = items(&server.json("/api/v1/calls?limit=200"));
        let Some(found) = listed.into_iter().find(|c| c["from"] == from && c["to"] == to) else { return false };
        record = server.json(&format!("/api/v1/calls/{}", found["call_id"].as_str().unwrap_or_default()));
        let open = |r: &Value| r["seconds"].is_null();
        !record["end"].is_null() && !record["recordings"].as_array().is_none_or(|l| l.is_empty() || l.iter().any(open))
    });
    record
}

/// A configuration with these numbers and every codec there is.
fn with_codecs(ports: Ports, numbers: &str) -> String {
    let codecs = "codecs = [\"pcma\", \"pcmu\", \"g722\", \"opus\"]";
    config(ports, &(floor("") + numbers)).replace("codecs = [\"pcma\", \"pcmu\"]", codecs)
}

/// Each kind calls each kind: in every round all callers talk at once, each with another callee.
#[test]
fn every_codec_talks_to_every_codec() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let kinds = Kind::all();
    let (ports, phones) = (free_ports(), free_ports());
    let port = |n: usize| phones.sip + 30 * n as u16;
    let mut numbers = String::new();
    for n in 0..kinds.len() {
        numbers += &format!(
            "[[number]]\nmatch = \"8{n:02}\"\ndial = \"sip:callee@127.0.0.1:{}\"\nrecord = \"always\"\npublic = true\n",
            port(n)
        );
    }
    let server = Server::configured(ports, &with_codecs(ports, &numbers));
    let callees: Vec<Baresip> = kinds
        .iter()
        .enumerate()
        .map(|(n, kind)| {
            let account = format!("<sip:callee@127.0.0.1>;regint=0;answermode=auto;{}\n", kind.account());
            Baresip::start(&account, CALLEE_HZ, port(n))
        })
        .collect();
    let callers: Vec<Baresip> = kinds
        .iter()
        .enumerate()
        .map(|(n, kind)| {
            let account = format!("<sip:05{n:02}@customer.example>;regint=0;{}\n", kind.account());
            Baresip::start(&account, CALLER_HZ, port(kinds.len() + n))
        })
        .collect();
    let (mut table, mut wrong) = (String::new(), 0);
    for round in 0..kinds.len() {
        let pairs: Vec<(usize, usize)> = (0..kinds.len()).map(|n| (n, (n + round) % kinds.len())).collect();
        for (from, to) in &pairs {
            callers[*from].command("dial", &format!("sip:8{to:02}@{}", server.sip));
        }
        pairs.iter().for_each(|(from, _)| callers[*from].says("Call established", round + 1));
        std::thread::sleep(TALK);
        pairs.iter().for_each(|(from, _)| callers[*from].command("hangup", ""));
        pairs.iter().for_each(|(_, to)| callees[*to].says("terminated", round + 1));
        std::thread::sleep(ms(300));
        for (from, to) in pairs {
            let (caller, callee) = (kinds[from], kinds[to]);
            let name = format!("{} calls {}", caller.label(), callee.label());
            let both = [caller.codec, callee.codec];
            let record = record_of(&server, &format!("05{from:02}"), &format!("8{to:02}"));
            let file = record["recordings"][0]["file"].as_str().expect("a recording");
            let (channels, rate) = read_wav(&server.data.join(file)).expect("the file can be read");
            assert_eq!(channels.len(), 2);
            let ((there, there_rate), (here, here_rate)) =
                (callees[to].heard_at_its_rate(), callers[from].heard_at_its_rate());
            let one = (CALLER_HZ, said(&callers[from], CALLER_HZ));
            let other = (CALLEE_HZ, said(&callees[to], CALLEE_HZ));
            let judged = [
                judge(&mut table, &format!("{name}: to callee"), (&there, there_rate), one, &both),
                judge(&mut table, &format!("{name}: to caller"), (&here, here_rate), other, &both),
                judge(&mut table, &format!("{name}: left"), (&channels[0], rate), one, &both[..1]),
                judge(&mut table, &format!("{name}: right"), (&channels[1], rate), other, &both[1..]),
            ];
            wrong += judged.into_iter().filter(|good| !good).count();
        }
    }
    println!("{table}");
    assert_eq!(wrong, 0, "of {} measurements:\n{table}", 4 * kinds.len() * kinds.len());
    drop((callers, callees));
    server.idle(seconds(10));
}

/// Both sides of a recording are in step within 20 ms, whatever each phone speaks: bursts that were said at known times
/// lie as far apart in the file as they were in truth.
#[test]
fn both_sides_of_a_recording_are_in_step() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (ports, phones) = (free_ports(), free_ports());
    let mut numbers = String::new();
    for n in 0..CODECS.len() as u16 {
        let port = ports.spare + 2 * n;
        numbers += &format!(
            "[[number]]\nmatch = \"9{n:02}\"\ndial = \"sip:bob@127.0.0.1:{port}\"\nrecord = \"always\"\npublic = true\n"
        );
    }
    let server = Server::configured(ports, &with_codecs(ports, &numbers));
    std::thread::scope(|scope| {
        for (n, codec) in (0u16..).zip(&CODECS) {
            let server = &server;
            scope.spawn(move || {
                let (number, from) = (format!("9{n:02}"), format!("07{n:02}"));
                let outcome = burst_call(&Setup {
                    server,
                    number: &number,
                    callee: ports.spare + 2 * n,
                    ports: phones.sip + 40 * n,
                    from: &from,
                    codec: codec.account,
                    clock: codec.clock,
                    faults: Faults::default(),
                    seed: 0,
                    length: seconds(12),
                });
                let worst = |list: &[f64]| list.iter().map(|d| (d * 1_000.0).abs()).fold(0.0, f64::max);
                let (left, right, step) =
                    (worst(&outcome.left), worst(&outcome.right), median(&outcome.right) * 1_000.0);
                println!(
                    "{}: {} and {} bursts, sides {step:+.1} ms apart, at most {left:.1} and {right:.1} ms off; \
                     {:.0} ms from phone to phone; {:.3} s written of {:.3}",
                    codec.name,
                    outcome.left.len(),
                    outcome.right.len(),
                    median(&outcome.delays) * 1_000.0,
                    outcome.written,
                    outcome.wall
                );
                assert!(outcome.left.len() >= 10 && outcome.right.len() >= 10, "{}: bursts are missing", codec.name);
                assert!(left <= 20.0 && right <= 20.0, "{}: {left:.1} and {right:.1} ms out of step", codec.name);
                assert!((outcome.written - outcome.wall).abs() <= 0.04, "{}: the length", codec.name);
                assert!(median(&outcome.delays) <= 0.15, "{}: {:?}", codec.name, outcome.delays);
            });
        }
    });
    server.idle(seconds(10));
}
