//! What a caller says when a node of a flow asks him: the tone, then a recording of his side.
//!
//! ```text
//!   flow asked --tone--> Recording --its key, silence, or long enough--> the flow goes on with it
//!                              \--hangs up--> it is kept
//! ```

use std::time::Duration;

use super::voicemail::{Leaving, Place, SAID_MAX, Stage};
use super::{Call, Context, Phase};
use crate::id::RecordingId;
use crate::ivr;
use crate::journal::Kind;
use crate::media;

/// What is shorter is nothing: he pressed the key at once.
const LEAST: Duration = Duration::from_secs(1);

/// What a node of a flow records.
#[derive(Debug)]
pub(super) struct Spoken {
    flow: String,
    node: String,
    survey: Option<String>,
    /// The longest recording.
    pub max: Duration,
    /// So much silence ends it.
    pub silence: Option<Duration>,
    /// This key does.
    pub terminator: Option<char>,
    /// Nothing was said until silence ended it.
    is_empty: bool,
}

impl Spoken {
    /// What the journal tells of a recording of this length; nothing when it is none.
    pub(super) fn told(self, recording: RecordingId, length: Duration) -> Option<Kind> {
        if length < LEAST || self.is_empty {
            return None;
        }
        let Self { flow, node, survey, .. } = self;
        let length_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        Some(Kind::CallerRecorded { flow, node, recording, length_ms, survey })
    }
}

impl Call {
    /// The flow asked him to speak: he does after the tone.
    pub(super) fn hear_caller(
        &mut self,
        context: &Context<'_>,
        (max, silence): (Duration, Option<Duration>),
        terminator: Option<char>,
        survey: Option<String>,
    ) {
        let place = self.run.as_ref().map(|run| run.place());
        let Some((flow, node)) = place.filter(|_| self.customer.port.is_some()) else {
            return self.drive_run(context, ivr::Input::Recorded(ivr::Recorded::Failed));
        };
        let (flow, node) = (flow.to_owned(), node.to_owned());
        self.stop_recording();
        let (play, until) = (self.own_play(), context.now + SAID_MAX);
        let spoken = Spoken { flow, node, survey, max, silence, terminator, is_empty: false };
        let leaving = Leaving { place: Place::Node(spoken), stage: Stage::Greeting { play, until } };
        self.phase = Phase::Leaving(Box::new(leaving));
        let clips = vec![context.prompts.beep()];
        self.media(media::Command::Play { leg: self.customer.id, play, clips });
    }

    /// He has said nothing for so long that what he says is over; `spoke`: he said something before.
    pub fn handle_quiet(&mut self, context: &Context<'_>, recording: RecordingId, spoke: bool) {
        let Phase::Leaving(leaving) = &mut self.phase else { return };
        let (Stage::Recording { id, .. }, Place::Node(spoken)) = (&leaving.stage, &mut leaving.place) else { return };
        if *id == recording {
            spoken.is_empty = !spoke;
            self.end_message(context);
        }
    }

    /// The flow goes on with what he said, or with nothing.
    pub(super) fn spoken(&mut self, context: &Context<'_>, kept: Option<RecordingId>) {
        self.phase = Phase::InFlow;
        let recorded = match kept {
            Some(recording) => ivr::Recorded::Kept { recording },
            None => ivr::Recorded::Nothing,
        };
        self.drive_run(context, ivr::Input::Recorded(recorded));
    }
}
