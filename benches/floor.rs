//! What one decision of the floor costs.
//!
//! Prints a Markdown table. An event is one input or one timeout with everything that follows from it, its
//! outputs taken: the matching, the reason, the journal entries. A decision is an event that made an offer. Events a second are
//! those of a core that does nothing else; with 1,000 agents the bar is 100,000.
//! Bars: 20 µs at p99 with 1,000 agents and 1,000 waiting callers; 10 µs at p50 and 100 µs at p99 with 10,000 agents,
//! 10,000 waiting, 500 queues and 200 skills. Then how the cost grows with each side, and what 100,000 callers who wait
//! for their announcements cost: no call of the floor may take 5 ms, and each caller 1 KB.

// Measures with the real clock.
#![allow(clippy::disallowed_methods)]

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use hatif::acd::config::{AgentConfig, FloorConfig, QueueConfig, Strategy};
use hatif::acd::{Arrival, Floor, Input, Output, Wish};
use hatif::id::{AgentId, CallId, OfferId, QueueName};
use hatif::journal::{OfferResult, StateCause};

/// As the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DECISIONS: usize = 200_000;
const WARM_UP: usize = 20_000;
const LANGUAGES: [&str; 4] = ["lang:ar", "lang:en", "lang:fr", "lang:ur"];

struct Shape {
    name: &'static str,
    agents: usize,
    waiting: usize,
    queues: usize,
    /// How many different lists of skills callers ask for.
    needs: usize,
    /// How many skills there are.
    skills: usize,
}

impl Shape {
    const fn new(name: &'static str, [agents, waiting, queues, needs, skills]: [usize; 5]) -> Self {
        Self { name, agents, waiting, queues, needs, skills }
    }
}

const SHAPES: [Shape; 6] = [
    Shape::new("50 agents, 100 waiting, 1 queue", [50, 100, 1, 1, 4]),
    Shape::new("50 agents, 100 waiting, 4 queues, 8 needs", [50, 100, 4, 8, 4]),
    Shape::new("1,000 agents, 1,000 waiting, 1 queue", [1_000, 1_000, 1, 1, 4]),
    Shape::new("1,000 agents, 1,000 waiting, 8 queues, 8 needs", [1_000, 1_000, 8, 8, 4]),
    Shape::new("1,000 agents, 1,000 waiting, 20 queues, 24 needs", [1_000, 1_000, 20, 24, 4]),
    Shape::new("10,000 agents, 10,000 waiting, 500 queues, 200 skills", [10_000, 10_000, 500, 200, 200]),
];
/// Sizes of one side while the other has a thousand.
const GROWTH: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];

fn main() {
    println!("| Floor | Events timed | decision p50 | p99 | max | any event p50 | p99 | max | events a second |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for shape in SHAPES {
        let (p50, p99) = row(&shape, DECISIONS, Strategy::LongestIdle);
        let (most, bar) = if shape.queues == 500 { (10, 100) } else { (20, 20) };
        if shape.agents >= 1_000 {
            let is_met = p50 <= most * 1_000 && p99 <= bar * 1_000;
            println!(
                "| … bar: p50 {most} µs, p99 {bar} µs | {} | | | | | | | |",
                if is_met { "met" } else { "MISSED" }
            );
        }
    }
    for (word, strategy) in Strategy::WORDS {
        let name: &'static str = format!("1,000 agents, 1,000 waiting, 20 queues, 24 needs: {word}").leak();
        row(&Shape::new(name, [1_000, 1_000, 20, 24, 4]), DECISIONS / 4, strategy);
    }
    for size in GROWTH {
        let name: &'static str = format!("1,000 agents, {size} waiting, 8 queues, 8 needs").leak();
        row(&Shape::new(name, [1_000, size, 8, 8, 4]), DECISIONS / 4, Strategy::LongestIdle);
    }
    for size in &GROWTH[1..4] {
        let name: &'static str = format!("{size} agents, 1,000 waiting, 8 queues, 8 needs").leak();
        row(&Shape::new(name, [*size, 1_000, 8, 8, 4]), DECISIONS / 4, Strategy::LongestIdle);
    }
    announcements();
}

