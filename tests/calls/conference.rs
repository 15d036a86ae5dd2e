//! A talk of more than two, and the music of a queue.

use hatif::engine::Input;
use hatif::id::LegId;
use hatif::journal::{AgentStateName, Kind};
use hatif::media::{Command as Media, Event};

use crate::centre::*;
use crate::phone::{Leg, sdp};

/// Who is on the right of the recording, as last said.
fn recorded(centre: &Centre) -> Vec<LegId> {
    let said = |c: &Media| match c {
        Media::Record { others, .. } => Some(others.to_vec()),
        _ => None,
    };
    centre.media.iter().rev().find_map(said).unwrap_or_default()
}

fn call(centre: &Centre) -> hatif::id::CallId {
    centre.engine.calls().next().expect("a call").id()
}

/// A customer, agent 101 and agent 103 in one talk.
fn three() -> (Centre, Leg, Leg, Leg) {
    let mut centre = Centre::new();
    let (customer, agent) = centre.talk(stranger(1));
    let id = call(&centre);
    assert_eq!(centre.add(id, "103"), Ok(()));
    let third = centre.rung(desk(103));
    assert_eq!(centre.add(id, "102"), Err(491), "one after the other");
    centre.says(&third, "180 Ringing");
    centre.picks_up(&third);
    (centre, customer, agent, third)
}

#[test]
fn everybody_hears_all_the_others_and_the_recording_goes_on() {
    let (mut centre, mut customer, agent, mut third) = three();
    let (c, a, g) = (centre.leg(0), centre.leg(1), centre.leg(2));
    assert_eq!([hears(&centre, c), hears(&centre, a), hears(&centre, g)], [vec![a, g], vec![c, g], vec![c, a]]);
    assert_eq!(recorded(&centre), [a, g]);
    assert_eq!(centre.state("103"), AgentStateName::Busy);
    centre.pass(seconds(5));
    // The guest leaves: a plain talk again.
    centre.bye(&mut third);
    assert_eq!([hears(&centre, c), hears(&centre, a)], [vec![], vec![]]);
    assert_eq!(recorded(&centre), [a]);
    assert_eq!(centre.state("103"), AgentStateName::Ready);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
    let record = centre.record(0);
    assert_eq!((record.recordings.len(), record.parties.len()), (1, 1));
    let party = &record.parties[0];
    assert_eq!(party.party, "agent:103");
    assert_eq!(party.left_at.expect("an end").since(party.joined_at), seconds(5));
}

/// The agent may leave, and those who stay go on: one record, one recording, a segment for the one who stays.
#[test]
fn the_agent_leaves_and_the_others_stay() {
    let (mut centre, customer, mut agent, mut third) = three();
    let (c, g) = (centre.leg(0), centre.leg(2));
    centre.pass(seconds(5));
    centre.bye(&mut agent);
    assert_eq!(centre.state("101"), AgentStateName::WrapUp);
    centre.silent(stranger(1));
    assert_eq!([hears(&centre, c), hears(&centre, g)], [vec![], vec![]]);
    let bridged = centre.media.iter().any(|m| matches!(m, Media::Bridge { a, b } if (*a, *b) == (c, g)));
    assert!(bridged);
    assert_eq!(recorded(&centre), [g]);
    centre.pass(seconds(7));
    centre.bye(&mut third);
    centre.ended(&customer);
    centre.nothing_is_left();
    let record = centre.record(0);
    assert_eq!(record.recordings.len(), 1);
    assert_eq!(record.agents[0].talk_seconds.map(|t| t.ms), Some(5_000));
    let segment = record.dial.last().expect("a segment");
    assert_eq!((segment.target.as_str(), segment.talk_seconds.map(|t| t.ms)), ("agent:103", Some(7_000)));
}

#[test]
fn the_customer_leaves_and_it_is_over_for_all() {
    let (mut centre, mut customer, agent, third) = three();
    centre.bye(&mut customer);
    centre.ended(&third);
    centre.ended(&agent);
    centre.nothing_is_left();
}

