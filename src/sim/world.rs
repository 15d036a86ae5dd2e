//! The world itself: who is there, what happens next, and the network between.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::centre::{CARRIER, OUTSIDE, agent_address, agent_id, registers, settings};
use super::dice::Dice;
use super::fate::{Fate, MORNING};
use super::ledger::Ledger;
use super::media::{Later, Media};
use super::phone::{Phone, Text, Timer, Wishes, stranger};
use super::{Outcome, Plan, Sabotage};
use crate::clock::Clock;
use crate::engine::{Engine, Input, Output};
use crate::journal::{Entry, Kind, QueueOutcome};
use crate::media::Event as MediaEvent;
use crate::sip::Flow;
use crate::sip::config::Transport;

/// What will happen.
#[derive(Debug)]
pub(super) enum Event {
    ToCentre {
        from: SocketAddr,
        bytes: Bytes,
    },
    ToPhone {
        to: SocketAddr,
        bytes: Bytes,
    },
    Timer {
        phone: SocketAddr,
        timer: Timer,
    },
    /// Media, disk: of this life of the process only.
    Media(u32, Later),
    Committed(u32, u64),
    Arrive,
    Burst,
    Whim,
    Errand,
    Listen,
    Intervene,
    Mishap,
    Reload,
    Minute,
    BeforeCrash,
    Crash,
    Restart,
    Close,
    EndAll,
}

/// One simulated centre and all around it.
pub struct World {
    pub(super) plan: Plan,
    pub(super) origin: Instant,
    pub(super) now: Instant,
    /// No more customers from here on.
    pub(super) close: Instant,
    pub(super) dice: Dice,
    pub(super) engine: Engine,
    pub(super) media: Media,
    pub(super) ledger: Ledger,
    pub(super) fate: Fate,
    pub(super) phones: BTreeMap<SocketAddr, Phone>,
    /// Phones that are forgotten when their call is over.
    pub(super) passing: BTreeSet<SocketAddr>,
    /// Customers and calls of agents so far: names are never used again.
    pub(super) callers: u64,
    /// The life of the process and its floor's turns when all was last checked.
    checked: (u32, u64),
    next_event: u64,
    events: BTreeMap<(Instant, u64), Event>,
    pub(super) outcome: Outcome,
    /// The fault put in on purpose was put in.
    pub(super) spoilt: u64,
    /// Whom it hit.
    victim: Option<SocketAddr>,
}

impl World {
    /// Builds the centre and its people.
    ///
    /// # Errors
    ///
    /// When the flows do not pass their own check.
    pub fn new(origin: Instant, plan: Plan) -> Result<Self, String> {
        let mut dice = Dice::new(plan.seed);
        let engine = Engine::new(origin, Clock::new(origin, MORNING), settings(&plan, 0)?, 1, dice.seed());
        let mut phones = BTreeMap::new();
        for number in 0..=plan.agents {
            let (address, user) = (agent_address(number), agent_id(number));
            let renew = registers(number).then_some(Duration::from_secs(300));
            phones.insert(address, Phone::new(address, &user, Some(format!("pw-{user}")), renew));
        }
        phones.insert(OUTSIDE, Phone::new(OUTSIDE, "outside", None, None));
        phones.insert(CARRIER, Phone::new(CARRIER, "carrier", None, None));
        Ok(Self {
            plan,
            origin,
            now: origin,
            close: origin + Duration::from_secs(plan.hours * 3_600),
            dice,
            engine,
            media: Media::default(),
            ledger: Ledger::default(),
            fate: Fate::default(),
            phones,
            passing: BTreeSet::new(),
            callers: 0,
            checked: (0, 0),
            next_event: 0,
            events: BTreeMap::new(),
            outcome: Outcome::default(),
            spoilt: 0,
            victim: None,
        })
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
        let phones: Vec<SocketAddr> = self.phones.keys().copied().collect();
        for address in phones {
            let mut wishes = Wishes::default();
            if let Some(phone) = self.phones.get_mut(&address) {
                phone.start(self.now, &mut wishes);
            }
            self.grant(address, wishes);
        }
        self.schedule(Duration::from_millis(500), Event::Arrive);
        for (seconds, event) in [
            (20, Event::Whim),
            (25, Event::Errand),
            (60, Event::Minute),
            (70, Event::Listen),
            (80, Event::Mishap),
            (200, Event::Intervene),
            (240, Event::Burst),
            (500, Event::Reload),
        ] {
            self.schedule(Duration::from_secs(seconds), event);
        }
        self.schedule_fate();
        while !self.is_over()? {
            self.step()?;
        }
        self.settle()
    }

