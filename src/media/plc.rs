//! What stands in for packets that never came: the last voice goes on for a moment and fades (after ITU-T G.711, Appendix I).

/// The memory of one stream.
#[derive(Debug)]
pub struct Concealer {
    rate: usize,
    /// The latest sound, oldest first.
    history: [i16; HISTORY],
    /// Of the sound that goes on: samples of one period.
    period: usize,
    /// Samples concealed in a row.
    concealed: usize,
}

/// 50 ms at 16 kHz.
const HISTORY: usize = 800;
/// Voices are between 66 and 400 Hz: the bounds of a period, in ms · 10.
const PERIOD_10: (usize, usize) = (25, 150);
/// Concealed sound begins to fade after 10 ms and is gone after 60.
const FADE_MS: (usize, usize) = (10, 60);
/// The join to what comes after: 4 ms.
const JOIN_MS: usize = 4;

impl Concealer {
    /// For a stream at this rate, 8,000 or 16,000.
    pub fn new(rate: u32) -> Self {
        Self { rate: rate as usize, history: [0; HISTORY], period: 1, concealed: 0 }
    }

    /// Sound came: after a gap its beginning is joined to what was heard meanwhile.
    pub fn heard(&mut self, sound: &mut [i16]) {
        if self.concealed > 0 {
            let join = (JOIN_MS * self.rate / 1_000).min(sound.len());
            for (n, sample) in sound.iter_mut().take(join).enumerate() {
                let own = (n + 1) as f32 / (join + 1) as f32;
                let goes_on = f32::from(self.goes_on(self.concealed + n));
                *sample = (f32::from(*sample) * own + goes_on * (1.0 - own)) as i16;
            }
            self.concealed = 0;
        }
        self.remember(sound);
    }

    /// Nothing came: fills `out`.
    pub fn conceal(&mut self, out: &mut [i16]) {
        if self.concealed == 0 {
            self.period = self.find_period();
        }
        for (n, sample) in out.iter_mut().enumerate() {
            *sample = self.goes_on(self.concealed + n);
        }
        self.concealed = (self.concealed + out.len()).min(self.rate);
    }

    /// The sample so far after the end of what is known.
    fn goes_on(&self, at: usize) -> i16 {
        let begin = HISTORY - self.period;
        let sample = self.history.get(begin + at % self.period).copied().unwrap_or_default();
        let (full, gone) = (FADE_MS.0 * self.rate / 1_000, FADE_MS.1 * self.rate / 1_000);
        let gain = gone.saturating_sub(at.max(full)) as f32 / (gone - full) as f32;
        (f32::from(sample) * gain) as i16
    }

    /// The lag at which the last 20 ms are most like themselves.
    fn find_period(&self) -> usize {
        let window = self.rate / 50;
        let bounds = (PERIOD_10.0 * self.rate / 10_000, PERIOD_10.1 * self.rate / 10_000);
        let likeness = |lag: usize| {
            let (mut product, mut energy) = (0i64, 1i64);
            // Every second sample is enough to tell.
            for n in (HISTORY - window..HISTORY).step_by(2) {
                let pair = (self.history.get(n).copied(), self.history.get(n.wrapping_sub(lag)).copied());
                let (Some(now), Some(then)) = pair else { continue };
                product += i64::from(now) * i64::from(then);
                energy += i64::from(then) * i64::from(then);
            }
            product as f64 / (energy as f64).sqrt()
        };
        let best = (bounds.0..=bounds.1).map(|lag| (lag, likeness(lag))).max_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or(bounds.1, |(lag, _)| lag).max(1)
    }

    fn remember(&mut self, sound: &[i16]) {
        let sound = sound.get(sound.len().saturating_sub(HISTORY)..).unwrap_or_default();
        let kept = HISTORY - sound.len();
        self.history.copy_within(sound.len().., 0);
        self.history.iter_mut().skip(kept).zip(sound).for_each(|(place, sample)| *place = *sample);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A voice-like sound: a pulse train's first harmonics.
    fn voice(rate: usize, n: usize) -> i16 {
        let turn = std::f64::consts::TAU * 140.0 * n as f64 / rate as f64;
        (1..=8).map(|k| 3_000.0 / f64::from(k) * (turn * f64::from(k)).sin()).sum::<f64>() as i16
    }

    fn energy(sound: impl Iterator<Item = f64>) -> f64 {
        sound.map(|s| s * s).sum()
    }

    #[test]
    fn a_hole_of_20_ms_is_filled_with_what_was_there() {
        for rate in [8_000usize, 16_000] {
            let mut concealer = Concealer::new(rate as u32);
            let frame = rate / 50;
            let mut before: Vec<i16> = (0..5 * frame).map(|n| voice(rate, n)).collect();
            concealer.heard(&mut before);
            let mut hole = vec![0; frame];
            concealer.conceal(&mut hole);
            let truth: Vec<f64> = (5 * frame..6 * frame).map(|n| f64::from(voice(rate, n))).collect();
            let off = energy(hole.iter().zip(&truth).map(|(a, b)| f64::from(*a) - b));
            assert!(off < 0.1 * energy(truth.iter().copied()), "{rate}");
            let mut after: Vec<i16> = (6 * frame..7 * frame).map(|n| voice(rate, n)).collect();
            concealer.heard(&mut after);
            let all = [before, hole, after].concat();
            let usual = (1..frame * 4).map(|n| all[n].abs_diff(all[n - 1])).max().unwrap();
            let worst = all.windows(2).map(|pair| pair[1].abs_diff(pair[0])).max().unwrap();
            assert!(worst <= usual + usual / 2, "{rate}: a step of {worst} where {usual} is usual");
        }
    }

    #[test]
    fn after_60_ms_it_is_silent() {
        let mut concealer = Concealer::new(8_000);
        let mut before: Vec<i16> = (0..800).map(|n| voice(8_000, n)).collect();
        concealer.heard(&mut before);
        let mut hole = vec![1; 640];
        for piece in hole.chunks_mut(160) {
            concealer.conceal(piece);
        }
        assert!(hole[480..].iter().all(|s| *s == 0) && hole[..400].iter().any(|s| *s != 0));
    }
}
