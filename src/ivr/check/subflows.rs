//! Flows that call each other: whether what is given and taken fits, whether they come back, and that none calls itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use super::super::expr::Value;
use super::super::flow::{Destination, NodeKind, Program, RETURN, SubFlow, Target};
use super::super::run::DEPTH;
use super::{Checker, Place};
use crate::diagnostic::{Diagnostic, suggestion};

#[cfg(test)]
mod tests;

/// Places from which the end of the call can be reached while the flow is not left, and those from which the way out of it can.
#[derive(Debug, Default)]
pub(super) struct Ends<'a> {
    hangs_up: BTreeSet<Place<'a>>,
    returns: BTreeSet<Place<'a>>,
}

impl<'a> Ends<'a> {
    /// Some way ends from here.
    pub fn any(&self, place: Place<'a>) -> bool {
        self.hangs_up.contains(&place) || self.returns.contains(&place)
    }

    /// The flow that begins here comes back to the one that called it.
    pub fn comes_back(&self, start: Place<'a>) -> bool {
        self.returns.contains(&start)
    }

    /// The end of the call, the way out: whether they can be reached from a target.
    fn of(&self, program: &'a Program, target: &'a Target) -> (bool, bool) {
        let place = (program.name.as_str(), target.name.as_str());
        let leaves = target.name == RETURN;
        (self.hangs_up.contains(&place), leaves || self.returns.contains(&place))
    }
}

impl<'a> Checker<'a> {
    fn at(&mut self, code: &str, program: &Program, span: Range<usize>, message: String, help: Option<String>) {
        let found = Diagnostic::error(code, &program.file, self.text(program), span, message);
        self.diagnostics.push(found.help(help));
    }

    /// All nodes that call another flow.
    fn calls(&self) -> Vec<(&'a Program, &'a SubFlow, Range<usize>)> {
        let flows: &'a BTreeMap<String, Program> = self.flows;
        let call = |(program, node): (&'a Program, &'a super::super::flow::Node)| match &node.kind {
            NodeKind::Flow(sub) => Some((program, sub.as_ref(), node.span.clone())),
            _ => None,
        };
        flows
            .values()
            .flat_map(|program| program.nodes.values().map(move |node| (program, node)))
            .filter_map(call)
            .collect()
    }

    /// What flows want is given to them, what is taken from them is there, and all of it has the right type.
    pub(super) fn parameters(&mut self) {
        for (program, sub, span) in self.calls() {
            let Some(called) = self.flows.get(&sub.flow.name) else { continue };
            for given in &sub.with {
                let name = &given.param.name;
                if !called.params.contains_key(name) {
                    let message = format!("flow {} has no parameter \"{name}\"", called.name);
                    let help = suggestion(name, called.params.keys());
                    self.at("ivr::unknown-param", program, given.param.span.clone(), message, help);
                    continue;
                }
                let wanted = called.vars.get(name).map(Value::ty);
                if let (Some(wanted), Some(found)) = (wanted, given.value.ty())
                    && wanted != found
                {
                    let (wanted, found) = (wanted.as_str(), found.as_str());
                    let message = format!("parameter \"{name}\" is a {wanted} and cannot hold a {found}");
                    self.at("ivr::expression-type", program, given.value_span.clone(), message, None);
                }
            }
            for (name, _) in called.required_params() {
                if !sub.with.iter().any(|given| given.param.name == *name) {
                    let message = format!("flow {} needs the parameter \"{name}\"", called.name);
                    let help = Some(format!("add with = {{ {name} = '…' }}"));
                    self.at("ivr::missing-param", program, span.clone(), message, help);
                }
            }
            for taken in &sub.into {
                let (name, span) = (&taken.returned.name, taken.returned.span.clone());
                if !called.returns.contains(name) {
                    let message = format!("flow {} does not return \"{name}\"", called.name);
                    let help = suggestion(name, &called.returns).or_else(|| {
                        Some(format!("it returns what its `returns` lists: {}", called.returns.join(", ")))
                    });
                    self.at("ivr::unknown-return", program, span, message, help);
                    continue;
                }
                let types = (program.vars.get(&taken.variable), called.vars.get(name));
                if let (Some(ours), Some(theirs)) = types
                    && ours.ty() != theirs.ty()
                {
                    let (ours, theirs) = (ours.ty().as_str(), theirs.ty().as_str());
                    let message = format!("\"{}\" is a {ours} and cannot hold a {theirs}", taken.variable);
                    self.at("ivr::expression-type", program, span, message, None);
                }
            }
        }
        self.entered();
    }

    /// Flows that begin without being called have no parameter that only a caller could give.
    fn entered(&mut self) {
        let flows = self.flows;
        for program in flows.values() {
            for node in program.nodes.values() {
                let NodeKind::Goto(Destination::Flow(target)) = &node.kind else { continue };
                let Some((name, _)) = flows.get(&target.name).and_then(|flow| flow.required_params().next()) else {
                    continue;
                };
                let message = format!("flow {} needs the parameter \"{name}\", which a goto cannot give", target.name);
                let help = Some(format!("give it a default, or use kind = \"flow\" with = {{ {name} = '…' }}"));
                self.at("ivr::missing-param", program, target.span.clone(), message, help);
            }
            if !self.declared.entered.contains(&program.name) {
                continue;
            }
            if let Some((name, param)) = program.required_params().next() {
                let message =
                    format!("a number or a queue leads to flow {}, and nobody gives it \"{name}\"", program.name);
                let help = Some("give the parameter a default".to_owned());
                self.at("ivr::missing-param", program, param.span.clone(), message, help);
            }
        }
    }

