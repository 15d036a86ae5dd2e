//! Trace: the last SIP messages of each call, as they went over the wire.
//!
//! Every message that is heard or sent is noted under its Call-ID; the engine says which call a Call-ID belongs to. So
//! a call's record holds all its legs, with what came before there was a call (a challenge, a first INVITE), and it
//! stays after the call until newer ones need the room. Attempts that never became a call are kept apart, and so is
//! all that is no call at all, so that neither a flood of strangers nor a thousand phones that register push out the
//! calls.
//!
//! ```text
//!   first INVITE ─> Attempt ──attach──> Live ──ended──> Ended      other requests ─> Other
//!                      └── oldest goes ──┴── oldest ended goes first ──┴── oldest goes ─┘
//! ```
//!
//! Bytes are kept as they are and masked when somebody looks ([`Seen::text`]), so noting costs a look for the Call-ID
//! and a copy. What the guard dropped unread is not noted.

mod mask;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use super::config::Transport;
use super::endpoint::Flow;
use super::guard::line;
use crate::id::CallId;

/// Messages kept of a record's beginning.
const FIRST: usize = 16;
/// Messages kept of its end; what is between is counted.
const LAST: usize = 48;
/// Most bytes kept of one message: far more than any usual one has.
const MESSAGE_BYTES: usize = 8 << 10;
/// Most bytes of all calls.
const CALLS_BYTES: usize = 64 << 20;
/// Most bytes of all attempts, and of all that is no call.
const OTHERS_BYTES: usize = 4 << 20;
/// What a message costs beside its bytes.
const OVERHEAD_BYTES: usize = 128;
/// Call-IDs that lead to one record; the oldest is forgotten, its messages stay.
const NAMES_MAX: usize = 64;
/// Calls that one record belongs to: a transferred leg has two.
const OWNERS_MAX: usize = 8;
/// Records that make up one call.
const PARTS_MAX: usize = 16;
/// Longer Call-IDs are told apart by their beginning.
const CALL_ID_BYTES: usize = 256;

/// The way of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From the peer to us.
    In,
    /// From us to the peer.
    Out,
}

/// One message of a trace.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its place in the order of all messages of this process.
    pub number: u64,
    /// When it was handled.
    pub at: Instant,
    /// Which way it went.
    pub direction: Direction,
    /// From or to whom.
    pub flow: Flow,
    /// Its length on the wire, in bytes.
    pub size: usize,
    /// As it was; the beginning, when it was very long. Secrets and all: never shown but through [`Seen::text`].
    bytes: Bytes,
}

/// What is kept of one call, or of one Call-ID that belongs to none.
#[derive(Clone, Debug)]
pub struct View {
    /// The calls these messages belong to; none for an attempt that was refused.
    pub calls: Vec<CallId>,
    /// Messages of the middle that are not kept any more.
    pub left_out: u64,
    /// The others, in the order of time.
    pub messages: Vec<Seen>,
}

/// All records. See the module.
#[derive(Debug, Default)]
pub struct Trace {
    /// Most calls; 0 = nothing is noted.
    calls_max: usize,
    records: HashMap<u64, Record>,
    by_name: HashMap<Box<[u8]>, u64>,
    by_call: BTreeMap<CallId, Vec<u64>>,
    other: Shelf,
    attempts: Shelf,
    live: Shelf,
    ended: Shelf,
    /// Numbers messages, records and their places on a shelf.
    last_number: u64,
}

/// Where a record stands: decides who goes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Other,
    Attempt,
    Live,
    Ended,
}

/// Records of one place, the longest there first.
#[derive(Debug, Default)]
struct Shelf {
    order: BTreeSet<(u64, u64)>,
    bytes: usize,
}

#[derive(Debug)]
struct Record {
    place: Place,
    /// Since when it is there, as a number.
    since: u64,
    names: VecDeque<Box<[u8]>>,
    calls: Vec<CallId>,
    /// How many of the calls are up.
    up: usize,
    first: Vec<Seen>,
    last: VecDeque<Seen>,
    left_out: u64,
    bytes: usize,
}

impl Trace {
    /// Keeps the last `calls_max` calls and a quarter as many attempts; 0 keeps nothing.
    pub fn new(calls_max: usize) -> Self {
        Self { calls_max, ..Self::default() }
    }

