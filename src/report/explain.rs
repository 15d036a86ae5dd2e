//! Why a call went as it did, told in sentences: who was considered, who was passed over, what changed when.
//!
//! [`Story`] takes entries of the journal in their order: those of one call, and the states of agents, as whoever is
//! busy or away elsewhere is the reason of many a wait. [`Story::tell`] puts it into words. The words are pure: the
//! same entries give the same sentences.
//!
//! Names of those passed over are given only where the states the journal tells agree with the number that the floor
//! wrote down: a name that may be wrong is worse than a number.

mod arabic;
mod english;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::record::Seconds;
use crate::clock::Wall;
use crate::id::{AgentId, CallId, QueueName};
use crate::journal::{
    About, AgentStateName, CallbackResult, DispatchResult, EndReason, Entry, Kind, OfferResult, Party, QueueOutcome,
    StateCause, Whom, Why,
};

/// A language in which stories are told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Language {
    /// Arabic.
    Arabic,
    /// English.
    #[default]
    English,
}

impl Language {
    /// The language of a tag as `ar`, `ar-SA` or `en_GB.UTF-8`; none for any other.
    pub fn of(tag: &str) -> Option<Self> {
        match tag.trim().split(['-', '_', '.']).next()?.to_ascii_lowercase().as_str() {
            "ar" => Some(Self::Arabic),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    /// What somebody prefers who sends this Accept-Language (RFC 9110 §12.5.4); English when he wants neither.
    pub fn accepted(header: &str) -> Self {
        let weighed = header.split(',').filter_map(|range| {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f64>).unwrap_or(0.0);
            Some((Self::of(tag)?, weight)).filter(|(_, weight)| *weight > 0.0)
        });
        // The first of equals, as they are written in the order of the wish.
        let best = weighed.fold(None, |best: Option<(Self, f64)>, next| match best {
            Some(best) if best.1 >= next.1 => Some(best),
            Some(_) | None => Some(next),
        });
        best.map_or_else(Self::default, |(language, _)| language)
    }

    /// Its tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Arabic => "ar",
            Self::English => "en",
        }
    }

    /// Which way it is written: `rtl` or `ltr`.
    pub fn direction(self) -> &'static str {
        match self {
            Self::Arabic => "rtl",
            Self::English => "ltr",
        }
    }
}

/// The agents by the configuration in force, for names and for who serves which queue.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// By id: his name and his queues.
    pub agents: BTreeMap<AgentId, (String, BTreeSet<QueueName>)>,
}

/// One sentence of the story and what is behind it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// When.
    pub at: Wall,
    /// The same, since the call began.
    pub seconds: Seconds,
    /// A stable word for what happened, e.g. `offered`.
    pub kind: &'static str,
    /// What happened.
    pub text: String,
    /// Why, one reason each.
    pub details: Vec<String>,
}

/// Who of a queue was in which state, with the pause code.
type Scene = BTreeMap<AgentStateName, Vec<(AgentId, Option<String>)>>;

