//! Every codec with every codec, plain and under keys, by a phone that people use on both ends: a tone each way comes out
//! as loud as it went in and clear of everything else, and the recording holds both.
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
#[path = "common/tones.rs"]
mod tones;
#[path = "common/wire.rs"]
mod wire;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bursts::{Setup, burst_call, median};
use common::*;
use hatif::robot::audio::read_wav;
use line::Faults;
use softphone::Baresip;
use tones::*;
use wire::Authority;

/// One test at a time: each is as many phones as two processors serve without a hiccup.
static TURN: Mutex<()> = Mutex::new(());

/// How the sound of a phone is kept from others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Security {
    /// Not at all.
    None,
    /// SRTP by keys in SDP, over TLS; the server takes nothing else of him.
    Sdes,
}

impl Security {
    fn label(self, codec: &Codec) -> String {
        match self {
            Self::None => codec.name.to_owned(),
            Self::Sdes => format!("{} (SDES)", codec.name),
        }
    }
}

/// What an agent of these tests is; he takes calls of the queue of his own name.
fn agent(id: &str, queues: &str) -> String {
    format!(
        "[[agent]]\nid = \"{id}\"\npassword = \"{PASSWORD}\"\nauto_ready = true\nsrtp = \"required\"\nqueues = [{queues}]\n"
    )
}

/// A server that listens on TLS too, and four callers and four callees, each with a codec of its own.
struct Place {
    server: Server,
    folder: PathBuf,
    tls: u16,
    /// Where phones have their ports.
    phones: u16,
    from: Security,
}

impl Place {
    fn new(from: Security, to: Security) -> Self {
        let (ports, phones, folder) = (free_ports(), free_ports().sip, temp_folder());
        let mut text = String::new();
        for n in 0..CODECS.len() as u16 {
            text += &agent(&caller(n, Security::Sdes), "");
            text += &match to {
                Security::None => format!(
                    "[[number]]\nmatch = \"{0}\"\ndial = \"sip:{2}@127.0.0.1:{1}\"\nrecord = \"always\"\npublic = true\n",
                    number(n),
                    phones + 30 * n,
                    callee(n)
                ),
                Security::Sdes => {
                    let id = callee(n);
                    format!(
                        "[[queue]]\nname = \"of{id}\"\nwrap_up = \"0s\"\nrecord = \"always\"\n{}\
                         [[number]]\nmatch = \"{}\"\nqueue = \"of{id}\"\npublic = true\n",
                        agent(&id, &format!("\"of{id}\"")),
                        number(n)
                    )
                }
            };
        }
        let authority = Authority::new("test authority");
        authority.server().write(&folder, "server");
        std::fs::write(folder.join("ca.pem"), authority.pem()).expect("written");
        let tls = ports.sip + 3;
        let listen = format!("listen = [\"tls:127.0.0.1:{tls}\", ");
        let keys =
            format!("[sip]\ntls_certificate = \"{0}/server.pem\"\ntls_key = \"{0}/server.key\"", folder.display());
        let text = with_codecs(ports, &text).replacen("listen = [", &listen, 1).replacen("[sip]", &keys, 1);
        Self { server: Server::configured(ports, &text), folder, tls, phones, from }
    }

    /// A phone that speaks the codec; `id` is its user where it registers.
    fn phone(&self, n: u16, security: Security, id: &str, (codec, hz): (&Codec, f64)) -> Baresip {
        let (port, common) = (self.phones + 30 * n, format!("answermode=auto;audio_codecs={}", codec.account));
        match security {
            Security::None => Baresip::start(&format!("<sip:{id}@customer.example>;regint=0;{common}\n"), hz, port),
            Security::Sdes => {
                let account = format!(
                    "<sip:{id}@127.0.0.1:{};transport=tls>;auth_user={id};auth_pass={PASSWORD};regint=120;\
                     mediaenc=srtp-mand;{common}\n",
                    self.tls
                );
                let lines = format!("sip_cafile {}/ca.pem\n", self.folder.display());
                Baresip::start_with(&account, hz, port, &lines)
            }
        }
    }

