//! What a call asks for, done: signalling, media, the floor, the journal.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use crate::acd::calendar::{self, Calendar, Override};
use crate::acd::{self, Floor, Wish};
use crate::call::route::{self, Feature, Route};
use crate::call::{Action, Call, Context};
use crate::clock::{Clock, Wall};
use crate::id::{AgentId, CallId, QueueName};
use crate::ivr::{QueueFacts, World};
use crate::journal::{About, EndReason, Hours, Kind, Origin, Party, StateCause};
use crate::sip::{Rejection, SessionId};

use super::services::{Fetch, For, Method};
use super::synthesis::Synthesis;
use super::{Engine, Owner, RECORDINGS_MAX, Settings};

/// The floor as expressions in flows see it.
pub(super) struct FloorWorld<'a> {
    pub(super) floor: &'a Floor,
    pub(super) now: Instant,
    pub(super) wall: Wall,
    pub(super) calendars: &'a BTreeMap<String, Calendar>,
    pub(super) hours_set: &'a BTreeMap<String, Override>,
}

impl World for FloorWorld<'_> {
    fn queue(&self, name: &str) -> Option<QueueFacts> {
        let name = QueueName::from(name);
        let view = self.floor.queue(self.now, &name)?;
        let longest = view.longest_wait.map_or(0, |wait| wait.as_secs());
        let longest_wait_s = u32::try_from(longest).unwrap_or(u32::MAX);
        let ewt = match self.floor.estimate(self.now, &name, 0) {
            Some(estimate) => u32::try_from(estimate.p80.as_secs()).unwrap_or(QueueFacts::NOBODY),
            None if !self.floor.has_somebody(&name) => QueueFacts::NOBODY,
            None => longest_wait_s,
        };
        Some(QueueFacts { waiting: view.waiting, agents_ready: view.available, longest_wait_s, ewt })
    }

    fn hours(&self, calendar: &str) -> Option<Hours> {
        calendar::state(self.calendars, self.hours_set, calendar, self.wall)
    }
}

/// What a call may look at.
pub(super) fn context<'a>(now: Instant, clock: Clock, settings: &'a Settings, world: &'a dyn World) -> Context<'a> {
    Context {
        now,
        wall: clock.wall(now),
        utc_offset_minutes: settings.utc_offset_minutes,
        prompts: &settings.prompts,
        flows: &settings.flows,
        world,
        address: settings.media.address,
        pauses: &settings.call.record_pauses,
        voicemail: &settings.call.voicemail,
        fallback: settings.call.fallback.as_ref(),
    }
}

