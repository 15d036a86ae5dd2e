//! The ladder of a queue: its steps, and whether each of them can ever bring an agent.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::acd::config::{Step, StepMode};
use crate::id::AgentId;

use super::keys::LADDER;
use super::people::{People, skill_wishes};
use super::reader::{Reader, Text};
use super::source::{Node, Value};
use super::values::is_skill;

/// Most steps of a ladder.
const STEPS_MAX: usize = 16;

/// Reads `ladder`.
pub fn read(queue: &Reader, max_wait: Duration) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let nodes = nodes(queue);
    for (number, node) in (1..).zip(nodes) {
        let Some(reader) = queue.inner(&LADDER, node) else { continue };
        let step = step(&reader, number);
        let place = reader.node("after").map_or(node.place, |after| after.place);
        if steps.last().is_some_and(|before| step.after <= before.after) {
            let help = "write the steps in the order in which they begin".to_owned();
            reader.bad(place, "each step begins later than the one before", help);
        }
        if step.after >= max_wait {
            let message = format!("step \"{}\" never begins: callers leave at max_wait", step.name);
            queue.problems.warning(place, "config::ladder-late", message, "make \"max_wait\" longer".to_owned());
        }
        if step.skip_unstaffed && number == nodes.len() {
            let help = "take the key away, or add a step after this one".to_owned();
            reader.bad(reader.key_place("skip_unstaffed"), "after the last step there is none to go on to", help);
        }
        if steps.iter().any(|other| other.name == step.name) {
            reader.bad(node.place, format!("a second step \"{}\" in this ladder", step.name), None);
        }
        steps.push(step);
    }
    if nodes.len() > STEPS_MAX {
        let place = queue.node("ladder").map_or(queue.place, |node| node.place);
        queue.bad(place, format!("a ladder has at most {STEPS_MAX} steps"), None);
    }
    steps
}

fn nodes<'a>(queue: &Reader<'a>) -> &'a [Node] {
    match queue.node("ladder") {
        None => &[],
        Some(Node { value: Value::List(nodes), .. }) => nodes,
        Some(node) => {
            queue.wrong_type("ladder", node.place, "a list of steps as [{ after = \"30s\", relax = 2 }]", &node.value);
            &[]
        }
    }
}

fn step(reader: &Reader, number: usize) -> Step {
    let name = reader.text("name").map_or_else(|| format!("step {number}"), |text| text.text);
    if reader.node("after").is_none() {
        reader.missing("\"after\"");
    }
    let default = Step::new(&name, Duration::ZERO);
    let texts = |key| reader.texts(key).unwrap_or_default().into_iter().map(|text| text.text);
    Step {
        after: reader.duration("after", 0..=24 * 3_600).unwrap_or(default.after),
        skills: reader.node("skills").map(|_| skill_wishes(reader)),
        relax: reader.number("relax", 0..=9).unwrap_or(default.relax),
        agents: texts("agents").map(AgentId::from).collect(),
        groups: texts("groups").collect(),
        mode: reader.word("mode", &StepMode::WORDS, &[]).unwrap_or(default.mode),
        skip_unstaffed: reader.boolean("skip_unstaffed").unwrap_or(default.skip_unstaffed),
        name,
    }
}

/// The `groups` of an agent.
pub fn groups(reader: &Reader) -> BTreeSet<String> {
    let good = |group: Text| {
        if is_skill(&group.text) {
            return Some(group.text);
        }
        reader.bad(group.place, format!("\"{}\" is not the name of a group", group.text), None);
        None
    };
    reader.texts("groups").unwrap_or_default().into_iter().filter_map(good).collect()
}

/// Every agent and group of a ladder exists, and each step can bring somebody.
pub fn check(queue: &Reader, people: &People) {
    let Some(Value::Text(name)) = queue.node("name").map(|node| &node.value) else { return };
    let Some(config) = people.floor.queues.get(name.as_str()) else { return };
    let nodes = nodes(queue);
    if config.ladder.len() != nodes.len() {
        return;
    }
    for ((number, step), node) in (1..).zip(&config.ladder).zip(nodes) {
        let Some(reader) = queue.inner_again(&LADDER, node) else { continue };
        let are_known = are_known(&reader, people);
        if are_known && !people.floor.agents.values().any(|agent| config.step_takes(number, agent)) {
            let message = format!("step \"{}\" can never bring an agent: nobody has what it asks for", step.name);
            let help = "ask for fewer `skills`, `relax` them, or name other `agents` or `groups`".to_owned();
            queue.problems.error(node.place, "config::ladder-nobody", message, help);
        }
    }
}

fn are_known(reader: &Reader, people: &People) -> bool {
    let agents: BTreeSet<&str> = people.floor.agents.keys().map(AgentId::as_str).collect();
    let texts = reader.texts("agents").unwrap_or_default();
    let are_agents = all_known(reader, &texts, "agent", "config::unknown-agent", &agents);
    are_groups(reader, "groups", people) && are_agents
}

/// Every group named by this key, one or a list, has an agent.
pub fn are_groups(reader: &Reader, key: &str, people: &People) -> bool {
    let groups = people.floor.agents.values().flat_map(|agent| &agent.groups).map(String::as_str).collect();
    let texts = match reader.node(key).map(|node| &node.value) {
        Some(Value::Text(_)) => reader.text(key).into_iter().collect(),
        _ => reader.texts(key).unwrap_or_default(),
    };
    all_known(reader, &texts, "agent in a group", "config::unknown-group", &groups)
}

fn all_known(reader: &Reader, texts: &[Text], what: &str, code: &'static str, known: &BTreeSet<&str>) -> bool {
    let unknown = texts.iter().filter(|text| !known.contains(text.text.as_str()));
    let told = unknown.map(|text| {
        let message = format!("there is no {what} \"{}\"", text.text);
        reader.problems.unknown(text.place, code, message, &text.text, known.iter().copied());
    });
    told.count() == 0
}
