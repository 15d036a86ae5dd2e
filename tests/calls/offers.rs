//! Offers at unusual moments: left to us, before the answer, and both ways past us.

use hatif::journal::EndReason;
use hatif::media::Command as Media;

use crate::centre::*;
use crate::phone::{Leg, body, header, response, sdp};

/// What a phone plays before it answers: 183 with SDP, which the phone repeats in its 200.
#[track_caller]
fn plays_early(centre: &mut Centre, leg: &Leg) {
    let tag = leg.local.split(";tag=").nth(1).unwrap_or_default().to_owned();
    let answer = sdp(leg.at, "sendrecv");
    centre.send(leg.at, response(&leg.invite, "183 Session Progress", &tag, leg.at, &answer));
}

/// RFC 3261 §13.2.1: the flow begins when the ACK has said where the caller hears it.
#[test]
fn an_invite_without_offer_is_served_once_the_ack_answers_ours() {
    let mut centre = Centre::new();
    let mut customer = centre.dial_with(stranger(1), "1", "500", "Max-Forwards: 70", "");
    centre.expect(stranger(1), "SIP/2.0 100");
    let ok = centre.expect(stranger(1), "SIP/2.0 200");
    assert!(ok.contains("m=audio 20000 RTP/AVP 8 0 101\r\n"), "{ok}");
    assert!(!centre.media.iter().any(|c| matches!(c, Media::Play { .. })));
    customer.remote = header(&ok, "To").expect("To").to_owned();
    customer.target = crate::phone::contact(&ok);
    centre.ack_with(&customer, &sdp(stranger(1), "sendrecv"));
    assert!(centre.media.iter().any(|c| matches!(c, Media::Play { .. })));
    let told = centre.media.iter().find(|c| matches!(c, Media::Update { remote: Some(_), .. }));
    assert!(told.is_some(), "{:?}", centre.media);
    let leg = centre.leg(0);
    centre.digit(leg, '2');
    centre.bye(&mut customer);
    centre.nothing_is_left();
}

#[test]
fn an_ack_without_a_usable_answer_ends_the_call() {
    for (answer, reason) in [("", EndReason::NoAck), ("v=0", EndReason::NoCodec)] {
        let mut centre = Centre::new();
        let mut customer = centre.dial_with(stranger(1), "1", "500", "Max-Forwards: 70", "");
        centre.answered_with(&mut customer, answer);
        centre.ended(&customer);
        centre.nothing_is_left();
        assert_eq!(centre.record(0).end.map(|end| end.reason), Some(reason));
    }
}

/// A dialled number: both sides agree with us, each in its time; also where media would pass by.
#[test]
fn a_dialled_call_may_begin_without_offer() {
    for number in ["7001", "8001"] {
        let mut centre = Centre::new();
        let mut caller = centre.dial_with(trunk(), "1", number, "Max-Forwards: 70", "");
        let far = centre.rung(addr(FAR));
        assert!(body(&far.invite).contains("m=audio 2000"), "{}", far.invite);
        centre.picks_up(&far);
        centre.answered_with(&mut caller, &sdp(trunk(), "sendrecv"));
        assert!(centre.media.iter().any(|c| matches!(c, Media::Bridge { .. })));
        centre.bye(&mut caller);
        centre.ended(&far);
        centre.nothing_is_left();
    }
}

#[test]
fn the_caller_hears_what_a_dialled_side_plays_before_it_answers() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(trunk(), "1", "7001");
    let far = centre.rung(addr(FAR));
    centre.expect(trunk(), "SIP/2.0 100");
    plays_early(&mut centre, &far);
    let progress = centre.expect(trunk(), "SIP/2.0 183");
    assert!(body(&progress).contains("m=audio 20000 RTP/AVP 8 101"), "{progress}");
    let bridge = |c: &Media| matches!(c, Media::Bridge { .. });
    assert_eq!(centre.media.iter().filter(|c| bridge(c)).count(), 1);
    // A ring after it changes nothing.
    centre.says(&far, "180 Ringing");
    centre.silent(trunk());
    centre.picks_up(&far);
    let ok = centre.answered(&mut caller);
    assert_eq!(body(&ok), body(&progress));
    centre.bye(&mut caller);
    centre.ended(&far);
    centre.nothing_is_left();
}

#[test]
fn a_side_that_plays_and_then_refuses_is_heard_no_longer() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(trunk(), "1", "7001");
    let far = centre.rung(addr(FAR));
    plays_early(&mut centre, &far);
    centre.says(&far, "404 Not Found");
    centre.refused(&mut caller, 404);
    centre.nothing_is_left();

    // In a flow the caller goes on with it.
    let mut centre = Centre::new();
    let customer = centre.connect(stranger(1), "1", "511");
    let far = centre.rung(addr(FAR));
    plays_early(&mut centre, &far);
    centre.says(&far, "404 Not Found");
    assert!(centre.media.iter().any(|c| matches!(c, Media::Unbridge { .. })));
    centre.pass(seconds(2));
    centre.ended(&customer);
    centre.nothing_is_left();
}

