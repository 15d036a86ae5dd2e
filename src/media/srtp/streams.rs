//! Where each SSRC's stream is: its roll-over counter and what came of its last packets.

use super::SrtpError;

/// How far behind the newest packet another may come: RFC 3711 §3.3.2 asks for 64 at least.
const WINDOW: u64 = 128;

/// Indices have 48 bits: roll-over counter and sequence number.
const INDEX_END: u64 = 1 << 48;

/// The newest index of a stream, and which of the 128 up to it came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Window {
    newest: u64,
    /// Bit n: the packet n before the newest came.
    seen: u128,
}

impl Window {
    fn new(first: u64) -> Self {
        Self { newest: first, seen: 1 }
    }

    /// The index that a sequence number most likely means (RFC 3711 appendix A).
    pub(super) fn estimate(&self, sequence: u16) -> Result<u64, SrtpError> {
        let (rollover, newest) = (self.newest >> 16, self.newest & 0xffff);
        let given = u64::from(sequence);
        let rollover = if newest < 0x8000 {
            // From before the first packet, when nothing had rolled over yet.
            if given > newest + 0x8000 { rollover.checked_sub(1).ok_or(SrtpError::TooOld)? } else { rollover }
        } else if newest - 0x8000 > given {
            rollover + 1
        } else {
            rollover
        };
        let index = (rollover << 16) | given;
        if index < INDEX_END { Ok(index) } else { Err(SrtpError::Exhausted) }
    }

    /// Whether a packet of this index may still come.
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        let Some(age) = self.newest.checked_sub(index) else { return Ok(()) };
        if age >= WINDOW {
            return Err(SrtpError::TooOld);
        }
        if self.seen >> age & 1 == 1 { Err(SrtpError::Replayed) } else { Ok(()) }
    }

    fn accept(&mut self, index: u64) {
        if let Some(ahead) = index.checked_sub(self.newest) {
            self.seen = if ahead < WINDOW { self.seen << ahead } else { 0 } | 1;
            self.newest = index;
        } else if self.newest - index < WINDOW {
            self.seen |= 1 << (self.newest - index);
        }
    }
}

/// The streams of one key, the one that a packet was last accepted of first.
#[derive(Debug)]
pub(super) struct Streams<const MOST: usize>([Option<(u32, Window)>; MOST]);

impl<const MOST: usize> Default for Streams<MOST> {
    fn default() -> Self {
        Self([None; MOST])
    }
}

impl<const MOST: usize> Streams<MOST> {
    pub(super) fn find(&self, ssrc: u32) -> Option<&Window> {
        self.0.iter().flatten().find(|(of, _)| *of == ssrc).map(|(_, window)| window)
    }

    /// Whether a packet of this SSRC can be accepted without forgetting another stream.
    pub(super) fn has_room_for(&self, ssrc: u32) -> bool {
        self.0.last().is_some_and(Option::is_none) || self.find(ssrc).is_some()
    }

    /// A packet is authentic: its stream becomes the first one; a new one takes the place of the last.
    pub(super) fn accept(&mut self, ssrc: u32, index: u64) {
        let known = self.0.iter().position(|stream| stream.is_some_and(|(of, _)| of == ssrc));
        if let Some(up_to_it) = self.0.get_mut(..=known.unwrap_or(MOST.saturating_sub(1))) {
            up_to_it.rotate_right(1);
        }
        match (known, self.0.first_mut()) {
            (Some(_), Some(Some((_, window)))) => window.accept(index),
            (_, Some(place)) => *place = Some((ssrc, Window::new(index))),
            (_, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(newest: u64) -> Window {
        Window::new(newest)
    }

    /// RFC 3711 appendix A and §3.3.1: half a turn decides.
    #[test]
    fn the_rollover_is_guessed_by_the_nearer_half() {
        assert_eq!(at(0x1_fffe).estimate(1), Ok(0x2_0001), "forward over the wrap");
        assert_eq!(at(0x2_0001).estimate(0xfffe), Ok(0x1_fffe), "back over the wrap");
        assert_eq!(at(0x1_8000).estimate(0), Ok(0x1_0000), "half a turn is back");
        assert_eq!(at(0x1_8001).estimate(0), Ok(0x2_0000));
        assert_eq!(at(0x1_7fff).estimate(0xffff), Ok(0x1_ffff), "half a turn is forward");
        assert_eq!(at(0x1_7ffe).estimate(0xffff), Ok(0xffff));
        assert_eq!(at(5).estimate(0xffff), Err(SrtpError::TooOld), "before the first packet");
        assert_eq!(at(INDEX_END - 1).estimate(0), Err(SrtpError::Exhausted));
    }

    #[test]
    fn the_window_is_128_wide_and_moves_with_the_newest() {
        let mut window = at(1_000);
        assert_eq!(window.check(1_000), Err(SrtpError::Replayed));
        assert_eq!(window.check(873), Ok(()));
        assert_eq!(window.check(872), Err(SrtpError::TooOld));
        window.accept(873);
        assert_eq!(window.check(873), Err(SrtpError::Replayed));
        window.accept(1_001);
        assert_eq!(window.check(873), Err(SrtpError::TooOld));
        assert_eq!(window.check(1_000), Err(SrtpError::Replayed));
        window.accept(1_128);
        assert_eq!(window.check(1_001), Err(SrtpError::Replayed));
        window.accept(1_256);
        assert_eq!(window.check(1_129), Ok(()), "all older ones fell out");
    }

    #[test]
    fn the_stream_unheard_for_the_longest_makes_room() {
        let mut streams = Streams::<4>::default();
        for ssrc in 1..=4 {
            assert!(streams.has_room_for(ssrc));
            streams.accept(ssrc, 10);
        }
        assert!(streams.has_room_for(1) && !streams.has_room_for(5));
        streams.accept(1, 11);
        streams.accept(5, 7);
        assert_eq!(streams.find(2), None);
        assert_eq!(streams.find(5), Some(&Window::new(7)));
        assert_eq!(streams.find(1).map(|w| (w.newest, w.seen)), Some((11, 3)));
    }
}
