//! Callers whom a rule of their queue sends elsewhere: before they enter it, or while they wait.

use std::time::Instant;

use super::Output;
use super::callers::Entrance;
use super::floor::Floor;
use super::lane::Claim;
use super::way::{Lack, Way};
use crate::id::{CallId, QueueName};
use crate::journal::{About, Kind, OfferResult, QueueOutcome, Whom};

/// How often rules may send one caller from queue to queue. Circles are refused when the configuration is read, so this
/// is reached only by chains of that length.
const HOPS_MAX: u8 = 10;

/// Why a caller is sent away.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    pub outcome: QueueOutcome,
    /// The key of the rule.
    pub rule: &'static str,
    /// What was measured, and the bound it is over, for rules that have one.
    pub figures: Option<(u64, u64)>,
}

impl Cause {
    /// Nobody is there.
    pub fn of(lack: Lack) -> Self {
        Self { outcome: lack.outcome(), rule: lack.key(), figures: None }
    }
}

/// A queue that a caller passes without waiting in it.
#[derive(Debug)]
struct Step {
    queue: QueueName,
    cause: Cause,
    way: Way,
}

/// Where a caller ends up, and past which queues.
#[derive(Debug)]
pub(super) struct Landing {
    /// The queues passed.
    steps: Vec<Step>,
    /// The queue he enters with his lane there; `None` when the last step leads out of the queues.
    enters: Option<(QueueName, usize)>,
}

impl Landing {
    /// How many queues he passed.
    pub fn hops(&self) -> u8 {
        u8::try_from(self.steps.len()).unwrap_or(u8::MAX)
    }
}

impl Floor {
    /// Where a caller ends up who is to enter this queue; `None` when there is no room for him. Rules of queues on the
    /// way that lead to where no room is count for nothing.
    pub(super) fn find_room(&mut self, now: Instant, call: CallId, name: &QueueName, claim: &Claim) -> Option<Landing> {
        let (_, lane) = self.stage_at(now, name, now, 0, &claim.skills, Some(About::Call(call)))?;
        self.gauge(name);
        self.gauge_wait(now, name);
        let rules = if claim.hops < HOPS_MAX { self.turned_away(name, claim, lane) } else { Vec::new() };
        for (cause, way) in rules {
            let step = Step { queue: name.clone(), cause, way };
            match &step.way {
                Way::Wait => {}
                Way::Queue(next) => {
                    let claim = Claim { hops: claim.hops + 1, ..claim.clone() };
                    if let Some(mut landing) = self.find_room(now, call, next, &claim) {
                        landing.steps.insert(0, step);
                        return Some(landing);
                    }
                }
                Way::Number(_) | Way::Flow(_) | Way::CallBack | Way::Voicemail | Way::HangUp => {
                    return Some(Landing { steps: vec![step], enters: None });
                }
            }
        }
        let (_, is_full) = self.queues.get(name)?.size();
        (!is_full).then(|| Landing { steps: Vec::new(), enters: Some((name.clone(), lane)) })
    }

    /// The rules by which who comes to this queue now does not enter it, the first to be tried first.
    fn turned_away(&mut self, name: &QueueName, claim: &Claim, lane: usize) -> Vec<(Cause, Way)> {
        // Whom he waits for before all others may be there although nobody else is.
        let lack = self.lack(lane).filter(|_| self.sticky_lane(name, claim, Whom::Group).is_none());
        let Some(queue) = self.queues.get(name) else { return Vec::new() };
        let nobody = lack.and_then(|lack| {
            let rule = queue.config.no_agents.of(lack);
            rule.after.is_zero().then(|| (Cause::of(lack), rule.way.clone()))
        });
        let overflow = self.overflows(queue).map(|cause| (cause, queue.config.overflow.way.clone()));
        nobody.into_iter().chain(overflow).collect()
    }

    /// Brings a caller who waits nowhere to where he ends up. `asked` is the queue that the engine thinks he is in.
    pub(super) fn land(
        &mut self,
        call: CallId,
        asked: &QueueName,
        landing: Landing,
        enter: impl FnOnce(&mut Self, QueueName, usize),
    ) {
        let Landing { steps, enters } = landing;
        let last = steps.last().map(|step| (step.queue.clone(), step.cause.outcome, step.way.clone()));
        for Step { queue, cause, way } in steps {
            let outcome = cause.outcome;
            self.journal_diverted(call, &queue, cause, &way);
            self.journal(About::Call(call), Kind::QueueLeft { queue, outcome, wait_ms: 0 });
        }
        match (enters, last) {
            (Some((queue, lane)), _) => {
                if queue != *asked {
                    self.outputs.push_back(Output::Moved { call, queue: queue.clone() });
                }
                enter(self, queue, lane);
            }
            (None, Some((queue, outcome, way))) => {
                self.outputs.push_back(Output::Left { call, queue, outcome, way });
            }
            (None, None) => {}
        }
    }

    /// Sends a caller who waits elsewhere; false when there is no room for him there, and then he waits on.
    pub(super) fn divert(&mut self, now: Instant, call: CallId, cause: &Cause, way: &Way) -> bool {
        let Some(caller) = self.callers.get(&call) else { return true };
        let from = caller.queue.clone();
        let next = match way {
            Way::Wait => return false,
            Way::Queue(next) => next,
            Way::Number(_) | Way::Flow(_) | Way::CallBack | Way::Voicemail | Way::HangUp => {
                self.journal_diverted(call, &from, cause.clone(), way);
                self.leave(now, call, cause.outcome);
                let (outcome, way) = (cause.outcome, way.clone());
                self.outputs.push_back(Output::Left { call, queue: from, outcome, way });
                return true;
            }
        };
        let mut claim = Claim { hops: caller.claim.hops.saturating_add(1), ..caller.claim.clone() };
        let own_end = caller.leave_at.filter(|_| caller.has_own_max_wait);
        if claim.hops > HOPS_MAX {
            return false;
        }
        let Some(landing) = self.find_room(now, call, next, &claim) else { return false };
        if landing.enters.as_ref().is_some_and(|(queue, _)| *queue == from) {
            return false;
        }
        claim.hops = claim.hops.saturating_add(landing.hops());
        self.journal_diverted(call, &from, cause.clone(), way);
        let Some(caller) = self.remove_caller(call) else { return true };
        for offer in &caller.offers {
            self.withdraw_and_free(now, *offer, OfferResult::Withdrawn);
        }
        self.journal_left(now, call, &caller, cause.outcome);
        self.land(call, &from, landing, |floor, queue, lane| {
            floor.enter(now, call, queue, lane, Entrance { claim, own_end, transferred: false, resumed: false });
        });
        true
    }

    fn journal_diverted(&mut self, call: CallId, queue: &QueueName, cause: Cause, way: &Way) {
        let Cause { rule, figures, .. } = cause;
        let (figure, limit) = figures.unzip();
        let (queue, to, rule) = (queue.clone(), way.word(), rule.to_owned());
        self.journal(About::Call(call), Kind::Diverted { queue, to, rule, figure, limit });
    }
}
