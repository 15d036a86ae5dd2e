//! Calls between the centre's own people, and what an agent's own calls do to the floor.

use hatif::journal::{AgentStateName, EndReason};

use crate::centre::*;

#[test]
fn a_colleague_is_rung_and_both_are_busy_until_it_ends() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(desk(103), "103", "102");
    let colleague = centre.rung(desk(102));
    assert_eq!((centre.state("103"), centre.state("102")), (AgentStateName::Busy, AgentStateName::Busy));
    centre.says(&colleague, "180 Ringing");
    centre.picks_up(&colleague);
    centre.answered(&mut caller);
    // Nobody is offered a caller meanwhile, and a second colleague hears busy.
    centre.want("101", hatif::acd::Wish::Pause("x".into()));
    let mut customer = centre.connect(stranger(1), "1", "600");
    centre.silent(desk(102));
    let mut third = centre.dial(desk(101), "101", "102");
    centre.refused(&mut third, 486);
    centre.pass(seconds(9));
    centre.bye(&mut caller);
    centre.ended(&colleague);
    // He is free and gets the caller who waited.
    let ring = centre.rung(desk(102));
    centre.says(&ring, "180 Ringing");
    centre.bye(&mut customer);
    centre.cancelled(&ring);
    centre.nothing_is_left();
    assert_eq!(centre.state("103"), AgentStateName::Ready);
    let record = centre.record(0);
    assert_eq!((record.agents[0].agent.as_str(), record.agents[0].queue.as_ref()), ("102", None));
    assert_eq!(record.agents[0].talk_seconds.map(|s| s.ms), Some(9_000));
    assert_eq!(record.dial[0].target, "agent:102");
    assert_eq!(record.end.map(|end| end.reason), Some(EndReason::Normal));
}

#[test]
fn every_end_of_a_ring_frees_both() {
    for answer in ["486 Busy Here", "603 Decline", "480 Away"] {
        let mut centre = Centre::new();
        let mut caller = centre.dial(desk(103), "103", "102");
        let colleague = centre.rung(desk(102));
        centre.says(&colleague, answer);
        centre.refused(&mut caller, answer[..3].parse().expect("a code"));
        assert_eq!((centre.state("103"), centre.state("102")), (AgentStateName::Ready, AgentStateName::Ready));
        centre.nothing_is_left();
    }
    let mut centre = Centre::new();
    let mut caller = centre.dial(desk(103), "103", "102");
    let colleague = centre.rung(desk(102));
    centre.says(&colleague, "180 Ringing");
    centre.ignore(desk(103));
    centre.cancel(&caller);
    centre.expect(desk(103), "SIP/2.0 200");
    centre.refused(&mut caller, 487);
    centre.cancelled(&colleague);
    assert_eq!((centre.state("103"), centre.state("102")), (AgentStateName::Ready, AgentStateName::Ready));
    centre.nothing_is_left();
    assert_eq!(centre.record(0).end.map(|end| end.reason), Some(EndReason::Abandoned));
}

#[test]
fn who_cannot_be_rung_is_refused() {
    let mut centre = Centre::with(|settings| {
        settings.floor.agents.get_mut("102").expect("102").contact = None;
    });
    // No phone.
    let mut caller = centre.dial(desk(103), "103", "102");
    centre.refused(&mut caller, 480);
    // Himself.
    let mut caller = centre.dial(desk(103), "103", "103");
    centre.refused(&mut caller, 486);
    assert_eq!(centre.state("103"), AgentStateName::Ready);
    centre.nothing_is_left();
}

#[test]
fn a_colleague_may_call_who_is_paused_and_he_is_paused_again() {
    let mut centre = Centre::new();
    centre.want("102", hatif::acd::Wish::Pause("lunch".into()));
    let mut caller = centre.dial(desk(103), "103", "102");
    let mut colleague = centre.rung(desk(102));
    centre.picks_up(&colleague);
    centre.answered(&mut caller);
    centre.bye(&mut colleague);
    centre.ended(&caller);
    assert_eq!(centre.state("102"), AgentStateName::Paused);
    centre.nothing_is_left();
}

#[test]
fn an_agent_in_a_test_a_flow_or_a_queue_is_not_offered_callers() {
    for number in ["9196", "500", "602"] {
        let mut centre = Centre::new();
        centre.want("102", hatif::acd::Wish::Logout);
        let mut own = centre.connect(desk(101), "101", number);
        assert_eq!(centre.state("101"), AgentStateName::Busy);
        let mut customer = centre.connect(stranger(1), "1", "600");
        centre.silent(desk(101));
        centre.bye(&mut own);
        let ring = centre.rung(desk(101));
        centre.picks_up(&ring);
        centre.bye(&mut customer);
        centre.ended(&ring);
        centre.nothing_is_left();
    }
}
