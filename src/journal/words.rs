//! Words: closed sets that journal, records, metrics and API share.

use serde::{Deserialize, Serialize};

use crate::id::AgentId;

/// By what right somebody calls.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A named trunk.
    Trunk(String),
    /// An agent or supervisor who proved his password (or has a fixed contact).
    User(AgentId),
    /// Nobody we know.
    Stranger,
    /// Nobody: Hatif calls, as it was asked to.
    System,
}

/// What kind of call it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A customer served by a flow.
    Flow,
    /// A customer put straight into a queue.
    Queue,
    /// A call to an address or trunk.
    Dial,
    /// A call to an agent's phone.
    Direct,
    /// Echo or tone test.
    Test,
    /// An agent's feature code.
    Feature,
    /// A supervisor who hears others.
    Supervision,
    /// A customer who is called back.
    Callback,
}

/// What came of asking the caller for keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputResult {
    /// A key or number that leads on.
    Matched,
    /// A key or number that does not.
    Invalid,
    /// Silence.
    NoInput,
}

/// How a flow ended for the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowOutcome {
    /// Served by the flow alone.
    Contained,
    /// It came back to the flow that called it.
    Returned,
    /// It brought him to a queue.
    Queued,
    /// It transferred him.
    Transferred,
    /// He hung up in it.
    Abandoned,
    /// It failed.
    Error,
}

/// Why a flow could not go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowFault {
    /// An expression could not be worked out, and its node has no `error` edge.
    Expression,
    /// Something happened for which the node has no edge.
    NoEdge,
    /// A circle that never waits.
    Circle,
    /// It led to a flow or node that is not there (any more).
    NotThere,
}

/// How the ring at one agent ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferResult {
    /// He answered and got the caller.
    Accepted,
    /// He did not answer in time.
    NoAnswer,
    /// He pressed decline (603 and other 6xx, 4xx not named elsewhere).
    Rejected,
    /// His phone was busy (486, 600).
    Busy,
    /// His phone could not be reached (404, 410, 480, 5xx), or none is registered.
    Unreachable,
    /// His phone said nothing at all, or a proxy on the way says so (408, 504).
    Timeout,
    /// The caller hung up or left the queue first.
    CallerGone,
    /// Another agent answered first, who was rung for the same caller.
    LostRace,
    /// Somebody or something changed the agent's state while he rang.
    Withdrawn,
}

impl OfferResult {
    /// Those that are the agent's or his phone's doing: each has its own delay, count and action.
    pub const FAILURES: [Self; 5] = [Self::NoAnswer, Self::Rejected, Self::Busy, Self::Unreachable, Self::Timeout];

    /// Its place in [`Self::FAILURES`]; `None` for the others.
    pub fn failure(self) -> Option<usize> {
        Self::FAILURES.iter().position(|failure| *failure == self)
    }

    /// The word in journal, records, API and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::NoAnswer => "no_answer",
            Self::Rejected => "rejected",
            Self::Busy => "busy",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::CallerGone => "caller_gone",
            Self::LostRace => "lost_race",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// What a rule does with an agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentAction {
    /// Nothing but telling it.
    Alert,
    /// He takes calls.
    Ready,
    /// He is paused, until somebody says otherwise.
    Pause,
    /// He is logged out, until somebody says otherwise.
    Logout,
}

impl AgentAction {
    /// All of them, each with its word in the configuration.
    pub const WORDS: [(&'static str, Self); 4] =
        [("alert", Self::Alert), ("ready", Self::Ready), ("pause", Self::Pause), ("logout", Self::Logout)];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, action)| *action == self).map_or("", |(word, _)| *word)
    }
}

/// How a caller left a queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueOutcome {
    /// An agent talked with him.
    Answered,
    /// He hung up.
    Abandoned,
    /// He waited the longest wait allowed.
    Timeout,
    /// The queue had no room: he never waited.
    Full,
    /// Nobody is there to serve it.
    NoAgents,
    /// It is outside its calendar's hours: he never waited.
    Closed,
    /// Nobody of the queue was logged in (`when_none_logged_in`).
    NoneLoggedIn,
    /// Nobody who was logged in had the skills he needed (`when_none_skilled`).
    NoneSkilled,
    /// All who could have served him were paused, or had no phone (`when_all_paused`).
    AllPaused,
    /// A bound of the queue's `overflow` was reached.
    Overflow,
    /// He pressed one of the queue's `exit_keys`.
    Key,
    /// He pressed the one by which he is called back: his place is kept.
    Callback,
    /// His kept place was taken out of the queue: nobody was reached, it is outside the hours for it, or nobody wants it any
    /// more.
    Withdrawn,
    /// The call was ended or moved by somebody else.
    Transferred,
}

