//! Folds journal entries into call records.
//!
//! A record is given out when its call ends and again, with a higher revision, for everything that comes later:
//! the end of its recording, its agents' wrap-up, media figures. A call is kept for that until nothing more can
//! come, but never longer than an hour.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::record::*;
use super::word;
use crate::clock::Wall;
use crate::id::{AgentId, CallId, QueueName, RecordingId};
use crate::journal::{
    About, AgentStateName, Entry, Kind, OfferResult, Origin, Purpose, QueueOutcome, SupervisionMode, Whom, Why,
};

/// How long a closed call waits for late entries when none is known to be due.
const LINGER_US: i64 = 10_000_000;
/// How long a closed call waits for a recording or a wrap-up that never ends.
const PENDING_MAX_US: i64 = 3_600_000_000;
/// Closed calls kept at most; beyond, the one due first is let go.
const CLOSED_MAX: usize = 20_000;

/// Open calls and those closed a moment ago.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fold {
    /// Time by the journal: the latest entry's.
    now: Wall,
    calls: BTreeMap<CallId, Tracked>,
    agents: BTreeMap<AgentId, Served>,
    /// When to look at which closed call again.
    expiry: BTreeSet<(Wall, CallId)>,
    /// Places of who is called back and whose calls have not begun, as they were taken.
    #[serde(default)]
    kept: BTreeMap<CallId, (Wall, Kind)>,
}

/// A call and what its record does not show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tracked {
    record: CallRecord,
    /// Since when a flow serves the caller; none while he waits or talks.
    ivr_since: Option<Wall>,
    /// Journal time of the end.
    closed: Option<Wall>,
}

/// The call an agent serves or served last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Served {
    call: Option<CallId>,
    /// The call he finishes the work of, and since when.
    wrap_up: Option<(CallId, Wall)>,
}

/// A recording whose end is not in the journal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unfinished {
    /// Which recording.
    pub recording: RecordingId,
    /// Of which call.
    pub call: CallId,
    /// Its file, relative to the data folder.
    pub file: String,
}

impl Fold {
    /// Takes the next entry; gives the record of the ended call that it closed or changed.
    pub fn handle(&mut self, entry: &Entry) -> Option<&CallRecord> {
        let at = Wall(entry.at.0 - entry.at.0.rem_euclid(1_000));
        if matches!(entry.kind, Kind::NodeStarted { .. }) {
            self.restart(at);
            return None;
        }
        self.now = self.now.max(at);
        self.expire();
        let changed = match &entry.about {
            About::Call(call) => self.handle_call(*call, at, &entry.kind),
            About::Agent(agent) => self.handle_agent(agent, at, &entry.kind),
            About::Node => None,
        };
        let tracked = self.calls.get_mut(&changed?)?;
        tracked.closed?;
        tracked.record.revision += 1;
        Some(&tracked.record)
    }

    /// Calls that have not ended, oldest first.
    pub fn open(&self) -> impl Iterator<Item = &CallRecord> {
        self.calls.values().filter(|tracked| tracked.closed.is_none()).map(|tracked| &tracked.record)
    }

    /// Recordings whose end is not in the journal, in the order of their calls.
    pub fn unfinished_recordings(&self) -> impl Iterator<Item = Unfinished> {
        self.calls.values().flat_map(|tracked| {
            let record = &tracked.record;
            record.recordings.iter().filter(|recording| recording.seconds.is_none()).map(|recording| Unfinished {
                recording: recording.id,
                call: record.call_id,
                file: recording.file.clone(),
            })
        })
    }

    /// The record so far of a call that is open or closed a moment ago.
    pub fn record(&self, call: CallId) -> Option<&CallRecord> {
        self.calls.get(&call).map(|tracked| &tracked.record)
    }

    /// After a restart time may have jumped: whatever still waits for late entries gets its full time again.
    fn restart(&mut self, at: Wall) {
        self.now = at;
        // Places without a call are taken anew.
        self.kept.clear();
        let waiting = std::mem::take(&mut self.expiry);
        for (_, call) in waiting {
            if let Some(tracked) = self.calls.get_mut(&call) {
                tracked.closed = Some(at);
                self.expiry.insert((Wall(at.0.saturating_add(LINGER_US)), call));
            }
        }
    }

    fn expire(&mut self) {
        while let Some((due, call)) = self.expiry.first().copied() {
            let full = self.expiry.len() > CLOSED_MAX;
            if due > self.now && !full {
                break;
            }
            self.expiry.pop_first();
            let closed = self.calls.get(&call).and_then(|tracked| tracked.closed).unwrap_or_default();
            if !full && self.pending(call) && self.now.0.saturating_sub(closed.0) < PENDING_MAX_US {
                self.expiry.insert((Wall(self.now.0.saturating_add(LINGER_US)), call));
            } else {
                self.calls.remove(&call);
            }
        }
    }

