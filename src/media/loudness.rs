//! How loud sound is to the ear, and how high its true peak is: ITU-R BS.1770-5.
//!
//! ```text
//!   samples -> K-weighting (a shelf for the head, a high-pass) -> blocks of 400 ms every 100 ms -> gates -> LUFS
//! ```
//!
//! One channel only: what callers hear is mono. Pure; the filters are made for any rate.

/// Length of a block.
const BLOCK_MS: usize = 400;
/// From one block to the next.
const HOP_MS: usize = 100;
/// Quieter blocks are silence.
const ABSOLUTE_GATE: f64 = -70.0;
/// Blocks so far below all that is not silence do not count.
const RELATIVE_GATE: f64 = -10.0;
/// Between the power of the weighted signal and LUFS.
const OFFSET: f64 = -0.691;
/// Points looked at for each sample in search of the true peak.
const PHASES: usize = 4;
/// Samples to each side that shape such a point.
const REACH: usize = 12;

/// The integrated loudness of mono samples (full scale = 1.0) in LUFS.
///
/// `rate` is in Hz. `None` when all is silence (below −70 LUFS), or there is nothing. Sound shorter than a block of 400 ms,
/// as a single spoken word, is judged as one block of its own length: the standard says nothing of it.
pub fn loudness(samples: &[f32], rate: u32) -> Option<f64> {
    if samples.is_empty() || rate == 0 {
        return None;
    }
    let weighted = weighted(samples, f64::from(rate));
    let rate = rate as usize;
    let (block, hop) = ((rate * BLOCK_MS / 1_000).clamp(1, weighted.len()), (rate * HOP_MS / 1_000).max(1));
    let powers: Vec<f64> = (0..)
        .map_while(|n: usize| weighted.get(n * hop..n * hop + block))
        .map(|piece| piece.iter().map(|s| s * s).sum::<f64>() / block as f64)
        .collect();
    let loud = gated(&powers, ABSOLUTE_GATE)?;
    gated(&powers, level(loud) + RELATIVE_GATE).map(level)
}

/// The highest point of the sound between samples too, in dB below full scale (dBTP); `−∞` for silence.
pub fn peak(samples: &[f32]) -> f64 {
    20.0 * envelope(samples).into_iter().fold(0.0, f64::max).log10()
}

/// For each sample the highest point from halfway after the one before to halfway before the next, without sign.
pub fn envelope(samples: &[f32]) -> Vec<f64> {
    let taps: Vec<Vec<f64>> = (1..PHASES).map(|phase| between(phase as f64 / PHASES as f64)).collect();
    let highest = |at: usize| {
        let own = samples.get(at).map_or(0.0, |s| f64::from(*s).abs());
        // Points after this sample up to the half, and after the one before it from the half on.
        let points = (1..PHASES).map(|phase| (phase, if 2 * phase <= PHASES { Some(at) } else { at.checked_sub(1) }));
        let heights = points.filter_map(|(phase, base)| Some(point(samples, base?, taps.get(phase - 1)?).abs()));
        heights.fold(own, f64::max)
    };
    (0..samples.len()).map(highest).collect()
}

/// The value at a place after sample `base`.
fn point(samples: &[f32], base: usize, taps: &[f64]) -> f64 {
    let sample = |tap: usize| (base + tap + 1).checked_sub(REACH).and_then(|at| samples.get(at));
    taps.iter().enumerate().map(|(tap, weight)| weight * sample(tap).map_or(0.0, |s| f64::from(*s))).sum()
}

/// The weights of `2 · REACH` samples around a point `part` of the way from one to the next: a windowed sinc.
fn between(part: f64) -> Vec<f64> {
    let weight = |tap: usize| {
        let x = tap as f64 - (REACH as f64 - 1.0) - part;
        let sinc = (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x);
        sinc * (0.5 + 0.5 * (std::f64::consts::PI * x / (REACH as f64 + 0.5)).cos())
    };
    (0..2 * REACH).map(weight).collect()
}

/// The mean power of those above a level; `None` when there are none.
fn gated(powers: &[f64], gate: f64) -> Option<f64> {
    let loud: Vec<f64> = powers.iter().copied().filter(|power| level(*power) > gate).collect();
    (!loud.is_empty()).then(|| loud.iter().sum::<f64>() / loud.len() as f64)
}

fn level(power: f64) -> f64 {
    OFFSET + 10.0 * power.log10()
}

/// The signal as the ear weighs it: BS.1770 annex 1, with the analogue prototype of its two filters.
fn weighted(samples: &[f32], rate: f64) -> Vec<f64> {
    let (shelf, high_pass) = (shelf(rate), high_pass(rate));
    let mut states = [[0.0; 2]; 2];
    let through = |sample: &f32| {
        [&shelf, &high_pass]
            .into_iter()
            .zip(&mut states)
            .fold(f64::from(*sample), |x, (filter, state)| filter.step(x, state))
    };
    samples.iter().map(through).collect()
}

/// A filter of second order.
struct Biquad {
    b: [f64; 3],
    a: [f64; 2],
}

