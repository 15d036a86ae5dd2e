//! Prompts: what there is, hearing one, and putting another in its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde::Serialize;
use serde_json::{Value, json};

use super::api::Answer;
use super::flows::who;
use super::problem::Problem;
use super::{App, KeyName};

/// Largest WAV file that is taken.
const WAV_BYTES: usize = 10 << 20;

/// One prompt.
#[derive(Clone, Debug, Serialize)]
pub struct PromptView {
    /// Its id.
    pub id: String,
    /// Its words by language.
    pub text: BTreeMap<String, String>,
    /// How long its recording is, by language; a language without one is missing.
    pub seconds: BTreeMap<String, f64>,
    /// Where it is said: `flow.node`, `queue NAME`, `the engine`.
    pub used: Vec<String>,
}

/// A recording that was taken.
#[derive(Clone, Debug, Serialize)]
pub struct PromptTaken {
    /// The prompt.
    pub id: String,
    /// In which language.
    pub language: String,
    /// How long it is.
    pub seconds: f64,
    /// Silence that was cut off.
    pub cut_seconds: f64,
    /// How loud the recording was.
    pub was_lufs: f64,
    /// How loud the prompt is.
    pub lufs: f64,
    /// Its highest point.
    pub peak_dbtp: f64,
}

/// Why it is not.
#[derive(Debug)]
pub enum PromptRefusal {
    /// There is no such prompt or language.
    Unknown(String),
    /// What is wrong with the recording.
    Bad(String),
    /// It cannot be written.
    Disk(String),
}

/// The prompts of the running engine.
pub trait Prompts: Send + Sync {
    /// All of them.
    ///
    /// # Errors
    ///
    /// What is wrong with the manifest.
    fn list(&self) -> Result<Vec<PromptView>, String>;
    /// The WAV file of one; `None` when there is none.
    fn audio(&self, language: &str, id: &str) -> Option<Vec<u8>>;
    /// Puts a recording in its place; those who begin to hear it from now on hear the new one.
    ///
    /// # Errors
    ///
    /// A [`PromptRefusal`]; then what was there stays.
    fn put(&self, language: &str, id: &str, wav: &[u8], by: &str) -> Result<PromptTaken, PromptRefusal>;
}

/// What is below `/api/v1/prompts`.
pub fn routes() -> Router<App> {
    let audio = get(audio).put(put).layer(DefaultBodyLimit::max(WAV_BYTES));
    Router::new().route("/api/v1/prompts", get(list)).route("/api/v1/prompts/{lang}/{id}/audio", audio)
}

/// `GET /prompts`.
async fn list(State(app): State<App>) -> Answer<Json<Value>> {
    let reader = Arc::clone(&app.prompts);
    match tokio::task::spawn_blocking(move || reader.list()).await {
        Ok(Ok(items)) => Ok(Json(json!({ "items": items }))),
        Ok(Err(faults)) => Err(Problem::conflict(faults)),
        Err(_) => Err(Problem::unavailable("the prompts cannot be read")),
    }
}

/// `GET /prompts/{lang}/{id}/audio`: a WAV file.
async fn audio(State(app): State<App>, Path((language, id)): Path<(String, String)>) -> Answer<Response> {
    let missing = Problem::not_found(format!("no recording of {id} in {language}"));
    let reader = Arc::clone(&app.prompts);
    let read = tokio::task::spawn_blocking(move || reader.audio(&language, &id)).await;
    let wav = read.ok().flatten().ok_or(missing)?;
    Ok(([(header::CONTENT_TYPE, "audio/wav"), (header::CACHE_CONTROL, "no-cache")], wav).into_response())
}

/// `PUT /prompts/{lang}/{id}/audio`: a WAV file; it is cut and levelled as `hatif prompts import` does it, and heard at once.
async fn put(
    State(app): State<App>,
    Path((language, id)): Path<(String, String)>,
    key: Option<Extension<KeyName>>,
    wav: Bytes,
) -> Answer<Json<Value>> {
    let (prompts, by) = (Arc::clone(&app.prompts), who(key));
    match tokio::task::spawn_blocking(move || prompts.put(&language, &id, &wav, &by)).await {
        Ok(Ok(taken)) => Ok(Json(json!(taken))),
        Ok(Err(PromptRefusal::Unknown(what))) => Err(Problem::not_found(what)),
        Ok(Err(PromptRefusal::Bad(what))) => Err(Problem::bad_request(what)),
        Ok(Err(PromptRefusal::Disk(what))) => Err(Problem::unavailable(format!("it cannot be written: {what}"))),
        Err(_) => Err(Problem::unavailable("it failed; the old recording is in force")),
    }
}
