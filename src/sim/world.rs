//! The world itself: who is there, what happens next, what must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::acd::Wish;
use crate::acd::config::{AgentConfig, FloorConfig, QueueConfig};
use crate::call::config::{CallConfig, MediaPath, NumberAction, NumberConfig, RecordPolicy};
use crate::call::prompts::Prompts;
use crate::clock::{Clock, Wall};
use crate::engine::{Command, Engine, Input, Output, Settings};
use crate::id::{AgentId, QueueName};
use crate::ivr;
use crate::journal::{Entry, Kind, QueueOutcome, StateCause};
use crate::media::config::MediaConfig;
use crate::media::{Clip, Codec};
use crate::report::live::Live;
use crate::sip::Flow;
use crate::sip::config::{Listener, SipConfig, Transport, UserConfig};

use super::dice::Dice;
use super::media::{Later, Media};
use super::phone::{Agent, Caller, Timer, Wishes};
use super::{Outcome, Plan};

/// The engine's address in this world.
const CENTRE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5060);
/// Virtual time begins here: a Sunday morning.
const MORNING: Wall = Wall(1_795_341_600_000_000);
/// After the last arrival, everything must be over in this time.
const EVENING: Duration = Duration::from_secs(3_600);

/// What will happen.
#[derive(Debug)]
enum Event {
    ToCentre { from: SocketAddr, bytes: Bytes },
    ToPhone { to: SocketAddr, bytes: Bytes },
    Timer { phone: SocketAddr, timer: Timer },
    Media(Later),
    Committed(u64),
    Arrive,
    Whim,
    Minute,
}

/// One simulated centre and all around it.
pub struct World {
    plan: Plan,
    origin: Instant,
    now: Instant,
    dice: Dice,
    engine: Engine,
    media: Media,
    live: Live,
    callers: BTreeMap<SocketAddr, Caller>,
    agents: BTreeMap<SocketAddr, Agent>,
    next_event: u64,
    events: BTreeMap<(Instant, u64), Event>,
    hash: Sha256,
    outcome: Outcome,
    last_seq: u64,
}

impl World {
    /// Builds the centre and its people.
    ///
    /// # Errors
    ///
    /// When the shipped flows do not pass their own check.
    pub fn new(origin: Instant, plan: Plan) -> Result<Self, String> {
        let mut dice = Dice::new(plan.seed);
        let settings = settings(&plan)?;
        let engine = Engine::new(origin, Clock::new(origin, MORNING), settings, 1, dice.seed());
        let mut world = Self {
            plan,
            origin,
            now: origin,
            dice,
            engine,
            media: Media::default(),
            live: Live::default(),
            callers: BTreeMap::new(),
            agents: BTreeMap::new(),
            next_event: 0,
            events: BTreeMap::new(),
            hash: Sha256::new(),
            outcome: Outcome::default(),
            last_seq: 0,
        };
        for number in 0..plan.agents {
            let address = agent_address(number);
            // Every fifth agent registers; the others have a fixed address.
            let renew = if number.is_multiple_of(5) { Duration::from_secs(300) } else { Duration::ZERO };
            let user = agent_id(number);
            world.agents.insert(address, Agent::new(address, user.clone(), format!("pw-{user}"), renew));
        }
        Ok(world)
    }

