//! `[[service]]`: HTTP services of the house that flows and queues may ask.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::acd::config::DispatchTimes;
use crate::call::config::DispatchConfig;
use crate::id::QueueName;

use super::keys::DISPATCH;
use super::people::{People, Seen, secret};
use super::reader::Reader;
use super::source::Value;

/// One service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceConfig {
    /// Its name.
    pub name: String,
    /// Where it is, without a slash at the end: `https://crm.example.com/api`.
    pub base_url: String,
    /// The value of `Authorization`; `None` = none is sent.
    pub authorization: Option<Authorization>,
    /// Authorities for its certificate; `None` = those of the system.
    pub ca: Option<PathBuf>,
    /// How often a request is repeated that came to nothing but a time-out. Default 0.
    pub retries: u32,
    /// Most requests at once; one more fails at once. Default 50.
    pub max_concurrency: usize,
    /// Largest answer, in bytes. Default 64 KiB.
    pub answer_bytes: usize,
    /// After so many failures in a row it is not asked for [`ServiceConfig::breaker_open`]. Default 5; 0 = never.
    pub breaker_failures: u32,
    /// Then one request tries. Default 30 s.
    pub breaker_open: Duration,
}

/// What proves to a service who we are; never shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Authorization(pub String);

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization")
    }
}

impl ServiceConfig {
    /// A service with every default.
    pub fn new(name: &str, base_url: &str) -> Self {
        Self {
            name: name.to_owned(),
            base_url: base_url.trim_end_matches('/').to_owned(),
            authorization: None,
            ca: None,
            retries: 0,
            max_concurrency: 50,
            answer_bytes: 64 << 10,
            breaker_failures: 5,
            breaker_open: Duration::from_secs(30),
        }
    }
}

/// Reads every `[[service]]`.
pub fn read(readers: &[Reader], seen: &mut Seen) -> BTreeMap<String, ServiceConfig> {
    let mut services = BTreeMap::new();
    for reader in readers {
        let name = seen.name(reader, "name", "service").text;
        let default = ServiceConfig::new(&name, &base_url(reader).unwrap_or_default());
        let service = ServiceConfig {
            authorization: authorization(reader),
            ca: ca(reader),
            retries: reader.number("retries", 0..=5).unwrap_or(default.retries),
            max_concurrency: reader.number("max_concurrency", 1..=10_000).unwrap_or(default.max_concurrency),
            answer_bytes: reader.number("answer_kb", 1..=1_024).map_or(default.answer_bytes, |kb: usize| kb << 10),
            breaker_failures: reader.number("breaker_failures", 0..=1_000).unwrap_or(default.breaker_failures),
            breaker_open: reader.duration("breaker_open", 1..=3_600).unwrap_or(default.breaker_open),
            ..default
        };
        services.insert(name, service);
    }
    services
}

fn base_url(reader: &Reader) -> Option<String> {
    let text = reader.required_text("base_url")?;
    if !is_address(&text.text) {
        let help = "write https://HOST[:PORT][/PATH], without a query and without a password".to_owned();
        reader.bad(text.place, format!("\"{}\" is not the address of a service", text.text), help);
        return None;
    }
    Some(text.text)
}

/// Whether this is where something can be asked over HTTP.
pub(super) fn is_address(text: &str) -> bool {
    let uri = text.parse::<Uri>().ok().filter(|uri| {
        let is_http = uri.scheme_str().is_some_and(|scheme| scheme == "http" || scheme == "https");
        is_http && uri.host().is_some_and(|host| !host.is_empty()) && uri.query().is_none()
    });
    uri.is_some() && !text.contains('@')
}

fn authorization(reader: &Reader) -> Option<Authorization> {
    let token = secret(reader, "token", "token_file");
    let (username, password) = (reader.text("username"), secret(reader, "password", "password_file"));
    if let (Some(_), Some(username)) = (&token, &username) {
        reader.bad(username.place, "\"token\" and \"username\" exclude each other", None);
    }
    if username.is_some() != password.is_some() {
        let (here, missing) = if username.is_some() { ("username", "password") } else { ("password", "username") };
        reader.bad(reader.key_place(here), format!("\"{here}\" needs \"{missing}\" beside it"), None);
    }
    let visible = |text: &str| text.bytes().all(|b| (0x20..0x7f).contains(&b));
    let value = match (token, username.zip(password)) {
        (Some(token), _) if !visible(&token.text) => {
            reader.bad(token.place, "a token is of visible ASCII characters", None);
            return None;
        }
        (Some(token), _) => format!("Bearer {}", token.text),
        (None, Some((username, password))) => {
            format!("Basic {}", STANDARD.encode(format!("{}:{}", username.text, password.text)))
        }
        (None, None) => return None,
    };
    Some(Authorization(value))
}

fn ca(reader: &Reader) -> Option<PathBuf> {
    let text = reader.text("ca")?;
    let path = reader.problems.base(text.place).join(&text.text);
    let files = super::tls::TlsFiles { ca: Some(path.clone()), ..super::tls::TlsFiles::default() };
    match files.read() {
        Ok(_) => Some(path),
        Err(fault) => {
            reader.problems.error(text.place, "config::unreadable", fault.to_string(), None);
            None
        }
    }
}

/// Reads `dispatch` of one queue; to be done when services are known.
pub fn read_dispatch(queue: &Reader, services: &BTreeMap<String, ServiceConfig>, people: &mut People) {
    let Some(reader) = queue.node("dispatch").and_then(|node| queue.inner(&DISPATCH, node)) else { return };
    let Some(Value::Text(name)) = queue.node("name").map(|node| &node.value) else { return };
    let service = reader.required_text("service");
    if let Some(service) = service.as_ref().filter(|service| !services.contains_key(&service.text)) {
        let message = format!("there is no service \"{}\"", service.text);
        let names = services.keys().map(String::as_str);
        reader.problems.unknown(service.place, "config::unknown-service", message, &service.text, names);
    }
    let path = reader.text("path").filter(|path| {
        let is_path = path.text.starts_with('/') && path.text.parse::<Uri>().is_ok();
        if !is_path {
            reader.bad(path.place, format!("\"{}\" is not a path as \"/dispatch\"", path.text), None);
        }
        is_path
    });
    let timeout = reader.duration("timeout", 0..=5).filter(|timeout| !timeout.is_zero());
    let hold = reader.duration("hold", 0..=3_600).unwrap_or(Duration::from_secs(20));
    let times = DispatchTimes { timeout: timeout.unwrap_or(Duration::from_millis(500)), hold };
    let queue = QueueName::from(name.as_str());
    if let Some(config) = people.floor.queues.get_mut(&queue) {
        config.dispatch = Some(times);
    }
    let path = path.map_or_else(|| "/".to_owned(), |path| path.text);
    let service = service.map(|service| service.text).unwrap_or_default();
    people.call.dispatch.insert(queue, DispatchConfig { service, path, timeout: times.timeout });
}
