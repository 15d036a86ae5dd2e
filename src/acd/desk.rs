//! What agents do and what is wanted of them: wishes, phones, talks, calls of their own.

use std::time::{Duration, Instant};

use super::Wish;
use super::agent::State;
use super::deadline::Slot;
use super::floor::Floor;
use super::matching::ms;
use super::wrap_up;
use crate::id::CallId;
use crate::journal::{About, Kind, OfferResult, QueueOutcome, StateCause};

impl Floor {
    /// Somebody chose a state for the agent; see [`Wish`].
    pub(super) fn want(&mut self, now: Instant, slot: Slot, wish: Wish, by: StateCause) {
        let Some(agent) = self.agents.get_mut(slot).filter(|a| !a.leaving) else { return };
        match wish {
            Wish::FinishWrapUp => return self.finish_wrap_up(now, slot, by),
            Wish::WrapUp => return self.ask_wrap_up(now, slot, by),
            Wish::Ready | Wish::Pause(_) | Wish::Logout => {}
        }
        let wish = match wish {
            Wish::Pause(code) => match self.pauses.choose(&code, by) {
                Ok(code) => Wish::Pause(code),
                Err(_) => return,
            },
            other => other,
        };
        // Who chooses is there: missed rings are forgotten.
        agent.misses.break_rows();
        agent.offline_code = None;
        agent.logged_out = wish == Wish::Logout;
        agent.last_talk = None;
        agent.asks_wrap_up &= wish != Wish::Ready;
        if agent.is_engaged() {
            agent.next = Some((wish, by));
        } else {
            agent.next = None;
            self.grant(now, slot, wish);
        }
        self.refresh(now, slot, by);
    }

    /// `auto_ready`: with a phone he is ready, unless a human logged him out.
    pub(super) fn come_by_himself(&mut self, now: Instant, slot: Slot) {
        let Some(agent) = self.agents.get(slot) else { return };
        let may_come = agent.config.auto_ready && agent.is_reachable() && !agent.logged_out && !agent.leaving;
        if may_come && matches!(agent.state, State::Offline) {
            self.become_idle(now, slot);
        }
    }

