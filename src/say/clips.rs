//! The recording list of a language.

use std::collections::BTreeMap;

use super::{Language, Nouns, Style, arabic, english, french, position, spelling};

/// Every clip that a full recording of a language holds: its name, and the text to read.
///
/// `style` is the kind of Arabic; other languages ignore it. The forms of all nouns in `nouns` are in it,
/// pauses are not. Two dialects share the clips of the standard words they have in common by name, but one
/// recording must not mix voices.
#[must_use]
pub fn clips(language: Language, style: &'static Style, nouns: &Nouns) -> BTreeMap<String, String> {
    let mut clips = match language {
        Language::Ar => arabic::clips(style, nouns),
        Language::En => english::clips(nouns),
        Language::Fr => french::clips(nouns),
    };
    let others = spelling::names(language).chain(position::units(language));
    clips.extend(others.map(|unit| (unit.clip.into_owned(), unit.text.into_owned())));
    clips
}
