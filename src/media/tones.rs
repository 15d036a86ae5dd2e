//! The tones of a telephone's keys: a low and a high frequency each (ITU-T Q.23).

/// The low frequencies, of the keypad's rows from top to bottom, in Hz.
pub const ROWS_HZ: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
/// The high frequencies, of its columns from left to right, in Hz.
pub const COLUMNS_HZ: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
/// The keys row by row.
const KEYPAD: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// The peak of a sine of 0 dBm0: full scale of µ-law is +3.17 dBm0 (ITU-T G.711 §5).
const PEAK_0_DBM0: f64 = 22_650.0;

/// The key in this row and column, both from 0 to 3.
pub fn key(row: usize, column: usize) -> Option<char> {
    KEYPAD.get(row)?.get(column).copied()
}

/// Two sines together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TonePair {
    /// The lower frequency in Hz and its level in dBm0.
    pub low: (f64, f64),
    /// The higher frequency in Hz and its level in dBm0.
    pub high: (f64, f64),
}

impl TonePair {
    /// The tone of a key, `0`–`9`, `*`, `#`, `A`–`D`; `None` for any other character.
    ///
    /// At −9 and −7 dBm0: the higher frequency loses more on the way.
    pub fn of_key(digit: char) -> Option<Self> {
        let place = KEYPAD.iter().flatten().position(|key| *key == digit)?;
        Some(Self { low: (*ROWS_HZ.get(place / 4)?, -9.0), high: (*COLUMNS_HZ.get(place % 4)?, -7.0) })
    }

    /// Fills `out` with the tone at `rate` samples a second; `at` counts its samples since it began.
    ///
    /// Together the sines must stay below +3.17 dBm0 of peak: what is louder is cut at full scale.
    pub fn fill(&self, rate: u32, at: u64, out: &mut [i16]) {
        let mut sines = [self.low, self.high].map(|(hz, dbm0)| Sine::new(hz, dbm0, rate, at));
        for sample in out {
            let sum: f64 = sines.iter_mut().map(Sine::next).sum();
            // `as` stays within the bounds of the type.
            *sample = sum.round() as i16;
        }
    }
}

/// A sine by rotation: a sine and a cosine are costly, four products are not.
struct Sine {
    sine: f64,
    cosine: f64,
    turn: (f64, f64),
}

impl Sine {
    fn new(hz: f64, dbm0: f64, rate: u32, at: u64) -> Self {
        let step = std::f64::consts::TAU * hz / f64::from(rate);
        let peak = PEAK_0_DBM0 * 10f64.powf(dbm0 / 20.0);
        let (sine, cosine) = (step * at as f64).sin_cos();
        Self { sine: peak * sine, cosine: peak * cosine, turn: step.sin_cos() }
    }

    fn next(&mut self) -> f64 {
        let now = self.sine;
        let (sine, cosine) = self.turn;
        (self.sine, self.cosine) = (now * cosine + self.cosine * sine, self.cosine * cosine - now * sine);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_two_frequencies() {
        assert_eq!(TonePair::of_key('6').map(|tone| (tone.low.0, tone.high.0)), Some((770.0, 1_477.0)));
        assert_eq!(TonePair::of_key('D').map(|tone| (tone.low.0, tone.high.0)), Some((941.0, 1_633.0)));
        assert_eq!(TonePair::of_key('x'), None);
        assert_eq!((key(3, 1), key(4, 0), key(0, 4)), (Some('0'), None, None));
    }

    #[test]
    fn pieces_make_one_tone() {
        let tone = TonePair::of_key('5').unwrap();
        let (mut whole, mut pieces) = ([0; 960], [0; 960]);
        tone.fill(16_000, 0, &mut whole);
        for (n, piece) in pieces.chunks_mut(160).enumerate() {
            tone.fill(16_000, n as u64 * 160, piece);
        }
        assert!(whole.iter().zip(pieces).all(|(a, b)| a.abs_diff(b) <= 1));
    }

    /// A sine of −9 dBm0 and one of −7 have −4.9 dBm0 together.
    #[test]
    fn its_level_is_right() {
        let mut sound = [0; 8_000];
        TonePair::of_key('1').unwrap().fill(8_000, 0, &mut sound);
        let power = sound.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 8_000.0;
        let dbm0 = 10.0 * (power / (PEAK_0_DBM0.powi(2) / 2.0)).log10();
        assert!((dbm0 + 4.876).abs() < 0.05, "{dbm0}");
    }
}
