//! Callers: entering, leaving, waiting.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::deadline::Due;
use super::floor::{Floor, after};
use super::lane::{Caller, Claim};
use super::matching::{ms, u32_of};
use super::{Arrival, Output, Way};
use crate::id::{CallId, QueueName};
use crate::journal::{About, Kind, OfferResult, QueueOutcome, Whom};

/// How a caller enters a queue.
#[derive(Debug)]
pub(super) struct Entrance {
    pub claim: Claim,
    /// When he leaves, by a longest wait of his own.
    pub own_end: Option<Instant>,
    /// Somebody transferred him.
    pub transferred: bool,
    /// He hung up here and called again.
    pub resumed: bool,
}

impl Floor {
    /// Somebody comes, or a place is to be kept for him.
    pub(super) fn arrives(&mut self, now: Instant, arrival: Arrival) {
        let Arrival { call, queue, skills, priority, segment, max_wait, transferred, last_agent, number, callback } =
            arrival;
        let (since, asked, hops, resumes) = (transferred.unwrap_or(now), queue.clone(), 0, 0);
        let chosen = None;
        let claim =
            Claim { skills, priority, segment, since, hops, last_agent, chosen, number, asked, resumes, callback };
        match callback {
            Some(callback) => self.keep_place(now, call, &queue, claim, callback),
            None => self.enqueue(now, call, &queue, claim, max_wait, transferred.is_some()),
        }
    }

    /// A caller enters a queue; see [`super::Input::Enqueue`].
    pub(super) fn enqueue(
        &mut self,
        now: Instant,
        call: CallId,
        queue: &QueueName,
        claim: Claim,
        max_wait: Option<Duration>,
        transferred: bool,
    ) {
        self.leave(now, call, QueueOutcome::Transferred);
        // Whoever rang for him is there for others.
        self.count_free(now);
        let (claim, resumed) = if transferred { (claim, false) } else { self.resume(now, queue, claim) };
        if !self.queues.contains_key(queue) {
            return self.refuse(call, queue, QueueOutcome::NoAgents);
        }
        let Some(landing) = self.find_room(now, call, queue, &claim) else {
            return self.refuse(call, queue, QueueOutcome::Full);
        };
        if resumed {
            self.take_place(queue, &claim);
        }
        let claim = Claim { hops: landing.hops(), ..claim };
        let own_end = max_wait.map(|limit| after(now, limit));
        self.land(call, queue, landing, |floor, queue, lane| {
            floor.enter(now, call, queue, lane, Entrance { claim, own_end, transferred, resumed });
        });
    }

