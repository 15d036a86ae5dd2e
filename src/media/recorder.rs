//! Stereo recording: the customer left, the agent (or all others, mixed) right, as long as the clock says.
//!
//! Every 200 ms a chunk is read from both timelines, 260 ms behind the present so that late packets still find
//! their place. A chunk that storage cannot take becomes a gap: silence that keeps the time.

use smallvec::SmallVec;

use super::shard::{Delivery, PacketIo};
use super::timeline::Timeline;
use super::{Chunk, ChunkKind, Event};
use crate::id::{LegId, RecordingId};

/// Samples of one chunk and channel: 200 ms.
pub const CHUNK: usize = 1_600;
/// How far behind the present the recording is read: 260 ms, more than a jitter buffer keeps.
const LAG: u64 = 2_080;

/// What the two sides of a recording said: one phone left, some phones right.
pub type Sides<'a> = (Option<&'a Timeline>, SmallVec<[&'a Timeline; 4]>);

/// One recording.
#[derive(Debug)]
pub struct Recording {
    id: RecordingId,
    /// Left channel and owner.
    pub customer: LegId,
    /// Right channel: these, mixed.
    pub others: SmallVec<[LegId; 4]>,
    began: u64,
    next: u64,
    /// The start chunk was taken.
    announced: bool,
    /// Samples not taken since the last chunk that was.
    gap: u64,
    lost: u64,
    /// Complete but for the end chunk.
    ended: bool,
}

impl Recording {
    /// Begins at `position`.
    pub fn new(id: RecordingId, customer: LegId, position: u64) -> Self {
        let (began, next, others) = (position, position, SmallVec::new());
        Self { id, customer, others, began, next, announced: false, gap: 0, lost: 0, ended: false }
    }

    /// Its name.
    pub fn id(&self) -> RecordingId {
        self.id
    }

    /// True when only the end chunk is still to be delivered.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Delivers what late packets cannot change any more, when it is a whole chunk.
    pub fn tick(&mut self, position: u64, sides: &Sides<'_>, io: &mut impl PacketIo) {
        let until = position.saturating_sub(LAG);
        while !self.ended && self.next + CHUNK as u64 <= until {
            self.chunk(CHUNK, sides, io);
        }
    }

    /// Delivers all up to `position`, before a side changes or the recording ends.
    pub fn flush(&mut self, position: u64, sides: &Sides<'_>, io: &mut impl PacketIo) {
        while !self.ended && self.next < position {
            let count = usize::try_from(position - self.next).unwrap_or(CHUNK).min(CHUNK);
            self.chunk(count, sides, io);
        }
    }

    /// No more audio: only [`Recording::finish`] remains, to be tried until it succeeds.
    pub fn end(&mut self) {
        self.ended = true
    }

    /// Delivers the end chunk. Returns the event of the end, or `None` when storage has no room yet.
    pub fn finish(&mut self, io: &mut impl PacketIo) -> Option<Event> {
        if !self.prepare(io) || self.deliver(ChunkKind::End, io) == Delivery::Full {
            return None;
        }
        let ms = |samples: u64| samples / 8;
        let (length_ms, lost_ms) = (ms(self.next - self.began), ms(self.lost + self.gap));
        Some(Event::RecordingEnded { recording: self.id, length_ms, lost_ms })
    }

    fn chunk(&mut self, count: usize, (left, right): &Sides<'_>, io: &mut impl PacketIo) {
        let from = self.next;
        self.next += count as u64;
        if !self.prepare(io) {
            self.gap += count as u64;
            return;
        }
        let mut samples = io.buffer();
        samples.clear();
        // Always the room of a whole chunk, so that any buffer serves any other chunk.
        samples.reserve(CHUNK * 2);
        let (mut one, mut other) = ([0; CHUNK], [0; CHUNK]);
        if let Some(left) = left {
            left.read(from, &mut one);
        }
        for (n, voice) in right.iter().enumerate() {
            match n {
                0 => voice.read(from, &mut other),
                _ => voice.add_to(from, &mut other),
            }
        }
        samples.extend(one.iter().zip(&other).take(count).flat_map(|(l, r)| [*l, *r]));
        if self.deliver(ChunkKind::Samples(samples), io) != Delivery::Taken {
            self.gap += count as u64;
        }
    }

    /// Delivers the start chunk and an open gap; false when storage has no room.
    fn prepare(&mut self, io: &mut impl PacketIo) -> bool {
        if !self.announced {
            self.announced = self.deliver(ChunkKind::Start, io) != Delivery::Full;
        }
        if self.announced && self.gap > 0 && self.deliver(ChunkKind::Gap { samples: self.gap }, io) != Delivery::Full {
            self.lost += self.gap;
            self.gap = 0;
        }
        self.announced && self.gap == 0
    }

    fn deliver(&self, kind: ChunkKind, io: &mut impl PacketIo) -> Delivery {
        io.chunk(Chunk { recording: self.id, kind })
    }
}
