//! Nobody is there: the three ways of it, and what becomes of the callers.
//!
//! Who could serve a caller is the same for all of a lane, so each lane has one timer. It runs while somebody waits in the
//! lane and nobody is there for him: from when the last agent went, or when the first caller came. Agents tell it by what
//! the lanes count anyway; no caller is looked at before the timer is over.
//!
//! Whom a later step of the ladder will bring is there too: a rule sends nobody away who only has to wait for his step.
//! So a caller who climbs never gains agents by it, and the time that nobody was there goes with him.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::agent::Counted;
use super::deadline::{Due, Slot};
use super::divert::Cause;
use super::floor::{Floor, after};
use super::lane::Lane;
use super::way::{Lack, Way};
use crate::id::CallId;

/// Callers sent away at a time: thousands who wait must not hold up a floor on which agents answer others.
const BATCH: usize = 100;
/// Time between two of those.
const BATCH_EVERY: Duration = Duration::from_millis(10);
/// Time until those are tried again for whom there was no room where they should go.
const RETRY: Duration = Duration::from_secs(5);

/// Nobody is there for those who wait in a lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deserted {
    pub lack: Lack,
    pub since: Instant,
    /// When its rule acts; `None` for one by which callers wait.
    pub due: Option<Instant>,
}

/// When nobody was there any more, by lane: for lanes that are built anew.
pub(super) type DesertedSince = BTreeMap<(usize, Lack), Instant>;

impl Lane {
    /// Nobody is there for the callers of this lane; `base` is that of its queue.
    pub fn lack(&self, base: &Lane) -> Option<Lack> {
        if !self.present.is_empty() {
            return None;
        }
        if !base.is_staffed() {
            return Some(Lack::LoggedIn);
        }
        Some(if self.is_staffed() { Lack::Awake } else { Lack::Skilled })
    }
}

impl Floor {
    /// What the callers of a lane lack, whether any wait there or not. Whom they wait for before all others is there, or
    /// they go on.
    pub(super) fn lack(&self, index: usize) -> Option<Lack> {
        let lane = self.lanes.get(index).filter(|lane| !lane.key.0.is_sticky())?;
        lane.lack(self.lanes.get(self.queues.get(&lane.queue)?.base)?)
    }

    /// An agent came, went, or turned to or from his work: the timers of his lanes begin or end.
    pub(super) fn tend_lanes_of(&mut self, now: Instant, slot: Slot, before: Option<Counted>, after: Option<Counted>) {
        let seen = |counted: Option<Counted>| counted.map(|c| (c.is_present, c.is_logged_in()));
        if seen(before) == seen(after) {
            return;
        }
        let Some(agent) = self.agents.get(slot) else { return };
        let lanes: Vec<usize> = agent.lanes.iter().chain(&agent.prospects).copied().collect();
        for index in lanes {
            self.tend(now, index);
            self.gauge_base(index);
            // The first to log in or the last to log out changes it for all callers of the queue.
            let Some(lane) = self.lanes.get(index).filter(|lane| lane.staffed() <= 1) else { continue };
            let Some(queue) = self.queues.get(&lane.queue).filter(|queue| queue.base == index) else { continue };
            for other in queue.lanes.values().copied().collect::<Vec<_>>() {
                self.tend(now, other);
            }
        }
    }

    /// Agents came to a queue, or left it.
    fn gauge_base(&mut self, index: usize) {
        let Some(lane) = self.lanes.get(index) else { return };
        if self.queues.get(&lane.queue).is_some_and(|queue| queue.base == index) {
            self.gauge(&lane.queue.clone());
        }
    }

    /// Somebody came to a lane or left it, or its agents changed.
    pub(super) fn tend(&mut self, now: Instant, index: usize) {
        let is_waited_in = self.lanes.get(index).is_some_and(Lane::is_waited_in);
        let lack = if is_waited_in { self.lack(index) } else { None };
        if self.lanes.get(index).and_then(|lane| lane.deserted).map(|deserted| deserted.lack) == lack {
            return;
        }
        match lack {
            Some(lack) => self.desert(index, lack, now),
            None => self.untend_lane(index),
        }
    }

