//! A caller's own ladder: after so long he asks for other skills.

use super::*;

fn relaxed<'a>(out: impl IntoIterator<Item = &'a Output>) -> Vec<(Vec<String>, u64)> {
    let of = |o: &Output| match o {
        Output::Journal { kind: Kind::Relaxed { skills, wait_ms, .. }, .. } => Some((skills.clone(), *wait_ms)),
        _ => None,
    };
    out.into_iter().filter_map(of).collect()
}

fn relax(n: u64, skills: &[&str]) -> Input {
    Input::Relax { call: call(n), skills: skills.iter().map(|skill| (*skill).to_owned()).collect() }
}

/// 101 speaks Arabic and knows nothing of billing.
fn one() -> World {
    let mut w = world(&[]);
    w.config.agents.insert("101".into(), person("101", &[("lang:ar", 5)], &[SUPPORT]));
    w.apply();
    w
}

#[test]
fn who_asks_for_less_is_offered_at_once_and_the_journal_says_so() {
    let mut w = one();
    w.enqueue_to(1, SUPPORT, &["lang:ar", "topic:billing>=3"], 0);
    assert!(timed(&w.pass(60.0)).is_empty());
    let out = w.input(relax(1, &["lang:ar"]));
    assert_eq!(relaxed(&out), [(vec!["lang:ar".to_owned()], 60_000)]);
    assert_eq!(offers(&out).len(), 1, "{out:?}");
}

#[test]
fn his_place_stays_and_others_are_not_passed_by_him() {
    let mut w = one();
    w.enqueue_to(1, SUPPORT, &["topic:billing"], 0);
    w.pass(5.0);
    w.enqueue_to(2, SUPPORT, &[], 0);
    w.pass(1.0);
    // 2 is offered; 1, who came first, is again before who comes later.
    w.enqueue_to(3, SUPPORT, &[], 0);
    w.input(relax(1, &[]));
    assert_eq!(w.floor.position(call(1)), Some(1));
    w.floor.check().unwrap();
    let (offer, of, agent) = offers(&w.log).pop().unwrap();
    assert_eq!(of, call(2));
    w.answer(offer);
    w.pass(30.0);
    let out = w.input(Input::TalkEnded { agent: agent.as_str().into(), call: of });
    let passed: Vec<_> = w.pass(60.0).into_iter().map(|(_, o)| o).collect();
    let next = offers(&out.into_iter().chain(passed).collect::<Vec<_>>());
    assert_eq!(next.first().map(|(_, of, _)| *of), Some(call(1)));
}

#[test]
fn who_is_in_no_queue_asks_for_nothing() {
    let mut w = one();
    assert_eq!(w.input(relax(1, &[])), []);
    w.enqueue_to(1, SUPPORT, &["topic:billing"], 0);
    let out = w.input(relax(1, &["topic:billing>=x"]));
    assert!(out.iter().any(|o| matches!(o, Output::Journal { kind: Kind::Trouble { .. }, .. })), "{out:?}");
    w.floor.check().unwrap();
}
