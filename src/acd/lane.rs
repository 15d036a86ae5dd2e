//! Queues, and the lanes in them: callers with the same needs and at the same step, beside the agents for them.
//!
//! Matching looks only at the heads of lanes: the first idle agent of a caller's lane, the first callers
//! of an agent's lanes. So its cost depends on the number of different needs, not on the length of a queue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Callback;
use super::agent::{CLASSES, Counted};
use super::config::{AgentConfig, QueueConfig};
use super::deadline::Slot;
use super::dispatch::Chosen;
use super::estimate::{Pace, Recent};
use super::nobody::Deserted;
use super::overflow::Over;
use super::pool::{LaneKey, Pool, Stage};
use super::ranked::Ranked;
use super::resume::Gone;
use super::sticky::Sticky;
use super::strategy::Row;
use crate::id::{AgentId, CallId, OfferId, QueueName};
use crate::journal::AgentStateName;

/// A caller's place in the order of a queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(super) struct Place {
    /// Lower goes first whatever the scores: [`OVERDUE`], the negative of a strict priority, or 0.
    pub level: i64,
    /// The whole second of his entry less 60 for each minute of priority, less the boost of his segment: who is lower
    /// scores higher, and as every score grows alike the order never changes with time.
    pub since_s: i64,
    /// Order of entry.
    pub seq: u64,
    pub call: CallId,
}

/// The level of who has waited for so long that nobody may overtake him any more.
pub(super) const OVERDUE: i64 = i64::MIN;

/// What a caller came with, and what gives him his place.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    /// Skills asked for beyond the queue's own.
    pub skills: Vec<String>,
    /// Minutes of waiting he is ahead.
    pub priority: u32,
    /// What kind of caller he is.
    pub segment: Option<String>,
    /// Since when he has waited, in whichever queue.
    pub since: Instant,
    /// How often rules of queues sent him on.
    pub hops: u8,
    /// Who talked with him last.
    pub last_agent: Option<AgentId>,
    /// Whom the dispatch service named.
    pub chosen: Option<Arc<Chosen>>,
    /// His number, when he shows it.
    pub number: Option<String>,
    /// The queue he asked for, whatever rules sent him to.
    pub asked: QueueName,
    /// How often he hung up and came back.
    pub resumes: u8,
    /// He is called back; `None` once he is on the line.
    pub callback: Option<Callback>,
}

impl Claim {
    /// Of somebody who comes now and asks for nothing.
    pub fn nameless(now: Instant, queue: &QueueName, priority: u32) -> Self {
        Self {
            skills: Vec::new(),
            priority,
            segment: None,
            since: now,
            hops: 0,
            last_agent: None,
            chosen: None,
            number: None,
            asked: queue.clone(),
            resumes: 0,
            callback: None,
        }
    }

    /// When nobody may overtake him any more.
    pub fn overdue_at(&self, queue: &QueueConfig) -> Option<Instant> {
        queue.max_wait_strict.and_then(|wait| self.since.checked_add(wait))
    }

    /// Level and score of his place; `origin` is what seconds are counted from.
    pub fn place(&self, now: Instant, origin: Instant, queue: &QueueConfig, seq: u64, call: CallId) -> Place {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let priority = i64::from(self.priority);
        let boost = self.segment.as_ref().and_then(|segment| queue.segments.get(segment)).copied();
        // Who waited before this process began came before its first second.
        let entered_s = seconds(self.since.saturating_duration_since(origin))
            - seconds(origin.saturating_duration_since(self.since));
        let since_s = entered_s.saturating_sub(60 * priority).saturating_sub(seconds(boost.unwrap_or_default()));
        let level = match self.overdue_at(queue) {
            Some(at) if at <= now => OVERDUE,
            Some(_) | None if queue.strict_priority => -priority,
            Some(_) | None => 0,
        };
        Place { level, since_s, seq, call }
    }
}

