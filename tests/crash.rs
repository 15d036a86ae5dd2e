//! `kill -9`: what was said is on disk, what was open is closed, and the next call works.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use common::*;
use hatif::robot::audio::{read_wav, stands_above};
use hatif::robot::{Answering, Call, Phone, Source};

/// In mid-call: the record is closed as a node failure; the recording plays and lacks at most 1 s.
#[test]
fn a_crash_in_mid_call_loses_at_most_a_second_of_it() {
    let mut server = Server::dev();
    let agent = server.agent("101", 604.0, Answering::After(ms(200)));
    server.agents_in("ready", 1.0);
    let customer = server.customer("0501", Source::Tone(1_004.0));
    let (_out, inside) = through_the_menu(&customer, &agent);
    inside.answered(SOON).expect("answers");
    let talk_began = Instant::now();
    std::thread::sleep(ms(6_300));
    let talked = talk_began.elapsed().as_secs_f64();
    server.crash();
    drop((customer, agent));
    server.restart();

    let record = server.ended_call("0501");
    assert_eq!(record["end"]["reason"], "node_failure", "{record:#}");
    assert!(record["ended_at"].is_string());
    let recording = &record["recordings"][0];
    assert_eq!(recording["partial"], true, "{record:#}");
    let file = recording["file"].as_str().expect("a file");
    let (channels, _) = read_wav(&server.data.join(file)).expect("the file plays");
    let length = channels[0].len() as f64 / 8_000.0;
    // 0.3 s: from the engine's answer to this phone's, and the packets still in its hands.
    assert!(length > talked - 1.0 - 0.3, "{length:.2} s of {talked:.2} s are left");
    assert!(stands_above(&channels[0][4_000..], 1_004.0, 604.0, MARGIN_DB));
    assert!(stands_above(&channels[1][4_000..], 604.0, 1_004.0, MARGIN_DB));
    let seconds_told = recording["seconds"].as_f64().expect("its length");
    assert!((seconds_told - length).abs() < 0.1, "{seconds_told} s are told, {length} s are there");

    assert_eq!(server.metric("hatif_calls_active", &[]), 0.0);
    let shown = server.command(&["calls", "show", record["call_id"].as_str().unwrap_or_default()]);
    assert!(shown.stdout.to_lowercase().replace('_', " ").contains("node failure"), "{shown:?}");
    works_again(&server);
}

/// While a caller waits: his record is closed too, and nobody waits for ever.
#[test]
fn a_crash_while_a_caller_waits_closes_his_record() {
    let mut server = Server::dev();
    let customer = server.customer("0502", Source::Silence);
    let out = customer.invite("600").expect("sent");
    out.answered(SOON).expect("answered by the queue");
    wait_until(SOON, "he waits", || server.metric("hatif_queue_waiting", &[("queue", "support")]) == 1.0);
    // A group commit is due within 50 ms.
    std::thread::sleep(ms(200));
    server.crash();
    drop(customer);
    server.restart();
    let record = server.ended_call("0502");
    assert_eq!(record["end"]["reason"], "node_failure", "{record:#}");
    assert_eq!(server.metric("hatif_queue_waiting", &[]), 0.0);
    works_again(&server);
}

