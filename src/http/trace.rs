//! The SIP messages of calls.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;

use crate::engine::{Engine, Kept, Ladder};
use crate::io::driver;

use super::App;
use super::api::{Answer, PATIENCE, parse_call};
use super::problem::Problem;

/// Query of `GET /sip/trace`.
#[derive(Debug, Deserialize)]
pub struct TraceQuery {
    call_id: String,
}

/// `GET /calls/{id}/trace`: all SIP messages of a call, live or ended, with those that came before it was one.
pub async fn of_call(State(app): State<App>, Path(id): Path<String>) -> Answer<Json<Ladder>> {
    let call = parse_call(&id)?;
    ladder(app, format!("call {call}"), move |engine| engine.trace(call)).await
}

/// `GET /sip/trace?call_id=`: all SIP messages with this Call-ID, also those of an attempt that was refused or of a
/// registration.
pub async fn of_call_id(State(app): State<App>, Query(query): Query<TraceQuery>) -> Answer<Json<Ladder>> {
    let what = format!("Call-ID {}", query.call_id);
    ladder(app, what, move |engine| engine.trace_of(&query.call_id)).await
}

/// The engine hands out what it has; it is read and masked here, on a thread that may take its time.
async fn ladder(
    app: App,
    what: String,
    find: impl FnOnce(&Engine) -> Option<Kept> + Send + 'static,
) -> Answer<Json<Ladder>> {
    let inbox = app.inbox.clone();
    let found = tokio::task::spawn_blocking(move || {
        let kept = driver::ask(&inbox, PATIENCE, move |engine, _| find(engine));
        kept.map(|kept| kept.map(|kept| kept.ladder()))
    });
    match found.await.ok().flatten() {
        Some(Some(ladder)) => Ok(Json(ladder)),
        Some(None) => Err(Problem::not_found(match app.config.load().sip.trace_calls {
            0 => "no SIP messages are kept: [sip] trace_calls is 0".to_owned(),
            most => format!("no SIP messages are kept of {what}: the last {most} calls are, since the start"),
        })),
        None => Err(Problem::unavailable("the engine does not answer")),
    }
}
