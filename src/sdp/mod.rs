//! SDP: what a phone says about its audio, and what we say back.
//!
//! RFC 8866 is the text, RFC 3264 the offer/answer rules, RFC 3551 the static payload types, RFC 4733 the
//! telephone events, RFC 3605 the `a=rtcp` port. Only G.711 audio is negotiated; every other stream of an
//! offer is answered with port 0. Nothing here knows of calls, ports in use or sockets.

mod negotiate;
mod parse;

use std::net::{IpAddr, SocketAddr};

pub use negotiate::{TELEPHONE_EVENT_PAYLOAD, accept, answer, offer};
pub use parse::{Line, Media, Sdp};

/// An audio codec that can be agreed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Codec {
    /// G.711 µ-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
}

impl Codec {
    /// The encoding name of `a=rtpmap` (RFC 3551 §6); read without regard to case.
    pub fn encoding(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The static payload type (RFC 3551 table 4).
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }
}

/// Which way audio flows, seen from the side that says it (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Direction {
    /// Both ways; what holds when nothing is said.
    #[default]
    SendRecv,
    /// It only sends: it has put the other side on hold.
    SendOnly,
    /// It only listens.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// From two halves.
    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// True when this side sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// True when this side wants to hear.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same streams seen from the other side: the answer of one who accepts all (RFC 3264 §6.1).
    pub fn mirrored(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// Our side of a session description.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Local {
    /// Where we want RTP; it stands in `o=` and `c=`.
    pub address: IpAddr,
    /// Our RTP port; RTCP is the next one above.
    pub port: u16,
    /// `sess-id` of `o=`: constant for a dialog.
    pub session: u64,
    /// `sess-version` of `o=`: one higher each time our description changes (RFC 3264 §8).
    pub version: u64,
}

/// What offer and answer agree on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Negotiated {
    /// Where to send RTP; `None` for `0.0.0.0`, `::`, a multicast group or a host name: send nothing until
    /// the peer's own packets or a new description tell where.
    pub remote: Option<SocketAddr>,
    /// Where to send RTCP: `a=rtcp`, else the port above RTP; `None` when there is no `remote`.
    pub remote_rtcp: Option<SocketAddr>,
    /// The codec both sides use.
    pub codec: Codec,
    /// Its payload type in the packets we send.
    pub payload_type: u8,
    /// The payload type of RFC 4733 events, when the peer understands them.
    pub dtmf_payload_type: Option<u8>,
    /// Milliseconds of audio in a packet, as the peer asks (`a=ptime`); 20 when it does not say.
    pub ptime_ms: u32,
    /// Which way audio flows, from our view. We do not send to a peer that is on old-style hold (`0.0.0.0`).
    pub direction: Direction,
}

/// Why a description cannot be used. Always the peer's doing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// Larger than 64 KiB, more than 1,024 lines or more than 64 streams.
    #[error("session description is over the limit")]
    TooLarge,
    /// A line that is not `x=value`; holds its number, from 1, and what is wrong.
    #[error("line {0} of the session description: {1}")]
    Malformed(usize, &'static str),
    /// No audio stream over plain RTP/AVP that is not switched off: answer 488.
    #[error("no plain RTP audio stream in the session description")]
    NoAudio,
    /// The audio stream has no address (`c=`), neither its own nor the session's: answer 488.
    #[error("the audio stream has no connection address")]
    NoConnection,
    /// None of our codecs is in it: answer 488.
    #[error("no codec in common")]
    NoCodec,
}
