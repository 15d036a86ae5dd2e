//! The part of a call in which two people talk: joining, holding, parting.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::config::{DialTarget, RecordPolicy};
use super::leg::Leg;
use super::route::Dial;
use super::{Action, Call, Context, Phase};
use crate::id::{AgentId, LegId, QueueName, RecordingId};
use crate::ivr;
use crate::journal::{EndReason, Kind, Party};
use crate::media;
use crate::sip::SessionId;

/// How long the transfer of a flow or of an agent rings at most: as long as a proxy would wait (Timer C, RFC 3261 §16.6).
const DIAL_PATIENCE: Duration = Duration::from_secs(180);
/// When a dialled number that rings is given up although its caller has not: only a lost caller waits so long.
const DIAL_END: Duration = Duration::from_secs(24 * 3_600);

/// The other side of a talk.
#[derive(Debug)]
pub struct Peer {
    /// Its leg.
    pub leg: Leg,
    /// Who it is.
    pub kind: PeerKind,
}

/// Who the other side is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PeerKind {
    /// An agent who was offered the caller by a queue.
    Agent {
        /// Who.
        agent: AgentId,
        /// For which queue.
        queue: QueueName,
    },
    /// An agent whose number was dialled.
    Direct(AgentId),
    /// An address or trunk.
    Dialed {
        /// As written in the journal.
        target: String,
    },
}

/// What a dialled side plays before it answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Early {
    /// Through our port: the leg that rings.
    Relayed(LegId),
    /// Past us, by this description.
    Bypassed(Bytes),
}

/// How long the talk and its holds last.
#[derive(Debug, Default)]
pub(super) struct Talk {
    began: Option<Instant>,
    held: Duration,
    held_since: Option<Instant>,
}

impl Talk {
    pub(super) fn begin(now: Instant) -> Self {
        Self { began: Some(now), ..Self::default() }
    }

    pub(super) fn hold(&mut self, now: Instant, on: bool) {
        if let Some(since) = self.held_since.take() {
            self.held += now.saturating_duration_since(since);
        }
        self.held_since = on.then_some(now);
    }

    /// Its length and that of its holds, in ms.
    pub(super) fn figures(mut self, now: Instant) -> (u64, u64) {
        self.hold(now, false);
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        (self.began.map_or(0, |at| ms(now.saturating_duration_since(at))), ms(self.held))
    }
}

impl PeerKind {
    /// The agent, when it is one.
    pub fn agent(&self) -> Option<&AgentId> {
        match self {
            PeerKind::Agent { agent, .. } | PeerKind::Direct(agent) => Some(agent),
            PeerKind::Dialed { .. } => None,
        }
    }
}

impl Call {
    /// Whether a peer who answers now would still find the caller.
    pub fn can_connect(&self) -> bool {
        match &self.phase {
            Phase::Waiting { .. } | Phase::Dialing { .. } => true,
            Phase::Talking(_) => self.invited.is_some(),
            _ => false,
        }
    }

    /// Joins the caller and `peer`. `recording` is a fresh id, used if the talk is to be recorded by `record`.
    pub fn handle_connect(&mut self, context: &Context<'_>, peer: Peer, record: RecordPolicy, recording: RecordingId) {
        if !self.can_connect() {
            self.release(&peer);
            return;
        }
        if matches!(self.phase, Phase::Talking(_)) {
            return self.join_guest(peer);
        }
        if self.absent.is_some() {
            return self.absent_connected(context, peer, record, recording);
        }
        self.complete_transfer(context);
        self.leave_line();
        self.served = true;
        self.talk = Talk::begin(context.now);
        self.early = None;
        // Whatever plays is cut at once: an announcement never delays an answer.
        self.media(media::Command::Silence { leg: self.customer.id });
        if let Some(update) = peer.leg.update_command() {
            self.media(update);
        }
        if peer.leg.port.is_some() && self.customer.port.is_some() {
            self.media(media::Command::Bridge { a: self.customer.id, b: peer.leg.id });
        }
        if let PeerKind::Dialed { target } = &peer.kind {
            self.journal(Kind::Bridged { target: target.clone() });
        } else if let PeerKind::Direct(agent) = &peer.kind {
            self.journal(Kind::Bridged { target: format!("agent:{agent}") });
        }
        // Before anybody is told of the talk: who whispers in it is recorded beside it.
        let wanted = if matches!(peer.kind, PeerKind::Agent { .. }) { record } else { self.record };
        self.record_talk(context, wanted, recording, &peer);
        if let Some(agent) = peer.kind.agent().cloned() {
            self.last_agent = Some(agent.clone());
            self.outputs.push_back(Action::Talking { agent });
        }
        let on_hold = peer.leg.on_hold;
        self.phase = Phase::Talking(Box::new(peer));
        self.outputs.push_back(Action::Joined);
        self.wants_answer = true;
        self.try_answer(context);
        if on_hold {
            self.hold_changed(context, true);
        }
        // His page may be gone while he is answered.
        self.amuse(context);
    }