/// Whether an agent who dials this is busy meanwhile. Feature codes change his state: they leave it alone.
pub(super) fn occupies(route: &Route) -> bool {
    match route {
        Route::Flow(_) | Route::Queue(_) | Route::Dial(_) | Route::Direct(_) | Route::Echo | Route::Tone => true,
        Route::Feature(_) | Route::Supervise(..) | Route::Refuse(_) => false,
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
            Action::Ring { sdp } => {
                if let Some(call) = self.calls.get(&id) {
                    self.endpoint.ring(now, call.customer().session, sdp);
                }
            }
            Action::Accept { session, sdp } => self.endpoint.answer(now, session, sdp),
            Action::Answer => self.answer(now, id),
            Action::Reject { code, retry_after } => {
                if let Some(call) = self.calls.get(&id) {
                    let session = call.customer().session;
                    let rejection = Rejection { code, reason: None, retry_after, warning: None };
                    self.forget_session(&session);
                    self.endpoint.reject(now, session, rejection);
                }
            }
            Action::HangUp { session, reason } => {
                self.forget_session(&session);
                self.endpoint.hang_up(now, session, reason);
            }
            Action::AnswerOffer { session, sdp } => self.endpoint.answer_offer(now, session, sdp),
            Action::RefuseOffer { session, code, warning } => self.endpoint.refuse_offer(now, session, code, warning),
            Action::Reinvite { session, sdp } => self.endpoint.reinvite(now, session, sdp),
            Action::Media(command) => {
                if let Some(call) = self.calls.get(&id) {
                    let shard = call.shard();
                    self.media(shard, command);
                }
            }
            Action::Enqueue { queue, skills, priority, segment, max_wait, transferred } => {
                if self.refuse_closed(now, id, &queue, transferred.is_some()) {
                    return;
                }
                let number = self.calls.get(&id).and_then(Call::shown_number).map(str::to_owned);
                // Whom an agent sends on does not wait for just that agent.
                let known = number.as_ref().filter(|_| transferred.is_none());
                let last_agent = known.and_then(|number| self.regulars.agent_of(number).cloned());
                let plain = acd::Arrival::new(id, queue);
                let arrival =
                    acd::Arrival { skills, priority, segment, max_wait, transferred, last_agent, number, ..plain };
                self.tell_floor(now, acd::Input::Enqueue(arrival));
                if transferred.is_some() && self.floor.position(id).is_some() {
                    self.with_call(now, id, Call::handle_queued);
                }
            }
            Action::Relax { skills } => self.tell_floor(now, acd::Input::Relax { call: id, skills }),
            Action::QueueKey(digit) => self.tell_floor(now, acd::Input::Key { call: id, digit }),
            Action::LeaveQueue { outcome } => self.tell_floor(now, acd::Input::LeaveAs { call: id, outcome }),
            Action::TalkEnded { agent, own } => self.talk_ended(now, id, agent, own),
            Action::Hold { agent, on } => self.tell_floor(now, acd::Input::Hold { agent, call: id, on }),
            Action::Joined => self.consulted_recorded(id),
            Action::Talking { agent } => self.talk_began(now, id, agent),
            Action::Dial(dial) => self.ring_dial(now, id, &dial),
            Action::Direct(agent) => self.ring_direct(now, id, agent),
            Action::Transfer { to } => self.transfer(now, id, &to),
            Action::ReferProgress { refer, code } => self.endpoint.refer_progress(now, refer, code),
            Action::Turned { before, agent } => self.turned(now, id, before, agent),
            Action::OwnCall { agent } => self.begin_own_call(now, &agent, id, false),
            Action::DropDial { reason } => self.drop_dial(now, id, reason.as_deref()),
            Action::DropPage => self.drop_page(now, id),
            Action::Returned { user } => self.seek_again(now, id, &user),
            Action::Feature(feature) => self.feature(now, id, feature),
            Action::Switch(switch) => self.switch(now, id, switch),
            Action::CallOut => self.ring_out(now, id),
            Action::Reached { waits } => self.callback_reached(now, id, waits),
            Action::NotReached { code } => self.callback_not_reached(now, id, code),
            Action::CalledOff => self.callback_call_ended(now, id),
            Action::Fetch { fetch, service, path, body, timeout } => {
                let method = if body.is_some() { Method::Post } else { Method::Get };
                let request = Fetch { id: 0, service, method, path, body, timeout };
                self.ask_service(now, id, For::Flow(fetch), request);
            }
            Action::Synthesize { speech, language, text, is_private, is_optional } => {
                self.synthesize(id, speech, Synthesis { id: 0, language, text, is_private, is_optional });
            }
            Action::Fork { fork, service, path, data } => self.begin_fork(id, (fork, service, path), data),
            Action::ForkHear => self.fork_hears(id),
            Action::ForkKey(digit) => self.fork_key(id, digit),
            Action::ForkEnd { hangup } => self.end_fork(id, hangup),
            Action::TakeMessage => {
                let fresh = self.new_recording_id(now);
                self.with_call(now, id, |call, context| call.handle_message(context, fresh));
            }
            Action::LoadMessage(recording) => self.load_message(id, recording),
            Action::MessageHeard(recording) => {
                let by = Self::listener_name(self.calls.get(&id));
                self.voicemail_heard(now, recording, &by);
            }
            Action::DeleteMessage(recording) => {
                let by = Self::listener_name(self.calls.get(&id));
                self.delete_voicemail(now, recording, &by);
            }
            Action::Book(wanted) => self.book_caller(now, id, wanted),
            Action::Journal(kind) => {
                if let Kind::RecordingStarted { recording, .. } = &kind {
                    self.recordings.insert(*recording, id);
                    if self.recordings.len() > RECORDINGS_MAX {
                        self.recordings.pop_first();
                    }
                }
                self.voicemail_left(now, id, &kind);
                self.journal(now, About::Call(id), kind);
            }
            Action::Ended => self.call_ended(now, id),
        }
    }

    fn answer(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let listen = match call.route() {
            Route::Supervise(agent, mode) => Some((agent.clone(), *mode)),
            _ => None,
        };
        let customer = call.customer();
        // With bypassed media each side is told what the other one says.
        let other = call.peer().filter(|_| customer.port.is_none());
        let sdp = other.map_or(&customer.sdp, |peer| &peer.leg.sdp).clone();
        self.endpoint.answer(now, customer.session, sdp);
        if let Some((agent, mode)) = listen {
            self.begin_listening(now, id, agent, mode);
        }
    }

    /// A flow sends the caller on with the centre's own right, not the caller's.
    fn transfer(&mut self, now: Instant, id: CallId, to: &str) {
        let agents = &self.settings.floor.agents;
        let route = match to.strip_prefix("agent:") {
            Some(agent) if agents.contains_key(agent) => Route::Direct(agent.into()),
            Some(_) => Route::Refuse(route::Refusal::NotFound),
            None => self.route_for(&Origin::User(AgentId::from("")), to),
        };
        self.with_call(now, id, |call, context| call.handle_transfer(context, route));
    }

    /// Where a number leads for a caller of this origin.
    pub(super) fn route_for(&self, origin: &Origin, dialled: &str) -> Route {
        let agents = &self.settings.floor.agents;
        let queues_of = |agent: &str| agents.get(agent).map(|a| &a.queues);
        // A carrier writes our numbers in its own way, `[[number]]` in ours.
        let numbering = match origin {
            Origin::Trunk(name) => self.settings.call.trunks.get(name).and_then(|trunk| trunk.numbering.as_ref()),
            Origin::User(_) | Origin::Stranger | Origin::System => None,
        };
        let forms = numbering.map(|numbering| numbering.forms(dialled)).unwrap_or_default();
        match route::route_forms(&self.settings.call, queues_of, origin, dialled, &forms) {
            // Which codes there are the floor knows.
            Route::Feature(Feature::Pause(code)) => {
                let chosen = self.settings.floor.pauses.choose(&code, StateCause::Agent);
                Route::Feature(chosen.map_or(Feature::NoPause, Feature::Pause))
            }
            other => other,
        }
    }

    fn feature(&mut self, now: Instant, id: CallId, feature: Feature) {
        let Some(Origin::User(agent)) = self.calls.get(&id).map(|call| call.origin().clone()) else { return };
        let wish = match feature {
            Feature::Ready => Wish::Ready,
            Feature::Pause(code) => Wish::Pause(code),
            Feature::NoPause => return,
            Feature::Help => return self.raise_hand(now, id, agent),
            Feature::Voicemail => return self.open_box(now, id, &agent),
            Feature::LogOut => Wish::Logout,
            Feature::FinishWrapUp => Wish::FinishWrapUp,
            Feature::WrapUp => Wish::WrapUp,
        };
        self.tell_floor(now, acd::Input::Want { agent, wish, by: StateCause::Agent });
    }

    fn call_ended(&mut self, now: Instant, id: CallId) {
        self.end_fork(id, true);
        let Some(call) = self.calls.remove(&id) else { return };
        self.forget_session(&call.customer().session);
        self.trace.ended(id);
        self.call_outs.remove(&id);
        self.rejoins.forget(id);
        self.callback_call_ended(now, id);
        self.fetches.forget(id);
        self.sentences.forget(id);
        self.helper_gone(now, id);
        if let Some(at) = self.deadline_of.remove(&id) {
            self.deadlines.remove(&(at, id));
        }
        if let Origin::Trunk(name) = call.origin() {
            let name = name.clone();
            self.leave_trunk(&name);
        }
        match (call.user(), call.route()) {
            (_, Route::Supervise(agent, _)) => {
                let agent = agent.clone();
                self.end_listening(now, id, &agent);
            }
            (Some(user), route) if occupies(route) => {
                let user = user.clone();
                self.end_own_call(now, &user, id);
            }
            (Some(_) | None, _) => {}
        }
        // Whatever the floor still holds for it is freed; normally that is nothing.
        self.tell_floor(now, acd::Input::CallGone { call: id });
        self.report_drained();
    }

    /// A fault of ours in one call: it ends, and all that is known to be its own is given back. The others go on.
    pub(super) fn handle_fault(&mut self, now: Instant, id: CallId) {
        self.panics += 1;
        let detail = "a fault of ours ended this call; the log has the place".to_owned();
        self.journal(now, About::Call(id), Kind::Trouble { code: "internal_error".into(), detail });
        let (wall, calendars) = (self.clock.wall(now), &self.settings.floor.calendars);
        let world = FloorWorld { floor: &self.floor, now, wall, calendars, hours_set: &self.hours_set };
        let context = context(now, self.clock, &self.settings, &world);
        let ended = self.calls.get_mut(&id).is_none_or(|call| {
            let end = || call.end(&context, Party::System, EndReason::InternalError, 500);
            std::panic::catch_unwind(AssertUnwindSafe(end)).is_ok()
        });
        if !ended {
            let (by, reason) = (Party::System, EndReason::InternalError);
            self.journal(now, About::Call(id), Kind::CallEnded { by, reason, sip_code: 500 });
            self.call_ended(now, id);
        }
        // The call may have lost sight of what it had. Slow, and never done in health.
        self.drop_dial(now, id, None);
        self.drop_page(now, id);
        let own = |(session, owner): (&SessionId, &Owner)| match owner {
            Owner::Call(call) if *call == id => Some(*session),
            Owner::Call(_) | Owner::Ring(_) => None,
        };
        let sessions: Vec<SessionId> = self.sessions.iter().filter_map(own).collect();
        for session in sessions {
            // The caller's own is answered by the call's last action, when it still has one.
            if self.calls.get(&id).is_none_or(|call| call.customer().session != session) {
                self.forget_session(&session);
                self.endpoint.hang_up(now, session, None);
            }
        }
        let legs: Vec<_> = self.legs.iter().filter(|(_, home)| home.call == id).map(|(l, h)| (*l, h.shard)).collect();
        for (leg, shard) in legs {
            self.media(shard, crate::media::Command::Close { leg });
        }
        let talk = self.talks.iter().find(|(_, calls)| calls.contains(&id)).map(|(agent, _)| agent.clone());
        if let Some(agent) = talk {
            self.forget_talk(now, id, &agent);
        }
    }

    /// Whether a colleague's or a flow's call may ring this agent now: his phone does not ring yet, and he has fewer calls
    /// than he may have.
    pub(super) fn may_ring(&self, agent: &AgentId) -> bool {
        self.floor.agent(agent).is_some_and(|view| view.has_room && !view.is_rung)
    }
}
