//! Random days on a small floor, beside a naive model that reads nothing but journal and configuration.

mod calls;
mod days;
mod excess;
mod ladder;
mod sticky;
mod world;

use world::Size;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::super::agent::State;
use super::super::config::{
    AgentConfig, DispatchTimes, FloorConfig, MissRule, PauseCode, PauseRole, QueueConfig, Step, StepMode, StickyConfig,
    Strategy, WrapUpMode,
};
use super::super::skill::Skill;
use super::super::way::{Bound, Lack, NoAgentRule, NoAgentRules, Overflow};
use super::super::{AgentView, Arrival, Callback, Choice, Floor, Input, Output, Way, Wish};
use crate::id::{AgentId, CallId, OfferId, QueueName};
use crate::journal::{About, AgentAction, AgentStateName, Kind, OfferResult, QueueOutcome, StateCause, Whom};

const NEEDS: [&[&str]; 7] =
    [&[], &["ar"], &["ar>=5"], &["!ar"], &["ar|en", "!new"], &["ar>=7?", "!new?"], &["ar", "en?"]];

/// SplitMix64: a seed is a day.
pub(super) struct Dice(pub u64);

impl Dice {
    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let at = self.roll(from.len().max(1) as u64) as usize;
        from.get(at).cloned()
    }
}

/// What the journal says, and what follows from it.
struct Model {
    start: Instant,
    config: FloorConfig,
    /// The configuration before, in the step that changes it: rings that end by it end by the old rules.
    config_before: Option<FloorConfig>,
    /// What each queue and each step of its ladder asks for.
    asked: BTreeMap<QueueName, Vec<Vec<Skill>>>,
    states: BTreeMap<AgentId, (AgentStateName, Option<String>)>,
    callers: BTreeMap<CallId, Waiting>,
    rings: BTreeMap<OfferId, (AgentId, CallId)>,
    /// Progressive rings: until when none is added.
    more_at: BTreeMap<CallId, Instant>,
    /// Whom this step offered last: whoever rings all takes all before it is another's turn.
    taking: Option<CallId>,
    excluded: BTreeMap<(CallId, AgentId), Instant>,
    entered: u64,
    /// What is known of the calls that agents have.
    calls: calls::Calls,
    /// Wrap-ups: the queue as it was at their begin, when that was, and when they end by themselves.
    wrap_ups: BTreeMap<AgentId, (QueueConfig, Instant, Option<Instant>)>,
    /// The last talk of each agent.
    last_talks: BTreeMap<AgentId, (QueueConfig, Instant)>,
    /// Failures in a row, by cause.
    rows: BTreeMap<AgentId, [u32; 5]>,
    /// Callers answered and ms talked.
    work: BTreeMap<AgentId, (u64, u64)>,
    /// Whom each queue rang last.
    last: BTreeMap<QueueName, AgentId>,
    /// Delays as they were before this step.
    delays: BTreeMap<AgentId, Instant>,
    /// Whose phones were lost before this step: in it that may have come to more.
    missed: BTreeSet<AgentId>,
    /// Callers whom a rule sends to another queue, with when they came first.
    moving: BTreeMap<CallId, Instant>,
    /// Callers for whom nobody is there, and since when.
    lacking: BTreeMap<(CallId, QueueName), (Lack, Instant)>,
    /// What callers came with, and who hung up lately.
    excess: excess::Excess,
    /// Who came to be called back, and since when he has waited.
    booked: BTreeMap<CallId, (Instant, Callback)>,
    /// Whom callers talked with last.
    last_agents: BTreeMap<CallId, AgentId>,
    /// Whom the service named for callers, and for how long they are waited for.
    chosen: BTreeMap<CallId, (BTreeSet<AgentId>, Duration)>,
    /// The caller about whom the service has just answered.
    answered: Option<CallId>,
    /// A ring failed in this step.
    has_just_failed: bool,
    /// Steps of the day.
    steps: usize,
    /// What the journal does not tell of the agents, as the floor says it after this step, and after the one before.
    seen: BTreeMap<AgentId, Seen>,
    seen_before: BTreeMap<AgentId, Seen>,
}

/// Of one agent: since when he is idle, until when he is offered nobody, that his phone is missed, and that neither a pause
/// nor a wrap-up stands below calls of his own.
struct Seen {
    idle_since: Instant,
    delayed_until: Option<Instant>,
    is_missed: bool,
    takes_callers: bool,
}

