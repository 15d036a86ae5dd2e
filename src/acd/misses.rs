//! Rings that came to nothing by the agent's or his phone's doing: five causes, each with its own delay, its own count
//! and its own action when it happens so often in a row.

use std::time::{Duration, Instant};

use super::agent::State;
use super::config::QueueConfig;
use super::deadline::Slot;
use super::floor::Floor;
use super::{PAUSE_RNA, Wish};
use crate::journal::{About, AgentAction, Kind, OfferResult, StateCause};

/// What a queue does about an agent whose rings fail in the same way again and again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MissRule {
    /// After how many in a row; 0 = never.
    pub threshold: u32,
    /// What. [`AgentAction::Ready`] is to go on as before.
    pub action: AgentAction,
}

impl Default for MissRule {
    fn default() -> Self {
        Self { threshold: 3, action: AgentAction::Ready }
    }
}

/// Failures of one agent by cause, in the order of [`OfferResult::FAILURES`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Misses {
    /// In a row: an answer, or a human choosing a state for him, breaks it. Other causes do not.
    pub row: [u32; OfferResult::FAILURES.len()],
    /// In this shift.
    pub shift: [u32; OfferResult::FAILURES.len()],
}

impl Misses {
    /// One more; how many in a row it makes.
    fn count(&mut self, result: OfferResult) -> u32 {
        let Some(at) = result.failure() else { return 0 };
        for counts in [&mut self.row, &mut self.shift] {
            if let Some(count) = counts.get_mut(at) {
                *count = count.saturating_add(1);
            }
        }
        self.row.get(at).copied().unwrap_or(0)
    }

    /// Somebody is there.
    pub(super) fn break_rows(&mut self) {
        self.row = Default::default();
    }
}

impl QueueConfig {
    fn rule(&self, result: OfferResult) -> MissRule {
        match result {
            OfferResult::NoAnswer => MissRule { threshold: self.rna_threshold, action: self.rna_action },
            OfferResult::Rejected => self.on_rejected,
            OfferResult::Busy => self.on_busy,
            OfferResult::Timeout => self.on_timeout,
            OfferResult::Unreachable
            | OfferResult::Accepted
            | OfferResult::CallerGone
            | OfferResult::LostRace
            | OfferResult::Withdrawn => self.on_unreachable,
        }
    }

    /// How long the agent gets no offer after one that failed so.
    pub(super) fn delay_after(&self, result: OfferResult) -> Duration {
        match result {
            OfferResult::NoAnswer => self.delay_no_answer,
            OfferResult::Rejected => self.delay_rejected,
            OfferResult::Busy => self.delay_busy,
            OfferResult::Timeout => self.delay_timeout,
            OfferResult::Unreachable
            | OfferResult::Accepted
            | OfferResult::CallerGone
            | OfferResult::LostRace
            | OfferResult::Withdrawn => self.delay_unreachable,
        }
    }
}

impl Floor {
    /// Counts a ring that failed, and does what the queue's rule says. True when that keeps callers from him.
    pub(super) fn missed(&mut self, now: Instant, slot: Slot, rule: MissRule, result: OfferResult) -> bool {
        let Some(agent) = self.agents.get_mut(slot) else { return true };
        let count = agent.misses.count(result);
        if rule.threshold == 0 || count < rule.threshold || rule.action == AgentAction::Ready {
            return false;
        }
        let (id, is_engaged) = (agent.id().clone(), agent.is_engaged());
        self.journal(About::Agent(id), Kind::OffersMissed { result, count, action: rule.action });
        match rule.action {
            AgentAction::Ready | AgentAction::Alert => return false,
            AgentAction::Pause if is_engaged => self.do_after_calls(slot, Wish::Pause(PAUSE_RNA.to_owned())),
            AgentAction::Logout if is_engaged => self.do_after_calls(slot, Wish::Logout),
            AgentAction::Pause => self.pause(now, slot, PAUSE_RNA.to_owned()),
            AgentAction::Logout => self.log_out_by_rule(slot, PAUSE_RNA),
        }
        self.refresh(now, slot, StateCause::Rna);
        true
    }

    /// The rule holds once he is in no call any more. A human who wanted something else of him had ended the ring.
    fn do_after_calls(&mut self, slot: Slot, wish: Wish) {
        self.set_state(slot, State::Ready { delayed_until: None });
        if let Some(agent) = self.agents.get_mut(slot) {
            agent.next = Some((wish, StateCause::Rna));
        }
    }

    /// The rule of a queue for rings that end so.
    pub(super) fn miss_rule(config: Option<&QueueConfig>, result: OfferResult) -> MissRule {
        config.map_or(MissRule { threshold: 0, action: AgentAction::Ready }, |config| config.rule(result))
    }
}
