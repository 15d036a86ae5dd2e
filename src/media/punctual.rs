//! Is a media thread behind for good? One late turn is a hiccup, a second of them is a machine without processor.

use std::time::{Duration, Instant};

/// A turn of the wheels later than this is late.
const LATE: Duration = Duration::from_millis(20);
/// So long late on end is behind; so long on time on end is no longer behind.
const PATIENCE: Duration = Duration::from_secs(1);

/// The judgement on one thread.
///
/// ```text
///   on time ── late for 1 s on end ──> behind ── on time for 1 s on end ──> on time
/// ```
#[derive(Debug, Default)]
pub struct Punctuality {
    behind: bool,
    /// Since when all turns say the opposite of `behind`.
    since: Option<Instant>,
}

impl Punctuality {
    /// A turn that was due at `due` begins at `now`. Returns the new judgement when it changes: true is behind.
    pub fn handle_turn(&mut self, now: Instant, due: Instant) -> Option<bool> {
        let late = now.saturating_duration_since(due) > LATE;
        if late == self.behind {
            self.since = None;
            return None;
        }
        // A thread that stood still has been late since its turn was due.
        let began = if late { due.min(now) } else { now };
        let since = *self.since.get_or_insert(began);
        if now.saturating_duration_since(since) < PATIENCE {
            return None;
        }
        (self.behind, self.since) = (late, None);
        Some(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns of 20 ms from `from_ms` to `to_ms`, each so late; the changes with their time.
    fn turns(judge: &mut Punctuality, start: Instant, from_ms: u64, to_ms: u64, late_ms: u64) -> Vec<(u64, bool)> {
        let at = |ms| start + Duration::from_millis(ms);
        let turns = (from_ms..to_ms).step_by(20);
        turns.filter_map(|ms| Some((ms, judge.handle_turn(at(ms + late_ms), at(ms))?))).collect()
    }

    #[test]
    fn a_second_of_late_turns_is_behind_and_a_second_on_time_is_not() {
        let (start, mut judge) = (Instant::now(), Punctuality::default());
        assert_eq!(turns(&mut judge, start, 0, 5_000, 20), [], "20 ms are borne");
        assert_eq!(turns(&mut judge, start, 5_000, 5_940, 30), []);
        assert_eq!(turns(&mut judge, start, 5_940, 5_960, 0), [], "one on time: it begins anew");
        assert_eq!(turns(&mut judge, start, 6_000, 8_000, 30), [(6_980, true)], "late by 30 ms at 7,010");
        assert_eq!(turns(&mut judge, start, 8_000, 8_980, 0), []);
        assert_eq!(turns(&mut judge, start, 9_000, 9_020, 21), []);
        assert_eq!(turns(&mut judge, start, 9_020, 12_000, 1), [(10_020, false)]);
    }

    #[test]
    fn a_thread_that_stood_still_for_a_second_is_behind_at_once() {
        let (start, mut judge) = (Instant::now(), Punctuality::default());
        assert_eq!(turns(&mut judge, start, 0, 1_000, 0), []);
        assert_eq!(turns(&mut judge, start, 1_000, 1_020, 990), []);
        assert_eq!(turns(&mut judge, start, 2_000, 2_020, 0), []);
        assert_eq!(turns(&mut judge, start, 3_000, 3_020, 1_000), [(3_000, true)]);
    }
}
