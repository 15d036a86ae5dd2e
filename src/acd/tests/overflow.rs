//! Acceptance rows F14 and F16: a queue with too many callers, and callers who hang up and come back.

use super::super::way::{Bound, Overflow};
use super::*;

fn to_backup() -> Way {
    Way::Queue("backup".into())
}

/// `support` with this overflow, and `backup`; one agent each, both busy. 101 serves `support`.
fn busy(overflow: Overflow) -> World {
    let mut w = world(&["101"]);
    w.queue("backup");
    w.config.agents.insert("201".into(), person("201", &[], &["backup"]));
    w.queue(SUPPORT).overflow = overflow;
    w.apply();
    for (agent, n) in [("101", 901), ("201", 902)] {
        w.input(Input::OwnCall { agent: agent.into(), call: call(n), rings: false });
    }
    w
}

/// Who was sent on by which rule, by which figure over which limit.
fn diverted(out: &[Output]) -> Vec<(String, u64, u64)> {
    let pick = |k: &Kind| match k {
        Kind::Diverted { rule, figure, limit, .. } => Some((rule.clone(), (*figure)?, (*limit)?)),
        _ => None,
    };
    kinds(out).into_iter().filter_map(pick).collect()
}

fn waiting(w: &World, queue: &str) -> u32 {
    w.floor.queues(w.now).find(|q| q.name.as_str() == queue).map_or(0, |q| q.waiting)
}

#[test]
fn f14_a_queue_at_its_bound_sends_on_who_comes_until_it_is_back_at_the_lower_one() {
    let mut w = busy(Overflow { way: to_backup(), size: Some(Bound { on: 3, off: 1 }), ..Overflow::default() });
    for n in 1..=3 {
        assert_eq!(diverted(&w.enqueue(n)), []);
    }
    assert_eq!(diverted(&w.enqueue(4)), [("overflow.size".to_owned(), 3, 3)]);
    assert_eq!((waiting(&w, SUPPORT), waiting(&w, "backup")), (3, 1));
    w.input(Input::Leave { call: call(3) });
    assert_eq!(diverted(&w.enqueue(5)), [("overflow.size".to_owned(), 2, 3)], "still between the two");
    w.input(Input::Leave { call: call(2) });
    assert_eq!(diverted(&w.enqueue(6)), [], "down at the lower one");
    assert_eq!(diverted(&w.enqueue(7)), []);
    assert_eq!(diverted(&w.enqueue(8)), [("overflow.size".to_owned(), 3, 3)]);
}

/// The bound grows and falls with the agents who are logged in.
#[test]
fn f14_so_many_for_each_agent_who_is_logged_in() {
    let mut w = busy(Overflow { way: to_backup(), per_agent: Some(Bound { on: 2, off: 1 }), ..Overflow::default() });
    w.config.agents.insert("102".into(), person("102", &[], &[SUPPORT]));
    w.apply();
    w.input(Input::OwnCall { agent: "102".into(), call: call(903), rings: false });
    for n in 1..=4 {
        assert_eq!(diverted(&w.enqueue(n)), [], "{n} for two agents");
    }
    assert_eq!(diverted(&w.enqueue(5)), [("overflow.per_agent".to_owned(), 4, 2)]);
    w.input(Input::Leave { call: call(4) });
    w.input(Input::Leave { call: call(3) });
    assert_eq!(diverted(&w.enqueue(6)), [], "two for two agents: back at one each");
    w.input(Input::OwnCallEnded { agent: "102".into(), call: call(903) });
    // 102 takes the first, declines, and goes home: two wait for 101 alone.
    w.fail(1, OfferResult::Rejected);
    w.want("102", Wish::Logout);
    assert_eq!(diverted(&w.enqueue(7)), [("overflow.per_agent".to_owned(), 3, 2)]);
}

/// Who has waited too long goes on with the time he has waited, in front of those who came to the other queue later; while
/// a phone rings for him he stays.
#[test]
fn f14_who_has_waited_too_long_takes_his_time_along() {
    let overflow = Overflow { way: to_backup(), wait: Some(Duration::from_secs(60)), ..Overflow::default() };
    let mut w = busy(overflow);
    w.enqueue(1);
    w.pass(30.0);
    w.enqueue_to(2, "backup", &[], 0);
    w.pass(29.0);
    assert_eq!(w.floor.position(call(2)), Some(1));
    let out: Vec<Output> = w.pass(1.0).into_iter().map(|(_, o)| o).collect();
    assert_eq!(diverted(&out), [("overflow.wait".to_owned(), 60, 60)]);
    assert!(out.iter().any(|o| matches!(o, Output::Moved { queue, .. } if queue.as_str() == "backup")));
    assert_eq!((w.floor.position(call(1)), w.floor.position(call(2))), (Some(1), Some(2)));

    w.enqueue(3);
    w.pass(55.0);
    w.input(Input::OwnCallEnded { agent: "101".into(), call: call(901) }); // rings until second 70
    assert_eq!(offers(&w.log).last().map(|(_, c, _)| *c), Some(call(3)));
    w.pass(10.0);
    assert_eq!(waiting(&w, SUPPORT), 1, "it rings");
    w.pass(5.0);
    assert_eq!((waiting(&w, SUPPORT), waiting(&w, "backup")), (0, 3));
}

#[test]
fn f14_a_full_queue_overflows_before_it_refuses() {
    let mut w = busy(Overflow { way: to_backup(), ..Overflow::default() });
    w.queue(SUPPORT).max_waiting = 1;
    w.queue("backup").max_waiting = 1;
    w.apply();
    w.enqueue(1);
    assert_eq!(diverted(&w.enqueue(2)), [("overflow.full".to_owned(), 1, 1)]);
    w.enqueue(3);
    assert_eq!(w.left(), [(call(3), QueueOutcome::Full)], "both are full");
}

