//! `hatif prompts script`: what a speaker is to read.

use std::path::PathBuf;

use clap::ValueEnum;

use super::super::Failure;
use super::shelf::{self, Shelf};

/// `hatif prompts script …`
#[derive(clap::Args)]
pub struct Options {
    /// The language.
    #[arg(long, value_name = "LANG")]
    lang: String,
    /// How the list is written.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Only what a flow, a queue or the engine says.
    #[arg(long)]
    used: bool,
    /// Only what is not recorded yet.
    #[arg(long)]
    missing: bool,
    /// The pieces of numbers, dates and money as well.
    #[arg(long)]
    units: bool,
    /// The configuration; default ./hatif.toml, else the demo tenant.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// For a spreadsheet.
    Csv,
    /// For paper.
    Md,
}

/// Prints the list.
pub fn run(options: &Options) -> Result<(), Failure> {
    let config = shelf::config(options.config.as_deref())?;
    let shelf = Shelf::of_files(&config)?;
    let language = options.lang.as_str();
    if !shelf.languages.iter().any(|known| known == language) {
        let languages = shelf.languages.join(", ");
        return Err(Failure::new(2, format!("error: the centre does not speak {language}: {languages}")));
    }
    let mut rows: Vec<[String; 3]> = Vec::new();
    let mut unwritten = Vec::new();
    for id in shelf.ids() {
        let (text, used) = (shelf.text(id, language), shelf.used(id));
        if text.is_empty() {
            unwritten.push(id);
        } else if !(options.used && used.is_empty()) {
            rows.push([id.to_owned(), text.to_owned(), used]);
        }
    }
    if options.units {
        let units = shelf::units(language).into_iter();
        rows.extend(units.map(|(id, text)| [id, text, "numbers, dates, money".to_owned()]));
    }
    rows.retain(|[id, ..]| !options.missing || !shelf.file(language, id).exists());
    match options.format {
        Format::Csv => {
            say!("id,text,used");
            rows.iter().for_each(|row| say!("{}", row.each_ref().map(|cell| csv(cell)).join(",")));
        }
        Format::Md => {
            say!("| id | text | used |\n| --- | --- | --- |");
            rows.iter().for_each(|row| say!("| {} |", row.each_ref().map(|cell| cell.replace('|', "\\|")).join(" | ")));
        }
    }
    for id in unwritten {
        eprintln!("{id}: prompts.toml has no words in {language}");
    }
    Ok(())
}

/// A field of CSV (RFC 4180).
fn csv(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}
