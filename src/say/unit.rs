//! One recorded piece of speech, and its text.

use std::borrow::Cow;

use super::{Language, PAUSE_MS};

/// One piece of a sentence: a recording, or a silence between two of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unit {
    /// Stable name of the recording, such as `ar.noun.call.few`; one name always has one text.
    pub clip: Cow<'static, str>,
    /// What is heard. The Arabic «و» is part of the word it precedes: «وعشرون» is one unit.
    pub text: Cow<'static, str>,
    /// Silence to play instead of a recording, in milliseconds; 0 for a recording.
    pub pause_ms: u32,
}

impl Unit {
    /// A recording.
    pub(super) fn clip(clip: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Self {
        Self { clip: clip.into(), text: text.into(), pause_ms: 0 }
    }

    /// The silence between two groups of a phone number; its text is the comma of the language.
    pub(super) fn pause(language: Language) -> Self {
        let (clip, text) = match language {
            Language::Ar => ("ar.pause", "،"),
            Language::En => ("en.pause", ","),
            Language::Fr => ("fr.pause", ","),
        };
        Self { pause_ms: PAUSE_MS, ..Self::clip(clip, text) }
    }

    /// Whether this is a silence, for which no recording exists.
    #[must_use]
    pub fn is_pause(&self) -> bool {
        self.pause_ms > 0
    }
}

/// The sentence in writing: the texts of its units, with one space between them.
#[must_use]
pub fn text(units: &[Unit]) -> String {
    let mut sentence = String::new();
    for unit in units {
        if !sentence.is_empty() {
            sentence.push(' ');
        }
        sentence.push_str(&unit.text);
    }
    sentence
}
