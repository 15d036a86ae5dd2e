//! Rules of the floor, each by its name. Time is virtual; one origin is taken per test.

// The origin of the virtual time.
#![allow(clippy::disallowed_methods)]

mod agents;
mod calendar;
mod callback;
mod callers;
mod capacity;
mod dispatch;
mod estimate;
mod ladder;
mod misses;
mod nobody;
mod order;
mod overflow;
mod pauses;
mod phones;
mod preview;
mod random;
mod relax;
mod remind;
mod restore;
mod rounds;
mod sticky;
mod strategies;
mod wrap_up;

use std::time::{Duration, Instant};

use super::config::{AgentConfig, FloorConfig, QueueConfig};
use super::{Arrival, Floor, Input, Output, Way, Wish};
use crate::id::{AgentId, CallId, OfferId, QueueName};
use crate::journal::{AgentStateName, Kind, OfferResult, QueueOutcome, StateCause, Why};

/// A floor with its clock; every step checks all invariants.
struct World {
    floor: Floor,
    config: FloorConfig,
    start: Instant,
    now: Instant,
    log: Vec<Output>,
}

const SUPPORT: &str = "support";

/// Agents of `support`, without skills, ready at once in this order.
fn world(agents: &[&str]) -> World {
    let mut config = FloorConfig::default();
    config.queues.insert(SUPPORT.into(), quiet(SUPPORT));
    for id in agents {
        config.agents.insert((*id).into(), person(id, &[], &[SUPPORT]));
    }
    World::new(config)
}

/// A queue without announcements: they would make other tests noisy.
fn quiet(name: &str) -> QueueConfig {
    QueueConfig { announce_every: None, ..QueueConfig::new(name.into()) }
}

fn person(id: &str, skills: &[(&str, u8)], queues: &[&str]) -> AgentConfig {
    AgentConfig {
        name: id.to_uppercase(),
        skills: skills.iter().map(|(n, l)| ((*n).to_owned(), *l)).collect(),
        queues: queues.iter().map(|q| QueueName::from(*q)).collect(),
        auto_ready: true,
        contact: Some("192.0.2.1:5060".parse().unwrap()),
        ..AgentConfig::new(id.into())
    }
}

fn call(n: u64) -> CallId {
    CallId::new(n, 0)
}

impl World {
    fn new(config: FloorConfig) -> Self {
        let start = Instant::now();
        let mut world = Self { floor: Floor::new(start, config.clone()), config, start, now: start, log: Vec::new() };
        world.drain();
        world
    }

    fn drain(&mut self) -> Vec<Output> {
        self.floor.check().unwrap();
        let new: Vec<Output> = std::iter::from_fn(|| self.floor.poll_output()).collect();
        self.log.extend(new.iter().cloned());
        new
    }

    fn input(&mut self, input: Input) -> Vec<Output> {
        self.floor.handle(self.now, input);
        self.drain()
    }

