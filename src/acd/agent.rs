//! One agent: the state he is in, and what others see of it.
//!
//! ```text
//!   Offline --> Ready --offer--> Ringing --answer--> Ready, and he talks --last talk ends--> WrapUp --> Ready
//!                ^  ^               | no answer, rejected, … : Ready with a delay, or Paused (RNA)
//!                |  +---------------+ caller gone: Ready, idle rank kept
//!   Paused <-----+
//! ```
//!
//! Three things lie over the state without changing it: the phone is gone (`unreachable`), talks with callers and calls
//! of his own (`busy`, `hold`). When they pass, the state below is there again, so nothing needs to be restored. While he
//! has fewer calls than his `capacity` he may be offered one more caller: his state is then `Ready` or `Ringing` below
//! the calls he has. What is asked of him meanwhile, as a pause, waits as `next` until the last call is over.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::config::AgentConfig;
use super::deadline::{Due, Slot};
use super::misses::Misses;
use super::phone::Phone;
use super::strategy::Standing;
use super::{UNREACHABLE_LAGGED, Wish};
use crate::id::{AgentId, CallId, OfferId, QueueName};
use crate::journal::{AgentStateName, SHIFT_GAP, StateCause};

/// More than the states: an agent who is ready but has a delay counts apart, and so does one who talks and has room for
/// one more call.
pub(super) const CLASSES: usize = AgentStateName::ALL.len() + 3;
/// The class of those who have no call and may be offered one.
const READY: usize = AgentStateName::Ready as usize;
/// The class of those who are ready but have a delay after a failed offer, or whose phone was lost a moment ago.
const DELAYED: usize = AgentStateName::ALL.len();
/// The classes of those who are busy or hold and may be offered one more call.
const OPEN_BUSY: usize = DELAYED + 1;
const OPEN_HOLD: usize = DELAYED + 2;

/// The word for a class in [`crate::journal::Why`].
pub(super) fn class_name(class: usize) -> &'static str {
    match class {
        OPEN_BUSY => AgentStateName::Busy.as_str(),
        OPEN_HOLD => AgentStateName::Hold.as_str(),
        state => AgentStateName::ALL.get(state).map_or("delayed", |state| state.as_str()),
    }
}

/// Agents of this class may be offered a call.
pub(super) fn is_open_class(class: usize) -> bool {
    matches!(class, READY | OPEN_BUSY | OPEN_HOLD)
}

/// Counts by class as counts by state, in the order of [`AgentStateName::ALL`].
pub(super) fn by_state(counts: [u32; CLASSES]) -> [u32; AgentStateName::ALL.len()] {
    let [offline, ready, ringing, busy, hold, wrap_up, paused, unreachable, delayed, open_busy, open_hold] = counts;
    [offline, ready + delayed, ringing, busy + open_busy, hold + open_hold, wrap_up, paused, unreachable]
}

#[derive(Debug)]
pub(super) struct Agent {
    pub config: AgentConfig,
    pub state: State,
    /// Whether a phone of his is registered.
    pub phone: Phone,
    /// Talks with callers, in the order in which he answered them: the last is the present one.
    pub talks: Vec<Talk>,
    /// Calls of his own outside the queues.
    pub own: BTreeMap<CallId, OwnCall>,
    /// What he shall be after his calls, and who asked.
    pub next: Option<(Wish, StateCause)>,
    /// He asked for a wrap-up after his talks.
    pub asks_wrap_up: bool,
    /// The talk that gave him no wrap-up, while he may still ask for one.
    pub last_talk: Option<LastTalk>,
    /// A human logged him out: a returning phone does not make him ready.
    pub logged_out: bool,
    /// No longer in the configuration: goes when his calls are over.
    pub leaving: bool,
    /// While logged out: the rule that did it.
    pub offline_code: Option<&'static str>,
    /// Rings that failed.
    pub misses: Misses,
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
    /// Lanes whose callers he may serve by a later step of the ladder, but not now.
    pub prospects: Vec<usize>,
    /// How the lanes count him now; `None` before the first time.
    pub counted: Option<Counted>,
    /// How they will, when he is still free after the matching that follows: mostly he is not.
    pub pending: Option<Counted>,
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

