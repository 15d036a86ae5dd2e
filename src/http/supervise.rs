//! Supervision of agents.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::{SuperviseError, Supervised, Switch};
use crate::id::AgentId;
use crate::io::driver;
use crate::journal::SupervisionMode;

use super::App;
use super::api::{Answer, PATIENCE};
use super::problem::Problem;

/// Body of `POST /agents/{id}/supervise`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuperviseBody {
    mode: String,
    supervisor: Option<String>,
}

/// `POST /agents/{id}/supervise`: who is with the agent takes part as asked from now on; else the supervisor's phone
/// is rung, and it begins when he answers.
pub async fn supervise(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(body): Json<SuperviseBody>,
) -> Answer<(StatusCode, Json<Value>)> {
    let switch = match body.mode.as_str() {
        "listen" => Switch::Mode(SupervisionMode::Listen),
        "whisper" => Switch::Mode(SupervisionMode::Whisper),
        "barge" => Switch::Mode(SupervisionMode::Barge),
        "take_over" => Switch::TakeOver,
        other => {
            return Err(Problem::bad_request(format!("no mode {other}: listen, whisper, barge or take_over")));
        }
    };
    let (agent, supervisor) = (AgentId::from(id.as_str()), body.supervisor.map(AgentId::from));
    let inbox = app.inbox.clone();
    let asked = tokio::task::spawn_blocking(move || {
        driver::ask(&inbox, PATIENCE, move |engine, now| engine.supervise(now, &agent, supervisor, switch))
    });
    let done = asked.await.ok().flatten().ok_or_else(|| Problem::unavailable("the engine does not answer"))?;
    let (status, state) = match done {
        Ok(Supervised::Ringing) => (StatusCode::ACCEPTED, "ringing"),
        Ok(Supervised::Switched) => (StatusCode::OK, "switched"),
        Ok(Supervised::TakenOver) => (StatusCode::OK, "taken_over"),
        Err(error) => return Err(problem(error)),
    };
    Ok((status, Json(json!({ "agent": id, "mode": body.mode, "state": state }))))
}

fn problem(error: SuperviseError) -> Problem {
    let text = error.to_string();
    match error {
        SuperviseError::NoAgent => Problem::not_found(text),
        SuperviseError::Forbidden => Problem::forbidden(text),
        SuperviseError::WhichSupervisor => Problem::bad_request(text),
        SuperviseError::Full | SuperviseError::NoTalk | SuperviseError::Unreachable(_) => Problem::conflict(text),
    }
}
