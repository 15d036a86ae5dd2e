//! The rules of a `[[queue]]` by which its callers go elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::acd::config::{Bound, Lack, NoAgentRule, Overflow, Way};
use crate::diagnostic::did_you_mean;
use crate::id::QueueName;

use super::people::{Names, People, queue_exists};
use super::reader::{Reader, Text};
use super::source::{Entry, Node, Place, Value};
use super::values::covers;

/// Longest time that a rule may wait.
const AFTER_MAX: u64 = 24 * 3_600;
/// Most callers that a bound may name.
const BOUND_MAX: i64 = 100_000;

/// Reads the rules of one queue; to be done when all names and numbers are known.
pub fn read(reader: &Reader, names: &Names, people: &mut People) {
    let name = name_of(reader).unwrap_or_default();
    for lack in Lack::ALL {
        let Some(rule) = no_agent_rule(reader, lack.key(), names, people) else { continue };
        if let Some(queue) = people.floor.queues.get_mut(name) {
            *queue.no_agents.of_mut(lack) = rule;
        }
    }
    let exit_keys = exit_keys(reader, names, people);
    if let Some(queue) = people.floor.queues.get_mut(name) {
        queue.exit_keys = exit_keys;
    }
    let Some(overflow) = overflow(reader, names, people) else { return };
    if let Some(queue) = people.floor.queues.get_mut(name) {
        queue.overflow = overflow;
    }
}

fn name_of<'a>(reader: &Reader<'a>) -> Option<&'a str> {
    match &reader.node("name")?.value {
        Value::Text(name) => Some(name),
        _ => None,
    }
}

/// `"hangup"`, or `{ action = "hangup", after = "30s" }`.
fn no_agent_rule(reader: &Reader, key: &str, names: &Names, people: &People) -> Option<NoAgentRule> {
    let node = reader.node(key)?;
    match &node.value {
        Value::Text(_) => {
            let way = way(reader, &reader.text(key)?, true, names, people)?;
            Some(NoAgentRule { way, after: Duration::ZERO })
        }
        Value::Table(entries) => {
            only(reader, key, entries, &["action", "after"]);
            let Some(action) = entries.iter().find(|e| e.name == "action") else {
                let help = format!("write {key} = {{ action = \"hangup\", after = \"30s\" }}");
                reader.problems.error(node.place, "config::missing", format!("\"{key}\" has no \"action\""), help);
                return None;
            };
            let way = way(reader, &reader.text_of("action", &action.node)?, true, names, people)?;
            let after = entries.iter().find(|e| e.name == "after");
            let after = after.and_then(|e| reader.duration_of("after", &e.node, 0..=AFTER_MAX));
            Some(NoAgentRule { way, after: after.unwrap_or_default() })
        }
        other => {
            reader.wrong_type(key, node.place, "a text as \"hangup\" or a table of \"action\" and \"after\"", other);
            None
        }
    }
}

/// `{ "1" = "flow:callback", "0" = "number:100" }`.
fn exit_keys(reader: &Reader, names: &Names, people: &People) -> BTreeMap<char, Way> {
    let Some(node) = reader.node("exit_keys") else { return BTreeMap::new() };
    let Value::Table(entries) = &node.value else {
        reader.wrong_type("exit_keys", node.place, "a table as { \"1\" = \"flow:callback\" }", &node.value);
        return BTreeMap::new();
    };
    let one = |entry: &Entry| {
        let mut letters = entry.name.chars();
        let key = letters.next().filter(|key| letters.next().is_none() && matches!(key, '0'..='9' | '*' | '#'));
        if key.is_none() {
            let help = "the keys of a phone are 0 to 9, * and #".to_owned();
            reader.bad(entry.place, format!("\"{}\" is not a key", entry.name), help);
        }
        let way = way(reader, &reader.text_of(&entry.name, &entry.node)?, false, names, people)?;
        Some((key?, way))
    };
    entries.iter().filter_map(one).collect()
}

