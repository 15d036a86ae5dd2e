//! `hatif explain`: the story of one call, from the running engine.

use std::fmt::Write as _;

use serde_json::Value;

use super::Failure;
use super::client::Target;
use super::live::escape;
use crate::report::explain::Language;

/// Letters before each reason: it stands below its sentence.
const MARGIN: usize = 12;

/// Prints the story of `call`.
pub fn run(call: &str, lang: Option<&str>, target: &Target) -> Result<(), Failure> {
    let language = match lang {
        Some(tag) => Language::of(tag).ok_or_else(|| Failure::new(2, format!("--lang {tag}: ar or en")))?,
        None => spoken_here(),
    };
    let answer = target.get(&format!("/api/v1/calls/{}/why?lang={}", escape(call), language.tag()))?;
    match target.json {
        true => steps(&answer).iter().for_each(|step| say!("{step}")),
        false => say!("{}", page(&answer).trim_end()),
    }
    Ok(())
}

/// The language of this terminal, by the variables of POSIX in their order.
fn spoken_here() -> Language {
    let set = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let named = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
    named.and_then(|tag| Language::of(&tag)).unwrap_or_default()
}

fn steps(answer: &Value) -> &[Value] {
    answer.get("steps").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// One line a sentence, with the seconds since the call began; the reasons below it.
fn page(answer: &Value) -> String {
    let field = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut out = String::new();
    let began = steps(answer).first().map(|step| field(step, "at")).unwrap_or_default();
    let _ = writeln!(out, "{}  {began}", field(answer, "call_id"));
    for step in steps(answer) {
        let seconds = step.get("seconds").and_then(Value::as_f64).unwrap_or_default();
        let _ = writeln!(out, "{seconds:>10.3}  {}", field(step, "text"));
        for reason in step.get("details").and_then(Value::as_array).into_iter().flatten() {
            let _ = writeln!(out, "{:>MARGIN$}- {}", "", reason.as_str().unwrap_or_default());
        }
    }
    out
}