/// What a story tells of; the words of the journal that matter to it.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Message { queue: QueueName, length_ms: u64 },
    Said { node: String, length_ms: u64 },
    Started { from: String, to: String },
    CallsBack { from: String, to: String },
    Booked { queue: QueueName, number: String },
    Tried { tries: u32, result: CallbackResult, is_last: bool },
    CallbackOver { result: CallbackResult },
    Awaits { agent: AgentId, wait_ms: u64 },
    Reached,
    Flow { flow: String },
    Queued { queue: QueueName, position: u32, asks: Asks, scene: Scene },
    Escalated { queue: QueueName, step: Option<String> },
    Relaxed { queue: QueueName, skills: Vec<String>, wait_ms: u64 },
    Sticky { queue: QueueName, whom: Option<Whom>, agent: Option<AgentId> },
    Dispatched { service: String, result: DispatchResult, took_ms: u64, agents: Vec<AgentId>, detail: Option<String> },
    Moved { queue: QueueName, position: u32 },
    Announced { position: u32, within_minutes: Option<u32> },
    Reminded { prompt: String },
    Diverted { queue: QueueName, to: String, rule: String, figures: Option<(u64, u64)> },
    Offered { agent: AgentId, queue: QueueName, why: Box<Why>, scene: Scene },
    OfferEnded { agent: AgentId, result: OfferResult, ring_ms: u64, sip_code: Option<u16> },
    Connected { agent: AgentId, wait_ms: u64, service_level_ms: u64 },
    Left { queue: QueueName, outcome: QueueOutcome, wait_ms: u64, scene: Scene },
    TakenAway { agent: AgentId, code: Option<String> },
    WrapUp { agent: AgentId },
    TalkEnded { agent: AgentId, talk_ms: u64, hold_ms: u64 },
    Dialed { target: String },
    Bridged { target: String },
    DialFailed { target: String, sip_code: u16 },
    Transferred { by: AgentId, to: String },
    TransferFailed { by: AgentId, to: String, sip_code: u16 },
    TakenOver { by: AgentId, agent: AgentId },
    FlowFailed { flow: String, node: String, detail: String, fallback: Option<QueueName> },
    Trouble { code: String, detail: String },
    Restarted,
    Ended { by: Party, reason: EndReason, sip_code: u16 },
}

/// What a caller asked for when he entered a queue.
#[derive(Clone, Debug, PartialEq)]
struct Asks {
    skills: Vec<String>,
    priority: u32,
    segment: Option<String>,
    transferred: bool,
    resumed: bool,
    callback: bool,
}

/// The story of one call.
#[derive(Clone, Debug)]
pub struct Story {
    call: CallId,
    roster: Roster,
    states: BTreeMap<AgentId, (AgentStateName, Option<String>)>,
    /// The last one who was rung for this call.
    rung: Option<AgentId>,
    events: Vec<(Wall, Event)>,
    ended_at: Option<Wall>,
    /// He is being called back and has not answered.
    is_customer_absent: bool,
    /// The system was started anew after the end: what comes back of the call then is no news.
    is_over: bool,
}

/// Entries of one call that are kept; what follows is only in the journal.
const EVENTS_MAX: usize = 2_000;

impl Story {
    /// The story of `call`, still empty. `states`: what the agents did before the first entry.
    pub fn new(
        call: CallId,
        roster: Roster,
        states: impl IntoIterator<Item = (AgentId, (AgentStateName, Option<String>))>,
    ) -> Self {
        let states = states.into_iter().collect();
        Self {
            call,
            roster,
            states,
            rung: None,
            events: Vec::new(),
            ended_at: None,
            is_customer_absent: false,
            is_over: false,
        }
    }

    /// Takes the next entry. Those of other calls are ignored, the states of agents are remembered.
    pub fn handle(&mut self, entry: &Entry) {
        if self.is_over {
            return;
        }
        let event = match &entry.about {
            About::Call(call) if *call == self.call => self.of_call(&entry.kind),
            About::Call(_) => None,
            About::Agent(agent) => self.of_agent(agent, &entry.kind),
            About::Node => self.of_node(&entry.kind),
        };
        let Some(event) = event.filter(|_| self.events.len() < EVENTS_MAX) else { return };
        if matches!(event, Event::Ended { .. }) {
            self.ended_at = Some(entry.at);
        }
        self.events.push((entry.at, event));
    }

    /// When the call ended, if it did.
    pub fn ended_at(&self) -> Option<Wall> {
        self.ended_at
    }

