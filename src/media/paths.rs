//! Which leg of a shared port a browser's datagram belongs to: checks name it, what follows comes from where checks came.

use std::collections::HashMap;
use std::net::SocketAddr;

/// Legs by their ICE name, and by the sources that checks proved.
#[derive(Debug, Default)]
pub struct Paths {
    names: HashMap<Box<[u8]>, u32>,
    sources: HashMap<SocketAddr, u32>,
    /// By slot: what to forget with the leg.
    of: HashMap<u32, Known>,
}

#[derive(Debug, Default)]
struct Known {
    names: Vec<Box<[u8]>>,
    sources: Vec<SocketAddr>,
}

/// Sources of one leg that are remembered; a browser that moves on and on forgets its oldest.
const SOURCES_MOST: usize = 16;
/// Names of one leg: the present one, and the one before a restart.
const NAMES_MOST: usize = 2;

impl Paths {
    /// The leg in `slot` has this ICE name now; the one before it stays good for a while.
    pub fn name(&mut self, slot: u32, ufrag: &str) {
        if self.names.contains_key(ufrag.as_bytes()) {
            return;
        }
        let known = self.of.entry(slot).or_default();
        if known.names.len() >= NAMES_MOST {
            self.names.remove(&known.names.remove(0));
        }
        known.names.push(ufrag.as_bytes().into());
        self.names.insert(ufrag.as_bytes().into(), slot);
    }

    /// A check from `source` had the integrity of the leg in `slot`. Who proves another leg from there has it from now on:
    /// one browser tab follows another behind one port.
    pub fn validated(&mut self, slot: u32, source: SocketAddr) {
        if self.sources.insert(source, slot) == Some(slot) {
            return;
        }
        let known = self.of.entry(slot).or_default();
        if known.sources.len() >= SOURCES_MOST {
            let oldest = known.sources.remove(0);
            if self.sources.get(&oldest) == Some(&slot) {
                self.sources.remove(&oldest);
            }
        }
        known.sources.push(source);
    }

    /// The leg with this ICE name.
    pub fn named(&self, ufrag: &[u8]) -> Option<u32> {
        self.names.get(ufrag).copied()
    }

    /// The leg that a source was proved for.
    pub fn find(&self, source: SocketAddr) -> Option<u32> {
        self.sources.get(&source).copied()
    }

    /// The leg in `slot` is gone.
    pub fn forget(&mut self, slot: u32) {
        let Some(known) = self.of.remove(&slot) else { return };
        for name in known.names {
            self.names.remove(&name);
        }
        for source in known.sources {
            if self.sources.get(&source) == Some(&slot) {
                self.sources.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_is_found_by_its_names_and_sources_until_it_is_gone() {
        let mut paths = Paths::default();
        let source = |n: u16| SocketAddr::from(([192, 0, 2, 1], n));
        for name in ["one", "two", "three"] {
            paths.name(7, name);
        }
        assert_eq!(["one", "two", "three"].map(|n| paths.named(n.as_bytes())), [None, Some(7), Some(7)]);
        for n in 1..=20 {
            paths.validated(7, source(n));
        }
        assert_eq!([1, 4, 5, 20].map(|n| paths.find(source(n))), [None, None, Some(7), Some(7)]);
        paths.name(8, "other");
        paths.validated(8, source(20));
        paths.forget(7);
        assert_eq!((paths.find(source(20)), paths.find(source(19)), paths.named(b"three")), (Some(8), None, None));
        paths.forget(8);
        assert!(paths.names.is_empty() && paths.sources.is_empty() && paths.of.is_empty());
    }
}
