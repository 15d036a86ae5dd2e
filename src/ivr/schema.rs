//! The flow format as JSON Schema (draft 2020-12), for editors: keys, kinds and shapes while somebody types.
//!
//! It sees one file and no configuration: whether a node, a queue or a variable exists is for `hatif ivr check`.

mod kinds;

use serde_json::{Map, Value, json};

use super::expr::{EXPRESSION_BYTES, Type, reserved_names};
use super::flow::{Edge, RETURN};
use super::prompts::PROMPT_CHARS;
use super::read::NODES;
use super::value::CEL_WORDS;
use crate::say::{Form, Language, Style};
use kinds::{DEFAULTS, KINDS, Key, Kind, Shape};

/// Keys of a telephone as a class of a pattern; digits may be Arabic or Persian.
const DIALLED: &str = "[0-9A-Da-d*#\u{0660}-\u{0669}\u{06F0}-\u{06F9}]";

/// The schema as text, as `hatif ivr schema` prints it.
pub fn text() -> String {
    format!("{:#}\n", document())
}

/// The schema.
pub fn document() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Hatif flow",
        "description": "What a caller walks through: nodes, each with the ways that lead on.",
        "type": "object",
        "required": ["flow", "name", "languages", "start", "node"],
        "additionalProperties": false,
        "properties": {
            "flow": { "description": "Version of the format.", "const": 1 },
            "name": described("Unique in the library.", name()),
            "title": described("What people call it, by language.", texts()),
            "languages": { "description": "Languages it speaks; the first is the default.", "type": "array",
                "minItems": 1, "uniqueItems": true, "items": { "type": "string", "minLength": 1 } },
            "start": described("The node a run begins with.", name()),
            "vars": by_name("Variables.", reference("variable")),
            "params": by_name("Parameters of a sub-flow; without default the caller must give it.", reference("parameter")),
            "returns": { "description": "Variables a caller of this flow may take over.", "type": "array",
                "uniqueItems": true, "items": reference("target_variable") },
            "noun": { "description": "Things that are counted, for all flows of the library.", "type": "object",
                "propertyNames": reference("name"), "additionalProperties": reference("noun") },
            "defaults": object("For every node that does not say it itself.", &DEFAULTS, Some(&Edge::ALL)),
            "node": { "type": "object", "minProperties": 1, "maxProperties": NODES,
                "propertyNames": { "$ref": "#/$defs/name", "not": { "const": RETURN } },
                "additionalProperties": reference("node") },
        },
        "$defs": definitions(),
    })
}

