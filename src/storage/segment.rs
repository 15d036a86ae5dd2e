//! Segment files of the journal: frames, reading, and what a start finds.
//!
//! A frame is `u32` length, `u32` CRC-32 of the body, both little-endian, and the body: JSON of one entry. The
//! first frame of each segment holds a [`Snapshot`] instead, so that a start reads one segment, whatever the age
//! of the journal. A segment's name is the number of the first entry after its snapshot.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::journal::Entry;
use crate::report::live::Live;
use crate::report::places::Places;
use crate::report::record::Fold;

/// Length and CRC before each body, in bytes.
pub const HEADER_BYTES: usize = 8;
/// A longer body is not believed, in bytes: a snapshot of some ten thousand calls is far below.
pub const BODY_BYTES_MAX: usize = 512 << 20;

/// The folds as they were before the first entry of a segment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The number of the entry that follows.
    pub next_seq: u64,
    /// Open calls and those closed a moment ago.
    pub fold: Fold,
    /// Agents, queues and calls.
    pub live: Live,
    /// What a new process would take over; absent in snapshots of old.
    #[serde(default)]
    pub places: Places,
}

impl Snapshot {
    /// Folds the next entry in.
    pub fn handle(&mut self, entry: &Entry) {
        self.next_seq = entry.seq.saturating_add(1);
        self.fold.handle(entry);
        self.live.handle(entry);
        self.places.handle(entry);
    }
}

/// How the body of a snapshot begins, and no other.
const SNAPSHOT_START: &[u8] = b"{\"snapshot\"";

/// The body of a segment's first frame.
#[derive(Serialize, Deserialize)]
struct SnapshotBody<T> {
    snapshot: T,
}

/// What a frame holds.
#[derive(Debug)]
pub enum Body {
    /// The state before the segment's entries.
    Snapshot(Box<Snapshot>),
    /// One entry.
    Entry(Box<Entry>),
}

/// Appends a frame with the JSON of `entry`.
pub fn push_entry(frames: &mut Vec<u8>, entry: &Entry) -> Result<(), serde_json::Error> {
    push_frame(frames, entry)
}

/// Appends a frame with the JSON of `snapshot`.
pub fn push_snapshot(frames: &mut Vec<u8>, snapshot: &Snapshot) -> Result<(), serde_json::Error> {
    push_frame(frames, &SnapshotBody { snapshot })
}

fn push_frame<T: Serialize>(frames: &mut Vec<u8>, body: &T) -> Result<(), serde_json::Error> {
    let start = frames.len();
    frames.extend_from_slice(&[0; HEADER_BYTES]);
    if let Err(error) = serde_json::to_writer(&mut *frames, body) {
        frames.truncate(start);
        return Err(error);
    }
    let body = frames.get(start + HEADER_BYTES..).unwrap_or_default();
    let (len, crc) = (u32::try_from(body.len()).unwrap_or(u32::MAX), crc32fast::hash(body));
    if let Some(header) = frames.get_mut(start..start + HEADER_BYTES) {
        header[..4].copy_from_slice(&len.to_le_bytes());
        header[4..].copy_from_slice(&crc.to_le_bytes());
    }
    Ok(())
}

/// The file of the segment whose first entry is `first`.
pub fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.jnl"))
}

