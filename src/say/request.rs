//! What to say.

use super::{Case, Date, Gender, Language, NUMBER_MAX, Nouns, ORDINAL_MAX, SayError, Style};

/// One value to say, and how.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The language to say it in.
    pub language: Language,
    /// The kind of Arabic; other languages ignore it.
    pub style: &'static Style,
    /// The place in the sentence; a dialect style overrides it, other languages ignore it.
    pub case: Case,
    /// The nouns that `count` may name.
    pub nouns: &'a Nouns,
    /// The value.
    pub kind: Kind<'a>,
}

impl<'a> Request<'a> {
    /// A request in standard Arabic, English or French, in the nominative.
    #[must_use]
    pub fn new(language: Language, nouns: &'a Nouns, kind: Kind<'a>) -> Self {
        Self { language, style: Style::MSA, case: Case::Nominative, nouns, kind }
    }

    /// The same request in another kind of Arabic.
    #[must_use]
    pub fn with_style(self, style: &'static Style) -> Self {
        Self { style, ..self }
    }

    /// The same request in another case.
    #[must_use]
    pub fn with_case(self, case: Case) -> Self {
        Self { case, ..self }
    }
}

/// A value, by the way it is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind<'a> {
    /// A number that stands alone: «واحد وعشرون», "twenty-one", "vingt et une".
    Number {
        /// Up to [`NUMBER_MAX`] either way.
        value: i64,
        /// Gender of what it silently counts; masculine when it counts nothing.
        gender: Gender,
    },
    /// A number of things: «ثلاث مكالمات», "three calls"; 0 says that there are none.
    Count {
        /// Up to [`NUMBER_MAX`] either way.
        value: i64,
        /// Name of a noun in [`Request::nouns`].
        noun: &'a str,
    },
    /// A place in an order: «الثالث», "third"; definite in Arabic, without an article elsewhere.
    Ordinal {
        /// 1 to [`ORDINAL_MAX`].
        value: i64,
        /// Gender of what is ordered.
        gender: Gender,
    },
    /// An amount of money: «مئة وخمسة وعشرون ريالاً وخمسون هللةً».
    Money {
        /// The amount in minor units: 12 550 for 125.50 SAR, 1 500 for 1.500 KWD.
        minor: i64,
        /// ISO 4217 code, in either case of letters.
        currency: &'a str,
    },
    /// A day of the year: «الأحد الثاني والعشرون من نوفمبر».
    Date(Date),
    /// A time of day: «الساعة الثالثة والنصف مساءً».
    Time {
        /// 0 to 23.
        hour: u8,
        /// 0 to 59.
        minute: u8,
    },
    /// A length of time in hours, minutes and seconds.
    Duration {
        /// Whole seconds; up to [`NUMBER_MAX`] hours.
        seconds: u64,
    },
    /// The place of a caller in a queue, 1 = next: «أمامكم مكالمتان», "there are two calls before you" for 3.
    Position(u32),
    /// Digit by digit; any digits of [`latin_digits`](super::latin_digits), blanks and hyphens skipped.
    Digits(&'a str),
    /// A phone number in dialled order, by the groups of its country.
    Phone(&'a str),
    /// Letter by letter: Latin or Arabic letters, digits, and the signs of addresses; a blank is a pause.
    Spell(&'a str),
}

/// The size of a number that can be said; its sign is said apart.
pub(super) fn magnitude(what: &'static str, value: i64) -> Result<u32, SayError> {
    match u32::try_from(value.unsigned_abs()) {
        Ok(size) if size <= NUMBER_MAX => Ok(size),
        Ok(_) | Err(_) => {
            let highest = i64::from(NUMBER_MAX);
            Err(SayError::OutOfRange { what, value, lowest: -highest, highest })
        }
    }
}

/// The place of an ordinal that can be said.
pub(super) fn place(value: i64) -> Result<u32, SayError> {
    match u32::try_from(value) {
        Ok(place) if (1..=ORDINAL_MAX).contains(&place) => Ok(place),
        Ok(_) | Err(_) => {
            Err(SayError::OutOfRange { what: "ordinal", value, lowest: 1, highest: i64::from(ORDINAL_MAX) })
        }
    }
}

/// Splits a length of time into hours, minutes and seconds.
pub(super) fn clock_parts(seconds: u64) -> Result<[u32; 3], SayError> {
    let hours = magnitude("hours", i64::try_from(seconds / 3600).unwrap_or(i64::MAX))?;
    // The remainders are below 60, so neither conversion loses anything.
    let [minutes, seconds] = [seconds / 60 % 60, seconds % 60].map(|part| u32::try_from(part).unwrap_or(0));
    Ok([hours, minutes, seconds])
}
