//! Session: the INVITE usage of one dialog, from the first INVITE to the last BYE (RFC 3261 §13–15, §9).
//!
//! ```text
//!   INVITE in  -> Incoming --200--> Up(Unacknowledged) --ACK--> Up(Idle) --BYE--> Leaving --200--> gone
//!   INVITE out -> Calling  --200, ACK-----------------------> Up(Idle)
//! ```
//!
//! Offers inside a session (re-INVITE, RFC 3261 §14) are an [`Exchange`] of state `Up`: at most one at a time.
//! Each state owns its deadlines. Who hangs up before our 2xx is acknowledged waits for the ACK or its end
//! (RFC 3261 §15).

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::dialog::Dialog;
use super::endpoint::Flow;
use super::header::HeaderName;
use super::message::Message;
use super::transaction::{GIVE_UP, Resend, T2};

/// How often 180 is repeated so that proxies do not give up (RFC 3261 §13.3.1.1).
pub const RING_AGAIN: Duration = Duration::from_secs(60);

/// One session.
#[derive(Debug)]
pub struct Session {
    /// Its dialog.
    pub dialog: Dialog,
    /// Where it stands.
    pub state: State,
    /// False once the caller of this layer hung up: no more events.
    pub heard: bool,
    /// The deadline that the endpoint has noted for it.
    pub due: Option<Instant>,
    /// The trunk at the other side: its challenges are answered.
    pub trunk: Option<Box<str>>,
    /// What answered the challenge to our last INVITE; its ACK says it again.
    pub credentials: Option<(HeaderName, String)>,
}

/// Where a session stands.
#[derive(Debug)]
pub enum State {
    /// Their INVITE waits for our answer.
    Incoming {
        /// Its server transaction.
        server: u64,
        /// The INVITE.
        request: Message,
        /// When to send 180 again; `None` before the first.
        ring_at: Option<Instant>,
    },
    /// Our INVITE waits for their answer.
    Calling {
        /// Its client transaction.
        client: u64,
    },
    /// Both sides agreed.
    Up {
        /// The offer under way.
        exchange: Exchange,
        /// An offer of ours that waits for its turn; a newer one replaces it.
        queued: Option<Bytes>,
        /// We hung up and wait for the ACK; holds the Reason.
        hang_up: Option<Option<String>>,
    },
    /// Our BYE waits for its answer.
    Leaving,
}

/// An INVITE inside an established session.
#[derive(Debug)]
pub enum Exchange {
    /// None.
    Idle,
    /// We sent a 2xx that is repeated until its ACK comes (RFC 3261 §13.3.1.4).
    Unacknowledged(Unacknowledged),
    /// Their re-INVITE waits for our answer.
    Received {
        /// Its server transaction.
        server: u64,
        /// The re-INVITE.
        request: Message,
    },
    /// Our re-INVITE waits for their answer.
    Sent {
        /// Its client transaction.
        client: u64,
        /// What it offers, in case of a 491.
        offer: Bytes,
    },
    /// They had the same idea at the same time: ours waits (RFC 3261 §14.1).
    Glare {
        /// When to try again.
        again_at: Instant,
        /// What it offers.
        offer: Bytes,
    },
}

/// A 2xx of ours on its way.
#[derive(Debug)]
pub struct Unacknowledged {
    /// The 2xx.
    pub ok: Bytes,
    /// Where it goes.
    pub flow: Flow,
    /// CSeq number of the INVITE and of its ACK.
    pub cseq: u32,
    /// The first INVITE, not a re-INVITE.
    pub initial: bool,
    /// The INVITE had no offer, so ours was in the 2xx and the ACK brings the answer.
    pub offered: bool,
    resend: Resend,
    give_up_at: Instant,
}

/// What a session has to do when its time comes.
#[derive(Debug, Eq, PartialEq)]
pub enum Due {
    /// Send 180 again.
    Ring,
    /// Send this 2xx again.
    Resend(Flow, Bytes),
    /// No ACK came within 64·T1.
    NoAck,
    /// Send this offer again after a 491.
    Offer(Bytes),
}

impl Unacknowledged {
    /// The 2xx is sent at `now`.
    pub fn new(now: Instant, flow: Flow, ok: Bytes, cseq: u32, initial: bool, offered: bool) -> Self {
        Self { ok, flow, cseq, initial, offered, resend: Resend::start(now), give_up_at: now + GIVE_UP }
    }
}

impl Session {
    /// A new session.
    pub fn new(dialog: Dialog, state: State) -> Self {
        Self { dialog, state, heard: true, due: None, trunk: None, credentials: None }
    }

    /// The same with a trunk at the other side.
    #[must_use]
    pub fn with_trunk(self, trunk: Option<String>) -> Self {
        Self { trunk: trunk.map(String::into_boxed_str), ..self }
    }

    /// When `take_due` has something to say.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Incoming { ring_at, .. } => *ring_at,
            State::Calling { .. } | State::Leaving => None,
            State::Up { exchange, .. } => match exchange {
                Exchange::Idle | Exchange::Received { .. } | Exchange::Sent { .. } => None,
                Exchange::Unacknowledged(u) => Some(u.resend.at.min(u.give_up_at)),
                Exchange::Glare { again_at, .. } => Some(*again_at),
            },
        }
    }

    /// What is due at `now`; `None` when nothing is.
    pub fn take_due(&mut self, now: Instant) -> Option<Due> {
        match &mut self.state {
            State::Incoming { ring_at: Some(at), .. } if *at <= now => {
                *at = now + RING_AGAIN;
                Some(Due::Ring)
            }
            State::Incoming { .. } | State::Calling { .. } | State::Leaving => None,
            State::Up { exchange, .. } => match exchange {
                Exchange::Unacknowledged(u) if u.give_up_at <= now => {
                    *exchange = Exchange::Idle;
                    Some(Due::NoAck)
                }
                Exchange::Unacknowledged(u) if u.resend.at <= now => {
                    u.resend = u.resend.next(T2);
                    Some(Due::Resend(u.flow, u.ok.clone()))
                }
                Exchange::Glare { again_at, offer } if *again_at <= now => {
                    let offer = offer.clone();
                    *exchange = Exchange::Idle;
                    Some(Due::Offer(offer))
                }
                Exchange::Idle
                | Exchange::Unacknowledged(_)
                | Exchange::Received { .. }
                | Exchange::Sent { .. }
                | Exchange::Glare { .. } => None,
            },
        }
    }

    /// An ACK with this number arrived; gives the 2xx it acknowledges, once.
    pub fn take_ack(&mut self, cseq: u32) -> Option<Unacknowledged> {
        match &mut self.state {
            State::Up { exchange, .. } => match exchange {
                Exchange::Unacknowledged(u) if u.cseq == cseq => match std::mem::replace(exchange, Exchange::Idle) {
                    Exchange::Unacknowledged(u) => Some(u),
                    Exchange::Idle | Exchange::Received { .. } | Exchange::Sent { .. } | Exchange::Glare { .. } => None,
                },
                Exchange::Idle
                | Exchange::Unacknowledged(_)
                | Exchange::Received { .. }
                | Exchange::Sent { .. }
                | Exchange::Glare { .. } => None,
            },
            State::Incoming { .. } | State::Calling { .. } | State::Leaving => None,
        }
    }
}
