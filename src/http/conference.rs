//! Conferences: others in a talk.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::id::LegId;
use crate::io::driver;

use super::App;
use super::api::{Answer, PATIENCE, parse_call};
use super::problem::Problem;

/// Body of `POST /calls/{id}/conference`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddBody {
    add: String,
}

/// `POST /calls/{id}/conference`: rings somebody for the talk; he is in it when he answers.
pub async fn add(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(body): Json<AddBody>,
) -> Answer<(StatusCode, Json<Value>)> {
    let (call, to, inbox) = (parse_call(&id)?, body.add.clone(), app.inbox.clone());
    let asked = tokio::task::spawn_blocking(move || {
        driver::ask(&inbox, PATIENCE, move |engine, now| engine.conference_add(now, call, &to))
    });
    match asked.await.ok().flatten() {
        Some(Ok(())) => Ok((StatusCode::ACCEPTED, Json(json!({ "call_id": id, "add": body.add, "state": "ringing" })))),
        Some(Err(code)) => Err(refused(code)),
        None => Err(Problem::unavailable("the engine does not answer")),
    }
}

/// `DELETE /calls/{id}/conference/{leg}`: takes him out of the talk.
pub async fn remove(State(app): State<App>, Path((id, leg)): Path<(String, u64)>) -> Answer<StatusCode> {
    let (call, inbox) = (parse_call(&id)?, app.inbox.clone());
    let asked = tokio::task::spawn_blocking(move || {
        driver::ask(&inbox, PATIENCE, move |engine, now| engine.conference_drop(now, call, LegId(leg)))
    });
    match asked.await.ok().flatten() {
        Some(Ok(())) => Ok(StatusCode::NO_CONTENT),
        Some(Err(_)) => Err(Problem::not_found(format!("nobody with leg {leg} was brought into {id}"))),
        None => Err(Problem::unavailable("the engine does not answer")),
    }
}

fn refused(code: u16) -> Problem {
    match code {
        403 => Problem::forbidden("the agent in this talk may not call that number"),
        404 => Problem::not_found("there is no such call, or no such number"),
        486 => Problem::conflict("32 are in this talk already"),
        488 => Problem::conflict("the media of this call does not pass through us"),
        491 => Problem::conflict("somebody is being rung for this talk already"),
        _ => Problem::conflict("nobody talks in this call now"),
    }
}
