//! Registrar: which phones a user can be reached at (RFC 3261 §10.3, RFC 3327, RFC 5626).
//!
//! A contact is reached over the flow its REGISTER came on, not at the host its URI names, so that phones
//! behind NAT are reached (RFC 5626 §5.3 without flow tokens), and through the proxies that Path names. A phone that
//! says its instance and the number of its flow has one contact for it, whatever URI it gives. Who may register is
//! decided before.
//!
//! Contacts of watched users over UDP are asked after when they are silent ([`Pulse`]): a phone that lost its power
//! says nothing, and its registration would run on.

mod pulse;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::config::Transport;
use super::endpoint::Flow;
use super::uri::Uri;

pub use pulse::{ANSWER_WITHIN, SILENCE};

use pulse::{Beat, Pulse};

/// Most contacts of one user; a further one replaces the one renewed longest ago.
pub const CONTACTS_MAX: usize = 10;
/// Shortest registration granted; shorter ones get 423.
pub const EXPIRES_MIN_S: u32 = 60;
/// Longest registration granted, and what is granted when none is asked for; watched users get less.
pub const EXPIRES_MAX_S: u32 = 3600;

/// All registrations; bounded by the configured users.
#[derive(Debug, Default)]
pub struct Registrar {
    users: HashMap<String, Account>,
    due: BTreeSet<(Instant, String)>,
    connections: BTreeMap<u64, BTreeSet<String>>,
    /// Watched users by the address that they are heard from.
    remotes: HashMap<SocketAddr, BTreeSet<String>>,
    renewals: u64,
    live: usize,
}

/// The contacts of one user, best first.
#[derive(Debug, Default)]
struct Account {
    held: Vec<Held>,
    /// Its place in `Registrar::due`: never later than something is due, often earlier. A renewal leaves it where it is.
    armed: Option<Instant>,
}

#[derive(Debug)]
struct Held {
    binding: Binding,
    until: Instant,
    renewal: u64,
    /// `None` when its silence says nothing.
    pulse: Option<Pulse>,
}

/// One place that a user registered, whole: what a later process needs to reach him there again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Binding {
    /// The Contact URI as written.
    pub uri: String,
    /// Where its REGISTER came from.
    pub flow: Flow,
    /// Preference in thousandths, 1000 best (`q`, RFC 3261 §20.10).
    pub q: u16,
    /// How long each renewal lasts, in seconds.
    pub expires_s: u32,
    /// Route values to it, first hop first (RFC 3327).
    pub path: Vec<String>,
    /// The phone's own name (`+sip.instance`, RFC 5626 §4.1).
    pub instance: Option<String>,
    /// Which of the phone's flows (`reg-id`, RFC 5626 §4.2).
    pub reg_id: Option<u32>,
    /// Call-ID of its last REGISTER.
    pub call_id: String,
    /// CSeq number of its last REGISTER.
    pub cseq: u32,
}

/// One place a user can be reached at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contact {
    /// What the Request-URI says.
    pub uri: String,
    /// Where to send.
    pub flow: Flow,
    /// Route values, first hop first.
    pub path: Vec<String>,
}

/// One REGISTER whose sender is proved to be `user`.
#[derive(Debug)]
pub struct Registration<'a> {
    /// The address of record's user part.
    pub user: &'a str,
    /// On what terms.
    pub terms: Terms,
    /// Its Call-ID.
    pub call_id: String,
    /// Its CSeq number.
    pub cseq: u32,
    /// Where it came from.
    pub flow: Flow,
    /// Its Path values, first hop first.
    pub path: Vec<String>,
    /// What it asks for.
    pub contacts: Wanted,
}

/// What is granted to a user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Terms {
    /// The longest registration, in seconds.
    pub expires_max_s: u32,
    /// His phones are asked after when they are silent.
    pub watched: bool,
}

