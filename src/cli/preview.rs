//! `hatif queues preview`: who would get the next call, from the running engine.

use serde_json::{Value, json};

use super::Failure;
use super::client::Target;
use super::live::{escape, list};

/// `hatif queues preview …`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n\n  hatif queues preview support --skills lang:ar,billing --priority 5\n  \
    hatif queues preview support --caller call_01J…   (one who waits there now)")]
pub struct Options {
    /// The queue's name.
    name: String,
    /// A caller who waits in it, `call_…`: with his own skills, priority, and whom he is kept from.
    #[arg(long, value_name = "CALL", conflicts_with_all = ["skills", "priority", "segment"])]
    caller: Option<String>,
    /// Skills the caller would ask for beyond the queue's own; several by commas.
    #[arg(long, value_name = "LIST")]
    skills: Option<String>,
    /// His priority, in minutes of waiting.
    #[arg(long, value_name = "MINUTES")]
    priority: Option<u32>,
    /// What kind of caller he would be.
    #[arg(long, value_name = "NAME")]
    segment: Option<String>,
}

/// Asks and shows.
pub fn run(options: &Options, target: &Target) -> Result<(), Failure> {
    let priority = options.priority.map(|minutes| minutes.to_string());
    let asked = [
        ("call", &options.caller),
        ("skills", &options.skills),
        ("priority", &priority),
        ("segment", &options.segment),
    ];
    let query: Vec<String> = asked
        .into_iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={}", escape(value))))
        .collect();
    let path = format!("/api/v1/queues/{}/preview?{}", escape(&options.name), query.join("&"));
    let answer = target.get(&path)?;
    match target.json {
        true => say!("{answer}"),
        false => page(&answer),
    }
    Ok(())
}

fn page(answer: &Value) {
    say!("{}", verdict(answer));
    let of = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (candidates, passed_over) = (of("candidates"), of("passed_over"));
    if !candidates.is_empty() {
        say!();
        list(&json!({ "items": candidates }), &["id", "name", "idle_seconds", "figure", "preferred", "unmet"], false);
    }
    if !passed_over.is_empty() {
        say!("\npassed over:");
        list(&json!({ "items": passed_over }), &["id", "name", "cause", "code", "free_in_seconds"], false);
    }
}

/// The answer in one sentence.
fn verdict(answer: &Value) -> String {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| answer.get(name).and_then(Value::as_u64);
    let queue = text("queue");
    let ringing = answer.get("ringing").and_then(Value::as_array).into_iter().flatten();
    let ringing: Vec<&str> = ringing.filter_map(Value::as_str).collect();
    if !ringing.is_empty() {
        return format!("queue {queue}: {} rung for him now", ringing.join(", "));
    }
    let first = answer.pointer("/candidates/0/id").and_then(Value::as_str);
    match (number("position"), first) {
        (None, _) => format!("queue {queue} is full: he would not be taken in"),
        (Some(_), Some(agent)) => format!(
            "queue {queue}: {agent} would be rung at once, by {} of {} who could be",
            text("rule"),
            number("eligible").unwrap_or(0)
        ),
        (Some(place), None) => {
            let seconds = |name: &str| answer.pointer(&format!("/estimated_wait/{name}")).and_then(Value::as_f64);
            let estimate = seconds("p50_seconds").zip(seconds("p80_seconds")).map(|(half, most)| {
                format!("; half of such callers wait no longer than {half} s, four of five no longer than {most} s")
            });
            let estimate = estimate.unwrap_or_default();
            format!("queue {queue}: he waits at place {place}, as nobody who may serve him is free{estimate}")
        }
    }
}
