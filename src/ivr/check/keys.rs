//! Keys that mean two things at once.
//!
//! After an answer of full length the terminator that people press by habit is swallowed for a moment. Where that
//! answer leads straight to a menu which has this very key, a caller who means the menu is not heard.

use std::collections::BTreeSet;

use super::{Checker, FAULTS};
use crate::diagnostic::Diagnostic;
use crate::ivr::flow::{NodeKind, Program};

impl Checker<'_> {
    /// Menus behind a `collect` node that take its terminator for a choice.
    pub(super) fn key_clashes(&mut self) {
        for program in self.flows.values() {
            for (name, node) in &program.nodes {
                let NodeKind::Collect(collect) = &node.kind else { continue };
                let Some(terminator) = collect.terminator else { continue };
                for menu in menus_straight_behind(program, &collect.next.name) {
                    let Some(NodeKind::Menu { keys, .. }) = program.nodes.get(menu).map(|node| &node.kind) else {
                        continue;
                    };
                    let Some(target) = keys.get(&terminator).filter(|_| self.diagnostics.len() < FAULTS) else {
                        continue;
                    };
                    let message =
                        format!("key {terminator} of menu {menu} also ends the answer of {name}, which leads here");
                    let text = self.text(program);
                    let found =
                        Diagnostic::warning("ivr::key-clash", &program.file, text, target.span.clone(), message);
                    self.diagnostics.push(found.help(Some("take another key, or let something be said between them")));
                }
            }
        }
    }
}

/// Menus a run comes to from `from` without waiting.
fn menus_straight_behind<'p>(program: &'p Program, from: &'p str) -> BTreeSet<&'p str> {
    let mut menus = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(name) = next.pop() {
        let Some(node) = program.nodes.get(name).filter(|_| seen.insert(name)) else { continue };
        if matches!(node.kind, NodeKind::Menu { .. }) {
            menus.insert(name);
            continue;
        }
        let straight = node.ways().into_iter().filter(|way| way.immediate && !way.to_flow);
        next.extend(straight.map(|way| way.target.name.as_str()));
    }
    menus
}