#[test]
fn with_bypass_early_media_passes_through() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(trunk(), "1", "8001");
    let far = centre.rung(addr(FAR));
    centre.expect(trunk(), "SIP/2.0 100");
    plays_early(&mut centre, &far);
    let progress = centre.expect(trunk(), "SIP/2.0 183");
    assert_eq!(body(&progress), sdp(addr(FAR), "sendrecv"));
    centre.picks_up(&far);
    assert_eq!(body(&centre.answered(&mut caller)), sdp(addr(FAR), "sendrecv"));
    centre.bye(&mut caller);
    centre.ended(&far);
    centre.nothing_is_left();
}

/// RFC 3262, RFC 3311 §5.1: after a reliable 183 the callee may offer anew before it answers.
#[test]
fn an_update_before_the_answer_is_answered() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(trunk(), "1", "7001");
    let mut far = centre.rung(addr(FAR));
    let tag = far.local.split(";tag=").nth(1).unwrap_or_default().to_owned();
    let plain = response(&far.invite, "183 Session Progress", &tag, far.at, &sdp(far.at, "sendrecv"));
    let reliable = plain.replacen("Contact:", "Require: 100rel\r\nRSeq: 7\r\nAllow: UPDATE\r\nContact:", 1);
    centre.send(far.at, reliable);
    let prack = centre.expect(addr(FAR), "PRACK ");
    centre.send(far.at, response(&prack, "200 OK", &tag, far.at, ""));
    let moved = sdp(addr(FAR), "sendrecv").replace("m=audio 4000", "m=audio 4646");
    let answer = centre.asks(&mut far, "UPDATE", "", &moved);
    assert!(answer.starts_with("SIP/2.0 200") && body(&answer).contains("m=audio 2000"), "{answer}");
    let told = |c: &Media| matches!(c, Media::Update { remote: Some(remote), .. } if remote.port() == 4646);
    assert!(centre.media.last().is_some_and(told), "{:?}", centre.media.last());
    // The 200 repeats nothing; what was agreed last counts.
    centre.picks_up_with(&far, "");
    assert!(centre.media.iter().rev().find(|c| matches!(c, Media::Update { .. })).is_some());
    centre.ignore(trunk());
    assert_eq!(centre.engine.calls().filter(|call| call.peer().is_some()).count(), 1);
    centre.bye(&mut far);
    let _ = &mut caller;
    centre.ignore(trunk());
    centre.pass(seconds(40));
    centre.nothing_is_left();
}

/// With bypassed media a side that asks for our offer gets what the other one said last.
#[test]
fn with_bypass_a_re_invite_without_sdp_passes_the_other_side_on() {
    let mut centre = Centre::new();
    let offer = sdp(trunk(), "sendrecv");
    let mut caller = centre.dial_with(trunk(), "1", "8001", "Max-Forwards: 70", &offer);
    let mut far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    centre.answered(&mut caller);
    centre.offers(&mut far, "");
    centre.expect(addr(FAR), "SIP/2.0 100");
    let ok = centre.expect(addr(FAR), "SIP/2.0 200");
    assert_eq!(body(&ok), offer);
    let answer = sdp(addr(FAR), "sendonly");
    centre.ack_with(&far, &answer);
    let passed = centre.expect(trunk(), "INVITE ");
    assert_eq!(body(&passed), answer);
    centre.send(trunk(), response(&passed, "200 OK", "", trunk(), &sdp(trunk(), "recvonly")));
    centre.expect(trunk(), "ACK ");
    centre.silent(addr(FAR));
    centre.bye(&mut far);
    centre.ended(&caller);
    centre.nothing_is_left();
}

/// RFC 3311: an UPDATE passes like a re-INVITE; with media past us the other side is asked by re-INVITE.
#[test]
fn with_bypass_an_update_passes_on() {
    let mut centre = Centre::new();
    let mut caller = centre.dial(trunk(), "1", "8001");
    let mut far = centre.rung(addr(FAR));
    centre.picks_up(&far);
    centre.answered(&mut caller);
    far.cseq += 1;
    let update = far.request("UPDATE", far.cseq, "z9hG4bKup", &far.target, &sdp(addr(FAR), "inactive"));
    centre.send(addr(FAR), update);
    let passed = centre.expect(trunk(), "INVITE ");
    assert_eq!(body(&passed), sdp(addr(FAR), "inactive"));
    centre.send(trunk(), response(&passed, "200 OK", "", trunk(), &sdp(trunk(), "inactive")));
    centre.expect(trunk(), "ACK ");
    let ok = centre.expect(addr(FAR), "SIP/2.0 200");
    assert_eq!(body(&ok), sdp(trunk(), "inactive"));
    centre.bye(&mut far);
    centre.ended(&caller);
    centre.nothing_is_left();
}