struct Waiting {
    queue: QueueName,
    skills: Vec<Skill>,
    since: Instant,
    priority: u32,
    segment: Option<String>,
    seq: u64,
    /// When he came to this queue.
    entered: Instant,
    /// Steps of the ladder that have begun for him, as the journal says.
    steps: usize,
    /// Whom he waits for before all others, and until when.
    sticky: Option<(Whom, Instant)>,
    /// Whom the journal must still say that he waits for.
    expects: Option<Whom>,
    /// He is to be called back.
    callback: Option<Callback>,
    /// He was, and is on the line now.
    is_reached: bool,
}

impl Model {
    fn new(start: Instant, config: FloorConfig) -> Self {
        Self {
            start,
            asked: ladder::asked(&config),
            config,
            config_before: None,
            states: BTreeMap::new(),
            callers: BTreeMap::new(),
            rings: BTreeMap::new(),
            more_at: BTreeMap::new(),
            taking: None,
            excluded: BTreeMap::new(),
            entered: 0,
            calls: calls::Calls::default(),
            wrap_ups: BTreeMap::new(),
            last_talks: BTreeMap::new(),
            rows: BTreeMap::new(),
            work: BTreeMap::new(),
            last: BTreeMap::new(),
            delays: BTreeMap::new(),
            missed: BTreeSet::new(),
            moving: BTreeMap::new(),
            lacking: BTreeMap::new(),
            excess: excess::Excess::default(),
            booked: BTreeMap::new(),
            last_agents: BTreeMap::new(),
            chosen: BTreeMap::new(),
            answered: None,
            has_just_failed: false,
            steps: 0,
            seen: BTreeMap::new(),
            seen_before: BTreeMap::new(),
        }
    }

    /// A new configuration: who was rung last and is gone is replaced by the nearest before him who stays.
    fn reload(&mut self, now: Instant, config: FloorConfig) {
        self.asked = ladder::asked(&config);
        let old = std::mem::replace(&mut self.config, config);
        for call in self.rings.values().map(|(_, call)| *call).collect::<BTreeSet<_>>() {
            let queue = self.config.queues.get(&self.callers[&call].queue);
            match queue.is_some_and(|queue| queue.strategy == Strategy::RingProgressive) {
                // For whom another strategy rang before, the next one is due at once.
                true => _ = self.more_at.entry(call).or_insert(now),
                false => _ = self.more_at.remove(&call),
            }
        }
        let place = |id: &AgentId| old.agents[id].position;
        // Where other skills are asked for or steps change, other agents may serve: the time begins anew.
        let skills = |config: &FloorConfig, queue: &QueueName| config.queues.get(queue).map(|q| q.skills.clone());
        let is_same = |call: &CallId| {
            self.callers.get(call).is_some_and(|c| skills(&old, &c.queue) == skills(&self.config, &c.queue))
        };
        let ladder = |config: &FloorConfig, queue: &QueueName| config.queues.get(queue).map(|q| q.ladder.clone());
        let is_same = |call: &CallId| {
            is_same(call)
                && self.callers.get(call).is_some_and(|c| ladder(&old, &c.queue) == ladder(&self.config, &c.queue))
        };
        self.lacking.retain(|(call, _), _| is_same(call));
        self.last.retain(|queue, _| self.config.queues.contains_key(queue));
        self.excess.reload(now, &self.config);
        for (queue, last) in std::mem::take(&mut self.last) {
            let stays = |id: &&AgentId| self.config.agents.contains_key(*id) && place(id) <= place(&last);
            if let Some(last) = old.agents.keys().filter(stays).max_by_key(|id| place(id)) {
                self.last.insert(queue, last.clone());
            }
        }
        self.config_before = Some(old);
    }

