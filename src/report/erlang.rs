//! How many agents a queue needs: Erlang C (callers wait for ever) and Erlang A (they hang up after a while).
//!
//! Both take a single queue in its steady state: calls arrive at random (Poisson), talks have an exponential length,
//! each agent serves every caller, the longest waiting first. Erlang A (Palm 1946; Mandelbaum and Zeltyn 2005) adds
//! an exponential patience; with endless patience it becomes Erlang C.
//!
//! ```text
//!   calls λ  -->  waiting callers  -->  n agents, each 1/AHT     load a = λ · AHT, in erlang
//!                      |
//!                      +--> hang up, each at the rate 1/patience
//! ```
//!
//! Nothing here forms a factorial or a power of the load: the blocking of Erlang B comes by its recursion, what
//! follows from the density of the wait, scaled by its peak. From one agent to [`AGENTS_MOST`] no step overflows.
//!
//! - [`staffing`]: the number of agents that keeps a goal, and what has to be rostered for it.

mod patience;
pub mod staffing;
#[cfg(test)]
mod tests;

use std::time::Duration;

use patience::Wait;

/// More agents are not tried.
pub const AGENTS_MOST: u32 = 100_000;

/// More load is refused, in erlang: half of [`AGENTS_MOST`], so that nearly every goal has an answer.
pub const LOAD_MOST: f64 = 50_000.0;

/// Why there is nothing to compute. Always the asker's doing.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The number of calls is zero, negative or no number.
    #[error("the number of calls is to be over 0")]
    Calls,
    /// The interval in which the calls come is zero.
    #[error("the interval of the calls is to be over 0s")]
    Interval,
    /// The handle time is zero.
    #[error("the handle time is to be over 0s")]
    Handle,
    /// The patience is zero: everybody who has to wait would hang up at once.
    #[error("the patience is to be over 0s")]
    Patience,
    /// More than [`LOAD_MOST`]; holds the load asked for, in erlang.
    #[error("{0:.0} erlang are over the limit of 50000")]
    TooMuch(f64),
}

/// What comes to a queue, known to be computable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// λ.
    calls_per_second: f64,
    /// AHT, 1/μ.
    handle_seconds: f64,
    /// 1/θ; `None`: nobody hangs up, which is Erlang C.
    patience_seconds: Option<f64>,
}

/// What callers and agents of a queue see in the long run. Shares are 0 to 1 and of all calls that enter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Share that has to wait at all.
    pub waiting: f64,
    /// Share that reaches an agent.
    pub answered: f64,
    /// Share that reaches an agent within the time of the service level.
    pub answered_within: f64,
    /// Share that hangs up within that time.
    pub abandoned_within: f64,
    /// Share that hangs up so soon that it counts as a short abandon.
    pub abandoned_short: f64,
    /// Mean wait of those who reach an agent (ASA), in seconds.
    pub asa_seconds: f64,
    /// Mean wait of all, whether answered or not, in seconds.
    pub wait_seconds: f64,
    /// Callers waiting at a time, on average.
    pub in_queue: f64,
    /// Share of their time in which agents handle calls.
    pub occupancy: f64,
}

impl Figures {
    /// Share that hangs up, without short abandons above and below the line:
    /// (abandoned − short) ÷ (entered − short). With a short time of zero that is simply the share that hangs up.
    pub fn abandon_rate(&self) -> f64 {
        let late = (1.0 - self.answered - self.abandoned_short).max(0.0);
        ratio(late, 1.0 - self.abandoned_short)
    }
}

impl Load {
    /// `calls` in each interval of `per`, each keeping an agent busy for `handle` on average (talk, hold, wrap-up), and
    /// callers who hang up after `patience` on average; `None`: they wait for ever.
    ///
    /// # Errors
    ///
    /// One for each argument that is zero or out of range, and [`LoadError::TooMuch`] for what they make together.
    pub fn new(calls: f64, per: Duration, handle: Duration, patience: Option<Duration>) -> Result<Self, LoadError> {
        if !(calls.is_finite() && calls > 0.0) {
            return Err(LoadError::Calls);
        }
        if per.is_zero() {
            return Err(LoadError::Interval);
        }
        if handle.is_zero() {
            return Err(LoadError::Handle);
        }
        if patience.is_some_and(|patience| patience.is_zero()) {
            return Err(LoadError::Patience);
        }
        let load = Self {
            calls_per_second: calls / per.as_secs_f64(),
            handle_seconds: handle.as_secs_f64(),
            patience_seconds: patience.map(|patience| patience.as_secs_f64()),
        };
        if load.erlangs() > LOAD_MOST { Err(LoadError::TooMuch(load.erlangs())) } else { Ok(load) }
    }

