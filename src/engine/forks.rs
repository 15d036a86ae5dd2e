//! Bots outside that hear callers in flows and speak to them.
//!
//! ```text
//!   flow --Output::Fork--> Open --> socket there?  Input::Forked Connected --> media: the leg's line is plugged in
//!        <-- keys, language, last word, failure --       (sound goes from shard to socket by the line, not by the engine)
//!        --keys, end--> Key, Close
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::id::CallId;
use crate::media;
use crate::media::fork::Line;

use super::{Engine, Output};

pub use crate::ivr::Forked;

/// What is asked of the sockets to bots.
#[derive(Debug)]
pub enum ForkOrder {
    /// Reach a bot. Owes [`super::Input::Forked`], until [`ForkOrder::Close`].
    Open(Box<ForkOpen>),
    /// The caller pressed a key.
    Key {
        /// Which bot.
        id: u64,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
    },
    /// Let it go, whether it was reached or not.
    Close {
        /// Which bot.
        id: u64,
        /// As the caller is gone.
        hangup: bool,
    },
}

/// A bot that is to be reached.
#[derive(Debug)]
pub struct ForkOpen {
    /// Its number: what it does carries it.
    pub id: u64,
    /// Of which call.
    pub call: CallId,
    /// Name of the service that it belongs to.
    pub service: String,
    /// Path and query, behind the address of the service.
    pub path: String,
    /// The first message to it, JSON.
    pub start: String,
    /// The sound of the caller's leg.
    pub line: Arc<Line>,
}

/// Bots that talk, or are being reached.
#[derive(Debug, Default)]
pub(super) struct Forks {
    next: u64,
    open: BTreeMap<CallId, Fork>,
}

/// The bot of one call.
#[derive(Debug)]
struct Fork {
    id: u64,
    /// Its number in the flow of the call.
    fork: u64,
    line: Arc<Line>,
}

impl Forks {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// The calls that have one.
    pub fn calls(&self) -> impl Iterator<Item = &CallId> {
        self.open.keys()
    }
}

/// The first message to a bot.
#[derive(Serialize)]
struct Start<'a> {
    event: &'static str,
    call: String,
    /// Absent when he does not want to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<&'a str>,
    called: &'a str,
    language: &'a str,
    rate: u32,
    encoding: &'static str,
    data: serde_json::Value,
}

impl Engine {
    /// A flow wants a bot for its caller.
    pub(super) fn begin_fork(
        &mut self,
        call: CallId,
        (fork, service, path): (u64, String, String),
        data: serde_json::Value,
    ) {
        self.end_fork(call, false);
        let Some(known) = self.calls.get(&call) else { return };
        let (caller, called, language) = (known.shown_number(), known.to(), known.language());
        let (rate, encoding) = (media::clip::SAMPLE_RATE, "s16le");
        let start = Start { event: "start", call: call.to_string(), caller, called, language, rate, encoding, data };
        // A map with texts for keys is always JSON.
        let start = serde_json::to_string(&start).unwrap_or_default();
        self.forks.next += 1;
        let (id, line) = (self.forks.next, Line::new());
        self.forks.open.insert(call, Fork { id, fork, line: Arc::clone(&line) });
        let open = ForkOpen { id, call, service, path, start, line };
        self.outputs.push_back(Output::Fork(ForkOrder::Open(Box::new(open))));
    }

    /// The bot is there and the flow wants it: the caller's leg is its.
    pub(super) fn fork_hears(&mut self, call: CallId) {
        let (Some(known), Some(fork)) = (self.calls.get(&call), self.forks.open.get(&call)) else { return };
        let (shard, leg, line) = (known.shard(), known.customer().id, Arc::clone(&fork.line));
        self.media(shard, media::Command::Fork { leg, line });
    }

    /// The caller pressed a key while the bot talks with him.
    pub(super) fn fork_key(&mut self, call: CallId, digit: char) {
        if let Some(fork) = self.forks.open.get(&call) {
            self.outputs.push_back(Output::Fork(ForkOrder::Key { id: fork.id, digit }));
        }
    }

    /// The call has no bot any more; with `hangup` as the caller is gone.
    pub(super) fn end_fork(&mut self, call: CallId, hangup: bool) {
        let Some(Fork { id, .. }) = self.forks.open.remove(&call) else { return };
        self.outputs.push_back(Output::Fork(ForkOrder::Close { id, hangup }));
        if let Some(known) = self.calls.get(&call) {
            let (shard, leg) = (known.shard(), known.customer().id);
            self.media(shard, media::Command::Unfork { leg });
        }
    }

    /// A bot did something.
    pub(super) fn forked(&mut self, now: Instant, id: u64, event: Forked) {
        let found = self.forks.open.iter().find(|(_, fork)| fork.id == id);
        let Some((call, fork)) = found.map(|(call, fork)| (*call, fork.fork)) else { return };
        if let Forked::Failed { detail, .. } = &event {
            tracing::warn!(%call, detail, "the bot that a flow wants cannot be had, or is lost");
        }
        self.with_call(now, call, |call, context| call.handle_forked(context, fork, event));
    }
}
