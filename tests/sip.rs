//! The dialogues of `tests/sip/` by sipp against one running program: each over UDP and TCP, IPv4 and IPv6.
//!
//! A scenario `NAME.xml` is the calling side; where there is a `NAME.callee.xml`, that is who is called through a
//! number of its own. All of them run beside each other: what takes a minute by the RFC takes a minute in all.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::*;

/// Those that end only when a timer of minutes does.
const SLOW: [&str; 3] = ["timer_expires", "timer_ours", "ringing_long"];
/// Those that dial the flow which hangs up by itself.
const LEAVING: [&str; 1] = ["bye_from_us"];
/// Those whose called side is called twice.
const TWICE: [&str; 1] = ["attended"];
/// Those whose called side is a carrier. A trunk is known by its address, so each has one of its own; IPv6 has only one
/// loopback address, so they are of IPv4.
const CARRIED: [&str; 2] = ["carrier_identity", "carrier_privacy"];
/// How many of the short ones run at once.
const AT_ONCE: usize = 8;
/// Longer than any of them may take.
const PATIENCE: Duration = Duration::from_secs(100);
/// SIP and RTP ports of one sipp.
const PORTS: u16 = 8;

/// How a dialogue travels.
#[derive(Clone, Copy, Debug)]
struct Way {
    name: &'static str,
    host: &'static str,
    tcp: bool,
}

const WAYS: [Way; 4] = [
    Way { name: "UDP", host: "127.0.0.1", tcp: false },
    Way { name: "TCP", host: "127.0.0.1", tcp: true },
    Way { name: "UDP6", host: "[::1]", tcp: false },
    Way { name: "TCP6", host: "[::1]", tcp: true },
];

/// One dialogue one way.
#[derive(Clone, Debug)]
struct Play {
    scenario: String,
    way: Way,
    /// Who is called, if somebody is.
    callee: bool,
    /// What is dialled.
    number: String,
    /// Where who is called listens.
    callee_host: String,
    /// Who is called is a carrier.
    carried: bool,
    /// The first port of the callee; the caller's follow.
    port: u16,
}

impl Play {
    /// A user of its own: `[user]` in the files.
    fn user(&self) -> String {
        format!("u{}", self.port)
    }
}

/// Names of all scenarios.
fn scenarios() -> BTreeSet<String> {
    let files = fs::read_dir(root().join("tests/sip")).expect("tests/sip");
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.strip_suffix(".xml").map(str::to_owned)).collect()
}

fn plays(first_port: u16) -> Vec<Play> {
    let all = scenarios();
    let mut plays = Vec::new();
    for scenario in all.iter().filter(|name| !name.ends_with(".callee")) {
        for way in WAYS {
            let callee = all.contains(&format!("{scenario}.callee"));
            let index = u16::try_from(plays.len()).expect("few");
            let number = match (callee, LEAVING.contains(&scenario.as_str())) {
                (true, _) => format!("7{index:03}"),
                (false, true) => "501".to_owned(),
                (false, false) => "500".to_owned(),
            };
            let port = first_port + index * 2 * PORTS;
            let carried = CARRIED.contains(&scenario.as_str());
            let callee_host = if carried { format!("127.0.1.{index}") } else { way.host.to_owned() };
            plays.push(Play { scenario: scenario.clone(), way, callee, number, callee_host, carried, port });
        }
    }
    plays
}

/// Strangers reach every number here; each callee has one of its own.
fn start(ports: Ports, plays: &[Play]) -> Server {
    let mut text = String::from(
        "[guard]\ntrusted = [\"127.0.0.1\", \"::1\"]\n\
         [[number]]\nmatch = \"500\"\nflow = \"wait\"\npublic = true\n\
         [[number]]\nmatch = \"501\"\nflow = \"leave\"\npublic = true\n",
    );
    for play in plays {
        let user = play.user();
        let _ = write!(text, "[[agent]]\nid = \"{user}\"\npassword = \"{PASSWORD}\"\n");
    }
    for play in plays.iter().filter(|play| play.callee) {
        let Play { number, port, callee_host: host, .. } = play;
        let dial = match play.carried {
            true => format!("trunk:{number}"),
            false => format!("sip:{number}@{host}:{port}"),
        };
        let _ = write!(text, "[[number]]\nmatch = \"{number}\"\ndial = \"{dial}\"\npublic = true\n");
        if play.carried {
            let _ = write!(
                text,
                "[[trunk]]\nname = \"{number}\"\nhosts = [\"{host}:{port}\"]\noptions_interval = \"0s\"\n\
                 identity = \"pai\"\ncaller_id = \"+966112345678\"\n"
            );
        }
    }
    let listen = |ip: &str| format!("\"udp:{ip}:{0}\", \"tcp:{ip}:{0}\"", ports.sip);
    let text = config(ports, &text)
        .replace(&listen("127.0.0.1"), &format!("{}, {}", listen("127.0.0.1"), listen("[::1]")))
        .replace("/tests/common/flows\"", "/tests/sip/flows\"");
    Server::configured(ports, &text)
}

