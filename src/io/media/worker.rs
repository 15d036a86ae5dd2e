//! One media thread: its rounds.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{io, os::fd::OwnedFd};

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};

use super::line::FarEnd;
use super::shared::Inbox;
use super::sockets::{DATAGRAM_BYTES, Sockets, address};
use super::{Bell, Counters, now};
use crate::io::datagram::Clocks;
use crate::media::Event;
use crate::media::punctual::Punctuality;
use crate::media::shard::{Channel, Shard, Stats};

/// The epoll datum of the wake-up; sockets have their slot and channel.
pub(super) const WAKE: u64 = u64::MAX;
/// Those of the shared port.
pub(super) const SHARED_RTP: u64 = u64::MAX - 1;
pub(super) const SHARED_RTCP: u64 = u64::MAX - 2;
/// How often counts are published.
const PUBLISH: Duration = Duration::from_millis(100);
/// Longest sleep while the engine's ring is full.
const FULL: Duration = Duration::from_millis(2);
/// Longest sleep when nothing is open.
const IDLE: Duration = Duration::from_secs(1);

pub(super) struct Worker {
    number: usize,
    shard: Shard,
    punctuality: Punctuality,
    sockets: Sockets,
    /// What came to the shared port, while it is handled.
    batch: Inbox,
    line: FarEnd,
    /// What the thread itself has to say.
    notes: VecDeque<Event>,
    wake: Arc<Wake>,
    bell: Bell,
    counters: Arc<Counters>,
    published: Stats,
    publish_at: Instant,
}

impl Worker {
    pub(super) fn new(
        (number, shard): (usize, Shard),
        sockets: Sockets,
        line: FarEnd,
        wake: Arc<Wake>,
        bell: Bell,
        counters: Arc<Counters>,
    ) -> Self {
        let (batch, published) = (Inbox::new(), Stats::default());
        let (punctuality, notes, publish_at) = (Punctuality::default(), VecDeque::new(), now());
        Self { number, shard, punctuality, sockets, batch, line, notes, wake, bell, counters, published, publish_at }
    }

    pub(super) fn run(&mut self) {
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
        // What was asked of it before it was stopped is still done: recordings get their end.
        self.obey(now());
        self.sockets.flush();
        self.tell();
    }

    /// How long to sleep, rounded up to whole milliseconds.
    fn timeout(&self) -> Timespec {
        let now = now();
        let wait = self.shard.poll_timeout().map_or(IDLE, |at| at.saturating_duration_since(now));
        // The engine is behind with reading: it takes the rest soon.
        let most = if self.line.events.is_full() { FULL } else { IDLE };
        let wait = wait.min(most);
        Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) }
    }

    fn round(&mut self, ready: &[epoll::Event]) {
        let clocks = Clocks::read();
        let now = clocks.now;
        // With nothing open there is nothing to be late with.
        let due = self.shard.poll_timeout().unwrap_or(now);
        if due <= now {
            self.judge(now, due);
            self.shard.handle_timeout(now, &mut self.sockets);
        }
        let mut woken = false;
        let mut buffer = [0u8; DATAGRAM_BYTES];
        for event in ready {
            let (slot, channel) = match event.data.u64() {
                WAKE => {
                    woken = true;
                    continue;
                }
                SHARED_RTP => {
                    self.read_shared(&clocks, Channel::Rtp);
                    continue;
                }
                SHARED_RTCP => {
                    self.read_shared(&clocks, Channel::Rtcp);
                    continue;
                }
                datum => address(datum),
            };
            if let Some(came) = self.sockets.receive(&clocks, slot, channel, &mut buffer)
                && let Some(datagram) = buffer.get_mut(..came.length)
            {
                self.shard.handle_packet(came.at, slot, channel, came.source, datagram, &mut self.sockets);
            }
        }
        // Commands come last: a slot they use again cannot get a packet of this round.
        if woken {
            self.wake.hush();
            self.obey(now);
        }
        self.sockets.flush();
        self.tell();
        if now >= self.publish_at {
            self.publish_at = now + PUBLISH;
            self.publish();
        }
    }

    fn obey(&mut self, now: Instant) {
        while let Ok(command) = self.line.commands.pop() {
            self.shard.handle_command(now, command, &mut self.sockets);
        }
    }

    /// Events to the engine, as many as its ring takes; the others stay in the shard.
    fn tell(&mut self) {
        let mut told = false;
        while !self.line.events.is_full()
            && let Some(event) = self.notes.pop_front().or_else(|| self.shard.poll_event())
        {
            // There was room, and nobody else writes.
            let _ = self.line.events.push(event);
            told = true;
        }
        if told {
            (self.bell)();
        }
    }

    /// A turn of the wheels that was due at `due` begins.
    fn judge(&mut self, now: Instant, due: Instant) {
        if self.shard.poll_timeout().is_some() {
            self.counters.late(now - due);
        }
        if let Some(behind) = self.punctuality.handle_turn(now, due) {
            let change = if behind { 1 } else { u64::MAX };
            self.counters.behind.fetch_add(change, Ordering::Relaxed);
            self.notes.push_back(Event::Behind { shard: self.number, behind });
        }
    }

    /// One batch of the shared port; epoll says so when there is more.
    fn read_shared(&mut self, clocks: &Clocks, channel: Channel) {
        let Some(socket) = self.sockets.shared(channel) else { return };
        self.batch.read(socket, clocks);
        for (came, datagram) in self.batch.datagrams() {
            self.shard.handle_shared(came.at, channel, came.source, datagram, &mut self.sockets);
        }
    }

    fn publish(&mut self) {
        let stats = self.shard.stats();
        self.counters.add(stats, self.published);
        self.published = stats;
    }
}

/// The bell of one media thread.
pub(super) struct Wake {
    pub(super) event: OwnedFd,
    stop: AtomicBool,
    /// A wake-up is on its way: no need for another.
    rung: AtomicBool,
}

impl Wake {
    pub(super) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { event, stop: AtomicBool::new(false), rung: AtomicBool::new(false) })
    }

    /// Ends the thread after its round.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.ring();
    }

    pub(super) fn ring(&self) {
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
