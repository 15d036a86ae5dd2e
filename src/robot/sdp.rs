//! The little of SDP that a phone with one audio stream needs (RFC 8866, RFC 3264).

use std::net::{IpAddr, SocketAddr};

use super::audio::Codec;
use super::ua::Options;

/// The payload type this phone offers for telephone events (RFC 4733).
const EVENTS: u8 = 101;

/// Which way media flows, from the writer's view.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// What the other side of an offer says (RFC 3264 §6.1).
    pub(super) fn mirrored(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::SendRecv | Self::Inactive => self,
        }
    }

    /// Whether the writer of this direction sends.
    pub(super) fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }
}

/// The audio stream of a received body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Remote {
    /// Where it wants RTP; `None` for port 0 or the address 0.0.0.0.
    pub(super) address: Option<SocketAddr>,
    /// G.711 variants it takes, in its order.
    pub(super) codecs: Vec<Codec>,
    /// Its payload type for telephone events.
    pub(super) events: Option<u8>,
    /// As it wrote it.
    pub(super) direction: Direction,
}

impl Remote {
    /// Reads the first audio stream; `None` when there is none.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(body);
        let (mut session, mut stream, mut port, mut formats) = (None, None, None, Vec::new());
        let (mut maps, mut direction, mut session_direction) = (Vec::new(), None, Direction::SendRecv);
        let (mut in_audio, mut in_session) = (false, true);
        for line in text.lines() {
            let Some((kind, value)) = line.trim_end().split_once('=') else { continue };
            match kind {
                "m" => {
                    in_session = false;
                    let mut words = value.split(' ');
                    in_audio = port.is_none() && words.next() == Some("audio");
                    if in_audio {
                        port = words.next().and_then(|p| p.parse::<u16>().ok());
                        formats = words.skip(1).filter_map(|f| f.parse::<u8>().ok()).collect();
                    }
                }
                "c" => {
                    let address = value.rsplit(' ').next().and_then(|a| a.parse::<IpAddr>().ok());
                    if in_session {
                        session = address;
                    } else if in_audio {
                        stream = address;
                    }
                }
                "a" if in_audio || in_session => {
                    let way = match value {
                        "sendrecv" => Some(Direction::SendRecv),
                        "sendonly" => Some(Direction::SendOnly),
                        "recvonly" => Some(Direction::RecvOnly),
                        "inactive" => Some(Direction::Inactive),
                        _ => None,
                    };
                    match (way, in_session) {
                        (Some(way), true) => session_direction = way,
                        (Some(way), false) => direction = Some(way),
                        (None, _) => maps.extend(value.strip_prefix("rtpmap:").and_then(|m| {
                            let (number, name) = m.split_once(' ')?;
                            Some((number.parse::<u8>().ok()?, name.to_ascii_uppercase()))
                        })),
                    }
                }
                _ => {}
            }
        }
        let port = port?;
        let known = |wanted: &str| {
            maps.iter().find(|(n, name)| name.starts_with(wanted) && formats.contains(n)).map(|(n, _)| *n)
        };
        let codecs = formats
            .iter()
            .filter_map(|format| match format {
                0 => Some(Codec::Pcmu),
                8 => Some(Codec::Pcma),
                _ => None,
            })
            .collect();
        let address = stream.or(session).filter(|a| port != 0 && !a.is_unspecified());
        Some(Self {
            address: address.map(|a| SocketAddr::new(a, port)),
            codecs,
            events: known("TELEPHONE-EVENT/8000"),
            direction: direction.unwrap_or(session_direction),
        })
    }
}

/// Writes an offer or an answer with one audio stream.
pub(super) fn write(
    local: SocketAddr,
    session: u64,
    version: u64,
    codecs: &[Codec],
    events: Option<u8>,
    direction: Direction,
) -> Vec<u8> {
    let family = if local.is_ipv4() { "IP4" } else { "IP6" };
    let (ip, port) = (local.ip(), local.port());
    let mut formats: Vec<String> = codecs.iter().map(|c| c.payload_type().to_string()).collect();
    let mut maps: String =
        codecs.iter().map(|c| format!("a=rtpmap:{} {}/8000\r\n", c.payload_type(), c.name())).collect();
    if let Some(events) = events {
        formats.push(events.to_string());
        maps += &format!("a=rtpmap:{events} telephone-event/8000\r\na=fmtp:{events} 0-15\r\n");
    }
    format!(
        "v=0\r\no=robot {session} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {}\r\n{maps}a=ptime:20\r\na={}\r\n",
        formats.join(" "),
        direction.name()
    )
    .into_bytes()
}

/// Writes an offer: all codecs of `options` and telephone events.
pub(super) fn offer(local: SocketAddr, session: u64, version: u64, options: &Options, direction: Direction) -> Vec<u8> {
    write(local, session, version, &options.codecs, options.events.then_some(EVENTS), direction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_reads_back_and_hold_is_mirrored() {
        let local = "127.0.0.1:4000".parse().expect("address");
        let mut options = Options::new(local, "robot");
        options.codecs = vec![Codec::Pcma, Codec::Pcmu];
        let bytes = offer(local, 5, 1, &options, Direction::SendOnly);
        let read = Remote::parse(&bytes).expect("audio");
        assert_eq!(read.address, Some(local));
        assert_eq!((read.codecs, read.events), (vec![Codec::Pcma, Codec::Pcmu], Some(101)));
        assert_eq!(read.direction.mirrored(), Direction::RecvOnly);
        let refused = Remote::parse(b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 0 RTP/AVP 0\r\n").expect("audio");
        assert_eq!(refused.address, None);
        assert_eq!(Remote::parse(b"v=0\r\nm=video 9 RTP/AVP 31\r\n"), None);
    }
}
