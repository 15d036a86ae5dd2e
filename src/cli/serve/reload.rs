//! Reading the configuration again while the engine runs, and editing it.

#![allow(clippy::disallowed_methods, reason = "this is the shell: it reads the clock and the files")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use super::super::{Failure, edits, offline};
use super::flows::{Chosen, Flows, Moment};
use super::{LevelHandle, Options, filter_of, load, settings, wall_now};
use crate::clock::Wall;
use crate::config::Config;
use crate::config::edits::Edits;
use crate::config::plan::Change;
use crate::engine::{Command, Input};
use crate::http::Reloaded;
use crate::http::edits::{Edit, EditFault};
use crate::io::driver;
use crate::io::resolve::Names;
use crate::io::services::Services;
use crate::io::stream::Streams;
use crate::io::tts::Tts;
use crate::storage::flows::short;

/// Reads the configuration again, whole or not at all.
pub(super) struct Reloader {
    pub options: Options,
    pub config: Arc<ArcSwap<Config>>,
    pub inbox: driver::Inbox,
    pub streams: Streams,
    pub names: Names,
    pub services: Services,
    pub tts: Tts,
    pub level: LevelHandle,
    pub outcome: Arc<Mutex<(bool, Wall)>>,
    /// Which flows are in force.
    pub flows: Flows,
    /// One edit after the other.
    pub editing: Mutex<()>,
    /// One change of what is in force after the other; taken after `editing`.
    pub reloading: Mutex<()>,
}

impl Reloader {
    pub fn reload(&self) -> Reloaded {
        let outcome = self.try_reload();
        let mut last = self.outcome.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        last.0 = outcome.accepted;
        if outcome.accepted {
            last.1 = wall_now();
            tracing::info!("the configuration was read again and is in force");
        } else {
            tracing::error!(errors = outcome.errors.join("\n"), "the configuration was refused; the old one stays");
        }
        outcome
    }

    /// Changes the configuration of a queue or an agent: checked whole, written down, then in force. Of two that contradict
    /// each other the later one wins, and the journal has both.
    pub fn edit(&self, edit: Edit) -> Result<Vec<Change>, EditFault> {
        if self.options.dev {
            return Err(EditFault::NoFile);
        }
        let _one = self.editing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (old, disk) = (self.config.load_full(), |error: std::io::Error| EditFault::Disk(error.to_string()));
        let is_known = match edit.kind {
            "queue" => old.floor.queues.contains_key(edit.name.as_str()),
            _ => old.floor.agents.contains_key(edit.name.as_str()),
        };
        if !is_known {
            return Err(EditFault::Unknown);
        }
        let refused = |error: String| EditFault::Refused(vec![error]);
        let before = edits::read(&old.data_dir).map_err(disk)?;
        let mut edited = Edits::parse(before.as_deref().unwrap_or_default()).map_err(refused)?;
        edited.patch(edit.kind, &edit.name, &edit.changes).map_err(|error| refused(error.to_string()))?;
        let new = load_edited(&self.options, Some(edited.text())).map_err(|failure| refused(failure.message))?;
        self.flows.choose(&new, Moment::Reload).map_err(EditFault::Refused)?;
        let changes = old.plan(&new);
        if edit.dry_run {
            return Ok(changes);
        }
        edits::write(&old.data_dir, &edited.text()).map_err(disk)?;
        let outcome = self.reload();
        if !outcome.accepted {
            // What was in force is so again at the next start.
            edits::write(&old.data_dir, before.as_deref().unwrap_or_default()).map_err(disk)?;
            return Err(EditFault::Refused(outcome.errors));
        }
        let told = changes.iter().map(|change| [change.what.clone(), change.before.clone(), change.after.clone()]);
        let (told, by) = (told.collect(), edit.by);
        // Behind the reload in the same inbox; however busy the engine is, it is written.
        self.inbox.ask(Box::new(move |engine, now| engine.note_edits(now, told, &by)));
        Ok(changes)
    }

    /// What is edited.
    pub fn edits(&self) -> Option<String> {
        edits::read(&self.config.load().data_dir).ok().flatten()
    }

