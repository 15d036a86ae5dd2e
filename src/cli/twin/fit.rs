//! `hatif sim --fit`: callers, talks, patience and agents as the journal says.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{label, rounded};
use crate::acd::calendar;
use crate::cli::{Failure, live};
use crate::config::Config;
use crate::id::QueueName;
use crate::sim::twin::Plan;
use crate::sim::twin::compare::{self, COMPARED, Compared};
use crate::sim::twin::day::shifts_csv;
use crate::sim::twin::figures::Line;
use crate::sim::twin::fit::{Fitted, Fold, QueueFit, Scope};
use crate::storage::replay;

/// The options of `hatif sim` that belong to a fit.
#[derive(Args)]
#[group(skip)]
pub struct Options {
    /// Take callers, talks, patience, pauses and missed rings from the journal. Without --day its mean day is the forecast,
    /// without --shifts who was there on half of the days or more is there again.
    #[arg(long, conflicts_with_all = ["hours", "seeds"])]
    pub fit: bool,
    /// The data folder with the journal; default the configuration's.
    #[arg(long, value_name = "DIR", requires = "fit")]
    data_dir: Option<PathBuf>,
    /// The first day to look at, as 2026-11-01; default the journal's.
    #[arg(long, value_name = "DATE", value_parser = date, requires = "fit")]
    since: Option<Date>,
    /// The last day to look at; default yesterday, for today is not over.
    #[arg(long, value_name = "DATE", value_parser = date, requires = "fit")]
    until: Option<Date>,
    /// Of these the newest N with callers.
    #[arg(long, value_name = "N", default_value_t = 28, requires = "fit",
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    days: u32,
    /// Only days of the same weekday as --date; as tomorrow without it.
    #[arg(long, requires = "fit")]
    weekday: bool,
    /// Only these queues, by commas; agents who serve others too are free for them.
    #[arg(long, value_name = "QUEUES", value_delimiter = ',', requires = "fit", conflicts_with = "day")]
    only: Vec<String>,
    /// Write the day that is played as a forecast for --day.
    #[arg(long, value_name = "FILE", requires = "fit")]
    write: Option<PathBuf>,
    /// Write who is there as shifts for --shifts.
    #[arg(long, value_name = "FILE", requires = "fit")]
    write_shifts: Option<PathBuf>,
    /// Show beside what is foretold what the days had, and how many intervals lie within the band.
    #[arg(long, requires = "fit")]
    pub compare: bool,
}

impl Options {
    /// The queues wanted; none: all.
    pub fn only(&self) -> Vec<QueueName> {
        self.only.iter().map(|name| name.trim().into()).collect()
    }
}

fn date(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "write a date as 2026-12-01".to_owned())
}

/// Reads the journal. `date` is the day that is to be played, where it is said.
pub fn read(
    options: &Options,
    config: &Config,
    interval: std::time::Duration,
    date: Option<&str>,
) -> Result<Fitted, Failure> {
    let only = options.only();
    if let Some(queue) = only.iter().find(|queue| !config.floor.queues.contains_key(*queue)) {
        let known: Vec<&str> = config.floor.queues.keys().map(QueueName::as_str).collect();
        let what = format!("--only: there is no queue {queue}: the configuration has {}", known.join(", "));
        return Err(Failure::new(2, what));
    }
    let timezone = &config.centre.timezone;
    let zone = TimeZone::get(timezone).map_err(|error| Failure::new(3, error.to_string()))?;
    let today = zone.to_datetime(Timestamp::now()).date();
    let day = date.and_then(|date| date.parse().ok()).or_else(|| today.tomorrow().ok());
    let scope = Scope {
        zone,
        interval,
        since: options.since,
        until: options.until.or_else(|| today.yesterday().ok()),
        weekday: day.map(Date::weekday).filter(|_| options.weekday),
        days: options.days as usize,
    };
    let dir = options.data_dir.as_ref().unwrap_or(&config.data_dir).join("journal");
    let since = options.since.and_then(|since| calendar::midnight(&since.to_string(), timezone));
    let fold = std::cell::RefCell::new(Fold::new(scope));
    let damaged = replay::read(
        &dir,
        since,
        |at, before| fold.borrow_mut().begin(at, before.agent, before.state, before.code),
        |entry| fold.borrow_mut().handle(entry),
    );
    let damaged = damaged.map_err(|error| {
        let what =
            format!("cannot read the journal in {}: {error}; name the data folder with --data-dir", dir.display());
        Failure::new(1, what)
    })?;
    if damaged > 0 {
        eprintln!("{damaged} entries of the journal cannot be read and are left out");
    }
    Ok(fold.into_inner().finish())
}

