//! Recordings: what there is, its audio, pausing one that runs.

use std::io::SeekFrom;
use std::path::PathBuf;

use axum::body::Body;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, http::HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::api::{Answer, PATIENCE, parse_call};
use super::problem::Problem;
use super::{App, KeyName};
use crate::engine::{Command, Input};
use crate::id::RecordingId;
use crate::io::driver;
use crate::storage::recordings::sidecar::{Format, Sidecar};
use crate::storage::records::RecordingRow;

/// The largest piece of audio sent in one answer, in bytes: the client asks for the next range.
const AUDIO_MAX: u64 = 8 << 20;
/// The longest reason of a pause, in bytes.
const WHY_MAX: usize = 200;

/// Body of `POST /calls/{id}/recording`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseBody {
    action: String,
    #[serde(default)]
    reason: String,
}

/// `POST /calls/{id}/recording`: pauses the recording or resumes it; answers with how it is then. Asking for what is so
/// already is no fault.
pub async fn pause(
    State(app): State<App>,
    Path(id): Path<String>,
    key: Option<Extension<KeyName>>,
    Json(body): Json<PauseBody>,
) -> Answer<Json<Value>> {
    let call = parse_call(&id)?;
    let on = match body.action.as_str() {
        "pause" => true,
        "resume" => false,
        other => return Err(Problem::bad_request(format!("no action {other}: pause or resume"))),
    };
    if body.reason.len() > WHY_MAX || body.reason.contains(char::is_control) {
        return Err(Problem::bad_request(format!("a reason is one line of at most {WHY_MAX} bytes")));
    }
    if !app.present().live.calls().contains_key(&call) {
        return Err(Problem::not_found(format!("{call} is not up")));
    }
    let by = key.map_or_else(|| "api".to_owned(), |Extension(KeyName(name))| format!("api:{name}"));
    let inbox = app.inbox.clone();
    let done = tokio::task::spawn_blocking(move || {
        driver::ask(&inbox, PATIENCE, move |engine, now| {
            engine.handle(now, Input::Command(Command::Recording { call, pause: on, by, why: body.reason }));
            engine.recording_of(call)
        })
    });
    match done.await.ok().flatten() {
        Some(Some((recording, paused))) => {
            Ok(Json(json!({ "call_id": call, "recording": recording, "paused": paused })))
        }
        Some(None) => Err(Problem::conflict(format!("{call} is not recorded now"))),
        None => Err(Problem::unavailable("the engine does not answer")),
    }
}

/// Query of `GET /recordings`.
#[derive(Debug, Deserialize)]
pub struct ListQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

/// `GET /recordings`: of ended calls, newest first.
pub async fn list(State(app): State<App>, Query(query): Query<ListQuery>) -> Answer<Json<Value>> {
    let cursor = query.cursor.map(|c| c.parse::<RecordingId>()).transpose();
    let cursor = cursor.map_err(|error| Problem::bad_request(error.to_string()))?;
    let rows = app.records.recordings(query.limit.unwrap_or(50), cursor).await?;
    let items: Vec<Value> = rows.iter().map(value).collect();
    Ok(Json(json!({ "items": items })))
}

fn value(row: &RecordingRow) -> Value {
    let mut value: Value = serde_json::from_str(&row.json).unwrap_or_else(|_| json!({}));
    if let Some(fields) = value.as_object_mut() {
        fields.insert("id".into(), json!(row.id));
        fields.insert("call_id".into(), json!(row.call_id));
    }
    value
}

fn missing(id: &str) -> Problem {
    Problem::not_found(format!("there is no recording {id}"))
}

/// `GET /recordings/{id}`.
pub async fn one(State(app): State<App>, Path(id): Path<String>) -> Answer<Json<Value>> {
    let row = match id.parse::<RecordingId>() {
        Ok(id) => app.records.recording(id).await?,
        Err(_) => None,
    };
    row.map(|row| Json(value(&row))).ok_or_else(|| missing(&id))
}

/// `GET /recordings/{id}/sidecar`: the document beside the audio.
pub async fn sidecar(State(app): State<App>, Path(id): Path<String>) -> Answer<Json<Value>> {
    let recording: RecordingId = id.parse().map_err(|_| missing(&id))?;
    let path = app.data_dir.join(recording.beside("json"));
    let read = tokio::task::spawn_blocking(move || Sidecar::read(&path)).await;
    match read {
        Ok(Ok(sidecar)) => Ok(Json(json!(sidecar))),
        Ok(Err(_)) | Err(_) => Err(missing(&id)),
    }
}

