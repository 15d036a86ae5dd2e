//! Guessing passwords gets slower with each wrong guess.
//!
//! Two counts. Of each source and user: after so many wrong answers further ones wait unread, 5 s at first, twice as
//! long after each that is wrong again, a quarter of an hour at most. Of each user alone: when many sources guess for
//! one user, all of them together get a try or two a second, except where the user has logged in before. Neither locks
//! the user out elsewhere, and neither asks whether the user exists.
//!
//! Only answers to a challenge that went to the same address count as guesses of that address. Anybody can write a
//! foreign sender into a datagram, but only who is there sees the challenge.

use std::hash::{DefaultHasher, Hasher};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Bucket, Recent};

/// Most pairs of source and user that are remembered, and most users.
const TRIES_MAX: usize = 65_536;
/// The first pause.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(900);
/// After so long without a try all is forgotten.
const FORGET: Duration = Duration::from_secs(3_600);
/// Wrong answers for one user from all sources: a second, and saved up.
const USER_RATE: (u32, u32) = (1, 100);

/// What came of one answer to a challenge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answered {
    /// Right.
    Right,
    /// Wrong, to a challenge that went to this address a short while ago.
    Wrong,
    /// To a challenge that is too old, or not ours to this address: not looked at, challenged anew.
    Old,
    /// Not looked at, for there were too many wrong ones.
    NotLookedAt {
        /// To a challenge that went to this address a short while ago.
        fresh: bool,
    },
}

#[derive(Debug)]
pub(super) struct BackOff {
    secret: u64,
    tries: Recent<(IpAddr, u64), Tries>,
    users: Recent<u64, User>,
}

/// Of one source for one user.
#[derive(Debug, Default)]
struct Tries {
    /// Wrong answers to fresh challenges, and all others that brought nothing.
    wrong: [u32; 2],
    /// Until when answers wait unread, by the same.
    until: [Option<Instant>; 2],
    last: Option<Instant>,
    /// The user has logged in from there.
    known: bool,
}

/// Of one user.
#[derive(Debug, Default)]
struct User {
    wrong: Bucket,
    /// No try is left until then.
    until: Option<Instant>,
}

impl BackOff {
    pub(super) fn new(secret: u64) -> Self {
        Self { secret, tries: Recent::new(TRIES_MAX), users: Recent::new(TRIES_MAX) }
    }

    /// Whether an answer may be looked at; otherwise in how many seconds.
    pub(super) fn may_try(
        &mut self,
        now: Instant,
        source: IpAddr,
        user: &[u8],
        fresh: bool,
        limit: u32,
    ) -> Result<(), u32> {
        if limit == 0 {
            return Ok(());
        }
        let user = self.key(user);
        let tries = self.tries.find(&(source, user));
        let own = tries.and_then(|tries| tries.until.get(usize::from(!fresh)).copied().flatten());
        let all = self.users.find(&user).and_then(|user| user.until).filter(|_| !tries.is_some_and(|t| t.known));
        match own.max(all).filter(|until| *until > now) {
            Some(until) => Err(u32::try_from((until - now).as_secs()).unwrap_or(u32::MAX).saturating_add(1)),
            None => Ok(()),
        }
    }

    pub(super) fn answered(&mut self, now: Instant, source: IpAddr, user: &[u8], answered: Answered, limit: u32) {
        let user = self.key(user);
        let kind = match answered {
            Answered::Right => {
                *self.tries.entry((source, user)) = Tries { known: true, last: Some(now), ..Tries::default() };
                return;
            }
            Answered::NotLookedAt { .. } => return,
            Answered::Wrong => 0,
            Answered::Old => 1,
        };
        let tries = self.tries.entry((source, user));
        if tries.last.is_some_and(|last| now.saturating_duration_since(last) > FORGET) {
            *tries = Tries { known: tries.known, ..Tries::default() };
        }
        tries.last = Some(now);
        let known = tries.known;
        if let (Some(wrong), Some(until)) = (tries.wrong.get_mut(kind), tries.until.get_mut(kind)) {
            *wrong = wrong.saturating_add(1);
            if limit > 0 && *wrong >= limit {
                let doubled = 1u32.checked_shl(*wrong - limit).unwrap_or(u32::MAX);
                *until = Some(now + PAUSE.saturating_mul(doubled).min(PAUSE_MAX));
            }
        }
        if !known && answered == Answered::Wrong {
            let user = self.users.entry(user);
            if !user.wrong.take(now, USER_RATE) {
                user.until = Some(now + Duration::from_secs(1));
            }
        }
    }

    /// A user by a keyed hash: names of any length take no room.
    fn key(&self, user: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.secret);
        hasher.write(user);
        hasher.finish()
    }
}
