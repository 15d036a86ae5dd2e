//! The twin is fitted: what the journal says of callers and agents, as a forecast and shifts like those people write.
//!
//! [`Fold`] takes the journal's entries, [`Fitted`] is what came of them. What is fitted, by queue:
//!
//! - Callers by interval of the day: the mean over the days on which the engine ran in that interval. Who came outside the
//!   hours of the queue is counted apart; who called again at once to keep his place, or is called back, is no other caller.
//! - Talks, hold included: log-normal. The mean is the plain one, for the agents' work hangs on it and must be what was
//!   seen; the spread is by the variance of the logs, which one talk of two hours hardly moves. Of call centres it is the
//!   shape that was measured (Brown et al. 2005), and two numbers survive in a table that people edit, where a list of all
//!   talks would not.
//! - Patience: exponential; its mean is all time waited ÷ callers who hung up, the estimate that allows for those who were
//!   answered before they lost patience. It needs one who hung up.
//! - Wrap-up: its mean for each talk. Rings that nobody answered, and those that failed otherwise, as shares of all rings;
//!   with allowance for those whose caller hung up meanwhile, who are more among the long ones.
//!
//! By agent: when he was staffed, which part of that he was paused, and how long a pause is. What a caller did counts for
//! the queue he came to, also where its rules sent him on to another: the twin draws it there.

mod day;
mod fold;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use super::day::{Day, Fill, PAUSED_MAX, Row, Shift, WHOLE};
use crate::acd::config::FloorConfig;
use crate::id::{AgentId, QueueName};

pub use day::{CallerKind, Cell};
pub use fold::{Fold, Scope};

/// With fewer talks of a queue their length is not fitted.
pub const TALKS_MIN: u32 = 20;

/// The spreads of talks that are believed; as `--talk` takes them.
const SPREADS: (f64, f64) = (0.05, 5.0);

/// What the journal says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fitted {
    /// Length of an interval.
    pub interval: Duration,
    /// The days looked at, as `2026-12-01`.
    pub days: Vec<String>,
    /// Days within what was asked for on which nobody came to any queue, or that have not 24 hours.
    pub left_out: u32,
    /// Days on which the engine ran in each interval; of the others nothing is counted there.
    pub seen: Vec<u32>,
    /// By queue.
    pub queues: BTreeMap<QueueName, QueueFit>,
    /// By agent.
    pub agents: BTreeMap<AgentId, AgentFit>,
    /// How long agents let their phones ring before they answer; none when nobody answered.
    pub pick_up: Option<Duration>,
    /// How long an agent is away whom a rule of missed rings sent away; none when it sent nobody.
    pub rna_pause: Option<Duration>,
}

/// What the journal says of a queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueFit {
    /// Callers, over all days.
    pub calls: u32,
    /// Who came outside its hours: not in `calls`.
    pub closed: u32,
    /// Callers a day, by interval and by what they ask for.
    pub arrivals: BTreeMap<(usize, CallerKind), f64>,
    /// What became of them by interval, over all days.
    pub cells: BTreeMap<usize, Cell>,
    /// Talks.
    pub talks: u32,
    /// Mean talk in seconds, hold included; none without talks.
    pub talk_s: Option<f64>,
    /// Deviation ÷ mean of the log-normal talks; none with fewer than two.
    pub talk_spread: Option<f64>,
    /// Mean wrap-up for each talk, in seconds.
    pub wrap_up_s: Option<f64>,
    /// Callers who hung up while they waited.
    pub abandoned: u32,
    /// Mean patience in seconds; none when nobody hung up.
    pub patience_s: Option<f64>,
    /// Rings that an agent answered, or that failed.
    pub rings: u32,
    /// Share of them that nobody answered.
    pub missed: f64,
    /// Share of them that failed otherwise: declined, busy, not to be had.
    pub rejected: f64,
}

/// What the journal says of an agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AgentFit {
    /// When he is there, in minutes of the day: staffed on half of the days or more.
    pub shifts: Vec<(u32, u32)>,
    /// Time he was staffed, over all days.
    pub staffed: Duration,
    /// Part of it in which he was paused, not counting pauses by the rule of missed rings.
    pub paused: f64,
    /// Pauses that ended.
    pub pauses: u32,
    /// Mean length of one; none without any.
    pub pause: Option<Duration>,
}

/// Why the journal is not enough.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// No day counts.
    #[error(
        "the journal has no day with callers in what was asked for ({0} days without any were left out): take other days \
         with --since and --until, or leave --weekday out"
    )]
    NoDays(u32),
    /// None of the queues that are wanted had callers.
    #[error("on {0} days nobody came to a queue that is wanted and configured; the journal has: {1}")]
    NoCalls(usize, String),
    /// Too few talks.
    #[error(
        "queue {queue}: {calls} calls and {talks} talks on {days} days; {TALKS_MIN} talks are needed to fit their length: \
         take more days (--days, --since), leave the queue out (--only), or write its talk_s into a forecast (--day)"
    )]
    TooFew {
        /// The queue.
        queue: QueueName,
        /// Callers.
        calls: u32,
        /// Talks.
        talks: u32,
        /// Days looked at.
        days: usize,
    },
}

