//! How the recordings of prompts sound: the shell measures the files, here it is judged.

use std::collections::BTreeMap;

use super::{Checker, FAULTS};
use crate::diagnostic::Diagnostic;

/// Loudness of a prompt, in LUFS: quieter ones are not understood, louder ones are distorted by telephones.
pub const LOUDNESS: (f64, f64) = (-23.0, -16.0);
/// Least rate of a recording, in Hz: what a telephone carries.
pub const RATE_LEAST: u32 = 8_000;

/// What was measured in one recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sound {
    /// Samples a second, as recorded.
    pub rate_hz: u32,
    /// Integrated loudness (ITU-R BS.1770); `None`: nothing can be heard.
    pub lufs: Option<f64>,
    /// Places where the recording was cut off at full scale.
    pub clipped: usize,
}

/// Recordings by language and prompt.
pub type Sounds = BTreeMap<String, BTreeMap<String, Sound>>;

impl Sound {
    /// What is wrong with it: code, what follows on "prompt … in … ", and what to do.
    fn faults(&self) -> Vec<(&'static str, String, String)> {
        let mut faults = Vec::new();
        if self.rate_hz < RATE_LEAST {
            let message = format!("was recorded with {} samples a second", self.rate_hz);
            faults.push(("ivr::prompt-rate", message, format!("record it with {RATE_LEAST} or more")));
        }
        if self.clipped > 0 {
            let times = if self.clipped == 1 { "once".to_owned() } else { format!("{} times", self.clipped) };
            let message = format!("is cut off at full scale {times}");
            faults.push(("ivr::prompt-clipped", message, "record it again with less gain".to_owned()));
        }
        let (least, greatest) = LOUDNESS;
        match self.lufs {
            None => {
                faults.push(("ivr::prompt-silent", "is silent".to_owned(), "record it again".to_owned()));
            }
            Some(lufs) if !(least..=greatest).contains(&lufs) => {
                let message = format!("has a loudness of {lufs:.1} LUFS");
                faults.push(("ivr::prompt-level", message, format!("bring it to {least} to {greatest}")));
            }
            Some(_) => {}
        }
        faults
    }
}

impl Checker<'_> {
    /// Every recording that is used sounds as it should.
    pub(super) fn sounds(&mut self) {
        for program in self.flows.values() {
            for ((id, language), span) in program.prompts() {
                let Some(sound) = self.declared.sounds.get(&language).and_then(|sounds| sounds.get(&id)) else {
                    continue;
                };
                for (code, message, help) in sound.faults() {
                    if self.diagnostics.len() >= FAULTS {
                        return;
                    }
                    let message = format!("prompt \"{id}\" in \"{language}\" {message}");
                    let found = Diagnostic::warning(code, &program.file, self.text(program), span.clone(), message);
                    self.diagnostics.push(found.help(Some(help)));
                }
            }
        }
    }
}
