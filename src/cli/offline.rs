//! Commands that need no running engine: the check of a configuration, and the simulation.

#![allow(clippy::disallowed_methods, reason = "the simulation's zero of time and its CPU figures come from here")]

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::{Failure, prompts};
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::ivr::{self, Declared, Library};
use crate::sim;

/// Reads a configuration file and the environment.
///
/// # Errors
///
/// Everything wrong with it, as one failure of code 3.
pub fn read_config(files: &[PathBuf]) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
    Config::load(files, &environment())
}

/// The variables that are of the configuration.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars().filter(|(name, _)| name.starts_with("HATIF_")).collect()
}

/// Reads and checks the flows of a configuration: its folder, or what comes with the program when there is none.
pub fn read_flows(config: &Config) -> (Option<Library>, Vec<Diagnostic>) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(&config.flows_dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml") && !path.ends_with("prompts.toml"))
        .collect();
    files.sort();
    if files.is_empty() {
        let shipped = ivr::SHIPPED_FLOWS.map(|(path, text)| (path.to_owned(), text.to_owned()));
        return ivr::load(&shipped, &declared(config, prompts::SHIPPED.to_owned(), false));
    }
    let manifest = std::fs::read_to_string(config.flows_dir.join("prompts.toml")).unwrap_or_default();
    check_files(&files, &declared(config, manifest, true))
}

/// What flows may name under this configuration; prompts that lack a recording are told `with_prompts`.
pub fn declared(config: &Config, manifest: String, with_prompts: bool) -> Declared {
    let languages = config.centre.languages.clone();
    let prompts = with_prompts.then(|| prompts::ids(&config.prompts_dir, &languages));
    // A folder without any prompt is not made yet: the stand-in says so at run time.
    let prompts = prompts.filter(|ids| ids.values().any(|ids| !ids.is_empty()));
    let queues = config.floor.queues.keys().map(ToString::to_string).collect();
    let callbacks = config.call.callbacks.keys().map(ToString::to_string).collect();
    let calendars = config.floor.calendars.keys().cloned().collect();
    let voicemails = config.call.voicemail.keys().map(ToString::to_string).collect();
    let services = config.services.keys().cloned().collect();
    Declared { queues, callbacks, voicemails, services, calendars, languages, prompts, manifest }
}

/// Reads and checks these flow files.
pub fn check_files(files: &[PathBuf], declared: &Declared) -> (Option<Library>, Vec<Diagnostic>) {
    let mut texts = Vec::new();
    let mut unreadable = Vec::new();
    for path in files {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => texts.push((name, text)),
            Err(error) => {
                unreadable.push(Diagnostic::whole_file("ivr::unreadable", &name, format!("cannot read it: {error}")));
            }
        }
    }
    if !unreadable.is_empty() {
        return (None, unreadable);
    }
    ivr::load(&texts, declared)
}

/// `hatif check`.
pub fn check(files: &[PathBuf], strict: bool, json: bool) -> Result<(), Failure> {
    let files = if files.is_empty() { vec![PathBuf::from("hatif.toml")] } else { files.to_vec() };
    let (config, mut found) = match read_config(&files) {
        Ok(read) => read,
        Err(faults) => return report(&faults, strict, json),
    };
    let (_, flow_faults) = read_flows(&config);
    found.extend(flow_faults);
    let (_, bad_prompts) = prompts::read(&config.prompts_dir, &config.centre.languages, &config.call.music);
    let fault = |text: &String| Diagnostic::whole_file("prompts::unreadable", "prompts", text.clone());
    found.extend(bad_prompts.iter().map(fault));
    report(&found, strict, json)?;
    if !json {
        let (agents, queues, numbers) =
            (config.floor.agents.len(), config.floor.queues.len(), config.call.numbers.len());
        say!("ok: {agents} agents · {queues} queues · {numbers} numbers · {} warnings", found.len());
    }
    Ok(())
}

/// Prints findings; fails by the worst of them.
pub fn report(found: &[Diagnostic], strict: bool, json: bool) -> Result<(), Failure> {
    for finding in found {
        match json {
            true => say!("{}", serde_json::to_string(finding).unwrap_or_default()),
            false => eprintln!("{finding}"),
        }
    }
    let errors = found.iter().filter(|finding| finding.is_error()).count();
    match (errors, found.len()) {
        (0, 0) => Ok(()),
        (0, _) if !strict => Ok(()),
        (0, warnings) => Err(Failure::new(6, format!("{warnings} warnings"))),
        (errors, all) => Err(Failure::new(3, format!("{errors} errors, {} warnings", all - errors))),
    }
}

/// `hatif sim`.
pub fn sim(seed: u64, hours: u64, seeds: u64, json: bool) -> Result<(), Failure> {
    let (mut calls, began) = (0, cpu_seconds());
    for seed in seed..seed.saturating_add(seeds) {
        let before = cpu_seconds();
        let plan = sim::Plan::new(seed, hours);
        let outcome = sim::run(Instant::now(), plan).map_err(|fault| Failure::new(1, fault))?;
        let spent = cpu_seconds() - before;
        let rate = outcome.calls as f64 / spent.max(1e-9);
        calls += outcome.calls;
        match json {
            true => say!(
                "{}",
                json!({ "seed": seed, "hours": hours, "calls": outcome.calls, "answered": outcome.answered,
                    "abandoned": outcome.abandoned, "offers": outcome.offers, "entries": outcome.entries,
                    "steps": outcome.steps, "cpu_seconds": spent, "journal_sha256": outcome.journal,
                    "happened": outcome.happened })
            ),
            false => say!(
                "seed {seed}: {hours} h · {} calls · {} answered · {} abandoned · {} rings · {} entries · \
                 {rate:.0} calls per CPU second · journal {}",
                outcome.calls,
                outcome.answered,
                outcome.abandoned,
                outcome.offers,
                outcome.entries,
                outcome.journal.get(..16).unwrap_or_default()
            ),
        }
    }
    if seeds > 1 && !json {
        let rate = calls as f64 / (cpu_seconds() - began).max(1e-9);
        say!("{seeds} seeds · {calls} calls · no invariant broken · {rate:.0} calls per CPU second");
    }
    Ok(())
}

/// CPU time of this process so far, in seconds.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