/// F20: what somebody set a calendar to by hand outlives the process, with who it was; a queue outside its hours says so.
#[test]
fn f20_a_calendar_that_was_closed_by_hand_is_closed_after_a_crash() {
    let ports = free_ports();
    let calendar = "[[calendar]]\nname = \"office\"\nopen = { \"mon-sun\" = \"00:00-24:00\" }\n";
    let queue = "[[queue]]\nname = \"desk\"\ncalendar = \"office\"\n[[number]]\nmatch = \"640\"\nqueue = \"desk\"\npublic = true\n";
    let mut server = Server::configured(ports, &(config(ports, &floor("")) + calendar + queue));
    let listed = server.json("/api/v1/calendars");
    assert_eq!(listed["items"][0]["state"], "open", "{listed}");
    let set = server.command(&["calendars", "set", "office", "emergency", "--minutes", "90"]);
    assert_eq!(set.code, Some(0), "{set:?}");
    assert_eq!(server.command(&["calendars", "set", "offise", "open"]).code, Some(5), "there is none of this name");
    // A group commit is due within 50 ms.
    std::thread::sleep(ms(200));
    server.crash();
    server.restart();
    let office = server.json("/api/v1/calendars/office");
    assert_eq!(office["state"], "emergency", "{office}");
    assert!(office["because"].as_str().is_some_and(|by| by.starts_with("api")), "{office}");
    assert!(office["until"].is_string(), "{office}");
    let customer = server.customer("0502", Source::Silence);
    let out = customer.invite("640").expect("sent");
    out.answered(SOON).expect("he hears that it is closed");
    assert!(out.ended(SOON));
    let record = server.ended_call("0502");
    assert_eq!((&record["end"]["reason"], &record["queue_visits"][0]["outcome"]), (&"closed".into(), &"closed".into()));
    assert_eq!(server.command(&["calendars", "set", "office", "auto"]).code, Some(0));
    let listed = server.command(&["calendars", "list"]);
    assert!(listed.stdout.contains("office") && listed.stdout.contains("open"), "{listed:?}");
}

/// Killed again and again while calls come and go: every start is a good one and no record stays open.
#[test]
fn five_crashes_in_a_row_leave_a_journal_that_reads() {
    let mut server = Server::dev();
    for round in 0..5 {
        let number = format!("060{round}");
        let customer = server.customer(&number, Source::Silence);
        let out = customer.invite("9196").expect("sent");
        out.answered(SOON).expect("answered");
        std::thread::sleep(ms(80 + 70 * round));
        server.crash();
        drop(customer);
        server.restart();
    }
    let list = items(&server.json("/api/v1/calls?limit=100"));
    assert!(list.iter().all(|c| !c["end"].is_null()), "{list:#?}");
    works_again(&server);
}

#[track_caller]
fn works_again(server: &Server) {
    let phone = server.customer("0599", Source::Tone(1_004.0));
    let echo = phone.invite("9196").expect("sent");
    echo.answered(SOON).expect("the next call is answered");
    std::thread::sleep(ms(500));
    assert!(stands_above(&echo.listen(seconds(1)), 1_004.0, 604.0, MARGIN_DB));
    assert_eq!(echo.hang_up_and_wait(SOON), Some(200));
}

/// SIGTERM drains: no new call, the old one goes on until it ends, then the process ends with 0.
#[test]
fn a_term_signal_lets_the_talk_end() {
    let mut server = Server::dev();
    let phone = server.customer("0503", Source::Tone(1_004.0));
    let echo = phone.invite("9196").expect("sent");
    echo.answered(SOON).expect("answered");
    server.signal("TERM");
    std::thread::sleep(seconds(1));
    assert!(echo.up(), "the talk goes on");
    assert!(stands_above(&echo.listen(seconds(1)), 1_004.0, 604.0, MARGIN_DB), "and is heard");
    let other = server.customer("0504", Source::Silence);
    let refused = other.invite("9196").expect("sent").refused(SOON);
    assert_eq!(refused, Some(503), "no new call while draining");
    assert_eq!(echo.hang_up_and_wait(SOON), Some(200));
    assert_eq!(server.exit_code(seconds(20)), Some(0));
}

