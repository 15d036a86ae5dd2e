//! `hatif ivr simulate`: a walk by hand or by a script.

#![allow(clippy::disallowed_methods, reason = "the zero of virtual time, and the present where --at does not say it")]

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::json;

use super::super::{Failure, prompts};
use super::{Stock, audio, unknown};
use crate::ivr::expr::{Facts, QueueFacts};
use crate::ivr::run::Waits;
use crate::ivr::walk::{Event, Mock, Said, Setting, Step, Trace, Visit, Walk, kinds, scenario, words};
use crate::journal::Hours;

/// `hatif ivr simulate …`
#[derive(Args)]
#[command(
    after_help = "Steps, one a line: 1 or 1234# keys · t the time passes · h the caller hangs up · in a queue answered, timeout, \
        full, no_agents, closed · in a transfer answered, busy, no_answer, failed · for a call back or a message ok, failed\n\n\
        Examples:\n\n  hatif ivr simulate main --from +966501234567 --at 2026-11-22T10:00\n  \
        printf '1\\n1\\nanswered\\n5\\n' | hatif ivr simulate main --audio call.wav"
)]
pub struct Options {
    /// The flow, by name or file.
    flow: String,
    /// Who calls.
    #[arg(long, value_name = "NUMBER", default_value = scenario::FROM)]
    from: String,
    /// The number he dialled.
    #[arg(long, value_name = "NUMBER", default_value = scenario::TO)]
    to: String,
    /// When, by the centre's clock, as 2026-11-22T10:00; default now.
    #[arg(long, value_name = "MOMENT")]
    at: Option<DateTime>,
    /// The language the call begins in; default the centre's first.
    #[arg(long, value_name = "LANGUAGE")]
    lang: Option<String>,
    /// What a service does: SERVICE=FILE (its answer), SERVICE=STATUS, SERVICE=timeout or SERVICE=error. Without it, it
    /// cannot be reached.
    #[arg(long, value_name = "SERVICE=WHAT")]
    mock: Vec<String>,
    /// Steps, one a line, in place of the terminal.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// What a queue looks like: support.waiting=3,longest_wait_s=200. Without it, it is empty with one agent ready.
    #[arg(long, value_name = "QUEUE.FIELD=N,…")]
    queue: Vec<String>,
    /// What a calendar says: riyadh-support=closed (open, closed, holiday, emergency). Without it, its hours at --at.
    #[arg(long, value_name = "CALENDAR=WORD")]
    calendar: Vec<String>,
    /// Write what the caller hears into this WAV file.
    #[arg(long, value_name = "FILE")]
    audio: Option<PathBuf>,
    /// One JSON object a node, and one for the end.
    #[arg(long)]
    json: bool,
    /// Where queues, calendars and services are declared; default ./hatif.toml, else the demo tenant.
    #[arg(long, short)]
    config: Option<PathBuf>,
}

/// Where steps come from.
enum Steps {
    Script(std::vec::IntoIter<(usize, String)>),
    Terminal,
}

