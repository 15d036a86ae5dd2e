//! Two clocks kept apart: `Instant` decides, wall time is shown.
//!
//! Timers and durations use the monotonic clock, so a step of the wall clock drops no call. Both are paired
//! once at the start; the wall time of an entry is the pair plus the monotonic time since then.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use icu_calendar::cal::Hijri;
use jiff::civil;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment of wall time in microseconds since 1970-01-01T00:00:00Z; written as RFC 3339 with milliseconds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Wall(pub i64);

/// A text that is not an RFC 3339 moment in UTC.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a UTC time as 2026-11-22T10:00:00.000Z")]
pub struct WallError;

impl Wall {
    /// Milliseconds since 1970; zero for moments before.
    pub fn ms(self) -> u64 {
        u64::try_from(self.0 / 1_000).unwrap_or(0)
    }

    /// Time from `earlier` to this moment; zero when `earlier` is later.
    pub fn since(self, earlier: Wall) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Year, month and day of a Gregorian day by the Umm al-Qura calendar, which Saudi Arabia keeps.
///
/// Its months are a table from 1300 to 1600 AH (November 1882 to November 2174); outside they are reckoned.
pub fn umm_al_qura(day: civil::Date) -> Option<(i32, u8, u8)> {
    let (month, day_of_month) = (u8::try_from(day.month()).ok()?, u8::try_from(day.day()).ok()?);
    let iso = icu_calendar::Date::try_new_iso(i32::from(day.year()), month, day_of_month).ok()?;
    let hijri = iso.to_calendar(Hijri::new_umm_al_qura());
    Some((hijri.year().extended_year(), hijri.month().number(), hijri.day_of_month().0))
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.div_euclid(1_000);
        let (days, in_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
        // Civil date from a day count: years run March to February, so the leap day comes last.
        let z = days + 719_468;
        let (era, day_of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let m = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * m + 2) / 5 + 1;
        let month = if m < 10 { m + 3 } else { m - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (h, min, s, milli) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1_000 % 60, in_day % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{h:02}:{min:02}:{s:02}.{milli:03}Z")
    }
}

impl FromStr for Wall {
    type Err = WallError;

    /// Reads `2026-11-22T10:00:00Z`, with or without a fraction of up to six digits.
    fn from_str(text: &str) -> Result<Self, WallError> {
        let number = |from: usize, to: usize| -> Result<i64, WallError> {
            let digits = text.get(from..to).ok_or(WallError)?;
            if !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(WallError);
            }
            digits.parse().map_err(|_| WallError)
        };
        let byte = |at: usize| text.as_bytes().get(at).copied();
        let punctuation = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if punctuation.iter().any(|(at, c)| byte(*at) != Some(*c)) {
            return Err(WallError);
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (h, min, s) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || h > 23 || min > 59 || s > 60 {
            return Err(WallError);
        }
        let rest = text.get(19..).ok_or(WallError)?.strip_suffix('Z').ok_or(WallError)?;
        let micros = match rest.strip_prefix('.') {
            None if rest.is_empty() => 0,
            Some(f) if (1..=6).contains(&f.len()) && f.bytes().all(|b| b.is_ascii_digit()) => {
                format!("{f:0<6}").parse::<i64>().map_err(|_| WallError)?
            }
            _ => return Err(WallError),
        };
        let y = if month <= 2 { year - 1 } else { year };
        let (era, year_of_era) = (y.div_euclid(400), y.rem_euclid(400));
        let m = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * m + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        Ok(Wall((((days * 24 + h) * 60 + min) * 60 + s) * 1_000_000 + micros))
    }
}

impl Serialize for Wall {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Wall {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// Turns monotonic moments into wall time by one pair taken at the start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    wall: Wall,
}

impl Clock {
    /// Pairs the monotonic moment `origin` with the wall time `wall` read at it.
    pub fn new(origin: Instant, wall: Wall) -> Self {
        Self { origin, wall }
    }

    /// The wall time at `now`, in whole milliseconds: what is written reads back as the same moment.
    pub fn wall(&self, now: Instant) -> Wall {
        let after = i64::try_from(now.saturating_duration_since(self.origin).as_micros()).unwrap_or(i64::MAX);
        let moment = self.wall.0.saturating_add(after);
        Wall(moment - moment.rem_euclid(1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_is_written_and_read_as_rfc_3339() {
        for text in [
            "1970-01-01T00:00:00.000Z",
            "2024-02-29T23:59:59.999Z",
            "2026-11-22T10:00:00.123Z",
            "2000-12-31T00:00:00.000Z",
        ] {
            assert_eq!(text.parse::<Wall>().map(|w| w.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("2026-11-22T10:00:00Z".parse(), Ok(Wall(1_795_341_600_000_000)));
        assert_eq!("2026-13-22T10:00:00Z".parse::<Wall>(), Err(WallError));
    }
}