    /// Reads outputs in their order; `floor` is asked only for what the journal does not tell: idle times and delays.
    fn read(&mut self, now: Instant, floor: &Floor, outputs: &[Output]) {
        self.taking = None;
        self.has_just_failed = false;
        let seen = |agent: AgentView| {
            let is_missed = agent.missed_from.is_some();
            let state = &floor.agents[floor.by_name[&agent.id]].state;
            let takes_callers = matches!(state, State::Ready { .. } | State::Ringing { .. });
            let AgentView { idle_since, delayed_until, .. } = agent;
            (agent.id, Seen { idle_since, delayed_until, is_missed, takes_callers })
        };
        self.seen_before = std::mem::replace(&mut self.seen, floor.agents().map(seen).collect());
        for output in outputs {
            match output {
                Output::Journal { about, kind } => self.fold(now, about, kind),
                Output::Offer { offer, call, agent, .. } => {
                    assert_eq!(self.rings.get(offer), Some(&(agent.clone(), *call)), "offered but not journalled");
                }
                Output::Dispatch { call, queue } => {
                    let asks =
                        |c: &Waiting| c.queue == *queue && c.sticky.is_some_and(|(whom, _)| whom == Whom::Dispatch);
                    assert!(self.callers.get(call).is_none_or(asks), "{call} is not to be asked about");
                }
                Output::CallBack { call } => {
                    assert!(
                        self.callers.get(call).is_none_or(|caller| caller.callback.is_some()),
                        "{call} is on the line"
                    );
                }
                Output::Connect { call, agent, .. } => {
                    assert!(!self.callers.contains_key(call));
                    assert_eq!(self.calls.present(agent), Some(*call), "the last talk of {agent}");
                }
                Output::Withdraw { .. } | Output::Discard { .. } => {}
                Output::Announce { call, position, .. } => {
                    assert!(self.callers.contains_key(call) && *position > 0);
                }
                Output::Remind { call, .. } => assert!(self.callers.contains_key(call) && !self.is_rung(call)),
                Output::Left { call, .. } => assert!(!self.callers.contains_key(call)),
                Output::Moved { .. } => {}
            }
        }
        self.config_before = None;
    }

