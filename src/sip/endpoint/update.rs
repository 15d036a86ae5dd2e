//! Offers inside a session: UPDATE both ways (RFC 3311), and re-INVITE from us (RFC 3261 §14.1).
//!
//! Before the answer an offer travels by UPDATE, and only when the first one is settled: answered in a reliable
//! response. After it we offer by re-INVITE, which leaves the peer time to ask a person.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::rand_core::Rng;

use super::super::body::sdp_of;
use super::super::dialog::reply_to;
use super::super::header::{HeaderName, Method};
use super::super::message::Message;
use super::super::session::{EarlyOffer, Exchange, Session, State};
use super::super::transaction::Server;
use super::super::writer::Writer;
use super::links;
use super::refresh::{self, Retry};
use super::replies::dialog_response;
use super::table::{Purpose, ServerMachine};
use super::{ALLOW, EndCause, Endpoint, Event, Flow, SUPPORTED, SessionId};

impl Endpoint {
    /// UPDATE (RFC 3311 §5.2).
    pub(super) fn handle_update(&mut self, now: Instant, from: Flow, key: &[u8], request: Message) {
        let Some(id) = self.enter(now, from, key, &request) else { return };
        if let Err((code, min_s)) = self.check_interval(&request) {
            return self.refuse_interval(now, from, key, &request, code, min_s);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let sdp = sdp_of(&request);
        if let Err(code) = may_update(session, &request, sdp.is_some()) {
            return self.refuse_request(now, from, key, &request, code);
        }
        if let Some(dialog) = session.dialog_of(&request) {
            dialog.refresh(&request, from);
        }
        session.note_allow(&request);
        self.note_dialog(id);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(offer) = &sdp else { return self.accept_refresh(now, from, key, id, &request) };
        session.remote_sdp = offer.clone();
        if let State::Calling { forks, .. } = &mut session.state
            && let Some(fork) = forks.iter_mut().find(|fork| fork.dialog.matches(&request))
        {
            // What its answer said is over; its 2xx repeats nothing.
            fork.sdp = offer.clone();
        }
        let machine = ServerMachine::Other(Server::new(super::reliability(from)));
        let timing = self.timing(now, &request);
        let server = self.transactions.add_server(key.into(), machine, reply_to(&request, from), Some(id), timing);
        self.receive_offer(id, server, request);
        self.settle_session(id);
        self.event(Event::Offer { session: id, sdp });
    }

    /// 200 to an UPDATE that only refreshes.
    fn accept_refresh(&mut self, now: Instant, from: Flow, key: &[u8], id: SessionId, request: &Message) {
        let intervals = self.config.session_timer;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let mut writer = dialog_response(&session.dialog, request, from, 200);
        writer.header(HeaderName::Allow, ALLOW).header(HeaderName::Supported, SUPPORTED);
        refresh::agree(now, session, request, intervals, &mut writer);
        self.respond(now, from, key, request, 200, writer);
        self.settle_session(id);
    }

    /// Their offer is the one under way; one of ours that waits after a 491 keeps its turn.
    pub(super) fn receive_offer(&mut self, id: SessionId, server: u64, request: Message) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let before =
            std::mem::replace(&mut session.exchange, Exchange::Received { server, request: Box::new(request) });
        if let Exchange::Glare { offer, .. } = before {
            session.queued.get_or_insert(offer);
        }
    }

