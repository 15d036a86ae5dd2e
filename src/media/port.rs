//! Which UDP ports are free: the one unused longest is taken first.
//!
//! A port rests for 30 s after its call, so that late packets of the old call cannot reach a new one. Only when
//! every free port still rests is the oldest taken early, and that is counted (spec: reliability §2, port reuse).

use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// How long a port rests after use while the range has another.
pub const QUARANTINE: Duration = Duration::from_secs(30);

/// Where a leg is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Port {
    /// An even port of its own; RTCP uses the one above.
    Own(u16),
    /// The port all legs of its shard share; RTCP uses it too, or the one above.
    Shared(u16),
}

impl Port {
    /// What SDP announces.
    pub fn number(self) -> u16 {
        match self {
            Self::Own(number) | Self::Shared(number) => number,
        }
    }
}

/// The even ports of a range; RTCP has the odd port above each.
#[derive(Debug)]
pub struct PortRange {
    /// In the order of their last use; `None` was never used.
    free: VecDeque<(u16, Option<Instant>)>,
    used: BTreeSet<u16>,
    limit: usize,
    reused_early: u64,
}

impl PortRange {
    /// Takes the even ports of `range` whose odd neighbour above is in the range too.
    pub fn new(range: RangeInclusive<u16>) -> Self {
        let last = *range.end();
        let free: VecDeque<_> = range.filter(|p| p % 2 == 0 && *p != 0 && *p < last).map(|p| (p, None)).collect();
        Self { limit: free.len(), free, used: BTreeSet::new(), reused_early: 0 }
    }

    /// As [`PortRange::new`], but for those that many legs share.
    pub fn without(range: RangeInclusive<u16>, shared: &[u16]) -> Self {
        let mut ports = Self::new(range);
        ports.free.retain(|(port, _)| !shared.contains(port));
        ports.limit = ports.free.len();
        ports
    }

    /// Takes a port; true beside it when it had to be used again before its 30 s were over.
    ///
    /// Returns `None` when all are in use.
    pub fn take(&mut self, now: Instant) -> Option<(u16, bool)> {
        let (port, given) = self.free.pop_front()?;
        let early = given.is_some_and(|at| now.saturating_duration_since(at) < QUARANTINE);
        self.reused_early += u64::from(early);
        self.used.insert(port);
        Some((port, early))
    }

    /// Gives a port back. One that is not in use is ignored.
    pub fn give(&mut self, now: Instant, port: u16) {
        if self.used.remove(&port) {
            self.free.push_back((port, Some(now)));
        }
    }

    /// Puts a taken port aside that another program holds (bind failed): it comes last, like one just used.
    pub fn skip(&mut self, now: Instant, port: u16) {
        self.give(now, port)
    }

    /// Port pairs in use.
    pub fn in_use(&self) -> usize {
        self.used.len()
    }

    /// Port pairs in all.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How often a port was used again before its 30 s were over.
    pub fn reused_early(&self) -> u64 {
        self.reused_early
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_even_ports_with_an_odd_neighbour_are_in_the_range() {
        let now = Instant::now();
        let mut ports = PortRange::new(20_001..=20_006);
        assert_eq!(ports.limit(), 2);
        assert_eq!(ports.take(now), Some((20_002, false)));
        assert_eq!(ports.take(now), Some((20_004, false)));
        assert_eq!(ports.take(now), None);
        assert_eq!(ports.in_use(), 2);
        assert_eq!(PortRange::new(65_534..=65_535).limit(), 1);
    }

    #[test]
    fn the_port_unused_longest_is_taken_first_and_rests_30_s_while_another_is_free() {
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        let mut ports = PortRange::new(20_000..=20_005);
        assert_eq!(ports.take(at(0)), Some((20_000, false)));
        ports.give(at(1), 20_000);
        assert_eq!(ports.take(at(1)), Some((20_002, false)));
        assert_eq!(ports.take(at(1)), Some((20_004, false)));
        ports.give(at(2), 20_004);
        assert_eq!(ports.take(at(31)), Some((20_000, false)), "rested 30 s");
        assert_eq!(ports.take(at(31)), Some((20_004, true)), "29 s only, but the last one");
        assert_eq!(ports.reused_early(), 1);
    }

    #[test]
    fn a_port_that_cannot_be_bound_comes_last() {
        let now = Instant::now();
        let mut ports = PortRange::new(20_000..=20_003);
        ports.take(now);
        ports.skip(now, 20_000);
        assert_eq!(ports.take(now), Some((20_002, false)));
        ports.give(now, 30_000);
        assert_eq!((ports.in_use(), ports.limit()), (1, 2), "a foreign port is not added");
    }
}
