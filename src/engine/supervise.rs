//! Who talks with whom, and who hears it.
//!
//! A supervisor is with an agent, not with a call: his line stays open from one of the agent's calls to the next, and the
//! way he takes part stays with it. What each of them hears is worked out in `mix`.

use std::time::Instant;

use crate::acd;
use crate::call::route::{self, Refusal, Route};
use crate::call::{Call, Switch};
use crate::id::{AgentId, CallId, LegId};
use crate::journal::{About, Kind, Origin, SupervisionMode};
use crate::media;

use super::mix::Voices;
use super::{Engine, Home, Owner};

/// Supervisors at one agent at once.
const SUPERVISORS_MAX: usize = 4;

/// What a supervisor hears now.
#[derive(Clone, Debug)]
pub(super) struct Hearing {
    pub(super) talk: CallId,
    pub(super) agent: AgentId,
    pub(super) mode: SupervisionMode,
    supervisor: AgentId,
}

/// What came of asking for supervision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Supervised {
    /// The supervisor's phone rings; it begins when he answers.
    Ringing,
    /// He is with the agent already, and takes part as asked from now on.
    Switched,
    /// He has the caller.
    TakenOver,
}

/// Why an agent cannot be supervised.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SuperviseError {
    /// No agent of that id.
    #[error("there is no such agent")]
    NoAgent,
    /// He serves none of the supervisor's queues, or who asks is no supervisor.
    #[error("this supervisor may not hear this agent")]
    Forbidden,
    /// Nobody was named, and it is not clear who is meant.
    #[error("name the supervisor: none or several may hear this agent")]
    WhichSupervisor,
    /// As many supervisors are with the agent as there may be.
    #[error("four supervisors are with this agent already")]
    Full,
    /// There is no talk to take over, or the supervisor does not hear it.
    #[error("the supervisor hears no talk of this agent that could be taken over now")]
    NoTalk,
    /// The supervisor's phone cannot be rung; holds the SIP status.
    #[error("the supervisor's phone cannot be rung ({0})")]
    Unreachable(u16),
}

impl Engine {
    pub(super) fn talk_began(&mut self, now: Instant, call: CallId, agent: AgentId) {
        self.talks.entry(agent.clone()).or_default().push(call);
        self.hear_present_talk(now, &agent);
    }

    /// The talk that an agent has now: of several, which his transfers or his `capacity` can bring about, the latest.
    pub(super) fn talk_of(&self, agent: &AgentId) -> Option<CallId> {
        self.talks.get(agent).and_then(|calls| calls.last()).copied()
    }

