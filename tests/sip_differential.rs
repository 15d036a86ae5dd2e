//! Our reader of SIP messages against the crate `rsip`: where both accept a message they must agree.
//!
//! Plain messages must be accepted by both. Mutated ones may be refused by either; agreed values must be the
//! same, and what `rsip` takes we must take. Known disagreements are listed with their bytes at the end: each
//! is checked from both sides, so the list cannot grow old unseen.

use bytes::Bytes;
use hatif::sip::header::{HeaderName, text};
use hatif::sip::message::{Message, Start};
use proptest::prelude::*;
use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::{HasHeaders, HeadersExt};

/// What both readers are asked for; `None` where there is nothing or it cannot be read.
#[derive(Debug, Eq, PartialEq)]
struct Reading {
    start: String,
    via: Option<(String, String, Option<u16>, Option<String>)>,
    from: Option<(Option<String>, Option<String>, Option<String>)>,
    to: Option<(Option<String>, Option<String>, Option<String>)>,
    call_id: Option<String>,
    cseq: Option<(u32, String)>,
    headers: usize,
    body: Vec<u8>,
}

fn owned(bytes: &[u8]) -> String {
    text(bytes).into_owned()
}

fn ours(bytes: &Bytes) -> Option<Reading> {
    let m = Message::parse(bytes.clone()).ok()?;
    let address = |a: hatif::sip::header::NameAddr<'_>| {
        (a.uri().and_then(|u| u.user.map(owned)), a.uri().map(|u| owned(u.host).to_lowercase()), a.tag().map(owned))
    };
    Some(Reading {
        start: match m.start() {
            Start::Request { method, .. } => format!("{} {}", owned(method.as_bytes()), host(&m)),
            Start::Response { code, .. } => code.to_string(),
        },
        via: m.via().map(|v| (owned(v.transport), owned(v.host).to_lowercase(), v.port, v.branch().map(owned))),
        from: m.from().map(address),
        to: m.to().map(address),
        call_id: m.call_id().map(owned),
        cseq: m.cseq().map(|c| (c.number, owned(c.method.as_bytes()))),
        headers: m.all_headers().count(),
        body: m.body().to_vec(),
    })
}

fn host(m: &Message) -> String {
    m.request_uri().map(|u| format!("{:?} {}", u.user.map(owned), owned(u.host).to_lowercase())).unwrap_or_default()
}

/// Reads with rsip; `None` when it refuses the message or one of the typed headers.
fn theirs(bytes: &Bytes) -> Option<Reading> {
    let m = rsip::SipMessage::try_from(bytes.clone()).ok()?;
    let via = m.via_header().ok()?.typed().ok()?;
    let from = m.from_header().ok()?.typed().ok()?;
    let to = m.to_header().ok()?.typed().ok()?;
    let cseq = m.cseq_header().ok()?.typed().ok()?;
    let address = |uri: &rsip::Uri, tag: Option<String>| {
        // An empty tag is no tag to us.
        (uri.user().map(ToOwned::to_owned), Some(uri.host().to_string().to_lowercase()), tag.filter(|t| !t.is_empty()))
    };
    Some(Reading {
        start: match &m {
            rsip::SipMessage::Request(r) => {
                format!("{} {:?} {}", r.method, r.uri.user(), r.uri.host().to_string().to_lowercase())
            }
            rsip::SipMessage::Response(r) => r.status_code.code().to_string(),
        },
        via: Some((
            via.transport.to_string(),
            via.uri.host().to_string().to_lowercase(),
            via.uri.port().map(|p| *p.value()),
            via.branch().map(|b| b.value().to_owned()),
        )),
        from: Some(address(&from.uri, from.tag().map(|t| t.value().to_owned()))),
        to: Some(address(&to.uri, to.tag().map(|t| t.value().to_owned()))),
        call_id: Some(m.call_id_header().ok()?.value().to_owned()),
        cseq: Some((cseq.seq, cseq.method.to_string())),
        headers: m.headers().iter().count(),
        body: m.body().clone(),
    })
}