    /// The next thing happens.
    pub(super) fn step(&mut self) -> Result<(), String> {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let timer = self.engine.poll_timeout().filter(|_| !self.fate.is_down);
        self.outcome.steps += 1;
        match (event, timer) {
            (event, Some(timer)) if event.is_none_or(|at| timer <= at) => {
                self.now = self.now.max(timer);
                self.engine.handle_timeout(self.now);
            }
            (Some(_), _) => {
                if let Some(((at, _), event)) = self.events.pop_first() {
                    self.now = at;
                    // What concerns phones alone leaves the engine as it was.
                    let is_phones = matches!(event, Event::ToPhone { .. } | Event::Timer { .. });
                    self.happen(event)?;
                    if is_phones {
                        return Ok(());
                    }
                }
            }
            (None, _) => return Err("nothing will ever happen again".into()),
        }
        match self.fate.is_down {
            true => Ok(()),
            false => self.check(),
        }
    }

    /// What must hold after every step. What cannot have changed since the last one is not looked at again.
    fn check(&mut self) -> Result<(), String> {
        self.flush()?;
        self.ledger.settle()?;
        self.compare_told()?;
        let floor = (self.fate.life, self.engine.floor().turns());
        match std::mem::replace(&mut self.checked, floor) == floor {
            true => self.engine.check_calls(),
            false => self.engine.check(),
        }
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        let now = self.now;
        let is_day = now < self.close;
        match event {
            Event::ToCentre { .. } | Event::Media(..) | Event::Committed(..) | Event::Whim | Event::Intervene
                if self.fate.is_down =>
            {
                // Nobody is there. Who comes by the API tries later.
                self.schedule_again(event);
            }
            Event::ToCentre { from, bytes } => {
                let from = Flow { transport: Transport::Udp, listener: 0, remote: from, connection: None };
                self.engine.handle(now, Input::Message { received: now, from, bytes });
            }
            Event::ToPhone { to, bytes } => {
                let mut wishes = Wishes::default();
                match self.phones.get_mut(&to) {
                    Some(phone) => phone.handle(now, &bytes, &mut self.dice, &mut wishes),
                    None => wishes.send.extend(Text::new(&bytes).as_ref().and_then(stranger)),
                }
                return self.phone_acted(to, wishes);
            }
            Event::Timer { phone: address, timer } => {
                let mut wishes = Wishes::default();
                if let Some(phone) = self.phones.get_mut(&address) {
                    phone.due(now, timer, &mut self.dice, &mut wishes);
                }
                return self.phone_acted(address, wishes);
            }
            Event::Media(life, _) | Event::Committed(life, _) if life != self.fate.life => {}
            Event::Media(_, Later::Event(event)) => self.engine.handle(now, Input::Media(event)),
            Event::Media(_, Later::Quiet(leg)) => {
                if self.media.has(leg) {
                    self.engine.handle(now, Input::Media(MediaEvent::MediaTimeout { leg }));
                }
            }
            Event::Media(_, Later::Stored(recording)) => {
                let call = self.engine.call_of_recording(recording);
                self.engine.handle(now, Input::RecordingStored { recording, length_ms: 1_000, lost_ms: 0 });
                if let Some(call) = call {
                    let (file, sha256) = (recording.file(), "0".repeat(64));
                    self.engine.handle(now, Input::RecordingFiled { call, recording, file, sha256 });
                }
            }
            Event::Committed(_, seq) => {
                self.fate.durable(seq);
                self.engine.handle(now, Input::Committed(seq));
            }
            // A minute longer than anybody is let in.
            Event::Arrive if now < self.close + Duration::from_secs(60) => self.arrive(),
            Event::Burst if is_day => self.burst(),
            Event::Whim if is_day => self.whim(),
            Event::Errand if is_day => self.errand(),
            Event::Listen if is_day => self.listen(),
            Event::Intervene if is_day => self.intervene(),
            Event::Mishap if is_day => self.mishap(),
            Event::Reload if is_day => self.reload()?,
            Event::Arrive | Event::Burst | Event::Whim | Event::Errand | Event::Listen => {}
            Event::Intervene | Event::Mishap | Event::Reload => {}
            Event::Minute => {
                self.compare()?;
                self.schedule(Duration::from_secs(60), Event::Minute);
            }
            Event::BeforeCrash => self.before_crash(),
            Event::Crash => self.crash()?,
            Event::Restart => self.restart()?,
            Event::Close => self.drain(),
            Event::EndAll => self.end_all(),
        }
        Ok(())
    }

    fn schedule_again(&mut self, event: Event) {
        if matches!(event, Event::Whim | Event::Intervene) {
            self.schedule(Duration::from_secs(5), event);
        }
    }

    /// A phone did something: what it wants happens, what it saw is judged.
    fn phone_acted(&mut self, address: SocketAddr, wishes: Wishes) -> Result<(), String> {
        if let Some(fault) = wishes.fault {
            return Err(format!("{address}: {fault}"));
        }
        if let Some((method, call, since)) = &wishes.unanswered
            && !self.fate.may_be_silent(*since)
        {
            return Err(format!("{address}: {method} of {call} never got a final response"));
        }
        if self.passing.contains(&address) && self.phones.get(&address).is_none_or(Phone::is_idle) {
            self.passing.remove(&address);
            self.phones.remove(&address);
        }
        self.grant(address, Wishes { fault: None, ..wishes });
        Ok(())
    }

