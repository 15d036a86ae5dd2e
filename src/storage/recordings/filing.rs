//! Filing: after the call a recording gets its final format, its hashes, and all that its call's record knows.
//!
//! One thread at the lowest priority does it, one recording after the other. What a crash left undone is found at the
//! start by its sidecar.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::archive;
use super::mend::{complete_length_ms, newest_days, told_by_file};
use super::sidecar::{Audio, Format, Sidecar, State, hash};
use crate::id::{CallId, RecordingId};
use crate::report::record::CallRecord;
use crate::storage::records::Records;

/// How soon a recording is looked at first; its call may be over already.
const FIRST: Duration = Duration::from_secs(1);
/// How long at most until it is looked at again: its call goes on, or the disk is full.
const LATEST: Duration = Duration::from_secs(60);

/// A recording that is where it stays.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filed {
    /// Of which call.
    pub call: CallId,
    /// Which.
    pub recording: RecordingId,
    /// Its file, relative to the data folder.
    pub file: String,
    /// The file's hash.
    pub sha256: String,
}

/// The running thread. It ends when [`Filing::inbox`] and all its clones are gone; what is left waits for the next start.
#[derive(Debug)]
pub struct Filing {
    inbox: Sender<RecordingId>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Filing {
    /// Starts to file recordings as `format`, those first that the last process left; `filed` is told of each.
    ///
    /// Must be called within the tokio runtime that shall run the queries; it must live until [`Filing::join`].
    ///
    /// # Errors
    ///
    /// A thread cannot be started.
    pub fn start(
        data_dir: &Path,
        format: Format,
        records: Records,
        filed: impl Fn(Filed) + Send + 'static,
    ) -> io::Result<Self> {
        let (inbox, ended) = crossbeam_channel::unbounded();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let (data_dir, runtime) = (data_dir.to_path_buf(), tokio::runtime::Handle::current());
        let thread = std::thread::Builder::new().name("rec-file".into()).spawn(move || {
            // Of this thread alone; without it the work is only less polite.
            let _ = rustix::process::nice(19);
            let record = |recording: RecordingId| -> Option<CallRecord> {
                runtime.block_on(async {
                    let call = records.recording(recording).await.ok()??.call_id;
                    serde_json::from_str(&records.get(call).await.ok()??).ok()
                })
            };
            run(&ended, &Shelf { data_dir, format, stop: stopped }, &record, &filed, FIRST);
        })?;
        Ok(Self { inbox, stop, thread })
    }

    /// Where to tell of a recording whose file is complete.
    pub fn inbox(&self) -> Sender<RecordingId> {
        self.inbox.clone()
    }

    /// Ends it; what is being archived is left for the next start. All clones of the inbox must be gone.
    pub fn join(self) {
        self.stop.store(true, Relaxed);
        drop(self.inbox);
        let _ = self.thread.join();
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the shell: it reads the clock")]
fn run(
    ended: &Receiver<RecordingId>,
    shelf: &Shelf,
    record: &dyn Fn(RecordingId) -> Option<CallRecord>,
    filed: &dyn Fn(Filed),
    first: Duration,
) {
    let left = shelf.left().unwrap_or_default();
    let mut waiting: BTreeMap<RecordingId, (Instant, Duration)> =
        left.into_iter().map(|recording| (recording, (Instant::now(), first))).collect();
    loop {
        let next = waiting.values().map(|(at, _)| *at).min();
        let patience = next.map_or(LATEST, |at| at.saturating_duration_since(Instant::now()));
        match ended.recv_timeout(patience) {
            Ok(recording) => drop(waiting.insert(recording, (Instant::now() + first, first))),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let due = waiting.iter().find(|(_, (at, _))| *at <= Instant::now()).map(|(id, (_, wait))| (*id, *wait));
        let Some((recording, wait)) = due else { continue };
        let done = record(recording).map(|record| shelf.file(recording, &record));
        if let Some(Err(error)) = &done {
            tracing::error!(%recording, %error, "a recording could not be filed; it is tried again");
        }
        match done {
            Some(Ok(Some(what))) => {
                waiting.remove(&recording);
                filed(what);
            }
            // The call goes on, or the disk refuses.
            Some(Ok(None) | Err(_)) | None => {
                let wait = (wait * 2).min(LATEST);
                waiting.insert(recording, (Instant::now() + wait, wait));
            }
        }
    }
}

/// Where recordings are, and what becomes of them.
struct Shelf {
    data_dir: PathBuf,
    format: Format,
    stop: Arc<AtomicBool>,
}

impl Shelf {
    /// Recordings of the newest days that were not filed. A WAV whose archive is filed is removed on the way.
    fn left(&self) -> io::Result<Vec<RecordingId>> {
        let mut left = Vec::new();
        for folder in newest_days(&self.data_dir.join("recordings"))? {
            for item in fs::read_dir(folder)? {
                let path = item?.path();
                let ending = path.extension().and_then(|ending| ending.to_str());
                if ending == Some("wav") && !path.with_extension("json").exists() {
                    let name = path.file_stem().and_then(|name| name.to_str());
                    left.extend(name.and_then(|name| name.parse::<RecordingId>().ok()));
                }
                if ending != Some("json") {
                    continue;
                }
                match Sidecar::read(&path) {
                    Ok(sidecar) if sidecar.state == State::Recorded => left.push(sidecar.recording),
                    Ok(sidecar) => self.remove_sources(&sidecar),
                    Err(error) => tracing::warn!(file = %path.display(), %error, "a sidecar cannot be read"),
                }
            }
        }
        left.sort_unstable();
        Ok(left)
    }

    /// Files one recording; `None` while its call's record does not say that it is complete.
    fn file(&self, recording: RecordingId, record: &CallRecord) -> io::Result<Option<Filed>> {
        let complete = record.recordings.iter().any(|own| own.id == recording && own.seconds.is_some());
        if !complete {
            return Ok(None);
        }
        let path = self.data_dir.join(recording.beside("json"));
        let mut sidecar = match Sidecar::read(&path) {
            // A full disk took the audio but not its sidecar.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.told_by_file(recording)?,
            read => read?,
        };
        sidecar.tell_call(record);
        if sidecar.state == State::Recorded {
            for audio in &mut sidecar.files {
                self.settle(audio)?;
            }
        }
        sidecar.state = State::Filed;
        sidecar.write(&path)?;
        self.remove_sources(&sidecar);
        let main = sidecar.files.first().ok_or(io::ErrorKind::NotFound)?;
        let (file, sha256) = (main.file.clone(), main.sha256.clone().unwrap_or_default());
        Ok(Some(Filed { call: record.call_id, recording, file, sha256 }))
    }

    fn told_by_file(&self, recording: RecordingId) -> io::Result<Sidecar> {
        let length_ms = complete_length_ms(&self.data_dir.join(recording.file())).ok_or(io::ErrorKind::NotFound)?;
        Ok(told_by_file(recording, length_ms))
    }

    /// One file in its final format, with its hash.
    fn settle(&self, audio: &mut Audio) -> io::Result<()> {
        let wav = self.data_dir.join(&audio.file);
        let archive = archive::convert(&wav, self.format, &self.stop)?;
        let (bytes, sha256) = hash(&archive)?;
        (audio.bytes, audio.sha256, audio.format) = (Some(bytes), Some(sha256), self.format);
        audio.file = audio.file.trim_end_matches("wav").to_owned() + self.format.ending();
        Ok(())
    }

    /// The WAVs in whose place an archive is.
    fn remove_sources(&self, sidecar: &Sidecar) {
        for audio in sidecar.files.iter().filter(|audio| audio.format != Format::Wav) {
            let archive = self.data_dir.join(&audio.file);
            if archive.exists() {
                let _ = fs::remove_file(archive.with_extension("wav"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
