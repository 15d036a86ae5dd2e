//! F10: pause codes.

use std::collections::BTreeSet;

use super::*;
use crate::acd::config::{PauseCode, PauseRole};
use crate::acd::{PauseError, SYSTEM_CODES};
use crate::journal::AgentAction;

/// One agent; LUNCH (at most a minute, dialled 1), COACH (a supervisor's), and whatever else.
fn coded(after_max: AgentAction, force: bool) -> World {
    let mut w = world(&["101"]);
    let lunch = PauseCode {
        max: Some(Duration::from_secs(60)),
        after_max,
        digits: Some("1".to_owned()),
        ..PauseCode::new("LUNCH")
    };
    let coach = PauseCode { roles: BTreeSet::from([PauseRole::Supervisor]), ..PauseCode::new("COACH") };
    w.config.pauses.codes = [lunch, coach].map(|code| (code.id.clone(), code)).into();
    w.config.pauses.force = force;
    w.apply();
    w
}

fn paused(code: &str) -> (AgentStateName, Option<String>, Option<String>) {
    (AgentStateName::Paused, Some(code.to_owned()), None)
}

fn pause_as(w: &mut World, code: &str, by: StateCause) -> Vec<Output> {
    w.input(Input::Want { agent: "101".into(), wish: Wish::Pause(code.to_owned()), by })
}

#[test]
fn f10_codes_are_chosen_by_id_or_digits_by_those_who_may() {
    use StateCause::{Agent, Supervisor};
    let unknown = |force: bool| if force { Err(PauseError::Unknown("X".to_owned())) } else { Ok("X".to_owned()) };
    for force in [false, true] {
        let w = coded(AgentAction::Alert, force);
        let rules = &w.config.pauses;
        assert_eq!(rules.choose("LUNCH", Agent), Ok("LUNCH".to_owned()));
        assert_eq!(rules.choose("1", Agent), Ok("LUNCH".to_owned()));
        assert_eq!(rules.choose("COACH", Supervisor), Ok("COACH".to_owned()));
        assert_eq!(rules.choose("COACH", Agent), Err(PauseError::Role("COACH".to_owned())));
        assert_eq!(rules.choose("X", Agent), unknown(force));
        for code in SYSTEM_CODES.into_iter().chain(["rna", "MaxPause"]) {
            assert_eq!(rules.choose(code, Supervisor), Err(PauseError::Reserved(code.to_owned())));
        }
    }
    // Who names no good code is not paused, and his phone rings on.
    let mut w = coded(AgentAction::Alert, true);
    w.enqueue(1);
    for code in ["X", "RNA", "COACH"] {
        assert_eq!(pause_as(&mut w, code, Agent), []);
    }
    assert!(w.is("101", AgentStateName::Ringing));
    pause_as(&mut w, "1", Agent);
    assert_eq!(w.state("101"), paused("LUNCH"));
    pause_as(&mut w, "COACH", Supervisor);
    assert_eq!(w.state("101"), paused("COACH"));
    // Without any code all are taken, but the system's own.
    let mut w = world(&["101"]);
    pause_as(&mut w, "whatever", Agent);
    assert_eq!(w.state("101"), paused("whatever"));
    pause_as(&mut w, "RNA", Agent);
    assert_eq!(w.state("101"), paused("whatever"));
}

