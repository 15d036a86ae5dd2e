//! Supervisors and conferences from outside, by ear: who hears whom in every mode, on the phones and in the recording.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::time::Instant;

use common::*;
use hatif::robot::audio::{level_db, read_wav};
use hatif::robot::{Answering, Call, Phone, Source};

const CUSTOMER: &str = "0501234567";
const CUSTOMER_HZ: f64 = 1_004.0;
const AGENT_HZ: f64 = 604.0;
const SUPERVISOR_HZ: f64 = 404.0;
const GUEST_HZ: f64 = 804.0;
/// A tone that is heard is louder than this.
const HEARD_DBM0: f64 = -30.0;

/// Which of these tones each of the calls hears; a tone is either plainly there or not at all.
#[track_caller]
fn heard<const N: usize>(calls: [&Call; N], tones: &[f64]) -> [Vec<f64>; N] {
    std::thread::sleep(ms(600));
    let sounds = listen(&calls, seconds(2));
    let mut out = [(); N].map(|()| Vec::new());
    for (n, sound) in sounds.iter().enumerate() {
        for hz in tones {
            let level = level_db(sound, *hz);
            assert!(!(SILENT_DBM0..=HEARD_DBM0).contains(&level), "call {n} hears {hz} Hz at {level:.1} dBm0");
            out[n].extend((level > HEARD_DBM0).then_some(*hz));
        }
    }
    out
}

#[track_caller]
fn ask(server: &Server, arguments: &[&str]) {
    let done = server.command(arguments);
    assert_eq!(done.code, Some(0), "{arguments:?}: {done:?}");
}

/// F24: listen, whisper, barge, take over; a whisper is heard by the agent alone and is in neither side of the recording.
#[test]
fn a_whisper_is_in_the_agents_ear_alone_and_a_take_over_changes_the_right_side() {
    let server = Server::dev();
    let agent = server.agent("101", AGENT_HZ, Answering::After(ms(200)));
    server.agents_in("ready", 1.0);
    let customer = server.customer(CUSTOMER, Source::Tone(CUSTOMER_HZ));
    let (out, inside) = through_the_menu(&customer, &agent);
    inside.answered(SOON).expect("answers");
    let began = Instant::now();

    // From the console his phone is rung.
    let options = server.user("201").says(Source::Tone(SUPERVISOR_HZ)).answers(Answering::After(ms(100)));
    let supervisor = Phone::start(options).expect("phone");
    supervisor.register(SOON).expect("registers");
    ask(&server, &["agents", "supervise", "101", "whisper", "--by", "201"]);
    let line = supervisor.incoming(SOON).expect("his phone rings");
    line.answered(SOON).expect("answers");
    let modes = |mode: &str| server.metric("hatif_supervise_sessions_active", &[("mode", mode)]);
    wait_until(SOON, "he whispers", || modes("whisper") == 1.0);

    let tones = [CUSTOMER_HZ, AGENT_HZ, SUPERVISOR_HZ];
    let ears = || heard([&out, &inside, &line], &tones);
    let both = vec![CUSTOMER_HZ, AGENT_HZ];
    let whisper = [vec![AGENT_HZ], vec![CUSTOMER_HZ, SUPERVISOR_HZ], both.clone()];
    let barge = [vec![AGENT_HZ, SUPERVISOR_HZ], vec![CUSTOMER_HZ, SUPERVISOR_HZ], both.clone()];
    assert_eq!(ears(), whisper, "whisper");
    assert!(line.press("3"));
    wait_until(SOON, "he barges", || modes("barge") == 1.0);
    assert_eq!(ears(), barge, "barge");
    ask(&server, &["agents", "supervise", "101", "whisper"]);
    assert_eq!(ears(), whisper, "whisper again");
    assert!(line.press("1"));
    wait_until(SOON, "he listens", || modes("listen") == 1.0);
    assert_eq!(ears(), [vec![AGENT_HZ], vec![CUSTOMER_HZ], both], "listen");

    let call = server.call_from(CUSTOMER).expect("the live call");
    let shown = server.json(&format!("/api/v1/calls/{}", call["call_id"].as_str().expect("id")));
    for leg in ["customer", "agent"] {
        assert!(shown["media"][leg]["mos"].as_f64().is_some_and(|mos| mos > 3.5), "{shown:#}");
    }
    let taken_over = began.elapsed().as_secs_f64();
    assert!(line.press("4"));
    assert!(inside.ended(SOON), "the agent's phone is hung up");
    server.agents_in("wrap_up", 1.0);
    assert_eq!(heard([&out, &line], &tones), [vec![SUPERVISOR_HZ], vec![CUSTOMER_HZ]], "taken over");
    assert_eq!(out.hang_up_and_wait(SOON), Some(200));
    assert!(line.ended(SOON), "the supervisor's phone is hung up");

    let record = server.ended_call(CUSTOMER);
    let seen: Vec<&str> =
        record["supervision"].as_array().expect("a list").iter().flat_map(|s| s["mode"].as_str()).collect();
    assert_eq!(seen, ["whisper", "barge", "whisper", "listen"], "{record:#}");
    assert_eq!(record["dial"][0]["target"], "agent:201", "the segment: {record:#}");
    assert_eq!(record["recordings"].as_array().map(Vec::len), Some(1));
    let file = record["recordings"][0]["file"].as_str().expect("a recording");
    let (sides, _) = read_wav(&server.data.join(file)).expect("the file can be read");
    let at = |s: f64| (s * 8_000.0) as usize;
    let level = |side: usize, from: usize, to: usize, hz: f64| level_db(&sides[side][from..to], hz);
    let (before, after) = ((4_000, at(taken_over) - 4_000), (at(taken_over) + 8_000, sides[0].len() - 4_000));
    for (from, to) in [before, after] {
        assert!(level(0, from, to, CUSTOMER_HZ) > HEARD_DBM0, "left is the customer");
        assert!(level(0, from, to, SUPERVISOR_HZ) < SILENT_DBM0, "and nobody else");
    }
    assert!(level(1, before.0, before.1, AGENT_HZ) > HEARD_DBM0, "right is the agent");
    assert!(level(1, before.0, before.1, SUPERVISOR_HZ) < SILENT_DBM0, "without the whisper");
    assert!(level(1, after.0, after.1, SUPERVISOR_HZ) > HEARD_DBM0, "then the supervisor");
    assert!(level(1, after.0, after.1, AGENT_HZ) < SILENT_DBM0, "without the agent");
    server.idle(seconds(10));
}

