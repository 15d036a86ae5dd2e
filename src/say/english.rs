//! English, as in Britain: "one hundred and five", "the twenty-second of November".

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::calendar::{Date, MonthNames, check_time};
use super::request::{clock_parts, magnitude, place};
use super::sentence::Sentence;
use super::{Currency, Form, Kind, Language, Nouns, Request, SayError, Unit};

/// Says a value in English.
pub(super) fn say(request: &Request<'_>) -> Result<Vec<Unit>, SayError> {
    let mut sentence = Sentence::new(Language::En);
    match request.kind {
        Kind::Number { value, gender: _ } => {
            let size = magnitude("number", value)?;
            sign(&mut sentence, value);
            number(&mut sentence, size);
        }
        Kind::Count { value, noun } => {
            let size = magnitude("number", value)?;
            sign(&mut sentence, value);
            if size == 0 {
                sentence.word("en.no", "no");
                sentence.noun(request.nouns.find(Language::En, noun)?, Form::Other)?;
            } else {
                count(&mut sentence, request.nouns, size, noun)?;
            }
        }
        Kind::Ordinal { value, gender: _ } => ordinal(&mut sentence, place(value)?),
        Kind::Money { minor, currency } => {
            let currency = Currency::find(currency)?;
            let (major, small) = currency.split(minor)?;
            sign(&mut sentence, minor);
            let parts = [(major, currency.major), (small, currency.minor)];
            amounts(&mut sentence, request.nouns, &parts, currency.major)?;
        }
        Kind::Date(spoken) => date(&mut sentence, &spoken)?,
        Kind::Time { hour, minute } => time(&mut sentence, hour, minute)?,
        Kind::Duration { seconds } => {
            let [hours, minutes, seconds] = clock_parts(seconds)?;
            let parts = [(hours, "hour"), (minutes, "minute"), (seconds, "second")];
            amounts(&mut sentence, request.nouns, &parts, "second")?;
        }
        // `spelling` and `position` do these for every language.
        Kind::Digits(_) | Kind::Phone(_) | Kind::Spell(_) | Kind::Position(_) => {}
    }
    Ok(sentence.finish())
}

/// The unit of a number below 100.
pub(super) fn below_hundred(value: u32) -> Unit {
    Unit::clip(format!("en.n.{value}"), below_hundred_text(value))
}

/// Every clip of English, without letters.
pub(super) fn clips(nouns: &Nouns) -> BTreeMap<String, String> {
    let mut sentence = Sentence::new(Language::En);
    for (clip, text) in WORDS {
        sentence.word(clip, text);
    }
    for value in 0..100 {
        sentence.push(below_hundred(value));
    }
    for value in 1..100 {
        sentence.push(ordinal_below_hundred(value));
    }
    for (index, _) in WEEKDAYS.iter().enumerate() {
        sentence.named(format!("en.weekday.{index}"), &WEEKDAYS, index);
    }
    for (index, _) in MONTHS.iter().enumerate() {
        sentence.named(format!("en.month.{}", index + 1), &MONTHS, index);
        sentence.named(format!("en.month.hijri.{}", index + 1), &MONTHS_HIJRI, index);
    }
    for noun in nouns.iter(Language::En) {
        for form in Form::needed_in(Language::En) {
            // A missing form is the checker's to report; it cannot be recorded.
            let _ = sentence.noun(noun, *form);
        }
    }
    sentence.finish().into_iter().map(|unit| (unit.clip.into_owned(), unit.text.into_owned())).collect()
}

fn sign(sentence: &mut Sentence, value: i64) {
    if value < 0 {
        sentence.word("en.minus", "minus");
    }
}

/// Any number: "one million two hundred thousand and one".
fn number(sentence: &mut Sentence, value: u32) {
    let (millions, thousands, rest) = (value / 1_000_000, value / 1000 % 1000, value % 1000);
    if millions > 0 {
        below_thousand(sentence, millions);
        sentence.word("en.million", "million");
    }
    if thousands > 0 {
        below_thousand(sentence, thousands);
        sentence.word("en.thousand", "thousand");
    }
    if value > 999 && (1..100).contains(&rest) {
        sentence.word("en.and", "and");
    }
    if rest > 0 || value == 0 {
        below_thousand(sentence, rest);
    }
}

/// 0–999.
fn below_thousand(sentence: &mut Sentence, value: u32) {
    let (hundreds, rest) = (value / 100, value % 100);
    if hundreds > 0 {
        sentence.push(below_hundred(hundreds));
        sentence.word("en.hundred", "hundred");
        if rest > 0 {
            sentence.word("en.and", "and");
        }
    }
    if rest > 0 || value == 0 {
        sentence.push(below_hundred(rest));
    }
}

/// A number and its noun.
fn count(sentence: &mut Sentence, nouns: &Nouns, value: u32, noun: &str) -> Result<(), SayError> {
    number(sentence, value);
    sentence.noun(nouns.find(Language::En, noun)?, if value == 1 { Form::One } else { Form::Other })
}

/// Numbers of several nouns, "and" before the last; zeros are silent, but not all of them together.
fn amounts(sentence: &mut Sentence, nouns: &Nouns, parts: &[(u32, &str)], when_zero: &str) -> Result<(), SayError> {
    let mut left = parts.iter().filter(|(value, _)| *value > 0).count();
    if left == 0 {
        return count(sentence, nouns, 0, when_zero);
    }
    let alone = left == 1;
    for (value, noun) in parts.iter().filter(|(value, _)| *value > 0) {
        if left == 1 && !alone {
            sentence.word("en.and", "and");
        }
        left -= 1;
        count(sentence, nouns, *value, noun)?;
    }
    Ok(())
}