impl Biquad {
    /// One sample, in transposed direct form II.
    fn step(&self, x: f64, [first, second]: &mut [f64; 2]) -> f64 {
        let ([b0, b1, b2], [a1, a2]) = (self.b, self.a);
        let y = b0 * x + *first;
        *first = b1 * x - a1 * y + *second;
        *second = b2 * x - a2 * y;
        y
    }
}

/// What a head does to sound: 4 dB more above 1.7 kHz.
fn shelf(rate: f64) -> Biquad {
    let (hz, gain_db, q) = (1_681.974_450_955_533, 3.999_843_853_973_347, 0.707_175_236_955_419_6);
    let k = (std::f64::consts::PI * hz / rate).tan();
    let high = 10f64.powf(gain_db / 20.0);
    let band = high.powf(0.499_666_774_154_541_6);
    let a0 = 1.0 + k / q + k * k;
    Biquad {
        b: [(high + band * k / q + k * k) / a0, 2.0 * (k * k - high) / a0, (high - band * k / q + k * k) / a0],
        a: [2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0],
    }
}

/// What is below hearing does not count.
fn high_pass(rate: f64) -> Biquad {
    let (hz, q) = (38.135_470_876_024_44, 0.500_327_037_323_877_3);
    let k = (std::f64::consts::PI * hz / rate).tan();
    let a0 = 1.0 + k / q + k * k;
    Biquad { b: [1.0, -2.0, 1.0], a: [2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hz: f64, dbfs: f64, seconds: f64) -> Vec<f32> {
        let amplitude = 10f64.powf(dbfs / 20.0);
        let step = std::f64::consts::TAU * hz / f64::from(rate);
        (0..(f64::from(rate) * seconds) as usize).map(|n| (amplitude * (step * n as f64).sin()) as f32).collect()
    }

    /// BS.1770-5 annex 1: a sine of 997 Hz at full scale in one channel is −3.01 LKFS.
    #[test]
    fn a_sine_of_full_scale_is_3_lufs_below_zero_at_every_rate() {
        for rate in [8_000, 16_000, 44_100, 48_000] {
            let measured = loudness(&tone(rate, 997.0, 0.0, 5.0), rate).unwrap();
            assert!((measured + 3.01).abs() < 0.1, "{rate} Hz: {measured:.2}");
        }
    }

    /// EBU Tech 3341, cases 1 to 3, for one channel: 3 dB less than in two.
    #[test]
    fn what_is_much_quieter_than_the_rest_does_not_count() {
        let steady = loudness(&tone(48_000, 1_000.0, -23.0, 20.0), 48_000).unwrap();
        assert!((steady + 26.0).abs() < 0.1, "{steady:.2}");
        let parts = [
            tone(48_000, 1_000.0, -36.0, 10.0),
            tone(48_000, 1_000.0, -23.0, 60.0),
            tone(48_000, 1_000.0, -36.0, 10.0),
        ];
        let gated = loudness(&parts.concat(), 48_000).unwrap();
        assert!((gated + 26.0).abs() < 0.1, "{gated:.2}");
    }

    /// BS.1770-5 annex 1, figure 4: 100 Hz is about 1 dB below, 4 kHz about 4 dB above what it is at 1 kHz less 0.7.
    #[test]
    fn low_tones_count_less_and_high_ones_more() {
        let at = |hz: f64| loudness(&tone(48_000, hz, -20.0, 3.0), 48_000).unwrap();
        assert!((at(100.0) - at(997.0) + 1.8).abs() < 0.3, "{:.2}", at(100.0) - at(997.0));
        assert!((at(4_000.0) - at(997.0) - 3.1).abs() < 0.4, "{:.2}", at(4_000.0) - at(997.0));
        assert!(at(20.0) < at(997.0) - 10.0);
    }

    #[test]
    fn silence_has_no_loudness_and_a_word_has() {
        assert_eq!(loudness(&[], 8_000), None);
        assert_eq!(loudness(&[0.0; 8_000], 8_000), None);
        assert_eq!(loudness(&[0.5; 100], 0), None);
        assert_eq!(peak(&[0.0; 10]), f64::NEG_INFINITY);
        let word = loudness(&tone(8_000, 997.0, -20.0, 0.2), 8_000).unwrap();
        assert!((word + 23.0).abs() < 0.3, "{word:.2}");
    }

    /// BS.1770-5 annex 2: a tone of a quarter of the rate, 45° off, has its peaks between the samples, 3 dB above them.
    #[test]
    fn the_true_peak_lies_between_samples() {
        let samples: Vec<f32> = (0..4_000)
            .map(|n| (std::f64::consts::FRAC_PI_2 * f64::from(n) + std::f64::consts::FRAC_PI_4).sin() as f32 * 0.5)
            .collect();
        let highest = samples.iter().fold(0f32, |high, s| high.max(s.abs()));
        assert!((f64::from(highest) - 0.5 * 0.5f64.sqrt()).abs() < 1e-3);
        let measured = peak(samples.get(500..3_500).unwrap());
        assert!((measured + 6.02).abs() < 0.4, "{measured:.2}");
        let plain = peak(&tone(8_000, 440.0, -6.0, 1.0));
        assert!((plain + 6.0).abs() < 0.2, "{plain:.2}");
    }
}
