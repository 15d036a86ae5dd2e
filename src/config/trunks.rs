//! `[[trunk]]`: carriers and PBXs, how calls go there and how calls from there are known.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::call::config::{TrunkConfig, TrunkDirection, TrunkHost, TrunkIdentity};
use crate::call::number::{Format, Numbering};
use crate::sip::config::{Host, Transport, TrunkAccount, TrunkLogin, TrunkProof};

use super::legs;
use super::people::{People, Seen, secret};
use super::reader::{Reader, Text};
use super::source::{Node, Value};
use super::values::{AddressError, is_phone_number, socket};

/// Keys of a host written as a table.
const HOST_KEYS: [&str; 3] = ["host", "priority", "weight"];

/// Reads one `[[trunk]]` into its three places: calls, signalling, and the addresses it is known by.
pub fn read(reader: &Reader, people: &mut People, seen: &mut Seen) {
    let name = seen.name(reader, "name", "trunk");
    let default = TrunkConfig::new(&name.text, &[]);
    let directions = [("both", TrunkDirection::Both), ("in", TrunkDirection::In), ("out", TrunkDirection::Out)];
    let identities =
        [("pai", TrunkIdentity::Asserted), ("rpid", TrunkIdentity::RemoteParty), ("from", TrunkIdentity::From)];
    let trunk = TrunkConfig {
        hosts: hosts(reader, people, &name),
        max_calls: reader.number("max_calls", 1..=100_000).unwrap_or(default.max_calls),
        max_calls_per_second: reader.number("max_calls_per_second", 1..=10_000).unwrap_or(default.max_calls_per_second),
        direction: reader.word("direction", &directions, &[]).unwrap_or_default(),
        failover: failover(reader).unwrap_or(default.failover),
        dial_timeout: reader.duration("dial_timeout", 1..=32).unwrap_or(default.dial_timeout),
        numbering: numbering(reader),
        identity: reader.word("identity", &identities, &[]).unwrap_or_default(),
        caller_id: caller_id(reader),
        profile: legs::profile(reader),
        name: default.name,
    };
    let account = account(reader, &trunk, people, seen);
    if trunk.hosts.is_empty() && reader.node("hosts").is_none() {
        let known_otherwise = trunk.direction == TrunkDirection::In && account.inbound != TrunkProof::Address;
        if !known_otherwise {
            reader.missing("\"hosts\"");
        }
    }
    let names = trunk.hosts.iter().filter(|h| matches!(h.host, Host::Name { .. })).map(|h| h.host.clone());
    people.trunk_names.extend(names);
    people.trunk_accounts.insert(name.text.clone(), account);
    people.call.trunks.insert(name.text, trunk);
}

fn hosts(reader: &Reader, people: &mut People, name: &Text) -> Vec<TrunkHost> {
    let Some(node) = reader.node("hosts") else { return Vec::new() };
    let lone = std::slice::from_ref(node);
    let list = match &node.value {
        Value::List(list) if list.is_empty() => {
            reader.bad(node.place, "a trunk needs at least one host", None);
            return Vec::new();
        }
        Value::List(list) => list.as_slice(),
        Value::Text(_) | Value::Table(_) => lone,
        other => {
            reader.wrong_type("hosts", node.place, "a list of hosts", other);
            return Vec::new();
        }
    };
    let mut hosts = Vec::new();
    for node in list {
        let Some((host, text)) = host(reader, node) else { continue };
        if let Host::Address(address) = &host.host {
            let taken = people.trunk_addresses.insert(address.ip(), name.text.clone());
            if taken.is_some_and(|other| other != name.text && !other.is_empty() && !name.text.is_empty()) {
                let message = format!("{} belongs to another trunk already", address.ip());
                reader.problems.error(text.place, "config::duplicate", message, None);
            }
        }
        hosts.push(host);
    }
    hosts
}

