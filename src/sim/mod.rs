//! A virtual centre: the real engine, phones and a bad network on virtual time, all from one seed.
//!
//! SIP travels as bytes through a network that loses, repeats and reorders datagrams; RTP is modelled as ports that
//! open and close, sounds that take their time, and keys. After every step the invariants of the engine are checked,
//! every virtual minute the journal's folds are compared with the live state, and at the end nothing may be left.
//! A broken invariant names the seed: the same seed gives the same journal, byte for byte.

mod dice;
mod media;
mod phone;
mod world;

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
}

impl Plan {
    /// The standard world: 50 agents, 5 % loss, 900 callers an hour.
    pub fn new(seed: u64, hours: u64) -> Self {
        Self { seed, hours, agents: 50, loss_percent: 5, calls_per_hour: 900 }
    }
}

/// What a simulated day was like.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Outcome {
    /// Callers who phoned in.
    pub calls: u64,
    /// Callers who talked with an agent.
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
