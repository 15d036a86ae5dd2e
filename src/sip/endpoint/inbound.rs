//! What a request does (RFC 3261 §8.2).

use std::time::Instant;

use bytes::Bytes;

use super::super::dialog::{Dialog, reply_to};
use super::super::header::{HeaderName, Method, text};
use super::super::message::Message;
use super::super::session::{Exchange, Session, State};
use super::super::transaction::{Server, ServerInvite};
use super::super::uri::Scheme;
use super::super::writer::{Writer, response_to};
use super::table::{self, ServerMachine};
use super::{
    ALLOW, EndCause, Endpoint, Event, Flow, Identity, Incoming, SESSIONS_MAX, SessionId, Standing, TRANSACTIONS_MAX,
};

impl Endpoint {
    /// A well-formed request.
    pub(super) fn handle_request(&mut self, now: Instant, from: Flow, request: Message) {
        let Some(method) = request.method().known() else {
            self.stats.rejected.unsupported += 1;
            return self.reply(from, &request, 501, None, |_| {});
        };
        // ACK to a refusal has the branch of its INVITE (RFC 3261 §17.2.3).
        let asked = if method == Method::Ack { Method::Invite } else { method };
        let Some(key) = table::key(&request, asked) else { return };
        let known = self.transactions.find(&key);
        match (known, method) {
            (_, Method::Ack) => self.handle_ack(now, known, &request),
            (Some(id), _) => {
                self.stats.retransmissions_in += 1;
                if let Some(entry) = self.transactions.server(id) {
                    entry.machine.handle_repeated();
                }
                self.drive_server(id);
            }
            (None, Method::Invite) => match request.to_tag() {
                None => self.handle_invite(now, from, &key, request),
                Some(_) => self.handle_reinvite(now, from, &key, request),
            },
            (None, Method::Cancel) => self.handle_cancel(now, from, &key, &request),
            (None, Method::Bye) => self.handle_bye(now, from, &key, &request),
            (None, Method::Options) => self.handle_options(from, &request),
            (None, Method::Register) => self.handle_register(now, from, &key, &request),
            (
                None,
                Method::Prack
                | Method::Update
                | Method::Info
                | Method::Refer
                | Method::Subscribe
                | Method::Notify
                | Method::Message
                | Method::Publish
                | Method::Other(_),
            ) => {
                self.stats.rejected.unsupported += 1;
                self.reply(from, &request, 405, None, |w| {
                    w.header(HeaderName::Allow, ALLOW);
                });
            }
        }
    }

    /// An INVITE without To tag and without transaction: a new call, unless it is turned away at the door.
    fn handle_invite(&mut self, now: Instant, from: Flow, key: &[u8], request: Message) {
        if request.max_forwards() == Some(0) {
            self.stats.rejected.hops += 1;
            return self.reply(from, &request, 483, None, |_| {});
        }
        if self.sessions.len() >= SESSIONS_MAX || self.transactions.len() >= TRANSACTIONS_MAX {
            return self.refuse_overload(from, &request);
        }
        if request.request_uri().is_some_and(|uri| !matches!(uri.scheme, Scheme::Sip | Scheme::Tel)) {
            self.stats.rejected.malformed += 1;
            return self.reply(from, &request, 416, None, |_| {});
        }
        if request.contact().is_none() {
            return self.refuse_malformed(from, &request, 400, "Missing Contact");
        }
        if !self.accepts_extensions(from, &request) || !self.accepts_content(from, &request) {
            return;
        }
        let Some(identity) = self.identify(now, from, &request) else { return };
        let standing = match identity {
            Identity::User(_) | Identity::Trunk(_) => Standing::Known,
            Identity::Stranger => Standing::Busy,
        };
        self.raise(from.connection, standing);
        let mut to_user = request.request_uri().and_then(|uri| uri.user_text()).unwrap_or_default();
        let trunk = match &identity {
            Identity::Trunk(name) => Some(name.clone()),
            Identity::User(_) | Identity::Stranger => None,
        };
        if trunk.as_deref().is_some_and(|name| self.dialled_by_contact(name, &to_user)) {
            to_user = request.to().and_then(|to| to.uri()?.user_text()).filter(|u| !u.is_empty()).unwrap_or(to_user);
        }
        let tag = self.new_tag();
        let contact = self.contact(from, &to_user);
        let Some(dialog) = Dialog::answering(&request, tag, from, contact) else { return };
        let trying = response_to(&request, 100, None, None, from.remote).finish();
        self.stats.response_out(100);
        let machine = ServerMachine::Invite(ServerInvite::new(trying, super::reliability(from)));
        let server = self.transactions.add_server(key.into(), machine, reply_to(&request, from), None);
        let incoming = incoming(&request, from, to_user, identity);
        let session = Session::new(dialog, State::Incoming { server, request, ring_at: None }).with_trunk(trunk);
        let session = self.add_session(session);
        if let Some(entry) = self.transactions.server(server) {
            entry.session = Some(session);
        }
        self.drive_server(server);
        self.event(Event::Incoming { session, incoming });
    }

