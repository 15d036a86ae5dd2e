//! Strategies: in which order a queue takes its idle agents.
//!
//! Each lane keeps its idle agents in a row sorted by what its queue's strategy looks at, so the next one is found
//! without looking at the others. A key holds as long as he stands in the row: when what ranks him changes, he is seated
//! anew.
//!
//! The row is in tiers: those without any call come first, then those with one who may have another, and so on; among
//! them those who meet more of the caller's preferences. The strategy decides within a tier.
//!
//! Chance works by clocks. Who comes into a row draws how long his clock shall run, exponentially with a mean of
//! 1/weight; whose clock rings first is taken. As such a clock has no memory, each of those present is next with
//! the likelihood weight / sum of weights at every decision, however long he or the others have stood there.

use std::collections::{BTreeMap, BTreeSet};

use super::config::{AgentConfig, Strategy};
use super::deadline::Slot;
use crate::id::QueueName;

/// Bits after the point of a clock's time: a mean of 2³², so that an endless row of one agent rings 2³² times.
const FRACTION_BITS: u32 = 32;

/// What strategies look at in an agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Standing {
    /// Calls he has already; who has fewer is taken first, whatever the strategy.
    pub load: u8,
    /// Order of becoming free: lower is idle longer; no two agents have the same.
    pub rank: u64,
    /// Callers answered in this shift.
    pub calls: u64,
    /// Time talked with them, in ms.
    pub talk_ms: u64,
    /// His place in the file; no two agents have the same.
    pub order: u32,
}

/// Where an agent stands in a row: lower is taken first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key {
    /// Calls he has; then preferences he does not meet. See [`tier`].
    tier: u64,
    /// What the strategy looks at.
    first: u64,
    /// What decides between equals.
    second: u64,
}

/// The idle agents of one lane, in the order in which they are taken.
#[derive(Debug)]
pub(super) struct Row {
    strategy: Strategy,
    idle: BTreeSet<(Key, Slot)>,
    seats: BTreeMap<Slot, Seat>,
    /// For strategies of chance: when the last clock rang in a tier.
    rang_at: BTreeMap<u64, u64>,
    dice: Dice,
}

#[derive(Clone, Copy, Debug)]
struct Seat {
    key: Key,
    weight: u32,
}

impl Row {
    /// An empty row. `seed` matters to strategies of chance only: the same one gives the same choices.
    pub fn new(strategy: Strategy, seed: u64) -> Self {
        Self { strategy, idle: BTreeSet::new(), seats: BTreeMap::new(), rang_at: BTreeMap::new(), dice: Dice(seed) }
    }

    /// An agent of this queue becomes idle, who leaves so many preferences unmet.
    pub fn insert(&mut self, slot: Slot, unmet: usize, standing: Standing, agent: &AgentConfig, queue: &QueueName) {
        self.remove(slot);
        let weight = weight(self.strategy, agent, queue);
        let seat = Seat { key: self.key(tier(unmet, standing.load), standing, weight), weight };
        self.idle.insert((seat.key, slot));
        self.seats.insert(slot, seat);
    }

    /// He is idle no more; nothing when he was not.
    pub fn remove(&mut self, slot: Slot) {
        if let Some(seat) = self.seats.remove(&slot) {
            self.idle.remove(&(seat.key, slot));
        }
    }

    /// True when he stands here.
    pub fn contains(&self, slot: Slot) -> bool {
        self.seats.contains_key(&slot)
    }

    /// How many stand here.
    pub fn len(&self) -> usize {
        self.idle.len()
    }

    /// Who is taken next for a caller who may not have those `excluded`. `last` is the place in the file of the agent
    /// whom the queue rang last: the round goes on after him.
    pub fn next(&self, last: Option<u32>, excluded: &BTreeSet<Slot>) -> Option<Slot> {
        let allowed = |(_, slot): &&(Key, Slot)| !excluded.contains(slot);
        let found = match (self.strategy, last) {
            (Strategy::RoundRobin, Some(last)) => self.round(last, allowed),
            _ => self.idle.iter().find(allowed),
        };
        found.map(|(_, slot)| *slot)
    }

