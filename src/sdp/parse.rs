//! The text of RFC 8866, kept line by line so that what is not understood survives as it came.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::{Direction, SdpError};

/// Largest description read, in bytes.
const BYTES_MAX: usize = 64 * 1024;
/// Most lines read.
const LINES_MAX: usize = 1_024;
/// Most streams read.
const MEDIA_MAX: usize = 64;

/// One line: a letter, `=` and bytes of any character set without NUL, CR and LF.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// The letter before `=`.
    pub kind: u8,
    /// What follows it.
    pub value: Vec<u8>,
}

/// One stream: an `m=` line and what follows it up to the next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Media {
    /// `audio`, `video`, …
    pub kind: Vec<u8>,
    /// Where it wants the stream; 0 = refused or switched off.
    pub port: u16,
    /// How many ports, when it says so (`m=audio 4000/2 …`).
    pub ports: Option<u16>,
    /// The transport, e.g. `RTP/AVP`.
    pub protocol: Vec<u8>,
    /// The formats; for RTP payload types in decimal, in order of preference.
    pub formats: Vec<Vec<u8>>,
    /// Its own lines.
    pub lines: Vec<Line>,
}

/// A session description.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sdp {
    /// The lines before the first `m=`, `v=0` among them.
    pub session: Vec<Line>,
    /// The streams in their order.
    pub media: Vec<Media>,
}

impl Sdp {
    /// Reads a description.
    ///
    /// `text` is a whole body. Lines end in CRLF or LF; empty lines are skipped, order and repetition of
    /// lines are not judged, unknown letters are kept.
    ///
    /// # Errors
    ///
    /// - [`SdpError::TooLarge`]: over 64 KiB, 1,024 lines or 64 streams.
    /// - [`SdpError::Malformed`]: not `v=0` first, a line without `=`, a NUL or a lone CR, an `m=` without port,
    ///   protocol or format.
    pub fn parse(text: &[u8]) -> Result<Self, SdpError> {
        if text.len() > BYTES_MAX {
            return Err(SdpError::TooLarge);
        }
        let mut sdp = Self::default();
        for (at, raw) in text.split(|b| *b == b'\n').enumerate() {
            let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
            if raw.is_empty() {
                continue;
            }
            if at >= LINES_MAX {
                return Err(SdpError::TooLarge);
            }
            let line = read_line(raw).map_err(|why| SdpError::Malformed(at + 1, why))?;
            if sdp.session.is_empty() && (line.kind, line.value.as_slice()) != (b'v', b"0") {
                return Err(SdpError::Malformed(at + 1, "a description begins with v=0"));
            }
            if line.kind == b'm' {
                if sdp.media.len() >= MEDIA_MAX {
                    return Err(SdpError::TooLarge);
                }
                let media = read_media(&line.value).ok_or(SdpError::Malformed(at + 1, "not a stream"))?;
                sdp.media.push(media);
            } else {
                match sdp.media.last_mut() {
                    Some(media) => media.lines.push(line),
                    None => sdp.session.push(line),
                }
            }
        }
        if sdp.session.is_empty() { Err(SdpError::Malformed(1, "empty")) } else { Ok(sdp) }
    }

    /// Writes the description with CRLF line ends; reading it back gives the same value.
    pub fn write(&self) -> Bytes {
        let mut out = Vec::with_capacity(512);
        write_lines(&mut out, &self.session);
        for media in &self.media {
            out.extend_from_slice(b"m=");
            out.extend_from_slice(&media.kind);
            out.push(b' ');
            out.extend_from_slice(media.port.to_string().as_bytes());
            if let Some(ports) = media.ports {
                out.extend_from_slice(format!("/{ports}").as_bytes());
            }
            out.push(b' ');
            out.extend_from_slice(&media.protocol);
            for format in &media.formats {
                out.push(b' ');
                out.extend_from_slice(format);
            }
            out.extend_from_slice(b"\r\n");
            write_lines(&mut out, &media.lines);
        }
        out.into()
    }

