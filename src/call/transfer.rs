//! The part of a call in which one side sends the other elsewhere: blind and attended transfer.
//!
//! ```text
//!  Talking --REFER--> Dialing or Waiting, with a Transfer --target has him--> Talking, Waiting: the transferer is free
//!     ^                        |
//!     +--------- failed -------+-- failed, transferer gone --> the queue he came from, or the flow, or an apology
//! ```
//!
//! Who transfers is always the peer: when he is on the customer's side, the sides change places first. His talk ends
//! when the target has the customer, or when he hangs up before.

use std::time::Instant;

use super::config::RecordPolicy;
use super::route::Route;
use super::talk::{Peer, PeerKind, Talk, passed_on};
use super::{Action, Call, Context, Phase};
use crate::id::{AgentId, QueueName, RecordingId};
use crate::ivr;
use crate::journal::{EndReason, Kind, Party as Side};
use crate::media;
use crate::sip::{ReferId, SessionId};

/// A transfer under way.
#[derive(Debug)]
pub(super) struct Transfer {
    pub refer: ReferId,
    pub by: AgentId,
    to: String,
    attended: bool,
    /// Who transfers, while he is there to take the customer back.
    pub peer: Option<Peer>,
    /// The queue that brought him the customer.
    fallback: Option<QueueName>,
}

/// Since when the customer has waited, and how.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Since when, in whichever queue.
    pub since: Instant,
    /// In which queue now, or last.
    pub queue: QueueName,
    /// Skills asked of the agent.
    pub skills: Vec<String>,
    /// Minutes of waiting he is ahead.
    pub priority: u32,
    /// What kind of caller he is.
    pub segment: Option<String>,
}

impl Turn {
    /// Of who comes first to this queue and asks for nothing.
    pub fn begin(now: Instant, queue: QueueName) -> Self {
        Self { since: now, queue, skills: Vec::new(), priority: 0, segment: None }
    }
}

/// Who asked for a transfer, and how he is told what comes of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// His REFER.
    pub refer: ReferId,
    /// Who.
    pub by: AgentId,
    /// His session in the call.
    pub session: SessionId,
}

/// Whom somebody consults before he transfers.
#[derive(Debug)]
pub enum Party {
    /// They talk.
    Peer(Box<Peer>),
    /// That phone still rings; holds the target as the journal names it.
    Ringing(String),
    /// He still waits in this queue.
    Waiting(QueueName),
}

impl Call {
    /// The user of ours whose session this is: only such a one may transfer.
    pub fn user_of(&self, session: SessionId) -> Option<&AgentId> {
        if session == self.customer.session {
            return self.user.as_ref();
        }
        self.peer().filter(|peer| peer.leg.session == session).and_then(|peer| peer.kind.agent())
    }

    /// Whether the other side may be sent elsewhere now.
    ///
    /// # Errors
    ///
    /// The SIP status that says why not: 491 another transfer is under way; 480 nobody talks; 488 media does not pass
    /// through us, or only as it is, so nobody could be joined with anybody else.
    pub fn may_transfer(&self) -> Result<(), u16> {
        match (&self.phase, &self.transfer) {
            (_, Some(_)) => Err(491),
            // A conference stays together.
            (Phase::Talking(_), None) if self.invited.is_some() || !self.guests.is_empty() => Err(491),
            // Who is away may come back to this talk alone.
            (Phase::Talking(_), None) if self.away.is_some() => Err(491),
            (Phase::Talking(_), None) if !self.customer.is_heard() => Err(488),
            (Phase::Talking(_), None) => Ok(()),
            (_, None) => Err(480),
        }
    }

