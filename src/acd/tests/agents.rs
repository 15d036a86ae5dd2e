//! What agents do, and what is done to them.

use super::*;

#[test]
fn each_cause_has_its_own_delay_and_excludes_the_agent_for_this_caller() {
    for (result, delay_s) in [
        (OfferResult::NoAnswer, 10.0),
        (OfferResult::Rejected, 11.0),
        (OfferResult::Busy, 12.0),
        (OfferResult::Unreachable, 5.0),
    ] {
        let mut w = world(&["101"]);
        w.queue(SUPPORT).delay_rejected = Duration::from_secs(11);
        w.queue(SUPPORT).delay_busy = Duration::from_secs(12);
        w.apply();
        w.enqueue(1);
        let out = w.fail(1, result);
        assert_eq!(ended(&out), [result]);
        assert!(!withdrawn(&out), "the phone has ended it by itself");
        assert!(w.is("101", AgentStateName::Ready));
        let out = w.enqueue(2);
        assert_eq!(offers(&out), []);
        let out = w.pass(delay_s);
        assert_eq!(timed(&out), [(delay_s, 2, "101".to_owned())], "{result:?}: caller 2 after the delay");
        assert_eq!(offers(&w.input(Input::Leave { call: call(2) })), [], "caller 1 is still excluded");
        assert_eq!(timed(&w.pass(30.0 - delay_s)), [(30.0, 3, "101".to_owned())], "caller 1 after exclude_agent");
    }
}

/// spec/acd.md: rna_action pause(RNA) after rna_threshold rings in a row; a human choice wins.
#[test]
fn missed_rings_in_a_row_pause_the_agent_until_a_human_says_otherwise() {
    let mut w = world(&["101"]);
    w.queue(SUPPORT).exclude_agent = Duration::ZERO;
    w.apply();
    w.enqueue(1);
    let out = w.pass(200.0);
    assert_eq!(timed(&out).len(), 1, "two rings in all");
    assert_eq!(w.state("101"), (AgentStateName::Paused, Some("RNA".to_owned()), None));
    assert_eq!(w.floor.waiting(&SUPPORT.into()), 1);
    // He comes back: counted from zero, so one missed ring does not pause him.
    assert_eq!(offers(&w.want("101", Wish::Ready)), offer(3, 1, "101"));
    w.pass(15.0);
    assert!(w.is("101", AgentStateName::Ready));
    // He says "ready" while it rings: the row of missed rings is broken once more.
    assert_eq!(timed(&w.pass(10.0)).len(), 1);
    w.want("101", Wish::Ready);
    w.pass(15.0);
    assert!(w.is("101", AgentStateName::Ready));
    // He pauses himself while it rings: his own code, not RNA, and no missed ring.
    w.pass(10.0);
    let out = w.pause("101");
    assert_eq!(ended(&out), [OfferResult::Withdrawn]);
    w.pass(60.0);
    assert_eq!(w.state("101"), (AgentStateName::Paused, Some("LUNCH".to_owned()), None));
    assert_eq!(w.floor.agent(&"101".into()).unwrap().misses.row, [0; 5]);
}

#[test]
fn an_answered_call_breaks_the_row_and_rejections_do_not_count() {
    let mut w = world(&["101"]);
    w.queue(SUPPORT).exclude_agent = Duration::ZERO;
    w.queue(SUPPORT).wrap_up = Duration::ZERO;
    w.apply();
    w.enqueue(1);
    w.pass(25.0); // missed, rings again
    w.answer(2);
    w.talk_ended("101", 1);
    w.enqueue(2);
    w.pass(15.0);
    assert!(w.is("101", AgentStateName::Ready));
    w.pass(10.0);
    w.fail(4, OfferResult::Rejected);
    w.pass(30.0);
    w.fail(5, OfferResult::Busy);
    assert!(w.is("101", AgentStateName::Ready));
}

/// asterisk#1006: wrap-up holds for all queues of the agent, once.
#[test]
fn wrap_up_holds_across_all_queues_and_can_be_finished() {
    let mut w = World::new(FloorConfig::default());
    w.queue("a").wrap_up = Duration::from_secs(20);
    w.queue("b").wrap_up = Duration::ZERO;
    w.config.agents.insert("101".into(), person("101", &[], &["a", "b"]));
    w.apply();
    w.enqueue_to(1, "a", &[], 0);
    w.answer(1);
    w.talk_ended("101", 1);
    w.enqueue_to(2, "b", &[], 0);
    assert_eq!(timed(&w.pass(30.0)), [(20.0, 2, "101".to_owned())]);
    w.answer(2);
    w.enqueue_to(3, "a", &[], 0);
    assert_eq!(offers(&w.talk_ended("101", 2)), offer(3, 3, "101"), "no wrap-up after queue b");
    w.answer(3);
    w.talk_ended("101", 3);
    w.want("101", Wish::FinishWrapUp);
    assert!(w.is("101", AgentStateName::Ready));
    assert_eq!(w.pass(60.0), [], "the timer went with its state");
}

