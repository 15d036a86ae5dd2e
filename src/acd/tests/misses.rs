//! F11: rings that fail, by cause.

use super::*;
use crate::acd::config::MissRule;
use crate::journal::AgentAction;

/// One agent whose queue does `action` after `threshold` failures of this kind in a row, and offers him callers anew at once.
fn strict(result: OfferResult, threshold: u32, action: AgentAction) -> World {
    let mut w = world(&["101"]);
    let queue = w.queue(SUPPORT);
    let delays = [
        (&mut queue.delay_no_answer, 1),
        (&mut queue.delay_rejected, 2),
        (&mut queue.delay_busy, 3),
        (&mut queue.delay_unreachable, 4),
        (&mut queue.delay_timeout, 5),
    ];
    for (delay, seconds) in delays {
        *delay = Duration::from_secs(seconds);
    }
    queue.exclude_agent = Duration::ZERO;
    let rule = MissRule { threshold, action };
    match result {
        OfferResult::NoAnswer => (queue.rna_threshold, queue.rna_action) = (threshold, action),
        OfferResult::Rejected => queue.on_rejected = rule,
        OfferResult::Busy => queue.on_busy = rule,
        OfferResult::Unreachable => queue.on_unreachable = rule,
        _ => queue.on_timeout = rule,
    }
    w.apply();
    w.enqueue(1);
    w
}

/// His ring fails so: by its deadline, or as his phone says.
fn fail_once(w: &mut World, result: OfferResult) -> Vec<Output> {
    while !w.is("101", AgentStateName::Ringing) {
        w.pass(0.5);
    }
    let offer = offers(&w.log).last().unwrap().0;
    match result {
        OfferResult::NoAnswer => w.pass(15.0).into_iter().map(|(_, out)| out).collect(),
        other => w.fail(offer, other),
    }
}

fn told(out: &[Output]) -> Option<(OfferResult, u32, AgentAction)> {
    let pick = |kind: &Kind| match kind {
        Kind::OffersMissed { result, count, action } => Some((*result, *count, *action)),
        _ => None,
    };
    kinds(out).into_iter().find_map(pick)
}

/// Five causes, each with its own delay, its own count and its own action.
#[test]
fn f11_each_cause_has_its_delay_its_count_and_its_action() {
    let after = |action| match action {
        AgentAction::Pause => (AgentStateName::Paused, Some("RNA".to_owned()), None),
        AgentAction::Logout => (AgentStateName::Offline, Some("RNA".to_owned()), None),
        AgentAction::Ready | AgentAction::Alert => (AgentStateName::Ready, None, None),
    };
    for (result, delay_s) in OfferResult::FAILURES.into_iter().zip([1.0, 2.0, 3.0, 4.0, 5.0]) {
        for (_, action) in AgentAction::WORDS {
            let mut w = strict(result, 3, action);
            for _ in 0..2 {
                let out = fail_once(&mut w, result);
                assert_eq!((told(&out), ended(&out)), (None, vec![result]));
                let again = w.pass(delay_s);
                assert_eq!(timed(&again).len(), 1, "{result:?}: after its own delay");
                assert_eq!(timed(&again)[0].0, (w.now - w.start).as_secs_f64(), "{result:?}");
            }
            let out = fail_once(&mut w, result);
            assert_eq!(w.state("101"), after(action), "{result:?} {action:?}");
            let is_told = action != AgentAction::Ready;
            assert_eq!(told(&out), is_told.then_some((result, 3, action)));
            let misses = w.floor.agent(&"101".into()).unwrap().misses;
            let mine = |counts: [u32; 5]| (counts[result.failure().unwrap()], counts.iter().sum::<u32>());
            assert_eq!((mine(misses.row), mine(misses.shift)), ((3, 3), (3, 3)), "{result:?}");
            assert_eq!(w.floor.waiting(&SUPPORT.into()), 1, "the caller keeps his place");
            // Whoever was taken out comes back by a human choice alone, and begins to count anew.
            w.want("101", Wish::Ready);
            let misses = w.floor.agent(&"101".into()).unwrap().misses;
            assert_eq!((misses.row, mine(misses.shift)), ([0; 5], (3, 3)));
            assert!(w.is("101", AgentStateName::Ringing));
        }
    }
}

/// Other causes neither count for a row nor break it; an answer does.
#[test]
fn f11_a_row_is_of_one_cause() {
    let mut w = strict(OfferResult::Busy, 2, AgentAction::Pause);
    fail_once(&mut w, OfferResult::Busy);
    fail_once(&mut w, OfferResult::Rejected);
    fail_once(&mut w, OfferResult::Timeout);
    assert!(w.is("101", AgentStateName::Ready));
    assert_eq!(w.floor.agent(&"101".into()).unwrap().misses.row, [0, 1, 1, 0, 1]);
    fail_once(&mut w, OfferResult::Busy);
    assert!(w.is("101", AgentStateName::Paused));

    let mut w = strict(OfferResult::Busy, 2, AgentAction::Pause);
    fail_once(&mut w, OfferResult::Busy);
    w.pass(3.0);
    let offer = offers(&w.log).last().unwrap().0;
    w.answer(offer);
    w.talk_ended("101", 1);
    w.want("101", Wish::FinishWrapUp);
    w.enqueue(2);
    fail_once(&mut w, OfferResult::Busy);
    assert!(w.is("101", AgentStateName::Ready), "one after the answer");
}

/// A log-out by the rule is not undone by a phone that registers anew; defaults are as before.
#[test]
fn f11_who_was_logged_out_stays_out_until_he_says_otherwise() {
    let mut w = strict(OfferResult::NoAnswer, 1, AgentAction::Logout);
    fail_once(&mut w, OfferResult::NoAnswer);
    w.reachable("101", false);
    w.reachable("101", true);
    w.apply();
    assert_eq!(w.state("101"), (AgentStateName::Offline, Some("RNA".to_owned()), None));
    w.want("101", Wish::Ready);
    assert_eq!(w.state("101").0, AgentStateName::Ringing);

    let rules = QueueConfig::new(SUPPORT.into());
    assert_eq!((rules.rna_threshold, rules.rna_action), (2, AgentAction::Pause));
    assert_eq!(rules.on_timeout, MissRule { threshold: 3, action: AgentAction::Ready });
}
