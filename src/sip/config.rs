//! What signalling is told: its addresses, users and trunks.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use super::guard::{GuardConfig, Network};
pub use super::session_timer::Intervals;

/// Calls whose messages are kept when the configuration says nothing.
pub const TRACE_CALLS: usize = 2_000;

/// Everything the endpoint needs to know; taken whole at start and at each reload.
#[derive(Clone, Debug, Default)]
pub struct SipConfig {
    /// Listeners in the order of the file; `Flow::listener` is an index into it.
    pub listeners: Vec<Listener>,
    /// Our domain: realm of challenges, host of our URIs.
    pub domain: String,
    /// Users who may register and call, with what proves it.
    pub users: HashMap<String, UserConfig>,
    /// Trunk names by source address, as far as the file writes addresses.
    pub trunks: BTreeMap<IpAddr, String>,
    /// What is done for each trunk, and how it proves itself; by trunk name.
    pub trunk_accounts: BTreeMap<String, TrunkAccount>,
    /// Trunk names by the name that the certificate of their TLS connection proves.
    pub trunk_peers: BTreeMap<String, String>,
    /// Who is known by fixed address instead of a password: agents with a `contact`.
    pub fixed: BTreeMap<SocketAddr, BTreeSet<String>>,
    /// Whose phones are looked after closely.
    pub watched: Watched,
    /// How long a session may go on without a sign of its peer (RFC 4028).
    pub session_timer: Intervals,
    /// Calls whose messages are kept to be looked at; 0 = none.
    pub trace_calls: usize,
    /// Limits on what strangers and load may do.
    pub guard: GuardConfig,
    /// Host names that somebody may be called at; they are resolved outside (RFC 3263).
    pub names: BTreeSet<Host>,
}

impl SipConfig {
    /// The listener that a request over `transport` to `remote` leaves by: the first of that transport and address
    /// family. An index into `listeners`.
    pub fn listener_for(&self, transport: Transport, remote: SocketAddr) -> Option<u16> {
        let fits = |l: &Listener| l.transport == transport && l.address.is_ipv4() == remote.is_ipv4();
        self.listeners.iter().position(fits).and_then(|index| u16::try_from(index).ok())
    }
}

/// Users whose phones have to be there: agents. Their registrations are short, and a phone that is silent over UDP is
/// asked for a sign of life.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// Who.
    pub users: HashSet<String>,
    /// Their longest registration.
    pub expires_max: Duration,
}

impl Default for Watched {
    fn default() -> Self {
        Self { users: HashSet::new(), expires_max: Duration::from_secs(120) }
    }
}

impl Watched {
    /// The longest registration in whole seconds.
    pub fn expires_max_s(&self) -> u32 {
        u32::try_from(self.expires_max.as_secs()).unwrap_or(u32::MAX)
    }
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
    /// TLS over TCP, framed alike.
    Tls,
    /// WebSocket: one frame, one message (RFC 7118).
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    /// All of them.
    pub const ALL: [Transport; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// True when what is sent arrives in order or the connection breaks: nothing is sent twice.
    pub fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => true,
        }
    }

    /// True when nobody on the way can read it.
    pub fn is_secure(self) -> bool {
        match self {
            Self::Tls | Self::Wss => true,
            Self::Udp | Self::Tcp | Self::Ws => false,
        }
    }

    /// The word of the configuration, of records and of metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The transport of this label, in any case of letters.
    pub fn of_label(label: &str) -> Option<Transport> {
        Self::ALL.into_iter().find(|transport| transport.label().eq_ignore_ascii_case(label))
    }

    /// What Via says.
    pub fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// What follows the host in a URI of ours. A WebSocket is `ws` with TLS too (RFC 7118 §5.2.2).
    pub fn uri_parameter(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
            Self::Ws | Self::Wss => ";transport=ws",
        }
    }

    /// The port where none is said (RFC 3261 §18.2.1, RFC 7118 §5.4).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// Somebody's place as the configuration says it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Host {
    /// An address with its port: nothing is looked up.
    Address(SocketAddr),
    /// A host or domain name. Its text ([`std::fmt::Display`]) is its name in the table of what is resolved.
    Name {
        /// In lower case.
        name: String,
        /// A port ends the search for services: only addresses are looked up (RFC 3263 §4.2).
        port: Option<u16>,
        /// A transport ends the search for transports.
        transport: Option<Transport>,
    },
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name { name, port, transport } => {
                f.write_str(name)?;
                if let Some(port) = port {
                    write!(f, ":{port}")?;
                }
                transport.map_or(Ok(()), |transport| write!(f, ";transport={}", transport.label()))
            }
        }
    }
}

/// One place that a host name leads to.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Target {
    /// Lower ones first; the next only when all of these fail (RFC 2782).
    pub priority: u16,
    /// Share among those of one priority; 0 = hardly ever.
    pub weight: u16,
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
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

/// What signalling does for one trunk: registers, asks for signs of life, answers challenges; and how calls from it
/// are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrunkAccount {
    /// Answers its challenges; without one they are failures.
    pub login: Option<TrunkLogin>,
    /// Right side of our address there: the first host as the file writes it.
    pub domain: String,
    /// Its hosts as the file writes them: realms that may be answered when no other is named.
    pub hosts: Vec<String>,
    /// Registers there and asks for so long.
    pub register: Option<Duration>,
    /// How often each host is asked for a sign of life (OPTIONS).
    pub options_interval: Option<Duration>,
    /// How a call proves that it comes from this trunk.
    pub inbound: TrunkProof,
}

/// A user name with its password at a trunk.
#[derive(Clone, PartialEq)]
pub struct TrunkLogin {
    /// Digest user.
    pub username: String,
    /// The password in clear, as configured; never printed.
    pub password: String,
    /// The only realm that is answered; `None`: the registrar's own, or a host of the trunk.
    pub realm: Option<String>,
}

impl std::fmt::Debug for TrunkLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrunkLogin").field("username", &self.username).finish_non_exhaustive()
    }
}

/// How a call proves that it comes from a trunk.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TrunkProof {
    /// It comes from an address of the trunk.
    #[default]
    Address,
    /// It answers our challenge with the trunk's login.
    Digest,
    /// Its connection shows a certificate with the trunk's name.
    Tls,
}
