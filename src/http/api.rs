//! The resources of `/api/v1`.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::acd::Wish;
use crate::acd::config::PauseCode;
use crate::clock::Wall;
use crate::config::Config;
use crate::config::plan::Change;
use crate::engine::{Command, Input};
use crate::id::{AgentId, CallId, QueueName};
use crate::io::driver;
use crate::journal::{AgentStateName, StateCause};
use crate::report::live::{Live, Phase};
use crate::report::record::LegQuality;
use crate::report::word;
use crate::storage::records::{Filter, Key};

use super::App;
use super::preview::estimated;
use super::problem::Problem;

/// How long the engine may take to answer; it answers in microseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// How often, and how long apart, the answers of the media threads are looked for: they come within a millisecond.
const MEDIA_TRIES: u32 = 10;
const MEDIA_NAP: Duration = Duration::from_millis(5);

pub(super) type Answer<T> = Result<T, Problem>;

/// Query of `GET /calls`.
#[derive(Debug, Deserialize)]
pub struct CallsQuery {
    state: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
    queue: Option<String>,
    agent: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

/// `GET /calls`: ended calls, newest first; with `state=live` those that are up.
pub async fn calls(State(app): State<App>, Query(query): Query<CallsQuery>) -> Answer<Json<Value>> {
    if query.state.as_deref() == Some("live") {
        let present = app.present();
        let items: Vec<Value> =
            present.live.calls().keys().rev().filter_map(|id| live_call(&present.live, *id)).collect();
        return Ok(Json(json!({ "items": items, "next_cursor": null })));
    }
    let moment = |text: Option<String>| -> Answer<Option<Wall>> {
        text.map(|t| t.parse().map_err(|e: crate::clock::WallError| Problem::bad_request(e.to_string()))).transpose()
    };
    let cursor = query.cursor.map(|c| c.parse::<CallId>()).transpose();
    let filter = Filter {
        limit: query.limit.unwrap_or(50),
        cursor: cursor.map_err(|error| Problem::bad_request(error.to_string()))?,
        queue: query.queue,
        agent: query.agent,
        from: moment(query.from)?,
        to: moment(query.to)?,
    };
    let page = app.records.list(&filter).await?;
    let items: Vec<Value> = page.calls.iter().filter_map(|text| serde_json::from_str(text).ok()).map(flat).collect();
    Ok(Json(json!({ "items": items, "next_cursor": page.next.map(|id| id.to_string()) })))
}

/// Adds the fields that lists show to a record.
fn flat(mut record: Value) -> Value {
    let pick = |pointer: &str| record.pointer(pointer).cloned().unwrap_or(Value::Null);
    let (queue, reason) = (pick("/queue_visits/0/queue"), pick("/end/reason"));
    let agents = record.get("agents").and_then(Value::as_array).cloned().unwrap_or_default();
    let talked = agents.iter().rev().find(|agent| agent.get("answered_at").is_some_and(|at| !at.is_null()));
    let agent = talked.and_then(|agent| agent.get("agent")).cloned().unwrap_or(Value::Null);
    if let Some(fields) = record.as_object_mut() {
        fields.insert("queue".into(), queue);
        fields.insert("reason".into(), reason);
        fields.insert("agent".into(), agent);
    }
    record
}

fn live_call(live: &Live, id: CallId) -> Option<Value> {
    let call = live.calls().get(&id)?;
    let mut value = serde_json::to_value(call).ok()?;
    let fields = value.as_object_mut()?;
    let phase = fields.remove("phase").unwrap_or(Value::Null);
    fields.insert("call_id".into(), json!(id));
    fields.insert("state".into(), json!("live"));
    fields.extend(phase.as_object().cloned().unwrap_or_default());
    if let Phase::Talking { agent, .. } = &call.phase {
        fields.insert("agent".into(), json!(agent));
    }
    Some(value)
}

/// `GET /calls/{id}`: the record of an ended call, or what a live one does now.
pub async fn call(State(app): State<App>, Path(id): Path<String>) -> Answer<Json<Value>> {
    let call = parse_call(&id)?;
    if let Some(text) = app.records.get(call).await? {
        let record = serde_json::from_str(&text).map_err(|_| Problem::unavailable("the record cannot be read"))?;
        return Ok(Json(record));
    }
    let live = live_call(&app.present().live, call);
    let mut live = live.ok_or_else(|| Problem::not_found(format!("there is no call {call}")))?;
    if let Some(fields) = live.as_object_mut() {
        fields.insert("media".into(), media_of(app, call).await);
    }
    Ok(Json(live))
}

/// How the legs of a live call are now, by whose they are: the media threads are asked.
async fn media_of(app: App, call: CallId) -> Value {
    let inbox = app.inbox.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let legs = driver::ask(&inbox, PATIENCE, move |engine, _| engine.ask_quality(call)).unwrap_or(0);
        let mut told = Vec::new();
        for _try in 0..MEDIA_TRIES {
            if told.len() >= legs {
                break;
            }
            std::thread::sleep(MEDIA_NAP);
            told = driver::ask(&inbox, PATIENCE, move |engine, _| engine.qualities(call)).unwrap_or_default();
        }
        told
    });
    let told = asked.await.unwrap_or_default();
    told.iter().map(|(role, quality)| (word(role), json!(LegQuality::from(quality)))).collect()
}

