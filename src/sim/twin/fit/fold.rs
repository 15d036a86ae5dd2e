//! Folds journal entries into days: callers by the queue they came to, agents by what they did.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::Fitted;
use super::day::{CallerKind, QueueTally, Tally, mean};
use crate::acd::PAUSE_RNA;
use crate::clock::Wall;
use crate::id::{AgentId, CallId, QueueName};
use crate::journal::{About, AgentStateName, Entry, Kind, OfferResult, QueueOutcome, StateCause};

/// Which days are looked at, and how.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Whose days.
    pub zone: TimeZone,
    /// Length of an interval.
    pub interval: Duration,
    /// The first day; none: from the beginning.
    pub since: Option<Date>,
    /// The last day; none: to the end.
    pub until: Option<Date>,
    /// Only these.
    pub weekday: Option<Weekday>,
    /// So many at most, the newest.
    pub days: usize,
}

/// The fold.
#[derive(Debug)]
pub struct Fold {
    scope: Scope,
    now: Wall,
    /// Up to when the running engine is counted in the present day; none while it does not run.
    up_since: Option<Wall>,
    today: Option<Tally>,
    days: VecDeque<Tally>,
    left_out: u32,
    callers: BTreeMap<CallId, Visit>,
    agents: BTreeMap<AgentId, Presence>,
    /// Whose caller each agent talks with or finishes: the queue he came to; none: he was called back.
    served: BTreeMap<AgentId, Option<QueueName>>,
}

/// A caller from his arrival until he waits no more, in all queues that rules send him to.
#[derive(Debug)]
struct Visit {
    /// The queue he came to.
    queue: QueueName,
    entered: Wall,
    waited_ms: u64,
    /// A rule is sending him to another queue.
    onward: bool,
    /// Nobody holds the line.
    callback: bool,
    /// He called again to keep his place: not another caller.
    resumed: bool,
    /// The target, once he was answered.
    target_ms: u64,
}

/// What an agent does.
#[derive(Debug)]
struct Presence {
    state: AgentStateName,
    code: Option<String>,
    cause: StateCause,
    began: Wall,
    /// What came before this is counted.
    counted: Wall,
}

impl Presence {
    /// Away by the rule of missed rings.
    fn is_rna(&self) -> bool {
        match self.state {
            AgentStateName::Paused => self.code.as_deref() == Some(PAUSE_RNA),
            AgentStateName::Offline => self.cause == StateCause::Rna,
            AgentStateName::Ready
            | AgentStateName::Ringing
            | AgentStateName::Busy
            | AgentStateName::Hold
            | AgentStateName::WrapUp
            | AgentStateName::Unreachable => false,
        }
    }
}

