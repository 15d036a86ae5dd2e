//! A checked flow: what the reader made of a file and what a run walks through.
//!
//! Everything in here has been checked: targets exist, expressions compile, required edges are present. Spans are
//! bytes of the flow's file, kept so that later checks and drawings can point at the text.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::expr::{Expression, Template, Value};
use crate::id::QueueName;
use crate::say::Nouns;

mod say;

pub use say::{Say, Spoken, SpokenKind, Unsaid, What};

/// All flows that are in force together; taken whole, so that a call never sees half of a change.
#[derive(Debug, Default)]
pub struct Library {
    /// Flows by name.
    pub flows: BTreeMap<String, Arc<Program>>,
    /// What can be counted in all of them.
    pub nouns: Nouns,
}

impl Library {
    /// Ids of the prompts that these flows say, and those that they lead to.
    pub fn prompts_from(&self, flows: &BTreeSet<String>) -> BTreeSet<String> {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut next: Vec<&str> = flows.iter().map(String::as_str).collect();
        let mut prompts = BTreeSet::new();
        while let Some(name) = next.pop() {
            if let (true, Some(flow)) = (reached.insert(name), self.flows.get(name)) {
                next.extend(flow.sub_flows());
                prompts.extend(flow.places().into_keys());
            }
        }
        prompts
    }
}

/// One flow.
#[derive(Debug)]
pub struct Program {
    /// Its name, unique in the library.
    pub name: String,
    /// Where the name is written.
    pub span: Range<usize>,
    /// The file it was read from, as the user named it.
    pub file: String,
    /// SHA-256, in hex, of this flow, all flows it leads to and the prompts manifest.
    pub version: String,
    /// What people call it, by language.
    pub title: BTreeMap<String, String>,
    /// Languages it speaks; the first is the default.
    pub languages: Vec<String>,
    /// Variables and the values they begin with; of a map one for each field, as `customer.tier`.
    pub vars: BTreeMap<String, Value>,
    /// Those of the variables to which a flow that calls this one gives values.
    pub params: BTreeMap<String, Param>,
    /// Those that it may take over when this one comes back.
    pub returns: Vec<String>,
    /// The node a run begins with.
    pub start: Target,
    /// Nodes by name.
    pub nodes: BTreeMap<String, Node>,
}

impl Program {
    /// Ways from one node to another or to another flow.
    pub fn edges(&self) -> usize {
        self.nodes.values().map(|node| node.ways().len()).sum()
    }

    /// One line for `hatif ivr check`, e.g. `main: 9 nodes · 17 edges · longest path 6 · every path ends · 2 languages`;
    /// `longest path 40+` where the search for a longer one was given up.
    pub fn summary(&self) -> String {
        let (nodes, edges, languages) = (self.nodes.len(), self.edges(), self.languages.len());
        let (longest, more) = super::check::longest_path(self);
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        format!(
            "{}: {nodes} node{} · {edges} edge{} · longest path {longest}{} · every path ends · {languages} language{}",
            self.name,
            plural(nodes),
            plural(edges),
            if more { "+" } else { "" },
            plural(languages)
        )
    }

    /// Prompts by id and language, for every language each may be said in, with the place where it is first used.
    pub fn prompts(&self) -> BTreeMap<(String, String), Range<usize>> {
        let mut used: BTreeMap<(String, String), Range<usize>> = BTreeMap::new();
        for say in self.nodes.values().flat_map(|node| node.kind.says()) {
            let Some(prompt) = say.prompt() else { continue };
            let languages = match &say.language {
                Some(language) => std::slice::from_ref(language),
                None => &self.languages,
            };
            for language in languages {
                let span = used.entry((prompt.to_owned(), language.clone())).or_insert_with(|| say.span.clone());
                if say.span.start < span.start {
                    *span = say.span.clone();
                }
            }
        }
        used
    }

