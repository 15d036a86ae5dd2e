//! What people do beside talking: pauses, phones that nobody answers, customers who are called back.
//!
//! Whether a ring is missed and a customer reached is drawn from the seed, the caller and the number of the ring alone, so
//! that a change of the floor leaves the others as they are.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Event, Where, World, call, number};
use crate::acd::{Arrival, Callback, Input, PAUSE_RNA, Wish};
use crate::id::{AgentId, CallId, OfferId, QueueName};
use crate::journal::{AgentStateName, StateCause};
use crate::sim::dice::Dice;
use crate::sim::twin::{Plan, Shape, day, draw};

/// The code of pauses here.
const PAUSE: &str = "PAUSE";
/// The mean pause where none is given, in seconds.
const PAUSE_S: f64 = 600.0;
/// How long a customer who is called back lets it ring, and when it is given up if he does not answer.
const ANSWERS: Duration = Duration::from_secs(8);
const GIVEN_UP: Duration = Duration::from_secs(30);

/// An agent beside his work.
pub(super) struct Person {
    dice: Dice,
    /// He is there, by which of the shifts.
    shift: Option<Option<usize>>,
    /// Since when he wants a pause, until he has it.
    wants: Option<Duration>,
    /// He is on a pause; how long he had to wait for it.
    waited: Option<Duration>,
}

/// Somebody is on a pause by the plan.
pub(super) fn are_paused(plan: &Plan) -> bool {
    plan.shifts.iter().flatten().any(|shift| shift.paused.is_some_and(|paused| paused > 0.0))
}

/// All agents, each with dice of his own.
pub(super) fn people(plan: &Plan, seed: u64) -> BTreeMap<AgentId, Person> {
    let person = |(agent, n): (&AgentId, u64)| {
        let dice = Dice::new(mixed(seed, u64::MAX, n));
        (agent.clone(), Person { dice, shift: None, wants: None, waited: None })
    };
    plan.floor.agents.keys().zip(0..).map(person).collect()
}

/// A seed of its own for each pair of numbers of each seed (the finisher of SplitMix64).
fn mixed(seed: u64, a: u64, b: u64) -> u64 {
    let mut mixed = 0u64;
    // The seed is spread before a caller's number comes to it, for seeds follow each other as callers do.
    for part in [seed, a, b] {
        mixed = (mixed ^ part).wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
    }
    mixed
}

