//! INVITE server transaction: the answering side of one INVITE.
//!
//! RFC 3261 §17.2.1, with the `Accepted` state added by RFC 6026 §7.1.
//!
//! ```text
//!   INVITE
//!     v            2xx                        Timer L
//!   Proceeding ------------> Accepted ----------------------+
//!     | 300-699                                             v
//!     +--------> Completed ---ACK---> Confirmed --Timer I-> Terminated
//!                    +---------Timer H (no ACK)------------>
//! ```
//!
//! Nothing here reads a clock or a socket. Retransmitting a 2xx is the dialog's duty, not ours.

use std::time::Instant;

use bytes::Bytes;

use super::{GIVE_UP, Output, Outputs, Reliability, Resend, T2, T4, earlier, take_first};

/// One INVITE that we received.
#[derive(Debug)]
pub struct ServerInvite {
    state: State,
    reliability: Reliability,
    /// Nothing was sent yet, the 100 included.
    quiet: bool,
    outputs: Outputs,
}

/// Each state owns its own deadlines, so a timer cannot outlive its state.
#[derive(Debug)]
enum State {
    Proceeding {
        provisional: Bytes,
    },
    /// Timers G and H.
    Completed {
        response: Bytes,
        resend: Option<Resend>,
        give_up_at: Instant,
    },
    /// Timer I.
    Confirmed {
        until: Instant,
    },
    /// Timer L.
    Accepted {
        until: Instant,
    },
    Terminated,
}

impl ServerInvite {
    /// An INVITE without a transaction arrived; `trying` is the 100 that stops its retransmission.
    pub fn new(trying: Bytes, reliability: Reliability) -> Self {
        let outputs = Outputs::from_iter([Output::Send(trying.clone())]);
        Self { state: State::Proceeding { provisional: trying }, reliability, quiet: false, outputs }
    }

    /// As [`ServerInvite::new`] for an INVITE of nobody we know: the 100 waits for [`ServerInvite::proceed`]. When it
    /// is refused before that, the refusal is not repeated by itself: its sender may be invented, and the repetitions
    /// would go to somebody who never asked. Who did ask heard no 100 and repeats the INVITE.
    pub fn quiet(trying: Bytes, reliability: Reliability) -> Self {
        let state = State::Proceeding { provisional: trying };
        Self { state, reliability, quiet: true, outputs: Outputs::new() }
    }

    /// The INVITE is taken up: the 100 that [`ServerInvite::quiet`] kept back goes out. False when there is none.
    pub fn proceed(&mut self) -> bool {
        match &self.state {
            State::Proceeding { provisional } if self.quiet => {
                self.outputs.push(Output::Send(provisional.clone()));
                self.quiet = false;
                true
            }
            State::Proceeding { .. } | State::Completed { .. } | State::Confirmed { .. } => false,
            State::Accepted { .. } | State::Terminated => false,
        }
    }

    /// The same INVITE arrived again.
    pub fn handle_invite(&mut self) {
        match &self.state {
            State::Proceeding { .. } if self.quiet => _ = self.proceed(),
            State::Proceeding { provisional } => self.outputs.push(Output::Resend(provisional.clone())),
            State::Completed { response, .. } => self.outputs.push(Output::Resend(response.clone())),
            // The 2xx is repeated by the dialog on its own timer (RFC 6026 §7.1).
            State::Accepted { .. } | State::Confirmed { .. } | State::Terminated => {}
        }
    }

    /// The user's provisional response; nothing after the final one.
    pub fn progress(&mut self, response: Bytes) {
        match &mut self.state {
            State::Proceeding { provisional } => {
                provisional.clone_from(&response);
                self.quiet = false;
                self.outputs.push(Output::Send(response));
            }
            State::Completed { .. } | State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => {}
        }
    }

    /// The user's 2xx; only the first final response counts.
    pub fn accept(&mut self, now: Instant, response: Bytes) {
        match self.state {
            State::Proceeding { .. } => {
                self.outputs.push(Output::Send(response));
                self.state = State::Accepted { until: now + GIVE_UP };
            }
            State::Completed { .. } | State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => {}
        }
    }

    /// The user's 300–699; only the first final response counts.
    pub fn reject(&mut self, now: Instant, response: Bytes) {
        match self.state {
            State::Proceeding { .. } => {
                self.outputs.push(Output::Send(response.clone()));
                let resend = self.reliability.linger(T4).filter(|_| !self.quiet).map(|_| Resend::start(now));
                self.state = State::Completed { response, resend, give_up_at: now + GIVE_UP };
            }
            State::Completed { .. } | State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => {}
        }
    }

    /// An ACK matched this transaction. True when it was meant for it; false when it belongs to the dialog.
    pub fn handle_ack(&mut self, now: Instant) -> bool {
        match self.state {
            State::Completed { .. } => {
                self.state = match self.reliability.linger(T4) {
                    // Timer I is zero on reliable transports: no late ACK can follow.
                    None => State::Terminated,
                    Some(wait) => State::Confirmed { until: now + wait },
                };
                true
            }
            // The ACK to a 2xx belongs to the dialog (RFC 6026 §7.1).
            State::Accepted { .. } => false,
            State::Proceeding { .. } | State::Confirmed { .. } | State::Terminated => true,
        }
    }

