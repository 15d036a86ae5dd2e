//! The guard at the door: what is looked at before a message is read.
//!
//! One address may not take the time of all others, a password may not be guessed, and when more comes than can be
//! done the oldest duties go first. In that order a message meets: the ban of its source, the allowance of its
//! source, the age of the message.
//!
//! | what | answers, ACK, known dialogs | CANCEL, unknown dialogs | emergency calls | new calls | other requests |
//! | --- | --- | --- | --- | --- | --- |
//! | banned source | pass | dropped | own allowance | dropped | dropped |
//! | over its allowance | pass | dropped | dropped | 503, or dropped | dropped |
//! | waited too long | pass | pass | pass | 503, or dropped | 503, or dropped |
//!
//! A source is an IPv4 address or the /64 of an IPv6 one. Behind one address there may be a whole office: a phone
//! that runs wild uses up the allowance of the address, but each other port keeps a small one of its own, so that
//! its neighbours can still call.
//!
//! Every table is bounded. The counts of the source seen longest ago are forgotten first; bans are kept apart, so
//! that a flood of invented sources does not wash them out.

mod back_off;
mod bans;
mod config;
mod peek;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

pub use back_off::Answered;
pub use bans::Ban;
pub use config::{GuardConfig, Network};
pub(super) use peek::line;
pub use peek::{Peek, peek};

use back_off::BackOff;
use bans::Bans;

/// Most sources whose counts are remembered.
pub const SOURCES_MAX: usize = 65_536;
/// Wrong answers within this time count towards a ban.
const WRONG_WINDOW: Duration = Duration::from_secs(60);
/// Other requests that a source may send for each call it may make.
const REQUESTS_PER_CALL: u32 = 10;
/// How long a source may save up its allowance, in seconds' worth.
const BURST_S: u32 = 2;
/// What each port of a source keeps when the source is over its allowance: calls a second, and saved up.
const PORT_RATE: (u32, u32) = (2, 5);
/// Most ports of a source that keep one.
const PORTS_MAX: usize = 64;
/// Refusals a second that tell a source over its allowance when to come back; the rest is silence.
const ANSWER_RATE: (u32, u32) = (5, 5);
/// Emergency calls a second of one source, and saved up.
const EMERGENCY_RATE: (u32, u32) = (5, 10);

/// What a message is, as far as can be told before it is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// A response, an ACK, or a request of a dialog we know.
    Kept,
    /// CANCEL, or a request of a dialog we do not know.
    Claim,
    /// A new INVITE to an emergency number.
    Emergency,
    /// Another new INVITE.
    Call,
    /// Another new request.
    Other,
}

/// What is known of a source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// In `trusted`: neither counted nor banned.
    Trusted,
    /// A trunk, a fixed phone, or where a user is registered from: a high allowance, never banned.
    Known,
    /// Anybody else.
    Stranger,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Read it.
    Pass,
    /// Forget it.
    Drop,
    /// 503 with Retry-After in seconds.
    Later(u32),
}

/// Labels (`action`, `reason`) of [`Counts`], by index.
pub const GUARD_LABELS: [(&str, &str); 11] = [
    ("drop", "banned"),
    ("drop", "rate"),
    ("refuse", "rate"),
    ("drop", "age"),
    ("refuse", "age"),
    ("refuse", "back_off"),
    ("drop", "size"),
    ("refuse", "size"),
    ("drop", "amplification"),
    ("ban", "wrong_answers"),
    ("refuse", "loop"),
];

/// What the guard counts; the places of [`GUARD_LABELS`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "each is its labels")]
pub enum Count {
    DropBanned,
    DropRate,
    RefuseRate,
    DropAge,
    RefuseAge,
    RefuseBackOff,
    DropSize,
    RefuseSize,
    DropAmplification,
    Ban,
    RefuseLoop,
}

/// How often each happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// By [`GUARD_LABELS`].
    pub by_label: [u64; GUARD_LABELS.len()],
    /// Live: sources that are banned.
    pub banned: usize,
}

impl Counts {
    fn add(&mut self, count: Count) {
        if let Some(counter) = self.by_label.get_mut(count as usize) {
            *counter += 1;
        }
    }

    /// One of them.
    pub fn of(&self, count: Count) -> u64 {
        self.by_label.get(count as usize).copied().unwrap_or(0)
    }
}

/// The guard of one process.
#[derive(Debug)]
pub struct Guard {
    config: GuardConfig,
    sources: Recent<IpAddr, Source>,
    /// Sources that hold a registered user, with the end of the registration.
    registered: HashMap<IpAddr, Instant>,
    bans: Bans,
    back_off: BackOff,
    counts: Counts,
    /// The time of the last message, for the figures.
    latest: Option<Instant>,
    /// Since when every new request has waited too long, and the last that did.
    late: Option<(Instant, Instant)>,
    random: u64,
}

