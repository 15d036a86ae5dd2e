//! What a program outside hears of a leg and says to it: a line of two rings, and the leg's end of it.
//!
//! Each ring has one writer and one reader on threads of their own; neither locks, allocates or waits for the other. A
//! frame is 20 ms at 8 kHz, whatever the phone speaks. What the phone said is read from its timeline, so that loss and
//! pauses are silence of their true length; what the program says is played one frame each 20 ms.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::clip::FRAME;
use super::leg::LISTEN_LAG;
use super::timeline::Timeline;

/// Frames that a ring holds: one second.
pub const RING: usize = 50;
/// Samples in one word of a ring.
const PACK: usize = 4;
/// Words of a frame.
const WORDS: usize = FRAME / PACK;
/// Frames that are caught up in one step of the wheel; what is older is silence.
const CATCH_UP: usize = 8;

/// 20 ms of sound at 8 kHz.
pub type Frame = [i16; FRAME];

/// Both directions between one leg and the program that hears it.
#[derive(Debug)]
pub struct Line {
    /// What the phone says.
    pub ear: Ring,
    /// What it hears.
    pub mouth: Ring,
}

impl Line {
    /// Two empty rings.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { ear: Ring::new(), mouth: Ring::new() })
    }
}

/// Frames from one thread to another. With more than one writer or reader frames are garbled, nothing worse.
pub struct Ring {
    words: Box<[AtomicU64]>,
    written: AtomicU64,
    read: AtomicU64,
    /// Frames before this are not read any more.
    from: AtomicU64,
    /// Frames for which there was no room.
    refused: AtomicU64,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring({} of {})", self.read(), self.written())
    }
}

impl Ring {
    fn new() -> Self {
        let words = (0..RING * WORDS).map(|_| AtomicU64::new(0)).collect();
        let zero = || AtomicU64::new(0);
        Self { words, written: zero(), read: zero(), from: zero(), refused: zero() }
    }

    fn frame(&self, number: u64) -> &[AtomicU64] {
        let first = (number % RING as u64) as usize * WORDS;
        self.words.get(first..first + WORDS).unwrap_or_default()
    }

    /// Writes a frame; false when there is no room, and then it is not written.
    pub fn push(&self, frame: &Frame) -> bool {
        let number = self.written.load(Ordering::Relaxed);
        if number.saturating_sub(self.read.load(Ordering::Acquire)) >= RING as u64 {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        for (word, samples) in self.frame(number).iter().zip(frame.chunks_exact(PACK)) {
            let packed = samples.iter().rev().fold(0, |packed, sample| packed << 16 | u64::from(*sample as u16));
            word.store(packed, Ordering::Relaxed);
        }
        self.written.store(number + 1, Ordering::Release);
        true
    }

    /// Reads the next frame; `None` when there is none.
    pub fn pop(&self) -> Option<Frame> {
        let written = self.written.load(Ordering::Acquire);
        let number = self.read();
        if number >= written {
            self.read.store(written, Ordering::Release);
            return None;
        }
        let mut frame = [0; FRAME];
        for (samples, word) in frame.chunks_exact_mut(PACK).zip(self.frame(number)) {
            let packed = word.load(Ordering::Relaxed);
            samples.iter_mut().enumerate().for_each(|(n, sample)| *sample = (packed >> (16 * n)) as u16 as i16);
        }
        self.read.store(number + 1, Ordering::Release);
        Some(frame)
    }

    /// The writer's: what was written so far and not read is never read.
    pub fn clear(&self) {
        self.from.store(self.written.load(Ordering::Relaxed), Ordering::Release);
    }

    /// Frames written since the beginning.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Frames read or cleared since the beginning.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Acquire).max(self.from.load(Ordering::Acquire))
    }

    /// Frames that found no room.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Frames that wait to be read.
    pub fn waiting(&self) -> usize {
        self.written().saturating_sub(self.read()) as usize
    }
}

/// The leg's end of a line.
#[derive(Debug)]
pub struct Tap {
    line: Arc<Line>,
    /// Where on the timeline the next frame begins.
    next: u64,
}

impl Tap {
    /// Begins at `position` of the timelines.
    pub fn new(line: Arc<Line>, position: u64) -> Self {
        Self { line, next: position.saturating_sub(LISTEN_LAG) }
    }

