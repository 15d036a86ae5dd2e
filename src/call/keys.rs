//! Key presses of one phone, whichever way it tells them.
//!
//! Phones tell a key as a telephone-event in the media (RFC 4733) or by INFO in the signalling (RFC 6086; the body
//! `application/dtmf-relay` has no RFC), and some do both for every press. Such a press counts once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far apart the two tellings of one press may be.
const TWIN: Duration = Duration::from_secs(1);
/// Most presses whose twin is waited for: nobody presses more keys in [`TWIN`].
const WAITING_MAX: usize = 16;

/// How a press was told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// In the media.
    Event,
    /// In the signalling.
    Info,
}

/// The presses told a moment ago whose twin may still come, oldest first.
#[derive(Debug, Default)]
pub(super) struct Keys {
    waiting: VecDeque<(Instant, char, Way)>,
}

impl Keys {
    /// A press was told; false when it was told the other way before, so that it counts already.
    pub(super) fn counts(&mut self, now: Instant, digit: char, way: Way) -> bool {
        while self.waiting.front().is_some_and(|(at, _, _)| now.saturating_duration_since(*at) >= TWIN) {
            self.waiting.pop_front();
        }
        let twin = self.waiting.iter().position(|(_, known, told)| *known == digit && *told != way);
        if let Some(twin) = twin {
            self.waiting.remove(twin);
            return false;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back((now, digit, way));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(presses: &[(u64, char, Way)]) -> String {
        let start = Instant::now();
        let mut keys = Keys::default();
        let counts =
            |(ms, digit, way): &&(u64, char, Way)| keys.counts(start + Duration::from_millis(*ms), *digit, *way);
        presses.iter().filter(counts).map(|(_, digit, _)| *digit).collect()
    }

    #[test]
    fn a_press_told_both_ways_counts_once_in_any_order() {
        use Way::{Event, Info};
        assert_eq!(counted(&[(0, '5', Event), (80, '5', Info), (400, '5', Info), (450, '5', Event)]), "55");
        assert_eq!(counted(&[(0, '5', Event), (300, '5', Event), (600, '5', Info), (700, '5', Info)]), "55");
        assert_eq!(counted(&[(0, '1', Event), (100, '2', Event), (150, '1', Info), (250, '2', Info)]), "12");
    }

    #[test]
    fn what_is_told_one_way_only_always_counts() {
        use Way::{Event, Info};
        assert_eq!(counted(&[(0, '5', Info), (100, '5', Info), (200, '5', Info)]), "555");
        assert_eq!(counted(&[(0, '5', Event), (999, '5', Info)]), "5");
        assert_eq!(counted(&[(0, '5', Event), (1_000, '5', Info)]), "55");
        let many: Vec<_> = (0..40).map(|n| (n, '7', Event)).collect();
        assert_eq!(counted(&many).len(), 40);
    }
}
