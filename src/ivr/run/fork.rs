//! A talk with a bot: the run reaches it, lets it talk no longer than its node allows, and goes where its last word leads.
//!
//! ```text
//!   Connecting --reached--> Talking --done--> results[word] or next
//!       | 5 s, or not to be had    | too long          --> timeout, or error
//!       v                          v it fails or is lost --> error
//!     error
//! ```

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value as Json;

use super::super::expr::World;
use super::super::flow::{Edge, Fork, NodeKind};
use super::super::value::dialled_key;
use super::http::SILENCE;
use super::{Next, Output, Run, State};
use crate::journal::Kind;

/// A bot that is not there within this time is not waited for.
pub const CONNECT: Duration = Duration::from_secs(5);

/// What a bot does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Forked {
    /// It is there.
    Connected,
    /// It presses keys for what comes after it.
    Keys(String),
    /// The caller speaks this language from now on.
    Language(String),
    /// It is done, and all it said has been heard.
    Done {
        /// Its last word.
        result: Option<String>,
        /// JSON that goes with it; empty for none.
        data: Bytes,
    },
    /// It cannot be had, is lost, or breaks the rules.
    Failed {
        /// It was not asked, as it failed too often lately.
        is_open: bool,
        /// What happened.
        detail: String,
    },
}

/// The bot that a run talks with.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    fork: u64,
    began: Instant,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    /// It is being reached; music begins at `comfort_at`, `None` once it plays.
    Connecting { until: Instant, comfort_at: Option<Instant> },
    /// It hears and speaks.
    Talking { until: Instant },
}

impl Talk {
    /// When something is due.
    pub(super) fn deadline(&self) -> Instant {
        match self.stage {
            Stage::Connecting { until, comfort_at } => comfort_at.map_or(until, |at| at.min(until)),
            Stage::Talking { until } => until,
        }
    }
}

/// How a talk ended.
enum End {
    Done { result: Option<String>, data: Bytes },
    Timeout,
    Failed { is_open: bool, detail: String },
}

impl Run {
    /// Reaches for the bot of the node.
    pub(super) fn begin_fork(&mut self, now: Instant, fork: &Fork, world: &dyn World) -> Result<(), String> {
        let scene = self.scene(now, world);
        let path = fork.path.fill_encoded(&scene)?;
        let mut data = serde_json::Map::new();
        for (key, template) in &fork.send {
            data.insert(key.clone(), Json::String(template.fill(&scene)?));
        }
        self.forks += 1;
        let stage = Stage::Connecting { until: now + CONNECT, comfort_at: Some(now + SILENCE) };
        self.state = State::Forked(Talk { fork: self.forks, began: now, stage });
        let (fork, service, data) = (self.forks, fork.service.clone(), Json::Object(data));
        self.outputs.push_back(Output::Fork { fork, service, path, data });
        // What was typed ahead was meant for whoever comes next.
        self.outputs.extend(std::mem::take(&mut self.typed).into_iter().map(Output::ForkKey));
        Ok(())
    }

    /// A key while the bot talks is the bot's.
    pub(super) fn tell_fork_key(&mut self, key: char) {
        self.outputs.push_back(Output::ForkKey(key));
    }

    /// What is due while it talks or is being reached.
    pub(super) fn fork_due(&mut self, now: Instant) -> Option<Next> {
        let State::Forked(talk) = &mut self.state else { return None };
        match &mut talk.stage {
            Stage::Connecting { until, .. } if *until <= now => {
                let detail = format!("no bot within {} s", CONNECT.as_secs());
                self.end_fork(now, End::Failed { is_open: false, detail })
            }
            Stage::Connecting { comfort_at, .. } if comfort_at.is_some_and(|at| at <= now) => {
                *comfort_at = None;
                self.outputs.push_back(Output::Comfort);
                None
            }
            Stage::Talking { until } if *until <= now => self.end_fork(now, End::Timeout),
            Stage::Connecting { .. } | Stage::Talking { .. } => None,
        }
    }