#[test]
fn f10_a_pause_that_is_too_long_is_told_and_ended_as_its_code_says() {
    let rows = [
        (AgentAction::Alert, paused("LUNCH")),
        (AgentAction::Ready, (AgentStateName::Ready, None, None)),
        (AgentAction::Pause, paused("MAXPAUSE")),
        (AgentAction::Logout, (AgentStateName::Offline, Some("MAXPAUSE".to_owned()), None)),
    ];
    for (action, then) in rows {
        let mut w = coded(action, false);
        let out = w.pause("101");
        assert!(matches!(kinds(&out)[..], [Kind::AgentState { left_ms: Some(60_000), .. }]));
        w.pass(40.0);
        // Saying it again gives no more time.
        assert_eq!(w.pause("101"), []);
        let out = w.pass(3_600.0);
        let over: Vec<f64> = out
            .iter()
            .filter(|(_, o)| matches!(o, Output::Journal { kind: Kind::PauseOver { .. }, .. }))
            .map(|(at, _)| *at)
            .collect();
        assert_eq!(over, [60.0], "{action:?}: told once");
        let wanted = Kind::PauseOver { code: "LUNCH".to_owned(), max_ms: 60_000, action };
        assert!(out.iter().any(|(_, o)| matches!(o, Output::Journal { kind, .. } if *kind == wanted)));
        assert_eq!(w.state("101"), then, "{action:?}");
        // A phone that comes anew changes nothing; a human does.
        w.reachable("101", false);
        w.reachable("101", true);
        assert_eq!(w.state("101"), then, "{action:?}");
        w.want("101", Wish::Ready);
        assert_eq!(w.state("101"), (AgentStateName::Ready, None, None));
    }
}

/// What a human chose while he was in a call of his own wins over the rule.
#[test]
fn f10_a_human_choice_wins_over_the_rule() {
    for (action, wish, then) in [
        (AgentAction::Ready, Wish::Logout, AgentStateName::Offline),
        (AgentAction::Logout, Wish::Ready, AgentStateName::Ready),
    ] {
        let mut w = coded(action, false);
        w.pause("101");
        w.input(Input::OwnCall { agent: "101".into(), call: call(90), rings: false });
        w.want("101", wish);
        w.pass(100.0);
        w.input(Input::OwnCallEnded { agent: "101".into(), call: call(90) });
        assert!(w.is("101", then), "{action:?}: {:?}", w.state("101"));
    }
    // flex#290: logged out stays logged out, whatever registers or is loaded anew.
    let mut w = coded(AgentAction::Ready, false);
    w.pause("101");
    w.want("101", Wish::Logout);
    w.pass(100.0);
    w.reachable("101", true);
    w.apply();
    assert_eq!(w.state("101"), (AgentStateName::Offline, None, None));
}

/// streams#613, #241, #292: what is pending is shown, comes at the end of the wrap-up, never with `ready` in between, and
/// the last word counts.
#[test]
fn f10_a_pending_pause_comes_at_the_end_of_the_wrap_up() {
    let mut w = coded(AgentAction::Alert, true);
    w.enqueue(1);
    w.answer(1);
    w.want("101", Wish::Logout);
    pause_as(&mut w, "1", StateCause::Agent);
    pause_as(&mut w, "X", StateCause::Agent);
    assert_eq!(w.state("101").2.as_deref(), Some("paused:LUNCH"), "what is refused changes nothing");
    w.talk_ended("101", 1);
    assert_eq!(w.state("101"), (AgentStateName::WrapUp, None, Some("paused:LUNCH".to_owned())));
    w.enqueue(2);
    let out: Vec<Output> = w.pass(10.0).into_iter().map(|(_, o)| o).collect();
    assert!(
        matches!(kinds(&out)[..], [Kind::AgentState { state: AgentStateName::Paused, left_ms: Some(60_000), .. }]),
        "its time counts from now: {out:?}"
    );
    assert_eq!(w.state("101"), paused("LUNCH"));
}

/// Edits hold for pauses that run, counted from their begin.
#[test]
fn f10_a_reload_changes_the_longest_time_of_a_pause_that_runs() {
    let mut w = coded(AgentAction::Ready, false);
    w.pause("101");
    w.pass(30.0);
    w.config.pauses.codes.get_mut("LUNCH").unwrap().max = Some(Duration::from_secs(90));
    w.apply();
    w.pass(59.0);
    assert_eq!(w.state("101"), paused("LUNCH"));
    w.config.pauses.codes.get_mut("LUNCH").unwrap().max = Some(Duration::from_secs(10));
    w.apply();
    w.pass(0.0);
    assert!(w.is("101", AgentStateName::Ready), "too long already");
    w.pause("101");
    w.config.pauses.codes.clear();
    w.apply();
    assert_eq!(w.pass(1_000.0), []);
}
