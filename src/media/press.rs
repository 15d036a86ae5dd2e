//! Keys pressed towards a phone: telephone-events of our own (RFC 4733), or tones where these were not agreed on.
//!
//! A press is an event packet every 20 ms with the time so far, then three with the end bit. Tones last as long as the
//! press, in place of what the phone hears else.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::clip::{FRAME, SAMPLE_RATE};
use super::tones::TonePair;

/// Keys on their way to one phone, in order.
#[derive(Debug, Default)]
pub struct Presses {
    waiting: VecDeque<(char, Duration)>,
    now: Option<Press>,
    /// Numbers the presses: each is a source of its own to the stream.
    count: u32,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    digit: char,
    began: Instant,
    until: Instant,
    /// Packets with the end bit still to be sent.
    ends: u8,
    /// The next press begins no earlier.
    next_at: Instant,
}

/// What is due now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Due {
    /// An event packet with this payload, of the press with this number.
    Event {
        /// The stream's name for the press.
        source: (u32, u32),
        /// The payload of RFC 4733 §2.3.
        payload: [u8; 4],
    },
    /// 20 ms of this digit's tone, from this sample of it on.
    Tone {
        /// Which.
        digit: char,
        /// Samples at 8 kHz since it began.
        at: usize,
    },
}

/// Keys that wait at most; more are dropped.
const WAITING_MOST: usize = 64;
/// Silence between two presses (ITU-T Q.24: at least 40 ms).
const PAUSE: Duration = Duration::from_millis(60);
/// What a press lasts: receivers need 40 ms, and nobody waits for more than 8 s.
const LENGTHS: (Duration, Duration) = (Duration::from_millis(40), Duration::from_secs(8));
/// Power level of our events, in −dBm0.
const VOLUME: u8 = 10;
const KEYS: &str = "0123456789*#ABCD";

impl Presses {
    /// Presses a key for so long, after those that wait. Anything but `0`–`9`, `*`, `#`, `A`–`D` is ignored.
    pub fn press(&mut self, digit: char, length: Duration) {
        if KEYS.contains(digit) && self.waiting.len() < WAITING_MOST {
            self.waiting.push_back((digit, length.clamp(LENGTHS.0, LENGTHS.1)));
        }
    }

    /// True when nothing is due or waits.
    pub fn is_idle(&self) -> bool {
        self.now.is_none() && self.waiting.is_empty()
    }

    /// What is due at the frame of `at`; `events` says whether the phone takes events, at this clock.
    pub fn due(&mut self, at: Instant, events: bool, clock_hz: u32) -> Option<Due> {
        if self.now.is_some_and(|press| press.ends == 0 && at >= press.next_at) {
            self.now = None;
        }
        if self.now.is_none() {
            let (digit, length) = self.waiting.pop_front()?;
            let until = at + length;
            self.count = self.count.wrapping_add(1);
            self.now = Some(Press { digit, began: at, until, ends: 3, next_at: until + PAUSE });
        }
        let press = self.now.as_mut()?;
        let played = at.min(press.until).saturating_duration_since(press.began);
        if !events {
            if at >= press.until {
                press.ends = 0;
                return None;
            }
            return Some(Due::Tone { digit: press.digit, at: (played.as_micros() * 8 / 1_000) as usize });
        }
        let ended = at >= press.until;
        if ended {
            if press.ends == 0 {
                return None;
            }
            press.ends -= 1;
            press.next_at = press.next_at.max(at + PAUSE);
        }
        // The first packet tells of the frame that begins with it.
        let told = if ended { played } else { played + Duration::from_millis(20) };
        let duration = (told.as_micros() * u128::from(clock_hz) / 1_000_000).min(0xffff) as u16;
        let [d0, d1] = duration.to_be_bytes();
        let event = KEYS.find(press.digit).unwrap_or_default() as u8;
        let payload = [event, if ended { 0x80 | VOLUME } else { VOLUME }, d0, d1];
        Some(Due::Event { source: (OUR_PRESSES, self.count), payload })
    }
}

/// The stream's name for the source of our own presses; an SSRC of a phone that is the same does no harm: the count
/// beside it stands where that has a timestamp.
const OUR_PRESSES: u32 = 0;

