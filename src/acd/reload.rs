//! A new configuration on a live floor: nobody loses his place, talks go on.

use std::collections::BTreeMap;
use std::time::Instant;

use super::agent::{Agent, State};
use super::config::{AgentConfig, FloorConfig, QueueConfig};
use super::deadline::{Due, Slot};
use super::floor::{Floor, after};
use super::lane::{Place, Queue};
use super::matching::u32_of;
use super::nobody::DesertedSince;
use super::pool::Stage;
use super::ranked::Ranked;
use super::way::Lack;
use crate::id::{AgentId, CallId, QueueName};
use crate::journal::{About, Kind, QueueOutcome, StateCause};

impl Floor {
    /// Takes a configuration in force.
    ///
    /// Callers keep their place and their time; changed strategies, skills, weights, members, longest waits and rules of
    /// order apply to them at once. Callers of a queue that is gone leave with `NoAgents`. An agent who is gone is rung no
    /// more and logged out, after his calls if he is in any. Rings, talks and wrap-ups that run go on with the
    /// times they began with, also when an agent has more of them than he may have now: he is offered the next caller when
    /// he has fewer.
    pub fn apply(&mut self, now: Instant, mut config: FloorConfig) {
        self.turns += 1;
        let deserted = self.deserted_since();
        self.grace = config.grace;
        self.limit_pauses(now, &mut config);
        let FloorConfig { agents, queues, .. } = config;
        let gone: Vec<QueueName> = self.queues.keys().filter(|name| !queues.contains_key(*name)).cloned().collect();
        for name in gone {
            let callers: Vec<CallId> =
                self.queues.get(&name).map(|q| q.order.iter().map(|p| p.call).collect()).unwrap_or_default();
            for call in callers {
                self.leave_by_rule(now, call, QueueOutcome::NoAgents);
            }
            self.queues.remove(&name);
        }
        let gone: Vec<AgentId> = self.by_name.keys().filter(|id| !agents.contains_key(*id)).cloned().collect();
        for id in gone {
            self.dismiss(now, &id);
        }
        for agent in agents.into_values() {
            self.hire(now, agent);
        }
        for queue in queues.into_values() {
            self.open(now, queue);
        }
        self.number_agents();
        self.clear_deserted();
        self.rebuild_lanes(now);
        let slots: Vec<Slot> = self.by_name.values().copied().collect();
        for slot in slots {
            self.come_by_himself(now, slot);
            self.refresh(now, slot, StateCause::Config);
        }
        let since = self.place_callers(now, &deserted);
        self.tend_all(now, &since);
        self.settle_all(now);
    }

    fn open(&mut self, now: Instant, config: QueueConfig) {
        let Some(queue) = self.queues.get_mut(&config.name) else {
            let (name, queue) = (config.name.clone(), Queue::new(config));
            self.queues.insert(name, queue);
            return;
        };
        let is_announced_anew = queue.config.announce_every != config.announce_every;
        let interval = config.announce_every.filter(|i| !i.is_zero());
        let max_wait = config.max_wait;
        queue.has_new_ladder = queue.config.ladder != config.ladder;
        let reminds = |config: &QueueConfig| (config.announcements.clone(), config.announcements_every);
        let is_reminded_anew = reminds(&queue.config) != reminds(&config);
        let is_overflow_new = queue.config.overflow != config.overflow;
        queue.config = config;
        for place in queue.order.iter() {
            let Some(caller) = self.callers.get_mut(&place.call) else { continue };
            if caller.claim.callback.is_some() {
                continue;
            }
            if !caller.has_own_max_wait {
                self.deadlines.clear(caller.leave_at, Due::MaxWait(place.call));
                caller.leave_at = caller.entered.checked_add(max_wait);
                self.deadlines.set(caller.leave_at, Due::MaxWait(place.call));
            }
            if is_overflow_new {
                self.deadlines.clear(caller.overflow_at, Due::Overflow(place.call));
                caller.overflow_at = Self::overflow_at(queue, caller.entered);
                self.deadlines.set(caller.overflow_at, Due::Overflow(place.call));
            }
            if is_reminded_anew {
                self.deadlines.clear(caller.remind_at, Due::Remind(place.call));
                caller.remind_at = queue.config.remind_after(now);
                self.deadlines.set(caller.remind_at, Due::Remind(place.call));
            }
            if is_announced_anew {
                self.deadlines.clear(caller.announce_at, Due::Announce(place.call));
                caller.announce_at = interval.map(|i| after(now, i));
                self.deadlines.set(caller.announce_at, Due::Announce(place.call));
            }
        }
    }

