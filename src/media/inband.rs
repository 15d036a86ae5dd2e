//! Key presses that come as tones in the voice (ITU-T Q.23, Q.24), from phones and trunks without telephone-events.
//!
//! Each 6.4 ms the last 12.8 ms, under a Hann window, are compared with the eight frequencies. Five such looks in a row
//! that show the same pair are judged together: a tone of 40 ms always has five, one of 23 ms never. Voices meet the two
//! frequencies as well, but not with nearly all of their power, not without harmonics, and not so
//! steadily: how far the phase turned from look to look tells the frequency to a few Hz.

use super::tones::{COLUMNS_HZ, ROWS_HZ, key};

/// Listens to one leg's sound at 8 kHz.
#[derive(Debug)]
pub struct ToneReader {
    /// The last samples, the newest last; the second half is being filled.
    sound: [f32; WINDOW],
    filled: usize,
    /// Power in each half, as a sum of squares.
    power: (f32, f32),
    /// The latest looks, oldest first, as far as they showed the same key without a break.
    run: [Look; RUN],
    count: usize,
    down: Option<Down>,
    /// A second press within one piece of sound.
    waiting: Option<char>,
}

/// A key that is held.
#[derive(Clone, Copy, Debug)]
struct Down {
    key: (usize, usize),
    power: f32,
    /// Looks in a row that did not show it.
    missed: u32,
}

/// What one window showed.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    /// Row and column.
    key: (usize, usize),
    low: Tone,
    high: Tone,
    /// Of everything in the window, by the measure of [`Tone::power`].
    energy: f32,
}

/// One frequency in one window.
#[derive(Clone, Copy, Debug, Default)]
struct Tone {
    re: f32,
    im: f32,
}

impl Tone {
    /// The part of the window's energy that is of this frequency.
    fn power(self) -> f32 {
        (self.re * self.re + self.im * self.im) * (3.0 / WINDOW as f32)
    }

    /// Turned back from `self` to `before`: its angle is the phase that passed between them.
    fn since(self, before: Tone) -> Tone {
        Tone { re: self.re * before.re + self.im * before.im, im: self.im * before.re - self.re * before.im }
    }
}

/// Samples of one window, and from one to the next.
const WINDOW: usize = 102;
const HOP: usize = WINDOW / 2;
/// Looks that make a press.
const RUN: usize = 5;
/// Looks without the tone that end a press: a break of 10 ms is none (Q.24 §2.4), one of 40 ms is.
const MISSES: u32 = 5;
/// Least energy of a window: the weaker tone of −30 dBm0 with a twist of 8 dB, and 4 dB to spare.
const ENERGY_LEAST: f32 = 180.0 * 180.0 * FULL_WINDOW;
/// The energy of a sine with a peak of 1 in a window.
const FULL_WINDOW: f32 = 3.0 / 16.0 * WINDOW as f32;
/// Power ratios: the low tone may be stronger by 9 dB, the high one by 7 dB.
const TWIST: (f32, f32) = (7.94, 5.01);
/// The share of the two tones in a window, where it may be the edge of a press, and in a run.
const SHARE_LOOK: f32 = 0.4;
const SHARE_RUN: f32 = 0.8;
/// The weakest look of a run, of the strongest: half of the amplitude is where half of the window is in the tone.
const WEAKEST: f32 = 0.2;
/// How steady the phase turns: 1 is a sine.
const STEADY: f32 = 0.9;
/// Farther from its frequency a tone is none: 1.5 % must be taken, 3.5 % must not (Q.24 §2.1).
const OFF_MOST: f32 = 0.025;
/// A second harmonic's power, of its tone's, in a voice.
const HARMONIC_MOST: f32 = 0.05;
/// A harmonic nearer than this to the other tone cannot be told from it, in Hz.
const APART_HZ: f64 = 160.0;

impl Default for ToneReader {
    fn default() -> Self {
        Self {
            sound: [0.0; WINDOW],
            filled: HOP,
            power: (0.0, 0.0),
            run: [Look::default(); RUN],
            count: 0,
            down: None,
            waiting: None,
        }
    }
}

impl ToneReader {
    /// Takes the next piece of sound, of any length, 16-bit at 8 kHz. Returns the key whose press was recognised in it:
    /// once per press, some 40 ms after its beginning.
    ///
    /// No sender by the rules presses twice within 80 ms. The second key of a longer piece comes with the next call.
    pub fn handle(&mut self, mut sound: &[i16]) -> Option<char> {
        let mut told = self.waiting.take();
        while !sound.is_empty() {
            let room = self.sound.get_mut(self.filled..).unwrap_or_default();
            let (now, later) = sound.split_at(room.len().min(sound.len()));
            room.iter_mut().zip(now).for_each(|(to, from)| *to = f32::from(*from));
            self.filled += now.len();
            sound = later;
            if self.filled >= WINDOW {
                let new = self.window();
                self.filled = HOP;
                if told.is_none() { told = new } else { self.waiting = self.waiting.or(new) }
            }
        }
        told
    }