    /// 420 to a Require that nobody here serves (RFC 3261 §8.2.2.3).
    pub(super) fn accepts_extensions(&mut self, from: Flow, request: &Message) -> bool {
        let unknown = request.list(HeaderName::Require).collect::<Vec<_>>().join(b", ".as_slice());
        if unknown.is_empty() {
            return true;
        }
        self.stats.rejected.unsupported += 1;
        self.reply(from, request, 420, None, |w| {
            w.header(HeaderName::Unsupported, unknown);
        });
        false
    }

    /// 415 to a body that is not plain SDP (RFC 3261 §8.2.3).
    fn accepts_content(&mut self, from: Flow, request: &Message) -> bool {
        let encoded = request.header(HeaderName::ContentEncoding).is_some_and(|e| !e.eq_ignore_ascii_case(b"identity"));
        if request.body().is_empty() || (is_sdp(request) && !encoded) {
            return true;
        }
        self.stats.rejected.unsupported += 1;
        self.reply(from, request, 415, None, |w| {
            w.header(HeaderName::Accept, "application/sdp").header(HeaderName::Allow, ALLOW);
            if encoded {
                w.named("Accept-Encoding", "identity");
            }
        });
        false
    }

    pub(super) fn refuse_overload(&mut self, from: Flow, request: &Message) {
        self.stats.rejected.overload += 1;
        self.reply(from, request, 503, None, |w| {
            w.header(HeaderName::RetryAfter, "5");
        });
    }

    fn refuse_unknown_dialog(&mut self, from: Flow, request: &Message) {
        self.stats.rejected.no_dialog += 1;
        self.reply(from, request, 481, None, |_| {});
    }

    /// An INVITE inside a dialog (RFC 3261 §14.2).
    fn handle_reinvite(&mut self, now: Instant, from: Flow, key: &[u8], request: Message) {
        let Some(id) = self.find_session(&request) else { return self.refuse_unknown_dialog(from, &request) };
        if self.transactions.len() >= TRANSACTIONS_MAX {
            return self.refuse_overload(from, &request);
        }
        if !self.accepts_extensions(from, &request) || !self.accepts_content(from, &request) {
            return;
        }
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !session.dialog.take_cseq(number) {
            return self.reply(from, &request, 500, None, |_| {});
        }
        let free = match &session.state {
            // Ours of before is not answered yet: 500 with a pause of 0–10 s.
            State::Incoming { .. } => Err(500),
            State::Up { exchange: Exchange::Received { .. }, .. } => Err(500),
            State::Up { exchange: Exchange::Idle | Exchange::Glare { .. }, hang_up: None, .. } => Ok(()),
            State::Up { .. } | State::Calling { .. } => Err(491),
            State::Leaving => Err(481),
        };
        if let Err(code) = free {
            return self.refuse_reinvite(now, from, key, &request, code);
        }
        session.dialog.refresh(&request, from);
        let sdp = sdp_of(&request);
        let trying = response_to(&request, 100, None, None, from.remote).finish();
        self.stats.response_out(100);
        let machine = ServerMachine::Invite(ServerInvite::new(trying, super::reliability(from)));
        let server = self.transactions.add_server(key.into(), machine, reply_to(&request, from), Some(id));
        if let Some(session) = self.sessions.get_mut(&id)
            && let State::Up { exchange, queued, .. } = &mut session.state
        {
            // Our own offer that waits after a 491 keeps its turn.
            if let Exchange::Glare { offer, .. } = std::mem::replace(exchange, Exchange::Received { server, request }) {
                queued.get_or_insert(offer);
            }
        }
        self.settle_session(id);
        self.drive_server(server);
        self.event(Event::Offer { session: id, sdp });
    }

