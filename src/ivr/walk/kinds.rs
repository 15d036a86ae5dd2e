//! What tools know of the kinds of nodes: their ways out, by name, and what has to happen for each.
//!
//! This is the only place of the tools that lists the kinds: a new kind needs its lines here.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::ivr::expr::{Expression, Value};
use crate::ivr::flow::{Destination, Edge, Node, NodeKind, Program, SpokenKind, Target, What};
use crate::ivr::run::{QueueEnd, TransferEnd};
use crate::journal::Hours;

/// One way out of a node.
#[derive(Clone, Debug)]
pub struct Exit<'n> {
    /// The word in the file: `next`, a key, an edge, a condition.
    pub label: String,
    /// Where it leads.
    pub target: &'n Target,
    /// The target is a flow.
    pub to_flow: bool,
    /// What makes the caller go there.
    pub cause: Cause,
}

/// What makes a caller leave a node by one of its ways.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// Nothing: it is the way on.
    Passes,
    /// Nothing: another flow serves him, and may come back.
    Calls,
    /// That flow comes back.
    Returns,
    /// In a queue he takes what it offers, by this key.
    Offer(char),
    /// He presses this key.
    Key(char),
    /// He presses something that is an answer.
    Answer,
    /// He presses nothing, as often as he is asked.
    Silence,
    /// He presses something that is no answer, as often as he is asked.
    Wrong,
    /// The calendar says so.
    Hours(Hours),
    /// This case of a switch is the first that is true; one more than there are stands for `else`.
    Case(usize),
    /// He leaves the queue so.
    Queue(QueueEnd),
    /// The transfer ends so.
    Transfer(TransferEnd),
    /// What was to be booked or left is, or is not.
    Booked(bool),
    /// The service answers with this status.
    Status(u16),
    /// What he says cannot be recorded.
    Unrecorded,
    /// The service does not answer in time.
    NoAnswer,
    /// The bot's last word is the label of the way; by `next` it has none.
    Bot,
    /// The service cannot be asked.
    Unreachable,
    /// An expression fails: nobody can make it.
    Fails,
}

/// All ways out of a node, the ordinary ones first.
pub fn exits(node: &Node) -> Vec<Exit<'_>> {
    let exit = |label: &str, target, cause| Exit { label: label.to_owned(), target, to_flow: false, cause };
    let mut exits: Vec<Exit<'_>> = match &node.kind {
        NodeKind::Play { next, .. } | NodeKind::Set { next, .. } => vec![exit("next", next, Cause::Passes)],
        NodeKind::Menu { keys, .. } => {
            keys.iter().map(|(key, target)| exit(key.encode_utf8(&mut [0; 4]), target, Cause::Key(*key))).collect()
        }
        NodeKind::Collect(collect) => vec![exit("next", &collect.next, Cause::Answer)],
        NodeKind::Switch { cases, otherwise } => {
            let otherwise = exit("else", otherwise, Cause::Case(cases.len()));
            let cases = cases.iter().enumerate();
            cases.map(|(at, (when, target))| exit(when.source(), target, Cause::Case(at))).chain([otherwise]).collect()
        }
        NodeKind::Http(http) => vec![exit("next", &http.next, Cause::Status(200))],
        NodeKind::Callback { next, .. } | NodeKind::Voicemail { next, .. } => {
            vec![exit("next", next, Cause::Booked(true))]
        }
        NodeKind::Fork(fork) => {
            let results = fork.results.iter().map(|(word, target)| exit(word, target, Cause::Bot));
            results.chain([exit("next", &fork.next, Cause::Bot)]).collect()
        }
        NodeKind::Record(record) => vec![exit("next", &record.next, Cause::Booked(true))],
        NodeKind::Flow(sub) => {
            let into = Exit { label: "flow".to_owned(), target: &sub.flow, to_flow: true, cause: Cause::Calls };
            vec![into, exit("next", &sub.next, Cause::Returns)]
        }
        NodeKind::Queue { offer: Some(offer), .. } => {
            vec![exit(offer.key.encode_utf8(&mut [0; 4]), &offer.next, Cause::Offer(offer.key))]
        }
        NodeKind::Goto(Destination::Node(target)) => vec![exit("next", target, Cause::Passes)],
        NodeKind::Goto(Destination::Flow(target)) => {
            vec![Exit { label: "next".to_owned(), target, to_flow: true, cause: Cause::Passes }]
        }
        NodeKind::Hours { .. } | NodeKind::Queue { .. } | NodeKind::Transfer { .. } | NodeKind::Hangup => Vec::new(),
    };
    exits.extend(node.on.iter().map(|(edge, target)| exit(edge.as_str(), target, cause(&node.kind, *edge))));
    exits
}

