//! Agents who may have more than one call at a time.

use std::collections::BTreeMap;

use super::*;
use crate::acd::config::{MissRule, Strategy, WrapUpMode};
use crate::acd::preview::Question;
use crate::journal::AgentAction;

/// As `world`, with how many calls each may have.
fn able(agents: &[(&str, u8)]) -> World {
    let ids: Vec<&str> = agents.iter().map(|(id, _)| *id).collect();
    let mut w = world(&ids);
    for (id, capacity) in agents {
        w.may_have(id, *capacity);
    }
    w.apply();
    w
}

impl World {
    fn may_have(&mut self, agent: &str, capacity: u8) {
        self.config.agents.get_mut(agent).unwrap().capacity = capacity;
    }

    /// This caller comes and the one agent who is offered him answers.
    fn talk(&mut self, n: u64) {
        let out = self.enqueue(n);
        let [(offer, _, _)] = offers(&out)[..] else { panic!("{out:?}") };
        self.answer(offer);
    }

    fn own_call(&mut self, agent: &str, n: u64, rings: bool) -> Vec<Output> {
        self.input(Input::OwnCall { agent: agent.into(), call: call(n), rings })
    }

    fn own_call_ended(&mut self, agent: &str, n: u64) -> Vec<Output> {
        self.input(Input::OwnCallEnded { agent: agent.into(), call: call(n) })
    }

    fn hold(&mut self, agent: &str, n: u64, on: bool) -> Vec<Output> {
        self.input(Input::Hold { agent: agent.into(), call: call(n), on })
    }

    fn present(&self, agent: &str) -> Option<CallId> {
        self.floor.agent(&agent.into()).unwrap().call
    }

    fn available(&self) -> u32 {
        self.floor.queue(self.now, &SUPPORT.into()).unwrap().available
    }
}

/// The figures of a talk that ended.
fn talked(out: &[Output]) -> (u64, u64) {
    let figures = |kind: &&Kind| match kind {
        Kind::TalkEnded { talk_ms, hold_ms, .. } => Some((*talk_ms, *hold_ms)),
        _ => None,
    };
    kinds(out).iter().find_map(figures).expect("a talk that ended")
}

#[test]
fn who_may_have_one_call_gets_no_second() {
    let mut w = able(&[("101", 1)]);
    w.talk(1);
    assert_eq!(offers(&w.enqueue(2)), []);
    assert_eq!(w.available(), 0);
}

#[test]
fn who_may_have_two_calls_gets_a_second_and_no_third() {
    let mut w = able(&[("101", 2)]);
    w.talk(1);
    assert_eq!((w.present("101"), w.available()), (Some(call(1)), 1));
    let out = w.enqueue(2);
    assert_eq!(offers(&out), offer(2, 2, "101"));
    assert!(!kinds(&out).iter().any(|kind| matches!(kind, Kind::AgentState { .. })), "he is busy as before");
    assert!(w.is("101", AgentStateName::Busy) && w.available() == 0);
    let out = w.answer(2);
    assert!(out.iter().any(|o| matches!(o, Output::Connect { offer: OfferId(2), .. })));
    assert_eq!(w.present("101"), Some(call(2)), "the one he answered last is the present one");
    assert_eq!(offers(&w.enqueue(3)), []);
    // The first hangs up: there is room again, and no wrap-up in between.
    assert_eq!(offers(&w.talk_ended("101", 1)), offer(3, 3, "101"));
}

#[test]
fn his_phone_rings_for_one_caller_at_a_time() {
    let mut w = able(&[("101", 3)]);
    assert_eq!(offers(&w.enqueue(1)), offer(1, 1, "101"));
    assert_eq!(offers(&w.enqueue(2)), []);
    assert_eq!(offers(&w.answer(1)), offer(2, 2, "101"));
    assert_eq!(offers(&w.enqueue(3)), []);
    assert_eq!(offers(&w.answer(2)), offer(3, 3, "101"));
    w.answer(3);
    assert_eq!(offers(&w.enqueue(4)), []);
}

