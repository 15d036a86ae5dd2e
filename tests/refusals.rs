//! What is not built or not allowed gets the right refusal, never silence, never a crash.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::*;
use hatif::robot::{Failure, Options, Phone, Source};

const SDP: &str = "Content-Type: application/sdp\r\n";

fn pcmu() -> String {
    offer("0 101", "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n")
}

#[track_caller]
fn has(text: &str, header: &str, value: &str) {
    let line = text.lines().find(|l| l.to_ascii_lowercase().starts_with(&header.to_ascii_lowercase()));
    assert!(line.is_some_and(|l| l.contains(value)), "{header} with {value} in\n{text}");
}

/// RFC 3261 §8.2: method, extension, content and hops are looked at before anything else happens.
#[test]
fn each_fault_gets_its_status() {
    let server = Server::dev();
    let raw = Raw::new(server.sip);

    let (code, text) = raw.ask(&raw.request("OPTIONS", "500", "", ""));
    assert_eq!(code, 200, "{text}");
    has(&text, "Allow:", "INVITE");
    has(&text, "Accept:", "application/sdp");
    // What belongs into a dialog has none; SUBSCRIBE is served for the event of a REFER alone (RFC 6665 §4.4.1).
    let alone = [("INFO", 481), ("UPDATE", 481), ("PRACK", 481), ("NOTIFY", 481), ("SUBSCRIBE", 489), ("REFER", 403)];
    for (method, wanted) in alone.into_iter().chain([("MESSAGE", 405), ("PUBLISH", 405)]) {
        let (code, text) = raw.ask(&raw.request(method, "500", "", ""));
        assert_eq!(code, wanted, "{method}: {text}");
        if code == 405 {
            has(&text, "Allow:", "INVITE");
        }
    }
    let (code, text) = raw.ask(&raw.request("FROBNICATE", "500", "", ""));
    assert_eq!(code, 501, "{text}");
    let (code, text) = raw.ask(&raw.request("INVITE", "500", &format!("Require: teleport\r\n{SDP}"), &pcmu()));
    assert_eq!(code, 420, "{text}");
    has(&text, "Unsupported:", "teleport");
    let g729 = offer("18", "a=rtpmap:18 G729/8000\r\n");
    let (code, text) = raw.ask(&raw.request("INVITE", "500", SDP, &g729));
    assert_eq!(code, 488, "{text}");
    let (code, text) = raw.ask(&raw.request("INVITE", "500", "Content-Type: text/plain\r\n", "hello"));
    assert_eq!(code, 415, "{text}");
    has(&text, "Accept:", "application/sdp");
    let (code, text) = raw.ask(&raw.request("INVITE", "500", &format!("Max-Forwards: 0\r\n{SDP}"), &pcmu()));
    assert_eq!(code, 483, "{text}");
    let in_dialog = raw.request("BYE", "500", "", "").replacen(">\r\nCall-ID", ">;tag=gone\r\nCall-ID", 1);
    let (code, text) = raw.ask(&in_dialog);
    assert_eq!(code, 481, "{text}");
    let (code, text) = raw.ask(&raw.request("CANCEL", "500", "", ""));
    assert_eq!(code, 481, "{text}");

    server.idle(seconds(5));
    assert!(server.metric("hatif_sip_responses_total", &[("class", "4xx")]) >= 10.0);
    let figures = server.metrics();
    let series = |name: &str, labels: &[(&str, &str)]| figures.sum(&format!("hatif_sip_{name}"), labels);
    assert_eq!(series("responses_total", &[("method", "CANCEL"), ("class", "4xx"), ("direction", "out")]), 1.0);
    assert_eq!(series("responses_total", &[("method", "OTHER"), ("class", "5xx"), ("direction", "out")]), 1.0);
    assert_eq!(series("requests_total", &[("method", "INVITE"), ("direction", "in"), ("transport", "udp")]), 4.0);
    assert!(series("transaction_seconds_count", &[("method", "INVITE"), ("direction", "in")]) >= 1.0);
}

