//! One run and its virtual clock: what it asks for comes out as [`Event`]s, what it waits for is told here.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::id::RecordingId;
use crate::ivr::expr::{Facts, QueueFacts, World};
use crate::ivr::flow::Library;
use crate::ivr::run::{
    self, Fetched, Forked, Input, Output, Prompt, QueueEnd, Recorded, Run, TransferEnd, UnknownFlow, Waits,
};
use crate::journal::{FlowOutcome, Hours, InputResult, Kind};

/// Something that was said, or was to be.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Said {
    /// The prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// In which language.
    pub language: String,
    /// The words, as far as they are known.
    pub text: String,
}

/// What happens in a walk.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A flow begins.
    Entered {
        /// Which.
        flow: String,
    },
    /// A flow is left.
    Left {
        /// Which.
        flow: String,
        /// How.
        outcome: FlowOutcome,
    },
    /// A node is entered.
    Visit {
        /// Of which flow.
        flow: String,
        /// Which.
        node: String,
    },
    /// Something is said.
    Said {
        /// In this order.
        said: Vec<Said>,
    },
    /// What is being said is cut short.
    Quiet,
    /// Keys, or none in time.
    Keys {
        /// Stars where they are masked.
        digits: String,
        /// What came of them.
        result: InputResult,
    },
    /// The language changes.
    Language {
        /// To this.
        language: String,
    },
    /// A variable has a new value.
    Variable {
        /// Which.
        name: String,
        /// Stars where it is masked.
        value: String,
    },
    /// He waits in a queue.
    Queue {
        /// Which.
        queue: String,
        /// Asked of the agent.
        skills: Vec<String>,
        /// In minutes of waiting.
        priority: u32,
        /// What kind of caller he is.
        #[serde(skip_serializing_if = "Option::is_none")]
        segment: Option<String>,
        /// Longest wait, in seconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        max_wait_s: Option<u64>,
    },
    /// A call back is wanted.
    Callback {
        /// In which queue.
        queue: String,
        /// Of this number; his own when absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        number: Option<String>,
    },
    /// A message is left.
    Voicemail {
        /// In the box of which queue.
        queue: String,
    },
    /// The bot that was asked for hears him and speaks.
    BotTalks,
    /// A key that is the bot's.
    BotHears {
        /// Which.
        key: char,
    },
    /// What he says is recorded.
    Recording,
    /// In a queue, over the music.
    Told {
        /// This.
        said: Said,
    },
    /// In a queue: other skills are asked for from now on.
    Relaxed {
        /// All of them.
        skills: Vec<String>,
    },
    /// He takes what the queue offers, and leaves it.
    OfferTaken,
    /// He is transferred.
    Transfer {
        /// To this number or address.
        to: String,
    },
    /// A service is asked.
    Asked {
        /// Which.
        service: String,
        /// Path and query.
        path: String,
        /// What is sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// What came of it.
    Answered {
        /// In a word.
        result: String,
        /// HTTP status.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// How long it took.
        took_ms: u64,
        /// Why the answer could not be used.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Music, while a service is asked.
    Comfort,
    /// An answer of a survey.
    Survey {
        /// Which question.
        survey: String,
        /// The answer.
        score: u32,
    },
    /// An expression could not be worked out, or the like.
    Trouble {
        /// What.
        detail: String,
    },
    /// The way out of the node.
    Took {
        /// The edge, the key or the condition.
        edge: String,
    },
    /// What the caller or the world did.
    Step {
        /// As it was told.
        step: String,
    },
    /// The flow hangs up.
    HangUp,
    /// The caller hangs up.
    CallerGone,
    /// The flow failed.
    Failed {
        /// How.
        detail: String,
    },
}

/// The world of a walk.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What queues look like; others are empty, with one agent ready.
    pub queues: BTreeMap<String, QueueFacts>,
    /// What calendars say.
    pub hours: BTreeMap<String, Hours>,
    /// What all others say.
    pub other_hours: Cell<Hours>,
}

impl Default for Stage {
    fn default() -> Self {
        Self { queues: BTreeMap::new(), hours: BTreeMap::new(), other_hours: Cell::new(Hours::Open) }
    }
}

impl World for Stage {
    fn queue(&self, name: &str) -> Option<QueueFacts> {
        let quiet = QueueFacts { agents_ready: 1, ..QueueFacts::default() };
        Some(self.queues.get(name).copied().unwrap_or(quiet))
    }

    fn hours(&self, calendar: &str) -> Option<Hours> {
        Some(self.hours.get(calendar).copied().unwrap_or(self.other_hours.get()))
    }
}

/// A run by steps with its clock.
#[derive(Clone, Debug)]
pub struct Driver {
    /// The run.
    pub run: Run,
    /// Virtual time.
    pub now: Instant,
    playing: u64,
    fetch: u64,
    fork: u64,
}

impl Driver {
    /// Stands before the first node of `flow`.
    ///
    /// # Errors
    ///
    /// [`UnknownFlow`] when there is none of this name.
    pub fn new(now: Instant, library: &Arc<Library>, flow: &str, facts: Facts) -> Result<Self, UnknownFlow> {
        Ok(Self { run: Run::by_steps(now, Arc::clone(library), flow, facts)?, now, playing: 0, fetch: 0, fork: 0 })
    }

    /// What the run asks for.
    pub fn event(&mut self) -> Option<Event> {
        let output = self.run.poll_output()?;
        Some(self.told(output))
    }

