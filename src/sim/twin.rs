//! The twin: a day's arrivals through the real floor on virtual time, many times over.
//!
//! [`Day`](day::Day) says what comes, [`Plan`] on which floor, [`run`] plays it `runs` times and [`figures`] tells what
//! came of it, each figure with its band. The floor is [`crate::acd::Floor`] with the real queues, skills and agents;
//! there are no phones, no flows and no audio, which is why a day takes a fraction of a second.
//!
//! Every caller's moment, talk and patience are drawn before the day begins, from the seed of the run alone. So the
//! same callers come to a floor that is changed, and what the change does is seen without the noise of other days.

pub mod chart;
pub mod compare;
pub mod day;
pub mod figures;
pub mod fit;
mod floor;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use super::dice::Dice;
use crate::acd::config::{AgentConfig, FloorConfig};
use crate::clock::Wall;
use crate::id::{AgentId, QueueName};
use crate::journal::Entry;
use day::{Day, Shift};
use figures::Run;

/// How long talks are around their mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// All alike.
    Fixed,
    /// Exponential: what the Erlang formulas take for granted.
    Exponential,
    /// Log-normal with this standard deviation, as a share of the mean: what call centres measure (Brown et al. 2005).
    LogNormal(f64),
}

/// What to play.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Queues and agents.
    pub floor: FloorConfig,
    /// What comes.
    pub day: Day,
    /// When the day begins, for the calendars of the queues; none: they are open all day.
    pub midnight: Option<Wall>,
    /// Who is there when; none: everybody, all day.
    pub shifts: Option<Vec<Shift>>,
    /// How long talks are around their mean.
    pub talk: Shape,
    /// Mean patience of callers whose row names none; `None`: they wait as long as the queue lets them.
    pub patience: Option<Duration>,
    /// How long an agent lets his phone ring before he answers.
    pub pick_up: Duration,
    /// What people do beside.
    pub habits: Habits,
    /// The first seed.
    pub seed: u64,
    /// How many days are played.
    pub runs: u32,
}

/// What people do that no line of the tables says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Habits {
    /// How long an agent is away whom a rule of missed rings sent away.
    pub rna_pause: Duration,
    /// Share of those who are called back who answer.
    pub reached: f64,
}

impl Default for Habits {
    fn default() -> Self {
        Self { rna_pause: Duration::from_secs(300), reached: 0.7 }
    }
}

/// Plays the day `runs` times; run n has the seed `seed + n`.
///
/// `origin` is the zero of virtual time; it does not influence the outcome.
pub fn run(origin: Instant, plan: &Plan) -> Vec<Run> {
    (0..u64::from(plan.runs)).map(|n| floor::play(origin, plan, plan.seed.wrapping_add(n))).collect()
}

/// Plays the day once, with this seed, and gives what the floor wrote into the journal meanwhile, from seq `first` on. Times
/// are those of [`Plan::midnight`]'s day.
pub fn journal(origin: Instant, plan: &Plan, seed: u64, first: u64) -> Vec<Entry> {
    floor::journal(origin, plan, seed, first)
}

/// A small change to a floor, to see what it would bring.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// One agent more in a queue, with every skill that is asked for there, all day.
    Agent(QueueName),
    /// One agent of a queue learns a skill, at the best level.
    Skill {
        /// Which queue asks for it.
        queue: QueueName,
        /// Who learns it.
        agent: AgentId,
        /// What.
        skill: String,
    },
}

/// At most so many changes are tried: each costs all runs again.
pub const CHANGES_MAX: usize = 24;

/// The best level of a skill.
const BEST: u8 = 10;

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agent(queue) => write!(f, "one agent more in {queue}"),
            Self::Skill { agent, skill, .. } => write!(f, "{agent} learns {skill}"),
        }
    }
}

impl Plan {
    /// The changes worth a look: one agent more in each queue of the day, and for each skill asked for there the first
    /// agent who lacks it learning it. At most [`CHANGES_MAX`].
    pub fn changes(&self) -> Vec<Change> {
        let queues = self.day.queues();
        let mut changes: Vec<Change> = queues.iter().cloned().map(Change::Agent).collect();
        for queue in &queues {
            for skill in self.skills_of(queue) {
                let lacks = |agent: &&AgentConfig| agent.queues.contains(queue) && !agent.skills.contains_key(&skill);
                let mut lacking: Vec<&AgentConfig> = self.floor.agents.values().filter(lacks).collect();
                lacking.sort_by(|a, b| (a.position, &a.id).cmp(&(b.position, &b.id)));
                let learner = lacking.first().map(|agent| agent.id.clone());
                changes.extend(learner.map(|agent| Change::Skill { queue: queue.clone(), agent, skill }));
            }
        }
        changes.truncate(CHANGES_MAX);
        changes
    }

    /// This plan with the change made.
    pub fn with(&self, change: &Change) -> Self {
        let mut plan = self.clone();
        match change {
            Change::Agent(queue) => {
                let mut agent = AgentConfig::new(plan.unused_id());
                agent.queues.insert(queue.clone());
                agent.skills = self.skills_of(queue).into_iter().map(|skill| (skill, BEST)).collect();
                agent.position = u32::MAX;
                if let Some(shifts) = &mut plan.shifts {
                    let (agent, to) = (agent.id.clone(), day::WHOLE);
                    shifts.push(Shift { agent, from: Duration::ZERO, to, paused: None, pause_s: None });
                }
                plan.floor.agents.insert(agent.id.clone(), agent);
            }
            Change::Skill { agent, skill, .. } => {
                if let Some(agent) = plan.floor.agents.get_mut(agent) {
                    agent.skills.insert(skill.clone(), BEST);
                }
            }
        }
        plan
    }

    /// An id that no agent has.
    fn unused_id(&self) -> AgentId {
        let ids = (0u32..).map(|n| AgentId::from(format!("more-{n}")));
        ids.into_iter().find(|id| !self.floor.agents.contains_key(id)).unwrap_or_else(|| "more".into())
    }

    /// The names of all skills that are asked for in a queue, preferences too; not those that one may not have.
    fn skills_of(&self, queue: &QueueName) -> Vec<String> {
        let of_queue = self.floor.queues.get(queue).map(|q| q.skills.clone()).unwrap_or_default();
        let of_rows = self.day.rows.iter().filter(|row| row.queue == *queue).flat_map(|row| row.skills.clone());
        let mut names: Vec<String> = Vec::new();
        for text in of_queue.into_iter().chain(of_rows).filter(|text| !text.contains('!')) {
            let Ok(skill) = text.parse::<crate::acd::Skill>() else { continue };
            names.extend(skill.names().map(str::to_owned));
        }
        names.sort();
        names.dedup();
        names
    }
}

/// A time around `mean_s` seconds.
fn draw(dice: &mut Dice, shape: Shape, mean_s: f64) -> Duration {
    let seconds = match shape {
        Shape::Fixed => mean_s,
        Shape::Exponential => -mean_s * dice.unit().ln(),
        Shape::LogNormal(spread) => {
            let variance = (1.0 + spread * spread).ln();
            // Box and Muller's normal number.
            let normal = (-2.0 * dice.unit().ln()).sqrt() * (std::f64::consts::TAU * dice.unit()).cos();
            mean_s * (normal * variance.sqrt() - variance / 2.0).exp()
        }
    };
    // Nobody talks for more than a day, and a microsecond is time enough.
    Duration::from_micros((seconds.clamp(0.0, 86_400.0) * 1e6) as u64)
}
