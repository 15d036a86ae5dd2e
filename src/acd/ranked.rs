//! A sorted set that knows the place of each of its members, however many they are.

/// Members of one piece at most; a piece that is full becomes two.
const PIECE: usize = 128;

/// Members in ascending order, in pieces: a place is counted by pieces and then within one, so that of 100,000 members
/// none is looked at one by one.
#[derive(Clone, Debug)]
pub(super) struct Ranked<T> {
    /// None is empty.
    pieces: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), len: 0 }
    }
}

impl<T: Copy + Ord> Ranked<T> {
    /// Adds a member; one that is there stays.
    pub fn insert(&mut self, member: T) {
        let at = self.piece_of(&member).min(self.pieces.len().saturating_sub(1));
        let Some(piece) = self.pieces.get_mut(at) else {
            self.pieces.push(vec![member]);
            self.len += 1;
            return;
        };
        let Err(place) = piece.binary_search(&member) else { return };
        piece.insert(place, member);
        self.len += 1;
        if piece.len() > PIECE {
            let upper = piece.split_off(PIECE / 2);
            self.pieces.insert(at + 1, upper);
        }
    }

    /// Takes a member out.
    pub fn remove(&mut self, member: &T) {
        let at = self.piece_of(member);
        let Some(piece) = self.pieces.get_mut(at) else { return };
        let Ok(place) = piece.binary_search(member) else { return };
        piece.remove(place);
        self.len -= 1;
        if piece.is_empty() {
            self.pieces.remove(at);
        }
    }

    /// True when it is a member.
    pub fn contains(&self, member: &T) -> bool {
        self.pieces.get(self.piece_of(member)).is_some_and(|piece| piece.binary_search(member).is_ok())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many members come before this value, which need not be one.
    pub fn rank(&self, value: &T) -> usize {
        let at = self.piece_of(value);
        let before: usize = self.pieces.iter().take(at).map(Vec::len).sum();
        before + self.pieces.get(at).map_or(0, |piece| piece.partition_point(|member| member < value))
    }

    /// The greatest member before this value.
    pub fn before(&self, value: &T) -> Option<T> {
        let at = self.piece_of(value);
        let here = self.pieces.get(at).and_then(|piece| {
            let place = piece.partition_point(|member| member < value).checked_sub(1)?;
            piece.get(place)
        });
        here.or_else(|| self.pieces.get(at.checked_sub(1)?)?.last()).copied()
    }

    /// All members in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// The first piece whose last member is not before this value.
    fn piece_of(&self, value: &T) -> usize {
        self.pieces.partition_point(|piece| piece.last().is_some_and(|last| last < value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Whatever goes in and out, it is what a plain set is, and counts as one counts one by one.
    #[test]
    fn it_is_a_set_that_counts() {
        let (mut ranked, mut plain) = (Ranked::default(), BTreeSet::new());
        let mut random = 1u64;
        for step in 0..40_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = (random >> 40) % 3_000;
            // It grows, shrinks to nothing and grows again.
            if (random >> 33) % 100 < [70, 20][(step / 10_000 % 2) as usize] {
                ranked.insert(value);
                plain.insert(value);
            } else {
                ranked.remove(&value);
                plain.remove(&value);
            }
            assert_eq!((ranked.len(), ranked.contains(&value)), (plain.len(), plain.contains(&value)));
            if step.is_multiple_of(97) {
                assert!(ranked.iter().eq(plain.iter()));
                for value in [0, value, value + 1, 5_000] {
                    assert_eq!(ranked.rank(&value), plain.range(..value).count());
                    assert_eq!(ranked.before(&value), plain.range(..value).next_back().copied());
                }
            }
        }
        plain.iter().for_each(|value| ranked.remove(value));
        assert_eq!((ranked.len(), ranked.iter().count(), ranked.before(&9)), (0, 0, None));
    }
}