    /// Whether he is there makes no difference between the two.
    pub fn is_as_present(&self, other: &Self) -> bool {
        (self.is_present, self.is_logged_in()) == (other.is_present, other.is_logged_in())
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Shown {
    pub state: AgentStateName,
    pub code: Option<String>,
    pub next: Option<String>,
    pub call: Option<CallId>,
    /// When the state ends by itself.
    pub until: Option<Instant>,
}

/// States in the order of a working day. Each owns its deadline.
#[derive(Debug)]
pub(super) enum State {
    Offline,
    /// He takes callers, as far as the calls he has leave room.
    Ready {
        delayed_until: Option<Instant>,
    },
    /// His phone rings for this caller; he may talk with others meanwhile.
    Ringing {
        offer: OfferId,
        call: CallId,
        /// The last of his talks, when it ended meanwhile: its wrap-up follows unless he answers.
        talked: Option<(CallId, QueueName)>,
    },
    WrapUp(WrapUp),
    Paused(Pause),
}

/// A talk with a caller.
#[derive(Debug)]
pub(super) struct Talk {
    pub offer: OfferId,
    pub call: CallId,
    pub queue: QueueName,
    pub answered_at: Instant,
    /// Hold that is over.
    pub held: Duration,
    /// The caller is on hold since.
    pub held_since: Option<Instant>,
}

impl Talk {
    /// The caller is put on hold or taken back.
    pub fn hold(&mut self, now: Instant, on: bool) {
        match (self.held_since, on) {
            (None, true) => self.held_since = Some(now),
            (Some(since), false) => {
                self.held += now.saturating_duration_since(since);
                self.held_since = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
}

/// What goes on in a call of his own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum OwnCall {
    /// His phone rings for it.
    Rings,
    Talks,
    Held,
}

/// A pause.
#[derive(Clone, Debug)]
pub(super) struct Pause {
    pub code: String,
    pub began: Instant,
    /// When it is too long.
    pub until: Option<Instant>,
    /// That it is too long has been told.
    pub is_told: bool,
}

/// A talk that is over.
#[derive(Clone, Debug)]
pub(super) struct LastTalk {
    pub call: CallId,
    pub queue: QueueName,
    pub ended: Instant,
    /// How long its wrap-up is; without a time it ends when somebody says so.
    pub time: Option<Duration>,
}

/// The work after a talk.
#[derive(Clone, Debug)]
pub(super) struct WrapUp {
    pub call: CallId,
    pub queue: QueueName,
    pub began: Instant,
    /// When it ends by itself.
    pub until: Option<Instant>,
}

impl State {
    /// The deadline this state owns.
    pub fn deadline(&self, slot: Slot) -> Option<(Instant, Due)> {
        match self {
            Self::Ready { delayed_until } => delayed_until.map(|at| (at, Due::Delay(slot))),
            Self::WrapUp(work) => work.until.map(|at| (at, Due::WrapUp(slot))),
            Self::Paused(pause) => pause.until.map(|at| (at, Due::PauseMax(slot))),
            Self::Offline | Self::Ringing { .. } => None,
        }
    }

    /// The call it is about.
    pub fn call(&self) -> Option<CallId> {
        match self {
            Self::Ringing { call, .. } => Some(*call),
            Self::WrapUp(work) => Some(work.call),
            Self::Offline | Self::Ready { .. } | Self::Paused(_) => None,
        }
    }
}

impl Agent {
    /// An agent who has not come yet.
    pub fn new(now: Instant, config: AgentConfig) -> Self {
        Self {
            config,
            state: State::Offline,
            phone: Phone::Gone { lagged: false },
            // Room for one: most may have no more, and their talks then take no memory of their own.
            talks: Vec::with_capacity(1),
            own: BTreeMap::new(),
            next: None,
            asks_wrap_up: false,
            last_talk: None,
            logged_out: false,
            leaving: false,
            offline_code: None,
            misses: Misses::default(),
            rank: 0,
            idle_since: now,
            calls: 0,
            talk_ms: 0,
            order: u32::MAX,
            excluded: BTreeMap::new(),
            lanes: Vec::new(),
            prospects: Vec::new(),
            counted: None,
            pending: None,
            shown: Shown { state: AgentStateName::Offline, code: None, next: None, call: None, until: None },
            since: now,
        }
    }

    pub fn id(&self) -> &AgentId {
        &self.config.id
    }

    /// He has a phone, or lost it so lately that nobody misses him.
    pub fn is_reachable(&self) -> bool {
        match self.phone {
            Phone::There | Phone::Lost { .. } => true,
            Phone::Gone { .. } => self.config.contact.is_some(),
        }
    }

    /// He has a phone that can be rung now.
    fn can_be_rung(&self) -> bool {
        self.phone == Phone::There || self.config.contact.is_some()
    }

    /// He talks, with a caller or in a call of his own.
    pub fn is_engaged(&self) -> bool {
        !self.talks.is_empty() || !self.own.is_empty()
    }

    /// How many calls he has: talks and calls of his own, without the one his phone rings for.
    pub fn load(&self) -> u8 {
        u8::try_from(self.talks.len() + self.own.len()).unwrap_or(u8::MAX)
    }

    /// He may have one more call beside those he has.
    pub fn has_room(&self) -> bool {
        self.load() < self.config.capacity
    }

    /// His phone rings, for a caller or in a call of his own.
    pub fn is_rung(&self) -> bool {
        matches!(self.state, State::Ringing { .. }) || self.own.values().any(|own| *own == OwnCall::Rings)
    }

    /// The talk with this caller.
    pub fn talk_mut(&mut self, call: CallId) -> Option<&mut Talk> {
        self.talks.iter_mut().find(|talk| talk.call == call)
    }

    /// He wants something else after his calls than one more of them.
    pub fn is_to_stop(&self) -> bool {
        self.asks_wrap_up || self.next.as_ref().is_some_and(|(wish, _)| *wish != Wish::Ready)
    }

    /// He has calls, and but for a delay may be offered one more.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Ready { .. })
            && self.is_engaged()
            && self.has_room()
            && !self.is_rung()
            && !self.is_to_stop()
            && self.can_be_rung()
    }

    /// Every caller he talks with is on hold; without one, every call of his own.
    fn is_on_hold(&self) -> bool {
        match self.talks.is_empty() {
            true => self.own.values().all(|own| *own == OwnCall::Held),
            false => self.talks.iter().all(|talk| talk.held_since.is_some()),
        }
    }

    /// The state as others see it.
    pub fn visible(&self) -> AgentStateName {
        let talking = || if self.is_on_hold() { AgentStateName::Hold } else { AgentStateName::Busy };
        let seen = |state| if self.is_reachable() { state } else { AgentStateName::Unreachable };
        match self.state {
            State::Offline => AgentStateName::Offline,
            _ if self.is_engaged() => talking(),
            State::Ready { .. } => seen(AgentStateName::Ready),
            State::Ringing { .. } => AgentStateName::Ringing,
            State::WrapUp(_) => seen(AgentStateName::WrapUp),
            State::Paused(_) => seen(AgentStateName::Paused),
        }
    }

    /// How his lanes shall count him.
    pub fn class(&self) -> Counted {
        let class = match (self.visible(), &self.state) {
            (AgentStateName::Ready, State::Ready { delayed_until: Some(_) }) => DELAYED,
            (AgentStateName::Ready, _) if !self.can_be_rung() => DELAYED,
            (AgentStateName::Busy, State::Ready { delayed_until: None }) if self.is_open() => OPEN_BUSY,
            (AgentStateName::Hold, State::Ready { delayed_until: None }) if self.is_open() => OPEN_HOLD,
            (state, _) => state as usize,
        };
        let Self { rank, calls, talk_ms, order, .. } = *self;
        let standing = Standing { load: self.load(), rank, calls, talk_ms, order };
        let is_present = match &self.state {
            State::Offline | State::Paused { .. } => false,
            State::Ringing { .. } => true,
            State::Ready { .. } | State::WrapUp { .. } => !self.talks.is_empty() || self.is_reachable(),
        };
        Counted { class, is_present, standing: is_open_class(class).then_some(standing) }
    }

    /// He comes after so long an absence that a new shift begins, with no calls counted yet.
    pub fn begin_shift_if_due(&mut self, now: Instant) {
        let was_offline = self.shown.state == AgentStateName::Offline && self.visible() != AgentStateName::Offline;
        if was_offline && now.saturating_duration_since(self.since) >= SHIFT_GAP {
            (self.calls, self.talk_ms, self.misses) = (0, 0, Misses::default());
        }
    }

    /// What the journal and the screens shall show.
    pub fn show(&self) -> Shown {
        let state = self.visible();
        let code = match (&self.state, state) {
            (State::Paused(pause), AgentStateName::Paused) => Some(pause.code.clone()),
            (State::Offline, _) => self.offline_code.map(str::to_owned),
            (_, AgentStateName::Unreachable) if self.phone == Phone::Gone { lagged: true } => {
                Some(UNREACHABLE_LAGGED.to_owned())
            }
            _ => None,
        };
        let next = self.next.as_ref().map(|(wish, _)| match wish {
            Wish::Ready | Wish::FinishWrapUp | Wish::WrapUp => "ready".to_owned(),
            Wish::Pause(code) => format!("paused:{code}"),
            Wish::Logout => "offline".to_owned(),
        });
        let own = || self.own.keys().next().copied().filter(|_| state != AgentStateName::Offline);
        // Of several he has the one he answered last.
        let present = self.talks.last().map(|talk| talk.call).or_else(own);
        let next = match (self.asks_wrap_up, next) {
            (false, next) => next,
            (true, None) => Some("wrap_up".to_owned()),
            (true, Some(next)) => Some(format!("wrap_up,{next}")),
        };
        let (call, until) = match &self.state {
            State::WrapUp(work) => {
                (present.or(Some(work.call)), work.until.filter(|_| state == AgentStateName::WrapUp))
            }
            State::Paused(pause) => (present, pause.until.filter(|_| state == AgentStateName::Paused)),
            other => (present.or(other.call()), None),
        };
        Shown { state, code, next, call, until }
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
            let mut counts = [0; CLASSES];
            counts[state as usize] = 1;
            assert_eq!(by_state(counts)[at], 1, "{state:?}");
        }
        assert_eq!([DELAYED, OPEN_BUSY, OPEN_HOLD].map(class_name), ["delayed", "busy", "hold"]);
        let mut counts = [0; CLASSES];
        (counts[DELAYED], counts[OPEN_BUSY], counts[OPEN_HOLD]) = (1, 2, 3);
        assert_eq!(by_state(counts), [0, 1, 0, 2, 3, 0, 0, 0]);
    }
}
