//! What call routing is told: numbers, trunks, supervisors, the centre.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::id::{AgentId, QueueName};
use crate::media::codec::Codec;
pub use crate::sdp::Srtp;
use crate::sip::config::{Host, Transport};

use super::number::Numbering;

/// Everything routing needs to know; taken whole at start and at each reload.
#[derive(Clone, Debug, Default)]
pub struct CallConfig {
    /// Languages; the first is the default.
    pub languages: Vec<String>,
    /// `[[number]]` in the order of the file; the first match wins.
    pub numbers: Vec<NumberConfig>,
    /// Trunks by name.
    pub trunks: BTreeMap<String, TrunkConfig>,
    /// Supervisors by id.
    pub supervisors: BTreeMap<AgentId, SupervisorConfig>,
    /// Strangers may dial the echo and tone tests too (`serve --dev`).
    pub public_tests: bool,
    /// Recording policy by queue.
    pub recording: BTreeMap<QueueName, RecordPolicy>,
    /// Hold music by queue: files in the folder of prompts.
    pub music: BTreeMap<QueueName, String>,
    /// After how long a pause of the recording ends by itself, by queue; [`RECORD_PAUSE_MAX`] where it is not said.
    pub record_pauses: BTreeMap<QueueName, Duration>,
    /// The number that calls of a queue's agents show outside.
    pub queue_caller_ids: BTreeMap<QueueName, String>,
    /// What may go out over trunks.
    pub outbound: OutboundConfig,
    /// How agents' legs talk, where that is set.
    pub profiles: BTreeMap<AgentId, LegProfile>,
    /// How callers of queues are called back; queues that are not here call nobody back.
    pub callbacks: BTreeMap<QueueName, CallbackConfig>,
    /// The service that is asked who shall serve a queue's callers; queues that are not here ask nobody.
    pub dispatch: BTreeMap<QueueName, DispatchConfig>,
    /// The queue that takes over callers whose flow failed.
    pub fallback: Option<QueueName>,
    /// The boxes of queues that take messages.
    pub voicemail: BTreeMap<QueueName, VoicemailConfig>,
}

/// `voicemail` of a queue: its box.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VoicemailConfig {
    /// The prompt before the tone. Default `voicemail_greeting`.
    pub greeting: String,
    /// What is shorter is no message. Default 2 s.
    pub min: Duration,
    /// The longest message. Default 3 min.
    pub max: Duration,
    /// How long messages are kept. Default 30 days.
    pub keep: Duration,
}

impl Default for VoicemailConfig {
    fn default() -> Self {
        Self {
            greeting: "voicemail_greeting".to_owned(),
            min: Duration::from_secs(2),
            max: Duration::from_secs(180),
            keep: Duration::from_secs(30 * 86_400),
        }
    }
}

/// Who is asked who shall serve a caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DispatchConfig {
    /// Name of the service.
    pub service: String,
    /// Where, behind its address.
    pub path: String,
    /// How long it may take.
    pub timeout: Duration,
}

/// `callback` of a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct CallbackConfig {
    /// Who is rung first. Default: the agent.
    pub mode: CallbackMode,
    /// The way to the customer; `None` = the trunk he came by.
    pub dial: Option<DialTarget>,
    /// How often he is called at most. Default 3.
    pub tries: u32,
    /// From a try that came to nothing to the next. Default 15 min.
    pub retry_after: Duration,
    /// From the booking to when it is given up. Default one day.
    pub expires_after: Duration,
    /// How long his phone rings. Default 30 s.
    pub ring: Duration,
    /// He is called in the hours of this calendar alone; `None` = in those of the queue.
    pub calendar: Option<String>,
}

impl Default for CallbackConfig {
    fn default() -> Self {
        Self {
            mode: CallbackMode::AgentFirst,
            dial: None,
            tries: 3,
            retry_after: Duration::from_secs(900),
            expires_after: Duration::from_secs(86_400),
            ring: Duration::from_secs(30),
            calendar: None,
        }
    }
}

