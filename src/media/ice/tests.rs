use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::*;

const OURS: (&str, &str) = ("hatf", "a-password-of-22-chars");
const NEXT: (&str, &str) = ("next", "another-of-22-letters!");
const USE_CANDIDATE: (u16, &[u8]) = (0x0025, b"");
const CONTROLLING: (u16, &[u8]) = (0x802a, &[1; 8]);
const CONTROLLED: (u16, &[u8]) = (0x8029, &[1; 8]);
const PRIORITY: (u16, &[u8]) = (0x0024, &[0x6e, 0, 1, 0xff]);

fn ice() -> IceLite {
    IceLite::new(Credentials::new(OURS.0, OURS.1), Some("peer"))
}

fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 40_000))
}

/// A Binding request as a browser makes it, by means of its own.
pub(in crate::media) fn request(username: &str, password: &str, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = b"\x00\x01\0\0\x21\x12\xa4\x42transaction!".to_vec();
    let put = |bytes: &mut Vec<u8>, kind: u16, value: &[u8]| {
        bytes.extend(kind.to_be_bytes());
        bytes.extend((value.len() as u16).to_be_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let length = (bytes.len() - 20) as u16;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
    };
    put(&mut bytes, 0x0006, username.as_bytes());
    for (kind, value) in attributes {
        put(&mut bytes, *kind, value);
    }
    let covered = bytes.len();
    put(&mut bytes, 0x0008, &[0; 20]);
    let mut mac = Hmac::<Sha1>::new_from_slice(password.as_bytes()).unwrap();
    mac.update(&bytes[..covered]);
    bytes[covered + 4..].copy_from_slice(&mac.finalize().into_bytes());
    let covered = bytes.len();
    put(&mut bytes, 0x8028, &[0; 4]);
    let crc = crc32fast::hash(&bytes[..covered]) ^ 0x5354_554e;
    bytes[covered + 4..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn check(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    request("hatf:peer", OURS.1, attributes)
}

/// The answer's kind and its bytes after the header.
fn handle(ice: &mut IceLite, now: Instant, source: SocketAddr, datagram: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut out = [0; RESPONSE_BYTES_MAX];
    let length = ice.handle_datagram(now, source, datagram, &mut out)?;
    let answer = Message::parse(&out[..length]).expect("our answer can be read");
    assert_eq!(answer.transaction, *b"transaction!");
    Some((answer.kind, out[20..length].to_vec()))
}

/// RFC 8445 §7.3.1: a good check is answered with the address seen, and its source may speak from then on.
#[test]
fn a_signed_check_validates_its_source() {
    let (mut ice, now) = (ice(), Instant::now());
    assert!(!ice.admits(at(1)));
    let (kind, body) = handle(&mut ice, now, at(1), &check(&[CONTROLLING, PRIORITY])).unwrap();
    assert_eq!(kind, stun::BINDING_SUCCESS);
    assert_eq!(body[..12], [0, 0x20, 0, 8, 0, 1, 0xbd, 0x52, 0xe1, 0x12, 0xa6, 0x43]);
    assert!(ice.admits(at(1)) && !ice.admits(at(2)));
    assert_eq!(ice.counts(), Counts { checks: 1, malformed: 0, refused: 0, strangers: 2 });
}

#[test]
fn media_goes_to_the_first_source_until_one_is_nominated_then_to_the_last_nominated() {
    let (mut ice, now) = (ice(), Instant::now());
    assert_eq!(ice.selected(), None);
    handle(&mut ice, now, at(1), &check(&[CONTROLLING]));
    handle(&mut ice, now, at(2), &check(&[CONTROLLING]));
    assert_eq!(ice.selected(), Some(at(1)));
    handle(&mut ice, now, at(2), &check(&[CONTROLLING, USE_CANDIDATE]));
    assert_eq!(ice.selected(), Some(at(2)));
    handle(&mut ice, now, at(1), &check(&[CONTROLLING, USE_CANDIDATE]));
    handle(&mut ice, now, at(2), &check(&[CONTROLLING]));
    assert_eq!(ice.selected(), Some(at(1)));
}

/// Silence, not 400 or 401: see the module's page.
#[test]
fn requests_that_are_not_signed_for_us_get_no_answer() {
    let (mut ice, now) = (ice(), Instant::now());
    for (what, bytes) in [
        ("another password", request("hatf:peer", NEXT.1, &[CONTROLLING])),
        ("another name", request("fatf:peer", OURS.1, &[CONTROLLING])),
        ("a longer name", request("hatfx:peer", OURS.1, &[CONTROLLING])),
        ("another peer", request("hatf:poor", OURS.1, &[CONTROLLING])),
        ("half a name", request("hatf", OURS.1, &[CONTROLLING])),
    ] {
        assert_eq!(handle(&mut ice, now, at(1), &bytes), None, "{what}");
    }
    // No integrity at all: the fingerprint is right, USERNAME too.
    let mut unsigned = check(&[]);
    unsigned.truncate(20 + 4 + 12);
    unsigned[3] = 16;
    assert_eq!(handle(&mut ice, now, at(1), &unsigned), None);
    assert!(!ice.admits(at(1)));
    assert_eq!(ice.counts().refused, 6);
}

/// When we offered, the peer may check before its answer tells its name (RFC 8445 §7.3).
#[test]
fn any_name_of_the_peer_will_do_until_it_is_known() {
    let now = Instant::now();
    let mut ice = IceLite::new(Credentials::new(OURS.0, OURS.1), None);
    assert!(handle(&mut ice, now, at(1), &request("hatf:early", OURS.1, &[])).is_some());
    ice.set_theirs("peer");
    assert_eq!(handle(&mut ice, now, at(2), &request("hatf:early", OURS.1, &[])), None);
    assert!(handle(&mut ice, now, at(2), &check(&[])).is_some());
}

/// RFC 8445 §7.3.1.1: two that would be led. We stay, the sender must change.
#[test]
fn a_peer_that_would_be_led_is_told_of_the_conflict() {
    let (mut ice, now) = (ice(), Instant::now());
    let (kind, body) = handle(&mut ice, now, at(1), &check(&[CONTROLLED, USE_CANDIDATE])).unwrap();
    assert_eq!((kind, &body[4..8]), (stun::BINDING_ERROR, &[0, 0, 4, 87][..]));
    assert!(!ice.admits(at(1)));
    assert_eq!(ice.selected(), None);
}

/// RFC 8489 §6.3.1: 420 and the names of what we would have to know; optional ones are no matter.
#[test]
fn unknown_required_attributes_are_refused_by_name() {
    let (mut ice, now) = (ice(), Instant::now());
    let (kind, body) = handle(&mut ice, now, at(1), &check(&[(0x7abc, b"x"), CONTROLLING])).unwrap();
    assert_eq!((kind, &body[4..8]), (stun::BINDING_ERROR, &[0, 0, 4, 20][..]));
    assert_eq!(body[28..36], [0, 0x0a, 0, 2, 0x7a, 0xbc, 0, 0]);
    assert!(!ice.admits(at(1)));
    assert_eq!(handle(&mut ice, now, at(1), &check(&[(0xc057, &[0; 4])])).unwrap().0, stun::BINDING_SUCCESS);
}

/// RFC 7675 §5.1: consent lasts for 30 s from the last check; indications do not renew it.
#[test]
fn a_source_that_makes_no_checks_loses_its_consent() {
    let (mut ice, start) = (ice(), Instant::now());
    assert_eq!(ice.poll_timeout(), None);
    handle(&mut ice, start, at(1), &check(&[USE_CANDIDATE]));
    let later = start + Duration::from_secs(10);
    handle(&mut ice, later, at(2), &check(&[]));
    let mut indication = check(&[]);
    indication[1] = 0x11;
    indication.truncate(20);
    indication[2..4].copy_from_slice(&[0, 0]);
    handle(&mut ice, later, at(1), &indication);

    assert_eq!(ice.poll_timeout(), Some(start + CONSENT));
    assert!(!ice.handle_timeout(start + CONSENT - Duration::from_millis(1)));
    assert_eq!(ice.selected(), Some(at(1)));
    assert!(!ice.handle_timeout(start + CONSENT));
    assert_eq!((ice.selected(), ice.admits(at(1))), (Some(at(2)), false));
    assert_eq!(ice.poll_timeout(), Some(later + CONSENT));
    assert!(ice.handle_timeout(later + CONSENT));
    assert_eq!((ice.selected(), ice.poll_timeout()), (None, None));
    assert!(!ice.handle_timeout(later + CONSENT * 2));
}

/// RFC 8445 §9: the old names hold until the new ones are used, the old path until another is nominated.
#[test]
fn a_restart_changes_names_and_then_the_path() {
    let (mut ice, now) = (ice(), Instant::now());
    handle(&mut ice, now, at(1), &check(&[USE_CANDIDATE]));
    ice.restart(Credentials::new(NEXT.0, NEXT.1), Some("peer2"));
    assert!(handle(&mut ice, now, at(1), &check(&[USE_CANDIDATE])).is_some());

    assert!(handle(&mut ice, now, at(2), &request("next:peer2", NEXT.1, &[])).is_some());
    assert_eq!(ice.selected(), Some(at(1)));
    assert_eq!(handle(&mut ice, now, at(1), &check(&[])), None);
    assert!(ice.admits(at(1)) && ice.admits(at(2)));
    handle(&mut ice, now, at(2), &request("next:peer2", NEXT.1, &[USE_CANDIDATE]));
    assert_eq!(ice.selected(), Some(at(2)));
    // Mixed names are nobody's.
    assert_eq!(handle(&mut ice, now, at(3), &request("next:peer", NEXT.1, &[])), None);
    assert_eq!(handle(&mut ice, now, at(3), &request("hatf:peer2", OURS.1, &[])), None);
}

#[test]
fn sources_are_limited_and_the_selected_one_stays() {
    let (mut ice, start) = (ice(), Instant::now());
    handle(&mut ice, start, at(0), &check(&[USE_CANDIDATE]));
    for n in 1..=40 {
        handle(&mut ice, start + Duration::from_millis(u64::from(n)), at(n), &check(&[]));
    }
    assert_eq!(ice.selected(), Some(at(0)));
    let admitted: Vec<u8> = (0..=40).filter(|n| ice.admits(at(*n))).collect();
    assert_eq!(admitted, [0, 34, 35, 36, 37, 38, 39, 40]);
}

#[test]
fn what_is_no_request_is_counted_and_dropped() {
    let (mut ice, now) = (ice(), Instant::now());
    let mut response = check(&[]);
    response[0] = 1;
    response.truncate(20);
    response[2..4].copy_from_slice(&[0, 0]);
    for bytes in [&b""[..], &[0, 1], &[0; 20], &response] {
        assert_eq!(handle(&mut ice, now, at(1), bytes), None);
    }
    assert_eq!(ice.counts(), Counts { malformed: 4, ..Counts::default() });
}

#[test]
fn a_check_tells_its_leg() {
    assert_eq!(stun_ufrag(&check(&[])), Some(&b"hatf"[..]));
    assert_eq!(stun_ufrag(&request("alone", OURS.1, &[])), Some(&b"alone"[..]));
    let mut success = check(&[]);
    success[0] = 1;
    assert_eq!(stun_ufrag(&success), None);
    assert_eq!(stun_ufrag(b"\0\x01"), None);
}
