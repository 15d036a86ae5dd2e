//! Published figures, figures computed another way, a simulated queue, and what must always hold.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::patience::beyond_line;
use super::staffing::{Formula, Goal, scheduled};
use super::{AGENTS_MOST, Figures, LOAD_MOST, Load, LoadError};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn load(calls: f64, per: u64, handle: u64, patience: Option<u64>) -> Load {
    Load::new(calls, seconds(per), seconds(handle), patience.map(seconds)).expect("a load")
}

fn goal(level: f64, within: u64) -> Goal {
    Goal {
        formula: Formula::Strict,
        level,
        within: seconds(within),
        short: Duration::ZERO,
        occupancy_most: None,
        abandon_most: None,
    }
}

fn near(name: &str, got: f64, wanted: f64, error: f64) {
    assert!((got - wanted).abs() <= error, "{name}: {got} is not {wanted} ± {error}");
}

/// The published table of Erlang C, half-hour intervals: calls, AHT, level and time of the goal; then load, agents,
/// share that waits, service level, ASA, occupancy.
#[test]
fn published_figures_of_erlang_c() {
    let table = [
        (100.0, 180, 0.8, 20, 10.0, 14, 0.1741, 0.8884, 7.84, 0.714),
        (240.0, 240, 0.8, 20, 32.0, 37, 0.2971, 0.8042, 14.26, 0.865),
        (30.0, 300, 0.9, 10, 5.0, 9, 0.0805, 0.9295, 6.04, 0.556),
        (1000.0, 180, 0.8, 20, 100.0, 107, 0.3835, 0.8238, 9.86, 0.935),
    ];
    for (calls, handle, level, within, erlangs, agents, waiting, service_level, asa, occupancy) in table {
        let (load, goal) = (load(calls, 1_800, handle, None), goal(level, within));
        near("load", load.erlangs(), erlangs, 1e-9);
        assert_eq!(goal.agents_needed(&load), Some(agents), "{calls} calls of {handle} s");
        let figures = goal.figures(&load, agents).expect("stable");
        near("P(wait)", figures.waiting, waiting, 0.000_05);
        near("SL", figures.answered_within, service_level, 0.000_05);
        near("ASA", figures.asa_seconds, asa, 0.005);
        near("occupancy", figures.occupancy, occupancy, 0.000_5);
        let fewer = goal.figures(&load, agents - 1);
        assert!(fewer.is_none_or(|figures| figures.answered_within < level), "one agent less is not enough");
    }
}

/// Garnett, Mandelbaum and Reiman 2002, §1: 48 calls a minute of a minute each, 50 agents. Callers who wait for ever
/// wait 20.8 s, 17 at a time, agents are busy for 96 %; with a patience of two minutes 3.1 % hang up, the wait is 3.7 s, 3
/// wait at a time, agents are busy for 93 %.
#[test]
fn published_figures_of_erlang_a() {
    let endless = load(48.0, 60, 60, None).figures(50, seconds(20), Duration::ZERO).expect("stable");
    near("wait", endless.wait_seconds, 20.8, 0.05);
    near("in queue", endless.in_queue, 17.0, 0.5);
    near("occupancy", endless.occupancy, 0.96, 1e-9);
    let patient = load(48.0, 60, 60, Some(120)).figures(50, seconds(20), Duration::ZERO).expect("stable");
    near("abandons", patient.abandon_rate(), 0.031, 0.000_5);
    near("wait", patient.wait_seconds, 3.7, 0.05);
    near("in queue", patient.in_queue, 3.0, 0.5);
    near("occupancy", patient.occupancy, 0.93, 0.005);
}