impl World<'_> {
    /// A phone rings: it is answered, declined, or rings until the floor withdraws it.
    pub(super) fn rings(&mut self, offer: OfferId, call: CallId, ring: Duration) {
        let n = number(call);
        let row = self.callers.get(n).and_then(|caller| self.plan.day.rows.get(caller.row));
        let share = |share: Option<f64>| share.unwrap_or(0.0);
        let (missed, rejected) = row.map_or((0.0, 0.0), |row| (share(row.missed), share(row.rejected)));
        let mut fate = 1.0;
        if missed + rejected > 0.0 {
            let ring = self.rings.entry(n).or_default();
            *ring += 1;
            fate = Dice::new(mixed(self.seed, n as u64, *ring)).unit();
        }
        // A phone that would ring for too long is not answered either.
        if fate <= missed || self.plan.pick_up >= ring {
            return;
        }
        let declines = fate <= missed + rejected;
        let event = if declines { Event::Declines(offer) } else { Event::PicksUp(offer) };
        self.set(self.now + self.plan.pick_up, event);
    }

    /// An agent is in another state.
    pub(super) fn became(
        &mut self,
        agent: &AgentId,
        state: AgentStateName,
        call: Option<CallId>,
        code: Option<&str>,
        cause: StateCause,
    ) {
        let before = self.states.insert(agent.clone(), (state, self.now, call));
        if let Some((state, since, _)) = before {
            self.run.was(agent, state, since, self.now);
        }
        let is_rna = (state == AgentStateName::Paused && code == Some(PAUSE_RNA))
            || (state == AgentStateName::Offline && cause == StateCause::Rna);
        if is_rna {
            let until = self.now + self.plan.habits.rna_pause;
            self.set(until, Event::Returns(agent.clone(), self.now));
        } else if state == AgentStateName::Paused && code == Some(PAUSE) {
            self.paused(agent);
        }
    }

    pub(super) fn comes(&mut self, agent: AgentId, shift: Option<usize>) {
        if let Some(person) = self.people.get_mut(&agent) {
            (person.shift, person.wants, person.waited) = (Some(shift), None, None);
        }
        self.tell(Input::Want { agent: agent.clone(), wish: Wish::Ready, by: StateCause::Agent });
        self.works(&agent, Duration::ZERO);
    }

    pub(super) fn goes(&mut self, agent: AgentId) {
        if let Some(person) = self.people.get_mut(&agent) {
            (person.shift, person.wants, person.waited) = (None, None, None);
        }
        self.tell(Input::Want { agent, wish: Wish::Logout, by: StateCause::Agent });
    }

    /// Which part of his time an agent is paused, and for how many seconds each time.
    fn pauses(&self, agent: &AgentId) -> Option<(usize, f64, f64)> {
        let n = self.people.get(agent)?.shift??;
        let shift = self.plan.shifts.as_ref()?.get(n)?;
        let paused = shift.paused.unwrap_or(0.0).clamp(0.0, day::PAUSED_MAX);
        (paused > 0.0).then(|| (n, paused, shift.pause_s.unwrap_or(PAUSE_S).max(1.0)))
    }

    /// He works until he wants a pause; that is so much earlier, as he had to wait for the last one.
    fn works(&mut self, agent: &AgentId, earlier: Duration) {
        let Some((shift, paused, pause_s)) = self.pauses(agent) else { return };
        let Some(person) = self.people.get_mut(agent) else { return };
        let works = draw(&mut person.dice, Shape::Exponential, pause_s * (1.0 - paused) / paused);
        self.set(self.now + works.saturating_sub(earlier), Event::Breaks(agent.clone(), shift));
    }

    /// He wants a pause. While he talks he gets it after that.
    pub(super) fn breaks(&mut self, agent: AgentId, shift: usize) {
        let Some(person) = self.people.get_mut(&agent).filter(|person| person.shift == Some(Some(shift))) else {
            return;
        };
        person.wants = Some(self.now);
        self.tell(Input::Want { agent, wish: Wish::Pause(PAUSE.to_owned()), by: StateCause::Agent });
    }

    /// He has his pause.
    fn paused(&mut self, agent: &AgentId) {
        let Some((_, _, pause_s)) = self.pauses(agent) else { return };
        let Some(person) = self.people.get_mut(agent) else { return };
        let Some(wanted) = person.wants.take() else { return };
        person.waited = Some(self.now.saturating_sub(wanted));
        let pause = draw(&mut person.dice, Shape::Exponential, pause_s);
        self.set(self.now + pause, Event::Returns(agent.clone(), self.now));
    }

    /// He is back, if he is away since then and his shift is not over.
    pub(super) fn returns(&mut self, agent: AgentId, since: Duration) {
        let is_away = self.states.get(&agent).is_some_and(|(state, at, _)| {
            *at == since && matches!(state, AgentStateName::Paused | AgentStateName::Offline)
        });
        let Some(person) = self.people.get_mut(&agent).filter(|person| is_away && person.shift.is_some()) else {
            return;
        };
        let waited = person.waited.take();
        self.tell(Input::Want { agent: agent.clone(), wish: Wish::Ready, by: StateCause::Agent });
        if let Some(waited) = waited {
            self.works(&agent, waited);
        }
    }

    /// His place is kept for who left the queue to be called back: once, and the agent first.
    pub(super) fn keeps_place(&mut self, n: usize, queue: QueueName) {
        self.tell(Input::CallGone { call: call(n) });
        let Some(caller) = self.callers.get(n) else { return };
        let Some(row) = self.plan.day.rows.get(caller.row) else { return };
        let arrival = Arrival {
            skills: row.skills.clone(),
            priority: row.priority,
            segment: row.segment.clone(),
            transferred: Some(self.origin + caller.arrives),
            callback: Some(Callback { customer_first: false, ring_s: 0, again: false }),
            ..Arrival::new(CallId::new(n as u64, 1), queue)
        };
        if let Some(place) = self.wheres.get_mut(n) {
            *place = Where::CalledBack;
        }
        self.tell(Input::Enqueue(arrival));
    }

    /// An agent waits for the customer to answer: how long he is busy with that and the talk.
    pub(super) fn talk_back(&self, call: CallId, talk: Duration) -> Duration {
        if self.talked(call) { ANSWERS + talk } else { GIVEN_UP }
    }

    /// Whether a talk came of a call: who is called back may not answer.
    pub(super) fn talked(&self, of: CallId) -> bool {
        let n = number(of);
        of == call(n) || Dice::new(mixed(self.seed, n as u64, u64::MAX)).unit() <= self.plan.habits.reached
    }
}
