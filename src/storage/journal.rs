//! The journal on disk: one thread that writes, and what a start recovers.
//!
//! Entries are written as they come and made durable together: at once (at most every [`GATHER`]) when somebody
//! waits for a commit, else within [`SYNC_WITHIN`]. A disk that is slow or full never blocks a caller: entries
//! queue in memory up to [`BACKLOG_MAX`], [`Stats::stalled`] says so, and writing is tried again from the last
//! byte known to be durable.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError};

use super::segment::{self, Snapshot};
use super::sync_dir;
use crate::clock::Wall;
use crate::id::CallId;
use crate::journal::Entry;
use crate::report::live::Live;
use crate::report::places::Places;
use crate::report::record::Unfinished;

/// A segment is closed when it is this long, in bytes.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Entries nobody waits for are durable after this time.
pub const SYNC_WITHIN: Duration = Duration::from_millis(50);
/// Time between two syncs in which commits gather.
pub const GATHER: Duration = Duration::from_millis(5);
/// Time between tries while the disk refuses.
const RETRY: Duration = Duration::from_millis(100);
/// A disk that has not taken an entry for this long is stalled.
pub const STALLED_AFTER: Duration = Duration::from_millis(200);
/// Entries kept in memory while the disk does not take them; beyond, they are lost and counted.
pub const BACKLOG_MAX: usize = 200_000;
/// Frames not yet durable are kept up to this size, in bytes; the rest of the backlog stays in the queue.
const PENDING_BYTES_MAX: usize = 4 << 20;

/// Upper bounds of [`Stats::commit_buckets`], in seconds: the `setup` set of the metrics.
pub const COMMIT_BOUNDS: [f64; 14] = [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0];

/// What a start found in the journal.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The number of the next entry.
    pub next_seq: u64,
    /// The last time the journal knows; none when it is empty.
    pub last_at: Option<Wall>,
    /// Calls that had not ended, oldest first: the caller appends their `CallEnded` with `NodeFailure`.
    pub open_calls: Vec<CallId>,
    /// Recordings whose end is not in the journal.
    pub recordings: Vec<Unfinished>,
    /// Agents with their last states, queues and calls.
    pub live: Live,
    /// What the new process takes over.
    pub places: Places,
    /// Bytes of an unfinished write that were cut off.
    pub cut_bytes: u64,
    /// Frames in the newest segment that cannot be read although later ones can.
    pub damaged: u64,
}

/// Counters of the writer, for metrics and alarms. All may be read at any time.
#[derive(Debug)]
pub struct Stats {
    origin: Instant,
    /// Since when the oldest entry waits to be durable, in µs after `origin`, plus one; 0 when none waits.
    waiting_since_us: AtomicU64,
    /// Entries made durable.
    pub entries: AtomicU64,
    /// Bytes made durable.
    pub bytes: AtomicU64,
    /// Failed writes and syncs.
    pub errors: AtomicU64,
    /// Entries lost because the backlog was full.
    pub lost: AtomicU64,
    /// Group commits.
    pub commits: AtomicU64,
    /// Time from the oldest entry of each group commit to its being durable, summed, in µs.
    pub commit_us: AtomicU64,
    /// Group commits by that time: one counter per bound of [`COMMIT_BOUNDS`] (not cumulative) and one beyond.
    pub commit_buckets: [AtomicU64; COMMIT_BOUNDS.len() + 1],
}

impl Stats {
    fn new(origin: Instant) -> Self {
        Self {
            origin,
            waiting_since_us: AtomicU64::new(0),
            entries: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            commit_us: AtomicU64::new(0),
            commit_buckets: Default::default(),
        }
    }

    /// Whether the disk has not taken an entry for [`STALLED_AFTER`].
    pub fn stalled(&self, now: Instant) -> bool {
        match self.waiting_since_us.load(Relaxed).checked_sub(1) {
            Some(us) => now.saturating_duration_since(self.origin + Duration::from_micros(us)) > STALLED_AFTER,
            None => false,
        }
    }

    fn set_waiting(&self, since: Option<Instant>) {
        let us = |since: Instant| since.saturating_duration_since(self.origin).as_micros() as u64 + 1;
        self.waiting_since_us.store(since.map_or(0, us), Relaxed);
    }

    fn count_commit(&self, took: Duration) {
        let place = COMMIT_BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound).unwrap_or(COMMIT_BOUNDS.len());
        if let Some(bucket) = self.commit_buckets.get(place) {
            bucket.fetch_add(1, Relaxed);
        }
        self.commits.fetch_add(1, Relaxed);
        self.commit_us.fetch_add(took.as_micros() as u64, Relaxed);
    }
}

