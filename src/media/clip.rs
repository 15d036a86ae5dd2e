//! Sound that is played: 8 kHz mono, encoded once in both laws of G.711 and shared by all who hear it.

use std::sync::Arc;

use super::codec::Law;

/// Samples a second of everything we play.
pub const SAMPLE_RATE: u32 = 8_000;
/// Samples, and bytes, of one 20 ms frame.
pub const FRAME: usize = 160;

/// A piece of sound, ready to be sent.
///
/// Both encodings have the same number of samples, one byte each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Clip {
    /// As µ-law.
    pub ulaw: Arc<[u8]>,
    /// As A-law.
    pub alaw: Arc<[u8]>,
}

impl Clip {
    /// Encodes 16-bit samples at 8 kHz.
    pub fn from_pcm16(samples: &[i16]) -> Self {
        let encode = |law: Law| samples.iter().map(|s| law.encode(*s)).collect();
        Self { ulaw: encode(Law::Mu), alaw: encode(Law::A) }
    }

    /// A sine of `hz` at `dbm0` (0 dBm0 is 3.17 dB below the loudest µ-law sine; G.711 §5) for `ms`.
    ///
    /// To loop without a click choose `ms` so that it holds whole periods; one second fits every whole `hz`.
    pub fn tone(hz: f64, dbm0: f64, ms: u32) -> Self {
        let amplitude = (32_635.0 * 10f64.powf((dbm0 - 3.17) / 20.0)).min(32_635.0);
        let step = std::f64::consts::TAU * hz / f64::from(SAMPLE_RATE);
        let count = ms * (SAMPLE_RATE / 1_000);
        let samples: Vec<i16> = (0..count).map(|n| (amplitude * (step * f64::from(n)).sin()).round() as i16).collect();
        Self::from_pcm16(&samples)
    }

    /// Its bytes in one law.
    pub fn bytes(&self, law: Law) -> &[u8] {
        match law {
            Law::Mu => &self.ulaw,
            Law::A => &self.alaw,
        }
    }

    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.ulaw.len().min(self.alaw.len())
    }

    /// Playing time in milliseconds, rounded down.
    pub fn length_ms(&self) -> u64 {
        self.samples() as u64 * 1_000 / u64::from(SAMPLE_RATE)
    }

    /// Copies samples from `at` on into `out` and returns how many there were; fewer only at the end.
    pub fn copy_at(&self, law: Law, at: usize, out: &mut [u8]) -> usize {
        let rest = self.bytes(law).get(at..).unwrap_or_default();
        let count = rest.len().min(out.len());
        for (to, from) in out.iter_mut().zip(rest) {
            *to = *from;
        }
        count
    }

    /// Fills `out` from `at` on, going round at the end. An empty clip gives silence.
    pub fn copy_looped(&self, law: Law, at: usize, out: &mut [u8]) {
        let length = self.samples();
        if length == 0 {
            out.fill(law.silence());
            return;
        }
        let (mut at, mut done) = (at % length, 0);
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            done += self.copy_at(law, at, rest).max(1);
            at = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_has_its_length_and_level_in_both_codecs() {
        let clip = Clip::tone(1_004.0, 0.0, 1_000);
        assert_eq!((clip.samples(), clip.length_ms()), (8_000, 1_000));
        for law in [Law::Mu, Law::A] {
            let power: f64 = clip.bytes(law).iter().map(|b| f64::from(law.decode(*b)).powi(2)).sum::<f64>() / 8_000.0;
            // 0 dBm0 is 3.17 dB under full scale: an RMS of 32635 / √2 / 1.44.
            let dbm0 = 10.0 * (power / (32_635.0f64.powi(2) / 2.0)).log10() + 3.17;
            assert!(dbm0.abs() < 0.1, "{law:?} {dbm0}");
        }
    }

    #[test]
    fn a_loop_goes_round_without_losing_a_sample() {
        let clip = Clip::from_pcm16(&[0, 1_000, 2_000, 3_000, 4_000]);
        let mut out = [0u8; 12];
        clip.copy_looped(Law::Mu, 3, &mut out);
        let expected: Vec<u8> = (3..15).map(|n| clip.ulaw[n % 5]).collect();
        assert_eq!(out.to_vec(), expected);
        Clip::from_pcm16(&[]).copy_looped(Law::A, 3, &mut out);
        assert_eq!(out, [0xd5; 12]);
    }
}