    /// The key that is held now, from when [`ToneReader::handle`] told of it.
    pub fn held(&self) -> Option<char> {
        self.down.and_then(|down| key(down.key.0, down.key.1))
    }

    /// Another sender begins.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// A window is full.
    fn window(&mut self) -> Option<char> {
        self.power = (self.power.1, power(self.sound.get(HOP..).unwrap_or_default()));
        // Under the window about a third of the power is left.
        let loud = self.power.0 + self.power.1 >= ENERGY_LEAST;
        let look = if loud { look(&self.sound) } else { None };
        let pressed = look.filter(|look| self.goes_on(look)).and_then(|_| self.judge());
        if look.is_none() {
            self.count = 0;
        }
        self.hold(look);
        if let Some(last) = pressed {
            self.down = Some(Down { key: last.key, power: last.low.power() + last.high.power(), missed: 0 });
        }
        self.sound.copy_within(HOP.., 0);
        pressed.and_then(|look| key(look.key.0, look.key.1))
    }

    /// Puts a look into the run; true when the run is long enough to be judged.
    fn goes_on(&mut self, look: &Look) -> bool {
        if self.count > 0 && self.run.last().is_some_and(|last| last.key != look.key) {
            self.count = 0;
        }
        self.run.rotate_left(1);
        if let Some(last) = self.run.last_mut() {
            *last = *look;
        }
        self.count = (self.count + 1).min(RUN);
        self.count == RUN
    }

    /// Whether the key that is held still is.
    fn hold(&mut self, look: Option<Look>) {
        let Some(down) = &mut self.down else { return };
        let power = |look: &Look| look.low.power() + look.high.power();
        match look.filter(|look| look.key == down.key && power(look) >= WEAKEST * down.power) {
            Some(look) => {
                down.missed = 0;
                down.power = down.power.max(power(&look));
            }
            None => down.missed += 1,
        }
        if down.missed >= MISSES {
            self.down = None;
        }
    }

    /// Whether the run is a press that was not told yet; returns its last look.
    fn judge(&self) -> Option<Look> {
        let last = self.run.last()?;
        if self.down.is_some_and(|down| down.key == last.key) {
            return None;
        }
        let both = |look: &Look| look.low.power() + look.high.power();
        let strongest = self.run.iter().map(both).fold(0.0, f32::max);
        if self.run.iter().any(|look| both(look) < WEAKEST * strongest) {
            return None;
        }
        let (row, column) = last.key;
        let low = course(self.run.iter().map(|look| look.low), *ROWS_HZ.get(row)?, TURNS.get(row)?)?;
        let high = course(self.run.iter().map(|look| look.high), *COLUMNS_HZ.get(column)?, TURNS.get(4 + column)?)?;
        let energy: f32 = self.run.iter().map(|look| look.energy).sum();
        if low + high < SHARE_RUN * energy || low > high * TWIST.0 || high > low * TWIST.1 {
            return None;
        }
        self.has_no_harmonics(last).then_some(*last)
    }

    /// Whether the last window lacks the second harmonics, which voices have.
    fn has_no_harmonics(&self, look: &Look) -> bool {
        let (Some(low), Some(high)) = (ROWS_HZ.get(look.key.0), COLUMNS_HZ.get(look.key.1)) else { return false };
        let clean = |hz: f64, tone: Tone| at(&self.sound, 2.0 * hz).power() <= HARMONIC_MOST * tone.power();
        ((2.0 * low - high).abs() < APART_HZ || clean(*low, look.low)) && clean(*high, look.high)
    }
}

/// The power of one tone in a run; `None` when it is not steady or not at its frequency.
fn course(tones: impl Iterator<Item = Tone>, hz: f64, turn: &Tone) -> Option<f32> {
    let (mut power, mut sum, mut most) = (0.0, Tone::default(), 0.0);
    let mut before: Option<Tone> = None;
    for tone in tones {
        power += tone.power();
        if let Some(before) = before {
            let step = tone.since(before);
            most += (step.re * step.re + step.im * step.im).sqrt();
            sum = Tone { re: sum.re + step.re, im: sum.im + step.im };
        }
        before = Some(tone);
    }
    // The turn at its own frequency taken away, what is left is by how much it is off.
    let off = sum.since(*turn);
    let off_hz = off.im.atan2(off.re) * (8_000.0 / (std::f32::consts::TAU * HOP as f32));
    let steady = (sum.re * sum.re + sum.im * sum.im).sqrt() >= STEADY * most;
    // Beside its frequency the window passes less of it: 12 % less at 24 Hz.
    let bins = off_hz * (WINDOW as f32 / 8_000.0);
    (steady && off_hz.abs() <= OFF_MOST * hz as f32).then_some(power * (1.0 + 1.42 * bins * bins))
}