    pub(super) fn grant(&mut self, phone: SocketAddr, wishes: Wishes) {
        for what in wishes.told {
            self.ledger.count(what);
        }
        for bytes in wishes.send {
            self.travel(|| Event::ToCentre { from: phone, bytes: bytes.clone() });
        }
        for (at, timer) in wishes.timers {
            self.next_event += 1;
            self.events.insert((at, self.next_event), Event::Timer { phone, timer });
        }
    }

    /// The network: loses, repeats, and delays each datagram by its own time, so that they overtake each other.
    fn travel(&mut self, event: impl Fn() -> Event) {
        if self.dice.chance(self.plan.loss_percent) {
            return;
        }
        let delay = Duration::from_micros(self.dice.between(200, 40_000));
        self.schedule(delay, event());
        if self.dice.chance(1) {
            let delay = Duration::from_micros(self.dice.between(200, 80_000));
            self.schedule(delay, event());
        }
    }

    pub(super) fn schedule(&mut self, after: Duration, event: Event) {
        self.next_event += 1;
        self.events.insert((self.now + after, self.next_event), event);
    }

    /// Takes all that the engine puts out.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        let life = self.fate.life;
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { flow, bytes } => self.send(flow.remote, bytes),
                Output::Media { command, .. } => {
                    for (after, later) in self.media.handle(command, &mut self.dice)? {
                        let closes = matches!(later, Later::Event(MediaEvent::Closed { .. }));
                        if !(closes && self.spoils(Sabotage::KeepsPort)) {
                            self.schedule(after, Event::Media(life, later));
                        }
                    }
                }
                Output::Journal(entry) => self.write(entry)?,
                // One disk in a hundred does not answer in time.
                Output::Commit(_) if self.dice.chance(1) => {}
                Output::Commit(seq) => {
                    let wait = Duration::from_micros(self.dice.between(300, 50_000));
                    self.schedule(wait, Event::Committed(life, seq));
                }
                // No service is there: each queue decides for itself in time.
                // Nor is there a disk with messages: who wants to hear one is told that it cannot be read.
                Output::Link(_) | Output::Fetch(_) | Output::Synthesize(_) => {}
                Output::Fork(_) | Output::LoadSound { .. } => {}
                Output::Drained => self.fate.is_drained = true,
            }
        }
        Ok(())
    }

    fn send(&mut self, to: SocketAddr, bytes: Bytes) {
        if self.plan.sabotage.is_some() && self.passing.contains(&to) {
            if self.victim == Some(to) && self.plan.sabotage == Some(Sabotage::AnswersNothing) {
                return;
            }
            let is_answer = bytes.starts_with(b"SIP/2.0 200") && bytes.windows(8).any(|w| w == b"1 INVITE");
            if self.victim.is_none() && self.spoils(Sabotage::AnswersNothing) {
                self.victim = Some(to);
                return;
            }
            if is_answer && self.spoils(Sabotage::AnswersTwice) {
                let text = String::from_utf8_lossy(&bytes).replacen("200 OK", "486 Busy Here", 1);
                let after = Duration::from_millis(100);
                self.schedule(after, Event::ToPhone { to, bytes: Bytes::from(text) });
            }
        }
        self.travel(|| Event::ToPhone { to, bytes: bytes.clone() });
    }

    pub(super) fn write(&mut self, mut entry: Entry) -> Result<(), String> {
        let is_left = matches!(entry.kind, Kind::QueueLeft { outcome: QueueOutcome::Answered, .. });
        if is_left && self.plan.sabotage == Some(Sabotage::LosesEntry) && self.spoils(Sabotage::LosesEntry) {
            return Ok(());
        }
        if matches!(entry.kind, Kind::TalkEnded { .. }) && self.spoils(Sabotage::WritesTwice) {
            self.ledger.write(&entry)?;
            entry.seq += 1;
        }
        if let Kind::AgentState { state, .. } = &mut entry.kind
            && self.outcome.entries > 2_000
            && self.spoils(Sabotage::ShowsWrongState)
        {
            *state = crate::journal::AgentStateName::Hold;
        }
        if self.plan.sabotage == Some(Sabotage::LosesEntry) {
            entry.seq -= self.spoilt;
        }
        self.outcome.entries += 1;
        self.fate.remember(&entry);
        self.ledger.write(&entry)
    }

    /// Whether the fault put in on purpose happens here: once.
    pub(super) fn spoils(&mut self, what: Sabotage) -> bool {
        let now = self.plan.sabotage == Some(what) && self.spoilt == 0;
        self.spoilt += u64::from(now);
        now
    }
}
