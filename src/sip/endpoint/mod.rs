//! Endpoint: all of SIP behind four doors.
//!
//! Messages and commands go in; messages to send and [`Event`]s come out. Inside: transactions by key
//! (`table`), sessions by their tag, registrations, and who may call (`auth`). What a request does is in
//! `inbound`, what a response and a command do in `outbound`.
//!
//! Nothing grows without bound: transactions end by themselves within 32 s of their final response and are at
//! most [`TRANSACTIONS_MAX`], sessions at most [`SESSIONS_MAX`], registrations ten a configured user. What is
//! refused out of a dialog is refused without state (RFC 3261 §8.2.7).

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hasher};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::config::SipConfig;
use super::dialog::reply_to;
use super::digest::Nonces;
use super::guard::{Count, Guard, Verdict};
use super::header::{HeaderName, Method};
use super::message::{Message, ParseError, validate};
use super::registrar::Registrar;
use super::session::{Session, State};
use super::transaction::{self, Reliability};
use super::writer::{Writer, response_to};

mod api;
mod auth;
mod guard;
mod inbound;
mod info;
mod links;
mod orphans;
mod outbound;
mod refer;
mod refresh;
mod register;
mod reliable;
mod replies;
mod stats;
mod table;
#[cfg(test)]
mod tests;
mod trunks;
mod update;

pub use super::dialog::DialogSeed;
pub use super::registrar::{Binding, Contact, Loss};
pub use api::{DialogNote, EndCause, Event, Flow, Identity, Incoming, Invite, Output, ReferId, Rejection, SessionId};
pub use api::{TrunkHostView, TrunkView, Warning};
pub use links::{LinkOrder, Standing};
pub use stats::{DURATION_BOUNDS_MS, Durations, METHODS, Registrations, Rejected, Stats, TRANSPORTS};

use links::Links;
use orphans::Orphans;
use refer::Refers;
use stats::Timing;
use table::{ByOwnId, Id, Transactions};

/// Most live transactions; new requests beyond get 503.
pub const TRANSACTIONS_MAX: usize = 200_000;
/// Most live sessions; new INVITEs beyond get 503.
pub const SESSIONS_MAX: usize = 100_000;
/// Methods served, for Allow.
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER, SUBSCRIBE";
/// Extensions offered, for Supported.
const SUPPORTED: &str = "100rel, replaces, timer, norefersub";
/// Extensions that may be required of us.
const EXTENSIONS: [&str; 5] = ["100rel", "replaces", "timer", "path", "outbound"];

/// The SIP side of one process.
#[derive(Debug)]
pub struct Endpoint {
    config: SipConfig,
    locals: Vec<Local>,
    rng: ChaCha8Rng,
    /// Makes the To tags of stateless answers.
    secret: u64,
    nonces: Nonces,
    guard: Guard,
    transactions: Transactions,
    sessions: ByOwnId<SessionId, Session>,
    /// Sessions by our tag.
    tags: ByOwnId<u64, SessionId>,
    timers: BTreeSet<(Instant, SessionId)>,
    last_session: u64,
    registrar: Registrar,
    orphans: Orphans,
    refers: Refers,
    trunks: trunks::Trunks,
    links: Links,
    outputs: VecDeque<Output>,
    /// When the machine got the message that is being handled.
    heard: Option<Instant>,
    stats: Stats,
}

/// What one listener says of itself.
#[derive(Debug, Default)]
struct Local {
    /// `SIP/2.0/UDP host:port;rport;branch=z9hG4bK`, to be followed by the rest of the branch.
    via: String,
    /// `host:port`, with `;transport=tcp` where it is.
    contact: String,
}

impl Endpoint {
    /// A new endpoint. `seed` must be random and secret: tags, branches and nonces come from it.
    pub fn new(config: SipConfig, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let mut nonce_secret = [0; 32];
        rng.fill_bytes(&mut nonce_secret);
        let secret = rng.next_u64();
        let guard = Guard::new(config.guard.clone(), rng.next_u64());
        let mut endpoint = Self {
            config: SipConfig::default(),
            locals: Vec::new(),
            rng,
            secret,
            nonces: Nonces::new(nonce_secret),
            guard,
            transactions: Transactions::default(),
            sessions: ByOwnId::default(),
            tags: ByOwnId::default(),
            timers: BTreeSet::new(),
            last_session: 0,
            registrar: Registrar::default(),
            orphans: Orphans::default(),
            refers: Refers::default(),
            trunks: trunks::Trunks::default(),
            links: Links::default(),
            outputs: VecDeque::new(),
            heard: None,
            stats: Stats::default(),
        };
        endpoint.set_config(config);
        endpoint
    }

