//! What media is told.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::codec::Codec;
use super::dtls::Identity;

/// The `[media]` table.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// What SDP announces.
    pub address: IpAddr,
    /// What sockets are bound to.
    pub bind: IpAddr,
    /// RTP takes the even ports of it, RTCP the odd ones above them.
    pub ports: RangeInclusive<u16>,
    /// All legs of a shard share one port, in place of one each. Default: false.
    pub mux: bool,
    /// The shared port of each shard, when there is one: known when the sockets are bound. Browsers always use it.
    pub shared: Vec<u16>,
    /// Our certificate for DTLS, made when the process starts; without one browsers cannot be served.
    pub identity: Option<Identity>,
    /// Allowed codecs in our order of preference.
    pub codecs: Vec<Codec>,
    /// Media threads; default: cores / 2, at least 1.
    pub shards: usize,
    /// End a call when neither RTP nor RTCP came from a leg for so long, in seconds; 0 = never. Default 60.
    pub timeout_s: u64,
}