/// Who is rung first when somebody is called back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallbackMode {
    /// The agent: he hears that the customer's phone rings.
    AgentFirst,
    /// The customer, while the agent is reserved: who answers is helped at once.
    CustomerFirst,
}

impl CallbackMode {
    /// Both, each with its word in the configuration.
    pub const WORDS: [(&'static str, Self); 2] =
        [("agent_first", Self::AgentFirst), ("customer_first", Self::CustomerFirst)];
}

/// How the legs of one agent or trunk talk, where not as everybody's.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LegProfile {
    /// In just this order; empty = those of the centre.
    pub codecs: Vec<Codec>,
    /// Whether keys in SDP may or must protect them.
    pub srtp: Srtp,
}

/// The longest pause of a recording where no queue says otherwise.
pub const RECORD_PAUSE_MAX: Duration = Duration::from_secs(300);

/// `[outbound]`: what a stolen account or a careless flow may cost. Emergency numbers are never held back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutboundConfig {
    /// Calls of one user over trunks at once; 0 = no limit. Default 2.
    pub calls_per_user: u32,
    /// Calls that one user begins over trunks within 60 s; 0 = no limit. Default 30.
    pub calls_per_minute_per_user: u32,
    /// How long a user's call over a trunk may last from its answer on; 0 = no limit. Default 60 min.
    pub max_call: Duration,
    /// Numbers nobody may call over a trunk, as in [`NumberConfig::pattern`]. Default: premium rates, satellites.
    pub deny: Vec<String>,
    /// Whether numbers of other countries than the trunk's may be called. Default no.
    pub allow_international: bool,
    /// Numbers that may be called in spite of both, as in [`NumberConfig::pattern`].
    pub allow: Vec<String>,
}

impl Default for OutboundConfig {
    fn default() -> Self {
        Self {
            calls_per_user: 2,
            calls_per_minute_per_user: 30,
            max_call: Duration::from_secs(3_600),
            deny: PREMIUM.map(str::to_owned).into(),
            allow_international: false,
            allow: Vec::new(),
        }
    }
}

/// Premium rates at home, and the shared codes of the world: 979 premium rate, 882 and 883 networks of no country
/// (ITU-T E.164.1), where calls cost most.
const PREMIUM: [&str; 10] =
    ["0900*", "900XXXXXX*", "0700*", "+1900*", "+979*", "00979*", "+882*", "00882*", "+883*", "00883*"];

/// One `[[number]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberConfig {
    /// Digits; `X` = one digit, `*` at the end = the rest. (A `*` or `#` elsewhere stands for itself.)
    pub pattern: String,
    /// What happens.
    pub action: NumberAction,
    /// Strangers may dial it.
    pub public: bool,
    /// Who else may; empty = all trunks and users.
    pub from: Vec<Caller>,
    /// Recording for `dial`.
    pub record: RecordPolicy,
    /// Whether media passes through us, for `dial`.
    pub media: MediaPath,
    /// The number shown to who is dialled, for `dial`.
    pub caller_id: Option<String>,
}

/// What a dialled number does.
#[derive(Clone, Debug, PartialEq)]
pub enum NumberAction {
    /// Runs a flow.
    Flow(String),
    /// Answers and queues.
    Queue(QueueName),
    /// Bridges to an address; `{number}` in the user is the dialled number.
    Dial(DialTarget),
}

/// Where `dial` and `transfer` go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DialTarget {
    /// `sip:USER@ADDRESS:PORT`; the user may hold `{number}`.
    Address {
        /// User part, template.
        user: String,
        /// Where to send.
        address: SocketAddr,
    },
    /// `trunk:NAME`, or several of them: the dialled number at the first that takes the call.
    Trunks(Vec<String>),
}

impl DialTarget {
    /// How records and figures name it when `number` was dialled.
    pub fn label(&self, number: &str) -> String {
        match self {
            Self::Address { user, address } => format!("sip:{}@{address}", user.replace("{number}", number)),
            Self::Trunks(names) => format!("trunk:{}", names.join(",")),
        }
    }
}

