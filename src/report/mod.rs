//! Folds over the journal: what the call records, figures and screens show.
//!
//! Pure: entries in, records and live state out. The same entries give the same result, byte for byte, whenever
//! and however often they are read; that is why figures can be recomputed and why a crash loses none.
//!
//! - [`record`]: one [`record::CallRecord`] per call, by [`record::Fold`].
//! - [`live`]: agents, queues and calls as they are now, by [`live::Live`].
//! - [`explain`]: the story of one call in Arabic and English, by [`explain::Story`].
//! - [`erlang`]: how many agents a queue needs, by formula; reads no journal.
//! - [`places`]: what a new process takes over from one that died, by [`places::Places`].

pub mod erlang;
pub mod explain;
mod fold;
pub mod live;
pub mod places;
pub mod record;
pub mod regulars;
#[cfg(test)]
pub(crate) mod samples;

use serde::Serialize;

/// The word by which an enum of the journal is written, e.g. `queue_timeout`; empty for what is not a plain word.
pub fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
