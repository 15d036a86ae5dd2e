//! What a reload would change: the dry run of [`Config`].
//!
//! Fields are read from the `Debug` form of the structs, of which only the names and the texts of fields are used: so a
//! field that is added later is told of without anybody thinking of it here. What is secret is not in that form.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use serde::Serialize;

use super::Config;
use crate::acd::config::FloorConfig;
use crate::id::QueueName;

/// When a change holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// At the reload, for those who wait too.
    Now,
    /// For calls that begin after it.
    NextCall,
    /// Only when the process is started anew.
    Restart,
}

/// One thing that would be another than it is.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Change {
    /// What: `queue.support.wrap_up`, `agent.101`, `sip.listen`.
    pub what: String,
    /// How it is; empty when it is not there, or is not to be shown.
    pub before: String,
    /// How it would be; empty likewise.
    pub after: String,
    /// When it holds.
    pub when: When,
    /// The queue it is about, so that who asks can look who waits there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
}

impl Config {
    /// What a reload of `new` would change, in the order of queues, agents, supervisors, trunks, numbers, all else.
    pub fn plan(&self, new: &Config) -> Vec<Change> {
        let mut changes = Vec::new();
        tell_all(&mut changes, "queue", &self.floor.queues, &new.floor.queues, When::Now);
        let queues: BTreeSet<&QueueName> = self.floor.queues.keys().chain(new.floor.queues.keys()).collect();
        for change in &mut changes {
            // A name may hold points: the longest that fits is meant.
            let rest = change.what.strip_prefix("queue.").unwrap_or_default();
            let fits = |name: &&&QueueName| {
                rest.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            change.queue =
                queues.iter().filter(fits).max_by_key(|name| name.as_str().len()).map(|name| (*name).clone());
        }
        let (old, call) = (&self.call, &new.call);
        // Of a queue that comes or goes that it does is enough.
        let both: BTreeSet<&QueueName> =
            self.floor.queues.keys().filter(|name| new.floor.queues.contains_key(*name)).collect();
        tell_part(&mut changes, &both, "record", &old.recording, &call.recording, When::NextCall);
        tell_part(&mut changes, &both, "record_pause_max", &old.record_pauses, &call.record_pauses, When::NextCall);
        tell_part(&mut changes, &both, "music", &old.music, &call.music, When::NextCall);
        tell_part(&mut changes, &both, "caller_id", &old.queue_caller_ids, &call.queue_caller_ids, When::NextCall);
        tell_part(&mut changes, &both, "callback", &old.callbacks, &call.callbacks, When::Now);
        tell_part(&mut changes, &both, "voicemail", &old.voicemail, &call.voicemail, When::Now);
        tell_part(&mut changes, &both, "dispatch", &old.dispatch, &call.dispatch, When::Now);
        tell_all(&mut changes, "agent", &self.floor.agents, &new.floor.agents, When::Now);
        for id in new.floor.agents.keys().chain(new.call.supervisors.keys()) {
            let password = |config: &Config| config.sip.users.get(id.as_str()).map(|user| user.password.clone());
            if password(self).is_some_and(|old| Some(old) != password(new)) {
                changes.push(unsaid(format!("password of {id}"), When::Now));
            }
        }
        tell_all(&mut changes, "supervisor", &self.call.supervisors, &new.call.supervisors, When::Now);
        tell_all(&mut changes, "trunk", &self.call.trunks, &new.call.trunks, When::NextCall);
        let numbers = |config: &Config| -> BTreeMap<String, _> {
            config.call.numbers.iter().map(|number| (number.pattern.clone(), number.clone())).collect()
        };
        tell_all(&mut changes, "number", &numbers(self), &numbers(new), When::NextCall);
        let (old_rest, new_rest) = (rest(&self.floor), rest(&new.floor));
        tell(&mut changes, "floor", &old_rest, &new_rest, When::Now);
        tell_all(&mut changes, "service", &self.services, &new.services, When::Now);
        for (name, service) in &self.services {
            let secret = new.services.get(name).map(|new| &new.authorization);
            if secret.is_some_and(|secret| *secret != service.authorization) {
                changes.push(unsaid(format!("authorization of {name}"), When::Now));
            }
        }
        tell(&mut changes, "tts", &self.tts, &new.tts, When::Now);
        tell(&mut changes, "outbound", &self.call.outbound, &new.call.outbound, When::NextCall);
        tell(&mut changes, "centre", &self.centre, &new.centre, When::NextCall);
        tell(&mut changes, "log", &self.log.level, &new.log.level, When::Now);
        changes.extend(self.needs_restart(new).into_iter().map(|key| unsaid(key.to_owned(), When::Restart)));
        changes
    }
}

/// The floor without its queues and agents, which are told of one by one.
fn rest(floor: &FloorConfig) -> FloorConfig {
    let mut rest = floor.clone();
    rest.queues.clear();
    rest.agents.clear();
    rest
}

fn unsaid(what: String, when: When) -> Change {
    Change { what, before: String::new(), after: String::new(), when, queue: None }
}

/// Things of one kind by name: which come, which go, what changes in those that stay.
fn tell_all<K: Ord + std::fmt::Display, T: Debug>(
    changes: &mut Vec<Change>,
    kind: &str,
    old: &BTreeMap<K, T>,
    new: &BTreeMap<K, T>,
    when: When,
) {
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let what = format!("{kind}.{name}");
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => tell(changes, &what, old, new, when),
            (Some(_), None) => changes.push(Change { before: "there".to_owned(), ..unsaid(what, when) }),
            (None, Some(_)) => changes.push(Change { after: "new".to_owned(), ..unsaid(what, when) }),
            (None, None) => {}
        }
    }
}