/// Any ordinal: "one hundred and first", "two thousandth".
fn ordinal(sentence: &mut Sentence, value: u32) {
    let (thousands, hundreds, rest) = (value / 1000, value / 100 % 10, value % 100);
    if thousands > 0 {
        below_thousand(sentence, thousands);
        if hundreds == 0 && rest == 0 {
            sentence.word("en.ord.thousand", "thousandth");
            return;
        }
        sentence.word("en.thousand", "thousand");
    }
    if hundreds > 0 {
        sentence.push(below_hundred(hundreds));
        if rest == 0 {
            sentence.word("en.ord.hundred", "hundredth");
            return;
        }
        sentence.word("en.hundred", "hundred");
    }
    if value > 99 {
        sentence.word("en.and", "and");
    }
    sentence.push(ordinal_below_hundred(rest));
}

/// The unit of an ordinal, 1 to 99.
fn ordinal_below_hundred(value: u32) -> Unit {
    let text = match value {
        1..20 => Cow::Borrowed(name(&ORDINALS, value)),
        other => match (name(&TENS, other / 10), other % 10) {
            (tens, 0) => Cow::Owned(format!("{}ieth", tens.trim_end_matches('y'))),
            (tens, unit) => Cow::Owned(format!("{tens}-{}", name(&ORDINALS, unit))),
        },
    };
    Unit::clip(format!("en.ord.{value}"), text)
}

/// "Sunday the twenty-second of November twenty twenty-six".
fn date(sentence: &mut Sentence, date: &Date) -> Result<(), SayError> {
    date.check()?;
    if let Some(weekday) = date.weekday {
        sentence.named(format!("en.weekday.{}", weekday.index()), &WEEKDAYS, weekday.index());
    }
    sentence.word("en.the", "the");
    ordinal(sentence, u32::from(date.day));
    sentence.word("en.of", "of");
    let index = usize::from(date.month).saturating_sub(1);
    match date.months {
        MonthNames::Egypt | MonthNames::Levant => sentence.named(format!("en.month.{}", date.month), &MONTHS, index),
        MonthNames::Hijri => sentence.named(format!("en.month.hijri.{}", date.month), &MONTHS_HIJRI, index),
    }
    if let Some(spoken) = date.year {
        year(sentence, u32::from(spoken));
    }
    Ok(())
}

/// A year: "twenty twenty-six", "nineteen oh five", "nineteen hundred", "two thousand and six".
fn year(sentence: &mut Sentence, year: u32) {
    let (century, rest) = (year / 100, year % 100);
    if year < 1000 || (century.is_multiple_of(10) && rest < 10) {
        number(sentence, year);
        return;
    }
    sentence.push(below_hundred(century));
    match rest {
        0 => sentence.word("en.hundred", "hundred"),
        1..10 => {
            sentence.word("en.oh", "oh");
            sentence.push(below_hundred(rest));
        }
        10.. => sentence.push(below_hundred(rest)),
    }
}

/// "ten fifteen a.m.", "ten oh five p.m.", "twelve noon".
fn time(sentence: &mut Sentence, hour: u8, minute: u8) -> Result<(), SayError> {
    check_time(hour, minute)?;
    let twelve = if hour.is_multiple_of(12) { 12 } else { hour % 12 };
    sentence.push(below_hundred(u32::from(twelve)));
    if (1..10).contains(&minute) {
        sentence.word("en.oh", "oh");
    }
    if minute > 0 {
        sentence.push(below_hundred(u32::from(minute)));
    }
    match (hour, minute) {
        (0, 0) => sentence.word("en.midnight", "midnight"),
        (12, 0) => sentence.word("en.noon", "noon"),
        (0..12, 0..) => sentence.word("en.am", "a.m."),
        (12.., 0..) => sentence.word("en.pm", "p.m."),
    }
    Ok(())
}

/// The words of a number below 100.
fn below_hundred_text(value: u32) -> Cow<'static, str> {
    match (value, value % 10) {
        (0..20, _) => Cow::Borrowed(name(&UNITS, value)),
        (_, 0) => Cow::Borrowed(name(&TENS, value / 10)),
        (_, unit) => Cow::Owned(format!("{}-{}", name(&TENS, value / 10), name(&UNITS, unit))),
    }
}

/// The word of a table for a number that the caller has bounded.
fn name(table: &[&'static str], index: u32) -> &'static str {
    usize::try_from(index).ok().and_then(|index| table.get(index)).copied().unwrap_or_default()
}

/// Every word that is always the same.
const WORDS: [(&str, &str); 15] = [
    ("en.minus", "minus"),
    ("en.no", "no"),
    ("en.and", "and"),
    ("en.hundred", "hundred"),
    ("en.thousand", "thousand"),
    ("en.million", "million"),
    ("en.ord.hundred", "hundredth"),
    ("en.ord.thousand", "thousandth"),
    ("en.the", "the"),
    ("en.of", "of"),
    ("en.oh", "oh"),
    ("en.am", "a.m."),
    ("en.pm", "p.m."),
    ("en.noon", "noon"),
    ("en.midnight", "midnight"),
];

/// 0–19.
const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];

/// By the tens digit; the first two are in [`UNITS`].
const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// 0–19; there is no zeroth.
const ORDINALS: [&str; 20] = [
    "",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
];

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const MONTHS_HIJRI: [&str; 12] = [
    "Muharram",
    "Safar",
    "Rabi al-Awwal",
    "Rabi al-Thani",
    "Jumada al-Ula",
    "Jumada al-Akhirah",
    "Rajab",
    "Shaban",
    "Ramadan",
    "Shawwal",
    "Dhu al-Qadah",
    "Dhu al-Hijjah",
];