/// The Contact headers of a REGISTER.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// `*` with `Expires: 0`: forget all.
    ForgetAll,
    /// Each contact by itself; none: only a question.
    Each(Vec<WantedContact>),
}

/// One Contact of a REGISTER.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WantedContact {
    /// Its URI as written.
    pub uri: String,
    /// Seconds asked for; 0 removes it; `None` leaves it to us.
    pub expires_s: Option<u32>,
    /// Preference in thousandths, 1000 best (`q`, RFC 3261 §20.10).
    pub q: u16,
    /// The phone's own name.
    pub instance: Option<String>,
    /// Which of the phone's flows; only together with `instance`.
    pub reg_id: Option<u32>,
}

/// Why nothing was changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// 423: shorter than [`EXPIRES_MIN_S`].
    #[error("interval too brief")]
    TooBrief,
    /// 500: a request of the same Call-ID with this CSeq or a higher one came before.
    #[error("out of order")]
    OutOfOrder,
}

/// How a contact went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Loss {
    /// It said so, or the user is no longer configured.
    Asked,
    /// Its time ran out.
    Expired,
    /// Its connection broke.
    Closed,
    /// It did not answer when it was asked after.
    Silent,
}

/// What a user's registrations came to. A mere renewal is none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A contact that was not there before, or is reached another way. It takes the place of the one with the same
    /// URI, or of the same flow of the same phone.
    Added {
        /// Whose.
        user: String,
        /// What.
        binding: Box<Binding>,
        /// True when the user had no contact before.
        first: bool,
    },
    /// One of several contacts is gone.
    Dropped {
        /// Whose.
        user: String,
        /// Its URI.
        uri: String,
        /// How.
        loss: Loss,
    },
    /// The last contact is gone.
    Gone {
        /// Whose.
        user: String,
        /// How.
        loss: Loss,
    },
}

/// What is due at a time.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Due {
    /// Contacts that are gone.
    pub changes: Vec<Change>,
    /// Contacts to ask for a sign of life.
    pub asks: Vec<Contact>,
}

impl Loss {
    /// True when nobody asked for it.
    pub fn is_involuntary(self) -> bool {
        match self {
            Self::Asked => false,
            Self::Expired | Self::Closed | Self::Silent => true,
        }
    }
}

impl Binding {
    /// True when a contact of this URI, or of this flow of this phone, takes its place.
    fn is_named(&self, uri: &str, instance: Option<&str>, reg_id: Option<u32>) -> bool {
        let same_flow = reg_id.is_some() && (self.instance.as_deref(), self.reg_id) == (instance, reg_id);
        same_flow || same_uri(&self.uri, uri)
    }

    /// True when a call to it goes the same way, and a later process would know it as well.
    fn is_same_way(&self, other: &Binding) -> bool {
        let way = |b: &Binding| (b.flow.transport, b.flow.listener, b.flow.remote, b.q, b.expires_s, b.reg_id);
        way(self) == way(other) && (&self.uri, &self.path, &self.instance) == (&other.uri, &other.path, &other.instance)
    }

    fn contact(&self) -> Contact {
        Contact { uri: self.uri.clone(), flow: self.flow, path: self.path.clone() }
    }
}

