//! Phones of the virtual world: small SIP user agents over text, independent of the engine's own reading of SIP.
//!
//! A [`Phone`] has lines and perhaps a registration. It retransmits as RFC 3261 asks of a UDP client, answers what
//! it is asked, and notices what no phone may ever see: an INVITE without a final response or with two different
//! ones.

mod line;
mod text;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::dice::Dice;
use line::{Line, State};

pub use line::Script;
pub use text::Text;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64 · T1: when a client gives up.
const PATIENCE: Duration = Duration::from_secs(32);
/// How long a line that is over still knows its repeated messages.
const LINGER: Duration = Duration::from_secs(40);
/// A phone stops ringing by itself after this long.
const RINGS: Duration = Duration::from_secs(120);

/// What a phone asks of the world.
#[derive(Debug, Default)]
pub struct Wishes {
    /// Datagrams to the engine.
    pub send: Vec<Bytes>,
    /// When to be called again, with which word.
    pub timers: Vec<(Instant, Timer)>,
    /// What the phone saw, for the day's count.
    pub told: Vec<&'static str>,
    /// A request (method, Call-ID, when it was sent) that never got its final response.
    pub unanswered: Option<(&'static str, String, Instant)>,
    /// What no phone may see.
    pub fault: Option<String>,
}

impl Wishes {
    fn told(&mut self, what: &'static str) {
        self.told.push(what);
    }
}

/// Why a phone is called again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Timer {
    /// Something on one of its lines.
    Line {
        /// Which.
        line: u64,
        /// What.
        what: What,
    },
    /// Register again.
    Register,
    /// Repeat REGISTER number so-and-so.
    ResendRegister(u32),
    /// Power is back.
    Wake,
}

/// What is due on a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// Repeat request number so-and-so.
    Resend(u64),
    /// Repeat the final response.
    ResendWord,
    /// The person acts.
    Act,
    /// The person presses a key.
    Key,
    /// The final response to a cancelled INVITE must be there.
    Silence,
    /// It rang long enough.
    StopRinging,
}

/// REGISTER that waits for its final response.
struct Registering {
    bytes: Bytes,
    wait: Duration,
    until: Instant,
}

/// One phone.
pub struct Phone {
    address: SocketAddr,
    user: String,
    /// Proves its user; without it the phone is known by its address, or a stranger's.
    password: Option<String>,
    lines: BTreeMap<String, Line>,
    next_line: u64,
    /// It registers, and renews this often.
    renew: Option<Duration>,
    registering: Option<Registering>,
    cseq: u32,
    /// How often it was switched on: each time it registers with another Call-ID.
    boots: u32,
    /// It wants its binding removed.
    leaving: bool,
    is_dark: bool,
    /// The REGISTER under way answers a challenge.
    has_answered: bool,
    /// Before this moment it has no reason to register.
    registers_at: Option<Instant>,
}

impl Phone {
    /// A phone of `user` at `address`; with `renew` it registers.
    pub fn new(address: SocketAddr, user: &str, password: Option<String>, renew: Option<Duration>) -> Self {
        Self {
            address,
            user: user.to_owned(),
            password,
            lines: BTreeMap::new(),
            next_line: 1,
            renew,
            registering: None,
            cseq: 0,
            boots: 1,
            leaving: false,
            is_dark: false,
            has_answered: false,
            registers_at: None,
        }
    }

    /// Switches it on.
    pub fn start(&mut self, now: Instant, wishes: &mut Wishes) {
        if self.renew.is_some() {
            self.register(now, None, wishes);
        }
    }

    /// Calls `number`; `from_host` is the domain of From.
    pub fn dial(
        &mut self,
        now: Instant,
        call_id: &str,
        from_host: &str,
        number: &str,
        script: Script,
        wishes: &mut Wishes,
    ) {
        let line = self.next_line;
        self.next_line += 1;
        let from = (self.user.as_str(), from_host);
        let password = self.password.as_deref();
        let line = Line::call(line, now, self.address, from, call_id, number, password, script, wishes);
        self.lines.insert(call_id.to_owned(), line);
    }

