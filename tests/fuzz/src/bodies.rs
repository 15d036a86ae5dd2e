//! What is done with any bytes, and what must hold whatever they are. One function a target; the fuzzer calls them
//! with bytes of its own, `tests/fuzz_replay.rs` with those of the corpora.
//!
//! Besides "no panic": what is written is read as the same; a stream gives the same messages however it is cut; what
//! the endpoint sends is well formed; it comes to rest when nobody calls any more.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};

use crate::media::demux::{Kind, kind};
use crate::media::ice::{Credentials, IceLite, RESPONSE_BYTES_MAX, stun_ufrag};
use crate::media::srtp::{Keys, OVERHEAD_BYTES_MAX, Profile, Receiver, Sender};
use crate::media::{rtcp, rtp, stun};
use crate::sdp::{self, Codec, Formats, Ice, Local, Own, OwnDtls, OwnKeys, Sdp, Srtp};
use crate::sip::digest::{Authorization, Challenge, Nonces, answer_challenge};
use crate::sip::header::{CSeq, HeaderName, NameAddr, Params, Via};
use crate::sip::message::{Malformed, Message, validate};
use crate::sip::stream::{Framed, Framer};
use crate::sip::uri::Uri;
use crate::sip::writer::response_to;

#[path = "endpoint.rs"]
mod play;

pub use play::endpoint;

/// One datagram.
pub fn message(data: &[u8]) {
    match Message::parse(Bytes::copy_from_slice(data)) {
        Ok(m) => read(&m),
        Err(Malformed { message: Some(m), .. }) => read(&m),
        Err(Malformed { message: None, .. }) => {}
    }
}

/// Asks a message for everything it has.
fn read(m: &Message) {
    let _ = (m.start(), m.method(), m.code(), m.request_uri(), m.body(), validate(m), m.max_forwards(), m.expires());
    let _ = (m.from_tag(), m.to_tag(), m.call_id(), m.cseq(), m.retry_after(), m.content_type(), m.contact_is_star());
    for address in m.contacts().flatten().chain(m.from()).chain(m.to()) {
        let _ = (address.display_text(), address.tag());
        uri(address.uri);
    }
    for (_, name, value) in m.all_headers() {
        let _ = (Via::parse(value), NameAddr::parse(value), CSeq::parse(value), Params(value).iter().count());
        let _ = m.header_named(&String::from_utf8_lossy(name));
    }
    let source = SocketAddr::from(([192, 0, 2, 1], 5060));
    if m.answerable() {
        let response = response_to(m, 400, None, Some("tag"), source).finish();
        let again = Message::parse(response).expect("a response of ours can be read");
        assert_eq!(again.code(), 400);
        // Line ends and NUL are never written, and quotes that do not close hide what follows them.
        let clean = m.header(HeaderName::Via).is_some_and(|via| !via.iter().any(|b| b"\r\n\0<>\"\\".contains(b)));
        assert!(!clean || again.branch() == m.branch(), "the response belongs to its request");
    }
}

/// A URI: what is written is read as the same.
pub fn uri(data: &[u8]) {
    let Some(uri) = Uri::parse(data) else { return };
    let _ = (uri.user_text(), uri.host_text(), uri.ip());
    let mut out = Vec::new();
    uri.write(&mut out);
    let again = Uri::parse(&out).expect("what was written can be read");
    assert_eq!((uri.user, uri.password, uri.host, uri.port), (again.user, again.password, again.host, again.port));
    assert!(again.equivalent(&uri), "{:?} {:?}", String::from_utf8_lossy(data), String::from_utf8_lossy(&out));
}