    /// Where `media` wants its RTP: its own `c=` line, else the session's, with its port.
    ///
    /// The inner `None` is an address nothing may be sent to: unspecified, multicast, broadcast, a host
    /// name, or port 0.
    ///
    /// # Errors
    ///
    /// - [`SdpError::NoConnection`]: no readable `c=` line at all.
    pub fn rtp_address(&self, media: &Media) -> Result<Option<SocketAddr>, SdpError> {
        let line = find(&media.lines, b'c').or_else(|| find(&self.session, b'c')).ok_or(SdpError::NoConnection)?;
        let address = connection(line).ok_or(SdpError::NoConnection)?;
        Ok(address.filter(|_| media.port != 0).map(|ip| SocketAddr::new(ip, media.port)))
    }

    /// The direction `media` states: its own attribute, else the session's, else both ways (RFC 8866 §6.7).
    pub fn direction(&self, media: &Media) -> Direction {
        direction(&media.lines).or_else(|| direction(&self.session)).unwrap_or_default()
    }

    /// The values of the session's own attributes of this name, as [`Media::attributes`].
    pub fn attributes<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        attributes(&self.session, name)
    }

    /// The bytes of the first session line of this letter.
    pub fn session_line(&self, kind: u8) -> Option<&[u8]> {
        find(&self.session, kind)
    }
}

impl Media {
    /// The values of the attributes of this name: of `a=name:value`, or empty for `a=name`.
    pub fn attributes<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        attributes(&self.lines, name)
    }

    /// The `a=rtpmap` text of a payload type, e.g. `PCMU/8000`.
    pub fn rtpmap(&self, payload_type: u8) -> Option<&[u8]> {
        self.attributes("rtpmap").find_map(|value| {
            let (number, map) = split_space(value);
            (decimal::<u8>(number) == Some(payload_type)).then_some(map)
        })
    }

    /// The formats that are RTP payload types, in order.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.formats.iter().filter_map(|f| decimal::<u8>(f)).filter(|n| *n < 128)
    }
}

/// A decimal number without sign or blanks.
pub(super) fn decimal<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The address of a `c=` value or of the tail of `a=rtcp`; the inner `None` as for [`Sdp::rtp_address`].
pub(super) fn connection(value: &[u8]) -> Option<Option<IpAddr>> {
    let text = std::str::from_utf8(value).ok()?;
    let mut words = text.split_ascii_whitespace();
    let (net, _family, host) = (words.next()?, words.next()?, words.next()?);
    if net != "IN" {
        return None;
    }
    // A multicast address may carry a TTL and a count: 224.2.1.1/127/3.
    let host = host.split('/').next().unwrap_or(host);
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    };
    Some(host.parse::<IpAddr>().ok().filter(usable))
}

/// The bytes before and after the first blank.
pub(super) fn split_space(value: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = value.splitn(2, |b| *b == b' ');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default().trim_ascii())
}

fn read_line(raw: &[u8]) -> Result<Line, &'static str> {
    if raw.iter().any(|b| matches!(b, 0 | b'\r')) {
        return Err("a NUL or a lone CR");
    }
    match raw {
        [kind, b'=', value @ ..] if kind.is_ascii_alphabetic() => Ok(Line { kind: *kind, value: value.to_vec() }),
        _ => Err("not a letter, an equals sign and a value"),
    }
}

fn read_media(value: &[u8]) -> Option<Media> {
    let mut words = value.split(|b| *b == b' ').filter(|w| !w.is_empty());
    let (kind, port, protocol) = (words.next()?, words.next()?, words.next()?);
    let mut port_parts = port.splitn(2, |b| *b == b'/');
    let port = decimal(port_parts.next()?)?;
    let ports = match port_parts.next() {
        Some(count) => Some(decimal(count)?),
        None => None,
    };
    let formats: Vec<Vec<u8>> = words.map(<[u8]>::to_vec).collect();
    if formats.is_empty() {
        return None;
    }
    Some(Media { kind: kind.to_vec(), port, ports, protocol: protocol.to_vec(), formats, lines: Vec::new() })
}

fn write_lines(out: &mut Vec<u8>, lines: &[Line]) {
    for line in lines {
        out.extend_from_slice(&[line.kind, b'=']);
        out.extend_from_slice(&line.value);
        out.extend_from_slice(b"\r\n");
    }
}

fn find(lines: &[Line], kind: u8) -> Option<&[u8]> {
    lines.iter().find(|l| l.kind == kind).map(|l| l.value.as_slice())
}

