//! Overflow: a queue that is too much for its agents sends callers elsewhere.
//!
//! Bounds on the queue as a whole turn away who comes; they are switches with two points, so that a queue at its bound does not
//! send every second caller away. The bound on the wait is each caller's own. A queue that is full overflows before it
//! refuses.

use std::time::{Duration, Instant};

use super::deadline::Due;
use super::divert::Cause;
use super::floor::{Floor, after};
use super::lane::Queue;
use super::matching::ms;
use super::way::{Bound, Way};
use crate::id::{CallId, QueueName};
use crate::journal::QueueOutcome;

/// Time until a caller is tried again for whom there was no room where he should go.
const RETRY: Duration = Duration::from_secs(5);

/// Which bounds of a queue are passed and not yet back under their lower point.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Over {
    size: bool,
    per_agent: bool,
    estimated_wait: bool,
    /// Seconds that who came last would have waited.
    wait_s: u64,
}

/// Why who comes is turned away, by these figures.
fn cause(rule: &'static str, is: u64, limit: u64) -> Cause {
    Cause { outcome: QueueOutcome::Overflow, rule, figures: Some((is, limit)) }
}

/// Switches on from `on` on, off down from `off`, and stays between; figures and points count for `per` each.
fn switch(is_on: bool, bound: Option<Bound>, figure: u64, per: u64) -> bool {
    bound.is_some_and(|Bound { on, off }| match is_on {
        true => figure > u64::from(off).saturating_mul(per),
        false => figure >= u64::from(on).saturating_mul(per),
    })
}

impl Queue {
    /// Callers who wait on the line.
    pub fn live(&self) -> usize {
        self.order.len().saturating_sub(self.kept)
    }

    /// Callers who wait, and whether there is no room for one more.
    pub fn size(&self) -> (u64, bool) {
        let size = u64::try_from(self.live()).unwrap_or(u64::MAX);
        (size, size >= u64::from(self.config.max_waiting))
    }
}

impl Floor {
    /// Callers or agents of a queue are others than before: looks at its bounds.
    pub(super) fn gauge(&mut self, name: &QueueName) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let agents = self.lanes.get(queue.base).map_or(0, |lane| u64::from(lane.staffed())).max(1);
        let ((size, _), rules) = (queue.size(), &queue.config.overflow);
        queue.over.size = switch(queue.over.size, rules.size, size, 1);
        queue.over.per_agent = switch(queue.over.per_agent, rules.per_agent, size, agents);
    }

    /// Somebody comes: looks at what he would have to wait.
    pub(super) fn gauge_wait(&mut self, now: Instant, name: &QueueName) {
        let bound = self.queues.get(name).and_then(|queue| queue.config.overflow.estimated_wait);
        let wait = bound.and_then(|_| self.estimate_for_rules(now, name)).map(|estimate| estimate.p50.as_secs());
        if let Some(queue) = self.queues.get_mut(name) {
            let was = queue.over.estimated_wait;
            queue.over.estimated_wait = wait.is_some_and(|wait| switch(was, bound, wait, 1));
            queue.over.wait_s = wait.unwrap_or(0);
        }
    }

    /// Why who comes to this queue now is sent on, if he is.
    pub(super) fn overflows(&self, queue: &Queue) -> Option<Cause> {
        let rules = &queue.config.overflow;
        if rules.way == Way::Wait {
            return None;
        }
        let (size, is_full) = queue.size();
        let on = |bound: Option<Bound>| bound.map_or(0, |bound| u64::from(bound.on));
        if is_full {
            Some(cause("overflow.full", size, u64::from(queue.config.max_waiting)))
        } else if queue.over.size {
            Some(cause("overflow.size", size, on(rules.size)))
        } else if queue.over.per_agent {
            Some(cause("overflow.per_agent", size, on(rules.per_agent)))
        } else if queue.over.estimated_wait {
            Some(cause("overflow.estimated_wait", queue.over.wait_s, on(rules.estimated_wait)))
        } else {
            None
        }
    }

    /// When a caller has waited for so long in this queue that he goes elsewhere.
    pub(super) fn overflow_at(queue: &Queue, entered: Instant) -> Option<Instant> {
        let rules = &queue.config.overflow;
        rules.wait.filter(|_| rules.way != Way::Wait).map(|wait| after(entered, wait))
    }

    /// A caller has waited that long. While a phone rings for him he stays.
    pub(super) fn overflow_due(&mut self, now: Instant, call: CallId) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        caller.overflow_at = None;
        let rung_until = caller.offers.iter().filter_map(|offer| self.offers.get(offer)?.until).max();
        let (waited, queue) = (ms(now, caller.entered) / 1_000, caller.queue.clone());
        let Some(rules) = self.queues.get(&queue).map(|queue| queue.config.overflow.clone()) else { return };
        let again = match rung_until {
            Some(until) => until.max(after(now, Duration::from_secs(1))),
            None => {
                let limit = rules.wait.map_or(0, |wait| wait.as_secs());
                if self.divert(now, call, &cause("overflow.wait", waited, limit), &rules.way) {
                    return;
                }
                after(now, RETRY)
            }
        };
        if let Some(caller) = self.callers.get_mut(&call) {
            caller.overflow_at = Some(again);
            self.deadlines.set(caller.overflow_at, Due::Overflow(call));
        }
    }
}