    /// The next after `last`, from the top again after the end; each tier is a round of its own.
    fn round(&self, last: u32, allowed: impl Fn(&&(Key, Slot)) -> bool) -> Option<&(Key, Slot)> {
        let from = |tier, first| (Key { tier, first, second: 0 }, 0);
        let mut tier = self.idle.first()?.0.tier;
        loop {
            let (start, after, end) = (from(tier, 0), from(tier, u64::from(last) + 1), from(tier + 1, 0));
            let mut round = self.idle.range(after..end).chain(self.idle.range(start..after));
            if let Some(found) = round.find(&allowed) {
                return Some(found);
            }
            tier = self.idle.range(end..).next()?.0.tier;
        }
    }

    /// He was taken, in spite of those `excluded`: with strategies of chance his clock rang. Those passed over draw
    /// anew, else they would be likelier next time; nothing was learned of the others.
    pub fn take(&mut self, slot: Slot, excluded: &BTreeSet<Slot>) {
        let Some(seat) = self.seats.get(&slot).copied().filter(|_| is_chance(self.strategy)) else { return };
        self.rang_at.insert(seat.key.tier, seat.key.first);
        for slot in excluded {
            let is_late = |late: &Seat| late.key.tier == seat.key.tier && late.key < seat.key;
            let Some(late) = self.seats.get(slot).copied().filter(is_late) else { continue };
            let key = self.draw(late.key.tier, late.weight);
            self.idle.remove(&(late.key, *slot));
            self.idle.insert((key, *slot));
            self.seats.insert(*slot, Seat { key, ..late });
        }
    }

    /// The figure by which he stands where he stands, for the journal; none where idle time alone or chance decides.
    pub fn figure(&self, slot: Slot) -> Option<u64> {
        let seat = self.seats.get(&slot)?;
        match self.strategy {
            Strategy::FewestCalls | Strategy::LeastTalk => Some(seat.key.first),
            Strategy::RoundRobin | Strategy::Linear => Some(seat.key.first + 1),
            Strategy::Weighted => Some(u64::from(seat.weight)),
            Strategy::LongestIdle | Strategy::RingAll | Strategy::RingProgressive | Strategy::Random => None,
        }
    }

    /// The same for one who does not stand here, and would.
    pub fn figure_of(&self, standing: Standing, agent: &AgentConfig, queue: &QueueName) -> Option<u64> {
        match self.strategy {
            Strategy::FewestCalls => Some(standing.calls),
            Strategy::LeastTalk => Some(standing.talk_ms),
            Strategy::RoundRobin | Strategy::Linear => Some(u64::from(standing.order) + 1),
            Strategy::Weighted => Some(u64::from(weight(self.strategy, agent, queue))),
            Strategy::LongestIdle | Strategy::RingAll | Strategy::RingProgressive | Strategy::Random => None,
        }
    }

    /// True when the other row, built afresh, has the same agents in the same order; by chance any order is good.
    pub fn agrees(&self, fresh: &Self) -> bool {
        let is_indexed = self.seats.iter().all(|(slot, seat)| self.idle.contains(&(seat.key, *slot)));
        let is_same = if is_chance(self.strategy) {
            let is_due = |seat: &Seat| seat.key.first >= self.rang_at.get(&seat.key.tier).copied().unwrap_or(0);
            self.seats.keys().eq(fresh.seats.keys()) && self.seats.values().all(is_due)
        } else {
            self.idle == fresh.idle
        };
        is_indexed && is_same && self.idle.len() == self.seats.len()
    }

    fn key(&mut self, tier: u64, standing: Standing, weight: u32) -> Key {
        let Standing { rank, calls, talk_ms, order, .. } = standing;
        match self.strategy {
            Strategy::LongestIdle | Strategy::RingAll | Strategy::RingProgressive => {
                Key { tier, first: rank, second: 0 }
            }
            Strategy::FewestCalls => Key { tier, first: calls, second: rank },
            Strategy::LeastTalk => Key { tier, first: talk_ms, second: rank },
            Strategy::RoundRobin | Strategy::Linear => Key { tier, first: u64::from(order), second: 0 },
            Strategy::Random | Strategy::Weighted => self.draw(tier, weight),
        }
    }

    fn draw(&mut self, tier: u64, weight: u32) -> Key {
        let time = exponential(self.dice.roll()) / u64::from(weight.max(1));
        let rang_at = self.rang_at.get(&tier).copied().unwrap_or(0);
        Key { tier, first: rang_at.saturating_add(time), second: 0 }
    }
}

