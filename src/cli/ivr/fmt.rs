//! `hatif ivr fmt`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::super::{Failure, offline};
use crate::diagnostic::Diagnostic;
use crate::ivr::fmt;

/// `hatif ivr fmt …`
#[derive(Args)]
pub struct Options {
    /// The files; none: all flows.
    files: Vec<PathBuf>,
    /// Only name the files that would change (exit code 1).
    #[arg(long)]
    check: bool,
    /// Where the folder of the flows is declared; default ./hatif.toml, else ivr-scripts.
    #[arg(long, short)]
    config: Option<PathBuf>,
}

/// Lays out flow files.
pub fn run(options: &Options) -> Result<(), Failure> {
    let files = match options.files.is_empty() {
        true => {
            let config = super::configuration(options.config.as_deref(), false)?;
            super::flows_in(&config.flows_dir)
        }
        false => options.files.clone(),
    };
    let mut faults = Vec::new();
    let mut changed = 0;
    for path in &files {
        match lay_out(path, options.check) {
            Ok(false) => {}
            Ok(true) => {
                changed += 1;
                say!("{}", path.display());
            }
            Err(fault) => faults.push(*fault),
        }
    }
    offline::report(&faults, false, false)?;
    match (changed, options.check) {
        (0, _) | (_, false) => Ok(()),
        (1, true) => Err(Failure::new(1, "1 file is not laid out: hatif ivr fmt")),
        (n, true) => Err(Failure::new(1, format!("{n} files are not laid out: hatif ivr fmt"))),
    }
}

/// True when the file changes, or would.
fn lay_out(path: &Path, only_check: bool) -> Result<bool, Box<Diagnostic>> {
    let name = path.display().to_string();
    let fault = |what: &str, error: std::io::Error| {
        Box::new(Diagnostic::whole_file("ivr::unreadable", &name, format!("cannot {what} it: {error}")))
    };
    let text = std::fs::read_to_string(path).map_err(|error| fault("read", error))?;
    let formatted = fmt::format(&name, &text)?;
    if formatted == text {
        return Ok(false);
    }
    if !only_check {
        // Whole or not at all.
        let beside = path.with_extension("toml.new");
        std::fs::write(&beside, formatted).map_err(|error| fault("write", error))?;
        std::fs::rename(&beside, path).map_err(|error| fault("write", error))?;
    }
    Ok(true)
}
