//! The endpoint's side of the guard: what a message is, who is known, what is told.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::super::config::Transport;
use super::super::digest::Authorization;
use super::super::guard::{Answered, Ban, Class, Count, Peek, Standing, Verdict, peek};
use super::super::header::HeaderName;
use super::super::message::{Malformed, Message, ParseError};
use super::table::{self, ClientMachine};
use super::{Endpoint, Event, Flow};

/// So long a message may have waited without anybody asking what it is, from a trusted network.
const AT_ONCE: Duration = Duration::from_millis(20);

impl Endpoint {
    /// Judges a message before it is read.
    pub(super) fn admit(&mut self, now: Instant, received: Instant, from: Flow, bytes: &[u8]) -> Verdict {
        let standing = self.standing(now, from);
        if standing == Standing::Trusted && now.saturating_duration_since(received) <= AT_ONCE {
            return Verdict::Pass;
        }
        let class = self.class(&peek(bytes));
        self.guard.admit(now, received, from.remote, standing, class)
    }

    fn class(&self, seen: &Peek<'_>) -> Class {
        match (seen.method, seen.to_tag) {
            (b"" | b"ACK", _) => Class::Kept,
            (_, Some(tag)) => match table::read_hex(tag).is_some_and(|tag| self.tags.contains_key(&tag)) {
                true => Class::Kept,
                false => Class::Claim,
            },
            (b"CANCEL" | b"BYE" | b"PRACK" | b"UPDATE", None) => Class::Claim,
            (b"INVITE", None) if self.guard.is_emergency(seen.user) => Class::Emergency,
            (b"INVITE", None) => Class::Call,
            (_, None) => Class::Other,
        }
    }

    /// What is known of an address.
    fn standing(&self, now: Instant, from: Flow) -> Standing {
        let ip = from.remote.ip().to_canonical();
        let standing = self.guard.standing(now, ip);
        let known = || self.config.trunks.contains_key(&ip) || self.is_fixed(ip) || self.is_proved_trunk(from);
        match standing {
            Standing::Stranger if known() => Standing::Known,
            Standing::Stranger | Standing::Known | Standing::Trusted => standing,
        }
    }

    /// A trunk's certificate is at the other end of the connection.
    fn is_proved_trunk(&self, from: Flow) -> bool {
        self.links.peer(from).is_some_and(|peer| self.config.trunk_peers.contains_key(peer))
    }

    /// A phone with a fixed address is there.
    fn is_fixed(&self, ip: IpAddr) -> bool {
        let ports = SocketAddr::new(ip, 0)..=SocketAddr::new(ip, u16::MAX);
        self.config.fixed.range(ports).next().is_some()
    }

    /// 503 without state: come back later.
    pub(super) fn put_off(&mut self, from: Flow, request: &Message, seconds: u32) {
        self.reply(from, request, 503, None, |w| {
            w.header(HeaderName::RetryAfter, seconds.to_string());
        });
    }

    /// 403 without a look at the credentials: there were too many wrong ones.
    pub(super) fn refuse_tries(&mut self, from: Flow, request: &Message, seconds: u32) {
        self.reply(from, request, 403, Some("Too many wrong passwords"), |w| {
            w.header(HeaderName::RetryAfter, seconds.to_string());
        });
    }

    /// Counts what came of an answer to a challenge.
    pub(super) fn answered(&mut self, now: Instant, from: Flow, answer: &Authorization<'_>, answered: Answered) {
        let standing = self.standing(now, from);
        let ban = self.guard.answered(now, from.remote.ip(), standing, &answer.username, answered);
        if let Some(ban) = ban {
            self.event(Event::Banned { address: ban.address, seconds: ban.left.as_secs(), times: ban.times });
        }
    }

    /// Counts what is over the limits of the reader.
    pub(super) fn note_size(&mut self, malformed: &Malformed) {
        match malformed.error {
            ParseError::TooLarge(_) => self.guard.count(Count::DropSize),
            ParseError::TooManyHeaders => self.guard.count(Count::RefuseSize),
            ParseError::Empty | ParseError::StartLine | ParseError::HeaderLine(_) | ParseError::Unterminated => {}
        }
    }

    /// True when the answer to this request would be more than twice as long and its sender may be invented: an
    /// address in a datagram proves nothing.
    pub(super) fn amplifies(&self, from: Flow, request: &Message, answer_bytes: usize) -> bool {
        let Some(now) = self.guard.latest() else { return false };
        from.transport == Transport::Udp
            && answer_bytes > 2 * request.bytes().len()
            && self.standing(now, from) == Standing::Stranger
    }

    /// True for an INVITE of ours that came back for the same destination: a loop. For another destination it is a
    /// spiral, which Max-Forwards ends.
    pub(super) fn is_own_invite(&mut self, request: &Message) -> bool {
        let session = request.from_tag().and_then(table::read_hex).and_then(|tag| self.tags.get(&tag));
        let Some(session) = session.and_then(|id| self.sessions.get(id)) else { return false };
        if !session.dialog.is_own(request) {
            return false;
        }
        let branches = request.list(HeaderName::Via).skip(1).filter_map(super::super::message::Via::parse);
        let ours = branches.filter_map(|via| table::id_of_branch(via.branch()?)).collect::<Vec<_>>();
        let dialled = request.request_uri().and_then(|uri| uri.user_text());
        ours.into_iter().any(|id| match self.transactions.client(id) {
            Some(entry) if matches!(entry.machine, ClientMachine::Invite(_)) => {
                let sent = Message::parse(entry.request.clone()).ok();
                sent.and_then(|sent| sent.request_uri().and_then(|uri| uri.user_text())) == dialled
            }
            Some(_) | None => false,
        })
    }

    /// Who is banned now.
    pub fn bans(&self, now: Instant) -> Vec<Ban> {
        self.guard.bans(now)
    }

    /// Ends a ban; false when there is none.
    pub fn unban(&mut self, now: Instant, address: IpAddr) -> bool {
        self.guard.unban(now, address)
    }

    /// A user is registered from this address for so long: it is known from now on.
    pub fn know_source(&mut self, now: Instant, address: IpAddr, lasts: Duration) {
        self.guard.registered(now, address, lasts);
    }
}
