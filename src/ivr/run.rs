//! One caller's walk through a flow.
//!
//! ```text
//!            PlayDone, key                 key, time                QueueLeft            TransferEnded
//!  Playing ------------------> next   Asking -------> next   Queued ---------> next   Transferring -------> next
//!                                        | wrong key or silence, tries left
//!                                        +----> says it again
//! ```
//!
//! `set`, `switch`, `goto` and `flow` take no time: a run passes them on its way to the next node that waits. Nothing here
//! fails silently: where an expression cannot be worked out the node's `error` edge is taken, and what has no edge
//! ends in [`Output::Failed`], upon which the engine apologises and hangs up or queues the caller.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::expr::{Facts, LANGUAGE_VARIABLE, Scene, Value, World};
use super::flow::{Destination, Edge, Library, Node, NodeKind, Program, RETURN};
use super::value::dialled_key;
use crate::clock::Wall;
use crate::id::QueueName;
use crate::journal::{FlowFault, FlowOutcome, Hours, InputResult, Kind};

pub use steps::Waits;

mod ask;
mod fork;
mod frames;
mod http;
mod line;
mod record;
mod say;
mod steps;
#[cfg(test)]
mod tests;

pub use frames::DEPTH;
pub use record::Recorded;
pub use say::{Prompt, Said};

/// Most keys kept that were pressed before their question.
pub const TYPED_KEYS: usize = 32;
/// Most nodes visited within one second: more is a circle that no check foresaw.
pub const VISITS_PER_SECOND: u32 = 200;
/// Longest time to wait for the end of a prompt; then it counts as ended.
pub const PLAY_LIMIT: Duration = Duration::from_secs(600);

/// What came of asking a service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fetched {
    /// It answered.
    Answer {
        /// HTTP status.
        status: u16,
        /// What it sent.
        body: bytes::Bytes,
    },
    /// Not in time.
    Timeout,
    /// It could not be asked.
    Failed {
        /// As it failed too often lately.
        is_open: bool,
    },
}

pub use fork::Forked;

/// What happens to the caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Input {
    /// He pressed a key.
    Digit(char),
    /// The last prompt of this [`Output::Play`] has been said; others are ignored.
    PlayDone {
        /// Its number.
        play: u64,
    },
    /// He is out of the queue.
    QueueLeft {
        /// How.
        outcome: QueueEnd,
    },
    /// The call back he wants is booked, or his message is left; or it cannot be.
    Booked {
        /// True: it is.
        ok: bool,
    },
    /// What came of [`Output::Record`].
    Recorded(Recorded),
    /// What came of [`Output::Fetch`]; of one that is waited for no more it is ignored.
    Fetched {
        /// Its number.
        fetch: u64,
        /// What.
        answer: Fetched,
    },
    /// The bot of [`Output::Fork`] did something; of one that is done with it is ignored.
    Forked {
        /// Its number.
        fork: u64,
        /// What.
        event: Forked,
    },
    /// The transfer is over.
    TransferEnded {
        /// How.
        outcome: TransferEnd,
    },
    /// He hung up, or was taken out of the flow: the run is over.
    CallerGone,
}

/// How a caller, who is still there, left a queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QueueEnd {
    /// The agent hung up after the talk.
    Ended,
    /// The longest wait passed.
    Timeout,
    /// No room.
    Full,
    /// Nobody serves the queue.
    NoAgents,
    /// It is outside the queue's hours.
    Closed,
    /// Nobody of the queue was logged in.
    NoneLoggedIn,
    /// Nobody who was logged in had the skills asked for.
    NoneSkilled,
    /// All who could have served him were paused.
    AllPaused,
}

/// How a transfer ended for a caller who is still there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TransferEnd {
    /// The other side hung up after the talk.
    Ended,
    /// Busy.
    Busy,
    /// No answer in time.
    NoAnswer,
    /// Anything else, an unknown number too.
    Failed,
}

