//! The part of a call in which a flow serves the caller.

use std::sync::Arc;
use std::time::Duration;

use super::keys::Way;
use super::route::{Refusal, Route};
use super::transfer::Turn;
use super::{Action, Call, Context, Phase, Switch};
use crate::id::LegId;
use crate::ivr;
use crate::journal::{EndReason, FlowFault, Kind, Party, QueueOutcome};
use crate::media;
use crate::sip::SessionId;

/// How long a key that was told by INFO is pressed towards the other side.
const PRESS: Duration = Duration::from_millis(100);
/// Most transfers of one call: flows that transfer to each other in a circle end here.
const TRANSFERS_MAX: u32 = 20;

/// Where a queue sends a caller whom it does not keep.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Onward {
    /// To what a user of ours gets who dials this.
    Number(String),
    /// Into this flow.
    Flow(String),
    /// Home: he is called back.
    CallBack,
    /// He leaves a message in the queue's box.
    Voicemail,
}

impl Call {
    pub(super) fn enter_flow(&mut self, context: &Context<'_>, flow: &str) {
        self.phase = Phase::InFlow;
        let facts = ivr::Facts {
            caller: self.from.clone(),
            called: self.to.clone(),
            diverted_from: self.diverted_from.clone().unwrap_or_default(),
            language: self.language.clone(),
            wall: context.wall,
            utc_offset_minutes: context.utc_offset_minutes,
        };
        match ivr::Run::new(context.now, Arc::clone(context.flows), flow, facts, context.world) {
            Ok(run) => {
                self.run = Some(run);
                self.follow_run(context);
            }
            Err(error) => self.flow_failed(context, FlowFault::NotThere, error.to_string()),
        }
    }

    /// The flow cannot go on: the fallback queue takes the caller over; where there is none, or it had him already, the call
    /// ends with an apology.
    fn flow_failed(&mut self, context: &Context<'_>, cause: FlowFault, detail: String) {
        let fallback = context.fallback.filter(|_| !self.fell_back).cloned();
        let (flow, node) = match (self.run.take(), &self.route) {
            (Some(run), _) => (run.place().0.to_owned(), run.place().1.to_owned()),
            (None, Route::Flow(flow)) => (flow.clone(), String::new()),
            (None, _) => (String::new(), String::new()),
        };
        self.journal(Kind::FlowFailed { flow, node, cause, detail, fallback: fallback.clone() });
        match fallback {
            Some(queue) => {
                self.fell_back = true;
                self.enter_queue(context, Turn::begin(context.now, queue), None);
                self.tell(context, "sorry_fallback".to_owned());
            }
            None => self.say_and_end(context, "sorry_error", EndReason::FlowError),
        }
    }

    /// Does what the flow asks, until it waits for something.
    pub(super) fn follow_run(&mut self, context: &Context<'_>) {
        while let Some(output) = self.run.as_mut().and_then(ivr::Run::poll_output) {
            use ivr::Output::{Journal, Language, Relax, Tell};
            if !matches!(output, Journal(_) | Language(_) | Relax { .. } | Tell { .. }) {
                // Whatever else comes takes the place of a play that is still waited for.
                self.speech.forget();
            }
            match output {
                ivr::Output::Play { play, said } => self.say(context, play, &said),
                ivr::Output::StopPlay => self.media(media::Command::Silence { leg: self.customer.id }),
                ivr::Output::Queue { queue, skills, priority, segment, max_wait } => {
                    self.in_transfer = false;
                    let turn = Turn { since: context.now, queue, skills, priority, segment };
                    self.enter_queue(context, turn, max_wait);
                }
                ivr::Output::Transfer { to } => {
                    self.in_transfer = true;
                    self.begin_dialing(context, to.clone());
                    self.outputs.push_back(Action::Transfer { to });
                }
                ivr::Output::Book { queue, number } => self.book(context, queue, number),
                ivr::Output::Fetch { fetch, service, path, body, timeout } => {
                    self.outputs.push_back(Action::Fetch { fetch, service, path, body, timeout });
                }
                ivr::Output::Fork { fork, service, path, data } => {
                    self.outputs.push_back(Action::Fork { fork, service, path, data });
                }
                ivr::Output::ForkHear => self.outputs.push_back(Action::ForkHear),
                ivr::Output::ForkKey(digit) => self.outputs.push_back(Action::ForkKey(digit)),
                ivr::Output::ForkEnd => self.outputs.push_back(Action::ForkEnd { hangup: false }),
                ivr::Output::Comfort => {
                    self.media(media::Command::Music { leg: self.customer.id, music: context.prompts.music(None) });
                }
                ivr::Output::Voicemail { queue } => self.leave_message(context, queue),
                ivr::Output::Relax { skills } => {
                    if let Some(turn) = &mut self.turn {
                        turn.skills.clone_from(&skills);
                    }
                    self.outputs.push_back(Action::Relax { skills });
                }
                ivr::Output::Tell { prompt } => self.tell(context, prompt),
                ivr::Output::LeaveQueue { to_callback } => {
                    self.phase = Phase::InFlow;
                    self.media(media::Command::Silence { leg: self.customer.id });
                    let outcome = if to_callback { QueueOutcome::Callback } else { QueueOutcome::Key };
                    self.outputs.push_back(Action::LeaveQueue { outcome });
                }
                ivr::Output::Record { max, silence, terminator, survey } => {
                    self.hear_caller(context, (max, silence), terminator, survey);
                }
                ivr::Output::Language(language) => {
                    self.language = language.clone();
                    self.journal(Kind::Language { language });
                }
                ivr::Output::Journal(Kind::Survey { survey, score, queue, .. }) => {
                    let agent = self.last_agent.clone();
                    self.journal(Kind::Survey { survey, score, queue, agent });
                }
                ivr::Output::Journal(kind) => self.journal(kind),
                ivr::Output::Hangup => self.end(context, Party::System, EndReason::Normal, 200),
                ivr::Output::Failed { cause, detail } => self.flow_failed(context, cause, detail),
            }
        }
    }

