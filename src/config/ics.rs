//! Holidays from an iCalendar file (RFC 5545), as offices and calendar programs publish them.
//!
//! Read are events of whole days: `DTSTART;VALUE=DATE`, `DTEND` or `DURATION:PnD`, `SUMMARY`, and `RRULE:FREQ=YEARLY`
//! for days that come every year. Events with a time of day are no holidays and are passed over; a rule of another kind
//! is refused, as half of it would be wrong. No crate is used: those there are bring a second date library for these
//! four lines.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::acd::calendar::{Day, Holiday};

/// Most events of a file.
const EVENTS_MOST: usize = 2_000;
/// Longest holiday, in days.
const DAYS_MOST: i32 = 60;

/// Why a file is not taken, with its line.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct IcsError {
    /// Counted from 1; of a folded line the first.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

/// What one event says so far.
#[derive(Default)]
struct Event {
    line: usize,
    start: Option<Date>,
    end: Option<Date>,
    days: Option<i32>,
    name: String,
    yearly: bool,
    /// It has a time of day.
    timed: bool,
    cancelled: bool,
}

/// The holidays of a file, in its order.
///
/// # Errors
///
/// It is no iCalendar file, a date cannot be read, an event ends before it begins or lasts over 60 days, a repetition is
/// not the plain yearly one, there are over 2,000 events.
pub fn holidays(text: &str) -> Result<Vec<Holiday>, IcsError> {
    let lines = unfold(text);
    let is_calendar = lines.first().is_some_and(|(_, line)| line.eq_ignore_ascii_case("BEGIN:VCALENDAR"));
    if !is_calendar {
        return Err(IcsError { line: 1, what: "it does not begin with BEGIN:VCALENDAR".to_owned() });
    }
    let (mut holidays, mut event): (Vec<Holiday>, Option<Event>) = (Vec::new(), None);
    // Alarms and the like stand inside of events.
    let mut inner = 0_usize;
    for (line, text) in lines {
        let Some((head, value)) = text.split_once(':') else { continue };
        let mut parts = head.split(';');
        let name = parts.next().unwrap_or_default().to_ascii_uppercase();
        let is_date = parts.any(|part| part.eq_ignore_ascii_case("VALUE=DATE"));
        match (name.as_str(), event.as_mut()) {
            ("BEGIN", None) if value.eq_ignore_ascii_case("VEVENT") => {
                event = Some(Event { line, ..Event::default() });
            }
            ("BEGIN", Some(_)) => inner += 1,
            ("END", Some(_)) if inner > 0 => inner -= 1,
            ("END", Some(_)) => {
                holidays.extend(event.take().map(holiday).transpose()?.flatten());
                if holidays.len() > EVENTS_MOST {
                    return Err(IcsError { line, what: format!("over {EVENTS_MOST} events") });
                }
            }
            (_, Some(event)) if inner == 0 => read(event, line, &name, is_date, value)?,
            (_, Some(_) | None) => {}
        }
    }
    Ok(holidays)
}

fn read(event: &mut Event, line: usize, name: &str, is_date: bool, value: &str) -> Result<(), IcsError> {
    let fault = |what: String| IcsError { line, what };
    match name {
        "DTSTART" | "DTEND" => {
            // Eight digits alone are a date too: not all programs write VALUE=DATE.
            if !is_date && value.len() != 8 {
                event.timed = true;
                return Ok(());
            }
            let date = date(value).ok_or_else(|| fault(format!("\"{value}\" is not a date")))?;
            let place = if name == "DTSTART" { &mut event.start } else { &mut event.end };
            *place = Some(date);
        }
        "DURATION" => {
            let days = value.strip_prefix('P').and_then(|rest| match rest.strip_suffix('W') {
                Some(weeks) => weeks.parse::<i32>().ok().and_then(|weeks| weeks.checked_mul(7)),
                None => rest.strip_suffix('D')?.parse().ok(),
            });
            event.days = Some(days.ok_or_else(|| fault(format!("\"{value}\" is not a number of days")))?);
        }
        "SUMMARY" => event.name = unescape(value),
        "STATUS" => event.cancelled = value.eq_ignore_ascii_case("CANCELLED"),
        "RRULE" => {
            let plain = |part: &str| matches!(part.to_ascii_uppercase().as_str(), "FREQ=YEARLY" | "INTERVAL=1");
            if !value.split(';').all(plain) {
                return Err(fault(format!("\"{value}\": only FREQ=YEARLY is understood")));
            }
            event.yearly = true;
        }
        _ => {}
    }
    Ok(())
}

