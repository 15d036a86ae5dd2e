//! What is recorded of a call, whoever takes it over: F26; and what is not while somebody reads a card number: F27.

use hatif::call::config::RecordPolicy;
use hatif::engine::Command;
use hatif::id::{CallId, LegId};
use hatif::journal::{About, Kind};
use hatif::media::{Command as Media, TrackKind};

use crate::centre::*;
use crate::phone::{Leg, sdp};
use crate::places::take_place;
use crate::transfers::uri;

/// What the recorder was told, in order: its sides, `paused`, `resumed`, `stopped`.
fn told(centre: &Centre) -> Vec<String> {
    let name =
        |leg: &LegId| (0..9).find(|n| centre.leg_named(*n) == Some(*leg)).map_or("?".to_owned(), |n| n.to_string());
    let word = |command: &Media| match command {
        Media::Record { customer, others, .. } => {
            Some(format!("{}|{}", name(customer), others.iter().map(name).collect::<Vec<_>>().join("+")))
        }
        Media::PauseRecord { .. } => Some("paused".to_owned()),
        Media::ResumeRecord { .. } => Some("resumed".to_owned()),
        Media::StopRecord { .. } => Some("stopped".to_owned()),
        Media::RecordTrack { kind: TrackKind::Consult, leg, .. } => Some(format!("consults {}", name(leg))),
        Media::RecordTrack { kind: TrackKind::Supervisor, leg, .. } => Some(format!("speaks {}", name(leg))),
        Media::StopTrack { leg, .. } => Some(format!("no longer {}", name(leg))),
        _ => None,
    };
    centre.media.iter().filter_map(word).collect()
}

fn pauses(centre: &Centre) -> Vec<(bool, String, String)> {
    centre.told(|kind| match kind {
        Kind::RecordingPaused { by, why, .. } => Some((true, by.clone(), why.clone())),
        Kind::RecordingResumed { by, why, .. } => Some((false, by.clone(), why.clone())),
        _ => None,
    })
}

fn first_call(centre: &Centre) -> CallId {
    let call = |e: &hatif::journal::Entry| match e.about {
        About::Call(call) => Some(call),
        About::Agent(_) | About::Node => None,
    };
    centre.journal.iter().find_map(call).expect("a call")
}

fn order(centre: &mut Centre, pause: bool) {
    let call = first_call(centre);
    centre.command(Command::Recording { call, pause, by: "api:crm".into(), why: "card".into() });
}

fn over(centre: &mut Centre, customer: &mut Leg, other: &Leg) {
    centre.bye(customer);
    centre.ended(other);
    centre.nothing_is_left();
    assert_eq!(centre.record(0).recordings.len(), 1, "one recording of one call");
}

#[test]
fn the_recording_goes_on_over_a_blind_transfer_without_who_transfers() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.refers(&mut agent, &uri("102"));
    let colleague = centre.rung(desk(102));
    assert_eq!(told(&centre), ["0|1", "0|"], "who transfers talks with nobody");
    centre.picks_up(&colleague);
    centre.notified(&agent);
    centre.ended(&agent);
    over(&mut centre, &mut customer, &colleague);
    assert_eq!(told(&centre), ["0|1", "0|", "0|2", "stopped"]);
    let legs = &centre.record(0).recordings[0].legs;
    assert_eq!(legs.iter().map(|leg| leg.codec.as_str()).collect::<Vec<_>>(), ["pcma"; 3]);
}

#[test]
fn the_recording_goes_on_when_who_transfers_is_gone_and_when_the_transfer_fails() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.refers(&mut agent, &uri("102"));
    let ring = centre.rung(desk(102));
    centre.says(&ring, "486 Busy Here");
    centre.notified(&agent);
    assert_eq!(told(&centre), ["0|1", "0|", "0|1"], "both talk again");
    centre.refers(&mut agent, &uri("102"));
    let ring = centre.rung(desk(102));
    centre.bye(&mut agent);
    centre.picks_up(&ring);
    over(&mut centre, &mut customer, &ring);
    assert_eq!(told(&centre)[3..], ["0|", "0|3", "stopped"]);
}

/// A queue says itself whether its talks are recorded.
#[test]
fn the_recording_goes_on_in_a_recorded_queue_and_ends_in_another() {
    for recorded in [true, false] {
        let policy = if recorded { RecordPolicy::Always } else { RecordPolicy::Never };
        let mut centre = Centre::with(|settings| {
            settings.call.recording.insert("vip".into(), policy);
        });
        let (mut customer, mut agent) = centre.talk(stranger(1));
        centre.refers(&mut agent, &uri("601"));
        assert_eq!(centre.notified(&agent), 200);
        centre.ended(&agent);
        // After his wrap-up the same agent gets him.
        centre.pass(seconds(11));
        let ring = centre.rung(desk(101));
        assert_eq!(told(&centre), ["0|1", "0|"]);
        centre.picks_up(&ring);
        let then = if recorded { "0|2" } else { "stopped" };
        assert_eq!(told(&centre)[2..], [then]);
        over(&mut centre, &mut customer, &ring);
    }
}

/// What the customer says to a flow is no talk.
#[test]
fn the_recording_ends_where_a_flow_takes_the_customer_over() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.refers(&mut agent, &uri("500"));
    centre.notified(&agent);
    centre.ended(&agent);
    centre.bye(&mut customer);
    centre.nothing_is_left();
    assert_eq!(told(&centre), ["0|1", "0|", "stopped"]);
}

