//! Edits of queues and agents while the engine runs.

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::config::edits::Edits;
use crate::config::plan::Change;

use super::api::{Answer, with_waiting};
use super::problem::Problem;
use super::{App, KeyName};

/// What somebody wants changed.
#[derive(Debug)]
pub struct Edit {
    /// `queue` or `agent`.
    pub kind: &'static str,
    /// Which.
    pub name: String,
    /// Keys as in the file; `null` = as the file has it.
    pub changes: Map<String, Value>,
    /// Who: `api`, or `api:KEY`.
    pub by: String,
    /// Only tell what would change.
    pub dry_run: bool,
}

/// Why it is not.
#[derive(Debug)]
pub enum EditFault {
    /// There is none of this name.
    Unknown,
    /// What is wrong.
    Refused(Vec<String>),
    /// It cannot be written down.
    Disk(String),
    /// There is no configuration to be edited.
    NoFile,
}

/// Query of `PATCH …/settings`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditQuery {
    #[serde(default)]
    dry_run: bool,
}

/// `PATCH /queues/{name}/settings`.
pub async fn queue(
    state: State<App>,
    name: Path<String>,
    query: Query<EditQuery>,
    key: Option<Extension<KeyName>>,
    body: Json<Map<String, Value>>,
) -> Answer<Json<Value>> {
    edit("queue", state, name, query, key, body).await
}

/// `PATCH /agents/{id}/settings`.
pub async fn agent(
    state: State<App>,
    name: Path<String>,
    query: Query<EditQuery>,
    key: Option<Extension<KeyName>>,
    body: Json<Map<String, Value>>,
) -> Answer<Json<Value>> {
    edit("agent", state, name, query, key, body).await
}

async fn edit(
    kind: &'static str,
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<EditQuery>,
    key: Option<Extension<KeyName>>,
    Json(changes): Json<Map<String, Value>>,
) -> Answer<Json<Value>> {
    let by = key.map_or_else(|| "api".to_owned(), |Extension(KeyName(name))| format!("api:{name}"));
    let edit = Edit { kind, name: name.clone(), changes, by, dry_run: query.dry_run };
    let editor = App::clone(&app);
    let outcome = tokio::task::spawn_blocking(move || (editor.edit)(edit)).await;
    let changes: Vec<Change> = match outcome {
        Ok(Ok(changes)) => changes,
        Ok(Err(EditFault::Unknown)) => return Err(Problem::not_found(format!("there is no {kind} {name}"))),
        Ok(Err(EditFault::Refused(errors))) => return Err(Problem::bad_request(errors.join("\n"))),
        Ok(Err(EditFault::Disk(error))) => {
            return Err(Problem::unavailable(format!("it cannot be written down: {error}")));
        }
        Ok(Err(EditFault::NoFile)) => return Err(Problem::conflict("the demo has no configuration to be edited")),
        Err(_) => return Err(Problem::unavailable("the edit failed; the old configuration is in force")),
    };
    Ok(Json(json!({ "changes": with_waiting(&app, &changes), "dry_run": query.dry_run })))
}

/// `GET /edits`: what is edited.
pub async fn list(State(app): State<App>) -> Answer<Json<Value>> {
    let reader = App::clone(&app);
    let text = tokio::task::spawn_blocking(move || (reader.edits)()).await.ok().flatten().unwrap_or_default();
    let edits = Edits::parse(&text).map_err(Problem::unavailable)?;
    let items =
        edits.iter().map(|(kind, name, key, value)| json!({ "kind": kind, "name": name, "key": key, "value": value }));
    // Flows that are not those of the files are an edit too.
    let version =
        app.flows.pinned().map(|version| json!({ "kind": "ivr", "name": "", "key": "version", "value": version }));
    Ok(Json(json!({ "items": items.chain(version).collect::<Vec<_>>() })))
}
