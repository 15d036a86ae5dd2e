//! SDP: what a phone says about its audio, and what we say back.
//!
//! RFC 8866 is the text, RFC 3264 the offer/answer rules, RFC 3551 the static payload types, RFC 4733 the
//! telephone events, RFC 3389 comfort noise, RFC 7587 Opus, RFC 3605 the `a=rtcp` port, RFC 4568 the keys of [`crypto`].
//! One audio stream is negotiated; every other stream of an offer is answered with port 0. Nothing here knows of calls, ports in use or sockets.

pub mod crypto;
mod formats;
mod negotiate;
mod parse;
mod secure;
#[cfg(test)]
mod secure_tests;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

pub use formats::{COMFORT_NOISE_PAYLOAD, Formats};
pub use negotiate::{accept, answer, offer};
pub use parse::{Line, Media, Sdp};
pub use secure::{Dtls, ENCRYPTION_REQUIRED, Ice, Own, OwnDtls, OwnKeys, Role, Security, Srtp, wants_dtls};

/// An audio codec that can be agreed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Codec {
    /// G.711 µ-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
    /// G.722, static payload type 9; its RTP clock is 8,000 (RFC 3551 §4.5.2).
    G722,
    /// Opus (RFC 7587): `opus/48000/2`, a dynamic payload type.
    Opus,
    /// G.729, static payload type 18; only passed on from one side to the other.
    G729,
}

impl Codec {
    /// The encoding name of `a=rtpmap` (RFC 3551 §6); read without regard to case.
    pub fn encoding(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
            Self::G729 => "G729",
        }
    }

    /// The payload type in our own offers: the static one (RFC 3551 table 4), else 111 as browsers do.
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Opus => 111,
            Self::G729 => 18,
        }
    }

    /// Ticks a second of its RTP timestamps.
    pub fn clock_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 | Self::G729 => 8_000,
            Self::Opus => 48_000,
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
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Local {
    /// Where we want RTP; it stands in `o=` and `c=`.
    pub address: IpAddr,
    /// Our RTP port; RTCP is the next one above.
    pub port: u16,
    /// `sess-id` of `o=`: constant for a dialog.
    pub session: u64,
    /// `sess-version` of `o=`: one higher each time our description changes (RFC 3264 §8).
    pub version: u64,
    /// What we have to protect media with.
    pub security: Own,
}

/// What offer and answer agree on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Negotiated {
    /// Where to send RTP, when ICE does not find it out; `None` for `0.0.0.0`, `::`, a multicast group or a host name: send nothing until
    /// the peer's own packets or a new description tell where.
    pub remote: Option<SocketAddr>,
    /// Where to send RTCP: `a=rtcp`, else the port above RTP; `None` when there is no `remote`.
    pub remote_rtcp: Option<SocketAddr>,
    /// The codec both sides use.
    pub codec: Codec,
    /// Its payload type in the packets we send.
    pub payload_type: u8,
    /// What the peer may send, by the payload types that we gave (RFC 3264 §5.1).
    pub accepts: SmallVec<[(u8, Codec); 4]>,
    /// The payload types of RFC 4733 events, when the peer understands them at the codec's clock.
    pub events: Option<Events>,
    /// Both sides may fill pauses with comfort noise by [`COMFORT_NOISE_PAYLOAD`] (RFC 3389).
    pub comfort_noise: bool,
    /// The peer wants no packets for the pauses of our Opus (RFC 7587 §6.1, `usedtx`).
    pub dtx: bool,
    /// Milliseconds of audio in a packet of ours, as the peer asks (`a=ptime`, `a=maxptime`): 10, 20, 30, 40 or 60;
    /// 20 when it does not say.
    pub ptime_ms: u8,
    /// RTCP shares the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// What protects the packets.
    pub security: Security,
    /// Which way audio flows, from our view. We do not send to a peer that is on old-style hold (`0.0.0.0`).
    pub direction: Direction,
}

/// The payload types of telephone-events (RFC 4733).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Events {
    /// In our packets.
    pub send: u8,
    /// In the peer's.
    pub receive: u8,
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
    /// No audio stream that is not switched off: answer 488.
    #[error("no audio stream in the session description")]
    NoAudio,
    /// Audio only over a transport that is not taken here, which it holds: answer 488.
    #[error("audio over {0} is not taken here")]
    NoTransport(String),
    /// The audio is protected otherwise than we can or may: answer 488.
    #[error("{0}")]
    NoSecurity(&'static str),
    /// The audio stream has no address (`c=`), neither its own nor the session's: answer 488.
    #[error("the audio stream has no connection address")]
    NoConnection,
    /// None of our codecs is in it; holds what is: answer 488.
    #[error("no codec in common, offered were: {0}")]
    NoCodec(String),
}

impl SdpError {
    /// The code of a Warning header that says so (RFC 3261 §20.43).
    pub fn warn_code(&self) -> u16 {
        match self {
            Self::NoTransport(_) => 302,
            Self::NoAudio => 304,
            Self::NoCodec(_) => 305,
            Self::TooLarge | Self::Malformed(..) | Self::NoConnection | Self::NoSecurity(_) => 399,
        }
    }
}
