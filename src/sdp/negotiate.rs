//! Offer and answer for one audio stream (RFC 3264).

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use smallvec::SmallVec;

use super::formats::{self, Format, Formats};
use super::parse::{connection, decimal, split_space};
use super::{Codec, Direction, Events, Local, Media, Negotiated, Sdp, SdpError, Security, secure};

/// Milliseconds of audio in a packet where nobody says otherwise (RFC 3551 §4.2), and what we ask for.
const PTIME_MS: u8 = 20;
/// The longest packet that means anything (RFC 3551 §4.2: receivers take up to 200 ms).
const PTIME_MS_MAX: u32 = 200;

/// Writes our offer: one audio stream with what `formats` lists, both ways, 20 ms, protected by what `local` has.
pub fn offer(local: &Local, formats: &Formats) -> Bytes {
    let mut text = head(local, "0 0");
    secure::write_session(&mut text, &local.security, None);
    let protocol = secure::offered_protocol(&local.security);
    audio(&mut text, local.port, protocol, &formats.lines(), Direction::SendRecv);
    secure::write_offer(&mut text, local);
    text.into()
}

/// Answers an offer, the first offer of a call or a later one.
///
/// `allowed` are our codecs in our order; `prefer` is what the leg speaks already, taken before them when the peer still
/// has it. The first usable audio stream is taken, all others get port 0. The answer names one codec by the peer's
/// number, telephone-events at that codec's clock (RFC 4733 §2.1) and comfort noise when he offers them. Its direction
/// is mirrored: a peer that puts us on hold (`sendonly`) gets `recvonly`.
///
/// # Errors
///
/// - [`SdpError::NoAudio`], [`SdpError::NoTransport`], [`SdpError::NoSecurity`], [`SdpError::NoConnection`],
///   [`SdpError::NoCodec`]: answer 488.
pub fn answer(
    remote_offer: &Sdp,
    local: &Local,
    allowed: &[Codec],
    prefer: Option<Codec>,
) -> Result<(Bytes, Negotiated), SdpError> {
    let (index, media, security) = usable_audio(remote_offer, |m| secure::answer(remote_offer, m, &local.security))?;
    let number_of = |wanted: Format| media.payload_types().find(|n| formats::meaning(media, *n) == Some(wanted));
    let find = |codec: Codec| number_of(Format::Sound(codec)).map(|number| (codec, number));
    let order = prefer.filter(|p| allowed.contains(p)).into_iter().chain(allowed.iter().copied());
    let (codec, number) = { order }.find_map(find).ok_or_else(|| no_codec(media))?;
    let events = number_of(Format::Events(codec.clock_hz()));
    let noise = number_of(Format::ComfortNoise).filter(|_| formats::has_comfort_noise(codec));
    let agreed = Agreed {
        codec,
        payload_type: number,
        accepts: SmallVec::from_slice(&[(number, codec)]),
        events: events.map(|number| Events { send: number, receive: number }),
        comfort_noise: noise.is_some(),
        rtcp_mux: media.attributes("rtcp-mux").next().is_some(),
        security,
    };
    let negotiated = agreed.with(remote_offer, media)?;

    let time = remote_offer.session_line(b't').map(String::from_utf8_lossy).unwrap_or("0 0".into());
    let mut text = head(local, &time);
    secure::write_session(&mut text, &local.security, Some((remote_offer, media, &negotiated.security)));
    for (at, stream) in remote_offer.media.iter().enumerate() {
        if at != index {
            refuse(&mut text, stream);
            continue;
        }
        let lines: SmallVec<[(u8, Format); 4]> = [(number, Format::Sound(codec))]
            .into_iter()
            .chain(noise.map(|number| (number, Format::ComfortNoise)))
            .chain(events.map(|number| (number, Format::Events(codec.clock_hz()))))
            .collect();
        let protocol = String::from_utf8_lossy(&media.protocol).into_owned();
        audio(&mut text, local.port, &protocol, &lines, remote_offer.direction(media).mirrored());
        if negotiated.rtcp_mux {
            text.push_str("a=rtcp-mux\r\n");
        }
        secure::write_answer(&mut text, local, media, &negotiated.security);
    }
    Ok((text.into(), negotiated))
}

/// Reads the answer to our own [`offer`] of `formats` as `local`.
///
/// We send the first codec of the answer that we offered, by the answer's number; the peer may send all of them that it
/// lists, by our numbers (RFC 3264 §6.1). A payload type of ours listed without `a=rtpmap` keeps the meaning it had in
/// the offer.
///
/// # Errors
///
/// - [`SdpError::NoAudio`], [`SdpError::NoTransport`], [`SdpError::NoSecurity`]: our stream was refused (port 0), is
///   missing or is not protected as we offered.
/// - [`SdpError::NoConnection`], [`SdpError::NoCodec`]: nothing we can use was answered.
pub fn accept(remote_answer: &Sdp, local: &Local, formats: &Formats) -> Result<Negotiated, SdpError> {
    let (_, media, security) = usable_audio(remote_answer, |m| secure::accept(remote_answer, m, &local.security))?;
    let listed = || media.payload_types().filter_map(|n| Some((n, formats.meaning(media, n)?)));
    // A codec of theirs that we offered: the number to send by, the codec, and our own number for it.
    let sounds = || {
        listed().filter_map(|(number, format)| match format {
            Format::Sound(codec) => formats.number_of(codec).map(|ours| (number, codec, ours)),
            Format::Events(_) | Format::ComfortNoise => None,
        })
    };
    let (payload_type, codec, _) = sounds().next().ok_or_else(|| no_codec(media))?;
    let mut accepts = SmallVec::new();
    for (_, codec, ours) in sounds() {
        if !accepts.contains(&(ours, codec)) {
            accepts.push((ours, codec));
        }
    }
    let clock = codec.clock_hz();
    let events = listed().find(|(_, format)| *format == Format::Events(clock)).map(|(number, _)| number);
    let events = events.zip(formats.events_at(clock)).map(|(send, receive)| Events { send, receive });
    let has_noise = formats.lines().iter().any(|(_, format)| *format == Format::ComfortNoise);
    let comfort_noise = has_noise && listed().any(|(_, format)| format == Format::ComfortNoise);
    // Only the offer to a browser asks for one port.
    let rtcp_mux = local.security.dtls.is_some() && media.attributes("rtcp-mux").next().is_some();
    Agreed { codec, payload_type, accepts, events, comfort_noise, rtcp_mux, security }.with(remote_answer, media)
}

