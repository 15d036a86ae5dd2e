//! HTTP services of the house, asked off the signalling path.
//!
//! Each request is a task of its own with one hard time-out over everything: connection, repetitions, answer. A service that
//! fails too often is left alone for some time (its breaker is open), so that nobody waits for what is not there.

#![allow(clippy::disallowed_methods, reason = "this is the shell: it owns the connections and reads the clock")]

mod breaker;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use axum::http::{Request, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::config::services::ServiceConfig;
use crate::config::tls::TlsFiles;
use crate::engine::{Fetch, FetchError, Input, Method, Reply};

use super::driver::Inbox;
use super::tls::Tls;
use breaker::Breaker;

/// The services that may be asked. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    pub(super) runtime: Handle,
    pub(super) inbox: Inbox,
    list: Arc<ArcSwap<BTreeMap<String, Arc<Service>>>>,
}

pub(super) struct Service {
    pub(super) config: ServiceConfig,
    /// What kind of answer is wanted.
    accept: HeaderValue,
    /// For sockets to it.
    pub(super) tls: Arc<ClientConfig>,
    client: Client<HttpsConnector<HttpConnector>, Body>,
    pub(super) places: Semaphore,
    breaker: Mutex<Breaker>,
}

impl Services {
    /// None yet.
    pub fn new(runtime: Handle, inbox: Inbox) -> Self {
        Self { runtime, inbox, list: Arc::default() }
    }

    /// These from now on. One whose configuration is as before keeps its connections and its breaker.
    ///
    /// # Errors
    ///
    /// A file of certificates that cannot be used; then all stays as it is.
    pub fn set(&self, configs: &BTreeMap<String, ServiceConfig>) -> Result<(), String> {
        let old = self.list.load();
        let mut list = BTreeMap::new();
        for (name, config) in configs {
            let service = match old.get(name).filter(|service| service.config == *config) {
                Some(same) => Arc::clone(same),
                None => Arc::new(Service::new(config.clone())?),
            };
            list.insert(name.clone(), service);
        }
        self.list.store(Arc::new(list));
        Ok(())
    }

    /// The one of this name.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Service>> {
        self.list.load().get(name).cloned()
    }

    /// Asks; the answer goes into the engine's inbox.
    pub fn fetch(&self, fetch: Fetch) {
        let service = self.find(&fetch.service);
        let inbox = self.inbox.clone();
        self.runtime.spawn(async move {
            let answer = match service {
                Some(service) => service.ask(&fetch).await,
                None => Err(FetchError::Unknown),
            };
            inbox.send(Input::Fetched { id: fetch.id, answer });
        });
    }
}

impl Service {
    pub(super) fn new(config: ServiceConfig) -> Result<Self, String> {
        let tls = Tls::load(&TlsFiles { ca: config.ca.clone(), ..TlsFiles::default() })?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.client.as_ref().clone())
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(config.max_concurrency)
            .build(connector);
        let breaker = Mutex::new(Breaker::new(config.breaker_failures, config.breaker_open));
        let accept = HeaderValue::from_static("application/json");
        let places = Semaphore::new(config.max_concurrency);
        Ok(Self { places, tls: tls.client, client, accept, breaker, config })
    }

    /// The same, for answers of another kind.
    pub(super) fn accepts(self, kind: &'static str) -> Self {
        Self { accept: HeaderValue::from_static(kind), ..self }
    }

    pub(super) fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn ask(&self, fetch: &Fetch) -> Result<Reply, FetchError> {
        let Ok(_place) = self.places.try_acquire() else { return Err(FetchError::Busy) };
        if !self.breaker().may_try(Instant::now()) {
            return Err(FetchError::BreakerOpen);
        }
        let answer = tokio::time::timeout(fetch.timeout, self.attempts(fetch)).await;
        let answer = answer.unwrap_or(Err(FetchError::Timeout));
        let is_good = matches!(&answer, Ok(reply) if reply.status < 500);
        self.note(is_good);
        answer
    }

    /// How a request went: the breaker learns it, and who reads the log when it turns.
    pub(super) fn note(&self, is_good: bool) {
        let turned = self.breaker().note(Instant::now(), is_good);
        match turned {
            Some(true) => tracing::warn!(
                service = self.config.name,
                "the service failed too often: it is left alone for {} s",
                self.config.breaker_open.as_secs()
            ),
            Some(false) => tracing::info!(service = self.config.name, "the service answers again"),
            None => {}
        }
    }

    async fn attempts(&self, fetch: &Fetch) -> Result<Reply, FetchError> {
        let mut left = self.config.retries;
        loop {
            let answer = self.attempt(fetch).await;
            let is_over = match &answer {
                Ok(reply) => reply.status < 500,
                Err(FetchError::Failed(_)) => false,
                Err(_) => true,
            };
            if is_over || left == 0 {
                return answer;
            }
            left -= 1;
        }
    }

    async fn attempt(&self, fetch: &Fetch) -> Result<Reply, FetchError> {
        let failed = |error: &dyn Error| FetchError::Failed(causes(error));
        let uri = format!("{}{}", self.config.base_url, fetch.path);
        let uri = uri.parse::<Uri>().map_err(|error| failed(&error))?;
        let mut request = Request::builder().uri(uri).header(ACCEPT, self.accept.clone());
        request = match fetch.method {
            Method::Get => request.method("GET"),
            Method::Post => request.method("POST"),
        };
        if let Some(authorization) = &self.config.authorization {
            let mut value = HeaderValue::from_str(&authorization.0).map_err(|error| failed(&error))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let body = match &fetch.body {
            Some(json) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Body::from(json.clone())
            }
            None => Body::empty(),
        };
        let request = request.body(body).map_err(|error| failed(&error))?;
        let response = self.client.request(request).await.map_err(|error| failed(&error))?;
        let status = response.status().as_u16();
        let limit = self.config.answer_bytes;
        let body = Limited::new(response.into_body(), limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { FetchError::TooLarge(limit) } else { failed(&*error) }
        })?;
        Ok(Reply { status, body: body.to_bytes() })
    }
}

/// An error with what caused it.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