pub(super) fn parse_call(id: &str) -> Answer<CallId> {
    id.parse().map_err(|_| Problem::not_found(format!("there is no call {id}")))
}

/// `DELETE /calls/{id}`: ends it.
pub async fn hang_up(State(app): State<App>, Path(id): Path<String>) -> Answer<StatusCode> {
    let call = parse_call(&id)?;
    if !app.present().live.calls().contains_key(&call) {
        return Err(Problem::not_found(format!("{call} is not up")));
    }
    app.inbox.send(Input::Command(Command::HangUp(call)));
    Ok(StatusCode::ACCEPTED)
}

fn queue_value(config: &Config, live: &Live, now: Wall, name: &str) -> Option<Value> {
    let queue = config.floor.queues.values().find(|queue| queue.name.as_str() == name)?;
    let waiting = live.waiting(name);
    let longest = live.on_the_line(name).map(|w| now.since(w.entered_at)).max().unwrap_or_default();
    let mut value = json!({
        "name": name,
        "waiting": live.on_the_line(name).count(),
        "callbacks": live.callbacks(name),
        "longest_wait_seconds": longest.as_secs_f64(),
        "service_level_seconds": queue.service_level.as_secs_f64(),
        "callers": waiting.iter().enumerate().map(|(at, w)| json!({
            "call_id": w.call,
            "position": at + 1,
            "entered_at": w.entered_at,
            "wait_seconds": now.since(w.entered_at).as_secs_f64(),
            "priority": w.priority,
            "callback": w.callback,
            "ringing": w.ringing,
            "also_ringing": w.also_ringing,
        })).collect::<Vec<_>>(),
    });
    let fields = value.as_object_mut()?;
    for state in AgentStateName::ALL {
        let of_queue = config.floor.agents.values().filter(|agent| agent.queues.contains(&queue.name));
        let count = of_queue.filter(|agent| state_of(live, &agent.id) == state).count();
        fields.insert(state.as_str().into(), json!(count));
    }
    Some(value)
}

fn state_of(live: &Live, agent: &AgentId) -> AgentStateName {
    live.agents().get(agent).map_or(AgentStateName::Offline, |known| known.state)
}

/// `GET /queues`.
pub async fn queues(State(app): State<App>) -> Json<Value> {
    let (config, now) = (app.config.load(), (app.wall)());
    let present = app.present();
    let names = config.floor.queues.keys().map(|name| name.as_str());
    let items: Vec<Value> = names.filter_map(|name| queue_value(&config, &present.live, now, name)).collect();
    Json(json!({ "items": items }))
}

