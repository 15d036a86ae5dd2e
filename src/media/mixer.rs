//! Several voices as one: their sum, without one's own, that never goes over full scale.
//!
//! One [`Mix`] takes all voices of a moment; each who hears it has a [`Limiter`], which knows how loud the last moment
//! was. Sums are exact. As long as a sum fits 16 bits it is passed on bit by bit; where it does not, the gain
//! goes down before the peak comes and rises again within some 20 ms, so that nothing wraps, and only a peak in the first
//! 2.5 ms of a frame is cut, once, by a gain that falls with it and not by a step.

/// The most samples of a frame: 20 ms at 48 kHz.
pub const FRAME_MOST: usize = 960;

/// The voices of one moment, all at one rate.
///
/// It has room for sums of 65,536 voices.
#[derive(Debug)]
pub struct Mix {
    sum: [i32; FRAME_MOST],
    samples: usize,
}

impl Default for Mix {
    fn default() -> Self {
        Self { sum: [0; FRAME_MOST], samples: 0 }
    }
}

impl Mix {
    /// Begins a frame of so many samples, at most [`FRAME_MOST`], with silence.
    pub fn begin(&mut self, samples: usize) {
        self.samples = samples.min(FRAME_MOST);
        self.sum.iter_mut().take(self.samples).for_each(|sum| *sum = 0);
    }

    /// Adds a voice; what is longer than the frame is left out, what is shorter ends in silence.
    pub fn add(&mut self, voice: &[i16]) {
        let sums = self.sum.iter_mut().take(self.samples);
        sums.zip(voice).for_each(|(sum, sample)| *sum = sum.wrapping_add(i32::from(*sample)));
    }

    /// What one hears: all voices but `own`, which was added before, or is empty for one who only hears.
    ///
    /// `limiter` is the hearer's, and is given every frame that he hears, in order. Returns the samples written, the
    /// frame's or `out`'s, whichever are fewer.
    pub fn hear(&self, own: &[i16], limiter: &mut Limiter, out: &mut [i16]) -> usize {
        let count = self.samples.min(out.len());
        let Some(sums) = self.sum.get(..count) else { return 0 };
        if own.is_empty() {
            limiter.limit(sums, out);
            return count;
        }
        let mut heard = [0; FRAME_MOST];
        let Some(heard) = heard.get_mut(..count) else { return 0 };
        heard.copy_from_slice(sums);
        heard.iter_mut().zip(own).for_each(|(sum, sample)| *sum = sum.wrapping_sub(i32::from(*sample)));
        limiter.limit(heard, out);
        count
    }
}

/// Keeps the level of one hearer's sound within 16 bits.
#[derive(Clone, Debug)]
pub struct Limiter {
    /// At the end of the last frame.
    gain: f32,
    /// Samples of 2.5 ms: the gain is a straight line within these.
    block: usize,
}

/// The loudest sample.
const FULL: f32 = 32_767.0;
/// The share of the way back to 1 that the gain goes in 2.5 ms: 20 ms is its time constant.
const RELEASE: f32 = 0.117_5;
/// So near to 1 it is 1.
const WHOLE: f32 = 0.999;

impl Limiter {
    /// For sound of so many samples a second.
    pub fn new(rate: u32) -> Self {
        Self { gain: 1.0, block: (rate as usize / 400).max(1) }
    }

    /// Turns sums into samples; takes as many as the shorter of the two holds.
    pub fn limit(&mut self, sums: &[i32], out: &mut [i16]) {
        if self.gain >= 1.0 && peak(sums) <= FULL {
            out.iter_mut().zip(sums).for_each(|(sample, sum)| *sample = *sum as i16);
            return;
        }
        let mut blocks = sums.chunks(self.block).zip(out.chunks_mut(self.block)).peekable();
        let mut late = true;
        while let Some((sums, out)) = blocks.next() {
            let next = blocks.peek().map_or(1.0, |(sums, _)| fitting(sums));
            let risen = self.gain + (1.0 - self.gain) * RELEASE;
            let goal = fitting(sums).min(next).min(if risen > WHOLE { 1.0 } else { risen });
            self.block(sums, goal, late, out);
            late = false;
        }
    }

