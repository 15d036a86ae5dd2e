//! Journal entries of whole calls, for tests here and in storage.

use std::collections::BTreeMap;

use crate::clock::Wall;
use crate::id::{AgentId, CallId, OfferId, QueueName, RecordingId};
use crate::journal::*;

/// 2026-11-22T10:00:00Z.
pub(crate) const START: Wall = Wall(1_795_341_600_000_000);

pub(crate) fn call(number: u128) -> CallId {
    CallId::new(START.ms() + number as u64, number)
}

pub(crate) fn recording(number: u128) -> RecordingId {
    RecordingId::new(START.ms() + number as u64, number)
}

/// An entry `seconds` after [`START`].
pub(crate) fn entry(seq: u64, seconds: i64, about: About, kind: Kind) -> Entry {
    Entry { seq, at: Wall(START.0 + seconds * 1_000_000), about, kind }
}

pub(crate) fn started() -> Kind {
    Kind::CallStarted {
        from: "0501234567".into(),
        to: "500".into(),
        origin: Origin::Trunk("stc".into()),
        purpose: Purpose::Flow,
        language: "ar".into(),
        diverted_from: None,
        callback_of: None,
    }
}

pub(crate) fn ended(reason: EndReason) -> Kind {
    Kind::CallEnded { by: Party::Customer, reason, sip_code: 200 }
}

pub(crate) fn state(state: AgentStateName, code: Option<&str>) -> Kind {
    let code = code.map(str::to_owned);
    Kind::AgentState { state, code, next: None, cause: StateCause::Call, call: None, left_ms: None }
}

/// A call that presses 1, waits 12 s while one agent misses it, talks 30 s (2 s on hold) and is recorded.
/// 24 entries; the call is ended by the 19th, then come recording, quality and the agent's 20 s of wrap-up.
pub(crate) fn queue_call(number: u128, first_seq: u64) -> Vec<Entry> {
    let (agent, missed): (AgentId, AgentId) = ("101".into(), "102".into());
    let queue: QueueName = "support".into();
    let flow = || "main".to_owned();
    let why = Why {
        sticky: None,
        beside: 0,
        step: None,
        rule: "longest_idle".into(),
        figure: None,
        preferred: Vec::new(),
        unmet: Vec::new(),
        idle_ms: 60_000,
        waited_ms: 2_000,
        score_s: Some(2),
        ahead: None,
        waiting: 1,
        eligible: 1,
        passed_over: BTreeMap::from([("busy".to_owned(), 3)]),
    };
    let offered = |offer, agent: &AgentId| Kind::Offered {
        offer: OfferId(offer),
        agent: agent.clone(),
        queue: queue.clone(),
        why: Box::new(why.clone()),
    };
    let offer_ended = |offer, agent: &AgentId, result, ring_ms| Kind::OfferEnded {
        offer: OfferId(offer),
        agent: agent.clone(),
        queue: queue.clone(),
        result,
        ring_ms,
        sip_code: None,
    };
    let quality = Quality { received: 990, sent: 1_000, lost: 10, jitter_ms: 1.2345678, rtt_ms: 20.1, mos: 4.3123 };
    let (by_call, by_agent) = (About::Call(call(number)), About::Agent(agent.clone()));
    let file = recording(number).file();
    let steps = vec![
        (0, started()),
        (1, Kind::CallAnswered),
        (1, Kind::FlowEntered { flow: flow(), version: "sha256:9c1".into() }),
        (2, Kind::NodeVisited { flow: flow(), node: "topic".into() }),
        (5, Kind::Input { flow: flow(), node: "topic".into(), digits: "1".into(), result: InputResult::Matched }),
        (6, Kind::FlowLeft { flow: flow(), outcome: FlowOutcome::Queued }),
        (
            6,
            Kind::Queued {
                queue: queue.clone(),
                position: 1,
                skills: vec!["lang:ar".into()],
                priority: 0,
                segment: None,
                transferred: false,
                resumed: false,
                callback: false,
            },
        ),
        (8, offered(1, &missed)),
        (14, offer_ended(1, &missed, OfferResult::NoAnswer, 6_000)),
        (14, offered(2, &agent)),
        (18, offer_ended(2, &agent, OfferResult::Accepted, 4_000)),
        (18, Kind::QueueLeft { queue: queue.clone(), outcome: QueueOutcome::Answered, wait_ms: 12_000 }),
        (18, Kind::Connected { agent: agent.clone(), queue: queue.clone(), wait_ms: 12_000, service_level_ms: 20_000 }),
        (18, Kind::RecordingStarted { recording: recording(number), file }),
        (30, Kind::Held { agent: agent.clone(), on: true }),
        (32, Kind::Held { agent: agent.clone(), on: false }),
        (48, Kind::TalkEnded { agent: agent.clone(), queue: Some(queue), talk_ms: 30_000, hold_ms: 2_000 }),
        (48, state(AgentStateName::WrapUp, None)),
        (48, ended(EndReason::Normal)),
        (48, Kind::LegQuality { leg: LegRole::Customer, quality }),
        (48, Kind::LegQuality { leg: LegRole::Agent, quality }),
        (49, Kind::RecordingEnded { recording: recording(number), length_ms: 30_040, lost_ms: 0, partial: false }),
        (68, state(AgentStateName::Ready, None)),
        (90, Kind::NodeStopped),
    ];
    let numbered = steps.into_iter().zip(first_seq..);
    let about = |kind: &Kind| match kind {
        Kind::AgentState { .. } => by_agent.clone(),
        Kind::NodeStopped => About::Node,
        _ => by_call.clone(),
    };
    numbered.map(|((seconds, kind), seq)| entry(seq, seconds, about(&kind), kind)).collect()
}
