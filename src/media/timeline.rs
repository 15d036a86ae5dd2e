//! What one phone said, laid on the clock: the common source of recorder and listener.
//!
//! A packet's place is where its RTP timestamp says, and the timestamps are tied to the clock by arrival: the packet
//! that came with the least delay ends at the moment it came. Loss, silence suppression and hold leave silence
//! of their true length. A phone's clock that runs fast or slow is followed one sample a packet; one that stood still for
//! a moment (a page's, when its machine is busy) is followed at once where it is quiet. A packet that is more
//! than 200 ms late (a new stream, timestamps that stood still, a network that stalled) or more than 40 ms early (the
//! tie was made by a late one) ties them anew.
//!
//! Positions are samples at 8 kHz since the shard's beginning, the same for all legs of a shard.

/// Samples that are kept: 640 ms, more than a recording is behind the present.
pub const KEPT: usize = 5_120;
/// Delays outside of this tie the timestamps anew: 40 ms early, 200 ms late.
const DELAYS: std::ops::RangeInclusive<i64> = -320..=1_600;
/// Packets over which the least delay is taken: 5 s, so that one busy second of ours or of the phone moves nothing.
const WINDOW: u32 = 250;
/// Packets after which it is known well enough for a quiet moment, in which a mend costs nothing: 3 s.
const SURE: u32 = 150;
/// Deviations up to this are left alone: 8 ms. Following them would add and drop samples for mere jitter.
const TOLERANCE: i64 = 64;
/// Deviations beyond this are mended at once in a quiet moment: 10 ms, half of what both sides of a recording may be apart.
const APART: i64 = 80;
/// Sound below this is quiet: −46 dB.
const QUIET: u16 = 160;

/// The latest of one phone's voice.
#[derive(Debug)]
pub struct Timeline {
    ring: Box<[i16; KEPT]>,
    /// One past the latest sample written.
    head: u64,
    anchor: Option<Anchor>,
    /// How far behind a packet's arrival its sound is laid here at most, in samples: what a jitter buffer keeps.
    pub behind: u64,
}

/// Whose packet it is and when its sender's clock says it began.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Who speaks.
    pub ssrc: u32,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Its ticks a second.
    pub clock_hz: u32,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    ssrc: u32,
    timestamp: u32,
    position: i64,
    /// Least delay of the packets of this window, in samples, and how many they are.
    least: i64,
    packets: u32,
    /// Still to be shifted, one sample a packet.
    correction: i64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { ring: Box::new([0; KEPT]), head: 0, anchor: None, behind: 0 }
    }
}

impl Timeline {
    /// Lays one packet of G.711 on the timeline; `arrival` is the position of now.
    pub fn write(&mut self, arrival: u64, stamp: Stamp, table: &[i16; 256], payload: &[u8]) {
        self.lay(arrival, stamp, payload, |byte| table[usize::from(byte)]);
    }

    /// Lays sound at 8 kHz on the timeline that came as one packet at `arrival`.
    pub fn write_sound(&mut self, arrival: u64, stamp: Stamp, sound: &[i16]) {
        self.lay(arrival, stamp, sound, |sample| sample);
    }

    fn lay<T: Copy>(&mut self, arrival: u64, stamp: Stamp, said: &[T], sample: impl Fn(T) -> i16) {
        let samples = said.len();
        let mut position = self.place(arrival, stamp, samples);
        let deviation = self.deviation();
        if deviation.abs() > APART && said.iter().all(|said| is_quiet(sample(*said))) {
            position = self.shift(position, deviation);
        }
        let oldest = self.head.saturating_sub(KEPT as u64);
        let Ok(start) = u64::try_from(position) else { return };
        if start < oldest || samples > KEPT {
            return;
        }
        self.advance(start);
        // The ring is two straight pieces.
        let first = start as usize % KEPT;
        let (one, two) = said.split_at(samples.min(KEPT - first));
        for (begin, piece) in [(first, one), (0, two)] {
            let places = self.ring.get_mut(begin..begin + piece.len()).unwrap_or_default();
            places.iter_mut().zip(piece).for_each(|(place, said)| *place = sample(*said));
        }
        self.head = self.head.max(start + samples as u64);
    }

    /// Where a packet begins, and keeps the tie to the clock.
    fn place(&mut self, arrival: u64, stamp: Stamp, samples: usize) -> i64 {
        let Stamp { ssrc, timestamp, clock_hz } = stamp;
        let by_clock = i64::try_from(arrival).unwrap_or(i64::MAX) - samples as i64;
        let fresh = Anchor { ssrc, timestamp, position: by_clock, least: i64::MAX, packets: 0, correction: 0 };
        let anchor = self.anchor.get_or_insert(fresh);
        let passed = i64::from(timestamp.wrapping_sub(anchor.timestamp) as i32);
        let by_timestamp = anchor.position + passed * 8_000 / i64::from(clock_hz.max(1));
        let delay = by_clock - by_timestamp;
        if anchor.ssrc != ssrc || !DELAYS.contains(&delay) {
            *anchor = fresh;
            return by_clock;
        }
        let step = anchor.correction.signum();
        anchor.correction -= step;
        anchor.position = by_timestamp + step;
        anchor.timestamp = timestamp;
        // What was measured before this step is less by it now.
        anchor.least = anchor.least.saturating_sub(step).min(delay - step);
        anchor.packets += 1;
        if anchor.packets >= WINDOW {
            anchor.correction = if anchor.least.abs() > TOLERANCE { anchor.least } else { 0 };
            anchor.least = i64::MAX;
            anchor.packets = 0;
        }
        anchor.position
    }

