//! The twin against formulas, and against itself.

// The origin of the virtual time.
#![allow(clippy::disallowed_methods)]

use super::day::{Day, Row, read_shifts};
use super::figures::{Estimate, Line, NAMES, differences, from_interval, lines};
use super::*;
use crate::acd::config::QueueConfig;
use crate::report::erlang::Load;

const SUPPORT: &str = "support";
const MINUTES_15: Duration = Duration::from_secs(900);

/// So many agents of `support`, where nobody is sent away and no work follows a talk.
fn centre(agents: u32) -> FloorConfig {
    let mut floor = FloorConfig::default();
    let hours = Duration::from_secs(10 * 3_600);
    let queue = QueueConfig {
        wrap_up: Duration::ZERO,
        max_wait: hours,
        max_waiting: 100_000,
        ..QueueConfig::new(SUPPORT.into())
    };
    floor.queues.insert(SUPPORT.into(), queue);
    for n in 0..agents {
        let id = AgentId::from(format!("{}", 100 + n));
        let mut agent = AgentConfig::new(id.clone());
        agent.queues.insert(SUPPORT.into());
        floor.agents.insert(id, agent);
    }
    floor
}

/// The same load in every interval of a day.
fn steady(calls: f64, talk_s: f64, patience_s: Option<f64>) -> Day {
    let row = |interval| Row {
        interval,
        queue: SUPPORT.into(),
        calls,
        talk_s,
        patience_s,
        wrap_up_s: None,
        talk_spread: None,
        missed: None,
        rejected: None,
        skills: Vec::new(),
        priority: 0,
        segment: None,
    };
    Day { interval: MINUTES_15, rows: (0..96).map(row).collect() }
}

fn plan(floor: FloorConfig, day: Day, runs: u32) -> Plan {
    let (talk, pick_up) = (Shape::Exponential, Duration::ZERO);
    let habits = Habits::default();
    Plan { floor, day, midnight: None, shifts: None, talk, patience: None, pick_up, habits, seed: 1, runs }
}

fn figure(line: &Line, name: &str) -> Estimate {
    line.figures[NAMES.iter().position(|known| *known == name).unwrap()].unwrap()
}

/// The formula's figure lies within the twin's band, and the band is narrow enough to say something.
#[track_caller]
fn agrees(line: &Line, name: &str, formula: f64, width: f64) {
    let found = figure(line, name);
    let half = found.half.unwrap();
    let text = format!("{name}: formula {formula:.4}, twin {:.4} ± {half:.4}", found.mean);
    println!("{text}");
    assert!((found.mean - formula).abs() <= half && half <= width, "{text}");
}

