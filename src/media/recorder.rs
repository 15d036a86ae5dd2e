//! Recording: a stereo file of the call, the customer left, the agent (or all others, mixed) right, as long as the
//! clock says; beside it a mono file for each supervisor who speaks and each colleague who is consulted.
//!
//! Every 200 ms a chunk is read from the timelines, so far behind the present that late packets still find their
//! place. A chunk that storage cannot take becomes a gap: silence that keeps the time.
//!
//! While a recording is paused (a card number is read out) what is said is never read: the span is silence, exactly,
//! in all files of the recording, whenever its packets come.

use std::collections::VecDeque;
use std::time::Duration;

use smallvec::SmallVec;

use super::shard::{Delivery, PacketIo};
use super::timeline::Timeline;
use super::{Chunk, ChunkKind, Event, Track, TrackKind};
use crate::id::{LegId, RecordingId};

/// Samples of one chunk and channel: 200 ms.
pub const CHUNK: usize = 1_600;
/// How far behind the present the recording is read: 260 ms, more than a jitter buffer keeps.
const LAG: u64 = 2_080;
/// A timeline still keeps what a chunk begins with, though the wheels turn 80 ms late.
const _: () = assert!(LAG as usize + CHUNK + 640 < super::timeline::KEPT);
/// Pauses whose marks storage has not taken yet, at most; beyond, the oldest mark is lost, never the silence.
const MARKS_MOST: usize = 64;
/// Extra files that run at once for one recording.
const TRACKS_MOST: usize = 8;

/// Samples over which loudness is judged: 20 ms.
const FRAME: usize = 160;
/// The mean square of a frame in which somebody speaks: 43 dB below the loudest. Lines and rooms are quieter, telephones
/// carry speech 10 to 30 dB above it.
const SPEECH: u64 = 230 * 230;

/// Gives what a leg said.
pub type Voices<'a> = &'a dyn Fn(LegId) -> Option<&'a Timeline>;

/// One recording with all its files.
#[derive(Debug)]
pub struct Recording {
    /// Left channel and owner.
    pub customer: LegId,
    /// Right channel: these, mixed.
    pub others: SmallVec<[LegId; 4]>,
    /// The step in which it was begun; its chunks are due in whole 200 ms from it, so that all are spread as they began.
    pub turn: u64,
    main: Strand,
    extra: Vec<(LegId, Strand)>,
    /// Extra files begun so far: supervisors', consulted ones'.
    begun: [u16; 2],
    /// What may not be read.
    muted: VecDeque<Span>,
    quiet: Option<Quiet>,
}

/// Whether the customer still speaks, for who wants to know when he does no more.
#[derive(Debug)]
struct Quiet {
    /// So much silence is told, in samples.
    limit: usize,
    /// So much of it there is.
    silent: usize,
    /// He said something.
    spoke: bool,
}

impl Quiet {
    fn hear(&mut self, samples: &[i16]) {
        for frame in samples.chunks(FRAME) {
            let square = |sample: &i16| u64::from(sample.unsigned_abs()).pow(2);
            let mean = frame.iter().map(square).sum::<u64>() / frame.len().max(1) as u64;
            let speaks = mean >= SPEECH;
            self.spoke |= speaks;
            self.silent = if speaks { 0 } else { self.silent + frame.len() };
        }
    }
}

/// From one position to another, or to the end.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: u64,
    until: Option<u64>,
}

/// One file on its way to storage.
#[derive(Debug)]
struct Strand {
    recording: RecordingId,
    track: Track,
    /// Samples after the beginning of the recording.
    offset: u64,
    began: u64,
    next: u64,
    /// The start chunk was taken.
    announced: bool,
    /// Beginnings and ends of pauses that storage was not told of, in samples from the beginning.
    marks: VecDeque<(u64, bool)>,
    /// Samples not taken since the last chunk that was.
    gap: u64,
    lost: u64,
    /// Of these, not yet asked for by [`Recording::take_lost`].
    unsaid: u64,
    /// Complete but for the end chunk.
    ended: bool,
}

impl Recording {
    /// Begins at `position`, which lies in step `turn`.
    pub fn new(id: RecordingId, customer: LegId, position: u64, turn: u64) -> Self {
        Self {
            customer,
            others: SmallVec::new(),
            turn,
            main: Strand::new(id, Track::Main, 0, position),
            extra: Vec::new(),
            begun: [0; 2],
            muted: VecDeque::new(),
            quiet: None,
        }
    }

