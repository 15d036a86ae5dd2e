//! Reads what a flow keeps: `[vars]`, `[params]` and `returns`.
//!
//! A map is flat, and each of its fields a variable of its own whose name holds a point: `customer.tier`. So whatever takes a
//! variable takes a field too.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

pub(super) use super::super::expr::fields;
use super::super::expr::{TEXT_BYTES, Type, Value, reserved_names};
use super::super::flow::Param;
use super::super::value::{Reader, Table, is_identifier};
use crate::diagnostic::suggestion;

/// Most fields of one map.
const FIELDS: usize = 100;
const TYPES: [&str; 4] = ["text", "number", "bool", "map"];

impl Reader<'_> {
    /// `[vars]`: every one has a value from the beginning.
    pub(super) fn vars(&mut self, vars: &Table<'_>) {
        for entry in &vars.entries {
            if self.variable_name(entry.key, entry.key_span.clone()) {
                self.variable(entry.key, entry.value, "a variable", true);
            }
        }
    }

    /// `[params]`: variables to which whoever calls the flow gives values; he must where they have no default.
    pub(super) fn params(&mut self, params: &Table<'_>) -> BTreeMap<String, Param> {
        let mut read = BTreeMap::new();
        for entry in &params.entries {
            if !self.variable_name(entry.key, entry.key_span.clone()) {
                continue;
            }
            if is_declared(&self.vars, entry.key) {
                let message = format!("\"{}\" is a variable already", entry.key);
                self.error("duplicate-key", entry.key_span.clone(), message, None);
                continue;
            }
            let before: Vec<String> = self.vars.keys().cloned().collect();
            let is_required = self.variable(entry.key, entry.value, "a parameter", false);
            let added = self.vars.keys().filter(|name| !before.contains(name));
            let span = &entry.key_span;
            read.extend(added.map(|name| (name.clone(), Param { is_required, span: span.clone() })));
        }
        read
    }

    /// `returns`: variables that whoever calls the flow may take over.
    pub(super) fn returns(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<String> {
        let mut returns = Vec::new();
        for item in self.array(value) {
            let Some(name) = self.string(item) else { continue };
            if self.known_variable(name, item.span()) {
                returns.push(name.to_owned());
            }
        }
        returns
    }

    /// Says what is wrong with a name that no variable, and no field of one, has.
    pub(super) fn known_variable(&mut self, name: &str, span: Range<usize>) -> bool {
        if self.vars.contains_key(name) {
            return true;
        }
        let (message, help) = match name.split_once('.') {
            None if is_map(&self.vars, name) => {
                let fields: Vec<&str> = fields(&self.vars, name).map(|(field, _)| field).collect();
                let help = format!("name one of its fields: {}", listed(name, &fields));
                (format!("\"{name}\" is a map and no value itself"), Some(help))
            }
            Some((map, field)) if is_map(&self.vars, map) => {
                let fields: Vec<&str> = fields(&self.vars, map).map(|(field, _)| field).collect();
                let help = suggestion(field, &fields).unwrap_or_else(|| format!("possible: {}", listed(map, &fields)));
                (format!("no field \"{field}\" in {map}"), Some(help))
            }
            _ => {
                let help = suggestion(name, self.vars.keys()).unwrap_or_else(|| "declare it under [vars]".to_owned());
                (format!("no variable \"{name}\""), Some(help))
            }
        };
        self.error("unknown-variable", span, message, help);
        false
    }

    fn variable_name(&mut self, name: &str, span: Range<usize>) -> bool {
        let reserved = reserved_names().any(|known| known == name);
        if !reserved && is_identifier(name) {
            return true;
        }
        let help = if reserved { "it is taken" } else { "letters, digits and _, beginning with a letter" };
        self.error("bad-name", span, format!("\"{name}\" cannot be the name of a variable"), Some(help.to_owned()));
        false
    }

    /// `{ type = …, default = … }`; true when it has no default, which only a parameter may lack.
    fn variable(&mut self, name: &str, value: &Spanned<DeValue<'_>>, owner: &str, needs_default: bool) -> bool {
        let Some(table) = self.table(value) else { return false };
        self.only_keys(&table, &["type", "default"], owner);
        let Some(ty) = self.required(&table, "type", owner) else { return false };
        let Some(word) = self.string(ty) else { return false };
        if !TYPES.contains(&word) {
            let help = suggestion(word, TYPES).unwrap_or_else(|| format!("possible: {}", TYPES.join(", ")));
            self.error("unknown-word", ty.span(), format!("no type \"{word}\""), Some(help));
            return false;
        }
        let default = match table.find("default") {
            None if !needs_default && word != "map" => None,
            _ => match self.required(&table, "default", owner) {
                Some(default) => Some(default),
                None => return false,
            },
        };
        let value = match (Type::parse(word), default) {
            (None, Some(default)) => {
                self.map(name, default);
                return false;
            }
            (None, None) => return false,
            (Some(Type::Text), default) => match default {
                Some(default) => self.text_value(default),
                None => Some(Value::Text(String::new())),
            },
            (Some(Type::Number), default) => match default {
                Some(default) => self.integer(default, i64::MIN, i64::MAX).map(Value::Number),
                None => Some(Value::Number(0)),
            },
            (Some(Type::Bool), default) => match default {
                Some(default) => self.boolean(default).map(Value::Bool),
                None => Some(Value::Bool(false)),
            },
        };
        if let Some(value) = value {
            self.vars.insert(name.to_owned(), value);
        }
        default.is_none()
    }

    /// A text that a variable can hold.
    fn text_value(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let text = self.string(value)?.to_owned();
        if text.len() > TEXT_BYTES {
            self.error("bad-value", value.span(), format!("a text has at most {TEXT_BYTES} bytes"), None);
        }
        Some(Value::Text(text))
    }

    /// The default of a map says which fields it has and of which types they are.
    fn map(&mut self, name: &str, default: &Spanned<DeValue<'_>>) {
        let Some(table) = self.table(default) else { return };
        if !(1..=FIELDS).contains(&table.entries.len()) {
            let help = Some("its fields and their types are those of the default".to_owned());
            self.error("bad-value", default.span(), format!("a map has 1 to {FIELDS} fields"), help);
        }
        for entry in table.entries.iter().take(FIELDS) {
            if !is_identifier(entry.key) {
                let help = Some("letters, digits and _, beginning with a letter".to_owned());
                let message = format!("\"{}\" cannot be the name of a field", entry.key);
                self.error("bad-name", entry.key_span.clone(), message, help);
                continue;
            }
            let value = match entry.value.get_ref() {
                DeValue::String(_) => self.text_value(entry.value),
                DeValue::Integer(_) => self.integer(entry.value, i64::MIN, i64::MAX).map(Value::Number),
                DeValue::Boolean(truth) => Some(Value::Bool(*truth)),
                _ => {
                    self.wrong_type(entry.value, "a text, a whole number, true or false");
                    None
                }
            };
            if let Some(value) = value {
                self.vars.insert(format!("{name}.{}", entry.key), value);
            }
        }
    }
}

/// True when a variable of this name is a map.
pub(super) fn is_map(vars: &BTreeMap<String, Value>, name: &str) -> bool {
    fields(vars, name).next().is_some()
}

fn is_declared(vars: &BTreeMap<String, Value>, name: &str) -> bool {
    vars.contains_key(name) || is_map(vars, name)
}

fn listed(map: &str, fields: &[&str]) -> String {
    fields.iter().map(|field| format!("{map}.{field}")).collect::<Vec<_>>().join(", ")
}
