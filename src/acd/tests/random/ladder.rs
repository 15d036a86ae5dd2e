//! What the model knows of ladders.

use super::*;

/// The next step of a ladder.
pub fn step(dice: &mut Dice, size: Size, number: u64, before: Option<&Step>) -> Step {
    let after = before.map_or(Duration::ZERO, |step| step.after + Duration::from_secs(1));
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
    let mut step = Step::new(&format!("s{number}"), after + Duration::from_secs(dice.roll(40)));
    step.skills = (dice.roll(3) == 0).then(|| owned(dice.pick(&NEEDS).unwrap_or(&[])));
    step.relax = dice.roll(5) as u8;
    step.groups = BTreeSet::from_iter(owned(dice.pick(&[&["g"][..], &["h"], &["g", "h"], &[], &[]]).unwrap_or(&[])));
    if dice.roll(4) == 0 {
        step.agents.insert(size.some_agent(dice));
    }
    step.mode = if dice.roll(2) == 0 { StepMode::Replace } else { StepMode::Cumulative };
    step.skip_unstaffed = dice.roll(2) == 0;
    step
}

/// What the queues and the steps of their ladders ask for, relaxed.
pub fn asked(config: &FloorConfig) -> BTreeMap<QueueName, Vec<Vec<Skill>>> {
    let skills = |texts: &[String], relax| -> Vec<Skill> {
        texts.iter().map(|text| text.parse::<Skill>().unwrap().relaxed(relax)).collect()
    };
    let of_queue = |queue: &QueueConfig| {
        let steps = queue.ladder.iter().map(|step| skills(step.skills.as_ref().unwrap_or(&queue.skills), step.relax));
        std::iter::once(skills(&queue.skills, 0)).chain(steps).collect()
    };
    config.queues.iter().map(|(name, queue)| (name.clone(), of_queue(queue))).collect()
}

/// How many preferences among these he does not meet; `None` when he does not meet what is needed.
pub fn unmet_of(needs: &[Skill], agent: &AgentConfig) -> Option<usize> {
    if !needs.iter().all(|s| s.is_preferred() || s.is_met(&agent.skills)) {
        return None;
    }
    let unmet = needs.iter().filter(|s| s.is_preferred() && !s.is_met(&agent.skills));
    Some(unmet.collect::<BTreeSet<_>>().len())
}

impl Model {
    /// The first pool of the caller that takes the agent: its place among them, its step, and its preferences not met.
    pub fn pool(&self, call: &CallId, caller: &Waiting, agent: &AgentConfig) -> Option<(usize, usize, usize)> {
        if let Some((whom, _)) = caller.sticky {
            return self.sticky_pool(call, caller, whom, agent).map(|unmet| (0, 0, unmet));
        }
        self.pool_at(caller.steps, caller, agent)
    }

    /// By his present step or one to come this agent serves the caller.
    pub fn will_serve(&self, caller: &Waiting, agent: &AgentConfig) -> bool {
        let last = self.config.queues[&caller.queue].ladder.len();
        (caller.steps..=last).any(|steps| self.pool_at(steps, caller, agent).is_some())
    }

    /// He serves the queue, or a step of its ladder names him, whatever his skills.
    pub fn belongs(&self, queue: &QueueName, agent: &AgentConfig) -> bool {
        let names = |step: &Step| step.agents.contains(&agent.id) || !step.groups.is_disjoint(&agent.groups);
        agent.queues.contains(queue) || self.config.queues[queue].ladder.iter().any(names)
    }

    fn pool_at(&self, steps: usize, caller: &Waiting, agent: &AgentConfig) -> Option<(usize, usize, usize)> {
        let queue = &self.config.queues[&caller.queue];
        let begun = (1..).zip(queue.ladder.iter().take(steps));
        let first = begun.filter(|(_, step)| step.mode == StepMode::Replace).last().map_or(0, |(number, _)| number);
        for number in first..=steps {
            let step = number.checked_sub(1).map(|at| &queue.ladder[at]);
            let is_of_it = match step.filter(|step| !step.agents.is_empty() || !step.groups.is_empty()) {
                Some(step) => step.agents.contains(&agent.id) || !step.groups.is_disjoint(&agent.groups),
                None => agent.queues.contains(&caller.queue),
            };
            if !is_of_it {
                continue;
            }
            let relax = step.map_or(0, |step| step.relax);
            let own = self.asked[&caller.queue][number].iter().cloned();
            let needs = own.chain(caller.skills.iter().map(|s| s.clone().relaxed(relax)));
            if let Some(unmet) = unmet_of(&needs.collect::<Vec<_>>(), agent) {
                return Some((number - first, number, unmet));
            }
        }
        None
    }

    /// Not offline, not paused, and with a phone.
    pub fn is_there(&self, agent: &AgentId) -> bool {
        use AgentStateName::{Offline, Paused, Unreachable};
        self.states.get(agent).is_some_and(|(state, _)| ![Offline, Paused, Unreachable].contains(state))
    }

    /// The name of the step by which the agent serves.
    pub fn step_of(&self, call: &CallId, agent: &AgentId) -> Option<String> {
        let caller = &self.callers[call];
        let (_, number, _) = self.pool(call, caller, &self.config.agents[agent])?;
        Some(self.config.queues[&caller.queue].ladder.get(number.checked_sub(1)?)?.name.clone())
    }

    /// Steps of the ladder that have begun for him by the time he has waited.
    fn begun(&self, now: Instant, caller: &Waiting) -> usize {
        let ladder = &self.config.queues[&caller.queue].ladder;
        ladder.iter().filter(|step| caller.entered + step.after <= now).count()
    }

    /// A step may begin early only when those before it are skipped.
    pub fn escalated(&mut self, now: Instant, call: CallId, queue: &QueueName, step: Option<&str>) {
        let ladder = &self.config.queues[queue].ladder;
        let steps = step.map_or(0, |name| ladder.iter().position(|step| step.name == name).unwrap() + 1);
        let caller = &self.callers[&call];
        assert_eq!(&caller.queue, queue);
        let begun = self.begun(now, caller);
        assert!(steps >= begun && steps != caller.steps, "{call} at {steps}, {begun} have begun");
        assert!((begun.max(1)..steps).all(|done| ladder[done - 1].skip_unstaffed) && (begun > 0 || steps == 0));
        self.callers.get_mut(&call).unwrap().steps = steps;
    }

    /// Nobody lags behind his ladder, and nobody stays on a step that is skipped while no agent of it is there.
    pub fn climbs(&self, now: Instant, call: &CallId) {
        let caller = &self.callers[call];
        let ladder = &self.config.queues[&caller.queue].ladder;
        assert!(caller.steps >= self.begun(now, caller), "{call} is behind");
        if (1..ladder.len()).contains(&caller.steps) && ladder[caller.steps - 1].skip_unstaffed {
            let takes = |id, agent| self.is_there(id) && self.pool(call, caller, agent).is_some();
            assert!(
                self.is_rung(call) || self.config.agents.iter().any(|(id, agent)| takes(id, agent)),
                "{call} alone"
            );
        }
    }
}
