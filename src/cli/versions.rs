//! `hatif ivr versions`, `activate`, `rollback`: the flows of the running engine.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Failure;
use super::client::Target;
use super::live::{change_line, escape, table};

/// Characters of an id that are shown.
const SHORT: usize = 12;

/// `hatif ivr versions|activate|rollback`
#[derive(Subcommand)]
pub enum Versions {
    /// Which flows were taken when, by whom, and which are active.
    #[command(name = "versions")]
    List {
        /// Only those in which this flow changed.
        flow: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// New callers get this version from now on; who is in a flow goes on in his own.
    Activate {
        /// Its id, as `versions` shows it, or the beginning of it.
        id: String,
        /// Why; stands in the journal.
        #[arg(long, default_value = "")]
        note: String,
        /// Only tell what would change.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Activate the version that was active before.
    Rollback {
        /// Why; stands in the journal.
        #[arg(long, default_value = "")]
        note: String,
        /// Only tell what would change.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        target: Target,
    },
}

/// Runs one of them.
pub fn run(what: &Versions) -> Result<(), Failure> {
    match what {
        Versions::List { flow, target } => {
            let query = flow.as_ref().map(|flow| format!("?flow={}", escape(flow))).unwrap_or_default();
            versions(&target.get(&format!("/api/v1/ivr/versions{query}"))?, flow.as_deref(), target.json);
            Ok(())
        }
        Versions::Activate { id, note, dry_run, target } => {
            put(target, &format!("/api/v1/ivr/versions/{}/activate", escape(id)), note, *dry_run)
        }
        Versions::Rollback { note, dry_run, target } => put(target, "/api/v1/ivr/rollback", note, *dry_run),
    }
}

fn versions(answer: &Value, flow: Option<&str>, json: bool) {
    let items = answer.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    if json {
        items.iter().for_each(|item| say!("{item}"));
        return;
    }
    let text = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is = |item: &Value, name: &str| item.get(name).and_then(Value::as_bool) == Some(true);
    let row = |item: &Value| {
        let words = item.get("changed").and_then(Value::as_array).cloned().unwrap_or_default();
        let changed: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        let of_flow = flow.and_then(|flow| item.get("flows")?.get(flow)?.as_str()).map(short);
        let state = match (is(item, "active"), is(item, "from_files")) {
            (true, true) => "active".to_owned(),
            (true, false) => format!("active by {} since {}", text(item, "activated_by"), text(item, "since")),
            (false, true) => "the files".to_owned(),
            (false, false) => String::new(),
        };
        let what = of_flow.unwrap_or_else(|| changed.join(", "));
        vec![short(&text(item, "id")), text(item, "taken_at"), text(item, "by"), what, state]
    };
    let rows: Vec<Vec<String>> = items.iter().map(row).collect();
    let what = if flow.is_some() { "version of the flow" } else { "changed" };
    table(&["id", "taken at", "by", what, "state"], &rows).iter().for_each(|line| say!("{line}"));
}

fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}

fn put(target: &Target, path: &str, note: &str, dry_run: bool) -> Result<(), Failure> {
    let query = if dry_run { "?dry_run=true" } else { "" };
    let answer = target.send("POST", &format!("{path}{query}"), &json!({ "note": note }))?;
    let of = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let words = |name: &str| of(name).iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    words("warnings").iter().for_each(|warning| eprintln!("{warning}"));
    if answer.get("accepted").and_then(Value::as_bool) != Some(true) {
        let errors = words("errors").join("\n");
        return Err(Failure::new(3, format!("{errors}\nthe version that is active stays")));
    }
    let changes = of("changes");
    if target.json {
        changes.iter().for_each(|change| say!("{change}"));
    } else if changes.is_empty() {
        eprintln!("it is active already");
    } else {
        changes.iter().for_each(|change| say!("{}", change_line(change)));
    }
    Ok(())
}
