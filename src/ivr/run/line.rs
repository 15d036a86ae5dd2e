//! While the caller waits in a queue: the skills he asks for give way, and he is offered to be called back.
//!
//! The queue itself is another's business. What happens here ends when he talks, or when a rule of the queue sends him
//! elsewhere: [`Run::leave_line`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::expr::{Scene, Value, World};
use super::super::flow::{CallbackOffer, Node, NodeKind, Relax};
use super::{Next, Output, Run, State};
use crate::journal::{InputResult, Kind};

/// The prompt of an offer.
const OFFER: &str = "callback_offer";

/// What is still to come while the caller waits.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Skills, and from when on they are the ones asked for.
    steps: VecDeque<(Instant, Vec<String>)>,
    /// When the condition of the offer is looked at next.
    offer_at: Option<Instant>,
    /// He heard the offer.
    offered: bool,
}

impl Line {
    /// Of who enters the queue now.
    ///
    /// # Errors
    ///
    /// A skill cannot be worked out.
    pub fn begin(
        now: Instant,
        relax: &[Relax],
        offer: Option<&CallbackOffer>,
        scene: &Scene<'_>,
    ) -> Result<Option<Box<Self>>, String> {
        let step = |step: &Relax| {
            let skills: Result<Vec<String>, String> = step.skills.iter().map(|skill| skill.fill(scene)).collect();
            Ok((now + step.after, skills?))
        };
        let steps = relax.iter().map(step).collect::<Result<VecDeque<_>, String>>()?;
        let offer_at = offer.map(|offer| now + offer.every);
        Ok((!steps.is_empty() || offer_at.is_some()).then(|| Box::new(Self { steps, offer_at, offered: false })))
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.steps.front().map(|(at, _)| *at).into_iter().chain(self.offer_at).min()
    }
}

impl Run {
    /// The caller waits no more in the queue that the flow brought him to, or not by the flow's rules.
    pub fn leave_line(&mut self) {
        self.line = None;
    }

    /// What is due while he waits.
    pub(super) fn line_due(&mut self, now: Instant, world: &dyn World) {
        let Some(line) = &mut self.line else { return };
        // After a long pause of the machine only the last step matters.
        let mut due = None;
        while line.steps.front().is_some_and(|(at, _)| *at <= now) {
            due = line.steps.pop_front().map(|(_, skills)| skills).or(due);
        }
        if let Some(skills) = due {
            self.outputs.push_back(Output::Relax { skills });
        }
        if line.offer_at.is_none_or(|at| at > now) {
            return;
        }
        let program = Arc::clone(&self.program);
        let Some(offer) = self.offer(&program.nodes) else { return };
        let holds = match offer.when.evaluate(&self.scene(now, world)) {
            Ok(value) => value == Value::Bool(true),
            Err(detail) => {
                let detail = format!("flow {} node {}: {detail}", program.name, self.node);
                self.outputs.push_back(Output::Journal(Kind::Trouble { code: "flow_expression".to_owned(), detail }));
                false
            }
        };
        if holds {
            self.outputs.push_back(Output::Tell { prompt: OFFER.to_owned() });
        }
        if let Some(line) = &mut self.line {
            line.offered |= holds;
            line.offer_at = Some(now + offer.every.max(Duration::from_secs(1)));
        }
    }

    /// A key while he waits; `None` when it is not that of an offer he heard: then it is the queue's.
    pub(super) fn line_key(&mut self, key: char) -> Option<Next> {
        if !self.takes_key(key) {
            return None;
        }
        let program = Arc::clone(&self.program);
        let next = self.offer(&program.nodes)?.next.name.clone();
        let node = program.nodes.get(&next).map(|node| &node.kind);
        let to_callback = matches!(node, Some(NodeKind::Callback { .. }));
        self.line = None;
        self.served = None;
        self.state = State::Done;
        self.journal_input(key.encode_utf8(&mut [0; 4]), InputResult::Matched);
        self.outputs.push_back(Output::LeaveQueue { to_callback });
        Some(Next::Node(next))
    }

    /// True when this key takes an offer that the caller heard while he waits.
    pub fn takes_key(&self, key: char) -> bool {
        let is_open = matches!(self.state, State::Queued) && self.line.as_ref().is_some_and(|line| line.offered);
        is_open && self.offer(&self.program.nodes).is_some_and(|offer| offer.key == key)
    }

    fn offer<'n>(&self, nodes: &'n BTreeMap<String, Node>) -> Option<&'n CallbackOffer> {
        match nodes.get(&self.node).map(|node| &node.kind) {
            Some(NodeKind::Queue { offer, .. }) => offer.as_deref(),
            _ => None,
        }
    }
}
