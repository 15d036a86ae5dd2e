//! Calls, answered and not, and everything that can cross on the way.

use super::*;

/// RFC 3261 §13.3, §15: INVITE, 180, 200, ACK, BYE.
#[test]
fn a_call_comes_in_is_answered_and_ended_by_the_caller() {
    let mut world = World::new();
    world.receive(udp(PHONE), &Ask::new("INVITE", "inv", 1).sdp().text());
    let events = world.take_events();
    let [Event::Incoming { session, incoming }] = events.as_slice() else { panic!("{events:?}") };
    world.act(|e, _| e.take_up(*session));
    assert_eq!(world.take_lines(), ["100 INVITE"]);
    assert_eq!((incoming.from_user.as_str(), incoming.from_display.as_deref()), ("+96650", Some("Caller")));
    assert_eq!((incoming.to_user.as_str(), incoming.identity.clone()), ("500", Identity::Stranger));
    assert_eq!((incoming.sdp.as_deref(), incoming.call_id.as_str()), (Some(SDP.as_bytes()), "call-1"));
    world.act(|e, now| e.ring(now, *session, None));
    let ringing = world.take_one();
    assert_eq!(line(&ringing), "180 INVITE");
    world.act(|e, now| e.answer(now, *session, Bytes::from(SDP)));
    let ok = world.take_one();
    assert_eq!((line(&ok), ok.body()), ("200 INVITE".into(), Bytes::from(SDP)));
    assert_eq!(value(&ok, HeaderName::To), value(&ringing, HeaderName::To), "one tag for the whole dialog");
    assert_eq!(value(&ok, HeaderName::Contact), "<sip:500@192.0.2.1:5060>");
    assert!(value(&ok, HeaderName::Via).ends_with(";received=198.51.100.7;rport=5070"));
    let tag = tag_of(&value(&ok, HeaderName::To));
    world.receive(udp(PHONE), &Ask::new("ACK", "ack", 1).tagged(&tag).text());
    world.receive(udp(PHONE), &Ask::new("ACK", "ack", 1).tagged(&tag).text());
    assert_eq!(world.take_events(), [Event::Acked { session: *session }]);
    world.pass(Duration::from_secs(60));
    let bye = Ask::new("BYE", "bye", 2).tagged(&tag).more("Reason: Q.850;cause=16").text();
    world.receive(udp(PHONE), &bye);
    world.receive(udp(PHONE), &bye);
    assert_eq!(world.take_lines(), ["200 BYE", "200 BYE"]);
    let reason = Some("Q.850;cause=16".to_owned());
    assert_eq!(world.take_events(), [Event::Ended { session: *session, cause: EndCause::Bye, reason }]);
    world.assert_rests();
    assert_eq!(world.take_lines(), [""; 0]);
}

/// RFC 3261 §13.2, §15: the other way round, and over TCP.
#[test]
fn a_call_goes_out_is_answered_and_ended_by_us() {
    for flow in [udp(PHONE), tcp(PHONE, 4)] {
        let mut world = World::new();
        // The connection is known by its traffic.
        world.receive(flow, "\r\n\r\n");
        let mut session = None;
        world.act(|e, now| session = Some(e.invite(now, Invite { flow, ..invite() })));
        let (session, request) = (session.unwrap(), world.take_one());
        assert_eq!(
            value(&request, HeaderName::From).split(";tag=").next(),
            Some("\"support\" <sip:+96650@hatif.test>")
        );
        assert_eq!(request.header_named("x-hatif-call"), Some(&b"call_1"[..]));
        world.receive(flow, &respond(&request, 100, "", "", ""));
        world.receive(flow, &respond(&request, 183, "t1", "", SDP));
        let contact =
            format!("Contact: <sip:101@{PHONE};x=y>\r\nRecord-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>\r\n");
        world.receive(flow, &respond(&request, 200, "t1", &contact, SDP));
        let sdp = Some(Bytes::from(SDP));
        let expected =
            [Event::Progress { session, code: 183, sdp: sdp.clone() }, Event::Answered { session, sdp: sdp.clone() }];
        assert_eq!(world.take_events(), expected);
        let ack = world.take_one();
        assert_eq!((line(&ack), value(&ack, HeaderName::CSeq)), ("ACK".into(), "1 ACK".into()));
        assert_eq!(value(&ack, HeaderName::Route), "<sip:p1;lr>", "the route set is reversed");
        assert!(ack.bytes().starts_with(format!("ACK sip:101@{PHONE};x=y SIP/2.0").as_bytes()));
        assert_ne!(ack.branch(), request.branch(), "the ACK to a 2xx is a transaction of its own");
        world.act(|e, now| e.hang_up(now, session, Some("SIP;cause=200".to_owned())));
        let bye = world.take_one();
        assert_eq!((line(&bye), value(&bye, HeaderName::CSeq)), ("BYE".into(), "2 BYE".into()));
        assert_eq!(value(&bye, HeaderName::Reason), "SIP;cause=200");
        world.receive(flow, &respond(&bye, 200, "", "", ""));
        world.assert_rests();
        assert_eq!((world.take_events(), world.take_lines()), (vec![], vec![]));
    }
}

