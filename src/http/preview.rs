//! Who would get the next call.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::api::{Answer, PATIENCE};
use super::problem::Problem;
use crate::acd::preview::{Candidate, PassedOver, Preview, PreviewError, Question};
use crate::id::{CallId, QueueName};
use crate::io::driver;

/// Query of `GET /queues/{name}/preview`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewQuery {
    /// A caller who waits, `call_…`.
    call: Option<String>,
    /// Separated by commas.
    skills: Option<String>,
    priority: Option<u32>,
    segment: Option<String>,
}

/// `GET /queues/{name}/preview`: who would be rung now for a caller who asks for this, who after him, and who not and
/// why. Nothing is changed by asking.
pub async fn preview(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<PreviewQuery>,
) -> Answer<Json<Value>> {
    let call = query.call.as_deref().map(str::parse::<CallId>).transpose();
    let call = call.map_err(|error| Problem::bad_request(format!("call: {error}")))?;
    if call.is_some() && (query.skills.is_some() || query.priority.is_some() || query.segment.is_some()) {
        return Err(Problem::bad_request("a caller who waits has his own skills, priority and segment: ask for one"));
    }
    let listed = query.skills.as_deref().unwrap_or_default().split(',').map(str::trim);
    let question = Question {
        call,
        skills: listed.filter(|skill| !skill.is_empty()).map(str::to_owned).collect(),
        priority: query.priority.unwrap_or(0),
        segment: query.segment,
    };
    let queue = QueueName::from(name.as_str());
    let inbox = app.inbox.clone();
    let asked = tokio::task::spawn_blocking(move || {
        driver::ask(&inbox, PATIENCE, move |engine, now| engine.floor().preview(now, &queue, &question))
    });
    match asked.await.ok().flatten() {
        Some(Ok(found)) => Ok(Json(shown(&name, &found))),
        Some(Err(error)) => Err(match error {
            PreviewError::NoQueue(_) | PreviewError::NotWaiting(_) => Problem::not_found(error.to_string()),
            _ => Problem::bad_request(error.to_string()),
        }),
        None => Err(Problem::unavailable("the engine does not answer")),
    }
}

/// A wait to come.
pub fn estimated(p50: Duration, p80: Duration) -> Value {
    json!({ "p50_seconds": p50.as_secs_f64().round(), "p80_seconds": p80.as_secs_f64().round() })
}

fn shown(queue: &str, found: &Preview) -> Value {
    let seconds = |ms: u64| ms as f64 / 1_000.0;
    let candidate = |c: &Candidate| {
        json!({
            "id": c.agent,
            "name": c.name,
            "figure": c.figure,
            "idle_seconds": seconds(c.idle_ms),
            "preferred": c.preferred,
            "unmet": c.unmet,
        })
    };
    let passed_over = |p: &PassedOver| {
        json!({
            "id": p.agent,
            "name": p.name,
            "cause": p.cause,
            "code": p.code,
            "free_in_seconds": p.free_in_ms.map(seconds),
        })
    };
    json!({
        "queue": queue,
        "rule": found.rule,
        "position": found.position,
        "waiting": found.waiting,
        "score_seconds": found.score_s,
        "ahead": found.ahead,
        "estimated_wait": found.estimate.map(|wait| estimated(wait.p50, wait.p80)),
        "ringing": found.ringing,
        "eligible": found.eligible,
        "candidates": found.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "passed_over": found.passed_over.iter().map(passed_over).collect::<Vec<_>>(),
        "causes": found.causes,
    })
}