/// What the run asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Say these, in order, in place of what is being said. Owes [`Input::PlayDone`] at the end, at once when none of
    /// them can be said.
    Play {
        /// Numbers the plays of this run, from 1.
        play: u64,
        /// What, in order; empty when a text turned out to be.
        said: Vec<Said>,
    },
    /// Be silent.
    StopPlay,
    /// Put the caller into a queue. Owes [`Input::QueueLeft`].
    Queue {
        /// Which.
        queue: QueueName,
        /// Skills asked of the agent.
        skills: Vec<String>,
        /// Priority, in minutes of waiting.
        priority: u32,
        /// What kind of caller he is, for the head start the queue gives it.
        segment: Option<String>,
        /// Longest wait; the queue's own when absent.
        max_wait: Option<Duration>,
    },
    /// He asks for these skills from now on, in the queue he waits in.
    Relax {
        /// All of them.
        skills: Vec<String>,
    },
    /// Tell him this while he waits.
    Tell {
        /// The prompt.
        prompt: String,
    },
    /// Out of the queue: he goes on in the flow.
    LeaveQueue {
        /// To be called back.
        to_callback: bool,
    },
    /// He wants to be called back. Owes [`Input::Booked`]. The number may hold keys the caller pressed: whether it may be
    /// called is for the receiver to judge.
    Book {
        /// The queue in which his place is kept.
        queue: QueueName,
        /// The number; his own when absent.
        number: Option<String>,
    },
    /// Let him leave a message in the box of this queue. Owes [`Input::Booked`].
    Voicemail {
        /// Which.
        queue: QueueName,
    },
    /// Record what he says from a tone on. Owes [`Input::Recorded`].
    Record {
        /// The longest recording.
        max: Duration,
        /// So much silence ends it.
        silence: Option<Duration>,
        /// This key ends it.
        terminator: Option<char>,
        /// The survey whose answer it belongs to.
        survey: Option<String>,
    },
    /// Ask a service: by POST with `body`, else by GET. Owes [`Input::Fetched`], in time or not at all.
    Fetch {
        /// Numbers the questions of this run, from 1.
        fetch: u64,
        /// Which.
        service: String,
        /// Path and query.
        path: String,
        /// JSON.
        body: Option<String>,
        /// The answer is waited for so long.
        timeout: Duration,
    },
    /// Let a bot outside hear the caller and speak to him. Owes [`Input::Forked`]; told when it is reached, the run says
    /// [`Output::ForkHear`]. Ends with [`Output::ForkEnd`], or with the run.
    Fork {
        /// Numbers the bots of this run, from 1.
        fork: u64,
        /// The service it belongs to.
        service: String,
        /// Path and query.
        path: String,
        /// What it is told.
        data: serde_json::Value,
    },
    /// The bot is there: from now on it hears him and he hears it, and nothing else.
    ForkHear,
    /// Tell the bot that the caller pressed this key.
    ForkKey(char),
    /// Part them.
    ForkEnd,
    /// The caller shall not wait in silence: music, until [`Output::StopPlay`].
    Comfort,
    /// Connect him elsewhere. Owes [`Input::TransferEnded`]. The text may hold keys the caller pressed: whether it
    /// may be dialled is for the receiver to judge.
    Transfer {
        /// Number or address.
        to: String,
    },
    /// The flow is done: hang up.
    Hangup,
    /// The caller's language is this from now on.
    Language(String),
    /// Write this down.
    Journal(Kind),
    /// The flow cannot go on: apologise, then hang up or queue the caller.
    Failed {
        /// Why.
        cause: FlowFault,
        /// What happened, without anything the caller pressed.
        detail: String,
    },
}

/// There is no flow of this name.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("no flow \"{0}\"")]
pub struct UnknownFlow(pub String);

/// One caller in a flow.
#[derive(Clone, Debug)]
pub struct Run {
    library: Arc<Library>,
    program: Arc<Program>,
    node: String,
    /// The flows that wait for this one, the first at the bottom.
    frames: Vec<frames::Frame>,
    state: State,
    /// What is to come while he waits in the present queue.
    line: Option<Box<line::Line>>,
    facts: Facts,
    started: Instant,
    language: String,
    vars: BTreeMap<String, Value>,
    typed: VecDeque<char>,
    /// A terminator that may still follow an answer of full length, and until when.
    late_terminator: Option<(char, Instant)>,
    plays: u64,
    fetches: u64,
    forks: u64,
    outcome: FlowOutcome,
    served: Option<QueueName>,
    visits: (Instant, u32),
    outputs: VecDeque<Output>,
    steps: steps::Steps,
}

