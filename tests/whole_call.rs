//! The whole call from outside: menu, queue, agent, supervisor, recording, record, figures.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::process::Command;
use std::time::Instant;

use common::*;
use hatif::robot::audio::{level_db, read_wav, stands_above};
use hatif::robot::{Answering, Phone, Source};

const CUSTOMER: &str = "0501234567";
const CUSTOMER_HZ: f64 = 1_004.0;
const AGENT_HZ: f64 = 604.0;
const SUPERVISOR_HZ: f64 = 404.0;

/// Everybody hears whom he should and nobody else; then the file, the record and the figures say the same.
#[test]
fn a_customer_talks_to_an_agent_and_everybody_sees_it() {
    let server = Server::dev();
    let agent = server.agent("101", AGENT_HZ, Answering::After(seconds(1)));
    server.agents_in("ready", 1.0);
    let customer = server.customer(CUSTOMER, Source::Tone(CUSTOMER_HZ));
    let (out, inside) = through_the_menu(&customer, &agent);

    assert_eq!(inside.from, CUSTOMER, "the agent sees the caller's number");
    assert!(inside.display.as_deref().unwrap_or_default().contains("support"), "and the queue: {:?}", inside.display);
    let call_id = inside.header("X-Hatif-Call").expect("and the call's name").to_owned();
    assert!(call_id.starts_with("call_"), "{call_id}");
    inside.answered(SOON).expect("answers");
    let talk_began = Instant::now();
    std::thread::sleep(seconds(1));
    both_directions(&out, &inside);

    let supervisor = Phone::start(server.user("201").says(Source::Tone(SUPERVISOR_HZ))).expect("phone");
    let spy = supervisor.invite("*81101").expect("sent");
    spy.answered(SOON).unwrap_or_else(|e| panic!("*81101: {e}\n{}", supervisor.trace()));
    std::thread::sleep(seconds(1));
    let heard = listen(&[&out, &inside, &spy], seconds(3));
    for hz in [CUSTOMER_HZ, AGENT_HZ] {
        let level = level_db(&heard[2], hz);
        assert!(level > -30.0, "the supervisor hears {hz} Hz at {level:.1} dBm0");
    }
    for (who, sound) in ["customer", "agent", "supervisor"].iter().zip(&heard) {
        let level = level_db(sound, SUPERVISOR_HZ);
        assert!(level < SILENT_DBM0, "the supervisor is heard by the {who} at {level:.1} dBm0");
    }
    both_directions(&out, &inside);

    assert_eq!(server.metric("hatif_calls_active", &[("direction", "inbound")]), 1.0);
    let live = server.call_from(CUSTOMER).expect("the live call is listed");
    assert!(live["end"].is_null(), "{live}");

    let talked = talk_began.elapsed().as_secs_f64();
    assert_eq!(out.hang_up_and_wait(SOON), Some(200), "BYE is answered");
    assert!(inside.ended(SOON), "the agent's phone is hung up");
    spy.hang_up();
    assert_eq!((customer.unreadable(), agent.unreadable(), supervisor.unreadable()), (0, 0, 0));

    let record = server.ended_call(CUSTOMER);
    assert_eq!(record["call_id"], call_id.as_str());
    the_record_tells_it(&record);
    the_file_holds_each_side(&server, &record, talked);
    the_command_shows_it(&server, &call_id, &record);
    the_figures_count_it(&server);
    server.idle(seconds(10));
}

#[track_caller]
fn both_directions(out: &hatif::robot::Call, inside: &hatif::robot::Call) {
    let heard = listen(&[out, inside], seconds(3));
    for (who, sound, wanted, other) in
        [("customer", &heard[0], AGENT_HZ, CUSTOMER_HZ), ("agent", &heard[1], CUSTOMER_HZ, AGENT_HZ)]
    {
        let (level, rest) = (level_db(sound, wanted), level_db(sound, other));
        assert!(
            stands_above(sound, wanted, other, MARGIN_DB),
            "the {who} hears {wanted} Hz at {level:.1} dBm0 and {other} Hz at {rest:.1} dBm0 in {} samples",
            sound.len()
        );
    }
}

