//! What came of the days: figures by queue and interval, each with its band.
//!
//! Every figure is a sum over a sum (answered in time over all who came; seconds waited over callers answered), so runs
//! with few callers weigh little. The band is that of 95 % confidence of such a ratio over independent runs; with one
//! run there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::day::{Day, Row};
use crate::acd::config::FloorConfig;
use crate::id::{AgentId, QueueName};
use crate::journal::AgentStateName;

/// The figures, in the order of [`Cell`].
pub const NAMES: [&str; 8] =
    ["offered", "answered", "abandoned", "left", "service_level", "asa_seconds", "p80_seconds", "occupancy"];

/// Numerator and denominator of each figure in one run.
pub type Cell = [(f64, f64); NAMES.len()];

/// How a caller's stay ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stay {
    Answered,
    Abandoned,
    /// By a rule of the queue: it was full, the longest wait was over, nobody was there.
    Left,
}

/// One interval of a queue in one run.
#[derive(Clone, Debug, Default, PartialEq)]
struct Tally {
    answered: u32,
    within: u32,
    abandoned: u32,
    left: u32,
    /// Seconds waited by each who was answered.
    waits: Vec<f32>,
    /// Seconds its agents were busy (talk, hold, wrap-up, ring), and ready.
    busy_s: f64,
    ready_s: f64,
}

/// What came of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    interval: Duration,
    targets: BTreeMap<QueueName, Duration>,
    queues_of: BTreeMap<AgentId, BTreeSet<QueueName>>,
    tallies: BTreeMap<QueueName, BTreeMap<usize, Tally>>,
}

impl Run {
    pub(super) fn new(day: &Day, floor: &FloorConfig) -> Self {
        let mut tallies: BTreeMap<QueueName, BTreeMap<usize, Tally>> = BTreeMap::new();
        for row in &day.rows {
            tallies.entry(row.queue.clone()).or_default().insert(row.interval, Tally::default());
        }
        Self {
            interval: day.interval,
            targets: floor.queues.values().map(|queue| (queue.name.clone(), queue.service_level)).collect(),
            queues_of: floor.agents.values().map(|agent| (agent.id.clone(), agent.queues.clone())).collect(),
            tallies,
        }
    }

    /// A caller of this row is no longer in the queue.
    pub(super) fn stayed(&mut self, row: &Row, stay: Stay, waited: Duration) {
        let target = self.targets.get(&row.queue).copied().unwrap_or_default();
        let Some(tally) = self.tallies.get_mut(&row.queue).and_then(|queue| queue.get_mut(&row.interval)) else {
            return;
        };
        match stay {
            Stay::Answered => {
                tally.answered += 1;
                tally.within += u32::from(waited <= target);
                tally.waits.push(waited.as_secs_f32());
            }
            Stay::Abandoned => tally.abandoned += 1,
            Stay::Left => tally.left += 1,
        }
    }

    /// An agent was in a state for a time: it counts in each of his queues, in each interval it touches.
    pub(super) fn was(&mut self, agent: &AgentId, state: AgentStateName, from: Duration, to: Duration) {
        let is_busy = match state {
            AgentStateName::Ringing | AgentStateName::Busy | AgentStateName::Hold | AgentStateName::WrapUp => true,
            AgentStateName::Ready => false,
            AgentStateName::Offline | AgentStateName::Paused | AgentStateName::Unreachable => return,
        };
        let Some(queues) = self.queues_of.get(agent) else { return };
        let length = self.interval.as_secs_f64().max(1.0);
        let first = (from.as_secs_f64() / length) as usize;
        let last = (to.as_secs_f64() / length) as usize;
        for queue in queues {
            let Some(tallies) = self.tallies.get_mut(queue) else { continue };
            for (interval, tally) in tallies.range_mut(first..=last) {
                let (start, end) = (*interval as f64 * length, (*interval + 1) as f64 * length);
                let seconds = (to.as_secs_f64().min(end) - from.as_secs_f64().max(start)).max(0.0);
                *(if is_busy { &mut tally.busy_s } else { &mut tally.ready_s }) += seconds;
            }
        }
    }

