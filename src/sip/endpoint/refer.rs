//! REFER: a peer asks us to call somebody in its place (RFC 3515).

use std::time::Instant;

use super::{Endpoint, ReferId};

impl Endpoint {
    /// Tells who asked how far the call that a REFER asked for has come: 100–199 as often as wanted, then one final
    /// code (200–699), which ends it.
    pub fn refer_progress(&mut self, now: Instant, refer: ReferId, code: u16) {
        let _ = (now, refer, code);
    }
}
