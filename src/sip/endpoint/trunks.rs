//! Trunks: REGISTER and OPTIONS of ours, and answers to challenges of our requests.
//!
//! The machines are in [`trunk`](super::super::trunk); here their requests are written and their answers heard.
//!
//! Credentials leave only by [`Endpoint::answer_challenge`] and [`Endpoint::send_register`], and only when the session
//! or REGISTER is the trunk's, the request went to an address of the trunk, the challenge came from one, and it names
//! the trunk's realm: a callee's challenge, passed on by the trunk, is not answered.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Instant;

use bytes::Bytes;
use rand_chacha::rand_core::Rng;

use super::super::config::{TrunkAccount, TrunkProof};
use super::super::dialog::MAX_FORWARDS;
use super::super::header::{HeaderName, Method};
use super::super::message::{Message, Start};
use super::super::session::{Exchange, State};
use super::super::trunk::{Asking, Due, Trunk};
use super::super::uri::escape_user;
use super::super::writer::Writer;
use super::table::{ClientMachine, Purpose};
use super::{ALLOW, Endpoint, Event, Flow, SessionId, TrunkHostView, TrunkView};

/// All trunks and the requests under way to them.
#[derive(Debug, Default)]
pub(super) struct Trunks {
    named: BTreeMap<String, Trunk>,
    /// Trunk by the branch of an OPTIONS or REGISTER.
    asked: HashMap<u64, String>,
    due: Option<Instant>,
    left: bool,
}

impl Trunks {
    /// The trunk that has a host at this address, beside those the file writes.
    pub fn at(&self, ip: IpAddr) -> Option<&str> {
        self.named.iter().find(|(_, trunk)| trunk.is_at(ip)).map(|(name, _)| name.as_str())
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    fn settle(&mut self) {
        self.due = self.named.values().filter_map(Trunk::poll_timeout).min();
    }
}

impl Endpoint {
    /// Where the hosts of each trunk are, best first. Trunks of the configuration that are missing here have none yet;
    /// the registration at a trunk that is not configured any more is taken back.
    pub fn set_trunks(&mut self, now: Instant, mut hosts: BTreeMap<String, Vec<Flow>>) {
        let accounts = self.config.trunk_accounts.clone();
        let gone = self.trunks.named.keys().filter(|name| !accounts.contains_key(*name)).cloned().collect::<Vec<_>>();
        for name in gone {
            self.unregister(now, &name);
            self.trunks.named.remove(&name);
        }
        for (name, account) in accounts {
            let flows = hosts.remove(&name).unwrap_or_default();
            let register = account.register.is_some() && !self.trunks.left;
            if !register {
                self.unregister(now, &name);
            }
            let account = TrunkAccount { register: account.register.filter(|_| register), ..account };
            if !self.trunks.named.contains_key(&name) {
                let (call_id, tag) = (self.new_tag() + &self.new_tag(), self.new_tag());
                let fresh = Trunk::new(TrunkAccount::default(), call_id, tag);
                self.trunks.named.insert(name.clone(), fresh);
            }
            if let Some(trunk) = self.trunks.named.get_mut(&name) {
                trunk.configure(now, account, &flows);
            }
        }
        self.trunks.settle();
        self.handle_trunks_due(now);
    }

    /// Takes back all registrations of ours: no more calls are wanted.
    pub fn leave_trunks(&mut self, now: Instant) {
        self.trunks.left = true;
        for name in self.trunks.named.keys().cloned().collect::<Vec<_>>() {
            self.unregister(now, &name);
        }
        self.trunks.settle();
    }

    /// A call met silence at this host of a trunk: it is asked for a sign of life at once.
    pub fn suspect_trunk(&mut self, now: Instant, name: &str, flow: Flow) {
        if let Some(trunk) = self.trunks.named.get_mut(name) {
            trunk.suspect(now, flow);
            self.trunks.settle();
        }
    }