    /// Offers a change; `OfferAnswered` or `OfferRefused` follows. Waits its turn when another offer is under way or
    /// the first one is not settled; of several that wait only the last is sent.
    pub fn reinvite(&mut self, now: Instant, id: SessionId, sdp: Bytes) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.hangs_up() {
            return;
        }
        match &mut session.exchange {
            Exchange::Glare { offer, .. } => *offer = sdp,
            Exchange::Idle | Exchange::Received { .. } | Exchange::Sent { .. } => {
                session.queued = Some(sdp);
                self.session_idle(now, id);
            }
        }
    }

    /// Something a session waited for may be over: what waits for it is done.
    pub(super) fn session_idle(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let idle = matches!(session.exchange, Exchange::Idle);
        let prack = session.awaits_prack_of_sdp();
        match &mut session.state {
            State::Up { hang_up } if session.unacknowledged.is_none() && idle => {
                match (hang_up.take(), session.queued.take()) {
                    (Some(reason), _) => self.send_bye(now, id, reason),
                    (None, Some(offer)) => self.send_offer(now, id, offer, false),
                    (None, None) => {}
                }
            }
            State::Incoming { answer, offer, .. } if idle && !prack => {
                if let Some(sdp) = answer.take() {
                    self.accept_invite(now, id, sdp);
                } else if *offer == EarlyOffer::Done
                    && session.updates
                    && let Some(offer) = session.queued.take()
                {
                    self.send_offer(now, id, offer, false);
                }
            }
            State::Calling { forks, .. } if idle && forks.iter().any(super::super::session::Fork::may_update) => {
                if let Some(offer) = session.queued.take() {
                    self.send_offer(now, id, offer, false);
                }
            }
            State::Incoming { .. } | State::Calling { .. } | State::Up { .. } | State::Leaving => {}
        }
        self.settle_session(id);
    }

    /// Sends an offer, or with `refresh` what holds once more; nothing else is under way.
    pub(super) fn send_offer(&mut self, now: Instant, id: SessionId, offer: Bytes, refresh: bool) {
        let branch = self.new_branch();
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (up, calling) = match &session.state {
            State::Up { .. } => (true, None),
            State::Calling { client, .. } => (false, Some(*client)),
            State::Incoming { .. } | State::Leaving => (false, None),
        };
        let Some(dialog) = offering_dialog(session) else { return };
        let flow = links::way(dialog, &self.links, &self.registrar);
        let via = self.via(flow, branch);
        let intervals = self.config.session_timer;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (timer, min_s) = (session.timer, session.interval_min_s);
        let Some(dialog) = offering_dialog(session) else { return };
        let method = if up { Method::Invite } else { Method::Update };
        let mut writer = dialog.request(method, &via);
        finish_offer_headers(&mut writer, &dialog.contact);
        let used = dialog.local_cseq();
        if up {
            refresh::ask(&mut writer, timer, intervals, min_s);
        }
        let request = writer.finish_with("application/sdp", &offer);
        session.exchange = Exchange::Sent { client: branch, offer, refresh };
        if up {
            self.start_invite(now, branch, flow, request, Purpose::Reinvite(id));
        } else {
            self.start_client(now, branch, flow, method, request, Purpose::Update(id));
        }
        if let Some(entry) = calling.and_then(|client| self.transactions.client(client)) {
            entry.cseq = entry.cseq.max(used);
        }
        self.settle_session(id);
    }

    /// 2xx to our re-INVITE or UPDATE with an offer.
    pub(super) fn offer_answered(
        &mut self,
        now: Instant,
        client: u64,
        id: SessionId,
        source: Flow,
        response: &Message,
    ) {
        let invite = response.method() == Method::Invite;
        if invite && self.acknowledge_again(client, response) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id).filter(|session| is_sent(session, client)) else {
            if invite {
                // Our BYE went out meanwhile.
                self.refuse_fork(now, client, source, response, false);
            }
            return;
        };
        if let Some(dialog) = offering_dialog(session) {
            dialog.refresh(response, source);
        }
        session.note_allow(response);
        let sdp = sdp_of(response);
        let Exchange::Sent { offer, refresh, .. } = std::mem::replace(&mut session.exchange, Exchange::Idle) else {
            return;
        };
        session.local_sdp = offer;
        // Who only refreshed is told nothing, unless the peer changed its side.
        let told = !refresh || sdp.as_ref().is_some_and(|sdp| *sdp != session.remote_sdp);
        if let Some(sdp) = &sdp {
            session.remote_sdp = sdp.clone();
        }
        refresh::refreshed(now, session, response);
        let told = told && session.heard;
        if invite {
            self.acknowledge_session(client, id, response);
        }
        self.note_dialog(id);
        if told {
            self.event(Event::OfferAnswered { session: id, sdp });
        }
        self.session_idle(now, id);
    }

    /// Our offer was refused or not answered (RFC 3261 §14.1, RFC 3311 §5.3).
    pub(super) fn offer_refused(
        &mut self,
        now: Instant,
        client: u64,
        id: SessionId,
        code: u16,
        response: Option<&Message>,
    ) {
        let pause_10ms = self.rng.next_u32();
        let intervals = self.config.session_timer;
        let Some(session) = self.sessions.get_mut(&id).filter(|session| is_sent(session, client)) else { return };
        let Exchange::Sent { offer, refresh, .. } = std::mem::replace(&mut session.exchange, Exchange::Idle) else {
            return;
        };
        let up = matches!(session.state, State::Up { .. });
        match code {
            // The peer has no such session, or is gone (RFC 3261 §12.2.1.2).
            408 | 481 if up => return self.peer_is_gone(now, id),
            491 if !refresh => {
                let pause_ms = match session.dialog.owns_call_id() {
                    true => 2_100 + pause_10ms % 191 * 10,
                    false => pause_10ms % 201 * 10,
                };
                let again_at = now + Duration::from_millis(u64::from(pause_ms));
                let offer = session.queued.take().unwrap_or(offer);
                session.exchange = Exchange::Glare { again_at, offer };
                return self.settle_session(id);
            }
            422 if refresh::raise(session, response, intervals) == Retry::Now => {
                return self.send_offer(now, id, offer, refresh);
            }
            _ => {}
        }
        match refresh {
            true => {
                if let Some(timer) = &mut session.timer {
                    timer.again(now);
                }
            }
            false if session.heard => self.event(Event::OfferRefused { session: id, code }),
            false => {}
        }
        self.session_idle(now, id);
    }

    /// The peer does not know the session any more, or does not answer in it: it is over.
    pub(super) fn peer_is_gone(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let heard = std::mem::replace(&mut session.heard, false);
        if heard {
            self.event(Event::Ended { session: id, cause: EndCause::Timeout, reason: None });
        }
        self.send_bye(now, id, None);
    }
}

