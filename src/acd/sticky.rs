//! Sticky callers: for some time a caller waits for whom a dispatch service names, then for the agent who talked with him
//! last, then for a preferred group, then for all who may serve him.
//!
//! All are stages before the ladder: a lane each, left when their time is over, and at once when nobody of them is
//! there. The steps of the ladder count from the entry into the queue all the same: those whose time has come meanwhile
//! hold as soon as he waits for all.

use std::time::{Duration, Instant};

use super::config::QueueConfig;
use super::floor::{Floor, after};
use super::lane::{Caller, Claim, Lane};
use super::pool::Stage;
use crate::id::{CallId, QueueName};
use crate::journal::Whom;

/// Whom a caller waits for before all others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Sticky {
    pub whom: Whom,
    pub until: Instant,
}

impl Caller {
    /// Which stage of his queue's he has come to.
    pub fn stage(&self) -> Stage {
        let whom = self.sticky.map(|sticky| sticky.whom);
        let stage = whom.and_then(|whom| whom.stage(&self.claim));
        stage.unwrap_or(Stage::Step(self.steps))
    }
}

impl Whom {
    /// The stage at which this caller waits for them; `None` when there is none for him.
    fn stage(self, claim: &Claim) -> Option<Stage> {
        match self {
            Self::Dispatch => Some(Stage::Asking),
            Self::Chosen => claim.chosen.clone().map(Stage::Chosen),
            Self::LastAgent => claim.last_agent.clone().map(Stage::Last),
            Self::Group => Some(Stage::Group),
        }
    }
}

impl QueueConfig {
    /// The stage at which this caller waits for them, and how long; `None` when the queue has none for him.
    fn sticky_stage(&self, whom: Whom, claim: &Claim) -> Option<(Stage, Duration)> {
        let time = match whom {
            // Whose place is kept is nobody's choice: his turn comes by the order.
            Whom::Dispatch => self.dispatch.filter(|_| claim.callback.is_none())?.timeout,
            Whom::Chosen => claim.chosen.as_ref()?.hold,
            Whom::LastAgent => self.sticky.last_agent?,
            Whom::Group => self.sticky.group.as_ref().map(|_| self.sticky.group_time)?,
        };
        Some((whom.stage(claim)?, time)).filter(|_| !time.is_zero())
    }
}

impl Floor {
    /// Whom a caller waits for after `before`, or first of all, with the lane for it; `None` when he is everybody's.
    pub(super) fn sticky_after(
        &mut self,
        now: Instant,
        queue: &QueueName,
        claim: &Claim,
        before: Option<Whom>,
    ) -> Option<(Sticky, usize)> {
        let stages = [Whom::Dispatch, Whom::Chosen, Whom::LastAgent, Whom::Group]
            .into_iter()
            .filter(|whom| before < Some(*whom));
        for whom in stages {
            if let Some((lane, time)) = self.sticky_lane(queue, claim, whom) {
                return Some((Sticky { whom, until: after(now, time) }, lane));
            }
        }
        None
    }

    /// After a change of rules: whom he waits for now, who waited for `sticky`.
    pub(super) fn sticky_still(
        &mut self,
        now: Instant,
        queue: &QueueName,
        claim: &Claim,
        sticky: Sticky,
    ) -> Option<(Sticky, usize)> {
        match self.sticky_lane(queue, claim, sticky.whom) {
            Some((lane, _)) => Some((sticky, lane)),
            None => self.sticky_after(now, queue, claim, Some(sticky.whom)),
        }
    }

    /// The lane where a caller waits for them, when somebody of them is there; and for how long.
    pub(super) fn sticky_lane(&mut self, queue: &QueueName, claim: &Claim, whom: Whom) -> Option<(usize, Duration)> {
        let (stage, time) = self.queues.get(queue)?.config.sticky_stage(whom, claim)?;
        let lane = self.lane_for(queue, stage, &claim.skills, None)?;
        if whom != Whom::Dispatch && self.lanes.get(lane).is_none_or(Lane::is_unstaffed) {
            self.close_personal(lane);
            return None;
        }
        Some((lane, time))
    }

    /// Whom he waits for before all others did not take him.
    pub(super) fn unstick(&mut self, now: Instant, call: CallId) {
        let Some(caller) = self.callers.get(&call) else { return };
        let is_over = match caller.sticky.map(|sticky| sticky.whom) {
            Some(Whom::LastAgent) => true,
            Some(Whom::Chosen) => caller.claim.chosen.as_ref().is_some_and(|chosen| chosen.agents.len() == 1),
            Some(Whom::Dispatch | Whom::Group) | None => false,
        };
        if is_over {
            self.go_on(now, call);
        }
    }
}