    /// A trunk as signalling sees it.
    pub fn trunk(&self, now: Instant, name: &str) -> Option<TrunkView> {
        let trunk = self.trunks.named.get(name)?;
        let host = |host: &super::super::trunk::Host| TrunkHostView {
            flow: host.flow,
            up: host.up,
            round_trip: host.round_trip,
        };
        Some(TrunkView {
            hosts: trunk.hosts().iter().map(host).collect(),
            registers: trunk.account().register.is_some(),
            registered_for: trunk.registration.until(now).map(|until| until.saturating_duration_since(now)),
        })
    }

    /// Whether each trunk with hosts has one that takes calls.
    pub fn trunks_up(&self) -> BTreeMap<String, bool> {
        let placed = self.trunks.named.iter().filter(|(_, trunk)| !trunk.hosts().is_empty());
        placed.map(|(name, trunk)| (name.clone(), trunk.hosts().iter().any(|host| host.up))).collect()
    }

    /// True when no response came to our INVITE yet, not even 100.
    pub fn is_silent(&mut self, session: SessionId) -> bool {
        let Some(State::Calling { client, .. }) = self.sessions.get(&session).map(|session| &session.state) else {
            return false;
        };
        let client = *client;
        self.transactions.client(client).is_some_and(|entry| match &entry.machine {
            ClientMachine::Invite(invite) => invite.is_calling(),
            ClientMachine::Other(_) => false,
        })
    }

    /// The trunk whose login is this user and calls come in by it, with its password.
    pub(super) fn trunk_login(&self, user: &str) -> Option<(&String, &str)> {
        let accounts = self.config.trunk_accounts.iter();
        let mut logins = accounts.filter(|(_, account)| account.inbound == TrunkProof::Digest);
        logins.find_map(|(name, account)| {
            let login = account.login.as_ref().filter(|login| login.username == user)?;
            Some((name, login.password.as_str()))
        })
    }

    /// The trunk at this address, and how its calls prove themselves.
    pub(super) fn trunk_at(&self, ip: IpAddr) -> Option<(String, TrunkProof)> {
        let name = self.config.trunks.get(&ip).map(String::as_str).or_else(|| self.trunks.at(ip))?;
        let proof = self.config.trunk_accounts.get(name).map_or(TrunkProof::Address, |account| account.inbound);
        Some((name.to_owned(), proof))
    }

    /// A registrar calls us by the Contact we gave it; what was dialled then stands in To.
    pub(super) fn dialled_by_contact(&self, trunk: &str, to_user: &str) -> bool {
        self.config.trunk_accounts.get(trunk).is_some_and(|account| {
            account.register.is_some() && account.login.as_ref().is_some_and(|login| login.username == to_user)
        })
    }

    /// Host of From in requests to this trunk, when it is not our own domain.
    pub(super) fn trunk_domain(&self, trunk: &str) -> Option<&str> {
        let account = self.config.trunk_accounts.get(trunk)?;
        account.register.map(|_| account.domain.as_str()).filter(|domain| !domain.is_empty())
    }

    pub(super) fn handle_trunks_due(&mut self, now: Instant) {
        if self.trunks.due.is_none_or(|due| due > now) {
            return;
        }
        for name in self.trunks.named.keys().cloned().collect::<Vec<_>>() {
            while let Some(due) = self.trunks.named.get_mut(&name).and_then(|trunk| trunk.take_due(now)) {
                match due {
                    Due::Probe(flow) => self.send_probe(now, &name, flow),
                    Due::Down(flow) => self.tell_trunk(&name, flow, false, "no answer to OPTIONS"),
                    Due::Register => self.register(now, &name),
                }
            }
        }
        self.trunks.settle();
    }

    fn tell_trunk(&mut self, name: &str, flow: Flow, up: bool, detail: &str) {
        let (trunk, host, detail) = (name.to_owned(), flow.remote, detail.to_owned());
        self.event(Event::TrunkState { trunk, host, up, detail });
    }

