//! An INVITE with Replaces (RFC 3891): another phone takes the place of one in a call.

use hatif::acd::Wish;
use hatif::journal::{AgentStateName, OfferResult};

use crate::centre::*;
use crate::phone::{Leg, header, sdp};

/// The Replaces header for the dialog that `leg` has with the centre, as a third phone writes it.
fn replaces(leg: &Leg) -> String {
    let tag = |value: &str| value.split(";tag=").nth(1).unwrap_or_default().to_owned();
    let (to, from) = (tag(&leg.remote), tag(&leg.local));
    format!("Max-Forwards: 70\r\nRequire: replaces\r\nReplaces: {};to-tag={to};from-tag={from}", leg.call_id)
}

#[track_caller]
pub fn take_place(centre: &mut Centre, user: u16, of: &Leg) -> Leg {
    let offer = sdp(desk(user), "sendrecv");
    let mut leg = centre.dial_with(desk(user), &user.to_string(), "x", &replaces(of), &offer);
    centre.answered(&mut leg);
    leg
}

#[test]
fn a_colleague_takes_over_a_talk() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    centre.pass(seconds(4));
    let colleague = take_place(&mut centre, 102, &agent);
    let bye = centre.ended(&agent);
    assert_eq!(header(&bye, "Reason"), Some("SIP;cause=200;text=\"Replaced\""));
    centre.bridged_last(0, 2);
    assert_eq!((centre.state("101"), centre.state("102")), (AgentStateName::WrapUp, AgentStateName::Busy));
    centre.pass(seconds(6));
    centre.bye(&mut customer);
    centre.ended(&colleague);
    assert_eq!(centre.state("102"), AgentStateName::Ready);
    centre.nothing_is_left();
    let talks = &centre.record(0).agents;
    let talks: Vec<_> = talks.iter().map(|v| (v.agent.as_str(), v.talk_seconds.map(|s| s.ms))).collect();
    assert_eq!(talks, [("101", Some(4_000)), ("102", Some(6_000))]);
}

/// The talk of the queue goes on, recorded, at another phone of the same agent.
#[test]
fn an_agent_goes_on_at_another_phone() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    centre.pass(seconds(4));
    let other = take_place(&mut centre, 101, &agent);
    centre.ended(&agent);
    centre.bridged_last(0, 2);
    assert_eq!(centre.state("101"), AgentStateName::Busy);
    centre.pass(seconds(6));
    centre.bye(&mut customer);
    centre.ended(&other);
    centre.nothing_is_left();
    let record = centre.record(0);
    assert_eq!((record.agents.len(), record.recordings.len()), (1, 1));
    assert_eq!(record.agents[0].talk_seconds.map(|s| s.ms), Some(10_000));
}

#[test]
fn who_called_goes_on_at_another_phone_and_nobody_else_takes_his_place() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(desk(103), "103", "102");
    let mut colleague = centre.rung(desk(102));
    centre.picks_up(&colleague);
    centre.answered(&mut caller);
    let offer = sdp(desk(101), "sendrecv");
    let mut thief = centre.dial_with(desk(101), "101", "x", &replaces(&caller), &offer);
    centre.refused(&mut thief, 403);
    let other = take_place(&mut centre, 103, &caller);
    centre.ended(&caller);
    centre.bridged_last(2, 1);
    centre.bye(&mut colleague);
    centre.ended(&other);
    assert_eq!(centre.state("103"), AgentStateName::Ready);
    centre.nothing_is_left();
}

/// A ring may be picked up by somebody else: a queue's as well as a direct one.
#[test]
fn a_colleague_picks_up_what_rings() {
    let mut centre = Centre::new();
    centre.want("102", Wish::Pause("x".into()));
    let mut customer = centre.connect(stranger(1), "1", "600");
    let ring = centre.rung(desk(101));
    centre.says(&ring, "180 Ringing");
    let ring = Leg { local: ring.local.clone(), ..ring };
    let colleague = take_place(&mut centre, 102, &ring);
    centre.cancelled(&ring);
    assert_eq!((centre.state("101"), centre.state("102")), (AgentStateName::Ready, AgentStateName::Busy));
    centre.bye(&mut customer);
    centre.ended(&colleague);
    assert_eq!(centre.state("102"), AgentStateName::Paused);
    centre.nothing_is_left();
    assert_eq!(centre.record(0).agents[0].result, Some(OfferResult::CallerGone));

    let mut centre = Centre::new();
    let mut caller = centre.dial(desk(103), "103", "102");
    let ring = centre.rung(desk(102));
    centre.says(&ring, "180 Ringing");
    let colleague = take_place(&mut centre, 101, &ring);
    centre.cancelled(&ring);
    centre.answered(&mut caller);
    centre.bye(&mut caller);
    centre.ended(&colleague);
    for agent in ["101", "102", "103"] {
        assert_eq!(centre.state(agent), AgentStateName::Ready);
    }
    centre.nothing_is_left();
}

#[test]
fn strangers_and_trunks_take_nobodys_place() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    for at in [stranger(2), trunk()] {
        let mut thief = centre.dial_with(at, "9", "600", &replaces(&agent), &sdp(at, "sendrecv"));
        centre.refused(&mut thief, 403);
    }
    let gone = Leg { call_id: "nowhere".into(), ..agent.clone() };
    let mut late = centre.dial_with(desk(102), "102", "x", &replaces(&gone), &sdp(desk(102), "sendrecv"));
    centre.refused(&mut late, 481);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}
