//! When a centre is open: hours of the week in a time zone, holidays, and what somebody set by hand.
//!
//! What is set by hand goes before a holiday, and a holiday before the week. Local time is the zone's: an hour that a
//! clock change repeats is open or closed both times, one that it skips is never there.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::clock::{Wall, umm_al_qura};
use crate::journal::Hours;

/// Minutes of a day.
pub const DAY_MINUTES: u16 = 1_440;
/// How far ahead the next change is looked for, in days.
const AHEAD_DAYS: i64 = 40;

/// Open from one minute of the local day to another, the second not included; the last is 1,440.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// First minute.
    pub from: u16,
    /// One past the last minute.
    pub until: u16,
}

/// A day that comes once or every year.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Day {
    /// Once.
    Date(Date),
    /// Every year, by month and day of the Gregorian calendar.
    Yearly(i8, i8),
    /// Every year, by month and day of the Umm al-Qura calendar.
    Hijri(u8, u8),
}

/// A holiday.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holiday {
    /// Its first day.
    pub day: Day,
    /// How many days it lasts, 1 to 60.
    pub days: u16,
    /// What people call it.
    pub name: String,
    /// When the centre is open all the same; mostly never.
    pub open: Vec<Span>,
}

/// One `[[calendar]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// Local time is its.
    pub zone: TimeZone,
    /// Open hours of each day, Monday first.
    pub week: [Vec<Span>; 7],
    /// Days that differ; of two on one day the first holds.
    pub holidays: Vec<Holiday>,
}

/// What somebody set by hand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Override {
    /// What holds.
    pub state: Hours,
    /// Who said so.
    pub by: String,
    /// Since when.
    pub since: Wall,
    /// Until when; `None` = until somebody says otherwise.
    pub until: Option<Wall>,
}

/// What a calendar says of one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Now {
    /// Open, or why not.
    pub state: Hours,
    /// The holiday's name, or who set it by hand.
    pub because: Option<String>,
    /// When it says something else; `None` when not within 40 days.
    pub until: Option<Wall>,
}

/// What the calendar of this name says at `wall`, of `all` there are and what is `set` by hand, with why and until when;
/// `None` when there is none.
pub fn at(all: &BTreeMap<String, Calendar>, set: &BTreeMap<String, Override>, name: &str, wall: Wall) -> Option<Now> {
    let calendar = all.get(name)?;
    Some(match by_hand(set, name, wall) {
        Some(set) => Now { state: set.state, because: Some(set.by.clone()), until: set.until },
        None => {
            let (state, because) = calendar.at(wall);
            Now { state, because, until: calendar.next_change(wall) }
        }
    })
}

/// As [`at`], open or not alone: what every call to a queue asks.
pub fn state(
    all: &BTreeMap<String, Calendar>,
    set: &BTreeMap<String, Override>,
    name: &str,
    wall: Wall,
) -> Option<Hours> {
    let calendar = all.get(name)?;
    Some(by_hand(set, name, wall).map_or_else(|| calendar.at(wall).0, |set| set.state))
}

/// The first moment of a date as `2026-12-01` in a time zone of this name; `None` when there is no such date or zone.
pub fn midnight(date: &str, zone: &str) -> Option<Wall> {
    let (date, zone) = (date.parse::<Date>().ok()?, TimeZone::get(zone).ok()?);
    Some(Wall(zone.to_timestamp(date.at(0, 0, 0, 0)).ok()?.as_microsecond()))
}

fn by_hand<'a>(set: &'a BTreeMap<String, Override>, name: &str, wall: Wall) -> Option<&'a Override> {
    set.get(name).filter(|set| set.until.is_none_or(|until| until > wall))
}

impl Calendar {
    /// Open or not at `wall` by week and holidays, with the holiday's name.
    pub fn at(&self, wall: Wall) -> (Hours, Option<String>) {
        let Some(local) = self.local(wall) else { return (Hours::Closed, None) };
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(0);
        let (open, holiday) = self.hours_of(local.date());
        if open.iter().any(|span| (span.from..span.until).contains(&minute)) {
            return (Hours::Open, holiday.map(|holiday| holiday.name.clone()));
        }
        match holiday {
            Some(holiday) => (Hours::Holiday, Some(holiday.name.clone())),
            None => (Hours::Closed, None),
        }
    }

    /// When week or holidays say something else than at `wall`.
    pub fn next_change(&self, wall: Wall) -> Option<Wall> {
        let state = self.at(wall).0;
        let today = self.local(wall)?.date();
        for day in 0..=AHEAD_DAYS {
            let date = today.checked_add(day.days()).ok()?;
            let edges = self.hours_of(date).0.iter().flat_map(|span| [span.from, span.until]);
            let mut moments: Vec<Wall> =
                [0].into_iter().chain(edges).filter_map(|minute| self.wall(date, minute)).collect();
            moments.sort_unstable();
            if let Some(found) = moments.into_iter().find(|moment| *moment > wall && self.at(*moment).0 != state) {
                return Some(found);
            }
        }
        None
    }

    /// The open hours of a date, and its holiday.
    fn hours_of(&self, date: Date) -> (&[Span], Option<&Holiday>) {
        if let Some(holiday) = self.holidays.iter().find(|holiday| holiday.is_on(date)) {
            return (&holiday.open, Some(holiday));
        }
        let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
        (self.week.get(weekday).map_or(&[], Vec::as_slice), None)
    }

    fn local(&self, wall: Wall) -> Option<DateTime> {
        Some(self.zone.to_datetime(Timestamp::from_microsecond(wall.0).ok()?))
    }

    /// The moment of a local minute; of one that a clock change skips the moment after the change.
    fn wall(&self, date: Date, minute: u16) -> Option<Wall> {
        let (date, minute) = if minute >= DAY_MINUTES { (date.tomorrow().ok()?, 0) } else { (date, minute) };
        let local = date.at(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0);
        Some(Wall(self.zone.to_timestamp(local).ok()?.as_microsecond()))
    }
}

impl Holiday {
    fn is_on(&self, date: Date) -> bool {
        match self.day {
            Day::Date(first) => (0..i32::from(self.days)).contains(&days_between(first, date)),
            Day::Yearly(..) | Day::Hijri(..) => (0..i64::from(self.days)).any(|back| {
                let begins = date.checked_sub(back.days());
                begins.is_ok_and(|begins| self.day.falls_on(begins))
            }),
        }
    }
}

fn days_between(first: Date, date: Date) -> i32 {
    first.until(date).map_or(i32::MAX, |span| span.get_days())
}

impl Day {
    fn falls_on(self, date: Date) -> bool {
        match self {
            Self::Date(day) => day == date,
            Self::Yearly(month, day) => (date.month(), date.day()) == (month, day),
            Self::Hijri(month, day) => umm_al_qura(date).is_some_and(|(_, m, d)| (m, d) == (month, day)),
        }
    }
}
