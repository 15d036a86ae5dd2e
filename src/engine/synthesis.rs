//! Sentences that a voice outside speaks for flows and queues.
//!
//! A sentence leaves as [`Output::Synthesize`] and its sound returns as [`super::Input::Synthesized`]. The call owns the
//! deadline: a sound that comes later changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::id::CallId;
use crate::media::Clip;

use super::{Engine, Output};

/// A sentence to be spoken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Synthesis {
    /// Its number: the answer carries it.
    pub id: u64,
    /// Language of the voice.
    pub language: String,
    /// The sentence, without digits.
    pub text: String,
    /// Its sound is not kept on disk.
    pub is_private: bool,
    /// A recording stands in where it is not spoken: those that have none go before it.
    pub is_optional: bool,
}

/// Why a sentence is not spoken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SynthesisError {
    /// There is no voice.
    #[error("no voice is configured")]
    NoVoice,
    /// Not within the time.
    #[error("not in time")]
    Timeout,
    /// Too many sentences wait.
    #[error("too many sentences at once")]
    Busy,
    /// The voice failed.
    #[error("{0}")]
    Failed(String),
}

/// Sentences under way.
#[derive(Debug, Default)]
pub(super) struct Sentences {
    next: u64,
    /// The call, and the sentence's number there.
    asked: BTreeMap<u64, (CallId, u64)>,
}

impl Sentences {
    /// The call is over: nobody hears them any more.
    pub(super) fn forget(&mut self, call: CallId) {
        self.asked.retain(|_, (of, _)| *of != call);
    }
}

impl Engine {
    /// A call wants a sentence spoken; it gets its number here.
    pub(super) fn synthesize(&mut self, call: CallId, speech: u64, sentence: Synthesis) {
        self.sentences.next += 1;
        let id = self.sentences.next;
        self.sentences.asked.insert(id, (call, speech));
        self.outputs.push_back(Output::Synthesize(Synthesis { id, ..sentence }));
    }

    /// The voice spoke, or did not.
    pub(super) fn synthesized(&mut self, now: Instant, id: u64, sound: Result<Arc<Clip>, SynthesisError>) {
        let Some((call, speech)) = self.sentences.asked.remove(&id) else { return };
        let sound = sound.map_err(|error| error.to_string());
        self.with_call(now, call, |call, context| call.handle_speech(context, speech, sound));
    }
}
