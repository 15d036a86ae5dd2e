//! `hatif prompts import`: a speaker's recordings become prompts.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Cursor, Read, Seek, Write as _};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use serde_json::json;

use super::super::Failure;
use super::super::live::table;
use super::shelf::{self, Shelf};
use crate::diagnostic::suggestion;
use crate::media::clip::SAMPLE_RATE;
use crate::media::prompt::{self, Mastered};

/// Longest recording that is read, with all its silence, in seconds.
const LONGEST_S: u32 = 300;

/// `hatif prompts import …`
#[derive(clap::Args)]
pub struct Options {
    /// The folder of recordings, `ID.wav` each: 8 to 48 kHz, 16, 24 or 32 bits, one channel or two.
    dir: PathBuf,
    /// Their language.
    #[arg(long, value_name = "LANG")]
    lang: String,
    /// Only check them.
    #[arg(long)]
    dry_run: bool,
    /// The configuration; default ./hatif.toml, else the demo tenant.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object for each recording.
    #[arg(long)]
    json: bool,
}

/// Takes what is good; fails when something is not.
pub fn run(options: &Options) -> Result<(), Failure> {
    let config = shelf::config(options.config.as_deref())?;
    let shelf = Shelf::of_files(&config)?;
    let listing =
        fs::read_dir(&options.dir).map_err(|error| Failure::new(1, format!("{}: {error}", options.dir.display())))?;
    let mut files: Vec<PathBuf> = listing.flatten().map(|entry| entry.path()).filter(|path| is_wav(path)).collect();
    files.sort();
    let known = Known::of(&shelf, &options.lang)?;
    let (mut rows, mut bad) = (Vec::new(), 0);
    for path in &files {
        let id = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let taken = known.check(&id).and_then(|()| from_file(path)).and_then(|mastered| {
            let place = shelf.file(&options.lang, &id);
            if !options.dry_run {
                store(&place, &mastered.samples).map_err(|error| format!("{}: {error}", place.display()))?;
            }
            Ok(mastered)
        });
        bad += usize::from(taken.is_err());
        match options.json {
            true => say!("{}", document(&id, &taken)),
            false => rows.push(row(&id, &taken)),
        }
    }
    if !options.json {
        let columns = ["id", "seconds", "cut s", "LUFS", "dBTP", "result"];
        table(&columns, &rows).iter().for_each(|line| say!("{line}"));
    }
    let (good, place) = (files.len() - bad, shelf.dir.join(&options.lang));
    match options.dry_run {
        true => eprintln!("{good} good, {bad} refused; nothing was stored"),
        false => eprintln!(
            "{good} stored in {}, {bad} refused; a running engine says them after `hatif reload`",
            place.display()
        ),
    }
    if bad > 0 { Err(Failure::new(1, String::new())) } else { Ok(()) }
}

fn is_wav(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("wav"))
}

/// The names a recording may have.
pub struct Known(BTreeSet<String>);

impl Known {
    /// Of a language.
    ///
    /// # Errors
    ///
    /// The centre does not speak it.
    pub fn of(shelf: &Shelf, language: &str) -> Result<Self, Failure> {
        if !shelf.languages.iter().any(|known| known == language) {
            let languages = shelf.languages.join(", ");
            return Err(Failure::new(2, format!("error: the centre does not speak {language}: {languages}")));
        }
        let units = shelf::units(language).into_iter().map(|(id, _)| id);
        Ok(Self(shelf.ids().into_iter().map(str::to_owned).chain(units).collect()))
    }

    /// Whether there is such a prompt.
    ///
    /// # Errors
    ///
    /// A sentence, with what was probably meant.
    pub fn check(&self, id: &str) -> Result<(), String> {
        match self.0.contains(id) {
            true => Ok(()),
            false => {
                let help = suggestion(id, &self.0).map(|help| format!(": {help}")).unwrap_or_default();
                Err(format!("no prompt has this name{help}"))
            }
        }
    }
}

