//! The asking part of a run: prompts, keys, tries, answers.
//!
//! A key pressed before its question waits in `typed` and answers it without a word being said. A wrong answer throws
//! the rest of them away, since they were meant for somewhere else.

use std::sync::Arc;
use std::time::Instant;

use super::{Next, Output, PLAY_LIMIT, Phase, Run, State, TYPED_KEYS};
use crate::ivr::expr::{Type, Value, World};
use crate::ivr::flow::{Ask, Collect, Edge, Node, NodeKind, Say};
use crate::journal::{InputResult, Kind};

impl Run {
    pub(super) fn play_done(&mut self, now: Instant, done: u64, world: &dyn World) -> Option<Next> {
        let program = Arc::clone(&self.program);
        let node = program.nodes.get(&self.node)?;
        match &mut self.state {
            State::Playing { play, .. } if *play == done => match &node.kind {
                NodeKind::Play { next, .. } => Some(Next::Node(next.name.clone())),
                NodeKind::Record(record) => {
                    self.take_recording(record);
                    None
                }
                NodeKind::Menu { .. } | NodeKind::Collect(_) | NodeKind::Set { .. } | NodeKind::Switch { .. } => None,
                NodeKind::Hours { .. } | NodeKind::Queue { .. } => None,
                NodeKind::Callback { .. } | NodeKind::Voicemail { .. } | NodeKind::Http(_) => None,
                NodeKind::Transfer { .. } | NodeKind::Flow(_) | NodeKind::Fork(_) => None,
                NodeKind::Goto(_) | NodeKind::Hangup => None,
            },
            State::Asking { phase, .. } => match *phase {
                Phase::Speaking { play, .. } if play == done => {
                    *phase = Phase::Waiting { until: now + ask_of(node)?.timeout };
                    self.take_typed(now, world)
                }
                Phase::Speaking { .. } | Phase::Waiting { .. } => None,
            },
            State::Playing { .. } | State::Fetching(_) | State::Forked(_) | State::Queued | State::Booking => None,
            State::Recording | State::Transferring | State::Done => None,
        }
    }

    /// A key, wherever the caller is.
    pub(super) fn key(&mut self, now: Instant, key: char, world: &dyn World) -> Option<Next> {
        if let Some((terminator, until)) = self.late_terminator.take()
            && terminator == key
            && now <= until
        {
            return None;
        }
        let program = Arc::clone(&self.program);
        let node = program.nodes.get(&self.node)?;
        match self.state {
            State::Playing { .. } => {
                if let NodeKind::Record(record) = &node.kind {
                    if record.terminator == Some(key) {
                        self.outputs.push_back(Output::StopPlay);
                        self.take_recording(record);
                    }
                    return None;
                }
                self.keep_typed(key);
                let NodeKind::Play { barge_in: true, next, .. } = &node.kind else { return None };
                self.outputs.push_back(Output::StopPlay);
                Some(Next::Node(next.name.clone()))
            }
            State::Asking { phase: Phase::Speaking { .. }, .. } => {
                let ask = ask_of(node)?;
                if !ask.barge_in {
                    if ask.type_ahead {
                        self.keep_typed(key);
                    }
                    return None;
                }
                self.outputs.push_back(Output::StopPlay);
                self.answer_key(now, key, world)
            }
            State::Asking { phase: Phase::Waiting { .. }, .. } => self.answer_key(now, key, world),
            State::Fetching(_) => {
                self.keep_typed(key);
                None
            }
            State::Forked(_) => {
                self.tell_fork_key(key);
                None
            }
            State::Queued => self.line_key(key),
            // With an agent keys are his business, not the flow's; those that end a recording are the call's.
            State::Booking | State::Recording | State::Transferring | State::Done => None,
        }
    }

    pub(super) fn keep_typed(&mut self, key: char) {
        if self.typed.len() < TYPED_KEYS {
            self.typed.push_back(key);
        }
    }

    pub(super) fn begin_question(
        &mut self,
        now: Instant,
        ask: &Ask,
        world: &dyn World,
    ) -> Result<Option<Next>, String> {
        if !ask.type_ahead {
            self.typed.clear();
        }
        let phase = Phase::Waiting { until: now + ask.timeout };
        self.state = State::Asking { attempt: 1, digits: String::new(), phase };
        if !self.typed.is_empty() {
            return Ok(self.take_typed(now, world));
        }
        self.speak_question(now, ask.say.iter(), world)?;
        Ok(None)
    }

