//! Folds journal entries into the present: agents, queues and calls as they are now.
//!
//! The API, the metrics and the screens show this; the simulation compares it with the engine's own state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::id::{AgentId, CallId, LegId, QueueName, RecordingId};
use crate::journal::{
    About, AgentStateName, Entry, Kind, LegRole, Origin, Purpose, QueueOutcome, SHIFT_GAP, StateCause,
};

/// The present, as far as the journal tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Live {
    seq: u64,
    at: Wall,
    agents: BTreeMap<AgentId, Agent>,
    queues: BTreeMap<QueueName, Vec<Waiting>>,
    calls: BTreeMap<CallId, Call>,
    /// Who is to be called back, with his queue.
    #[serde(default)]
    callbacks: BTreeMap<CallId, QueueName>,
    /// Messages in boxes, with the queue, and whether somebody has heard them.
    #[serde(default)]
    voicemails: BTreeMap<RecordingId, (QueueName, bool)>,
}

/// One agent, or a supervisor with a phone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// His state; offline until the journal says otherwise.
    pub state: AgentStateName,
    /// Since when.
    pub since: Wall,
    /// The pause code when paused.
    pub code: Option<String>,
    /// What will follow the present state.
    pub next: Option<String>,
    /// The call he is busy with.
    pub call: Option<CallId>,
    /// When the state ends by itself: a wrap-up, a pause that may not last longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Wall>,
    /// Whether a phone of his is registered. A phone with a fixed contact never registers.
    pub registered: bool,
    /// What he did in his shift; a restart does not end it.
    #[serde(default)]
    pub shift: Shift,
}

/// What an agent did since his shift began: when he came after [`SHIFT_GAP`] or more offline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// Callers answered.
    pub calls: u64,
    /// Time talked with them, hold included, in ms.
    pub talk_ms: u64,
    /// Rings that failed, by how: `no_answer`, `rejected`, `busy`, `unreachable`, `timeout`.
    pub missed: BTreeMap<String, u32>,
    /// Since when he is offline; none while he is not.
    pub offline_since: Option<Wall>,
    /// He was logged out, by somebody or by a rule: a phone alone does not bring him back.
    pub logged_out: bool,
    /// The code of the pause he is in, also while he is unreachable.
    pub paused: Option<String>,
    /// Since when he is in it.
    pub paused_since: Wall,
    /// The queue of his last talk.
    pub queue: Option<QueueName>,
}

impl Shift {
    /// He is in another state, or another pause.
    fn turn(&mut self, at: Wall, state: AgentStateName, code: Option<&String>, cause: StateCause) {
        if state == AgentStateName::Offline {
            self.offline_since = self.offline_since.or(Some(at));
            self.logged_out = match cause {
                StateCause::Agent | StateCause::Supervisor | StateCause::Rna | StateCause::MaxPause => true,
                // Only who was logged out before is restored so.
                StateCause::Restored => true,
                StateCause::Call | StateCause::Timer | StateCause::Registration | StateCause::Config => false,
            };
            self.paused = None;
            return;
        }
        if self.offline_since.take().is_some_and(|since| at.since(since) >= SHIFT_GAP) {
            *self = Self::default();
        }
        self.logged_out = false;
        match state {
            AgentStateName::Paused if self.paused.as_ref() != code => {
                self.paused = code.cloned();
                self.paused_since = at;
            }
            // The pause below is there again with the phone, or after the call.
            AgentStateName::Paused | AgentStateName::Unreachable | AgentStateName::Busy | AgentStateName::Hold => {}
            AgentStateName::Ready | AgentStateName::Ringing | AgentStateName::WrapUp | AgentStateName::Offline => {
                self.paused = None;
            }
        }
    }
}

/// One caller in a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// Which call.
    pub call: CallId,
    /// Since when he waits.
    pub entered_at: Wall,
    /// His priority, in minutes of waiting.
    pub priority: u32,
    /// The place at entry, 1 = next.
    pub position_at_entry: u32,
    /// Nobody is on the line: the place is kept for who is called back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub callback: bool,
    /// The agent whose phone rings for him; of several the first.
    pub ringing: Option<AgentId>,
    /// The others whose phones ring for him.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_ringing: Vec<AgentId>,
}

