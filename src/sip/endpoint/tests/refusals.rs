//! What is refused, and with what.

use super::*;

fn answer_to(ask: &Ask) -> Message {
    let mut world = World::new();
    world.receive(udp(PHONE), &ask.text());
    assert_eq!(world.take_events(), []);
    let answer = world.take_one();
    assert!(world.endpoint.is_idle(), "a refusal at the door keeps no state");
    answer
}

/// RFC 3261 §8.2: each refusal with the header that helps.
#[test]
fn what_is_not_served_is_refused_as_the_rfc_says() {
    let message = answer_to(&Ask::new("MESSAGE", "a", 1));
    assert_eq!((message.code(), value(&message, HeaderName::Allow)), (405, ALLOW.to_owned()));
    for method in ["INFO", "PRACK", "UPDATE", "NOTIFY"] {
        assert_eq!(answer_to(&Ask::new(method, "a", 1)).code(), 481, "{method} outside of a session");
    }
    assert_eq!(answer_to(&Ask::new("FROBNICATE", "a", 1)).code(), 501);
    let extension = answer_to(&Ask::new("INVITE", "a", 1).sdp().more("Require: 100rel, foo, timer, bar"));
    assert_eq!((extension.code(), value(&extension, HeaderName::Unsupported)), (420, "foo, bar".to_owned()));
    let hops = Ask::new("INVITE", "a", 1).sdp();
    let mut world = World::new();
    world.receive(udp(PHONE), &hops.text().replace("Max-Forwards: 70", "Max-Forwards: 0"));
    assert_eq!(world.take_lines(), ["483 INVITE"]);
    world.receive(udp(PHONE), &Ask::new("INVITE", "b", 1).sdp().text().replace("INVITE sip:", "INVITE sips:"));
    assert_eq!(world.take_lines(), ["416 INVITE"]);
    world.receive(udp(PHONE), &Ask::new("INVITE", "c", 1).sdp().text().replace("application/sdp", "text/plain"));
    let content = world.take_one();
    assert_eq!(
        (content.code(), value(&content, HeaderName::Accept)),
        (415, "application/sdp, multipart/mixed".to_owned())
    );
    world
        .receive(udp(PHONE), &Ask::new("INVITE", "d", 1).sdp().text().replace("Content-Type: application/sdp\r\n", ""));
    assert_eq!(world.take_lines(), ["415 INVITE"]);
    world.receive(udp(PHONE), &Ask::new("INVITE", "e", 1).sdp().text().replace("CSeq: 1 INVITE", "CSeq: 1 BYE"));
    assert_eq!(world.take_lines(), ["400 BYE"]);
    world.receive(udp(PHONE), &Ask::new("INVITE", "f", 1).sdp().text().replace("\r\nContact", "\r\nX-Contact"));
    assert_eq!(world.take_lines(), ["400 INVITE"]);
    world.receive(udp(PHONE), "this is not SIP\r\n\r\n");
    world.receive(udp(PHONE), "\r\n\r\n");
    assert_eq!((world.take_lines(), world.endpoint.stats().parse_errors), (vec![], 1));
    assert!(world.endpoint.is_idle());
}

/// RFC 3261 §11.2: OPTIONS says what we can do, to anybody.
#[test]
fn options_are_told() {
    let options = answer_to(&Ask::new("OPTIONS", "a", 1));
    assert_eq!((options.code(), value(&options, HeaderName::Allow)), (200, ALLOW.to_owned()));
    assert_eq!(value(&options, HeaderName::Accept), "application/sdp, multipart/mixed");
    assert_eq!(value(&options, HeaderName::Supported), SUPPORTED);
}

/// RFC 3261 §12.2.2, §9.2: any wrong tag or Call-ID is 481 and the call is untouched.
#[test]
fn requests_with_wrong_tags_do_not_touch_the_call() {
    let mut world = World::new();
    let (session, tag) = established(&mut world);
    let bye = |tag: &str| Ask::new("BYE", "x", 9).tagged(tag);
    let wrong = [
        bye("0000000000000000").text(),
        bye("short").text(),
        bye(&tag).from("<sip:+96650@elsewhere.test>;tag=other").text(),
        bye(&tag).from("<sip:+96650@elsewhere.test>").text(),
        bye(&tag).text().replace("call-1", "call-2"),
        Ask::new("BYE", "x", 9).text(),
        Ask::new("INVITE", "x", 9).tagged("0000000000000000").sdp().text(),
        Ask::new("OPTIONS", "x", 9).tagged("0000000000000000").text(),
        Ask::new("CANCEL", "x", 9).text(),
    ];
    for text in &wrong {
        world.receive(udp(PHONE), text);
        assert_eq!(world.take_one().code(), 481, "{text}");
    }
    // ACK never gets an answer.
    world.receive(udp(PHONE), &Ask::new("ACK", "x", 9).tagged("0000000000000000").text());
    world.receive(udp(PHONE), &bye(&tag).text().replace("CSeq: 9", "CSeq: 1"));
    assert_eq!(world.take_lines(), ["500 BYE"], "a number that was used is out of order");
    assert_eq!((world.take_events(), world.endpoint.stats().sessions), (vec![], 1));
    world.act(|e, now| e.hang_up(now, session, None));
    world.assert_rests();
}

/// RFC 3261 §9.2: CANCEL must come from who sent the INVITE.
#[test]
fn a_cancel_with_another_from_tag_is_481() {
    let mut world = World::new();
    let session = incoming(&mut world);
    world.receive(udp(PHONE), &Ask::new("CANCEL", "inv", 1).from("<sip:+96650@elsewhere.test>;tag=evil").text());
    world.receive(udp(PHONE), &Ask::new("CANCEL", "inv", 1).tagged("0000000000000000").text());
    assert_eq!((world.take_lines(), world.take_events()), (vec!["481 CANCEL".into(), "481 CANCEL".into()], vec![]));
    world.act(|e, now| e.hang_up(now, session, None));
    assert_eq!(world.take_lines(), ["480 INVITE"]);
    world.assert_rests();
}

/// RFC 3261 §17.2.3: a client without the magic cookie is matched by the parts it keeps the same.
#[test]
fn an_rfc_2543_client_is_matched_without_branch() {
    let mut world = World::new();
    let old = |method, cseq| Ask::new(method, "", cseq).sdp().text().replace(";branch=z9hG4bK", "");
    world.receive(udp(PHONE), &old("INVITE", 1));
    world.receive(udp(PHONE), &old("INVITE", 1));
    assert_eq!(world.take_lines(), ["100 INVITE"]);
    world.receive(udp(PHONE), &old("CANCEL", 1));
    world.receive(udp(PHONE), &old("ACK", 1));
    assert_eq!(world.take_lines(), ["200 CANCEL", "487 INVITE"]);
    world.assert_rests();
    assert_eq!(world.take_lines(), [""; 0], "the ACK stopped the 487");
}

/// RFC 3581 §4 and RFC 3261 §18.2.2: without rport the answer goes to the port of sent-by.
#[test]
fn answers_go_where_the_sender_listens() {
    let mut world = World::new();
    let text = Ask::new("OPTIONS", "a", 1).text();
    world.receive(udp("203.0.113.9:40000"), &text);
    assert_eq!(world.sent.pop().map(|(_, flow, _)| flow.remote), Some(remote("203.0.113.9:40000")));
    world.receive(udp("203.0.113.9:40000"), &text.replace("rport;", ""));
    assert_eq!(world.sent.pop().map(|(_, flow, _)| flow.remote), Some(remote("203.0.113.9:5070")));
}