    /// Refuses an INVITE in a dialog, with a transaction: its CSeq is taken, so a repetition judged anew would get
    /// another answer.
    fn refuse_reinvite(&mut self, now: Instant, from: Flow, key: &[u8], request: &Message, code: u16) {
        let mut writer = response_to(request, code, None, None, from.remote);
        if code == 500 {
            writer.header(HeaderName::RetryAfter, "3");
        }
        let mut machine = ServerInvite::new(Bytes::new(), super::reliability(from));
        // No 100: the final response is here.
        let _ = machine.poll_output();
        machine.reject(now, writer.finish());
        self.stats.response_out(code);
        let flow = reply_to(request, from);
        let server = self.transactions.add_server(key.into(), ServerMachine::Invite(machine), flow, None);
        self.drive_server(server);
    }

    /// An ACK: to a refusal for its transaction, to a 2xx for its session.
    fn handle_ack(&mut self, now: Instant, server: Option<u64>, request: &Message) {
        if let Some(server) = server
            && let Some(entry) = self.transactions.server(server)
            && let ServerMachine::Invite(invite) = &mut entry.machine
            && invite.handle_ack(now)
        {
            return self.drive_server(server);
        }
        let (Some(id), Some(cseq)) = (self.find_session(request), request.cseq()) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(acknowledged) = session.take_ack(cseq.number) else { return };
        self.settle_session(id);
        if self.sessions.get(&id).is_some_and(|session| session.heard) {
            if acknowledged.initial {
                self.event(Event::Acked { session: id });
            }
            if acknowledged.offered {
                self.event(Event::OfferAnswered { session: id, sdp: sdp_of(request) });
            }
        }
        self.session_idle(now, id);
    }

    /// CANCEL (RFC 3261 §9.2).
    fn handle_cancel(&mut self, now: Instant, from: Flow, key: &[u8], request: &Message) {
        let invite = table::key(request, Method::Invite).and_then(|key| self.transactions.find(&key));
        let Some(entry) = invite.and_then(|id| self.transactions.server(id)) else {
            return self.refuse_unknown_dialog(from, request);
        };
        let (session, pending) = match &entry.machine {
            ServerMachine::Invite(invite) => (entry.session, invite.is_proceeding()),
            ServerMachine::Other(_) => (None, false),
        };
        let session = session.filter(|id| self.sessions.contains_key(id));
        if let Some(session) = session.and_then(|id| self.sessions.get(&id)) {
            let right_tag = match request.to_tag() {
                None => true,
                Some(tag) => tag == session.dialog.local_tag().as_bytes(),
            };
            if !right_tag || !session.dialog.matches(request) {
                return self.refuse_unknown_dialog(from, request);
            }
        }
        let tag = match session.and_then(|id| self.sessions.get(&id)) {
            Some(session) => session.dialog.local_tag().to_owned(),
            None => self.stateless_tag(request),
        };
        let ok = response_to(request, 200, None, Some(&tag), from.remote);
        self.respond(now, from, key, request, 200, ok);
        if let Some(id) = session.filter(|_| pending) {
            self.cancelled(now, id);
        }
    }

