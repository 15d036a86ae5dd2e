//! What a phone says, decoded: a jitter buffer, a decoder, and what conceals loss.
//!
//! Relayed packets do not come here, and G.711 goes to timelines without it. A leg has an ear where its sound is needed
//! in another codec, or where a codec with a memory is recorded, listened to or searched for tones.

use std::time::Instant;

use super::codec::Codec;
use super::jitter::{JitterBuffer, Pull};
use super::resample::Resampler;
use super::rtp::Packet;
use super::timeline::{Stamp, Timeline};
use super::voice::Decoder;

/// One leg's ear.
#[derive(Debug)]
pub struct Ear {
    codec: Codec,
    decoder: Decoder,
    jitter: JitterBuffer,
    /// To 8 kHz, for codecs of 16.
    narrow: Option<Resampler>,
    /// Decoded, not yet taken.
    sound: [i16; SOUND],
    filled: usize,
}

/// Room for a packet of 120 ms and a frame of 20 ms at 16 kHz.
const SOUND: usize = 2_240;
/// The longest packet at 8 kHz, in samples.
const NARROW: usize = 960;

/// Sound below this is quiet: −46 dB.
const QUIET: u16 = 160;

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
        Some(Self { codec, decoder, jitter, narrow, sound: [0; SOUND], filled: 0 })
    }

    /// What it decodes.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Takes one packet; `arrival` is the position of now on the timelines.
    pub fn push(&mut self, now: Instant, arrival: u64, packet: &Packet, payload: &[u8]) {
        self.jitter.push(now, arrival, packet, payload);
    }

    /// The next 20 ms of what was said; `None` in silence. What is decoded for it is laid on `timeline` where there is one.
    pub fn frame(&mut self, now: Instant, mut timeline: Option<&mut Timeline>) -> Option<Frame> {
        let rate = self.decoder.rate();
        let wanted = rate as usize / 50;
        while self.filled < wanted {
            let Some(room) = self.sound.get_mut(self.filled..) else { break };
            match self.jitter.pull(now) {
                Pull::Packet { payload, ssrc, timestamp, arrival } => {
                    let count = self.decoder.decode(payload, room);
                    if let Some(timeline) = timeline.as_deref_mut() {
                        let stamp = Stamp { ssrc, timestamp, clock_hz: self.codec.clock_hz() };
                        let sound = room.get(..count).unwrap_or_default();
                        lay(timeline, arrival, stamp, sound, self.narrow.as_mut());
                    }
                    if count == 0 {
                        break;
                    }
                    // A delay that is longer than need be shrinks where nobody hears it.
                    let quiet = room.get(..count).is_some_and(|sound| sound.iter().all(|s| s.unsigned_abs() < QUIET));
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
            return None;
        }
        let mut frame = Frame { sound: [0; 320], rate };
        let count = self.filled.min(wanted);
        frame.sound.iter_mut().zip(self.sound.iter().take(count)).for_each(|(to, from)| *to = *from);
        self.sound.copy_within(count..self.filled, 0);
        self.filled -= count;
        Some(frame)
    }
}

/// Lays a decoded packet on the timeline, at 8 kHz.
fn lay(timeline: &mut Timeline, arrival: u64, stamp: Stamp, sound: &[i16], narrow: Option<&mut Resampler>) {
    let Some(narrow) = narrow else { return timeline.write_sound(arrival, stamp, sound) };
    let mut at_8_khz = [0; NARROW];
    let count = narrow.process(sound, &mut at_8_khz);
    timeline.write_sound(arrival, stamp, at_8_khz.get(..count).unwrap_or_default());
}