/// RFC 3261 §16.3, §21.4.1, §21.5.6: a request that cannot be right is answered where that is possible.
#[test]
fn broken_requests_are_answered_or_dropped_and_never_fatal() {
    let server = Server::dev();
    let raw = Raw::new(server.sip);
    let good = raw.request("OPTIONS", "500", "", "");
    let (code, text) = raw.ask(&good.replace("CSeq: ", "CSeq: x"));
    assert_eq!(code, 400, "{text}");
    let wrong_method = raw.request("OPTIONS", "500", "", "").replace(" OPTIONS\r\n", " INVITE\r\n");
    assert_eq!(raw.ask(&wrong_method).0, 400);
    let version = raw.request("OPTIONS", "500", "", "").replacen("SIP/2.0\r\n", "SIP/7.0\r\n", 1);
    assert_eq!(raw.ask(&version).0, 505);
    let too_long = raw.request("OPTIONS", "500", "", "").replace("Content-Length: 0", "Content-Length: 9999");
    assert_eq!(raw.ask(&too_long).0, 400);
    let no_to: String =
        raw.request("OPTIONS", "500", "", "").split_inclusive("\r\n").filter(|l| !l.starts_with("To:")).collect();
    raw.send(no_to.as_bytes());
    if let Some((code, text)) = raw.answer() {
        assert_eq!(code, 400, "{text}");
    }

    let bytes = raw.request("INVITE", "500", SDP, &pcmu()).into_bytes();
    let mut state = 12_345u32;
    for _ in 0..3_000 {
        let mut broken = bytes.clone();
        for _ in 0..8 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = state as usize % broken.len();
            match state >> 30 {
                0 => broken[at] = (state >> 16) as u8,
                1 => broken.truncate(at.max(20)),
                2 => broken.insert(at, b"\r\n:;<>\",\0\xff"[(state >> 8) as usize % 10]),
                _ => {
                    broken.remove(at);
                }
            }
        }
        // No call may come of it by luck: the method is spoilt too.
        broken[0] = b'X';
        raw.send(&broken);
    }
    let fresh = Raw::new(server.sip);
    assert_eq!(fresh.ask(&fresh.request("OPTIONS", "500", "", "")).0, 200, "it still lives");
    wait_until(SOON, "faults are counted", || server.metric("hatif_sip_parse_errors_total", &[]) > 0.0);
    assert_eq!(server.metric("hatif_panics_total", &[]), 0.0);
    server.idle(seconds(5));
}

/// CONTRACT "Who may dial": strangers reach public numbers only and learn nothing about the others.
#[test]
fn strangers_reach_public_numbers_only() {
    let ports = free_ports();
    let server = Server::configured(ports, &config(ports, &floor("")));
    let stranger = server.customer("0590", Source::Silence);
    let refused = |number: &str| stranger.invite(number).expect("sent").refused(SOON);
    let unknown = refused("99999");
    assert!(matches!(unknown, Some(403 | 404)), "{unknown:?}");
    for hidden in ["602", "101", "*11", "*81101", "201"] {
        assert_eq!(refused(hidden), unknown, "{hidden} tells a stranger no more than a number that is not there");
    }
    let call = stranger.invite("600").expect("sent");
    call.answered(SOON).expect("a public number");
    assert_eq!(call.hang_up_and_wait(SOON), Some(200));

    let caller = Phone::start(server.user("201")).expect("phone");
    let known = caller.invite("602").expect("sent");
    known.answered(SOON).expect("a known user reaches every number");
    assert_eq!(known.hang_up_and_wait(SOON), Some(200));
    assert_eq!(caller.invite("99999").expect("sent").refused(SOON), Some(404));
    server.idle(seconds(10));
}

/// RFC 3261 §22, RFC 8760: who cannot prove himself stays outside, and cannot find out who exists.
#[test]
fn a_wrong_password_and_an_unknown_user_are_the_same() {
    let server = Server::dev();
    let try_register = |user: &str, password: &str| {
        let phone = Phone::start(Options::new(server.sip, user).password(password)).expect("phone");
        let result = phone.register(SOON);
        let code = match result {
            Err(Failure::Refused(code)) => code,
            other => panic!("{user} with {password}: {other:?}\n{}", phone.trace()),
        };
        (code, phone.count(false, "SIP/2.0 401"))
    };
    let known = try_register("101", "wrong");
    assert!(matches!(known.0, 401 | 403), "{known:?}");
    assert_eq!(try_register("999", "wrong"), known, "an unknown user gets what a known one gets");

    // The same for calls: a From in our domain is challenged, whoever he is and whatever he dials.
    for (user, number) in [("101", "600"), ("999", "600"), ("999", "99999")] {
        let phone = Phone::start(Options::new(server.sip, user)).expect("phone");
        assert_eq!(phone.invite(number).expect("sent").refused(SOON), Some(401), "{user} to {number}");
    }
    assert_eq!(server.metric("hatif_registrations_active", &[]), 0.0);
    assert!(server.metric("hatif_sip_rejected_total", &[("reason", "auth")]) > 0.0);
    let phone = Phone::start(server.user("101")).expect("phone");
    let contacts = phone.register(SOON).expect("the right password");
    assert_eq!(contacts, [phone.contact()]);
    assert_eq!(phone.unregister(SOON).expect("gone").len(), 0);
}

