//! Phones behind proxies (RFC 3327), with several flows (RFC 5626), and silent ones.

use super::super::super::config::Watched;
use super::super::super::digest::Algorithm;
use super::super::super::header::Method;
use super::identity::{authorization, ours};
use super::*;

const PROXY: &str = "10.0.0.99:5060";

/// A world whose user 101 is watched, and has a phone at `flow` that registered with these headers; the 200.
fn registered_with(flow: Flow, more: &str, edit: impl Fn(String) -> String) -> (World, Message) {
    let mut world = World::with(SipConfig {
        watched: Watched { users: ["101".to_owned()].into(), ..Watched::default() },
        ..config()
    });
    let answer = register_again(&mut world, flow, more, edit, 1);
    (world, answer)
}

pub(super) fn register_again(
    world: &mut World,
    flow: Flow,
    more: &str,
    edit: impl Fn(String) -> String,
    cseq: u32,
) -> Message {
    world.receive(flow, &edit(ours("REGISTER", "a", cseq).more("X-A: b").text()));
    let refusal = world.take_one();
    let proof = authorization(&refusal, Algorithm::Md5, "101", "secret", Method::Register, 1);
    world.receive(
        flow,
        &edit(ours("REGISTER", "b", cseq + 1).more(&proof).more(if more.is_empty() { "X-A: b" } else { more }).text()),
    );
    world.sent.remove(0).2
}

fn as_it_is(text: String) -> String {
    text
}

/// RFC 3327 §5.3 and §5.4: the 200 says the Path, and calls to the phone go through it.
#[test]
fn calls_to_a_phone_go_by_the_path_it_registered_through() {
    let path = "Path: <sip:edge.test;lr>, <sip:inner.test;lr>";
    let (mut world, answer) = registered_with(udp(PROXY), path, as_it_is);
    assert_eq!((answer.code(), value(&answer, HeaderName::Path)), (200, path.replace("Path: ", "")));
    let contact = world.endpoint.contacts(world.now, "101").remove(0);
    assert_eq!(contact.path, ["<sip:edge.test;lr>", "<sip:inner.test;lr>"]);
    let call = Invite { flow: contact.flow, uri: contact.uri, routes: contact.path, ..invite() };
    world.act(|e, now| _ = e.invite(now, call));
    let (_, flow, asked) = world.sent.remove(0);
    assert_eq!(flow, udp(PROXY));
    let routes: Vec<&[u8]> = asked.list(HeaderName::Route).collect();
    assert_eq!(routes, [b"<sip:edge.test;lr>".as_slice(), b"<sip:inner.test;lr>"]);
    let uri = asked.request_uri().map(|uri| uri.host_text().into_owned());
    assert_eq!(uri.as_deref(), PHONE.split(':').next());
}

/// RFC 5626 §6: over a stream flows are kept apart, and the phone is told so; over UDP they are not, for want of STUN.
#[test]
fn outbound_is_confirmed_over_streams_only() {
    let named = |text: String| {
        let contact = format!("<sip:+96650@{PHONE}>;reg-id=1;+sip.instance=\"<urn:uuid:7>\"");
        text.replace(&format!("<sip:+96650@{PHONE}>"), &contact)
    };
    let over_tcp = |text: String| named(text).replace("/UDP", "/TCP");
    let (world, answer) = registered_with(tcp(PHONE, 5), "Supported: outbound, path", over_tcp);
    assert_eq!(value(&answer, HeaderName::Require), "outbound");
    assert_eq!(answer.header_named("Flow-Timer"), Some(b"120".as_slice()));
    let listed = value(&answer, HeaderName::Contact);
    assert!(listed.ends_with(";expires=120;+sip.instance=\"<urn:uuid:7>\";reg-id=1"), "{listed}");
    assert_eq!(world.endpoint.stats().contacts, 1);
    let (_, answer) = registered_with(udp(PHONE), "Supported: outbound", named);
    assert_eq!((answer.code(), answer.header(HeaderName::Require)), (200, None));
}

/// RFC 5626 §6: 439 when the proxy next to the phone keeps no flows; its Path value would say `ob`.
#[test]
fn outbound_behind_a_proxy_that_does_not_know_it_is_refused() {
    let named = |text: String| {
        text.replace(&format!("<sip:+96650@{PHONE}>"), &format!("<sip:+96650@{PHONE}>;reg-id=1;+sip.instance=\"<u>\""))
            .replace("Via:", &format!("Via: SIP/2.0/UDP {PROXY};branch=z9hG4bKp\r\nVia:"))
    };
    let (_, answer) = registered_with(udp(PROXY), "Supported: outbound\r\nPath: <sip:edge.test;lr>", named);
    assert_eq!(answer.code(), 439);
    let (_, answer) = registered_with(udp(PROXY), "Supported: outbound\r\nPath: <sip:edge.test;lr;ob>", named);
    assert_eq!((answer.code(), value(&answer, HeaderName::Require)), (200, "outbound".into()));
}

/// An agent's phone that is silent for 30 s is asked; dead, it is gone 44 s after its last sign of life.
#[test]
fn a_dead_phone_is_seen_within_45_seconds() {
    let (mut world, _) = registered_with(udp(PHONE), "Expires: 600", as_it_is);
    world.take_events();
    world.pass(Duration::from_secs(31));
    let asked = world.take_sent();
    assert_eq!(asked.iter().map(line).collect::<std::collections::BTreeSet<_>>(), ["OPTIONS".to_owned()].into());
    // Any message of it is a sign of life, also one that says no.
    world.receive(udp(PHONE), &respond(&asked[0], 405, "t", "", ""));
    world.pass(Duration::from_secs(29));
    assert_eq!((world.take_events(), world.take_lines()), (vec![], vec![]));
    world.pass(Duration::from_secs(16));
    assert_eq!(world.take_events(), [Event::Unregistered { user: "101".into(), loss: Loss::Silent }]);
    world.assert_rests();
}

/// Over UDP the contact is valid at once; over TCP only where it can be called; else the phone comes back by itself.
#[test]
fn phones_of_an_earlier_process_are_called_again() {
    let mut world = World::new();
    let binding = |flow: Flow, uri: &str| Binding {
        uri: uri.into(),
        flow: Flow { connection: None, ..flow },
        q: 1000,
        expires_s: 600,
        path: Vec::new(),
        instance: None,
        reg_id: None,
        call_id: "r".into(),
        cseq: 7,
    };
    let ways = [
        (binding(udp("203.0.113.7:40000"), "sip:101@192.168.1.7"), Some("203.0.113.7:40000")),
        (binding(tcp("10.0.0.8:49152", 9), "sip:101@10.0.0.8:5080;transport=tcp"), Some("10.0.0.8:5080")),
        (binding(tcp("10.0.0.8:49152", 9), "sip:101@192.168.1.7;transport=tcp"), None),
    ];
    for (binding, called) in ways {
        let uri = binding.uri.clone();
        let mut restored = false;
        world.act(|e, now| restored = e.restore_contact(now, "101", binding));
        assert_eq!(restored, called.is_some(), "{uri}");
        assert_eq!(registered(&world.take_events()).len(), usize::from(restored));
        let contacts = world.endpoint.contacts(world.now, "101");
        if let Some(called) = called {
            assert_eq!(contacts.first().map(|c| (c.uri.as_str(), c.flow.remote)), Some((uri.as_str(), remote(called))));
        }
    }
    let stranger = binding(udp(PHONE), "sip:x@h");
    world.act(|e, now| assert!(!e.restore_contact(now, "nobody", stranger)));
}