    /// What a reload would change now.
    pub fn plan(&self) -> Result<Vec<Change>, String> {
        let old = self.config.load_full();
        // The demo tenant has no file but those of its flows.
        let new = match self.options.dev {
            true => (*old).clone(),
            false => load_edited(&self.options, None).map_err(|failure| failure.message)?,
        };
        let chosen = self.flows.choose(&new, Moment::Reload).map_err(|errors| errors.join("\n"))?;
        let mut changes = old.plan(&new);
        changes.extend(self.flows.plan(&chosen));
        Ok(changes)
    }

    /// These flows are in force from now on: written down, in the journal when they are others. What could not be written
    /// down comes back.
    pub fn put_in_force(&self, chosen: &Chosen, by: &str, note: &str, before: Option<Vec<String>>) -> Vec<String> {
        let taken = self.flows.take(chosen, wall_now(), by, note, before);
        // The first ever change nothing.
        if let Some(old) = taken.before.filter(|old| !old.is_empty()) {
            let after = match note {
                "" => short(&chosen.id).to_owned(),
                note => format!("{}: {note}", short(&chosen.id)),
            };
            let (edit, by) = (["ivr.version".to_owned(), short(&old).to_owned(), after], by.to_owned());
            // Behind what changed them in the same inbox.
            self.inbox.ask(Box::new(move |engine, now| engine.note_edits(now, vec![edit], &by)));
        }
        taken.faults
    }

    fn try_reload(&self) -> Reloaded {
        let _one = self.reloading.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let old = self.config.load_full();
        let refused = |errors: Vec<String>| Reloaded { accepted: false, warnings: Vec::new(), errors };
        // The demo tenant has no file: its flows and prompts are read again.
        let mut new = match self.options.dev {
            true => (*old).clone(),
            false => match load_edited(&self.options, None) {
                Ok(config) => config,
                Err(failure) => return refused(vec![failure.message]),
            },
        };
        let restart = old.needs_restart(&new);
        // What only a restart applies stays as it runs: nothing is half-applied.
        new.sip.listeners = old.sip.listeners.clone();
        new.media = crate::media::config::MediaConfig { codecs: new.media.codecs.clone(), ..old.media.clone() };
        new.data_dir = old.data_dir.clone();
        let chosen = match self.flows.choose(&new, Moment::Reload) {
            Ok(chosen) => chosen,
            Err(errors) => return refused(errors),
        };
        let (settings, mut warnings) = settings(&new, &chosen);
        if let Err(error) = self.streams.reload(&new.sip, &new.streams) {
            return refused(vec![error]);
        }
        if let Err(error) = self.services.set(&new.services) {
            return refused(vec![error]);
        }
        if let Err(error) = self.tts.set(&new.tts) {
            return refused(vec![error]);
        }
        self.names.set(&new.sip, &new.streams.dns);
        warnings.extend(restart.iter().map(|key| format!("{key} changes at the next restart")));
        let level = self.options.log_level.clone().unwrap_or_else(|| new.log.level.to_owned());
        let _ = self.level.reload(filter_of(&level));
        self.inbox.send(Input::Command(Command::Reload(Box::new(settings))));
        warnings.extend(self.put_in_force(&chosen, "reload", "", None));
        self.config.store(Arc::new(new));
        Reloaded { accepted: true, warnings, errors: Vec::new() }
    }
}

/// As [`load`], with what was edited while the engine ran. `edits`: in place of what is written down.
fn load_edited(options: &Options, edits: Option<String>) -> Result<Config, Failure> {
    let (config, _) = load(options)?;
    lay_edits(options, config, edits)
}

/// Lays them over what the files say.
pub(super) fn lay_edits(options: &Options, config: Config, edits: Option<String>) -> Result<Config, Failure> {
    let written =
        || edits::read(&config.data_dir).map_err(|error| Failure::new(3, format!("{}: {error}", edits::FILE)));
    let Some(text) = edits.map_or_else(written, |text| Ok(Some(text)))? else { return Ok(config) };
    let files = if options.config.is_empty() { vec![PathBuf::from("hatif.toml")] } else { options.config.clone() };
    let read = Config::load_edited(&files, &offline::environment(), text, &config.data_dir);
    let (mut edited, warnings) = read.map_err(|faults| {
        let text: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
        Failure::new(3, text.trim_end().to_owned())
    })?;
    for warning in warnings.iter().filter(|warning| warning.code == "config::stale-edit") {
        tracing::warn!("{}", warning.to_string().trim_end());
    }
    edited.data_dir = config.data_dir;
    Ok(edited)
}