/// RFC 7616 §3.4: a replayed answer is worth nothing, even to the same socket.
#[test]
fn a_replayed_register_is_not_believed() {
    let server = Server::dev();
    let phone = Phone::start(server.user("101")).expect("phone");
    phone.register(SOON).expect("registered");
    let trace = phone.trace();
    let sent = trace.split("-> ").filter(|m| m.contains("REGISTER sip:") && m.contains("Authorization:")).last();
    let message = sent.and_then(|m| m.split_once('\n')).map(|(_, m)| m.to_owned()).expect("the answered challenge");
    let message = message.split("<- ").next().unwrap_or_default().trim_end().to_owned() + "\r\n\r\n";
    // From another socket, as somebody else's transaction.
    let raw = Raw::new(server.sip);
    let replay = message.replace("branch=z9hG4bK", "branch=z9hG4bKreplay");
    let (code, text) = raw.ask(&replay);
    assert_eq!(code, 401, "{text}");
}

/// RFC 3261 §18.3, RFC 5626 §3.5.1: the same over a stream, in pieces, with keep-alive.
#[test]
fn a_stream_is_framed_and_kept_alive() {
    let server = Server::dev();
    let raw = Raw::new(server.sip);
    let mut stream = TcpStream::connect(server.sip).expect("connected");
    stream.set_read_timeout(Some(seconds(5))).expect("timeout");
    let two = format!(
        "{}{}",
        raw.request("OPTIONS", "500", "", "").replace("SIP/2.0/UDP", "SIP/2.0/TCP"),
        raw.request("OPTIONS", "500", "", "").replace("SIP/2.0/UDP", "SIP/2.0/TCP")
    );
    for piece in two.as_bytes().chunks(37) {
        stream.write_all(piece).expect("sent");
        std::thread::sleep(ms(2));
    }
    let mut text = String::new();
    let mut buffer = [0u8; 4_096];
    while text.matches("SIP/2.0 200").count() < 2 {
        let length = stream.read(&mut buffer).expect("answers come on the same connection");
        assert!(length > 0, "closed after\n{text}");
        text += &String::from_utf8_lossy(&buffer[..length]);
    }
    stream.write_all(b"\r\n\r\n").expect("ping");
    let length = stream.read(&mut buffer).expect("pong");
    assert_eq!(&buffer[..length], b"\r\n");
    drop(stream);
    let mut junk = TcpStream::connect(server.sip).expect("connected");
    let _ = junk.write_all(&[0x16; 70_000]);
    std::thread::sleep(ms(300));
    assert_eq!(raw.ask(&raw.request("OPTIONS", "500", "", "")).0, 200);
}

/// No free port: the caller is told 503 at once, and everything comes back.
#[test]
fn a_call_too_many_for_the_ports_is_refused() {
    let mut ports = free_ports();
    // Two calls' worth of ports, after the one that browsers share.
    ports.rtp = (ports.rtp.0 & !1, (ports.rtp.0 & !1) + 5);
    let server = Server::configured(ports, &config(ports, &floor("")));
    let mut options = Options::new(server.sip, "0595").says(Source::Silence);
    (options.domain, options.lines) = ("customer.example".into(), 9);
    let phone = Phone::start(options).expect("phone");
    let calls: Vec<_> = (0..2).map(|_| phone.invite("600").expect("sent")).collect();
    for call in &calls {
        call.answered(SOON).expect("there is room");
    }
    assert_eq!(phone.invite("600").expect("sent").refused(SOON), Some(503));
    for call in calls {
        assert_eq!(call.hang_up_and_wait(SOON), Some(200));
    }
    server.idle(seconds(10));
    let again = phone.invite("600").expect("sent");
    again.answered(SOON).expect("a port is reused rather than a caller refused");
    again.hang_up();
}
