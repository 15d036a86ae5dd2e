//! Calendars at work: queues outside their hours take no callers, and people open and close them by hand.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::acd;
use crate::acd::calendar::{self, Now, Override};
use crate::id::{CallId, QueueName};
use crate::journal::{About, Hours, Kind, QueueOutcome};

use super::Engine;

/// What is set by hand holds for this long at most: a year.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

impl Engine {
    /// Opens or closes a calendar by hand, or with `None` gives it back to its hours; `lasting` bounds it, to a year at
    /// most. Returns what it says now; `None` when there is no such calendar.
    pub fn set_calendar(
        &mut self,
        now: Instant,
        name: &str,
        state: Option<Hours>,
        lasting: Option<Duration>,
        by: &str,
    ) -> Option<Now> {
        let wall = self.clock.wall(now);
        calendar::at(&self.settings.floor.calendars, &self.hours_set, name, wall)?;
        let until = lasting.map(|time| self.clock.wall(now + time.min(LONGEST)));
        match state {
            Some(state) => {
                let set = Override { state, by: by.to_owned(), since: wall, until };
                self.hours_set.insert(name.to_owned(), set);
            }
            None => _ = self.hours_set.remove(name),
        }
        let until = until.filter(|_| state.is_some());
        self.journal(
            now,
            About::Node,
            Kind::CalendarSet { calendar: name.to_owned(), state, until, by: by.to_owned() },
        );
        self.seek_callbacks(now);
        self.pump(now);
        calendar::at(&self.settings.floor.calendars, &self.hours_set, name, wall)
    }

    /// What each calendar says now.
    pub fn calendars(&self, now: Instant) -> BTreeMap<String, Now> {
        let wall = self.clock.wall(now);
        let all = &self.settings.floor.calendars;
        let said = all.keys().filter_map(|name| Some((name.clone(), calendar::at(all, &self.hours_set, name, wall)?)));
        said.collect()
    }

    /// Refuses a caller whom a flow or a number sends to a queue outside its hours; false when the queue is open. Who was
    /// transferred there by a person is let in: somebody decided.
    pub(super) fn refuse_closed(&mut self, now: Instant, call: CallId, queue: &QueueName, transferred: bool) -> bool {
        let config = self.settings.floor.queues.get(queue);
        let Some(name) = config.and_then(|queue| queue.calendar.as_ref()).filter(|_| !transferred) else {
            return false;
        };
        let wall = self.clock.wall(now);
        let said = calendar::state(&self.settings.floor.calendars, &self.hours_set, name, wall);
        if said.is_none_or(|said| said == Hours::Open) {
            return false;
        }
        self.tell_floor(now, acd::Input::Refuse { call, queue: queue.clone(), outcome: QueueOutcome::Closed });
        true
    }
}