/// One row of the table; p50 and p99 of a decision in ns.
fn row(shape: &Shape, decisions: usize, strategy: Strategy) -> (u64, u64) {
    let mut hall = Hall::new(shape, strategy);
    hall.run(WARM_UP.min(decisions));
    hall.decisions.clear();
    hall.events.clear();
    hall.run(decisions);
    let (d50, d99, dmax) = figures(&mut hall.decisions);
    let (e50, e99, emax) = figures(&mut hall.events);
    let count = hall.events.len();
    // One thread does nothing else: seconds of its events are seconds of a core.
    let each_second = count as u64 * 1_000_000_000 / hall.events.iter().sum::<u64>().max(1);
    println!("| {} | {count} | {d50} | {d99} | {dmax} | {e50} | {e99} | {emax} | {each_second} |", shape.name);
    // It counts every lane afresh: 100,000 lanes would take minutes.
    if shape.queues <= 20 {
        hall.floor.check().expect("the floor is in order after the run");
    }
    let at = |share: usize| hall.decisions.get(hall.decisions.len() * share / 100).copied().unwrap_or(u64::MAX);
    (at(50), at(99))
}

/// 100,000 callers in one queue nobody serves, who come within a few seconds and all hear their place every 30 s.
fn announcements() {
    const CALLERS: u64 = 100_000;
    let mut now = Instant::now();
    let mut config = FloorConfig::default();
    let name = QueueName::from("long".to_owned());
    let queue = QueueConfig {
        max_waiting: u32::MAX,
        max_wait: Duration::from_secs(1 << 30),
        announce_every: Some(Duration::from_secs(30)),
        ..QueueConfig::new(name.clone())
    };
    config.queues.insert(name.clone(), queue);
    let mut floor = Floor::new(now, config);
    let before = resident_bytes();
    let mut enter = Vec::new();
    for n in 0..CALLERS {
        now += Duration::from_micros(50);
        let input = enqueue(CallId::new(n, u128::from(n)), name.clone(), Vec::new(), 0);
        enter.push(timed(|| floor.handle(now, input)));
        while floor.poll_output().is_some() {}
    }
    let each = resident_bytes().saturating_sub(before) / CALLERS;
    let (mut ticks, mut said) = (Vec::new(), 0);
    for _ in 0..60_000 {
        now += Duration::from_millis(1);
        while floor.poll_timeout().is_some_and(|at| at <= now) {
            ticks.push(timed(|| floor.handle_timeout(now)));
            while let Some(output) = floor.poll_output() {
                said += u64::from(matches!(output, Output::Announce { .. }));
            }
        }
    }
    assert!(said >= 2 * CALLERS, "{said} announcements");
    // All at once, as after a stall of half a minute.
    now += Duration::from_secs(31);
    let mut stall = Vec::new();
    while floor.poll_timeout().is_some_and(|at| at <= now) {
        stall.push(timed(|| floor.handle_timeout(now)));
        while floor.poll_output().is_some() {}
    }
    println!("\n| 100,000 callers in one queue | calls of the floor | p50 | p99 | max |\n|---|---|---|---|---|");
    for (what, mut took) in [("one more enters", enter), ("a tick of 1 ms", ticks), ("after a stall of 31 s", stall)] {
        let (p50, p99, max) = figures(&mut took);
        println!("| {what} | {} | {p50} | {p99} | {max} |", took.len());
    }
    println!("\nA waiting caller takes {each} bytes (bar 1,024); no call of the floor may take 5 ms.");
}

fn enqueue(call: CallId, queue: QueueName, skills: Vec<String>, priority: u32) -> Input {
    Input::Enqueue(Arrival { skills, priority, ..Arrival::new(call, queue) })
}

fn timed(event: impl FnOnce()) -> u64 {
    let begin = Instant::now();
    event();
    begin.elapsed().as_nanos() as u64
}