    /// Virtual time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.now - self.origin
    }

    /// Runs to the end.
    ///
    /// # Errors
    ///
    /// The first invariant that does not hold.
    pub fn run(&mut self) -> Result<Outcome, String> {
        self.flush()?;
        let phones: Vec<SocketAddr> = self.agents.keys().copied().collect();
        for address in phones {
            let mut wishes = Wishes::default();
            if let Some(agent) = self.agents.get_mut(&address) {
                agent.start(self.now, &mut wishes);
            }
            self.grant(address, wishes);
        }
        self.schedule(Duration::from_millis(500), Event::Arrive);
        self.schedule(Duration::from_secs(20), Event::Whim);
        self.schedule(Duration::from_secs(60), Event::Minute);
        let close = self.origin + Duration::from_secs(self.plan.hours * 3_600);
        loop {
            if self.now >= close && self.callers.is_empty() && self.engine.stats().calls == 0 {
                break;
            }
            if self.now >= close + EVENING {
                return Err(format!(
                    "{} callers and {} calls never end",
                    self.callers.len(),
                    self.engine.stats().calls
                ));
            }
            self.step(close)?;
        }
        self.settle(close)
    }

    /// The next thing happens.
    fn step(&mut self, close: Instant) -> Result<(), String> {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let timer = self.engine.poll_timeout();
        self.outcome.steps += 1;
        match (event, timer) {
            (event, Some(timer)) if event.is_none_or(|at| timer <= at) => {
                self.now = self.now.max(timer);
                self.engine.handle_timeout(self.now);
            }
            (Some(_), _) => {
                if let Some(((at, _), event)) = self.events.pop_first() {
                    self.now = at;
                    self.happen(event, close)?;
                }
            }
            (None, _) => return Err("nothing will ever happen again".into()),
        }
        self.flush()?;
        self.engine.check()
    }

    fn happen(&mut self, event: Event, close: Instant) -> Result<(), String> {
        let now = self.now;
        match event {
            Event::ToCentre { from, bytes } => {
                let from = Flow { transport: Transport::Udp, listener: 0, remote: from, connection: None };
                self.engine.handle(now, Input::Message { from, bytes });
            }
            Event::ToPhone { to, bytes } => {
                let mut wishes = Wishes::default();
                if let Some(caller) = self.callers.get_mut(&to) {
                    caller.handle(now, &bytes, &mut wishes);
                } else if let Some(agent) = self.agents.get_mut(&to) {
                    agent.handle(now, &bytes, &mut self.dice, &mut wishes);
                } else if let Some(answer) = departed(&bytes) {
                    // A phone whose call is over still answers a repeated BYE.
                    wishes.send.push(answer);
                }
                self.grant(to, wishes);
                self.callers.retain(|address, caller| *address != to || !caller.is_done());
            }
            Event::Timer { phone, timer } => {
                let mut wishes = Wishes::default();
                if let Some(caller) = self.callers.get_mut(&phone) {
                    caller.handle_timer(now, timer, &mut wishes);
                } else if let Some(agent) = self.agents.get_mut(&phone) {
                    agent.handle_timer(now, timer, &mut self.dice, &mut wishes);
                }
                self.grant(phone, wishes);
                self.callers.retain(|address, caller| *address != phone || !caller.is_done());
            }
            Event::Media(Later::Event(event)) => self.engine.handle(now, Input::Media(event)),
            Event::Media(Later::Stored(recording)) => {
                self.engine.handle(now, Input::RecordingStored { recording, length_ms: 1_000, lost_ms: 0 });
            }
            Event::Committed(seq) => self.engine.handle(now, Input::Committed(seq)),
            Event::Arrive if now < close => self.arrive(),
            Event::Whim if now < close => self.whim(),
            Event::Arrive | Event::Whim => {}
            Event::Minute => {
                self.compare()?;
                self.schedule(Duration::from_secs(60), Event::Minute);
            }
        }
        Ok(())
    }

    fn arrive(&mut self) {
        self.outcome.calls += 1;
        let id = self.outcome.calls;
        let ip = Ipv4Addr::from(0x0a10_0000u32.wrapping_add(u32::try_from(id).unwrap_or(0)));
        let address = SocketAddr::from((ip, 5_060));
        let number = match self.dice.below(10) {
            0..=5 => "500",
            6 | 7 => "600",
            _ => "601",
        };
        // Some hang up at once, most wait for minutes.
        let patience = match self.dice.below(20) {
            0 => self.dice.between(1, 900),
            1..=3 => self.dice.between(1_000, 20_000),
            _ => self.dice.between(20_000, 400_000),
        };
        let mut caller = Caller::new(address, id, number, Duration::from_millis(patience));
        let mut wishes = Wishes::default();
        caller.start(self.now, &mut wishes);
        self.callers.insert(address, caller);
        self.grant(address, wishes);
        let gap = self.dice.gap_ms(self.plan.calls_per_hour);
        self.schedule(Duration::from_millis(gap), Event::Arrive);
    }

    /// Somebody changes an agent's state by the API.
    fn whim(&mut self) {
        let agent = AgentId::from(agent_id(self.dice.below(self.plan.agents)));
        let (wish, back) = match self.dice.below(4) {
            0 => (Wish::Pause("lunch".into()), true),
            1 => (Wish::Logout, true),
            2 => (Wish::FinishWrapUp, false),
            _ => (Wish::Ready, false),
        };
        let by = if self.dice.chance(50) { StateCause::Agent } else { StateCause::Supervisor };
        self.engine.handle(self.now, Input::Command(Command::Agent { agent, wish, by }));
        if back {
            // Nobody stays away for ever: another whim, of anybody, makes somebody ready.
            let agent = AgentId::from(agent_id(self.dice.below(self.plan.agents)));
            self.engine.handle(self.now, Input::Command(Command::Agent { agent, wish: Wish::Ready, by }));
        }
        let gap = self.dice.between(3_000, 30_000);
        self.schedule(Duration::from_millis(gap), Event::Whim);
    }

    fn grant(&mut self, phone: SocketAddr, wishes: Wishes) {
        for bytes in wishes.send {
            self.travel(Event::ToCentre { from: phone, bytes: bytes.clone() }, || Event::ToCentre {
                from: phone,
                bytes,
            });
        }
        for (at, timer) in wishes.timers {
            let wait = at.saturating_duration_since(self.now);
            self.schedule(wait, Event::Timer { phone, timer });
        }
    }

    /// The network: loses, repeats, and delays each datagram by its own time, so that they overtake each other.
    fn travel(&mut self, event: Event, again: impl FnOnce() -> Event) {
        if self.dice.chance(self.plan.loss_percent) {
            return;
        }
        let delay = Duration::from_micros(self.dice.between(200, 40_000));
        self.schedule(delay, event);
        if self.dice.chance(1) {
            let delay = Duration::from_micros(self.dice.between(200, 80_000));
            self.schedule(delay, again());
        }
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.next_event += 1;
        self.events.insert((self.now + after, self.next_event), event);
    }

    /// Takes all that the engine puts out.
    fn flush(&mut self) -> Result<(), String> {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { flow, bytes } => {
                    let to = flow.remote;
                    self.travel(Event::ToPhone { to, bytes: bytes.clone() }, || Event::ToPhone { to, bytes });
                }
                Output::Media { command, .. } => {
                    for (after, later) in self.media.handle(command, &mut self.dice)? {
                        self.schedule(after, Event::Media(later));
                    }
                }
                Output::Journal(entry) => self.write(&entry)?,
                // One disk in a hundred does not answer in time.
                Output::Commit(_) if self.dice.chance(1) => {}
                Output::Commit(seq) => {
                    let wait = Duration::from_micros(self.dice.between(300, 50_000));
                    self.schedule(wait, Event::Committed(seq));
                }
                Output::Drained => {}
            }
        }
        Ok(())
    }

    fn write(&mut self, entry: &Entry) -> Result<(), String> {
        if entry.seq != self.last_seq + 1 {
            return Err(format!("entry {} follows {}", entry.seq, self.last_seq));
        }
        self.last_seq = entry.seq;
        self.outcome.entries += 1;
        match &entry.kind {
            Kind::Connected { .. } => self.outcome.answered += 1,
            Kind::Offered { .. } => self.outcome.offers += 1,
            Kind::QueueLeft { outcome: QueueOutcome::Abandoned, .. } => self.outcome.abandoned += 1,
            Kind::AgentRepaired { detail } => return Err(format!("an agent had to be repaired: {detail}")),
            Kind::Trouble { code, detail } if code == "internal_error" => return Err(detail.clone()),
            _ => {}
        }
        let line = serde_json::to_vec(entry).map_err(|error| error.to_string())?;
        self.hash.update(&line);
        self.hash.update(b"\n");
        self.live.handle(entry);
        Ok(())
    }

    /// The journal's folds are the live state.
    fn compare(&self) -> Result<(), String> {
        for view in self.engine.floor().agents() {
            let told = self.live.agents().get(&view.id).map(|agent| agent.state);
            if told != Some(view.state) {
                return Err(format!("agent {} is {:?}, the journal says {told:?}", view.id, view.state));
            }
        }
        let live: BTreeSet<_> = self.engine.calls().map(crate::call::Call::id).collect();
        let told: BTreeSet<_> = self.live.calls().keys().copied().collect();
        match live == told {
            true => Ok(()),
            false => Err(format!("the calls {live:?} are up, the journal says {told:?}")),
        }
    }

    /// After the last call: nothing is left.
    fn settle(&mut self, close: Instant) -> Result<Outcome, String> {
        let end = self.now + Duration::from_secs(120);
        while self.now < end {
            self.step(close)?;
        }
        // Phones renew their registrations: what is answered for that is forgotten after 32 s.
        while self.engine.stats().sip.transactions > 0 && self.now < end + Duration::from_secs(60) {
            self.step(close)?;
        }
        self.compare()?;
        let stats = self.engine.stats();
        let left = [
            ("calls", stats.calls),
            ("legs", stats.legs),
            ("ports", stats.ports_in_use),
            ("sessions", stats.sip.sessions + stats.sip.transactions),
            ("open ports of media", self.media.open()),
            ("recordings", self.media.recording()),
        ];
        if let Some((what, count)) = left.iter().find(|(_, count)| *count > 0) {
            return Err(format!("{count} {what} are left after the last call"));
        }
        if stats.panics > 0 {
            return Err(format!("{} calls ended by a fault of ours", stats.panics));
        }
        let mut outcome = self.outcome.clone();
        outcome.journal = self.hash.clone().finalize().iter().map(|b| format!("{b:02x}")).collect();
        Ok(outcome)
    }
}

