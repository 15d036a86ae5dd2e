//! Walks through a flow without a phone: virtual time, a supposed world, and steps in place of a caller.
//!
//! ```text
//!   Setting (who calls, when, queues, calendars, services)
//!      v
//!    Walk <--- Step ("1", "1#", t, h, answered, …)
//!      |
//!      v
//!   Trace: nodes with their time, what was heard, keys, variables, services, queues, the end
//! ```
//!
//! - [`scenario`] reads the steps and expectations of test files, [`judge`] compares them with a trace.
//! - [`explore`] goes every way of a flow.
//! - [`kinds`] is all that these know of the kinds of nodes.
//!
//! Nothing here reads a clock or a file: times are estimates unless the length of the recordings is given.

mod driver;
pub mod explore;
pub mod judge;
pub mod kinds;
pub mod scenario;
mod step;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::expr::{Facts, QueueFacts, Value};
use super::flow::{Library, Program};
use super::prompts::PromptText;
use super::run::{Fetched, UnknownFlow, Waits};
use crate::journal::{FlowOutcome, Hours};

pub use driver::{Driver, Event, Said, Stage};
pub use step::{Misfit, Step, words};

/// Most visits of one walk.
pub const VISITS: usize = 1_000;
/// How long a caller thinks before he presses a key.
const THINKS: Duration = Duration::from_secs(1);
/// Between two keys.
const BETWEEN_KEYS: Duration = Duration::from_millis(300);
/// How long a mocked service takes.
const SERVICE: Duration = Duration::from_millis(3);
/// Things that may be due in a queue before it makes an offer.
const OFFERS: usize = 50;
/// A wait and a talk, where nobody says how long they are.
const WAIT: Duration = Duration::from_secs(12);
const TALK: Duration = Duration::from_secs(30);
const RING: Duration = Duration::from_secs(6);
const MESSAGE: Duration = Duration::from_secs(10);

/// What a service does when it is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mock {
    /// It answers.
    Answer {
        /// HTTP status.
        status: u16,
        /// What it sends.
        body: bytes::Bytes,
    },
    /// It does not answer in time.
    Timeout,
    /// It cannot be reached.
    Error,
}

/// Who calls, when, and what the world is like.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The flow he enters.
    pub flow: String,
    /// Who calls, whom, when and in which language.
    pub facts: Facts,
    /// What queues look like; others are empty, with one agent ready.
    pub queues: BTreeMap<String, QueueFacts>,
    /// What calendars say; others are open.
    pub hours: BTreeMap<String, Hours>,
    /// What services answer; others cannot be reached.
    pub mocks: BTreeMap<String, Mock>,
}

/// What prompts say and how long they take.
#[derive(Clone, Debug, Default)]
pub struct Voice {
    texts: BTreeMap<String, BTreeMap<String, String>>,
    lengths: BTreeMap<String, BTreeMap<String, Duration>>,
}

impl Voice {
    /// From the manifest, and the length of each recording there is, by language and prompt.
    pub fn new(prompts: &[PromptText], lengths: BTreeMap<String, BTreeMap<String, Duration>>) -> Self {
        let mut texts: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for prompt in prompts {
            texts.entry(prompt.language.clone()).or_default().insert(prompt.id.clone(), prompt.text.clone());
        }
        Self { texts, lengths }
    }

    fn text(&self, said: &Said) -> Option<&String> {
        self.texts.get(&said.language)?.get(said.prompt.as_ref()?)
    }

    /// The length of its recording, else an estimate: about fourteen letters a second.
    pub fn length(&self, said: &Said) -> Duration {
        let recorded = said.prompt.as_ref().and_then(|id| self.lengths.get(&said.language)?.get(id));
        recorded.copied().unwrap_or_else(|| {
            let letters = said.text.chars().filter(|c| !matches!(c, '\u{064B}'..='\u{0652}')).count();
            Duration::from_millis(400 + 70 * u64::try_from(letters).unwrap_or(0))
        })
    }
}

/// One node of a walk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Visit {
    /// The flow.
    pub flow: String,
    /// The node.
    pub node: String,
    /// Its kind.
    pub kind: &'static str,
    /// When, from the beginning, in milliseconds.
    pub at_ms: u64,
    /// How long.
    pub took_ms: u64,
    /// What happened there.
    pub events: Vec<Event>,
}

/// What there is to hear, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Sound {
    /// Something said, in full.
    Said(Said),
    /// Nothing.
    Silence(Duration),
    /// Hold music.
    Music(Duration),
    /// A phone that rings.
    Ringing(Duration),
    /// A talk with somebody.
    Talk(Duration),
    /// The tone before a message.
    Beep,
    /// A key.
    Key(char),
}

