//! What the model knows of queues with too many callers, and of callers who hang up and come back.

use super::world::later;
use super::*;

/// Longest ring: a caller whose time is over while a phone rings for him stays until it has rung that long.
const RING: Duration = Duration::from_secs(15);

/// A queue's rules.
pub fn overflow(dice: &mut Dice, size: Size, name: &QueueName) -> Overflow {
    let ways: Vec<Way> = later(size, name).chain([Way::Wait, Way::Number("7".to_owned())]).collect();
    let way = dice.pick(&ways).unwrap_or_default();
    let wait = (dice.roll(3) == 0).then(|| Duration::from_secs(1 + dice.roll(90)));
    let bound = |dice: &mut Dice, most: u64| {
        let on = 1 + dice.roll(most) as u32;
        (dice.roll(3) == 0).then(|| Bound { on, off: dice.roll(u64::from(on)) as u32 })
    };
    let estimated_wait = bound(dice, 60);
    Overflow { way, wait, size: bound(dice, 8), per_agent: bound(dice, 3), estimated_wait }
}

/// A key that leads elsewhere, mostly.
pub fn exit_keys(dice: &mut Dice, size: Size, name: &QueueName) -> BTreeMap<char, Way> {
    let ways: Vec<Way> = later(size, name).chain([Way::Number("7".to_owned())]).collect();
    dice.pick(&ways).filter(|_| dice.roll(3) != 0).map(|way| ('1', way)).into_iter().collect()
}

#[derive(Default)]
pub struct Excess {
    claims: BTreeMap<CallId, Claim>,
    /// By the queue asked for and the number: when he hung up, since when he waited, how often he had come back.
    gone: BTreeMap<(QueueName, String), (Instant, Instant, u8)>,
    /// The last ring of a caller ended then.
    rung: BTreeMap<CallId, Instant>,
    reloaded: Option<Instant>,
}

struct Claim {
    number: Option<String>,
    asked: QueueName,
    resumes: u8,
    /// Since when he waits, who came back.
    since: Option<Instant>,
    /// He has only just come back, and this was known of him.
    back: Option<(Instant, Instant, u8)>,
}

impl Excess {
    /// Since when he waits, who came back.
    pub fn since(&self, call: &CallId) -> Option<Instant> {
        self.claims.get(call)?.since
    }

    /// He is to be called back: he asks for no room.
    pub fn comes_back(&mut self, call: CallId, queue: &QueueName, number: Option<String>) {
        let claim = Claim { number, asked: queue.clone(), resumes: 0, since: None, back: None };
        self.claims.insert(call, claim);
    }

    pub fn rung(&mut self, now: Instant, call: CallId) {
        self.rung.insert(call, now);
    }

    pub fn reload(&mut self, now: Instant, config: &FloorConfig) {
        self.reloaded = Some(now);
        self.gone.retain(|(queue, _), _| config.queues.contains_key(queue));
    }
}

impl Model {
    /// He asks for this queue: with the time he waited there before he hung up, if that was not long ago.
    pub fn comes(&mut self, now: Instant, call: CallId, queue: &QueueName, number: Option<&str>) {
        let (number, asked) = (number.map(str::to_owned), queue.clone());
        let within = self.config.queues.get(queue).map(|queue| queue.resume_within);
        let is_known = |at: Instant| within.flatten().is_some_and(|within| now - at <= within);
        self.excess.gone.retain(|(of, _), (at, ..)| within.is_none() || of != queue || is_known(*at));
        let found = number.clone().and_then(|number| self.excess.gone.remove(&(asked.clone(), number)));
        let (since, resumes) = (found.map(|(_, since, _)| since), found.map_or(0, |(_, _, resumes)| resumes + 1));
        self.excess.claims.insert(call, Claim { number, asked, resumes, since, back: found });
    }

    /// He hung up while he waited.
    pub fn hung_up(&mut self, now: Instant, call: &CallId, since: Instant) {
        let claim = &self.excess.claims[call];
        let within = self.config.queues.get(&claim.asked).and_then(|queue| queue.resume_within);
        let (Some(number), Some(within)) = (claim.number.clone(), within) else { return };
        // Whoever is forgotten now is not remembered again when a reload gives more time.
        let asked = claim.asked.clone();
        self.excess.gone.retain(|(of, _), (at, ..)| *of != asked || now - *at <= within);
        if claim.resumes < 2 {
            self.excess.gone.insert((asked, number), (now, since, claim.resumes));
        }
    }

