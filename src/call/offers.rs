//! The part of a call in which its sides change what they talk with: offers and answers after the first.

use bytes::Bytes;

use super::leg::Leg;
use super::{Action, Call, Context, Phase};
use crate::journal::{EndReason, Kind, Party};
use crate::media;
use crate::sdp::{Sdp, SdpError};
use crate::sip::{SessionId, Warning};

/// What the peer is told of an offer that cannot be served (RFC 3261 §20.43).
pub fn warning(error: &SdpError) -> Warning {
    Warning { code: error.warn_code(), text: error.to_string() }
}

impl Call {
    /// A re-INVITE or UPDATE in one of the call's sessions; without an offer it asks for ours.
    pub fn handle_offer(&mut self, context: &Context<'_>, session: SessionId, sdp: Option<Bytes>) {
        let Some(sdp) = sdp else { return self.offer_again(session) };
        if self.customer.port.is_none() && self.absent.is_none() {
            self.pass_offer_on(session, sdp);
            return;
        }
        let parsed = Sdp::parse(&sdp);
        let Some(leg) = self.leg_mut(session) else {
            self.outputs.push_back(Action::RefuseOffer { session, code: 481, warning: None });
            return;
        };
        let was_on_hold = leg.on_hold;
        if let Err(error) = parsed.and_then(|offer| leg.renegotiate(&offer)) {
            let warning = Some(warning(&error));
            self.outputs.push_back(Action::RefuseOffer { session, code: 488, warning });
            return;
        }
        let (update, sdp, on_hold) = (leg.update_command(), leg.sdp.clone(), leg.on_hold);
        self.outputs.extend(update.map(Action::Media));
        self.outputs.push_back(Action::AnswerOffer { session, sdp });
        if self.is_peer(session) && was_on_hold != on_hold {
            self.hold_changed(context, on_hold);
        }
    }

    pub(super) fn leg_mut(&mut self, session: SessionId) -> Option<&mut Leg> {
        if session == self.customer.session {
            return Some(&mut self.customer);
        }
        let peer: Option<&mut super::Peer> = match (&mut self.phase, &mut self.transfer) {
            (Phase::Talking(peer), _) => Some(&mut **peer),
            (_, Some(transfer)) => transfer.peer.as_mut(),
            (_, None) => self.absent.as_mut().and_then(|absent| absent.agent_mut()),
        };
        let guests = self.guests.iter_mut();
        peer.into_iter().chain(guests).map(|peer| &mut peer.leg).find(|leg| leg.session == session)
    }

    fn is_peer(&self, session: SessionId) -> bool {
        self.peer().is_some_and(|peer| peer.leg.session == session)
    }

    pub(super) fn hold_changed(&mut self, context: &Context<'_>, on: bool) {
        let Some(peer) = self.peer() else { return };
        let agent = peer.kind.agent().cloned();
        self.talk.hold(context.now, on);
        if matches!(self.phase, Phase::Talking(_)) {
            self.play_hold(context, on);
        }
        if let Some(agent) = agent {
            self.outputs.push_back(Action::Hold { agent: agent.clone(), on });
            self.journal(Kind::Held { agent, on });
        }
    }

    /// Music for a customer on hold, else the other side.
    pub(super) fn play_hold(&mut self, context: &Context<'_>, on: bool) {
        let leg = self.customer.id;
        match on {
            true => self.play_music(context),
            false => self.media(media::Command::Silence { leg }),
        }
    }

    /// Our offer in the 200 (RFC 3261 §14.2): all we can do, or with bypassed media what the other side said last.
    fn offer_again(&mut self, session: SessionId) {
        let other = self.other_side(session).map(|leg| leg.sdp.clone());
        let bypassed = self.customer.port.is_none() && self.absent.is_none();
        let sdp = match self.leg_mut(session) {
            Some(leg) if !bypassed => {
                leg.offer_again();
                Some(leg.sdp.clone())
            }
            Some(_) | None => other.filter(|sdp| bypassed && !sdp.is_empty()),
        };
        self.offered_to = sdp.is_some().then_some(session);
        self.outputs.push_back(match sdp {
            Some(sdp) => Action::AnswerOffer { session, sdp },
            None => Action::RefuseOffer { session, code: if bypassed { 488 } else { 481 }, warning: None },
        });
    }

