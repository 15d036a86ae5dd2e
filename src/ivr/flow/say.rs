//! What a flow says: recordings by their names, words of its own, and values that are spoken.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::civil;

use crate::ivr::expr::{Expression, Template, Type, Value};
use crate::say::{
    self, Case, Currency, Date, Gender, Kind, Language, MonthNames, Nouns, Request, SayError, Style, Unit,
};

/// One thing to say.
#[derive(Debug)]
pub struct Say {
    /// What.
    pub what: What,
    /// The language; the caller's when absent.
    pub language: Option<String>,
    /// Where it is written.
    pub span: Range<usize>,
    /// Whether it may turn out that there is nothing to say: then the node's `error` edge is taken.
    pub can_fail: bool,
}

/// What is said.
#[derive(Debug)]
pub enum What {
    /// A recording of this name.
    Prompt(String),
    /// The same words in every language.
    Text(Template),
    /// Words by language: there are some for each in which this may be said.
    Texts(BTreeMap<String, Template>),
    /// A value.
    Value(Box<Spoken>),
}

/// A value that is spoken.
#[derive(Debug)]
pub struct Spoken {
    /// As what.
    pub kind: SpokenKind,
    /// The value.
    pub value: Expression,
    /// Its place in an Arabic sentence.
    pub case: Case,
    /// The kind of Arabic.
    pub style: &'static Style,
}

/// As what a value is spoken.
#[derive(Debug)]
pub enum SpokenKind {
    /// A number alone, in the gender of what it silently counts.
    Number(Gender),
    /// A number of things: the noun's name.
    Count(String),
    /// A place in an order, in the gender of what is ordered.
    Ordinal(Gender),
    /// An amount: `125.50`, or a whole number of the large unit.
    Money(&'static Currency),
    /// A Gregorian day: `2026-11-22`; in the calendar of these names of months, by default those of the style.
    Date(Option<MonthNames>),
    /// A time of day: `14:30`.
    Time,
    /// Seconds.
    Duration,
    /// Digit by digit.
    Digits,
    /// A phone number, by the groups of its country.
    Phone,
    /// Letter by letter.
    Spell,
}

/// Why a value cannot be said; holds nothing of the value, which may be secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unsaid {
    /// The noun, or the form of it that this number needs, is not declared.
    #[error("the noun or its form for this number is not declared in the language")]
    Noun,
    /// It is not what it is said as.
    #[error("the value is no {0}")]
    NoSuch(&'static str),
    /// Too large, or negative where it cannot be.
    #[error("the value is out of the range that can be said")]
    OutOfRange,
    /// A character without a word, nothing at all, or too much.
    #[error("the value cannot be read out")]
    Unspeakable,
}

impl Say {
    /// The name of the recording, when it is one.
    pub fn prompt(&self) -> Option<&str> {
        match &self.what {
            What::Prompt(id) => Some(id),
            What::Text(_) | What::Texts(_) | What::Value(_) => None,
        }
    }

    /// The noun that is counted, when one is.
    pub fn noun(&self) -> Option<&str> {
        match &self.what {
            What::Value(spoken) => match &spoken.kind {
                SpokenKind::Count(noun) => Some(noun),
                _ => None,
            },
            What::Prompt(_) | What::Text(_) | What::Texts(_) => None,
        }
    }
}

impl SpokenKind {
    /// The key in the file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Number(_) => "number",
            Self::Count(_) => "count",
            Self::Ordinal(_) => "ordinal",
            Self::Money(_) => "money",
            Self::Date(_) => "date",
            Self::Time => "time",
            Self::Duration => "duration",
            Self::Digits => "digits",
            Self::Phone => "phone",
            Self::Spell => "spell",
        }
    }

    /// Whether it is said character by character, as codes and names are.
    pub fn is_read_out(&self) -> bool {
        matches!(self, Self::Digits | Self::Phone | Self::Spell)
    }

    /// Whether a value of this type can be said so.
    pub fn takes(&self, ty: Type) -> bool {
        match self {
            Self::Number(_) | Self::Count(_) | Self::Ordinal(_) | Self::Duration => ty == Type::Number,
            Self::Date(_) | Self::Time | Self::Phone => ty == Type::Text,
            Self::Money(_) | Self::Digits | Self::Spell => matches!(ty, Type::Text | Type::Number),
        }
    }
}

impl Spoken {
    /// The value in words.
    ///
    /// # Errors
    ///
    /// [`Unsaid`]: the value does not fit what it is said as, or the noun lacks a form.
    pub fn units(&self, language: Language, value: &Value, nouns: &Nouns) -> Result<Vec<Unit>, Unsaid> {
        let no_such = Unsaid::NoSuch(self.kind.word());
        let number = match value {
            Value::Number(number) => Some(*number),
            Value::Text(_) | Value::Bool(_) => None,
        };
        let text = match value {
            Value::Text(_) | Value::Number(_) => value.to_string(),
            Value::Bool(_) => return Err(no_such),
        };
        let text = say::latin_digits(text.trim());
        let kind = match &self.kind {
            SpokenKind::Number(gender) => Kind::Number { value: number.ok_or(no_such)?, gender: *gender },
            SpokenKind::Count(noun) => Kind::Count { value: number.ok_or(no_such)?, noun },
            SpokenKind::Ordinal(gender) => Kind::Ordinal { value: number.ok_or(no_such)?, gender: *gender },
            SpokenKind::Money(currency) => {
                Kind::Money { minor: currency.read(&text).ok_or(no_such)?, currency: currency.code }
            }
            SpokenKind::Date(months) => {
                let day: civil::Date = text.parse().map_err(|_| no_such)?;
                Kind::Date(Date::on(day, months.unwrap_or_else(|| self.style.months())).ok_or(no_such)?)
            }
            SpokenKind::Time => {
                let parts = text.split_once(':').and_then(|(h, m)| Some((h.parse().ok()?, m.parse().ok()?)));
                let (hour, minute) = parts.ok_or(no_such)?;
                Kind::Time { hour, minute }
            }
            SpokenKind::Duration => {
                Kind::Duration { seconds: u64::try_from(number.ok_or(no_such)?).map_err(|_| Unsaid::OutOfRange)? }
            }
            SpokenKind::Digits => Kind::Digits(&text),
            SpokenKind::Phone => Kind::Phone(&text),
            SpokenKind::Spell => Kind::Spell(&text),
        };
        let request = Request { language, style: self.style, case: self.case, nouns, kind };
        say::say(&request).map_err(|error| match error {
            SayError::UnknownNoun { .. } | SayError::MissingForm { .. } => Unsaid::Noun,
            SayError::OutOfRange { .. } => Unsaid::OutOfRange,
            SayError::ImpossibleDate { .. } | SayError::ImpossibleTime { .. } | SayError::UnknownCurrency(_) => no_such,
            // Unspeakable, Empty, TooLong, and what may come.
            _ => Unsaid::Unspeakable,
        })
    }
}
