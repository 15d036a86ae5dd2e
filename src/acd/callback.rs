//! Callers who are called back: nobody is on the line, and their places are kept.
//!
//! Such a place stands in the order like any other and moves up with it. It takes no room in the queue, hears nothing, and no
//! rule sends it elsewhere; when it is given up is for whoever put it there to say. When its turn comes an agent is
//! reserved as for anybody, so that never more customers are rung than agents are free:
//!
//! ```text
//!   agent first:     Offer: his phone rings --answered--> Connect: the customer is rung
//!   customer first:  Offer: the customer is rung --Reached--> Offer again: the phone of the agent rings
//!                                     `-- LeaveAs: he is not to be had, the agent is free
//! ```

use std::time::{Duration, Instant};

use super::Output;
use super::callers::Entrance;
use super::config::QueueConfig;
use super::deadline::Due;
use super::floor::{Floor, after};
use super::lane::Claim;
use crate::id::{CallId, OfferId, QueueName};
use crate::journal::{About, QueueOutcome};

/// How somebody is called back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Callback {
    /// The customer is rung before the agent is.
    pub customer_first: bool,
    /// For how many seconds an agent is reserved at most while the customer is rung first.
    pub ring_s: u16,
    /// It is not the first try.
    pub again: bool,
}

/// What a queue does by the clock with somebody on the line.
#[derive(Debug, Default)]
pub(super) struct Times {
    pub leave_at: Option<Instant>,
    pub announce_at: Option<Instant>,
    pub remind_at: Option<Instant>,
}

impl QueueConfig {
    /// What is due for a caller with this claim who comes onto the line now.
    pub(super) fn times(&self, now: Instant, claim: &Claim) -> Times {
        if claim.callback.is_some() {
            return Times::default();
        }
        let interval = self.announce_every.filter(|interval| !interval.is_zero());
        Times {
            leave_at: now.checked_add(self.max_wait),
            announce_at: interval.map(|interval| after(now, interval)),
            remind_at: self.remind_after(now),
        }
    }
}

impl Floor {
    /// A place for somebody who is called back; see [`super::Input::Enqueue`].
    pub(super) fn keep_place(
        &mut self,
        now: Instant,
        call: CallId,
        queue: &QueueName,
        claim: Claim,
        callback: Callback,
    ) {
        self.leave(now, call, QueueOutcome::Transferred);
        let Some((_, lane)) = self.stage_at(now, queue, now, 0, &claim.skills, Some(About::Call(call))) else {
            return self.refuse(call, queue, QueueOutcome::NoAgents);
        };
        let entrance = Entrance { claim, own_end: None, transferred: false, resumed: callback.again };
        self.enter(now, call, queue.clone(), lane, entrance);
    }

    /// The customer answered: he is on the line from now on; see [`super::Input::Reached`].
    pub(super) fn reached(&mut self, now: Instant, call: CallId) {
        let Some(caller) = self.callers.get_mut(&call).filter(|caller| caller.claim.callback.is_some()) else { return };
        let (Some(queue), Some(lane)) = (self.queues.get_mut(&caller.queue), self.lanes.get_mut(caller.lane)) else {
            return;
        };
        lane.dismiss(&caller.place, &caller.claim);
        caller.claim.callback = None;
        queue.kept = queue.kept.saturating_sub(1);
        lane.line_up(caller, &queue.config);
        let times = queue.config.times(now, &caller.claim);
        // The longest wait is his own: it does not count from when the place was taken.
        caller.has_own_max_wait = true;
        (caller.leave_at, caller.announce_at, caller.remind_at) = (times.leave_at, times.announce_at, times.remind_at);
        self.deadlines.set(caller.leave_at, Due::MaxWait(call));
        self.deadlines.set(caller.announce_at, Due::Announce(call));
        self.deadlines.set(caller.remind_at, Due::Remind(call));
        let (lane, name, offers) = (caller.lane, caller.queue.clone(), caller.offers.clone());
        let ring = queue.config.ring_timeout;
        self.tend(now, lane);
        self.gauge(&name);
        for offer in offers {
            self.ring_reserved(now, offer, ring);
        }
        self.free_callers.push(call);
    }

    /// The phone of an agent who was reserved rings from now on.
    fn ring_reserved(&mut self, now: Instant, offer: OfferId, ring: Duration) {
        let Some(reserved) = self.offers.get_mut(&offer) else { return };
        self.deadlines.clear(reserved.until, Due::Ring(offer));
        (reserved.started, reserved.until) = (now, Some(after(now, ring)));
        self.deadlines.set(reserved.until, Due::Ring(offer));
        let (call, queue) = (reserved.call, reserved.queue.clone());
        let Some(agent) = self.agents.get(reserved.slot).map(|agent| agent.id().clone()) else { return };
        self.outputs.push_back(Output::Offer { offer, call, agent, queue, ring });
    }

    /// How long an offer to this caller may last: the ring of an agent's phone, or that of the customer before it.
    pub(super) fn offer_time(queue: &QueueConfig, claim: &Claim) -> Duration {
        match claim.callback {
            Some(callback) if callback.customer_first => Duration::from_secs(u64::from(callback.ring_s)),
            Some(_) | None => queue.ring_timeout,
        }
    }

    /// The customer for whom an agent is reserved is being rung: no phone of the agent's is.
    pub(super) fn is_reserving(&self, call: CallId) -> bool {
        let callback = self.callers.get(&call).and_then(|caller| caller.claim.callback);
        callback.is_some_and(|callback| callback.customer_first)
    }
}
