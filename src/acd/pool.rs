//! Pools: who may serve the callers of a lane.
//!
//! A lane of a queue without a ladder has one pool: the members of the queue who meet what is asked. Each step of a
//! ladder gives a lane with its own pools: those of the steps before, when the step adds to them, and last its own. An
//! agent belongs to the first pool that takes him; agents of an earlier pool are taken first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::agent::Agent;
use super::config::{AgentConfig, QueueConfig, Step, StepMode};
use super::deadline::{Due, Slot};
use super::dispatch::Chosen;
use super::floor::Floor;
use super::lane::Lane;
use super::skill::Skill;
use crate::id::{AgentId, CallId, QueueName};
use crate::journal::{About, Kind};

/// Lanes a queue keeps when nobody waits in them, so that an evaluation of all agents is seldom needed.
const EMPTY_LANES_MAX: usize = 64;

/// How far a caller has come: a lane for each, as each has other agents.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Stage {
    /// Of the lane that counts all agents of the queue; no caller is there.
    Base,
    /// Nobody serves him yet: a service outside is asked who shall.
    Asking,
    /// Those whom it named serve him alone.
    Chosen(Arc<Chosen>),
    /// His last agent serves him alone.
    Last(AgentId),
    /// The preferred group serves him alone.
    Group,
    /// So many steps of the ladder are done.
    Step(usize),
}

impl Stage {
    /// How many steps of the ladder are done.
    pub fn steps(&self) -> usize {
        match self {
            Self::Base | Self::Asking | Self::Chosen(_) | Self::Last(_) | Self::Group => 0,
            Self::Step(done) => *done,
        }
    }

    /// Its callers wait for somebody before all others, for some time.
    pub fn is_sticky(&self) -> bool {
        matches!(self, Self::Asking | Self::Chosen(_) | Self::Last(_) | Self::Group)
    }

    /// Its lane is for agents of one caller, and goes with its last caller.
    pub fn is_personal(&self) -> bool {
        matches!(self, Self::Chosen(_) | Self::Last(_))
    }
}

/// What makes a lane of a queue differ from the others: the stage, and the skills its callers ask for.
pub(super) type LaneKey = (Stage, Vec<String>);

/// The key of the lane of this stage for these wishes.
pub(super) fn lane_key(stage: Stage, skills: &[String]) -> LaneKey {
    let mut wishes = skills.to_vec();
    wishes.sort_unstable();
    wishes.dedup();
    (stage, wishes)
}

/// Agents, and what they must be able to do.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    /// The step it belongs to, from 1; 0 = the queue's own.
    pub step: usize,
    pub who: Who,
    /// The needs, as written and as understood; preferences among them.
    pub needs: Vec<(String, Skill)>,
}

#[derive(Clone, Debug)]
pub(super) enum Who {
    /// Who serves this queue.
    Members,
    /// This one, if he serves it.
    Member(AgentId),
    /// These, if they serve it.
    Chosen(Arc<Chosen>),
    Named {
        agents: BTreeSet<AgentId>,
        groups: BTreeSet<String>,
    },
}

/// How a lane sees an agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Admission<'a> {
    /// He is in its pool so-and-so.
    Pool(usize),
    /// He would be in one but for this need.
    Missing(&'a str),
    /// He has nothing to do with it.
    Outside,
}

impl Pool {
    fn includes(&self, agent: &AgentConfig, queue: &QueueName) -> bool {
        match &self.who {
            Who::Members => agent.queues.contains(queue),
            Who::Member(id) => agent.id == *id && agent.queues.contains(queue),
            Who::Chosen(chosen) => chosen.agents.contains(&agent.id) && agent.queues.contains(queue),
            Who::Named { agents, groups } => {
                agents.contains(&agent.id) || agent.groups.iter().any(|group| groups.contains(group))
            }
        }
    }

