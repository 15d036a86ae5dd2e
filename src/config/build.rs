//! From the merged tables to [`Config`]: sections in the order of the file, then what refers to what.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::media::codec::Codec;
use crate::media::config::MediaConfig;
use crate::sip::config::{Listener, SipConfig, TRACE_CALLS, Transport, Watched};

use super::calendars;
use super::guard;
use super::keys::{SECTIONS, Section, section};
use super::legs;
use super::outbound;
use super::people;
use super::reader::{Reader, Text, check_top};
use super::source::{Document, Entry, Layer, Place, Problems, merge};
use super::streams::{self, StreamConfig};
use super::tts;
use super::values::{ip, is_name, ports, socket};
use super::{ArchiveFormat, CentreConfig, Config, LogConfig, Machine, RecordingConfig};

/// Flows that come with the program, used where the folder of flows holds none.
const SHIPPED_FLOWS: [&str; 2] = ["main", "survey"];

/// Reads the merged documents; see [`Config::read`].
pub fn build(documents: Vec<Document>, machine: &Machine) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
    let problems = Problems::new(documents.clone());
    let root = merge(&documents, &problems);
    check_top(&root, &problems);
    let config = whole(&root, machine, &problems);
    let (errors, warnings) = problems.into_parts();
    match errors.is_empty() {
        true => Ok((config, warnings)),
        false => Err(errors.into_iter().chain(warnings).collect()),
    }
}

fn whole(root: &[Entry], machine: &Machine, problems: &Problems) -> Config {
    let table = |name| Reader::table(root, known(name), problems);
    let centre = centre(&table("centre"));
    let ivr = table("ivr");
    let flows_dir = folder(&ivr, "flows", "ivr-scripts");
    let mut sip = sip(&table("sip"));
    let media = media(&table("media"), &sip.shown, &sip.config.listeners, machine);
    let (http_listen, http_place) =
        listen(&table("http"), "127.0.0.1:8080").unwrap_or((([127, 0, 0, 1], 8080).into(), Place::default()));
    let metrics_listen =
        root.iter().any(|e| e.name == "metrics").then(|| metrics(&table("metrics"), http_listen)).flatten();
    if !http_listen.ip().is_loopback() {
        let help = "put a reverse proxy with TLS before it, or listen on 127.0.0.1".to_owned();
        problems.warning(http_place, "config::plain-http", "API keys travel unencrypted on this address", help);
    }
    let mut people = people::read(root, &centre, &flow_names(&ivr, &flows_dir), problems);
    people.call.outbound = outbound::read(&table("outbound"));
    sip.config.guard = guard::read(&table("guard"), &table("centre"));
    if let Some(grace) = table("sip").duration("agent_grace", 0..=300) {
        people.floor.grace = grace;
    }
    sip.config.users = people.users;
    sip.config.watched.users = people.floor.agents.keys().map(ToString::to_string).collect();
    sip.config.fixed = people.fixed;
    sip.config.trunks = people.trunk_addresses;
    sip.config.trunk_accounts = people.trunk_accounts;
    sip.config.trunk_peers = people.trunk_peers;
    sip.config.names.extend(people.trunk_names);
    let mut config = Config {
        centre,
        sip: sip.config,
        streams: sip.streams,
        media,
        http_listen,
        metrics_listen,
        data_dir: folder(&table("data"), "dir", "data"),
        prompts_dir: folder(&ivr, "prompts", "prompts"),
        flows_dir,
        recording: recording(&table("recording")),
        log: log(&table("log")),
        floor: people.floor,
        call: people.call,
        services: people.services,
        tts: tts::read(&table("tts")),
    };
    config.add_http_listener();
    config
}

