//! INVITE client transaction: the asking side of one INVITE.
//!
//! RFC 3261 §17.1.1, with the `Accepted` state of RFC 6026 §7.2.
//!
//! ```text
//!   INVITE
//!     v        1xx                2xx
//!   Calling --------> Proceeding -------> Accepted --Timer M--> Terminated
//!     |  \--2xx-------------------------------^                    ^
//!     |   \--300-699----> Completed (ACK) -----------Timer D-------+
//!     +--Timer B, transport failed-------------------------------- +
//! ```
//!
//! The ACK to a 2xx is the dialog's duty, the ACK to any other final response is sent from here.

use std::time::Instant;

use bytes::Bytes;

use super::{GIVE_UP, Output, Outputs, Reliability, Resend, earlier, take_first};

/// One INVITE that we sent.
#[derive(Debug)]
pub struct ClientInvite {
    state: State,
    reliability: Reliability,
    outputs: Outputs,
}

#[derive(Debug)]
enum State {
    /// Timers A and B.
    Calling {
        invite: Bytes,
        resend: Option<Resend>,
        give_up_at: Instant,
    },
    /// The peer works on it, for as long as it wants, unless we cancelled (RFC 3261 §9.1).
    Proceeding {
        give_up_at: Option<Instant>,
    },
    /// Timer D; each repeated final response is acknowledged again.
    Completed {
        ack: Bytes,
        until: Instant,
    },
    /// Timer M; each 2xx, also from another fork, goes to the user.
    Accepted {
        until: Instant,
    },
    Terminated,
}

impl ClientInvite {
    /// Sends `invite`.
    pub fn new(now: Instant, invite: Bytes, reliability: Reliability) -> Self {
        let resend = match reliability {
            Reliability::Reliable => None,
            Reliability::Unreliable => Some(Resend::start(now)),
        };
        let outputs = Outputs::from_iter([Output::Send(invite.clone())]);
        Self { state: State::Calling { invite, resend, give_up_at: now + GIVE_UP }, reliability, outputs }
    }

    /// An INVITE that an earlier process sent, and that its peer was working on.
    pub fn taken_over(reliability: Reliability) -> Self {
        Self { state: State::Proceeding { give_up_at: None }, reliability, outputs: Outputs::new() }
    }

    /// A response with this branch and the method INVITE arrived.
    ///
    /// `ack` builds the ACK to a 300–699 (RFC 3261 §17.1.1.3); it is called at most once, for the first.
    pub fn handle_response(&mut self, now: Instant, code: u16, ack: impl FnOnce() -> Bytes) {
        match &self.state {
            State::Calling { .. } | State::Proceeding { .. } => {
                let give_up_at = match self.state {
                    State::Proceeding { give_up_at } => give_up_at,
                    State::Calling { .. } | State::Completed { .. } | State::Accepted { .. } | State::Terminated => {
                        None
                    }
                };
                match code {
                    0..=199 => self.state = State::Proceeding { give_up_at },
                    200..=299 => self.state = State::Accepted { until: now + GIVE_UP },
                    300.. => {
                        let ack = ack();
                        self.outputs.push(Output::Send(ack.clone()));
                        self.state = match self.reliability.linger(GIVE_UP) {
                            Some(wait) => State::Completed { ack, until: now + wait },
                            None => State::Terminated,
                        };
                    }
                }
                self.outputs.push(Output::Deliver);
            }
            State::Completed { ack, .. } if code >= 300 => self.outputs.push(Output::Resend(ack.clone())),
            State::Accepted { .. } if (200..300).contains(&code) => self.outputs.push(Output::Deliver),
            State::Completed { .. } | State::Accepted { .. } | State::Terminated => {}
        }
    }

    /// The user sent CANCEL: without a final response within 64·T1 it is over (RFC 3261 §9.1).
    pub fn cancelled(&mut self, now: Instant) {
        if let State::Proceeding { give_up_at } = &mut self.state {
            give_up_at.get_or_insert(now + GIVE_UP);
        }
    }

    /// The transport could not send.
    pub fn handle_send_failed(&mut self) {
        match self.state {
            State::Calling { .. } | State::Proceeding { .. } => {
                self.state = State::Terminated;
                self.outputs.push(Output::Unreachable);
            }
            State::Completed { .. } | State::Accepted { .. } | State::Terminated => {}
        }
    }

    /// True until the first response: CANCEL has to wait (RFC 3261 §9.1).
    pub fn is_calling(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }

    /// True once a final response came or all hope is gone.
    pub fn is_decided(&self) -> bool {
        match self.state {
            State::Calling { .. } | State::Proceeding { .. } => false,
            State::Completed { .. } | State::Accepted { .. } | State::Terminated => true,
        }
    }