/// What a consulted colleague says is in a file of his own, until he has the customer.
#[test]
fn a_consulted_colleague_has_a_file_of_his_own_and_then_the_right_side() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.reinvites(&mut agent, &sdp(desk(101), "sendonly"));
    let colleague = centre.consults_and_joins(&mut agent);
    over(&mut centre, &mut customer, &colleague);
    assert_eq!(told(&centre), ["0|1", "consults 3", "no longer 3", "0|", "0|3", "stopped"]);
}

/// Who whispers is in a file of his own, in every mode in which somebody hears him; who only listens is in none.
#[test]
fn a_supervisor_who_speaks_has_a_file_of_his_own() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    let mut spy = centre.connect(desk(201), "201", "*81101");
    let ear = centre.leg(2);
    assert_eq!(told(&centre), ["0|1"]);
    for key in "2312".chars() {
        centre.digit(ear, key);
        centre.pass(seconds(2));
    }
    centre.bye(&mut spy);
    over(&mut centre, &mut customer, &agent);
    // His file ends with his leg.
    let speaks = ["0|1", "speaks 2", "speaks 2", "no longer 2", "speaks 2", "stopped"];
    assert_eq!(told(&centre), speaks);
}

#[test]
fn the_recording_goes_on_when_a_colleague_takes_over_or_somebody_changes_his_phone() {
    for user in [101, 102] {
        let mut centre = Centre::new();
        let (mut customer, agent) = centre.talk(stranger(1));
        let other = take_place(&mut centre, user, &agent);
        centre.ended(&agent);
        over(&mut centre, &mut customer, &other);
        assert_eq!(told(&centre), ["0|1", "0|2", "stopped"], "{user}");
    }
}

#[test]
fn a_pause_is_ordered_and_ended_with_its_reason() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    for pause in [false, true, true] {
        order(&mut centre, pause);
    }
    assert!(centre.engine.recording_of(first_call(&centre)).is_some_and(|(_, paused)| paused));
    centre.pass(seconds(20));
    order(&mut centre, false);
    over(&mut centre, &mut customer, &agent);
    assert_eq!(told(&centre), ["0|1", "paused", "resumed", "stopped"]);
    let by = ("api:crm".to_owned(), "card".to_owned());
    assert_eq!(pauses(&centre), [(true, by.0.clone(), by.1.clone()), (false, by.0, by.1)]);
    let kept = &centre.record(0).recordings[0].pauses;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].until.map(|until| until.since(kept[0].from)), Some(seconds(20)));
}

/// `*6` on the agent's phone, whichever way it tells keys; the customer's phone has no such power.
#[test]
fn an_agent_pauses_with_star_six_and_resumes_with_it_and_a_customer_cannot() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    let (caller, desk) = (centre.leg(0), centre.leg(1));
    for digit in "*6".chars() {
        centre.digit(caller, digit);
    }
    // A six long after the star, or after another key, is the customer's bank's.
    centre.digit(desk, '*');
    centre.pass(seconds(4));
    centre.digit(desk, '6');
    for digit in "*16".chars() {
        centre.digit(desk, digit);
    }
    assert_eq!(told(&centre), ["0|1"]);
    for digit in "*6".chars() {
        centre.digit(desk, digit);
        // A phone that tells it both ways.
        centre.info(&mut agent, digit);
    }
    assert_eq!(told(&centre), ["0|1", "paused"]);
    centre.pass(seconds(5));
    for digit in "*6".chars() {
        centre.info(&mut agent, digit);
    }
    over(&mut centre, &mut customer, &agent);
    assert_eq!(told(&centre), ["0|1", "paused", "resumed", "stopped"]);
    assert!(pauses(&centre).iter().all(|(_, by, _)| by == "agent:101"));
}

/// A pause that nobody ends ends by itself, and not before; a transfer does not end it.
#[test]
fn a_pause_survives_a_transfer_and_ends_by_itself() {
    let mut centre = Centre::with(|settings| {
        settings.call.record_pauses.insert("support".into(), seconds(60));
    });
    let (mut customer, mut agent) = centre.talk(stranger(1));
    order(&mut centre, true);
    centre.refers(&mut agent, &uri("102"));
    let colleague = centre.rung(desk(102));
    centre.picks_up(&colleague);
    centre.notified(&agent);
    centre.ended(&agent);
    centre.pass(seconds(59));
    assert_eq!(told(&centre), ["0|1", "paused", "0|", "0|2"]);
    centre.pass(seconds(2));
    over(&mut centre, &mut customer, &colleague);
    assert_eq!(told(&centre)[4..], ["resumed", "stopped"]);
    assert_eq!(pauses(&centre)[1].1, "timer");
}

/// F27: what a customer keys in is nowhere while the recording is paused, nor at any time in a talk.
#[test]
fn keys_of_a_talk_are_in_no_journal() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    order(&mut centre, true);
    let caller = centre.leg(0);
    for digit in "4111111111111111".chars() {
        centre.digit(caller, digit);
        centre.info(&mut customer, digit);
    }
    over(&mut centre, &mut customer, &agent);
    let journal = serde_json::to_string(&centre.journal).expect("JSON");
    assert!(!journal.contains("4111") && !journal.contains("\"digits\""), "{journal}");
}
