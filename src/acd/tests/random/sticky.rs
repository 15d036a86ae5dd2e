//! What the model knows of those whom callers wait for before all others.

use super::ladder::unmet_of;
use super::*;

/// Whether a service is asked first, and for how long.
pub fn dispatch(dice: &mut Dice) -> Option<DispatchTimes> {
    let times = DispatchTimes {
        timeout: Duration::from_millis(200 + dice.roll(3_000)),
        hold: Duration::from_secs(1 + dice.roll(15)),
    };
    (dice.roll(4) == 0).then_some(times)
}

/// A queue's rules.
pub fn rules(dice: &mut Dice) -> StickyConfig {
    let seconds = |dice: &mut Dice| Duration::from_secs(1 + dice.roll(20));
    let last_agent = (dice.roll(2) == 0).then(|| seconds(dice));
    let group = dice.pick(&["g", "h", "", ""]).filter(|group| !group.is_empty()).map(str::to_owned);
    StickyConfig { last_agent, group, group_time: seconds(dice) }
}

impl Model {
    /// How many preferences this agent does not meet, when he is one whom the caller waits for first.
    pub fn sticky_pool(&self, call: &CallId, caller: &Waiting, whom: Whom, agent: &AgentConfig) -> Option<usize> {
        let group = &self.config.queues[&caller.queue].sticky.group;
        let chosen = || self.chosen.get(call).is_some_and(|(agents, _)| agents.contains(&agent.id));
        let is_one = match whom {
            Whom::Dispatch => false,
            // What he is able to do does not count.
            Whom::Chosen => return (chosen() && agent.queues.contains(&caller.queue)).then_some(0),
            Whom::LastAgent => self.last_agents.get(call) == Some(&agent.id) && agent.queues.contains(&caller.queue),
            Whom::Group => group.as_ref().is_some_and(|group| agent.groups.contains(group)),
        };
        let needs: Vec<Skill> = self.asked[&caller.queue][0].iter().chain(&caller.skills).cloned().collect();
        unmet_of(&needs, agent).filter(|_| is_one)
    }

    /// Some of them are there.
    fn are_there(&self, call: &CallId, caller: &Waiting, whom: Whom) -> bool {
        if whom == Whom::Dispatch {
            return true;
        }
        let takes = |agent: &AgentConfig| self.sticky_pool(call, caller, whom, agent).is_some();
        self.config.agents.iter().any(|(id, agent)| self.is_there(id) && takes(agent))
    }

    /// How long the queue lets him wait for them.
    fn time_for(&self, call: &CallId, caller: &Waiting, whom: Whom) -> Option<Duration> {
        let queue = &self.config.queues[&caller.queue];
        let rules = &queue.sticky;
        match whom {
            Whom::Dispatch => queue.dispatch.filter(|_| caller.callback.is_none()).map(|times| times.timeout),
            Whom::Chosen => self.chosen.get(call).map(|(_, hold)| *hold),
            Whom::LastAgent => rules.last_agent,
            Whom::Group => rules.group.as_ref().map(|_| rules.group_time),
        }
    }

    /// Whom he waits for next, who waited for `before`.
    pub fn sticks_after(&self, call: &CallId, caller: &Waiting, before: Option<Whom>) -> Option<Whom> {
        let has_turn = |whom: &Whom| {
            before < Some(*whom) && self.time_for(call, caller, *whom).is_some() && self.are_there(call, caller, *whom)
        };
        [Whom::Dispatch, Whom::Chosen, Whom::LastAgent, Whom::Group].into_iter().find(has_turn)
    }

    /// The journal says whom he waits for from now on: the next, as his time for the one before is over, nobody of them
    /// is there, or his last agent did not take him.
    pub fn sticks(
        &mut self,
        now: Instant,
        call: CallId,
        queue: &QueueName,
        whom: Option<Whom>,
        agent: Option<&AgentId>,
    ) {
        let caller = &self.callers[&call];
        assert_eq!(&caller.queue, queue);
        let last = self.last_agents.get(&call);
        assert_eq!(agent, last.filter(|_| whom == Some(Whom::LastAgent)));
        match caller.sticky {
            None => assert_eq!(whom, caller.expects, "{call}"),
            Some((before, until)) => {
                let has_missed = last.is_some_and(|last| self.excluded.contains_key(&(call, last.clone())));
                let lone = self.chosen.get(&call).map(|(agents, _)| agents).filter(|agents| agents.len() == 1);
                let lone = lone.and_then(|agents| agents.first());
                let lone_missed = lone.is_some_and(|one| self.excluded.contains_key(&(call, one.clone())));
                let is_out = match before {
                    Whom::Dispatch => self.answered == Some(call),
                    Whom::Chosen => lone.is_some() && (lone_missed || self.has_just_failed),
                    Whom::LastAgent => has_missed || self.has_just_failed,
                    Whom::Group => false,
                };
                let is_over = until <= now || is_out || !self.are_there(&call, caller, before);
                assert!(is_over || self.time_for(&call, caller, before).is_none(), "{call} goes on early");
                assert_eq!(whom, self.sticks_after(&call, caller, Some(before)), "{call}");
            }
        }
        let until = whom.map(|whom| (whom, now + self.time_for(&call, caller, whom).unwrap()));
        let caller = self.callers.get_mut(&call).unwrap();
        (caller.sticky, caller.expects) = (until, None);
    }

    /// He waits for nobody in vain.
    pub fn sticks_rightly(&self, now: Instant, call: &CallId, is_calm: bool) {
        let caller = &self.callers[call];
        assert_eq!(caller.expects, None, "{call}");
        let Some((whom, until)) = caller.sticky.filter(|_| is_calm) else { return };
        assert!(until > now, "{call} waits for too long");
        assert!(self.is_rung(call) || self.are_there(call, caller, whom), "{call} waits for nobody");
    }
}
