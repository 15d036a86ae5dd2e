//! Phones that ring: offers of the floor, dialled addresses, agents called directly.

use std::time::Instant;

use bytes::Bytes;

use crate::acd;
use crate::call::config::{DialTarget, MediaPath, RecordPolicy};
use crate::call::leg::{Leg, Place};
use crate::call::route::Dial;
use crate::call::{Call, Early, Peer, PeerKind};
use crate::id::{AgentId, CallId, LegId, OfferId, QueueName};
use crate::journal::{LegRole, OfferResult};
use crate::media::Port;
use crate::sdp::Sdp;
use crate::sip::config::Transport;
use crate::sip::{Flow, Invite, SessionId, identity};

use super::trunks::Search;
use super::{Engine, Home, Owner, rejoin};

/// One phone that rings for a call.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) call: CallId,
    pub(super) leg: Leg,
    pub(super) purpose: Purpose,
    stage: Stage,
    /// Who is rung next when this one is not to be had: for numbers dialled over trunks.
    pub(super) search: Option<Box<Search>>,
}

#[derive(Clone, Debug)]
pub(super) enum Purpose {
    Offer {
        offer: OfferId,
        agent: AgentId,
        queue: QueueName,
    },
    Direct(AgentId),
    Dial {
        target: String,
    },
    /// A new page of who is away from a talk; his session in it is the end of the old one.
    Rejoin {
        user: AgentId,
        session: SessionId,
    },
}

#[derive(Debug)]
enum Stage {
    /// Waits for its port; then this goes out.
    Opening(Box<Invite>),
    /// INVITE sent.
    Ringing,
    /// Answered; the floor has not said yet whether it counts.
    Answered,
}

impl Purpose {
    /// Whose leg it will be.
    pub(super) fn role(&self, call: &Call) -> LegRole {
        match self {
            Self::Rejoin { session, .. } if call.customer().session == *session => LegRole::Customer,
            Self::Dial { .. } if call.is_customer_absent() => LegRole::Customer,
            Self::Offer { .. } | Self::Direct(_) | Self::Dial { .. } | Self::Rejoin { .. } => LegRole::Agent,
        }
    }

    /// Whom it will talk with.
    fn facing<'a>(&self, call: &'a Call) -> &'a Leg {
        match self {
            Self::Rejoin { session, .. } => call.facing(*session),
            Self::Dial { .. } => call.facing_dialed(),
            Self::Offer { .. } | Self::Direct(_) => call.customer(),
        }
    }
}

impl Ring {
    /// The trunk on which it has a place that is no session's yet.
    pub(super) fn place(&self) -> Option<&str> {
        match &self.stage {
            Stage::Opening(invite) => invite.trunk.as_deref(),
            Stage::Ringing | Stage::Answered => None,
        }
    }

    /// What the phone plays before it answers; `None` when we cannot use it.
    fn early(&mut self, sdp: Bytes) -> Option<Early> {
        if self.leg.port.is_none() {
            return Some(Early::Bypassed(sdp));
        }
        let answer = Sdp::parse(&sdp).ok()?;
        self.leg.accept(&answer).ok()?;
        Some(Early::Relayed(self.leg.id))
    }
}

/// Where a phone is.
pub(super) struct Way {
    pub(super) flow: Flow,
    pub(super) uri: String,
    pub(super) to: String,
    /// Proxies on the way (RFC 3327).
    pub(super) routes: Vec<String>,
    /// The trunk it goes over; a place on it was taken.
    pub(super) trunk: Option<String>,
    /// Who calls, where that is not just the caller of the call.
    pub(super) shown: Option<Shown>,
}

/// Who calls, as somebody outside is told.
pub(super) struct Shown {
    /// User part of From.
    pub(super) from: String,
    /// That of P-Asserted-Identity.
    pub(super) asserted: Option<String>,
    /// That of Remote-Party-ID.
    pub(super) remote_party: Option<String>,
}

impl Way {
    pub(super) fn to_phone(flow: Flow, uri: String, to: String, routes: Vec<String>) -> Self {
        Self { flow, uri, to, routes, trunk: None, shown: None }
    }
}