    /// Whether anything goes on at it.
    pub fn is_idle(&self) -> bool {
        self.lines.values().all(|line| line.state == State::Done)
    }

    /// Whether it has power.
    pub fn is_on(&self) -> bool {
        !self.is_dark
    }

    /// Its lines that are not over, in words.
    pub fn doing(&self) -> String {
        let lines = self.lines.values().filter(|line| line.state != State::Done);
        lines.map(|line| format!("{} {:?} ", self.user, line.state)).collect()
    }

    /// Whether it talks.
    pub fn is_up(&self) -> bool {
        self.lines.values().any(|line| line.state == State::Up)
    }

    /// Its user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether it registers, so that it can be lost and come back.
    pub fn registers(&self) -> bool {
        self.renew.is_some() && !self.is_dark
    }

    /// Takes its binding away and comes back after `away`.
    pub fn leave(&mut self, now: Instant, away: Duration, wishes: &mut Wishes) {
        self.leaving = true;
        wishes.told("phone.unregisters");
        self.register(now, None, wishes);
        self.register_later(now + away, wishes);
    }

    /// Loses power for `time`: lines and registration are forgotten without a word.
    pub fn go_dark(&mut self, now: Instant, time: Duration, wishes: &mut Wishes) {
        self.is_dark = true;
        self.registering = None;
        self.lines.values_mut().for_each(|line| line.finish(now));
        wishes.told("phone.loses_power");
        wishes.timers.push((now + time, Timer::Wake));
    }

    /// It does nothing any more.
    pub fn switch_off(&mut self) {
        (self.is_dark, self.renew) = (true, None);
    }

    /// One datagram came.
    pub fn handle(&mut self, now: Instant, bytes: &[u8], dice: &mut Dice, wishes: &mut Wishes) {
        let Some(text) = Text::new(bytes).filter(|_| !self.is_dark) else { return };
        let Some(id) = text.header("Call-ID") else { return };
        match text.status() {
            Some(status) if text.cseq().1 == "REGISTER" => self.registered(now, status, &text, wishes),
            Some(status) => {
                if let Some(line) = self.lines.get_mut(id) {
                    line.response(now, status, &text, wishes);
                }
            }
            None => match self.lines.get_mut(id) {
                Some(line) => line.handle(now, &text, wishes),
                None if text.method() == "INVITE" && !text.in_dialog() => self.invited(now, id, &text, dice, wishes),
                None => wishes.send.extend(stranger(&text)),
            },
        }
    }

    fn invited(&mut self, now: Instant, id: &str, text: &Text<'_>, dice: &mut Dice, wishes: &mut Wishes) {
        self.lines.retain(|_, line| line.done_at.is_none_or(|at| now < at + LINGER));
        let number = self.next_line;
        self.next_line += 1;
        let holds = if dice.chance(15) { dice.between(1, 2) as u32 } else { 0 };
        let to = ["600", "601", "500", "7901", "7123", "8400", "12345", "603"];
        let to = usize::try_from(dice.below(to.len() as u64)).ok().and_then(|at| to.get(at));
        let transfer = to.filter(|_| dice.chance(8)).map(|to| (*to).to_owned());
        let patience = Duration::from_millis(dice.between(5_000, 180_000));
        let script = Script { holds, transfer, ..Script::patient(patience) };
        let line = Line::called(number, now, (self.address, &self.user), text, script, wishes);
        self.lines.insert(id.to_owned(), line);
        // Some never answer: then no timer ends the ring, and the engine withdraws it.
        if !dice.chance(4) {
            let pick_up = now + Duration::from_millis(dice.between(300, 12_000));
            wishes.timers.push((pick_up, Timer::Line { line: number, what: What::Act }));
        }
        wishes.timers.push((now + RINGS, Timer::Line { line: number, what: What::StopRinging }));
    }

