//! Agents who may have more than one call at a time: a second INVITE, two talks, one wrap-up.

use hatif::acd::Wish;
use hatif::id::CallId;
use hatif::journal::{AgentStateName, Kind, OfferResult};

use crate::centre::*;
use crate::phone::sdp;

/// 101 alone is there for `support`, and may have two calls.
fn centre_of_one() -> Centre {
    let mut centre = Centre::with(|settings| {
        settings.floor.agents.get_mut("101").expect("101 is there").capacity = 2;
    });
    centre.want("102", Wish::Logout);
    centre
}

fn present(centre: &Centre) -> Option<CallId> {
    centre.engine.floor().agent(&"101".into()).and_then(|agent| agent.call)
}

#[test]
fn a_second_caller_rings_beside_the_talk_and_the_wrap_up_follows_the_last_one() {
    let mut centre = centre_of_one();
    let (mut first, at_first) = centre.talk(stranger(1));
    centre.pass(seconds(10));
    let mut second = centre.connect(stranger(2), "0552222", "600");
    let at_second = centre.rung(desk(101));
    assert_eq!(centre.state("101"), AgentStateName::Busy);
    centre.says(&at_second, "180 Ringing");
    centre.picks_up(&at_second);
    let calls: Vec<CallId> = centre.engine.calls().map(|call| call.id()).collect();
    assert_eq!(calls.len(), 2);
    assert_eq!(present(&centre), Some(calls[1]), "the call he answered last is the present one");

    // A third waits: he has no room.
    let mut third = centre.connect(stranger(3), "0553333", "600");
    centre.silent(desk(101));
    centre.pass(seconds(5));
    centre.bye(&mut first);
    centre.ended(&at_first);
    assert_eq!((centre.state("101"), present(&centre)), (AgentStateName::Busy, Some(calls[1])));
    let at_third = centre.rung(desk(101));
    centre.says(&at_third, "180 Ringing");
    centre.bye(&mut third);
    centre.cancelled(&at_third);

    centre.pass(seconds(3));
    centre.bye(&mut second);
    centre.ended(&at_second);
    assert_eq!(centre.state("101"), AgentStateName::WrapUp);
    centre.pass(seconds(10));
    assert_eq!(centre.state("101"), AgentStateName::Ready);
    centre.nothing_is_left();
    let talks = [0, 1].map(|n| centre.record(n).agents[0].clone());
    assert_eq!(talks.clone().map(|talk| talk.talk_seconds.map(|s| s.ms)), [Some(15_000), Some(8_000)]);
    assert_eq!(talks.map(|talk| talk.wrap_up_seconds.map(|s| s.ms)), [None, Some(10_000)]);
}

#[test]
fn each_of_two_talks_is_held_for_itself() {
    let mut centre = centre_of_one();
    let (mut first, mut at_first) = centre.talk(stranger(1));
    centre.reinvites(&mut at_first, &sdp(desk(101), "sendonly"));
    assert_eq!(centre.state("101"), AgentStateName::Hold);
    let mut second = centre.connect(stranger(2), "0552222", "600");
    let at_second = centre.rung(desk(101));
    centre.pass(seconds(2));
    centre.picks_up(&at_second);
    assert_eq!(centre.state("101"), AgentStateName::Busy);
    centre.pass(seconds(5));
    centre.bye(&mut second);
    centre.ended(&at_second);
    assert_eq!(centre.state("101"), AgentStateName::Hold);
    centre.reinvites(&mut at_first, &sdp(desk(101), "sendrecv"));
    centre.pass(seconds(1));
    centre.bye(&mut first);
    centre.ended(&at_first);
    centre.nothing_is_left();
    let held = [0, 1].map(|n| centre.record(n).agents[0].hold_seconds.ms);
    assert_eq!(held, [7_000, 0]);
}

#[test]
fn a_phone_that_takes_one_call_only_refuses_the_second_and_keeps_the_first() {
    let mut centre = centre_of_one();
    let (mut first, at_first) = centre.talk(stranger(1));
    let mut second = centre.connect(stranger(2), "0552222", "600");
    let at_second = centre.rung(desk(101));
    centre.says(&at_second, "486 Busy Here");
    assert_eq!(centre.state("101"), AgentStateName::Busy);
    let ended = centre.told(|kind| if let Kind::OfferEnded { result, .. } = kind { Some(*result) } else { None });
    assert_eq!(ended, [OfferResult::Accepted, OfferResult::Busy]);
    // Neither this caller nor another is tried at once again.
    centre.pass(seconds(5));
    let mut third = centre.connect(stranger(3), "0553333", "600");
    centre.silent(desk(101));
    assert_eq!(centre.told(|kind| if let Kind::Offered { .. } = kind { Some(()) } else { None }).len(), 2);
    centre.bye(&mut second);
    centre.bye(&mut third);
    centre.bye(&mut first);
    centre.ended(&at_first);
    centre.nothing_is_left();
}

#[test]
fn a_colleague_rings_who_has_room_and_no_caller_rings_meanwhile() {
    let mut centre = centre_of_one();
    let (mut first, at_first) = centre.talk(stranger(1));
    let mut colleague = centre.dial(desk(102), "102", "101");
    let at_colleague = centre.rung(desk(101));
    let mut second = centre.connect(stranger(2), "0552222", "600");
    let offered = |centre: &Centre| centre.told(|kind| matches!(kind, Kind::Offered { .. }).then_some(())).len();
    assert_eq!(offered(&centre), 1, "his phone rings already");
    centre.picks_up(&at_colleague);
    centre.answered(&mut colleague);
    // He has two calls: one of the queue and one of his own.
    assert_eq!(offered(&centre), 1);
    let mut other = centre.dial(desk(103), "103", "101");
    centre.refused(&mut other, 486);
    centre.bye(&mut colleague);
    centre.ended(&at_colleague);
    let at_second = centre.rung(desk(101));
    centre.says(&at_second, "180 Ringing");
    centre.bye(&mut second);
    centre.cancelled(&at_second);
    centre.bye(&mut first);
    centre.ended(&at_first);
    centre.nothing_is_left();
}
