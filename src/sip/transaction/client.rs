//! Non-INVITE client transaction: the asking side of BYE, CANCEL, OPTIONS …
//!
//! RFC 3261 §17.1.2; RFC 4320 §4.2: its timeout is not told to anybody as a 408 on the wire.
//!
//! ```text
//!   request
//!     v       1xx                 200-699
//!   Trying --------> Proceeding ----------> Completed --Timer K--> Terminated
//!     |  \--200-699--------------------------^                        ^
//!     +--Timer F, transport failed------------------------------------+
//! ```

use std::time::Instant;

use bytes::Bytes;

use super::{GIVE_UP, Output, Outputs, Reliability, Resend, T2, T4, earlier, take_first};

/// One request, not INVITE and not ACK, that we sent.
#[derive(Debug)]
pub struct Client {
    state: State,
    reliability: Reliability,
    outputs: Outputs,
}

#[derive(Debug)]
enum State {
    /// Timers E and F.
    Trying {
        request: Bytes,
        resend: Option<Resend>,
        give_up_at: Instant,
    },
    /// Timers E (at T2 now) and F.
    Proceeding {
        request: Bytes,
        resend_at: Option<Instant>,
        give_up_at: Instant,
    },
    /// Timer K: late repetitions of the final response are absorbed.
    Completed {
        until: Instant,
    },
    Terminated,
}

impl Client {
    /// Sends `request`.
    pub fn new(now: Instant, request: Bytes, reliability: Reliability) -> Self {
        let resend = match reliability {
            Reliability::Reliable => None,
            Reliability::Unreliable => Some(Resend::start(now)),
        };
        let outputs = Outputs::from_iter([Output::Send(request.clone())]);
        Self { state: State::Trying { request, resend, give_up_at: now + GIVE_UP }, reliability, outputs }
    }

    /// A response with this branch and method arrived.
    pub fn handle_response(&mut self, now: Instant, code: u16) {
        match &mut self.state {
            State::Trying { .. } | State::Proceeding { .. } if code >= 200 => {
                self.state = match self.reliability.linger(T4) {
                    Some(wait) => State::Completed { until: now + wait },
                    None => State::Terminated,
                };
                self.outputs.push(Output::Deliver);
            }
            State::Trying { request, resend, give_up_at } => {
                let (request, give_up_at) = (request.clone(), *give_up_at);
                let resend_at = resend.map(|_| now + T2);
                self.state = State::Proceeding { request, resend_at, give_up_at };
            }
            State::Proceeding { .. } | State::Completed { .. } | State::Terminated => {}
        }
    }

    /// The transport could not send.
    pub fn handle_send_failed(&mut self) {
        match self.state {
            State::Trying { .. } | State::Proceeding { .. } => {
                self.state = State::Terminated;
                self.outputs.push(Output::Unreachable);
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
            State::Trying { resend, give_up_at, .. } => earlier(*resend, *give_up_at),
            State::Proceeding { resend_at, give_up_at, .. } => {
                Some(resend_at.map_or(*give_up_at, |at| at.min(*give_up_at)))
            }
            State::Completed { until } => Some(*until),
            State::Terminated => None,
        }
    }

    /// Does what is due at `now`; calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Trying { give_up_at, .. } | State::Proceeding { give_up_at, .. } if *give_up_at <= now => {
                self.state = State::Terminated;
                self.outputs.push(Output::TimedOut);
            }
            State::Trying { request, resend: Some(resend), .. } if resend.at <= now => {
                *resend = resend.next(T2);
                self.outputs.push(Output::Resend(request.clone()));
            }
            State::Proceeding { request, resend_at: Some(at), .. } if *at <= now => {
                *at += T2;
                self.outputs.push(Output::Resend(request.clone()));
            }
            State::Completed { until } if *until <= now => self.state = State::Terminated,
            State::Trying { .. } | State::Proceeding { .. } | State::Completed { .. } | State::Terminated => {}
        }
    }

    /// Next thing for the caller to do; call until it returns `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        take_first(&mut self.outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{run, sent};
    use super::*;

    const BYE: &[u8] = b"BYE sip:600@a SIP/2.0\r\nContent-Length: 0\r\n\r\n";

    fn rest(machine: &mut Client, from: Instant) -> Vec<(u64, Output)> {
        run(machine, from, Client::poll_timeout, Client::handle_timeout, Client::poll_output)
    }

    /// RFC 3261 §17.1.2.2: Timer E doubles from T1 to T2, Timer F ends it at 64·T1.
    #[test]
    fn unanswered_request_is_resent_ten_times_then_times_out() {
        let start = Instant::now();
        let mut bye = Client::new(start, Bytes::from_static(BYE), Reliability::Unreliable);
        let seen = rest(&mut bye, start);
        assert_eq!(sent(&seen), [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
        assert_eq!(seen.last(), Some(&(32_000, Output::TimedOut)));
    }

    /// RFC 3261 §17.1.2.2: after a provisional response it is resent every T2.
    #[test]
    fn after_a_provisional_response_it_is_resent_every_t2() {
        let start = Instant::now();
        let mut bye = Client::new(start, Bytes::from_static(BYE), Reliability::Unreliable);
        bye.handle_response(start, 100);
        let seen = rest(&mut bye, start);
        assert_eq!(sent(&seen), [0, 4000, 8000, 12000, 16000, 20000, 24000, 28000]);
        assert_eq!(seen.last(), Some(&(32_000, Output::TimedOut)));
    }

    /// RFC 3261 §17.1.2.2: Timer K absorbs repetitions for T4 over UDP, not at all over TCP.
    #[test]
    fn final_response_is_delivered_once() {
        for (reliability, linger) in [(Reliability::Unreliable, Some(T4)), (Reliability::Reliable, None)] {
            let start = Instant::now();
            let mut bye = Client::new(start, Bytes::from_static(BYE), reliability);
            assert!(matches!(bye.poll_output(), Some(Output::Send(_))));
            bye.handle_response(start, 200);
            bye.handle_response(start, 200);
            assert_eq!(bye.poll_timeout(), linger.map(|wait| start + wait));
            assert_eq!(rest(&mut bye, start), [(0, Output::Deliver)]);
            assert!(bye.is_terminated());
        }
    }
}