fn row(id: &str, taken: &Result<Mastered, String>) -> Vec<String> {
    match taken {
        Ok(done) => vec![
            id.to_owned(),
            format!("{:.1}", done.length_ms() as f64 / 1_000.0),
            format!("{:.1}", done.trimmed_ms as f64 / 1_000.0),
            format!("{:.1} → {:.1}", done.was_lufs, done.lufs),
            format!("{:.1}", done.peak_dbtp),
            "ok".to_owned(),
        ],
        Err(fault) => {
            let none = String::new;
            vec![id.to_owned(), none(), none(), none(), none(), fault.clone()]
        }
    }
}

fn document(id: &str, taken: &Result<Mastered, String>) -> serde_json::Value {
    match taken {
        Ok(done) => json!({
            "id": id, "accepted": true, "seconds": done.length_ms() as f64 / 1_000.0,
            "cut_seconds": done.trimmed_ms as f64 / 1_000.0, "was_lufs": tenth(done.was_lufs), "lufs": tenth(done.lufs),
            "peak_dbtp": tenth(done.peak_dbtp),
        }),
        Err(fault) => json!({ "id": id, "accepted": false, "error": fault }),
    }
}

/// Rounded to what can be told apart.
pub fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn from_file(path: &Path) -> Result<Mastered, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    from_wav(io::BufReader::new(file))
}

/// A prompt from the bytes of a WAV file.
///
/// # Errors
///
/// A sentence: what is wrong with it.
pub fn from_bytes(bytes: &[u8]) -> Result<Mastered, String> {
    from_wav(Cursor::new(bytes))
}

fn from_wav(source: impl Read + Seek) -> Result<Mastered, String> {
    let (samples, rate) = read(source)?;
    prompt::master(&samples, rate).map_err(|fault| fault.to_string())
}

/// Mono samples with full scale 1.0, and their rate.
///
/// # Errors
///
/// A sentence: it is no WAV, or none that is taken.
pub fn read(source: impl Read + Seek) -> Result<(Vec<f32>, u32), String> {
    let explain = |error: hound::Error| format!("no WAV file that can be read: {error}");
    let mut reader = WavReader::new(source).map_err(explain)?;
    let WavSpec { channels, sample_rate, bits_per_sample, sample_format } = reader.spec();
    if !(1..=2).contains(&channels) {
        return Err(format!("{channels} channels: record one or two"));
    }
    if reader.duration() > LONGEST_S.saturating_mul(sample_rate) {
        return Err(format!("over {LONGEST_S} s long: one prompt a file"));
    }
    let full = match bits_per_sample {
        16 | 24 | 32 => f64::from(1u32 << (bits_per_sample - 1)),
        other => return Err(format!("{other} bits a sample: record with 16, 24 or 32")),
    };
    let all: Result<Vec<f32>, hound::Error> = match sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect(),
        SampleFormat::Int => reader.samples::<i32>().map(|s| s.map(|s| (f64::from(s) / full) as f32)).collect(),
    };
    let all = all.map_err(explain)?;
    if all.iter().any(|sample| !sample.is_finite()) {
        return Err("no WAV file that can be read: a sample is no number".to_owned());
    }
    let channels = usize::from(channels);
    Ok((all.chunks(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect(), sample_rate))
}

/// Writes a prompt, whole or not at all.
///
/// # Errors
///
/// The disk's; then what was there stays.
pub fn store(path: &Path, samples: &[i16]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let spec = WavSpec { channels: 1, sample_rate: SAMPLE_RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut bytes = Cursor::new(Vec::new());
    let written = WavWriter::new(&mut bytes, spec).and_then(|mut writer| {
        samples.iter().try_for_each(|sample| writer.write_sample(*sample))?;
        writer.finalize()
    });
    written.map_err(io::Error::other)?;
    let unfinished = path.with_extension("wav.part");
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes.get_ref())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}
