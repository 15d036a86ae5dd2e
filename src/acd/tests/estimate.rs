//! Acceptance row F17: how long callers are told to wait, and how long they do.

use super::*;
use crate::acd::preview::Question;
use crate::acd::tests::random::Dice;

/// One agent for each of `ids`, announcements with the wait every 30 s, no wrap-up.
fn telling(ids: &[&str]) -> World {
    let mut w = world(ids);
    let queue = w.queue(SUPPORT);
    queue.announce_every = Some(Duration::from_secs(30));
    queue.announce_wait = true;
    queue.wrap_up = Duration::ZERO;
    queue.max_wait = Duration::from_secs(20_000);
    w.apply();
    w
}

/// Agents serve one caller each for so long, one after the other; callers get numbers from 1,000 on.
fn serve(w: &mut World, times: u64, seconds: f64) {
    for n in 0..times {
        let out = w.enqueue(1_000 + n);
        let (offer, call, agent) = offers(&out).pop().unwrap();
        w.answer(offer);
        w.pass(seconds);
        w.input(Input::TalkEnded { agent: agent.as_str().into(), call });
    }
}

fn told<'a>(out: impl IntoIterator<Item = &'a Output>, n: u64) -> Vec<Option<u32>> {
    let pick = |o: &Output| match o {
        Output::Announce { call: of, within_minutes, .. } if *of == call(n) => Some(*within_minutes),
        _ => None,
    };
    out.into_iter().filter_map(pick).collect()
}

/// How long this caller who waits will wait on.
fn of(w: &World, n: u64) -> crate::acd::Estimate {
    let question = Question { call: Some(call(n)), ..Question::default() };
    w.floor.preview(w.now, &SUPPORT.into(), &question).unwrap().estimate.unwrap()
}

#[test]
fn f17_nothing_is_told_before_three_callers_were_served_nor_unless_asked_for() {
    let mut w = telling(&["101"]);
    serve(&mut w, 2, 100.0);
    w.enqueue(1);
    w.answer(3);
    w.enqueue(2);
    assert_eq!(told(&w.log, 2), [None], "two tell nothing");
    assert_eq!(w.floor.estimate(w.now, &SUPPORT.into(), 0), None);
    w.pass(10.0);
    w.talk_ended("101", 1);
    let mut w = telling(&["101"]);
    serve(&mut w, 3, 100.0);
    assert!(w.floor.estimate(w.now, &SUPPORT.into(), 0).is_some_and(|e| e.p80.is_zero()), "he is free");
    w.want("101", Wish::Logout);
    assert_eq!(w.floor.estimate(w.now, &SUPPORT.into(), 0), None, "nobody is there");
    w.want("101", Wish::Ready);
    w.queue(SUPPORT).announce_wait = false;
    w.apply();
    w.enqueue(1);
    w.enqueue(2);
    assert_eq!(told(&w.log, 2), [None]);
}

/// Under a minute it is "less than a minute"; then up to the least of the steps that is enough for four of five.
#[test]
fn f17_the_steps_are_told_by_who_is_before_and_how_many_serve() {
    let mut w = telling(&["101", "102"]);
    serve(&mut w, 4, 30.0); // a caller each 15 s
    w.enqueue(1);
    w.enqueue(2);
    for n in 3..=22 {
        w.enqueue(n);
    }
    // The phones of both ring for the first two: those need nobody else.
    // Gamma of 1, 2, 4 and 20 callers at 15 s: four of five wait 24, 45, 83 and 357 s at most.
    assert_eq!([3, 4, 6, 22].map(|n| told(&w.log, n)[0]), [Some(1), Some(1), Some(2), Some(10)]);
    let estimate = of(&w, 22);
    let near = |time: Duration, seconds: f64| (time.as_secs_f64() - seconds).abs() < seconds * 0.02;
    assert!(near(estimate.p50, 295.0) && near(estimate.p80, 356.8), "{estimate:?}");
    let ahead = w.floor.estimate(w.now, &SUPPORT.into(), 10).unwrap();
    assert!(ahead.p50 < Duration::from_secs(15), "ten minutes ahead of all: {ahead:?}");
}

/// An agent of two queues gives each as much of his time as its callers need.
#[test]
fn f17_agents_of_two_queues_are_counted_by_what_waits_for_them() {
    let mut w = telling(&["101"]);
    w.queue("other");
    w.config.agents.get_mut("101").unwrap().queues.insert("other".into());
    w.apply();
    serve(&mut w, 3, 60.0);
    w.input(Input::OwnCall { agent: "101".into(), call: call(90), rings: false });
    for n in 1..=5 {
        w.enqueue(n);
    }
    let alone = of(&w, 5);
    for n in 6..=10 {
        w.enqueue_to(n, "other", &[], 0);
    }
    let shared = of(&w, 5);
    let ratio = shared.p50.as_secs_f64() / alone.p50.as_secs_f64();
    assert!((ratio - 2.0).abs() < 0.01, "{alone:?} {shared:?}");
}

