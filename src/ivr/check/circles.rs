//! Circles in which nothing waits for the caller: a run would go round in them for ever.
//!
//! What has no way out is in no circle; when it is gone, every place that is left leads into one. Each place is taken
//! away once, so the work grows with the number of ways.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Checker, FAULTS, Place};

/// Places and the ways between them that are still there.
struct Ways<'a> {
    out: BTreeMap<Place<'a>, Vec<Place<'a>>>,
    back: BTreeMap<Place<'a>, Vec<Place<'a>>>,
    /// Places that are left, each with the number of its ways to places that are left.
    left: BTreeMap<Place<'a>, usize>,
}

impl<'a> Ways<'a> {
    fn new(mut out: BTreeMap<Place<'a>, Vec<Place<'a>>>) -> Self {
        let known: Vec<Place<'a>> = out.keys().copied().collect();
        let mut back: BTreeMap<Place<'a>, Vec<Place<'a>>> = BTreeMap::new();
        let mut left = BTreeMap::new();
        for (from, targets) in &mut out {
            targets.retain(|target| known.binary_search(target).is_ok());
            for target in targets.iter() {
                back.entry(*target).or_default().push(*from);
            }
            left.insert(*from, targets.len());
        }
        let ends = left.iter().filter(|(_, ways)| **ways == 0).map(|(place, _)| *place).collect();
        let mut ways = Self { out, back, left };
        ways.take_away(ends);
        ways
    }

    /// Takes away these places, and all that have no way out then.
    fn take_away(&mut self, mut places: Vec<Place<'a>>) {
        while let Some(place) = places.pop() {
            if self.left.remove(&place).is_none() {
                continue;
            }
            for from in self.back.get(&place).into_iter().flatten() {
                if let Some(ways) = self.left.get_mut(from) {
                    *ways = ways.saturating_sub(1);
                    if *ways == 0 {
                        places.push(*from);
                    }
                }
            }
        }
    }

    /// One of the circles that are left.
    fn circle(&self) -> Option<Vec<Place<'a>>> {
        let mut place = *self.left.first_key_value()?.0;
        let mut path = Vec::new();
        let mut seen = BTreeMap::new();
        loop {
            if let Some(at) = seen.insert(place, path.len()) {
                return Some(path.split_off(at));
            }
            path.push(place);
            place = *self.out.get(&place)?.iter().find(|target| self.left.contains_key(target))?;
        }
    }
}

impl<'a> Checker<'a> {
    /// Reports each circle once, at its node that is written first; returns the flows that have one.
    pub(super) fn busy_loops(&mut self) -> BTreeSet<&'a str> {
        let mut ways = Ways::new(self.ways(true));
        let mut flows = BTreeSet::new();
        for _ in 0..FAULTS {
            let Some(path) = ways.circle() else { break };
            let Some(place) = path.iter().copied().min_by_key(|place| self.written_at(*place)) else { break };
            let mut names = String::new();
            let begin = path.iter().position(|other| *other == place).unwrap_or(0);
            for (_, name) in path.iter().cycle().skip(begin).take(path.len()) {
                let _ = write!(names, "{name} → ");
            }
            let message = format!("{names}{} is a circle that never waits for the caller", place.1);
            self.report("ivr::busy-loop", place, message, "let it pass a play, menu or collect node");
            flows.extend(path.iter().map(|(flow, _)| *flow));
            ways.take_away(path);
        }
        flows
    }

    fn written_at<'p>(&self, place: Place<'p>) -> (&'p str, usize) {
        let node = self.flows.get(place.0).and_then(|flow| flow.nodes.get(place.1));
        (place.0, node.map_or(0, |node| node.span.start))
    }
}
