//! Dialogs that outlive their process.

use super::*;
use crate::sip::DialogNote;

fn seed_in(world: &mut World, session: SessionId) -> DialogSeed {
    match std::mem::take(&mut world.notes).as_slice() {
        [DialogNote::Up { session: of, seed }] if *of == session => (**seed).clone(),
        other => panic!("{other:?}"),
    }
}

/// The BYE of the next process is one that the peer takes: tags, Call-ID and route set of the dialog, and a CSeq above
/// all that were used (RFC 3261 §12.2.1.1).
#[test]
fn a_dialog_is_told_and_ended_by_the_next_process() {
    let mut world = World::new();
    let routed = Ask::new("INVITE", "inv", 1).sdp().more("Record-Route: <sip:10.0.0.1:5066;lr>").text();
    world.receive(udp(PHONE), &routed);
    let Some(Event::Incoming { session, .. }) = world.take_events().pop() else { panic!("no call") };
    world.take_sent();
    world.act(|e, now| e.answer(now, session, Bytes::from(SDP)));
    let ok = world.take_one();
    let seed = seed_in(&mut world, session);

    let mut next = World::new();
    let mut orphan = None;
    next.act(|e, now| orphan = Some(e.end_orphan(now, seed, "SIP;cause=503")));
    let (_, flow, bye) = next.sent.remove(0);
    assert_eq!((line(&bye), flow.connection), ("BYE".to_owned(), None));
    assert_eq!(bye.call_id(), ok.call_id());
    assert_eq!(value(&bye, HeaderName::From), value(&ok, HeaderName::To));
    assert_eq!(value(&bye, HeaderName::To), value(&ok, HeaderName::From));
    assert_eq!(value(&bye, HeaderName::Route), "<sip:10.0.0.1:5066;lr>");
    assert_eq!(value(&bye, HeaderName::Reason), "SIP;cause=503");
    assert!(bye.cseq().unwrap().number >= 1_000, "above whatever was sent meanwhile");
    assert_eq!(next.notes, []);
    next.receive(udp(PHONE), &respond(&bye, 200, "", "", ""));
    assert_eq!(next.notes, [DialogNote::Down { session: orphan.unwrap() }]);
    next.assert_rests();
}

/// Nobody answers: it is given up after 64·T1 and not kept for ever.
#[test]
fn a_peer_that_is_gone_too_is_given_up() {
    let mut world = World::new();
    let (session, _) = answered(&mut world);
    let seed = seed_in(&mut world, session);
    let mut next = World::new();
    next.act(|e, now| _ = e.end_orphan(now, seed, "SIP;cause=503"));
    next.pass(Duration::from_millis(31_900));
    assert_eq!(next.notes, []);
    next.pass(Duration::from_millis(200));
    assert!(matches!(next.notes.as_slice(), [DialogNote::Down { .. }]));
    next.assert_rests();
}

/// A peer that moves is told anew; a mere repetition is not. The end is told when the BYE is answered.
#[test]
fn a_moved_peer_is_told_again_and_the_end_once() {
    let mut world = World::new();
    let (session, tag) = established(&mut world);
    assert_eq!(seed_in(&mut world, session).target, format!("sip:+96650@{PHONE}"));
    let again = |branch, cseq| Ask::new("UPDATE", branch, cseq).tagged(&tag).text();
    world.receive(udp(PHONE), &again("u1", 2));
    assert_eq!(world.notes, []);
    world.receive(udp(PHONE), &again("u2", 3).replace("sip:+96650@", "sip:moved@"));
    assert_eq!(seed_in(&mut world, session).target, format!("sip:moved@{PHONE}"));
    world.take_sent();
    world.act(|e, now| e.hang_up(now, session, None));
    assert_eq!(world.notes, []);
    let bye = world.take_one();
    world.receive(udp(PHONE), &respond(&bye, 200, "", "", ""));
    assert_eq!(world.notes, [DialogNote::Down { session }]);
    world.assert_rests();
}

/// Streams died with the process: a new connection goes to the address that the Contact names.
#[test]
fn a_peer_on_a_stream_is_called_at_its_contact() {
    let mut world = World::new();
    let (session, _) = established(&mut world);
    let over = |remote: &str| Flow { connection: None, ..tcp(remote, 1) };
    let seed = DialogSeed {
        flow: over("10.0.0.7:49152"),
        target: "sip:x@10.0.0.7:5080;transport=tcp".into(),
        ..seed_in(&mut world, session)
    };
    let mut next = World::new();
    next.act(|e, now| _ = e.end_orphan(now, seed, "SIP;cause=503"));
    assert_eq!(next.sent.pop().map(|(_, flow, _)| flow), Some(over("10.0.0.7:5080")));
}

