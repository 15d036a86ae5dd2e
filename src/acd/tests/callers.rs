//! Callers: who is served, when, by whom.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn a_caller_is_offered_answered_talks_and_the_agent_wraps_up() {
    let mut w = world(&["101"]);
    let out = w.enqueue(1);
    assert!(matches!(kinds(&out)[0], Kind::Queued { position: 1, .. }));
    assert_eq!(offers(&out), offer(1, 1, "101"));
    assert!(w.is("101", AgentStateName::Ringing));
    w.pass(3.0);
    let out = w.answer(1);
    assert!(matches!(
        kinds(&out)[..],
        [
            Kind::OfferEnded { result: OfferResult::Accepted, ring_ms: 3_000, .. },
            Kind::Connected { wait_ms: 3_000, service_level_ms: 20_000, .. },
            Kind::QueueLeft { outcome: QueueOutcome::Answered, wait_ms: 3_000, .. },
            Kind::AgentState { state: AgentStateName::Busy, .. },
        ]
    ));
    assert!(matches!(out.last(), Some(Output::Connect { offer: OfferId(1), .. })));
    w.pass(60.0);
    w.input(Input::Hold { agent: "101".into(), call: call(1), on: true });
    assert!(w.is("101", AgentStateName::Hold));
    w.pass(5.0);
    w.input(Input::Hold { agent: "101".into(), call: call(1), on: false });
    w.pass(1.0);
    w.input(Input::Hold { agent: "101".into(), call: call(1), on: true });
    w.pass(2.0);
    let out = w.talk_ended("101", 1);
    assert!(matches!(kinds(&out)[0], Kind::TalkEnded { talk_ms: 68_000, hold_ms: 7_000, queue: Some(_), .. }));
    assert!(w.is("101", AgentStateName::WrapUp));
    w.pass(9.9);
    assert!(w.is("101", AgentStateName::WrapUp));
    w.pass(0.1);
    assert!(w.is("101", AgentStateName::Ready));
    assert!(w.floor.is_empty());
}

#[test]
fn the_longest_idle_agent_is_taken_and_ties_go_by_who_became_idle_first() {
    let mut w = world(&["101", "102", "103"]);
    // All became idle at the same moment, at the start: the order of their ids decides.
    assert_eq!(offers(&w.enqueue(1)), offer(1, 1, "101"));
    assert_eq!(offers(&w.enqueue(2)), offer(2, 2, "102"));
    // Both become idle at the same later moment: 102 first.
    w.answer(1);
    w.answer(2);
    w.talk_ended("102", 2);
    w.talk_ended("101", 1);
    w.want("102", Wish::FinishWrapUp);
    w.want("101", Wish::FinishWrapUp);
    let out = w.enqueue(3);
    assert_eq!(offers(&out), offer(3, 3, "103"));
    assert_eq!((why(&out).rule.as_str(), why(&out).eligible), ("longest_idle", 3));
    assert_eq!(offers(&w.enqueue(4)), offer(4, 4, "102"));
    assert_eq!(offers(&w.enqueue(5)), offer(5, 5, "101"));
}

/// spec/acd.md F06: skills with level 1–10, required and preferred, AND/OR/NOT.
#[test]
fn f06_skills_of_queue_and_caller_are_all_needed_with_levels_or_and_not() {
    let mut w = World::new(FloorConfig::default());
    w.queue(SUPPORT).skills = vec!["billing".to_owned()];
    for (id, skills) in [
        ("101", &[("lang:ar", 3), ("billing", 1)][..]),
        ("102", &[("lang:ar", 9)]),
        ("103", &[("lang:ar", 8), ("billing", 5), ("trainee", 1)]),
        ("104", &[("lang:fr", 2), ("billing", 5)]),
        ("105", &[("lang:ar", 8), ("billing", 1)]),
    ] {
        w.config.agents.insert(id.into(), person(id, skills, &[SUPPORT]));
    }
    w.apply();
    let out = w.enqueue_to(1, SUPPORT, &["lang:ar>=5", "!trainee"], 0);
    assert_eq!(offers(&out), offer(1, 1, "105"));
    let passed: Vec<(String, u32)> = why(&out).passed_over.into_iter().collect();
    let wanted = [("skill !trainee", 1), ("skill billing", 1), ("skill lang:ar>=5", 2)];
    assert_eq!(passed, wanted.map(|(s, n)| (s.to_owned(), n)));
    assert_eq!(offers(&w.enqueue_to(2, SUPPORT, &["lang:ar>=5|lang:fr", "billing>=5"], 0)), offer(2, 2, "103"));
    assert_eq!(offers(&w.enqueue_to(3, SUPPORT, &["lang:xx"], 0)), []);
    assert_eq!(offers(&w.enqueue(4)), offer(3, 4, "101"));
}