/// The same queues solved with sixty digits: state by state for who waits and who hangs up, by adaptive quadrature for
/// times. From half a load on one agent to 9000 erlang, from patience of three seconds to an hour.
#[test]
fn erlang_a_agrees_with_sixty_digits() {
    // Calls, interval, AHT, patience, agents, T; P(wait), abandons, A≤T, B≤T, ASA.
    type Row = (f64, u64, u64, u64, u32, u64, [f64; 5]);
    let table: [Row; 7] = [
        (
            48.0,
            60,
            60,
            120,
            50,
            20,
            [0.46777406855379, 0.0309122491621932, 0.943018954746981, 0.029845436960827, 3.61590023955311],
        ),
        (
            100.0,
            1_800,
            240,
            90,
            12,
            20,
            [0.546166028159266, 0.190765457704187, 0.591764345493415, 0.094063671442198, 14.8102669234801],
        ),
        (
            100.0,
            1_800,
            240,
            90,
            16,
            20,
            [0.216660403058587, 0.0556599407422593, 0.869154075189943, 0.0335190792552663, 4.08542448860508],
        ),
        (
            100.0,
            1_800,
            600,
            5,
            20,
            20,
            [0.494445464045298, 0.431101377059933, 0.568210843680967, 0.426965003031893, 0.51074975767058],
        ),
        (
            10.0,
            60,
            600,
            3,
            1,
            20,
            [0.993958002274065, 0.990060419977259, 0.00993348156244677, 0.988840340789781, 1.32042212475726],
        ),
        (
            9_000.0,
            60,
            60,
            60,
            8_900,
            10,
            [0.855332985826023, 0.0118980362715122, 0.988101963728488, 0.0118980362715122, 0.715566852197387],
        ),
        (300.0, 60, 60, 3_600, 200, 20, [1.0, 0.333333333333333, 0.0, 0.00554015199510325, 1459.52439127273]),
    ];
    for (calls, per, handle, patience, agents, within, wanted) in table {
        let figures =
            load(calls, per, handle, Some(patience)).figures(agents, seconds(within), Duration::ZERO).expect("stable");
        let got = [
            figures.waiting,
            figures.abandon_rate(),
            figures.answered_within,
            figures.abandoned_within,
            figures.asa_seconds,
        ];
        for (name, (got, wanted)) in
            ["P(wait)", "abandons", "A≤T", "B≤T", "ASA"].iter().zip(got.into_iter().zip(wanted))
        {
            near(&format!("{agents} agents, {name}"), got, wanted, 1e-11 * wanted.max(1.0));
        }
    }
}

/// With endless patience Erlang A is Erlang C.
#[test]
fn erlang_a_becomes_erlang_c() {
    for (calls, agents) in [(10.0, 2), (100.0, 14), (900.0, 100), (99_000.0, 10_000)] {
        let patience = Some(10_000_000_000);
        let a = load(calls, 1_800, 180, patience).figures(agents, seconds(20), Duration::ZERO).expect("stable");
        let c = load(calls, 1_800, 180, None).figures(agents, seconds(20), Duration::ZERO).expect("stable");
        for (name, a, c) in [
            ("P(wait)", a.waiting, c.waiting),
            ("SL", a.answered_within, c.answered_within),
            ("ASA", a.asa_seconds, c.asa_seconds),
            ("wait", a.wait_seconds, c.wait_seconds),
            ("occupancy", a.occupancy, c.occupancy),
        ] {
            near(&format!("{agents} agents, {name}"), a, c, 1e-5 * c.max(1e-3));
        }
    }
}

/// A queue that grows without end has no figures; with patience every queue has.
#[test]
fn an_overloaded_queue_has_figures_only_with_patience() {
    let (endless, patient) = (load(100.0, 1_800, 180, None), load(100.0, 1_800, 180, Some(60)));
    assert_eq!(endless.figures(10, seconds(20), Duration::ZERO), None, "exactly the load");
    assert!(endless.figures(11, seconds(20), Duration::ZERO).is_some());
    for agents in 1..=10 {
        let figures = patient.figures(agents, seconds(20), Duration::ZERO).expect("stable");
        // Nobody can answer more than all the time.
        assert!(figures.abandon_rate() >= 1.0 - f64::from(agents) / 10.0, "{agents}: {figures:?}");
    }
    assert_eq!(patient.figures(0, seconds(20), Duration::ZERO), None);
}

