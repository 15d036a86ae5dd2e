//! Which connections there are, to whom, and how many a source may have.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::sip::config::Transport;
use crate::sip::{Flow, Standing};

/// Bytes that wait for one slow connection of a stranger; more closes it. One message always has room.
const WAITING_BYTES_MAX: usize = 64 << 10;
/// The same for a registered user, a trunk, and whom we called: a trunk's whole load may share one connection.
const WAITING_BYTES_MAX_KNOWN: usize = 4 << 20;
/// Connections of a source that holds a registered user or trunk, beside those that carry one.
const KNOWN_SOURCE_MAX: u32 = 1_024;

/// How a connection stands, shared with the task that serves it.
#[derive(Clone, Debug)]
pub struct Patience(Arc<AtomicU8>);

impl Patience {
    fn new(standing: Standing) -> Self {
        Self(Arc::new(AtomicU8::new(rank(standing))))
    }

    /// The standing now.
    pub fn standing(&self) -> Standing {
        match self.0.load(Ordering::Relaxed) {
            0 => Standing::Stranger,
            1 => Standing::Busy,
            _ => Standing::Known,
        }
    }
}

fn rank(standing: Standing) -> u8 {
    match standing {
        Standing::Stranger => 0,
        Standing::Busy => 1,
        Standing::Known => 2,
    }
}

/// One connection that is open or being opened.
#[derive(Debug)]
struct Link {
    /// Tells it from a later one of the same path.
    serial: u64,
    transport: Transport,
    remote: SocketAddr,
    queue: mpsc::UnboundedSender<Bytes>,
    /// Bytes in the queue.
    waiting: Arc<AtomicUsize>,
    patience: Patience,
    /// Whose limit it counts for; `None`: opened by us, or from where no limit holds.
    source: Option<IpAddr>,
    /// Requests to its address that name no connection may use it.
    shared: bool,
}

impl Link {
    /// Puts a message into the queue. False when too much waits there, or nobody takes it any more.
    fn push(&self, bytes: Bytes) -> bool {
        let trusted = self.source.is_none() || self.patience.standing() == Standing::Known;
        let most = if trusted { WAITING_BYTES_MAX_KNOWN } else { WAITING_BYTES_MAX };
        let before = self.waiting.load(Ordering::Relaxed);
        if before > 0 && before + bytes.len() > most {
            return false;
        }
        self.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        self.queue.send(bytes).is_ok()
    }
}

/// What waits to be sent over one connection.
#[derive(Debug)]
pub struct Queue {
    messages: mpsc::UnboundedReceiver<Bytes>,
    waiting: Arc<AtomicUsize>,
}

impl Queue {
    /// Waits for the next message; `None` once the table gave the connection up. May be dropped while it waits.
    pub async fn next(&mut self) -> Option<Bytes> {
        let bytes = self.messages.recv().await?;
        self.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        Some(bytes)
    }
}

/// What the task of a connection is given.
#[derive(Debug)]
pub struct Seat {
    /// The number of the connection.
    pub connection: u64,
    /// Tells it from a later one of the same path.
    pub serial: u64,
    /// What it is to send; ends when the connection is to be closed.
    pub queue: Queue,
    /// How it stands.
    pub patience: Patience,
}

/// A place that is opened when something is to be sent there.
#[derive(Clone, Debug)]
pub struct Path {
    /// Where to.
    pub flow: Flow,
    /// The name the other end must prove.
    pub name: String,
}

/// Why a connection is closed before its first message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Full {
    /// Its source has as many as it may.
    Source,
    /// There are as many as there may be.
    Total,
}

/// Limits at the door.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one source that holds nobody known.
    pub per_source: u32,
    /// In all.
    pub total: u32,
}

/// What to do with a message.
#[derive(Debug)]
pub enum Way {
    /// It waits for its connection.
    Queued,
    /// A connection is to be opened first; the message waits in its queue.
    Open(Seat, Flow, Option<String>),
    /// It cannot be sent.
    Nowhere,
}

