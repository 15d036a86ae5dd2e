//! Offer and answer for one G.711 audio stream (RFC 3264).

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use smallvec::SmallVec;

use super::parse::{connection, decimal, split_space};
use super::{Codec, Direction, Events, Local, Media, Negotiated, Sdp, SdpError};

/// The payload type of RFC 4733 events in our own offers.
pub const TELEPHONE_EVENT_PAYLOAD: u8 = 101;

const PTIME_MS: u32 = 20;

/// Writes our offer: one audio stream with `codecs` in this order and telephone events, both ways, 20 ms.
pub fn offer(local: &Local, codecs: &[Codec]) -> Bytes {
    let mut text = head(local, "0 0");
    let formats: Vec<u8> = codecs.iter().map(|c| c.payload_type()).chain([TELEPHONE_EVENT_PAYLOAD]).collect();
    let maps: Vec<(u8, &str)> = codecs.iter().map(|c| (c.payload_type(), c.encoding())).collect();
    audio(&mut text, local.port, "RTP/AVP", &formats, &maps, Some(TELEPHONE_EVENT_PAYLOAD), Direction::SendRecv);
    text.into()
}

/// Answers an offer, the first offer of a call or a later one.
///
/// `allowed` are our codecs in our order; `prefer` is the other leg's codec, taken when the peer has it, so
/// that nothing needs to be transcoded. The first usable audio stream is taken, all others get port 0. Its
/// direction is mirrored: a peer that puts us on hold (`sendonly`) gets `recvonly`.
///
/// # Errors
///
/// - [`SdpError::NoAudio`], [`SdpError::NoConnection`], [`SdpError::NoCodec`]: answer 488.
pub fn answer(
    remote_offer: &Sdp,
    local: &Local,
    allowed: &[Codec],
    prefer: Option<Codec>,
) -> Result<(Bytes, Negotiated), SdpError> {
    let (index, media) = usable_audio(remote_offer).ok_or(SdpError::NoAudio)?;
    let prefer = prefer.filter(|p| allowed.contains(p));
    let find = |wanted: Codec| media.payload_types().find(|n| codec_of(media, *n) == Some(wanted)).map(|n| (wanted, n));
    let (codec, payload_type) =
        prefer.into_iter().chain(allowed.iter().copied()).find_map(find).ok_or(SdpError::NoCodec)?;
    let dtmf = media.payload_types().find(|n| is_telephone_event(media, *n));
    let negotiated = negotiated(remote_offer, media, codec, payload_type, dtmf)?;

    let time = remote_offer.session_line(b't').map(String::from_utf8_lossy).unwrap_or("0 0".into());
    let mut text = head(local, &time);
    for (at, stream) in remote_offer.media.iter().enumerate() {
        if at != index {
            refuse(&mut text, stream);
            continue;
        }
        let formats: Vec<u8> = [payload_type].into_iter().chain(dtmf).collect();
        let protocol = String::from_utf8_lossy(&media.protocol).into_owned();
        let direction = remote_offer.direction(media).mirrored();
        audio(&mut text, local.port, &protocol, &formats, &[(payload_type, codec.encoding())], dtmf, direction);
    }
    Ok((text.into(), negotiated))
}

/// Reads the answer to our own [`offer`] of `offered`.
///
/// The first codec of the answer that we offered is used. A payload type of ours listed without `a=rtpmap`
/// keeps the meaning it had in the offer.
///
/// # Errors
///
/// - [`SdpError::NoAudio`]: our stream was refused (port 0) or is missing.
/// - [`SdpError::NoConnection`], [`SdpError::NoCodec`]: nothing we can use was answered.
pub fn accept(remote_answer: &Sdp, offered: &[Codec]) -> Result<Negotiated, SdpError> {
    let (_, media) = usable_audio(remote_answer).ok_or(SdpError::NoAudio)?;
    let known = |n: u8| codec_of(media, n).filter(|c| offered.contains(c)).map(|c| (c, n));
    let (codec, payload_type) = media.payload_types().find_map(known).ok_or(SdpError::NoCodec)?;
    let is_ours = |n: u8| n == TELEPHONE_EVENT_PAYLOAD && media.rtpmap(n).is_none();
    let dtmf = media.payload_types().find(|n| is_telephone_event(media, *n) || is_ours(*n));
    negotiated(remote_answer, media, codec, payload_type, dtmf)
}