/// Walks.
pub fn run(options: &Options) -> Result<(), Failure> {
    let stock = Stock::open(options.config.as_deref(), Some(&options.flow))?;
    let flow = stock.flow(&options.flow)?.name.clone();
    let setting = setting(options, &stock, flow)?;
    let mut steps = steps(options)?;
    let by_hand = matches!(steps, Steps::Terminal);
    let mut walk = Walk::begin(Instant::now(), &stock.library, setting, &stock.voice)
        .map_err(|error| Failure::new(5, error.to_string()))?;
    let mut shown = Shown::default();
    let mut misfit = None;
    while !walk.is_over() {
        if !options.json {
            shown.show(walk.trace());
        }
        let (line, text) = match &mut steps {
            Steps::Script(lines) => lines.next(),
            Steps::Terminal => asked(&walk),
        }
        .unwrap_or((0, "h".to_owned()));
        let Some(step) = Step::parse(&text) else { continue };
        if let Err(error) = walk.take(&step) {
            if by_hand {
                eprintln!("{error}");
                continue;
            }
            misfit = Some(format!("line {line}: {error}"));
            break;
        }
    }
    let over = walk.is_over();
    let trace = walk.into_trace();
    if options.json {
        tell_json(&trace, over);
    } else {
        shown.show(&trace);
        if over {
            say!("■ {}", ending(&trace));
        }
    }
    if let Some(file) = &options.audio {
        let samples = audio::render(&trace.sounds, &stock.config.prompts_dir).map_err(|why| Failure::new(1, why))?;
        prompts::write_wav(file, &samples).map_err(|why| Failure::new(1, why))?;
        eprintln!("{} s of sound in {}", samples.len() / 8_000, file.display());
    }
    match (misfit, trace.failed) {
        (Some(misfit), _) => Err(Failure::new(1, misfit)),
        (None, Some(detail)) => Err(Failure::new(1, format!("the flow failed: {detail}"))),
        (None, None) => Ok(()),
    }
}

fn setting(options: &Options, stock: &Stock, flow: String) -> Result<Setting, Failure> {
    let zone = &stock.config.centre.timezone;
    let now = || TimeZone::get(zone).unwrap_or(TimeZone::UTC).to_datetime(jiff::Timestamp::now());
    let (wall, utc_offset_minutes) = scenario::moment(options.at.unwrap_or_else(now), zone);
    let languages = &stock.declared.languages;
    let language = match &options.lang {
        Some(language) if languages.contains(language) => language.clone(),
        Some(language) => return Err(unknown(2, "language", language, languages.iter().map(String::as_str))),
        None => languages.first().cloned().unwrap_or_default(),
    };
    let facts = Facts {
        caller: options.from.clone(),
        called: options.to.clone(),
        language,
        wall,
        utc_offset_minutes,
        ..Facts::default()
    };
    let mut setting = Setting { flow, facts, hours: stock.hours(wall), ..Setting::default() };
    for given in &options.calendar {
        let (name, word) = given.split_once('=').ok_or_else(|| form("--calendar", "riyadh-support=closed"))?;
        if !stock.declared.calendars.contains(name) {
            return Err(unknown(2, "calendar", name, stock.declared.calendars.iter().map(String::as_str)));
        }
        let hours = Hours::WORDS.iter().find(|(known, _)| *known == word).map(|(_, hours)| *hours);
        let words = || unknown(2, "word", word, Hours::WORDS.iter().map(|(word, _)| *word));
        setting.hours.insert(name.to_owned(), hours.ok_or_else(words)?);
    }
    for given in &options.queue {
        let (name, facts) = queue(given, stock)?;
        setting.queues.insert(name, facts);
    }
    for given in &options.mock {
        let (name, what) = given.split_once('=').ok_or_else(|| form("--mock", "crm=vip.json"))?;
        if !stock.declared.services.contains(name) {
            return Err(unknown(2, "service", name, stock.declared.services.iter().map(String::as_str)));
        }
        let mock = match (what, what.parse::<u16>()) {
            ("timeout", _) => Mock::Timeout,
            ("error", _) => Mock::Error,
            (_, Ok(status)) => Mock::Answer { status, body: bytes::Bytes::from_static(b"{}") },
            (file, Err(_)) => {
                let body = std::fs::read(file).map_err(|error| Failure::new(2, format!("{file}: {error}")))?;
                Mock::Answer { status: 200, body: body.into() }
            }
        };
        setting.mocks.insert(name.to_owned(), mock);
    }
    Ok(setting)
}

fn form(option: &str, example: &str) -> Failure {
    Failure::new(2, format!("{option} is written as {option} {example}"))
}