impl Registrar {
    /// Applies one REGISTER wholly or not at all (RFC 3261 §10.3 steps 6 and 7).
    ///
    /// # Errors
    ///
    /// See [`Refusal`]; nothing is changed then.
    pub fn register(&mut self, now: Instant, request: Registration<'_>) -> Result<Vec<Change>, Refusal> {
        self.judge(&request)?;
        let user = request.user.to_owned();
        let Account { mut held, armed } = self.take(&user);
        let had_none = held.is_empty();
        let (mut added, mut dropped) = (Vec::new(), Vec::new());
        let Registration { terms, call_id, cseq, flow, path, contacts, .. } = request;
        let contacts = match contacts {
            Wanted::ForgetAll => {
                held.clear();
                Vec::new()
            }
            Wanted::Each(contacts) => contacts,
        };
        for wanted in contacts.into_iter().take(CONTACTS_MAX) {
            let named = |h: &Held| h.binding.is_named(&wanted.uri, wanted.instance.as_deref(), wanted.reg_id);
            let (old, kept): (Vec<Held>, Vec<Held>) = held.into_iter().partition(named);
            held = kept;
            if wanted.expires_s == Some(0) {
                dropped.extend(old.into_iter().map(|h| h.binding.uri));
                continue;
            }
            let expires_s = wanted.expires_s.unwrap_or(terms.expires_max_s).min(terms.expires_max_s);
            let WantedContact { uri, q, instance, reg_id, .. } = wanted;
            let (call_id, path) = (call_id.clone(), path.clone());
            let binding = Binding { uri, flow, q, expires_s, path, instance, reg_id, call_id, cseq };
            if !old.iter().any(|h| h.binding.is_same_way(&binding)) {
                added.push(binding.clone());
            }
            held.push(self.hold(binding, now, terms, SILENCE));
        }
        dropped.extend(sorted_and_cut(&mut held));
        let left = held.len();
        self.put(&user, Account { held, armed });
        Ok(told(user, had_none, left, added, dropped))
    }

    /// A contact that the journal knows from an earlier process. It counts as renewed now, and a watched one has to
    /// answer soon.
    pub fn restore(&mut self, now: Instant, user: &str, binding: Binding, terms: Terms) -> Vec<Change> {
        let Account { mut held, armed } = self.take(user);
        let had_none = held.is_empty();
        held.retain(|h| !h.binding.is_named(&binding.uri, binding.instance.as_deref(), binding.reg_id));
        let added = vec![binding.clone()];
        // Spread out, for there may be a thousand.
        let first_ask = Duration::from_millis(1_000 + 100 * (self.renewals % 50));
        held.push(self.hold(binding, now, terms, first_ask));
        let dropped = sorted_and_cut(&mut held);
        let left = held.len();
        self.put(user, Account { held, armed });
        told(user.to_owned(), had_none, left, added, dropped)
    }

    /// The contacts of a user that are valid at `now`, best first.
    pub fn contacts(&self, now: Instant, user: &str) -> Vec<Contact> {
        let held = self.users.get(user).into_iter().flat_map(|account| &account.held);
        held.filter(|h| h.until > now).map(|h| h.binding.contact()).collect()
    }

    /// Where the page of this user is that gave itself this name (RFC 7118 §5.2): pages make up a user and a host that
    /// leads nowhere, and keep both for as long as they are open.
    pub fn flow_of_page(&self, user: &str, page: &Uri<'_>) -> Option<Flow> {
        let held = self.users.get(user).into_iter().flat_map(|account| &account.held);
        let is_it = |uri: &str| {
            Uri::parse(uri.as_bytes()).is_some_and(|uri| uri.host == page.host && uri.user_text() == page.user_text())
        };
        held.map(|held| &held.binding).find(|binding| is_it(&binding.uri)).map(|binding| binding.flow)
    }

    /// The contacts with the whole seconds they still have, for the answer to REGISTER.
    pub fn remaining(&self, now: Instant, user: &str) -> impl Iterator<Item = (&Binding, u64)> {
        let held = self.users.get(user).into_iter().flat_map(|account| &account.held);
        held.map(move |h| (&h.binding, h.until.saturating_duration_since(now).as_secs()))
    }

    /// Something came over this flow: who is registered there lives.
    pub fn heard(&mut self, now: Instant, flow: Flow) {
        if flow.transport != Transport::Udp {
            return;
        }
        let Some(users) = self.remotes.get(&flow.remote) else { return };
        for user in users {
            let Some(account) = self.users.get_mut(user) else { continue };
            for held in account.held.iter_mut().filter(|h| h.binding.flow.remote == flow.remote) {
                if let Some(pulse) = &mut held.pulse {
                    pulse.heard(now);
                }
            }
        }
    }

