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
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shift {
    /// Who.
    pub agent: AgentId,
    /// From when, after midnight.
    pub from: Duration,
    /// Until when; a talk that runs then is finished.
    pub to: Duration,
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
        const KNOWN: [&str; 9] =
            ["interval", "queue", "calls", "talk_s", "patience_s", "wrap_up_s", "skills", "priority", "segment"];
        let table = Table::read(file, text, &KNOWN, 4)?;
        let rows = table.lines.iter().map(|line| row(&table, line, interval, floor)).collect::<Result<Vec<_>, _>>()?;
        if rows.is_empty() {
            return Err(table.error(1, "no calls are forecast: write a line for each interval and queue"));
        }
        Ok(Self { interval, rows })
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

/// Reads shifts: `agent,from,to`, one line for each time in which somebody is there.
///
/// # Errors
///
/// As [`Day::read`].
pub fn read_shifts(file: &str, text: &str, floor: &FloorConfig) -> Result<Vec<Shift>, TableError> {
    let table = Table::read(file, text, &["agent", "from", "to"], 3)?;
    let shift = |line: &Line| {
        let agent = AgentId::from(table.cell(line, "agent"));
        if !floor.agents.contains_key(&agent) {
            let what = format!("there is no agent {agent}: write the id of an [[agent]]");
            return Err(table.error(line.number, what));
        }
        let (from, to) = (table.clock(line, "from")?, table.clock(line, "to")?);
        // A night's shift ends on the morning after.
        Ok(Shift { agent, from, to: if to > from { to } else { to + WHOLE } })
    };
    table.lines.iter().map(shift).collect()
}

fn row(table: &Table, line: &Line, interval: Duration, floor: &FloorConfig) -> Result<Row, TableError> {
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
    Ok(Row {
        interval: usize::try_from(begins.as_secs() / interval.as_secs().max(1)).unwrap_or(0),
        queue,
        calls: table.needed(line, "calls")?,
        talk_s: table.needed(line, "talk_s")?,
        patience_s: number("patience_s")?,
        wrap_up_s: number("wrap_up_s")?,
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