    /// The user in `asked.session` sends the other side to `route`, found by his right. Only after
    /// [`Call::may_transfer`]; what cannot take a customer is 403.
    pub fn handle_refer(&mut self, context: &Context<'_>, asked: Asked, route: Route) {
        let refer = asked.refer;
        let to = match &route {
            Route::Flow(flow) => format!("flow:{flow}"),
            Route::Queue(queue) => format!("queue:{queue}"),
            Route::Dial(dial) => dial.target.label(&dial.number),
            Route::Direct(agent) => format!("agent:{agent}"),
            Route::Feature(_) | Route::Supervise(..) | Route::Echo | Route::Tone | Route::Refuse(_) => {
                return self.outputs.push_back(Action::ReferProgress { refer, code: 403 });
            }
        };
        if !self.begin_transfer(context, asked, to, false) {
            return self.outputs.push_back(Action::ReferProgress { refer, code: 480 });
        }
        match route {
            Route::Dial(dial) => self.dial(context, dial),
            Route::Direct(agent) => self.direct(context, agent),
            Route::Queue(queue) => return self.requeue(context, queue),
            Route::Flow(flow) => {
                self.complete_transfer(context);
                // What he keys or says to a flow is no talk.
                self.stop_recording();
                self.leave_flow(context);
                return self.enter_flow(context, &flow);
            }
            Route::Feature(_) | Route::Supervise(..) | Route::Echo | Route::Tone | Route::Refuse(_) => return,
        }
        self.media(media::Command::Tone { leg: self.customer.id, tone: context.prompts.ringback() });
    }

    /// Takes the customer out of the talk; false when there is none. The recording goes on, without who transfers.
    fn begin_transfer(&mut self, context: &Context<'_>, asked: Asked, to: String, attended: bool) -> bool {
        if self.may_transfer().is_err() {
            return false;
        }
        let turned = asked.session == self.customer.session;
        if turned {
            // The flow served him, not the one he leaves behind.
            self.leave_flow(context);
            self.in_transfer = false;
            self.turn_round(context.now, asked.by.clone());
        }
        let Phase::Talking(peer) = std::mem::replace(&mut self.phase, Phase::InFlow) else { return false };
        self.unbridge();
        match turned {
            true => self.record_customer(None),
            false => self.record_sides(None),
        }
        let fallback = match &peer.kind {
            PeerKind::Agent { queue, .. } => Some(queue.clone()),
            PeerKind::Direct(_) | PeerKind::Dialed { .. } => None,
        };
        let Asked { refer, by, .. } = asked;
        self.transfer = Some(Box::new(Transfer { refer, by, to, attended, peer: Some(*peer), fallback }));
        true
    }

    /// Who called becomes the peer of the one he called.
    fn turn_round(&mut self, now: Instant, user: AgentId) {
        let Phase::Talking(peer) = &mut self.phase else { return };
        std::mem::swap(&mut self.customer, &mut peer.leg);
        std::mem::swap(&mut self.customer.role, &mut peer.leg.role);
        let before = std::mem::replace(&mut peer.kind, PeerKind::Direct(user.clone()));
        let agent = before.agent().cloned();
        match &before {
            PeerKind::Agent { agent, .. } => {
                // The floor knew him in a talk of its queue; he goes on as one who is called.
                self.outputs.push_back(Action::TalkEnded { agent: agent.clone(), own: false });
                self.outputs.push_back(Action::OwnCall { agent: agent.clone() });
            }
            PeerKind::Direct(agent) => {
                let (talk_ms, hold_ms) = std::mem::take(&mut self.talk).figures(now);
                self.journal(Kind::TalkEnded { agent: agent.clone(), queue: None, talk_ms, hold_ms });
            }
            PeerKind::Dialed { .. } => {}
        }
        // From here on it is the talk of who transfers.
        self.talk = Talk::begin(now);
        self.journal(Kind::Bridged { target: format!("agent:{user}") });
        self.private = false;
        self.from = agent.as_ref().map_or_else(|| self.to.clone(), ToString::to_string);
        self.user.clone_from(&agent);
        self.outputs.push_back(Action::Turned { before: agent, agent: user });
    }

