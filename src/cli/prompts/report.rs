//! `hatif prompts report`: what is recorded in each language, and how good it is.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::Failure;
use super::super::live::table;
use super::import::{self, tenth};
use super::shelf::{self, Shelf};
use crate::media::loudness::{loudness, peak};
use crate::media::prompt::{LEVELS_LUFS, PEAK_DBTP, clipped};

/// `hatif prompts report …`
#[derive(clap::Args)]
pub struct Options {
    /// Only this language.
    #[arg(long, value_name = "LANG")]
    lang: Option<String>,
    /// Good ones as well.
    #[arg(long)]
    all: bool,
    /// What is missing or bad counts as failure (exit code 6).
    #[arg(long)]
    strict: bool,
    /// The configuration; default ./hatif.toml, else the demo tenant.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object for each prompt and language.
    #[arg(long)]
    json: bool,
}

/// One prompt in one language.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    language: String,
    /// `ok`, `missing`, `unused`, `level`, `peak`, `clipped` or `unreadable`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lufs: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_dbtp: Option<f64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    used: String,
}

/// Prints the report.
pub fn run(options: &Options) -> Result<(), Failure> {
    let config = shelf::config(options.config.as_deref())?;
    let shelf = Shelf::of_files(&config)?;
    let wanted = |language: &&String| options.lang.as_ref().is_none_or(|only| only == *language);
    let languages: Vec<&String> = shelf.languages.iter().filter(wanted).collect();
    if languages.is_empty() {
        let known = shelf.languages.join(", ");
        let asked = options.lang.as_deref().unwrap_or_default();
        return Err(Failure::new(2, format!("error: the centre does not speak {asked}: {known}")));
    }
    let mut bad = 0;
    for language in languages {
        let rows = of_language(&shelf, language);
        let count = |states: &[&str]| rows.iter().filter(|row| states.contains(&row.state)).count();
        let (missing, unused) = (count(&["missing"]), count(&["unused"]));
        let faulty = count(&["level", "peak", "clipped", "unreadable"]);
        bad += missing + faulty;
        if options.json {
            rows.iter().for_each(|row| say!("{}", serde_json::to_string(row).unwrap_or_default()));
            continue;
        }
        let wanted = rows.len() - unused;
        say!(
            "{language}: {} of {wanted} recorded · {missing} missing · {unused} unused · {faulty} to be looked at",
            wanted - missing
        );
        let shown: Vec<Vec<String>> = rows.iter().filter(|row| options.all || row.state != "ok").map(cells).collect();
        if !shown.is_empty() {
            table(&["id", "state", "seconds", "LUFS", "dBTP", "used"], &shown).iter().for_each(|line| say!("  {line}"));
        }
    }
    match bad {
        bad if bad > 0 && options.strict => {
            Err(Failure::new(6, format!("{bad} prompts are missing or to be looked at")))
        }
        _ => Ok(()),
    }
}

fn cells(row: &Row) -> Vec<String> {
    let figure = |value: Option<f64>| value.map(|value| format!("{value:.1}")).unwrap_or_default();
    let state = if row.detail.is_empty() { row.state.to_owned() } else { format!("{}: {}", row.state, row.detail) };
    vec![row.id.clone(), state, figure(row.seconds), figure(row.lufs), figure(row.peak_dbtp), row.used.clone()]
}

fn of_language(shelf: &Shelf, language: &str) -> Vec<Row> {
    let units: BTreeSet<String> = shelf::units(language).into_iter().map(|(id, _)| id).collect();
    let said = shelf.ids();
    let recorded =
        super::ids(&shelf.dir, std::slice::from_ref(&language.to_owned())).remove(language).unwrap_or_default();
    let all: BTreeSet<&str> = said.iter().copied().chain(recorded.iter().map(String::as_str)).collect();
    let row = |id: &str| {
        let used = match units.contains(id) {
            true => "numbers, dates, money".to_owned(),
            false => shelf.used(id),
        };
        let (state, measured) = match recorded.contains(id) {
            true => judge(&shelf.file(language, id)),
            false => ("missing", Measured::default()),
        };
        // A prompt that somebody wrote and nobody says yet is not wanted, recorded or not.
        let state = if used.is_empty() && state != "unreadable" { "unused" } else { state };
        let Measured { seconds, lufs, peak_dbtp, detail } = measured;
        Row { id: id.to_owned(), language: language.to_owned(), state, seconds, lufs, peak_dbtp, detail, used }
    };
    all.into_iter().map(row).collect()
}

#[derive(Default)]
struct Measured {
    seconds: Option<f64>,
    lufs: Option<f64>,
    peak_dbtp: Option<f64>,
    detail: String,
}

fn judge(path: &Path) -> (&'static str, Measured) {
    let read = File::open(path).map_err(|error| error.to_string()).and_then(|file| import::read(BufReader::new(file)));
    let (samples, rate) = match read {
        Ok(read) => read,
        Err(detail) => return ("unreadable", Measured { detail, ..Measured::default() }),
    };
    let (lufs, high, cut) = (loudness(&samples, rate), peak(&samples), clipped(&samples));
    let state = match lufs {
        _ if cut > 0 => "clipped",
        Some(lufs) if !LEVELS_LUFS.contains(&lufs) => "level",
        None => "level",
        // 16 bits and another rate may move it a little.
        Some(_) if high > PEAK_DBTP + 0.2 => "peak",
        Some(_) => "ok",
    };
    let seconds = Some(tenth(samples.len() as f64 / f64::from(rate.max(1))));
    let peak_dbtp = high.is_finite().then(|| tenth(high));
    (state, Measured { seconds, lufs: lufs.map(tenth), peak_dbtp, detail: String::new() })
}