/// 50 calls in every phase; the new process takes calls within 3 s, and within 10 s every peer has its BYE, in the
/// right dialog: a phone that did not know it would answer 481 and go on.
#[test]
fn after_a_crash_the_next_call_is_taken_and_every_leg_of_the_old_ones_gets_bye() {
    let mut server = Server::dev();
    let agents: Vec<Phone> =
        ["101", "102", "103"].iter().map(|id| server.agent(id, 604.0, Answering::After(ms(100)))).collect();
    server.agents_in("ready", 3.0);
    let mut customers = Vec::new();
    let mut calls = Vec::new();
    for (number, (target, count)) in [("600", 15), ("500", 15), ("9196", 20)].into_iter().enumerate() {
        let customer = server.customer(&format!("070{number}"), Source::Silence);
        calls.extend((0..count).map(|_| customer.invite(target).expect("sent")));
        customers.push(customer);
    }
    assert!(calls.iter().all(|call| call.answered(SOON).is_ok()), "50 calls are up");
    let talks: Vec<Call> = agents.iter().map(|agent| agent.incoming(SOON).expect("it rings")).collect();
    assert!(talks.iter().all(|talk| talk.answered(SOON).is_ok()), "three agents talk, twelve callers wait");
    // An ACK is on its way for some.
    std::thread::sleep(ms(300));
    server.crash();

    let began = Instant::now();
    server.restart();
    let phone = server.customer("0799", Source::Silence);
    let echo = phone.invite("9196").expect("sent");
    echo.answered(SOON).expect("the next call is answered");
    assert!(began.elapsed() < seconds(3), "after {:?}", began.elapsed());
    let late = |call: &&Call| !call.ended(seconds(10).saturating_sub(began.elapsed()).max(ms(1)));
    let left = calls.iter().chain(&talks).filter(late).count();
    assert_eq!(left, 0, "legs without BYE after {:?}", began.elapsed());
    let ended = customers[0].trace();
    let bye = ended.split("<- ").filter(|message| message.contains(" ms\nBYE ")).last().expect("a BYE");
    assert!(bye.contains("Reason: SIP;cause=503"), "{bye}");
    assert_eq!(echo.hang_up_and_wait(SOON), Some(200));

    // They are told once: the next process has nothing to say to them.
    server.idle(SOON);
    let told = customers[0].count(false, "BYE ");
    server.crash();
    server.restart();
    std::thread::sleep(seconds(1));
    assert_eq!(customers[0].count(false, "BYE "), told);
}

/// A phone that rang when the process died rings no more: CANCEL of the same INVITE, within 10 s.
#[test]
fn after_a_crash_a_phone_that_rang_is_cancelled() {
    let mut server = Server::dev();
    let agent = server.agent("101", 604.0, Answering::RingForever);
    server.agents_in("ready", 1.0);
    let customer = server.customer("0710", Source::Silence);
    let call = customer.invite("600").expect("sent");
    call.answered(SOON).expect("answered by the queue");
    let ring = agent.incoming(SOON).expect("it rings");
    // A group commit is due within 50 ms.
    std::thread::sleep(ms(300));
    server.crash();
    server.restart();
    assert!(ring.ended(seconds(10)), "{}", agent.trace());
    assert!(call.ended(SOON));
    let trace = agent.trace();
    let cancel = trace.split("<- ").find(|message| message.contains(" ms\nCANCEL ")).expect("a CANCEL");
    assert!(cancel.contains("Reason: SIP;cause=503"), "{cancel}");
    server.idle(SOON);

    // It is told once.
    let told = agent.count(false, "CANCEL ");
    std::thread::sleep(ms(300));
    server.crash();
    server.restart();
    std::thread::sleep(seconds(1));
    assert_eq!(agent.count(false, "CANCEL "), told);
}

