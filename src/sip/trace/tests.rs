//! The trace: what is kept, under which call, for how long, and what of it may be seen.

use std::time::Duration;

use super::*;

fn flow(port: u16) -> Flow {
    Flow { transport: Transport::Udp, listener: 0, remote: ([192, 0, 2, 1], port).into(), connection: None }
}

fn call(number: u64) -> CallId {
    CallId::new(number, 0)
}

struct World {
    trace: Trace,
    now: Instant,
}

impl World {
    fn new(calls_max: usize) -> Self {
        Self { trace: Trace::new(calls_max), now: Instant::now() }
    }

    fn note(&mut self, direction: Direction, text: &str) {
        self.now += Duration::from_millis(1);
        self.trace.note(self.now, direction, flow(5060), &Bytes::from(text.to_owned()));
    }

    fn request(&mut self, method: &str, call_id: &str) {
        self.note(
            Direction::In,
            &format!("{method} sip:a@h SIP/2.0\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n\r\n"),
        );
    }

    fn response(&mut self, code: u16, call_id: &str) {
        self.note(Direction::Out, &format!("SIP/2.0 {code} X\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\n"));
    }

    /// Method and code of each message.
    fn of_call(&self, id: CallId) -> Option<Vec<(String, Option<u16>)>> {
        Some(shown(&self.trace.of_call(id)?))
    }

    fn of_call_id(&self, call_id: &str) -> Option<Vec<(String, Option<u16>)>> {
        Some(shown(&self.trace.of_call_id(call_id.as_bytes())?))
    }
}

fn shown(view: &View) -> Vec<(String, Option<u16>)> {
    view.messages.iter().map(|seen| (seen.method(), seen.code())).collect()
}

fn words(list: &[(&str, u16)]) -> Vec<(String, Option<u16>)> {
    list.iter().map(|(method, code)| ((*method).to_owned(), Some(*code).filter(|code| *code > 0))).collect()
}

/// Both legs stand in one record in their order, the challenge before the call in front, and stay when it is over.
#[test]
fn a_call_shows_all_its_legs_and_what_came_before_it() {
    let mut world = World::new(10);
    world.request("INVITE", "a");
    world.response(401, "a");
    world.request("ACK", "a");
    world.request("INVITE", "a");
    world.trace.attach(call(1), b"a");
    world.trace.attach(call(1), b"b");
    world.request("INVITE", "b");
    world.response(200, "b");
    world.response(200, "a");
    world.request("BYE", "a");
    world.trace.ended(call(1));
    world.response(200, "a");
    let whole = words(&[
        ("INVITE", 0),
        ("INVITE", 401),
        ("ACK", 0),
        ("INVITE", 0),
        ("INVITE", 0),
        ("INVITE", 200),
        ("INVITE", 200),
        ("BYE", 0),
        ("INVITE", 200),
    ]);
    assert_eq!(world.of_call(call(1)), Some(whole.clone()));
    assert_eq!(world.of_call_id("b"), Some(whole));
    assert_eq!(world.of_call(call(2)), None);
}

/// A leg that another call takes over is seen in both.
#[test]
fn a_transferred_leg_belongs_to_two_calls() {
    let mut world = World::new(10);
    for (number, name) in [(1, "a"), (2, "b")] {
        world.request("INVITE", name);
        world.trace.attach(call(number), name.as_bytes());
    }
    world.trace.attach(call(1), b"b");
    world.trace.ended(call(2));
    world.request("BYE", "b");
    assert_eq!(world.of_call(call(1)), Some(words(&[("INVITE", 0), ("INVITE", 0), ("BYE", 0)])));
    assert_eq!(world.of_call(call(2)), Some(words(&[("INVITE", 0), ("BYE", 0)])));
}

