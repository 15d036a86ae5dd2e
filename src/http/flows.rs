//! Flows: those in force, their versions, activating one of these, and checking files before they are deployed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Wall;
use crate::config::plan::Change;
use crate::diagnostic::Diagnostic;
use crate::report::live::Phase;

use super::api::Answer;
use super::problem::Problem;
use super::{App, KeyName};

/// Most bytes of files that are checked at once.
const CHECK_BYTES: usize = 16 << 20;
/// Longest note, in bytes.
const NOTE_MAX: usize = 200;

/// One flow of a library.
#[derive(Clone, Debug, Serialize)]
pub struct FlowView {
    /// Its name.
    pub name: String,
    /// Its version: what call records have as `ivr.version`.
    pub version: String,
    /// What people call it, by language.
    pub title: BTreeMap<String, String>,
    /// Languages it speaks.
    pub languages: Vec<String>,
    /// Nodes.
    pub nodes: usize,
    /// Ways between them.
    pub edges: usize,
}

/// One library that was taken.
#[derive(Clone, Debug, Serialize)]
pub struct VersionView {
    /// Its id.
    pub id: String,
    /// When it was taken first.
    pub taken_at: Wall,
    /// By whom.
    pub by: String,
    /// The version of each flow in it.
    pub flows: BTreeMap<String, String>,
    /// Flows that are new, changed or gone beside the one taken before it.
    pub changed: BTreeSet<String>,
    /// New calls get it.
    pub active: bool,
    /// The files hold it.
    pub from_files: bool,
    /// Of the active one: since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Wall>,
    /// Of the active one: who activated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activated_by: Option<String>,
    /// Of the active one: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What somebody wants to be in force.
#[derive(Debug)]
pub struct Activation {
    /// The beginning of its id; none: the one that was active before.
    pub id: Option<String>,
    /// Why; may be empty.
    pub note: String,
    /// Who: `api`, or `api:KEY`.
    pub by: String,
    /// Only tell what would change.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub struct Activated {
    /// It is in force, or would be.
    pub accepted: bool,
    /// Which.
    pub id: String,
    /// What changes.
    pub changes: Vec<Change>,
    /// What is to be looked at.
    pub warnings: Vec<String>,
    /// Why it was refused; the old one stays.
    pub errors: Vec<String>,
}

/// Why nothing could be tried.
#[derive(Debug)]
pub enum ActivateFault {
    /// There is no such version, or more than one.
    Unknown(String),
    /// Nothing was active before.
    NothingBefore,
}

/// The flows of the running engine.
pub trait Flows: Send + Sync {
    /// Those in force.
    fn in_force(&self) -> Vec<FlowView>;
    /// All libraries kept, the newest first.
    fn versions(&self) -> Vec<VersionView>;
    /// The one in force, shortened, when it is not what the files hold.
    fn pinned(&self) -> Option<String>;
    /// Activates one.
    ///
    /// # Errors
    ///
    /// There is none to be tried.
    fn activate(&self, activation: Activation) -> Result<Activated, ActivateFault>;
    /// Checks files against the configuration in force; the flows are there when no diagnostic is an error.
    fn check(&self, files: BTreeMap<String, String>, manifest: Option<String>) -> (Vec<FlowView>, Vec<Diagnostic>);
}

/// What is below `/api/v1/ivr`.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/ivr/flows", get(flows))
        .route("/api/v1/ivr/versions", get(versions))
        .route("/api/v1/ivr/versions/{id}/activate", post(activate))
        .route("/api/v1/ivr/rollback", post(roll_back))
        .route("/api/v1/ivr/check", post(check).layer(DefaultBodyLimit::max(CHECK_BYTES)))
}

/// `GET /ivr/flows`: those in force, with how many callers are in each now.
async fn flows(State(app): State<App>) -> Json<Value> {
    let flows = app.flows.in_force();
    let present = app.present();
    let callers = |name: &str| {
        let phases = present.live.calls().values().map(|call| &call.phase);
        phases.filter(|phase| matches!(phase, Phase::Flow { flow, .. } if flow == name)).count()
    };
    let item = |flow: &FlowView| {
        let mut item = json!(flow);
        if let Some(fields) = item.as_object_mut() {
            fields.insert("calls".into(), json!(callers(&flow.name)));
        }
        item
    };
    Json(json!({ "items": flows.iter().map(item).collect::<Vec<_>>() }))
}

