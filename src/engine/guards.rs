//! What protects the packets of a leg: what its signalling is worth, and whether a browser is at the other end.

use std::time::Instant;

use rand_core::Rng;

use crate::call::leg::Guard;
use crate::call::secret::Secret;
use crate::media::Port;
use crate::sdp::{self, Sdp};
use crate::sip::Flow;
use crate::sip::config::Transport;

use super::Engine;

impl Engine {
    /// What may protect a leg whose signalling takes this way; `srtp` is the policy for its peer.
    ///
    /// Keys in SDP are as secret as the signalling that carries them (RFC 4568 §8.3): they are taken over TLS and WSS.
    pub(super) fn guard(&mut self, flow: Flow, browser: bool, srtp: sdp::Srtp) -> Guard {
        let mut random = [0; 32];
        self.random.fill_bytes(&mut random);
        let identity = self.settings.media.identity.as_ref().filter(|_| browser);
        Guard {
            srtp,
            private: flow.transport.is_secure(),
            fingerprint: identity.map(|identity| identity.fingerprint().to_string()),
            secret: Secret::new(random),
        }
    }

    /// A port for a leg of this media thread: browsers share one.
    pub(super) fn port_for_peer(&mut self, now: Instant, shard: usize, browser: bool) -> Option<Port> {
        if browser { self.browser_port(shard) } else { self.port_for(now, shard) }
    }

    /// True when the peer's offer asks for what only browsers do.
    pub(super) fn is_browser(&self, offer: Option<&Sdp>) -> bool {
        self.settings.media.identity.is_some() && offer.is_some_and(sdp::wants_dtls)
    }

    /// True when this Contact is a page's: it has no address (RFC 7118 §5.2).
    pub(super) fn is_page(&self, flow: Flow, uri: &str) -> bool {
        let host = uri.split(['@', ';', '?']).nth(1).unwrap_or_default();
        let over_web = matches!(flow.transport, Transport::Ws | Transport::Wss);
        over_web && self.settings.media.identity.is_some() && host.ends_with(".invalid")
    }
}
