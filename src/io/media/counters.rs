//! What the media threads count.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::media::shard::Stats;

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
    /// Times that commands found a full ring and waited for room.
    pub commands_delayed: AtomicU64,
    /// Threads that have been late for a second on end.
    pub behind: AtomicU64,
    /// Panics caught; must stay 0.
    pub panics: AtomicU64,
    /// Turns of the wheels by how late they were: see [`LATENESS_MS`]; the last is all above.
    pub lateness: [AtomicU64; LATENESS_MS.len() + 1],
    /// Sum of the lateness of all turns, in microseconds.
    pub lateness_us: AtomicU64,
}

/// Upper bounds of the lateness buckets in ms, each included.
pub const LATENESS_MS: [u64; 8] = [1, 2, 5, 10, 20, 50, 100, 500];

impl Counters {
    /// Counts one turn of the wheels that began so late.
    pub(super) fn late(&self, lateness: Duration) {
        let us = lateness.as_micros() as u64;
        let bucket = LATENESS_MS.iter().position(|bound| us <= bound * 1_000).unwrap_or(LATENESS_MS.len());
        if let Some(counter) = self.lateness.get(bucket) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.lateness_us.fetch_add(lateness.as_micros() as u64, Ordering::Relaxed);
    }

    /// Adds what a shard did between two looks at it.
    pub(super) fn add(&self, now: Stats, before: Stats) {
        let add = |counter: &AtomicU64, now: u64, before: u64| {
            counter.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
        };
        add(&self.packets_in, now.packets_in, before.packets_in);
        add(&self.bytes_in, now.bytes_in, before.bytes_in);
        add(&self.packets_out, now.packets_out, before.packets_out);
        add(&self.bytes_out, now.bytes_out, before.bytes_out);
        add(&self.lost, now.lost, before.lost);
        let dropped = |stats: Stats| stats.noise + stats.refused + stats.unheard;
        add(&self.dropped, dropped(now), dropped(before));
        add(&self.skipped_ms, now.skipped_ms, before.skipped_ms);
        add(&self.unrecorded, now.unrecorded, before.unrecorded);
        add(&self.legs, now.legs, before.legs);
        add(&self.recordings, now.recordings, before.recordings);
    }
}