    /// The day is over: what is asked for often is put in order.
    pub(super) fn settle(&mut self) {
        for tally in self.tallies.values_mut().flat_map(BTreeMap::values_mut) {
            tally.waits.sort_by(f32::total_cmp);
        }
    }

    /// The figures of one queue in some of its intervals, by numerator and denominator.
    fn cell(&self, queue: &QueueName, wanted: impl Fn(usize) -> bool) -> Cell {
        let mut sum = Tally::default();
        let of_queue = self.tallies.get(queue).into_iter().flatten();
        for (_, tally) in of_queue.filter(|(interval, _)| wanted(**interval)) {
            sum.answered += tally.answered;
            sum.within += tally.within;
            sum.abandoned += tally.abandoned;
            sum.left += tally.left;
            sum.waits.extend(&tally.waits);
            sum.busy_s += tally.busy_s;
            sum.ready_s += tally.ready_s;
        }
        sum.waits.sort_by(f32::total_cmp);
        let (answered, abandoned, left) = (f64::from(sum.answered), f64::from(sum.abandoned), f64::from(sum.left));
        let waited: f64 = sum.waits.iter().map(|wait| f64::from(*wait)).sum();
        let p80 = quantile(&sum.waits, 0.8);
        [
            (answered + abandoned + left, 1.0),
            (answered, 1.0),
            (abandoned, 1.0),
            (left, 1.0),
            (f64::from(sum.within), answered + abandoned + left),
            (waited, answered),
            p80.map_or((0.0, 0.0), |p80| (p80, 1.0)),
            (sum.busy_s, sum.busy_s + sum.ready_s),
        ]
    }
}

/// The smallest value that so many of these sorted ones do not exceed.
fn quantile(sorted: &[f32], share: f64) -> Option<f64> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).map(|value| f64::from(*value))
}

/// A figure and its band of 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The figure.
    pub mean: f64,
    /// Half the width of the band; none with fewer than two runs.
    pub half: Option<f64>,
}

impl Estimate {
    /// Over runs, each with a numerator and a denominator. None when there is nothing to divide by.
    fn of(runs: &[(f64, f64)]) -> Option<Self> {
        let (mean, residuals) = linear(runs)?;
        Some(Self { mean, half: half_width(&residuals) })
    }

    /// What the second figure is more than the first, over runs that had the same callers.
    fn difference(before: &[(f64, f64)], after: &[(f64, f64)]) -> Option<Self> {
        let ((old, old_residuals), (new, new_residuals)) = (linear(before)?, linear(after)?);
        let paired: Vec<f64> = new_residuals.iter().zip(&old_residuals).map(|(new, old)| new - old).collect();
        Some(Self { mean: new - old, half: half_width(&paired) })
    }
}

/// The ratio of the sums, and what each run adds to its error (the delta method).
fn linear(runs: &[(f64, f64)]) -> Option<(f64, Vec<f64>)> {
    let (above, below) = runs.iter().fold((0.0, 0.0), |(a, b), (num, den)| (a + num, b + den));
    if below <= 0.0 {
        return None;
    }
    let (ratio, mean_below) = (above / below, below / runs.len() as f64);
    Some((ratio, runs.iter().map(|(num, den)| (num - ratio * den) / mean_below).collect()))
}

/// Half the 95 % band of a mean whose deviations these are.
fn half_width(residuals: &[f64]) -> Option<f64> {
    let n = residuals.len();
    if n < 2 {
        return None;
    }
    let mean = residuals.iter().sum::<f64>() / n as f64;
    let variance = residuals.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / (n - 1) as f64;
    Some(student(n - 1) * (variance / n as f64).sqrt())
}