impl Fitted {
    /// The mean day as a forecast: queues of `floor`, of these only those of `only` unless that is empty.
    ///
    /// # Errors
    ///
    /// The journal holds too little.
    pub fn day(&self, floor: &FloorConfig, only: &[QueueName]) -> Result<Day, FitError> {
        self.some_days()?;
        let is_wanted = |queue: &QueueName| only.is_empty() || only.contains(queue);
        let mut rows = Vec::new();
        for (queue, fit) in self.queues.iter().filter(|(queue, _)| is_wanted(queue)) {
            if fit.arrivals.is_empty() || !floor.queues.contains_key(queue) {
                continue;
            }
            let fill = self.fill(queue)?;
            let row = |((interval, kind), calls): (&(usize, CallerKind), &f64)| Row {
                interval: *interval,
                queue: queue.clone(),
                calls: rounded(*calls),
                talk_s: fill.talk_s,
                patience_s: fill.patience_s,
                wrap_up_s: fill.wrap_up_s,
                talk_spread: fill.talk_spread,
                missed: fill.missed,
                rejected: fill.rejected,
                skills: kind.skills.clone(),
                priority: kind.priority,
                segment: kind.segment.clone(),
            };
            rows.extend(fit.arrivals.iter().map(row));
        }
        if rows.is_empty() {
            let known: Vec<&str> = self.queues.keys().map(QueueName::as_str).collect();
            return Err(FitError::NoCalls(self.days.len(), known.join(", ")));
        }
        Ok(Day { interval: self.interval, rows })
    }

    /// What takes the place of empty cells in the lines of a queue.
    ///
    /// # Errors
    ///
    /// The queue had too few talks.
    pub fn fill(&self, queue: &QueueName) -> Result<Fill, FitError> {
        self.some_days()?;
        let fit = self.queues.get(queue).cloned().unwrap_or_default();
        let Some(talk_s) = fit.talk_s.filter(|_| fit.talks >= TALKS_MIN) else {
            let days = self.days.len();
            return Err(FitError::TooFew { queue: queue.clone(), calls: fit.calls, talks: fit.talks, days });
        };
        Ok(Fill {
            talk_s: rounded(talk_s),
            patience_s: fit.patience_s.map(rounded),
            wrap_up_s: fit.wrap_up_s.map(rounded),
            talk_spread: fit.talk_spread.map(|spread| rounded(spread.clamp(SPREADS.0, SPREADS.1))),
            missed: Some(rounded(fit.missed)),
            rejected: Some(rounded(fit.rejected)),
        })
    }

    /// Who of the agents of `floor` is there when.
    pub fn shifts(&self, floor: &FloorConfig) -> Vec<Shift> {
        let mut shifts = Vec::new();
        for (agent, fit) in self.agents.iter().filter(|(agent, _)| floor.agents.contains_key(*agent)) {
            let minutes = |minutes: u32| Duration::from_secs(u64::from(minutes) * 60);
            shifts.extend(fit.shifts.iter().map(|(from, to)| Shift {
                agent: agent.clone(),
                from: minutes(*from),
                to: minutes(*to).min(WHOLE),
                paused: None,
                pause_s: None,
            }));
        }
        self.fill_shifts(&mut shifts);
        shifts
    }

    /// Shifts that do not say how much of them is paused take what the journal says of the agent.
    pub fn fill_shifts(&self, shifts: &mut [Shift]) {
        for shift in shifts {
            let Some(fit) = self.agents.get(&shift.agent) else { continue };
            if shift.paused.is_none() {
                shift.paused = Some(rounded(fit.paused.min(PAUSED_MAX)));
            }
            if shift.pause_s.is_none() {
                shift.pause_s = fit.pause.map(|pause| rounded(pause.as_secs_f64()));
            }
        }
    }

    /// Callers that came to queues which `floor` does not have, by queue.
    pub fn unknown<'a>(&'a self, floor: &'a FloorConfig) -> impl Iterator<Item = (&'a QueueName, u32)> {
        let unknown = self.queues.iter().filter(|(queue, _)| !floor.queues.contains_key(*queue));
        unknown.map(|(queue, fit)| (queue, fit.calls)).filter(|(_, calls)| *calls > 0)
    }

    fn some_days(&self) -> Result<(), FitError> {
        if self.days.is_empty() { Err(FitError::NoDays(self.left_out)) } else { Ok(()) }
    }
}

/// As it is written into a table, so that the table gives the very same day.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
