//! What the caller asks for, and what responses do.

use std::time::Instant;

use bytes::Bytes;

use super::super::body::sdp_of;
use super::super::dialog::{Dialog, MAX_FORWARDS};
use super::super::header::{HeaderName, Method, text};
use super::super::identity;
use super::super::message::{Message, Start};
use super::super::session::{Exchange, Session, State};
use super::super::session_timer::Timer;
use super::super::transaction::{Client, ClientInvite};
use super::super::uri::escape_user;
use super::super::writer::{Writer, reason_phrase};
use super::links;
use super::refresh::{self, Retry};
use super::stats::{self, Timing};
use super::table::{self, Cancel, ClientMachine, Purpose};
use super::update::is_sent;
use super::{ALLOW, Endpoint, Event, Flow, Invite, SUPPORTED, SessionId, reliability};

/// Most 2xx of one INVITE that are acknowledged: forks beyond are left to time out.
const FORKS_MAX: usize = 8;

impl Endpoint {
    /// Calls somebody. `Progress`, `Answered` or `Failed` follow.
    pub fn invite(&mut self, now: Instant, invite: Invite) -> SessionId {
        let flow = self.open_flow(invite.flow);
        let (tag, call_id) = (self.new_tag(), self.new_tag() + &self.new_tag());
        let contact = self.contact(flow, if invite.private { "" } else { &invite.from_user });
        let from = self.caller_of(&invite);
        let dialog =
            Dialog::asking(call_id, tag, &from, &invite.to, &invite.uri, flow, contact).through(&invite.routes);
        let trunk = invite.trunk.clone();
        let state = State::Calling { client: 0, invite: Box::new(invite), forks: Vec::new() };
        let session = Session::new(dialog, state).with_trunk(trunk);
        let id = self.add_session(session);
        self.send_invite(now, id);
        id
    }

    /// Sends the INVITE of a session that calls, for the first time or as its peer wants it.
    pub(super) fn send_invite(&mut self, now: Instant, id: SessionId) {
        let branch = self.new_branch();
        let Some(session) = self.sessions.get(&id) else { return };
        let State::Calling { invite, .. } = &session.state else { return };
        let flow = self.open_flow(invite.flow);
        let via = self.via(flow, branch);
        let (intervals, domain) = (self.config.session_timer, self.config.domain.as_str());
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Calling { client, invite, forks } = &mut session.state else { return };
        *client = branch;
        forks.clear();
        let hops = invite.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Max-Forwards"));
        let hops = hops.map_or(MAX_FORWARDS, |(_, value)| value.as_str());
        let mut writer = session.dialog.request_hops(Method::Invite, &via, hops);
        writer
            .header(HeaderName::Contact, &session.dialog.contact)
            .header(HeaderName::Allow, ALLOW)
            .header(HeaderName::Supported, SUPPORTED)
            .header(HeaderName::UserAgent, "Hatif");
        refresh::ask(&mut writer, None, intervals, session.interval_min_s);
        identity::write(&mut writer, invite.asserted.as_deref(), host_of(domain), invite.private);
        if let Some(replaces) = &invite.replaces {
            writer.header(HeaderName::Require, "replaces").header(HeaderName::Replaces, replaces);
        }
        for (name, value) in &invite.headers {
            if !is_ours(name) {
                writer.named(name, value);
            }
        }
        let request = writer.finish_with("application/sdp", &invite.sdp);
        session.local_sdp = invite.sdp.clone();
        self.start_invite(now, branch, flow, request, Purpose::Invite(id));
    }

    /// The From of a call, without tag.
    fn caller_of(&self, invite: &Invite) -> String {
        if invite.private {
            return identity::ANONYMOUS.to_owned();
        }
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
        from.push_str(host_of(domain));
        from.push('>');
        from
    }

    /// Ends a session in whatever state it is: CANCEL, BYE, or 480 to an unanswered INVITE. `reason` is the
    /// value of a Reason header (RFC 3326). A page that cannot be reached hears of it when it is back. No more events of
    /// this session follow.
    pub fn hang_up(&mut self, now: Instant, id: SessionId, reason: Option<String>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.heard = false;
        match &mut session.state {
            State::Incoming { .. } => {
                self.refuse_pending(now, id, 480, None, |w| add_reason(w, reason.as_deref()));
                self.remove_session(id);
            }
            State::Calling { client, .. } => {
                // What the INVITE comes to is settled by its transaction alone.
                let client = *client;
                self.refuse_exchange(now, id, 487);
                self.remove_session(id);
                self.cancel(now, client, reason);
            }
            State::Up { hang_up: Some(_) } | State::Leaving => {}
            // The side that answered may not send BYE before the ACK (RFC 3261 §15).
            State::Up { hang_up } if session.unacknowledged.is_some() => {
                *hang_up = Some(reason);
                // The user owes no answers any more.
                self.refuse_exchange(now, id, 487);
            }
            State::Up { .. } if links::has_lost_page(&session.dialog, &self.links, &self.registrar) => {
                self.leave_page(now, id, reason);
            }
            State::Up { .. } => self.send_bye(now, id, reason),
        }
    }