/// `support.waiting=3,longest_wait_s=200`; names of queues may hold points.
fn queue(given: &str, stock: &Stock) -> Result<(String, QueueFacts), Failure> {
    let wrong = || form("--queue", "support.waiting=3,longest_wait_s=200");
    let (place, _) = given.split_once('=').ok_or_else(wrong)?;
    let (name, _) = place.rsplit_once('.').ok_or_else(wrong)?;
    if !stock.declared.queues.contains(name) {
        return Err(unknown(2, "queue", name, stock.declared.queues.iter().map(String::as_str)));
    }
    let fields = given.get(name.len() + 1..).ok_or_else(wrong)?;
    let mut facts = QueueFacts::default();
    for field in fields.split(',') {
        let (field, number) = field.split_once('=').ok_or_else(wrong)?;
        let number = number.parse().map_err(|_| wrong())?;
        if !facts.set(field, number) {
            return Err(unknown(2, "field", field, QueueFacts::FIELDS.into_iter()));
        }
    }
    Ok((name.to_owned(), facts))
}

fn steps(options: &Options) -> Result<Steps, Failure> {
    let text = match &options.script {
        Some(file) => {
            std::fs::read_to_string(file).map_err(|error| Failure::new(2, format!("{}: {error}", file.display())))?
        }
        None if std::io::stdin().is_terminal() => return Ok(Steps::Terminal),
        None => std::io::read_to_string(std::io::stdin()).map_err(|error| Failure::new(1, error.to_string()))?,
    };
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim().to_owned()));
    Ok(Steps::Script(lines.filter(|(_, line)| !line.is_empty()).collect::<Vec<_>>().into_iter()))
}

/// Asks the terminal; `None` at its end.
fn asked(walk: &Walk<'_>) -> Option<(usize, String)> {
    let _ = write!(std::io::stdout(), "    {} > ", hint(walk));
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(1..) => Some((0, line)),
        Ok(0) | Err(_) => None,
    }
}

/// What can be done where the walk waits.
fn hint(walk: &Walk<'_>) -> String {
    let here = walk.trace().visits.last().and_then(|visit| walk.program().nodes.get(&visit.node));
    let keys: Vec<String> = match (walk.waits(), here) {
        (Waits::Keys { .. }, Some(node)) => kinds::exits(node)
            .into_iter()
            .filter(|exit| matches!(exit.cause, kinds::Cause::Key(_)))
            .map(|exit| exit.label)
            .collect(),
        _ => Vec::new(),
    };
    let mut hints = match (walk.waits(), keys.is_empty()) {
        (Waits::Keys { .. }, true) => vec!["keys".to_owned()],
        (_, true) => Vec::new(),
        (_, false) => vec![format!("keys {}", keys.join(","))],
    };
    hints.extend(words(walk.waits()).into_iter().map(str::to_owned));
    hints.push("h".to_owned());
    hints.join(" · ")
}

/// How much of a trace has been shown.
#[derive(Default)]
struct Shown {
    visits: usize,
    events: usize,
    flow: String,
}

impl Shown {
    fn show(&mut self, trace: &Trace) {
        while let Some(visit) = trace.visits.get(self.visits) {
            if self.events == 0 {
                self.begin(visit);
            }
            for event in visit.events.iter().skip(self.events.saturating_sub(1)) {
                if let Some(line) = told(event) {
                    say!("               {line}");
                }
            }
            self.events = visit.events.len() + 1;
            if self.visits + 1 == trace.visits.len() {
                return;
            }
            self.visits += 1;
            self.events = 0;
        }
    }

    /// The head of a node, with the first thing that happens there.
    fn begin(&mut self, visit: &Visit) {
        if visit.flow != self.flow {
            if !self.flow.is_empty() {
                say!("── flow {}", visit.flow);
            }
            self.flow.clone_from(&visit.flow);
        }
        let first = visit.events.first().and_then(told).unwrap_or_default();
        say!("{}", format!("▶ {:<12} {first}", visit.node).trim_end());
        self.events = 2.min(visit.events.len() + 1);
    }
}

