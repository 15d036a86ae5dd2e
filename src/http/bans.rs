//! Sources that signalling does not listen to for a while.

use std::net::IpAddr;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::io::driver;

use super::App;
use super::api::{Answer, PATIENCE};
use super::problem::Problem;

/// `GET /bans`.
pub async fn bans(State(app): State<App>) -> Answer<Json<Value>> {
    let found = ask(app, |engine, now| engine.bans(now)).await?;
    let items = found.iter().map(
        |ban| json!({ "address": ban.address.to_string(), "left_seconds": ban.left.as_secs(), "times": ban.times }),
    );
    Ok(Json(json!({ "items": items.collect::<Vec<_>>() })))
}

/// `DELETE /bans/{address}`: it is listened to again.
pub async fn unban(State(app): State<App>, Path(address): Path<String>) -> Answer<StatusCode> {
    let known: IpAddr =
        address.parse().map_err(|_| Problem::bad_request(format!("\"{address}\" is not an IP address")))?;
    match ask(app, move |engine, now| engine.unban(now, known)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found(format!("{address} is not banned"))),
    }
}

/// Asks the engine something, off the threads that serve requests.
pub(super) async fn ask<T: Send + 'static>(
    app: App,
    question: impl FnOnce(&mut Engine, std::time::Instant) -> T + Send + 'static,
) -> Answer<T> {
    let asked = tokio::task::spawn_blocking(move || driver::ask(&app.inbox, PATIENCE, question));
    asked.await.ok().flatten().ok_or_else(|| Problem::unavailable("the engine does not answer"))
}