/// The 97.5 % point of Student's distribution (Cornish and Fisher's expansion; exact to 0.01 from five degrees on).
fn student(degrees: usize) -> f64 {
    let (z, d) = (1.959_964_f64, degrees as f64);
    match degrees {
        0 | 1 => 12.706,
        2 => 4.303,
        3 => 3.182,
        4 => 2.776,
        _ => {
            let first = (z.powi(3) + z) / (4.0 * d);
            let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * d * d);
            let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / (384.0 * d.powi(3));
            z + first + second + third
        }
    }
}

/// The figures of one line: a queue in one interval, or all its day.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The queue.
    pub queue: QueueName,
    /// Which interval; none: all of them together.
    pub interval: Option<usize>,
    /// In the order of [`NAMES`]; none where there is nothing to tell.
    pub figures: [Option<Estimate>; NAMES.len()],
}

/// All lines: each queue by interval, then its whole day.
pub fn lines(day: &Day, runs: &[Run]) -> Vec<Line> {
    let mut lines = Vec::new();
    for queue in day.queues() {
        let intervals: BTreeSet<usize> = day.rows.iter().filter(|r| r.queue == queue).map(|r| r.interval).collect();
        for interval in intervals.into_iter().map(Some).chain([None]) {
            lines.push(line(&queue, interval, runs));
        }
    }
    lines
}

fn line(queue: &QueueName, interval: Option<usize>, runs: &[Run]) -> Line {
    let cells = cells(queue, |i| interval.is_none_or(|wanted| wanted == i), runs);
    let figures = std::array::from_fn(|at| Estimate::of(&column(&cells, at)));
    Line { queue: queue.clone(), interval, figures }
}

/// The figures of a queue from one interval on: what it is like when the empty floor of the morning is forgotten.
pub fn from_interval(queue: &QueueName, first: usize, runs: &[Run]) -> Line {
    let cells = cells(queue, |interval| interval >= first, runs);
    let figures = std::array::from_fn(|at| Estimate::of(&column(&cells, at)));
    Line { queue: queue.clone(), interval: None, figures }
}

/// What a change brings to each queue over the whole day, in the order of [`NAMES`].
pub fn differences(day: &Day, before: &[Run], after: &[Run]) -> Vec<Line> {
    let difference = |queue: QueueName| {
        let (old, new) = (cells(&queue, |_| true, before), cells(&queue, |_| true, after));
        let figures = std::array::from_fn(|at| Estimate::difference(&column(&old, at), &column(&new, at)));
        Line { queue, interval: None, figures }
    };
    day.queues().into_iter().map(difference).collect()
}

fn cells(queue: &QueueName, wanted: impl Fn(usize) -> bool, runs: &[Run]) -> Vec<Cell> {
    runs.iter().map(|run| run.cell(queue, &wanted)).collect()
}

fn column(cells: &[Cell], at: usize) -> Vec<(f64, f64)> {
    cells.iter().filter_map(|cell| cell.get(at)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_points_are_those_of_the_table() {
        for (degrees, point) in [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (19, 2.093), (120, 1.980)]
        {
            assert!((student(degrees) - point).abs() < 0.012, "{degrees}: {}", student(degrees));
        }
    }

    #[test]
    fn a_ratio_weighs_runs_by_their_callers_and_a_quantile_is_a_value_that_was_seen() {
        let estimate = Estimate::of(&[(1.0, 1.0), (30.0, 99.0)]).unwrap();
        assert!((estimate.mean - 0.31).abs() < 1e-12 && estimate.half.unwrap() > 0.0);
        assert_eq!(Estimate::of(&[(0.0, 0.0)]), None);
        assert_eq!(Estimate::of(&[(2.0, 1.0)]).unwrap(), Estimate { mean: 2.0, half: None });
        let same = [(3.0, 4.0), (5.0, 9.0)];
        assert_eq!(Estimate::difference(&same, &same).unwrap(), Estimate { mean: 0.0, half: Some(0.0) });
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.8), Some(4.0));
        assert_eq!(quantile(&[], 0.8), None);
    }
}