    /// Gives the flow one input and follows it.
    pub(super) fn drive_run(&mut self, context: &Context<'_>, input: ivr::Input) {
        if let Some(run) = &mut self.run {
            run.handle(context.now, input, context.world);
            self.follow_run(context);
        }
    }

    /// What came of the flow's question to a service.
    pub fn handle_fetched(&mut self, context: &Context<'_>, fetch: u64, answer: ivr::Fetched) {
        if matches!(self.phase, Phase::InFlow) {
            self.drive_run(context, ivr::Input::Fetched { fetch, answer });
        }
    }

    /// What the flow's bot did.
    pub fn handle_forked(&mut self, context: &Context<'_>, fork: u64, event: ivr::Forked) {
        if matches!(self.phase, Phase::InFlow) {
            self.drive_run(context, ivr::Input::Forked { fork, event });
        }
    }

    /// The flow waits for its bot, or lets it talk.
    pub fn is_forked(&self) -> bool {
        self.run.as_ref().is_some_and(ivr::Run::is_forked)
    }

    /// Where the flow's `transfer` leads, found by routing.
    pub fn handle_transfer(&mut self, context: &Context<'_>, route: Route) {
        if !self.is_dialing() {
            return;
        }
        self.transfers += 1;
        let route = if self.transfers > TRANSFERS_MAX { Route::Refuse(Refusal::NotFound) } else { route };
        match route {
            Route::Dial(dial) => self.dial(context, dial),
            Route::Direct(agent) => self.direct(context, agent),
            Route::Queue(queue) => return self.enter_queue(context, Turn::begin(context.now, queue), None),
            Route::Flow(flow) => {
                self.leave_flow(context);
                return self.enter_flow(context, &flow);
            }
            _ if !self.in_transfer => return self.sent_nowhere(context, EndReason::NoAgents),
            Route::Feature(_) | Route::Supervise(..) | Route::Echo | Route::Tone | Route::Refuse(_) => {
                self.phase = Phase::InFlow;
                return self.drive_run(context, ivr::Input::TransferEnded { outcome: ivr::TransferEnd::Failed });
            }
        }
        self.media(media::Command::Tone { leg: self.customer.id, tone: context.prompts.ringback() });
    }

    /// A rule of the queue sends the caller out of the queues. What it leads to is not the flow's own: where nothing comes
    /// of it, the flow that queued him hears that nobody was there.
    pub fn handle_sent_on(&mut self, context: &Context<'_>, outcome: QueueOutcome, to: Onward) {
        // Who transferred him there is told that it failed.
        let is_away = self.is_away(self.customer.session);
        if self.transfer.is_some() || is_away || !matches!(self.phase, Phase::Waiting { .. }) {
            return self.handle_queue_left(context, outcome);
        }
        self.media(media::Command::Silence { leg: self.customer.id });
        self.stop_recording();
        self.leave_line();
        self.in_transfer = false;
        match to {
            Onward::Voicemail => {
                self.phase = Phase::InFlow;
                if let Some(queue) = self.turn.as_ref().map(|turn| turn.queue.clone()) {
                    self.leave_message(context, queue);
                }
            }
            Onward::CallBack => {
                self.phase = Phase::InFlow;
                if let Some(queue) = self.turn.as_ref().map(|turn| turn.queue.clone()) {
                    self.book(context, queue, None);
                }
            }
            Onward::Number(number) => {
                self.begin_dialing(context, number.clone());
                self.outputs.push_back(Action::Transfer { to: number });
            }
            Onward::Flow(flow) => {
                self.transfers += 1;
                if self.transfers > TRANSFERS_MAX {
                    return self.sent_nowhere(context, EndReason::NoAgents);
                }
                self.leave_flow(context);
                self.enter_flow(context, &flow);
            }
        }
    }