/// From one agent to the most, far under and far over the load, with any patience: numbers, and shares between 0 and 1.
#[test]
fn no_corner_overflows() {
    let times = [1, 20, 600, 86_400, 100_000_000];
    for erlangs in [1e-6, 0.5, 10.0, 9_999.0, LOAD_MOST] {
        for agents in [1, 2, 12, 10_000, AGENTS_MOST] {
            for patience in times {
                for within in [0, 20, 100_000_000] {
                    let load = load(erlangs, 60, 60, Some(patience));
                    let figures = load.figures(agents, seconds(within), seconds(5)).expect("stable");
                    sound(&figures, &format!("{erlangs} E, {agents} agents, patience {patience} s, {within} s"));
                }
            }
        }
    }
}

fn sound(figures: &Figures, place: &str) {
    let Figures { waiting, answered, answered_within, abandoned_within, abandoned_short, occupancy, .. } = *figures;
    let mut shares = vec![waiting, answered, answered_within, abandoned_within, abandoned_short, occupancy];
    shares.push(figures.abandon_rate());
    shares.extend(Formula::ALL.map(|formula| formula.of(figures)));
    assert!(shares.iter().all(|share| (-1e-12..=1.0 + 1e-9).contains(share)), "{place}: {figures:?}");
    let times = [figures.asa_seconds, figures.wait_seconds, figures.in_queue];
    assert!(times.iter().all(|time| time.is_finite() && *time >= 0.0), "{place}: {figures:?}");
    assert!(answered_within <= answered + 1e-9, "{place}: {figures:?}");
    assert!(answered_within + abandoned_within <= 1.0 + 1e-9, "{place}: {figures:?}");
}

#[test]
fn a_load_that_cannot_be_is_refused() {
    let minute = seconds(60);
    for calls in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(Load::new(calls, minute, minute, None), Err(LoadError::Calls), "{calls}");
    }
    assert_eq!(Load::new(1.0, Duration::ZERO, minute, None), Err(LoadError::Interval));
    assert_eq!(Load::new(1.0, minute, Duration::ZERO, None), Err(LoadError::Handle));
    assert_eq!(Load::new(1.0, minute, minute, Some(Duration::ZERO)), Err(LoadError::Patience));
    assert_eq!(Load::new(60_000.0, minute, minute, None), Err(LoadError::TooMuch(60_000.0)));
    assert!(Load::new(LOAD_MOST, minute, minute, None).is_ok());
    assert!(LoadError::TooMuch(6e4).to_string().contains(&LOAD_MOST.to_string()), "the text names the limit");
}

/// Each part of the goal can be the one that decides.
#[test]
fn every_part_of_a_goal_counts() {
    let load = load(100.0, 1_800, 240, Some(90));
    let service_level = goal(0.8, 20);
    let needed = |goal: Goal| goal.agents_needed(&load).expect("some number");
    assert_eq!(needed(service_level), 15);
    let occupancy = Goal { occupancy_most: Some(0.7), ..service_level };
    assert!(needed(occupancy) > 15);
    assert!(occupancy.figures(&load, needed(occupancy)).is_some_and(|figures| figures.occupancy <= 0.7));
    let abandons = Goal { abandon_most: Some(0.01), ..service_level };
    assert!(needed(abandons) > 15);
    let kinder = Goal { formula: Formula::AllPositive, ..service_level };
    assert!(needed(kinder) < 15, "who hangs up in time counts as served");
    let never = Goal { occupancy_most: Some(0.0001), ..service_level };
    assert_eq!(never.agents_needed(&load), None);
}

/// The formulas by their names, on a hundred calls: 80 answered in time and 10 later, 2 short abandons, 4 more in time, 4 late.
#[test]
fn each_formula_counts_what_it_says() {
    let figures = Figures {
        waiting: 0.5,
        answered: 0.90,
        answered_within: 0.80,
        abandoned_within: 0.06,
        abandoned_short: 0.02,
        asa_seconds: 10.0,
        wait_seconds: 10.0,
        in_queue: 1.0,
        occupancy: 0.8,
    };
    for (formula, part, whole) in [
        (Formula::Strict, 80.0, 100.0),
        (Formula::Answered, 80.0, 90.0),
        (Formula::AllPositive, 86.0, 100.0),
        (Formula::After, 80.0, 94.0),
        (Formula::Short, 80.0, 98.0),
    ] {
        near(formula.name(), formula.of(&figures), part / whole, 1e-12);
    }
    near("abandons", figures.abandon_rate(), 8.0 / 98.0, 1e-12);
}