/// One caller in a queue.
#[derive(Debug)]
pub(super) struct Caller {
    pub queue: QueueName,
    pub lane: usize,
    pub place: Place,
    pub entered: Instant,
    pub claim: Claim,
    /// When nobody may overtake him any more; `None` once that is so.
    pub overdue_at: Option<Instant>,
    /// Whom he waits for before all others.
    pub sticky: Option<Sticky>,
    /// Steps of the ladder that have begun for him.
    pub steps: usize,
    /// When the next one begins.
    pub step_at: Option<Instant>,
    /// When he came with a longest wait of his own.
    pub has_own_max_wait: bool,
    pub leave_at: Option<Instant>,
    /// When he goes elsewhere, by the queue's `overflow`.
    pub overflow_at: Option<Instant>,
    pub announce_at: Option<Instant>,
    /// The rings that run for him, in the order they began.
    pub offers: Vec<OfferId>,
    /// Until when no more agents are rung beside those who ring: [`super::config::Strategy::RingProgressive`].
    pub more_at: Option<Instant>,
    /// When he hears the queue's next announcement, and which.
    pub remind_at: Option<Instant>,
    pub reminders: u32,
    /// What he was told of his wait, as a step of what is told.
    pub told: Option<u8>,
    /// Agents he is not offered now; the other side of `Agent::excluded`.
    pub excluded: BTreeSet<Slot>,
}

/// One ring, and after the answer the talk that came of it.
#[derive(Debug)]
pub(super) struct Offer {
    pub slot: Slot,
    pub call: CallId,
    pub queue: QueueName,
    pub started: Instant,
    /// When it has rung long enough; `None` once it is answered.
    pub until: Option<Instant>,
}

/// One queue.
#[derive(Debug)]
pub(super) struct Queue {
    pub config: QueueConfig,
    /// Everybody who waits, those for whom a phone rings included.
    pub order: Ranked<Place>,
    /// How many of them are to be called back.
    pub kept: usize,
    /// The bounds of `overflow` that are passed.
    pub over: Over,
    /// Who hung up here lately.
    pub gone: Gone,
    /// The lane without needs: it counts all agents of the queue.
    pub base: usize,
    /// All lanes by stage and wishes.
    pub lanes: BTreeMap<LaneKey, usize>,
    /// Those of callers who wait for their last agent.
    pub personal: BTreeMap<LaneKey, usize>,
    /// Its ladder is another than the one its callers climbed.
    pub has_new_ladder: bool,
    /// Agents who serve it, whatever their skills.
    pub members: Vec<Slot>,
    /// The place in the file of the agent it rang last.
    pub last: Option<u32>,
    /// How long agents were busy with its last callers, from the answer on.
    pub handled: Recent,
    /// How long the phones of those rang who answered.
    pub rings: Recent,
}

/// Callers of one queue with the same needs, at the same step of its ladder.
#[derive(Debug)]
pub(super) struct Lane {
    pub queue: QueueName,
    /// The queue's weight.
    pub weight: u32,
    /// What makes it another than the others of the queue.
    pub key: LaneKey,
    /// Who may serve its callers; those of an earlier pool first.
    pub pools: Vec<Pool>,
    /// Who else may serve them by the steps of the ladder that are still to come.
    pub later: Vec<Pool>,
    /// What is wrong with the wishes of its callers.
    pub troubles: Vec<String>,
    /// Its callers go on at once while nobody is there.
    pub skipped: bool,
    /// One pool without preferences: all of it stand alike in the row.
    pub is_plain: bool,
    /// When they do.
    pub left_alone_at: Option<Instant>,
    /// Callers who wait and for whom no phone rings.
    pub waiting: BTreeSet<Place>,
    /// How many of them are to be called back.
    pub kept: usize,
    /// Callers for whom phones ring and who take one more agent when nobody waits for him for whom none rings.
    pub more: BTreeSet<Place>,
    /// Callers in it altogether.
    pub callers: u32,
    /// Agents who may be offered these callers now, in the order of the queue's strategy.
    pub idle: Row,
    /// Agents who meet the needs, by class.
    pub counts: [u32; CLASSES],
    /// Those of them who work, and those who would by a later step of the ladder.
    pub present: BTreeSet<Slot>,
    /// Agents whom only a later step brings, and who are logged in.
    pub to_come: u32,
    /// Callers wait here and nobody is there for them, nor will be by a later step.
    pub deserted: Option<Deserted>,
    /// How fast its callers go.
    pub pace: Option<Pace>,
    /// Agents who would serve them but do not, by the first need they miss.
    pub unskilled: BTreeMap<String, u32>,
}

impl Lane {
    /// A lane of a queue with this configuration, still without callers and agents. `later` are the pools that steps still to
    /// come will bring.
    pub fn new(queue: &QueueConfig, key: LaneKey, pools: Vec<Pool>, later: Vec<Pool>, seed: u64) -> Self {
        Self {
            queue: queue.name.clone(),
            weight: queue.weight,
            troubles: Vec::new(),
            skipped: queue.is_skipped(&key.0),
            is_plain: matches!(pools.as_slice(), [pool] if !pool.needs.iter().any(|(_, need)| need.is_preferred())),
            later,
            key,
            pools,
            left_alone_at: None,
            waiting: BTreeSet::new(),
            kept: 0,
            more: BTreeSet::new(),
            callers: 0,
            idle: Row::new(queue.strategy, seed),
            counts: [0; CLASSES],
            present: BTreeSet::new(),
            to_come: 0,
            deserted: None,
            pace: None,
            unskilled: BTreeMap::new(),
        }
    }

