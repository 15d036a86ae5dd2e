//! Reads single values of a flow file, each fault at its place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::Declared;
use super::expr::{Compiler, Expression, Fault, Names, Template, Value};
use super::flow::Target;
use crate::diagnostic::{Diagnostic, suggestion};

/// Most faults reported of all files together.
pub(super) const FAULTS: usize = 200;

/// A flow file while it is being read.
pub(super) struct Reader<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) declared: &'a Declared,
    pub(super) compiler: &'a Compiler,
    pub(super) diagnostics: &'a mut Vec<Diagnostic>,
    /// Variables declared so far.
    pub(super) vars: BTreeMap<String, Value>,
    /// Languages the flow speaks.
    pub(super) languages: Vec<String>,
    /// Nodes that have a fault: edges to them are not dangling.
    pub(super) broken: BTreeSet<String>,
}

/// A TOML table in the order of the file.
pub(super) struct Table<'t> {
    pub(super) entries: Vec<Entry<'t>>,
    /// Where to point when a key is missing.
    pub(super) span: Range<usize>,
}

pub(super) struct Entry<'t> {
    pub(super) key: &'t str,
    pub(super) key_span: Range<usize>,
    pub(super) value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Table<'t> {
    pub(super) fn of(table: &'t DeTable<'t>, span: Range<usize>) -> Self {
        let entry = |(key, value): (&'t Spanned<_>, _)| {
            let name: &'t std::borrow::Cow<'t, str> = key.get_ref();
            Entry { key: name.as_ref(), key_span: key.span(), value }
        };
        let mut entries: Vec<Entry<'t>> = table.iter().map(entry).collect();
        entries.sort_by_key(|entry| entry.key_span.start);
        Self { entries, span }
    }

    pub(super) fn find(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| entry.value)
    }
}

