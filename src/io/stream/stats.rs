//! Figures of the connections, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection was refused or closed by us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// Its source has as many as it may.
    Source,
    /// There are as many as there may be.
    Total,
    /// TLS or WebSocket: no handshake, in time or at all.
    Handshake,
    /// No whole message in time, or one that was begun did not end.
    FirstMessage,
    /// Nothing came for too long.
    Idle,
    /// Where the next message begins was not known any more.
    Framing,
    /// It did not take what was sent.
    Slow,
}

impl Refused {
    /// All of them, in the order of the counters.
    pub const ALL: [Refused; 7] =
        [Self::Source, Self::Total, Self::Handshake, Self::FirstMessage, Self::Idle, Self::Framing, Self::Slow];

    /// The label of metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Total => "total",
            Self::Handshake => "handshake",
            Self::FirstMessage => "first_message",
            Self::Idle => "idle",
            Self::Framing => "framing",
            Self::Slow => "slow",
        }
    }
}

/// Counters; they only rise.
#[derive(Debug, Default)]
pub struct Stats {
    refused: [AtomicU64; Refused::ALL.len()],
}

impl Stats {
    /// One more.
    pub fn count(&self, why: Refused) {
        if let Some(counter) = Refused::ALL.iter().position(|one| *one == why).and_then(|at| self.refused.get(at)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All of them by label.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refused::ALL.iter().zip(&self.refused).map(|(why, count)| (why.label(), count.load(Ordering::Relaxed)))
    }
}