fn attributes<'a>(lines: &'a [Line], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    lines.iter().filter(|l| l.kind == b'a').filter_map(move |l| {
        let rest = l.value.strip_prefix(name.as_bytes())?;
        match rest {
            [] => Some(rest),
            [b':', value @ ..] => Some(value),
            _ => None,
        }
    })
}

fn direction(lines: &[Line]) -> Option<Direction> {
    let all = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    lines.iter().filter(|l| l.kind == b'a').find_map(|l| all.into_iter().find(|d| d.as_str().as_bytes() == l.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PHONE: &[u8] = b"v=0\r\no=- 3 7 IN IP4 192.0.2.9\r\ns=caf\xe9\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\na=tool:x\r\n\
        m=audio 4000/2 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\nm=video 0 RTP/AVP 31\r\n";

    #[test]
    fn what_is_written_reads_back_byte_for_byte_latin_1_included() {
        let sdp = Sdp::parse(PHONE).unwrap();
        assert_eq!(sdp.write(), PHONE);
        assert_eq!(sdp.session_line(b's'), Some(b"caf\xe9".as_slice()));
        assert_eq!(sdp.media.len(), 2);
        let audio = &sdp.media[0];
        assert_eq!((audio.port, audio.ports), (4000, Some(2)));
        assert_eq!(audio.payload_types().collect::<Vec<_>>(), [0, 8, 101]);
        assert_eq!(audio.rtpmap(101), Some(b"telephone-event/8000".as_slice()));
        assert_eq!(sdp.direction(audio), Direction::SendOnly);
        assert_eq!(sdp.rtp_address(audio), Ok(Some("192.0.2.9:4000".parse().unwrap())));
    }

    #[test]
    fn bare_lf_and_blank_lines_are_tolerated() {
        let sdp =
            Sdp::parse(b"v=0\no=- 1 1 IN IP6 ::1\ns=-\n\nc=IN IP6 2001:db8::1\nt=0 0\nm=audio 9 RTP/AVP 0\n").unwrap();
        assert_eq!(sdp.rtp_address(&sdp.media[0]), Ok(Some("[2001:db8::1]:9".parse().unwrap())));
    }

    #[test]
    fn what_is_not_sdp_is_refused_with_its_line() {
        for (text, line) in [
            (b"".as_slice(), 1),
            (b"hello", 1),
            (b"m=audio 1 RTP/AVP 0\r\n", 1),
            (b"v=0\r\nnonsense\r\n", 2),
            (b"v=0\r\ns=a\0b\r\n", 2),
            (b"v=0\r\ns=a\rb\r\n", 2),
            (b"v=0\r\nm=audio 70000 RTP/AVP 0\r\n", 2),
            (b"v=0\r\nm=audio x RTP/AVP 0\r\n", 2),
            (b"v=0\r\nm=audio 1 RTP/AVP\r\n", 2),
        ] {
            assert!(matches!(Sdp::parse(text), Err(SdpError::Malformed(at, _)) if at == line), "{text:?}");
        }
        let many = [b"v=0\r\n".as_slice(), &b"m=audio 1 RTP/AVP 0\r\n".repeat(65)].concat();
        assert_eq!(Sdp::parse(&many), Err(SdpError::TooLarge));
        assert_eq!(Sdp::parse(&vec![b'a'; BYTES_MAX + 1]), Err(SdpError::TooLarge));
    }

    #[test]
    fn addresses_nobody_may_send_to_are_none() {
        for host in ["0.0.0.0", "224.2.1.1/127", "255.255.255.255", "phone.example.com"] {
            let text = format!("v=0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 {host}\r\n");
            let sdp = Sdp::parse(text.as_bytes()).unwrap();
            assert_eq!(sdp.rtp_address(&sdp.media[0]), Ok(None), "{host}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_and_what_is_read_survives(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = [b"v=0\r\nm=audio 1 RTP/AVP 0\r\n".as_slice(), &bytes].concat();
            for text in [bytes.as_slice(), &text] {
                if let Ok(sdp) = Sdp::parse(text) {
                    prop_assert_eq!(Sdp::parse(&sdp.write()), Ok(sdp));
                }
            }
        }
    }
}