/// F06: of those who may serve, who meets more preferences is first; among equals the strategy decides; nobody waits.
#[test]
fn f06_preferences_come_before_the_strategy_and_nobody_waits_for_them() {
    let mut w = World::new(FloorConfig::default());
    w.queue(SUPPORT).skills = vec!["patient?".to_owned()];
    for (id, skills) in [
        ("101", &[("billing", 3)][..]),
        ("102", &[("billing", 3), ("patient", 1)]),
        ("103", &[("billing", 7), ("patient", 1)]),
        ("104", &[("patient", 9)]),
        ("105", &[("billing", 7), ("patient", 1)]),
    ] {
        w.config.agents.insert(id.into(), person(id, skills, &[SUPPORT]));
    }
    w.apply();
    let mut rung = Vec::new();
    for n in 1..5 {
        let out = w.enqueue_to(n, SUPPORT, &["billing", "billing>=5?"], 0);
        let why = why(&out);
        rung.push((offers(&out)[0].2.clone(), why.preferred.join(" "), why.unmet.join(" ")));
    }
    let wanted = [
        ("103", "billing>=5? patient?", ""),
        ("105", "billing>=5? patient?", ""),
        ("102", "patient?", "billing>=5?"),
        ("101", "", "billing>=5? patient?"),
    ];
    assert_eq!(rung, wanted.map(|(agent, met, unmet)| (agent.to_owned(), met.to_owned(), unmet.to_owned())));
    assert_eq!(offers(&w.enqueue_to(5, SUPPORT, &["billing"], 0)), [], "104 has no billing at all");
    // A round goes on among those who meet as many.
    w.queue(SUPPORT).strategy = super::super::config::Strategy::RoundRobin;
    w.apply();
    for n in [5, 1, 2, 3, 4] {
        w.input(Input::Leave { call: call(n) });
    }
    let mut rung = Vec::new();
    for n in 6..10 {
        let out = w.enqueue_to(n, SUPPORT, &["billing", "billing>=5?"], 0);
        rung.push(offers(&out)[0].2.clone());
        w.input(Input::Leave { call: call(n) });
    }
    assert_eq!(rung, ["103", "105", "103", "105"]);
}

#[test]
fn a_skill_that_cannot_be_read_is_trouble_and_left_out() {
    let mut w = world(&["101"]);
    let out = w.enqueue_to(1, SUPPORT, &["a>=99"], 0);
    assert!(kinds(&out).iter().any(|k| matches!(k, Kind::Trouble { code, .. } if code == "bad_skill")));
    assert_eq!(offers(&out), offer(1, 1, "101"));
}

#[test]
fn a_ring_that_nobody_answers_goes_to_the_next_agent_and_the_caller_keeps_his_place() {
    let mut w = world(&["101", "102"]);
    w.enqueue(1);
    w.pause("102");
    w.enqueue(2);
    let out = w.pass(14.9);
    assert!(out.is_empty());
    w.want("102", Wish::Ready);
    // 102 took caller 2, who waits longest among those for whom nothing rings.
    assert_eq!(w.floor.position(call(1)), Some(1));
    let out: Vec<Output> = w.pass(0.1).into_iter().map(|(_, o)| o).collect();
    assert!(withdrawn(&out) && ended(&out) == [OfferResult::NoAnswer]);
    assert_eq!(w.floor.position(call(1)), Some(1));
    // When 102 is free he gets caller 1 first.
    w.answer(2);
    w.talk_ended("102", 2);
    assert_eq!(offers(&w.want("102", Wish::Ready)), offer(3, 1, "102"));
}

