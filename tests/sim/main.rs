//! The virtual centre over many seeds: phones, agents, a trunk and a lossy, reordering, repeating network against the
//! real engine on virtual time. A failure names its seed; `hatif sim --seed N --hours 1` runs it again.

// The zero of virtual time comes from here.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use hatif::sim::{self, Outcome, Plan, Sabotage};

/// What the issue asks for: so many seeds, one virtual hour each.
const SEEDS: u64 = 50;

/// Every kind of thing that must really happen, and how often at least in all seeds together.
const MUST_HAPPEN: &[(&str, u64)] = &[
    // Kinds of calls.
    ("call.Flow", 10_000),
    ("call.Queue", 10_000),
    ("call.Dial", 500),
    ("call.Direct", 500),
    ("call.Feature", 500),
    ("call.Supervision", 500),
    ("call.Test", 50),
    ("answered", 25_000),
    ("dial.bridged", 500),
    ("dial.failed", 100),
    ("survey", 100),
    // Queues and rings.
    ("talk.queue", 20_000),
    ("queue.Answered", 20_000),
    ("queue.Abandoned", 500),
    ("queue.Timeout", 50),
    ("queue.Full", 50),
    ("queue.escalated", 500),
    ("queue.Overflow", 5),
    ("queue.Key", 50),
    ("queue.resumed", 1),
    ("queue.sticky", 100),
    ("queue.NoAgents", 5),
    ("queue.Transferred", 5),
    ("offer.Accepted", 20_000),
    ("offer.NoAnswer", 500),
    ("offer.Busy", 300),
    ("offer.Rejected", 100),
    ("offer.Unreachable", 100),
    ("offer.CallerGone", 50),
    ("offer.LostRace", 500),
    ("offer.Withdrawn", 50),
    // Agents and their phones.
    ("agent.paused", 500),
    ("agent.wrap_up", 20_000),
    ("agent.hold", 500),
    ("agent.unreachable", 100),
    ("agent.offline", 200),
    ("agent.registered", 500),
    ("agent.unregistered", 100),
    ("agent.expired", 10),
    ("talk.held", 500),
    ("talk.resumed", 300),
    ("talk.supervised", 500),
    ("transfer.blind", 500),
    ("transfer.returned", 50),
    ("transfer.failed", 20),
    // Ends.
    ("end.Normal", 20_000),
    ("end.Abandoned", 1_000),
    ("end.NodeFailure", 500),
    ("end.MediaTimeout", 50),
    ("end.Busy", 10),
    ("end.NoAnswer", 10),
    ("end.QueueFull", 10),
    ("end.QueueTimeout", 10),
    ("end.Shutdown", 5),
    ("recording.whole", 5_000),
    ("recording.partial", 100),
    // What phones see.
    ("phone.cancel", 300),
    ("phone.cancel_crossed_200", 1),
    ("phone.was_cancelled", 300),
    ("phone.challenged", 500),
    ("phone.hold", 500),
    ("phone.resume", 300),
    ("phone.reinvited", 10),
    ("phone.transfers", 500),
    ("phone.notified", 1_000),
    ("phone.key_told", 1_000),
    ("phone.403", 100),
    ("phone.486", 10),
    ("phone.487", 300),
    ("phone.503", 100),
    ("phone.loses_power", 50),
    // The process.
    ("node.crashed", SEEDS),
    ("node.started", 2 * SEEDS),
    ("node.reloaded", 2 * SEEDS),
    ("callback.kept", 20),
    ("callback.booked", 10),
    ("callback.tried", 5),
    ("callback.reached", 5),
    ("callback.withdrawn", 2),
    ("callback.cancelled", 1),
];

