//! The work after a talk: whether there is any, who asks for it, who ends it, and when it ends by itself.
//!
//! It belongs to the agent and not to a queue: the queue of the talk says how long it is, and no other queue, call of his
//! own or transfer shortens it or begins it anew.

use std::time::{Duration, Instant};

use super::agent::{LastTalk, State, WrapUp};
use super::config::{QueueConfig, WrapUpMode};
use super::deadline::Slot;
use super::floor::{Floor, after};
use crate::id::{CallId, QueueName};
use crate::journal::StateCause;

/// How long after a talk an agent may still ask for the wrap-up that his queue leaves to him.
const ASK_WITHIN: Duration = Duration::from_secs(30);

/// Whether a talk is followed by a wrap-up, and of what length; without one it ends when somebody says so.
fn after_talk(config: &QueueConfig, is_asked_for: bool) -> Option<Option<Duration>> {
    let timed = Some(config.wrap_up).filter(|time| !time.is_zero());
    match config.wrap_up_mode {
        WrapUpMode::None => None,
        WrapUpMode::Optional => is_asked_for.then_some(None),
        WrapUpMode::OptionalTimed => timed.filter(|_| is_asked_for).map(Some),
        WrapUpMode::Timed => timed.map(Some),
        WrapUpMode::Discretionary => Some(Some(longest(config))),
    }
}

/// How long one lasts when nobody asks for more or less; optional ones are not counted on.
pub(super) fn usual(config: &QueueConfig) -> Duration {
    after_talk(config, false).flatten().unwrap_or_default()
}

/// How long a wrap-up may become at most.
fn longest(config: &QueueConfig) -> Duration {
    config.wrap_up_max.max(config.wrap_up)
}

/// He has it only when he asks.
fn is_his_to_ask(config: &QueueConfig) -> bool {
    match config.wrap_up_mode {
        WrapUpMode::Optional | WrapUpMode::OptionalTimed => true,
        WrapUpMode::None | WrapUpMode::Timed | WrapUpMode::Discretionary => false,
    }
}

/// By how much he extends it when he asks for more.
fn extension(config: &QueueConfig) -> Duration {
    match config.wrap_up_mode {
        WrapUpMode::OptionalTimed | WrapUpMode::Timed => config.wrap_up,
        // He ends it as he likes; the cap stays a cap.
        WrapUpMode::None | WrapUpMode::Optional | WrapUpMode::Discretionary => Duration::ZERO,
    }
}

impl Floor {
    /// The last talk of an agent is over, one of this queue: he wraps up, or is ready. While his phone rings for the next
    /// caller the wrap-up waits: it comes after that talk, or when there is none.
    pub(super) fn begin_wrap_up(&mut self, now: Instant, slot: Slot, call: CallId, queue: QueueName) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        let is_asked_for = std::mem::take(&mut agent.asks_wrap_up);
        agent.last_talk = None;
        let config = self.queues.get(&queue).map(|q| &q.config);
        if let Some(time) = config.and_then(|config| after_talk(config, is_asked_for)) {
            if let State::Ringing { talked, .. } = &mut agent.state {
                *talked = Some((call, queue));
                return self.go_behind(now, slot);
            }
            let until = time.map(|time| after(now, time));
            return self.set_state(slot, State::WrapUp(WrapUp { call, queue, began: now, until }));
        }
        // What he did not ask for in the talk he may still ask for.
        let wrap_up = config.filter(|config| is_his_to_ask(config)).and_then(|config| after_talk(config, true));
        agent.last_talk = wrap_up.map(|time| LastTalk { call, queue, ended: now, time });
        // A delay after a ring for a further caller, or such a ring, goes on.
        self.go_behind(now, slot);
    }

    /// He wants a wrap-up, or more of it.
    pub(super) fn ask_wrap_up(&mut self, now: Instant, slot: Slot, by: StateCause) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        if !agent.talks.is_empty() {
            // Which of his talks is the last is not known yet.
            let mut queues = agent.talks.iter().filter_map(|talk| self.queues.get(&talk.queue));
            agent.asks_wrap_up = queues.any(|queue| is_his_to_ask(&queue.config));
            if agent.asks_wrap_up {
                self.stop_ringing(now, slot);
            }
            return self.refresh(now, slot, by);
        }
        match &mut agent.state {
            State::WrapUp(work) => {
                let (Some(until), Some(queue)) = (work.until, self.queues.get(&work.queue)) else { return };
                let latest = after(work.began, longest(&queue.config));
                let longer = after(until, extension(&queue.config)).min(latest).max(until);
                let work = WrapUp { until: Some(longer), ..work.clone() };
                self.set_state(slot, State::WrapUp(work));
            }
            State::Ready { .. } | State::Ringing { .. } => return self.ask_late(now, slot, by),
            State::Offline | State::Paused(_) => return,
        }
        self.refresh(now, slot, by);
    }

    /// He asks right after the talk, when he is ready already or rings for the next caller, who is then moved on.
    fn ask_late(&mut self, now: Instant, slot: Slot, by: StateCause) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        let Some(talk) = agent.last_talk.take() else { return };
        let LastTalk { call, queue, ended, time } = talk;
        if now.saturating_duration_since(ended) > ASK_WITHIN {
            return;
        }
        self.stop_ringing(now, slot);
        // Counted from the end of the talk, so that asking late gains nothing.
        let until = time.map(|time| after(ended, time).max(now));
        self.set_state(slot, State::WrapUp(WrapUp { call, queue, began: ended, until }));
        self.refresh(now, slot, by);
    }

    /// He rings, and wants to be ready should that come to nothing.
    pub(super) fn forgo_wrap_up(&mut self, slot: Slot) {
        if let Some(State::Ringing { talked, .. }) = self.agents.get_mut(slot).map(|agent| &mut agent.state) {
            *talked = None;
        }
    }

    /// The wrap-up timer ran out.
    pub(super) fn wrap_up_over(&mut self, now: Instant, slot: Slot) {
        self.finish_wrap_up(now, slot, StateCause::Timer);
    }

    /// The agent, a supervisor or the timer ends it; while he talks he takes back that he asked for one.
    pub(super) fn finish_wrap_up(&mut self, now: Instant, slot: Slot, cause: StateCause) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        if std::mem::take(&mut agent.asks_wrap_up) {
            self.refresh(now, slot, cause);
        } else if matches!(agent.state, State::WrapUp(_)) {
            self.become_idle(now, slot);
            self.rest(now, slot, cause);
        }
    }
}
