//! Acceptance row F13: nobody is logged in, all are paused, nobody has the skill; each with an action and a time of its own.

use super::super::way::{Lack, NoAgentRule};
use super::*;

fn rule(w: &mut World, queue: &str, lack: Lack, way: Way, after_s: u64) {
    *w.queue(queue).no_agents.of_mut(lack) = NoAgentRule { way, after: Duration::from_secs(after_s) };
}

fn to(queue: &str) -> Way {
    Way::Queue(queue.into())
}

/// Who left by a rule, at which second, how, and where to.
fn lefts(out: &[(f64, Output)]) -> Vec<(f64, CallId, QueueOutcome, Way)> {
    let pick = |(at, o): &(f64, Output)| match o {
        Output::Left { call, outcome, way, .. } => Some((*at, *call, *outcome, way.clone())),
        _ => None,
    };
    out.iter().filter_map(pick).collect()
}

fn moved(out: &[Output]) -> Vec<(CallId, String)> {
    let pick = |o: &Output| match o {
        Output::Moved { call, queue } => Some((*call, queue.to_string())),
        _ => None,
    };
    out.iter().filter_map(pick).collect()
}

fn outputs(out: Vec<(f64, Output)>) -> Vec<Output> {
    out.into_iter().map(|(_, o)| o).collect()
}

/// An agent who logs out, and all rules set: 30 s when nobody is logged in, 60 s when all are paused.
fn staffed() -> World {
    let mut w = world(&["101", "102"]);
    rule(&mut w, SUPPORT, Lack::LoggedIn, Way::HangUp, 30);
    rule(&mut w, SUPPORT, Lack::Awake, Way::Flow("later".to_owned()), 60);
    w.apply();
    w
}

#[test]
fn f13_by_default_callers_wait_whoever_is_there() {
    let mut w = world(&["101"]);
    w.want("101", Wish::Logout);
    w.enqueue(1);
    assert_eq!(w.pass(500.0), []);
    assert_eq!(w.floor.position(call(1)), Some(1));
}

#[test]
fn f13_nobody_logged_in_and_all_paused_are_two_rules_with_a_time_each() {
    let mut w = staffed();
    w.pause("101");
    w.pause("102");
    w.enqueue(1);
    w.pass(50.0);
    w.want("101", Wish::Logout);
    assert_eq!(lefts(&w.pass(5.0)), [], "102 is logged in still: the time of the pause goes on");
    assert_eq!(
        lefts(&w.pass(10.0)),
        [(60.0, call(1), QueueOutcome::AllPaused, Way::Flow("later".to_owned()))],
        "paused is not available"
    );
    w.enqueue(2);
    w.pass(10.0);
    w.want("102", Wish::Logout); // at 75 s: from here on nobody is logged in, for 30 s
    assert_eq!(lefts(&w.pass(40.0)), [(105.0, call(2), QueueOutcome::NoneLoggedIn, Way::HangUp)]);
    let kinds: Vec<&Kind> = kinds(&w.log);
    let diverted = kinds.iter().filter(|k| matches!(k, Kind::Diverted { .. })).count();
    assert_eq!(diverted, 2, "each is written down");
    assert!(
        matches!(kinds[kinds.len() - 2], Kind::Diverted { rule, to, .. } if rule == "when_none_logged_in" && to == "hangup")
    );
}

/// FreeSWITCH counts who is "On Break" as present.
#[test]
fn f13_one_who_works_is_enough_whatever_the_others_do() {
    let mut w = staffed();
    w.pause("101");
    w.enqueue(1);
    w.answer(1); // 102 talks
    w.enqueue(2);
    assert_eq!(lefts(&w.pass(300.0)), []);
    w.talk_ended("102", 1); // finishes his work: still there
    w.pass(5.0);
    w.pause("102"); // at 305 s
    assert_eq!(lefts(&w.pass(59.0)), []);
    w.want("101", Wish::Ready); // comes in the last second: the caller is his
    assert_eq!(offers(&w.log).last().map(|(_, c, a)| (*c, a.clone())), Some((call(2), "101".to_owned())));
    assert_eq!(lefts(&w.pass(10.0)), []);
}

#[test]
fn f13_an_own_call_in_a_pause_makes_nobody_available() {
    let mut w = staffed();
    w.pause("101");
    w.pause("102");
    w.input(Input::OwnCall { agent: "101".into(), call: call(90), rings: false });
    assert!(w.is("101", AgentStateName::Busy));
    w.enqueue(1);
    assert_eq!(lefts(&w.pass(61.0)).len(), 1);
}

#[test]
fn f13_a_phone_that_is_gone_is_no_agent() {
    let mut config = FloorConfig::default();
    config.queues.insert(SUPPORT.into(), quiet(SUPPORT));
    config.agents.insert("101".into(), AgentConfig { contact: None, ..person("101", &[], &[SUPPORT]) });
    let mut w = World::new(config);
    rule(&mut w, SUPPORT, Lack::Awake, Way::HangUp, 10);
    w.apply();
    w.reachable("101", true);
    w.reachable("101", false);
    w.enqueue(1);
    assert_eq!(lefts(&w.pass(20.0)), [(10.0, call(1), QueueOutcome::AllPaused, Way::HangUp)]);
}

