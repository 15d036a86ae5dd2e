//! Offers: one ring at one agent for one caller, from reservation to talk.

use std::time::{Duration, Instant};

use super::Output;
use super::agent::{State, Talk};
use super::config::QueueConfig;
use super::deadline::{Due, Slot};
use super::floor::{Floor, after};
use super::lane::Offer;
use super::matching::ms;
use crate::id::{CallId, OfferId, QueueName};
use crate::journal::{About, Kind, OfferResult, QueueOutcome, StateCause};

/// The shortest delay after a failed offer, whatever is configured: a phone that fails at once must not make
/// the floor ring it in a circle.
const DELAY_MIN: Duration = Duration::from_millis(100);

impl Floor {
    /// Reserves the agent and rings him; false when one of them does not exist.
    pub(super) fn ring(&mut self, now: Instant, call: CallId, slot: Slot) -> bool {
        let Some((agent, order)) = self.agents.get(slot).map(|a| (a.id().clone(), a.order)) else { return false };
        let Some(caller) = self.callers.get(&call) else { return false };
        let (Some(lane), Some(queue)) = (self.lanes.get(caller.lane), self.queues.get(&caller.queue)) else {
            return false;
        };
        let why = self.why(now, caller, lane, slot);
        let ring = Self::offer_time(&queue.config, &caller.claim);
        let begins = caller.claim.callback.is_some() && caller.offers.is_empty();
        let (name, lane) = (caller.queue.clone(), caller.lane);

        if begins {
            self.outputs.push_back(Output::CallBack { call });
        }
        self.next_offer += 1;
        let offer = OfferId(self.next_offer);
        let until = after(now, ring);
        if let Some(queue) = self.queues.get_mut(&name) {
            queue.last = Some(order);
        }
        if let (Some(caller), Some(lane)) = (self.callers.get_mut(&call), self.lanes.get_mut(lane)) {
            lane.idle.take(slot, &caller.excluded);
        }
        self.join_round(now, call, offer);
        self.deadlines.set(Some(until), Due::Ring(offer));
        self.offers.insert(offer, Offer { slot, call, queue: name.clone(), started: now, until: Some(until) });
        let offered = Kind::Offered { offer, agent: agent.clone(), queue: name.clone(), why: Box::new(why) };
        self.journal(About::Call(call), offered);
        self.set_state(slot, State::Ringing { offer, call, talked: None });
        self.refresh(now, slot, StateCause::Call);
        self.outputs.push_back(Output::Offer { offer, call, agent, queue: name, ring });
        true
    }

    /// The agent's phone answered.
    pub(super) fn answered(&mut self, now: Instant, offer: OfferId) {
        let (slot, call, rang) = match self.offers.get(&offer) {
            Some(o) if o.until.is_some() => (o.slot, o.call, now.saturating_duration_since(o.started)),
            Some(_) => return, // Told twice.
            None => return self.outputs.push_back(Output::Discard { offer }),
        };
        let Some(queue) = self.end_ring(now, offer, OfferResult::Accepted, None) else { return };
        let Some(caller) = self.remove_caller(call) else { return };
        for other in &caller.offers {
            self.withdraw_and_free(now, *other, OfferResult::LostRace);
        }
        let talk = Talk { offer, call, queue: queue.clone(), answered_at: now, held: Duration::ZERO, held_since: None };
        let Some(agent) = self.agents.get_mut(slot) else { return };
        agent.misses.break_rows();
        agent.calls += 1;
        agent.talks.push(talk);
        let agent = agent.id().clone();
        if let Some(queue) = self.queues.get_mut(&queue) {
            queue.rings.add(rang);
        }
        let target = self.queues.get(&queue).map_or(Duration::ZERO, |q| q.config.service_level);
        let connected = Kind::Connected {
            agent: agent.clone(),
            queue: queue.clone(),
            wait_ms: ms(now, caller.entered),
            service_level_ms: u64::try_from(target.as_millis()).unwrap_or(u64::MAX),
        };
        self.journal(About::Call(call), connected);
        self.journal_left(now, call, &caller, QueueOutcome::Answered);
        let talk = Offer { slot, call, queue: queue.clone(), started: now, until: None };
        self.offers.insert(offer, talk);
        self.engaged.insert((call, slot));
        self.set_state(slot, State::Ready { delayed_until: None });
        self.refresh(now, slot, StateCause::Call);
        self.outputs.push_back(Output::Connect { offer, call, agent, queue });
    }

    /// It rang long enough.
    pub(super) fn ring_timed_out(&mut self, now: Instant, offer: OfferId) {
        if let Some(call) = self.offers.get(&offer).map(|o| o.call).filter(|call| self.is_reserving(*call)) {
            // It was not his phone that rang.
            self.withdraw_and_free(now, offer, OfferResult::Withdrawn);
            return self.free_callers.push(call);
        }
        self.outputs.push_back(Output::Withdraw { offer });
        self.failed(now, offer, OfferResult::NoAnswer, None);
    }