/// Who cannot be called, a browser or a phone behind NAT, gets its BYE when it registers again; after a minute it is not
/// waited for any more.
#[test]
fn a_peer_that_cannot_be_called_gets_its_bye_when_it_returns() {
    let mut world = World::new();
    let (session, _) = established(&mut world);
    let told = seed_in(&mut world, session);
    let before = Flow { connection: None, ..tcp("10.0.0.7:49152", 1) };
    let target = format!("sip:+96650@{PHONE};ob");
    for comes_back in [true, false] {
        let mut next = World::new();
        let mut orphan = None;
        let seed = DialogSeed { flow: before, target: target.clone(), ..told.clone() };
        next.act(|e, now| orphan = Some(e.end_orphan(now, seed, "SIP;cause=503")));
        let (_, flow, _) = next.sent.remove(0);
        next.act(|e, now| e.handle_send_failed(now, flow));
        assert_eq!(next.notes, [], "it may come back");
        if comes_back {
            let here = tcp(PHONE, 8);
            let answer = super::register::register_again(&mut next, here, "", |text| text.replace("/UDP", "/TCP"), 1);
            assert_eq!(answer.code(), 200);
            let (_, flow, bye) = next.sent.remove(0);
            assert_eq!((line(&bye), flow), ("BYE".to_owned(), here));
            next.receive(here, &respond(&bye, 200, "", "", ""));
        } else {
            next.pass(Duration::from_secs(61));
        }
        assert_eq!(next.notes, [DialogNote::Down { session: orphan.unwrap() }]);
    }
}

/// RFC 3261 §9.1: a phone that rings is told by CANCEL of the same branch, and its 487 is acknowledged; who picks up in that
/// moment gets ACK and BYE.
#[test]
fn a_phone_that_rings_for_a_dead_process_is_cancelled_by_the_next() {
    for answers in [false, true] {
        let mut world = World::new();
        let (session, request) = calling(&mut world);
        assert_eq!(world.notes, [], "nobody has heard of it: CANCEL would be out of place");
        for code in [100, 180, 180] {
            world.receive(udp(PHONE), &respond(&request, code, "t1", "", ""));
        }
        let seed = seed_in(&mut world, session);

        let mut next = World::new();
        let mut orphan = None;
        next.act(|e, now| orphan = Some(e.end_orphan(now, seed, "SIP;cause=503")));
        let cancel = next.take_one();
        assert_eq!((line(&cancel), cancel.branch()), ("CANCEL".to_owned(), request.branch()));
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId] {
            assert_eq!(value(&cancel, name), value(&request, name), "{name:?}");
        }
        assert_eq!(cancel.cseq().unwrap().number, request.cseq().unwrap().number);
        assert_eq!(cancel.request_uri(), request.request_uri());
        assert_eq!(value(&cancel, HeaderName::Reason), "SIP;cause=503");
        next.receive(udp(PHONE), &respond(&cancel, 200, "", "", ""));
        assert_eq!(next.notes, []);
        if answers {
            let ok = respond(&request, 200, "t1", &format!("Contact: <sip:101@{PHONE}>\r\n"), SDP);
            next.receive(udp(PHONE), &ok);
            let sent = next.take_sent();
            assert_eq!(sent.iter().map(line).collect::<Vec<_>>(), ["ACK", "BYE"]);
            next.receive(udp(PHONE), &ok);
            assert_eq!(next.take_lines(), ["ACK"]);
            next.receive(udp(PHONE), &respond(&sent[1], 200, "", "", ""));
        } else {
            next.receive(udp(PHONE), &respond(&request, 487, "t1", "", ""));
            let ack = next.take_one();
            assert_eq!((line(&ack), ack.branch()), ("ACK".to_owned(), request.branch()));
        }
        assert_eq!(next.notes, [DialogNote::Down { session: orphan.unwrap() }]);
        next.assert_rests();
    }
}

/// It is told when it ends, whoever ends it; an answer is told as a dialog that is up.
#[test]
fn what_no_longer_rings_is_told() {
    let mut world = World::new();
    let (session, request) = calling(&mut world);
    world.receive(udp(PHONE), &respond(&request, 180, "t1", "", ""));
    assert!(seed_in(&mut world, session).unanswered.is_some());
    world.receive(udp(PHONE), &respond(&request, 486, "t1", "", ""));
    assert_eq!(world.notes, [DialogNote::Down { session }]);

    let mut world = World::new();
    let (session, request) = calling(&mut world);
    world.receive(udp(PHONE), &respond(&request, 180, "t1", "", ""));
    assert!(seed_in(&mut world, session).unanswered.is_some());
    let ok = respond(&request, 200, "t1", &format!("Contact: <sip:101@{PHONE}>\r\n"), SDP);
    world.receive(udp(PHONE), &ok);
    let seed = seed_in(&mut world, session);
    assert_eq!((seed.unanswered, tag_of(&seed.remote)), (None, "t1".to_owned()));
}

/// Nobody answers the CANCEL: after 32 s it is given up.
#[test]
fn a_phone_that_rang_and_is_gone_is_given_up() {
    let mut world = World::new();
    let (session, request) = calling(&mut world);
    world.receive(udp(PHONE), &respond(&request, 180, "t1", "", ""));
    let seed = seed_in(&mut world, session);
    let mut next = World::new();
    next.act(|e, now| _ = e.end_orphan(now, seed, "SIP;cause=503"));
    next.pass(Duration::from_millis(32_100));
    assert!(matches!(next.notes.as_slice(), [DialogNote::Down { .. }]));
    next.assert_rests();
}
