//! Non-INVITE server transaction: the answering side of BYE, CANCEL, REGISTER …
//!
//! RFC 3261 §17.2.2; RFC 4320 §4.1: it never sends a provisional response, and never a late 408.
//!
//! ```text
//!   request         200-699
//!     v
//!   Trying ------------------> Completed --Timer J--> Terminated
//! ```

use std::time::Instant;

use bytes::Bytes;

use super::{GIVE_UP, Output, Outputs, Reliability, take_first};

/// One request, not INVITE and not ACK, that we received.
#[derive(Debug)]
pub struct Server {
    state: State,
    reliability: Reliability,
    outputs: Outputs,
}

#[derive(Debug)]
enum State {
    /// The user has not answered yet; repetitions are absorbed.
    Trying,
    /// Timer J; repetitions get the same answer.
    Completed {
        response: Bytes,
        until: Instant,
    },
    Terminated,
}

impl Server {
    /// A request without a transaction arrived.
    pub fn new(reliability: Reliability) -> Self {
        Self { state: State::Trying, reliability, outputs: Outputs::new() }
    }

    /// The same request arrived again.
    pub fn handle_request(&mut self) {
        match &self.state {
            State::Completed { response, .. } => self.outputs.push(Output::Resend(response.clone())),
            State::Trying | State::Terminated => {}
        }
    }

    /// The user's final response; only the first counts.
    pub fn respond(&mut self, now: Instant, response: Bytes) {
        match self.state {
            State::Trying => {
                self.outputs.push(Output::Send(response.clone()));
                self.state = match self.reliability.linger(GIVE_UP) {
                    Some(wait) => State::Completed { response, until: now + wait },
                    None => State::Terminated,
                };
            }
            State::Completed { .. } | State::Terminated => {}
        }
    }

    /// True when nothing can follow: forget it.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    /// When to call `handle_timeout` next; `None` when no timer runs.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Completed { until, .. } => Some(*until),
            State::Trying | State::Terminated => None,
        }
    }

    /// Does what is due at `now`; calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &self.state {
            State::Completed { until, .. } if *until <= now => self.state = State::Terminated,
            State::Trying | State::Completed { .. } | State::Terminated => {}
        }
    }

    /// Next thing for the caller to do; call until it returns `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        take_first(&mut self.outputs)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const OK: &[u8] = b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n";

    /// RFC 3261 §17.2.2: silent until the user answers, then the same answer for 64·T1.
    #[test]
    fn repetitions_get_the_same_answer_until_timer_j() {
        let start = Instant::now();
        let mut bye = Server::new(Reliability::Unreliable);
        bye.handle_request();
        assert_eq!(bye.poll_output(), None);
        bye.respond(start, Bytes::from_static(OK));
        bye.respond(start, Bytes::from_static(b"SIP/2.0 500 Second\r\n\r\n"));
        bye.handle_request();
        assert_eq!(bye.poll_output(), Some(Output::Send(Bytes::from_static(OK))));
        assert_eq!(bye.poll_output(), Some(Output::Resend(Bytes::from_static(OK))));
        assert_eq!(bye.poll_output(), None);
        bye.handle_timeout(start + Duration::from_millis(31_999));
        assert!(!bye.is_terminated());
        bye.handle_timeout(start + Duration::from_secs(32));
        assert!(bye.is_terminated());
    }

    /// RFC 3261 §17.2.2: Timer J is zero on reliable transports.
    #[test]
    fn over_tcp_it_ends_with_the_answer() {
        let mut bye = Server::new(Reliability::Reliable);
        bye.respond(Instant::now(), Bytes::from_static(OK));
        assert!(bye.is_terminated());
        assert_eq!(bye.poll_output(), Some(Output::Send(Bytes::from_static(OK))));
    }
}
