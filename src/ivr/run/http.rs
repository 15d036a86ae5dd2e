//! Questions to services: the run waits for the answer, no longer than its node allows, and not in silence.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::super::expr::{TEXT_BYTES, Value, World};
use super::super::flow::{Edge, Http, NodeKind};
use super::{Fetched, Next, Output, Run, State};
use crate::journal::Kind;

/// How long a caller hears nothing while a service is asked; then music.
pub(super) const SILENCE: Duration = Duration::from_millis(700);

/// The answer that a run waits for.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub fetch: u64,
    asked: Instant,
    pub until: Instant,
    /// When the music begins; `None` once it plays.
    pub comfort_at: Option<Instant>,
}

impl Run {
    /// Asks what the node says.
    pub(super) fn ask_service(&mut self, now: Instant, http: &Http, world: &dyn World) -> Result<(), String> {
        let scene = self.scene(now, world);
        let path = http.path.fill_encoded(&scene)?;
        let mut body = serde_json::Map::new();
        for (key, template) in &http.body {
            body.insert(key.clone(), Json::String(template.fill(&scene)?));
        }
        let body = http.is_post.then(|| Json::Object(body).to_string());
        self.fetches += 1;
        let (fetch, timeout) = (self.fetches, http.timeout);
        let comfort_at = Some(now + SILENCE).filter(|_| SILENCE < timeout);
        self.state = State::Fetching(Waiting { fetch, asked: now, until: now + timeout, comfort_at });
        let service = http.service.clone();
        self.outputs.push_back(Output::Fetch { fetch, service, path, body, timeout });
        Ok(())
    }

    /// What is due while it waits.
    pub(super) fn fetch_due(&mut self, now: Instant) -> Option<Next> {
        let State::Fetching(waiting) = &mut self.state else { return None };
        let fetch = waiting.fetch;
        if waiting.until <= now {
            return self.fetched(now, fetch, &Fetched::Timeout);
        }
        if waiting.comfort_at.is_some_and(|at| at <= now) {
            waiting.comfort_at = None;
            self.outputs.push_back(Output::Comfort);
        }
        None
    }

    /// The service answered, or did not.
    pub(super) fn fetched(&mut self, now: Instant, fetch: u64, answer: &Fetched) -> Option<Next> {
        let State::Fetching(waiting) = &self.state else { return None };
        if waiting.fetch != fetch {
            return None;
        }
        let took_ms = u64::try_from(now.saturating_duration_since(waiting.asked).as_millis()).unwrap_or(u64::MAX);
        if waiting.comfort_at.is_none() {
            self.outputs.push_back(Output::StopPlay);
        }
        let node = self.program.nodes.get(&self.node).map(|node| &node.kind);
        let Some(NodeKind::Http(http)) = node else { return None };
        let (service, into, next) = (http.service.clone(), http.into.clone(), http.next.name.clone());
        let taken = match answer {
            Fetched::Answer { status: 200..=299, body } => self.take_answer(&into, body),
            Fetched::Answer { .. } | Fetched::Timeout | Fetched::Failed { .. } => Ok(()),
        };
        let result = match (answer, &taken) {
            (Fetched::Answer { status: 200..=299, .. }, Ok(())) => "ok",
            (Fetched::Answer { status: 200..=299, .. }, Err(_)) => "invalid",
            (Fetched::Answer { status: 400..=499, .. }, _) => "4xx",
            (Fetched::Answer { .. }, _) => "5xx",
            (Fetched::Timeout, _) => "timeout",
            (Fetched::Failed { is_open: true }, _) => "breaker_open",
            (Fetched::Failed { is_open: false }, _) => "error",
        };
        let status = match answer {
            Fetched::Answer { status, .. } => Some(*status),
            Fetched::Timeout | Fetched::Failed { .. } => None,
        };
        let (detail, result) = (taken.err(), result.to_owned());
        let asked =
            Kind::ServiceAsked { service, node: self.node.clone(), result: result.clone(), status, took_ms, detail };
        self.outputs.push_back(Output::Journal(asked));
        let edge = match (result.as_str(), status) {
            ("ok", _) => return Some(Next::Node(next)),
            ("timeout", _) => self.edge_or(Edge::Timeout, Edge::Error),
            (_, Some(404)) => self.edge_or(Edge::NotFound, Edge::Error),
            _ => Edge::Error,
        };
        self.edge(edge)
    }

    /// Gives variables the values that the answer has for them: all, or none when one does not fit. What the answer does not
    /// have stays as it is.
    pub(super) fn take_answer(&mut self, into: &[(String, String)], body: &[u8]) -> Result<(), String> {
        if into.is_empty() {
            return Ok(());
        }
        let answer: Json = serde_json::from_slice(body).map_err(|_| "the answer is not JSON".to_owned())?;
        let mut found = Vec::new();
        for (name, pointer) in into {
            if pointer.is_empty() && !answer.is_object() {
                return Err(format!("the answer is no object that \"{name}\" can hold"));
            }
            let Some(json) = answer.pointer(pointer).filter(|json| !json.is_null()) else { continue };
            let Some(variable) = self.vars.get(name) else { continue };
            let value = match (variable, json) {
                (Value::Text(_), Json::String(text)) if text.len() <= TEXT_BYTES => Some(Value::Text(text.clone())),
                (Value::Text(_), Json::Number(number)) => Some(Value::Text(number.to_string())),
                (Value::Number(_), Json::Number(number)) => number.as_i64().map(Value::Number),
                (Value::Bool(_), Json::Bool(truth)) => Some(Value::Bool(*truth)),
                _ => None,
            };
            let ty = variable.ty().as_str();
            found.push((
                name,
                value.ok_or_else(|| format!("what stands at {pointer} is no {ty} that \"{name}\" can hold"))?,
            ));
        }
        for (name, value) in found {
            self.vars.insert(name.clone(), value);
        }
        Ok(())
    }
}
