//! REGISTER (RFC 3261 §10.3, RFC 3327, RFC 5626), and the phones that are registered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::config::Transport;
use super::super::dialog::MAX_FORWARDS;
use super::super::header::{HeaderName, Method, NameAddr, text, unquote};
use super::super::message::Message;
use super::super::registrar::{
    Binding, Change, Contact, EXPIRES_MAX_S, EXPIRES_MIN_S, Refusal, Registration, Terms, Wanted, WantedContact,
};
use super::super::uri::{Scheme, Uri, without_headers};
use super::super::writer::{Writer, response_to};
use super::auth::Proof;
use super::table::Purpose;
use super::{Endpoint, Event, Flow, Standing, TRANSACTIONS_MAX};

/// Most Path values kept; a REGISTER that came through more proxies is refused.
const PATH_MAX: usize = 8;
/// Longest name that a phone may give itself, in bytes.
const INSTANCE_BYTES_MAX: usize = 256;
/// Within this time a phone with an outbound flow says something (Flow-Timer, RFC 5626 §10).
const FLOW_TIMER_S: &str = "120";

/// How far RFC 5626 is at work in a REGISTER.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outbound {
    /// Not asked for, or over datagrams: their keep-alive would be STUN, which is not served here.
    No,
    /// Its flows are kept apart by number.
    Yes,
    /// Asked for, but the first proxy does not know of it: 439.
    FirstHopLacksIt,
}

impl Endpoint {
    /// REGISTER: always challenged, only for oneself.
    pub(super) fn handle_register(&mut self, now: Instant, from: Flow, key: &[u8], request: &Message) {
        if self.transactions.len() >= TRANSACTIONS_MAX {
            return self.refuse_overload(from, request);
        }
        if !self.accepts_extensions(from, request) {
            return;
        }
        // RFC 3261 §10.2: an address of record is a SIP URI.
        let record = request.to().and_then(|to| to.uri());
        if !record.is_some_and(|uri| matches!(uri.scheme, Scheme::Sip | Scheme::Sips)) {
            return self.refuse_malformed(from, request, 400, "Address Of Record Is No SIP URI");
        }
        let user = match self.proof(now, from, request) {
            Proof::User(user) => user,
            // A trunk does not register here: it is where the configuration says.
            Proof::Trunk(_) => return self.answer_register(now, from, key, request, 403, |_| {}),
            Proof::None => {
                self.stats.registrations.challenged += 1;
                return self.challenge(now, from, request, false);
            }
            Proof::Stale => {
                self.stats.registrations.challenged += 1;
                return self.challenge(now, from, request, true);
            }
            Proof::Wrong => {
                self.stats.rejected.auth += 1;
                self.stats.registrations.denied += 1;
                return self.challenge(now, from, request, false);
            }
            Proof::TooMany(seconds) => {
                self.stats.rejected.auth += 1;
                self.stats.registrations.denied += 1;
                return self.refuse_tries(from, request, seconds);
            }
        };
        let whom = request.to().and_then(|to| to.uri()?.user_text());
        if whom.as_deref() != Some(user.as_str()) {
            self.stats.rejected.auth += 1;
            return self.answer_register(now, from, key, request, 403, |_| {});
        }
        let outbound = outbound(from, request);
        if outbound == Outbound::FirstHopLacksIt {
            return self.answer_register(now, from, key, request, 439, |_| {});
        }
        let (Some(contacts), Some(path)) = (wanted(request), path_of(request)) else {
            return self.answer_register(now, from, key, request, 400, |_| {});
        };
        let registration = Registration {
            user: &user,
            terms: self.terms_of(&user),
            call_id: text(request.call_id().unwrap_or_default()).into_owned(),
            cseq: request.cseq().map_or(0, |cseq| cseq.number),
            flow: from,
            path,
            contacts,
        };
        match self.registrar.register(now, registration) {
            Ok(changes) => {
                self.confirm_register(now, from, key, request, &user, outbound);
                self.tell_changes(changes);
            }
            Err(Refusal::TooBrief) => self.answer_register(now, from, key, request, 423, |w| {
                w.header(HeaderName::MinExpires, EXPIRES_MIN_S.to_string());
            }),
            Err(Refusal::OutOfOrder) => self.answer_register(now, from, key, request, 500, |_| {}),
        }
    }

