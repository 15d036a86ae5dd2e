//! Prompts: reading the recorded ones, and making spoken stand-ins with espeak-ng for tests and the demo.

pub(super) mod import;
mod report;
mod script;
pub(super) mod shelf;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use clap::Subcommand;

use super::Failure;
use crate::call::prompts::Prompts as Sounds;
use crate::id::QueueName;
use crate::ivr::prompts::{self, PromptText};
use crate::ivr::{Sound, Sounds as Sounded};
use crate::media::wave::to_8khz;
use crate::media::{Clip, loudness, prompt};

/// The manifest that comes with the program.
pub const SHIPPED: &str = prompts::SHIPPED;
/// Samples per second of everything we play.
const RATE: u32 = 8_000;
/// So many samples at full scale one after the other are a peak that was cut off.
const CLIPPED: usize = 3;

/// `hatif prompts …`
#[derive(Subcommand)]
pub enum Prompts {
    /// Speak every prompt that is missing with espeak-ng: good for tests and the demo, not for customers.
    Make {
        /// Where: `DIR/ar/welcome.wav` and so on.
        #[arg(long, default_value = "prompts")]
        dir: PathBuf,
        /// Which prompts; none: those that come with the program.
        #[arg(long)]
        manifest: Option<PathBuf>,
    },
    /// What a speaker is to read, as a list.
    Script(script::Options),
    /// Take a speaker's recordings: cut their silence, bring them to one level, check and store them.
    Import(import::Options),
    /// What is recorded, missing or not used in each language, and how loud it is.
    Report(report::Options),
}

/// Runs `hatif prompts …`.
pub fn run(what: &Prompts) -> Result<(), Failure> {
    match what {
        Prompts::Script(options) => script::run(options),
        Prompts::Import(options) => import::run(options),
        Prompts::Report(options) => report::run(options),
        Prompts::Make { dir, manifest } => {
            let (name, text) = match manifest {
                Some(path) => {
                    let text = std::fs::read_to_string(path)
                        .map_err(|error| Failure::new(1, format!("{}: {error}", path.display())))?;
                    (path.display().to_string(), text)
                }
                None => ("ivr-scripts/prompts.toml".to_owned(), SHIPPED.to_owned()),
            };
            let languages = ["ar".to_owned(), "en".to_owned()];
            let list = prompts::parse(&name, &text, &languages)
                .map_err(|faults| Failure::new(3, faults.iter().map(|f| format!("{f}\n")).collect::<String>()))?;
            let made = make(dir, &list).map_err(|error| Failure::new(1, error))?;
            eprintln!("{made} prompts made in {}", dir.display());
            Ok(())
        }
    }
}

/// Makes the prompts of `list` that `dir` lacks.
///
/// Returns how many were made.
///
/// # Errors
///
/// A sentence: espeak-ng is missing, or the folder cannot be written.
pub fn make(dir: &Path, list: &[PromptText]) -> Result<usize, String> {
    let missing: Vec<&PromptText> = list.iter().filter(|prompt| !file(dir, prompt).exists()).collect();
    for prompt in &missing {
        let path = file(dir, prompt);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let raw = path.with_extension("raw.wav");
        let spoken = Command::new("espeak-ng")
            .args(["-v", &prompt.language, "-s", "150", "-w"])
            .arg(&raw)
            .arg(prompts::letter_by_letter(&prompt.text))
            .output()
            .map_err(|error| format!("espeak-ng cannot be run ({error}): apt-get install espeak-ng"))?;
        if !spoken.status.success() {
            let words = String::from_utf8_lossy(&spoken.stderr).into_owned();
            return Err(format!("espeak-ng refused prompt {} in {}: {words}", prompt.id, prompt.language));
        }
        write_wav(&path, &levelled(read_wav(&raw)?))?;
        let _ = std::fs::remove_file(&raw);
    }
    Ok(missing.len())
}

/// Trimmed and as loud as recordings of people shall be; what cannot be made so stays as it is.
fn levelled(samples: Vec<i16>) -> Vec<i16> {
    let floats: Vec<f32> = samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
    prompt::master(&floats, RATE).map_or(samples, |mastered| mastered.samples)
}

