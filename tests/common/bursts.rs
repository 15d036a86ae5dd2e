//! Bursts of a tone, one each second, said at known times from both ends of a call: what is heard and recorded of them
//! tells delay and step to the millisecond. One end is baresip behind a router, the other a robot on G.711.
#![allow(dead_code, clippy::disallowed_methods, clippy::disallowed_types)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hatif::clock::Wall;
use hatif::robot::audio::{RATE, read_wav, tone};
use hatif::robot::{Call, Phone, Source};
use serde_json::Value;

use super::alg::Alg;
use super::common::{SOON, Server, ms};
use super::line::{Faults, Line};
use super::pair::bob;
use super::softphone::Baresip;

const CALLER_HZ: f64 = 1_004.0;
const CALLEE_HZ: f64 = 604.0;
/// How long each is.
pub const BURST_MS: u64 = 100;
/// What is louder than this is a burst; their peak is 3,534.
const BURST: u16 = 1_000;

/// What a call of bursts was like; times in seconds.
pub struct Outcome {
    /// Where bursts lie in the recording, against when they were said and the median of the left side.
    pub left: Vec<f64>,
    pub right: Vec<f64>,
    /// From the caller's packet to the robot's: of each burst, in order.
    pub delays: Vec<f64>,
    /// How far from its second, as most bursts have it, each phone itself sent a burst at most: caller, callee. What is
    /// recorded can be no steadier.
    pub unsteady: [f64; 2],
    /// Of the file, and of the time from its beginning to the end of the call.
    pub written: f64,
    pub wall: f64,
    pub record: Value,
}

/// One call: which phone calls whom, over what lines.
pub struct Setup<'a> {
    pub server: &'a Server,
    /// What the caller dials, and where the robot is that answers there.
    pub number: &'a str,
    pub callee: u16,
    /// 40 free ports: of the router and of baresip.
    pub ports: u16,
    /// The caller's number.
    pub from: &'a str,
    /// As baresip writes it in its account.
    pub codec: &'a str,
    /// Of its RTP clock.
    pub clock: u32,
    pub faults: Faults,
    pub seed: u64,
    pub length: Duration,
}

/// A sound with a burst of 100 ms at the beginning of each second.
pub fn bursts(hz: f64, seconds: usize) -> Vec<i16> {
    let mut second = tone(hz, -16.0, BURST_MS);
    second.resize(RATE as usize, 0);
    second.repeat(seconds)
}

#[track_caller]
pub fn burst_call(setup: &Setup) -> Outcome {
    let server = setup.server;
    let own = [127, 0, 0, 1];
    let address = |port| SocketAddr::from((own, port));
    let lines = [0, 1_000].map(|n| Line::new(own, None, setup.faults, setup.seed + n));
    let robot = bob(server, setup.callee, Some(Arc::clone(&lines[1]))).says(Source::Silence);
    let robot = Phone::start(robot).expect("the callee's phone");
    let (router, phone) = (setup.ports, setup.ports + 2);
    let alg = Alg::start(router, address(phone), server.sip, Arc::clone(&lines[0]));
    let account = format!("<sip:{}@customer.example>;regint=0;audio_codecs={}\n", setup.from, setup.codec);
    let caller = Baresip::speaking(&account, &bursts(CALLER_HZ, 120), phone, "");
    caller.command("dial", &format!("sip:{}@{}", setup.number, alg.address));
    let callee = robot.incoming(SOON).unwrap_or_else(|e| panic!("{e}\n{}", caller.log()));
    callee.answer();
    caller.says("Call established", 1);
    std::thread::sleep(ms(500));
    callee.say(Source::Loop(bursts(CALLEE_HZ, 1).into()));
    std::thread::sleep(setup.length);
    assert!(callee.live(), "the call lives\n{}", caller.log());
    let base = Instant::now() - setup.length - Duration::from_secs(5);
    let said_at = callee.said_at().expect("it speaks");
    let moments = [said(&lines[0], base, None, setup.clock), said(&lines[1], base, Some(said_at), RATE)];
    let said = moments.each_ref().map(|moments| median(moments));
    let unsteady = [0, 1].map(|side| moments[side].iter().map(|at| (at - said[side]).abs()).fold(0.0, f64::max));
    let delays = heard(&callee, base).into_iter().map(|at| turn(at - said[0] - 0.4) + 0.4).collect();
    caller.command("hangup", "");
    assert!(callee.ended(SOON), "{}", caller.log());
    let record = server.ended_call(setup.from);
    let file = record["recordings"][0]["file"].as_str().expect("a recording");
    let (channels, _) = read_wav(&server.data.join(file)).expect("the file can be read");
    let time = |of: &Value| of.as_str().and_then(|text| text.parse::<Wall>().ok()).expect("a time");
    let began = time(&record["recordings"][0]["started_at"]);
    // Bursts are a second apart, so each lies where it should or less than half a second beside it.
    let places = |side: usize| onsets(&channels[side]).into_iter().map(move |at| at - said[side]);
    let mut left: Vec<f64> = places(0).collect();
    let first = *left.first().unwrap_or_else(|| panic!("no bursts on the left\n{}", caller.log()));
    left.iter_mut().for_each(|place| *place = turn(*place - first));
    let middle = median(&left);
    let right = places(1).map(|place| turn(place - first - middle)).collect();
    left.iter_mut().for_each(|place| *place -= middle);
    Outcome {
        left,
        right,
        delays,
        unsteady,
        written: channels[0].len() as f64 / f64::from(RATE),
        wall: time(&record["ended_at"]).since(began).as_secs_f64(),
        record,
    }
}