/// What a phone that has put down answers.
fn departed(bytes: &[u8]) -> Option<Bytes> {
    let text = super::phone::Text::new(bytes)?;
    (text.status().is_none() && text.method() == "BYE").then(|| text.answer("200 OK", "", "", ""))
}

fn agent_id(number: u64) -> String {
    format!("{}", 1_000 + number)
}

fn agent_address(number: u64) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(0x0a00_0100u32.wrapping_add(u32::try_from(number).unwrap_or(0))), 5_060))
}

fn settings(plan: &Plan) -> Result<Settings, String> {
    let queues: Vec<QueueName> = ["support", "vip"].map(QueueName::from).to_vec();
    let agent = |number: u64| {
        let id = AgentId::from(agent_id(number));
        let fixed = !number.is_multiple_of(5);
        AgentConfig {
            name: id.to_string(),
            skills: BTreeMap::from([("lang:ar".to_owned(), 5)]),
            queues: queues.iter().filter(|q| number.is_multiple_of(3) || q.as_str() == "support").cloned().collect(),
            auto_ready: true,
            contact: fixed.then(|| agent_address(number)),
            contact_user: None,
            id,
        }
    };
    let agents: Vec<AgentConfig> = (0..plan.agents).map(agent).collect();
    let number = |pattern: &str, action: NumberAction| NumberConfig {
        pattern: pattern.to_owned(),
        action,
        public: true,
        from: Vec::new(),
        record: RecordPolicy::Never,
        media: MediaPath::Relay,
    };
    let user = |a: &AgentConfig| (a.id.to_string(), UserConfig { password: format!("pw-{}", a.id) });
    let declared = ivr::Declared {
        queues: queues.iter().map(ToString::to_string).collect(),
        languages: vec!["ar".into(), "en".into()],
        ..ivr::Declared::default()
    };
    let shipped = ivr::SHIPPED_FLOWS.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let (flows, faults) = ivr::load(&shipped, &declared);
    let flows = flows.ok_or_else(|| faults.iter().map(ToString::to_string).collect::<String>())?;
    Ok(Settings {
        sip: SipConfig {
            listeners: vec![Listener { transport: Transport::Udp, address: CENTRE, advertised: None }],
            domain: "10.0.0.1".into(),
            users: agents.iter().map(user).collect(),
            ..SipConfig::default()
        },
        media: MediaConfig {
            address: CENTRE.ip(),
            bind: CENTRE.ip(),
            ports: 20_000..=23_999,
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            shards: 1,
            timeout_s: 60,
        },
        call: CallConfig {
            languages: vec!["ar".into(), "en".into()],
            numbers: vec![
                number("500", NumberAction::Flow("main".into())),
                number("600", NumberAction::Queue("support".into())),
                number("601", NumberAction::Queue("vip".into())),
            ],
            recording: BTreeMap::from([(QueueName::from("support"), RecordPolicy::Always)]),
            ..CallConfig::default()
        },
        floor: FloorConfig {
            queues: queues.iter().map(|q| (q.clone(), QueueConfig::new(q.clone()))).collect(),
            agents: agents.into_iter().map(|a| (a.id.clone(), a)).collect(),
        },
        utc_offset_minutes: 180,
        flows: Arc::new(flows),
        prompts: Arc::new(Prompts::new(BTreeMap::new(), Clip::tone(440.0, -20.0, 1_000))),
    })
}
