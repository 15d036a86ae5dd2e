//! What an end of a call speaks and how its sound is kept from others; a tone each way, measured at both ends and in the
//! recording.
#![allow(dead_code, clippy::disallowed_methods, clippy::disallowed_types)]

use std::f64::consts::PI;
use std::fmt::Write as _;

use serde_json::Value;

use super::common::{Ports, Server, config, floor, items, ms, seconds, wait_until};

pub const CALLER_HZ: f64 = 1_004.0;
pub const CALLEE_HZ: f64 = 604.0;
/// Peak of a sine of 0 dBm0 (G.711 §5).
const PEAK_0_DBM0: f64 = 22_300.0;
/// How long each pair talks.
pub const TALK: std::time::Duration = ms(3_500);

/// A codec as baresip and the configuration name it, and what it owes us.
#[derive(Clone, Copy, Debug)]
pub struct Codec {
    pub name: &'static str,
    pub account: &'static str,
    pub key: &'static str,
    /// Of its RTP timestamps: G.722 counts as if it sampled at 8,000 (RFC 3551 §4.5.2).
    pub clock: u32,
    /// How far the level may be off, in dB.
    pub level: f64,
    /// How far all that is not the tone must be below it, in dB.
    pub clear: f64,
}

pub const CODECS: [Codec; 4] = [
    Codec { name: "PCMU", account: "pcmu", key: "pcmu", clock: 8_000, level: 1.0, clear: 30.0 },
    Codec { name: "PCMA", account: "pcma", key: "pcma", clock: 8_000, level: 1.0, clear: 30.0 },
    Codec { name: "G722", account: "g722/16000/1", key: "g722", clock: 8_000, level: 1.0, clear: 20.0 },
    Codec { name: "opus", account: "opus/48000/2", key: "opus", clock: 48_000, level: 3.0, clear: 15.0 },
];

/// One second of a sine that can be repeated for ever, at any rate.
pub fn at_rate(rate: u32, hz: f64, dbm0: f64) -> Vec<i16> {
    let peak = PEAK_0_DBM0 * 10f64.powf(dbm0 / 20.0);
    let sample = |n: u32| (peak * (2.0 * PI * hz * f64::from(n) / f64::from(rate)).sin()).round() as i16;
    (0..rate).map(sample).collect()
}

/// Level of `hz` in dBm0, and how far the rest is below it in dB: of each quarter of a second the worse ones count, so
/// that a hole now and then fails and one hiccup of the machine does not.
pub fn measure(sound: &[i16], rate: u32, hz: f64) -> (f64, f64) {
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

/// The last of the talk without its very end: before it jitter buffers settle, and who was called takes some time to
/// answer.
pub fn settled(sound: &[i16], rate: u32) -> &[i16] {
    let rate = rate as usize;
    sound.get(rate.max(sound.len().saturating_sub(3 * rate))..sound.len().saturating_sub(rate / 4)).unwrap_or_default()
}

/// Whether a tone that was `sent` so loud came through these codecs; a line of the table says how.
pub fn judge(
    table: &mut String,
    what: &str,
    (sound, rate): (&[i16], u32),
    (hz, sent): (f64, f64),
    by: &[Codec],
) -> bool {
    let (level, clear) = measure(settled(sound, rate), rate, hz);
    let allowed = by.iter().map(|c| c.level).fold(0.0, f64::max);
    let wanted = by.iter().map(|c| c.clear).fold(f64::MAX, f64::min);
    let good = sent > -20.0 && (level - sent).abs() <= allowed && clear >= wanted;
    let verdict = if good { "" } else { "  <-- wrong" };
    let _ = writeln!(table, "{what:<45} {level:6.1} dBm0 of {sent:6.1}, the rest {clear:5.1} dB below{verdict}");
    good
}

/// The record of the last of so many calls from this number to that one, when it and its recording are whole.
#[track_caller]
pub fn record_of(server: &Server, from: &str, to: &str, calls: usize) -> Value {
    let mut record = Value::Null;
    wait_until(seconds(15), &format!("the record of {from} to {to} is closed"), || {
        let listed = items(&server.json("/api/v1/calls?limit=200"));
        let mut theirs = listed.into_iter().filter(|c| c["from"] == from && c["to"] == to);
        // The newest is the first.
        let Some(found) = theirs.next().filter(|_| theirs.count() + 1 == calls) else { return false };
        record = server.json(&format!("/api/v1/calls/{}", found["call_id"].as_str().unwrap_or_default()));
        let open = |r: &Value| r["seconds"].is_null();
        !record["end"].is_null() && !record["recordings"].as_array().is_none_or(|l| l.is_empty() || l.iter().any(open))
    });
    record
}

/// A configuration with these numbers and every codec there is.
pub fn with_codecs(ports: Ports, numbers: &str) -> String {
    let codecs = "codecs = [\"pcma\", \"pcmu\", \"g722\", \"opus\"]";
    config(ports, &(floor("") + numbers)).replace("codecs = [\"pcma\", \"pcmu\"]", codecs)
}
