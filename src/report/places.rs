//! Folds the journal into what a new process has to know of the last one: dialogs that are up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::CallId;
use crate::journal::{About, Entry, Kind, OpenLeg};

/// Dialogs whose peers were not told of their end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Places {
    legs: BTreeMap<CallId, Vec<OpenLeg>>,
}

impl Places {
    /// Takes the next entry.
    pub fn handle(&mut self, entry: &Entry) {
        match (&entry.about, &entry.kind) {
            (About::Call(call), Kind::LegUp { leg, dialog, .. }) => {
                let legs = self.legs.entry(*call).or_default();
                legs.retain(|open| open.leg != *leg);
                legs.push(OpenLeg { leg: *leg, dialog: dialog.clone() });
            }
            (About::Call(call), Kind::LegDown { leg }) => {
                if let Some(legs) = self.legs.get_mut(call) {
                    legs.retain(|open| open.leg != *leg);
                    if legs.is_empty() {
                        self.legs.remove(call);
                    }
                }
            }
            (About::Call(_) | About::Agent(_) | About::Node, _) => {}
        }
    }

    /// The dialogs with their calls, oldest call first.
    pub fn legs(&self) -> impl Iterator<Item = (CallId, &OpenLeg)> {
        self.legs.iter().flat_map(|(call, legs)| legs.iter().map(|open| (*call, open)))
    }
}
