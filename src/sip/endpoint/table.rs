//! The live transactions: found by key, woken by time, forgotten when terminated.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use smallvec::SmallVec;

use super::super::header::Method;
use super::super::message::Message;
use super::super::transaction::{Client, ClientInvite, Output, Server, ServerInvite};
use super::api::{Flow, ReferId, SessionId};
use super::stats::Timing;

/// A table by numbers that we give out: nobody outside can choose ones that fall together, so they are spread and no more.
pub(super) type ByOwnId<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// Fibonacci hashing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn finish(&self) -> u64 {
        // The table takes its place from the low bits, which the product leaves poor.
        self.0 ^ (self.0 >> 32)
    }
}

/// All transactions. A client's id is the random part of its branch; a CANCEL shares that of its INVITE, so the
/// lowest bit tells them apart (RFC 3261 §17.1.3: the method of CSeq is part of the match).
#[derive(Debug, Default)]
pub(super) struct Transactions {
    clients: ByOwnId<u64, ClientEntry>,
    servers: ByOwnId<u64, ServerEntry>,
    keys: HashMap<Key, u64>,
    /// INVITEs under way, by what they keep when they come by several ways.
    calls: HashMap<u64, u64>,
    timers: BTreeSet<(Instant, Id)>,
    remotes: BTreeSet<(SocketAddr, u64)>,
    last_server: u64,
}

/// Branch, sent-by and method of a request, as bytes (RFC 3261 §17.2.3).
pub(super) type Key = Box<[u8]>;

#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(super) enum Id {
    Client(u64),
    Server(u64),
}

#[derive(Debug)]
pub(super) struct ClientEntry {
    pub machine: ClientMachine,
    pub flow: Flow,
    pub purpose: Purpose,
    /// Of an INVITE until its final response: what CANCEL and the ACK to a rejection copy. Of other requests of a
    /// session with a trunk too: they may be challenged.
    pub request: Bytes,
    /// Challenges that were answered for this request.
    pub answers: u8,
    pub cancel: Cancel,
    /// 2xx that were acknowledged, by their To tag, with the ACK.
    pub acks: SmallVec<[(Vec<u8>, Flow, Bytes); 1]>,
    /// The highest CSeq number that requests in early dialogs of this INVITE used.
    pub cseq: u32,
    pub timing: Timing,
    due: Option<Instant>,
}

#[derive(Debug)]
pub(super) enum ClientMachine {
    Invite(ClientInvite),
    Other(Client),
}

/// What a client transaction is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    Invite(SessionId),
    Reinvite(SessionId),
    /// UPDATE with an offer.
    Update(SessionId),
    /// UPDATE without one.
    Refresh(SessionId),
    Bye(SessionId),
    Notify(ReferId),
    /// OPTIONS to a host of a trunk.
    Probe,
    /// REGISTER at a trunk.
    Register,
    /// BYE in a dialog of a process that is gone.
    Orphan(SessionId),
    /// CANCEL, PRACK, or BYE to a fork that nobody wants: its answer changes nothing.
    Nothing,
}

/// Whether an INVITE of ours is to be cancelled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Cancel {
    No,
    /// As soon as the first provisional response comes (RFC 3261 §9.1); holds the Reason.
    Wanted(Option<String>),
    /// With this Reason.
    Sent(Option<String>),
}

impl Cancel {
    /// Why it is cancelled: a 2xx that crosses the CANCEL is ended for the same reason.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::No => None,
            Self::Wanted(reason) | Self::Sent(reason) => reason.clone(),
        }
    }
}

#[derive(Debug)]
pub(super) struct ServerEntry {
    pub machine: ServerMachine,
    pub flow: Flow,
    /// The session of an INVITE.
    pub session: Option<SessionId>,
    pub timing: Timing,
    key: Key,
    /// Its place in `Transactions::calls`.
    call: Option<u64>,
    due: Option<Instant>,
}