/// What came of calling somebody back: of one try, or of all.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackResult {
    /// He answered.
    Reached,
    /// He did not answer in time.
    NoAnswer,
    /// His phone was busy.
    Busy,
    /// The number could not be had, or the agent who waited for the answer hung up.
    Failed,
    /// Nobody could call in time.
    Expired,
    /// Somebody took it back.
    Cancelled,
}

impl CallbackResult {
    /// The word in journal, API and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The caller.
    Customer,
    /// The agent or the dialled side.
    Agent,
    /// Hatif.
    System,
}

/// Why a call ended. Closed set: shared by journal, records and metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Somebody hung up after talking, or the flow was done.
    Normal,
    /// The caller hung up before he was served.
    Abandoned,
    /// The dialled side did not answer.
    NoAnswer,
    /// The dialled side was busy.
    Busy,
    /// The dialled side refused, or the number leads nowhere.
    Rejected,
    /// The queue's longest wait passed.
    QueueTimeout,
    /// The queue was full.
    QueueFull,
    /// Nobody serves the queue.
    NoAgents,
    /// It is outside the queue's hours.
    Closed,
    /// The caller's phone never acknowledged our answer.
    NoAck,
    /// No media port was free.
    NoPort,
    /// No codec in common.
    NoCodec,
    /// No RTP and no RTCP from a leg for too long.
    MediaTimeout,
    /// The flow failed.
    FlowError,
    /// He is called back: he need not wait.
    Callback,
    /// It was up for as long as a user's call over a trunk may last.
    Limit,
    /// Hatif is shutting down.
    Shutdown,
    /// A fault of ours in this one call.
    InternalError,
    /// The process died while the call was up.
    NodeFailure,
}

/// How a supervisor takes part.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupervisionMode {
    /// Hears both, is heard by none.
    #[default]
    Listen,
    /// Hears both, is heard by the agent alone.
    Whisper,
    /// Hears both, is heard by both.
    Barge,
}

/// Whose leg it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegRole {
    /// The caller's.
    Customer,
    /// The agent's or the dialled side's.
    Agent,
    /// A supervisor's.
    Supervisor,
}

/// An agent's state: one word everywhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentStateName {
    /// Logged out.
    Offline,
    /// Waits for a call.
    Ready,
    /// His phone rings for a caller.
    Ringing,
    /// Talks.
    Busy,
    /// Talks, with the caller on hold.
    Hold,
    /// Finishes the work of the last call.
    WrapUp,
    /// Away, for a reason.
    Paused,
    /// Logged in, but his phone is gone.
    Unreachable,
}

impl AgentStateName {
    /// All states, in the order of a working day.
    pub const ALL: [Self; 8] = [
        Self::Offline,
        Self::Ready,
        Self::Ringing,
        Self::Busy,
        Self::Hold,
        Self::WrapUp,
        Self::Paused,
        Self::Unreachable,
    ];

    /// The word in API, metrics, screens and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Ready => "ready",
            Self::Ringing => "ringing",
            Self::Busy => "busy",
            Self::Hold => "hold",
            Self::WrapUp => "wrap_up",
            Self::Paused => "paused",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Whom a caller waits for before all others who may serve him, in this order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// Nobody yet: a service outside is asked who shall serve him.
    Dispatch,
    /// The agents whom that service named.
    Chosen,
    /// The agent who talked with him last.
    LastAgent,
    /// The agents of a group.
    Group,
}

/// What came of asking a dispatch service about a caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DispatchResult {
    /// It said something; see the entry.
    Decided,
    /// It leaves it to the queue.
    LeftToUs,
    /// It did not answer in time.
    Timeout,
    /// It could not be asked, or answered with an error.
    Failed,
    /// Its answer cannot be understood, or names what is not there.
    Invalid,
}

impl DispatchResult {
    /// The word in the journal and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::LeftToUs => "left_to_us",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
        }
    }
}

/// Who or what changed an agent's state.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateCause {
    /// The agent himself, by phone or API.
    Agent,
    /// A supervisor or an API key.
    Supervisor,
    /// A call: offered, answered, held, ended.
    Call,
    /// A timer: the end of wrap-up.
    Timer,
    /// Missed rings, or others that failed too often in a row.
    Rna,
    /// A pause that was too long.
    MaxPause,
    /// His phone came or went.
    Registration,
    /// A new process: what he was when the last one ended.
    Restored,
    /// The configuration.
    Config,
}
