//! What comes on a day and who is there: two small tables, read from CSV.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::acd::Skill;
use crate::acd::config::FloorConfig;
use crate::id::{AgentId, QueueName};

/// A day.
pub const WHOLE: Duration = Duration::from_secs(86_400);

/// More calls in one interval of one row are refused: a slip of the pen.
const CALLS_MAX: f64 = 100_000.0;

/// Who is paused for more of his time than this is not there.
pub const PAUSED_MAX: f64 = 0.95;

/// The columns of a forecast; the first four are needed, the fourth not when it is fitted.
const COLUMNS: [&str; 12] = [
    "interval",
    "queue",
    "calls",
    "talk_s",
    "patience_s",
    "wrap_up_s",
    "talk_spread",
    "missed",
    "rejected",
    "skills",
    "priority",
    "segment",
];

/// The columns of shifts; the first three are needed.
const SHIFT_COLUMNS: [&str; 5] = ["agent", "from", "to", "paused", "pause_s"];

/// One line of the forecast.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which interval, 0 = the one that begins at midnight.
    pub interval: usize,
    /// The queue the callers enter.
    pub queue: QueueName,
    /// How many, on average.
    pub calls: f64,
    /// Mean length of a talk, hold included, in seconds.
    pub talk_s: f64,
    /// Mean time after which a caller hangs up, in seconds; none: as the plan says.
    pub patience_s: Option<f64>,
    /// Mean work after a talk, in seconds; none: the queue's `wrap_up`.
    pub wrap_up_s: Option<f64>,
    /// Deviation ÷ mean of their talks, which are log-normal then; none: as the plan says.
    pub talk_spread: Option<f64>,
    /// Share of the rings for them that nobody answers; none: nothing.
    pub missed: Option<f64>,
    /// Share of the rings for them that are declined; none: nothing.
    pub rejected: Option<f64>,
    /// Skills these callers ask for beyond the queue's own.
    pub skills: Vec<String>,
    /// Their priority, in minutes of waiting.
    pub priority: u32,
    /// What kind of callers they are.
    pub segment: Option<String>,
}

/// What comes on a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// Length of an interval.
    pub interval: Duration,
    /// What comes in each; several rows of one interval and queue add up.
    pub rows: Vec<Row>,
}

/// A time in which an agent is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// Who.
    pub agent: AgentId,
    /// From when, after midnight.
    pub from: Duration,
    /// Until when; a talk that runs then is finished.
    pub to: Duration,
    /// Part of it in which he is paused, up to [`PAUSED_MAX`]; none: nothing of it.
    pub paused: Option<f64>,
    /// Mean length of a pause in seconds; none: ten minutes.
    pub pause_s: Option<f64>,
}

/// What takes the place of cells that are empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fill {
    /// See [`Row::talk_s`]; so are the others.
    pub talk_s: f64,
    /// See [`Row::patience_s`].
    pub patience_s: Option<f64>,
    /// See [`Row::wrap_up_s`].
    pub wrap_up_s: Option<f64>,
    /// See [`Row::talk_spread`].
    pub talk_spread: Option<f64>,
    /// See [`Row::missed`].
    pub missed: Option<f64>,
    /// See [`Row::rejected`].
    pub rejected: Option<f64>,
}

/// What is wrong with a table, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct TableError {
    /// The file as named.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// What is wrong and how to mend it.
    pub what: String,
}

impl Day {
    /// Reads a forecast: a header, then a line for each interval and queue.
    ///
    /// `file` names it in errors; `interval` is the length of its intervals; `floor` has the queues.
    ///
    /// # Errors
    ///
    /// The first line that cannot be taken, with what to write instead.
    pub fn read(file: &str, text: &str, interval: Duration, floor: &FloorConfig) -> Result<Self, TableError> {
        let table = Table::read(file, text, &COLUMNS, 4)?;
        Self::of(&table, interval, floor, |_| Err("talk_s is empty".to_owned()))
    }

    /// As [`Day::read`]; what takes the place of empty cells in a line of a queue is asked of `fill`. Of a line without a
    /// talk it must be had.
    ///
    /// # Errors
    ///
    /// As [`Day::read`], and why nothing is known of a queue.
    pub fn read_filled(
        file: &str,
        text: &str,
        interval: Duration,
        floor: &FloorConfig,
        fill: impl Fn(&QueueName) -> Result<Fill, String>,
    ) -> Result<Self, TableError> {
        Self::of(&Table::read(file, text, &COLUMNS, 3)?, interval, floor, fill)
    }

    fn of(
        table: &Table,
        interval: Duration,
        floor: &FloorConfig,
        fill: impl Fn(&QueueName) -> Result<Fill, String>,
    ) -> Result<Self, TableError> {
        let rows = table.lines.iter().map(|line| row(table, line, interval, floor, &fill));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        if rows.is_empty() {
            return Err(table.error(1, "no calls are forecast: write a line for each interval and queue"));
        }
        Ok(Self { interval, rows })
    }

