//! Trunk: what a carrier needs of us beside calls: registration, signs of life, answers to its challenges.
//!
//! RFC 3261 §10.2 (registering), §11 (OPTIONS), §22 (digest) with RFC 8760. Three small machines a trunk:
//!
//! ```text
//!   registration  Waiting --REGISTER--> Asking --200--> Waiting for 0.8 of what was granted
//!                    ^                     |
//!                    +--- 5 s … 5 min -----+ refused, or no answer
//!   each host     up --3 silences in a row, or 503--> down --any other answer--> up
//!   login         challenge of the trunk's realm, from its address --> answer, count rising
//! ```
//!
//! Writes no message and keeps no transaction: the endpoint does. Names its requests by their branch.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::config::TrunkAccount;
use super::digest::{Answer, Challenge, answer_challenge};
use super::endpoint::Flow;
use super::header::{HeaderName, Method};
use super::message::Message;

/// How long an OPTIONS may stay unanswered.
pub const OPTIONS_PATIENCE: Duration = Duration::from_secs(5);
/// Silences in a row after which a host is down.
const MISSES_MAX: u8 = 3;
/// Pause after the first failure to register; doubled by each further one.
const BACK_OFF_FIRST: Duration = Duration::from_secs(5);
/// Longest pause between failures to register.
const BACK_OFF_MOST: Duration = Duration::from_secs(300);
/// Answers to challenges of one request: the second only when the nonce of the first was too old.
const ANSWERS_MAX: u8 = 2;

/// One trunk.
#[derive(Debug)]
pub struct Trunk {
    account: TrunkAccount,
    hosts: Vec<Host>,
    /// Its registration.
    pub registration: Registration,
    credential: Option<Credential>,
    /// What its registrar called itself.
    realm: Option<String>,
}

/// One host of a trunk.
#[derive(Clone, Debug)]
pub struct Host {
    /// How it is reached.
    pub flow: Flow,
    /// False: no calls go there.
    pub up: bool,
    /// How long its last answer took.
    pub round_trip: Option<Duration>,
    misses: u8,
    /// When to ask next; `None` while an answer is awaited, and without interval.
    next: Option<Instant>,
    asked: Option<Asked>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    branch: u64,
    since: Instant,
}

/// Registering at one trunk; Call-ID and tag stay the same, so that the registrar knows the order (RFC 3261 §10.2).
#[derive(Debug)]
pub struct Registration {
    /// Call-ID of every REGISTER.
    pub call_id: String,
    /// From tag of every REGISTER.
    pub tag: String,
    /// CSeq of the last REGISTER.
    pub cseq: u32,
    /// When to send the next one.
    at: Option<Instant>,
    asking: Option<Asking>,
    failures: u32,
    /// Registered until then.
    until: Option<Instant>,
    /// What the registrar wants at least.
    least_s: u32,
    /// Which host is asked.
    turn: usize,
}

/// A REGISTER under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Asking {
    /// Its branch.
    pub branch: u64,
    /// Where it went.
    pub flow: Flow,
    /// Seconds asked for; 0 takes the registration back.
    pub expires_s: u32,
    /// Challenges answered for it.
    pub answers: u8,
}

/// A challenge that can be answered again and again.
#[derive(Debug)]
struct Credential {
    challenge: Challenge<'static>,
    proxy: bool,
    uses: u32,
}

/// What is due.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Due {
    /// Ask this host for a sign of life.
    Probe(Flow),
    /// This host is down now.
    Down(Flow),
    /// Register.
    Register,
}

impl Trunk {
    /// A trunk that is registered and asked as soon as it has hosts. `call_id` and `tag` are random.
    pub fn new(account: TrunkAccount, call_id: String, tag: String) -> Trunk {
        let registration = Registration {
            call_id,
            tag,
            cseq: 0,
            at: None,
            asking: None,
            failures: 0,
            until: None,
            least_s: 0,
            turn: 0,
        };
        Trunk { account, hosts: Vec::new(), registration, credential: None, realm: None }
    }

