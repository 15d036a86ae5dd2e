//! A talk of more than two: others are rung one at a time, and everybody hears all the others.
//!
//! Who talks with the customer stays the peer, the others are guests. When the peer leaves, the first guest takes his
//! place; when the customer leaves, the call is over for all.

use std::time::{Duration, Instant};

use super::config::DialTarget;
use super::route::Route;
use super::talk::{Peer, PeerKind, Talk};
use super::{Action, Call, Context, Phase};
use crate::id::{AgentId, LegId};
use crate::journal::Kind;
use crate::media;
use crate::sip::SessionId;

/// Somebody who is rung for a talk that goes on.
#[derive(Debug)]
pub(super) struct Invited {
    pub by: AgentId,
    pub give_up_at: Instant,
    target: String,
}

/// Parties of a talk at most, the customer included.
const PARTIES_MAX: usize = 32;
/// How long somebody rings.
const PATIENCE: Duration = Duration::from_secs(60);

impl Call {
    /// Whether somebody may be rung for the talk now.
    ///
    /// # Errors
    ///
    /// The SIP status that says why not: 480 nobody talks; 486 as many as there may be are in it; 488 media does not pass
    /// through us; 491 somebody is being rung.
    pub fn may_invite(&self) -> Result<(), u16> {
        match &self.phase {
            Phase::Talking(_) if self.invited.is_some() => Err(491),
            Phase::Talking(_) if self.customer.port.is_none() => Err(488),
            Phase::Talking(_) if self.guests.len() + 2 >= PARTIES_MAX => Err(486),
            Phase::Talking(_) => Ok(()),
            _ => Err(480),
        }
    }

    /// Rings whom `route`, found by the right of `by`, names. Only after [`Call::may_invite`]; all but phones is ignored.
    pub fn invite(&mut self, context: &Context<'_>, by: AgentId, route: Route) {
        let (target, action, told_of_tries) = match route {
            Route::Dial(dial) => {
                let (target, tries) = (dial.target.label(&dial.number), matches!(dial.target, DialTarget::Trunks(_)));
                (target, Action::Dial(dial), tries)
            }
            Route::Direct(agent) => (format!("agent:{agent}"), Action::Direct(agent), false),
            _ => return,
        };
        let give_up_at = context.now + PATIENCE;
        self.invited = Some(Invited { by: by.clone(), give_up_at, target: target.clone() });
        if !told_of_tries {
            self.journal(Kind::PartyCalled { by, party: target });
        }
        self.outputs.push_back(action);
    }

    /// Who is rung for the talk is tried at this place.
    pub(super) fn invite_tried(&mut self, target: String) -> bool {
        let Some(invited) = &mut self.invited else { return false };
        invited.target.clone_from(&target);
        let by = invited.by.clone();
        self.journal(Kind::PartyCalled { by, party: target });
        true
    }

    /// Who was rung for the talk cannot be had; it goes on without him. False when nobody was.
    pub(super) fn invite_failed(&mut self, code: u16) -> bool {
        let Some(Invited { target, .. }) = self.invited.take() else { return false };
        self.journal(Kind::PartyFailed { party: target, sip_code: code });
        true
    }

    /// Nobody is to be rung any more: the talk is over.
    pub(super) fn stop_inviting(&mut self) {
        if self.invite_failed(487) {
            self.outputs.push_back(Action::DropDial { reason: None });
        }
    }

    /// He answered.
    pub(super) fn join_guest(&mut self, peer: Peer) {
        let Some(Invited { target, .. }) = self.invited.take() else { return self.release(&peer) };
        self.outputs.extend(peer.leg.update_command().map(Action::Media));
        self.journal(Kind::PartyJoined { leg: peer.leg.id, party: target });
        self.guests.push(peer);
        self.record_anew();
    }

    /// Takes somebody out of the talk; false when he is not in it.
    pub fn drop_guest(&mut self, leg: LegId) -> bool {
        let Some(at) = self.guests.iter().position(|guest| guest.leg.id == leg) else { return false };
        let guest = self.guests.remove(at);
        if self.is_away(guest.leg.session) {
            self.end_absence();
        }
        self.record_anew();
        self.journal(Kind::PartyLeft { leg });
        self.release(&guest);
        true
    }

    /// A guest hung up; false when it was none.
    pub(super) fn guest_gone(&mut self, session: SessionId) -> bool {
        let Some(guest) = self.guests.iter_mut().find(|guest| guest.leg.session == session) else { return false };
        guest.leg.alive = false;
        let leg = guest.leg.id;
        self.drop_guest(leg)
    }

    /// The call is over, for all.
    pub(super) fn drop_guests(&mut self) {
        self.stop_inviting();
        for guest in std::mem::take(&mut self.guests) {
            self.journal(Kind::PartyLeft { leg: guest.leg.id });
            self.release(&guest);
        }
    }

    /// `left`, the peer, hung up: the first guest takes his place, and the recording goes on.
    pub(super) fn go_on_with_guest(&mut self, context: &Context<'_>, left: &Peer) {
        let recording = self.recording.take();
        self.leave_talk(context, &left.kind);
        self.release(left);
        let next = self.guests.remove(0);
        let target = match &next.kind {
            PeerKind::Agent { agent, .. } | PeerKind::Direct(agent) => format!("agent:{agent}"),
            PeerKind::Dialed { target } => target.clone(),
        };
        self.talk = Talk::begin(context.now);
        self.journal(Kind::PartyLeft { leg: next.leg.id });
        self.journal(Kind::Dialed { target: target.clone() });
        self.media(media::Command::Bridge { a: self.customer.id, b: next.leg.id });
        self.journal(Kind::Bridged { target });
        if let Some(agent) = next.kind.agent().cloned() {
            self.last_agent = Some(agent.clone());
            self.outputs.push_back(Action::Talking { agent });
        }
        let on_hold = next.leg.on_hold;
        self.phase = Phase::Talking(Box::new(next));
        self.recording = recording;
        self.record_anew();
        self.play_hold(context, on_hold);
        self.amuse(context);
    }

    pub(super) fn record_anew(&mut self) {
        if let Phase::Talking(peer) = &self.phase {
            let peer = peer.leg.id;
            self.order_sides(Some(peer));
        }
    }
}
