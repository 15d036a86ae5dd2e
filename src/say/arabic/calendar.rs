//! Times of day and dates.

use super::names::{
    AFTERNOON, HALF, MIDNIGHT, MONTHS_EGYPT, MONTHS_HIJRI, MONTHS_LEVANT, MORNING, NOON, OF, ONE_OCLOCK,
    ORDINALS_FEMININE, QUARTER, QUARTER_TO, THE_HOUR, WEEKDAYS,
};
use super::number::Tail;
use super::{Case, Gender, Language, Place, SayError, Speaker};
use crate::say::calendar::{Date, MonthNames, check_time};

impl Speaker<'_> {
    /// Says a time of day: «الساعة الثالثة والنصف مساءً».
    pub(super) fn time(&mut self, hour: u8, minute: u8) -> Result<(), SayError> {
        check_time(hour, minute)?;
        let spoken = if minute == 45 { (hour + 1) % 24 } else { hour };
        self.word(&THE_HOUR);
        match spoken % 12 {
            1 => self.word_in(Place::Hour, &ONE_OCLOCK),
            0 => self.nth(Place::Hour, &ORDINALS_FEMININE, 11),
            other => self.nth(Place::Hour, &ORDINALS_FEMININE, u32::from(other) - 1),
        }
        match minute {
            0 => {}
            15 => self.word(&QUARTER),
            30 => self.word(&HALF),
            45 => self.word(&QUARTER_TO),
            other => {
                self.and();
                self.counted_noun(u32::from(other), self.nouns.find(Language::Ar, "minute")?)?;
            }
        }
        self.word(match spoken {
            0 => &MIDNIGHT,
            1..=11 => &MORNING,
            12 => &NOON,
            13.. => &AFTERNOON,
        });
        Ok(())
    }

    /// Says a date: «الأحد الثاني والعشرون من نوفمبر ألفين وستة وعشرين».
    pub(super) fn date(&mut self, date: &Date) -> Result<(), SayError> {
        date.check()?;
        if let Some(word) = date.weekday.and_then(|weekday| WEEKDAYS.get(weekday.index())) {
            self.word(word);
        }
        self.ordinal(u32::from(date.day), Gender::Masculine);
        self.word(&OF);
        let months = match date.months {
            MonthNames::Egypt => &MONTHS_EGYPT,
            MonthNames::Levant => &MONTHS_LEVANT,
            MonthNames::Hijri => &MONTHS_HIJRI,
        };
        self.nth(Place::Any, months, u32::from(date.month).saturating_sub(1));
        if let Some(year) = date.year {
            // «عام» is understood before the year, which is its genitive.
            self.case = Case::Oblique;
            self.number(u32::from(year), Gender::Masculine, Tail::Alone);
        }
        Ok(())
    }
}
