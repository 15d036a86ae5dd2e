//! Commands about the running engine: each is one request to its API, shown for people or as JSON lines.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Failure;
use super::client::Target;
use super::trace;

/// `hatif calls …`
#[derive(Subcommand)]
pub enum Calls {
    /// The newest first.
    List {
        /// Only calls that are up.
        #[arg(long)]
        live: bool,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Only of this queue.
        #[arg(long)]
        queue: Option<String>,
        /// Only of this agent.
        #[arg(long)]
        agent: Option<String>,
    },
    /// One call with its whole path.
    Show {
        /// Its id, `call_…`.
        id: String,
    },
    /// Its SIP messages as a ladder, with those that came before it was a call.
    Trace {
        /// Its id, `call_…`.
        #[arg(required_unless_present = "sip_call_id")]
        id: Option<String>,
        /// The Call-ID of SIP instead: also of an attempt that was refused, or of a registration.
        #[arg(long, value_name = "CALL-ID", conflicts_with = "id")]
        sip_call_id: Option<String>,
        /// Whole messages; secrets are masked.
        #[arg(short, long)]
        verbose: bool,
    },
    /// Bring somebody into its talk, or take him out.
    Conference {
        /// Its id, `call_…`.
        id: String,
        /// Whom: a number or an agent's id.
        #[arg(long, value_name = "NUMBER", required_unless_present = "drop", conflicts_with = "drop")]
        add: Option<String>,
        /// The leg of who is to leave, as `calls show` has it in `parties`.
        #[arg(long, value_name = "LEG")]
        drop: Option<u64>,
    },
    /// End a call.
    Hangup {
        /// Its id, `call_…`.
        id: String,
    },
    /// Record nothing from now on, e.g. while a card number is read out.
    PauseRecording {
        /// Its id, `call_…`.
        id: String,
        /// Why; stands in the journal and beside the recording.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Record again.
    ResumeRecording {
        /// Its id, `call_…`.
        id: String,
    },
}

/// `hatif agents …`
#[derive(Subcommand)]
pub enum Agents {
    /// All agents with their states.
    List,
    /// One agent.
    Show {
        /// His id.
        id: String,
    },
    /// Change his state.
    State {
        /// His id.
        id: String,
        /// `ready`, `paused`, `offline`, `wrap_up` (ask for one, or for more time) or `finish_wrap_up`.
        state: String,
        /// The pause code.
        #[arg(long)]
        code: Option<String>,
    },
    /// Change his settings while the engine runs: `hatif agents set 101 'skills={ billing = 7 }'`.
    Set {
        /// His id.
        id: String,
        /// KEY=VALUE as in the file; `KEY=` is as the file has it again.
        #[arg(required = true)]
        changes: Vec<String>,
        /// Only tell what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Hear his talks, or be heard in them: rings the supervisor's phone, or switches what he does already.
    Supervise {
        /// His id.
        id: String,
        /// `listen`, `whisper`, `barge`, or `take_over`.
        mode: String,
        /// The supervisor; needed when several may hear this agent.
        #[arg(long, value_name = "ID")]
        by: Option<String>,
    },
}

/// `hatif queues …`
#[derive(Subcommand)]
pub enum Queues {
    /// All queues.
    List,
    /// One queue and who waits in it.
    Show {
        /// Its name.
        name: String,
    },
    /// Change settings while the engine runs: `hatif queues set support wrap_up=20s`. Those who wait keep their places.
    Set {
        /// Its name.
        name: String,
        /// KEY=VALUE as in the file; `KEY=` is as the file has it again.
        #[arg(required = true)]
        changes: Vec<String>,
        /// Only tell what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Who would get the next call: who would be rung now, who after him, who not and why. Changes nothing.
    Preview(super::preview::Options),
}

/// `hatif trunks …`
#[derive(Subcommand)]
pub enum Trunks {
    /// All trunks: state, calls, last failure.
    List,
    /// One trunk with its hosts.
    Show {
        /// Its name.
        name: String,
    },
}

/// `hatif calendars …`
#[derive(Subcommand)]
pub enum Calendars {
    /// All calendars: open or not, why, and until when.
    List,
    /// Open or close one by hand.
    Set {
        /// Its name.
        name: String,
        /// `open`, `closed`, `emergency`, or `auto`: by its hours again.
        state: String,
        /// For so many minutes; without it until it is set again.
        #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..=525_600))]
        minutes: Option<u32>,
    },
}

/// `hatif callbacks …`
#[derive(Subcommand)]
pub enum Callbacks {
    /// Who is to be called back: where he stands, since when, and how often he was called.
    List,
    /// Book one: his place in the queue is kept.
    Book {
        /// The queue.
        queue: String,
        /// Whom to call.
        number: String,
    },
    /// Take one back.
    Cancel {
        /// Its id, as `list` tells it.
        id: String,
    },
}

/// `hatif voicemails …`
#[derive(Subcommand)]
pub enum Voicemails {
    /// Messages in the boxes of queues: who left them, when, and who has heard them.
    List {
        /// Only those of this queue.
        #[arg(long)]
        queue: Option<String>,
    },
    /// Note that one was heard.
    Heard {
        /// Its id, as `list` tells it.
        id: String,
    },
    /// Take one out of its box; the recording stays with its call.
    Delete {
        /// Its id, as `list` tells it.
        id: String,
    },
}

/// `hatif bans …`
#[derive(Subcommand)]
pub enum Bans {
    /// Sources that are not listened to, for how long, and the how manieth time.
    List,
    /// Listen to one again.
    Remove {
        /// Its address.
        address: String,
    },
}

/// `hatif key …`
#[derive(Subcommand)]
pub enum Keys {
    /// Make a key; it is shown once.
    Add {
        /// What it is for.
        name: String,
    },
    /// End a key.
    Revoke {
        /// Its id.
        id: String,
    },
}

/// `calls list|show|trace|hangup`.
pub fn calls(what: &Calls, target: &Target) -> Result<(), Failure> {
    match what {
        Calls::List { live, limit, queue, agent } => {
            let mut path = format!("/api/v1/calls?limit={limit}");
            for (name, value) in [("queue", queue), ("agent", agent)] {
                if let Some(value) = value {
                    path.push_str(&format!("&{name}={}", escape(value)));
                }
            }
            if *live {
                path.push_str("&state=live");
            }
            let answer = target.get(&path)?;
            let columns: &[&str] = match live {
                true => &["call_id", "started_at", "from", "to", "phase", "queue", "agent"],
                false => &["call_id", "started_at", "from", "to", "duration_seconds", "queue", "agent", "reason"],
            };
            list(&answer, columns, target.json);
            Ok(())
        }
        Calls::Show { id } => {
            let answer = target.get(&format!("/api/v1/calls/{}", escape(id)))?;
            if target.json {
                say!("{answer}");
            } else {
                show_call(&answer);
            }
            Ok(())
        }
        Calls::Trace { id, sip_call_id, verbose } => {
            let path = match (id, sip_call_id) {
                (_, Some(call_id)) => format!("/api/v1/sip/trace?call_id={}", escape(call_id)),
                (id, None) => format!("/api/v1/calls/{}/trace", escape(id.as_deref().unwrap_or_default())),
            };
            let answer = target.get(&path)?;
            match target.json {
                true => {
                    answer.get("messages").and_then(Value::as_array).into_iter().flatten().for_each(|m| say!("{m}"))
                }
                false => say!("{}", trace::ladder(&answer, *verbose).trim_end()),
            }
            Ok(())
        }
        Calls::Conference { id, add, drop: leg } => {
            let path = format!("/api/v1/calls/{}/conference", escape(id));
            match (add, leg) {
                (_, Some(leg)) => target.send("DELETE", &format!("{path}/{leg}"), &json!({})).map(drop),
                (add, None) => target.send("POST", &path, &json!({ "add": add })).map(drop),
            }
        }
        Calls::PauseRecording { id, reason } => record(target, id, "pause", reason),
        Calls::ResumeRecording { id } => record(target, id, "resume", ""),
        Calls::Hangup { id } => target.send("DELETE", &format!("/api/v1/calls/{}", escape(id)), &json!({})).map(drop),
    }
}

fn record(target: &Target, id: &str, action: &str, reason: &str) -> Result<(), Failure> {
    let body = json!({ "action": action, "reason": reason });
    show(&target.send("POST", &format!("/api/v1/calls/{}/recording", escape(id)), &body)?, target.json);
    Ok(())
}

/// `agents list|show|state`.
pub fn agents(what: &Agents, target: &Target) -> Result<(), Failure> {
    match what {
        Agents::List => {
            let answer = target.get("/api/v1/agents")?;
            list(&answer, &["id", "name", "state", "code", "since", "next", "call", "queues"], target.json);
            Ok(())
        }
        Agents::Show { id } => {
            show(&target.get(&format!("/api/v1/agents/{}", escape(id)))?, target.json);
            Ok(())
        }
        Agents::State { id, state, code } => {
            let body = json!({ "state": state, "code": code });
            show(&target.send("PUT", &format!("/api/v1/agents/{}/state", escape(id)), &body)?, target.json);
            Ok(())
        }
        Agents::Set { id, changes, dry_run } => super::edits::set("agents", id, changes, *dry_run, target),
        Agents::Supervise { id, mode, by } => {
            let body = json!({ "mode": mode, "supervisor": by });
            show(&target.send("POST", &format!("/api/v1/agents/{}/supervise", escape(id)), &body)?, target.json);
            Ok(())
        }
    }
}

/// `queues list|show|preview`.
pub fn queues(what: &Queues, target: &Target) -> Result<(), Failure> {
    match what {
        Queues::List => {
            let answer = target.get("/api/v1/queues")?;
            list(
                &answer,
                &["name", "waiting", "longest_wait_seconds", "ready", "busy", "paused", "offline"],
                target.json,
            );
            Ok(())
        }
        Queues::Show { name } => {
            show(&target.get(&format!("/api/v1/queues/{}/live", escape(name)))?, target.json);
            Ok(())
        }
        Queues::Set { name, changes, dry_run } => super::edits::set("queues", name, changes, *dry_run, target),
        Queues::Preview(options) => super::preview::run(options, target),
    }
}

/// `trunks list|show`.
pub fn trunks(what: &Trunks, target: &Target) -> Result<(), Failure> {
    match what {
        Trunks::List => {
            let answer = target.get("/api/v1/trunks")?;
            let columns =
                ["name", "state", "direction", "calls_in", "calls_out", "max_calls", "last_failure_at", "last_failure"];
            list(&answer, &columns, target.json);
            Ok(())
        }
        Trunks::Show { name } => {
            show(&target.get(&format!("/api/v1/trunks/{}", escape(name)))?, target.json);
            Ok(())
        }
    }
}

/// `calendars list|set`.
pub fn calendars(what: &Calendars, target: &Target) -> Result<(), Failure> {
    match what {
        Calendars::List => {
            list(&target.get("/api/v1/calendars")?, &["name", "state", "because", "until"], target.json);
        }
        Calendars::Set { name, state, minutes } => {
            let mut body = json!({ "state": state });
            if let Some(minutes) = minutes {
                body["seconds"] = json!(u64::from(*minutes) * 60);
            }
            show(&target.send("PUT", &format!("/api/v1/calendars/{}", escape(name)), &body)?, target.json);
        }
    }
    Ok(())
}

/// `callbacks list|book|cancel`.
pub fn callbacks(what: &Callbacks, target: &Target) -> Result<(), Failure> {
    match what {
        Callbacks::List => {
            let columns = ["id", "queue", "number", "state", "position", "waited_seconds", "tries", "next_at"];
            list(&target.get("/api/v1/callbacks")?, &columns, target.json);
        }
        Callbacks::Book { queue, number } => {
            let body = json!({ "queue": queue, "number": number });
            show(&target.send("POST", "/api/v1/callbacks", &body)?, target.json);
        }
        Callbacks::Cancel { id } => {
            target.send("DELETE", &format!("/api/v1/callbacks/{}", escape(id)), &json!({}))?;
        }
    }
    Ok(())
}

/// `voicemails list|heard|delete`.
pub fn voicemails(what: &Voicemails, target: &Target) -> Result<(), Failure> {
    match what {
        Voicemails::List { queue } => {
            let query = queue.as_ref().map(|queue| format!("?queue={}", escape(queue))).unwrap_or_default();
            let columns = ["id", "queue", "from", "at", "seconds", "state", "heard_by", "call_id"];
            list(&target.get(&format!("/api/v1/voicemails{query}"))?, &columns, target.json);
        }
        Voicemails::Heard { id } => {
            target.send("POST", &format!("/api/v1/voicemails/{}/heard", escape(id)), &json!({}))?;
        }
        Voicemails::Delete { id } => {
            target.send("DELETE", &format!("/api/v1/voicemails/{}", escape(id)), &json!({}))?;
        }
    }
    Ok(())
}

/// `bans list|remove`.
pub fn bans(what: &Bans, target: &Target) -> Result<(), Failure> {
    match what {
        Bans::List => {
            list(&target.get("/api/v1/bans")?, &["address", "left_seconds", "times"], target.json);
            Ok(())
        }
        Bans::Remove { address } => {
            target.send("DELETE", &format!("/api/v1/bans/{}", escape(address)), &json!({})).map(drop)
        }
    }
}

/// `reload --dry-run`: a line for each change.
pub fn reload_plan(target: &Target) -> Result<(), Failure> {
    let answer = target.send("POST", "/api/v1/admin/reload?dry_run=true", &json!({}))?;
    let of = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    if answer.get("accepted").and_then(Value::as_bool) != Some(true) {
        let errors: Vec<String> = of("errors").iter().map(text).collect();
        return Err(Failure::new(3, format!("{}\na reload would be refused; nothing was changed", errors.join("\n"))));
    }
    let changes = of("changes");
    if target.json {
        changes.iter().for_each(|change| say!("{change}"));
    } else if changes.is_empty() {
        eprintln!("nothing would change");
    } else {
        changes.iter().for_each(|change| say!("{}", change_line(change)));
    }
    Ok(())
}

/// `queue.support.wrap_up  10s → 30s  (now, 3 wait there)`.
pub fn change_line(change: &Value) -> String {
    let field = |name: &str| change.get(name).map(text).unwrap_or_default();
    let values = match (field("before"), field("after")) {
        (before, after) if before.is_empty() && after.is_empty() => "another one".to_owned(),
        (before, after) if before.is_empty() => after,
        (_, after) if after.is_empty() => "gone".to_owned(),
        (before, after) => format!("{before} → {after}"),
    };
    let waiting = change.get("waiting").and_then(Value::as_u64).filter(|waiting| *waiting > 0);
    let waiting = waiting.map(|waiting| format!(", {waiting} wait there")).unwrap_or_default();
    format!("{}  {values}  ({}{waiting})", field("what"), field("when").replace('_', " "))
}

/// `reload`.
pub fn reload(target: &Target) -> Result<(), Failure> {
    let answer = target.send("POST", "/api/v1/admin/reload", &json!({}))?;
    for warning in answer.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        eprintln!("{}", text(warning));
    }
    match answer.get("accepted").and_then(Value::as_bool) {
        Some(true) => Ok(()),
        Some(false) | None => {
            let errors: Vec<String> =
                answer.get("errors").and_then(Value::as_array).into_iter().flatten().map(text).collect();
            Err(Failure::new(3, format!("{}\nthe running engine keeps its old configuration", errors.join("\n"))))
        }
    }
}

/// `key add|revoke`.
pub fn keys(what: &Keys, target: &Target) -> Result<(), Failure> {
    match what {
        Keys::Add { name } => {
            let answer = target.send("POST", "/api/v1/keys", &json!({ "name": name }))?;
            show(&answer, target.json);
            Ok(())
        }
        Keys::Revoke { id } => target.send("DELETE", &format!("/api/v1/keys/{}", escape(id)), &json!({})).map(drop),
    }
}

/// Everything but letters, digits and `-._~` in percent form (RFC 3986 §2.1).
pub(super) fn escape(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// A list as JSON lines, or as a table of the named columns.
pub(super) fn list(answer: &Value, columns: &[&str], json: bool) {
    let items = answer.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    if json {
        for item in &items {
            say!("{item}");
        }
        return;
    }
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| columns.iter().map(|c| item.get(c).map(text).unwrap_or_default()).collect()).collect();
    table(columns, &rows).iter().for_each(|line| say!("{line}"));
}

/// The lines of a table, its head first.
pub(super) fn table(columns: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain(columns.get(at).map(|c| c.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, w)| format!("{cell:<w$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let rows = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    std::iter::once(line(columns.to_vec())).chain(rows).collect()
}

/// One object: JSON, or a line for each field.
fn show(answer: &Value, json: bool) {
    match answer.as_object() {
        Some(fields) if !json => {
            for (name, value) in fields {
                match value {
                    Value::Array(items) if items.iter().any(Value::is_object) => {
                        say!("{name}:");
                        for item in items {
                            say!("  {item}");
                        }
                    }
                    _ => say!("{name}: {}", text(value)),
                }
            }
        }
        Some(_) | None => say!("{answer}"),
    }
}

/// A call for people: the facts, then its path with times, then the recordings.
fn show_call(call: &Value) {
    for name in ["call_id", "from", "to", "language", "started_at", "answered_at", "ended_at", "duration_seconds"] {
        say!("{:<18}{}", format!("{name}:"), call.get(name).map(text).unwrap_or_default());
    }
    if let Some(end) = call.get("end").filter(|end| !end.is_null()) {
        say!("{:<18}{end}", "end:");
    }
    say!("path:");
    for step in call.get("path").and_then(Value::as_array).into_iter().flatten() {
        let field = |name: &str| step.get(name).map(text).unwrap_or_default();
        say!("  {}  {}", field("at"), field("what"));
    }
    for recording in call.get("recordings").and_then(Value::as_array).into_iter().flatten() {
        let field = |name: &str| recording.get(name).map(text).unwrap_or_default();
        say!("recording:        {} ({} s) {}", field("file"), field("seconds"), field("id"));
    }
}
