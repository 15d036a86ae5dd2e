//! What the caller asks for, and what responses do.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::rand_core::Rng;

use super::super::dialog::{Dialog, MAX_FORWARDS};
use super::super::header::{HeaderName, Method, text};
use super::super::message::{Message, Start};
use super::super::session::{Exchange, Session, State};
use super::super::transaction::{Client, ClientInvite};
use super::super::uri::escape_user;
use super::super::writer::{Writer, reason_phrase};
use super::table::{self, Cancel, ClientMachine, Purpose};
use super::{ALLOW, EndCause, Endpoint, Event, Flow, Invite, SessionId, inbound::sdp_of, reliability};

/// Most 2xx of one INVITE that are acknowledged: forks beyond are left to time out.
const FORKS_MAX: usize = 8;

impl Endpoint {
    /// Calls somebody. `Progress`, `Answered` or `Failed` follow.
    pub fn invite(&mut self, now: Instant, invite: Invite) -> SessionId {
        let flow = self.open_flow(invite.flow);
        let (tag, call_id) = (self.new_tag(), self.new_tag() + &self.new_tag());
        let contact = self.contact(flow, &invite.from_user);
        let own_name = invite.trunk.as_deref().and_then(|trunk| self.trunk_domain(trunk));
        let domain = own_name.unwrap_or(self.config.domain.as_str());
        let mut from = String::with_capacity(96);
        if let Some(display) = invite.from_display.as_deref().filter(|display| !display.is_empty()) {
            from.push('"');
            from.push_str(&display.replace('\\', "\\\\").replace('"', "\\\""));
            from.push_str("\" ");
        }
        from.push_str("<sip:");
        if !invite.from_user.is_empty() {
            from.push_str(&escape_user(&invite.from_user));
            from.push('@');
        }
        from.push_str(if domain.is_empty() { "anonymous.invalid" } else { domain });
        from.push('>');
        let mut dialog = Dialog::asking(call_id, tag, &from, &invite.to, &invite.uri, flow, contact);
        let branch = self.new_branch();
        let hops = invite.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Max-Forwards"));
        let hops = hops.map_or(MAX_FORWARDS, |(_, value)| value.as_str());
        let mut writer = dialog.request_hops(Method::Invite, &self.via(flow, branch), hops);
        finish_invite_headers(&mut writer, &dialog);
        for (name, value) in &invite.headers {
            if !is_ours(name) {
                writer.named(name, value);
            }
        }
        let request = writer.finish_with("application/sdp", &invite.sdp);
        let session = Session::new(dialog, State::Calling { client: branch }).with_trunk(invite.trunk);
        let session = self.add_session(session);
        self.start_invite(now, branch, flow, request, Purpose::Invite(session));
        session
    }

    /// Ends a session in whatever state it is: CANCEL, BYE, or 480 to an unanswered INVITE. `reason` is the
    /// value of a Reason header (RFC 3326). No more events of this session follow.
    pub fn hang_up(&mut self, now: Instant, id: SessionId, reason: Option<String>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.heard = false;
        match &mut session.state {
            State::Incoming { .. } => {
                self.refuse_invite(now, id, 480, None, |w| add_reason(w, reason.as_deref()));
                self.remove_session(id);
            }
            State::Calling { client } => {
                // What the INVITE comes to is settled by its transaction alone.
                let client = *client;
                self.remove_session(id);
                self.cancel(now, client, reason);
            }
            State::Up { hang_up: Some(_), .. } | State::Leaving => {}
            // The side that answered may not send BYE before the ACK (RFC 3261 §15).
            State::Up { exchange: Exchange::Unacknowledged(_), hang_up, .. } => *hang_up = Some(reason),
            State::Up { .. } => self.send_bye(now, id, reason),
        }
    }

