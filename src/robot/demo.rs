//! Robot callers and robot agents of `serve --dev`: a centre that is alive without people.
//!
//! An agent registers, answers after 1–4 s, talks 15–40 s and hangs up. A caller dials 500, presses 1 in the menus,
//! waits with a patience of 1–3 minutes, talks, and answers the survey when the agent hung up first.
//!
//! An id is given up to people: every [`LOOK_EVERY`] the robot registers again and reads all bindings in the 200.
//! If there is another contact than its own, it removes its own and only asks for the bindings from then on, until
//! none is left. So a real phone shares its id with the robot for [`LOOK_EVERY`] at most, and a robot returns at
//! most so long after the phone has gone. A robot that talks gives the id up too, and finishes its talk.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::{Answering, Call, Options, Phone, Source};

/// How often an agent looks whether somebody else registered his id.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Robot callers at once; further ones are not started.
const CALLERS_AT_ONCE: usize = 30;
const SHORT: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(200);

/// What a demo is.
#[derive(Clone)]
pub struct DemoOptions {
    /// Where the server listens (UDP).
    pub server: SocketAddr,
    /// New calls a minute; 0 = agents only.
    pub calls_per_minute: u32,
    /// Id and password of each robot agent.
    pub agents: Vec<(String, String)>,
    /// Seed of every choice.
    pub seed: u64,
    /// What agents say, 8 kHz, played again and again; empty = a tone of 604 Hz.
    pub agent_speech: Vec<Arc<[i16]>>,
    /// What callers say; empty = a tone of 1,004 Hz.
    pub caller_speech: Vec<Arc<[i16]>>,
}

/// A running demo; stops on drop, which takes up to two seconds.
pub struct Demo {
    world: Arc<World>,
    threads: Vec<JoinHandle<()>>,
}