    /// The connection is gone and with it all contacts that were reached over it (RFC 5626 §5.3).
    pub fn handle_closed(&mut self, connection: u64) -> Vec<Change> {
        let users = self.connections.remove(&connection).unwrap_or_default();
        self.drop_where(users, Loss::Closed, |h| h.binding.flow.connection == Some(connection))
    }

    /// Drops the contacts of all users that are not `known` any more.
    pub fn keep_users(&mut self, known: impl Fn(&str) -> bool) -> Vec<Change> {
        let gone = self.due.iter().map(|(_, user)| user).filter(|user| !known(user)).cloned().collect::<BTreeSet<_>>();
        self.drop_where(gone, Loss::Asked, |_| true)
    }

    /// When something is due at the earliest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Drops what has expired at `now` or stayed silent, and says whom to ask for a sign of life.
    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        let mut out = Due::default();
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, user)) = self.due.pop_first() else { break };
            let mut held = self.take(&user).held;
            let mut lost = Vec::new();
            held.retain_mut(|h| {
                let loss = match h.pulse.as_mut().map_or(Beat::Well, |pulse| pulse.beat(now)) {
                    _ if h.until <= now => Some(Loss::Expired),
                    Beat::Dead => Some(Loss::Silent),
                    Beat::Ask => {
                        out.asks.push(h.binding.contact());
                        None
                    }
                    Beat::Well => None,
                };
                lost.extend(loss.map(|loss| (h.binding.uri.clone(), loss)));
                loss.is_none()
            });
            let left = held.len();
            self.put(&user, Account { held, armed: None });
            out.changes.extend(lost_of(&user, left, lost));
        }
        out
    }

    /// Contacts of all users.
    pub fn len(&self) -> usize {
        self.live
    }

    /// True when nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    fn judge(&self, request: &Registration<'_>) -> Result<(), Refusal> {
        let mut held = self.users.get(request.user).into_iter().flat_map(|account| &account.held);
        let stale = |h: &&Held| h.binding.call_id == request.call_id && h.binding.cseq >= request.cseq;
        let out_of_order = match &request.contacts {
            Wanted::ForgetAll => held.any(|h| stale(&h)),
            Wanted::Each(contacts) => {
                if contacts.iter().any(|c| c.expires_s.is_some_and(|s| s > 0 && s < EXPIRES_MIN_S)) {
                    return Err(Refusal::TooBrief);
                }
                let touched =
                    |h: &&Held| contacts.iter().any(|c| h.binding.is_named(&c.uri, c.instance.as_deref(), c.reg_id));
                held.filter(touched).any(|h| stale(&h))
            }
        };
        if out_of_order { Err(Refusal::OutOfOrder) } else { Ok(()) }
    }

    fn hold(&mut self, binding: Binding, now: Instant, terms: Terms, first_ask: Duration) -> Held {
        self.renewals += 1;
        let until = now + Duration::from_secs(u64::from(binding.expires_s));
        let watched = terms.watched && binding.flow.transport == Transport::Udp;
        Held { binding, until, renewal: self.renewals, pulse: watched.then(|| Pulse::new(now + first_ask)) }
    }

    fn drop_where(&mut self, users: BTreeSet<String>, loss: Loss, gone: impl Fn(&Held) -> bool) -> Vec<Change> {
        let mut changes = Vec::new();
        for user in users {
            let Account { mut held, armed } = self.take(&user);
            let lost = held.iter().filter(|h| gone(h)).map(|h| (h.binding.uri.clone(), loss)).collect();
            held.retain(|h| !gone(h));
            let left = held.len();
            self.put(&user, Account { held, armed });
            changes.extend(lost_of(&user, left, lost));
        }
        changes
    }

    /// Takes a user's contacts out, with all that points at them but the user's place in `due`.
    fn take(&mut self, user: &str) -> Account {
        let account = self.users.get_mut(user).map(std::mem::take).unwrap_or_default();
        self.live -= account.held.len();
        for held in &account.held {
            if let Some(connection) = held.binding.flow.connection
                && let Some(users) = self.connections.get_mut(&connection)
            {
                users.remove(user);
                if users.is_empty() {
                    self.connections.remove(&connection);
                }
            }
            if held.pulse.is_some()
                && let Some(users) = self.remotes.get_mut(&held.binding.flow.remote)
            {
                users.remove(user);
                if users.is_empty() {
                    self.remotes.remove(&held.binding.flow.remote);
                }
            }
        }
        account
    }

    /// Puts them back.
    fn put(&mut self, user: &str, Account { held, armed }: Account) {
        let due = held.iter().map(Held::due).min();
        let next = armed.filter(|at| due.is_some_and(|due| *at <= due)).or(due);
        if armed != next {
            armed.map(|at| self.due.remove(&(at, user.to_owned())));
            next.map(|at| self.due.insert((at, user.to_owned())));
        }
        if held.is_empty() {
            self.users.remove(user);
            return;
        }
        for h in &held {
            if let Some(connection) = h.binding.flow.connection {
                self.connections.entry(connection).or_default().insert(user.to_owned());
            }
            if h.pulse.is_some() {
                self.remotes.entry(h.binding.flow.remote).or_default().insert(user.to_owned());
            }
        }
        self.live += held.len();
        let account = Account { held, armed: next };
        match self.users.get_mut(user) {
            Some(place) => *place = account,
            None => drop(self.users.insert(user.to_owned(), account)),
        }
    }
}