/// One event in a line.
fn told(event: &Event) -> Option<String> {
    Some(match event {
        Event::Said { said } => heard(said),
        Event::Told { said } => heard(std::slice::from_ref(said)),
        Event::Relaxed { skills } => format!("skills {} are enough now", skills.join(", ")),
        Event::OfferTaken => "takes the offer and leaves the queue".to_owned(),
        Event::BotTalks => "a bot talks with him".to_owned(),
        Event::BotHears { key } => format!("the bot is told key {key}"),
        Event::Recording => "what he says is recorded".to_owned(),
        Event::Quiet | Event::Visit { .. } => return None,
        Event::Entered { flow } => format!("flow {flow}"),
        Event::Left { .. } => return None,
        Event::Keys { digits, result } => match result {
            crate::journal::InputResult::Matched => return None,
            crate::journal::InputResult::Invalid => format!("\"{digits}\" is no answer"),
            crate::journal::InputResult::NoInput => "nothing is pressed".to_owned(),
        },
        Event::Language { language } => format!("language {language}"),
        Event::Variable { name, value } => format!("{name} = {value}"),
        Event::Queue { queue, skills, priority, segment, .. } => {
            let mut words = format!("queue {queue}  priority {priority}");
            if !skills.is_empty() {
                words.push_str(&format!("  skills {}", skills.join(", ")));
            }
            if let Some(segment) = segment {
                words.push_str(&format!("  segment {segment}"));
            }
            words
        }
        Event::Callback { queue, number } => {
            format!("call back in queue {queue}{}", number.as_ref().map(|n| format!(" to {n}")).unwrap_or_default())
        }
        Event::Voicemail { queue } => format!("message for queue {queue}"),
        Event::Transfer { to } => format!("transfer to {to}"),
        Event::Asked { service, path, body } => {
            format!("{service} {} {path}", if body.is_some() { "POST" } else { "GET" })
        }
        Event::Answered { result, status, took_ms, detail } => {
            let status = status.map(|status| format!(" {status}")).unwrap_or_default();
            let why = detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
            format!("→ {result}{status} in {took_ms} ms (mock){why}")
        }
        Event::Comfort => "♪ comfort music".to_owned(),
        Event::Survey { survey, score } => format!("survey {survey} = {score}"),
        Event::Trouble { detail } => format!("! {detail}"),
        Event::Took { edge } => format!("→ {edge}"),
        Event::Step { step } => format!("> {step}"),
        Event::HangUp => "hangs up".to_owned(),
        Event::CallerGone => "the caller is gone".to_owned(),
        Event::Failed { detail } => format!("✗ {detail}"),
    })
}

fn heard(said: &[Said]) -> String {
    let mut languages: Vec<&str> = said.iter().map(|said| said.language.as_str()).collect();
    languages.dedup();
    let words: Vec<&str> = said
        .iter()
        .map(|said| if said.text.is_empty() { said.prompt.as_deref().unwrap_or("?") } else { &said.text })
        .collect();
    let text = words.join(" ");
    let short: String = text.chars().take(100).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("🔊 {} \"{short}{dots}\"", languages.join("+"))
}

fn ending(trace: &Trace) -> String {
    let outcome = trace.outcome.and_then(|outcome| serde_json::to_value(outcome).ok());
    let outcome = outcome.as_ref().and_then(|word| word.as_str()).unwrap_or("none");
    let contained = if outcome == "contained" { "yes" } else { "no" };
    let seconds = trace.visits.last().map_or(0, |visit| (visit.at_ms + visit.took_ms) / 1_000);
    format!(
        "contained={contained} outcome={outcome} time={}:{:02}  path: {}",
        seconds / 60,
        seconds % 60,
        trace.path().join("·")
    )
}

fn tell_json(trace: &Trace, over: bool) {
    for visit in &trace.visits {
        say!("{}", serde_json::to_string(visit).unwrap_or_default());
    }
    let said: Vec<&Said> = trace.heard().collect();
    let end =
        json!({ "over": over, "outcome": trace.outcome, "failed": trace.failed, "path": trace.path(), "heard": said });
    say!("{}", json!({ "end": end }));
}
