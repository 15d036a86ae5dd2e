//! The floor as seen from outside, and the proof that it is in order.

use std::collections::BTreeSet;
use std::time::Instant;

use super::agent::{Agent, CLASSES, OwnCall, State, by_state, is_open_class};
use super::deadline::Due;
use super::floor::Floor;
use super::lane::{Caller, Queue};
use super::matching::u32_of;
use super::phone::Phone;
use super::pool::Admission;
use super::{AgentView, QueueView};
use crate::id::{AgentId, QueueName};

impl Floor {
    /// All agents, by id.
    pub fn agents(&self) -> impl Iterator<Item = AgentView> {
        self.by_name.values().filter_map(|slot| self.agents.get(*slot)).map(agent_view)
    }

    /// One agent.
    pub fn agent(&self, id: &AgentId) -> Option<AgentView> {
        self.by_name.get(id).and_then(|slot| self.agents.get(*slot)).map(agent_view)
    }

    /// All queues, by name.
    pub fn queues(&self, now: Instant) -> impl Iterator<Item = QueueView> {
        self.queues.values().map(move |queue| self.queue_view(now, queue))
    }

    /// One queue.
    pub fn queue(&self, now: Instant, name: &QueueName) -> Option<QueueView> {
        self.queues.get(name).map(|queue| self.queue_view(now, queue))
    }

    /// Callers in a queue, those included for whom a phone rings, without those who are called back; 0 for an unknown
    /// queue.
    pub fn waiting(&self, queue: &QueueName) -> u32 {
        self.queues.get(queue).map_or(0, |q| u32_of(q.live()))
    }

    /// Places in a queue that are kept for who is called back; 0 for an unknown queue.
    pub fn kept(&self, queue: &QueueName) -> u64 {
        self.queues.get(queue).map_or(0, |queue| u64::from(u32_of(queue.kept)))
    }

    /// True when nobody waits, nothing rings and no agent is in a call.
    pub fn is_empty(&self) -> bool {
        self.callers.is_empty() && self.offers.is_empty() && self.engaged.is_empty()
    }

    /// Verifies every invariant; for simulations, as it looks at everything.
    ///
    /// # Errors
    ///
    /// The first invariant that does not hold, in words.
    pub fn check(&self) -> Result<(), String> {
        self.check_agents()?;
        self.check_callers()?;
        self.check_lanes()?;
        self.check_deadlines()?;
        self.check_matched()
    }