/// A walk as it went.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Trace {
    /// Nodes in order.
    pub visits: Vec<Visit>,
    /// Variables as they were last, by name; those of flows that are left too.
    pub vars: BTreeMap<String, String>,
    /// How the last flow ended; `None` while the walk goes on.
    pub outcome: Option<FlowOutcome>,
    /// What failed, if anything did.
    pub failed: Option<String>,
    /// What there is to hear.
    #[serde(skip)]
    pub sounds: Vec<Sound>,
}

impl Trace {
    /// Names of the nodes, in order.
    pub fn path(&self) -> Vec<&str> {
        self.visits.iter().map(|visit| visit.node.as_str()).collect()
    }

    /// All events in order.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.visits.iter().flat_map(|visit| &visit.events)
    }

    /// All that was heard to its end.
    pub fn heard(&self) -> impl Iterator<Item = &Said> {
        self.sounds.iter().filter_map(|sound| match sound {
            Sound::Said(said) => Some(said),
            _ => None,
        })
    }
}

/// One walk, as far as it has come.
#[derive(Debug)]
pub struct Walk<'v> {
    driver: Driver,
    stage: Stage,
    mocks: BTreeMap<String, Mock>,
    voice: &'v Voice,
    origin: Instant,
    /// Variables whose values are not shown.
    masked: BTreeSet<String>,
    /// What is being said.
    saying: Vec<Said>,
    /// The service that is asked.
    asked: String,
    /// The longest wait of the queue he is in.
    max_wait: Option<Duration>,
    /// The variables as they were told last.
    vars: BTreeMap<String, Value>,
    trace: Trace,
}

impl<'v> Walk<'v> {
    /// Begins, and goes on to the first node where somebody has to do something. `origin` is the zero of virtual time.
    ///
    /// # Errors
    ///
    /// [`UnknownFlow`] when the library has none of this name.
    pub fn begin(
        origin: Instant,
        library: &Arc<Library>,
        setting: Setting,
        voice: &'v Voice,
    ) -> Result<Self, UnknownFlow> {
        let driver = Driver::new(origin, library, &setting.flow, setting.facts)?;
        let nodes = library.flows.values().flat_map(|flow| flow.nodes.values());
        let masked = nodes.filter_map(|node| kinds::masked(node).map(str::to_owned)).collect();
        let stage = Stage { queues: setting.queues, hours: setting.hours, ..Stage::default() };
        let mut walk = Self {
            driver,
            stage,
            mocks: setting.mocks,
            voice,
            origin,
            masked,
            saying: Vec::new(),
            asked: String::new(),
            max_wait: None,
            vars: BTreeMap::new(),
            trace: Trace::default(),
        };
        walk.go_on();
        Ok(walk)
    }

    /// How it went so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// How it went.
    pub fn into_trace(self) -> Trace {
        self.trace
    }

    /// The flow it is in.
    pub fn program(&self) -> &Program {
        self.driver.run.program()
    }

    /// The language the caller is spoken to.
    pub fn language(&self) -> &str {
        self.driver.run.language()
    }

    /// True when nothing follows.
    pub fn is_over(&self) -> bool {
        self.driver.waits() == Some(Waits::Nothing)
    }

    /// What it waits for: never sound or a service.
    pub fn waits(&self) -> Waits {
        self.driver.waits().unwrap_or(Waits::Nothing)
    }

    /// Somebody does something; then it goes on to where the next has to.
    ///
    /// # Errors
    ///
    /// [`Misfit`] when this cannot happen here; nothing has happened then.
    pub fn take(&mut self, step: &Step) -> Result<(), Misfit> {
        let has_offers = self.driver.run.poll_timeout().is_some();
        let end = step::fit(step, self.waits(), has_offers)?;
        self.event(Event::Step { step: step.to_string() });
        match end {
            step::Deed::Keys(keys) if self.waits() == Waits::Queue => self.take_offer(keys),
            step::Deed::Keys(keys) => self.press(keys),
            step::Deed::Time => self.let_time_pass(),
            step::Deed::HangUp => {
                // He has heard what he was asked.
                if matches!(self.waits(), Waits::Keys { .. }) {
                    self.hear();
                }
                self.driver.hang_up(&self.stage);
                self.event(Event::CallerGone);
            }
            step::Deed::Queue(outcome) => {
                let served = outcome == super::QueueEnd::Ended;
                let wait = match outcome {
                    super::QueueEnd::Ended => WAIT,
                    super::QueueEnd::Timeout => self.max_wait.unwrap_or(Duration::from_secs(120)),
                    _ => Duration::ZERO,
                };
                self.wait_in_queue(wait);
                if served {
                    self.sound(Sound::Talk(TALK));
                }
                self.driver.leave_queue(outcome, &self.stage);
            }
            step::Deed::Transfer(outcome) => {
                self.sound(Sound::Ringing(RING));
                if outcome == super::TransferEnd::Ended {
                    self.sound(Sound::Talk(TALK));
                }
                self.driver.transfer_ends(outcome, &self.stage);
            }
            step::Deed::Bot(word) => {
                let data = match self.mocks.get(&self.asked) {
                    Some(Mock::Answer { body, .. }) => body.clone(),
                    Some(Mock::Timeout | Mock::Error) | None => bytes::Bytes::new(),
                };
                self.sound(Sound::Talk(TALK));
                self.driver.bot(word, data, &self.stage);
            }
            step::Deed::Booked(ok) => {
                if self.is_leaving_message() {
                    self.sound(Sound::Beep);
                    self.sound(Sound::Silence(MESSAGE));
                }
                self.driver.booked(ok, &self.stage);
            }
        }
        self.drain();
        self.go_on();
        Ok(())
    }