/// One source.
#[derive(Debug, Default)]
struct Source {
    calls: Bucket,
    requests: Bucket,
    answers: Bucket,
    emergency: Bucket,
    /// Calls by port, once the source is over its allowance.
    ports: BTreeMap<u16, Bucket>,
    /// Wrong answers to fresh challenges since `wrong_since`.
    wrong: u32,
    wrong_since: Option<Instant>,
}

impl Guard {
    /// A new guard; `seed` makes the jitter of Retry-After and the lot of what is refused under load.
    pub fn new(config: GuardConfig, seed: u64) -> Self {
        Self {
            config,
            sources: Recent::new(SOURCES_MAX),
            registered: HashMap::new(),
            bans: Bans::default(),
            back_off: BackOff::new(seed),
            counts: Counts::default(),
            latest: None,
            late: None,
            random: seed,
        }
    }

    /// Takes a new configuration; what was counted stays.
    pub fn set_config(&mut self, config: GuardConfig) {
        self.config = config;
    }

    /// The configuration.
    pub fn config(&self) -> &GuardConfig {
        &self.config
    }

    /// The time of the last message.
    pub fn latest(&self) -> Option<Instant> {
        self.latest
    }

    /// True for a call to one of `emergency`.
    pub fn is_emergency(&self, dialled: &[u8]) -> bool {
        std::str::from_utf8(dialled).is_ok_and(|number| self.config.emergency.contains(number))
    }

    /// What is known of an address, beside trunks and fixed phones.
    pub fn standing(&self, now: Instant, address: IpAddr) -> Standing {
        if self.config.trusted.iter().any(|network| network.contains(address)) {
            return Standing::Trusted;
        }
        match self.registered.get(&source_of(address)) {
            Some(until) if *until > now => Standing::Known,
            Some(_) | None => Standing::Stranger,
        }
    }

    /// A user is registered from this address for so long.
    pub fn registered(&mut self, now: Instant, address: IpAddr, lasts: Duration) {
        if self.registered.len() >= SOURCES_MAX {
            self.registered.retain(|_, until| *until > now);
        }
        let until = self.registered.entry(source_of(address)).or_insert(now);
        *until = (*until).max(now + lasts);
    }

    /// Judges one message before it is read. `received` is when the machine got it.
    pub fn admit(
        &mut self,
        now: Instant,
        received: Instant,
        from: SocketAddr,
        standing: Standing,
        class: Class,
    ) -> Verdict {
        self.latest = Some(now);
        if class == Class::Kept {
            return Verdict::Pass;
        }
        let verdict = match standing {
            Standing::Trusted => Verdict::Pass,
            Standing::Known | Standing::Stranger => self.judge_source(now, from, standing, class),
        };
        match (verdict, class) {
            (Verdict::Pass, Class::Call | Class::Other) => self.judge_age(now, received),
            (Verdict::Pass | Verdict::Drop | Verdict::Later(_), _) => verdict,
        }
    }

    fn judge_source(&mut self, now: Instant, from: SocketAddr, standing: Standing, class: Class) -> Verdict {
        let address = source_of(from.ip());
        let banned = standing == Standing::Stranger && self.bans.holds(now, address);
        if banned && class != Class::Emergency {
            self.counts.add(Count::DropBanned);
            return Verdict::Drop;
        }
        let rate = match standing {
            Standing::Known => self.config.calls_per_second_per_known_source,
            Standing::Stranger | Standing::Trusted => self.config.calls_per_second_per_source,
        };
        let requests = rate.saturating_mul(REQUESTS_PER_CALL);
        let source = self.sources.entry(address);
        let allowed = match class {
            Class::Kept => true,
            Class::Emergency => source.emergency.take(now, EMERGENCY_RATE),
            Class::Call => {
                source.calls.take(now, (rate, rate.saturating_mul(BURST_S))) || source.take_port(now, from.port())
            }
            Class::Claim | Class::Other => source.requests.take(now, (requests, requests.saturating_mul(BURST_S))),
        };
        if allowed {
            return Verdict::Pass;
        }
        if class == Class::Call && source.answers.take(now, ANSWER_RATE) {
            self.counts.add(Count::RefuseRate);
            return Verdict::Later(self.pause_s());
        }
        self.counts.add(Count::DropRate);
        Verdict::Drop
    }

    /// Beyond `max_message_age` all is dropped: its sender has sent it again meanwhile or given up. Long before, once
    /// everything has waited for more than a tenth of it and that for a fifth of it without a break, more comes than can
    /// be done: then the more is refused the older it is, and all from three tenths on. So the queue stays short, and
    /// messages of calls that are up are answered before they are sent again. Who was only held up once, be it by a
    /// burst or by the machine, is served.
    fn judge_age(&mut self, now: Instant, received: Instant) -> Verdict {
        let most = self.config.max_message_age;
        let age = now.saturating_duration_since(received);
        let (calm, room, patience) = (most / 10, most / 5, most / 5);
        if age <= calm || most.is_zero() {
            self.late = None;
            return Verdict::Pass;
        }
        if age > most {
            self.counts.add(Count::DropAge);
            return Verdict::Drop;
        }
        let unbroken = self.late.filter(|(_, last)| now.saturating_duration_since(*last) < patience);
        let since = unbroken.map_or(now, |(since, _)| since);
        self.late = Some((since, now));
        let (over_us, room_us) = ((age - calm).as_micros(), room.as_micros().max(1));
        if now.saturating_duration_since(since) >= patience && u128::from(self.roll()) % room_us < over_us {
            self.counts.add(Count::RefuseAge);
            return Verdict::Later(self.pause_s());
        }
        Verdict::Pass
    }

