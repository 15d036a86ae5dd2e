//! Why a call went as it did.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::App;
use super::api::{Answer, parse_call};
use super::problem::Problem;
use crate::config::Config;
use crate::report::explain::{Language, Roster};
use crate::storage::story;

/// Query of `GET /calls/{id}/why`.
#[derive(Debug, Deserialize)]
pub struct WhyQuery {
    lang: Option<String>,
}

/// `GET /calls/{id}/why`: the story of a call, live or ended, in sentences: who was considered, who was passed over and
/// why, what changed when. `?lang=ar|en`, else Accept-Language.
pub async fn why(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<WhyQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let call = parse_call(&id)?;
    let language = language(query.lang.as_deref(), &headers)?;
    let unknown = || Problem::not_found(format!("there is no call {call}"));
    // The journal is not searched for ids that nobody gave out.
    let is_live = app.present().live.calls().contains_key(&call);
    if !is_live && app.records.get(call).await?.is_none() {
        return Err(unknown());
    }
    let (journal, roster) = (app.data_dir.join("journal"), roster(&app.config.load()));
    let read = tokio::task::spawn_blocking(move || story::read(&journal, call, roster)).await;
    let story = match read {
        Ok(Ok(story)) => story,
        Ok(Err(error)) => {
            tracing::error!(%error, "the journal cannot be read for a story");
            return Err(Problem::unavailable("the journal cannot be read; calls go on"));
        }
        Err(_) => return Err(Problem::unavailable("the journal cannot be read; calls go on")),
    };
    if story.is_empty() {
        return Err(Problem::not_found(format!("the journal of call {call} is not kept any more; its record is")));
    }
    let body = json!({
        "call_id": call,
        "language": language.tag(),
        "direction": language.direction(),
        "steps": story.tell(language),
    });
    Ok(([(header::CONTENT_LANGUAGE, language.tag())], Json(body)).into_response())
}

/// The language asked for by name, else the one the client prefers.
fn language(named: Option<&str>, headers: &HeaderMap) -> Answer<Language> {
    if let Some(tag) = named {
        return Language::of(tag).ok_or_else(|| Problem::bad_request(format!("no language {tag}: ar or en")));
    }
    let wished = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Ok(wished.map_or_else(Language::default, Language::accepted))
}

/// Names and queues of the agents by the configuration in force.
fn roster(config: &Config) -> Roster {
    let agents = config.floor.agents.values();
    Roster { agents: agents.map(|agent| (agent.id.clone(), (agent.name.clone(), agent.queues.clone()))).collect() }
}