/// One sipp with this file; its log is in `folder`.
fn sipp(play: &Play, name: &str, tcp: bool, port: u16, folder: &Path) -> Command {
    let mut command = Command::new("sipp");
    let callee = name.ends_with(".callee");
    let host = if callee { &play.callee_host } else { play.way.host };
    let calls = if callee && TWICE.contains(&play.scenario.as_str()) { "2" } else { "1" };
    let file = |kind: &str| folder.join(format!("{name}.{}.{kind}", play.way.name)).display().to_string();
    command
        .current_dir(folder)
        .args(["-sf", &root().join("tests/sip").join(format!("{name}.xml")).display().to_string()])
        // Without "@": a Call-ID that stands in Replaces is written as it is.
        .args(["-cid_str", "%u-%p"])
        .args(["-i", host, "-p", &port.to_string(), "-mp", &(port + 2).to_string()])
        .args(["-t", if tcp { "t1" } else { "u1" }, "-m", calls, "-nostdin", "-recv_timeout", "10000"])
        .args(["-key", "user", &play.user(), "-au", &play.user(), "-ap", PASSWORD])
        .args(["-timeout", &PATIENCE.as_secs().to_string(), "-timeout_error"])
        .args(["-trace_err", "-error_file", &file("err"), "-trace_msg", "-message_file", &file("msg")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A sipp of ours; ended by its own process id.
struct Running {
    child: Child,
    err: PathBuf,
    msg: PathBuf,
}

impl Running {
    fn start(mut command: Command, play: &Play, name: &str, folder: &Path) -> Self {
        let file = |kind: &str| folder.join(format!("{name}.{}.{kind}", play.way.name));
        let child = command.spawn().expect("sipp starts; is it installed?");
        Self { child, err: file("err"), msg: file("msg") }
    }

    /// Its last word; the error when that was not success.
    fn finish(&mut self, within: Duration) -> Result<(), String> {
        let deadline = Instant::now() + within;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("{status}\n{}", self.story())),
                Ok(None) if Instant::now() > deadline => return Err(format!("does not end\n{}", self.story())),
                Ok(None) => std::thread::sleep(ms(20)),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn story(&self) -> String {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let (errors, messages) = (read(&self.err), read(&self.msg));
        let end = messages.len().saturating_sub(6_000);
        let end = (end..messages.len()).find(|at| messages.is_char_boundary(*at)).unwrap_or(messages.len());
        format!("{errors}\n…{}", &messages[end..])
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a callee has its port.
fn is_listening(play: &Play) -> bool {
    let address: SocketAddr = format!("{}:{}", play.callee_host, play.port).parse().expect("an address");
    UdpSocket::bind(address).is_err()
}

fn perform(server: SocketAddr, play: &Play, folder: &Path) -> Result<(), String> {
    let mut callee = None;
    if play.callee {
        let name = format!("{}.callee", play.scenario);
        callee = Some(Running::start(sipp(play, &name, false, play.port, folder), play, &name, folder));
        wait_until(SOON, "the callee listens", || is_listening(play));
    }
    let mut command = sipp(play, &play.scenario, play.way.tcp, play.port + PORTS, folder);
    command.args(["-s", &play.number]).arg(format!("{}:{}", play.way.host, server.port()));
    let mut caller = Running::start(command, play, &play.scenario, folder);
    let told = caller.finish(PATIENCE);
    let heard = callee.map_or(Ok(()), |mut callee| callee.finish(SOON));
    match (told, heard) {
        (Ok(()), Ok(())) => Ok(()),
        (told, heard) => {
            let part = |who: &str, said: Result<(), String>| said.err().map(|e| format!("-- {who}: {e}\n"));
            Err([part("caller", told), part("callee", heard)].into_iter().flatten().collect())
        }
    }
}

/// `SIP_SCENARIO=NAME` plays one alone.
fn wanted(plays: Vec<Play>) -> Vec<Play> {
    match std::env::var("SIP_SCENARIO") {
        Ok(name) => plays.into_iter().filter(|play| play.scenario == name).collect(),
        Err(_) => plays,
    }
}

/// Issue-wide: "every sipp scenario passes over UDP and TCP, on IPv4 and IPv6".
#[test]
fn every_dialogue_goes_as_the_rfcs_say_on_every_way() {
    let mut ports = many_ports();
    let plays = plays(ports.sip + 40);
    let last = plays.last().expect("scenarios").port + 2 * PORTS;
    assert!(last < ports.rtp.1 - 2_000, "too many scenarios for one slot of ports");
    ports.rtp.0 = last + last % 2;
    let server = start(ports, &plays);
    let folder = temp_folder();
    let (slow, short): (Vec<Play>, Vec<Play>) =
        wanted(plays).into_iter().partition(|play| SLOW.contains(&play.scenario.as_str()));
    let results = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let play = |play: &Play| {
        let result = perform(server.sip, play, &folder);
        results.lock().expect("results").push((play.clone(), result));
    };
    std::thread::scope(|scope| {
        for slow in &slow {
            scope.spawn(|| play(slow));
        }
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(short) = short.get(next.fetch_add(1, Ordering::Relaxed)) {
                    play(short);
                }
            });
        }
    });
    let results = results.into_inner().expect("results");
    let failed: Vec<_> = results.iter().filter_map(|(play, result)| Some((play, result.as_ref().err()?))).collect();
    for (play, error) in &failed {
        println!("==== {} over {}: {error}", play.scenario, play.way.name);
    }
    let names: BTreeSet<String> = failed.iter().map(|(p, _)| format!("{} {}", p.scenario, p.way.name)).collect();
    println!("{} dialogues, {} failed: {names:?}", results.len(), failed.len());
    assert!(failed.is_empty(), "{names:?}\n{}", server.log());
    assert_eq!(server.metric("hatif_panics_total", &[]), 0.0);
    server.idle(seconds(40));
    let _ = fs::remove_dir_all(folder);
}
