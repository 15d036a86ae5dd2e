//! Registrar: which phones a user can be reached at (RFC 3261 §10.3).
//!
//! A contact is reached over the flow its REGISTER came on, not at the host its URI names, so that phones
//! behind NAT are reached (RFC 5626 §5.3 without flow tokens). Who may register is decided before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::endpoint::Flow;
use super::uri::Uri;

/// Most contacts of one user; a further one replaces the one renewed longest ago.
pub const CONTACTS_MAX: usize = 10;
/// Shortest registration granted; shorter ones get 423.
pub const EXPIRES_MIN_S: u32 = 60;
/// Longest registration granted, and what is granted when none is asked for.
pub const EXPIRES_MAX_S: u32 = 3600;

/// All registrations; bounded by the configured users.
#[derive(Debug, Default)]
pub struct Registrar {
    users: BTreeMap<String, Vec<Binding>>,
    due: BTreeSet<(Instant, String)>,
    connections: BTreeMap<u64, BTreeSet<String>>,
    renewals: u64,
    live: usize,
}

#[derive(Debug)]
struct Binding {
    uri: String,
    flow: Flow,
    call_id: Vec<u8>,
    cseq: u32,
    q: u16,
    until: Instant,
    renewal: u64,
}

/// One place a user can be reached at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contact {
    /// What the Request-URI says.
    pub uri: String,
    /// Where to send.
    pub flow: Flow,
}

/// One REGISTER whose sender is proved to be `user`.
#[derive(Debug)]
pub struct Registration<'a> {
    /// The address of record's user part.
    pub user: &'a str,
    /// Its Call-ID.
    pub call_id: &'a [u8],
    /// Its CSeq number.
    pub cseq: u32,
    /// Where it came from.
    pub flow: Flow,
    /// What it asks for.
    pub contacts: Wanted,
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

/// What a user's registrations came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A contact that was not there before, or the same one over another transport.
    Added {
        /// Whose.
        user: String,
        /// Where it came from.
        flow: Flow,
        /// True when the user had no contact before.
        first: bool,
    },
    /// The last contact is gone.
    Gone {
        /// Whose.
        user: String,
        /// True when its time ran out or its connection broke.
        expired: bool,
    },
}

impl Registrar {
    /// Applies one REGISTER wholly or not at all (RFC 3261 §10.3 steps 6 and 7).
    ///
    /// # Errors
    ///
    /// See [`Refusal`]; nothing is changed then.
    pub fn register(&mut self, now: Instant, request: Registration<'_>) -> Result<Option<Change>, Refusal> {
        let existing = self.users.get(request.user).map_or(&[][..], Vec::as_slice);
        let stale = |b: &Binding| b.call_id == request.call_id && b.cseq >= request.cseq;
        let brief = |c: &WantedContact| c.expires_s.is_some_and(|s| s > 0 && s < EXPIRES_MIN_S);
        match &request.contacts {
            Wanted::ForgetAll if existing.iter().any(stale) => return Err(Refusal::OutOfOrder),
            Wanted::ForgetAll => {}
            Wanted::Each(contacts) => {
                if contacts.iter().any(brief) {
                    return Err(Refusal::TooBrief);
                }
                let touched = |b: &&Binding| contacts.iter().any(|c| same_uri(&b.uri, &c.uri));
                if existing.iter().filter(touched).any(stale) {
                    return Err(Refusal::OutOfOrder);
                }
            }
        }
        let mut bindings = self.take(request.user);
        let before = bindings.len();
        let mut added = false;
        match request.contacts {
            Wanted::ForgetAll => bindings.clear(),
            Wanted::Each(contacts) => {
                for contact in contacts.into_iter().take(CONTACTS_MAX) {
                    let old = bindings.iter().position(|b| same_uri(&b.uri, &contact.uri));
                    let old = old.map(|at| bindings.remove(at));
                    if contact.expires_s == Some(0) {
                        continue;
                    }
                    added |= old.is_none_or(|old| old.flow.transport != request.flow.transport);
                    let lifetime_s = contact.expires_s.unwrap_or(EXPIRES_MAX_S).min(EXPIRES_MAX_S);
                    self.renewals += 1;
                    bindings.push(Binding {
                        uri: contact.uri,
                        flow: request.flow,
                        call_id: request.call_id.to_vec(),
                        cseq: request.cseq,
                        q: contact.q,
                        until: now + Duration::from_secs(u64::from(lifetime_s)),
                        renewal: self.renewals,
                    });
                }
                // Best first: by q, then the one renewed last.
                bindings.sort_by_key(|b| (std::cmp::Reverse(b.q), std::cmp::Reverse(b.renewal)));
                while bindings.len() > CONTACTS_MAX {
                    let oldest = bindings.iter().enumerate().min_by_key(|(_, b)| b.renewal).map(|(at, _)| at);
                    bindings.remove(oldest.unwrap_or(0));
                }
            }
        }
        let left = bindings.len();
        self.put(request.user, bindings);
        let user = request.user.to_owned();
        Ok(match (before, left) {
            (0, 0) => None,
            (_, 0) => Some(Change::Gone { user, expired: false }),
            _ if added => Some(Change::Added { user, flow: request.flow, first: before == 0 }),
            _ => None,
        })
    }