fn cause(kind: &NodeKind, edge: Edge) -> Cause {
    let is_hours = matches!(kind, NodeKind::Hours { .. });
    let is_http = matches!(kind, NodeKind::Http(_) | NodeKind::Fork(_));
    let is_transfer = matches!(kind, NodeKind::Transfer { .. });
    let is_record = matches!(kind, NodeKind::Record(_));
    match edge {
        Edge::NoInput if is_record => Cause::Booked(false),
        Edge::Error if is_record => Cause::Unrecorded,
        Edge::NoInput => Cause::Silence,
        Edge::Invalid => Cause::Wrong,
        Edge::Open => Cause::Hours(Hours::Open),
        Edge::Closed if is_hours => Cause::Hours(Hours::Closed),
        Edge::Holiday => Cause::Hours(Hours::Holiday),
        Edge::Emergency => Cause::Hours(Hours::Emergency),
        Edge::Ended if is_transfer => Cause::Transfer(TransferEnd::Ended),
        Edge::Busy => Cause::Transfer(TransferEnd::Busy),
        Edge::NoAnswer => Cause::Transfer(TransferEnd::NoAnswer),
        Edge::Failed if is_transfer => Cause::Transfer(TransferEnd::Failed),
        Edge::Failed => Cause::Booked(false),
        Edge::NotFound => Cause::Status(404),
        Edge::Timeout if is_http => Cause::NoAnswer,
        Edge::Error if is_http => Cause::Unreachable,
        Edge::Ended => Cause::Queue(QueueEnd::Ended),
        Edge::Timeout => Cause::Queue(QueueEnd::Timeout),
        Edge::Full => Cause::Queue(QueueEnd::Full),
        Edge::Closed => Cause::Queue(QueueEnd::Closed),
        Edge::NoAgents => Cause::Queue(QueueEnd::NoAgents),
        Edge::NoneLoggedIn => Cause::Queue(QueueEnd::NoneLoggedIn),
        Edge::NoneSkilled => Cause::Queue(QueueEnd::NoneSkilled),
        Edge::AllPaused => Cause::Queue(QueueEnd::AllPaused),
        Edge::Error => Cause::Fails,
    }
}

/// The word of its kind in the file.
pub fn word(node: &Node) -> &'static str {
    match &node.kind {
        NodeKind::Play { .. } => "play",
        NodeKind::Menu { .. } => "menu",
        NodeKind::Collect(_) => "collect",
        NodeKind::Set { .. } => "set",
        NodeKind::Switch { .. } => "switch",
        NodeKind::Hours { .. } => "hours",
        NodeKind::Http(_) => "http",
        NodeKind::Queue { .. } => "queue",
        NodeKind::Callback { .. } => "callback",
        NodeKind::Voicemail { .. } => "voicemail",
        NodeKind::Fork(_) => "fork",
        NodeKind::Record(_) => "record",
        NodeKind::Flow(_) => "flow",
        NodeKind::Transfer { .. } => "transfer",
        NodeKind::Goto(_) => "goto",
        NodeKind::Hangup => "hangup",
    }
}

/// What it works with, in a few words: a queue, a calendar, a service, a flow; empty for most.
pub fn object(node: &Node) -> String {
    match &node.kind {
        NodeKind::Queue { queue, .. } | NodeKind::Callback { queue, .. } | NodeKind::Voicemail { queue, .. } => {
            queue.to_string()
        }
        NodeKind::Hours { calendar } => calendar.clone(),
        NodeKind::Http(http) => http.service.clone(),
        NodeKind::Fork(fork) => fork.service.clone(),
        NodeKind::Goto(Destination::Flow(target)) => target.name.clone(),
        NodeKind::Flow(sub) => sub.flow.name.clone(),
        NodeKind::Record(record) => record.survey.clone().or(record.into.clone()).unwrap_or_default(),
        NodeKind::Collect(collect) => collect.survey.clone().or(collect.into.clone()).unwrap_or_default(),
        NodeKind::Set { set, .. } => {
            let names: Vec<&str> = set.iter().map(|(name, _)| name.as_str()).collect();
            names.join(", ")
        }
        NodeKind::Play { .. } | NodeKind::Menu { .. } | NodeKind::Switch { .. } => String::new(),
        NodeKind::Transfer { .. } | NodeKind::Goto(Destination::Node(_)) | NodeKind::Hangup => String::new(),
    }
}

/// The conditions of a switch, in order.
pub fn conditions(node: &Node) -> Vec<&Expression> {
    match &node.kind {
        NodeKind::Switch { cases, .. } => cases.iter().map(|(when, _)| when).collect(),
        NodeKind::Queue { offer: Some(offer), .. } => vec![&offer.when],
        _ => Vec::new(),
    }
}

