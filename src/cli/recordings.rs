//! `hatif recordings`: what there is, whether it is what was recorded, a copy for elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::client::Target;
use super::{Failure, live, offline};
use crate::id::RecordingId;
use crate::storage::recordings::sidecar::{Sidecar, Verdict, all};

/// `hatif recordings …`
#[derive(Subcommand)]
pub enum Recordings {
    /// Of ended calls, newest first; asks the running engine.
    List {
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        #[command(flatten)]
        target: Target,
    },
    /// Compare files with the hashes of their sidecars; none named: all. Exit code 1 when one is changed or missing.
    Verify {
        /// Their ids, `rec_…`.
        ids: Vec<RecordingId>,
        #[command(flatten)]
        place: Place,
        /// One JSON object per file.
        #[arg(long)]
        json: bool,
    },
    /// Copy audio and sidecar of one recording into a folder.
    Export {
        /// Its id, `rec_…`.
        id: RecordingId,
        /// The folder; made when absent.
        folder: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

/// Where recordings are.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// The configuration that names the data folder; default ./hatif.toml.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder itself.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data_dir: Option<PathBuf>,
}

impl Place {
    fn data_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = &self.data_dir {
            return Ok(dir.clone());
        }
        let file = self.config.clone().unwrap_or_else(|| PathBuf::from("hatif.toml"));
        let (config, _) = offline::read_config(&[file]).map_err(|faults| {
            let text: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
            Failure::new(3, format!("{text}name the data folder with --data-dir"))
        })?;
        Ok(config.data_dir)
    }
}

/// `recordings list|verify|export`.
pub fn recordings(what: &Recordings) -> Result<(), Failure> {
    match what {
        Recordings::List { limit, target } => {
            let answer = target.get(&format!("/api/v1/recordings?limit={limit}"))?;
            live::list(
                &answer,
                &["id", "call_id", "started_at", "seconds", "lost_seconds", "file", "node"],
                target.json,
            );
            Ok(())
        }
        Recordings::Verify { ids, place, json } => verify(&place.data_dir()?, ids, *json),
        Recordings::Export { id, folder, place } => export(&place.data_dir()?, *id, folder),
    }
}

fn sidecar(data_dir: &Path, id: RecordingId) -> Result<Sidecar, Failure> {
    let path = data_dir.join(id.beside("json"));
    Sidecar::read(&path).map_err(|error| Failure::new(5, format!("{}: {error}", path.display())))
}

fn verify(data_dir: &Path, ids: &[RecordingId], json: bool) -> Result<(), Failure> {
    let chosen = match ids {
        [] => all(data_dir),
        ids => ids.iter().map(|id| sidecar(data_dir, *id)).collect::<Result<_, _>>()?,
    };
    let (mut good, mut young, mut bad) = (0, 0, 0);
    for sidecar in &chosen {
        for (file, verdict) in sidecar.verify(data_dir) {
            let word = match verdict {
                Verdict::Good => "good",
                Verdict::NotFiled => "not_filed",
                Verdict::Changed => "changed",
                Verdict::Missing => "missing",
            };
            match verdict {
                Verdict::Good => good += 1,
                Verdict::NotFiled => young += 1,
                Verdict::Changed | Verdict::Missing => bad += 1,
            }
            match json {
                true => say!("{}", json!({ "recording": sidecar.recording, "file": file, "result": word })),
                false if verdict != Verdict::Good => say!("{word}  {file}"),
                false => {}
            }
        }
    }
    if !json {
        say!("{good} good · {young} not filed yet · {bad} changed or missing");
    }
    if bad > 0 { Err(Failure::new(1, String::new())) } else { Ok(()) }
}

fn export(data_dir: &Path, id: RecordingId, folder: &Path) -> Result<(), Failure> {
    let sidecar = sidecar(data_dir, id)?;
    let files = sidecar.files.iter().map(|audio| audio.file.clone()).chain([id.beside("json")]);
    fs::create_dir_all(folder).map_err(|error| Failure::new(1, format!("{}: {error}", folder.display())))?;
    for file in files {
        let name = Path::new(&file).file_name().unwrap_or_default();
        let to = folder.join(name);
        fs::copy(data_dir.join(&file), &to).map_err(|error| Failure::new(1, format!("{file}: {error}")))?;
        say!("{}", to.display());
    }
    Ok(())
}