    /// The first need these skills do not meet.
    fn missing(&self, skills: &BTreeMap<String, u8>) -> Option<&str> {
        let is_missing = |need: &Skill| !need.is_preferred() && !need.is_met(skills);
        self.needs.iter().find(|(_, need)| is_missing(need)).map(|(text, _)| text.as_str())
    }
}

impl Lane {
    /// How it sees this agent.
    pub fn admits(&self, agent: &Agent) -> Admission<'_> {
        admission(&self.pools, &agent.config, &self.queue, agent.leaving)
    }

    /// He may not serve its callers now, but by a later step of the ladder he will.
    pub fn foresees(&self, agent: &Agent) -> bool {
        let later = || admission(&self.later, &agent.config, &self.queue, agent.leaving);
        !matches!(self.admits(agent), Admission::Pool(_)) && matches!(later(), Admission::Pool(_))
    }

    /// The preferences, as written, with whether this agent meets them.
    pub fn preferences(&self, agent: &AgentConfig) -> impl Iterator<Item = (&str, bool)> {
        let preferred = self.pool_of(agent).into_iter().flat_map(|(_, pool)| &pool.needs);
        let preferred = preferred.filter(|(_, need)| need.is_preferred());
        preferred.map(|(text, need)| (text.as_str(), need.is_met(&agent.skills)))
    }

    /// The pool he belongs to, with its number.
    pub fn pool_of(&self, agent: &AgentConfig) -> Option<(usize, &Pool)> {
        match admission(&self.pools, agent, &self.queue, false) {
            Admission::Pool(at) => Some((at, self.pools.get(at)?)),
            Admission::Missing(_) | Admission::Outside => None,
        }
    }
}

fn admission<'a>(pools: &'a [Pool], agent: &AgentConfig, queue: &QueueName, leaving: bool) -> Admission<'a> {
    let mut seen = Admission::Outside;
    for (at, pool) in pools.iter().enumerate().filter(|(_, pool)| !leaving && pool.includes(agent, queue)) {
        match (pool.missing(&agent.skills), seen) {
            (None, _) => return Admission::Pool(at),
            (Some(text), Admission::Outside) => seen = Admission::Missing(text),
            (Some(_), Admission::Pool(_) | Admission::Missing(_)) => {}
        }
    }
    seen
}

/// The needs that can be read of these, each once, and what is wrong with the others.
fn read_needs<'a>(texts: impl Iterator<Item = &'a String>, relax: u8) -> (Vec<(String, Skill)>, Vec<String>) {
    let (mut needs, mut troubles) = (Vec::new(), Vec::new());
    for text in texts {
        match text.parse::<Skill>() {
            Ok(skill) if relax > 0 => {
                let skill = skill.relaxed(relax);
                needs.push((skill.to_string(), skill));
            }
            Ok(skill) => needs.push((text.clone(), skill)),
            Err(error) => troubles.push(format!("{error}; it is left out")),
        }
    }
    needs.sort_unstable();
    needs.dedup();
    (needs, troubles)
}

fn pool(queue: &QueueConfig, number: usize, step: &Step, skills: &[String]) -> Pool {
    let own = step.skills.as_ref().unwrap_or(&queue.skills);
    let who = match step.agents.is_empty() && step.groups.is_empty() {
        true => Who::Members,
        false => Who::Named { agents: step.agents.clone(), groups: step.groups.clone() },
    };
    Pool { step: number, who, needs: read_needs(own.iter().chain(skills), step.relax).0 }
}

impl QueueConfig {
    /// True when this agent serves a caller without wishes of his own by step `number` of the ladder, from 1, whoever does
    /// by the steps before it; false when there is no such step.
    pub fn step_takes(&self, number: usize, agent: &AgentConfig) -> bool {
        let step = number.checked_sub(1).and_then(|at| self.ladder.get(at));
        let own = step.map(|step| pool(self, number, step, &[]));
        own.is_some_and(|own| own.includes(agent, &self.name) && own.missing(&agent.skills).is_none())
    }

