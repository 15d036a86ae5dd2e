//! Agents as they were when the last process ended: the journal tells, a new floor takes it over.
//!
//! Pauses and wrap-ups go on with the time they have left, who was logged out stays out, and who was ready or in a call
//! that died with the process is ready, as soon as his phone is there. Figures of the shift go on too.

use std::time::{Duration, Instant};

use super::agent::{Pause, State, WrapUp};
use super::deadline::Slot;
use super::floor::{Floor, after};
use crate::id::{AgentId, CallId, QueueName};
use crate::journal::{AgentAction, OfferResult, StateCause};

/// What the journal says of one agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Former {
    /// Who.
    pub agent: AgentId,
    /// Callers answered in his shift.
    pub calls: u64,
    /// Time talked with them, in ms.
    pub talk_ms: u64,
    /// Rings that failed in his shift, in the order of [`OfferResult::FAILURES`].
    pub missed: [u32; OfferResult::FAILURES.len()],
    /// His state.
    pub state: FormerState,
}

/// The state of an agent when the last process ended.
#[derive(Clone, Debug, PartialEq)]
pub enum FormerState {
    /// Not there.
    Offline {
        /// For how long by now.
        since: Duration,
        /// By somebody's choice or a rule: a phone alone does not bring him back.
        logged_out: bool,
    },
    /// Paused.
    Paused {
        /// The code.
        code: String,
        /// For how long by now.
        since: Duration,
    },
    /// At work after a talk.
    WrapUp {
        /// The call.
        call: CallId,
        /// Its queue.
        queue: QueueName,
        /// For how long by now.
        since: Duration,
        /// How much of its time is left; without one it ends when somebody says so.
        left: Option<Duration>,
    },
    /// There: ready, or busy with a call that is over now.
    There,
}

/// A caller who waited when the last process ended, and whose call ended with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Interrupted {
    /// Where he waited.
    pub queue: QueueName,
    /// His number.
    pub number: String,
    /// How long ago he had entered.
    pub since: Duration,
}

impl Floor {
    /// Takes over what the journal says of the last process; said once, before any other input. Agents who are not in the
    /// configuration are left out. Callers who waited keep their places for five minutes.
    pub fn restore(&mut self, now: Instant, agents: Vec<Former>, waiting: Vec<Interrupted>) {
        self.turns += 1;
        self.keep_places(now, waiting);
        for former in agents {
            if let Some(slot) = self.by_name.get(&former.agent).copied() {
                self.restore_agent(now, slot, former);
            }
        }
        self.settle(now);
    }

    fn restore_agent(&mut self, now: Instant, slot: Slot, former: Former) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        let ago = |time: Duration| now.checked_sub(time).unwrap_or(now);
        (agent.calls, agent.talk_ms) = (former.calls, former.talk_ms);
        agent.misses.shift = former.missed;
        match former.state {
            FormerState::Offline { since, logged_out } => {
                agent.logged_out = logged_out;
                if logged_out && !matches!(agent.state, State::Offline) {
                    self.set_state(slot, State::Offline);
                }
                self.refresh(now, slot, StateCause::Restored);
                // His shift ends by how long he has been away, not by how long this process has run.
                if let Some(agent) = self.agents.get_mut(slot).filter(|a| matches!(a.state, State::Offline)) {
                    agent.since = ago(since);
                }
                return;
            }
            FormerState::Paused { code, since } => {
                let began = ago(since);
                let until = self.pauses.limit(&code, began);
                // What was told before is not told again.
                let is_alert = self.pauses.codes.get(&code).is_some_and(|rule| rule.after_max == AgentAction::Alert);
                let is_told = is_alert && until.is_some_and(|at| at <= now);
                let until = until.filter(|_| !is_told).map(|at| at.max(now));
                self.set_state(slot, State::Paused(Pause { code, began, until, is_told }));
            }
            FormerState::WrapUp { call, queue, since, left } => {
                let until = left.map(|left| after(now, left));
                self.set_state(slot, State::WrapUp(WrapUp { call, queue, began: ago(since), until }));
            }
            FormerState::There if matches!(agent.state, State::Offline) => self.become_idle(now, slot),
            FormerState::There => {}
        }
        self.refresh(now, slot, StateCause::Restored);
    }
}