/// One host: a text, or a table with `host`, `priority`, `weight`.
fn host(reader: &Reader, node: &Node) -> Option<(TrunkHost, Text)> {
    let (written, priority, weight) = match &node.value {
        Value::Text(text) => (Text { text: text.clone(), place: node.place }, None, None),
        Value::Table(entries) => {
            let mut written = None;
            let (mut priority, mut weight) = (None, None);
            for entry in entries {
                let number = |value: &Value| match value {
                    Value::Integer(Some(number)) => u16::try_from(*number).ok(),
                    _ => None,
                };
                match (entry.name.as_str(), &entry.node.value) {
                    ("host", Value::Text(text)) => {
                        written = Some(Text { text: text.clone(), place: entry.node.place });
                    }
                    ("host", other) => reader.wrong_type("host", entry.node.place, "a text", other),
                    (key @ ("priority" | "weight"), value) => match number(value) {
                        Some(number) if key == "priority" => priority = Some(number),
                        Some(number) => weight = Some(number),
                        None => reader.bad(entry.node.place, format!("\"{key}\" must be from 0 to 65535"), None),
                    },
                    (key, _) => {
                        let message = format!("a host has no key \"{key}\"");
                        reader.problems.unknown(entry.place, "config::unknown-key", message, key, HOST_KEYS);
                    }
                }
            }
            if written.is_none() && !entries.iter().any(|e| e.name == "host") {
                reader.problems.error(node.place, "config::missing", "a host table needs \"host\"", None);
            }
            (written?, priority, weight)
        }
        other => {
            reader.wrong_type("hosts", node.place, "a host as \"198.51.100.1\" or { host = \"…\" }", other);
            return None;
        }
    };
    match place(&written.text) {
        Ok((host, transport)) => {
            let default = TrunkHost::new(host);
            let (priority, weight) = (priority.unwrap_or(default.priority), weight.unwrap_or(default.weight));
            Some((TrunkHost { transport, priority, weight, ..default }, written))
        }
        Err((message, help)) => {
            reader.bad(written.place, message, help);
            None
        }
    }
}

/// Reads `ADDRESS[:PORT]`, `NAME[:PORT]`, with `sip:` before and `;transport=udp|tcp|tls` after it.
fn place(text: &str) -> Result<(Host, Option<Transport>), (String, String)> {
    const FORM: &str = "write 198.51.100.1, sip.carrier.example:5061 or sip:HOST:PORT;transport=tls";
    if text.starts_with("sips:") {
        return Err((format!("\"{text}\": write sip:…;transport=tls"), FORM.to_owned()));
    }
    let bare = text.strip_prefix("sip:").unwrap_or(text);
    let (bare, parameters) = bare.split_once(';').map_or((bare, None), |(bare, rest)| (bare, Some(rest)));
    let transport = match parameters {
        None => None,
        Some(parameters) => {
            let label = parameters.strip_prefix("transport=");
            match label.and_then(Transport::of_label) {
                Some(known @ (Transport::Udp | Transport::Tcp | Transport::Tls)) => Some(known),
                Some(Transport::Ws | Transport::Wss) | None => {
                    let message = format!("\"{parameters}\" is not a transport of a trunk");
                    return Err((message, "write ;transport=udp, ;transport=tcp or ;transport=tls".to_owned()));
                }
            }
        }
    };
    if bare.contains('@') {
        return Err((format!("\"{text}\" names a user"), format!("a host stands alone: {FORM}")));
    }
    let port = transport.map_or(5060, Transport::default_port);
    match socket(bare, Some(port)) {
        Ok(address) => Ok((Host::Address(address), transport)),
        Err(AddressError::HostName) => {
            let (name, port) = bare.rsplit_once(':').map_or((bare, None), |(name, port)| (name, Some(port)));
            let port = match port.map(|p| p.parse::<u16>().ok().filter(|p| *p > 0)) {
                Some(None) => return Err(AddressError::Port.explain(bare)),
                Some(Some(port)) => Some(port),
                None => None,
            };
            if !name.contains(|c: char| c.is_ascii_alphabetic()) || name.contains('_') {
                return Err((format!("\"{name}\" is not a host name"), FORM.to_owned()));
            }
            Ok((Host::Name { name: name.to_ascii_lowercase(), port, transport }, transport))
        }
        Err(error) => Err(error.explain(bare)),
    }
}

