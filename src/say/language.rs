//! The grammatical choices a sentence depends on.

use std::fmt;

/// A language that can be spoken.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Language {
    /// Arabic; [`Style`](super::Style) chooses between the standard language and a dialect.
    Ar,
    /// British English.
    En,
    /// French of France.
    Fr,
}

impl Language {
    /// Every language, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::Ar, Self::En, Self::Fr];

    /// The ISO 639-1 code: `ar`, `en` or `fr`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ar => "ar",
            Self::En => "en",
            Self::Fr => "fr",
        }
    }

    /// The language of an ISO 639-1 code; `None` when it is not spoken here.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// The gender of what is counted; English ignores it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gender {
    /// Masculine, as «يوم» and "jour"; also for numbers that count nothing.
    Masculine,
    /// Feminine, as «مكالمة» and "minute".
    Feminine,
}

/// The Arabic case of the sentence; other languages ignore it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Case {
    /// As a subject: «عشرون», «يومان».
    Nominative,
    /// After a verb or a preposition, and everywhere in most dialects: «عشرين», «يومين».
    Oblique,
}