#[track_caller]
fn the_record_tells_it(record: &serde_json::Value) {
    assert_eq!((record["from"].as_str(), record["to"].as_str()), (Some(CUSTOMER), Some("500")), "{record:#}");
    assert_eq!((record["end"]["by"].as_str(), record["end"]["reason"].as_str()), (Some("customer"), Some("normal")));
    assert_eq!(record["ivr"]["flow"], "main");
    assert_eq!(record["queue_visits"][0]["queue"], "support");
    assert_eq!(record["queue_visits"][0]["outcome"], "answered");
    assert_eq!(record["agents"][0]["agent"], "101");
    assert!(record["agents"][0]["talk_seconds"].as_f64().is_some_and(|t| t > 5.0), "{record:#}");
    assert_eq!(record["supervision"][0]["supervisor"], "201", "{record:#}");
    let mos = record["quality"]["customer"]["mos"].as_f64().unwrap_or(0.0);
    assert!(mos > 3.5, "a loopback call is a good one: MOS {mos}");
}

#[track_caller]
fn the_file_holds_each_side(server: &Server, record: &serde_json::Value, talked: f64) {
    let file = record["recordings"][0]["file"].as_str().expect("a recording");
    let (channels, rate) = read_wav(&server.data.join(file)).expect("the file can be read");
    assert_eq!((channels.len(), rate), (2, 8_000), "stereo at 8 kHz");
    let length = channels[0].len() as f64 / 8_000.0;
    assert!((length - talked).abs() < 1.5, "{length:.1} s are written, {talked:.1} s were talked");
    let inner = |c: &Vec<i16>| c[4_000..c.len() - 4_000].to_vec();
    for (side, sound, wanted, other) in
        [("left", inner(&channels[0]), CUSTOMER_HZ, AGENT_HZ), ("right", inner(&channels[1]), AGENT_HZ, CUSTOMER_HZ)]
    {
        assert!(stands_above(&sound, wanted, other, MARGIN_DB), "{side}: {wanted} Hz only");
        assert!(level_db(&sound, SUPERVISOR_HZ) < SILENT_DBM0, "{side}: no supervisor");
    }
}

#[track_caller]
fn the_command_shows_it(server: &Server, call_id: &str, record: &serde_json::Value) {
    let shown = server.command(&["calls", "show", call_id]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let file = record["recordings"][0]["file"].as_str().unwrap_or_default();
    for part in [CUSTOMER, "500", "support", "101", file] {
        assert!(shown.stdout.contains(part), "{part:?} is not in\n{}", shown.stdout);
    }
    let steps: Vec<&str> =
        record["path"].as_array().map(|p| p.iter().filter_map(|s| s["at"].as_str()).collect()).unwrap_or_default();
    assert!(steps.len() >= 6, "the whole path: {record:#}");
    assert!(steps.windows(2).all(|w| w[0] <= w[1]), "in order of time: {steps:?}");
    let times = shown.stdout.lines().filter(|l| l.matches(':').count() >= 2).count();
    assert!(times >= 6, "each step with its time:\n{}", shown.stdout);
    let listed = server.command(&["calls", "list", "--json"]);
    assert!(listed.lines().iter().any(|c| c["call_id"] == call_id), "{listed:?}");
}

#[track_caller]
fn the_figures_count_it(server: &Server) {
    let support = [("queue", "support")];
    wait_until(SOON, "the call is counted", || {
        server.metric("hatif_calls_total", &[("direction", "inbound"), ("result", "answered")]) == 1.0
    });
    let metrics = server.metrics();
    for name in ["hatif_queue_entered_total", "hatif_queue_answered_total", "hatif_queue_answered_within_sl_total"] {
        assert_eq!(metrics.sum(name, &support), 1.0, "{name}");
    }
    assert_eq!(metrics.sum("hatif_acd_offer_total", &[("result", "accepted")]), 1.0);
    assert_eq!(metrics.sum("hatif_queue_waiting", &support), 0.0);
    assert!(metrics.sum("hatif_rtp_packets_total", &[]) > 500.0);
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]);
    let checked = finish(promtool, Some(&metrics.text), seconds(20));
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""), "promtool: {}", checked.stdout);
}

/// The `ended` edge of the queue: an agent who hangs up first hands the caller to the survey.
#[test]
fn the_survey_follows_when_the_agent_hangs_up_first() {
    let server = Server::dev();
    let agent = server.agent("101", AGENT_HZ, Answering::After(ms(200)));
    server.agents_in("ready", 1.0);
    let customer = server.customer(CUSTOMER, Source::Silence);
    let (out, inside) = through_the_menu(&customer, &agent);
    inside.answered(SOON).expect("answers");
    std::thread::sleep(seconds(2));
    assert_eq!(inside.hang_up_and_wait(SOON), Some(200));
    server.agents_in("wrap_up", 1.0);
    for _try in 0..4 {
        std::thread::sleep(seconds(3));
        if !out.live() {
            break;
        }
        out.press("5");
    }
    assert!(out.ended(seconds(20)), "the flow says goodbye and hangs up");
    let record = server.ended_call(CUSTOMER);
    let scores: Vec<u64> =
        record["survey"].as_object().map(|s| s.values().filter_map(|v| v.as_u64()).collect()).unwrap_or_default();
    assert_eq!(scores, [5], "{record:#}");
    assert_eq!(record["end"]["by"], "system");
}

