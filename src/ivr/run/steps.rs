//! For tools that walk flows without a phone: what a run waits for, and a run that stops before every node.
//!
//! A run that walks by steps stops where another would go on at once. Whoever leads it sees the node it is about to
//! enter, may suppose another world or send it elsewhere, and lets it enter.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::{Next, Phase, Run, State, UnknownFlow};
use crate::ivr::expr::{Facts, QueueFacts, Supposition, Value, World};
use crate::ivr::flow::{Library, Program};

/// What a run waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Waits {
    /// Something is said, and then it goes on.
    Sound,
    /// A question: keys. `speaks` while it is being said, `begun` once part of the answer is there.
    Keys {
        /// The question is still being said.
        speaks: bool,
        /// Some keys of the answer are pressed.
        begun: bool,
    },
    /// The answer of a service.
    Service,
    /// A bot that talks with the caller.
    Bot,
    /// A queue, or the agent's hanging up.
    Queue,
    /// A call back that is booked, a message that is left, or something that is recorded.
    Booking,
    /// The end of a transfer.
    Transfer,
    /// Nothing: it is over.
    Nothing,
}

/// Where a run that walks by steps has stopped.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps {
    on: bool,
    /// The next node may be entered.
    pass: bool,
    before: Option<Next>,
}

impl Steps {
    /// What is to be done now; `None` when it waits to be let on.
    pub(super) fn let_pass(&mut self, next: Next) -> Option<Next> {
        if !self.on || std::mem::take(&mut self.pass) {
            return Some(next);
        }
        self.before = Some(next);
        None
    }
}

impl Run {
    /// As [`Run::new`], but it stops before every node until [`Run::step`].
    ///
    /// # Errors
    ///
    /// [`UnknownFlow`] when the library has none of this name.
    pub fn by_steps(now: Instant, library: Arc<Library>, flow: &str, facts: Facts) -> Result<Self, UnknownFlow> {
        let mut run = Self::before_start(now, library, flow, facts)?;
        run.steps = Steps { on: true, pass: false, before: Some(Next::Node(run.program.start.name.clone())) };
        Ok(run)
    }

    /// The flow and node it has stopped before.
    pub fn before(&self) -> Option<(&str, &str)> {
        match self.steps.before.as_ref()? {
            Next::Node(node) => Some((&self.program.name, node)),
            Next::Call { flow: name, .. } | Next::Flow(name) => match self.library.flows.get(name) {
                Some(flow) => Some((&flow.name, &flow.start.name)),
                None => Some((name, "")),
            },
        }
    }

    /// Enters the node it has stopped before; it stops again before the next, or waits.
    pub fn step(&mut self, now: Instant, world: &dyn World) {
        if let Some(next) = self.steps.before.take() {
            self.steps.pass = true;
            self.walk(now, next, world);
            self.steps.pass = false;
        }
    }

    /// Sends it before another node of the flow it is in, or of flow `target`, whatever it waits for.
    pub fn force(&mut self, target: &str, to_flow: bool) {
        let name = target.to_owned();
        self.steps.before = Some(if to_flow { Next::Flow(name) } else { Next::Node(name) });
    }

    /// From now on the world is as supposed; `queues` receives what queues it names. False when it cannot be.
    pub fn suppose(&mut self, what: &Supposition, queues: &mut BTreeMap<String, QueueFacts>) -> bool {
        what.apply(&mut self.vars, &mut self.language, &mut self.facts, queues)
    }

    /// The flow it is in.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// What was known when it began.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The variables of the flow it is in.
    pub fn vars(&self) -> &BTreeMap<String, Value> {
        &self.vars
    }

    /// What it waits for; of a run that has stopped before a node nothing can be said.
    pub fn waits(&self) -> Waits {
        match &self.state {
            State::Playing { .. } => Waits::Sound,
            State::Asking { digits, phase, .. } => {
                Waits::Keys { speaks: matches!(phase, Phase::Speaking { .. }), begun: !digits.is_empty() }
            }
            State::Fetching(_) => Waits::Service,
            State::Queued => Waits::Queue,
            State::Forked(_) => Waits::Bot,
            State::Booking | State::Recording => Waits::Booking,
            State::Transferring => Waits::Transfer,
            State::Done => Waits::Nothing,
        }
    }
}
