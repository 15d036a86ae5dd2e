//! The configuration file: TOML in, the config struct that each module defines for itself out.
//!
//! ```text
//!   hatif.toml, conf.d/*.toml, HATIF_…      source: parsed with places, merged
//!         |
//!         v
//!   reader  --- keys (what there is) --->   build: checked values, references resolved
//!         |                                    |
//!         v                                    v
//!   Diagnostic: file:line:column, caret     Config
//! ```
//!
//! Nothing is half-applied: [`Config::load`] gives a whole configuration with warnings, or every error there is. A
//! key that the contract names and this build does not honour is an error ("not built yet"), never ignored.

mod build;
mod calendars;
mod callback;
mod desk;
mod dev;
pub mod edits;
mod guard;
mod ics;
pub mod keys;
mod ladder;
mod legs;
mod numbers;
mod outbound;
mod people;
pub mod plan;
mod reader;
pub mod services;
mod source;
mod sticky;
mod streams;
#[cfg(test)]
mod tests;
pub mod tls;
mod trunks;
pub mod tts;
pub mod values;
mod voicemail;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::acd::config::FloorConfig;
use crate::call::config::CallConfig;
use crate::diagnostic::Diagnostic;
use crate::media::config::MediaConfig;
use crate::sip::config::{Listener, SipConfig, Transport};

pub use dev::DevOptions;
pub use source::{Document, Layer};
pub use streams::StreamConfig;

/// Everything the running system is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The centre as a whole.
    pub centre: CentreConfig,
    /// Signalling: listeners, domain, users, trunks by address.
    pub sip: SipConfig,
    /// Connections of signalling: certificates, limits, name servers.
    pub streams: StreamConfig,
    /// Media: addresses, ports, codecs.
    pub media: MediaConfig,
    /// Where API, health and console listen.
    pub http_listen: SocketAddr,
    /// Where `/metrics` listens; `None` = on `http_listen`.
    pub metrics_listen: Option<SocketAddr>,
    /// Journal, records, recordings, control socket.
    pub data_dir: PathBuf,
    /// Where recordings wait and what becomes of them.
    pub recording: RecordingConfig,
    /// The folder of flow files.
    pub flows_dir: PathBuf,
    /// The folder of recorded prompts.
    pub prompts_dir: PathBuf,
    /// Messages on stderr.
    pub log: LogConfig,
    /// Agents and queues.
    pub floor: FloorConfig,
    /// Numbers, trunks, supervisors, recording policy.
    pub call: CallConfig,
    /// HTTP services by name.
    pub services: BTreeMap<String, services::ServiceConfig>,
    /// Who speaks what is not recorded.
    pub tts: tts::TtsConfig,
}

/// The `[centre]` table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CentreConfig {
    /// Time zone by its tz name. Shown only: times are written in UTC.
    pub timezone: String,
    /// Languages; the first is the default.
    pub languages: Vec<String>,
}

/// The `[recording]` table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecordingConfig {
    /// Audio that waits while the disk stalls, at most, in bytes.
    pub pool_bytes: u64,
    /// What a recording becomes after the call.
    pub archive: ArchiveFormat,
}

/// What a recording becomes after the call.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ArchiveFormat {
    /// It stays as it was written.
    #[default]
    Wav,
    /// Opus in Ogg.
    Opus,
    /// FLAC.
    Flac,
}

impl Default for RecordingConfig {
    fn default() -> Self {
        Self { pool_bytes: 64 << 20, archive: ArchiveFormat::Wav }
    }
}

/// The `[log]` table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: &'static str,
    /// One JSON object a line instead of text.
    pub json: bool,
}

/// What the reader must know of the machine; read by [`Config::load`], given by tests.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Ports the kernel gives to outgoing connections; `None` = unknown.
    pub local_ports: Option<RangeInclusive<u16>>,
    /// Processor cores; 0 = unknown.
    pub cores: usize,
}

impl Machine {
    /// This machine.
    pub fn here() -> Self {
        let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
        let ports = range.and_then(|text| {
            let mut words = text.split_ascii_whitespace().map(str::parse::<u16>);
            match (words.next(), words.next()) {
                (Some(Ok(first)), Some(Ok(last))) => Some(first..=last),
                _ => None,
            }
        });
        Self { local_ports: ports, cores: std::thread::available_parallelism().map_or(0, usize::from) }
    }
}