    /// How far from its place sound is laid, as far as that is known. Who is late may have been held up; who is early shows
    /// at once that the tie was made by a late packet.
    fn deviation(&self) -> i64 {
        let Some(anchor) = &self.anchor else { return 0 };
        let is_known = anchor.packets >= SURE || anchor.least < -APART;
        if is_known { anchor.least } else { anchor.correction }
    }

    /// Mends the whole deviation where a quiet packet begins, unless sound would be written over.
    fn shift(&mut self, position: i64, deviation: i64) -> i64 {
        let shifted = position + deviation;
        let oldest = self.head.saturating_sub(KEPT as u64);
        let mut written_over = u64::try_from(shifted).unwrap_or(0).max(oldest)..self.head;
        if !written_over.all(|position| is_quiet(self.at(position))) {
            return position;
        }
        if let Some(anchor) = &mut self.anchor {
            anchor.position = shifted;
            anchor.correction = 0;
            anchor.least = i64::MAX;
            anchor.packets = 0;
        }
        shifted
    }

    /// Silences what lies between the latest sample and `start`.
    fn advance(&mut self, start: u64) {
        if start <= self.head {
            return;
        }
        // One sample left open by a correction is bridged rather than clicked.
        let bridge = if start == self.head + 1 { self.at(self.head.wrapping_sub(1)) } else { 0 };
        let from = self.head.max(start.saturating_sub(KEPT as u64));
        for position in from..start {
            self.set(position, bridge);
        }
        self.head = start;
    }

    fn set(&mut self, position: u64, sample: i16) {
        self.ring[position as usize % KEPT] = sample
    }

    fn at(&self, position: u64) -> i16 {
        self.ring[position as usize % KEPT]
    }

    /// Adds samples from `from` on to those of `out`, limited to what a sample holds.
    pub fn add_to(&self, from: u64, out: &mut [i16]) {
        let oldest = self.head.saturating_sub(KEPT as u64);
        let kept = (from..).zip(out).filter(|(position, _)| *position >= oldest && *position < self.head);
        kept.for_each(|(position, sample)| *sample = sample.saturating_add(self.at(position)));
    }

    /// Copies samples from `from` on into `out`; silence where nothing was said or it is no longer kept.
    pub fn read(&self, from: u64, out: &mut [i16]) {
        let until = from + out.len() as u64;
        let start = from.max(self.head.saturating_sub(KEPT as u64)).min(until);
        let end = until.min(self.head).max(start);
        let (before, rest) = out.split_at_mut((start - from) as usize);
        let (said, after) = rest.split_at_mut(((end - start) as usize).min(rest.len()));
        before.fill(0);
        after.fill(0);
        let first = start as usize % KEPT;
        let straight = said.len().min(KEPT - first);
        let (one, two) = said.split_at_mut(straight);
        one.copy_from_slice(self.ring.get(first..first + one.len()).unwrap_or_default());
        two.copy_from_slice(self.ring.get(..two.len()).unwrap_or_default());
    }
}

