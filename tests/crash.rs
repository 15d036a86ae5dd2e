//! `kill -9`: what was said is on disk, what was open is closed, and the next call works.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::time::Instant;

use common::*;
use hatif::robot::audio::{read_wav, stands_above};
use hatif::robot::{Answering, Source};

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