/// What these queues have beside their floor: which get one, lose it or have another.
fn tell_part<T: Debug + PartialEq>(
    changes: &mut Vec<Change>,
    queues: &BTreeSet<&QueueName>,
    part: &str,
    old: &BTreeMap<QueueName, T>,
    new: &BTreeMap<QueueName, T>,
    when: When,
) {
    for name in queues {
        let (old, new) = (old.get(*name), new.get(*name));
        if old != new {
            let shown = |value: Option<&T>| value.map(|value| plain(&format!("{value:?}"))).unwrap_or_default();
            let what = format!("queue.{name}.{part}");
            changes.push(Change { what, before: shown(old), after: shown(new), when, queue: Some((*name).clone()) });
        }
    }
}

/// What changes from one value to another, field by field.
fn tell<T: Debug>(changes: &mut Vec<Change>, what: &str, old: &T, new: &T, when: When) {
    let (old, new) = (fields(old), fields(new));
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let value = |of: &BTreeMap<String, String>| of.get(name).cloned().unwrap_or_default();
        let (before, after) = (value(&old), value(&new));
        if before != after {
            let what = if name.is_empty() { what.to_owned() } else { format!("{what}.{name}") };
            changes.push(Change { before, after, ..unsaid(what, when) });
        }
    }
}

/// The fields of a struct with their texts; one without a name for anything else.
fn fields<T: Debug>(value: &T) -> BTreeMap<String, String> {
    const INDENT: &str = "    ";
    let text = format!("{value:#?}");
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines() {
        let Some(inner) = line.strip_prefix(INDENT) else { continue };
        match inner.split_once(": ").filter(|_| !inner.starts_with([' ', ']', '}', ')'])) {
            Some((name, start)) => {
                name.clone_into(&mut last);
                found.insert(last.clone(), start.to_owned());
            }
            None => {
                let field = found.entry(last.clone()).or_default();
                field.push(' ');
                field.push_str(inner.trim());
            }
        }
    }
    if found.is_empty() {
        found.insert(String::new(), text);
    }
    found.values_mut().for_each(|text| *text = plain(text));
    found
}

