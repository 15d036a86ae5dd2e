//! What call routing is told: numbers, trunks, supervisors, the centre.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::id::{AgentId, QueueName};

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
}

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
    /// `trunk:NAME`: the dialled number at the trunk's first host.
    Trunk(String),
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
    /// Source addresses; the first is where calls go. Port 5060 where none is given.
    pub hosts: Vec<SocketAddr>,
    /// Most calls at once. Default 1000.
    pub max_calls: u32,
    /// Most new calls in one second. Default 100.
    pub max_calls_per_second: u32,
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