/// e^−x − 1 + x keeps all its digits near zero, where it is x²/2 − x³/6 + …, and has no step where its form changes.
#[test]
fn the_exponent_is_exact_near_its_peak() {
    for x in [1e-9, -1e-9, 1e-5, -1e-5_f64] {
        let wanted = x * x / 2.0 - x * x * x / 6.0;
        near(&format!("{x}"), beyond_line(x) / wanted, 1.0, 1e-9);
    }
    for edge in [0.1, -0.1_f64] {
        near(&format!("{edge}"), beyond_line(edge) / ((-edge).exp_m1() + edge), 1.0, 1e-13);
    }
}

/// Shrinkage: so many on the roster that after leave, illness and breaks enough are there.
#[test]
fn a_roster_is_longer_than_the_floor() {
    assert_eq!(scheduled(14, 0.0), 14);
    assert_eq!(scheduled(14, 0.3), 20);
    assert_eq!(scheduled(15, 0.3), 22);
    assert_eq!(scheduled(9, 0.1), 10);
    assert_eq!(scheduled(1, 0.99), 100);
}

/// A queue in which calls come, wait in order, hang up and are served one by one agrees with the formulas within its own
/// confidence band (99.9 %, means of 40 batches), with and without patience, below and above the load.
#[test]
fn a_simulated_queue_agrees() {
    let worlds = [
        (100.0, 240, None, 18),
        (240.0, 240, None, 37),
        (100.0, 240, Some(90), 12),
        (100.0, 240, Some(90), 16),
        (240.0, 240, Some(300), 33),
        (30.0, 300, Some(20), 3),
    ];
    for (seed, (calls, handle, patience, agents)) in worlds.into_iter().enumerate() {
        let (within, short) = (20.0, 5.0);
        let load = load(calls, 1_800, handle, patience);
        let figures = load.figures(agents, seconds(20), seconds(5)).expect("stable");
        let mut world = World::new(seed as u64, agents, calls / 1_800.0, handle as f64, patience.map(|p| p as f64));
        world.batch(60_000, within, short);
        let batches: Vec<[f64; 7]> = (0..40).map(|_| world.batch(60_000, within, short)).collect();
        let wanted = [
            figures.waiting,
            figures.answered,
            figures.answered_within,
            figures.abandoned_within,
            figures.abandoned_short,
            figures.asa_seconds,
            figures.wait_seconds,
        ];
        let names = ["P(wait)", "A", "A≤T", "B≤T", "B≤S", "ASA", "wait"];
        for (at, (name, wanted)) in names.into_iter().zip(wanted).enumerate() {
            let mean = batches.iter().map(|batch| batch[at]).sum::<f64>() / 40.0;
            let variance = batches.iter().map(|batch| (batch[at] - mean).powi(2)).sum::<f64>() / 39.0;
            // Student's t of 39 degrees, both sides.
            let band = 3.56 * (variance / 40.0).sqrt() + 1e-9;
            near(&format!("world {seed}, {name}"), mean, wanted, band);
            assert!(
                band <= 0.1 * wanted.max(0.02),
                "world {seed}, {name}: a band of {band} around {mean} proves nothing"
            );
        }
    }
}

/// A first-come-first-served queue, call by call: each takes the agent who is free first, unless he has hung up before.
struct World {
    random: ChaCha8Rng,
    now: f64,
    /// When each agent is free, in ns: whole numbers have an order.
    free_at: BinaryHeap<Reverse<u64>>,
    calls_per_second: f64,
    handle: f64,
    patience: Option<f64>,
}