impl Fold {
    /// A fold that has seen nothing.
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            now: Wall::default(),
            up_since: None,
            today: None,
            days: VecDeque::new(),
            left_out: 0,
            callers: BTreeMap::new(),
            agents: BTreeMap::new(),
            served: BTreeMap::new(),
        }
    }

    /// Where reading begins within the journal: what an agent did at that moment.
    pub fn begin(&mut self, at: Wall, agent: AgentId, state: AgentStateName, code: Option<String>) {
        let presence = Presence { state, code, cause: StateCause::Restored, began: at, counted: at };
        self.agents.insert(agent, presence);
    }

    /// Takes the next entry.
    pub fn handle(&mut self, entry: &Entry) {
        if matches!(entry.kind, Kind::NodeStarted { .. }) {
            // It may have died long ago: the last entry is what is known of its life.
            self.stop(self.now);
        }
        let at = entry.at.max(self.now);
        self.turn(at);
        self.now = at;
        if matches!(entry.kind, Kind::NodeStopped) {
            return self.stop(at);
        }
        self.up_since.get_or_insert(at);
        match (&entry.about, &entry.kind) {
            (About::Call(call), kind) => self.handle_call(*call, at, kind),
            (About::Agent(agent), Kind::AgentState { state, code, cause, .. }) => {
                self.handle_agent(agent, at, *state, code.as_ref(), *cause);
            }
            (About::Agent(_), kind) => self.handle_talk(kind),
            (About::Node, _) => {}
        }
    }

    /// What came of all entries. The last day counts as far as it was seen.
    pub fn finish(mut self) -> Fitted {
        self.count_up(self.now);
        self.close_day();
        mean(self.scope.interval, &self.days, self.left_out)
    }

    /// The engine runs no more: nobody is there, nobody waits.
    fn stop(&mut self, at: Wall) {
        self.count_up(at);
        self.up_since = None;
        self.callers.clear();
        self.agents.clear();
        self.served.clear();
    }

    /// A new day begins when `at` is not in the present one.
    fn turn(&mut self, at: Wall) {
        if let Some(today) = &self.today {
            if at < today.ends {
                return;
            }
            let ends = today.ends;
            self.count_up(ends);
            self.close_day();
        }
        let date = Timestamp::from_microsecond(at.0).map(|moment| self.scope.zone.to_datetime(moment).date());
        let Ok(date) = date else { return };
        let midnight = |date: Date| self.scope.zone.to_timestamp(date.at(0, 0, 0, 0)).ok();
        let (begins, ends) = (midnight(date), date.tomorrow().ok().and_then(midnight));
        if let (Some(begins), Some(ends)) = (begins, ends) {
            self.today = Some(Tally::new(date, Wall(begins.as_microsecond()), Wall(ends.as_microsecond())));
        }
    }

    fn close_day(&mut self) {
        let Some(day) = self.today.take() else { return };
        let Scope { since, until, weekday, .. } = &self.scope;
        let is_wanted = since.is_none_or(|since| day.date >= since)
            && until.is_none_or(|until| day.date <= until)
            && weekday.is_none_or(|weekday| day.date.weekday() == weekday);
        if !is_wanted {
            return;
        }
        // Where clocks are changed the times of day are not those of other days.
        if !day.has_callers() || day.ends.since(day.begins) != super::WHOLE {
            self.left_out += 1;
            return;
        }
        self.days.push_back(day);
        if self.days.len() > self.scope.days {
            self.days.pop_front();
        }
    }

    /// Counts what engine and agents did up to `at` in the present day.
    fn count_up(&mut self, at: Wall) {
        let Some(today) = &mut self.today else { return };
        if let Some(since) = &mut self.up_since {
            today.ran(self.scope.interval, *since, at);
            *since = at;
        }
        for (agent, presence) in &mut self.agents {
            presence.count_up(today, agent, at);
        }
    }

    fn queue(&mut self, queue: &QueueName) -> Option<&mut QueueTally> {
        Some(self.today.as_mut()?.queues.entry(queue.clone()).or_default())
    }

    fn handle_agent(
        &mut self,
        agent: &AgentId,
        at: Wall,
        state: AgentStateName,
        code: Option<&String>,
        cause: StateCause,
    ) {
        let Some(today) = &mut self.today else { return };
        let mut began = Presence { state, code: code.cloned(), cause, began: at, counted: at };
        if let Some(mut before) = self.agents.remove(agent) {
            before.count_up(today, agent, at);
            if (before.state, &before.code) == (state, &began.code) {
                // Only what will follow has changed.
                (began.began, began.cause) = (before.began, before.cause);
            } else {
                let seconds = at.since(before.began).as_secs_f64();
                let served = self.served.get(agent).cloned().flatten();
                match before.state {
                    _ if before.is_rna() => today.rna.add(seconds),
                    AgentStateName::Paused => {
                        today.agents.entry(agent.clone()).or_default().pauses.add(seconds);
                    }
                    AgentStateName::WrapUp => {
                        if let Some(queue) = served {
                            today.queues.entry(queue).or_default().wrap_up_s += seconds;
                        }
                    }
                    AgentStateName::Offline
                    | AgentStateName::Ready
                    | AgentStateName::Ringing
                    | AgentStateName::Busy
                    | AgentStateName::Hold
                    | AgentStateName::Unreachable => {}
                }
            }
        }
        self.agents.insert(agent.clone(), began);
    }

    fn handle_talk(&mut self, kind: &Kind) {
        let Kind::TalkEnded { agent, queue: Some(queue), talk_ms, .. } = kind else { return };
        let came_to = self.served.entry(agent.clone()).or_insert_with(|| Some(queue.clone())).clone();
        if let Some(tally) = came_to.and_then(|queue| self.queue(&queue)) {
            tally.talked(*talk_ms as f64 / 1_000.0);
        }
    }

    fn handle_call(&mut self, call: CallId, at: Wall, kind: &Kind) {
        match kind {
            Kind::Queued { queue, skills, priority, segment, resumed, callback, .. } => {
                if let Some(visit) = self.callers.get_mut(&call).filter(|visit| visit.onward) {
                    visit.onward = false;
                    return;
                }
                let kind = CallerKind { skills: skills.clone(), priority: *priority, segment: segment.clone() };
                let is_other = !resumed && !callback;
                let visit = Visit { callback: *callback, resumed: *resumed, ..Visit::new(queue, at) };
                self.callers.insert(call, visit);
                if is_other {
                    self.arrived(queue, at, kind);
                }
            }
            Kind::Diverted { queue, to, .. } => {
                let is_new = !self.callers.contains_key(&call);
                let visit = self.callers.entry(call).or_insert_with(|| Visit::new(queue, at));
                visit.onward = to.starts_with("queue:");
                if is_new {
                    self.arrived(queue, at, CallerKind::default());
                }
            }
            Kind::Connected { agent, queue, service_level_ms, .. } => {
                let visit = self.callers.get_mut(&call);
                let came_to = match visit {
                    Some(visit) => {
                        visit.target_ms = *service_level_ms;
                        Some(visit.queue.clone()).filter(|_| !visit.callback)
                    }
                    None => Some(queue.clone()),
                };
                self.served.insert(agent.clone(), came_to);
            }
            Kind::OfferEnded { queue, result, ring_ms, .. } => self.ring_ended(call, queue, *result, *ring_ms),
            Kind::QueueLeft { queue, outcome, wait_ms } => self.left(call, at, queue, *outcome, *wait_ms),
            Kind::TalkEnded { .. } => self.handle_talk(kind),
            Kind::CallEnded { .. } => _ = self.callers.remove(&call),
            _ => {}
        }
    }

    fn arrived(&mut self, queue: &QueueName, at: Wall, kind: CallerKind) {
        let Some(interval) = self.interval(at) else { return };
        let Some(tally) = self.queue(queue) else { return };
        *tally.arrivals.entry((interval, kind)).or_default() += 1;
        tally.cells.entry(interval).or_default().calls += 1;
    }

    fn ring_ended(&mut self, call: CallId, queue: &QueueName, result: OfferResult, ring_ms: u64) {
        let visit = self.callers.get(&call);
        if visit.is_some_and(|visit| visit.callback) {
            return;
        }
        let queue = visit.map_or(queue, |visit| &visit.queue).clone();
        let Some(today) = &mut self.today else { return };
        let tally = today.queues.entry(queue).or_default();
        let ring_s = ring_ms as f64 / 1_000.0;
        match result {
            OfferResult::Accepted => {
                tally.accepted.add(ring_s);
                today.rings.add(ring_s);
            }
            OfferResult::NoAnswer => tally.missed.add(ring_s),
            OfferResult::Rejected | OfferResult::Busy | OfferResult::Unreachable | OfferResult::Timeout => {
                tally.rejected.add(ring_s);
            }
            OfferResult::CallerGone | OfferResult::LostRace | OfferResult::Withdrawn => {}
        }
    }

    fn left(&mut self, call: CallId, at: Wall, queue: &QueueName, outcome: QueueOutcome, wait_ms: u64) {
        let Some(visit) = self.callers.get_mut(&call) else {
            // He never waited: it is outside its hours, or there was no room.
            if outcome == QueueOutcome::Closed {
                return self.queue(queue).into_iter().for_each(|tally| tally.closed += 1);
            }
            self.arrived(queue, at, CallerKind::default());
            return self.ended(&Visit::new(queue, at), outcome);
        };
        visit.waited_ms = visit.waited_ms.saturating_add(wait_ms);
        if visit.onward {
            return;
        }
        if let Some(visit) = self.callers.remove(&call)
            && !visit.callback
        {
            self.ended(&visit, outcome);
        }
    }

    /// A caller waits no more.
    fn ended(&mut self, visit: &Visit, outcome: QueueOutcome) {
        let (waited_s, interval) = (visit.waited_ms as f64 / 1_000.0, self.interval(visit.entered));
        let Some(tally) = self.queue(&visit.queue) else { return };
        tally.waited_s += waited_s;
        tally.abandoned += u32::from(outcome == QueueOutcome::Abandoned);
        let Some(cell) = interval.map(|interval| tally.cells.entry(interval).or_default()).filter(|_| !visit.resumed)
        else {
            return;
        };
        match outcome {
            QueueOutcome::Answered => {
                cell.answered += 1;
                cell.within += u32::from(visit.waited_ms <= visit.target_ms);
                cell.waited_s += waited_s;
            }
            QueueOutcome::Abandoned => cell.abandoned += 1,
            QueueOutcome::Timeout
            | QueueOutcome::Full
            | QueueOutcome::NoAgents
            | QueueOutcome::Closed
            | QueueOutcome::NoneLoggedIn
            | QueueOutcome::NoneSkilled
            | QueueOutcome::AllPaused
            | QueueOutcome::Overflow
            | QueueOutcome::Key
            | QueueOutcome::Callback
            | QueueOutcome::Withdrawn
            | QueueOutcome::Transferred => cell.left += 1,
        }
    }

    /// The interval of the present day; who came before midnight counts in the first.
    fn interval(&self, at: Wall) -> Option<usize> {
        let second = self.today.as_ref()?.second(at);
        Some((second / self.scope.interval.as_secs_f64().max(1.0)) as usize)
    }
}

impl Visit {
    fn new(queue: &QueueName, entered: Wall) -> Self {
        let queue = queue.clone();
        Self { queue, entered, waited_ms: 0, onward: false, callback: false, resumed: false, target_ms: 0 }
    }
}

impl Presence {
    /// Counts what he did since the last time, up to `at`, in this day.
    fn count_up(&mut self, day: &mut Tally, agent: &AgentId, at: Wall) {
        let (from_s, to_s) = (day.second(self.counted), day.second(at));
        self.counted = at;
        let is_there = match self.state {
            AgentStateName::Offline | AgentStateName::Unreachable => false,
            AgentStateName::Ready
            | AgentStateName::Ringing
            | AgentStateName::Busy
            | AgentStateName::Hold
            | AgentStateName::WrapUp
            | AgentStateName::Paused => true,
        };
        if !is_there || to_s <= from_s {
            return;
        }
        let is_rna = self.is_rna();
        let tally = day.agents.entry(agent.clone()).or_default();
        tally.was_there(from_s, to_s);
        if is_rna {
            return;
        }
        tally.staffed_s += to_s - from_s;
        if self.state == AgentStateName::Paused {
            tally.paused_s += to_s - from_s;
        }
    }
}
