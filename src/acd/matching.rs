//! Who gets whom, and why.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::agent::{READY, class_name};
use super::deadline::Slot;
use super::floor::Floor;
use super::lane::{Caller, Lane, OVERDUE, Place};
use crate::id::CallId;
use crate::journal::Why;

/// A caller's place in the one order across all queues: first those for whom no phone rings; then level, score, the
/// queue's weight, entry.
type Turn = (bool, i64, i64, Reverse<u32>, u64);

fn turn(is_rung: bool, place: &Place, weight: u32) -> Turn {
    (is_rung, place.level, place.since_s, Reverse(weight), place.seq)
}

/// Why a caller goes before others whatever their scores.
pub(super) fn ahead(place: &Place) -> Option<String> {
    match place.level {
        OVERDUE => Some("overdue".to_owned()),
        0 => None,
        level => Some(format!("priority {}", level.unsigned_abs())),
    }
}

impl Floor {
    /// Offers callers until no caller waits whom an idle agent may serve.
    ///
    /// Before the present input there was no such pair; so one side of any new pair is in `free_callers` or
    /// `free_agents`, and only those are looked at.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some((_, call)) = self.first_turn() {
            if !self.ring_round(now, call) {
                break;
            }
        }
        self.free_callers.clear();
        self.free_agents.clear();
    }

    /// As `settle`, with everything looked at: after a change of rules.
    pub(super) fn settle_all(&mut self, now: Instant) {
        let mut turns: Vec<(Turn, CallId)> = Vec::new();
        for (_, lane) in &self.lanes {
            turns.extend(lane.heads(|_| true).map(|(is_rung, place)| (turn(is_rung, place, lane.weight), place.call)));
        }
        turns.sort_unstable();
        for (_, call) in turns {
            self.ring_round(now, call);
        }
        self.free_callers.clear();
        self.free_agents.clear();
    }

    /// The caller whose turn it is among those who can be served.
    fn first_turn(&self) -> Option<(Turn, CallId)> {
        let callers = self.free_callers.iter().filter_map(|call| {
            let caller = self.callers.get(call)?;
            self.agent_for(*call)?;
            let is_rung = !caller.offers.is_empty();
            Some((turn(is_rung, &caller.place, self.lanes.get(caller.lane)?.weight), *call))
        });
        let of_agents = self.free_agents.iter().filter_map(|slot| self.caller_for(*slot));
        callers.chain(of_agents).min()
    }

    /// The agent a waiting caller gets: of those who meet his needs the first by his queue's strategy.
    pub(super) fn agent_for(&self, call: CallId) -> Option<Slot> {
        let caller = self.callers.get(&call)?;
        let queue = self.queues.get(&caller.queue).filter(|queue| caller.takes_agent(&queue.config))?;
        let lane = self.lanes.get(caller.lane)?;
        lane.idle.next(queue.last, &caller.excluded)
    }

    /// The caller an idle agent gets: the first turn in any of his lanes.
    fn caller_for(&self, slot: Slot) -> Option<(Turn, CallId)> {
        let agent = self.agents.get(slot).filter(|a| a.counted.is_some_and(|c| c.standing.is_some()))?;
        let head = |lane: &usize| {
            let lane = self.lanes.get(*lane)?;
            let (is_rung, place) = lane.heads(|p| !agent.excluded.contains_key(&p.call)).next()?;
            Some((turn(is_rung, place, lane.weight), place.call))
        };
        agent.lanes.iter().filter_map(head).min()
    }

    /// The reason of an offer, taken before it is made.
    pub(super) fn why(&self, now: Instant, caller: &Caller, lane: &Lane, slot: Slot) -> Why {
        let idle_since = self.agents.get(slot).map_or(now, |a| a.idle_since);
        let mut passed_over: BTreeMap<String, u32> = lane.unskilled.clone();
        for (class, count) in lane.counts.iter().enumerate().filter(|(class, n)| *class != READY && **n > 0) {
            passed_over.insert(class_name(class).to_owned(), *count);
        }
        let excluded = u32_of(caller.excluded.iter().filter(|slot| lane.idle.contains(**slot)).count());
        if excluded > 0 {
            passed_over.insert("excluded".to_owned(), excluded);
        }
        let queue = self.queues.get(&caller.queue);
        let (mut preferred, mut unmet) = (Vec::new(), Vec::new());
        let config = self.agents.get(slot).map(|a| &a.config);
        let preferences = config.map(|config| lane.preferences(config));
        for (text, is_met) in preferences.into_iter().flatten() {
            if is_met { &mut preferred } else { &mut unmet }.push(text.to_owned());
        }
        Why {
            rule: queue.map_or("", |q| q.config.strategy.word()).to_owned(),
            figure: lane.idle.figure(slot),
            idle_ms: ms(now, idle_since),
            waited_ms: ms(now, caller.entered),
            score_s: Some(i64::try_from(ms(now, self.origin) / 1_000).unwrap_or(i64::MAX) - caller.place.since_s),
            ahead: ahead(&caller.place),
            waiting: queue.map_or(0, |q| u32_of(q.order.len())),
            eligible: u32_of(lane.idle.len()).saturating_sub(excluded),
            preferred,
            unmet,
            passed_over,
            step: queue.zip(config).and_then(|(queue, config)| queue.config.step_name(lane.pool_of(config)?.1.step)),
            sticky: caller.sticky.map(|sticky| sticky.whom),
            beside: u32_of(caller.offers.len()),
        }
    }
}

/// Milliseconds from `earlier` to `now`, never below zero.
pub(super) fn ms(now: Instant, earlier: Instant) -> u64 {
    whole_ms(now.saturating_duration_since(earlier))
}

/// A length as the journal writes it.
pub(super) fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A count as the journal writes it.
pub(super) fn u32_of(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