/// To the nearest whole second.
pub fn turn(seconds: f64) -> f64 {
    seconds - seconds.round()
}

pub fn median(list: &[f64]) -> f64 {
    let mut list = list.to_vec();
    list.sort_by(f64::total_cmp);
    list.get(list.len() / 2).copied().unwrap_or(f64::NAN)
}

/// When the bursts were said: the moment of the first one, by each of the packets that carried the beginnings of all.
fn said(line: &Line, base: Instant, from: Option<Instant>, clock: u32) -> Vec<f64> {
    let passed = line.passed();
    let mut packets = passed.iter().filter(|p| p.to_server && !p.rtcp && from.is_none_or(|from| p.at >= from));
    let timestamp = |head: &[u8; 12]| u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    let first = packets.next().expect("it spoke");
    let (zero, kind) = (timestamp(&first.head), first.head[1] & 0x7f);
    let of_sound = std::iter::once(first).chain(packets).filter(|p| p.head[1] & 0x7f == kind);
    of_sound
        .filter_map(|p| {
            let after = timestamp(&p.head).wrapping_sub(zero);
            let second = f64::from(after / clock);
            after.is_multiple_of(clock).then(|| p.at.saturating_duration_since(base).as_secs_f64() - second)
        })
        .collect()
}

/// When bursts began in a sound.
pub fn onsets(sound: &[i16]) -> Vec<f64> {
    let quiet = RATE as usize / 5;
    let (mut found, mut last) = (Vec::new(), None);
    for (n, _) in sound.iter().enumerate().filter(|(_, sample)| sample.unsigned_abs() > BURST) {
        if last.is_none_or(|last| n - last > quiet) {
            found.push(n as f64 / f64::from(RATE));
        }
        last = Some(n);
    }
    found
}

/// When bursts came to the robot.
pub fn heard(call: &Call, base: Instant) -> Vec<f64> {
    came(call, base, 0.0)
}

/// When bursts would have come to the robot, had all packets been as quick as the quickest of the same two seconds: when they
/// were said, by their sender's clock, which may send several packets at once.
pub fn heard_steadily(call: &Call, base: Instant) -> Vec<f64> {
    came(call, base, 1.0)
}

fn came(call: &Call, base: Instant, around: f64) -> Vec<f64> {
    let packets = call.packets();
    let at = |offset: usize| offset as f64 / f64::from(RATE);
    let moment = |onset: f64| {
        let sample = (onset * f64::from(RATE)).round() as usize;
        let its = packets.iter().find(|p| (p.offset..p.offset + p.samples).contains(&sample))?;
        let near = packets.iter().filter(|p| p.samples > 0 && (at(p.offset) - at(its.offset)).abs() <= around);
        let delays = near.map(|p| p.at.saturating_duration_since(base).as_secs_f64() - at(p.offset));
        Some(onset + delays.min_by(f64::total_cmp)?)
    };
    onsets(&call.heard()).into_iter().filter_map(moment).collect()
}