impl Engine {
    /// The floor wants `agent` rung for `call`.
    pub(super) fn offer(&mut self, now: Instant, offer: OfferId, call: CallId, agent: AgentId, queue: QueueName) {
        if self.calls.get(&call).is_some_and(Call::rings_customer_first) {
            return self.with_call(now, call, Call::handle_reserved);
        }
        let purpose = Purpose::Offer { offer, agent: agent.clone(), queue: queue.clone() };
        let Some(way) = self.way_to_agent(now, &agent) else {
            self.fail_offer(now, offer, 480);
            return;
        };
        let display = self.shown_queue(call, &queue);
        if let Err(code) = self.begin_ring(now, call, purpose, way, Some(&display), MediaPath::Relay) {
            self.fail_offer(now, offer, code);
        }
    }

    /// What the phone of an agent shows of the queue: whom he will have to wait for first, he sees before he answers.
    fn shown_queue(&self, call: CallId, queue: &QueueName) -> String {
        let is_arabic = self.settings.call.languages.first().is_some_and(|language| language == "ar");
        match self.calls.get(&call).is_some_and(Call::is_customer_absent) {
            false => queue.to_string(),
            true if is_arabic => format!("معاودة {queue}"),
            true => format!("callback {queue}"),
        }
    }

    /// The call wants an agent's phone rung, beside the queues.
    pub(super) fn ring_direct(&mut self, now: Instant, call: CallId, agent: AgentId) {
        let target = format!("agent:{agent}");
        if !self.may_ring(&agent) {
            self.dial_failed(now, call, target, 486);
            return;
        }
        let Some(way) = self.way_to_agent(now, &agent) else {
            self.dial_failed(now, call, target, 480);
            return;
        };
        self.begin_own_call(now, &agent, call, true);
        let purpose = Purpose::Direct(agent.clone());
        if let Err(code) = self.begin_ring(now, call, purpose, way, None, MediaPath::Relay) {
            self.end_own_call(now, &agent, call);
            self.dial_failed(now, call, target, code);
        }
    }

    /// The call wants an address or trunk rung.
    pub(super) fn ring_dial(&mut self, now: Instant, call: CallId, dial: &Dial) {
        let (user, address) = match &dial.target {
            DialTarget::Address { user, address } => (user.replace("{number}", &dial.number), *address),
            DialTarget::Trunks(names) => return self.search_trunks(now, call, dial, names),
        };
        let uri = format!("sip:{user}@{address}");
        let way = Way::to_phone(self.flow_to(address), uri.clone(), uri.clone(), Vec::new());
        if let Err(code) = self.begin_dial(now, call, uri.clone(), way) {
            self.dial_failed(now, call, uri, code);
        }
    }

    pub(super) fn begin_dial(&mut self, now: Instant, call: CallId, target: String, way: Way) -> Result<LegId, u16> {
        // Who has a port of ours already talks through it.
        let passes = |call: &Call| call.customer().port.is_some() || call.is_customer_absent();
        let has_port = self.calls.get(&call).is_some_and(passes);
        let path = if has_port { MediaPath::Relay } else { MediaPath::Bypass };
        self.begin_ring(now, call, Purpose::Dial { target }, way, None, path)
    }

    pub(super) fn dial_failed(&mut self, now: Instant, call: CallId, target: String, code: u16) {
        self.with_call(now, call, |call, context| call.handle_dial_failed(context, target, code));
    }

    /// By the first UDP listener, or the first of all.
    fn flow_to(&self, remote: std::net::SocketAddr) -> Flow {
        let listeners = &self.settings.sip.listeners;
        let index = listeners
            .iter()
            .position(|l| l.transport == Transport::Udp && l.address.is_ipv4() == remote.is_ipv4())
            .unwrap_or(0);
        let transport = listeners.get(index).map_or(Transport::Udp, |l| l.transport);
        Flow { transport, listener: u16::try_from(index).unwrap_or(0), remote, connection: None }
    }

    pub(super) fn way_to_agent(&self, now: Instant, agent: &AgentId) -> Option<Way> {
        let to = self.address_of(agent);
        if let Some(contact) = self.endpoint.contacts(now, agent.as_str()).into_iter().next() {
            return Some(Way::to_phone(contact.flow, contact.uri, to, contact.path));
        }
        let config = self.settings.floor.agents.get(agent)?;
        let address = config.contact?;
        let user = config.contact_user.as_deref().unwrap_or(agent.as_str());
        Some(Way::to_phone(self.flow_to(address), format!("sip:{user}@{address}"), to, Vec::new()))
    }