fn file(dir: &Path, prompt: &PromptText) -> PathBuf {
    dir.join(&prompt.language).join(format!("{}.wav", prompt.id))
}

/// Reads all prompts below `dir` (`LANGUAGE/ID.wav`), `dir/music.wav` as hold music when it is there, and that of queues
/// which have their own.
///
/// Files that cannot be used are named in the second value; the rest is read all the same.
pub fn read(dir: &Path, languages: &[String], queue_music: &BTreeMap<QueueName, String>) -> (Sounds, Vec<String>) {
    let mut clips: BTreeMap<String, BTreeMap<String, Arc<Clip>>> = BTreeMap::new();
    let mut faults = Vec::new();
    for language in languages {
        let Ok(folder) = std::fs::read_dir(dir.join(language)) else { continue };
        let mut files: Vec<PathBuf> = folder.flatten().map(|entry| entry.path()).collect();
        files.sort();
        for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "wav")) {
            let Some(id) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
            match read_wav(path) {
                Ok(samples) => {
                    let clip = Arc::new(Clip::from_pcm16(&samples));
                    clips.entry(language.clone()).or_default().insert(id.to_owned(), clip);
                }
                Err(fault) => faults.push(fault),
            }
        }
    }
    let music = match read_wav(&dir.join("music.wav")) {
        Ok(samples) => Clip::from_pcm16(&samples),
        Err(_) => Clip::from_pcm16(&music()),
    };
    // Queues with the same file hear the same place of it.
    let mut files: BTreeMap<&str, Arc<Clip>> = BTreeMap::new();
    for file in queue_music.values() {
        match read_wav(&dir.join(file)) {
            Ok(samples) => _ = files.insert(file, Arc::new(Clip::from_pcm16(&samples))),
            Err(fault) => faults.push(fault),
        }
    }
    let of_queue = |(queue, file): (&QueueName, &String)| Some((queue.clone(), Arc::clone(files.get(file.as_str())?)));
    let queues = queue_music.iter().filter_map(of_queue).collect();
    (Sounds::new(clips, music).with_queue_music(queues), faults)
}

/// What the robots of the demo say: some prompts in every language; empty where none is made.
pub fn speech(dir: &Path, languages: &[String], ids: &[&str]) -> Vec<Arc<[i16]>> {
    let paths = languages.iter().flat_map(|language| ids.iter().map(move |id| (language, id)));
    let read = |(language, id): (&String, &&str)| read_wav(&dir.join(language).join(format!("{id}.wav"))).ok();
    paths.filter_map(read).map(Arc::from).collect()
}

/// The prompts there are, for the check of flows.
pub fn ids(dir: &Path, languages: &[String]) -> BTreeMap<String, std::collections::BTreeSet<String>> {
    let of_language = |language: &String| {
        let files = std::fs::read_dir(dir.join(language)).into_iter().flatten().flatten().map(|entry| entry.path());
        let ids = files
            .filter(|path| path.extension().is_some_and(|e| e == "wav"))
            .filter_map(|path| path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned))
            .collect();
        (language.clone(), ids)
    };
    languages.iter().map(of_language).collect()
}

/// What the recordings there are sound like, for the check of flows; those that cannot be read are in the second value.
pub fn sounds(dir: &Path, languages: &[String]) -> (Sounded, Vec<String>) {
    let (mut sounds, mut faults) = (Sounded::new(), Vec::new());
    for (language, ids) in ids(dir, languages) {
        for id in ids {
            match sound(&dir.join(&language).join(format!("{id}.wav"))) {
                Ok(sound) => _ = sounds.entry(language.clone()).or_default().insert(id, sound),
                Err(fault) => faults.push(fault),
            }
        }
    }
    (sounds, faults)
}

fn sound(path: &Path) -> Result<Sound, String> {
    let (all, spec) = read_samples(path)?;
    let full_scale = |sample: &i16| *sample == i16::MAX || *sample == i16::MIN;
    let channels = usize::from(spec.channels.max(1));
    let clipped = (0..channels)
        .map(|channel| {
            let of_channel: Vec<bool> = all.iter().skip(channel).step_by(channels).map(full_scale).collect();
            of_channel
                .chunk_by(|one, next| one == next)
                .filter(|run| run.len() >= CLIPPED && run.first() == Some(&true))
                .count()
        })
        .sum();
    let mono: Vec<f32> = mono(&all, channels).iter().map(|sample| (sample / 32_768.0) as f32).collect();
    Ok(Sound { rate_hz: spec.sample_rate, lufs: loudness::loudness(&mono, spec.sample_rate), clipped })
}