    /// Whether an entry about this closed call is known to be due.
    fn pending(&self, call: CallId) -> bool {
        let Some(tracked) = self.calls.get(&call) else { return false };
        let wraps_up = |visit: &AgentVisit| {
            self.agents.get(&visit.agent).is_some_and(|served| served.wrap_up.is_some_and(|(of, _)| of == call))
        };
        // Journals of old know no sides and no filing.
        let unfiled = |recording: &Recording| recording.sha256.is_none() && !recording.legs.is_empty();
        tracked.record.recordings.iter().any(|recording| recording.seconds.is_none() || unfiled(recording))
            || tracked.record.agents.iter().any(wraps_up)
    }

    fn handle_agent(&mut self, agent: &AgentId, at: Wall, kind: &Kind) -> Option<CallId> {
        let Kind::AgentState { state, call, .. } = kind else {
            // Held and TalkEnded name the agent; whose call it is we know.
            let call = self.agents.get(agent)?.call?;
            return self.handle_call(call, at, kind);
        };
        let served = self.agents.entry(agent.clone()).or_default();
        match state {
            AgentStateName::Busy | AgentStateName::Hold => served.call = call.or(served.call),
            AgentStateName::WrapUp => {
                served.call = call.or(served.call);
                if served.wrap_up.is_none() {
                    served.wrap_up = served.call.map(|call| (call, at));
                }
                return None;
            }
            AgentStateName::Offline
            | AgentStateName::Ready
            | AgentStateName::Ringing
            | AgentStateName::Paused
            | AgentStateName::Unreachable => {}
        }
        let (call, since) = served.wrap_up.take()?;
        let record = &mut self.calls.get_mut(&call)?.record;
        let length = Seconds::between(since, at);
        let visit = record.agents.iter_mut().rev().find(|v| v.agent == *agent && v.answered_at.is_some())?;
        visit.wrap_up_seconds = Some(visit.wrap_up_seconds.unwrap_or_default().plus(length));
        step(record, at, format!("{agent} finished the wrap-up after {length}"));
        Some(call)
    }

    fn handle_call(&mut self, call: CallId, at: Wall, kind: &Kind) -> Option<CallId> {
        match kind {
            Kind::Queued { callback: true, .. } if !self.calls.contains_key(&call) => {
                self.kept.insert(call, (at, kind.clone()));
                return None;
            }
            Kind::QueueLeft { .. } if self.kept.remove(&call).is_some() => return None,
            Kind::CallStarted { from, to, origin, purpose, language, diverted_from, callback_of } => {
                let mut record = begin(call, at, from, to, origin, *purpose, language);
                if let Some(before) = diverted_from {
                    step(&mut record, at, format!("sent on by {before}"));
                    record.diverted_from = Some(before.clone());
                }
                record.callback_of = *callback_of;
                let mut tracked = Tracked { record, ivr_since: None, closed: None };
                if let Some((since, place)) = self.kept.remove(&call) {
                    tracked.handle(since, &place);
                    tracked.record.path.sort_by_key(|step| step.at);
                }
                self.calls.insert(call, tracked);
                return None;
            }
            Kind::Connected { agent, .. } => self.agents.entry(agent.clone()).or_default().call = Some(call),
            Kind::CallEnded { .. } => {
                let tracked = self.calls.get_mut(&call)?;
                tracked.closed.get_or_insert(self.now);
                self.expiry.insert((Wall(self.now.0.saturating_add(LINGER_US)), call));
            }
            _ => {}
        }
        let tracked = self.calls.get_mut(&call)?;
        tracked.handle(at, kind).then_some(call)
    }
}

