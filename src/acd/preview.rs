//! Who would get the next call: the floor asked, not told.
//!
//! A pure reading. What is answered for a caller who is not there yet is what would happen if he came at this very
//! moment and nothing else did; with strategies of chance too, as their lots are drawn from the floor's own dice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::agent::{Agent, State, class_name};
use super::deadline::Slot;
use super::estimate::Estimate;
use super::floor::Floor;
use super::lane::{Caller, Claim, Lane, Place, Queue};
use super::matching::{ahead, ms, u32_of};
use super::pool::{Admission, Stage, lane_key};
use super::skill::{Skill, SkillError};
use super::strategy::Dice;
use crate::id::{AgentId, CallId, QueueName};

/// Candidates and passed-over agents named in one answer, each; beyond, they are counted.
pub const NAMED_MAX: usize = 50;

/// For whom the floor is asked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Question {
    /// A caller who waits in the queue already; the rest of the question is then his own.
    pub call: Option<CallId>,
    /// Skills asked for in addition to the queue's own.
    pub skills: Vec<String>,
    /// Head start in minutes of waiting.
    pub priority: u32,
    /// What kind of caller he is.
    pub segment: Option<String>,
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PreviewError {
    /// No such queue.
    #[error("there is no queue {0}")]
    NoQueue(QueueName),
    /// That caller does not wait in it.
    #[error("{0} does not wait in this queue")]
    NotWaiting(CallId),
    /// A skill that cannot be read.
    #[error(transparent)]
    Skill(#[from] SkillError),
}

/// What would happen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Preview {
    /// The strategy of the queue, e.g. `longest_idle`.
    pub rule: &'static str,
    /// The place the caller has or would have, 1 = next; none when the queue has no room for him.
    pub position: Option<u32>,
    /// Callers in the queue now.
    pub waiting: u32,
    /// His score: seconds waited + 60 for each minute of priority + the boost of his segment.
    pub score_s: i64,
    /// Why he goes before callers of higher scores: `overdue` or `priority N`.
    pub ahead: Option<String>,
    /// How long he would wait, or will; none while nothing is known.
    pub estimate: Option<Estimate>,
    /// Who is rung for him already, in the order it began.
    pub ringing: Vec<AgentId>,
    /// Who could be rung for him now, in the order in which they would be; at most [`NAMED_MAX`].
    pub candidates: Vec<Candidate>,
    /// All who could.
    pub eligible: u32,
    /// The other agents of the queue, with what keeps each; at most [`NAMED_MAX`], who is free again first first.
    pub passed_over: Vec<PassedOver>,
    /// All of them by cause, as in [`crate::journal::Why::passed_over`].
    pub causes: BTreeMap<String, u32>,
}

/// Somebody who could be rung.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// Who.
    pub agent: AgentId,
    /// His name.
    pub name: String,
    /// The figure by which he stands where he stands; none where idle time or chance decides.
    pub figure: Option<u64>,
    /// How long he has been idle; 0 for one who has a call and may have one more.
    pub idle_ms: u64,
    /// Preferences he meets.
    pub preferred: Vec<String>,
    /// Preferences he does not meet.
    pub unmet: Vec<String>,
}

/// Somebody who could not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PassedOver {
    /// When a timer frees him by itself, in ms from now; first, so that they sort by it.
    pub free_in_ms: Option<u64>,
    /// Who.
    pub agent: AgentId,
    /// His name.
    pub name: String,
    /// Why not: his state, `delayed`, `excluded`, or `skill …` for the first one he lacks.
    pub cause: String,
    /// The code of his pause.
    pub code: Option<String>,
}

impl Floor {
    /// Who would be rung for this caller now, who after that, and who would not be and why. Nothing is changed.
    ///
    /// Looks at every agent of the queue once: for people who ask, not for decisions.
    ///
    /// # Errors
    ///
    /// The queue, the caller or a skill is not known.
    pub fn preview(&self, now: Instant, name: &QueueName, question: &Question) -> Result<Preview, PreviewError> {
        let queue = self.queues.get(name).ok_or_else(|| PreviewError::NoQueue(name.clone()))?;
        if let Some(call) = question.call {
            let caller = self.callers.get(&call).filter(|caller| caller.queue == *name);
            let caller = caller.ok_or(PreviewError::NotWaiting(call))?;
            let lane = self.lanes.get(caller.lane).ok_or(PreviewError::NotWaiting(call))?;
            return Ok(self.preview_of(now, queue, lane, &caller.place, Some(caller)));
        }
        for skill in &question.skills {
            skill.parse::<Skill>()?;
        }
        let claim = Claim {
            skills: question.skills.clone(),
            segment: question.segment.clone(),
            ..Claim::nameless(now, name, question.priority)
        };
        let place = claim.place(now, self.origin, &queue.config, self.next_seq + 1, CallId::new(0, 0));
        let mut done = queue.config.steps_begun(Duration::ZERO);
        loop {
            let made;
            let lane = match self.lane_there(queue, Stage::Step(done), &question.skills) {
                Ok(lane) => lane,
                Err(lane) => {
                    made = lane;
                    &*made
                }
            };
            if !(lane.skipped && lane.is_unstaffed()) {
                return Ok(self.preview_of(now, queue, lane, &place, None));
            }
            done += 1;
        }
    }