    /// The pending INVITE of a session is cancelled by its sender.
    fn cancelled(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match &mut session.state {
            State::Incoming { .. } => {
                let heard = session.heard;
                self.refuse_invite(now, id, 487, None, |_| {});
                self.remove_session(id);
                if heard {
                    self.event(Event::Cancelled { session: id });
                }
            }
            State::Up { exchange: Exchange::Received { .. }, .. } => {
                self.refuse_invite(now, id, 487, None, |_| {});
                self.session_idle(now, id);
            }
            State::Up { .. } | State::Calling { .. } | State::Leaving => {}
        }
    }

    /// BYE (RFC 3261 §15.1.2).
    fn handle_bye(&mut self, now: Instant, from: Flow, key: &[u8], request: &Message) {
        let Some(id) = self.find_session(request) else { return self.refuse_unknown_dialog(from, request) };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        if !session.dialog.take_cseq(number) {
            return self.reply(from, request, 500, None, |_| {});
        }
        let ok = response_to(request, 200, None, None, from.remote);
        self.respond(now, from, key, request, 200, ok);
        // What they asked in this session and we did not answer yet is over too (RFC 3261 §15.1.2).
        self.refuse_invite(now, id, 487, None, |_| {});
        self.abandon_reinvite(now, id);
        let Some(session) = self.remove_session(id) else { return };
        let reason = request.header(HeaderName::Reason).map(|reason| text(reason).into_owned());
        match session.state {
            State::Incoming { .. } if session.heard => self.event(Event::Cancelled { session: id }),
            State::Up { hang_up: None, .. } if session.heard => {
                self.event(Event::Ended { session: id, cause: EndCause::Bye, reason });
            }
            State::Incoming { .. } | State::Up { .. } | State::Calling { .. } | State::Leaving => {}
        }
    }

    /// OPTIONS, in a dialog or not: what we can do (RFC 3261 §11.2).
    fn handle_options(&mut self, from: Flow, request: &Message) {
        if request.to_tag().is_some() && self.find_session(request).is_none() {
            return self.refuse_unknown_dialog(from, request);
        }
        if !self.accepts_extensions(from, request) {
            return;
        }
        self.reply(from, request, 200, None, |w| {
            w.header(HeaderName::Allow, ALLOW)
                .header(HeaderName::Accept, "application/sdp")
                .header(HeaderName::Supported, "");
        });
    }

    /// Answers a request, not INVITE, through a new server transaction.
    pub(super) fn respond(
        &mut self,
        now: Instant,
        from: Flow,
        key: &[u8],
        request: &Message,
        code: u16,
        answer: Writer,
    ) {
        if self.transactions.len() >= TRANSACTIONS_MAX {
            // Without state: a repetition is then judged anew.
            self.stats.response_out(code);
            return self.send(reply_to(request, from), answer.finish());
        }
        let mut machine = Server::new(super::reliability(from));
        machine.respond(now, answer.finish());
        self.stats.response_out(code);
        let flow = reply_to(request, from);
        let id = self.transactions.add_server(key.into(), ServerMachine::Other(machine), flow, None);
        self.drive_server(id);
    }
}

fn incoming(request: &Message, flow: Flow, to_user: String, identity: Identity) -> Incoming {
    let caller = request.from();
    Incoming {
        from_user: caller.and_then(|from| from.uri()?.user_text()).unwrap_or_default(),
        from_display: caller.and_then(|from| from.display_text()),
        to_user,
        identity,
        sdp: sdp_of(request),
        flow,
        call_id: text(request.call_id().unwrap_or_default()).into_owned(),
        asserted: None,
        private: false,
        diversion: Vec::new(),
        replaces: None,
        referred_by: None,
        to_host: request.request_uri().map(|uri| uri.host_text().into_owned()).unwrap_or_default(),
        max_forwards: request.max_forwards().unwrap_or(70),
    }
}

fn is_sdp(message: &Message) -> bool {
    message.content_type().is_some_and(|t| t.eq_ignore_ascii_case(b"application/sdp"))
}

/// The body when it is SDP.
pub(super) fn sdp_of(message: &Message) -> Option<Bytes> {
    Some(message.body()).filter(|body| !body.is_empty() && is_sdp(message))
}
