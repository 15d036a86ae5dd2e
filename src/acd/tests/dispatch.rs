//! Dispatch from outside: a service decides in time, or the queue does.

use super::*;
use crate::acd::Choice;
use crate::acd::config::DispatchTimes;
use crate::journal::Whom;

/// 101 and 102 serve `support`, both free; the service has half a second, its agents 20 s.
fn asking() -> World {
    let mut w = world(&["101", "102"]);
    w.queue(SUPPORT).dispatch =
        Some(DispatchTimes { timeout: Duration::from_millis(500), hold: Duration::from_secs(20) });
    w.apply();
    w
}

fn asked(out: &[Output]) -> Vec<CallId> {
    out.iter().filter_map(|o| if let Output::Dispatch { call, .. } = o { Some(*call) } else { None }).collect()
}

fn choose(agents: &[&str]) -> Choice {
    Choice { agents: agents.iter().map(|agent| (*agent).into()).collect(), ..Choice::default() }
}

fn answer(w: &mut World, n: u64, choice: Choice) -> Vec<Output> {
    w.input(Input::Dispatched { call: call(n), choice })
}

#[test]
fn a_caller_is_offered_to_nobody_until_the_service_answers() {
    let mut w = asking();
    let out = w.enqueue(1);
    assert_eq!((asked(&out), offers(&out)), (vec![call(1)], vec![]));
    assert_eq!(w.floor.position(call(1)), Some(1), "he has his place");
    assert_eq!(timed(&w.pass(0.3)), []);
    let out = answer(&mut w, 1, choose(&["102"]));
    assert_eq!(offers(&out), offer(1, 1, "102"), "not the longest idle, but whom it named");
    assert_eq!(why(&out).sticky, Some(Whom::Chosen));
}

#[test]
fn without_an_answer_in_time_or_with_none_of_use_the_queue_decides() {
    let mut w = asking();
    w.enqueue(1);
    assert_eq!(timed(&w.pass(1.0)), [(0.5, 1, "101".to_owned())]);
    assert_eq!(offers(&answer(&mut w, 1, choose(&["102"]))), [], "too late: nothing changes");

    let mut w = asking();
    w.enqueue(1);
    assert_eq!(offers(&answer(&mut w, 1, Choice::default())), offer(1, 1, "101"));
}

#[test]
fn whom_it_names_is_waited_for_and_then_all_serve() {
    let mut w = asking();
    w.input(Input::OwnCall { agent: "102".into(), call: call(900), rings: false });
    w.enqueue(1);
    assert_eq!(offers(&answer(&mut w, 1, choose(&["102"]))), [], "he talks");
    assert_eq!(timed(&w.pass(19.0)), []);
    assert_eq!(timed(&w.pass(2.0)), [(20.0, 1, "101".to_owned())]);

    let mut w = asking();
    w.want("102", Wish::Logout);
    w.enqueue(1);
    assert_eq!(offers(&answer(&mut w, 1, choose(&["102"]))), offer(1, 1, "101"), "he is not there at all");
}

/// He let it ring: the caller does not wait for him any longer.
#[test]
fn one_who_misses_his_caller_is_no_longer_waited_for() {
    let mut w = asking();
    w.enqueue(1);
    answer(&mut w, 1, choose(&["102"]));
    let out: Vec<Output> = w.pass(16.0).into_iter().map(|(_, o)| o).collect();
    assert_eq!(offers(&out), offer(2, 1, "101"));
}

#[test]
fn its_priority_and_segment_give_another_place_and_its_skills_other_agents() {
    let mut w = asking();
    for agent in ["101", "102"] {
        w.pause(agent);
    }
    w.config.agents.insert("103".into(), person("103", &[("fr", 5)], &[SUPPORT]));
    w.apply();
    w.pause("103");
    w.enqueue(1);
    w.enqueue(2);
    answer(&mut w, 1, Choice::default());
    answer(&mut w, 2, Choice { priority: Some(5), skills: Some(vec!["fr>=3".to_owned()]), ..Choice::default() });
    assert_eq!(w.floor.position(call(2)), Some(1), "five minutes of head start");
    assert_eq!(offers(&w.want("101", Wish::Ready)), offer(1, 1, "101"), "who speaks no French takes the other one");
    assert_eq!(offers(&w.want("103", Wish::Ready)), offer(2, 2, "103"));
}

#[test]
fn it_sends_him_to_another_queue_where_he_keeps_his_time() {
    let mut w = asking();
    w.config.queues.insert("vip".into(), quiet("vip"));
    w.config.agents.insert("103".into(), person("103", &[], &["vip"]));
    w.apply();
    w.pass(10.0);
    w.enqueue(1);
    w.pass(0.2);
    let out = answer(&mut w, 1, Choice { queue: Some("vip".into()), ..choose(&["103"]) });
    assert_eq!(offers(&out), offer(1, 1, "103"));
    assert_eq!(why(&out).waited_ms, 0, "in this queue; his score counts from when he came");
    assert!(out.iter().any(|o| matches!(o, Output::Moved { queue, .. } if queue.as_str() == "vip")));
    let moved = out
        .iter()
        .any(|o| matches!(o, Output::Journal { kind: Kind::Diverted { rule, .. }, .. } if rule == "dispatch"));
    assert!(moved);
}

/// Who hangs up while the service is asked is gone, and its answer changes nothing.
#[test]
fn the_answer_for_a_caller_who_is_gone_is_nothing() {
    let mut w = asking();
    w.enqueue(1);
    w.input(Input::Leave { call: call(1) });
    assert_eq!(answer(&mut w, 1, choose(&["102"])), []);
}

/// A reload that takes the service away, and one that takes the named agent away.
#[test]
fn a_reload_without_the_service_lets_the_queue_decide_at_once() {
    let mut w = asking();
    w.enqueue(1);
    w.queue(SUPPORT).dispatch = None;
    assert_eq!(offers(&w.apply()), offer(1, 1, "101"));

    let mut w = asking();
    w.input(Input::OwnCall { agent: "102".into(), call: call(900), rings: false });
    w.enqueue(1);
    answer(&mut w, 1, choose(&["102"]));
    w.config.agents.remove(&AgentId::from("102"));
    assert_eq!(offers(&w.apply()), offer(1, 1, "101"), "nobody is left to wait for");
}

/// There is nothing to tell before it is known who serves him.
#[test]
fn his_place_is_announced_once_the_service_has_had_its_time() {
    let mut w = asking();
    w.queue(SUPPORT).announce_every = Some(Duration::from_secs(30));
    w.apply();
    for agent in ["101", "102"] {
        w.pause(agent);
    }
    let told = |out: &[Output]| out.iter().filter(|o| matches!(o, Output::Announce { .. })).count();
    assert_eq!(told(&w.enqueue(1)), 0);
    let out: Vec<Output> = w.pass(0.6).into_iter().map(|(_, o)| o).collect();
    assert_eq!(told(&out), 1);
}