    fn hire(&mut self, now: Instant, config: AgentConfig) {
        let known = self.by_name.get(&config.id).copied();
        match known.and_then(|slot| Some((slot, self.agents.get_mut(slot)?))) {
            Some((slot, agent)) => {
                agent.config = config;
                agent.leaving = false;
                // A fixed contact may be gone.
                if !agent.is_reachable() && self.stop_ringing(now, slot) {
                    self.refresh(now, slot, StateCause::Call);
                }
            }
            None => {
                let id = config.id.clone();
                let slot = self.agents.insert(Agent::new(now, config));
                self.by_name.insert(id, slot);
            }
        }
    }

    fn dismiss(&mut self, now: Instant, id: &AgentId) {
        let Some(slot) = self.by_name.get(id).copied() else { return };
        let Some(agent) = self.agents.get_mut(slot) else { return };
        agent.config.queues.clear();
        agent.next = None;
        if agent.is_engaged() {
            agent.leaving = true;
            self.stop_ringing(now, slot);
        } else {
            self.remove_agent(now, slot);
        }
    }

    /// Forgets an agent who is in no call.
    pub(super) fn remove_agent(&mut self, now: Instant, slot: Slot) {
        self.stop_ringing(now, slot);
        self.set_state(slot, State::Offline);
        if let Some(agent) = self.agents.get_mut(slot) {
            // Should he come again, nothing is known of him.
            agent.offline_code = None;
        }
        self.refresh(now, slot, StateCause::Config);
        let Some(agent) = self.agents.try_remove(slot) else { return };
        for lane in &agent.lanes {
            if let Some(lane) = self.lanes.get_mut(*lane) {
                lane.recount(slot, agent.counted, None, &agent.config);
            }
        }
        for lane in &agent.prospects {
            if let Some(lane) = self.lanes.get_mut(*lane) {
                lane.foresee(slot, agent.counted, None);
            }
        }
        for (call, until) in &agent.excluded {
            self.deadlines.clear(Some(*until), Due::Exclusion(slot, *call));
            if let Some(caller) = self.callers.get_mut(call) {
                caller.excluded.remove(&slot);
            }
        }
        if let Some((at, due)) = agent.phone.deadline(slot) {
            self.deadlines.clear(Some(at), due);
        }
        self.by_name.remove(agent.id());
    }

    /// Gives each agent his place in the file. A round goes on after the agent rung last wherever he stands now, and
    /// when he is gone after the nearest before him who is still there.
    fn number_agents(&mut self) {
        let mut here: Vec<(u32, AgentId, Slot)> = Vec::new();
        for (slot, agent) in self.agents.iter().filter(|(_, agent)| !agent.leaving) {
            here.push((agent.config.position, agent.id().clone(), slot));
        }
        here.sort_unstable();
        let mut orders = BTreeMap::new();
        for (order, (_, id, slot)) in (0..).zip(&here) {
            orders.insert(id.clone(), order);
            if let Some(agent) = self.agents.get_mut(*slot) {
                agent.order = order;
            }
        }
        for queue in self.queues.values_mut() {
            let before = queue.last.and_then(|last| self.roster.get(..=usize::try_from(last).ok()?));
            queue.last = before.and_then(|ids| ids.iter().rev().find_map(|id| orders.get(id).copied()));
        }
        self.roster = here.into_iter().map(|(_, id, _)| id).collect();
    }

    /// Sorts agents into lanes anew: skills, members and weights may all have changed.
    fn rebuild_lanes(&mut self, now: Instant) {
        for (index, lane) in &mut self.lanes {
            self.deadlines.clear(lane.left_alone_at, Due::LeftAlone(index));
        }
        self.lanes.clear();
        self.queues.values_mut().for_each(|queue| queue.members.clear());
        for (slot, agent) in &mut self.agents {
            agent.lanes.clear();
            agent.prospects.clear();
            for name in &agent.config.queues {
                if let Some(queue) = self.queues.get_mut(name) {
                    queue.members.push(slot);
                }
            }
        }
        let names: Vec<QueueName> = self.queues.keys().cloned().collect();
        for name in names {
            self.order_anew(now, &name);
            self.rebuild_queue(&name);
        }
    }

