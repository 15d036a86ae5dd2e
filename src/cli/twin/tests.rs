//! `hatif sim --fit` on a journal's files.

use std::fs;

use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};
use crate::clock::Wall;
use crate::journal::{About, Entry, Kind};
use crate::storage::segment::{Snapshot, push_entry, push_snapshot, segment_path};
use crate::storage::tests::TestDir;

const CONFIG: &str = r#"
[centre]
timezone = "Asia/Riyadh"
[data]
dir = "./data"
[[agent]]
id = "101"
password = "correct horse"
queues = ["support"]
[[agent]]
id = "102"
password = "battery staple"
queues = ["support"]
[[queue]]
name = "support"
[[queue]]
name = "vip"
"#;

/// A centre that has seen `days` days from 2026-11-01 on, with 10 callers in each quarter of an hour from eight to ten.
fn centre(days: i64) -> TestDir {
    let dir = TestDir::new();
    let path = |name: &str| dir.0.join(name);
    fs::write(path("hatif.toml"), CONFIG).unwrap();
    let rows = (32..40).map(|n| format!("{:02}:{:02},support,10,60,90,5\n", n / 4, n % 4 * 15));
    let forecast = format!("interval,queue,calls,talk_s,patience_s,wrap_up_s\n{}", rows.collect::<String>());
    fs::write(path("forecast.csv"), forecast).unwrap();
    fs::write(path("shifts.csv"), "agent,from,to\n101,07:00,11:00\n102,08:00,10:00\n").unwrap();
    let (forecast, shifts) = (path("forecast.csv"), path("shifts.csv"));
    let day = ["--day", forecast.to_str().unwrap(), "--shifts", shifts.to_str().unwrap()];
    let (plan, _) = plan(1, &asked(&dir, &day).unwrap()).map_err(|failure| failure.message).unwrap();
    fs::create_dir_all(path("data/journal")).unwrap();
    let mut state = Snapshot { next_seq: 1, ..Snapshot::default() };
    for day in 0..days {
        // A segment for each day.
        let first = state.next_seq;
        let mut frames = Vec::new();
        push_snapshot(&mut frames, &state).unwrap();
        let begins = Wall(calendar::midnight("2026-11-01", "Asia/Riyadh").unwrap().0 + day * 86_400_000_000);
        let started = Kind::NodeStarted { version: "1".to_owned() };
        let started = Entry { seq: first, at: begins, about: About::Node, kind: started };
        let plan = Plan { midnight: Some(begins), ..plan.clone() };
        let entries = twin::journal(Instant::now(), &plan, day as u64, first + 1);
        for entry in std::iter::once(started).chain(entries) {
            push_entry(&mut frames, &entry).unwrap();
            state.handle(&entry);
        }
        fs::write(segment_path(&path("data/journal"), first), frames).unwrap();
    }
    dir
}

fn asked(dir: &TestDir, options: &[&str]) -> Result<Options, String> {
    let config = dir.0.join("hatif.toml");
    let head = ["hatif", "sim", "--config", config.to_str().unwrap()];
    let cli =
        Cli::try_parse_from(head.into_iter().chain(options.iter().copied())).map_err(|error| error.to_string())?;
    match cli.command {
        Command::Sim { twin, .. } => Ok(*twin),
        _ => Err("another command".to_owned()),
    }
}

fn fails(dir: &TestDir, options: &[&str]) -> (u8, String) {
    let failure = match asked(dir, options) {
        Ok(options) => plan(1, &options).err().unwrap(),
        Err(error) => Failure::new(2, error),
    };
    (failure.code, failure.message)
}

