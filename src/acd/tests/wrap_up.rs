//! F09: the work after a talk.

use super::*;
use crate::acd::config::WrapUpMode;

/// A queue of this mode with 20 s, at most 60 s, and one agent; caller 1 talks with him.
fn talking(mode: WrapUpMode) -> World {
    let mut w = world(&["101"]);
    let queue = w.queue(SUPPORT);
    (queue.wrap_up_mode, queue.wrap_up) = (mode, seconds(20));
    queue.wrap_up_max = seconds(60);
    w.apply();
    w.enqueue(1);
    w.answer(1);
    w
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// How long from now on until he is ready by himself; `None` = never.
fn wraps_up_for(w: &mut World) -> Option<f64> {
    if w.is("101", AgentStateName::Ready) {
        return Some(0.0);
    }
    assert!(w.is("101", AgentStateName::WrapUp));
    let shown = w.floor.agent(&"101".into()).unwrap().until;
    let since = w.now;
    while w.is("101", AgentStateName::WrapUp) {
        let at = w.floor.poll_timeout()?;
        w.now = at;
        w.floor.handle_timeout(at);
        w.drain();
    }
    assert_eq!(shown, Some(w.now), "it ends when it says");
    Some((w.now - since).as_secs_f64())
}

/// The five modes: what follows a talk when nobody asks, and when the agent asked in the talk, right after it, or too late.
#[test]
fn f09_each_mode_gives_its_wrap_up() {
    use WrapUpMode::*;
    let rows = [
        (None, Some(0.0), Some(0.0)),
        (Optional, Some(0.0), Option::None),
        (OptionalTimed, Some(0.0), Some(20.0)),
        (Timed, Some(20.0), Some(20.0)),
        (Discretionary, Some(60.0), Some(60.0)),
    ];
    for (mode, unasked, asked) in rows {
        let mut w = talking(mode);
        w.talk_ended("101", 1);
        assert_eq!(wraps_up_for(&mut w), unasked, "{mode:?}: nobody asks");

        let mut w = talking(mode);
        w.want("101", Wish::WrapUp);
        let is_optional = matches!(mode, Optional | OptionalTimed);
        assert_eq!(w.state("101").2, is_optional.then(|| "wrap_up".to_owned()), "{mode:?}");
        w.talk_ended("101", 1);
        assert_eq!(wraps_up_for(&mut w), asked, "{mode:?}: asked in the talk");

        // Asked and taken back.
        let mut w = talking(mode);
        w.want("101", Wish::WrapUp);
        w.want("101", Wish::FinishWrapUp);
        w.talk_ended("101", 1);
        assert_eq!(wraps_up_for(&mut w), unasked, "{mode:?}: taken back");

        // Whoever wraps up is ready as soon as somebody says so.
        let mut w = talking(mode);
        w.want("101", Wish::WrapUp);
        w.talk_ended("101", 1);
        w.input(Input::Want { agent: "101".into(), wish: Wish::FinishWrapUp, by: StateCause::Supervisor });
        assert!(w.is("101", AgentStateName::Ready), "{mode:?}");
        assert_eq!(w.pass(3_600.0), [], "{mode:?}: no timer is left");
    }
}

/// Asked for when the talk is over: counted from its end, and only for half a minute.
#[test]
fn f09_an_optional_wrap_up_can_be_asked_for_right_after_the_talk() {
    let mut w = talking(WrapUpMode::OptionalTimed);
    w.talk_ended("101", 1);
    w.pass(5.0);
    w.enqueue(2);
    assert!(w.is("101", AgentStateName::Ringing));
    let out = w.want("101", Wish::WrapUp);
    assert_eq!((withdrawn(&out), ended(&out)), (true, vec![OfferResult::Withdrawn]), "the caller is moved on");
    assert_eq!(timed(&w.pass(30.0)), [(20.0, 3, "101".to_owned())], "15 s are left of the 20");

    for (later_s, then) in [(30.0, AgentStateName::WrapUp), (30.1, AgentStateName::Ready)] {
        let mut w = talking(WrapUpMode::Optional);
        w.talk_ended("101", 1);
        w.pass(later_s);
        w.want("101", Wish::WrapUp);
        assert!(w.is("101", then), "after {later_s} s");
    }

    // What he chose since counts.
    let mut w = talking(WrapUpMode::Optional);
    w.talk_ended("101", 1);
    w.pause("101");
    w.want("101", Wish::WrapUp);
    assert!(w.is("101", AgentStateName::Paused));
    w.want("101", Wish::Ready);
    w.want("101", Wish::WrapUp);
    assert!(w.is("101", AgentStateName::Ready));
}

#[test]
fn f09_the_agent_extends_his_wrap_up_up_to_the_longest() {
    let mut w = talking(WrapUpMode::Timed);
    w.talk_ended("101", 1);
    w.pass(15.0);
    let out = w.want("101", Wish::WrapUp);
    assert!(
        matches!(kinds(&out)[..], [Kind::AgentState { state: AgentStateName::WrapUp, left_ms: Some(25_000), .. }]),
        "{out:?}"
    );
    w.want("101", Wish::WrapUp);
    assert_eq!(w.want("101", Wish::WrapUp), [], "60 s is the longest");
    assert_eq!(wraps_up_for(&mut w), Some(45.0));

    // A cap is not moved.
    let mut w = talking(WrapUpMode::Discretionary);
    w.talk_ended("101", 1);
    w.pass(50.0);
    assert_eq!(w.want("101", Wish::WrapUp), []);
    assert_eq!(wraps_up_for(&mut w), Some(10.0));
}

/// asterisk#1006: a second queue does not shorten it. asterisk#607: an attended transfer does not begin it anew. Neither
/// does a reload, which holds for the next one.
#[test]
fn f09_the_timer_is_the_agents_whatever_else_happens() {
    let mut w = talking(WrapUpMode::Timed);
    let other = w.queue("other");
    other.wrap_up_mode = WrapUpMode::None;
    w.config.agents.insert("101".into(), person("101", &[], &[SUPPORT, "other"]));
    w.apply();
    // He consults somebody and hands the caller over to him.
    let (agent, consulted) = (AgentId::from("101"), call(50));
    w.input(Input::OwnCall { agent: agent.clone(), call: consulted, rings: false });
    w.talk_ended("101", 1);
    let began = w.now;
    w.pass(5.0);
    w.input(Input::OwnCallEnded { agent: agent.clone(), call: consulted });
    assert!(w.is("101", AgentStateName::WrapUp));
    // Told twice, a caller of another queue, a call of his own, a reload.
    w.talk_ended("101", 1);
    w.enqueue_to(2, "other", &[], 0);
    w.input(Input::OwnCall { agent: agent.clone(), call: call(51), rings: false });
    w.input(Input::OwnCallEnded { agent, call: call(51) });
    w.queue(SUPPORT).wrap_up = seconds(3);
    w.apply();
    assert_eq!(timed(&w.pass(30.0)), [((began - w.start).as_secs_f64() + 20.0, 2, "101".to_owned())]);
}

/// What he asked for in the talk comes after the wrap-up that he asked for in it.
#[test]
fn f09_a_wrap_up_comes_before_what_is_pending() {
    let mut w = talking(WrapUpMode::OptionalTimed);
    w.pause("101");
    w.want("101", Wish::WrapUp);
    assert_eq!(w.state("101").2.as_deref(), Some("wrap_up,paused:LUNCH"));
    w.talk_ended("101", 1);
    assert_eq!(w.state("101"), (AgentStateName::WrapUp, None, Some("paused:LUNCH".to_owned())));
    w.pass(20.0);
    assert!(w.is("101", AgentStateName::Paused));
}
