//! French of France: "soixante et onze", "quatre-vingt-une minutes", "deux millions d'euros".

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::calendar::{Date, MonthNames, check_time};
use super::request::{clock_parts, magnitude, place};
use super::sentence::Sentence;
use super::{Currency, Form, Gender, Kind, Language, Noun, Nouns, Request, SayError, Unit};

/// Says a value in French.
pub(super) fn say(request: &Request<'_>) -> Result<Vec<Unit>, SayError> {
    let mut sentence = Sentence::new(Language::Fr);
    match request.kind {
        Kind::Number { value, gender } => {
            let size = magnitude("number", value)?;
            sign(&mut sentence, value);
            number(&mut sentence, size, gender, Plural::Marked);
        }
        Kind::Count { value, noun } => {
            let size = magnitude("number", value)?;
            let noun = request.nouns.find(Language::Fr, noun)?;
            sign(&mut sentence, value);
            if size == 0 {
                match noun.gender {
                    Gender::Masculine => sentence.word("fr.none.m", "aucun"),
                    Gender::Feminine => sentence.word("fr.none.f", "aucune"),
                }
                sentence.noun(noun, Form::One)?;
            } else {
                count(&mut sentence, size, noun)?;
            }
        }
        Kind::Ordinal { value, gender } => ordinal(&mut sentence, place(value)?, gender),
        Kind::Money { minor, currency } => {
            let currency = Currency::find(currency)?;
            let (major, small) = currency.split(minor)?;
            sign(&mut sentence, minor);
            let parts = [(major, currency.major), (small, currency.minor)];
            amounts(&mut sentence, request.nouns, &parts, currency.major)?;
        }
        Kind::Date(spoken) => date(&mut sentence, &spoken)?,
        Kind::Time { hour, minute } => time(&mut sentence, request.nouns, hour, minute)?,
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

/// The unit of a number below 100, masculine.
pub(super) fn below_hundred(value: u32) -> Unit {
    below_hundred_as(value, Gender::Masculine, Plural::Marked)
}

/// Every clip of French, without letters.
pub(super) fn clips(nouns: &Nouns) -> BTreeMap<String, String> {
    let mut sentence = Sentence::new(Language::Fr);
    for (clip, text) in WORDS {
        sentence.word(clip, text);
    }
    for value in 0..100 {
        sentence.push(below_hundred(value));
        sentence.push(below_hundred_as(value, Gender::Feminine, Plural::Unmarked));
    }
    for value in 1..100 {
        sentence.push(ordinal_below_hundred(value));
    }
    for (index, _) in WEEKDAYS.iter().enumerate() {
        sentence.named(format!("fr.weekday.{index}"), &WEEKDAYS, index);
    }
    for (index, _) in MONTHS.iter().enumerate() {
        sentence.named(format!("fr.month.{}", index + 1), &MONTHS, index);
        sentence.named(format!("fr.month.hijri.{}", index + 1), &MONTHS_HIJRI, index);
    }
    for noun in nouns.iter(Language::Fr) {
        for form in Form::needed_in(Language::Fr) {
            // A missing form is the checker's to report; it cannot be recorded.
            let _ = sentence.noun(noun, *form);
        }
        let _ = of_noun(&mut sentence, noun);
    }
    sentence.finish().into_iter().map(|unit| (unit.clip.into_owned(), unit.text.into_owned())).collect()
}

/// Whether "vingt" and "cent" take their plural s at the end of a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Plural {
    /// "quatre-vingts", "deux cents": a quantity.
    Marked,
    /// "quatre-vingt mille", "mille neuf cent": before "mille", and in years.
    Unmarked,
}

fn sign(sentence: &mut Sentence, value: i64) {
    if value < 0 {
        sentence.word("fr.minus", "moins");
    }
}

/// Any number, counted as of `gender`.
fn number(sentence: &mut Sentence, value: u32, gender: Gender, plural: Plural) {
    let (millions, thousands, rest) = (value / 1_000_000, value / 1000 % 1000, value % 1000);
    if millions > 0 {
        // "million" is a noun: it is counted, and leaves the s before it.
        below_thousand(sentence, millions, Gender::Masculine, Plural::Marked);
        if millions == 1 {
            sentence.word("fr.million", "million");
        } else {
            sentence.word("fr.millions", "millions");
        }
    }
    if thousands > 0 {
        if thousands > 1 {
            below_thousand(sentence, thousands, Gender::Masculine, Plural::Unmarked);
        }
        sentence.word("fr.mille", "mille");
    }
    if rest > 0 || value == 0 {
        below_thousand(sentence, rest, gender, plural);
    }
}

/// 0–999.
fn below_thousand(sentence: &mut Sentence, value: u32, gender: Gender, plural: Plural) {
    let (hundreds, rest) = (value / 100, value % 100);
    if hundreds > 1 {
        sentence.push(below_hundred(hundreds));
    }
    if hundreds > 1 && rest == 0 && plural == Plural::Marked {
        sentence.word("fr.cents", "cents");
    } else if hundreds > 0 {
        sentence.word("fr.cent", "cent");
    }
    if rest > 0 || value == 0 {
        sentence.push(below_hundred_as(rest, gender, plural));
    }
}

/// The unit of a number below 100.
fn below_hundred_as(value: u32, gender: Gender, plural: Plural) -> Unit {
    let ends_in_one = value % 10 == 1 && !matches!(value, 11 | 71 | 91);
    let text = below_hundred_text(value);
    match (gender, plural) {
        (Gender::Feminine, _) if ends_in_one => Unit::clip(format!("fr.n.{value}.f"), format!("{text}e")),
        (_, Plural::Unmarked) if value == 80 => Unit::clip("fr.n.80.unmarked", "quatre-vingt"),
        (Gender::Masculine | Gender::Feminine, Plural::Marked | Plural::Unmarked) => {
            Unit::clip(format!("fr.n.{value}"), text)
        }
    }
}

/// The masculine words of a number below 100.
fn below_hundred_text(value: u32) -> Cow<'static, str> {
    let (tens, unit) = (value / 10, value % 10);
    match (tens, unit) {
        (0 | 1, _) => Cow::Borrowed(name(&UNITS, value)),
        (7, 1) => Cow::Borrowed("soixante et onze"),
        (8, 0) => Cow::Borrowed("quatre-vingts"),
        (7 | 9, _) => Cow::Owned(format!("{}-{}", name(&TENS, tens), name(&UNITS, unit + 10))),
        (8, _) => Cow::Owned(format!("quatre-vingt-{}", name(&UNITS, unit))),
        (_, 0) => Cow::Borrowed(name(&TENS, tens)),
        (_, 1) => Cow::Owned(format!("{} et un", name(&TENS, tens))),
        (_, _) => Cow::Owned(format!("{}-{}", name(&TENS, tens), name(&UNITS, unit))),
    }
}

