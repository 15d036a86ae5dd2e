//! Why a call went as it did, seen from outside: the ladder of its SIP messages, and nothing secret in it.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use common::*;
use hatif::robot::{Answering, Source};
use serde_json::Value;

/// What each message is: direction, peer's port, status or method, in order.
fn shape(messages: &[Value]) -> Vec<(String, u64, String)> {
    let text = |m: &Value, name: &str| m[name].as_str().unwrap_or_default().to_owned();
    let port = |m: &Value| text(m, "peer").rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let what = |m: &Value| match m["code"].as_u64() {
        Some(code) => format!("{code} {}", text(m, "method")),
        None => text(m, "method"),
    };
    messages.iter().filter(|m| m["again"] == false).map(|m| (text(m, "direction"), port(m), what(m))).collect()
}

/// The place of a message in the ladder; fails the test when it is not there.
#[track_caller]
fn place(shape: &[(String, u64, String)], direction: &str, port: u64, what: &str) -> usize {
    let found = shape.iter().position(|(d, p, w)| (d.as_str(), *p, w.as_str()) == (direction, port, what));
    found.unwrap_or_else(|| panic!("no {what} {direction} {port} in {shape:#?}"))
}

/// An agent dials a colleague: both legs stand in one ladder in their order, from the challenge before there was a
/// call to the last 200, live and ended, as text and as JSON. Passwords, nonces and proofs are nowhere, nor in the log.
#[test]
fn a_bridged_call_is_a_ladder_without_secrets() {
    let server = Server::dev();
    let callee = server.agent("102", 604.0, Answering::After(ms(200)));
    let caller = server.agent("101", 1_004.0, Answering::RingForever);
    let out = caller.invite("102").expect("sent");
    out.answered(SOON).unwrap_or_else(|e| panic!("102 does not answer: {e}\n{}", caller.trace()));
    let inside = callee.incoming(SOON).expect("rings");
    let call = inside.header("X-Hatif-Call").expect("the call's name").to_owned();
    let live = server.json(&format!("/api/v1/calls/{call}/trace"));
    assert_eq!(live["calls"], serde_json::json!([call]));
    assert_eq!(out.hang_up_and_wait(SOON), Some(200));
    assert!(inside.ended(SOON));
    server.idle(seconds(40));

    let messages = server.command(&["calls", "trace", &call, "--json"]).lines();
    let shape = shape(&messages);
    let first = shape[0].1;
    let second = shape.iter().map(|(_, port, _)| *port).find(|port| *port != first).expect("a second peer");
    let expected = [
        ("in", first, "INVITE"),
        ("out", first, "401 INVITE"),
        ("in", first, "ACK"),
        ("out", first, "100 INVITE"),
        ("out", second, "INVITE"),
        ("in", second, "180 INVITE"),
        ("out", first, "180 INVITE"),
        ("in", second, "200 INVITE"),
        ("out", first, "200 INVITE"),
        ("in", first, "BYE"),
        ("out", second, "BYE"),
        ("in", second, "200 BYE"),
    ];
    let places: Vec<usize> = expected.iter().map(|(d, p, w)| place(&shape, d, *p, w)).collect();
    assert!(places.is_sorted(), "{places:?} of {shape:#?}");
    for (direction, port, what) in [("out", second, "ACK"), ("out", first, "200 BYE")] {
        place(&shape, direction, port, what);
    }
    assert_eq!(shape.iter().filter(|(_, _, what)| what == "INVITE").count(), 3, "{shape:#?}");

    for arguments in
        [&["calls", "trace", &call][..], &["calls", "trace", &call, "-v"], &["calls", "trace", &call, "--json"]]
    {
        let shown = server.command(arguments);
        assert_eq!(shown.code, Some(0), "{shown:?}");
        for part in ["INVITE", "401", "200 OK"] {
            assert!(shown.stdout.contains(part), "{part} is not in\n{}", shown.stdout);
        }
        no_secrets(&server, &shown.stdout, &caller.trace());
    }
    let whole = server.command(&["calls", "trace", &call, "-v"]).stdout;
    assert!(
        whole.contains("username=\"101\"") && whole.contains("response=\"***\"") && whole.contains("m=audio"),
        "{whole}"
    );
    let log = server.log();
    assert!(!log.contains("uthorization") && !log.contains("nonce"), "{log}");
}

