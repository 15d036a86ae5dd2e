//! Reads one flow file: TOML text to [`Program`], with every fault at its place.
//!
//! Reading goes on after a fault, so that one look shows all of them. What needs the other files (flows that lead to
//! each other, circles) is the business of `check`.

mod fork;
mod http;
mod line;
mod lint;
mod noun;
mod record;
mod say;
mod subflow;
mod vars;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::Declared;
use super::expr::{Compiler, LANGUAGE_VARIABLE, Type, Value};
use super::flow::{Ask, Collect, Destination, Edge, Node, NodeKind, Program, RETURN, Target};
use super::value::{Reader, Table, dialled_key, is_name};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::id::QueueName;
use crate::say::Nouns;

pub(super) use noun::nouns;

/// Largest flow file, in bytes.
pub const FILE_BYTES: usize = 1 << 20;
/// Most nodes in one flow.
pub const NODES: usize = 1_000;

const KINDS: [&str; 16] = [
    "play",
    "menu",
    "collect",
    "set",
    "switch",
    "hours",
    "http",
    "fork",
    "queue",
    "callback",
    "voicemail",
    "record",
    "transfer",
    "flow",
    "goto",
    "hangup",
];
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(6);
const DEFAULT_INTER_DIGIT: Duration = Duration::from_secs(3);
const DEFAULT_TRIES: u32 = 3;
const ASK_KEYS: [&str; 8] =
    ["say", "say_again", "say_no_input", "say_invalid", "timeout", "tries", "barge_in", "type_ahead"];

/// Reads `text`, the content of `file`, which may count `nouns`; faults are added to `diagnostics`.
///
/// Returns what could be read, which is complete only when no error was added, and the names of nodes that could not.
pub(super) fn read(
    file: &str,
    text: &str,
    declared: &Declared,
    compiler: &Compiler,
    nouns: &Nouns,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Program, BTreeSet<String>)> {
    let mut reader = Reader::new((file, text), declared, compiler, nouns, diagnostics);
    if text.len() > FILE_BYTES {
        let message = "a flow file has at most 1 MiB";
        reader.diagnostics.push(Diagnostic::whole_file("ivr::too-large", file, message));
        return None;
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors.iter().take(5) {
            reader.diagnostics.push(Diagnostic::from_toml("ivr", file, text, error));
        }
        return None;
    }
    let mut top = Table::of(document.get_ref(), 0..1);
    if let Some(first) = top.entries.first() {
        top.span = first.key_span.clone();
    }
    let program = reader.program(&top)?;
    Some((program, reader.broken))
}

/// What nodes take over when they do not say it themselves.
#[derive(Default)]
struct Defaults {
    timeout: Option<Duration>,
    inter_digit: Option<Duration>,
    max_wait: Option<Duration>,
    tries: Option<u32>,
    barge_in: Option<bool>,
    type_ahead: Option<bool>,
    on: BTreeMap<Edge, Target>,
}

