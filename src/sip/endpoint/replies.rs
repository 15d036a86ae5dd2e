//! What the caller answers to their INVITE, and what a session does when its time comes.

use std::time::Instant;

use bytes::Bytes;

use super::super::header::HeaderName;
use super::super::message::Message;
use super::super::session::{Due, Exchange, Session, State, Unacknowledged};
use super::super::writer::{Writer, response_to};
use super::table::ServerMachine;
use super::{ALLOW, EndCause, Endpoint, Event, Flow, Rejection, SessionId};

impl Endpoint {
    /// 180 to their INVITE, or 183 when SDP is given for early media; repeated every minute until the answer
    /// (RFC 3261 §13.3.1.1).
    pub fn ring(&mut self, now: Instant, id: SessionId, sdp: Option<Bytes>) {
        drop(sdp);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Incoming { server, request, ring_at } = &mut session.state else { return };
        *ring_at = Some(now + super::super::session::RING_AGAIN);
        let server = *server;
        let Some(entry) = self.transactions.server(server) else { return };
        let ringing = dialog_response(&session.dialog, request, entry.flow, 180).finish();
        if let ServerMachine::Invite(invite) = &mut entry.machine {
            invite.progress(ringing);
            self.stats.response_out(180);
        }
        self.drive_server(server);
        self.settle_session(id);
    }

    /// 200 to their INVITE with this SDP, repeated until its ACK; without one for 64·T1 the session ends with
    /// `NoAck`.
    pub fn answer(&mut self, now: Instant, id: SessionId, sdp: Bytes) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Incoming { server, request, .. } = &session.state else { return };
        let (server, request) = (*server, request.clone());
        session.state = State::Up { exchange: Exchange::Idle, queued: None, hang_up: None };
        self.accept(now, id, server, &request, &sdp, true);
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
        self.refuse_invite(now, id, code, reason.as_deref(), |w| {
            if let Some(seconds) = retry_after {
                w.header(HeaderName::RetryAfter, seconds.to_string());
            }
            if let Some(warning) = warning {
                let warning = warning.replace(['"', '\\'], "'");
                w.header(HeaderName::Warning, format!("399 {domain} \"{warning}\""));
            }
        });
        self.remove_session(id);
    }

    /// 200 to their re-INVITE with this SDP; nothing when none waits.
    pub fn answer_offer(&mut self, now: Instant, id: SessionId, sdp: Bytes) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Up { exchange, .. } = &mut session.state else { return };
        if !matches!(exchange, Exchange::Received { .. }) {
            return;
        }
        if let Exchange::Received { server, request } = std::mem::replace(exchange, Exchange::Idle) {
            self.accept(now, id, server, &request, &sdp, false);
        }
    }

    /// Refuses their re-INVITE, e.g. with 488; the session goes on as before.
    pub fn refuse_offer(&mut self, now: Instant, id: SessionId, code: u16) {
        let Some(session) = self.sessions.get(&id) else { return };
        if matches!(session.state, State::Up { exchange: Exchange::Received { .. }, .. }) {
            let code = if (300..700).contains(&code) { code } else { 488 };
            self.refuse_invite(now, id, code, None, |_| {});
            self.session_idle(now, id);
        }
    }

    /// Sends the 2xx; the session is `Up` and idle.
    fn accept(&mut self, now: Instant, id: SessionId, server: u64, request: &Message, sdp: &Bytes, initial: bool) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(entry) = self.transactions.server(server) else { return };
        let flow = entry.flow;
        let mut writer = dialog_response(&session.dialog, request, flow, 200);
        writer.header(HeaderName::Allow, ALLOW).header(HeaderName::Supported, "");
        let ok = writer.finish_with("application/sdp", sdp);
        if let ServerMachine::Invite(invite) = &mut entry.machine {
            invite.accept(now, ok.clone());
        }
        self.stats.response_out(200);
        let cseq = request.cseq().map_or(0, |cseq| cseq.number);
        let offered = super::inbound::sdp_of(request).is_none();
        if let State::Up { exchange, .. } = &mut session.state {
            *exchange = Exchange::Unacknowledged(Unacknowledged::new(now, flow, ok, cseq, initial, offered));
        }
        self.drive_server(server);
        self.settle_session(id);
    }

    /// Refuses the INVITE of a session that waits for our answer, if one does; a re-INVITE leaves the session
    /// idle.
    pub(super) fn refuse_invite(
        &mut self,
        now: Instant,
        id: SessionId,
        code: u16,
        reason: Option<&str>,
        more: impl FnOnce(&mut Writer),
    ) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (server, request) = match &mut session.state {
            State::Incoming { server, request, .. } => (*server, request.clone()),
            State::Up { exchange, .. } => match exchange {
                Exchange::Received { server, request } => {
                    let pending = (*server, request.clone());
                    *exchange = Exchange::Idle;
                    pending
                }
                Exchange::Idle | Exchange::Unacknowledged(_) | Exchange::Sent { .. } | Exchange::Glare { .. } => return,
            },
            State::Calling { .. } | State::Leaving => return,
        };
        let Some(entry) = self.transactions.server(server) else { return };
        let tag = Some(session.dialog.local_tag());
        let mut writer = response_to(&request, code, reason, tag, source_of(entry.flow));
        more(&mut writer);
        if let ServerMachine::Invite(invite) = &mut entry.machine {
            invite.reject(now, writer.finish());
            self.stats.response_out(code);
        }
        self.drive_server(server);
    }

    /// The deadline of a session has come.
    pub(super) fn session_due(&mut self, now: Instant, id: SessionId) {
        let due = self.sessions.get_mut(&id).and_then(|session| session.take_due(now));
        match due {
            Some(Due::Ring) => self.ring(now, id, None),
            Some(Due::Resend(flow, ok)) => {
                self.stats.retransmissions_out += 1;
                self.send(flow, ok);
            }
            Some(Due::NoAck) => self.unacknowledged(now, id),
            Some(Due::Offer(offer)) => self.send_reinvite(now, id, offer),
            None => {}
        }
        self.settle_session(id);
    }

    /// No ACK came: BYE all the same (RFC 3261 §13.3.1.4).
    fn unacknowledged(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let told = session.heard;
        session.heard = false;
        let reason = match &mut session.state {
            State::Up { hang_up, .. } => hang_up.take().flatten(),
            State::Incoming { .. } | State::Calling { .. } | State::Leaving => None,
        };
        if told {
            self.event(Event::Ended { session: id, cause: EndCause::NoAck, reason: None });
        }
        self.send_bye(now, id, reason);
    }
}

/// Begins a 1xx or 2xx that makes or keeps the dialog (RFC 3261 §12.1.1).
fn dialog_response(dialog: &super::super::dialog::Dialog, request: &Message, flow: Flow, code: u16) -> Writer {
    let mut writer = response_to(request, code, None, Some(dialog.local_tag()), source_of(flow));
    writer.copy(request, HeaderName::RecordRoute).header(HeaderName::Contact, &dialog.contact);
    writer
}

/// What the top Via of a response says of the request's source.
fn source_of(flow: Flow) -> std::net::SocketAddr {
    flow.remote
}
