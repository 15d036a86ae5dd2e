//! The part of a call by which a customer is called back: it begins without him.
//!
//! ```text
//!   agent first                                        customer first
//!   Waiting --the agent answers--> Dialing, he hears   Waiting --an agent is reserved--> Dialing
//!                                  that it rings          ^                                 |
//!   Talking <--the customer answers-- |                   +--the customer answers: he waits for that agent
//!                 nobody does: the agent is free, the call is over, and the engine decides on another try
//! ```

use std::time::{Duration, Instant};

use super::config::{DialTarget, RecordPolicy};
use super::leg::Leg;
use super::route::Dial;
use super::talk::passed_on;
use super::transfer::Turn;
use super::{Action, Call, Context, Peer, Phase, Setup};
use crate::id::{LegId, QueueName, RecordingId};
use crate::ivr;
use crate::journal::{EndReason, Kind, Party, QueueOutcome};
use crate::media;
use crate::sip::SessionId;

/// How a customer is called back.
#[derive(Debug)]
pub struct CallBack {
    /// The way to him.
    pub dial: Dial,
    /// How long his phone rings.
    pub ring: Duration,
    /// He is rung before the agent.
    pub customer_first: bool,
    /// The place that he has had: he keeps it when he is sent on.
    pub turn: Turn,
}

/// A customer who is not on the line yet.
#[derive(Debug)]
pub(super) struct Absent {
    to: CallBack,
    /// The agent who hears that it rings, and whether his talk will be recorded.
    agent: Option<(Peer, RecordPolicy)>,
}

impl Absent {
    /// The agent who waits for him.
    pub(super) fn agent_mut(&mut self) -> Option<&mut Peer> {
        self.agent.as_mut().map(|(agent, _)| agent)
    }
}

/// What somebody who wants to be called back asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// The queue in which his place is kept.
    pub queue: QueueName,
    /// The number to call, where it is not the one he calls from.
    pub number: Option<String>,
    /// Since when he has waited.
    pub since: Instant,
    /// Skills asked of the agent.
    pub skills: Vec<String>,
    /// Minutes of waiting he is ahead.
    pub priority: u32,
    /// What kind of caller he is.
    pub segment: Option<String>,
}

impl Call {
    /// A call by which somebody is called back: nobody is on the line. Its customer's leg has no port.
    pub fn calling_back(now: Instant, setup: Setup, to: CallBack) -> Self {
        let mut call = Self::new(now, setup);
        call.customer.alive = false;
        call.turn = Some(to.turn.clone());
        call.phase = Phase::Waiting { queue: to.turn.queue.clone() };
        call.absent = Some(Box::new(Absent { to, agent: None }));
        call
    }

    /// The customer is not on the line yet.
    pub fn is_customer_absent(&self) -> bool {
        self.absent.is_some()
    }

    /// An agent is reserved, or will be, and the customer has to be rung before him.
    pub fn rings_customer_first(&self) -> bool {
        self.absent.as_ref().is_some_and(|absent| absent.to.customer_first)
    }

    /// The leg that whoever is dialled will talk with.
    pub fn facing_dialed(&self) -> &Leg {
        let agent = self.absent.as_ref().and_then(|absent| absent.agent.as_ref());
        agent.map_or(&self.customer, |(agent, _)| &agent.leg)
    }

    /// The leg of the agent who waits for an absent customer.
    fn waiting_agent(&mut self) -> Option<&mut Leg> {
        self.absent.as_mut()?.agent_mut().map(|agent| &mut agent.leg)
    }

    /// An agent is reserved: the customer is rung, unless he is already.
    pub fn handle_reserved(&mut self, context: &Context<'_>) {
        if matches!(self.phase, Phase::Waiting { .. }) && self.rings_customer_first() {
            self.ring_customer(context);
        }
    }

    fn ring_customer(&mut self, context: &Context<'_>) {
        let Some(absent) = &self.absent else { return };
        let (dial, ring) = (absent.to.dial.clone(), absent.to.ring);
        let target = dial.target.label(&dial.number);
        self.phase = Phase::Dialing { target: target.clone(), give_up_at: context.now + ring };
        if matches!(dial.target, DialTarget::Address { .. }) {
            self.journal(Kind::Dialed { target });
        }
        self.outputs.push_back(Action::Dial(dial));
    }

