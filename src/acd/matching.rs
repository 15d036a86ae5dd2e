//! Who gets whom, and why.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::agent::{Agent, class_name, is_open_class};
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
        self.take_at_once(now);
        self.count_free(now);
        while let Some((_, call)) = self.first_turn() {
            if !self.ring_round(now, call) {
                break;
            }
        }
        self.free_callers.clear();
        self.free_agents.clear();
    }

    /// Mostly it is one agent who became free, and somebody waits for whom nobody else is idle: he is rung without having
    /// stood among the idle, whose order cannot matter.
    fn take_at_once(&mut self, now: Instant) {
        let ([slot], []) = (self.free_agents.as_slice(), self.free_callers.as_slice()) else { return };
        let slot = *slot;
        let is_pending = self.agents.get(slot).is_some_and(|agent| agent.pending.is_some());
        if let Some((_, call)) = self.caller_for(slot).filter(|_| is_pending) {
            self.ring(now, call, slot);
        }
    }

    /// As `settle`, with everything looked at: after a change of rules.
    pub(super) fn settle_all(&mut self, now: Instant) {
        self.count_free(now);
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
        let is_idle = |agent: &&Agent| agent.pending.or(agent.counted).is_some_and(|c| c.standing.is_some());
        let agent = self.agents.get(slot).filter(is_idle)?;
        let head = |lane: &usize| {
            let lane = self.lanes.get(*lane)?;
            let (is_rung, place) = lane.heads(|p| !agent.excluded.contains_key(&p.call)).next()?;
            Some((turn(is_rung, place, lane.weight), place.call))
        };
        agent.lanes.iter().filter_map(head).min()
    }

    /// The reason of an offer, taken before it is made.
    pub(super) fn why(&self, now: Instant, caller: &Caller, lane: &Lane, slot: Slot) -> Why {
        let agent = self.agents.get(slot);
        let idle_since = agent.filter(|agent| !agent.is_engaged()).map_or(now, |agent| agent.idle_since);
        // Who is taken at once is still counted as what he was.
        let was = agent.and_then(|agent| agent.pending.and(agent.counted)).map(|counted| counted.class);
        let mut passed_over: BTreeMap<String, u32> = lane.unskilled.clone();
        for (class, count) in lane.counts.iter().enumerate().filter(|(class, _)| !is_open_class(*class)) {
            let others = count.saturating_sub(u32::from(was == Some(class)));
            if others > 0 {
                passed_over.insert(class_name(class).to_owned(), others);
            }
        }
        let excluded = u32_of(caller.excluded.iter().filter(|slot| lane.idle.contains(**slot)).count());
        if excluded > 0 {
            passed_over.insert("excluded".to_owned(), excluded);
        }
        let queue = self.queues.get(&caller.queue);
        let (mut preferred, mut unmet) = (Vec::new(), Vec::new());
        let config = agent.map(|a| &a.config);
        let figure = match agent.and_then(|agent| Some((agent, agent.pending?.standing?))) {
            Some((agent, standing)) => lane.idle.figure_of(standing, &agent.config, &lane.queue),
            None => lane.idle.figure(slot),
        };
        let preferences = config.map(|config| lane.preferences(config));
        for (text, is_met) in preferences.into_iter().flatten() {
            if is_met { &mut preferred } else { &mut unmet }.push(text.to_owned());
        }
        Why {
            rule: queue.map_or("", |q| q.config.strategy.word()).to_owned(),
            figure,
            idle_ms: ms(now, idle_since),
            waited_ms: ms(now, caller.entered),
            score_s: Some(i64::try_from(ms(now, self.origin) / 1_000).unwrap_or(i64::MAX) - caller.place.since_s),
            ahead: ahead(&caller.place),
            waiting: queue.map_or(0, |q| u32_of(q.order.len())),
            eligible: u32_of(lane.idle.len()).saturating_sub(excluded) + u32::from(was.is_some()),
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
