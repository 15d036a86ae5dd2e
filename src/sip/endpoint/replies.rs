//! What the caller answers to their requests, and what a session does when its time comes.

use std::time::Instant;

use bytes::Bytes;

use super::super::body::sdp_of;
use super::super::dialog::Dialog;
use super::super::header::{HeaderName, Method};
use super::super::message::Message;
use super::super::session::{Due, EarlyOffer, Exchange, Session, State, Unacknowledged};
use super::super::writer::{Writer, response_to};
use super::table::ServerMachine;
use super::{ALLOW, EndCause, Endpoint, Event, Flow, Rejection, SUPPORTED, SessionId, Warning, refresh, stats};

impl Endpoint {
    /// 200 to their INVITE with this SDP, repeated until its ACK; without one for 64·T1 the session ends with
    /// `NoAck`. It waits for the PRACK of a reliable response with SDP, and for an offer that is under way.
    ///
    /// When a reliable response already answered the INVITE, the 200 has no SDP, and one that differs from what was
    /// said is offered by re-INVITE.
    pub fn answer(&mut self, now: Instant, id: SessionId, sdp: Bytes) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Incoming { ring, answer, .. } = &mut session.state else { return };
        *ring = None;
        *answer = Some(sdp);
        self.session_idle(now, id);
    }

    /// The answer need not wait any more.
    pub(super) fn accept_invite(&mut self, now: Instant, id: SessionId, sdp: Bytes) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Incoming { server, request, offer, .. } = &session.state else { return };
        let (server, request, offer) = (*server, request.clone(), *offer);
        // What waits to be said before the answer is not said any more.
        if let Some(response) = &mut session.unpracked {
            response.next = None;
        }
        session.state = State::Up { hang_up: None };
        let body = match offer {
            EarlyOffer::Theirs | EarlyOffer::Nobody => Some(sdp),
            EarlyOffer::Ours | EarlyOffer::Done => {
                if sdp != session.local_sdp && session.queued.is_none() {
                    session.queued = Some(sdp);
                }
                None
            }
        };
        let offered = offer == EarlyOffer::Nobody;
        self.accept(now, id, server, &request, body.as_ref(), Some((true, offered)));
        self.note_dialog(id);
    }

    /// A final refusal of their INVITE. No more events of this session follow.
    pub fn reject(&mut self, now: Instant, id: SessionId, rejection: Rejection) {
        let is_incoming = |session: &Session| matches!(session.state, State::Incoming { .. });
        if !self.sessions.get(&id).is_some_and(is_incoming) {
            return;
        }
        let Rejection { code, reason, retry_after, warning } = rejection;
        let code = if (300..700).contains(&code) { code } else { 500 };
        let domain = self.config.domain.clone();
        self.refuse_pending(now, id, code, reason.as_deref(), |w| {
            if let Some(seconds) = retry_after {
                w.header(HeaderName::RetryAfter, seconds.to_string());
            }
            if let Some(warning) = &warning {
                w.header(HeaderName::Warning, warning_value(warning, &domain));
            }
        });
        self.remove_session(id);
    }

    /// 200 with this SDP to their re-INVITE, UPDATE or PRACK; nothing when none waits.
    pub fn answer_offer(&mut self, now: Instant, id: SessionId, sdp: Bytes) {
        let Some((server, request)) = self.take_received(id) else { return };
        let ack = (request.method() == Method::Invite).then(|| (false, sdp_of(&request).is_none()));
        self.accept(now, id, server, &request, Some(&sdp), ack);
        if ack.is_none() {
            self.session_idle(now, id);
        }
    }

    /// Refuses their offer, e.g. with 488; the session goes on as before.
    pub fn refuse_offer(&mut self, now: Instant, id: SessionId, code: u16, warning: Option<Warning>) {
        let code = if (300..700).contains(&code) { code } else { 488 };
        self.refuse_exchange_saying(now, id, code, warning);
        self.session_idle(now, id);
    }

    fn take_received(&mut self, id: SessionId) -> Option<(u64, Message)> {
        let session = self.sessions.get_mut(&id)?;
        match std::mem::replace(&mut session.exchange, Exchange::Idle) {
            Exchange::Received { server, request } => Some((server, *request)),
            other @ (Exchange::Idle | Exchange::Sent { .. } | Exchange::Glare { .. }) => {
                session.exchange = other;
                None
            }
        }
    }

    /// Sends a 2xx. `ack`: it answers an INVITE, so an ACK has to come; whether that INVITE is the first, and whether
    /// our SDP is an offer.
    fn accept(
        &mut self,
        now: Instant,
        id: SessionId,
        server: u64,
        request: &Message,
        sdp: Option<&Bytes>,
        ack: Option<(bool, bool)>,
    ) {
        let intervals = self.config.session_timer;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(entry) = self.transactions.server(server) else { return };
        let flow = entry.flow;
        let mut writer = dialog_response(&session.dialog, request, flow, 200);
        writer.header(HeaderName::Allow, ALLOW).header(HeaderName::Supported, SUPPORTED);
        if matches!(request.method(), Method::Invite | Method::Update) {
            refresh::agree(now, session, request, intervals, &mut writer);
        }
        if let Some(sdp) = sdp {
            session.local_sdp = sdp.clone();
        }
        let ok = writer.finish_with("application/sdp", sdp.map(Bytes::as_ref).unwrap_or_default());
        match &mut entry.machine {
            ServerMachine::Invite(invite) => invite.accept(now, ok.clone()),
            ServerMachine::Other(other) => other.respond(now, ok.clone()),
        }
        self.stats.response_out(request.method(), 200);
        self.stats.has_served(now, &mut entry.timing);
        if let Some((initial, offered)) = ack {
            let cseq = request.cseq().map_or(0, |cseq| cseq.number);
            session.unacknowledged = Some(Unacknowledged::new(now, flow, ok, cseq, initial, offered));
        }
        self.drive_server(server);
        self.settle_session(id);
    }

    /// Refuses all that a session owes an answer: their offer, and their INVITE with `reason` and `more`.
    pub(super) fn refuse_pending(
        &mut self,
        now: Instant,
        id: SessionId,
        code: u16,
        reason: Option<&str>,
        more: impl FnOnce(&mut Writer),
    ) {
        self.refuse_exchange(now, id, 487);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Incoming { server, request, .. } = &session.state else { return };
        let (server, tag) = (*server, session.dialog.local_tag());
        let Some(entry) = self.transactions.server(server) else { return };
        let mut writer = response_to(request, code, reason, Some(tag), source_of(entry.flow));
        more(&mut writer);
        self.refuse(now, server, code, writer);
    }

    /// Refuses their offer, if one waits.
    pub(super) fn refuse_exchange(&mut self, now: Instant, id: SessionId, code: u16) {
        self.refuse_exchange_saying(now, id, code, None);
    }

    fn refuse_exchange_saying(&mut self, now: Instant, id: SessionId, code: u16, warning: Option<Warning>) {
        let Some((server, request)) = self.take_received(id) else { return };
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(entry) = self.transactions.server(server) else { return };
        let tag = Some(session.dialog.local_tag());
        let mut writer = response_to(&request, code, None, tag, source_of(entry.flow));
        if let Some(warning) = warning {
            writer.header(HeaderName::Warning, warning_value(&warning, &self.config.domain));
        }
        self.refuse(now, server, code, writer);
    }

    fn refuse(&mut self, now: Instant, server: u64, code: u16, writer: Writer) {
        let Some(entry) = self.transactions.server(server) else { return };
        match &mut entry.machine {
            ServerMachine::Invite(invite) => invite.reject(now, writer.finish()),
            ServerMachine::Other(other) => other.respond(now, writer.finish()),
        }
        self.stats.response_to(entry.timing.method, code);
        self.stats.has_served(now, &mut entry.timing);
        self.drive_server(server);
    }

    /// The deadline of a session has come.
    pub(super) fn session_due(&mut self, now: Instant, id: SessionId) {
        let due = self.sessions.get_mut(&id).and_then(|session| session.take_due(now));
        match due {
            Some(Due::Ring) => self.ring_again(now, id),
            Some(Due::Resend(flow, bytes)) => {
                self.stats.sent_again(stats::index(Method::Invite));
                self.send(flow, bytes);
            }
            Some(Due::NoAck) => self.unacknowledged(now, id),
            Some(Due::NoPrack) => self.unpracked(now, id),
            Some(Due::Offer(offer)) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.queued.get_or_insert(offer);
                }
                self.session_idle(now, id);
            }
            Some(Due::Refresh) => self.refresh_session(now, id),
            Some(Due::Expired) => self.session_expired(now, id),
            None => {}
        }
        self.settle_session(id);
    }

    /// No ACK came, or it lacks the answer to our offer: BYE all the same (RFC 3261 §13.3.1.4).
    pub(super) fn unacknowledged(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let told = session.heard;
        session.heard = false;
        let reason = match &mut session.state {
            State::Up { hang_up } => hang_up.take().flatten(),
            State::Incoming { .. } | State::Calling { .. } | State::Leaving => None,
        };
        if told {
            self.event(Event::Ended { session: id, cause: EndCause::NoAck, reason: None });
        }
        self.send_bye(now, id, reason);
    }
}

/// Begins a 1xx or 2xx that makes or keeps the dialog (RFC 3261 §12.1.1).
pub(super) fn dialog_response(dialog: &Dialog, request: &Message, flow: Flow, code: u16) -> Writer {
    let mut writer = response_to(request, code, None, Some(dialog.local_tag()), source_of(flow));
    writer.copy(request, HeaderName::RecordRoute).header(HeaderName::Contact, &dialog.contact);
    writer
}

/// The value of a Warning header: our domain says it, its quotes cannot end it.
fn warning_value(warning: &Warning, domain: &str) -> String {
    format!("{} {domain} \"{}\"", warning.code, warning.text.replace(['"', '\\'], "'"))
}

/// What the top Via of a response says of the request's source.
fn source_of(flow: Flow) -> std::net::SocketAddr {
    flow.remote
}