    /// Offers a change inside an answered session; `OfferAnswered` or `OfferRefused` follows. Waits its turn
    /// when another offer is under way; of several that wait only the last is sent.
    pub fn reinvite(&mut self, now: Instant, id: SessionId, sdp: Bytes) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match &mut session.state {
            State::Up { exchange: Exchange::Idle, hang_up: None, .. } => self.send_reinvite(now, id, sdp),
            State::Up { exchange: Exchange::Glare { offer, .. }, .. } => *offer = sdp,
            State::Up { queued, hang_up: None, .. } => *queued = Some(sdp),
            State::Up { .. } | State::Incoming { .. } | State::Calling { .. } | State::Leaving => {}
        }
    }

    /// The exchange of a session may be over: what waited for it is done.
    pub(super) fn session_idle(&mut self, now: Instant, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id)
            && let State::Up { exchange: Exchange::Idle, queued, hang_up } = &mut session.state
        {
            match (hang_up.take(), queued.take()) {
                (Some(reason), _) => self.send_bye(now, id, reason),
                (None, Some(offer)) => self.send_reinvite(now, id, offer),
                (None, None) => {}
            }
        }
        self.settle_session(id);
    }

    /// BYE; a pending re-INVITE of theirs is refused first.
    pub(super) fn send_bye(&mut self, now: Instant, id: SessionId, reason: Option<String>) {
        self.refuse_invite(now, id, 487, None, |_| {});
        self.abandon_reinvite(now, id);
        let branch = self.new_branch();
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.state = State::Leaving;
        let flow = session.dialog.hop(|id| self.links.is_open(id));
        let via = self.via(flow, branch);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let mut writer = session.dialog.request(Method::Bye, &via);
        add_reason(&mut writer, reason.as_deref());
        self.settle_session(id);
        self.start_client(now, branch, flow, Method::Bye, writer.finish(), Purpose::Bye(id));
    }

    /// The session ends while an offer of ours is under way: its answer may never come, as the peer repeats a 2xx
    /// only as long as the session lives.
    pub(super) fn abandon_reinvite(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        if let State::Up { exchange: Exchange::Sent { client, .. }, .. } = &session.state {
            self.limit_invite(now, *client);
        }
    }

    /// An INVITE of ours whose final response nobody waits for ends 64·T1 after its first provisional one.
    fn limit_invite(&mut self, now: Instant, client: u64) {
        if let Some(entry) = self.transactions.client(client)
            && let ClientMachine::Invite(machine) = &mut entry.machine
        {
            machine.cancelled(now);
            self.transactions.settle_client(client);
        }
    }

    pub(super) fn send_reinvite(&mut self, now: Instant, id: SessionId, offer: Bytes) {
        let branch = self.new_branch();
        let Some(session) = self.sessions.get(&id) else { return };
        let flow = session.dialog.hop(|id| self.links.is_open(id));
        let via = self.via(flow, branch);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let mut writer = session.dialog.request(Method::Invite, &via);
        finish_invite_headers(&mut writer, &session.dialog);
        let request = writer.finish_with("application/sdp", &offer);
        if let State::Up { exchange, .. } = &mut session.state {
            *exchange = Exchange::Sent { client: branch, offer };
        }
        self.start_invite(now, branch, flow, request, Purpose::Reinvite(id));
        self.settle_session(id);
    }

    pub(super) fn start_invite(&mut self, now: Instant, branch: u64, flow: Flow, request: Bytes, purpose: Purpose) {
        let machine = ClientMachine::Invite(ClientInvite::new(now, request.clone(), reliability(flow)));
        self.stats.request_out(Method::Invite);
        self.transactions.add_client(branch, machine, flow, purpose, request);
        self.drive_client(now, branch, None);
    }

    pub(super) fn start_client(
        &mut self,
        now: Instant,
        id: u64,
        flow: Flow,
        method: Method<'_>,
        request: Bytes,
        purpose: Purpose,
    ) {
        let kept = if self.may_be_challenged(purpose) { request.clone() } else { Bytes::new() };
        let machine = ClientMachine::Other(Client::new(now, request, reliability(flow)));
        self.stats.request_out(method);
        self.transactions.add_client(id, machine, flow, purpose, kept);
        self.drive_client(now, id, None);
    }

    /// Cancels an INVITE of ours, at once or with the first provisional response (RFC 3261 §9.1).
    fn cancel(&mut self, now: Instant, client: u64, reason: Option<String>) {
        let Some(entry) = self.transactions.client(client) else { return };
        let ClientMachine::Invite(machine) = &mut entry.machine else { return };
        if machine.is_decided() || matches!(entry.cancel, Cancel::Sent(_)) {
            return;
        }
        if machine.is_calling() {
            entry.cancel = Cancel::Wanted(reason);
            return;
        }
        machine.cancelled(now);
        entry.cancel = Cancel::Sent(reason.clone());
        let flow = entry.flow;
        let Some(request) = request_like(&entry.request, Method::Cancel, None) else { return };
        let mut request = request;
        add_reason(&mut request, reason.as_deref());
        self.transactions.settle_client(client);
        self.start_client(now, client | 1, flow, Method::Cancel, request.finish(), Purpose::Nothing);
    }

    /// A response from the network (RFC 3261 §17.1.3).
    pub(super) fn handle_response(&mut self, now: Instant, from: Flow, response: &Message) {
        let Some(id) = response.branch().and_then(table::id_of_branch) else { return };
        let Some(cseq) = response.cseq() else { return };
        let id = if cseq.method == Method::Cancel { id | 1 } else { id };
        let Some(entry) = self.transactions.client(id) else { return };
        let code = response.code();
        match (&mut entry.machine, cseq.method == Method::Invite) {
            (ClientMachine::Invite(invite), true) => {
                let request = &entry.request;
                invite.handle_response(now, code, || acknowledge(request, response));
            }
            (ClientMachine::Other(other), false) => other.handle_response(now, code),
            (ClientMachine::Invite(_), false) | (ClientMachine::Other(_), true) => return,
        }
        self.drive_client(now, id, Some((response, from)));
        if code >= 200
            && let Some(entry) = self.transactions.client(id)
        {
            entry.request = Bytes::new();
        }
    }

    /// A transaction hands a response to its user.
    pub(super) fn client_response(
        &mut self,
        now: Instant,
        id: u64,
        purpose: Purpose,
        source: Flow,
        response: &Message,
    ) {
        if matches!(response.code(), 401 | 407) && self.answer_challenge(now, id, purpose, source, response) {
            return;
        }
        match (purpose, response.code()) {
            (Purpose::Invite(session), 0..=199) => self.progress(now, id, session, response),
            (Purpose::Invite(session), 200..=299) => self.success(now, id, session, source, response),
            (Purpose::Invite(session), code) => self.failed(session, code, Some(response)),
            (Purpose::Reinvite(session), 0..=199) => {
                if !self.sessions.get(&session).is_some_and(|session| is_sent(session, id)) {
                    self.limit_invite(now, id);
                }
            }
            (Purpose::Nothing, _) | (Purpose::Probe | Purpose::Register, 0..=199) => {}
            (Purpose::Probe, _) => self.probe_answered(now, id, response),
            (Purpose::Register, _) => self.register_answered(now, id, source, response),
            (Purpose::Reinvite(session), 200..=299) => self.offer_answered(now, id, session, source, response),
            (Purpose::Reinvite(session), code) => self.offer_refused(now, id, session, code),
            (Purpose::Bye(session), code) => {
                if code >= 200 {
                    self.remove_session(session);
                }
            }
        }
    }

    /// A transaction got no final response.
    pub(super) fn client_failed(&mut self, now: Instant, id: u64, purpose: Purpose, code: u16) {
        match purpose {
            Purpose::Invite(session) => self.failed(session, code, None),
            Purpose::Reinvite(session) => self.offer_refused(now, id, session, code),
            Purpose::Bye(session) => {
                self.remove_session(session);
            }
            Purpose::Probe | Purpose::Register => self.trunk_unanswered(now, id, purpose, code),
            Purpose::Nothing => {}
        }
    }

    fn progress(&mut self, now: Instant, client: u64, id: SessionId, response: &Message) {
        if let Some(entry) = self.transactions.client(client)
            && let Cancel::Wanted(reason) = &mut entry.cancel
        {
            let reason = reason.take();
            return self.cancel(now, client, reason);
        }
        let code = response.code();
        if code > 100 && self.sessions.get(&id).is_some_and(|session| session.heard) {
            self.event(Event::Progress { session: id, code, sdp: sdp_of(response) });
        }
    }

    /// A 2xx to our first INVITE: the answer, a repetition of it, a fork's, or one that crossed our CANCEL.
    fn success(&mut self, now: Instant, client: u64, id: SessionId, source: Flow, response: &Message) {
        if self.acknowledge_again(client, response) {
            return;
        }
        let calling = |session: &&mut Session| matches!(&session.state, State::Calling { client: c } if *c == client);
        let Some(session) = self.sessions.get_mut(&id).filter(calling) else {
            return self.refuse_fork(now, client, source, response, true);
        };
        session.dialog.confirm(response, source);
        session.state = State::Up { exchange: Exchange::Idle, queued: None, hang_up: None };
        self.acknowledge_session(client, id, response);
        self.event(Event::Answered { session: id, sdp: sdp_of(response) });
    }

    /// ACK to a 2xx in a session of ours, kept for its repetitions.
    fn acknowledge_session(&mut self, client: u64, id: SessionId, response: &Message) {
        let branch = self.new_branch();
        let Some(session) = self.sessions.get(&id) else { return };
        let flow = session.dialog.hop(|id| self.links.is_open(id));
        let cseq = response.cseq().map_or(0, |cseq| cseq.number);
        let mut ack = session.dialog.ack(cseq, &self.via(flow, branch));
        if let Some((name, value)) = &session.credentials {
            // RFC 3261 §13.2.2.4: the same credentials as the INVITE.
            ack.header(*name, value);
        }
        self.send_ack(client, flow, response, ack.finish());
    }

    fn send_ack(&mut self, client: u64, flow: Flow, response: &Message, ack: Bytes) {
        if let Some(entry) = self.transactions.client(client) {
            entry.acks.push((response.to_tag().unwrap_or_default().to_vec(), flow, ack.clone()));
        }
        self.stats.request_out(Method::Ack);
        self.send(flow, ack);
    }

    /// A 2xx that came before, so our ACK was lost: the same again. False for a new one.
    fn acknowledge_again(&mut self, client: u64, response: &Message) -> bool {
        let Some(entry) = self.transactions.client(client) else { return true };
        let tag = response.to_tag().unwrap_or_default();
        let Some((_, flow, ack)) = entry.acks.iter().find(|(known, _, _)| known == tag) else {
            return entry.acks.len() >= FORKS_MAX;
        };
        let (flow, ack) = (*flow, ack.clone());
        self.stats.retransmissions_out += 1;
        self.send(flow, ack);
        true
    }

    /// A 2xx that nobody wants any more: ACK, and BYE unless the session is ended otherwise (RFC 3261 §13.2.2.4).
    fn refuse_fork(&mut self, now: Instant, client: u64, source: Flow, response: &Message, bye: bool) {
        let Some(mut dialog) = Dialog::stray(response, source) else { return };
        let flow = dialog.hop(|id| self.links.is_open(id));
        let branch = self.new_branch();
        let cseq = response.cseq().map_or(0, |cseq| cseq.number);
        let ack = dialog.ack(cseq, &self.via(flow, branch)).finish();
        self.send_ack(client, flow, response, ack);
        if bye {
            let branch = self.new_branch();
            let reason = self.transactions.client(client).and_then(|entry| entry.cancel.reason());
            let mut request = dialog.request(Method::Bye, &self.via(flow, branch));
            add_reason(&mut request, reason.as_deref());
            self.start_client(now, branch, flow, Method::Bye, request.finish(), Purpose::Nothing);
        }
    }

    /// Our first INVITE came to nothing.
    fn failed(&mut self, id: SessionId, code: u16, response: Option<&Message>) {
        let Some(session) = self.remove_session(id) else { return };
        if !session.heard {
            return;
        }
        let reason = match response.map(Message::start) {
            Some(Start::Response { reason, .. }) if !reason.is_empty() => text(reason).into_owned(),
            Some(Start::Response { .. } | Start::Request { .. }) | None => reason_phrase(code).to_owned(),
        };
        let retry_after = response.and_then(Message::retry_after);
        self.event(Event::Failed { session: id, code, reason, retry_after });
    }

    /// 2xx to our re-INVITE.
    fn offer_answered(&mut self, now: Instant, client: u64, id: SessionId, source: Flow, response: &Message) {
        if self.acknowledge_again(client, response) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id).filter(|session| is_sent(session, client)) else {
            // Our BYE went out meanwhile.
            return self.refuse_fork(now, client, source, response, false);
        };
        session.dialog.refresh(response, source);
        set_idle(session);
        self.acknowledge_session(client, id, response);
        self.event(Event::OfferAnswered { session: id, sdp: sdp_of(response) });
        self.session_idle(now, id);
    }

    /// Our re-INVITE was refused or not answered (RFC 3261 §14.1).
    fn offer_refused(&mut self, now: Instant, client: u64, id: SessionId, code: u16) {
        let pause_10ms = self.rng.next_u32();
        let Some(session) = self.sessions.get_mut(&id).filter(|session| is_sent(session, client)) else { return };
        match code {
            491 => {
                let pause_ms = match session.dialog.owns_call_id() {
                    true => 2_100 + pause_10ms % 191 * 10,
                    false => pause_10ms % 201 * 10,
                };
                let again_at = now + Duration::from_millis(u64::from(pause_ms));
                if let State::Up { exchange, queued, .. } = &mut session.state
                    && let Exchange::Sent { offer, .. } = exchange
                {
                    let offer = queued.take().unwrap_or_else(|| std::mem::take(offer));
                    *exchange = Exchange::Glare { again_at, offer };
                }
                self.settle_session(id);
            }
            // The peer has no such session, or is gone (RFC 3261 §12.2.1.2).
            408 | 481 => {
                set_idle(session);
                session.heard = false;
                self.event(Event::Ended { session: id, cause: EndCause::Timeout, reason: None });
                self.send_bye(now, id, None);
            }
            code => {
                set_idle(session);
                self.event(Event::OfferRefused { session: id, code });
                self.session_idle(now, id);
            }
        }
    }
}

