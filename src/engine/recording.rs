//! Voices that a call's recording keeps in files of their own, because the customer does not hear them.

use crate::id::{CallId, LegId, RecordingId};
use crate::media::{self, TrackKind};

use super::Engine;

impl Engine {
    /// What runs of a call's recording, and whether it is paused; `None` when nothing is recorded.
    pub fn recording_of(&self, call: CallId) -> Option<(RecordingId, bool)> {
        self.calls.get(&call)?.recording()
    }

    /// The call of a recording whose file is not complete yet.
    pub fn call_of_recording(&self, recording: RecordingId) -> Option<CallId> {
        self.recordings.get(&recording).copied()
    }

    /// Begins or ends the extra file of `leg` beside the recording of `call`; nothing when that is not recorded. A file
    /// also ends with its leg.
    pub(super) fn record_beside(&mut self, call: CallId, kind: TrackKind, leg: LegId, on: bool) {
        let Some(known) = self.calls.get(&call) else { return };
        let (Some((recording, _)), shard) = (known.recording(), known.shard()) else { return };
        // A voice is written where it is heard: on its own media thread.
        if self.legs.get(&leg).is_some_and(|home| home.shard == shard) {
            self.media(
                shard,
                match on {
                    true => media::Command::RecordTrack { recording, kind, leg },
                    false => media::Command::StopTrack { recording, leg },
                },
            );
        }
    }

    /// A talk began in `call`: when one of ours made it while his talk of another call is recorded, he asks somebody
    /// about that one.
    pub(super) fn consulted_recorded(&mut self, call: CallId) {
        let Some(known) = self.calls.get(&call) else { return };
        let (Some(user), Some(peer)) = (known.user(), known.peer()) else { return };
        let leg = peer.leg.id;
        let others = self.talks.get(user).into_iter().flatten().rev().filter(|other| **other != call);
        let asked_about = others.copied().find(|other| self.recording_of(*other).is_some());
        if let Some(other) = asked_about {
            self.record_beside(other, TrackKind::Consult, leg, true);
        }
    }
}