/// A number and its noun; 0 takes the singular.
fn count(sentence: &mut Sentence, value: u32, noun: &Noun) -> Result<(), SayError> {
    number(sentence, value, noun.gender, Plural::Marked);
    match value {
        0 | 1 => sentence.noun(noun, Form::One),
        // "million" alone is a noun, which takes another one by "de".
        2.. if value.is_multiple_of(1_000_000) => of_noun(sentence, noun),
        2.. => sentence.noun(noun, Form::Other),
    }
}

/// "de jours", "d'euros": the second is one word, cutting it would sound robotic.
fn of_noun(sentence: &mut Sentence, noun: &Noun) -> Result<(), SayError> {
    let text = noun.form(Language::Fr, Form::Other)?;
    // A leading h counts as mute, as in "heures".
    if text.to_lowercase().starts_with(['a', 'â', 'à', 'e', 'é', 'è', 'ê', 'i', 'î', 'o', 'ô', 'œ', 'u', 'h']) {
        sentence.push(Unit::clip(format!("fr.de.noun.{}.other", noun.id), format!("d'{text}")));
        return Ok(());
    }
    sentence.word("fr.de", "de");
    sentence.noun(noun, Form::Other)
}

/// Numbers of several nouns, "et" before the last; zeros are silent, but not all of them together.
fn amounts(sentence: &mut Sentence, nouns: &Nouns, parts: &[(u32, &str)], when_zero: &str) -> Result<(), SayError> {
    let mut left = parts.iter().filter(|(value, _)| *value > 0).count();
    if left == 0 {
        return count(sentence, 0, nouns.find(Language::Fr, when_zero)?);
    }
    let alone = left == 1;
    for (value, noun) in parts.iter().filter(|(value, _)| *value > 0) {
        if left == 1 && !alone {
            sentence.word("fr.et", "et");
        }
        left -= 1;
        count(sentence, *value, nouns.find(Language::Fr, noun)?)?;
    }
    Ok(())
}

/// Any ordinal: "première", "vingt et unième", "deux cent unième", "quatre-vingt millième".
fn ordinal(sentence: &mut Sentence, value: u32, gender: Gender) {
    let (thousands, hundreds, rest) = (value / 1000, value / 100 % 10, value % 100);
    match (value, gender) {
        (1, Gender::Masculine) => return sentence.word("fr.ord.first.m", "premier"),
        (1, Gender::Feminine) => return sentence.word("fr.ord.first.f", "première"),
        (0.., Gender::Masculine | Gender::Feminine) => {}
    }
    if thousands > 1 {
        below_thousand(sentence, thousands, Gender::Masculine, Plural::Unmarked);
    }
    if thousands > 0 && hundreds == 0 && rest == 0 {
        return sentence.word("fr.ord.mille", "millième");
    }
    if thousands > 0 {
        sentence.word("fr.mille", "mille");
    }
    if hundreds > 1 {
        sentence.push(below_hundred(hundreds));
    }
    if hundreds > 0 && rest == 0 {
        return sentence.word("fr.ord.cent", "centième");
    }
    if hundreds > 0 {
        sentence.word("fr.cent", "cent");
    }
    sentence.push(ordinal_below_hundred(rest));
}

