//! Callers who hung up while they waited, or whose calls a failure of the node ended, and call again soon: they keep the time they
//! have waited.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::floor::{Floor, after};
use super::lane::{Caller, Claim};
use super::restore::Interrupted;
use crate::id::QueueName;

/// How often in a row one caller may hang up and keep his time: nobody holds a place by ringing up now and then.
const RESUMES_MAX: u8 = 2;
/// Most callers of a queue who are remembered; the oldest are forgotten first.
const GONE_MAX: usize = 10_000;

/// How long after a failure of the node its callers find their places again.
const KEPT_FOR: Duration = Duration::from_secs(5 * 60);

/// Callers of the last process by queue and number, with since when they had waited; until when that holds.
#[derive(Debug, Default)]
pub(super) struct KeptPlaces {
    until: Option<Instant>,
    since: BTreeMap<(QueueName, String), Instant>,
}

/// Who hung up in a queue lately, by number.
#[derive(Debug, Default)]
pub(super) struct Gone {
    by_number: BTreeMap<String, Abandoned>,
    /// The same, in the order in which they hung up; one who called again meanwhile may stand here too.
    order: VecDeque<(Instant, String)>,
}

#[derive(Clone, Copy, Debug)]
struct Abandoned {
    /// When he hung up.
    at: Instant,
    /// Since when he had waited.
    since: Instant,
    /// How often he had come back before.
    resumes: u8,
}

impl Gone {
    fn forget_old(&mut self, now: Instant, within: Duration) {
        while let Some((at, number)) = self.order.front() {
            if self.order.len() <= GONE_MAX && now.saturating_duration_since(*at) <= within {
                return;
            }
            // He may have hung up once more since.
            if self.by_number.get(number).is_some_and(|gone| gone.at == *at) {
                self.by_number.remove(number);
            }
            self.order.pop_front();
        }
    }
}

impl Floor {
    /// A caller hung up while he waited.
    pub(super) fn remember_gone(&mut self, now: Instant, caller: &Caller) {
        let claim = &caller.claim;
        let (Some(number), Some(asked)) = (&claim.number, self.queues.get_mut(&claim.asked)) else { return };
        let Some(within) = asked.config.resume_within else { return };
        if claim.resumes < RESUMES_MAX {
            let gone = Abandoned { at: now, since: claim.since, resumes: claim.resumes };
            asked.gone.by_number.insert(number.clone(), gone);
            asked.gone.order.push_back((now, number.clone()));
        }
        asked.gone.forget_old(now, within);
    }

    /// Callers who waited in the last process; they had not hung up, so no rule of a queue is asked.
    pub(super) fn keep_places(&mut self, now: Instant, waiting: Vec<Interrupted>) {
        let since = |caller: &Interrupted| now.checked_sub(caller.since).unwrap_or(now);
        let kept = waiting.into_iter().map(|caller| {
            let at = since(&caller);
            ((caller.queue, caller.number), at)
        });
        self.interrupted = KeptPlaces { until: Some(after(now, KEPT_FOR)), since: kept.collect() };
    }

    fn kept_place(&mut self, now: Instant, name: &QueueName, claim: &Claim) -> Option<Instant> {
        let kept = &mut self.interrupted;
        if kept.since.is_empty() || kept.until.is_none_or(|until| now > until) {
            kept.since.clear();
            return None;
        }
        kept.since.get(&(name.clone(), claim.number.clone()?)).copied()
    }

    /// What a caller claims who enters this queue anew; with whether he goes on waiting where he hung up, or where the node
    /// failed. The place is his still when he is not let in: see [`Floor::take_place`].
    pub(super) fn resume(&mut self, now: Instant, name: &QueueName, claim: Claim) -> (Claim, bool) {
        if let Some(since) = self.kept_place(now, name, &claim) {
            return (Claim { since, ..claim }, true);
        }
        let Some(queue) = self.queues.get_mut(name) else { return (claim, false) };
        let Some(within) = queue.config.resume_within else {
            queue.gone = Gone::default();
            return (claim, false);
        };
        queue.gone.forget_old(now, within);
        let found = claim.number.as_ref().and_then(|number| queue.gone.by_number.get(number));
        match found {
            Some(gone) => (Claim { since: gone.since, resumes: gone.resumes + 1, ..claim }, true),
            None => (claim, false),
        }
    }

    /// Whoever came back is let in: nobody else has his place again.
    pub(super) fn take_place(&mut self, name: &QueueName, claim: &Claim) {
        let Some(number) = &claim.number else { return };
        self.interrupted.since.remove(&(name.clone(), number.clone()));
        if let Some(queue) = self.queues.get_mut(name) {
            queue.gone.by_number.remove(number);
        }
    }
}