    /// The contacts of a user that are valid at `now`, best first.
    pub fn contacts(&self, now: Instant, user: &str) -> Vec<Contact> {
        let live = self.users.get(user).into_iter().flatten().filter(|b| b.until > now);
        live.map(|b| Contact { uri: b.uri.clone(), flow: b.flow }).collect()
    }

    /// The contacts with the whole seconds they still have, for the answer to REGISTER.
    pub fn remaining(&self, now: Instant, user: &str) -> impl Iterator<Item = (&str, u64)> {
        let live = self.users.get(user).into_iter().flatten();
        live.map(move |b| (b.uri.as_str(), b.until.saturating_duration_since(now).as_secs()))
    }

    /// The connection is gone and with it all contacts that were reached over it (RFC 5626 §5.3).
    pub fn handle_closed(&mut self, connection: u64) -> Vec<Change> {
        let users = self.connections.remove(&connection).unwrap_or_default();
        self.drop_where(users, true, |b| b.flow.connection == Some(connection))
    }

    /// Drops the contacts of all users that are not `known` any more.
    pub fn keep_users(&mut self, known: impl Fn(&str) -> bool) -> Vec<Change> {
        let gone = self.users.keys().filter(|user| !known(user)).cloned().collect::<BTreeSet<_>>();
        self.drop_where(gone, false, |_| true)
    }

    /// When the next contact expires.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Drops what has expired at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Change> {
        let due = self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, user)| user.clone());
        let users = due.collect::<BTreeSet<_>>();
        self.drop_where(users, true, |b| b.until <= now)
    }

    /// Contacts of all users.
    pub fn len(&self) -> usize {
        self.live
    }

    /// True when nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    fn drop_where(&mut self, users: BTreeSet<String>, expired: bool, gone: impl Fn(&Binding) -> bool) -> Vec<Change> {
        let mut changes = Vec::new();
        for user in users {
            let mut bindings = self.take(&user);
            let before = bindings.len();
            bindings.retain(|b| !gone(b));
            let left = bindings.len();
            self.put(&user, bindings);
            if before > 0 && left == 0 {
                changes.push(Change::Gone { user, expired });
            }
        }
        changes
    }

    /// Takes a user's bindings out, with all that points at them.
    fn take(&mut self, user: &str) -> Vec<Binding> {
        let Some((user, bindings)) = self.users.remove_entry(user) else { return Vec::new() };
        self.live -= bindings.len();
        for connection in bindings.iter().filter_map(|b| b.flow.connection) {
            if let Some(users) = self.connections.get_mut(&connection) {
                users.remove(&user);
                if users.is_empty() {
                    self.connections.remove(&connection);
                }
            }
        }
        if let Some(at) = bindings.iter().map(|b| b.until).min() {
            self.due.remove(&(at, user));
        }
        bindings
    }

    /// Puts them back.
    fn put(&mut self, user: &str, bindings: Vec<Binding>) {
        let Some(at) = bindings.iter().map(|b| b.until).min() else { return };
        self.due.insert((at, user.to_owned()));
        for connection in bindings.iter().filter_map(|b| b.flow.connection) {
            self.connections.entry(connection).or_default().insert(user.to_owned());
        }
        self.live += bindings.len();
        self.users.insert(user.to_owned(), bindings);
    }
}

fn same_uri(a: &str, b: &str) -> bool {
    a == b
        || match (Uri::parse(a.as_bytes()), Uri::parse(b.as_bytes())) {
            (Some(a), Some(b)) => a.equivalent(&b),
            (Some(_) | None, _) => false,
        }
}

#[cfg(test)]
mod tests {
    use super::super::config::Transport;
    use super::*;

    fn flow(transport: Transport, connection: Option<u64>) -> Flow {
        Flow { transport, listener: 0, remote: "10.0.0.7:40000".parse().unwrap(), connection }
    }

    fn udp() -> Flow {
        flow(Transport::Udp, None)
    }

    fn contact(uri: &str, expires_s: Option<u32>) -> WantedContact {
        WantedContact { uri: uri.to_owned(), expires_s, q: 1000 }
    }

