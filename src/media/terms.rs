//! What SDP settled for a leg.

use smallvec::SmallVec;

use super::codec::Codec;
use super::seal::Security;

/// The payload type of comfort noise (RFC 3389 §4), at a clock of 8,000.
pub const COMFORT_NOISE: u8 = 13;

/// What SDP settled for a leg: codecs, numbers, directions.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What we send.
    pub codec: Codec,
    /// Its payload type in our packets.
    pub payload_type: u8,
    /// What the peer may send, by payload type (RFC 3264 §5.1: each side names its own numbers). It may change among
    /// them from one packet to the next.
    pub accepts: SmallVec<[(u8, Codec); 4]>,
    /// Key presses as telephone-events; `None` when they were not agreed on.
    pub events: Option<Events>,
    /// Both sides may fill pauses with comfort noise by [`COMFORT_NOISE`] (RFC 3389).
    pub comfort_noise: bool,
    /// Pauses in Opus of ours are not sent (RFC 7587 §3.1.3).
    pub dtx: bool,
    /// Milliseconds of audio in a packet that we make: 10, 20, 30, 40 or 60.
    pub ptime_ms: u8,
    /// We may send.
    pub send: bool,
    /// The peer sends.
    pub receive: bool,
    /// RTCP shares the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// How packets are protected, both ways.
    pub security: Security,
}

/// The payload types of telephone-events (RFC 4733).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Events {
    /// In our packets.
    pub send: u8,
    /// In the peer's.
    pub receive: u8,
}

impl Terms {
    /// One codec both ways by one number, 20 ms, with telephone-events by `events` both ways.
    pub fn plain(codec: Codec, payload_type: u8, events: Option<u8>) -> Self {
        Self {
            codec,
            payload_type,
            accepts: SmallVec::from_slice(&[(payload_type, codec)]),
            events: events.map(|number| Events { send: number, receive: number }),
            comfort_noise: false,
            dtx: false,
            ptime_ms: 20,
            send: true,
            receive: true,
            rtcp_mux: false,
            security: Security::None,
        }
    }

    /// The codec behind a payload type of the peer: what was agreed, else the other G.711 by its static number.
    pub fn codec_of(&self, payload_type: u8) -> Option<Codec> {
        let agreed = self.accepts.iter().find(|(number, _)| *number == payload_type).map(|(_, codec)| *codec);
        agreed.or(match payload_type {
            0 => Some(Codec::Pcmu),
            8 => Some(Codec::Pcma),
            _ => None,
        })
    }
}
