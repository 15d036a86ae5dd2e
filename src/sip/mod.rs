//! SIP: bytes in, bytes and events out. No sockets, no clock, no threads.
//!
//! | file | what | source |
//! | --- | --- | --- |
//! | [`message`] | a message and where its headers are | RFC 3261 §7, §25 |
//! | [`header`] | header names, Via, name-addr, CSeq, parameters | RFC 3261 §20 |
//! | [`uri`] | `sip:`, `tel:` and others | RFC 3261 §19.1, RFC 3966 |
//! | [`writer`] | writes messages; begins responses | RFC 3261 §8.2.6, §18.2; RFC 3581 |
//! | [`locate`] | host names: transports, servers, their order | RFC 3263; RFC 2782 |
//! | [`stream`] | frames messages of a TCP stream | RFC 3261 §18.3; RFC 5626 §4.4.1 |
//! | [`digest`] | challenges, nonces, answers | RFC 3261 §22; RFC 8760 |
//! | [`transaction`] | the four transactions | RFC 3261 §17; RFC 6026; RFC 4320 |
//! | [`dialog`] | tags, sequence, route set, target; where requests and responses go | RFC 3261 §12, §18.2; RFC 3581 |
//! | [`session`] | the INVITE usage: answer, ACK, re-INVITE, BYE | RFC 3261 §9, §13–15; RFC 3262, RFC 3311 |
//! | [`session_timer`] | sessions that nobody refreshes end | RFC 4028 |
//! | [`replaces`] | the dialog whose place a call takes | RFC 3891 |
//! | [`identity`] | who calls, who was called before, what may be shown | RFC 3323, 3325, 3326, 3892, 5806, 7044 |
//! | [`body`] | the session description among the parts of a body | RFC 5621 |
//! | [`trunk`] | registering at a carrier, signs of life, answers to its challenges | RFC 3261 §10.2, §11, §22; RFC 8760 |
//! | [`trace`] | the last messages of each call, without secrets | |
//! | [`registrar`] | who can be reached where | RFC 3261 §10; RFC 3327; RFC 5626 |
//! | [`guard`] | who is heard at all: allowances, bans, back-off, load | RFC 3261 §21.5.4, §26.3.2.4; RFC 6357 |
//! | [`endpoint`] | all of it behind four doors: who may call, what is refused | RFC 3261 §8, §11, §26; RFC 3515, RFC 6086 |
//!
//! The path of a message: `io` → [`endpoint::Endpoint::handle_message`] → parse and validate → transaction by
//! branch → session by tag → [`endpoint::Event`]. Back: a command → session → dialog writes → transaction →
//! [`endpoint::Output::Send`].
//!
//! What is served of each RFC, what is refused and how, and the test that shows it: the table of `docs/sip.md`. In short:
//! MESSAGE and PUBLISH get 405, event packages other than `refer` 489, `sips:` over a clear way 416. There is no Timer C:
//! it belongs to proxies.

pub mod body;
pub mod config;
pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod guard;
pub mod header;
pub mod identity;
pub mod locate;
pub mod message;
pub mod registrar;
pub mod replaces;
pub mod session;
pub mod session_timer;
pub mod stream;
pub mod trace;
pub mod transaction;
pub mod trunk;
pub mod uri;
pub mod writer;

pub use config::{Host, SipConfig, Target, Transport};
pub use guard::{Ban, GUARD_LABELS};

pub use endpoint::{
    Binding, Contact, DURATION_BOUNDS_MS, DialogNote, DialogSeed, EndCause, Endpoint, Event, Flow, Identity, Incoming,
    Invite, LinkOrder, Loss, METHODS, Output, ReferId, Rejection, SessionId, Standing, Stats, TRANSPORTS,
    TrunkHostView, TrunkView, Warning,
};