    /// How often the floor was told something or a deadline of it came: between two equal answers nothing changed.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    fn queue_view(&self, now: Instant, queue: &Queue) -> QueueView {
        let callers = queue.order.iter().filter_map(|p| self.callers.get(&p.call));
        let callers = callers.filter(|caller| caller.claim.callback.is_none());
        let counts = self.lanes.get(queue.base).map_or([0; CLASSES], |lane| lane.counts);
        let open = counts.iter().enumerate().filter(|(class, _)| is_open_class(*class));
        QueueView {
            name: queue.config.name.clone(),
            waiting: u32_of(queue.live()),
            longest_wait: callers.map(|c| now.saturating_duration_since(c.entered)).max(),
            agents: by_state(counts),
            available: open.map(|(_, count)| count).sum(),
        }
    }

    /// An agent rings for at most one caller, and whoever is busy is so with something that exists.
    fn check_agents(&self) -> Result<(), String> {
        let mut engaged = BTreeSet::new();
        let mut offers = BTreeSet::new();
        for (slot, agent) in &self.agents {
            let id = agent.id();
            ensure(self.by_name.get(id) == Some(&slot), || format!("{id} is not found by name"))?;
            ensure(agent.shown == agent.show(), || format!("{id}: the journal was not told"))?;
            let is_counted = agent.counted == Some(agent.class()) && agent.pending.is_none();
            ensure(is_counted, || format!("{id} is not counted right"))?;
            let calls = agent.own.keys().copied().chain(agent.talks.iter().map(|talk| talk.call));
            engaged.extend(calls.clone().map(|call| (call, slot)));
            let is_once = calls.collect::<BTreeSet<_>>().len() == usize::from(agent.load());
            ensure(is_once, || format!("{id} is in one call twice"))?;
            let may_talk = agent.talks.is_empty() || matches!(agent.state, State::Ready { .. } | State::Ringing { .. });
            ensure(may_talk, || format!("{id} talks and is {:?}", agent.state))?;
            let mut owned = |offer, call, is_talk| {
                offers.insert(offer);
                let found = self.offers.get(&offer).filter(|o| o.slot == slot && o.call == call);
                ensure(found.is_some_and(|o| o.until.is_none() == is_talk), || format!("{id}: {offer:?} has no owner"))
            };
            agent.talks.iter().try_for_each(|talk| owned(talk.offer, talk.call, true))?;
            if let State::Ringing { offer, call, talked } = &agent.state {
                owned(*offer, *call, false)?;
                let is_known = self.callers.get(call).is_some_and(|c| c.offers.contains(offer));
                ensure(is_known, || format!("{id} rings for {call}, who does not know"))?;
                let rings_once = !agent.own.values().any(|own| *own == OwnCall::Rings);
                ensure(rings_once && !agent.is_to_stop(), || format!("{id} is rung, and must not be"))?;
                ensure(talked.is_none() || agent.talks.is_empty(), || format!("{id} owes a wrap-up early"))?;
            }
        }
        ensure(self.agents.len() == self.by_name.len(), || "names and agents differ".to_owned())?;
        ensure(engaged == self.engaged, || "calls of agents and their index differ".to_owned())?;
        ensure(offers.iter().eq(self.offers.keys()), || "an offer without its agent".to_owned())
    }

    /// A caller is in one queue, in one lane, and waits unless phones ring for him.
    fn check_callers(&self) -> Result<(), String> {
        for (call, caller) in &self.callers {
            let queue = self.queues.get(&caller.queue);
            ensure(queue.is_some_and(|q| q.order.contains(&caller.place)), || format!("{call} has lost his place"))?;
            let is_waiting = self.lanes.get(caller.lane).is_some_and(|l| l.waiting.contains(&caller.place));
            ensure(is_waiting == caller.offers.is_empty(), || format!("{call}: waiting {is_waiting}"))?;
            let is_rung = |offer| self.offers.get(offer).is_some_and(|o| o.call == *call && o.until.is_some());
            ensure(caller.offers.iter().all(is_rung), || format!("{call} is rung by nobody"))?;
            let stage = self.lanes.get(caller.lane).map(|lane| (&lane.queue, &lane.key.0));
            let is_at = stage == Some((&caller.queue, &caller.stage()));
            ensure(is_at, || format!("{call} is not in the lane of his step"))?;
            ensure(caller.step_at == self.next_step_at(caller), || format!("{call} has no next step"))?;
            let is_in_round = caller.more_at.is_none() || !caller.offers.is_empty();
            ensure(is_in_round, || format!("{call} waits for more without a ring"))?;
            let knows = |slot: &usize| self.agents.get(*slot).is_some_and(|a| a.excluded.contains_key(call));
            ensure(caller.excluded.iter().all(knows), || format!("{call}: exclusion known to one side only"))?;
        }
        for (name, queue) in &self.queues {
            let is_kept = |caller: &&Caller| caller.queue == *name && caller.claim.callback.is_some();
            let kept = self.callers.values().filter(is_kept).count();
            ensure(kept == queue.kept, || format!("{name} keeps {} places, {kept} are kept", queue.kept))?;
        }
        let in_queues: usize = self.queues.values().map(|q| q.order.len()).sum();
        ensure(in_queues == self.callers.len(), || "a place without its caller".to_owned())
    }

    /// Lanes count and list what counting afresh gives.
    fn check_lanes(&self) -> Result<(), String> {
        for (index, lane) in &self.lanes {
            let name = &lane.queue;
            let config = self.queues.get(name).map(|q| &q.config).ok_or("a lane without its queue")?;
            let mut fresh = super::lane::Lane::new(config, lane.key.clone(), lane.pools.clone(), Vec::new(), 0);
            let is_found = self.queues.get(name).and_then(|q| q.lanes_of(&lane.key.0).get(&lane.key)) == Some(&index);
            ensure(is_found, || format!("a lane of {name} is not found by its key"))?;
            for (slot, agent) in &self.agents {
                let meets = matches!(lane.admits(agent), Admission::Pool(_));
                ensure(agent.lanes.contains(&index) == meets, || format!("{} and a lane of {name}", agent.id()))?;
                if meets {
                    fresh.recount(slot, None, Some(agent.class()), &agent.config);
                }
                let foreseen = lane.foresees(agent);
                let knows = agent.prospects.contains(&index) == foreseen;
                ensure(knows, || format!("{} and later steps in a lane of {name}", agent.id()))?;
                if foreseen {
                    fresh.foresee(slot, None, Some(agent.class()));
                }
            }
            let is_right =
                lane.idle.agrees(&fresh.idle) && fresh.counts == lane.counts && fresh.present == lane.present;
            ensure(is_right && fresh.to_come == lane.to_come, || format!("a lane of {name} miscounts"))?;
            let lack = self.lack(index).filter(|_| lane.is_waited_in());
            let known = lane.deserted.map(|deserted| deserted.lack);
            ensure(known == lack, || format!("a lane of {name}: {known:?} is known, {lack:?} is so"))?;
            let callers = self.callers.values().filter(|c| c.lane == index);
            let (rung, waiting): (Vec<_>, Vec<_>) = callers.clone().partition(|c| !c.offers.is_empty());
            let waiting: BTreeSet<_> = waiting.into_iter().map(|c| c.place).collect();
            let more: BTreeSet<_> = rung.into_iter().filter(|c| c.takes_agent(config)).map(|c| c.place).collect();
            let is_kept = |c: &&Caller| c.claim.callback.is_some() && c.offers.is_empty();
            let kept = callers.clone().filter(is_kept).count();
            let is_right = waiting == lane.waiting && more == lane.more && kept == lane.kept;
            ensure(is_right, || format!("a lane of {name} has the wrong callers"))?;
            ensure(callers.count() == lane.callers as usize, || format!("a lane of {name} miscounts callers"))?;
        }
        Ok(())
    }

    /// Every deadline has the owner that holds it, and every owner his deadline.
    fn check_deadlines(&self) -> Result<(), String> {
        let mut owned = BTreeSet::new();
        for (slot, agent) in &self.agents {
            owned.extend(agent.state.deadline(slot));
            owned.extend(agent.phone.deadline(slot));
            owned.extend(agent.excluded.iter().map(|(call, at)| (*at, Due::Exclusion(slot, *call))));
        }
        for (call, caller) in &self.callers {
            owned.extend(caller.overdue_at.map(|at| (at, Due::Overdue(*call))));
            owned.extend(caller.remind_at.map(|at| (at, Due::Remind(*call))));
            owned.extend(caller.overflow_at.map(|at| (at, Due::Overflow(*call))));
            owned.extend(caller.leave_at.map(|at| (at, Due::MaxWait(*call))));
            owned.extend(caller.announce_at.map(|at| (at, Due::Announce(*call))));
            owned.extend(caller.step_at.map(|at| (at, Due::Step(*call))));
            owned.extend(caller.more_at.map(|at| (at, Due::More(*call))));
        }
        for (index, lane) in &self.lanes {
            owned.extend(lane.left_alone_at.map(|at| (at, Due::LeftAlone(index))));
            owned.extend(lane.deserted.and_then(|d| d.due).map(|at| (at, Due::Deserted(index))));
        }
        for (offer, ring) in &self.offers {
            owned.extend(ring.until.map(|at| (at, Due::Ring(*offer))));
        }
        ensure(owned.iter().eq(self.deadlines.iter()), || "a deadline without owner, or the reverse".to_owned())
    }

    /// Nobody waits for whom an idle agent is there.
    fn check_matched(&self) -> Result<(), String> {
        for (call, caller) in &self.callers {
            let queue = self.queues.get(&caller.queue).filter(|queue| caller.takes_agent(&queue.config));
            let (Some(_), Some(lane)) = (queue, self.lanes.get(caller.lane)) else { continue };
            let idle = lane.idle.next(None, &caller.excluded);
            ensure(idle.is_none(), || format!("{call} waits in {} while an agent is idle", lane.queue))?;
        }
        Ok(())
    }
}

fn agent_view(agent: &Agent) -> AgentView {
    let shown = &agent.shown;
    AgentView {
        id: agent.id().clone(),
        name: agent.config.name.clone(),
        state: shown.state,
        since: agent.since,
        code: shown.code.clone(),
        next: shown.next.clone(),
        until: shown.until,
        call: shown.call,
        calls: agent.load(),
        has_room: agent.has_room(),
        is_rung: agent.is_rung(),
        queues: agent.config.queues.clone(),
        idle_since: agent.idle_since,
        delayed_until: match agent.state {
            State::Ready { delayed_until } => delayed_until,
            _ => None,
        },
        misses: agent.misses,
        missed_from: match agent.phone {
            Phone::Lost { until } if agent.config.contact.is_none() => Some(until),
            Phone::There | Phone::Lost { .. } | Phone::Gone { .. } => None,
        },
    }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}
