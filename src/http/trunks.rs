//! Trunks: their state, their calls, what went wrong last.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use crate::engine::TrunkStatus;
use crate::io::driver;

use super::App;
use super::api::{Answer, PATIENCE};
use super::problem::Problem;

/// `GET /trunks`.
pub async fn trunks(State(app): State<App>) -> Answer<Json<Value>> {
    let items: Vec<Value> = statuses(app).await?.iter().map(value).collect();
    Ok(Json(json!({ "items": items })))
}

/// `GET /trunks/{name}`.
pub async fn trunk(State(app): State<App>, Path(name): Path<String>) -> Answer<Json<Value>> {
    let all = statuses(app).await?;
    let found = all.iter().find(|trunk| trunk.name == name);
    found.map(value).map(Json).ok_or_else(|| Problem::not_found(format!("there is no trunk \"{name}\"")))
}

async fn statuses(app: App) -> Answer<Vec<TrunkStatus>> {
    let inbox = app.inbox.clone();
    let asked = tokio::task::spawn_blocking(move || driver::ask(&inbox, PATIENCE, |e, now| e.trunk_statuses(now)));
    asked.await.ok().flatten().ok_or_else(|| Problem::unavailable("the engine does not answer"))
}

fn value(trunk: &TrunkStatus) -> Value {
    let hosts = trunk.hosts.iter().map(|host| {
        json!({
            "address": host.flow.remote.to_string(),
            "transport": host.flow.transport.label(),
            "up": host.up,
            "round_trip_ms": host.round_trip.map(|time| time.as_secs_f64() * 1_000.0),
        })
    });
    json!({
        "name": trunk.name,
        "state": trunk.state(),
        "direction": trunk.direction.label(),
        "calls_in": trunk.calls_in,
        "calls_out": trunk.calls_out,
        "max_calls": trunk.max_calls,
        "registered_for_seconds": trunk.registered_for.map(|time| time.as_secs()),
        "last_failure": trunk.failure.as_ref().map(|(_, what)| what),
        "last_failure_at": trunk.failure.as_ref().map(|(at, _)| at.to_string()),
        "hosts": hosts.collect::<Vec<_>>(),
    })
}
