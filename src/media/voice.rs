//! Codecs with their memory: one coder or decoder for one direction of one leg.
//!
//! Sound is 16 bit, mono, at the rate that [`Decoder::rate`] tells: 8 kHz for G.711, 16 kHz for G.722 and Opus. libopus
//! brings whatever the peer sends, 8 to 48 kHz, mono or stereo, to that by itself. It is C: it sees only payloads of a
//! bounded length whose table of contents says a bounded time. Nothing here allocates once it is made.

use audio_codec::{Decoder as _, Encoder as _};

use super::codec::{Codec, Law};
use super::plc::Concealer;

/// Why there is no coder.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum VoiceError {
    /// G.729: passed on from phone to phone, never decoded here.
    #[error("{0:?} is only passed on")]
    PassedOn(Codec),
    /// libopus could not be set up: there is no memory.
    #[error("libopus: {0}")]
    Opus(String),
}

impl From<opus::Error> for VoiceError {
    fn from(error: opus::Error) -> Self {
        Self::Opus(error.to_string())
    }
}

/// Payloads in, sound out.
pub struct Decoder {
    kind: Decoding,
    /// For codecs that cannot conceal by themselves.
    concealer: Concealer,
}

enum Decoding {
    G711(Law),
    G722(Box<audio_codec::g722::G722Decoder>),
    Opus(opus::Decoder),
}

/// The longest payload that is decoded, in bytes.
const PAYLOAD_MOST: usize = 1_500;
/// The longest sound in one packet of G.711 and G.722: 60 ms.
const LONGEST_MS: usize = 60;
/// The rate of G.722 and Opus.
const WIDE_HZ: u32 = 16_000;
/// What an Opus stream of ours takes, in bits a second.
const OPUS_BITRATE: i32 = 24_000;
/// How hard libopus works: half of what it can, for 9 of 10 of the quality.
const OPUS_COMPLEXITY: i32 = 5;
/// The loss that an Opus stream is made for, in percent: it says twice what matters most.
const OPUS_LOSS: i32 = 5;

impl Decoder {
    /// # Errors
    ///
    /// [`VoiceError::PassedOn`] for G.729.
    pub fn new(codec: Codec) -> Result<Self, VoiceError> {
        let kind = match codec {
            Codec::Pcmu => Decoding::G711(Law::Mu),
            Codec::Pcma => Decoding::G711(Law::A),
            Codec::G722 => Decoding::G722(Box::default()),
            Codec::Opus => Decoding::Opus(opus::Decoder::new(WIDE_HZ, opus::Channels::Mono)?),
            Codec::G729 => return Err(VoiceError::PassedOn(codec)),
        };
        let rate = if matches!(kind, Decoding::G711(_)) { 8_000 } else { WIDE_HZ };
        Ok(Self { kind, concealer: Concealer::new(rate) })
    }

    /// Samples a second of what comes out.
    pub fn rate(&self) -> u32 {
        match self.kind {
            Decoding::G711(_) => 8_000,
            Decoding::G722(_) | Decoding::Opus(_) => WIDE_HZ,
        }
    }

    /// How much later than in its packets' time sound comes out, its encoder's share included, in µs: G.722 has filters of
    /// 22 samples, an Opus encoder looks ahead by 6.5 ms and its decoder leaves that to whoever keeps time (RFC 7845 §4.2).
    pub fn delay_us(&self) -> u64 {
        match self.kind {
            Decoding::G711(_) => 0,
            Decoding::G722(_) => 1_375,
            Decoding::Opus(_) => 6_500,
        }
    }