/// Nobody hears what is added there or left out.
pub(super) fn is_quiet(sample: i16) -> bool {
    sample.unsigned_abs() < QUIET
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::Law;

    const ULAW: Law = Law::Mu;

    fn stamp(ssrc: u32, timestamp: u32) -> Stamp {
        Stamp { ssrc, timestamp, clock_hz: 8_000 }
    }

    fn voice(level: i16) -> [u8; 160] {
        [ULAW.encode(level); 160]
    }

    fn read(timeline: &Timeline, from: u64, count: usize) -> Vec<i16> {
        let mut out = vec![0; count];
        timeline.read(from, &mut out);
        out
    }

    #[test]
    fn a_lost_packet_leaves_silence_of_its_length_and_a_late_one_fills_it() {
        let mut timeline = Timeline::default();
        timeline.write(10_160, stamp(1, 0), ULAW.table(), &voice(1_000));
        timeline.write(10_480, stamp(1, 320), ULAW.table(), &voice(1_000));
        let heard = ULAW.decode(ULAW.encode(1_000));
        assert_eq!(read(&timeline, 9_999, 2), [0, heard]);
        assert_eq!(read(&timeline, 10_159, 2), [heard, 0]);
        assert_eq!(read(&timeline, 10_319, 2), [0, heard]);
        assert_eq!(read(&timeline, 10_479, 2), [heard, 0]);
        timeline.write(10_500, stamp(1, 160), ULAW.table(), &voice(1_000));
        assert_eq!(read(&timeline, 10_000, 480), [heard; 480]);
    }

    #[test]
    fn a_fast_clock_is_followed_within_20_ms() {
        let mut timeline = Timeline::default();
        // 300 ppm fast for an hour: without correction 1.08 s.
        let mut worst = 0;
        for n in 0..180_000u64 {
            let arrival = 8_000 + (n as f64 * 160.0 / 1.000_3) as u64;
            timeline.write(arrival, stamp(1, (n * 160) as u32), ULAW.table(), &voice(1_000));
            worst = worst.max(timeline.head.abs_diff(arrival));
        }
        assert!(worst <= 160, "{worst} samples are over 20 ms");
    }

    #[test]
    fn timestamps_that_stood_still_are_tied_anew_to_the_clock() {
        let mut timeline = Timeline::default();
        timeline.write(8_160, stamp(1, 0), ULAW.table(), &voice(1_000));
        timeline.write(88_160, stamp(1, 160), ULAW.table(), &voice(1_000));
        assert_eq!(timeline.head, 88_160);
        timeline.write(88_320, stamp(2, 4_000_000), ULAW.table(), &voice(1_000));
        assert_eq!(timeline.head, 88_320);
        assert_eq!(read(&timeline, 8_000, 160), [0; 160], "no longer kept");
    }

    #[test]
    fn a_burst_after_a_stall_leaves_no_shift_behind() {
        let mut timeline = Timeline::default();
        for n in 0..200u64 {
            // Packets 50 to 74 come together with packet 75.
            let sent = if (50..75).contains(&n) { 75 } else { n };
            timeline.write(8_160 + sent * 160, stamp(1, (n * 160) as u32), ULAW.table(), &voice(1_000));
            if n >= 75 {
                assert!(timeline.head.abs_diff(8_160 + n * 160) <= 320, "packet {n}");
            }
        }
    }

    /// A sender's clock that stands still for 60 ms, and one that leaps 38 ms: from the next quiet moment after a window on
    /// all is in its place again, and no sound was written over.
    #[test]
    fn a_clock_that_stood_still_is_followed_in_the_next_quiet_moment() {
        for shift in [480i64, -304] {
            let mut timeline = Timeline::default();
            let mut placed = Vec::new();
            for n in 0..800i64 {
                let level = if n % 50 < 45 { 1_000 } else { 0 };
                let arrival = 16_160 + n * 160 + if n >= 100 { shift } else { 0 };
                timeline.write(arrival as u64, stamp(1, (n * 160) as u32), ULAW.table(), &voice(level));
                placed.push(timeline.head as i64 - arrival);
                if n >= 50 && n % 50 == 48 {
                    // The second that is over, as far as it is kept: 32 packets, of which 28 were loud.
                    let heard = read(&timeline, timeline.head - 32 * 160, 32 * 160);
                    let loud = heard.iter().filter(|s| !is_quiet(**s)).count() as i64;
                    assert!((28 * 160 - 2..=28 * 160 + 482).contains(&loud), "{shift}: {loud} samples until {n}");
                }
            }
            assert!(placed[..100].iter().all(|off| *off == 0));
            assert!((placed[110] + shift).abs() <= 1, "{shift}: {}", placed[110]);
            // Two windows at most until it is known, and a second until it is quiet; who is early is known at once.
            let known = if shift < 0 { 150 } else { 450 };
            assert!(
                placed[known..].iter().all(|off| off.abs() <= TOLERANCE),
                "{shift}: {:?}",
                &placed[known - 10..known + 10]
            );
        }
    }

    /// He speaks on for six seconds after the leap, so that most of it is mended step by step: the rest is not overdone.
    #[test]
    fn what_was_mended_step_by_step_is_not_mended_again() {
        for shift in [480i64, -304] {
            let mut timeline = Timeline::default();
            for n in 0..1_500i64 {
                let level = if n % 50 >= 45 && n > 600 { 0 } else { 1_000 };
                let arrival = 16_160 + n * 160 + if n >= 100 { shift } else { 0 };
                timeline.write(arrival as u64, stamp(1, (n * 160) as u32), ULAW.table(), &voice(level));
                let off = timeline.head as i64 - arrival;
                assert!(n < 100 || (off.signum() != shift.signum() || off.abs() <= TOLERANCE), "{shift}: {off} at {n}");
                assert!(n < 1_000 || off.abs() <= TOLERANCE, "{shift}: {off} at {n}");
            }
        }
    }

    #[test]
    fn jitter_moves_nothing() {
        let mut timeline = Timeline::default();
        for n in 0..500u64 {
            let late = [0, 80, 240, 400, 16][n as usize % 5];
            timeline.write(8_160 + n * 160 + late, stamp(1, (n * 160) as u32), ULAW.table(), &voice(1_000));
            assert_eq!(timeline.head, 8_160 + n * 160);
        }
    }
}
