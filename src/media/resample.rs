//! Between rates of sound: a polyphase FIR filter of our own, for whole factors.
//!
//! The prototype is a windowed sinc (Kaiser, stop band below −60 dB) at the higher of the two rates; each output sample
//! costs as many products as one phase has taps, done for many samples at once. State goes on from one call to the next, so that the length of the
//! pieces does not matter. 2.5 ms of delay at 8 kHz.

/// Turns a stream at one rate into one at another.
#[derive(Debug)]
pub struct Resampler {
    /// Output samples for each `down` input samples.
    up: usize,
    down: usize,
    /// By phase: `up` rows of [`Resampler::taps`] coefficients, the newest sample's first.
    filter: Vec<f32>,
    /// The latest input, oldest first, then room for what comes.
    history: Vec<f32>,
    /// Samples to come before the next one that an output sample ends at; only where there are fewer of these.
    skip: usize,
    taps: usize,
}

/// How much later than it went in, sound comes out, in samples of the lower rate.
pub const DELAY: u64 = HALF as u64;
/// Input samples taken at once.
const PIECE: usize = 320;
/// Of these and what was before them, for one of two lanes or more.
const LANE: usize = PIECE / 2 + 2 * HALF + 1;
/// Sums that are made at once.
const BLOCK: usize = 32;
/// Half the length of the prototype, in samples of the lower rate.
const HALF: usize = 20;
/// Of the Kaiser window: −65 dB.
const BETA: f64 = 6.2;
/// Where the pass band ends, of half the lower rate.
const EDGE: f64 = 0.97;

impl Resampler {
    /// From and to, in Hz: one must be a whole multiple of the other.
    pub fn new(from_hz: u32, to_hz: u32) -> Option<Self> {
        if from_hz == 0 || to_hz == 0 || !(from_hz.is_multiple_of(to_hz) || to_hz.is_multiple_of(from_hz)) {
            return None;
        }
        let (up, down) = (to_hz.div_ceil(from_hz) as usize, from_hz.div_ceil(to_hz) as usize);
        let factor = up.max(down);
        let taps = 2 * HALF * factor / up;
        let length = taps * up;
        let centre = (length - 1) as f64 / 2.0;
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) };
        let edge = EDGE / factor as f64;
        let prototype: Vec<f64> = (0..length)
            .map(|n| {
                let off = n as f64 - centre;
                let window = bessel(BETA * (1.0 - (off / (centre + 0.5)).powi(2)).max(0.0).sqrt()) / bessel(BETA);
                edge * sinc(off * edge) * window
            })
            .collect();
        // Each phase has a gain of one by itself: no ripple at 0 Hz.
        let mut filter = vec![0.0; length];
        for (phase, row) in filter.chunks_mut(taps).enumerate() {
            let own = || prototype.iter().skip(phase).step_by(up);
            let gain: f64 = own().sum();
            row.iter_mut().zip(own()).for_each(|(tap, value)| *tap = (value / gain) as f32);
            row.reverse();
        }
        Some(Self { up, down, filter, history: vec![0.0; taps - 1 + PIECE], skip: 0, taps })
    }

    /// Takes samples, writes what follows from them into `out` and returns how many that are; they must fit.
    pub fn process(&mut self, input: &[i16], out: &mut [i16]) -> usize {
        let mut written = 0;
        for piece in input.chunks(PIECE) {
            let place = self.history.iter_mut().skip(self.taps - 1);
            place.zip(piece).for_each(|(place, sample)| *place = f32::from(*sample));
            let out = out.get_mut(written..).unwrap_or_default();
            written += if self.down == 1 { self.more(piece.len(), out) } else { self.fewer(piece.len(), out) };
            self.history.copy_within(piece.len()..piece.len() + self.taps - 1, 0);
        }
        written
    }

    /// `up` samples for each of `count` that came: one phase after the other, all samples of it at once.
    fn more(&mut self, count: usize, out: &mut [i16]) -> usize {
        for (phase, row) in self.filter.chunks(self.taps).enumerate() {
            let mut sums = [0.0f32; PIECE];
            filter(&mut sums, row.iter(), &self.history, count);
            let places = out.iter_mut().skip(phase).step_by(self.up);
            places.zip(sums.iter().take(count)).for_each(|(place, sum)| *place = nearest(*sum));
        }
        (count * self.up).min(out.len())
    }

    /// One sample for `down` that came: the input is dealt out in `down` lanes, so that neighbours lie side by side.
    fn fewer(&mut self, count: usize, out: &mut [i16]) -> usize {
        let samples = count.saturating_sub(self.skip).div_ceil(self.down);
        let mut sums = [0.0f32; PIECE];
        for lane in 0..self.down {
            let mut dealt = [0.0f32; LANE];
            let input = self.history.iter().skip(self.skip + lane).step_by(self.down);
            dealt.iter_mut().zip(input).for_each(|(place, sample)| *place = *sample);
            filter(&mut sums, self.filter.iter().skip(lane).step_by(self.down), &dealt, samples);
        }
        let places = out.iter_mut().zip(sums.iter().take(samples));
        places.for_each(|(place, sum)| *place = nearest(*sum));
        self.skip = self.skip + samples * self.down - count;
        samples.min(out.len())
    }
}