    /// Into a queue with the turn the customer had.
    pub(super) fn requeue(&mut self, context: &Context<'_>, queue: QueueName) {
        let turn = self.turn.clone();
        let skills = turn.as_ref().filter(|turn| turn.queue == queue).map(|turn| turn.skills.clone());
        let first = || (context.now, 0, None);
        let (since, priority, segment) = turn.map_or_else(first, |turn| (turn.since, turn.priority, turn.segment));
        let skills = skills.unwrap_or_default();
        let turn = Turn { since, queue: queue.clone(), skills: skills.clone(), priority, segment: segment.clone() };
        self.turn = Some(turn);
        self.wait(context, queue.clone());
        let transferred = Some(since);
        self.outputs.push_back(Action::Enqueue { queue, skills, priority, segment, max_wait: None, transferred });
    }

    /// The queue has taken the customer.
    pub fn handle_queued(&mut self, context: &Context<'_>) {
        self.complete_transfer(context);
    }

    /// The target has the customer: who transferred is free.
    pub(super) fn complete_transfer(&mut self, context: &Context<'_>) {
        let Some(transfer) = self.transfer.take() else { return };
        let Transfer { refer, by, to, attended, peer, .. } = *transfer;
        self.journal(Kind::Transferred { by, to, attended });
        self.outputs.push_back(Action::ReferProgress { refer, code: 200 });
        if let Some(peer) = peer {
            self.leave_talk(context, &peer.kind);
            self.release(&peer);
        }
    }

    /// The target cannot be had: back to who transferred, else to where the customer came from.
    pub(super) fn transfer_failed(&mut self, context: &Context<'_>, code: u16) {
        let Some(transfer) = self.transfer.take() else { return };
        let Transfer { refer, by, to, peer, fallback, .. } = *transfer;
        let code = passed_on(code);
        self.outputs.push_back(Action::ReferProgress { refer, code });
        self.journal(Kind::TransferFailed { by: by.clone(), to, sip_code: code, returned: peer.is_some() });
        self.media(media::Command::Silence { leg: self.customer.id });
        if let Some(peer) = peer {
            let (leg, on_hold, side) = (peer.leg.id, peer.leg.on_hold, Some(peer.leg.clone()));
            self.phase = Phase::Talking(Box::new(peer));
            self.media(media::Command::Bridge { a: self.customer.id, b: leg });
            self.record_sides(side.as_ref());
            if on_hold {
                self.play_hold(context, true);
            }
            // His page may have been loaded anew meanwhile.
            self.outputs.push_back(Action::Returned { user: by });
        } else if let Some(queue) = fallback {
            self.requeue(context, queue);
        } else if self.run.is_some() {
            self.stop_recording();
            self.phase = Phase::InFlow;
            self.tell_run_ended(context);
        } else {
            self.stop_recording();
            self.say_and_end(context, "sorry_error", EndReason::NoAnswer);
        }
    }

    /// The flow waits for the end of a transfer of its own, whatever became of the caller there.
    pub(super) fn flow_transfers(&self) -> bool {
        self.run.as_ref().is_some_and(ivr::Run::is_transferring)
    }

    /// The flow goes on after a talk.
    pub(super) fn tell_run_ended(&mut self, context: &Context<'_>) {
        let input = match self.flow_transfers() {
            true => ivr::Input::TransferEnded { outcome: ivr::TransferEnd::Ended },
            false => ivr::Input::QueueLeft { outcome: ivr::QueueEnd::Ended },
        };
        self.drive_run(context, input);
    }

    /// Who transfers hung up before the target had the customer, as most phones do; the transfer goes on.
    pub(super) fn transferer_gone(&mut self, context: &Context<'_>, session: SessionId) -> bool {
        let Some(transfer) = &mut self.transfer else { return false };
        let Some(mut peer) = transfer.peer.take_if(|peer| peer.leg.session == session) else { return false };
        peer.leg.alive = false;
        self.leave_talk(context, &peer.kind);
        self.release(&peer);
        true
    }

