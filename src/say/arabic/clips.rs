//! The recording list of Arabic.

use std::collections::BTreeMap;

use super::names::{
    AFTER, AFTERNOON, HALF, MIDNIGHT, MONTHS_EGYPT, MONTHS_HIJRI, MONTHS_LEVANT, MORNING, NONE_OF_MEN, NONE_OF_THINGS,
    NOON, OF, ONE_OCLOCK, ORDINAL_FIRST_OF_MORE_FEMININE, ORDINAL_FIRST_OF_MORE_MASCULINE, ORDINAL_TENS,
    ORDINAL_TENS_OBLIQUE, ORDINALS_FEMININE, ORDINALS_MASCULINE, QUARTER, QUARTER_TO, THE_HOUR, WEEKDAYS,
};
use super::word::{
    EIGHT_ALONE, Face, HUNDREDS, MILLION, MINUS, ONE_FEMININE_TENS, POINT, Place, Scale, TEENS_FEMININE,
    TEENS_MASCULINE, TENS, TENS_OBLIQUE, THOUSAND, TWELVE_FEMININE_OBLIQUE, TWELVE_MASCULINE_OBLIQUE,
    TWO_FEMININE_OBLIQUE, TWO_HUNDRED_CONSTRUCT, TWO_HUNDRED_CONSTRUCT_OBLIQUE, TWO_HUNDRED_OBLIQUE,
    TWO_MASCULINE_OBLIQUE, UNITS_FEMININE, UNITS_MASCULINE, Word, ZERO,
};
use super::{Case, Form, Language, Nouns, Style, noun_unit};
use crate::say::Unit;

/// Every clip that a full recording of a style holds, by its name, with its text.
pub(in crate::say) fn clips(style: &'static Style, nouns: &Nouns) -> BTreeMap<String, String> {
    let mut list = List { style, clips: BTreeMap::new() };
    list.units();
    list.tens_and_hundreds();
    list.scale(&THOUSAND);
    list.scale(&MILLION);
    list.ordinals();
    list.names();
    list.nouns(nouns);
    list.clips
}

/// The list so far.
struct List {
    style: &'static Style,
    clips: BTreeMap<String, String>,
}

/// Which recordings of a word sentences need.
#[derive(Clone, Copy)]
enum Faces {
    /// Only the word as it is.
    Plain,
    /// As it is, and with «و».
    PlainAndJoined,
    /// Those two, and the definite one that begins a round ordinal.
    Begins,
    /// Those three, and the definite one with «و» inside a round ordinal.
    All,
}

impl List {
    fn add(&mut self, unit: Unit) {
        self.clips.insert(unit.clip.into_owned(), unit.text.into_owned());
    }

    fn words(&mut self, place: Place, faces: Faces, words: impl IntoIterator<Item = &'static Word>) {
        for word in words {
            let word = self.style.word(place, word);
            let all = [word.plain, word.joined, word.definite, word.joined_definite];
            let wanted = match faces {
                Faces::Plain => 1,
                Faces::PlainAndJoined => 2,
                Faces::Begins => 3,
                Faces::All => 4,
            };
            for Face { clip, text } in all.into_iter().take(wanted) {
                self.add(Unit::clip(clip, text));
            }
        }
    }

    /// Whether this style ever speaks in the nominative.
    fn has_nominative(&self) -> bool {
        self.style.case != Some(Case::Oblique)
    }

    /// 0–19.
    fn units(&mut self) {
        self.words(Place::Any, Faces::Plain, [&ZERO, &MINUS, &POINT]);
        // «ال» begins a round ordinal: 1–9 before tens of thousands, and 3–10 thousands themselves, which are
        // counted by the short numbers in dialects.
        let (long_ten, short) =
            if self.style.polarity { (Faces::All, Faces::PlainAndJoined) } else { (Faces::PlainAndJoined, Faces::All) };
        self.words(Place::Any, Faces::All, but_second(&UNITS_MASCULINE).take(8));
        self.words(Place::Any, long_ten, UNITS_MASCULINE.iter().skip(9));
        self.words(Place::Any, Faces::PlainAndJoined, UNITS_FEMININE.iter().take(1));
        self.words(Place::Any, short, UNITS_FEMININE.iter().skip(2));
        self.words(Place::Any, Faces::All, [&TWO_MASCULINE_OBLIQUE]);
        self.words(Place::Any, Faces::PlainAndJoined, [&TWO_FEMININE_OBLIQUE, &ONE_FEMININE_TENS]);
        if self.style.polarity {
            self.words(Place::Any, Faces::PlainAndJoined, [&EIGHT_ALONE]);
        }
        // Teens begin an ordinal only before thousands.
        for (place, masculine) in [(Place::Any, Faces::PlainAndJoined), (Place::Construct, Faces::All)] {
            self.words(place, masculine, but_second(&TEENS_MASCULINE).chain([&TWELVE_MASCULINE_OBLIQUE]));
            let feminine = but_second(&TEENS_FEMININE).chain([&TWELVE_FEMININE_OBLIQUE]);
            self.words(place, Faces::PlainAndJoined, feminine);
        }
        if self.has_nominative() {
            self.words(Place::Any, Faces::All, second(&UNITS_MASCULINE).chain(second(&TEENS_MASCULINE)));
            self.words(Place::Any, Faces::PlainAndJoined, second(&UNITS_FEMININE).chain(second(&TEENS_FEMININE)));
        }
    }

