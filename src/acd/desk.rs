//! What agents do and what is wanted of them: wishes, phones, talks, calls of their own.

use std::time::Instant;

use super::agent::{OwnCall, State};
use super::deadline::{Due, Slot};
use super::floor::Floor;
use super::matching::{ms, whole_ms};
use super::{PAUSE_RNA, Wish, wrap_up};
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
            let is_ready = wish == Wish::Ready;
            agent.next = Some((wish, by));
            match (&agent.state, is_ready) {
                (State::Ready { .. }, true) => self.set_state(slot, State::Ready { delayed_until: None }),
                (State::Ringing { .. }, false) => _ = self.stop_ringing(now, slot),
                _ => {}
            }
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

    /// Agent and caller no longer talk. The wrap-up follows the last of several talks; the others go on meanwhile.
    pub(super) fn talk_ended(&mut self, now: Instant, slot: Slot, call: CallId) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        let Some(at) = agent.talks.iter().position(|talk| talk.call == call) else {
            return self.own_call_ended(now, slot, call);
        };
        let mut talk = agent.talks.remove(at);
        talk.hold(now, false);
        let (talk_ms, talked) = (ms(now, talk.answered_at), now.saturating_duration_since(talk.answered_at));
        agent.talk_ms += talk_ms;
        let is_last = agent.talks.is_empty();
        let (agent, queue, hold_ms) = (agent.id().clone(), talk.queue, whole_ms(talk.held));
        if let Some(queue) = self.queues.get_mut(&queue) {
            queue.handled.add(talked + wrap_up::usual(&queue.config));
        }
        self.offers.remove(&talk.offer);
        self.disengage(call, slot);
        self.journal(About::Call(call), Kind::TalkEnded { agent, queue: Some(queue.clone()), talk_ms, hold_ms });
        match is_last {
            true => self.begin_wrap_up(now, slot, call, queue),
            false => self.go_behind(now, slot),
        }
        self.rest(now, slot, StateCause::Call);
    }

    /// The agent put one of those he talks with on hold or took him back.
    pub(super) fn hold(&mut self, now: Instant, slot: Slot, call: CallId, on: bool) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        if let Some(talk) = agent.talk_mut(call) {
            talk.hold(now, on);
        } else if let Some(own) = agent.own.get_mut(&call) {
            *own = if on { OwnCall::Held } else { OwnCall::Talks };
        }
        self.refresh(now, slot, StateCause::Call);
    }

    /// A call of his own began, or is answered. His phone stops ringing for a caller unless he may have both; it never
    /// rings for two at a time.
    pub(super) fn own_call(&mut self, now: Instant, slot: Slot, call: CallId, rings: bool) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        if agent.talk_mut(call).is_some() {
            return;
        }
        let known = agent.own.entry(call).or_insert(OwnCall::Rings);
        if *known == OwnCall::Rings && !rings {
            *known = OwnCall::Talks;
        }
        if rings || !agent.has_room() {
            self.stop_ringing(now, slot);
        }
        self.engaged.insert((call, slot));
        self.pass_over_engaged(now, call);
        self.refresh(now, slot, StateCause::Call);
    }

    /// A call of his own is over. If he was ready before, he is idle from now on.
    pub(super) fn own_call_ended(&mut self, now: Instant, slot: Slot, call: CallId) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        if agent.own.remove(&call).is_none() {
            return;
        }
        if !agent.is_engaged() && matches!(agent.state, State::Ready { delayed_until: None }) {
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
        match wish {
            Wish::Ready => match &agent.state {
                State::Offline | State::WrapUp(_) | State::Paused(_) => self.become_idle(now, slot),
                State::Ready { .. } => self.set_state(slot, State::Ready { delayed_until: None }),
                State::Ringing { .. } => self.forgo_wrap_up(slot),
            },
            Wish::Pause(code) => {
                self.stop_ringing(now, slot);
                self.pause(now, slot, code);
            }
            Wish::Logout => {
                self.stop_ringing(now, slot);
                self.set_state(slot, State::Offline);
            }
            Wish::FinishWrapUp | Wish::WrapUp => {}
        }
    }

    /// If his phone rings for a caller, it rings no more: that is no missed ring. True when it did; to be followed by
    /// `refresh` then.
    pub(super) fn stop_ringing(&mut self, now: Instant, slot: Slot) -> bool {
        let Some(State::Ringing { offer, .. }) = self.agents.get(slot).map(|agent| &agent.state) else { return false };
        let offer = *offer;
        self.withdraw(now, offer, OfferResult::Withdrawn);
        self.end_ringing(now, slot, None);
        true
    }

    /// Ready, at the end of the row of idle agents.
    pub(super) fn become_idle(&mut self, now: Instant, slot: Slot) {
        self.set_state(slot, State::Ready { delayed_until: None });
        self.go_behind(now, slot);
    }

    /// At the end of the row of those who have as many calls as he.
    pub(super) fn go_behind(&mut self, now: Instant, slot: Slot) {
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
            if !matches!(agent.state, State::WrapUp(_) | State::Ringing { talked: Some(_), .. })
                && let Some((wish, by)) = agent.next.take()
            {
                cause = by;
                match (wish, by) {
                    (Wish::Logout, StateCause::Rna) => self.log_out_by_rule(slot, PAUSE_RNA),
                    (wish, _) => self.grant(now, slot, wish),
                }
            }
        }
        self.refresh(now, slot, cause);
    }

    /// A call no longer occupies an agent in any way.
    fn disengage(&mut self, call: CallId, slot: Slot) {
        self.engaged.remove(&(call, slot));
        let until = self.agents.get(slot).and_then(|agent| agent.excluded.get(&call).copied());
        if until.is_some() {
            self.deadlines.clear(until, Due::Exclusion(slot, call));
            self.exclusion_over(slot, call);
        }
    }
}
