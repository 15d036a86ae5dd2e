//! How long a caller will wait: from who is there for him, how long they take for one caller, and who is before him.
//!
//! An agent who may have several calls at once counts for as many agents, whatever he does now. Agents who serve several
//! queues give each of them as much of their time as its callers need of all that wait for them. So
//! many callers a second leave the queue; the wait is until as many have left as are before him, and he. With so many
//! agents who end at any moment alike that is a gamma distribution, which gives the wait that half, and four of five, do
//! not exceed. What he has waited already does not enter: who waits in vain for long hears no growing estimate for it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::floor::{Floor, after};
use super::lane::{Claim, Lane, Queue};
use super::pool::{Stage, lane_key};
use crate::id::{CallId, QueueName};

/// So many of the last callers of a queue tell how long one takes.
const RECENT: usize = 50;
/// Fewer tell nothing.
const RECENT_LEAST: usize = 3;
/// How long the pace of a lane is taken for the same: those who are told at the same time do not count agents each.
const PACE_HOLDS: Duration = Duration::from_secs(5);
/// The minutes that callers are told, each "within"; who waits for longer is told nothing.
const TOLD_MINUTES: [u32; 11] = [1, 2, 3, 4, 5, 10, 15, 20, 30, 45, 60];
/// What four of five standard normal variables do not exceed.
const Z80: f64 = 0.841_621;

/// A wait to come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Estimate {
    /// Half of the callers do not wait for longer.
    pub p50: Duration,
    /// Four of five do not.
    pub p80: Duration,
}

/// The last few lengths of something, in seconds.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<f64>);

impl Recent {
    pub fn add(&mut self, length: Duration) {
        if self.0.len() >= RECENT {
            self.0.pop_front();
        }
        self.0.push_back(length.as_secs_f64());
    }

    fn mean(&self) -> Option<f64> {
        (self.0.len() >= RECENT_LEAST).then(|| self.0.iter().sum::<f64>() / self.0.len() as f64)
    }
}

/// Callers a second who leave a lane's queue, and until when that holds.
pub(super) type Pace = (Instant, Option<f64>);

impl Estimate {
    /// Until `callers` have left at this rate (Wilson and Hilferty's approximation of the gamma distribution).
    fn of(callers: usize, rate: f64) -> Self {
        let shape = callers.max(1) as f64;
        let quantile = |z: f64| {
            let root = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * shape.sqrt());
            // A day is as good as for ever, and rates near zero must not overflow.
            Duration::from_secs_f64((shape * root.powi(3) / rate).clamp(0.0, 86_400.0))
        };
        Self { p50: quantile(0.0), p80: quantile(Z80) }
    }
}

/// What a caller is told who was told `before`, as an index of the steps: the least that covers four of five. Nothing, when
/// that is more than one step above: less would be untrue, and more is not what he was promised.
fn told(estimate: Estimate, before: Option<usize>) -> Option<usize> {
    let seconds = |minutes: u32| Duration::from_secs(u64::from(minutes) * 60);
    let step = TOLD_MINUTES.iter().position(|minutes| estimate.p80 < seconds(*minutes));
    step.filter(|step| before.is_none_or(|before| *step <= before + 1))
}

impl Queue {
    /// Seconds that an agent is busy with one caller, from the first ring to the end of the work after the talk.
    fn handling(&self) -> Option<f64> {
        Some(self.handled.mean()? + self.rings.mean().unwrap_or(0.0))
    }
}

impl Floor {
    /// How long a caller without wishes would wait who came now with so many minutes of priority; `None` for an unknown
    /// queue, when nobody is there, and while fewer than three callers were served.
    pub fn estimate(&self, now: Instant, name: &QueueName, priority: u32) -> Option<Estimate> {
        let (lane, before) = self.arrival(now, name, priority)?;
        let (queue, lane) = (self.queues.get(name)?, self.lanes.get(lane)?);
        self.estimate_at(before, lane, self.pace(queue, lane)?)
    }

