//! Goes every way of a flow, with a world that does whatever leads there.
//!
//! A walk is a real [`Run`](crate::ivr::Run) that stops before every node. Where ways part, the walk takes one that
//! nobody took yet and leaves a copy of itself for each of the others. Where all are taken, it goes the shortest way to
//! an end. So every way of every node is gone once ([`Explorer::once`]); then ways are combined, as many as wished, by walks
//! of which none goes the same way twice ([`Explorer::combined`]).
//!
//! A condition is made true by a world found from its own literals; where none is found, or where only a failing
//! expression leads on, the walk is sent that way by force, and this is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::driver::{Driver, Event, Stage};
use super::kinds::{self, Cause};
use crate::ivr::expr::{Facts, Supposition, Value};
use crate::ivr::flow::{Library, Node};
use crate::ivr::run::{Fetched, UnknownFlow, Waits};
use crate::journal::InputResult;

/// Most nodes of one walk.
pub const STEPS: usize = 2_000;
/// Walks of one flow that combine ways, where nobody says how many.
pub const COMBINED: usize = 500;
/// Most walks that wait for their turn.
const WAITING: usize = 10_000;
/// Longest part of a walk told of a fault, counted from its end.
const TOLD: usize = 40;
/// Most faults told of one flow.
const FAULTS: usize = 20;
/// Things that may be due in a queue before it makes an offer.
const OFFERS: usize = 50;
/// Time between two things that happen.
const PACE: Duration = Duration::from_secs(1);

/// What came of exploring one flow.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Report {
    /// The flow.
    pub flow: String,
    /// Its nodes.
    pub nodes: usize,
    /// Their ways out.
    pub edges: usize,
    /// Walks that came to an end.
    pub walks: usize,
    /// Walks that did not, and failures.
    pub faults: Vec<Fault>,
    /// Ways that no world was found for, as `node edge`.
    pub forced: Vec<String>,
    /// Ways of it that no walk went, as `node edge`.
    pub unreached: Vec<String>,
}

/// A walk that went wrong.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Fault {
    /// What is wrong.
    pub what: String,
    /// The way there, as `node edge` each.
    pub path: Vec<String>,
}

impl Report {
    /// One line, e.g. `main: 20 nodes, 53 edges, 212 walks, all end`.
    pub fn summary(&self) -> String {
        let end = match self.faults.len() {
            0 => "all end".to_owned(),
            1 => "1 fault".to_owned(),
            n => format!("{n} faults"),
        };
        format!("{}: {} nodes, {} edges, {} walks, {end}", self.flow, self.nodes, self.edges, self.walks)
    }
}

/// One way out of one node, with what exploring found out about it.
#[derive(Debug)]
struct Way {
    label: String,
    /// The place it leads to.
    target: Option<usize>,
    name: String,
    to_flow: bool,
    cause: Cause,
    /// What to press, or the world to suppose; found when it is first gone.
    means: Option<Means>,
}

/// How a way is gone.
#[derive(Clone, Debug)]
enum Means {
    Plain,
    Press(String),
    Suppose(Supposition),
    Answer(bytes::Bytes),
    Force,
}

/// One node of the library.
#[derive(Debug)]
struct Place {
    flow: String,
    node: String,
    passes: bool,
    /// The numbers of its ways, in order.
    ways: std::ops::Range<usize>,
    /// Ways from here to the nearest end.
    to_end: usize,
}

/// A walk under way.
#[derive(Clone)]
struct Task {
    driver: Driver,
    /// The ways it went.
    trail: Vec<usize>,
    /// Those it must not go again; only of walks that combine ways.
    used: Option<BTreeSet<usize>>,
    /// The way it takes first.
    first: Option<usize>,
    /// Places that called the flow it is in, the last on top.
    callers: Vec<usize>,
}

/// Explores the flows of one library.
pub struct Explorer<'l> {
    library: &'l Arc<Library>,
    origin: Instant,
    places: Vec<Place>,
    by_name: BTreeMap<(&'l str, &'l str), usize>,
    ways: Vec<Way>,
    taken: Vec<bool>,
    stage: Stage,
    report: Report,
    /// Values of variables that can be said, by flow.
    likely: BTreeMap<&'l str, BTreeMap<String, Value>>,
}