/// What was heard under a Call-ID before its call is known joins the call when it is told.
#[test]
fn a_leg_that_is_told_late_joins_its_call() {
    let mut world = World::new(10);
    world.trace.attach(call(1), b"a");
    world.request("INVITE", "b");
    world.request("INVITE", "a");
    world.trace.attach(call(1), b"b");
    world.response(200, "b");
    assert_eq!(world.of_call(call(1)), Some(words(&[("INVITE", 0), ("INVITE", 0), ("INVITE", 200)])));
}

/// Responses and ACKs to nothing we know begin no record.
#[test]
fn strays_are_not_kept() {
    let mut world = World::new(10);
    world.response(200, "a");
    world.request("ACK", "a");
    assert_eq!(world.of_call_id("a"), None);
    world.note(Direction::In, "INVITE sip:a@h SIP/2.0\r\nVia: x\r\n\r\n");
    assert_eq!(world.trace.records.len(), 0);
}

/// The first 16 tell how it began, the last 48 how it ended.
#[test]
fn a_long_call_keeps_its_beginning_and_its_end() {
    let mut world = World::new(10);
    for number in 0..100 {
        world.note(Direction::In, &format!("INVITE sip:{number}@h SIP/2.0\r\ni: a\r\n\r\n"));
    }
    let view = world.trace.of_call_id(b"a").expect("kept");
    let first = |seen: &Seen| seen.text().lines().next().map(str::to_owned).unwrap_or_default();
    let kept: Vec<String> = view.messages.iter().map(first).collect();
    let expected: Vec<String> = (0..16).chain(52..100).map(|n| format!("INVITE sip:{n}@h SIP/2.0")).collect();
    assert_eq!((kept, view.left_out), (expected, 36));
}

/// Ended calls go before those that are up, attempts and registrations push out only their like.
#[test]
fn the_oldest_ended_call_makes_room() {
    let mut world = World::new(4);
    for number in 1..=4 {
        world.request("INVITE", &number.to_string());
        world.trace.attach(call(number), number.to_string().as_bytes());
    }
    world.trace.ended(call(3));
    world.trace.ended(call(2));
    for number in 0..1_000 {
        world.request("INVITE", &format!("flood {number}"));
        world.request("REGISTER", &format!("phone {number}"));
    }
    let up = |world: &World| [1, 2, 3, 4].map(|number| world.of_call(call(number)).is_some());
    assert_eq!(up(&world), [true; 4]);
    assert!(world.of_call_id("flood 999").is_some() && world.of_call_id("flood 998").is_none());
    assert!(world.of_call_id("phone 999").is_some() && world.of_call_id("phone 998").is_none());
    for (number, left) in
        [(5, [true, true, false, true]), (6, [true, false, false, true]), (7, [false, false, false, true])]
    {
        world.trace.attach(call(number), number.to_string().as_bytes());
        assert_eq!(up(&world), left);
    }
    assert_eq!(world.trace.records.len(), 4 + 1 + 1);
    assert_eq!(world.trace.by_name.len(), 4 + 1 + 1);
}

/// However long messages are and however many legs a call has, memory has a bound.
#[test]
fn memory_is_bounded() {
    let mut world = World::new(100_000);
    let body = "x".repeat(60_000);
    for number in 0..2_000 {
        world.note(Direction::In, &format!("INVITE sip:a@h SIP/2.0\r\nCall-ID: {number}\r\n\r\n{body}"));
    }
    assert!(world.trace.attempts.bytes <= OTHERS_BYTES, "{}", world.trace.attempts.bytes);
    for number in 0..20_000u64 {
        world.trace.attach(call(number), number.to_string().as_bytes());
        world.note(Direction::Out, &format!("INVITE sip:a@h SIP/2.0\r\nCall-ID: {number}\r\n\r\n{body}"));
    }
    assert!(world.trace.live.bytes <= CALLS_BYTES, "{}", world.trace.live.bytes);
    let counted: usize = world.trace.records.values().map(|record| record.bytes).sum();
    let shelves = [&world.trace.other, &world.trace.attempts, &world.trace.live, &world.trace.ended];
    assert_eq!(counted, shelves.iter().map(|shelf| shelf.bytes).sum::<usize>());

    let mut world = World::new(10);
    for number in 0..10_000 {
        world.trace.attach(call(1), number.to_string().as_bytes());
    }
    assert_eq!(world.trace.by_name.len(), NAMES_MAX);
}