/// The section of a name that stands in this module: always there.
pub fn known(name: &'static str) -> &'static Section {
    section(name).unwrap_or(&SECTIONS[0])
}

/// Half the cores, at least one.
pub fn default_shards(cores: usize) -> usize {
    (cores / 2).max(1)
}

fn centre(reader: &Reader) -> CentreConfig {
    let timezone = reader.text("timezone").map_or("UTC".to_owned(), |zone| {
        if calendars::zone(&zone.text).is_none() {
            let help = "a name as \"Asia/Riyadh\" or \"UTC\"".to_owned();
            reader.bad(zone.place, format!("\"{}\" is not a time zone", zone.text), help);
        } else if zone.text != "UTC" {
            let message = "calendars go by this zone; everything else is still written in UTC";
            reader.problems.warning(zone.place, "config::not-used-yet", message, None);
        }
        zone.text
    });
    let mut languages: Vec<String> = Vec::new();
    for language in reader.texts("languages").unwrap_or_default() {
        let code = language.text.len() >= 2 && language.text.len() <= 3;
        if !code || !language.text.chars().all(|c| c.is_ascii_lowercase()) {
            let help = "two or three small letters, as \"ar\"".to_owned();
            reader.bad(language.place, format!("\"{}\" is not a language code", language.text), help);
        } else if languages.contains(&language.text) {
            duplicate(reader, &language, "language");
        } else {
            if !["ar", "en"].contains(&language.text.as_str()) {
                let message = format!("no prompts are shipped for \"{}\": all of them must be recorded", language.text);
                reader.problems.warning(language.place, "config::no-prompts", message, None);
            }
            languages.push(language.text);
        }
    }
    if languages.is_empty() {
        if let Some(node) =
            reader.node("languages").filter(|n| matches!(&n.value, super::source::Value::List(l) if l.is_empty()))
        {
            reader.bad(node.place, "at least one language is needed", None);
        }
        languages = vec!["ar".to_owned(), "en".to_owned()];
    }
    CentreConfig { timezone, languages }
}

/// Notes a list entry that stands twice.
pub fn duplicate(reader: &Reader, text: &Text, what: &str) {
    let message = format!("{what} \"{}\" stands here a second time", text.text);
    reader.problems.error(text.place, "config::duplicate", message, None);
}

struct Sip {
    config: SipConfig,
    streams: StreamConfig,
    /// The address that the outside sees, when it is known.
    shown: Option<IpAddr>,
}

fn sip(reader: &Reader) -> Sip {
    let address = reader.text("address").and_then(|text| address(reader, &text));
    let entries = reader.texts("listen").unwrap_or_else(|| {
        let default = |text: &str| Text { text: text.to_owned(), place: reader.place };
        vec![default("udp:127.0.0.1:5060"), default("tcp:127.0.0.1:5060")]
    });
    let mut listeners: Vec<(Listener, Text)> = Vec::new();
    for entry in &entries {
        let Some(mut listener) = listener(reader, entry) else { continue };
        // All streams are TCP to the system.
        let same = |l: &Listener| {
            l.address == listener.address && l.transport.is_reliable() == listener.transport.is_reliable()
        };
        if listener.address.port() != 0 && listeners.iter().any(|(l, _)| same(l)) {
            duplicate(reader, entry, "listener");
            continue;
        }
        if listener.address.ip().is_unspecified() && address.is_none() {
            let message = "phones cannot be told to answer to this address";
            reader.bad(entry.place, message, "set sip.address to the address they reach this machine by".to_owned());
        }
        listener.advertised = address.map(host_text);
        listeners.push((listener, Text { text: entry.text.clone(), place: entry.place }));
    }
    if listeners.is_empty() && entries.is_empty() {
        reader.bad(reader.key_place("listen"), "at least one listener is needed", None);
    }
    let streams = streams::read(reader, &listeners);
    let listeners: Vec<Listener> = listeners.into_iter().map(|(listener, _)| listener).collect();
    let first = listeners.first().map(|l| l.address.ip()).filter(|a| !a.is_unspecified());
    let shown = address.or(first);
    let domain = reader.text("domain").filter(|text| {
        let good =
            ip(&text.text).is_ok() || text.text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
        if !good {
            reader.bad(text.place, format!("\"{}\" is not a host name or address", text.text), None);
        }
        good
    });
    let domain = domain.map(|t| t.text).or_else(|| shown.map(host_text)).unwrap_or_default();
    let trace_calls = reader.number("trace_calls", 0..=100_000).unwrap_or(TRACE_CALLS);
    let mut watched = Watched::default();
    watched.expires_max = reader.duration("agent_expires", 60..=3_600).unwrap_or(watched.expires_max);
    Sip { config: SipConfig { listeners, domain, watched, trace_calls, ..SipConfig::default() }, streams, shown }
}

/// An address as it stands in a URI.
fn host_text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn address(reader: &Reader, text: &Text) -> Option<IpAddr> {
    match ip(&text.text) {
        Ok(address) if address.is_unspecified() => {
            reader.bad(
                text.place,
                format!("nobody can send to {address}"),
                "write this machine's own address".to_owned(),
            );
            None
        }
        Ok(address) => Some(address),
        Err(error) => {
            let (message, help) = error.explain(&text.text);
            reader.bad(text.place, message, help);
            None
        }
    }
}

fn listener(reader: &Reader, entry: &Text) -> Option<Listener> {
    let known = entry.text.split_once(':').map(|(word, rest)| (streams::transport(word), word, rest));
    let (transport, rest) = match known {
        Some((Some(transport), _, rest)) => (transport, rest),
        Some((None, "sctp", _)) => {
            reader.problems.not_built(entry.place, "transport sctp");
            return None;
        }
        Some((None, word, rest)) if rest.contains(':') => {
            let message = format!("\"{word}\" is not a transport");
            let words = Transport::ALL.map(Transport::label);
            reader.problems.unknown(entry.place, "config::bad-value", message, word, words);
            return None;
        }
        Some((None, _, _)) | None => {
            let help = "write it as udp:127.0.0.1:5060".to_owned();
            reader.bad(entry.place, format!("\"{}\" is not a listener", entry.text), help);
            return None;
        }
    };
    match socket(rest, None) {
        Ok(address) => Some(Listener { transport, address, advertised: None }),
        Err(error) => {
            let (message, help) = error.explain(rest);
            reader.bad(entry.place, message, help);
            None
        }
    }
}

fn media(reader: &Reader, shown: &Option<IpAddr>, listeners: &[Listener], machine: &Machine) -> MediaConfig {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let own = reader.text("address").and_then(|text| address(reader, &text));
    let address = own.or(*shown).unwrap_or(loopback);
    let bind = reader.text("bind").and_then(|text| match ip(&text.text) {
        Ok(bind) => Some(bind),
        Err(error) => {
            let (message, help) = error.explain(&text.text);
            reader.bad(text.place, message, help);
            None
        }
    });
    MediaConfig {
        address,
        bind: bind.unwrap_or(address),
        ports: media_ports(reader, listeners, machine),
        mux: reader.boolean("mux").unwrap_or(false),
        shared: Vec::new(),
        identity: None,
        codecs: legs::codecs(reader).unwrap_or_else(|| vec![Codec::Pcma, Codec::Pcmu]),
        shards: reader.number("shards", 1..=64_u32).map_or(default_shards(machine.cores), |n| n as usize),
        timeout_s: media_timeout(reader),
    }
}

fn media_ports(reader: &Reader, listeners: &[Listener], machine: &Machine) -> std::ops::RangeInclusive<u16> {
    let text = reader.text("ports");
    let place = text.as_ref().map_or(reader.place, |t| t.place);
    let range = match text.as_ref().map(|t| ports(&t.text)) {
        None => 20000..=29999,
        Some(Some(range)) => range,
        Some(None) => {
            let message = "not a range of ports with room for an even and an odd one";
            reader.bad(place, message, "write \"20000-29999\", within 1024 to 65535".to_owned());
            20000..=29999
        }
    };
    for listener in listeners.iter().filter(|l| l.transport == Transport::Udp) {
        if range.contains(&listener.address.port()) {
            let message = format!("SIP listens on UDP port {} inside this range", listener.address.port());
            reader.bad(place, message, "move the one or the other".to_owned());
        }
    }
    if let Some(local) = &machine.local_ports
        && range.start() <= local.end()
        && local.start() <= range.end()
    {
        let message = format!("the kernel gives ports {}-{} to other programs", local.start(), local.end());
        let help = "keep media outside net.ipv4.ip_local_port_range, or calls fail now and then".to_owned();
        reader.problems.warning(place, "config::port-overlap", message, help);
    }
    range
}

fn media_timeout(reader: &Reader) -> u64 {
    let Some(timeout) = reader.duration("timeout", 0..=86_400) else { return 60 };
    let seconds = timeout.as_secs();
    if (!timeout.is_zero() && seconds < 10) || timeout.subsec_millis() != 0 {
        let place = reader.node("timeout").map_or(reader.place, |n| n.place);
        reader.bad(place, "\"timeout\" must be whole seconds, at least 10s", "\"0s\" = never".to_owned());
    }
    seconds
}

fn listen(reader: &Reader, default: &str) -> Option<(std::net::SocketAddr, Place)> {
    let text = reader.text("listen").unwrap_or(Text { text: default.to_owned(), place: reader.place });
    match socket(&text.text, None) {
        Ok(address) => Some((address, text.place)),
        Err(error) => {
            let (message, help) = error.explain(&text.text);
            reader.bad(text.place, message, help);
            None
        }
    }
}

fn metrics(reader: &Reader, http: std::net::SocketAddr) -> Option<std::net::SocketAddr> {
    let (address, place) = listen(reader, "127.0.0.1:9464")?;
    if address == http && address.port() != 0 {
        let message = format!("{address} is the [http] listener already");
        reader.problems.error(
            place,
            "config::duplicate",
            message,
            "leave [metrics] out, or use another port".to_owned(),
        );
    }
    Some(address)
}

fn recording(reader: &Reader) -> RecordingConfig {
    let default = RecordingConfig::default();
    let formats = [("wav", ArchiveFormat::Wav), ("opus", ArchiveFormat::Opus), ("flac", ArchiveFormat::Flac)];
    RecordingConfig {
        pool_bytes: reader.number("pool_mb", 8..=4_096u64).map_or(default.pool_bytes, |mb| mb << 20),
        archive: reader.word("archive", &formats, &[]).unwrap_or_default(),
    }
}

fn log(reader: &Reader) -> LogConfig {
    let level = |word: &'static str| (word, word);
    let levels = [level("error"), level("warn"), level("info"), level("debug"), level("trace")];
    LogConfig {
        level: reader.word("level", &levels, &[]).unwrap_or("info"),
        json: reader.word("format", &[("text", false), ("json", true)], &[]).unwrap_or(false),
    }
}

/// A folder: relative ones start at the folder of the document that names them.
fn folder(reader: &Reader, key: &str, default: &str) -> PathBuf {
    match reader.text(key) {
        Some(text) => reader.problems.base(text.place).join(text.text),
        None => reader.problems.base(Place::default()).join(default),
    }
}

/// Names of the flows that numbers may run: those of the folder by their `name`, or the shipped ones where it holds
/// none. A file that is no TOML counts by its file name, so that only the flow checker complains about it.
fn flow_names(ivr: &Reader, folder: &Path) -> BTreeSet<String> {
    let listing = fs::read_dir(folder);
    if let (Err(error), Some(node)) = (&listing, ivr.node("flows")) {
        let message = format!("{} cannot be read: {error}", folder.display());
        ivr.problems.error(node.place, "config::unreadable", message, None);
    }
    let mut names = BTreeSet::new();
    for entry in listing.into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let (table, errors) = toml::de::DeTable::parse_recoverable(&text);
        let named = table.get_ref().get("name").and_then(|n| n.get_ref().as_str());
        match named {
            Some(name) if table.get_ref().contains_key("flow") => names.extend([name.to_owned()]),
            _ if errors.is_empty() => {}
            _ => names.extend(path.file_stem().map(|s| s.to_string_lossy().into_owned())),
        }
    }
    if names.is_empty() {
        names.extend(SHIPPED_FLOWS.map(str::to_owned));
    }
    names
}

