//! The longest way through a flow: how many nodes a caller may pass without coming to one twice.

use std::collections::{BTreeMap, BTreeSet};

use crate::ivr::flow::Program;

/// Most steps of the search. The question is hard where circles meet; small flows are searched to the end.
const STEPS: usize = 100_000;

/// Nodes of the longest way from the start that passes none twice; true when the search was given up before its end, so
/// that there may be a longer one.
///
/// From nodes that lead into no circle the longest way is worked out once for each; only the others are searched.
pub fn longest_path(program: &Program) -> (usize, bool) {
    let mut out: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut back: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, node) in &program.nodes {
        let targets: BTreeSet<&str> = node
            .ways()
            .iter()
            .filter(|way| !way.to_flow)
            .filter_map(|way| program.nodes.get_key_value(&way.target.name).map(|(name, _)| name.as_str()))
            .collect();
        for target in &targets {
            back.entry(*target).or_default().push(name);
        }
        out.insert(name, targets);
    }
    let certain = without_circles(&out, &back);
    let Some((start, _)) = out.get_key_value(program.start.name.as_str()) else { return (0, false) };
    if let Some(length) = certain.get(start) {
        return (*length, false);
    }
    let mut search = Search { out: &out, certain: &certain, on_path: BTreeSet::new(), best: 0, steps: 0 };
    search.run(start);
    (search.best, search.steps >= STEPS)
}

/// The longest way from each node that leads into no circle.
fn without_circles<'p>(
    out: &BTreeMap<&'p str, BTreeSet<&'p str>>,
    back: &BTreeMap<&'p str, Vec<&'p str>>,
) -> BTreeMap<&'p str, usize> {
    let mut open: BTreeMap<&str, usize> = out.iter().map(|(name, targets)| (*name, targets.len())).collect();
    let mut ready: Vec<&str> = open.iter().filter(|(_, ways)| **ways == 0).map(|(name, _)| *name).collect();
    let mut certain: BTreeMap<&str, usize> = BTreeMap::new();
    while let Some(name) = ready.pop() {
        let longest = out.get(name).into_iter().flatten().filter_map(|target| certain.get(target)).max();
        certain.insert(name, 1 + longest.copied().unwrap_or(0));
        for from in back.get(name).into_iter().flatten() {
            if let Some(ways) = open.get_mut(from) {
                *ways = ways.saturating_sub(1);
                if *ways == 0 {
                    ready.push(from);
                }
            }
        }
    }
    certain
}

struct Search<'s, 'p> {
    out: &'s BTreeMap<&'p str, BTreeSet<&'p str>>,
    certain: &'s BTreeMap<&'p str, usize>,
    on_path: BTreeSet<&'p str>,
    best: usize,
    steps: usize,
}

impl<'s, 'p> Search<'s, 'p> {
    fn run(&mut self, start: &'p str) {
        let out = self.out;
        let targets = |name: &str| out.get(name).into_iter().flatten();
        self.on_path.insert(start);
        let mut path = vec![(start, targets(start))];
        while let Some((_, rest)) = path.last_mut() {
            let next = rest.find(|target| !self.on_path.contains(**target));
            self.best = self.best.max(self.on_path.len());
            self.steps += 1;
            if self.steps >= STEPS {
                return;
            }
            match next {
                // What leads into no circle meets no node of the path again: the path would be in a circle with it.
                Some(next) if self.certain.contains_key(next) => {
                    let behind = self.certain.get(next).copied().unwrap_or(0);
                    self.best = self.best.max(self.on_path.len() + behind);
                }
                Some(next) => {
                    self.on_path.insert(next);
                    path.push((next, targets(next)));
                }
                None => {
                    if let Some((name, _)) = path.pop() {
                        self.on_path.remove(name);
                    }
                }
            }
        }
    }
}