    fn tens_and_hundreds(&mut self) {
        self.words(Place::Any, Faces::All, &TENS_OBLIQUE);
        self.words(Place::Any, Faces::All, but_second(&HUNDREDS).chain([&TWO_HUNDRED_OBLIQUE]));
        // Directly before thousands, hundreds begin the ordinal.
        let construct = but_second(&HUNDREDS).chain([&TWO_HUNDRED_CONSTRUCT_OBLIQUE]);
        self.words(Place::Construct, Faces::Begins, construct);
        if self.has_nominative() {
            self.words(Place::Any, Faces::All, TENS.iter().chain(second(&HUNDREDS)));
            self.words(Place::Any, Faces::Begins, [&TWO_HUNDRED_CONSTRUCT]);
        }
    }

    fn scale(&mut self, scale: &'static Scale) {
        self.words(Place::Any, Faces::PlainAndJoined, [&scale.one, &scale.two_oblique, &scale.two_construct_oblique]);
        self.words(Place::Any, Faces::Plain, [&scale.few]);
        if self.style.tanween {
            self.words(Place::Any, Faces::Plain, [&scale.many]);
        }
        if self.has_nominative() {
            self.words(Place::Any, Faces::PlainAndJoined, [&scale.two, &scale.two_construct]);
        }
    }

    fn ordinals(&mut self) {
        self.words(Place::Any, Faces::Plain, ORDINALS_MASCULINE.iter().chain(&ORDINALS_FEMININE));
        self.words(Place::Any, Faces::Plain, [&ORDINAL_FIRST_OF_MORE_MASCULINE, &ORDINAL_FIRST_OF_MORE_FEMININE]);
        self.words(Place::Any, Faces::PlainAndJoined, &ORDINAL_TENS_OBLIQUE);
        if self.has_nominative() {
            self.words(Place::Any, Faces::PlainAndJoined, &ORDINAL_TENS);
        }
        // «الألف» begins an ordinal, «المليون» is beyond them.
        self.words(Place::Any, Faces::All, [&THOUSAND.one, &THOUSAND.two_oblique]);
        if self.has_nominative() {
            self.words(Place::Any, Faces::All, [&THOUSAND.two]);
        }
    }

    fn names(&mut self) {
        self.words(Place::Any, Faces::Plain, [&NONE_OF_THINGS, &NONE_OF_MEN, &AFTER, &OF]);
        self.words(Place::Any, Faces::Plain, [&THE_HOUR, &QUARTER, &HALF, &QUARTER_TO]);
        self.words(Place::Any, Faces::Plain, [&MIDNIGHT, &MORNING, &NOON, &AFTERNOON]);
        self.words(Place::Hour, Faces::Plain, [&ONE_OCLOCK]);
        self.words(Place::Hour, Faces::Plain, ORDINALS_FEMININE.iter().skip(1).take(11));
        self.words(Place::Any, Faces::Plain, &WEEKDAYS);
        self.words(Place::Any, Faces::Plain, MONTHS_EGYPT.iter().chain(&MONTHS_LEVANT).chain(&MONTHS_HIJRI));
    }

    /// Every form of every noun; «و» comes before a singular and a dual only.
    fn nouns(&mut self, nouns: &Nouns) {
        for noun in nouns.iter(Language::Ar) {
            for form in Form::needed_in(Language::Ar) {
                let (spoken, joins) = match form {
                    Form::One | Form::TwoOblique => (true, true),
                    Form::Two => (self.has_nominative(), self.has_nominative()),
                    Form::Few | Form::Other => (true, false),
                    Form::Many => (self.style.tanween, false),
                };
                let plain = spoken.then_some(false).into_iter();
                for joined in plain.chain(joins.then_some(true)) {
                    // A missing form is the checker's to report; it cannot be recorded.
                    if let Ok(unit) = noun_unit(self.style, nouns, noun, *form, joined) {
                        self.add(unit);
                    }
                }
            }
        }
    }
}

/// A table without its second word: 2, 12 and 200 change with the case.
fn but_second(table: &'static [Word]) -> impl Iterator<Item = &'static Word> {
    table.iter().take(1).chain(table.iter().skip(2))
}

/// The second word of a table.
fn second(table: &'static [Word]) -> impl Iterator<Item = &'static Word> {
    table.iter().skip(1).take(1)
}