    /// Lets time pass, from deadline to deadline; what came out, with seconds since the start.
    fn pass(&mut self, seconds: f64) -> Vec<(f64, Output)> {
        let end = self.now + Duration::from_secs_f64(seconds);
        let mut out = Vec::new();
        while let Some(at) = self.floor.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.floor.handle_timeout(self.now);
            let at_s = (self.now - self.start).as_secs_f64();
            out.extend(self.drain().into_iter().map(|o| (at_s, o)));
        }
        self.now = end;
        out
    }

    fn enqueue(&mut self, n: u64) -> Vec<Output> {
        self.enqueue_to(n, SUPPORT, &[], 0)
    }

    fn enqueue_to(&mut self, n: u64, queue: &str, skills: &[&str], priority: u32) -> Vec<Output> {
        self.enqueue_as(n, queue, skills, priority, None)
    }

    fn enqueue_as(
        &mut self,
        n: u64,
        queue: &str,
        skills: &[&str],
        priority: u32,
        segment: Option<&str>,
    ) -> Vec<Output> {
        let segment = segment.map(str::to_owned);
        let skills = skills.iter().map(|s| (*s).to_owned()).collect();
        self.arrives(Arrival { skills, priority, segment, ..Arrival::new(call(n), queue.into()) })
    }

    fn arrives(&mut self, arrival: Arrival) -> Vec<Output> {
        self.input(Input::Enqueue(arrival))
    }

    /// A caller of `support` who shows this number, and talked with this agent last.
    fn known(&mut self, n: u64, number: Option<&str>, last: Option<&str>) -> Vec<Output> {
        let (last_agent, number) = (last.map(AgentId::from), number.map(str::to_owned));
        self.arrives(Arrival { last_agent, number, ..Arrival::new(call(n), SUPPORT.into()) })
    }

    fn want(&mut self, agent: &str, wish: Wish) -> Vec<Output> {
        self.input(Input::Want { agent: agent.into(), wish, by: StateCause::Agent })
    }

    fn pause(&mut self, agent: &str) -> Vec<Output> {
        self.want(agent, Wish::Pause("LUNCH".to_owned()))
    }

    fn answer(&mut self, offer: u64) -> Vec<Output> {
        self.input(Input::Answered { offer: OfferId(offer) })
    }

    fn fail(&mut self, offer: u64, result: OfferResult) -> Vec<Output> {
        self.input(Input::Failed { offer: OfferId(offer), result, sip_code: Some(486) })
    }

    fn talk_ended(&mut self, agent: &str, n: u64) -> Vec<Output> {
        self.input(Input::TalkEnded { agent: agent.into(), call: call(n) })
    }

    fn reachable(&mut self, agent: &str, reachable: bool) -> Vec<Output> {
        self.input(Input::Reachable { agent: agent.into(), reachable })
    }

    fn apply(&mut self) -> Vec<Output> {
        self.floor.apply(self.now, self.config.clone());
        self.drain()
    }

    fn queue(&mut self, name: &str) -> &mut QueueConfig {
        self.config.queues.entry(name.into()).or_insert_with(|| quiet(name))
    }

    fn state(&self, agent: &str) -> (AgentStateName, Option<String>, Option<String>) {
        let view = self.floor.agent(&agent.into()).unwrap();
        (view.state, view.code, view.next)
    }

    fn is(&self, agent: &str, state: AgentStateName) -> bool {
        self.state(agent).0 == state
    }

    /// The callers this agent is offered one after the other, with what put each ahead of the scores.
    fn served(&mut self, agent: &str) -> Vec<(u64, Option<String>)> {
        let mut served = Vec::new();
        let mut out = self.want(agent, Wish::Ready);
        while let Some((offer, call, _)) = offers(&out).pop() {
            let number = (0..100).find(|n| crate::acd::tests::call(*n) == call).unwrap();
            served.push((number, why(&out).ahead));
            self.answer(offer);
            self.input(Input::TalkEnded { agent: agent.into(), call });
            out = self.want(agent, Wish::FinishWrapUp);
        }
        served
    }

    fn left(&self) -> Vec<(CallId, QueueOutcome)> {
        let left = |o: &Output| match o {
            Output::Left { call, outcome, .. } => Some((*call, *outcome)),
            _ => None,
        };
        self.log.iter().filter_map(left).collect()
    }
}

/// Offers in these outputs as (offer, call number in its id, agent).
fn offers<'a>(out: impl IntoIterator<Item = &'a Output>) -> Vec<(u64, CallId, String)> {
    let pick = |o: &Output| match o {
        Output::Offer { offer, call, agent, .. } => Some((offer.0, *call, agent.to_string())),
        _ => None,
    };
    out.into_iter().filter_map(pick).collect()
}

fn offer(n: u64, c: u64, agent: &str) -> Vec<(u64, CallId, String)> {
    vec![(n, call(c), agent.to_owned())]
}

fn timed(out: &[(f64, Output)]) -> Vec<(f64, u64, String)> {
    out.iter().flat_map(|(at, o)| offers([o]).into_iter().map(move |(n, _, agent)| (*at, n, agent))).collect()
}

fn kinds(out: &[Output]) -> Vec<&Kind> {
    out.iter().filter_map(|o| if let Output::Journal { kind, .. } = o { Some(kind) } else { None }).collect()
}

fn withdrawn(out: &[Output]) -> bool {
    out.iter().any(|o| matches!(o, Output::Withdraw { .. }))
}

fn ended(out: &[Output]) -> Vec<OfferResult> {
    let pick = |k: &Kind| match k {
        Kind::OfferEnded { result, .. } => Some(*result),
        _ => None,
    };
    kinds(out).into_iter().filter_map(pick).collect()
}

fn why(out: &[Output]) -> Why {
    let pick = |k: &Kind| match k {
        Kind::Offered { why, .. } => Some((**why).clone()),
        _ => None,
    };
    kinds(out).into_iter().find_map(pick).unwrap()
}