    /// Leads the gain to `goal` within one block. Only in a frame's first, `late` one it may be too high at the beginning,
    /// because nobody saw the peak coming: it then falls with the sound, which so has no step.
    fn block(&mut self, sums: &[i32], goal: f32, late: bool, out: &mut [i16]) {
        let slope = (goal - self.gain) / sums.len().max(1) as f32;
        let mut gain = self.gain;
        let mut most = f32::INFINITY;
        for (n, (sample, sum)) in out.iter_mut().zip(sums).enumerate() {
            gain = self.gain + slope * (n + 1) as f32;
            if late {
                most = most.min(FULL / (size(*sum).max(1) as f32));
                gain = gain.min(most);
            }
            // `as` stays within the bounds of the type, where rounding went over them.
            *sample = (*sum as f32 * gain) as i16;
        }
        self.gain = if goal >= 1.0 { 1.0 } else { gain };
    }
}

/// How far it is from the middle: −32,768 is as far as 32,767.
fn size(sum: i32) -> i32 {
    sum ^ (sum >> 31)
}

/// The loudest of these.
fn peak(sums: &[i32]) -> f32 {
    sums.iter().fold(0, |most, sum| most.max(size(*sum))) as f32
}

/// The gain at which these fit.
fn fitting(sums: &[i32]) -> f32 {
    FULL / peak(sums).max(FULL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, peak: f64, count: usize) -> Vec<i16> {
        let turn = std::f64::consts::TAU * hz / 8_000.0;
        (0..count).map(|n| (peak * (turn * n as f64).sin()).round() as i16).collect()
    }

    /// Syllables of a voice at full scale: harmonics of its pitch that swell and fade four times a second.
    fn voice(pitch: f64, count: usize) -> Vec<i16> {
        let turn = |hz: f64, n: usize| (std::f64::consts::TAU * hz * n as f64 / 8_000.0).sin();
        let raw = |n| (1..12).map(|k| turn(pitch * f64::from(k), n) / f64::from(k)).sum::<f64>();
        let raw: Vec<f64> = (0..count).map(|n| raw(n) * turn(2.0 + pitch / 100.0, n).powi(2)).collect();
        let most = raw.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        raw.iter().map(|x| (x / most * 32_767.0) as i16).collect()
    }

    /// What the listener of all these hears, in frames of 20 ms.
    fn listen(voices: &[Vec<i16>]) -> Vec<i16> {
        let (mut mix, mut limiter) = (Mix::default(), Limiter::new(8_000));
        let mut heard = vec![0; voices[0].len()];
        for (n, out) in heard.chunks_mut(160).enumerate() {
            mix.begin(160);
            voices.iter().for_each(|voice| mix.add(&voice[n * 160..][..160]));
            assert_eq!(mix.hear(&[], &mut limiter, out), 160);
        }
        heard
    }

    fn sums(voices: &[Vec<i16>]) -> Vec<i32> {
        (0..voices[0].len()).map(|n| voices.iter().map(|voice| i32::from(voice[n])).sum()).collect()
    }

    #[test]
    fn each_hears_the_others_and_not_himself() {
        let voices = [sine(300.0, 9_000.0, 160), sine(500.0, 9_000.0, 160), sine(900.0, 9_000.0, 160)];
        let mut mix = Mix::default();
        mix.begin(160);
        voices.iter().for_each(|voice| mix.add(voice));
        for own in 0..3 {
            let mut heard = [0; 160];
            mix.hear(&voices[own], &mut Limiter::new(8_000), &mut heard);
            let (a, b) = (&voices[(own + 1) % 3], &voices[(own + 2) % 3]);
            assert!((0..160).all(|n| heard[n] == a[n] + b[n]), "what fits is exact");
        }
    }

    #[test]
    fn a_voice_alone_at_full_scale_is_not_touched() {
        let mut loud = voice(120.0, 8_000);
        loud[4_001] = i16::MIN;
        assert!(listen(&[loud.clone()]) == loud);
    }

    /// Nothing wraps: the sign stays; nothing is flat at the top for long; no step is larger than the sum's own.
    #[test]
    fn loud_voices_together_stay_within_bounds_without_clicks() {
        for count in [2usize, 3, 8, 32] {
            let voices: Vec<_> = (0..count).map(|n| voice(90.0 + 7.0 * n as f64, 16_000)).collect();
            let (sums, heard) = (sums(&voices), listen(&voices));
            let mut flat = 0;
            for n in 1..heard.len() {
                assert!(i64::from(heard[n]) * i64::from(sums[n]) >= 0, "{count} voices, sample {n} wrapped");
                let step = i32::from(heard[n].abs_diff(heard[n - 1]));
                let own = sums[n].abs_diff(sums[n - 1]) as i32;
                // The gain may halve within 2.5 ms, which moves a peak by a twentieth of full scale a sample.
                assert!(step <= own + 32_767 / 20, "{count} voices, sample {n}: a step of {step}, {own} in the sum");
                flat += usize::from(heard[n].unsigned_abs() >= 32_766 && heard[n] == heard[n - 1]);
            }
            assert!(flat * 200 < heard.len(), "{count} voices: {flat} samples at full scale in a row");
            let loud = heard.iter().fold(0, |most: u16, s| most.max(s.unsigned_abs()));
            assert!(loud > 32_000, "{count} voices: {loud}, turned down more than needed");
        }
    }

    /// Two sines at full scale: hard cutting would add some 14 % of distortion; here it is the gain's slow movement only.
    #[test]
    fn limiting_leaves_the_sound_clean() {
        let voices = [sine(400.0, 32_767.0, 16_000), sine(1_000.0, 32_767.0, 16_000)];
        let (sums, heard) = (sums(&voices), listen(&voices));
        let (sums, heard) = (&sums[8_000..], &heard[8_000..]);
        let product: f64 = sums.iter().zip(heard).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        let power: f64 = sums.iter().map(|a| f64::from(*a).powi(2)).sum();
        let gain = product / power;
        let error: f64 = sums.iter().zip(heard).map(|(a, b)| (f64::from(*b) - gain * f64::from(*a)).powi(2)).sum();
        let snr = 10.0 * (gain * gain * power / error).log10();
        println!("two sines at full scale: {snr:.1} dB over what the limiter adds");
        assert!(snr > 60.0, "{snr}");
    }

    /// 60 ms after the loud moment a voice has its own level again.
    #[test]
    fn the_gain_comes_back() {
        let mut other = sine(400.0, 32_000.0, 3_200);
        other[1_600..].fill(0);
        let quiet = sine(700.0, 3_000.0, 3_200);
        let mut both = sine(700.0, 3_000.0, 3_200);
        both.iter_mut().zip(sine(900.0, 30_000.0, 1_600)).for_each(|(a, b)| *a = a.saturating_add(b));
        let heard = listen(&[other, both]);
        assert!(heard[1_600 + 480..].iter().zip(&quiet[1_600 + 480..]).all(|(a, b)| a.abs_diff(*b) < 160));
        assert!(heard[1_600 + 1_400..] == quiet[1_600 + 1_400..]);
    }

    #[test]
    fn other_lengths_do_no_harm() {
        let (mut mix, mut limiter) = (Mix::default(), Limiter::new(48_000));
        mix.begin(5_000);
        mix.add(&[100; 2_000]);
        mix.add(&[1; 3]);
        let mut out = [7; 1_000];
        assert_eq!(mix.hear(&[100; 2], &mut limiter, &mut out), FRAME_MOST);
        assert_eq!((&out[..4], out[959], out[960]), (&[1, 1, 101, 100][..], 100, 7));
        mix.begin(0);
        assert_eq!(mix.hear(&[1; 4], &mut Limiter::new(0), &mut out), 0);
    }

    /// `cargo test --release --lib mixer -- --ignored --nocapture`
    #[test]
    #[ignore = "a measurement"]
    fn speed() {
        for (name, peak) in [("quiet", 9_000.0), ("loud", 32_767.0)] {
            let voices = [sine(300.0, peak, 160), sine(510.0, peak, 160), sine(900.0, peak, 160)];
            let (mut mix, mut limiters) = (Mix::default(), [(); 3].map(|()| Limiter::new(8_000)));
            let mut best = f64::INFINITY;
            for _ in 0..20 {
                let start = std::time::Instant::now();
                for _ in 0..2_000 {
                    mix.begin(160);
                    voices.iter().for_each(|voice| mix.add(std::hint::black_box(voice)));
                    for (own, limiter) in voices.iter().zip(&mut limiters) {
                        let mut out = [0; 160];
                        mix.hear(own, limiter, &mut out);
                        std::hint::black_box(&out);
                    }
                }
                best = best.min(start.elapsed().as_secs_f64() / 2_000.0);
            }
            println!("3 {name} parties at 8 kHz: {:.0} ns a frame for all", best * 1e9);
        }
    }
}
