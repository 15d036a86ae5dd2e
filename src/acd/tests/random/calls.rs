//! What the model knows of the calls that agents have: talks of queues and calls of their own.

use super::*;

#[derive(Default)]
pub struct Calls {
    of: BTreeMap<AgentId, Of>,
    /// Talks that began while the agent had another call.
    pub beside: u32,
    /// Last talks that ended while the phone rang, and give a wrap-up.
    pub owed: u32,
}

/// The calls of one agent.
#[derive(Default)]
struct Of {
    /// In the order in which he answered, with whether the caller is on hold.
    talks: Vec<(CallId, bool)>,
    own: BTreeMap<CallId, Own>,
    /// The queue of the last talk, when it ended while his phone rang and gives a wrap-up.
    owed: Option<QueueName>,
    /// A phone of his is registered.
    has_phone: bool,
    /// What he shall be next, as the journal says.
    next: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Own {
    Rings,
    Talks,
    Held,
}

/// Whose calls an input is about.
pub fn agent_of(input: &Input) -> Option<&AgentId> {
    match input {
        Input::Reachable { agent, .. }
        | Input::PhoneLost { agent }
        | Input::Hold { agent, .. }
        | Input::TalkEnded { agent, .. }
        | Input::OwnCall { agent, .. }
        | Input::OwnCallEnded { agent, .. } => Some(agent),
        _ => None,
    }
}

impl Calls {
    /// What the journal does not tell.
    pub fn hear(&mut self, agent: &AgentId, input: &Input) {
        let of = self.of.entry(agent.clone()).or_default();
        match input {
            Input::Reachable { reachable, .. } => of.has_phone = *reachable,
            Input::PhoneLost { .. } => of.has_phone = false,
            Input::Hold { call, on, .. } => {
                if let Some(talk) = of.talks.iter_mut().find(|(talk, _)| talk == call) {
                    talk.1 = *on;
                } else if let Some(own) = of.own.get_mut(call) {
                    *own = if *on { Own::Held } else { Own::Talks };
                }
            }
            Input::OwnCall { call, rings, .. } => match of.own.get_mut(call) {
                Some(own) if *own == Own::Rings && !rings => *own = Own::Talks,
                Some(_) => {}
                None => _ = of.own.insert(*call, if *rings { Own::Rings } else { Own::Talks }),
            },
            Input::OwnCallEnded { call, .. } | Input::TalkEnded { call, .. } => _ = of.own.remove(call),
            _ => {}
        }
    }

    /// He talks in this call already.
    pub fn has_part(&self, agent: &AgentId, call: CallId) -> bool {
        let is_in = |of: &Of| of.talks.iter().any(|(talk, _)| *talk == call) || of.own.contains_key(&call);
        self.of.get(agent).is_some_and(is_in)
    }

    pub fn talk(&mut self, agent: &AgentId, call: CallId) {
        let of = self.of.entry(agent.clone()).or_default();
        assert!(of.talks.iter().all(|(talk, _)| *talk != call), "{agent} talks twice in {call}");
        self.beside += u32::from(!of.talks.is_empty() || !of.own.is_empty());
        of.talks.push((call, false));
    }

    pub fn talk_ended(&mut self, agent: &AgentId, call: CallId, queue: &QueueName, is_owed: bool) {
        let of = self.of.get_mut(agent).unwrap();
        let at = of.talks.iter().position(|(talk, _)| *talk == call).expect("a talk ends that never began");
        of.talks.remove(at);
        of.owed = (of.talks.is_empty() && is_owed).then(|| queue.clone());
        self.owed += u32::from(of.owed.is_some());
    }

    /// The journal's words on an agent.
    pub fn shown(&mut self, agent: &AgentId, state: AgentStateName, next: Option<&str>, call: Option<CallId>) {
        let of = self.of.entry(agent.clone()).or_default();
        of.next = next.map(str::to_owned);
        match (state, of.talks.last()) {
            (AgentStateName::Busy | AgentStateName::Hold, Some((last, _))) => {
                assert_eq!(call, Some(*last), "{agent}: the call answered last is the present one");
            }
            (AgentStateName::WrapUp, talk) => assert_eq!(talk, None, "{agent} wraps up while he talks"),
            _ => {}
        }
    }