    /// What the configuration says of it.
    pub fn account(&self) -> &TrunkAccount {
        &self.account
    }

    /// Its hosts, best first.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Takes a new configuration and where the hosts are now, best first. What is known of a host that stays, stays;
    /// a new one counts as up until it is silent.
    pub fn configure(&mut self, now: Instant, account: TrunkAccount, flows: &[Flow]) {
        if account.login != self.account.login {
            self.credential = None;
            self.realm = None;
        }
        let changed = account != self.account;
        self.account = account;
        let known = std::mem::take(&mut self.hosts);
        let asks = self.account.options_interval.is_some();
        for flow in flows {
            if self.hosts.iter().any(|host| host.flow == *flow) {
                continue;
            }
            let old = known.iter().find(|host| host.flow == *flow).cloned();
            let fresh = Host { flow: *flow, up: true, round_trip: None, misses: 0, next: Some(now), asked: None };
            let mut host = old.unwrap_or(fresh);
            match asks {
                true if host.asked.is_none() => _ = host.next.get_or_insert(now),
                true => {}
                false => host = Host { up: true, misses: 0, next: None, asked: None, ..host },
            }
            self.hosts.push(host);
        }
        let registration = &mut self.registration;
        match self.account.register {
            Some(_) if changed || (registration.at.is_none() && registration.asking.is_none()) => {
                registration.at = Some(now);
                registration.failures = 0;
            }
            Some(_) => {}
            None => registration.at = None,
        }
    }

    /// True when messages from there may be the trunk's.
    pub fn is_at(&self, ip: IpAddr) -> bool {
        self.hosts.iter().any(|host| host.flow.remote.ip().to_canonical() == ip.to_canonical())
    }