    /// Where each prompt is said: its id, and all nodes that say it, as `flow.node`.
    pub fn places(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, node) in &self.nodes {
            for prompt in node.kind.says().into_iter().filter_map(Say::prompt) {
                places.entry(prompt.to_owned()).or_default().insert(format!("{}.{name}", self.name));
            }
        }
        places
    }

    /// What it counts aloud.
    pub fn nouns(&self) -> BTreeSet<&str> {
        self.nodes.values().flat_map(|node| node.kind.says()).filter_map(Say::noun).collect()
    }

    /// Parameters without which this flow cannot begin.
    pub fn required_params(&self) -> impl Iterator<Item = (&String, &Param)> {
        self.params.iter().filter(|(_, param)| param.is_required)
    }

    /// Names of the flows this one can go on to.
    pub fn sub_flows(&self) -> BTreeSet<&str> {
        let ways = self.nodes.values().flat_map(Node::ways);
        ways.filter(|way| way.to_flow).map(|way| way.target.name.as_str()).collect()
    }
}

/// A parameter of a flow: one of its variables.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Param {
    /// It has no default: who calls the flow must give it.
    pub is_required: bool,
    /// Where its name is written.
    pub span: Range<usize>,
}

/// The target that leads out of a flow: to the flow that called it, and where none did to the end of the call.
pub const RETURN: &str = "return";

/// A name in the file that stands for a node or a flow.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Target {
    /// The name.
    pub name: String,
    /// Where it is written.
    pub span: Range<usize>,
}

/// One step of a flow.
#[derive(Debug)]
pub struct Node {
    /// What it does.
    pub kind: NodeKind,
    /// Where its outcomes lead; edges taken over from `[defaults]` are included.
    pub on: BTreeMap<Edge, Target>,
    /// Where its name is written.
    pub span: Range<usize>,
}

/// An outcome of a node that is not its ordinary next step.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Edge {
    /// The caller pressed nothing, as often as `tries` allows.
    NoInput,
    /// The caller pressed something else, as often as `tries` allows.
    Invalid,
    /// Queue, transfer: the talk is over and the caller is still there.
    Ended,
    /// Queue: the longest wait passed. Http, fork: no answer in time; without this edge it is `error`.
    Timeout,
    /// Queue: no room.
    Full,
    /// Queue: nobody serves it.
    NoAgents,
    /// Hours: open.
    Open,
    /// Hours, queue: outside the hours of its calendar.
    Closed,
    /// Hours: a holiday.
    Holiday,
    /// Hours: closed by hand for an emergency.
    Emergency,
    /// Queue: nobody of it is logged in; without this edge it is `no_agents`.
    NoneLoggedIn,
    /// Queue: nobody who is logged in has the skills; without this edge it is `no_agents`.
    NoneSkilled,
    /// Queue: all who could serve are paused; without this edge it is `no_agents`.
    AllPaused,
    /// Transfer: the other side is busy.
    Busy,
    /// Transfer: the other side did not answer.
    NoAnswer,
    /// Transfer: anything else. Callback: nothing was booked. Voicemail: nothing was left.
    Failed,
    /// Http: the service knows nothing of that kind; without this edge it is `error`.
    NotFound,
    /// An expression could not be worked out. Http: anything else than an answer. Fork: no bot, or one that fails.
    Error,
}

