//! The flow format as others see it: its JSON Schema, the codes of its faults, and what the check costs.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use hatif::diagnostic::Diagnostic;
use hatif::ivr::{self, Declared, Library, SHIPPED_FLOWS, Sound, schema};
use serde_json::{Value, json};

/// Faults that can be seen in the shape of a file alone.
const OF_SHAPE: [&str; 8] = [
    "ivr::unknown-key",
    "ivr::wrong-type",
    "ivr::unknown-kind",
    "ivr::unknown-edge",
    "ivr::unknown-word",
    "ivr::bad-name",
    "ivr::bad-key",
    "ivr::missing-key",
];
/// Files with such a code whose shape is in order all the same.
const NOT_OF_SHAPE: [&str; 3] = ["collect-bool.toml", "http-into-text.toml", "record-into.toml"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Path, expected code and place, and text of every file of the corpus.
fn corpus() -> Vec<(String, String, String)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(root().join("tests/flows")).expect("the corpus").flatten().map(|entry| entry.path()).collect();
    files.sort();
    let file = |path: &PathBuf| {
        let text = read(path);
        let expected = text.lines().next().unwrap_or_default().trim_start_matches("# ").to_owned();
        (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), expected, text)
    };
    files.iter().map(file).collect()
}

fn declared() -> Declared {
    Declared {
        queues: ["support", "vip"].map(str::to_owned).into(),
        callbacks: ["support".to_owned()].into(),
        voicemails: ["support".to_owned()].into(),
        services: ["crm".to_owned(), "bot".to_owned()].into(),
        calendars: ["main".to_owned()].into(),
        languages: vec!["ar".to_owned(), "en".to_owned()],
        ..Declared::default()
    }
}

fn check(text: &str) -> (Option<Library>, Vec<Diagnostic>) {
    ivr::load(&[("x.toml".to_owned(), text.to_owned())], &declared())
}

fn as_json(text: &str) -> Option<Value> {
    serde_json::to_value(toml::from_str::<toml::Table>(text).ok()?).ok()
}

#[test]
fn the_committed_schema_is_what_the_command_prints() {
    let path = root().join("ivr-scripts/flow.schema.json");
    let text = schema::text();
    if std::env::var_os("HATIF_BLESS").is_some() {
        fs::write(&path, &text).expect("written");
    }
    assert!(read(&path) == text, "HATIF_BLESS=1 cargo test --test flows writes it anew");
}

#[test]
fn every_sound_flow_fits_the_schema() {
    let schema = Schema::new();
    let corpus = corpus();
    let (_, _, sound) = corpus.iter().find(|(_, expected, _)| expected == "sound").expect("a sound one");
    let shipped = fs::read_dir(root().join("ivr-scripts")).expect("the flows").flatten().map(|entry| entry.path());
    let shipped =
        shipped.filter(|path| path.extension().is_some_and(|e| e == "toml") && !path.ends_with("prompts.toml"));
    let texts = shipped.map(|path| read(&path)).chain(SHIPPED_FLOWS.map(|(_, text)| text.to_owned()));
    let mut count = 0;
    for text in texts.chain([sound.clone(), WHOLE_GRAMMAR.to_owned()]) {
        let flow = as_json(&text).expect("TOML");
        assert_eq!(schema.faults(&flow), Vec::<String>::new(), "{text}");
        count += 1;
    }
    assert!(count >= 6);
}

/// What the check finds in the shape of a file, an editor with the schema finds too.
#[test]
fn the_schema_refuses_what_is_of_the_wrong_shape() {
    let schema = Schema::new();
    let mut passed = Vec::new();
    let mut refused = 0;
    for (file, expected, text) in corpus() {
        let code = expected.split(' ').next().unwrap_or_default();
        if OF_SHAPE.contains(&code) && !NOT_OF_SHAPE.contains(&file.as_str()) {
            match schema.faults(&as_json(&text).expect("TOML")).is_empty() {
                true => passed.push(format!("{file}: {expected}")),
                false => refused += 1,
            }
        }
    }
    assert!(passed.is_empty(), "{passed:#?}");
    assert!(refused >= 20, "{refused}");
    // What cannot be seen in one file alone is in order for it.
    for (file, expected, text) in corpus() {
        let outside =
            ["ivr::unknown-node", "ivr::unknown-queue", "ivr::busy-loop", "ivr::never-ends", "ivr::prompt-missing"];
        if outside.contains(&expected.split(' ').next().unwrap_or_default()) {
            assert_eq!(schema.faults(&as_json(&text).expect("TOML")), Vec::<String>::new(), "{file}");
        }
    }
}

