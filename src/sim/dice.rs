//! Chance by seed.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A seeded source of small choices.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The same seed gives the same throws.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number from 0 up to but not including `limit`; 0 for a limit of 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        // The bias of a modulus over 64 bits is far below what a simulation can see.
        if limit == 0 { 0 } else { self.0.next_u64() % limit }
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in so many of a hundred throws.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A number above 0 and up to 1.
    pub fn unit(&mut self) -> f64 {
        (self.below(1 << 53) as f64 + 1.0) / (1u64 << 53) as f64
    }

    /// Time to the next of events that come `per_hour` on average, in ms (exponential).
    pub fn gap_ms(&mut self, per_hour: u64) -> u64 {
        (-self.unit().ln() * 3_600_000.0 / per_hour as f64) as u64
    }

    /// 32 fresh bytes.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }
}
