//! Calls that begin here: a user's phone is rung for a call of his own, as if he had dialled.

use std::time::Instant;

use crate::call::config::RecordPolicy;
use crate::call::leg::{Leg, Place};
use crate::call::route::Route;
use crate::call::{Call, Setup};
use crate::id::{AgentId, CallId};
use crate::journal::{About, Kind, LegRole, Origin};
use crate::sip::{Invite, SessionId};

use super::{Engine, Home, Owner};

/// Hops that such a call may make (RFC 3261 §8.1.1.6).
pub(super) const HOPS: u8 = 70;

impl Engine {
    /// Rings the phone of `user`, in a call whose name is returned; when he answers, `route` begins. What he sees is a call of
    /// `about`.
    ///
    /// # Errors
    ///
    /// The SIP status that says why not: 480 he has no phone, 488 it must be encrypted and cannot be, 503 no port.
    pub(super) fn call_out(
        &mut self,
        now: Instant,
        user: AgentId,
        route: Route,
        about: &AgentId,
    ) -> Result<CallId, u16> {
        if self.draining {
            return Err(503);
        }
        let way = self.way_to_agent(now, &user).ok_or(480u16)?;
        let page = self.is_page(way.flow, &way.uri);
        let (id, leg, origin) = (self.new_call_id(now), self.new_leg_id(), Origin::User(user.clone()));
        let shard = self.choose_shard(&origin, &route);
        let guard = self.guard(way.flow, page, self.user_srtp(&user));
        if !guard.can_offer() {
            return Err(488);
        }
        let own = if page { self.browser_port(shard) } else { self.take_port(now) };
        let port = own.ok_or(503u16)?;
        let role = LegRole::Supervisor;
        let (address, signalling) = (self.settings.media.address, way.flow.remote.ip());
        let place = Place { id: leg, port: Some(port), address, signalling, role, guard };
        let customer = Leg::offering(place, &self.user_codecs(&user), false);
        self.legs.insert(leg, Home { call: id, shard, port, role, tries: 0 });
        let (from, to) = (user.to_string(), about.to_string());
        let language = self.settings.call.languages.first().cloned().unwrap_or_else(|| "en".to_owned());
        let started = Kind::CallStarted {
            from: from.clone(),
            to: to.clone(),
            origin: origin.clone(),
            purpose: route.purpose(),
            language: language.clone(),
            diverted_from: None,
            callback_of: None,
        };
        self.journal(now, About::Call(id), started);
        let invite = Invite {
            flow: way.flow,
            uri: way.uri,
            from_user: to.clone(),
            from_display: None,
            to: way.to,
            routes: way.routes,
            sdp: customer.sdp.clone(),
            asserted: None,
            private: false,
            replaces: None,
            trunk: None,
            headers: vec![("X-Hatif-Call".to_owned(), id.to_string())],
        };
        let (private, diverted_from, record, hops) = (false, None, RecordPolicy::Never, HOPS);
        let setup =
            Setup { id, shard, customer, from, private, to, diverted_from, origin, language, route, record, hops };
        self.calls.insert(id, Call::calling_out(now, setup));
        self.call_outs.insert(id, invite);
        self.with_call(now, id, |call, context| call.start(context));
        Ok(id)
    }

    /// The port is open: the INVITE goes out.
    pub(super) fn ring_out(&mut self, now: Instant, id: CallId) {
        let (Some(mut invite), Some(call)) = (self.call_outs.remove(&id), self.calls.get(&id)) else { return };
        // The port may be another than at first.
        invite.sdp = call.customer().sdp.clone();
        let session = self.endpoint.invite(now, invite);
        self.own(session, Owner::Call(id));
        self.with_call(now, id, |call, _| call.set_session(session));
    }

    /// He answered.
    pub(super) fn call_out_answered(
        &mut self,
        now: Instant,
        id: CallId,
        session: SessionId,
        sdp: Option<bytes::Bytes>,
    ) {
        if self.calls.get(&id).is_none_or(|call| call.customer().session != session || call.is_answered()) {
            return;
        }
        self.with_call(now, id, |call, context| call.handle_call_out_answered(context, sdp));
        let answered = self.calls.get(&id).filter(|call| call.is_answered());
        if let Some(Route::Supervise(agent, mode)) = answered.map(Call::route) {
            let (agent, mode) = (agent.clone(), *mode);
            self.helper_came(id);
            self.begin_listening(now, id, agent, mode);
        }
    }
}
