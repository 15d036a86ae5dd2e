//! The part of a call in which another phone takes the place of one of its own (RFC 3891).

use super::config::RecordPolicy;
use super::leg::Leg;
use super::talk::{Peer, PeerKind};
use super::{Action, Call, Context, Phase};
use crate::id::{AgentId, RecordingId};
use crate::journal::{EndReason, Kind, LegRole, Party};
use crate::media;
use crate::sip::SessionId;

/// What the phone that leaves is told.
const REPLACED: &str = "SIP;cause=200;text=\"Replaced\"";

impl Call {
    /// Whether `user` may take the place of who is in `session`, or of what `rings` for the customer; and whose place
    /// that is. The customer's own place only he himself may take, from another phone of his.
    ///
    /// # Errors
    ///
    /// The SIP status that says why not: 403 not his; 481 nobody is there; 488 media does not pass through us, or only
    /// as it is; 491 a transfer is under way, or the other side is away.
    pub fn may_take_place(&self, session: SessionId, rings: bool, user: &AgentId) -> Result<LegRole, u16> {
        if !self.customer.is_heard() {
            return Err(488);
        }
        if self.transfer.is_some() || self.invited.is_some() {
            return Err(491);
        }
        if self.away.is_some() && !self.is_away(session) {
            return Err(491);
        }
        let talks = matches!(self.phase, Phase::Talking(_));
        if session == self.customer.session {
            let moves = self.answered && (talks || matches!(self.phase, Phase::Waiting { .. }));
            return match (self.user.as_ref() == Some(user), moves) {
                (false, _) => Err(403),
                (true, false) => Err(481),
                (true, true) => Ok(LegRole::Customer),
            };
        }
        match rings && self.can_connect() || talks {
            true => Ok(LegRole::Agent),
            false => Err(481),
        }
    }

    /// `leg` of `user` takes the place of who is in `session`, or of what rang. Only after [`Call::may_take_place`].
    pub fn handle_in_place(
        &mut self,
        context: &Context<'_>,
        session: SessionId,
        leg: Leg,
        user: AgentId,
        recording: RecordingId,
    ) {
        self.outputs.push_back(Action::Accept { session: leg.session, sdp: leg.sdp.clone() });
        self.outputs.extend(leg.update_command().map(Action::Media));
        self.taken_up(&user);
        if session == self.customer.session {
            return self.move_customer_to(context, leg);
        }
        let same = matches!(&self.phase, Phase::Talking(peer) if peer.kind.agent() == Some(&user));
        match std::mem::replace(&mut self.phase, Phase::InFlow) {
            Phase::Talking(peer) if same => self.move_peer_to(context, *peer, leg),
            Phase::Talking(mut peer) => {
                self.unbridge();
                self.leave_talk(context, &peer.kind);
                self.say_replaced(&mut peer.leg);
                self.release(&peer);
                self.take_over(context, leg, user, recording);
            }
            _ => self.take_over(context, leg, user, recording),
        }
    }

    fn take_over(&mut self, context: &Context<'_>, leg: Leg, user: AgentId, recording: RecordingId) {
        let target = format!("agent:{user}");
        self.record = RecordPolicy::Never;
        self.journal(Kind::Dialed { target: target.clone() });
        self.begin_dialing(context, target);
        let peer = Peer { leg, kind: PeerKind::Direct(user) };
        self.handle_connect(context, peer, RecordPolicy::Never, recording);
    }

    /// The supervisor's phone leaves this call, which ends without a word to it. `None` when it is not on its line.
    pub fn give_leg(&mut self, context: &Context<'_>) -> Option<Leg> {
        if !self.answered || !matches!(self.phase, Phase::Service) {
            return None;
        }
        let given = self.customer.clone();
        // What is left has neither a session nor a port.
        (self.customer.session, self.customer.port, self.customer.alive) = (SessionId(0), None, false);
        self.end(context, Party::System, EndReason::Normal, 200);
        Some(given)
    }

    /// The supervisor `by`, who heard the talk of `agent` by `leg`, takes the caller over. The agent's talk ends; the
    /// recording goes on, and so does the flow when he hangs up. Only after [`Call::may_take_place`].
    pub fn handle_taken_over(&mut self, context: &Context<'_>, leg: Leg, by: AgentId, agent: AgentId) {
        let Phase::Talking(mut peer) = std::mem::replace(&mut self.phase, Phase::InFlow) else {
            return self.release(&Peer { leg, kind: PeerKind::Direct(by) });
        };
        self.journal(Kind::TakenOver { by: by.clone(), agent });
        self.end_absence();
        self.unbridge();
        self.leave_talk(context, &peer.kind);
        self.say_replaced(&mut peer.leg);
        self.release(&peer);
        // Nobody is recorded anew: the id is never used.
        self.take_over(context, leg, by, RecordingId::new(0, 0));
    }

    /// The peer goes on at another phone of his; his talk and its recording go on.
    pub(super) fn move_peer_to(&mut self, context: &Context<'_>, mut peer: Peer, leg: Leg) {
        let mut old = std::mem::replace(&mut peer.leg, leg);
        let side = peer.leg.clone();
        self.phase = Phase::Talking(Box::new(peer));
        self.media(media::Command::Bridge { a: self.customer.id, b: side.id });
        self.record_sides(Some(&side));
        if old.on_hold != side.on_hold {
            self.hold_changed(context, side.on_hold);
        }
        self.leave_leg(&mut old);
        self.heard_anew();
    }

    /// The customer goes on at another phone of his, and so does the recording.
    pub(super) fn move_customer_to(&mut self, context: &Context<'_>, leg: Leg) {
        let mut old = std::mem::replace(&mut self.customer, leg);
        let side = match &self.phase {
            Phase::Talking(peer) => Some(peer.leg.clone()),
            _ => None,
        };
        match &side {
            Some(peer) => {
                self.media(media::Command::Bridge { a: self.customer.id, b: peer.id });
                if peer.on_hold {
                    self.play_hold(context, true);
                }
            }
            // The end of what he was being told is never heard of.
            None => match self.phase {
                Phase::Waiting { .. } => self.wait_on(context),
                // A supervisor on his line: the engine lets him hear.
                Phase::Service => {}
                _ => self.play_music(context),
            },
        }
        self.record_customer(side.as_ref());
        self.leave_leg(&mut old);
        self.heard_anew();
    }

    /// Who listens to the agent hears the new leg.
    fn heard_anew(&mut self) {
        if let Some(agent) = self.peer().and_then(|peer| peer.kind.agent().cloned()) {
            self.outputs.push_back(Action::Turned { before: Some(agent.clone()), agent });
        }
    }

    pub(super) fn leave_leg(&mut self, leg: &mut Leg) {
        self.say_replaced(leg);
        self.media(media::Command::Close { leg: leg.id });
    }

    fn say_replaced(&mut self, leg: &mut Leg) {
        if std::mem::replace(&mut leg.alive, false) {
            self.outputs.push_back(Action::HangUp { session: leg.session, reason: Some(REPLACED.to_owned()) });
        }
    }
}
