//! A waiting caller asks for other skills than before: the flow that queued him gives way step by step.
//!
//! Only what he brought changes: what his queue asks for itself, its ladder and his place in the order stay.

use std::time::Instant;

use super::floor::Floor;
use super::matching::ms;
use crate::id::CallId;
use crate::journal::{About, Kind};

impl Floor {
    /// See [`super::Input::Relax`].
    pub(super) fn relax(&mut self, now: Instant, call: CallId, skills: Vec<String>) {
        let Some(caller) = self.callers.get(&call).filter(|caller| caller.claim.callback.is_none()) else { return };
        let (name, entered, steps, sticky) = (caller.queue.clone(), caller.entered, caller.steps, caller.sticky);
        let stage = caller.stage();
        let about = Some(About::Call(call));
        let found = match stage.is_sticky() {
            true => self.lane_for(&name, stage, &skills, about).map(|lane| (steps, lane)),
            false => self.stage_at(now, &name, entered, steps, &skills, about),
        };
        let Some((steps, lane)) = found else { return };
        if let Some(caller) = self.callers.get_mut(&call) {
            caller.claim.skills.clone_from(&skills);
        }
        self.journal(About::Call(call), Kind::Relaxed { queue: name, skills, wait_ms: ms(now, entered) });
        self.change_lane(now, call, lane);
        self.stand_at(call, sticky, steps);
    }
}
