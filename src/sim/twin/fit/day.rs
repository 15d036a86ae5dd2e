//! What one day of the journal had, and the mean of such days.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::civil::Date;

use super::{AgentFit, Fitted, QueueFit};
use crate::clock::Wall;
use crate::id::{AgentId, QueueName};

/// Minutes of a day.
const MINUTES: usize = 1_440;
/// Who is away for no longer than this, or there for no longer, in minutes, has not left, or not come: a phone that was
/// lost, somebody who looked in.
const GLIMPSE: usize = 15;

/// What a caller asks for beyond his queue.
#[derive(Clone, Debug, Default, Eq, PartialEq, Ord, PartialOrd)]
pub struct CallerKind {
    /// Skills beyond the queue's own.
    pub skills: Vec<String>,
    /// Minutes of waiting he is ahead.
    pub priority: u32,
    /// What kind of caller he is.
    pub segment: Option<String>,
}

/// What became of the callers of one interval, by when they came.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cell {
    /// Who came.
    pub calls: u32,
    /// An agent talked with them.
    pub answered: u32,
    /// … within the queue's target.
    pub within: u32,
    /// They hung up.
    pub abandoned: u32,
    /// A rule of the queue sent them away.
    pub left: u32,
    /// Waits of those answered, in seconds.
    pub waited_s: f64,
}

/// A number of things and the sum of their lengths.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sum {
    pub count: u32,
    pub seconds: f64,
}

impl Sum {
    pub fn add(&mut self, seconds: f64) {
        self.merge(Self { count: 1, seconds });
    }

    fn merge(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.seconds += other.seconds;
    }

    fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| self.seconds / f64::from(self.count))
    }

    /// So many rings had to begin for this many of that length to come to their end, where callers of this patience hang up.
    /// Without it shares would favour short rings.
    fn begun(self, patience_s: Option<f64>) -> f64 {
        let patience = patience_s.filter(|patience| *patience > 0.0);
        let lost = self.mean().zip(patience).map_or(0.0, |(ring, patience)| ring / patience);
        // More than a dozen for one is no estimate any more.
        f64::from(self.count) * lost.min(2.5).exp()
    }

    fn mean_time(self) -> Option<Duration> {
        self.mean().map(Duration::from_secs_f64)
    }
}

/// A queue on one day, or on all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct QueueTally {
    pub arrivals: BTreeMap<(usize, CallerKind), u32>,
    pub cells: BTreeMap<usize, Cell>,
    pub closed: u32,
    pub talks: Sum,
    /// Sums of the logarithms of talks, and of their squares.
    logs: (f64, f64),
    pub wrap_up_s: f64,
    pub waited_s: f64,
    pub abandoned: u32,
    pub accepted: Sum,
    pub missed: Sum,
    pub rejected: Sum,
}

impl QueueTally {
    pub fn talked(&mut self, seconds: f64) {
        self.talks.add(seconds);
        // A talk of nothing has no logarithm.
        let log = seconds.max(0.1).ln();
        self.logs = (self.logs.0 + log, self.logs.1 + log * log);
    }

    /// All but what belongs to an interval.
    fn merge(&mut self, other: &Self) {
        self.closed += other.closed;
        self.talks.merge(other.talks);
        self.logs = (self.logs.0 + other.logs.0, self.logs.1 + other.logs.1);
        self.wrap_up_s += other.wrap_up_s;
        self.waited_s += other.waited_s;
        self.abandoned += other.abandoned;
        self.accepted.merge(other.accepted);
        self.missed.merge(other.missed);
        self.rejected.merge(other.rejected);
    }