/// What a window shows; `None` without two tones that could be a key's.
fn look(sound: &[f32; WINDOW]) -> Option<Look> {
    // The window and the cosines are alike on both sides of its middle, the sines opposite: half of the products do.
    let mut sums = [0.0f32; 16];
    let (before, after) = sound.split_at(HOP);
    for ((after, before), row) in after.iter().zip(before.iter().rev()).zip(&WAVES) {
        let (even, odd) = (after + before, after - before);
        let (cosines, sines) = row.split_at(8);
        let (re, im) = sums.split_at_mut(8);
        re.iter_mut().zip(cosines).for_each(|(sum, wave)| *sum += even * wave);
        im.iter_mut().zip(sines).for_each(|(sum, wave)| *sum += odd * wave);
    }
    let mut windowed = *sound;
    windowed.iter_mut().zip(&HANN).for_each(|(sample, weight)| *sample *= weight);
    let energy = power(&windowed);
    let (re, im) = sums.split_at(8);
    let strongest = |from: usize| {
        let tones = re.iter().zip(im).map(|(re, im)| Tone { re: *re, im: *im }).skip(from).take(4);
        tones.enumerate().max_by(|a, b| a.1.power().total_cmp(&b.1.power()))
    };
    let ((row, low), (column, high)) = (strongest(0)?, strongest(4)?);
    let (l, h) = (low.power(), high.power());
    // One and a half times the twist that a run may have: edges are not exact.
    let alike = l <= h * TWIST.0 * 1.5 && h <= l * TWIST.1 * 1.5;
    (alike && energy * 3.0 >= ENERGY_LEAST && l + h >= SHARE_LOOK * energy).then_some(Look {
        key: (row, column),
        low,
        high,
        energy,
    })
}

/// The sum of squares, in lanes that do not wait for each other.
fn power(sound: &[f32]) -> f32 {
    let mut lanes = [0.0; 8];
    for part in sound.chunks(8) {
        lanes.iter_mut().zip(part).for_each(|(lane, sample)| *lane += sample * sample);
    }
    lanes.iter().sum()
}

/// One frequency in a window.
fn at(sound: &[f32; WINDOW], hz: f64) -> Tone {
    let (sine, cosine) = (std::f64::consts::TAU * hz / 8_000.0).sin_cos();
    let (sine, cosine) = (sine as f32, cosine as f32);
    let (mut tone, mut wave) = (Tone::default(), Tone { re: 1.0, im: 0.0 });
    for (sample, weight) in sound.iter().zip(&HANN) {
        tone.re += sample * weight * wave.re;
        tone.im += sample * weight * wave.im;
        wave = Tone { re: wave.re * cosine + wave.im * sine, im: wave.im * cosine - wave.re * sine };
    }
    tone
}

/// The window.
static HANN: [f32; WINDOW] = {
    let mut hann = [0.0; WINDOW];
    let mut n = 0;
    while n < WINDOW {
        hann[n] = (0.5 - 0.5 * sin_cos((n as f64 + 0.5) / WINDOW as f64).1) as f32;
        n += 1;
    }
    hann
};

/// For each sample after the middle the cosines of the eight frequencies, rows first, then their sines, negative; all under
/// the window.
static WAVES: [[f32; 16]; HOP] = {
    let mut waves = [[0.0; 16]; HOP];
    let mut n = 0;
    while n < HOP {
        let mut k = 0;
        while k < 8 {
            let (sine, cosine) = sin_cos(frequency(k) * (n as f64 + 0.5) / 8_000.0);
            waves[n][k] = HANN[HOP + n] * cosine as f32;
            waves[n][8 + k] = -HANN[HOP + n] * sine as f32;
            k += 1;
        }
        n += 1;
    }
    waves
};

/// By how much the phase of each frequency turns from one window to the next.
static TURNS: [Tone; 8] = {
    let mut turns = [Tone { re: 0.0, im: 0.0 }; 8];
    let mut k = 0;
    while k < 8 {
        let (sine, cosine) = sin_cos(frequency(k) * HOP as f64 / 8_000.0);
        turns[k] = Tone { re: cosine as f32, im: sine as f32 };
        k += 1;
    }
    turns
};

const fn frequency(k: usize) -> f64 {
    if k < 4 { ROWS_HZ[k] } else { COLUMNS_HZ[k - 4] }
}

/// Sine and cosine of so many full turns, 0 or more, by their series: the standard library's are not for constants.
const fn sin_cos(turns: f64) -> (f64, f64) {
    let part = turns - turns as u64 as f64;
    let x = (part - 0.5) * std::f64::consts::TAU;
    let (mut sine, mut cosine, mut term, mut k) = (0.0, 0.0, 1.0, 0);
    while k < 40 {
        match k % 4 {
            0 => cosine += term,
            1 => sine += term,
            2 => cosine -= term,
            _ => sine -= term,
        }
        k += 1;
        term = term * x / k as f64;
    }
    // Half a turn was taken away.
    (-sine, -cosine)
}

#[cfg(test)]
mod tests;
