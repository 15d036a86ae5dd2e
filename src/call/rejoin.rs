//! The part of a call in which somebody who talks by a web page lost that page, and comes back.
//!
//! A page that is loaded anew knows nothing of its talk, and nothing reaches the old one. The talk goes on without that
//! side: the other one hears music until the user is back, at a new page or by the old one. Who was brought into the talk,
//! a caller who waits in a queue, and a supervisor on his line have their places kept likewise.
//!
//! ```text
//!           its page is gone, and silent or there anew            new page rung, answered: its leg takes the place
//!   talk ------------------------------------------> away ---------------------------------------------> talk
//!                                                     |  ^ `- that page is gone too: music goes on
//!                                                     |  `--- the old page is back after all ----------> talk
//!                                                     `------ 60 s, or the new page does not answer in 20 s:
//!                                                             back into the queue, on in the flow, or the end
//! ```

use std::time::{Duration, Instant};

use super::leg::Leg;
use super::route::Route;
use super::talk::PeerKind;
use super::{Action, Call, Context, Phase};
use crate::id::{AgentId, LegId};
use crate::journal::{EndReason, Kind, LegRole, Party};
use crate::media;
use crate::sip::SessionId;

/// How long the other side waits for somebody whose page is gone: as long as for media that stays away.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long his new page may take to answer. It answers by itself.
const RING: Duration = Duration::from_secs(20);

/// Who is away from the talk that goes on.
#[derive(Debug)]
pub(super) struct Away {
    user: AgentId,
    /// His session, at the end of which nobody is.
    session: SessionId,
    give_up_at: Instant,
    /// His new page is rung, until then.
    rings_until: Option<Instant>,
}

impl Away {
    pub(super) fn deadline(&self) -> Instant {
        self.rings_until.unwrap_or(self.give_up_at)
    }
}

impl Call {
    /// The leg by which this user of ours takes part now, with sound that passes through us and in a place that can be kept
    /// for him: in the talk, as caller or called or as who was brought into it, in a queue, or on a supervisor's line.
    pub fn place_of(&self, user: &AgentId) -> Option<&Leg> {
        let supervises = matches!((&self.phase, &self.route), (Phase::Service, Route::Supervise(..)));
        let stays = supervises || matches!(self.phase, Phase::Talking(_) | Phase::Waiting { .. });
        let caller = (self.user.as_ref() == Some(user) && stays && self.answered).then_some(&self.customer);
        let others = self.peer().filter(|_| self.is_talking()).into_iter().chain(&self.guests);
        let his = others.filter(|peer| peer.kind.agent() == Some(user)).map(|peer| &peer.leg);
        his.chain(caller).find(|leg| leg.alive && self.customer.is_heard())
    }

    /// The user of ours whose place has this leg.
    pub fn placed_at(&self, leg: LegId) -> Option<&AgentId> {
        let others = self.peer().into_iter().chain(&self.guests).find(|peer| peer.leg.id == leg);
        let caller = self.user.as_ref().filter(|_| self.customer.id == leg);
        others.and_then(|peer| peer.kind.agent()).or(caller)
    }

    /// True while the other side of this session's waits for its user.
    pub fn is_away(&self, session: SessionId) -> bool {
        self.away.as_ref().is_some_and(|away| away.session == session)
    }

    /// True while a new page is rung for somebody who is away.
    pub fn rings_page(&self) -> bool {
        self.away.as_ref().is_some_and(|away| away.rings_until.is_some())
    }

    /// Whom the leg of `session` talks with; who waits or listens faces nobody but himself.
    pub fn facing(&self, session: SessionId) -> &Leg {
        match &self.phase {
            Phase::Talking(peer) if self.customer.session == session => &peer.leg,
            _ => &self.customer,
        }
    }

    /// The page by which `user` takes part in `session` is gone: the other side of a talk hears music. Nothing when
    /// somebody of the call is away already.
    pub fn handle_page_gone(&mut self, context: &Context<'_>, session: SessionId, user: &AgentId) {
        if self.away.is_some() || self.place_of(user).is_none_or(|leg| leg.session != session) {
            return;
        }
        let give_up_at = context.now + PATIENCE;
        self.away = Some(Away { user: user.clone(), session, give_up_at, rings_until: None });
        self.journal(Kind::PageLost { user: user.clone(), leg: self.side(session) });
        self.amuse(context);
    }

    /// Who is alone in the talk because the other one is away hears music.
    pub(super) fn amuse(&mut self, context: &Context<'_>) {
        let Some(session) = self.away.as_ref().map(|away| away.session) else { return };
        if let (Some(leg), true) = (self.waits_for(session), self.guests.is_empty()) {
            let queue = self.turn.as_ref().map(|turn| &turn.queue).filter(|_| leg == self.customer.id);
            self.media(media::Command::Music { leg, music: context.prompts.music(queue) });
        }
    }

    /// The user who is away has a new page, which the engine rings: [`Call::handle_rejoined`] or
    /// [`Call::handle_page_failed`] is owed.
    pub fn handle_page_rung(&mut self, now: Instant) {
        if let Some(away) = &mut self.away {
            away.rings_until = Some(now + RING);
        }
    }

