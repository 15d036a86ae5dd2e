//! When a calendar is open.

use std::collections::BTreeMap;

use jiff::civil::date;
use jiff::tz::TimeZone;

use crate::acd::calendar::{Calendar, Day, Holiday, Override, Span, at, state};
use crate::clock::Wall;
use crate::journal::Hours;

fn wall(text: &str) -> Wall {
    text.parse().unwrap()
}

fn span(from: u16, until: u16) -> Span {
    Span { from: from * 60, until: until * 60 }
}

/// Monday to Friday 9 to 17, in this zone.
fn weekdays(zone: &str) -> Calendar {
    let week = std::array::from_fn(|day| if day < 5 { vec![span(9, 17)] } else { Vec::new() });
    Calendar { zone: TimeZone::get(zone).unwrap(), week, holidays: Vec::new() }
}

/// F20: the week is that of the zone, whatever UTC says, also on days when its clock is changed.
#[test]
fn f20_hours_are_local_also_when_clocks_change() {
    // (zone, moment, open, next change): Berlin left summer time on 25 October 2026 and enters it on 28 March 2027;
    // Cairo left it on 30 October 2026 (midnight comes twice); Riyadh has none.
    let table = [
        ("Europe/Berlin", "2026-10-23T07:00:00Z", true, "2026-10-23T15:00:00Z"),
        ("Europe/Berlin", "2026-10-23T15:00:00Z", false, "2026-10-26T08:00:00Z"),
        ("Europe/Berlin", "2026-10-26T07:30:00Z", false, "2026-10-26T08:00:00Z"),
        ("Europe/Berlin", "2026-10-26T08:00:00Z", true, "2026-10-26T16:00:00Z"),
        ("Europe/Berlin", "2027-03-29T07:00:00Z", true, "2027-03-29T15:00:00Z"),
        ("Africa/Cairo", "2026-10-29T06:00:00Z", true, "2026-10-29T14:00:00Z"),
        ("Africa/Cairo", "2026-10-30T07:00:00Z", true, "2026-10-30T15:00:00Z"),
        ("Asia/Riyadh", "2026-11-30T05:59:59Z", false, "2026-11-30T06:00:00Z"),
        ("Asia/Riyadh", "2026-11-30T06:00:00Z", true, "2026-11-30T14:00:00Z"),
        ("America/New_York", "2026-11-02T14:00:00Z", true, "2026-11-02T22:00:00Z"),
    ];
    for (zone, moment, open, change) in table {
        let calendar = weekdays(zone);
        let state = if open { Hours::Open } else { Hours::Closed };
        assert_eq!(calendar.at(wall(moment)), (state, None), "{zone} {moment}");
        assert_eq!(calendar.next_change(wall(moment)), Some(wall(change)), "{zone} {moment}");
    }
}

/// F20: an hour that comes twice is open twice; one that is skipped is never there.
#[test]
fn f20_a_repeated_hour_is_open_twice_and_a_skipped_one_never() {
    let mut calendar = weekdays("Europe/Berlin");
    calendar.week = std::array::from_fn(|_| vec![span(2, 3)]);
    let open_minutes = |day: &str| {
        let begin = wall(&format!("{day}T00:00:00Z")).0 - 3 * 3_600_000_000;
        (0..24 * 60).filter(|minute| calendar.at(Wall(begin + minute * 60_000_000)).0 == Hours::Open).count()
    };
    assert_eq!([open_minutes("2026-10-24"), open_minutes("2026-10-25"), open_minutes("2027-03-28")], [60, 120, 0]);
    // Before the gap: the next opening is the day after.
    let before = wall("2027-03-28T00:30:00Z");
    assert_eq!(calendar.next_change(before), Some(wall("2027-03-29T00:00:00Z")));
}

/// F20: holidays, once, every year and by the Umm al-Qura calendar; several days, and with hours of their own.
#[test]
fn f20_holidays_go_before_the_week() {
    let holiday = |day, days, name: &str, open| Holiday { day, days, name: name.to_owned(), open };
    let mut calendar = weekdays("Asia/Riyadh");
    calendar.holidays = vec![
        holiday(Day::Date(date(2026, 11, 30)), 1, "stocktaking", vec![span(9, 12)]),
        holiday(Day::Yearly(9, 23), 1, "National Day", Vec::new()),
        // 1 Shawwal 1448 is 9 March 2027, 1 Shawwal 1449 is 26 February 2028.
        holiday(Day::Hijri(10, 1), 4, "Eid al-Fitr", Vec::new()),
    ];
    let at = |text: &str| calendar.at(wall(text));
    let named = |state, name: &str| (state, Some(name.to_owned()));
    assert_eq!(at("2026-11-30T06:30:00Z"), named(Hours::Open, "stocktaking"));
    assert_eq!(at("2026-11-30T09:30:00Z"), named(Hours::Holiday, "stocktaking"));
    assert_eq!(at("2027-09-23T07:00:00Z"), named(Hours::Holiday, "National Day"));
    assert_eq!(at("2027-09-22T07:00:00Z"), (Hours::Open, None));
    for day in ["2027-03-09", "2027-03-10", "2027-03-12", "2028-02-28"] {
        assert_eq!(at(&format!("{day}T07:00:00Z")), named(Hours::Holiday, "Eid al-Fitr"), "{day}");
    }
    for day in ["2027-03-08", "2027-03-15", "2028-02-25"] {
        assert_eq!(at(&format!("{day}T07:00:00Z")), (Hours::Open, None), "{day}");
    }
    // A holiday that began in the old year.
    calendar.holidays = vec![holiday(Day::Yearly(12, 31), 2, "turn of the year", Vec::new())];
    assert_eq!(calendar.at(wall("2027-01-01T07:00:00Z")), named(Hours::Holiday, "turn of the year"));
}

/// F20: what a person sets by hand goes before everything, says who it was, and ends when he said.
#[test]
fn f20_a_person_goes_before_the_calendar() {
    let all = BTreeMap::from([("main".to_owned(), weekdays("Asia/Riyadh"))]);
    let mut by_hand = BTreeMap::new();
    let (monday, later) = (wall("2026-11-30T07:00:00Z"), wall("2026-11-30T09:00:00Z"));
    let mut set = Override { state: Hours::Emergency, by: "sara".to_owned(), since: monday, until: Some(later) };
    by_hand.insert("main".to_owned(), set.clone());
    let now = at(&all, &by_hand, "main", monday).unwrap();
    assert_eq!((now.state, now.because.as_deref(), now.until), (Hours::Emergency, Some("sara"), Some(later)));
    let now = at(&all, &by_hand, "main", later).unwrap();
    assert_eq!((now.state, now.because), (Hours::Open, None));
    (set.state, set.until) = (Hours::Open, None);
    by_hand.insert("main".to_owned(), set);
    assert_eq!(at(&all, &by_hand, "main", wall("2026-12-05T20:00:00Z")).unwrap().state, Hours::Open);
    for moment in [monday, later, wall("2026-12-05T20:00:00Z")] {
        let said = at(&all, &by_hand, "main", moment).unwrap().state;
        assert_eq!(state(&all, &by_hand, "main", moment), Some(said));
    }
    assert_eq!(at(&all, &by_hand, "other", monday), None);
}