    fn send_probe(&mut self, now: Instant, name: &str, flow: Flow) {
        let branch = self.new_branch();
        let Some(trunk) = self.trunks.named.get_mut(name) else { return };
        trunk.asked(now, flow, branch);
        let domain = self.config.domain.clone();
        let (tag, call_id) = (self.new_tag(), self.new_tag());
        let mut writer = Writer::request(Method::Options, format!("sip:{}", flow.remote));
        writer
            .header(HeaderName::Via, self.via(flow, branch))
            .header(HeaderName::MaxForwards, MAX_FORWARDS)
            .header(HeaderName::From, format!("<sip:{domain}>;tag={tag}"))
            .header(HeaderName::To, format!("<sip:{}>", flow.remote))
            .header(HeaderName::CallId, call_id)
            .header(HeaderName::CSeq, "1 OPTIONS")
            .header(HeaderName::Contact, self.contact(flow, ""))
            .header(HeaderName::Accept, "application/sdp")
            .header(HeaderName::UserAgent, "Hatif");
        self.trunks.asked.insert(branch, name.to_owned());
        self.start_client(now, branch, self.open_flow(flow), Method::Options, writer.finish(), Purpose::Probe);
    }

    fn register(&mut self, now: Instant, name: &str) {
        let Some(trunk) = self.trunks.named.get(name) else { return };
        match trunk.registrar() {
            Some(flow) => self.send_register(now, name, flow, trunk.expires_s(), 0),
            None => self.register_failed(now, name, 503, true),
        }
    }

    /// Takes the registration back, if there is one or may be.
    fn unregister(&mut self, now: Instant, name: &str) {
        let Some(trunk) = self.trunks.named.get_mut(name) else { return };
        let registered = trunk.registration.until(now).is_some() || trunk.registration.is_asking();
        let flow = trunk.registrar();
        trunk.registration.left();
        if let Some(flow) = flow.filter(|_| registered) {
            self.send_register(now, name, flow, 0, 0);
        }
    }

    /// Sends REGISTER with the login for its last challenge, if there was one.
    fn send_register(&mut self, now: Instant, name: &str, flow: Flow, expires_s: u32, answers: u8) {
        let branch = self.new_branch();
        let flow = self.open_flow(flow);
        let (via, cnonce) = (self.via(flow, branch), self.new_tag());
        let Some(trunk) = self.trunks.named.get_mut(name) else { return };
        let username = trunk.account().login.as_ref().map(|login| login.username.clone()).unwrap_or_default();
        let domain = trunk.account().domain.clone();
        let uri = format!("sip:{domain}");
        let authorization = trunk.authorize(Method::Register, &uri, &cnonce);
        let registration = &mut trunk.registration;
        registration.cseq = registration.cseq.wrapping_add(1);
        registration.asked(Asking { branch, flow, expires_s, answers });
        let (cseq, call_id, tag) = (registration.cseq, registration.call_id.clone(), registration.tag.clone());
        let own = format!("<sip:{}@{domain}>", escape_user(&username));
        let contact = self.contact(flow, &username);
        let mut writer = Writer::request(Method::Register, &uri);
        writer
            .header(HeaderName::Via, via)
            .header(HeaderName::MaxForwards, MAX_FORWARDS)
            .header(HeaderName::From, format!("{own};tag={tag}"))
            .header(HeaderName::To, &own)
            .header(HeaderName::CallId, call_id)
            .header(HeaderName::CSeq, format!("{cseq} REGISTER"))
            .header(HeaderName::Contact, format!("{contact};expires={expires_s}"))
            .header(HeaderName::Expires, expires_s.to_string())
            .header(HeaderName::Allow, ALLOW)
            .header(HeaderName::UserAgent, "Hatif");
        if let Some((header, value)) = authorization {
            writer.header(header, value);
        }
        self.trunks.asked.insert(branch, name.to_owned());
        self.start_client(now, branch, flow, Method::Register, writer.finish(), Purpose::Register);
    }

