//! HTTP: the API, health, metrics, and a first page.
//!
//! One router serves three doors: the public listener (API keys), the metrics listener, and the socket in the data
//! folder for the commands of this machine (no key: its mode is 0600).

#![allow(clippy::disallowed_methods, reason = "this is the shell: it owns the listeners and reads the clock")]

mod api;
mod bans;
mod calendars;
mod callbacks;
mod conference;
pub use api::random_word;
pub mod edits;
pub mod flows;
mod preview;
mod problem;
pub mod prompts;
mod recordings;
mod sip;
mod supervise;
mod trace;
mod trunks;
mod voicemails;
mod why;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{delete, get, patch, post, put};
use axum::{Router, serve};
use crossbeam_channel::Sender;
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, UnixListener};

use crate::clock::Wall;
use crate::config::Config;
use crate::config::plan::Change;
use crate::io::driver::Inbox;
use crate::io::stream::Streams;
use crate::journal::Entry;
use crate::metrics::{Metrics, Readings};
use crate::report::live::Live;
use crate::storage::records::Records;
use edits::{Edit, EditFault};

use problem::Problem;

/// How far what the API and the figures show may be behind.
const PRESENT_NAP: Duration = Duration::from_millis(10);

/// The present as the journal tells it, and the figures folded from it.
#[derive(Default)]
pub struct Present {
    /// Agents, queues, calls.
    pub live: Live,
    /// Counters.
    pub metrics: Metrics,
}

impl Present {
    /// Takes one entry; the figures see the state before it.
    pub fn handle(&mut self, entry: &Entry) {
        self.metrics.handle(entry, &self.live);
        self.live.handle(entry);
    }
}

/// Starts the thread that keeps `present` up to date with the entries sent to it, so that no scrape ever holds the
/// engine. It ends when the sender is gone.
///
/// # Errors
///
/// The system gives no thread.
pub fn follow(present: &Arc<Mutex<Present>>) -> std::io::Result<(Sender<Entry>, JoinHandle<()>)> {
    let (entries, received) = crossbeam_channel::unbounded::<Entry>();
    let present = Arc::clone(present);
    let thread = std::thread::Builder::new().name("present".into()).spawn(move || {
        while let Ok(first) = received.recv() {
            let mut present = present.lock().unwrap_or_else(PoisonError::into_inner);
            std::iter::once(first).chain(received.try_iter()).for_each(|entry| present.handle(&entry));
            drop(present);
            // A nap instead of a wait: a waiting receiver would cost the engine a wake-up for every entry.
            std::thread::sleep(PRESENT_NAP);
        }
    })?;
    Ok((entries, thread))
}

/// What a reload came to.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Reloaded {
    /// It is in force.
    pub accepted: bool,
    /// What to look at, and what only a restart applies.
    pub warnings: Vec<String>,
    /// Why it was refused.
    pub errors: Vec<String>,
}

/// What the handlers share.
pub struct Shared {
    /// The engine.
    pub inbox: Inbox,
    /// The present.
    pub present: Arc<Mutex<Present>>,
    /// Ended calls and keys.
    pub records: Records,
    /// The configuration in force.
    pub config: Arc<ArcSwap<Config>>,
    /// Counters of the other parts, read at a scrape.
    pub readings: Box<dyn Fn() -> Readings + Send + Sync>,
    /// What reading the configuration again would change; what is wrong with it otherwise.
    pub plan: Box<dyn Fn() -> Result<Vec<Change>, String> + Send + Sync>,
    /// Changes the configuration of a queue or an agent; says what changed, or would.
    pub edit: Box<dyn Fn(Edit) -> Result<Vec<Change>, EditFault> + Send + Sync>,
    /// What is edited, as text.
    pub edits: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// The flows in force and those that were.
    pub flows: Arc<dyn flows::Flows>,
    /// What callers hear.
    pub prompts: Arc<dyn prompts::Prompts>,
    /// Reads the configuration again.
    pub reload: Box<dyn Fn() -> Reloaded + Send + Sync>,
    /// The key that `serve --dev` prints.
    pub own_key: Option<String>,
    /// Connections of signalling.
    pub streams: Streams,
    /// Where recordings are.
    pub data_dir: PathBuf,
    /// False while draining.
    pub ready: Arc<AtomicBool>,
    /// Wall time.
    pub wall: Box<dyn Fn() -> Wall + Send + Sync>,
}