    /// Takes the two apart: everything that the joining began, undone once.
    pub(super) fn part(&mut self, context: &Context<'_>, peer: Peer, call_ends: bool) {
        self.end_absence();
        if !call_ends {
            self.unbridge();
        }
        self.leave_talk(context, &peer.kind);
        self.stop_recording();
        self.release(&peer);
    }

    /// The customer hears the other side no longer.
    pub(super) fn unbridge(&mut self) {
        if self.customer.port.is_some() {
            self.media(media::Command::Unbridge { a: self.customer.id });
            self.media(media::Command::Silence { leg: self.customer.id });
        }
    }

    /// Ends the time of a talk. Its recording is the call's, and may go on.
    pub(super) fn leave_talk(&mut self, context: &Context<'_>, kind: &PeerKind) {
        let talk = std::mem::take(&mut self.talk);
        if let PeerKind::Direct(agent) = kind {
            // Of a talk through a queue the floor knows the figures.
            let (talk_ms, hold_ms) = talk.figures(context.now);
            self.journal(Kind::TalkEnded { agent: agent.clone(), queue: None, talk_ms, hold_ms });
        }
    }

    /// The agent is free again, the leg is closed.
    pub(super) fn release(&mut self, peer: &Peer) {
        if let Some(agent) = peer.kind.agent() {
            let own = matches!(peer.kind, PeerKind::Direct(_));
            self.outputs.push_back(Action::TalkEnded { agent: agent.clone(), own });
        }
        self.drop_leg(&peer.leg);
    }

    pub(super) fn drop_leg(&mut self, leg: &Leg) {
        if leg.alive {
            let reason = self.reason.clone();
            self.outputs.push_back(Action::HangUp { session: leg.session, reason });
        }
        if leg.port.is_some() {
            self.media(media::Command::Close { leg: leg.id });
        }
    }

    /// The other side, whose session this is, hung up.
    pub fn handle_peer_gone(&mut self, context: &Context<'_>, session: SessionId) {
        if self.guest_gone(session)
            || self.transferer_gone(context, session)
            || self.waiting_agent_gone(context, session)
        {
            return;
        }
        if self.is_away(session) {
            // A request of ours to the page that is gone failed: nobody could come back to that session.
            return self.give_up_away(context, 408);
        }
        if self.peer().is_none_or(|peer| peer.leg.session != session) {
            return;
        }
        match std::mem::replace(&mut self.phase, Phase::Starting) {
            Phase::Talking(mut peer) => {
                peer.leg.alive = false;
                if !self.guests.is_empty() {
                    return self.go_on_with_guest(context, &peer);
                }
                self.end_absence();
                self.stop_inviting();
                self.part(context, *peer, false);
            }
            phase => {
                self.phase = phase;
                return;
            }
        }
        if self.run.is_some() {
            self.phase = Phase::InFlow;
            self.tell_run_ended(context);
        } else {
            self.phase = Phase::InFlow;
            self.end(context, Party::Agent, EndReason::Normal, 200);
        }
    }

    /// Rings an address or trunk.
    pub(super) fn dial(&mut self, context: &Context<'_>, dial: Dial) {
        let target = dial.target.label(&dial.number);
        self.record = dial.record;
        self.begin_dialing(context, target.clone());
        match dial.target {
            DialTarget::Address { .. } => self.journal(Kind::Dialed { target }),
            // Each host that is tried is told of: `handle_try`.
            DialTarget::Trunks(_) => {}
        }
        self.outputs.push_back(Action::Dial(dial));
    }

    /// A host of a trunk is rung, or there was none to ring.
    pub fn handle_try(&mut self, target: String) {
        if self.is_dialing() && !self.invite_tried(target.clone()) {
            self.journal(Kind::Dialed { target });
        }
    }

