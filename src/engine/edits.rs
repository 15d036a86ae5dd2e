//! Edits of the configuration while the engine runs: who changed what stands in the journal.

use std::time::Instant;

use crate::journal::{About, Kind};

use super::Engine;

impl Engine {
    /// Writes down what somebody edited of the configuration: what, how it was and how it is, as in [`Kind::ConfigEdited`].
    pub fn note_edits(&mut self, now: Instant, edits: Vec<[String; 3]>, by: &str) {
        for [what, before, after] in edits {
            self.journal(now, About::Node, Kind::ConfigEdited { what, before, after, by: by.to_owned() });
        }
    }
}
