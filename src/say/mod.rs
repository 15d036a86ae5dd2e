//! Spoken language: turns a value into the recorded pieces that say it.
//!
//! ```text
//!   Request { language, style, case, nouns, kind }
//!      │ say
//!      v
//!   [Unit { clip: "ar.n.2.m", text: "اثنان" }, Unit { clip: "ar.w.20", text: "وعشرون" }]
//!      │ text
//!      v
//!   "اثنان وعشرون"
//! ```
//!
//! [`say`] is a pure function: the same request always gives the same units. Each unit is a recording's
//! stable name *and* the words in it, so a renderer may play the recording, synthesize the unit, or
//! synthesize [`text`] of the whole sentence. [`clips`] lists what a full recording of a language holds.
//!
//! The grammar of each language lives in its own module (`arabic/`, `english.rs`, `french.rs`); words that
//! differ between Arabic dialects are data, see [`Style`].

mod arabic;
mod calendar;
mod clips;
mod currency;
mod digits;
mod english;
mod error;
mod french;
mod language;
mod noun;
mod noun_table;
mod phone;
mod position;
mod prose;
mod request;
mod sentence;
mod spelling;
mod style;
#[cfg(test)]
mod tests;
mod unit;

pub use calendar::{Date, MonthNames, Weekday};
pub use clips::clips;
pub use currency::Currency;
pub use digits::latin_digits;
pub use error::SayError;
pub use language::{Case, Gender, Language};
pub use noun::{Form, Forms, Noun, Nouns};
pub use prose::prose;
pub use request::{Kind, Request};
pub use style::Style;
pub use unit::{Unit, text};

/// Largest number that can be said, in every language; hours and whole money units keep to it too.
pub const NUMBER_MAX: u32 = 999_999_999;
/// Largest ordinal that can be said, in every language.
pub const ORDINAL_MAX: u32 = 999_999;
/// Longest text that `digits`, `phone` and `spell` accept, in characters.
pub const SPELLED_CHARACTERS_MAX: usize = 64;
/// Silence between two groups of a phone number, in milliseconds.
pub const PAUSE_MS: u32 = 250;

/// Says one value: the units to play, in order.
///
/// # Errors
///
/// - [`SayError::UnknownNoun`], [`SayError::MissingForm`], [`SayError::UnknownCurrency`]: the request names
///   what was never declared. [`Noun::check`] finds the missing forms ahead of time.
/// - [`SayError::OutOfRange`]: beyond [`NUMBER_MAX`] or [`ORDINAL_MAX`].
/// - [`SayError::ImpossibleDate`], [`SayError::ImpossibleTime`]: no calendar or clock shows it.
/// - [`SayError::Unspeakable`], [`SayError::Empty`], [`SayError::TooLong`]: a text that cannot be read out.
pub fn say(request: &Request<'_>) -> Result<Vec<Unit>, SayError> {
    match request.kind {
        Kind::Digits(digits) => spelling::digits(request, digits),
        Kind::Phone(number) => spelling::phone(request, number),
        Kind::Spell(characters) => spelling::spell(request, characters),
        Kind::Position(place) => position::position(request, place),
        Kind::Number { .. }
        | Kind::Count { .. }
        | Kind::Ordinal { .. }
        | Kind::Money { .. }
        | Kind::Date(_)
        | Kind::Time { .. }
        | Kind::Duration { .. } => match request.language {
            Language::Ar => arabic::say(request),
            Language::En => english::say(request),
            Language::Fr => french::say(request),
        },
    }
}
