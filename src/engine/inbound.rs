//! A new INVITE: who calls, what he dialled, whether there is room, and the call that comes of it.

use std::time::Instant;

use crate::call::config::{MediaPath, RecordPolicy, TrunkIdentity};
use crate::call::leg::{Leg, Place};
use crate::call::route::{Refusal, Route};
use crate::call::{ANONYMOUS, Call, Setup};
use crate::id::{AgentId, LegId};
use crate::journal::{About, EndReason, Kind, LegRole, Origin, Party};
use crate::media::Port;
use crate::sdp::{Sdp, SdpError};
use crate::sip::{Identity, Incoming, Rejection, SessionId, Warning};

use super::actions::occupies;
use super::trunks::Full;
use super::{COMMIT_PATIENCE, Engine, Home, Output, Owner};

/// How many more ports are tried when one cannot be opened.
const OPEN_TRIES: u8 = 5;

/// A refusal before there is a call: SIP status, words, and seconds for Retry-After.
pub(super) struct Door {
    code: u16,
    reason: Option<&'static str>,
    retry_after: Option<u32>,
    warning: Option<Warning>,
}

impl Door {
    pub(super) fn shut(code: u16) -> Self {
        Self { code, reason: None, retry_after: None, warning: None }
    }

    pub(super) fn later(reason: &'static str) -> Self {
        Self { code: 503, reason: Some(reason), retry_after: Some(5), warning: None }
    }

    fn full(full: Full) -> Self {
        match full {
            Full::Calls => Self::later("The trunk carries all its calls"),
            Full::Rate => Self { retry_after: Some(1), ..Self::later("Too many calls in one second") },
        }
    }

    /// 488 with the cause.
    pub(super) fn unacceptable(cause: &SdpError) -> Self {
        Self { code: 488, reason: None, retry_after: None, warning: Some(crate::call::warning(cause)) }
    }
}

/// The offer of an INVITE; `None` when it leaves that to us (RFC 3261 §13.2.1).
pub(super) fn offer_of(incoming: &Incoming) -> Result<Option<Sdp>, Door> {
    let parsed = incoming.sdp.as_ref().map(|sdp| Sdp::parse(sdp)).transpose();
    parsed.map_err(|error| Door::unacceptable(&error))
}

impl Engine {
    pub(super) fn handle_incoming(&mut self, now: Instant, session: SessionId, incoming: Incoming) {
        match self.admit(now, session, incoming) {
            Ok(()) => self.endpoint.take_up(session),
            Err(door) => self.refuse(now, session, door),
        }
    }

    fn refuse(&mut self, now: Instant, session: SessionId, door: Door) {
        let rejection = Rejection {
            code: door.code,
            reason: door.reason.map(str::to_owned),
            retry_after: door.retry_after,
            warning: door.warning,
        };
        self.endpoint.reject(now, session, rejection);
    }

    fn admit(&mut self, now: Instant, session: SessionId, incoming: Incoming) -> Result<(), Door> {
        if let Some(replaced) = incoming.replaces {
            return self.admit_in_place(now, session, &incoming, replaced);
        }
        // Whoever calls for help cannot wait for the next process.
        if self.draining && !self.is_emergency(&incoming.to_user) {
            return Err(Door::later("Shutting down"));
        }
        let origin = match &incoming.identity {
            Identity::User(user) => Origin::User(AgentId::from(user.as_str())),
            Identity::Trunk(name) => Origin::Trunk(name.clone()),
            Identity::Stranger => Origin::Stranger,
        };
        let route = self.route_for(&origin, &incoming.to_user);
        match &route {
            Route::Refuse(Refusal::Forbidden) => return Err(Door::shut(403)),
            Route::Refuse(Refusal::NotFound) => return Err(Door::shut(404)),
            Route::Direct(agent) if !self.may_ring(agent) => return Err(Door::shut(486)),
            Route::Supervise(agent, _) if !self.has_room_for_ear(agent) => return Err(Door::shut(486)),
            Route::Flow(_) | Route::Queue(_) | Route::Dial(_) | Route::Direct(_) | Route::Feature(_) => {}
            Route::Supervise(..) | Route::Echo | Route::Tone => {}
        }
        let offer = offer_of(&incoming)?;
        if let Origin::Trunk(name) = &origin {
            self.take_trunk_place(now, name, &incoming.to_user).map_err(Door::full)?;
        }
        let made = self.make_call(now, session, &incoming, origin.clone(), route, offer.as_ref());
        if let (Err(_), Origin::Trunk(name)) = (&made, &origin) {
            self.leave_trunk(name);
        }
        made
    }

