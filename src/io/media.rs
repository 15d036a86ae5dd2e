//! Media threads: one epoll loop for each shard, with its sockets.
//!
//! A thread waits for packets, commands and the shard's next deadline. It reads one datagram of each ready socket
//! in a round (epoll is level triggered: more are found in the next round), so that a flood at one port delays
//! the others by little. After the latch the kernel filters for the phone's address; the shard judges every source
//! all the same, because packets of before may still be in the queue.

#![allow(clippy::disallowed_methods, reason = "this is the shell: it owns the sockets and reads the clock")]

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::Clock;
use crate::media::config::MediaConfig;
use crate::media::recorder::CHUNK;
use crate::media::shard::{Channel, Delivery, PacketIo, Shard, Stats};
use crate::media::{Chunk, Command, Event};

/// What is called with each event, on the media thread; it must not wait.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;

/// The running media threads. Dropping it stops them; their legs' sockets close then.
pub struct MediaThreads {
    threads: Vec<Thread>,
    counters: Arc<Counters>,
}

struct Thread {
    commands: Sender<Command>,
    wake: Arc<Wake>,
    handle: Option<JoinHandle<()>>,
}

struct Wake {
    event: OwnedFd,
    stop: AtomicBool,
    /// A wake-up is on its way: no need for another.
    rung: AtomicBool,
}

/// The way of recordings to storage.
#[derive(Clone, Debug)]
pub struct ToStorage {
    /// Chunks, by `try_send`.
    pub chunks: Sender<Chunk>,
    /// Their buffers when they are written, to be used again.
    pub spare: Receiver<Vec<i16>>,
}

impl From<Sender<Chunk>> for ToStorage {
    /// Buffers do not come back: each is a new one.
    fn from(chunks: Sender<Chunk>) -> Self {
        Self { chunks, spare: crossbeam_channel::never() }
    }
}

/// Counts of all media threads. Each thread adds its own at most every 100 ms.
#[derive(Debug, Default)]
pub struct Counters {
    /// RTP packets that came.
    pub packets_in: AtomicU64,
    /// Their bytes, RTP header included.
    pub bytes_in: AtomicU64,
    /// RTP packets sent.
    pub packets_out: AtomicU64,
    /// Their bytes.
    pub bytes_out: AtomicU64,
    /// Packets that never came, of closed legs.
    pub lost: AtomicU64,
    /// Datagrams dropped: neither RTP nor RTCP, not from the locked source, or of a type not agreed.
    pub dropped: AtomicU64,
    /// Datagrams the kernel did not take.
    pub send_errors: AtomicU64,
    /// Recording chunks that found storage full.
    pub chunks_refused: AtomicU64,
    /// Time skipped because a thread was more than 100 ms late, in ms.
    pub skipped_ms: AtomicU64,
    /// Audio that storage had no room for, in samples at 8 kHz.
    pub unrecorded: AtomicU64,
    /// Open legs now.
    pub legs: AtomicU64,
    /// Recordings now.
    pub recordings: AtomicU64,
    /// Panics caught; must stay 0.
    pub panics: AtomicU64,
    /// Turns of the wheels by how late they were: see [`LATENESS_MS`]; the last is all above.
    pub lateness: [AtomicU64; LATENESS_MS.len() + 1],
    /// Sum of the lateness of all turns, in microseconds.
    pub lateness_us: AtomicU64,
}

/// Upper bounds of the lateness buckets in ms, each included.
pub const LATENESS_MS: [u64; 8] = [1, 2, 5, 10, 20, 50, 100, 500];