/// What robots of one demo share.
struct World {
    options: DemoOptions,
    stopped: Mutex<bool>,
    bell: Condvar,
    /// Robot callers by number, and how far their talk with a robot agent is: a robot cannot hear that by itself.
    talks: Mutex<BTreeMap<String, Talk>>,
    callers: AtomicUsize,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Talk {
    Waiting,
    Going,
    Over,
}

impl World {
    /// Sleeps for `length`; false when the demo stops.
    fn pause(&self, length: Duration) -> bool {
        let deadline = Instant::now() + length;
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if *stopped || left.is_zero() {
                return !*stopped;
            }
            stopped = self.bell.wait_timeout(stopped, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn running(&self) -> bool {
        self.pause(Duration::ZERO)
    }

    fn talk(&self, number: &str) -> Option<Talk> {
        self.talks.lock().unwrap_or_else(PoisonError::into_inner).get(number).copied()
    }

    /// Said by agents; people who call are not in the list and are not added.
    fn set_talk(&self, number: &str, talk: Talk) {
        if let Some(known) = self.talks.lock().unwrap_or_else(PoisonError::into_inner).get_mut(number) {
            *known = talk;
        }
    }
}

impl Demo {
    /// Starts all robots. They try again by themselves when the server is not there yet.
    pub fn start(options: DemoOptions) -> Self {
        let world = Arc::new(World {
            options,
            stopped: Mutex::new(false),
            bell: Condvar::new(),
            talks: Mutex::new(BTreeMap::new()),
            callers: AtomicUsize::new(0),
        });
        let mut threads = Vec::new();
        for (index, (id, password)) in world.options.agents.clone().into_iter().enumerate() {
            let world = Arc::clone(&world);
            threads.extend(spawn("robot-agent", move || agent(&world, &id, &password, index as u64)));
        }
        if world.options.calls_per_minute > 0 {
            let world = Arc::clone(&world);
            threads.extend(spawn("robot-callers", move || callers(&world)));
        }
        Self { world, threads }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        *self.world.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.world.bell.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A thread, or none when the system has no more: the demo then has one robot less.
fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(body).ok()
}

fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(stream);
    generator
}

/// A random time between two, in ms.
fn between(random: &mut ChaCha8Rng, least_ms: u64, most_ms: u64) -> Duration {
    Duration::from_millis(least_ms + random.next_u64() % (most_ms - least_ms + 1))
}

fn voice(speech: &[Arc<[i16]>], random: &mut ChaCha8Rng, tone: f64) -> Source {
    let index = random.next_u64() as usize % speech.len().max(1);
    speech.get(index).map_or(Source::Tone(tone), |clip| Source::Loop(Arc::clone(clip)))
}

// ---- agents -----------------------------------------------------------------------------------------------------

fn agent(world: &World, id: &str, password: &str, index: u64) {
    let mut random = generator(world.options.seed, index);
    let mut options = Options::new(world.options.server, id).password(password).answers(Answering::Manual);
    options.keep_ms = 0;
    options.expires = 60;
    options.source = voice(&world.options.agent_speech, &mut random, 604.0);
    let phone = loop {
        match Phone::start(options.clone()) {
            Ok(phone) => break phone,
            Err(_) if world.pause(SHORT) => {}
            Err(_) => return,
        }
    };
    let mut watch = Watch { phone: &phone, away: false, next: Instant::now() };
    while world.running() {
        watch.look();
        if watch.away {
            world.pause(POLL);
        } else if let Ok(call) = phone.incoming(POLL) {
            serve(world, &call, &mut watch, &mut random);
        }
    }
}

/// Whose the id is.
struct Watch<'a> {
    phone: &'a Phone,
    /// Somebody else has the id.
    away: bool,
    /// When to look again.
    next: Instant,
}

impl Watch<'_> {
    /// When it is time: registers when nobody else has the id, gives it up when somebody has.
    fn look(&mut self) {
        if Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + LOOK_EVERY;
        let found = if self.away { self.phone.bindings(SHORT) } else { self.phone.register(SHORT) };
        let Ok(contacts) = found else { return };
        let own = self.phone.contact();
        let others = contacts.iter().any(|c| *c != own);
        if others && !self.away {
            let _ = self.phone.unregister(SHORT);
            self.away = true;
        } else if !others && self.away {
            self.away = self.phone.register(SHORT).is_err();
        }
    }
}

fn serve(world: &World, call: &Call, watch: &mut Watch<'_>, random: &mut ChaCha8Rng) {
    let (ring, talk) = (between(random, 1_000, 4_000), between(random, 15_000, 40_000));
    let answer_at = Instant::now() + ring;
    while call.live() && Instant::now() < answer_at {
        if !world.pause(POLL) {
            return;
        }
    }
    call.answer();
    if !call.up() {
        return;
    }
    world.set_talk(&call.from, Talk::Going);
    let until = Instant::now() + talk;
    while call.live() && Instant::now() < until && world.pause(POLL) {
        watch.look();
    }
    if call.live() {
        call.hang_up_and_wait(SHORT);
    }
    world.set_talk(&call.from, Talk::Over);
}

// ---- callers ----------------------------------------------------------------------------------------------------

fn callers(world: &Arc<World>) {
    let mut random = generator(world.options.seed, 1_000);
    let every_ms = 60_000 / u64::from(world.options.calls_per_minute);
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    // The first call comes at once, so that there is something to see; then they come unevenly.
    let mut wait = Duration::from_secs(2);
    for index in 0u64.. {
        if !world.pause(wait) {
            break;
        }
        wait = between(&mut random, every_ms / 2, every_ms * 3 / 2);
        threads.retain(|t| !t.is_finished());
        if world.callers.load(Ordering::Relaxed) >= CALLERS_AT_ONCE {
            continue;
        }
        world.callers.fetch_add(1, Ordering::Relaxed);
        let held = Arc::clone(world);
        let seed_stream = 2_000 + index;
        let thread = spawn("robot-caller", move || {
            let mut random = generator(held.options.seed, seed_stream);
            let number = format!("05{:08}", random.next_u64() % 100_000_000);
            held.talks.lock().unwrap_or_else(PoisonError::into_inner).insert(number.clone(), Talk::Waiting);
            let _ = caller(&held, &number, &mut random);
            held.talks.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
            held.callers.fetch_sub(1, Ordering::Relaxed);
        });
        if thread.is_none() {
            world.callers.fetch_sub(1, Ordering::Relaxed);
        }
        threads.extend(thread);
    }
    for thread in threads {
        let _ = thread.join();
    }
}

/// One call from dialling to its end; `None` when it was cut short.
fn caller(world: &World, number: &str, random: &mut ChaCha8Rng) -> Option<()> {
    let mut options = Options::new(world.options.server, number);
    // A host that is not the centre's: callers are strangers, and strangers are not asked for a password.
    options.domain = "caller.invalid".into();
    options.keep_ms = 0;
    options.source = Source::Silence;
    let phone = Phone::start(options).ok()?;
    let call = phone.invite("500").ok()?;
    call.answered(Duration::from_secs(20)).ok()?;
    for _menu in 0..2 {
        wait_in(world, &call, between(random, 2_000, 4_000))?;
        call.press("1");
    }
    let patience = Instant::now() + between(random, 60_000, 180_000);
    while world.talk(number) == Some(Talk::Waiting) && Instant::now() < patience {
        wait_in(world, &call, POLL)?;
    }
    if world.talk(number) == Some(Talk::Waiting) {
        call.hang_up_and_wait(SHORT);
        return Some(());
    }
    call.say(voice(&world.options.caller_speech, random, 1_004.0));
    // One in three callers is the first to hang up.
    let own = random.next_u64().is_multiple_of(3).then(|| Instant::now() + between(random, 10_000, 25_000));
    while world.talk(number) == Some(Talk::Going) && own.is_none_or(|at| Instant::now() < at) {
        wait_in(world, &call, POLL)?;
    }
    call.say(Source::Silence);
    if world.talk(number) == Some(Talk::Over) {
        wait_in(world, &call, between(random, 4_000, 7_000))?;
        let score = 1 + random.next_u64() % 5;
        call.press(&score.to_string());
        wait_in(world, &call, Duration::from_secs(10))?;
    }
    call.hang_up_and_wait(SHORT);
    Some(())
}

/// Waits while the call lives; `None` when it or the demo ended.
fn wait_in(world: &World, call: &Call, length: Duration) -> Option<()> {
    let until = Instant::now() + length;
    while Instant::now() < until {
        if !call.live() || !world.pause(POLL.min(length)) {
            return None;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_without_a_server_stops_at_once() {
        let demo = Demo::start(DemoOptions {
            server: "127.0.0.1:9".parse().expect("address"),
            calls_per_minute: 60,
            agents: vec![("102".into(), "x".into())],
            seed: 1,
            agent_speech: Vec::new(),
            caller_speech: Vec::new(),
        });
        std::thread::sleep(Duration::from_millis(100));
        let start = Instant::now();
        drop(demo);
        assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    }

    /// The same seed makes the same choices, robot by robot.
    #[test]
    fn choices_come_from_the_seed() {
        let choices = |seed, stream| -> Vec<Duration> {
            let mut random = generator(seed, stream);
            (0..5).map(|_| between(&mut random, 1_000, 4_000)).collect()
        };
        assert_eq!(choices(7, 1), choices(7, 1));
        assert_ne!(choices(7, 1), choices(7, 2));
        assert!(choices(7, 1).iter().all(|d| (1_000..=4_000).contains(&(d.as_millis() as u64))));
    }
}