    /// The leg of a talk that is not `session`'s.
    fn other_side(&self, session: SessionId) -> Option<&Leg> {
        match &self.phase {
            Phase::Talking(peer) if session == self.customer.session => Some(&peer.leg),
            Phase::Talking(peer) if session == peer.leg.session => Some(&self.customer),
            _ => None,
        }
    }

    fn pass_offer_on(&mut self, session: SessionId, sdp: Bytes) {
        match self.other_side(session).map(|leg| leg.session) {
            Some(other) if self.offer_from.is_none() => {
                self.offer_from = Some((session, sdp.clone()));
                self.outputs.push_back(Action::Reinvite { session: other, sdp });
            }
            // Two offers cross (RFC 3261 §14.2): the later one tries again.
            Some(_) => self.outputs.push_back(Action::RefuseOffer { session, code: 491, warning: None }),
            None => self.outputs.push_back(Action::RefuseOffer { session, code: 481, warning: None }),
        }
    }

    /// The peer in `session` answered an offer of ours: one that was passed on, or that he had asked us for.
    pub fn handle_offer_answered(&mut self, context: &Context<'_>, session: SessionId, sdp: Option<Bytes>) {
        match self.customer.port.is_some() || self.absent.is_some() {
            true => self.answer_heard(context, session, sdp),
            false => self.pass_answer_on(session, sdp),
        }
    }

    fn pass_answer_on(&mut self, session: SessionId, sdp: Option<Bytes>) {
        let Some(other) = self.other_side(session).map(|leg| leg.session) else { return };
        let before = self.leg_mut(session).zip(sdp.clone()).map(|(leg, sdp)| std::mem::replace(&mut leg.sdp, sdp));
        let asked = self.offered_to.take_if(|to| *to == session).is_some();
        let waits = self.offer_from.take_if(|(from, _)| *from == other);
        match (waits, sdp) {
            (Some((from, offer)), Some(sdp)) => {
                if let Some(leg) = self.leg_mut(from) {
                    leg.sdp = offer;
                }
                self.outputs.push_back(Action::AnswerOffer { session: from, sdp });
            }
            (Some((from, _)), None) => {
                self.outputs.push_back(Action::RefuseOffer { session: from, code: 488, warning: None })
            }
            // He was asked with what the other side had said: that one learns what he answers to it.
            (None, Some(sdp)) if asked && before.as_ref() != Some(&sdp) => {
                self.outputs.push_back(Action::Reinvite { session: other, sdp });
            }
            (None, Some(_) | None) => {}
        }
    }

    fn answer_heard(&mut self, context: &Context<'_>, session: SessionId, sdp: Option<Bytes>) {
        let is_customer = session == self.customer.session;
        let answer = sdp.and_then(|sdp| Sdp::parse(&sdp).ok());
        let Some(leg) = self.leg_mut(session) else { return };
        let (was_on_hold, first) = (leg.on_hold, leg.awaits_answer());
        let agreed = answer.is_some_and(|answer| leg.accept(&answer).is_ok());
        match (agreed, first) {
            (false, true) => return self.end(context, Party::System, EndReason::NoCodec, 488),
            // What was agreed before stands.
            (false, false) => return,
            (true, _) => {}
        }
        let (update, on_hold) = (leg.update_command(), leg.on_hold);
        self.outputs.extend(update.map(Action::Media));
        if is_customer {
            self.serve(context);
        } else if self.is_peer(session) && was_on_hold != on_hold {
            self.hold_changed(context, on_hold);
        }
    }

    /// The other side refused an offer that was passed on.
    pub fn handle_offer_refused(&mut self, code: u16) {
        if let Some((session, _)) = self.offer_from.take() {
            self.outputs.push_back(Action::RefuseOffer { session, code, warning: None });
        }
    }
}