    /// Decodes one payload into `out` and returns the number of samples: 0 for a payload that is broken, longer than
    /// 60 ms (Opus: 120 ms) or than `out`.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        if payload.is_empty() || payload.len() > PAYLOAD_MOST {
            return 0;
        }
        let longest = LONGEST_MS * 8;
        match &mut self.kind {
            Decoding::G711(law) => {
                let Some(out) = out.get_mut(..payload.len()).filter(|out| out.len() <= longest) else { return 0 };
                let table = law.table();
                out.iter_mut().zip(payload).for_each(|(sample, byte)| *sample = table[usize::from(*byte)]);
                self.concealer.heard(out);
                out.len()
            }
            Decoding::G722(decoder) => {
                let samples = payload.len() * 2;
                let Some(out) = out.get_mut(..samples).filter(|_| payload.len() <= longest) else { return 0 };
                let count = decoder.decode_into(payload, out).unwrap_or_default();
                self.concealer.heard(out.get_mut(..count).unwrap_or_default());
                count
            }
            Decoding::Opus(decoder) => {
                let samples = opus::packet::get_nb_samples(payload, WIDE_HZ).unwrap_or_default();
                let Some(out) = out.get_mut(..samples).filter(|out| !out.is_empty()) else { return 0 };
                decoder.decode(payload, out, false).unwrap_or_default()
            }
        }
    }

    /// Fills `out` with what stands in for a packet that never came; `next` is the one after it, when it is there.
    pub fn conceal(&mut self, next: Option<&[u8]>, out: &mut [i16]) {
        let Decoding::Opus(decoder) = &mut self.kind else { return self.concealer.conceal(out) };
        // The next packet may say once more, and shorter, what the lost one said (RFC 6716 §2.1.7).
        let repeated = next.filter(|payload| {
            let samples = opus::packet::get_nb_samples(payload, WIDE_HZ);
            payload.len() <= PAYLOAD_MOST && samples.is_ok_and(|samples| samples == out.len())
        });
        let count = match repeated {
            Some(payload) => decoder.decode(payload, out, true),
            None => decoder.decode(&[], out, false),
        };
        out.iter_mut().skip(count.unwrap_or_default()).for_each(|sample| *sample = 0);
    }
}

/// A packet of Opus no longer than this is a pause that the receiver knows of already (RFC 6716 §2.1.9).
pub const PAUSE_BYTES: usize = 2;

/// Sound in, payloads out.
pub struct Encoder {
    kind: Encoding,
}

enum Encoding {
    G711(Law),
    G722(Box<audio_codec::g722::G722Encoder>),
    Opus(opus::Encoder),
}

impl Encoder {
    /// # Errors
    ///
    /// [`VoiceError::PassedOn`] for G.729.
    pub fn new(codec: Codec) -> Result<Self, VoiceError> {
        let kind = match codec {
            Codec::Pcmu => Encoding::G711(Law::Mu),
            Codec::Pcma => Encoding::G711(Law::A),
            Codec::G722 => Encoding::G722(Box::default()),
            Codec::Opus => {
                let mut encoder = opus::Encoder::new(WIDE_HZ, opus::Channels::Mono, opus::Application::Voip)?;
                encoder.set_bitrate(opus::Bitrate::Bits(OPUS_BITRATE))?;
                encoder.set_complexity(OPUS_COMPLEXITY)?;
                encoder.set_inband_fec(true)?;
                encoder.set_packet_loss_perc(OPUS_LOSS)?;
                Encoding::Opus(encoder)
            }
            Codec::G729 => return Err(VoiceError::PassedOn(codec)),
        };
        Ok(Self { kind })
    }

    /// From now on a pause is told by packets of [`PAUSE_BYTES`] at most, which need not be sent, or not any more. Only
    /// Opus can.
    pub fn set_dtx(&mut self, on: bool) {
        if let Encoding::Opus(encoder) = &mut self.kind {
            // It fails for values that are none only.
            let _ = encoder.set_dtx(on);
        }
    }

    /// Samples a second of what goes in.
    pub fn rate(&self) -> u32 {
        match self.kind {
            Encoding::G711(_) => 8_000,
            Encoding::G722(_) | Encoding::Opus(_) => WIDE_HZ,
        }
    }

    /// Encodes one packet of 10, 20, 40 or 60 ms (all but Opus also others) and returns its bytes: 0 when it does not
    /// fit into `out`.
    pub fn encode(&mut self, sound: &[i16], out: &mut [u8]) -> usize {
        match &mut self.kind {
            Encoding::G711(law) => {
                let Some(out) = out.get_mut(..sound.len()) else { return 0 };
                out.iter_mut().zip(sound).for_each(|(byte, sample)| *byte = law.encode(*sample));
                out.len()
            }
            Encoding::G722(encoder) => encoder.encode_into(sound, out).unwrap_or_default(),
            Encoding::Opus(encoder) => encoder.encode(sound, out).unwrap_or_default(),
        }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Decoder({} Hz)", self.rate())
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoder({} Hz)", self.rate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hz: f64, n: usize) -> i16 {
        (8_000.0 * (std::f64::consts::TAU * hz * n as f64 / f64::from(rate)).sin()) as i16
    }