    /// Whether the answer to a challenge may be looked at; otherwise how many seconds from now. `fresh`: it answers
    /// a challenge that went to this very address a short while ago.
    pub fn may_try(&mut self, now: Instant, address: IpAddr, user: &[u8], fresh: bool) -> Result<(), u32> {
        let tried = self.back_off.may_try(now, source_of(address), user, fresh, self.config.failures_before_back_off);
        if tried.is_err() {
            self.counts.add(Count::RefuseBackOff);
        }
        tried
    }

    /// An answer was looked at, or not for [`Guard::may_try`]. Tells of a ban that comes of it.
    pub fn answered(
        &mut self,
        now: Instant,
        address: IpAddr,
        standing: Standing,
        user: &[u8],
        answered: Answered,
    ) -> Option<Ban> {
        let source = source_of(address);
        self.back_off.answered(now, source, user, answered, self.config.failures_before_back_off);
        match answered {
            Answered::Right => {
                self.sources.entry(source).wrong = 0;
                return None;
            }
            Answered::Old | Answered::NotLookedAt { fresh: false } => return None,
            Answered::Wrong | Answered::NotLookedAt { fresh: true } => {}
        }
        let limit = self.config.ban_after;
        let counted = self.sources.entry(source);
        if counted.wrong_since.is_none_or(|since| now.saturating_duration_since(since) > WRONG_WINDOW) {
            counted.wrong_since = Some(now);
            counted.wrong = 0;
        }
        counted.wrong += 1;
        if standing != Standing::Stranger || limit == 0 || counted.wrong < limit {
            return None;
        }
        counted.wrong = 0;
        counted.wrong_since = None;
        self.counts.add(Count::Ban);
        Some(self.bans.add(now, source, self.config.ban_time))
    }

    /// Who is banned now.
    pub fn bans(&self, now: Instant) -> Vec<Ban> {
        self.bans.list(now)
    }

    /// Ends a ban, and forgets that there was one; false when there is none.
    pub fn unban(&mut self, now: Instant, address: IpAddr) -> bool {
        self.bans.remove(now, source_of(address))
    }

    /// Counts something that was noticed elsewhere.
    pub fn count(&mut self, count: Count) {
        self.counts.add(count);
    }

    /// A copy of the counters.
    pub fn counts(&self) -> Counts {
        Counts { banned: self.latest.map_or(0, |now| self.bans.len(now)), ..self.counts }
    }

    /// Retry-After: 1–10 s, so that those who are told do not all come back at once.
    pub fn pause_s(&mut self) -> u32 {
        1 + u32::try_from(self.roll() % 10).unwrap_or(0)
    }

    /// SplitMix64: no secret, only spread.
    fn roll(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Source {
    /// The small allowance of one port.
    fn take_port(&mut self, now: Instant, port: u16) -> bool {
        if self.ports.len() >= PORTS_MAX && !self.ports.contains_key(&port) {
            self.ports.retain(|_, bucket| !bucket.is_full(now));
            if self.ports.len() >= PORTS_MAX {
                return false;
            }
        }
        self.ports.entry(port).or_default().take(now, PORT_RATE)
    }
}

/// A token bucket, kept as the moment when it is full again.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket(Option<Instant>);

impl Bucket {
    /// Takes one; false when there is none. `(rate, depth)`: so many a second, so many saved up; rate 0 = no limit.
    fn take(&mut self, now: Instant, (rate, depth): (u32, u32)) -> bool {
        if rate == 0 {
            return true;
        }
        let step = Duration::from_secs(1) / rate;
        let full_at = self.0.map_or(now, |at| at.max(now)) + step;
        if full_at.saturating_duration_since(now) > step * depth.max(1) {
            return false;
        }
        self.0 = Some(full_at);
        true
    }

    fn is_full(self, now: Instant) -> bool {
        self.0.is_none_or(|at| at <= now)
    }
}

/// A bounded table that forgets what was used longest ago, half of it at a time.
#[derive(Debug)]
struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    most: usize,
}

impl<K: Copy + Eq + Hash, V: Default> Recent<K, V> {
    fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most }
    }

    fn entry(&mut self, key: K) -> &mut V {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_default();
            if self.young.len() >= self.most / 2 {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(key, value);
        }
        self.young.entry(key).or_default()
    }

    fn find(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// The source an address belongs to: itself, or its /64 (RFC 6177: a site has at least one).
pub fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}
