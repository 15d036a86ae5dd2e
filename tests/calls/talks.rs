//! Two people talk: hold, new offers, lost media, lost acknowledgements.

use hatif::engine::Input;
use hatif::journal::{AgentStateName, EndReason, Kind, Party};
use hatif::media::{Command as Media, Event, Terms};

use crate::centre::*;
use crate::phone::sdp;

#[test]
fn an_agent_holds_by_re_invite_the_caller_hears_music_and_the_time_is_kept() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.pass(seconds(10));
    let answer = centre.reinvites(&mut agent, &sdp(desk(101), "sendonly"));
    assert_eq!(direction(&answer), "recvonly");
    assert_eq!(centre.state("101"), AgentStateName::Hold);
    assert!(matches!(centre.media.last(), Some(Media::Music { leg, .. }) if *leg == centre.leg(0)));
    centre.pass(seconds(7));
    let answer = centre.reinvites(&mut agent, &sdp(desk(101), "sendrecv"));
    assert_eq!(direction(&answer), "sendrecv");
    assert_eq!(centre.state("101"), AgentStateName::Busy);
    assert!(matches!(centre.media.last(), Some(Media::Silence { leg }) if *leg == centre.leg(0)));
    centre.pass(seconds(3));
    centre.reinvites(&mut agent, &sdp(desk(101), "inactive"));
    centre.pass(seconds(2));
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
    let served = &centre.record(0).agents[0];
    assert_eq!((served.hold_count, served.hold_seconds.ms), (2, 9_000));
    assert_eq!(served.talk_seconds.map(|s| s.ms), Some(22_000));
    let held = centre.told(|kind| if let Kind::Held { on, .. } = kind { Some(*on) } else { None });
    assert_eq!(held, [true, false, true]);
}

#[test]
fn a_customer_may_hold_too_and_the_agent_stays_busy() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    let answer = centre.reinvites(&mut customer, &sdp(stranger(1), "sendonly"));
    assert_eq!(direction(&answer), "recvonly");
    assert_eq!(centre.state("101"), AgentStateName::Busy);
    assert!(matches!(centre.media.last(), Some(Media::Update { terms: Terms { send: false, receive: true, .. }, .. })));
    centre.reinvites(&mut customer, &sdp(stranger(1), "sendrecv"));
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}

#[test]
fn an_agent_who_answers_on_hold_is_on_hold() {
    let mut centre = Centre::new();
    let mut customer = centre.connect(stranger(1), "1", "600");
    let mut agent = centre.rung(desk(101));
    centre.picks_up_with(&agent, &sdp(desk(101), "inactive"));
    assert_eq!(centre.state("101"), AgentStateName::Hold);
    centre.reinvites(&mut agent, &sdp(desk(101), "sendrecv"));
    assert_eq!(centre.state("101"), AgentStateName::Busy);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}

/// RFC 3264 §8: the version in `o=` grows by one with each description of ours, and not for one that was refused.
#[test]
fn an_offer_without_common_codec_is_refused_and_the_talk_goes_on() {
    let mut centre = Centre::new();
    let (mut customer, agent) = centre.talk(stranger(1));
    let offer = sdp(stranger(1), "sendrecv").replace("RTP/AVP 8 101", "RTP/AVP 18");
    assert!(centre.reinvites(&mut customer, &offer).starts_with("SIP/2.0 488"));
    let answer = centre.reinvites(&mut customer, &sdp(stranger(1), "sendrecv"));
    assert!(answer.contains("o=hatif 1 2 IN IP4"), "{answer}");
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}

/// RFC 3261 §14.2: who asks for our offer gets it in the 200, and answers it in the ACK.
#[test]
fn a_re_invite_without_sdp_is_answered_with_our_offer() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.offers(&mut customer, "");
    centre.expect(stranger(1), "SIP/2.0 100");
    let ok = centre.expect(stranger(1), "SIP/2.0 200");
    // All we can do, and not only what is spoken now.
    assert!(ok.contains("m=audio 20000 RTP/AVP 8 0 101\r\n") && direction(&ok) == "sendrecv", "{ok}");
    let answer = sdp(stranger(1), "sendrecv").replace("m=audio 4000", "m=audio 4444");
    centre.ack_with(&customer, &answer);
    let moved = |c: &Media| matches!(c, Media::Update { remote: Some(remote), .. } if remote.port() == 4444);
    assert!(centre.media.last().is_some_and(moved), "{:?}", centre.media.last());

    // An agent's phone may hold that way.
    centre.offers(&mut agent, "");
    centre.expect(desk(101), "SIP/2.0 100");
    centre.expect(desk(101), "SIP/2.0 200");
    centre.ack_with(&agent, &sdp(desk(101), "sendonly"));
    assert_eq!(centre.state("101"), AgentStateName::Hold);
    // An answer that cannot be used changes nothing.
    centre.offers(&mut agent, "");
    centre.expect(desk(101), "SIP/2.0 100");
    centre.expect(desk(101), "SIP/2.0 200");
    centre.ack_with(&agent, "nonsense");
    assert_eq!(centre.state("101"), AgentStateName::Hold);
    centre.bye(&mut customer);
    centre.ended(&agent);
    centre.nothing_is_left();
}