    /// A timer asked for earlier is due.
    pub fn due(&mut self, now: Instant, timer: Timer, dice: &mut Dice, wishes: &mut Wishes) {
        match timer {
            Timer::Wake if self.renew.is_none() => {}
            Timer::Wake => {
                (self.is_dark, self.boots, self.cseq) = (false, self.boots + 1, 0);
                self.register(now, None, wishes);
            }
            _ if self.is_dark => {}
            Timer::Register if self.registers_at.is_some_and(|at| now < at) => {}
            Timer::Register => {
                self.leaving = false;
                self.register(now, None, wishes);
            }
            Timer::ResendRegister(number) => self.resend_register(now, number, wishes),
            Timer::Line { line, what } => {
                if let Some(line) = self.lines.values_mut().find(|known| known.number == line) {
                    line.due(now, what, dice, wishes);
                }
            }
        }
    }

    fn register(&mut self, now: Instant, challenge: Option<&str>, wishes: &mut Wishes) {
        self.cseq += 1;
        self.has_answered = challenge.is_some();
        wishes.told("phone.registers");
        let (a, user, cseq, boots) = (self.address, &self.user, self.cseq, self.boots);
        let password = self.password.as_deref().unwrap_or_default();
        let header = challenge
            .map(|c| text::authorization(c, user, password, "REGISTER", "sip:10.0.0.1", cseq))
            .unwrap_or_default();
        let expires = if self.leaving { 0 } else { 600 };
        let bytes = Bytes::from(format!(
            "REGISTER sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {a};branch=z9hG4bKr{user}-{boots}-{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@10.0.0.1>;tag=r{user}\r\nTo: <sip:{user}@10.0.0.1>\r\n\
             Call-ID: r{user}-{boots}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{user}@{a}>\r\n\
             Expires: {expires}\r\n{header}Content-Length: 0\r\n\r\n"
        ));
        wishes.send.push(bytes.clone());
        wishes.timers.push((now + T1, Timer::ResendRegister(cseq)));
        self.registering = Some(Registering { bytes, wait: T1, until: now + PATIENCE });
    }

    fn registered(&mut self, now: Instant, status: u16, text: &Text<'_>, wishes: &mut Wishes) {
        let is_current = text.cseq().0 == self.cseq && self.registering.is_some();
        if status < 200 || !is_current {
            return;
        }
        self.registering = None;
        match (status, self.renew) {
            // Challenged again after the answer: this user is not known now, so later.
            (401, _) if !std::mem::replace(&mut self.has_answered, true) => {
                self.register(now, Some(text.challenge_md5()), wishes);
            }
            (_, Some(renew)) if !self.leaving => self.register_later(now + renew, wishes),
            _ => {}
        }
    }

    fn register_later(&mut self, at: Instant, wishes: &mut Wishes) {
        self.registers_at = Some(at);
        wishes.timers.push((at, Timer::Register));
    }

    fn resend_register(&mut self, now: Instant, number: u32, wishes: &mut Wishes) {
        if number != self.cseq {
            return;
        }
        let Some(register) = &mut self.registering else { return };
        if now >= register.until {
            return self.register(now, None, wishes);
        }
        wishes.send.push(register.bytes.clone());
        register.wait = (register.wait * 2).min(T2);
        wishes.timers.push((now + register.wait, Timer::ResendRegister(number)));
    }
}

/// What a phone answers to a request about a call it does not know (any more).
pub fn stranger(text: &Text<'_>) -> Option<Bytes> {
    match text.status() {
        Some(_) => None,
        None => match text.method() {
            "ACK" => None,
            // A phone whose call is over still answers a repeated BYE.
            "BYE" | "OPTIONS" => Some(text.answer("200 OK", "o", "", "")),
            _ => Some(text.answer("481 Call/Transaction Does Not Exist", "o", "", "")),
        },
    }
}