/// Says what was fitted: to people beside the data, to programs as one object.
pub fn tell(fitted: &Fitted, plan: &Plan, json: bool) {
    if json {
        return say!("{}", json!({ "fit": object(fitted) }));
    }
    let (first, last) = (fitted.days.first(), fitted.days.last());
    let span = match (first, last) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (Some(first), _) => first.clone(),
        (None, _) => "none".to_owned(),
    };
    let out = match fitted.left_out {
        0 => String::new(),
        out => format!(" ({out} without callers or with a change of clocks left out)"),
    };
    eprintln!("fitted from {} days, {span}{out}:", fitted.days.len());
    let columns = [
        "queue", "calls", "a day", "outside", "talks", "talk", "spread", "wrap-up", "abandons", "patience", "missed",
        "rejected",
    ];
    let played = plan.day.queues();
    let of_plan = fitted.queues.iter().filter(|(queue, _)| played.contains(queue));
    let rows: Vec<Vec<String>> = of_plan.map(|(queue, fit)| row(queue, fit)).collect();
    live::table(&columns, &rows).iter().for_each(|line| eprintln!("{line}"));
    for (queue, fit) in fitted.queues.iter().filter(|(queue, fit)| played.contains(queue) && fit.abandoned < 10) {
        let means = match fit.abandoned {
            0 => "nobody hung up: callers wait as long as the queue lets them, or as --patience says",
            _ => "few hung up: patience is a first guess",
        };
        eprintln!("{queue}: {means}");
    }
    for (queue, calls) in fitted.unknown(&plan.floor) {
        eprintln!("{queue}: {calls} calls left out, the configuration has no such queue");
    }
    let agents: Vec<_> = fitted.agents.iter().filter(|(agent, _)| plan.floor.agents.contains_key(*agent)).collect();
    let days = fitted.days.len().max(1) as f64;
    let hours = agents.iter().map(|(_, fit)| fit.staffed.as_secs_f64()).sum::<f64>() / 3_600.0 / days;
    let planned = plan.shifts.iter().flatten().map(|shift| shift.to.saturating_sub(shift.from).as_secs_f64());
    let planned = plan
        .shifts
        .as_ref()
        .map_or_else(|| "everybody all day".to_owned(), |_| format!("{:.1} h", planned.sum::<f64>() / 3_600.0));
    let paused = agents.iter().map(|(_, fit)| fit.staffed.as_secs_f64() * fit.paused).sum::<f64>() / 36.0 / days;
    eprintln!(
        "{} agents · staffed {hours:.1} h a day, {:.1}% of it paused; played: {planned} · phones ring {:.1} s · back after \
         missed rings in {:.0} s\n",
        agents.len(),
        if hours > 0.0 { paused / hours } else { 0.0 },
        plan.pick_up.as_secs_f64(),
        plan.habits.rna_pause.as_secs_f64()
    );
}

fn row(queue: &QueueName, fit: &QueueFit) -> Vec<String> {
    let seconds = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1} s"));
    let percent = |share: f64| format!("{:.1}%", share * 100.0);
    vec![
        queue.to_string(),
        fit.calls.to_string(),
        format!("{:.1}", fit.arrivals.values().sum::<f64>()),
        fit.closed.to_string(),
        fit.talks.to_string(),
        seconds(fit.talk_s),
        fit.talk_spread.map_or_else(|| "-".to_owned(), |spread| format!("{spread:.2}")),
        seconds(fit.wrap_up_s),
        fit.abandoned.to_string(),
        seconds(fit.patience_s),
        percent(fit.missed),
        percent(fit.rejected),
    ]
}