#[test]
fn why_names_those_passed_over() {
    let mut w = world(&["101", "102", "103", "104", "105", "106"]);
    w.enqueue(1); // 101 rings
    w.enqueue(2);
    w.answer(2); // 102 busy
    w.pause("103");
    w.want("104", Wish::Logout);
    w.enqueue(3); // 105
    w.pass(2.0);
    w.fail(3, OfferResult::Rejected); // 105 delayed, 106 rings for 3
    w.fail(4, OfferResult::Rejected);
    let out = w.want("105", Wish::Ready);
    assert_eq!(offers(&out), [], "caller 3 is excluded for 105");
    w.want("106", Wish::Ready);
    w.input(Input::Want { agent: "103".into(), wish: Wish::Ready, by: StateCause::Supervisor });
    let why = why(&w.log.iter().rev().take(3).rev().cloned().collect::<Vec<_>>());
    let passed: BTreeMap<&str, u32> = why.passed_over.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    let wanted = [("busy", 1), ("excluded", 2), ("offline", 1), ("ringing", 1)];
    assert_eq!(passed, BTreeMap::from(wanted));
    assert_eq!((why.eligible, why.waited_ms, why.idle_ms, why.waiting), (1, 2_000, 0, 2));
}

#[test]
fn who_waited_longest_allowed_leaves_by_timeout_even_while_it_rings() {
    let mut w = world(&[]);
    w.queue(SUPPORT).max_wait = Duration::from_secs(20);
    w.apply();
    w.enqueue(1);
    let limit = Some(Duration::from_secs(8));
    let input = Input::Enqueue(Arrival { max_wait: limit, ..Arrival::new(call(2), SUPPORT.into()) });
    w.input(input);
    w.pass(7.9);
    assert_eq!(w.left(), []);
    w.pass(0.1);
    assert_eq!(w.left(), [(call(2), QueueOutcome::Timeout)]);
    w.pass(5.0);
    w.config.agents.insert("101".into(), person("101", &[], &[SUPPORT]));
    assert_eq!(offers(&w.apply()), offer(1, 1, "101"));
    let out: Vec<Output> = w.pass(7.0).into_iter().map(|(_, o)| o).collect();
    assert_eq!(ended(&out), [OfferResult::CallerGone]);
    assert!(withdrawn(&out));
    assert_eq!(w.left()[1], (call(1), QueueOutcome::Timeout));
    assert!(w.is("101", AgentStateName::Ready) && w.floor.is_empty());
}

#[test]
fn a_full_queue_refuses_the_next_caller_and_an_unknown_one_has_no_agents() {
    let mut w = world(&["101"]);
    w.queue(SUPPORT).max_waiting = 2;
    w.apply();
    w.enqueue(1);
    w.enqueue(2);
    let out = w.enqueue(3);
    assert!(matches!(kinds(&out)[..], [Kind::QueueLeft { outcome: QueueOutcome::Full, wait_ms: 0, .. }]));
    w.enqueue_to(4, "nowhere", &[], 0);
    assert_eq!(w.left(), [(call(3), QueueOutcome::Full), (call(4), QueueOutcome::NoAgents)]);
    // A talk makes room.
    w.answer(1);
    assert!(matches!(kinds(&w.enqueue(5))[0], Kind::Queued { position: 2, .. }));
}

#[test]
fn callers_wait_though_nobody_is_logged_in() {
    let mut w = world(&["101"]);
    w.want("101", Wish::Logout);
    w.enqueue(1);
    assert_eq!(w.left(), []);
    assert_eq!(offers(&w.want("101", Wish::Ready)), offer(1, 1, "101"));
}

#[test]
fn priority_moves_a_caller_forward_in_his_queue() {
    let mut w = world(&[]);
    w.enqueue(1);
    w.pass(50.0);
    w.enqueue(2);
    let out = w.enqueue_to(3, SUPPORT, &[], 1);
    assert!(matches!(kinds(&out)[0], Kind::Queued { position: 1, priority: 1, .. }));
    assert_eq!([1, 2, 3].map(|n| w.floor.position(call(n))), [Some(2), Some(3), Some(1)]);
    assert_eq!(w.floor.queue(w.now, &SUPPORT.into()).unwrap().longest_wait, Some(Duration::from_secs(50)));
}

