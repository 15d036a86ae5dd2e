//! Recordings on disk: one thread that writes, one that completes files, and the repair at the start.
//!
//! A file is `….wav.part` while it is being written: stereo, 16 bit, 8 kHz. Its header says at most what is
//! already there and is renewed after each second of audio, so the file plays at every moment. At the end it is
//! made durable and renamed. A disk that refuses costs the audio of that time, which stays silent in the file so
//! that all else keeps its place; [`Stats::failing`] says so. Calls notice nothing.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};

use super::sync_dir;
use crate::id::{CallId, RecordingId};
use crate::media::{Chunk, ChunkKind};
use crate::report::record::Unfinished;

const SPEC: hound::WavSpec =
    hound::WavSpec { channels: 2, sample_rate: 8_000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
/// Bytes of one sample of both channels.
const FRAME_BYTES: u64 = 4;
/// Bytes of one millisecond of both channels.
const MS_BYTES: u64 = 32;
/// The header before the audio, in bytes.
const HEADER_BYTES: u64 = 44;
/// The header is renewed after this much audio, in bytes: one second.
const REFRESH_BYTES: u64 = 32_000;
/// The format's lengths are 32 bits: a recording ends here (37 hours), in bytes.
const DATA_BYTES_MAX: u64 = 0xffff_ff00;
/// Day folders searched for unfinished files at the start, newest first.
const DAYS_SEARCHED: usize = 3;

/// A recording that is complete: closed, durable and under its final name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ended {
    /// Which.
    pub recording: RecordingId,
    /// Its length, in ms.
    pub length_ms: u64,
    /// Audio in it that is lost, in ms.
    pub lost_ms: u64,
}

/// Counters, for metrics and alarms.
#[derive(Debug, Default)]
pub struct Stats {
    /// Files being written.
    pub active: AtomicU64,
    /// Bytes of audio written.
    pub bytes: AtomicU64,
    /// Refused writes.
    pub failures: AtomicU64,
    /// Audio lost, in ms.
    pub lost_ms: AtomicU64,
    /// The alarm: the last write was refused.
    pub failing: AtomicBool,
}

/// The writer of all recordings.
#[derive(Debug)]
pub struct Recorder {
    stats: Arc<Stats>,
    thread: JoinHandle<()>,
}

impl Recorder {
    /// Starts writing what comes from `chunks` below `data_dir`.
    ///
    /// `ended` is called, on a thread of ours, once for each recording. The writer ends when all senders of
    /// `chunks` are gone; files still open then are completed.
    ///
    /// # Errors
    ///
    /// A thread cannot be started.
    pub fn start(data_dir: &Path, chunks: Receiver<Chunk>, ended: impl Fn(Ended) + Send + 'static) -> io::Result<Self> {
        let stats = Arc::new(Stats::default());
        let (completed, to_complete) = crossbeam_channel::unbounded();
        let finisher =
            std::thread::Builder::new().name("rec-finish".into()).spawn(move || finish_all(&to_complete, &ended))?;
        let mut tapes = Tapes {
            data_dir: data_dir.to_path_buf(),
            create: Box::new(create_file),
            tapes: BTreeMap::new(),
            bytes: Vec::new(),
            stats: stats.clone(),
            completed,
        };
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || {
            for chunk in chunks {
                tapes.handle(chunk);
            }
            tapes.finish();
            drop(tapes);
            let _ = finisher.join();
        })?;
        Ok(Self { stats, thread })
    }

    /// Counters and the alarm.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// Waits until every file is complete; all senders of chunks must be gone.
    pub fn join(self) {
        let _ = self.thread.join();
    }
}

/// A file of audio; faked in tests.
trait AudioFile: Send {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
}

impl AudioFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }
    fn set_len(&self, bytes: u64) -> io::Result<()> {
        File::set_len(self, bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}

type Create = dyn Fn(&Path) -> io::Result<Box<dyn AudioFile>> + Send;

fn create_file(path: &Path) -> io::Result<Box<dyn AudioFile>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(Box::new(OpenOptions::new().create(true).truncate(true).write(true).open(path)?))
}