#[derive(Clone, Debug)]
enum State {
    /// A `play` node speaks.
    Playing { play: u64, until: Instant },
    /// A `menu` or `collect` node asks for the `attempt`th time.
    Asking { attempt: u32, digits: String, phase: Phase },
    /// A service is asked.
    Fetching(http::Waiting),
    /// A bot talks with him, or is being reached.
    Forked(fork::Talk),
    /// In a queue or with an agent.
    Queued,
    /// A call back is being booked, or a message is being left.
    Booking,
    /// What the caller says is recorded.
    Recording,
    /// With somebody outside the queues.
    Transferring,
    /// Nothing follows.
    Done,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The question is being said.
    Speaking { play: u64, until: Instant },
    /// It has been said, or a key cut it short.
    Waiting { until: Instant },
}

/// Where to go on.
#[derive(Clone, Debug)]
enum Next {
    Node(String),
    Flow(String),
    Call { flow: String, given: Vec<(String, Value)> },
}

impl Run {
    /// Begins `flow` for one caller and walks to its first node that waits.
    ///
    /// # Errors
    ///
    /// [`UnknownFlow`] when the library has none of this name.
    pub fn new(
        now: Instant,
        library: Arc<Library>,
        flow: &str,
        facts: Facts,
        world: &dyn World,
    ) -> Result<Self, UnknownFlow> {
        let mut run = Self::before_start(now, library, flow, facts)?;
        run.walk(now, Next::Node(run.program.start.name.clone()), world);
        Ok(run)
    }

    fn before_start(now: Instant, library: Arc<Library>, flow: &str, facts: Facts) -> Result<Self, UnknownFlow> {
        let program = library.flows.get(flow).cloned().ok_or_else(|| UnknownFlow(flow.to_owned()))?;
        let mut run = Self {
            node: String::new(),
            frames: Vec::new(),
            state: State::Done,
            line: None,
            started: now,
            language: facts.language.clone(),
            vars: BTreeMap::new(),
            typed: VecDeque::new(),
            late_terminator: None,
            plays: 0,
            fetches: 0,
            forks: 0,
            outcome: FlowOutcome::Contained,
            served: None,
            visits: (now, 0),
            outputs: VecDeque::new(),
            steps: steps::Steps::default(),
            library,
            program,
            facts,
        };
        run.begin_flow();
        Ok(run)
    }

    /// Something happened; what does not fit the present state is ignored.
    pub fn handle(&mut self, now: Instant, input: Input, world: &dyn World) {
        let next = match input {
            Input::Digit(key) => match dialled_key(key) {
                Some(key) => self.key(now, key, world),
                None => None,
            },
            Input::PlayDone { play } => self.play_done(now, play, world),
            Input::QueueLeft { outcome } => self.queue_left(outcome),
            Input::TransferEnded { outcome } => self.transfer_ended(outcome),
            Input::Booked { ok } => self.booked(ok),
            Input::Recorded(recorded) => self.recorded(recorded),
            Input::Fetched { fetch, answer } => self.fetched(now, fetch, &answer),
            Input::Forked { fork, event } => self.forked(now, fork, event),
            Input::CallerGone => {
                self.caller_gone(now);
                None
            }
        };
        self.walk_on(now, next, world);
    }

    /// A deadline has come; calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant, world: &dyn World) {
        let next = match &self.state {
            State::Playing { play, until } if *until <= now => self.play_done(now, *play, world),
            State::Asking { phase: Phase::Speaking { play, until }, .. } if *until <= now => {
                self.play_done(now, *play, world)
            }
            State::Asking { phase: Phase::Waiting { until }, digits, .. } if *until <= now => {
                if digits.is_empty() {
                    self.journal_input("", InputResult::NoInput);
                    self.ask_again(now, Edge::NoInput, world)
                } else {
                    self.finish_answer(now, world)
                }
            }
            State::Fetching(_) => self.fetch_due(now),
            State::Queued => {
                self.line_due(now, world);
                None
            }
            State::Forked(_) => self.fork_due(now),
            State::Playing { .. } | State::Asking { .. } => None,
            State::Booking | State::Recording | State::Transferring | State::Done => None,
        };
        self.walk_on(now, next, world);
    }

    /// When to call [`Run::handle_timeout`] next; `None` when no timer runs.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Playing { until, .. } => Some(*until),
            State::Asking { phase: Phase::Speaking { until, .. } | Phase::Waiting { until }, .. } => Some(*until),
            State::Fetching(waiting) => Some(waiting.comfort_at.map_or(waiting.until, |at| at.min(waiting.until))),
            State::Forked(talk) => Some(talk.deadline()),
            State::Queued => self.line.as_ref().and_then(|line| line.deadline()),
            State::Booking | State::Recording | State::Transferring | State::Done => None,
        }
    }

    /// Next thing for the caller to do; call until it returns `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// True when nothing follows any more.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// It talks with a bot, or waits for one: that of the last [`Output::Fork`].
    pub fn is_forked(&self) -> bool {
        matches!(self.state, State::Forked(_))
    }

    /// It waits for [`Input::Booked`].
    pub fn is_booking(&self) -> bool {
        matches!(self.state, State::Booking)
    }

    /// It waits for [`Input::TransferEnded`].
    pub fn is_transferring(&self) -> bool {
        matches!(self.state, State::Transferring)
    }

    /// The flow and the node the caller is in.
    pub fn place(&self) -> (&str, &str) {
        (&self.program.name, &self.node)
    }

    /// The caller's language.
    pub fn language(&self) -> &str {
        &self.language
    }
}