#[test]
fn a_new_configuration_reaches_those_who_wait() {
    let mut w = world(&["101"]);
    w.pause("101");
    w.queue("vip");
    w.enqueue_to(1, SUPPORT, &["lang:ar"], 0);
    w.apply();
    w.pass(5.0);
    w.enqueue_to(2, "vip", &[], 0);
    // An agent added, with the skill: he gets the caller at once, who kept his time.
    w.config.agents.insert("102".into(), person("102", &[("lang:ar", 1)], &[SUPPORT]));
    let out = w.apply();
    assert_eq!(offers(&out), offer(1, 1, "102"));
    assert_eq!(why(&out).waited_ms, 5_000);
    // Rung or talking, an agent who is gone is dropped or stays for his call.
    let agent = w.config.agents.remove("102").unwrap();
    let out = w.apply();
    assert!(withdrawn(&out) && w.floor.agent(&"102".into()).is_none());
    w.config.agents.insert("102".into(), agent);
    assert_eq!(offers(&w.apply()), offer(2, 1, "102"));
    w.answer(2);
    w.config.agents.remove("102");
    w.apply();
    assert!(w.is("102", AgentStateName::Busy));
    let out = w.talk_ended("102", 1);
    assert!(matches!(kinds(&out)[1], Kind::AgentState { state: AgentStateName::Offline, .. }));
    assert!(w.floor.agent(&"102".into()).is_none());
    // The queue is gone: its callers are handed back.
    w.config.queues.remove("vip");
    w.apply();
    assert_eq!(w.left(), [(call(2), QueueOutcome::NoAgents)]);
    // A shorter longest wait counts from entry.
    w.enqueue_to(3, SUPPORT, &["lang:ar"], 0);
    w.pass(20.0);
    w.queue(SUPPORT).max_wait = Duration::from_secs(15);
    w.apply();
    w.pass(0.0);
    assert_eq!(w.left()[1], (call(3), QueueOutcome::Timeout));
}

#[test]
fn a_changed_skill_or_membership_frees_a_waiting_caller() {
    let mut w = world(&["101", "102"]);
    w.enqueue_to(1, SUPPORT, &["lang:ar>=5"], 0);
    w.config.agents.get_mut("102").unwrap().skills.insert("lang:ar".to_owned(), 5);
    assert_eq!(offers(&w.apply()), offer(1, 1, "102"));
    w.queue("vip");
    w.apply();
    w.enqueue_to(2, "vip", &[], 0);
    w.config.agents.get_mut("101").unwrap().queues = BTreeSet::from(["vip".into()]);
    assert_eq!(offers(&w.apply()), offer(2, 2, "101"));
}

#[test]
fn the_place_is_told_at_entry_and_at_each_interval_until_the_answer() {
    let mut w = world(&["101"]);
    w.queue(SUPPORT).announce_every = Some(Duration::from_secs(30));
    w.apply();
    let announced = |out: &[(f64, Output)]| -> Vec<(f64, CallId, u32)> {
        let pick = |(at, o): &(f64, Output)| match o {
            Output::Announce { call, position, .. } => Some((*at, *call, *position)),
            _ => None,
        };
        out.iter().filter_map(pick).collect()
    };
    let at = |out: Vec<Output>| -> Vec<(f64, Output)> { out.into_iter().map(|o| (0.0, o)).collect() };
    let out = w.enqueue(1);
    assert_eq!(announced(&at(out)), [], "an agent rings for him already");
    w.answer(1);
    w.enqueue(2);
    let out = w.enqueue(3);
    assert!(kinds(&out).iter().any(|k| matches!(k, Kind::Announced { position: 2, .. })));
    assert_eq!(announced(&at(out)), [(0.0, call(3), 2)]);
    w.pass(10.0);
    w.input(Input::Leave { call: call(2) });
    assert_eq!(announced(&w.pass(60.0)), [(30.0, call(3), 1), (60.0, call(3), 1)]);
    w.talk_ended("101", 1);
    w.pass(10.0);
    w.answer(2);
    assert_eq!(announced(&w.pass(100.0)), []);
}

#[test]
fn entering_another_queue_leaves_the_first() {
    let mut w = world(&["101"]);
    w.queue("vip");
    w.apply();
    w.enqueue(1);
    let out = w.enqueue_to(1, "vip", &[], 0);
    assert_eq!(ended(&out), [OfferResult::CallerGone]);
    assert!(kinds(&out).iter().any(|k| matches!(k, Kind::QueueLeft { outcome: QueueOutcome::Transferred, .. })));
    assert_eq!((w.floor.waiting(&SUPPORT.into()), w.floor.waiting(&"vip".into())), (0, 1));
}

#[test]
fn unused_lanes_are_dropped_and_made_again() {
    let mut w = world(&["101"]);
    w.pause("101");
    for n in 0..300 {
        w.enqueue_to(n, SUPPORT, &[&format!("!skill{n}")], 0);
        if n != 5 {
            w.input(Input::Leave { call: call(n) });
        }
    }
    assert_eq!(offers(&w.want("101", Wish::Ready)), offer(1, 5, "101"));
}