/// One queue, one skill: what the floor does is what Erlang C and Erlang A say, after the first two hours of the day.
#[test]
fn single_skill_twin_agrees_with_erlang() {
    let (per, handle, within) = (MINUTES_15, Duration::from_secs(240), Duration::from_secs(20));
    for (agents, calls, patience) in [(16, 50.0, None), (14, 50.0, Some(90)), (6, 20.0, Some(180))] {
        let patience = patience.map(Duration::from_secs);
        let load = Load::new(calls, per, handle, patience).unwrap();
        let formula = load.figures(agents, within, Duration::ZERO).unwrap();
        let day = steady(calls, handle.as_secs_f64(), patience.map(|p| p.as_secs_f64()));
        let runs = run(Instant::now(), &plan(centre(agents), day, 16));
        let line = from_interval(&SUPPORT.into(), 8, &runs);
        agrees(&line, "service_level", formula.answered_within, 0.05);
        agrees(&line, "occupancy", formula.occupancy, 0.02);
        agrees(&line, "asa_seconds", formula.asa_seconds, 0.35 * formula.asa_seconds);
        let came = figure(&line, "offered").mean;
        let gone = figure(&line, "abandoned");
        let share = Estimate { mean: gone.mean / came, half: gone.half.map(|half| half / came) };
        let far = (share.mean - (1.0 - formula.answered)).abs();
        println!("abandoned: formula {:.4}, twin {share:?}", 1.0 - formula.answered);
        assert!(far <= share.half.unwrap(), "{share:?} {formula:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_day_and_another_one_another() {
    let plan = plan(centre(5), steady(15.0, 240.0, Some(120.0)), 2);
    let (first, second) = (run(Instant::now(), &plan), run(Instant::now(), &plan));
    assert_eq!(first, second);
    assert_ne!(first[0], first[1]);
}

/// One agent more helps, with less doubt than two separate estimates would leave: the same callers come.
#[test]
fn a_change_is_seen_clearly_as_the_same_callers_come() {
    let mut before = plan(centre(6), steady(20.0, 240.0, Some(180.0)), 8);
    before.floor.queues.get_mut(SUPPORT).unwrap().skills = vec!["ar?".to_owned()];
    let changes = before.changes();
    let skill = Change::Skill { queue: SUPPORT.into(), agent: "100".into(), skill: "ar".to_owned() };
    assert_eq!(changes, [Change::Agent(SUPPORT.into()), skill]);
    let with_one_more = before.with(&changes[0]);
    assert_eq!(with_one_more.floor.agents.len(), 7);
    let (old, new) = (run(Instant::now(), &before), run(Instant::now(), &with_one_more));
    let gain = figure(&differences(&before.day, &old, &new)[0], "service_level");
    let alone = figure(&from_interval(&SUPPORT.into(), 0, &old), "service_level");
    assert!(gain.mean > 0.05 && gain.half < alone.half, "{gain:?} {alone:?}");
    // A preference that one agent meets makes nobody wait less.
    let learned = run(Instant::now(), &before.with(&changes[1]));
    let nothing = figure(&differences(&before.day, &old, &learned)[0], "service_level");
    assert!(nothing.mean.abs() < 0.02, "{nothing:?}");
}

/// Who is not on shift takes no call; who is in a talk when it ends finishes it.
#[test]
fn agents_come_and_go_by_their_shifts() {
    let floor = centre(2);
    let table = "agent,from,to\n100,08:00,10:00\n101,09:00,10:00\n";
    let shifts = read_shifts("shifts.csv", table, &floor).unwrap();
    let mut plan = plan(floor, steady(3.0, 60.0, Some(30.0)), 6);
    plan.shifts = Some(shifts);
    let found = lines(&plan.day, &run(Instant::now(), &plan));
    for line in &found {
        let Some(interval) = line.interval else { continue };
        let (answered, is_open) = (figure(line, "answered").mean, (32..40).contains(&interval));
        let at_edge = interval == 31 || interval == 40;
        assert!(at_edge || (answered > 0.0) == is_open, "{}: {answered}", plan.day.label(interval));
    }
    let busy = |interval| figure(found.iter().find(|l| l.interval == Some(interval)).unwrap(), "occupancy").mean;
    assert!(busy(34) > busy(38), "two share what one did: {} {}", busy(34), busy(38));
}

/// The forecast's wrap-up takes the place of the queue's.
#[test]
fn wrap_up_by_the_forecast_keeps_agents_busy() {
    let mut plan = plan(centre(4), steady(10.0, 120.0, None), 4);
    let short = run(Instant::now(), &plan);
    for row in &mut plan.day.rows {
        row.wrap_up_s = Some(120.0);
    }
    let long = run(Instant::now(), &plan);
    let busy = |runs: &[Run]| figure(&from_interval(&SUPPORT.into(), 0, runs), "occupancy").mean;
    let (without, with) = (busy(&short), busy(&long));
    assert!((without - 1.0 / 3.0).abs() < 0.03 && (with - 2.0 / 3.0).abs() < 0.05, "{without} {with}");
}

#[test]
fn tables_are_refused_where_they_are_wrong() {
    let floor = centre(1);
    let header = "interval,queue,calls,talk_s";
    let read = |text: &str| Day::read("day.csv", text, MINUTES_15, &floor);
    for (text, told) in [
        (String::new(), "day.csv:1: the file is empty"),
        (header.to_owned(), "day.csv:1: no calls are forecast"),
        ("interval,queue,calls\n".to_owned(), "day.csv:1: the header lacks talk_s"),
        (format!("{header},color\n"), "day.csv:1: column `color` is not known"),
        (format!("{header}\n\n08:00,support,10\n"), "day.csv:3: 3 cells under 4 columns"),
        (format!("{header}\n08:07,support,10,60\n"), "day.csv:2: 08:07 begins no interval of 15 min"),
        (format!("{header}\n8 am,support,10,60\n"), "day.csv:2: interval is `8 am`"),
        (format!("{header}\n08:00,sport,10,60\n"), "day.csv:2: there is no queue sport"),
        (format!("{header}\n08:00,support,-1,60\n"), "day.csv:2: calls is `-1`"),
        (format!("{header}\n08:00,support,,60\n"), "day.csv:2: calls is empty"),
        (format!("{header},skills\n08:00,support,1,60,a=b\n"), "day.csv:2: `a=b` is not a skill"),
    ] {
        let error = read(&text).unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}\nfor {text}");
    }
    let day =
        read(&format!("\u{feff}{header},patience_s,skills\r\n# a day\r\n23:45,support,1.5,60,,ar vip?\r\n")).unwrap();
    assert_eq!((day.rows[0].interval, day.label(95)), (95, "23:45".to_owned()));
    assert_eq!((day.rows[0].patience_s, day.rows[0].skills.len()), (None, 2));
    let error = read_shifts("s.csv", "agent,from,to\n999,08:00,16:00\n", &floor).unwrap_err();
    assert!(error.to_string().starts_with("s.csv:2: there is no agent 999"), "{error}");
    let night = read_shifts("s.csv", "agent,from,to\n100,22:00,06:00\n", &floor).unwrap();
    assert_eq!(night[0].to, Duration::from_secs(30 * 3_600));
}

#[test]
fn the_chart_has_a_panel_for_each_queue() {
    let plan = plan(centre(4), steady(10.0, 120.0, None), 3);
    let found = lines(&plan.day, &run(Instant::now(), &plan));
    let svg = chart::svg(&plan.day, &found);
    assert_eq!((svg.matches("<polyline").count(), svg.matches("<polygon").count()), (2, 2));
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{svg}");
}

/// On a working day callers come to an open queue from eight to twelve; on a holiday nobody is let in. Without a date the
/// calendar is not asked.
#[test]
fn calendars_are_kept_on_the_date_of_the_day() {
    use crate::acd::calendar::{Calendar, Day as Feast, Holiday, Span, midnight};
    let mut floor = centre(20);
    let week = std::array::from_fn(|_| vec![Span { from: 8 * 60, until: 12 * 60 }]);
    let day = Feast::Yearly(12, 2);
    let holidays = vec![Holiday { day, days: 1, name: "National Day".to_owned(), open: Vec::new() }];
    let zone = jiff::tz::TimeZone::get("Asia/Riyadh").unwrap();
    floor.calendars.insert("office".to_owned(), Calendar { zone, week, holidays });
    floor.queues.get_mut(SUPPORT).unwrap().calendar = Some("office".to_owned());
    let let_in = |date: Option<&str>| -> Vec<(usize, bool)> {
        let mut plan = plan(floor.clone(), steady(20.0, 60.0, None), 3);
        plan.midnight = date.map(|date| midnight(date, "Asia/Riyadh").unwrap());
        let lines = lines(&plan.day, &run(Instant::now(), &plan));
        let of_interval = lines.iter().filter_map(|line| Some((line.interval?, figure(line, "left").mean < 0.5)));
        of_interval.collect()
    };
    let is_open = |interval: usize| (32..48).contains(&interval);
    assert!(let_in(Some("2026-12-01")).into_iter().all(|(at, is_in)| is_in == is_open(at)));
    assert!(let_in(Some("2026-12-02")).into_iter().all(|(_, is_in)| !is_in));
    assert!(let_in(None).into_iter().all(|(_, is_in)| is_in));
}

/// Rings that are missed cost callers time and put agents on pause by the floor's own rule; after a while they are back.
#[test]
fn missed_rings_and_pauses_keep_agents_from_callers() {
    let mut plan = plan(centre(8), steady(20.0, 240.0, Some(180.0)), 6);
    let level =
        |plan: &Plan| figure(&from_interval(&SUPPORT.into(), 8, &run(Instant::now(), plan)), "service_level").mean;
    let without = level(&plan);
    plan.day.rows.iter_mut().for_each(|row| row.missed = Some(0.2));
    let missed = level(&plan);
    let entries = journal(Instant::now(), &plan, 1, 1);
    let back = |entry: &Entry| matches!(&entry.kind, crate::journal::Kind::OffersMissed { .. });
    assert!(entries.iter().filter(|entry| back(entry)).count() > 20);
    assert!(missed > 0.3 && missed < without - 0.05, "{missed} {without}");
    plan.day.rows.iter_mut().for_each(|row| row.missed = None);
    let ids: Vec<AgentId> = plan.floor.agents.keys().cloned().collect();
    let all_day = |agent| Shift { agent, from: Duration::ZERO, to: day::WHOLE, paused: Some(0.25), pause_s: None };
    plan.shifts = Some(ids.into_iter().map(all_day).collect());
    let paused = level(&plan);
    // A quarter of the time of eight is two of them, now and then one or four.
    let six = level(&self::plan(centre(6), steady(20.0, 240.0, Some(180.0)), 6));
    println!("all there {without}, missed {missed}, paused {paused}, six {six}");
    assert!((paused - six).abs() < 0.15 && paused < without - 0.1, "{paused} {six} {without}");
}

/// Who is sent away with a kept place is called back: agents are busy with it, and he counts as having left.
#[test]
fn callers_who_left_to_be_called_back_are_called() {
    use crate::acd::config::Way;
    let mut plan = plan(centre(4), steady(20.0, 240.0, None), 4);
    let overflow = &mut plan.floor.queues.get_mut(SUPPORT).unwrap().overflow;
    (overflow.way, overflow.wait) = (Way::CallBack, Some(Duration::from_secs(60)));
    // Too many come for the first half of the day; then there is time to call.
    plan.day.rows.retain(|row| row.interval < 48);
    let entries = journal(Instant::now(), &plan, 1, 1);
    let kept = |entry: &Entry| matches!(&entry.kind, crate::journal::Kind::Queued { callback: true, .. });
    let talks = entries.iter().filter(|e| matches!(&e.kind, crate::journal::Kind::TalkEnded { .. })).count();
    let connected = entries.iter().filter(|e| matches!(&e.kind, crate::journal::Kind::Connected { .. })).count();
    let kept = entries.iter().filter(|entry| kept(entry)).count();
    let line = from_interval(&SUPPORT.into(), 0, &run(Instant::now(), &Plan { runs: 1, ..plan.clone() }));
    let (offered, left) = (figure(&line, "offered").mean, figure(&line, "left").mean);
    assert!(kept > 100 && left as usize == kept, "{kept} {left}");
    assert!(connected == talks && connected == offered as usize, "all are served in the end: {connected} of {offered}");
}
