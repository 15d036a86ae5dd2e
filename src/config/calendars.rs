//! `[[calendar]]` and `[[holiday]]`: when the centre is open.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::acd::calendar::{Calendar, DAY_MINUTES, Day, Holiday, Span};

use super::ics;
use super::people::Seen;
use super::reader::{Reader, Text};
use super::source::{Node, Value};

/// Days of the week as written, Monday first.
const WEEK: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Largest file of holidays, in bytes.
const ICS_BYTES: u64 = 1 << 20;

/// All calendars with their holidays; `zone` is the centre's.
pub fn read(calendars: &[Reader], holidays: &[Reader], zone: &str, seen: &mut Seen) -> BTreeMap<String, Calendar> {
    let mut all = BTreeMap::new();
    for reader in calendars {
        let name = seen.name(reader, "name", "calendar").text;
        all.insert(name, calendar(reader, zone));
    }
    for reader in holidays {
        let (holiday, of) = (holiday(reader), of_calendars(reader, &all));
        let Some(holiday) = holiday else { continue };
        for calendar in all.iter_mut().filter(|(name, _)| of.contains(*name)).map(|(_, calendar)| calendar) {
            calendar.holidays.push(holiday.clone());
        }
    }
    // What is written by hand goes before what stands in files.
    for reader in calendars {
        let name = reader.text("name").map(|name| name.text).unwrap_or_default();
        let from_files = files(reader);
        all.entry(name).and_modify(|calendar| calendar.holidays.extend(from_files));
    }
    all.remove("");
    all
}

fn calendar(reader: &Reader, centre: &str) -> Calendar {
    let zone = match reader.text("timezone") {
        Some(text) => zone(&text.text).unwrap_or_else(|| {
            let help = "a name as \"Asia/Riyadh\" or \"UTC\"".to_owned();
            reader.bad(text.place, format!("\"{}\" is not a time zone", text.text), help);
            TimeZone::UTC
        }),
        None => zone(centre).unwrap_or(TimeZone::UTC),
    };
    Calendar { zone, week: week(reader), holidays: Vec::new() }
}

/// The time zone of this name, by the database that is built in; `None` when there is none.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

fn week(reader: &Reader) -> [Vec<Span>; 7] {
    let mut week: [Vec<Span>; 7] = Default::default();
    let Some(node) = reader.node("open") else {
        reader.missing("\"open\"");
        return week;
    };
    let Value::Table(entries) = &node.value else {
        reader.wrong_type("open", node.place, "a table as { \"sun-thu\" = \"09:00-17:00\" }", &node.value);
        return week;
    };
    for entry in entries {
        let Some(days) = days(&entry.name) else {
            let help = format!("days are {}, or a range as \"sun-thu\"", WEEK.join(", "));
            reader.bad(entry.place, format!("\"{}\" is not a day of the week", entry.name), help);
            continue;
        };
        for (from, until) in spans(reader, &entry.node) {
            for day in days.iter().copied() {
                // What goes past midnight goes on the day after.
                let pieces = match until > from {
                    true => vec![(day, from, until)],
                    false => vec![(day, from, DAY_MINUTES), ((day + 1) % 7, 0, until)],
                };
                for (day, from, until) in pieces {
                    if let Some(spans) = week.get_mut(day).filter(|_| until > from) {
                        spans.push(Span { from, until });
                    }
                }
            }
        }
    }
    if week.iter().all(Vec::is_empty) {
        reader.problems.warning(node.place, "config::never-open", "this calendar is never open", None);
    }
    week
}

/// `mon`, `sun-thu`, `fri-mon`: the days, Monday = 0.
fn days(text: &str) -> Option<Vec<usize>> {
    let day = |name: &str| WEEK.iter().position(|day| *day == name);
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(text)?, day(text)?),
    };
    Some((0..=(last + 7 - first) % 7).map(|n| (first + n) % 7).collect())
}

/// A span or a list of spans, in minutes; the second is not after the first where it goes past midnight.
fn spans(reader: &Reader, node: &Node) -> Vec<(u16, u16)> {
    let nodes = match &node.value {
        Value::List(list) => list.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut spans = Vec::new();
    for node in nodes {
        let Value::Text(text) = &node.value else {
            reader.wrong_type("open", node.place, "a span as \"09:00-17:00\" or a list of them", &node.value);
            continue;
        };
        let read = text.split_once('-').and_then(|(from, until)| Some((minutes(from)?, minutes(until)?)));
        match read {
            Some((from, until)) if from != until && from < DAY_MINUTES => spans.push((from, until)),
            Some(_) | None => {
                let help =
                    "write \"09:00-17:00\"; \"22:00-02:00\" goes past midnight, \"00:00-24:00\" is the whole day";
                reader.bad(node.place, format!("\"{text}\" is not a span of time"), help.to_owned());
            }
        }
    }
    spans
}

/// `09:30` in minutes; 24:00 is the end of the day.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60 && hour * 60 + minute <= DAY_MINUTES).then_some(hour * 60 + minute)
}

