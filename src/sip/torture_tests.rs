//! Tests of the message reader: what it makes of the messages of RFC 4475 and some of RFC 5118 (IPv6), by their
//! names there; limits; any bytes at all.
//!
//! `tests/torture/` has the messages as printed, and `endpoint/tests/torture.rs` the answers to them. The tables
//! here are of short variants, one fault each: headers that do not matter for the point are left out.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::sip::digest::{Authorization, Challenge};
use crate::sip::header::{text, unquote};
use crate::sip::writer::response_to;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// Served.
    Valid,
    /// Read, and answered with this code.
    Answer(u16),
    /// Not readable as a whole, but enough for a 400.
    Malformed,
    /// Dropped without an answer.
    Drop,
}

/// Lines end with LF here and with CRLF on the wire.
fn wire(text: &str) -> Bytes {
    Bytes::from(text.replace('\n', "\r\n"))
}

fn fate(bytes: Bytes) -> Fate {
    match Message::parse(bytes) {
        Ok(message) => match validate(&message) {
            Ok(()) => Fate::Valid,
            Err((code, _)) => Fate::Answer(code),
        },
        Err(malformed) if malformed.answerable().is_some() => Fate::Malformed,
        Err(_) => Fate::Drop,
    }
}

/// A request with good headers, where `line` is the first line and `more` comes after the usual headers.
fn request(line: &str, more: &str) -> String {
    let method = line.split(' ').next().unwrap_or_default();
    format!(
        "{line}\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdj.insuf\nMax-Forwards: 70\nFrom: <sip:a@example.com>;tag=1\n\
         To: <sip:b@example.com>\nCall-ID: c@example.com\nCSeq: 9 {method}\n{more}\n"
    )
}

const WSINV: &[u8] = include_bytes!("../../tests/torture/rfc4475/wsinv.sip");