    /// A user's address of record.
    pub(super) fn address_of(&self, user: &AgentId) -> String {
        format!("sip:{user}@{}", self.settings.sip.domain)
    }

    /// Takes a port, and sends the INVITE when it is open.
    pub(super) fn begin_ring(
        &mut self,
        now: Instant,
        call: CallId,
        purpose: Purpose,
        way: Way,
        display: Option<&str>,
        path: MediaPath,
    ) -> Result<LegId, u16> {
        let Some(known) = self.calls.get(&call) else { return Err(487) };
        let (shard, hops, role) = (known.shard(), known.hops(), purpose.role(known));
        if hops <= 1 && matches!(purpose, Purpose::Direct(_) | Purpose::Dial { .. }) {
            return Err(483);
        }
        let facing = purpose.facing(known);
        let from_user = if role == LegRole::Customer { known.to() } else { known.from() }.to_owned();
        let codecs = facing.codecs_for_peer(self.callee_speech(&purpose, way.trunk.as_deref()));
        if codecs.is_empty() {
            return Err(488);
        }
        let comfort_noise = facing.has_comfort_noise();
        let customer_sdp = known.customer().sdp.clone();
        let private = known.is_private() && matches!(purpose, Purpose::Dial { .. });
        let page = self.is_page(way.flow, &way.uri);
        let srtp = self.callee_srtp(&purpose, way.trunk.as_deref());
        let guard = self.guard(way.flow, page, srtp);
        if path == MediaPath::Relay && !guard.can_offer() {
            return Err(488);
        }
        let port = match path {
            MediaPath::Bypass => None,
            MediaPath::Relay => Some(self.port_for_peer(now, shard, page).ok_or(503u16)?),
        };
        let id = self.new_leg_id();
        let (address, signalling) = (self.settings.media.address, way.flow.remote.ip());
        let place = Place { id, port, address, signalling, role, guard };
        let leg = Leg::offering(place, &codecs, comfort_noise);
        let shown = way.shown.unwrap_or(Shown { from: from_user, asserted: None, remote_party: None });
        let headers = self.ring_headers(call, &purpose, hops, shown.remote_party.map(|number| (number, private)));
        let invite = Invite {
            flow: way.flow,
            uri: way.uri,
            from_user: shown.from,
            from_display: display.map(str::to_owned),
            to: way.to,
            routes: way.routes,
            sdp: if port.is_some() { leg.sdp.clone() } else { customer_sdp },
            asserted: shown.asserted,
            // Our own people see no number; further on nobody is to be told it either.
            private,
            replaces: None,
            trunk: way.trunk,
            headers,
        };
        let open = leg.open_command();
        match &purpose {
            Purpose::Offer { offer, .. } => _ = self.offers.insert(*offer, id),
            Purpose::Direct(_) | Purpose::Dial { .. } => _ = self.dials.insert(call, id),
            // Found by who waits for it.
            Purpose::Rejoin { .. } => {}
        }
        let ring = Ring { call, leg, purpose, stage: Stage::Opening(Box::new(invite)), search: None };
        self.rings.insert(id, ring);
        match (open, port) {
            (Some(open), Some(port)) => {
                self.legs.insert(id, Home { call, shard, port, role, tries: 0 });
                self.media(shard, open);
            }
            _ => self.ring_opened(now, id),
        }
        Ok(id)
    }

    /// What an INVITE of ours says besides; `party` is whom Remote-Party-ID names, and whether he wants to be shown.
    fn ring_headers(
        &self,
        call: CallId,
        purpose: &Purpose,
        hops: u8,
        party: Option<(String, bool)>,
    ) -> Vec<(String, String)> {
        let domain = &self.settings.sip.domain;
        let mut headers = vec![
            ("X-Hatif-Call".to_owned(), call.to_string()),
            ("Max-Forwards".to_owned(), hops.saturating_sub(1).to_string()),
        ];
        if matches!(purpose, Purpose::Rejoin { .. }) {
            headers.extend(rejoin::headers(call, domain));
        }
        if let Some((number, private)) = party {
            headers.push(("Remote-Party-ID".to_owned(), identity::remote_party_id(&number, domain, private)));
        }
        headers
    }