    /// So much silence of the customer shall be told, once.
    pub fn await_quiet(&mut self, silence: Duration) {
        let limit = usize::try_from(silence.as_millis()).unwrap_or(usize::MAX).saturating_mul(8);
        self.quiet = Some(Quiet { limit, silent: 0, spoke: false });
    }

    /// The silence that was awaited, once it is there.
    pub fn take_quiet(&mut self) -> Option<Event> {
        let Quiet { spoke, .. } = self.quiet.take_if(|quiet| quiet.silent >= quiet.limit)?;
        Some(Event::Quiet { leg: self.customer, recording: self.id(), spoke })
    }

    /// Its name.
    pub fn id(&self) -> RecordingId {
        self.main.recording
    }

    /// True when only end chunks are still to be delivered.
    pub fn is_ended(&self) -> bool {
        self.main.ended
    }

    /// The legs in its files.
    pub fn legs(&self) -> impl Iterator<Item = LegId> {
        std::iter::once(self.customer).chain(self.others.iter().copied()).chain(self.extra.iter().map(|(of, _)| *of))
    }

    /// True when this leg is in one of its files.
    pub fn hears(&self, leg: LegId) -> bool {
        self.legs().any(|of| of == leg)
    }

    /// Delivers what late packets cannot change any more, and the ends of extra files. To be called every 200 ms: what
    /// is older than a timeline keeps is lost.
    pub fn tick(&mut self, position: u64, voices: Voices<'_>, io: &mut impl PacketIo) {
        self.advance(position.saturating_sub(LAG), voices, io);
        self.extra.retain_mut(|(_, strand)| !(strand.ended && strand.finish(io)));
    }

    /// Delivers all up to `position`, before a side changes or the recording ends.
    pub fn flush(&mut self, position: u64, voices: Voices<'_>, io: &mut impl PacketIo) {
        self.advance(position, voices, io);
    }

    /// Nothing said from `position` on is recorded, or everything is again.
    pub fn pause(&mut self, position: u64, on: bool) {
        let open = self.muted.back_mut().filter(|span| span.until.is_none());
        match (on, open) {
            (true, None) => self.muted.push_back(Span { from: position, until: None }),
            (false, Some(span)) => span.until = Some(position),
            (true, Some(_)) | (false, None) => return,
        }
        let marks = &mut self.main.marks;
        marks.push_back((position.saturating_sub(self.main.began), on));
        if marks.len() > MARKS_MOST {
            marks.pop_front();
        }
    }

    /// Writes what `leg` says from `position` on into a mono file of its own.
    pub fn begin_track(&mut self, position: u64, kind: TrackKind, leg: LegId) {
        let running = self.extra.iter().filter(|(_, strand)| !strand.ended).count();
        if self.main.ended || running >= TRACKS_MOST || self.runs(leg) {
            return;
        }
        let [supervisors, consulted] = &mut self.begun;
        let number = match kind {
            TrackKind::Supervisor => supervisors,
            TrackKind::Consult => consulted,
        };
        *number = number.saturating_add(1);
        let track = Track::Extra { kind, number: *number };
        let strand = Strand::new(self.main.recording, track, position.saturating_sub(self.main.began), position);
        self.extra.push((leg, strand));
    }

    fn runs(&self, leg: LegId) -> bool {
        self.extra.iter().any(|(of, strand)| *of == leg && !strand.ended)
    }

    /// Ends the extra file of `leg`; to be called after [`Recording::flush`].
    pub fn end_track(&mut self, leg: LegId) {
        self.extra.iter_mut().filter(|(of, _)| *of == leg).for_each(|(_, strand)| strand.ended = true);
    }

    /// No more audio: only [`Recording::finish`] remains, to be tried until it succeeds.
    pub fn end(&mut self) {
        self.main.ended = true;
        self.extra.iter_mut().for_each(|(_, strand)| strand.ended = true);
    }

    /// Delivers the end chunks, the main file's last. Returns the event of the end, or `None` when storage has no room
    /// yet.
    pub fn finish(&mut self, io: &mut impl PacketIo) -> Option<Event> {
        self.extra.retain_mut(|(_, strand)| !strand.finish(io));
        if !self.extra.is_empty() || !self.main.finish(io) {
            return None;
        }
        let ms = |samples: u64| samples / 8;
        let Strand { recording, began, next, lost, gap, .. } = self.main;
        Some(Event::RecordingEnded { recording, length_ms: ms(next - began), lost_ms: ms(lost + gap) })
    }