    pub fn waiting(&self, queue: &QueueName) -> u64 {
        let is_there = |caller: &&Waiting| caller.queue == *queue && caller.callback.is_none();
        self.callers.values().filter(is_there).count() as u64
    }

    /// Places that are kept for who is called back.
    pub fn kept(&self, queue: &QueueName) -> u64 {
        let is_kept = |caller: &&Waiting| caller.queue == *queue && caller.callback.is_some();
        self.callers.values().filter(is_kept).count() as u64
    }

    /// Agents of the queue who are logged in, at least one, by the steps of its ladder too.
    fn staffed(&self, queue: &QueueName) -> u64 {
        let is_staffed = |agent: &&AgentConfig| {
            let state = self.states.get(&agent.id).map(|(state, _)| *state);
            state.is_some_and(|state| state != AgentStateName::Offline) && self.belongs(queue, agent)
        };
        (self.config.agents.values().filter(is_staffed).count() as u64).max(1)
    }

    /// He enters this queue: nothing sends him out of it.
    pub fn is_let_in(&mut self, call: CallId, queue: &QueueName, resumed: bool) {
        let size = self.waiting(queue);
        let rules = &self.config.queues[queue].overflow;
        if let Way::Number(_) = rules.way {
            assert!(rules.size.is_none_or(|bound| size < u64::from(bound.on)), "{call} is one too many of {size}");
            let most = |bound: Bound| u64::from(bound.on) * self.staffed(queue);
            assert!(rules.per_agent.is_none_or(|bound| size < most(bound)), "{call} is one too many of {size}");
        }
        assert!(size < u64::from(self.config.queues[queue].max_waiting));
        let claim = self.excess.claims.get_mut(&call).unwrap();
        assert_eq!(claim.back.take().is_some(), resumed, "{call}");
        self.excess.rung.remove(&call);
    }

    /// He is refused, as the queue is full: no rule knows another way. Whoever came back may come again.
    pub fn is_refused(&mut self, call: &CallId, queue: &QueueName) {
        let claim = self.excess.claims.get_mut(call).unwrap();
        if let (Some(known), Some(number)) = (claim.back.take(), claim.number.clone()) {
            self.excess.gone.insert((claim.asked.clone(), number), known);
        }
        let rules = &self.config.queues[queue].overflow;
        assert!(!matches!(rules.way, Way::Number(_)), "{queue} is full, and refuses");
    }

    /// A rule says that there are too many.
    pub fn overflows(&self, now: Instant, call: CallId, queue: &QueueName, rule: &str, (is, limit): (u64, u64)) {
        let config = &self.config.queues[queue];
        let (rules, size) = (&config.overflow, self.waiting(queue));
        let off = |bound: Option<Bound>| u64::from(bound.unwrap().off);
        match rule {
            "overflow.full" => assert_eq!((is, limit), (size, u64::from(config.max_waiting))),
            "overflow.size" => {
                assert_eq!((is, limit), (size, rules.size.unwrap().on.into()));
                assert!(size > off(rules.size), "{call}: {size} are few enough");
            }
            "overflow.per_agent" => {
                assert_eq!((is, limit), (size, rules.per_agent.unwrap().on.into()));
                assert!(size > off(rules.per_agent) * self.staffed(queue), "{call}: {size} are few enough");
            }
            "overflow.estimated_wait" => {
                let bound = rules.estimated_wait.unwrap();
                assert!(limit == u64::from(bound.on) && is > u64::from(bound.off), "{call}: {is} s are short enough");
            }
            "overflow.wait" => {
                let (caller, wait) = (&self.callers[&call], rules.wait.unwrap());
                assert!(caller.entered + wait <= now && !self.is_rung(&call), "{call} goes early");
                assert_eq!((is, limit), ((now - caller.entered).as_secs(), wait.as_secs()));
            }
            other => panic!("{other}"),
        }
    }

    /// Nobody waits for longer than he may where another way is free.
    pub fn overflows_in_time(&self, now: Instant, call: &CallId, is_calm: bool) {
        let caller = &self.callers[call];
        if caller.callback.is_some() || caller.is_reached {
            return;
        }
        let rules = &self.config.queues[&caller.queue].overflow;
        let (Some(wait), Way::Number(_)) = (rules.wait, &rules.way) else { return };
        let rung = self.excess.rung.get(call).map(|at| *at + RING);
        let bound = (caller.entered + wait).max(rung.unwrap_or(caller.entered));
        assert!(self.is_rung(call) || !is_calm || now < bound, "{call} waits for too long");
    }
}