/// 50 seeds × 1 virtual hour of 50 agents at 5 % loss, at least 500 calls each, no invariant broken.
#[test]
fn fifty_seeds_break_no_invariant_and_everything_happens() {
    let origin = Instant::now();
    let next = AtomicU64::new(1);
    let results: Mutex<BTreeMap<u64, Result<Outcome, String>>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > SEEDS {
                        return;
                    }
                    let result = sim::run(origin, Plan::new(seed, 1));
                    results.lock().unwrap().insert(seed, result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let broken: Vec<&String> = results.values().filter_map(|result| result.as_ref().err()).collect();
    assert!(broken.is_empty(), "run `hatif sim --seed N --hours 1` with the seed:\n{broken:#?}");
    assert_eq!(results.len() as u64, SEEDS);
    let mut happened: BTreeMap<&str, u64> = BTreeMap::new();
    for (seed, outcome) in results.iter().filter_map(|(seed, result)| Some((seed, result.as_ref().ok()?))) {
        assert!(outcome.calls >= 500, "seed {seed}: only {} calls", outcome.calls);
        for (what, count) in &outcome.happened {
            *happened.entry(what).or_default() += count;
        }
    }
    let missing: Vec<String> = MUST_HAPPEN
        .iter()
        .filter(|(what, least)| happened.get(what).copied().unwrap_or(0) < *least)
        .map(|(what, least)| format!("{what}: {} of {least}", happened.get(what).copied().unwrap_or(0)))
        .collect();
    assert!(missing.is_empty(), "happened too rarely: {missing:#?} in {happened:#?}");
}

/// The same seed gives the same journal, byte for byte, wherever the clock stood; another seed another.
#[test]
fn the_seed_decides_everything() {
    let run = |origin, seed| sim::run(origin, Plan::new(seed, 1)).unwrap_or_else(|fault| panic!("{fault}"));
    let now = Instant::now();
    let (once, again) = (run(now, 77), run(now + std::time::Duration::from_nanos(123_456_789), 77));
    assert_eq!(once, again);
    assert_ne!(once.journal, run(now, 78).journal);
}

/// A checker that cannot fail proves nothing: each fault put in on purpose is found, and told with its seed.
#[test]
fn a_fault_put_in_on_purpose_is_found() {
    let words = |sabotage| match sabotage {
        Sabotage::LosesEntry => "left a queue open",
        Sabotage::WritesTwice => "a talk ends that never began",
        Sabotage::ShowsWrongState => "the journal says",
        Sabotage::KeepsPort => "legs are left after the last call",
        Sabotage::AnswersNothing => "never got a final response",
        Sabotage::AnswersTwice => "was answered 200 and then 486",
        Sabotage::CommitsNothing => "the journal does not know him",
    };
    for sabotage in Sabotage::ALL {
        // Whether a call is answered in the last 50 ms before the crash is a matter of the seed; a crash would
        // bring a lost port back.
        let (seeds, calls_per_hour, crashes): (u64, u64, u64) = match sabotage {
            Sabotage::CommitsNothing => (30, 2_000, 60),
            // A state that the next entry of the same step puts right is nobody's business.
            Sabotage::ShowsWrongState => (10, 900, 0),
            _ => (1, 900, 0),
        };
        let mut faults = (1..=seeds).map(|seed| {
            let plan = Plan { sabotage: Some(sabotage), calls_per_hour, crashes, ..Plan::new(seed, 1) };
            (seed, sim::run(Instant::now(), plan).err())
        });
        let (seed, fault) = faults.find(|(_, fault)| fault.is_some()).unwrap_or((0, None));
        let fault = fault.unwrap_or_else(|| panic!("{sabotage:?} was not noticed"));
        assert!(fault.contains(words(sabotage)), "{sabotage:?} was taken for: {fault}");
        assert!(fault.contains(&format!("seed {seed} ")), "no seed in: {fault}");
    }
}

/// A crash every minute.
#[test]
fn a_process_that_dies_again_and_again_loses_nobody() {
    let plan = Plan { crashes: 60, ..Plan::new(815, 1) };
    let outcome = sim::run(Instant::now(), plan).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(outcome.happened.get("node.crashed"), Some(&60));
}

/// Several hours, a crash in each, and a network twice as bad.
#[test]
fn a_bad_day_ends_well_too() {
    let plan = Plan { loss_percent: 12, crashes: 3, calls_per_hour: 600, ..Plan::new(4_711, 3) };
    let outcome = sim::run(Instant::now(), plan).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(outcome.happened.get("node.crashed"), Some(&3));
    assert!(outcome.calls > 1_500, "{} calls", outcome.calls);
}