/// The reader tells in its help which keys and edges it takes; the schema has the same.
#[test]
fn the_schema_has_the_keys_and_edges_of_the_reader() {
    let schema = schema::document();
    let kinds = schema["$defs"]["node"]["properties"]["kind"]["enum"].as_array().expect("kinds").clone();
    assert_eq!(kinds.len(), 16);
    let mut compared = 0;
    for kind in kinds.iter().filter_map(Value::as_str) {
        let flow = |body: &str| {
            format!(
                "flow = 1\nname = \"x\"\nlanguages = [\"ar\"]\nstart = \"n\"\n[node.n]\nkind = \"{kind}\"\n{body}\n"
            )
        };
        let found = |body: &str, code: &str| possible(&check(&flow(body)).1, code);
        if check(&flow("")).1.iter().any(|fault| fault.code == "ivr::not-built") {
            continue;
        }
        let node = &schema["$defs"][format!("{kind}_node")]["properties"];
        let mut keys: BTreeSet<String> = node.as_object().expect("keys").keys().cloned().collect();
        let read = found("zzzzzzzzzzzzzzzzzzzzzzzz = 1", "ivr::unknown-key");
        if !read.contains("on") {
            keys.remove("on");
        }
        assert_eq!(read, keys, "keys of {kind}");
        if let (true, Some(edges)) = (read.contains("on"), node["on"]["properties"].as_object()) {
            let edges: BTreeSet<String> = edges.keys().cloned().collect();
            let body = "on = { zzzzzzzzzzzzzzzzzzzzzzzz = \"n\" }";
            // The edge `error` may be given wherever expressions may stand.
            let mut found = found(body, "ivr::unknown-edge");
            found.extend(edges.contains("error").then(|| "error".to_owned()));
            assert_eq!(found, edges, "edges of {kind}");
        }
        compared += 1;
    }
    assert!(compared >= 13, "{compared}");
    let (_, faults) = check("zzzzzzzzzzzzzzzzzzzzzzzz = 1\n");
    let top: BTreeSet<String> = schema["properties"].as_object().expect("keys").keys().cloned().collect();
    let read = possible(&faults, "ivr::unknown-key");
    assert!(read.len() >= 8 && read.is_subset(&top), "{read:?}");
    let (_, faults) = check("[defaults]\nzzzzzzzzzzzzzzzzzzzzzzzz = 1\n");
    let defaults = schema["properties"]["defaults"]["properties"].as_object().expect("keys").keys().cloned().collect();
    assert_eq!(possible(&faults, "ivr::unknown-key"), defaults);
}

/// The words after "possible:" in the help of the fault about `zzz…`.
fn possible(faults: &[Diagnostic], code: &str) -> BTreeSet<String> {
    let fault = faults.iter().find(|fault| fault.code == code && fault.message.contains("zzzz"));
    let help = fault.and_then(|fault| fault.help.as_deref()).and_then(|help| help.strip_prefix("possible: "));
    help.unwrap_or_default().split(", ").filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Codes are promises: docs/flows.md has all that are in the source and in the corpus, and no others.
#[test]
fn the_documentation_lists_every_code() {
    let mut codes: BTreeSet<String> = BTreeSet::new();
    for (_, expected, _) in corpus() {
        codes.extend(expected.split(' ').next().and_then(|code| code.strip_prefix("ivr::")).map(str::to_owned));
    }
    for path in sources(&root().join("src/ivr")).into_iter().chain([root().join("src/cli/offline.rs")]) {
        let text = read(&path);
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for opening in ["\"ivr::", "error(", "warning(", "fault(", "whole(", "code: "] {
            for (at, _) in text.match_indices(opening) {
                let rest = text[at + opening.len()..].trim_start();
                let literal = if opening.starts_with('"') { Some(rest) } else { rest.strip_prefix('"') };
                let code = literal.and_then(|rest| rest.split('"').next()).unwrap_or_default();
                if !code.is_empty() && code.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
                    codes.insert(code.to_owned());
                }
            }
        }
    }
    let docs = read(&root().join("docs/flows.md"));
    let row = |line: &str| Some(line.strip_prefix("| `ivr::")?.split('`').next()?.to_owned());
    let listed: BTreeSet<String> = docs.lines().filter_map(row).collect();
    let missing: Vec<_> = codes.difference(&listed).collect();
    let unknown: Vec<_> = listed.difference(&codes).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "not in docs: {missing:?}; in no source: {unknown:?}");
    assert!(codes.len() >= 30, "{codes:?}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the sources").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => files.extend(sources(&path)),
            false if path.ends_with("tests.rs") => {}
            false => files.push(path),
        }
    }
    files
}

