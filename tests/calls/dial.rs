//! Calls to addresses and trunks: relay, bypass, refusals, limits.

use hatif::engine::Input;
use hatif::journal::{EndReason, Party};
use hatif::media::{Command as Media, Event};

use crate::centre::*;
use crate::phone::{body, header, response, sdp};

#[test]
fn a_dialled_address_is_rung_answered_recorded_and_bridged() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(trunk(), "0551234", "7001");
    let far = centre.rung(addr(FAR));
    assert!(far.invite.starts_with("INVITE sip:7001@10.4.0.1:5060 SIP/2.0\r\n"));
    assert_eq!(header(&far.invite, "Max-Forwards"), Some("69"));
    centre.expect(trunk(), "SIP/2.0 100");
    centre.silent(trunk());
    centre.says(&far, "180 Ringing");
    centre.expect(trunk(), "SIP/2.0 180");
    centre.pass(seconds(3));
    centre.picks_up(&far);
    centre.answered(&mut caller);
    assert!(centre.media.iter().any(|c| matches!(c, Media::Record { .. })));
    centre.pass(seconds(12));
    centre.bye(&mut caller);
    centre.ended(&far);
    centre.nothing_is_left();
    let record = centre.record(0);
    assert_eq!(record.dial[0].target, "sip:7001@10.4.0.1:5060");
    assert_eq!(record.dial[0].talk_seconds.map(|s| s.ms), Some(12_000));
    assert_eq!(record.recordings.len(), 1);
    assert_eq!(record.end.map(|end| (end.by, end.reason)), Some((Party::Customer, EndReason::Normal)));
}

#[test]
fn the_far_side_may_hang_up_too() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(trunk(), "1", "7001");
    let mut far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    centre.answered(&mut caller);
    centre.bye(&mut far);
    centre.ended(&caller);
    centre.nothing_is_left();
    assert_eq!(centre.record(0).end.map(|end| (end.by, end.reason)), Some((Party::Agent, EndReason::Normal)));
}

#[test]
fn a_refusal_is_passed_on_or_mapped() {
    for (answer, code, reason) in [
        ("486 Busy Here", 486, EndReason::Busy),
        ("600 Busy Everywhere", 600, EndReason::Busy),
        ("480 Temporarily Unavailable", 480, EndReason::NoAnswer),
        ("487 Request Terminated", 480, EndReason::NoAnswer),
        ("404 Not Found", 404, EndReason::Rejected),
        ("603 Decline", 603, EndReason::Rejected),
        ("401 Unauthorized", 502, EndReason::Rejected),
        ("407 Proxy Authentication Required", 502, EndReason::Rejected),
        ("302 Moved Temporarily", 502, EndReason::Rejected),
        ("503 Service Unavailable", 503, EndReason::Rejected),
    ] {
        let mut centre = Centre::new();
        let mut caller = centre.dial(trunk(), "1", "7001");
        let far = centre.rung(addr(FAR));
        centre.says(&far, answer);
        centre.refused(&mut caller, code);
        centre.nothing_is_left();
        let record = centre.record(0);
        assert_eq!(record.end.map(|end| (end.reason, end.sip_code)), Some((reason, code)), "{answer}");
        assert_eq!(record.dial[0].sip_code, answer[..3].parse().ok());
    }
}

#[test]
fn an_address_that_says_nothing_is_a_408_after_32_s() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(trunk(), "1", "7001");
    centre.pass(seconds(33));
    centre.refused(&mut caller, 408);
    centre.ignore(addr(FAR));
    centre.nothing_is_left();
    assert_eq!(centre.record(0).end.map(|end| end.reason), Some(EndReason::NoAnswer));
}

/// A caller may ring for an hour: no timer of ours ends it, and that no audio comes yet is no fault.
#[test]
fn a_phone_may_ring_for_an_hour() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(trunk(), "1", "7001");
    let far = centre.rung(addr(FAR));
    centre.says(&far, "180 Ringing");
    centre.expect(trunk(), "SIP/2.0 100");
    centre.expect(trunk(), "SIP/2.0 180");
    let leg = centre.leg(0);
    for _minute in 0..60 {
        centre.handle(Input::Media(Event::MediaTimeout { leg }));
        centre.pass(seconds(60));
    }
    centre.picks_up(&far);
    centre.answered(&mut caller);
    centre.bye(&mut caller);
    centre.ended(&far);
    centre.nothing_is_left();
}

#[test]
fn a_caller_who_cancels_stops_the_far_phone() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(trunk(), "1", "7001");
    let far = centre.rung(addr(FAR));
    centre.says(&far, "180 Ringing");
    centre.ignore(trunk());
    centre.cancel(&caller);
    centre.expect(trunk(), "SIP/2.0 200");
    centre.refused(&mut caller, 487);
    centre.cancelled(&far);
    centre.nothing_is_left();
    assert_eq!(centre.record(0).end.map(|end| (end.by, end.sip_code)), Some((Party::Customer, 487)));
}