    /// A phone of an earlier process, by its journal: over UDP, or over TCP to the address that its Contact names.
    /// False when it cannot be reached any more, or its user is not known: it comes back by itself.
    pub fn restore_contact(&mut self, now: Instant, user: &str, binding: Binding) -> bool {
        let flow = Flow { connection: None, ..binding.flow };
        let Some(flow) = self.flow_of_before(flow, &binding) else { return false };
        if !self.config.users.contains_key(user) {
            return false;
        }
        self.guard.registered(now, flow.remote.ip(), Duration::from_secs(u64::from(binding.expires_s)));
        let terms = self.terms_of(user);
        let expires_s = binding.expires_s.min(terms.expires_max_s);
        let changes = self.registrar.restore(now, user, Binding { flow, expires_s, ..binding }, terms);
        self.tell_changes(changes);
        true
    }

    /// Asks registered phones for a sign of life; whatever comes from there is one.
    pub(super) fn ask_after(&mut self, now: Instant, phones: Vec<Contact>) {
        for phone in phones {
            let branch = self.new_branch();
            let request = self.sign_of_life(branch, &phone);
            self.start_client(now, branch, phone.flow, Method::Options, request, Purpose::Nothing);
        }
    }

    fn sign_of_life(&mut self, branch: u64, phone: &Contact) -> Bytes {
        let (tag, call_id) = (self.new_tag(), self.new_tag());
        let domain = &self.config.domain;
        let mut writer = Writer::request(Method::Options, &phone.uri);
        writer.header(HeaderName::Via, self.via(phone.flow, branch));
        for route in &phone.path {
            writer.header(HeaderName::Route, route);
        }
        writer
            .header(HeaderName::MaxForwards, MAX_FORWARDS)
            .header(HeaderName::From, format!("<sip:{domain}>;tag={tag}"))
            .header(HeaderName::To, format!("<{}>", phone.uri))
            .header(HeaderName::CallId, call_id)
            .header(HeaderName::CSeq, "1 OPTIONS")
            .header(HeaderName::Contact, self.contact(phone.flow, ""))
            .header(HeaderName::UserAgent, "Hatif");
        writer.finish()
    }

    pub(super) fn tell_changes(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            match change {
                Change::Added { user, binding, first } => self.event(Event::Registered { user, binding, new: first }),
                Change::Dropped { user, uri, loss } => self.event(Event::ContactGone { user, uri, loss }),
                Change::Gone { user, loss } => {
                    self.stats.registrations.expired += u64::from(loss.is_involuntary());
                    self.event(Event::Unregistered { user, loss });
                }
            }
        }
    }

    fn terms_of(&self, user: &str) -> Terms {
        match self.config.watched.users.contains(user) {
            true => Terms { expires_max_s: self.config.watched.expires_max_s(), watched: true },
            false => Terms { expires_max_s: EXPIRES_MAX_S, watched: false },
        }
    }

    /// How a phone of an earlier process is reached now.
    fn flow_of_before(&self, flow: Flow, binding: &Binding) -> Option<Flow> {
        let listener = self.same_listener(flow)?;
        match flow.transport {
            Transport::Udp => Some(Flow { listener, ..flow }),
            // Its connection is gone. Behind NAT the Contact names another host, where it cannot be called.
            Transport::Tcp => {
                let next = binding.path.first().map_or(binding.uri.as_str(), String::as_str);
                let uri = NameAddr::parse(next.as_bytes()).map_or(next.as_bytes(), |route| route.uri);
                let uri = Uri::parse(uri)?;
                let listens = uri.ip() == Some(flow.remote.ip().to_canonical());
                let remote = SocketAddr::new(flow.remote.ip(), uri.port.unwrap_or(5060));
                listens.then_some(Flow { listener, remote, ..flow })
            }
            Transport::Tls | Transport::Ws | Transport::Wss => None,
        }
    }

    fn confirm_register(
        &mut self,
        now: Instant,
        from: Flow,
        key: &[u8],
        request: &Message,
        user: &str,
        outbound: Outbound,
    ) {
        self.raise(from.connection, Standing::Known);
        let here = self.registrar.remaining(now, user).filter(|(binding, _)| binding.flow == from);
        let here: Vec<String> = here.map(|(binding, _)| binding.uri.clone()).collect();
        let list: Vec<String> = self.registrar.remaining(now, user).map(|(b, seconds)| listed(b, seconds)).collect();
        if let Some(longest) = self.registrar.remaining(now, user).map(|(_, seconds)| seconds).max() {
            self.guard.registered(now, from.remote.ip(), Duration::from_secs(longest));
        }
        self.answer_register(now, from, key, request, 200, |w| {
            for contact in &list {
                w.header(HeaderName::Contact, contact);
            }
            // RFC 3327 §5.3: the phone sees the way that calls to it go.
            w.copy(request, HeaderName::Path).header(HeaderName::Supported, "path, outbound");
            if outbound == Outbound::Yes {
                w.header(HeaderName::Require, "outbound").named("Flow-Timer", FLOW_TIMER_S);
            }
        });
        self.phone_returned(now, from, &here);
    }

    fn answer_register(
        &mut self,
        now: Instant,
        from: Flow,
        key: &[u8],
        request: &Message,
        code: u16,
        more: impl FnOnce(&mut Writer),
    ) {
        match code {
            200 => self.stats.registrations.ok += 1,
            _ => self.stats.registrations.denied += 1,
        }
        let tag = self.stateless_tag(request);
        let reason = (code == 439).then_some("First Hop Lacks Outbound Support");
        let mut writer = response_to(request, code, reason, Some(&tag), from.remote);
        more(&mut writer);
        self.respond(now, from, key, request, code, writer);
    }
}

