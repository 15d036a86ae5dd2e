//! One day on the floor.

mod habits;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::figures::{Run, Stay};
use super::{Plan, Shape, day, draw};
use crate::acd::config::{FloorConfig, PauseRules, WrapUpMode};
use crate::acd::{Arrival, Choice, Floor, Input, Output, Way, Wish, calendar};
use crate::clock::Wall;
use crate::id::{AgentId, CallId, OfferId, QueueName};
use crate::journal::{About, AgentStateName, Entry, Hours, Kind, OfferResult, QueueOutcome, StateCause};
use crate::sim::dice::Dice;

/// What is still open this long after midnight of the next day is not waited for.
const PATIENCE: Duration = Duration::from_secs(86_400);
/// The longest wrap-up where the forecast says how long it is: then the floor's own timer must not end it.
const WRAP_UP_MAX: Duration = Duration::from_secs(86_400);

/// One caller as he was drawn before the day began.
struct Caller {
    row: usize,
    arrives: Duration,
    talk: Duration,
    patience: Option<Duration>,
    wrap_up: Option<Duration>,
}

/// What happens at a moment.
enum Event {
    Arrives(usize),
    HangsUp(usize),
    PicksUp(OfferId),
    Declines(OfferId),
    Ends(CallId, AgentId),
    Finishes(CallId, AgentId),
    /// The agent, and which of the shifts begins.
    Comes(AgentId, Option<usize>),
    Goes(AgentId),
    /// In which shift somebody goes on a pause.
    Breaks(AgentId, usize),
    /// Somebody who is away since then is back.
    Returns(AgentId, Duration),
    /// Who left the queue will be called back.
    KeepsPlace(usize, QueueName),
}

/// How far a caller is.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Where {
    Outside,
    Waiting,
    /// His place is kept.
    CalledBack,
    Done,
}

struct World<'a> {
    plan: &'a Plan,
    origin: Instant,
    floor: Floor,
    now: Duration,
    callers: Vec<Caller>,
    wheres: Vec<Where>,
    /// By time, then in the order they were set.
    events: BTreeMap<(Duration, u64), Event>,
    set: u64,
    /// What each agent does, since when, and with which call.
    states: BTreeMap<AgentId, (AgentStateName, Duration, Option<CallId>)>,
    run: Run,
    seed: u64,
    /// Rings so far for each caller for whom some are missed.
    rings: BTreeMap<usize, u64>,
    people: BTreeMap<AgentId, habits::Person>,
    /// What the floor wrote down, where it is wanted, and when that day began.
    journal: Option<Vec<Entry>>,
    midnight: Wall,
}

/// Plays one day.
pub(super) fn play(origin: Instant, plan: &Plan, seed: u64) -> Run {
    let mut world = World::new(origin, plan, seed);
    world.play();
    world.run
}

/// Plays one day for its journal.
pub(super) fn journal(origin: Instant, plan: &Plan, seed: u64, first: u64) -> Vec<Entry> {
    let mut world = World { journal: Some(Vec::new()), ..World::new(origin, plan, seed) };
    world.play();
    let mut entries = world.journal.unwrap_or_default();
    entries.iter_mut().zip(first..).for_each(|(entry, seq)| entry.seq = seq);
    entries
}

/// The floor's configuration, without what only phones and ears would notice.
fn prepared(plan: &Plan) -> FloorConfig {
    let mut config = plan.floor.clone();
    if habits::are_paused(plan) {
        // How long pauses last is given, whatever rules led to it.
        config.pauses = PauseRules::default();
    }
    for agent in config.agents.values_mut() {
        // They come by their shift.
        agent.auto_ready = false;
        agent.contact = None;
    }
    for queue in config.queues.values_mut() {
        queue.announce_every = None;
        if plan.day.rows.iter().any(|row| row.queue == queue.name && row.wrap_up_s.is_some()) {
            (queue.wrap_up_mode, queue.wrap_up_max) = (WrapUpMode::Discretionary, WRAP_UP_MAX);
        } else if queue.wrap_up_mode == WrapUpMode::Discretionary {
            // Nobody ends it here: it takes the time the queue has for it.
            queue.wrap_up_mode = WrapUpMode::Timed;
        }
    }
    config
}

