//! The prompts of a centre: what each says, where it is said, and which are recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::{Failure, flow_files, offline};
use crate::config::{Config, DevOptions};
use crate::ivr::Library;
use crate::ivr::prompts::{self, OWN};
use crate::say::{self, Language, Nouns, Style};

/// Who says what the flows do not say.
const ENGINE: &str = "the engine";

/// All that a centre may say.
pub struct Shelf {
    /// Languages of the centre.
    pub languages: Vec<String>,
    /// Where recordings are.
    pub dir: PathBuf,
    /// The words, by prompt and language.
    pub texts: BTreeMap<String, BTreeMap<String, String>>,
    /// Where each prompt is said.
    pub places: BTreeMap<String, BTreeSet<String>>,
}

/// The configuration named, else `hatif.toml` of this folder, else the demo tenant's.
pub fn config(named: Option<&Path>) -> Result<Config, Failure> {
    let path = named.map(Path::to_path_buf).or_else(|| Path::new("hatif.toml").exists().then(|| "hatif.toml".into()));
    let Some(path) = path else { return Ok(Config::dev(DevOptions::new(String::new()))) };
    let read = offline::read_config(&[path]).map(|(config, _)| config);
    read.map_err(|faults| Failure::new(3, faults.iter().map(|fault| format!("{fault}\n")).collect::<String>()))
}

impl Shelf {
    /// Of a configuration, with the flows that its files hold; flows that are refused are left out and told.
    ///
    /// # Errors
    ///
    /// What is wrong with the manifest.
    pub fn of_files(config: &Config) -> Result<Self, Failure> {
        let (library, found) = offline::read_flows(config);
        if library.is_none() {
            let faults: String = found.iter().map(|fault| format!("{fault}\n")).collect();
            eprintln!("{faults}the flows are refused: where prompts are said is not known");
        }
        Self::of(config, library.as_ref()).map_err(|faults| Failure::new(3, faults))
    }

    /// Of a configuration, with these flows.
    ///
    /// # Errors
    ///
    /// What is wrong with the manifest.
    pub fn of(config: &Config, library: Option<&Library>) -> Result<Self, String> {
        let languages = config.centre.languages.clone();
        let manifest = flow_files::read(config).map(|texts| texts.manifest).unwrap_or_default();
        let manifest = if manifest.is_empty() { prompts::SHIPPED.to_owned() } else { manifest };
        let list = prompts::parse(flow_files::MANIFEST, &manifest, &languages)
            .map_err(|faults| faults.iter().map(|fault| format!("{fault}\n")).collect::<String>())?;
        let mut texts: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for prompt in list {
            texts.entry(prompt.id).or_default().insert(prompt.language, prompt.text);
        }
        let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut add = |id: &str, place: String| _ = places.entry(id.to_owned()).or_default().insert(place);
        OWN.iter().for_each(|id| add(id, ENGINE.to_owned()));
        for queue in config.floor.queues.values() {
            queue.announcements.iter().for_each(|id| add(id, format!("queue {}", queue.name)));
        }
        for program in library.into_iter().flat_map(|library| library.flows.values()) {
            for (id, nodes) in program.places() {
                nodes.into_iter().for_each(|node| add(&id, node));
            }
        }
        Ok(Self { languages, dir: config.prompts_dir.clone(), texts, places })
    }

    /// Where a prompt lies, or would.
    pub fn file(&self, language: &str, id: &str) -> PathBuf {
        self.dir.join(language).join(format!("{id}.wav"))
    }

    /// Its text in a language; empty when nobody wrote one.
    pub fn text(&self, id: &str, language: &str) -> &str {
        self.texts.get(id).and_then(|texts| texts.get(language)).map_or("", String::as_str)
    }

    /// Where it is said, in one line.
    pub fn used(&self, id: &str) -> String {
        self.places.get(id).map(|places| places.iter().cloned().collect::<Vec<_>>().join(" ")).unwrap_or_default()
    }

    /// All prompts that somebody wrote or says.
    pub fn ids(&self) -> BTreeSet<&str> {
        self.texts.keys().chain(self.places.keys()).map(String::as_str).collect()
    }
}

/// The pieces that numbers, dates and money are said with: names and words; none in a language that is not spoken so.
pub fn units(language: &str) -> Vec<(String, String)> {
    let Some(language) = Language::from_code(language) else { return Vec::new() };
    let clips = say::clips(language, Style::MSA, &Nouns::built_in());
    clips.iter().map(|(id, text)| (id.to_string(), text.to_string())).collect()
}
