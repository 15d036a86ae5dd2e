//! `hatif sim --day` and `--fit`: tomorrow's callers on the real floor, on virtual time.

#![allow(clippy::disallowed_methods, reason = "the zero of virtual time and the figure of speed come from here")]

mod fit;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};

use super::erlang::{percent, time};
use super::{Failure, live, offline};
use crate::acd::calendar;
use crate::id::QueueName;
use crate::sim::twin::day::{Day, Fill, TableError, read_shifts};
use crate::sim::twin::figures::{self, Estimate, Line, NAMES, Run};
use crate::sim::twin::fit::Fitted;
use crate::sim::twin::{self, Habits, Plan, Shape, chart};

/// How long a phone rings where neither the command line nor the journal says it.
const PICK_UP: Duration = Duration::from_secs(2);

/// The options of `hatif sim` that belong to a day.
#[derive(Args)]
#[command(group = ArgGroup::new("twin").args(["day", "fit"]).multiple(true))]
pub struct Options {
    /// A forecast as CSV: interval,queue,calls,talk_s[,patience_s][,wrap_up_s][,talk_spread][,missed][,rejected][,skills]
    /// [,priority][,segment]. With --fit empty cells take what the journal says.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hours", "seeds"])]
    pub day: Option<PathBuf>,
    /// Queues and agents; default ./hatif.toml.
    #[arg(long, short, value_name = "FILE", requires = "twin")]
    config: Option<PathBuf>,
    /// Who is there when, as CSV: agent,from,to[,paused][,pause_s]. Without it everybody is, all day; with --fit those whom
    /// the journal shows.
    #[arg(long, value_name = "FILE", requires = "twin")]
    shifts: Option<PathBuf>,
    /// The date of the day, as 2026-12-01: the calendars of the queues are kept. Without it queues are open all day.
    #[arg(long, value_name = "DATE", requires = "twin")]
    date: Option<String>,
    /// How often the day is played: more runs, narrower bands.
    #[arg(long, value_name = "N", default_value_t = 20, requires = "twin",
          value_parser = clap::value_parser!(u32).range(2..=10_000))]
    runs: u32,
    /// Length of the forecast's intervals.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = interval, requires = "twin")]
    interval: Duration,
    /// How long talks are around their mean: exponential, fixed, log_normal or log_normal:SPREAD (deviation ÷ mean).
    /// Default: log_normal; with --fit as the journal says.
    #[arg(long, value_name = "SHAPE", value_parser = shape, requires = "twin")]
    talk: Option<Shape>,
    /// Mean patience of callers whose line names none; absent: they wait as long as the queue lets them; with
    /// --fit as the journal says.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "twin")]
    patience: Option<Duration>,
    /// How long an agent lets his phone ring. Default: 2s; with --fit as the journal says.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "twin")]
    pick_up: Option<Duration>,
    /// How long an agent is away whom missed rings put on pause. Default: 5m; with --fit as the journal says.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "twin")]
    rna_pause: Option<Duration>,
    /// How many of those who are called back answer.
    #[arg(long, value_name = "PERCENT", default_value = "70%", value_parser = percent, requires = "twin")]
    reached: f64,
    /// What one agent more, or one skill more, would bring.
    #[arg(long, requires = "twin")]
    deltas: bool,
    /// Write all figures with their bands as CSV.
    #[arg(long, value_name = "FILE", requires = "twin")]
    csv: Option<PathBuf>,
    /// Draw the day.
    #[arg(long, value_name = "FILE", requires = "twin")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    fit: fit::Options,
}

impl Options {
    /// A day is to be played.
    pub fn is_asked(&self) -> bool {
        self.day.is_some() || self.fit.fit
    }
}

/// Runs `hatif sim --day` and `--fit`.
pub fn run(seed: u64, json: bool, options: &Options) -> Result<(), Failure> {
    let (plan, fitted) = plan(seed, options)?;
    if let Some(fitted) = &fitted {
        fit::tell(fitted, &plan, json);
        fit::write(&options.fit, &plan)?;
    }
    let began = Instant::now();
    let runs = twin::run(began, &plan);
    let lines = figures::lines(&plan.day, &runs);
    match json {
        true => lines.iter().for_each(|line| say!("{}", item(&plan.day, line))),
        false => table(&plan.day, &lines),
    }
    if let (Some(fitted), true) = (&fitted, options.fit.compare) {
        fit::compare(&plan, &lines, fitted, json);
    }
    let mut played = plan.runs;
    if options.deltas {
        played += deltas(&plan, &runs, json);
    }
    if let Some(path) = &options.csv {
        write(path, &csv(&plan.day, &lines))?;
    }
    if let Some(path) = &options.svg {
        write(path, &chart::svg(&plan.day, &lines))?;
    }
    let spent = began.elapsed().as_secs_f64();
    let times = f64::from(played) * 86_400.0 / spent.max(1e-6);
    eprintln!("{played} days in {spent:.1} s: {times:.0} times faster than real time · bands of 95 % confidence");
    Ok(())
}

