//! Acceptance row F07: the escalation ladder by seconds since queue entry.

use super::super::config::{Step, StepMode};
use super::super::way::{Lack, NoAgentRule};
use super::*;

fn step(name: &str, after: u64, change: impl FnOnce(&mut Step)) -> Step {
    let mut step = Step::new(name, Duration::from_secs(after));
    change(&mut step);
    step
}

/// `support` asks for `billing>=7`; 101 has level 3, 102 serves another queue in the group `back`, and both are free.
fn two(ladder: Vec<Step>) -> World {
    let mut w = world(&[]);
    w.queue(SUPPORT).skills = vec!["billing>=7".to_owned()];
    w.queue(SUPPORT).ladder = ladder;
    w.queue("other");
    w.config.agents.insert("101".into(), person("101", &[("billing", 3), ("lang:ar", 4)], &[SUPPORT]));
    let mut second = person("102", &[("billing", 9)], &["other"]);
    second.groups.insert("back".to_owned());
    w.config.agents.insert("102".into(), second);
    w.apply();
    w
}

fn back(step: &mut Step) {
    step.groups.insert("back".to_owned());
}

/// The steps that began for callers, by their names.
fn steps<'a>(out: impl IntoIterator<Item = &'a Output>) -> Vec<Option<String>> {
    let name = |o: &Output| match o {
        Output::Journal { kind: Kind::Escalated { step, .. }, .. } => Some(step.clone()),
        _ => None,
    };
    out.into_iter().filter_map(name).collect()
}

fn named(names: &[&str]) -> Vec<Option<String>> {
    names.iter().map(|name| Some((*name).to_owned())).collect()
}

#[test]
fn f07_levels_are_relaxed_step_by_step_and_the_reason_names_the_step() {
    let ladder = vec![step("lower", 30, |s| s.relax = 2), step("low", 60, |s| s.relax = 4)];
    let mut w = two(ladder);
    // What the flow asks for is relaxed too: level 8 comes down to 4.
    w.enqueue_to(1, SUPPORT, &["lang:ar>=8"], 0);
    let out = w.pass(70.0);
    assert_eq!(timed(&out), [(60.0, 1, "101".to_owned())]);
    assert_eq!(steps(&w.log), named(&["lower", "low"]));
    assert_eq!(why(&w.log).step.as_deref(), Some("low"));
    assert_eq!(why(&w.log).waited_ms, 60_000);
}

#[test]
fn f07_skills_of_a_step_stand_in_place_of_the_queues() {
    let mut w = two(vec![step("any", 20, |s| s.skills = Some(Vec::new()))]);
    w.enqueue_to(1, SUPPORT, &["lang:ar>=5"], 0);
    w.enqueue(2);
    assert_eq!(offers(w.pass(30.0).iter().map(|(_, o)| o)), offer(1, 2, "101"), "1 still wants his language");
}

/// Cumulative: the members serve on, and before the group; replace: they serve no more.
#[test]
fn f07_a_step_adds_a_group_or_puts_it_in_place_of_the_members() {
    for (mode, wanted) in [(StepMode::Cumulative, "101"), (StepMode::Replace, "102")] {
        let mut w = two(vec![step("back office", 30, |s| (back(s), s.mode = mode).0)]);
        w.queue(SUPPORT).skills.clear();
        w.apply();
        w.pause("101");
        w.pause("102");
        w.enqueue(1);
        w.pass(40.0);
        assert_eq!(steps(&w.log), named(&["back office"]));
        // The group comes back first; who serves without the ladder goes before him all the same.
        w.queue(SUPPORT).exclude_agent = Duration::ZERO;
        assert_eq!(offers(&w.want("102", Wish::Ready)), offer(1, 1, "102"));
        assert_eq!(why(&w.log).step.as_deref(), Some("back office"));
        w.want("101", Wish::Ready);
        let out = w.fail(1, OfferResult::Rejected);
        let others = if wanted == "101" { offer(2, 1, "101") } else { Vec::new() };
        assert_eq!(offers(&out), others, "{mode:?}");
        assert!(others.is_empty() || why(&out).step.is_none());
    }
}

/// Two who are free at the same moment: the earlier pool is taken first, whoever has been idle longer.
#[test]
fn f07_who_serves_by_an_earlier_step_is_taken_first() {
    let ladder = vec![step("all", 0, |s| s.skills = Some(Vec::new())), step("back", 10, back)];
    let mut w = two(ladder);
    w.queue(SUPPORT).max_waiting = 0;
    w.pause("101");
    w.want("101", Wish::Ready);
    w.queue(SUPPORT).max_waiting = 10;
    w.queue(SUPPORT).ladder[1].after = Duration::from_secs(1);
    w.queue(SUPPORT).ladder[0].mode = StepMode::Replace;
    w.queue(SUPPORT).ladder[1].after = Duration::from_secs(0);
    w.apply();
    let out = w.enqueue(1);
    assert_eq!(offers(&out), offer(1, 1, "101"), "102 has been idle longer");
    assert_eq!(why(&out).step.as_deref(), Some("all"));
    assert_eq!(steps(&out), named(&["back"]));
}

