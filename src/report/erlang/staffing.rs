//! The other way round: from a goal to the number of agents, and to the number of names on the roster.

use std::time::Duration;

use super::{AGENTS_MOST, Figures, Load, ratio};

/// How a service level is counted. A: answered, B: abandoned, T: the time of the service level, S: the short time.
///
/// Without patience nobody hangs up and all are the same.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Formula {
    /// A≤T ÷ (A + B): every abandon counts against us. What `hatif_queue_answered_within_sl_total` over
    /// `hatif_queue_entered_total` gives.
    #[default]
    Strict,
    /// A≤T ÷ A: who hung up is not looked at.
    Answered,
    /// (A≤T + B≤T) ÷ (A + B): who hung up in time counts as served.
    AllPositive,
    /// A≤T ÷ (A + B>T): who hung up in time is not looked at.
    After,
    /// A≤T ÷ (A + B − B≤S): short abandons are not looked at.
    Short,
}

impl Formula {
    /// All of them, in the order of their documentation.
    pub const ALL: [Self; 5] = [Self::Strict, Self::Answered, Self::AllPositive, Self::After, Self::Short];

    /// Its name in commands and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Answered => "answered",
            Self::AllPositive => "all_positive",
            Self::After => "after",
            Self::Short => "short",
        }
    }

    /// The service level, 0 to 1.
    pub fn of(self, figures: &Figures) -> f64 {
        let within = figures.answered_within;
        let level = match self {
            Self::Strict => within,
            Self::Answered => ratio(within, figures.answered),
            Self::AllPositive => within + figures.abandoned_within,
            Self::After => ratio(within, 1.0 - figures.abandoned_within),
            Self::Short => ratio(within, 1.0 - figures.abandoned_short),
        };
        // Rounding may leave it an ulp beyond.
        level.clamp(0.0, 1.0)
    }
}

/// What a queue is to keep. Shares are 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// How the service level is counted.
    pub formula: Formula,
    /// The service level, below 1: that is reached by no number of agents.
    pub level: f64,
    /// The time within which a call is answered in time.
    pub within: Duration,
    /// Abandons up to this are short.
    pub short: Duration,
    /// Agents are busy no more than this share of their time.
    pub occupancy_most: Option<f64>,
    /// No more than this share hangs up ([`Figures::abandon_rate`]).
    pub abandon_most: Option<f64>,
}

impl Goal {
    /// What `agents` make of the load, measured as this goal wants; `None` when the queue grows without end.
    pub fn figures(&self, load: &Load, agents: u32) -> Option<Figures> {
        load.figures(agents, self.within, self.short)
    }

    /// Whether these figures keep every part of the goal.
    pub fn is_met(&self, figures: &Figures) -> bool {
        self.formula.of(figures) >= self.level
            && self.occupancy_most.is_none_or(|most| figures.occupancy <= most)
            && self.abandon_most.is_none_or(|most| figures.abandon_rate() <= most)
    }

    /// The fewest agents that keep the goal; `None` when [`AGENTS_MOST`] do not.
    ///
    /// Each further agent makes every part of the goal better, so halving finds it.
    pub fn agents_needed(&self, load: &Load) -> Option<u32> {
        let enough = |agents: u32| self.figures(load, agents).is_some_and(|figures| self.is_met(&figures));
        let (mut few, mut many) = (0, 1);
        while !enough(many) {
            if many == AGENTS_MOST {
                return None;
            }
            few = many;
            many = many.saturating_mul(2).min(AGENTS_MOST);
        }
        while many - few > 1 {
            let middle = u32::midpoint(few, many);
            if enough(middle) { many = middle } else { few = middle }
        }
        Some(many)
    }
}

/// How many have to be on the roster so that `agents` are there, when the share `shrinkage` (0 to below 1) of paid time
/// goes to leave, illness, breaks, training.
pub fn scheduled(agents: u32, shrinkage: f64) -> u32 {
    let exact = f64::from(agents) / (1.0 - shrinkage);
    // 14 ÷ 0.7 is 20 and not 21, whatever the last bit says.
    (exact - 1e-9).ceil() as u32
}
