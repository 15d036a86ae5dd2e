//! What the API asks of prompts.

use std::sync::{Arc, PoisonError};

use super::super::prompts::import::{self, Known, tenth};
use super::super::prompts::shelf::Shelf;
use super::super::prompts::{self as sounds};
use super::reload::Reloader;
use crate::engine::{Command, Input};
use crate::http::prompts::{PromptRefusal, PromptTaken, PromptView, Prompts};

impl Prompts for Reloader {
    fn list(&self) -> Result<Vec<PromptView>, String> {
        let shelf = self.shelf()?;
        let seconds = |id: &str| {
            let of = |language: &String| {
                let reader = hound::WavReader::open(shelf.file(language, id)).ok()?;
                let rate = reader.spec().sample_rate.max(1);
                Some((language.clone(), f64::from(reader.duration()) / f64::from(rate)))
            };
            shelf.languages.iter().filter_map(of).collect()
        };
        let view = |id: &str| PromptView {
            id: id.to_owned(),
            text: shelf.texts.get(id).cloned().unwrap_or_default(),
            seconds: seconds(id),
            used: shelf.places.get(id).into_iter().flatten().cloned().collect(),
        };
        Ok(shelf.ids().into_iter().map(view).collect())
    }

    fn audio(&self, language: &str, id: &str) -> Option<Vec<u8>> {
        let shelf = self.shelf().ok()?;
        // Only names that are known: no path leads out of the folder.
        Known::of(&shelf, language).ok()?.check(id).ok()?;
        std::fs::read(shelf.file(language, id)).ok()
    }

    fn put(&self, language: &str, id: &str, wav: &[u8], by: &str) -> Result<PromptTaken, PromptRefusal> {
        let shelf = self.shelf().map_err(PromptRefusal::Bad)?;
        let known = Known::of(&shelf, language).map_err(|failure| PromptRefusal::Unknown(failure.message))?;
        known.check(id).map_err(|what| PromptRefusal::Unknown(format!("{id}: {what}")))?;
        let mastered = import::from_bytes(wav).map_err(PromptRefusal::Bad)?;
        let _one = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let file = shelf.file(language, id);
        let length =
            |reader: hound::WavReader<_>| reader.duration() as f64 / f64::from(reader.spec().sample_rate.max(1));
        let before = hound::WavReader::open(&file).map(|reader| format!("{:.1} s", length(reader))).unwrap_or_default();
        import::store(&file, &mastered.samples).map_err(|error| PromptRefusal::Disk(error.to_string()))?;
        let config = self.config.load();
        let (read, faults) = sounds::read(&config.prompts_dir, &config.centre.languages, &config.call.music);
        for fault in faults {
            tracing::warn!("{fault}");
        }
        self.inbox.send(Input::Command(Command::Prompts(Arc::new(read))));
        let seconds = mastered.length_ms() as f64 / 1_000.0;
        let edit = [format!("prompt.{language}.{id}"), before, format!("{seconds:.1} s")];
        let by = by.to_owned();
        self.inbox.ask(Box::new(move |engine, now| engine.note_edits(now, vec![edit], &by)));
        Ok(PromptTaken {
            id: id.to_owned(),
            language: language.to_owned(),
            seconds,
            cut_seconds: mastered.trimmed_ms as f64 / 1_000.0,
            was_lufs: tenth(mastered.was_lufs),
            lufs: tenth(mastered.lufs),
            peak_dbtp: tenth(mastered.peak_dbtp),
        })
    }
}

impl Reloader {
    /// The prompts of the flows in force.
    fn shelf(&self) -> Result<Shelf, String> {
        Shelf::of(&self.config.load(), Some(&self.flows.in_force().library))
    }
}
