//! Where the figures of a scrape come from.

#![allow(clippy::disallowed_methods, reason = "this is the shell: it reads the clock")]

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::clock::Wall;
use crate::config::Config;
use crate::io::driver;
use crate::io::fork;
use crate::io::media::{Counters, LATENESS_MS};
use crate::io::stream::Streams;
use crate::metrics::Readings;
use crate::storage::journal::{self, COMMIT_BOUNDS};
use crate::storage::{self, recordings};

/// Where the figures of a scrape come from.
pub(super) struct Sources {
    pub inbox: driver::Inbox,
    pub media: Arc<Counters>,
    pub forks: Arc<fork::Stats>,
    pub journal: Arc<journal::Stats>,
    pub recorder: Arc<recordings::Stats>,
    pub config: Arc<ArcSwap<Config>>,
    pub streams: Streams,
    pub reload: Arc<Mutex<(bool, Wall)>>,
}

impl Sources {
    pub fn read(&self) -> Readings {
        let asked = driver::ask(&self.inbox, Duration::from_secs(1), |engine, now| {
            (engine.stats(), engine.trunk_statuses(now), engine.floor().estimates(now))
        });
        let (engine, trunks, estimates) = asked.unwrap_or_default();
        let (counters, journal, recorder) = (&self.media, &self.journal, &self.recorder);
        let load = |value: &std::sync::atomic::AtomicU64| value.load(Ordering::Relaxed);
        let config = self.config.load();
        let (reload_ok, reload_at) = *self.reload.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let over = |bounds: &[f64]| bounds.last().copied().unwrap_or(1.0) * 2.0;
        let late_bounds: Vec<f64> = LATENESS_MS.iter().map(|ms| *ms as f64 / 1_000.0).collect();
        let late = late_bounds.iter().copied().chain([over(&late_bounds)]).zip(counters.lateness.iter().map(load));
        let commit_bounds: Vec<f64> = COMMIT_BOUNDS.to_vec();
        let commits =
            commit_bounds.iter().copied().chain([over(&commit_bounds)]).zip(journal.commit_buckets.iter().map(load));
        Readings {
            engine,
            trunks,
            estimates: estimates.into_iter().map(|(queue, estimate)| (queue, (estimate.p50, estimate.p80))).collect(),
            rtp_streams: load(&counters.legs),
            media_overloaded: load(&counters.behind) > 0,
            rtp_packets: [load(&counters.packets_in), load(&counters.packets_out)],
            rtp_bytes: [load(&counters.bytes_in), load(&counters.bytes_out)],
            rtp_lost: load(&counters.lost),
            rtp_dropped: load(&counters.dropped),
            forks_active: load(&self.forks.active),
            forks_dropped: load(&self.forks.dropped),
            tick_late: late.collect(),
            commits: commits.collect(),
            journal_stalled: journal.stalled(Instant::now()),
            recordings_active: load(&recorder.active),
            recording_bytes: load(&recorder.bytes),
            recording_failures: load(&recorder.failures),
            recording_lost_ms: load(&recorder.lost_ms) + load(&counters.unrecorded) / 8,
            recording_alarm: recorder.alarm(Instant::now()),
            storage_free: storage::free_bytes(&config.data_dir),
            sip_connections: self.streams.count().into_iter().map(|(t, count)| (t.label(), count)).collect(),
            sip_connections_refused: self.streams.stats().refused().collect(),
            reload_ok,
            reload_at,
            trunk_limits: config.call.trunks.iter().map(|(name, trunk)| (name.clone(), trunk.max_calls)).collect(),
        }
    }
}