/// A session description: read, written, read; answered and accepted.
pub fn sdp(data: &[u8]) {
    let Ok(description) = Sdp::parse(data) else { return };
    let written = description.write();
    let again = Sdp::parse(&written).expect("what was written can be read");
    assert_eq!(again, description);
    for media in &description.media {
        let _ = (description.rtp_address(media), description.direction(media), media.payload_types().count());
        let _ = media.payload_types().filter_map(|n| media.rtpmap(n)).count();
    }
    let ice = Ice { ufrag: "ufrag".to_owned(), password: "a-password-of-22-chars".to_owned() };
    let security = Own {
        srtp: Srtp::Offer,
        keys: Some(OwnKeys::new([7; OwnKeys::BYTES])),
        dtls: Some(OwnDtls { fingerprint: "sha-256 AB".to_owned(), ice }),
    };
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let local = Local { address, port: 4_000, session: 1, version: 1, security };
    let codecs = [Codec::Opus, Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::G729];
    let accepted = sdp::accept(&description, &local, &Formats::new(&codecs, true));
    for prefer in [None, Some(Codec::Pcmu)] {
        if let Ok((text, agreed)) = sdp::answer(&description, &local, &codecs, prefer) {
            let answer = Sdp::parse(&text).expect("our answer can be read");
            assert_eq!(answer.media.len(), description.media.len(), "a stream of the answer for each of the offer");
            let again = sdp::offer(&local, &Formats::keeping(&codecs, &agreed));
            Sdp::parse(&again).expect("our next offer can be read");
        }
    }
    if let Ok(agreed) = accepted {
        assert!(matches!(agreed.ptime_ms, 10 | 20 | 30 | 40 | 60), "a length that media can make");
    }
}

/// The values of Authorization and of WWW-Authenticate.
pub fn digest(data: &[u8]) {
    let now = std::time::Instant::now();
    let method = crate::sip::header::Method::Register;
    let mut nonces = Nonces::new([7; 32]);
    if let Some(authorization) = Authorization::parse(data) {
        let _ = (authorization.user(), authorization.verify(method, "secret"));
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let fresh = nonces.fresh(now, &authorization.nonce, peer);
        let _ = nonces.check(fresh, &authorization, method, "secret");
    }
    let Some(challenge) = Challenge::parse(data) else { return };
    let answer = crate::sip::digest::Answer {
        username: "101",
        password: "secret",
        method,
        uri: "sip:hatif.test",
        cnonce: "0a4f113b",
        nc: 1,
    };
    if let Some(text) = answer_challenge(&challenge, &answer) {
        let read = Authorization::parse(text.as_bytes()).expect("our answer can be read");
        // A nonce or realm that is no UTF-8 is not written as it came.
        if data.is_ascii() {
            assert!(read.verify(method, "secret"), "our answer is right: {text}");
        }
    }
}

/// A stream: cut in two ways it gives the same.
pub fn stream(data: &[u8]) {
    let whole = frames(data.chunks(data.len().max(1)));
    let step = data.first().map_or(1, |b| usize::from(*b % 61) + 1);
    let pieces = frames(data.chunks(step));
    assert_eq!(whole, pieces, "cut every {step} bytes");
    for framed in whole.into_iter().flatten() {
        match framed {
            Framed::Message(bytes) => message(&bytes),
            Framed::Ping => {}
        }
    }
}

/// What a client sends after its handshake: cut in two ways it gives the same messages.
pub fn websocket(data: &[u8]) {
    let whole = framed(data, data.len().max(1));
    let step = data.first().map_or(1, |b| usize::from(*b % 61) + 1);
    assert_eq!(whole, framed(data, step), "cut every {step} bytes");
    for bytes in whole {
        assert!(bytes.len() <= crate::sip::stream::MESSAGE_BYTES_MAX, "{} bytes at once", bytes.len());
        message(&bytes);
    }
}

/// The messages of a WebSocket until it ends or breaks.
fn framed(data: &[u8], step: usize) -> Vec<Bytes> {
    let wire = Wire { rest: data, step };
    let mut socket = WebSocket::from_raw_socket(wire, Role::Server, Some(crate::ws_limits::limits()));
    let mut messages = Vec::new();
    // Each read takes at least a frame's head of two bytes, or is the last.
    for _ in 0..=data.len() {
        match socket.read() {
            Ok(Frame::Text(text)) => messages.push(Bytes::from(text)),
            Ok(Frame::Binary(bytes)) => messages.push(bytes),
            Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Close(_) | Frame::Frame(_)) => {}
            Err(_) => break,
        }
    }
    messages
}

/// A connection that gives a few bytes at a time and takes whatever is sent.
struct Wire<'a> {
    rest: &'a [u8],
    step: usize,
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.step.min(buffer.len()).min(self.rest.len());
        let (now, later) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.rest = later;
        Ok(length)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What comes out of a stream; `None` where it broke.
fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Option<Framed>> {
    let mut framer = Framer::new();
    let mut out = Vec::new();
    for piece in pieces {
        framer.push(piece);
        out.extend(framer.by_ref().map(Result::ok));
    }
    let _ = framer.is_partial();
    out
}

/// A datagram on a media port.
pub fn rtp(data: &[u8]) {
    if let Ok(packet) = rtp::parse(data) {
        assert!(data.get(packet.payload.clone()).is_some(), "the payload lies inside");
    }
    let _ = (rtp::is_rtcp(data), rtcp::parse(data, 0x0102_0304));
    let _ = HeaderName::from_bytes(data);
}

/// A datagram on a media port whose packets are encrypted: read as what it is, and written and read again.
pub fn srtp(data: &[u8]) {
    for profile in [Profile::AeadAes128Gcm, Profile::AesCm128HmacSha1_80] {
        // Key and salt count from 1, so that the corpus can hold packets that are authentic.
        let joined: Vec<u8> = (1..=30).take(profile.key_bytes() + profile.salt_bytes()).collect();
        let keys = Keys::from_joined(profile, &joined).expect("the profile's length");
        let mut receiver = Receiver::new(&keys);
        for again in [false, true] {
            let (mut packet, mut control) = (data.to_vec(), data.to_vec());
            let (read, read_control) = (receiver.unprotect(&mut packet), receiver.unprotect_control(&mut control));
            assert!(!again || read.is_err() && read_control.is_err(), "nothing is read twice");
            let shortest = data.len().saturating_sub(OVERHEAD_BYTES_MAX)..data.len().max(1);
            assert!(read.is_err() || read.is_ok_and(|length| shortest.contains(&length)));
            assert!(read_control.is_err() || read_control.is_ok_and(|length| shortest.contains(&length)));
        }
        let (mut sender, mut receiver) = (Sender::new(&keys), Receiver::new(&keys));
        let mut packet = [data, &[0; OVERHEAD_BYTES_MAX]].concat();
        if let Some(sealed) = sender.protect(&mut packet, data.len()) {
            let length = receiver.unprotect(&mut packet[..sealed]).expect("what was written can be read");
            assert_eq!(&packet[..length], data);
        }
        let mut control = [data, &[0; OVERHEAD_BYTES_MAX]].concat();
        if let Some(sealed) = sender.protect_control(&mut control, data.len()) {
            let length = receiver.unprotect_control(&mut control[..sealed]).expect("what was written can be read");
            assert_eq!(&control[..length], data);
        }
    }
}

/// A datagram on the port of a browser's leg, as it is and as attributes of a check that is signed for us.
pub fn demux(data: &[u8]) {
    let ufrag = stun_ufrag(data);
    assert!(ufrag.is_none() || kind(data) == Kind::Stun, "a check is STUN by its first byte");
    check(data);
    let mut signed = b"\x00\x01\0\0\x21\x12\xa4\x42transaction!\x00\x06\x00\x09hatf:peer\0\0\0".to_vec();
    signed.extend(data.chunks_exact(4).take(300).flatten());
    let length = (signed.len() + 24 - 20) as u16;
    signed[2..4].copy_from_slice(&length.to_be_bytes());
    let mut mac = Hmac::<Sha1>::new_from_slice(b"password").expect("keys have any length");
    mac.update(&signed);
    let tag = mac.finalize().into_bytes();
    signed.extend([0, 8, 0, 20]);
    signed.extend(tag);
    check(&signed);
}

/// Only a success validates a source, and whatever is answered can be read.
fn check(datagram: &[u8]) {
    let now = std::time::Instant::now();
    let source = SocketAddr::from(([192, 0, 2, 1], 4_000));
    let mut ice = IceLite::new(Credentials::new("hatf", "password"), Some("peer"));
    let mut out = [0; RESPONSE_BYTES_MAX];
    let answer = ice.handle_datagram(now, source, datagram, &mut out);
    let answer = answer.map(|length| stun::Message::parse(&out[..length]).expect("our answer can be read").kind);
    assert_eq!(ice.admits(source), answer == Some(stun::BINDING_SUCCESS));
    assert_eq!(ice.selected().is_some(), answer == Some(stun::BINDING_SUCCESS));
}
