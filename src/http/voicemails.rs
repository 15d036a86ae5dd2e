//! Voice messages of the boxes of queues. Their sound is that of their recording.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::id::{QueueName, RecordingId};
use crate::report::places::Voicemail;

use super::App;
use super::KeyName;
use super::api::Answer;
use super::bans::ask;
use super::problem::Problem;

/// Query of `GET /voicemails`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    queue: Option<QueueName>,
}

/// `GET /voicemails`: oldest first.
pub async fn list(State(app): State<App>, Query(query): Query<ListQuery>) -> Answer<Json<Value>> {
    let found = ask(app, move |engine, _| engine.voicemails(query.queue.as_ref())).await?;
    Ok(Json(json!({ "items": found.iter().map(item).collect::<Vec<_>>() })))
}

/// `POST /voicemails/{id}/heard`.
pub async fn heard(
    State(app): State<App>,
    Path(id): Path<String>,
    key: Option<Extension<KeyName>>,
) -> Answer<StatusCode> {
    let (recording, by) = (parse(&id)?, name(key));
    found(&id, ask(app, move |engine, now| engine.voicemail_heard(now, recording, &by)).await?)
}

/// `DELETE /voicemails/{id}`: out of the box; the recording stays with its call.
pub async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    key: Option<Extension<KeyName>>,
) -> Answer<StatusCode> {
    let (recording, by) = (parse(&id)?, name(key));
    found(&id, ask(app, move |engine, now| engine.delete_voicemail(now, recording, &by)).await?)
}

fn name(key: Option<Extension<KeyName>>) -> String {
    key.map_or_else(|| "api".to_owned(), |Extension(KeyName(name))| format!("api:{name}"))
}

fn parse(id: &str) -> Answer<RecordingId> {
    id.parse().map_err(|_| unknown(id))
}

fn found(id: &str, is_there: bool) -> Answer<StatusCode> {
    if is_there { Ok(StatusCode::NO_CONTENT) } else { Err(unknown(id)) }
}

fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("there is no message {id}: see GET /api/v1/voicemails"))
}

fn item(message: &Voicemail) -> Value {
    let (heard_by, heard_at) = message.heard.clone().unzip();
    json!({
        "id": message.recording,
        "queue": message.queue,
        "from": message.from,
        "at": message.at,
        "seconds": message.length_ms as f64 / 1_000.0,
        "state": if message.heard.is_some() { "heard" } else { "new" },
        "heard_by": heard_by,
        "heard_at": heard_at,
        "call_id": message.call,
        "audio": format!("/api/v1/recordings/{}/audio", message.recording),
    })
}
