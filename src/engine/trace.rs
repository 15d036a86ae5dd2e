//! The SIP messages of a call, for who asks why it went as it did.

use std::net::SocketAddr;

use serde::Serialize;

use crate::clock::{Clock, Wall};
use crate::id::CallId;
use crate::sip::SessionId;
use crate::sip::trace::{Direction, Seen, View};

use super::{Engine, Owner};

/// What is kept of one call's messages, raw: [`Kept::ladder`] makes it fit to be seen, away from the engine's thread.
#[derive(Clone, Debug)]
pub struct Kept {
    view: View,
    clock: Clock,
}

/// The messages between us and each peer, in the order of time; nothing secret in it.
#[derive(Clone, Debug, Serialize)]
pub struct Ladder {
    /// The calls these messages belong to; none for an attempt that was refused.
    pub calls: Vec<CallId>,
    /// Each Call-ID, in the order of their first messages: one a leg.
    pub sip_call_ids: Vec<String>,
    /// Messages of the middle that are not kept any more.
    pub left_out: u64,
    /// The others.
    pub messages: Vec<Rung>,
}

/// One message.
#[derive(Clone, Debug, Serialize)]
pub struct Rung {
    /// When.
    pub at: Wall,
    /// `in`: to us; `out`: from us.
    pub direction: &'static str,
    /// How: `udp`, `tcp`, `tls`, `ws`, `wss`.
    pub transport: &'static str,
    /// From or to whom.
    pub peer: SocketAddr,
    /// Its Call-ID.
    pub sip_call_id: String,
    /// The method; of a response, that of its request.
    pub method: String,
    /// The status code of a response.
    pub code: Option<u16>,
    /// The first line.
    pub first_line: String,
    /// True when it carries a session description.
    pub sdp: bool,
    /// True when it is a message from before once more: a retransmission.
    pub again: bool,
    /// Its length on the wire.
    pub bytes: usize,
    /// All of it; secrets are `***`.
    pub text: String,
}

impl Engine {
    /// What is kept of a call's messages, live or ended; `None` when nothing is.
    pub fn trace(&self, call: CallId) -> Option<Kept> {
        self.trace.of_call(call).map(|view| Kept { view, clock: self.clock })
    }

    /// What is kept of the messages with this SIP Call-ID, with all of the call it belongs to.
    pub fn trace_of(&self, sip_call_id: &str) -> Option<Kept> {
        self.trace.of_call_id(sip_call_id.as_bytes()).map(|view| Kept { view, clock: self.clock })
    }

    /// Notes whose session this is, for its events and for the trace of its call.
    pub(super) fn own(&mut self, session: SessionId, owner: Owner) {
        let call = match owner {
            Owner::Call(call) => Some(call),
            Owner::Ring(leg) => self.rings.get(&leg).map(|ring| ring.call),
        };
        if let (Some(call), Some(call_id)) = (call, self.endpoint.call_id(session)) {
            self.trace.attach(call, call_id);
        }
        self.sessions.insert(session, owner);
    }
}

impl Kept {
    /// Reads and masks each message.
    pub fn ladder(&self) -> Ladder {
        let mut ladder = Ladder {
            calls: self.view.calls.clone(),
            sip_call_ids: Vec::new(),
            left_out: self.view.left_out,
            messages: Vec::with_capacity(self.view.messages.len()),
        };
        let mut before: Vec<&Seen> = Vec::with_capacity(self.view.messages.len());
        for seen in &self.view.messages {
            let again = before.iter().any(|other| seen.repeats(other));
            before.push(seen);
            let rung = self.rung(seen, again);
            if !ladder.sip_call_ids.contains(&rung.sip_call_id) {
                ladder.sip_call_ids.push(rung.sip_call_id.clone());
            }
            ladder.messages.push(rung);
        }
        ladder
    }

    fn rung(&self, seen: &Seen, again: bool) -> Rung {
        let text = seen.text();
        Rung {
            at: self.clock.wall(seen.at),
            direction: match seen.direction {
                Direction::In => "in",
                Direction::Out => "out",
            },
            transport: seen.flow.transport.label(),
            peer: seen.flow.remote,
            sip_call_id: seen.call_id(),
            method: seen.method(),
            code: seen.code(),
            first_line: text.trim_start().lines().next().unwrap_or_default().to_owned(),
            sdp: text.contains("\nv=0"),
            again,
            bytes: seen.size,
            text,
        }
    }
}
