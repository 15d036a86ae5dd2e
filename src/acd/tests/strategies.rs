//! Acceptance row F05: whom each strategy takes, and who comes first among equals.

use std::collections::BTreeMap;

use super::super::config::Strategy;
use super::*;

/// A queue without wrap-up and four agents whose order in the file is 104, 103, 102, 101.
fn four(strategy: Strategy) -> World {
    let mut w = world(&["101", "102", "103", "104"]);
    (w.queue(SUPPORT).strategy, w.queue(SUPPORT).wrap_up) = (strategy, Duration::ZERO);
    for (position, id) in (0..).zip(["104", "103", "102", "101"]) {
        w.config.agents.get_mut(id).unwrap().position = position;
    }
    w.apply();
    w
}

/// One talk of this agent, while nobody else is ready.
fn work(w: &mut World, agent: &str, caller: u64, seconds: f64) {
    w.want(agent, Wish::Ready);
    let out = w.enqueue(caller);
    w.answer(offers(&out)[0].0);
    w.pass(seconds);
    w.talk_ended(agent, caller);
    w.pause(agent);
}

/// The next callers, each with the agent who is rung for him and the figure that the reason names.
fn rung(w: &mut World, callers: std::ops::Range<u64>) -> Vec<(String, Option<u64>)> {
    let one = |n| {
        let out = w.enqueue(n);
        (offers(&out)[0].2.clone(), why(&out).figure)
    };
    callers.map(one).collect()
}

/// spec/acd.md F05: unit table per strategy incl. ties. 101 and 104 answered two callers, the others one; 103 and 104
/// talked equally long; 103 is idle longest, then 104, 101, 102; 104 was rung last.
#[test]
fn f05_each_strategy_takes_whom_it_says_and_equals_go_by_idle_time() {
    use Strategy::{FewestCalls, LeastTalk, Linear, LongestIdle, RoundRobin};
    let table = [
        (LongestIdle, [("103", None), ("104", None), ("101", None), ("102", None)]),
        (FewestCalls, [("103", Some(1)), ("102", Some(1)), ("104", Some(2)), ("101", Some(2))]),
        (LeastTalk, [("101", Some(10_000)), ("103", Some(20_000)), ("104", Some(20_000)), ("102", Some(60_000))]),
        (Linear, [("104", Some(1)), ("103", Some(2)), ("102", Some(3)), ("101", Some(4))]),
        (RoundRobin, [("103", Some(2)), ("102", Some(3)), ("101", Some(4)), ("104", Some(1))]),
    ];
    for (strategy, wanted) in table {
        let mut w = four(strategy);
        for agent in ["101", "102", "103", "104"] {
            w.pause(agent);
        }
        let talks = [("101", 5.0), ("101", 5.0), ("102", 60.0), ("103", 20.0), ("104", 10.0), ("104", 10.0)];
        for (caller, (agent, seconds)) in (1..).zip(talks) {
            work(&mut w, agent, caller, seconds);
        }
        for agent in ["103", "104", "101", "102"] {
            w.want(agent, Wish::Ready);
        }
        let wanted = wanted.map(|(agent, figure)| (agent.to_owned(), figure));
        assert_eq!(rung(&mut w, 10..14), wanted, "{strategy:?}");
        let out = &w.log;
        assert!(kinds(out).iter().any(|k| matches!(k, Kind::Offered { why, .. } if why.rule == strategy.word())));
    }
}

/// The round goes on after who was rung last, whether he answered or not; who may not be offered is passed over.
#[test]
fn f05_a_round_goes_on_after_a_missed_ring_and_over_a_reload() {
    let mut w = four(Strategy::RoundRobin);
    let out = w.enqueue(1);
    assert_eq!(offers(&out), offer(1, 1, "104"));
    assert_eq!(offers(&w.fail(1, OfferResult::Rejected)), offer(2, 1, "103"));
    w.input(Input::Leave { call: call(1) });
    w.pass(60.0);
    assert_eq!(offers(&w.enqueue(2)), offer(3, 2, "102"));
    // Another agent stands before all others now, and 102, rung last, is gone: 103 was before him, 101 comes next.
    w.config.agents.remove("102");
    w.config.agents.insert("100".into(), person("100", &[], &[SUPPORT]));
    w.apply();
    assert_eq!(offers(&w.log).last(), offer(4, 2, "101").last());
    w.input(Input::Leave { call: call(2) });
    // From the top: 100 and 104 share a place in the file, so their ids decide.
    let names: Vec<String> = rung(&mut w, 3..7).into_iter().map(|(agent, _)| agent).collect();
    assert_eq!(names, ["100", "104", "103", "101"]);
}