/// Three callers were served in 70 s each, rest included: half of those who are third wait 187 s.
#[test]
fn f14_who_would_wait_too_long_goes_at_once() {
    let mut w = busy(Overflow::default());
    w.input(Input::OwnCallEnded { agent: "101".into(), call: call(901) });
    for n in 1..=3 {
        w.enqueue(700 + n);
        w.answer(n);
        w.pass(60.0);
        w.talk_ended("101", 700 + n);
        w.pass(10.0);
    }
    w.input(Input::OwnCall { agent: "101".into(), call: call(901), rings: false });
    w.queue(SUPPORT).overflow =
        Overflow { way: to_backup(), estimated_wait: Some(Bound { on: 120, off: 60 }), ..Overflow::default() };
    w.apply();
    assert_eq!((diverted(&w.enqueue(1)), diverted(&w.enqueue(2))), (vec![], vec![]));
    assert_eq!(diverted(&w.enqueue(3)), [("overflow.estimated_wait".to_owned(), 187, 120)]);
    w.input(Input::Leave { call: call(2) });
    assert_eq!(
        diverted(&w.enqueue(4)),
        [("overflow.estimated_wait".to_owned(), 117, 120)],
        "still above the lower one"
    );
    w.input(Input::Leave { call: call(1) });
    assert_eq!(diverted(&w.enqueue(5)), []);
}

/// A reload reaches those who wait: the time counts from their entry, by the new rule.
#[test]
fn f14_a_reload_of_the_bound_reaches_who_waits() {
    let mut w = busy(Overflow::default());
    w.enqueue(1);
    w.pass(40.0);
    w.queue(SUPPORT).overflow =
        Overflow { way: Way::Number("7".to_owned()), wait: Some(Duration::from_secs(50)), ..Overflow::default() };
    w.apply();
    w.pass(9.0);
    assert_eq!(w.left(), []);
    w.pass(1.0);
    assert_eq!(w.left(), [(call(1), QueueOutcome::Overflow)]);
}

/// A caller with this number.
fn calls(w: &mut World, n: u64, number: Option<&str>) -> bool {
    let out = w.known(n, number, None);
    kinds(&out).into_iter().any(|k| matches!(k, Kind::Queued { resumed: true, .. }))
}

/// Two callers wait; the first hangs up.
fn hung_up() -> World {
    let mut w = busy(Overflow::default());
    w.queue(SUPPORT).resume_within = Some(Duration::from_secs(60));
    w.apply();
    calls(&mut w, 1, Some("0551"));
    w.pass(20.0);
    calls(&mut w, 2, Some("0552"));
    w.pass(20.0);
    w.input(Input::Leave { call: call(1) });
    w
}

#[test]
fn f16_who_calls_again_in_time_has_his_place_again() {
    let mut w = hung_up();
    w.pass(60.0);
    assert!(calls(&mut w, 3, Some("0551")));
    assert_eq!((w.floor.position(call(3)), w.floor.position(call(2))), (Some(1), Some(2)));

    let mut w = hung_up();
    w.pass(60.1);
    assert!(!calls(&mut w, 3, Some("0551")), "too late");
    assert_eq!(w.floor.position(call(3)), Some(2));
}

#[test]
fn f16_nobody_else_has_it_and_nobody_without_a_number() {
    let mut w = hung_up();
    assert!(!calls(&mut w, 3, Some("0553")));
    assert!(!calls(&mut w, 4, None));
    w.input(Input::Leave { call: call(4) });
    assert!(!calls(&mut w, 5, None), "who shows no number is not known again");
    assert!(calls(&mut w, 6, Some("0551")));
    assert!(!calls(&mut w, 7, Some("0551")), "one place, one caller");

    let mut w = hung_up();
    w.queue(SUPPORT).resume_within = None;
    w.apply();
    assert!(!calls(&mut w, 3, Some("0551")), "off, as by default");
    assert_eq!(QueueConfig::new(SUPPORT.into()).resume_within, None);
}

#[test]
fn f16_a_place_is_kept_twice_at_most() {
    let mut w = hung_up();
    for (n, is_back) in [(3, true), (4, true), (5, false), (6, true)] {
        w.pass(10.0);
        assert_eq!(calls(&mut w, n, Some("0551")), is_back, "{n}");
        assert_eq!(w.floor.position(call(n)), Some(if n < 5 { 1 } else { 2 }));
        w.input(Input::Leave { call: call(n) });
    }
}

/// Who comes back to a full queue is refused, and has his place when there is room.
#[test]
fn f16_who_finds_no_room_may_try_again() {
    let mut w = hung_up();
    w.queue(SUPPORT).max_waiting = 1;
    w.apply();
    calls(&mut w, 3, Some("0551"));
    assert_eq!(w.left(), [(call(3), QueueOutcome::Full)]);
    w.queue(SUPPORT).max_waiting = 9;
    w.apply();
    assert!(calls(&mut w, 4, Some("0551")));
    assert_eq!(w.floor.position(call(4)), Some(1));
}

/// Only who gives up is remembered: not who was served, nor who was sent away.
#[test]
fn f16_who_was_served_begins_anew() {
    let mut w = hung_up();
    w.input(Input::OwnCallEnded { agent: "101".into(), call: call(901) });
    w.answer(1);
    w.talk_ended("101", 2);
    w.pause("101");
    assert!(!calls(&mut w, 3, Some("0552")));
    w.input(Input::LeaveAs { call: call(3), outcome: QueueOutcome::Transferred });
    assert!(!calls(&mut w, 4, Some("0552")));
}