/// The record of a call that has just begun.
fn begin(
    call: CallId,
    at: Wall,
    from: &str,
    to: &str,
    origin: &Origin,
    purpose: Purpose,
    language: &str,
) -> CallRecord {
    let direction = match (origin, purpose) {
        (Origin::User(_), Purpose::Dial) => Direction::Outbound,
        (Origin::User(_), _) => Direction::Internal,
        (Origin::System, _) => Direction::Outbound,
        (Origin::Trunk(_) | Origin::Stranger, _) => Direction::Inbound,
    };
    let by = match origin {
        Origin::Trunk(trunk) => format!("by trunk {trunk}"),
        Origin::User(user) => format!("by {user}"),
        Origin::Stranger => "by a stranger".to_owned(),
        Origin::System => "by the house itself".to_owned(),
    };
    let what = format!("call from {from} to {to} {by}: {}, language {language}", word(&purpose));
    CallRecord {
        call_id: call,
        revision: 0,
        tenant: "main".to_owned(),
        channel: "voice".to_owned(),
        direction,
        from: from.to_owned(),
        to: to.to_owned(),
        diverted_from: None,
        callback_of: None,
        callback: None,
        language: language.to_owned(),
        started_at: at,
        answered_at: None,
        ended_at: None,
        duration_seconds: None,
        origin: origin.clone(),
        purpose,
        ivr: None,
        queue_visits: Vec::new(),
        agents: Vec::new(),
        dial: Vec::new(),
        end: None,
        quality: LegQualities::default(),
        recordings: Vec::new(),
        survey: BTreeMap::new(),
        supervision: Vec::new(),
        parties: Vec::new(),
        transfers: Vec::new(),
        trouble: Vec::new(),
        path: vec![Step { at, what }],
    }
}

fn step(record: &mut CallRecord, at: Wall, what: impl Into<String>) {
    if record.path.len() < STEPS_MAX {
        record.path.push(Step { at, what: what.into() });
    } else if record.path.len() == STEPS_MAX {
        record.path.push(Step { at, what: "further steps are in the journal".to_owned() });
    }
}

/// The strategy of an offer with the figure that decided, e.g. `fewest_calls 3`, `least_talk 61.0 s`.
fn rule(why: &Why) -> String {
    let rule = &why.rule;
    match why.figure {
        Some(ms) if rule == "least_talk" => format!("{rule} {}", Seconds::from_ms(ms)),
        Some(figure) => format!("{rule} {figure}"),
        None => rule.clone(),
    }
}

/// Adds to a list that a long call cannot make endless.
fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() < STEPS_MAX {
        list.push(item);
    }
}