    /// When `take_due` has something to say.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let hosts = self.hosts.iter().filter_map(|host| match host.asked {
            Some(asked) => Some(asked.since + OPTIONS_PATIENCE),
            None => host.next,
        });
        let registration = self.registration.at.filter(|_| self.registration.asking.is_none());
        hosts.chain(registration).min()
    }

    /// The next thing that is due at `now`.
    pub fn take_due(&mut self, now: Instant) -> Option<Due> {
        let interval = self.account.options_interval;
        for host in &mut self.hosts {
            if host.asked.is_some_and(|asked| asked.since + OPTIONS_PATIENCE <= now)
                && let Some(down) = host.silent(now, interval)
            {
                return Some(down);
            }
            if host.asked.is_none() && host.next.is_some_and(|at| at <= now) {
                host.next = None;
                return Some(Due::Probe(host.flow));
            }
        }
        let registration = &mut self.registration;
        if registration.asking.is_none() && registration.at.is_some_and(|at| at <= now) {
            registration.at = None;
            return Some(Due::Register);
        }
        None
    }

    /// An OPTIONS of this branch went out.
    pub fn asked(&mut self, now: Instant, flow: Flow, branch: u64) {
        if let Some(host) = self.hosts.iter_mut().find(|host| host.flow == flow) {
            host.asked = Some(Asked { branch, since: now });
        }
    }

    /// A host answered our OPTIONS: any answer is life, but 503 says that it takes no calls. Gives the host when its
    /// state changed.
    pub fn answered(&mut self, now: Instant, branch: u64, code: u16) -> Option<(Flow, bool)> {
        let interval = self.account.options_interval;
        let host = self.host_asked(branch)?;
        host.round_trip = host.asked.map(|asked| now.saturating_duration_since(asked.since));
        host.asked = None;
        host.misses = 0;
        host.next = interval.map(|interval| now + interval);
        let up = code != 503;
        let changed = host.up != up;
        host.up = up;
        changed.then_some((host.flow, up))
    }

    /// Our OPTIONS could not be sent. Gives the host when it is down now.
    pub fn unreachable(&mut self, now: Instant, branch: u64) -> Option<Due> {
        let interval = self.account.options_interval;
        self.host_asked(branch)?.silent(now, interval)
    }

    /// A call met silence there: the host is asked at once.
    pub fn suspect(&mut self, now: Instant, flow: Flow) {
        let asks = self.account.options_interval.is_some();
        if let Some(host) = self.hosts.iter_mut().find(|host| host.flow == flow && host.asked.is_none() && asks) {
            host.next = Some(now);
        }
    }

    fn host_asked(&mut self, branch: u64) -> Option<&mut Host> {
        self.hosts.iter_mut().find(|host| host.asked.is_some_and(|asked| asked.branch == branch))
    }

    /// Where to register: the host whose turn it is, passing over those that are down.
    pub fn registrar(&self) -> Option<Flow> {
        let up: Vec<&Host> = self.hosts.iter().filter(|host| host.up).collect();
        let hosts = if up.is_empty() { self.hosts.iter().collect() } else { up };
        hosts.get(self.registration.turn.checked_rem(hosts.len())?).map(|host| host.flow)
    }

    /// Seconds to ask for.
    pub fn expires_s(&self) -> u32 {
        let wanted = self.account.register.map_or(0, |time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
        wanted.max(self.registration.least_s)
    }

    /// Takes note of a challenge (401, 407) to a request of which `answers` were answered before. True when it is for
    /// our login and may be answered: only in the trunk's realm, and a second time only for a nonce that was too old.
    ///
    /// A registrar names its realm itself; requests to others go through the trunk to a callee, whose challenge is not
    /// the trunk's.
    pub fn take_challenge(&mut self, response: &Message, answers: u8, by_registrar: bool) -> bool {
        let Some(login) = &self.account.login else { return false };
        let proxy = response.code() == 407;
        let name = if proxy { HeaderName::ProxyAuthenticate } else { HeaderName::WwwAuthenticate };
        let served = |challenge: &Challenge<'_>| {
            challenge.algorithm.is_some()
                && match (&login.realm, by_registrar) {
                    (Some(realm), _) => realm.as_bytes() == challenge.realm.as_ref(),
                    (None, true) => true,
                    (None, false) => {
                        let own = self.account.hosts.iter().chain([&self.account.domain]).chain(self.realm.as_ref());
                        own.into_iter().any(|realm| realm.as_bytes() == challenge.realm.as_ref())
                    }
                }
        };
        // The first that is served: the sender lists them by his preference (RFC 8760 §2.4).
        let Some(challenge) = response.headers(name).filter_map(Challenge::parse).find(served) else { return false };
        if answers >= ANSWERS_MAX || (answers > 0 && !challenge.stale) {
            return false;
        }
        if by_registrar {
            self.realm = Some(String::from_utf8_lossy(&challenge.realm).into_owned());
        }
        let same = |c: &Credential| c.proxy == proxy && c.challenge.nonce == challenge.nonce;
        let uses = self.credential.as_ref().filter(|c| same(c)).map_or(0, |c| c.uses);
        self.credential = Some(Credential { challenge: owned(challenge), proxy, uses });
        true
    }

    /// The header that answers the last challenge for this request; each call counts as a use. `None` before the
    /// first challenge.
    pub fn authorize(&mut self, method: Method<'_>, uri: &str, cnonce: &str) -> Option<(HeaderName, String)> {
        let login = self.account.login.as_ref()?;
        let credential = self.credential.as_mut()?;
        credential.uses = credential.uses.saturating_add(1);
        let answer =
            Answer { username: &login.username, password: &login.password, method, uri, cnonce, nc: credential.uses };
        let name = if credential.proxy { HeaderName::ProxyAuthorization } else { HeaderName::Authorization };
        answer_challenge(&credential.challenge, &answer).map(|value| (name, value))
    }
}

