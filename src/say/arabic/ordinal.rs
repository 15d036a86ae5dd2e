//! Definite ordinals: «الثالث», «الحادية والعشرون», «الثالث بعد المئة».

use super::names::{
    AFTER, ORDINAL_FIRST_OF_MORE_FEMININE, ORDINAL_FIRST_OF_MORE_MASCULINE, ORDINAL_TENS, ORDINAL_TENS_OBLIQUE,
    ORDINALS_FEMININE, ORDINALS_MASCULINE,
};
use super::number::Tail;
use super::{Case, Gender, Place, Prefix, Speaker};

impl Speaker<'_> {
    /// Says an ordinal, 1 to 999 999.
    ///
    /// A round number is the number with the article on each part that «و» joins: «الألف والمئة». Any other one is the ordinal of its last two digits
    /// «بعد» ("after") the round number.
    pub(super) fn ordinal(&mut self, value: u32, gender: Gender) {
        let rest = value % 100;
        let round = value - rest;
        if rest > 0 {
            self.ordinal_below_hundred(rest, gender);
        }
        if round == 0 {
            return;
        }
        let case = self.case;
        if rest > 0 {
            self.word(&AFTER);
            self.case = Case::Oblique;
        }
        (self.definite, self.prefix) = (true, Prefix::The);
        self.number(round, Gender::Masculine, Tail::Alone);
        self.definite = false;
        self.case = case;
    }

    /// 1–99.
    fn ordinal_below_hundred(&mut self, value: u32, gender: Gender) {
        let table = match gender {
            Gender::Masculine => &ORDINALS_MASCULINE,
            Gender::Feminine => &ORDINALS_FEMININE,
        };
        if value < 20 {
            self.nth(Place::Any, table, value.saturating_sub(1));
            return;
        }
        match value % 10 {
            0 => {}
            1 => {
                let first = Self::by_gender(gender, &ORDINAL_FIRST_OF_MORE_MASCULINE, &ORDINAL_FIRST_OF_MORE_FEMININE);
                self.word(first);
                self.and();
            }
            unit => {
                self.nth(Place::Any, table, unit.saturating_sub(1));
                self.and();
            }
        }
        let tens = match self.case {
            Case::Nominative => &ORDINAL_TENS,
            Case::Oblique => &ORDINAL_TENS_OBLIQUE,
        };
        self.nth(Place::Any, tens, value / 10 - 2);
    }
}