#[derive(Debug)]
pub(super) enum ServerMachine {
    Invite(ServerInvite),
    Other(Server),
}

impl Transactions {
    pub fn len(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    pub fn has_client(&self, id: u64) -> bool {
        self.clients.contains_key(&id)
    }

    pub fn add_client(
        &mut self,
        id: u64,
        machine: ClientMachine,
        flow: Flow,
        purpose: Purpose,
        request: Bytes,
        timing: Timing,
    ) {
        let entry = ClientEntry {
            machine,
            flow,
            purpose,
            request,
            answers: 0,
            cancel: Cancel::No,
            acks: SmallVec::new(),
            cseq: 0,
            timing,
            due: None,
        };
        self.remotes.insert((flow.remote, id));
        self.clients.insert(id, entry);
    }

    pub fn add_server(
        &mut self,
        key: Key,
        machine: ServerMachine,
        flow: Flow,
        session: Option<SessionId>,
        timing: Timing,
    ) -> u64 {
        self.last_server += 1;
        self.keys.insert(key.clone(), self.last_server);
        self.servers
            .insert(self.last_server, ServerEntry { machine, flow, session, timing, key, call: None, due: None });
        self.last_server
    }

    /// A new call: what it keeps when it comes by several ways (RFC 3261 §8.2.2.2).
    pub fn note_call(&mut self, server: u64, call: u64) {
        if let Some(entry) = self.servers.get_mut(&server) {
            entry.call = Some(call);
            self.calls.insert(call, server);
        }
    }

    /// True while a call with these marks is under way, or was a moment ago.
    pub fn has_call(&self, call: u64) -> bool {
        self.calls.contains_key(&call)
    }

    pub fn client(&mut self, id: u64) -> Option<&mut ClientEntry> {
        self.clients.get_mut(&id)
    }

    pub fn server(&mut self, id: u64) -> Option<&mut ServerEntry> {
        self.servers.get_mut(&id)
    }

    pub fn find(&self, key: &[u8]) -> Option<u64> {
        self.keys.get(key).copied()
    }

    /// The client transactions that go to this address.
    pub fn clients_to(&self, remote: SocketAddr) -> Vec<u64> {
        self.remotes.range((remote, u64::MIN)..=(remote, u64::MAX)).map(|(_, id)| *id).collect()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The transaction whose time has come at `now`.
    pub fn take_due(&mut self, now: Instant) -> Option<Id> {
        if self.timers.first()?.0 > now {
            return None;
        }
        let (_, id) = self.timers.pop_first()?;
        match id {
            Id::Client(client) => self.clients.get_mut(&client).map(|entry| entry.due = None),
            Id::Server(server) => self.servers.get_mut(&server).map(|entry| entry.due = None),
        };
        Some(id)
    }

    /// After its machine moved: notes the new deadline, or forgets it when terminated.
    pub fn settle_client(&mut self, id: u64) {
        let Some(entry) = self.clients.get_mut(&id) else { return };
        let (over, wanted) = (entry.machine.is_terminated(), entry.machine.poll_timeout());
        rearm(&mut self.timers, &mut entry.due, if over { None } else { wanted }, Id::Client(id));
        if over {
            self.remotes.remove(&(entry.flow.remote, id));
            self.clients.remove(&id);
        }
    }

    /// As [`Transactions::settle_client`].
    pub fn settle_server(&mut self, id: u64) {
        let Some(entry) = self.servers.get_mut(&id) else { return };
        let (over, wanted) = (entry.machine.is_terminated(), entry.machine.poll_timeout());
        rearm(&mut self.timers, &mut entry.due, if over { None } else { wanted }, Id::Server(id));
        if over && let Some(entry) = self.servers.remove(&id) {
            self.keys.remove(&entry.key);
            if let Some(call) = entry.call {
                self.calls.remove(&call);
            }
        }
    }
}

/// Moves one deadline in a timer queue.
pub(super) fn rearm<I: Copy + Ord>(
    timers: &mut BTreeSet<(Instant, I)>,
    noted: &mut Option<Instant>,
    wanted: Option<Instant>,
    id: I,
) {
    if *noted != wanted {
        if let Some(at) = *noted {
            timers.remove(&(at, id));
        }
        if let Some(at) = wanted {
            timers.insert((at, id));
        }
        *noted = wanted;
    }
}

impl ClientMachine {
    pub fn poll_output(&mut self) -> Option<Output> {
        match self {
            Self::Invite(invite) => invite.poll_output(),
            Self::Other(other) => other.poll_output(),
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Invite(invite) => invite.handle_timeout(now),
            Self::Other(other) => other.handle_timeout(now),
        }
    }

    pub fn handle_send_failed(&mut self) {
        match self {
            Self::Invite(invite) => invite.handle_send_failed(),
            Self::Other(other) => other.handle_send_failed(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Invite(invite) => invite.poll_timeout(),
            Self::Other(other) => other.poll_timeout(),
        }
    }

    fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(invite) => invite.is_terminated(),
            Self::Other(other) => other.is_terminated(),
        }
    }
}

impl ServerMachine {
    pub fn poll_output(&mut self) -> Option<Output> {
        match self {
            Self::Invite(invite) => invite.poll_output(),
            Self::Other(other) => other.poll_output(),
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Invite(invite) => invite.handle_timeout(now),
            Self::Other(other) => other.handle_timeout(now),
        }
    }