/// What is played, and what was fitted for it.
fn plan(seed: u64, options: &Options) -> Result<(Plan, Option<Fitted>), Failure> {
    let config = options.config.clone().unwrap_or_else(|| PathBuf::from("hatif.toml"));
    let faulty = |faults: Vec<crate::diagnostic::Diagnostic>| {
        Failure::new(3, faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    };
    let (config, _) = offline::read_config(&[config]).map_err(faulty)?;
    let wrong = |error: TableError| Failure::new(2, error.to_string());
    let begin = |date: &String| {
        let found = calendar::midnight(date, &config.centre.timezone);
        found.ok_or_else(|| Failure::new(2, format!("--date {date} is no date: write it as 2026-12-01")))
    };
    let midnight = options.date.as_ref().map(begin).transpose()?;
    let fitted = match options.fit.fit {
        true => Some(fit::read(&options.fit, &config, options.interval, options.date.as_deref())?),
        false => None,
    };
    let day = match (&options.day, &fitted) {
        (Some(path), None) => {
            let shown = path.display().to_string();
            Day::read(&shown, &read(path)?, options.interval, &config.floor).map_err(wrong)?
        }
        (Some(path), Some(fitted)) => {
            let (shown, text) = (path.display().to_string(), read(path)?);
            let fill = |queue: &QueueName| match fitted.fill(queue) {
                Ok(fill) => Ok(given_before(fill, options)),
                Err(error) => Err(format!("talk_s is empty, and {error}")),
            };
            Day::read_filled(&shown, &text, options.interval, &config.floor, fill).map_err(wrong)?
        }
        (None, Some(fitted)) => {
            let mut day = fitted.day(&config.floor, &options.fit.only()).map_err(|e| Failure::new(1, e.to_string()))?;
            for row in &mut day.rows {
                row.patience_s = row.patience_s.filter(|_| options.patience.is_none());
                row.talk_spread = row.talk_spread.filter(|_| options.talk.is_none());
            }
            day
        }
        (None, None) => return Err(Failure::new(2, "name a forecast with --day, or take the journal's with --fit")),
    };
    let shifts = match (&options.shifts, &fitted) {
        (Some(path), fitted) => {
            let mut shifts = read_shifts(&path.display().to_string(), &read(path)?, &config.floor).map_err(wrong)?;
            fitted.iter().for_each(|fitted| fitted.fill_shifts(&mut shifts));
            Some(shifts)
        }
        (None, Some(fitted)) => Some(fitted.shifts(&config.floor)).filter(|shifts| !shifts.is_empty()),
        (None, None) => None,
    };
    let of_fit = |time: fn(&Fitted) -> Option<Duration>| fitted.as_ref().and_then(time);
    let habits = Habits::default();
    let plan = Plan {
        floor: config.floor,
        midnight,
        day,
        shifts,
        talk: options.talk.unwrap_or(Shape::LogNormal(1.0)),
        patience: options.patience,
        pick_up: options.pick_up.or(of_fit(|fitted| fitted.pick_up)).unwrap_or(PICK_UP),
        habits: Habits {
            rna_pause: options.rna_pause.or(of_fit(|fitted| fitted.rna_pause)).unwrap_or(habits.rna_pause),
            reached: options.reached,
        },
        seed,
        runs: options.runs,
    };
    Ok((plan, fitted))
}

/// What is said on the command line goes before what was fitted.
fn given_before(fill: Fill, options: &Options) -> Fill {
    Fill {
        patience_s: fill.patience_s.filter(|_| options.patience.is_none()),
        talk_spread: fill.talk_spread.filter(|_| options.talk.is_none()),
        ..fill
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::new(2, format!("cannot read {}: {error}", path.display())))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::new(1, format!("cannot write {}: {error}", path.display())))
}

/// Plays each change and prints what it brings; how many days that took.
fn deltas(plan: &Plan, before: &[Run], json: bool) -> u32 {
    let changes = plan.changes();
    let mut rows = Vec::new();
    for change in &changes {
        let after = twin::run(Instant::now(), &plan.with(change));
        for line in figures::differences(&plan.day, before, &after) {
            let mut row = Map::new();
            row.insert("change".to_owned(), json!(change.to_string()));
            row.insert("queue".to_owned(), json!(line.queue));
            for name in ["service_level", "asa_seconds", "abandoned", "occupancy"] {
                let figure = figure(&line, name);
                let value = if json { banded(figure) } else { json!(words(name, figure, true)) };
                row.insert(name.to_owned(), value);
            }
            rows.push(Value::Object(row));
        }
    }
    if !json {
        say!("\nwhat it would bring, over the whole day:");
    }
    let columns = ["change", "queue", "service_level", "asa_seconds", "abandoned", "occupancy"];
    live::list(&json!({ "items": rows }), &columns, json);
    plan.runs.saturating_mul(u32::try_from(changes.len()).unwrap_or(u32::MAX))
}

