//! A speaker's recording becomes a prompt: cut, levelled, and brought to the rate that callers hear.
//!
//! ```text
//!   any rate ──resample──> 8 kHz ──trim──> 50 ms · speech · 100 ms ──level──> −19 LUFS, true peak ≤ −1 dBTP
//! ```
//!
//! All is measured after resampling: what the telephone takes away is not counted. Pure.

use std::ops::Range;

use super::clip::SAMPLE_RATE;
use super::loudness::{envelope, loudness, peak};
use super::wave::resampled;

/// How loud a prompt is, in LUFS.
pub const TARGET_LUFS: f64 = -19.0;
/// How far it may be off.
pub const TOLERANCE_LU: f64 = 2.0;
/// Levels that callers do not notice as too quiet or too loud beside the others.
pub const LEVELS_LUFS: std::ops::RangeInclusive<f64> = -23.0..=-16.0;
/// Its highest point, in dBTP.
pub const PEAK_DBTP: f64 = -1.0;
/// Longest prompt, in ms.
pub const LONGEST_MS: u64 = 60_000;
/// Lowest and highest rate that is taken, in Hz.
pub const RATES: Range<u32> = 8_000..48_001;
/// Recordings below are too quiet: raised that far, one hears the room.
pub const QUIETEST_LUFS: f64 = -45.0;
/// Silence kept before the speech and after it, in ms.
const KEPT_MS: [usize; 2] = [50, 100];
/// So many samples in a row at full scale were cut off by the recorder.
const CLIPPED_RUN: usize = 3;
/// So many such places may be: a click, not speech.
const CLIPPED_PLACES: usize = 2;
/// The limiter looks so far ahead and back, in ms.
const LIMIT_MS: usize = 5;
/// Frames by which speech is told from silence, in ms.
const FRAME_MS: usize = 10;

/// What is wrong with a recording.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PromptFault {
    /// The rate is outside [`RATES`].
    #[error("{0} Hz: record with 8,000 to 48,000")]
    Rate(u32),
    /// Nothing is said.
    #[error("nothing is said in it")]
    Silent,
    /// The recorder cut the tops off.
    #[error("clipped at {0} places: record it again with less gain")]
    Clipped(usize),
    /// Below [`QUIETEST_LUFS`].
    #[error("too quiet ({0:.1} LUFS): record it again, closer to the microphone")]
    Quiet(f64),
    /// Longer than [`LONGEST_MS`] without its silence.
    #[error("{0:.1} s long: a prompt has at most 60 s")]
    Long(f64),
}

/// A prompt, ready to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Mastered {
    /// 8 kHz, mono.
    pub samples: Vec<i16>,
    /// How loud the recording was, in LUFS.
    pub was_lufs: f64,
    /// How loud it is.
    pub lufs: f64,
    /// Its highest point, in dBTP.
    pub peak_dbtp: f64,
    /// Silence cut off at both ends, in ms.
    pub trimmed_ms: u64,
}

impl Mastered {
    /// Its length in ms.
    pub fn length_ms(&self) -> u64 {
        ms(self.samples.len())
    }
}