impl MediaThreads {
    /// Starts `config.shards` threads, at least one.
    ///
    /// `clock` gives RTCP its wall time, `seed` the random numbers of SSRCs. Recording chunks go to `storage`; what finds
    /// no room there becomes a gap.
    ///
    /// # Errors
    ///
    /// When the system gives no epoll, eventfd or thread.
    pub fn start(
        config: &MediaConfig,
        clock: Clock,
        seed: [u8; 32],
        storage: ToStorage,
        events: Events,
    ) -> io::Result<Self> {
        let counters = Arc::new(Counters::default());
        let timeout = (config.timeout_s > 0).then(|| Duration::from_secs(config.timeout_s));
        let mut threads = Vec::new();
        for number in 0..config.shards.max(1) {
            let (commands, inbox) = crossbeam_channel::unbounded();
            let wake = Arc::new(Wake {
                event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
                stop: AtomicBool::new(false),
                rung: AtomicBool::new(false),
            });
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            epoll::add(&epoll, &wake.event, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
            let mut seed = seed;
            seed.iter_mut().zip((number as u64 + 1).to_le_bytes()).for_each(|(s, n)| *s ^= n);
            let shard = Shard::new(now(), clock, seed, timeout);
            let sockets = Sockets {
                epoll,
                bind: config.bind,
                open: Vec::new(),
                storage: storage.clone(),
                counters: Arc::clone(&counters),
            };
            let mut worker = Worker {
                shard,
                sockets,
                inbox,
                wake: Arc::clone(&wake),
                events: Arc::clone(&events),
                counters: Arc::clone(&counters),
                published: Stats::default(),
                publish_at: now(),
            };
            let handle = std::thread::Builder::new().name(format!("media-{number}")).spawn(move || worker.run())?;
            threads.push(Thread { commands, wake, handle: Some(handle) });
        }
        Ok(Self { threads, counters })
    }

    /// How many shards there are; their numbers run from 0.
    pub fn shards(&self) -> usize {
        self.threads.len()
    }

    /// Sends a command to a shard. All legs that ever meet must be in the same shard.
    ///
    /// Commands are carried out in order. Their queue has no limit of its own: it is bounded by the calls there are.
    pub fn send(&self, shard: usize, command: Command) {
        self.post(shard, command);
        self.ring(shard);
    }

    /// As [`MediaThreads::send`], but the shard looks only after [`MediaThreads::ring`]: one wake-up for many commands.
    pub fn post(&self, shard: usize, command: Command) {
        if let Some(thread) = self.threads.get(shard) {
            // It fails only when the thread is gone, and then so is the process.
            let _ = thread.commands.send(command);
        }
    }

    /// Wakes a shard.
    pub fn ring(&self, shard: usize) {
        if let Some(thread) = self.threads.get(shard) {
            thread.wake.ring();
        }
    }

    /// The counts of all threads.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }
}

impl Drop for MediaThreads {
    fn drop(&mut self) {
        for thread in &mut self.threads {
            thread.wake.stop.store(true, Ordering::Release);
            thread.wake.ring();
        }
        for thread in &mut self.threads {
            if let Some(handle) = thread.handle.take() {
                let _ = handle.join();
            }
        }
    }
}

impl Wake {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        }
    }

    fn hush(&self) {
        let _ = rustix::io::read(&self.event, &mut [0u8; 8]);
        // Acquires what a sender put into the queue before it found the bell rung.
        self.rung.swap(false, Ordering::AcqRel);
    }
}

/// The epoll datum of the wake-up; sockets have their slot and channel.
const WAKE: u64 = u64::MAX;
/// Datagrams longer than this are cut: no RTP packet of ours is.
const DATAGRAM_BYTES: usize = 2_048;
/// Room the kernel keeps for one leg's packets.
const RECEIVE_BUFFER: usize = 256 * 1_024;
/// Expedited forwarding (RFC 3246) as TOS octet.
const TOS_EF: u32 = 46 << 2;
/// How often counts are published.
const PUBLISH: Duration = Duration::from_millis(100);
/// Longest sleep when nothing is open.
const IDLE: Duration = Duration::from_secs(1);

fn now() -> Instant {
    Instant::now()
}

struct Worker {
    shard: Shard,
    sockets: Sockets,
    inbox: Receiver<Command>,
    wake: Arc<Wake>,
    events: Events,
    counters: Arc<Counters>,
    published: Stats,
    publish_at: Instant,
}

impl Worker {
    fn run(&mut self) {
        let mut ready = Vec::with_capacity(256);
        while !self.wake.stop.load(Ordering::Acquire) {
            ready.clear();
            let timeout = self.timeout();
            let waited = epoll::wait(&self.sockets.epoll, rustix::buffer::spare_capacity(&mut ready), Some(&timeout));
            if waited.is_err() {
                continue; // interrupted
            }
            // One broken packet or command must not take the other calls with it.
            if catch_unwind(AssertUnwindSafe(|| self.round(&ready))).is_err() {
                self.counters.panics.fetch_add(1, Ordering::Relaxed);
                tracing::error!("a media thread panicked and goes on");
            }
        }
    }