/// One call that is up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Who calls.
    pub from: String,
    /// What was dialled.
    pub to: String,
    /// By what right.
    pub origin: Origin,
    /// What kind of call.
    pub purpose: Purpose,
    /// The caller's language.
    pub language: String,
    /// The INVITE.
    pub started_at: Wall,
    /// Our 200 OK.
    pub answered_at: Option<Wall>,
    /// What it is doing now.
    pub phase: Phase,
    /// Since when.
    pub phase_since: Wall,
    /// Whether a recording of it is being written.
    pub recording: bool,
    /// Who else is in the talk: a conference.
    #[serde(default)]
    pub parties: Vec<Party>,
    /// Whose phones are silent while the other side speaks.
    #[serde(default)]
    pub one_way: Vec<LegRole>,
    /// Whose page is gone: his place is kept until he is back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<AgentId>,
}

/// Somebody who was brought into a talk.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Party {
    /// His leg, by which he can be taken out.
    pub leg: LegId,
    /// Who: `agent:ID`, an address or a trunk.
    pub party: String,
}

/// What a call is doing.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Not answered yet.
    Started,
    /// Up, and neither served by a flow nor waiting nor talking: a test call, or between two phases.
    Answered,
    /// Served by a flow.
    Flow {
        /// The flow.
        flow: String,
        /// The node; none before the first.
        node: Option<String>,
    },
    /// In a queue.
    Waiting {
        /// Which.
        queue: QueueName,
    },
    /// With an agent.
    Talking {
        /// Who.
        agent: AgentId,
        /// Whether the caller is on hold.
        on_hold: bool,
    },
    /// Being connected to an address.
    Dialing {
        /// Which.
        target: String,
    },
    /// Talking with an address.
    Bridged {
        /// Which.
        target: String,
    },
}

impl Live {
    /// Takes the next entry.
    pub fn handle(&mut self, entry: &Entry) {
        self.seq = entry.seq;
        self.at = entry.at;
        match &entry.kind {
            Kind::CallbackBooked { booking } => {
                self.callbacks.insert(booking.callback, booking.queue.clone());
            }
            Kind::CallbackEnded { callback, .. } => _ = self.callbacks.remove(callback),
            Kind::VoicemailLeft { queue, recording, .. } => {
                self.voicemails.insert(*recording, (queue.clone(), false));
            }
            Kind::VoicemailHeard { recording, .. } => {
                if let Some((_, is_heard)) = self.voicemails.get_mut(recording) {
                    *is_heard = true;
                }
            }
            Kind::VoicemailDeleted { recording, .. } => _ = self.voicemails.remove(recording),
            _ => {}
        }
        match &entry.about {
            About::Call(call) => self.handle_call(*call, entry.at, &entry.kind),
            About::Agent(agent) => self.handle_agent(agent, entry.at, &entry.kind),
            About::Node => {
                if matches!(entry.kind, Kind::NodeStarted { .. }) {
                    // Neither registrations nor states outlive the process: a new floor begins with everybody
                    // offline and tells every change from there.
                    for agent in self.agents.values_mut() {
                        let offline_since = Some(agent.shift.offline_since.unwrap_or(entry.at));
                        let shift = Shift { offline_since, ..std::mem::take(&mut agent.shift) };
                        *agent = Agent { shift, ..Agent::new(entry.at) };
                    }
                    // Places without a call are taken anew.
                    self.queues.values_mut().for_each(|waiting| waiting.retain(|waiting| !waiting.callback));
                }
            }
        }
    }

    /// The last entry taken; 0 before the first.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The time of the last entry taken.
    pub fn at(&self) -> Wall {
        self.at
    }

    /// Agents and supervisors the journal knows of.
    pub fn agents(&self) -> &BTreeMap<AgentId, Agent> {
        &self.agents
    }

    /// Calls that are up.
    pub fn calls(&self) -> &BTreeMap<CallId, Call> {
        &self.calls
    }

    /// Queues that ever had a caller, each with those who wait, next first: place = index + 1.
    pub fn queues(&self) -> &BTreeMap<QueueName, Vec<Waiting>> {
        &self.queues
    }