    /// He waits; what is due meanwhile happens.
    fn wait_in_queue(&mut self, time: Duration) {
        let until = self.driver.now + time;
        while let Some(at) = self.driver.run.poll_timeout().filter(|at| *at <= until) {
            self.sound(Sound::Music(at.saturating_duration_since(self.driver.now)));
            if !self.driver.time_out(&self.stage) || self.waits() != Waits::Queue {
                break;
            }
            self.drain();
        }
        self.sound(Sound::Music(until.saturating_duration_since(self.driver.now)));
    }

    /// He waits for an offer of the queue, and takes it by its key.
    fn take_offer(&mut self, keys: &str) {
        for _ in 0..OFFERS {
            let Some(at) = self.driver.run.poll_timeout() else { return };
            self.wait_in_queue(at.saturating_duration_since(self.driver.now));
            for key in keys.chars() {
                self.driver.press(key, &self.stage);
            }
            // Other things may be due before the offer is made.
            if self.driver.waits() != Some(Waits::Queue) {
                return self.trace.sounds.extend(keys.chars().map(Sound::Key));
            }
        }
    }

    fn is_leaving_message(&self) -> bool {
        let here = self.trace.visits.last();
        here.is_some_and(|visit| {
            visit.events.iter().any(|event| matches!(event, Event::Voicemail { .. } | Event::Recording))
        })
    }

    /// A question is heard to its end; then he presses the keys, and nothing more.
    fn press(&mut self, keys: &str) {
        self.hear();
        self.sound(Sound::Silence(THINKS));
        for (at, key) in keys.chars().enumerate() {
            if at > 0 {
                self.sound(Sound::Silence(BETWEEN_KEYS));
            }
            self.sound(Sound::Key(key));
            self.driver.press(key, &self.stage);
            self.drain();
            self.pass_nodes();
        }
        // He thinks that he has said it all: an answer without its end is ended by the pause.
        if let Waits::Keys { begun: true, .. } = self.waits() {
            self.let_time_pass();
        }
    }

    fn let_time_pass(&mut self) {
        self.hear();
        let before = self.driver.now;
        self.driver.time_out(&self.stage);
        let passed = self.driver.now.saturating_duration_since(before);
        self.trace.sounds.push(Sound::Silence(passed));
        self.drain();
    }

    /// Hears what is being said to its end.
    fn hear(&mut self) {
        for said in std::mem::take(&mut self.saying) {
            self.sound(Sound::Said(said));
        }
        self.driver.heard(&self.stage);
        self.drain();
    }

    /// Goes on until somebody has to do something.
    fn go_on(&mut self) {
        while self.trace.visits.len() < VISITS {
            self.pass_nodes();
            match self.waits() {
                Waits::Sound => self.hear(),
                Waits::Service => self.serve(),
                Waits::Keys { .. } | Waits::Queue | Waits::Bot | Waits::Booking | Waits::Transfer | Waits::Nothing => {
                    return;
                }
            }
        }
        self.driver.hang_up(&self.stage);
        self.drain();
        self.trace.failed = Some(format!("more than {VISITS} nodes"));
    }

    /// Enters nodes until one waits.
    fn pass_nodes(&mut self) {
        while self.driver.run.before().is_some() && self.trace.visits.len() < VISITS {
            self.note_way();
            self.driver.run.step(self.driver.now, &self.stage);
            self.drain();
        }
    }

    /// The service that is asked does what it is supposed to do.
    fn serve(&mut self) {
        let mock = self.mocks.get(&self.asked).cloned().unwrap_or(Mock::Error);
        match mock {
            Mock::Answer { status, body } => {
                self.sound(Sound::Silence(SERVICE));
                self.driver.answer(Fetched::Answer { status, body }, &self.stage);
            }
            Mock::Error => {
                self.sound(Sound::Silence(SERVICE));
                self.driver.answer(Fetched::Failed { is_open: false }, &self.stage);
            }
            Mock::Timeout => {
                while self.driver.waits() == Some(Waits::Service) {
                    let before = self.driver.now;
                    if !self.driver.time_out(&self.stage) {
                        break;
                    }
                    let passed = self.driver.now.saturating_duration_since(before);
                    let is_first = !self.here().is_some_and(|visit| visit.events.contains(&Event::Comfort));
                    self.trace.sounds.push(if is_first { Sound::Silence(passed) } else { Sound::Music(passed) });
                    self.drain();
                }
            }
        }
        self.drain();
    }

