//! What the connections of signalling are told: certificates, limits, who may connect from a browser, name servers.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::sip::config::{Listener, Transport};

use super::reader::{Reader, Text};
use super::tls::{ClientCertificate, TlsFiles};
use super::values::{ip, socket};

/// All about connections that signalling itself need not know.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamConfig {
    /// Certificates and keys.
    pub tls: TlsFiles,
    /// Origins whose pages may open a WebSocket, as `https://app.example`; `*` = any. Empty: only pages of the host
    /// they connect to. Who says no Origin is no browser and may.
    pub ws_origins: BTreeSet<String>,
    /// Addresses that many users come from: no limit of connections holds for them.
    pub trusted_proxies: BTreeSet<IpAddr>,
    /// Name servers; empty = those of the system.
    pub dns: Vec<SocketAddr>,
    /// Time for the first whole message, for any begun message, and for a handshake.
    pub first_message: Duration,
    /// A connection that carries no registered user, trunk or call is closed after so long without a message.
    pub idle: Duration,
    /// Connections of one source that carry no registered user or trunk.
    pub connections_per_source: u32,
    /// Connections in all.
    pub max_connections: u32,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            tls: TlsFiles::default(),
            ws_origins: BTreeSet::new(),
            trusted_proxies: BTreeSet::new(),
            dns: Vec::new(),
            first_message: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            connections_per_source: 64,
            max_connections: 10_000,
        }
    }
}

/// Reads what `[sip]` says of connections. `listeners` are those of the file with their text.
pub fn read(reader: &Reader, listeners: &[(Listener, Text)]) -> StreamConfig {
    let default = StreamConfig::default();
    let tls = tls(reader, listeners);
    let patience = |key: &'static str, most_s: u64, default: Duration| {
        let value = reader.duration(key, 0..=most_s)?;
        let good = value >= Duration::from_millis(100);
        if !good {
            let place = reader.node(key).map_or(reader.place, |n| n.place);
            reader.bad(place, format!("\"{key}\" must be at least 100ms"), None);
        }
        Some(if good { value } else { default })
    };
    StreamConfig {
        tls,
        ws_origins: origins(reader),
        trusted_proxies: proxies(reader),
        dns: name_servers(reader),
        first_message: patience("first_message", 60, default.first_message).unwrap_or(default.first_message),
        idle: patience("idle", 3_600, default.idle).unwrap_or(default.idle),
        connections_per_source: reader
            .number("connections_per_source", 1..=100_000)
            .unwrap_or(default.connections_per_source),
        max_connections: reader.number("max_connections", 1..=100_000).unwrap_or(default.max_connections),
    }
}

fn tls(reader: &Reader, listeners: &[(Listener, Text)]) -> TlsFiles {
    let file = |key: &str| {
        let text = reader.text(key)?;
        Some(reader.problems.base(text.place).join(&text.text))
    };
    let words = [
        ("off", ClientCertificate::Off),
        ("optional", ClientCertificate::Optional),
        ("required", ClientCertificate::Required),
    ];
    let (certificate, key) = (file("tls_certificate"), file("tls_key"));
    for (given, missing) in [("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")] {
        if reader.node(given).is_some() && reader.node(missing).is_none() {
            reader.bad(reader.key_place(given), format!("\"{given}\" needs \"{missing}\" beside it"), None);
        }
    }
    let files = TlsFiles {
        identity: certificate.zip(key),
        client_ca: file("tls_client_ca"),
        client: reader.word("tls_client", &words, &[]).unwrap_or_default(),
        ca: file("tls_ca"),
    };
    if files.client != ClientCertificate::Off && files.client_ca.is_none() {
        let message = "certificates of those who connect cannot be judged";
        let help = "name the file of their authority: tls_client_ca".to_owned();
        reader.bad(reader.key_place("tls_client"), message, help);
    }
    if let Err(fault) = files.read() {
        let place = reader.node(fault.key).map_or(reader.place, |n| n.place);
        reader.problems.error(place, "config::certificate", fault.to_string(), None);
    }
    let has_certificate = ["tls_certificate", "tls_key"].iter().any(|key| reader.node(key).is_some());
    let secure = listeners.iter().find(|(listener, _)| listener.transport.is_secure());
    if let Some((_, text)) = secure.filter(|_| !has_certificate) {
        let help = "set sip.tls_certificate and sip.tls_key".to_owned();
        reader.bad(text.place, format!("\"{}\" needs a certificate", text.text), help);
    }
    files
}

fn origins(reader: &Reader) -> BTreeSet<String> {
    let mut origins = BTreeSet::new();
    for text in reader.texts("ws_origins").unwrap_or_default() {
        let origin = text.text.to_ascii_lowercase();
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        if origin == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', '?', '#', ' '])) {
            origins.insert(origin);
        } else {
            let help = "write it as https://app.example, without a path".to_owned();
            reader.bad(text.place, format!("\"{}\" is not an origin", text.text), help);
        }
    }
    origins
}

fn proxies(reader: &Reader) -> BTreeSet<IpAddr> {
    let mut proxies = BTreeSet::new();
    for text in reader.texts("trusted_proxies").unwrap_or_default() {
        match ip(&text.text) {
            Ok(address) => _ = proxies.insert(address),
            Err(error) => {
                let (message, help) = error.explain(&text.text);
                reader.bad(text.place, message, help);
            }
        }
    }
    proxies
}

fn name_servers(reader: &Reader) -> Vec<SocketAddr> {
    let mut servers = Vec::new();
    for text in reader.texts("dns").unwrap_or_default() {
        match socket(&text.text, Some(53)) {
            Ok(address) => servers.push(address),
            Err(error) => {
                let (message, help) = error.explain(&text.text);
                reader.bad(text.place, message, help);
            }
        }
    }
    servers
}

/// The transport of a listener's first word.
pub fn transport(word: &str) -> Option<Transport> {
    Transport::ALL.into_iter().find(|transport| transport.label() == word)
}