impl Tracked {
    /// Folds one entry about this call in; false when the record does not change.
    fn handle(&mut self, at: Wall, kind: &Kind) -> bool {
        match kind {
            Kind::CallAnswered => {
                self.record.answered_at = Some(at);
                step(&mut self.record, at, "answered");
            }
            Kind::Language { language } => {
                self.record.language.clone_from(language);
                step(&mut self.record, at, format!("language {language}"));
            }
            Kind::FlowEntered { .. } | Kind::NodeVisited { .. } | Kind::Input { .. } | Kind::FlowLeft { .. } => {
                self.handle_flow(at, kind)
            }
            Kind::Survey { survey, score, .. } => {
                self.record.survey.insert(survey.clone(), *score);
                step(&mut self.record, at, format!("survey {survey}: {score}"));
            }
            Kind::Queued { .. }
            | Kind::Moved { .. }
            | Kind::Escalated { .. }
            | Kind::Relaxed { .. }
            | Kind::Sticky { .. }
            | Kind::Announced { .. }
            | Kind::Reminded { .. }
            | Kind::Diverted { .. }
            | Kind::QueueLeft { .. } => {
                self.handle_queue(at, kind);
            }
            Kind::ServiceAsked { service, node, result, took_ms, .. } => {
                step(&mut self.record, at, format!("asked {service} at {node}: {result} after {took_ms} ms"));
            }
            Kind::Dispatched { service, result, took_ms, .. } => {
                step(
                    &mut self.record,
                    at,
                    format!("asked {service} who shall serve him: {} after {took_ms} ms", result.as_str()),
                );
            }
            Kind::VoicemailLeft { queue, length_ms, .. } => {
                let length = Seconds::from_ms(*length_ms);
                step(&mut self.record, at, format!("left a message of {length} in the box of {queue}"));
            }
            Kind::CallerRecorded { flow, node, recording, length_ms, survey } => {
                let length = Seconds::from_ms(*length_ms);
                if let Some(known) = known(&mut self.record, *recording) {
                    known.node = Some(format!("{flow}/{node}"));
                    known.survey.clone_from(survey);
                }
                step(&mut self.record, at, format!("said something of {length} at {flow}/{node}"));
            }
            Kind::VoicemailHeard { .. } | Kind::VoicemailDeleted { .. } => {}
            Kind::CallbackBooked { .. } | Kind::CallbackTried { .. } | Kind::CallbackEnded { .. } => {
                self.handle_callback(at, kind);
            }
            Kind::Offered { .. }
            | Kind::OfferEnded { .. }
            | Kind::Connected { .. }
            | Kind::Held { .. }
            | Kind::TalkEnded { .. } => self.handle_agent(at, kind),
            Kind::Dialed { .. } | Kind::Bridged { .. } | Kind::DialFailed { .. } => self.handle_dial(at, kind),
            Kind::RecordingStarted { .. } | Kind::RecordingEnded { .. } => self.handle_recording(at, kind),
            Kind::RecordingLeg { .. }
            | Kind::RecordingPaused { .. }
            | Kind::RecordingResumed { .. }
            | Kind::RecordingFiled { .. } => self.handle_recording(at, kind),
            Kind::SupervisionStarted { .. }
            | Kind::SupervisionChanged { .. }
            | Kind::SupervisionEnded { .. }
            | Kind::TakenOver { .. } => self.handle_supervision(at, kind),
            Kind::PartyCalled { .. } | Kind::PartyJoined { .. } | Kind::PartyFailed { .. } | Kind::PartyLeft { .. } => {
                self.handle_party(at, kind)
            }
            Kind::Transferred { .. } | Kind::TransferFailed { .. } => self.handle_transfer(at, kind),
            Kind::OneWay { leg, on } => {
                let what = if *on { "is silent though the other side speaks" } else { "is heard again" };
                step(&mut self.record, at, format!("the {}'s phone {what}", word(leg)));
            }
            Kind::PageLost { user, .. } => {
                step(&mut self.record, at, format!("the page of {user} is gone: his place is kept"));
            }
            Kind::Rejoined { user, anew, .. } => {
                let place = if *anew { "in a new place" } else { "at the page that was gone" };
                step(&mut self.record, at, format!("{user} is back {place}"));
            }
            Kind::RejoinFailed { user, sip_code, .. } => {
                step(&mut self.record, at, format!("{user} did not come back ({sip_code})"));
            }
            Kind::LegQuality { leg, quality } => *self.record.quality.of(*leg) = Some(quality.into()),
            Kind::FlowFailed { flow, node, detail, fallback, .. } => {
                let detail = format!("flow {flow} node {node}: {detail}");
                let then = fallback.as_ref().map_or("an apology".to_owned(), |queue| format!("queue {queue}"));
                step(&mut self.record, at, format!("the flow failed ({detail}), then {then}"));
                push(&mut self.record.trouble, Trouble { at, code: "flow_failed".to_owned(), detail });
            }
            Kind::Trouble { code, detail } => {
                push(&mut self.record.trouble, Trouble { at, code: code.clone(), detail: detail.clone() });
                step(&mut self.record, at, format!("trouble {code}: {detail}"));
            }
            Kind::HelpAsked { supervisor } => {
                let who = supervisor.as_ref().map_or("no supervisor is free".to_owned(), |id| format!("{id} is rung"));
                step(&mut self.record, at, format!("the agent asks for help: {who}"));
            }
            Kind::ReasonGiven { by, reason } => {
                step(&mut self.record, at, format!("{} says {reason}", word(by)));
            }
            Kind::CallEnded { by, reason, sip_code } => {
                self.end(at, End { by: *by, reason: *reason, sip_code: *sip_code })
            }
            Kind::NodeStarted { .. }
            | Kind::NodeStopped
            | Kind::ConfigEdited { .. }
            | Kind::CalendarSet { .. }
            | Kind::ConfigReloaded { .. }
            | Kind::CallStarted { .. }
            | Kind::Registered { .. }
            | Kind::Unregistered { .. }
            | Kind::ContactGone { .. }
            | Kind::LegUp { .. }
            | Kind::LegDown { .. }
            | Kind::AgentState { .. }
            | Kind::OffersMissed { .. }
            | Kind::PauseOver { .. }
            | Kind::AgentRepaired { .. } => return false,
        }
        true
    }

    fn handle_flow(&mut self, at: Wall, kind: &Kind) {
        let record = &mut self.record;
        match kind {
            Kind::FlowEntered { flow, version } => {
                self.ivr_since.get_or_insert(at);
                record.ivr.get_or_insert_with(|| Ivr {
                    flow: flow.clone(),
                    version: version.clone(),
                    path: Vec::new(),
                    duration_seconds: Seconds::default(),
                    outcome: None,
                    inputs: Vec::new(),
                });
                step(record, at, format!("flow {flow}"));
            }
            Kind::NodeVisited { flow, node } => {
                self.ivr_since.get_or_insert(at);
                // Who was transferred and is back in the flow no longer talks there.
                record.dial.iter_mut().for_each(|dial| dial.end_talk(at));
                let Some(ivr) = &mut record.ivr else { return };
                let node = full_name(ivr, flow, node);
                push(&mut ivr.path, node.clone());
                step(record, at, format!("node {node}"));
            }
            Kind::Input { flow, node, digits, result } => {
                let Some(ivr) = &mut record.ivr else { return };
                let node = full_name(ivr, flow, node);
                let input = IvrInput { at, node: node.clone(), digits: digits.clone(), result: *result };
                push(&mut ivr.inputs, input);
                let keys = if digits.is_empty() { "nothing" } else { digits };
                step(record, at, format!("keyed {keys} at {node}: {}", word(result)));
            }
            Kind::FlowLeft { flow, outcome } => {
                self.stop_ivr(at);
                if let Some(ivr) = &mut self.record.ivr {
                    ivr.outcome = Some(*outcome);
                }
                step(&mut self.record, at, format!("flow {flow} left: {}", word(outcome)));
            }
            _ => {}
        }
    }

