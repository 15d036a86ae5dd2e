//! Which library of flows is in force: what the files hold, or one that was active before.
//!
//! ```text
//!   start, reload: files as when they were taken last? --yes--> the active one stays (so a roll-back does)
//!                     | no
//!                     v
//!                  checked against the configuration --good--> kept, active
//!                     | bad
//!                     v
//!                  refused, the old one stays
//!   activate, roll back: checked against the configuration in force --good--> active
//! ```
//!
//! What is in memory counts; the files of [`FlowStore`] are how it outlives the process. A disk that refuses them costs no call.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::flow_files;
use crate::acd::config::{Lack, QueueConfig, Way};
use crate::call::config::NumberAction;
use crate::clock::Wall;
use crate::config::Config;
use crate::config::plan::{Change, When};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::ivr::{Library, Sounds};
use crate::storage::flows::{Active, BEFORE_MAX, FlowStore, Texts, Version, short};

/// The libraries of a running engine.
pub(super) struct Flows {
    store: FlowStore,
    force: Mutex<Force>,
}

/// What is in force.
#[derive(Clone, Default)]
pub(super) struct Force {
    /// Which, and since when.
    pub active: Active,
    /// Its flows.
    pub library: Arc<Library>,
}

/// A library that could be in force.
pub(super) struct Chosen {
    /// Its id.
    pub id: String,
    /// Its flows.
    pub library: Arc<Library>,
    /// What is to be looked at.
    pub notes: Vec<String>,
    /// The files are not taken, as they have faults.
    pub refused: bool,
    /// What it is made of; `None`: it is kept already.
    texts: Option<Texts>,
    /// What the files hold now, when they are taken by this.
    files: Option<String>,
}

/// What came of taking a library.
pub(super) struct Taken {
    /// Which was in force until now, when it is another.
    pub before: Option<String>,
    /// What could not be written down.
    pub faults: Vec<String>,
}

/// When a library is chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Moment {
    /// Something must be in force: what does not fit gives way.
    Start,
    /// Something is in force: what does not fit is refused.
    Reload,
}

impl Flows {
    /// What was in force when the last process ended.
    pub fn new(data_dir: &Path) -> Self {
        let store = FlowStore::new(data_dir);
        let active = store.active().unwrap_or_else(|error| {
            tracing::error!(%error, "which flows were active cannot be read: those of the files are taken");
            None
        });
        let force = Force { active: active.unwrap_or_default(), library: Arc::default() };
        Self { store, force: Mutex::new(force) }
    }

    fn force(&self) -> MutexGuard<'_, Force> {
        self.force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is in force.
    pub fn in_force(&self) -> Force {
        self.force().clone()
    }

    /// Those that are kept, the oldest first.
    pub fn kept(&self) -> Vec<(String, Version)> {
        self.store.versions().unwrap_or_else(|error| {
            tracing::error!(%error, "the versions of flows cannot be read");
            Vec::new()
        })
    }

    /// Which library a configuration gets; nothing is changed.
    ///
    /// # Errors
    ///
    /// All that is wrong, as it is shown to people.
    pub fn choose(&self, config: &Config, moment: Moment) -> Result<Chosen, Vec<String>> {
        let active = self.force().active.clone();
        let read = flow_files::read(config).map(|texts| (texts.id(), texts));
        if let Ok((files, _)) = &read
            && *files == active.from_files
            && active.active != *files
        {
            match self.stored(config, &active.active) {
                Ok(mut chosen) => {
                    chosen.notes.push(stays(&active));
                    return Ok(chosen);
                }
                Err(faults) if moment == Moment::Reload => return Err(faults),
                Err(faults) => {
                    let id = short(&active.active);
                    tracing::error!(
                        faults = faults.join("\n"),
                        "flow version {id} can no longer be used: the files are taken"
                    );
                }
            }
        }
        let checked = read.map_err(told).and_then(|(id, texts)| {
            let (library, notes) = checked(config, &texts, &config.flows_dir)?;
            let (texts, files) = (Some(texts), Some(id.clone()));
            Ok(Chosen { id, library, notes, refused: false, texts, files })
        });
        match checked {
            Err(faults) if moment == Moment::Start && !active.active.is_empty() => {
                let mut chosen = self.stored(config, &active.active).map_err(|_| faults.clone())?;
                let id = short(&active.active);
                let told = format!("{}\nthe flow files are refused; version {id} stays active", faults.join("\n"));
                chosen.notes.push(told);
                chosen.refused = true;
                Ok(chosen)
            }
            other => other,
        }
    }

    /// The library of this id, checked against a configuration.
    ///
    /// # Errors
    ///
    /// It is not there, or does not fit.
    pub fn stored(&self, config: &Config, id: &str) -> Result<Chosen, Vec<String>> {
        let version = self.store.version(id).map_err(|error| vec![error.to_string()])?;
        let (library, notes) = checked(config, &version.texts, &PathBuf::from(format!("version {}", short(id))))?;
        Ok(Chosen { id: id.to_owned(), library, notes, refused: false, texts: None, files: None })
    }

    /// The id that begins so.
    ///
    /// # Errors
    ///
    /// A sentence: there is none, or more than one.
    pub fn find(&self, prefix: &str) -> Result<String, String> {
        self.store.find(prefix).map_err(|error| error.to_string())
    }