/// The list of `failover`: codes and classes as `"5xx"`.
fn failover(reader: &Reader) -> Option<BTreeSet<u16>> {
    let node = reader.node("failover")?;
    let Value::List(list) = &node.value else {
        reader.wrong_type("failover", node.place, "a list as [408, \"5xx\"]", &node.value);
        return None;
    };
    let mut codes = BTreeSet::new();
    for entry in list {
        let range = match &entry.value {
            Value::Integer(Some(code)) => u16::try_from(*code).ok().filter(|c| (300..=699).contains(c)).map(|c| c..=c),
            Value::Text(class) => match class.as_str() {
                "4xx" => Some(400..=499),
                "5xx" => Some(500..=599),
                "6xx" => Some(600..=699),
                _ => None,
            },
            _ => None,
        };
        match range {
            Some(range) => codes.extend(range),
            None => {
                let help = "write codes from 300 to 699, or \"4xx\", \"5xx\", \"6xx\"".to_owned();
                reader.bad(entry.place, "not a final response that a call can fail with", help);
            }
        }
    }
    Some(codes)
}

fn numbering(reader: &Reader) -> Option<Numbering> {
    let formats = [("plus", Format::Plus), ("e164", Format::E164), ("national", Format::National)];
    let format = reader.word("format", &formats, &[]);
    let (national, international) =
        (digits(reader, "national_prefix", 0..=4), digits(reader, "international_prefix", 1..=5));
    let Some(country) = reader.text("country") else {
        for key in ["format", "national_prefix", "international_prefix"] {
            if reader.node(key).is_some() {
                let help = "write country = \"966\" beside it".to_owned();
                reader.bad(reader.key_place(key), format!("\"{key}\" means nothing without \"country\""), help);
            }
        }
        return None;
    };
    let code = country.text.strip_prefix('+').unwrap_or(&country.text);
    if !(1..=3).contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_digit()) || code.starts_with('0') {
        let help = "one to three digits, as \"966\"".to_owned();
        reader.bad(country.place, format!("\"{}\" is not a country calling code", country.text), help);
        return None;
    }
    let default = Numbering::of_country(code);
    Some(Numbering {
        national_prefix: national.unwrap_or(default.national_prefix),
        international_prefix: international.unwrap_or(default.international_prefix),
        format: format.unwrap_or_default(),
        country: default.country,
    })
}

/// A text of digits; may be empty where `lengths` says so.
fn digits(reader: &Reader, key: &str, lengths: std::ops::RangeInclusive<usize>) -> Option<String> {
    let node = reader.node(key)?;
    match &node.value {
        Value::Text(text) if lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) => {
            Some(text.clone())
        }
        Value::Text(text) => {
            let help = format!("{} to {} digits", lengths.start(), lengths.end());
            reader.bad(node.place, format!("\"{text}\" is not a prefix"), help);
            None
        }
        other => {
            reader.wrong_type(key, node.place, "a text of digits", other);
            None
        }
    }
}

/// A number to be shown outside.
pub fn caller_id(reader: &Reader) -> Option<String> {
    let text = reader.text("caller_id")?;
    if !is_phone_number(&text.text) {
        let help = "digits, a + before them if need be, as \"+966112345678\"".to_owned();
        reader.bad(text.place, format!("\"{}\" is not a number to show", text.text), help);
        return None;
    }
    Some(text.text)
}

