//! Feature codes from an agent's phone.

use hatif::journal::{About, AgentStateName, EndReason, Kind};
use hatif::media::Command as Media;

use crate::centre::*;

/// The states of 101 that the journal was told since entry `from`, with code.
fn states(centre: &Centre, from: usize) -> Vec<(AgentStateName, Option<String>)> {
    let of_101 = |about: &About| matches!(about, About::Agent(agent) if agent.as_str() == "101");
    let state = |kind: &Kind| match kind {
        Kind::AgentState { state, code, .. } => Some((*state, code.clone())),
        _ => None,
    };
    centre.journal[from..].iter().filter(|e| of_101(&e.about)).filter_map(|e| state(&e.kind)).collect()
}

/// Dials a code, hears the confirmation and the BYE; returns what changed.
#[track_caller]
fn dial(centre: &mut Centre, code: &str) -> Vec<(AgentStateName, Option<String>)> {
    let from = centre.journal.len();
    let leg = centre.connect(desk(101), "101", code);
    assert!(matches!(centre.media.last(), Some(Media::Play { .. })), "a confirmation");
    centre.pass(seconds(2));
    centre.ended(&leg);
    states(centre, from)
}

#[test]
fn each_code_changes_the_state_once_confirms_and_hangs_up() {
    let mut centre = Centre::new();
    assert_eq!(dial(&mut centre, "*12"), [(AgentStateName::Paused, Some("break".into()))]);
    assert_eq!(dial(&mut centre, "*127"), [(AgentStateName::Paused, Some("7".into()))]);
    assert_eq!(dial(&mut centre, "*11"), [(AgentStateName::Ready, None)]);
    assert_eq!(dial(&mut centre, "*13"), [(AgentStateName::Offline, None)]);
    assert_eq!(dial(&mut centre, "*11"), [(AgentStateName::Ready, None)]);
    centre.nothing_is_left();
    assert_eq!(centre.record(0).end.map(|end| end.reason), Some(EndReason::Normal));
}

#[test]
fn wrap_up_is_finished_by_code() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    centre.bye(&mut customer);
    centre.ended(&agent);
    assert_eq!(centre.state("101"), AgentStateName::WrapUp);
    assert_eq!(dial(&mut centre, "*14"), [(AgentStateName::Ready, None)]);
    centre.nothing_is_left();
}

/// With codes that must be named, the phone says when one is not known, and nothing changes.
#[test]
fn a_pause_code_is_named_by_its_digits_or_refused() {
    let mut centre = Centre::with(|settings| {
        let mut lunch = hatif::acd::config::PauseCode::new("LUNCH");
        lunch.digits = Some("1".to_owned());
        settings.floor.pauses.codes.insert(lunch.id.clone(), lunch);
        settings.floor.pauses.force = true;
    });
    for code in ["*12", "*127", "*12RNA"] {
        assert_eq!(dial(&mut centre, code), [], "{code}");
    }
    assert_eq!(centre.state("101"), AgentStateName::Ready);
    assert_eq!(dial(&mut centre, "*121"), [(AgentStateName::Paused, Some("LUNCH".into()))]);
    centre.nothing_is_left();
}

/// He dials it at a second line while he talks, and again in the wrap-up.
#[test]
fn a_wrap_up_is_asked_for_and_extended_by_code() {
    let mut centre = Centre::with(|settings| {
        let queue = settings.floor.queues.get_mut("support").expect("support");
        queue.wrap_up_mode = hatif::acd::config::WrapUpMode::OptionalTimed;
    });
    let (mut customer, agent) = centre.talk(stranger(1));
    assert_eq!(dial(&mut centre, "*16"), [(AgentStateName::Busy, None)], "next: wrap_up");
    centre.bye(&mut customer);
    centre.ended(&agent);
    assert_eq!(centre.state("101"), AgentStateName::WrapUp);
    // 2 s of the 10 pass while he hears that he has more.
    assert_eq!(dial(&mut centre, "*16"), [(AgentStateName::WrapUp, None)]);
    centre.pass(seconds(17));
    assert_eq!(centre.state("101"), AgentStateName::WrapUp);
    centre.pass(seconds(1));
    assert_eq!(centre.state("101"), AgentStateName::Ready);
    centre.nothing_is_left();
}

#[test]
fn an_agent_who_hangs_up_in_the_confirmation_has_still_changed_his_state() {
    let mut centre = Centre::new();
    let mut leg = centre.connect(desk(101), "101", "*12");
    centre.bye(&mut leg);
    assert_eq!(centre.state("101"), AgentStateName::Paused);
    centre.nothing_is_left();
    assert_eq!(centre.record(0).end.map(|end| end.reason), Some(EndReason::Normal));
}

/// A pause code becomes a word in records and figures.
#[test]
fn a_pause_code_is_short_and_plain() {
    let mut centre = Centre::new();
    for code in ["*12aaaaaaaaaaaaaaaaaaaa", "*12a.b"] {
        let mut leg = centre.dial(desk(101), "101", code);
        centre.refused(&mut leg, 404);
    }
    assert_eq!(centre.state("101"), AgentStateName::Ready);
    centre.nothing_is_left();
}