    /// The bot did something.
    pub(super) fn forked(&mut self, now: Instant, fork: u64, event: Forked) -> Option<Next> {
        let State::Forked(talk) = &mut self.state else { return None };
        if talk.fork != fork {
            return None;
        }
        match event {
            Forked::Connected => {
                let Stage::Connecting { comfort_at, .. } = talk.stage else { return None };
                let node = self.program.nodes.get(&self.node).map(|node| &node.kind);
                let Some(NodeKind::Fork(fork)) = node else { return None };
                talk.stage = Stage::Talking { until: now + fork.timeout };
                if comfort_at.is_none() {
                    self.outputs.push_back(Output::StopPlay);
                }
                self.outputs.push_back(Output::ForkHear);
                None
            }
            Forked::Keys(keys) => {
                for key in keys.chars().filter_map(dialled_key) {
                    self.keep_typed(key);
                }
                None
            }
            Forked::Language(language) => {
                if self.speaks(&language) && language != self.language {
                    self.language.clone_from(&language);
                    self.outputs.push_back(Output::Language(language));
                }
                None
            }
            Forked::Done { result, data } => self.end_fork(now, End::Done { result, data }),
            Forked::Failed { is_open, detail } => self.end_fork(now, End::Failed { is_open, detail }),
        }
    }

    fn end_fork(&mut self, now: Instant, end: End) -> Option<Next> {
        self.fork_parted();
        let State::Forked(Talk { began, .. }) = self.state else { return None };
        let node = self.program.nodes.get(&self.node).map(|node| &node.kind);
        let Some(NodeKind::Fork(fork)) = node else { return None };
        let (service, into) = (fork.service.clone(), fork.into.clone());
        let (result, detail, next) = match end {
            End::Done { result, data } => {
                let target = result.and_then(|word| fork.results.get(&word)).unwrap_or(&fork.next).name.clone();
                match self.take_answer(&into, if data.is_empty() { b"null" } else { &data }) {
                    Ok(()) => ("ok", None, Ok(target)),
                    Err(detail) => ("invalid", Some(detail), Err(Edge::Error)),
                }
            }
            End::Timeout => ("timeout", None, Err(self.edge_or(Edge::Timeout, Edge::Error))),
            End::Failed { is_open: true, detail } => ("breaker_open", Some(detail), Err(Edge::Error)),
            End::Failed { is_open: false, detail } => ("error", Some(detail), Err(Edge::Error)),
        };
        self.journal_fork(now, began, service, result, detail);
        match next {
            Ok(target) => Some(Next::Node(target)),
            Err(edge) => self.edge(edge),
        }
    }

    /// The caller is gone while the bot talks.
    pub(super) fn fork_left(&mut self, now: Instant) {
        let State::Forked(Talk { began, .. }) = self.state else { return };
        if let Some(NodeKind::Fork(fork)) = self.program.nodes.get(&self.node).map(|node| &node.kind) {
            let service = fork.service.clone();
            self.journal_fork(now, began, service, "hangup", None);
        }
        self.outputs.push_back(Output::ForkEnd);
    }

    fn fork_parted(&mut self) {
        if let State::Forked(Talk { stage: Stage::Connecting { comfort_at: None, .. }, .. }) = &self.state {
            self.outputs.push_back(Output::StopPlay);
        }
        self.outputs.push_back(Output::ForkEnd);
    }

    fn journal_fork(&mut self, now: Instant, began: Instant, service: String, result: &str, detail: Option<String>) {
        let took_ms = u64::try_from(now.saturating_duration_since(began).as_millis()).unwrap_or(u64::MAX);
        let (node, result, status) = (self.node.clone(), result.to_owned(), None);
        let asked = Kind::ServiceAsked { service, node, result, status, took_ms, detail };
        self.outputs.push_back(Output::Journal(asked));
    }
}