#[test]
fn the_wrap_up_comes_once_after_the_last_talk_by_its_queue() {
    let mut w = able(&[("101", 2)]);
    w.config.agents.get_mut("101").unwrap().queues.insert("sales".into());
    w.queue("sales").wrap_up = Duration::from_secs(40);
    w.apply();
    w.talk(1);
    w.enqueue_to(2, "sales", &[], 0);
    w.answer(2);
    w.pass(5.0);
    // The present one ends: the other is the present one now.
    let out = w.talk_ended("101", 2);
    assert_eq!(talked(&out), (5_000, 0));
    assert!(
        matches!(kinds(&out)[1], Kind::AgentState { state: AgentStateName::Busy, call: Some(c), .. } if *c == call(1))
    );
    w.pass(1.0);
    assert_eq!(talked(&w.talk_ended("101", 1)), (6_000, 0));
    assert!(w.is("101", AgentStateName::WrapUp) && w.present("101") == Some(call(1)));
    w.pass(9.9);
    assert!(w.is("101", AgentStateName::WrapUp));
    w.pass(0.1);
    assert!(w.is("101", AgentStateName::Ready) && w.floor.is_empty());
}

#[test]
fn a_talk_that_is_not_the_present_one_ends_without_a_trace_on_the_agent() {
    let mut w = able(&[("101", 2)]);
    w.talk(1);
    w.talk(2);
    w.pass(3.0);
    let out = w.talk_ended("101", 1);
    assert!(matches!(kinds(&out)[..], [Kind::TalkEnded { talk_ms: 3_000, .. }]), "{out:?}");
    assert_eq!(w.present("101"), Some(call(2)));
}

#[test]
fn who_has_fewer_calls_comes_first_in_every_strategy() {
    for (_, strategy) in Strategy::WORDS {
        let mut w = able(&[("101", 3), ("102", 3), ("103", 2)]);
        w.queue(SUPPORT).strategy = strategy;
        w.queue(SUPPORT).ring_max = 1;
        w.apply();
        let mut loads = BTreeMap::from([("101".to_owned(), 0), ("102".to_owned(), 0), ("103".to_owned(), 0)]);
        for n in 1..=8 {
            let out = w.enqueue(n);
            let (offer, _, agent) = offers(&out).pop().unwrap();
            let least = loads.values().copied().min().unwrap();
            let had = loads.get_mut(&agent).unwrap();
            assert!(*had == least || (n == 8 && *had == 2), "{strategy:?}: {agent} had {had} calls, least {least}");
            *had += 1;
            w.answer(offer);
        }
        assert_eq!(loads.into_values().collect::<Vec<_>>(), [3, 3, 2]);
        assert_eq!(offers(&w.enqueue(9)), []);
    }
}

#[test]
fn who_has_a_call_is_taken_after_those_of_a_later_pool_and_those_who_lack_preferences() {
    let mut w = able(&[("101", 2), ("102", 1)]);
    w.config.agents.get_mut("101").unwrap().skills.insert("ar".to_owned(), 9);
    w.apply();
    assert_eq!(offers(&w.enqueue_to(1, SUPPORT, &["ar?"], 0)), offer(1, 1, "101"));
    w.answer(1);
    assert_eq!(offers(&w.enqueue_to(2, SUPPORT, &["ar?"], 0)), offer(2, 2, "102"));
    w.answer(2);
    assert_eq!(offers(&w.enqueue_to(3, SUPPORT, &["ar?"], 0)), offer(3, 3, "101"));
}

#[test]
fn ring_all_rings_the_busy_who_have_room_after_the_idle() {
    let mut w = able(&[("101", 2), ("102", 1), ("103", 1)]);
    w.queue(SUPPORT).strategy = Strategy::RingAll;
    w.queue(SUPPORT).ring_max = 2;
    w.apply();
    let first = offers(&w.enqueue(1));
    assert_eq!(first.iter().map(|(.., agent)| agent.as_str()).collect::<Vec<_>>(), ["101", "102"]);
    w.answer(first[0].0);
    let out = w.enqueue(2);
    assert_eq!(offers(&out).iter().map(|(.., agent)| agent.as_str()).collect::<Vec<_>>(), ["102", "103"]);
}