/// spec/acd.md F07: edits reach waiting callers. Nobody loses his place.
#[test]
fn f07_an_agent_added_by_edit_rings_the_waiting_caller() {
    let mut w = two(vec![step("night", 20, |s| s.groups.extend(["night".to_owned()]))]);
    w.enqueue(1);
    w.enqueue(2);
    w.pass(30.0);
    assert_eq!(offers(&w.log), []);
    let mut new = person("103", &[("billing", 8)], &[]);
    new.groups.insert("night".to_owned());
    w.config.agents.insert("103".into(), new);
    let out = w.apply();
    assert_eq!(offers(&out), offer(1, 1, "103"));
    assert_eq!((why(&out).waited_ms, w.floor.position(call(2))), (30_000, Some(2)));
    // An agent of the centre joins the group: the second caller is his.
    w.config.agents.get_mut("102").unwrap().groups.insert("night".to_owned());
    assert_eq!(offers(&w.apply()), offer(2, 2, "102"));
}

#[test]
fn f07_a_ladder_edited_during_the_wait_holds_at_once_by_the_time_since_entry() {
    let mut w = two(vec![step("late", 60, back)]);
    w.enqueue(1);
    w.pass(30.0);
    w.queue(SUPPORT).ladder = vec![step("soon", 40, back)];
    assert_eq!(offers(&w.apply()), []);
    assert_eq!(timed(&w.pass(20.0)), [(40.0, 1, "102".to_owned())]);
    w.fail(1, OfferResult::Busy);
    // No ladder any more: he stands before the first step again.
    w.queue(SUPPORT).ladder.clear();
    let out = w.apply();
    assert_eq!(steps(&out), [None]);
    assert_eq!(offers(w.pass(60.0).iter().map(|(_, o)| o)), []);
}

/// A reload that leaves the ladder as it is moves nobody, not even one who is ahead of his time.
#[test]
fn f07_a_reload_of_other_things_leaves_everybody_on_his_step() {
    let mut w =
        two(vec![step("ghosts", 5, |s| (back(s), s.skip_unstaffed = true).0), step("low", 60, |s| s.relax = 4)]);
    w.pause("102");
    w.pause("101");
    w.enqueue(1);
    w.pass(10.0);
    assert_eq!(steps(&w.log), named(&["low"]));
    w.want("102", Wish::Ready);
    w.queue(SUPPORT).wrap_up = Duration::ZERO;
    assert_eq!(steps(&w.apply()), []);
}

/// skip_unstaffed: at the step's beginning, and when the last one leaves; the last step is for all who are left.
#[test]
fn f07_a_step_without_anybody_there_is_left_at_once() {
    let ladder = || {
        let mut ghosts = step("back", 10, |s| (back(s), s.mode = StepMode::Replace).0);
        ghosts.skip_unstaffed = true;
        vec![ghosts, step("low", 300, |s| (s.relax = 4, s.mode = StepMode::Replace).0)]
    };
    let mut w = two(ladder());
    w.pause("102");
    w.enqueue(1);
    assert_eq!(timed(&w.pass(10.0)), [(10.0, 1, "101".to_owned())], "nobody of the group is there");
    assert_eq!(steps(&w.log), named(&["low"]));

    // Busy is there.
    let mut w = two(ladder());
    let own = call(90);
    w.input(Input::OwnCall { agent: "102".into(), call: own, rings: false });
    w.enqueue(1);
    w.pass(20.0);
    assert_eq!(steps(&w.log), named(&["back"]));
    w.pause("102");
    w.input(Input::OwnCallEnded { agent: "102".into(), call: own });
    assert_eq!(timed(&w.pass(0.0)), [(20.0, 1, "101".to_owned())], "he goes on break: the next step at once");
}

/// However many wait: a bundle of them at a moment.
#[test]
fn f07_a_crowd_that_is_left_alone_climbs_in_bundles() {
    let mut ghosts = step("back", 0, back);
    ghosts.skip_unstaffed = true;
    let mut w = two(vec![ghosts, step("low", 300, |s| s.skills = Some(vec!["nothing".to_owned()]))]);
    w.input(Input::OwnCall { agent: "102".into(), call: call(99_999), rings: false });
    w.pause("101");
    for n in 0..600 {
        w.enqueue(n);
    }
    w.log.clear();
    w.input(Input::OwnCallEnded { agent: "102".into(), call: call(99_999) });
    assert_eq!(offers(&w.log).len(), 1);
    w.want("102", Wish::Logout);
    let out: Vec<(f64, Output)> = w.pass(1.0);
    let climbed = |until: f64| steps(out.iter().filter(|(at, _)| *at <= until).map(|(_, o)| o)).len();
    assert_eq!([climbed(0.0), climbed(0.0011), climbed(0.0021)], [256, 512, 600]);
}

