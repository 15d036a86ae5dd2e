//! Counters of the endpoint, for metrics; they only rise, except the live figures.

use super::super::guard::Counts;
use super::super::header::Method;

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

/// A copy of all counters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Requests received, by [`METHODS`]; retransmissions included.
    pub requests_in: [u64; 15],
    /// Requests sent, by [`METHODS`]; retransmissions not included.
    pub requests_out: [u64; 15],
    /// Responses received by class: index 0 = 1xx … 5 = 6xx.
    pub responses_in: [u64; 6],
    /// Responses sent by class; retransmissions not included.
    pub responses_out: [u64; 6],
    /// Requests received again.
    pub retransmissions_in: u64,
    /// Messages sent again.
    pub retransmissions_out: u64,
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
    pub(super) fn request_in(&mut self, method: Method<'_>) {
        add(&mut self.requests_in, index(method));
    }

    pub(super) fn request_out(&mut self, method: Method<'_>) {
        add(&mut self.requests_out, index(method));
    }

    pub(super) fn response_in(&mut self, code: u16) {
        add(&mut self.responses_in, class(code));
    }

    pub(super) fn response_out(&mut self, code: u16) {
        add(&mut self.responses_out, class(code));
    }
}

fn class(code: u16) -> usize {
    usize::from(code / 100).saturating_sub(1)
}

fn add(counters: &mut [u64], index: usize) {
    if let Some(counter) = counters.get_mut(index) {
        *counter += 1;
    }
}
