//! One media thread: its rounds.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};

use super::line::{FarEnd, RETRY};
use super::shared::Inbox;
use super::sockets::{DATAGRAM_BYTES, Round, Sockets, address};
use super::{Counters, now};
use crate::io::bell::Bell;
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
    /// What the thread itself has to say to the engine.
    notes: VecDeque<Event>,
    wake: Arc<Bell>,
    stop: Arc<AtomicBool>,
    counters: Arc<Counters>,
    published: Stats,
    publish_at: Instant,
}

impl Worker {
    pub(super) fn new(
        (number, shard): (usize, Shard),
        sockets: Sockets,
        line: FarEnd,
        (wake, stop): (Arc<Bell>, Arc<AtomicBool>),
        counters: Arc<Counters>,
    ) -> Self {
        let (batch, published) = (Inbox::new(), Stats::default());
        let (punctuality, notes, publish_at) = (Punctuality::default(), VecDeque::new(), now());
        Self { number, shard, punctuality, sockets, batch, line, notes, wake, stop, counters, published, publish_at }
    }

    pub(super) fn run(&mut self) {
        let mut ready = Vec::with_capacity(256);
        while !self.stop.load(Ordering::Acquire) {
            ready.clear();
            let timeout = self.timeout();
            let waited = epoll::wait(&self.sockets.epoll, rustix::buffer::spare_capacity(&mut ready), Some(&timeout));
            if waited.is_err() {
                continue; // interrupted
            }
            self.guard(|worker| worker.round(&ready));
        }
        // What was asked of it before it was stopped is still done: recordings get their end.
        self.guard(|worker| {
            worker.obey(now());
            worker.sockets.flush();
            worker.tell();
        });
    }

    /// One broken packet or command must not take the other calls with it.
    fn guard(&mut self, what: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| what(self))).is_err() {
            self.counters.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!("a media thread panicked and goes on");
            // The commands behind a broken one, and the events before it, have their wake-up behind them.
            self.wake.ring();
        }
    }

    /// How long to sleep, rounded up to whole milliseconds.
    fn timeout(&self) -> Timespec {
        let now = now();
        let wait = self.shard.poll_timeout().map_or(IDLE, |at| at.saturating_duration_since(now));
        let wait = wait.min(if self.line.is_held() { RETRY } else { IDLE });
        Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) }
    }

    fn round(&mut self, ready: &[epoll::Event]) {
        let mut round = Round::begin();
        let now = round.clocks.now;
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
                    self.read_shared(&round.clocks, Channel::Rtp);
                    continue;
                }
                SHARED_RTCP => {
                    self.read_shared(&round.clocks, Channel::Rtcp);
                    continue;
                }
                datum => address(datum),
            };
            if let Some(came) = self.sockets.receive(&mut round, slot, channel, &mut buffer)
                && let Some(datagram) = buffer.get_mut(..came.length)
            {
                self.shard.handle_packet(came.at, slot, channel, came.source, datagram, &mut self.sockets);
            }
        }
        // Commands come last: a slot they use again cannot get a packet of this round.
        if woken {
            self.wake.hear();
            self.obey(now);
        }
        self.sockets.flush();
        self.tell();
        if now >= self.publish_at {
            self.publish_at = now + PUBLISH;
            self.publish();
        }
    }

    /// Carries out what the engine asked for, in its order.
    fn obey(&mut self, now: Instant) {
        while let Ok(command) = self.line.commands.pop() {
            self.shard.handle_command(now, command, &mut self.sockets);
        }
    }

    /// Events to the engine, as many as its ring takes; the others stay in the shard, where nothing is lost.
    fn tell(&mut self) {
        let (notes, shard) = (&mut self.notes, &mut self.shard);
        self.line.tell(|| notes.pop_front().or_else(|| shard.poll_event()));
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