/// All that was fitted, times in seconds and shares from 0 to 1.
fn object(fitted: &Fitted) -> Value {
    let number = |value: Option<f64>| value.map_or(Value::Null, |value| json!(rounded(value)));
    let queue = |(queue, fit): (&QueueName, &QueueFit)| {
        json!({ "queue": queue, "calls": fit.calls, "calls_a_day": rounded(fit.arrivals.values().sum()),
            "outside_hours": fit.closed, "talks": fit.talks, "talk_seconds": number(fit.talk_s),
            "talk_spread": number(fit.talk_spread), "wrap_up_seconds": number(fit.wrap_up_s),
            "abandoned": fit.abandoned, "patience_seconds": number(fit.patience_s), "rings": fit.rings,
            "missed": rounded(fit.missed), "rejected": rounded(fit.rejected) })
    };
    let agents = fitted.agents.iter().map(|(agent, fit)| {
        json!({ "agent": agent, "staffed_seconds": rounded(fit.staffed.as_secs_f64()), "paused": rounded(fit.paused),
            "pauses": fit.pauses, "pause_seconds": number(fit.pause.map(|pause| pause.as_secs_f64())) })
    });
    json!({ "days": fitted.days, "days_left_out": fitted.left_out,
        "pick_up_seconds": number(fitted.pick_up.map(|time| time.as_secs_f64())),
        "rna_pause_seconds": number(fitted.rna_pause.map(|time| time.as_secs_f64())),
        "queues": fitted.queues.iter().map(queue).collect::<Vec<_>>(), "agents": agents.collect::<Vec<_>>() })
}

/// Writes the tables that were asked for.
pub fn write(options: &Options, plan: &Plan) -> Result<(), Failure> {
    let write = |path: &Option<PathBuf>, text: &dyn Fn() -> String| match path {
        Some(path) => super::write(Path::new(path), &text()),
        None => Ok(()),
    };
    write(&options.write, &|| plan.day.csv())?;
    if options.write_shifts.is_some() && plan.shifts.is_none() {
        return Err(Failure::new(
            1,
            "--write-shifts: the journal shows no agent of the configuration on half of the days",
        ));
    }
    write(&options.write_shifts, &|| shifts_csv(plan.shifts.as_deref().unwrap_or_default()))
}

/// Prints what the days had beside what is foretold, and how much of it lies within the band.
pub fn compare(plan: &Plan, lines: &[Line], fitted: &Fitted, json: bool) {
    let all = compare::compare(&plan.day, lines, plan.runs, fitted);
    let label = |interval| label(&plan.day, interval);
    if json {
        for one in &all {
            let (low, high) = (rounded(one.foretold - one.half), rounded(one.foretold + one.half));
            say!(
                "{}",
                json!({ "compare": one.name, "queue": one.queue, "interval": label(one.interval),
                    "real": rounded(one.real), "mean": rounded(one.foretold), "low": low, "high": high,
                    "within": one.is_within() })
            );
        }
        return;
    }
    say!("\nwhat the {} days had in the mean, in what is foretold for so many (! = outside):", fitted.days.len());
    let mut rows: Vec<Vec<String>> = Vec::new();
    for line in lines.iter().filter(|line| all.iter().any(|one| one.queue == line.queue)) {
        let cell = |name: &&str| {
            let found =
                all.iter().find(|one| one.name == *name && one.queue == line.queue && one.interval == line.interval);
            found.map_or_else(|| "-".to_owned(), words)
        };
        let head = [line.queue.to_string(), label(line.interval)];
        rows.push(head.into_iter().chain(COMPARED.iter().map(cell)).collect());
    }
    let columns: Vec<&str> = ["queue", "interval"].into_iter().chain(COMPARED).collect();
    live::table(&columns, &rows).iter().for_each(|line| say!("{line}"));
    let told: Vec<String> = COMPARED.iter().map(|name| counted(name, &all)).collect();
    say!("intervals within the band: {}", told.join(" · "));
}

fn counted(name: &str, all: &[Compared]) -> String {
    let of_name = || all.iter().filter(|one| one.name == name && one.interval.is_some());
    format!("{name} {} of {}", of_name().filter(|one| one.is_within()).count(), of_name().count())
}

/// `81.2% in 83.0% ±4.1`, with a mark when it is not.
fn words(one: &Compared) -> String {
    let (scale, unit) = if one.name == "service_level" { (100.0, "%") } else { (1.0, "") };
    let mark = if one.is_within() { "" } else { " !" };
    let (real, foretold, half) = (one.real * scale, one.foretold * scale, one.half * scale);
    format!("{real:.1}{unit} in {foretold:.1}{unit} ±{half:.1}{mark}")
}