/// A recording is judged at the first place of the flow where it is said.
#[test]
fn recordings_are_judged_where_they_are_first_said() {
    let good = Sound { rate_hz: 16_000, lufs: Some(-19.0), clipped: 0 };
    let (_, _, text) = corpus().into_iter().find(|(file, ..)| file == "sound.toml").expect("the sound one");
    let (line, said) = text.lines().enumerate().find(|(_, line)| line.contains("\"goodbye\"")).expect("it is said");
    let (line, column) = (line + 1, said.find("\"goodbye\"").expect("it is said") + 1);
    let judged = |sound: Sound| {
        let mut declared = declared();
        declared.sounds = [("en".to_owned(), [("goodbye".to_owned(), sound)].into())].into();
        let (library, found) = ivr::load(&[("x.toml".to_owned(), text.clone())], &declared);
        assert!(library.is_some() && found.iter().all(|fault| !fault.is_error()));
        found.iter().map(|f| format!("{} {}:{} {}", f.code, f.line, f.column, f.message)).collect::<Vec<_>>()
    };
    let at = |code: &str, what: &str| vec![format!("ivr::{code} {line}:{column} prompt \"goodbye\" in \"en\" {what}")];
    assert_eq!(judged(good), Vec::<String>::new());
    for lufs in [-23.0, -16.0] {
        assert_eq!(judged(Sound { lufs: Some(lufs), ..good }), Vec::<String>::new());
    }
    assert_eq!(judged(Sound { lufs: Some(-15.9), ..good }), at("prompt-level", "has a loudness of -15.9 LUFS"));
    assert_eq!(judged(Sound { lufs: Some(-30.0), ..good }), at("prompt-level", "has a loudness of -30.0 LUFS"));
    assert_eq!(judged(Sound { lufs: None, ..good }), at("prompt-silent", "is silent"));
    assert_eq!(judged(Sound { clipped: 1, ..good }), at("prompt-clipped", "is cut off at full scale once"));
    assert_eq!(judged(Sound { rate_hz: 6_000, ..good }), at("prompt-rate", "was recorded with 6000 samples a second"));
}

