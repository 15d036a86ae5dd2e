//! Flows that call each other: whoever calls waits in a frame until the other one comes back.
//!
//! ```text
//!   main: … → survey (kind = "flow") ─── with ──→ survey: start → … → "return"
//!             next ←───────────────── into ──────────────────────────────┘
//! ```
//!
//! Variables belong to one frame, the caller's language to all. A flow that brought the caller to a queue or to somebody
//! else did so for the flows that called it too: the outcome they are left with says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::expr::{Scene, Value};
use super::super::flow::{NodeKind, Program, SubFlow};
use super::{Next, Output, Run, State, UnknownFlow};
use crate::journal::{FlowFault, FlowOutcome, Kind};

/// Most flows that serve one caller at once: one, and those that wait for it.
pub const DEPTH: usize = 8;

/// A flow that waits for the one it called.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    program: Arc<Program>,
    /// The node that called.
    node: String,
    vars: BTreeMap<String, Value>,
    outcome: FlowOutcome,
    /// The language that was changed only because the called flow does not speak it, and the one in its place.
    lent: Option<(String, String)>,
}

impl Run {
    /// What the node gives the flow that it calls.
    pub(super) fn give(&self, sub: &SubFlow, scene: &Scene<'_>) -> Result<Next, String> {
        let program =
            self.library.flows.get(&sub.flow.name).ok_or_else(|| UnknownFlow(sub.flow.name.clone()).to_string())?;
        let mut given = Vec::new();
        for with in &sub.with {
            let (name, value) = (&with.param.name, with.value.evaluate(scene)?);
            let wanted = program.vars.get(name).map(Value::ty);
            if wanted != Some(value.ty()) {
                return Err(format!("parameter \"{name}\" cannot hold a {}", value.ty().as_str()));
            }
            given.push((name.clone(), value));
        }
        Ok(Next::Call { flow: sub.flow.name.clone(), given })
    }

    /// Another flow begins, and this one waits for it.
    pub(super) fn call_flow(&mut self, flow: &str, given: Vec<(String, Value)>) -> Result<(), String> {
        let program = self.library.flows.get(flow).cloned().ok_or_else(|| UnknownFlow(flow.to_owned()).to_string())?;
        if self.frames.len() + 1 >= DEPTH {
            return Err(format!("more than {DEPTH} flows call each other"));
        }
        let start = program.start.name.clone();
        let frame = Frame {
            program: std::mem::replace(&mut self.program, program),
            node: std::mem::replace(&mut self.node, start),
            vars: std::mem::take(&mut self.vars),
            outcome: self.outcome,
            lent: None,
        };
        self.frames.push(frame);
        let before = self.language.clone();
        self.begin_flow();
        let lent = (before != self.language).then(|| (before, self.language.clone()));
        if let Some(frame) = self.frames.last_mut() {
            frame.lent = lent;
        }
        self.vars.extend(given);
        Ok(())
    }

    /// The way out of a flow: back to the one that called it, or to the end of the call.
    pub(super) fn come_back(&mut self) -> Option<Next> {
        let Some(frame) = self.frames.pop() else {
            self.hang_up();
            return None;
        };
        let outcome = self.outcome;
        self.leave_flow(if outcome == FlowOutcome::Contained { FlowOutcome::Returned } else { outcome });
        let returning = std::mem::replace(&mut self.program, frame.program);
        let values = std::mem::replace(&mut self.vars, frame.vars);
        self.node = frame.node;
        self.outcome = carried(outcome, frame.outcome);
        if let Some((before, lent)) = frame.lent
            && self.language == lent
        {
            self.language.clone_from(&before);
            self.outputs.push_back(Output::Language(before));
        }
        let program = Arc::clone(&self.program);
        let Some(NodeKind::Flow(sub)) = program.nodes.get(&self.node).map(|node| &node.kind) else {
            self.fail(FlowFault::NotThere, format!("node {} called no flow", self.node));
            return None;
        };
        for taken in &sub.into {
            // A flow that was gone on to from the one called returns what it declares.
            let is_returned = returning.returns.contains(&taken.returned.name);
            if let Some(value) = values.get(&taken.returned.name).filter(|_| is_returned)
                && let Err(detail) = self.assign(&taken.variable, value.clone())
            {
                let detail = format!("flow {} node {}: {detail}", program.name, self.node);
                self.outputs.push_back(Output::Journal(Kind::Trouble { code: "flow_expression".to_owned(), detail }));
            }
        }
        Some(Next::Node(sub.next.name.clone()))
    }

    /// The present flow makes room for another, which is its flow's caller's business too.
    pub(super) fn replace_flow(&mut self) {
        let outcome = self.outcome;
        self.leave_flow(outcome);
        if let Some(frame) = self.frames.last_mut() {
            frame.outcome = carried(outcome, frame.outcome);
        }
    }

    /// The flow is done: the caller hears no more.
    pub(super) fn hang_up(&mut self) {
        self.leave_all(|outcome| outcome);
        self.state = State::Done;
        self.outputs.push_back(Output::Hangup);
    }

    /// Leaves the present flow and all that wait for it, each with what `shown` makes of how it ended.
    pub(super) fn leave_all(&mut self, shown: impl Fn(FlowOutcome) -> FlowOutcome) {
        let mut outcome = self.outcome;
        self.leave_flow(shown(outcome));
        while let Some(frame) = self.frames.pop() {
            outcome = carried(outcome, frame.outcome);
            let flow = frame.program.name.clone();
            self.outputs.push_back(Output::Journal(Kind::FlowLeft { flow, outcome: shown(outcome) }));
        }
    }
}

/// How a flow ends whose own outcome so far is `own`, after one that it called.
fn carried(called: FlowOutcome, own: FlowOutcome) -> FlowOutcome {
    match called {
        FlowOutcome::Queued | FlowOutcome::Transferred => called,
        FlowOutcome::Contained | FlowOutcome::Returned | FlowOutcome::Abandoned | FlowOutcome::Error => own,
    }
}