    /// The forecast as it is read.
    pub fn csv(&self) -> String {
        let mut text = COLUMNS.join(",") + "\n";
        for row in &self.rows {
            let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
            // A comma would end the cell; no configuration matches such a word anyway.
            let word = |text: &str| text.replace([',', '\n', '\r'], " ");
            let cells = [
                self.label(row.interval),
                row.queue.to_string(),
                row.calls.to_string(),
                row.talk_s.to_string(),
                number(row.patience_s),
                number(row.wrap_up_s),
                number(row.talk_spread),
                number(row.missed),
                number(row.rejected),
                word(&row.skills.join(" ")),
                row.priority.to_string(),
                word(row.segment.as_deref().unwrap_or_default()),
            ];
            text.push_str(&(cells.join(",") + "\n"));
        }
        text
    }

    /// The queues calls come to, by name.
    pub fn queues(&self) -> Vec<QueueName> {
        self.rows.iter().map(|row| row.queue.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// When an interval begins, after midnight.
    pub fn starts(&self, interval: usize) -> Duration {
        self.interval.saturating_mul(u32::try_from(interval).unwrap_or(u32::MAX))
    }

    /// The time of day at which an interval begins, as `08:15`.
    pub fn label(&self, interval: usize) -> String {
        let minutes = self.starts(interval).as_secs() / 60;
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// Shifts as they are read.
pub fn shifts_csv(shifts: &[Shift]) -> String {
    let mut text = SHIFT_COLUMNS.join(",") + "\n";
    for shift in shifts {
        let clock = |time: Duration| {
            let minutes = time.as_secs() / 60;
            format!("{:02}:{:02}", minutes / 60, minutes % 60)
        };
        // A night's shift ends on the morning after.
        let to = if shift.to > WHOLE { shift.to - WHOLE } else { shift.to };
        let number = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
        let (from, to, paused, pause) = (clock(shift.from), clock(to), number(shift.paused), number(shift.pause_s));
        text.push_str(&format!("{},{from},{to},{paused},{pause}\n", shift.agent));
    }
    text
}

/// Reads shifts: `agent,from,to[,paused][,pause_s]`, one line for each time in which somebody is there.
///
/// # Errors
///
/// As [`Day::read`].
pub fn read_shifts(file: &str, text: &str, floor: &FloorConfig) -> Result<Vec<Shift>, TableError> {
    let table = Table::read(file, text, &SHIFT_COLUMNS, 3)?;
    let shift = |line: &Line| {
        let agent = AgentId::from(table.cell(line, "agent"));
        if !floor.agents.contains_key(&agent) {
            let what = format!("there is no agent {agent}: write the id of an [[agent]]");
            return Err(table.error(line.number, what));
        }
        let (from, to) = (table.clock(line, "from")?, table.clock(line, "to")?);
        let paused = table.share(line, "paused", PAUSED_MAX)?;
        let pause_s = table.number(line, "pause_s")?;
        // A night's shift ends on the morning after.
        Ok(Shift { agent, from, to: if to > from { to } else { to + WHOLE }, paused, pause_s })
    };
    table.lines.iter().map(shift).collect()
}

fn row(
    table: &Table,
    line: &Line,
    interval: Duration,
    floor: &FloorConfig,
    fill: &impl Fn(&QueueName) -> Result<Fill, String>,
) -> Result<Row, TableError> {
    let begins = table.clock(line, "interval")?;
    if begins >= WHOLE || begins.as_secs() % interval.as_secs().max(1) != 0 {
        let minutes = interval.as_secs() / 60;
        let what = format!("{} begins no interval of {minutes} min: see --interval", table.cell(line, "interval"));
        return Err(table.error(line.number, what));
    }
    let queue = QueueName::from(table.cell(line, "queue"));
    if !floor.queues.contains_key(&queue) {
        let known: Vec<&str> = floor.queues.keys().map(QueueName::as_str).collect();
        let what = format!("there is no queue {queue}: the configuration has {}", known.join(", "));
        return Err(table.error(line.number, what));
    }
    let skills: Vec<String> = table.cell(line, "skills").split_whitespace().map(str::to_owned).collect();
    for text in &skills {
        text.parse::<Skill>().map_err(|error| table.error(line.number, error.to_string()))?;
    }
    let number = |name: &str| table.number(line, name);
    let priority = number("priority")?.unwrap_or(0.0);
    let talk_s = number("talk_s")?;
    let fill = match fill(&queue) {
        Err(error) if talk_s.is_none() => return Err(table.error(line.number, error)),
        fill => fill.ok(),
    };
    let filled = |name: &str, other: fn(&Fill) -> Option<f64>| {
        Ok(table.number(line, name)?.or_else(|| fill.as_ref().and_then(other)))
    };
    let share = |name: &str, other: fn(&Fill) -> Option<f64>| {
        Ok(table.share(line, name, 1.0)?.or_else(|| fill.as_ref().and_then(other)))
    };
    let (missed, rejected) = (share("missed", |fill| fill.missed)?, share("rejected", |fill| fill.rejected)?);
    if missed.unwrap_or(0.0) + rejected.unwrap_or(0.0) > 1.0 {
        return Err(table.error(line.number, "missed and rejected are shares of all rings: together 1 at most"));
    }
    Ok(Row {
        interval: usize::try_from(begins.as_secs() / interval.as_secs().max(1)).unwrap_or(0),
        queue,
        calls: table.needed(line, "calls")?,
        talk_s: talk_s.or(fill.as_ref().map(|fill| fill.talk_s)).unwrap_or_default(),
        patience_s: filled("patience_s", |fill| fill.patience_s)?,
        wrap_up_s: filled("wrap_up_s", |fill| fill.wrap_up_s)?,
        talk_spread: filled("talk_spread", |fill| fill.talk_spread)?,
        missed,
        rejected,
        skills,
        priority: priority as u32,
        segment: Some(table.cell(line, "segment")).filter(|text| !text.is_empty()).map(str::to_owned),
    })
}

/// A CSV with a header, cells without quotes.
struct Table<'a> {
    file: &'a str,
    columns: BTreeMap<&'a str, usize>,
    lines: Vec<Line<'a>>,
}

struct Line<'a> {
    number: usize,
    cells: Vec<&'a str>,
}

impl<'a> Table<'a> {
    /// Reads a table whose columns may be those `known`; the first `needed` of them must be there.
    fn read(file: &'a str, text: &'a str, known: &[&str], needed: usize) -> Result<Self, TableError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let filled = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
        let mut lines = filled.map(|(line, number)| Line { number, cells: line.split(',').map(str::trim).collect() });
        let mut table = Table { file, columns: BTreeMap::new(), lines: Vec::new() };
        let Some(header) = lines.next() else {
            return Err(
                table.error(1, format!("the file is empty: the first line names the columns {}", known.join(",")))
            );
        };
        for (name, at) in header.cells.iter().zip(0..) {
            if !known.contains(name) {
                let what = format!("column `{name}` is not known: {}", known.join(", "));
                return Err(table.error(header.number, what));
            }
            table.columns.insert(name, at);
        }
        let missing: Vec<&str> =
            known.iter().take(needed).filter(|name| !table.columns.contains_key(**name)).copied().collect();
        if !missing.is_empty() {
            return Err(table.error(header.number, format!("the header lacks {}", missing.join(", "))));
        }
        for line in lines {
            if line.cells.len() != header.cells.len() {
                let what = format!("{} cells under {} columns", line.cells.len(), header.cells.len());
                return Err(table.error(line.number, what));
            }
            table.lines.push(line);
        }
        Ok(table)
    }

    fn error(&self, line: usize, what: impl Into<String>) -> TableError {
        TableError { file: self.file.to_owned(), line, what: what.into() }
    }

    /// A cell; empty where the column is not there.
    fn cell(&self, line: &Line<'a>, column: &str) -> &'a str {
        self.columns.get(column).and_then(|at| line.cells.get(*at)).copied().unwrap_or_default()
    }

    /// A number of zero or more; none where the cell is empty.
    fn number(&self, line: &Line, column: &str) -> Result<Option<f64>, TableError> {
        let text = self.cell(line, column);
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<f64>() {
            Ok(number) if (0.0..=CALLS_MAX).contains(&number) => Ok(Some(number)),
            Ok(_) | Err(_) => {
                let what = format!("{column} is `{text}`: write a number from 0 to {CALLS_MAX:.0}, as 12.5");
                Err(self.error(line.number, what))
            }
        }
    }

    /// A share of up to `most`; none where the cell is empty.
    fn share(&self, line: &Line, column: &str, most: f64) -> Result<Option<f64>, TableError> {
        let share = self.number(line, column)?;
        if share.is_some_and(|share| share > most) {
            let what = format!("{column} is `{}`: write a share from 0 to {most}, as 0.08", self.cell(line, column));
            return Err(self.error(line.number, what));
        }
        Ok(share)
    }

    fn needed(&self, line: &Line, column: &str) -> Result<f64, TableError> {
        let number = self.number(line, column)?;
        number.ok_or_else(|| self.error(line.number, format!("{column} is empty")))
    }

    /// A time of day, `00:00` to `24:00`.
    fn clock(&self, line: &Line, column: &str) -> Result<Duration, TableError> {
        let text = self.cell(line, column);
        let read = || {
            let (hours, minutes) = text.split_once(':')?;
            let (hours, minutes) = (hours.parse::<u64>().ok()?, minutes.parse::<u64>().ok()?);
            let time = Duration::from_secs(hours * 3_600 + minutes * 60);
            (minutes < 60 && time <= WHOLE).then_some(time)
        };
        let what = || format!("{column} is `{text}`: write a time of day as 08:15");
        read().ok_or_else(|| self.error(line.number, what()))
    }
}
