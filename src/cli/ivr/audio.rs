//! What a caller of a walk would hear, as sound.

use std::path::Path;
use std::time::Duration;

use super::super::prompts;
use crate::ivr::prompts::PromptText;
use crate::ivr::walk::{Said, Sound};

const RATE: f64 = 8_000.0;
/// Silence, music and ringing last no longer than this.
const SHORT: Duration = Duration::from_secs(3);
/// Between two things that are said.
const PAUSE: Duration = Duration::from_millis(150);

/// Samples at 8 kHz. What has no recording in `dir` is spoken by espeak-ng, what has no words is a short tone.
///
/// # Errors
///
/// A sentence: a recording cannot be read, or espeak-ng is missing.
pub fn render(sounds: &[Sound], dir: &Path) -> Result<Vec<i16>, String> {
    let mut samples = Vec::new();
    let spoken = Spoken::new();
    for sound in sounds {
        match sound {
            Sound::Said(said) => {
                samples.extend(spoken.samples(said, dir)?);
                silence(&mut samples, PAUSE);
            }
            Sound::Silence(time) => silence(&mut samples, (*time).min(SHORT)),
            Sound::Music(time) => {
                samples.extend(prompts::music().into_iter().take(count((*time).min(SHORT))));
            }
            Sound::Ringing(time) => {
                tone(&mut samples, &[425.0], Duration::from_secs(1).min(*time));
                silence(&mut samples, Duration::from_secs(1));
            }
            // Two low tones stand for two people who talk.
            Sound::Talk(_) => {
                for hz in [180.0, 240.0] {
                    tone(&mut samples, &[hz, hz * 2.0], Duration::from_millis(400));
                    silence(&mut samples, Duration::from_millis(200));
                }
            }
            Sound::Beep => tone(&mut samples, &[1_000.0], Duration::from_millis(300)),
            Sound::Key(key) => tone(&mut samples, &tones(*key), Duration::from_millis(100)),
        }
    }
    Ok(samples)
}

/// A folder for what espeak-ng speaks; gone when this is dropped.
struct Spoken {
    folder: std::path::PathBuf,
}

impl Spoken {
    fn new() -> Self {
        Self { folder: std::env::temp_dir().join(format!("hatif-simulate-{}", std::process::id())) }
    }

    fn samples(&self, said: &Said, dir: &Path) -> Result<Vec<i16>, String> {
        let recording = said.prompt.as_ref().map(|id| dir.join(&said.language).join(format!("{id}.wav")));
        if let Some(file) = recording.filter(|file| file.exists()) {
            return prompts::read_wav(&file);
        }
        if said.text.is_empty() {
            let mut stand_in = Vec::new();
            tone(&mut stand_in, &[440.0], Duration::from_millis(400));
            return Ok(stand_in);
        }
        let id = format!("{:08x}", crc32fast::hash(said.text.as_bytes()));
        let file = self.folder.join(&said.language).join(format!("{id}.wav"));
        prompts::make(&self.folder, &[PromptText { id, language: said.language.clone(), text: said.text.clone() }])?;
        prompts::read_wav(&file)
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn count(time: Duration) -> usize {
    (time.as_secs_f64() * RATE) as usize
}

fn silence(samples: &mut Vec<i16>, time: Duration) {
    samples.resize(samples.len() + count(time), 0);
}

fn tone(samples: &mut Vec<i16>, hz: &[f64], time: Duration) {
    let sample = |n: usize| {
        let t = n as f64 / RATE * std::f64::consts::TAU;
        hz.iter().map(|hz| (t * hz).sin() * 3_000.0).sum::<f64>() as i16
    };
    samples.extend((0..count(time)).map(sample));
}

/// The two tones of a key (ITU-T Q.23).
fn tones(key: char) -> [f64; 2] {
    const ROWS: [(&str, f64); 4] = [("123A", 697.0), ("456B", 770.0), ("789C", 852.0), ("*0#D", 941.0)];
    const COLUMNS: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
    let place = ROWS.iter().find_map(|(keys, row)| Some((keys.find(key)?, *row)));
    let (column, row) = place.unwrap_or((0, 697.0));
    [row, COLUMNS.get(column).copied().unwrap_or(1_209.0)]
}
