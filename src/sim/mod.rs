//! A virtual centre: the real engine, phones and a bad network on virtual time, all from one seed.
//!
//! SIP travels as bytes through a network that loses, repeats and reorders datagrams; RTP is modelled as ports that
//! open and close, sounds that take their time, and keys. Customers call from everywhere and from a trunk, agents call
//! out, call each other and use feature codes, a supervisor listens, phones lose power, the configuration changes, the
//! process dies and starts again from its journal, and at the end it drains. After every step the invariants of the
//! engine and of the journal are checked, every virtual minute the journal's folds are compared with the live state,
//! and at the end nothing may be left.
//! A broken invariant names the seed: the same seed gives the same journal, byte for byte.
//!
//! [`twin`] is another world: the floor alone, with the real configuration and tomorrow's callers.

mod centre;
mod dice;
mod fate;
mod ledger;
mod media;
mod people;
mod phone;
pub mod twin;
mod world;

use std::collections::BTreeMap;
use std::time::Instant;

pub use world::World;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Decides everything.
    pub seed: u64,
    /// Virtual hours in which callers arrive; the last calls end after that.
    pub hours: u64,
    /// Agents on the floor.
    pub agents: u64,
    /// Datagrams lost, in percent.
    pub loss_percent: u64,
    /// Callers per hour, on average.
    pub calls_per_hour: u64,
    /// How often the process dies and starts again.
    pub crashes: u64,
    /// A fault put in on purpose, to see that it is found.
    pub sabotage: Option<Sabotage>,
}

/// A fault put in on purpose. Each must break an invariant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sabotage {
    /// One journal entry is lost: a caller leaves his queue without a word.
    LosesEntry,
    /// One journal entry is written twice.
    WritesTwice,
    /// The journal shows an agent in another state than he is in.
    ShowsWrongState,
    /// A media port never comes back.
    KeepsPort,
    /// A caller hears nothing of his INVITE.
    AnswersNothing,
    /// A caller gets a 486 after his 200.
    AnswersTwice,
    /// The journal says that it is on disk, and it is not.
    CommitsNothing,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::LosesEntry,
        Self::WritesTwice,
        Self::ShowsWrongState,
        Self::KeepsPort,
        Self::AnswersNothing,
        Self::AnswersTwice,
        Self::CommitsNothing,
    ];
}

impl Plan {
    /// The standard world: 50 agents, 5 % loss, 900 callers an hour, one crash.
    pub fn new(seed: u64, hours: u64) -> Self {
        let (agents, loss_percent, calls_per_hour, crashes) = (50, 5, 900, 1);
        Self { seed, hours, agents, loss_percent, calls_per_hour, crashes, sabotage: None }
    }
}

/// What a simulated day was like.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Outcome {
    /// Calls by the journal.
    pub calls: u64,
    /// Callers who talked with an agent of a queue.
    pub answered: u64,
    /// Callers who hung up in a queue.
    pub abandoned: u64,
    /// Rings at agents.
    pub offers: u64,
    /// Inputs to the engine.
    pub steps: u64,
    /// Journal entries.
    pub entries: u64,
    /// SHA-256 of the journal as it would be written, in hex.
    pub journal: String,
    /// How often everything else happened, by words: `offer.NoAnswer`, `end.QueueFull`, `phone.cancel`…
    pub happened: BTreeMap<String, u64>,
}

/// Runs one world to its end.
///
/// `origin` is the zero of virtual time; it does not influence the outcome.
///
/// # Errors
///
/// The invariant that broke, with the seed and the virtual time.
pub fn run(origin: Instant, plan: Plan) -> Result<Outcome, String> {
    let mut world = World::new(origin, plan)?;
    world.run().map_err(|fault| {
        let at = world.elapsed();
        format!("seed {} broke at {:.3} s of virtual time: {fault}", plan.seed, at.as_secs_f64())
    })
}
