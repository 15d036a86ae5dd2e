//! Calendars: what they say now, and opening and closing them by hand.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::acd::calendar::Now;
use crate::journal::Hours;

use super::App;
use super::KeyName;
use super::api::Answer;
use super::bans::ask;
use super::problem::Problem;

/// `GET /calendars`.
pub async fn calendars(State(app): State<App>) -> Answer<Json<Value>> {
    let found = ask(app, |engine, now| engine.calendars(now)).await?;
    Ok(Json(json!({ "items": found.iter().map(|(name, now)| item(name, now)).collect::<Vec<_>>() })))
}

/// `GET /calendars/{name}`.
pub async fn calendar(State(app): State<App>, Path(name): Path<String>) -> Answer<Json<Value>> {
    let found = ask(app, |engine, now| engine.calendars(now)).await?;
    found.get(&name).map(|now| Json(item(&name, now))).ok_or_else(|| unknown(&name))
}

/// Body of `PUT /calendars/{name}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetBody {
    /// `open`, `closed` or `emergency`; `auto` = by its hours again.
    state: String,
    /// For so many seconds, a year at most; without it until it is set again.
    seconds: Option<u64>,
}

/// `PUT /calendars/{name}`: answers with what it says right after it.
pub async fn set(
    State(app): State<App>,
    Path(name): Path<String>,
    key: Option<Extension<KeyName>>,
    Json(body): Json<SetBody>,
) -> Answer<Json<Value>> {
    let state = match body.state.as_str() {
        "open" => Some(Hours::Open),
        "closed" => Some(Hours::Closed),
        "emergency" => Some(Hours::Emergency),
        "auto" => None,
        other => return Err(Problem::bad_request(format!("no state {other}: open, closed, emergency or auto"))),
    };
    if body.seconds == Some(0) || (state.is_none() && body.seconds.is_some()) {
        return Err(Problem::bad_request("seconds say how long open, closed or emergency holds: at least one"));
    }
    let by = key.map_or_else(|| "api".to_owned(), |Extension(KeyName(name))| format!("api:{name}"));
    let lasting = body.seconds.map(Duration::from_secs);
    let asked = name.clone();
    match ask(app, move |engine, now| engine.set_calendar(now, &asked, state, lasting, &by)).await? {
        Some(now) => Ok(Json(item(&name, &now))),
        None => Err(unknown(&name)),
    }
}

fn unknown(name: &str) -> Problem {
    Problem::not_found(format!("there is no calendar {name}"))
}

fn item(name: &str, now: &Now) -> Value {
    json!({ "name": name, "state": now.state.word(), "because": now.because, "until": now.until })
}
