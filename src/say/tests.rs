//! What is said, literally; the rules are those of `docs/arabic-numbers.md`.

mod arabic;
mod coverage;
mod declared;
mod dialects;
mod spelled;
mod western;

use super::{Case, Date, Gender, Kind, Language, MonthNames, Nouns, Request, SayError, Style, Weekday, say, text};
use Case::{Nominative, Oblique};
use Gender::{Feminine, Masculine};
use Language::{Ar, En, Fr};

/// The sentence for one value with the built-in nouns, or the error's text.
fn spoken(language: Language, style: &'static Style, case: Case, kind: Kind<'_>) -> String {
    let nouns = Nouns::built_in();
    let request = Request { language, style, case, nouns: &nouns, kind };
    say(&request).map_or_else(|error| error.to_string(), |units| text(&units))
}

/// The same in standard Arabic.
fn arabic(case: Case, kind: Kind<'_>) -> String {
    spoken(Ar, Style::MSA, case, kind)
}

/// Why a value in standard Arabic cannot be said.
fn refusal(kind: Kind<'_>) -> Option<SayError> {
    say(&Request::new(Ar, &Nouns::built_in(), kind)).err()
}

fn number(value: i64, gender: Gender) -> Kind<'static> {
    Kind::Number { value, gender }
}

fn count(value: i64, noun: &str) -> Kind<'_> {
    Kind::Count { value, noun }
}

fn ordinal(value: i64, gender: Gender) -> Kind<'static> {
    Kind::Ordinal { value, gender }
}

fn money(minor: i64, currency: &str) -> Kind<'_> {
    Kind::Money { minor, currency }
}

fn time(hour: u8, minute: u8) -> Kind<'static> {
    Kind::Time { hour, minute }
}

fn date(weekday: Option<Weekday>, day: u8, month: u8, year: Option<u16>, months: MonthNames) -> Kind<'static> {
    Kind::Date(Date { weekday, day, month, year, months })
}