    /// How long to sleep, rounded up to whole milliseconds.
    fn timeout(&self) -> Timespec {
        let now = now();
        let wait = self.shard.poll_timeout().map_or(IDLE, |at| at.saturating_duration_since(now));
        let wait = wait.min(IDLE);
        Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) }
    }

    fn round(&mut self, ready: &[epoll::Event]) {
        let now = now();
        if let Some(due) = self.shard.poll_timeout().filter(|due| *due <= now) {
            self.counters.late(now - due);
            self.shard.handle_timeout(now, &mut self.sockets);
        }
        let mut woken = false;
        let mut buffer = [0u8; DATAGRAM_BYTES];
        for event in ready {
            let datum = event.data.u64();
            if datum == WAKE {
                woken = true;
                continue;
            }
            let (slot, channel) = address(datum);
            if let Some((source, length)) = self.sockets.receive(slot, channel, &mut buffer)
                && let Some(datagram) = buffer.get_mut(..length)
            {
                self.shard.handle_packet(now, slot, channel, source, datagram, &mut self.sockets);
            }
        }
        // Commands come last: a slot they use again cannot get a packet of this round.
        if woken {
            self.wake.hush();
            while let Ok(command) = self.inbox.try_recv() {
                self.shard.handle_command(now, command, &mut self.sockets);
            }
        }
        while let Some(event) = self.shard.poll_event() {
            (self.events)(event);
        }
        if now >= self.publish_at {
            self.publish_at = now + PUBLISH;
            self.publish();
        }
    }

    fn publish(&mut self) {
        let (now, before, to) = (self.shard.stats(), self.published, &self.counters);
        let add = |counter: &AtomicU64, now: u64, before: u64| {
            counter.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
        };
        add(&to.packets_in, now.packets_in, before.packets_in);
        add(&to.bytes_in, now.bytes_in, before.bytes_in);
        add(&to.packets_out, now.packets_out, before.packets_out);
        add(&to.bytes_out, now.bytes_out, before.bytes_out);
        add(&to.lost, now.lost, before.lost);
        let dropped = |stats: Stats| stats.noise + stats.refused + stats.unheard;
        add(&to.dropped, dropped(now), dropped(before));
        add(&to.skipped_ms, now.skipped_ms, before.skipped_ms);
        add(&to.unrecorded, now.unrecorded, before.unrecorded);
        add(&to.legs, now.legs, before.legs);
        add(&to.recordings, now.recordings, before.recordings);
        self.published = now;
    }
}

impl Counters {
    fn late(&self, lateness: Duration) {
        let us = lateness.as_micros() as u64;
        let bucket = LATENESS_MS.iter().position(|bound| us <= bound * 1_000).unwrap_or(LATENESS_MS.len());
        if let Some(counter) = self.lateness.get(bucket) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.lateness_us.fetch_add(lateness.as_micros() as u64, Ordering::Relaxed);
    }
}

/// The sockets of a shard, by slot.
struct Sockets {
    epoll: OwnedFd,
    bind: IpAddr,
    open: Vec<Option<Pair>>,
    storage: ToStorage,
    counters: Arc<Counters>,
}

struct Pair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// Whom the RTP socket is connected to.
    connected: Option<SocketAddr>,
}

fn datum(slot: u32, channel: Channel) -> u64 {
    (u64::from(slot) << 1) | u64::from(channel == Channel::Rtcp)
}

fn address(datum: u64) -> (u32, Channel) {
    ((datum >> 1) as u32, if datum & 1 == 0 { Channel::Rtp } else { Channel::Rtcp })
}

impl Pair {
    fn bind(address: IpAddr, port: u16) -> io::Result<Self> {
        let rtcp_port = port.checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { rtp: udp(address, port)?, rtcp: udp(address, rtcp_port)?, connected: None })
    }

    fn socket(&self, channel: Channel) -> &UdpSocket {
        match channel {
            Channel::Rtp => &self.rtp,
            Channel::Rtcp => &self.rtcp,
        }
    }
}