/// What the process holds in memory.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4_096
}

/// p50, p99 and maximum in µs; sorts the samples.
fn figures(samples: &mut [u64]) -> (String, String, String) {
    samples.sort_unstable();
    let us = |at: usize| samples.get(at).map_or("-".to_owned(), |ns| format!("{:.2} µs", *ns as f64 / 1_000.0));
    (us(samples.len() / 2), us(samples.len() * 99 / 100), us(samples.len().saturating_sub(1)))
}

/// A centre in which as many callers wait as the shape says, whatever is served.
struct Hall {
    floor: Floor,
    now: Instant,
    random: u64,
    calls: u64,
    waiting: usize,
    agents: usize,
    queues: Vec<QueueName>,
    needs: Vec<Vec<String>>,
    ringing: VecDeque<(OfferId, CallId, AgentId)>,
    talking: VecDeque<(AgentId, CallId)>,
    wrapping: VecDeque<AgentId>,
    in_queue: usize,
    decisions: Vec<u64>,
    events: Vec<u64>,
}

impl Hall {
    fn new(shape: &Shape, strategy: Strategy) -> Self {
        let skills: Vec<String> = match shape.skills {
            4 => LANGUAGES.map(str::to_owned).into(),
            count => (0..count).map(|n| format!("skill{n}")).collect(),
        };
        let queues: Vec<QueueName> = (0..shape.queues).map(|n| format!("queue{n}").into()).collect();
        let mut config = FloorConfig::default();
        for (n, name) in queues.iter().enumerate() {
            let queue = QueueConfig {
                strategy,
                // Nobody is paused for a missed ring: the same agents serve from the first event to the last.
                rna_threshold: 0,
                max_waiting: u32::MAX,
                max_wait: Duration::from_secs(1 << 30),
                weight: 1 + n as u32 % 3,
                ..QueueConfig::new(name.clone())
            };
            config.queues.insert(name.clone(), queue);
        }
        for n in 0..shape.agents {
            let id = AgentId::from(format!("{}", 10_000 + n));
            // Each agent has a quarter to a half of four skills, or twelve of many, at some level and serves one to three
            // queues.
            let count = if skills.len() == 4 { 1 + n % 2 } else { 12 };
            let level = 1 + ((n + n / queues.len()) % 10) as u8;
            let skills = (0..count).map(|k| (skills[(n / 2 + k) % skills.len()].clone(), level)).collect();
            let served = (0..1 + n % 3).map(|k| queues[(n + k * 3) % queues.len()].clone()).collect();
            let contact = Some("192.0.2.1:5060".parse().expect("an address"));
            let agent =
                AgentConfig { skills, queues: served, auto_ready: true, contact, ..AgentConfig::new(id.clone()) };
            config.agents.insert(id, agent);
        }
        let skill = |n: usize| &skills[n % skills.len()];
        let need = |n: usize| match n {
            0 => Vec::new(),
            // What the agents of one queue know lies together: see above.
            n if shape.skills > 4 => vec![format!("{}>={}|{}", skill(n), 1 + n % 5, skill(n + 1))],
            n if n % 4 == 0 => vec![format!("!{}", skill(n / 4))],
            n => vec![format!("{}>={}|{}>=3", skill(n), 1 + n / 4, skill(n + 1))],
        };
        let now = Instant::now();
        let mut hall = Self {
            floor: Floor::new(now, config),
            now,
            random: 1,
            calls: 0,
            waiting: shape.waiting,
            agents: shape.agents,
            queues,
            needs: (0..shape.needs).map(need).collect(),
            ringing: VecDeque::new(),
            talking: VecDeque::new(),
            wrapping: VecDeque::new(),
            in_queue: 0,
            decisions: Vec::new(),
            events: Vec::new(),
        };
        hall.drain();
        hall
    }

    fn roll(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % below.max(1)
    }