/// streams#613: what is asked for in a call comes after it, and the last word counts.
#[test]
fn a_wish_while_busy_is_pending_until_the_end_of_wrap_up() {
    let mut w = world(&["101"]);
    w.enqueue(1);
    w.answer(1);
    w.want("101", Wish::Logout);
    assert_eq!(w.state("101"), (AgentStateName::Busy, None, Some("offline".to_owned())));
    let out = w.pause("101");
    let shown = |k: &&&Kind| matches!(k, Kind::AgentState { next: Some(n), .. } if n == "paused:LUNCH");
    assert_eq!(kinds(&out).iter().filter(shown).count(), 1);
    w.talk_ended("101", 1);
    assert_eq!(w.state("101"), (AgentStateName::WrapUp, None, Some("paused:LUNCH".to_owned())));
    w.enqueue(2);
    let out: Vec<Output> = w.pass(10.0).into_iter().map(|(_, o)| o).collect();
    assert!(matches!(kinds(&out)[..], [Kind::AgentState { cause: StateCause::Agent, .. }]), "never ready in between");
    assert_eq!(w.state("101"), (AgentStateName::Paused, Some("LUNCH".to_owned()), None));
    w.pass(100.0);
    assert_eq!(offers(&w.want("101", Wish::Ready)), offer(2, 2, "101"));
}

/// fusionpbx#2831 and F12.
#[test]
fn an_unreachable_agent_gets_no_offer_and_returns_to_the_state_he_had() {
    let mut w = World::new(FloorConfig::default());
    w.queue(SUPPORT);
    for id in ["101", "102"] {
        let agent = AgentConfig { contact: None, ..person(id, &[], &[SUPPORT]) };
        w.config.agents.insert(id.into(), agent);
    }
    w.apply();
    assert!(w.is("101", AgentStateName::Offline));
    w.enqueue(1);
    assert_eq!(offers(&w.reachable("101", true)), offer(1, 1, "101"));
    // His phone goes while it rings: the caller waits on, without a missed ring.
    let out = w.reachable("101", false);
    assert_eq!(ended(&out), [OfferResult::Withdrawn]);
    assert!(w.is("101", AgentStateName::Unreachable));
    assert_eq!(offers(&w.reachable("101", true)), offer(2, 1, "101"));
    w.input(Input::Leave { call: call(1) });

    w.pause("101");
    w.reachable("101", false);
    assert_eq!(w.state("101"), (AgentStateName::Unreachable, None, None));
    w.reachable("101", true);
    assert_eq!(w.state("101"), (AgentStateName::Paused, Some("LUNCH".to_owned()), None));

    // A human logged him out: a returning phone does not change that.
    w.want("101", Wish::Logout);
    w.reachable("101", false);
    w.reachable("101", true);
    assert!(w.is("101", AgentStateName::Offline));

    // The idle rank survives: 102 was idle before 101 and is still first after a flap.
    w.reachable("102", true);
    w.pass(1.0);
    w.want("101", Wish::Ready);
    w.reachable("102", false);
    w.reachable("102", true);
    assert_eq!(offers(&w.enqueue(2)), offer(3, 2, "102"));
}

#[test]
fn without_auto_ready_an_agent_stays_offline_until_he_says_so() {
    let mut w = World::new(FloorConfig::default());
    w.queue(SUPPORT);
    let agent = AgentConfig { auto_ready: false, ..person("101", &[], &[SUPPORT]) };
    w.config.agents.insert("101".into(), agent);
    w.apply();
    w.reachable("101", true);
    assert!(w.is("101", AgentStateName::Offline));
    w.want("101", Wish::Ready);
    assert!(w.is("101", AgentStateName::Ready));
}

#[test]
fn own_calls_block_offers_and_withdraw_a_ring() {
    let mut w = world(&["101"]);
    w.input(Input::OwnCall { agent: "101".into(), call: call(90), rings: false });
    assert!(w.is("101", AgentStateName::Busy));
    assert_eq!(offers(&w.enqueue(1)), []);
    assert_eq!(offers(&w.input(Input::OwnCallEnded { agent: "101".into(), call: call(90) })), offer(1, 1, "101"));
    let out = w.input(Input::OwnCall { agent: "101".into(), call: call(91), rings: false });
    assert!(withdrawn(&out) && ended(&out) == [OfferResult::Withdrawn]);
    w.pause("101");
    assert_eq!(w.state("101"), (AgentStateName::Busy, None, Some("paused:LUNCH".to_owned())));
    w.input(Input::OwnCallEnded { agent: "101".into(), call: call(91) });
    assert!(w.is("101", AgentStateName::Paused));
}