    fn make_call(
        &mut self,
        now: Instant,
        session: SessionId,
        incoming: &Incoming,
        origin: Origin,
        route: Route,
        offer: Option<&Sdp>,
    ) -> Result<(), Door> {
        // Who leaves the offer to us talks with us: there is nothing to pass on yet.
        let bypass = offer.is_some() && matches!(&route, Route::Dial(dial) if dial.media == MediaPath::Bypass);
        let shard = self.choose_shard(&origin, &route);
        // What is up there goes on, and whoever calls for help is borne as well.
        if !bypass && self.behind.contains(&shard) && !self.is_emergency(&incoming.to_user) {
            return Err(Door::later("The media threads are late"));
        }
        // A supervisor follows his agent from one media thread to another: his port must go with him.
        let browser = self.is_browser(offer);
        let shared = match browser {
            true => self.browser_port(shard),
            false => self.shared_port(shard).filter(|_| !matches!(route, Route::Supervise(..))),
        };
        let port = match bypass {
            true => None,
            false => Some(shared.or_else(|| self.take_port(now)).ok_or_else(|| Door::later("No media port is free"))?),
        };
        let role = match &route {
            Route::Supervise(..) => LegRole::Supervisor,
            _ => LegRole::Customer,
        };
        let (leg_id, guard) = (self.new_leg_id(), self.guard(incoming.flow, browser, self.caller_srtp(&origin)));
        let place = Place {
            id: leg_id,
            port,
            address: self.settings.media.address,
            signalling: incoming.flow.remote.ip(),
            role,
            guard,
        };
        let leg = match Leg::called(place, session, offer, &self.caller_codecs(&origin, &route)) {
            Ok(leg) if port.is_some() => leg,
            Ok(mut leg) => {
                leg.sdp = incoming.sdp.clone().unwrap_or_default();
                leg
            }
            Err(error) => {
                if let Some(port) = port {
                    self.give_port(now, port);
                }
                return Err(Door::unacceptable(&error));
            }
        };
        let id = self.new_call_id(now);
        if let Some(port) = port {
            self.legs.insert(leg_id, Home { call: id, shard, port, role, tries: 0 });
        }
        let (from, private) = self.caller(incoming);
        let diverted_from = incoming.diversion.first().cloned();
        let language = self.settings.call.languages.first().cloned().unwrap_or_else(|| "en".to_owned());
        let started = Kind::CallStarted {
            from: from.clone(),
            to: incoming.to_user.clone(),
            origin: origin.clone(),
            purpose: route.purpose(),
            language: language.clone(),
            diverted_from: diverted_from.clone(),
            callback_of: None,
        };
        let commit = self.next_seq;
        self.journal(now, About::Call(id), started);
        self.outputs.push_back(Output::Commit(commit));
        self.commits.insert(commit, (now + COMMIT_PATIENCE, id));
        self.own(session, Owner::Call(id));
        let own_call = match &origin {
            Origin::User(agent) if occupies(&route) => Some(agent.clone()),
            Origin::User(_) | Origin::Trunk(_) | Origin::Stranger | Origin::System => None,
        };
        let record = match &route {
            Route::Dial(dial) => dial.record,
            _ => RecordPolicy::Never,
        };
        let to = incoming.to_user.clone();
        let hops = incoming.max_forwards;
        let customer = leg;
        let setup =
            Setup { id, shard, customer, from, private, to, diverted_from, origin, language, route, record, hops };
        self.calls.insert(id, Call::new(now, setup));
        if let Some(agent) = own_call {
            self.begin_own_call(now, &agent, id, false);
        }
        self.with_call(now, id, |call, context| call.start(context));
        Ok(())
    }

    /// Who calls, as everybody is told, and whether that is nobody because he wants it so. A user of ours is who he proved
    /// to be, whatever From says; of a trunk its `identity` says which header to believe, and where that one is missing
    /// From counts.
    fn caller(&self, incoming: &Incoming) -> (String, bool) {
        let asserted = || incoming.asserted.clone().unwrap_or_else(|| incoming.from_user.clone());
        let from = match &incoming.identity {
            Identity::User(user) => return (user.clone(), false),
            Identity::Trunk(name) => match self.settings.call.trunks.get(name).map(|trunk| trunk.identity) {
                Some(TrunkIdentity::Asserted | TrunkIdentity::RemoteParty) => asserted(),
                Some(TrunkIdentity::From) | None => incoming.from_user.clone(),
            },
            Identity::Stranger => incoming.from_user.clone(),
        };
        match incoming.private {
            true => (ANONYMOUS.to_owned(), true),
            false => (from, false),
        }
    }