/// `GET /queues/{name}` and `/live`.
pub async fn queue(State(app): State<App>, Path(name): Path<String>) -> Answer<Json<Value>> {
    let (config, now) = (app.config.load(), (app.wall)());
    let value = queue_value(&config, &app.present().live, now, &name);
    let mut value = value.ok_or_else(|| Problem::not_found(format!("there is no queue {name}")))?;
    let (inbox, queue) = (app.inbox.clone(), QueueName::from(name));
    let asked = tokio::task::spawn_blocking(move || {
        driver::ask(&inbox, PATIENCE, move |engine, now| engine.floor().estimate(now, &queue, 0))
    });
    let estimate = asked.await.ok().flatten().flatten();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("estimated_wait".into(), json!(estimate.map(|wait| estimated(wait.p50, wait.p80))));
    }
    Ok(Json(value))
}

fn agent_value(config: &Config, live: &Live, id: &str) -> Option<Value> {
    let agent = config.floor.agents.get(&AgentId::from(id))?;
    let known = live.agents().get(&agent.id);
    Some(json!({
        "id": agent.id,
        "name": agent.name,
        "state": state_of(live, &agent.id),
        "code": known.and_then(|k| k.code.clone()),
        "pause": known.and_then(|k| config.floor.pauses.codes.get(k.code.as_deref()?)).map(pause_value),
        "since": known.map(|k| k.since),
        "next": known.and_then(|k| k.next.clone()),
        "call": known.and_then(|k| k.call),
        "until": known.and_then(|k| k.until),
        "registered": known.is_some_and(|k| k.registered) || agent.contact.is_some(),
        "calls": known.map_or(0, |k| k.shift.calls),
        "talk_s": known.map_or(0.0, |k| Duration::from_millis(k.shift.talk_ms).as_secs_f64()),
        "missed": known.map(|k| k.shift.missed.clone()).unwrap_or_default(),
        "queues": agent.queues,
        "skills": agent.skills,
    }))
}

/// `GET /agents`.
pub async fn agents(State(app): State<App>) -> Json<Value> {
    let config = app.config.load();
    let present = app.present();
    let ids = config.floor.agents.keys().map(|id| id.as_str());
    let items: Vec<Value> = ids.filter_map(|id| agent_value(&config, &present.live, id)).collect();
    Json(json!({ "items": items }))
}

/// `GET /agents/{id}`.
pub async fn agent(State(app): State<App>, Path(id): Path<String>) -> Answer<Json<Value>> {
    let value = agent_value(&app.config.load(), &app.present().live, &id);
    value.map(Json).ok_or_else(|| Problem::not_found(format!("there is no agent {id}")))
}

/// Body of `PUT /agents/{id}/state`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateBody {
    state: String,
    code: Option<String>,
}

/// `PUT /agents/{id}/state`: answers with the agent as he is right after it.
pub async fn set_state(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(body): Json<StateBody>,
) -> Answer<Json<Value>> {
    let agent = AgentId::from(id.as_str());
    if !app.config.load().floor.agents.contains_key(&agent) {
        return Err(Problem::not_found(format!("there is no agent {id}")));
    }
    let wish = match body.state.as_str() {
        "ready" => Wish::Ready,
        "paused" => Wish::Pause(pause_code(&app.config.load(), body.code)?),
        "offline" => Wish::Logout,
        "wrap_up" => Wish::WrapUp,
        "finish_wrap_up" => Wish::FinishWrapUp,
        other => {
            let words = "ready, paused, offline, wrap_up or finish_wrap_up";
            return Err(Problem::bad_request(format!("no state {other}: {words}")));
        }
    };
    let inbox = app.inbox.clone();
    let view = tokio::task::spawn_blocking(move || {
        driver::ask(&inbox, PATIENCE, move |engine, now| {
            let command = Command::Agent { agent: agent.clone(), wish, by: StateCause::Supervisor };
            engine.handle(now, Input::Command(command));
            engine.floor().agent(&agent)
        })
    });
    match view.await.ok().flatten().flatten() {
        Some(view) => Ok(Json(json!({ "id": view.id, "state": view.state, "code": view.code, "next": view.next }))),
        None => Err(Problem::unavailable("the engine does not answer")),
    }
}