impl<'l> Explorer<'l> {
    /// Looks at the graph of all flows. `origin` is the zero of virtual time.
    pub fn new(origin: Instant, library: &'l Arc<Library>) -> Self {
        let mut by_name = BTreeMap::new();
        for flow in library.flows.values() {
            for node in flow.nodes.keys() {
                by_name.insert((flow.name.as_str(), node.as_str()), by_name.len());
            }
        }
        let (mut places, mut ways) = (Vec::new(), Vec::new());
        for flow in library.flows.values() {
            for (name, node) in &flow.nodes {
                let first = ways.len();
                for exit in kinds::exits(node) {
                    let target = match exit.to_flow {
                        true => library.flows.get(&exit.target.name).map(|f| (f.name.as_str(), f.start.name.as_str())),
                        false => Some((flow.name.as_str(), exit.target.name.as_str())),
                    };
                    let target = target.and_then(|target| by_name.get(&target).copied());
                    let (name, to_flow, cause) = (exit.target.name.clone(), exit.to_flow, exit.cause);
                    ways.push(Way { label: exit.label, target, name, to_flow, cause, means: None });
                }
                let (flow, node_name, passes) = (flow.name.clone(), name.clone(), kinds::passes(node));
                places.push(Place { flow, node: node_name, passes, ways: first..ways.len(), to_end: usize::MAX });
            }
        }
        let taken = vec![false; ways.len()];
        let likely = library.flows.values().map(|flow| (flow.name.as_str(), kinds::likely(flow))).collect();
        let (stage, report) = (Stage::default(), Report::default());
        let mut explorer = Self { library, origin, places, by_name, ways, taken, stage, report, likely };
        explorer.measure();
        explorer
    }

    /// How far every place is from an end: a node without ways out, or a way that leads out of all flows.
    ///
    /// A node that calls a flow which may come back is as far from an end as the node behind it: within that flow the way
    /// back counts as an end.
    fn measure(&mut self) {
        let come_back: BTreeSet<&str> = self
            .places
            .iter()
            .filter(|place| self.ways.get(place.ways.clone()).into_iter().flatten().any(|way| way.target.is_none()))
            .map(|place| place.flow.as_str())
            .collect();
        let counts = |way: &&Way| match (way.cause, way.target.and_then(|target| self.places.get(target))) {
            (Cause::Calls, Some(start)) => !come_back.contains(start.flow.as_str()),
            _ => true,
        };
        let mut back: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut next = VecDeque::new();
        for (at, place) in self.places.iter().enumerate() {
            let ways = self.ways.get(place.ways.clone()).unwrap_or_default();
            if ways.is_empty() || ways.iter().any(|way| way.target.is_none()) {
                next.push_back((at, 0));
            }
            for target in ways.iter().filter(counts).filter_map(|way| way.target) {
                back.entry(target).or_default().push(at);
            }
        }
        while let Some((at, far)) = next.pop_front() {
            let Some(place) = self.places.get_mut(at).filter(|place| place.to_end == usize::MAX) else { continue };
            place.to_end = far;
            next.extend(back.get(&at).into_iter().flatten().map(|from| (*from, far + 1)));
        }
    }

    /// Explores `flow`: every way once, then at most `combined` walks that combine them.
    ///
    /// # Errors
    ///
    /// [`UnknownFlow`] when the library has none of this name.
    pub fn explore(&mut self, flow: &str, facts: &Facts, combined: usize) -> Result<Report, UnknownFlow> {
        let program = self.library.flows.get(flow).ok_or_else(|| UnknownFlow(flow.to_owned()))?;
        self.taken.fill(false);
        self.report =
            Report { flow: flow.to_owned(), nodes: program.nodes.len(), edges: program.edges(), ..Report::default() };
        self.once(flow, facts)?;
        self.combined(flow, facts, combined)?;
        for place in self.places.iter().filter(|place| place.flow == flow) {
            for at in place.ways.clone() {
                let Some(way) = self.ways.get(at) else { continue };
                let told = format!("{} {}", place.node, way.label);
                if self.taken.get(at) != Some(&true) {
                    self.report.unreached.push(told);
                } else if matches!(way.means, Some(Means::Force)) {
                    self.report.forced.push(told);
                }
            }
        }
        Ok(std::mem::take(&mut self.report))
    }

    fn start(&self, flow: &str, facts: &Facts) -> Result<Task, UnknownFlow> {
        let driver = Driver::new(self.origin, self.library, flow, facts.clone())?;
        Ok(Task { driver, trail: Vec::new(), used: None, first: None, callers: Vec::new() })
    }