    /// The one that was active before, if it is known, and those before that one.
    pub fn before(&self) -> Option<(String, Vec<String>)> {
        let mut before = self.force().active.before.clone();
        before.pop().map(|last| (last, before))
    }

    /// What is in force from now on. `before`: what was active before it, in place of what is active now and what was
    /// before that.
    ///
    /// Returns which was in force until now, when it is another, and what could not be written down.
    pub fn take(&self, chosen: &Chosen, at: Wall, by: &str, note: &str, before: Option<Vec<String>>) -> Taken {
        let mut force = self.force();
        let old = force.active.clone();
        force.library = Arc::clone(&chosen.library);
        let active = &mut force.active;
        if let Some(files) = &chosen.files {
            active.from_files.clone_from(files);
        }
        let is_another = old.active != chosen.id;
        if is_another {
            active.active.clone_from(&chosen.id);
            (active.since, active.by, active.note) = (at, by.to_owned(), note.to_owned());
            active.before.extend((!old.active.is_empty()).then(|| old.active.clone()));
            active.before.drain(..active.before.len().saturating_sub(BEFORE_MAX));
        }
        if let Some(before) = before {
            active.before = before;
        }
        let mut faults = Vec::new();
        let mut told = |what: &str, result: std::io::Result<()>| {
            if let Err(error) = result {
                tracing::error!(%error, "{what}");
                faults.push(format!("{what}: {error}"));
            }
        };
        if let Some(texts) = &chosen.texts {
            let flows = versions_of(&chosen.library);
            let version = Version { taken_at: at, by: by.to_owned(), flows, texts: texts.clone() };
            let what = "this version of the flows cannot be kept; calls go on, but nobody can roll back to it";
            told(what, self.store.keep(&version, active));
        }
        if self.store.active().ok().flatten().as_ref() != Some(active) {
            let what =
                "which flows are active cannot be written down; calls go on, but a restart takes what was written last";
            told(what, self.store.set_active(active));
        }
        Taken { before: is_another.then_some(old.active), faults }
    }

    /// What would change by a library, as a dry run tells it.
    pub fn plan(&self, chosen: &Chosen) -> Vec<Change> {
        let force = self.in_force();
        if force.active.active == chosen.id {
            return Vec::new();
        }
        let (old, new) = (versions_of(&force.library), versions_of(&chosen.library));
        let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let of =
            |flows: &BTreeMap<String, String>, name| flows.get(name).map(|v| short(v).to_owned()).unwrap_or_default();
        let change = |what: String, before: String, after: String| Change {
            what,
            before,
            after,
            when: When::NextCall,
            queue: None,
        };
        let whole =
            change("ivr.version".to_owned(), short(&force.active.active).to_owned(), short(&chosen.id).to_owned());
        let flows = names.into_iter().map(|name| change(format!("flow.{name}"), of(&old, name), of(&new, name)));
        std::iter::once(whole).chain(flows.filter(|change| change.before != change.after)).collect()
    }
}

/// The version of each flow, by its name.
pub(super) fn versions_of(library: &Library) -> BTreeMap<String, String> {
    library.flows.iter().map(|(name, program)| (name.clone(), program.version.clone())).collect()
}

fn stays(active: &Active) -> String {
    let Active { since, by, .. } = active;
    format!(
        "flow version {} stays active (by {by}, {since}): the files are as they were taken; `hatif ivr activate {}` takes \
         what they hold",
        short(&active.active),
        short(&active.from_files)
    )
}

fn told(faults: Vec<Diagnostic>) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}

/// A library that passes, with what is to be looked at.
fn checked(config: &Config, texts: &Texts, folder: &Path) -> Result<(Arc<Library>, Vec<String>), Vec<String>> {
    let (library, found) = flow_files::check(config, texts, folder, Sounds::default());
    let Some(library) = library else { return Err(told(found)) };
    let missing = missing(config, &library);
    match missing.is_empty() {
        true => Ok((Arc::new(library), told(found))),
        false => Err(missing),
    }
}

/// Flows that the configuration leads to and a library does not have.
fn missing(config: &Config, library: &Library) -> Vec<String> {
    let of_numbers = config.call.numbers.iter().filter_map(|number| match &number.action {
        NumberAction::Flow(flow) => Some((flow.as_str(), format!("number {}", number.pattern))),
        _ => None,
    });
    let of_queues = config.floor.queues.values().flat_map(|queue| {
        let named = ways(queue).into_iter().filter_map(|way| if let Way::Flow(flow) = way { Some(flow) } else { None });
        named.map(|flow| (flow.as_str(), format!("queue {}", queue.name)))
    });
    let unknown = of_numbers.chain(of_queues).filter(|(flow, _)| !library.flows.contains_key(*flow));
    let sentence = |(flow, from): (&str, String)| {
        let help = suggestion(flow, library.flows.keys()).map(|help| format!(": {help}")).unwrap_or_default();
        format!("{from} leads to flow \"{flow}\", which is not among them{help}")
    };
    unknown.map(sentence).collect()
}

/// Everywhere a queue sends callers.
fn ways(queue: &QueueConfig) -> Vec<&Way> {
    let lacks = Lack::ALL.into_iter().map(|lack| &queue.no_agents.of(lack).way);
    lacks.chain([&queue.overflow.way]).chain(queue.exit_keys.values()).collect()
}