    /// That host did not take the call; another one is tried, and the caller hears nothing of it.
    pub fn handle_try_failed(&mut self, target: String, code: u16) {
        if self.is_dialing() && self.invited.is_none() {
            self.journal(Kind::DialFailed { target, sip_code: code });
            self.end_early();
        }
    }

    /// Rings an agent's phone.
    pub(super) fn direct(&mut self, context: &Context<'_>, agent: AgentId) {
        let target = format!("agent:{agent}");
        self.record = RecordPolicy::Never;
        self.begin_dialing(context, target.clone());
        self.journal(Kind::Dialed { target });
        self.outputs.push_back(Action::Direct(agent));
    }

    pub(super) fn begin_dialing(&mut self, context: &Context<'_>, target: String) {
        // A flow goes on where nobody answers; who dialled a number decides for himself how long he waits.
        let patience = if self.run.is_some() || self.transfer.is_some() { DIAL_PATIENCE } else { DIAL_END };
        self.phase = Phase::Dialing { target, give_up_at: context.now + patience };
    }

    /// Nothing came from a leg for too long. Who rings, or waits for an answer, owes nothing yet.
    pub fn handle_media_timeout(&mut self, context: &Context<'_>, leg: LegId) {
        if self.drop_guest(leg) || self.waiting_agent_silent(context, leg) {
            return;
        }
        let talks = matches!(&self.phase, Phase::Talking(peer) if peer.leg.id == leg);
        if talks || (self.answered && leg == self.customer.id) {
            self.end(context, Party::System, EndReason::MediaTimeout, 408);
        }
    }

    /// The dialled side rings, or plays something before it answers.
    pub fn handle_dial_progress(&mut self, early: Option<Early>) {
        // Those in a talk hear nothing of who is rung for it.
        if !self.is_dialing() || self.invited.is_some() || self.absent.is_some() {
            return;
        }
        if let Some(transfer) = &self.transfer {
            self.outputs.push_back(Action::ReferProgress { refer: transfer.refer, code: 180 });
        }
        let sdp = match early {
            // It was said already; a ring after it takes nothing back.
            _ if self.early.is_some() => return,
            Some(Early::Relayed(leg)) if self.customer.opened => {
                self.early = Some(leg);
                self.media(media::Command::Silence { leg: self.customer.id });
                self.media(media::Command::Bridge { a: self.customer.id, b: leg });
                Some(self.customer.sdp.clone())
            }
            Some(Early::Bypassed(sdp)) => Some(sdp),
            Some(Early::Relayed(_)) | None => None,
        };
        // That it rings is said once, however many hosts are tried.
        let again = sdp.is_none() && std::mem::replace(&mut self.rung, true);
        if !self.answered && !again {
            self.outputs.push_back(Action::Ring { sdp });
        }
    }

    /// Nobody rings any more whose sounds the caller hears.
    pub(super) fn end_early(&mut self) {
        if self.early.take().is_some() {
            self.unbridge();
        }
    }

    /// The dialled side cannot be had: `code` is its SIP status.
    pub fn handle_dial_failed(&mut self, context: &Context<'_>, target: String, code: u16) {
        if !self.is_dialing() || self.invite_failed(code) {
            return;
        }
        if self.absent.is_some() {
            return self.customer_not_reached(context, target, code);
        }
        self.journal(Kind::DialFailed { target, sip_code: code });
        self.end_early();
        if self.transfer.is_some() {
            return self.transfer_failed(context, code);
        }
        self.phase = Phase::InFlow;
        let (reason, outcome) = match code {
            486 | 600 => (EndReason::Busy, ivr::TransferEnd::Busy),
            408 | 480 | 487 => (EndReason::NoAnswer, ivr::TransferEnd::NoAnswer),
            _ => (EndReason::Rejected, ivr::TransferEnd::Failed),
        };
        if self.turn.is_some() && !self.in_transfer {
            self.sent_nowhere(context, reason);
        } else if self.run.is_some() {
            self.drive_run(context, ivr::Input::TransferEnded { outcome });
        } else {
            self.end(context, Party::Agent, reason, passed_on(code));
        }
    }
}

/// The code that tells somebody else how a ring of ours ended: a 401 of the other side is not his to answer, and what we
/// cannot pass on is a bad gateway's.
pub(super) fn passed_on(code: u16) -> u16 {
    match code {
        401 | 407 | 300..=399 => 502,
        // Nobody cancelled his INVITE.
        487 => 480,
        code => code,
    }
}