    /// Those who wait on the line in one queue, next first.
    pub fn on_the_line(&self, queue: &str) -> impl Iterator<Item = &Waiting> {
        self.waiting(queue).iter().filter(|waiting| !waiting.callback)
    }

    /// How many are to be called back for a queue.
    pub fn callbacks(&self, queue: &str) -> usize {
        self.callbacks.values().filter(|name| name.as_str() == queue).count()
    }

    /// Messages in the boxes, by queue: how many nobody has heard, and how many somebody has.
    pub fn voicemails(&self) -> BTreeMap<&QueueName, [usize; 2]> {
        let mut counts: BTreeMap<&QueueName, [usize; 2]> = BTreeMap::new();
        for (queue, is_heard) in self.voicemails.values() {
            let [new, heard] = counts.entry(queue).or_default();
            *(if *is_heard { heard } else { new }) += 1;
        }
        counts
    }

    /// Those who wait in one queue, next first, places of those who are called back included.
    pub fn waiting(&self, queue: &str) -> &[Waiting] {
        self.queues.get(queue).map(Vec::as_slice).unwrap_or_default()
    }

    fn handle_agent(&mut self, agent: &AgentId, at: Wall, kind: &Kind) {
        let agent = self.agents.entry(agent.clone()).or_insert_with(|| Agent::new(at));
        match kind {
            Kind::Registered { .. } => agent.registered = true,
            Kind::Unregistered { .. } => agent.registered = false,
            Kind::AgentState { state, code, next, call, left_ms, cause } => {
                agent.shift.turn(at, *state, code.as_ref(), *cause);
                // The same state with another intention goes on; another pause reason begins anew.
                if (agent.state, &agent.code) != (*state, code) {
                    agent.since = at;
                }
                agent.state = *state;
                agent.code.clone_from(code);
                agent.next.clone_from(next);
                agent.call = *call;
                agent.until = left_ms.map(|left| later(at, left));
            }
            _ => {}
        }
    }

    fn handle_call(&mut self, id: CallId, at: Wall, kind: &Kind) {
        if let Kind::CallStarted { from, to, origin, purpose, language, .. } = kind {
            let call = Call {
                from: from.clone(),
                to: to.clone(),
                origin: origin.clone(),
                purpose: *purpose,
                language: language.clone(),
                started_at: at,
                answered_at: None,
                phase: Phase::Started,
                phase_since: at,
                recording: false,
                one_way: Vec::new(),
                away: None,
                parties: Vec::new(),
            };
            self.calls.insert(id, call);
            return;
        }
        match kind {
            Kind::Queued { queue, position, priority, callback, .. } => {
                let waiting = Waiting {
                    call: id,
                    entered_at: at,
                    priority: *priority,
                    position_at_entry: *position,
                    callback: *callback,
                    ringing: None,
                    also_ringing: Vec::new(),
                };
                put(self.queues.entry(queue.clone()).or_default(), *position, waiting);
            }
            // Who was called back is on the line.
            Kind::CallAnswered if self.calls.get(&id).is_some_and(|call| call.purpose == Purpose::Callback) => {
                let all = self.queues.values_mut().flatten();
                all.filter(|waiting| waiting.call == id).for_each(|waiting| waiting.callback = false);
            }
            Kind::Moved { queue, position } => {
                let Some(waiting) = self.queues.get_mut(queue) else { return };
                if let Some(at) = waiting.iter().position(|waiting| waiting.call == id) {
                    let moved = waiting.remove(at);
                    put(waiting, *position, moved);
                }
            }
            Kind::Offered { agent, queue, .. } => {
                if let Some(waiting) = self.waiting_mut(id, queue) {
                    waiting.rings(agent);
                }
            }
            Kind::OfferEnded { agent, queue, .. } => {
                if let Some(waiting) = self.waiting_mut(id, queue) {
                    waiting.rings_no_more(agent);
                }
            }
            Kind::QueueLeft { queue, .. } | Kind::Connected { queue, .. } => {
                if let Some(waiting) = self.queues.get_mut(queue) {
                    waiting.retain(|waiting| waiting.call != id);
                }
            }
            Kind::CallEnded { .. } => {
                self.calls.remove(&id);
                self.queues.values_mut().for_each(|waiting| waiting.retain(|waiting| waiting.call != id));
            }
            _ => {}
        }
        self.count_for_agent(at, kind);
        if let Some(call) = self.calls.get_mut(&id) {
            call.handle(at, kind);
        }
    }

