//! A sentence of English or French while it is built.

use std::borrow::Cow;

use super::{Form, Language, Noun, SayError, Unit};

/// The units said so far, in a language that never changes a word once said.
pub(super) struct Sentence {
    language: Language,
    units: Vec<Unit>,
}

impl Sentence {
    pub(super) fn new(language: Language) -> Self {
        Self { language, units: Vec::new() }
    }

    pub(super) fn push(&mut self, unit: Unit) {
        self.units.push(unit);
    }

    /// Adds a word that is always the same.
    pub(super) fn word(&mut self, clip: &'static str, text: &'static str) {
        self.units.push(Unit::clip(clip, text));
    }

    /// Adds a noun in one form.
    pub(super) fn noun(&mut self, noun: &Noun, form: Form) -> Result<(), SayError> {
        let text = noun.form(self.language, form)?.clone();
        self.units.push(Unit::clip(format!("{}.noun.{}.{}", self.language, noun.id, form.name()), text));
        Ok(())
    }

    /// Adds a word out of a table of names such as months; the caller has checked that it exists.
    pub(super) fn named(&mut self, clip: String, names: &[&'static str], index: usize) {
        if let Some(name) = names.get(index) {
            self.units.push(Unit::clip(clip, Cow::Borrowed(*name)));
        }
    }

    pub(super) fn finish(self) -> Vec<Unit> {
        self.units
    }
}