    /// Who is with the agent hears the talk he has now, or none.
    fn hear_present_talk(&mut self, now: Instant, agent: &AgentId) {
        let talk = self.talk_of(agent);
        let ears: Vec<CallId> = self.listeners.get(agent).into_iter().flatten().map(|(ear, _)| *ear).collect();
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

    /// Whether one more supervisor may be with this agent.
    pub(super) fn has_room_for_ear(&self, agent: &AgentId) -> bool {
        self.listeners.get(agent).is_none_or(|ears| ears.len() < SUPERVISORS_MAX)
    }

    pub(super) fn begin_listening(&mut self, now: Instant, ear: CallId, agent: AgentId, mode: SupervisionMode) {
        self.listeners.entry(agent.clone()).or_default().insert(ear, mode);
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
        let (Some(line), Some(heard)) = (self.calls.get(&ear), self.calls.get(&talk)) else { return };
        let Some(mode) = self.listeners.get(agent).and_then(|ears| ears.get(&ear)).copied() else { return };
        if heard.peer().is_none() || self.hearing.contains_key(&ear) || !line.customer().opened {
            return;
        }
        if heard.shard() != line.shard() {
            self.move_ear(ear);
            return;
        }
        if let Origin::User(supervisor) = line.origin().clone() {
            let hearing = Hearing { talk, agent: agent.clone(), mode, supervisor: supervisor.clone() };
            self.hearing.insert(ear, hearing);
            let kind = Kind::SupervisionStarted { supervisor, agent: agent.clone(), mode };
            self.journal(now, About::Call(talk), kind);
            if mode != SupervisionMode::Listen {
                self.record_ear(ear);
            }
            self.remix(talk);
        }
    }

    /// What a supervisor says who is heard by somebody is in a file of its own beside the talk's recording.
    fn record_ear(&mut self, ear: CallId) {
        let (Some(hearing), Some(line)) = (self.hearing.get(&ear), self.calls.get(&ear)) else { return };
        let (talk, speaks, leg) = (hearing.talk, hearing.mode != SupervisionMode::Listen, line.customer().id);
        self.record_beside(talk, media::TrackKind::Supervisor, leg, speaks);
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
        let Some(Route::Supervise(agent, _)) = self.calls.get(&home.call).map(Call::route) else { return false };
        let talk = self.talk_of(agent).and_then(|talk| self.calls.get(&talk));
        let shard = talk.map_or(home.shard, Call::shard);
        let id = self.new_leg_id();
        self.legs.insert(id, Home { shard, ..home });
        self.with_call(now, home.call, |call, _| call.move_to_shard(shard, id));
        true
    }

    /// A supervisor's port is open, perhaps after a move: he hears the talk that goes on.
    pub(super) fn ear_opened(&mut self, now: Instant, ear: CallId) {
        let Some(Route::Supervise(agent, _)) = self.calls.get(&ear).map(Call::route) else { return };
        let agent = agent.clone();
        let listens = self.listeners.get(&agent).is_some_and(|ears| ears.contains_key(&ear));
        if let Some(talk) = self.talk_of(&agent).filter(|_| listens) {
            self.attach(now, ear, talk, &agent);
        }
    }

    /// The ear's own call may be over already.
    pub(super) fn detach(&mut self, now: Instant, ear: CallId) {
        let Some(Hearing { talk, agent, supervisor, mode }) = self.hearing.remove(&ear) else { return };
        if let Some(call) = self.calls.get(&ear) {
            let (leg, shard) = (call.customer().id, call.shard());
            self.set_voices(shard, leg, Voices::new());
            if mode != SupervisionMode::Listen {
                self.record_beside(talk, media::TrackKind::Supervisor, leg, false);
            }
        }
        self.journal(now, About::Call(talk), Kind::SupervisionEnded { supervisor, agent, mode });
        self.remix(talk);
    }

    // ---- modes ---------------------------------------------------------------------------------------------------

    /// A supervisor pressed a key that says how he takes part from now on.
    pub(super) fn switch(&mut self, now: Instant, ear: CallId, switch: Switch) {
        match switch {
            Switch::Mode(mode) => self.set_mode(now, ear, mode),
            // A key that cannot do anything now does nothing.
            Switch::TakeOver => _ = self.take_over(now, ear),
        }
    }

    fn set_mode(&mut self, now: Instant, ear: CallId, mode: SupervisionMode) {
        let Some(Route::Supervise(agent, _)) = self.calls.get(&ear).map(Call::route) else { return };
        let Some(known) = self.listeners.get_mut(agent).and_then(|ears| ears.get_mut(&ear)) else { return };
        *known = mode;
        let Some(hearing) = self.hearing.get_mut(&ear).filter(|hearing| hearing.mode != mode) else { return };
        let before = std::mem::replace(&mut hearing.mode, mode);
        let Hearing { talk, agent, supervisor, .. } = hearing.clone();
        self.journal(now, About::Call(talk), Kind::SupervisionChanged { supervisor, agent, before, mode });
        self.record_ear(ear);
        self.remix(talk);
    }

    /// The supervisor talks with the caller in the agent's place: his phone leaves its own call for that one.
    fn take_over(&mut self, now: Instant, ear: CallId) -> Result<(), SuperviseError> {
        let hearing = self.hearing.get(&ear).cloned().ok_or(SuperviseError::NoTalk)?;
        let Hearing { talk, agent, supervisor, .. } = hearing;
        let call = self.calls.get(&talk).ok_or(SuperviseError::NoTalk)?;
        let session = call.peer().map(|peer| peer.leg.session).ok_or(SuperviseError::NoTalk)?;
        call.may_take_place(session, false, &supervisor).map_err(|_| SuperviseError::NoTalk)?;
        let mut leg = None;
        self.end_listening(now, ear, &agent);
        self.with_call(now, ear, |call, context| leg = call.give_leg(context));
        let leg = leg.ok_or(SuperviseError::NoTalk)?;
        self.begin_own_call(now, &supervisor, talk, false);
        self.own(leg.session, Owner::Call(talk));
        if let Some(home) = self.legs.get_mut(&leg.id) {
            home.call = talk;
        }
        self.with_call(now, talk, |call, context| call.handle_taken_over(context, leg, supervisor, agent));
        Ok(())
    }

    // ---- from the console ------------------------------------------------------------------------------------------

    /// `supervisor` (or the only one it can be) takes part in `agent`'s talks as `switch` says: who is with him already
    /// switches at once, anybody else's phone is rung.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn supervise(
        &mut self,
        now: Instant,
        agent: &AgentId,
        supervisor: Option<AgentId>,
        switch: Switch,
    ) -> Result<Supervised, SuperviseError> {
        if !self.settings.floor.agents.contains_key(agent) {
            return Err(SuperviseError::NoAgent);
        }
        let supervisor = supervisor.or_else(|| self.only_supervisor(agent)).ok_or(SuperviseError::WhichSupervisor)?;
        let mode = match switch {
            Switch::Mode(mode) => mode,
            Switch::TakeOver => SupervisionMode::Listen,
        };
        let route = self.supervision(&supervisor, agent, mode);
        match route {
            Route::Supervise(..) => {}
            Route::Refuse(Refusal::NotFound) => return Err(SuperviseError::NoAgent),
            _ => return Err(SuperviseError::Forbidden),
        }
        let done = match (self.line_of(&supervisor, agent), switch) {
            (Some(ear), Switch::Mode(mode)) => {
                self.set_mode(now, ear, mode);
                Ok(Supervised::Switched)
            }
            (Some(ear), Switch::TakeOver) => self.take_over(now, ear).map(|()| Supervised::TakenOver),
            (None, Switch::TakeOver) => Err(SuperviseError::NoTalk),
            (None, Switch::Mode(_)) if !self.has_room_for_ear(agent) => Err(SuperviseError::Full),
            (None, Switch::Mode(_)) => {
                let rung = self.call_out(now, supervisor, route, agent);
                rung.map(|_| Supervised::Ringing).map_err(SuperviseError::Unreachable)
            }
        };
        self.pump(now);
        done
    }