    fn stop_ivr(&mut self, at: Wall) {
        if let (Some(since), Some(ivr)) = (self.ivr_since.take(), &mut self.record.ivr) {
            ivr.duration_seconds = ivr.duration_seconds.plus(Seconds::between(since, at));
        }
    }

    fn handle_queue(&mut self, at: Wall, kind: &Kind) {
        match kind {
            Kind::Queued { queue, position, skills, priority, transferred, resumed, callback, .. } => {
                self.stop_ivr(at);
                let visit = QueueVisit {
                    position_at_entry: *position,
                    priority: *priority,
                    skills: skills.clone(),
                    transferred: *transferred,
                    resumed: *resumed,
                    callback: *callback,
                    ..QueueVisit::begin(queue.clone(), at)
                };
                push(&mut self.record.queue_visits, visit);
                let again = match (*callback, *resumed) {
                    (true, _) => ", kept for who is called back",
                    (false, true) => ", back after he hung up",
                    (false, false) => "",
                };
                step(&mut self.record, at, format!("queue {queue}, place {position}{again}"));
            }
            Kind::Relaxed { skills, .. } => {
                let asks = if skills.is_empty() { "nothing".to_owned() } else { skills.join(", ") };
                step(&mut self.record, at, format!("after his wait he asks for {asks}"));
            }
            Kind::Escalated { step: name, .. } => {
                let name = name.as_deref().unwrap_or("none");
                step(&mut self.record, at, format!("step of the ladder: {name}"));
            }
            Kind::Sticky { whom, agent, .. } => {
                let text = match (whom, agent) {
                    (Some(Whom::LastAgent), Some(agent)) => format!("waits for his last agent {agent}"),
                    (Some(Whom::LastAgent), None) => "waits for his last agent".to_owned(),
                    (Some(Whom::Group), _) => "waits for the preferred group".to_owned(),
                    (Some(Whom::Dispatch), _) => "waits for what the dispatch service says".to_owned(),
                    (Some(Whom::Chosen), _) => "waits for whom the dispatch service named".to_owned(),
                    (None, _) => "waits for all".to_owned(),
                };
                step(&mut self.record, at, text);
            }
            Kind::Moved { position, .. } => step(&mut self.record, at, format!("moved to place {position}")),
            Kind::Announced { position, within_minutes } => {
                let wait = within_minutes.map(|minutes| format!(", within {minutes} min")).unwrap_or_default();
                step(&mut self.record, at, format!("told place {position}{wait}"));
            }
            Kind::Reminded { prompt } => step(&mut self.record, at, format!("heard {prompt}")),
            Kind::Diverted { to, rule, figure, limit, .. } => {
                let figures = figure.zip(*limit).map(|(is, most)| format!(" {is} of {most}")).unwrap_or_default();
                step(&mut self.record, at, format!("{rule}{figures}: {to}"));
            }
            Kind::QueueLeft { queue, outcome, wait_ms } => {
                let record = &mut self.record;
                let known = record.queue_visits.iter().any(|v| v.queue == *queue && v.outcome.is_none());
                if !known {
                    push(&mut record.queue_visits, QueueVisit::begin(queue.clone(), at));
                }
                let wait = Seconds::from_ms(*wait_ms);
                if let Some(visit) =
                    record.queue_visits.iter_mut().rev().find(|v| v.queue == *queue && v.outcome.is_none())
                {
                    visit.left_at = Some(at);
                    visit.wait_seconds = Some(wait);
                    visit.outcome = Some(*outcome);
                }
                if *outcome != QueueOutcome::Answered {
                    step(record, at, format!("left queue {queue} after {wait}: {}", word(outcome)));
                }
            }
            _ => {}
        }
    }