/// From node to node.
impl Run {
    fn begin_flow(&mut self) {
        self.outcome = FlowOutcome::Contained;
        self.vars = self.program.vars.clone();
        let (flow, version) = (self.program.name.clone(), self.program.version.clone());
        self.outputs.push_back(Output::Journal(Kind::FlowEntered { flow, version }));
        // A flow that does not speak the caller's language speaks its own first one.
        if let Some(first) = self.program.languages.first().filter(|_| !self.speaks(&self.language)) {
            self.language = first.clone();
            self.outputs.push_back(Output::Language(self.language.clone()));
        }
    }

    fn speaks(&self, language: &str) -> bool {
        self.program.languages.iter().any(|known| known == language)
    }

    fn leave_flow(&mut self, outcome: FlowOutcome) {
        let flow = self.program.name.clone();
        self.outputs.push_back(Output::Journal(Kind::FlowLeft { flow, outcome }));
    }

    fn walk_on(&mut self, now: Instant, next: Option<Next>, world: &dyn World) {
        if let Some(next) = next {
            self.walk(now, next, world);
        }
    }

    /// Passes nodes until one waits or the run is over.
    fn walk(&mut self, now: Instant, next: Next, world: &dyn World) {
        let mut next = Some(next);
        while let Some(step) = next.take() {
            let Some(step) = self.steps.let_pass(step) else { return };
            let (since, visits) = self.visits;
            self.visits = if now.saturating_duration_since(since) >= Duration::from_secs(1) {
                (now, 1)
            } else {
                (since, visits + 1)
            };
            if self.visits.1 > VISITS_PER_SECOND {
                return self.fail(FlowFault::Circle, format!("more than {VISITS_PER_SECOND} nodes within a second"));
            }
            match step {
                Next::Node(name) if name == RETURN => {
                    next = self.come_back();
                    continue;
                }
                Next::Node(name) => self.node = name,
                Next::Call { flow, given } => {
                    if let Err(detail) = self.call_flow(&flow, given) {
                        return self.fail(FlowFault::NotThere, detail);
                    }
                }
                Next::Flow(name) => {
                    let Some(program) = self.library.flows.get(&name).cloned() else {
                        return self.fail(FlowFault::NotThere, UnknownFlow(name).to_string());
                    };
                    self.replace_flow();
                    self.node = program.start.name.clone();
                    self.program = program;
                    self.begin_flow();
                }
            }
            let program = Arc::clone(&self.program);
            let Some(node) = program.nodes.get(&self.node) else {
                return self.fail(FlowFault::NotThere, format!("no node \"{}\"", self.node));
            };
            let visited = Kind::NodeVisited { flow: program.name.clone(), node: self.node.clone() };
            self.outputs.push_back(Output::Journal(visited));
            next = match self.enter(now, node, world) {
                Ok(next) => next,
                Err(detail) => self.stumbled(&detail),
            };
        }
    }

    /// Something of the present node could not be worked out: its `error` edge is taken.
    fn stumbled(&mut self, detail: &str) -> Option<Next> {
        let detail = format!("flow {} node {}: {detail}", self.program.name, self.node);
        let trouble = Kind::Trouble { code: "flow_expression".to_owned(), detail: detail.clone() };
        self.outputs.push_back(Output::Journal(trouble));
        let target = self.program.nodes.get(&self.node).and_then(|node| node.on.get(&Edge::Error));
        let next = target.map(|target| Next::Node(target.name.clone()));
        if next.is_none() {
            self.fail(FlowFault::Expression, detail);
        }
        next
    }

