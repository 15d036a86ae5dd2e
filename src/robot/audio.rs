//! Ears and voices: G.711 companding, tones, the level of one frequency, WAV files.
//!
//! Written apart from the `media` core on purpose, from the formulas of G.711 and not from its tables.

use std::f64::consts::PI;
use std::io;
use std::path::Path;

/// Samples per second of everything here.
pub const RATE: u32 = 8_000;

/// Peak of a sine of 0 dBm0: full scale of µ-law is +3.17 dBm0 (G.711 §5).
const PEAK_0_DBM0: f64 = 22_300.0;

/// Length of one block of [`level_db`]: 250 ms, so that lines 4 Hz apart are told apart.
const BLOCK: usize = 2_000;

/// How voice is coded on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Codec {
    /// µ-law, payload type 0.
    Pcmu,
    /// A-law, payload type 8.
    Pcma,
}

impl Codec {
    /// The static payload type (RFC 3551 §6).
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The encoding name of `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// Codes one sample.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcmu => encode_ulaw(sample),
            Self::Pcma => encode_alaw(sample),
        }
    }

    /// Reads one code word.
    pub fn decode(self, code: u8) -> i16 {
        match self {
            Self::Pcmu => decode_ulaw(code),
            Self::Pcma => decode_alaw(code),
        }
    }
}

fn encode_ulaw(sample: i16) -> u8 {
    let magnitude = (i32::from(sample).abs().min(32_635)) + 132;
    let segment = (31 - magnitude.leading_zeros() as i32) - 7;
    let mantissa = (magnitude >> (segment + 3)) & 15;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment << 4) | mantissa) as u8
}

fn decode_ulaw(code: u8) -> i16 {
    let code = i32::from(!code);
    let magnitude = ((((code & 15) << 3) + 132) << ((code >> 4) & 7)) - 132;
    (if code & 0x80 != 0 { -magnitude } else { magnitude }) as i16
}

fn encode_alaw(sample: i16) -> u8 {
    // Negative values are ones' complemented: the smallest step below zero is its own code word.
    let (sign, magnitude) = if sample < 0 { (0, i32::from(!sample)) } else { (0x80, i32::from(sample)) };
    let step = magnitude >> 4;
    let code = if step < 16 {
        step
    } else {
        let segment = 28 - step.leading_zeros() as i32;
        (segment << 4) | ((step >> (segment - 1)) & 15)
    };
    ((code | sign) ^ 0x55) as u8
}

fn decode_alaw(code: u8) -> i16 {
    let code = i32::from(code ^ 0x55);
    let (segment, mantissa) = ((code >> 4) & 7, code & 15);
    let magnitude = if segment == 0 { (mantissa << 4) + 8 } else { ((mantissa << 4) + 264) << (segment - 1) };
    (if code & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

/// One sample of a sine of `hz` at `dbm0`; `position` counts samples from the start of the tone.
pub fn tone_sample(hz: f64, dbm0: f64, position: u64) -> i16 {
    let peak = PEAK_0_DBM0 * 10f64.powf(dbm0 / 20.0);
    // Whole periods of one second are dropped first, so that the phase stays exact for hours.
    let turns =
        (position % u64::from(RATE)) as f64 * hz / f64::from(RATE) + (position / u64::from(RATE)) as f64 * hz.fract();
    (peak * (2.0 * PI * turns).sin()).round() as i16
}

/// `length_ms` of a sine.
pub fn tone(hz: f64, dbm0: f64, length_ms: u64) -> Vec<i16> {
    (0..length_ms * u64::from(RATE) / 1_000).map(|n| tone_sample(hz, dbm0, n)).collect()
}

/// Power of one frequency over a Hann-windowed block, as the squared peak of the sine it would be.
fn goertzel(block: &[i16], hz: f64) -> f64 {
    let turn = 2.0 * PI * hz / f64::from(RATE);
    let coefficient = 2.0 * turn.cos();
    let count = block.len() as f64;
    let (mut s1, mut s2) = (0.0, 0.0);
    for (n, sample) in block.iter().enumerate() {
        let window = 0.5 - 0.5 * (2.0 * PI * n as f64 / count).cos();
        let s0 = f64::from(*sample) * window + coefficient * s1 - s2;
        (s2, s1) = (s1, s0);
    }
    let power = s1 * s1 + s2 * s2 - coefficient * s1 * s2;
    // The Hann window passes half of the amplitude; a sine of peak A gives (A·N/4)².
    power * 16.0 / (count * count)
}

/// Level of the frequency `hz` in dBm0, averaged over all of `samples` (8 kHz, mono).
///
/// Returns −120 for silence and for less than 250 ms of sound.
pub fn level_db(samples: &[i16], hz: f64) -> f64 {
    let blocks = samples.chunks_exact(BLOCK);
    let count = blocks.len();
    if count == 0 {
        return -120.0;
    }
    let power = blocks.map(|block| goertzel(block, hz)).sum::<f64>() / count as f64;
    (10.0 * (power / (PEAK_0_DBM0 * PEAK_0_DBM0)).max(1e-12).log10()).max(-120.0)
}

/// The strongest frequency among multiples of 4 Hz from 200 to 3,400 Hz; `None` below −60 dBm0.
pub fn dominant(samples: &[i16]) -> Option<f64> {
    let mut best = (None, -60.0);
    for hz in (200..=3_400).step_by(4).map(f64::from) {
        let level = level_db(samples, hz);
        if level > best.1 {
            best = (Some(hz), level);
        }
    }
    best.0
}

/// True when `wanted` Hz is really there (above −40 dBm0) and at least `margin_db` above `other` Hz.
pub fn stands_above(samples: &[i16], wanted: f64, other: f64, margin_db: f64) -> bool {
    let level = level_db(samples, wanted);
    level > -40.0 && level - level_db(samples, other) >= margin_db
}

/// The samples of a PCM WAV file, one list for each channel, and its rate in Hz.
///
/// # Errors
///
/// When the file cannot be read or is not 16-bit PCM.
pub fn read_wav(path: &Path) -> io::Result<(Vec<Vec<i16>>, u32)> {
    let wrong = |e: hound::Error| io::Error::new(io::ErrorKind::InvalidData, e.to_string());
    let mut reader = hound::WavReader::open(path).map_err(wrong)?;
    let spec = reader.spec();
    if spec.bits_per_sample != 16 || spec.channels == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not 16-bit PCM"));
    }
    let mut channels = vec![Vec::new(); usize::from(spec.channels)];
    for (n, sample) in reader.samples::<i16>().enumerate() {
        let channel = n % channels.len();
        channels[channel].push(sample.map_err(wrong)?);
    }
    Ok((channels, spec.sample_rate))
}

/// Writes one channel of 8 kHz 16-bit PCM as WAV.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_wav(path: &Path, samples: &[i16]) -> io::Result<()> {
    let wrong = |e: hound::Error| io::Error::other(e.to_string());
    let spec =
        hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).map_err(wrong)?;
    for sample in samples {
        writer.write_sample(*sample).map_err(wrong)?;
    }
    writer.finalize().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G.711: every code word is the nearest to the value it stands for.
    #[test]
    fn every_code_word_reads_back_as_itself() {
        for code in 0..=255u8 {
            // µ-law has two zeros; both read as 0 and only one is written.
            if code != 0x7f {
                assert_eq!(encode_ulaw(decode_ulaw(code)), code);
            }
            assert_eq!(encode_alaw(decode_alaw(code)), code);
        }
        assert_eq!((decode_ulaw(0x80), decode_ulaw(0x00)), (32_124, -32_124));
        assert_eq!((decode_alaw(0xd5), decode_alaw(0x55), decode_alaw(0xaa)), (8, -8, 32_256));
    }

    #[test]
    fn a_tone_is_found_at_its_level_and_nowhere_else() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let heard: Vec<i16> = tone(1_004.0, -16.0, 2_000).iter().map(|s| codec.decode(codec.encode(*s))).collect();
            assert!((level_db(&heard, 1_004.0) + 16.0).abs() < 0.2, "{}", level_db(&heard, 1_004.0));
            assert!(level_db(&heard, 604.0) < -60.0);
            assert_eq!(dominant(&heard), Some(1_004.0));
            assert!(stands_above(&heard, 1_004.0, 604.0, 30.0));
            assert!(!stands_above(&heard, 604.0, 1_004.0, 30.0));
        }
        assert!(!stands_above(&vec![0; 8_000], 1_004.0, 604.0, 30.0), "silence is not a tone");
        assert_eq!(dominant(&[]), None);
    }

    #[test]
    fn a_wav_reads_back_as_written() {
        let path = std::env::temp_dir().join(format!("robot-audio-{}.wav", std::process::id()));
        let samples = tone(404.0, -10.0, 100);
        write_wav(&path, &samples).expect("write");
        assert_eq!(read_wav(&path).expect("read"), (vec![samples], 8_000));
        let _ = std::fs::remove_file(path);
    }
}