    /// Somebody answered while the customer is absent: the agent, then the customer; or the customer alone.
    pub(super) fn absent_connected(
        &mut self,
        context: &Context<'_>,
        peer: Peer,
        record: RecordPolicy,
        recording: RecordingId,
    ) {
        if peer.kind.agent().is_none() {
            return self.customer_reached(context, peer.leg, recording);
        }
        self.outputs.extend(peer.leg.update_command().map(Action::Media));
        self.media(media::Command::Tone { leg: peer.leg.id, tone: context.prompts.ringback() });
        if let Some(absent) = &mut self.absent {
            absent.agent = Some((peer, record));
        }
        self.ring_customer(context);
    }

    fn customer_reached(&mut self, context: &Context<'_>, leg: Leg, recording: RecordingId) {
        let Some(absent) = self.absent.take() else { return };
        let Absent { to: CallBack { turn: Turn { queue, .. }, .. }, agent } = *absent;
        self.customer = leg;
        self.answered = true;
        self.outputs.extend(self.customer.update_command().map(Action::Media));
        self.journal(Kind::CallAnswered);
        self.outputs.push_back(Action::Reached { waits: agent.is_none() });
        match agent {
            Some((agent, record)) => {
                self.media(media::Command::Silence { leg: agent.leg.id });
                self.phase = Phase::Waiting { queue };
                self.handle_connect(context, agent, record, recording);
            }
            None => {
                self.wait(context, queue);
                self.tell(context, "callback_hello".to_owned());
            }
        }
    }

    /// The customer cannot be had: `code` is the SIP status.
    pub(super) fn customer_not_reached(&mut self, context: &Context<'_>, target: String, code: u16) {
        self.journal(Kind::DialFailed { target, sip_code: code });
        self.outputs.push_back(Action::NotReached { code });
        self.phase = Phase::InFlow;
        let reason = match code {
            486 | 600 => EndReason::Busy,
            408 | 480 => EndReason::NoAnswer,
            _ => EndReason::Rejected,
        };
        self.end(context, Party::Customer, reason, passed_on(code));
    }

    /// The agent who waits for the customer hung up.
    pub(super) fn waiting_agent_gone(&mut self, context: &Context<'_>, session: SessionId) -> bool {
        let Some(leg) = self.waiting_agent().filter(|leg| leg.session == session) else { return false };
        leg.alive = false;
        self.outputs.push_back(Action::DropDial { reason: None });
        self.outputs.push_back(Action::NotReached { code: 487 });
        self.phase = Phase::InFlow;
        self.end(context, Party::Agent, EndReason::Normal, 480);
        true
    }

    /// Nothing comes from the agent who waits for the customer.
    pub(super) fn waiting_agent_silent(&mut self, context: &Context<'_>, leg: LegId) -> bool {
        let session = self.waiting_agent().filter(|own| own.id == leg).map(|own| own.session);
        if session.is_some() {
            self.outputs.push_back(Action::DropDial { reason: None });
            self.outputs.push_back(Action::NotReached { code: 487 });
            self.phase = Phase::InFlow;
            self.end(context, Party::System, EndReason::MediaTimeout, 408);
        }
        session.is_some()
    }

    /// The call ends before the customer was there: who waits for him is free, and so is his place.
    pub(super) fn abandon_absent(&mut self) {
        let Some(absent) = self.absent.take() else { return };
        self.outputs.push_back(Action::CalledOff);
        match absent.agent {
            Some((agent, _)) => self.release(&agent),
            None => self.outputs.push_back(Action::LeaveQueue { outcome: QueueOutcome::Withdrawn }),
        }
    }

    // ---- booking -------------------------------------------------------------------------------------------------

    /// Asks for a call back in this queue; [`Call::handle_booked`] is owed. Who waited there before keeps that time.
    pub(super) fn book(&mut self, context: &Context<'_>, queue: QueueName, number: Option<String>) {
        let turn = self.turn.clone().filter(|turn| turn.queue == queue);
        let Turn { since, queue, skills, priority, segment } = turn.unwrap_or_else(|| Turn::begin(context.now, queue));
        self.outputs.push_back(Action::Book(Wanted { queue, number, since, skills, priority, segment }));
    }

    /// Whether it is booked. A flow that asked goes on; who left a queue for it hears that he may hang up.
    pub fn handle_booked(&mut self, context: &Context<'_>, ok: bool) {
        if self.run.as_ref().is_some_and(ivr::Run::is_booking) {
            return self.drive_run(context, ivr::Input::Booked { ok });
        }
        match ok {
            true => {
                self.leave_flow(context);
                self.say_and_end(context, "callback_booked", EndReason::Callback);
            }
            false => self.sent_nowhere(context, EndReason::NoAgents),
        }
    }
}
