//! Who talks with whom, and who hears it.
//!
//! A supervisor listens to an agent, not to a call: his line stays open from one of the agent's calls to the next.

use std::time::Instant;

use crate::acd;
use crate::id::{AgentId, CallId};
use crate::journal::{About, Kind, Origin, SupervisionMode};
use crate::media;

use super::Engine;

impl Engine {
    pub(super) fn talk_began(&mut self, now: Instant, call: CallId, agent: AgentId) {
        self.talks.insert(agent.clone(), call);
        let ears: Vec<CallId> = self.listeners.get(&agent).into_iter().flatten().copied().collect();
        for ear in ears {
            self.attach(now, ear, call, &agent);
        }
    }

    pub(super) fn talk_ended(&mut self, now: Instant, call: CallId, agent: AgentId, own: bool) {
        self.talks.remove(&agent);
        let ears: Vec<CallId> = self.listeners.get(&agent).into_iter().flatten().copied().collect();
        for ear in ears {
            self.detach(now, ear, &agent);
        }
        match own {
            true => self.end_own_call(now, &agent, call),
            false => self.floor.handle(now, acd::Input::TalkEnded { agent, call }),
        }
    }

    pub(super) fn begin_listening(&mut self, now: Instant, ear: CallId, agent: AgentId) {
        self.listeners.entry(agent.clone()).or_default().insert(ear);
        if let Some(talk) = self.talks.get(&agent).copied() {
            self.attach(now, ear, talk, &agent);
        }
    }

    pub(super) fn end_listening(&mut self, now: Instant, ear: CallId, agent: &AgentId) {
        self.detach(now, ear, agent);
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
        if heard.shard() != supervisor.shard() {
            tracing::warn!(call = %talk, "a listener's media is on another thread: he hears the agent's next call");
            return;
        }
        let (listener, customer, other) = (supervisor.customer().id, heard.customer().id, peer.leg.id);
        let (shard, who) = (heard.shard(), supervisor.origin().clone());
        self.media(shard, media::Command::Listen { listener, customer, agent: other });
        self.hearing.insert(ear, talk);
        if let Origin::User(supervisor) = who {
            let kind = Kind::SupervisionStarted { supervisor, agent: agent.clone(), mode: SupervisionMode::Listen };
            self.journal(now, About::Call(talk), kind);
        }
    }

    fn detach(&mut self, now: Instant, ear: CallId, agent: &AgentId) {
        let Some(talk) = self.hearing.remove(&ear) else { return };
        let Some(supervisor) = self.calls.get(&ear) else { return };
        let (listener, shard, who) = (supervisor.customer().id, supervisor.shard(), supervisor.origin().clone());
        self.media(shard, media::Command::Unlisten { listener });
        if let Origin::User(supervisor) = who {
            self.journal(now, About::Call(talk), Kind::SupervisionEnded { supervisor, agent: agent.clone() });
        }
    }
}
