//! The four transactions of RFC 3261 §17, with the `Accepted` states of RFC 6026.
//!
//! Each machine takes bytes and moments, and gives out [`Output`]s. None of them reads a clock, a socket or a
//! message: who calls them has parsed the message and found the transaction by its key.
//!
//! There is no Timer C: it belongs to proxies (RFC 3261 §16.6), and a caller may ring or queue for longer than
//! three minutes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use smallvec::SmallVec;

pub mod client;
pub mod client_invite;
pub mod server;
pub mod server_invite;
#[cfg(test)]
mod tests;

pub use client::Client;
pub use client_invite::ClientInvite;
pub use server::Server;
pub use server_invite::ServerInvite;

/// Estimate of the round trip: the first pause before a retransmission (RFC 3261 §17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// Longest pause between retransmissions, except of INVITE (RFC 3261 §17.1.2.1).
pub const T2: Duration = Duration::from_secs(4);
/// Longest time that a message stays in the network (RFC 3261 §17.1.2.2).
pub const T4: Duration = Duration::from_secs(5);
/// How long a transaction waits for its peer: 64·T1 (timers B, D, F, H, J, L, M).
pub const GIVE_UP: Duration = Duration::from_secs(32);

/// Whether the transport repeats what is lost, so that the transaction need not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reliability {
    /// TCP: nothing is lost, nothing arrives late.
    Reliable,
    /// UDP.
    Unreliable,
}

impl Reliability {
    /// `wait` on an unreliable transport, nothing on a reliable one (timers D, I, J, K).
    fn linger(self, wait: Duration) -> Option<Duration> {
        match self {
            Self::Reliable => None,
            Self::Unreliable => Some(wait),
        }
    }
}

/// What a transaction asks of its caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Send these bytes to the peer for the first time.
    Send(Bytes),
    /// Send these bytes to the peer once more.
    Resend(Bytes),
    /// Hand the response that was just handled to the transaction's user.
    Deliver,
    /// No final response came in time (timers B and F, or 64·T1 after CANCEL): as a 408.
    TimedOut,
    /// The transport cannot reach the peer: as a 503.
    Unreachable,
    /// The peer never acknowledged our final response (Timer H).
    NoAck,
}

/// Outputs in order; two fit without an allocation, and no input gives more.
type Outputs = SmallVec<[Output; 2]>;

/// Takes the first output.
fn take_first(outputs: &mut Outputs) -> Option<Output> {
    if outputs.is_empty() { None } else { Some(outputs.remove(0)) }
}

/// A running retransmission: when the next one is due and how long to pause after it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Resend {
    /// When to send again.
    pub at: Instant,
    pause: Duration,
}

impl Resend {
    /// The first repetition comes T1 after `now`.
    pub fn start(now: Instant) -> Self {
        Self { at: now + T1, pause: T1 }
    }

    /// The next one: the pause doubles up to `longest`.
    #[must_use]
    pub fn next(self, longest: Duration) -> Self {
        let pause = (self.pause * 2).min(longest);
        Self { at: self.at + pause, pause }
    }
}

/// The earlier of a retransmission and an end.
fn earlier(resend: Option<Resend>, end: Instant) -> Option<Instant> {
    Some(resend.map_or(end, |resend| resend.at.min(end)))
}

#[cfg(test)]
pub(crate) mod testing {
    //! Jumps from deadline to deadline.

    use std::time::Instant;

    use super::Output;

    /// Runs a machine by its own deadlines until none is left; gives every output with its time in ms.
    pub(crate) fn run<M>(
        machine: &mut M,
        start: Instant,
        due: impl Fn(&M) -> Option<Instant>,
        fire: impl Fn(&mut M, Instant),
        poll: impl Fn(&mut M) -> Option<Output>,
    ) -> Vec<(u64, Output)> {
        let mut seen = Vec::new();
        let mut now = start;
        for _ in 0..1000 {
            while let Some(output) = poll(machine) {
                seen.push(((now - start).as_millis() as u64, output));
            }
            match due(machine) {
                Some(at) => now = at,
                None => return seen,
            }
            fire(machine, now);
        }
        panic!("a machine that never rests");
    }

    /// The times of all `Send` and `Resend`.
    pub(crate) fn sent(outputs: &[(u64, Output)]) -> Vec<u64> {
        outputs.iter().filter(|(_, o)| matches!(o, Output::Send(_) | Output::Resend(_))).map(|(at, _)| *at).collect()
    }
}