/// How far the journal is durable.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Synced {
    /// The segment being written, by its first entry.
    pub segment: u64,
    /// Its durable bytes.
    pub bytes: u64,
    /// The number of the last durable entry; 0 when there is none.
    pub seq: u64,
    /// The writer has ended.
    pub closed: bool,
}

/// Where followers of the files wait for more.
#[derive(Debug, Default)]
pub struct Progress {
    state: Mutex<Synced>,
    changed: Condvar,
}

impl Progress {
    /// How far the journal is durable now.
    pub fn synced(&self) -> Synced {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until more than `seq` is durable or the writer has ended, at most for `limit`.
    pub fn wait(&self, seq: u64, limit: Duration) -> Synced {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = |state: &mut Synced| state.seq <= seq && !state.closed;
        *self.changed.wait_timeout_while(state, limit, enough).unwrap_or_else(PoisonError::into_inner).0
    }

    fn set(&self, synced: Synced) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = synced;
        self.changed.notify_all();
    }
}

#[derive(Debug)]
enum Message {
    Entry(Box<Entry>),
    Commit(u64),
    Close,
}

/// The journal of a running centre.
#[derive(Debug)]
pub struct Journal {
    sender: Sender<Message>,
    stats: Arc<Stats>,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Opens the journal in folder `dir`, cuts a torn tail off and starts the writer.
    ///
    /// `committed` is called on the writer's thread with each ticket of [`Journal::commit`] that is durable; it
    /// must not block.
    ///
    /// # Errors
    ///
    /// The folder or its newest files cannot be read or written.
    pub fn open(dir: &Path, committed: impl Fn(u64) + Send + 'static) -> io::Result<(Self, Recovered)> {
        fs::create_dir_all(dir)?;
        let origin = Instant::now();
        let (stats, progress) = (Arc::new(Stats::new(origin)), Arc::new(Progress::default()));
        let disk = Files { dir: dir.to_path_buf(), file: None };
        let (writer, recovered) = Writer::open(dir, disk, stats.clone(), progress.clone(), Box::new(committed))?;
        let (sender, receiver) = crossbeam_channel::unbounded();
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || run(writer, &receiver))?;
        Ok((Self { sender, stats, progress, thread: Some(thread) }, recovered))
    }

    /// Hands an entry to the writer; never blocks. Entries come in the order of their numbers.
    pub fn append(&self, entry: Entry) {
        if !self.send(Message::Entry(Box::new(entry))) {
            self.stats.lost.fetch_add(1, Relaxed);
        }
    }

    /// Asks to be told when everything appended before is durable; never blocks.
    ///
    /// While the disk refuses, nobody is told: the asker has a limit of his own.
    pub fn commit(&self, ticket: u64) {
        self.send(Message::Commit(ticket));
    }

    /// Counters and the stall alarm.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// How far the files are durable, for those who follow them.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    fn send(&self, message: Message) -> bool {
        self.sender.len() < BACKLOG_MAX && self.sender.send(message).is_ok()
    }
}

