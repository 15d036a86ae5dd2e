//! The messages of RFC 4475 and RFC 5118 as printed there, and what the endpoint answers.

use super::*;

#[allow(dead_code)]
mod table {
    include!("../../../../tests/torture/table.rs");
}

use table::{Answer, TORTURE, Torture};

/// The world of the messages: `example.com` is our domain.
fn world() -> World {
    World::with(SipConfig { domain: "example.com".to_owned(), ..config() })
}

/// The final response to one message, over UDP or TCP, and what the endpoint did besides.
fn answer(bytes: &[u8], flow: Flow) -> Option<u16> {
    let mut world = world();
    world.endpoint.handle_message(world.now, world.now, flow, Bytes::copy_from_slice(bytes));
    world.drain();
    // A call that came through the door is answered by nobody here.
    for event in world.take_events() {
        if let Event::Incoming { session, .. } = event {
            world.act(|endpoint, now| {
                endpoint.reject(now, session, Rejection { code: 404, reason: None, retry_after: None, warning: None });
            });
        }
    }
    let codes: Vec<u16> = world.take_sent().iter().map(Message::code).filter(|code| *code >= 200).collect();
    assert!(codes.len() < 2, "more than one answer: {codes:?}");
    codes.first().copied()
}

#[test]
fn every_message_of_the_torture_rfcs_gets_the_answer_they_ask() {
    assert_eq!(TORTURE.iter().filter(|t| t.rfc == 4475).count(), 49);
    assert_eq!(TORTURE.iter().filter(|t| t.rfc == 5118).count(), 12);
    let mut wrong = Vec::new();
    for torture in TORTURE {
        for flow in [udp(PHONE), tcp(PHONE, 1)] {
            let code = answer(torture.bytes, flow);
            if !torture.answer.allows(code) {
                wrong.push(format!(
                    "{} §{}: {code:?}, {:?}: {}",
                    torture.name, torture.section, torture.answer, torture.why
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// RFC 5118 §4.6 is printed with a wrong length; what it is about is IPv6 in the session description.
#[test]
fn ipv6_in_sdp_is_served_when_its_length_is_right() {
    let torture: &Torture = TORTURE.iter().find(|t| t.name == "ipv6-in-sdp").unwrap();
    assert_eq!(answer(torture.bytes, udp(PHONE)), Some(400));
    assert!(Answer::Served.allows(answer(&torture.measured(), udp(PHONE))));
}

/// RFC 5118 §4.10: what RFC 3261's grammar made by mistake names the same address.
#[test]
fn three_colons_before_an_ipv4_address_are_two() {
    let ip = |text: &str| super::super::super::uri::Uri::parse(text.as_bytes()).and_then(|uri| uri.ip());
    assert_eq!(ip("sip:user@[2001:db8:::192.0.2.1]"), ip("sip:user@[2001:db8::192.0.2.1]"));
    assert!(ip("sip:user@[2001:db8:::192.0.2.1]").is_some());
    for wrong in ["[2001:db8:::1]", "[2001:db8::::192.0.2.1]", "[2001:::db8::192.0.2.1]", "[:::]"] {
        assert_eq!(ip(&format!("sip:user@{wrong}")), None, "{wrong}");
    }
}
