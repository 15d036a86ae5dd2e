//! The wait in Erlang A, as a caller would see it who never hangs up himself while all others may.
//!
//! With capacity c = n/AHT and θ = 1/patience, the density of that wait V, for t > 0, is (Mandelbaum and Zeltyn 2005, §4)
//!
//! ```text
//!   v(t) = c · π(n) · exp( λ·(1 − e^−θt)/θ − c·t )
//! ```
//!
//! A real caller with patience R is served when V ≤ R, which has the probability e^−θV, and hangs up else. All figures are
//! therefore integrals over v. The exponent is concave: it rises to one peak (at zero unless the queue is overloaded) and
//! falls from there, so it is written relative to its peak, where nothing overflows and nothing cancels.

/// The wait of a caller who does have to wait.
pub(super) struct Wait {
    /// θ, per second.
    theta: f64,
    /// The smaller of arrivals and capacity, per second: how fast the exponent bends.
    bend: f64,
    /// Capacity beyond the arrivals, per second; zero in an overloaded queue.
    slack: f64,
    /// c, per second.
    capacity: f64,
    /// Where the density has its peak, in seconds.
    peak: f64,
    /// The density relative to its peak is nothing before this, in seconds.
    start: f64,
    /// And nothing after this.
    end: f64,
    /// Integrals over all of it, not divided by anything.
    whole: Parts,
}

/// Of those who have to wait: what becomes of them. Shares of them, and seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts {
    /// ∫ v: the share looked at.
    pub share: f64,
    /// ∫ v·e^−θt: served.
    pub served: f64,
    /// ∫ v·(1 − e^−θt): hung up before their turn.
    pub left: f64,
    /// ∫ v·t·e^−θt: the waits of the served.
    pub served_wait: f64,
}

/// e^−45 is beyond what a double adds to one.
const NOTHING: f64 = 45.0;

/// Each smooth stretch is cut into so many panels.
const PANELS: u32 = 32;

/// Nodes and weights of Gauss and Legendre with eight points, the positive half.
const GAUSS: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_5),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_3),
];

impl Wait {
    /// Calls and capacity are per second, the mean patience is in seconds; all are over zero.
    pub(super) fn new(calls: f64, capacity: f64, patience: f64) -> Self {
        let excess = calls - capacity;
        let peak = if excess > 0.0 { (excess / capacity).ln_1p() * patience } else { 0.0 };
        let mut wait = Self {
            theta: 1.0 / patience,
            bend: calls.min(capacity),
            slack: (-excess).max(0.0),
            capacity,
            peak,
            start: 0.0,
            end: f64::INFINITY,
            whole: Parts::default(),
        };
        wait.end = peak + wait.reach(1.0, f64::INFINITY);
        wait.start = peak - wait.reach(-1.0, peak);
        wait.whole = wait.integrate(wait.end);
        wait
    }

    /// Callers who wait for each moment in which all agents are busy and nobody waits: ∫ v ÷ π(n).
    pub(super) fn to_full(&self) -> f64 {
        // The exponent at its peak, (c/θ)·(ρ − 1 − ln ρ), is zero where the peak is.
        let height = self.capacity / self.theta * beyond_line(-self.theta * self.peak);
        self.capacity * self.whole.share * height.exp()
    }

    /// What becomes of all who wait.
    pub(super) fn all(&self) -> Parts {
        self.whole.of(self.whole.share)
    }

    /// What becomes of those whose turn comes within so many seconds.
    pub(super) fn until(&self, seconds: f64) -> Parts {
        self.integrate(seconds).of(self.whole.share)
    }

    /// The share that has hung up after so many seconds.
    pub(super) fn left_by(&self, seconds: f64) -> f64 {
        let turn_came = self.until(seconds);
        turn_came.left - (1.0 - turn_came.share).max(0.0) * (-self.theta * seconds).exp_m1()
    }

    /// How far from the peak, up or down, the density is nothing; at most `most`.
    fn reach(&self, direction: f64, most: f64) -> f64 {
        let nothing = |distance: f64| -self.exponent(self.peak + direction * distance) >= NOTHING;
        let mut far = 1.0 / self.capacity;
        // A double has no more than these doublings between its smallest and its largest number.
        for _ in 0..2_100 {
            if far >= most || nothing(far) {
                break;
            }
            far *= 2.0;
        }
        far = far.min(most);
        let mut near = 0.0;
        // The place needs no precision: it only bounds the stretch.
        for _ in 0..20 {
            let middle = f64::midpoint(near, far);
            if nothing(middle) { far = middle } else { near = middle }
        }
        far
    }

    /// ln(v(t) ÷ v(peak)): never over zero.
    fn exponent(&self, t: f64) -> f64 {
        let from_peak = t - self.peak;
        -self.bend / self.theta * beyond_line(self.theta * from_peak) - self.slack * from_peak
    }

    /// Integrals from the start to `to`, cut where the integrands change their pace: at the peak, and where e^−θt has
    /// died away although the density has not (patience much shorter than talks).
    fn integrate(&self, to: f64) -> Parts {
        let to = to.min(self.end);
        let mut cuts = [self.start, self.peak, self.start + 40.0 / self.theta, to].map(|cut| cut.clamp(0.0, to));
        cuts.sort_by(f64::total_cmp);
        let mut sum = Parts::default();
        for (from, to) in cuts.iter().zip(cuts.iter().skip(1)) {
            if from < to && *from >= self.start {
                self.stretch(*from, *to, &mut sum);
            }
        }
        sum
    }

    fn stretch(&self, from: f64, to: f64, sum: &mut Parts) {
        let half = (to - from) / f64::from(PANELS) / 2.0;
        for panel in 0..PANELS {
            let middle = from + half * f64::from(2 * panel + 1);
            for (node, weight) in GAUSS {
                for t in [middle - half * node, middle + half * node] {
                    let density = half * weight * self.exponent(t).exp();
                    let hangs_up = -(-self.theta * t).exp_m1();
                    sum.share += density;
                    sum.left += density * hangs_up;
                    sum.served += density * (1.0 - hangs_up);
                    sum.served_wait += density * (1.0 - hangs_up) * t;
                }
            }
        }
    }
}

impl Parts {
    /// As shares of `whole`.
    fn of(self, whole: f64) -> Self {
        Self {
            share: self.share / whole,
            served: self.served / whole,
            left: self.left / whole,
            served_wait: self.served_wait / whole,
        }
    }
}

/// e^−x − 1 + x: how far e^−x lies above its tangent at zero. Near zero by its series, for the plain form would cancel.
pub(super) fn beyond_line(x: f64) -> f64 {
    if x.abs() > 0.1 {
        return (-x).exp_m1() + x;
    }
    let mut inner = 1.0;
    for k in (3..=11).rev() {
        inner = 1.0 - x / f64::from(k) * inner;
    }
    x * x / 2.0 * inner
}
