//! Why a request cannot be said.

use super::{Form, Language, SPELLED_CHARACTERS_MAX};

/// Why a request cannot be said.
///
/// Always the doing of whoever wrote the request or declared its nouns, never of the engine.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SayError {
    /// No noun of this name is declared for the language.
    #[error("noun \"{noun}\" is not declared for {language}")]
    UnknownNoun {
        /// The name asked for.
        noun: String,
        /// The language it was asked in.
        language: Language,
    },
    /// The noun is declared, but not in the form that the number needs.
    #[error("noun \"{noun}\" lacks form `{}` for {language} (needed for {})", form.name(), form.needed_for(*language))]
    MissingForm {
        /// Name of the noun.
        noun: String,
        /// The form to declare.
        form: Form,
        /// The language it is missing in.
        language: Language,
    },
    /// Not a currency code of the table; holds the code.
    #[error("currency \"{0}\" is not known (ISO 4217 codes such as SAR)")]
    UnknownCurrency(String),
    /// The value is beyond what can be said.
    #[error("{what} {value} cannot be said (from {lowest} to {highest})")]
    OutOfRange {
        /// What the value is: `number`, `ordinal`, `money`, `hours` or `year`.
        what: &'static str,
        /// The value offered.
        value: i64,
        /// Lowest value that can be said.
        lowest: i64,
        /// Highest value that can be said.
        highest: i64,
    },
    /// No calendar has this day.
    #[error("there is no day {day} in month {month}{}", year.map(|year| format!(" of {year}")).unwrap_or_default())]
    ImpossibleDate {
        /// Day of the month, from 1.
        day: u8,
        /// Month of the year, from 1.
        month: u8,
        /// The year, if one was given.
        year: Option<u16>,
    },
    /// No 24-hour clock shows this time.
    #[error("there is no time {hour:02}:{minute:02} (00:00 to 23:59)")]
    ImpossibleTime {
        /// Hour, 0 to 23.
        hour: u8,
        /// Minute, 0 to 59.
        minute: u8,
    },
    /// No word is known for this character of `digits`, `phone` or `spell`.
    #[error("no word for the character {0:?}")]
    Unspeakable(char),
    /// `digits`, `phone` or `spell` holds nothing to say.
    #[error("there is nothing to say")]
    Empty,
    /// `digits`, `phone` or `spell` is over [`SPELLED_CHARACTERS_MAX`]; holds its length in characters.
    #[error("{0} characters are over the limit of {SPELLED_CHARACTERS_MAX}")]
    TooLong(usize),
}
