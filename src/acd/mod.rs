//! The floor: queues, agents and the matching of callers to agents.
//!
//! One pure machine. Every input (a caller comes or goes, an agent changes state, a deadline passes) is
//! followed at once by matching, so between two inputs no caller waits while an agent who may serve him is
//! idle. Nothing is polled. The same inputs give the same outputs, byte for byte.
//!
//! An agent is reserved before his phone rings and has at most one offer, however many calls he may have at once
//! ([`config::AgentConfig::capacity`]); who has fewer calls is taken first by every strategy. A caller is in at most one queue
//! and is rung for at one agent, or at several where his queue's strategy says so: then who answers first has him and
//! the others are withdrawn. Every deadline is owned by the state that set it.
//!
//! Callers of all queues stand in one order. First come those who have waited longer than their queue lets anybody be
//! overtaken, then those of a strict priority, the highest first, then all others. Among them: score = seconds waited +
//! 60 · priority + the boost of the caller's segment, then the queue's weight, then who came first. Of the agents who may serve a caller, the first by his queue's strategy gets him
//! ([`config::Strategy`]).

pub mod calendar;
pub mod config;

mod agent;
mod callback;
mod callers;
mod deadline;
mod desk;
mod dispatch;
mod divert;
mod estimate;
mod floor;
mod ladder;
mod lane;
mod matching;
mod misses;
mod nobody;
mod offers;
mod overflow;
mod pause;
mod phone;
mod pool;
pub mod preview;
mod ranked;
mod relax;
mod reload;
mod remind;
mod restore;
mod resume;
mod rounds;
mod skill;
mod sticky;
mod strategy;
mod view;
pub mod way;
mod wrap_up;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::id::{AgentId, CallId, OfferId, QueueName};
use crate::journal::{About, AgentStateName, Kind, OfferResult, QueueOutcome, StateCause};

pub use callback::Callback;
pub use dispatch::{Choice, ClaimView};
pub use estimate::Estimate;
pub use floor::Floor;
pub use misses::Misses;
pub use pause::{PauseError, SYSTEM_CODES};
pub use restore::{Former, FormerState, Interrupted};
pub use skill::{Skill, SkillError};
pub use way::Way;

/// The pause code of an agent who let his phone ring too often.
pub const PAUSE_RNA: &str = "RNA";
/// The code of an agent whose pause was too long: of the pause that follows, or of his log-out.
pub const PAUSE_MAX: &str = "MAXPAUSE";
/// The code of an agent who is unreachable as his phone was lost.
pub const UNREACHABLE_LAGGED: &str = "LAGGED";

/// What somebody wants an agent to be.
///
/// A human wish always wins over an automatic change. While the agent talks it is kept as `next` and takes
/// effect at the end of his wrap-up; in every other state it takes effect at once, also while his phone
/// rings (the ring is withdrawn; that is no missed ring). Who talks, may have more calls and wants anything but to be
/// ready gets no more offers from that moment on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wish {
    /// Take calls: logs in, ends a pause, a wrap-up or the delay after a failed offer.
    Ready,
    /// Take no calls, for the reason given as a code; logs in too.
    Pause(String),
    /// Leave the floor.
    Logout,
    /// End the wrap-up now. While he talks: he asked for one and needs it no more.
    FinishWrapUp,
    /// Have a wrap-up. While he talks, and until half a minute after it: one, where his queue leaves that to him (of
    /// several talks, that of the last to end). In
    /// a wrap-up that ends by itself: as much time again as his queue gives. Nothing in any other state.
    WrapUp,
}

/// A caller who enters a queue, and what he comes with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arrival {
    /// The caller.
    pub call: CallId,
    /// The queue. One that does not exist gives [`Output::Left`] with `NoAgents`.
    pub queue: QueueName,
    /// Skills asked for in addition to the queue's own ([`Skill`] has the syntax). One that cannot be read
    /// is left out and journalled as trouble.
    pub skills: Vec<String>,
    /// Head start in minutes of waiting.
    pub priority: u32,
    /// What kind of caller he is, for the head start his queue gives it.
    pub segment: Option<String>,
    /// The longest wait for this caller; `None` = the queue's.
    pub max_wait: Option<Duration>,
    /// Since when he has waited, in whichever queue, when somebody transferred him here: he keeps the place that
    /// gives him. His wait in this queue counts from now on.
    pub transferred: Option<Instant>,
    /// Who talked with him last, for a queue that is `sticky`.
    pub last_agent: Option<AgentId>,
    /// His number, by which he is known when he hangs up and calls again; `None` for one who does not show it.
    pub number: Option<String>,
    /// Nobody is on the line: the place is kept for who is called back when his turn comes. `transferred` says since
    /// when he has waited; longest waits, bounds and announcements of the queue do not concern him.
    pub callback: Option<Callback>,
}