    fn fold(&mut self, now: Instant, about: &About, kind: &Kind) {
        match (about, kind) {
            (About::Call(call), Kind::Queued { queue, skills, priority, segment, position, resumed, callback, .. }) => {
                let booked = self.booked.remove(call).filter(|_| *callback);
                match booked {
                    Some((_, booked)) => assert_eq!(booked.again, *resumed, "{call}"),
                    None => self.is_let_in(*call, queue, *resumed),
                }
                assert_eq!(booked.is_some(), *callback, "{call}");
                self.entered += 1;
                let skills = skills.iter().map(|s| s.parse().unwrap()).collect();
                let (queue, priority, segment) = (queue.clone(), *priority, segment.clone());
                let since = self.moving.remove(call).unwrap_or_else(|| self.excess.since(call).unwrap_or(now));
                let since = booked.map_or(since, |(since, _)| since);
                let seq = self.entered;
                let caller = Waiting {
                    queue,
                    skills,
                    entered: now,
                    since,
                    priority,
                    segment,
                    seq,
                    steps: 0,
                    sticky: None,
                    expects: None,
                    callback: booked.map(|(_, callback)| callback),
                    is_reached: false,
                };
                let expects = self.sticks_after(call, &caller, None);
                let caller = Waiting { expects, ..caller };
                assert!(self.callers.insert(*call, caller).is_none(), "{call} is in two queues");
                assert_eq!(self.position(now, call), *position);
            }
            (About::Call(call), Kind::Diverted { queue, to, rule, figure, limit }) => {
                assert!(self.callers.get(call).is_none_or(|caller| caller.callback.is_none()), "{call} is not there");
                let since = self.callers.get(call).map(|caller| caller.since);
                let since = since.unwrap_or_else(|| self.excess.since(call).unwrap_or(now));
                if to.starts_with("queue:") {
                    self.moving.entry(*call).or_insert(since);
                } else {
                    self.moving.remove(call);
                }
                if rule == "exit_keys" {
                    assert_eq!(to, &self.config.queues[queue].exit_keys[&'1'].word());
                } else if rule.starts_with("overflow.") {
                    self.overflows(now, *call, queue, rule, figure.zip(*limit).unwrap());
                } else if let Some(caller) = self.callers.get(call).filter(|caller| caller.queue == *queue) {
                    let lack = self.lack(caller, false).map(Lack::key);
                    assert_eq!(lack, Some(rule.as_str()), "{call} is sent away");
                }
            }
            (About::Call(call), Kind::QueueLeft { queue, outcome, .. }) => {
                self.lacking.retain(|(gone, _), _| gone != call);
                let gone = self.callers.remove(call);
                let is_there = |caller: &&Waiting| caller.callback.is_none();
                if let Some(caller) = gone.as_ref().filter(is_there).filter(|_| *outcome == QueueOutcome::Abandoned) {
                    self.hung_up(now, call, caller.since);
                }
                let was = gone.map(|c| c.queue);
                match outcome {
                    QueueOutcome::Full => {
                        assert_eq!(was, None);
                        self.is_refused(call, queue);
                    }
                    QueueOutcome::Overflow
                    | QueueOutcome::Key
                    | QueueOutcome::Callback
                    | QueueOutcome::Withdrawn
                    | QueueOutcome::NoAgents
                    | QueueOutcome::NoneLoggedIn
                    | QueueOutcome::NoneSkilled
                    | QueueOutcome::AllPaused => assert!(was.is_none() || was.as_ref() == Some(queue)),
                    _ => assert_eq!(was.as_ref(), Some(queue), "{call} left a queue he was not in"),
                }
                self.excluded.retain(|(excluded, _), _| excluded != call);
            }
            (About::Call(call), Kind::Offered { offer, agent, queue, why }) => {
                assert_eq!(&self.callers[call].queue, queue);
                assert!(why.eligible >= 1);
                assert_eq!(why.unmet.len(), self.unmet(call, agent).1, "{why:?}");
                assert_eq!(why.step, self.step_of(call, agent), "{why:?}");
                assert_eq!(why.sticky, self.callers[call].sticky.map(|(whom, _)| whom), "{why:?}");
                assert_eq!(why.figure, self.figure(queue, agent), "{why:?}");
                self.best_pair(now, *call, agent);
                self.last.insert(queue.clone(), agent.clone());
                self.has_room(agent);
                assert_eq!(why.beside as usize, self.rings_for(call));
                self.rings.insert(*offer, (agent.clone(), *call));
                let config = &self.config.queues[queue];
                if config.strategy == Strategy::RingProgressive {
                    self.more_at.insert(*call, now + config.ring_progressive_delay);
                }
                self.taking = (config.strategy == Strategy::RingAll).then_some(*call);
            }
            (About::Call(call), Kind::OfferEnded { offer, agent, queue, result, .. }) => {
                self.excess.rung(now, *call);
                assert_eq!(self.rings.remove(offer), Some((agent.clone(), *call)));
                self.rings_no_more(now, agent, *result);
                if !self.is_rung(call) {
                    self.more_at.remove(call);
                }
                self.count_failure(agent, *result);
                if result.failure().is_some() {
                    self.has_just_failed = true;
                    let until = now + self.config.queues[queue].exclude_agent;
                    self.excluded.insert((*call, agent.clone()), until);
                }
            }
            (About::Call(call), Kind::Connected { agent, .. }) => {
                self.calls.talk(agent, *call);
                self.work.entry(agent.clone()).or_default().0 += 1;
            }
            (About::Call(call), Kind::TalkEnded { agent, talk_ms, queue, .. }) => {
                self.talked(now, agent, queue.as_ref().unwrap());
                self.work.entry(agent.clone()).or_default().1 += talk_ms;
                let queue = queue.as_ref().unwrap();
                let is_owed = self.rings.values().any(|(rung, _)| rung == agent) && self.has_wrap_up(queue);
                self.calls.talk_ended(agent, *call, queue, is_owed);
            }
            (About::Agent(agent), Kind::AgentState { state, code, cause, left_ms, next, call }) => {
                self.pause(agent, *state, code.as_deref(), *cause);
                self.calls.shown(agent, *state, next.as_deref(), *call);
                self.wrap_up(now, agent, *state, *cause, left_ms.map(Duration::from_millis));
                self.states.insert(agent.clone(), (*state, code.clone()));
            }
            (About::Call(call), Kind::Escalated { queue, step }) => self.escalated(now, *call, queue, step.as_deref()),
            (About::Call(call), Kind::Relaxed { queue, skills, .. }) => {
                let caller = self.callers.get_mut(call).unwrap();
                assert_eq!(&caller.queue, queue);
                caller.skills = skills.iter().map(|skill| skill.parse().unwrap()).collect();
                // Other agents may serve now: the time begins anew.
                self.lacking.retain(|(other, _), _| other != call);
            }
            (About::Call(call), Kind::Sticky { queue, whom, agent }) => {
                self.sticks(now, *call, queue, *whom, agent.as_ref());
            }
            (About::Call(call), Kind::Moved { queue, .. }) => assert_eq!(&self.callers[call].queue, queue),
            (About::Agent(agent), Kind::OffersMissed { result, count, action }) => {
                assert!(*action != AgentAction::Ready);
                let row = self.rows.get(agent).copied().unwrap_or_default();
                assert_eq!(row[result.failure().unwrap()], *count, "{agent}");
            }
            (About::Agent(agent), Kind::PauseOver { code, action, .. }) => {
                assert_eq!(code, "LUNCH", "{agent}");
                assert_eq!(*action, self.config.pauses.codes["LUNCH"].after_max);
            }
            (About::Call(_), Kind::Announced { .. } | Kind::Reminded { .. })
            | (About::Agent(_), Kind::AgentRepaired { .. }) => {}
            other => panic!("{other:?}"),
        }
    }