/// The tier of who has `load` calls; `unmet` is how far behind he stands by his pool and his preferences, below 2³².
fn tier(unmet: usize, load: u8) -> u64 {
    u64::from(load) << 32 | u64::try_from(unmet).unwrap_or(0)
}

fn is_chance(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::Random | Strategy::Weighted)
}

/// How likely he is against the others of his queue.
fn weight(strategy: Strategy, agent: &AgentConfig, queue: &QueueName) -> u32 {
    match strategy {
        Strategy::Weighted => agent.weights.get(queue).copied().unwrap_or(1),
        Strategy::LongestIdle
        | Strategy::RingAll
        | Strategy::RingProgressive
        | Strategy::FewestCalls
        | Strategy::LeastTalk
        | Strategy::RoundRobin
        | Strategy::Linear
        | Strategy::Random => 1,
    }
}

/// SplitMix64: no secret, only spread; the same seed gives the same row of numbers on every machine.
#[derive(Debug)]
pub(super) struct Dice(pub u64);

impl Dice {
    /// The next number, each of the 2⁶⁴ as likely as any other.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// −log₂ of `uniform` / 2⁶⁴ with [`FRACTION_BITS`] bits after the point: exponentially distributed, at most 2³⁸.
///
/// In whole numbers, as logarithms of floating numbers differ in the last bit from one machine to the next and a
/// replay must choose the same agents everywhere.
fn exponential(uniform: u64) -> u64 {
    let uniform = uniform | 1;
    let zeros = uniform.leading_zeros();
    let mut log = u64::from(63 - zeros);
    // From 1 up to 2, with 63 bits after the point. Each squaring brings out one more bit of its logarithm.
    let mut mantissa = u128::from(uniform << zeros);
    for _ in 0..FRACTION_BITS {
        mantissa = (mantissa * mantissa) >> 63;
        let bit = mantissa >> 64;
        mantissa >>= bit;
        log = log << 1 | u64::try_from(bit).unwrap_or(1);
    }
    (64 << FRACTION_BITS) - log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_right_at_powers_of_two_and_between() {
        let of = |x: f64| -(x.log2()) * f64::from(2u32.pow(31)) * 2.0;
        for x in [0.5, 0.25, 0.75, 0.1, 0.999, 1e-9] {
            let found = exponential((x * 2f64.powi(64)) as u64) as f64;
            assert!((found - of(x)).abs() < 4.0 + of(x) * 1e-9, "{x}: {found} against {}", of(x));
        }
        assert_eq!((exponential(0), exponential(u64::MAX)), (64 << 32, 1));
    }

    /// Who is passed over as this caller may not have him is no likelier for the next one.
    #[test]
    fn chance_has_no_memory_of_who_was_passed_over() {
        let queue = QueueName::from("support");
        let standing = Standing { load: 0, rank: 0, calls: 0, talk_ms: 0, order: 0 };
        let mut row = Row::new(Strategy::Weighted, 5);
        let seated = |row: &mut Row, slot: Slot| {
            let mut agent = AgentConfig::new(slot.to_string().into());
            agent.weights.insert(queue.clone(), u32::try_from(slot).unwrap());
            row.insert(slot, 0, standing, &agent, &queue);
        };
        (1..=4).for_each(|slot| seated(&mut row, slot));
        let mut taken = [0; 5];
        for turn in 0..40_000 {
            let excluded = if turn % 2 == 0 { BTreeSet::from([4, 2]) } else { BTreeSet::new() };
            let slot = row.next(None, &excluded).unwrap();
            row.take(slot, &excluded);
            row.remove(slot);
            seated(&mut row, slot);
            taken[slot] += turn % 2;
        }
        for (slot, share) in [(1, 2_000i32), (2, 4_000), (3, 6_000), (4, 8_000)] {
            assert!((taken[slot] - share).abs() < 250, "{taken:?}");
        }
    }

    #[test]
    fn the_mean_of_a_clock_is_one_over_ln_2() {
        let mut dice = Dice(7);
        let sum: f64 = (0..100_000).map(|_| exponential(dice.roll()) as f64 / 2f64.powi(32)).sum();
        assert!((sum / 100_000.0 * std::f64::consts::LN_2 - 1.0).abs() < 0.01, "{sum}");
    }
}