/// Rounded, without a call of the mathematics library for each sample.
fn nearest(sum: f32) -> i16 {
    (sum + 0.5f32.copysign(sum)) as i16
}

/// Adds to each of `count` sums the products of all taps with the samples from its own place on, a block of sums at once:
/// these stay in registers meanwhile. The last block is made whole, of what lies behind: nobody takes those sums.
fn filter<'a>(sums: &mut [f32; PIECE], taps: impl Iterator<Item = &'a f32> + Clone, samples: &[f32], count: usize) {
    let (blocks, _) = sums.as_chunks_mut::<BLOCK>();
    for (n, sums) in blocks.iter_mut().take(count.div_ceil(BLOCK)).enumerate() {
        let mut own = *sums;
        for (at, tap) in taps.clone().enumerate() {
            let here = samples.get(n * BLOCK + at..).and_then(|samples| samples.first_chunk::<BLOCK>());
            let Some(here) = here else { break };
            own.iter_mut().zip(here).for_each(|(sum, sample)| *sum += tap * sample);
        }
        *sums = own;
    }
}

/// Modified Bessel function of the first kind and order 0.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for n in 1..32 {
        term *= (x / (2.0 * f64::from(n))).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hz: f64, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|n| (10_000.0 * (std::f64::consts::TAU * hz * n as f64 / f64::from(rate)).sin()) as i16)
            .collect()
    }

    /// The level of one frequency beside 10,000, in dB.
    fn level(sound: &[i16], rate: u32, hz: f64) -> f64 {
        let step = std::f64::consts::TAU * hz / f64::from(rate);
        let (re, im) = sound.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, s)| {
            (re + f64::from(*s) * (step * n as f64).cos(), im + f64::from(*s) * (step * n as f64).sin())
        });
        20.0 * (2.0 * f64::hypot(re, im) / sound.len() as f64 / 10_000.0).max(1e-6).log10()
    }

    const RATES: [(u32, u32); 6] =
        [(8_000, 16_000), (16_000, 8_000), (8_000, 48_000), (48_000, 8_000), (16_000, 48_000), (48_000, 16_000)];

    #[test]
    fn a_tone_keeps_its_level_and_has_no_image() {
        for (from, to) in RATES {
            for hz in [200.0, 1_000.0, 3_400.0] {
                let mut resampler = Resampler::new(from, to).unwrap();
                let input = tone(from, hz, from as usize);
                let mut out = vec![0; to as usize];
                assert_eq!(resampler.process(&input, &mut out), to as usize, "{from} to {to}");
                let out = &out[to as usize / 10..];
                let own = level(out, to, hz);
                assert!(own.abs() < 0.3, "{from} to {to}: {hz} Hz has {own:.2} dB");
                let image = f64::from(from.min(to)) - hz;
                if image < f64::from(to) / 2.0 {
                    let image_db = level(out, to, image);
                    assert!(image_db < -50.0, "{from} to {to}: the image of {hz} Hz has {image_db:.1} dB");
                }
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_gone() {
        let mut resampler = Resampler::new(16_000, 8_000).unwrap();
        let mut out = vec![0; 8_000];
        resampler.process(&tone(16_000, 5_000.0, 16_000), &mut out);
        assert!(level(&out[800..], 8_000, 3_000.0) < -50.0);
    }

    #[test]
    fn the_length_of_the_pieces_does_not_matter() {
        for (from, to) in RATES {
            let input = tone(from, 700.0, 4_800);
            let mut whole = vec![0; 4_800 * 6];
            let count = Resampler::new(from, to).unwrap().process(&input, &mut whole);
            let mut resampler = Resampler::new(from, to).unwrap();
            let mut pieces = Vec::new();
            for piece in input.chunks(37) {
                let mut out = [0; 37 * 6];
                let count = resampler.process(piece, &mut out);
                pieces.extend_from_slice(&out[..count]);
            }
            assert_eq!(pieces, whole[..count], "{from} to {to}");
        }
    }

    #[test]
    fn only_whole_factors_are_taken() {
        assert!(Resampler::new(44_100, 8_000).is_none() && Resampler::new(0, 8_000).is_none());
    }
}