impl Reader<'_> {
    fn program(&mut self, top: &Table<'_>) -> Option<Program> {
        let keys =
            ["flow", "name", "title", "languages", "start", "vars", "params", "returns", "noun", "defaults", "node"];
        self.only_keys(top, &keys, "a flow");
        match self.required(top, "flow", "a flow").and_then(|value| self.integer(value, 1, i64::MAX)) {
            Some(1) | None => {}
            Some(other) => {
                let span = top.find("flow").map_or(0..0, Spanned::span);
                self.error("bad-value", span, format!("flow format {other} is unknown"), Some("use 1".to_owned()));
            }
        }
        let name = self.required(top, "name", "a flow").and_then(|value| self.name(value));
        let title = top.find("title").map(|value| self.title(value)).unwrap_or_default();
        self.languages = self.read_languages(top);
        if let Some(vars) = self.table_at(top, "vars") {
            self.vars(&vars);
        }
        let params = self.table_at(top, "params").map(|params| self.params(&params)).unwrap_or_default();
        let returns = top.find("returns").map(|value| self.returns(value)).unwrap_or_default();
        let defaults = self.table_at(top, "defaults").map(|table| self.defaults(&table)).unwrap_or_default();
        let start = self.required_target(top, "start", "a flow");
        let nodes = self.nodes(top, &defaults);
        if let (Some(name), Some(table)) = (&name, top.find("node").and_then(|value| value.get_ref().as_table())) {
            self.default_targets(name, &defaults.on, &Table::of(table, 0..1));
        }
        Some(Program {
            name: name?,
            span: top.find("name").map_or(0..0, Spanned::span),
            file: self.file.to_owned(),
            version: String::new(),
            title,
            languages: std::mem::take(&mut self.languages),
            vars: std::mem::take(&mut self.vars),
            params,
            returns,
            start: start?,
            nodes,
        })
    }

    fn title(&mut self, value: &Spanned<DeValue<'_>>) -> BTreeMap<String, String> {
        let Some(table) = self.table(value) else { return BTreeMap::new() };
        let mut title = BTreeMap::new();
        for entry in &table.entries {
            self.known_language(entry.key, entry.key_span.clone());
            if let Some(text) = self.string(entry.value) {
                title.insert(entry.key.to_owned(), text.to_owned());
            }
        }
        title
    }

    fn read_languages(&mut self, top: &Table<'_>) -> Vec<String> {
        let mut languages: Vec<String> = Vec::new();
        let Some(value) = self.required(top, "languages", "a flow") else { return languages };
        for item in self.array(value) {
            if let Some(language) = self.string(item) {
                self.known_language(language, item.span());
                if languages.iter().any(|known| known == language) {
                    self.error(
                        "duplicate-key",
                        item.span(),
                        format!("language \"{language}\" stands here twice"),
                        None,
                    );
                }
                languages.push(language.to_owned());
            }
        }
        if languages.is_empty() {
            self.error("bad-value", value.span(), "a flow speaks at least one language", None);
        }
        languages
    }

    fn known_language(&mut self, language: &str, span: Range<usize>) {
        if !self.declared.languages.iter().any(|known| known == language) {
            let list = format!("languages of the centre: {}", self.declared.languages.join(", "));
            let help = suggestion(language, &self.declared.languages).unwrap_or(list);
            self.error("unknown-language", span, format!("no language \"{language}\""), Some(help));
        }
    }

    fn defaults(&mut self, table: &Table<'_>) -> Defaults {
        let keys = ["timeout", "inter_digit", "max_wait", "tries", "barge_in", "type_ahead", "on"];
        self.only_keys(table, &keys, "[defaults]");
        Defaults {
            timeout: self.key_duration(table, "timeout"),
            inter_digit: self.key_duration(table, "inter_digit"),
            max_wait: self.max_wait(table),
            tries: self.tries(table),
            barge_in: self.key_boolean(table, "barge_in"),
            type_ahead: self.key_boolean(table, "type_ahead"),
            on: self.on(table, &Edge::ALL, "[defaults]"),
        }
    }

    fn nodes(&mut self, top: &Table<'_>, defaults: &Defaults) -> BTreeMap<String, Node> {
        let mut nodes = BTreeMap::new();
        let Some(value) = self.required(top, "node", "a flow") else { return nodes };
        let Some(table) = self.table(value) else { return nodes };
        if table.entries.len() > NODES {
            self.error("too-large", value.span(), format!("a flow has at most {NODES} nodes"), None);
            self.broken.extend(table.entries.iter().map(|entry| entry.key.to_owned()));
            return nodes;
        }
        for entry in &table.entries {
            if !is_name(entry.key) || entry.key == RETURN {
                let help = if entry.key == RETURN {
                    "it is the target that leads back to the flow that called this one"
                } else {
                    "letters, digits, - and _, at most 64"
                };
                let help = Some(help.to_owned());
                let message = format!("\"{}\" cannot be the name of a node", entry.key);
                self.error("bad-name", entry.key_span.clone(), message, help);
            }
            let node = self.table(entry.value).and_then(|mut body| {
                body.span = entry.key_span.clone();
                self.node(entry.key, &body, defaults)
            });
            match node {
                Some(node) => {
                    nodes.insert(entry.key.to_owned(), node);
                }
                None => {
                    self.broken.insert(entry.key.to_owned());
                }
            }
        }
        nodes
    }

    fn node(&mut self, name: &str, table: &Table<'_>, defaults: &Defaults) -> Option<Node> {
        let value = self.required(table, "kind", &format!("node {name}"))?;
        let word = self.string(value)?;
        let owner = format!("a {word} node");
        let (kind, edges): (Option<NodeKind>, Vec<Edge>) = match word {
            "play" => (self.play(table, &owner, defaults), vec![]),
            "menu" => (self.menu(table, &owner, defaults), vec![Edge::NoInput, Edge::Invalid]),
            "collect" => (self.collect(table, &owner, defaults), vec![Edge::NoInput, Edge::Invalid]),
            "set" => self.set(table, &owner),
            "switch" => self.switch(table, &owner),
            "hours" => (self.hours(table, &owner), vec![Edge::Open, Edge::Closed]),
            "queue" => self.queue(table, &owner, defaults),
            "http" => self.http(table, &owner),
            "fork" => self.fork(table, &owner),
            "callback" => self.callback(table, &owner),
            "voicemail" => self.voicemail(table, &owner),
            "record" => (self.record(table, &owner), vec![Edge::NoInput, Edge::Error]),
            "transfer" => self.transfer(table, &owner),
            "flow" => self.sub_flow(table, &owner),
            "goto" => (self.goto(table, &owner), vec![]),
            "hangup" => {
                self.only_keys(table, &["kind"], &owner);
                (Some(NodeKind::Hangup), vec![])
            }
            other => {
                let message = format!("no kind of node \"{other}\"");
                let help = suggestion(other, KINDS).unwrap_or_else(|| format!("possible: {}", KINDS.join(", ")));
                self.error("unknown-kind", value.span(), message, Some(help));
                return None;
            }
        };
        let mut edges = edges;
        if kind.as_ref().is_some_and(|kind| kind.says().iter().any(|say| say.can_fail)) {
            edges.push(Edge::Error);
        }
        let on = self.edges(name, table, &edges, word, defaults);
        Some(Node { kind: kind?, on, span: table.span.clone() })
    }

    /// The node's own edges and those it inherits; each edge of `needed` must be there. The edge `error` is needed
    /// only where something can fail, but may always be given where expressions stand.
    fn edges(
        &mut self,
        name: &str,
        table: &Table<'_>,
        needed: &[Edge],
        word: &str,
        defaults: &Defaults,
    ) -> BTreeMap<Edge, Target> {
        let mut allowed = needed.to_vec();
        if matches!(word, "set" | "switch" | "queue" | "callback" | "transfer" | "flow")
            && !allowed.contains(&Edge::Error)
        {
            allowed.push(Edge::Error);
        }
        if matches!(word, "play" | "menu" | "collect") && !allowed.contains(&Edge::Error) {
            allowed.push(Edge::Error);
        }
        match word {
            // Where nothing is said, these lead where `closed` does, and those of a queue where `no_agents` does.
            "hours" => allowed.extend([Edge::Holiday, Edge::Emergency]),
            "http" => allowed.extend([Edge::Timeout, Edge::NotFound]),
            "fork" => allowed.push(Edge::Timeout),
            "queue" => allowed.extend([Edge::NoneLoggedIn, Edge::NoneSkilled, Edge::AllPaused, Edge::Closed]),
            _ => {}
        }
        let mut on = self.on(table, &allowed, &format!("a {word} node"));
        for edge in needed {
            if on.contains_key(edge) {
                continue;
            }
            match defaults.on.get(edge) {
                Some(target) => {
                    on.insert(*edge, target.clone());
                }
                None => {
                    let edge = edge.as_str();
                    let help = Some(format!("add on = {{ {edge} = \"…\" }} here or under [defaults]"));
                    self.error("missing-edge", table.span.clone(), format!("node {name} has no edge \"{edge}\""), help);
                }
            }
        }
        on
    }

    fn on(&mut self, table: &Table<'_>, allowed: &[Edge], owner: &str) -> BTreeMap<Edge, Target> {
        let mut on = BTreeMap::new();
        let Some(edges) = self.table_at(table, "on") else { return on };
        for entry in &edges.entries {
            match Edge::parse(entry.key).filter(|edge| allowed.contains(edge)) {
                Some(edge) => {
                    if let Some(target) = self.target(entry.value) {
                        on.insert(edge, target);
                    }
                }
                None => {
                    let words: Vec<&str> = allowed.iter().map(|edge| edge.as_str()).collect();
                    let help =
                        suggestion(entry.key, &words).unwrap_or_else(|| format!("possible: {}", words.join(", ")));
                    let message = format!("{owner} has no edge \"{}\"", entry.key);
                    self.error("unknown-edge", entry.key_span.clone(), message, Some(help));
                }
            }
        }
        on
    }

    fn play(&mut self, table: &Table<'_>, owner: &str, defaults: &Defaults) -> Option<NodeKind> {
        self.only_keys(table, &["kind", "say", "barge_in", "next", "on"], owner);
        let say = self.required(table, "say", owner).map(|value| self.say(value));
        let barge_in = self.key_boolean(table, "barge_in").or(defaults.barge_in).unwrap_or(true);
        let next = self.required_target(table, "next", owner);
        Some(NodeKind::Play { say: say?, barge_in, next: next? })
    }

    fn menu(&mut self, table: &Table<'_>, owner: &str, defaults: &Defaults) -> Option<NodeKind> {
        self.only_keys(table, &[&["kind", "keys", "on"], &ASK_KEYS[..]].concat(), owner);
        let ask = self.ask(table, owner, defaults);
        let value = self.required(table, "keys", owner)?;
        let mut keys = BTreeMap::new();
        for entry in &self.table(value)?.entries {
            let target = self.target(entry.value);
            let mut letters = entry.key.chars();
            match (letters.next().and_then(dialled_key), letters.next()) {
                (Some(key), None) => {
                    if keys.insert(key, target.unwrap_or_default()).is_some() {
                        self.error(
                            "duplicate-key",
                            entry.key_span.clone(),
                            format!("key {key} stands here twice"),
                            None,
                        );
                    }
                }
                _ => {
                    let message = format!("\"{}\" is no key of a telephone", entry.key);
                    let help = Some("one of 0 to 9, *, # or A to D".to_owned());
                    self.error("bad-key", entry.key_span.clone(), message, help);
                }
            }
        }
        if keys.is_empty() {
            self.error("bad-value", value.span(), "a menu needs at least one key", None);
        }
        Some(NodeKind::Menu { ask: ask?, keys })
    }

    fn ask(&mut self, table: &Table<'_>, owner: &str, defaults: &Defaults) -> Option<Ask> {
        let mut optional = |key: &str| table.find(key).map(|value| self.say(value)).unwrap_or_default();
        let (say_again, say_no_input, say_invalid) =
            (optional("say_again"), optional("say_no_input"), optional("say_invalid"));
        let say = self.required(table, "say", owner).map(|value| self.say(value));
        let tries = self.tries(table).or(defaults.tries).unwrap_or(DEFAULT_TRIES);
        self.sayable(table, tries);
        Some(Ask {
            say_again,
            say_no_input,
            say_invalid,
            timeout: self.key_duration(table, "timeout").or(defaults.timeout).unwrap_or(DEFAULT_TIMEOUT),
            tries,
            barge_in: self.key_boolean(table, "barge_in").or(defaults.barge_in).unwrap_or(true),
            type_ahead: self.key_boolean(table, "type_ahead").or(defaults.type_ahead).unwrap_or(true),
            say: say?,
        })
    }

    fn collect(&mut self, table: &Table<'_>, owner: &str, defaults: &Defaults) -> Option<NodeKind> {
        let keys = ["kind", "into", "min", "max", "terminator", "inter_digit", "mask", "survey", "range", "next", "on"];
        self.only_keys(table, &[&keys[..], &ASK_KEYS].concat(), owner);
        let ask = self.ask(table, owner, defaults);
        let min = self.key_integer(table, "min", 1, 32).unwrap_or(1);
        let max = self.required(table, "max", owner).and_then(|value| self.integer(value, 1, 32));
        if let Some(max) = max.filter(|max| *max < min) {
            let span = table.find("max").map_or(0..0, Spanned::span);
            self.error("bad-value", span, format!("max {max} is less than min {min}"), None);
        }
        let range = table.find("range").and_then(|value| self.range(value));
        let survey = table.find("survey").and_then(|value| self.name(value));
        if let (Some(value), None) = (table.find("survey"), table.find("range")) {
            let help = Some("add range = [1, 5]".to_owned());
            self.error("missing-key", value.span(), "a survey answer needs key \"range\"", help);
        }
        let into = self.into(table);
        if into.is_none() && table.find("into").is_none() && survey.is_none() {
            let help = Some("name a variable, or a survey".to_owned());
            self.error("missing-key", table.span.clone(), format!("key \"into\" is missing in {owner}"), help);
        }
        let next = self.required_target(table, "next", owner);
        let terminator = self.terminator(table, Some(min) == max);
        if let Some(max) = max {
            self.typeable(table, max, range, terminator);
        }
        Some(NodeKind::Collect(Collect {
            ask: ask?,
            into,
            min: usize::try_from(min).ok()?,
            max: usize::try_from(max?).ok()?,
            terminator,
            inter_digit: self
                .key_duration(table, "inter_digit")
                .or(defaults.inter_digit)
                .unwrap_or(DEFAULT_INTER_DIGIT),
            mask: self.key_boolean(table, "mask").unwrap_or(false),
            survey,
            range,
            next: next?,
        }))
    }

    fn into(&mut self, table: &Table<'_>) -> Option<String> {
        let value = table.find("into")?;
        let name = self.string(value)?;
        match self.vars.get(name).map(Value::ty) {
            Some(Type::Text | Type::Number) => return Some(name.to_owned()),
            Some(Type::Bool) => {
                self.error(
                    "wrong-type",
                    value.span(),
                    format!("variable \"{name}\" is a bool and cannot hold keys"),
                    None,
                );
            }
            None => _ = self.known_variable(name, value.span()),
        }
        None
    }

    /// Without a word `#` ends an answer of open length and nothing ends one of fixed length.
    fn terminator(&mut self, table: &Table<'_>, fixed_length: bool) -> Option<char> {
        let Some(value) = table.find("terminator") else { return if fixed_length { None } else { Some('#') } };
        let text = self.string(value)?;
        let mut letters = text.chars();
        match (letters.next(), letters.next()) {
            (None, _) => None,
            (Some(letter), None) if dialled_key(letter).is_some() => dialled_key(letter),
            _ => {
                let help = Some("one of 0 to 9, *, # or A to D, or \"\" for none".to_owned());
                self.error("bad-key", value.span(), format!("\"{text}\" is no key of a telephone"), help);
                None
            }
        }
    }

    fn range(&mut self, value: &Spanned<DeValue<'_>>) -> Option<(u32, u32)> {
        let items: Vec<_> =
            self.array(value).iter().filter_map(|item| self.integer(item, 0, u32::MAX.into())).collect();
        match items.as_slice() {
            [low, high] if low <= high => Some((u32::try_from(*low).ok()?, u32::try_from(*high).ok()?)),
            _ => {
                self.error(
                    "bad-value",
                    value.span(),
                    "a range is the least and the greatest number, e.g. [1, 5]",
                    None,
                );
                None
            }
        }
    }

    fn set(&mut self, table: &Table<'_>, owner: &str) -> (Option<NodeKind>, Vec<Edge>) {
        self.only_keys(table, &["kind", "set", "next", "on"], owner);
        let mut set = Vec::new();
        let assignments = self.required(table, "set", owner).and_then(|value| self.table(value));
        for entry in assignments.iter().flat_map(|table| &table.entries) {
            let is_field = entry.value.get_ref().as_table().is_some() && vars::is_map(&self.vars, entry.key);
            if is_field {
                let help = format!("put its name into quotes: \"{}.FIELD\" = …", entry.key);
                let message = format!("\"{}\" is a map: a field of it is set by its whole name", entry.key);
                self.error("wrong-type", entry.key_span.clone(), message, Some(help));
                continue;
            }
            let Some(expression) = self.expression(entry.value) else { continue };
            if entry.key != LANGUAGE_VARIABLE && !self.known_variable(entry.key, entry.key_span.clone()) {
                continue;
            }
            let wanted = self.vars.get(entry.key).map_or(Type::Text, Value::ty);
            if let Some(found) = expression.ty().filter(|found| *found != wanted) {
                let message =
                    format!("\"{}\" is a {} and cannot hold a {}", entry.key, wanted.as_str(), found.as_str());
                self.error("expression-type", entry.value.span(), message, None);
            }
            if let (true, Some(Value::Text(language))) = (entry.key == "lang", expression.literal()) {
                self.spoken_language(&language, entry.value.span());
            }
            set.push((entry.key.to_owned(), expression));
        }
        if let Some(empty) = assignments.filter(|table| table.entries.is_empty()) {
            self.error("bad-value", empty.span, "a set node gives at least one variable a value", None);
        }
        let can_fail = set.iter().any(|(_, expression)| expression.literal().is_none());
        let next = self.required_target(table, "next", owner);
        (next.map(|next| NodeKind::Set { set, next }), if can_fail { vec![Edge::Error] } else { vec![] })
    }

    fn switch(&mut self, table: &Table<'_>, owner: &str) -> (Option<NodeKind>, Vec<Edge>) {
        self.only_keys(table, &["kind", "case", "else", "on"], owner);
        let mut cases = Vec::new();
        let mut spans = Vec::new();
        let value = self.required(table, "case", owner);
        let items = value.map(|value| self.array(value)).unwrap_or_default();
        if let Some(value) = value.filter(|value| value.get_ref().as_array().is_some_and(|cases| cases.is_empty())) {
            self.error("bad-value", value.span(), "a switch needs at least one case", None);
        }
        for item in items {
            let Some(case) = self.table(item) else { continue };
            self.only_keys(&case, &["when", "next"], "a case");
            let Some(when) = self.required(&case, "when", "a case") else { continue };
            let Some(expression) = self.expression(when) else { continue };
            if let Some(found) = expression.ty().filter(|found| *found != Type::Bool) {
                let message = format!("a condition is true or false, this is a {}", found.as_str());
                self.error("expression-type", when.span(), message, None);
            }
            if let Some(next) = self.required_target(&case, "next", "a case") {
                cases.push((expression, next));
                spans.push(when.span());
            }
        }
        let written: Vec<_> = cases.iter().map(|(expression, _)| expression).zip(spans).collect();
        self.takeable(&written);
        let can_fail = cases.iter().any(|(expression, _)| expression.literal().is_none());
        let otherwise = self.required_target(table, "else", owner);
        let kind = otherwise.map(|otherwise| NodeKind::Switch { cases, otherwise });
        (kind, if can_fail { vec![Edge::Error] } else { vec![] })
    }

    fn queue(&mut self, table: &Table<'_>, owner: &str, defaults: &Defaults) -> (Option<NodeKind>, Vec<Edge>) {
        let keys = ["kind", "queue", "skills", "priority", "segment", "max_wait", "relax", "offer_callback", "on"];
        self.only_keys(table, &keys, owner);
        let queue = self.required(table, "queue", owner).and_then(|value| self.queue_name(value));
        let mut skills = Vec::new();
        for item in table.find("skills").map(|value| self.array(value)).unwrap_or_default() {
            skills.extend(self.template(item));
        }
        let segment = table.find("segment").and_then(|value| self.template(value));
        let relax = self.relax(table);
        let offer = self.offer_callback(table).map(Box::new);
        let texts = skills.iter().chain(&segment).chain(relax.iter().flat_map(|step| &step.skills));
        let can_fail = texts.into_iter().any(|template| !template.is_constant());
        let priority = self.key_integer(table, "priority", 0, 1_000).unwrap_or(0);
        let max_wait = self.max_wait(table).or(defaults.max_wait);
        let kind = queue.map(|queue| NodeKind::Queue {
            queue,
            skills,
            priority: u32::try_from(priority).unwrap_or_default(),
            segment,
            max_wait,
            relax,
            offer,
        });
        let mut edges = vec![Edge::Ended, Edge::Timeout, Edge::Full, Edge::NoAgents];
        edges.extend(can_fail.then_some(Edge::Error));
        (kind, edges)
    }

    fn hours(&mut self, table: &Table<'_>, owner: &str) -> Option<NodeKind> {
        self.only_keys(table, &["kind", "calendar", "on"], owner);
        let value = self.required(table, "calendar", owner)?;
        let name = self.string(value)?;
        if self.declared.calendars.contains(name) {
            return Some(NodeKind::Hours { calendar: name.to_owned() });
        }
        let names: Vec<&str> = self.declared.calendars.iter().map(String::as_str).collect();
        let help = suggestion(name, &names).unwrap_or_else(|| match names.as_slice() {
            [] => "no [[calendar]] is configured".to_owned(),
            names => format!("calendars: {}", names.join(", ")),
        });
        self.error("unknown-calendar", value.span(), format!("no calendar \"{name}\""), Some(help));
        None
    }

    fn queue_name(&mut self, value: &Spanned<DeValue<'_>>) -> Option<QueueName> {
        let name = self.string(value)?;
        if self.declared.queues.contains(name) {
            return Some(QueueName::from(name));
        }
        let names: Vec<&str> = self.declared.queues.iter().map(String::as_str).collect();
        let help = suggestion(name, &names).unwrap_or_else(|| format!("queues: {}", names.join(", ")));
        self.error("unknown-queue", value.span(), format!("no queue \"{name}\""), Some(help));
        None
    }

    fn callback(&mut self, table: &Table<'_>, owner: &str) -> (Option<NodeKind>, Vec<Edge>) {
        self.only_keys(table, &["kind", "queue", "number", "next", "on"], owner);
        let value = self.required(table, "queue", owner);
        let queue = value.and_then(|value| self.queue_name(value));
        if let (Some(queue), Some(value)) = (&queue, value)
            && !self.declared.callbacks.contains(queue.as_str())
        {
            let help = "give it a `callback` in the configuration: `callback = { tries = 3 }`".to_owned();
            self.error("no-callback", value.span(), format!("queue \"{queue}\" calls nobody back"), Some(help));
        }
        let number = table.find("number").and_then(|value| self.template(value));
        let next = self.required(table, "next", owner).and_then(|value| self.target(value));
        let can_fail = number.as_ref().is_some_and(|number| !number.is_constant());
        let mut edges = vec![Edge::Failed];
        edges.extend(can_fail.then_some(Edge::Error));
        (queue.zip(next).map(|(queue, next)| NodeKind::Callback { queue, number, next }), edges)
    }

    fn voicemail(&mut self, table: &Table<'_>, owner: &str) -> (Option<NodeKind>, Vec<Edge>) {
        self.only_keys(table, &["kind", "queue", "next", "on"], owner);
        let value = self.required(table, "queue", owner);
        let queue = value.and_then(|value| self.queue_name(value));
        if let (Some(queue), Some(value)) = (&queue, value)
            && !self.declared.voicemails.contains(queue.as_str())
        {
            let help = "give it a `voicemail` in the configuration: `voicemail = { max = \"3m\" }`".to_owned();
            self.error("no-voicemail", value.span(), format!("queue \"{queue}\" has no box for messages"), Some(help));
        }
        let next = self.required(table, "next", owner).and_then(|value| self.target(value));
        let kind = queue.zip(next).map(|(queue, next)| NodeKind::Voicemail { queue, next });
        (kind, vec![Edge::Failed])
    }

    fn transfer(&mut self, table: &Table<'_>, owner: &str) -> (Option<NodeKind>, Vec<Edge>) {
        self.only_keys(table, &["kind", "to", "on"], owner);
        let to = self.required(table, "to", owner).and_then(|value| self.template(value));
        let can_fail = to.as_ref().is_some_and(|to| !to.is_constant());
        let mut edges = vec![Edge::Ended, Edge::Busy, Edge::NoAnswer, Edge::Failed];
        edges.extend(can_fail.then_some(Edge::Error));
        (to.map(|to| NodeKind::Transfer { to }), edges)
    }

    fn goto(&mut self, table: &Table<'_>, owner: &str) -> Option<NodeKind> {
        self.only_keys(table, &["kind", "node", "flow"], owner);
        match (table.find("node"), table.find("flow")) {
            (Some(node), None) => self.target(node).map(|target| NodeKind::Goto(Destination::Node(target))),
            (None, Some(flow)) => self.target(flow).map(|target| NodeKind::Goto(Destination::Flow(target))),
            (Some(_), Some(flow)) => {
                self.error("bad-value", flow.span(), "a goto leads to a node or to a flow, not to both", None);
                None
            }
            (None, None) => {
                self.error(
                    "missing-key",
                    table.span.clone(),
                    "key \"node\" or \"flow\" is missing in a goto node",
                    None,
                );
                None
            }
        }
    }
}
