//! What a bot has said and its caller has not heard yet, with the bot's marks in it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::media::clip::FRAME;
use crate::media::fork::Line;

use super::Fault;

/// Samples that wait at most: 60 s.
const WAITING_MOST: usize = 60 * 8_000;
/// Frames that the media thread has ahead: what a late turn of ours takes no sound from.
const AHEAD: usize = 10;
/// After silence so much is gathered before it is played, or for so long, so that an uneven network makes no holes.
const GATHERED: usize = 3 * FRAME;
const GATHERING: Duration = Duration::from_millis(60);
/// Marks that wait at most.
const MARKS_MOST: usize = 256;

/// What is due once all that was said before it is heard.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Due {
    /// The bot wants to know it.
    Mark(String),
    /// The bot is done.
    Done {
        /// Its last word.
        result: Option<String>,
        /// JSON that goes with it.
        data: Bytes,
    },
}

/// The bot's speech on its way to the media thread.
pub(super) struct Speech {
    line: Arc<Line>,
    waiting: VecDeque<i16>,
    /// Samples that came and that went on, since the beginning.
    came: u64,
    went: u64,
    /// With the sample behind which it stands, and the frame with that sample once it went on.
    marks: VecDeque<(u64, Option<u64>, Due)>,
    /// Since when sound is gathered; `None` while it flows.
    gathering: Option<Instant>,
    is_done: bool,
}

impl Speech {
    pub(super) fn new(line: Arc<Line>) -> Self {
        let (waiting, marks) = (VecDeque::new(), VecDeque::new());
        Self { line, waiting, came: 0, went: 0, marks, gathering: None, is_done: false }
    }

    /// The bot said its last word: nothing it says after it counts.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Takes sound as it came: 16-bit samples, little-endian.
    pub(super) fn hear(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Fault> {
        let samples = bytes.chunks_exact(2);
        if !samples.remainder().is_empty() {
            return Err(Fault::HalfSample);
        }
        if self.waiting.len() + samples.len() > WAITING_MOST {
            return Err(Fault::TooMuchSpeech);
        }
        if self.waiting.is_empty() && self.line.mouth.waiting() == 0 {
            self.gathering = Some(now);
        }
        self.came += samples.len() as u64;
        self.waiting.extend(samples.filter_map(|pair| pair.first_chunk()).map(|pair| i16::from_le_bytes(*pair)));
        self.pass_on(now);
        Ok(())
    }

    /// The bot wants something once all this is heard.
    pub(super) fn mark(&mut self, due: Due) -> Result<(), Fault> {
        if self.marks.len() >= MARKS_MOST {
            return Err(Fault::TooManyMarks);
        }
        self.is_done |= matches!(due, Due::Done { .. });
        self.marks.push_back((self.came, None, due));
        Ok(())
    }

    /// Nothing of this is to be heard any more.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.went = self.came;
        self.line.mouth.clear();
    }

    /// Gives the media thread what it has room for.
    pub(super) fn pass_on(&mut self, now: Instant) {
        let is_over = self.gathering.is_none_or(|since| now.saturating_duration_since(since) >= GATHERING);
        if !is_over && self.waiting.len() < GATHERED {
            return;
        }
        self.gathering = None;
        while self.line.mouth.waiting() < AHEAD {
            // The rest of a sentence is filled up with silence, once nothing else is left to play.
            let is_rest = self.waiting.len() < FRAME;
            if self.waiting.is_empty() || is_rest && self.line.mouth.waiting() > 0 {
                break;
            }
            let mut frame = [0; FRAME];
            let count = FRAME.min(self.waiting.len());
            frame.iter_mut().zip(self.waiting.drain(..count)).for_each(|(to, from)| *to = from);
            self.went += count as u64;
            self.line.mouth.push(&frame);
        }
    }

    /// The next thing that is due.
    pub(super) fn poll_due(&mut self) -> Option<Due> {
        let (at, frame, _) = self.marks.front_mut()?;
        if *at > self.went {
            return None;
        }
        let frame = *frame.get_or_insert(self.line.mouth.written());
        if self.line.mouth.read() < frame {
            return None;
        }
        self.marks.pop_front().map(|(_, _, due)| due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(samples: std::ops::Range<i16>) -> Vec<u8> {
        samples.flat_map(i16::to_le_bytes).collect()
    }

    fn mark(name: &str) -> Due {
        Due::Mark(name.to_owned())
    }

    #[test]
    fn sound_is_passed_on_in_frames_and_its_end_filled_up() {
        let (line, start) = (Line::new(), Instant::now());
        let mut speech = Speech::new(Arc::clone(&line));
        speech.hear(start, &said(0..400)).unwrap();
        assert_eq!(line.mouth.waiting(), 0, "a little is gathered first");
        speech.pass_on(start + GATHERING);
        assert_eq!(line.mouth.waiting(), 2, "the rest may go on");
        let heard: Vec<i16> = std::iter::from_fn(|| line.mouth.pop()).flatten().collect();
        assert_eq!(heard, (0..320).collect::<Vec<i16>>());
        speech.pass_on(start + GATHERING * 2);
        let rest = line.mouth.pop().unwrap();
        assert_eq!((rest[79], rest[80]), (399, 0));
    }

    #[test]
    fn a_mark_is_due_when_all_before_it_was_played() {
        let (line, start) = (Line::new(), Instant::now());
        let mut speech = Speech::new(Arc::clone(&line));
        speech.mark(mark("first")).unwrap();
        assert_eq!(speech.poll_due(), Some(mark("first")), "nothing was said before it");
        speech.hear(start, &said(0..4_800)).unwrap();
        speech.mark(mark("second")).unwrap();
        for n in 0..30 {
            assert_eq!(speech.poll_due(), None, "frame {n}");
            assert!(line.mouth.pop().is_some());
            speech.pass_on(start);
        }
        assert_eq!(speech.poll_due(), Some(mark("second")));
    }

    #[test]
    fn what_is_cleared_is_not_heard_and_its_marks_are_due() {
        let (line, start) = (Line::new(), Instant::now());
        let mut speech = Speech::new(Arc::clone(&line));
        speech.hear(start, &said(0..8_000)).unwrap();
        speech.mark(mark("a")).unwrap();
        speech.mark(Due::Done { result: None, data: Bytes::new() }).unwrap();
        assert!(speech.is_done() && speech.poll_due().is_none());
        speech.clear();
        assert_eq!((speech.poll_due(), line.mouth.pop()), (Some(mark("a")), None));
        assert!(matches!(speech.poll_due(), Some(Due::Done { .. })));
    }

    #[test]
    fn more_than_a_minute_half_a_sample_and_too_many_marks_are_faults() {
        let (line, start) = (Line::new(), Instant::now());
        let mut speech = Speech::new(Arc::clone(&line));
        assert_eq!(speech.hear(start, &[1, 2, 3]), Err(Fault::HalfSample));
        let second = vec![0; 16_000];
        let count = (0..100).take_while(|_| speech.hear(start, &second).is_ok()).count();
        assert_eq!(count, 60);
        assert_eq!(speech.hear(start, &second), Err(Fault::TooMuchSpeech));
        let count = (0..1_000).take_while(|_| speech.mark(mark("a")).is_ok()).count();
        assert_eq!(count, MARKS_MOST);
    }
}