/// What is settled but for addresses and directions.
struct Agreed {
    codec: Codec,
    payload_type: u8,
    accepts: SmallVec<[(u8, Codec); 4]>,
    events: Option<Events>,
    comfort_noise: bool,
    rtcp_mux: bool,
    security: Security,
}

impl Agreed {
    /// With the rest that the peer's stream says.
    fn with(self, sdp: &Sdp, media: &Media) -> Result<Negotiated, SdpError> {
        let by_ice = matches!(self.security, Security::Dtls(_));
        // Where ICE finds the way, `c=` is a guess or nothing at all (RFC 8839 §4.3.1, RFC 8840 §4.1.3).
        let remote = if by_ice { None } else { sdp.rtp_address(media)? };
        let ours = sdp.direction(media).mirrored();
        // RFC 3264 §8.4: a peer at 0.0.0.0 takes neither RTP nor RTCP, whatever the attribute says.
        let sends = ours.sends() && (by_ice || !is_old_hold(sdp, media));
        let rtcp = |rtp: SocketAddr| if self.rtcp_mux { Some(rtp) } else { rtcp_address(media, rtp) };
        Ok(Negotiated {
            remote,
            remote_rtcp: remote.and_then(rtcp),
            ptime_ms: ptime(media, self.codec),
            codec: self.codec,
            payload_type: self.payload_type,
            accepts: self.accepts,
            events: self.events,
            comfort_noise: self.comfort_noise,
            dtx: self.codec == Codec::Opus && asks_dtx(media, self.payload_type),
            rtcp_mux: self.rtcp_mux,
            security: self.security,
            direction: Direction::new(sends, ours.receives()),
        })
    }
}

/// The first audio stream that is switched on and that `protection` can protect; the error is that of the first one.
fn usable_audio(
    sdp: &Sdp,
    protection: impl Fn(&Media) -> Result<Security, SdpError>,
) -> Result<(usize, &Media, Security), SdpError> {
    let mut fault = None;
    for (at, media) in sdp.media.iter().enumerate().filter(|(_, m)| m.kind == b"audio" && m.port != 0) {
        match protection(media) {
            Ok(security) => return Ok((at, media, security)),
            Err(error) => _ = fault.get_or_insert(error),
        }
    }
    Err(fault.unwrap_or(SdpError::NoAudio))
}

fn no_codec(media: &Media) -> SdpError {
    SdpError::NoCodec(formats::names(media))
}

/// What we put into a packet: the length nearest to what the peer asks for that the codec can make, within his most
/// (RFC 8866 §6.4, §6.5); 20 ms when he does not say.
fn ptime(media: &Media, codec: Codec) -> u8 {
    // Some write "20.0".
    let number = |value: &[u8]| decimal::<u32>(value.split(|b| *b == b'.').next().unwrap_or_default());
    let said = |name: &str| media.attributes(name).find_map(number).filter(|ms| (1..=PTIME_MS_MAX).contains(ms));
    let lengths: &[u8] = match codec {
        // No frame of Opus lasts 30 ms (RFC 6716 §2.1.4).
        Codec::Opus => &[10, 20, 40, 60],
        Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::G729 => &[10, 20, 30, 40, 60],
    };
    let most = said("maxptime").unwrap_or(PTIME_MS_MAX);
    let wanted = said("ptime").unwrap_or(u32::from(PTIME_MS));
    let fitting = lengths.iter().copied().filter(|ms| u32::from(*ms) <= most);
    fitting.min_by_key(|ms| u32::from(*ms).abs_diff(wanted)).unwrap_or(10)
}

/// True when the peer would rather hear nothing than the pauses of this Opus stream (RFC 7587 §6.1).
fn asks_dtx(media: &Media, number: u8) -> bool {
    let said = media.attributes("fmtp").find_map(|value| {
        let (of, parameters) = value.split_at_checked(value.iter().position(|b| *b == b' ')?)?;
        (decimal::<u8>(of) == Some(number)).then_some(parameters)
    });
    let mut parameters = said.unwrap_or_default().split(|b| *b == b';');
    parameters.any(|parameter| parameter.trim_ascii().eq_ignore_ascii_case(b"usedtx=1"))
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

fn audio(text: &mut String, port: u16, protocol: &str, formats: &[(u8, Format)], direction: Direction) {
    let _ = write!(text, "m=audio {port} {protocol}");
    for (number, _) in formats {
        let _ = write!(text, " {number}");
    }
    text.push_str("\r\n");
    for (number, format) in formats {
        formats::write_maps(text, *number, *format);
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
    // Browsers tell streams by their names (RFC 9429 §5.3.1).
    if let Some(mid) = secure::mid(stream) {
        let _ = write!(text, "a=mid:{mid}\r\n");
    }
}
