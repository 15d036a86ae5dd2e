//! Recordings on disk: one thread that writes, one that completes files, and the repair at the start.
//!
//! A file is `….wav.part` while it is being written: 16 bit, 8 kHz; the call in stereo, extra voices in mono files
//! beside it. Its header says at most what is already there and is renewed with every second write, so the file plays at
//! every moment and a crash costs less than a second of it. At the end it is made durable and renamed, and its [`sidecar`] is written. A disk that
//! refuses costs the audio of that time, which stays silent in the file so that all else keeps its place;
//! [`Stats::alarm`] says so. Calls notice nothing.
//!
//! While the disk stalls chunks wait in one pool for all recordings, the queue in front of the writer, whose room is
//! bounded in bytes ([`pool`]). Buffers go back to the media threads when they are written.
//!
//! After the call [`filing`] completes the sidecar and, if so configured, makes a smaller file of the audio.

pub mod archive;
pub mod filing;
mod flac;
mod mend;
mod opus;
pub mod sidecar;
pub mod sound;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use smallvec::SmallVec;

use super::sync_dir;
use crate::id::RecordingId;
use crate::media::recorder::CHUNK;
use crate::media::{Chunk, ChunkKind, Track, TrackKind};
use crate::report::record::Seconds;
use sidecar::{Audio, Piece, Sidecar};

pub use mend::{Mended, mend};

/// Samples a second of each channel.
const RATE: u32 = 8_000;
/// Bytes of one sample of one channel.
const SAMPLE_BYTES: u64 = 2;
/// The header before the audio, in bytes.
const HEADER_BYTES: u64 = 44;
/// The header is renewed after so many samples of each channel: two writes of 400 ms.
const REFRESH: u64 = RATE as u64 * 4 / 5;
/// The format's lengths are 32 bits: a recording ends here (37 hours in stereo), in bytes.
const DATA_BYTES_MAX: u64 = 0xffff_ff00;
/// Gaps and pauses a sidecar lists at most; what follows is only silence.
const PIECES_MOST: usize = 1_000;
/// A write that takes longer raises the alarm.
const STALLED: Duration = Duration::from_secs(2);
/// Chunks of one file that are written together: a crash may cost them, and no more than a second in all.
const HELD_MOST: usize = 2;
/// How long chunks gather before they are written: each one apart would wake the writer, at the media thread's cost.
const GATHER: Duration = Duration::from_millis(20);
/// Buffers that wait to be used again, at most: those of a stall are given back to the system.
const SPARE_BUFFERS: usize = 512;

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
#[derive(Debug)]
pub struct Stats {
    /// Files being written.
    pub active: AtomicU64,
    /// Bytes of audio written.
    pub bytes: AtomicU64,
    /// Refused writes.
    pub failures: AtomicU64,
    /// Audio whose writing was refused, in ms. What found no room in the pool the media threads count.
    pub lost_ms: AtomicU64,
    /// The last write was refused.
    pub failing: AtomicBool,
    began: Instant,
    /// Since when a write goes on, in ms from `began`, plus one; 0 when none does.
    busy_since: AtomicU64,
}

impl Stats {
    /// The alarm: audio is being lost, or is about to be: the last write was refused, or one takes over 2 s.
    pub fn alarm(&self, now: Instant) -> bool {
        let busy = self.busy_since.load(Relaxed).checked_sub(1).map(Duration::from_millis);
        let stalled = busy.is_some_and(|since| now.saturating_duration_since(self.began + since) > STALLED);
        stalled || self.failing.load(Relaxed)
    }

    #[allow(clippy::disallowed_methods, reason = "this is the shell: it reads the clock")]
    fn new() -> Self {
        Self {
            active: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            lost_ms: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            began: Instant::now(),
            busy_since: AtomicU64::new(0),
        }
    }

    #[allow(clippy::disallowed_methods, reason = "this is the shell: it reads the clock")]
    fn busy(&self, on: bool) {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.busy_since.store(if on { ms + 1 } else { 0 }, Relaxed);
    }
}

/// Both ends of the pool in which chunks wait for the disk.
pub struct Pool {
    /// For the media threads: `try_send`, and what finds no room is a gap.
    pub chunks: Sender<Chunk>,
    /// For the media threads: buffers to use again.
    pub spare: Receiver<Vec<i16>>,
    /// For [`Recorder::start`].
    pub writer: WriterEnd,
}

/// The writer's end of a [`Pool`].
pub struct WriterEnd {
    chunks: Receiver<Chunk>,
    spare: Sender<Vec<i16>>,
}

