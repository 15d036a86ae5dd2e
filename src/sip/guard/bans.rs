//! Sources that are not listened to for a while.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Most bans. When full, the one that ends first makes room.
pub const BANS_MAX: usize = 65_536;
/// The longest ban.
const LONGEST: Duration = Duration::from_secs(86_400);
/// How long after its end a ban is remembered, so that the next one is longer.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// One banned source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ban {
    /// The address; of IPv6 the first of its /64.
    pub address: IpAddr,
    /// How long from now.
    pub left: Duration,
    /// The how manieth ban of this source it is.
    pub times: u32,
}

/// All bans.
#[derive(Debug, Default)]
pub(super) struct Bans(BTreeMap<IpAddr, Record>);

#[derive(Clone, Copy, Debug)]
struct Record {
    until: Instant,
    times: u32,
}

impl Bans {
    pub(super) fn holds(&self, now: Instant, source: IpAddr) -> bool {
        // Nearly always there is none at all.
        !self.0.is_empty() && self.0.get(&source).is_some_and(|record| record.until > now)
    }

    /// Bans a source, twice as long as the last time.
    pub(super) fn add(&mut self, now: Instant, source: IpAddr, first: Duration) -> Ban {
        if self.0.len() >= BANS_MAX {
            self.0.retain(|_, record| record.until + REMEMBERED > now);
            if self.0.len() >= BANS_MAX
                && let Some(next) = self.0.iter().min_by_key(|(_, record)| record.until).map(|(source, _)| *source)
            {
                self.0.remove(&next);
            }
        }
        let last = self.0.get(&source).filter(|record| record.until + REMEMBERED > now);
        let times = last.map_or(1, |record| record.times.saturating_add(1));
        let left = first.saturating_mul(1u32.checked_shl(times - 1).unwrap_or(u32::MAX)).min(LONGEST);
        self.0.insert(source, Record { until: now + left, times });
        Ban { address: source, left, times }
    }

    pub(super) fn remove(&mut self, now: Instant, source: IpAddr) -> bool {
        self.0.remove(&source).is_some_and(|record| record.until > now)
    }

    pub(super) fn list(&self, now: Instant) -> Vec<Ban> {
        let live = self.0.iter().filter(|(_, record)| record.until > now);
        live.map(|(source, record)| Ban {
            address: *source,
            left: record.until.saturating_duration_since(now),
            times: record.times,
        })
        .collect()
    }

    /// How many there are now.
    pub(super) fn len(&self, now: Instant) -> usize {
        self.0.values().filter(|record| record.until > now).count()
    }
}