impl Host {
    /// It stayed silent once more.
    fn silent(&mut self, now: Instant, interval: Option<Duration>) -> Option<Due> {
        self.asked = None;
        self.misses = self.misses.saturating_add(1);
        let down = self.misses >= MISSES_MAX;
        // One who begins to be silent is asked again at once.
        self.next = interval.map(|interval| if down { now + interval } else { now });
        let changed = down && self.up;
        self.up = self.up && !down;
        changed.then_some(Due::Down(self.flow))
    }
}

impl Registration {
    /// A REGISTER went out.
    pub fn asked(&mut self, asking: Asking) {
        self.at = None;
        self.asking = Some(asking);
    }

    /// The REGISTER of this branch, while it is under way.
    pub fn asking(&self, branch: u64) -> Option<Asking> {
        self.asking.filter(|asking| asking.branch == branch)
    }

    /// True when one is under way.
    pub fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// Granted for so many seconds; the next REGISTER follows after 0.8 of them.
    pub fn granted(&mut self, now: Instant, seconds: u32) {
        let life = Duration::from_secs(u64::from(seconds.max(1)));
        self.asking = None;
        self.failures = 0;
        self.until = Some(now + life);
        self.at = Some(now + life * 4 / 5);
    }

    /// Too brief (423): asked again at once with what the registrar wants. False when that was done before.
    pub fn too_brief(&mut self, now: Instant, least_s: u32) -> bool {
        self.asking = None;
        let news = least_s > self.least_s && least_s <= 86_400;
        if news {
            self.least_s = least_s;
            self.at = Some(now);
        }
        news
    }

    /// Refused or not answered: the next try follows after 5 s, 10 s … 5 min, a fifth more or less by `random`, at the
    /// next host when `elsewhere`.
    pub fn refused(&mut self, now: Instant, random: u32, elsewhere: bool) {
        self.asking = None;
        self.failures = self.failures.saturating_add(1);
        self.turn = self.turn.wrapping_add(usize::from(elsewhere));
        let pause = BACK_OFF_FIRST.saturating_mul(1 << (self.failures - 1).min(8)).min(BACK_OFF_MOST);
        let spread = 800 + random % 401;
        self.at = Some(now + pause * spread / 1_000);
    }

    /// Nothing is asked any more.
    pub fn left(&mut self) {
        self.asking = None;
        self.at = None;
        self.until = None;
    }