    fn merge_interval(&mut self, interval: usize, other: &Self) {
        for ((_, kind), calls) in other.arrivals.iter().filter(|((at, _), _)| *at == interval) {
            *self.arrivals.entry((interval, kind.clone())).or_default() += calls;
        }
        if let Some(more) = other.cells.get(&interval) {
            let cell = self.cells.entry(interval).or_default();
            cell.calls += more.calls;
            cell.answered += more.answered;
            cell.within += more.within;
            cell.abandoned += more.abandoned;
            cell.left += more.left;
            cell.waited_s += more.waited_s;
        }
    }

    fn fit(self, seen: &[u32]) -> QueueFit {
        let talks = f64::from(self.talks.count);
        // Unbiased: over one less than there are.
        let variance =
            (self.talks.count > 1).then(|| (self.logs.1 - self.logs.0 * self.logs.0 / talks) / (talks - 1.0));
        let patience_s = (self.abandoned > 0).then(|| self.waited_s / f64::from(self.abandoned));
        let [accepted, missed, rejected] = [self.accepted, self.missed, self.rejected].map(|sum| sum.begun(patience_s));
        let share = |rings: f64| if rings > 0.0 { rings / (accepted + missed + rejected) } else { 0.0 };
        let (missed, rejected) = (share(missed), share(rejected));
        let days = |interval: usize| f64::from(seen.get(interval).copied().unwrap_or(0).max(1));
        let mean = |((interval, kind), calls): ((usize, CallerKind), u32)| {
            ((interval, kind), f64::from(calls) / days(interval))
        };
        QueueFit {
            calls: self.arrivals.values().sum(),
            closed: self.closed,
            arrivals: self.arrivals.into_iter().map(mean).collect(),
            cells: self.cells,
            talks: self.talks.count,
            talk_s: self.talks.mean(),
            talk_spread: variance.map(|variance| (variance.max(0.0).exp() - 1.0).sqrt()),
            wrap_up_s: (self.talks.count > 0).then(|| self.wrap_up_s / talks),
            abandoned: self.abandoned,
            patience_s,
            rings: self.accepted.count + self.missed.count + self.rejected.count,
            missed,
            rejected,
        }
    }
}

/// An agent on one day.
#[derive(Clone, Debug, Default)]
pub(super) struct AgentTally {
    /// The minutes in which he was staffed.
    minutes: Vec<bool>,
    pub staffed_s: f64,
    pub paused_s: f64,
    pub pauses: Sum,
}

impl AgentTally {
    /// He was staffed between these seconds of the day.
    pub fn was_there(&mut self, from_s: f64, to_s: f64) {
        self.minutes.resize(MINUTES, false);
        // A minute is his when he was there in the middle of it.
        let minute = |seconds: f64| (seconds / 60.0).round().max(0.0) as usize;
        let (from, to) = (minute(from_s).min(MINUTES), minute(to_s).min(MINUTES));
        self.minutes.iter_mut().take(to).skip(from).for_each(|is_there| *is_there = true);
    }
}

/// One day.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub date: Date,
    /// Its first moment and that of the day after.
    pub begins: Wall,
    pub ends: Wall,
    /// Seconds the engine ran, by interval.
    up_s: Vec<f64>,
    pub queues: BTreeMap<QueueName, QueueTally>,
    pub agents: BTreeMap<AgentId, AgentTally>,
    /// Rings until an agent answered.
    pub rings: Sum,
    /// Times away after missed rings.
    pub rna: Sum,
}

impl Tally {
    pub fn new(date: Date, begins: Wall, ends: Wall) -> Self {
        let (queues, agents, up_s) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { date, begins, ends, up_s, queues, agents, rings: Sum::default(), rna: Sum::default() }
    }

    /// Seconds after midnight, within the day.
    pub fn second(&self, at: Wall) -> f64 {
        at.min(self.ends).since(self.begins).as_secs_f64()
    }

    pub fn ran(&mut self, interval: Duration, from: Wall, to: Wall) {
        let (from_s, to_s, length) = (self.second(from), self.second(to), interval.as_secs_f64());
        self.up_s.resize((86_400.0 / length) as usize, 0.0);
        for (up, begins) in self.up_s.iter_mut().zip((0u32..).map(|n| f64::from(n) * length)) {
            *up += (to_s.min(begins + length) - from_s.max(begins)).max(0.0);
        }
    }