/// An old phone may begin on hold: `0.0.0.0` (RFC 2543) or `sendonly`.
#[test]
fn a_caller_may_begin_on_hold() {
    let mut centre = Centre::new();
    for (offer, answer) in [
        (sdp(stranger(1), "sendonly"), "recvonly"),
        (sdp(stranger(1), "sendrecv").replace("c=IN IP4 10.3.0.1", "c=IN IP4 0.0.0.0"), "sendrecv"),
    ] {
        let mut leg = centre.dial_with(stranger(1), "1", "602", "Max-Forwards: 70", &offer);
        let ok = centre.answered(&mut leg);
        assert_eq!(direction(&ok), answer);
        let update = centre.media.iter().rev().find(|c| matches!(c, Media::Update { .. }));
        assert!(matches!(update, Some(Media::Update { terms: Terms { send: false, .. }, .. })), "{update:?}");
        centre.reinvites(&mut leg, &sdp(stranger(1), "sendrecv"));
        assert!(matches!(
            centre.media.last(),
            Some(Media::Update { terms: Terms { send: true, .. }, remote: Some(_), .. })
        ));
        centre.bye(&mut leg);
    }
    centre.nothing_is_left();
}

#[test]
fn silence_on_a_leg_ends_the_call_and_frees_all() {
    let mut centre = Centre::new();
    let (customer, agent) = centre.talk(stranger(1));
    let leg = centre.leg(0);
    centre.handle(Input::Media(Event::MediaTimeout { leg }));
    centre.ended(&agent);
    centre.ended(&customer);
    centre.nothing_is_left();
    let end = centre.record(0).end.expect("an end");
    assert_eq!((end.by, end.reason), (Party::System, EndReason::MediaTimeout));
}

/// RFC 3261 §13.3.1.4: without an ACK for 64·T1 the session is ended by BYE.
#[test]
fn a_200_that_is_never_acknowledged_ends_the_call() {
    let mut centre = Centre::new();
    let mut leg = centre.dial(stranger(1), "1", "602");
    centre.expect(stranger(1), "SIP/2.0 100");
    let ok = centre.expect(stranger(1), "SIP/2.0 200");
    leg.remote = crate::phone::header(&ok, "To").expect("To").to_owned();
    centre.settings.floor.queues.clear();
    centre.pass(seconds(11));
    // The queue is over after 12 s; its BYE must wait for the ACK that never comes.
    centre.pass(seconds(25));
    let mut last = centre.next(stranger(1));
    while last.starts_with("SIP/2.0 200") {
        last = centre.next(stranger(1));
    }
    assert!(last.starts_with("BYE "), "{last}");
    centre.send(stranger(1), crate::phone::response(&last, "200 OK", "", stranger(1), ""));
    centre.nothing_is_left();

    let mut centre = Centre::new();
    centre.want("101", hatif::acd::Wish::Logout);
    centre.want("102", hatif::acd::Wish::Logout);
    centre.dial(stranger(1), "1", "600");
    centre.pass(seconds(33));
    assert_eq!(centre.record(0).end.map(|end| end.reason), Some(EndReason::NoAck));
    centre.ignore(stranger(1));
    centre.pass(seconds(40));
    centre.nothing_is_left();
}

#[test]
fn both_hang_up_at_once() {
    let mut centre = Centre::new();
    let (mut customer, mut agent) = centre.talk(stranger(1));
    centre.bye(&mut customer);
    let bye = centre.expect(desk(101), "BYE ");
    centre.bye(&mut agent);
    centre.send(desk(101), crate::phone::response(&bye, "200 OK", "", desk(101), ""));
    centre.nothing_is_left();
    assert_eq!(centre.record(0).end.map(|end| end.by), Some(Party::Customer));
}