impl Edge {
    /// All edges.
    pub const ALL: [Self; 18] = [
        Self::NoInput,
        Self::Invalid,
        Self::Ended,
        Self::Timeout,
        Self::Full,
        Self::NoAgents,
        Self::Open,
        Self::Closed,
        Self::Holiday,
        Self::Emergency,
        Self::NoneLoggedIn,
        Self::NoneSkilled,
        Self::AllPaused,
        Self::Busy,
        Self::NoAnswer,
        Self::Failed,
        Self::NotFound,
        Self::Error,
    ];

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoInput => "no_input",
            Self::Invalid => "invalid",
            Self::Ended => "ended",
            Self::Timeout => "timeout",
            Self::Full => "full",
            Self::NoAgents => "no_agents",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Holiday => "holiday",
            Self::Emergency => "emergency",
            Self::NoneLoggedIn => "none_logged_in",
            Self::NoneSkilled => "none_skilled",
            Self::AllPaused => "all_paused",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Failed => "failed",
            Self::NotFound => "status_404",
            Self::Error => "error",
        }
    }

    /// The edge of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|edge| edge.as_str() == word)
    }

    /// True when it can be taken in the very moment the node is entered: a circle of such edges never waits.
    fn is_immediate(self) -> bool {
        match self {
            Self::Open | Self::Closed | Self::Holiday | Self::Emergency => true,
            Self::NoneLoggedIn | Self::NoneSkilled | Self::AllPaused => true,
            Self::Full | Self::NoAgents | Self::Busy | Self::Failed | Self::Error => true,
            Self::NoInput | Self::Invalid | Self::Ended | Self::Timeout | Self::NoAnswer | Self::NotFound => false,
        }
    }
}

/// One way out of a node.
#[derive(Clone, Copy, Debug)]
pub struct Way<'n> {
    /// Where it leads.
    pub target: &'n Target,
    /// True when the target is a flow, false for a node of the same flow.
    pub to_flow: bool,
    /// True when the run may pass here without waiting for anybody.
    pub immediate: bool,
}

impl Node {
    /// All ways out, the ordinary ones first.
    pub fn ways(&self) -> Vec<Way<'_>> {
        let way = |target, immediate| Way { target, to_flow: false, immediate };
        let mut ways: Vec<Way<'_>> = match &self.kind {
            NodeKind::Play { next, .. } => vec![way(next, false)],
            NodeKind::Menu { keys, .. } => keys.values().map(|target| way(target, false)).collect(),
            NodeKind::Collect(collect) => vec![way(&collect.next, false)],
            NodeKind::Set { next, .. } | NodeKind::Callback { next, .. } => vec![way(next, true)],
            NodeKind::Voicemail { next, .. } => vec![way(next, false)],
            NodeKind::Http(http) => vec![way(&http.next, false)],
            NodeKind::Record(record) => vec![way(&record.next, false)],
            NodeKind::Flow(sub) => {
                vec![Way { target: &sub.flow, to_flow: true, immediate: true }, way(&sub.next, true)]
            }
            NodeKind::Fork(fork) => {
                fork.results.values().chain([&fork.next]).map(|target| way(target, false)).collect()
            }
            NodeKind::Switch { cases, otherwise } => {
                cases.iter().map(|(_, target)| target).chain([otherwise]).map(|target| way(target, true)).collect()
            }
            NodeKind::Goto(Destination::Node(target)) => vec![way(target, true)],
            NodeKind::Goto(Destination::Flow(target)) => vec![Way { target, to_flow: true, immediate: true }],
            NodeKind::Queue { offer: Some(offer), .. } => vec![way(&offer.next, false)],
            NodeKind::Queue { .. } | NodeKind::Hours { .. } | NodeKind::Transfer { .. } | NodeKind::Hangup => {
                Vec::new()
            }
        };
        ways.extend(self.on.iter().map(|(edge, target)| way(target, edge.is_immediate())));
        ways
    }
}

impl NodeKind {
    /// Everything it may say.
    pub fn says(&self) -> Vec<&Say> {
        fn of_ask(ask: &Ask) -> Vec<&Say> {
            let Ask { say, say_again, say_no_input, say_invalid, .. } = ask;
            say.iter().chain(say_again).chain(say_no_input).chain(say_invalid).collect()
        }
        match self {
            NodeKind::Play { say, .. } => say.iter().collect(),
            NodeKind::Menu { ask, .. } => of_ask(ask),
            NodeKind::Collect(collect) => of_ask(&collect.ask),
            NodeKind::Record(record) => record.say.iter().collect(),
            NodeKind::Set { .. } | NodeKind::Switch { .. } | NodeKind::Queue { .. } => Vec::new(),
            NodeKind::Callback { .. } | NodeKind::Voicemail { .. } | NodeKind::Http(_) => Vec::new(),
            NodeKind::Hours { .. } | NodeKind::Transfer { .. } | NodeKind::Flow(_) => Vec::new(),
            NodeKind::Fork(_) => Vec::new(),
            NodeKind::Goto(_) | NodeKind::Hangup => Vec::new(),
        }
    }
}