/// All callers of a day. Each row has dice of its own, so that a change of one leaves the others as they are.
fn callers(plan: &Plan, seed: u64) -> Vec<Caller> {
    let mut callers = Vec::new();
    for (row, index) in plan.day.rows.iter().zip(0u64..) {
        let mut dice = Dice::new(seed ^ index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let length = plan.day.interval.as_secs_f64();
        let mean_gap = length / row.calls;
        let mut at = -mean_gap * dice.unit().ln();
        while at < length {
            let talk = row.talk_spread.map_or(plan.talk, Shape::LogNormal);
            let patience_s = row.patience_s.or(plan.patience.map(|patience| patience.as_secs_f64()));
            callers.push(Caller {
                row: usize::try_from(index).unwrap_or(usize::MAX),
                arrives: plan.day.starts(row.interval) + Duration::from_micros((at * 1e6) as u64),
                talk: draw(&mut dice, talk, row.talk_s),
                patience: patience_s.map(|mean| draw(&mut dice, Shape::Exponential, mean)),
                wrap_up: row.wrap_up_s.map(|mean| draw(&mut dice, talk, mean)),
            });
            at -= mean_gap * dice.unit().ln();
        }
    }
    callers.sort_by_key(|caller| (caller.arrives, caller.row));
    callers
}

/// The call of the n-th caller; his number is the time in the id.
fn call(n: usize) -> CallId {
    CallId::new(n as u64, 0)
}

fn number(call: CallId) -> usize {
    usize::try_from(call.wall_ms()).unwrap_or(usize::MAX)
}

impl<'a> World<'a> {
    fn new(origin: Instant, plan: &'a Plan, seed: u64) -> Self {
        let callers = callers(plan, seed);
        Self {
            plan,
            origin,
            floor: Floor::new(origin, prepared(plan)),
            now: Duration::ZERO,
            wheres: vec![Where::Outside; callers.len()],
            callers,
            events: BTreeMap::new(),
            set: 0,
            states: BTreeMap::new(),
            run: Run::new(&plan.day, &plan.floor),
            seed,
            rings: BTreeMap::new(),
            people: habits::people(plan, seed),
            journal: None,
            midnight: plan.midnight.unwrap_or_default(),
        }
    }

    fn play(&mut self) {
        self.open();
        self.go_on();
        self.close();
    }

    fn open(&mut self) {
        let agents: Vec<AgentId> = self.plan.floor.agents.keys().cloned().collect();
        for agent in &agents {
            self.states.insert(agent.clone(), (AgentStateName::Offline, Duration::ZERO, None));
            self.tell(Input::Reachable { agent: agent.clone(), reachable: true });
        }
        match &self.plan.shifts {
            None => agents.into_iter().for_each(|agent| self.set(Duration::ZERO, Event::Comes(agent, None))),
            Some(shifts) => {
                for (shift, n) in shifts.iter().zip(0..) {
                    self.set(shift.from, Event::Comes(shift.agent.clone(), Some(n)));
                    self.set(shift.to, Event::Goes(shift.agent.clone()));
                }
            }
        }
        for n in 0..self.callers.len() {
            let at = self.callers.get(n).map_or(Duration::ZERO, |caller| caller.arrives);
            self.set(at, Event::Arrives(n));
        }
    }

    /// From moment to moment, the floor's own deadlines first.
    fn go_on(&mut self) {
        loop {
            let due = self.floor.poll_timeout().map(|at| at.saturating_duration_since(self.origin));
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = due.into_iter().chain(event).min().filter(|at| *at < day::WHOLE + PATIENCE) else {
                return;
            };
            self.now = self.now.max(next);
            if due == Some(next) {
                self.floor.handle_timeout(self.origin + self.now);
                self.listen();
            } else if let Some((_, event)) = self.events.pop_first() {
                self.happen(event);
            }
        }
    }

    fn close(&mut self) {
        for (agent, (state, since, _)) in std::mem::take(&mut self.states) {
            self.run.was(&agent, state, since, self.now);
        }
        self.run.settle();
    }

    fn set(&mut self, at: Duration, event: Event) {
        self.set += 1;
        self.events.insert((at, self.set), event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrives(n) => self.arrives(n),
            Event::HangsUp(n) if self.is(n, Where::Waiting) => {
                self.over(n, Some(QueueOutcome::Abandoned));
                self.tell(Input::Leave { call: call(n) });
                self.tell(Input::CallGone { call: call(n) });
            }
            Event::HangsUp(_) => {}
            Event::PicksUp(offer) => self.tell(Input::Answered { offer }),
            Event::Declines(offer) => {
                self.tell(Input::Failed { offer, result: OfferResult::Rejected, sip_code: None });
            }
            Event::Ends(call, agent) => {
                self.tell(Input::TalkEnded { agent: agent.clone(), call });
                self.tell(Input::CallGone { call });
                let wrap_up = self.callers.get(number(call)).and_then(|caller| caller.wrap_up);
                if let Some(wrap_up) = wrap_up {
                    let wrap_up = if self.talked(call) { wrap_up } else { Duration::ZERO };
                    self.set(self.now + wrap_up, Event::Finishes(call, agent));
                }
            }
            Event::Finishes(of, agent) => {
                let state = self.states.get(&agent).map(|(state, _, call)| (*state, *call));
                if state == Some((AgentStateName::WrapUp, Some(of))) {
                    self.tell(Input::Want { agent, wish: Wish::FinishWrapUp, by: StateCause::Agent });
                }
            }
            Event::Comes(agent, shift) => self.comes(agent, shift),
            Event::Goes(agent) => self.goes(agent),
            Event::Breaks(agent, shift) => self.breaks(agent, shift),
            Event::Returns(agent, since) => self.returns(agent, since),
            Event::KeepsPlace(n, queue) => self.keeps_place(n, queue),
        }
    }

    fn arrives(&mut self, n: usize) {
        let Some(caller) = self.callers.get(n) else { return };
        let Some(row) = self.plan.day.rows.get(caller.row) else { return };
        let patience = caller.patience.map(|patience| self.now + patience);
        if let Some(place) = self.wheres.get_mut(n) {
            *place = Where::Waiting;
        }
        if self.is_closed(&row.queue) {
            let queue = row.queue.clone();
            return self.tell(Input::Refuse { call: call(n), queue, outcome: QueueOutcome::Closed });
        }
        let arrival = Arrival {
            skills: row.skills.clone(),
            priority: row.priority,
            segment: row.segment.clone(),
            ..Arrival::new(call(n), row.queue.clone())
        };
        self.tell(Input::Enqueue(arrival));
        if let (Some(at), true) = (patience, self.is(n, Where::Waiting)) {
            self.set(at, Event::HangsUp(n));
        }
    }

    /// It is outside the hours of the queue's calendar.
    fn is_closed(&self, queue: &QueueName) -> bool {
        let floor = &self.plan.floor;
        let calendar = floor.queues.get(queue).and_then(|queue| queue.calendar.as_ref());
        let now = self.plan.midnight.map(|begin| begin.0.saturating_add(self.now.as_micros() as i64));
        let state = calendar
            .zip(now)
            .and_then(|(name, now)| calendar::state(&floor.calendars, &BTreeMap::new(), name, Wall(now)));
        state.is_some_and(|state| state != Hours::Open)
    }

    fn is(&self, n: usize, place: Where) -> bool {
        self.wheres.get(n) == Some(&place)
    }

    /// He waits no more; `None`: he was answered.
    fn over(&mut self, n: usize, left: Option<QueueOutcome>) {
        let (Some(caller), Some(place)) = (self.callers.get(n), self.wheres.get_mut(n)) else { return };
        if std::mem::replace(place, Where::Done) == Where::CalledBack {
            return;
        }
        let waited = self.now.saturating_sub(caller.arrives);
        let stay = match left {
            None => Stay::Answered,
            Some(QueueOutcome::Abandoned) => Stay::Abandoned,
            Some(_) => Stay::Left,
        };
        if let Some(row) = self.plan.day.rows.get(caller.row) {
            self.run.stayed(row, stay, waited);
        }
    }

    fn tell(&mut self, input: Input) {
        self.floor.handle(self.origin + self.now, input);
        self.listen();
    }

    /// Does what the floor asks, as phones and people would.
    fn listen(&mut self) {
        while let Some(output) = self.floor.poll_output() {
            match output {
                // The twin has no service: the queue decides for itself, in time.
                Output::Dispatch { call, .. } => {
                    self.floor.handle(self.origin + self.now, Input::Dispatched { call, choice: Choice::default() });
                }
                Output::Offer { offer, call, ring, .. } => self.rings(offer, call, ring),
                Output::Connect { call, agent, .. } => {
                    let n = number(call);
                    let talk = self.callers.get(n).map_or(Duration::ZERO, |caller| caller.talk);
                    let talk = if self.is(n, Where::CalledBack) { self.talk_back(call, talk) } else { talk };
                    self.over(n, None);
                    self.set(self.now + talk, Event::Ends(call, agent));
                }
                Output::Left { call, outcome, way, queue } => {
                    let is_first = self.is(number(call), Where::Waiting);
                    self.over(number(call), Some(outcome));
                    if is_first && way == Way::CallBack {
                        self.set(self.now, Event::KeepsPlace(number(call), queue));
                    }
                }
                Output::Journal { about, kind } => {
                    if let (About::Agent(agent), Kind::AgentState { state, call, code, cause, .. }) = (&about, &kind) {
                        self.became(agent, *state, *call, code.as_deref(), *cause);
                    }
                    if let Some(journal) = &mut self.journal {
                        let at = Wall(self.midnight.0.saturating_add(self.now.as_micros() as i64));
                        journal.push(Entry { seq: 0, at, about, kind });
                    }
                }
                Output::CallBack { .. }
                | Output::Withdraw { .. }
                | Output::Discard { .. }
                | Output::Announce { .. }
                | Output::Remind { .. }
                | Output::Moved { .. } => {}
            }
        }
    }
}