/// A conference by ear: each hears all the others, the recording has both agents on the right, the agent leaves.
#[test]
fn three_hear_each_other_and_two_go_on() {
    let server = Server::dev();
    let agent = server.agent("101", AGENT_HZ, Answering::After(ms(200)));
    server.agents_in("ready", 1.0);
    let customer = server.customer(CUSTOMER, Source::Tone(CUSTOMER_HZ));
    let (out, inside) = through_the_menu(&customer, &agent);
    inside.answered(SOON).expect("answers");
    let began = Instant::now();
    let colleague = server.agent("102", GUEST_HZ, Answering::After(ms(100)));
    let call = server.call_from(CUSTOMER).expect("the live call");
    let id = call["call_id"].as_str().expect("id").to_owned();
    ask(&server, &["calls", "conference", &id, "--add", "102"]);
    let third = colleague.incoming(SOON).expect("rings");
    third.answered(SOON).expect("answers");
    let tones = [CUSTOMER_HZ, AGENT_HZ, GUEST_HZ];
    let all = heard([&out, &inside, &third], &tones);
    assert_eq!(all, [vec![AGENT_HZ, GUEST_HZ], vec![CUSTOMER_HZ, GUEST_HZ], vec![CUSTOMER_HZ, AGENT_HZ]]);
    let shown = server.json(&format!("/api/v1/calls/{id}"));
    assert_eq!(shown["parties"][0]["party"], "agent:102", "{shown:#}");
    let three = began.elapsed().as_secs_f64();
    assert_eq!(inside.hang_up_and_wait(SOON), Some(200));
    assert_eq!(heard([&out, &third], &tones), [vec![GUEST_HZ], vec![CUSTOMER_HZ]]);
    assert_eq!(out.hang_up_and_wait(SOON), Some(200));
    assert!(third.ended(SOON));
    let record = server.ended_call(CUSTOMER);
    assert_eq!(record["recordings"].as_array().map(Vec::len), Some(1));
    let file = record["recordings"][0]["file"].as_str().expect("a recording");
    let (sides, _) = read_wav(&server.data.join(file)).expect("the file can be read");
    let end = (three * 8_000.0) as usize - 4_000;
    for hz in [AGENT_HZ, GUEST_HZ] {
        assert!(level_db(&sides[1][end - 12_000..end], hz) > HEARD_DBM0, "{hz} Hz is on the right");
        assert!(level_db(&sides[0], hz) < SILENT_DBM0, "and not on the left");
    }
    server.idle(seconds(10));
}