    fn once(&mut self, flow: &str, facts: &Facts) -> Result<(), UnknownFlow> {
        let mut waiting = vec![self.start(flow, facts)?];
        while let Some(task) = waiting.pop() {
            self.walk(task, &mut waiting);
        }
        Ok(())
    }

    fn combined(&mut self, flow: &str, facts: &Facts, most: usize) -> Result<(), UnknownFlow> {
        let mut waiting = vec![Task { used: Some(BTreeSet::new()), ..self.start(flow, facts)? }];
        for _ in 0..most {
            let Some(task) = waiting.pop() else { break };
            self.walk(task, &mut waiting);
        }
        Ok(())
    }

    /// Walks to an end; what is left for others waits.
    fn walk(&mut self, mut task: Task, waiting: &mut Vec<Task>) {
        if let Some(first) = task.first.take() {
            self.go(&mut task, first);
        }
        for _ in 0..STEPS {
            if let Some(what) = self.failure(&mut task) {
                return self.fault(&task, what);
            }
            let Some(at) = self.place(&task) else {
                match task.driver.waits() {
                    Some(Waits::Nothing) => {
                        self.report.walks += 1;
                        return;
                    }
                    // A target that is no node (`return`): the run knows where it leads.
                    None => {
                        task.driver.run.step(task.driver.now, &self.stage);
                        self.came_back(&mut task);
                        continue;
                    }
                    Some(_) => return self.fault(&task, "it waits where no node is".to_owned()),
                }
            };
            let Some(place) = self.places.get(at) else { return };
            if !place.passes && task.driver.run.before().is_some() {
                task.driver.run.step(task.driver.now, &self.stage);
                continue;
            }
            if place.ways.is_empty() {
                if task.driver.waits().is_none() {
                    task.driver.run.step(task.driver.now, &self.stage);
                    continue;
                }
                return self.fault(&task, "dead end: it waits, and no way leads on".to_owned());
            }
            let Some(way) = self.choose(at, &mut task, waiting) else {
                return self.fault(&task, "no way leads to an end".to_owned());
            };
            self.go(&mut task, way);
        }
        self.fault(&task, format!("it does not end within {STEPS} nodes"));
    }

    /// The first way nobody took; the others that nobody took are left to others. When all are taken, the one that is
    /// nearest to an end.
    fn choose(&mut self, at: usize, task: &mut Task, waiting: &mut Vec<Task>) -> Option<usize> {
        let ways = self.places.get(at)?.ways.clone();
        let can_be_gone = |way: &usize| self.ways.get(*way).is_some_and(|way| way.cause != Cause::Returns);
        let is_fresh = |way: &usize| match &task.used {
            Some(used) => !used.contains(way),
            None => self.taken.get(*way) == Some(&false),
        };
        let fresh: Vec<usize> = ways.clone().filter(can_be_gone).filter(is_fresh).collect();
        let Some((first, others)) = fresh.split_first() else {
            let far = |way: &usize| {
                let way = self.ways.get(*way);
                let forced = way.is_some_and(|way| matches!(way.means, Some(Means::Force)));
                let to_end = way.and_then(|way| way.target).and_then(|target| self.places.get(target));
                // What leads out of all flows, as `return`, is an end itself.
                (to_end.map_or(0, |place| place.to_end.saturating_add(1)), forced)
            };
            return ways.filter(can_be_gone).min_by_key(far).filter(|way| far(way).0 < usize::MAX);
        };
        for other in others.iter().rev() {
            match &task.used {
                None => {
                    if let Some(taken) = self.taken.get_mut(*other) {
                        *taken = true;
                    }
                }
                Some(_) if waiting.len() >= WAITING => break,
                Some(_) => {}
            }
            let mut left = task.clone();
            if let Some(used) = &mut left.used {
                used.insert(*other);
            }
            left.first = Some(*other);
            waiting.push(left);
        }
        match &mut task.used {
            Some(used) => _ = used.insert(*first),
            None => {
                if let Some(taken) = self.taken.get_mut(*first) {
                    *taken = true;
                }
            }
        }
        Some(*first)
    }