/// The first audio stream that is switched on and plain RTP.
fn usable_audio(sdp: &Sdp) -> Option<(usize, &Media)> {
    sdp.media
        .iter()
        .enumerate()
        .find(|(_, m)| m.kind == b"audio" && m.port != 0 && matches!(m.protocol.as_slice(), b"RTP/AVP" | b"RTP/AVPF"))
}

/// The codec behind a payload type: what `a=rtpmap` says, else the static assignment.
fn codec_of(media: &Media, payload_type: u8) -> Option<Codec> {
    let all = [Codec::Pcmu, Codec::Pcma];
    match media.rtpmap(payload_type) {
        Some(map) => all.into_iter().find(|c| is_encoding(map, c.encoding())),
        None => all.into_iter().find(|c| c.payload_type() == payload_type),
    }
}

fn is_telephone_event(media: &Media, payload_type: u8) -> bool {
    media.rtpmap(payload_type).is_some_and(|map| is_encoding(map, "telephone-event"))
}

/// `NAME/8000` or `NAME/8000/1`, any case.
fn is_encoding(map: &[u8], name: &str) -> bool {
    let mut parts = map.split(|b| *b == b'/');
    let is_named = parts.next().is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()));
    is_named && parts.next() == Some(b"8000".as_slice()) && matches!(parts.next(), None | Some(b"1"))
}

fn negotiated(
    sdp: &Sdp,
    media: &Media,
    codec: Codec,
    payload_type: u8,
    dtmf: Option<u8>,
) -> Result<Negotiated, SdpError> {
    let remote = sdp.rtp_address(media)?;
    let ptime = media.attributes("ptime").find_map(decimal::<u32>).filter(|ms| matches!(ms, 10 | 20 | 30 | 40 | 60));
    let ours = sdp.direction(media).mirrored();
    // RFC 3264 §8.4: a peer at 0.0.0.0 takes neither RTP nor RTCP, whatever the attribute says.
    let sends = ours.sends() && !is_old_hold(sdp, media);
    Ok(Negotiated {
        remote,
        remote_rtcp: remote.and_then(|rtp| rtcp_address(media, rtp)),
        codec,
        payload_type,
        accepts: SmallVec::from_slice(&[(payload_type, codec)]),
        events: dtmf.map(|number| Events { send: number, receive: number }),
        ptime_ms: ptime.unwrap_or(PTIME_MS) as u8,
        rtcp_mux: false,
        direction: Direction::new(sends, ours.receives()),
    })
}

fn is_old_hold(sdp: &Sdp, media: &Media) -> bool {
    let own = media.lines.iter().find(|l| l.kind == b'c').map(|l| l.value.as_slice());
    let host = own.or_else(|| sdp.session_line(b'c')).and_then(|c| c.split(|b| *b == b' ').next_back());
    matches!(host, Some(b"0.0.0.0" | b"::"))
}

/// RFC 3605: `a=rtcp:PORT [IN IP4 ADDRESS]`; else the port above RTP (RFC 3550 §11).
fn rtcp_address(media: &Media, rtp: SocketAddr) -> Option<SocketAddr> {
    let Some(value) = media.attributes("rtcp").next() else {
        return rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port));
    };
    let (port, address) = split_space(value);
    let port = decimal::<u16>(port).filter(|p| *p != 0)?;
    let ip = if address.is_empty() { rtp.ip() } else { connection(address)?? };
    Some(SocketAddr::new(ip, port))
}

fn head(local: &Local, time: &str) -> String {
    let family = match local.address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    };
    let (session, version, address) = (local.session, local.version, local.address);
    format!(
        "v=0\r\no=hatif {session} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt={time}\r\n"
    )
}

fn audio(
    text: &mut String,
    port: u16,
    protocol: &str,
    formats: &[u8],
    maps: &[(u8, &str)],
    dtmf: Option<u8>,
    direction: Direction,
) {
    let _ = write!(text, "m=audio {port} {protocol}");
    for format in formats {
        let _ = write!(text, " {format}");
    }
    text.push_str("\r\n");
    for (number, encoding) in maps {
        let _ = write!(text, "a=rtpmap:{number} {encoding}/8000\r\n");
    }
    if let Some(number) = dtmf {
        let _ = write!(text, "a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-15\r\n");
    }
    let _ = write!(text, "a=ptime:{PTIME_MS}\r\na={}\r\n", direction.as_str());
}

