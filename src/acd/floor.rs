//! The floor's data and its four doors.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use slab::Slab;

use super::agent::{Agent, Counted, Shown, State};
use super::config::{FloorConfig, PauseRules};
use super::deadline::{Deadlines, Due, Slot};
use super::lane::{Caller, Lane, Offer, Queue};
use super::matching::ms;
use super::resume::KeptPlaces;
use super::strategy::Dice;
use super::{Input, Output};
use crate::id::{AgentId, CallId, OfferId, QueueName};
use crate::journal::{About, Kind, QueueOutcome, StateCause};

/// Deadlines that one call of [`Floor::handle_timeout`] sees to at most: a millisecond's work.
const AT_ONCE: usize = 500;

/// All queues and agents of the centre.
///
/// Drain [`Floor::poll_output`] after each input; call [`Floor::handle_timeout`] at [`Floor::poll_timeout`].
#[derive(Debug)]
pub struct Floor {
    /// Entry times are counted in seconds from here.
    pub(super) origin: Instant,
    pub(super) agents: Slab<Agent>,
    pub(super) by_name: BTreeMap<AgentId, Slot>,
    pub(super) queues: BTreeMap<QueueName, Queue>,
    pub(super) lanes: Slab<Lane>,
    pub(super) callers: BTreeMap<CallId, Caller>,
    /// Rings, and the talks that came of them.
    pub(super) offers: BTreeMap<OfferId, Offer>,
    /// Callers of the last process, for those who call again.
    pub(super) interrupted: KeptPlaces,
    /// Calls that agents are busy with: talks and calls of their own.
    pub(super) engaged: BTreeSet<(CallId, Slot)>,
    pub(super) deadlines: Deadlines,
    pub(super) pauses: PauseRules,
    /// How long a lost phone is not missed.
    pub(super) grace: Duration,
    pub(super) outputs: VecDeque<Output>,
    pub(super) next_offer: u64,
    pub(super) next_rank: u64,
    pub(super) next_seq: u64,
    /// Agents in the order of the file.
    pub(super) roster: Vec<AgentId>,
    /// Where strategies of chance have theirs from. The seed is fixed: a replay must choose alike, and nobody gains
    /// by knowing who is rung next.
    pub(super) dice: Dice,
    /// Inputs, configurations and deadlines so far.
    pub(super) turns: u64,
    /// Agents and callers who may have become matchable in the present input.
    pub(super) free_agents: Vec<Slot>,
    pub(super) free_callers: Vec<CallId>,
}

impl Floor {
    /// An open floor: agents with a fixed contact and `auto_ready` are ready at once, in the order of their ids.
    pub fn new(now: Instant, config: FloorConfig) -> Self {
        let mut floor = Self {
            origin: now,
            agents: Slab::new(),
            by_name: BTreeMap::new(),
            queues: BTreeMap::new(),
            lanes: Slab::new(),
            callers: BTreeMap::new(),
            offers: BTreeMap::new(),
            interrupted: KeptPlaces::default(),
            engaged: BTreeSet::new(),
            deadlines: Deadlines::default(),
            pauses: PauseRules::default(),
            grace: Duration::ZERO,
            outputs: VecDeque::new(),
            next_offer: 0,
            next_rank: 0,
            next_seq: 0,
            roster: Vec::new(),
            dice: Dice(0),
            turns: 0,
            free_agents: Vec::new(),
            free_callers: Vec::new(),
        };
        floor.apply(now, config);
        floor
    }