/// What a node does.
#[derive(Debug)]
pub enum NodeKind {
    /// Says something and goes on.
    Play {
        /// What.
        say: Vec<Say>,
        /// Keys cut it short; they count for the next question.
        barge_in: bool,
        /// Then.
        next: Target,
    },
    /// Asks for one key.
    Menu {
        /// The question.
        ask: Ask,
        /// Where each key leads.
        keys: BTreeMap<char, Target>,
    },
    /// Asks for several keys.
    Collect(Collect),
    /// Gives variables new values, in the order of the file.
    Set {
        /// Variable (or `lang`) and its new value.
        set: Vec<(String, Expression)>,
        /// Then.
        next: Target,
    },
    /// Goes where the first true condition leads.
    Switch {
        /// Conditions in order.
        cases: Vec<(Expression, Target)>,
        /// When none is true.
        otherwise: Target,
    },
    /// Goes where the hours of a calendar lead.
    Hours {
        /// Which.
        calendar: String,
    },
    /// Asks a service of the house.
    Http(Box<Http>),
    /// A bot outside hears the caller and speaks to him.
    Fork(Box<Fork>),
    /// Waits in a queue and talks with an agent.
    Queue {
        /// Which.
        queue: QueueName,
        /// Skills asked of the agent, all of them.
        skills: Vec<Template>,
        /// Priority, in minutes of waiting.
        priority: u32,
        /// What kind of caller he is, for the head start the queue gives it.
        segment: Option<Template>,
        /// Longest wait; the queue's own when absent.
        max_wait: Option<Duration>,
        /// Other skills that are asked for after so long, in the order of their times.
        relax: Vec<Relax>,
        /// He is offered to be called back.
        offer: Option<Box<CallbackOffer>>,
    },
    /// Books a call back: the caller's place in a queue is kept.
    Callback {
        /// Which.
        queue: QueueName,
        /// The number to call; the caller's own when absent.
        number: Option<Template>,
        /// Once it is booked.
        next: Target,
    },
    /// The caller leaves a message in the box of a queue.
    Voicemail {
        /// Which.
        queue: QueueName,
        /// Once it is left.
        next: Target,
    },
    /// Records what the caller says.
    Record(Box<Record>),
    /// Another flow serves the caller, and comes back.
    Flow(Box<SubFlow>),
    /// Connects the caller to a number or address outside the queues.
    Transfer {
        /// Whom.
        to: Template,
    },
    /// Goes on elsewhere.
    Goto(Destination),
    /// Ends the call.
    Hangup,
}

/// After so long in a queue other skills are asked for.
#[derive(Debug)]
pub struct Relax {
    /// From when he entered it.
    pub after: Duration,
    /// All that are asked for from then on.
    pub skills: Vec<Template>,
}

/// While he waits the caller hears that he may be called back.
#[derive(Debug)]
pub struct CallbackOffer {
    /// Only while this holds.
    pub when: Expression,
    /// How often.
    pub every: Duration,
    /// The key that takes it.
    pub key: char,
    /// Where it leads, out of the queue.
    pub next: Target,
}

/// What the caller says is kept.
#[derive(Debug)]
pub struct Record {
    /// What he is asked for; the tone follows.
    pub say: Vec<Say>,
    /// The longest recording.
    pub max: Duration,
    /// So much silence ends it.
    pub silence: Option<Duration>,
    /// The key that ends it, and cuts short what is said before it.
    pub terminator: Option<char>,
    /// The variable that receives the recording's id.
    pub into: Option<String>,
    /// The survey whose answer it belongs to, e.g. `csat`.
    pub survey: Option<String>,
    /// Once something is recorded.
    pub next: Target,
}

