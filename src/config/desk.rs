//! What a queue says of its agents' work beside the talk, and which pauses there are.

use std::collections::{BTreeMap, BTreeSet};

use crate::acd::config::{MissRule, PauseCode, PauseRole, PauseRules, QueueConfig, WrapUpMode, is_system_code};
use crate::journal::AgentAction;

use super::build::duplicate;
use super::people::Seen;
use super::reader::{Reader, Text};
use super::source::Value;

/// `wrap_up`, `wrap_up_mode` and `wrap_up_max`.
pub fn wrap_up(reader: &Reader, queue: &mut QueueConfig) {
    let time = reader.duration("wrap_up", 0..=3_600);
    let mode = reader.word("wrap_up_mode", &WrapUpMode::WORDS, &[]);
    let longest = reader.duration("wrap_up_max", 1..=4 * 3_600);
    if let (Some(time), Some(longest)) = (time, longest)
        && longest < time
    {
        let message = "\"wrap_up_max\" is shorter than \"wrap_up\"";
        reader.bad(reader.key_place("wrap_up_max"), message, "it is the longest that a wrap-up may become".to_owned());
    }
    if let (Some(time), Some(WrapUpMode::Timed | WrapUpMode::OptionalTimed)) = (time, mode)
        && time.is_zero()
    {
        let help = "a time, or wrap_up_mode = \"none\"".to_owned();
        reader.bad(reader.key_place("wrap_up"), "a wrap-up of this mode needs a time", help);
    }
    queue.wrap_up = time.unwrap_or(queue.wrap_up);
    queue.wrap_up_mode = mode.unwrap_or(queue.wrap_up_mode);
    queue.wrap_up_max = longest.unwrap_or(queue.wrap_up_max);
}

/// What happens to agents whose rings fail again and again, and how long they get no offer after each.
pub fn misses(reader: &Reader, queue: &mut QueueConfig) {
    let action = |key| reader.word(key, &AgentAction::WORDS, &[]);
    let threshold = |key| reader.number(key, 1..=100);
    let rule = |old: MissRule, action_key, threshold_key| MissRule {
        action: action(action_key).unwrap_or(old.action),
        threshold: threshold(threshold_key).unwrap_or(old.threshold),
    };
    queue.rna_action = action("rna_action").unwrap_or(queue.rna_action);
    queue.rna_threshold = threshold("rna_threshold").unwrap_or(queue.rna_threshold);
    queue.on_rejected = rule(queue.on_rejected, "reject_action", "reject_threshold");
    queue.on_busy = rule(queue.on_busy, "busy_action", "busy_threshold");
    queue.on_unreachable = rule(queue.on_unreachable, "unreachable_action", "unreachable_threshold");
    queue.on_timeout = rule(queue.on_timeout, "timeout_action", "timeout_threshold");
    let delay = |key, old| reader.duration(key, 0..=3_600).unwrap_or(old);
    queue.delay_no_answer = delay("delay_no_answer", queue.delay_no_answer);
    queue.delay_rejected = delay("delay_rejected", queue.delay_rejected);
    queue.delay_busy = delay("delay_busy", queue.delay_busy);
    queue.delay_unreachable = delay("delay_unreachable", queue.delay_unreachable);
    queue.delay_timeout = delay("delay_timeout", queue.delay_timeout);
}

/// All `[[pause_code]]`; `centre` says whether one of them must be named.
pub fn pauses(tables: &[Reader], centre: &Reader, seen: &mut Seen) -> PauseRules {
    let mut rules = PauseRules { force: centre.boolean("force_pause_code").unwrap_or(false), ..PauseRules::default() };
    for reader in tables {
        let code = pause_code(reader, seen);
        rules.codes.insert(code.id.clone(), code);
    }
    if rules.force && tables.is_empty() {
        let help = "write a [[pause_code]] for each reason there is".to_owned();
        centre.bad(centre.key_place("force_pause_code"), "there is no pause code that could be named", help);
    }
    rules
}

fn pause_code(reader: &Reader, seen: &mut Seen) -> PauseCode {
    let id = seen.name(reader, "id", "pause code");
    if is_system_code(&id.text) {
        let help = "LOGIN, RNA, LAGGED and MAXPAUSE are given by the system alone".to_owned();
        reader.bad(id.place, format!("\"{}\" cannot be a pause code", id.text), help);
    }
    let default = PauseCode::new(id.text);
    let max = reader.duration("max", 10..=24 * 3_600);
    let after_max = reader.word("after_max", &AgentAction::WORDS, &[]);
    if let (None, Some(_), None) = (max, after_max, reader.node("max")) {
        let message = "\"after_max\" without \"max\" does nothing";
        reader.bad(reader.key_place("after_max"), message, "max = \"30m\"".to_owned());
    }
    PauseCode {
        labels: labels(reader),
        digits: digits(reader, seen),
        paid: reader.boolean("paid").unwrap_or(default.paid),
        productive: reader.boolean("productive").unwrap_or(default.productive),
        max,
        after_max: after_max.unwrap_or(default.after_max),
        roles: roles(reader).unwrap_or_else(|| default.roles.clone()),
        ..default
    }
}

/// What people read: a text for each language.
fn labels(reader: &Reader) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let Some(node) = reader.node("label") else { return labels };
    let Value::Table(entries) = &node.value else {
        reader.wrong_type("label", node.place, "a table as { ar = \"غداء\", en = \"Lunch\" }", &node.value);
        return labels;
    };
    for entry in entries {
        match &entry.node.value {
            Value::Text(text) if !text.trim().is_empty() => _ = labels.insert(entry.name.clone(), text.clone()),
            Value::Text(_) => reader.bad(entry.node.place, "an empty label", None),
            other => reader.wrong_type(&entry.name, entry.node.place, "a text", other),
        }
    }
    labels
}

fn digits(reader: &Reader, seen: &mut Seen) -> Option<String> {
    let text = reader.text("digits")?;
    if !(1..=8).contains(&text.text.len()) || !text.text.bytes().all(|b| b.is_ascii_digit()) {
        reader.bad(text.place, "\"digits\" is 1 to 8 digits", "they are dialled after *12".to_owned());
        return None;
    }
    seen.take(reader, "dialled pause code", &text).then_some(text.text)
}

fn roles(reader: &Reader) -> Option<BTreeSet<PauseRole>> {
    let words = [("agent", PauseRole::Agent), ("supervisor", PauseRole::Supervisor)];
    let mut roles = BTreeSet::new();
    let list: Vec<Text> = reader.texts("roles")?;
    if list.is_empty() {
        let help = "leave it out, and everybody may".to_owned();
        reader.bad(reader.key_place("roles"), "nobody could choose this code", help);
    }
    for text in &list {
        if let Some(role) = reader.word_of("roles", text, &words, &[])
            && !roles.insert(role)
        {
            duplicate(reader, text, "role");
        }
    }
    Some(roles)
}
