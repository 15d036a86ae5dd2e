//! The call record: what one call was, in one document.
//!
//! Its JSON is the one of the API, the webhooks and the records table. Seconds are decimal numbers with
//! millisecond resolution. Fields are only added.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Wall;
use crate::id::{AgentId, CallId, LegId, OfferId, QueueName, RecordingId};
use crate::journal::{
    self, EndReason, FlowOutcome, InputResult, LegRole, OfferResult, Origin, Party, Purpose, QueueOutcome,
    SupervisionMode, Why,
};

pub use super::fold::{Fold, Unfinished};

/// A length of time, kept in milliseconds, written as seconds: `284.6`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd)]
pub struct Seconds {
    /// The length in milliseconds.
    pub ms: u64,
}

impl Seconds {
    /// From milliseconds.
    pub fn from_ms(ms: u64) -> Self {
        Self { ms }
    }

    /// From one moment to another; zero when `to` is earlier.
    pub fn between(from: Wall, to: Wall) -> Self {
        Self { ms: u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX) }
    }

    /// The longer of nothing and this, plus `more`.
    pub fn plus(self, more: Self) -> Self {
        Self { ms: self.ms.saturating_add(more.ms) }
    }
}

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{} s", self.ms / 1_000, self.ms % 1_000 / 100)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64(self.ms as f64 / 1_000.0)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self { ms: (f64::deserialize(d)? * 1_000.0).round() as u64 })
    }
}

/// Which way a call went.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From outside.
    Inbound,
    /// From one of our people to an address or trunk, or from the house itself to a customer.
    Outbound,
    /// From one of our people to the house itself.
    Internal,
}

/// One call, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Which call.
    pub call_id: CallId,
    /// 1 at the end of the call; higher when something came later (recording, wrap-up, survey). 0 while it is up.
    pub revision: u32,
    /// Whose; always `main` in this build.
    pub tenant: String,
    /// Always `voice`.
    pub channel: String,
    /// Which way it went.
    pub direction: Direction,
    /// Who called.
    pub from: String,
    /// What was dialled.
    pub to: String,
    /// The number that sent him on to that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverted_from: Option<String>,
    /// The call back it is a try of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_of: Option<CallId>,
    /// The call back that was booked in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<CallId>,
    /// The caller's last language.
    pub language: String,
    /// The INVITE.
    pub started_at: Wall,
    /// Our 200 OK; none when it was never answered.
    pub answered_at: Option<Wall>,
    /// The end; after a crash the last known time.
    pub ended_at: Option<Wall>,
    /// From start to end.
    pub duration_seconds: Option<Seconds>,
    /// By what right he called.
    pub origin: Origin,
    /// What kind of call.
    pub purpose: Purpose,
    /// What the flows did; none when no flow served the call.
    pub ivr: Option<Ivr>,
    /// Each entry into a queue, in order.
    #[serde(default)]
    pub queue_visits: Vec<QueueVisit>,
    /// Each ring at an agent and the talk that came of it, in order.
    #[serde(default)]
    pub agents: Vec<AgentVisit>,
    /// Each connection to an address outside the queues, in order.
    #[serde(default)]
    pub dial: Vec<Dial>,
    /// How it ended; none while it is up.
    pub end: Option<End>,
    /// Media figures by leg.
    #[serde(default)]
    pub quality: LegQualities,
    /// The files.
    #[serde(default)]
    pub recordings: Vec<Recording>,
    /// Survey answers by question.
    #[serde(default)]
    pub survey: BTreeMap<String, u32>,
    /// Who listened.
    #[serde(default)]
    pub supervision: Vec<Supervision>,
    /// Who else was in his talks: conferences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parties: Vec<Joined>,
    /// Each time somebody sent the customer on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Transfer>,
    /// What went wrong though the call lived.
    #[serde(default)]
    pub trouble: Vec<Trouble>,
    /// The whole way in words, for people; at most [`STEPS_MAX`] steps.
    #[serde(default)]
    pub path: Vec<Step>,
}