    /// The page that was gone is there again, and its dialog goes on.
    pub fn handle_page_back(&mut self, session: SessionId) {
        if !self.is_away(session) {
            return;
        }
        let side = self.side(session);
        if let Some(Away { user, .. }) = self.end_absence() {
            self.journal(Kind::Rejoined { user, leg: side, anew: false });
        }
    }

    /// The new page answered: `leg` takes the place of the one that is gone.
    pub fn handle_rejoined(&mut self, context: &Context<'_>, session: SessionId, leg: Leg) {
        let side = self.side(session);
        let Some(Away { user, .. }) = self.away.take_if(|away| away.session == session) else {
            return self.drop_leg(&leg);
        };
        self.quieten(session);
        self.outputs.extend(leg.update_command().map(Action::Media));
        self.journal(Kind::Rejoined { user, leg: side, anew: true });
        if session == self.customer.session {
            return self.move_customer_to(context, leg);
        }
        if let Some(guest) = self.guests.iter_mut().find(|guest| guest.leg.session == session) {
            let mut old = std::mem::replace(&mut guest.leg, leg);
            self.record_anew();
            return self.leave_leg(&mut old);
        }
        match std::mem::replace(&mut self.phase, Phase::InFlow) {
            Phase::Talking(peer) => self.move_peer_to(context, *peer, leg),
            phase => {
                self.phase = phase;
                self.drop_leg(&leg);
            }
        }
    }

    /// The new page that was rung cannot be had: `code` is its SIP status. `gone`: it was loaded anew meanwhile, or
    /// closed, and may come back as well.
    pub fn handle_page_failed(&mut self, context: &Context<'_>, code: u16, gone: bool) {
        match &mut self.away {
            Some(away) if gone => away.rings_until = None,
            Some(_) => self.give_up_away(context, code),
            None => {}
        }
    }

    /// Nothing came for too long from the leg of a page that is gone. That its talk waits is not new when it waits
    /// already.
    pub fn handle_page_timeout(&mut self, context: &Context<'_>, session: SessionId, user: &AgentId) {
        match &self.away {
            Some(away) if away.session != session || away.rings_until.is_some() => {}
            Some(_) => self.give_up_away(context, 408),
            None => self.handle_page_gone(context, session, user),
        }
    }

    /// A deadline of who is away has come.
    pub(super) fn away_due(&mut self, context: &Context<'_>) {
        if self.away.as_ref().is_some_and(|away| away.deadline() <= context.now) {
            self.give_up_away(context, 408);
        }
    }

    /// Nobody waits for who is away any more: the talk ends or goes another way.
    pub(super) fn end_absence(&mut self) -> Option<Away> {
        let away = self.away.take()?;
        self.quieten(away.session);
        if away.rings_until.is_some() {
            self.outputs.push_back(Action::DropPage);
        }
        Some(away)
    }

    /// Somebody takes the place of who is away, with a phone of his own.
    pub(super) fn taken_up(&mut self, by: &AgentId) {
        let Some(Away { user, session, .. }) = self.end_absence() else { return };
        if user == *by {
            self.journal(Kind::Rejoined { user, leg: self.side(session), anew: true });
        }
    }

    /// He does not come back. A caller of a queue goes there again with the turn he had, as when a transfer fails.
    pub(super) fn give_up_away(&mut self, context: &Context<'_>, code: u16) {
        let Some(Away { user, session, .. }) = self.end_absence() else { return };
        self.journal(Kind::RejoinFailed { user, leg: self.side(session), sip_code: code });
        let (by, reason) = (Party::System, EndReason::MediaTimeout);
        if session == self.customer.session {
            return self.end(context, by, reason, 408);
        }
        if let Some(guest) = self.guests.iter().find(|guest| guest.leg.session == session).map(|guest| guest.leg.id) {
            self.drop_guest(guest);
            return;
        }
        let Phase::Talking(peer) = std::mem::replace(&mut self.phase, Phase::InFlow) else { return };
        if !self.guests.is_empty() {
            return self.go_on_with_guest(context, &peer);
        }
        self.stop_inviting();
        match peer.kind.clone() {
            PeerKind::Agent { queue, .. } => {
                self.unbridge();
                self.record_sides(None);
                self.leave_talk(context, &peer.kind);
                self.release(&peer);
                self.requeue(context, queue);
            }
            PeerKind::Direct(_) | PeerKind::Dialed { .. } if self.run.is_some() => {
                self.part(context, *peer, false);
                self.tell_run_ended(context);
            }
            PeerKind::Direct(_) | PeerKind::Dialed { .. } => {
                self.phase = Phase::Talking(peer);
                self.end(context, by, reason, 408);
            }
        }
    }

    /// The leg of who waits for the other side; none when he is on hold, for then he hears music anyway.
    fn waits_for(&self, session: SessionId) -> Option<LegId> {
        let Phase::Talking(peer) = &self.phase else { return None };
        match session {
            session if session == self.customer.session => Some(peer.leg.id),
            session if session == peer.leg.session => Some(self.customer.id).filter(|_| !peer.leg.on_hold),
            // Whom they brought in they do not wait for.
            _ => None,
        }
    }

    fn quieten(&mut self, session: SessionId) {
        if let Some(leg) = self.waits_for(session) {
            self.media(media::Command::Silence { leg });
        }
    }

    fn side(&self, session: SessionId) -> LegRole {
        if session == self.customer.session { LegRole::Customer } else { LegRole::Agent }
    }
}