/// `{ to = "queue:backup", wait = "90s", size = { on = 20, off = 15 }, per_agent = 3 }`.
fn overflow(reader: &Reader, names: &Names, people: &People) -> Option<Overflow> {
    let node = reader.node("overflow")?;
    let Value::Table(entries) = &node.value else {
        reader.wrong_type("overflow", node.place, "a table as { to = \"queue:backup\", wait = \"90s\" }", &node.value);
        return None;
    };
    only(reader, "overflow", entries, &["to", "wait", "size", "per_agent", "estimated_wait"]);
    let entry = |key: &str| entries.iter().find(|entry| entry.name == key);
    let wait = entry("wait").and_then(|e| reader.duration_of("wait", &e.node, 1..=AFTER_MAX));
    let bound_at = |key: &str| entry(key).and_then(|entry| bound(reader, entry));
    let (size, per_agent) = (bound_at("size"), bound_at("per_agent"));
    let estimated_wait = entry("estimated_wait").and_then(|entry| wait_bound(reader, entry));
    let Some(to) = entry("to") else {
        let help = "write overflow = { to = \"queue:backup\", wait = \"90s\" }".to_owned();
        reader.problems.error(node.place, "config::missing", "\"overflow\" has no \"to\"", help);
        return None;
    };
    let way = way(reader, &reader.text_of("to", &to.node)?, false, names, people)?;
    Some(Overflow { way, wait, size, per_agent, estimated_wait })
}

/// `20`, or `{ on = 20, off = 15 }`.
fn bound(reader: &Reader, entry: &Entry) -> Option<Bound> {
    let number = |name: &str, node: &Node, least: i64| match node.value {
        Value::Integer(Some(number)) if (least..=BOUND_MAX).contains(&number) => u32::try_from(number).ok(),
        _ => {
            reader.bad(node.place, format!("\"{name}\" must be a whole number from {least} to {BOUND_MAX}"), None);
            None
        }
    };
    two_points(reader, entry, "20", "15", number)
}

/// `"5m"`, or `{ on = "5m", off = "3m" }`, in seconds.
fn wait_bound(reader: &Reader, entry: &Entry) -> Option<Bound> {
    let seconds = |name: &str, node: &Node, least: i64| {
        let time = reader.duration_of(name, node, least.unsigned_abs()..=AFTER_MAX)?;
        u32::try_from(time.as_secs()).ok()
    };
    two_points(reader, entry, "\"5m\"", "\"3m\"", seconds)
}

/// A value alone is `on`, and `off` is one less.
fn two_points(
    reader: &Reader,
    entry: &Entry,
    on_for_example: &str,
    off_for_example: &str,
    value: impl Fn(&str, &Node, i64) -> Option<u32>,
) -> Option<Bound> {
    let Value::Table(entries) = &entry.node.value else {
        let on = value(&entry.name, &entry.node, 1)?;
        return Some(Bound { on, off: on.saturating_sub(1) });
    };
    only(reader, &entry.name, entries, &["on", "off"]);
    let inner = |key: &str| entries.iter().find(|entry| entry.name == key);
    let (Some(on), Some(off)) = (inner("on"), inner("off")) else {
        let help = format!("write {} = {{ on = {on_for_example}, off = {off_for_example} }}", entry.name);
        let message = format!("\"{}\" needs \"on\" and \"off\"", entry.name);
        reader.problems.error(entry.place, "config::missing", message, help);
        return None;
    };
    let bound = Bound { on: value("on", &on.node, 1)?, off: value("off", &off.node, 0)? };
    if bound.off >= bound.on {
        reader.bad(off.node.place, "\"off\" must be below \"on\"", None);
        return None;
    }
    Some(bound)
}

/// Notes keys of an inner table that are not among `known`.
fn only(reader: &Reader, key: &str, entries: &[Entry], known: &[&str]) {
    for entry in entries.iter().filter(|entry| !known.contains(&entry.name.as_str())) {
        let message = format!("\"{key}\" has no key \"{}\"", entry.name);
        reader.problems.unknown(entry.place, "config::unknown-key", message, &entry.name, known.iter().copied());
    }
}

