//! F12: phones that are lost and come back.

use super::*;
use crate::acd::config::WrapUpMode;

/// Agents whose phones register.
fn registering(agents: &[&str]) -> World {
    let mut w = World::new(FloorConfig::default());
    w.queue(SUPPORT).wrap_up = Duration::from_secs(40);
    for id in agents {
        let agent = AgentConfig { contact: None, ..person(id, &[], &[SUPPORT]) };
        w.config.agents.insert((*id).into(), agent);
    }
    w.apply();
    for id in agents {
        w.reachable(id, true);
    }
    w
}

fn lose(w: &mut World, agent: &str) -> Vec<Output> {
    w.input(Input::PhoneLost { agent: agent.into() })
}

fn lagged() -> (AgentStateName, Option<String>, Option<String>) {
    (AgentStateName::Unreachable, Some("LAGGED".to_owned()), None)
}

/// fusionpbx#2831: no offer goes to a phone that is lost; after the grace it shows, and with the phone his state and his
/// place among the idle are back.
#[test]
fn f12_a_lost_phone_gets_no_offer_and_is_missed_after_the_grace() {
    for grace_s in [15, 0, 40] {
        let mut w = registering(&["101", "102"]);
        w.config.grace = Duration::from_secs(grace_s);
        w.apply();
        assert_eq!(lose(&mut w, "101"), [], "nobody misses him yet");
        assert_eq!(offers(&w.enqueue(1)), offer(1, 1, "102"), "no offer in the grace");
        if grace_s > 0 {
            w.pass(grace_s as f64 - 0.1);
            assert!(w.is("101", AgentStateName::Ready));
        }
        w.pass(0.1);
        assert_eq!(w.state("101"), lagged());
        w.enqueue(2);
        assert!(w.is("101", AgentStateName::Unreachable));
        w.input(Input::Leave { call: call(2) });
        w.input(Input::Leave { call: call(1) });
        w.reachable("101", true);
        assert_eq!(w.state("101"), (AgentStateName::Ready, None, None));
        let out = w.enqueue(3);
        assert_eq!(offers(&out)[0].2, "101", "still the longest idle");
    }
}

/// A phone that is back within the grace was never away; one that signs off is gone at once, and lags no more.
#[test]
fn f12_a_phone_that_is_back_in_time_was_never_away() {
    let mut w = registering(&["101"]);
    lose(&mut w, "101");
    w.pass(14.9);
    w.enqueue(1);
    assert_eq!(offers(&w.reachable("101", true)), offer(1, 1, "101"), "who waits is served at once");
    assert_eq!(lose(&mut w, "101"), [], "it may ring on: the phone may still answer");
    w.answer(1);
    w.pass(15.0);
    assert!(w.is("101", AgentStateName::Busy), "a talk goes on");
    w.talk_ended("101", 1);
    assert_eq!(w.state("101"), lagged());

    let mut w = registering(&["101"]);
    lose(&mut w, "101");
    w.reachable("101", false);
    assert_eq!(w.state("101"), (AgentStateName::Unreachable, None, None));
    assert_eq!(w.pass(100.0), []);
    assert_eq!(lose(&mut w, "101"), [], "there was none to lose");
    assert_eq!(w.pass(100.0), []);
}

/// A pause stays a pause, a wrap-up keeps what is left of its time, and what was asked for meanwhile holds.
#[test]
fn f12_a_new_registration_restores_the_prior_state() {
    let mut w = registering(&["101"]);
    w.pause("101");
    lose(&mut w, "101");
    w.pass(100.0);
    assert_eq!(w.state("101"), lagged());
    w.reachable("101", true);
    assert_eq!(w.state("101"), (AgentStateName::Paused, Some("LUNCH".to_owned()), None));

    w.want("101", Wish::Ready);
    w.enqueue(1);
    w.answer(1);
    w.talk_ended("101", 1);
    w.pass(5.0);
    lose(&mut w, "101");
    w.pass(20.0);
    assert_eq!(w.state("101"), lagged());
    let out = w.reachable("101", true);
    assert!(
        matches!(kinds(&out)[..], [Kind::AgentState { state: AgentStateName::WrapUp, left_ms: Some(15_000), .. }]),
        "{out:?}"
    );
    w.pass(15.0);
    assert!(w.is("101", AgentStateName::Ready));

    // Without an end of its own it is still there, and a human ends it meanwhile.
    w.queue(SUPPORT).wrap_up_mode = WrapUpMode::Optional;
    w.apply();
    w.enqueue(2);
    w.answer(2);
    w.want("101", Wish::WrapUp);
    w.talk_ended("101", 2);
    lose(&mut w, "101");
    w.pass(1_000.0);
    w.reachable("101", true);
    assert!(w.is("101", AgentStateName::WrapUp));
    lose(&mut w, "101");
    w.pass(15.0);
    w.want("101", Wish::Logout);
    w.reachable("101", true);
    assert!(w.is("101", AgentStateName::Offline));
}