/// The segments in `dir` by their first entry, oldest first.
///
/// # Errors
///
/// The folder cannot be read.
pub fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir)? {
        let name = item?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jnl")).filter(|digits| digits.len() == 20);
        found.extend(number.and_then(|digits| digits.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// What stands at a place in a segment.
#[derive(Debug)]
pub enum Next {
    /// A sound frame.
    Body(Body),
    /// A whole frame whose content cannot be read; the reader stands behind it.
    Damaged,
    /// No whole frame: the file ends within it, or its length is nonsense. The reader stays before it.
    Torn,
    /// The given limit is reached.
    End,
}

/// Reads the frames of one segment in order; more may be appended meanwhile.
#[derive(Debug)]
pub struct SegmentReader {
    file: io::BufReader<File>,
    /// Where the next frame begins.
    offset: u64,
    body: Vec<u8>,
}

impl SegmentReader {
    /// Opens a segment at its first frame.
    ///
    /// # Errors
    ///
    /// The file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: io::BufReader::with_capacity(1 << 18, File::open(path)?), offset: 0, body: Vec::new() })
    }

    /// Where the next frame begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The frame at the present place; nothing at or behind byte `limit` is looked at.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is shorter than `limit`.
    pub fn next(&mut self, limit: u64) -> io::Result<Next> {
        match self.frame(limit)? {
            Some(other) => Ok(other),
            None => Ok(self.read()),
        }
    }

    /// As [`SegmentReader::next`], but entries in whose text none of `words` stands are passed over without being
    /// read, and so are snapshots: that is many times faster.
    ///
    /// # Errors
    ///
    /// As [`SegmentReader::next`].
    pub fn next_with(&mut self, limit: u64, words: &[&[u8]]) -> io::Result<Next> {
        loop {
            if let Some(other) = self.frame(limit)? {
                return Ok(other);
            }
            let has = |word: &&[u8]| self.body.windows(word.len().max(1)).any(|part| part == *word);
            if !self.body.starts_with(SNAPSHOT_START) && words.iter().any(has) {
                return Ok(self.read());
            }
        }
    }

    /// Takes the next frame's body in, unread; what else stands there otherwise.
    fn frame(&mut self, limit: u64) -> io::Result<Option<Next>> {
        let room = limit.saturating_sub(self.offset);
        if room == 0 {
            return Ok(Some(Next::End));
        }
        if room < HEADER_BYTES as u64 {
            return Ok(Some(Next::Torn));
        }
        let mut header = [0; HEADER_BYTES];
        self.file.read_exact(&mut header)?;
        let [l0, l1, l2, l3, c0, c1, c2, c3] = header;
        let (len, crc) = (u32::from_le_bytes([l0, l1, l2, l3]) as usize, u32::from_le_bytes([c0, c1, c2, c3]));
        // A length of zero is what a disk gives for a block that was never written.
        if len == 0 || len > BODY_BYTES_MAX || (len + HEADER_BYTES) as u64 > room {
            self.file.seek(SeekFrom::Start(self.offset))?;
            return Ok(Some(Next::Torn));
        }
        self.body.resize(len, 0);
        self.file.read_exact(&mut self.body)?;
        self.offset += (len + HEADER_BYTES) as u64;
        Ok((crc32fast::hash(&self.body) != crc).then_some(Next::Damaged))
    }

    /// What the body taken in last holds.
    fn read(&self) -> Next {
        let body = if self.body.starts_with(SNAPSHOT_START) {
            serde_json::from_slice(&self.body)
                .map(|body: SnapshotBody<Snapshot>| Body::Snapshot(Box::new(body.snapshot)))
        } else {
            serde_json::from_slice(&self.body).map(|entry| Body::Entry(Box::new(entry)))
        };
        body.map_or_else(
            |error| {
                tracing::warn!(offset = self.offset, %error, "a journal frame is of another version and was skipped");
                Next::Damaged
            },
            Next::Body,
        )
    }
}

/// What reading segments to their end found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The state after the last entry.
    pub state: Snapshot,
    /// The last segment; none when there is none.
    pub segment: Option<u64>,
    /// Sound bytes of the last segment; what follows is torn.
    pub good_bytes: u64,
    /// All bytes of the last segment.
    pub file_bytes: u64,
    /// Frames that could not be read although sound ones follow.
    pub damaged: u64,
}

/// Reads the newest snapshot and everything after it.
///
/// # Errors
///
/// A file or the folder cannot be read. Content is never an error: what is not sound is cut or skipped.
pub fn scan(dir: &Path) -> io::Result<Scan> {
    let all = segments(dir)?;
    let from = newest_snapshot(dir, &all, u64::MAX)?;
    let mut scan = Scan::default();
    for first in all.get(from..).unwrap_or_default() {
        scan_segment(dir, *first, &mut scan)?;
    }
    Ok(scan)
}

/// The place in `all` of the newest segment with a first entry up to `before` and a sound snapshot; 0 if none has.
///
/// # Errors
///
/// A file cannot be read.
pub fn newest_snapshot(dir: &Path, all: &[u64], before: u64) -> io::Result<usize> {
    for (index, first) in all.iter().enumerate().rev() {
        if *first > before {
            continue;
        }
        let path = segment_path(dir, *first);
        let limit = fs::metadata(&path)?.len();
        if let Next::Body(Body::Snapshot(_)) = SegmentReader::open(&path)?.next(limit)? {
            return Ok(index);
        }
    }
    Ok(0)
}

fn scan_segment(dir: &Path, first: u64, scan: &mut Scan) -> io::Result<()> {
    let path = segment_path(dir, first);
    let limit = fs::metadata(&path)?.len();
    let mut reader = SegmentReader::open(&path)?;
    if scan.good_bytes < scan.file_bytes {
        // The end of an earlier segment cannot be read.
        scan.damaged += 1;
    }
    (scan.segment, scan.good_bytes, scan.file_bytes) = (Some(first), 0, limit);
    // Damaged frames count only when a sound one follows: otherwise they are the torn tail.
    let mut doubtful = 0;
    loop {
        match reader.next(limit)? {
            Next::Body(body) => {
                match body {
                    // An older state is never better than the one folded up to here.
                    Body::Snapshot(snapshot) if snapshot.next_seq >= scan.state.next_seq => scan.state = *snapshot,
                    Body::Snapshot(_) => {}
                    Body::Entry(entry) => scan.state.handle(&entry),
                }
                scan.damaged += std::mem::take(&mut doubtful);
                scan.good_bytes = reader.offset();
            }
            Next::Damaged => doubtful += 1,
            Next::Torn | Next::End => return Ok(()),
        }
    }
}
