//! WAV files as programs write them, to the 8 kHz mono that is played.
//!
//! Read leniently: who writes into a pipe cannot go back to fill in lengths, so the last chunk may end early.

use super::clip::SAMPLE_RATE;

/// Why bytes are no sound.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WaveError {
    /// No RIFF/WAVE header, or no format and samples behind it.
    #[error("it is no WAV file")]
    NotWave,
    /// Not 16-bit PCM of one or two channels at 4 to 192 kHz.
    #[error("it is not PCM of 16 bits with one or two channels")]
    Format,
}

/// Samples at 8 kHz, mono.
///
/// # Errors
///
/// See [`WaveError`].
pub fn read(bytes: &[u8]) -> Result<Vec<i16>, WaveError> {
    let mut rest = match (bytes.get(..4), bytes.get(8..12), bytes.get(12..)) {
        (Some(b"RIFF"), Some(b"WAVE"), Some(rest)) => rest,
        _ => return Err(WaveError::NotWave),
    };
    let mut format = None;
    loop {
        let (Some(name), Some(length)) = (rest.get(..4), little_u32(rest, 4)) else { return Err(WaveError::NotWave) };
        let body = rest.get(8..).unwrap_or_default();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        match (name, format) {
            (b"fmt ", _) => format = Some(body),
            (b"data", Some(format)) => return samples(format, body.get(..length).unwrap_or(body)),
            _ => {}
        }
        // Chunks begin at even places.
        rest = body.get(length.saturating_add(length % 2)..).ok_or(WaveError::NotWave)?;
    }
}

fn samples(format: &[u8], data: &[u8]) -> Result<Vec<i16>, WaveError> {
    let word = |at: usize| Some(u16::from_le_bytes(*format.get(at..)?.first_chunk()?));
    let (Some(coding), Some(channels), Some(rate), Some(bits)) = (word(0), word(2), little_u32(format, 4), word(14))
    else {
        return Err(WaveError::NotWave);
    };
    // 0xfffe: the extensible form, whose first sub-format of 16 bits is PCM too.
    if !matches!(coding, 1 | 0xfffe) || bits != 16 || !(1..=2).contains(&channels) || !(4_000..=192_000).contains(&rate)
    {
        return Err(WaveError::Format);
    }
    let frame = usize::from(channels) * 2;
    let mono: Vec<f64> = data
        .chunks_exact(frame)
        .map(|frame| {
            let all = frame.chunks_exact(2).filter_map(|sample| sample.first_chunk());
            all.map(|sample| f64::from(i16::from_le_bytes(*sample))).sum::<f64>() / f64::from(channels)
        })
        .collect();
    Ok(to_8khz(&mono, rate))
}

