//! Rounds: the rings that run for one caller at the same time.
//!
//! With most strategies a round is one ring. `ring_all` rings everybody who is free and may serve the caller when his
//! turn comes; `ring_progressive` rings one, and one more after each delay. Whoever becomes free meanwhile goes to the
//! callers for whom no phone rings; only when there is none whom he may serve does he join a round that runs. So the
//! number of callers for whom phones ring is as great as the agents allow, and nobody's phone is kept from a caller
//! who has none.
//!
//! Each ring of a round has its own agent, its own deadline and its own end; the first answer ends the round.

use std::time::Instant;

use super::config::{QueueConfig, Strategy};
use super::deadline::Due;
use super::floor::{Floor, after};
use super::lane::{Caller, Claim, Lane, Place};
use crate::id::{CallId, OfferId};

impl Caller {
    /// He may be offered to one more agent now.
    pub fn takes_agent(&self, queue: &QueueConfig) -> bool {
        if self.offers.is_empty() {
            return true;
        }
        if self.claim.callback.is_some_and(|callback| callback.customer_first) {
            // One agent is reserved until the customer answers.
            return false;
        }
        let has_room = self.offers.len() < usize::try_from(queue.ring_max).unwrap_or(usize::MAX);
        match queue.strategy {
            Strategy::RingAll => has_room,
            Strategy::RingProgressive => has_room && self.more_at.is_none(),
            Strategy::LongestIdle
            | Strategy::FewestCalls
            | Strategy::LeastTalk
            | Strategy::RoundRobin
            | Strategy::Linear
            | Strategy::Random
            | Strategy::Weighted => false,
        }
    }
}

impl Lane {
    /// Those who take an agent, in the order of their turns, of whom `may` is true; with whether phones ring for them
    /// already.
    pub fn heads(&self, may: impl Fn(&&Place) -> bool + Copy) -> impl Iterator<Item = (bool, &Place)> {
        let waiting = self.waiting.iter().filter(may).map(|place| (false, place));
        waiting.chain(self.more.iter().filter(may).map(|place| (true, place)))
    }

    /// Puts a caller of this lane where he belongs now.
    pub fn line_up(&mut self, caller: &Caller, queue: &QueueConfig) {
        self.dismiss(&caller.place, &caller.claim);
        if caller.offers.is_empty() {
            self.waiting.insert(caller.place);
            self.kept += usize::from(caller.claim.callback.is_some());
        } else if caller.takes_agent(queue) {
            self.more.insert(caller.place);
        }
    }

    /// Forgets a place of who has this claim.
    pub fn dismiss(&mut self, place: &Place, claim: &Claim) {
        if self.waiting.remove(place) && claim.callback.is_some() {
            self.kept = self.kept.saturating_sub(1);
        }
        self.more.remove(place);
    }

    /// Somebody waits here who is on the line.
    pub fn is_waited_in(&self) -> bool {
        self.waiting.len() > self.kept
    }
}

impl Floor {
    /// The caller whose turn it is takes the agents he may have now: one, or by [`Strategy::RingAll`] all of them. False
    /// when there was none.
    pub(super) fn ring_round(&mut self, now: Instant, call: CallId) -> bool {
        let mut has_rung = false;
        while let Some(slot) = self.agent_for(call)
            && self.ring(now, call, slot)
        {
            has_rung = true;
        }
        has_rung
    }

    /// One more ring runs for this caller.
    pub(super) fn join_round(&mut self, now: Instant, call: CallId, offer: OfferId) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        caller.offers.push(offer);
        let Some(queue) = self.queues.get(&caller.queue) else { return };
        if queue.config.strategy == Strategy::RingProgressive {
            self.deadlines.clear(caller.more_at, Due::More(call));
            caller.more_at = Some(after(now, queue.config.ring_progressive_delay));
            self.deadlines.set(caller.more_at, Due::More(call));
        }
        self.line_up(now, call);
    }

    /// A ring for this caller is over. After the last one he waits again at his place.
    pub(super) fn leave_round(&mut self, now: Instant, call: CallId, offer: OfferId) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        caller.offers.retain(|other| *other != offer);
        if caller.offers.is_empty() {
            self.deadlines.clear(caller.more_at.take(), Due::More(call));
        }
        self.line_up(now, call);
        self.free_callers.push(call);
    }

    /// It has rung for so long that one more agent is rung beside.
    pub(super) fn more_due(&mut self, now: Instant, call: CallId) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        caller.more_at = None;
        self.line_up(now, call);
        self.free_callers.push(call);
    }

    /// After a change of rules the round that runs goes on by the new ones: a delay that runs goes on, and who waits for
    /// none, as his next agent is due or another strategy rang for him, may have one more now.
    pub(super) fn go_on_with_round(&mut self, call: CallId) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let Some(queue) = self.queues.get(&caller.queue) else { return };
        if queue.config.strategy != Strategy::RingProgressive {
            self.deadlines.clear(caller.more_at.take(), Due::More(call));
        }
    }

    /// Puts a caller where he belongs in his lane.
    pub(super) fn line_up(&mut self, now: Instant, call: CallId) {
        let Some(caller) = self.callers.get(&call) else { return };
        let (index, queue) = (caller.lane, self.queues.get(&caller.queue));
        let (Some(queue), Some(lane)) = (queue, self.lanes.get_mut(index)) else { return };
        lane.line_up(caller, &queue.config);
        // He may come back from the ring of an agent of another lane, and find nobody in his own.
        lane.watch(now, index, &mut self.deadlines);
    }
}
