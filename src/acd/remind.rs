//! What a queue says to those who wait, beside their place, and the keys by which they leave it.

use std::time::Instant;

use super::Output;
use super::config::QueueConfig;
use super::deadline::Due;
use super::divert::Cause;
use super::floor::{Floor, after};
use super::way::Way;
use crate::id::CallId;
use crate::journal::{About, Kind, QueueOutcome};

impl QueueConfig {
    /// When the next announcement is due after this moment.
    pub(super) fn remind_after(&self, now: Instant) -> Option<Instant> {
        (!self.announcements.is_empty()).then(|| after(now, self.announcements_every))
    }
}

impl Floor {
    /// The next announcement of his queue. While a phone rings for him it waits for the next turn, as he is about to talk.
    pub(super) fn remind_due(&mut self, now: Instant, call: CallId) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let Some(queue) = self.queues.get(&caller.queue) else { return };
        caller.remind_at = queue.config.remind_after(now);
        self.deadlines.set(caller.remind_at, Due::Remind(call));
        if !caller.offers.is_empty() {
            return;
        }
        let prompts = &queue.config.announcements;
        let Some(prompt) = prompts.get(caller.reminders as usize % prompts.len().max(1)).cloned() else { return };
        caller.reminders = caller.reminders.wrapping_add(1);
        self.journal(About::Call(call), Kind::Reminded { prompt: prompt.clone() });
        self.outputs.push_back(Output::Remind { call, prompt });
    }

    /// He pressed a key: one of the queue's leads elsewhere. Where no room is he waits on.
    pub(super) fn key(&mut self, now: Instant, call: CallId, digit: char) {
        let Some(caller) = self.callers.get(&call).filter(|caller| caller.claim.callback.is_none()) else { return };
        let way = self.queues.get(&caller.queue).and_then(|queue| queue.config.exit_keys.get(&digit)).cloned();
        if let Some(way) = way {
            let outcome = if way == Way::CallBack { QueueOutcome::Callback } else { QueueOutcome::Key };
            let cause = Cause { outcome, rule: "exit_keys", figures: None };
            self.divert(now, call, &cause, &way);
        }
    }
}
