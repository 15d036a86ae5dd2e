//! What a request does (RFC 3261 §8.2).

use std::time::Instant;

use bytes::Bytes;

use super::super::body::{Body, body_of, sdp_of};
use super::super::dialog::{Dialog, reply_to};
use super::super::guard::Count;
use super::super::header::{HeaderName, Method, text};
use super::super::message::Message;
use super::super::replaces::Replaces;
use super::super::session::{EarlyOffer, Exchange, Session, State};
use super::super::transaction::{Server, ServerInvite};
use super::super::uri::Scheme;
use super::super::writer::{Writer, response_to};
use super::super::{identity, session_timer};
use super::table::{self, ServerMachine};
use super::{
    ALLOW, EXTENSIONS, EndCause, Endpoint, Event, Flow, Identity, Incoming, SESSIONS_MAX, SUPPORTED, SessionId,
    Standing, TRANSACTIONS_MAX,
};

/// The bodies that are read.
const ACCEPT: &str = "application/sdp, multipart/mixed";
/// How long who asks at the wrong moment is to wait, in seconds: 0–10 (RFC 3261 §14.2).
const RETRY_AFTER_S: &str = "3";

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
                self.stats.seen_again(method);
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
            (None, Method::Prack) => self.handle_prack(now, from, &key, request),
            (None, Method::Update) => self.handle_update(now, from, &key, request),
            (None, Method::Info) => self.handle_info(now, from, &key, &request),
            (None, Method::Refer) => self.handle_refer(now, from, &key, &request),
            (None, Method::Subscribe) => self.handle_subscribe(now, from, &key, &request),
            // We ask nobody for events.
            (None, Method::Notify) => self.refuse_unknown_dialog(from, &request),
            (None, Method::Message | Method::Publish | Method::Other(_)) => {
                self.stats.rejected.unsupported += 1;
                self.reply(from, &request, 405, None, |w| {
                    w.header(HeaderName::Allow, ALLOW);
                });
            }
        }
    }

    /// An INVITE without To tag and without transaction: a new call, unless it is turned away at the door.
    fn handle_invite(&mut self, now: Instant, from: Flow, key: &[u8], request: Message) {
        if !self.accepts_call(from, &request) {
            return;
        }
        let Some(identity) = self.identify(now, from, &request) else { return };
        let replaces = match self.replaced(&request, &identity) {
            Ok(replaces) => replaces,
            Err(code) => return self.reply(from, &request, code, None, |_| {}),
        };
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
        let reliability = super::reliability(from);
        let machine = ServerMachine::Invite(match identity {
            Identity::User(_) | Identity::Trunk(_) => {
                self.stats.response_out(Method::Invite, 100);
                ServerInvite::new(trying, reliability)
            }
            Identity::Stranger => ServerInvite::quiet(trying, reliability),
        });
        let timing = self.timing(now, &request);
        let server = self.transactions.add_server(key.into(), machine, reply_to(&request, from), None, timing);
        self.transactions.note_call(server, self.call_hash(&request));
        let incoming = Incoming { replaces, ..incoming(&request, from, to_user, identity) };
        let offer = if incoming.sdp.is_some() { EarlyOffer::Theirs } else { EarlyOffer::Nobody };
        let updates = request.lists(HeaderName::Allow, "UPDATE");
        let request = Box::new(request);
        let mut session = Session::new(dialog, State::Incoming { server, request, ring: None, offer, answer: None });
        session.updates = updates;
        session.remote_sdp = incoming.sdp.clone().unwrap_or_default();
        session.trunk = trunk.map(String::into_boxed_str);
        let session = self.add_session(session);
        if let Some(entry) = self.transactions.server(server) {
            entry.session = Some(session);
        }
        self.drive_server(server);
        self.event(Event::Incoming { session, incoming: Box::new(incoming) });
    }

    /// A call of `Event::Incoming` will not be refused at once: a stranger gets his 100 now.
    pub fn take_up(&mut self, session: SessionId) {
        let Some(Session { state: State::Incoming { server, .. }, .. }) = self.sessions.get(&session) else { return };
        let server = *server;
        if let Some(ServerMachine::Invite(machine)) = self.transactions.server(server).map(|entry| &mut entry.machine)
            && machine.proceed()
        {
            self.stats.response_out(Method::Invite, 100);
            self.drive_server(server);
        }
    }

    /// What is wrong with a new call, whoever calls, is refused at the door.
    fn accepts_call(&mut self, from: Flow, request: &Message) -> bool {
        if request.max_forwards() == Some(0) {
            self.stats.rejected.hops += 1;
            self.reply(from, request, 483, None, |_| {});
        } else if self.sessions.len() >= SESSIONS_MAX || self.transactions.len() >= TRANSACTIONS_MAX {
            self.refuse_overload(from, request);
        } else if self.transactions.has_call(self.call_hash(request)) || self.is_own_invite(request) {
            // The same request by another way (RFC 3261 §8.2.2.2).
            self.guard.count(Count::RefuseLoop);
            self.reply(from, request, 482, Some("Merged Request"), |_| {});
        } else if !serves_scheme(from, request) {
            self.stats.rejected.malformed += 1;
            self.reply(from, request, 416, None, |_| {});
        } else if request.contact().is_none() && request.from_tag().is_some() {
            // RFC 2543 knew calls without Contact; who has no tag either is of that time.
            self.refuse_malformed(from, request, 400, "Missing Contact");
        } else if !self.accepts_extensions(from, request) || !self.accepts_content(from, request) {
        } else if let Err((code, min_s)) = session_timer::check(request, self.config.session_timer) {
            self.stats.rejected.malformed += 1;
            self.reply(from, request, code, None, |w| {
                if code == 422 {
                    w.header(HeaderName::MinSe, min_s.to_string());
                }
            });
        } else {
            return true;
        }
        false
    }

    /// The session that a new call is to take the place of (RFC 3891 §3); else the code to refuse it with.
    fn replaced(&mut self, request: &Message, identity: &Identity) -> Result<Option<SessionId>, u16> {
        let mut all = request.headers(HeaderName::Replaces);
        let Some(value) = all.next() else { return Ok(None) };
        let named = Replaces::parse(value).filter(|_| all.next().is_none()).ok_or(400u16)?;
        if *identity == Identity::Stranger {
            self.stats.rejected.auth += 1;
            return Err(403);
        }
        let found = self.find_dialog(named.call_id, named.to_tag, named.from_tag);
        let found = found.and_then(|id| Some((id, self.sessions.get(&id)?)));
        match found {
            Some((id, session)) if session.heard => match &session.state {
                State::Up { .. } if named.early_only => Err(486),
                // Only who called may have its early dialog replaced.
                State::Up { .. } | State::Calling { .. } => Ok(Some(id)),
                State::Incoming { .. } => Err(481),
                State::Leaving => Err(603),
            },
            Some(_) => Err(603),
            None => Err(481),
        }
    }

    /// 420 to a Require that nobody here serves (RFC 3261 §8.2.2.3).
    pub(super) fn accepts_extensions(&mut self, from: Flow, request: &Message) -> bool {
        let known = |wanted: &[u8]| EXTENSIONS.iter().any(|known| wanted.eq_ignore_ascii_case(known.as_bytes()));
        let unknown = request.list(HeaderName::Require).filter(|wanted| !known(wanted)).collect::<Vec<_>>();
        let unknown = unknown.join(b", ".as_slice());
        if unknown.is_empty() {
            return true;
        }
        self.stats.rejected.unsupported += 1;
        self.reply(from, request, 420, None, |w| {
            w.header(HeaderName::Unsupported, unknown);
        });
        false
    }

    /// 415 to a body that is no SDP and holds none, and must be understood (RFC 3261 §8.2.3, RFC 5621 §3); 406 to
    /// who would not read ours (RFC 3261 §20.1).
    fn accepts_content(&mut self, from: Flow, request: &Message) -> bool {
        if !reads_sdp(request) {
            self.stats.rejected.unsupported += 1;
            self.reply(from, request, 406, None, |_| {});
            return false;
        }
        let encoded = request.header(HeaderName::ContentEncoding).is_some_and(|e| !e.eq_ignore_ascii_case(b"identity"));
        if body_of(request) != Body::Foreign {
            return true;
        }
        self.stats.rejected.unsupported += 1;
        self.reply(from, request, 415, None, |w| {
            w.header(HeaderName::Accept, ACCEPT).header(HeaderName::Allow, ALLOW);
            if encoded {
                w.named("Accept-Encoding", "identity");
            }
        });
        false
    }

    pub(super) fn refuse_overload(&mut self, from: Flow, request: &Message) {
        self.stats.rejected.overload += 1;
        let seconds = self.guard.pause_s();
        self.put_off(from, request, seconds);
    }

    pub(super) fn refuse_unknown_dialog(&mut self, from: Flow, request: &Message) {
        self.stats.rejected.no_dialog += 1;
        self.reply(from, request, 481, None, |_| {});
    }

    /// The session of a request in a dialog, if it may be served there now; else it is refused.
    pub(super) fn enter(&mut self, now: Instant, from: Flow, key: &[u8], request: &Message) -> Option<SessionId> {
        if self.find_session(request).is_some() && !self.accepts_content(from, request) {
            return None;
        }
        self.enter_any_content(now, from, key, request)
    }

    /// As [`Endpoint::enter`], whatever the body is.
    pub(super) fn enter_any_content(
        &mut self,
        now: Instant,
        from: Flow,
        key: &[u8],
        request: &Message,
    ) -> Option<SessionId> {
        let Some(id) = self.find_session(request) else {
            self.refuse_unknown_dialog(from, request);
            return None;
        };
        if self.transactions.len() >= TRANSACTIONS_MAX {
            self.refuse_overload(from, request);
            return None;
        }
        if !self.accepts_extensions(from, request) {
            return None;
        }
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        let dialog = self.sessions.get_mut(&id)?.dialog_of(request)?;
        if !dialog.take_cseq(number) {
            self.refuse_request(now, from, key, request, 500);
            return None;
        }
        Some(id)
    }

    /// Refuses a request in a dialog, with a transaction: its CSeq is taken, so a repetition judged anew would get
    /// another answer.
    pub(super) fn refuse_request(&mut self, now: Instant, from: Flow, key: &[u8], request: &Message, code: u16) {
        let tag = self.stateless_tag(request);
        let mut writer = response_to(request, code, None, Some(&tag), from.remote);
        if code == 500 {
            writer.header(HeaderName::RetryAfter, RETRY_AFTER_S);
        }
        self.respond(now, from, key, request, code, writer);
    }

    /// An INVITE inside a dialog (RFC 3261 §14.2).
    fn handle_reinvite(&mut self, now: Instant, from: Flow, key: &[u8], request: Message) {
        let Some(id) = self.enter(now, from, key, &request) else { return };
        let interval = self.check_interval(&request);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let free = match (&session.state, &session.exchange) {
            // Ours of before is not answered yet: 500 with a pause of 0–10 s.
            (State::Incoming { .. }, _) | (_, Exchange::Received { .. }) => Err(500),
            // Our 2xx that awaits its ACK is no matter where it answered their offer (RFC 5407 §3.1.4): who sends this
            // has it, and their ACK was overtaken.
            (State::Up { hang_up: None }, Exchange::Idle | Exchange::Glare { .. })
                if session.unacknowledged.as_ref().is_none_or(|ok| !ok.offered) =>
            {
                Ok(())
            }
            (State::Up { .. } | State::Calling { .. }, _) => Err(491),
            (State::Leaving, _) => Err(481),
        };
        if let Err(code) = free {
            return self.refuse_request(now, from, key, &request, code);
        }
        if let Err((code, min_s)) = interval {
            return self.refuse_interval(now, from, key, &request, code, min_s);
        }
        session.dialog.refresh(&request, from);
        session.note_allow(&request);
        let overtaken = session.unacknowledged.take();
        if session.heard && overtaken.is_some_and(|ok| ok.initial) {
            self.event(Event::Acked { session: id });
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let sdp = sdp_of(&request);
        if let Some(sdp) = &sdp {
            session.remote_sdp = sdp.clone();
        }
        let trying = response_to(&request, 100, None, None, from.remote).finish();
        self.stats.response_out(Method::Invite, 100);
        let machine = ServerMachine::Invite(ServerInvite::new(trying, super::reliability(from)));
        let timing = self.timing(now, &request);
        let server = self.transactions.add_server(key.into(), machine, reply_to(&request, from), Some(id), timing);
        self.receive_offer(id, server, request);
        self.settle_session(id);
        self.drive_server(server);
        self.note_dialog(id);
        self.event(Event::Offer { session: id, sdp });
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
        let sdp = sdp_of(request);
        if let (true, Some(sdp)) = (acknowledged.offered, &sdp) {
            session.remote_sdp = sdp.clone();
        }
        let heard = session.heard;
        self.settle_session(id);
        if heard && acknowledged.initial {
            self.event(Event::Acked { session: id });
        }
        if acknowledged.offered && sdp.is_none() {
            // Nobody knows how to talk to whom: the peer broke off (RFC 3261 §13.2.1).
            return self.unacknowledged(now, id);
        }
        if heard && acknowledged.offered {
            self.event(Event::OfferAnswered { session: id, sdp });
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
            self.cancelled(now, id, identity::reason(request));
        }
    }

    /// The pending INVITE of a session is cancelled by its sender.
    fn cancelled(&mut self, now: Instant, id: SessionId, reason: Option<String>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match &mut session.state {
            State::Incoming { .. } => {
                let heard = session.heard;
                self.refuse_pending(now, id, 487, None, |_| {});
                self.remove_session(id);
                if heard {
                    self.event(Event::Cancelled { session: id, reason });
                }
            }
            State::Up { .. } | State::Calling { .. } | State::Leaving => {
                self.refuse_exchange(now, id, 487);
                self.session_idle(now, id);
            }
        }
    }

    /// BYE (RFC 3261 §15.1.2).
    fn handle_bye(&mut self, now: Instant, from: Flow, key: &[u8], request: &Message) {
        let Some(id) = self.find_session(request) else { return self.refuse_unknown_dialog(from, request) };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        if !session.dialog_of(request).is_some_and(|dialog| dialog.take_cseq(number)) {
            return self.reply(from, request, 500, None, |_| {});
        }
        let ok = response_to(request, 200, None, None, from.remote);
        self.respond(now, from, key, request, 200, ok);
        if self.fork_left(now, id, request) {
            return;
        }
        // What they asked in this session and we did not answer yet is over too (RFC 3261 §15.1.2).
        self.refuse_pending(now, id, 487, None, |_| {});
        self.abandon_offer(now, id);
        let Some(session) = self.remove_session(id) else { return };
        let reason = identity::reason(request);
        match session.state {
            State::Incoming { .. } if session.heard => self.event(Event::Cancelled { session: id, reason }),
            State::Up { hang_up: None } if session.heard => {
                self.event(Event::Ended { session: id, cause: EndCause::Bye, reason });
            }
            State::Incoming { .. } | State::Up { .. } | State::Calling { .. } | State::Leaving => {}
        }
    }

    /// BYE from whom we still call. It may not say that before its answer (RFC 3261 §15), but means it: that early
    /// dialog is over, and without another one the INVITE is cancelled, so that its final response comes.
    fn fork_left(&mut self, now: Instant, id: SessionId, request: &Message) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return true };
        let State::Calling { client, forks, .. } = &mut session.state else { return false };
        let client = *client;
        forks.retain(|fork| !fork.dialog.matches(request));
        if forks.is_empty() {
            self.refuse_exchange(now, id, 487);
            self.cancel(now, client, None);
        }
        true
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
                .header(HeaderName::Accept, ACCEPT)
                .header(HeaderName::AllowEvents, "refer")
                .header(HeaderName::Supported, SUPPORTED);
        });
    }

    /// Answers a request through a new server transaction; an INVITE is refused.
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
            self.stats.response_out(request.method(), code);
            return self.send(reply_to(request, from), answer.finish());
        }
        let machine = match request.method() {
            Method::Invite => {
                let mut machine = ServerInvite::new(Bytes::new(), super::reliability(from));
                // No 100: the final response is here.
                let _ = machine.poll_output();
                machine.reject(now, answer.finish());
                ServerMachine::Invite(machine)
            }
            _ => {
                let mut machine = Server::new(super::reliability(from));
                machine.respond(now, answer.finish());
                ServerMachine::Other(machine)
            }
        };
        self.stats.response_out(request.method(), code);
        let flow = reply_to(request, from);
        let mut timing = self.timing(now, request);
        self.stats.has_served(now, &mut timing);
        let id = self.transactions.add_server(key.into(), machine, flow, None, timing);
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
        asserted: identity::asserted(request),
        private: identity::is_private(request),
        diversion: identity::diversion(request),
        replaces: None,
        referred_by: identity::referred_by(request),
        to_host: request.request_uri().map(|uri| uri.host_text().into_owned()).unwrap_or_default(),
        max_forwards: request.max_forwards().unwrap_or(70),
    }
}

/// `sips:` promises that nobody on the way can listen: it must have come that way (RFC 3261 §26.2.2, RFC 5630).
fn serves_scheme(from: Flow, request: &Message) -> bool {
    request.request_uri().is_none_or(|uri| match uri.scheme {
        Scheme::Sip | Scheme::Tel => true,
        Scheme::Sips => from.transport.is_secure(),
        Scheme::Other(_) => false,
    })
}

/// Accept names SDP, or is not there, which means the same for an INVITE.
fn reads_sdp(request: &Message) -> bool {
    let mut all = request.list(HeaderName::Accept).map(|range| range.split(|b| *b == b';').next().unwrap_or_default());
    let kinds: [&[u8]; 3] = [b"application/sdp", b"application/*", b"*/*"];
    request.header(HeaderName::Accept).is_none_or(<[u8]>::is_empty)
        || all.any(|range| kinds.iter().any(|kind| range.trim_ascii().eq_ignore_ascii_case(kind)))
}