impl CallRecord {
    /// The customer's number: who called, or who was called by one of ours.
    pub fn customer(&self) -> &str {
        match self.direction {
            Direction::Outbound => &self.to,
            Direction::Inbound | Direction::Internal => &self.from,
        }
    }
}

/// Steps, nodes, inputs and visits kept per call; what follows is only in the journal.
pub const STEPS_MAX: usize = 500;

/// What the flows did for the caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ivr {
    /// The first flow.
    pub flow: String,
    /// Its content hash.
    pub version: String,
    /// Nodes in order; those of later flows as `flow/node`.
    pub path: Vec<String>,
    /// Time served by flows, without waiting in queues and talking.
    pub duration_seconds: Seconds,
    /// How the last flow ended for the caller.
    pub outcome: Option<FlowOutcome>,
    /// What he keyed.
    pub inputs: Vec<IvrInput>,
}

/// One answer by keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IvrInput {
    /// When.
    pub at: Wall,
    /// The node that asked, as in [`Ivr::path`].
    pub node: String,
    /// The keys; stars where masked.
    pub digits: String,
    /// What came of it.
    pub result: InputResult,
}

/// One stay in a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueVisit {
    /// Which queue.
    pub queue: QueueName,
    /// When he entered.
    pub entered_at: Wall,
    /// When he was no longer in it.
    pub left_at: Option<Wall>,
    /// Time in it, the ring that was answered included.
    pub wait_seconds: Option<Seconds>,
    /// His place at entry, 1 = next; 0 when there was no room.
    pub position_at_entry: u32,
    /// Priority, in minutes of waiting.
    pub priority: u32,
    /// The queue's target when he was answered.
    pub service_level_seconds: Option<Seconds>,
    /// Whether he was answered within the target; none when he was not answered.
    pub within_sl: Option<bool>,
    /// How he left; none when the process died while he waited.
    pub outcome: Option<QueueOutcome>,
    /// Skills asked for.
    pub skills: Vec<String>,
    /// Somebody transferred him here: he kept the place of his first entry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub transferred: bool,
    /// He hung up here while he waited and called again: he kept the time, and is no other caller in the figures.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
    /// Nobody was on the line: the place was kept for who was called back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub callback: bool,
}

/// Somebody who was brought into a talk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Joined {
    /// Who: `agent:ID`, an address or a trunk.
    pub party: String,
    /// His leg.
    pub leg: LegId,
    /// From when he was in it.
    pub joined_at: Wall,
    /// Until when; he may have gone on as the customer's other side.
    pub left_at: Option<Wall>,
}

/// One transfer of the customer by somebody who talked with him.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// When it was over, one way or the other.
    pub at: Wall,
    /// Who transferred.
    pub by: AgentId,
    /// To whom: `queue:NAME`, `flow:NAME`, `agent:ID`, an address or a trunk.
    pub to: String,
    /// They had talked before.
    pub attended: bool,
    /// Why the target could not be had; none when it has the customer.
    pub sip_code: Option<u16>,
}

/// One ring at an agent, and the talk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentVisit {
    /// Who.
    pub agent: AgentId,
    /// For which queue; none for a direct call.
    pub queue: Option<QueueName>,
    /// Names the ring, as in the journal.
    pub offer: Option<OfferId>,
    /// When his phone was rung.
    pub offered_at: Option<Wall>,
    /// How long it rang.
    pub ring_seconds: Option<Seconds>,
    /// How the ring ended.
    pub result: Option<OfferResult>,
    /// The SIP status that ended it.
    pub sip_code: Option<u16>,
    /// When he began to talk with the caller.
    pub answered_at: Option<Wall>,
    /// Length of the talk, hold included.
    pub talk_seconds: Option<Seconds>,
    /// Time on hold in it.
    pub hold_seconds: Seconds,
    /// How often he held.
    pub hold_count: u32,
    /// The work after it.
    pub wrap_up_seconds: Option<Seconds>,
    /// Why he and why this caller.
    pub why: Option<Why>,
}

/// One connection to an address outside the queues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dial {
    /// The address or trunk.
    pub target: String,
    /// When it was tried.
    pub dialed_at: Wall,
    /// When both talked.
    pub bridged_at: Option<Wall>,
    /// From then to the end.
    pub talk_seconds: Option<Seconds>,
    /// Its SIP status when it failed.
    pub sip_code: Option<u16>,
}

