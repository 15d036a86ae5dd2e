//! How loud a recording is: ITU-R BS.1770-5, integrated loudness of one channel.
//!
//! ```text
//! samples ──> shelf (+4 dB above 2 kHz) ──> high pass (38 Hz) ──> power of blocks of 400 ms, a new one every 100 ms
//!         ──> blocks over −70 LUFS ──> of these, blocks over their mean − 10 LU ──> their mean
//! ```
//!
//! The standard lists its two filters for 48 kHz; here they are made anew for any rate from the analogue filters
//! behind them, and are the listed ones at 48 kHz.

/// Least rate that is measured, in Hz: the shelf must lie below half of it.
pub const RATE_LEAST: u32 = 4_000;
/// Blocks quieter than this, in LUFS, are silence (BS.1770-5, annex 1).
const SILENCE: f64 = -70.0;
/// Blocks quieter than the mean by this, in LU, are pauses.
const PAUSE: f64 = -10.0;
/// Of the standard: makes a 997 Hz sine at full scale read −3.01.
const OFFSET: f64 = -0.691;
/// Steps of 100 ms in a block.
const STEPS: usize = 4;

/// Integrated loudness in LUFS of one channel at `rate_hz`; full scale is ±1.
///
/// A recording shorter than a block of 400 ms is measured as one block of its own length.
///
/// Returns `None` when it is silent from beginning to end, or recorded below [`RATE_LEAST`].
pub fn integrated(samples: &[f64], rate_hz: u32) -> Option<f64> {
    if rate_hz < RATE_LEAST || samples.is_empty() {
        return None;
    }
    let (mut shelf, mut high_pass) = (shelf(f64::from(rate_hz)), high_pass(f64::from(rate_hz)));
    let step = (rate_hz / 10) as usize;
    let mut weighted = |sample: &f64| high_pass.filter(shelf.filter(*sample)).powi(2);
    let steps: Vec<f64> = samples
        .chunks(step)
        .filter(|chunk| chunk.len() == step || samples.len() < step * STEPS)
        .map(|chunk| chunk.iter().map(&mut weighted).sum())
        .collect();
    let blocks: Vec<f64> = match steps.len() {
        _ if samples.len() < step * STEPS => vec![steps.iter().sum::<f64>() / samples.len() as f64],
        _ => steps.windows(STEPS).map(|block| block.iter().sum::<f64>() / (step * STEPS) as f64).collect(),
    };
    let audible = mean_over(&blocks, SILENCE)?;
    mean_over(&blocks, lufs(audible) + PAUSE).map(lufs)
}

/// Mean power of the blocks that are louder than `gate`.
fn mean_over(blocks: &[f64], gate: f64) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for power in blocks.iter().filter(|power| lufs(**power) > gate) {
        sum += power;
        count += 1;
    }
    (count > 0).then(|| sum / f64::from(count))
}

fn lufs(power: f64) -> f64 {
    OFFSET + 10.0 * power.log10()
}

/// A filter of second order.
struct Biquad {
    b: [f64; 3],
    a: [f64; 2],
    state: [f64; 2],
}

impl Biquad {
    fn filter(&mut self, input: f64) -> f64 {
        let ([b0, b1, b2], [a1, a2], [one, two]) = (self.b, self.a, self.state);
        let output = b0 * input + one;
        self.state = [b1 * input - a1 * output + two, b2 * input - a2 * output];
        output
    }
}

/// Stage 1: what the head does to sound.
fn shelf(rate_hz: f64) -> Biquad {
    const HZ: f64 = 1_681.974_450_955_533;
    const GAIN_DB: f64 = 3.999_843_853_973_347;
    const Q: f64 = 0.707_175_236_955_419_6;
    let k = (std::f64::consts::PI * HZ / rate_hz).tan();
    let high = 10_f64.powf(GAIN_DB / 20.0);
    let band = high.powf(0.499_666_774_154_541_6);
    let a0 = 1.0 + k / Q + k * k;
    Biquad {
        b: [(high + band * k / Q + k * k) / a0, 2.0 * (k * k - high) / a0, (high - band * k / Q + k * k) / a0],
        a: [2.0 * (k * k - 1.0) / a0, (1.0 - k / Q + k * k) / a0],
        state: [0.0; 2],
    }
}