    /// True when no entry belonged to the call.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The sentences in the order of what happened.
    pub fn tell(&self, language: Language) -> Vec<Step> {
        let start = self.events.first().map_or(Wall::default(), |(at, _)| *at);
        let told = self.events.iter().map(|(at, event)| {
            let (text, details) = match language {
                Language::Arabic => arabic::tell(event, &self.roster),
                Language::English => english::tell(event, &self.roster),
            };
            Step { at: *at, seconds: Seconds::between(start, *at), kind: event.word(), text, details }
        });
        told.collect()
    }

    fn of_call(&mut self, kind: &Kind) -> Option<Event> {
        Some(match kind.clone() {
            Kind::CallStarted { from, to, callback_of: Some(_), .. } => {
                self.is_customer_absent = true;
                Event::CallsBack { from, to }
            }
            Kind::CallAnswered if self.is_customer_absent => {
                self.is_customer_absent = false;
                Event::Reached
            }
            Kind::Connected { agent, wait_ms, .. } if self.is_customer_absent => Event::Awaits { agent, wait_ms },
            Kind::CallStarted { from, to, .. } => Event::Started { from, to },
            Kind::CallbackBooked { booking } => Event::Booked { queue: booking.queue, number: booking.number },
            Kind::VoicemailLeft { queue, length_ms, .. } => Event::Message { queue, length_ms },
            Kind::CallerRecorded { node, length_ms, .. } => Event::Said { node, length_ms },
            Kind::CallbackTried { tries, result, again_at, .. } => {
                Event::Tried { tries, result, is_last: again_at.is_none() }
            }
            // The answer, or the last try, said it.
            Kind::CallbackEnded { result: CallbackResult::Reached | CallbackResult::Failed, .. } => return None,
            Kind::CallbackEnded { result, .. } => Event::CallbackOver { result },
            Kind::FlowEntered { flow, .. } => Event::Flow { flow },
            Kind::Queued { queue, position, skills, priority, segment, transferred, resumed, callback } => {
                let scene = self.scene(&queue);
                Event::Queued {
                    queue,
                    position,
                    asks: Asks { skills, priority, segment, transferred, resumed, callback },
                    scene,
                }
            }
            Kind::Escalated { queue, step } => Event::Escalated { queue, step },
            Kind::Relaxed { queue, skills, wait_ms } => Event::Relaxed { queue, skills, wait_ms },
            Kind::Sticky { queue, whom, agent } => Event::Sticky { queue, whom, agent },
            Kind::Dispatched { service, result, took_ms, agents, detail, .. } => {
                Event::Dispatched { service, result, took_ms, agents, detail }
            }
            Kind::Moved { queue, position } => Event::Moved { queue, position },
            Kind::Announced { position, within_minutes } => Event::Announced { position, within_minutes },
            Kind::Reminded { prompt } => Event::Reminded { prompt },
            Kind::Diverted { queue, to, rule, figure, limit } => {
                Event::Diverted { queue, to, rule, figures: figure.zip(limit) }
            }
            Kind::Offered { agent, queue, why, .. } => {
                self.rung = Some(agent.clone());
                let scene = self.scene(&queue);
                Event::Offered { agent, queue, why, scene }
            }
            Kind::OfferEnded { agent, result, ring_ms, sip_code, .. } => {
                Event::OfferEnded { agent, result, ring_ms, sip_code }
            }
            Kind::Connected { agent, wait_ms, service_level_ms, .. } => {
                Event::Connected { agent, wait_ms, service_level_ms }
            }
            // The answer said it.
            Kind::QueueLeft { outcome: QueueOutcome::Answered, .. } => return None,
            Kind::QueueLeft { queue, outcome, wait_ms } => {
                let scene = self.scene(&queue);
                Event::Left { queue, outcome, wait_ms, scene }
            }
            Kind::TalkEnded { agent, talk_ms, hold_ms, .. } => Event::TalkEnded { agent, talk_ms, hold_ms },
            Kind::Dialed { target } => Event::Dialed { target },
            Kind::Bridged { target } => Event::Bridged { target },
            Kind::DialFailed { target, sip_code } => Event::DialFailed { target, sip_code },
            Kind::Transferred { by, to, .. } => Event::Transferred { by, to },
            Kind::TransferFailed { by, to, sip_code, .. } => Event::TransferFailed { by, to, sip_code },
            Kind::TakenOver { by, agent } => Event::TakenOver { by, agent },
            Kind::FlowFailed { flow, node, detail, fallback, .. } => Event::FlowFailed { flow, node, detail, fallback },
            Kind::Trouble { code, detail } => Event::Trouble { code, detail },
            Kind::CallEnded { by, reason, sip_code } => Event::Ended { by, reason, sip_code },
            // Not of the floor: the record has them.
            Kind::CallAnswered
            | Kind::Language { .. }
            | Kind::NodeVisited { .. }
            | Kind::Input { .. }
            | Kind::Survey { .. }
            | Kind::FlowLeft { .. }
            | Kind::Held { .. }
            | Kind::ServiceAsked { .. }
            | Kind::VoicemailHeard { .. }
            | Kind::VoicemailDeleted { .. }
            | Kind::RecordingStarted { .. }
            | Kind::RecordingLeg { .. }
            | Kind::RecordingPaused { .. }
            | Kind::RecordingResumed { .. }
            | Kind::RecordingFiled { .. }
            | Kind::RecordingEnded { .. }
            | Kind::PartyCalled { .. }
            | Kind::PartyJoined { .. }
            | Kind::PartyFailed { .. }
            | Kind::PartyLeft { .. }
            | Kind::SupervisionStarted { .. }
            | Kind::SupervisionChanged { .. }
            | Kind::SupervisionEnded { .. }
            | Kind::PageLost { .. }
            | Kind::Rejoined { .. }
            | Kind::RejoinFailed { .. }
            | Kind::LegUp { .. }
            | Kind::LegDown { .. }
            | Kind::LegQuality { .. }
            | Kind::OneWay { .. }
            | Kind::ReasonGiven { .. } => return None,
            // About agents and the system: never about a call.
            Kind::NodeStarted { .. }
            | Kind::NodeStopped
            | Kind::ConfigEdited { .. }
            | Kind::CalendarSet { .. }
            | Kind::ConfigReloaded { .. }
            | Kind::Registered { .. }
            | Kind::ContactGone { .. }
            | Kind::Unregistered { .. }
            | Kind::AgentState { .. }
            | Kind::OffersMissed { .. }
            | Kind::HelpAsked { .. }
            | Kind::PauseOver { .. }
            | Kind::AgentRepaired { .. } => return None,
        })
    }