fn figure(line: &Line, name: &str) -> Option<Estimate> {
    let at = NAMES.iter().position(|known| *known == name)?;
    line.figures.get(at).copied().flatten()
}

fn label(day: &Day, interval: Option<usize>) -> String {
    interval.map_or_else(|| "day".to_owned(), |interval| day.label(interval))
}

/// One line for programs.
fn item(day: &Day, line: &Line) -> Value {
    let mut fields = Map::new();
    fields.insert("queue".to_owned(), json!(line.queue));
    fields.insert("interval".to_owned(), json!(label(day, line.interval)));
    fields.extend(NAMES.iter().map(|name| ((*name).to_owned(), banded(figure(line, name)))));
    Value::Object(fields)
}

/// A figure with the ends of its band; null where there is nothing to tell.
fn banded(figure: Option<Estimate>) -> Value {
    figure.map_or(Value::Null, |figure| {
        let half = figure.half.unwrap_or(0.0);
        json!({ "mean": rounded(figure.mean), "low": rounded(figure.mean - half), "high": rounded(figure.mean + half) })
    })
}

fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn table(day: &Day, lines: &[Line]) {
    let rows: Vec<Value> = lines
        .iter()
        .map(|line| {
            let mut row = Map::new();
            row.insert("queue".to_owned(), json!(line.queue));
            row.insert("interval".to_owned(), json!(label(day, line.interval)));
            for name in NAMES {
                row.insert(name.to_owned(), json!(words(name, figure(line, name), false)));
            }
            Value::Object(row)
        })
        .collect();
    let columns: Vec<&str> = ["queue", "interval"].into_iter().chain(NAMES).collect();
    live::list(&json!({ "items": rows }), &columns, false);
}

/// `81.2% ±1.4`, `12.3 ±0.8`; differences with their sign.
fn words(name: &str, figure: Option<Estimate>, signed: bool) -> String {
    let Some(figure) = figure else { return "-".to_owned() };
    let is_share = matches!(name, "service_level" | "occupancy");
    let (scale, unit) = if is_share { (100.0, "%") } else { (1.0, "") };
    let (mean, half) = (figure.mean * scale, figure.half.unwrap_or(0.0) * scale);
    match signed {
        true => format!("{mean:+.1}{unit} ±{half:.1}"),
        false => format!("{mean:.1}{unit} ±{half:.1}"),
    }
}

/// All figures, each with the ends of its band (RFC 4180).
fn csv(day: &Day, lines: &[Line]) -> String {
    let mut text = String::from("queue,interval");
    for name in NAMES {
        text.push_str(&format!(",{name},{name}_low,{name}_high"));
    }
    text.push_str("\r\n");
    for line in lines {
        text.push_str(&format!("{},{}", line.queue, label(day, line.interval)));
        for name in NAMES {
            match figure(line, name) {
                Some(figure) => {
                    let half = figure.half.unwrap_or(0.0);
                    let [mean, low, high] = [figure.mean, figure.mean - half, figure.mean + half].map(rounded);
                    text.push_str(&format!(",{mean},{low},{high}"));
                }
                None => text.push_str(",,,"),
            }
        }
        text.push_str("\r\n");
    }
    text
}

fn interval(text: &str) -> Result<Duration, String> {
    let length = time(text)?;
    let minutes = length.as_secs() / 60;
    let fits = minutes > 0 && length.as_secs() % 60 == 0 && 1_440 % minutes == 0;
    if fits { Ok(length) } else { Err("write whole minutes that divide the day, as 15m, 30m or 1h".to_owned()) }
}

fn shape(text: &str) -> Result<Shape, String> {
    let wrong = || "exponential, fixed, log_normal or log_normal:SPREAD with a spread from 0.05 to 5".to_owned();
    match text.split_once(':') {
        None if text == "exponential" => Ok(Shape::Exponential),
        None if text == "fixed" => Ok(Shape::Fixed),
        None if text == "log_normal" => Ok(Shape::LogNormal(1.0)),
        Some(("log_normal", spread)) => {
            let spread = spread.parse::<f64>().ok().filter(|spread| (0.05..=5.0).contains(spread));
            spread.map(Shape::LogNormal).ok_or_else(wrong)
        }
        Some(_) | None => Err(wrong()),
    }
}