    /// The tone's level beside 8,000 and what is left without it, both in dB.
    fn judge(sound: &[i16], rate: u32, hz: f64) -> (f64, f64) {
        let step = std::f64::consts::TAU * hz / f64::from(rate);
        let part = |f: fn(f64) -> f64| {
            sound.iter().enumerate().map(|(n, s)| f64::from(*s) * f(step * n as f64)).sum::<f64>() * 2.0
                / sound.len() as f64
        };
        let (sin, cos) = (part(f64::sin), part(f64::cos));
        let left: f64 = sound
            .iter()
            .enumerate()
            .map(|(n, s)| (f64::from(*s) - sin * (step * n as f64).sin() - cos * (step * n as f64).cos()).powi(2))
            .sum();
        let left = (left * 2.0 / sound.len() as f64).sqrt();
        (20.0 * (sin.hypot(cos) / 8_000.0).log10(), 20.0 * (left / 8_000.0).max(1e-9).log10())
    }

    #[test]
    fn a_tone_comes_back_at_its_level_above_what_the_codec_adds() {
        for (codec, off_db, above_db) in
            [(Codec::Pcmu, 0.1, 35.0), (Codec::Pcma, 0.1, 35.0), (Codec::G722, 0.5, 30.0), (Codec::Opus, 3.0, 15.0)]
        {
            for hz in [404.0, 1_004.0, 2_804.0] {
                let (mut encoder, mut decoder) = (Encoder::new(codec).unwrap(), Decoder::new(codec).unwrap());
                let rate = encoder.rate();
                let frame = rate as usize / 50;
                let mut heard = Vec::new();
                for piece in 0..100 {
                    let sound: Vec<i16> = (0..frame).map(|n| tone(rate, hz, piece * frame + n)).collect();
                    let (mut payload, mut out) = ([0; 400], [0; 2_000]);
                    let bytes = encoder.encode(&sound, &mut payload);
                    let count = decoder.decode(&payload[..bytes], &mut out);
                    assert_eq!((bytes > 0, count), (true, frame), "{codec:?}");
                    heard.extend_from_slice(&out[..count]);
                }
                let (level, left) = judge(&heard[heard.len() / 2..], rate, hz);
                assert!(
                    level.abs() < off_db && level - left > above_db,
                    "{codec:?} {hz}: {level:.1} dB, {left:.1} dB left"
                );
            }
        }
    }

    #[test]
    fn opus_says_a_lost_packet_again_in_the_next_one() {
        let (mut encoder, mut decoder) = (Encoder::new(Codec::Opus).unwrap(), Decoder::new(Codec::Opus).unwrap());
        // Something that cannot be guessed: another tone in each frame.
        let mut packets = Vec::new();
        for piece in 0..40usize {
            let hz = 300.0 + 97.0 * (piece / 4 % 5) as f64;
            let sound: Vec<i16> = (0..320).map(|n| tone(16_000, hz, piece * 320 + n)).collect();
            let mut payload = [0; 400];
            let bytes = encoder.encode(&sound, &mut payload);
            packets.push(payload[..bytes].to_vec());
        }
        let mut out = [0; 320];
        for packet in &packets[..20] {
            assert_eq!(decoder.decode(packet, &mut out), 320);
        }
        decoder.conceal(Some(&packets[21]), &mut out);
        assert!(out.iter().any(|s| s.unsigned_abs() > 2_000), "{out:?}");
        decoder.conceal(None, &mut out);
    }

    #[test]
    fn what_is_broken_or_too_long_is_nothing() {
        let mut out = [0; 1_920];
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
            let mut decoder = Decoder::new(codec).unwrap();
            for payload in [&[][..], &[0xff; 1_501], &[3; 1_500]] {
                assert_eq!(decoder.decode(payload, &mut out), 0, "{codec:?} {}", payload.len());
            }
            assert_eq!(decoder.decode(&[0; 160], &mut [0; 10]), 0);
            let mut seed = 1u32;
            for length in 1..400 {
                let noise: Vec<u8> = (0..length)
                    .map(|_| {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (seed >> 24) as u8
                    })
                    .collect();
                assert!(decoder.decode(&noise, &mut out) <= out.len());
                decoder.conceal(Some(&noise), &mut out[..320]);
            }
        }
        assert_eq!(Decoder::new(Codec::G729).err(), Some(VoiceError::PassedOn(Codec::G729)));
    }
}
