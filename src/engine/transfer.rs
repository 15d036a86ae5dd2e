//! Transfers: whom a REFER means, by whose right, and what two calls that become one exchange.

use std::time::Instant;

use crate::call::leg::{Leg, Place};
use crate::call::route::{Refusal, Route};
use crate::call::{Asked, Consulted};
use crate::id::{AgentId, CallId};
use crate::journal::{LegRole, Origin};
use crate::media::TrackKind;
use crate::sip::{Identity, Incoming, ReferId, SessionId};

use super::inbound::{Door, offer_of};
use super::rings::{Purpose, Ring};
use super::{Engine, Home, Owner};

impl Engine {
    /// Somebody in a session asks that the other side be sent to `to_user`, or be joined with the other side of his
    /// session `replaces`. Users of ours may, by their own right; trunks and strangers get 603.
    pub(super) fn refer(
        &mut self,
        now: Instant,
        session: SessionId,
        refer: ReferId,
        to_user: &str,
        replaces: Option<SessionId>,
    ) {
        let known = match self.sessions.get(&session) {
            Some(Owner::Call(call)) => self.calls.get(call).map(|known| (*call, known)),
            Some(Owner::Ring(_)) | None => None,
        };
        let Some((call, known)) = known else { return self.endpoint.refer_progress(now, refer, 481) };
        let Some(by) = known.user_of(session).cloned() else { return self.endpoint.refer_progress(now, refer, 603) };
        let asked = Asked { refer, by, session };
        let done = match replaces {
            None => self.refer_blind(now, call, asked, to_user),
            Some(other) => self.refer_attended(now, call, asked, other),
        };
        if let Err(code) = done {
            self.endpoint.refer_progress(now, refer, code);
        }
    }

    fn refer_blind(&mut self, now: Instant, call: CallId, asked: Asked, to_user: &str) -> Result<(), u16> {
        self.calls.get(&call).ok_or(481u16)?.may_transfer()?;
        let route = self.route_for(&Origin::User(asked.by.clone()), to_user);
        match route {
            Route::Refuse(Refusal::Forbidden) => return Err(403),
            Route::Refuse(Refusal::NotFound) => return Err(404),
            Route::Flow(_) | Route::Queue(_) | Route::Dial(_) | Route::Direct(_) => {}
            Route::Feature(_) | Route::Supervise(..) | Route::Echo | Route::Tone => return Err(403),
        }
        self.with_call(now, call, |call, context| call.handle_refer(context, asked, route));
        Ok(())
    }

    /// The two that `asked.by` has in the calls of his two sessions go on with each other, in one of the calls.
    fn refer_attended(&mut self, now: Instant, call: CallId, asked: Asked, other: SessionId) -> Result<(), u16> {
        let Some(Owner::Call(second)) = self.sessions.get(&other).copied() else { return Err(481) };
        let (Some(one), Some(two)) = (self.calls.get(&call), self.calls.get(&second)) else { return Err(481) };
        if call == second || two.user_of(other) != Some(&asked.by) {
            return Err(403);
        }
        if one.shard() != two.shard() {
            return Err(503);
        }
        // The call that lives on is that of the customer: who transfers is the peer there, and made the other one.
        let (keep, give, asked) = if two.consults(other) {
            one.may_transfer()?;
            (call, second, asked)
        } else {
            two.may_transfer()?;
            if !one.consults(asked.session) {
                return Err(480);
            }
            (second, call, Asked { session: other, ..asked })
        };
        self.join(now, keep, give, asked);
        Ok(())
    }