    /// BYE; a pending offer of theirs is refused first.
    pub(super) fn send_bye(&mut self, now: Instant, id: SessionId, reason: Option<String>) {
        self.refuse_pending(now, id, 487, None, |_| {});
        self.abandon_offer(now, id);
        let branch = self.new_branch();
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.state = State::Leaving;
        session.exchange = Exchange::Idle;
        (session.unacknowledged, session.unpracked, session.timer) = (None, None, None);
        let flow = links::way(&session.dialog, &self.links, &self.registrar);
        let via = self.via(flow, branch);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let mut writer = session.dialog.request(Method::Bye, &via);
        add_reason(&mut writer, reason.as_deref());
        self.settle_session(id);
        self.start_client(now, branch, flow, Method::Bye, writer.finish(), Purpose::Bye(id));
    }

    /// The session ends while an offer of ours is under way: its answer may never come, as the peer repeats a 2xx
    /// only as long as the session lives.
    pub(super) fn abandon_offer(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        if let Exchange::Sent { client, .. } = &session.exchange {
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

    pub(super) fn start_invite(&mut self, now: Instant, branch: u64, flow: Flow, request: Bytes, purpose: Purpose) {
        let machine = ClientMachine::Invite(ClientInvite::new(now, request.clone(), reliability(flow)));
        self.stats.request_out(Method::Invite, flow.transport);
        let timing = Timing::new(Method::Invite, now);
        self.transactions.add_client(branch, machine, flow, purpose, request, timing);
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
        self.stats.request_out(method, flow.transport);
        self.transactions.add_client(id, machine, flow, purpose, kept, Timing::new(method, now));
        self.drive_client(now, id, None);
    }

    /// Cancels an INVITE of ours, at once or with the first provisional response (RFC 3261 §9.1).
    pub(super) fn cancel(&mut self, now: Instant, client: u64, reason: Option<String>) {
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
        if code >= 200 {
            self.stats.was_answered(now, &mut entry.timing);
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
            (Purpose::Invite(session), 0..=199) => self.progress(now, id, session, source, response),
            (Purpose::Invite(session), 200..=299) => self.success(now, id, session, source, response),
            (Purpose::Invite(session), code) => {
                if !self.asks_again(now, session, code, response) {
                    self.failed(now, session, code, Some(response));
                }
            }
            (Purpose::Reinvite(session), 0..=199) => {
                if !self.sessions.get(&session).is_some_and(|session| is_sent(session, id)) {
                    self.limit_invite(now, id);
                }
            }
            (Purpose::Reinvite(session) | Purpose::Update(session), 200..=299) => {
                self.offer_answered(now, id, session, source, response);
            }
            (Purpose::Reinvite(session) | Purpose::Update(session), code) => {
                self.offer_refused(now, id, session, code, Some(response));
            }
            (Purpose::Refresh(session), code) => self.refresh_answered(now, session, source, code, Some(response)),
            (Purpose::Notify(refer), code) => self.notify_answered(refer, code),
            (Purpose::Nothing, _) | (Purpose::Probe | Purpose::Register, 0..=199) => {}
            (Purpose::Probe, _) => self.probe_answered(now, id, response),
            (Purpose::Register, _) => self.register_answered(now, id, source, response),
            (Purpose::Orphan(session), 200..=299) if response.cseq().is_some_and(|c| c.method == Method::Invite) => {
                self.orphan_answered(now, id, session, source, response);
            }
            (Purpose::Orphan(session), code) => {
                if code >= 200 {
                    self.orphan_ended(session);
                }
            }
            (Purpose::Bye(session), code) => {
                if code >= 200 {
                    self.remove_session(session);
                }
            }
        }
    }

    /// A transaction got no final response.
    pub(super) fn client_failed(&mut self, now: Instant, id: u64, flow: Flow, purpose: Purpose, code: u16) {
        if let Some(entry) = self.transactions.client(id) {
            self.stats.was_answered(now, &mut entry.timing);
        }
        match purpose {
            Purpose::Invite(session) => self.failed(now, session, code, None),
            Purpose::Reinvite(session) | Purpose::Update(session) => self.offer_refused(now, id, session, code, None),
            Purpose::Refresh(session) => self.refresh_answered(now, session, flow, code, None),
            Purpose::Notify(refer) => self.notify_answered(refer, code),
            Purpose::Bye(session) => {
                self.remove_session(session);
            }
            Purpose::Probe | Purpose::Register => self.trunk_unanswered(now, id, purpose, code),
            Purpose::Orphan(session) => self.orphan_failed(session),
            Purpose::Nothing => {}
        }
    }

    /// Asks once more, as a refusal of our first INVITE wants it: with a longer interval (RFC 4028 §7.3).
    fn asks_again(&mut self, now: Instant, id: SessionId, code: u16, response: &Message) -> bool {
        let intervals = self.config.session_timer;
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let again = code == 422 && refresh::raise(session, Some(response), intervals) == Retry::Now;
        if again {
            self.send_invite(now, id);
        }
        again
    }

    /// A 2xx to our first INVITE: the answer, a repetition of it, a fork's, or one that crossed our CANCEL.
    fn success(&mut self, now: Instant, client: u64, id: SessionId, source: Flow, response: &Message) {
        if self.acknowledge_again(client, response) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            return self.refuse_fork(now, client, source, response, true);
        };
        let forks = match &mut session.state {
            State::Calling { client: c, forks, .. } if *c == client => std::mem::take(forks),
            State::Calling { .. } | State::Incoming { .. } | State::Up { .. } | State::Leaving => {
                return self.refuse_fork(now, client, source, response, true);
            }
        };
        session.state = State::Up { hang_up: None };
        let others = forks.len() > 1;
        let tag = response.to_tag().unwrap_or_default();
        let mut sdp = sdp_of(response);
        if let Some(fork) = forks.into_iter().find(|fork| fork.dialog.remote_tag() == tag) {
            session.dialog = fork.dialog;
            session.updates = fork.updates;
            // What was agreed before stays (RFC 3261 §13.2.1); what was only shown counts when nothing else comes.
            if !fork.sdp.is_empty() && (fork.agreed || sdp.is_none()) {
                sdp = Some(fork.sdp);
            }
        }
        session.dialog.confirm(response, source);
        session.note_allow(response);
        session.remote_sdp = sdp.clone().unwrap_or_default();
        session.timer = Timer::asked(now, response);
        self.acknowledge_session(client, id, response);
        self.note_dialog(id);
        self.event(Event::Answered { session: id, sdp });
        self.settle_offers(now, id, others, response);
    }

    /// What was offered in an early dialog goes on only if that is the one that answered.
    fn settle_offers(&mut self, now: Instant, id: SessionId, others: bool, response: &Message) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match &session.exchange {
            Exchange::Received { request, .. } if request.from_tag() != response.to_tag() => {
                self.refuse_exchange(now, id, 487);
            }
            Exchange::Sent { offer, .. } if others => {
                let offer = offer.clone();
                session.queued.get_or_insert(offer);
                session.exchange = Exchange::Idle;
            }
            Exchange::Idle | Exchange::Received { .. } | Exchange::Sent { .. } | Exchange::Glare { .. } => {}
        }
        self.session_idle(now, id);
    }