/// The far phone answers as the caller gives up: ACK, then BYE.
#[test]
fn an_answer_that_crosses_the_cancel_of_a_dial_is_ended() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(trunk(), "1", "7001");
    let far = centre.rung(addr(FAR));
    centre.ignore(trunk());
    centre.cancel(&caller);
    centre.expect(trunk(), "SIP/2.0 200");
    centre.refused(&mut caller, 487);
    centre.picks_up(&far);
    centre.ended(&far);
    centre.nothing_is_left();
}

#[test]
fn with_bypass_both_descriptions_pass_through() {
    let mut centre = Centre::new();
    let offer = sdp(trunk(), "sendrecv");
    let mut caller = centre.dial_with(trunk(), "1", "8001", "Max-Forwards: 70", &offer);
    let mut far = centre.rung(addr(FAR));
    assert_eq!(body(&far.invite), offer);
    let answer = sdp(addr(FAR), "sendrecv");
    centre.picks_up_with(&far, &answer);
    assert_eq!(body(&centre.answered(&mut caller)), answer);
    assert_eq!(centre.engine.stats().ports_in_use, 0);
    assert!(!centre.media.iter().any(|c| matches!(c, Media::Open { .. } | Media::Bridge { .. })));

    // The caller holds.
    centre.offers(&mut caller, &sdp(trunk(), "sendonly"));
    let passed = centre.expect(addr(FAR), "INVITE ");
    assert_eq!(body(&passed), sdp(trunk(), "sendonly"));
    centre.expect(trunk(), "SIP/2.0 100");
    centre.silent(trunk());
    centre.send(addr(FAR), response(&passed, "200 OK", "", addr(FAR), &sdp(addr(FAR), "recvonly")));
    centre.expect(addr(FAR), "ACK ");
    let ok = centre.expect(trunk(), "SIP/2.0 200");
    assert_eq!(body(&ok), sdp(addr(FAR), "recvonly"));
    centre.ack(&caller);

    // The far side changes something that the caller refuses.
    centre.offers(&mut far, &sdp(addr(FAR), "inactive"));
    let passed = centre.expect(trunk(), "INVITE ");
    assert_eq!(body(&passed), sdp(addr(FAR), "inactive"));
    centre.send(trunk(), response(&passed, "488 Not Acceptable Here", "", trunk(), ""));
    centre.expect(trunk(), "ACK ");
    centre.expect(addr(FAR), "SIP/2.0 100");
    let refusal = centre.expect(addr(FAR), "SIP/2.0 488");
    centre.send(addr(FAR), far.request("ACK", far.cseq, &far.branch, &far.target, ""));
    assert_eq!(header(&refusal, "CSeq"), Some("101 INVITE"));

    centre.bye(&mut far);
    centre.ended(&caller);
    centre.nothing_is_left();
}

/// RFC 3261 §14.2: two offers at once.
#[test]
fn offers_that_cross_in_bypass_get_491() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(trunk(), "1", "8001");
    let mut far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    centre.answered(&mut caller);
    centre.offers(&mut caller, &sdp(trunk(), "sendonly"));
    let passed = centre.expect(addr(FAR), "INVITE ");
    centre.offers(&mut far, &sdp(addr(FAR), "sendonly"));
    centre.expect(addr(FAR), "SIP/2.0 491");
    centre.send(addr(FAR), far.request("ACK", far.cseq, &far.branch, &far.target, ""));
    centre.send(addr(FAR), response(&passed, "200 OK", "", addr(FAR), &sdp(addr(FAR), "recvonly")));
    centre.expect(addr(FAR), "ACK ");
    centre.expect(trunk(), "SIP/2.0 100");
    centre.expect(trunk(), "SIP/2.0 200");
    centre.ack(&caller);
    centre.bye(&mut caller);
    centre.ended(&far);
    centre.nothing_is_left();
}

/// RFC 3261 §8.1.1.6: a call that goes in circles ends.
#[test]
fn hops_run_out() {
    let mut centre = Centre::new();
    for hops in [0, 1] {
        let offer = sdp(trunk(), "sendrecv");
        let mut caller = centre.dial_with(trunk(), "1", "7001", &format!("Max-Forwards: {hops}"), &offer);
        centre.refused(&mut caller, 483);
        centre.silent(addr(FAR));
    }
    // What ends here needs no hop.
    let offer = sdp(stranger(1), "sendrecv");
    let mut caller = centre.dial_with(stranger(1), "1", "602", "Max-Forwards: 1", &offer);
    centre.answered(&mut caller);
    centre.bye(&mut caller);
    centre.nothing_is_left();
}

#[test]
fn a_trunk_is_dialled_at_its_first_host() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(desk(103), "103", "9000");
    let far = centre.rung(trunk());
    assert!(far.invite.starts_with("INVITE sip:9000@10.2.0.1:5060 "));
    centre.picks_up(&far);
    centre.answered(&mut caller);
    centre.bye(&mut caller);
    centre.ended(&far);
    centre.nothing_is_left();
    assert_eq!(centre.record(0).dial[0].target, "trunk:carrier");
}