    fn here(&self) -> Option<&Visit> {
        self.trace.visits.last()
    }

    fn drain(&mut self) {
        while let Some(event) = self.driver.event() {
            self.note(event);
        }
        self.note_changes();
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Visit { flow, node } => {
                let at_ms = self.at_ms();
                self.close_visit(at_ms);
                let kind = self.program().nodes.get(&node).map_or("", kinds::word);
                self.trace.visits.push(Visit { flow, node, kind, at_ms, took_ms: 0, events: Vec::new() });
            }
            Event::Said { mut said } => {
                for said in &mut said {
                    if let (true, Some(text)) = (said.text.is_empty(), self.voice.text(said)) {
                        said.text.clone_from(text);
                    }
                }
                self.saying.clone_from(&said);
                self.event(Event::Said { said });
            }
            Event::Told { mut said } => {
                if let Some(text) = self.voice.text(&said) {
                    said.text.clone_from(text);
                }
                self.trace.sounds.push(Sound::Said(said.clone()));
                self.event(Event::Told { said });
            }
            Event::Quiet => {
                self.saying.clear();
                self.event(Event::Quiet);
            }
            Event::Asked { ref service, .. } => {
                self.asked.clone_from(service);
                self.event(event);
            }
            Event::Queue { max_wait_s, .. } => {
                self.max_wait = max_wait_s.map(Duration::from_secs);
                self.event(event);
            }
            Event::Left { outcome, .. } => {
                self.trace.outcome = Some(outcome);
                self.event(event);
            }
            // A flow is entered before its first node, which is the place to tell it.
            Event::Entered { .. } => {
                self.trace.outcome = None;
                self.vars.clone_from(self.driver.run.vars());
                self.trace.vars.extend(self.vars.iter().map(|(name, value)| (name.clone(), value.to_string())));
            }
            Event::Failed { ref detail } => {
                self.trace.failed = Some(detail.clone());
                self.event(event);
            }
            other => self.event(other),
        }
    }

    fn event(&mut self, event: Event) {
        let at_ms = self.at_ms();
        if let Some(visit) = self.trace.visits.last_mut() {
            visit.took_ms = at_ms.saturating_sub(visit.at_ms);
            visit.events.push(event);
        }
    }

    fn close_visit(&mut self, at_ms: u64) {
        if let Some(visit) = self.trace.visits.last_mut() {
            visit.took_ms = at_ms.saturating_sub(visit.at_ms);
        }
    }

    fn at_ms(&self) -> u64 {
        let passed = self.driver.now.saturating_duration_since(self.origin);
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Tells by which way the last node was left, as far as its target says it.
    fn note_way(&mut self) {
        let Some((flow, target)) = self.driver.run.before() else { return };
        let Some(visit) = self.here() else { return };
        let Some(node) = self.program().nodes.get(&visit.node) else { return };
        let leads = |exit: &kinds::Exit<'_>| match exit.to_flow {
            true => exit.target.name == flow,
            false => exit.target.name == target && flow == visit.flow,
        };
        let exits = kinds::exits(node);
        let labels: Vec<&str> = exits.iter().filter(|exit| leads(exit)).map(|exit| exit.label.as_str()).collect();
        if exits.len() > 1 && !labels.is_empty() {
            let edge = labels.join(" / ");
            self.event(Event::Took { edge });
        }
    }

    /// Tells which variables have new values.
    fn note_changes(&mut self) {
        let now = self.driver.run.vars();
        let changed: Vec<(String, Value)> = now
            .iter()
            .filter(|(name, value)| self.vars.get(*name) != Some(value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        for (name, value) in changed {
            let text = value.to_string();
            self.trace.vars.insert(name.clone(), text.clone());
            self.vars.insert(name.clone(), value);
            let shown = if self.masked.contains(&name) { "*".repeat(text.chars().count()) } else { text };
            self.event(Event::Variable { name, value: shown });
        }
    }

    /// Something is heard, and time passes with it.
    fn sound(&mut self, sound: Sound) {
        let length = match &sound {
            Sound::Said(said) => self.voice.length(said),
            Sound::Silence(time) | Sound::Music(time) | Sound::Ringing(time) | Sound::Talk(time) => *time,
            Sound::Beep => Duration::from_millis(300),
            Sound::Key(_) => Duration::from_millis(100),
        };
        self.driver.pass(length);
        self.trace.sounds.push(sound);
    }
}