    /// Gives each caller of a queue the place that its rules give him now. Those whose place is another are written
    /// down from the front on, so that who moves them one by one arrives at the same order.
    fn order_anew(&mut self, now: Instant, name: &QueueName) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let old = std::mem::take(&mut queue.order);
        for place in old.iter() {
            let Some(caller) = self.callers.get_mut(&place.call) else { continue };
            self.deadlines.clear(caller.overdue_at, Due::Overdue(place.call));
            caller.overdue_at = caller.claim.overdue_at(&queue.config).filter(|at| *at > now);
            self.deadlines.set(caller.overdue_at, Due::Overdue(place.call));
            caller.place = caller.claim.place(now, self.origin, &queue.config, place.seq, place.call);
            queue.order.insert(caller.place);
        }
        let calls = |order: &Ranked<Place>| order.iter().map(|place| place.call).collect::<Vec<CallId>>();
        let (old, new) = (calls(&old), calls(&queue.order));
        let is_other = |at: &usize| old.get(*at) != new.get(*at);
        let (Some(first), Some(last)) = ((0..new.len()).find(is_other), (0..new.len()).rfind(is_other)) else { return };
        for (at, call) in new.into_iter().enumerate().take(last + 1).skip(first) {
            self.journal(About::Call(call), Kind::Moved { queue: name.clone(), position: u32_of(at + 1) });
        }
    }

    fn rebuild_queue(&mut self, name: &QueueName) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        queue.lanes.clear();
        queue.personal.clear();
        let Some(base) = self.lane_for(name, Stage::Base, &[], None) else { return };
        if let Some(queue) = self.queues.get_mut(name) {
            queue.base = base;
        }
        // Made now, so that the first caller does not pay for it and a skill that cannot be read is told once.
        self.lane_for(name, Stage::Step(0), &[], Some(About::Node));
    }

    /// Sorts callers into the lanes, once all agents are counted: whether somebody is there may decide on their step.
    /// `deserted` tells of the lanes as they were, the answer of those that are now.
    fn place_callers(&mut self, now: Instant, deserted: &DesertedSince) -> DesertedSince {
        let mut since = DesertedSince::new();
        let names: Vec<QueueName> = self.queues.keys().cloned().collect();
        for name in names {
            let Some(queue) = self.queues.get_mut(&name) else { continue };
            let climbs_anew = std::mem::take(&mut queue.has_new_ladder);
            let calls: Vec<CallId> = queue.order.iter().map(|p| p.call).collect();
            for call in calls {
                self.go_on_with_round(call);
                let Some(caller) = self.callers.get(&call) else { continue };
                let steps_before = caller.steps;
                let (claim, entered, sticky) = (caller.claim.clone(), caller.entered, caller.sticky);
                let sticky = sticky.and_then(|sticky| self.sticky_still(now, &name, &claim, sticky));
                let (least, about) = (if climbs_anew { 0 } else { steps_before }, Some(About::Call(call)));
                let (sticky, first) = sticky.unzip();
                let stage = match first {
                    Some(lane) => Some((0, lane)),
                    None => self.stage_at(now, &name, entered, least, &claim.skills, about),
                };
                let Some((steps, index)) = stage else { continue };
                if let (Some(caller), Some(lane)) = (self.callers.get_mut(&call), self.lanes.get_mut(index)) {
                    let old = std::mem::replace(&mut caller.lane, index);
                    lane.callers += 1;
                    let known = Lack::ALL.map(|lack| (lack, deserted.get(&(old, lack)).copied()));
                    for (lack, at) in known.into_iter().filter(|_| caller.offers.is_empty()) {
                        let Some(at) = at else { continue };
                        let first = since.entry((index, lack)).or_insert(at);
                        *first = at.min(*first);
                    }
                }
                self.line_up(now, call);
                self.stand_at(call, sticky, steps);
            }
        }
        since
    }
}
