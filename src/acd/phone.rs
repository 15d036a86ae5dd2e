//! Whether an agent has a phone: there, lost a moment ago, or gone.
//!
//! A phone that is lost without having said so may be back in a moment: its agent gets no offer, but for a grace his
//! state stands. Then he is unreachable, with the code `LAGGED`. The state below goes on meanwhile (a pause stays one, a
//! wrap-up runs on), and is there again as soon as a phone is.

use std::time::Instant;

use super::deadline::{Due, Slot};
use super::floor::{Floor, after};
use crate::journal::StateCause;

/// What is known of an agent's registered phones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phone {
    /// One is there.
    There,
    /// The last one was lost; nobody misses it until then.
    Lost { until: Instant },
    /// None is there.
    Gone {
        /// It was lost, and not signed off.
        lagged: bool,
    },
}

impl Phone {
    /// The deadline it owns.
    pub fn deadline(self, slot: Slot) -> Option<(Instant, Due)> {
        match self {
            Self::Lost { until } => Some((until, Due::Lagged(slot))),
            Self::There | Self::Gone { .. } => None,
        }
    }
}

impl Floor {
    /// The agent's phone came, or the last one signed off.
    pub(super) fn reachable(&mut self, now: Instant, slot: Slot, reachable: bool) {
        self.set_phone(now, slot, if reachable { Phone::There } else { Phone::Gone { lagged: false } });
    }

    /// The agent's last phone is lost without having said so.
    pub(super) fn phone_lost(&mut self, now: Instant, slot: Slot) {
        if self.agents.get(slot).is_some_and(|agent| agent.phone == Phone::There) {
            let until = after(now, self.grace);
            self.set_phone(now, slot, Phone::Lost { until });
        }
    }

    /// He is missed now.
    pub(super) fn lagged(&mut self, now: Instant, slot: Slot) {
        self.set_phone(now, slot, Phone::Gone { lagged: true });
    }

    fn set_phone(&mut self, now: Instant, slot: Slot, phone: Phone) {
        let Some(agent) = self.agents.get_mut(slot) else { return };
        if let Some((at, due)) = agent.phone.deadline(slot) {
            self.deadlines.clear(Some(at), due);
        }
        if let Some((at, due)) = phone.deadline(slot) {
            self.deadlines.set(Some(at), due);
        }
        agent.phone = phone;
        if !agent.is_reachable() {
            self.stop_ringing(now, slot);
        }
        self.come_by_himself(now, slot);
        self.refresh(now, slot, StateCause::Registration);
    }
}
