//! Counters of other parts, brought over at the scrape.

use prometheus::{Histogram, HistogramVec, IntCounter};

use crate::engine;
use crate::sip::{DURATION_BOUNDS_MS, GUARD_LABELS, METHODS, TRANSPORTS};

use super::{Metrics, Readings, seconds};

/// Classes of responses, as signalling counts them.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "6xx"];
/// When a request of ours is given up, in seconds (RFC 3261 Timers B and F): what stands for all that takes longer than
/// the last bucket.
const GIVE_UP_S: f64 = 32.0;

impl Metrics {
    pub(super) fn carry_engine(&mut self, readings: &Readings) {
        let stats = &readings.engine;
        let sip = &stats.sip;
        self.carry_messages(stats);
        carry(&self.sip_parse_errors, sip.parse_errors);
        let rejected = &sip.rejected;
        for (reason, count) in [
            ("auth", rejected.auth),
            ("malformed", rejected.malformed),
            ("unsupported", rejected.unsupported),
            ("no_dialog", rejected.no_dialog),
            ("hops", rejected.hops),
            ("overload", rejected.overload),
        ] {
            carry(&self.sip_rejected.with_label_values(&[reason]), count);
        }
        for ((action, reason), count) in GUARD_LABELS.iter().zip(sip.guard.by_label) {
            carry(&self.sip_guard.with_label_values(&[action, reason]), count);
        }
        self.sip_banned.set(i64::try_from(sip.guard.banned).unwrap_or(i64::MAX));
        let tries = &sip.registrations;
        for (result, count) in
            [("ok", tries.ok), ("challenged", tries.challenged), ("denied", tries.denied), ("expired", tries.expired)]
        {
            carry(&self.registration_attempts.with_label_values(&[result]), count);
        }
        self.registrations.set(sip.contacts as i64);
        self.sip_transactions.set(sip.transactions as i64);
        self.sip_sessions.set(sip.sessions as i64);
        self.ports_in_use.set(stats.ports_in_use as i64);
        self.ports_limit.set(stats.ports_limit as i64);
        carry(&self.ports_early, stats.ports_reused_early);
        carry(&self.panics, stats.panics);
        for (trunk, limit) in &readings.trunk_limits {
            let calls = stats.trunk_calls.get(trunk).copied().unwrap_or(0);
            self.trunk_in_use.with_label_values(&[trunk]).set(i64::from(calls));
            self.trunk_limit.with_label_values(&[trunk]).set(i64::from(*limit));
            if let Some(up) = stats.trunks_up.get(trunk) {
                self.trunk_up.with_label_values(&[trunk]).set(i64::from(*up));
            }
        }
    }

    /// What signalling counts by method: only what happened has a series, for most methods hardly ever come.
    fn carry_messages(&mut self, stats: &engine::Stats) {
        let sip = &stats.sip;
        for (way, requests, responses, again, times) in [
            ("in", &sip.requests_in, &sip.responses_in, &sip.retransmissions_in, &sip.served),
            ("out", &sip.requests_out, &sip.responses_out, &sip.retransmissions_out, &sip.answered),
        ] {
            for (method, counts) in METHODS.iter().zip(requests) {
                for (transport, count) in TRANSPORTS.iter().zip(counts).filter(|(_, count)| **count > 0) {
                    carry(&self.sip_requests.with_label_values(&[*method, way, transport]), *count);
                }
            }
            for (method, counts) in METHODS.iter().zip(responses) {
                for (class, count) in CLASSES.iter().zip(counts).filter(|(_, count)| **count > 0) {
                    carry(&self.sip_responses.with_label_values(&[*method, class, way]), *count);
                }
            }
            for (method, count) in METHODS.iter().zip(again).filter(|(_, count)| **count > 0) {
                carry(&self.sip_retransmissions.with_label_values(&[*method, way]), *count);
            }
            for (method, counts) in METHODS.iter().zip(times).filter(|(_, counts)| counts.iter().any(|c| *c > 0)) {
                let bounds = transaction_bounds().into_iter().chain([GIVE_UP_S]);
                let readings: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
                let seen = self.transactions_seen.entry((*method, way)).or_default();
                carry_into(&self.sip_transaction.with_label_values(&[*method, way]), seen, &readings);
            }
        }
    }

    pub(super) fn carry_others(&mut self, readings: &Readings) {
        for trunk in &readings.trunks {
            let name = trunk.name.as_str();
            if trunk.registers {
                let registered = trunk.registered_for.is_some();
                self.trunk_registered.with_label_values(&[name]).set(i64::from(registered));
            }
            if let Some(time) = trunk.hosts.iter().find_map(|host| host.round_trip) {
                self.trunk_rtt.with_label_values(&[name]).set(time.as_secs_f64());
            }
        }
        self.rtp_streams.set(readings.rtp_streams as i64);
        self.media_overloaded.set(i64::from(readings.media_overloaded));
        for (way, at) in [("in", 0), ("out", 1)] {
            carry(&self.rtp_packets.with_label_values(&[way]), readings.rtp_packets[at]);
            carry(&self.rtp_bytes.with_label_values(&[way]), readings.rtp_bytes[at]);
        }
        carry(&self.rtp_lost.with_label_values(&["in"]), readings.rtp_lost);
        carry(&self.rtp_dropped.with_label_values(&["not_accepted"]), readings.rtp_dropped);
        carry_buckets(&self.tick_late, &mut self.ticks_seen, &readings.tick_late);
        carry_buckets(&self.commit, &mut self.commits_seen, &readings.commits);
        self.stalled.set(i64::from(readings.journal_stalled));
        self.forks_active.set(readings.forks_active as i64);
        carry(&self.forks_dropped, readings.forks_dropped);
        self.recordings_active.set(readings.recordings_active as i64);
        carry(&self.recording_bytes, readings.recording_bytes);
        carry(&self.recording_failures, readings.recording_failures);
        self.recording_failing.set(i64::from(readings.recording_alarm));
        let lost = readings.recording_lost_ms as f64 / 1_000.0;
        self.recording_loss.inc_by((lost - self.recording_loss.get()).max(0.0));
        if let Some(free) = readings.storage_free {
            self.storage_free.set(i64::try_from(free).unwrap_or(i64::MAX));
        }
        for (transport, count) in &readings.sip_connections {
            self.sip_connections.with_label_values(&[*transport]).set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
        for (reason, count) in &readings.sip_connections_refused {
            carry(&self.sip_connections_refused.with_label_values(&[*reason]), *count);
        }
        self.reload_ok.set(i64::from(readings.reload_ok));
        self.reload_at.set(readings.reload_at.0 / 1_000_000);
    }
}

/// Brings our counter to where the other one is.
fn carry(counter: &IntCounter, reading: u64) {
    counter.inc_by(reading.saturating_sub(counter.get()));
}

/// Observes what each bucket gained since `seen`, at its upper bound.
fn carry_buckets(histogram: &HistogramVec, seen: &mut Vec<u64>, readings: &[(f64, u64)]) {
    carry_into(&histogram.with_label_values::<&str>(&[]), seen, readings);
}

fn carry_into(child: &Histogram, seen: &mut Vec<u64>, readings: &[(f64, u64)]) {
    seen.resize(readings.len(), 0);
    for ((bound, count), before) in readings.iter().zip(seen.iter_mut()) {
        for _ in *before..*count {
            child.observe(*bound);
        }
        *before = *count;
    }
}

/// Buckets of transactions in seconds, as signalling counts them.
pub(super) fn transaction_bounds() -> Vec<f64> {
    DURATION_BOUNDS_MS.iter().map(|ms| seconds(*ms)).collect()
}