    /// An answer to our OPTIONS.
    pub(super) fn probe_answered(&mut self, now: Instant, branch: u64, response: &Message) {
        let Some(name) = self.trunks.asked.remove(&branch) else { return };
        let Some(trunk) = self.trunks.named.get_mut(&name) else { return };
        let changed = trunk.answered(now, branch, response.code());
        match changed {
            Some((flow, true)) => self.tell_trunk(&name, flow, true, ""),
            Some((flow, false)) => self.tell_trunk(&name, flow, false, "503 to OPTIONS"),
            None => {}
        }
        self.trunks.settle();
    }

    /// Our OPTIONS or REGISTER came to nothing: 408 or 503.
    pub(super) fn trunk_unanswered(&mut self, now: Instant, branch: u64, purpose: Purpose, code: u16) {
        let Some(name) = self.trunks.asked.remove(&branch) else { return };
        let Some(trunk) = self.trunks.named.get_mut(&name) else { return };
        if purpose == Purpose::Probe {
            if let Some(Due::Down(flow)) = trunk.unreachable(now, branch) {
                self.tell_trunk(&name, flow, false, "cannot be reached");
            }
        } else if let Some(asking) = trunk.registration.asking(branch) {
            match asking.expires_s {
                0 => trunk.registration.left(),
                _ => self.register_failed(now, &name, code, true),
            }
        }
        self.trunks.settle();
    }

    /// A final response to our REGISTER.
    pub(super) fn register_answered(&mut self, now: Instant, branch: u64, source: Flow, response: &Message) {
        let Some(name) = self.trunks.asked.remove(&branch) else { return };
        let Some(trunk) = self.trunks.named.get_mut(&name) else { return };
        let Some(asking) = trunk.registration.asking(branch) else { return };
        let code = response.code();
        match code {
            200..=299 if asking.expires_s == 0 => trunk.registration.left(),
            200..=299 => {
                let expires_s = self.granted(asking, response);
                let Some(trunk) = self.trunks.named.get_mut(&name) else { return };
                trunk.registration.granted(now, expires_s);
                self.event(Event::TrunkRegistered { trunk: name, ok: true, code, expires_s });
            }
            401 | 407 if trunk.is_at(source.remote.ip()) && trunk.take_challenge(response, asking.answers, true) => {
                self.send_register(now, &name, asking.flow, asking.expires_s, asking.answers + 1);
            }
            _ if asking.expires_s == 0 => trunk.registration.left(),
            423 if trunk.registration.too_brief(now, response.seconds(HeaderName::MinExpires).unwrap_or(0)) => {}
            code => self.register_failed(now, &name, code, code >= 500),
        }
        self.trunks.settle();
        self.handle_trunks_due(now);
    }

    fn register_failed(&mut self, now: Instant, name: &str, code: u16, elsewhere: bool) {
        let random = self.rng.next_u32();
        if let Some(trunk) = self.trunks.named.get_mut(name) {
            trunk.registration.refused(now, random, elsewhere);
            self.event(Event::TrunkRegistered { trunk: name.to_owned(), ok: false, code, expires_s: 0 });
        }
    }

    /// Seconds granted to our Contact: by its `expires`, else by Expires, else what was asked (RFC 3261 §10.2.4).
    fn granted(&self, asking: Asking, response: &Message) -> u32 {
        let at = self.local(asking.flow).map_or("", |local| local.contact.as_str());
        let ours = |uri: &[u8]| {
            let tail = uri.iter().position(|b| *b == b'@').and_then(|at| uri.get(at + 1..)).unwrap_or_default();
            tail.starts_with(at.as_bytes())
        };
        let contacts: Vec<_> = response.contacts().flatten().collect();
        let own = contacts.iter().find(|contact| ours(contact.uri)).or(match contacts.as_slice() {
            [only] => Some(only),
            _ => None,
        });
        let expires = own.and_then(|c| c.params.get("expires")).and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
        expires.or(response.expires()).unwrap_or(asking.expires_s)
    }

