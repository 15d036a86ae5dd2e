//! What a phone says, decoded: a jitter buffer, a decoder, and what conceals loss.
//!
//! Relayed packets do not come here, and G.711 goes to timelines without it. A leg has an ear where its sound is needed
//! in another codec, or where a codec with a memory is recorded, listened to or searched for tones.

use std::time::Instant;

use super::codec::Codec;
use super::inband::ToneReader;
use super::jitter::{JitterBuffer, Pull};
use super::resample::{self, Resampler};
use super::rtp::Packet;
use super::timeline::{Stamp, Timeline, is_quiet};
use super::voice::Decoder;

/// One leg's ear.
#[derive(Debug)]
pub struct Ear {
    codec: Codec,
    decoder: Decoder,
    jitter: JitterBuffer,
    /// To 8 kHz, for codecs of 16.
    narrow: Option<Resampler>,
    /// How much later than in its packets' time sound comes out of both, in samples at 8 kHz.
    lag: u64,
    /// Decoded, not yet taken.
    sound: [i16; SOUND],
    filled: usize,
}

/// Room for a packet of 120 ms and a frame of 20 ms at 16 kHz.
const SOUND: usize = 2_240;
/// The longest packet at 8 kHz, in samples.
const NARROW: usize = 960;

/// A frame of 20 ms at 8 or 16 kHz.
#[derive(Clone, Debug)]
pub struct Frame {
    sound: [i16; 320],
    rate: u32,
}

impl Frame {
    /// Samples a second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Its samples: 160 or 320.
    pub fn sound(&self) -> &[i16] {
        self.sound.get(..self.rate as usize / 50).unwrap_or_default()
    }
}

impl Ear {
    /// For packets of `codec`; `None` when we cannot decode it.
    pub fn new(codec: Codec) -> Option<Self> {
        let decoder = Decoder::new(codec).ok()?;
        let narrow = if decoder.rate() == 16_000 { Some(Resampler::new(16_000, 8_000)?) } else { None };
        let jitter = JitterBuffer::new(codec.clock_hz());
        let lag = decoder.delay_us() * 8 / 1_000 + narrow.as_ref().map_or(0, |_| resample::DELAY);
        Some(Self { codec, decoder, jitter, narrow, lag, sound: [0; SOUND], filled: 0 })
    }

    /// What it decodes.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Takes one packet; `arrival` is the position of now on the timelines.
    pub fn push(&mut self, now: Instant, arrival: u64, packet: &Packet, payload: &[u8]) {
        self.jitter.push(now, arrival, packet, payload);
    }

    /// The next 20 ms of what was said; `None` in silence. What is decoded for it is laid on `timeline` where there is one,
    /// and searched for a key by `tones`.
    pub fn frame(
        &mut self,
        now: Instant,
        mut timeline: Option<&mut Timeline>,
        mut tones: Option<&mut ToneReader>,
    ) -> (Option<Frame>, Option<char>) {
        let mut digit = None;
        let rate = self.decoder.rate();
        let wanted = rate as usize / 50;
        while self.filled < wanted {
            let Some(room) = self.sound.get_mut(self.filled..) else { break };
            match self.jitter.pull(now) {
                Pull::Packet { payload, ssrc, timestamp, arrival } => {
                    let count = self.decoder.decode(payload, room);
                    if timeline.is_some() || tones.is_some() {
                        let mut room_at_8_khz = [0; NARROW];
                        let sound = room.get(..count).unwrap_or_default();
                        let sound = narrow(self.narrow.as_mut(), sound, &mut room_at_8_khz);
                        if let Some(timeline) = timeline.as_deref_mut() {
                            let stamp = Stamp { ssrc, timestamp, clock_hz: self.codec.clock_hz() };
                            timeline.write_sound(arrival.saturating_sub(self.lag), stamp, sound);
                        }
                        if let Some(tones) = tones.as_deref_mut() {
                            digit = digit.or(tones.handle(sound));
                        }
                    }
                    if count == 0 {
                        break;
                    }
                    // A delay that is longer than need be shrinks where nobody hears it.
                    let quiet = room.get(..count).is_some_and(|sound| sound.iter().all(|s| is_quiet(*s)));
                    if !(quiet && self.jitter.is_ahead(now)) {
                        self.filled += count;
                    }
                }
                Pull::Lost { ms, next } => {
                    let count = (rate / 1_000 * ms) as usize;
                    if let Some(room) = room.get_mut(..count) {
                        self.decoder.conceal(next, room);
                    }
                    self.filled += count;
                }
                Pull::Silence => break,
            }
        }
        if let Some(timeline) = timeline {
            timeline.behind = self.jitter.delay_ms() * 8 + NARROW as u64 / 2;
        }
        if self.filled == 0 {
            return (None, digit);
        }
        let mut frame = Frame { sound: [0; 320], rate };
        let count = self.filled.min(wanted);
        frame.sound.iter_mut().zip(self.sound.iter().take(count)).for_each(|(to, from)| *to = *from);
        self.sound.copy_within(count..self.filled, 0);
        self.filled -= count;
        (Some(frame), digit)
    }