/// How the call ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Who ended it.
    pub by: Party,
    /// Why.
    pub reason: EndReason,
    /// The final SIP status towards the caller.
    pub sip_code: u16,
}

/// Media figures by leg; of several legs of a kind the last one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LegQualities {
    /// The caller's leg.
    pub customer: Option<LegQuality>,
    /// The agent's or the dialled side's leg.
    pub agent: Option<LegQuality>,
    /// The supervisor's leg.
    pub supervisor: Option<LegQuality>,
}

impl LegQualities {
    /// The place of one leg's figures.
    pub fn of(&mut self, leg: LegRole) -> &mut Option<LegQuality> {
        match leg {
            LegRole::Customer => &mut self.customer,
            LegRole::Agent => &mut self.agent,
            LegRole::Supervisor => &mut self.supervisor,
        }
    }
}

/// Media figures of one leg, as received from the phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LegQuality {
    /// Estimated listening quality, 1–4.5.
    pub mos: f64,
    /// Lost of expected packets.
    pub loss_ratio: f64,
    /// Interarrival jitter.
    pub jitter_seconds: f64,
    /// Last round trip; 0 when unknown.
    pub rtt_seconds: f64,
    /// Packets received.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets that never came.
    pub lost: u64,
}

impl From<&journal::Quality> for LegQuality {
    fn from(q: &journal::Quality) -> Self {
        // Rounded, so that a number that went through text gives the same record.
        let round = |value: f64, steps: f64| (value * steps).round() / steps;
        let expected = q.received.saturating_add(q.lost).max(1);
        Self {
            mos: round(q.mos, 100.0),
            loss_ratio: round(q.lost as f64 / expected as f64, 10_000.0),
            jitter_seconds: round(q.jitter_ms / 1_000.0, 100_000.0),
            rtt_seconds: round(q.rtt_ms / 1_000.0, 100_000.0),
            received: q.received,
            sent: q.sent,
            lost: q.lost,
        }
    }
}

/// One file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Names it.
    pub id: RecordingId,
    /// The file, relative to the data folder.
    pub file: String,
    /// 2: left the caller, right the agent.
    pub channels: u16,
    /// When it began.
    pub started_at: Wall,
    /// Its length; none until it is complete.
    pub seconds: Option<Seconds>,
    /// Audio in it that could not be written.
    pub lost_seconds: Seconds,
    /// True when a crash cut it.
    pub partial: bool,
    /// What was not to be in it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<RecordPause>,
    /// What each side spoke, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<RecordedLeg>,
    /// Hash of the file in hexadecimal, once it is filed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The node of a flow that asked the caller to speak, as `FLOW/NODE`; none where a talk was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The survey whose answer it belongs to, e.g. `csat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survey: Option<String>,
}

/// A pause of a recording: a card number is read out.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct RecordPause {
    /// From when.
    pub from: Wall,
    /// Until when; none while it lasts, or to the end.
    pub until: Option<Wall>,
    /// Who asked for it: `agent:ID`, `api:KEY`.
    pub by: String,
    /// Why, in his words; may be empty.
    pub why: String,
    /// Who ended it: as above, or `timer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
}

/// One side of a recording.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct RecordedLeg {
    /// Whose.
    pub leg: LegRole,
    /// What it spoke, e.g. `pcma`.
    pub codec: String,
    /// From when.
    pub from: Wall,
}

/// One supervisor's listening.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Supervision {
    /// Who listened.
    pub supervisor: AgentId,
    /// To whom.
    pub agent: AgentId,
    /// How.
    pub mode: SupervisionMode,
    /// From when.
    pub started_at: Wall,
    /// Until when.
    pub ended_at: Option<Wall>,
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trouble {
    /// When.
    pub at: Wall,
    /// A stable word.
    pub code: String,
    /// What, and what to do.
    pub detail: String,
}

/// One step of the way, in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: Wall,
    /// What happened, in English.
    pub what: String,
}