/// A value as people write it: `Some(30s)` is `30s`, `LongestIdle` is `longest_idle`.
fn plain(text: &str) -> String {
    let text = text.trim().trim_end_matches(',');
    let inner = text.strip_prefix("Some(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
    let inner = inner.trim().trim_end_matches(',');
    let is_word =
        inner.starts_with(|c: char| c.is_ascii_uppercase()) && inner.chars().all(|c| c.is_ascii_alphanumeric());
    match inner {
        "None" => "none".to_owned(),
        _ if is_word => {
            let mut word = String::new();
            for letter in inner.chars() {
                if letter.is_ascii_uppercase() && !word.is_empty() {
                    word.push('_');
                }
                word.push(letter.to_ascii_lowercase());
            }
            word
        }
        _ => inner.replace("[ ", "[").replace(", ]", "]").replace("{ ", "{").replace(", }", "}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Document, Machine};

    /// What a queue has beside its floor, and services; of what is secret only that it is another one.
    #[test]
    fn parts_of_queues_and_services_are_told() {
        let queue = |rest: &str| {
            format!("[[queue]]\nname = \"support\"\n{rest}\n[[service]]\nname = \"crm\"\nbase_url = \"http://h\"\n")
        };
        let old = read(&format!("{}token = \"one\"\n", queue("")));
        let new = read(&format!(
            "{}token = \"two\"\nretries = 2\n",
            queue("record = \"always\"\nvoicemail = { max = \"1m\" }")
        ));
        let told: Vec<(String, String)> =
            old.plan(&new).into_iter().map(|change| (change.what, change.after)).collect();
        let of = |what: &str| told.iter().find(|(name, _)| name == what).map(|(_, after)| after.as_str());
        assert_eq!(of("queue.support.record"), Some("always"), "{told:?}");
        assert!(of("queue.support.voicemail").is_some_and(|after| after.contains("max: 60s")), "{told:?}");
        assert_eq!(of("service.crm.retries"), Some("2"), "{told:?}");
        assert_eq!(of("authorization of crm"), Some(""), "{told:?}");
        assert!(!format!("{told:?}").contains("two"), "{told:?}");
    }

    fn read(text: &str) -> Config {
        let document = Document {
            name: "hatif.toml".to_owned(),
            text: text.to_owned(),
            base: std::path::PathBuf::new(),
            layer: crate::config::Layer::File,
        };
        Config::read(vec![document], &Machine::default()).unwrap().0
    }

    const BASE: &str = "[centre]\nlanguages = [\"en\"]\n[[queue]]\nname = \"support\"\n[[agent]]\nid = \"101\"\n\
        password = \"one-long-secret\"\nqueues = [\"support\"]\nskills = { ar = 5 }\n";

    #[test]
    fn a_plan_says_what_changes_from_what_to_what_and_when() {
        let old = read(BASE);
        assert!(old.plan(&old.clone()).is_empty());
        let text =
            BASE.replace("\"support\"\n[[agent]]", "\"support\"\nstrategy = \"linear\"\nwrap_up = \"30s\"\n[[agent]]");
        let text = text.replace("one-long-secret", "another-secret").replace("ar = 5", "ar = 5, en = 3");
        let text = text
            + "[[agent]]\nid = \"102\"\npassword = \"third-secret\"\n[[queue]]\nname = \"vip\"\n\
            [http]\nlisten = \"127.0.0.1:8181\"\n";
        let plan = old.plan(&read(&text));
        let lines: Vec<String> =
            plan.iter().map(|c| format!("{} {}→{} {:?}", c.what, c.before, c.after, c.when)).collect();
        let expected = [
            "queue.support.strategy longest_idle→linear Now",
            "queue.support.wrap_up 10s→30s Now",
            "queue.vip →new Now",
            "agent.101.skills {\"ar\": 5}→{\"ar\": 5, \"en\": 3} Now",
            "agent.102 →new Now",
            "password of 101 → Now",
            "http.listen → Restart",
        ];
        assert_eq!(lines, expected);
        assert_eq!(plan[0].queue, Some("support".into()));
        let back = read(&text).plan(&old);
        assert!(back.iter().any(|c| (c.what.as_str(), c.before.as_str()) == ("agent.102", "there")), "{back:?}");
    }
}