    /// No flow calls itself, be it by others, and not too many wait for each other. True when that is so.
    pub(super) fn recursion(&mut self) -> bool {
        let calls = self.calls();
        let mut onward: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for program in self.flows.values() {
            onward.insert(&program.name, program.sub_flows());
        }
        let before = self.diagnostics.len();
        for (program, sub, _) in &calls {
            let Some(path) = path(&onward, &sub.flow.name, &program.name) else { continue };
            let names = std::iter::once(program.name.as_str()).chain(path).collect::<Vec<_>>().join(" → ");
            let message = format!("flow {} calls itself: {names}", program.name);
            let help = Some("a goto goes on elsewhere without waiting".to_owned());
            self.at("ivr::recursion", program, sub.flow.span.clone(), message, help);
        }
        if self.diagnostics.len() > before {
            return false;
        }
        let mut level: BTreeSet<&str> = self.flows.keys().map(String::as_str).collect();
        for depth in 1..=DEPTH {
            let deeper: Vec<_> = calls.iter().filter(|(program, ..)| level.contains(program.name.as_str())).collect();
            if let (true, Some((program, sub, _))) = (depth == DEPTH, deeper.first()) {
                let message = format!("here more than {DEPTH} flows wait for each other");
                self.at("ivr::too-deep", program, sub.flow.span.clone(), message, None);
                return false;
            }
            level = BTreeSet::new();
            let mut next: Vec<&str> = deeper.iter().map(|(_, sub, _)| sub.flow.name.as_str()).collect();
            while let Some(name) = next.pop() {
                if let (true, Some(program)) = (level.insert(name), self.flows.get(name)) {
                    next.extend(program.nodes.values().filter_map(|node| match &node.kind {
                        NodeKind::Goto(Destination::Flow(target)) => Some(target.name.as_str()),
                        _ => None,
                    }));
                }
            }
        }
        true
    }

    /// Where ways end; only those that never wait for anybody when `immediate`.
    pub(super) fn ends(&self, immediate: bool) -> Ends<'a> {
        let flows: &'a BTreeMap<String, Program> = self.flows;
        let start = |name: &str| flows.get(name).map(|flow| (flow.name.as_str(), flow.start.name.as_str()));
        let mut users: BTreeMap<Place<'a>, Vec<Place<'a>>> = BTreeMap::new();
        let mut next: Vec<Place<'a>> = Vec::new();
        for program in flows.values() {
            for (name, node) in &program.nodes {
                let place = (program.name.as_str(), name.as_str());
                next.push(place);
                for way in node.ways() {
                    let target = match way.to_flow {
                        true => start(&way.target.name),
                        false => Some((program.name.as_str(), way.target.name.as_str())),
                    };
                    users.entry(target.unwrap_or(place)).or_default().push(place);
                }
            }
        }
        let mut ends = Ends::default();
        while let Some(place) = next.pop() {
            let Some((program, node)) = flows.get(place.0).and_then(|flow| Some((flow, flow.nodes.get(place.1)?)))
            else {
                continue;
            };
            let (mut hangs_up, mut returns) = (matches!(node.kind, NodeKind::Hangup), false);
            for way in node.ways().iter().filter(|way| way.immediate || !immediate) {
                let (hangs, back) = match (&node.kind, way.to_flow) {
                    (NodeKind::Flow(_), true) => {
                        (start(&way.target.name).is_some_and(|start| ends.hangs_up.contains(&start)), false)
                    }
                    // What follows is reached only by a flow that comes back.
                    (NodeKind::Flow(sub), false) if std::ptr::eq(way.target, &sub.next) => {
                        let called = start(&sub.flow.name).is_some_and(|start| ends.returns.contains(&start));
                        let (hangs, back) = ends.of(program, &sub.next);
                        (called && hangs, called && back)
                    }
                    (_, true) => start(&way.target.name).map_or((false, false), |start| {
                        (ends.hangs_up.contains(&start), ends.returns.contains(&start))
                    }),
                    (_, false) => ends.of(program, way.target),
                };
                hangs_up |= hangs;
                returns |= back;
            }
            let is_new = hangs_up && ends.hangs_up.insert(place);
            if (returns && ends.returns.insert(place)) || is_new {
                next.extend(users.get(&place).into_iter().flatten());
            }
        }
        ends
    }

    /// A flow that is called and never comes back leaves its caller's next node without a way to it.
    pub(super) fn never_returning(&mut self, ends: &Ends<'a>) {
        for (program, sub, _) in self.calls() {
            let Some(called) = self.flows.get(&sub.flow.name) else { continue };
            if !ends.comes_back((&called.name, &called.start.name)) {
                let message = format!("flow {} never comes back, so nothing leads to {}", called.name, sub.next.name);
                let (text, span) = (self.text(program), sub.flow.span.clone());
                let found = Diagnostic::warning("ivr::never-returns", &program.file, text, span, message);
                let help = Some("let a way of it lead to \"return\"".to_owned());
                self.diagnostics.push(found.help(help));
            }
        }
    }
}

/// Names from one flow to another, both included.
fn path<'a>(onward: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
    let mut came: BTreeMap<&str, Option<&'a str>> = BTreeMap::from([(from, None)]);
    let mut next = VecDeque::from([from]);
    while let Some(name) = next.pop_front() {
        if name == to {
            let mut path = vec![name];
            while let Some(Some(before)) = path.last().and_then(|name| came.get(name)) {
                path.push(before);
            }
            path.reverse();
            return Some(path);
        }
        for other in onward.get(name).into_iter().flatten() {
            if !came.contains_key(other) {
                came.insert(other, Some(name));
                next.push_back(other);
            }
        }
    }
    None
}