    /// Does what the node says; `Some` when the run goes on at once, an error when an expression failed.
    fn enter(&mut self, now: Instant, node: &Node, world: &dyn World) -> Result<Option<Next>, String> {
        match &node.kind {
            NodeKind::Play { say, .. } => {
                let play = self.play(now, say.iter(), world)?;
                self.state = State::Playing { play, until: now + PLAY_LIMIT };
            }
            NodeKind::Menu { ask, .. } => return self.begin_question(now, ask, world),
            NodeKind::Collect(collect) => return self.begin_question(now, &collect.ask, world),
            NodeKind::Set { set, next } => {
                for (name, expression) in set {
                    let value = expression.evaluate(&self.scene(now, world))?;
                    self.assign(name, value)?;
                }
                return Ok(Some(Next::Node(next.name.clone())));
            }
            NodeKind::Switch { cases, otherwise } => {
                for (when, target) in cases {
                    match when.evaluate(&self.scene(now, world))? {
                        Value::Bool(true) => return Ok(Some(Next::Node(target.name.clone()))),
                        Value::Bool(false) => {}
                        Value::Text(_) | Value::Number(_) => {
                            return Err(format!("condition `{}` is neither true nor false", when.source()));
                        }
                    }
                }
                return Ok(Some(Next::Node(otherwise.name.clone())));
            }
            NodeKind::Hours { calendar } => {
                let hours = world.hours(calendar).ok_or_else(|| format!("no calendar \"{calendar}\""))?;
                let edge = match hours {
                    Hours::Open => Edge::Open,
                    Hours::Holiday if node.on.contains_key(&Edge::Holiday) => Edge::Holiday,
                    Hours::Emergency if node.on.contains_key(&Edge::Emergency) => Edge::Emergency,
                    Hours::Closed | Hours::Holiday | Hours::Emergency => Edge::Closed,
                };
                return Ok(self.edge(edge));
            }
            NodeKind::Http(http) => self.ask_service(now, http, world)?,
            NodeKind::Fork(fork) => self.begin_fork(now, fork, world)?,
            NodeKind::Record(record) => self.begin_record(now, record, world)?,
            NodeKind::Flow(sub) => return self.give(sub, &self.scene(now, world)).map(Some),
            NodeKind::Queue { queue, skills, priority, segment, max_wait, relax, offer } => {
                let scene = self.scene(now, world);
                let line = line::Line::begin(now, relax, offer.as_deref(), &scene)?;
                let skills = skills.iter().map(|skill| skill.fill(&scene)).collect::<Result<_, _>>()?;
                let segment = segment.as_ref().map(|segment| segment.fill(&scene)).transpose()?;
                self.line = line;
                self.typed.clear();
                self.outcome = FlowOutcome::Queued;
                self.served = Some(queue.clone());
                self.state = State::Queued;
                let (queue, priority, max_wait) = (queue.clone(), *priority, *max_wait);
                self.outputs.push_back(Output::Queue { queue, skills, priority, segment, max_wait });
            }
            NodeKind::Callback { queue, number, .. } => {
                let number = number.as_ref().map(|number| number.fill(&self.scene(now, world))).transpose()?;
                self.state = State::Booking;
                self.outputs.push_back(Output::Book { queue: queue.clone(), number });
            }
            NodeKind::Voicemail { queue, .. } => {
                self.typed.clear();
                self.state = State::Booking;
                self.outputs.push_back(Output::Voicemail { queue: queue.clone() });
            }
            NodeKind::Transfer { to } => {
                let to = to.fill(&self.scene(now, world))?;
                self.typed.clear();
                self.outcome = FlowOutcome::Transferred;
                self.state = State::Transferring;
                self.outputs.push_back(Output::Transfer { to });
            }
            NodeKind::Goto(Destination::Node(target)) => return Ok(Some(Next::Node(target.name.clone()))),
            NodeKind::Goto(Destination::Flow(target)) => return Ok(Some(Next::Flow(target.name.clone()))),
            NodeKind::Hangup => self.hang_up(),
        }
        Ok(None)
    }