/// Over TCP the old connection is gone: the BYE comes over a new one, to the address that the Contact names.
#[test]
fn after_a_crash_a_leg_over_tcp_gets_its_bye_over_a_new_connection() {
    let mut server = Server::dev();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let mut stream = TcpStream::connect(server.sip).expect("connected");
    stream.set_read_timeout(Some(SOON)).expect("timeout");
    let body = offer("8", "");
    let head = |method: &str, to: &str| {
        format!(
            "{method} sip:9196@{sip} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:{port};branch=z9hG4bK{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:t@customer.example>;tag=tcp\r\n{to}\r\nCall-ID: over-tcp\r\n\
             CSeq: 1 {method}\r\nContact: <sip:t@127.0.0.1:{port};transport=tcp>\r\n",
            sip = server.sip
        )
    };
    let invite = head("INVITE", &format!("To: <sip:9196@{}>", server.sip));
    let typed = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(format!("{invite}{typed}").as_bytes()).expect("sent");
    let ok = read_until(&mut stream, "SIP/2.0 200");
    let to = line_of(&ok, "To:");
    stream.write_all(format!("{}Content-Length: 0\r\n\r\n", head("ACK", &to)).as_bytes()).expect("sent");
    std::thread::sleep(ms(300));
    server.crash();
    server.restart();

    listener.set_nonblocking(true).expect("set");
    let mut accepted = None;
    wait_until(seconds(10), "a connection comes", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let mut back = accepted.expect("a connection").0;
    back.set_nonblocking(false).expect("set");
    back.set_read_timeout(Some(SOON)).expect("timeout");
    let bye = read_until(&mut back, "BYE ");
    assert!(bye.starts_with(&format!("BYE sip:t@127.0.0.1:{port};transport=tcp SIP/2.0")), "{bye}");
    assert_eq!(line_of(&bye, "From:").replace("From:", "To:"), to, "our tag");
    assert_eq!(line_of(&bye, "To:"), "To: <sip:t@customer.example>;tag=tcp");
    assert_eq!(line_of(&bye, "Call-ID:"), "Call-ID: over-tcp");
    assert!(line_of(&bye, "CSeq:").ends_with(" BYE"), "{bye}");
}

/// An agent's phone that registered before the crash is rung after it, without a new REGISTER.
#[test]
fn after_a_crash_a_registered_agent_is_rung_without_registering_again() {
    let mut server = Server::dev();
    let agent = server.agent("101", 604.0, Answering::After(ms(100)));
    server.agents_in("ready", 1.0);
    let registered = agent.count(true, "REGISTER ");
    // A group commit is due within 50 ms.
    std::thread::sleep(ms(300));
    server.crash();
    server.restart();
    server.agents_in("ready", 1.0);
    let customer = server.customer("0801", Source::Silence);
    let call = customer.invite("600").expect("sent");
    let talk = agent.incoming(SOON).expect("it rings");
    assert!(talk.answered(SOON).is_ok() && call.answered(SOON).is_ok());
    assert_eq!(agent.count(true, "REGISTER "), registered, "it did not have to register again");
    assert_eq!(call.hang_up_and_wait(SOON), Some(200));

    // A phone that died meanwhile is asked whether it still lives, and found out.
    std::thread::sleep(ms(300));
    server.crash();
    drop(agent);
    server.restart();
    assert_eq!(server.metric("hatif_registrations_active", &[]), 1.0);
    wait_until(seconds(30), "the dead phone is seen", || server.metric("hatif_registrations_active", &[]) == 0.0);
    server.agents_in("unreachable", 1.0);
}

/// The whole head of the next message on a stream that begins like this; others are skipped.
#[track_caller]
fn read_until(stream: &mut TcpStream, start: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    loop {
        let found = text.find(start).and_then(|at| text.get(at..));
        if let Some(found) = found.filter(|found| found.contains("\r\n\r\n")) {
            return found.to_owned();
        }
        let length = stream.read(&mut buffer).expect("more comes");
        assert!(length > 0, "closed after {text}");
        text += &String::from_utf8_lossy(&buffer[..length]);
    }
}

fn line_of(message: &str, name: &str) -> String {
    message.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
}

/// Who waited when the process died and calls again finds his place before one who came meanwhile.
#[test]
fn after_a_crash_who_calls_again_has_his_place_in_the_queue() {
    let mut server = Server::dev();
    let first = server.customer("0551", Source::Silence);
    first.invite("600").expect("sent").answered(SOON).expect("he waits");
    // He has waited for a full second, and a group commit is due within 50 ms.
    std::thread::sleep(ms(1_300));
    server.crash();
    server.restart();
    let newcomer = server.customer("0559", Source::Silence);
    newcomer.invite("600").expect("sent").answered(SOON).expect("he waits");
    first.invite("600").expect("sent").answered(SOON).expect("he waits again");
    let waiting = || server.json("/api/v1/queues/support/live")["callers"].clone();
    let until = Instant::now() + SOON;
    while waiting().as_array().is_none_or(|all| all.len() < 2) && Instant::now() < until {
        std::thread::sleep(ms(20));
    }
    let callers = waiting();
    let numbers: Vec<String> = callers
        .as_array()
        .expect("a list")
        .iter()
        .map(|caller| {
            let id = caller["call_id"].as_str().expect("an id");
            server.json(&format!("/api/v1/calls/{id}"))["from"].as_str().expect("a number").to_owned()
        })
        .collect();
    assert_eq!(numbers, ["0551", "0559"], "{callers}");
}