#[test]
fn of_those_with_a_call_who_talked_last_comes_last() {
    let mut w = able(&[("101", 2), ("102", 2)]);
    w.talk(1);
    w.talk(2);
    w.talk(3); // 101, the longer idle one
    w.talk_ended("101", 3);
    assert_eq!(offers(&w.enqueue(4)), offer(4, 4, "102"));
}

#[test]
fn hold_is_counted_for_each_talk_and_shown_when_all_are_held() {
    let mut w = able(&[("101", 2)]);
    w.talk(1);
    w.hold("101", 1, true);
    assert!(w.is("101", AgentStateName::Hold));
    assert_eq!(w.available(), 1, "who has all on hold may have one more");
    w.pass(2.0);
    w.talk(2);
    assert!(w.is("101", AgentStateName::Busy));
    w.pass(3.0);
    w.hold("101", 2, true);
    assert!(w.is("101", AgentStateName::Hold));
    w.pass(4.0);
    w.hold("101", 1, false);
    assert!(w.is("101", AgentStateName::Busy));
    w.pass(1.0);
    // Of a call that is not his nothing is known.
    assert_eq!(w.hold("101", 7, true), []);
    assert_eq!(talked(&w.talk_ended("101", 1)), (10_000, 9_000));
    assert!(w.is("101", AgentStateName::Hold));
    assert_eq!(talked(&w.talk_ended("101", 2)), (8_000, 5_000));
}

#[test]
fn the_delay_after_a_failed_ring_holds_while_he_talks() {
    let mut w = able(&[("101", 2)]);
    w.queue(SUPPORT).exclude_agent = Duration::ZERO;
    w.queue(SUPPORT).rna_threshold = 0;
    w.apply();
    w.talk(1);
    w.enqueue(2);
    let out = w.pass(15.0);
    assert!(out.iter().any(|(at, o)| *at == 15.0 && matches!(o, Output::Withdraw { .. })));
    assert!(w.is("101", AgentStateName::Busy) && w.available() == 0);
    assert_eq!(offers(&w.enqueue(3)), []);
    let preview = w.floor.preview(w.now, &SUPPORT.into(), &Question::default()).unwrap();
    let passed = &preview.passed_over[0];
    assert_eq!((passed.cause.as_str(), passed.free_in_ms), ("busy", Some(10_000)));
    assert_eq!(timed(&w.pass(10.0)), [(25.0, 3, "101".to_owned())]);
}

#[test]
fn a_delay_outlasts_the_talk_when_no_wrap_up_follows() {
    let mut w = able(&[("101", 2)]);
    w.queue(SUPPORT).wrap_up_mode = WrapUpMode::None;
    w.apply();
    w.talk(1);
    w.enqueue(2);
    w.fail(2, OfferResult::Rejected);
    w.pass(1.0);
    w.enqueue(3);
    assert_eq!(offers(&w.talk_ended("101", 1)), []);
    assert!(w.is("101", AgentStateName::Ready));
    assert_eq!(timed(&w.pass(29.0)), [(30.0, 3, "101".to_owned())]);
}

#[test]
fn whoever_says_ready_ends_the_delay_while_he_talks() {
    let mut w = able(&[("101", 2)]);
    w.talk(1);
    w.enqueue(2);
    w.fail(2, OfferResult::Rejected);
    assert_eq!(offers(&w.enqueue(3)), []);
    assert_eq!(offers(&w.want("101", Wish::Ready)), offer(3, 3, "101"));
}

