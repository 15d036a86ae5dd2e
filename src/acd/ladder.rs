//! The ladder: who waits is offered to more agents, or to others, step by step.
//!
//! The steps of a queue are measured from when the caller entered it. Each stage of a caller is a lane of its own, so
//! a step is one deadline and one change of lane, whatever the number of those who wait. A caller only climbs; a new
//! ladder puts him where its times say.
//!
//! A step with `skip_unstaffed` is left at once for the next one when nobody whom it offers is there: neither when it
//! begins, nor when the last of them leaves. Those who wait then climb in bundles, so that no moment takes long.

use std::time::{Duration, Instant};

use super::Output;
use super::config::QueueConfig;
use super::deadline::{Deadlines, Due};
use super::floor::Floor;
use super::lane::{Caller, Lane};
use super::pool::Stage;
use super::sticky::Sticky;
use crate::id::{CallId, QueueName};
use crate::journal::{About, Kind, Whom};

/// How many climb at a moment when a lane is left alone.
const BUNDLE: usize = 256;
/// Time between two bundles.
const BUNDLE_EVERY: Duration = Duration::from_millis(1);

impl QueueConfig {
    /// How many steps have begun after this wait.
    pub(super) fn steps_begun(&self, waited: Duration) -> usize {
        self.ladder.iter().take_while(|step| step.after <= waited).count()
    }

    /// The name of the step by which so many are done; none before the first.
    pub(super) fn step_name(&self, done: usize) -> Option<String> {
        Some(self.ladder.get(done.checked_sub(1)?)?.name.clone())
    }

    /// True when the caller does not stay here while nobody is there.
    pub(super) fn is_skipped(&self, stage: &Stage) -> bool {
        match stage {
            Stage::Base | Stage::Asking => false,
            Stage::Chosen(_) | Stage::Last(_) | Stage::Group => true,
            Stage::Step(done) => {
                let step = done.checked_sub(1).and_then(|at| self.ladder.get(at));
                *done < self.ladder.len() && step.is_some_and(|step| step.skip_unstaffed)
            }
        }
    }
}

impl Lane {
    /// Nobody of whom it could offer is there: all are offline, paused or without a phone.
    pub fn is_unstaffed(&self) -> bool {
        use crate::journal::AgentStateName::{Offline, Paused, Unreachable};
        let away = [Offline, Paused, Unreachable].map(|state| state as usize);
        !self.counts.iter().enumerate().any(|(class, count)| *count > 0 && !away.contains(&class))
    }

    /// Its callers go on at once while it is unstaffed.
    pub fn is_left_alone(&self) -> bool {
        self.skipped && !self.waiting.is_empty() && self.is_unstaffed()
    }

    /// It may have lost the last agent who was there: then those who wait in it are to go on.
    pub fn watch(&mut self, now: Instant, index: usize, deadlines: &mut Deadlines) {
        if self.left_alone_at.is_none() && self.is_left_alone() {
            self.left_alone_at = Some(now);
            deadlines.set(self.left_alone_at, Due::LeftAlone(index));
        }
    }
}

impl Floor {
    /// Where a caller stands who has done `least` steps at least and entered the queue at `entered`, with the lane for it.
    pub(super) fn stage_at(
        &mut self,
        now: Instant,
        name: &QueueName,
        entered: Instant,
        least: usize,
        skills: &[String],
        about: Option<About>,
    ) -> Option<(usize, usize)> {
        let queue = self.queues.get(name)?;
        let mut done = queue.config.steps_begun(now.saturating_duration_since(entered)).max(least);
        done = done.min(queue.config.ladder.len());
        let mut about = about;
        loop {
            let lane = self.lane_for(name, Stage::Step(done), skills, about.take())?;
            let is_unstaffed = self.lanes.get(lane).is_some_and(|l| l.skipped && l.is_unstaffed());
            if !is_unstaffed {
                return Some((done, lane));
            }
            done += 1;
        }
    }

    /// When the next step begins for this caller.
    pub(super) fn next_step_at(&self, caller: &Caller) -> Option<Instant> {
        if let Some(sticky) = &caller.sticky {
            return Some(sticky.until);
        }
        let queue = self.queues.get(&caller.queue)?;
        caller.entered.checked_add(queue.config.ladder.get(caller.steps)?.after)
    }

    /// His time on the present step is over, or nobody is there on it: into the lane where he stands now.
    pub(super) fn go_on(&mut self, now: Instant, call: CallId) {
        let Some(caller) = self.callers.get(&call) else { return };
        let (name, claim, entered) = (caller.queue.clone(), caller.claim.clone(), caller.entered);
        let (sticky, least) = match &caller.sticky {
            Some(sticky) => (self.sticky_after(now, &name, &claim, Some(sticky.whom)), 0),
            None => (None, caller.steps + 1),
        };
        let found = match sticky {
            Some((sticky, lane)) => Some((Some(sticky), 0, lane)),
            None => self.stage_at(now, &name, entered, least, &claim.skills, None).map(|(n, lane)| (None, n, lane)),
        };
        let Some((sticky, steps, lane)) = found else { return };
        self.change_lane(now, call, lane);
        self.stand_at(call, sticky, steps);
    }

    /// Notes how many steps a caller has done: the deadline of the next one, and a word in the journal if it is another.
    pub(super) fn stand_at(&mut self, call: CallId, sticky: Option<Sticky>, steps: usize) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let whom = |sticky: Option<Sticky>| sticky.map(|sticky| sticky.whom);
        let (before, done) = (whom(caller.sticky), caller.steps);
        (caller.sticky, caller.steps) = (sticky, steps);
        self.deadlines.clear(caller.step_at.take(), Due::Step(call));
        let Some(at) = self.callers.get(&call).map(|caller| self.next_step_at(caller)) else { return };
        self.deadlines.set(at, Due::Step(call));
        let Some(caller) = self.callers.get_mut(&call) else { return };
        caller.step_at = at;
        let (queue, whom) = (caller.queue.clone(), whom(sticky));
        if whom != before {
            let agent = caller.claim.last_agent.clone().filter(|_| whom == Some(Whom::LastAgent));
            self.journal(About::Call(call), Kind::Sticky { queue: queue.clone(), whom, agent });
            if whom == Some(Whom::Dispatch) {
                self.outputs.push_back(Output::Dispatch { call, queue: queue.clone() });
            }
        }
        if steps != done {
            let name = self.queues.get(&queue).and_then(|q| q.config.step_name(steps));
            self.journal(About::Call(call), Kind::Escalated { queue, step: name });
        }
    }

    /// Nobody is there for those who wait in this lane: some of them climb, and the others soon.
    pub(super) fn left_alone(&mut self, now: Instant, index: usize) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        lane.left_alone_at = None;
        if !lane.is_left_alone() {
            return;
        }
        let calls: Vec<CallId> = lane.waiting.iter().take(BUNDLE).map(|place| place.call).collect();
        for call in calls {
            self.go_on(now, call);
        }
        // The lane of one caller is gone with him, and another may have its number.
        let left = self.lanes.get_mut(index).filter(|lane| lane.is_left_alone() && lane.left_alone_at.is_none());
        if let Some(lane) = left {
            lane.left_alone_at = Some(now + BUNDLE_EVERY);
            self.deadlines.set(lane.left_alone_at, Due::LeftAlone(index));
        }
    }
}