impl World {
    fn new(seed: u64, agents: u32, calls_per_second: f64, handle: f64, patience: Option<f64>) -> Self {
        let free_at = (0..agents).map(|_| Reverse(0)).collect();
        Self { random: ChaCha8Rng::seed_from_u64(seed), now: 0.0, free_at, calls_per_second, handle, patience }
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        let unit = ((self.random.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        -unit.ln() * mean
    }

    /// Of the next calls: who waits, A, A≤T, B≤T, B≤S as shares; ASA and the mean wait of all.
    fn batch(&mut self, calls: u32, within: f64, short: f64) -> [f64; 7] {
        let mut sums = [0.0; 7];
        for _ in 0..calls {
            self.now += self.exponential(1.0 / self.calls_per_second);
            let patience = self.patience.map_or(f64::INFINITY, |mean| self.exponential(mean));
            let talk = self.exponential(self.handle);
            let Reverse(free) = self.free_at.pop().expect("an agent");
            let offered = (free as f64 / 1e9 - self.now).max(0.0);
            let served = offered <= patience;
            let wait = offered.min(patience);
            let free = if served { ((self.now + wait + talk) * 1e9) as u64 } else { free };
            self.free_at.push(Reverse(free));
            let counts =
                [offered > 0.0, served, served && wait <= within, !served && wait <= within, !served && wait <= short];
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += f64::from(count);
            }
            sums[5] += if served { wait } else { 0.0 };
            sums[6] += wait;
        }
        sums[5] *= f64::from(calls) / sums[1];
        sums.map(|sum| sum / f64::from(calls))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// One agent more makes nothing worse; all calls are answered or hung up; Little's law holds for the two ways in
    /// which abandons and waits are linked.
    #[test]
    fn one_agent_more_makes_nothing_worse(
        erlangs in 0.01_f64..300.0,
        handle in 1_u64..3_600,
        patience in prop::option::of(1_u64..7_200),
        share in 0.3_f64..2.0,
        within in 0_u64..120,
        short in 0_u64..10,
    ) {
        let load = load(erlangs, handle, handle, patience);
        let agents = (erlangs * share).ceil() as u32;
        let (within, short) = (seconds(within), seconds(short));
        let more = load.figures(agents + 1, within, short);
        let Some(fewer) = load.figures(agents, within, short) else {
            prop_assert!(patience.is_none() && f64::from(agents) <= erlangs);
            return Ok(());
        };
        let more = more.expect("more agents are as stable");
        sound(&fewer, "fewer");
        let grain = 1e-9;
        for formula in Formula::ALL {
            prop_assert!(formula.of(&more) >= formula.of(&fewer) - grain, "{formula:?} {fewer:?} {more:?}");
        }
        prop_assert!(more.waiting <= fewer.waiting + grain);
        prop_assert!(more.asa_seconds <= fewer.asa_seconds * (1.0 + grain) + grain);
        prop_assert!(more.wait_seconds <= fewer.wait_seconds * (1.0 + grain) + grain);
        prop_assert!(more.occupancy <= fewer.occupancy + grain);
        prop_assert!(more.abandon_rate() <= fewer.abandon_rate() + grain);
        if let Some(patience) = patience {
            let hung_up = 1.0 - fewer.answered;
            prop_assert!((hung_up - fewer.wait_seconds / patience as f64).abs() < grain);
            let endless = self::load(erlangs, handle, handle, None).figures(agents, within, short);
            prop_assert!(endless.is_none_or(|endless| fewer.wait_seconds <= endless.wait_seconds + grain));
        }
    }

    /// What is found keeps the goal, and one agent fewer does not.
    #[test]
    fn the_number_found_is_the_smallest(
        erlangs in 0.01_f64..500.0,
        patience in prop::option::of(5_u64..1_800),
        level in 0.1_f64..0.99,
        within in 0_u64..60,
        formula in prop::sample::select(Formula::ALL.to_vec()),
        occupancy_most in prop::option::of(0.3_f64..0.99),
        abandon_most in prop::option::of(0.001_f64..0.2),
    ) {
        let load = load(erlangs, 240, 240, patience);
        let goal = Goal { formula, short: seconds(5), occupancy_most, abandon_most, ..goal(level, within) };
        let keeps = |agents: u32| goal.figures(&load, agents).is_some_and(|figures| goal.is_met(&figures));
        let needed = goal.agents_needed(&load).expect("some number");
        prop_assert!(keeps(needed), "{needed}");
        prop_assert!(!keeps(needed - 1), "{needed}");
        prop_assert!(keeps(needed + 1), "{needed}");
    }
}
