//! Reads test files: who calls, what he does, and what is expected.
//!
//! ```toml
//! flow = "main"
//! [[test]]
//! name = "an Arabic caller is served"
//! from = "+966501234567"
//! steps = ["1", "t", "answered", "5"]
//! expect = { queue = "support", path_ends = "end", survey = { csat = 5 } }
//! ```
//!
//! A test file is read as strictly as a flow: unknown keys, flows, nodes, queues and words are errors with their place.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Mock, Setting, Step};
use crate::clock::Wall;
use crate::diagnostic::{Diagnostic, suggestion};
use crate::ivr::check::Declared;
use crate::ivr::expr::{Compiler, Facts, QueueFacts};
use crate::ivr::flow::Library;
use crate::ivr::value::{Reader, Table};
use crate::journal::Hours;

/// Largest test file, in bytes.
pub const FILE_BYTES: usize = 1 << 20;
/// When tests take place that do not say it.
pub const AT: &str = "2026-11-22T10:00";
/// Who calls when nobody says it, and whom.
pub const FROM: &str = "+966501234567";
/// See [`FROM`].
pub const TO: &str = "500";

const TOP: [&str; 2] = ["flow", "test"];
const TEST: [&str; 12] =
    ["name", "flow", "from", "to", "at", "lang", "calendars", "queues", "mock", "steps", "diverted_from", "expect"];
const EXPECT: [&str; 9] = ["path", "path_ends", "queue", "outcome", "said", "not_said", "vars", "survey", "failed"];
const OUTCOMES: [&str; 5] = ["contained", "queued", "transferred", "abandoned", "error"];

/// One test.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it shows.
    pub name: String,
    /// The line it begins in.
    pub line: usize,
    /// Who calls, when, and what the world is like.
    pub setting: Setting,
    /// The centre's wall clock when it begins.
    pub at: DateTime,
    /// Steps in order, each with its line.
    pub steps: Vec<(Step, usize)>,
    /// What must come of it.
    pub expect: Expect,
}

/// What a test expects; what is absent is not looked at.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Expect {
    /// Nodes visited in this order, others may lie between them.
    pub path: Vec<String>,
    /// The last node.
    pub path_ends: Option<String>,
    /// A queue he waited in.
    pub queue: Option<String>,
    /// How the last flow ended.
    pub outcome: Option<String>,
    /// Prompts heard in this order, others may lie between them.
    pub said: Vec<String>,
    /// Prompts nobody heard.
    pub not_said: Vec<String>,
    /// By language, words that were heard in it.
    pub words: BTreeMap<String, Vec<String>>,
    /// Variables at the end, as text.
    pub vars: BTreeMap<String, String>,
    /// Answers of surveys.
    pub survey: BTreeMap<String, u32>,
    /// The flow fails.
    pub failed: bool,
}

/// The moment `at` of a clock in this time zone, and by how many minutes the clock is ahead of UTC then.
pub fn moment(at: DateTime, zone: &str) -> (Wall, i32) {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    match zone.to_timestamp(at) {
        Ok(moment) => (Wall(moment.as_microsecond()), zone.to_offset(moment).seconds() / 60),
        Err(_) => (Wall(0), 0),
    }
}

/// Reads `text`, the content of `file`. `open` gives the content of a file that stands beside it.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn read(
    file: &str,
    text: &str,
    library: &Library,
    declared: &Declared,
    open: &dyn Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<Vec<Scenario>, Vec<Diagnostic>> {
    if text.len() > FILE_BYTES {
        return Err(vec![Diagnostic::whole_file("ivr::too-large", file, "a test file has at most 1 MiB")]);
    }
    let document = DeTable::parse(text).map_err(|error| vec![Diagnostic::from_toml("ivr", file, text, &error)])?;
    let mut diagnostics = Vec::new();
    let compiler = Compiler::default();
    let reader = Reader::new((file, text), declared, &compiler, &library.nouns, &mut diagnostics);
    let mut reader = TestReader { reader, library, open };
    let tests = reader.file(&Table::of(document.get_ref(), 0..1));
    if diagnostics.is_empty() { Ok(tests) } else { Err(diagnostics) }
}

