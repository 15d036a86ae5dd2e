//! What one decision of the floor costs.
//!
//! Prints a Markdown table. An event is one input or one timeout with everything that follows from it, its
//! outputs taken: the matching, the reason, the journal entries. A decision is an event that made an offer.
//! Bar: 20 µs at p99 with 1,000 agents and 1,000 waiting callers.

// Measures with the real clock.
#![allow(clippy::disallowed_methods)]

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use hatif::acd::config::{AgentConfig, FloorConfig, QueueConfig};
use hatif::acd::{Floor, Input, Output, Wish};
use hatif::id::{AgentId, CallId, OfferId, QueueName};
use hatif::journal::{OfferResult, StateCause};

/// As the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DECISIONS: usize = 200_000;
const WARM_UP: usize = 20_000;
const BAR: Duration = Duration::from_micros(20);
const LANGUAGES: [&str; 4] = ["lang:ar", "lang:en", "lang:fr", "lang:ur"];

struct Shape {
    name: &'static str,
    agents: usize,
    waiting: usize,
    queues: usize,
    /// How many different lists of skills callers ask for.
    needs: usize,
}

const SHAPES: [Shape; 5] = [
    Shape { name: "50 agents, 100 waiting, 1 queue", agents: 50, waiting: 100, queues: 1, needs: 1 },
    Shape { name: "50 agents, 100 waiting, 4 queues, 8 needs", agents: 50, waiting: 100, queues: 4, needs: 8 },
    Shape { name: "1,000 agents, 1,000 waiting, 1 queue", agents: 1_000, waiting: 1_000, queues: 1, needs: 1 },
    Shape {
        name: "1,000 agents, 1,000 waiting, 8 queues, 8 needs",
        agents: 1_000,
        waiting: 1_000,
        queues: 8,
        needs: 8,
    },
    Shape {
        name: "1,000 agents, 1,000 waiting, 20 queues, 24 needs",
        agents: 1_000,
        waiting: 1_000,
        queues: 20,
        needs: 24,
    },
];

fn main() {
    println!("| Floor | Events timed | decision p50 | p99 | max | any event p50 | p99 | max |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut is_met = true;
    for shape in SHAPES {
        let mut hall = Hall::new(&shape);
        hall.run(WARM_UP);
        hall.decisions.clear();
        hall.events.clear();
        hall.run(DECISIONS);
        let (d50, d99, dmax) = figures(&mut hall.decisions);
        let (e50, e99, emax) = figures(&mut hall.events);
        let count = hall.events.len();
        println!("| {} | {count} | {d50} | {d99} | {dmax} | {e50} | {e99} | {emax} |", shape.name);
        let at = hall.decisions.len() * 99 / 100;
        is_met &= hall.decisions.get(at).is_some_and(|p99| *p99 <= BAR.as_nanos() as u64);
        hall.floor.check().expect("the floor is in order after the run");
    }
    println!("\nBar of {} µs at p99 for a decision: {}.", BAR.as_micros(), if is_met { "met" } else { "MISSED" });
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
    fn new(shape: &Shape) -> Self {
        let queues: Vec<QueueName> = (0..shape.queues).map(|n| format!("queue{n}").into()).collect();
        let mut config = FloorConfig::default();
        for (n, name) in queues.iter().enumerate() {
            let queue = QueueConfig {
                max_waiting: 10_000,
                max_wait: Duration::from_secs(1 << 30),
                weight: 1 + n as u32 % 3,
                ..QueueConfig::new(name.clone())
            };
            config.queues.insert(name.clone(), queue);
        }
        for n in 0..shape.agents {
            let id = AgentId::from(format!("{}", 10_000 + n));
            // Each agent speaks one or two languages at some level and serves one to three queues.
            let skills = (0..1 + n % 2).map(|k| (LANGUAGES[(n / 2 + k) % 4].to_owned(), 1 + (n % 10) as u8)).collect();
            let served = (0..1 + n % 3).map(|k| queues[(n + k * 3) % queues.len()].clone()).collect();
            let contact = Some("192.0.2.1:5060".parse().expect("an address"));
            let agent =
                AgentConfig { skills, queues: served, auto_ready: true, contact, ..AgentConfig::new(id.clone()) };
            config.agents.insert(id, agent);
        }
        let need = |n: usize| match n {
            0 => Vec::new(),
            n if n % 4 == 0 => vec![format!("!{}", LANGUAGES[n / 4 % 4])],
            n => vec![format!("{}>={}|{}>=3", LANGUAGES[n % 4], 1 + n / 4, LANGUAGES[(n + 1) % 4])],
        };
        let now = Instant::now();
        let mut hall = Self {
            floor: Floor::new(now, config),
            now,
            random: 1,
            calls: 0,
            waiting: shape.waiting,
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
            let pause_ms = self.roll(40) as u64;
            self.now += Duration::from_millis(pause_ms);
            if self.floor.poll_timeout().is_some_and(|at| at <= self.now) {
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
        let priority = if self.roll(10) == 0 { 1 } else { 0 };
        let (queue, skills) = (self.queues[queue].clone(), self.needs[need].clone());
        let call = CallId::new(self.calls, self.random.into());
        Input::Enqueue { call, queue, skills, priority, segment: None, max_wait: None, transferred: None }
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
                Output::Connect { .. } | Output::Moved { .. } => {}
                Output::Discard { .. } | Output::Announce { .. } | Output::Journal { .. } => {}
            }
        }
    }
}
