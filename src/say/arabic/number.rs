//! Arabic numbers: millions, thousands, hundreds, then units before tens, all joined by «و».

use super::count::Counted;
use super::word::{
    EIGHT_ALONE, HUNDREDS, MILLION, ONE_FEMININE_TENS, Place, Scale, TEENS_FEMININE, TEENS_MASCULINE, TENS,
    TENS_OBLIQUE, THOUSAND, TWELVE_FEMININE_OBLIQUE, TWELVE_MASCULINE_OBLIQUE, TWO_FEMININE_OBLIQUE,
    TWO_HUNDRED_CONSTRUCT, TWO_HUNDRED_CONSTRUCT_OBLIQUE, TWO_HUNDRED_OBLIQUE, TWO_MASCULINE_OBLIQUE, UNITS_FEMININE,
    UNITS_MASCULINE, Word, ZERO,
};
use super::{Case, Gender, Speaker};

/// What comes directly after a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tail {
    /// Nothing, or «و» and more of the number.
    Alone,
    /// What it counts: the number is in construct.
    Noun,
    /// The tens that belong to these units.
    Tens,
}

/// The word of a digit, 0 to 9.
pub(super) fn digit_word(value: u32, case: Case) -> &'static Word {
    match (value, case) {
        (2, Case::Oblique) => &TWO_MASCULINE_OBLIQUE,
        (0.., Case::Nominative | Case::Oblique) => {
            let unit = usize::try_from(value).ok().and_then(|value| value.checked_sub(1));
            unit.and_then(|unit| UNITS_MASCULINE.get(unit)).unwrap_or(&ZERO)
        }
    }
}

impl Speaker<'_> {
    /// Says a number, counted as of `gender`.
    pub(super) fn number(&mut self, value: u32, gender: Gender, tail: Tail) {
        if value == 0 {
            self.word(&ZERO);
            return;
        }
        let (millions, thousands, rest) = (value / 1_000_000, value / 1000 % 1000, value % 1000);
        if millions > 0 {
            let last = thousands == 0 && rest == 0;
            self.scale(millions, &MILLION, if last { tail } else { Tail::Alone });
        }
        if thousands > 0 {
            if millions > 0 {
                self.and();
            }
            self.scale(thousands, &THOUSAND, if rest == 0 { tail } else { Tail::Alone });
        }
        if rest > 0 {
            if value >= 1000 {
                self.and();
            }
            self.below_thousand(rest, gender, tail);
        }
    }

    /// Says thousands or millions, 1 to 999 of them.
    fn scale(&mut self, count: u32, scale: &'static Scale, tail: Tail) {
        // A scale lacks no form: only nouns can fail.
        let _ = self.counted(count, Counted::Scale(scale, tail));
    }

    /// 1–999.
    fn below_thousand(&mut self, value: u32, gender: Gender, tail: Tail) {
        let (hundreds, rest) = (value / 100, value % 100);
        if hundreds > 0 {
            self.hundreds(hundreds, if rest == 0 { tail } else { Tail::Alone });
        }
        if rest > 0 {
            if hundreds > 0 {
                self.and();
            }
            self.below_hundred(rest, gender, tail);
        }
    }

    /// 100–900; `hundreds` is 1–9.
    fn hundreds(&mut self, hundreds: u32, tail: Tail) {
        let place = place(tail);
        match (hundreds, tail) {
            (2, Tail::Noun) => {
                let word = self.by_case(&TWO_HUNDRED_CONSTRUCT, &TWO_HUNDRED_CONSTRUCT_OBLIQUE);
                self.word_in(place, word);
            }
            (2, Tail::Alone | Tail::Tens) if self.case == Case::Oblique => self.word_in(place, &TWO_HUNDRED_OBLIQUE),
            (0.., Tail::Alone | Tail::Noun | Tail::Tens) => self.nth(place, &HUNDREDS, hundreds.saturating_sub(1)),
        }
    }

    /// 1–99.
    fn below_hundred(&mut self, value: u32, gender: Gender, tail: Tail) {
        match value {
            0..=10 => self.unit(value, gender, tail),
            11..=19 => self.teen(value, gender, tail),
            20.. => {
                if !value.is_multiple_of(10) {
                    self.unit(value % 10, gender, Tail::Tens);
                    self.and();
                }
                let tens = match self.case {
                    Case::Nominative => &TENS,
                    Case::Oblique => &TENS_OBLIQUE,
                };
                self.nth(place(tail), tens, value / 10 - 2);
            }
        }
    }

    /// 1–10.
    fn unit(&mut self, value: u32, gender: Gender, tail: Tail) {
        let polarity = self.style.polarity;
        let gender = match (value, tail) {
            // Dialects have the short number before a noun and the long one elsewhere, of either gender.
            (3.., Tail::Noun) if !polarity => Gender::Feminine,
            (3.., Tail::Alone | Tail::Tens) if !polarity => Gender::Masculine,
            (0.., Tail::Alone | Tail::Noun | Tail::Tens) => gender,
        };
        match (value, gender, tail) {
            (1, Gender::Feminine, Tail::Tens) => self.word(&ONE_FEMININE_TENS),
            (8, Gender::Feminine, Tail::Alone | Tail::Tens) => self.word(&EIGHT_ALONE),
            (2, Gender::Masculine | Gender::Feminine, Tail::Alone | Tail::Noun | Tail::Tens)
                if self.case == Case::Oblique =>
            {
                self.word(Self::by_gender(gender, &TWO_MASCULINE_OBLIQUE, &TWO_FEMININE_OBLIQUE));
            }
            (0.., Gender::Masculine, Tail::Alone | Tail::Noun | Tail::Tens) => {
                self.nth(Place::Any, &UNITS_MASCULINE, value.saturating_sub(1));
            }
            (0.., Gender::Feminine, Tail::Alone | Tail::Noun | Tail::Tens) => {
                self.nth(Place::Any, &UNITS_FEMININE, value.saturating_sub(1));
            }
        }
    }

    /// 11–19.
    fn teen(&mut self, value: u32, gender: Gender, tail: Tail) {
        let place = place(tail);
        match (value, gender, self.case) {
            (12, Gender::Masculine, Case::Oblique) => self.word_in(place, &TWELVE_MASCULINE_OBLIQUE),
            (12, Gender::Feminine, Case::Oblique) => self.word_in(place, &TWELVE_FEMININE_OBLIQUE),
            (0.., Gender::Masculine, Case::Nominative | Case::Oblique) => {
                self.nth(place, &TEENS_MASCULINE, value.saturating_sub(11))
            }
            (0.., Gender::Feminine, Case::Nominative | Case::Oblique) => {
                self.nth(place, &TEENS_FEMININE, value.saturating_sub(11))
            }
        }
    }
}

/// Where the last word of a number stands.
fn place(tail: Tail) -> Place {
    match tail {
        Tail::Alone | Tail::Tens => Place::Any,
        Tail::Noun => Place::Construct,
    }
}
