//! Acceptance rows F03 and F05: several agents rung for one caller, and exactly one answer that counts.

use super::super::config::Strategy;
use super::*;

/// A queue that rings all, with agents 101 to 104 who are ready in this order.
fn four(strategy: Strategy) -> World {
    let mut w = world(&["101", "102", "103", "104"]);
    w.queue(SUPPORT).strategy = strategy;
    w.apply();
    w
}

/// The agents offered in these outputs, with the number of their caller.
fn rung(out: &[Output]) -> Vec<(u64, String)> {
    let number = |id: CallId| (0..100).find(|n| call(*n) == id).unwrap();
    offers(out).into_iter().map(|(_, call, agent)| (number(call), agent)).collect()
}

fn agents(caller: u64, agents: &[&str]) -> Vec<(u64, String)> {
    agents.iter().map(|agent| (caller, (*agent).to_owned())).collect()
}

fn withdrawals(out: &[Output]) -> Vec<u64> {
    out.iter().filter_map(|o| if let Output::Withdraw { offer } = o { Some(offer.0) } else { None }).collect()
}

fn idle_since(w: &World, agent: &str) -> Instant {
    w.floor.agent(&agent.into()).unwrap().idle_since
}

#[test]
fn f03_of_two_answers_one_counts_and_the_others_lose_nothing() {
    let mut w = four(Strategy::RingAll);
    w.pass(7.0);
    let idle = idle_since(&w, "101");
    assert_eq!(rung(&w.enqueue(1)), agents(1, &["101", "102", "103", "104"]));
    w.pass(5.0);
    let out = w.answer(3);
    assert!(out.iter().any(|o| matches!(o, Output::Connect { offer: OfferId(3), .. })));
    assert_eq!(withdrawals(&out), [1, 2, 4]);
    use OfferResult::{Accepted, LostRace};
    assert_eq!(ended(&out), [Accepted, LostRace, LostRace, LostRace]);
    // The second 200 is on its way already: acknowledged and ended, and that is all.
    assert_eq!(w.answer(1), [Output::Discard { offer: OfferId(1) }]);
    for agent in ["101", "102", "104"] {
        let view = w.floor.agent(&agent.into()).unwrap();
        assert_eq!((view.state, view.misses.row, view.delayed_until), (AgentStateName::Ready, [0; 5], None));
    }
    assert_eq!(idle_since(&w, "101"), idle, "his idle rank is kept");
    assert_eq!(rung(&w.enqueue(2)), agents(2, &["101", "102", "104"]));
}

#[test]
fn f03_a_caller_who_hangs_up_stops_all_his_rings_and_costs_nobody_his_rank() {
    let mut w = four(Strategy::RingAll);
    w.enqueue(1);
    w.pass(5.0);
    let out = w.input(Input::Leave { call: call(1) });
    assert_eq!(withdrawals(&out), [1, 2, 3, 4]);
    assert!(ended(&out).iter().all(|result| *result == OfferResult::CallerGone));
    assert_eq!(rung(&w.enqueue(2)), agents(2, &["101", "102", "103", "104"]), "the order of the idle is the same");
}

/// Each agent who let a whole round ring has missed one ring; who refused has not.
#[test]
fn f03_a_missed_round_counts_for_each_who_let_it_ring() {
    let mut w = four(Strategy::RingAll);
    w.queue(SUPPORT).exclude_agent = Duration::ZERO;
    w.apply();
    w.enqueue(1);
    w.pass(3.0);
    assert_eq!(rung(&w.fail(2, OfferResult::Rejected)), [], "the others ring on");
    let out = w.pass(12.0);
    let results: Vec<OfferResult> = out.iter().flat_map(|(_, o)| ended(std::slice::from_ref(o))).collect();
    assert_eq!(results, [OfferResult::NoAnswer; 3]);
    // After the delay of 10 s they ring again; the second time in a row is once too often.
    w.pass(10.0);
    assert_eq!(rung(&w.log)[4..], agents(1, &["101", "103", "104"]));
    w.pass(15.0);
    for (agent, state) in [("101", "paused"), ("102", "ringing"), ("103", "paused"), ("104", "paused")] {
        assert_eq!(w.state(agent).0.as_str(), state, "{agent}");
    }
}

/// Who becomes free goes to a caller without a ring; only when there is none does he join one that runs.
#[test]
fn f05_ring_all_takes_all_who_are_free_and_the_next_caller_those_who_become_free() {
    let mut w = four(Strategy::RingAll);
    w.pause("103");
    w.pause("104");
    assert_eq!(rung(&w.enqueue(1)), agents(1, &["101", "102"]));
    assert_eq!(rung(&w.enqueue(2)), []);
    assert_eq!(rung(&w.want("103", Wish::Ready)), agents(2, &["103"]));
    let out = w.want("104", Wish::Ready);
    assert_eq!(rung(&out), agents(1, &["104"]), "nobody waits without a ring: he joins the first");
    assert_eq!(why(&out).beside, 2);
    // Both who lost the race for the first caller ring for the second now.
    assert_eq!(rung(&w.answer(1)), agents(2, &["102", "104"]));
}