fn is_sent(session: &Session, client: u64) -> bool {
    matches!(&session.state, State::Up { exchange: Exchange::Sent { client: c, .. }, .. } if *c == client)
}

fn set_idle(session: &mut Session) {
    if let State::Up { exchange, .. } = &mut session.state {
        *exchange = Exchange::Idle;
    }
}

/// The headers of every INVITE of ours after CSeq.
fn finish_invite_headers(writer: &mut Writer, dialog: &Dialog) {
    writer
        .header(HeaderName::Contact, &dialog.contact)
        .header(HeaderName::Allow, ALLOW)
        .header(HeaderName::UserAgent, "Hatif");
}

fn add_reason(writer: &mut Writer, reason: Option<&str>) {
    if let Some(reason) = reason {
        writer.header(HeaderName::Reason, reason);
    }
}

/// Headers that this layer writes into an INVITE.
fn is_ours(name: &str) -> bool {
    let ours = [
        HeaderName::Via,
        HeaderName::Route,
        HeaderName::MaxForwards,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
        HeaderName::Contact,
        HeaderName::Allow,
        HeaderName::UserAgent,
        HeaderName::ContentType,
        HeaderName::ContentLength,
    ];
    ours.contains(&HeaderName::from_bytes(name.as_bytes()))
}

/// The ACK to a 300–699 (RFC 3261 §17.1.1.3).
fn acknowledge(invite: &Bytes, response: &Message) -> Bytes {
    request_like(invite, Method::Ack, response.header(HeaderName::To)).map(Writer::finish).unwrap_or_default()
}

/// Begins a CANCEL or ACK of the same hop as an INVITE of ours: same Request-URI, top Via, From, Call-ID, CSeq
/// number and Route; To from the response for an ACK.
fn request_like(invite: &Bytes, method: Method<'_>, to: Option<&[u8]>) -> Option<Writer> {
    let invite = Message::parse(invite.clone()).ok()?;
    let Start::Request { uri, .. } = invite.start() else { return None };
    let mut writer = Writer::request(method, uri);
    writer.copy(&invite, HeaderName::Via).copy(&invite, HeaderName::Route);
    writer.header(HeaderName::MaxForwards, MAX_FORWARDS).copy(&invite, HeaderName::From);
    match to {
        Some(to) => writer.header(HeaderName::To, to),
        None => writer.copy(&invite, HeaderName::To),
    };
    writer.copy(&invite, HeaderName::CallId);
    writer.header(HeaderName::CSeq, format!("{} {}", invite.cseq()?.number, method.label()));
    Some(writer)
}