/// The journal's days come back through its files, and the tables that are written play the same day without the journal.
#[test]
fn the_journal_of_a_data_folder_is_fitted_and_its_tables_play_the_same_day() {
    let dir = centre(12);
    let path = |name: &str| dir.0.join(name).display().to_string();
    let (day, shifts) = (path("fitted.csv"), path("there.csv"));
    let options = asked(&dir, &["--fit", "--write", &day, "--write-shifts", &shifts, "--compare"]).unwrap();
    let (fitted_plan, fitted) = plan(7, &options).map_err(|failure| failure.message).unwrap();
    let fitted = fitted.unwrap();
    assert_eq!(
        (fitted.days.len(), fitted.days[0].as_str(), fitted.days[11].as_str()),
        (12, "2026-11-01", "2026-11-12")
    );
    let support = &fitted.queues[&QueueName::from("support")];
    let calls: f64 = support.arrivals.values().sum();
    assert!((calls - 80.0).abs() < 8.0 && (support.talk_s.unwrap() - 60.0).abs() < 8.0, "{support:?}");
    let there: Vec<_> =
        fitted_plan.shifts.iter().flatten().map(|shift| (shift.agent.as_str(), shift.from.as_secs())).collect();
    assert_eq!(there, [("101", 7 * 3_600), ("102", 8 * 3_600)]);
    fit::write(&options.fit, &fitted_plan).map_err(|failure| failure.message).unwrap();
    let pick_up = fitted_plan.pick_up.as_millis();
    let again = asked(&dir, &["--day", &day, "--shifts", &shifts, "--pick-up", &format!("{pick_up}ms")]).unwrap();
    let (again, none) = plan(7, &again).map_err(|failure| failure.message).unwrap();
    assert!(none.is_none());
    assert_eq!((&again.day, &again.shifts), (&fitted_plan.day, &fitted_plan.shifts));
    assert_eq!(twin::run(Instant::now(), &again), twin::run(Instant::now(), &fitted_plan));
    // The newest days alone, from the segment on in which they begin.
    let few = asked(&dir, &["--fit", "--since", "2026-11-10", "--until", "2026-11-11"]).unwrap();
    assert_eq!(plan(7, &few).map_err(|f| f.message).unwrap().1.unwrap().days, ["2026-11-10", "2026-11-11"]);
    // Sundays alone, as 2026-11-15 is one.
    let sundays = asked(&dir, &["--fit", "--weekday", "--date", "2026-11-15"]).unwrap();
    assert_eq!(plan(7, &sundays).map_err(|f| f.message).unwrap().1.unwrap().days, ["2026-11-01", "2026-11-08"]);
}

#[test]
fn what_cannot_be_fitted_is_said_with_what_to_do() {
    let dir = centre(1);
    let empty = dir.0.join("nothing");
    let (code, told) = fails(&dir, &["--fit", "--data-dir", empty.to_str().unwrap()]);
    assert!(code == 1 && told.contains("cannot read the journal") && told.contains("--data-dir"), "{told}");
    let (code, told) = fails(&dir, &["--fit", "--until", "2026-10-01"]);
    assert!(code == 1 && told.contains("no day with callers"), "{told}");
    let (code, told) = fails(&dir, &["--fit", "--only", "vip"]);
    assert!(code == 1 && told.contains("nobody came to a queue that is wanted") && told.ends_with("support"), "{told}");
    let (code, told) = fails(&dir, &["--fit", "--only", "sport"]);
    assert!(code == 2 && told.contains("there is no queue sport"), "{told}");
    let day = dir.0.join("day.csv").display().to_string();
    fs::write(&day, "interval,queue,calls\n08:00,support,3\n08:00,vip,3\n").unwrap();
    let (code, told) = fails(&dir, &["--fit", "--day", &day]);
    assert!(
        code == 2 && told.contains("day.csv:3: talk_s is empty, and queue vip: 0 calls and 0 talks on 1 days"),
        "{told}"
    );
    let (_, told) = fails(&dir, &["--day", &day]);
    assert!(told.contains("the header lacks talk_s"), "{told}");
    for (options, word) in [
        (["--fit", "--hours", "2"].as_slice(), "cannot be used with"),
        (["--compare"].as_slice(), "--fit"),
        (["--runs", "3"].as_slice(), "--day"),
        (["--fit", "--since", "1.11."].as_slice(), "2026-12-01"),
        (["--fit", "--only", "vip", "--day", "x.csv"].as_slice(), "cannot be used with"),
    ] {
        let (code, told) = fails(&dir, options);
        assert!(code == 2 && told.contains(word), "{options:?}: {told}");
    }
}