/// Where a rule sends callers; `may_wait` when they may also stay or be let go.
fn way(reader: &Reader, text: &Text, may_wait: bool, names: &Names, people: &People) -> Option<Way> {
    let rest = |name: &str| Text { text: name.to_owned(), place: text.place };
    match text.text.split_once(':') {
        Some(("queue", name)) => queue_exists(reader, names, &rest(name)).then(|| Way::Queue(QueueName::from(name))),
        Some(("flow", name)) => {
            super::numbers::flow_exists(reader, names, &rest(name)).then(|| Way::Flow(name.to_owned()))
        }
        Some(("number", number)) => {
            let is_digits = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '+');
            let leads = people.call.numbers.iter().any(|known| covers(&known.pattern, number));
            if !is_digits || !leads {
                let help = "a number that a [[number]] matches".to_owned();
                reader.bad(text.place, format!("number \"{number}\" leads nowhere"), help);
                return None;
            }
            Some(Way::Number(number.to_owned()))
        }
        _ if text.text == "callback" => {
            let is_offered = reader.node("callback").is_some();
            if !is_offered {
                let help = "give the queue a `callback`: `callback = { tries = 3 }`".to_owned();
                reader.bad(text.place, "this queue calls nobody back", help);
            }
            is_offered.then_some(Way::CallBack)
        }
        _ if text.text == "voicemail" => {
            let is_offered = reader.node("voicemail").is_some();
            if !is_offered {
                let help = "give the queue a `voicemail`: `voicemail = { max = \"3m\" }`".to_owned();
                reader.bad(text.place, "this queue has no box for messages", help);
            }
            is_offered.then_some(Way::Voicemail)
        }
        _ if may_wait && text.text == "wait" => Some(Way::Wait),
        _ if may_wait && text.text == "hangup" => Some(Way::HangUp),
        _ => {
            let known: &[&str] = match may_wait {
                true => &["wait", "hangup", "callback", "voicemail", "queue:NAME", "number:N", "flow:NAME"],
                false => &["callback", "voicemail", "queue:NAME", "number:N", "flow:NAME"],
            };
            let help = match did_you_mean(&text.text, known) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("write one of {}", known.join(", ")),
            };
            reader.bad(text.place, format!("\"{}\" is nowhere to go", text.text), help);
            None
        }
    }
}

/// Refuses rules that send callers in a circle, each circle once.
pub fn refuse_circles(readers: &[Reader]) {
    let mut leads: BTreeMap<&str, Vec<(&str, Place)>> = BTreeMap::new();
    for reader in readers {
        let Some(name) = name_of(reader) else { continue };
        leads.entry(name).or_default().extend(targets(reader));
    }
    let mut told: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    for reader in readers {
        let Some(name) = name_of(reader) else { continue };
        for (next, place) in targets(reader) {
            let Some(path) = path(&leads, next, name) else { continue };
            if !told.insert(path.iter().copied().collect()) {
                continue;
            }
            let message = format!("callers of queue \"{name}\" come back to it: {name} -> {}", path.join(" -> "));
            let help = "let one of these rules lead elsewhere, or take it out".to_owned();
            reader.problems.error(place, "config::queue-circle", message, help);
        }
    }
}

/// The queues that the rules of a queue lead to, with the places that say so.
fn targets<'a>(reader: &Reader<'a>) -> Vec<(&'a str, Place)> {
    let mut targets = Vec::new();
    for (key, inner) in Lack::ALL.map(|lack| (lack.key(), "action")).into_iter().chain([("overflow", "to")]) {
        let Some(node) = reader.node(key) else { continue };
        let inner = match &node.value {
            Value::Table(entries) => entries.iter().find(|e| e.name == inner).map(|e| &e.node),
            _ => Some(node),
        };
        if let Some(node) = inner
            && let Value::Text(text) = &node.value
            && let Some(queue) = text.strip_prefix("queue:")
        {
            targets.push((queue, node.place));
        }
    }
    targets
}

/// The queues from `from` to `to`, both included, along the rules; the shortest such path.
fn path<'a>(leads: &BTreeMap<&'a str, Vec<(&'a str, Place)>>, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
    let mut paths = vec![vec![from]];
    let mut seen = BTreeSet::from([from]);
    while !paths.is_empty() {
        let mut longer = Vec::new();
        for path in paths {
            let last = path.last()?;
            if *last == to {
                return Some(path);
            }
            for (next, _) in leads.get(last).into_iter().flatten() {
                if seen.insert(next) {
                    longer.push([path.as_slice(), &[*next]].concat());
                }
            }
        }
        paths = longer;
    }
    None
}
