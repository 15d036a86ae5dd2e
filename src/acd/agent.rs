//! One agent: the state he is in, and what others see of it.
//!
//! ```text
//!   Offline --> Ready --offer--> Ringing --answer--> Talking --end--> WrapUp --> Ready
//!                ^  ^               | no answer, rejected, … : Ready with a delay, or Paused (RNA)
//!                |  +---------------+ caller gone: Ready, idle rank kept
//!   Paused <-----+
//! ```
//!
//! Two things lie over the state without changing it: the phone is gone (`unreachable`) and a call of his own
//! (`busy`). When they pass, the state below is there again, so nothing needs to be restored.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::Wish;
use super::config::AgentConfig;
use super::deadline::{Due, Slot};
use super::strategy::Standing;
use crate::id::{AgentId, CallId, OfferId, QueueName};
use crate::journal::{AgentStateName, StateCause};

/// One more than the states: an agent who is ready but has a delay counts apart.
pub(super) const CLASSES: usize = AgentStateName::ALL.len() + 1;
/// The class of those who may be offered a call.
pub(super) const READY: usize = AgentStateName::Ready as usize;
/// The class of those who are ready but have a delay after a failed offer.
pub(super) const DELAYED: usize = AgentStateName::ALL.len();

/// Who is offline for this long begins a new shift: a pause over noon does not make him the one with fewest calls.
const SHIFT_GAP: Duration = Duration::from_secs(4 * 3_600);

/// The word for a class in [`crate::journal::Why`].
pub(super) fn class_name(class: usize) -> &'static str {
    AgentStateName::ALL.get(class).map_or("delayed", |state| state.as_str())
}

#[derive(Debug)]
pub(super) struct Agent {
    pub config: AgentConfig,
    pub state: State,
    /// A phone of his is registered.
    pub registered: bool,
    /// Calls of his own outside the queues.
    pub own: BTreeSet<CallId>,
    /// His present caller is on hold since.
    pub held_since: Option<Instant>,
    /// What he shall be after this call, and who asked.
    pub next: Option<(Wish, StateCause)>,
    /// A human logged him out: a returning phone does not make him ready.
    pub logged_out: bool,
    /// No longer in the configuration: goes when his calls are over.
    pub leaving: bool,
    /// Missed rings in a row.
    pub missed: u32,
    /// Order of becoming free: lower is idle longer. Kept through rings that came to nothing.
    pub rank: u64,
    /// When `rank` was given.
    pub idle_since: Instant,
    /// Callers answered in this shift.
    pub calls: u64,
    /// Time talked with them, in ms.
    pub talk_ms: u64,
    /// His place among all agents, by the file.
    pub order: u32,
    /// Callers he is not offered, and until when.
    pub excluded: BTreeMap<CallId, Instant>,
    /// Lanes whose callers he may serve.
    pub lanes: Vec<usize>,
    /// How the lanes count him now; `None` before the first time.
    pub counted: Option<Counted>,
    /// What the journal was told last.
    pub shown: Shown,
    /// Since when he is in the shown state.
    pub since: Instant,
}

/// How the lanes of an agent count him.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Counted {
    pub class: usize,
    /// He works: free, with a caller or about to be free. Who is paused, has no phone or is not logged in does not, even while
    /// he is in a call of his own.
    pub is_present: bool,
    /// What strategies look at, when he stands among the idle.
    pub standing: Option<Standing>,
}

