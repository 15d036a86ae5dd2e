//! Acceptance row F15: who is called back keeps his place, and never more are called than agents are free.

use super::*;
use crate::acd::Callback;

/// He has waited for `waited` seconds, and is called back.
fn kept(w: &mut World, n: u64, waited: f64, customer_first: bool) -> Vec<Output> {
    let transferred = w.now.checked_sub(Duration::from_secs_f64(waited));
    let (number, callback) = (Some(format!("05{n:02}")), Some(Callback { customer_first, ring_s: 45, again: false }));
    w.arrives(Arrival { transferred, number, callback, ..Arrival::new(call(n), SUPPORT.into()) })
}

fn begins(out: &[Output], n: u64) -> bool {
    out.iter().any(|o| matches!(o, Output::CallBack { call: begun } if *begun == call(n)))
}

#[test]
fn f15_who_is_called_back_stands_where_he_would_have_stood_on_the_line() {
    let mut w = world(&["101"]);
    w.pause("101");
    w.pass(200.0);
    w.enqueue(1);
    w.pass(10.0);
    // He came 5 s before the first, hung up, and asked to be called back now; another came 5 s after the first.
    kept(&mut w, 2, 15.0, false);
    let out = kept(&mut w, 3, 5.0, false);
    assert!(matches!(kinds(&out)[0], Kind::Queued { position: 3, callback: true, .. }), "{out:?}");
    w.pass(1.0);
    w.enqueue(4);
    let order: Vec<u64> = w.served("101").into_iter().map(|(n, _)| n).collect();
    assert_eq!(order, [2, 1, 3, 4]);
}

#[test]
fn f15_agent_first_the_call_begins_with_the_offer_and_is_answered_as_any() {
    let mut w = world(&["101", "102"]);
    w.pause("102");
    let out = kept(&mut w, 1, 60.0, false);
    let at = |wanted: &dyn Fn(&Output) -> bool| out.iter().position(wanted).unwrap();
    let offered = |o: &Output| matches!(o, Output::Journal { kind: Kind::Offered { .. }, .. });
    assert!(at(&|o| matches!(o, Output::CallBack { .. })) < at(&offered), "what is written of the offer follows");
    assert_eq!(offers(&out), offer(1, 1, "101"));
    // He does not answer: it is another one's turn, by a call that has begun.
    w.fail(1, OfferResult::NoAnswer);
    let out = w.want("102", Wish::Ready);
    assert_eq!((offers(&out), begins(&out, 1)), (offer(2, 1, "102"), true));
    let out = w.answer(2);
    assert!(out.iter().any(|o| matches!(o, Output::Connect { call: with, .. } if *with == call(1))), "{out:?}");
    assert!(w.is("102", AgentStateName::Busy));
}

#[test]
fn f15_customer_first_reserves_one_agent_and_rings_him_when_the_customer_is_there() {
    let mut w = world(&["101", "102"]);
    w.queue(SUPPORT).strategy = super::super::config::Strategy::RingAll;
    w.apply();
    let out = kept(&mut w, 1, 60.0, true);
    assert_eq!((offers(&out), begins(&out, 1)), (offer(1, 1, "101"), true), "one, though all ring at once here");
    assert!(w.is("101", AgentStateName::Ringing) && w.is("102", AgentStateName::Ready));
    w.pass(20.0);
    let out = w.input(Input::Reached { call: call(1) });
    let rung = offers(&out);
    assert_eq!(rung[0], (1, call(1), "101".to_owned()), "the same offer: his phone rings now");
    assert_eq!(rung.len(), 2, "and now all ring");
    // 15 s from now, not from when he was reserved.
    let out = w.pass(14.9);
    assert!(timed(&out).is_empty() && w.is("101", AgentStateName::Ringing));
    w.answer(1);
    assert!(w.is("101", AgentStateName::Busy) && w.is("102", AgentStateName::Ready));
}