/// One WAV file as 8 kHz mono samples.
pub fn read_wav(path: &Path) -> Result<Vec<i16>, String> {
    let (all, spec) = read_samples(path)?;
    Ok(to_8khz(&mono(&all, usize::from(spec.channels.max(1))), spec.sample_rate))
}

fn mono(all: &[i16], channels: usize) -> Vec<f64> {
    all.chunks(channels).map(|frame| frame.iter().map(|s| f64::from(*s)).sum::<f64>() / channels as f64).collect()
}

/// The samples of one WAV file, frame by frame.
fn read_samples(path: &Path) -> Result<(Vec<i16>, hound::WavSpec), String> {
    let explain = |error: hound::Error| format!("{}: {error}", path.display());
    let mut reader = hound::WavReader::open(path).map_err(explain)?;
    let spec = reader.spec();
    if spec.bits_per_sample != 16 || spec.sample_format != hound::SampleFormat::Int {
        return Err(format!("{}: {} bits a sample; store it with 16", path.display(), spec.bits_per_sample));
    }
    let all = reader.samples::<i16>().collect::<Result<Vec<i16>, _>>().map_err(explain)?;
    Ok((all, spec))
}

fn clip16(sample: f64) -> i16 {
    sample.round().clamp(-32_768.0, 32_767.0) as i16
}

/// Writes 8 kHz mono samples as a WAV file.
pub fn write_wav(path: &Path, samples: &[i16]) -> Result<(), String> {
    let explain = |error: hound::Error| format!("{}: {error}", path.display());
    let spec =
        hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).map_err(explain)?;
    for sample in samples {
        writer.write_sample(*sample).map_err(explain)?;
    }
    writer.finalize().map_err(explain)
}

/// Hold music where none is given: eight soft chords, sixteen seconds, looped without a click.
pub fn music() -> Vec<i16> {
    let chords: [[f64; 3]; 8] = [
        [261.63, 329.63, 392.0],
        [220.0, 261.63, 329.63],
        [174.61, 220.0, 261.63],
        [196.0, 246.94, 293.66],
        [261.63, 329.63, 392.0],
        [220.0, 261.63, 329.63],
        [293.66, 349.23, 440.0],
        [196.0, 246.94, 293.66],
    ];
    let chord_samples = 2 * RATE;
    let sample = |n: u32| {
        let place = n % chord_samples;
        let t = f64::from(place) / f64::from(RATE);
        let chord = chords.get((n / chord_samples) as usize).copied().unwrap_or_default();
        // Each chord fades in and out within itself, so neither a change nor the loop clicks.
        let swell = (std::f64::consts::PI * f64::from(place) / f64::from(chord_samples)).sin();
        let sum: f64 = chord.iter().map(|hz| (t * hz * std::f64::consts::TAU).sin()).sum();
        clip16(sum * swell * 1_400.0)
    };
    (0..chord_samples * 8).map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch_and_level_when_resampled() {
        let tone: Vec<f64> =
            (0..22_050).map(|n| (f64::from(n) * 1_000.0 * std::f64::consts::TAU / 22_050.0).sin() * 8_000.0).collect();
        let low = to_8khz(&tone, 22_050);
        assert_eq!(low.len(), 8_000);
        let middle = &low[1_000..7_000];
        let power = |hz: f64| {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, s) in middle.iter().enumerate() {
                let phase = n as f64 * hz * std::f64::consts::TAU / 8_000.0;
                re += f64::from(*s) * phase.cos();
                im += f64::from(*s) * phase.sin();
            }
            (re * re + im * im).sqrt() * 2.0 / middle.len() as f64
        };
        assert!((power(1_000.0) - 8_000.0).abs() < 400.0, "{}", power(1_000.0));
        assert!(power(1_500.0) < 40.0);
    }
}
