//! Media threads: one epoll loop for each shard, with its sockets.
//!
//! A thread waits for packets, commands and the shard's next deadline. It reads one datagram of each ready socket
//! in a round (epoll is level triggered: more are found in the next round), so that a flood at one port delays
//! the others by little. After the latch the kernel filters for the phone's address; until packets of before cannot be
//! in the queue any more, the shard is told who really sent each.

#![allow(clippy::disallowed_methods, reason = "this is the shell: it owns the sockets and reads the clock")]

mod counters;
mod line;
mod shared;
mod sockets;
mod worker;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use rustix::event::epoll;

use self::line::{RING, line};
use self::shared::SharedPort;
use self::sockets::Sockets;
use self::worker::{SHARED_RTCP, SHARED_RTP, WAKE, Worker};
use crate::clock::Clock;
use crate::io::bell::Bell;
use crate::media::Chunk;
use crate::media::config::MediaConfig;
use crate::media::shard::{Channel, Shard};

pub use self::counters::{Counters, LATENESS_MS};
pub use self::line::{MediaLines, RETRY};

/// The running media threads. Dropping it stops them when they have done what they were sent; their legs' sockets
/// close then.
pub struct MediaThreads {
    threads: Vec<Thread>,
    counters: Arc<Counters>,
}

struct Thread {
    wake: Arc<Bell>,
    /// It ends after its round.
    stop: Arc<AtomicBool>,
    /// The port its legs share, when there is one.
    port: Option<u16>,
    handle: Option<JoinHandle<()>>,
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

impl MediaThreads {
    /// Starts `config.shards` threads, at least one.
    ///
    /// `clock` gives RTCP its wall time, `seed` the random numbers of SSRCs. Recording chunks go to `storage`; what finds
    /// no room there becomes a gap. The lines go to the thread that gives the commands; `bell` is rung when
    /// [`MediaLines::poll_event`] has something new.
    ///
    /// # Errors
    ///
    /// When the system gives no epoll, eventfd or thread, or no shared port where one is wanted.
    pub fn start(
        config: &MediaConfig,
        clock: Clock,
        seed: [u8; 32],
        storage: ToStorage,
        bell: Arc<Bell>,
    ) -> io::Result<(Self, MediaLines)> {
        let counters = Arc::new(Counters::default());
        let timeout = (config.timeout_s > 0).then(|| Duration::from_secs(config.timeout_s));
        let mut free = config.ports.clone().filter(|port| port % 2 == 0 && port < config.ports.end());
        let (mut threads, mut lines) = (Vec::new(), Vec::new());
        for number in 0..config.shards.max(1) {
            let (wake, stop) = (Arc::new(Bell::new()?), Arc::new(AtomicBool::new(false)));
            let (near, far) = line(RING, Arc::clone(&wake), Arc::clone(&bell));
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            let watch = |fd: BorrowedFd<'_>, datum| {
                epoll::add(&epoll, fd, epoll::EventData::new_u64(datum), epoll::EventFlags::IN)
            };
            watch(wake.as_fd(), WAKE)?;
            let is_shared = config.mux || config.identity.is_some();
            let shared = is_shared.then(|| SharedPort::bind(config.bind, &mut free)).transpose()?;
            if let Some(shared) = &shared {
                watch(shared.socket(Channel::Rtp).as_fd(), SHARED_RTP)?;
                watch(shared.socket(Channel::Rtcp).as_fd(), SHARED_RTCP)?;
            }
            let port = shared.as_ref().map(SharedPort::port);
            let mut seed = seed;
            seed.iter_mut().zip((number as u64 + 1).to_le_bytes()).for_each(|(s, n)| *s ^= n);
            let shard = Shard::new(now(), clock, seed, timeout).with_identity(config.identity.clone());
            let (bind, storage, counters) = (config.bind, storage.clone(), Arc::clone(&counters));
            let signals = (Arc::clone(&wake), Arc::clone(&stop));
            let handle = std::thread::Builder::new().name(format!("media-{number}")).spawn(move || {
                // Batches of the shared port hold what must not change its thread.
                let sockets = Sockets::new(epoll, bind, shared, storage, Arc::clone(&counters));
                Worker::new((number, shard), sockets, far, signals, counters).run();
            })?;
            threads.push(Thread { wake, stop, port, handle: Some(handle) });
            lines.push(near);
        }
        Ok((Self { threads, counters }, MediaLines::new(lines)))
    }

    /// How many shards there are; their numbers run from 0.
    pub fn shards(&self) -> usize {
        self.threads.len()
    }

    /// The shared port of each shard; empty when nothing needs one.
    pub fn shared_ports(&self) -> Vec<u16> {
        self.threads.iter().filter_map(|thread| thread.port).collect()
    }

    /// The counts of all threads.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }
}

impl Drop for MediaThreads {
    fn drop(&mut self) {
        for thread in &mut self.threads {
            thread.stop.store(true, Ordering::Release);
            thread.wake.ring();
        }
        for thread in &mut self.threads {
            if let Some(handle) = thread.handle.take() {
                let _ = handle.join();
            }
        }
    }
}

fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
#[path = "media_tests.rs"]
mod tests;