impl Drop for Journal {
    /// Makes everything appended durable and ends the writer; a disk that refuses gets five seconds.
    fn drop(&mut self) {
        let _ = self.sender.send(Message::Close);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs the writer until it is told to close.
fn run(mut writer: Writer<Files>, receiver: &Receiver<Message>) {
    let mut close_until: Option<Instant> = None;
    loop {
        let now = Instant::now();
        if close_until.is_some_and(|until| writer.is_clean() || now > until) {
            break;
        }
        if let Some(due) = writer.poll_timeout()
            && due <= now
        {
            writer.handle_timeout(now);
            continue;
        }
        let mut message = match writer.poll_timeout() {
            // Full hands: what else comes stays in the queue until the disk takes something.
            Some(due) if writer.is_full() || close_until.is_some() => {
                std::thread::sleep(due.saturating_duration_since(now));
                continue;
            }
            // A nap instead of a wait: a waiting receiver would cost the engine a wake-up for every entry.
            Some(due) => {
                std::thread::sleep(due.saturating_duration_since(now).min(GATHER));
                match receiver.try_recv() {
                    Ok(message) => Some(message),
                    Err(TryRecvError::Empty) => continue,
                    Err(TryRecvError::Disconnected) => Some(Message::Close),
                }
            }
            None => Some(receiver.recv().unwrap_or(Message::Close)),
        };
        let now = Instant::now();
        while let Some(taken) = message {
            match taken {
                Message::Entry(entry) => writer.append(now, &entry),
                Message::Commit(ticket) => writer.commit(now, ticket),
                Message::Close => {
                    close_until.get_or_insert(now + Duration::from_secs(5));
                    writer.hurry(now);
                }
            }
            message = if writer.is_full() { None } else { receiver.try_recv().ok() };
        }
        writer.write(now);
    }
}

/// The file being appended to; faked in tests.
trait Disk {
    /// Turns to the segment `first`, cut to `bytes`.
    fn open(&mut self, first: u64, bytes: u64) -> io::Result<()>;
    /// Appends.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was appended durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Takes back what was appended behind `bytes`.
    fn cut(&mut self, bytes: u64) -> io::Result<()>;
}

struct Files {
    dir: PathBuf,
    file: Option<File>,
}

impl Files {
    fn file(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| io::Error::other("no segment is open"))
    }
}

impl Disk for Files {
    fn open(&mut self, first: u64, bytes: u64) -> io::Result<()> {
        let path = segment::segment_path(&self.dir, first);
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.set_len(bytes)?;
        file.seek(SeekFrom::Start(bytes))?;
        file.sync_all()?;
        sync_dir(&self.dir)?;
        self.file = Some(file);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file()?.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file()?.sync_data()
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        let file = self.file()?;
        file.set_len(bytes)?;
        file.seek(SeekFrom::Start(bytes)).map(|_| ())
    }
}

impl<D> Drop for Writer<D> {
    /// Whoever follows the files must not wait for a writer that is gone, whatever ended it.
    fn drop(&mut self) {
        self.progress.set(Synced { closed: true, ..self.progress.synced() });
    }
}

/// Copies what is cut off a segment to `….torn` beside it, for people: it may be more than an unfinished write.
fn keep_torn(path: &Path, good_bytes: u64) -> io::Result<()> {
    let mut segment = File::open(path)?;
    segment.seek(SeekFrom::Start(good_bytes))?;
    io::copy(&mut segment, &mut File::create(path.with_extension("torn"))?).map(|_| ())
}

/// The writer without its thread: entries in, frames out, deadlines for the syncs.
struct Writer<D> {
    disk: D,
    state: Snapshot,
    stats: Arc<Stats>,
    progress: Arc<Progress>,
    committed: Box<dyn Fn(u64) + Send>,
    segment: u64,
    segment_bytes: u64,
    /// Durable bytes of the segment.
    synced: u64,
    /// Frames behind `synced`, and how much of them is handed to the file.
    pending: Vec<u8>,
    written: usize,
    entries: u64,
    tickets: Vec<u64>,
    /// Since when the oldest pending frame waits.
    waiting_since: Option<Instant>,
    last_sync: Option<Instant>,
    retry_at: Option<Instant>,
    /// A write failed: the file may hold more than `synced` bytes, of unknown content.
    soiled: bool,
    hurry: bool,
}

impl<D: Disk> Writer<D> {
    fn open(
        dir: &Path,
        mut disk: D,
        stats: Arc<Stats>,
        progress: Arc<Progress>,
        committed: Box<dyn Fn(u64) + Send>,
    ) -> io::Result<(Self, Recovered)> {
        let found = segment::scan(dir)?;
        let mut state = found.state;
        state.next_seq = state.next_seq.max(1);
        let cut_bytes = found.file_bytes - found.good_bytes;
        if let Some(first) = found.segment.filter(|_| cut_bytes > 0) {
            keep_torn(&segment::segment_path(dir, first), found.good_bytes)?;
        }
        // A segment without one sound frame was begun in the moment of the crash: it is begun anew.
        let resume = found.segment.filter(|_| found.good_bytes > 0).map(|first| (first, found.good_bytes));
        if let (Some(first), None) = (found.segment, resume) {
            fs::remove_file(segment::segment_path(dir, first))?;
        }
        let (segment, synced) = resume.unwrap_or((state.next_seq, 0));
        disk.open(segment, synced)?;
        let recovered = Recovered {
            next_seq: state.next_seq,
            last_at: (state.next_seq > 1).then(|| state.live.at()),
            open_calls: state.fold.open().map(|record| record.call_id).collect(),
            recordings: state.fold.unfinished_recordings().collect(),
            live: state.live.clone(),
            places: state.places.clone(),
            cut_bytes,
            damaged: found.damaged,
        };
        let mut writer = Self {
            disk,
            state,
            stats,
            progress,
            committed,
            segment,
            segment_bytes: SEGMENT_BYTES,
            synced,
            pending: Vec::new(),
            written: 0,
            entries: 0,
            tickets: Vec::new(),
            waiting_since: None,
            last_sync: None,
            retry_at: None,
            soiled: false,
            hurry: false,
        };
        if synced == 0 {
            segment::push_snapshot(&mut writer.pending, &writer.state).map_err(io::Error::other)?;
            writer.disk.write(&writer.pending)?;
            writer.disk.sync()?;
            writer.synced = writer.pending.len() as u64;
            writer.pending.clear();
        }
        writer.publish();
        Ok((writer, recovered))
    }