/// A contact as the answer to REGISTER lists it.
fn listed(binding: &Binding, seconds: u64) -> String {
    let mut line = format!("<{}>;expires={seconds}", binding.uri);
    if let Some(instance) = &binding.instance {
        line += &format!(";+sip.instance=\"{instance}\"");
    }
    if let Some(reg_id) = binding.reg_id {
        line += &format!(";reg-id={reg_id}");
    }
    line
}

/// Whether the phone's flows are kept apart (RFC 5626 §6).
fn outbound(from: Flow, request: &Message) -> Outbound {
    let asks = request.lists(HeaderName::Supported, "outbound")
        && request.contacts().flatten().any(|c| c.params.has("reg-id") && c.params.has("+sip.instance"));
    let direct = request.list(HeaderName::Via).count() <= 1;
    // Each proxy puts its Path value before the others: the last one is the phone's first hop.
    let edge = request.list(HeaderName::Path).last().and_then(NameAddr::parse);
    let knows = edge.and_then(|edge| edge.uri()).is_some_and(|uri| uri.params.has("ob"));
    match (asks, direct) {
        (false, _) => Outbound::No,
        (true, false) if !knows => Outbound::FirstHopLacksIt,
        (true, true) if !from.transport.is_reliable() => Outbound::No,
        (true, _) => Outbound::Yes,
    }
}

/// The Path values of a REGISTER; `None` when one is no address, or there are too many.
fn path_of(request: &Message) -> Option<Vec<String>> {
    let all = request.list(HeaderName::Path).map(|value| {
        NameAddr::parse(value)?.uri()?;
        Some(text(value).into_owned())
    });
    all.collect::<Option<Vec<_>>>().filter(|path| path.len() <= PATH_MAX)
}

/// The Contact headers of a REGISTER. `None`: `*` with anything but `Expires: 0`, or an address we could never
/// call.
fn wanted(request: &Message) -> Option<Wanted> {
    if request.contact_is_star() {
        return (request.expires() == Some(0)).then_some(Wanted::ForgetAll);
    }
    let each = request.contacts().map(|contact| {
        let contact = contact?;
        let uri = contact.uri().filter(|uri| matches!(uri.scheme, Scheme::Sip))?;
        // A Request-URI carries no headers (RFC 3261 §19.1.1).
        uri.headers.is_none().then_some(())?;
        let number = |name| contact.params.get(name).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        let instance = contact.params.get("+sip.instance").map(|value| text(&unquote(value)).into_owned());
        let instance = instance.filter(|name| name.len() <= INSTANCE_BYTES_MAX && !name.contains(['"', '\\']));
        Some(WantedContact {
            uri: text(without_headers(contact.uri)).into_owned(),
            expires_s: number("expires").or(request.expires()),
            q: contact.params.get("q").map_or(1000, q_value),
            // RFC 5626 §6: the number of a flow says nothing without the name of its phone.
            reg_id: number("reg-id").filter(|_| instance.is_some()),
            instance,
        })
    });
    each.collect::<Option<Vec<_>>>().map(Wanted::Each)
}

/// `0.7` as 700; what is no q value counts as 1.
fn q_value(value: &[u8]) -> u16 {
    let q = std::str::from_utf8(value).ok().and_then(|v| v.parse::<f32>().ok()).filter(|q| (0.0..=1.0).contains(q));
    // In range by the filter.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    q.map_or(1000, |q| (q * 1000.0) as u16)
}