/// The agent's hold is seen as hold, and both hear each other again afterwards.
#[test]
fn an_agent_holds_and_takes_back() {
    let server = Server::dev();
    let agent = server.agent("101", AGENT_HZ, Answering::After(ms(200)));
    server.agents_in("ready", 1.0);
    let customer = server.customer(CUSTOMER, Source::Tone(CUSTOMER_HZ));
    let (out, inside) = through_the_menu(&customer, &agent);
    inside.answered(SOON).expect("answers");
    std::thread::sleep(seconds(1));
    assert_eq!(inside.hold(SOON), Some(200));
    server.agents_in("hold", 1.0);
    std::thread::sleep(ms(500));
    let held = listen(&[&out], seconds(2)).remove(0);
    assert!(level_db(&held, AGENT_HZ) < -40.0, "who is on hold does not hear the agent");
    assert!(held.iter().any(|s| s.unsigned_abs() > 200), "he hears music, not dead air");
    assert_eq!(inside.resume(SOON), Some(200));
    server.agents_in("busy", 1.0);
    std::thread::sleep(ms(500));
    both_directions(&out, &inside);
    assert_eq!(out.hang_up_and_wait(SOON), Some(200));
    assert!(server.ended_call(CUSTOMER)["agents"][0]["hold_seconds"].as_f64().is_some_and(|h| h > 1.5));
}

/// CONTRACT: 9196 sends back what it hears, 9197 is the 1,004 Hz tone; over TCP too.
#[test]
fn the_test_numbers_answer() {
    let server = Server::dev();
    for transport in [hatif::robot::Transport::Udp, hatif::robot::Transport::Tcp] {
        let mut options = hatif::robot::Options::new(server.sip, "0501").says(Source::Tone(AGENT_HZ));
        (options.domain, options.transport, options.lines) = ("customer.example".into(), transport, 2);
        let phone = Phone::start(options).expect("phone");
        let echo = phone.invite("9196").expect("sent");
        echo.answered(SOON).unwrap_or_else(|e| panic!("{transport:?}: {e}\n{}", phone.trace()));
        let tone = phone.invite("9197").expect("sent");
        tone.answered(SOON).unwrap_or_else(|e| panic!("{transport:?}: {e}\n{}", phone.trace()));
        std::thread::sleep(ms(500));
        let heard = listen(&[&echo, &tone], seconds(2));
        assert!(stands_above(&heard[0], AGENT_HZ, CUSTOMER_HZ, MARGIN_DB), "{transport:?}: echo");
        assert!(stands_above(&heard[1], CUSTOMER_HZ, AGENT_HZ, MARGIN_DB), "{transport:?}: tone");
        // One stream, whatever it carries: no new source and no hole in the numbers.
        let packets = tone.packets();
        assert!(packets.windows(2).all(|w| w[1].ssrc == w[0].ssrc && w[1].sequence == w[0].sequence.wrapping_add(1)));
        assert_eq!(echo.hang_up_and_wait(SOON), Some(200));
        assert_eq!(tone.hang_up_and_wait(SOON), Some(200));
    }
    server.idle(seconds(10));
}

/// Health and keys: what is open to all and what is not.
#[test]
fn the_doors_of_the_api_are_open_to_those_with_a_key() {
    let server = Server::dev();
    for path in ["/livez", "/readyz"] {
        assert_eq!(http(server.http, "GET", path, None).map(|(status, _)| status), Some(200), "{path}");
    }
    for key in [None, Some("hk_wrong")] {
        let (status, body) = http(server.http, "GET", "/api/v1/calls", key).expect("answer");
        assert_eq!(status, 401, "{body}");
        let problem: serde_json::Value = serde_json::from_str(&body).expect("problem+json");
        assert_eq!(problem["status"], 401);
    }
    assert_eq!(server.get("/api/v1/calls").0, 200);
    assert_eq!(server.get("/api/v1/calls/call_01J00000000000000000000000").0, 404);
}
