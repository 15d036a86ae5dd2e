//! What of a leg's protection nobody may guess, cut from one secret of its own: keys for SDP, and names for ICE.

use std::fmt;

use sha2::{Digest, Sha512};

use crate::sdp;

/// 256 random bits of one leg.
#[derive(Clone)]
pub struct Secret([u8; 32]);

/// What the names and passwords of ICE may consist of (RFC 8839 §5.4).
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Secret {
    /// `random` must come from a source that nobody can guess.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// For keys in SDP: the same in all descriptions of one generation.
    pub fn keys(&self, generation: u32) -> sdp::OwnKeys {
        sdp::OwnKeys::new(self.bytes(b"sdes", generation))
    }

    /// For ICE; each restart has other ones (RFC 8445 §9). 48 and 144 bits.
    pub fn ice(&self, generation: u32) -> sdp::Ice {
        let text = |bytes: [u8; 32], length: usize| {
            let letter = |byte: &u8| LETTERS.get(usize::from(byte & 63)).copied().map_or('A', char::from);
            bytes.iter().take(length).map(letter).collect()
        };
        let (ufrag, password) = (self.bytes(b"ufrag", generation), self.bytes(b"password", generation));
        sdp::Ice { ufrag: text(ufrag, 8), password: text(password, 24) }
    }

    /// Bytes for one purpose: none of them tells anything of those for another.
    fn bytes<const N: usize>(&self, purpose: &[u8], generation: u32) -> [u8; N] {
        let mut out = [0; N];
        for (block, place) in (0u32..).zip(out.chunks_mut(64)) {
            let hash = Sha512::new()
                .chain_update(self.0)
                .chain_update(purpose)
                .chain_update(generation.to_be_bytes())
                .chain_update(block.to_be_bytes());
            place.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        }
        out
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_leg_and_each_restart_has_other_names() {
        let (one, two) = (Secret::new([1; 32]), Secret::new([2; 32]));
        assert_eq!(one.ice(0), one.ice(0));
        assert!(
            one.ice(0) != one.ice(1)
                && one.ice(0) != two.ice(0)
                && one.keys(0) != two.keys(0)
                && one.keys(0) != one.keys(1)
        );
        let ice = one.ice(0);
        assert_eq!((ice.ufrag.len(), ice.password.len()), (8, 24));
        assert!(ice.password.bytes().all(|b| LETTERS.contains(&b)));
        assert_eq!(format!("{one:?}"), "Secret");
    }
}