    /// The port of a ring could not be opened: it goes on with another, of which nobody was told yet.
    pub(super) fn move_ring(&mut self, shard: usize, old: LegId, new: LegId, port: Port) {
        let Some(mut ring) = self.take_ring(old) else { return };
        ring.leg.move_to(new, port);
        if let Stage::Opening(invite) = &mut ring.stage {
            invite.sdp = ring.leg.sdp.clone();
        }
        match &ring.purpose {
            Purpose::Offer { offer, .. } => _ = self.offers.insert(*offer, new),
            Purpose::Direct(_) | Purpose::Dial { .. } => _ = self.dials.insert(ring.call, new),
            Purpose::Rejoin { .. } => self.rejoins.rename(ring.call, new),
        }
        let open = ring.leg.open_command();
        self.rings.insert(new, ring);
        if let Some(open) = open {
            self.media(shard, open);
        }
    }

    /// What rings for one call rings for another.
    pub(super) fn move_dial(&mut self, now: Instant, from: CallId, to: CallId) {
        let Some(leg) = self.dials.remove(&from) else { return };
        let Some(ring) = self.rings.get_mut(&leg) else { return };
        ring.call = to;
        let (session, purpose) = (ring.leg.session, ring.purpose.clone());
        self.dials.insert(to, leg);
        // Its messages belong to both calls from now on.
        if let Some(owner) = self.sessions.get(&session).copied() {
            self.own(session, owner);
        }
        if let Some(home) = self.legs.get_mut(&leg) {
            home.call = to;
        }
        if let Purpose::Direct(agent) = purpose {
            self.begin_own_call(now, &agent, to, true);
            self.end_own_call(now, &agent, from);
        }
    }

    pub(super) fn take_ring(&mut self, leg: LegId) -> Option<Ring> {
        let ring = self.rings.remove(&leg)?;
        match &ring.purpose {
            Purpose::Offer { offer, .. } => _ = self.offers.remove(offer),
            Purpose::Direct(_) | Purpose::Dial { .. } => _ = self.dials.remove(&ring.call),
            Purpose::Rejoin { .. } => {}
        }
        Some(ring)
    }

    /// The port is open: the INVITE goes out.
    pub(super) fn ring_opened(&mut self, now: Instant, leg: LegId) {
        let Some(ring) = self.rings.get_mut(&leg) else { return };
        let call = ring.call;
        ring.leg.opened = true;
        if let Stage::Opening(invite) = std::mem::replace(&mut ring.stage, Stage::Answered) {
            let trunk = invite.trunk.clone();
            let session = self.endpoint.invite(now, *invite);
            ring.leg.session = session;
            ring.stage = Stage::Ringing;
            self.own(session, Owner::Ring(leg));
            if let Some(trunk) = trunk {
                self.await_sign(now, &trunk, leg);
                let place = self.on_trunk(call, trunk);
                self.trunk_sessions.insert(session, place);
            }
        }
    }

    /// A phone rings; with SDP it plays something to its caller already. What an offered agent's phone plays, nobody
    /// hears, nor a page that is to answer by itself: the caller has music.
    pub(super) fn ring_progress(&mut self, now: Instant, session: SessionId, sdp: Option<Bytes>) {
        let Some(Owner::Ring(leg)) = self.sessions.get(&session) else { return };
        let Some(ring) = self.rings.get_mut(leg) else { return };
        if matches!(ring.purpose, Purpose::Offer { .. } | Purpose::Rejoin { .. }) {
            return;
        }
        let call = ring.call;
        let early = sdp.and_then(|sdp| ring.early(sdp));
        let update = ring.leg.update_command().filter(|_| early.is_some());
        if let (Some(update), Some(shard)) = (update, self.calls.get(&call).map(Call::shard)) {
            self.media(shard, update);
        }
        self.with_call(now, call, |call, _| call.handle_dial_progress(early));
    }

    /// The phone changes its mind before it answers (UPDATE).
    pub(super) fn ring_offered(&mut self, now: Instant, session: SessionId, leg: LegId, sdp: Option<Bytes>) {
        let ring = self.rings.get_mut(&leg).filter(|ring| ring.leg.port.is_some()).zip(sdp);
        let Some((ring, sdp)) = ring else { return self.endpoint.refuse_offer(now, session, 488, None) };
        if let Err(error) = Sdp::parse(&sdp).and_then(|offer| ring.leg.renegotiate(&offer)) {
            return self.endpoint.refuse_offer(now, session, 488, Some(crate::call::warning(&error)));
        }
        let (call, sdp, update) = (ring.call, ring.leg.sdp.clone(), ring.leg.update_command());
        if let (Some(update), Some(shard)) = (update, self.calls.get(&call).map(Call::shard)) {
            self.media(shard, update);
        }
        self.endpoint.answer_offer(now, session, sdp);
    }