    /// States of agents: remembered, and told where this call brought them about.
    fn of_agent(&mut self, agent: &AgentId, kind: &Kind) -> Option<Event> {
        let Kind::AgentState { state, code, cause, call, .. } = kind else { return None };
        let before = self.states.insert(agent.clone(), (*state, code.clone()));
        match (state, cause) {
            (AgentStateName::Paused | AgentStateName::Offline, StateCause::Rna)
                if self.rung.as_ref() == Some(agent) && self.ended_at.is_none() =>
            {
                Some(Event::TakenAway { agent: agent.clone(), code: code.clone() })
            }
            (AgentStateName::WrapUp, _) if *call == Some(self.call) => {
                let is_new = before.is_none_or(|(before, _)| before != AgentStateName::WrapUp);
                is_new.then(|| Event::WrapUp { agent: agent.clone() })
            }
            _ => None,
        }
    }

    fn of_node(&mut self, kind: &Kind) -> Option<Event> {
        if !matches!(kind, Kind::NodeStarted { .. }) {
            return None;
        }
        for (state, code) in self.states.values_mut() {
            (*state, *code) = (AgentStateName::Offline, None);
        }
        self.is_over = self.ended_at.is_some();
        let is_up = !self.events.is_empty() && self.ended_at.is_none();
        is_up.then_some(Event::Restarted)
    }