    /// The pools of a stage for callers who ask for these skills, and what is wrong with those.
    pub(super) fn pools(&self, stage: &Stage, skills: &[String]) -> (Vec<Pool>, Vec<String>) {
        let (needs, troubles) = read_needs(self.skills.iter().chain(skills), 0);
        let members = |needs| Pool { step: 0, who: Who::Members, needs };
        let pools = match stage {
            Stage::Base => vec![members(Vec::new())],
            Stage::Asking => Vec::new(),
            // What they must be able to do is for who named them to judge.
            Stage::Chosen(chosen) => vec![Pool { step: 0, who: Who::Chosen(Arc::clone(chosen)), needs: Vec::new() }],
            Stage::Last(agent) => vec![Pool { step: 0, who: Who::Member(agent.clone()), needs }],
            Stage::Group => {
                let groups = self.sticky.group.iter().cloned().collect();
                vec![Pool { step: 0, who: Who::Named { agents: BTreeSet::new(), groups }, needs }]
            }
            Stage::Step(done) => {
                let mut pools = vec![members(needs)];
                for (number, step) in (1..).zip(&self.ladder).take(*done) {
                    if step.mode == StepMode::Replace {
                        pools.clear();
                    }
                    pools.push(pool(self, number, step, skills));
                }
                pools
            }
        };
        (pools, troubles)
    }

    /// The pools that steps still to come will bring to callers of this lane; to that which counts everybody, whatever
    /// their skills, all of the ladder.
    pub(super) fn later_pools(&self, (stage, skills): &LaneKey) -> Vec<Pool> {
        let steps = (1..).zip(&self.ladder).skip(stage.steps());
        let pools = steps.map(|(number, step)| pool(self, number, step, skills));
        match stage {
            Stage::Base => pools.map(|pool| Pool { needs: Vec::new(), ..pool }).collect(),
            // While they wait for somebody he is there, and nothing else is asked.
            Stage::Asking | Stage::Chosen(_) | Stage::Last(_) | Stage::Group => Vec::new(),
            Stage::Step(_) => pools.collect(),
        }
    }
}

impl Floor {
    /// The lane of this stage for these wishes, made when there is none yet. `None` for an unknown queue. A wish that
    /// cannot be read is told about `caller`, if there is one.
    pub(super) fn lane_for(
        &mut self,
        name: &QueueName,
        stage: Stage,
        skills: &[String],
        caller: Option<About>,
    ) -> Option<usize> {
        let queue = self.queues.get(name)?;
        let key = lane_key(stage, skills);
        if let Some(found) = queue.lanes_of(&key.0).get(&key).copied() {
            self.tell_troubles(found, caller);
            return Some(found);
        }
        let (pools, troubles) = queue.config.pools(&key.0, &key.1);
        if !key.0.is_personal() {
            self.drop_an_empty_lane(name);
        }
        let seed = self.dice.roll();
        let config = &self.queues.get(name)?.config;
        let mut lane = Lane::new(config, key.clone(), pools, config.later_pools(&key), seed);
        let index = self.lanes.vacant_key();
        for slot in self.candidates_of(name, &lane) {
            let Some(agent) = self.agents.get_mut(slot) else { continue };
            if lane.foresees(agent) {
                agent.prospects.push(index);
                lane.foresee(slot, None, agent.counted);
            }
            match lane.admits(agent) {
                Admission::Pool(_) => {
                    agent.lanes.push(index);
                    lane.recount(slot, None, agent.counted, &agent.config);
                }
                Admission::Missing(text) => {
                    let cause = format!("skill {text}");
                    *lane.unskilled.entry(cause).or_insert(0) += 1;
                }
                Admission::Outside => {}
            }
        }
        lane.troubles = troubles;
        self.lanes.insert(lane);
        self.queues.get_mut(name)?.lanes_of_mut(&key.0).insert(key, index);
        self.tell_troubles(index, caller);
        Some(index)
    }

