//! How the media of live calls is: asked of the media threads when somebody wants to know.
//!
//! Nothing is told unasked: figures of every leg every few seconds would wake the engine thousands of times for calls
//! that nobody looks at, and would be older than an answer.

use std::time::Instant;

use crate::id::{CallId, LegId};
use crate::journal::{About, Kind, LegRole, Quality};
use crate::media;

use super::Engine;

impl Engine {
    /// Asks the media threads how the legs of a call are; [`Engine::qualities`] has the answers as they come. The number
    /// of legs asked about.
    pub fn ask_quality(&mut self, call: CallId) -> usize {
        let of_call = self.legs.iter().filter(|(_, home)| home.call == call);
        let legs: Vec<_> = of_call.map(|(leg, home)| (*leg, home.shard)).collect();
        for (leg, shard) in &legs {
            self.qualities.remove(leg);
            self.media(*shard, media::Command::Report { leg: *leg });
        }
        legs.len()
    }

    /// What the media threads have answered about the legs of a call since it was asked last.
    pub fn qualities(&self, call: CallId) -> Vec<(LegRole, Quality)> {
        let of_call = self.legs.iter().filter(|(_, home)| home.call == call);
        of_call.filter_map(|(leg, home)| Some((home.role, *self.qualities.get(leg)?))).collect()
    }

    pub(super) fn quality_told(&mut self, now: Instant, leg: LegId, quality: Quality) {
        if self.legs.contains_key(&leg) {
            self.qualities.insert(leg, quality);
        }
        self.page_counted(now, leg, quality);
    }

    /// A phone is silent while the other side speaks, or speaks again.
    pub(super) fn one_way(&mut self, now: Instant, leg: LegId, silent: bool) {
        let Some(home) = self.legs.get(&leg).copied() else { return };
        if silent {
            tracing::info!(call = %home.call, role = ?home.role, "audio goes one way: nothing comes from this phone");
        }
        self.journal(now, About::Call(home.call), Kind::OneWay { leg: home.role, on: silent });
        self.page_silent(now, leg, home.call, silent);
    }
}
