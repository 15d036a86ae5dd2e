//! Days, months and times of day, before any language.

use jiff::civil;

use super::SayError;
use crate::clock::umm_al_qura;

/// A day to say; parts may be left out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Date {
    /// The day of the week, said first; it is not checked against the rest.
    pub weekday: Option<Weekday>,
    /// Day of the month, from 1.
    pub day: u8,
    /// Month of the year, 1 to 12.
    pub month: u8,
    /// Year of the same calendar, 1 to 9999.
    pub year: Option<u16>,
    /// How the months are called, and so which calendar it is.
    pub months: MonthNames,
}

impl Date {
    /// A Gregorian day with its weekday and year, in the calendar of `months`: the Hijri one is that of Umm al-Qura.
    ///
    /// `None` when the year of that calendar is not 1 to 9999.
    #[must_use]
    pub fn on(day: civil::Date, months: MonthNames) -> Option<Self> {
        let (year, month, of_month) = match months {
            MonthNames::Egypt | MonthNames::Levant => {
                (i32::from(day.year()), u8::try_from(day.month()).ok()?, u8::try_from(day.day()).ok()?)
            }
            MonthNames::Hijri => umm_al_qura(day)?,
        };
        let year = u16::try_from(year).ok().filter(|year| *year >= 1)?;
        Some(Self { weekday: Some(day.weekday().into()), day: of_month, month, year: Some(year), months })
    }

    /// Refuses a day that no calendar has; without a year, 29 February exists.
    pub(super) fn check(&self) -> Result<(), SayError> {
        if let Some(year) = self.year.filter(|year| !(1..=9999).contains(year)) {
            return Err(SayError::OutOfRange { what: "year", value: i64::from(year), lowest: 1, highest: 9999 });
        }
        if self.day >= 1 && self.day <= self.month_days() {
            return Ok(());
        }
        Err(SayError::ImpossibleDate { day: self.day, month: self.month, year: self.year })
    }

    /// Length of the month in days; 0 when there is no such month.
    fn month_days(&self) -> u8 {
        match (self.months, self.month) {
            (MonthNames::Egypt | MonthNames::Levant | MonthNames::Hijri, 0 | 13..) => 0,
            // Which Hijri months have 29 days is decided by the moon or by a table that is not ours.
            (MonthNames::Hijri, _) => 30,
            (MonthNames::Egypt | MonthNames::Levant, 4 | 6 | 9 | 11) => 30,
            (MonthNames::Egypt | MonthNames::Levant, 2) if self.year.is_none_or(is_leap) => 29,
            (MonthNames::Egypt | MonthNames::Levant, 2) => 28,
            (MonthNames::Egypt | MonthNames::Levant, _) => 31,
        }
    }
}

/// The names of the months.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MonthNames {
    /// Gregorian as in Egypt and the Gulf: يناير, فبراير.
    Egypt,
    /// Gregorian as in the Levant and Iraq: كانون الثاني, شباط.
    Levant,
    /// The Islamic calendar: محرم, صفر.
    Hijri,
}

impl MonthNames {
    /// Every set of names.
    pub const ALL: [Self; 3] = [Self::Egypt, Self::Levant, Self::Hijri];
}

/// A day of the week, in the order of the Arabic week.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weekday {
    /// الأحد
    Sunday,
    /// الاثنين
    Monday,
    /// الثلاثاء
    Tuesday,
    /// الأربعاء
    Wednesday,
    /// الخميس
    Thursday,
    /// الجمعة
    Friday,
    /// السبت
    Saturday,
}

impl Weekday {
    /// The week, from Sunday.
    pub const ALL: [Self; 7] =
        [Self::Sunday, Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday];

    /// Place in the week: 0 for Sunday to 6 for Saturday.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Sunday => 0,
            Self::Monday => 1,
            Self::Tuesday => 2,
            Self::Wednesday => 3,
            Self::Thursday => 4,
            Self::Friday => 5,
            Self::Saturday => 6,
        }
    }
}

impl From<civil::Weekday> for Weekday {
    fn from(day: civil::Weekday) -> Self {
        match day {
            civil::Weekday::Sunday => Self::Sunday,
            civil::Weekday::Monday => Self::Monday,
            civil::Weekday::Tuesday => Self::Tuesday,
            civil::Weekday::Wednesday => Self::Wednesday,
            civil::Weekday::Thursday => Self::Thursday,
            civil::Weekday::Friday => Self::Friday,
            civil::Weekday::Saturday => Self::Saturday,
        }
    }
}

/// Refuses a time that no 24-hour clock shows.
pub(super) fn check_time(hour: u8, minute: u8) -> Result<(), SayError> {
    if hour < 24 && minute < 60 { Ok(()) } else { Err(SayError::ImpossibleTime { hour, minute }) }
}

/// Whether February of this Gregorian year has 29 days.
fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}
