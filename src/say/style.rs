//! Kinds of Arabic, as data.

use super::arabic::dialect::{EGYPTIAN, GULF, LEVANTINE};
use super::arabic::word::{Place, Word};
use super::{Case, Language, MonthNames};

/// A kind of Arabic: the standard language, or a dialect as a table of the words it says otherwise.
///
/// A word that the table does not hold is the standard one, with the standard clip. The words of the dialects
/// are not signed off by native readers yet.
#[derive(Debug)]
pub struct Style {
    /// Name in scripts and at the front of the clips of its own words.
    pub name: &'static str,
    /// The case of every sentence, whatever the request says; `None` leaves it to the request.
    pub case: Option<Case>,
    /// Whether 3–10 take the opposite gender of their noun. Without it they are short before a noun («تلات
    /// مكالمات») and long elsewhere («تلاتة»).
    pub polarity: bool,
    /// Whether 11–99 are followed by the accusative «يوماً»; without it by «يوم».
    pub tanween: bool,
    /// The words that replace standard ones.
    pub(super) replacements: &'static [Replacement],
}

impl Style {
    /// Modern standard Arabic.
    pub const MSA: &'static Self =
        &Self { name: "ar-msa", case: None, polarity: true, tanween: true, replacements: &[] };
    /// Arabic of the Gulf.
    pub const GULF: &'static Self = &Self::dialect("ar-gulf", &GULF);
    /// Arabic of Egypt.
    pub const EGYPTIAN: &'static Self = &Self::dialect("ar-eg", &EGYPTIAN);
    /// Arabic of the Levant.
    pub const LEVANTINE: &'static Self = &Self::dialect("ar-lev", &LEVANTINE);

    /// Every style.
    pub const ALL: [&'static Self; 4] = [Self::MSA, Self::GULF, Self::EGYPTIAN, Self::LEVANTINE];

    /// The style of a name such as `ar-gulf`; `None` when there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|style| style.name == name)
    }

    /// The styles of a language: all of them for Arabic, none for the others.
    #[must_use]
    pub const fn of(language: Language) -> &'static [&'static Self] {
        match language {
            Language::Ar => &Self::ALL,
            Language::En | Language::Fr => &[],
        }
    }

    /// How the months of a date are called where this is spoken and nobody says otherwise.
    #[must_use]
    pub fn months(&self) -> MonthNames {
        if self.name == Self::LEVANTINE.name { MonthNames::Levant } else { MonthNames::Egypt }
    }

    const fn dialect(name: &'static str, replacements: &'static [Replacement]) -> Self {
        Self { name, case: Some(Case::Oblique), polarity: false, tanween: false, replacements }
    }

    /// The word that this style says instead of a standard one.
    pub(super) fn word(&self, place: Place, standard: &'static Word) -> &'static Word {
        self.replacement(place, standard.plain.clip).unwrap_or(standard)
    }

    /// The word that replaces a standard clip in some place, if one does.
    pub(super) fn replacement(&self, place: Place, clip: &str) -> Option<&'static Word> {
        let here = |wanted| self.replacements.iter().find(|entry| entry.place == wanted && entry.clip == clip);
        let found = if place == Place::Any { None } else { here(place) };
        found.or_else(|| here(Place::Any)).map(|entry| &entry.word)
    }
}

/// One row of a dialect: the word it says for a standard one.
#[derive(Debug)]
pub(super) struct Replacement {
    /// Where it says so; [`Place::Any`] is for every place that has no row of its own.
    pub place: Place,
    /// The standard word, by its plain clip.
    pub clip: &'static str,
    /// The dialect's word.
    pub word: Word,
}