    /// Who chooses is there: failures in a row begin anew.
    fn hear(&mut self, now: Instant, input: &Input) {
        if let Input::Reached { call } = input
            && let Some(caller) = self.callers.get_mut(call)
        {
            caller.is_reached |= caller.callback.take().is_some();
        }
        if let Input::Enqueue(Arrival { call, queue, last_agent, number, transferred, callback, .. }) = input {
            match callback {
                Some(callback) => {
                    self.booked.insert(*call, (transferred.unwrap(), *callback));
                    self.excess.comes_back(*call, queue, number.clone());
                }
                None => self.comes(now, *call, queue, number.as_deref()),
            }
            self.chosen.remove(call);
            self.last_agents.remove(call);
            self.last_agents.extend(last_agent.clone().map(|agent| (*call, agent)));
        }
        self.answered = None;
        if let Input::Dispatched { call, choice } = input
            && let Some(caller) = self.callers.get(call).filter(|c| c.sticky.is_some_and(|(w, _)| w == Whom::Dispatch))
        {
            let hold = self.config.queues[&caller.queue].dispatch.unwrap().hold;
            self.answered = Some(*call);
            self.chosen.remove(call);
            if !choice.agents.is_empty() {
                self.chosen.insert(*call, (choice.agents.clone(), hold));
            }
        }
        if let Some(agent) = calls::agent_of(input).filter(|agent| self.seen.contains_key(*agent)) {
            self.calls.hear(agent, input);
        }
        let Input::Want { agent, wish, by } = input else { return };
        // Whoever was taken out of the configuration and is still in a call is asked nothing.
        let counts = self.config.agents.contains_key(agent)
            && match wish {
                Wish::Ready | Wish::Logout => true,
                Wish::Pause(code) => self.config.pauses.choose(code, *by).is_ok(),
                Wish::WrapUp | Wish::FinishWrapUp => false,
            };
        if counts {
            self.rows.remove(agent);
        }
    }

    /// A failure counts for its cause; an answer breaks all rows.
    fn count_failure(&mut self, agent: &AgentId, result: OfferResult) {
        let row = self.rows.entry(agent.clone()).or_default();
        match result.failure() {
            Some(at) => row[at] += 1,
            None if result == OfferResult::Accepted => *row = [0; 5],
            None => {}
        }
    }

    /// Nobody is paused with a code that he may not choose; the system's own codes are the system's.
    fn pause(&self, agent: &AgentId, state: AgentStateName, code: Option<&str>, cause: StateCause) {
        match (state, code) {
            (AgentStateName::Paused, Some("COACH")) => assert_ne!(cause, StateCause::Agent, "{agent}"),
            (AgentStateName::Paused, Some("RNA" | "MAXPAUSE" | "LUNCH")) => {}
            (AgentStateName::Paused, code) => assert_eq!(code, Some("other"), "{agent}"),
            (AgentStateName::Offline, code) => assert!(matches!(code, None | Some("RNA" | "MAXPAUSE")), "{agent}"),
            (AgentStateName::Unreachable, code) => assert!(matches!(code, None | Some("LAGGED")), "{agent}"),
            (_, code) => assert_eq!(code, None, "{agent}"),
        }
    }

    /// A wrap-up is one that the queue of the last talk gives, no longer than it may be, and the timer ends it in time.
    fn wrap_up(
        &mut self,
        now: Instant,
        agent: &AgentId,
        state: AgentStateName,
        cause: StateCause,
        left: Option<Duration>,
    ) {
        let before = self.states.get(agent).map_or(AgentStateName::Offline, |(state, _)| *state);
        if state != AgentStateName::WrapUp {
            let is_timer = cause == StateCause::Timer && before == AgentStateName::WrapUp;
            if let Some((_, _, until)) = self.wrap_ups.remove(agent).filter(|_| is_timer) {
                assert_eq!(until, Some(now), "{agent} wraps up until then");
            }
            return;
        }
        let (queue, ended) = self.last_talks.get(agent).expect("a wrap-up without a talk");
        let longest = queue.wrap_up.max(queue.wrap_up_max);
        let until = left.map(|left| now + left);
        match queue.wrap_up_mode {
            WrapUpMode::None => panic!("{agent} wraps up"),
            WrapUpMode::Optional => assert_eq!(until, None),
            WrapUpMode::Discretionary if before != AgentStateName::WrapUp => assert_eq!(until, Some(*ended + longest)),
            WrapUpMode::OptionalTimed | WrapUpMode::Timed | WrapUpMode::Discretionary => {
                assert!(until.is_some_and(|until| until >= *ended + queue.wrap_up));
                // A reload may have changed its mode, what it is extended by, and how far.
                assert!(until.is_some_and(|until| until <= *ended + Duration::from_secs(30)), "{until:?}");
            }
        }
        self.wrap_ups.insert(agent.clone(), (queue.clone(), *ended, until));
    }

