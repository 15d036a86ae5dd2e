//! Keys between phones that tell them in different ways: as telephone-events (RFC 4733), by INFO, as tones for a phone
//! that takes no events. Each arrives once, as what the other phone understands.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;
#[path = "common/line.rs"]
mod line;
#[path = "common/pair.rs"]
mod pair;

use std::f64::consts::PI;

use common::*;
use hatif::robot::{Codec, Phone, Source};
use pair::{alice, bob};

const KEYS: &str = "1590*#37";
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const PAD: [&[u8; 4]; 4] = [b"123A", b"456B", b"789C", b"*0#D"];

/// A server whose number 700 is Bob, at the spare port.
fn server() -> (Server, Ports) {
    pair::server_with(|_| floor(""))
}

/// The tones of these keys: 100 ms each, 100 ms apart (ITU-T Q.23).
fn tones(keys: &str) -> Vec<i16> {
    let mut sound = vec![0; 1_600];
    for key in keys.bytes() {
        let (row, column) = (0..4)
            .flat_map(|row| (0..4).map(move |column| (row, column)))
            .find(|(row, column)| PAD[*row][*column] == key)
            .expect("a key");
        sound.extend((0..800).map(|n| {
            let part = |hz: f64| 4_000.0 * (2.0 * PI * hz * f64::from(n) / 8_000.0).sin();
            (part(ROWS[row]) + part(COLUMNS[column])) as i16
        }));
        sound.extend([0; 800]);
    }
    sound
}

/// The keys whose tones are in a sound; a tone of less than 40 ms is none.
fn keys_of(sound: &[i16]) -> String {
    let power = |frame: &[i16], hz: f64| {
        let (mut cosine, mut sine) = (0.0, 0.0);
        for (n, sample) in frame.iter().enumerate() {
            let angle = 2.0 * PI * hz * n as f64 / 8_000.0;
            cosine += f64::from(*sample) * angle.cos();
            sine += f64::from(*sample) * angle.sin();
        }
        (cosine * cosine + sine * sine) * 2.0 / (frame.len() as f64).powi(2)
    };
    let best = |frame: &[i16], of: &[f64; 4]| {
        let powers = of.map(|hz| power(frame, hz));
        let at = (0..4).max_by(|a, b| powers[*a].total_cmp(&powers[*b])).unwrap_or(0);
        (at, powers[at])
    };
    let (mut keys, mut run) = (String::new(), (None, 0));
    for frame in sound.chunks_exact(160) {
        let all = frame.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / frame.len() as f64;
        let ((row, one), (column, other)) = (best(frame, &ROWS), best(frame, &COLUMNS));
        let key = (all > 10_000.0 && one + other > 0.7 * all && one.min(other) > 0.1 * all).then(|| PAD[row][column]);
        run = if run.0 == key { (key, run.1 + 1) } else { (key, 1) };
        if let (Some(key), 2) = run {
            keys.push(char::from(key));
        }
    }
    keys
}

#[test]
fn the_ear_of_these_tests_tells_keys() {
    assert_eq!(keys_of(&tones("0123456789*#ABCD")), "0123456789*#ABCD");
    assert_eq!(keys_of(&hatif::robot::audio::tone(1_004.0, -16.0, 1_000)), "");
}

/// Telephone-events to a phone that takes none: it hears the tones, each once.
#[test]
fn events_become_tones_for_a_phone_without_events() {
    let (server, ports) = server();
    let mut options = bob(&server, ports.spare, None).says(Source::Silence);
    options.events = false;
    let bob = Phone::start(options).expect("Bob's phone");
    let alice = Phone::start(alice(&server, Source::Silence, None)).expect("Alice's phone");
    let out = alice.invite("700").expect("sent");
    let inside = bob.incoming(SOON).expect("Bob is rung");
    inside.answer();
    out.answered(SOON).expect("answered");
    std::thread::sleep(ms(500));
    assert!(out.press(KEYS));
    std::thread::sleep(ms(700));
    assert_eq!(keys_of(&inside.heard()), KEYS);
    assert_eq!(inside.digits(), "", "no event was agreed on");
    assert_eq!(out.hang_up_and_wait(SOON), Some(200));
    server.idle(SOON);
}

/// Keys told by INFO, by a phone that knows no events: the other phone gets events, each once.
#[test]
fn keys_by_info_become_events() {
    let (server, ports) = server();
    let bob = Phone::start(bob(&server, ports.spare, None).says(Source::Silence)).expect("Bob's phone");
    let mut options = alice(&server, Source::Silence, None);
    options.events = false;
    let alice = Phone::start(options).expect("Alice's phone");
    let out = alice.invite("700").expect("sent");
    let inside = bob.incoming(SOON).expect("Bob is rung");
    inside.answer();
    out.answered(SOON).expect("answered");
    std::thread::sleep(ms(500));
    for key in KEYS.chars() {
        out.tell_key(key);
        std::thread::sleep(ms(400));
    }
    wait_until(SOON, "the last key", || inside.digits().len() >= KEYS.len());
    std::thread::sleep(ms(500));
    assert_eq!(inside.digits(), KEYS);
    assert_eq!(alice.count(true, "INFO "), KEYS.len(), "none was repeated");
    assert_eq!(out.hang_up_and_wait(SOON), Some(200));
    server.idle(SOON);
}

/// Keys as tones in PCMU, by a phone that knows no events, to a flow that asks for four keys again and again, as long as
/// they are 1234: a press that were lost or counted twice would shift all that follow.
#[test]
fn tones_of_a_phone_without_events_are_keys_to_a_flow_once_each() {
    let ports = free_ports();
    let number = "[[number]]\nmatch = \"710\"\nflow = \"digits\"\npublic = true\n";
    let (flows, ours) =
        (format!("{}/tests/common/flows", root().display()), format!("{}/tests/load/flows", root().display()));
    let server = Server::configured(ports, &config(ports, number).replace(&flows, &ours));
    let mut options = alice(&server, Source::Silence, None);
    options.codecs = vec![Codec::Pcmu];
    options.events = false;
    let phone = Phone::start(options).expect("a phone");
    let call = phone.invite("710").expect("sent");
    call.answered(SOON).expect("the flow answers");
    std::thread::sleep(ms(500));
    call.say(Source::Clip(tones("1234123412345509").into()));
    assert!(call.ended(SOON), "the last four are not 1234\n{}", phone.trace());
    assert_eq!(phone.count(true, "INFO "), 0);
    let record = server.ended_call(pair::ALICE);
    let inputs = record["ivr"]["inputs"].as_array().expect("what was keyed");
    let keyed: Vec<&str> = inputs.iter().filter_map(|input| input["digits"].as_str()).collect();
    assert_eq!(keyed, ["1234", "1234", "1234", "5509"]);
    server.idle(SOON);
}
