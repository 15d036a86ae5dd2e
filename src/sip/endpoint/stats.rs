//! Counters of the endpoint, for metrics; they only rise, except the live figures.

use std::time::{Duration, Instant};

use super::super::config::Transport;
use super::super::guard::Counts;
use super::super::header::Method;
use super::super::message::Message;

/// Labels of [`Stats::requests_in`] and [`Stats::requests_out`], by index.
pub const METHODS: [&str; 15] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "PRACK",
    "UPDATE",
    "INFO",
    "REFER",
    "SUBSCRIBE",
    "NOTIFY",
    "MESSAGE",
    "PUBLISH",
    "OTHER",
];

/// Labels of transports in [`Stats::requests_in`] and [`Stats::requests_out`], by index.
pub const TRANSPORTS: [&str; 5] = ["udp", "tcp", "tls", "ws", "wss"];

/// Upper bounds of [`Durations`] in ms; what took longer is counted beyond the last.
pub const DURATION_BOUNDS_MS: [u64; 14] =
    [20, 50, 100, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 20_000];

/// How long transactions took: one counter per bound of [`DURATION_BOUNDS_MS`] (not cumulative) and one beyond.
pub type Durations = [u64; 15];

/// A copy of all counters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Requests received, by [`METHODS`] and [`TRANSPORTS`]; retransmissions included.
    pub requests_in: [[u64; 5]; 15],
    /// Requests sent, by [`METHODS`] and [`TRANSPORTS`]; retransmissions not included.
    pub requests_out: [[u64; 5]; 15],
    /// Responses received, by the [`METHODS`] they answer and by class: index 0 = 1xx … 5 = 6xx.
    pub responses_in: [[u64; 6]; 15],
    /// Responses sent, alike; retransmissions not included.
    pub responses_out: [[u64; 6]; 15],
    /// Requests received again, by [`METHODS`].
    pub retransmissions_in: [u64; 15],
    /// Messages sent again, by [`METHODS`]: requests, and responses to them.
    pub retransmissions_out: [u64; 15],
    /// From a request's arrival at the machine to our final response, by [`METHODS`]; only what has a transaction.
    pub served: [Durations; 15],
    /// From a request of ours to its final response, or to the time at which it was given up, by [`METHODS`].
    pub answered: [Durations; 15],
    /// Datagrams and frames that are no SIP message.
    pub parse_errors: u64,
    /// Requests refused at the door.
    pub rejected: Rejected,
    /// Results of REGISTER.
    pub registrations: Registrations,
    /// What the guard did.
    pub guard: Counts,
    /// Live: contacts of all users.
    pub contacts: usize,
    /// Live: transactions.
    pub transactions: usize,
    /// Live: sessions.
    pub sessions: usize,
}

/// Requests refused at the door, by reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rejected {
    /// Wrong credentials, or not for this user.
    pub auth: u64,
    /// Not well formed (400, 505, 416).
    pub malformed: u64,
    /// Method, extension or content that is not served (405, 415, 420, 501).
    pub unsupported: u64,
    /// In no dialog or transaction we know (481).
    pub no_dialog: u64,
    /// Too many hops (483).
    pub hops: u64,
    /// Over a limit of ours (503).
    pub overload: u64,
}

/// Results of REGISTER.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Registrations {
    /// Done.
    pub ok: u64,
    /// Asked for credentials.
    pub challenged: u64,
    /// Refused.
    pub denied: u64,
    /// Users whose last contact expired.
    pub expired: u64,
}

/// The place of a method in [`METHODS`].
pub(super) fn index(method: Method<'_>) -> usize {
    match method {
        Method::Invite => 0,
        Method::Ack => 1,
        Method::Bye => 2,
        Method::Cancel => 3,
        Method::Options => 4,
        Method::Register => 5,
        Method::Prack => 6,
        Method::Update => 7,
        Method::Info => 8,
        Method::Refer => 9,
        Method::Subscribe => 10,
        Method::Notify => 11,
        Method::Message => 12,
        Method::Publish => 13,
        Method::Other(_) => 14,
    }
}

impl Stats {
    pub(super) fn request_in(&mut self, method: Method<'_>, transport: Transport) {
        add_at(&mut self.requests_in, index(method), place(transport));
    }

    pub(super) fn request_out(&mut self, method: Method<'_>, transport: Transport) {
        add_at(&mut self.requests_out, index(method), place(transport));
    }

    pub(super) fn response_in(&mut self, response: &Message) {
        let method = response.cseq().map_or(Method::Other(&[]), |cseq| cseq.method);
        add_at(&mut self.responses_in, index(method), class(response.code()));
    }

    pub(super) fn response_out(&mut self, method: Method<'_>, code: u16) {
        self.response_to(index(method), code);
    }

    /// A response of ours to the method at this place of [`METHODS`].
    pub(super) fn response_to(&mut self, method: usize, code: u16) {
        add_at(&mut self.responses_out, method, class(code));
    }

    pub(super) fn seen_again(&mut self, method: Method<'_>) {
        add(&mut self.retransmissions_in, index(method));
    }

    pub(super) fn sent_again(&mut self, method: usize) {
        add(&mut self.retransmissions_out, method);
    }

    /// A final response of ours, if it is the transaction's first.
    pub(super) fn has_served(&mut self, now: Instant, timing: &mut Timing) {
        if let Some(took) = timing.end(now) {
            add_at(&mut self.served, timing.method, slot(took));
        }
    }

    /// A final response to us, or none in time.
    pub(super) fn was_answered(&mut self, now: Instant, timing: &mut Timing) {
        if let Some(took) = timing.end(now) {
            add_at(&mut self.answered, timing.method, slot(took));
        }
    }
}

/// What a transaction is counted under, and how long it takes.
#[derive(Debug)]
pub(super) struct Timing {
    /// The place of its method in [`METHODS`].
    pub method: usize,
    /// `None` once it had its final response, and where it is not known.
    began: Option<Instant>,
}

impl Timing {
    pub fn new(method: Method<'_>, began: Instant) -> Self {
        Self { method: index(method), began: Some(began) }
    }

    /// Of a transaction that an earlier process began: nobody knows how long it took.
    pub fn unknown(method: Method<'_>) -> Self {
        Self { method: index(method), began: None }
    }

    fn end(&mut self, now: Instant) -> Option<Duration> {
        self.began.take().map(|began| now.saturating_duration_since(began))
    }
}

/// The place of a transport in [`TRANSPORTS`].
fn place(transport: Transport) -> usize {
    match transport {
        Transport::Udp => 0,
        Transport::Tcp => 1,
        Transport::Tls => 2,
        Transport::Ws => 3,
        Transport::Wss => 4,
    }
}

/// The place of a duration in [`Durations`].
fn slot(took: Duration) -> usize {
    let ms = took.as_millis();
    DURATION_BOUNDS_MS.iter().position(|bound| ms <= u128::from(*bound)).unwrap_or(DURATION_BOUNDS_MS.len())
}

fn class(code: u16) -> usize {
    usize::from(code / 100).saturating_sub(1)
}

fn add_at<const N: usize>(counters: &mut [[u64; N]], row: usize, index: usize) {
    if let Some(counters) = counters.get_mut(row) {
        add(counters, index);
    }
}

fn add(counters: &mut [u64], index: usize) {
    if let Some(counter) = counters.get_mut(index) {
        *counter += 1;
    }
}