    /// His place in his queue, 1 = next.
    fn position(&self, now: Instant, call: &CallId) -> u32 {
        let me = &self.callers[call];
        let mine = self.turn(now, me);
        // All of one queue: its weight does not matter.
        let before = |c: &&Waiting| c.queue == me.queue && self.turn(now, c) < mine;
        self.callers.values().filter(before).count() as u32 + 1
    }

    /// Lower goes first: level, score, weight of the queue, entry.
    fn turn(&self, now: Instant, caller: &Waiting) -> (i64, i64, i64, u64) {
        let queue = &self.config.queues[&caller.queue];
        let is_overdue = queue.max_wait_strict.is_some_and(|wait| caller.since + wait <= now);
        let strict = if queue.strict_priority { -i64::from(caller.priority) } else { 0 };
        let boost =
            caller.segment.as_ref().and_then(|segment| queue.segments.get(segment)).map_or(0, Duration::as_secs);
        let entered_s = (caller.since - self.start).as_secs() as i64;
        let since_s = entered_s - 60 * i64::from(caller.priority) - boost as i64;
        (if is_overdue { i64::MIN } else { strict }, since_s, -i64::from(queue.weight), caller.seq)
    }

    /// May this agent be offered this caller? `is_sure`: also when something ends at this very moment.
    fn may_serve(&self, now: Instant, call: &CallId, agent: &AgentId, is_sure: bool) -> bool {
        let over = |until: Instant| if is_sure { until < now } else { until <= now };
        let Some(config) = self.config.agents.get(agent) else { return false };
        let caller = &self.callers[call];
        self.is_free(now, config, is_sure)
            && !self.calls.has_part(agent, *call)
            && self.excluded.get(&(*call, agent.clone())).is_none_or(|until| over(*until))
            && self.pool(call, caller, config).is_some()
    }

    /// May this agent be offered callers at all?
    fn is_free(&self, now: Instant, agent: &AgentConfig, is_sure: bool) -> bool {
        let over = |until: Instant| if is_sure { until < now } else { until <= now };
        let is_open = match self.states.get(&agent.id).map(|(state, _)| *state) {
            Some(AgentStateName::Ready) => true,
            Some(AgentStateName::Busy | AgentStateName::Hold) => self.may_have_more(agent, is_sure),
            _ => false,
        };
        let Some(seen) = self.seen.get(&agent.id) else { return false };
        let was_delayed = self.delays.get(&agent.id).copied().filter(|_| is_sure);
        let is_missed = seen.is_missed || (is_sure && self.missed.contains(&agent.id));
        is_open && !is_missed && seen.delayed_until.is_none_or(over) && was_delayed.is_none_or(over)
    }

    /// What this caller lacks. A call of his own may hide a pause: `is_sure` takes who is in one for present.
    fn lack(&self, caller: &Waiting, is_sure: bool) -> Option<Lack> {
        let is_present = |agent: &AgentConfig| match self.states.get(&agent.id).map(|(state, _)| *state) {
            Some(AgentStateName::Ready | AgentStateName::Ringing | AgentStateName::WrapUp) => true,
            Some(AgentStateName::Busy | AgentStateName::Hold) => is_sure || self.calls.present(&agent.id).is_some(),
            Some(AgentStateName::Offline | AgentStateName::Paused | AgentStateName::Unreachable) | None => false,
        };
        let is_staffed = |agent: &&AgentConfig| {
            let state = self.states.get(&agent.id).map(|(state, _)| *state);
            state.is_some_and(|state| state != AgentStateName::Offline) && self.belongs(&caller.queue, agent)
        };
        let agents = || self.config.agents.values();
        if agents().any(|agent| is_present(agent) && self.will_serve(caller, agent)) {
            return None;
        }
        let skilled = agents().filter(is_staffed).any(|agent| self.will_serve(caller, agent));
        Some(match (agents().any(|agent| is_staffed(&agent)), skilled) {
            (false, _) => Lack::LoggedIn,
            (true, false) => Lack::Skilled,
            (true, true) => Lack::Awake,
        })
    }