/// The header of a file with so many bytes of audio.
fn header(data_bytes: u64) -> Vec<u8> {
    let mut header = SPEC.into_header_for_infinite_file();
    let bytes = u32::try_from(data_bytes).unwrap_or(u32::MAX - 36);
    let riff = bytes.saturating_add(36);
    for (place, value) in [(4, riff), (40, bytes)] {
        if let Some(field) = header.get_mut(place..place + 4) {
            field.copy_from_slice(&value.to_le_bytes());
        }
    }
    header
}

/// All recordings being written.
struct Tapes {
    data_dir: PathBuf,
    create: Box<Create>,
    tapes: BTreeMap<RecordingId, Tape>,
    /// Samples as bytes: one buffer for all.
    bytes: Vec<u8>,
    stats: Arc<Stats>,
    completed: Sender<Completed>,
}

/// One recording being written.
struct Tape {
    /// None while it cannot be created.
    file: Option<Box<dyn AudioFile>>,
    /// The final name; the file has `.part` behind it.
    path: PathBuf,
    /// Audio so far, written or not: what was refused is a hole, which reads as silence.
    data_bytes: u64,
    /// Bytes that are really in the file.
    written: u64,
    /// What the header says.
    header_bytes: u64,
    lost_bytes: u64,
}

/// A file that only needs to be made durable and renamed.
struct Completed {
    file: Option<Box<dyn AudioFile>>,
    path: PathBuf,
    ended: Ended,
}

fn part(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    part.into()
}

impl Tapes {
    fn handle(&mut self, chunk: Chunk) {
        let tape = self.tapes.entry(chunk.recording).or_insert_with(|| {
            self.stats.active.fetch_add(1, Relaxed);
            Tape {
                file: None,
                path: self.data_dir.join(chunk.recording.file()),
                data_bytes: 0,
                written: 0,
                header_bytes: 0,
                lost_bytes: 0,
            }
        });
        let result = match chunk.kind {
            ChunkKind::Start => tape.open(&self.create),
            ChunkKind::Samples(samples) => {
                self.bytes.clear();
                let frames = samples.chunks_exact(2).flatten();
                frames.for_each(|sample| self.bytes.extend_from_slice(&sample.to_le_bytes()));
                tape.append(&self.create, &self.bytes, &self.stats)
            }
            ChunkKind::Gap { samples } => {
                tape.skip(samples.saturating_mul(FRAME_BYTES), &self.stats);
                Ok(())
            }
            ChunkKind::End => return self.end(chunk.recording),
        };
        self.note(&result);
    }

    fn note(&self, result: &io::Result<()>) {
        if let Err(error) = result {
            let before = self.stats.failures.fetch_add(1, Relaxed);
            if before.is_multiple_of(1_000) {
                tracing::error!(%error, "recordings cannot be written: calls go on, free space or mend the disk");
            }
        }
        self.stats.failing.store(result.is_err(), Relaxed);
    }

    fn end(&mut self, recording: RecordingId) {
        let Some(mut tape) = self.tapes.remove(&recording) else { return };
        self.stats.active.fetch_sub(1, Relaxed);
        let closed = tape.close(&self.create);
        self.note(&closed);
        let ended =
            Ended { recording, length_ms: tape.data_bytes / MS_BYTES, lost_ms: tape.lost_bytes.div_ceil(MS_BYTES) };
        let _ = self.completed.send(Completed { file: tape.file, path: tape.path, ended });
    }

    fn finish(&mut self) {
        let open: Vec<RecordingId> = self.tapes.keys().copied().collect();
        open.into_iter().for_each(|recording| self.end(recording));
    }
}

impl Tape {
    /// The file, made when it is not there yet.
    fn open(&mut self, create: &Create) -> io::Result<()> {
        if self.file.is_none() {
            let file = create(&part(&self.path))?;
            file.write_at(&header(0), 0)?;
            self.file = Some(file);
        }
        Ok(())
    }