    fn scene<'s>(&'s self, now: Instant, world: &'s dyn World) -> Scene<'s> {
        let passed = now.saturating_duration_since(self.started).as_micros();
        let wall = Wall(self.facts.wall.0.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX)));
        Scene { vars: &self.vars, language: &self.language, facts: &self.facts, wall, world }
    }

    fn assign(&mut self, name: &str, value: Value) -> Result<(), String> {
        if name == LANGUAGE_VARIABLE {
            let Value::Text(language) = value else { return Err("a language is a text".to_owned()) };
            if !self.speaks(&language) {
                return Err("the flow does not speak this language".to_owned());
            }
            if language != self.language {
                self.language.clone_from(&language);
                self.outputs.push_back(Output::Language(language));
            }
            return Ok(());
        }
        match self.vars.get_mut(name) {
            Some(variable) if variable.ty() == value.ty() => *variable = value,
            Some(variable) => {
                return Err(format!(
                    "\"{name}\" is a {} and cannot hold a {}",
                    variable.ty().as_str(),
                    value.ty().as_str()
                ));
            }
            None => return Err(format!("no variable \"{name}\"")),
        }
        Ok(())
    }

    /// Takes an edge of the present node.
    fn edge(&mut self, edge: Edge) -> Option<Next> {
        let target = self.program.nodes.get(&self.node).and_then(|node| node.on.get(&edge));
        match target {
            Some(target) => Some(Next::Node(target.name.clone())),
            None => {
                self.fail(FlowFault::NoEdge, format!("node {} has no edge \"{}\"", self.node, edge.as_str()));
                None
            }
        }
    }

    fn queue_left(&mut self, outcome: QueueEnd) -> Option<Next> {
        if !matches!(self.state, State::Queued) {
            return None;
        }
        self.line = None;
        let edge = match outcome {
            QueueEnd::Ended => Edge::Ended,
            QueueEnd::Timeout => Edge::Timeout,
            QueueEnd::Full => Edge::Full,
            QueueEnd::Closed => self.edge_or(Edge::Closed, Edge::NoAgents),
            QueueEnd::NoAgents => Edge::NoAgents,
            QueueEnd::NoneLoggedIn => self.edge_or(Edge::NoneLoggedIn, Edge::NoAgents),
            QueueEnd::NoneSkilled => self.edge_or(Edge::NoneSkilled, Edge::NoAgents),
            QueueEnd::AllPaused => self.edge_or(Edge::AllPaused, Edge::NoAgents),
        };
        if edge != Edge::Ended {
            // Nobody served him, so no survey answer is about this queue.
            self.served = None;
        }
        self.edge(edge)
    }

    /// `edge` where the present node has it, else the one that is always there.
    fn edge_or(&self, edge: Edge, otherwise: Edge) -> Edge {
        let node = self.program.nodes.get(&self.node);
        if node.is_some_and(|node| node.on.contains_key(&edge)) { edge } else { otherwise }
    }

    fn transfer_ended(&mut self, outcome: TransferEnd) -> Option<Next> {
        if !matches!(self.state, State::Transferring) {
            return None;
        }
        self.edge(match outcome {
            TransferEnd::Ended => Edge::Ended,
            TransferEnd::Busy => Edge::Busy,
            TransferEnd::NoAnswer => Edge::NoAnswer,
            TransferEnd::Failed => Edge::Failed,
        })
    }

    fn booked(&mut self, ok: bool) -> Option<Next> {
        if !self.is_booking() {
            return None;
        }
        match self.program.nodes.get(&self.node).map(|node| &node.kind) {
            Some(NodeKind::Callback { next, .. } | NodeKind::Voicemail { next, .. }) if ok => {
                Some(Next::Node(next.name.clone()))
            }
            _ => self.edge(Edge::Failed),
        }
    }

    fn caller_gone(&mut self, now: Instant) {
        if self.is_done() {
            return;
        }
        self.fork_left(now);
        self.leave_all(|outcome| match outcome {
            FlowOutcome::Queued | FlowOutcome::Transferred => outcome,
            FlowOutcome::Contained | FlowOutcome::Returned => FlowOutcome::Abandoned,
            FlowOutcome::Abandoned | FlowOutcome::Error => FlowOutcome::Abandoned,
        });
        self.state = State::Done;
    }

    fn fail(&mut self, cause: FlowFault, detail: String) {
        self.leave_all(|_| FlowOutcome::Error);
        self.state = State::Done;
        self.outputs.push_back(Output::Failed { cause, detail });
    }
}