impl Held {
    fn due(&self) -> Instant {
        self.pulse.as_ref().map_or(self.until, |pulse| pulse.poll_timeout().min(self.until))
    }
}

/// Best first: by q, then the one renewed last. Returns the URIs of those that are too many.
fn sorted_and_cut(held: &mut Vec<Held>) -> Vec<String> {
    held.sort_by_key(|h| (std::cmp::Reverse(h.binding.q), std::cmp::Reverse(h.renewal)));
    let mut cut = Vec::new();
    while held.len() > CONTACTS_MAX {
        let oldest = held.iter().enumerate().min_by_key(|(_, h)| h.renewal).map(|(at, _)| at);
        cut.push(held.remove(oldest.unwrap_or(0)).binding.uri);
    }
    cut
}

/// What one REGISTER came to, `left` contacts being there now.
fn told(user: String, had_none: bool, left: usize, added: Vec<Binding>, dropped: Vec<String>) -> Vec<Change> {
    if left == 0 {
        return if had_none { Vec::new() } else { vec![Change::Gone { user, loss: Loss::Asked }] };
    }
    let one =
        |(at, binding)| Change::Added { user: user.clone(), binding: Box::new(binding), first: had_none && at == 0 };
    let mut changes: Vec<Change> = added.into_iter().enumerate().map(one).collect();
    changes.extend(dropped.into_iter().map(|uri| Change::Dropped { user: user.clone(), uri, loss: Loss::Asked }));
    changes
}

/// What the loss of some contacts comes to, `left` being there still.
fn lost_of(user: &str, left: usize, lost: Vec<(String, Loss)>) -> Vec<Change> {
    match (left, lost.last()) {
        (0, Some((_, loss))) => vec![Change::Gone { user: user.to_owned(), loss: *loss }],
        _ => lost.into_iter().map(|(uri, loss)| Change::Dropped { user: user.to_owned(), uri, loss }).collect(),
    }
}

/// True for URIs that mean the same (RFC 3261 §19.1.4).
pub(super) fn same_uri(a: &str, b: &str) -> bool {
    a == b
        || match (Uri::parse(a.as_bytes()), Uri::parse(b.as_bytes())) {
            (Some(a), Some(b)) => a.equivalent(&b),
            (Some(_) | None, _) => false,
        }
}
