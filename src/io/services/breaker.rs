//! A circuit breaker: a service that fails too often is left alone for some time.
//!
//! ```text
//!   Closed --so many failures in a row--> Open --time over--> one request tries --good--> Closed
//!                                          ^                          |
//!                                          +---------- bad -----------+
//! ```

use std::time::{Duration, Instant};

/// Whether a service may be asked.
#[derive(Debug)]
pub struct Breaker {
    failures_max: u32,
    open_for: Duration,
    state: State,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    Trying,
}

impl Breaker {
    /// Opens after so many failures in a row, for so long; 0 = never.
    pub fn new(failures_max: u32, open_for: Duration) -> Self {
        Self { failures_max, open_for, state: State::Closed { failures: 0 } }
    }

    /// The service may be asked now. [`Breaker::note`] is owed when it is and [`Breaker::is_trying`].
    pub fn may_try(&mut self, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until } if until <= now => {
                self.state = State::Trying;
                true
            }
            State::Open { .. } | State::Trying => false,
        }
    }

    /// It failed too often and one request tries it now.
    pub fn is_trying(&self) -> bool {
        matches!(self.state, State::Trying)
    }

    /// How the request went; true when the breaker opened by it, false when it closed.
    pub fn note(&mut self, now: Instant, is_good: bool) -> Option<bool> {
        let was_open = !matches!(self.state, State::Closed { .. });
        if is_good {
            // Also an answer to a request that was under way when it opened: the service is there.
            self.state = State::Closed { failures: 0 };
            return was_open.then_some(false);
        }
        let failures = match self.state {
            State::Closed { failures } => failures.saturating_add(1),
            State::Open { .. } => return None,
            State::Trying => self.failures_max,
        };
        if self.failures_max == 0 || failures < self.failures_max {
            self.state = State::Closed { failures };
            return None;
        }
        self.state = State::Open { until: now + self.open_for };
        (!was_open).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Duration = Duration::from_secs(30);

    #[test]
    fn it_opens_after_failures_in_a_row_and_one_request_tries_later() {
        let start = Instant::now();
        let mut breaker = Breaker::new(2, OPEN);
        assert!(breaker.may_try(start));
        assert_eq!(breaker.note(start, false), None);
        assert_eq!(breaker.note(start, true), None);
        assert_eq!(breaker.note(start, false), None);
        assert_eq!(breaker.note(start, false), Some(true));
        assert!(!breaker.may_try(start + OPEN / 2));
        assert!(breaker.may_try(start + OPEN));
        assert!(!breaker.may_try(start + OPEN), "one tries, not all");
        assert_eq!(breaker.note(start + OPEN, false), None);
        assert!(!breaker.may_try(start + OPEN + OPEN / 2));
        assert!(breaker.may_try(start + OPEN * 2));
        assert_eq!(breaker.note(start + OPEN * 2, true), Some(false));
        assert!(breaker.may_try(start + OPEN * 2));
    }

    #[test]
    fn without_a_bound_it_never_opens() {
        let start = Instant::now();
        let mut breaker = Breaker::new(0, OPEN);
        for _ in 0..100 {
            assert!(breaker.may_try(start));
            assert_eq!(breaker.note(start, false), None);
        }
    }
}
