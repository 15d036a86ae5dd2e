//! Arabic: the sentence while it is built, and which rule says what.
//!
//! The grammar is that of the standard language. A dialect keeps the grammar, always takes the oblique case, and
//! replaces words by the table of its [`Style`]; `polarity` and `tanween` of the style name the two rules of
//! grammar that dialects drop.

mod calendar;
mod clips;
mod count;
pub(super) mod dialect;
mod names;
mod number;
mod ordinal;
pub(super) mod word;

pub(super) use clips::clips;

use super::request::{clock_parts, magnitude, place};
use super::{Case, Currency, Form, Gender, Kind, Language, Noun, Nouns, Request, SayError, Style, Unit};
use word::{Face, Place, Word};

/// Says a value in Arabic.
pub(super) fn say(request: &Request<'_>) -> Result<Vec<Unit>, SayError> {
    let mut speaker = Speaker::new(request.style, request.case, request.nouns);
    match request.kind {
        Kind::Number { value, gender } => {
            let size = magnitude("number", value)?;
            speaker.sign(value);
            speaker.number(size, gender, number::Tail::Alone);
        }
        Kind::Count { value, noun } => {
            let size = magnitude("number", value)?;
            let noun = request.nouns.find(Language::Ar, noun)?;
            speaker.sign(value);
            speaker.count(size, noun)?;
        }
        Kind::Ordinal { value, gender } => speaker.ordinal(place(value)?, gender),
        Kind::Money { minor, currency } => {
            let currency = Currency::find(currency)?;
            let (major, small) = currency.split(minor)?;
            speaker.sign(minor);
            speaker.amounts(&[(major, currency.major), (small, currency.minor)], currency.major)?;
        }
        Kind::Date(date) => speaker.date(&date)?,
        Kind::Time { hour, minute } => speaker.time(hour, minute)?,
        Kind::Duration { seconds } => {
            let [hours, minutes, seconds] = clock_parts(seconds)?;
            speaker.amounts(&[(hours, "hour"), (minutes, "minute"), (seconds, "second")], "second")?;
        }
        // `spelling` and `position` do these for every language.
        Kind::Digits(_) | Kind::Phone(_) | Kind::Spell(_) | Kind::Position(_) => {}
    }
    Ok(speaker.units)
}

/// Says one digit, 0 to 9: the bare masculine number, nominative unless the style is always oblique.
pub(super) fn digit(style: &'static Style, value: u32) -> Unit {
    let word = number::digit_word(value, style.case.unwrap_or(Case::Nominative));
    let face = style.word(Place::Any, word).plain;
    Unit::clip(face.clip, face.text)
}

/// What is written onto the front of the next word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Prefix {
    None,
    /// The conjunction: «و».
    And,
    /// The article: «ال».
    The,
    /// Both: «وال».
    AndThe,
}

/// The sentence so far.
struct Speaker<'a> {
    style: &'static Style,
    case: Case,
    nouns: &'a Nouns,
    /// Whether «و» takes the article with it.
    definite: bool,
    prefix: Prefix,
    units: Vec<Unit>,
}

impl<'a> Speaker<'a> {
    fn new(style: &'static Style, case: Case, nouns: &'a Nouns) -> Self {
        // Eight units hold nearly every sentence.
        let units = Vec::with_capacity(8);
        Self { style, case: style.case.unwrap_or(case), nouns, definite: false, prefix: Prefix::None, units }
    }

    /// Joins the next word by «و».
    fn and(&mut self) {
        self.prefix = if self.definite { Prefix::AndThe } else { Prefix::And };
    }

    /// Says «ناقص» before a negative value.
    fn sign(&mut self, value: i64) {
        if value < 0 {
            self.word(&word::MINUS);
        }
    }

    /// Says a word as it is anywhere.
    fn word(&mut self, word: &'static Word) {
        self.word_in(Place::Any, word);
    }

    /// Says a word that a dialect may say differently in this place.
    fn word_in(&mut self, place: Place, word: &'static Word) {
        let word = self.style.word(place, word);
        let Face { clip, text } = match std::mem::replace(&mut self.prefix, Prefix::None) {
            Prefix::None => word.plain,
            Prefix::And => word.joined,
            Prefix::The => word.definite,
            Prefix::AndThe => word.joined_definite,
        };
        self.units.push(Unit::clip(clip, text));
    }

    /// Says the word of a table that stands for a number which the caller has bounded.
    fn nth(&mut self, place: Place, table: &'static [Word], index: u32) {
        if let Some(word) = usize::try_from(index).ok().and_then(|index| table.get(index)) {
            self.word_in(place, word);
        }
    }

    /// The nominative or the oblique word.
    fn by_case(&self, nominative: &'static Word, oblique: &'static Word) -> &'static Word {
        match self.case {
            Case::Nominative => nominative,
            Case::Oblique => oblique,
        }
    }

    /// The masculine or the feminine word.
    fn by_gender(gender: Gender, masculine: &'static Word, feminine: &'static Word) -> &'static Word {
        match gender {
            Gender::Masculine => masculine,
            Gender::Feminine => feminine,
        }
    }

    /// Says a noun in one form.
    fn noun(&mut self, noun: &Noun, form: Form) -> Result<(), SayError> {
        let joined = std::mem::replace(&mut self.prefix, Prefix::None) == Prefix::And;
        self.units.push(noun_unit(self.style, self.nouns, noun, form, joined)?);
        Ok(())
    }
}

/// The unit of a noun in one form, with «و» before it or not.
fn noun_unit(style: &'static Style, nouns: &Nouns, noun: &Noun, form: Form, joined: bool) -> Result<Unit, SayError> {
    let text = noun.form(Language::Ar, form)?;
    let key = format!("ar.noun.{}.{}", noun.id, form.name());
    if let Some(word) = style.replacement(Place::Any, &key).filter(|_| !nouns.is_own(Language::Ar, &noun.id)) {
        let face = if joined { word.joined } else { word.plain };
        return Ok(Unit::clip(face.clip, face.text));
    }
    if joined {
        return Ok(Unit::clip(format!("ar.w.noun.{}.{}", noun.id, form.name()), format!("و{text}")));
    }
    Ok(Unit::clip(key, text.clone()))
}
