//! The repair at the start: recordings that a crash cut become whole files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::sidecar::{Audio, Format, Sidecar};
use super::{DATA_BYTES_MAX, HEADER_BYTES, RATE, SAMPLE_BYTES, header, part, rename_durably};
use crate::id::{CallId, RecordingId};
use crate::report::record::{Seconds, Unfinished};

/// Day folders searched for unfinished files at the start, newest first.
const DAYS_SEARCHED: usize = 3;

/// A recording that a crash interrupted, as found and mended at the start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mended {
    /// Which.
    pub recording: RecordingId,
    /// Of which call; none when the journal does not know it.
    pub call: Option<CallId>,
    /// The length of what is there, in ms.
    pub length_ms: u64,
    /// True when it was cut; false when the file was complete and only its entry in the journal was missing.
    pub partial: bool,
}

/// Mends what a crash left: `unfinished` by the journal, and any other `.part` file of the newest days.
///
/// Each gets a header for its real length, is made durable and renamed. To be called before the recorder starts.
/// The caller writes a `RecordingEnded` for each that has a call. Extra files are mended too, without a word.
///
/// # Errors
///
/// The folder cannot be read. A file that cannot be mended is reported with length 0 and left as it is.
pub fn mend(data_dir: &Path, unfinished: &[Unfinished]) -> io::Result<Vec<Mended>> {
    let mut mended = Vec::new();
    for known in unfinished {
        let path = data_dir.join(known.recording.file());
        let (length_ms, partial) = match complete_length_ms(&path) {
            Some(length_ms) => (length_ms, false),
            None => (mend_main(&path, known.recording), true),
        };
        mended.push(Mended { recording: known.recording, call: Some(known.call), length_ms, partial });
    }
    for folder in newest_days(&data_dir.join("recordings"))? {
        for item in fs::read_dir(&folder)? {
            let name = item?.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".wav.part")) else { continue };
            let (id, voice) = name.split_once('.').map_or((name, None), |(id, voice)| (id, Some(voice)));
            match (id.parse::<RecordingId>(), voice) {
                (Ok(recording), None) => {
                    let length_ms = mend_main(&data_dir.join(recording.file()), recording);
                    mended.push(Mended { recording, call: None, length_ms, partial: true });
                }
                (Ok(_), Some(_)) => drop(mend_file(&folder.join(format!("{name}.wav")), 1)),
                (Err(_), _) => {}
            }
        }
    }
    Ok(mended)
}

/// The length of a file that has its final name.
pub(super) fn complete_length_ms(path: &Path) -> Option<u64> {
    Some(length_ms(fs::metadata(path).ok()?.len(), 2))
}

fn length_ms(file_bytes: u64, channels: u16) -> u64 {
    file_bytes.saturating_sub(HEADER_BYTES) / (u64::from(channels) * SAMPLE_BYTES * u64::from(RATE) / 1_000)
}

/// What a recording's file alone tells of it: pauses and losses are in its call's record.
pub(super) fn told_by_file(recording: RecordingId, length_ms: u64) -> Sidecar {
    let seconds = Seconds::from_ms(length_ms);
    let main = Audio {
        file: recording.file(),
        track: "call".to_owned(),
        format: Format::Wav,
        channels: 2,
        offset_seconds: Seconds::default(),
        seconds,
        bytes: None,
        sha256: None,
    };
    Sidecar { seconds, files: vec![main], ..Sidecar::new(recording) }
}

/// A call's own file, with a sidecar.
fn mend_main(path: &Path, recording: RecordingId) -> u64 {
    let Some(length_ms) = mend_file(path, 2) else { return 0 };
    let sidecar = Sidecar { partial: true, ..told_by_file(recording, length_ms) };
    if let Err(error) = sidecar.write(&path.with_extension("json")) {
        tracing::error!(%recording, %error, "the sidecar of a recording could not be written");
    }
    length_ms
}

/// The length in ms; none when it cannot be mended.
fn mend_file(path: &Path, channels: u16) -> Option<u64> {
    let frame = u64::from(channels) * SAMPLE_BYTES;
    let mend = || -> io::Result<u64> {
        let mut file = OpenOptions::new().read(true).write(true).open(part(path))?;
        let len = file.metadata()?.len();
        let data = len.saturating_sub(HEADER_BYTES).min(DATA_BYTES_MAX) / frame * frame;
        let mut magic = [0; 4];
        if len >= HEADER_BYTES {
            file.read_exact(&mut magic)?;
            if magic != *b"RIFF" && magic != [0; 4] {
                return Err(io::Error::other("it is not a WAV file"));
            }
        }
        file.write_all_at(&header(channels, data), 0)?;
        File::set_len(&file, HEADER_BYTES + data)?;
        file.sync_all()?;
        rename_durably(path)?;
        Ok(length_ms(HEADER_BYTES + data, channels))
    };
    mend()
        .inspect_err(|error| {
            tracing::error!(file = %part(path).display(), %error, "a recording could not be mended");
        })
        .ok()
}

/// The newest `YYYY/MM/DD` folders.
pub(super) fn newest_days(recordings: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = vec![recordings.to_path_buf()];
    for _ in 0..3 {
        let mut deeper = Vec::new();
        for folder in folders {
            let items = match fs::read_dir(&folder) {
                Ok(items) => items,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            for item in items {
                let item = item?;
                if item.file_type()?.is_dir() {
                    deeper.push(item.path());
                }
            }
        }
        deeper.sort_unstable();
        folders = deeper.split_off(deeper.len().saturating_sub(DAYS_SEARCHED));
    }
    Ok(folders)
}