struct TestReader<'a> {
    reader: Reader<'a>,
    library: &'a Library,
    open: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
}

type Value<'t> = Spanned<DeValue<'t>>;

impl TestReader<'_> {
    fn file(&mut self, top: &Table<'_>) -> Vec<Scenario> {
        self.reader.only_keys(top, &TOP, "a test file");
        let flow = top.find("flow").and_then(|value| self.flow(value));
        let Some(tests) = self.reader.required(top, "test", "a test file") else { return Vec::new() };
        let items = self.reader.array(tests);
        items.iter().filter_map(|item| self.test(item, flow.as_deref())).collect()
    }

    fn test(&mut self, item: &Value<'_>, default_flow: Option<&str>) -> Option<Scenario> {
        let mut table = self.reader.table(item)?;
        if let Some(first) = table.entries.first() {
            table.span = first.key_span.clone();
        }
        self.reader.only_keys(&table, &TEST, "a test");
        let name = self.reader.required(&table, "name", "a test").and_then(|value| self.string(value));
        let flow = match (table.find("flow"), default_flow) {
            (Some(value), _) => self.flow(value),
            (None, Some(flow)) => Some(flow.to_owned()),
            (None, None) => {
                let help = Some("name it here or at the top of the file".to_owned());
                self.reader.error("missing-key", table.span.clone(), "key \"flow\" is missing in a test", help);
                None
            }
        };
        let mut text = |key: &str, usual: &str| match table.find(key) {
            Some(value) => self.string(value).unwrap_or_default(),
            None => usual.to_owned(),
        };
        let (caller, called, diverted_from) = (text("from", FROM), text("to", TO), text("diverted_from", ""));
        let language = match table.find("lang") {
            Some(value) => {
                let languages = self.reader.declared.languages.clone();
                self.one_of(value, "language", &languages).unwrap_or_default()
            }
            None => self.reader.declared.languages.first().cloned().unwrap_or_default(),
        };
        let at = match table.find("at") {
            Some(value) => self.moment(value),
            None => AT.parse().ok(),
        };
        let hours = self.calendars(&table);
        let queues = self.queues(&table);
        let mocks = self.mocks(&table);
        let steps = self.steps(&table);
        let expect = self.reader.table_at(&table, "expect").map(|expect| self.expect(&expect, flow.as_deref()));
        let facts = Facts { caller, called, diverted_from, language, ..Facts::default() };
        let line = crate::diagnostic::line_column(self.reader.text, table.span.start).0;
        let setting = Setting { flow: flow?, facts, queues, hours, mocks };
        Some(Scenario { name: name?, line, setting, at: at?, steps, expect: expect.unwrap_or_default() })
    }

    fn string(&mut self, value: &Value<'_>) -> Option<String> {
        self.reader.string(value).map(str::to_owned)
    }

    fn unknown(&mut self, span: Range<usize>, what: &str, name: &str, known: &[String]) {
        let list = match known {
            [] => format!("there is no {what}"),
            known => format!("possible: {}", known.join(", ")),
        };
        let help = suggestion(name, known).unwrap_or(list);
        self.reader.error(&format!("unknown-{what}"), span, format!("no {what} \"{name}\""), Some(help));
    }

    fn one_of(&mut self, value: &Value<'_>, what: &str, known: &[String]) -> Option<String> {
        let name = self.string(value)?;
        if known.contains(&name) {
            return Some(name);
        }
        self.unknown(value.span(), what, &name, known);
        None
    }

    fn flow(&mut self, value: &Value<'_>) -> Option<String> {
        let flows: Vec<String> = self.library.flows.keys().cloned().collect();
        self.one_of(value, "flow", &flows)
    }

    fn moment(&mut self, value: &Value<'_>) -> Option<DateTime> {
        let text = self.string(value)?;
        let moment = text.parse().ok();
        if moment.is_none() {
            let help = Some(format!("write it as \"{AT}\", by the centre's clock"));
            self.reader.error("bad-value", value.span(), format!("\"{text}\" is no moment"), help);
        }
        moment
    }

    fn calendars(&mut self, table: &Table<'_>) -> BTreeMap<String, Hours> {
        let mut hours = BTreeMap::new();
        let known: Vec<String> = self.reader.declared.calendars.iter().cloned().collect();
        for entry in self.reader.table_at(table, "calendars").map(|table| table.entries).unwrap_or_default() {
            if !known.iter().any(|name| name == entry.key) {
                self.unknown(entry.key_span.clone(), "calendar", entry.key, &known);
            }
            let words = Hours::WORDS.map(|(word, _)| word.to_owned());
            let Some(word) = self.one_of(entry.value, "word", &words) else { continue };
            let state = Hours::WORDS.iter().find(|(known, _)| *known == word).map(|(_, hours)| *hours);
            hours.extend(state.map(|state| (entry.key.to_owned(), state)));
        }
        hours
    }

    fn queues(&mut self, table: &Table<'_>) -> BTreeMap<String, QueueFacts> {
        let mut queues = BTreeMap::new();
        let known: Vec<String> = self.reader.declared.queues.iter().cloned().collect();
        for entry in self.reader.table_at(table, "queues").map(|table| table.entries).unwrap_or_default() {
            if !known.iter().any(|name| name == entry.key) {
                self.unknown(entry.key_span.clone(), "queue", entry.key, &known);
            }
            let Some(fields) = self.reader.table(entry.value) else { continue };
            let mut facts = QueueFacts::default();
            for field in &fields.entries {
                let number = self.reader.integer(field.value, 0, u32::MAX.into()).unwrap_or(0);
                if !facts.set(field.key, number) {
                    let fields = QueueFacts::FIELDS.map(str::to_owned);
                    self.unknown(field.key_span.clone(), "field", field.key, &fields);
                }
            }
            queues.insert(entry.key.to_owned(), facts);
        }
        queues
    }

    fn mocks(&mut self, table: &Table<'_>) -> BTreeMap<String, Mock> {
        let mut mocks = BTreeMap::new();
        let known: Vec<String> = self.reader.declared.services.iter().cloned().collect();
        for entry in self.reader.table_at(table, "mock").map(|table| table.entries).unwrap_or_default() {
            if !known.iter().any(|name| name == entry.key) {
                self.unknown(entry.key_span.clone(), "service", entry.key, &known);
            }
            mocks.extend(self.mock(entry.value).map(|mock| (entry.key.to_owned(), mock)));
        }
        mocks
    }

    /// `"timeout"`, `"error"`, a file, or `{ status = 404, body = { … } }`.
    fn mock(&mut self, value: &Value<'_>) -> Option<Mock> {
        if value.get_ref().as_table().is_none() {
            return match self.string(value)?.as_str() {
                "timeout" => Some(Mock::Timeout),
                "error" => Some(Mock::Error),
                path => match (self.open)(path) {
                    Ok(body) => Some(Mock::Answer { status: 200, body: body.into() }),
                    Err(why) => {
                        let help =
                            Some("a file beside the test, \"timeout\", \"error\" or { status = 404 }".to_owned());
                        self.reader.error("unreadable", value.span(), format!("cannot read {path}: {why}"), help);
                        None
                    }
                },
            };
        }
        let table = self.reader.table(value)?;
        self.reader.only_keys(&table, &["status", "body"], "a mock");
        let status = table.find("status").and_then(|status| self.reader.integer(status, 100, 599)).unwrap_or(200);
        let body = match table.find("body") {
            Some(body) => json(body.get_ref()).to_string(),
            None => "{}".to_owned(),
        };
        Some(Mock::Answer { status: u16::try_from(status).ok()?, body: body.into() })
    }

    fn steps(&mut self, table: &Table<'_>) -> Vec<(Step, usize)> {
        let mut steps = Vec::new();
        for item in table.find("steps").map(|value| self.reader.array(value)).unwrap_or_default() {
            let Some(text) = self.string(item) else { continue };
            match Step::parse(&text) {
                Some(step) => {
                    let line = crate::diagnostic::line_column(self.reader.text, item.span().start).0;
                    steps.push((step, line));
                }
                None => {
                    let help = Some("keys as \"1\" or \"1234#\", \"t\", \"h\", \"answered\", …".to_owned());
                    self.reader.error("bad-value", item.span(), "this step is empty", help);
                }
            }
        }
        steps
    }

    fn expect(&mut self, table: &Table<'_>, flow: Option<&str>) -> Expect {
        let spoken: Vec<String> = self.reader.declared.languages.iter().map(|l| format!("said_{l}")).collect();
        let keys: Vec<&str> = EXPECT.iter().copied().chain(spoken.iter().map(String::as_str)).collect();
        self.reader.only_keys(table, &keys, "what is expected");
        let mut expect = Expect::default();
        // A walk goes on in other flows: their nodes count too.
        let nodes: Vec<String> = match flow {
            Some(_) => self.library.flows.values().flat_map(|flow| flow.nodes.keys().cloned()).collect(),
            None => Vec::new(),
        };
        for entry in &table.entries {
            let value = entry.value;
            match entry.key {
                "path" => {
                    for item in self.texts(value) {
                        expect.path.extend(self.one_of(item, "node", &nodes));
                    }
                }
                "path_ends" => expect.path_ends = self.one_of(value, "node", &nodes),
                "queue" => {
                    let known: Vec<String> = self.reader.declared.queues.iter().cloned().collect();
                    expect.queue = self.one_of(value, "queue", &known);
                }
                "outcome" => expect.outcome = self.one_of(value, "outcome", &OUTCOMES.map(str::to_owned)),
                "said" | "not_said" => {
                    let mut ids = Vec::new();
                    for item in self.texts(value) {
                        ids.extend(self.string(item));
                    }
                    if entry.key == "said" { expect.said = ids } else { expect.not_said = ids }
                }
                "failed" => expect.failed = self.reader.boolean(value).unwrap_or(false),
                "vars" => {
                    for variable in self.reader.table(value).map(|table| table.entries).unwrap_or_default() {
                        let text = plain(variable.value.get_ref());
                        if text.is_none() {
                            self.reader.wrong_type(variable.value, "a text, a whole number, true or false");
                        }
                        expect.vars.extend(text.map(|text| (variable.key.to_owned(), text)));
                    }
                }
                "survey" => {
                    for answer in self.reader.table(value).map(|table| table.entries).unwrap_or_default() {
                        let score = self.reader.integer(answer.value, 0, u32::MAX.into());
                        let score = score.and_then(|score| u32::try_from(score).ok());
                        expect.survey.extend(score.map(|score| (answer.key.to_owned(), score)));
                    }
                }
                other => {
                    let Some(language) = other.strip_prefix("said_") else { continue };
                    let mut words = Vec::new();
                    for item in self.texts(value) {
                        words.extend(self.string(item));
                    }
                    expect.words.insert(language.to_owned(), words);
                }
            }
        }
        expect
    }

    /// One text or a list of them.
    fn texts<'t>(&mut self, value: &'t Value<'t>) -> Vec<&'t Value<'t>> {
        match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        }
    }
}

fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => serde_json::Value::String(text.to_string()),
        DeValue::Integer(number) => serde_json::from_str(number.as_str()).unwrap_or_default(),
        DeValue::Float(number) => serde_json::from_str(number.as_str()).unwrap_or_default(),
        DeValue::Boolean(truth) => serde_json::Value::Bool(*truth),
        DeValue::Datetime(moment) => serde_json::Value::String(moment.to_string()),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            let fields = table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref())));
            serde_json::Value::Object(fields.collect())
        }
    }
}