    /// The flow that was called has come back: the way on from there is gone too.
    fn came_back(&mut self, task: &mut Task) {
        let Some(caller) = task.callers.pop().and_then(|at| self.places.get(at)) else { return };
        for way in caller.ways.clone() {
            if self.ways.get(way).is_some_and(|way| way.cause == Cause::Returns) {
                task.trail.push(way);
                if let Some(taken) = self.taken.get_mut(way) {
                    *taken = true;
                }
            }
        }
    }

    /// The node the walk stands before or in.
    fn place(&self, task: &Task) -> Option<usize> {
        let run = &task.driver.run;
        if run.before().is_none() && run.waits() == Waits::Nothing {
            return None;
        }
        let place = run.before().unwrap_or_else(|| run.place());
        self.by_name.get(&place).copied()
    }

    /// What went wrong since the last look.
    fn failure(&self, task: &mut Task) -> Option<String> {
        let mut failed = None;
        while let Some(event) = task.driver.event() {
            if let Event::Failed { detail } = event {
                failed = Some(detail);
            }
        }
        failed
    }

    fn fault(&mut self, task: &Task, what: String) {
        if self.report.faults.len() >= FAULTS {
            return;
        }
        let told = |way: &usize| {
            let place = self.places.iter().find(|place| place.ways.contains(way));
            let label = self.ways.get(*way).map(|way| way.label.as_str()).unwrap_or_default();
            place.map(|place| format!("{} {label}", place.node))
        };
        let skipped = task.trail.len().saturating_sub(TOLD);
        let path = task.trail.iter().skip(skipped).filter_map(told).collect();
        self.report.faults.push(Fault { what, path });
    }

    /// Goes one way; by force when the run does not go there by itself.
    fn go(&mut self, task: &mut Task, number: usize) {
        task.trail.push(number);
        task.driver.pass(PACE);
        let known = self.ways.get(number).and_then(|way| way.means.clone());
        let is_first = known.is_none();
        let means = match known {
            Some(means) => means,
            None => {
                let means = self.find_means(task, number);
                if let Some(way) = self.ways.get_mut(number) {
                    way.means = Some(means.clone());
                }
                means
            }
        };
        let Some(way) = self.ways.get(number) else { return };
        let (cause, target, name, to_flow) = (way.cause, way.target, way.name.clone(), way.to_flow);
        let word = if way.label == "next" { String::new() } else { way.label.clone() };
        let flow = task.driver.run.program().name.clone();
        if cause == Cause::Calls {
            task.callers.extend(self.place(task));
        }
        self.act(&mut task.driver, cause, &word, &means);
        // Where it should be now; a target that is no node (`return`) is believed.
        let arrived = match (target, self.place(task)) {
            (Some(target), Some(place)) => target == place && task.driver.run.before().is_some(),
            (Some(_), None) => false,
            (None, _) => true,
        };
        if !arrived && (to_flow || task.driver.run.program().name == flow) {
            task.driver.run.force(&name, to_flow);
            // Later walks may come with variables that the world found first does not fit.
            if let Some(way) = self.ways.get_mut(number).filter(|_| is_first) {
                way.means = Some(Means::Force);
            }
        }
    }

    /// Finds out how a way can be gone.
    fn find_means(&mut self, task: &Task, number: usize) -> Means {
        let Some(way) = self.ways.get(number) else { return Means::Force };
        let run = &task.driver.run;
        let (flow, name) = run.before().unwrap_or_else(|| run.place());
        let node = self.library.flows.get(flow).and_then(|flow| flow.nodes.get(name));
        let Some(node) = node else { return Means::Force };
        match way.cause {
            Cause::Answer | Cause::Wrong => {
                let wanted = if way.cause == Cause::Answer { InputResult::Matched } else { InputResult::Invalid };
                let answers = kinds::answers(node, way.cause == Cause::Answer);
                let fits = |answer: &String| {
                    let mut tried = task.driver.clone();
                    tried.heard(&self.stage);
                    while tried.event().is_some() {}
                    press(&mut tried, answer, &self.stage);
                    let mut results = std::iter::from_fn(|| tried.event()).filter_map(|event| match event {
                        Event::Keys { result, .. } => Some(result),
                        _ => None,
                    });
                    results.next() == Some(wanted)
                };
                answers.into_iter().find(fits).map_or(Means::Force, Means::Press)
            }
            Cause::Offer(_) => self.suppose(node, 0, task),
            Cause::Case(wanted) => self.suppose(node, wanted, task),
            Cause::Status(200..=299) => {
                let none = BTreeMap::new();
                Means::Answer(kinds::answer(node, run.vars(), self.likely.get(flow).unwrap_or(&none)))
            }
            Cause::Fails => Means::Force,
            _ => Means::Plain,
        }
    }