    /// What a call is for its agent's shift.
    fn count_for_agent(&mut self, at: Wall, kind: &Kind) {
        let mut shift = |agent: &AgentId, count: &dyn Fn(&mut Shift)| {
            count(&mut self.agents.entry(agent.clone()).or_insert_with(|| Agent::new(at)).shift);
        };
        match kind {
            Kind::Connected { agent, queue, .. } => shift(agent, &|shift| {
                shift.calls += 1;
                shift.queue = Some(queue.clone());
            }),
            Kind::TalkEnded { agent, queue: Some(queue), talk_ms, .. } => shift(agent, &|shift| {
                shift.talk_ms = shift.talk_ms.saturating_add(*talk_ms);
                // Of several talks that of the last to end gives the wrap-up.
                shift.queue = Some(queue.clone());
            }),
            Kind::OfferEnded { agent, result, .. } if result.failure().is_some() => shift(agent, &|shift| {
                *shift.missed.entry(result.as_str().to_owned()).or_default() += 1;
            }),
            _ => {}
        }
    }

    fn waiting_mut(&mut self, call: CallId, queue: &QueueName) -> Option<&mut Waiting> {
        self.queues.get_mut(queue)?.iter_mut().find(|waiting| waiting.call == call)
    }
}

impl Waiting {
    fn rings(&mut self, agent: &AgentId) {
        match &self.ringing {
            None => self.ringing = Some(agent.clone()),
            Some(_) => self.also_ringing.push(agent.clone()),
        }
    }

    fn rings_no_more(&mut self, agent: &AgentId) {
        self.also_ringing.retain(|other| other != agent);
        if self.ringing.as_ref() == Some(agent) {
            self.ringing = (!self.also_ringing.is_empty()).then(|| self.also_ringing.remove(0));
        }
    }
}

/// Puts a caller at his place, 1 = next; at the end when there are not that many.
fn put(queue: &mut Vec<Waiting>, position: u32, waiting: Waiting) {
    let at = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1);
    queue.insert(at.min(queue.len()), waiting);
}

/// `at` and so many milliseconds.
fn later(at: Wall, ms: u64) -> Wall {
    Wall(at.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000)))
}

impl Agent {
    /// Nobody has told of him yet.
    fn new(at: Wall) -> Self {
        let state = AgentStateName::Offline;
        let shift = Shift::default();
        Self { state, since: at, code: None, next: None, call: None, until: None, registered: false, shift }
    }
}