    fn handle_callback(&mut self, at: Wall, kind: &Kind) {
        let record = &mut self.record;
        match kind {
            Kind::CallbackBooked { booking } => {
                record.callback = Some(booking.callback);
                step(record, at, format!("a call back to {} for queue {} is booked", booking.number, booking.queue));
            }
            Kind::CallbackTried { tries, result, again_at, .. } => {
                let again = if again_at.is_some() { "it is tried again" } else { "it is given up" };
                step(record, at, format!("try {tries} to call back: {}; {again}", result.as_str()));
            }
            Kind::CallbackEnded { result, .. } => step(record, at, format!("called back: {}", result.as_str())),
            _ => {}
        }
    }

    fn handle_agent(&mut self, at: Wall, kind: &Kind) {
        match kind {
            Kind::Offered { offer, agent, queue, why } => {
                let visit = AgentVisit {
                    queue: Some(queue.clone()),
                    offer: Some(*offer),
                    offered_at: Some(at),
                    why: Some((**why).clone()),
                    ..AgentVisit::begin(agent.clone())
                };
                push(&mut self.record.agents, visit);
                let idle = Seconds::from_ms(why.idle_ms);
                let what = format!("rang {agent} ({}, idle {idle}, {} waiting)", rule(why), why.waiting);
                step(&mut self.record, at, what);
            }
            Kind::OfferEnded { offer, agent, result, ring_ms, sip_code, .. } => {
                let ring = Seconds::from_ms(*ring_ms);
                let visits = &mut self.record.agents;
                // An offer id may come again after a restart: the last one is meant.
                if let Some(visit) = visits.iter_mut().rev().find(|v| v.offer == Some(*offer)) {
                    visit.ring_seconds = Some(ring);
                    visit.result = Some(*result);
                    visit.sip_code = *sip_code;
                }
                if *result != OfferResult::Accepted {
                    let code = sip_code.map(|code| format!(" ({code})")).unwrap_or_default();
                    let what = format!("ring at {agent} ended after {ring}: {}{code}", word(result));
                    step(&mut self.record, at, what);
                }
            }
            Kind::Connected { agent, queue, wait_ms, service_level_ms } => {
                self.connected(at, agent, queue, Seconds::from_ms(*wait_ms), Seconds::from_ms(*service_level_ms))
            }
            Kind::Held { agent, on } => {
                if let Some(visit) = self.talk_of(agent).filter(|_| *on) {
                    visit.hold_count += 1;
                }
                let what = if *on { "put the caller on hold" } else { "took the caller back" };
                step(&mut self.record, at, format!("{agent} {what}"));
            }
            Kind::TalkEnded { agent, queue, talk_ms, hold_ms } => {
                if self.talk_of(agent).is_none() {
                    let began = Wall(at.0.saturating_sub(i64::try_from(*talk_ms).unwrap_or(0).saturating_mul(1_000)));
                    let visit = AgentVisit {
                        queue: queue.clone(),
                        answered_at: Some(began),
                        ..AgentVisit::begin(agent.clone())
                    };
                    push(&mut self.record.agents, visit);
                }
                let (talk, hold) = (Seconds::from_ms(*talk_ms), Seconds::from_ms(*hold_ms));
                if let Some(visit) = self.talk_of(agent) {
                    visit.talk_seconds = Some(talk);
                    visit.hold_seconds = hold;
                }
                step(&mut self.record, at, format!("talk with {agent} ended after {talk}, {hold} on hold"));
            }
            _ => {}
        }
    }

    fn connected(&mut self, at: Wall, agent: &AgentId, queue: &QueueName, wait: Seconds, target: Seconds) {
        self.stop_ivr(at);
        let record = &mut self.record;
        if !record.agents.iter().any(|v| v.agent == *agent && v.answered_at.is_none()) {
            push(&mut record.agents, AgentVisit::begin(agent.clone()));
        }
        if let Some(visit) = record.agents.iter_mut().rev().find(|v| v.agent == *agent && v.answered_at.is_none()) {
            visit.answered_at = Some(at);
            visit.queue = Some(queue.clone());
        }
        if let Some(visit) = record.queue_visits.iter_mut().rev().find(|v| v.queue == *queue) {
            visit.service_level_seconds = Some(target);
            visit.within_sl = Some(wait <= target);
            visit.wait_seconds = Some(wait);
        }
        step(record, at, format!("talks with {agent}, waited {wait}"));
    }

    fn talk_of(&mut self, agent: &AgentId) -> Option<&mut AgentVisit> {
        let open = |v: &&mut AgentVisit| v.agent == *agent && v.answered_at.is_some() && v.talk_seconds.is_none();
        self.record.agents.iter_mut().rev().find(open)
    }

