//! All deadlines of the floor in one order.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::id::{CallId, OfferId};

/// Where an agent's data stands.
pub(super) type Slot = usize;

/// What is due. At the same moment a caller's turn comes first of all, and an agent becomes free before a caller gives up
/// waiting.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(super) enum Due {
    /// He has waited so long that he goes first; owned by the caller.
    Overdue(CallId),
    /// The wrap-up is over; owned by `State::WrapUp`.
    WrapUp(Slot),
    /// The pause is too long; owned by `State::Paused`.
    PauseMax(Slot),
    /// A lost phone is missed; owned by the agent's `phone`.
    Lagged(Slot),
    /// The delay after a failed offer is over; owned by `State::Ready`.
    Delay(Slot),
    /// The caller may be offered to this agent again; owned by the agent's `excluded`.
    Exclusion(Slot, CallId),
    /// It rang long enough; owned by the offer.
    Ring(OfferId),
    /// One more agent is rung for him beside those who ring; owned by the caller.
    More(CallId),
    /// The next step of the ladder begins for him; owned by the caller.
    Step(CallId),
    /// Nobody is there any more for those who wait in this lane; owned by the lane.
    LeftAlone(usize),
    /// Nobody has been there for its callers for too long; owned by the lane's `deserted`.
    Deserted(usize),
    /// He hears the next of the queue's announcements; owned by the caller.
    Remind(CallId),
    /// He has waited too long for this queue and goes to another; owned by the caller.
    Overflow(CallId),
    /// He waited long enough; owned by the caller.
    MaxWait(CallId),
    /// Time to tell him his place; owned by the caller.
    Announce(CallId),
}

/// The set of deadlines; each stands in it as long as its owner holds it.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    all: BTreeSet<(Instant, Due)>,
}

impl Deadlines {
    /// Sets a deadline; `None` sets nothing.
    pub fn set(&mut self, at: Option<Instant>, due: Due) {
        if let Some(at) = at {
            self.all.insert((at, due));
        }
    }

    /// Clears a deadline its owner gives up.
    pub fn clear(&mut self, at: Option<Instant>, due: Due) {
        if let Some(at) = at {
            self.all.remove(&(at, due));
        }
    }

    /// The next moment at which something is due.
    pub fn next(&self) -> Option<Instant> {
        self.all.first().map(|(at, _)| *at)
    }

    /// Takes the first deadline that has passed.
    pub fn pop(&mut self, now: Instant) -> Option<Due> {
        self.all.first().filter(|(at, _)| *at <= now)?;
        self.all.pop_first().map(|(_, due)| due)
    }

    /// All deadlines, for the check that each has its owner.
    pub fn iter(&self) -> impl Iterator<Item = &(Instant, Due)> {
        self.all.iter()
    }
}
