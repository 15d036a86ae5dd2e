//! The back-test: what the twin foretells beside what the journal's days had.
//!
//! A band of [`figures`](super::figures) is that of the twin's mean, which gets as narrow as one likes with more runs; the days
//! of the journal are a few that chance drew as well. So the band here is that in which the mean of so many days falls in 95
//! of 100 cases, if the twin is right: wider by √(1 + runs ÷ days).

use super::day::Day;
use super::figures::{Line, NAMES};
use super::fit::{Cell, Fitted, QueueFit};
use crate::id::QueueName;

/// The figures that are compared.
pub const COMPARED: [&str; 4] = ["offered", "abandoned", "service_level", "asa_seconds"];

/// One figure of a queue in one interval, or all day.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The queue.
    pub queue: QueueName,
    /// Which interval; none: all day.
    pub interval: Option<usize>,
    /// One of [`COMPARED`].
    pub name: &'static str,
    /// What the twin foretells.
    pub foretold: f64,
    /// Half the width of the band for the mean of the days.
    pub half: f64,
    /// What they had.
    pub real: f64,
}

impl Compared {
    /// The days lie within the band.
    pub fn is_within(&self) -> bool {
        // What is told to six places is not wrong by the seventh.
        (self.real - self.foretold).abs() <= self.half + 1e-6
    }
}

/// Every figure that both have.
pub fn compare(day: &Day, lines: &[Line], runs: u32, fitted: &Fitted) -> Vec<Compared> {
    let mut all = Vec::new();
    for line in lines {
        let Some(fit) = fitted.queues.get(&line.queue) else { continue };
        let intervals = day.rows.iter().filter(|row| row.queue == line.queue).map(|row| row.interval);
        let mut intervals: Vec<usize> = intervals.filter(|at| line.interval.is_none_or(|one| one == *at)).collect();
        intervals.sort_unstable();
        intervals.dedup();
        let Some((real, days)) = mean(fitted, fit, &intervals) else { continue };
        let wider = (1.0 + f64::from(runs) / days).sqrt();
        for name in COMPARED {
            let at = NAMES.iter().position(|known| *known == name);
            let figure = at.and_then(|at| line.figures.get(at).copied().flatten());
            let (Some(figure), Some(real)) = (figure, of(name, &real)) else { continue };
            let half = figure.half.unwrap_or(0.0) * wider;
            let (queue, interval) = (line.queue.clone(), line.interval);
            all.push(Compared { queue, interval, name, foretold: figure.mean, half, real });
        }
    }
    all
}

/// A day's figures: what a [`Cell`] has, a day.
#[derive(Default)]
struct Mean {
    calls: f64,
    answered: f64,
    within: f64,
    abandoned: f64,
    waited_s: f64,
}

/// The mean day in these intervals, and how many days that is (the fewest of any interval).
fn mean(fitted: &Fitted, fit: &QueueFit, intervals: &[usize]) -> Option<(Mean, f64)> {
    let (mut mean, mut fewest) = (Mean::default(), None::<u32>);
    for interval in intervals {
        let days = fitted.seen.get(*interval).copied().filter(|days| *days > 0)?;
        let cell = fit.cells.get(interval).copied().unwrap_or_default();
        let daily = |count: u32| f64::from(count) / f64::from(days);
        let Cell { calls, answered, within, abandoned, waited_s, .. } = cell;
        mean.calls += daily(calls);
        mean.answered += daily(answered);
        mean.within += daily(within);
        mean.abandoned += daily(abandoned);
        mean.waited_s += waited_s / f64::from(days);
        fewest = Some(fewest.map_or(days, |fewest| fewest.min(days)));
    }
    Some((mean, f64::from(fewest?)))
}

fn of(name: &str, mean: &Mean) -> Option<f64> {
    let ratio = |above: f64, below: f64| (below > 0.0).then(|| above / below);
    match name {
        "offered" => Some(mean.calls),
        "abandoned" => Some(mean.abandoned),
        "service_level" => ratio(mean.within, mean.calls),
        _ => ratio(mean.waited_s, mean.answered),
    }
}
