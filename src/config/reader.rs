//! Reading one table key by key: the right type, or a finding that says what is wrong and what would be right.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::keys::{NOT_BUILT, SECTIONS, Section};
use super::source::{Entry, Node, Place, Problems, Value};
use super::values::{duration, write_duration};

/// A text with its place.
#[derive(Clone, Debug)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

/// One table being read.
pub struct Reader<'a> {
    section: &'static Section,
    entries: &'a [Entry],
    /// The table's own place: its header or its first key.
    pub place: Place,
    /// Where findings go.
    pub problems: &'a Problems,
}

/// Finds unknown tables at the top of the file.
pub fn check_top(root: &[Entry], problems: &Problems) {
    for entry in root {
        match SECTIONS.iter().find(|s| s.name == entry.name) {
            Some(_) => {}
            None if NOT_BUILT.contains(&entry.name.as_str()) => {
                problems.not_built(entry.place, &format!("[{}]", entry.name));
            }
            None => problems.unknown(
                entry.place,
                "config::unknown-key",
                format!("there is no table \"{}\"", entry.name),
                &entry.name,
                SECTIONS.iter().map(|s| s.name),
            ),
        }
    }
}

impl<'a> Reader<'a> {
    /// The `[name]` table; an absent one reads as empty.
    pub fn table(root: &'a [Entry], section: &'static Section, problems: &'a Problems) -> Self {
        let empty = Self { section, entries: &[], place: Place::default(), problems };
        let Some(entry) = root.iter().find(|e| e.name == section.name) else { return empty };
        match &entry.node.value {
            Value::Table(entries) => Self::new(section, entries, entry.place, problems),
            other => {
                let message = format!("\"{}\" is a table, not {}", section.name, other.kind());
                problems.error(entry.place, "config::wrong-type", message, format!("write [{}]", section.name));
                empty
            }
        }
    }

    /// Every `[[name]]`, in the order of the files.
    pub fn tables(root: &'a [Entry], section: &'static Section, problems: &'a Problems) -> Vec<Self> {
        let Some(entry) = root.iter().find(|e| e.name == section.name) else { return Vec::new() };
        let wrong = |place: Place, kind: &str| {
            let message = format!("\"{}\" is a list of tables, not {kind}", section.name);
            problems.error(place, "config::wrong-type", message, format!("write [[{}]]", section.name));
        };
        let Value::List(list) = &entry.node.value else {
            wrong(entry.place, entry.node.value.kind());
            return Vec::new();
        };
        let mut readers = Vec::new();
        for node in list {
            match &node.value {
                Value::Table(entries) => readers.push(Self::new(section, entries, node.place, problems)),
                other => wrong(node.place, other.kind()),
            }
        }
        readers
    }

    fn new(section: &'static Section, entries: &'a [Entry], place: Place, problems: &'a Problems) -> Self {
        for entry in entries {
            if section.keys.iter().any(|k| k.name == entry.name) {
                continue;
            }
            if section.not_built.contains(&entry.name.as_str()) {
                problems.not_built(entry.place, &format!("key \"{}\"", entry.name));
            } else {
                problems.unknown(
                    entry.place,
                    "config::unknown-key",
                    format!("[{}] has no key \"{}\"", section.name, entry.name),
                    &entry.name,
                    section.keys.iter().map(|k| k.name),
                );
            }
        }
        Self { section, entries, place, problems }
    }

    /// A table within this one.
    pub fn inner(&self, section: &'static Section, node: &'a Node) -> Option<Self> {
        match &node.value {
            Value::Table(entries) => Some(Self::new(section, entries, node.place, self.problems)),
            other => {
                self.wrong_type(section.name, node.place, "a list of tables", other);
                None
            }
        }
    }

    /// As [`Reader::inner`], for a table that was read already: its unknown keys are not told again.
    pub fn inner_again(&self, section: &'static Section, node: &'a Node) -> Option<Self> {
        let Value::Table(entries) = &node.value else { return None };
        Some(Self { section, entries, place: node.place, problems: self.problems })
    }