    /// Takes a new configuration. Sessions go on; users who are not in it any more lose their registrations.
    pub fn set_config(&mut self, config: SipConfig) {
        self.locals = config.listeners.iter().map(Local::new).collect();
        self.guard.set_config(config.guard.clone());
        self.config = config;
        let users = &self.config.users;
        let changes = self.registrar.keep_users(|user| users.contains_key(user));
        self.tell_changes(changes);
    }

    /// One datagram, or one message framed from a stream. `received` is when the machine got it: what waited long
    /// before it was looked at tells the load.
    ///
    /// False when the guard dropped it unread or put it off: in a flood there is no time for more than the answer.
    pub fn handle_message(&mut self, now: Instant, received: Instant, from: Flow, bytes: Bytes) -> bool {
        self.links.heard(from);
        let verdict = self.admit(now, received, from, &bytes);
        if verdict == Verdict::Drop {
            return false;
        }
        self.registrar.heard(now, from);
        self.heard = Some(received);
        match Message::parse(bytes) {
            Ok(message) if message.is_request() => {
                self.stats.request_in(message.method(), from.transport);
                match validate(&message) {
                    Ok(()) => match verdict {
                        Verdict::Later(seconds) => {
                            self.put_off(from, &message, seconds);
                            return false;
                        }
                        Verdict::Pass | Verdict::Drop => self.handle_request(now, from, message),
                    },
                    Err((code, reason)) => self.refuse_malformed(from, &message, code, reason),
                }
            }
            Ok(message) => {
                self.stats.response_in(&message);
                self.handle_response(now, from, &message);
            }
            // A keep-alive.
            Err(malformed) if malformed.error == ParseError::Empty => {}
            Err(malformed) => {
                self.stats.parse_errors += 1;
                self.note_size(&malformed);
                if let Some(request) = malformed.answerable() {
                    self.refuse_malformed(from, request, 400, &malformed.to_string());
                }
            }
        }
        self.heard = None;
        true
    }