fn holiday(event: Event) -> Result<Option<Holiday>, IcsError> {
    let Some(start) = event.start.filter(|_| !event.timed && !event.cancelled) else { return Ok(None) };
    let until = event.end.and_then(|end| start.until(end).ok()).map(|span| span.get_days());
    let days = event.days.or(until).unwrap_or(1).max(i32::from(event.end == Some(start)));
    if !(1..=DAYS_MOST).contains(&days) || start.checked_add(days.days()).is_err() {
        let what = format!("an event of {days} days: a holiday has 1 to {DAYS_MOST}");
        return Err(IcsError { line: event.line, what });
    }
    let day = if event.yearly { Day::Yearly(start.month(), start.day()) } else { Day::Date(start) };
    Ok(Some(Holiday { day, days: u16::try_from(days).unwrap_or(1), name: event.name, open: Vec::new() }))
}

/// Whole lines with the number of their first (RFC 5545 §3.1: a line that begins with a blank goes on).
fn unfold(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim_end_matches('\r');
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some((_, last))) => last.push_str(rest),
            (Some(_), None) | (None, _) => lines.push((number + 1, line.to_owned())),
        }
    }
    lines
}

fn date(text: &str) -> Option<Date> {
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let year = text.get(..4)?.parse().ok()?;
    Date::new(year, text.get(4..6)?.parse().ok()?, text.get(6..)?.parse().ok()?).ok()
}

/// RFC 5545 §3.3.11.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n' | 'N') => plain.push(' '),
                Some(other) => plain.push(other),
                None => {}
            },
            letter if letter.is_control() => plain.push(' '),
            letter => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn file(events: &str) -> String {
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n")
    }

    #[test]
    fn f20_holidays_are_read_from_a_file() {
        let text = file(
            "BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20270309\r\nDTEND;VALUE=DATE:20270313\r\nSUMMARY:عيد \r\n الفطر\\, four d\r\n\tays\r\n\
             BEGIN:VALARM\r\nTRIGGER:-PT1H\r\nEND:VALARM\r\nEND:VEVENT\r\n\
             BEGIN:VEVENT\r\nDTSTART:20200923\r\nRRULE:FREQ=YEARLY\r\nSUMMARY:National Day\r\nEND:VEVENT\r\n\
             BEGIN:VEVENT\r\nDTSTART:20270101T090000Z\r\nDTEND:20270101T100000Z\r\nSUMMARY:a meeting\r\nEND:VEVENT\r\n\
             BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20270505\r\nSTATUS:CANCELLED\r\nEND:VEVENT\r\n\
             BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20270222\r\nDURATION:P1W\r\nSUMMARY:week\r\nEND:VEVENT\r\n",
        );
        let found: Vec<(Day, u16, String)> =
            holidays(&text).unwrap().into_iter().map(|h| (h.day, h.days, h.name)).collect();
        let expected = [
            (Day::Date(date(2027, 3, 9)), 4, "عيد الفطر, four days"),
            (Day::Yearly(9, 23), 1, "National Day"),
            (Day::Date(date(2027, 2, 22)), 7, "week"),
        ];
        assert_eq!(found, expected.map(|(day, days, name)| (day, days, name.to_owned())));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        let event = |lines: &str| file(&format!("BEGIN:VEVENT\r\n{lines}\r\nEND:VEVENT\r\n"));
        let cases = [
            ("holidays".to_owned(), 1),
            (event("DTSTART;VALUE=DATE:20271301"), 4),
            (event("DTSTART;VALUE=DATE:20270101\r\nRRULE:FREQ=MONTHLY"), 5),
            (event("DTSTART;VALUE=DATE:20270101\r\nRRULE:FREQ=YEARLY;BYDAY=1MO"), 5),
            (event("DTSTART;VALUE=DATE:20270101\r\nDTEND;VALUE=DATE:20261231"), 3),
            (event("DTSTART;VALUE=DATE:20270101\r\nDTEND;VALUE=DATE:20280101"), 3),
            (event("DTSTART;VALUE=DATE:20270101\r\nDURATION:PT1H"), 5),
        ];
        for (text, line) in cases {
            assert_eq!(holidays(&text).map_err(|fault| fault.line).err(), Some(line), "{text}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        proptest::proptest!(|(text in "(BEGIN:|END:|VEVENT|VCALENDAR|DTSTART|DTEND|;VALUE=DATE|:|[0-9]{1,8}|RRULE|\\\\|\r\n| |\\PC){0,60}")| {
            let _ = holidays(&text);
            let _ = holidays(&file(&text));
        });
    }
}