    /// The value of a key, whatever it is.
    pub fn node(&self, key: &str) -> Option<&'a Node> {
        debug_assert!(self.section.keys.iter().any(|k| k.name == key), "{key} is not in keys.rs");
        self.entries.iter().find(|e| e.name == key).map(|e| &e.node)
    }

    /// Where the key itself stands; the table when it is absent.
    pub fn key_place(&self, key: &str) -> Place {
        self.entries.iter().find(|e| e.name == key).map_or(self.place, |e| e.place)
    }

    /// Notes a value that cannot be used.
    pub fn bad(&self, place: Place, message: impl Into<String>, help: impl Into<Option<String>>) {
        self.problems.error(place, "config::bad-value", message, help);
    }

    /// Notes that a key which must be there is not.
    pub fn missing(&self, what: &str) {
        self.problems.error(self.place, "config::missing", format!("[[{}]] needs {what}", self.section.name), None);
    }

    /// A text; an empty one is an error.
    pub fn text(&self, key: &str) -> Option<Text> {
        let node = self.node(key)?;
        self.text_of(key, node)
    }

    /// A text that must be there.
    pub fn required_text(&self, key: &str) -> Option<Text> {
        if self.node(key).is_none() {
            self.missing(&format!("\"{key}\""));
        }
        self.text(key)
    }

    /// As [`Reader::text`], for a value already found, e.g. in a table.
    pub fn text_of(&self, key: &str, node: &Node) -> Option<Text> {
        match &node.value {
            Value::Text(text) if text.trim().is_empty() => {
                self.bad(node.place, format!("\"{key}\" is empty"), None);
                None
            }
            Value::Text(text) if text.contains(|c: char| c.is_control()) => {
                self.bad(node.place, format!("\"{key}\" holds a control character"), None);
                None
            }
            Value::Text(text) => Some(Text { text: text.clone(), place: node.place }),
            other => {
                self.wrong_type(key, node.place, "a text", other);
                None
            }
        }
    }

    /// A list of texts; a lone text counts as a list of one. `None` when the key is absent.
    pub fn texts(&self, key: &str) -> Option<Vec<Text>> {
        let node = self.node(key)?;
        match &node.value {
            Value::List(list) => Some(list.iter().filter_map(|n| self.text_of(key, n)).collect()),
            Value::Text(_) => Some(self.text_of(key, node).into_iter().collect()),
            other => {
                self.wrong_type(key, node.place, "a list of texts", other);
                None
            }
        }
    }

    /// True or false.
    pub fn boolean(&self, key: &str) -> Option<bool> {
        let node = self.node(key)?;
        match &node.value {
            Value::Boolean(yes) => Some(*yes),
            other => {
                self.wrong_type(key, node.place, "true or false", other);
                None
            }
        }
    }

    /// A whole number within `limits`.
    pub fn number<T>(&self, key: &str, limits: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let node = self.node(key)?;
        let Value::Integer(number) = &node.value else {
            self.wrong_type(key, node.place, "a whole number", &node.value);
            return None;
        };
        let fitting = number.and_then(|n| T::try_from(n).ok()).filter(|n| limits.contains(n));
        if fitting.is_none() {
            let message = format!("\"{key}\" must be from {} to {}", limits.start(), limits.end());
            self.bad(node.place, message, None);
        }
        fitting
    }

    /// A duration as `"20s"` within `limits`, both in seconds.
    pub fn duration(&self, key: &str, limits: RangeInclusive<u64>) -> Option<Duration> {
        self.duration_of(key, self.node(key)?, limits)
    }

    /// As [`Reader::duration`], for a value already found, e.g. in a table.
    pub fn duration_of(&self, key: &str, node: &Node, limits: RangeInclusive<u64>) -> Option<Duration> {
        let text = match &node.value {
            Value::Text(text) => text,
            Value::Integer(Some(number)) => {
                let help = format!("write {key} = \"{number}s\"");
                let message = format!("\"{key}\" is a duration: a text with its unit");
                self.problems.error(node.place, "config::wrong-type", message, help);
                return None;
            }
            other => {
                self.wrong_type(key, node.place, "a duration as \"20s\"", other);
                return None;
            }
        };
        let Some(value) = duration(text) else {
            let help = "units are h, m, s, ms, as in \"1h30m\" or \"500ms\"".to_owned();
            self.bad(node.place, format!("\"{text}\" is not a duration"), help);
            return None;
        };
        let (least, most) = (Duration::from_secs(*limits.start()), Duration::from_secs(*limits.end()));
        if value < least || value > most {
            let message = format!("\"{key}\" must be from {} to {}", write_duration(least), write_duration(most));
            self.bad(node.place, message, None);
            return None;
        }
        Some(value)
    }

    /// One word of `words`; those of `not_built` get their own message.
    pub fn word<T: Copy>(&self, key: &str, words: &[(&'static str, T)], not_built: &[&str]) -> Option<T> {
        let text = self.text(key)?;
        self.word_of(key, &text, words, not_built)
    }

    /// As [`Reader::word`], for a text already read.
    pub fn word_of<T: Copy>(
        &self,
        key: &str,
        text: &Text,
        words: &[(&'static str, T)],
        not_built: &[&str],
    ) -> Option<T> {
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.text) {
            return Some(*value);
        }
        if not_built.contains(&text.text.as_str()) {
            self.problems.not_built(text.place, &format!("{key} = \"{}\"", text.text));
            return None;
        }
        let message = format!("\"{}\" is not a value of \"{key}\"", text.text);
        self.problems.unknown(text.place, "config::bad-value", message, &text.text, words.iter().map(|(w, _)| *w));
        None
    }

    /// Notes a value of the wrong type.
    pub fn wrong_type(&self, key: &str, place: Place, wanted: &str, found: &Value) {
        let message = format!("\"{key}\" is {wanted}, not {}", found.kind());
        self.problems.error(place, "config::wrong-type", message, None);
    }
}