impl Call {
    fn handle(&mut self, at: Wall, kind: &Kind) {
        let phase = match kind {
            Kind::CallAnswered => {
                self.answered_at = Some(at);
                if self.phase != Phase::Started {
                    return;
                }
                Phase::Answered
            }
            Kind::Language { language } => return self.language.clone_from(language),
            Kind::RecordingStarted { .. } => return self.recording = true,
            Kind::RecordingEnded { .. } => return self.recording = false,
            Kind::PartyJoined { leg, party } => {
                return self.parties.push(Party { leg: *leg, party: party.clone() });
            }
            Kind::PartyLeft { leg } => return self.parties.retain(|party| party.leg != *leg),
            Kind::OneWay { leg, on } => {
                self.one_way.retain(|known| known != leg);
                return self.one_way.extend(on.then_some(*leg));
            }
            Kind::PageLost { user, .. } => return self.away = Some(user.clone()),
            Kind::Rejoined { .. } | Kind::RejoinFailed { .. } => return self.away = None,
            Kind::LegQuality { leg, .. } => return self.one_way.retain(|known| known != leg),
            Kind::FlowEntered { flow, .. } => Phase::Flow { flow: flow.clone(), node: None },
            Kind::NodeVisited { flow, node } => Phase::Flow { flow: flow.clone(), node: Some(node.clone()) },
            Kind::FlowLeft { .. } if matches!(self.phase, Phase::Flow { .. }) => Phase::Answered,
            Kind::Queued { queue, .. } => Phase::Waiting { queue: queue.clone() },
            // Answered by an agent: what follows is the talk.
            Kind::QueueLeft { outcome, .. }
                if *outcome != QueueOutcome::Answered && matches!(self.phase, Phase::Waiting { .. }) =>
            {
                Phase::Answered
            }
            Kind::Connected { agent, .. } => Phase::Talking { agent: agent.clone(), on_hold: false },
            Kind::Held { agent, on } => Phase::Talking { agent: agent.clone(), on_hold: *on },
            Kind::TalkEnded { .. } if matches!(self.phase, Phase::Talking { .. }) => Phase::Answered,
            Kind::Dialed { target } => Phase::Dialing { target: target.clone() },
            Kind::Bridged { target } => Phase::Bridged { target: target.clone() },
            Kind::DialFailed { .. } => Phase::Answered,
            Kind::TransferFailed { by, returned: true, .. } => Phase::Talking { agent: by.clone(), on_hold: false },
            _ => return,
        };
        if phase != self.phase {
            if !matches!(phase, Phase::Talking { .. } | Phase::Bridged { .. }) {
                // The talk that waited for him is over.
                self.away = None;
            }
            self.phase = phase;
            self.phase_since = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::*;

    fn folded(entries: &[Entry]) -> Live {
        let mut live = Live::default();
        entries.iter().for_each(|entry| live.handle(entry));
        live
    }

    #[test]
    fn a_call_is_shown_in_each_phase_and_gone_at_its_end() {
        let entries = queue_call(1, 1);
        let mut live = Live::default();
        let mut phases = Vec::new();
        for entry in &entries {
            live.handle(entry);
            if let Some(call) = live.calls().get(&call(1)) {
                phases.push(call.phase.clone());
            }
        }
        phases.dedup();
        let flow = |node: Option<&str>| Phase::Flow { flow: "main".into(), node: node.map(str::to_owned) };
        let talking = |on_hold| Phase::Talking { agent: "101".into(), on_hold };
        let want = [
            Phase::Started,
            Phase::Answered,
            flow(None),
            flow(Some("topic")),
            Phase::Answered,
            Phase::Waiting { queue: "support".into() },
            talking(false),
            talking(true),
            talking(false),
            Phase::Answered,
        ];
        assert_eq!(phases, want);
        assert!(live.calls().is_empty() && live.waiting("support").is_empty());
        assert_eq!(live.agents().get("101").map(|agent| agent.state), Some(AgentStateName::Ready));
    }

    #[test]
    fn who_is_away_is_shown_until_he_is_back_or_the_talk_is_over() {
        let about = About::Call(call(1));
        let gone = Kind::PageLost { user: "101".into(), leg: LegRole::Agent };
        let back = Kind::Rejoined { user: "101".into(), leg: LegRole::Agent, anew: true };
        let ended = Kind::TalkEnded { agent: "101".into(), queue: None, talk_ms: 9, hold_ms: 0 };
        for end in [back, ended] {
            let mut live = Live::default();
            for entry in queue_call(1, 1) {
                let connected = matches!(entry.kind, Kind::Connected { .. });
                live.handle(&entry);
                if connected {
                    break;
                }
            }
            live.handle(&entry(90, 60, about.clone(), gone.clone()));
            assert_eq!(live.calls()[&call(1)].away, Some("101".into()));
            live.handle(&entry(91, 61, about.clone(), end));
            assert_eq!(live.calls()[&call(1)].away, None);
        }
    }

    /// Of talks that overlap the last to end gives the wrap-up, which a restart goes on with.
    #[test]
    fn the_queue_of_a_wrap_up_is_that_of_the_last_talk_to_end() {
        let connected =
            |queue: &str| Kind::Connected { agent: "101".into(), queue: queue.into(), wait_ms: 0, service_level_ms: 0 };
        let ended =
            |queue: &str| Kind::TalkEnded { agent: "101".into(), queue: Some(queue.into()), talk_ms: 9, hold_ms: 0 };
        let (one, two) = (About::Call(call(1)), About::Call(call(2)));
        let live = folded(&[
            entry(1, 0, one.clone(), connected("support")),
            entry(2, 1, two.clone(), connected("sales")),
            entry(3, 2, two, ended("sales")),
            entry(4, 3, one, ended("support")),
        ]);
        let shift = &live.agents()["101"].shift;
        assert_eq!((shift.queue.clone(), shift.calls, shift.talk_ms), (Some("support".into()), 2, 18));
    }

    /// A minute of priority counts as a minute of waiting.
    #[test]
    fn who_waits_is_shown_in_the_order_of_service() {
        let queued = |seq, number, seconds, position| {
            let (queue, skills) = ("support".into(), Vec::new());
            entry(
                seq,
                seconds,
                About::Call(call(number)),
                Kind::Queued {
                    queue,
                    position,
                    skills,
                    priority: 0,
                    segment: None,
                    transferred: false,
                    resumed: false,
                    callback: false,
                },
            )
        };
        let mut live = folded(&[queued(1, 1, 0, 1), queued(2, 2, 10, 2), queued(3, 3, 59, 1)]);
        let order = |live: &Live| live.waiting("support").iter().map(|w| w.call).collect::<Vec<_>>();
        assert_eq!(order(&live), [call(3), call(1), call(2)]);
        live.handle(&entry(4, 60, About::Call(call(1)), ended(crate::journal::EndReason::Abandoned)));
        assert_eq!(order(&live), [call(3), call(2)]);
    }

    /// The floor of a new process knows nobody yet; it journals every change from offline.
    #[test]
    fn neither_registrations_nor_states_outlive_the_process() {
        let agent = About::Agent("101".into());
        let mut live = folded(&[
            entry(1, 0, agent.clone(), Kind::Registered { transport: "udp".into(), binding: None }),
            entry(2, 1, agent, state(AgentStateName::Paused, Some("BREAK"))),
        ]);
        assert!(live.agents()["101"].registered);
        live.handle(&entry(3, 9, About::Node, Kind::NodeStarted { version: "1".into() }));
        let shown = &live.agents()["101"];
        assert_eq!((shown.registered, shown.state, shown.code.as_deref()), (false, AgentStateName::Offline, None));
    }

    #[test]
    fn live_state_survives_being_written_and_read() {
        let entries = queue_call(1, 1);
        for cut in 0..entries.len() {
            let live = folded(&entries[..cut]);
            let text = serde_json::to_string(&live).unwrap();
            assert_eq!(serde_json::from_str::<Live>(&text).unwrap(), live);
        }
    }

    /// Figures of the shift and the pause below are kept over a restart; a night offline ends the shift.
    #[test]
    fn a_shift_outlives_the_process_but_not_a_night() {
        let agent = || About::Agent("101".into());
        let mut live = folded(&queue_call(1, 1));
        let shift = live.agents()["101"].shift.clone();
        assert_eq!((shift.calls, shift.talk_ms > 0, shift.queue), (1, true, Some("support".into())));
        let missed: Vec<_> = live.agents().values().filter_map(|a| a.shift.missed.get("no_answer")).collect();
        assert_eq!(missed, [&1]);
        live.handle(&entry(50, 100, agent(), state(AgentStateName::Paused, Some("LUNCH"))));
        live.handle(&entry(51, 110, agent(), state(AgentStateName::Unreachable, Some("LAGGED"))));
        live.handle(&entry(52, 120, About::Node, Kind::NodeStarted { version: "1".into() }));
        let kept = &live.agents()["101"].shift;
        assert_eq!((kept.calls, kept.paused.as_deref()), (1, Some("LUNCH")));
        live.handle(&entry(53, 120 + 4 * 3_600 - 1, agent(), state(AgentStateName::Ready, None)));
        assert_eq!(live.agents()["101"].shift.calls, 1);
        live.handle(&entry(54, 200_000, agent(), state(AgentStateName::Offline, None)));
        live.handle(&entry(55, 200_000 + 4 * 3_600, agent(), state(AgentStateName::Ready, None)));
        assert_eq!(live.agents()["101"].shift, Shift::default());
    }
}