    fn append(&mut self, now: Instant, entry: &Entry) {
        self.state.handle(entry);
        match segment::push_entry(&mut self.pending, entry) {
            Ok(()) => self.entries += 1,
            Err(error) => tracing::error!(seq = entry.seq, %error, "a journal entry cannot be written as JSON"),
        }
        self.wait_from(now);
    }

    fn commit(&mut self, now: Instant, ticket: u64) {
        self.tickets.push(ticket);
        self.wait_from(now);
    }

    fn wait_from(&mut self, now: Instant) {
        if self.waiting_since.is_none() {
            self.waiting_since = Some(now);
            self.stats.set_waiting(self.waiting_since);
        }
    }

    /// No more comes: sync without waiting for company.
    fn hurry(&mut self, now: Instant) {
        self.hurry = true;
        if !self.pending.is_empty() {
            self.wait_from(now);
        }
    }

    fn is_clean(&self) -> bool {
        self.pending.is_empty() && self.tickets.is_empty()
    }

    fn is_full(&self) -> bool {
        self.pending.len() >= PENDING_BYTES_MAX
    }

    /// When to call [`Writer::handle_timeout`]; none when everything is durable.
    fn poll_timeout(&self) -> Option<Instant> {
        let since = self.waiting_since?;
        if self.retry_at.is_some() {
            return self.retry_at;
        }
        if self.hurry || self.is_full() {
            return Some(since);
        }
        let company = self.last_sync.map_or(since, |last| last + GATHER);
        Some(if self.tickets.is_empty() { since + SYNC_WITHIN } else { company.min(since + SYNC_WITHIN) })
    }

    /// Makes everything durable when it is time to.
    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.retry_at = None;
        self.write(now);
        if self.retry_at.is_some() {
            return;
        }
        match self.disk.sync() {
            Ok(()) => self.durable(now),
            Err(error) => self.fail(now, &error),
        }
    }

    /// Hands what came to the file, so that only a crash of the machine can lose it.
    fn write(&mut self, now: Instant) {
        if self.retry_at.is_some() {
            return;
        }
        if self.soiled {
            match self.disk.cut(self.synced) {
                Ok(()) => self.soiled = false,
                Err(error) => return self.fail(now, &error),
            }
        }
        let rest = self.pending.get(self.written..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
        match self.disk.write(rest) {
            Ok(()) => self.written = self.pending.len(),
            Err(error) => self.fail(now, &error),
        }
    }

    fn durable(&mut self, now: Instant) {
        self.synced += self.pending.len() as u64;
        self.stats.bytes.fetch_add(self.pending.len() as u64, Relaxed);
        self.stats.entries.fetch_add(std::mem::take(&mut self.entries), Relaxed);
        self.pending.clear();
        self.written = 0;
        self.last_sync = Some(now);
        if let Some(since) = self.waiting_since.take() {
            // The sync itself took time that `now`, taken before it, does not know.
            self.stats.count_commit(now.max(Instant::now()).saturating_duration_since(since));
        }
        self.stats.set_waiting(None);
        self.publish();
        for ticket in self.tickets.drain(..) {
            (self.committed)(ticket);
        }
        if self.synced >= self.segment_bytes {
            self.rotate(now);
        }
    }

    /// Begins the next segment with a snapshot. Everything so far is durable.
    fn rotate(&mut self, now: Instant) {
        if let Err(error) = self.disk.open(self.state.next_seq, 0) {
            // The old segment goes on; the next sync tries again.
            self.stats.errors.fetch_add(1, Relaxed);
            tracing::warn!(%error, "cannot begin a journal segment");
            return;
        }
        self.segment = self.state.next_seq;
        self.synced = 0;
        if let Err(error) = segment::push_snapshot(&mut self.pending, &self.state) {
            tracing::error!(%error, "the snapshot cannot be written as JSON");
        }
        self.publish();
        self.wait_from(now);
        self.write(now);
    }

    /// The disk refuses: go back to the last durable byte and try again from there.
    ///
    /// After a failed sync the kernel may have dropped the pages, so everything behind that byte is written anew.
    fn fail(&mut self, now: Instant, error: &io::Error) {
        if self.stats.errors.fetch_add(1, Relaxed).is_multiple_of(100) {
            tracing::error!(%error, "the journal cannot be written: calls go on, free space or mend the disk");
        }
        self.soiled = true;
        self.written = 0;
        self.retry_at = Some(now + RETRY);
    }

    fn publish(&self) {
        let seq = self.state.next_seq - 1;
        self.progress.set(Synced { segment: self.segment, bytes: self.synced, seq, closed: false });
    }
}

#[cfg(test)]
mod tests;
