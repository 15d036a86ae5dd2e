//! Dispatch from outside: a service is asked who shall serve a caller, before the queue's own rules decide.
//!
//! It is asked once, when he enters the queue, and answers within [`DispatchTimes::timeout`] or not at all. Meanwhile he has his
//! place like everybody and is offered to nobody. Then he is served by the agents it named for
//! [`DispatchTimes::hold`], and after that, or when it named none who is there, as if it had not been asked.
//!
//! [`DispatchTimes::timeout`]: super::config::DispatchTimes::timeout
//! [`DispatchTimes::hold`]: super::config::DispatchTimes::hold

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::divert::Cause;
use super::floor::Floor;
use super::way::Way;
use crate::id::{AgentId, CallId, QueueName};
use crate::journal::{QueueOutcome, Whom};

/// What a dispatch service says about a caller; what is absent stays as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Choice {
    /// Agents of the queue who serve him before all others, whatever their skills; who does not serve the queue is left out.
    pub agents: BTreeSet<AgentId>,
    /// The queue he shall wait in; one that has no room for him, or does not exist, is left out.
    pub queue: Option<QueueName>,
    /// Head start in minutes of waiting.
    pub priority: Option<u32>,
    /// What kind of caller he is.
    pub segment: Option<String>,
    /// Skills asked for in addition to the queue's own.
    pub skills: Option<Vec<String>>,
}

/// Whom it named.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Chosen {
    pub agents: BTreeSet<AgentId>,
    pub hold: Duration,
}

/// What a caller asks for.
#[derive(Clone, Copy, Debug)]
pub struct ClaimView<'a> {
    /// Skills asked for in addition to the queue's own.
    pub skills: &'a [String],
    /// Head start in minutes of waiting.
    pub priority: u32,
    /// What kind of caller he is.
    pub segment: Option<&'a str>,
}

impl Floor {
    /// What this caller asks for; `None` when he is in no queue.
    pub fn claim_of(&self, call: CallId) -> Option<ClaimView<'_>> {
        let claim = &self.callers.get(&call)?.claim;
        Some(ClaimView { skills: &claim.skills, priority: claim.priority, segment: claim.segment.as_deref() })
    }

    /// The service answered; see [`super::Input::Dispatched`].
    pub(super) fn dispatched(&mut self, now: Instant, call: CallId, choice: Choice) {
        let is_asking = |whom| whom == Some(Whom::Dispatch);
        let Some(caller) = self.callers.get_mut(&call).filter(|c| is_asking(c.sticky.map(|sticky| sticky.whom))) else {
            return;
        };
        let Some(queue) = self.queues.get_mut(&caller.queue) else { return };
        let Choice { agents, queue: other, priority, segment, skills } = choice;
        let claim = &mut caller.claim;
        let hold = queue.config.dispatch.map_or(Duration::ZERO, |times| times.hold);
        claim.chosen = (!agents.is_empty()).then(|| Arc::new(Chosen { agents, hold }));
        claim.priority = priority.unwrap_or(claim.priority);
        claim.segment = segment.or_else(|| claim.segment.take());
        claim.skills = skills.unwrap_or_else(|| std::mem::take(&mut claim.skills));
        let (old, place) = (caller.place, claim.place(now, self.origin, &queue.config, caller.place.seq, call));
        if place != old {
            caller.place = place;
            queue.order.remove(&old);
            queue.order.insert(place);
            if let Some(lane) = self.lanes.get_mut(caller.lane) {
                lane.dismiss(&old, &caller.claim);
                lane.line_up(caller, &queue.config);
            }
        }
        let cause = Cause { outcome: QueueOutcome::Transferred, rule: "dispatch", figures: None };
        let is_moved = other.is_some_and(|other| self.divert(now, call, &cause, &Way::Queue(other)));
        if !is_moved {
            self.go_on(now, call);
        }
    }
}