/// Documents of the environment: each `HATIF_SECTION__KEY` becomes `section.key = value`.
///
/// # Errors
///
/// A variable whose table or key does not exist or cannot be set this way.
pub fn environment(env: &[(String, String)]) -> Result<Vec<Document>, Vec<Diagnostic>> {
    let mut documents = BTreeMap::new();
    let mut errors = Vec::new();
    for (variable, value) in env {
        let Some(rest) = variable.strip_prefix("HATIF_") else { continue };
        let Some((table, key)) = rest.split_once("__") else { continue };
        let (table, key) = (table.to_lowercase(), key.to_lowercase());
        let singles = || SECTIONS.iter().filter(|s| !s.list);
        let found = singles().find(|s| s.name == table);
        let known = found.is_some_and(|s| s.keys.iter().any(|k| k.name == key) || s.not_built.contains(&key.as_str()));
        if !known {
            let all =
                singles().flat_map(|s| s.keys.iter().map(|k| format!("HATIF_{}__{}", s.name, k.name).to_uppercase()));
            let help = did_you_mean(variable, all).map(|near| format!("did you mean {near}?"));
            let message = format!("no [{table}] {key} that the environment could set");
            errors.push(Diagnostic::whole_file("config::unknown-key", variable, message).help(help));
            continue;
        }
        let text = format!("{table}.{key} = {}", toml_value(&table, &key, value));
        documents.insert(
            variable.clone(),
            Document { name: variable.clone(), text, base: PathBuf::new(), layer: Layer::Environment },
        );
    }
    match errors.is_empty() {
        true => Ok(documents.into_values().collect()),
        false => Err(errors),
    }
}

/// A variable's text as TOML: lists may be written with commas, everything that is no number or list is a text.
fn toml_value(table: &str, key: &str, value: &str) -> String {
    let list = matches!((table, key), ("centre", "languages") | ("sip", "listen") | ("media", "codecs"));
    let quoted = |text: &str| toml::Value::from(text.trim()).to_string();
    match (list, value.trim_start().starts_with('[')) {
        (true, true) => value.to_owned(),
        (true, false) => format!("[{}]", value.split(',').map(quoted).collect::<Vec<_>>().join(", ")),
        (false, _) if key == "mux" && matches!(value.trim(), "true" | "false") => value.trim().to_owned(),
        (false, _) if key == "shards" && value.trim().parse::<u32>().is_ok() => value.trim().to_owned(),
        (false, _) => quoted(value),
    }
}

/// Reads a name; a bad one is noted.
pub fn name(reader: &Reader, key: &str) -> Option<Text> {
    let text = reader.required_text(key)?;
    if !is_name(&text.text) {
        let help = "1 to 64 letters, digits, -, _ or . (no spaces)".to_owned();
        reader.bad(text.place, format!("\"{}\" cannot be a {key}", text.text), help);
        return None;
    }
    Some(text)
}