    fn tell_troubles(&mut self, lane: usize, about: Option<About>) {
        let (Some(lane), Some(about)) = (self.lanes.get(lane), about) else { return };
        for detail in lane.troubles.clone() {
            self.journal(about.clone(), Kind::Trouble { code: "bad_skill".to_owned(), detail });
        }
    }

    /// Flows may ask for ever new combinations: keeps the number of unused lanes bounded.
    fn drop_an_empty_lane(&mut self, name: &QueueName) {
        let Some(queue) = self.queues.get_mut(name).filter(|q| q.lanes.len() >= EMPTY_LANES_MAX) else { return };
        let is_unused = |index: usize| index != queue.base && self.lanes.get(index).is_some_and(|l| l.callers == 0);
        let Some(key) = queue.lanes.iter().find(|(_, index)| is_unused(**index)).map(|(key, _)| key.clone()) else {
            return;
        };
        self.remove_lane(name, &key);
    }

    /// The last caller left a lane that is for him alone.
    pub(super) fn close_personal(&mut self, index: usize) {
        let Some(lane) = self.lanes.get(index).filter(|lane| lane.key.0.is_personal() && lane.callers == 0) else {
            return;
        };
        let (name, key) = (lane.queue.clone(), lane.key.clone());
        self.remove_lane(&name, &key);
    }

    /// Forgets a lane in which nobody is.
    fn remove_lane(&mut self, name: &QueueName, key: &LaneKey) {
        let Some(index) = self.queues.get_mut(name).and_then(|queue| queue.lanes_of_mut(&key.0).remove(key)) else {
            return;
        };
        let Some(lane) = self.lanes.try_remove(index) else { return };
        self.deadlines.clear(lane.left_alone_at, Due::LeftAlone(index));
        for slot in self.candidates_of(name, &lane) {
            if let Some(agent) = self.agents.get_mut(slot) {
                agent.lanes.retain(|lane| *lane != index);
                agent.prospects.retain(|lane| *lane != index);
            }
        }
    }

    /// Agents who may belong to a lane of this queue: its members, or one of them, and all where groups or steps of a
    /// ladder name others.
    pub(super) fn candidates_of(&self, name: &QueueName, lane: &Lane) -> Vec<Slot> {
        match &lane.key.0 {
            Stage::Asking => return Vec::new(),
            Stage::Last(agent) => return self.by_name.get(agent).copied().into_iter().collect(),
            Stage::Chosen(chosen) => {
                return chosen.agents.iter().filter_map(|agent| self.by_name.get(agent).copied()).collect();
            }
            Stage::Base | Stage::Group | Stage::Step(_) => {}
        }
        let is_of_members = lane.pools.iter().chain(&lane.later).all(|pool| matches!(pool.who, Who::Members));
        match self.queues.get(name) {
            Some(queue) if is_of_members => queue.members.clone(),
            Some(_) => self.agents.iter().map(|(slot, _)| slot).collect(),
            None => Vec::new(),
        }
    }

    /// Puts a caller into a lane, out of the one he is in.
    pub(super) fn change_lane(&mut self, now: Instant, call: CallId, index: usize) {
        let Some(caller) = self.callers.get_mut(&call).filter(|caller| caller.lane != index) else { return };
        let left = std::mem::replace(&mut caller.lane, index);
        let mut known = None;
        if let Some(lane) = self.lanes.get_mut(left) {
            lane.callers = lane.callers.saturating_sub(1);
            lane.dismiss(&caller.place, &caller.claim);
            known = lane.deserted.filter(|_| caller.offers.is_empty());
        }
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.callers += 1;
        }
        self.line_up(now, call);
        self.untend(left);
        self.close_personal(left);
        self.tend(now, index);
        if let Some(known) = known {
            self.bring_time(index, known);
        }
        self.free_callers.push(call);
    }
}