    /// Somebody picked up.
    pub(super) fn ring_answered(&mut self, now: Instant, session: SessionId, sdp: Option<Bytes>) {
        let leg_id = match self.sessions.get(&session).copied() {
            Some(Owner::Ring(leg)) => leg,
            Some(Owner::Call(call)) => return self.call_out_answered(now, call, session, sdp),
            None => return,
        };
        let Some(ring) = self.rings.get_mut(&leg_id) else { return };
        let agreed = match (sdp, ring.leg.port) {
            (Some(sdp), None) => {
                ring.leg.sdp = sdp;
                true
            }
            (Some(sdp), Some(_)) => Sdp::parse(&sdp).and_then(|answer| ring.leg.accept(&answer)).is_ok(),
            (None, _) => false,
        };
        if !agreed {
            self.endpoint.hang_up(now, session, Some("SIP;cause=488;text=\"No usable answer in SDP\"".to_owned()));
            self.forget_session(&session);
            self.ring_lost(now, leg_id, 488);
            return;
        }
        ring.stage = Stage::Answered;
        let (call, purpose) = (ring.call, ring.purpose.clone());
        if let Some(number) = ring.search.as_ref().map(|search| search.number().to_owned()) {
            self.limit_talk(now, session, &number);
        }
        self.own(session, Owner::Call(call));
        match purpose {
            Purpose::Offer { offer, .. } => self.tell_floor(now, acd::Input::Answered { offer }),
            Purpose::Direct(agent) => {
                self.begin_own_call(now, &agent, call, false);
                self.connect(now, leg_id, PeerKind::Direct(agent), RecordPolicy::Never);
            }
            Purpose::Dial { target } => self.connect(now, leg_id, PeerKind::Dialed { target }, RecordPolicy::Never),
            Purpose::Rejoin { .. } => self.page_answered(now, leg_id),
        }
    }

    /// The floor says the answer counts.
    pub(super) fn connect_offer(&mut self, now: Instant, offer: OfferId, call: CallId) {
        let Some(leg) = self.offers.get(&offer).copied() else { return };
        let Some(Purpose::Offer { agent, queue, .. }) = self.rings.get(&leg).map(|ring| ring.purpose.clone()) else {
            return;
        };
        let record = self.settings.call.recording.get(&queue).copied().unwrap_or_default();
        match self.calls.contains_key(&call) {
            true => self.connect(now, leg, PeerKind::Agent { agent, queue }, record),
            false => self.drop_ring(now, leg, None),
        }
    }

    fn connect(&mut self, now: Instant, leg: LegId, kind: PeerKind, record: RecordPolicy) {
        let recording = self.new_recording_id(now);
        if let Some(ring) = self.take_ring(leg) {
            let peer = Peer { leg: ring.leg, kind };
            self.with_call(now, ring.call, |call, context| call.handle_connect(context, peer, record, recording));
        }
    }

    /// The INVITE got a final refusal, or none.
    pub(super) fn ring_failed(&mut self, now: Instant, session: SessionId, code: u16) {
        match self.forget_session(&session) {
            Some(Owner::Ring(leg)) => self.ring_lost(now, leg, code),
            Some(Owner::Call(call)) => {
                self.with_call(now, call, |call, context| call.handle_call_out_failed(context, code));
            }
            None => {}
        }
    }

    /// A ring ended without a talk, by the phone's doing or for want of a port.
    pub(super) fn ring_lost(&mut self, now: Instant, leg: LegId, code: u16) {
        let Some(ring) = self.take_ring(leg) else { return };
        self.close_ring_leg(leg);
        if let Stage::Opening(invite) = &ring.stage {
            invite.trunk.iter().for_each(|trunk| self.leave_trunk(trunk));
        }
        match ring.purpose {
            Purpose::Offer { offer, .. } => self.fail_offer(now, offer, code),
            Purpose::Direct(agent) => {
                self.end_own_call(now, &agent, ring.call);
                self.dial_failed(now, ring.call, format!("agent:{agent}"), code);
            }
            Purpose::Dial { target } => match ring.search {
                Some(search) => self.try_failed(now, ring.call, *search, target, code),
                None => self.dial_failed(now, ring.call, target, code),
            },
            Purpose::Rejoin { user, .. } => self.page_failed(now, ring.call, &user, code),
        }
    }