#[test]
fn f13_nobody_with_the_skill_at_its_level_is_a_rule_of_its_own() {
    let mut w = world(&["101"]);
    w.config.agents.insert("102".into(), person("102", &[("ar", 4)], &[SUPPORT]));
    w.config.agents.insert("103".into(), person("103", &[("ar", 9)], &[SUPPORT]));
    w.queue("general");
    rule(&mut w, SUPPORT, Lack::Skilled, to("general"), 20);
    rule(&mut w, SUPPORT, Lack::Awake, Way::HangUp, 40);
    w.apply();
    for agent in ["101", "102", "103"] {
        w.pause(agent);
    }
    w.enqueue_to(1, SUPPORT, &["ar>=5"], 0);
    w.pass(10.0);
    w.want("103", Wish::Logout); // at 10 s the only one who could is gone
    w.pass(10.0);
    let out = w.pass(10.0);
    assert_eq!(lefts(&out), []);
    assert_eq!(moved(&outputs(out)), [(call(1), "general".to_owned())], "at 30 s, 20 s after he went");
    w.want("101", Wish::Ready); // not able to: the caller with a need is not his
    w.enqueue_to(2, SUPPORT, &["ar>=5"], 0);
    w.enqueue_to(3, SUPPORT, &["fr?"], 0);
    assert_eq!(offers(&w.log).last().map(|o| o.1), Some(call(3)), "nobody waits for a preference");
    assert_eq!(moved(&outputs(w.pass(25.0))), [(call(2), "general".to_owned())]);
}

#[test]
fn f13_without_a_time_who_comes_does_not_enter_and_who_waits_leaves_at_once() {
    let mut w = world(&["101"]);
    rule(&mut w, SUPPORT, Lack::LoggedIn, Way::HangUp, 0);
    w.apply();
    w.pause("101");
    w.enqueue(1);
    w.want("101", Wish::Logout);
    assert_eq!(lefts(&w.pass(0.0)), [(0.0, call(1), QueueOutcome::NoneLoggedIn, Way::HangUp)]);
    let out = w.enqueue(2);
    assert!(
        matches!(
            &out[..],
            [
                Output::Journal { kind: Kind::Diverted { .. }, .. },
                Output::Journal { kind: Kind::QueueLeft { outcome: QueueOutcome::NoneLoggedIn, wait_ms: 0, .. }, .. },
                Output::Left { outcome: QueueOutcome::NoneLoggedIn, way: Way::HangUp, .. },
            ]
        ),
        "{out:?}"
    );
}

#[test]
fn f13_the_other_queue_counts_the_whole_wait_and_its_own_rules_hold() {
    let mut w = world(&["101"]);
    for (name, agent) in [("b", "201"), ("c", "301")] {
        w.queue(name);
        w.config.agents.insert(agent.into(), person(agent, &[], &[name]));
    }
    rule(&mut w, SUPPORT, Lack::LoggedIn, to("b"), 0);
    rule(&mut w, "b", Lack::LoggedIn, to("c"), 0);
    w.apply();
    for agent in ["101", "201", "301"] {
        w.pause(agent);
    }
    w.enqueue(1);
    w.pass(100.0);
    w.enqueue_to(2, "c", &[], 1); // a minute of priority is less than 100 s of waiting
    w.want("201", Wish::Logout);
    w.want("101", Wish::Logout);
    let out = outputs(w.pass(1.0));
    assert_eq!(moved(&out), [(call(1), "c".to_owned())], "b sends him on before he enters");
    assert_eq!(w.floor.position(call(1)), Some(1), "his wait counts in c");
    let out = w.enqueue(3);
    assert_eq!(moved(&out), [(call(3), "c".to_owned())]);
    let numbers: Vec<u64> = w.served("301").into_iter().map(|(n, _)| n).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn f13_where_no_room_is_he_waits_on_and_goes_when_there_is() {
    let mut w = world(&["101"]);
    w.queue("b").max_waiting = 1;
    rule(&mut w, SUPPORT, Lack::LoggedIn, to("b"), 0);
    w.apply();
    w.want("101", Wish::Logout);
    assert_eq!(moved(&w.enqueue(1)), [(call(1), "b".to_owned())]);
    let out = w.enqueue(2);
    assert!(moved(&out).is_empty() && matches!(kinds(&out)[0], Kind::Queued { position: 1, .. }), "{out:?}");
    assert_eq!(outputs(w.pass(30.0)), [], "he is not asked about again and again");
    w.input(Input::Leave { call: call(1) });
    assert_eq!(moved(&outputs(w.pass(5.0))), [(call(2), "b".to_owned())]);
}

/// Thousands are sent away in portions, all of them soon.
#[test]
fn f13_many_leave_in_portions() {
    let mut w = world(&["101"]);
    rule(&mut w, SUPPORT, Lack::Awake, Way::HangUp, 10);
    w.apply();
    w.pause("101");
    for n in 0..950 {
        w.enqueue(n);
    }
    let left = lefts(&w.pass(10.2));
    assert_eq!(left.len(), 950);
    assert!(left.iter().enumerate().all(|(at, (_, c, ..))| *c == call(at as u64)), "who came first leaves first");
    assert_eq!(left.iter().filter(|(at, ..)| *at < 10.001).count(), 100);
}

#[test]
fn f13_a_reload_changes_the_rule_for_those_who_wait_and_keeps_the_time() {
    let mut w = staffed();
    w.want("101", Wish::Logout);
    w.want("102", Wish::Logout);
    w.enqueue(1);
    w.pass(20.0);
    rule(&mut w, SUPPORT, Lack::LoggedIn, Way::Number("700".to_owned()), 25);
    w.apply();
    let number = Way::Number("700".to_owned());
    assert_eq!(lefts(&w.pass(10.0)), [(25.0, call(1), QueueOutcome::NoneLoggedIn, number)]);
    w.enqueue(2);
    rule(&mut w, SUPPORT, Lack::LoggedIn, Way::Wait, 0);
    w.apply();
    assert_eq!(lefts(&w.pass(100.0)), []);
}