    /// Somebody came to a queue in its hours.
    pub fn has_callers(&self) -> bool {
        self.queues.values().any(|queue| !queue.arrivals.is_empty())
    }

    fn has_seen(&self, interval: usize, length: Duration) -> bool {
        self.up_s.get(interval).is_some_and(|up| *up >= length.as_secs_f64() / 2.0)
    }
}

/// The mean of these days.
pub(super) fn mean(interval: Duration, days: &VecDeque<Tally>, left_out: u32) -> Fitted {
    let count = (86_400 / interval.as_secs().max(1)) as usize;
    let seen = |at: usize| days.iter().filter(|day| day.has_seen(at, interval)).count();
    let seen: Vec<u32> = (0..count).map(|at| u32::try_from(seen(at)).unwrap_or(u32::MAX)).collect();
    let mut queues: BTreeMap<QueueName, QueueTally> = BTreeMap::new();
    let (mut rings, mut rna) = (Sum::default(), Sum::default());
    for day in days {
        rings.merge(day.rings);
        rna.merge(day.rna);
        for (name, tally) in &day.queues {
            let sum = queues.entry(name.clone()).or_default();
            sum.merge(tally);
            for at in (0..count).filter(|at| day.has_seen(*at, interval)) {
                sum.merge_interval(at, tally);
            }
        }
    }
    let mut agents: BTreeMap<AgentId, Vec<&AgentTally>> = BTreeMap::new();
    for (name, tally) in days.iter().flat_map(|day| &day.agents) {
        agents.entry(name.clone()).or_default().push(tally);
    }
    Fitted {
        interval,
        days: days.iter().map(|day| day.date.to_string()).collect(),
        left_out,
        queues: queues.into_iter().map(|(name, tally)| (name, tally.fit(&seen))).collect(),
        agents: agents.into_iter().map(|(name, tallies)| (name, agent(&tallies, days.len()))).collect(),
        seen,
        pick_up: rings.mean_time(),
        rna_pause: rna.mean_time(),
    }
}

fn agent(tallies: &[&AgentTally], days: usize) -> AgentFit {
    let mut pauses = Sum::default();
    tallies.iter().for_each(|tally| pauses.merge(tally.pauses));
    let staffed_s: f64 = tallies.iter().map(|tally| tally.staffed_s).sum();
    let paused_s: f64 = tallies.iter().map(|tally| tally.paused_s).sum();
    let on = |minute: usize| tallies.iter().filter(|tally| tally.minutes.get(minute) == Some(&true)).count();
    let there: Vec<bool> = (0..MINUTES).map(|minute| on(minute) * 2 >= days.max(1)).collect();
    AgentFit {
        shifts: shifts(&there),
        staffed: Duration::from_secs_f64(staffed_s),
        paused: if staffed_s > 0.0 { paused_s / staffed_s } else { 0.0 },
        pauses: pauses.count,
        pause: pauses.mean_time(),
    }
}

/// The stretches of minutes in which somebody is there, without glimpses.
fn shifts(there: &[bool]) -> Vec<(u32, u32)> {
    let mut stretches: Vec<(usize, usize)> = Vec::new();
    for (minute, _) in there.iter().enumerate().filter(|(_, is_there)| **is_there) {
        match stretches.last_mut() {
            Some((_, to)) if minute - *to <= GLIMPSE => *to = minute + 1,
            Some(_) | None => stretches.push((minute, minute + 1)),
        }
    }
    let long = stretches.into_iter().filter(|(from, to)| to - from > GLIMPSE);
    long.map(|(from, to)| (u32::try_from(from).unwrap_or(0), u32::try_from(to).unwrap_or(0))).collect()
}