/// The pause code that a supervisor names, or `break`.
fn pause_code(config: &Config, code: Option<String>) -> Answer<String> {
    let rules = &config.floor.pauses;
    let code = code.unwrap_or_else(|| "break".to_owned());
    rules.choose(&code, StateCause::Supervisor).map_err(|error| {
        let known: Vec<&str> = rules.codes.keys().map(String::as_str).collect();
        let known = if known.is_empty() { String::new() } else { format!("; there are {}", known.join(", ")) };
        Problem::bad_request(format!("{error}{known}"))
    })
}

/// `GET /pause-codes`.
pub async fn pause_codes(State(app): State<App>) -> Json<Value> {
    let config = app.config.load();
    let items: Vec<Value> = config.floor.pauses.codes.values().map(pause_value).collect();
    Json(json!({ "items": items, "forced": config.floor.pauses.force }))
}

fn pause_value(code: &PauseCode) -> Value {
    json!({
        "id": code.id,
        "label": code.labels,
        "digits": code.digits,
        "paid": code.paid,
        "productive": code.productive,
        "max_seconds": code.max.map(|max| max.as_secs_f64()),
        "after_max": code.after_max,
    })
}

/// `GET /keys`: without their secrets.
pub async fn keys(State(app): State<App>) -> Answer<Json<Value>> {
    Ok(Json(json!({ "items": app.records.keys().await? })))
}

/// Body of `POST /keys`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyBody {
    name: String,
}

/// `POST /keys`: makes a key; the secret is in this answer and nowhere else.
pub async fn add_key(State(app): State<App>, Json(body): Json<KeyBody>) -> Answer<Response> {
    let unavailable = |_| Problem::unavailable("the system gives no random numbers");
    let (id, secret) = (random_word(6).map_err(unavailable)?, format!("hk_{}", random_word(32).map_err(unavailable)?));
    let key = Key { id, name: body.name, scopes: vec!["*".to_owned()], created: (app.wall)() };
    app.records.add_key(&key, &secret).await?;
    let answer = json!({ "id": key.id, "name": key.name, "key": secret });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// `DELETE /keys/{id}`.
pub async fn revoke_key(State(app): State<App>, Path(id): Path<String>) -> Answer<StatusCode> {
    match app.records.remove_key(&id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found(format!("there is no key {id}"))),
    }
}

/// Letters and digits from the system's random source.
pub fn random_word(length: usize) -> Result<String, getrandom::Error> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnopqrstuvwxyz2345679";
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|b| char::from(LETTERS[usize::from(b % 32)])).collect())
}

/// Query of `POST /admin/reload`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReloadQuery {
    #[serde(default)]
    dry_run: bool,
}

/// `POST /admin/reload`; with `dry_run=true` it only tells what would change, and for how many who wait.
pub async fn reload(State(app): State<App>, Query(query): Query<ReloadQuery>) -> Answer<Json<Value>> {
    if query.dry_run {
        return dry_run(app).await;
    }
    let outcome = tokio::task::spawn_blocking(move || (app.reload)()).await;
    match outcome {
        Ok(outcome) => Ok(Json(json!(outcome))),
        Err(_) => Err(Problem::unavailable("the reload failed; the old configuration is in force")),
    }
}

async fn dry_run(app: App) -> Answer<Json<Value>> {
    let reader = App::clone(&app);
    let plan = match tokio::task::spawn_blocking(move || (reader.plan)()).await {
        Ok(Ok(plan)) => plan,
        Ok(Err(error)) => return Ok(Json(json!({ "accepted": false, "errors": [error], "changes": [] }))),
        Err(_) => return Err(Problem::unavailable("the configuration could not be read; nothing was changed")),
    };
    Ok(Json(json!({ "accepted": true, "errors": [], "changes": with_waiting(&app, &plan) })))
}

/// Changes, each with how many wait in the queue it is about.
pub(super) fn with_waiting(app: &App, changes: &[Change]) -> Vec<Value> {
    let present = app.present();
    let items = changes.iter().map(|change| {
        let mut item = json!(change);
        if let (Some(queue), Some(fields)) = (&change.queue, item.as_object_mut()) {
            fields.insert("waiting".into(), json!(present.live.on_the_line(queue.as_str()).count()));
        }
        item
    });
    items.collect()
}