/// Neither the password nor any value of a nonce, cnonce or response that the phone saw or sent.
#[track_caller]
fn no_secrets(server: &Server, shown: &str, wire: &str) {
    assert!(!shown.contains(PASSWORD) && !shown.contains(&server.api_key), "{shown}");
    let mut found = 0;
    for name in ["nonce=", "response="] {
        for rest in wire.split(name).skip(1) {
            let value = rest.trim_start_matches('"').split(['"', ',', '\r', '\n']).next().unwrap_or_default();
            if value.len() > 7 {
                found += 1;
                assert!(!shown.contains(value), "{name}{value} is in\n{shown}");
            }
        }
    }
    assert!(found > 3, "the phone's own trace shows proofs: {wire}");
}

/// A refused INVITE never was a call: it is found by its Call-ID, and so is a registration.
#[test]
fn an_attempt_that_became_no_call_is_found_by_its_call_id() {
    let server = Server::dev();
    let raw = Raw::new(server.sip);
    let request = raw.request("INVITE", "99999", "", &offer("8", ""));
    let (code, _) = raw.ask(&request);
    assert!((400..500).contains(&code), "{code}");
    let call_id = request.lines().find_map(|l| l.strip_prefix("Call-ID: ")).expect("a Call-ID");
    let path = format!("/api/v1/sip/trace?call_id={call_id}");
    wait_until(SOON, "the ACK is seen", || server.json(&path)["messages"].as_array().is_some_and(|m| m.len() >= 3));
    let found = server.json(&path);
    assert_eq!(found["calls"], serde_json::json!([]), "{found}");
    let shape = shape(found["messages"].as_array().expect("messages"));
    assert_eq!(shape[0].2, "INVITE", "{shape:?}");
    assert!(shape.iter().any(|(_, _, what)| *what == format!("{code} INVITE")), "{shape:?}");
    let shown = server.command(&["calls", "trace", "--sip-call-id", call_id]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.stdout.starts_with("no call came of it") && shown.stdout.contains(&code.to_string()), "{shown:?}");

    let (code, _) = raw.ask(&raw.request("REGISTER", "101", "", ""));
    let register = format!("raw-{}-", std::process::id());
    assert!(code >= 400 && call_id.starts_with(&register), "{code}");

    let nothing = server.command(&["calls", "trace", "--sip-call-id", "never-seen"]);
    assert_eq!(nothing.code, Some(5), "{nothing:?}");
    let nothing = server.command(&["calls", "trace", "call_01J00000000000000000000000"]);
    assert_eq!(nothing.code, Some(5), "{nothing:?}");
    let usage = server.command(&["calls", "trace"]);
    assert_eq!(usage.code, Some(2), "{usage:?}");
}

/// `trace_calls = 0` keeps nothing and says so.
#[test]
fn tracing_can_be_switched_off() {
    let ports = free_ports();
    let text = config(ports, &floor("")).replacen("[media]", "trace_calls = 0\n[media]", 1);
    let server = Server::configured(ports, &text);
    let customer = server.customer("0501", Source::Silence);
    let out = customer.invite("500").expect("sent");
    out.answered(SOON).unwrap_or_else(|e| panic!("500 is not answered: {e}\n{}", customer.trace()));
    assert_eq!(out.hang_up_and_wait(SOON), Some(200));
    let record = server.ended_call("0501");
    let shown = server.command(&["calls", "trace", record["call_id"].as_str().unwrap_or_default()]);
    assert!(shown.code == Some(5) && shown.stderr.contains("trace_calls is 0"), "{shown:?}");
}