fn udp(address: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address((address, port).into()), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // Both are wishes: a system that limits them still carries the call.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    let _ = match address {
        IpAddr::V4(_) => rustix::net::sockopt::set_ip_tos(&socket, TOS_EF as u8),
        IpAddr::V6(_) => rustix::net::sockopt::set_ipv6_tclass(&socket, TOS_EF),
    };
    socket.bind(&SocketAddr::new(address, port).into())?;
    Ok(socket.into())
}

impl Sockets {
    fn pair(&mut self, slot: u32) -> Option<&mut Pair> {
        self.open.get_mut(slot as usize)?.as_mut()
    }

    /// An IPv4 address as an IPv6 socket wants it.
    fn mapped(&self, address: SocketAddr) -> SocketAddr {
        match (self.bind, address.ip()) {
            (IpAddr::V6(_), IpAddr::V4(ip)) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
            (IpAddr::V6(_), IpAddr::V6(_)) | (IpAddr::V4(_), _) => address,
        }
    }

    /// Reads one datagram; errors are what ICMP told of packets sent before, and are read away by this.
    fn receive(&mut self, slot: u32, channel: Channel, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        let (length, source) = self.pair(slot)?.socket(channel).recv_from(buffer).ok()?;
        Some((unmapped(source), length))
    }
}

/// An IPv4 source seen on an IPv6 socket is an IPv4 source.
fn unmapped(source: SocketAddr) -> SocketAddr {
    if source.is_ipv4() { source } else { SocketAddr::new(source.ip().to_canonical(), source.port()) }
}

impl PacketIo for Sockets {
    fn open(&mut self, slot: u32, port: u16) -> Result<(), String> {
        let pair = Pair::bind(self.bind, port).map_err(|error| format!("cannot open media port {port}: {error}"))?;
        for channel in [Channel::Rtp, Channel::Rtcp] {
            let data = epoll::EventData::new_u64(datum(slot, channel));
            epoll::add(&self.epoll, pair.socket(channel), data, epoll::EventFlags::IN)
                .map_err(|error| format!("cannot watch media port {port}: {error}"))?;
        }
        let place = slot as usize;
        if place >= self.open.len() {
            self.open.resize_with(place + 1, || None);
        }
        if let Some(place) = self.open.get_mut(place) {
            *place = Some(pair);
        }
        Ok(())
    }

    fn close(&mut self, slot: u32) {
        // Closing the descriptors takes them out of epoll.
        if let Some(place) = self.open.get_mut(slot as usize) {
            *place = None;
        }
    }

    fn connect(&mut self, slot: u32, source: Option<SocketAddr>) {
        let source = source.map(|source| self.mapped(source));
        let Some(pair) = self.pair(slot) else { return };
        // When it fails the socket stays open to all: the shard judges every source anyway.
        pair.connected = match source {
            Some(source) => pair.rtp.connect(source).ok().map(|()| source),
            None => rustix::net::connect_unspec(&pair.rtp).ok().and(None),
        };
    }

    fn send(&mut self, slot: u32, channel: Channel, to: SocketAddr, datagram: &[u8]) {
        let to = self.mapped(to);
        let Some(pair) = self.pair(slot) else { return };
        let sent = if channel == Channel::Rtp && pair.connected == Some(to) {
            pair.rtp.send(datagram)
        } else {
            pair.socket(channel).send_to(datagram, to)
        };
        if sent.is_err() {
            self.counters.send_errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn chunk(&mut self, chunk: Chunk) -> Delivery {
        match self.storage.chunks.try_send(chunk) {
            Ok(()) => Delivery::Taken,
            Err(TrySendError::Full(_)) => {
                self.counters.chunks_refused.fetch_add(1, Ordering::Relaxed);
                Delivery::Full
            }
            Err(TrySendError::Disconnected(_)) => Delivery::Gone,
        }
    }

    fn buffer(&mut self) -> Vec<i16> {
        self.storage.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(CHUNK * 2))
    }
}

#[cfg(test)]
#[path = "media_tests.rs"]
mod tests;
