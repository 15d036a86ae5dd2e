//! The shell around the engine and the shards: sockets, threads, the clock.
//!
//! - [`driver`]: the engine's thread with its SIP datagram sockets and the inbox for everybody else.
//! - [`tcp`]: SIP over TCP.
//! - [`media`]: the media threads and their RTP sockets.

pub mod driver;
pub mod media;
pub mod tcp;