/// The longest way that comes to no node twice, by hand: ask, second, talk, survey, bye, end.
#[test]
fn the_longest_path_is_told() {
    let flow = |nodes: &str| format!("flow = 1\nname = \"x\"\nlanguages = [\"ar\"]\nstart = \"a\"\n[node]\n{nodes}");
    let goes = |name: &str, to: &[&str]| {
        let keys: Vec<String> = to.iter().enumerate().map(|(key, to)| format!("\"{key}\" = \"{to}\"")).collect();
        format!(
            "{name} = {{ kind = \"menu\", say = [{{ prompt = \"x\" }}], keys = {{ {} }}, on = {{ no_input = \"z\", invalid = \"z\" }} }}\n",
            keys.join(", ")
        )
    };
    let end = "z = { kind = \"hangup\" }\n";
    let summary = |nodes: String| {
        let (library, found) = check(&flow(&nodes));
        library.unwrap_or_else(|| panic!("{found:?}")).flows["x"].summary()
    };
    let straight = goes("a", &["b", "z"]) + &goes("b", &["c"]) + &goes("c", &["z"]) + end;
    assert!(summary(straight).contains("longest path 4 ·"));
    // From `b` back to `a`: the way on may not come to `a` again.
    let circle =
        goes("a", &["b", "d"]) + &goes("b", &["a", "c"]) + &goes("c", &["b", "d"]) + &goes("d", &["c", "a"]) + end;
    assert!(summary(circle).contains("longest path 5 ·"), "a, b, c, d, z");
    // Every one of 60 menus leads to all others: the search gives up and says so.
    let names: Vec<String> = (0..60).map(|n| format!("n{n}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let keyed: String = names
        .iter()
        .enumerate()
        .map(|(n, name)| goes(name, &[all[(n + 1) % 60], all[(n + 7) % 60], all[(n * 3 + 1) % 60]]))
        .collect();
    let crowded = summary(goes("a", &["n0"]) + &keyed + end);
    let longest = crowded.split("longest path ").nth(1).and_then(|rest| rest.split('+').next()).unwrap_or_default();
    assert!(longest.parse::<usize>().is_ok_and(|longest| (30..=62).contains(&longest)), "{crowded}");
}

/// However many warnings there are, an error behind them is found.
#[test]
fn warnings_never_hide_an_error() {
    let mut text = "flow = 1\nname = \"x\"\nlanguages = [\"ar\"]\nstart = \"z\"\n[vars]\na = { type = \"text\", default = \"\" }\n\
                    [node]\nz = { kind = \"hangup\" }\n"
        .to_owned();
    for n in 0..400 {
        text += &format!(
            "n{n} = {{ kind = \"collect\", say = [{{ prompt = \"x\" }}], into = \"a\", max = 4, terminator = \"5\", next = \"z\", \
             on = {{ no_input = \"z\", invalid = \"z\" }} }}\n"
        );
    }
    let (library, found) = check(&text);
    assert!(library.is_some() && found.len() >= 100, "{}", found.len());
    for (bad, code) in [
        ("zz = { kind = \"goto\", node = \"zz\" }\n", "ivr::busy-loop"),
        ("zz = { kind = \"goto\", node = \"nowhere\" }\n", "ivr::unknown-node"),
        ("zz = { kind = \"goto\", nodes = \"z\" }\n", "ivr::unknown-key"),
    ] {
        let (library, found) = check(&(text.clone() + bad));
        assert!(library.is_none() && found.iter().any(|fault| fault.code == code), "{code}");
    }
}

/// Twice the nodes, twice the work, circles and warnings included; CPU time of this thread, the best of five.
#[test]
fn the_check_grows_with_the_flow_and_no_faster() {
    let flow = |nodes: usize| {
        let mut text = "flow = 1\nname = \"x\"\nlanguages = [\"ar\"]\nstart = \"n0\"\n[node]\n".to_owned();
        for n in 0..nodes {
            // Long chains of nodes that do not wait, the last of them back to the first: one circle of half of all nodes.
            let next = if n + 1 == nodes / 2 { 0 } else { (n + 1) % nodes };
            text += &format!("n{n} = {{ kind = \"goto\", node = \"n{next}\" }}\n");
        }
        text
    };
    let spent = |nodes: usize| {
        let text = flow(nodes);
        let now = || {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
        };
        let once = || {
            let begin = now();
            let (library, found) = check(&text);
            assert!(
                library.is_none()
                    && found.iter().any(|fault| fault.code == "ivr::busy-loop" || fault.code == "ivr::never-ends")
            );
            now() - begin
        };
        (0..5).map(|_| once()).fold(f64::MAX, f64::min)
    };
    let (small, large) = (spent(120), spent(960));
    // Eight times the nodes: 64 times the work would be quadratic.
    assert!(large < small * 24.0, "120 nodes {small} s, 960 nodes {large} s");
}

/// A flow with everything of the format that the shipped ones do not have.
const WHOLE_GRAMMAR: &str = r##"
flow = 1
name = "whole"
title = { ar = "كل شيء", en = "Everything" }
languages = ["ar", "en"]
start = "look"
returns = ["score"]
[vars]
customer = { type = "map", default = { tier = "none", visits = 0, has_overdue_case = false } }
score = { type = "number", default = 0 }
[params]
topic = { type = "text" }
[noun.ticket]
ar = { gender = "f", one = "تذكرة", two = "تذكرتان", two_oblique = "تذكرتين", few = "تذاكر", many = "تذكرةً", other = "تذكرة" }
en = { one = "ticket", other = "tickets" }
[node.look]
kind = "http"
service = "crm"
post = "/customers"
body = { phone = "{caller.number}" }
into = "customer"
next = "told"
on = { error = "told", status_404 = "told", timeout = "return" }
[node.told]
kind = "play"
say = [{ prompt = "welcome" }, { prompt = "welcome", lang = "ar" }, { text = "Ticket {topic}" },
       { text = { ar = "تذكرة {topic}", en = "Ticket {topic}" } }, { number = "score", gender = "f" },
       { count = "queue.support.waiting", noun = "call", case = "oblique" }, { ordinal = "score", gender = "m" },
       { money = "score", currency = "SAR" }, { date = "now.date", months = "levant" }, { time = "'14:30'" }, { duration = "score" },
       { digits = "topic" }, { phone = "caller.number" }, { spell = "topic", style = "ar-gulf" }]
next = "comment"
[node.comment]
kind = "record"
say = [{ prompt = "say_comment" }]
max = "60s"
silence = "4s"
terminator = "#"
into = "topic"
survey = "csat"
next = "bot"
on = { no_input = "bot", error = "bot" }
[node.bot]
kind = "fork"
service = "bot"
path = "/calls"
send = { topic = "{topic}" }
into = { score = "/score" }
timeout = "5m"
results = { billing = "wait", agent = "wait" }
next = "wait"
on = { timeout = "wait", error = "wait" }
[node.wait]
kind = "queue"
queue = "support"
skills = ["lang:{lang}", "topic:{topic}>=3"]
relax = [{ after = "60s", skills = ["lang:{lang}"] }, { after = "120s", skills = [] }]
offer_callback = { when = "queue.support.waiting > 9", every = "60s", key = "2", next = "asked" }
on = { ended = "asked", timeout = "asked", full = "asked", no_agents = "asked", error = "asked" }
[node.asked]
kind = "flow"
flow = "survey"
with = { topic = "topic" }
into = { score = "score" }
next = "box"
on = { error = "box" }
[node.box]
kind = "voicemail"
queue = "support"
next = "later"
on = { failed = "later" }
[node.later]
kind = "callback"
queue = "support"
number = "{caller.number}"
next = "return"
on = { failed = "return", error = "return" }
"##;

/// Each of the new kinds and shapes is really looked at: one thing spoiled in it is refused.
#[test]
fn the_schema_looks_into_every_kind() {
    let schema = Schema::new();
    for (whole, spoiled) in [
        ("max = \"60s\"", "max = 60"),
        ("silence = \"4s\"", "silent = \"4s\""),
        ("path = \"/calls\"", "path = \"calls\""),
        ("results = { billing = \"wait\"", "results = { billing = 1"),
        ("key = \"2\"", "key = \"22\""),
        ("after = \"60s\", skills", "after = \"60 s\", skills"),
        ("with = { topic = \"topic\" }", "with = { topic = 5 }"),
        ("into = { score = \"score\" }", "into = \"score\""),
        ("returns = [\"score\"]", "returns = \"score\""),
        ("noun = \"call\", case", "case"),
        ("case = \"oblique\"", "case = \"dative\""),
        ("{ digits = \"topic\" }", "{ digits = \"topic\", phone = \"topic\" }"),
        ("{ digits = \"topic\" }", "{ }"),
        ("gender = \"f\", one", "gender = \"x\", one"),
        ("topic = { type = \"text\" }", "topic = { type = \"word\" }"),
        ("visits = 0", "visits = [0]"),
        ("body = { phone", "bodies = { phone"),
        ("post = \"/customers\"", "get = \"/customers\""),
        ("number = \"{caller.number}\"", "number = \"\""),
        ("into = \"customer\"", "into = \"cust omer\""),
    ] {
        let text = WHOLE_GRAMMAR.replacen(whole, spoiled, 1);
        assert_ne!(text, WHOLE_GRAMMAR, "{whole}");
        assert!(!schema.faults(&as_json(&text).expect("TOML")).is_empty(), "{spoiled}");
    }
}

/// A validator of the keywords the schema uses (JSON Schema, draft 2020-12); another keyword is a panic.
struct Schema {
    root: Value,
}

impl Schema {
    fn new() -> Self {
        Self { root: schema::document() }
    }

    fn faults(&self, instance: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.validate(&self.root, instance, "", &mut faults);
        faults
    }

    fn fits(&self, schema: &Value, instance: &Value) -> bool {
        let mut faults = Vec::new();
        self.validate(schema, instance, "", &mut faults);
        faults.is_empty()
    }

    fn validate(&self, schema: &Value, instance: &Value, at: &str, faults: &mut Vec<String>) {
        let empty = serde_json::Map::new();
        let object = instance.as_object().unwrap_or(&empty);
        let before = faults.len();
        for (word, rule) in schema.as_object().expect("a schema is a table") {
            let items = || rule.as_array().expect("a list");
            let count = |length: usize| rule.as_u64().map(|limit| (length as u64).cmp(&limit)).expect("a number");
            let number = || rule.as_i64().zip(instance.as_i64());
            let holds = match word.as_str() {
                "$schema" | "title" | "description" | "$defs" | "then" => true,
                "$ref" => {
                    let name = rule.as_str().and_then(|rule| rule.strip_prefix("#/$defs/")).expect("a reference");
                    let target = self.root["$defs"].get(name).unwrap_or_else(|| panic!("no {name}"));
                    self.validate(target, instance, at, faults);
                    true
                }
                "type" => match rule.as_array() {
                    Some(types) => types.iter().any(|ty| is_of_type(instance, ty)),
                    None => is_of_type(instance, rule),
                },
                "const" => rule == instance,
                "enum" => items().contains(instance),
                "required" => {
                    !instance.is_object()
                        || items().iter().filter_map(Value::as_str).all(|key| object.contains_key(key))
                }
                "dependentRequired" => rule.as_object().expect("a table").iter().all(|(key, needed)| {
                    let needed = needed.as_array().expect("a list").iter().filter_map(Value::as_str);
                    !object.contains_key(key) || needed.into_iter().all(|key| object.contains_key(key))
                }),
                "properties" => {
                    for (key, rule) in rule.as_object().expect("a table") {
                        if let Some(value) = object.get(key) {
                            self.validate(rule, value, &format!("{at}/{key}"), faults);
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    for (key, value) in
                        object.iter().filter(|(key, _)| schema["properties"].get(key.as_str()).is_none())
                    {
                        match rule {
                            Value::Bool(false) => faults.push(format!("{at}/{key}: not allowed")),
                            rule => self.validate(rule, value, &format!("{at}/{key}"), faults),
                        }
                    }
                    true
                }
                "propertyNames" => {
                    for key in object.keys() {
                        self.validate(rule, &json!(key), &format!("{at}/{key}"), faults);
                    }
                    true
                }
                "items" => {
                    for (n, item) in instance.as_array().into_iter().flatten().enumerate() {
                        self.validate(rule, item, &format!("{at}/{n}"), faults);
                    }
                    true
                }
                "minProperties" => !instance.is_object() || count(object.len()).is_ge(),
                "maxProperties" => !instance.is_object() || count(object.len()).is_le(),
                "minItems" => instance.as_array().is_none_or(|array| count(array.len()).is_ge()),
                "maxItems" => instance.as_array().is_none_or(|array| count(array.len()).is_le()),
                "uniqueItems" => instance.as_array().is_none_or(|array| {
                    array.iter().map(ToString::to_string).collect::<BTreeSet<_>>().len() == array.len()
                }),
                "minLength" => instance.as_str().is_none_or(|text| count(text.chars().count()).is_ge()),
                "maxLength" => instance.as_str().is_none_or(|text| count(text.chars().count()).is_le()),
                "minimum" => number().is_none_or(|(limit, number)| number >= limit),
                "maximum" => number().is_none_or(|(limit, number)| number <= limit),
                "pattern" => instance.as_str().is_none_or(|text| matches(rule.as_str().expect("a pattern"), text)),
                "allOf" => {
                    for rule in items() {
                        self.validate(rule, instance, at, faults);
                    }
                    true
                }
                "anyOf" => items().iter().any(|rule| self.fits(rule, instance)),
                "not" => !self.fits(rule, instance),
                "oneOf" => items().iter().filter(|rule| self.fits(rule, instance)).count() == 1,
                "if" => {
                    if self.fits(rule, instance) {
                        self.validate(&schema["then"], instance, at, faults);
                    }
                    true
                }
                other => panic!("keyword {other} is not known here"),
            };
            if !holds {
                faults.push(format!("{at}: {word} {rule}"));
            }
        }
        faults.truncate(before + 20);
    }
}

fn is_of_type(instance: &Value, ty: &Value) -> bool {
    match ty.as_str().expect("a type") {
        "string" => instance.is_string(),
        "integer" => instance.is_i64() || instance.is_u64(),
        "boolean" => instance.is_boolean(),
        "array" => instance.is_array(),
        "object" => instance.is_object(),
        other => panic!("type {other} is not known here"),
    }
}

/// True when `text` fits `pattern`: anchors, classes, groups of literal choices, and `?`, `*`, `+`, `{m,n}` behind them.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern = pattern.strip_prefix('^').expect("anchored at the beginning");
    let (pattern, to_the_end) = pattern.strip_suffix('$').map_or((pattern, false), |pattern| (pattern, true));
    fits(pattern, text, to_the_end)
}

fn fits(pattern: &str, text: &str, to_the_end: bool) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() || !to_the_end };
    let (atom, rest) = match first {
        '[' => pattern.split_at(pattern.find(']').expect("closed") + 1),
        '(' => pattern.split_at(pattern.find(')').expect("closed") + 1),
        other => pattern.split_at(other.len_utf8()),
    };
    let (least, most, rest) = match rest.chars().next() {
        Some('?') => (0, 1, &rest[1..]),
        Some('*') => (0, usize::MAX, &rest[1..]),
        Some('+') => (1, usize::MAX, &rest[1..]),
        Some('{') => {
            let (counts, rest) = rest[1..].split_once('}').expect("closed");
            let (least, most) = counts.split_once(',').unwrap_or((counts, counts));
            (least.parse().expect("a number"), most.parse().expect("a number"), rest)
        }
        _ => (1, 1, rest),
    };
    let mut texts: BTreeMap<usize, &str> = [(text.len(), text)].into();
    let mut count = 0;
    loop {
        if count >= least && texts.values().any(|text| fits(rest, text, to_the_end)) {
            return true;
        }
        if count >= most || texts.is_empty() {
            return false;
        }
        texts = texts.values().flat_map(|text| after(atom, text)).map(|text| (text.len(), text)).collect();
        count += 1;
    }
}

/// What may be left of `text` behind one `atom`.
fn after<'t>(atom: &str, text: &'t str) -> Vec<&'t str> {
    if let Some(choices) = atom.strip_prefix('(') {
        let choices = choices.trim_end_matches(')').split('|');
        return choices.flat_map(|choice| rests(choice, text)).collect();
    }
    let Some(letter) = text.chars().next() else { return Vec::new() };
    let rest = &text[letter.len_utf8()..];
    let Some(class) = atom.strip_prefix('[') else {
        return if atom.starts_with(letter) { vec![rest] } else { Vec::new() };
    };
    let class: Vec<char> = class.trim_end_matches(']').chars().collect();
    let ranged = class.windows(3).any(|three| three[1] == '-' && (three[0]..=three[2]).contains(&letter));
    if ranged || class.contains(&letter) && letter != '-' || (letter == '-' && class.last() == Some(&'-')) {
        return vec![rest];
    }
    Vec::new()
}

/// What may be left of `text` behind all of `pattern`, which has no counts.
fn rests<'t>(pattern: &str, text: &'t str) -> Vec<&'t str> {
    let Some(first) = pattern.chars().next() else { return vec![text] };
    let length = if first == '[' { pattern.find(']').expect("closed") + 1 } else { first.len_utf8() };
    after(&pattern[..length], text).into_iter().flat_map(|rest| rests(&pattern[length..], rest)).collect()
}

#[test]
fn the_validator_reads_patterns() {
    for (pattern, fitting, others) in [
        ("^[0-9]+(ms|s|m|h)$", &["5s", "1500ms", "8m"][..], &["", "s", "5", "5 s", "5sm", "m5"][..]),
        ("^[A-Za-z0-9_-]{1,64}$", &["a-b_9", "-"], &["", "a b", "é"]),
        ("^([0-9*#])?$", &["", "#"], &["##", "a"]),
        ("^/", &["/", "/a"], &["", "a/"]),
    ] {
        assert!(fitting.iter().all(|text| matches(pattern, text)), "{pattern}");
        assert!(others.iter().all(|text| !matches(pattern, text)), "{pattern}");
    }
    assert!(!matches("^[A-Za-z0-9_-]{1,64}$", &"a".repeat(65)));
}