#[test]
fn the_rule_for_missed_rings_waits_for_the_end_of_his_calls() {
    for (action, after) in
        [(AgentAction::Pause, AgentStateName::Paused), (AgentAction::Logout, AgentStateName::Offline)]
    {
        let mut w = able(&[("101", 2)]);
        let queue = w.queue(SUPPORT);
        (queue.rna_threshold, queue.rna_action, queue.wrap_up) = (1, action, Duration::from_secs(5));
        w.apply();
        w.talk(1);
        w.enqueue(2);
        w.pass(15.0);
        let next = if action == AgentAction::Pause { "paused:RNA" } else { "offline" };
        assert_eq!(w.state("101"), (AgentStateName::Busy, None, Some(next.to_owned())));
        assert_eq!(w.available(), 0);
        w.pass(60.0);
        assert_eq!(offers(&w.enqueue(3)), []);
        w.talk_ended("101", 1);
        assert!(w.is("101", AgentStateName::WrapUp));
        w.pass(5.0);
        assert_eq!(w.state("101"), (after, Some("RNA".to_owned()), None));
        // As any agent whom the rule logged out: a phone does not bring him back.
        w.reachable("101", true);
        assert!(w.is("101", after));
    }
}

#[test]
fn a_human_ends_what_the_rule_for_missed_rings_wanted() {
    let mut w = able(&[("101", 2)]);
    w.queue(SUPPORT).on_busy = MissRule { threshold: 1, action: AgentAction::Pause };
    w.apply();
    w.talk(1);
    w.enqueue(2);
    w.fail(2, OfferResult::Busy);
    assert_eq!(w.state("101").2.as_deref(), Some("paused:RNA"));
    assert_eq!(offers(&w.enqueue(3)), []);
    assert_eq!(offers(&w.want("101", Wish::Ready)), offer(3, 3, "101"));
}

#[test]
fn a_wish_while_he_talks_stops_offers_and_withdraws_the_ring() {
    for (wish, after) in
        [(Wish::Pause("LUNCH".to_owned()), AgentStateName::Paused), (Wish::Logout, AgentStateName::Offline)]
    {
        let mut w = able(&[("101", 2)]);
        w.queue(SUPPORT).wrap_up_mode = WrapUpMode::None;
        w.apply();
        w.talk(1);
        w.enqueue(2);
        let out = w.want("101", wish);
        assert!(withdrawn(&out) && ended(&out) == [OfferResult::Withdrawn] && offers(&out).is_empty());
        assert!(w.is("101", AgentStateName::Busy) && w.available() == 0);
        assert_eq!(w.floor.agent(&"101".into()).unwrap().misses.row, [0; 5]);
        w.talk_ended("101", 1);
        assert!(w.is("101", after));
        assert_eq!(w.floor.position(call(2)), Some(1));
    }
}

#[test]
fn who_asked_for_a_wrap_up_gets_no_further_call() {
    let mut w = able(&[("101", 2)]);
    w.queue(SUPPORT).wrap_up_mode = WrapUpMode::OptionalTimed;
    w.apply();
    w.talk(1);
    w.enqueue(2);
    let out = w.want("101", Wish::WrapUp);
    assert!(withdrawn(&out) && offers(&out).is_empty());
    // He needs it no more.
    assert_eq!(offers(&w.want("101", Wish::FinishWrapUp)), offer(3, 2, "101"));
    w.want("101", Wish::WrapUp);
    w.talk_ended("101", 1);
    assert!(w.is("101", AgentStateName::WrapUp));
}

#[test]
fn calls_of_his_own_count() {
    let mut w = able(&[("101", 2)]);
    w.own_call("101", 90, false);
    assert!(w.is("101", AgentStateName::Busy));
    assert_eq!(offers(&w.enqueue(1)), offer(1, 1, "101"));
    w.answer(1);
    assert_eq!(w.present("101"), Some(call(1)));
    assert_eq!(offers(&w.enqueue(2)), []);
    assert_eq!(offers(&w.own_call_ended("101", 90)), offer(2, 2, "101"));
    // One more of his own fills him while it rings for a caller.
    let out = w.own_call("101", 91, false);
    assert!(withdrawn(&out) && ended(&out) == [OfferResult::Withdrawn]);
}