    /// Nobody waits for longer than a rule lets him where nobody is there for him.
    fn nobody_is_forgotten(&mut self, now: Instant, floor: &Floor) {
        let mut lacking = BTreeMap::new();
        let waits = |call: &CallId, caller: &Waiting| {
            !self.is_rung(call) && caller.sticky.is_none() && caller.callback.is_none()
        };
        for (call, caller) in self.callers.iter().filter(|(call, caller)| waits(call, caller)) {
            let Some(lack) = self.lack(caller, true) else { continue };
            let known = self
                .lacking
                .get(&(*call, caller.queue.clone()))
                .filter(|(known, _)| *known == lack)
                .map(|(_, since)| *since);
            let since = known.unwrap_or(now);
            lacking.insert((*call, caller.queue.clone()), (lack, since));
            let rule = self.config.queues[&caller.queue].no_agents.of(lack);
            // To another queue he goes only where room is.
            let is_out = !matches!(rule.way, Way::Wait | Way::Queue(_));
            let is_done = floor.poll_timeout().is_none_or(|at| at > now);
            assert!(!is_out || !is_done || now <= since + rule.after, "{call} waits where nobody is: {lack:?}");
        }
        self.lacking = lacking;
    }

    /// Somebody who is to be called back; `is_first`: by who rings the customer first.
    fn some_callback(&self, dice: &mut Dice, is_first: bool) -> Option<CallId> {
        let fits = |caller: &Waiting| caller.callback.is_some_and(|callback| !is_first || callback.customer_first);
        let all: Vec<CallId> = self.callers.iter().filter(|(_, c)| fits(c)).map(|(call, _)| *call).collect();
        dice.pick(&all)
    }

    fn rings_for(&self, call: &CallId) -> usize {
        self.rings.values().filter(|(_, c)| c == call).count()
    }

    fn is_rung(&self, call: &CallId) -> bool {
        self.rings_for(call) > 0
    }

    /// May one more agent be rung for him? `is_sure`: also when his time is due at this very moment.
    fn takes_agent(&self, now: Instant, call: &CallId, is_sure: bool) -> bool {
        let queue = &self.config.queues[&self.callers[call].queue];
        let (rings, most) = (self.rings_for(call), queue.ring_max as usize);
        let is_due = |at: &Instant| if is_sure { *at < now } else { *at <= now };
        match queue.strategy {
            _ if rings == 0 => true,
            _ if self.callers[call].callback.is_some_and(|callback| callback.customer_first) => false,
            Strategy::RingAll => rings < most,
            Strategy::RingProgressive => rings < most && self.more_at.get(call).is_some_and(is_due),
            _ => false,
        }
    }

    /// The pool of the agent, and how many of its preferences he does not meet; the same text counts once.
    fn unmet(&self, call: &CallId, agent: &AgentId) -> (usize, usize) {
        let pool = self.pool(call, &self.callers[call], &self.config.agents[agent]);
        pool.map_or((usize::MAX, 0), |(at, _, unmet)| (at, unmet))
    }

    /// What the strategy of the queue looks at; lower is taken first. By chance anyone is right.
    fn standing(&self, queue: &QueueName, agent: &AgentId) -> (u64, Option<Instant>) {
        let idle = self.seen.get(agent).map(|a| a.idle_since);
        let (calls, talk_ms) = self.work.get(agent).copied().unwrap_or_default();
        let place = |id| u64::from(self.config.agents[id].position);
        match self.config.queues[queue].strategy {
            Strategy::LongestIdle | Strategy::RingAll | Strategy::RingProgressive => (0, idle),
            Strategy::FewestCalls => (calls, idle),
            Strategy::LeastTalk => (talk_ms, idle),
            Strategy::RoundRobin => {
                let is_behind = self.last.get(queue).is_some_and(|last| place(agent) <= place(last));
                (place(agent) + if is_behind { 1_000 } else { 0 }, None)
            }
            Strategy::Linear => (place(agent), None),
            Strategy::Random | Strategy::Weighted => (0, None),
        }
    }