    /// The lane of this stage for these wishes, or the one that would be made.
    fn lane_there(&self, queue: &Queue, stage: Stage, skills: &[String]) -> Result<&Lane, Box<Lane>> {
        let key = lane_key(stage, skills);
        if let Some(lane) = queue.lanes.get(&key).and_then(|index| self.lanes.get(*index)) {
            return Ok(lane);
        }
        let seed = Dice(self.dice.0).roll();
        let (pools, _) = queue.config.pools(&key.0, &key.1);
        let later = queue.config.later_pools(&key);
        let mut lane = Lane::new(&queue.config, key, pools, later, seed);
        for slot in self.candidates_of(&queue.config.name, &lane) {
            if let Some(agent) = self.agents.get(slot).filter(|a| matches!(lane.admits(a), Admission::Pool(_))) {
                lane.recount(slot, None, agent.counted, &agent.config);
            }
        }
        Err(Box::new(lane))
    }

    fn preview_of(&self, now: Instant, queue: &Queue, lane: &Lane, place: &Place, caller: Option<&Caller>) -> Preview {
        let nobody = BTreeSet::new();
        let excluded = caller.map_or(&nobody, |caller| &caller.excluded);
        let has_room = caller.is_some() || u32_of(queue.live()) < queue.config.max_waiting;
        let before = u32_of(queue.order.rank(place));
        let (passed_over, causes) = self.passed_over(now, queue, lane, excluded);
        let now_s = i64::try_from(ms(now, self.origin) / 1_000).unwrap_or(i64::MAX);
        let rings = caller.into_iter().flat_map(|caller| &caller.offers).filter_map(|offer| self.offers.get(offer));
        let rung = rings.filter_map(|offer| self.agents.get(offer.slot));
        Preview {
            rule: queue.config.strategy.word(),
            position: has_room.then_some(before + 1),
            waiting: u32_of(queue.order.len()),
            score_s: now_s - place.since_s,
            ahead: ahead(place),
            estimate: self.pace(queue, lane).and_then(|rate| self.estimate_at(queue.order.rank(place), lane, rate)),
            ringing: rung.map(|agent| agent.id().clone()).collect(),
            candidates: self.candidates(now, queue, lane, excluded),
            eligible: u32_of(lane.idle.len() - excluded.iter().filter(|slot| lane.idle.contains(**slot)).count()),
            passed_over,
            causes,
        }
    }

    /// Those who are idle, in the order in which they are taken.
    fn candidates(&self, now: Instant, queue: &Queue, lane: &Lane, excluded: &BTreeSet<Slot>) -> Vec<Candidate> {
        let mut gone = excluded.clone();
        let mut found = Vec::new();
        while let Some(slot) = lane.idle.next(queue.last, &gone).filter(|_| found.len() < NAMED_MAX) {
            gone.insert(slot);
            let Some(agent) = self.agents.get(slot) else { continue };
            let preferences = |wanted| {
                let of = lane.preferences(&agent.config).filter(move |(_, is_met)| *is_met == wanted);
                of.map(|(text, _)| text.to_owned()).collect()
            };
            found.push(Candidate {
                agent: agent.id().clone(),
                name: agent.config.name.clone(),
                figure: lane.idle.figure(slot),
                idle_ms: if agent.is_engaged() { 0 } else { ms(now, agent.idle_since) },
                preferred: preferences(true),
                unmet: preferences(false),
            });
        }
        found
    }

    /// Those of the queue who cannot be rung, and how many for which cause.
    fn passed_over(
        &self,
        now: Instant,
        queue: &Queue,
        lane: &Lane,
        excluded: &BTreeSet<Slot>,
    ) -> (Vec<PassedOver>, BTreeMap<String, u32>) {
        let mut causes: BTreeMap<String, u32> = BTreeMap::new();
        let mut found = Vec::new();
        for slot in self.candidates_of(&queue.config.name, lane) {
            let Some(agent) = self.agents.get(slot) else { continue };
            let cause = match lane.admits(agent) {
                Admission::Outside => continue,
                Admission::Missing(text) => format!("skill {text}"),
                Admission::Pool(_) if excluded.contains(&slot) => "excluded".to_owned(),
                Admission::Pool(_) if lane.idle.contains(slot) => continue,
                Admission::Pool(_) => class_name(agent.class().class).to_owned(),
            };
            *causes.entry(cause.clone()).or_insert(0) += 1;
            let until = free_at(agent).filter(|_| !cause.starts_with("skill ") && agent.is_reachable());
            found.push(PassedOver {
                free_in_ms: until.map(|until| ms(until, now)),
                agent: agent.id().clone(),
                name: agent.config.name.clone(),
                cause,
                code: agent.show().code,
            });
        }
        found.sort_by(|a, b| {
            let key = |p: &PassedOver| (p.free_in_ms.is_none(), p.free_in_ms);
            key(a).cmp(&key(b)).then_with(|| a.agent.cmp(&b.agent))
        });
        found.truncate(NAMED_MAX);
        (found, causes)
    }
}

/// When a timer frees him by itself.
fn free_at(agent: &Agent) -> Option<Instant> {
    let has_time = !agent.is_engaged() || agent.is_open();
    match &agent.state {
        State::Ready { delayed_until } => delayed_until.filter(|_| has_time),
        State::WrapUp(work) if agent.next.is_none() => work.until.filter(|_| !agent.is_engaged()),
        State::WrapUp(_) | State::Offline | State::Ringing { .. } | State::Paused(_) => None,
    }
}