    /// From now on the last `calls_max` calls.
    pub fn set_calls_max(&mut self, calls_max: usize) {
        match calls_max {
            0 => *self = Self { last_number: self.last_number, ..Self::default() },
            _ => self.calls_max = calls_max,
        }
        self.make_room();
    }

    /// True when messages are noted.
    pub fn is_on(&self) -> bool {
        self.calls_max > 0
    }

    /// A message was heard from, or sent to, the other end of `flow`.
    ///
    /// A request with a new Call-ID begins a record; a response and an ACK only join one.
    pub fn note(&mut self, now: Instant, direction: Direction, flow: Flow, bytes: &Bytes) {
        if !self.is_on() {
            return;
        }
        let Some(name) = call_id_of(bytes) else { return };
        let id = match self.by_name.get(name).copied() {
            Some(id) => id,
            None => match place_of_first(bytes) {
                Some(place) => self.begin(name, place),
                None => return,
            },
        };
        let number = self.next_number();
        let seen = Seen { number, at: now, direction, flow, size: bytes.len(), bytes: kept(direction, flow, bytes) };
        self.push(id, seen);
        self.make_room();
    }

    /// This Call-ID is a leg of this call.
    pub fn attach(&mut self, call: CallId, call_id: &[u8]) {
        if !self.is_on() {
            return;
        }
        let name = cut(call_id);
        let own = self.by_call.get(&call).and_then(|parts| parts.first()).copied();
        let found = self.by_name.get(name).copied();
        match (own, found) {
            (Some(own), Some(found)) if own == found => {}
            (Some(own), Some(found)) if self.is_free(found) => self.merge(found, own),
            (Some(own), None) => self.name(own, name),
            (_, Some(found)) => self.give(found, call),
            (None, None) => {
                let id = self.begin(name, Place::Live);
                self.give(id, call);
            }
        }
        self.make_room();
    }

    /// The call is over: what is kept of it goes before what is kept of calls that are up.
    pub fn ended(&mut self, call: CallId) {
        for id in self.by_call.get(&call).cloned().unwrap_or_default() {
            let Some(record) = self.records.get_mut(&id) else { continue };
            record.up = record.up.saturating_sub(1);
            if record.up == 0 {
                self.put(id, Place::Ended);
            }
        }
    }

    /// All messages of a call; `None` when nothing is kept of it.
    pub fn of_call(&self, call: CallId) -> Option<View> {
        self.by_call.get(&call).map(|parts| self.view(parts))
    }

    /// All messages with this Call-ID, with those of its call when it has one.
    pub fn of_call_id(&self, call_id: &[u8]) -> Option<View> {
        let id = *self.by_name.get(cut(call_id))?;
        let call = self.records.get(&id)?.calls.first();
        call.and_then(|call| self.of_call(*call)).or_else(|| Some(self.view(&[id])))
    }