    /// Whom the caller of `give` consults goes on in `keep`.
    fn join(&mut self, now: Instant, keep: CallId, give: CallId, asked: Asked) {
        let agent = self.calls.get(&give).and_then(|call| call.peer()?.kind.agent().cloned());
        if let Some(agent) = agent {
            // Before his talk ends there: he is not free for a moment.
            self.begin_own_call(now, &agent, keep, false);
        }
        let mut party = None;
        self.move_dial(now, give, keep);
        self.with_call(now, give, |call, context| party = call.give_up_consulted(context));
        let Some(party) = party else { return };
        if let Consulted::Peer(peer) = &party {
            self.record_beside(keep, TrackKind::Consult, peer.leg.id, false);
            self.own(peer.leg.session, Owner::Call(keep));
            if let Some(home) = self.legs.get_mut(&peer.leg.id) {
                home.call = keep;
            }
        }
        let recording = self.new_recording_id(now);
        self.with_call(now, keep, |call, context| call.handle_consulted(context, asked, party, recording));
    }

    /// The sides of a call changed places.
    pub(super) fn turned(&mut self, now: Instant, id: CallId, before: Option<AgentId>, agent: AgentId) {
        if let Some(before) = before {
            self.forget_talk(now, id, &before);
        }
        let Some(call) = self.calls.get(&id) else { return };
        let sides = [
            (call.customer().id, LegRole::Customer),
            (call.peer().map_or(call.customer().id, |p| p.leg.id), LegRole::Agent),
        ];
        for (leg, role) in sides {
            if let Some(home) = self.legs.get_mut(&leg) {
                home.role = role;
            }
        }
        self.talk_began(now, id, agent);
    }

    // ---- INVITE with Replaces --------------------------------------------------------------------------------------

    /// An INVITE of a user of ours takes the place of who talks in session `replaced`, or of what rings there
    /// (RFC 3891 §3): a call moves to another phone of his, or he takes it over.
    pub(super) fn admit_in_place(
        &mut self,
        now: Instant,
        session: SessionId,
        incoming: &Incoming,
        replaced: SessionId,
    ) -> Result<(), Door> {
        let Identity::User(user) = &incoming.identity else { return Err(Door::shut(403)) };
        let user = AgentId::from(user.as_str());
        let owner = self.sessions.get(&replaced).copied().ok_or(Door::shut(481))?;
        let ring = match owner {
            Owner::Ring(leg) => Some(leg),
            Owner::Call(_) => None,
        };
        let id = match owner {
            Owner::Call(call) => call,
            Owner::Ring(leg) => match self.rings.get(&leg) {
                // A page that takes its own place: nobody else can.
                None | Some(Ring { purpose: Purpose::Rejoin { .. }, .. }) => return Err(Door::shut(481)),
                Some(ring) => ring.call,
            },
        };
        let call = self.calls.get(&id).ok_or(Door::shut(481))?;
        let role = call.may_take_place(replaced, ring.is_some(), &user).map_err(Door::shut)?;
        let (shard, offer) = (call.shard(), offer_of(incoming)?);
        let browser = self.is_browser(offer.as_ref());
        let port = self.port_for_peer(now, shard, browser).ok_or_else(|| Door::later("No media port is free"))?;
        let (leg, guard) = (self.new_leg_id(), self.guard(incoming.flow, browser, self.user_srtp(&user)));
        let (address, signalling) = (self.settings.media.address, incoming.flow.remote.ip());
        let place = Place { id: leg, port: Some(port), address, signalling, role, guard };
        let made = Leg::called(place, session, offer.as_ref(), &self.user_codecs(&user));
        let made = made.map_err(|error| {
            self.give_port(now, port);
            Door::unacceptable(&error)
        })?;
        self.legs.insert(leg, Home { call: id, shard, port, role, tries: 0 });
        self.own(session, Owner::Call(id));
        if let Some(open) = made.open_command() {
            self.media(shard, open);
        }
        if let Some(ring) = ring {
            self.stop_ring(now, id, ring);
        }
        if role == LegRole::Agent && !self.talks.get(&user).is_some_and(|calls| calls.contains(&id)) {
            self.begin_own_call(now, &user, id, false);
        }
        let recording = self.new_recording_id(now);
        self.with_call(now, id, |call, context| call.handle_in_place(context, replaced, made, user, recording));
        Ok(())
    }
}
