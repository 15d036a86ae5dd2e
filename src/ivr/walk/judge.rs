//! Compares what a walk was expected to do with what it did.

use std::fmt;

use super::scenario::Expect;
use super::{Event, Trace};

/// One thing that is not as expected.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Difference {
    /// Which.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What there was.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  expected  {}\n  found     {}", self.what, self.expected, self.found)
    }
}

/// All that is not as expected.
pub fn differences(expect: &Expect, trace: &Trace) -> Vec<Difference> {
    let mut list = Vec::new();
    let mut tell = |what: &str, expected: String, found: String| {
        list.push(Difference { what: what.to_owned(), expected, found });
    };
    if let (Some(detail), false) = (&trace.failed, expect.failed) {
        tell("failed", "no failure".to_owned(), detail.clone());
    } else if trace.failed.is_none() && expect.failed {
        tell("failed", "a failure".to_owned(), "none".to_owned());
    }
    let path = trace.path();
    if !in_order(&expect.path, &path) {
        tell("path", expect.path.join(" · "), path.join(" · "));
    }
    if let Some(end) = &expect.path_ends
        && path.last() != Some(&end.as_str())
    {
        tell("path_ends", end.clone(), path.join(" · "));
    }
    if let Some(queue) = &expect.queue {
        let queues: Vec<&str> = trace
            .events()
            .filter_map(|event| match event {
                Event::Queue { queue, .. } => Some(queue.as_str()),
                _ => None,
            })
            .collect();
        if !queues.contains(&queue.as_str()) {
            tell("queue", queue.clone(), list_of(&queues));
        }
    }
    if let Some(outcome) = &expect.outcome {
        let found = trace.outcome.and_then(|outcome| serde_json::to_value(outcome).ok());
        let found = found.as_ref().and_then(|found| found.as_str()).unwrap_or("none");
        if found != outcome {
            tell("outcome", outcome.clone(), found.to_owned());
        }
    }
    let said: Vec<&str> = trace.heard().filter_map(|said| said.prompt.as_deref()).collect();
    if !in_order(&expect.said, &said) {
        tell("said", expect.said.join(" · "), list_of(&said));
    }
    let unwanted: Vec<&str> = expect.not_said.iter().map(String::as_str).filter(|id| said.contains(id)).collect();
    if !unwanted.is_empty() {
        tell("not_said", format!("nobody hears {}", unwanted.join(", ")), list_of(&said));
    }
    for (language, words) in &expect.words {
        let heard: Vec<&str> =
            trace.heard().filter(|said| said.language == *language).map(|said| said.text.as_str()).collect();
        let heard = heard.join(" ");
        let plain = unvowelled(&heard);
        for words in words.iter().filter(|words| !plain.contains(&unvowelled(words))) {
            tell(
                &format!("said_{language}"),
                words.clone(),
                if heard.is_empty() { "nothing" } else { &heard }.to_owned(),
            );
        }
    }
    for (name, value) in &expect.vars {
        let found = trace.vars.get(name).map_or("no such variable", String::as_str);
        if found != value {
            tell(&format!("variable {name}"), value.clone(), found.to_owned());
        }
    }
    for (survey, score) in &expect.survey {
        let answers = trace.events().filter_map(|event| match event {
            Event::Survey { survey: asked, score } if asked == survey => Some(*score),
            _ => None,
        });
        let found = answers.last();
        if found != Some(*score) {
            let found = found.map_or("no answer".to_owned(), |found| found.to_string());
            tell(&format!("survey {survey}"), score.to_string(), found);
        }
    }
    list
}

fn list_of(items: &[&str]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(" · ") }
}

/// All of `wanted` stand in `found` in this order; others may lie between them.
fn in_order(wanted: &[String], found: &[&str]) -> bool {
    let mut found = found.iter();
    wanted.iter().all(|wanted| found.any(|found| *found == wanted))
}

/// Without vowel signs and with single spaces: what people type is found in what engines read.
fn unvowelled(text: &str) -> String {
    let plain: String =
        text.chars().filter(|c| !matches!(c, '\u{064B}'..='\u{0652}' | '\u{0670}' | '\u{0640}')).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}