/// Each queue has its own strategy, also for an agent who serves several.
#[test]
fn f05_queues_with_different_strategies_share_their_agents() {
    let mut w = four(Strategy::Linear);
    w.queue("vip").strategy = Strategy::LongestIdle;
    for agent in w.config.agents.values_mut() {
        agent.queues.insert("vip".into());
    }
    w.apply();
    assert_eq!(offers(&w.enqueue_to(1, "vip", &[], 0)), offer(1, 1, "101"), "ready first");
    assert_eq!(offers(&w.enqueue(2)), offer(2, 2, "104"), "first in the file");
    assert_eq!(offers(&w.enqueue_to(3, "vip", &[], 0)), offer(3, 3, "102"));
    assert_eq!(offers(&w.enqueue(4)), offer(4, 4, "103"));
}

#[test]
fn f05_a_new_strategy_holds_at_once_for_those_who_wait() {
    let mut w = four(Strategy::LongestIdle);
    w.enqueue_to(1, SUPPORT, &["billing"], 0);
    w.queue(SUPPORT).strategy = Strategy::Linear;
    for agent in w.config.agents.values_mut() {
        agent.skills.insert("billing".to_owned(), 1);
    }
    let out = w.apply();
    assert_eq!(offers(&out), offer(1, 1, "104"), "by idle time it were 101");
    assert_eq!(why(&out).rule, "linear");
}

/// How often each agent is taken in so many decisions, each after the last ring is withdrawn.
fn shares(w: &mut World, decisions: u64) -> BTreeMap<String, i64> {
    let mut shares = BTreeMap::new();
    for n in 0..decisions {
        w.log.clear();
        let out = w.enqueue(n);
        *shares.entry(offers(&out)[0].2.clone()).or_insert(0) += 1;
        w.input(Input::Leave { call: call(n) });
    }
    shares
}

/// Those who were not taken stay in the row: they are as likely as before at the next decision, not likelier.
#[test]
fn f05_random_takes_everyone_alike_and_weighted_by_weight_and_a_replay_chooses_alike() {
    let mut w = four(Strategy::Random);
    let random = shares(&mut w, 4_000);
    assert!(random.len() == 4 && random.values().all(|n| (n - 1_000).abs() < 150), "{random:?}");
    assert_eq!(random, shares(&mut four(Strategy::Random), 4_000));
    let weighted = || {
        let mut w = four(Strategy::Weighted);
        for (id, weight) in [("101", 2), ("102", 3), ("103", 4)] {
            w.config.agents.get_mut(id).unwrap().weights.insert(SUPPORT.into(), weight);
        }
        w.apply();
        shares(&mut w, 4_000)
    };
    let shares = weighted();
    for (id, share) in [("101", 800), ("102", 1_200), ("103", 1_600), ("104", 400)] {
        assert!((shares[id] - share).abs() < 150, "{shares:?}");
    }
    assert_eq!(shares, weighted());
}

/// A shift ends when the agent has been offline for four hours; until then his calls count.
#[test]
fn f05_calls_and_talk_are_those_of_the_shift() {
    let mut w = four(Strategy::FewestCalls);
    for agent in ["102", "103", "104"] {
        w.want(agent, Wish::Logout);
    }
    for caller in 1..3 {
        let out = w.enqueue(caller);
        w.answer(offers(&out)[0].0);
        w.talk_ended("101", caller);
    }
    w.want("101", Wish::Logout);
    w.pass(4.0 * 3_600.0 - 1.0);
    w.want("101", Wish::Ready);
    assert_eq!(rung(&mut w, 3..4), [("101".to_owned(), Some(2))], "away over noon");
    w.want("101", Wish::Logout);
    w.input(Input::Leave { call: call(3) });
    w.pass(4.0 * 3_600.0);
    w.want("101", Wish::Ready);
    assert_eq!(rung(&mut w, 4..5), [("101".to_owned(), Some(0))], "a new day");
}