    /// The call is over before the transfer is.
    pub(super) fn abandon_transfer(&mut self, context: &Context<'_>) {
        let Some(transfer) = self.transfer.take() else { return };
        let Transfer { refer, by, to, peer, .. } = *transfer;
        self.outputs.push_back(Action::ReferProgress { refer, code: 487 });
        self.journal(Kind::TransferFailed { by, to, sip_code: 487, returned: false });
        if let Some(peer) = peer {
            self.leave_talk(context, &peer.kind);
            self.release(&peer);
        }
    }

    // ---- attended ------------------------------------------------------------------------------------------------

    /// Whether who called in `session` consults somebody: talks with him, rings him or waits for him.
    pub fn consults(&self, session: SessionId) -> bool {
        let by_caller = session == self.customer.session && self.transfer.is_none() && self.customer.is_heard();
        let somebody = match &self.phase {
            Phase::Talking(_) => self.guests.is_empty() && self.invited.is_none() && self.away.is_none(),
            // What a flow began, it wants to hear the end of.
            Phase::Dialing { .. } | Phase::Waiting { .. } => self.run.is_none(),
            Phase::Leaving(_) | Phase::Listening(_) => false,
            Phase::Starting | Phase::InFlow | Phase::Service | Phase::Closing { .. } | Phase::Ended => false,
        };
        by_caller && somebody
    }

    /// Gives up whom the caller consults, and ends. An agent of a queue must have been told that he goes on with a call
    /// of his own.
    pub fn give_up_consulted(&mut self, context: &Context<'_>) -> Option<Party> {
        let party = match std::mem::replace(&mut self.phase, Phase::InFlow) {
            Phase::Talking(peer) => {
                self.media(media::Command::Unbridge { a: self.customer.id });
                self.leave_talk(context, &peer.kind);
                if let Some(agent) = peer.kind.agent().cloned() {
                    let own = matches!(peer.kind, PeerKind::Direct(_));
                    self.outputs.push_back(Action::TalkEnded { agent, own });
                }
                Party::Peer(peer)
            }
            Phase::Dialing { target, .. } => {
                self.end_early();
                Party::Ringing(target)
            }
            Phase::Waiting { queue } => {
                self.phase = Phase::Waiting { queue: queue.clone() };
                Party::Waiting(queue)
            }
            phase => {
                self.phase = phase;
                return None;
            }
        };
        let code = if self.answered { 200 } else { 487 };
        self.end(context, Side::Agent, EndReason::Normal, code);
        Some(party)
    }

    /// The user in `asked.session` joins the other side with whom he consulted (RFC 3891).
    pub fn handle_consulted(&mut self, context: &Context<'_>, asked: Asked, party: Party, recording: RecordingId) {
        match party {
            Party::Waiting(queue) => self.handle_refer(context, asked, Route::Queue(queue)),
            Party::Ringing(target) => {
                if self.begin_transfer(context, asked, target.clone(), true) {
                    self.record = RecordPolicy::Never;
                    self.journal(Kind::Dialed { target: target.clone() });
                    self.begin_dialing(context, target);
                    self.media(media::Command::Tone { leg: self.customer.id, tone: context.prompts.ringback() });
                    self.handle_dial_progress(None);
                }
            }
            Party::Peer(mut peer) => {
                if let PeerKind::Agent { agent, .. } = &peer.kind {
                    peer.kind = PeerKind::Direct(agent.clone());
                }
                let target = match &peer.kind {
                    PeerKind::Agent { agent, .. } | PeerKind::Direct(agent) => format!("agent:{agent}"),
                    PeerKind::Dialed { target } => target.clone(),
                };
                if !self.begin_transfer(context, asked, target.clone(), true) {
                    return self.release(&peer);
                }
                self.record = RecordPolicy::Never;
                self.journal(Kind::Dialed { target: target.clone() });
                self.begin_dialing(context, target);
                self.handle_connect(context, *peer, RecordPolicy::Never, recording);
            }
        }
    }
}
