//! `hatif ivr …`: the author's tools for flows. None of them needs a running engine.

mod audio;
mod fmt;
mod graph;
mod simulate;
mod test;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;

use super::{Failure, flow_files, offline, prompts, versions};
use crate::acd::calendar;
use crate::clock::Wall;
use crate::config::{Config, DevOptions};
use crate::diagnostic::suggestion;
use crate::ivr::prompts::PromptText;
use crate::ivr::walk::Voice;
use crate::ivr::{Declared, Library, Program, schema};
use crate::journal::Hours;

/// `hatif ivr …`
#[derive(Subcommand)]
pub enum Ivr {
    /// Check flow files; none named: all of ivr-scripts/.
    Check {
        /// The flow files.
        files: Vec<PathBuf>,
        /// Where queues and languages are declared; default ./hatif.toml, else the demo tenant.
        #[arg(long, short)]
        config: Option<PathBuf>,
        /// Warnings count as failure (exit code 6).
        #[arg(long)]
        strict: bool,
        /// One JSON object per finding.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of flow files, for editors.
    Schema,
    #[command(flatten)]
    Live(versions::Versions),
    /// Walk through a flow without a phone: by hand, or by a script.
    Simulate(Box<simulate::Options>),
    /// Run the tests of ivr-scripts/tests/, and with --explore go every way of every flow.
    Test(test::Options),
    /// Draw a flow: Mermaid, Graphviz or SVG, with the traffic of the last days.
    Graph(graph::Options),
    /// Lay out flow files; comments stay, and what they mean never changes.
    Fmt(fmt::Options),
}

/// Runs `hatif ivr …`.
pub fn run(what: &Ivr) -> Result<(), Failure> {
    match what {
        Ivr::Check { files, config, strict, json } => check(files, config.as_deref(), *strict, *json),
        Ivr::Schema => {
            say!("{}", schema::text().trim_end());
            Ok(())
        }
        Ivr::Live(what) => versions::run(what),
        Ivr::Simulate(options) => simulate::run(options),
        Ivr::Test(options) => test::run(options),
        Ivr::Graph(options) => graph::run(options),
        Ivr::Fmt(options) => fmt::run(options),
    }
}

/// The configuration named, else ./hatif.toml, else the demo tenant.
fn configuration(named: Option<&Path>, json: bool) -> Result<Config, Failure> {
    let usual = Path::new("hatif.toml");
    match named.or_else(|| usual.exists().then_some(usual)) {
        Some(path) => match offline::read_config(&[path.to_path_buf()]) {
            Ok((config, _)) => Ok(config),
            Err(faults) => match offline::report(&faults, false, json) {
                Err(failure) => Err(failure),
                Ok(()) => Err(Failure::new(3, format!("{} is refused", path.display()))),
            },
        },
        None => Ok(Config::dev(DevOptions::new(String::new()))),
    }
}

fn check(files: &[PathBuf], config: Option<&Path>, strict: bool, json: bool) -> Result<(), Failure> {
    let config = configuration(config, json)?;
    let (sounds, unreadable) = offline::measured(&config);
    let (library, mut found) = match files.is_empty() {
        true => offline::flows_of(&config, sounds),
        false => {
            let declared = offline::declared(&config, flow_files::manifest(&config), true);
            offline::check_files(files, &Declared { sounds, ..declared })
        }
    };
    found.extend(unreadable);
    found.extend(flow_files::manifest_faults(&config));
    offline::report(&found, strict, json)?;
    if let (Some(library), false) = (library, json) {
        for program in library.flows.values() {
            say!("{}", program.summary());
        }
        if !found.is_empty() {
            eprintln!("{}", offline::tally(0, found.len()));
        }
    }
    Ok(())
}

/// Flows with all that is known around them.
struct Stock {
    config: Config,
    library: Arc<Library>,
    declared: Declared,
    voice: Voice,
    /// Where the flows lie.
    folder: PathBuf,
}

impl Stock {
    /// Reads the flows of the configuration; with `flow` the path of a file, those of its folder instead.
    fn open(config: Option<&Path>, flow: Option<&str>) -> Result<Self, Failure> {
        let mut config = configuration(config, false)?;
        if let Some(path) = flow.filter(|flow| is_file(flow)).map(Path::new) {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !path.exists() {
                return Err(Failure::new(5, format!("no file {}", path.display())));
            }
            config.flows_dir = folder.to_path_buf();
        }
        let (library, found) = offline::read_flows(&config);
        let Some(library) = library else {
            offline::report(&found, false, false)?;
            return Err(Failure::new(3, "the flows are refused"));
        };
        let folder = config.flows_dir.clone();
        let (name, manifest) = match std::fs::read_to_string(folder.join("prompts.toml")) {
            Ok(text) => (folder.join("prompts.toml").display().to_string(), text),
            Err(_) => ("ivr-scripts/prompts.toml".to_owned(), prompts::SHIPPED.to_owned()),
        };
        // A manifest with faults says what it can: the check of prompts is another command.
        let texts = crate::ivr::prompts::parse(&name, &manifest, &config.centre.languages).unwrap_or_else(|faults| {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            Vec::new()
        });
        let voice = Voice::new(&texts, lengths(&config.prompts_dir, &texts));
        let declared = offline::declared(&config, manifest, false);
        Ok(Self { library: Arc::new(library), declared, voice, folder, config })
    }

    /// The flow of this name, or in this file.
    fn flow(&self, named: &str) -> Result<&Arc<Program>, Failure> {
        let found = match is_file(named) {
            true => {
                let file = Path::new(named).file_name();
                self.library.flows.values().find(|flow| Path::new(&flow.file).file_name() == file)
            }
            false => self.library.flows.get(named),
        };
        found.ok_or_else(|| unknown(5, "flow", named, self.library.flows.keys().map(String::as_str)))
    }

    /// What each calendar says at this moment.
    fn hours(&self, wall: Wall) -> BTreeMap<String, Hours> {
        let (all, none) = (&self.config.floor.calendars, BTreeMap::new());
        let said = |name: &String| Some((name.clone(), calendar::state(all, &none, name, wall)?));
        all.keys().filter_map(said).collect()
    }
}

fn is_file(flow: &str) -> bool {
    Path::new(flow).extension().is_some_and(|e| e == "toml")
}

/// Nothing of that kind has this name.
fn unknown<'n>(code: u8, what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> Failure {
    let known: Vec<&str> = known.collect();
    let help = suggestion(name, &known).unwrap_or_else(|| match known.as_slice() {
        [] => format!("there is no {what}"),
        known => format!("possible: {}", known.join(", ")),
    });
    Failure::new(code, format!("no {what} \"{name}\": {help}"))
}

/// How long the recordings are that there are.
fn lengths(dir: &Path, texts: &[PromptText]) -> BTreeMap<String, BTreeMap<String, Duration>> {
    let mut lengths: BTreeMap<String, BTreeMap<String, Duration>> = BTreeMap::new();
    for prompt in texts {
        let file = dir.join(&prompt.language).join(format!("{}.wav", prompt.id));
        let Ok(reader) = hound::WavReader::open(file) else { continue };
        let ms = u64::from(reader.duration()) * 1_000 / u64::from(reader.spec().sample_rate.max(1));
        lengths.entry(prompt.language.clone()).or_default().insert(prompt.id.clone(), Duration::from_millis(ms));
    }
    lengths
}

/// The flow files of a folder.
fn flows_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = toml_files(folder);
    files.retain(|path| !path.ends_with("prompts.toml"));
    files
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    files
}