/// RFC 3261 §13.3.1.4, §15: no ACK for 64·T1, then BYE; over TCP too.
#[test]
fn an_unacknowledged_answer_is_resent_then_ended_with_bye() {
    let mut world = World::new();
    let session = incoming(&mut world);
    world.sent.clear();
    world.act(|e, now| e.answer(now, session, Bytes::from(SDP)));
    world.pass(Duration::from_secs(32));
    let oks = world.sent.iter().filter(|(_, _, m)| m.code() == 200).map(|(at, _, _)| *at).collect::<Vec<_>>();
    assert_eq!(oks, [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert_eq!(world.take_events(), [Event::Ended { session, cause: EndCause::NoAck, reason: None }]);
    let bye = world.take_sent().pop().unwrap();
    assert_eq!(line(&bye), "BYE");
    assert!(bye.bytes().starts_with(format!("BYE sip:+96650@{PHONE} SIP/2.0").as_bytes()));
    world.assert_rests();
}

/// RFC 3261 §15: who answered may not send BYE before the ACK came.
#[test]
fn hanging_up_before_the_ack_waits_for_it() {
    let mut world = World::new();
    let session = incoming(&mut world);
    world.act(|e, now| e.answer(now, session, Bytes::from(SDP)));
    let tag = tag_of(&value(&world.take_one(), HeaderName::To));
    world.act(|e, now| e.hang_up(now, session, None));
    assert_eq!(world.take_lines(), [""; 0]);
    world.receive(udp(PHONE), &Ask::new("ACK", "ack", 1).tagged(&tag).text());
    let bye = world.take_one();
    assert_eq!(line(&bye), "BYE");
    world.receive(udp(PHONE), &respond(&bye, 200, "", "", ""));
    world.assert_rests();
    assert_eq!(world.take_events(), []);
}

/// RFC 5407 §3.1.4: a re-INVITE that overtook the ACK of the call's own answer is served, and the ACK counts as come.
#[test]
fn an_offer_that_overtakes_the_ack_is_served() {
    let mut world = World::new();
    let session = incoming(&mut world);
    world.act(|e, now| e.answer(now, session, Bytes::from(SDP)));
    let tag = tag_of(&value(&world.take_one(), HeaderName::To));
    world.receive(udp(PHONE), &Ask::new("INVITE", "hold", 2).tagged(&tag).sdp().text());
    world.act(|e, now| e.answer_offer(now, session, Bytes::from(SDP)));
    assert_eq!(world.take_lines(), ["100 INVITE", "200 INVITE"]);
    assert!(matches!(world.take_events().as_slice(), [Event::Acked { .. }, Event::Offer { .. }]));
    world.receive(udp(PHONE), &Ask::new("ACK", "ack", 1).tagged(&tag).text());
    world.receive(udp(PHONE), &Ask::new("ACK", "hold-ack", 2).tagged(&tag).text());
    world.pass(Duration::from_secs(40));
    assert_eq!((world.take_events(), world.take_lines()), (vec![], vec![]), "neither is sent again");
    world.receive(udp(PHONE), &Ask::new("BYE", "bye", 3).tagged(&tag).text());
    assert!(matches!(world.take_events().as_slice(), [Event::Ended { .. }]));
    world.assert_rests();
}

/// RFC 3261 §9.1: CANCEL waits for the first provisional response; it has the branch and CSeq of its INVITE.
#[test]
fn cancel_before_the_first_response_is_deferred() {
    let mut world = World::new();
    let (session, request) = calling(&mut world);
    world.act(|e, now| e.hang_up(now, session, Some("SIP;cause=200;text=\"Call completed elsewhere\"".to_owned())));
    assert_eq!(world.take_lines(), [""; 0]);
    world.receive(udp(PHONE), &respond(&request, 180, "t1", "", ""));
    let cancel = world.take_one();
    assert_eq!((line(&cancel), cancel.branch()), ("CANCEL".into(), request.branch()));
    assert_eq!(value(&cancel, HeaderName::CSeq), "1 CANCEL");
    assert!(value(&cancel, HeaderName::Reason).contains("elsewhere"));
    world.receive(udp(PHONE), &respond(&request, 180, "t1", "", ""));
    assert_eq!(world.take_lines(), [""; 0], "one CANCEL");
    world.receive(udp(PHONE), &respond(&cancel, 200, "t1", "", ""));
    world.receive(udp(PHONE), &respond(&request, 487, "t1", "", ""));
    let ack = world.take_one();
    assert_eq!((line(&ack), ack.branch()), ("ACK".into(), request.branch()));
    assert_eq!(tag_of(&value(&ack, HeaderName::To)), "t1");
    world.assert_rests();
    assert_eq!(world.take_events(), []);
}

/// RFC 3261 §9.1: a cancelled INVITE without final response is over 64·T1 after the CANCEL.
#[test]
fn a_cancel_that_nobody_honours_ends_too() {
    let mut world = World::new();
    let (session, request) = calling(&mut world);
    world.receive(udp(PHONE), &respond(&request, 180, "t1", "", ""));
    world.act(|e, now| e.hang_up(now, session, None));
    world.assert_rests();
}

/// RFC 3261 §15: the answer crossed our CANCEL: acknowledge it and hang up.
#[test]
fn an_answer_that_crosses_cancel_gets_ack_and_bye() {
    let mut world = World::new();
    let (session, request) = calling(&mut world);
    world.receive(udp(PHONE), &respond(&request, 180, "t1", "", ""));
    world.act(|e, now| e.hang_up(now, session, None));
    assert_eq!(world.take_lines().last().map(String::as_str), Some("CANCEL"));
    let ok = respond(&request, 200, "t1", &format!("Contact: <sip:101@{PHONE};ob>\r\n"), SDP);
    world.receive(udp(PHONE), &ok);
    let sent = world.take_sent();
    assert_eq!(sent.iter().map(line).collect::<Vec<_>>(), ["ACK", "BYE"]);
    for message in &sent {
        assert!(message.bytes().starts_with(format!("{} sip:101@{PHONE};ob", line(message)).as_bytes()), "{message:?}");
        assert_eq!(tag_of(&value(message, HeaderName::To)), "t1");
    }
    world.receive(udp(PHONE), &ok);
    assert_eq!(world.take_lines(), ["ACK"], "the repeated 200 gets the ACK again, but no second BYE");
    world.receive(udp(PHONE), &respond(&sent[1], 200, "", "", ""));
    world.assert_rests();
    assert_eq!(world.take_events().len(), 1, "only the 180");
}

/// RFC 3261 §13.2.2.4: a second fork's answer gets ACK and BYE, the first goes on.
#[test]
fn a_second_fork_is_hung_up() {
    let mut world = World::new();
    let (session, request) = answered(&mut world);
    let ok = respond(&request, 200, "t1", &format!("Contact: <sip:101@{PHONE}>\r\n"), SDP);
    let fork = respond(&request, 200, "t2", "Contact: <sip:101@198.51.100.8>\r\n", SDP);
    world.receive(udp(PHONE), &fork);
    let sent = world.take_sent();
    assert_eq!(sent.iter().map(line).collect::<Vec<_>>(), ["ACK", "BYE"]);
    assert!(sent.iter().all(|m| tag_of(&value(m, HeaderName::To)) == "t2"));
    world.receive(udp(PHONE), &fork);
    world.receive(udp(PHONE), &ok);
    let acks = world.take_sent();
    assert_eq!(acks.iter().map(|m| tag_of(&value(m, HeaderName::To))).collect::<Vec<_>>(), ["t2", "t1"]);
    world.receive(udp(PHONE), &respond(&sent[1], 200, "", "", ""));
    world.pass(Duration::from_secs(40));
    assert_eq!((world.endpoint.stats().sessions, world.take_events().len()), (1, 0));
    world.act(|e, now| e.hang_up(now, session, None));
    world.assert_rests();
}

/// RFC 3261 §9.2: CANCEL is answered 200, the INVITE 487.
#[test]
fn a_cancelled_call_is_answered_487() {
    let mut world = World::new();
    let session = incoming(&mut world);
    world.act(|e, now| e.ring(now, session, None));
    world.take_sent();
    world.receive(udp(PHONE), &Ask::new("CANCEL", "inv", 1).text());
    let sent = world.take_sent();
    assert_eq!(sent.iter().map(line).collect::<Vec<_>>(), ["200 CANCEL", "487 INVITE"]);
    assert_eq!(value(&sent[0], HeaderName::To), value(&sent[1], HeaderName::To));
    assert_eq!(world.take_events(), [Event::Cancelled { session, reason: None }]);
    world.receive(udp(PHONE), &Ask::new("ACK", "inv", 1).text());
    world.act(|e, now| e.answer(now, session, Bytes::from(SDP)));
    world.assert_rests();
    assert_eq!(world.take_lines(), [""; 0]);
}

/// RFC 3261 §9.2: CANCEL after the answer changes nothing.
#[test]
fn a_late_cancel_changes_nothing() {
    let mut world = World::new();
    let (session, tag) = established(&mut world);
    world.receive(udp(PHONE), &Ask::new("CANCEL", "inv", 1).text());
    assert_eq!((world.take_lines(), world.take_events()), (vec!["200 CANCEL".into()], vec![]));
    world.receive(udp(PHONE), &Ask::new("BYE", "bye", 2).tagged(&tag).text());
    assert_eq!(world.take_events(), [Event::Ended { session, cause: EndCause::Bye, reason: None }]);
    world.assert_rests();
}

/// The answer waits for the disk or a queue: a repeated INVITE gets the last provisional and no second call.
#[test]
fn a_repeated_invite_makes_no_second_call() {
    let mut world = World::new();
    let session = incoming(&mut world);
    let again = Ask::new("INVITE", "inv", 1).sdp().text();
    world.receive(udp(PHONE), &again);
    assert_eq!(world.take_lines(), ["100 INVITE"]);
    world.act(|e, now| e.ring(now, session, None));
    world.receive(udp(PHONE), &again);
    assert_eq!(world.take_lines(), ["180 INVITE", "180 INVITE"]);
    world.pass(Duration::from_secs(150));
    assert_eq!(world.take_lines(), ["180 INVITE", "180 INVITE"], "again every minute");
    assert_eq!((world.take_events(), world.endpoint.stats().retransmissions_in[0]), (vec![], 2));
    let rejection = Rejection {
        code: 480,
        retry_after: Some(9),
        warning: Some(Warning { code: 399, text: "no \"one\"".into() }),
        ..Rejection::default()
    };
    world.act(|e, now| e.reject(now, session, rejection));
    let refusal = world.take_one();
    assert_eq!((line(&refusal), value(&refusal, HeaderName::RetryAfter)), ("480 INVITE".into(), "9".into()));
    assert_eq!(value(&refusal, HeaderName::Warning), "399 hatif.test \"no 'one'\"");
    world.receive(udp(PHONE), &Ask::new("ACK", "inv", 1).text());
    world.assert_rests();
    assert_eq!(world.take_lines(), [""; 0]);
}

#[test]
fn our_call_that_fails_says_why() {
    let mut world = World::new();
    let (session, request) = calling(&mut world);
    world.receive(udp(PHONE), &respond(&request, 486, "t1", "Retry-After: 5\r\n", ""));
    assert_eq!(world.take_lines(), ["ACK"]);
    let expected = Event::Failed { session, code: 486, reason: "Whatever".into(), retry_after: Some(5) };
    assert_eq!(world.take_events(), [expected]);
    world.assert_rests();
    let (session, _) = calling(&mut world);
    world.pass(Duration::from_secs(32));
    let expected = Event::Failed { session, code: 408, reason: "Request Timeout".into(), retry_after: None };
    assert_eq!(world.take_events(), [expected]);
    world.take_sent();
    let (session, _) = calling(&mut world);
    world.act(|e, now| e.handle_send_failed(now, udp(PHONE)));
    let expected = Event::Failed { session, code: 503, reason: "Service Unavailable".into(), retry_after: None };
    assert_eq!(world.take_events(), [expected]);
    world.assert_rests();
}

/// Both hang up at once: each BYE gets 200.
#[test]
fn bye_crosses_bye() {
    let mut world = World::new();
    let (session, tag) = established(&mut world);
    world.act(|e, now| e.hang_up(now, session, None));
    let bye = world.take_one();
    world.receive(udp(PHONE), &Ask::new("BYE", "bye", 2).tagged(&tag).text());
    assert_eq!(world.take_lines(), ["200 BYE"]);
    world.receive(udp(PHONE), &respond(&bye, 200, "", "", ""));
    world.assert_rests();
    assert_eq!(world.take_events(), []);
}

/// RFC 3261 §14.2: their offer is answered and acknowledged; one of ours waits for its turn.
#[test]
fn their_reinvite_is_answered_and_ours_waits_for_it() {
    let mut world = World::new();
    let (session, tag) = established(&mut world);
    world.receive(udp(PHONE), &Ask::new("INVITE", "re", 2).tagged(&tag).sdp().text());
    assert_eq!(world.take_lines(), ["100 INVITE"]);
    assert_eq!(world.take_events(), [Event::Offer { session, sdp: Some(Bytes::from(SDP)) }]);
    world.act(|e, now| e.reinvite(now, session, Bytes::from("v=0\r\n")));
    assert_eq!(world.take_lines(), [""; 0]);
    world.act(|e, now| e.answer_offer(now, session, Bytes::from(SDP)));
    assert_eq!(world.take_lines(), ["200 INVITE"]);
    world.receive(udp(PHONE), &Ask::new("ACK", "reack", 2).tagged(&tag).text());
    let ours = world.take_one();
    assert_eq!((line(&ours), ours.body()), ("INVITE".into(), Bytes::from("v=0\r\n")));
    world.receive(udp(PHONE), &respond(&ours, 200, "", "", SDP));
    assert_eq!(world.take_lines(), ["ACK"]);
    assert_eq!(world.take_events(), [Event::OfferAnswered { session, sdp: Some(Bytes::from(SDP)) }]);
    world.receive(udp(PHONE), &Ask::new("INVITE", "re2", 3).tagged(&tag).sdp().text());
    world.act(|e, now| e.refuse_offer(now, session, 488, None));
    assert_eq!(world.take_lines(), ["100 INVITE", "488 INVITE"]);
    world.receive(udp(PHONE), &Ask::new("ACK", "re2", 3).tagged(&tag).text());
    world.receive(udp(PHONE), &Ask::new("BYE", "bye", 4).tagged(&tag).text());
    assert!(matches!(world.take_events().as_slice(), [Event::Offer { .. }, Event::Ended { .. }]));
    world.assert_rests();
}

/// RFC 3261 §14.1: both offer at once: 491 both ways; who owns the Call-ID waits 2.1–4 s, the other at most 2 s.
#[test]
fn crossing_offers_are_tried_again_after_a_pause() {
    let mut world = World::new();
    let (session, _) = answered(&mut world);
    world.act(|e, now| e.reinvite(now, session, Bytes::from("v=0\r\n")));
    let ours = world.take_one();
    let from = value(&ours, HeaderName::From);
    let call_id = value(&ours, HeaderName::CallId);
    let in_dialog = |ask: Ask| {
        let text = ask.from("<sip:101@hatif.test>;tag=t1").text();
        text.replace("To: <sip:500@hatif.test>", &format!("To: {from}")).replace("call-1", &call_id)
    };
    let theirs = in_dialog(Ask::new("INVITE", "re", 1).sdp());
    // Its repetition gets the same answer, not the 500 of a CSeq that was seen before.
    for _ in 0..2 {
        world.receive(udp(PHONE), &theirs);
        assert_eq!(world.take_lines(), ["491 INVITE"]);
    }
    world.receive(udp(PHONE), &in_dialog(Ask::new("ACK", "re", 1)));
    world.receive(udp(PHONE), &respond(&ours, 491, "", "", ""));
    assert_eq!(world.take_lines(), ["ACK"]);
    world.pass(Duration::from_millis(2_090));
    assert_eq!(world.take_lines(), [""; 0]);
    world.sent.clear();
    world.pass(Duration::from_millis(1_920));
    let again = world.take_sent().remove(0);
    assert_eq!((line(&again), value(&again, HeaderName::CSeq)), ("INVITE".into(), "3 INVITE".into()));
    world.receive(udp(PHONE), &respond(&again, 200, "", "", SDP));
    assert_eq!(world.take_events(), [Event::OfferAnswered { session, sdp: Some(Bytes::from(SDP)) }]);
    world.act(|e, now| e.hang_up(now, session, None));
    world.assert_rests();
}

/// RFC 3261 §12.2.1.2: 481 to a re-INVITE ends the session.
#[test]
fn a_peer_that_forgot_the_session_ends_it() {
    let mut world = World::new();
    let (session, _) = answered(&mut world);
    world.act(|e, now| e.reinvite(now, session, Bytes::from("v=0\r\n")));
    let ours = world.take_one();
    world.receive(udp(PHONE), &respond(&ours, 481, "", "", ""));
    assert_eq!(world.take_lines(), ["ACK", "BYE"]);
    assert_eq!(world.take_events(), [Event::Ended { session, cause: EndCause::Timeout, reason: None }]);
    world.assert_rests();
}

/// RFC 3264 §5 and RFC 3261 §13.2.1: without SDP in the INVITE our 200 offers and the ACK answers.
#[test]
fn a_delayed_offer_is_answered_in_the_ack() {
    let mut world = World::new();
    world.receive(udp(PHONE), &Ask::new("INVITE", "inv", 1).text());
    let events = world.take_events();
    let [Event::Incoming { session, incoming }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(incoming.sdp, None);
    world.act(|e, now| e.answer(now, *session, Bytes::from(SDP)));
    let tag = tag_of(&value(&world.take_sent().pop().unwrap(), HeaderName::To));
    world.receive(udp(PHONE), &Ask::new("ACK", "ack", 1).tagged(&tag).sdp().text());
    let answer = Event::OfferAnswered { session: *session, sdp: Some(Bytes::from(SDP)) };
    assert_eq!(world.take_events(), [Event::Acked { session: *session }, answer]);
    world.act(|e, now| e.hang_up(now, *session, None));
    world.assert_rests();
}

/// A caller may say BYE to an early dialog (RFC 3261 §15): it is a CANCEL for us.
#[test]
fn bye_before_the_answer_cancels() {
    let mut world = World::new();
    let session = incoming(&mut world);
    world.act(|e, now| e.ring(now, session, None));
    let tag = tag_of(&value(&world.take_one(), HeaderName::To));
    world.receive(udp(PHONE), &Ask::new("BYE", "bye", 2).tagged(&tag).text());
    assert_eq!(world.take_lines(), ["200 BYE", "487 INVITE"]);
    assert_eq!(world.take_events(), [Event::Cancelled { session, reason: None }]);
    world.assert_rests();
}

/// A broken connection ends no session: BYE goes to the Contact over a new one.
#[test]
fn a_session_survives_its_connection() {
    let mut world = World::new();
    let text = Ask::new("INVITE", "inv", 1).sdp().text().replace("/UDP", "/TCP");
    world.receive(tcp("198.51.100.7:51000", 4), &text);
    let Some(Event::Incoming { session, .. }) = world.take_events().pop() else { panic!() };
    world.act(|e, now| e.answer(now, session, Bytes::from(SDP)));
    let (_, flow, ok) = world.sent.pop().unwrap();
    assert_eq!(flow, tcp("198.51.100.7:51000", 4));
    let tag = tag_of(&value(&ok, HeaderName::To));
    let ack = Ask::new("ACK", "ack", 1).tagged(&tag).text().replace("/UDP", "/TCP");
    world.receive(tcp("198.51.100.7:51000", 4), &ack);
    world.act(|e, now| e.handle_closed(now, 4));
    world.act(|e, now| e.hang_up(now, session, None));
    let (_, flow, bye) = world.sent.pop().unwrap();
    assert_eq!(line(&bye), "BYE");
    assert_eq!((flow.remote, flow.connection), (remote(PHONE), None));
    assert!(value(&bye, HeaderName::Via).starts_with("SIP/2.0/TCP 192.0.2.1:5060;"));
    world.assert_rests();
}