    /// When to call `handle_timeout` next; `None` when no timer runs.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let session = self.timers.first().map(|(at, _)| *at);
        let others = [session, self.registrar.poll_timeout(), self.refers.poll_timeout(), self.trunks.poll_timeout()];
        let more = [self.transactions.poll_timeout(), self.orphans.poll_timeout()];
        others.into_iter().chain(more).flatten().min()
    }

    /// Does all that is due at `now`; calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(id) = self.transactions.take_due(now) {
            match id {
                Id::Client(id) => {
                    if let Some(entry) = self.transactions.client(id) {
                        entry.machine.handle_timeout(now);
                    }
                    self.drive_client(now, id, None);
                }
                Id::Server(id) => {
                    if let Some(entry) = self.transactions.server(id) {
                        entry.machine.handle_timeout(now);
                    }
                    self.drive_server(id);
                }
            }
        }
        while self.timers.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, session)) = self.timers.pop_first() {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.due = None;
                }
                self.session_due(now, session);
            }
        }
        self.refers_due(now);
        self.orphans_due(now);
        let due = self.registrar.handle_timeout(now);
        self.tell_changes(due.changes);
        self.ask_after(now, due.asks);
        self.handle_trunks_due(now);
    }

    /// Next thing for the caller to do; call until it returns `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The contacts registered for a user, best first.
    pub fn contacts(&self, now: Instant, user: &str) -> Vec<Contact> {
        self.registrar.contacts(now, user)
    }

    /// The Call-ID of a session's dialog.
    pub fn call_id(&self, session: SessionId) -> Option<&[u8]> {
        self.sessions.get(&session).map(|session| session.dialog.call_id())
    }

    /// A copy of all counters.
    pub fn stats(&self) -> Stats {
        Stats {
            contacts: self.registrar.len(),
            transactions: self.transactions.len(),
            sessions: self.sessions.len(),
            guard: self.guard.counts(),
            ..self.stats
        }
    }

    /// True when no transaction and no session lives: nothing is owed to anybody.
    pub fn is_idle(&self) -> bool {
        self.transactions.len() == 0 && self.sessions.is_empty() && self.refers.is_empty()
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn fail_clients(&mut self, now: Instant, remote: SocketAddr, concerned: impl Fn(&Flow) -> bool) {
        for id in self.transactions.clients_to(remote) {
            if let Some(entry) = self.transactions.client(id)
                && concerned(&entry.flow)
            {
                entry.machine.handle_send_failed();
                self.drive_client(now, id, None);
            }
        }
    }

    /// The clock of a transaction for this request, which is being handled.
    fn timing(&self, now: Instant, request: &Message) -> Timing {
        Timing::new(request.method(), self.heard.unwrap_or(now))
    }

    /// Sends what a server transaction has to say.
    fn drive_server(&mut self, id: u64) {
        while let Some(entry) = self.transactions.server(id) {
            let flow = entry.flow;
            match entry.machine.poll_output() {
                Some(transaction::Output::Send(bytes)) => self.send(flow, bytes),
                Some(transaction::Output::Resend(bytes)) => {
                    self.stats.sent_again(entry.timing.method);
                    self.send(flow, bytes);
                }
                // Nobody acknowledged a refusal: nobody misses it.
                Some(
                    transaction::Output::NoAck
                    | transaction::Output::Deliver
                    | transaction::Output::TimedOut
                    | transaction::Output::Unreachable,
                ) => {}
                None => break,
            }
        }
        self.transactions.settle_server(id);
    }

    /// Sends what a client transaction has to say and tells its user the rest. `response` is the one that was
    /// just handled.
    fn drive_client(&mut self, now: Instant, id: u64, response: Option<(&Message, Flow)>) {
        while let Some(entry) = self.transactions.client(id) {
            let (flow, purpose) = (entry.flow, entry.purpose);
            match entry.machine.poll_output() {
                Some(transaction::Output::Send(bytes)) => self.send(flow, bytes),
                Some(transaction::Output::Resend(bytes)) => {
                    self.stats.sent_again(entry.timing.method);
                    self.send(flow, bytes);
                }
                Some(transaction::Output::Deliver) => {
                    if let Some((message, source)) = response {
                        self.client_response(now, id, purpose, source, message);
                    }
                }
                Some(transaction::Output::TimedOut) => self.client_failed(now, id, flow, purpose, 408),
                Some(transaction::Output::Unreachable) => self.client_failed(now, id, flow, purpose, 503),
                Some(transaction::Output::NoAck) => {}
                None => break,
            }
        }
        self.transactions.settle_client(id);
    }

    /// Notes the deadline of a session after it changed.
    fn settle_session(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            let wanted = session.poll_timeout();
            table::rearm(&mut self.timers, &mut session.due, wanted, id);
        }
    }

    fn add_session(&mut self, session: Session) -> SessionId {
        self.last_session += 1;
        let id = SessionId(self.last_session);
        if let Some(tag) = table::read_hex(session.dialog.local_tag().as_bytes()) {
            self.tags.insert(tag, id);
        }
        self.sessions.insert(id, session);
        id
    }

    fn remove_session(&mut self, id: SessionId) -> Option<Session> {
        let mut session = self.sessions.remove(&id)?;
        table::rearm(&mut self.timers, &mut session.due, None, id);
        if let Some(tag) = table::read_hex(session.dialog.local_tag().as_bytes()) {
            self.tags.remove(&tag);
        }
        if session.noted.is_some() {
            self.outputs.push_back(Output::Dialog(DialogNote::Down { session: id }));
        }
        if !self.refers.is_empty() {
            self.refers.keep_dialog(id, &session);
        }
        Some(session)
    }

    /// The session that a request inside a dialog belongs to (RFC 3261 §12.2.2).
    fn find_session(&self, request: &Message) -> Option<SessionId> {
        let id = *self.tags.get(&table::read_hex(request.to_tag()?)?)?;
        self.sessions.get(&id).filter(|session| session.matches(request)).map(|_| id)
    }

    /// The session whose dialog this is, early ones included.
    fn find_dialog(&self, call_id: &[u8], local_tag: &[u8], remote_tag: &[u8]) -> Option<SessionId> {
        let id = *self.tags.get(&table::read_hex(local_tag)?)?;
        let session = self.sessions.get(&id)?;
        let found = match &session.state {
            State::Calling { forks, .. } => forks.iter().any(|fork| fork.dialog.is(call_id, local_tag, remote_tag)),
            State::Incoming { .. } | State::Up { .. } | State::Leaving => {
                session.dialog.is(call_id, local_tag, remote_tag)
            }
        };
        found.then_some(id)
    }

    fn local(&self, flow: Flow) -> Option<&Local> {
        self.locals.get(usize::from(flow.listener)).or(self.locals.first())
    }

    /// A fresh branch: the id of its client transaction, with the bit of CANCEL clear.
    fn new_branch(&mut self) -> u64 {
        loop {
            let id = self.rng.next_u64() & !1;
            if !self.transactions.has_client(id) {
                return id;
            }
        }
    }

    fn new_tag(&mut self) -> String {
        let mut tag = String::with_capacity(16);
        table::hex(&mut tag, self.rng.next_u64());
        tag
    }

    /// Our Via for a request over this flow.
    fn via(&self, flow: Flow, branch: u64) -> String {
        let head = self.local(flow).map_or("", |local| local.via.as_str());
        let mut via = String::with_capacity(head.len() + 16);
        via.push_str(head);
        table::hex(&mut via, branch & !1);
        via
    }

    /// Our Contact for this user over this flow.
    fn contact(&self, flow: Flow, user: &str) -> String {
        let at = self.local(flow).map_or("", |local| local.contact.as_str());
        match user {
            "" => ["<sip:", at, ">"].concat(),
            user => ["<sip:", &super::uri::escape_user(user), "@", at, ">"].concat(),
        }
    }

    /// A tag that is the same for each repetition of a request that we keep no state of (RFC 3261 §8.2.7).
    fn stateless_tag(&self, request: &Message) -> String {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.secret);
        hasher.write(request.call_id().unwrap_or_default());
        hasher.write(request.header(HeaderName::From).unwrap_or_default());
        hasher.write(request.header(HeaderName::CSeq).unwrap_or_default());
        let mut tag = String::with_capacity(16);
        table::hex(&mut tag, hasher.finish());
        tag
    }

    /// What a request keeps when proxies send it by several ways (RFC 3261 §8.2.2.2).
    fn call_hash(&self, request: &Message) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.secret);
        hasher.write(request.call_id().unwrap_or_default());
        hasher.write_u8(0);
        hasher.write(request.from_tag().unwrap_or_default());
        hasher.write_u32(request.cseq().map_or(0, |cseq| cseq.number));
        hasher.finish()
    }

    /// Answers without state.
    fn reply(
        &mut self,
        from: Flow,
        request: &Message,
        code: u16,
        reason: Option<&str>,
        more: impl FnOnce(&mut Writer),
    ) {
        if request.method() == Method::Ack {
            return;
        }
        let tag = self.stateless_tag(request);
        let mut writer = response_to(request, code, reason, Some(&tag), from.remote);
        more(&mut writer);
        let mut answer = writer.finish();
        if self.amplifies(from, request, answer.len()) {
            // Only what a response must have; silence when even that is too much.
            answer = response_to(request, code, reason, Some(&tag), from.remote).finish();
            if self.amplifies(from, request, answer.len()) {
                return self.guard.count(Count::DropAmplification);
            }
        }
        self.stats.response_out(request.method(), code);
        self.send(reply_to(request, from), answer);
    }

    fn refuse_malformed(&mut self, from: Flow, request: &Message, code: u16, reason: &str) {
        self.stats.rejected.malformed += 1;
        if request.answerable() {
            self.reply(from, request, code, Some(reason), |_| {});
        }
    }
}

impl Local {
    fn new(listener: &super::config::Listener) -> Self {
        let at = match &listener.advertised {
            Some(host) if host.contains(':') && !host.starts_with('[') => {
                format!("[{host}]:{}", listener.address.port())
            }
            Some(host) => format!("{host}:{}", listener.address.port()),
            None => listener.address.to_string(),
        };
        let (transport, cookie) = (listener.transport, table::COOKIE);
        Self {
            via: format!("SIP/2.0/{} {at};rport;branch={cookie}", transport.via()),
            contact: [at.as_str(), transport.uri_parameter()].concat(),
        }
    }
}

fn reliability(flow: Flow) -> Reliability {
    match flow.transport.is_reliable() {
        false => Reliability::Unreliable,
        true => Reliability::Reliable,
    }
}
