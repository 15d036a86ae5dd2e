//! Reads nodes of kind `record`: what the caller says is kept.

use std::time::Duration;

use super::super::expr::{Type, Value};
use super::super::flow::{NodeKind, Record};
use super::super::value::{Reader, Table};

/// Shortest and longest recording that may be asked for.
const MAX: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(1_800));
const DEFAULT_MAX: Duration = Duration::from_secs(60);
/// Least and most silence that may end one.
const SILENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

impl Reader<'_> {
    pub(super) fn record(&mut self, table: &Table<'_>, owner: &str) -> Option<NodeKind> {
        let keys = ["kind", "say", "max", "silence", "terminator", "into", "survey", "next", "on"];
        self.only_keys(table, &keys, owner);
        let say = self.required(table, "say", owner).map(|value| self.say(value));
        let max = self.duration(table, "max", MAX.0, MAX.1).unwrap_or(DEFAULT_MAX);
        let silence = self.duration(table, "silence", SILENCE.0, SILENCE.1);
        let terminator = self.terminator(table, false);
        let into = self.recording_variable(table);
        let survey = table.find("survey").and_then(|value| self.name(value));
        let next = self.required_target(table, "next", owner);
        let (say, next) = say.zip(next)?;
        Some(NodeKind::Record(Box::new(Record { say, max, silence, terminator, into, survey, next })))
    }

    fn recording_variable(&mut self, table: &Table<'_>) -> Option<String> {
        let value = table.find("into")?;
        let name = self.string(value)?;
        if !self.known_variable(name, value.span()) {
            return None;
        }
        match self.vars.get(name).map(Value::ty) {
            Some(Type::Text) => Some(name.to_owned()),
            Some(ty @ (Type::Number | Type::Bool)) => {
                let message = format!("variable \"{name}\" is a {} and cannot hold a recording", ty.as_str());
                self.error("wrong-type", value.span(), message, Some("it needs type = \"text\"".to_owned()));
                None
            }
            None => None,
        }
    }
}