    /// The figure that the reason of an offer names.
    fn figure(&self, queue: &QueueName, agent: &AgentId) -> Option<u64> {
        let (calls, talk_ms) = self.work.get(agent).copied().unwrap_or_default();
        let config = &self.config.agents[agent];
        match self.config.queues[queue].strategy {
            Strategy::LongestIdle | Strategy::RingAll | Strategy::RingProgressive | Strategy::Random => None,
            Strategy::FewestCalls => Some(calls),
            Strategy::LeastTalk => Some(talk_ms),
            Strategy::RoundRobin | Strategy::Linear => {
                Some(self.config.agents.values().filter(|a| a.position <= config.position).count() as u64)
            }
            Strategy::Weighted => Some(config.weights.get(queue).copied().unwrap_or(1).into()),
        }
    }

    /// The caller had the first turn of all who could be served, and the agent was first by the queue's strategy.
    fn best_pair(&self, now: Instant, call: CallId, agent: &AgentId) {
        assert!(self.may_serve(now, &call, agent, false), "{agent} may not serve {call}");
        assert!(self.takes_agent(now, &call, false), "{call} is rung for at {agent} too");
        let standing = |id| (self.calls.load(id), self.unmet(&call, id), self.standing(&self.callers[&call].queue, id));
        for other in self.states.keys().filter(|a| self.may_serve(now, &call, a, true)) {
            assert!(standing(agent) <= standing(other), "{other} comes before {agent}");
        }
        if self.taking == Some(call) {
            return;
        }
        let turn = (self.is_rung(&call), self.turn(now, &self.callers[&call]));
        for (other, caller) in self.callers.iter().filter(|(c, _)| self.takes_agent(now, c, true)) {
            let can_be_served = || self.states.keys().any(|a| self.may_serve(now, other, a, true));
            let others = (self.is_rung(other), self.turn(now, caller));
            assert!(others >= turn || !can_be_served(), "{other} comes before {call}");
        }
    }

    /// After each step: the floor and the model agree, and nobody waits for an idle agent.
    fn compare(&mut self, now: Instant, floor: &Floor) {
        // Where many are, counting everything anew at each step would take most of the time.
        self.steps += 1;
        if self.steps.is_multiple_of(1 + self.config.agents.len() / 12) {
            floor.check().unwrap();
        }
        assert!(self.moving.is_empty(), "sent to a queue, but in none");
        self.nobody_is_forgotten(now, floor);
        for view in floor.agents() {
            let known = self.states.get(&view.id).cloned().unwrap_or((AgentStateName::Offline, None));
            assert_eq!((view.state, view.code.clone()), known, "{}", view.id);
        }
        self.calls_are_right(floor);
        self.delays = floor.agents().filter_map(|a| Some((a.id, a.delayed_until?))).collect();
        self.missed = floor.agents().filter(|a| a.missed_from.is_some()).map(|a| a.id).collect();
        self.work.retain(|id, _| floor.agent(id).is_some());
        self.rows.retain(|id, _| floor.agent(id).is_some());
        self.excluded.retain(|(_, id), _| floor.agent(id).is_some());
        let live: BTreeSet<AgentId> = floor.agents().map(|a| a.id).collect();
        let gone =
            |(id, (state, _)): (&AgentId, &(AgentStateName, _))| live.contains(id) || *state == AgentStateName::Offline;
        assert!(self.states.iter().all(gone), "who is gone is offline");
        for queue in floor.queues(now) {
            let (line, kept) = (self.waiting(&queue.name), self.kept(&queue.name));
            assert_eq!((u64::from(queue.waiting), floor.kept(&queue.name)), (line, kept));
            let serves = |agent: &&AgentConfig| agent.queues.contains(&queue.name) && self.is_free(now, agent, false);
            assert_eq!(queue.available as usize, self.config.agents.values().filter(serves).count(), "{}", queue.name);
        }
        let is_calm = floor.poll_timeout().is_none_or(|at| at > now);
        for call in self.callers.keys() {
            self.sticks_rightly(now, call, is_calm);
            self.overflows_in_time(now, call, is_calm);
            if is_calm && self.callers[call].sticky.is_none() {
                self.climbs(now, call);
            }
            assert_eq!(floor.position(*call), Some(self.position(now, call)));
            if self.takes_agent(now, call, true) {
                let idle = self.states.keys().find(|a| self.may_serve(now, call, a, false));
                assert_eq!(idle, None, "{call} waits while an agent is idle");
            }
        }
    }
}
