//! Browsers with phones, every codec with every codec: a tone each way comes out as loud as it went in and clear of
//! everything else, and the recording holds both, in step.
//!
//! A browser's microphone is a file, and its cleaning (echo, noise, gain) is off: see `web/softphone/softphone.js`.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/alg.rs"]
mod alg;
#[path = "browser/driver.rs"]
mod browser;
#[path = "common/bursts.rs"]
mod bursts;
mod common;
#[path = "common/line.rs"]
mod line;
#[path = "common/pair.rs"]
mod pair;
#[path = "common/baresip.rs"]
mod softphone;
#[path = "common/tones.rs"]
mod tones;
#[path = "common/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use browser::Driver;
use bursts::{BURST_MS, heard_steadily, median, onsets, turn};
use common::*;
use hatif::robot::audio::{RATE, read_wav};
use hatif::robot::{Options, Phone, Source};
use serde_json::json;
use softphone::Baresip;
use tones::*;
use wire::Authority;

/// One test at a time: each is as many phones as two processors serve without a hiccup.
static TURN: Mutex<()> = Mutex::new(());
/// Samples a second of a browser's microphone: what a page captures at, so that nothing is resampled on the way.
const MICROPHONE_HZ: u32 = 48_000;
/// A browser does not send as regularly as a phone: what a phone keeps before it plays, in ms.
const EARS: &str = "audio_buffer 100-300\n";
const SAID_DBM0: f64 = -16.0;