    /// The ring ended without an answer: the caller keeps his place, the agent gets a delay or a pause.
    pub(super) fn failed(&mut self, now: Instant, offer: OfferId, result: OfferResult, sip_code: Option<u16>) {
        let result = if result.failure().is_some() { result } else { OfferResult::Unreachable };
        let Some((slot, call)) = self.offers.get(&offer).filter(|o| o.until.is_some()).map(|o| (o.slot, o.call)) else {
            return;
        };
        let Some(queue) = self.end_ring(now, offer, result, sip_code) else { return };
        let config = self.queues.get(&queue).map(|q| &q.config);
        let rule = Self::miss_rule(config, result);
        let times = |c: &QueueConfig| (c.delay_after(result), c.exclude_agent);
        let (delay, exclude) = config.map_or((DELAY_MIN, Duration::ZERO), times);
        self.exclude(now, slot, call, exclude);
        self.unstick(now, call);
        if !self.missed(now, slot, rule, result) {
            self.end_ringing(now, slot, Some(after(now, delay.max(DELAY_MIN))));
            self.refresh(now, slot, StateCause::Call);
        }
    }

    /// Cancels a ring and leaves the agent's state to the caller of this function.
    pub(super) fn withdraw(&mut self, now: Instant, offer: OfferId, result: OfferResult) {
        if self.offers.get(&offer).is_some_and(|o| o.until.is_some()) {
            self.outputs.push_back(Output::Withdraw { offer });
            self.end_ring(now, offer, result, None);
        }
    }

    /// Cancels a ring; the agent is ready again with the idle rank he had.
    pub(super) fn withdraw_and_free(&mut self, now: Instant, offer: OfferId, result: OfferResult) {
        let Some(slot) = self.offers.get(&offer).map(|o| o.slot) else { return };
        self.withdraw(now, offer, result);
        self.end_ringing(now, slot, None);
        self.refresh(now, slot, StateCause::Call);
    }

    /// His phone rings no more and he did not answer: he is as before, or wraps up after the talk that ended meanwhile. To
    /// be followed by `refresh`.
    pub(super) fn end_ringing(&mut self, now: Instant, slot: Slot, delayed_until: Option<Instant>) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        let talked = match &mut agent.state {
            State::Ringing { talked, .. } => talked.take(),
            State::Offline | State::Ready { .. } | State::WrapUp(_) | State::Paused(_) => None,
        };
        self.set_state(slot, State::Ready { delayed_until });
        if let Some((call, queue)) = talked {
            self.begin_wrap_up(now, slot, call, queue);
        }
    }

    /// Forgets a ring; its caller, if he is still there and it was the last one for him, waits again at his place.
    /// Returns the queue.
    fn end_ring(
        &mut self,
        now: Instant,
        offer: OfferId,
        result: OfferResult,
        sip_code: Option<u16>,
    ) -> Option<QueueName> {
        let ended = self.offers.remove(&offer)?;
        self.deadlines.clear(ended.until, Due::Ring(offer));
        self.leave_round(now, ended.call, offer);
        if let Some(lane) = self.callers.get(&ended.call).map(|caller| caller.lane) {
            self.tend(now, lane);
        }
        let agent = self.agents.get(ended.slot)?.id().clone();
        let ring_ms = ms(now, ended.started);
        let kind = Kind::OfferEnded { offer, agent, queue: ended.queue.clone(), result, ring_ms, sip_code };
        self.journal(About::Call(ended.call), kind);
        Some(ended.queue)
    }

    /// This caller is not offered to this agent for a while.
    fn exclude(&mut self, now: Instant, slot: Slot, call: CallId, time: Duration) {
        let (Some(caller), Some(agent)) = (self.callers.get_mut(&call), self.agents.get_mut(slot)) else { return };
        if time.is_zero() {
            return;
        }
        let until = after(now, time);
        caller.excluded.insert(slot);
        let before = agent.excluded.insert(call, until);
        self.deadlines.clear(before, Due::Exclusion(slot, call));
        self.deadlines.set(Some(until), Due::Exclusion(slot, call));
    }

    /// Who has part in this call already is not offered it while he has: an agent with room for one more transfers a caller, and
    /// has him until somebody takes him.
    pub(super) fn pass_over_engaged(&mut self, now: Instant, call: CallId) {
        let engaged: Vec<Slot> = self.engaged.range((call, 0)..=(call, Slot::MAX)).map(|(_, slot)| *slot).collect();
        for slot in engaged {
            self.exclude(now, slot, call, Duration::MAX);
        }
    }

    /// The agent may be offered this caller again.
    pub(super) fn exclusion_over(&mut self, slot: Slot, call: CallId) {
        if let Some(agent) = self.agents.get_mut(slot) {
            agent.excluded.remove(&call);
        }
        if let Some(caller) = self.callers.get_mut(&call) {
            caller.excluded.remove(&slot);
            self.free_callers.push(call);
        }
    }
}
