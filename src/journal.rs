//! The journal's words: everything that happened, in order, once.
//!
//! Call records, metrics, reports, webhooks and screens read nothing else, so they cannot disagree. Cores put
//! entries out; the engine numbers them; `storage` writes them. An entry is never changed after it is written.
//! Fields are only added, with a default, so that an old journal stays readable.

mod callback;
mod hours;
mod places;
mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::id::{AgentId, CallId, LegId, OfferId, QueueName, RecordingId};

pub use callback::Booking;
pub use hours::Hours;
pub use places::{Binding, DialogSeed, Hop, OpenLeg};
pub use words::{
    AgentAction, AgentStateName, CallbackResult, DispatchResult, EndReason, FlowFault, FlowOutcome, InputResult,
    LegRole, OfferResult, Origin, Party, Purpose, QueueOutcome, StateCause, SupervisionMode, Whom,
};

/// Who is offline for this long begins a new shift: a pause over noon does not make him the one with fewest calls.
pub const SHIFT_GAP: Duration = Duration::from_secs(4 * 3_600);

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Position in the journal: starts at 1, without gaps, never reused.
    pub seq: u64,
    /// When.
    pub at: Wall,
    /// To whom or what.
    pub about: About,
    /// What.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What an entry is about.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// One call.
    Call(CallId),
    /// One agent or supervisor.
    Agent(AgentId),
    /// The running system itself.
    Node,
}

