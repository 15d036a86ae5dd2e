//! What a phone hears of sound that we make or decode: packets of its codec and its length.
//!
//! G.711 in packets of 20 ms needs none of this: its frames are bytes already. Everything else goes through here.

use super::codec::Codec;
use super::resample::Resampler;
use super::terms::Terms;
use super::voice::{Encoder, PAUSE_BYTES};

/// Sound in, payloads out.
#[derive(Debug)]
pub struct Mouth {
    codec: Codec,
    ptime_ms: u8,
    dtx: bool,
    encoder: Encoder,
    /// Between the two rates of sound: made for 8 kHz in, where the encoder takes 16, or the other way about.
    resampler: Resampler,
    /// At the encoder's rate, not yet in a packet.
    sound: [i16; SOUND],
    filled: usize,
}

/// Room for a packet of 60 ms and a frame of 20 ms at 16 kHz.
const SOUND: usize = 1_280;

impl Mouth {
    /// Speaks as `terms` say; `None` for a codec that we cannot encode.
    pub fn new(terms: &Terms) -> Option<Self> {
        let Terms { codec, ptime_ms, dtx, .. } = *terms;
        let mut encoder = Encoder::new(codec).ok()?;
        encoder.set_dtx(dtx);
        let (from, to) = if encoder.rate() == 16_000 { (8_000, 16_000) } else { (16_000, 8_000) };
        let resampler = Resampler::new(from, to)?;
        Some(Self { codec, ptime_ms, dtx, encoder, resampler, sound: [0; SOUND], filled: 0 })
    }

    /// True when it speaks so.
    pub fn speaks(&self, terms: &Terms) -> bool {
        (self.codec, self.ptime_ms, self.dtx) == (terms.codec, terms.ptime_ms, terms.dtx)
    }

    /// Takes sound at 8 or 16 kHz, at most 20 ms.
    pub fn take(&mut self, rate: u32, sound: &[i16]) {
        let Some(room) = self.sound.get_mut(self.filled..) else { return };
        if rate == self.encoder.rate() {
            let count = room.len().min(sound.len());
            room.iter_mut().zip(sound).for_each(|(to, from)| *to = *from);
            self.filled += count;
        } else {
            self.filled += self.resampler.process(sound, room);
        }
    }

    /// Encodes the next packet, when there is sound for it; returns its length in bytes and in ms. No bytes: a pause that
    /// needs no packet.
    pub fn packet(&mut self, out: &mut [u8]) -> Option<(usize, u32)> {
        let ms = u32::from(self.ptime_ms);
        let samples = (self.encoder.rate() / 1_000 * ms) as usize;
        let sound = self.sound.get(..samples).filter(|_| self.filled >= samples)?;
        let bytes = match self.encoder.encode(sound, out) {
            bytes if self.dtx && bytes <= PAUSE_BYTES => 0,
            bytes => bytes,
        };
        self.sound.copy_within(samples..self.filled, 0);
        self.filled -= samples;
        Some((bytes, ms))
    }

    /// Another source begins: what is left of the last one is no part of it.
    pub fn switch(&mut self) {
        self.filled = 0;
    }
}