impl Counted {
    /// He is on the floor, whatever he does there.
    pub fn is_logged_in(&self) -> bool {
        self.class != AgentStateName::Offline as usize
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Shown {
    pub state: AgentStateName,
    pub code: Option<String>,
    pub next: Option<String>,
    pub call: Option<CallId>,
}

/// States in the order of a working day. Each owns its deadline.
#[derive(Debug)]
pub(super) enum State {
    Offline,
    Ready { delayed_until: Option<Instant> },
    Ringing { offer: OfferId, call: CallId },
    Talking(Talk),
    WrapUp { call: CallId, until: Instant },
    Paused { code: String },
}

#[derive(Debug)]
pub(super) struct Talk {
    pub offer: OfferId,
    pub call: CallId,
    pub queue: QueueName,
    pub answered_at: Instant,
    /// Hold that is over.
    pub held: Duration,
}

impl State {
    /// The deadline this state owns.
    pub fn deadline(&self, slot: Slot) -> Option<(Instant, Due)> {
        match self {
            Self::Ready { delayed_until } => delayed_until.map(|at| (at, Due::Delay(slot))),
            Self::WrapUp { until, .. } => Some((*until, Due::WrapUp(slot))),
            Self::Offline | Self::Ringing { .. } | Self::Talking(_) | Self::Paused { .. } => None,
        }
    }

    /// The call it is about.
    pub fn call(&self) -> Option<CallId> {
        match self {
            Self::Ringing { call, .. } | Self::WrapUp { call, .. } => Some(*call),
            Self::Talking(talk) => Some(talk.call),
            Self::Offline | Self::Ready { .. } | Self::Paused { .. } => None,
        }
    }
}

impl Agent {
    /// An agent who has not come yet.
    pub fn new(now: Instant, config: AgentConfig) -> Self {
        Self {
            config,
            state: State::Offline,
            registered: false,
            own: BTreeSet::new(),
            held_since: None,
            next: None,
            logged_out: false,
            leaving: false,
            missed: 0,
            rank: 0,
            idle_since: now,
            calls: 0,
            talk_ms: 0,
            order: u32::MAX,
            excluded: BTreeMap::new(),
            lanes: Vec::new(),
            counted: None,
            shown: Shown { state: AgentStateName::Offline, code: None, next: None, call: None },
            since: now,
        }
    }

    pub fn id(&self) -> &AgentId {
        &self.config.id
    }

    /// He has a phone that can be rung.
    pub fn is_reachable(&self) -> bool {
        self.registered || self.config.contact.is_some()
    }

    /// He talks, with a caller or in a call of his own.
    pub fn is_engaged(&self) -> bool {
        matches!(self.state, State::Talking(_)) || !self.own.is_empty()
    }

    /// The state as others see it.
    pub fn visible(&self) -> AgentStateName {
        let talking = if self.held_since.is_some() { AgentStateName::Hold } else { AgentStateName::Busy };
        let seen = |state| if self.is_reachable() { state } else { AgentStateName::Unreachable };
        match self.state {
            State::Offline => AgentStateName::Offline,
            _ if self.is_engaged() => talking,
            State::Ready { .. } => seen(AgentStateName::Ready),
            State::Ringing { .. } => AgentStateName::Ringing,
            State::Talking(_) => talking,
            State::WrapUp { .. } => seen(AgentStateName::WrapUp),
            State::Paused { .. } => seen(AgentStateName::Paused),
        }
    }

    /// How his lanes shall count him.
    pub fn class(&self) -> Counted {
        let class = match (self.visible(), &self.state) {
            (AgentStateName::Ready, State::Ready { delayed_until: Some(_) }) => DELAYED,
            (state, _) => state as usize,
        };
        let standing = Standing { rank: self.rank, calls: self.calls, talk_ms: self.talk_ms, order: self.order };
        let is_present = match &self.state {
            State::Offline | State::Paused { .. } => false,
            State::Ringing { .. } | State::Talking(_) => true,
            State::Ready { .. } | State::WrapUp { .. } => self.is_reachable(),
        };
        Counted { class, is_present, standing: (class == READY).then_some(standing) }
    }

    /// He comes after so long an absence that a new shift begins, with no calls counted yet.
    pub fn begin_shift_if_due(&mut self, now: Instant) {
        let was_offline = self.shown.state == AgentStateName::Offline && self.visible() != AgentStateName::Offline;
        if was_offline && now.saturating_duration_since(self.since) >= SHIFT_GAP {
            (self.calls, self.talk_ms) = (0, 0);
        }
    }

    /// What the journal and the screens shall show.
    pub fn show(&self) -> Shown {
        let state = self.visible();
        let code = match (&self.state, state) {
            (State::Paused { code }, AgentStateName::Paused) => Some(code.clone()),
            _ => None,
        };
        let next = self.next.as_ref().map(|(wish, _)| match wish {
            Wish::Ready | Wish::FinishWrapUp => "ready".to_owned(),
            Wish::Pause(code) => format!("paused:{code}"),
            Wish::Logout => "offline".to_owned(),
        });
        let own = || self.own.first().copied().filter(|_| state != AgentStateName::Offline);
        let call = if matches!(self.state, State::WrapUp { .. }) {
            own().or(self.state.call())
        } else {
            self.state.call().or_else(own)
        };
        Shown { state, code, next, call }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_follow_the_order_of_the_states() {
        for (at, state) in AgentStateName::ALL.into_iter().enumerate() {
            assert_eq!(state as usize == READY, state == AgentStateName::Ready);
            assert_eq!(class_name(state as usize), state.as_str(), "{at}");
        }
        assert_eq!(class_name(DELAYED), "delayed");
    }
}