/// Stage 2: what lies too low to be heard.
fn high_pass(rate_hz: f64) -> Biquad {
    const HZ: f64 = 38.135_470_876_024_44;
    const Q: f64 = 0.500_327_037_323_877_3;
    let k = (std::f64::consts::PI * HZ / rate_hz).tan();
    let a0 = 1.0 + k / Q + k * k;
    Biquad { b: [1.0, -2.0, 1.0], a: [2.0 * (k * k - 1.0) / a0, (1.0 - k / Q + k * k) / a0], state: [0.0; 2] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, dbfs: f64, seconds: f64, rate_hz: u32) -> Vec<f64> {
        let amplitude = 10_f64.powf(dbfs / 20.0);
        let count = (seconds * f64::from(rate_hz)) as u32;
        (0..count).map(|n| amplitude * (std::f64::consts::TAU * hz * f64::from(n) / f64::from(rate_hz)).sin()).collect()
    }

    fn reads(samples: &[f64], rate_hz: u32, expected: f64, within: f64) {
        let found = integrated(samples, rate_hz);
        assert!(found.is_some_and(|found| (found - expected).abs() <= within), "{found:?}, expected {expected}");
    }

    /// BS.1770-5, tables 1 and 2.
    #[test]
    fn the_filters_are_the_listed_ones_at_48_khz() {
        let (shelf, high_pass) = (shelf(48_000.0), high_pass(48_000.0));
        let found = [shelf.b.as_slice(), &shelf.a, &high_pass.b, &high_pass.a].concat();
        let listed = [
            1.53512485958697,
            -2.69169618940638,
            1.19839281085285,
            -1.69065929318241,
            0.73248077421585,
            1.0,
            -2.0,
            1.0,
            -1.99004745483398,
            0.99007225036621,
        ];
        for (found, listed) in found.iter().zip(listed) {
            assert!((found - listed).abs() < 1e-6, "{found} {listed}");
        }
    }

    /// BS.1770-5, annex 1: a 997 Hz sine at 0 dBFS in one channel reads −3.01 LUFS.
    #[test]
    fn a_sine_at_full_scale_reads_3_01_below() {
        reads(&tone(997.0, 0.0, 5.0, 48_000), 48_000, -3.01, 0.02);
        reads(&tone(997.0, -20.0, 5.0, 48_000), 48_000, -23.01, 0.02);
        for rate_hz in [8_000, 16_000, 22_050, 44_100] {
            reads(&tone(997.0, 0.0, 5.0, rate_hz), rate_hz, -3.01, 0.1);
        }
        reads(&tone(997.0, 0.0, 0.2, 48_000), 48_000, -3.01, 0.2);
    }

    /// At 100 Hz the two filters together take about 1.1 dB less than at 997 Hz, where they give 0.69.
    #[test]
    fn low_sounds_count_for_less_and_high_ones_for_more() {
        let at = |hz: f64| integrated(&tone(hz, -20.0, 2.0, 48_000), 48_000).unwrap_or_default();
        assert!((at(100.0) - (-23.01 - 1.8)).abs() < 0.2, "{}", at(100.0));
        assert!((at(8_000.0) - (-23.01 + 3.3)).abs() < 0.1, "{}", at(8_000.0));
    }

    /// EBU Tech 3341, case 3, for one channel: what is 13 dB quieter than the rest is a pause and does not count.
    #[test]
    fn pauses_and_silence_do_not_count() {
        let parts = [(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)];
        let signal = parts.map(|(dbfs, seconds)| tone(1_000.0, dbfs, seconds, 48_000)).concat();
        reads(&signal, 48_000, -26.0, 0.1);
        let spoken = [tone(1_000.0, -17.0, 4.0, 8_000), vec![0.0; 8_000 * 20]].concat();
        reads(&spoken, 8_000, -20.0, 0.2);
    }

    #[test]
    fn what_is_silent_or_recorded_too_low_has_no_loudness() {
        assert_eq!(integrated(&[0.0; 48_000], 48_000), None);
        assert_eq!(integrated(&tone(997.0, -80.0, 1.0, 8_000), 8_000), None);
        assert_eq!(integrated(&[], 8_000), None);
        assert_eq!(integrated(&[1.0; 100], 100), None);
    }
}