    fn ask(cseq: u32, flow: Flow, contacts: Vec<WantedContact>) -> Registration<'static> {
        Registration { user: "101", call_id: b"c1", cseq, flow, contacts: Wanted::Each(contacts) }
    }

    fn uris(registrar: &Registrar, now: Instant) -> Vec<String> {
        registrar.contacts(now, "101").into_iter().map(|c| c.uri).collect()
    }

    /// RFC 3261 §10.3: the time granted is ours to cut; when it is over the contact is gone.
    #[test]
    fn a_contact_lives_as_long_as_granted() {
        let now = Instant::now();
        let mut registrar = Registrar::default();
        let change = registrar.register(now, ask(1, udp(), vec![contact("sip:101@a", Some(90_000))]));
        assert_eq!(change, Ok(Some(Change::Added { user: "101".into(), flow: udp(), first: true })));
        assert_eq!(registrar.remaining(now, "101").collect::<Vec<_>>(), [("sip:101@a", 3600)]);
        let end = now + Duration::from_secs(3600);
        assert_eq!(registrar.poll_timeout(), Some(end));
        assert_eq!(registrar.handle_timeout(end - Duration::from_millis(1)), []);
        assert_eq!(registrar.handle_timeout(end), [Change::Gone { user: "101".into(), expired: true }]);
        assert_eq!((registrar.len(), registrar.poll_timeout()), (0, None));
    }

    /// RFC 3261 §10.3 step 7: an old request that arrives late changes nothing.
    #[test]
    fn a_late_request_of_the_same_call_id_is_out_of_order() {
        let now = Instant::now();
        let mut registrar = Registrar::default();
        registrar.register(now, ask(5, udp(), vec![contact("sip:101@a", None)])).unwrap();
        assert_eq!(
            registrar.register(now, ask(5, udp(), vec![contact("sip:101@a", Some(0))])),
            Err(Refusal::OutOfOrder)
        );
        let all = Registration { contacts: Wanted::ForgetAll, ..ask(4, udp(), vec![]) };
        assert_eq!(registrar.register(now, all), Err(Refusal::OutOfOrder));
        let other = Registration { call_id: b"c2", ..ask(1, udp(), vec![contact("sip:101@a", Some(0))]) };
        let gone = Change::Gone { user: "101".into(), expired: false };
        assert_eq!(registrar.register(now, other), Ok(Some(gone)));
    }

    /// RFC 3261 §10.2.8: 423 below the minimum, and nothing is changed.
    #[test]
    fn too_brief_is_refused_whole() {
        let now = Instant::now();
        let mut registrar = Registrar::default();
        let both = vec![contact("sip:101@a", None), contact("sip:101@b", Some(59))];
        assert_eq!(registrar.register(now, ask(1, udp(), both)), Err(Refusal::TooBrief));
        assert!(registrar.is_empty());
    }

    #[test]
    fn the_eleventh_contact_replaces_the_oldest() {
        let now = Instant::now();
        let mut registrar = Registrar::default();
        for n in 1..=11 {
            registrar.register(now, ask(n, udp(), vec![contact(&format!("sip:101@h{n}"), None)])).unwrap();
        }
        let uris = uris(&registrar, now);
        assert_eq!((uris.len(), registrar.len()), (10, 10));
        assert_eq!(uris.first().map(String::as_str), Some("sip:101@h11"), "the newest is the best guess");
        assert!(!uris.contains(&"sip:101@h1".to_owned()));
    }

    #[test]
    fn contacts_over_a_broken_connection_are_gone_and_others_stay() {
        let now = Instant::now();
        let mut registrar = Registrar::default();
        let tcp = flow(Transport::Tcp, Some(9));
        registrar.register(now, ask(1, tcp, vec![contact("sip:101@t;transport=tcp", None)])).unwrap();
        registrar.register(now, ask(2, udp(), vec![contact("sip:101@u", None)])).unwrap();
        assert_eq!(registrar.handle_closed(9), []);
        assert_eq!(uris(&registrar, now), ["sip:101@u"]);
        assert_eq!(registrar.handle_closed(9), []);
        assert!(registrar.connections.is_empty());
    }

    #[test]
    fn preference_comes_before_age_and_equal_uris_are_one() {
        let now = Instant::now();
        let mut registrar = Registrar::default();
        let low = WantedContact { q: 100, ..contact("sip:101@low", None) };
        registrar.register(now, ask(1, udp(), vec![contact("sip:101@HIGH;x=1", None), low])).unwrap();
        registrar.register(now, ask(2, udp(), vec![contact("sip:101@high;x=1", None)])).unwrap();
        assert_eq!(uris(&registrar, now), ["sip:101@high;x=1", "sip:101@low"]);
        assert_eq!(registrar.keep_users(|_| false), [Change::Gone { user: "101".into(), expired: false }]);
    }
}