    /// The same request came again.
    pub fn handle_repeated(&mut self) {
        match self {
            Self::Invite(invite) => invite.handle_invite(),
            Self::Other(other) => other.handle_request(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Invite(invite) => invite.poll_timeout(),
            Self::Other(other) => other.poll_timeout(),
        }
    }

    fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(invite) => invite.is_terminated(),
            Self::Other(other) => other.is_terminated(),
        }
    }
}

/// The key of a request (RFC 3261 §17.2.3), built on the stack; ACK and CANCEL ask with the method of their
/// INVITE. Without the magic cookie the parts that an RFC 2543 client keeps the same take the branch's place.
pub(super) fn key(request: &Message, method: Method<'_>) -> Option<SmallVec<[u8; 128]>> {
    let via = request.via()?;
    let mut key = SmallVec::new();
    key.extend_from_slice(method.as_bytes());
    key.push(0);
    key.extend_from_slice(via.host);
    key.extend_from_slice(&via.port.unwrap_or(5060).to_be_bytes());
    let branch = via.branch().unwrap_or_default();
    key.extend_from_slice(branch);
    if !branch.get(..COOKIE.len()).is_some_and(|start| start.eq_ignore_ascii_case(COOKIE.as_bytes())) {
        key.push(0);
        key.extend_from_slice(request.call_id()?);
        key.push(0);
        key.extend_from_slice(request.from_tag().unwrap_or_default());
        key.extend_from_slice(&request.cseq()?.number.to_be_bytes());
    }
    Some(key)
}

/// What every branch since RFC 3261 begins with.
pub(super) const COOKIE: &str = "z9hG4bK";

/// The id in a branch of ours.
pub(super) fn id_of_branch(branch: &[u8]) -> Option<u64> {
    read_hex(branch.strip_prefix(COOKIE.as_bytes())?)
}

/// Reads the sixteen lower-case hex digits that [`hex`] writes.
pub(super) fn read_hex(digits: &[u8]) -> Option<u64> {
    let digits: &[u8; 16] = digits.try_into().ok()?;
    digits.iter().try_fold(0, |sum, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(sum << 4 | u64::from(value))
    })
}

/// Appends sixteen hex digits.
pub(super) fn hex(out: &mut String, value: u64) {
    for place in (0..16).rev() {
        let digit = u32::try_from((value >> (place * 4)) & 15).unwrap_or(0);
        out.push(char::from_digit(digit, 16).unwrap_or('0'));
    }
}