/// Query of `GET /ivr/versions`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionsQuery {
    flow: Option<String>,
}

/// `GET /ivr/versions`: the newest first; with `flow` only those in which that one changed.
async fn versions(State(app): State<App>, Query(query): Query<VersionsQuery>) -> Answer<Json<Value>> {
    let reader = Arc::clone(&app.flows);
    let versions = tokio::task::spawn_blocking(move || reader.versions()).await;
    let mut versions = versions.map_err(|_| Problem::unavailable("the versions cannot be read"))?;
    if let Some(flow) = &query.flow {
        if !versions.iter().any(|version| version.flows.contains_key(flow)) {
            return Err(Problem::not_found(format!("no version has a flow {flow}")));
        }
        versions.retain(|version| version.changed.contains(flow));
    }
    Ok(Json(json!({ "items": versions })))
}

/// Query of the two that activate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivateQuery {
    #[serde(default)]
    dry_run: bool,
}

/// Their body.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivateBody {
    #[serde(default)]
    note: String,
}

/// `POST /ivr/versions/{id}/activate`: `id` may be its beginning.
async fn activate(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<ActivateQuery>,
    key: Option<Extension<KeyName>>,
    body: Option<Json<ActivateBody>>,
) -> Answer<Json<Value>> {
    put(app, Some(id), query, key, body).await
}

/// `POST /ivr/rollback`: the one that was active before.
async fn roll_back(
    State(app): State<App>,
    Query(query): Query<ActivateQuery>,
    key: Option<Extension<KeyName>>,
    body: Option<Json<ActivateBody>>,
) -> Answer<Json<Value>> {
    put(app, None, query, key, body).await
}

async fn put(
    app: App,
    id: Option<String>,
    query: ActivateQuery,
    key: Option<Extension<KeyName>>,
    body: Option<Json<ActivateBody>>,
) -> Answer<Json<Value>> {
    let Json(ActivateBody { note }) = body.unwrap_or_default();
    if note.len() > NOTE_MAX || note.contains(char::is_control) {
        return Err(Problem::bad_request(format!("a note is one line of at most {NOTE_MAX} bytes")));
    }
    let activation = Activation { id, note, by: who(key), dry_run: query.dry_run };
    let done = tokio::task::spawn_blocking(move || app.flows.activate(activation)).await;
    match done {
        Ok(Ok(activated)) => Ok(Json(json!(activated))),
        Ok(Err(ActivateFault::Unknown(error))) => Err(Problem::not_found(error)),
        Ok(Err(ActivateFault::NothingBefore)) => Err(Problem::conflict("nothing was active before this version")),
        Err(_) => Err(Problem::unavailable("it failed; the old version is in force")),
    }
}

/// Who asks, as the journal has it.
pub(super) fn who(key: Option<Extension<KeyName>>) -> String {
    key.map_or_else(|| "api".to_owned(), |Extension(KeyName(name))| format!("api:{name}"))
}

/// Body of `POST /ivr/check`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckBody {
    /// Flow files: name and text, all of a library.
    files: BTreeMap<String, String>,
    /// The prompts manifest; none: the one beside the flow files.
    manifest: Option<String>,
}

/// `POST /ivr/check`: what is wrong with these files; nothing is changed.
async fn check(State(app): State<App>, Json(body): Json<CheckBody>) -> Answer<Json<Value>> {
    let checked = tokio::task::spawn_blocking(move || app.flows.check(body.files, body.manifest)).await;
    let (flows, diagnostics) = checked.map_err(|_| Problem::unavailable("they cannot be checked"))?;
    let accepted = !diagnostics.iter().any(Diagnostic::is_error);
    Ok(Json(json!({ "accepted": accepted, "diagnostics": diagnostics, "flows": flows })))
}
