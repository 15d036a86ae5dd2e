//! What a call asks for, done: signalling, media, the floor, the journal.

use std::time::Instant;

use crate::acd::{self, Floor, Wish};
use crate::call::route::{self, Feature, Route};
use crate::call::{Action, Call};
use crate::id::{AgentId, CallId, QueueName};
use crate::ivr::{QueueFacts, World};
use crate::journal::{About, AgentStateName, Kind, Origin, StateCause};
use crate::sip::Rejection;

use super::Engine;

/// The floor as expressions in flows see it.
pub(super) struct FloorWorld<'a> {
    pub(super) floor: &'a Floor,
    pub(super) now: Instant,
}

impl World for FloorWorld<'_> {
    fn queue(&self, name: &str) -> Option<QueueFacts> {
        let view = self.floor.queue(self.now, &QueueName::from(name))?;
        let longest = view.longest_wait.map_or(0, |wait| wait.as_secs());
        Some(QueueFacts {
            waiting: view.waiting,
            agents_ready: view.available,
            longest_wait_s: u32::try_from(longest).unwrap_or(u32::MAX),
        })
    }
}

impl Engine {
    pub(super) fn do_actions(&mut self, now: Instant, id: CallId) {
        while let Some(action) = self.calls.get_mut(&id).and_then(Call::poll_output) {
            self.do_action(now, id, action);
        }
    }

    fn do_action(&mut self, now: Instant, id: CallId, action: Action) {
        match action {
            Action::Ring => {
                if let Some(call) = self.calls.get(&id) {
                    self.endpoint.ring(now, call.customer().session);
                }
            }
            Action::Answer => self.answer(now, id),
            Action::Reject { code, retry_after } => {
                if let Some(call) = self.calls.get(&id) {
                    let session = call.customer().session;
                    let rejection = Rejection { code, reason: None, retry_after, warning: None };
                    self.sessions.remove(&session);
                    self.endpoint.reject(now, session, rejection);
                }
            }
            Action::HangUp { session, reason } => {
                self.sessions.remove(&session);
                self.endpoint.hang_up(now, session, reason);
            }
            Action::AnswerOffer { session, sdp } => self.endpoint.answer_offer(now, session, sdp),
            Action::RefuseOffer { session, code } => self.endpoint.refuse_offer(now, session, code),
            Action::Reinvite { session, sdp } => self.endpoint.reinvite(now, session, sdp),
            Action::Media(command) => {
                if let Some(call) = self.calls.get(&id) {
                    let shard = call.shard();
                    self.media(shard, command);
                }
            }
            Action::Enqueue { queue, skills, priority, max_wait } => {
                self.floor.handle(now, acd::Input::Enqueue { call: id, queue, skills, priority, max_wait });
            }
            Action::LeaveQueue { outcome } => self.floor.handle(now, acd::Input::LeaveAs { call: id, outcome }),
            Action::TalkEnded { agent, own } => self.talk_ended(now, id, agent, own),
            Action::Hold { agent, on } => self.floor.handle(now, acd::Input::Hold { agent, on }),
            Action::Talking { agent } => self.talk_began(now, id, agent),
            Action::Dial(dial) => self.ring_dial(now, id, &dial),
            Action::Direct(agent) => self.ring_direct(now, id, agent),
            Action::Transfer { to } => self.transfer(now, id, &to),
            Action::DropDial => self.drop_dial(now, id),
            Action::Feature(feature) => self.feature(now, id, feature),
            Action::Journal(kind) => {
                if let Kind::RecordingStarted { recording, .. } = &kind {
                    self.recordings.insert(*recording, id);
                }
                self.journal(now, About::Call(id), kind);
            }
            Action::Ended => self.call_ended(now, id),
        }
    }

    fn answer(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let listen = match call.route() {
            Route::Listen(agent) => Some(agent.clone()),
            _ => None,
        };
        self.endpoint.answer(now, call.customer().session, call.customer().sdp.clone());
        if let Some(agent) = listen {
            self.begin_listening(now, id, agent);
        }
    }

    /// A flow sends the caller on with the centre's own right, not the caller's.
    fn transfer(&mut self, now: Instant, id: CallId, to: &str) {
        let agents = &self.settings.floor.agents;
        let queues_of = |agent: &str| agents.get(agent).map(|a| &a.queues);
        let by_centre = Origin::User(AgentId::from(""));
        let route = match to.strip_prefix("agent:") {
            Some(agent) if agents.contains_key(agent) => Route::Direct(agent.into()),
            Some(_) => Route::Refuse(route::Refusal::NotFound),
            None => route::route(&self.settings.call, queues_of, &by_centre, to),
        };
        self.with_call(now, id, |call, context| call.handle_transfer(context, route));
    }

    fn feature(&mut self, now: Instant, id: CallId, feature: Feature) {
        let Some(Origin::User(agent)) = self.calls.get(&id).map(|call| call.origin().clone()) else { return };
        let wish = match feature {
            Feature::Ready => Wish::Ready,
            Feature::Pause(code) => Wish::Pause(code),
            Feature::LogOut => Wish::Logout,
            Feature::FinishWrapUp => Wish::FinishWrapUp,
        };
        self.floor.handle(now, acd::Input::Want { agent, wish, by: StateCause::Agent });
    }

    fn call_ended(&mut self, now: Instant, id: CallId) {
        // While the call is still known: the journal says who no longer listens.
        if let Some(Route::Listen(agent)) = self.calls.get(&id).map(Call::route) {
            let agent = agent.clone();
            self.end_listening(now, id, &agent);
        }
        let Some(call) = self.calls.remove(&id) else { return };
        self.sessions.remove(&call.customer().session);
        self.commits.retain(|_, (_, owner)| *owner != id);
        if let Some(at) = self.deadline_of.remove(&id) {
            self.deadlines.remove(&(at, id));
        }
        match (call.origin(), call.route()) {
            (Origin::Trunk(name), _) => {
                let name = name.clone();
                self.leave_trunk(&name);
            }
            (Origin::User(agent), Route::Dial(_) | Route::Direct(_)) => {
                let agent = agent.clone();
                self.end_own_call(now, &agent, id);
            }
            (Origin::User(_) | Origin::Stranger, _) => {}
        }
        // Whatever the floor still holds for it is freed; normally that is nothing.
        self.floor.handle(now, acd::Input::CallGone { call: id });
        self.report_drained();
    }

    /// Whether a colleague's or a flow's call may ring this agent now.
    pub(super) fn may_ring(&self, agent: &AgentId) -> bool {
        let state = self.floor.agent(agent).map(|view| view.state);
        !matches!(state, None | Some(AgentStateName::Ringing | AgentStateName::Busy | AgentStateName::Hold))
    }
}