    /// Who of those who serve a queue is in which state now.
    fn scene(&self, queue: &QueueName) -> Scene {
        let mut scene = Scene::new();
        for (agent, _) in self.roster.agents.iter().filter(|(_, (_, queues))| queues.contains(queue)) {
            let (state, code) = self.states.get(agent).cloned().unwrap_or((AgentStateName::Offline, None));
            scene.entry(state).or_default().push((agent.clone(), code));
        }
        scene
    }
}

impl Event {
    /// The stable word for programs.
    fn word(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::CallsBack { .. } => "calls_back",
            Self::Booked { .. } => "callback_booked",
            Self::Tried { .. } => "callback_tried",
            Self::CallbackOver { .. } => "callback_ended",
            Self::Awaits { .. } => "awaits_customer",
            Self::Reached => "customer_answered",
            Self::Flow { .. } => "flow",
            Self::Queued { .. } => "queued",
            Self::Escalated { .. } => "escalated",
            Self::Relaxed { .. } => "relaxed",
            Self::Sticky { .. } => "sticky",
            Self::Dispatched { .. } => "dispatched",
            Self::Message { .. } => "voicemail_left",
            Self::Said { .. } => "caller_recorded",
            Self::Moved { .. } => "moved",
            Self::Announced { .. } => "announced",
            Self::Reminded { .. } => "reminded",
            Self::Diverted { .. } => "diverted",
            Self::Offered { .. } => "offered",
            Self::OfferEnded { .. } => "offer_ended",
            Self::Connected { .. } => "connected",
            Self::Left { .. } => "left",
            Self::TakenAway { .. } => "taken_away",
            Self::WrapUp { .. } => "wrap_up",
            Self::TalkEnded { .. } => "talk_ended",
            Self::Dialed { .. } => "dialed",
            Self::Bridged { .. } => "bridged",
            Self::DialFailed { .. } => "dial_failed",
            Self::Transferred { .. } => "transferred",
            Self::TransferFailed { .. } => "transfer_failed",
            Self::TakenOver { .. } => "taken_over",
            Self::FlowFailed { .. } => "flow_failed",
            Self::Trouble { .. } => "trouble",
            Self::Restarted => "restarted",
            Self::Ended { .. } => "ended",
        }
    }
}

/// Most names in one list; of more the number is enough.
const NAMES_MAX: usize = 8;

/// The agents whom a cause of [`Why::passed_over`] means, when the scene has exactly so many of them.
fn named<'a>(scene: &'a Scene, cause: &str, count: u32) -> &'a [(AgentId, Option<String>)] {
    let state = AgentStateName::ALL.into_iter().find(|state| state.as_str() == cause);
    let found = state.and_then(|state| scene.get(&state)).map(Vec::as_slice).unwrap_or_default();
    let is_sure = u32::try_from(found.len()) == Ok(count) && found.len() <= NAMES_MAX;
    if is_sure { found } else { &[] }
}

/// The other agents who could have been offered, when the scene has exactly as many as the floor counted.
fn rivals<'a>(scene: &'a Scene, why: &Why, taken: &AgentId) -> Vec<&'a AgentId> {
    let ready = named(scene, AgentStateName::Ready.as_str(), why.eligible);
    ready.iter().map(|(agent, _)| agent).filter(|agent| *agent != taken).collect()
}

/// First strong isolate … pop directional isolate (UAX #9): what stands between keeps its own direction and does not
/// disturb the sentence around it.
fn isolated(text: &str) -> String {
    format!("\u{2068}{text}\u{2069}")
}

/// The name and the id of an agent, or the id alone of one who is gone.
fn agent_name(agent: &AgentId, roster: &Roster) -> String {
    match roster.agents.get(agent) {
        Some((name, _)) if name != agent.as_str() => format!("{name} ({agent})"),
        Some(_) | None => agent.to_string(),
    }
}
