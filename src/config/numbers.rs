//! `[[number]]`: what is dialled and what happens.

use crate::call::config::{Caller, DialTarget, MediaPath, NumberAction, NumberConfig, RecordPolicy};
use crate::id::QueueName;

use super::people::{Names, queue_exists, record};
use super::reader::{Reader, Text};
use super::source::Place;
use super::values::{covers, pattern_fault, sip_address};

/// Reads every `[[number]]` in order.
pub fn read(readers: &[Reader], names: &Names) -> Vec<NumberConfig> {
    let mut numbers: Vec<NumberConfig> = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    for reader in readers {
        let pattern = pattern(reader);
        let action = action(reader, names);
        let from = from(reader, names);
        let (record, media) = dial_keys(reader, &action);
        let caller_id = super::trunks::caller_id(reader);
        let public = reader.boolean("public").unwrap_or(false);
        let (Some(pattern), Some(action)) = (pattern, action) else { continue };
        if let Some(at) = numbers.iter().position(|n| covers(&n.pattern, &pattern.text)) {
            let first = places.get(at).map(|p| reader.problems.location(*p)).unwrap_or_default();
            let message = format!("\"{}\" is never reached", pattern.text);
            let earlier = numbers.get(at).map_or("", |n| n.pattern.as_str());
            let help = format!("\"{earlier}\" at {first} matches first");
            reader.problems.warning(pattern.place, "config::never-reached", message, help);
        }
        places.push(pattern.place);
        numbers.push(NumberConfig { pattern: pattern.text, action, public, from, record, media, caller_id });
    }
    numbers
}

fn pattern(reader: &Reader) -> Option<Text> {
    let text = reader.required_text("match")?;
    if let Some(fault) = pattern_fault(&text.text) {
        reader.bad(text.place, format!("\"{}\" is not a number to match", text.text), fault.to_owned());
        return None;
    }
    let body = text.text.strip_suffix('*').unwrap_or(&text.text);
    if body.starts_with('*') {
        let message = format!("\"{}\" begins with *: feature codes go before numbers", text.text);
        reader.problems.warning(
            text.place,
            "config::never-reached",
            message,
            "agents and supervisors never reach it".to_owned(),
        );
    }
    Some(text)
}

fn action(reader: &Reader, names: &Names) -> Option<NumberAction> {
    let given: Vec<&str> = ["flow", "queue", "dial"].into_iter().filter(|k| reader.node(k).is_some()).collect();
    if given.is_empty() {
        reader.missing("one of \"flow\", \"queue\", \"dial\"");
    }
    for extra in given.iter().skip(1) {
        let message = format!("\"{extra}\" and \"{}\" exclude each other", given.first().unwrap_or(&""));
        reader.problems.error(reader.key_place(extra), "config::duplicate", message, None);
    }
    match *given.first()? {
        "flow" => reader.text("flow").filter(|t| flow_exists(reader, names, t)).map(|t| NumberAction::Flow(t.text)),
        "queue" => {
            let text = reader.text("queue").filter(|t| queue_exists(reader, names, t))?;
            Some(NumberAction::Queue(QueueName::from(text.text)))
        }
        _ => dial(reader, names).map(NumberAction::Dial),
    }
}

/// True when there is a flow of this name; notes it otherwise.
pub fn flow_exists(reader: &Reader, names: &Names, text: &Text) -> bool {
    let exists = names.flows.contains(&text.text);
    if !exists {
        let message = format!("there is no flow \"{}\"", text.text);
        let candidates = names.flows.iter().map(String::as_str);
        reader.problems.unknown(text.place, "config::unknown-flow", message, &text.text, candidates);
    }
    exists
}

/// One target, or a list of trunks that are tried in turn.
pub fn dial(reader: &Reader, names: &Names) -> Option<DialTarget> {
    let list = reader.texts("dial")?;
    if let [one] = list.as_slice() {
        return target(reader, names, one);
    }
    if list.is_empty() {
        reader.bad(reader.key_place("dial"), "\"dial\" names nothing", None);
        return None;
    }
    let mut trunks: Vec<String> = Vec::new();
    let mut understood = true;
    for text in &list {
        match text.text.strip_prefix("trunk:") {
            Some(trunk) if trunks.iter().any(|t| t == trunk) => super::build::duplicate(reader, text, "trunk"),
            Some(trunk) if dials_out(reader, names, text, trunk) => trunks.push(trunk.to_owned()),
            Some(_) => understood = false,
            None => {
                let message = format!("\"{}\" in a list of trunks", text.text);
                reader.bad(text.place, message, "only trunk:NAME can stand beside others".to_owned());
                understood = false;
            }
        }
    }
    understood.then_some(DialTarget::Trunks(trunks))
}