fn definitions() -> Map<String, Value> {
    let mut all = Map::new();
    let mut define = |name: &str, value: Value| _ = all.insert(name.to_owned(), value);
    define("name", json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" }));
    // A variable, or the field of one that is a map.
    define("target_variable", json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.]{0,128}$" }));
    define("identifier", json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$" }));
    define(
        "duration",
        json!({ "description": "A number and ms, s, m or h.", "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" }),
    );
    define(
        "expression",
        json!({ "description": "CEL.", "type": "string", "minLength": 1, "maxLength": EXPRESSION_BYTES }),
    );
    define(
        "template",
        json!({ "description": "Text with expressions in braces.", "type": "string", "minLength": 1, "maxLength": EXPRESSION_BYTES }),
    );
    define("variable", variable(&["type", "default"]));
    define("parameter", variable(&["type"]));
    define("noun", noun());
    define("say", json!({ "type": "array", "minItems": 1, "items": reference("segment") }));
    define("segment", segment());
    define("node", node());
    for kind in &KINDS {
        define(&format!("{}_node", kind.name), kind_of_node(kind));
    }
    all
}

/// Any node: its kind says which keys it has.
fn node() -> Value {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    let branch = |kind: &Kind| {
        json!({
            "if": { "required": ["kind"], "properties": { "kind": { "const": kind.name } } },
            "then": reference(&format!("{}_node", kind.name)),
        })
    };
    json!({
        "type": "object",
        "required": ["kind"],
        "properties": { "kind": { "enum": names } },
        "allOf": KINDS.iter().map(branch).collect::<Vec<_>>(),
    })
}

fn kind_of_node(kind: &Kind) -> Value {
    let edges = (!kind.edges.is_empty()).then_some(kind.edges);
    let mut node = object(kind.does, kind.keys, edges);
    if let Some(properties) = node.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("kind".to_owned(), json!({ "const": kind.name }));
    }
    let required = |key: &str| json!({ "required": [key] });
    let rule = match kind.name {
        "http" => Some(("oneOf", json!([required("get"), required("post")]))),
        "goto" => Some(("oneOf", json!([required("node"), required("flow")]))),
        "collect" => Some(("anyOf", json!([required("into"), required("survey")]))),
        _ => None,
    };
    let depends = match kind.name {
        "http" => Some(json!({ "body": ["post"] })),
        "collect" => Some(json!({ "survey": ["range"] })),
        _ => None,
    };
    if let Some(node) = node.as_object_mut() {
        node.extend(rule.map(|(word, rule)| (word.to_owned(), rule)));
        node.extend(depends.map(|depends| ("dependentRequired".to_owned(), depends)));
    }
    node
}

/// A table of these keys and edges, and of nothing else.
fn object(does: &str, keys: &[Key], edges: Option<&[Edge]>) -> Value {
    let mut properties = Map::new();
    for key in keys {
        properties.insert(key.name.to_owned(), described(key.does, shape(key.shape)));
    }
    if let Some(edges) = edges {
        let edges: Map<String, Value> = edges.iter().map(|edge| (edge.as_str().to_owned(), name())).collect();
        let on = json!({ "description": "Where its outcomes lead.", "type": "object", "properties": edges,
            "additionalProperties": false });
        properties.insert("on".to_owned(), on);
    }
    let required: Vec<&str> = keys.iter().filter(|key| key.is_required).map(|key| key.name).collect();
    let table =
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    described(does, table)
}

fn shape(shape: Shape) -> Value {
    let template = || reference("template");
    match shape {
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Integer(least, greatest) => json!({ "type": "integer", "minimum": least, "maximum": greatest }),
        Shape::Duration => reference("duration"),
        Shape::Name => name(),
        Shape::Expression => reference("expression"),
        Shape::Template => template(),
        Shape::Path => json!({ "type": "string", "pattern": "^/", "maxLength": EXPRESSION_BYTES }),
        Shape::Templates => json!({ "type": "array", "items": template() }),
        Shape::Expressions => {
            json!({ "type": "object", "minProperties": 1, "propertyNames": reference("target_variable"),
            "additionalProperties": reference("expression") })
        }
        Shape::Fields => json!({ "type": "object", "additionalProperties": template() }),
        Shape::Say => reference("say"),
        Shape::Keys => json!({ "type": "object", "minProperties": 1,
            "propertyNames": { "pattern": format!("^{DIALLED}$") }, "additionalProperties": name() }),
        Shape::Dialled => json!({ "type": "string", "pattern": format!("^{DIALLED}$") }),
        Shape::Terminator => json!({ "type": "string", "pattern": format!("^({DIALLED})?$") }),
        Shape::Range => json!({ "type": "array", "minItems": 2, "maxItems": 2,
            "items": { "type": "integer", "minimum": 0, "maximum": u32::MAX } }),
        Shape::Cases => json!({ "type": "array", "minItems": 1,
            "items": object("", &[when(), next("Where it leads.")], None) }),
        Shape::Into => json!({ "anyOf": [reference("identifier"), { "type": "object",
            "propertyNames": reference("target_variable"), "additionalProperties": { "type": "string", "pattern": "^/" } }] }),
        Shape::Names => {
            json!({ "type": "object", "propertyNames": { "minLength": 1 }, "additionalProperties": name() })
        }
        Shape::Relax => {
            let after = required("after", Shape::Duration, "From the beginning of the wait.");
            let skills = required("skills", Shape::Templates, "What is asked from then on.");
            json!({ "type": "array", "minItems": 1, "items": object("", &[after, skills], None) })
        }
        Shape::OfferCallback => {
            let every = required("every", Shape::Duration, "How often it is offered: 10s to 1h.");
            let key = required("key", Shape::Dialled, "The key that takes the offer.");
            object("", &[when(), every, key, next("Where the key leads.")], None)
        }
    }
}

const fn required(name: &'static str, shape: Shape, does: &'static str) -> Key {
    Key { name, shape, is_required: true, does }
}

const fn when() -> Key {
    required("when", Shape::Expression, "A condition.")
}

const fn next(does: &'static str) -> Key {
    required("next", Shape::Name, does)
}

/// One thing to say: exactly one of the words says what it is.
fn segment() -> Value {
    let kinds = [
        ("prompt", "A recording, by its id.", name()),
        (
            "text",
            "Text with expressions in braces, spoken by TTS; one, or one for each language.",
            json!({ "anyOf": [
            { "type": "string", "minLength": 1, "maxLength": PROMPT_CHARS },
            { "type": "object", "minProperties": 1, "additionalProperties": { "type": "string", "minLength": 1 } }] }),
        ),
        ("number", "A whole number.", reference("expression")),
        ("count", "How many of a noun there are.", reference("expression")),
        ("ordinal", "The first, the second, …", reference("expression")),
        ("money", "An amount in a currency.", reference("expression")),
        ("date", "A day: \"2026-11-22\".", reference("expression")),
        ("time", "A time of day: \"14:30\".", reference("expression")),
        ("duration", "A length of time, in seconds.", reference("expression")),
        ("digits", "Digit by digit.", reference("expression")),
        ("phone", "A telephone number.", reference("expression")),
        ("spell", "Letter by letter.", reference("expression")),
    ];
    let one_of: Vec<Value> = kinds.iter().map(|(word, ..)| json!({ "required": [word] })).collect();
    let mut properties: Map<String, Value> =
        kinds.into_iter().map(|(word, does, shape)| (word.to_owned(), described(does, shape))).collect();
    let text = |does: &str| json!({ "description": does, "type": "string", "minLength": 1 });
    properties.insert("lang".to_owned(), text("The language; without it the caller's."));
    let styles = Style::ALL.map(|style| style.name);
    properties.insert("style".to_owned(), json!({ "description": "The kind of Arabic.", "enum": styles }));
    properties.insert("noun".to_owned(), text("What is counted, e.g. call."));
    properties.insert("currency".to_owned(), text("E.g. SAR."));
    properties.insert("gender".to_owned(), json!({ "enum": ["m", "f"] }));
    properties.insert("case".to_owned(), json!({ "enum": ["nominative", "oblique"] }));
    let months = "The months of a date: those of Egypt and the Gulf, of the Levant, or the Umm al-Qura calendar.";
    properties.insert("months".to_owned(), json!({ "description": months, "enum": ["egypt", "levant", "hijri"] }));
    json!({ "type": "object", "properties": properties, "additionalProperties": false, "oneOf": one_of,
        "dependentRequired": { "count": ["noun"], "noun": ["count"], "money": ["currency"], "currency": ["money"],
            "months": ["date"] } })
}

/// `{ type = "text", default = "general" }`.
fn variable(required: &[&str]) -> Value {
    let types = [(Type::Text.as_str(), "string"), (Type::Number.as_str(), "integer"), (Type::Bool.as_str(), "boolean")];
    let default_of = |(word, ty): (&str, &str)| {
        json!({ "if": { "required": ["type"], "properties": { "type": { "const": word } } },
            "then": { "properties": { "default": { "type": ty } } } })
    };
    let mut defaults: Vec<Value> = types.into_iter().map(default_of).collect();
    defaults.push(json!({ "if": { "required": ["type"], "properties": { "type": { "const": "map" } } },
        "then": { "required": ["default"], "properties": { "default": { "type": "object", "propertyNames": reference("identifier"),
            "additionalProperties": { "type": ["string", "integer", "boolean"] } } } } }));
    json!({ "type": "object", "required": required, "additionalProperties": false,
        "properties": { "type": { "enum": ["text", "number", "bool", "map"] }, "default": {} }, "allOf": defaults })
}

/// The forms of a noun, by language.
fn noun() -> Value {
    let form = json!({ "type": "string", "minLength": 1 });
    let languages = Language::ALL.map(|language| {
        let mut forms: Map<String, Value> =
            Form::needed_in(language).iter().map(|of| (of.name().to_owned(), form.clone())).collect();
        forms.insert("gender".to_owned(), json!({ "enum": ["m", "f"] }));
        let required: &[&str] = if language == Language::En { &[] } else { &["gender"] };
        let shape =
            json!({ "type": "object", "additionalProperties": false, "required": required, "properties": forms });
        (language.code().to_owned(), shape)
    });
    json!({ "type": "object", "minProperties": 1, "additionalProperties": false,
        "properties": Map::from_iter(languages) })
}

/// A table whose keys are variables: no words of CEL, no names of ours.
fn by_name(does: &str, of: Value) -> Value {
    let taken: Vec<&str> = reserved_names().chain(CEL_WORDS).collect();
    json!({ "description": does, "type": "object", "additionalProperties": of,
        "propertyNames": { "$ref": "#/$defs/identifier", "not": { "enum": taken } } })
}

fn texts() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

fn name() -> Value {
    reference("name")
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn described(does: &str, mut of: Value) -> Value {
    if let (false, Some(of)) = (does.is_empty(), of.as_object_mut()) {
        of.insert("description".to_owned(), json!(does));
    }
    of
}