    fn view(&self, parts: &[u64]) -> View {
        let mut view = View { calls: Vec::new(), left_out: 0, messages: Vec::new() };
        for record in parts.iter().filter_map(|id| self.records.get(id)) {
            view.calls.extend_from_slice(&record.calls);
            view.left_out += record.left_out;
            view.messages.extend(record.first.iter().chain(&record.last).cloned());
        }
        view.calls.sort();
        view.calls.dedup();
        view.messages.sort_by_key(|seen| seen.number);
        view
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn begin(&mut self, name: &[u8], place: Place) -> u64 {
        let id = self.next_number();
        let record = Record {
            place,
            since: id,
            names: VecDeque::new(),
            calls: Vec::new(),
            up: 0,
            first: Vec::new(),
            last: VecDeque::new(),
            left_out: 0,
            bytes: 0,
        };
        self.records.insert(id, record);
        self.shelf(place).order.insert((id, id));
        self.name(id, name);
        id
    }

    fn name(&mut self, id: u64, name: &[u8]) {
        let Some(record) = self.records.get_mut(&id) else { return };
        record.names.push_back(name.into());
        if record.names.len() > NAMES_MAX
            && let Some(oldest) = record.names.pop_front()
        {
            self.by_name.remove(&oldest);
        }
        self.by_name.insert(name.into(), id);
    }

    fn is_free(&self, id: u64) -> bool {
        self.records.get(&id).is_some_and(|record| record.calls.is_empty())
    }

    /// The record belongs to this call too.
    fn give(&mut self, id: u64, call: CallId) {
        let Some(record) = self.records.get_mut(&id) else { return };
        let parts = self.by_call.entry(call).or_default();
        if parts.contains(&id) || parts.len() >= PARTS_MAX || record.calls.len() >= OWNERS_MAX {
            return;
        }
        parts.push(id);
        record.calls.push(call);
        record.up += 1;
        self.put(id, Place::Live);
    }

    /// Puts what was noted under a Call-ID before its call was known into the call's record.
    fn merge(&mut self, from: u64, into: u64) {
        let Some(from) = self.remove(from) else { return };
        for name in &from.names {
            self.name(into, name);
        }
        if let Some(record) = self.records.get_mut(&into) {
            record.left_out += from.left_out;
        }
        for seen in from.first.into_iter().chain(from.last) {
            self.push(into, seen);
        }
    }

    fn push(&mut self, id: u64, seen: Seen) {
        let Some(record) = self.records.get_mut(&id) else { return };
        let (place, before) = (record.place, record.bytes);
        record.push(seen);
        let after = record.bytes;
        let shelf = self.shelf(place);
        shelf.bytes = (shelf.bytes + after).saturating_sub(before);
    }

    /// Moves a record to another shelf.
    fn put(&mut self, id: u64, place: Place) {
        let since = self.next_number();
        let Some(record) = self.records.get_mut(&id) else { return };
        if record.place == place {
            return;
        }
        let (old, entry, bytes) = (record.place, (record.since, id), record.bytes);
        (record.place, record.since) = (place, since);
        self.shelf(old).take(entry, bytes);
        let shelf = self.shelf(place);
        shelf.order.insert((since, id));
        shelf.bytes += bytes;
    }

    fn remove(&mut self, id: u64) -> Option<Record> {
        let record = self.records.remove(&id)?;
        self.shelf(record.place).take((record.since, id), record.bytes);
        for name in &record.names {
            self.by_name.remove(name);
        }
        for call in &record.calls {
            if let Some(parts) = self.by_call.get_mut(call) {
                parts.retain(|part| *part != id);
                if parts.is_empty() {
                    self.by_call.remove(call);
                }
            }
        }
        Some(record)
    }

    fn make_room(&mut self) {
        let others_max = self.calls_max.div_ceil(4);
        while let Some(id) = self.attempts.surplus(others_max, OTHERS_BYTES) {
            self.remove(id);
        }
        while let Some(id) = self.other.surplus(others_max, OTHERS_BYTES) {
            self.remove(id);
        }
        while self.live.order.len() + self.ended.order.len() > self.calls_max
            || self.live.bytes + self.ended.bytes > CALLS_BYTES
        {
            let Some((_, id)) = self.ended.order.first().or(self.live.order.first()).copied() else { break };
            self.remove(id);
        }
    }

    fn shelf(&mut self, place: Place) -> &mut Shelf {
        match place {
            Place::Other => &mut self.other,
            Place::Attempt => &mut self.attempts,
            Place::Live => &mut self.live,
            Place::Ended => &mut self.ended,
        }
    }
}

impl Shelf {
    fn take(&mut self, entry: (u64, u64), bytes: usize) {
        self.order.remove(&entry);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// The record that must go, if there is too much.
    fn surplus(&self, most: usize, most_bytes: usize) -> Option<u64> {
        let over = self.order.len() > most || self.bytes > most_bytes;
        self.order.first().filter(|_| over).map(|(_, id)| *id)
    }
}

impl Record {
    fn push(&mut self, seen: Seen) {
        self.bytes += seen.cost();
        if self.first.len() < FIRST {
            return self.first.push(seen);
        }
        self.last.push_back(seen);
        if self.last.len() > LAST
            && let Some(oldest) = self.last.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(oldest.cost());
            self.left_out += 1;
        }
    }
}

impl Seen {
    fn cost(&self) -> usize {
        self.bytes.len() + OVERHEAD_BYTES
    }