    /// Samples for each channel of the main file that storage refused, since the last call of this.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.main.unsaid)
    }

    /// Delivers up to `until`, in pieces of a chunk at most.
    fn advance(&mut self, until: u64, voices: Voices<'_>, io: &mut impl PacketIo) {
        let Self { customer, others, main, extra, muted, quiet, .. } = self;
        let (mut one, mut other) = ([0; CHUNK], [0; CHUNK]);
        while let Some(count) = main.due(until) {
            let (Some(left), Some(right)) = (one.get_mut(..count), other.get_mut(..count)) else { break };
            let from = main.next;
            read(voices(*customer).into_iter(), from, left);
            if let Some(quiet) = quiet {
                quiet.hear(left);
            }
            read(others.iter().filter_map(|leg| voices(*leg)), from, right);
            silence(muted, from, left);
            silence(muted, from, right);
            main.deliver(count, io, |samples| {
                samples.extend(left.iter().zip(right.iter()).flat_map(|(l, r)| [*l, *r]));
            });
        }
        for (leg, strand) in extra.iter_mut() {
            while let Some(count) = strand.due(until) {
                let Some(voice) = one.get_mut(..count) else { break };
                let from = strand.next;
                read(voices(*leg).into_iter(), from, voice);
                silence(muted, from, voice);
                strand.deliver(count, io, |samples| samples.extend_from_slice(voice));
            }
        }
        let running = extra.iter().map(|(_, strand)| strand).filter(|strand| !strand.ended);
        let done = running.map(|strand| strand.next).fold(main.next, u64::min);
        muted.retain(|span| span.until.is_none_or(|until| until > done));
    }
}

/// Reads all voices, mixed.
fn read<'a>(voices: impl Iterator<Item = &'a Timeline>, from: u64, out: &mut [i16]) {
    out.fill(0);
    for (n, voice) in voices.enumerate() {
        match n {
            0 => voice.read(from, out),
            _ => voice.add_to(from, out),
        }
    }
}

/// Silences the samples, the first of which is at `from`, that may not be read.
fn silence(muted: &VecDeque<Span>, from: u64, samples: &mut [i16]) {
    let place = |position: u64| usize::try_from(position.saturating_sub(from)).unwrap_or(usize::MAX);
    for span in muted {
        let end = span.until.map_or(samples.len(), place).min(samples.len());
        if let Some(said) = samples.get_mut(place(span.from).min(end)..end) {
            said.fill(0);
        }
    }
}

impl Strand {
    fn new(recording: RecordingId, track: Track, offset: u64, position: u64) -> Self {
        Self {
            recording,
            track,
            offset,
            began: position,
            next: position,
            announced: false,
            marks: VecDeque::new(),
            gap: 0,
            lost: 0,
            unsaid: 0,
            ended: false,
        }
    }

    /// How many samples the next piece has; `None` when none is there.
    fn due(&self, until: u64) -> Option<usize> {
        let there = until.checked_sub(self.next).filter(|there| !self.ended && *there > 0)?;
        Some(usize::try_from(there).unwrap_or(CHUNK).min(CHUNK))
    }

    /// Delivers a piece of `count` samples a channel.
    fn deliver(&mut self, count: usize, io: &mut impl PacketIo, fill: impl FnOnce(&mut Vec<i16>)) {
        self.next += count as u64;
        if self.prepare(io) {
            let mut samples = io.buffer();
            samples.clear();
            fill(&mut samples);
            if self.give(ChunkKind::Samples(samples), io) == Delivery::Taken {
                return;
            }
        }
        self.gap += count as u64;
        self.unsaid += count as u64;
    }

    /// Delivers the start chunk, the marks and an open gap; false when storage has no room.
    fn prepare(&mut self, io: &mut impl PacketIo) -> bool {
        if !self.announced {
            self.announced = self.give(ChunkKind::Start { offset: self.offset }, io) != Delivery::Full;
        }
        while self.announced
            && let Some((at, on)) = self.marks.front().copied()
        {
            if self.give(ChunkKind::Pause { at, on }, io) == Delivery::Full {
                return false;
            }
            self.marks.pop_front();
        }
        if self.announced && self.gap > 0 && self.give(ChunkKind::Gap { samples: self.gap }, io) != Delivery::Full {
            self.lost += self.gap;
            self.gap = 0;
        }
        self.announced && self.gap == 0
    }

    /// Delivers the end chunk; false when storage has no room.
    fn finish(&mut self, io: &mut impl PacketIo) -> bool {
        self.prepare(io) && self.give(ChunkKind::End, io) != Delivery::Full
    }

    fn give(&self, kind: ChunkKind, io: &mut impl PacketIo) -> Delivery {
        io.chunk(Chunk { recording: self.recording, track: self.track, kind })
    }
}