#[test]
fn a_ring_goes_on_beside_an_own_call_that_leaves_room() {
    let mut w = able(&[("101", 2)]);
    w.enqueue(1);
    assert!(!withdrawn(&w.own_call("101", 90, false)));
    assert!(w.is("101", AgentStateName::Busy));
    w.answer(1);
    w.talk_ended("101", 1);
    assert_eq!((w.is("101", AgentStateName::Busy), w.present("101")), (true, Some(call(90))));
    // The wrap-up is there below it, as for everybody.
    assert_eq!(offers(&w.enqueue(2)), []);
    assert_eq!(timed(&w.pass(10.0)), [(10.0, 2, "101".to_owned())]);
}

/// One phone never rings for two.
#[test]
fn while_it_rings_in_an_own_call_no_caller_is_offered() {
    let mut w = able(&[("101", 3)]);
    w.own_call("101", 90, true);
    assert!(w.floor.agent(&"101".into()).unwrap().is_rung);
    assert_eq!(offers(&w.enqueue(1)), []);
    assert_eq!(offers(&w.own_call("101", 90, false)), offer(1, 1, "101"));
    let out = w.own_call("101", 91, true);
    assert!(withdrawn(&out) && offers(&out).is_empty());
    assert_eq!(offers(&w.own_call_ended("101", 91)), offer(2, 1, "101"));
}

#[test]
fn the_last_talk_ends_while_it_rings_and_the_wrap_up_follows_the_next_talk() {
    let mut w = able(&[("101", 2)]);
    w.talk(1);
    w.enqueue(2);
    assert!(!withdrawn(&w.talk_ended("101", 1)));
    assert!(w.is("101", AgentStateName::Ringing) && w.present("101") == Some(call(2)));
    w.answer(2);
    assert!(w.is("101", AgentStateName::Busy));
    w.talk_ended("101", 2);
    assert!(w.is("101", AgentStateName::WrapUp) && w.present("101") == Some(call(2)));
}

#[test]
fn the_last_talk_ends_while_it_rings_in_vain_and_the_wrap_up_follows() {
    let mut w = able(&[("101", 2)]);
    w.talk(1);
    w.enqueue(2);
    w.talk_ended("101", 1);
    w.pass(3.0);
    w.input(Input::Leave { call: call(2) });
    assert!(w.is("101", AgentStateName::WrapUp) && w.present("101") == Some(call(1)));
    w.pass(10.0);
    assert!(w.is("101", AgentStateName::Ready));
    // Unless he says that he is ready.
    w.talk(3);
    w.enqueue(4);
    w.talk_ended("101", 3);
    w.want("101", Wish::Ready);
    w.input(Input::Leave { call: call(4) });
    assert!(w.is("101", AgentStateName::Ready));
}

#[test]
fn reasons_and_preview_show_who_has_room_and_who_is_full() {
    let mut w = able(&[("101", 2), ("102", 1), ("103", 1)]);
    w.pause("103");
    w.talk(1); // 101
    w.talk(2); // 102
    let view = w.floor.queue(w.now, &SUPPORT.into()).unwrap();
    assert_eq!((view.agents_in(AgentStateName::Busy), view.available), (2, 1));
    let preview = w.floor.preview(w.now, &SUPPORT.into(), &Question::default()).unwrap();
    let candidates: Vec<_> = preview.candidates.iter().map(|c| (c.agent.as_str(), c.idle_ms)).collect();
    assert_eq!((candidates, preview.eligible), (vec![("101", 0)], 1));
    let causes = BTreeMap::from([("busy".to_owned(), 1), ("paused".to_owned(), 1)]);
    assert_eq!(preview.causes, causes);
    let why = why(&w.enqueue(3));
    assert_eq!((why.eligible, why.idle_ms, why.passed_over), (1, 0, causes));
}