    /// True while CANCEL can still have an effect (RFC 3261 §9.2).
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// True when nothing can follow: forget it.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    /// When to call `handle_timeout` next; `None` when no timer runs.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Proceeding { .. } | State::Terminated => None,
            State::Completed { resend, give_up_at, .. } => earlier(*resend, *give_up_at),
            State::Confirmed { until } | State::Accepted { until } => Some(*until),
        }
    }

    /// Does what is due at `now`; calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Completed { give_up_at, .. } if *give_up_at <= now => {
                self.state = State::Terminated;
                self.outputs.push(Output::NoAck);
            }
            State::Completed { response, resend: Some(resend), .. } if resend.at <= now => {
                *resend = resend.next(T2);
                self.outputs.push(Output::Resend(response.clone()));
            }
            State::Confirmed { until } | State::Accepted { until } if *until <= now => self.state = State::Terminated,
            State::Proceeding { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Accepted { .. }
            | State::Terminated => {}
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

    const TRYING: &[u8] = b"SIP/2.0 100 Trying\r\nContent-Length: 0\r\n\r\n";
    const RINGING: &[u8] = b"SIP/2.0 180 Ringing\r\nContent-Length: 0\r\n\r\n";
    const OK: &[u8] = b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n";
    const BUSY: &[u8] = b"SIP/2.0 486 Busy Here\r\nContent-Length: 0\r\n\r\n";

    fn rest(machine: &mut ServerInvite, from: Instant) -> Vec<(u64, Output)> {
        run(machine, from, ServerInvite::poll_timeout, ServerInvite::handle_timeout, ServerInvite::poll_output)
    }

    fn invite(reliability: Reliability) -> ServerInvite {
        let mut invite = ServerInvite::new(Bytes::from_static(TRYING), reliability);
        assert_eq!(invite.poll_output(), Some(Output::Send(Bytes::from_static(TRYING))));
        invite
    }

    /// A stranger who is refused at once heard no 100, so he repeats the INVITE until the refusal reaches him; one who
    /// was taken up has it repeated like anybody.
    #[test]
    fn a_refusal_without_a_100_is_repeated_only_when_asked() {
        let start = Instant::now();
        let quiet = || ServerInvite::quiet(Bytes::from_static(TRYING), Reliability::Unreliable);
        let mut refused = quiet();
        refused.reject(start, Bytes::from_static(BUSY));
        assert_eq!(sent(&rest(&mut refused, start)), [0]);
        let mut asked = quiet();
        asked.reject(start, Bytes::from_static(BUSY));
        assert_eq!(asked.poll_output(), Some(Output::Send(Bytes::from_static(BUSY))));
        asked.handle_invite();
        assert_eq!(asked.poll_output(), Some(Output::Resend(Bytes::from_static(BUSY))));
        let mut taken_up = quiet();
        assert!(taken_up.proceed() && !taken_up.proceed(), "once");
        assert_eq!(taken_up.poll_output(), Some(Output::Send(Bytes::from_static(TRYING))));
        taken_up.reject(start, Bytes::from_static(BUSY));
        assert_eq!(sent(&rest(&mut taken_up, start)).len(), 11);
        let mut late = quiet();
        late.handle_invite();
        assert_eq!(late.poll_output(), Some(Output::Send(Bytes::from_static(TRYING))), "nobody knows why it is quiet");
    }

    /// RFC 3261 §17.2.1: over UDP a 486 is resent at T1, 2·T1, 4·T1, then every T2, until
    /// Timer H (64·T1 = 32 s) reports that no ACK came.
    #[test]
    fn unacknowledged_rejection_is_resent_then_given_up() {
        let start = Instant::now();
        let mut invite = invite(Reliability::Unreliable);
        invite.reject(start, Bytes::from_static(BUSY));
        let seen = rest(&mut invite, start);
        assert_eq!(sent(&seen), [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
        assert_eq!(seen.last(), Some(&(32_000, Output::NoAck)));
    }

    /// RFC 3261 §17.2.1: Timer I absorbs late ACKs for T4 over UDP.
    #[test]
    fn acknowledged_rejection_rests_and_ends_after_timer_i() {
        let start = Instant::now();
        let mut invite = invite(Reliability::Unreliable);
        invite.reject(start, Bytes::from_static(BUSY));
        assert!(invite.handle_ack(start));
        assert!(invite.handle_ack(start));
        invite.handle_invite();
        assert_eq!(rest(&mut invite, start), [(0, Output::Send(Bytes::from_static(BUSY)))]);
        assert!(invite.is_terminated());
    }

    /// RFC 3261 §17.2.1: a retransmitted INVITE gets the last provisional response again.
    #[test]
    fn repeated_invite_gets_the_last_provisional_again() {
        let mut invite = invite(Reliability::Unreliable);
        invite.handle_invite();
        assert_eq!(invite.poll_output(), Some(Output::Resend(Bytes::from_static(TRYING))));
        invite.progress(Bytes::from_static(RINGING));
        invite.handle_invite();
        assert_eq!(invite.poll_output(), Some(Output::Send(Bytes::from_static(RINGING))));
        assert_eq!(invite.poll_output(), Some(Output::Resend(Bytes::from_static(RINGING))));
        assert_eq!(invite.poll_timeout(), None, "it may ring for hours");
    }

    /// RFC 6026 §7.1: after a 2xx it stays 64·T1 to absorb repeated INVITEs; the ACK is the dialog's.
    #[test]
    fn accepted_invite_absorbs_repetitions_until_timer_l() {
        let start = Instant::now();
        let mut invite = invite(Reliability::Reliable);
        invite.accept(start, Bytes::from_static(OK));
        invite.reject(start, Bytes::from_static(BUSY));
        invite.progress(Bytes::from_static(RINGING));
        invite.handle_invite();
        assert!(!invite.handle_ack(start));
        assert_eq!(invite.poll_timeout(), Some(start + GIVE_UP));
        assert_eq!(rest(&mut invite, start), [(0, Output::Send(Bytes::from_static(OK)))]);
        assert!(invite.is_terminated());
    }
}