impl Reader<'_> {
    /// Adds a fault; after [`FAULTS`] of them the rest is not worth reading.
    pub(super) fn error(&mut self, code: &str, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        if self.diagnostics.len() >= FAULTS {
            return;
        }
        let found = Diagnostic::error(format!("ivr::{code}"), self.file, self.text, span, message).help(help);
        self.diagnostics.push(found);
    }

    pub(super) fn faults(&mut self, value: &Spanned<DeValue<'_>>, source: &str, faults: Vec<Fault>) {
        let whole = value.span();
        let raw = self.text.get(whole.clone()).unwrap_or_default();
        // Without escapes the expression stands in the file as it is, and each of its bytes has a place there.
        let inside = raw.find(source).filter(|_| !source.is_empty()).map(|skip| whole.start + skip);
        for fault in faults {
            let span = match inside {
                Some(start) => start + fault.span.start..start + fault.span.end,
                None => whole.clone(),
            };
            self.error(fault.code, span, fault.message, fault.help);
        }
    }

    pub(super) fn names(&self) -> Names<'_> {
        Names { vars: &self.vars, queues: &self.declared.queues }
    }

    pub(super) fn only_keys(&mut self, table: &Table<'_>, allowed: &[&str], owner: &str) {
        for entry in table.entries.iter().filter(|entry| !allowed.contains(&entry.key)) {
            let help = suggestion(entry.key, allowed).unwrap_or_else(|| format!("possible: {}", allowed.join(", ")));
            self.error(
                "unknown-key",
                entry.key_span.clone(),
                format!("unknown key \"{}\" in {owner}", entry.key),
                Some(help),
            );
        }
    }

    pub(super) fn required<'t>(
        &mut self,
        table: &Table<'t>,
        key: &str,
        owner: &str,
    ) -> Option<&'t Spanned<DeValue<'t>>> {
        let found = table.find(key);
        if found.is_none() {
            self.error("missing-key", table.span.clone(), format!("key \"{key}\" is missing in {owner}"), None);
        }
        found
    }

    pub(super) fn required_target(&mut self, table: &Table<'_>, key: &str, owner: &str) -> Option<Target> {
        self.required(table, key, owner).and_then(|value| self.target(value))
    }

    pub(super) fn wrong_type(&mut self, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let message = format!("expected {wanted}, found {}", value.get_ref().type_str());
        self.error("wrong-type", value.span(), message, None);
    }

    pub(super) fn string<'t>(&mut self, value: &'t Spanned<DeValue<'_>>) -> Option<&'t str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(value, "a text in quotes");
        }
        text
    }

    pub(super) fn boolean(&mut self, value: &Spanned<DeValue<'_>>) -> Option<bool> {
        let truth = value.get_ref().as_bool();
        if truth.is_none() {
            self.wrong_type(value, "true or false");
        }
        truth
    }

    pub(super) fn integer(&mut self, value: &Spanned<DeValue<'_>>, least: i64, greatest: i64) -> Option<i64> {
        let Some(integer) = value.get_ref().as_integer() else {
            self.wrong_type(value, "a whole number");
            return None;
        };
        match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if (least..=greatest).contains(&number) => Some(number),
            _ => {
                self.error("bad-value", value.span(), format!("the number must be {least} to {greatest}"), None);
                None
            }
        }
    }

    pub(super) fn array<'t>(&mut self, value: &'t Spanned<DeValue<'t>>) -> &'t [Spanned<DeValue<'t>>] {
        match value.get_ref() {
            DeValue::Array(array) => array,
            _ => {
                self.wrong_type(value, "a list");
                &[]
            }
        }
    }

    pub(super) fn table<'t>(&mut self, value: &'t Spanned<DeValue<'t>>) -> Option<Table<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(value, "a table");
        }
        table.map(|table| Table::of(table, value.span()))
    }

    pub(super) fn table_at<'t>(&mut self, table: &Table<'t>, key: &str) -> Option<Table<'t>> {
        table.find(key).and_then(|value| self.table(value))
    }

    pub(super) fn name(&mut self, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let name = self.string(value)?;
        if is_name(name) {
            return Some(name.to_owned());
        }
        let help = Some("letters, digits, - and _, at most 64".to_owned());
        self.error("bad-name", value.span(), format!("\"{name}\" cannot be a name"), help);
        None
    }

    pub(super) fn target(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Target> {
        self.string(value).map(|name| Target { name: name.to_owned(), span: value.span() })
    }

    pub(super) fn expression(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Expression> {
        let source = self.string(value)?;
        match self.compiler.expression(source, self.names()) {
            Ok(expression) => Some(expression),
            Err(faults) => {
                self.faults(value, source, faults);
                None
            }
        }
    }

    pub(super) fn template(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Template> {
        let source = self.string(value)?;
        match self.compiler.template(source, self.names()) {
            Ok(template) if template.is_empty() => {
                self.error("bad-value", value.span(), "this text is empty", None);
                None
            }
            Ok(template) => Some(template),
            Err(faults) => {
                self.faults(value, source, faults);
                None
            }
        }
    }

    pub(super) fn key_boolean(&mut self, table: &Table<'_>, key: &str) -> Option<bool> {
        table.find(key).and_then(|value| self.boolean(value))
    }

    pub(super) fn key_integer(&mut self, table: &Table<'_>, key: &str, least: i64, greatest: i64) -> Option<i64> {
        table.find(key).and_then(|value| self.integer(value, least, greatest))
    }

    pub(super) fn tries(&mut self, table: &Table<'_>) -> Option<u32> {
        self.key_integer(table, "tries", 1, 10).and_then(|tries| u32::try_from(tries).ok())
    }

    /// The wait for a key: half a second to a minute.
    pub(super) fn key_duration(&mut self, table: &Table<'_>, key: &str) -> Option<Duration> {
        self.duration(table, key, Duration::from_millis(500), Duration::from_secs(60))
    }

    pub(super) fn max_wait(&mut self, table: &Table<'_>) -> Option<Duration> {
        self.duration(table, "max_wait", Duration::from_secs(1), Duration::from_secs(86_400))
    }

    pub(super) fn duration(
        &mut self,
        table: &Table<'_>,
        key: &str,
        least: Duration,
        greatest: Duration,
    ) -> Option<Duration> {
        let value = table.find(key)?;
        let text = self.string(value)?;
        let Some(duration) = parse_duration(text) else {
            let help = Some("a number and ms, s, m or h, e.g. \"1500ms\" or \"6s\"".to_owned());
            self.error("bad-value", value.span(), format!("\"{text}\" is no length of time"), help);
            return None;
        };
        if !(least..=greatest).contains(&duration) {
            self.error("bad-value", value.span(), format!("the time must be {least:?} to {greatest:?}"), None);
            return None;
        }
        Some(duration)
    }
}

/// The key a character stands for; Arabic and Persian digits are digits too.
pub(super) fn dialled_key(letter: char) -> Option<char> {
    match letter {
        '0'..='9' | '*' | '#' | 'A'..='D' => Some(letter),
        'a'..='d' => Some(letter.to_ascii_uppercase()),
        '\u{0660}'..='\u{0669}' => char::from_digit(letter as u32 - 0x0660, 10),
        '\u{06F0}'..='\u{06F9}' => char::from_digit(letter as u32 - 0x06F0, 10),
        _ => None,
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(ms).map(Duration::from_millis)
}

pub(super) fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// Words of CEL that are no names.
pub(super) const CEL_WORDS: [&str; 5] = ["true", "false", "null", "in", "as"];

/// A name that CEL reads as one word.
pub(super) fn is_identifier(name: &str) -> bool {
    is_name(name)
        && !name.contains('-')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !CEL_WORDS.contains(&name)
}