/// The unit of an ordinal, 1 to 99, as the last of a longer one: 1 is "unième".
fn ordinal_below_hundred(value: u32) -> Unit {
    let number = below_hundred_text(value);
    let stem = match value {
        80 => "quatre-vingt",
        _ => number.strip_suffix('e').unwrap_or(&number),
    };
    let text = match value % 10 {
        5 if stem.ends_with("cinq") => format!("{stem}uième"),
        9 if stem.ends_with("neuf") => format!("{}vième", stem.trim_end_matches('f')),
        _ => format!("{stem}ième"),
    };
    Unit::clip(format!("fr.ord.{value}"), text)
}

/// "dimanche vingt-deux novembre deux mille vingt-six", "le premier mai".
fn date(sentence: &mut Sentence, date: &Date) -> Result<(), SayError> {
    date.check()?;
    match date.weekday {
        Some(weekday) => sentence.named(format!("fr.weekday.{}", weekday.index()), &WEEKDAYS, weekday.index()),
        None => sentence.word("fr.le", "le"),
    }
    match date.day {
        1 => sentence.word("fr.ord.first.m", "premier"),
        day => sentence.push(below_hundred(u32::from(day))),
    }
    let index = usize::from(date.month).saturating_sub(1);
    match date.months {
        MonthNames::Egypt | MonthNames::Levant => sentence.named(format!("fr.month.{}", date.month), &MONTHS, index),
        MonthNames::Hijri => sentence.named(format!("fr.month.hijri.{}", date.month), &MONTHS_HIJRI, index),
    }
    if let Some(year) = date.year {
        number(sentence, u32::from(year), Gender::Masculine, Plural::Unmarked);
    }
    Ok(())
}

/// On the 24-hour clock: "vingt et une heures quinze", "midi trente".
fn time(sentence: &mut Sentence, nouns: &Nouns, hour: u8, minute: u8) -> Result<(), SayError> {
    check_time(hour, minute)?;
    match hour {
        0 => sentence.word("fr.minuit", "minuit"),
        12 => sentence.word("fr.midi", "midi"),
        other => count(sentence, u32::from(other), nouns.find(Language::Fr, "hour")?)?,
    }
    if minute > 0 {
        number(sentence, u32::from(minute), Gender::Feminine, Plural::Marked);
    }
    Ok(())
}

/// The word of a table for a number that the caller has bounded.
fn name(table: &[&'static str], index: u32) -> &'static str {
    usize::try_from(index).ok().and_then(|index| table.get(index)).copied().unwrap_or_default()
}

/// Every word that is always the same.
const WORDS: [(&str, &str); 17] = [
    ("fr.minus", "moins"),
    ("fr.none.m", "aucun"),
    ("fr.none.f", "aucune"),
    ("fr.et", "et"),
    ("fr.de", "de"),
    ("fr.le", "le"),
    ("fr.cent", "cent"),
    ("fr.cents", "cents"),
    ("fr.mille", "mille"),
    ("fr.million", "million"),
    ("fr.millions", "millions"),
    ("fr.ord.first.m", "premier"),
    ("fr.ord.first.f", "première"),
    ("fr.ord.cent", "centième"),
    ("fr.ord.mille", "millième"),
    ("fr.minuit", "minuit"),
    ("fr.midi", "midi"),
];

/// 0–19.
const UNITS: [&str; 20] = [
    "zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze", "treize",
    "quatorze", "quinze", "seize", "dix-sept", "dix-huit", "dix-neuf",
];

/// By the tens digit; the first two are in [`UNITS`], and 70 and 90 go on from 60 and 80.
const TENS: [&str; 10] =
    ["", "", "vingt", "trente", "quarante", "cinquante", "soixante", "soixante", "quatre-vingt", "quatre-vingt"];

const WEEKDAYS: [&str; 7] = ["dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"];

const MONTHS: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];

const MONTHS_HIJRI: [&str; 12] = [
    "mouharram",
    "safar",
    "rabia al-awal",
    "rabia ath-thani",
    "joumada al-oula",
    "joumada ath-thania",
    "rajab",
    "chaabane",
    "ramadan",
    "chawwal",
    "dhou al-qida",
    "dhou al-hijja",
];
