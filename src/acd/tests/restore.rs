//! Agents after a restart.

use super::*;
use crate::acd::config::PauseCode;
use crate::acd::{Former, FormerState, Interrupted};
use crate::journal::AgentAction;

fn former(agent: &str, state: FormerState) -> Former {
    Former { agent: agent.into(), calls: 7, talk_ms: 90_000, missed: [1, 0, 0, 2, 0], state }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// 101 to 104, with fixed phones but 104; LUNCH may last a minute.
fn restarted(agents: Vec<Former>) -> World {
    let mut w = world(&["101", "102", "103"]);
    let phone = AgentConfig { contact: None, auto_ready: false, ..person("104", &[], &[SUPPORT]) };
    w.config.agents.insert("104".into(), phone);
    let lunch = PauseCode { max: Some(seconds(60)), after_max: AgentAction::Ready, ..PauseCode::new("LUNCH") };
    w.config.pauses.codes = [(lunch.id.clone(), lunch)].into();
    w.apply();
    w.floor.restore(w.now, agents, Vec::new());
    w.drain();
    w
}

#[test]
fn f12_each_agent_is_after_a_restart_what_he_was_before() {
    let mut w = restarted(vec![
        former("101", FormerState::Paused { code: "LUNCH".to_owned(), since: seconds(45) }),
        former(
            "102",
            FormerState::WrapUp { call: call(9), queue: SUPPORT.into(), since: seconds(5), left: Some(seconds(20)) },
        ),
        former("103", FormerState::Offline { since: seconds(60), logged_out: true }),
        former("104", FormerState::There),
        former("199", FormerState::There),
    ]);
    assert_eq!(w.state("101"), (AgentStateName::Paused, Some("LUNCH".to_owned()), None));
    assert!(w.is("102", AgentStateName::WrapUp) && w.is("103", AgentStateName::Offline));
    assert!(w.is("104", AgentStateName::Unreachable), "his phone is not there yet");
    assert_eq!(offers(&w.enqueue(1)), []);
    assert_eq!(offers(&w.reachable("104", true)), offer(1, 1, "104"), "without auto_ready, as he was there");
    w.pass(14.9);
    assert!(w.is("101", AgentStateName::Paused));
    w.pass(0.1);
    assert!(!w.is("101", AgentStateName::Paused), "a minute in all");
    w.pass(5.0);
    assert!(!w.is("102", AgentStateName::WrapUp), "20 s of it were left");
    w.pass(1_000.0);
    w.reachable("103", true);
    assert!(w.is("103", AgentStateName::Offline), "he was logged out");
    let view = w.floor.agent(&"101".into()).unwrap();
    assert_eq!(view.misses.shift[3], 2, "the shift goes on");
}

/// Callers and talk of the shift decide as if nothing had happened; a night offline ends the shift, also over a restart.
#[test]
fn figures_of_the_shift_survive_a_restart_but_not_a_night() {
    for (hours, then) in [(3, "102"), (4, "101")] {
        let away = FormerState::Offline { since: seconds(hours * 3_600), logged_out: true };
        let mut w = world(&["101", "102"]);
        w.queue(SUPPORT).strategy = crate::acd::config::Strategy::FewestCalls;
        w.apply();
        let other = Former { calls: 3, ..former("102", FormerState::There) };
        w.floor.restore(w.now, vec![former("101", away), other], Vec::new());
        w.drain();
        w.want("101", Wish::Ready);
        assert_eq!(offers(&w.enqueue(1))[0].2, then, "after {hours} h");
    }
}

/// Who calls again within five minutes of a failure is where he was, whatever the queue says of those who hang up; once, and
/// nobody without a number.
#[test]
fn who_waited_when_the_node_failed_and_calls_again_has_his_place() {
    let mut w = world(&["101"]);
    w.input(Input::OwnCall { agent: "101".into(), call: call(90), rings: false });
    let waited =
        |number: &str, s: u64| Interrupted { queue: SUPPORT.into(), number: number.to_owned(), since: seconds(s) };
    w.floor.restore(w.now, Vec::new(), vec![waited("0551", 40), waited("0552", 90), waited("0553", 20)]);
    let comes = |w: &mut World, n: u64, number: Option<&str>| {
        w.known(n, number, None);
        w.floor.position(call(n)).unwrap()
    };
    w.pass(10.0);
    assert_eq!(comes(&mut w, 1, None), 1);
    assert_eq!(comes(&mut w, 2, Some("0551")), 1);
    assert_eq!(comes(&mut w, 3, Some("0552")), 1);
    assert_eq!(comes(&mut w, 4, Some("0551")), 4, "one place for one caller");
    w.pass(290.5);
    assert_eq!(comes(&mut w, 5, Some("0553")), 5, "too late");
}