    /// Where a queue sent the caller he cannot be served either.
    pub(super) fn sent_nowhere(&mut self, context: &Context<'_>, reason: EndReason) {
        self.phase = Phase::InFlow;
        if self.flow_transfers() {
            // It reached that queue by its number.
            self.drive_run(context, ivr::Input::TransferEnded { outcome: ivr::TransferEnd::Failed });
        } else if self.run.is_some() {
            self.drive_run(context, ivr::Input::QueueLeft { outcome: ivr::QueueEnd::NoAgents });
        } else {
            self.say_and_end(context, "sorry_no_agents", reason);
        }
    }

    /// He waits no more by the rules of the flow that queued him.
    pub(super) fn leave_line(&mut self) {
        if let Some(run) = &mut self.run {
            run.leave_line();
        }
    }

    /// While he waits he heard from the flow what this key does.
    fn takes_offer(&self, digit: char) -> bool {
        self.run.as_ref().is_some_and(|run| run.takes_key(digit))
    }

    /// The flow learns that the caller is gone and writes how it ended.
    pub(super) fn leave_flow(&mut self, context: &Context<'_>) {
        if let Some(mut run) = self.run.take() {
            run.handle(context.now, ivr::Input::CallerGone, context.world);
            while let Some(output) = run.poll_output() {
                match output {
                    ivr::Output::Journal(kind) => self.journal(kind),
                    ivr::Output::ForkEnd => self.outputs.push_back(Action::ForkEnd { hangup: true }),
                    _ => {}
                }
            }
        }
    }

    /// A key of the customer, told in the media.
    pub fn handle_digit(&mut self, context: &Context<'_>, digit: char) {
        self.press(context, digit, Way::Event);
    }

    /// A key of the phone on this leg, told in the media.
    pub fn handle_leg_digit(&mut self, context: &Context<'_>, leg: LegId, digit: char) {
        match leg == self.customer.id {
            true => self.handle_digit(context, digit),
            false => self.peer_press(context, leg, digit, Way::Event),
        }
    }

    /// A key told by INFO in this session: for flows and features, and pressed towards the other side of a talk.
    pub fn handle_info_digit(&mut self, context: &Context<'_>, session: SessionId, digit: char) {
        self.press_on(session, digit);
        if session == self.customer.session {
            self.press(context, digit, Way::Info);
        } else if let Some(leg) = self.leg_mut(session).map(|leg| leg.id) {
            self.peer_press(context, leg, digit, Way::Info);
        }
    }

    /// The other side of a talk gets the key in its own way. A phone that agreed on telephone-events tells its keys there
    /// too, and these are relayed: no key may come twice.
    fn press_on(&mut self, session: SessionId, digit: char) {
        let Phase::Talking(peer) = &self.phase else { return };
        let (from, to) = match session {
            session if session == self.customer.session => (&self.customer, &peer.leg),
            session if session == peer.leg.session => (&peer.leg, &self.customer),
            _ => return,
        };
        let by_events = from.media.as_ref().is_some_and(|agreed| agreed.events.is_some());
        if !by_events && from.port.is_some() && to.port.is_some() {
            self.media(media::Command::Press { leg: to.id, digit, length: PRESS });
        }
    }

    fn peer_press(&mut self, context: &Context<'_>, leg: LegId, digit: char, way: Way) {
        if self.agent_keys.counts(context.now, digit, way) {
            self.agent_key(context.now, leg, digit);
        }
    }

    fn press(&mut self, context: &Context<'_>, digit: char, way: Way) {
        // Also outside of flows: the twin of a press that ended a flow must not reach the next one.
        let counts = self.keys.counts(context.now, digit, way);
        match (&self.phase, &self.route) {
            (Phase::InFlow, _) if counts => self.drive_run(context, ivr::Input::Digit(digit)),
            (Phase::Leaving(_), _) if counts => self.leaving_key(context, digit),
            (Phase::Listening(_), _) if counts => self.listening_key(context, digit),
            (Phase::Waiting { .. }, _) if counts && self.takes_offer(digit) => {
                self.drive_run(context, ivr::Input::Digit(digit));
            }
            (Phase::Waiting { .. }, _) if counts => self.outputs.push_back(Action::QueueKey(digit)),
            (Phase::Talking(_), _) if counts && self.user.is_some() => {
                self.agent_key(context.now, self.customer.id, digit);
            }
            (Phase::Service, Route::Supervise(..)) if counts => {
                self.outputs.extend(Switch::of_key(digit).map(Action::Switch));
            }
            _ => {}
        }
    }
}