#[test]
fn who_is_lost_or_unreachable_gets_no_second_call() {
    let mut w = able(&[("101", 2)]);
    w.config.agents.get_mut("101").unwrap().contact = None;
    w.apply();
    w.reachable("101", true);
    w.talk(1);
    w.input(Input::PhoneLost { agent: "101".into() });
    assert_eq!((offers(&w.enqueue(2)), w.available()), (vec![], 0));
    assert_eq!(offers(&w.reachable("101", true)), offer(2, 2, "101"));
    let out = w.reachable("101", false);
    assert!(withdrawn(&out) && w.is("101", AgentStateName::Busy));
}

#[test]
fn a_reload_that_lowers_his_capacity_cuts_nobody() {
    let mut w = able(&[("101", 3)]);
    w.talk(1);
    w.talk(2);
    w.enqueue(3);
    w.may_have("101", 1);
    assert!(!withdrawn(&w.apply()), "what rings rings on");
    w.answer(3);
    assert_eq!(offers(&w.enqueue(4)), []);
    assert_eq!(offers(&w.talk_ended("101", 1)), []);
    assert_eq!(offers(&w.talk_ended("101", 2)), []);
    w.may_have("101", 2);
    assert_eq!(offers(&w.apply()), offer(4, 4, "101"));
}

#[test]
fn who_is_taken_out_of_the_configuration_is_rung_no_more_and_ends_his_talks() {
    let mut w = able(&[("101", 3)]);
    w.talk(1);
    w.talk(2);
    w.enqueue(3);
    w.config.agents.clear();
    assert!(withdrawn(&w.apply()));
    w.talk_ended("101", 2);
    assert!(w.is("101", AgentStateName::Busy));
    w.talk_ended("101", 1);
    assert!(w.floor.agent(&"101".into()).is_none());
}

#[test]
fn a_call_that_is_gone_ends_that_talk_alone() {
    let mut w = able(&[("101", 2)]);
    w.talk(1);
    w.talk(2);
    let out = w.input(Input::CallGone { call: call(2) });
    assert!(matches!(kinds(&out)[..2], [Kind::AgentRepaired { .. }, Kind::TalkEnded { .. }]));
    assert_eq!((w.is("101", AgentStateName::Busy), w.present("101")), (true, Some(call(1))));
}

/// Three served callers of 50 s with 10 s of wrap-up: one agent serves one a minute, one who may have two twice as many.
#[test]
fn an_estimate_counts_one_agent_for_each_call_he_may_have() {
    let wait = |capacity| {
        let mut w = able(&[("101", 1)]);
        for n in 1..=3 {
            w.talk(n);
            w.pass(50.0);
            w.talk_ended("101", n);
            w.pass(10.0);
        }
        w.may_have("101", capacity);
        w.apply();
        (10..10 + u64::from(capacity)).for_each(|n| w.talk(n));
        w.floor.estimate(w.now, &SUPPORT.into(), 0).unwrap().p50
    };
    let (one, two) = (wait(1).as_secs_f64(), wait(2).as_secs_f64());
    assert!((one / two - 2.0).abs() < 1e-9, "{one} against {two}");
}

/// Transfer × room for one more: he has the caller until somebody takes him, and may not be the one.
#[test]
fn who_transfers_a_caller_is_not_offered_him_while_he_has_him() {
    let mut w = able(&[("101", 2)]);
    w.talk(1);
    let transferred = Some(w.now);
    let arrival = Arrival { transferred, ..Arrival::new(call(1), SUPPORT.into()) };
    assert_eq!(offers(&w.arrives(arrival)), [], "he talks with this very caller");
    assert_eq!(offers(&w.enqueue(2)).len(), 1, "another caller is offered, although the first one waits longer");
    w.input(Input::Leave { call: call(2) });
    w.talk_ended("101", 1);
    let out: Vec<Output> = w.pass(10.0).into_iter().map(|(_, o)| o).collect();
    assert_eq!(offers(&out).len(), 1, "after the talk and its wrap-up he may have him");
}