    /// ACK to a 2xx in a session of ours, kept for its repetitions.
    pub(super) fn acknowledge_session(&mut self, client: u64, id: SessionId, response: &Message) {
        let branch = self.new_branch();
        let Some(session) = self.sessions.get(&id) else { return };
        let flow = links::way(&session.dialog, &self.links, &self.registrar);
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
        self.stats.request_out(Method::Ack, flow.transport);
        self.send(flow, ack);
    }

    /// A 2xx that came before, so our ACK was lost: the same again. False for a new one.
    pub(super) fn acknowledge_again(&mut self, client: u64, response: &Message) -> bool {
        let Some(entry) = self.transactions.client(client) else { return true };
        let tag = response.to_tag().unwrap_or_default();
        let Some((_, flow, ack)) = entry.acks.iter().find(|(known, _, _)| known == tag) else {
            return entry.acks.len() >= FORKS_MAX;
        };
        let (flow, ack) = (*flow, ack.clone());
        self.stats.sent_again(stats::index(Method::Ack));
        self.send(flow, ack);
        true
    }

    /// A 2xx that nobody wants any more: ACK, and BYE unless the session is ended otherwise (RFC 3261 §13.2.2.4).
    pub(super) fn refuse_fork(&mut self, now: Instant, client: u64, source: Flow, response: &Message, bye: bool) {
        let used = self.transactions.client(client).map_or(0, |entry| entry.cseq);
        let Some(mut dialog) = Dialog::stray(response, source, used) else { return };
        let flow = links::way(&dialog, &self.links, &self.registrar);
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
    fn failed(&mut self, now: Instant, id: SessionId, code: u16, response: Option<&Message>) {
        // An early dialog may have offered a change, which nobody will answer any more.
        self.refuse_exchange(now, id, 487);
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
}

/// The host of our URIs; a domain that is not configured is nobody's.
fn host_of(domain: &str) -> &str {
    if domain.is_empty() { "anonymous.invalid" } else { domain }
}

pub(super) fn add_reason(writer: &mut Writer, reason: Option<&str>) {
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
        HeaderName::Supported,
        HeaderName::SessionExpires,
        HeaderName::MinSe,
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