/// What happened. Durations are in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// The engine started; calls still open in the journal before it ended with [`EndReason::NodeFailure`].
    NodeStarted {
        /// The version of the program.
        version: String,
    },
    /// The engine stopped in good order.
    NodeStopped,
    /// Somebody edited the configuration while the engine runs.
    ConfigEdited {
        /// What: `queue.support.wrap_up`.
        what: String,
        /// How it was; empty when it was not there.
        before: String,
        /// How it is.
        after: String,
        /// Who: the name of an API key.
        by: String,
    },
    /// Somebody opened or closed a calendar by hand, or gave it back to its hours.
    CalendarSet {
        /// The calendar's name.
        calendar: String,
        /// What holds now; none = its hours again.
        state: Option<Hours>,
        /// Until when; none = until it is set again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Wall>,
        /// Who said so: the name of an API key, or `local`.
        by: String,
    },
    /// A configuration was taken or refused.
    ConfigReloaded {
        /// True when it is in force now.
        accepted: bool,
    },

    /// An INVITE that is neither challenged nor refused at the door.
    CallStarted {
        /// Who calls: the authenticated id, else what his trunk asserts or From says; `anonymous` when he asked not to
        /// be shown.
        from: String,
        /// What was dialled.
        to: String,
        /// By what right he calls.
        origin: Origin,
        /// What kind of call it is by the dialled number.
        purpose: Purpose,
        /// The language the call begins in, e.g. `ar`.
        language: String,
        /// The number that sent him on to this one (Diversion, else History-Info), as the sender says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diverted_from: Option<String>,
        /// Which call back it is a try of ([`Kind::CallbackBooked`]). `to` is the customer then, and `from` what he had
        /// dialled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        callback_of: Option<CallId>,
    },
    /// The 200 OK went to the caller.
    CallAnswered,
    /// The caller's language changed.
    Language {
        /// The new language, e.g. `en`.
        language: String,
    },
    /// A flow began to serve the caller.
    FlowEntered {
        /// The flow's name.
        flow: String,
        /// The flow's content hash.
        version: String,
    },
    /// The caller reached a node.
    NodeVisited {
        /// The flow.
        flow: String,
        /// The node.
        node: String,
    },
    /// The caller pressed keys, or let the time pass.
    Input {
        /// The flow.
        flow: String,
        /// The node that asked.
        node: String,
        /// The keys; stars where the node masks them; empty when there were none.
        digits: String,
        /// What came of it.
        result: InputResult,
    },
    /// A survey answer.
    Survey {
        /// Which question, e.g. `csat`.
        survey: String,
        /// The answer.
        score: u32,
        /// The queue and the agent that served the call last, if any did.
        queue: Option<QueueName>,
        /// See `queue`.
        agent: Option<AgentId>,
    },
    /// The flow no longer serves the caller.
    FlowLeft {
        /// The flow.
        flow: String,
        /// How it ended for the caller.
        outcome: FlowOutcome,
    },

    /// The caller entered a queue.
    Queued {
        /// The queue.
        queue: QueueName,
        /// His place at entry, 1 = next.
        position: u32,
        /// The skills asked for.
        skills: Vec<String>,
        /// The priority, in minutes of waiting.
        priority: u32,
        /// What kind of caller he is, when a flow said it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        segment: Option<String>,
        /// Somebody transferred him here: his place counts from when he first waited.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        transferred: bool,
        /// He hung up while he waited here and called again soon: his place counts from when he first waited, and he is
        /// not another caller in the figures.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        resumed: bool,
        /// Nobody holds the line: the place is kept for who is called back. May come long before [`Kind::CallStarted`]; with
        /// `resumed` it is not his first place in the figures.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        callback: bool,
    },
    /// The caller's place changed by a rule: he has waited for as long as anybody may be overtaken, or a new
    /// configuration orders the queue anew.
    Moved {
        /// The queue.
        queue: QueueName,
        /// His place now, 1 = next.
        position: u32,
    },
    /// A step of the queue's ladder began for the caller: others may serve him from here on.
    Escalated {
        /// The queue.
        queue: QueueName,
        /// The step's name; none when a new configuration puts him before the first one.
        step: Option<String>,
    },
    /// He has waited so long that the flow which queued him asks for other skills.
    Relaxed {
        /// The queue.
        queue: QueueName,
        /// All that he asks for from now on, beside what the queue asks for.
        skills: Vec<String>,
        /// How long he has waited in it.
        wait_ms: u64,
    },
    /// The caller waits for somebody before all others who may serve him, or for those no more.
    Sticky {
        /// The queue.
        queue: QueueName,
        /// For whom; none for all.
        whom: Option<Whom>,
        /// The one, when it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<AgentId>,
    },
    /// The caller was told his place.
    Announced {
        /// His place, 1 = next.
        position: u32,
        /// In how many minutes he was told to expect an answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within_minutes: Option<u32>,
    },
    /// The caller heard one of the queue's announcements.
    Reminded {
        /// The prompt.
        prompt: String,
    },
    /// One agent is being rung for the caller.
    Offered {
        /// Names this ring.
        offer: OfferId,
        /// Who.
        agent: AgentId,
        /// For which queue.
        queue: QueueName,
        /// Why he and why this caller.
        why: Box<Why>,
    },
    /// The ring is over.
    OfferEnded {
        /// Which ring.
        offer: OfferId,
        /// Who was rung.
        agent: AgentId,
        /// For which queue.
        queue: QueueName,
        /// How it ended.
        result: OfferResult,
        /// Length of the ring.
        ring_ms: u64,
        /// The SIP status that ended it, when one did.
        sip_code: Option<u16>,
    },
    /// Caller and agent talk.
    Connected {
        /// Who.
        agent: AgentId,
        /// For which queue.
        queue: QueueName,
        /// Time from entering the queue to the answer.
        wait_ms: u64,
        /// The queue's service level target at that moment.
        service_level_ms: u64,
    },
    /// A rule of the queue sends the caller elsewhere; what follows is how he left it, and where he is now.
    Diverted {
        /// The queue whose rule it is. He had not entered it when his time there is 0.
        queue: QueueName,
        /// Where to: `queue:NAME`, `number:N`, `flow:NAME` or `hangup`.
        to: String,
        /// The key of the rule, e.g. `when_all_paused`.
        rule: String,
        /// What was measured, for rules with a bound.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        figure: Option<u64>,
        /// That bound.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
    },
    /// The caller is no longer in the queue.
    QueueLeft {
        /// The queue.
        queue: QueueName,
        /// How.
        outcome: QueueOutcome,
        /// Time in the queue.
        wait_ms: u64,
    },
    /// A flow asked a service.
    ServiceAsked {
        /// Which.
        service: String,
        /// The flow's node.
        node: String,
        /// `ok`, `invalid`, `4xx`, `5xx`, `timeout`, `breaker_open` or `error`; of a bot also `hangup`.
        result: String,
        /// HTTP status.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// How long it took.
        took_ms: u64,
        /// What is wrong with the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The queue's dispatch service was asked who shall serve the caller.
    Dispatched {
        /// The queue.
        queue: QueueName,
        /// The service.
        service: String,
        /// What came of it; in all cases but the first the queue's own rules decide.
        result: DispatchResult,
        /// How long it took.
        took_ms: u64,
        /// Agents it named.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        agents: Vec<AgentId>,
        /// What else it said, or what is wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The caller left a message in the box of a queue.
    VoicemailLeft {
        /// Which.
        queue: QueueName,
        /// The message.
        recording: RecordingId,
        /// Who left it; empty when he does not show his number.
        from: String,
        /// Its length.
        length_ms: u64,
    },
    /// The caller said something that a flow asked him for.
    CallerRecorded {
        /// The flow.
        flow: String,
        /// The node that asked.
        node: String,
        /// What he said.
        recording: RecordingId,
        /// Its length.
        length_ms: u64,
        /// The survey whose answer it belongs to, e.g. `csat`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        survey: Option<String>,
    },
    /// Somebody listened to a message for the first time.
    VoicemailHeard {
        /// The box.
        queue: QueueName,
        /// The message.
        recording: RecordingId,
        /// `agent:ID`, or the name of an API key.
        by: String,
    },
    /// A message is out of its box.
    VoicemailDeleted {
        /// The box.
        queue: QueueName,
        /// The message.
        recording: RecordingId,
        /// As above; `expired` when it was too old.
        by: String,
    },
    /// Somebody asked to be called back; about his call, where he had one.
    CallbackBooked {
        /// What was agreed.
        #[serde(flatten)]
        booking: Box<Booking>,
    },
    /// One try to call back came to nothing; about the call that was the try.
    CallbackTried {
        /// Which.
        callback: CallId,
        /// Tries so far.
        tries: u32,
        /// What came of it.
        result: CallbackResult,
        /// When the next one begins; none after the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again_at: Option<Wall>,
    },
    /// Nobody is called back any more, as he was reached or it is given up.
    CallbackEnded {
        /// Which.
        callback: CallId,
        /// Of which queue.
        queue: QueueName,
        /// `Reached`, `Failed`, `Expired` or `Cancelled`.
        result: CallbackResult,
        /// Tries in all.
        tries: u32,
    },
    /// The agent put the caller on hold or took him back.
    Held {
        /// Who did.
        agent: AgentId,
        /// True: on hold now.
        on: bool,
    },
    /// The talk with this agent is over.
    TalkEnded {
        /// Who.
        agent: AgentId,
        /// For which queue; none for a direct call.
        queue: Option<QueueName>,
        /// From answer to end, hold included.
        talk_ms: u64,
        /// Time on hold in it.
        hold_ms: u64,
    },
    /// The caller is being connected to an address outside the queues.
    Dialed {
        /// The address or trunk, without secrets.
        target: String,
    },
    /// The dialled side answered and both talk.
    Bridged {
        /// The address or trunk.
        target: String,
    },
    /// The dialled side refused or did not answer.
    DialFailed {
        /// The address or trunk.
        target: String,
        /// Its SIP status; 408 when it never answered.
        sip_code: u16,
    },
    /// The customer goes on without who transferred him: the target has him.
    Transferred {
        /// Who transferred him.
        by: AgentId,
        /// To whom: `queue:NAME`, `flow:NAME`, `agent:ID`, an address or a trunk.
        to: String,
        /// They had talked before, or that call was still ringing (RFC 3891).
        attended: bool,
    },
    /// The target of a transfer could not be had.
    TransferFailed {
        /// Who transferred.
        by: AgentId,
        /// To whom; as in [`Kind::Transferred`].
        to: String,
        /// The SIP status of the target, as who transferred was told.
        sip_code: u16,
        /// Both talk again; else the customer goes to where he came from.
        returned: bool,
    },
    /// Audio is written to a file from here on.
    RecordingStarted {
        /// Names the recording.
        recording: RecordingId,
        /// The file, relative to the data folder.
        file: String,
    },
    /// A side of the recording is another phone from here on.
    RecordingLeg {
        /// Names the recording.
        recording: RecordingId,
        /// Whose phone.
        leg: LegRole,
        /// What it speaks, e.g. `pcma`.
        codec: String,
    },
    /// Nothing said from here on is in the recording; silence keeps its time.
    RecordingPaused {
        /// Names the recording.
        recording: RecordingId,
        /// Who asked: `agent:ID` or `api:KEY`.
        by: String,
        /// Why, in his words; may be empty.
        why: String,
    },
    /// Everything said is in the recording again.
    RecordingResumed {
        /// Names the recording.
        recording: RecordingId,
        /// Who asked, or `timer`: the longest pause was over.
        by: String,
        /// Why, in his words; may be empty.
        why: String,
    },
    /// The file is where it stays, in its final format. May come long after the call.
    RecordingFiled {
        /// Names the recording.
        recording: RecordingId,
        /// The file, relative to the data folder.
        file: String,
        /// Its SHA-256 in hexadecimal.
        sha256: String,
    },
    /// The file is complete.
    RecordingEnded {
        /// Names the recording.
        recording: RecordingId,
        /// Length of the audio, in ms.
        length_ms: u64,
        /// Audio that could not be written, in ms.
        lost_ms: u64,
        /// True when it was cut by a crash and mended at the start.
        partial: bool,
    },
    /// Somebody is rung for a talk that goes on.
    PartyCalled {
        /// By whose right.
        by: AgentId,
        /// Whom: `agent:ID`, an address or a trunk.
        party: String,
    },
    /// He answered: all in the talk hear each other.
    PartyJoined {
        /// His leg.
        leg: LegId,
        /// Who.
        party: String,
    },
    /// He cannot be had; the talk goes on without him.
    PartyFailed {
        /// Who.
        party: String,
        /// His SIP status.
        sip_code: u16,
    },
    /// He left the talk, or was taken out of it, or goes on as the other side of the customer.
    PartyLeft {
        /// His leg.
        leg: LegId,
    },
    /// A supervisor began to hear this call.
    SupervisionStarted {
        /// Who listens.
        supervisor: AgentId,
        /// Whom he listens to.
        agent: AgentId,
        /// How.
        mode: SupervisionMode,
    },
    /// The supervisor takes part in another way from here on.
    SupervisionChanged {
        /// Who.
        supervisor: AgentId,
        /// Whom he supervises.
        agent: AgentId,
        /// How until now.
        before: SupervisionMode,
        /// How from now on.
        mode: SupervisionMode,
    },
    /// The supervisor no longer hears this call.
    SupervisionEnded {
        /// Who listened.
        supervisor: AgentId,
        /// Whom he listened to.
        agent: AgentId,
        /// How he took part at the end.
        #[serde(default)]
        mode: SupervisionMode,
    },
    /// A supervisor took the caller over: he talks in the agent's place from here on.
    TakenOver {
        /// Who.
        by: AgentId,
        /// In whose place.
        agent: AgentId,
    },
    /// The web page of a user is gone in the middle of a talk, of his wait in a queue or of his listening, and silent:
    /// loaded anew, closed or cut off. His place is kept; the other side of a talk hears music.
    PageLost {
        /// Whose.
        user: AgentId,
        /// Which side he is.
        leg: LegRole,
    },
    /// He is back; all goes on as it was.
    Rejoined {
        /// Who.
        user: AgentId,
        /// Which side he is.
        leg: LegRole,
        /// At a new page, or by a phone that took its place; false: the page that was gone is there again.
        anew: bool,
    },
    /// He is not waited for any more.
    RejoinFailed {
        /// Who.
        user: AgentId,
        /// Which side he was.
        leg: LegRole,
        /// The SIP status of his new page; 408 when none came in time or it did not answer.
        sip_code: u16,
    },
    /// The dialog of a leg is up, or its phone rings: a new process ends it by what stands here.
    LegUp {
        /// Which; unique together with the call.
        leg: LegId,
        /// Whose.
        role: LegRole,
        /// How to send in it.
        dialog: DialogSeed,
    },
    /// The dialog of a leg is over. May come after [`Kind::CallEnded`], when a new process ended it.
    LegDown {
        /// Which.
        leg: LegId,
    },
    /// The media figures of one leg, at its end.
    LegQuality {
        /// Whose leg.
        leg: LegRole,
        /// Its figures.
        quality: Quality,
    },
    /// Audio goes one way only: the other side speaks and nothing comes from this leg's phone; or that is over.
    OneWay {
        /// Whose phone is silent.
        leg: LegRole,
        /// False: it speaks again.
        on: bool,
    },
    /// Something went wrong that the caller or operator should know of, though the call lives.
    Trouble {
        /// A stable word, e.g. `prompt_missing`, `no_port`, `recording_failed`.
        code: String,
        /// What and what to do.
        detail: String,
    },
    /// The caller's flow could not go on.
    FlowFailed {
        /// Which.
        flow: String,
        /// Where in it.
        node: String,
        /// Why.
        cause: FlowFault,
        /// What happened, without anything the caller pressed.
        detail: String,
        /// The queue that takes him over; without one he hears an apology and the call ends.
        fallback: Option<QueueName>,
    },
    /// One side said why it hangs up (RFC 3326).
    ReasonGiven {
        /// Which.
        by: Party,
        /// Protocol and cause, e.g. `Q.850;cause=16`.
        reason: String,
    },
    /// The call is over.
    CallEnded {
        /// Who ended it.
        by: Party,
        /// Why.
        reason: EndReason,
        /// The final SIP status towards the caller.
        sip_code: u16,
    },

    /// A phone of this agent or supervisor registered, or is reached another way than before; a mere renewal is not
    /// told.
    Registered {
        /// How it is reached: `udp`, `tcp`, ….
        transport: String,
        /// Where; none in journals of old.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        binding: Option<Binding>,
    },
    /// One of several phones of this agent or supervisor is gone.
    ContactGone {
        /// Its Contact URI.
        uri: String,
        /// True when its time ran out or it does not answer, false when it said so.
        expired: bool,
    },
    /// The last phone of this agent or supervisor is gone.
    Unregistered {
        /// True when its time ran out or it does not answer, false when it said so.
        expired: bool,
    },
    /// An agent changed state.
    AgentState {
        /// The state now.
        state: AgentStateName,
        /// The pause code when paused.
        code: Option<String>,
        /// What will follow the present state, when somebody asked for it.
        next: Option<String>,
        /// Who or what changed it.
        cause: StateCause,
        /// The call he is busy with.
        call: Option<CallId>,
        /// How long from now on until the state ends by itself: a wrap-up, a pause with a longest time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_ms: Option<u64>,
    },
    /// An agent's phone failed so often in a row that a rule of the queue acts.
    OffersMissed {
        /// How its rings ended, all alike.
        result: OfferResult,
        /// How many in a row.
        count: u32,
        /// What is done with him.
        action: AgentAction,
    },
    /// An agent asked for help.
    HelpAsked {
        /// The supervisor whose phone rings for it; none when none is free, or none answered.
        supervisor: Option<AgentId>,
    },
    /// A pause is longer than its code allows.
    PauseOver {
        /// The code.
        code: String,
        /// How long it may be.
        max_ms: u64,
        /// What is done with him.
        action: AgentAction,
    },
    /// The engine found an agent in a state without an owner or past its deadline and mended it: a fault of ours.
    AgentRepaired {
        /// What was wrong.
        detail: String,
    },
}

/// Why this agent was offered this caller: the answer to the supervisor's question.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// The strategy that chose, e.g. `longest_idle`.
    pub rule: String,
    /// The figure by which he came first under that strategy: callers answered, ms talked, his place in the file
    /// (from 1) or his weight; none where idle time or chance alone decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<u64>,
    /// How long the agent had been idle.
    pub idle_ms: u64,
    /// How long the caller had waited.
    pub waited_ms: u64,
    /// His score: seconds waited, in whichever queue, + 60 for each minute of priority + the boost of his segment; none
    /// in journals of old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_s: Option<i64>,
    /// Why he went before callers of higher scores: `overdue` (`max_wait_strict`) or `priority N` (`strict_priority`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<String>,
    /// Callers waiting in this queue at that moment, this one included.
    pub waiting: u32,
    /// Agents of the queue who could have been offered.
    pub eligible: u32,
    /// Preferences of the caller and the queue that he meets, e.g. `lang:fr?`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred: Vec<String>,
    /// Those he does not meet: nobody who could have been offered met more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<String>,
    /// Agents of the queue who could not, counted by cause, e.g. `busy: 3`, `skill lang:ar: 1`.
    pub passed_over: BTreeMap<String, u32>,
    /// The step of the queue's ladder by which the agent serves this caller; none when he does without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The caller waited for this one, or for his group, before all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Whom>,
    /// Agents who ring for the same caller already: `ring_all` and `ring_progressive`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub beside: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Figures of one leg's media, as received from the phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// RTP packets received.
    pub received: u64,
    /// RTP packets sent.
    pub sent: u64,
    /// Packets that never came (RFC 3550 §A.3), never below zero.
    pub lost: u64,
    /// Interarrival jitter at the end, in ms (RFC 3550 §6.4.1).
    pub jitter_ms: f64,
    /// Last round trip by RTCP, in ms; zero when unknown.
    pub rtt_ms: f64,
    /// Estimated listening quality, 1–4.5 (E-model, ITU-T G.107, simplified).
    pub mos: f64,
}