    /// Somebody left a lane: where nobody waits no timer runs.
    pub(super) fn untend(&mut self, index: usize) {
        if self.lanes.get(index).is_some_and(|lane| !lane.is_waited_in()) {
            self.untend_lane(index);
        }
    }

    fn untend_lane(&mut self, index: usize) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        self.deadlines.clear(lane.deserted.and_then(|deserted| deserted.due), Due::Deserted(index));
        lane.deserted = None;
    }

    /// All lanes were built anew: the timers that ran go on, by the rules of now.
    pub(super) fn tend_all(&mut self, now: Instant, since: &DesertedSince) {
        let lanes: Vec<usize> =
            self.lanes.iter().filter(|(_, lane)| lane.is_waited_in()).map(|(index, _)| index).collect();
        for index in lanes {
            if let Some(lack) = self.lack(index) {
                self.desert(index, lack, since.get(&(index, lack)).copied().unwrap_or(now));
            }
        }
    }

    /// Which timers run, and since when: to be asked before a configuration changes anything.
    pub(super) fn deserted_since(&self) -> DesertedSince {
        let timers = self.lanes.iter().filter_map(|(index, lane)| Some((index, lane.deserted?)));
        timers.map(|(index, deserted)| ((index, deserted.lack), deserted.since)).collect()
    }

    /// Who comes from a lane where nobody was there either brings the time it has been so.
    pub(super) fn bring_time(&mut self, index: usize, known: Deserted) {
        let here = self.lanes.get(index).and_then(|lane| lane.deserted);
        if here.is_some_and(|here| here.lack == known.lack && known.since < here.since) {
            self.desert(index, known.lack, known.since);
        }
    }

    /// Takes all timers away, before the lanes are built anew.
    pub(super) fn clear_deserted(&mut self) {
        for (index, lane) in &self.lanes {
            self.deadlines.clear(lane.deserted.and_then(|deserted| deserted.due), Due::Deserted(index));
        }
    }

    fn desert(&mut self, index: usize, lack: Lack, since: Instant) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        self.deadlines.clear(lane.deserted.and_then(|deserted| deserted.due), Due::Deserted(index));
        let rule = self.queues.get(&lane.queue).map(|queue| queue.config.no_agents.of(lack));
        let due = rule.filter(|rule| rule.way != Way::Wait).map(|rule| after(since, rule.after));
        self.deadlines.set(due, Due::Deserted(index));
        lane.deserted = Some(Deserted { lack, since, due });
    }

    /// Nobody has been there for too long: those who wait go where the rule says.
    pub(super) fn deserted(&mut self, now: Instant, index: usize) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        let Some(deserted) = &mut lane.deserted else { return };
        deserted.due = None;
        let lack = deserted.lack;
        let waiting = lane.waiting.iter().map(|place| place.call);
        let is_there = |call: &CallId| self.callers.get(call).is_some_and(|caller| caller.claim.callback.is_none());
        let calls: Vec<CallId> = waiting.filter(is_there).take(BATCH).collect();
        let Some(way) = self.queues.get(&lane.queue).map(|queue| queue.config.no_agents.of(lack).way.clone()) else {
            return;
        };
        let mut is_room = true;
        for call in calls {
            is_room &= self.divert(now, call, &Cause::of(lack), &way);
        }
        let Some(lane) = self.lanes.get_mut(index).filter(|lane| lane.is_waited_in()) else { return };
        let Some(deserted) = &mut lane.deserted else { return };
        deserted.due = Some(after(now, if is_room { BATCH_EVERY } else { RETRY }));
        self.deadlines.set(deserted.due, Due::Deserted(index));
    }
}
