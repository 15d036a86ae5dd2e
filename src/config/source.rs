//! Configuration texts: parsed with positions, merged, and the list of what is wrong with them.
//!
//! A file and an environment variable are both a [`Document`]; each value remembers which document it came from
//! and where, so that every later finding can point at it. Secrets are blanked out of the copy that is shown.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Severity, did_you_mean, line_column};

/// Keys whose values are never shown.
const SECRETS: [&str; 2] = ["password", "database"];

/// One text to read.
#[derive(Clone, PartialEq)]
pub struct Document {
    /// File name as the operator wrote it, or the environment variable.
    pub name: String,
    /// The TOML text.
    pub text: String,
    /// Relative paths in it start here.
    pub base: PathBuf,
    /// How it lies over those before it.
    pub layer: Layer,
}

/// How a document lies over those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Layer {
    /// Tables are joined; a value that is there already is a duplicate.
    File,
    /// Its values replace earlier ones.
    Environment,
    /// See [`super::edits`].
    Edits,
}

/// The text may hold passwords: only its name is shown.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({})", self.name)
    }
}

/// Where something stands: a document by index and a range of bytes in it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// Index of the document.
    pub document: usize,
    /// First byte.
    pub start: usize,
    /// After the last byte.
    pub end: usize,
}

impl Place {
    fn new(document: usize, span: Range<usize>) -> Self {
        Self { document, start: span.start, end: span.end }
    }
}

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a TOML value is here.
#[derive(Clone, Debug)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number; `None` when it does not fit.
    Integer(Option<i64>),
    /// True or false.
    Boolean(bool),
    /// A float or a date: no key takes one.
    Other(&'static str),
    /// An array, also of tables.
    List(Vec<Node>),
    /// A table.
    Table(Vec<Entry>),
}

impl Value {
    /// The word for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a text",
            Value::Integer(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::Other(kind) => kind,
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// One key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub name: String,
    /// Where the key stands.
    pub place: Place,
    /// Its value.
    pub node: Node,
}

/// Everything found wrong so far, and the texts to show it in.
pub struct Problems {
    documents: Vec<Document>,
    found: RefCell<Vec<Diagnostic>>,
}

impl Problems {
    /// Starts with no findings about `documents`.
    pub fn new(documents: Vec<Document>) -> Self {
        let blank = |d: Document| Document { text: blank_secrets(&d.text), ..d };
        Self { documents: documents.into_iter().map(blank).collect(), found: RefCell::default() }
    }

    /// Notes an error at `place`.
    pub fn error(&self, place: Place, code: &str, message: impl Into<String>, help: impl Into<Option<String>>) {
        self.note(Severity::Error, place, code, message.into(), help.into());
    }

    /// Notes a warning at `place`.
    pub fn warning(&self, place: Place, code: &str, message: impl Into<String>, help: impl Into<Option<String>>) {
        self.note(Severity::Warning, place, code, message.into(), help.into());
    }

    /// A value that the contract names but this build does not honour.
    pub fn not_built(&self, place: Place, what: &str) {
        self.error(place, "config::not-built-yet", format!("{what}: not built yet"), None);
    }

    /// An error whose help is the nearest of `candidates`, or the list of them.
    pub fn unknown<'a>(
        &self,
        place: Place,
        code: &str,
        message: impl Into<String>,
        word: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) {
        let candidates: Vec<&str> = candidates.into_iter().collect();
        let help = match did_you_mean(word, &candidates) {
            Some(near) => Some(format!("did you mean \"{near}\"?")),
            None if candidates.is_empty() => None,
            None => Some(format!("known here: {}", candidates.iter().take(20).copied().collect::<Vec<_>>().join(", "))),
        };
        self.error(place, code, message, help);
    }

    /// `FILE:LINE` of a place, for "already set at …".
    pub fn location(&self, place: Place) -> String {
        let Some(document) = self.documents.get(place.document) else { return String::new() };
        format!("{}:{}", document.name, line_column(&document.text, place.start).0)
    }

    /// Where relative paths of this document start.
    pub fn base(&self, place: Place) -> PathBuf {
        self.documents.get(place.document).map(|d| d.base.clone()).unwrap_or_default()
    }

    /// Everything found, in the order of the files and of the places in them; errors and warnings apart.
    pub fn into_parts(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let documents = self.documents;
        let order = |d: &Diagnostic| documents.iter().position(|doc| doc.name == d.file);
        let mut all = self.found.into_inner();
        all.sort_by_key(|d| (order(d), d.line, d.column));
        all.dedup();
        all.into_iter().partition(Diagnostic::is_error)
    }