    /// The message as text, with every secret in it replaced by `***`: passwords, nonces and the answers to them,
    /// media keys, digits told by INFO. Bytes that are no UTF-8 become `U+FFFD`.
    pub fn text(&self) -> String {
        let mut text = mask::masked(&self.bytes);
        if self.size > self.bytes.len() {
            text.push_str(&format!("\n[the last {} bytes are not kept]", self.size - self.bytes.len()));
        }
        text
    }

    /// Its Call-ID.
    pub fn call_id(&self) -> String {
        String::from_utf8_lossy(call_id_of(&self.bytes).unwrap_or_default()).into_owned()
    }

    /// The method; of a response, the one that CSeq tells.
    pub fn method(&self) -> String {
        let (first, _) = line(self.bytes.trim_ascii_start());
        let word = match first.starts_with(b"SIP/") {
            true => {
                value_of(&self.bytes, b"cseq", b"cseq").and_then(|cseq| cseq.rsplit(u8::is_ascii_whitespace).next())
            }
            false => first.split(u8::is_ascii_whitespace).next(),
        };
        String::from_utf8_lossy(word.unwrap_or_default()).into_owned()
    }

    /// The status code of a response.
    pub fn code(&self) -> Option<u16> {
        let (first, _) = line(self.bytes.trim_ascii_start());
        let code = first.starts_with(b"SIP/").then(|| first.split(u8::is_ascii_whitespace).nth(1))??;
        std::str::from_utf8(code).ok()?.parse().ok()
    }

    /// True when it is byte for byte `other` over again: a retransmission.
    pub fn repeats(&self, other: &Seen) -> bool {
        self.direction == other.direction && self.flow.remote == other.flow.remote && self.bytes == other.bytes
    }
}

/// What is kept of a message. A datagram received has its bytes for itself; a slice of a stream would hold on to the
/// whole read, and a message written to the room it was written into.
fn kept(direction: Direction, flow: Flow, bytes: &Bytes) -> Bytes {
    match bytes.get(..MESSAGE_BYTES) {
        Some(beginning) => Bytes::copy_from_slice(beginning),
        None if direction == Direction::In && flow.transport == Transport::Udp => bytes.clone(),
        None => Bytes::copy_from_slice(bytes),
    }
}

/// Where the record of this first message stands; `None` when it begins none.
fn place_of_first(bytes: &[u8]) -> Option<Place> {
    let bytes = bytes.trim_ascii_start();
    match bytes {
        [b'S', b'I', b'P', b'/', ..] | [b'A', b'C', b'K', b' ', ..] => None,
        [b'I', b'N', b'V', b'I', b'T', b'E', b' ', ..] => Some(Place::Attempt),
        _ => Some(Place::Other),
    }
}

/// The Call-ID of a message, whether it is well formed or not.
fn call_id_of(bytes: &[u8]) -> Option<&[u8]> {
    value_of(bytes, b"call-id", b"i").filter(|name| !name.is_empty()).map(cut)
}

fn cut(call_id: &[u8]) -> &[u8] {
    call_id.get(..CALL_ID_BYTES).unwrap_or(call_id)
}

/// The first value of a header by its name or compact name in small letters, without reading the message.
fn value_of<'a>(bytes: &'a [u8], name: &[u8], compact: &[u8]) -> Option<&'a [u8]> {
    let (_, mut rest) = line(bytes.trim_ascii_start());
    while !rest.is_empty() {
        let (header, next) = line(rest);
        let letter = header.first()?.to_ascii_lowercase();
        // Nearly every line is told by its first letter.
        if (Some(&letter) == name.first() || Some(&letter) == compact.first())
            && let Some(colon) = header.iter().position(|b| *b == b':')
            && let Some((found, value)) = header.split_at_checked(colon)
        {
            let found = found.trim_ascii();
            if found.eq_ignore_ascii_case(name) || found.eq_ignore_ascii_case(compact) {
                let value = value.get(1..).unwrap_or_default().trim_ascii();
                // A value may begin on the next line (RFC 3261 §7.3.1).
                return Some(if value.is_empty() { line(next).0.trim_ascii() } else { value });
            }
        }
        rest = next;
    }
    None
}