    /// Agent and caller no longer talk.
    pub(super) fn talk_ended(&mut self, now: Instant, slot: Slot, call: CallId) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        let talk = match &agent.state {
            State::Talking(talk) if talk.call == call => talk,
            _ => return self.own_call_ended(now, slot, call),
        };
        let last_hold = agent.held_since.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let (offer, queue) = (talk.offer, talk.queue.clone());
        let talk_ms = ms(now, talk.answered_at);
        let kind = Kind::TalkEnded {
            agent: agent.id().clone(),
            queue: Some(queue.clone()),
            talk_ms,
            hold_ms: u64::try_from((talk.held + last_hold).as_millis()).unwrap_or(u64::MAX),
        };
        let talked = now.saturating_duration_since(talk.answered_at);
        agent.held_since = None;
        agent.talk_ms += talk_ms;
        if let Some(queue) = self.queues.get_mut(&queue) {
            queue.handled.add(talked + wrap_up::usual(&queue.config));
        }
        self.offers.remove(&offer);
        self.disengage(call, slot);
        self.journal(About::Call(call), kind);
        self.begin_wrap_up(now, slot, call, queue);
        self.rest(now, slot, StateCause::Call);
    }

    /// The agent put his caller on hold or took him back.
    pub(super) fn hold(&mut self, now: Instant, slot: Slot, on: bool) {
        let Some(agent) = self.agents.get_mut(slot).filter(|a| a.is_engaged()) else { return };
        match (agent.held_since, on) {
            (None, true) => agent.held_since = Some(now),
            (Some(since), false) => {
                agent.held_since = None;
                if let State::Talking(talk) = &mut agent.state {
                    talk.held += now.saturating_duration_since(since);
                }
            }
            (None, false) | (Some(_), true) => {}
        }
        self.refresh(now, slot, StateCause::Call);
    }

    /// A call of his own began: his phone stops ringing for callers.
    pub(super) fn own_call(&mut self, now: Instant, slot: Slot, call: CallId) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        if matches!(&agent.state, State::Talking(talk) if talk.call == call) {
            return;
        }
        agent.own.insert(call);
        if let State::Ringing { offer, .. } = &agent.state {
            let offer = *offer;
            self.withdraw(now, offer, OfferResult::Withdrawn);
            self.set_state(slot, State::Ready { delayed_until: None });
        }
        self.engaged.insert((call, slot));
        self.refresh(now, slot, StateCause::Call);
    }

    /// A call of his own is over. If he was ready before, he is idle from now on.
    pub(super) fn own_call_ended(&mut self, now: Instant, slot: Slot, call: CallId) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        if !agent.own.remove(&call) {
            return;
        }
        if !agent.is_engaged() {
            agent.held_since = None;
        }
        if agent.own.is_empty() && matches!(agent.state, State::Ready { delayed_until: None }) {
            self.become_idle(now, slot);
        }
        self.disengage(call, slot);
        self.rest(now, slot, StateCause::Call);
    }

    /// The call is over: whatever still belongs to it is freed, and that is a fault of ours.
    pub(super) fn call_gone(&mut self, now: Instant, call: CallId) {
        self.leave(now, call, QueueOutcome::Abandoned);
        let busy: Vec<Slot> = self.engaged.range((call, 0)..=(call, Slot::MAX)).map(|(_, slot)| *slot).collect();
        for slot in busy {
            let Some(agent) = self.agents.get(slot) else { continue };
            let (id, state) = (agent.id().clone(), agent.visible().as_str());
            let detail = format!("{state} with {call}, which is over");
            self.journal(About::Agent(id), Kind::AgentRepaired { detail });
            self.talk_ended(now, slot, call);
        }
    }

    /// The delay after a failed offer is over.
    pub(super) fn delay_over(&mut self, now: Instant, slot: Slot) {
        if self.agents.get(slot).is_some_and(|a| matches!(a.state, State::Ready { .. })) {
            self.set_state(slot, State::Ready { delayed_until: None });
            self.refresh(now, slot, StateCause::Timer);
        }
    }

    /// Fulfils a wish of an agent who is in no call.
    fn grant(&mut self, now: Instant, slot: Slot, wish: Wish) {
        let Some(agent) = self.agents.get(slot) else { return };
        let ringing = match &agent.state {
            State::Ringing { offer, .. } => Some(*offer),
            _ => None,
        };
        match wish {
            Wish::Ready => match &agent.state {
                State::Offline | State::WrapUp(_) | State::Paused(_) => self.become_idle(now, slot),
                State::Ready { .. } => self.set_state(slot, State::Ready { delayed_until: None }),
                State::Ringing { .. } | State::Talking(_) => {}
            },
            Wish::Pause(code) => {
                self.withdraw_if(now, ringing);
                self.pause(now, slot, code);
            }
            Wish::Logout => {
                self.withdraw_if(now, ringing);
                self.set_state(slot, State::Offline);
            }
            Wish::FinishWrapUp | Wish::WrapUp => {}
        }
    }

    pub(super) fn withdraw_if(&mut self, now: Instant, ringing: Option<crate::id::OfferId>) {
        if let Some(offer) = ringing {
            self.withdraw(now, offer, OfferResult::Withdrawn);
        }
    }

    /// Ready, at the end of the row of idle agents.
    pub(super) fn become_idle(&mut self, now: Instant, slot: Slot) {
        self.set_state(slot, State::Ready { delayed_until: None });
        self.next_rank += 1;
        if let Some(agent) = self.agents.get_mut(slot) {
            agent.rank = self.next_rank;
            agent.idle_since = now;
        }
    }

    /// After a call or wrap-up: what was asked for meanwhile takes effect, once nothing goes on any more.
    pub(super) fn rest(&mut self, now: Instant, slot: Slot, cause: StateCause) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        let mut cause = cause;
        if !agent.is_engaged() {
            if agent.leaving {
                return self.remove_agent(now, slot);
            }
            if !matches!(agent.state, State::WrapUp(_))
                && let Some((wish, by)) = agent.next.take()
            {
                cause = by;
                self.grant(now, slot, wish);
            }
        }
        self.refresh(now, slot, cause);
    }

    /// A call no longer occupies an agent in any way.
    fn disengage(&mut self, call: CallId, slot: Slot) {
        self.engaged.remove(&(call, slot));
    }
}