    /// Registered until then.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}

fn owned(challenge: Challenge<'_>) -> Challenge<'static> {
    let own = |value: Cow<'_, [u8]>| Cow::Owned(value.into_owned());
    Challenge {
        realm: own(challenge.realm),
        nonce: own(challenge.nonce),
        opaque: challenge.opaque.map(own),
        algorithm: challenge.algorithm,
        auth: challenge.auth,
        stale: challenge.stale,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::config::{Transport, TrunkLogin};
    use super::*;

    fn flow(remote: &str) -> Flow {
        Flow { transport: Transport::Udp, listener: 0, remote: remote.parse().unwrap(), connection: None }
    }

    fn account(register: bool) -> TrunkAccount {
        TrunkAccount {
            login: Some(TrunkLogin { username: "centre".into(), password: "secret".into(), realm: None }),
            domain: "carrier.example".into(),
            hosts: vec!["carrier.example".into()],
            register: register.then_some(Duration::from_secs(600)),
            options_interval: Some(Duration::from_secs(30)),
            ..TrunkAccount::default()
        }
    }

    fn trunk(now: Instant, register: bool) -> Trunk {
        let mut trunk = Trunk::new(TrunkAccount::default(), "call".into(), "tag".into());
        trunk.configure(now, account(register), &[flow("192.0.2.1:5060"), flow("192.0.2.2:5060")]);
        trunk
    }

    /// Jumps to the next deadline and gives what is due.
    fn next(trunk: &mut Trunk, now: &mut Instant) -> Due {
        loop {
            *now = trunk.poll_timeout().unwrap().max(*now);
            if let Some(due) = trunk.take_due(*now) {
                return due;
            }
        }
    }

    #[test]
    fn three_silences_are_down_and_one_answer_is_up() {
        let start = Instant::now();
        let mut now = start;
        let mut trunk = trunk(now, false);
        let (first, second) = (flow("192.0.2.1:5060"), flow("192.0.2.2:5060"));
        assert_eq!(next(&mut trunk, &mut now), Due::Probe(first));
        trunk.asked(now, first, 2);
        assert_eq!(next(&mut trunk, &mut now), Due::Probe(second));
        trunk.asked(now, second, 4);
        assert_eq!(trunk.answered(now, 4, 405), None, "any answer is life");
        for branch in [6, 8] {
            assert_eq!(next(&mut trunk, &mut now), Due::Probe(first), "at once again");
            trunk.asked(now, first, branch);
        }
        assert_eq!(next(&mut trunk, &mut now), Due::Down(first));
        assert_eq!(now - start, Duration::from_secs(15));
        assert_eq!(trunk.registrar(), Some(second));
        assert_eq!(next(&mut trunk, &mut now), Due::Probe(second));
        assert_eq!(now - start, Duration::from_secs(30));
        trunk.asked(now, second, 10);
        assert_eq!(trunk.answered(now, 10, 503), Some((second, false)), "503 takes no calls");
        assert_eq!(next(&mut trunk, &mut now), Due::Probe(first));
        trunk.asked(now, first, 12);
        now += Duration::from_millis(20);
        assert_eq!(trunk.answered(now, 12, 200), Some((first, true)));
        assert_eq!(trunk.hosts()[0].round_trip, Some(Duration::from_millis(20)));
        assert_eq!(trunk.answered(now, 12, 200), None, "a late repetition");
    }

    #[test]
    fn a_host_that_stays_keeps_its_state_and_without_interval_all_are_up() {
        let mut now = Instant::now();
        let mut trunk = trunk(now, false);
        assert_eq!(next(&mut trunk, &mut now), Due::Probe(flow("192.0.2.1:5060")));
        trunk.asked(now, flow("192.0.2.1:5060"), 2);
        trunk.answered(now, 2, 503);
        trunk.configure(now, account(false), &[flow("192.0.2.3:5060"), flow("192.0.2.1:5060")]);
        assert_eq!(trunk.hosts().iter().map(|h| h.up).collect::<Vec<_>>(), [true, false]);
        assert!(trunk.is_at("192.0.2.3".parse().unwrap()) && !trunk.is_at("192.0.2.2".parse().unwrap()));
        let quiet = TrunkAccount { options_interval: None, ..account(false) };
        trunk.configure(now, quiet, &[flow("192.0.2.1:5060")]);
        assert!(trunk.hosts()[0].up);
        assert_eq!(trunk.poll_timeout(), None);
    }

    #[test]
    fn failures_to_register_wait_longer_and_longer_up_to_five_minutes() {
        let now = Instant::now();
        let mut registration = trunk(now, true).registration;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            registration.refused(now, 200, true);
            pauses.push((registration.at.unwrap() - now).as_secs());
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        registration.refused(now, 0, false);
        assert_eq!(registration.at, Some(now + Duration::from_secs(240)), "a fifth less at least");
        registration.granted(now, 600);
        assert_eq!(registration.at, Some(now + Duration::from_secs(480)));
        assert!(registration.too_brief(now, 900) && !registration.too_brief(now, 900));
    }

    fn challenge(code: u16, values: &[&str]) -> Message {
        let name = if code == 407 { "Proxy-Authenticate" } else { "WWW-Authenticate" };
        let lines: String = values.iter().map(|value| format!("{name}: {value}\r\n")).collect();
        let text = format!("SIP/2.0 {code} X\r\nCSeq: 1 INVITE\r\n{lines}Content-Length: 0\r\n\r\n");
        Message::parse(Bytes::from(text)).unwrap()
    }

    #[test]
    fn only_the_realm_of_the_trunk_is_answered() {
        let now = Instant::now();
        let mut trunk = trunk(now, true);
        let callee = challenge(407, &["Digest realm=\"callee.example\", nonce=\"n\", qop=\"auth\""]);
        assert!(!trunk.take_challenge(&callee, 0, false));
        let own = challenge(401, &["Digest realm=\"carrier.example\", nonce=\"n\", qop=\"auth\""]);
        assert!(trunk.take_challenge(&own, 0, false), "a host of the trunk");
        let odd = challenge(401, &["Digest realm=\"asterisk\", nonce=\"n\", qop=\"auth\""]);
        assert!(!trunk.take_challenge(&odd, 0, false));
        assert!(trunk.take_challenge(&odd, 0, true), "the registrar says what it is called");
        assert!(trunk.take_challenge(&odd, 0, false));
        let login = TrunkLogin { username: "c".into(), password: "s".into(), realm: Some("named".into()) };
        trunk.configure(now, TrunkAccount { login: Some(login), ..account(true) }, &[]);
        assert!(!trunk.take_challenge(&odd, 0, true) && !trunk.take_challenge(&own, 0, true));
    }

    #[test]
    fn the_count_rises_with_each_use_and_a_wrong_password_is_not_repeated() {
        let mut trunk = trunk(Instant::now(), true);
        let realm = "Digest realm=\"carrier.example\"";
        let first = challenge(401, &[&format!("{realm}, nonce=\"n1\", qop=\"auth\"")]);
        assert!(trunk.authorize(Method::Register, "sip:x", "c").is_none());
        assert!(trunk.take_challenge(&first, 0, true));
        let count = |header: (HeaderName, String)| header.1.split("nc=").nth(1).unwrap()[..8].to_owned();
        let answer = trunk.authorize(Method::Register, "sip:x", "c").unwrap();
        assert_eq!((answer.0, count(answer)), (HeaderName::Authorization, "00000001".into()));
        assert_eq!(count(trunk.authorize(Method::Register, "sip:x", "c").unwrap()), "00000002");
        assert!(!trunk.take_challenge(&first, 1, true), "the password is wrong");
        let stale = challenge(401, &[&format!("{realm}, nonce=\"n2\", qop=\"auth\", stale=true")]);
        assert!(trunk.take_challenge(&stale, 1, true));
        assert_eq!(count(trunk.authorize(Method::Register, "sip:x", "c").unwrap()), "00000001");
        assert!(!trunk.take_challenge(&stale, 2, true), "not for ever");
    }

    /// RFC 8760 §2.4: the first algorithm that is served; `auth-int` alone and `-sess` are not.
    #[test]
    fn the_first_challenge_that_is_served_is_taken() {
        let mut trunk = trunk(Instant::now(), true);
        let realm = "Digest realm=\"carrier.example\", nonce=\"n\"";
        let several = challenge(
            407,
            &[
                &format!("{realm}, algorithm=AKAv1-MD5, qop=\"auth\""),
                &format!("{realm}, algorithm=SHA-256, qop=\"auth-int\""),
                &format!("{realm}, algorithm=SHA-256, qop=\"auth-int,auth\""),
                &format!("{realm}, algorithm=MD5, qop=\"auth\""),
            ],
        );
        assert!(trunk.take_challenge(&several, 0, false));
        let (name, value) = trunk.authorize(Method::Invite, "sip:x", "c").unwrap();
        assert_eq!(name, HeaderName::ProxyAuthorization);
        assert!(value.contains("algorithm=SHA-256") && value.contains("qop=auth"), "{value}");
        let none = challenge(401, &[&format!("{realm}, algorithm=MD5-sess, qop=\"auth\"")]);
        assert!(!trunk.take_challenge(&none, 0, false));
    }
}