    /// Somebody works who serves this queue, whatever his skills; false for an unknown queue.
    pub fn has_somebody(&self, name: &QueueName) -> bool {
        let base = self.queues.get(name).and_then(|queue| self.lanes.get(queue.base));
        base.is_some_and(|lane| !lane.present.is_empty())
    }

    /// The estimates of all queues, without priority.
    pub fn estimates(&self, now: Instant) -> BTreeMap<QueueName, Estimate> {
        self.queues.keys().filter_map(|name| Some((name.clone(), self.estimate(now, name, 0)?))).collect()
    }

    /// As `estimate` without priority, for the floor's own rules: who comes often does not count the agents each time.
    pub(super) fn estimate_for_rules(&mut self, now: Instant, name: &QueueName) -> Option<Estimate> {
        let (lane, before) = self.arrival(now, name, 0)?;
        let rate = self.held_pace(now, lane)?;
        self.estimate_at(before, self.lanes.get(lane)?, rate)
    }

    /// The lane of a caller without wishes who came now, and how many would be before him.
    fn arrival(&self, now: Instant, name: &QueueName, priority: u32) -> Option<(usize, usize)> {
        let queue = self.queues.get(name)?;
        let key = lane_key(Stage::Step(queue.config.steps_begun(Duration::ZERO)), &[]);
        let claim = Claim::nameless(now, name, priority);
        let place = claim.place(now, self.origin, &queue.config, self.next_seq + 1, CallId::new(0, 0));
        Some((*queue.lanes.get(&key)?, queue.order.rank(&place)))
    }

    pub(super) fn estimate_at(&self, before: usize, lane: &Lane, rate: f64) -> Option<Estimate> {
        if before == 0 && lane.idle.len() > 0 {
            return Some(Estimate::default());
        }
        // For whom a phone rings he needs no other agent.
        let rung = (lane.callers as usize).saturating_sub(lane.waiting.len());
        Some(Estimate::of(before.saturating_sub(rung) + 1, rate))
    }

    /// Callers a second whom the agents of this lane take out of its queue.
    pub(super) fn pace(&self, queue: &Queue, lane: &Lane) -> Option<f64> {
        let own = queue.handling()?;
        let mut rate = 0.0;
        for agent in lane.present.iter().filter_map(|slot| self.agents.get(*slot)) {
            // Seconds of work that wait for him in other queues, beside those here; the caller asked for is here.
            let here = queue.order.len().max(1) as f64;
            let others = agent.config.queues.iter().filter(|name| **name != queue.config.name);
            let elsewhere = others.filter_map(|name| self.queues.get(name));
            let elsewhere: f64 = elsewhere.map(|q| q.order.len() as f64 * q.handling().unwrap_or(own)).sum();
            rate += f64::from(agent.config.capacity) * here / (here * own + elsewhere);
        }
        (rate > 0.0 && rate.is_finite()).then_some(rate)
    }

    /// In how many minutes a caller is told to expect an answer; `None` where the queue tells nothing or nothing can be
    /// said. Never more than one step above what he was told before.
    pub(super) fn promise(&mut self, now: Instant, call: CallId) -> Option<u32> {
        let caller = self.callers.get(&call)?;
        let queue = self.queues.get(&caller.queue).filter(|queue| queue.config.announce_wait)?;
        let (before, lane) = (queue.order.rank(&caller.place), caller.lane);
        let rate = self.held_pace(now, lane)?;
        let estimate = self.estimate_at(before, self.lanes.get(lane)?, rate)?;
        let caller = self.callers.get_mut(&call)?;
        let step = told(estimate, caller.told.map(usize::from))?;
        caller.told = u8::try_from(step).ok();
        TOLD_MINUTES.get(step).copied()
    }

    /// The pace of a lane, as it was a few seconds ago at most.
    fn held_pace(&mut self, now: Instant, index: usize) -> Option<f64> {
        let lane = self.lanes.get(index)?;
        if let Some((_, rate)) = lane.pace.filter(|(until, _)| *until > now) {
            return rate;
        }
        let rate = self.queues.get(&lane.queue).and_then(|queue| self.pace(queue, lane));
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.pace = Some((after(now, PACE_HOLDS), rate));
        }
        rate
    }
}