    fn handle_dial(&mut self, at: Wall, kind: &Kind) {
        if let Kind::Dialed { target } = kind {
            self.stop_ivr(at);
            let dial =
                Dial { target: target.clone(), dialed_at: at, bridged_at: None, talk_seconds: None, sip_code: None };
            push(&mut self.record.dial, dial);
            return step(&mut self.record, at, format!("dialled {target}"));
        }
        let last = self.record.dial.last_mut();
        match kind {
            Kind::Bridged { target } => {
                if let Some(dial) = last {
                    dial.bridged_at.get_or_insert(at);
                }
                step(&mut self.record, at, format!("talks with {target}"));
            }
            Kind::DialFailed { target, sip_code } => {
                if let Some(dial) = last {
                    dial.sip_code = Some(*sip_code);
                }
                step(&mut self.record, at, format!("{target} failed ({sip_code})"));
            }
            _ => {}
        }
    }

    fn handle_transfer(&mut self, at: Wall, kind: &Kind) {
        let record = &mut self.record;
        let mut keep = |by: &AgentId, to: &String, attended: bool, sip_code: Option<u16>| {
            push(&mut record.transfers, Transfer { at, by: by.clone(), to: to.clone(), attended, sip_code });
        };
        match kind {
            Kind::Transferred { by, to, attended } => {
                keep(by, to, *attended, None);
                step(record, at, format!("{by} transferred the caller to {to}"));
            }
            Kind::TransferFailed { by, to, sip_code, returned } => {
                keep(by, to, false, Some(*sip_code));
                let back = if *returned { format!(": back to {by}") } else { String::new() };
                step(record, at, format!("the transfer by {by} to {to} failed ({sip_code}){back}"));
            }
            _ => {}
        }
    }

    fn handle_party(&mut self, at: Wall, kind: &Kind) {
        let record = &mut self.record;
        match kind {
            Kind::PartyCalled { by, party } => step(record, at, format!("{by} calls {party} into the talk")),
            Kind::PartyJoined { leg, party } => {
                let joined = Joined { party: party.clone(), leg: *leg, joined_at: at, left_at: None };
                push(&mut record.parties, joined);
                step(record, at, format!("{party} joins the talk"));
            }
            Kind::PartyFailed { party, sip_code } => {
                step(record, at, format!("{party} does not join the talk ({sip_code})"));
            }
            Kind::PartyLeft { leg } => {
                let known = record.parties.iter_mut().find(|party| party.leg == *leg && party.left_at.is_none());
                if let Some(party) = known {
                    party.left_at = Some(at);
                    let what = format!("{} leaves the conference", party.party);
                    step(record, at, what);
                }
            }
            _ => {}
        }
    }

    fn handle_recording(&mut self, at: Wall, kind: &Kind) {
        let record = &mut self.record;
        match kind {
            Kind::RecordingStarted { recording, file } => {
                let started = Recording {
                    id: *recording,
                    file: file.clone(),
                    channels: 2,
                    started_at: at,
                    seconds: None,
                    lost_seconds: Seconds::default(),
                    partial: false,
                    pauses: Vec::new(),
                    legs: Vec::new(),
                    sha256: None,
                    node: None,
                    survey: None,
                };
                push(&mut record.recordings, started);
                step(record, at, format!("recording to {file}"));
            }
            Kind::RecordingEnded { recording, length_ms, lost_ms, partial } => {
                let length = Seconds::from_ms(*length_ms);
                if let Some(known) = record.recordings.iter_mut().find(|r| r.id == *recording) {
                    known.seconds = Some(length);
                    known.lost_seconds = Seconds::from_ms(*lost_ms);
                    known.partial = *partial;
                }
                let how = if *partial { " cut by a crash" } else { "" };
                step(record, at, format!("recording of {length} complete{how}"));
            }
            Kind::RecordingLeg { recording, leg, codec } => {
                if let Some(known) = known(record, *recording) {
                    push(&mut known.legs, RecordedLeg { leg: *leg, codec: codec.clone(), from: at });
                }
            }
            Kind::RecordingPaused { recording, by, why } => {
                if let Some(known) = known(record, *recording) {
                    let (by, why) = (by.clone(), why.clone());
                    push(&mut known.pauses, RecordPause { from: at, until: None, by, why, ended_by: None });
                }
                step(record, at, format!("recording paused by {by}"));
            }
            Kind::RecordingResumed { recording, by, .. } => {
                let open = known(record, *recording).and_then(|known| known.pauses.last_mut());
                if let Some(pause) = open.filter(|pause| pause.until.is_none()) {
                    pause.until = Some(at);
                    pause.ended_by = Some(by.clone());
                }
                step(record, at, format!("recording goes on: {by}"));
            }
            Kind::RecordingFiled { recording, file, sha256 } => {
                if let Some(known) = known(record, *recording) {
                    known.file.clone_from(file);
                    known.sha256 = Some(sha256.clone());
                }
            }
            _ => {}
        }
    }