    /// How many of those who meet the needs, or will by a later step, are logged in.
    pub fn staffed(&self) -> u32 {
        let offline = AgentStateName::Offline as usize;
        let now: u32 = self.counts.iter().enumerate().filter(|(class, _)| *class != offline).map(|(_, n)| *n).sum();
        now + self.to_come
    }

    /// Any of them is logged in.
    pub fn is_staffed(&self) -> bool {
        self.staffed() > 0
    }

    /// Counts an agent anew; `None` for not at all.
    pub fn recount(&mut self, slot: Slot, before: Option<Counted>, after: Option<Counted>, agent: &AgentConfig) {
        if let Some(before) = before {
            if let Some(count) = self.counts.get_mut(before.class) {
                *count = count.saturating_sub(1);
            }
            self.idle.remove(slot);
        }
        self.note_presence(slot, before, after);
        if let Some(after) = after {
            if let Some(count) = self.counts.get_mut(after.class) {
                *count += 1;
            }
            if let Some(standing) = after.standing {
                let unmet = if self.is_plain { 0 } else { self.unmet(agent) };
                self.idle.insert(slot, unmet, standing, agent, &self.queue);
            }
        }
    }

    /// As `recount`, for one whom only a later step brings.
    pub fn foresee(&mut self, slot: Slot, before: Option<Counted>, after: Option<Counted>) {
        if before.is_some_and(|before| before.is_logged_in()) {
            self.to_come = self.to_come.saturating_sub(1);
        }
        if after.is_some_and(|after| after.is_logged_in()) {
            self.to_come += 1;
        }
        self.note_presence(slot, before, after);
    }

    /// Most changes of an agent leave him as present as he was.
    fn note_presence(&mut self, slot: Slot, before: Option<Counted>, after: Option<Counted>) {
        let is_present = |counted: Option<Counted>| counted.is_some_and(|counted| counted.is_present);
        match (is_present(before), is_present(after)) {
            (false, true) => _ = self.present.insert(slot),
            (true, false) => _ = self.present.remove(&slot),
            (true, true) | (false, false) => {}
        }
    }

    /// How far behind in the row he stands: by his pool, then by the preferences he does not meet.
    fn unmet(&self, agent: &AgentConfig) -> usize {
        let Some((at, pool)) = self.pool_of(agent) else { return 0 };
        let preferred = pool.needs.iter().filter(|(_, need)| need.is_preferred());
        preferred.filter(|(_, need)| !need.is_met(&agent.skills)).count() + (at << POOL_SHIFT)
    }
}

/// In a row an agent of a later pool comes after all of an earlier one, whatever preferences they meet.
pub(super) const POOL_SHIFT: u32 = 16;

impl Queue {
    /// A queue whose lanes are still to be built.
    pub fn new(config: QueueConfig) -> Self {
        Self {
            config,
            order: Ranked::default(),
            kept: 0,
            over: Over::default(),
            gone: Gone::default(),
            base: usize::MAX,
            lanes: BTreeMap::new(),
            personal: BTreeMap::new(),
            has_new_ladder: false,
            members: Vec::new(),
            last: None,
            handled: Recent::default(),
            rings: Recent::default(),
        }
    }

    /// Where the lanes of such a stage are found.
    pub fn lanes_of(&self, stage: &Stage) -> &BTreeMap<LaneKey, usize> {
        if stage.is_personal() { &self.personal } else { &self.lanes }
    }

    /// As `lanes_of`, to add or remove some.
    pub fn lanes_of_mut(&mut self, stage: &Stage) -> &mut BTreeMap<LaneKey, usize> {
        if stage.is_personal() { &mut self.personal } else { &mut self.lanes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eleven callers lie in one node of the tree that holds them: with one word more the allocator gives each node a size
    /// class that is an eighth larger, and a waiting caller takes over 1 KiB.
    #[test]
    fn a_caller_fits_the_size_class_of_its_node() {
        let size = size_of::<Caller>();
        assert!(size <= 440, "{size} bytes");
    }
}