/// Query of `GET /recordings/{id}/audio`.
#[derive(Debug, Deserialize)]
pub struct AudioQuery {
    track: Option<String>,
}

/// `GET /recordings/{id}/audio`: the call, or with `track=supervisor` or `track=consult` (the second: `consult-2`) that
/// voice; whole or by Range (RFC 9110 §14.2, one range of bytes).
pub async fn audio(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<AudioQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    // The path comes from the id's own digits and a few words, never from the request's text.
    let recording: RecordingId = id.parse().map_err(|_| missing(&id))?;
    let track = track(query.track.as_deref().unwrap_or("call")).ok_or_else(|| missing(&id))?;
    let places =
        Format::ALL.map(|format| (app.data_dir.join(recording.beside(&format!("{track}{}", format.ending()))), format));
    let (mut file, format) = open(places).await.ok_or_else(|| missing(&id))?;
    let size = file.metadata().await.map_err(|_| missing(&id))?.len();
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (first, last) = match asked.map(|text| byte_range(text, size)) {
        None => (0, size.saturating_sub(1)),
        Some(Some(range)) => range,
        Some(None) => {
            let whole = format!("bytes */{size}");
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, whole)]).into_response());
        }
    };
    let partial = asked.is_some() || last - first >= AUDIO_MAX;
    let last = last.min(first + AUDIO_MAX - 1);
    let mut bytes = vec![0; usize::try_from(last + 1 - first).unwrap_or(0)];
    let read = async {
        file.seek(SeekFrom::Start(first)).await?;
        file.read_exact(&mut bytes).await
    };
    read.await.map_err(|_| Problem::unavailable("the recording cannot be read"))?;
    let status = if partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = (status, Body::from(bytes)).into_response();
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if partial && let Ok(value) = format!("bytes {first}-{last}/{size}").parse() {
        fields.insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

/// What a track's file has between the recording's name and its format.
fn track(name: &str) -> Option<String> {
    if name == "call" {
        return Some(String::new());
    }
    let (word, number) = name.split_once('-').map_or((name, None), |(word, number)| (word, Some(number)));
    let known = ["supervisor", "consult"].contains(&word);
    let number = number.map_or(Some(1), |number| number.parse::<u16>().ok()).filter(|_| known)?;
    Some(if number > 1 { format!("{word}-{number}.") } else { format!("{word}.") })
}

/// The first of these files that is there: an archive takes the place of the WAV while somebody may ask.
async fn open(places: [(PathBuf, Format); 3]) -> Option<(tokio::fs::File, Format)> {
    for (path, format) in places {
        if let Ok(file) = tokio::fs::File::open(path).await {
            return Some((file, format));
        }
    }
    None
}

/// First and last byte of a `Range` value; `None` when it does not fit the file.
fn byte_range(text: &str, size: u64) -> Option<(u64, u64)> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    let end = size.checked_sub(1)?;
    let range = match (from, to) {
        ("", suffix) => (size.saturating_sub(suffix.parse().ok()?), end),
        (from, "") => (from.parse().ok()?, end),
        (from, to) => (from.parse().ok()?, to.parse::<u64>().ok()?.min(end)),
    };
    (range.0 <= range.1).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_is_one_of_a_few_words() {
        assert_eq!(track("call").as_deref(), Some(""));
        assert_eq!(track("supervisor").as_deref(), Some("supervisor."));
        assert_eq!(track("consult-2").as_deref(), Some("consult-2."));
        for wrong in ["", "../x", "supervisor-x", "call-2", "consult-70000"] {
            assert_eq!(track(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_range_is_read_as_rfc_9110_says() {
        assert_eq!(byte_range("bytes=0-99", 1_000), Some((0, 99)));
        assert_eq!(byte_range("bytes=900-", 1_000), Some((900, 999)));
        assert_eq!(byte_range("bytes=-100", 1_000), Some((900, 999)));
        assert_eq!(byte_range("bytes=900-5000", 1_000), Some((900, 999)));
        assert_eq!(byte_range("bytes=1000-", 1_000), None);
        assert_eq!(byte_range("bytes=5-2", 1_000), None);
        assert_eq!(byte_range("lines=0-1", 1_000), None);
        assert_eq!(byte_range("bytes=0-", 0), None);
    }
}
