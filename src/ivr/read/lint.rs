//! What can be read but is surely not meant: answers that cannot be typed, cases that are never taken, words that are
//! never said.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use super::super::expr::{Expression, Type, Value};
use super::super::flow::{Edge, RETURN, Target};
use super::super::value::{Reader, Table};
use crate::diagnostic::suggestion;

/// Digits every whole number of 64 bits can hold.
const NUMBER_DIGITS: i64 = 18;
/// Most numbers of a range that are looked at one by one.
const RANGE_LOOK: usize = 10_000;

impl Reader<'_> {
    /// The answers a `collect` node wants can be typed.
    pub(super) fn typeable(
        &mut self,
        table: &Table<'_>,
        max: i64,
        range: Option<(u32, u32)>,
        terminator: Option<char>,
    ) {
        let at = |key: &str| table.find(key).map_or(table.span.clone(), Spanned::span);
        if let Some((_, high)) = range
            && i64::try_from(high.to_string().len()).unwrap_or(i64::MAX) > max
        {
            let message = format!("{high} has more digits than the {max} that are taken");
            self.error("bad-value", at("range"), message, Some("raise \"max\"".to_owned()));
        }
        let into = table.find("into").and_then(|value| value.get_ref().as_str()).and_then(|name| self.vars.get(name));
        if max > NUMBER_DIGITS && into.map(Value::ty) == Some(Type::Number) {
            let message = format!("a number variable holds at most {NUMBER_DIGITS} digits");
            self.error("bad-value", at("max"), message, Some("use a text variable".to_owned()));
        }
        let Some(digit) = terminator.filter(char::is_ascii_digit) else { return };
        let holds = |number: u32| number.to_string().contains(digit);
        let clashes = match range {
            Some((low, high)) => (low..=high).take(RANGE_LOOK).any(holds),
            None => true,
        };
        if clashes && table.find("terminator").is_some() {
            let message = format!("an answer that holds {digit} cannot be typed: {digit} ends it");
            self.warning("key-clash", at("terminator"), message, Some("end it with # or *".to_owned()));
        }
    }

    /// Every case can be taken: none is always true or false, none stands there twice.
    pub(super) fn takeable(&mut self, cases: &[(&Expression, Range<usize>)]) {
        for (at, (when, span)) in cases.iter().enumerate() {
            let message = match when.literal() {
                Some(Value::Bool(true)) => "this is always true: what follows is never taken",
                Some(Value::Bool(false)) => "this is never true",
                _ if cases.iter().take(at).any(|(other, _)| other.source().trim() == when.source().trim()) => {
                    "the same condition stands above: this case is never taken"
                }
                _ => continue,
            };
            self.warning("never-taken", span.clone(), message, None);
        }
    }

    /// A question that is asked once is not repeated, so nothing is said before its repetition.
    pub(super) fn sayable(&mut self, table: &Table<'_>, tries: u32) {
        for key in ["say_again", "say_no_input", "say_invalid"] {
            if let (1, Some(value)) = (tries, table.find(key)) {
                let message = format!("\"{key}\" is said before the second try, and there is one try only");
                self.warning("never-said", value.span(), message, Some("raise \"tries\"".to_owned()));
            }
        }
    }

    /// `lang` is set to a language the flow speaks.
    pub(super) fn spoken_language(&mut self, language: &str, span: Range<usize>) {
        if self.languages.iter().any(|known| known == language) || self.languages.is_empty() {
            return;
        }
        let list = format!("languages of the flow: {}", self.languages.join(", "));
        let help = suggestion(language, &self.languages).unwrap_or(list);
        self.error("unknown-language", span, format!("the flow does not speak \"{language}\""), Some(help));
    }

    /// The edges of `[defaults]` lead somewhere, even those that no node takes over.
    pub(super) fn default_targets(&mut self, flow: &str, on: &BTreeMap<Edge, Target>, nodes: &Table<'_>) {
        for target in on.values() {
            if target.name != RETURN && nodes.find(&target.name).is_none() {
                let message = format!("no node \"{}\" in flow {flow}", target.name);
                let help = suggestion(&target.name, nodes.entries.iter().map(|entry| entry.key));
                self.error("unknown-node", target.span.clone(), message, help);
            }
        }
    }
}