/// All connections.
#[derive(Debug, Default)]
pub struct Table {
    last: u64,
    serials: u64,
    links: BTreeMap<u64, Link>,
    shared: BTreeMap<(Transport, SocketAddr), u64>,
    paths: BTreeMap<u64, Path>,
    /// Connections of a source: those of strangers, and those that carry somebody known.
    sources: BTreeMap<IpAddr, (u32, u32)>,
}

impl Table {
    /// A connection from outside takes its place. `free`: no limit holds for its source.
    pub fn admit(
        &mut self,
        transport: Transport,
        remote: SocketAddr,
        free: bool,
        limits: Limits,
    ) -> Result<Seat, Full> {
        if self.links.len() >= usize::try_from(limits.total).unwrap_or(usize::MAX) {
            return Err(Full::Total);
        }
        let source = (!free).then(|| source_of(remote.ip()));
        if let Some(source) = source {
            let (strangers, known) = self.sources.entry(source).or_default();
            let most = if *known > 0 { limits.per_source.max(KNOWN_SOURCE_MAX) } else { limits.per_source };
            if *strangers >= most {
                return Err(Full::Source);
            }
            *strangers += 1;
        }
        self.last += 1;
        let shared = transport == Transport::Tcp;
        Ok(self.seat(self.last, transport, remote, Standing::Stranger, source, shared))
    }

    /// From now on `flow.connection` means this peer.
    pub fn add_path(&mut self, flow: Flow, name: String) {
        if let Some(connection) = flow.connection {
            self.paths.insert(connection, Path { flow, name });
        }
    }

    /// Raises how a connection stands.
    pub fn raise(&mut self, connection: u64, standing: Standing) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        let before = link.patience.standing();
        if before >= standing {
            return;
        }
        link.patience.0.store(rank(standing), Ordering::Relaxed);
        if standing == Standing::Known
            && let Some(counts) = link.source.and_then(|source| self.sources.get_mut(&source))
        {
            *counts = (counts.0.saturating_sub(1), counts.1 + 1);
        }
    }

    /// Finds the connection for a message, or says which to open.
    pub fn send(&mut self, flow: Flow, bytes: Bytes) -> Way {
        let known = flow.connection.filter(|id| self.links.contains_key(id));
        let path = flow.connection.and_then(|id| self.paths.get(&id)).cloned();
        let found = match (known, &path) {
            (Some(id), _) => Some(id),
            (None, Some(_)) => None,
            (None, None) => self.shared.get(&(flow.transport, flow.remote)).copied(),
        };
        if let Some(id) = found {
            let queued = self.links.get(&id).is_some_and(|link| link.push(bytes));
            if !queued {
                // Too slow for what it asks, or ending: without its queue its task ends.
                self.forget(id);
            }
            return if queued { Way::Queued } else { Way::Nowhere };
        }
        let (connection, name, shared) = match (flow.transport, path) {
            (_, Some(path)) => (path.flow.connection.unwrap_or_default(), Some(path.name), false),
            (Transport::Tcp, None) => (self.next(), None, true),
            // Nobody said which name: the certificate must be one of the address.
            (Transport::Tls, None) => (self.next(), Some(flow.remote.ip().to_canonical().to_string()), true),
            // Browsers do not listen.
            (Transport::Udp | Transport::Ws | Transport::Wss, None) => return Way::Nowhere,
        };
        let seat = self.seat(connection, flow.transport, flow.remote, Standing::Busy, None, shared);
        if let Some(link) = self.links.get(&connection) {
            link.push(bytes);
        }
        Way::Open(seat, flow, name)
    }

    /// The task of this seat has ended. True when its number is not that of another connection now.
    pub fn remove(&mut self, connection: u64, serial: u64) -> bool {
        let later = self.links.get(&connection).is_some_and(|link| link.serial != serial);
        if !later {
            self.forget(connection);
        }
        !later
    }

    fn forget(&mut self, connection: u64) {
        let Some(link) = self.links.remove(&connection) else { return };
        let place = (link.transport, link.remote);
        if self.shared.get(&place) == Some(&connection) {
            self.shared.remove(&place);
        }
        if let Some(source) = link.source
            && let Some((strangers, known)) = self.sources.get_mut(&source)
        {
            match link.patience.standing() {
                Standing::Stranger | Standing::Busy => *strangers = strangers.saturating_sub(1),
                Standing::Known => *known = known.saturating_sub(1),
            }
            if (*strangers, *known) == (0, 0) {
                self.sources.remove(&source);
            }
        }
    }

    /// Connections that are open or being opened, by transport.
    pub fn count(&self) -> BTreeMap<Transport, u64> {
        let mut counts: BTreeMap<Transport, u64> = Transport::ALL.into_iter().map(|t| (t, 0)).collect();
        for link in self.links.values() {
            *counts.entry(link.transport).or_default() += 1;
        }
        counts
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn seat(
        &mut self,
        connection: u64,
        transport: Transport,
        remote: SocketAddr,
        standing: Standing,
        source: Option<IpAddr>,
        shared: bool,
    ) -> Seat {
        let (sender, messages) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let queue = Queue { messages, waiting: Arc::clone(&waiting) };
        let patience = Patience::new(standing);
        self.serials += 1;
        let serial = self.serials;
        let patience_of_link = patience.clone();
        let link =
            Link { serial, transport, remote, queue: sender, waiting, patience: patience_of_link, source, shared };
        if link.shared {
            self.shared.insert((transport, remote), connection);
        }
        self.links.insert(connection, link);
        Seat { connection, serial, queue, patience }
    }
}