/// Plain messages as most phones send them: what both readers understand.
fn plain() -> impl Strategy<Value = Bytes> {
    let word = "[a-z0-9]{1,12}";
    // A user with a dot is on the list of disagreements.
    let user = "[a-z0-9+_-]{1,12}";
    let host = prop_oneof!["[a-z][a-z0-9]{0,8}\\.example\\.com", Just("192.0.2.17".to_owned())];
    let port = prop_oneof![Just(String::new()), (1..=65_535u16).prop_map(|p| format!(":{p}"))];
    let first = prop_oneof![
        (
            prop::sample::select(&["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO", "UPDATE"][..]),
            user,
            host.clone()
        )
            .prop_map(|(method, user, host)| (method, format!("{method} sip:{user}@{host} SIP/2.0"))),
        prop::sample::select(&[100u16, 180, 183, 200, 302, 401, 404, 486, 487, 503, 603][..])
            .prop_map(|code| ("INVITE", format!("SIP/2.0 {code} Some Phrase"))),
    ];
    let display = prop_oneof![Just(String::new()), "[A-Za-z]{1,8} ", "\"[A-Za-z ]{1,8}\" "];
    let tag = prop_oneof![Just(String::new()), word.prop_map(|t| format!(";tag={t}"))];
    let address = (display, user, host.clone(), port.clone(), tag)
        .prop_map(|(display, user, host, port, tag)| format!("{display}<sip:{user}@{host}{port}>{tag}"));
    let more =
        prop::collection::vec(("X-[A-Za-z]{1,8}", "[ -9;-~]{0,20}").prop_map(|(n, v)| format!("{n}: x{v}x\r\n")), 0..6);
    (first, host, port, word, address.clone(), address, word, 0..=u32::MAX, more, "[ -~]{0,60}").prop_map(
        |((method, first), host, port, branch, from, to, call, cseq, more, body)| {
            Bytes::from(format!(
                "{first}\r\nVia: SIP/2.0/UDP {host}{port};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\nFrom: {from}\r\n\
                 To: {to}\r\nCall-ID: {call}@{host}\r\nCSeq: {cseq} {method}\r\n{}Content-Length: {}\r\n\r\n{body}",
                more.concat(),
                body.len()
            ))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plain_messages_are_read_alike(bytes in plain()) {
        let reading = ours(&bytes);
        prop_assert!(reading.is_some(), "we refuse {:?}", bytes);
        prop_assert_eq!(reading, theirs(&bytes), "{:?}", bytes);
    }

    /// One byte is lost, added or changed anywhere: what rsip still reads we read too, and the same.
    #[test]
    fn what_rsip_still_reads_of_a_damaged_message_we_read_alike(
        bytes in plain(), at in any::<prop::sample::Index>(), kind in 0..3u8, to in prop::sample::select(&b"abz019-"[..])
    ) {
        let mut damaged = bytes.to_vec();
        let at = at.index(damaged.len());
        // Capitals are spared: rsip takes `invite` for INVITE, see the list.
        if !damaged[at].is_ascii_lowercase() && !damaged[at].is_ascii_digit() {
            return Ok(());
        }
        match kind {
            0 => drop(damaged.remove(at)),
            1 => damaged.insert(at, to),
            _ => damaged[at] = to,
        }
        // rsip takes an unknown scheme for a user, see the list.
        if schemes(&damaged) != schemes(&bytes) {
            return Ok(());
        }
        let damaged = Bytes::from(damaged);
        // rsip takes any first line that resembles one, e.g. of SIP/2.00; elsewhere it is the stricter.
        let in_first_line = !bytes[..at].contains(&b'\n');
        match (theirs(&damaged), ours(&damaged)) {
            (None, _) => {}
            (Some(_), None) => prop_assert!(in_first_line, "we refuse {:?}", damaged),
            (Some(theirs), Some(mut ours)) => {
                // rsip does not heed Content-Length, see the list.
                ours.body.clone_from(&theirs.body);
                prop_assert_eq!(ours, theirs, "{:?}", damaged);
            }
        }
    }
}

/// How many URIs of a known scheme there are.
fn schemes(bytes: &[u8]) -> usize {
    bytes.windows(5).filter(|w| [b" sip:", b"<sip:"].iter().any(|s| w == *s)).count()
}

/// Messages written by rsip are the fixtures of the robot phones: we read them.
#[test]
fn messages_built_by_rsip_are_read() {
    let mut headers = rsip::Headers::default();
    headers.push(rsip::headers::Via::new("SIP/2.0/UDP client.example.com:5060;branch=z9hG4bKnashds7").into());
    headers.push(rsip::headers::From::new("Bob <sip:bob@example.com>;tag=a73kszlfl").into());
    headers.push(rsip::headers::To::new("Bob <sip:bob@example.com>").into());
    headers.push(rsip::headers::CallId::new("1j9FpLxk3uxtm8tn@example.com").into());
    headers.push(rsip::headers::CSeq::new("2 REGISTER").into());
    headers.push(rsip::headers::ContentLength::default().into());
    let request = rsip::Request {
        method: rsip::Method::Register,
        uri: rsip::Uri::try_from("sip:example.com").unwrap(),
        version: rsip::Version::V2,
        headers,
        body: Vec::new(),
    };
    let bytes = Bytes::from(rsip::SipMessage::from(request));
    let reading = ours(&bytes);
    assert!(reading.is_some());
    assert_eq!(reading, theirs(&bytes));
}

const GOOD: &str = "OPTIONS sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h.example.com;branch=z9hG4bK1\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

fn changed(from: &str, to: &str) -> Bytes {
    assert!(GOOD.contains(from), "{from} is in the message");
    Bytes::from(GOOD.replace(from, to))
}

/// What we read and rsip 0.4.0 refuses. Should rsip learn one of them, its line goes.
#[test]
fn known_disagreements_we_read_and_rsip_refuses() {
    assert_eq!(ours(&changed("OPTIONS", "OPTIONS")), theirs(&changed("OPTIONS", "OPTIONS")));
    let table = [
        ("compact names", changed("Via:", "v:")),
        ("folded line", changed("Via: SIP/2.0/UDP ", "Via: SIP/2.0/UDP\r\n ")),
        ("space before the colon", changed("Call-ID:", "Call-ID :")),
        ("line ends before the message", Bytes::from(format!("\r\n\r\n{GOOD}"))),
        ("tel: Request-URI", changed("sip:b@example.com SIP", "tel:+4930123456 SIP")),
        ("urn: Request-URI", changed("sip:b@example.com SIP", "urn:service:sos SIP")),
        ("user parameters", changed("sip:b@example.com SIP", "sip:+49;phone-context=example.com@h;user=phone SIP")),
        ("unknown method", changed("OPTIONS", "FOO")),
        ("unknown transport in Via", changed("/UDP", "/QUIC")),
        ("Latin-1 in a header", {
            let mut bytes = changed("Call-ID: c", "Subject: ?\r\nCall-ID: c").to_vec();
            let at = bytes.iter().position(|b| *b == b'?').unwrap();
            bytes[at] = 0xfc;
            Bytes::from(bytes)
        }),
    ];
    for (name, bytes) in table {
        let reading = ours(&bytes).unwrap_or_else(|| panic!("{name}: we read it"));
        assert_eq!(reading.call_id.as_deref(), Some("c"), "{name}");
        assert_eq!(reading.via.and_then(|v| v.3).as_deref(), Some("z9hG4bK1"), "{name}");
        assert_eq!(theirs(&bytes), None, "{name}: rsip has learnt it");
    }
}

/// What both read, differently; ours is the RFC's reading.
#[test]
fn known_disagreements_both_read_differently() {
    let longer = Bytes::from(format!("{}junk", GOOD));
    assert_eq!(
        (ours(&longer).unwrap().body.len(), theirs(&longer).unwrap().body.len()),
        (0, 4),
        "body beyond its length"
    );

    let dot = changed("<sip:b@", "<sip:b.c@");
    let user = |reading: Option<Reading>| reading.unwrap().to.unwrap().0;
    assert_eq!((user(ours(&dot)).as_deref(), user(theirs(&dot))), (Some("b.c"), None), "user with a dot");

    let lower = changed("1 OPTIONS", "1 options");
    let cseq = |reading: Option<Reading>| reading.unwrap().cseq.unwrap().1;
    assert_eq!(
        (cseq(ours(&lower)).as_str(), cseq(theirs(&lower)).as_str()),
        ("options", "OPTIONS"),
        "case of a method"
    );

    let scheme = changed("<sip:b@", "<im:b@");
    assert_eq!(
        (user(ours(&scheme)).as_deref(), user(theirs(&scheme)).as_deref()),
        (Some("b@example.com"), Some("im")),
        "scheme"
    );

    let ipv6 = changed("z9hG4bK1", "z9hG4bK1;received=[2001:db8::1]");
    let via = rsip::SipMessage::try_from(ipv6.clone()).unwrap().via_header().unwrap().typed();
    assert!(via.is_err() || via.unwrap().received().is_err(), "IPv6 received: rsip has learnt it");
    assert_eq!(Message::parse(ipv6).unwrap().via().unwrap().received(), "2001:db8::1".parse().ok());

    let two = changed(
        "Via: SIP/2.0/UDP h.example.com;branch=z9hG4bK1",
        "Via: SIP/2.0/UDP h;branch=z9hG4bK1, SIP/2.0/UDP i;branch=z9hG4bK2",
    );
    assert_eq!(Message::parse(two.clone()).unwrap().list(HeaderName::Via).count(), 2);
    assert_eq!(
        rsip::SipMessage::try_from(two).unwrap().headers().iter().filter(|h| matches!(h, rsip::Header::Via(_))).count(),
        1,
        "two Vias on a line"
    );

    let contacts = changed("Call-ID", "Contact: \"A, B\" <sip:a@h>, <sip:b@h>\r\nCall-ID");
    assert_eq!(Message::parse(contacts.clone()).unwrap().contacts().flatten().count(), 2);
    assert!(
        rsip::SipMessage::try_from(contacts).unwrap().contact_header().unwrap().typed().is_err(),
        "a list of Contacts"
    );

    let binary = Bytes::from([GOOD.replace("Length: 0", "Length: 2").as_bytes(), b"\xff\x00"].concat());
    assert_eq!(ours(&binary).unwrap().body, b"\xff\x00");
    let written = Bytes::from(rsip::SipMessage::try_from(binary.clone()).unwrap());
    assert_ne!(written, binary, "rsip keeps a binary body when it writes");
}

/// The answers of phones that use one nonce often, and of those that speak RFC 8760.
#[test]
fn known_disagreements_in_digest_answers() {
    let answer =
        |more: &str| format!("Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:h\", response=\"x\", {more}");
    for more in ["qop=auth, cnonce=\"c\", nc=0000000a", "algorithm=SHA-256"] {
        let value = answer(more);
        assert!(hatif::sip::digest::Authorization::parse(value.as_bytes()).is_some(), "{more}");
        assert!(rsip::headers::Authorization::new(value.clone()).typed().is_err(), "{more}: rsip has learnt it");
    }
}