    /// Passes on what the phone said up to now; what finds no room is lost.
    pub fn hear(&mut self, position: u64, timeline: Option<&Timeline>) {
        let behind = timeline.map_or(0, |timeline| timeline.behind);
        let until = position.saturating_sub(LISTEN_LAG + behind);
        for _ in 0..CATCH_UP {
            if self.next + FRAME as u64 > until {
                break;
            }
            let mut frame = [0; FRAME];
            if let Some(timeline) = timeline {
                timeline.read(self.next, &mut frame);
            }
            self.next += FRAME as u64;
            self.line.ear.push(&frame);
        }
    }

    /// The next 20 ms of what the program says; silence when it says nothing.
    pub fn speak(&self) -> Frame {
        self.line.mouth.pop().unwrap_or([0; FRAME])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::Law;
    use crate::media::timeline::Stamp;

    fn frame(n: i16) -> Frame {
        std::array::from_fn(|k| n.wrapping_mul(331).wrapping_sub(k as i16))
    }

    #[test]
    fn frames_come_out_as_they_went_in_and_a_full_ring_takes_no_more() {
        let ring = Ring::new();
        for round in 0..7 {
            let count = (0..).take_while(|n| ring.push(&frame(round * 100 + n))).count();
            assert_eq!((count, ring.waiting()), (RING, RING));
            for n in 0..RING as i16 {
                assert_eq!(ring.pop(), Some(frame(round * 100 + n)));
            }
            assert_eq!(ring.pop(), None);
        }
    }

    #[test]
    fn what_is_cleared_is_not_read_and_makes_room() {
        let ring = Ring::new();
        assert!((0..10).all(|n| ring.push(&frame(n))));
        assert_eq!(ring.pop(), Some(frame(0)));
        ring.clear();
        assert_eq!((ring.read(), ring.waiting()), (10, 0));
        assert!(ring.push(&frame(77)));
        assert_eq!(ring.pop(), Some(frame(77)));
        assert_eq!((0..).take_while(|n| ring.push(&frame(*n))).count(), RING);
    }

    #[test]
    fn two_threads_see_every_frame_in_order() {
        let line = Line::new();
        let writer = Arc::clone(&line);
        let thread = std::thread::spawn(move || {
            for n in 0..5_000 {
                while !writer.ear.push(&frame(n)) {
                    std::thread::yield_now();
                }
            }
        });
        for n in 0..5_000 {
            let heard = loop {
                match line.ear.pop() {
                    Some(heard) => break heard,
                    None => std::thread::yield_now(),
                }
            };
            assert_eq!(heard, frame(n));
        }
        thread.join().unwrap();
    }

    /// A packet that was lost, and a pause, are silence of their length.
    #[test]
    fn time_passes_in_what_is_heard_as_on_the_wall() {
        let line = Line::new();
        let (mut timeline, mut tap) = (Timeline::default(), Tap::new(Arc::clone(&line), 8_320));
        let voice = [Law::Mu.encode(1_000); FRAME];
        let mut heard = Vec::new();
        for step in 0..40u64 {
            let position = 8_320 + step * 160;
            // Packets 10 to 19 never come.
            if !(10..20).contains(&step) {
                let stamp = Stamp { ssrc: 1, timestamp: step as u32 * 160, clock_hz: 8_000 };
                timeline.write(position, stamp, Law::Mu.table(), &voice);
            }
            tap.hear(position, Some(&timeline));
            heard.extend(std::iter::from_fn(|| line.ear.pop()));
        }
        let loud: Vec<bool> = heard.iter().map(|frame| frame.iter().all(|sample| *sample > 900)).collect();
        let quiet = heard.iter().filter(|frame| frame.iter().all(|sample| *sample == 0)).count();
        assert_eq!((heard.len(), line.ear.refused()), (39, 0), "{loud:?}");
        // The first is of before the beginning.
        assert_eq!(quiet, 11, "{loud:?}");
        assert!(loud[1..11].iter().all(|loud| *loud) && loud[21..].iter().all(|loud| *loud), "{loud:?}");
    }

    #[test]
    fn who_is_slow_loses_frames_and_never_time_of_ours() {
        let line = Line::new();
        let mut tap = Tap::new(Arc::clone(&line), 8_000);
        (0..100u64).for_each(|step| tap.hear(8_000 + step * 160, None));
        assert_eq!((line.ear.waiting(), line.ear.refused()), (RING, 99 - RING as u64));
        assert_eq!(tap.speak(), [0; FRAME]);
    }
}