/// A flow that serves the caller for a while, between two nodes of another.
#[derive(Debug)]
pub struct SubFlow {
    /// Which.
    pub flow: Target,
    /// Its parameters and what they are given.
    pub with: Vec<Given>,
    /// What is taken over when it comes back.
    pub into: Vec<Taken>,
    /// Where it comes back to.
    pub next: Target,
}

/// A parameter of another flow and its value.
#[derive(Debug)]
pub struct Given {
    /// The parameter, and where it is written.
    pub param: Target,
    /// What it is given.
    pub value: Expression,
    /// Where that is written.
    pub value_span: Range<usize>,
}

/// A variable, and the one of another flow that it takes over.
#[derive(Debug)]
pub struct Taken {
    /// Ours.
    pub variable: String,
    /// The other flow's, and where it is written.
    pub returned: Target,
}

/// A question to a service.
#[derive(Debug)]
pub struct Http {
    /// Which.
    pub service: String,
    /// By POST, with a JSON object; else by GET.
    pub is_post: bool,
    /// Path and query, behind the service's address.
    pub path: Template,
    /// The object that is sent.
    pub body: Vec<(String, Template)>,
    /// Longest time for the whole answer.
    pub timeout: Duration,
    /// Variables, and where in the answer their values stand (RFC 6901). With the empty pointer the name is that of a map: the
    /// answer must be an object, and its fields follow.
    pub into: Vec<(String, String)>,
    /// Once there is an answer.
    pub next: Target,
}

/// A talk with a bot on a WebSocket.
#[derive(Debug)]
pub struct Fork {
    /// The service that it belongs to.
    pub service: String,
    /// Path and query, behind the service's address.
    pub path: Template,
    /// What it is told at the beginning.
    pub send: Vec<(String, Template)>,
    /// Longest talk.
    pub timeout: Duration,
    /// Variables, and where in the data of its last message their values stand (RFC 6901).
    pub into: Vec<(String, String)>,
    /// Where its last word leads.
    pub results: BTreeMap<String, Target>,
    /// Any other word, or none.
    pub next: Target,
}

/// Several keys, ended by count, by terminator or by a pause.
#[derive(Debug)]
pub struct Collect {
    /// The question.
    pub ask: Ask,
    /// The variable that receives them.
    pub into: Option<String>,
    /// Fewest keys.
    pub min: usize,
    /// Most keys; the last one ends the answer.
    pub max: usize,
    /// The key that ends the answer and is no part of it.
    pub terminator: Option<char>,
    /// Longest pause between two keys; it ends the answer.
    pub inter_digit: Duration,
    /// Shown as stars wherever it is written down.
    pub mask: bool,
    /// The survey question this answers, e.g. `csat`.
    pub survey: Option<String>,
    /// Least and greatest number accepted.
    pub range: Option<(u32, u32)>,
    /// Then.
    pub next: Target,
}

/// How a question is asked.
#[derive(Debug)]
pub struct Ask {
    /// The question.
    pub say: Vec<Say>,
    /// The question when it is repeated; empty: as the first time.
    pub say_again: Vec<Say>,
    /// Said before the repetition when nothing was pressed.
    pub say_no_input: Vec<Say>,
    /// Said before the repetition when something else was pressed.
    pub say_invalid: Vec<Say>,
    /// Time for the first key, from the end of the question.
    pub timeout: Duration,
    /// How often it is asked.
    pub tries: u32,
    /// A key cuts the question short.
    pub barge_in: bool,
    /// Keys pressed before the question count; otherwise they are dropped.
    pub type_ahead: bool,
}

/// Where a `goto` leads.
#[derive(Debug)]
pub enum Destination {
    /// A node of the same flow.
    Node(Target),
    /// Another flow, from its start. Nothing comes back: its end is the end of the call.
    Flow(Target),
}