    /// The talk that an agent answered last.
    pub fn present(&self, agent: &AgentId) -> Option<CallId> {
        Some(self.of.get(agent)?.talks.last()?.0)
    }

    /// How many calls he has.
    pub fn load(&self, agent: &AgentId) -> usize {
        self.of.get(agent).map_or(0, |of| of.talks.len() + of.own.len())
    }

    /// All talks.
    pub fn talks(&self) -> Vec<(AgentId, CallId)> {
        let talks =
            |(agent, of): (&AgentId, &Of)| of.talks.iter().map(|(call, _)| (agent.clone(), *call)).collect::<Vec<_>>();
        self.of.iter().flat_map(talks).collect()
    }

    fn rings(&self, agent: &AgentId) -> bool {
        self.of.get(agent).is_some_and(|of| of.own.values().any(|own| *own == Own::Rings))
    }
}

impl Model {
    /// A talk of this queue ended, or the wrap-up after it begins: by the rules of then.
    pub fn talked(&mut self, now: Instant, agent: &AgentId, queue: &QueueName) {
        let config = self.config_before.as_ref().unwrap_or(&self.config);
        match config.queues.get(queue) {
            Some(queue) => _ = self.last_talks.insert(agent.clone(), (queue.clone(), now)),
            None => _ = self.last_talks.remove(agent),
        }
    }

    /// A talk of this queue gives a wrap-up without being asked.
    pub fn has_wrap_up(&self, queue: &QueueName) -> bool {
        let mode = self.config.queues.get(queue).map(|queue| queue.wrap_up_mode);
        matches!(mode, Some(WrapUpMode::Timed | WrapUpMode::Discretionary))
    }

    /// A wrap-up that waited for the end of this ring begins.
    pub fn rings_no_more(&mut self, now: Instant, agent: &AgentId, result: OfferResult) {
        let owed = self.calls.of.get_mut(agent).and_then(|of| of.owed.take());
        if let Some(queue) = owed.filter(|_| result != OfferResult::Accepted) {
            self.talked(now, agent, &queue);
        }
    }

    /// He talks, and may be offered one more caller.
    pub fn may_have_more(&self, agent: &AgentConfig, is_sure: bool) -> bool {
        let id = &agent.id;
        let Some(of) = self.calls.of.get(id) else { return false };
        let is_rung = self.rings.values().any(|(rung, _)| rung == id) || self.calls.rings(id);
        let takes = |seen: &BTreeMap<AgentId, Seen>| seen.get(id).is_some_and(|seen| seen.takes_callers);
        !is_rung
            && self.calls.load(id) < usize::from(agent.capacity)
            && matches!(of.next.as_deref(), None | Some("ready"))
            && (of.has_phone || agent.contact.is_some())
            && takes(&self.seen)
            && (!is_sure || takes(&self.seen_before))
    }

    /// An offer to an agent is his only one, and he has fewer calls than he may have.
    pub fn has_room(&self, agent: &AgentId) {
        assert!(self.rings.values().all(|(a, _)| a != agent), "one offer for each agent");
        assert!(!self.calls.rings(agent), "{agent} is rung in a call of his own");
        assert!(self.calls.load(agent) < usize::from(self.config.agents[agent].capacity), "{agent} has no room");
    }

    /// Every agent is as busy as the calls he has.
    pub fn calls_are_right(&mut self, floor: &Floor) {
        use AgentStateName::{Busy, Hold, Offline};
        self.calls.of.retain(|id, _| floor.agent(id).is_some());
        for view in floor.agents() {
            let id = &view.id;
            assert_eq!(usize::from(view.calls), self.calls.load(id), "{id}");
            let is_engaged = self.calls.load(id) > 0;
            assert!(view.state == Offline || is_engaged == matches!(view.state, Busy | Hold), "{id} {:?}", view.state);
            let Some(of) = self.calls.of.get(id).filter(|_| is_engaged) else { continue };
            let is_held = match of.talks.is_empty() {
                true => of.own.values().all(|own| *own == Own::Held),
                false => of.talks.iter().all(|(_, is_held)| *is_held),
            };
            assert!(view.state == Offline || is_held == (view.state == Hold), "{id} {:?}", view.state);
            let rings = self.rings.values().any(|(rung, _)| rung == id) || self.calls.rings(id);
            assert_eq!(view.is_rung, rings, "{id}");
        }
    }
}
