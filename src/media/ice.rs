//! ICE-lite (RFC 8445 §2.5): which sources are the peer's, and which of them gets our media.
//!
//! A lite agent has a public address and makes no checks of its own. The peer, a browser, checks each of its paths
//! with Binding requests; who knows our password may speak on the leg, and USE-CANDIDATE says where it wants to hear:
//!
//! ```text
//!   source unknown ──request with our integrity──> validated ──USE-CANDIDATE──> selected
//!         ^                                            │                           │
//!         └───────────── 30 s without a check ─────────┴───────────────────────────┘
//! ```
//!
//! Only datagrams from validated sources may go on to DTLS and SRTP: ask [`IceLite::admits`] for each. All others are
//! counted and dropped.
//!
//! Requests that are not signed with our password get no answer, although RFC 8489 §9.1.3 has 400 and 401 for them.
//! The port is public and sources of UDP are easily forged: an answer would make us a mirror for floods, and tell a
//! stranger which names are in use. A peer takes silence and 401 alike: the check has failed (RFC 8445 §7.2.5).
//!
//! One thread serves many legs at one port; [`stun_ufrag`] finds the leg of a check without reading more than it must.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::stun::{self, Key, Message, Response};

pub use super::stun::RESPONSE_BYTES_MAX;

/// A source that made no check for so long has taken back its consent (RFC 7675 §5.1).
pub const CONSENT: Duration = Duration::from_secs(30);
/// Sources of one leg. A browser has one for each of its networks and relays; beyond, the longest silent one goes.
pub const PAIRS_MAX: usize = 8;

/// Name and password of one side of a leg (RFC 8445 §5.3).
#[derive(Clone)]
pub struct Credentials {
    ufrag: Box<[u8]>,
    key: Key,
}

impl Credentials {
    /// `ufrag` is 4–256 characters with at least 24 random bits, `password` 22–256 with at least 128; both of
    /// letters, digits, `+` and `/`. Whoever makes them keeps to that; it is not checked here.
    pub fn new(ufrag: &str, password: &str) -> Self {
        Self { ufrag: ufrag.as_bytes().into(), key: Key::new(password.as_bytes()) }
    }

    /// True when USERNAME is `our ufrag:their ufrag`; any of theirs will do while it is not known.
    fn names(&self, username: &[u8], theirs: Option<&[u8]>) -> bool {
        let rest = username.strip_prefix(&*self.ufrag).and_then(|rest| rest.strip_prefix(b":"));
        rest.is_some_and(|rest| theirs.is_none_or(|theirs| rest == theirs))
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.ufrag.escape_ascii())
    }
}

/// One generation of names: it begins with the leg and with each ICE restart.
#[derive(Clone, Debug)]
struct Generation {
    ours: Credentials,
    theirs: Option<Box<[u8]>>,
}

/// A source whose check had our integrity.
#[derive(Clone, Copy, Debug)]
struct Pair {
    source: SocketAddr,
    checked_at: Instant,
}

/// What a leg has dropped and answered, in datagrams.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Checks with the right integrity, answered.
    pub checks: u64,
    /// STUN that cannot be read, or is neither request nor indication.
    pub malformed: u64,
    /// Requests for another name or without the right integrity.
    pub refused: u64,
    /// Datagrams of other protocols from sources that were not validated.
    pub strangers: u64,
}

/// The ICE side of one leg.
///
/// Doors: [`handle_datagram`](Self::handle_datagram) for STUN, [`handle_timeout`](Self::handle_timeout) and
/// [`poll_timeout`](Self::poll_timeout) for consent. Nothing is allocated after construction but by `restart`.
#[derive(Clone, Debug)]
pub struct IceLite {
    now: Generation,
    /// The names before a restart, until the peer uses the new ones.
    before: Option<Generation>,
    /// In the order in which they were validated.
    pairs: SmallVec<[Pair; PAIRS_MAX]>,
    nominated: Option<SocketAddr>,
    counts: Counts,
}

impl IceLite {
    /// `theirs` is the peer's ufrag, `None` while its SDP is not known: when we offered, checks may come before the
    /// answer does.
    pub fn new(ours: Credentials, theirs: Option<&str>) -> Self {
        let theirs = theirs.map(|t| t.as_bytes().into());
        Self {
            now: Generation { ours, theirs },
            before: None,
            pairs: SmallVec::new(),
            nominated: None,
            counts: Counts::default(),
        }
    }

    /// The peer's ufrag came with its answer: from here on checks under another one are refused.
    pub fn set_theirs(&mut self, theirs: &str) {
        self.now.theirs = Some(theirs.as_bytes().into());
    }

