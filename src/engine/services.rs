//! Services outside that are asked over HTTP: who shall serve a caller, and what flows want to know.
//!
//! A question leaves as [`Output::Fetch`] and its answer returns as [`super::Input::Fetched`]. Whoever asked owns the deadline:
//! an answer that comes later changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::acd::preview::Question;
use crate::acd::{self, Choice, Skill};
use crate::id::{AgentId, CallId, QueueName};
use crate::ivr;
use crate::journal::{About, DispatchResult, Kind};

use super::{Engine, Output};

/// Most agents that are named to a service, and by it.
const AGENTS_MAX: usize = 50;
/// Most skills that a service may ask for.
const SKILLS_MAX: usize = 20;
/// Most minutes of head start that a service may give.
const PRIORITY_MAX: u32 = 10_000;
/// Longest text in an answer, in bytes.
const TEXT_MAX: usize = 200;

/// A request to a service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fetch {
    /// Its number: the answer carries it.
    pub id: u64,
    /// Name of the service.
    pub service: String,
    /// How it is asked.
    pub method: Method,
    /// Path and query, behind the address of the service.
    pub path: String,
    /// JSON to send.
    pub body: Option<String>,
    /// The answer is wanted within this time, whole.
    pub timeout: Duration,
}

/// How a service is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
}

/// What a service answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body, not longer than the service may answer.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Not within the time.
    #[error("no answer in time")]
    Timeout,
    /// There is no service of this name.
    #[error("no such service")]
    Unknown,
    /// It cannot be reached, or what it sends is not HTTP.
    #[error("{0}")]
    Failed(String),
    /// The answer is longer than the bound, in bytes.
    #[error("the answer is over {0} bytes")]
    TooLarge(usize),
    /// It failed too often and is left alone for some time.
    #[error("it failed too often and is not asked for some time")]
    BreakerOpen,
    /// Too many requests are under way.
    #[error("too many requests at once")]
    Busy,
}

/// Requests under way.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    next: u64,
    asked: BTreeMap<u64, Asked>,
}

/// What is asked for.
#[derive(Debug)]
pub(super) enum For {
    /// Who shall serve a caller of this queue.
    Dispatch(QueueName),
    /// The flow of a call, by its number there.
    Flow(u64),
}

/// Who asked what.
#[derive(Debug)]
struct Asked {
    call: CallId,
    what: For,
    service: String,
    at: Instant,
    timeout: Duration,
}

impl Fetches {
    /// The call is over: its answers are not wanted any more.
    pub fn forget(&mut self, call: CallId) {
        self.asked.retain(|_, asked| asked.call != call);
    }
}

/// What a dispatch service is told.
#[derive(Serialize)]
struct Case<'a> {
    call: String,
    queue: &'a QueueName,
    /// Absent when he does not want to be shown.
    caller: Option<&'a str>,
    called: &'a str,
    language: &'a str,
    skills: &'a [String],
    priority: u32,
    segment: Option<&'a str>,
    /// Callers in the queue, this one included.
    waiting: u32,
    /// Agents who could take him now, in the order of the queue's strategy.
    agents: Vec<Free>,
    /// All who could.
    eligible: u32,
}

#[derive(Serialize)]
struct Free {
    id: AgentId,
    name: String,
    idle_s: u64,
}

/// What a dispatch service may say.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    #[serde(default)]
    agents: Vec<AgentId>,
    queue: Option<QueueName>,
    priority: Option<u32>,
    segment: Option<String>,
    skills: Option<Vec<String>>,
}

impl Engine {
    /// The floor wants to know who shall serve a caller.
    pub(super) fn ask_dispatch(&mut self, now: Instant, call: CallId, queue: QueueName) {
        let Some(config) = self.settings.call.dispatch.get(&queue).cloned() else {
            return self.tell_floor(now, acd::Input::Dispatched { call, choice: Choice::default() });
        };
        let Some(body) = self.case(now, call, &queue) else { return };
        let (service, path, timeout) = (config.service, config.path, config.timeout);
        let fetch = Fetch { id: 0, service, method: Method::Post, path, body: Some(body), timeout };
        self.ask_service(now, call, For::Dispatch(queue), fetch);
    }

    /// Asks a service for a call; the request gets its number here.
    pub(super) fn ask_service(&mut self, now: Instant, call: CallId, what: For, fetch: Fetch) {
        self.fetches.next += 1;
        let (id, service, timeout) = (self.fetches.next, fetch.service.clone(), fetch.timeout);
        self.fetches.asked.insert(id, Asked { call, what, service, at: now, timeout });
        self.outputs.push_back(Output::Fetch(Fetch { id, ..fetch }));
    }

    fn case(&self, now: Instant, id: CallId, queue: &QueueName) -> Option<String> {
        let call = self.calls.get(&id)?;
        let claim = self.floor.claim_of(id)?;
        let (skills, segment) = (claim.skills.to_vec(), claim.segment.map(str::to_owned));
        let question = Question { call: None, skills, priority: claim.priority, segment };
        let seen = self.floor.preview(now, queue, &question).ok();
        let agents = seen.as_ref().map(|seen| {
            let free = seen.candidates.iter().take(AGENTS_MAX);
            free.map(|c| Free { id: c.agent.clone(), name: c.name.clone(), idle_s: c.idle_ms / 1_000 }).collect()
        });
        let case = Case {
            call: id.to_string(),
            queue,
            caller: call.shown_number(),
            called: call.to(),
            language: call.language(),
            skills: claim.skills,
            priority: claim.priority,
            segment: claim.segment,
            waiting: seen.as_ref().map_or(0, |seen| seen.waiting),
            agents: agents.unwrap_or_default(),
            eligible: seen.as_ref().map_or(0, |seen| seen.eligible),
        };
        serde_json::to_string(&case).ok()
    }