fn holiday(reader: &Reader) -> Option<Holiday> {
    let name = reader.required_text("name");
    let days = reader.number("days", 1..=60).unwrap_or(1);
    let mut open = Vec::new();
    if let Some(node) = reader.node("open") {
        for (from, until) in spans(reader, node) {
            if until <= from {
                reader.bad(node.place, "the hours of a holiday end on the same day", None);
                continue;
            }
            open.push(Span { from, until });
        }
    }
    let day = match (reader.text("date"), reader.text("hijri")) {
        (Some(text), None) => date(reader, &text),
        (None, Some(text)) => match month_day(&text.text, 30) {
            Some((month, day)) => Some(Day::Hijri(month, day)),
            None => {
                let help = "month and day of the Umm al-Qura calendar, as \"10-01\"".to_owned();
                reader.bad(text.place, format!("\"{}\" is not a Hijri day", text.text), help);
                None
            }
        },
        (Some(_), Some(text)) => {
            reader.bad(text.place, "a holiday has a \"date\" or a \"hijri\" day, not both", None);
            None
        }
        (None, None) => {
            if reader.node("date").is_none() && reader.node("hijri").is_none() {
                reader.missing("\"date\" or \"hijri\"");
            }
            None
        }
    };
    Some(Holiday { day: day?, days, name: name?.text, open })
}

fn date(reader: &Reader, text: &Text) -> Option<Day> {
    let once = text.text.parse::<Date>().ok().filter(|_| text.text.len() == 10).map(Day::Date);
    let yearly = month_day(&text.text, 31).and_then(|(month, day)| {
        let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        // 2028 has a 29 February.
        Date::new(2028, month, day).ok().map(|_| Day::Yearly(month, day))
    });
    let day = once.or(yearly);
    if day.is_none() {
        let help = "write \"2026-09-23\", or \"09-23\" for every year".to_owned();
        reader.bad(text.place, format!("\"{}\" is not a date", text.text), help);
    }
    day
}

fn month_day(text: &str, longest: u8) -> Option<(u8, u8)> {
    let (month, day) = text.split_once('-')?;
    if month.len() != 2 || day.len() != 2 {
        return None;
    }
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    ((1..=12).contains(&month) && (1..=longest).contains(&day)).then_some((month, day))
}

/// Whose holiday it is: all calendars where nothing is said.
fn of_calendars(reader: &Reader, all: &BTreeMap<String, Calendar>) -> BTreeSet<String> {
    let Some(names) = reader.texts("calendars") else { return all.keys().cloned().collect() };
    let known = |name: &Text| exists(reader, all, name);
    names.into_iter().filter(known).map(|name| name.text).collect()
}

/// True when there is a calendar of this name; notes it otherwise.
pub fn exists(reader: &Reader, all: &BTreeMap<String, Calendar>, name: &Text) -> bool {
    let exists = all.contains_key(&name.text);
    if !exists {
        let message = format!("there is no calendar \"{}\"", name.text);
        let names = all.keys().map(String::as_str);
        reader.problems.unknown(name.place, "config::unknown-calendar", message, &name.text, names);
    }
    exists
}

/// Holidays of the calendar's files.
fn files(reader: &Reader) -> Vec<Holiday> {
    let mut holidays = Vec::new();
    for file in reader.texts("ics").unwrap_or_default() {
        let path = reader.problems.base(file.place).join(&file.text);
        let size = std::fs::metadata(&path).map(|about| about.len());
        let text = match size {
            Ok(bytes) if bytes > ICS_BYTES => {
                reader.bad(file.place, format!("{} is larger than 1 MiB", file.text), None);
                continue;
            }
            Ok(_) | Err(_) => std::fs::read_to_string(&path),
        };
        match text {
            Ok(text) => match ics::holidays(&text) {
                Ok(found) => holidays.extend(found),
                Err(fault) => reader.bad(file.place, format!("{}: {fault}", file.text), None),
            },
            Err(error) => reader.bad(file.place, format!("cannot read {}: {error}", file.text), None),
        }
    }
    holidays
}