fn little_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A WAV file of 8 kHz mono samples.
pub fn write(samples: &[i16]) -> Vec<u8> {
    let length = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(samples.len() * 2 + 44);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&length.saturating_add(36).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend_from_slice(&SAMPLE_RATE.to_le_bytes());
    bytes.extend_from_slice(&(SAMPLE_RATE * 2).to_le_bytes());
    bytes.extend_from_slice(b"\x02\0\x10\0data");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

/// As [`resampled`], in 16 bits.
pub fn to_8khz(samples: &[f64], rate: u32) -> Vec<i16> {
    resampled(samples, rate).into_iter().map(clip16).collect()
}

/// To 8 kHz, from `rate` in Hz, by a windowed sinc: offline, so plain and exact. The places of samples between those of the
/// source repeat, and their weights are worked out once.
pub fn resampled(samples: &[f64], rate: u32) -> Vec<f64> {
    if rate == SAMPLE_RATE || rate == 0 {
        return samples.to_vec();
    }
    let step = f64::from(rate) / f64::from(SAMPLE_RATE);
    // Above half of the lower rate nothing may pass.
    let cutoff = (1.0 / step).min(1.0) * 0.95;
    let reach = (24.0 * step.max(1.0)).ceil() as usize;
    let weight = |x: f64| {
        let window = 0.5 + 0.5 * (std::f64::consts::PI * x / (reach as f64 + 1.0)).cos();
        let sinc = match (x * cutoff * std::f64::consts::PI).abs() {
            small if small < 1e-9 => 1.0,
            _ => (x * cutoff * std::f64::consts::PI).sin() / (x * cutoff * std::f64::consts::PI),
        };
        sinc * window * cutoff
    };
    let (rate, own) = (u64::from(rate), u64::from(SAMPLE_RATE));
    let phases = own / common_divisor(rate, own);
    let weights_of = |phase: u64| -> Vec<f64> {
        let past = (phase * rate % own) as f64 / own as f64;
        (0..=2 * reach).map(|tap| weight(tap as f64 - reach as f64 - past)).collect()
    };
    let weights: Vec<Vec<f64>> = (0..phases).map(weights_of).collect();
    let at = |n: u64| {
        let before = usize::try_from(n * rate / own).unwrap_or(usize::MAX);
        let weights = weights.get(usize::try_from(n % phases).unwrap_or(0)).map(Vec::as_slice).unwrap_or_default();
        let sample =
            |tap: usize| (before + tap).checked_sub(reach).and_then(|k| samples.get(k)).copied().unwrap_or(0.0);
        weights.iter().enumerate().map(|(tap, weight)| weight * sample(tap)).sum()
    };
    let length = samples.len() as u64 * own / rate;
    (0..length).map(at).collect()
}

fn common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one.max(1) } else { common_divisor(other, one % other) }
}

fn clip16(sample: f64) -> i16 {
    sample.round().clamp(-32_768.0, 32_767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch_and_what_the_telephone_cannot_carry_is_gone() {
        let tone = |hz: f64| -> Vec<f64> {
            (0..44_100).map(|n| (f64::from(n) * hz * std::f64::consts::TAU / 44_100.0).sin() * 0.5).collect()
        };
        let power = |samples: &[f64], hz: f64| {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, s) in samples.iter().enumerate() {
                let phase = n as f64 * hz * std::f64::consts::TAU / 8_000.0;
                re += s * phase.cos();
                im += s * phase.sin();
            }
            (re * re + im * im).sqrt() * 2.0 / samples.len() as f64
        };
        let low = resampled(&tone(1_000.0), 44_100);
        assert_eq!(low.len(), 8_000);
        assert!((power(low.get(1_000..7_000).unwrap(), 1_000.0) - 0.5).abs() < 0.005);
        let high = resampled(&tone(5_000.0), 44_100);
        assert!(power(high.get(1_000..7_000).unwrap(), 3_000.0) < 0.001, "no alias");
    }

    #[test]
    fn what_is_written_is_read_and_lengths_of_pipes_do_not_matter() {
        let sound: Vec<i16> = (0..400).map(|n| (n * 37 % 2_001 - 1_000) as i16).collect();
        let mut bytes = write(&sound);
        assert_eq!(read(&bytes), Ok(sound.clone()));
        assert_eq!(hound::WavReader::new(bytes.as_slice()).unwrap().samples::<i16>().count(), sound.len());
        // As espeak-ng writes into a pipe.
        bytes[4..8].copy_from_slice(&0x7fff_f024_u32.to_le_bytes());
        bytes[40..44].copy_from_slice(&0x7fff_f000_u32.to_le_bytes());
        assert_eq!(read(&bytes), Ok(sound));
    }

    #[test]
    fn what_is_no_sound_is_refused() {
        let mut bytes = write(&[1, 2, 3]);
        for cut in 0..44 {
            assert!(read(&bytes[..cut]).is_err(), "{cut} bytes");
        }
        bytes[34] = 8;
        assert_eq!(read(&bytes), Err(WaveError::Format));
        assert_eq!(read(b"<html>sorry, no voice today, come back later</html>"), Err(WaveError::NotWave));
    }
}