/// A microphone that says the second of sound in `samples` for ever.
fn microphone(folder: &Path, samples: &[i16]) -> String {
    let file = folder.join("microphone.wav");
    let length = samples.len() as u32 * 2;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + length).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(MICROPHONE_HZ.to_le_bytes());
    bytes.extend((MICROPHONE_HZ * 2).to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend(length.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    std::fs::write(&file, bytes).expect("written");
    file.display().to_string()
}

/// A server, a page for each codec, and what phones need to reach it over TLS.
struct Place {
    server: Server,
    driver: Driver,
    folder: PathBuf,
    tls: u16,
}

impl Place {
    /// Pages whose microphone says `sound`; nobody has called them yet.
    fn new(sound: &[i16]) -> Self {
        let (ports, folder) = (free_ports(), temp_folder());
        let mut text = String::new();
        for (n, codec) in CODECS.iter().enumerate() {
            text += &format!(
                "[[agent]]\nid = \"15{n}\"\npassword = \"{PASSWORD}\"\nauto_ready = true\nqueues = [\"of15{n}\"]\n\
                 codecs = [\"{0}\"]\n[[queue]]\nname = \"of15{n}\"\nwrap_up = \"0s\"\nrecord = \"always\"\n\
                 [[number]]\nmatch = \"80{n}\"\nqueue = \"of15{n}\"\npublic = true\n\
                 [[agent]]\nid = \"25{n}\"\npassword = \"{PASSWORD}\"\nsrtp = \"required\"\n",
                codec.key
            );
        }
        let authority = Authority::new("test authority");
        authority.server().write(&folder, "server");
        std::fs::write(folder.join("ca.pem"), authority.pem()).expect("written");
        let tls = ports.sip + 3;
        let keys = format!(
            "[sip]\nws_origins = [\"*\"]\ntls_certificate = \"{0}/server.pem\"\ntls_key = \"{0}/server.key\"",
            folder.display()
        );
        let listen = format!("listen = [\"tls:127.0.0.1:{tls}\", ");
        let text = with_codecs(ports, &text).replacen("listen = [", &listen, 1).replacen("[sip]", &keys, 1);
        let server = Server::configured(ports, &text);
        let (mut driver, file) = (Driver::start(), microphone(&folder, sound));
        for n in 0..CODECS.len() {
            let line = json!({
                "server": format!("ws://{}/sip", server.http),
                "uri": format!("sip:15{n}@127.0.0.1"),
                "password": PASSWORD,
                "autoAnswer": true,
            });
            driver.must(&page(n), "open", json!({ "microphone": file }));
            driver.must(&page(n), "start", line);
            driver.wait(&page(n), json!({ "registered": true }));
        }
        server.agents_in("ready", CODECS.len() as f64);
        Self { server, driver, folder, tls }
    }

    /// A phone that speaks the codec, plain over UDP or with keys over TLS; its number, and what it dials before a number
    /// and after it.
    fn phone(&self, n: usize, keyed: bool, port: u16) -> Caller {
        let codec = &CODECS[n];
        if keyed {
            let account = format!(
                "<sip:25{n}@127.0.0.1:{0};transport=tls>;auth_user=25{n};auth_pass={PASSWORD};regint=120;\
                 mediaenc=srtp-mand;audio_codecs={1}\n",
                self.tls, codec.account
            );
            let lines = format!("{EARS}sip_cafile {}/ca.pem\n", self.folder.display());
            let phone = Baresip::start_with(&account, CALLER_HZ, port, &lines);
            return Caller { phone, number: format!("25{n}"), at: format!("127.0.0.1:{};transport=tls", self.tls) };
        }
        let account = format!("<sip:05{n:02}@customer.example>;regint=0;audio_codecs={}\n", codec.account);
        let phone = Baresip::start_with(&account, CALLER_HZ, port, EARS);
        Caller { phone, number: format!("05{n:02}"), at: self.server.sip.to_string() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

struct Caller {
    phone: Baresip,
    number: String,
    /// What it dials after the `@`.
    at: String,
}

fn page(n: usize) -> String {
    format!("page {}", CODECS[n].name)
}

/// Phones in calls with pages.
struct Matrix {
    place: Place,
    callers: Vec<Caller>,
    keyed: bool,
    /// Calls that each phone made, and to whom.
    made: Vec<Vec<usize>>,
    /// Which ways of a pair were right in one of its calls: to the browser, to the caller, left, right.
    good: BTreeMap<(usize, usize), [bool; 4]>,
}

impl Matrix {
    /// These phones call these pages, all at once; what was wrong with whom, and the table of all.
    fn round(&mut self, pairs: &[(usize, usize)]) -> (Vec<(usize, usize)>, String) {
        let Self { place, callers, made, .. } = self;
        for (from, to) in pairs {
            callers[*from].phone.command("dial", &format!("sip:80{to}@{}", callers[*from].at));
            made[*from].push(*to);
        }
        for (from, to) in pairs {
            callers[*from].phone.says("Call established", made[*from].len());
            place.driver.wait(&page(*to), json!({ "call.state": "talking" }));
        }
        for (_, to) in pairs {
            place.driver.must(&page(*to), "forget", json!({}));
        }
        std::thread::sleep(TALK);
        let heard: Vec<_> = pairs.iter().map(|(_, to)| place.driver.heard_at_its_rate(&page(*to))).collect();
        for (_, to) in pairs {
            let stats = place.driver.must(&page(*to), "stats", json!({}));
            let spoken = format!("audio/{}", CODECS[*to].name);
            assert!(stats["dtls"] == "connected" && stats["srtp"].is_string(), "{stats}");
            assert!(stats["receives"] == spoken && stats["sends"] == spoken, "{stats}");
        }
        pairs.iter().for_each(|(from, _)| callers[*from].phone.command("hangup", ""));
        for (_, to) in pairs {
            place.driver.wait(&page(*to), json!({ "call.state": "ended" }));
        }
        std::thread::sleep(ms(300));
        let (mut table, mut wrong) = (String::new(), Vec::new());
        for (pair, heard) in pairs.iter().zip(&heard) {
            if !self.judge(*pair, (&heard.0, heard.1), &mut table) {
                wrong.push(*pair);
            }
        }
        (wrong, table)
    }

    /// What came out on both sides and lies in the file of the last call of this pair.
    fn judge(&mut self, (from, to): (usize, usize), there: (&[i16], u32), table: &mut String) -> bool {
        let (caller, codecs) = (&self.callers[from], [CODECS[from], CODECS[to]]);
        let security = if self.keyed { " (SDES)" } else { "" };
        let name = format!("{}{security} calls {} (browser)", codecs[0].name, codecs[1].name);
        let made = &self.made[from];
        let enabled = caller.phone.log().matches("SRTP is Enabled").count();
        assert_eq!(enabled >= made.len(), self.keyed, "{}", caller.phone.log());
        let calls = made.iter().filter(|callee| **callee == to).count();
        let record = record_of(&self.place.server, &caller.number, &format!("80{to}"), calls);
        let file = record["recordings"][0]["file"].as_str().expect("a recording");
        let (channels, rate) = read_wav(&self.place.server.data.join(file)).expect("the file can be read");
        let (here, here_rate) = caller.phone.heard_at_its_rate();
        let (sound, said_rate) = caller.phone.said_at_its_rate();
        let said = (CALLER_HZ, measure(settled(&sound, said_rate), said_rate, CALLER_HZ).0);
        let answered = (CALLEE_HZ, SAID_DBM0);
        let judged = [
            judge(table, &format!("{name}: to browser"), there, said, &codecs),
            judge(table, &format!("{name}: to caller"), (&here, here_rate), answered, &codecs),
            judge(table, &format!("{name}: left"), (&channels[0], rate), said, &codecs[..1]),
            judge(table, &format!("{name}: right"), (&channels[1], rate), answered, &codecs[1..]),
        ];
        let good = self.good.entry((from, to)).or_default();
        good.iter_mut().zip(judged).for_each(|(good, now)| *good |= now);
        good.iter().all(|good| *good)
    }
}

/// Each phone calls each page, two at a time. A browser's microphone and loudspeaker skip when the machine has no time for
/// them, so a pair of which something was wrong gets another five chances, alone, until each of its ways was right once.
fn phones_talk_to_pages(keyed: bool) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::new(&at_rate(MICROPHONE_HZ, CALLEE_HZ, SAID_DBM0));
    let (count, phones) = (CODECS.len(), free_ports().sip);
    let callers: Vec<Caller> = (0..count).map(|n| place.phone(n, keyed, phones + 30 * n as u16)).collect();
    let mut matrix = Matrix { place, callers, keyed, made: vec![Vec::new(); count], good: BTreeMap::new() };
    let (mut wrong, mut tables) = (Vec::new(), String::new());
    for round in 0..count {
        let pairs: Vec<(usize, usize)> = (0..count).map(|n| (n, (n + round) % count)).collect();
        for pairs in pairs.chunks(2) {
            let (again, table) = matrix.round(pairs);
            wrong.extend(again);
            tables += &table;
        }
    }
    for _chance in 0..5 {
        for pair in std::mem::take(&mut wrong) {
            let (again, table) = matrix.round(&[pair]);
            wrong.extend(again);
            tables += &table;
        }
    }
    println!("{tables}");
    assert!(wrong.is_empty(), "{} pairs:\n{tables}", wrong.len());
    let Matrix { place, callers, .. } = matrix;
    drop(callers);
    place.server.idle(seconds(10));
}

#[test]
fn every_codec_talks_to_every_codec_of_a_browser() {
    phones_talk_to_pages(false);
}

#[test]
fn every_codec_under_keys_talks_to_every_codec_of_a_browser() {
    phones_talk_to_pages(true);
}

/// Both sides of a recording are in step within 20 ms with a browser on one: bursts lie as far apart in the file as they
/// were on the line of a phone, by the least delay of the browser's packets. The clock of a page stands still for a moment
/// where the machine is busy, which takes some seconds to mend: where one recording is not in step, two of the next four are.
#[test]
fn both_sides_of_a_recording_behind_a_browser_are_in_step() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut said = at_rate(MICROPHONE_HZ, CALLEE_HZ, SAID_DBM0);
    let burst = MICROPHONE_HZ as usize * BURST_MS as usize / 1_000;
    said.iter_mut().skip(burst).for_each(|sample| *sample = 0);
    let mut place = Place::new(&said);
    // Codecs of the robot: what it says and hears is passed on as it is.
    for n in 0..2 {
        let first = place.step(n, 0);
        if first.abs() > 20.0 {
            let next: Vec<f64> = (1..5).map(|chance| place.step(n, chance)).collect();
            let in_step = next.iter().filter(|step| step.abs() <= 20.0).count();
            assert!(in_step >= 2, "{}: {first:+.1}, then {next:?} ms out of step", page(n));
        }
    }
    place.server.idle(seconds(10));
}

impl Place {
    /// How far apart the sides of the recording are of a call from a robot to a page, in ms.
    fn step(&mut self, n: usize, chance: usize) -> f64 {
        let from = format!("06{n}{chance}");
        let mut options = Options::new(self.server.sip, &from).says(Source::Silence);
        options.domain = "customer.example".to_owned();
        let robot = Phone::start(options).expect("a phone");
        let call = robot.invite(&format!("80{n}")).expect("sent");
        call.answered(SOON).expect("answered");
        self.driver.wait(&page(n), json!({ "call.state": "talking" }));
        let base = std::time::Instant::now();
        call.say(Source::Loop(bursts::bursts(CALLER_HZ, 1).into()));
        std::thread::sleep(seconds(12));
        let spoke = call.said_at().expect("it speaks").saturating_duration_since(base).as_secs_f64();
        let there = heard_steadily(&call, base);
        call.hang_up();
        self.driver.wait(&page(n), json!({ "call.state": "ended" }));
        let record = record_of(&self.server, &from, &format!("80{n}"), 1);
        let file = record["recordings"][0]["file"].as_str().expect("a recording");
        let (channels, rate) = read_wav(&self.server.data.join(file)).expect("the file can be read");
        assert_eq!(rate, RATE);
        let [of_robot, of_browser] = [0, 1].map(|side: usize| onsets(&channels[side]));
        assert!(of_robot.len() >= 10 && of_browser.len() >= 10 && there.len() >= 10, "bursts are missing");
        let left = of_robot.iter().map(|at| turn(at - spoke)).collect::<Vec<_>>();
        let after = (median(&of_browser) - median(&there)).round();
        let nearest = |at: f64| there.iter().map(|there| at - after - there).min_by(|a, b| a.abs().total_cmp(&b.abs()));
        let right =
            of_browser.iter().filter_map(|at| nearest(*at)).map(|apart| turn(apart - left[0])).collect::<Vec<_>>();
        let left = left.iter().map(|at| turn(at - left[0])).collect::<Vec<_>>();
        let step = turn(median(&right) - median(&left)) * 1_000.0;
        println!("{}: {} and {} bursts, sides {step:+.1} ms apart", page(n), of_robot.len(), of_browser.len());
        step
    }
}
