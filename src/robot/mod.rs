//! Robot phones: SIP user agents that the demo, the tests and the load use in place of people.
//!
//! They are a second, independent reading of SIP and RTP: messages are read by the crate `rsip`, digest, SDP, RTP
//! and G.711 are written again from the RFCs, and nothing of the `sip`, `sdp` and `media` cores is used. What both
//! sides agree on has therefore been understood twice.
//!
//! A [`Phone`] is blocking and simple: every wait has a deadline, every event can be waited for, and dropping the
//! phone hangs up, unregisters and joins its threads. It belongs to the shell: it has sockets, threads and a clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod audio;
pub mod demo;
mod media;
mod phone;
mod sdp;
mod sip;
mod ua;

pub use audio::Codec;
pub use media::{Line, Packet, Source};
pub use phone::{Call, Failure, Phone};
pub use ua::{Answering, Event, Options, Transport};
