//! What signalling is told: its addresses, users and trunks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

pub use super::guard::{GuardConfig, Network};

/// Everything the endpoint needs to know; taken whole at start and at each reload.
#[derive(Clone, Debug, Default)]
pub struct SipConfig {
    /// Listeners in the order of the file; `Flow::listener` is an index into it.
    pub listeners: Vec<Listener>,
    /// Our domain: realm of challenges, host of our URIs.
    pub domain: String,
    /// Users who may register and call, with what proves it.
    pub users: BTreeMap<String, UserConfig>,
    /// Trunk names by source address.
    pub trunks: BTreeMap<IpAddr, String>,
    /// Who is known by fixed address instead of a password: agents with a `contact`.
    pub fixed: BTreeMap<SocketAddr, BTreeSet<String>>,
    /// Limits on what strangers and load may do.
    pub guard: GuardConfig,
}

/// One `[sip] listen` entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// How.
    pub transport: Transport,
    /// The bound address; the real port when the file said 0.
    pub address: SocketAddr,
    /// Host (and port of `address`) that Via and Contact say; `None` = the bound address.
    pub advertised: Option<String>,
}

/// How messages travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Transport {
    /// Datagrams; retransmission is ours.
    Udp,
    /// A stream; framed by Content-Length (RFC 3261 §18.3).
    Tcp,
}

/// One user's secret.
#[derive(Clone, PartialEq)]
pub struct UserConfig {
    /// The password in clear, as configured; never printed.
    pub password: String,
}

impl std::fmt::Debug for UserConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserConfig(…)")
    }
}