/// A phone's press as a tone for a phone that takes no events.
#[derive(Clone, Copy, Debug)]
pub struct KeyTone {
    digit: char,
    began: Instant,
    until: Instant,
}

impl KeyTone {
    /// The least length of a tone: receivers need 40 ms.
    const LEAST: Duration = Duration::from_millis(80);
    /// How long it goes on after the last packet of a press that lost its end.
    const HELD: Duration = Duration::from_millis(100);

    /// Begins with the first packet of a press.
    pub fn new(now: Instant, digit: char) -> Self {
        Self { digit, began: now, until: now + Self::HELD }
    }

    /// Another packet of the press came, perhaps its last.
    pub fn go_on(&mut self, now: Instant, ended: bool) {
        self.until = if ended { now.max(self.began + Self::LEAST) } else { now + Self::HELD };
    }

    /// 20 ms of it at 8 kHz; `None` when it is over.
    pub fn frame(&self, at: Instant) -> Option<[i16; FRAME]> {
        let played = at.saturating_duration_since(self.began);
        (at < self.until).then(|| tone_frame(self.digit, (played.as_micros() * 8 / 1_000) as usize))
    }
}

/// 20 ms of a digit's tone from this sample of it on.
pub fn tone_frame(digit: char, at: usize) -> [i16; FRAME] {
    let mut frame = [0; FRAME];
    if let Some(tone) = TonePair::of_key(digit) {
        tone.fill(SAMPLE_RATE, at as u64, &mut frame);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, frame: u64) -> Instant {
        start + Duration::from_millis(20 * frame)
    }

    #[test]
    fn a_press_is_events_with_the_time_so_far_then_three_ends_then_a_pause() {
        let start = Instant::now();
        let mut presses = Presses::default();
        presses.press('5', Duration::from_millis(60));
        presses.press('#', Duration::from_millis(40));
        presses.press('x', Duration::from_millis(40));
        let mut told = Vec::new();
        for frame in 0..14 {
            if let Some(Due::Event { source, payload }) = presses.due(at(start, frame), true, 8_000) {
                told.push((frame, source.1, payload[0], payload[1] >> 7, u16::from_be_bytes([payload[2], payload[3]])));
            }
        }
        let five = [(0, 160), (1, 320), (2, 480)].map(|(n, duration)| (n, 1, 5, 0, duration));
        let ends = [3, 4, 5].map(|n| (n, 1, 5, 1, 480));
        let hash =
            [(8, 2, 11, 0, 160), (9, 2, 11, 0, 320), (10, 2, 11, 1, 320), (11, 2, 11, 1, 320), (12, 2, 11, 1, 320)];
        assert_eq!(told, [&five[..], &ends[..], &hash[..]].concat());
        assert!(presses.due(at(start, 20), true, 8_000).is_none() && presses.is_idle());
    }

    #[test]
    fn events_count_at_the_clock_of_the_codec() {
        let start = Instant::now();
        let mut presses = Presses::default();
        presses.press('0', Duration::from_millis(100));
        let Some(Due::Event { payload, .. }) = presses.due(start, true, 48_000) else { panic!("no event") };
        assert_eq!(payload[2..], 960u16.to_be_bytes());
    }

    #[test]
    fn without_events_a_press_is_a_tone_of_its_length() {
        let start = Instant::now();
        let mut presses = Presses::default();
        presses.press('5', Duration::from_millis(60));
        let due: Vec<_> = (0..8).filter_map(|n| presses.due(at(start, n), false, 8_000)).collect();
        assert_eq!(due, [0, 160, 320].map(|at| Due::Tone { digit: '5', at }));
        assert!(presses.due(at(start, 9), false, 8_000).is_none() && presses.is_idle());
        let frame = tone_frame('5', 0);
        let level = |hz: f64| {
            let part =
                |n: usize, f: fn(f64) -> f64| f64::from(frame[n]) * f(std::f64::consts::TAU * hz * n as f64 / 8e3);
            let sum = |f: fn(f64) -> f64| (0..FRAME).map(|n| part(n, f)).sum::<f64>();
            sum(f64::sin).hypot(sum(f64::cos))
        };
        assert!(level(770.0) > 3.0 * level(697.0) && level(1_336.0) > 3.0 * level(1_477.0));
    }
}