fn account(reader: &Reader, trunk: &TrunkConfig, people: &mut People, seen: &mut Seen) -> TrunkAccount {
    let proofs = [("address", TrunkProof::Address), ("digest", TrunkProof::Digest), ("tls", TrunkProof::Tls)];
    let inbound = reader.word("inbound_auth", &proofs, &[]).unwrap_or_default();
    let login = login(reader);
    let register = reader.boolean("register").unwrap_or(false);
    let expires = reader.duration("register_expires", 60..=86_400).unwrap_or(Duration::from_secs(600));
    if login.is_none() && reader.node("username").is_none() {
        let wants = [("register", register), ("inbound_auth", inbound == TrunkProof::Digest)];
        for (key, _) in wants.iter().filter(|(_, wants)| *wants) {
            reader.problems.error(
                reader.key_place(key),
                "config::missing",
                format!("\"{key}\" needs \"username\" and \"password\""),
                None,
            );
        }
    }
    if let (Some(login), TrunkProof::Digest, Some(username)) = (&login, inbound, reader.text("username")) {
        seen.take(reader, "user", &Text { text: login.username.clone(), place: username.place });
    }
    tls_identity(reader, trunk, inbound, people);
    let written: Vec<String> = trunk.hosts.iter().map(|host| bare_host(&host.host)).collect();
    let domain = reader.text("domain").map(|text| text.text).or_else(|| written.first().cloned());
    let options = reader.duration("options_interval", 0..=3_600).unwrap_or(Duration::from_secs(30));
    if !options.is_zero() && options < Duration::from_secs(5) {
        let place = reader.node("options_interval").map_or(reader.place, |n| n.place);
        reader.bad(place, "\"options_interval\" must be at least 5s", "\"0s\" = never".to_owned());
    }
    TrunkAccount {
        login,
        domain: domain.unwrap_or_default(),
        hosts: written,
        register: register.then_some(expires),
        options_interval: (!options.is_zero()).then_some(options),
        inbound,
    }
}

fn login(reader: &Reader) -> Option<TrunkLogin> {
    let username = reader.text("username");
    let password = secret(reader, "password", "password_file");
    let realm = reader.text("realm").map(|text| text.text);
    let has_password = ["password", "password_file"].iter().any(|key| reader.node(key).is_some());
    match (username, password) {
        (Some(username), Some(password)) => {
            Some(TrunkLogin { username: username.text, password: password.text, realm })
        }
        (Some(_), None) if !has_password => {
            reader.missing("\"password\" (or \"password_file\") beside \"username\"");
            None
        }
        (None, Some(_)) if reader.node("username").is_none() => {
            reader.missing("\"username\" beside its password");
            None
        }
        (Some(_) | None, _) => None,
    }
}

fn tls_identity(reader: &Reader, trunk: &TrunkConfig, inbound: TrunkProof, people: &mut People) {
    match reader.text("tls_identity") {
        Some(identity) => {
            let taken = people.trunk_peers.insert(identity.text.to_ascii_lowercase(), trunk.name.clone());
            if taken.is_some() {
                let message = format!("\"{}\" proves another trunk already", identity.text);
                reader.problems.error(identity.place, "config::duplicate", message, None);
            }
        }
        None if inbound == TrunkProof::Tls && reader.node("tls_identity").is_none() => {
            let message = "inbound_auth = \"tls\" needs \"tls_identity\"";
            reader.problems.error(reader.key_place("inbound_auth"), "config::missing", message, None);
        }
        None => {}
    }
}

/// A host without port and transport, as in a URI.
fn bare_host(host: &Host) -> String {
    match host {
        Host::Address(address) => match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        },
        Host::Name { name, .. } => name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_a_name_with_port_and_transport() {
        let read = |text: &str| place(text).map(|(host, transport)| (host.to_string(), transport));
        assert_eq!(read("198.51.100.1"), Ok(("198.51.100.1:5060".into(), None)));
        assert_eq!(read("[2001:db8::1]:5070"), Ok(("[2001:db8::1]:5070".into(), None)));
        assert_eq!(read("sip:198.51.100.1;transport=tls"), Ok(("198.51.100.1:5061".into(), Some(Transport::Tls))));
        assert_eq!(read("SIP.Carrier.example"), Ok(("sip.carrier.example".into(), None)));
        assert_eq!(
            read("sip:sip.carrier.example:5061;transport=tcp"),
            Ok(("sip.carrier.example:5061;transport=tcp".into(), Some(Transport::Tcp)))
        );
        for bad in
            ["", "sips:a.example", "sip:u@a.example", "a.example:0", "a.example;transport=ws", "a b", "1.2.3.4/24"]
        {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