/// Who shares a limit: an IPv4 address, or the /64 that one subscriber is given.
fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { per_source: 2, total: 4 };

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn flow(transport: Transport, connection: Option<u64>) -> Flow {
        Flow { transport, listener: 0, remote: at("203.0.113.9:5061"), connection }
    }

    fn hello() -> Bytes {
        Bytes::from_static(b"hello")
    }

    #[test]
    fn a_source_of_strangers_is_limited_and_one_with_a_known_user_is_not() {
        let mut table = Table::default();
        let seat = table.admit(Transport::Tcp, at("10.0.0.1:1"), false, LIMITS).unwrap();
        let _other = table.admit(Transport::Wss, at("10.0.0.1:2"), false, LIMITS).unwrap();
        let refused = |table: &mut Table, from: &str| table.admit(Transport::Tcp, at(from), false, LIMITS).unwrap_err();
        assert_eq!(refused(&mut table, "10.0.0.1:3"), Full::Source);
        table.raise(seat.connection, Standing::Busy);
        assert_eq!(refused(&mut table, "[::ffff:10.0.0.1]:3"), Full::Source, "a call of a stranger is no pass");
        table.raise(seat.connection, Standing::Known);
        let third = table.admit(Transport::Tcp, at("10.0.0.1:3"), false, LIMITS).unwrap();
        let _proxy = table.admit(Transport::Tcp, at("10.0.0.2:3"), true, LIMITS).unwrap();
        assert_eq!(refused(&mut table, "10.0.0.3:1"), Full::Total);
        table.remove(seat.connection, seat.serial);
        table.remove(third.connection, third.serial);
        table.remove(third.connection, third.serial);
        assert!(table.admit(Transport::Tcp, at("10.0.0.1:9"), false, LIMITS).is_ok());
        assert_eq!(refused(&mut table, "10.0.0.1:10"), Full::Source);
    }

    #[test]
    fn addresses_of_one_subscriber_are_one_source() {
        assert_eq!(source_of("2001:db8:1:2:3:4:5:6".parse().unwrap()), source_of("2001:db8:1:2::9".parse().unwrap()));
        assert_ne!(source_of("2001:db8:1:2::1".parse().unwrap()), source_of("2001:db8:1:3::1".parse().unwrap()));
    }

    /// RFC 5923 §8: the same address, another name: another connection.
    #[test]
    fn a_path_has_a_connection_of_its_own_that_is_opened_again() {
        let mut table = Table::default();
        let (a, b) = (flow(Transport::Tls, Some(1 << 62)), flow(Transport::Tls, Some((1 << 62) + 1)));
        table.add_path(a, "a.example".into());
        table.add_path(b, "b.example".into());
        let Way::Open(mut seat, _, name) = table.send(a, hello()) else { panic!() };
        assert_eq!((name.as_deref(), seat.queue.messages.try_recv().ok()), (Some("a.example"), Some(hello())));
        assert!(matches!(table.send(a, hello()), Way::Queued), "one connection, though it is not up yet");
        let Way::Open(_b, _, name) = table.send(b, hello()) else { panic!() };
        assert_eq!(name.as_deref(), Some("b.example"));
        let Way::Open(_any, _, name) = table.send(flow(Transport::Tls, None), hello()) else { panic!() };
        assert_eq!(name.as_deref(), Some("203.0.113.9"), "by the address, not over one of a name");
        assert!(table.remove(seat.connection, seat.serial));
        let Way::Open(again, ..) = table.send(a, hello()) else { panic!() };
        assert!(!table.remove(seat.connection, seat.serial), "the first one's end is not the second one's");
        assert!(matches!(table.send(a, hello()), Way::Queued));
        drop(again);
    }

    #[test]
    fn clear_streams_to_one_address_are_shared_and_browsers_are_not_called() {
        let mut table = Table::default();
        let clear = flow(Transport::Tcp, None);
        let Way::Open(seat, _, None) = table.send(clear, hello()) else { panic!() };
        assert!(matches!(table.send(Flow { connection: Some(77), ..clear }, hello()), Way::Queued));
        drop(seat);
        assert!(matches!(table.send(clear, hello()), Way::Nowhere), "its task has ended");
        assert!(matches!(table.send(clear, hello()), Way::Open(..)));
        assert!(matches!(table.send(flow(Transport::Wss, Some(5)), hello()), Way::Nowhere));
    }

    #[test]
    fn who_reads_too_slowly_is_closed() {
        let mut table = Table::default();
        let seat = table.admit(Transport::Tcp, at("10.0.0.1:1"), false, LIMITS).unwrap();
        let to = Flow { remote: at("10.0.0.1:1"), ..flow(Transport::Tcp, Some(seat.connection)) };
        let long = Bytes::from(vec![b'x'; WAITING_BYTES_MAX / 4]);
        for _ in 0..4 {
            assert!(matches!(table.send(to, long.clone()), Way::Queued));
        }
        assert!(matches!(table.send(to, hello()), Way::Nowhere));
        assert_eq!(table.count()[&Transport::Tcp], 0);
    }

    /// A burst of a trunk is no reason to end all its calls.
    #[test]
    fn who_is_known_may_be_behind_by_more_and_what_was_taken_does_not_count() {
        let mut table = Table::default();
        let mut seat = table.admit(Transport::Tcp, at("10.0.0.1:1"), false, LIMITS).unwrap();
        let to = Flow { remote: at("10.0.0.1:1"), ..flow(Transport::Tcp, Some(seat.connection)) };
        let long = Bytes::from(vec![b'x'; WAITING_BYTES_MAX]);
        for _ in 0..3 {
            assert!(matches!(table.send(to, long.clone()), Way::Queued));
            let next = std::pin::pin!(seat.queue.next());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(next.poll(&mut context).is_ready());
        }
        table.raise(seat.connection, Standing::Known);
        for _ in 0..WAITING_BYTES_MAX_KNOWN / WAITING_BYTES_MAX {
            assert!(matches!(table.send(to, long.clone()), Way::Queued));
        }
        assert!(matches!(table.send(to, long), Way::Nowhere));
    }
}
