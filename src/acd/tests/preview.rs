//! Who would get the next call: what is foretold comes true, and asking changes nothing.

use super::*;
use crate::acd::config::Strategy;
use crate::acd::preview::{PreviewError, Question};

fn asked(world: &World, question: &Question) -> crate::acd::preview::Preview {
    world.floor.preview(world.now, &SUPPORT.into(), question).unwrap()
}

fn skilled(skills: &[&str]) -> Question {
    Question { skills: skills.iter().map(|s| (*s).to_owned()).collect(), ..Question::default() }
}

/// By every strategy, those of chance included, with callers of other needs before and after.
#[test]
fn who_is_foretold_is_who_is_rung() {
    for (word, strategy) in Strategy::WORDS {
        let mut config = FloorConfig::default();
        config.queues.insert(SUPPORT.into(), QueueConfig { strategy, ..quiet(SUPPORT) });
        for (id, level) in [("1", 3), ("2", 7), ("3", 9), ("4", 5), ("5", 8)] {
            let skills: &[(&str, u8)] = if id == "2" { &[] } else { &[("ar", level)] };
            config.agents.insert(id.into(), person(id, skills, &[SUPPORT]));
        }
        let mut world = World::new(config);
        for n in 0..40 {
            let wanted: &[&str] = [&["ar"][..], &[], &["ar>=8?"], &["!ar"], &["ar>=5", "ar>=8?"]][n as usize % 5];
            let question = skilled(wanted);
            let before = format!("{:?}", world.floor);
            let told = asked(&world, &question);
            assert_eq!(format!("{:?}", world.floor), before, "{word}: asking changed the floor");
            let out = world.enqueue_to(n, SUPPORT, wanted, 0);
            let rung = offers(&out).into_iter().next();
            let first = told.candidates.first().map(|c| c.agent.to_string());
            assert_eq!(rung.as_ref().map(|(_, _, agent)| agent.clone()), first, "{word} {n}");
            let Some((offer, call, agent)) = rung else {
                assert_eq!(told.position, world.floor.position(super::call(n)), "{word} {n}");
                continue;
            };
            let why = why(&out);
            assert_eq!((why.eligible, why.passed_over), (told.eligible, told.causes), "{word} {n}");
            assert_eq!((why.figure, why.rule.as_str()), (told.candidates[0].figure, told.rule), "{word} {n}");
            if n % 3 != 0 {
                world.answer(offer);
                world.pass(f64::from(n as u32 % 7) + 0.5);
                world.input(Input::TalkEnded { agent: agent.as_str().into(), call });
            }
            world.pass(3.0);
        }
    }
}

#[test]
fn each_who_is_passed_over_has_his_cause_and_when_he_is_free() {
    let mut config = FloorConfig::default();
    config.queues.insert(SUPPORT.into(), quiet(SUPPORT));
    for id in ["1", "2", "3", "4", "5"] {
        let skills: &[(&str, u8)] = if id == "5" { &[] } else { &[("ar", 5)] };
        config.agents.insert(id.into(), person(id, skills, &[SUPPORT]));
    }
    let mut world = World::new(config);
    world.pause("3");
    world.enqueue(1);
    world.answer(1);
    world.talk_ended("1", 1); // wraps up for 10 s
    world.enqueue(2);
    world.fail(2, OfferResult::Busy); // has a delay of 30 s; the caller rings at 4
    world.pass(4.0);
    let told = asked(&world, &skilled(&["ar"]));
    assert!(told.candidates.is_empty() && told.eligible == 0);
    let passed: Vec<_> = told.passed_over.iter().map(|p| (p.agent.as_str(), p.cause.as_str(), p.free_in_ms)).collect();
    let expected = [
        ("1", "wrap_up", Some(6_000)),
        ("2", "delayed", Some(26_000)),
        ("3", "paused", None),
        ("4", "ringing", None),
        ("5", "skill ar", None),
    ];
    assert_eq!(passed, expected);
    assert_eq!(told.passed_over[2].code.as_deref(), Some("LUNCH"));
    assert_eq!((told.position, told.waiting), (Some(2), 1));

    // One who waits already is asked for by his call: who missed him is kept from him.
    let told = asked(&world, &Question { call: Some(call(2)), ..Question::default() });
    assert_eq!((told.position, told.score_s), (Some(1), 4));
    assert_eq!(told.ringing.iter().map(AgentId::as_str).collect::<Vec<_>>(), ["4"]);
    assert_eq!(told.candidates.iter().map(|c| c.agent.as_str()).collect::<Vec<_>>(), ["5"]);
    assert_eq!(told.causes.get("excluded"), Some(&1), "{:?}", told.causes);
}

#[test]
fn priority_and_segment_give_the_place_and_a_full_queue_has_none() {
    let mut world = world(&[]);
    world.queue(SUPPORT).max_waiting = 3;
    world.queue(SUPPORT).segments.insert("gold".to_owned(), Duration::from_secs(120));
    world.apply();
    for n in 1..=2 {
        world.enqueue(n);
    }
    world.pass(90.0);
    let place = |world: &World, priority, segment: Option<&str>| {
        let question = Question { priority, segment: segment.map(str::to_owned), ..Question::default() };
        let told = asked(world, &question);
        (told.position, told.score_s)
    };
    assert_eq!(place(&world, 0, None), (Some(3), 0));
    assert_eq!(place(&world, 1, None), (Some(3), 60));
    assert_eq!(place(&world, 0, Some("gold")), (Some(1), 120));
    world.enqueue(3);
    assert_eq!(place(&world, 2, None), (None, 120));
}

#[test]
fn what_is_not_there_is_said() {
    let world = world(&["1"]);
    let ask = |queue: &str, question: &Question| world.floor.preview(world.now, &queue.into(), question);
    assert_eq!(ask("none", &Question::default()), Err(PreviewError::NoQueue("none".into())));
    let of = Question { call: Some(call(7)), ..Question::default() };
    assert_eq!(ask(SUPPORT, &of), Err(PreviewError::NotWaiting(call(7))));
    assert!(matches!(ask(SUPPORT, &skilled(&["a b"])), Err(PreviewError::Skill(_))));
}
