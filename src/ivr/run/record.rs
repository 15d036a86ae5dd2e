//! Recording what the caller says: the question is the run's, the tone and the recording are the call's.

use std::sync::Arc;
use std::time::Instant;

use super::super::expr::{Value, World};
use super::super::flow::{Edge, NodeKind, Record};
use super::{Next, Output, PLAY_LIMIT, Run, State};
use crate::id::RecordingId;

/// What came of [`Output::Record`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recorded {
    /// It is kept.
    Kept {
        /// Names it.
        recording: RecordingId,
    },
    /// He said nothing.
    Nothing,
    /// It could not be recorded.
    Failed,
}

impl Run {
    /// Asks him to speak.
    pub(super) fn begin_record(&mut self, now: Instant, record: &Record, world: &dyn World) -> Result<(), String> {
        // Keys pressed for an earlier question must not end what is not begun.
        self.typed.clear();
        let play = self.play(now, record.say.iter(), world)?;
        self.state = State::Playing { play, until: now + PLAY_LIMIT };
        Ok(())
    }

    /// He was asked: he speaks after the tone.
    pub(super) fn take_recording(&mut self, record: &Record) {
        let Record { max, silence, terminator, survey, .. } = record;
        self.state = State::Recording;
        let survey = survey.clone();
        self.outputs.push_back(Output::Record { max: *max, silence: *silence, terminator: *terminator, survey });
    }

    /// It waits for [`super::Input::Recorded`].
    pub fn is_recording(&self) -> bool {
        matches!(self.state, State::Recording)
    }

    pub(super) fn recorded(&mut self, recorded: Recorded) -> Option<Next> {
        if !self.is_recording() {
            return None;
        }
        let program = Arc::clone(&self.program);
        let Some(NodeKind::Record(record)) = program.nodes.get(&self.node).map(|node| &node.kind) else { return None };
        match recorded {
            Recorded::Nothing => self.edge(Edge::NoInput),
            Recorded::Failed => self.edge(Edge::Error),
            Recorded::Kept { recording } => {
                if let Some(name) = &record.into
                    && self.assign(name, Value::Text(recording.to_string())).is_err()
                {
                    return self.edge(Edge::Error);
                }
                Some(Next::Node(record.next.name.clone()))
            }
        }
    }
}