    /// A 401 or 407 to a request of a session that goes to a trunk: the request goes out once more, with the answer.
    /// False when the challenge is not the trunk's to make: it is a refusal then.
    pub(super) fn answer_challenge(
        &mut self,
        now: Instant,
        id: u64,
        purpose: Purpose,
        source: Flow,
        response: &Message,
    ) -> bool {
        self.again_with_login(now, id, purpose, source, response).is_some()
    }

    fn again_with_login(
        &mut self,
        now: Instant,
        id: u64,
        purpose: Purpose,
        source: Flow,
        response: &Message,
    ) -> Option<()> {
        let session_id = purpose.session()?;
        let cnonce = self.new_tag();
        let branch = self.new_branch();
        let session = self.sessions.get(&session_id)?;
        let trunk = self.trunks.named.get_mut(session.trunk.as_deref()?)?;
        let entry = self.transactions.client(id)?;
        let (flow, answers, old) = (entry.flow, entry.answers, entry.request.clone());
        if !trunk.is_at(source.remote.ip()) || !trunk.is_at(flow.remote.ip()) {
            return None;
        }
        let old = Message::parse(old).ok()?;
        let Start::Request { method, uri } = old.start() else { return None };
        let method = method.known()?;
        let uri = std::str::from_utf8(uri).ok()?;
        if !trunk.take_challenge(response, answers, false) {
            return None;
        }
        let credentials = trunk.authorize(method, uri, &cnonce)?;
        let via = self.via(flow, branch);
        let session = self.sessions.get_mut(&session_id)?;
        let request = again(&old, method, uri, &via, session.dialog.next_cseq(), &credentials);
        match (&mut session.state, method) {
            (State::Calling { client, forks, .. }, Method::Invite) if *client == id => {
                *client = branch;
                forks.clear();
            }
            (State::Incoming { .. } | State::Calling { .. } | State::Up { .. } | State::Leaving, _) => {}
        }
        if let Exchange::Sent { client, .. } = &mut session.exchange
            && *client == id
        {
            *client = branch;
        }
        if method == Method::Invite {
            session.credentials = Some(credentials);
        }
        match method {
            Method::Invite => self.start_invite(now, branch, flow, request, purpose),
            method => self.start_client(now, branch, flow, method, request, purpose),
        }
        if let Some(entry) = self.transactions.client(branch) {
            entry.answers = answers + 1;
        }
        Some(())
    }

    /// Whether this purpose's request has to be kept for a challenge.
    pub(super) fn may_be_challenged(&self, purpose: Purpose) -> bool {
        let session = purpose.session().and_then(|id| self.sessions.get(&id));
        session.is_some_and(|session| session.trunk.is_some())
    }
}

/// The same request once more: new branch, next CSeq, with credentials (RFC 3261 §22.2).
fn again(
    old: &Message,
    method: Method<'_>,
    uri: &str,
    via: &str,
    cseq: u32,
    credentials: &(HeaderName, String),
) -> Bytes {
    let mut writer = Writer::request(method, uri);
    writer.header(HeaderName::Via, via);
    let mut content_type = String::new();
    for (name, written, value) in old.all_headers() {
        match name {
            HeaderName::Via | HeaderName::ContentLength => {}
            HeaderName::ContentType => content_type = String::from_utf8_lossy(value).into_owned(),
            HeaderName::CSeq => _ = writer.header(HeaderName::CSeq, format!("{cseq} {}", method.label())),
            name if name == credentials.0 => {}
            _ => _ = writer.named(&String::from_utf8_lossy(written), value),
        }
    }
    writer.header(credentials.0, &credentials.1);
    writer.finish_with(&content_type, &old.body())
}

impl Purpose {
    /// The session that this request is of.
    pub(super) fn session(self) -> Option<SessionId> {
        match self {
            Purpose::Invite(session)
            | Purpose::Reinvite(session)
            | Purpose::Update(session)
            | Purpose::Refresh(session)
            | Purpose::Bye(session) => Some(session),
            Purpose::Notify(_) | Purpose::Probe | Purpose::Register | Purpose::Orphan(_) | Purpose::Nothing => None,
        }
    }
}