    fn fail_offer(&mut self, now: Instant, offer: OfferId, code: u16) {
        // 404, 410, 480 and 5xx: the phone, not the person. 408 and 504: not even the phone.
        let result = match code {
            486 | 600 => OfferResult::Busy,
            408 | 504 => OfferResult::Timeout,
            404 | 410 | 430 | 480 | 500..=599 => OfferResult::Unreachable,
            _ => OfferResult::Rejected,
        };
        self.tell_floor(now, acd::Input::Failed { offer, result, sip_code: Some(code) });
    }

    /// The floor takes an offer back (or its answer came too late).
    pub(super) fn withdraw(&mut self, now: Instant, offer: OfferId) {
        if let Some(leg) = self.offers.get(&offer).copied() {
            self.drop_ring(now, leg, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
        }
    }

    /// The call gives up what it dialled.
    pub(super) fn drop_dial(&mut self, now: Instant, call: CallId, reason: Option<&str>) {
        if let Some(leg) = self.dials.get(&call).copied() {
            if let Some(Ring { purpose: Purpose::Direct(agent), .. }) = self.rings.get(&leg) {
                let agent = agent.clone();
                self.end_own_call(now, &agent, call);
            }
            self.drop_ring(now, leg, reason);
        }
    }

    /// Somebody else takes the call that this phone rings for.
    pub(super) fn stop_ring(&mut self, now: Instant, call: CallId, leg: LegId) {
        match self.rings.get(&leg).map(|ring| &ring.purpose) {
            Some(Purpose::Offer { .. }) => {
                let outcome = crate::journal::QueueOutcome::Transferred;
                self.tell_floor(now, acd::Input::LeaveAs { call, outcome });
            }
            Some(Purpose::Direct(_) | Purpose::Dial { .. }) => self.drop_dial(now, call, None),
            // Who takes his place ends his absence.
            Some(Purpose::Rejoin { .. }) => {}
            None => {}
        }
    }

    pub(super) fn drop_ring(&mut self, now: Instant, leg: LegId, reason: Option<&str>) {
        let Some(ring) = self.take_ring(leg) else { return };
        match ring.stage {
            // The place on the trunk is not its session's yet.
            Stage::Opening(invite) => invite.trunk.iter().for_each(|trunk| self.leave_trunk(trunk)),
            Stage::Ringing | Stage::Answered => {
                let session = ring.leg.session;
                self.forget_session(&session);
                self.endpoint.hang_up(now, session, reason.map(str::to_owned));
            }
        }
        self.close_ring_leg(leg);
    }

    /// A host of a trunk was to say something by now; not even 100 came.
    pub(super) fn give_up_silent(&mut self, now: Instant, leg: LegId) {
        let Some(ring) = self.rings.get(&leg).filter(|ring| matches!(ring.stage, Stage::Ringing)) else { return };
        let session = ring.leg.session;
        if !self.endpoint.is_silent(session) {
            return;
        }
        if let Some((search, flow)) = ring.search.as_ref().and_then(|search| Some((search, search.flow?))) {
            self.endpoint.suspect_trunk(now, &search.trunk, flow);
        }
        self.forget_session(&session);
        self.endpoint.hang_up(now, session, None);
        self.ring_lost(now, leg, 408);
    }

    fn close_ring_leg(&mut self, leg: LegId) {
        if let Some(home) = self.legs.get(&leg).copied() {
            self.media(home.shard, crate::media::Command::Close { leg });
        }
    }

    /// An agent is in a call of his own; `rings`: his phone rings for it.
    pub(super) fn begin_own_call(&mut self, now: Instant, agent: &AgentId, call: CallId, rings: bool) {
        self.own_calls.entry(agent.clone()).or_default().insert(call);
        self.tell_floor(now, acd::Input::OwnCall { agent: agent.clone(), call, rings });
    }

    pub(super) fn end_own_call(&mut self, now: Instant, agent: &AgentId, call: CallId) {
        if let Some(calls) = self.own_calls.get_mut(agent) {
            calls.remove(&call);
            if calls.is_empty() {
                self.own_calls.remove(agent);
            }
        }
        self.tell_floor(now, acd::Input::OwnCallEnded { agent: agent.clone(), call });
    }
}