/// A stream we do not take keeps its line, with port 0 (RFC 3264 §6).
fn refuse(text: &mut String, stream: &Media) {
    let (kind, protocol) = (String::from_utf8_lossy(&stream.kind), String::from_utf8_lossy(&stream.protocol));
    let _ = write!(text, "m={kind} 0 {protocol}");
    for format in &stream.formats {
        let _ = write!(text, " {}", String::from_utf8_lossy(format));
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &[Codec] = &[Codec::Pcma, Codec::Pcmu];

    fn local() -> Local {
        Local { address: "192.0.2.1".parse().unwrap(), port: 20_000, session: 11, version: 2 }
    }

    fn sdp(media: &str) -> Sdp {
        let text = format!("v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n{media}");
        Sdp::parse(text.as_bytes()).unwrap()
    }

    fn answered(media: &str) -> (String, Negotiated) {
        let (bytes, negotiated) = answer(&sdp(media), &local(), BOTH, None).unwrap();
        (String::from_utf8(bytes.to_vec()).unwrap(), negotiated)
    }

    #[test]
    fn our_offer_is_answered_and_both_sides_agree() {
        let bytes = offer(&local(), BOTH);
        assert_eq!(
            bytes,
            "v=0\r\no=hatif 11 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=audio 20000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
        );
        let peer = Local { address: "198.51.100.7".parse().unwrap(), port: 4000, session: 1, version: 1 };
        let (reply, theirs) = answer(&Sdp::parse(&bytes).unwrap(), &peer, &[Codec::Pcmu], None).unwrap();
        let ours = accept(&Sdp::parse(&reply).unwrap(), BOTH).unwrap();
        assert_eq!((theirs.codec, theirs.payload_type, theirs.events.map(|e| e.send)), (Codec::Pcmu, 0, Some(101)));
        assert_eq!((ours.codec, ours.payload_type, ours.events.map(|e| e.send)), (Codec::Pcmu, 0, Some(101)));
        assert_eq!(theirs.remote, Some("192.0.2.1:20000".parse().unwrap()));
        assert_eq!(ours.remote_rtcp, Some("198.51.100.7:4001".parse().unwrap()));
        assert_eq!((ours.ptime_ms, ours.direction), (20, Direction::SendRecv));
    }

    #[test]
    fn the_other_legs_codec_is_taken_before_our_own_order() {
        let both = sdp("m=audio 4000 RTP/AVP 0 8\r\n");
        let codec = |prefer| answer(&both, &local(), BOTH, prefer).unwrap().1.codec;
        assert_eq!(codec(None), Codec::Pcma);
        assert_eq!(codec(Some(Codec::Pcmu)), Codec::Pcmu);
        let only = sdp("m=audio 4000 RTP/AVP 0\r\n");
        assert_eq!(answer(&only, &local(), BOTH, Some(Codec::Pcma)).unwrap().1.codec, Codec::Pcmu);
        assert_eq!(answer(&only, &local(), &[Codec::Pcma], Some(Codec::Pcmu)), Err(SdpError::NoCodec));
    }

    #[test]
    fn dynamic_payload_types_are_mirrored_and_a_remapped_static_one_is_not_mistaken() {
        let (text, n) = answered(
            "m=audio 4000 RTP/AVP 8 97 96 98\r\na=rtpmap:8 G729/8000\r\na=rtpmap:97 pcmu/8000/1\r\n\
             a=rtpmap:98 telephone-event/48000\r\na=rtpmap:96 Telephone-Event/8000\r\n",
        );
        assert_eq!((n.codec, n.payload_type, n.events.map(|e| e.send)), (Codec::Pcmu, 97, Some(96)));
        assert!(text.contains("m=audio 20000 RTP/AVP 97 96\r\na=rtpmap:97 PCMU/8000\r\na=rtpmap:96 telephone-event"));
    }

    #[test]
    fn further_streams_keep_their_place_with_port_0() {
        let (text, n) = answered(
            "m=video 5000 RTP/AVP 31 34\r\nm=audio 4000 RTP/SAVP 0\r\nm=audio 4002 RTP/AVP 0\r\nm=audio 4004 RTP/AVP 0\r\n",
        );
        assert_eq!(n.remote, Some("198.51.100.7:4002".parse().unwrap()));
        let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("m=")).collect();
        let wanted =
            ["m=video 0 RTP/AVP 31 34", "m=audio 0 RTP/SAVP 0", "m=audio 20000 RTP/AVP 0", "m=audio 0 RTP/AVP 0"];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn hold_is_mirrored_media_level_before_session_level() {
        for (theirs, ours) in [
            ("sendrecv", Direction::SendRecv),
            ("sendonly", Direction::RecvOnly),
            ("recvonly", Direction::SendOnly),
            ("inactive", Direction::Inactive),
        ] {
            let (text, n) = answered(&format!("a=inactive\r\nm=audio 4000 RTP/AVP 0\r\na={theirs}\r\n"));
            assert_eq!(n.direction, ours);
            assert!(text.ends_with(&format!("a={}\r\n", ours.as_str())));
        }
        assert_eq!(answered("a=sendonly\r\nm=audio 4000 RTP/AVP 0\r\n").1.direction, Direction::RecvOnly);
    }

    /// RFC 3264 §8.4: the hold of RFC 2543 phones.
    #[test]
    fn nothing_is_sent_to_the_unspecified_address() {
        let (_, n) = answered("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n");
        assert_eq!((n.remote, n.remote_rtcp, n.direction), (None, None, Direction::RecvOnly));
    }

    #[test]
    fn rtcp_port_and_ptime_of_the_peer_are_read() {
        let rtcp = |line: &str| answered(&format!("m=audio 4000 RTP/AVP 0\r\n{line}")).1.remote_rtcp;
        assert_eq!(rtcp(""), Some("198.51.100.7:4001".parse().unwrap()));
        assert_eq!(rtcp("a=rtcp:5001\r\n"), Some("198.51.100.7:5001".parse().unwrap()));
        assert_eq!(rtcp("a=rtcp:5001 IN IP4 203.0.113.5\r\n"), Some("203.0.113.5:5001".parse().unwrap()));
        assert_eq!(rtcp("a=rtcp:0\r\n"), None);
        assert_eq!(answered("m=audio 4000 RTP/AVP 0\r\na=ptime:30\r\n").1.ptime_ms, 30);
        assert_eq!(answered("m=audio 4000 RTP/AVP 0\r\na=ptime:9999\r\n").1.ptime_ms, 20);
        assert_eq!(answered("m=audio 65535 RTP/AVP 0\r\n").1.remote_rtcp, None);
    }

    #[test]
    fn an_offer_without_anything_for_us_says_what_is_missing() {
        let error = |media: &str| answer(&sdp(media), &local(), BOTH, None).unwrap_err();
        assert_eq!(error(""), SdpError::NoAudio);
        assert_eq!(error("m=audio 0 RTP/AVP 0\r\n"), SdpError::NoAudio);
        assert_eq!(error("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"), SdpError::NoAudio);
        assert_eq!(error("m=audio 4000 RTP/AVP 18 101\r\na=rtpmap:101 telephone-event/8000\r\n"), SdpError::NoCodec);
        let bare = Sdp::parse(b"v=0\r\nm=audio 4000 RTP/AVP 0\r\n").unwrap();
        assert_eq!(answer(&bare, &local(), BOTH, None).unwrap_err(), SdpError::NoConnection);
    }

    #[test]
    fn an_answer_may_refuse_choose_and_forget_the_event_map() {
        assert_eq!(accept(&sdp("m=audio 0 RTP/AVP 0\r\n"), BOTH), Err(SdpError::NoAudio));
        assert_eq!(accept(&sdp("m=audio 4000 RTP/AVP 8\r\n"), &[Codec::Pcmu]), Err(SdpError::NoCodec));
        let n = accept(&sdp("m=audio 4000 RTP/AVP 0 8 101\r\n"), BOTH).unwrap();
        assert_eq!((n.codec, n.events.map(|e| e.send)), (Codec::Pcmu, Some(101)));
        assert_eq!(accept(&sdp("m=audio 4000 RTP/AVP 0\r\n"), BOTH).unwrap().events, None);
    }
}