#[test]
fn a_party_can_be_taken_out_holds_and_is_lost_without_harm() {
    let (mut centre, mut customer, agent, mut third) = three();
    let id = call(&centre);
    // His hold is his own affair.
    centre.reinvites(&mut third, &sdp(desk(103), "sendonly"));
    assert_eq!(centre.state("101"), AgentStateName::Busy);
    assert!(!matches!(centre.media.last(), Some(Media::Music { .. })));
    assert_eq!(centre.drop_party(id, centre.leg(1)), Err(404), "the agent is none of them");
    assert_eq!(centre.drop_party(id, centre.leg(2)), Ok(()));
    centre.ended(&third);
    // Another one, whose phone falls silent.
    assert_eq!(centre.add(id, "sip:7001@10.0.0.1"), Ok(()));
    let far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    let leg = centre.leg(3);
    assert_eq!(hears(&centre, leg), [centre.leg(0), centre.leg(1)]);
    centre.handle(Input::Media(Event::MediaTimeout { leg }));
    centre.ended(&far);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}

#[test]
fn who_is_busy_refuses_or_does_not_answer_leaves_the_talk_as_it_was() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    let id = call(&centre);
    for (to, code) in [("999", 404), ("600", 403), ("*11", 403), ("9196", 403)] {
        assert_eq!(centre.add(id, to), Err(code), "{to}");
    }
    let mixes = |centre: &Centre| centre.media.iter().filter(|c| matches!(c, Media::Mix { .. })).count();
    // Busy with this very talk.
    assert_eq!(centre.add(id, "101"), Ok(()));
    assert_eq!(centre.add(id, "103"), Ok(()));
    let third = centre.rung(desk(103));
    centre.says(&third, "603 Decline");
    assert_eq!(centre.add(id, "103"), Ok(()));
    let third = centre.rung(desk(103));
    centre.says(&third, "180 Ringing");
    centre.pass(seconds(61));
    centre.cancelled(&third);
    assert_eq!(mixes(&centre), 0);
    // The customer hangs up while somebody rings.
    assert_eq!(centre.add(id, "103"), Ok(()));
    let third = centre.rung(desk(103));
    centre.says(&third, "180 Ringing");
    centre.bye(&mut customer);
    centre.cancelled(&third);
    centre.ended(&agent);
    assert_eq!(centre.add(id, "103"), Err(404));
    centre.nothing_is_left();
    let failed = centre.told(|kind| match kind {
        Kind::PartyFailed { sip_code, .. } => Some(*sip_code),
        _ => None,
    });
    assert_eq!(failed, [486, 603, 487, 487]);
    assert!(centre.record(0).parties.is_empty());
}

/// A supervisor in a conference: a whisper is in the agent's ear alone.
#[test]
fn a_supervisor_whispers_into_a_conference() {
    let (mut centre, mut customer, agent, third) = three();
    let (c, a, g) = (centre.leg(0), centre.leg(1), centre.leg(2));
    let mut line = centre.connect(desk(201), "201", "*82101");
    let s = centre.leg(3);
    let ears = |centre: &Centre| [c, a, g, s].map(|leg| hears(centre, leg));
    assert_eq!(ears(&centre), [vec![a, g], vec![c, g, s], vec![c, a], vec![c, a, g]]);
    centre.digit(s, '3');
    assert_eq!(ears(&centre), [vec![a, g, s], vec![c, g, s], vec![c, a, s], vec![c, a, g]]);
    centre.bye(&mut line);
    centre.bye(&mut customer);
    centre.ended(&third);
    centre.ended(&agent);
    centre.nothing_is_left();
}

/// `[[queue]] music`: who waits there hears it, and who is on hold in its talks.
#[test]
fn a_queue_has_its_own_music() {
    let played = |centre: &Centre| match centre.media.iter().rev().find(|c| matches!(c, Media::Music { .. })) {
        Some(Media::Music { music, .. }) => music.ulaw.to_vec(),
        _ => Vec::new(),
    };
    let mut centre = Centre::new();
    let mut waits = centre.connect(stranger(1), "1", "602");
    let of_centre = played(&centre);
    centre.bye(&mut waits);
    let mut customer = centre.connect(stranger(1), "1", "601");
    let of_queue = played(&centre);
    assert_ne!(of_queue, of_centre);
    let mut agent = centre.rung(desk(101));
    centre.picks_up(&agent);
    centre.media.clear();
    centre.reinvites(&mut agent, &sdp(desk(101), "sendonly"));
    assert_eq!(played(&centre), of_queue);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}