    /// A caller takes his place in a queue that has room for him.
    pub(super) fn enter(&mut self, now: Instant, call: CallId, queue: QueueName, lane: usize, entrance: Entrance) {
        let Entrance { claim, own_end, transferred, resumed } = entrance;
        let has_group = self.queues.get(&queue).is_some_and(|q| q.config.sticky.group.is_some());
        let (sticky, first) = self.sticky_after(now, &queue, &claim, None).unzip();
        // Whoever found room for him found how far he is with it; but the lane of a group may have taken an unused one's.
        let lane = match first {
            None if has_group => self.stage_at(now, &queue, now, 0, &claim.skills, None).map_or(lane, |(_, lane)| lane),
            first => first.unwrap_or(lane),
        };
        let steps = self.lanes.get(lane).map_or(0, |lane| lane.key.0.steps());
        let Some(entered) = self.queues.get(&queue) else { return };
        let (config, overflow_at) =
            (&entered.config, Self::overflow_at(entered, now).filter(|_| claim.callback.is_none()));
        self.next_seq += 1;
        let place = claim.place(now, self.origin, config, self.next_seq, call);
        let overdue_at = claim.overdue_at(config).filter(|at| *at > now);
        let (callback, times) = (claim.callback.is_some(), config.times(now, &claim));
        let leave_at = own_end.or(times.leave_at);
        // While somebody outside is asked who shall serve him, there is nothing to tell.
        let asks_until = sticky.filter(|sticky| sticky.whom == Whom::Dispatch).map(|sticky| sticky.until);
        let announce_at = times.announce_at.map(|at| asks_until.unwrap_or(at));
        let Claim { skills, priority, segment, .. } = claim.clone();
        let caller = Caller {
            queue: queue.clone(),
            lane,
            place,
            entered: now,
            claim,
            overdue_at,
            sticky: None,
            steps: 0,
            step_at: None,
            has_own_max_wait: own_end.is_some(),
            leave_at,
            overflow_at,
            announce_at,
            offers: Vec::new(),
            more_at: None,
            remind_at: times.remind_at,
            reminders: 0,
            told: None,
            excluded: BTreeSet::new(),
        };
        self.deadlines.set(caller.overdue_at, Due::Overdue(call));
        self.deadlines.set(caller.leave_at, Due::MaxWait(call));
        self.deadlines.set(caller.overflow_at, Due::Overflow(call));
        self.deadlines.set(caller.announce_at, Due::Announce(call));
        self.deadlines.set(caller.remind_at, Due::Remind(call));
        let is_announced = caller.announce_at.is_some() && asks_until.is_none();
        self.callers.insert(call, caller);
        self.pass_over_engaged(now, call);
        if let Some(queue) = self.queues.get_mut(&queue) {
            queue.order.insert(place);
            queue.kept += usize::from(callback);
        }
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.callers += 1;
        }
        self.line_up(now, call);
        self.tend(now, lane);
        let position = self.position(call).unwrap_or(0);
        let queued = Kind::Queued { queue, position, skills, priority, segment, transferred, resumed, callback };
        self.journal(About::Call(call), queued);
        self.stand_at(call, sticky, steps);
        self.free_callers.push(call);
        self.settle(now);
        // Who is offered at once need not hear that he must wait.
        if is_announced && self.callers.get(&call).is_some_and(|c| c.offers.is_empty()) {
            self.announce(now, call);
        }
    }

    /// Takes a caller out of his queue, whatever rings for him. Nothing when he is in none.
    pub(super) fn leave(&mut self, now: Instant, call: CallId, outcome: QueueOutcome) {
        let Some(caller) = self.remove_caller(call) else { return };
        for offer in &caller.offers {
            self.withdraw_and_free(now, *offer, OfferResult::CallerGone);
        }
        if outcome == QueueOutcome::Abandoned && caller.claim.callback.is_none() {
            self.remember_gone(now, &caller);
        }
        self.journal_left(now, call, &caller, outcome);
    }

    /// As `leave`, by a rule of the queue: the engine must find another way for him.
    pub(super) fn leave_by_rule(&mut self, now: Instant, call: CallId, outcome: QueueOutcome) {
        let Some(queue) = self.callers.get(&call).map(|c| c.queue.clone()) else { return };
        self.leave(now, call, outcome);
        self.outputs.push_back(Output::Left { call, queue, outcome, way: Way::HangUp });
    }

    /// Removes all trace of a caller but the rings that run for him.
    pub(super) fn remove_caller(&mut self, call: CallId) -> Option<Caller> {
        let caller = self.callers.remove(&call)?;
        self.deadlines.clear(caller.overdue_at, Due::Overdue(call));
        self.deadlines.clear(caller.leave_at, Due::MaxWait(call));
        self.deadlines.clear(caller.overflow_at, Due::Overflow(call));
        self.deadlines.clear(caller.announce_at, Due::Announce(call));
        self.deadlines.clear(caller.remind_at, Due::Remind(call));
        self.deadlines.clear(caller.more_at, Due::More(call));
        self.deadlines.clear(caller.step_at, Due::Step(call));
        for slot in &caller.excluded {
            let until = self.agents.get_mut(*slot).and_then(|a| a.excluded.remove(&call));
            self.deadlines.clear(until, Due::Exclusion(*slot, call));
        }
        if let Some(queue) = self.queues.get_mut(&caller.queue) {
            queue.order.remove(&caller.place);
            queue.kept = queue.kept.saturating_sub(usize::from(caller.claim.callback.is_some()));
        }
        if let Some(lane) = self.lanes.get_mut(caller.lane) {
            lane.callers = lane.callers.saturating_sub(1);
            lane.dismiss(&caller.place, &caller.claim);
        }
        self.untend(caller.lane);
        self.close_personal(caller.lane);
        self.gauge(&caller.queue);
        Some(caller)
    }

    /// Writes that a caller left.
    pub(super) fn journal_left(&mut self, now: Instant, call: CallId, caller: &Caller, outcome: QueueOutcome) {
        let wait_ms = ms(now, caller.entered);
        self.journal(About::Call(call), Kind::QueueLeft { queue: caller.queue.clone(), outcome, wait_ms });
    }

    /// He has waited so long that he goes first from now on.
    pub(super) fn overdue(&mut self, now: Instant, call: CallId) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let Some(queue) = self.queues.get_mut(&caller.queue) else { return };
        caller.overdue_at = None;
        let old = caller.place;
        let place = caller.claim.place(now, self.origin, &queue.config, old.seq, call);
        caller.place = place;
        let before = queue.order.before(&old);
        queue.order.remove(&old);
        queue.order.insert(place);
        if let Some(lane) = self.lanes.get_mut(caller.lane) {
            lane.dismiss(&old, &caller.claim);
            lane.line_up(caller, &queue.config);
        }
        // Seldom, as who comes first is overdue first: so his place is counted only when it is another.
        if queue.order.before(&place) != before {
            let position = u32_of(queue.order.rank(&place) + 1);
            let moved = Kind::Moved { queue: caller.queue.clone(), position };
            self.journal(About::Call(call), moved);
        }
    }

    /// It is time to tell a caller his place again.
    pub(super) fn announce_due(&mut self, now: Instant, call: CallId) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let interval = self.queues.get(&caller.queue).and_then(|q| q.config.announce_every).filter(|i| !i.is_zero());
        caller.announce_at = interval.map(|i| after(now, i));
        self.deadlines.set(caller.announce_at, Due::Announce(call));
        self.announce(now, call);
    }

    /// A caller's place in his queue, 1 = next; `None` when he waits in none.
    pub fn position(&self, call: CallId) -> Option<u32> {
        let caller = self.callers.get(&call)?;
        Some(u32_of(self.queues.get(&caller.queue)?.order.rank(&caller.place) + 1))
    }

    fn announce(&mut self, now: Instant, call: CallId) {
        if let Some(position) = self.position(call) {
            let within_minutes = self.promise(now, call);
            self.journal(About::Call(call), Kind::Announced { position, within_minutes });
            self.outputs.push_back(Output::Announce { call, position, within_minutes });
        }
    }

    pub(super) fn refuse(&mut self, call: CallId, queue: &QueueName, outcome: QueueOutcome) {
        self.journal(About::Call(call), Kind::QueueLeft { queue: queue.clone(), outcome, wait_ms: 0 });
        self.outputs.push_back(Output::Left { call, queue: queue.clone(), outcome, way: Way::HangUp });
    }
}