impl Shared {
    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of every handler.
pub type App = Arc<Shared>;

/// Serves the public listener: everything, with keys where they are needed.
pub async fn serve_public(app: App, listener: TcpListener, with_metrics: bool) {
    let mut router = routes().merge(health()).route("/sip", get(sip::sip));
    if with_metrics {
        router = router.merge(metrics());
    }
    let guarded = router.layer(middleware::from_fn_with_state(Arc::clone(&app), guard));
    let service = counted(guarded, app).into_make_service_with_connect_info::<SocketAddr>();
    let _ = serve(listener, service).await;
}

/// Serves `/metrics` and health alone.
pub async fn serve_metrics(app: App, listener: TcpListener) {
    let _ = serve(listener, counted(metrics().merge(health()), app)).await;
}

/// Serves the commands of this machine.
pub async fn serve_socket(app: App, listener: UnixListener) {
    let _ = serve(listener, counted(routes().merge(health()).merge(metrics()), app)).await;
}

/// Makes the socket `DATA/hatif.sock`, for this user only. A socket left by a crash is replaced.
///
/// # Errors
///
/// The system's.
pub fn bind_socket(data_dir: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    let path = data_dir.join("hatif.sock");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn counted(router: Router<App>, app: App) -> Router {
    router
        .layer(middleware::from_fn_with_state(Arc::clone(&app), count))
        .fallback(|| async { Problem::not_found("there is no such page; the API is below /api/v1") })
        .with_state(app)
}

fn routes() -> Router<App> {
    Router::new()
        .route("/", get(page))
        .route("/api/v1/calls", get(api::calls))
        .route("/api/v1/calls/{id}", get(api::call).delete(api::hang_up))
        .route("/api/v1/calls/{id}/recording", post(recordings::pause))
        .route("/api/v1/calls/{id}/trace", get(trace::of_call))
        .route("/api/v1/calls/{id}/why", get(why::why))
        .route("/api/v1/calls/{id}/conference", post(conference::add))
        .route("/api/v1/calls/{id}/conference/{leg}", delete(conference::remove))
        .route("/api/v1/sip/trace", get(trace::of_call_id))
        .route("/api/v1/bans", get(bans::bans))
        .route("/api/v1/bans/{address}", delete(bans::unban))
        .route("/api/v1/calendars", get(calendars::calendars))
        .route("/api/v1/calendars/{name}", get(calendars::calendar).put(calendars::set))
        .route("/api/v1/voicemails", get(voicemails::list))
        .route("/api/v1/voicemails/{id}", delete(voicemails::delete))
        .route("/api/v1/voicemails/{id}/heard", post(voicemails::heard))
        .route("/api/v1/callbacks", get(callbacks::list).post(callbacks::book))
        .route("/api/v1/callbacks/{id}", get(callbacks::one).delete(callbacks::cancel))
        .route("/api/v1/trunks", get(trunks::trunks))
        .route("/api/v1/trunks/{name}", get(trunks::trunk))
        .route("/api/v1/queues", get(api::queues))
        .route("/api/v1/queues/{name}", get(api::queue))
        .route("/api/v1/queues/{name}/live", get(api::queue))
        .route("/api/v1/queues/{name}/preview", get(preview::preview))
        .route("/api/v1/agents", get(api::agents))
        .route("/api/v1/pause-codes", get(api::pause_codes))
        .route("/api/v1/agents/{id}", get(api::agent))
        .route("/api/v1/queues/{name}/settings", patch(edits::queue))
        .route("/api/v1/agents/{id}/settings", patch(edits::agent))
        .route("/api/v1/edits", get(edits::list))
        .route("/api/v1/agents/{id}/state", put(api::set_state))
        .route("/api/v1/agents/{id}/supervise", post(supervise::supervise))
        .route("/api/v1/recordings", get(recordings::list))
        .route("/api/v1/recordings/{id}", get(recordings::one))
        .route("/api/v1/recordings/{id}/audio", get(recordings::audio))
        .route("/api/v1/recordings/{id}/sidecar", get(recordings::sidecar))
        .merge(flows::routes())
        .merge(prompts::routes())
        .route("/api/v1/keys", get(api::keys).post(api::add_key))
        .route("/api/v1/keys/{id}", delete(api::revoke_key))
        .route("/api/v1/admin/reload", post(api::reload))
}

fn health() -> Router<App> {
    Router::new().route("/livez", get(|| async { "ok\n" })).route("/readyz", get(ready))
}

fn metrics() -> Router<App> {
    Router::new().route("/metrics", get(scrape))
}

async fn ready(State(app): State<App>) -> Response {
    if !app.ready.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    match app.records.applied_seq().await {
        Ok(_) => "ready\n".into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the records database does not answer\n").into_response(),
    }
}

async fn scrape(State(app): State<App>) -> Response {
    let page = tokio::task::spawn_blocking(move || {
        let readings = (app.readings)();
        let floor = app.config.load().floor.clone();
        let mut present = app.present();
        let Present { live, metrics } = &mut *present;
        metrics.render((app.wall)(), live, &floor, &readings)
    });
    match page.await {
        Ok(page) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn page() -> Html<&'static str> {
    Html(include_str!("page.html"))
}

/// Counts requests by their route's template, never by their path.
async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().as_str().to_owned();
    let response = next.run(request).await;
    app.present().metrics.count_http(&route, &method, response.status().as_u16());
    response
}

/// The name of the key a request came with; absent on the socket of this machine.
#[derive(Clone, Debug)]
pub struct KeyName(String);

/// Lets only known keys to the API.
async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(secret) = given.and_then(|value| value.strip_prefix("Bearer ")) else {
        return Problem::unauthorized("send an API key: Authorization: Bearer hk_…").into_response();
    };
    let own = app.own_key.as_ref().is_some_and(|key| same_secret(key, secret));
    let name = match own {
        true => Some("dev".to_owned()),
        false => app.records.key(secret).await.ok().flatten().map(|key| key.name),
    };
    match name {
        Some(name) => {
            request.extensions_mut().insert(KeyName(name));
            next.run(request).await
        }
        None => Problem::unauthorized("this API key is not known or was revoked").into_response(),
    }
}

/// Compares hashes, so that the time taken tells nothing of the secret.
fn same_secret(known: &str, given: &str) -> bool {
    Sha256::digest(known.as_bytes()) == Sha256::digest(given.as_bytes())
}