    /// A supervisor's leg must be where the talk is, and a user's where his other call is, so that he can join them
    /// (attended transfer): of several talks the one he answered last. All else is spread evenly.
    pub(super) fn choose_shard(&mut self, origin: &Origin, route: &Route) -> usize {
        if let Origin::User(user) = origin {
            let own = self.own_calls.get(user).into_iter().flatten();
            let talks = self.talks.get(user).into_iter().flatten().rev();
            let other = talks.chain(own).find_map(|call| self.calls.get(call));
            if let (Some(other), false) = (other, matches!(route, Route::Supervise(..))) {
                return other.shard();
            }
        }
        if let Route::Supervise(agent, _) = route
            && let Some(talk) = self.talk_of(agent).and_then(|call| self.calls.get(&call))
        {
            return talk.shard();
        }
        let shards = self.settings.media.shards.max(1);
        let next = (1..=shards).map(|n| (self.next_shard + n) % shards).find(|shard| !self.behind.contains(shard));
        self.next_shard = next.unwrap_or(self.next_shard + 1) % shards;
        self.next_shard
    }

    /// A port for a leg of this media thread: the one they share, else one of its own.
    pub(super) fn port_for(&mut self, now: Instant, shard: usize) -> Option<Port> {
        self.shared_port(shard).or_else(|| self.take_port(now))
    }

    fn shared_port(&self, shard: usize) -> Option<Port> {
        self.browser_port(shard).filter(|_| self.settings.media.mux)
    }

    /// The port at which browsers are served.
    pub(super) fn browser_port(&self, shard: usize) -> Option<Port> {
        self.settings.media.shared.get(shard).copied().map(Port::Shared)
    }

    /// A port of its own.
    pub(super) fn take_port(&mut self, now: Instant) -> Option<Port> {
        let taken = self.ports.take(now);
        if taken.is_none() {
            tracing::warn!(limit = self.ports.limit(), "no RTP port is free: widen [media] ports");
        }
        taken.map(|(port, _)| Port::Own(port))
    }

    pub(super) fn give_port(&mut self, now: Instant, port: Port) {
        match port {
            Port::Own(port) => self.ports.give(now, port),
            Port::Shared(_) => {}
        }
    }

    /// The port could not be opened: the next one, as long as there is one.
    pub(super) fn open_failed(&mut self, now: Instant, leg: LegId, error: &str) {
        let Some(home) = self.legs.remove(&leg) else { return };
        let number = home.port.number();
        tracing::warn!(port = number, error, "an RTP port cannot be opened: trying the next");
        if let Port::Own(port) = home.port {
            self.ports.skip(now, port);
        }
        let is_early = |call: &Call| call.customer().id == leg && !call.is_answered() && call.peer().is_none();
        let is_ring = self.rings.contains_key(&leg);
        let movable = is_ring || self.calls.get(&home.call).is_some_and(is_early);
        if movable
            && home.tries < OPEN_TRIES
            && let Some(port) = self.take_port(now)
        {
            let id = self.new_leg_id();
            self.legs.insert(id, Home { port, tries: home.tries + 1, ..home });
            match is_ring {
                true => self.move_ring(home.shard, leg, id, port),
                false => self.with_call(now, home.call, |call, _| call.move_customer(id, port)),
            }
            return;
        }
        if is_ring {
            self.ring_lost(now, leg, 503);
            return;
        }
        let detail = format!("port {number} cannot be opened ({error}): free it or move [media] ports");
        // A phone that stopped ringing meanwhile needs no port any more.
        let talks = |call: &Call| call.customer().id == leg || call.peer().is_some_and(|peer| peer.leg.id == leg);
        if self.calls.get(&home.call).is_some_and(talks) {
            self.journal(now, About::Call(home.call), Kind::Trouble { code: "no_port".into(), detail });
            self.with_call(now, home.call, |call, context| call.end(context, Party::System, EndReason::NoPort, 503));
        }
    }
}