#[test]
fn a_very_long_message_is_cut_and_says_so() {
    let mut world = World::new(10);
    world.note(Direction::In, &format!("INVITE sip:a@h SIP/2.0\r\nCall-ID: a\r\n\r\n{}", "x".repeat(10_000)));
    let view = world.trace.of_call_id(b"a").expect("kept");
    let text = view.messages[0].text();
    assert!(text.ends_with("[the last 1846 bytes are not kept]"), "{text}");
}

/// 0 keeps nothing, from the moment it is said.
#[test]
fn nothing_is_kept_when_it_is_switched_off() {
    let mut world = World::new(10);
    world.request("INVITE", "a");
    world.trace.set_calls_max(0);
    world.request("INVITE", "b");
    world.trace.attach(call(1), b"c");
    assert!(world.of_call_id("a").is_none() && world.of_call_id("b").is_none() && world.of_call(call(1)).is_none());
    assert!(!world.trace.is_on());
}

/// The same bytes the same way once more are a retransmission; another branch, or the other way, is not.
#[test]
fn a_retransmission_is_known_by_its_bytes() {
    let mut world = World::new(10);
    world.request("INVITE", "a");
    world.request("INVITE", "a");
    world.note(Direction::Out, "INVITE sip:a@h SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\r\n");
    let view = world.trace.of_call_id(b"a").expect("kept");
    let [first, second, third] = view.messages.as_slice() else { panic!("{view:?}") };
    assert!(second.repeats(first) && !third.repeats(first));
}

/// RFC 3261 §7.3.1, §7.3.3: folded, compact, in any case; a name that only begins alike is another header.
#[test]
fn the_call_id_is_found_however_it_is_written() {
    for (head, expected) in [
        ("Call-ID: 1@h\r\n", Some("1@h")),
        ("CALL-ID :\t1\r\n", Some("1")),
        ("i:1\n", Some("1")),
        ("Call-ID:\r\n 1\r\n", Some("1")),
        ("Content-Length: 0\r\nCall-Info: x\r\nIdentity: y\r\ni: 1\r\n", Some("1")),
        ("Call-ID:\r\n", None),
        ("\r\nCall-ID: in the body\r\n", None),
        ("Via: x\r\n", None),
    ] {
        let text = format!("BYE sip:a@h SIP/2.0\r\n{head}\r\n");
        assert_eq!(call_id_of(text.as_bytes()), expected.map(str::as_bytes), "{head:?}");
    }
    assert_eq!(call_id_of(b""), None);
}

fn seen(text: &str) -> String {
    mask::masked(text.as_bytes())
}