/// The dialog in which we may offer now.
fn offering_dialog(session: &mut Session) -> Option<&mut super::super::dialog::Dialog> {
    match &mut session.state {
        State::Calling { forks, .. } => {
            forks.iter_mut().rev().find(|fork| fork.may_update()).map(|fork| &mut fork.dialog)
        }
        State::Incoming { .. } | State::Up { .. } => Some(&mut session.dialog),
        State::Leaving => None,
    }
}

/// Whether an UPDATE may be served now; else the code to refuse it with (RFC 3311 §5.2).
fn may_update(session: &Session, request: &Message, offers: bool) -> Result<(), u16> {
    match (&session.state, &session.exchange) {
        (State::Leaving, _) => return Err(481),
        (_, Exchange::Received { request, .. }) if offers || request.method() == Method::Update => return Err(500),
        (_, Exchange::Sent { .. }) if offers => return Err(491),
        (_, Exchange::Idle | Exchange::Received { .. } | Exchange::Sent { .. } | Exchange::Glare { .. }) => {}
    }
    if !offers {
        return Ok(());
    }
    match &session.state {
        State::Incoming { offer, .. } => match offer {
            EarlyOffer::Theirs | EarlyOffer::Nobody => Err(500),
            EarlyOffer::Ours => Err(491),
            EarlyOffer::Done => Ok(()),
        },
        State::Calling { forks, .. } => {
            let agreed = forks.iter().any(|fork| fork.agreed && fork.dialog.matches(request));
            if agreed { Ok(()) } else { Err(491) }
        }
        State::Up { hang_up } => {
            let offered = session.unacknowledged.as_ref().is_some_and(|ok| ok.offered);
            if offered || hang_up.is_some() { Err(491) } else { Ok(()) }
        }
        State::Leaving => Err(481),
    }
}

pub(super) fn is_sent(session: &Session, client: u64) -> bool {
    matches!(&session.exchange, Exchange::Sent { client: c, .. } if *c == client)
}

/// The headers of every offer of ours after CSeq.
fn finish_offer_headers(writer: &mut Writer, contact: &str) {
    writer
        .header(HeaderName::Contact, contact)
        .header(HeaderName::Allow, ALLOW)
        .header(HeaderName::Supported, SUPPORTED)
        .header(HeaderName::UserAgent, "Hatif");
}