    /// Plays on until so many decisions are timed.
    fn run(&mut self, decisions: usize) {
        while self.decisions.len() < decisions {
            // The more agents, the more happens: each rings, talks and wraps up for as long whatever the size.
            let pause_us = self.roll(40_000 * 50 / self.agents.max(50)) as u64;
            self.now += Duration::from_micros(pause_us);
            while self.floor.poll_timeout().is_some_and(|at| at <= self.now) {
                self.timed(|floor, now| floor.handle_timeout(now));
            }
            while self.in_queue < self.waiting {
                let input = self.arrival();
                self.in_queue += 1;
                self.timed(|floor, now| floor.handle(now, input));
            }
            match self.roll(10) {
                0 => self.fail_one(),
                1..=3 => self.answer_one(),
                4..=6 => self.end_one(),
                _ => self.finish_one(),
            }
        }
    }

    fn arrival(&mut self) -> Input {
        self.calls += 1;
        let (queue, need) = (self.roll(self.queues.len()), self.roll(self.needs.len()));
        // Nobody asks a queue for what none of its agents knows.
        let need = if self.needs.len() == 200 { (queue / 2 + need / 48 * 50 + need % 12) % 200 } else { need };
        let priority = if self.roll(10) == 0 { 1 } else { 0 };
        let (queue, skills) = (self.queues[queue].clone(), self.needs[need].clone());
        let call = CallId::new(self.calls, self.random.into());
        enqueue(call, queue, skills, priority)
    }

    fn answer_one(&mut self) {
        if let Some((offer, call, agent)) = self.ringing.pop_front() {
            self.in_queue -= 1;
            self.talking.push_back((agent, call));
            self.timed(|floor, now| floor.handle(now, Input::Answered { offer }));
        }
    }

    fn fail_one(&mut self) {
        if let Some((offer, ..)) = self.ringing.pop_front() {
            let input = Input::Failed { offer, result: OfferResult::Busy, sip_code: Some(486) };
            self.timed(|floor, now| floor.handle(now, input));
        }
    }

    fn end_one(&mut self) {
        let at = self.roll(self.talking.len());
        if let Some((agent, call)) = self.talking.swap_remove_back(at) {
            self.wrapping.push_back(agent.clone());
            self.timed(|floor, now| floor.handle(now, Input::TalkEnded { agent, call }));
        }
    }

    fn finish_one(&mut self) {
        if let Some(agent) = self.wrapping.pop_front() {
            let input = Input::Want { agent, wish: Wish::Ready, by: StateCause::Agent };
            self.timed(|floor, now| floor.handle(now, input));
        }
    }

    /// Times one event and takes its outputs.
    fn timed(&mut self, event: impl FnOnce(&mut Floor, Instant)) {
        let begin = Instant::now();
        event(&mut self.floor, self.now);
        let mut outputs: Vec<Output> = Vec::with_capacity(8);
        while let Some(output) = self.floor.poll_output() {
            outputs.push(output);
        }
        let took = begin.elapsed().as_nanos() as u64;
        let offers = outputs.iter().filter(|o| matches!(o, Output::Offer { .. })).count();
        self.events.push(took);
        // A timeout may make several offers: each is one decision.
        for _ in 0..offers {
            self.decisions.push(took / offers as u64);
        }
        self.read(outputs);
    }

    fn drain(&mut self) {
        let outputs = std::iter::from_fn(|| self.floor.poll_output()).collect();
        self.read(outputs);
    }

    fn read(&mut self, outputs: Vec<Output>) {
        for output in black_box(outputs) {
            match output {
                Output::Offer { offer, call, agent, .. } => self.ringing.push_back((offer, call, agent)),
                Output::Withdraw { offer } => self.ringing.retain(|(o, ..)| *o != offer),
                Output::Left { .. } => self.in_queue -= 1,
                Output::Connect { .. } | Output::CallBack { .. } | Output::Moved { .. } | Output::Remind { .. } => {}
                Output::Dispatch { .. } | Output::Discard { .. } | Output::Announce { .. } | Output::Journal { .. } => {
                }
            }
        }
    }
}
