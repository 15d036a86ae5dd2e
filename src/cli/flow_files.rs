//! The flow files of a configuration as one set of texts, and the check of such a set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{offline, prompts};
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::ivr::{self, Declared, Library, Sounds};
use crate::storage::flows::Texts;

/// The manifest's file, beside the flows.
pub const MANIFEST: &str = "prompts.toml";

/// Reads the flow files of a configuration and their manifest; what comes with the program when there are none.
///
/// # Errors
///
/// A file that cannot be read.
pub fn read(config: &Config) -> Result<Texts, Vec<Diagnostic>> {
    let (mut files, mut unreadable) = (BTreeMap::new(), Vec::new());
    for path in paths(config) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match std::fs::read_to_string(&path) {
            Ok(text) => _ = files.insert(name, text),
            Err(error) => {
                let message = format!("cannot read it: {error}");
                unreadable.push(Diagnostic::whole_file("ivr::unreadable", &path.display().to_string(), message));
            }
        }
    }
    if !unreadable.is_empty() {
        return Err(unreadable);
    }
    if files.is_empty() {
        return Ok(shipped());
    }
    Ok(Texts { files, manifest: manifest(config) })
}

fn paths(config: &Config) -> impl Iterator<Item = PathBuf> {
    let listing = std::fs::read_dir(&config.flows_dir).into_iter().flatten().flatten().map(|entry| entry.path());
    listing.filter(|path| path.extension().is_some_and(|e| e == "toml") && !path.ends_with(MANIFEST))
}

/// The manifest of a configuration; empty when there is none.
pub fn manifest(config: &Config) -> String {
    std::fs::read_to_string(config.flows_dir.join(MANIFEST)).unwrap_or_default()
}

/// What is wrong with the manifest of a configuration, if there is one.
pub fn manifest_faults(config: &Config) -> Vec<Diagnostic> {
    let path = config.flows_dir.join(MANIFEST);
    let Ok(text) = std::fs::read_to_string(&path) else { return Vec::new() };
    let file = path.display().to_string();
    ivr::prompts::parse(&file, &text, &config.centre.languages).err().unwrap_or_default()
}

/// What comes with the program.
pub fn shipped() -> Texts {
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let files = ivr::SHIPPED_FLOWS.map(|(path, text)| (name(path), text.to_owned()));
    Texts { files: files.into(), manifest: prompts::SHIPPED.to_owned() }
}

/// Reads and checks a set against a configuration; its files are shown as if they lay in `folder`. `sounds` is what was
/// measured in recordings.
///
/// The library is there when no diagnostic is an error.
pub fn check(config: &Config, texts: &Texts, folder: &Path, sounds: Sounds) -> (Option<Library>, Vec<Diagnostic>) {
    let shown = |name: &String| folder.join(name).display().to_string();
    let files: Vec<(String, String)> = texts.files.iter().map(|(name, text)| (shown(name), text.clone())).collect();
    // Who uses what comes with the program has its stand-ins too.
    let with_prompts = paths(config).next().is_some();
    ivr::load(&files, &Declared { sounds, ..offline::declared(config, texts.manifest.clone(), with_prompts) })
}