    fn append(&mut self, create: &Create, bytes: &[u8], stats: &Stats) -> io::Result<()> {
        let len = bytes.len() as u64;
        if self.data_bytes + len > DATA_BYTES_MAX {
            self.lost_bytes += len;
            return Ok(());
        }
        let result = self.open(create).and_then(|()| match &self.file {
            Some(file) => file.write_at(bytes, HEADER_BYTES + self.data_bytes),
            None => Ok(()),
        });
        if result.is_err() {
            self.skip(len, stats);
            return result;
        }
        self.data_bytes += len;
        self.written = self.data_bytes;
        stats.bytes.fetch_add(len, Relaxed);
        if self.data_bytes - self.header_bytes >= REFRESH_BYTES { self.refresh() } else { Ok(()) }
    }

    /// Silence keeps the time: the next samples are written behind a hole.
    fn skip(&mut self, bytes: u64, stats: &Stats) {
        let bytes = bytes.min(DATA_BYTES_MAX.saturating_sub(self.data_bytes));
        self.data_bytes += bytes;
        self.lost_bytes += bytes;
        stats.lost_ms.fetch_add(bytes / MS_BYTES, Relaxed);
    }

    /// Writes the header for what is in the file.
    fn refresh(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.write_at(&header(self.written), 0)?;
            self.header_bytes = self.written;
        }
        Ok(())
    }

    /// The last header; a hole at the end becomes part of the file.
    fn close(&mut self, create: &Create) -> io::Result<()> {
        self.open(create)?;
        if let Some(file) = &self.file {
            if self.written < self.data_bytes {
                file.set_len(HEADER_BYTES + self.data_bytes)?;
            }
            self.written = self.data_bytes;
        }
        self.refresh()
    }
}

/// Makes files durable and gives them their final name, apart from the writer: a disk may take its time for it.
fn finish_all(completed: &Receiver<Completed>, ended: &dyn Fn(Ended)) {
    for Completed { file, path, ended: what } in completed {
        let done = match &file {
            Some(file) => file.sync().and_then(|()| rename_durably(&path)),
            None => Err(io::Error::other("the file could not be made")),
        };
        if let Err(error) = done {
            // A file that stays `.part` is mended at the next start.
            tracing::error!(recording = %what.recording, %error, "a recording could not be completed");
        }
        ended(what);
    }
}

fn rename_durably(path: &Path) -> io::Result<()> {
    fs::rename(part(path), path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

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
/// The caller writes a `RecordingEnded` for each that has a call.
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
            None => (mend_file(&path), true),
        };
        mended.push(Mended { recording: known.recording, call: Some(known.call), length_ms, partial });
    }
    for folder in newest_days(&data_dir.join("recordings"))? {
        for item in fs::read_dir(folder)? {
            let name = item?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".wav.part"));
            if let Some(recording) = id.and_then(|id| id.parse::<RecordingId>().ok()) {
                let length_ms = mend_file(&data_dir.join(recording.file()));
                mended.push(Mended { recording, call: None, length_ms, partial: true });
            }
        }
    }
    Ok(mended)
}

/// The length of a file that has its final name.
fn complete_length_ms(path: &Path) -> Option<u64> {
    Some(fs::metadata(path).ok()?.len().saturating_sub(HEADER_BYTES) / MS_BYTES)
}

fn mend_file(path: &Path) -> u64 {
    let mend = || -> io::Result<u64> {
        let mut file = OpenOptions::new().read(true).write(true).open(part(path))?;
        let len = file.metadata()?.len();
        let data = len.saturating_sub(HEADER_BYTES).min(DATA_BYTES_MAX) / FRAME_BYTES * FRAME_BYTES;
        let mut magic = [0; 4];
        if len >= HEADER_BYTES {
            file.read_exact(&mut magic)?;
            if magic != *b"RIFF" && magic != [0; 4] {
                return Err(io::Error::other("it is not a WAV file"));
            }
        }
        file.write_all_at(&header(data), 0)?;
        File::set_len(&file, HEADER_BYTES + data)?;
        file.sync_all()?;
        rename_durably(path)?;
        Ok(data / MS_BYTES)
    };
    mend().unwrap_or_else(|error| {
        tracing::error!(file = %part(path).display(), %error, "a recording could not be mended");
        0
    })
}

/// The newest `YYYY/MM/DD` folders.
fn newest_days(recordings: &Path) -> io::Result<Vec<PathBuf>> {
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

#[cfg(test)]
mod tests;