    /// A service answered, or did not.
    pub(super) fn fetched(&mut self, now: Instant, id: u64, answer: Result<Reply, FetchError>) {
        let Some(asked) = self.fetches.asked.remove(&id) else { return };
        let Asked { call, what, service, at, timeout } = asked;
        let queue = match what {
            For::Dispatch(queue) => queue,
            For::Flow(fetch) => {
                let answer = match answer {
                    Ok(Reply { status, body }) => ivr::Fetched::Answer { status, body },
                    Err(FetchError::Timeout) => ivr::Fetched::Timeout,
                    Err(error) => {
                        tracing::warn!(%call, service, %error, "the service that a flow asks gives no answer");
                        ivr::Fetched::Failed { is_open: error == FetchError::BreakerOpen }
                    }
                };
                return self.with_call(now, call, |call, context| call.handle_fetched(context, fetch, answer));
            }
        };
        let took = now.saturating_duration_since(at);
        // The queue has gone on without it.
        let answer = if took >= timeout { Err(FetchError::Timeout) } else { answer };
        let (result, choice, detail) = match self.understand(answer) {
            Ok((choice, detail)) if choice == Choice::default() => (DispatchResult::LeftToUs, choice, detail),
            Ok((choice, detail)) => (DispatchResult::Decided, choice, detail),
            Err((result, detail)) => (result, Choice::default(), Some(detail)),
        };
        let (took_ms, agents) = (u64::try_from(took.as_millis()).unwrap_or(u64::MAX), choice.agents.iter().cloned());
        if !matches!(result, DispatchResult::Decided | DispatchResult::LeftToUs) {
            let (result, detail) = (result.as_str(), detail.as_deref().unwrap_or_default());
            tracing::warn!(%call, %queue, service, result, detail, "the dispatch service gave no answer that can be used");
        }
        let told = Kind::Dispatched { queue, service, result, took_ms, agents: agents.collect(), detail };
        self.journal(now, About::Call(call), told);
        self.tell_floor(now, acd::Input::Dispatched { call, choice });
    }

    /// What the answer says, with what else is worth telling of it; or what is wrong with it.
    fn understand(
        &self,
        answer: Result<Reply, FetchError>,
    ) -> Result<(Choice, Option<String>), (DispatchResult, String)> {
        let reply = match answer {
            Ok(reply) => reply,
            Err(FetchError::Timeout) => return Err((DispatchResult::Timeout, FetchError::Timeout.to_string())),
            Err(error) => return Err((DispatchResult::Failed, error.to_string())),
        };
        if !(200..300).contains(&reply.status) {
            return Err((DispatchResult::Failed, format!("HTTP {}", reply.status)));
        }
        if reply.body.trim_ascii().is_empty() {
            return Ok((Choice::default(), None));
        }
        let invalid = |detail: String| (DispatchResult::Invalid, detail);
        let told: Told = serde_json::from_slice(&reply.body).map_err(|error| invalid(error.to_string()))?;
        let floor = &self.settings.floor;
        if let Some(agent) = told.agents.iter().find(|agent| !floor.agents.contains_key(*agent)) {
            return Err(invalid(format!("there is no agent {}", short(agent.as_str()))));
        }
        if let Some(queue) = told.queue.as_ref().filter(|queue| !floor.queues.contains_key(*queue)) {
            return Err(invalid(format!("there is no queue {}", short(queue.as_str()))));
        }
        let skills = told.skills.iter().flatten();
        if let Some(error) = skills.clone().find_map(|skill| skill.parse::<Skill>().err()) {
            return Err(invalid(short(&error.to_string())));
        }
        let is_long = |text: &String| text.len() > TEXT_MAX;
        if told.agents.len() > AGENTS_MAX || skills.clone().count() > SKILLS_MAX || skills.clone().any(is_long) {
            return Err(invalid(format!("at most {AGENTS_MAX} agents and {SKILLS_MAX} skills may be named")));
        }
        if told.priority > Some(PRIORITY_MAX) || told.segment.as_ref().is_some_and(is_long) {
            return Err(invalid(format!("a priority is at most {PRIORITY_MAX}, a segment {TEXT_MAX} bytes")));
        }
        let Told { agents, queue, priority, segment, skills } = told;
        let others = [
            queue.as_ref().map(|queue| format!("queue {queue}")),
            priority.map(|priority| format!("priority {priority}")),
            segment.as_ref().map(|segment| format!("segment {segment}")),
            skills.as_ref().map(|skills| format!("skills {}", skills.join(", "))),
        ];
        let others: Vec<String> = others.into_iter().flatten().collect();
        let detail = (!others.is_empty()).then(|| others.join(", "));
        let agents: BTreeSet<AgentId> = agents.into_iter().collect();
        Ok((Choice { agents, queue, priority, segment, skills }, detail))
    }
}

/// As much of a foreign text as is worth writing down.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect()
}
