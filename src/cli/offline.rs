//! Commands that need no running engine: the check of a configuration, and the simulation.

#![allow(clippy::disallowed_methods, reason = "the simulation's zero of time and its CPU figures come from here")]

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::{Failure, flow_files, prompts};
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::ivr::{self, Declared, Library, Sounds};
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
    flows_of(config, Sounds::default())
}

/// As [`read_flows`], with what was measured in recordings.
pub fn flows_of(config: &Config, sounds: Sounds) -> (Option<Library>, Vec<Diagnostic>) {
    match flow_files::read(config) {
        Ok(texts) => flow_files::check(config, &texts, &config.flows_dir, sounds),
        Err(unreadable) => (None, unreadable),
    }
}

/// Measures the recordings; those that cannot be read are faults.
pub fn measured(config: &Config) -> (Sounds, Vec<Diagnostic>) {
    let (sounds, unreadable) = prompts::sounds(&config.prompts_dir, &config.centre.languages);
    let fault = |text: &String| Diagnostic::whole_file("prompts::unreadable", "prompts", text.clone());
    (sounds, unreadable.iter().map(fault).collect())
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
    let entered = config.flows();
    Declared {
        queues,
        callbacks,
        voicemails,
        services,
        calendars,
        entered,
        languages,
        prompts,
        is_mute: config.tts.voice.is_none(),
        sounds: Sounds::default(),
        manifest,
    }
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
    let (_, flow_faults) = flows_of(&config, measured(&config).0);
    found.extend(flow_faults);
    found.extend(flow_files::manifest_faults(&config));
    let (_, bad_prompts) = prompts::read(&config.prompts_dir, &config.centre.languages, &config.call.music);
    let fault = |text: &String| Diagnostic::whole_file("prompts::unreadable", "prompts", text.clone());
    found.extend(bad_prompts.iter().map(fault));
    report(&found, strict, json)?;
    if !json {
        let (agents, queues, numbers) =
            (config.floor.agents.len(), config.floor.queues.len(), config.call.numbers.len());
        let plural = if found.len() == 1 { "" } else { "s" };
        say!("ok: {agents} agents · {queues} queues · {numbers} numbers · {} warning{plural}", found.len());
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
    let counts = || tally(errors, found.len() - errors);
    match (errors, found.len()) {
        (0, 0) => Ok(()),
        (0, _) if !strict => Ok(()),
        (0, _) => Err(Failure::new(6, counts())),
        (_, _) => Err(Failure::new(3, counts())),
    }
}

/// `1 error, 2 warnings`.
pub fn tally(errors: usize, warnings: usize) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    format!("{errors} error{}, {warnings} warning{}", plural(errors), plural(warnings))
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