    /// Where a caller dials a callee.
    fn target(&self, to: u16) -> String {
        match self.from {
            Security::None => format!("sip:{}@{}", number(to), self.server.sip),
            Security::Sdes => format!("sip:{}@127.0.0.1:{};transport=tls", number(to), self.tls),
        }
    }

    /// Nothing of the call from this number to that one went over the line in plain, as both ends and we saw it.
    #[track_caller]
    fn sealed(&self, phone: &Baresip, security: Security, call: &str, calls: usize) {
        let enabled = phone.log().matches("SRTP is Enabled").count();
        let description = self.server.command(&["calls", "trace", call, "-v"]).stdout;
        let keyed = description.contains("RTP/SAVP") && description.contains("a=crypto:");
        match security {
            Security::None => assert_eq!(enabled, 0, "{}", phone.log()),
            Security::Sdes => {
                assert!(enabled >= calls && keyed, "{enabled} of {calls}: {description}\n{}", phone.log())
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn number(callee: u16) -> String {
    format!("8{callee:02}")
}

fn caller(n: u16, security: Security) -> String {
    match security {
        Security::None => format!("05{n:02}"),
        Security::Sdes => format!("25{n}"),
    }
}

fn callee(n: u16) -> String {
    format!("15{n}")
}

/// Each codec calls each codec: in every round all callers talk at once, each with another callee.
fn everybody_talks(from: Security, to: Security) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (place, count) = (Place::new(from, to), CODECS.len() as u16);
    let callees: Vec<Baresip> =
        (0..).zip(&CODECS).map(|(n, codec)| place.phone(n, to, &callee(n), (codec, CALLEE_HZ))).collect();
    let callers: Vec<Baresip> = (0..)
        .zip(&CODECS)
        .map(|(n, codec)| place.phone(count + n, from, &caller(n, from), (codec, CALLER_HZ)))
        .collect();
    let registered = [from, to].iter().filter(|s| **s == Security::Sdes).count() as f64 * f64::from(count);
    place.server.agents_in("ready", registered);
    let (mut table, mut wrong) = (String::new(), 0);
    for round in 0..count {
        let pairs: Vec<(u16, u16)> = (0..count).map(|n| (n, (n + round) % count)).collect();
        let (rounds, caller_of, callee_of) =
            (usize::from(round) + 1, |n: u16| &callers[usize::from(n)], |n: u16| &callees[usize::from(n)]);
        for (from, to) in &pairs {
            caller_of(*from).command("dial", &place.target(*to));
        }
        for (from, to) in &pairs {
            caller_of(*from).says("Call established", rounds);
            callee_of(*to).says("Call established", rounds);
        }
        std::thread::sleep(TALK);
        pairs.iter().for_each(|(from, _)| caller_of(*from).command("hangup", ""));
        pairs.iter().for_each(|(_, to)| callee_of(*to).says("terminated", rounds));
        std::thread::sleep(ms(300));
        for (one, other) in pairs {
            let codecs = [CODECS[usize::from(one)], CODECS[usize::from(other)]];
            let name = format!("{} calls {}", from.label(&codecs[0]), to.label(&codecs[1]));
            let record = record_of(&place.server, &caller(one, from), &number(other), 1);
            let call = record["call_id"].as_str().expect("its name");
            place.sealed(caller_of(one), from, call, rounds);
            place.sealed(callee_of(other), to, call, rounds);
            let file = record["recordings"][0]["file"].as_str().expect("a recording");
            let (channels, rate) = read_wav(&place.server.data.join(file)).expect("the file can be read");
            assert_eq!(channels.len(), 2);
            let (caller, callee) = (caller_of(one), callee_of(other));
            let ((there, there_rate), (here, here_rate)) = (callee.heard_at_its_rate(), caller.heard_at_its_rate());
            let (said, answered) = ((CALLER_HZ, said(caller, CALLER_HZ)), (CALLEE_HZ, said(callee, CALLEE_HZ)));
            let judged = [
                judge(&mut table, &format!("{name}: to callee"), (&there, there_rate), said, &codecs),
                judge(&mut table, &format!("{name}: to caller"), (&here, here_rate), answered, &codecs),
                judge(&mut table, &format!("{name}: left"), (&channels[0], rate), said, &codecs[..1]),
                judge(&mut table, &format!("{name}: right"), (&channels[1], rate), answered, &codecs[1..]),
            ];
            wrong += judged.into_iter().filter(|good| !good).count();
        }
    }
    println!("{table}");
    assert_eq!(wrong, 0, "of {} measurements:\n{table}", 4 * count * count);
    drop((callers, callees));
    place.server.idle(seconds(10));
}

/// How loud a phone said its tone.
#[track_caller]
fn said(phone: &Baresip, hz: f64) -> f64 {
    let (sound, rate) = phone.said_at_its_rate();
    measure(settled(&sound, rate), rate, hz).0
}

#[test]
fn every_codec_talks_to_every_codec() {
    everybody_talks(Security::None, Security::None);
}

#[test]
fn every_codec_under_keys_talks_to_every_codec_under_keys() {
    everybody_talks(Security::Sdes, Security::Sdes);
}

#[test]
fn every_plain_codec_talks_to_every_codec_under_keys() {
    everybody_talks(Security::None, Security::Sdes);
}

#[test]
fn every_codec_under_keys_talks_to_every_plain_codec() {
    everybody_talks(Security::Sdes, Security::None);
}

/// Who must encrypt and offers plain sound over the same TLS connection gets no call.
#[test]
fn a_phone_that_must_encrypt_and_does_not_gets_no_call() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::new(Security::Sdes, Security::None);
    let id = caller(0, Security::Sdes);
    let account = format!(
        "<sip:{id}@127.0.0.1:{};transport=tls>;auth_user={id};auth_pass={PASSWORD};regint=120;audio_codecs=pcma\n",
        place.tls
    );
    let lines = format!("sip_cafile {}/ca.pem\n", place.folder.display());
    let phone = Baresip::start_with(&account, CALLER_HZ, place.phones, &lines);
    place.server.agents_in("ready", 1.0);
    phone.command("dial", &place.target(0));
    phone.says("488", 1);
    assert!(!phone.log().contains("Call established"), "{}", phone.log());
    drop(phone);
    place.server.idle(seconds(10));
}

/// Both sides of a recording are in step within 20 ms, whatever each phone speaks: bursts that were said at known times
/// lie as far apart in the file as they were in truth. A phone that was late itself, as on a busy machine, is heard late.
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
                let [late, late_too] = outcome.unsteady.map(|time| time * 1_000.0);
                println!(
                    "{}: {} and {} bursts, sides {step:+.1} ms apart, at most {left:.1} and {right:.1} ms off, said at most \
                     {late:.1} and {late_too:.1} ms off; {:.0} ms from phone to phone; {:.3} s written of {:.3}",
                    codec.name,
                    outcome.left.len(),
                    outcome.right.len(),
                    median(&outcome.delays) * 1_000.0,
                    outcome.written,
                    outcome.wall
                );
                assert!(outcome.left.len() >= 10 && outcome.right.len() >= 10, "{}: bursts are missing", codec.name);
                assert!(step.abs() <= 20.0, "{}: sides {step:+.1} ms apart", codec.name);
                let is_in_step = left <= 20.0 + late && right <= 20.0 + late_too;
                assert!(is_in_step, "{}: {left:.1} and {right:.1} ms out of step", codec.name);
                assert!((outcome.written - outcome.wall).abs() <= 0.04, "{}: the length", codec.name);
                assert!(median(&outcome.delays) <= 0.15, "{}: {:?}", codec.name, outcome.delays);
            });
        }
    });
    server.idle(seconds(10));
}