/// Asterisk says `labs(holdtime - waited)`: who waits for longer than the average hears a growing wait. Here a caller who is
/// next while a talk takes for ever is told the same again and again.
#[test]
fn f17_who_waits_for_long_is_told_no_growing_wait() {
    let mut w = telling(&["101"]);
    serve(&mut w, 5, 100.0);
    w.enqueue(1);
    w.answer(6);
    w.enqueue(2);
    let out: Vec<Output> = w.pass(3_600.0).into_iter().map(|(_, o)| o).collect();
    let told = told(&out, 2);
    assert_eq!(told.len(), 120);
    assert!(told.iter().all(|minutes| *minutes == Some(3)), "{told:?}");
}

/// When agents leave the estimate jumps: he hears nothing of it rather than more than one step more than he was told.
#[test]
fn f17_what_is_told_never_rises_by_more_than_one_step() {
    let agents = ["101", "102", "103", "104"];
    let four_wait = || {
        let mut w = telling(&agents);
        serve(&mut w, 4, 100.0);
        for (n, agent) in (90..).zip(agents) {
            w.input(Input::OwnCall { agent: agent.into(), call: call(n), rings: false });
        }
        for n in 1..=4 {
            w.enqueue(n);
        }
        assert_eq!(told(&w.log, 4), [Some(3)], "four callers at one each 25 s: 138 s");
        w
    };
    let pause = |w: &mut World, agent: &str, own: u64| {
        w.pause(agent);
        w.input(Input::OwnCallEnded { agent: agent.into(), call: call(own) });
    };
    let next = |w: &mut World| told(&w.pass(30.0).into_iter().map(|(_, o)| o).collect::<Vec<_>>(), 4);
    let mut w = four_wait();
    pause(&mut w, "102", 91);
    assert_eq!(next(&mut w), [Some(4)], "184 s");
    pause(&mut w, "103", 92);
    assert_eq!(next(&mut w), [Some(5)], "275 s");
    let mut w = four_wait();
    pause(&mut w, "102", 91);
    pause(&mut w, "103", 92);
    assert_eq!(next(&mut w), [None], "275 s, two steps more than he was told");
    w.input(Input::Leave { call: call(1) });
    w.input(Input::Leave { call: call(2) });
    assert_eq!(next(&mut w), [Some(3)], "it falls as it may");
}

/// 12,000 callers of a queue with ten agents and exponential talks: half and four of five wait no longer than was estimated
/// when they came.
#[test]
fn f17_half_and_four_of_five_wait_no_longer_than_was_estimated() {
    let ids: Vec<String> = (0..10).map(|n| format!("{}", 101 + n)).collect();
    let mut w = telling(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    w.queue(SUPPORT).announce_every = None;
    w.apply();
    let mut dice = Dice(7);
    let exponential = |dice: &mut Dice, mean: f64| -mean * (1.0 - dice.roll(1 << 40) as f64 / (1u64 << 40) as f64).ln();
    let second = |s: f64| Duration::from_secs_f64(s);
    let (mut arrival, mut n) = (w.now, 0u64);
    let mut ends: std::collections::BTreeMap<Instant, (String, CallId)> = Default::default();
    let mut waits: std::collections::BTreeMap<CallId, (Instant, Option<crate::acd::Estimate>)> = Default::default();
    let (mut all, mut within) = (0, [0, 0]);
    while n < 12_000 {
        let next_end = ends.keys().next().copied();
        let out = match next_end.filter(|end| *end < arrival) {
            Some(end) => {
                w.now = end;
                let (agent, call) = ends.remove(&end).unwrap();
                w.input(Input::TalkEnded { agent: agent.as_str().into(), call })
            }
            None => {
                w.now = arrival;
                arrival += second(exponential(&mut dice, 6.2)); // 97 % of what ten agents at 60 s can do
                n += 1;
                waits.insert(call(n), (w.now, w.floor.estimate(w.now, &SUPPORT.into(), 0)));
                w.enqueue(n)
            }
        };
        for (offer, call, agent) in offers(&out) {
            w.answer(offer);
            while ends.contains_key(&w.now) {
                w.now += Duration::from_nanos(1);
            }
            ends.insert(w.now + second(exponential(&mut dice, 60.0)), (agent, call));
            let (since, estimate) = waits.remove(&call).unwrap();
            let Some(estimate) = estimate.filter(|e| !e.p50.is_zero()) else { continue };
            all += 1;
            within[0] += u32::from(w.now - since <= estimate.p50);
            within[1] += u32::from(w.now - since <= estimate.p80);
        }
        w.log.clear();
    }
    let share = within.map(|n| f64::from(n) / f64::from(all));
    assert!(all > 5_000, "{all} waited");
    assert!((share[0] - 0.5).abs() < 0.06 && (share[1] - 0.8).abs() < 0.06, "{share:?} of {all}");
}