/// freeswitch#2529: the ring ends at once, the agent keeps his idle rank, nothing is held against him.
#[test]
fn a_caller_who_hangs_up_while_it_rings_costs_the_agent_nothing() {
    let mut w = world(&["101", "102"]);
    w.enqueue(1);
    w.pass(5.0);
    let out = w.input(Input::Leave { call: call(1) });
    assert_eq!(out[0], Output::Withdraw { offer: OfferId(1) });
    assert_eq!(ended(&out), [OfferResult::CallerGone]);
    assert!(matches!(kinds(&out)[2], Kind::QueueLeft { outcome: QueueOutcome::Abandoned, wait_ms: 5_000, .. }));
    assert_eq!(w.floor.agent(&"101".into()).unwrap().misses.row, [0; 5]);
    let out = w.enqueue(2);
    assert_eq!(offers(&out), offer(2, 2, "101"), "still the longest idle");
    assert_eq!(why(&out).idle_ms, 5_000);
}

/// Race pairs: whatever comes second is late.
#[test]
fn answer_and_hang_up_in_either_order() {
    let mut w = world(&["101"]);
    w.enqueue(1);
    w.input(Input::Leave { call: call(1) });
    assert_eq!(w.answer(1), [Output::Discard { offer: OfferId(1) }]);
    assert!(w.is("101", AgentStateName::Ready));

    w.enqueue(2);
    w.answer(2);
    assert_eq!(w.input(Input::Leave { call: call(2) }), [], "he left the queue by the answer");
    w.talk_ended("101", 2);
    assert!(w.is("101", AgentStateName::WrapUp));
    assert_eq!(w.talk_ended("101", 2), []);
}

/// asterisk#176: of two answers one counts; the same answer told twice counts once.
#[test]
fn only_one_answer_counts() {
    let mut w = world(&["101", "102"]);
    w.enqueue(1);
    w.pass(15.0); // 101 withdrawn, 102 rings
    assert_eq!(w.answer(1), [Output::Discard { offer: OfferId(1) }], "101 answered too late");
    w.answer(2);
    assert_eq!(w.answer(2), [], "told twice");
    assert_eq!(w.fail(2, OfferResult::Busy), []);
    assert!(w.is("102", AgentStateName::Busy));
    assert_eq!(w.answer(77), [Output::Discard { offer: OfferId(77) }]);
}

/// freeswitch PR#800: pausing while it rings moves the caller on, once.
#[test]
fn pause_while_it_rings_moves_the_caller_to_the_next_agent() {
    let mut w = world(&["101", "102"]);
    w.enqueue(1);
    let out = w.pause("101");
    assert_eq!(out[0], Output::Withdraw { offer: OfferId(1) });
    assert_eq!(offers(&out), offer(2, 1, "102"));
    assert_eq!(w.answer(1), [Output::Discard { offer: OfferId(1) }]);
    let out = w.want("102", Wish::Logout);
    assert_eq!((ended(&out), offers(&out)), (vec![OfferResult::Withdrawn], vec![]));
    assert_eq!(w.floor.position(call(1)), Some(1));
}

#[test]
fn a_call_that_is_gone_frees_its_agent_and_that_is_written_down() {
    let mut w = world(&["101"]);
    w.enqueue(1);
    w.answer(1);
    let out = w.input(Input::CallGone { call: call(1) });
    assert!(matches!(kinds(&out)[..], [Kind::AgentRepaired { .. }, Kind::TalkEnded { .. }, Kind::AgentState { .. }]));
    assert_eq!(w.input(Input::CallGone { call: call(1) }), []);
    w.input(Input::OwnCall { agent: "101".into(), call: call(2), rings: false });
    w.enqueue(3);
    w.input(Input::CallGone { call: call(2) });
    w.pass(10.0);
    assert!(w.is("101", AgentStateName::Ringing));
    w.input(Input::CallGone { call: call(3) });
    assert!(w.floor.is_empty());
}

#[test]
fn views_count_agents_by_state() {
    let mut w = world(&["101", "102", "103", "104"]);
    w.enqueue(1);
    w.fail(1, OfferResult::Rejected); // 102 rings now
    w.pause("103");
    let view = w.floor.queue(w.now, &SUPPORT.into()).unwrap();
    assert_eq!((view.waiting, view.available), (1, 1));
    let count = |state| view.agents_in(state);
    assert_eq!(count(AgentStateName::Ready), 2, "the delayed one is ready too");
    assert_eq!((count(AgentStateName::Ringing), count(AgentStateName::Paused)), (1, 1));
    assert_eq!(
        w.floor.agents().map(|a| a.id).collect::<Vec<AgentId>>(),
        ["101", "102", "103", "104"].map(AgentId::from)
    );
}
