//! Signs of life of one contact: after a silence it is asked twice, then it counts as dead.
//!
//! ```text
//!   heard ---30 s silence---> asked once ---7 s---> asked twice ---7 s---> dead: 44 s after the last sign
//!     ^________any message____________|____________________|
//! ```

use std::time::{Duration, Instant};

/// A contact that is silent for so long is asked for a sign of life.
pub const SILENCE: Duration = Duration::from_secs(30);
/// How long it has for each answer. The question itself is repeated four times in it (RFC 3261 §17.1.2.1).
pub const ANSWER_WITHIN: Duration = Duration::from_secs(7);
/// Questions without an answer that make it dead.
const ASKED_MAX: u8 = 2;

/// What is known of its life.
#[derive(Debug)]
pub(super) struct Pulse {
    check_at: Instant,
    asked: u8,
}

/// What to do now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Beat {
    /// Nothing.
    Well,
    /// Ask it.
    Ask,
    /// It does not answer.
    Dead,
}

impl Pulse {
    /// It is asked at this time when nothing comes before.
    pub(super) fn new(check_at: Instant) -> Self {
        Self { check_at, asked: 0 }
    }

    /// A sign of life.
    pub(super) fn heard(&mut self, now: Instant) {
        *self = Self::new(now + SILENCE);
    }

    /// When `beat` has something to say.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.check_at
    }

    /// What is due at `now`; calling it early does nothing.
    pub(super) fn beat(&mut self, now: Instant) -> Beat {
        if self.check_at > now {
            return Beat::Well;
        }
        if self.asked >= ASKED_MAX {
            return Beat::Dead;
        }
        self.asked += 1;
        self.check_at = now + ANSWER_WITHIN;
        Beat::Ask
    }
}
