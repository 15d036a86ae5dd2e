//! The shell around the engine and the shards: sockets, threads, the clock.
//!
//! - [`driver`]: the engine's thread with its SIP datagram sockets and the inbox for everybody else.
//! - [`datagram`]: its datagrams, with the kernel's time of receipt.
//! - [`stream`]: SIP over TCP and TLS, with [`ws`] over WebSocket: limits, reuse, the life of a connection.
//! - [`tls`]: certificates, ours and theirs.
//! - [`resolve`]: host names to addresses (RFC 3263).
//! - [`services`]: HTTP services of the house.
//! - [`tts`]: the voice that speaks what is not recorded.
//! - [`fork`]: sockets to bots that hear callers.
//! - [`media`]: the media threads and their RTP sockets.
//! - [`bell`]: how those threads wake one another.

pub mod bell;
pub mod datagram;
pub mod driver;
pub mod fork;
pub mod media;
pub mod resolve;
mod san;
pub mod services;
pub mod stream;
pub mod tls;
pub mod tts;
pub mod ws;