/// A step ends no ring: who rings by the steps before may answer.
#[test]
fn f07_a_step_that_begins_ends_no_ring() {
    let mut w = two(vec![step("back", 5, |s| (back(s), s.mode = StepMode::Replace).0)]);
    w.queue(SUPPORT).skills.clear();
    w.apply();
    assert_eq!(offers(&w.enqueue(1)), offer(1, 1, "101"));
    assert!(w.pass(10.0).iter().all(|(_, o)| !withdrawn(std::slice::from_ref(o))));
    assert_eq!(steps(&w.log), named(&["back"]));
    assert!(w.answer(1).iter().any(|o| matches!(o, Output::Connect { .. })));
}

/// The same step is one lane for all: callers of each turn by their order, and lanes without callers are bounded.
#[test]
fn f07_callers_on_different_steps_stand_in_one_order() {
    let mut w = two(vec![step("back", 30, back)]);
    w.pause("102");
    w.enqueue(1);
    w.pass(20.0);
    w.enqueue(2);
    w.pass(10.0);
    assert_eq!((w.floor.position(call(1)), w.floor.position(call(2))), (Some(1), Some(2)));
    assert_eq!(offers(&w.want("102", Wish::Ready)), offer(1, 1, "102"));
    assert_eq!(timed(&w.pass(15.0)), [], "2 has no right to the group yet");
}

/// Who left by a rule, at which second and how.
fn sent_away(out: &[(f64, Output)]) -> Vec<(f64, CallId, QueueOutcome)> {
    let pick = |(at, o): &(f64, Output)| match o {
        Output::Left { call, outcome, .. } => Some((*at, *call, *outcome)),
        _ => None,
    };
    out.iter().filter_map(pick).collect()
}

fn rule(w: &mut World, lack: Lack, after_s: u64) {
    let after = Duration::from_secs(after_s);
    *w.queue(SUPPORT).no_agents.of_mut(lack) = NoAgentRule { way: Way::HangUp, after };
}

/// Who only has to wait for his step has somebody: the rules for when nobody is there leave him.
#[test]
fn f07_a_rule_for_nobody_sends_no_caller_away_whom_a_later_step_will_bring_somebody() {
    let mut w = two(vec![step("back", 30, back)]);
    for lack in Lack::ALL {
        rule(&mut w, lack, 0);
    }
    w.want("101", Wish::Logout);
    w.apply();
    w.enqueue(1);
    assert_eq!(timed(&w.pass(40.0)), [(30.0, 1, "102".to_owned())], "he is of no use before, but he will come");
    w.answer(1);
    // A talk is presence; when he goes, nobody is there by any step.
    w.enqueue(2);
    assert_eq!(sent_away(&w.pass(5.0)), []);
    w.talk_ended("102", 1);
    let left = |w: &mut World| sent_away(&w.pass(0.0));
    w.pause("102");
    assert_eq!(left(&mut w), [(45.0, call(2), QueueOutcome::AllPaused)]);
    w.want("102", Wish::Logout);
    w.enqueue(3);
    assert!(w.log.iter().any(|o| matches!(o, Output::Left { outcome: QueueOutcome::NoneLoggedIn, .. })));
    // Who is logged in without the skill is not he who could serve.
    w.want("101", Wish::Ready);
    w.enqueue(4);
    assert!(w.log.iter().any(|o| matches!(o, Output::Left { outcome: QueueOutcome::NoneSkilled, .. })));
}

/// A step that takes the last agents away from a caller lets the rule hold; the time nobody was there goes with him.
#[test]
fn f07_after_the_last_step_that_had_somebody_the_rules_hold_and_a_step_does_not_begin_their_time_anew() {
    let replaced = |s: &mut Step| (back(s), s.mode = StepMode::Replace).0;
    let mut w = two(vec![step("back", 30, replaced), step("more", 50, |s| s.relax = 1)]);
    w.queue(SUPPORT).skills.clear();
    rule(&mut w, Lack::Awake, 40);
    rule(&mut w, Lack::LoggedIn, 20);
    w.apply();
    w.pause("102");
    w.pause("101");
    w.want("102", Wish::Logout);
    w.want("101", Wish::Logout);
    w.pass(1.0);
    w.enqueue(1);
    w.pass(5.0);
    assert_eq!(sent_away(&w.pass(30.0)), [(21.0, call(1), QueueOutcome::NoneLoggedIn)]);

    // 101 is of the members and of the last step; 102 of the one between.
    w.want("101", Wish::Pause("other".to_owned()));
    w.enqueue(2); // at 36 s
    let out = w.pass(60.0);
    assert_eq!(sent_away(&out), [(76.0, call(2), QueueOutcome::AllPaused)], "a step at 66 s did not matter");
    assert!(steps(out.iter().map(|(_, o)| o)).contains(&Some("back".to_owned())));
}