    /// The agents that would be busy if nobody ever waited: λ · AHT, in erlang.
    pub fn erlangs(&self) -> f64 {
        self.calls_per_second * self.handle_seconds
    }

    /// Whether so many agents fall behind for ever: callers never hang up and come as fast as they are served, or faster.
    ///
    /// With any patience the queue is stable, for who is not served in the end goes away.
    pub fn grows_without_end(&self, agents: u32) -> bool {
        // A load of exactly so many erlang may come out an ulp below it.
        self.patience_seconds.is_none() && f64::from(agents) <= self.erlangs() * (1.0 + 1e-12)
    }

    /// What `agents` make of this load, with a service level of `within` and abandons up to `short` counted as short.
    ///
    /// `None` without any agents, and when the queue [grows without end](Self::grows_without_end).
    pub fn figures(&self, agents: u32, within: Duration, short: Duration) -> Option<Figures> {
        if agents == 0 || self.grows_without_end(agents) {
            return None;
        }
        let (within, short) = (within.as_secs_f64(), short.as_secs_f64());
        Some(match self.patience_seconds {
            Some(patience) => self.with_patience(agents, patience, within, short),
            None => self.without_patience(agents, within),
        })
    }

    /// Erlang C: who waits, waits exponentially, at the rate at which agents are freed beyond what arrives.
    fn without_patience(&self, agents: u32, within: f64) -> Figures {
        let (n, load) = (f64::from(agents), self.erlangs());
        let slack = (n - load) / self.handle_seconds;
        let waiting = 1.0 / (1.0 + (1.0 - load / n) / full_to_idle(load, agents));
        let wait_seconds = waiting / slack;
        Figures {
            waiting,
            answered: 1.0,
            answered_within: 1.0 - waiting * (-slack * within).exp(),
            abandoned_within: 0.0,
            abandoned_short: 0.0,
            asa_seconds: wait_seconds,
            wait_seconds,
            in_queue: self.calls_per_second * wait_seconds,
            occupancy: load / n,
        }
    }

    /// Erlang A: [`Wait`] is the wait that a caller would see who never hangs up.
    fn with_patience(&self, agents: u32, patience: f64, within: f64, short: f64) -> Figures {
        let (n, load) = (f64::from(agents), self.erlangs());
        let wait = Wait::new(self.calls_per_second, n / self.handle_seconds, patience);
        // 1/(1 + 1/x) and not x/(1 + x): x is infinite far above the load and zero far below it.
        let waiting = 1.0 / (1.0 + 1.0 / (full_to_idle(load, agents) * wait.to_full()));
        let all = wait.all();
        let answered = (1.0 - waiting) + waiting * all.served;
        let abandoned = waiting * all.left;
        let wait_seconds = abandoned * patience;
        Figures {
            waiting,
            answered,
            answered_within: (1.0 - waiting) + waiting * wait.until(within).served,
            abandoned_within: waiting * wait.left_by(within),
            abandoned_short: waiting * wait.left_by(short),
            asa_seconds: ratio(waiting * all.served_wait, answered),
            wait_seconds,
            in_queue: self.calls_per_second * wait_seconds,
            occupancy: load * answered / n,
        }
    }
}

/// The odds of "exactly all `agents` are busy, nobody waits" against "some agent is free", in a queue offered `load`
/// erlang: π(n) ÷ (π(0) + … + π(n−1)). Waiting callers do not change it.
///
/// By the recursion of Erlang B, B(k) = a·B(k−1) ÷ (k + a·B(k−1)), all of whose terms are positive: errors do not grow.
fn full_to_idle(load: f64, agents: u32) -> f64 {
    let mut blocking = 1.0;
    for k in 1..agents {
        let busy = load * blocking;
        blocking = busy / (f64::from(k) + busy);
    }
    load * blocking / f64::from(agents)
}

/// `part` of `whole`; of nothing, everything is as it should be: 0.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