impl Arrival {
    /// Of somebody who asks for nothing but the queue.
    pub fn new(call: CallId, queue: QueueName) -> Self {
        Self {
            call,
            queue,
            skills: Vec::new(),
            priority: 0,
            segment: None,
            max_wait: None,
            transferred: None,
            last_agent: None,
            number: None,
            callback: None,
        }
    }
}

/// What the floor is told. Unknown agents, calls and offers are ignored, except in [`Input::Answered`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Input {
    /// A phone of the agent is there, or the last one is gone.
    Reachable {
        /// Who.
        agent: AgentId,
        /// True when he has a phone now.
        reachable: bool,
    },
    /// His last phone is lost without having said so: he gets no offer, and is unreachable after the grace
    /// ([`config::FloorConfig::grace`]) unless one comes back.
    PhoneLost {
        /// Who.
        agent: AgentId,
    },
    /// Somebody chose a state for the agent. A pause whose code he may not choose ([`config::PauseRules::choose`]) is
    /// ignored.
    Want {
        /// Who.
        agent: AgentId,
        /// What.
        wish: Wish,
        /// Who asked: the agent himself or a supervisor.
        by: StateCause,
    },
    /// A caller enters a queue. A caller who is in a queue already leaves it first (outcome `Transferred`).
    Enqueue(Arrival),
    /// Who is called back has answered, by [`Callback::customer_first`]: he waits like any other from now on. The agent
    /// reserved for him is rung.
    Reached {
        /// The caller.
        call: CallId,
    },
    /// The service that was asked about the caller by [`Output::Dispatch`] said this, or nothing of use: the default. Nothing
    /// when he waits for it no more.
    Dispatched {
        /// The caller.
        call: CallId,
        /// What it said.
        choice: Choice,
    },
    /// The caller asks for these skills in place of those he came with; nothing when he is in no queue, or is called back.
    Relax {
        /// The caller.
        call: CallId,
        /// All of them, beside the queue's own.
        skills: Vec<String>,
    },
    /// The caller pressed a key while he waited; nothing when it is none of the queue's `exit_keys`.
    Key {
        /// The caller.
        call: CallId,
        /// 0–9, `*`, `#` or A–D.
        digit: char,
    },
    /// The caller hung up: out of the queue, outcome `Abandoned`. Nothing when he is in none.
    Leave {
        /// The caller.
        call: CallId,
    },
    /// The caller does not get into the queue.
    Refuse {
        /// The caller.
        call: CallId,
        /// Which queue.
        queue: QueueName,
        /// Why.
        outcome: QueueOutcome,
    },
    /// The caller is taken out of the queue for another reason.
    LeaveAs {
        /// The caller.
        call: CallId,
        /// What the journal shall say.
        outcome: QueueOutcome,
    },
    /// The agent's phone answered (200 OK).
    Answered {
        /// Which ring. When it no longer counts the answer is [`Output::Discard`].
        offer: OfferId,
    },
    /// The ring ended without an answer, by the agent's phone or on the way to it.
    Failed {
        /// Which ring.
        offer: OfferId,
        /// How: one of [`OfferResult::FAILURES`]; anything else counts as `Unreachable`.
        result: OfferResult,
        /// The SIP status that said it.
        sip_code: Option<u16>,
    },
    /// Agent and caller no longer talk.
    TalkEnded {
        /// Who.
        agent: AgentId,
        /// With whom.
        call: CallId,
    },
    /// The agent put one of those he talks with on hold or took him back.
    Hold {
        /// Who.
        agent: AgentId,
        /// In which call.
        call: CallId,
        /// True: on hold now.
        on: bool,
    },
    /// The agent is in a call outside the queues: he is busy, and gets no offer until it ends unless he may have more calls
    /// at once. Said again when he answers one for which his phone rang.
    OwnCall {
        /// Who.
        agent: AgentId,
        /// Which call.
        call: CallId,
        /// His phone rings for it: until he answers he gets no offer at all.
        rings: bool,
    },
    /// That call is over.
    OwnCallEnded {
        /// Who.
        agent: AgentId,
        /// Which call.
        call: CallId,
    },
    /// The call is over whatever it did; for use at the end of every call. Frees whatever still belongs to it:
    /// nothing after a `Leave` or `TalkEnded`, and a mended fault ([`Kind::AgentRepaired`]) when an agent was
    /// still busy with it.
    CallGone {
        /// Which call.
        call: CallId,
    },
}