#[test]
fn f15_a_customer_who_is_not_to_be_had_costs_no_agent_anything() {
    let mut w = world(&["101", "102"]);
    w.pass(5.0);
    kept(&mut w, 1, 60.0, true);
    let before = w.floor.agent(&"101".into()).unwrap().idle_since;
    w.pass(10.0);
    w.input(Input::LeaveAs { call: call(1), outcome: QueueOutcome::Withdrawn });
    let view = w.floor.agent(&"101".into()).unwrap();
    assert_eq!((view.state, view.idle_since, view.misses.shift), (AgentStateName::Ready, before, [0; 5]));
    // Nobody said how it ended: the reservation ends by itself, and is no missed ring.
    let out = kept(&mut w, 2, 60.0, true);
    assert_eq!(offers(&out), offer(2, 2, "101"));
    w.pass(44.9);
    assert!(w.is("101", AgentStateName::Ringing));
    let out = w.pass(0.2);
    assert_eq!(timed(&out).len(), 1, "he is reserved anew");
    assert_eq!(w.floor.agent(&"101".into()).unwrap().misses.shift, [0; 5]);
}

#[test]
fn f15_a_customer_who_answers_when_his_agent_is_gone_waits_first_in_line() {
    let mut w = world(&["101"]);
    w.pass(100.0);
    kept(&mut w, 1, 60.0, true);
    w.enqueue(2);
    w.pause("101");
    let out = w.input(Input::Reached { call: call(1) });
    assert!(offers(&out).is_empty());
    assert_eq!((w.floor.position(call(1)), w.floor.waiting(&SUPPORT.into())), (Some(1), 2));
    assert_eq!(offers(&w.want("101", Wish::Ready)), offer(2, 1, "101"));
    // Who hangs up now is like any other.
    w.input(Input::Leave { call: call(1) });
    assert!(
        w.log.iter().any(|o| matches!(
            o,
            Output::Journal { kind: Kind::QueueLeft { outcome: QueueOutcome::Abandoned, .. }, .. }
        ))
    );
}

#[test]
fn f15_never_more_are_called_back_than_agents_are_free() {
    for customer_first in [false, true] {
        let mut w = world(&["101", "102", "103"]);
        w.pause("103");
        let mut begun = 0;
        for n in 1..=10 {
            begun += usize::from(begins(&kept(&mut w, n, 30.0, customer_first), n));
        }
        assert_eq!(begun, 2, "customer first: {customer_first}");
        assert!(begins(&w.want("103", Wish::Ready), 3));
    }
}

#[test]
fn f15_a_kept_place_takes_no_room_hears_nothing_and_is_sent_nowhere() {
    let mut w = world(&["101"]);
    let queue = w.queue(SUPPORT);
    (queue.max_waiting, queue.max_wait) = (1, Duration::from_secs(30));
    (queue.announce_every, queue.announcements) = (Some(Duration::from_secs(10)), vec!["hint".to_owned()]);
    queue.no_agents.all_paused = super::super::config::NoAgentRule { way: Way::HangUp, after: Duration::ZERO };
    queue.overflow =
        super::super::config::Overflow { way: Way::HangUp, wait: Some(Duration::from_secs(5)), ..Default::default() };
    w.apply();
    w.pause("101");
    kept(&mut w, 1, 60.0, false);
    kept(&mut w, 2, 60.0, true);
    let out = w.pass(3_600.0);
    assert!(out.is_empty(), "{out:?}");
    assert_eq!((w.floor.waiting(&SUPPORT.into()), w.floor.position(call(2))), (0, Some(2)));
    // On the line the rules hold: nobody is there for him.
    let out = w.input(Input::Reached { call: call(2) });
    assert!(w.left().is_empty() && offers(&out).is_empty());
    w.pass(0.1);
    assert_eq!(w.left(), [(call(2), QueueOutcome::AllPaused)]);
    // A reload leaves it alone, and a queue that is gone lets it go.
    w.queue(SUPPORT).max_wait = Duration::from_secs(10);
    w.apply();
    assert!(w.pass(100.0).is_empty());
    w.config.queues.clear();
    w.config.agents.values_mut().for_each(|agent| agent.queues.clear());
    w.apply();
    assert_eq!(w.left().last(), Some(&(call(1), QueueOutcome::NoAgents)));
}

#[test]
fn f15_a_key_leads_to_being_called_back() {
    let mut w = world(&[]);
    w.queue(SUPPORT).exit_keys.insert('2', Way::CallBack);
    w.apply();
    w.enqueue(1);
    let out = w.input(Input::Key { call: call(1), digit: '2' });
    let is_left = |o: &Output| matches!(o, Output::Left { outcome: QueueOutcome::Callback, way: Way::CallBack, .. });
    assert!(out.iter().any(is_left), "{out:?}");
}
