//! Who talks with whom, and who hears it.
//!
//! A supervisor listens to an agent, not to a call: his line stays open from one of the agent's calls to the next.

use std::time::Instant;

use smallvec::{SmallVec, smallvec};

use crate::acd;
use crate::call::Call;
use crate::call::route::Route;
use crate::id::{AgentId, CallId, LegId};
use crate::journal::{About, Kind, Origin, SupervisionMode};
use crate::media;

use super::{Engine, Home};

/// What a listening supervisor hears now.
#[derive(Clone, Debug)]
pub(super) struct Hearing {
    pub(super) talk: CallId,
    pub(super) agent: AgentId,
    supervisor: AgentId,
}

impl Engine {
    pub(super) fn talk_began(&mut self, now: Instant, call: CallId, agent: AgentId) {
        self.talks.entry(agent.clone()).or_default().push(call);
        self.hear_present_talk(now, &agent);
    }

    /// The talk that an agent has now: of several, which only his transfers can bring about, the latest.
    pub(super) fn talk_of(&self, agent: &AgentId) -> Option<CallId> {
        self.talks.get(agent).and_then(|calls| calls.last()).copied()
    }

    /// Who listens to the agent hears the talk he has now, or none.
    fn hear_present_talk(&mut self, now: Instant, agent: &AgentId) {
        let talk = self.talk_of(agent);
        let ears: Vec<CallId> = self.listeners.get(agent).into_iter().flatten().copied().collect();
        for ear in ears {
            if self.hearing.get(&ear).is_some_and(|hearing| Some(hearing.talk) != talk) {
                self.detach(now, ear);
            }
            if let Some(talk) = talk {
                self.attach(now, ear, talk, agent);
            }
        }
    }

    pub(super) fn talk_ended(&mut self, now: Instant, call: CallId, agent: AgentId, own: bool) {
        self.forget_talk(now, call, &agent);
        match own {
            true => self.end_own_call(now, &agent, call),
            false => self.tell_floor(now, acd::Input::TalkEnded { agent, call }),
        }
    }

    /// Who hears this talk hears it no longer.
    pub(super) fn forget_talk(&mut self, now: Instant, call: CallId, agent: &AgentId) {
        let Some(calls) = self.talks.get_mut(agent) else { return };
        calls.retain(|known| *known != call);
        if calls.is_empty() {
            self.talks.remove(agent);
        }
        self.hear_present_talk(now, agent);
    }

    pub(super) fn begin_listening(&mut self, now: Instant, ear: CallId, agent: AgentId) {
        self.listeners.entry(agent.clone()).or_default().insert(ear);
        if let Some(talk) = self.talk_of(&agent) {
            self.attach(now, ear, talk, &agent);
        }
    }

    pub(super) fn end_listening(&mut self, now: Instant, ear: CallId, agent: &AgentId) {
        self.detach(now, ear);
        if let Some(ears) = self.listeners.get_mut(agent) {
            ears.remove(&ear);
            if ears.is_empty() {
                self.listeners.remove(agent);
            }
        }
    }

    fn attach(&mut self, now: Instant, ear: CallId, talk: CallId, agent: &AgentId) {
        let (Some(supervisor), Some(heard)) = (self.calls.get(&ear), self.calls.get(&talk)) else { return };
        let Some(peer) = heard.peer() else { return };
        if self.hearing.contains_key(&ear) || !supervisor.customer().opened {
            return;
        }
        if heard.shard() != supervisor.shard() {
            self.move_ear(ear);
            return;
        }
        let (listener, customer, other) = (supervisor.customer().id, heard.customer().id, peer.leg.id);
        let (shard, who) = (heard.shard(), supervisor.origin().clone());
        self.media(shard, media::Command::Mix { leg: listener, voices: smallvec![customer, other] });
        if let Origin::User(supervisor) = who {
            let hearing = Hearing { talk, agent: agent.clone(), supervisor: supervisor.clone() };
            self.hearing.insert(ear, hearing);
            let kind = Kind::SupervisionStarted { supervisor, agent: agent.clone(), mode: SupervisionMode::Listen };
            self.journal(now, About::Call(talk), kind);
        }
    }

    /// A leg hears only what its own media thread carries: it goes there, with its port.
    fn move_ear(&mut self, ear: CallId) {
        let Some(call) = self.calls.get(&ear) else { return };
        let (leg, shard) = (call.customer().id, call.shard());
        if self.moves.insert(leg) {
            self.media(shard, media::Command::Close { leg });
        }
    }

    /// A leg's port is closed: true when that was for a move, and it opens again where the talk is.
    pub(super) fn ear_closed(&mut self, now: Instant, leg: LegId, home: Home) -> bool {
        if !self.moves.remove(&leg) {
            return false;
        }
        let Some(Route::Listen(agent)) = self.calls.get(&home.call).map(Call::route) else { return false };
        let talk = self.talk_of(agent).and_then(|talk| self.calls.get(&talk));
        let shard = talk.map_or(home.shard, Call::shard);
        let id = self.new_leg_id();
        self.legs.insert(id, Home { shard, ..home });
        self.with_call(now, home.call, |call, _| call.move_to_shard(shard, id));
        true
    }

    /// A supervisor's port is open, perhaps after a move: he hears the talk that goes on.
    pub(super) fn ear_opened(&mut self, now: Instant, ear: CallId) {
        let Some(Route::Listen(agent)) = self.calls.get(&ear).map(Call::route) else { return };
        let agent = agent.clone();
        let listens = self.listeners.get(&agent).is_some_and(|ears| ears.contains(&ear));
        if let Some(talk) = self.talk_of(&agent).filter(|_| listens) {
            self.attach(now, ear, talk, &agent);
        }
    }

    /// The ear's own call may be over already.
    fn detach(&mut self, now: Instant, ear: CallId) {
        let Some(Hearing { talk, agent, supervisor }) = self.hearing.remove(&ear) else { return };
        if let Some(call) = self.calls.get(&ear) {
            let (listener, shard) = (call.customer().id, call.shard());
            self.media(shard, media::Command::Mix { leg: listener, voices: SmallVec::new() });
        }
        self.journal(now, About::Call(talk), Kind::SupervisionEnded { supervisor, agent });
    }
}