    fn note(&self, severity: Severity, place: Place, code: &str, message: String, help: Option<String>) {
        let Some(document) = self.documents.get(place.document) else { return };
        let span = place.start..place.end;
        let diagnostic = match severity {
            Severity::Error => Diagnostic::error(code, &document.name, &document.text, span, message),
            Severity::Warning => Diagnostic::warning(code, &document.name, &document.text, span, message),
        };
        self.found.borrow_mut().push(diagnostic.help(help));
    }
}

/// Parses every document and lays one over the other: tables merge, lists of tables are joined, a value set twice is
/// an error unless the later document overrides.
pub fn merge(documents: &[Document], problems: &Problems) -> Vec<Entry> {
    let mut root = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let (table, errors) = DeTable::parse_recoverable(&document.text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            problems.error(Place::new(index, span), "config::syntax", error.message(), None);
        }
        let entries = entries(index, table.get_ref());
        match document.layer {
            Layer::File => lay_over(&mut root, entries, false, problems),
            Layer::Environment => lay_over(&mut root, entries, true, problems),
            Layer::Edits => super::edits::lay_over(&mut root, entries, problems),
        }
    }
    root
}

fn lay_over(below: &mut Vec<Entry>, above: Vec<Entry>, overrides: bool, problems: &Problems) {
    for entry in above {
        let Some(old) = below.iter_mut().find(|e| e.name == entry.name) else {
            below.push(entry);
            continue;
        };
        match (&mut old.node.value, entry.node.value) {
            (Value::Table(old), Value::Table(new)) => lay_over(old, new, overrides, problems),
            (Value::List(old), Value::List(mut new)) if !overrides && is_tables(old) && is_tables(&new) => {
                old.append(&mut new);
            }
            (_, value) if overrides => old.node = Node { value, place: entry.node.place },
            _ => {
                let first = problems.location(old.place);
                problems.error(
                    entry.place,
                    "config::duplicate",
                    format!("\"{}\" is set a second time", entry.name),
                    format!("already set at {first}"),
                );
            }
        }
    }
}

fn is_tables(list: &[Node]) -> bool {
    list.iter().all(|n| matches!(n.value, Value::Table(_)))
}

/// The entries of a table in the order of the text.
fn entries(document: usize, table: &DeTable<'_>) -> Vec<Entry> {
    let mut list: Vec<Entry> = table.iter().map(|(key, value)| entry(document, key, value)).collect();
    list.sort_by_key(|e| e.place.start);
    list
}

fn entry(document: usize, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) -> Entry {
    Entry { name: key.get_ref().to_string(), place: Place::new(document, key.span()), node: node(document, value) }
}

fn node(document: usize, spanned: &Spanned<DeValue<'_>>) -> Node {
    let value = match spanned.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            Value::Integer(i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok())
        }
        DeValue::Boolean(yes) => Value::Boolean(*yes),
        DeValue::Float(_) => Value::Other("a fraction"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(list) => Value::List(list.iter().map(|v| node(document, v)).collect()),
        DeValue::Table(table) => Value::Table(entries(document, table)),
    };
    Node { place: Place::new(document, spanned.span()), value }
}

/// Replaces the values of secret keys by as many stars, so that places stay where they are.
fn blank_secrets(text: &str) -> String {
    let mut shown = text.to_owned();
    for secret in SECRETS {
        let mut from = 0;
        while let Some(at) = shown.get(from..).and_then(|rest| rest.find(secret)).map(|at| from + at) {
            from = at + secret.len();
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            let before = shown.get(..at).and_then(|s| s.chars().next_back());
            let after = shown.get(from..).unwrap_or_default();
            let value = after.trim_start_matches(['"', '\'']).trim_start_matches([' ', '\t']);
            if before.is_some_and(word) || !value.starts_with('=') {
                continue;
            }
            let value = value.trim_start_matches(['=', ' ', '\t']);
            let start = shown.len() - value.len();
            let length = secret_length(value);
            let stars: String = value.get(..length).unwrap_or_default().chars().map(star).collect();
            shown.replace_range(start..start + length, &stars);
            from = start + length;
        }
    }
    shown
}

/// How many bytes of `value` are the secret: to its closing quote, else to the end of the line.
fn secret_length(value: &str) -> usize {
    let line = value.find('\n').unwrap_or(value.len());
    for quote in ["\"\"\"", "'''"] {
        if let Some(inner) = value.strip_prefix(quote) {
            return inner.find(quote).map_or(value.len(), |end| end + 2 * quote.len());
        }
    }
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return line };
    let mut escaped = false;
    for (at, letter) in value.char_indices().skip(1) {
        match letter {
            '\n' => return at,
            '\\' if quote == '"' => escaped = !escaped,
            _ if letter == quote && !escaped => return at + 1,
            _ => escaped = false,
        }
    }
    value.len()
}

/// What stands for one letter of a secret: as many bytes as it had.
fn star(letter: char) -> String {
    match letter {
        '"' | '\'' | '\n' => letter.to_string(),
        _ => "*".repeat(letter.len_utf8()),
    }
}