/// A pool of at most `bytes` bytes of audio, at least a thousand chunks. It takes that much only while the disk stalls.
pub fn pool(bytes: u64) -> Pool {
    let chunk_bytes = CHUNK as u64 * 2 * SAMPLE_BYTES;
    let places = usize::try_from(bytes / chunk_bytes).unwrap_or(usize::MAX).clamp(1_000, 1_000_000);
    let (chunks, to_write) = crossbeam_channel::bounded(places);
    let (back, spare) = crossbeam_channel::bounded(SPARE_BUFFERS);
    Pool { chunks, spare, writer: WriterEnd { chunks: to_write, spare: back } }
}

/// The writer of all recordings.
#[derive(Debug)]
pub struct Recorder {
    stats: Arc<Stats>,
    thread: JoinHandle<()>,
}

impl Recorder {
    /// Starts writing what comes from the pool below `data_dir`.
    ///
    /// `ended` is called, on a thread of ours, once for each recording. The writer ends when all senders of
    /// chunks are gone; files still open then are completed.
    ///
    /// # Errors
    ///
    /// A thread cannot be started.
    pub fn start(data_dir: &Path, pool: WriterEnd, ended: impl Fn(Ended) + Send + 'static) -> io::Result<Self> {
        let stats = Arc::new(Stats::new());
        let (completed, to_complete) = crossbeam_channel::unbounded();
        let finisher =
            std::thread::Builder::new().name("rec-finish".into()).spawn(move || finish_all(&to_complete, &ended))?;
        let mut tapes = Tapes::new(data_dir, Box::new(create_file), stats.clone(), pool.spare, completed);
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || {
            while let Ok(first) = pool.chunks.recv() {
                for chunk in std::iter::once(first).chain(pool.chunks.try_iter()) {
                    tapes.desk.stats.busy(true);
                    tapes.handle(chunk);
                    tapes.desk.stats.busy(false);
                }
                std::thread::sleep(GATHER);
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

fn spec(channels: u16) -> hound::WavSpec {
    hound::WavSpec { channels, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int }
}

/// The header of a file with so many bytes of audio.
fn header(channels: u16, data_bytes: u64) -> Vec<u8> {
    let mut header = spec(channels).into_header_for_infinite_file();
    let bytes = u32::try_from(data_bytes).unwrap_or(u32::MAX - 36);
    let riff = bytes.saturating_add(36);
    for (place, value) in [(4, riff), (40, bytes)] {
        if let Some(field) = header.get_mut(place..place + 4) {
            field.copy_from_slice(&value.to_le_bytes());
        }
    }
    header
}

/// What stands in a file's name for its track: `rec_….ENDING`.
fn ending(track: Track) -> String {
    match track {
        Track::Main => "wav".to_owned(),
        Track::Extra { kind, number: 1 } => format!("{}.wav", word(kind)),
        Track::Extra { kind, number } => format!("{}-{number}.wav", word(kind)),
    }
}

fn word(kind: TrackKind) -> &'static str {
    match kind {
        TrackKind::Supervisor => "supervisor",
        TrackKind::Consult => "consult",
    }
}

fn channels(track: Track) -> u16 {
    match track {
        Track::Main => 2,
        Track::Extra { .. } => 1,
    }
}

/// All recordings being written.
struct Tapes {
    data_dir: PathBuf,
    desk: Desk,
    tapes: BTreeMap<(RecordingId, Track), Tape>,
    /// Extra files that ended before their recording did.
    beside: BTreeMap<RecordingId, Vec<Audio>>,
    completed: Sender<Completed>,
}

/// What all of them are written with.
struct Desk {
    create: Box<Create>,
    /// Samples as bytes.
    bytes: Vec<u8>,
    stats: Arc<Stats>,
    spare: Sender<Vec<i16>>,
}

/// One file being written. Positions are samples of each channel.
struct Tape {
    /// None while it cannot be created.
    file: Option<Box<dyn AudioFile>>,
    /// The final name, relative to the data folder; the file has `.part` behind it.
    name: String,
    path: PathBuf,
    channels: u16,
    /// Where it begins in the recording.
    offset: u64,
    /// Chunks that are still to be written, in one go.
    held: SmallVec<[Vec<i16>; HELD_MOST]>,
    /// Audio so far, written or not: what was refused is a hole, which reads as silence.
    length: u64,
    /// Up to where it is really in the file.
    written: u64,
    /// What the header says.
    announced: u64,
    /// What is lost: beginnings and ends.
    gaps: Vec<(u64, u64)>,
    lost: u64,
    /// Beginnings and ends of pauses.
    pauses: Vec<(u64, Option<u64>)>,
}

/// A file that only needs to be made durable and renamed.
struct Completed {
    file: Option<Box<dyn AudioFile>>,
    path: PathBuf,
    /// What is said of it, and what stands beside it; none for an extra file.
    main: Option<(Ended, Box<Sidecar>)>,
}

fn part(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    part.into()
}

impl Tapes {
    fn new(
        data_dir: &Path,
        create: Box<Create>,
        stats: Arc<Stats>,
        spare: Sender<Vec<i16>>,
        completed: Sender<Completed>,
    ) -> Self {
        let data_dir = data_dir.to_path_buf();
        let desk = Desk { create, bytes: Vec::new(), stats, spare };
        Self { data_dir, desk, tapes: BTreeMap::new(), beside: BTreeMap::new(), completed }
    }

    fn handle(&mut self, chunk: Chunk) {
        let Chunk { recording, track, kind } = chunk;
        let tape = self.tapes.entry((recording, track)).or_insert_with(|| {
            self.desk.stats.active.fetch_add(1, Relaxed);
            Tape::new(&self.data_dir, recording.beside(&ending(track)), channels(track))
        });
        let result = match kind {
            ChunkKind::Start { offset } => {
                tape.offset = offset;
                tape.open(&self.desk.create)
            }
            ChunkKind::Samples(samples) => match tape.take(samples, &mut self.desk) {
                Some(written) => written,
                // Nothing was tried.
                None => return,
            },
            ChunkKind::Pause { at, on } => {
                tape.pause(at, on);
                Ok(())
            }
            ChunkKind::Gap { samples } => {
                let written = tape.write(&mut self.desk);
                tape.skip(samples);
                written
            }
            ChunkKind::End => return self.end(recording, track),
        };
        self.note(&result);
    }

    fn note(&self, result: &io::Result<()>) {
        if let Err(error) = result {
            let before = self.desk.stats.failures.fetch_add(1, Relaxed);
            if before.is_multiple_of(1_000) {
                tracing::error!(%error, "recordings cannot be written: calls go on, free space or mend the disk");
            }
        }
        self.desk.stats.failing.store(result.is_err(), Relaxed);
    }

    fn end(&mut self, recording: RecordingId, track: Track) {
        let Some(mut tape) = self.tapes.remove(&(recording, track)) else { return };
        self.desk.stats.active.fetch_sub(1, Relaxed);
        let written = tape.write(&mut self.desk);
        self.note(&written.and_then(|()| tape.close(&self.desk.create)));
        let audio = tape.audio(track);
        let main = match track {
            Track::Extra { .. } => {
                self.beside.entry(recording).or_default().push(audio);
                None
            }
            Track::Main => {
                let ended = Ended { recording, length_ms: ms(tape.length), lost_ms: ms(tape.lost) };
                let mut files = vec![audio];
                files.extend(self.beside.remove(&recording).unwrap_or_default());
                Some((ended, Box::new(tape.sidecar(recording, files))))
            }
        };
        let _ = self.completed.send(Completed { file: tape.file, path: tape.path, main });
    }

    fn finish(&mut self) {
        // Extra files first: the main file's sidecar names them.
        let open: Vec<_> = self.tapes.keys().rev().copied().collect();
        open.into_iter().for_each(|(recording, track)| self.end(recording, track));
    }
}

fn ms(samples: u64) -> u64 {
    samples * 1_000 / u64::from(RATE)
}

impl Tape {
    fn new(data_dir: &Path, name: String, channels: u16) -> Self {
        Self {
            file: None,
            path: data_dir.join(&name),
            name,
            channels,
            offset: 0,
            held: SmallVec::new(),
            length: 0,
            written: 0,
            announced: 0,
            gaps: Vec::new(),
            lost: 0,
            pauses: Vec::new(),
        }
    }

    fn frame_bytes(&self) -> u64 {
        u64::from(self.channels) * SAMPLE_BYTES
    }

    /// The file, made when it is not there yet.
    fn open(&mut self, create: &Create) -> io::Result<()> {
        if self.file.is_none() {
            let file = create(&part(&self.path))?;
            file.write_at(&header(self.channels, 0), 0)?;
            self.file = Some(file);
        }
        Ok(())
    }

    /// A chunk, written with the next one; `None` until then.
    fn take(&mut self, samples: Vec<i16>, desk: &mut Desk) -> Option<io::Result<()>> {
        self.held.push(samples);
        (self.held.len() >= HELD_MOST).then(|| self.write(desk))
    }

    /// Writes what it holds.
    fn write(&mut self, desk: &mut Desk) -> io::Result<()> {
        desk.bytes.clear();
        for samples in self.held.drain(..) {
            let from = desk.bytes.len();
            desk.bytes.resize(from + samples.len() * SAMPLE_BYTES as usize, 0);
            // One straight copy: it is all the writer does beside writing.
            let places = desk.bytes.get_mut(from..).unwrap_or_default().chunks_exact_mut(SAMPLE_BYTES as usize);
            places.zip(&samples).for_each(|(place, sample)| place.copy_from_slice(&sample.to_le_bytes()));
            // A full shelf keeps no more buffers.
            let _ = desk.spare.try_send(samples);
        }
        if desk.bytes.is_empty() { Ok(()) } else { self.append(desk) }
    }

    fn append(&mut self, desk: &Desk) -> io::Result<()> {
        let Desk { create, bytes, stats, .. } = desk;
        let samples = bytes.len() as u64 / self.frame_bytes();
        if (self.length + samples) * self.frame_bytes() > DATA_BYTES_MAX {
            self.lost += samples;
            stats.lost_ms.fetch_add(ms(samples), Relaxed);
            return Ok(());
        }
        let place = HEADER_BYTES + self.length * self.frame_bytes();
        let result = self.open(create).and_then(|()| match &self.file {
            Some(file) => file.write_at(bytes, place),
            None => Ok(()),
        });
        if result.is_err() {
            self.skip(samples);
            stats.lost_ms.fetch_add(ms(samples), Relaxed);
            return result;
        }
        self.length += samples;
        self.written = self.length;
        stats.bytes.fetch_add(bytes.len() as u64, Relaxed);
        if self.length - self.announced >= REFRESH { self.refresh() } else { Ok(()) }
    }

    /// Silence keeps the time: the next samples are written behind a hole.
    fn skip(&mut self, samples: u64) {
        let samples = samples.min((DATA_BYTES_MAX / self.frame_bytes()).saturating_sub(self.length));
        let from = self.length;
        self.length += samples;
        self.lost += samples;
        let room = self.gaps.len() < PIECES_MOST;
        match self.gaps.last_mut() {
            Some((_, until)) if *until == from => *until = self.length,
            _ if room => self.gaps.push((from, self.length)),
            _ => {}
        }
    }

    fn pause(&mut self, at: u64, on: bool) {
        let room = self.pauses.len() < PIECES_MOST;
        match (on, self.pauses.last_mut().filter(|(_, until)| until.is_none())) {
            (true, None) if room => self.pauses.push((at, None)),
            (false, Some((_, until))) => *until = Some(at),
            (true, _) | (false, None) => {}
        }
    }

    /// Writes the header for what is in the file.
    fn refresh(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.write_at(&header(self.channels, self.written * self.frame_bytes()), 0)?;
            self.announced = self.written;
        }
        Ok(())
    }

    /// The last header; a hole at the end becomes part of the file.
    fn close(&mut self, create: &Create) -> io::Result<()> {
        self.open(create)?;
        if let Some(file) = &self.file {
            if self.written < self.length {
                file.set_len(HEADER_BYTES + self.length * self.frame_bytes())?;
            }
            self.written = self.length;
        }
        self.refresh()
    }

    fn audio(&self, track: Track) -> Audio {
        let kind = match track {
            Track::Main => "call",
            Track::Extra { kind, .. } => word(kind),
        };
        Audio {
            file: self.name.clone(),
            track: kind.to_owned(),
            format: sidecar::Format::Wav,
            channels: self.channels,
            offset_seconds: Seconds::from_ms(ms(self.offset)),
            seconds: Seconds::from_ms(ms(self.length)),
            bytes: None,
            sha256: None,
        }
    }

    fn sidecar(&self, recording: RecordingId, files: Vec<Audio>) -> Sidecar {
        let seconds = |samples| Seconds::from_ms(ms(samples));
        let piece = |(from, until): (u64, u64)| Piece {
            offset_seconds: seconds(from),
            seconds: seconds(until.saturating_sub(from)),
        };
        let pauses = self.pauses.iter().map(|(from, until)| piece((*from, until.unwrap_or(self.length))).into());
        Sidecar {
            seconds: seconds(self.length),
            lost_seconds: seconds(self.lost),
            pauses: pauses.collect(),
            gaps: self.gaps.iter().copied().map(piece).collect(),
            files,
            ..Sidecar::new(recording)
        }
    }
}

/// Makes files durable and gives them their final name, apart from the writer: a disk may take its time for it.
fn finish_all(completed: &Receiver<Completed>, ended: &dyn Fn(Ended)) {
    for Completed { file, path, main } in completed {
        let mut done = match &file {
            Some(file) => file.sync().and_then(|()| rename_durably(&path)),
            None => Err(io::Error::other("the file could not be made")),
        };
        if let (Ok(()), Some((_, sidecar))) = (&done, &main) {
            done = sidecar.write(&path.with_extension("json"));
        }
        if let Err(error) = done {
            // A file that stays `.part` is mended at the next start.
            tracing::error!(file = %path.display(), %error, "a recording could not be completed");
        }
        if let Some((what, _)) = main {
            ended(what);
        }
    }
}

fn rename_durably(path: &Path) -> io::Result<()> {
    fs::rename(part(path), path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

#[cfg(test)]
mod tests;