    /// ICE restart (RFC 8445 §9): both sides take new names. The old ones stay good until the first check with the
    /// new ones, and media stays on the old path until the peer nominates one again.
    pub fn restart(&mut self, ours: Credentials, theirs: Option<&str>) {
        let next = Generation { ours, theirs: theirs.map(|t| t.as_bytes().into()) };
        self.before = Some(std::mem::replace(&mut self.now, next));
    }

    /// Takes one STUN datagram and writes the answer to `out`.
    ///
    /// Returns the answer's length in bytes, to be sent back to `source`; `None` when there is none. Afterwards
    /// [`selected`](Self::selected) may be another.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        datagram: &[u8],
        out: &mut [u8; RESPONSE_BYTES_MAX],
    ) -> Option<usize> {
        let message = match Message::parse(datagram) {
            Ok(message) if message.kind == stun::BINDING_REQUEST => message,
            // A keep-alive: it has no integrity, so it proves nothing and renews no consent (RFC 7675 §5.1).
            Ok(message) if message.kind == stun::BINDING_INDICATION => return None,
            // We never ask, so nothing can be an answer.
            Ok(_) | Err(_) => {
                self.counts.malformed += 1;
                return None;
            }
        };
        let Some(key) = self.authenticate(&message) else {
            self.counts.refused += 1;
            return None;
        };
        self.counts.checks += 1;
        let response = if !message.unknown().is_empty() {
            Response::UnknownAttributes(message.unknown())
        } else if message.controlled {
            // The lite side never leads (RFC 8445 §6.1.1), so it has nothing to switch to: the sender must.
            Response::RoleConflict
        } else {
            self.validate(now, source);
            if message.use_candidate {
                self.nominated = Some(source);
            }
            Response::Success(source)
        };
        Some(stun::respond(&message, response, &key, out))
    }

    /// The key with which the request is signed, when it is one of ours; new names end the old ones.
    fn authenticate(&mut self, message: &Message<'_>) -> Option<Key> {
        let username = message.username?;
        let signed = |generation: &Generation| {
            let Generation { ours, theirs } = generation;
            (ours.names(username, theirs.as_deref()) && message.is_signed_by(&ours.key)).then(|| ours.key.clone())
        };
        if let Some(key) = signed(&self.now) {
            self.before = None;
            return Some(key);
        }
        self.before.as_ref().and_then(signed)
    }

    /// Notes a good check from `source`.
    fn validate(&mut self, now: Instant, source: SocketAddr) {
        if let Some(pair) = self.pairs.iter_mut().find(|pair| pair.source == source) {
            pair.checked_at = now;
            return;
        }
        if self.pairs.len() >= PAIRS_MAX {
            let selected = self.selected();
            let idle = self.pairs.iter().enumerate().filter(|(_, pair)| Some(pair.source) != selected);
            if let Some((at, _)) = idle.min_by_key(|(_, pair)| pair.checked_at) {
                self.pairs.remove(at);
            }
        }
        self.pairs.push(Pair { source, checked_at: now });
    }

    /// True when the source was validated: its DTLS and SRTP may be read. Strangers are counted.
    pub fn admits(&mut self, source: SocketAddr) -> bool {
        let known = self.pairs.iter().any(|pair| pair.source == source);
        if !known {
            self.counts.strangers += 1;
        }
        known
    }

    /// Where our media goes: the source nominated last, else the one validated first; `None` while there is none.
    ///
    /// Media before a nomination is allowed (RFC 8445 §12.1) and spares the first words of a talk.
    pub fn selected(&self) -> Option<SocketAddr> {
        self.nominated.or_else(|| self.pairs.first().map(|pair| pair.source))
    }

    /// When the next source loses its consent; `None` while there is no source.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pairs.iter().map(|pair| pair.checked_at + CONSENT).min()
    }

    /// Drops sources without consent; calling it early does nothing. Returns true when the last one went: nothing may
    /// be sent to this peer until it makes a check again (RFC 7675 §5.1).
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let before = self.pairs.len();
        self.pairs.retain(|pair| now < pair.checked_at + CONSENT);
        let Self { pairs, nominated, .. } = self;
        if nominated.is_some_and(|source| pairs.iter().all(|pair| pair.source != source)) {
            *nominated = None;
        }
        before > 0 && pairs.is_empty()
    }

    /// What was dropped and answered so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

/// Our part of the USERNAME of a Binding request, to find its leg at a port that many legs share.
///
/// Nothing is proven by it: [`IceLite::handle_datagram`] of the leg checks the rest.
pub fn stun_ufrag(datagram: &[u8]) -> Option<&[u8]> {
    let message = Message::parse(datagram).ok().filter(|m| m.kind == stun::BINDING_REQUEST)?;
    message.username?.split(|b| *b == b':').next()
}

#[cfg(test)]
pub(super) mod tests;