    /// Something happened.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.turns += 1;
        match input {
            Input::Enqueue(arrival) => self.arrives(now, arrival),
            Input::Reached { call } => self.reached(now, call),
            Input::Refuse { call, queue, outcome } => {
                self.leave(now, call, QueueOutcome::Transferred);
                self.refuse(call, &queue, outcome);
            }
            Input::Key { call, digit } => self.key(now, call, digit),
            Input::Relax { call, skills } => self.relax(now, call, skills),
            Input::Leave { call } => self.leave(now, call, QueueOutcome::Abandoned),
            Input::LeaveAs { call, outcome } => self.leave(now, call, outcome),
            Input::Answered { offer } => self.answered(now, offer),
            Input::Failed { offer, result, sip_code } => self.failed(now, offer, result, sip_code),
            Input::CallGone { call } => self.call_gone(now, call),
            Input::Reachable { agent, reachable } => self.at(&agent, |f, slot| f.reachable(now, slot, reachable)),
            Input::PhoneLost { agent } => self.at(&agent, |f, slot| f.phone_lost(now, slot)),
            Input::Dispatched { call, choice } => self.dispatched(now, call, choice),
            Input::Want { agent, wish, by } => self.at(&agent, |f, slot| f.want(now, slot, wish, by)),
            Input::TalkEnded { agent, call } => self.at(&agent, |f, slot| f.talk_ended(now, slot, call)),
            Input::Hold { agent, call, on } => self.at(&agent, |f, slot| f.hold(now, slot, call, on)),
            Input::OwnCall { agent, call, rings } => self.at(&agent, |f, slot| f.own_call(now, slot, call, rings)),
            Input::OwnCallEnded { agent, call } => self.at(&agent, |f, slot| f.own_call_ended(now, slot, call)),
        }
        self.settle(now);
    }

    /// Does what is due at `now`; nothing when it is called early. Deadlines are taken one by one in their
    /// order, each followed by matching. When very many are due at once, as after a reload with 100,000 waiting, some are
    /// left for the next call, and [`Floor::poll_timeout`] says that it is due: whoever calls may see to other things first.
    pub fn handle_timeout(&mut self, now: Instant) {
        for _ in 0..AT_ONCE {
            let Some(due) = self.deadlines.pop(now) else { break };
            self.turns += 1;
            match due {
                Due::WrapUp(slot) => self.wrap_up_over(now, slot),
                Due::PauseMax(slot) => self.pause_over(now, slot),
                Due::Lagged(slot) => self.lagged(now, slot),
                Due::Delay(slot) => self.delay_over(now, slot),
                Due::Exclusion(slot, call) => self.exclusion_over(slot, call),
                Due::Ring(offer) => self.ring_timed_out(now, offer),
                Due::More(call) => self.more_due(now, call),
                Due::Overdue(call) => self.overdue(now, call),
                Due::Step(call) => self.go_on(now, call),
                Due::LeftAlone(lane) => self.left_alone(now, lane),
                Due::Deserted(lane) => self.deserted(now, lane),
                Due::Overflow(call) => self.overflow_due(now, call),
                Due::MaxWait(call) => self.leave_by_rule(now, call, QueueOutcome::Timeout),
                Due::Announce(call) => self.announce_due(now, call),
                Due::Remind(call) => self.remind_due(now, call),
            }
            self.settle(now);
        }
    }

    /// When to call [`Floor::handle_timeout`] next; `None` when nothing is due ever.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// The next thing to do; call until it returns `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn journal(&mut self, about: About, kind: Kind) {
        self.outputs.push_back(Output::Journal { about, kind });
    }

    /// Brings an agent into a state: the old state's deadline goes, the new one's comes. To be followed by
    /// `refresh`, which tells everybody.
    pub(super) fn set_state(&mut self, slot: Slot, state: State) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        if let Some((at, due)) = agent.state.deadline(slot) {
            self.deadlines.clear(Some(at), due);
        }
        if let Some((at, due)) = state.deadline(slot) {
            self.deadlines.set(Some(at), due);
        }
        if !matches!(state, State::Offline) {
            agent.offline_code = None;
        }
        agent.state = state;
    }

    /// After any change of an agent: his lanes count him anew, and the journal hears what others can see.
    pub(super) fn refresh(&mut self, now: Instant, slot: Slot, cause: StateCause) {
        self.recount(now, slot);
        self.show(now, slot, cause);
    }

    /// His lanes count him anew: at once, or once it is known that nobody takes him who has just become free.
    fn recount(&mut self, now: Instant, slot: Slot) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        agent.begin_shift_if_due(now);
        let (before, counted) = (agent.counted, agent.class());
        agent.pending = None;
        if before == Some(counted) {
            return;
        }
        if counted.standing.is_some() {
            self.free_agents.push(slot);
            if before.is_some_and(|before| before.standing.is_none() && before.is_as_present(&counted)) {
                agent.pending = Some(counted);
                return;
            }
        }
        self.count(now, slot, counted);
    }

    /// His lanes count him like this.
    fn count(&mut self, now: Instant, slot: Slot, counted: Counted) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        let (before, counted) = (agent.counted, Some(counted));
        for index in &agent.lanes {
            if let Some(lane) = self.lanes.get_mut(*index) {
                lane.recount(slot, before, counted, &agent.config);
                lane.watch(now, *index, &mut self.deadlines);
            }
        }
        for index in &agent.prospects {
            if let Some(lane) = self.lanes.get_mut(*index) {
                lane.foresee(slot, before, counted);
            }
        }
        agent.counted = counted;
        self.tend_lanes_of(now, slot, before, counted);
    }

    /// Nobody took them who have just become free, or that is to be decided among all: they stand among the idle.
    pub(super) fn count_free(&mut self, now: Instant) {
        for at in 0..self.free_agents.len() {
            let Some(slot) = self.free_agents.get(at).copied() else { break };
            if let Some(counted) = self.agents.get_mut(slot).and_then(|agent| agent.pending.take()) {
                self.count(now, slot, counted);
            }
        }
    }

    /// What others can see of him now.
    fn show(&mut self, now: Instant, slot: Slot, cause: StateCause) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        let shown = agent.show();
        if shown == agent.shown {
            return;
        }
        if (shown.state, &shown.code) != (agent.shown.state, &agent.shown.code) {
            agent.since = now;
        }
        agent.shown = shown.clone();
        let about = About::Agent(agent.id().clone());
        let left_ms = shown.until.map(|until| ms(until, now));
        let Shown { state, code, next, call, .. } = shown;
        let kind = Kind::AgentState { state, code, next, cause, call, left_ms };
        self.journal(about, kind);
    }

    /// Runs `action` for an agent, if he is known.
    fn at(&mut self, agent: &AgentId, action: impl FnOnce(&mut Self, Slot)) {
        if let Some(slot) = self.by_name.get(agent).copied() {
            action(self, slot);
        }
    }
}

/// `now + time`, with `time` bounded by a year so that no configured value can overflow.
pub(super) fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time.min(Duration::from_secs(365 * 86_400))).unwrap_or(now)
}