    /// True when nothing can follow: forget it.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    /// When to call `handle_timeout` next; `None` when no timer runs.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Calling { resend, give_up_at, .. } => earlier(*resend, *give_up_at),
            State::Proceeding { give_up_at } => *give_up_at,
            State::Completed { until, .. } | State::Accepted { until } => Some(*until),
            State::Terminated => None,
        }
    }

    /// Does what is due at `now`; calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Calling { give_up_at, .. } if *give_up_at <= now => self.time_out(),
            State::Calling { invite, resend: Some(resend), .. } if resend.at <= now => {
                // Timer A doubles without a ceiling (RFC 3261 §17.1.1.2).
                *resend = resend.next(GIVE_UP);
                self.outputs.push(Output::Resend(invite.clone()));
            }
            State::Proceeding { give_up_at: Some(at) } if *at <= now => self.time_out(),
            State::Completed { until, .. } | State::Accepted { until } if *until <= now => {
                self.state = State::Terminated;
            }
            State::Calling { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated => {}
        }
    }

    /// Next thing for the caller to do; call until it returns `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        take_first(&mut self.outputs)
    }

    fn time_out(&mut self) {
        self.state = State::Terminated;
        self.outputs.push(Output::TimedOut);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{run, sent};
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:600@a SIP/2.0\r\nContent-Length: 0\r\n\r\n";
    const ACK: &[u8] = b"ACK sip:600@a SIP/2.0\r\nContent-Length: 0\r\n\r\n";

    fn rest(machine: &mut ClientInvite, from: Instant) -> Vec<(u64, Output)> {
        run(machine, from, ClientInvite::poll_timeout, ClientInvite::handle_timeout, ClientInvite::poll_output)
    }

    fn ack() -> Bytes {
        Bytes::from_static(ACK)
    }

    /// RFC 3261 §17.1.1.2: Timer A doubles from T1, Timer B ends it at 64·T1.
    #[test]
    fn unanswered_invite_is_resent_seven_times_then_times_out() {
        let start = Instant::now();
        let mut invite = ClientInvite::new(start, Bytes::from_static(INVITE), Reliability::Unreliable);
        let seen = rest(&mut invite, start);
        assert_eq!(sent(&seen), [0, 500, 1500, 3500, 7500, 15500, 31500]);
        assert_eq!(seen.last(), Some(&(32_000, Output::TimedOut)));
        assert!(invite.is_terminated());
    }

    /// RFC 3261 §17.1.1.2: no Timer A on a reliable transport, but Timer B.
    #[test]
    fn over_tcp_nothing_is_resent() {
        let start = Instant::now();
        let mut invite = ClientInvite::new(start, Bytes::from_static(INVITE), Reliability::Reliable);
        let seen = rest(&mut invite, start);
        assert_eq!(seen, [(0, Output::Send(Bytes::from_static(INVITE))), (32_000, Output::TimedOut)]);
    }

    /// No Timer C: a caller may wait for hours in a queue that only rings.
    #[test]
    fn after_a_provisional_response_it_waits_for_ever() {
        let start = Instant::now();
        let mut invite = ClientInvite::new(start, Bytes::from_static(INVITE), Reliability::Unreliable);
        invite.handle_response(start, 180, ack);
        assert_eq!(invite.poll_timeout(), None);
        invite.cancelled(start);
        assert_eq!(invite.poll_timeout(), Some(start + GIVE_UP), "after CANCEL it waits 64·T1 (RFC 3261 §9.1)");
        invite.handle_response(start, 180, ack);
        assert_eq!(rest(&mut invite, start).last(), Some(&(32_000, Output::TimedOut)));
    }

    /// RFC 3261 §17.1.1.2: the same ACK answers each repetition of a rejection, the user hears of it once.
    #[test]
    fn rejection_is_acknowledged_each_time_and_delivered_once() {
        let start = Instant::now();
        let mut invite = ClientInvite::new(start, Bytes::from_static(INVITE), Reliability::Unreliable);
        assert!(matches!(invite.poll_output(), Some(Output::Send(_))));
        invite.handle_response(start, 486, ack);
        invite.handle_response(start, 486, || panic!("built once"));
        invite.handle_response(start, 200, || panic!("a 2xx after a rejection is noise"));
        let seen = rest(&mut invite, start);
        let expected = [(0, Output::Send(ack())), (0, Output::Deliver), (0, Output::Resend(ack()))];
        assert_eq!(seen, expected);
        assert!(invite.is_terminated());
    }

    /// RFC 6026 §7.2: every 2xx within 64·T1 reaches the user, for forks and lost ACKs.
    #[test]
    fn every_2xx_is_delivered_until_timer_m() {
        let start = Instant::now();
        let mut invite = ClientInvite::new(start, Bytes::from_static(INVITE), Reliability::Unreliable);
        assert!(matches!(invite.poll_output(), Some(Output::Send(_))));
        invite.handle_response(start, 200, || panic!("not ours to acknowledge"));
        assert_eq!(invite.poll_output(), Some(Output::Deliver));
        invite.handle_response(start + Duration::from_secs(31), 200, || panic!());
        assert_eq!(invite.poll_output(), Some(Output::Deliver));
        invite.handle_response(start, 486, || panic!());
        assert_eq!(invite.poll_output(), None);
        assert_eq!(invite.poll_timeout(), Some(start + GIVE_UP));
        invite.handle_timeout(start + GIVE_UP);
        assert!(invite.is_terminated());
    }

    #[test]
    fn transport_failure_ends_it_once() {
        let start = Instant::now();
        let mut invite = ClientInvite::new(start, Bytes::from_static(INVITE), Reliability::Reliable);
        assert!(matches!(invite.poll_output(), Some(Output::Send(_))));
        invite.handle_send_failed();
        invite.handle_send_failed();
        assert_eq!(invite.poll_output(), Some(Output::Unreachable));
        assert_eq!(invite.poll_output(), None);
        assert!(invite.is_terminated());
    }
}