/// §3.1.1.1: every freedom the grammar gives, in one message.
#[test]
fn wsinv_a_short_tortuous_invite_is_read_to_the_last_value() {
    let m = Message::parse(Bytes::from_static(WSINV)).unwrap();
    assert_eq!(validate(&m), Ok(()));
    assert_eq!(m.to_tag(), Some(&b"1918181833n"[..]));
    assert_eq!(m.from_tag(), Some(&b"98asjd8"[..]));
    assert_eq!(m.from().unwrap().display_text().as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(m.max_forwards(), Some(68));
    assert_eq!(m.cseq().map(|c| (c.number, c.method)), Some((9, Method::Invite)));
    assert_eq!(m.header(HeaderName::Subject), Some(&b""[..]));
    assert_eq!(text(m.header_named("newfangledheader").unwrap()), "newfangled value   continued newfangled value");
    assert_eq!(m.via().unwrap().host, b"192.0.2.2");
    assert_eq!(m.branch(), Some(&b"390skdjuw"[..]));
    let vias: Vec<_> = m.list(HeaderName::Via).map(|v| Via::parse(v).unwrap()).collect();
    let seen: Vec<_> = vias.iter().map(|v| (v.transport, v.host, v.branch().unwrap())).collect();
    assert_eq!(
        seen,
        [
            (&b"UDP"[..], &b"192.0.2.2"[..], &b"390skdjuw"[..]),
            (b"TCP", b"spindle.example.com", b"z9hG4bK9ikj8"),
            (b"UDP", b"192.168.255.111", b"z9hG4bK30239"),
        ]
    );
    let contact = m.contact().unwrap();
    assert_eq!(contact.display_text().as_deref(), Some("Quoted string \"\""));
    assert_eq!((contact.params.get("newparam"), contact.params.get("q")), (Some(&b"newvalue"[..]), Some(&b"0.33"[..])));
    assert!(contact.params.has("secondparam"));
}

const INTMETH: &[u8] = include_bytes!("../../tests/torture/rfc4475/intmeth.sip");

/// §3.1.1.2: unusual characters are values, and the unknown method can be answered.
#[test]
fn intmeth_a_wide_range_of_characters_is_kept() {
    let m = Message::parse(Bytes::from_static(INTMETH)).unwrap();
    assert_eq!(validate(&m), Ok(()));
    assert_eq!(m.method(), Method::Other(b"!interesting-Method0123456789_*+`.%indeed'~"));
    let uri = m.request_uri().unwrap();
    assert_eq!(text(uri.user.unwrap()), "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
    assert_eq!(text(uri.password.unwrap()), "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)");
    assert_eq!(m.from_tag(), Some(&b"_token~1'+`*%!-."[..]));
    assert_eq!(m.branch(), Some(&b"z9hG4bK-.!%66*_+`'~"[..]));
    assert_eq!(m.to().unwrap().display_text().as_deref(), Some("BEL:\x07 NUL:\x00 DEL:\x7f"));
}

/// §3.1.1.3 to §3.1.1.13: messages that must be served.
#[test]
fn valid_torture_messages_are_served() {
    let unreason = "SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e}\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\nCall-ID: unreason\nCSeq: 35 INVITE\nFrom: <sip:user@example.com>;tag=1\nTo: <sip:user@example.com>;tag=2\nContent-Length: 0\n\n";
    let noreason = unreason.replace("SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e}", "SIP/2.0 100 ");
    let table = [
        (
            "esc01",
            request(
                "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0",
                "Contact: <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>\n",
            ),
        ),
        (
            "escnull",
            request(
                "REGISTER sip:example.com SIP/2.0",
                "Contact: <sip:%00@host5.example.com>\nContact: <sip:%00%00@host5.example.com>\n",
            ),
        ),
        (
            "esc02",
            request("RE%47IST%45R sip:registrar.example.com SIP/2.0", "C%6Fntact: <sip:alias3@host3.example.com>\n"),
        ),
        ("lwsdisp", request("OPTIONS sip:user@example.com SIP/2.0", "").replace("From: <", "From: caller<")),
        (
            "longreq",
            request(
                &format!("INVITE sip:{}@example.net SIP/2.0", "u".repeat(1_500)),
                &format!("Long-{}: v\n", "x".repeat(800)),
            ),
        ),
        (
            "dblreq",
            request("REGISTER sip:example.com SIP/2.0", "Content-Length: 0\n") + "INVITE sip:joe@example.com SIP/2.0\n",
        ),
        ("semiuri", request("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0", "")),
        (
            "transports",
            request(
                "OPTIONS sip:user@example.com SIP/2.0",
                "Via: SIP/2.0/SCTP t2.example.com;branch=z9\nVia: SIP/2.0/UNKNOWN t5.example.com;branch=z8\n",
            ),
        ),
        ("unreason", unreason.to_owned()),
        ("noreason", noreason),
        ("tel", request("INVITE tel:+4930123456;phone-context=example.com SIP/2.0", "")),
        ("urn", request("INVITE urn:service:sos SIP/2.0", "")),
        (
            "no max-forwards, RFC 2543",
            request("OPTIONS sip:b@example.com SIP/2.0", "").replace("Max-Forwards: 70\n", ""),
        ),
        (
            "ipv6 (RFC 5118 §4.1)",
            request("REGISTER sip:[2001:db8::10] SIP/2.0", "Contact: \"Caller\" <sip:caller@[2001:db8::1]>\n"),
        ),
        (
            "ipv6 received (RFC 5118 §4.5)",
            request(
                "BYE sip:user@[2001:db8::10]:5070 SIP/2.0",
                "Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111\n",
            ),
        ),
    ];
    for (name, message) in table {
        assert_eq!(fate(wire(&message)), Fate::Valid, "{name}: {message}");
    }
}

#[test]
fn semicolons_and_escapes_in_the_user_part_belong_to_the_user() {
    let uri = Uri::parse(b"sip:user;par=u%40example.net@example.com").unwrap();
    assert_eq!((uri.user, uri.host), (Some(&b"user;par=u%40example.net"[..]), &b"example.com"[..]));
    assert_eq!(uri.params.iter().count(), 0);
    let uri = Uri::parse(b"sip:sips%3Auser%40example.com@example.net").unwrap();
    assert_eq!((uri.user_text().as_deref(), uri.host), (Some("sips:user@example.com"), &b"example.net"[..]));
    assert_eq!(Uri::parse(b"sip:%00%00@h").unwrap().user_text().as_deref(), Some("\0\0"));
}

/// §3.1.1.11: a multipart body with binary parts and NULs comes through byte for byte.
#[test]
fn mpart01_a_binary_body_survives() {
    let bytes: &[u8] = include_bytes!("../../tests/torture/rfc4475/mpart01.sip");
    let body =
        Message::parse(Bytes::from([bytes, b"what follows in the datagram is dropped"].concat())).unwrap().body();
    assert_eq!((body.len(), bytes.ends_with(&body)), (553, true));
    assert!(body.contains(&0));
}

/// §3.1.2: messages that are wrong, and the answer to each.
#[test]
fn invalid_torture_messages_get_their_answer() {
    let options = |more: &str| request("OPTIONS sip:user@example.com SIP/2.0", more);
    let swap = |from: &str, to: &str| options("").replace(from, to);
    let table = [
        ("badinv01", swap("Via: SIP/2.0/UDP 192.0.2.1;", "Via: SIP/2.0/UDP 192.0.2.15;;,;,,"), Fate::Answer(400)),
        ("clerr", options("Content-Length: 9999\n") + "v=0\n", Fate::Answer(400)),
        ("ncl", options("Content-Length: -999\n"), Fate::Answer(400)),
        ("scalar02 cseq", swap("CSeq: 9 ", "CSeq: 36893488147419103232 "), Fate::Answer(400)),
        ("scalar02 hops", swap("Max-Forwards: 70", "Max-Forwards: 300"), Fate::Answer(400)),
        // No duty to refuse: the number is taken as the largest.
        ("scalar02 expires", options("Expires: 10000000000000000000000000\n"), Fate::Valid),
        ("scalarlg", "SIP/2.0 4294967301 better not break the receiver\nVia: SIP/2.0/UDP h;branch=z9\n\n".to_owned(), Fate::Drop),
        ("quotbal", swap("To: <sip:b@example.com>", "To: \"Mr. J. User <sip:j.user@example.com>"), Fate::Answer(400)),
        ("ltgtruri", request("INVITE <sip:user@example.com> SIP/2.0", ""), Fate::Answer(400)),
        ("lwsruri", request("INVITE sip:user@example.com; lr SIP/2.0", ""), Fate::Malformed),
        ("lwsstart", request("INVITE  sip:user@example.com  SIP/2.0", ""), Fate::Malformed),
        ("trws", request("OPTIONS sip:remote-target@example.com SIP/2.0  ", ""), Fate::Malformed),
        ("escruri", request("INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0", ""), Fate::Answer(400)),
        // A Date we do not look at cannot hurt us.
        ("baddate", options("Date: Fri, 01 Jan 2010 16:00:00 EST\n"), Fate::Valid),
        ("regbadct", request("REGISTER sip:example.com SIP/2.0", "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E\n"), Fate::Answer(400)),
        // White space inside the brackets is harmless and mended.
        ("badaspec", swap("To: <sip:b@example.com>", "To: \"Watson, Thomas\" < sip:t.watson@example.org >"), Fate::Valid),
        // The RFC allows to be lenient: without brackets a comma could only be a list, and From is none.
        ("baddn", swap("From: <", "From: Bell, Alexander <"), Fate::Valid),
        ("badvers", request("OPTIONS sip:t.watson@example.org SIP/7.0", ""), Fate::Answer(505)),
        ("mismatch01", swap("CSeq: 9 OPTIONS", "CSeq: 8 INVITE"), Fate::Answer(400)),
        ("mismatch02", request("NEWMETHOD sip:user@example.com SIP/2.0", "").replace("9 NEWMETHOD", "9 INVITE"), Fate::Answer(400)),
        ("bigcode", "SIP/2.0 4294967301 x\n\n".to_owned(), Fate::Drop),
        // §3.3.
        ("insuf", "INVITE sip:user@example.com SIP/2.0\nCSeq: 193942 INVITE\nVia: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\nContent-Length: 0\n\n".to_owned(), Fate::Answer(400)),
        ("unkscm", request("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", ""), Fate::Answer(416)),
        ("novelsc", request("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", ""), Fate::Answer(416)),
        // The unknown scheme stands in From and To only: no reason to refuse.
        ("unksm2", swap("To: <sip:b@example.com>", "To: isbn:2983792873"), Fate::Valid),
        ("multi01", options("CSeq: 59 OPTIONS\nCall-ID: second\n"), Fate::Answer(400)),
        ("mcl01", options("Content-Length: 4\nContent-Length: 1\n") + "v=0\n", Fate::Answer(400)),
        ("lwsname", options("X Y: two words are no name\n"), Fate::Malformed),
        ("no colon", options("just text\n"), Fate::Malformed),
        ("fold first", swap("SIP/2.0\nVia", "SIP/2.0\n folded: x\nVia"), Fate::Malformed),
        // RFC 5118 §4.2: without brackets the colons are ambiguous.
        ("ipv6-bad", request("REGISTER sip:2001:db8::10 SIP/2.0", ""), Fate::Answer(400)),
    ];
    for (name, message, expected) in table {
        assert_eq!(fate(wire(&message)), expected, "{name}: {message}");
    }
}

/// An ACK or a response never gets an answer, however wrong it is (RFC 3261 §17.1.1.3, §8.1.3).
#[test]
fn malformed_acks_and_responses_get_no_answer() {
    assert_eq!(fate(wire(&request("ACK sip:b@example.com SIP/2.0", "no colon\n"))), Fate::Drop);
    let response = request("OPTIONS sip:b@example.com SIP/2.0", "no colon\n")
        .replace("OPTIONS sip:b@example.com SIP/2.0", "SIP/2.0 200 OK");
    assert_eq!(fate(wire(&response)), Fate::Drop);
}

#[test]
fn a_status_line_gives_code_and_reason() {
    let m = Message::parse(wire("SIP/2.0 486 Busy Here\nCSeq: 1 INVITE\n\n")).unwrap();
    assert_eq!(m.start(), Start::Response { code: 486, reason: b"Busy Here" });
    assert_eq!((m.is_request(), m.code(), m.method()), (false, 486, Method::Invite));
    for line in ["SIP/2.0 486", "SIP/2.0 486 "] {
        let m = Message::parse(wire(&format!("{line}\n\n"))).unwrap();
        assert_eq!(m.start(), Start::Response { code: 486, reason: b"" });
    }
    for line in ["SIP/2.0 48", "SIP/2.0 4861", "SIP/2.0 099 x", "SIP/2.0 700 x", "SIP/2.0  486 x", "HTTP/1.1 200 OK"] {
        assert_eq!(fate(wire(&format!("{line}\n\n"))), Fate::Drop, "{line}");
    }
}

#[test]
fn the_scheme_of_a_request_uri_is_known_in_any_case() {
    let m = Message::parse(wire(&request("OPTIONS SIPS:b@example.com SIP/2.0", ""))).unwrap();
    assert_eq!(m.request_uri().unwrap().scheme, Scheme::Sips);
}

const INVITE: &[u8] = b"INVITE sip:200@hatif.example SIP/2.0\r\nv: SIP/2.0/UDP h1:5062;branch=z9hG4bKa;rport, SIP/2.0/TCP h2;branch=z9hG4bKb\r\nf: \"Bell, A \\\"x\\\";<\" <sip:100@hatif.example;user=phone>;tag=ft\r\nt: <sip:200@hatif.example>\r\ni: id@h1\r\nCSeq: 4711 INVITE\r\nm: \"A, B\" <sip:1@h;a=b,c>;q=0.5, sip:2@h;expires=7 , *\r\nSubject: gr\xfc\xdfe\r\nk: 100rel,\r\n Timer\r\nl: 4\r\n\r\nbodyrest";

fn parse(bytes: &[u8]) -> Message {
    Message::parse(Bytes::copy_from_slice(bytes)).unwrap()
}

#[test]
fn compact_names_lists_folding_and_latin_1_are_read() {
    let m = parse(INVITE);
    assert_eq!(m.start(), Start::Request { method: Method::Invite, uri: b"sip:200@hatif.example" });
    let via = m.via().unwrap();
    assert_eq!((via.transport, via.host, via.port), (&b"UDP"[..], &b"h1"[..], Some(5062)));
    assert_eq!((via.rport(), via.received(), m.branch()), (Some(None), None, Some(&b"z9hG4bKa"[..])));
    assert_eq!(m.list(HeaderName::Via).count(), 2);
    assert_eq!(m.from().unwrap().display_text().as_deref(), Some("Bell, A \"x\";<"));
    assert_eq!((m.from_tag(), m.to_tag(), m.call_id()), (Some(&b"ft"[..]), None, Some(&b"id@h1"[..])));
    let contacts: Vec<_> = m.contacts().map(|c| c.map(|c| c.uri)).collect();
    assert_eq!(contacts, [Some(&b"sip:1@h;a=b,c"[..]), Some(b"sip:2@h"), None]);
    assert_eq!(m.header(HeaderName::Subject), Some(&b"gr\xfc\xdfe"[..]));
    assert_eq!(text(m.header(HeaderName::Subject).unwrap()), "grüße");
    assert!(m.lists(HeaderName::Supported, "timer") && m.lists(HeaderName::Supported, "100REL"));
    assert_eq!(m.body(), &b"body"[..]);
}

#[test]
fn the_body_without_content_length_is_the_rest_of_the_datagram() {
    let bytes: Vec<u8> = INVITE.to_vec();
    let text = String::from_utf8_lossy(&bytes).replace("l: 4\r\n", "");
    assert_eq!(parse(text.as_bytes()).body(), &b"bodyrest"[..]);
}

#[test]
fn line_ends_before_a_message_are_skipped_and_alone_are_no_message() {
    assert_eq!(parse(&[b"\r\n\r\n", INVITE].concat()).cseq().unwrap().number, 4711);
    let error = |bytes: &'static [u8]| Message::parse(Bytes::from_static(bytes)).unwrap_err().error;
    assert_eq!(error(b"\r\n\r\n"), ParseError::Empty);
    assert_eq!(error(b""), ParseError::Empty);
    assert_eq!(error(b"OPTIONS sip:a SIP/2.0\r\nVia: x\r\n"), ParseError::Unterminated);
}

#[test]
fn lines_may_end_with_a_line_feed_alone() {
    let m = parse(b"OPTIONS sip:a@b SIP/2.0\nCall-ID: x\nContent-Length: 2\n\nab");
    assert_eq!((m.call_id(), m.body()), (Some(&b"x"[..]), Bytes::from_static(b"ab")));
}

#[test]
fn limits_hold_and_the_largest_message_is_read() {
    let head = b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: x\r\n\r\n".to_vec();
    let mut largest = head.clone();
    largest.resize(MESSAGE_BYTES_MAX, b'x');
    assert_eq!(parse(&largest).body().len(), MESSAGE_BYTES_MAX - head.len());
    largest.push(b'x');
    let error = Message::parse(Bytes::from(largest)).unwrap_err().error;
    assert_eq!(error, ParseError::TooLarge(MESSAGE_BYTES_MAX + 1));
    let many = |n: usize| format!("OPTIONS sip:a@b SIP/2.0\r\n{}\r\n", "X: y\r\n".repeat(n));
    assert_eq!(parse(many(HEADERS_MAX).as_bytes()).all_headers().count(), HEADERS_MAX);
    let error = Message::parse(Bytes::from(many(HEADERS_MAX + 1))).unwrap_err().error;
    assert_eq!(error, ParseError::TooManyHeaders);
}

#[test]
fn a_star_contact_is_one_only_alone() {
    let with = |contact: &str| parse(format!("REGISTER sip:a SIP/2.0\r\n{contact}\r\n").as_bytes()).contact_is_star();
    assert!(with("Contact: *\r\n"));
    assert!(!with("Contact: *\r\nContact: <sip:a@b>\r\n"));
    assert!(!with("Contact: <sip:a@b>\r\n"));
    assert!(!with(""));
}

#[test]
fn a_line_feed_is_found_at_every_place() {
    for length in 0..40 {
        for at in 0..length {
            for from in 0..length {
                let mut bytes = vec![0x0b; length];
                bytes[at] = b'\n';
                assert_eq!(find_newline(&bytes, from), (at >= from).then_some(at), "{length} {at} {from}");
            }
        }
    }
    assert_eq!(find_newline(b"abc", 4), None);
}

/// Calls everything there is on a message.
fn touch(m: &Message) {
    let _ = (m.start(), m.method(), m.code(), m.is_request(), m.request_uri(), m.body(), m.answerable(), validate(m));
    let _ = (m.via().map(|v| (v.branch(), v.received(), v.rport(), v.port)), m.max_forwards(), m.expires());
    let _ = (m.from_tag(), m.to_tag(), m.call_id(), m.cseq(), m.retry_after(), m.content_type(), m.contact_is_star());
    for address in m.contacts().flatten().chain(m.from()).chain(m.to()) {
        let uri = address.uri();
        let _ = (address.display_text(), uri.map(|u| (u.user_text(), u.ip(), u.equivalent(&u))));
        let mut out = Vec::new();
        uri.iter().for_each(|u| u.write(&mut out));
    }
    for (_, name, value) in m.all_headers() {
        let _ = (Via::parse(value), NameAddr::parse(value), CSeq::parse(value), Params(value).iter().count());
        let _ = (split_outside(value, b',').count(), unquote(value), Uri::parse(value));
        let _ = Authorization::parse(value);
        let _ = Challenge::parse(value);
        let _ = m.header_named(&String::from_utf8_lossy(name));
    }
    let source = std::net::SocketAddr::from(([192, 0, 2, 1], 5060));
    let _ = response_to(m, 400, None, Some("tag"), source).finish();
}

fn survive(bytes: Vec<u8>) {
    match Message::parse(Bytes::from(bytes)) {
        Ok(m) => touch(&m),
        Err(Malformed { message: Some(m), .. }) => touch(&m),
        Err(Malformed { message: None, .. }) => {}
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        survive([b"A b SIP/2.0\r\n", &bytes[..], b"\r\n\r\n"].concat());
        survive(bytes);
    }

    #[test]
    fn no_mutation_of_a_message_makes_the_reader_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&b"\r\n \t\"\\<>;:,=/@[]%?*\0\xff9a"[..]), 0..3u8), 1..12)
    ) {
        let mut bytes = INVITE.to_vec();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        survive(bytes);
    }
}
