//! What a datagram on a media port is, by its first byte (RFC 7983 §7).
//!
//! A WebRTC leg has one port for everything: STUN, DTLS, RTP and RTCP.

/// The protocol of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A STUN message (RFC 8489): first byte 0–3.
    Stun,
    /// A DTLS record (RFC 6347): first byte 20–63.
    Dtls,
    /// RTP or RTCP, in the clear or as SRTP: first byte 128–191. `rtp::is_rtcp` tells one from the other.
    Rtp,
    /// Anything else, ZRTP and TURN channels among it, and the empty datagram: nothing we speak.
    Other,
}

/// Tells what a datagram is. Looks at its first byte only: what follows may still be broken.
pub fn kind(datagram: &[u8]) -> Kind {
    match datagram.first() {
        Some(0..=3) => Kind::Stun,
        Some(20..=63) => Kind::Dtls,
        Some(128..=191) => Kind::Rtp,
        Some(_) | None => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7983 §7, figure 3.
    #[test]
    fn the_first_byte_tells_the_protocol() {
        let kinds: Vec<Kind> = (0..=255u8).map(|b| kind(&[b])).collect();
        let of = |wanted| kinds.iter().enumerate().filter(move |(_, k)| **k == wanted).map(|(b, _)| b);
        assert!(of(Kind::Stun).eq(0..=3));
        assert!(of(Kind::Dtls).eq(20..=63));
        assert!(of(Kind::Rtp).eq(128..=191));
        assert_eq!(kind(&[]), Kind::Other);
    }
}