    /// A world in which the case `wanted` of a node is taken.
    fn suppose(&self, node: &Node, wanted: usize, task: &Task) -> Means {
        let cases = kinds::conditions(node);
        let (run, none) = (&task.driver.run, BTreeMap::new());
        let (vars, program) = (run.vars(), run.program());
        let likely = self.likely.get(program.name.as_str()).unwrap_or(&none);
        Supposition::for_case(&cases, wanted, vars, run.language(), &program.languages, run.facts(), likely)
            .map_or(Means::Force, Means::Suppose)
    }

    /// Makes it happen.
    fn act(&mut self, driver: &mut Driver, cause: Cause, word: &str, means: &Means) {
        let stage = &mut self.stage;
        match means {
            Means::Plain => {}
            Means::Press(keys) => {
                // As often as it is asked; an answer that is taken leads on at once.
                for _ in 0..super::VISITS {
                    if !matches!(driver.waits(), Some(Waits::Keys { .. })) {
                        break;
                    }
                    driver.heard(stage);
                    press(driver, keys, stage);
                }
                return;
            }
            Means::Suppose(supposed) => {
                let mut queues = BTreeMap::new();
                driver.run.suppose(supposed, &mut queues);
                let usual = std::mem::replace(&mut stage.queues, queues);
                match cause {
                    // Other things may be due before the offer is made; a key that comes too early does nothing.
                    Cause::Offer(key) => {
                        for _ in 0..OFFERS {
                            if driver.run.before().is_some() || !driver.time_out(stage) {
                                break;
                            }
                            driver.press(key, stage);
                        }
                    }
                    _ => driver.run.step(driver.now, stage),
                }
                stage.queues = usual;
                return;
            }
            Means::Answer(body) => {
                driver.answer(Fetched::Answer { status: 200, body: body.clone() }, stage);
                return;
            }
            Means::Force => return,
        }
        match cause {
            Cause::Calls => driver.run.step(driver.now, stage),
            Cause::Passes if driver.run.before().is_some() => driver.run.step(driver.now, stage),
            Cause::Passes => driver.heard(stage),
            Cause::Key(key) => {
                driver.heard(stage);
                driver.press(key, stage);
            }
            Cause::Silence => {
                for _ in 0..super::VISITS {
                    if !matches!(driver.waits(), Some(Waits::Keys { .. })) {
                        break;
                    }
                    driver.heard(stage);
                    driver.time_out(stage);
                }
            }
            Cause::Hours(hours) => {
                stage.other_hours.set(hours);
                driver.run.step(driver.now, stage);
            }
            Cause::Queue(outcome) => driver.leave_queue(outcome, stage),
            Cause::Transfer(outcome) => driver.transfer_ends(outcome, stage),
            Cause::Booked(ok) => {
                if driver.waits() == Some(Waits::Sound) {
                    driver.heard(stage);
                }
                driver.booked(ok, stage);
            }
            Cause::Unrecorded => {
                driver.heard(stage);
                driver.unrecorded(stage);
            }
            Cause::Status(status) => {
                driver.answer(Fetched::Answer { status, body: bytes::Bytes::from_static(b"{}") }, stage);
            }
            Cause::Bot => driver.bot(word, bytes::Bytes::new(), stage),
            Cause::NoAnswer | Cause::Unreachable if driver.waits() == Some(Waits::Bot) => {
                driver.bot(if cause == Cause::NoAnswer { "timeout" } else { "error" }, bytes::Bytes::new(), stage);
            }
            Cause::NoAnswer => driver.answer(Fetched::Timeout, stage),
            Cause::Unreachable => driver.answer(Fetched::Failed { is_open: false }, stage),
            Cause::Answer | Cause::Wrong | Cause::Case(_) | Cause::Offer(_) | Cause::Returns | Cause::Fails => {}
        }
    }
}

/// Presses keys, and lets the pause after them pass where it ends the answer.
fn press(driver: &mut Driver, keys: &str, stage: &Stage) {
    for key in keys.chars() {
        driver.press(key, stage);
    }
    if let Some(Waits::Keys { begun: true, .. }) = driver.waits() {
        driver.time_out(stage);
    }
}
