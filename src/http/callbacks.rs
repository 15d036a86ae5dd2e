//! Callbacks: who is to be called back, booking one and taking one back.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::Wall;
use crate::engine::{BookError, CallbackView, Wanted};
use crate::id::CallId;

use super::App;
use super::KeyName;
use super::api::{Answer, parse_call};
use super::bans::ask;
use super::problem::Problem;

/// `GET /callbacks`: in the order in which they were booked.
pub async fn list(State(app): State<App>) -> Answer<Json<Value>> {
    let (now, found) = ((app.wall)(), ask(app, |engine, now| engine.callbacks(now)).await?);
    Ok(Json(json!({ "items": found.iter().map(|view| item(now, view)).collect::<Vec<_>>() })))
}

/// `GET /callbacks/{id}`.
pub async fn one(State(app): State<App>, Path(id): Path<String>) -> Answer<Json<Value>> {
    let wanted = parse_call(&id)?;
    find(app, wanted).await?.map(Json).ok_or_else(|| unknown(&id))
}

/// Body of `POST /callbacks`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BookBody {
    /// The queue in which the place is kept.
    queue: String,
    /// Whom to call.
    number: String,
    /// His language; the centre's first without it.
    language: Option<String>,
    /// Skills asked of the agent.
    #[serde(default)]
    skills: Vec<String>,
    /// Minutes of waiting he is ahead.
    #[serde(default)]
    priority: u32,
    /// What kind of caller he is.
    segment: Option<String>,
    /// How long he has waited already, in seconds.
    #[serde(default)]
    waited_seconds: u32,
}

/// Most minutes that somebody may be ahead, as in flows.
const PRIORITY_MAX: u32 = 1_000;

/// `POST /callbacks`: his place is kept from now on.
pub async fn book(
    State(app): State<App>,
    key: Option<Extension<KeyName>>,
    Json(body): Json<BookBody>,
) -> Answer<(StatusCode, Json<Value>)> {
    if body.priority > PRIORITY_MAX {
        return Err(Problem::bad_request(format!("priority is 0 to {PRIORITY_MAX}")));
    }
    let by = key.map_or_else(|| "api".to_owned(), |Extension(KeyName(name))| format!("api:{name}"));
    let booked = ask(app.clone(), move |engine, now| {
        let waited = Duration::from_secs(u64::from(body.waited_seconds));
        let wanted = Wanted {
            queue: body.queue.as_str().into(),
            number: Some(body.number),
            since: now.checked_sub(waited).unwrap_or(now),
            skills: body.skills,
            priority: body.priority,
            segment: body.segment,
        };
        engine.book_callback(now, wanted, &by, body.language.as_deref())
    });
    match booked.await? {
        Ok(id) => {
            // It may be over already, when an agent was free and the customer cannot be had.
            let shown = find(app, id).await?.unwrap_or_else(|| json!({ "id": id }));
            Ok((StatusCode::CREATED, Json(shown)))
        }
        Err(error @ (BookError::NoNumber | BookError::NotOffered)) => Err(Problem::bad_request(error.to_string())),
        Err(error @ BookError::Denied) => Err(Problem::forbidden(error.to_string())),
        Err(error) => Err(Problem::conflict(error.to_string())),
    }
}

/// `DELETE /callbacks/{id}`: nobody is called.
pub async fn cancel(State(app): State<App>, Path(id): Path<String>) -> Answer<StatusCode> {
    let wanted = parse_call(&id)?;
    if find(app.clone(), wanted).await?.is_none() {
        return Err(unknown(&id));
    }
    match ask(app, move |engine, now| engine.cancel_callback(now, wanted)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::conflict("he is being called at this moment: hang up that call instead")),
    }
}

async fn find(app: App, id: CallId) -> Answer<Option<Value>> {
    let now = (app.wall)();
    let found = ask(app, move |engine, now| engine.callbacks(now)).await?;
    Ok(found.iter().find(|view| view.booking.callback == id).map(|view| item(now, view)))
}

fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("nobody is to be called back as {id}: see GET /api/v1/callbacks"))
}

fn item(now: Wall, view: &CallbackView) -> Value {
    let booking = &view.booking;
    json!({
        "id": booking.callback,
        "queue": booking.queue,
        "number": booking.number,
        "language": booking.language,
        "state": view.state,
        "position": view.position,
        "since": booking.since,
        "waited_seconds": now.since(booking.since).as_secs_f64(),
        "expires_at": booking.expires_at,
        "tries": view.tries,
        "next_at": view.next_at,
        "call_id": view.call.filter(|_| view.state == "calling"),
        "skills": booking.skills,
        "priority": booking.priority,
        "segment": booking.segment,
        "by": booking.by,
    })
}