/// The flow it leads into, if it does.
pub fn sub_flow(node: &Node) -> Option<&str> {
    match &node.kind {
        NodeKind::Goto(Destination::Flow(target)) => Some(&target.name),
        NodeKind::Flow(sub) => Some(&sub.flow.name),
        _ => None,
    }
}

/// It waits for nobody: its way out is decided by the world when it is entered.
pub fn passes(node: &Node) -> bool {
    matches!(
        node.kind,
        NodeKind::Set { .. }
            | NodeKind::Switch { .. }
            | NodeKind::Hours { .. }
            | NodeKind::Flow(_)
            | NodeKind::Goto(_)
            | NodeKind::Hangup
    )
}

/// The variable whose value must not be shown, if it has one.
pub fn masked(node: &Node) -> Option<&str> {
    match &node.kind {
        NodeKind::Collect(collect) if collect.mask => collect.into.as_deref(),
        _ => None,
    }
}

/// Answers worth trying for a question, those that it takes and those that it does not.
pub fn answers(node: &Node, taken: bool) -> Vec<String> {
    const KEYS: &str = "0123456789*#ABCD";
    match &node.kind {
        NodeKind::Menu { keys, .. } => {
            KEYS.chars().filter(|key| keys.contains_key(key) == taken).map(String::from).collect()
        }
        NodeKind::Collect(collect) => {
            let end: String = collect.terminator.into_iter().collect();
            let whole = |digits: &str| match digits.len() < collect.max {
                true => format!("{digits}{end}"),
                false => digits.to_owned(),
            };
            let padded = |number: u32| format!("{number:0>width$}", width = collect.min);
            match (taken, collect.range) {
                (true, Some((low, high))) => [low, high].map(|number| whole(&padded(number))).into(),
                (true, None) => vec![whole(&"1".repeat(collect.min)), whole(&"1".repeat(collect.max))],
                (false, range) => {
                    let low = range.and_then(|(low, _)| low.checked_sub(1));
                    let high = range.and_then(|(_, high)| high.checked_add(1));
                    let mut wrong: Vec<String> = low.into_iter().chain(high).map(|n| whole(&padded(n))).collect();
                    wrong.extend([whole(""), whole("*"), whole(&"9".repeat(collect.max))]);
                    wrong.extend((collect.min > 1).then(|| "1".repeat(collect.min - 1)));
                    wrong
                }
            }
        }
        _ => Vec::new(),
    }
}

/// Values for the variables of a flow that can be said as the flow says them; any other text is one that has something in it.
pub fn likely(flow: &Program) -> BTreeMap<String, Value> {
    let of_type = |(name, value): (&String, &Value)| match value {
        Value::Text(_) => Some((name.clone(), Value::Text("1234".to_owned()))),
        Value::Number(_) | Value::Bool(_) => None,
    };
    let mut likely: BTreeMap<String, Value> = flow.vars.iter().filter_map(of_type).collect();
    for say in flow.nodes.values().flat_map(|node| node.kind.says()) {
        let What::Value(spoken) = &say.what else { continue };
        let text = match spoken.kind {
            SpokenKind::Money(_) => "125.50",
            SpokenKind::Date(_) => "2026-11-22",
            SpokenKind::Time => "14:30",
            _ => continue,
        };
        if let Some(value @ Value::Text(_)) = likely.get_mut(spoken.value.source()) {
            *value = Value::Text(text.to_owned());
        }
    }
    likely
}

/// What a service may answer to this node: every variable that it wants, with a likely value or the one it has.
pub fn answer(node: &Node, vars: &BTreeMap<String, Value>, likely: &BTreeMap<String, Value>) -> bytes::Bytes {
    let NodeKind::Http(http) = &node.kind else { return bytes::Bytes::new() };
    let mut answer = Json::Object(serde_json::Map::new());
    for (name, pointer) in http.into.iter().filter(|(_, pointer)| !pointer.is_empty()) {
        let value = match likely.get(name).or(vars.get(name)) {
            Some(Value::Text(text)) => Json::String(text.clone()),
            Some(Value::Number(number)) => Json::Number((*number).into()),
            Some(Value::Bool(truth)) => Json::Bool(*truth),
            None => continue,
        };
        let mut place = &mut answer;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            if !place.is_object() {
                *place = Json::Object(serde_json::Map::new());
            }
            let Json::Object(fields) = place else { break };
            place = fields.entry(token).or_insert(Json::Null);
        }
        *place = value;
    }
    bytes::Bytes::from(answer.to_string())
}