/// Makes a prompt of a recording: mono samples with full scale 1.0, at `rate` Hz.
///
/// # Errors
///
/// A [`PromptFault`]: always the recording's, which must be made again.
pub fn master(recording: &[f32], rate: u32) -> Result<Mastered, PromptFault> {
    if !RATES.contains(&rate) {
        return Err(PromptFault::Rate(rate));
    }
    let clipped = clipped(recording);
    if clipped > CLIPPED_PLACES {
        return Err(PromptFault::Clipped(clipped));
    }
    let recording: Vec<f64> = recording.iter().map(|sample| f64::from(*sample)).collect();
    let heard: Vec<f32> = resampled(&recording, rate).into_iter().map(|sample| sample as f32).collect();
    let spoken = speech(&heard).and_then(|range| heard.get(range)).ok_or(PromptFault::Silent)?;
    let was_lufs = loudness(spoken, SAMPLE_RATE).ok_or(PromptFault::Silent)?;
    if was_lufs < QUIETEST_LUFS {
        return Err(PromptFault::Quiet(was_lufs));
    }
    if ms(spoken.len()) > LONGEST_MS {
        return Err(PromptFault::Long(ms(spoken.len()) as f64 / 1_000.0));
    }
    let mut levelled = level(spoken, was_lufs);
    fade(&mut levelled);
    let samples: Vec<i16> = levelled.iter().map(|s| (s * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16).collect();
    let lufs = loudness(&levelled, SAMPLE_RATE).ok_or(PromptFault::Silent)?;
    Ok(Mastered { trimmed_ms: ms(heard.len() - spoken.len()), peak_dbtp: peak(&levelled), samples, was_lufs, lufs })
}

/// Places where the recorder cut the tops off.
pub fn clipped(samples: &[f32]) -> usize {
    let (mut places, mut run) = (0, 0);
    for sample in samples {
        run = if sample.abs() >= 0.999 { run + 1 } else { 0 };
        places += usize::from(run == CLIPPED_RUN);
    }
    places
}

/// Where somebody speaks, with a little silence at both ends; `None` when nobody does.
fn speech(samples: &[f32]) -> Option<Range<usize>> {
    let frame = SAMPLE_RATE as usize * FRAME_MS / 1_000;
    let level = |piece: &[f32]| {
        let power = piece.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / piece.len().max(1) as f64;
        10.0 * power.max(1e-12).log10()
    };
    let levels: Vec<f64> = samples.chunks(frame).map(level).collect();
    let mut sorted = levels.clone();
    sorted.sort_by(f64::total_cmp);
    let at = |part: f64| sorted.get((sorted.len() as f64 * part) as usize).copied();
    let (loud, quiet) = (at(0.95)?, at(0.1)?);
    if loud < -70.0 {
        return None;
    }
    // In a noisy room what is a little above the noise is speech; where speech fills all there is no noise to be seen.
    let floor = (loud - 35.0).max((quiet + 6.0).min(loud - 28.0));
    let first = levels.iter().position(|level| *level > floor)?;
    let last = levels.iter().rposition(|level| *level > floor)?;
    let [before, after] = KEPT_MS.map(|ms| ms * SAMPLE_RATE as usize / 1_000);
    Some((first * frame).saturating_sub(before)..((last + 1) * frame + after).min(samples.len()))
}

/// Brings speech to the level of prompts; where its peaks are too high for that they are held down.
fn level(spoken: &[f32], lufs: f64) -> Vec<f32> {
    let mut gain_db = TARGET_LUFS - lufs;
    let mut levelled = limited(spoken, gain_db);
    // What was held down makes it quieter: twice is enough.
    for _again in 0..2 {
        let Some(now) = loudness(&levelled, SAMPLE_RATE) else { break };
        if now > TARGET_LUFS - TOLERANCE_LU / 4.0 {
            break;
        }
        gain_db += TARGET_LUFS - now;
        levelled = limited(spoken, gain_db);
    }
    levelled
}

/// The samples with a gain, and with less of it around peaks that would be too high.
fn limited(samples: &[f32], gain_db: f64) -> Vec<f32> {
    let gain = 10f64.powf(gain_db / 20.0);
    // The rounding to 16 bits and the next measuring may find a little more.
    let ceiling = 10f64.powf((PEAK_DBTP - 0.1) / 20.0);
    let needed: Vec<f64> = envelope(samples).iter().map(|high| (ceiling / (high * gain).max(1e-9)).min(1.0)).collect();
    let width = SAMPLE_RATE as usize * LIMIT_MS / 1_000;
    let around = |values: &[f64], at: usize| {
        let piece = values.get(at.saturating_sub(width)..(at + width + 1).min(values.len())).unwrap_or_default();
        (piece.iter().copied().fold(1.0, f64::min), piece.iter().sum::<f64>() / piece.len().max(1) as f64)
    };
    // The least of what is near, then its mean: never more than what is needed, and no corner that is heard.
    let least: Vec<f64> = (0..needed.len()).map(|at| around(&needed, at).0).collect();
    let held = |(at, sample): (usize, &f32)| (f64::from(*sample) * gain * around(&least, at).1) as f32;
    samples.iter().enumerate().map(held).collect()
}

/// No click at either end.
fn fade(samples: &mut [f32]) {
    let length = (SAMPLE_RATE as usize * 5 / 1_000).min(samples.len() / 2);
    for at in 0..length {
        let part = at as f32 / length as f32;
        let end = samples.len() - 1 - at;
        for place in [at, end] {
            if let Some(sample) = samples.get_mut(place) {
                *sample *= part;
            }
        }
    }
}

fn ms(samples: usize) -> u64 {
    samples as u64 * 1_000 / u64::from(SAMPLE_RATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Like speech: tones that swell four times a second, with silence at both ends and a little noise.
    fn speech_like(rate: u32, dbfs: f64, silence_ms: [u32; 2], spoken_ms: u32) -> Vec<f32> {
        let peak = 10f64.powf(dbfs / 20.0);
        let at = |ms: u32| (u64::from(ms) * u64::from(rate) / 1_000) as usize;
        let (before, spoken) = (at(silence_ms[0]), at(spoken_ms));
        let total = before + spoken + at(silence_ms[1]);
        let mut noise = 1u32;
        (0..total)
            .map(|n| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let hiss = (f64::from(noise >> 16) / 65_536.0 - 0.5) * peak * 0.003;
                let t = n as f64 / f64::from(rate);
                let voice = match n.checked_sub(before).filter(|n| *n < spoken) {
                    Some(n) => {
                        let swell = (std::f64::consts::PI * 4.0 * n as f64 / f64::from(rate)).sin().abs();
                        let tone = |hz: f64| (std::f64::consts::TAU * hz * t).sin();
                        peak * swell * (0.5 * tone(180.0) + 0.3 * tone(900.0) + 0.2 * tone(2_300.0))
                    }
                    None => 0.0,
                };
                (voice + hiss) as f32
            })
            .collect()
    }

    /// Any rate and any level a speaker may deliver: the same prompt comes out.
    #[test]
    fn recordings_come_out_at_one_level_and_without_silence() {
        for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000] {
            for dbfs in [-1.0, -12.0, -30.0] {
                let done = master(&speech_like(rate, dbfs, [900, 1_400], 2_000), rate).unwrap();
                let what = format!(
                    "{rate} Hz at {dbfs} dBFS: {:.2} LUFS, {:.2} dBTP, {} ms",
                    done.lufs,
                    done.peak_dbtp,
                    done.length_ms()
                );
                assert!((done.lufs - TARGET_LUFS).abs() < TOLERANCE_LU, "{what}");
                assert!(done.peak_dbtp <= PEAK_DBTP, "{what}");
                assert!((2_080..=2_170).contains(&done.length_ms()), "{what}");
                assert!((2_100..=2_230).contains(&done.trimmed_ms), "{what}");
            }
        }
    }

    /// A recording whose peaks stand 24 dB above its loudness is held down at the peaks and nowhere else.
    #[test]
    fn peaks_are_held_down_where_the_level_needs_it() {
        let mut recording = speech_like(8_000, -20.0, [100, 100], 3_000);
        for n in (1_000..20_000).step_by(2_500) {
            for (k, sample) in recording.iter_mut().skip(n).take(12).enumerate() {
                *sample = 0.9 * if k % 2 == 0 { 1.0 } else { -1.0 };
            }
        }
        let done = master(&recording, 8_000).unwrap();
        assert!(done.peak_dbtp <= PEAK_DBTP, "{:.2}", done.peak_dbtp);
        assert!((done.lufs - TARGET_LUFS).abs() < TOLERANCE_LU, "{:.2}", done.lufs);
    }

    #[test]
    fn what_a_speaker_must_record_again_is_told() {
        let spoken = |dbfs: f64| speech_like(16_000, dbfs, [200, 200], 1_000);
        assert_eq!(master(&spoken(-3.0), 96_000), Err(PromptFault::Rate(96_000)));
        assert_eq!(master(&[], 16_000), Err(PromptFault::Silent));
        assert_eq!(master(&[0.0; 16_000], 16_000), Err(PromptFault::Silent));
        assert!(matches!(master(&spoken(-50.0), 16_000), Err(PromptFault::Quiet(_))));
        let cut: Vec<f32> = spoken(0.0).iter().map(|s| (s * 8.0).clamp(-1.0, 1.0)).collect();
        assert!(matches!(master(&cut, 16_000), Err(PromptFault::Clipped(places)) if places > 100));
        let long = speech_like(8_000, -10.0, [100, 100], 61_000);
        assert!(matches!(master(&long, 8_000), Err(PromptFault::Long(_))));
        assert!(master(&speech_like(8_000, -10.0, [100, 100], 300), 8_000).is_ok(), "a single word");
    }
}