/// An entry of `from`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Caller {
    /// `trunk:NAME`.
    Trunk(String),
    /// `agents`: any authenticated user.
    Agents,
}

/// One `[[trunk]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkConfig {
    /// Its name.
    pub name: String,
    /// Where calls go, and whose addresses calls may come from.
    pub hosts: Vec<TrunkHost>,
    /// Most calls at once, in both directions together. Default 1000.
    pub max_calls: u32,
    /// Most new calls in one second, in both directions together. Default 100.
    pub max_calls_per_second: u32,
    /// Which way calls may go. Default both.
    pub direction: TrunkDirection,
    /// Final responses after which the next host or trunk is tried. Default [`TrunkConfig::failover`].
    pub failover: BTreeSet<u16>,
    /// How long a host may stay wholly silent before the next one is tried. Default 5 s.
    pub dial_timeout: Duration,
    /// How numbers are written there; `None` = as they come.
    pub numbering: Option<Numbering>,
    /// Where the caller's number stands.
    pub identity: TrunkIdentity,
    /// The number our own people show there.
    pub caller_id: Option<String>,
    /// How its legs talk.
    pub profile: LegProfile,
}

impl TrunkConfig {
    /// A trunk at these addresses with every other key at its default.
    pub fn new(name: &str, addresses: &[SocketAddr]) -> Self {
        let host = |address: &SocketAddr| TrunkHost::new(Host::Address(*address));
        Self {
            name: name.to_owned(),
            hosts: addresses.iter().map(host).collect(),
            max_calls: 1_000,
            max_calls_per_second: 100,
            direction: TrunkDirection::Both,
            failover: Self::failover(),
            dial_timeout: Duration::from_secs(5),
            numbering: None,
            identity: TrunkIdentity::From,
            caller_id: None,
            profile: LegProfile::default(),
        }
    }

    /// 408, every 5xx, and of the 6xx those that a server says and not the callee: 600 (busy everywhere), 603
    /// (declined), 607 and 608 (unwanted) end the search (RFC 3261 §16.7, RFC 8197, RFC 8688).
    pub fn failover() -> BTreeSet<u16> {
        let callees = [600, 603, 607, 608];
        [408].into_iter().chain(500..=599).chain((600..=699).filter(|code| !callees.contains(code))).collect()
    }
}

/// One host of a trunk.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkHost {
    /// An address, or a name that is looked up.
    pub host: Host,
    /// How; for a name `None` leaves it to DNS (RFC 3263), for an address it is UDP.
    pub transport: Option<Transport>,
    /// Lower ones are tried first. Default 10.
    pub priority: u16,
    /// Among equals, its share of the calls; 0 only when the others are down. Default 10.
    pub weight: u16,
}

impl TrunkHost {
    /// A host with every other key at its default.
    pub fn new(host: Host) -> Self {
        Self { host, transport: None, priority: 10, weight: 10 }
    }
}

/// Which way calls of a trunk may go.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TrunkDirection {
    /// Both.
    #[default]
    Both,
    /// Only from it.
    In,
    /// Only to it.
    Out,
}

impl TrunkDirection {
    /// The word of the configuration and of the API.
    pub fn label(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// Where a trunk is told, and tells, who calls.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TrunkIdentity {
    /// P-Asserted-Identity (RFC 3325).
    Asserted,
    /// Remote-Party-ID.
    RemoteParty,
    /// From.
    #[default]
    From,
}

/// One `[[supervisor]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct SupervisorConfig {
    /// SIP user.
    pub id: AgentId,
    /// Shown to people.
    pub name: String,
    /// Queues whose agents he may hear; `None` = all.
    pub queues: Option<BTreeSet<QueueName>>,
}

/// Whether a call is recorded. `opt_in` and `opt_out` ask in a flow and are not built yet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RecordPolicy {
    /// Always.
    Always,
    /// Never.
    #[default]
    Never,
}

/// Whether media passes through us.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MediaPath {
    /// Through our ports.
    #[default]
    Relay,
    /// SDP passes through; no media here.
    Bypass,
}