    pub(super) fn supervision(&self, supervisor: &AgentId, agent: &AgentId, mode: SupervisionMode) -> Route {
        let agents = &self.settings.floor.agents;
        let queues_of = |agent: &str| agents.get(agent).map(|a| &a.queues);
        route::supervise(&self.settings.call, queues_of, supervisor, agent.as_str(), mode)
    }

    /// The supervisor's line to this agent: his phone is on it.
    fn line_of(&self, supervisor: &AgentId, agent: &AgentId) -> Option<CallId> {
        let mut ears = self.listeners.get(agent).into_iter().flatten().map(|(ear, _)| *ear);
        let is_his = |call: &Call| matches!(call.origin(), Origin::User(user) if user == supervisor);
        ears.find(|ear| self.calls.get(ear).is_some_and(is_his))
    }

    /// Who is meant when nobody is named: the only one who is with the agent, else the only one who may be.
    fn only_supervisor(&self, agent: &AgentId) -> Option<AgentId> {
        let lines = self.listeners.get(agent).into_iter().flatten();
        let with_him = lines.filter_map(|(ear, _)| self.calls.get(ear)?.user().cloned());
        let may = |id: &&AgentId| matches!(self.supervision(id, agent, SupervisionMode::Listen), Route::Supervise(..));
        let mut found: Vec<AgentId> = with_him.collect();
        if found.is_empty() {
            found = self.settings.call.supervisors.keys().filter(may).cloned().collect();
        }
        found.pop().filter(|_| found.is_empty())
    }
}