impl Config {
    /// Reads `paths` and, beside the first of them, `conf.d/*.toml` in the order of their names.
    ///
    /// `env` is the environment: variables `HATIF_SECTION__KEY` override the key of that table; others are left alone.
    /// Relative folders in a file start at that file's folder; in the environment, at the working directory.
    ///
    /// Returns the configuration with its warnings.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the files: unreadable files, TOML syntax, unknown keys, wrong types,
    /// values out of range, references to what is not there, duplicates, what is not built yet.
    pub fn load(paths: &[PathBuf], env: &[(String, String)]) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
        Self::read(Self::documents(paths, env)?, &Machine::here())
    }

    /// The texts of a configuration.
    fn documents(paths: &[PathBuf], env: &[(String, String)]) -> Result<Vec<Document>, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut files = paths.to_vec();
        if let Some(first) = paths.first() {
            match parts_beside(first) {
                Ok(parts) => files.extend(parts.into_iter().filter(|p| !paths.contains(p))),
                Err(unreadable) => errors.extend(unreadable),
            }
        }
        let mut documents = Vec::new();
        for path in files {
            match fs::read_to_string(&path) {
                Ok(text) => documents.push(Document {
                    name: path.display().to_string(),
                    text,
                    base: path.parent().map(Path::to_path_buf).unwrap_or_default(),
                    layer: Layer::File,
                }),
                Err(error) => errors.push(unreadable(&path, &error)),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        documents.extend(build::environment(env)?);
        Ok(documents)
    }

    /// As [`Config::load`], with edits laid over the files; `edits` is the text of [`edits::Edits`], and `data_dir` where it lies.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn load_edited(
        paths: &[PathBuf],
        env: &[(String, String)],
        edits: String,
        data_dir: &Path,
    ) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
        let name = data_dir.join("edits.toml").display().to_string();
        let mut documents = Self::documents(paths, env)?;
        documents.push(Document { name, text: edits, base: data_dir.to_owned(), layer: Layer::Edits });
        Self::read(documents, &Machine::here())
    }

    /// As [`Config::load`], from texts already in memory. Still reads `*_file` secrets and the names of the flows.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn read(documents: Vec<Document>, machine: &Machine) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
        build::build(documents, machine)
    }

    /// Puts SIP over WebSocket at `/sip` of the HTTP listener last among the listeners: nothing of its own is bound.
    fn add_http_listener(&mut self) {
        let advertised = self.sip.listeners.first().and_then(|listener| listener.advertised.clone());
        self.sip.listeners.push(Listener { transport: Transport::Ws, address: self.http_listen, advertised });
    }

    /// The place of `/sip` of the HTTP listener among the SIP listeners: the last.
    pub fn http_sip_listener(&self) -> u16 {
        u16::try_from(self.sip.listeners.len().saturating_sub(1)).unwrap_or(u16::MAX)
    }

    /// The listeners of `[sip] listen`, without that of the HTTP listener.
    fn own_listeners(&self) -> &[Listener] {
        self.sip.listeners.split_last().map_or(&[], |(_, own)| own)
    }

    /// The keys whose change from `self` to `new` only a restart applies; everything else a reload applies.
    pub fn needs_restart(&self, new: &Config) -> Vec<&'static str> {
        let changed = [
            ("sip.listen", self.own_listeners() != new.own_listeners()),
            ("sip.dns", self.streams.dns != new.streams.dns),
            ("media.address", self.media.address != new.media.address),
            ("media.bind", self.media.bind != new.media.bind),
            ("media.ports", self.media.ports != new.media.ports),
            ("media.mux", self.media.mux != new.media.mux),
            ("media.shards", self.media.shards != new.media.shards),
            ("http.listen", self.http_listen != new.http_listen),
            ("metrics.listen", self.metrics_listen != new.metrics_listen),
            ("data.dir", self.data_dir != new.data_dir),
            ("recording.pool_mb", self.recording.pool_bytes != new.recording.pool_bytes),
            ("recording.archive", self.recording.archive != new.recording.archive),
            ("log.format", self.log.json != new.log.json),
        ];
        changed.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }

    /// Names of all flows that a `[[number]]` runs or a rule of a queue leads to.
    pub fn flows(&self) -> BTreeSet<String> {
        use crate::acd::config::Way;
        use crate::call::config::NumberAction;
        let number = |n: &crate::call::config::NumberConfig| match &n.action {
            NumberAction::Flow(flow) => Some(flow.clone()),
            _ => None,
        };
        let flow = |way: &Way| match way {
            Way::Flow(flow) => Some(flow.clone()),
            _ => None,
        };
        let ways = self.floor.queues.values().flat_map(|queue| {
            let rules = &queue.no_agents;
            let rules = [&rules.none_logged_in.way, &rules.none_skilled.way, &rules.all_paused.way];
            queue.exit_keys.values().chain([&queue.overflow.way]).chain(rules)
        });
        self.call.numbers.iter().filter_map(number).chain(ways.filter_map(flow)).collect()
    }
}

/// `conf.d/*.toml` beside `main`, sorted by name; empty when there is no such folder.
fn parts_beside(main: &Path) -> Result<Vec<PathBuf>, Vec<Diagnostic>> {
    let folder = main.parent().unwrap_or(Path::new("")).join("conf.d");
    let listing = match fs::read_dir(&folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(vec![unreadable(&folder, &error)]),
    };
    let mut parts = Vec::new();
    for entry in listing {
        let path = entry.map_err(|error| vec![unreadable(&folder, &error)])?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            parts.push(path);
        }
    }
    parts.sort();
    Ok(parts)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    };
    Diagnostic::whole_file("config::unreadable", &path.display().to_string(), format!("cannot be read: {reason}"))
}