    fn speak_question<'s>(
        &mut self,
        now: Instant,
        say: impl Iterator<Item = &'s Say>,
        world: &dyn World,
    ) -> Result<(), String> {
        let speaking = self.play(now, say, world)?;
        if let State::Asking { phase, .. } = &mut self.state {
            *phase = Phase::Speaking { play: speaking, until: now + PLAY_LIMIT };
        }
        Ok(())
    }

    /// Feeds keys pressed earlier to the question, until it is answered or asked again.
    fn take_typed(&mut self, now: Instant, world: &dyn World) -> Option<Next> {
        while let Some(key) = self.typed.pop_front() {
            if let Some(next) = self.answer_key(now, key, world) {
                return Some(next);
            }
        }
        None
    }

    /// A key for the question that is being asked.
    fn answer_key(&mut self, now: Instant, key: char, world: &dyn World) -> Option<Next> {
        let program = Arc::clone(&self.program);
        match &program.nodes.get(&self.node)?.kind {
            NodeKind::Menu { keys, .. } => {
                let target = keys.get(&key);
                let result = if target.is_some() { InputResult::Matched } else { InputResult::Invalid };
                self.journal_input(key.encode_utf8(&mut [0; 4]), result);
                match target {
                    Some(target) => Some(Next::Node(target.name.clone())),
                    None => self.ask_again(now, Edge::Invalid, world),
                }
            }
            NodeKind::Collect(collect) => {
                let State::Asking { digits, phase, .. } = &mut self.state else { return None };
                if collect.terminator == Some(key) {
                    return self.finish_answer(now, world);
                }
                digits.push(key);
                *phase = Phase::Waiting { until: now + collect.inter_digit };
                if digits.len() < collect.max {
                    return None;
                }
                // People press the terminator after the last key by habit; it must not answer the next question.
                if let Some(terminator) = collect.terminator {
                    if self.typed.front() == Some(&terminator) {
                        self.typed.pop_front();
                    } else if self.typed.is_empty() {
                        self.late_terminator = Some((terminator, now + collect.inter_digit));
                    }
                }
                self.finish_answer(now, world)
            }
            NodeKind::Play { .. } | NodeKind::Set { .. } | NodeKind::Switch { .. } | NodeKind::Queue { .. } => None,
            NodeKind::Hours { .. }
            | NodeKind::Http(_)
            | NodeKind::Fork(_)
            | NodeKind::Callback { .. }
            | NodeKind::Voicemail { .. }
            | NodeKind::Transfer { .. } => None,
            NodeKind::Record(_) | NodeKind::Flow(_) => None,
            NodeKind::Goto(_) | NodeKind::Hangup => None,
        }
    }

    /// The answer to a `collect` node is complete: judges and keeps it.
    pub(super) fn finish_answer(&mut self, now: Instant, world: &dyn World) -> Option<Next> {
        let program = Arc::clone(&self.program);
        let NodeKind::Collect(collect) = &program.nodes.get(&self.node)?.kind else { return None };
        let State::Asking { digits, .. } = &mut self.state else { return None };
        let digits = std::mem::take(digits);
        let shown = if collect.mask { "*".repeat(digits.len()) } else { digits.clone() };
        if !self.accept(collect, &digits) {
            self.journal_input(&shown, InputResult::Invalid);
            return self.ask_again(now, Edge::Invalid, world);
        }
        self.journal_input(&shown, InputResult::Matched);
        if let (Some(survey), Ok(score)) = (&collect.survey, digits.parse()) {
            let (survey, queue) = (survey.clone(), self.served.clone());
            self.outputs.push_back(Output::Journal(Kind::Survey { survey, score, queue, agent: None }));
        }
        Some(Next::Node(collect.next.name.clone()))
    }

    /// Stores the keys if they are an answer; false when they are none.
    fn accept(&mut self, collect: &Collect, digits: &str) -> bool {
        let in_range = match collect.range {
            None => true,
            Some((low, high)) => digits.parse::<u32>().is_ok_and(|number| (low..=high).contains(&number)),
        };
        if digits.len() < collect.min || !in_range {
            return false;
        }
        let Some(name) = &collect.into else { return true };
        let value = match self.vars.get(name).map(Value::ty) {
            Some(Type::Number) => digits.parse().ok().map(Value::Number),
            Some(Type::Text | Type::Bool) | None => Some(Value::Text(digits.to_owned())),
        };
        value.is_some_and(|value| self.assign(name, value).is_ok())
    }

    /// Repeats the question while tries are left, else takes the edge `why`.
    pub(super) fn ask_again(&mut self, now: Instant, why: Edge, world: &dyn World) -> Option<Next> {
        let program = Arc::clone(&self.program);
        let ask = ask_of(program.nodes.get(&self.node)?)?;
        self.typed.clear();
        let State::Asking { attempt, digits, .. } = &mut self.state else { return None };
        if *attempt >= ask.tries {
            return self.edge(why);
        }
        *attempt += 1;
        digits.clear();
        let before = if why == Edge::NoInput { &ask.say_no_input } else { &ask.say_invalid };
        let question = if ask.say_again.is_empty() { &ask.say } else { &ask.say_again };
        match self.speak_question(now, before.iter().chain(question), world) {
            Ok(()) => None,
            Err(detail) => self.stumbled(&detail),
        }
    }

    pub(super) fn journal_input(&mut self, digits: &str, result: InputResult) {
        let (flow, node, digits) = (self.program.name.clone(), self.node.clone(), digits.to_owned());
        self.outputs.push_back(Output::Journal(Kind::Input { flow, node, digits, result }));
    }
}

fn ask_of(node: &Node) -> Option<&Ask> {
    match &node.kind {
        NodeKind::Menu { ask, .. } => Some(ask),
        NodeKind::Collect(collect) => Some(&collect.ask),
        NodeKind::Play { .. } | NodeKind::Set { .. } | NodeKind::Switch { .. } | NodeKind::Queue { .. } => None,
        NodeKind::Hours { .. }
        | NodeKind::Http(_)
        | NodeKind::Fork(_)
        | NodeKind::Callback { .. }
        | NodeKind::Voicemail { .. }
        | NodeKind::Transfer { .. } => None,
        NodeKind::Record(_) | NodeKind::Flow(_) => None,
        NodeKind::Goto(_) | NodeKind::Hangup => None,
    }
}
