//! Raised hands: an agent dials `*15`, and the phones of free supervisors ring one after the other. Who answers hears the
//! agent's talks and is heard by the agent alone, as by `*82`; by his keys he may take part in another way.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::call::Call;
use crate::call::route::Route;
use crate::id::{AgentId, CallId};
use crate::journal::{About, Kind, SupervisionMode};

use super::Engine;

/// Who asked for help, by the line to the supervisor who is rung.
#[derive(Debug)]
pub(super) struct Help {
    agent: AgentId,
    tried: BTreeSet<AgentId>,
}

impl Engine {
    /// This agent asks for help, in the call `line`, where he hears whether somebody is rung. Once is enough.
    pub(super) fn raise_hand(&mut self, now: Instant, line: CallId, agent: AgentId) {
        let is_asked = self.hands.values().any(|help| help.agent == agent);
        let is_rung = is_asked || self.ring_helper(now, Help { agent, tried: BTreeSet::new() });
        self.with_call(now, line, |call, context| call.handle_helped(context, is_rung));
    }

    /// Rings the next supervisor who may hear this agent; false when none is free.
    fn ring_helper(&mut self, now: Instant, mut help: Help) -> bool {
        while let Some((supervisor, route)) = self.free_supervisor(now, &help) {
            help.tried.insert(supervisor.clone());
            let Ok(line) = self.call_out(now, supervisor.clone(), route, &help.agent) else { continue };
            if self.calls.contains_key(&line) {
                let about = About::Agent(help.agent.clone());
                self.journal(now, about, Kind::HelpAsked { supervisor: Some(supervisor) });
                self.hands.insert(line, help);
                return true;
            }
        }
        self.journal(now, About::Agent(help.agent), Kind::HelpAsked { supervisor: None });
        false
    }

    /// A supervisor of this agent who has a phone and is in no call.
    fn free_supervisor(&self, now: Instant, help: &Help) -> Option<(AgentId, Route)> {
        if !self.has_room_for_ear(&help.agent) {
            return None;
        }
        let is_busy = |id: &AgentId| {
            let is_his = |call: &Call| call.user() == Some(id);
            self.own_calls.contains_key(id) || self.talks.contains_key(id) || self.calls.values().any(is_his)
        };
        let others = self.settings.call.supervisors.keys().filter(|id| !help.tried.contains(*id) && **id != help.agent);
        let mut free = others.filter(|id| !is_busy(id) && self.way_to_agent(now, id).is_some());
        free.find_map(|id| match self.supervision(id, &help.agent, SupervisionMode::Whisper) {
            route @ Route::Supervise(..) => Some((id.clone(), route)),
            _ => None,
        })
    }

    /// The supervisor answered.
    pub(super) fn helper_came(&mut self, line: CallId) {
        self.hands.remove(&line);
    }

    /// The line to a supervisor is over; one who did not answer is followed by the next.
    pub(super) fn helper_gone(&mut self, now: Instant, line: CallId) {
        if let Some(help) = self.hands.remove(&line) {
            self.ring_helper(now, help);
        }
    }
}