/// True for a trunk that calls may go out by; notes it otherwise.
fn dials_out(reader: &Reader, names: &Names, text: &Text, trunk: &str) -> bool {
    let inward = names.trunks_in.contains(trunk);
    if inward {
        let message = format!("no call goes out by trunk \"{trunk}\": its direction is \"in\"");
        reader.bad(text.place, message, None);
    }
    !inward && trunk_exists(reader, names, text, trunk)
}

fn target(reader: &Reader, names: &Names, text: &Text) -> Option<DialTarget> {
    if let Some(trunk) = text.text.strip_prefix("trunk:") {
        return dials_out(reader, names, text, trunk).then(|| DialTarget::Trunks(vec![trunk.to_owned()]));
    }
    match sip_address(&text.text) {
        Ok((user, address)) => {
            let user = user.unwrap_or("{number}");
            let braces = user.replace("{number}", "");
            if braces.contains(['{', '}']) {
                let message = format!("\"{user}\" holds a template that is not known");
                reader.bad(text.place, message, "only {number} is filled in".to_owned());
                return None;
            }
            Some(DialTarget::Address { user: user.to_owned(), address })
        }
        Err((message, help)) => {
            reader.bad(text.place, message, format!("{help}, or trunk:NAME"));
            None
        }
    }
}

fn trunk_exists(reader: &Reader, names: &Names, text: &Text, trunk: &str) -> bool {
    let exists = names.trunks.contains(trunk);
    if !exists {
        let message = format!("there is no trunk \"{trunk}\"");
        let candidates = names.trunks.iter().map(String::as_str);
        reader.problems.unknown(text.place, "config::unknown-trunk", message, trunk, candidates);
    }
    exists
}

fn from(reader: &Reader, names: &Names) -> Vec<Caller> {
    let mut from = Vec::new();
    for text in reader.texts("from").unwrap_or_default() {
        match text.text.strip_prefix("trunk:") {
            Some(trunk) if trunk_exists(reader, names, &text, trunk) => from.push(Caller::Trunk(trunk.to_owned())),
            Some(_) => {}
            None if text.text == "agents" => from.push(Caller::Agents),
            None => {
                let message = format!("\"{}\" is nobody who calls", text.text);
                let known: Vec<String> = names.trunks.iter().map(|t| format!("trunk:{t}")).collect();
                let candidates = known.iter().map(String::as_str).chain(["agents"]);
                reader.problems.unknown(text.place, "config::bad-value", message, &text.text, candidates);
            }
        }
    }
    if let Some(node) =
        reader.node("from").filter(|n| matches!(&n.value, super::source::Value::List(l) if l.is_empty()))
    {
        reader.bad(
            node.place,
            "an empty \"from\" would let everybody in",
            "leave the key out, or name who may".to_owned(),
        );
    }
    from
}

/// `record` and `media`, which only `dial` has.
fn dial_keys(reader: &Reader, action: &Option<NumberAction>) -> (RecordPolicy, MediaPath) {
    let (record, media) = (record(reader), media(reader));
    let dial = matches!(action, Some(NumberAction::Dial(_)) | None);
    for key in ["record", "media", "caller_id"] {
        if !dial && reader.node(key).is_some() {
            let help = (key == "record").then(|| "a queue says \"record\" itself".to_owned());
            reader.bad(reader.key_place(key), format!("\"{key}\" belongs to \"dial\" only"), help);
        }
    }
    if record == RecordPolicy::Always && media == MediaPath::Bypass {
        let message = "a call whose media is bypassed cannot be recorded";
        reader.bad(reader.key_place("record"), message, "use media = \"relay\"".to_owned());
    }
    (record, media)
}

fn media(reader: &Reader) -> MediaPath {
    let words = [("relay", MediaPath::Relay), ("bypass", MediaPath::Bypass)];
    reader.word("media", &words, &[]).unwrap_or_default()
}