    fn told(&mut self, output: Output) -> Event {
        match output {
            Output::Play { play, said: all } => {
                self.playing = play;
                Event::Said { said: all.into_iter().map(said).collect() }
            }
            // Over the music, in full: nothing waits for its end.
            Output::Tell { prompt } => {
                let language = self.run.language().to_owned();
                Event::Told { said: Said { prompt: Some(prompt), language, text: String::new() } }
            }
            Output::Relax { skills } => Event::Relaxed { skills },
            Output::LeaveQueue { .. } => Event::OfferTaken,
            Output::Record { .. } => Event::Recording,
            Output::StopPlay => Event::Quiet,
            Output::Queue { queue, skills, priority, segment, max_wait } => {
                let max_wait_s = max_wait.map(|wait| wait.as_secs());
                Event::Queue { queue: queue.to_string(), skills, priority, segment, max_wait_s }
            }
            Output::Book { queue, number } => Event::Callback { queue: queue.to_string(), number },
            Output::Voicemail { queue } => Event::Voicemail { queue: queue.to_string() },
            Output::Fetch { fetch, service, path, body, .. } => {
                self.fetch = fetch;
                Event::Asked { service, path, body }
            }
            Output::Fork { fork, service, path, data } => {
                self.fork = fork;
                Event::Asked { service, path, body: Some(data.to_string()) }
            }
            Output::ForkHear => Event::BotTalks,
            Output::ForkKey(key) => Event::BotHears { key },
            Output::ForkEnd => Event::Quiet,
            Output::Comfort => Event::Comfort,
            Output::Transfer { to } => Event::Transfer { to },
            Output::Hangup => Event::HangUp,
            Output::Language(language) => Event::Language { language },
            Output::Failed { detail, .. } => Event::Failed { detail },
            Output::Journal(kind) => match kind {
                Kind::FlowEntered { flow, .. } => Event::Entered { flow },
                Kind::FlowLeft { flow, outcome } => Event::Left { flow, outcome },
                Kind::NodeVisited { flow, node } => Event::Visit { flow, node },
                Kind::Input { digits, result, .. } => Event::Keys { digits, result },
                Kind::Survey { survey, score, .. } => Event::Survey { survey, score },
                Kind::ServiceAsked { result, status, took_ms, detail, .. } => {
                    Event::Answered { result, status, took_ms, detail }
                }
                Kind::Trouble { detail, .. } => Event::Trouble { detail },
                other => Event::Trouble { detail: format!("{other:?}") },
            },
        }
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// What is being said ends.
    pub fn heard(&mut self, world: &dyn World) {
        self.run.handle(self.now, Input::PlayDone { play: self.playing }, world);
    }

    /// He presses a key.
    pub fn press(&mut self, key: char, world: &dyn World) {
        self.run.handle(self.now, Input::Digit(key), world);
    }

    /// Its next deadline passes; false when it has none.
    pub fn time_out(&mut self, world: &dyn World) -> bool {
        let Some(at) = self.run.poll_timeout() else { return false };
        self.now = self.now.max(at);
        self.run.handle_timeout(self.now, world);
        true
    }

    /// The service answers.
    pub fn answer(&mut self, answer: Fetched, world: &dyn World) {
        self.run.handle(self.now, Input::Fetched { fetch: self.fetch, answer }, world);
    }

    /// The bot talks with him until its last word, `timeout`, or `error` when it is lost.
    pub fn bot(&mut self, word: &str, data: bytes::Bytes, world: &dyn World) {
        let fork = self.fork;
        let tell = |run: &mut Run, event| run.handle(self.now, Input::Forked { fork, event }, world);
        tell(&mut self.run, Forked::Connected);
        match word {
            "timeout" => _ = self.time_out(world),
            "error" => tell(&mut self.run, Forked::Failed { is_open: false, detail: "the bot is lost".to_owned() }),
            word => {
                let result = Some(word.to_owned()).filter(|word| !word.is_empty());
                tell(&mut self.run, Forked::Done { result, data });
            }
        }
    }

    /// He leaves the queue.
    pub fn leave_queue(&mut self, outcome: QueueEnd, world: &dyn World) {
        self.run.handle(self.now, Input::QueueLeft { outcome }, world);
    }

    /// The transfer is over.
    pub fn transfer_ends(&mut self, outcome: TransferEnd, world: &dyn World) {
        self.run.handle(self.now, Input::TransferEnded { outcome }, world);
    }

    /// It is booked, left or recorded, or not.
    pub fn booked(&mut self, ok: bool, world: &dyn World) {
        let recorded = if ok { Recorded::Kept { recording: RecordingId::new(0, 1) } } else { Recorded::Nothing };
        let input = if self.run.is_recording() { Input::Recorded(recorded) } else { Input::Booked { ok } };
        self.run.handle(self.now, input, world);
    }

    /// What he says cannot be recorded.
    pub fn unrecorded(&mut self, world: &dyn World) {
        self.run.handle(self.now, Input::Recorded(Recorded::Failed), world);
    }

    /// He hangs up.
    pub fn hang_up(&mut self, world: &dyn World) {
        self.run.handle(self.now, Input::CallerGone, world);
    }

    /// What it waits for; `None` when it stands before a node.
    pub fn waits(&self) -> Option<Waits> {
        if self.run.before().is_some() { None } else { Some(self.run.waits()) }
    }
}

fn said(said: run::Said) -> Said {
    match said {
        run::Said::Prompt(Prompt { id, language }) => Said { prompt: Some(id), language, text: String::new() },
        run::Said::Spoken { language, text, .. } => Said { prompt: None, language, text },
    }
}