    fn handle_supervision(&mut self, at: Wall, kind: &Kind) {
        let record = &mut self.record;
        let begin = |record: &mut CallRecord, supervisor: &AgentId, agent: &AgentId, mode: SupervisionMode| {
            let (supervisor, agent) = (supervisor.clone(), agent.clone());
            push(&mut record.supervision, Supervision { supervisor, agent, mode, started_at: at, ended_at: None });
        };
        let end = |record: &mut CallRecord, supervisor: &AgentId, agent: &AgentId| {
            let own = |s: &&mut Supervision| s.supervisor == *supervisor && s.agent == *agent && s.ended_at.is_none();
            if let Some(open) = record.supervision.iter_mut().rev().find(own) {
                open.ended_at = Some(at);
            }
        };
        match kind {
            Kind::SupervisionStarted { supervisor, agent, mode } => {
                begin(record, supervisor, agent, *mode);
                step(record, at, format!("{supervisor} hears {agent} ({})", word(mode)));
            }
            Kind::SupervisionChanged { supervisor, agent, before, mode } => {
                end(record, supervisor, agent);
                begin(record, supervisor, agent, *mode);
                step(record, at, format!("{supervisor} at {agent}: {} after {}", word(mode), word(before)));
            }
            Kind::SupervisionEnded { supervisor, agent, .. } => {
                end(record, supervisor, agent);
                step(record, at, format!("{supervisor} no longer hears {agent}"));
            }
            Kind::TakenOver { by, agent } => step(record, at, format!("{by} takes the caller over from {agent}")),
            _ => {}
        }
    }

    /// The end of the call ends whatever in it was still going on, as far as nothing better is known.
    fn end(&mut self, at: Wall, end: End) {
        self.stop_ivr(at);
        let record = &mut self.record;
        record.ended_at = Some(at);
        record.duration_seconds = Some(Seconds::between(record.started_at, at));
        record.end = Some(end);
        for visit in record.queue_visits.iter_mut().filter(|visit| visit.left_at.is_none()) {
            visit.left_at = Some(at);
            visit.wait_seconds.get_or_insert(Seconds::between(visit.entered_at, at));
        }
        for visit in &mut record.agents {
            if let (Some(answered), None) = (visit.answered_at, visit.talk_seconds) {
                visit.talk_seconds = Some(Seconds::between(answered, at));
            }
        }
        if let Some(dial) = record.dial.last_mut() {
            dial.end_talk(at);
        }
        for open in record.supervision.iter_mut().filter(|s| s.ended_at.is_none()) {
            open.ended_at = Some(at);
        }
        let what = format!("ended by {}: {} ({})", word(&end.by), word(&end.reason), end.sip_code);
        step(record, at, what);
    }
}

fn known(record: &mut CallRecord, id: RecordingId) -> Option<&mut Recording> {
    record.recordings.iter_mut().find(|recording| recording.id == id)
}

/// A node's name: plain in the first flow, with its flow in later ones.
fn full_name(ivr: &Ivr, flow: &str, node: &str) -> String {
    if ivr.flow == flow { node.to_owned() } else { format!("{flow}/{node}") }
}

impl Dial {
    /// The talk, if there is one that goes on, ends.
    fn end_talk(&mut self, at: Wall) {
        if let (Some(bridged), None) = (self.bridged_at, self.talk_seconds) {
            self.talk_seconds = Some(Seconds::between(bridged, at));
        }
    }
}

impl QueueVisit {
    fn begin(queue: QueueName, at: Wall) -> Self {
        Self {
            queue,
            entered_at: at,
            left_at: None,
            wait_seconds: None,
            position_at_entry: 0,
            priority: 0,
            service_level_seconds: None,
            within_sl: None,
            outcome: None,
            skills: Vec::new(),
            transferred: false,
            resumed: false,
            callback: false,
        }
    }
}

impl AgentVisit {
    fn begin(agent: AgentId) -> Self {
        Self {
            agent,
            queue: None,
            offer: None,
            offered_at: None,
            ring_seconds: None,
            result: None,
            sip_code: None,
            answered_at: None,
            talk_seconds: None,
            hold_seconds: Seconds::default(),
            hold_count: 0,
            wrap_up_seconds: None,
            why: None,
        }
    }
}

#[cfg(test)]
mod tests;