#[test]
fn f05_ring_all_rings_no_more_phones_than_ring_max() {
    let mut w = four(Strategy::RingAll);
    w.queue(SUPPORT).ring_max = 2;
    w.apply();
    assert_eq!(rung(&w.enqueue(1)), agents(1, &["101", "102"]));
    assert_eq!(rung(&w.enqueue(2)), agents(2, &["103", "104"]));
    w.input(Input::Leave { call: call(2) });
    assert_eq!(rung(&w.fail(1, OfferResult::Busy)), agents(1, &["103"]), "one place is free");
    w.queue(SUPPORT).ring_max = 3;
    assert_eq!(rung(&w.apply()), agents(1, &["104"]), "a reload reaches the round that runs");
}

#[test]
fn f05_progressive_ring_all_adds_one_agent_after_each_delay() {
    let mut w = four(Strategy::RingProgressive);
    (w.queue(SUPPORT).ring_progressive_delay, w.queue(SUPPORT).ring_timeout) =
        (Duration::from_secs(4), Duration::from_secs(60));
    w.apply();
    w.pause("104");
    let start = offers(&w.enqueue(1)).len();
    assert_eq!(start, 1);
    let out = w.pass(20.0);
    assert_eq!(timed(&out), [(4.0, 2, "102".to_owned()), (8.0, 3, "103".to_owned())]);
    // His turn to take one more has come; 104 is the next who becomes free.
    assert_eq!(rung(&w.want("104", Wish::Ready)), agents(1, &["104"]));
    let out = w.answer(2);
    assert_eq!((withdrawals(&out), ended(&out).len()), (vec![1, 3, 4], 4));
    assert_eq!(w.floor.poll_timeout(), None, "no deadline is left");
}

/// One who refuses while another rings is not replaced before the delay; after the last one the next rings at once.
#[test]
fn f05_progressive_ring_all_goes_on_at_once_when_nobody_rings_any_more() {
    let mut w = four(Strategy::RingProgressive);
    assert_eq!(rung(&w.enqueue(1)), agents(1, &["101"]));
    assert_eq!(rung(&w.fail(1, OfferResult::Rejected)), agents(1, &["102"]));
    assert_eq!(timed(&w.pass(10.0)), [(10.0, 3, "103".to_owned())]);
    assert_eq!(rung(&w.fail(2, OfferResult::Busy)), []);
    assert_eq!(timed(&w.pass(9.5)), []);
    assert_eq!(timed(&w.pass(0.5)), [(20.0, 4, "104".to_owned())]);
}

/// The turn goes by the one order across all queues, whatever their strategies.
#[test]
fn f05_a_caller_without_a_ring_comes_before_one_more_ring_for_another_in_any_queue() {
    let mut w = four(Strategy::RingAll);
    w.queue("vip").strategy = Strategy::LongestIdle;
    for agent in w.config.agents.values_mut() {
        agent.queues.insert("vip".into());
    }
    w.apply();
    w.enqueue(1);
    w.pass(1.0);
    assert_eq!(rung(&w.enqueue_to(2, "vip", &[], 0)), []);
    let out = w.answer(1);
    assert_eq!(rung(&out), agents(2, &["102"]));
    w.enqueue(3);
    assert_eq!(rung(&w.log).last(), agents(3, &["104"]).last(), "the rest ring for the next");
}

/// A change of the strategy ends no ring; those who ring too many go on until they end.
#[test]
fn f05_a_reload_from_ring_all_lets_the_rings_run_and_adds_none() {
    let mut w = four(Strategy::RingAll);
    w.pause("104");
    w.enqueue(1);
    w.queue(SUPPORT).strategy = Strategy::LongestIdle;
    let out = w.apply();
    assert!(withdrawals(&out).is_empty() && rung(&out).is_empty());
    assert_eq!(rung(&w.want("104", Wish::Ready)), []);
    let out = w.answer(2);
    assert_eq!(withdrawals(&out), [1, 3]);
}

/// A reload neither shortens nor begins anew the time after which one more agent rings.
#[test]
fn f05_a_reload_leaves_the_delay_of_progressive_ring_all_as_it_runs() {
    let mut w = four(Strategy::RingProgressive);
    (w.queue(SUPPORT).ring_progressive_delay, w.queue(SUPPORT).ring_timeout) =
        (Duration::from_secs(4), Duration::from_secs(60));
    for agent in ["102", "103", "104"] {
        w.pause(agent);
    }
    w.apply();
    assert_eq!(rung(&w.enqueue(1)), agents(1, &["101"]));
    w.pass(3.0);
    assert_eq!(rung(&w.apply()), []);
    assert_eq!(rung(&w.want("102", Wish::Ready)), [], "the delay still runs");
    assert_eq!(timed(&w.pass(1.0)), [(4.0, 2, "102".to_owned())]);
    // The next one is due while nobody is free: a reload does not make him due later.
    w.pass(5.0);
    assert_eq!(rung(&w.apply()), []);
    assert_eq!(rung(&w.want("103", Wish::Ready)), agents(1, &["103"]));
}