/// RFC 7616 §3.4 and §3.5: who asks for what stays to be seen; what would let the password be guessed does not.
#[test]
fn proofs_are_masked_and_the_rest_stays() {
    for (header, expected) in [
        (
            "Authorization: Digest username=\"101\", realm=\"h, \\\"x\\\"\", nonce=\"n1\", uri=\"sip:h\", response=\"r1\", algorithm=MD5, cnonce=\"c1\", qop=auth, nc=00000001, opaque=o1",
            "Authorization: Digest username=\"101\", realm=\"h, \\\"x\\\"\", nonce=\"***\", uri=\"sip:h\", response=\"***\", algorithm=MD5, cnonce=\"***\", qop=auth, nc=00000001, opaque=\"***\"",
        ),
        (
            "Proxy-Authorization:Digest username=\"1\",\r\n  response=\"r1\",\r\n\tnonce=\"n1\"",
            "Proxy-Authorization: Digest username=\"1\", response=\"***\", nonce=\"***\"",
        ),
        (
            "WWW-Authenticate: Digest realm=\"h\", nonce=\"n1\", Digest nonce=\"n1\", stale=true",
            "WWW-Authenticate: Digest realm=\"h\", nonce=\"***\", Digest nonce=\"***\", stale=true",
        ),
        ("AUTHORIZATION: Basic bjE6cjE=", "AUTHORIZATION: Basic ***"),
        ("Proxy-Authorization : Bearer n1 r1", "Proxy-Authorization : Bearer ***"),
        ("Authorization: cjE=", "Authorization: ***"),
        ("Authorization: Digest n1, token=\"r1\", response=\"r1", "Authorization: Digest ***, ***, response=\"***\""),
        (
            "Authentication-Info: nextnonce=\"n1\", rspauth=\"r1\", qop=auth",
            "Authentication-Info: nextnonce=\"***\", rspauth=\"***\", qop=auth",
        ),
    ] {
        let text = seen(&format!("REGISTER sip:h SIP/2.0\r\n{header}\r\nCall-ID: a\r\n\r\n"));
        assert_eq!(text, format!("REGISTER sip:h SIP/2.0\r\n{expected}\r\nCall-ID: a\r\n\r\n"));
        for secret in ["n1", "r1", "c1", "o1", "cjE", "bjE"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

/// RFC 3261 §19.1.1: a URI may carry a password.
#[test]
fn passwords_in_uris_are_masked() {
    for (line, expected) in [
        ("INVITE sip:a:secret@h:5060 SIP/2.0", "INVITE sip:a:***@h:5060 SIP/2.0"),
        ("From: <SIPS:a:s,;@h>;tag=1, <sip:b@h>", "From: <SIPS:a:***@h>;tag=1, <sip:b@h>"),
        ("Contact: <sip:[2001:db8::1]:5060>", "Contact: <sip:[2001:db8::1]:5060>"),
        ("Contact: <sip:h:5060;transport=tcp>", "Contact: <sip:h:5060;transport=tcp>"),
    ] {
        assert_eq!(seen(line), expected);
    }
}

/// RFC 4568 keys and INFO digits; the rest of a body is what it was.
#[test]
fn media_keys_and_digits_are_masked() {
    let sdp = "INVITE sip:h SIP/2.0\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20\r\nk=clear:KEY\r\na=ice-pwd:KEY\r\nm=audio 1 RTP/SAVP 8\r\n";
    let expected = "INVITE sip:h SIP/2.0\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 ***\r\nk=***\r\na=ice-pwd:***\r\nm=audio 1 RTP/SAVP 8\r\n";
    assert_eq!(seen(sdp), expected);
    for (body, expected) in [
        ("Signal=5\r\nDuration=160\r\n", "Signal=***\r\nDuration=160\r\n"),
        ("Signal= 5\nDuration= 160", "Signal=***\nDuration= 160"),
        ("5", "***"),
        ("5=5\r\n", "***\r\n"),
    ] {
        assert_eq!(seen(&format!("INFO sip:h SIP/2.0\r\n\r\n{body}")), format!("INFO sip:h SIP/2.0\r\n\r\n{expected}"));
    }
}

proptest::proptest! {
    /// Whatever comes, looking at it never panics.
    #[test]
    fn no_bytes_make_it_panic(
        messages in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), 0..20),
        heads in proptest::collection::vec("(INVITE|SIP/2.0 2|INFO) ?\r?\n(call-id|i|I |Authorization):?[ -~]{0,30}\r?\n\r?\n?[ -~]{0,9}", 0..20),
    ) {
        let mut world = World::new(3);
        for bytes in messages.into_iter().chain(heads.into_iter().map(String::into_bytes)) {
            world.trace.note(world.now, Direction::In, flow(1), &Bytes::from(bytes.clone()));
            mask::masked(&bytes);
            if let Some(view) = call_id_of(&bytes).and_then(|name| world.trace.of_call_id(name)) {
                shown(&view);
            }
        }
    }
}