    /// Lays all that still waits on the timeline: nobody hears it any more.
    pub fn drain(&mut self, timeline: &mut Timeline) {
        let (mut sound, mut room_at_8_khz) = ([0; SOUND], [0; NARROW]);
        while let Some((payload, ssrc, timestamp, arrival)) = self.jitter.take_waiting() {
            let count = self.decoder.decode(payload, &mut sound);
            let stamp = Stamp { ssrc, timestamp, clock_hz: self.codec.clock_hz() };
            let sound = narrow(self.narrow.as_mut(), sound.get(..count).unwrap_or_default(), &mut room_at_8_khz);
            timeline.write_sound(arrival.saturating_sub(self.lag), stamp, sound);
        }
    }
}

/// A decoded packet at 8 kHz, in `room` where it is at 16 itself.
fn narrow<'a>(resampler: Option<&mut Resampler>, sound: &'a [i16], room: &'a mut [i16; NARROW]) -> &'a [i16] {
    let Some(resampler) = resampler else { return sound };
    let count = resampler.process(sound, room);
    room.get(..count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::voice::Encoder;
    use std::time::Duration;

    /// A second of a sine of 500 Hz from 400 ms on, in packets of 20 ms, each there when its sound is over.
    fn packets(codec: Codec) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(codec).unwrap();
        let sine = |n: usize| (8_000.0 * (std::f64::consts::TAU * n as f64 / 32.0).sin()) as i16;
        let sound: Vec<i16> = (0..22_400).map(|n| if n < 6_400 { 0 } else { sine(n) }).collect();
        sound
            .chunks(320)
            .map(|piece| {
                let mut payload = [0; 400];
                let bytes = encoder.encode(piece, &mut payload);
                payload[..bytes].to_vec()
            })
            .collect()
    }

    fn push(ear: &mut Ear, start: Instant, n: usize, payload: &[u8]) -> Instant {
        let now = start + Duration::from_millis(20 * (n as u64 + 1));
        let timestamp = (n as u32) * ear.codec.clock_hz() / 50;
        let packet = Packet {
            payload_type: 9,
            marker: n == 0,
            sequence: n as u16,
            timestamp,
            ssrc: 1,
            payload: 0..payload.len(),
        };
        ear.push(now, 8_000 + 160 * (n as u64 + 1), &packet, payload);
        now
    }

    /// Where on the timeline the sine begins, in samples after the first packet's beginning.
    fn onset(timeline: &Timeline) -> Option<usize> {
        let mut sound = [0; 8_000];
        timeline.read(8_000, &mut sound);
        sound.iter().position(|sample| sample.unsigned_abs() > 4_000)
    }

    /// Filters and an encoder that looks ahead take time, which is no part of when something was said.
    #[test]
    fn sound_lies_where_it_was_said_whatever_decodes_it() {
        for codec in [Codec::G722, Codec::Opus] {
            let (mut ear, mut timeline, start) = (Ear::new(codec).unwrap(), Timeline::default(), Instant::now());
            let mut found = None;
            for (n, payload) in packets(codec).iter().enumerate() {
                let now = push(&mut ear, start, n, payload);
                ear.frame(now + Duration::from_millis(5), Some(&mut timeline), None);
                found = found.or_else(|| onset(&timeline));
            }
            let off = found.unwrap() as i64 - 3_200;
            assert!(off.abs() <= 16, "{codec:?}: {off} samples");
        }
    }

    #[test]
    fn what_waits_at_the_end_is_laid_too() {
        let (mut ear, mut timeline, start) = (Ear::new(Codec::G722).unwrap(), Timeline::default(), Instant::now());
        let packets = packets(Codec::G722);
        for (n, payload) in packets.iter().enumerate().take(30) {
            push(&mut ear, start, n, payload);
        }
        let mut sound = [0; 160];
        ear.drain(&mut timeline);
        timeline.read(8_000 + 160 * 29 - 31, &mut sound);
        assert!(sound.iter().any(|sample| sample.unsigned_abs() > 4_000), "{sound:?}");
        // Who goes on speaking is heard.
        let mut heard = 0;
        for (n, payload) in packets.iter().enumerate().skip(30) {
            let now = push(&mut ear, start, n, payload);
            heard += usize::from(ear.frame(now + Duration::from_millis(5), None, None).0.is_some());
        }
        assert!(heard >= 36, "{heard} of 40");
    }
}