/// What the floor asks of its caller, in the order it happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// The turn of somebody who is called back has come: his call begins. The offer follows. Said again for each round of
    /// offers, until he talks or is reached.
    CallBack {
        /// The caller.
        call: CallId,
    },
    /// Ring the agent for the caller. He is reserved already. For one who is called back and has not been reached, by
    /// [`Callback::customer_first`]: ring the customer; [`Input::Reached`] or [`Input::LeaveAs`] is owed, and the same
    /// offer is said again when he is there.
    Offer {
        /// Names this ring.
        offer: OfferId,
        /// The caller.
        call: CallId,
        /// The agent.
        agent: AgentId,
        /// The queue he waits in.
        queue: QueueName,
        /// How long it rings; the floor withdraws it then by itself.
        ring: Duration,
    },
    /// Stop ringing (CANCEL): nobody answered in time, the caller is gone, or the agent's state changed.
    Withdraw {
        /// Which ring.
        offer: OfferId,
    },
    /// The answer counts: let them talk.
    Connect {
        /// Which ring.
        offer: OfferId,
        /// The caller.
        call: CallId,
        /// The agent.
        agent: AgentId,
        /// The queue the caller waited in.
        queue: QueueName,
    },
    /// The answer came too late: end the agent's leg (BYE).
    Discard {
        /// Which ring.
        offer: OfferId,
    },
    /// Ask the queue's dispatch service who shall serve the caller. [`Input::Dispatched`] is owed; when it does not come within
    /// [`config::DispatchTimes::timeout`] the floor goes on without it.
    Dispatch {
        /// The caller.
        call: CallId,
        /// The queue he waits in.
        queue: QueueName,
    },
    /// Tell the caller his place.
    Announce {
        /// The caller.
        call: CallId,
        /// His place, 1 = next.
        position: u32,
        /// In how many minutes he may expect an answer, where the queue tells it: one of 1 (less than a minute), 2, 3, 4, 5, 10,
        /// 15, 20, 30, 45, 60.
        within_minutes: Option<u32>,
    },
    /// Let the caller hear one of the queue's announcements.
    Remind {
        /// The caller.
        call: CallId,
        /// The prompt.
        prompt: String,
    },
    /// The caller is out of the queue by a rule of it; what follows is the engine's choice.
    Left {
        /// The caller.
        call: CallId,
        /// The queue.
        queue: QueueName,
        /// `Timeout`, `Full`, `NoAgents` when the queue does not exist (any more), or that of the rule.
        outcome: QueueOutcome,
        /// Where the rule sends him; [`Way::HangUp`] when it does not say.
        way: Way,
    },
    /// A rule of his queue sent the caller to another, where he waits now. What the engine knows him to be in is not up to
    /// date until it reads this.
    Moved {
        /// The caller.
        call: CallId,
        /// The queue he is in now.
        queue: QueueName,
    },
    /// Write this down.
    Journal {
        /// Whom it concerns.
        about: About,
        /// What happened.
        kind: Kind,
    },
}

/// One agent as seen from outside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AgentView {
    /// His id.
    pub id: AgentId,
    /// His name.
    pub name: String,
    /// His state.
    pub state: AgentStateName,
    /// Since when.
    pub since: Instant,
    /// The pause code when paused; why he is unreachable or logged out when a rule did it.
    pub code: Option<String>,
    /// What will follow: `wrap_up`, `ready`, `offline` or `paused:CODE`, when somebody asked for it; `wrap_up,` before
    /// one of the others.
    pub next: Option<String>,
    /// When the present wrap-up ends by itself, or the present pause is too long.
    pub until: Option<Instant>,
    /// The call he rings for, talks with or finishes; of several that he talks with the one he answered last.
    pub call: Option<CallId>,
    /// How many calls he has, those of his own included.
    pub calls: u8,
    /// He may have one more.
    pub has_room: bool,
    /// His phone rings, for a caller or in a call of his own; who talks meanwhile is `Busy` or `Hold`.
    pub is_rung: bool,
    /// Queues he serves.
    pub queues: BTreeSet<QueueName>,
    /// When he last became free; his place in the order of the idle.
    pub idle_since: Instant,
    /// Not offered before this moment, as his last ring came to nothing.
    pub delayed_until: Option<Instant>,
    /// Rings that failed.
    pub misses: Misses,
    /// His phone is lost: until then his state stands.
    pub missed_from: Option<Instant>,
}

/// One queue as seen from outside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct QueueView {
    /// Its name.
    pub name: QueueName,
    /// Callers in it, those included for whom a phone rings.
    pub waiting: u32,
    /// How long the first-come of them has waited.
    pub longest_wait: Option<Duration>,
    /// Agents who serve it, by state, in the order of [`AgentStateName::ALL`].
    pub agents: [u32; AgentStateName::ALL.len()],
    /// Agents who could be offered a call now: ready, or busy with fewer calls than they may have, and without a delay.
    pub available: u32,
}

impl QueueView {
    /// Agents who serve it and are in `state`.
    pub fn agents_in(&self, state: AgentStateName) -> u32 {
        let at = AgentStateName::ALL.iter().position(|s| *s == state);
        at.and_then(|at| self.agents.get(at)).copied().unwrap_or(0)
    }
}
