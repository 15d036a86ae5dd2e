//! Phones of the virtual world: small SIP user agents over text, independent of the engine's own reading of SIP.
//!
//! Each retransmits as RFC 3261 asks of a UDP client, answers what it is asked, and ends with nothing pending.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use md5::{Digest, Md5};

use super::dice::Dice;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64 · T1: when a client gives up.
const PATIENCE: Duration = Duration::from_secs(32);

/// What a phone asks of the world.
#[derive(Debug, Default)]
pub struct Wishes {
    /// Datagrams to the engine.
    pub send: Vec<Bytes>,
    /// When to be called again, with which word.
    pub timers: Vec<(Instant, Timer)>,
}

/// Why a phone is called again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Timer {
    /// Repeat the outstanding request or response number so-and-so.
    Resend(u64),
    /// Do what the person would do now in call number so-and-so.
    Act(u64),
    /// Register again.
    Register,
}

/// One message as text: just enough to play a phone.
pub struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// Reads a datagram; `None` when it is not text.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().map(Self)
    }

    fn first_line(&self) -> &'a str {
        self.0.split("\r\n").next().unwrap_or_default()
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        self.first_line().strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request.
    pub fn method(&self) -> &'a str {
        self.first_line().split(' ').next().unwrap_or_default()
    }

    /// The first header of this full name.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.0.split("\r\n").take_while(|line| !line.is_empty()).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn method_of_cseq(&self) -> &'a str {
        self.header("CSeq").and_then(|v| v.split(' ').next_back()).unwrap_or_default()
    }

    fn contact_uri(&self) -> Option<&'a str> {
        let contact = self.header("Contact")?;
        let inner = contact.split_once('<').map_or(contact, |(_, rest)| rest);
        inner.split('>').next()
    }

    /// A response to it: status line words, our tag, more headers, body.
    pub fn answer(&self, status: &str, tag: &str, extra: &str, body: &str) -> Bytes {
        let mut out = format!("SIP/2.0 {status}\r\n");
        for line in self.0.split("\r\n").take_while(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap_or_default();
            match name {
                "Via" | "From" | "Call-ID" | "CSeq" => out.push_str(line),
                "To" if tag.is_empty() || line.contains(";tag=") => out.push_str(line),
                "To" => {
                    out.push_str(line);
                    out.push_str(";tag=");
                    out.push_str(tag);
                }
                _ => continue,
            }
            out.push_str("\r\n");
        }
        out.push_str(extra);
        out.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        Bytes::from(out)
    }
}

fn sdp(address: SocketAddr) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
        ip = address.ip()
    )
}

/// A customer's phone: one call, then it is done.
pub struct Caller {
    address: SocketAddr,
    id: u64,
    number: &'static str,
    invite: Bytes,
    state: CallerState,
    to: String,
    target: String,
    request: Option<Pending>,
    patience: Duration,
}

#[derive(Debug, PartialEq)]
enum CallerState {
    Calling { provisional: bool, give_up: bool },
    Cancelling,
    Up,
    Done,
}

/// A request that waits for its final response.
struct Pending {
    number: u64,
    bytes: Bytes,
    wait: Duration,
    until: Instant,
    /// Retransmitted as an INVITE: no ceiling of T2.
    invite: bool,
}

impl Caller {
    /// A phone at `address` that will call `number` and hang up `patience` after that at the latest.
    pub fn new(address: SocketAddr, id: u64, number: &'static str, patience: Duration) -> Self {
        let invite = Bytes::new();
        let state = CallerState::Calling { provisional: false, give_up: false };
        Self { address, id, number, invite, state, to: String::new(), target: String::new(), request: None, patience }
    }

    /// Sends the INVITE.
    pub fn start(&mut self, now: Instant, wishes: &mut Wishes) {
        let body = sdp(self.address);
        let (a, id, number) = (self.address, self.id, self.number);
        self.invite = Bytes::from(format!(
            "INVITE sip:{number}@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {a};branch=z9hG4bKi{id};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{id}@customers.example>;tag=c{id}\r\nTo: <sip:{number}@10.0.0.1>\r\n\
             Call-ID: c{id}\r\nCSeq: 1 INVITE\r\nContact: <sip:{id}@{a}>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let bytes = self.invite.clone();
        self.request(now, bytes, true, wishes);
        wishes.timers.push((now + self.patience, Timer::Act(0)));
    }

    fn request(&mut self, now: Instant, bytes: Bytes, invite: bool, wishes: &mut Wishes) {
        let number = self.request.as_ref().map_or(1, |r| r.number + 1);
        wishes.send.push(bytes.clone());
        wishes.timers.push((now + T1, Timer::Resend(number)));
        self.request = Some(Pending { number, bytes, wait: T1, until: now + PATIENCE, invite });
    }

    /// One datagram came.
    pub fn handle(&mut self, now: Instant, bytes: &[u8], wishes: &mut Wishes) {
        let Some(text) = Text::new(bytes) else { return };
        match text.status() {
            Some(status) => match text.method_of_cseq() {
                "INVITE" => self.invite_answered(now, status, &text, wishes),
                "BYE" if status >= 200 => self.finish(),
                // The 487 (or 200) to the INVITE tells how it ended.
                _ => {}
            },
            None if text.method() == "BYE" => {
                wishes.send.push(text.answer("200 OK", "", "", ""));
                self.finish();
            }
            None => {}
        }
    }

    fn finish(&mut self) {
        self.state = CallerState::Done;
        self.request = None;
    }

    fn invite_answered(&mut self, now: Instant, status: u16, text: &Text<'_>, wishes: &mut Wishes) {
        if status < 200 {
            if let CallerState::Calling { provisional, give_up } = &mut self.state {
                *provisional = true;
                if let Some(request) = &mut self.request {
                    request.until = now + Duration::from_secs(86_400);
                    request.wait = Duration::from_secs(86_400);
                }
                if *give_up {
                    self.cancel(now, wishes);
                }
            }
            return;
        }
        self.to = text.header("To").unwrap_or_default().to_owned();
        if status >= 300 {
            let ack =
                self.in_dialog("ACK", 1, &format!("z9hG4bKi{}", self.id), &format!("sip:{}@10.0.0.1", self.number));
            wishes.send.push(ack);
            self.finish();
            return;
        }
        self.target = text.contact_uri().unwrap_or_default().to_owned();
        wishes.send.push(self.in_dialog("ACK", 1, &format!("z9hG4bKa{}", self.id), &self.target));
        match self.state {
            CallerState::Calling { .. } => {
                self.request = None;
                self.state = CallerState::Up;
            }
            // CANCEL crossed the 200: the call is up and must be ended.
            CallerState::Cancelling => {
                self.state = CallerState::Up;
                self.request = None;
                self.bye(now, wishes);
            }
            CallerState::Up | CallerState::Done => {}
        }
    }

    fn in_dialog(&self, method: &str, cseq: u32, branch: &str, uri: &str) -> Bytes {
        let (a, id, to) = (self.address, self.id, &self.to);
        Bytes::from(format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {a};branch={branch};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{id}@customers.example>;tag=c{id}\r\nTo: {to}\r\nCall-ID: c{id}\r\nCSeq: {cseq} {method}\r\n\
             Content-Length: 0\r\n\r\n"
        ))
    }

    fn bye(&mut self, now: Instant, wishes: &mut Wishes) {
        let bye = self.in_dialog("BYE", 2, &format!("z9hG4bKb{}", self.id), &self.target);
        self.request(now, bye, false, wishes);
    }

    fn cancel(&mut self, now: Instant, wishes: &mut Wishes) {
        self.state = CallerState::Cancelling;
        self.to = format!("<sip:{}@10.0.0.1>", self.number);
        let cancel =
            self.in_dialog("CANCEL", 1, &format!("z9hG4bKi{}", self.id), &format!("sip:{}@10.0.0.1", self.number));
        self.request(now, cancel, false, wishes);
    }

    /// A timer asked for earlier is due.
    pub fn handle_timer(&mut self, now: Instant, timer: Timer, wishes: &mut Wishes) {
        match timer {
            Timer::Resend(number) => self.resend(now, number, wishes),
            Timer::Act(_) => match &mut self.state {
                CallerState::Calling { provisional: true, .. } => self.cancel(now, wishes),
                CallerState::Calling { give_up, .. } => *give_up = true,
                CallerState::Up if self.request.is_none() => self.bye(now, wishes),
                CallerState::Up | CallerState::Cancelling | CallerState::Done => {}
            },
            Timer::Register => {}
        }
    }

    fn resend(&mut self, now: Instant, number: u64, wishes: &mut Wishes) {
        let Some(request) = self.request.as_mut().filter(|r| r.number == number) else { return };
        if request.wait > T2 * 20 {
            return;
        }
        if now >= request.until {
            self.finish();
            return;
        }
        wishes.send.push(request.bytes.clone());
        request.wait = if request.invite { request.wait * 2 } else { (request.wait * 2).min(T2) };
        wishes.timers.push((now + request.wait, Timer::Resend(number)));
    }

    /// The call is over and nothing is outstanding.
    pub fn is_done(&self) -> bool {
        self.state == CallerState::Done && self.request.is_none()
    }
}

/// An agent's phone: registers, and takes calls as its person is minded.
pub struct Agent {
    address: SocketAddr,
    user: String,
    password: String,
    calls: BTreeMap<String, AgentCall>,
    next: u64,
    register: Option<Pending>,
    cseq: u32,
    /// Registers again this often; zero: known by fixed contact, never.
    renew: Duration,
}

struct AgentCall {
    number: u64,
    invite: String,
    state: AgentState,
    response: Bytes,
    wait: Duration,
    until: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum AgentState {
    Ringing,
    /// 200 or a refusal sent, ACK missing.
    Final {
        accepted: bool,
    },
    Up,
    HangingUp,
    Done,
}

impl Agent {
    /// A phone of `user` at `address`. With `renew` above zero it registers and keeps registering.
    pub fn new(address: SocketAddr, user: String, password: String, renew: Duration) -> Self {
        let calls = BTreeMap::new();
        Self { address, user, password, calls, next: 1, register: None, cseq: 1, renew }
    }

    /// Begins to register.
    pub fn start(&mut self, now: Instant, wishes: &mut Wishes) {
        if !self.renew.is_zero() {
            self.send_register(now, None, wishes);
        }
    }

    fn send_register(&mut self, now: Instant, challenge: Option<&str>, wishes: &mut Wishes) {
        self.cseq += 1;
        let (a, user, cseq) = (self.address, &self.user, self.cseq);
        let authorization = challenge.map(|c| self.authorization(c)).unwrap_or_default();
        let bytes = Bytes::from(format!(
            "REGISTER sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {a};branch=z9hG4bKr{user}{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@10.0.0.1>;tag=r{user}\r\nTo: <sip:{user}@10.0.0.1>\r\n\
             Call-ID: r{user}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{user}@{a}>\r\nExpires: 600\r\n\
             {authorization}Content-Length: 0\r\n\r\n"
        ));
        wishes.send.push(bytes.clone());
        let number = u64::from(cseq) << 32;
        wishes.timers.push((now + T1, Timer::Resend(number)));
        self.register = Some(Pending { number, bytes, wait: T1, until: now + PATIENCE, invite: false });
    }

    /// RFC 2617 with qop=auth and MD5.
    fn authorization(&self, challenge: &str) -> String {
        let field = |name: &str| {
            let start = challenge.find(&format!("{name}=\""))? + name.len() + 2;
            challenge.get(start..)?.split('"').next()
        };
        let (realm, nonce) = (field("realm").unwrap_or_default(), field("nonce").unwrap_or_default());
        let hash = |text: String| Md5::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect::<String>();
        let ha1 = hash(format!("{}:{realm}:{}", self.user, self.password));
        let ha2 = hash("REGISTER:sip:10.0.0.1".to_owned());
        let response = hash(format!("{ha1}:{nonce}:00000001:c{}:auth:{ha2}", self.cseq));
        format!(
            "Authorization: Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"sip:10.0.0.1\", \
             response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c{}\"\r\n",
            self.user, self.cseq
        )
    }

    /// One datagram came.
    pub fn handle(&mut self, now: Instant, bytes: &[u8], dice: &mut Dice, wishes: &mut Wishes) {
        let Some(text) = Text::new(bytes) else { return };
        match text.status() {
            Some(status) => self.response(now, status, &text, wishes),
            None => self.request(now, &text, dice, wishes),
        }
    }

    fn response(&mut self, now: Instant, status: u16, text: &Text<'_>, wishes: &mut Wishes) {
        match text.method_of_cseq() {
            "REGISTER" if status >= 200 => {
                let current = format!("{} REGISTER", self.cseq);
                if self.register.is_none() || text.header("CSeq") != Some(&current) {
                    return;
                }
                self.register = None;
                if status == 401 {
                    let challenge = challenge_md5(text.0).to_owned();
                    self.send_register(now, Some(&challenge), wishes);
                } else {
                    wishes.timers.push((now + self.renew, Timer::Register));
                }
            }
            "BYE" if status >= 200 => {
                if let Some(call) = text.header("Call-ID").and_then(|id| self.calls.get_mut(id)) {
                    call.state = AgentState::Done;
                }
            }
            _ => {}
        }
    }

    fn request(&mut self, now: Instant, text: &Text<'_>, dice: &mut Dice, wishes: &mut Wishes) {
        let Some(id) = text.header("Call-ID") else { return };
        match text.method() {
            "INVITE" => self.invited(now, id, text, dice, wishes),
            "ACK" => {
                if let Some(call) = self.calls.get_mut(id)
                    && let AgentState::Final { accepted } = call.state
                {
                    call.state = if accepted { AgentState::Up } else { AgentState::Done };
                    if accepted {
                        let talk = dice.between(5_000, 180_000);
                        wishes.timers.push((now + Duration::from_millis(talk), Timer::Act(call.number)));
                    }
                }
            }
            "CANCEL" => {
                let tag = format!("a{}", self.user);
                let Some(call) = self.calls.get_mut(id) else {
                    wishes.send.push(text.answer("481 Call/Transaction Does Not Exist", &tag, "", ""));
                    return;
                };
                wishes.send.push(text.answer("200 OK", &tag, "", ""));
                if call.state == AgentState::Ringing {
                    let invite = call.invite.clone();
                    let bytes = Text(&invite).answer("487 Request Terminated", &tag, "", "");
                    call.finish(now, bytes, false, wishes);
                }
            }
            "BYE" => {
                wishes.send.push(text.answer("200 OK", "", "", ""));
                if let Some(call) = self.calls.get_mut(id) {
                    call.state = AgentState::Done;
                }
            }
            "OPTIONS" => wishes.send.push(text.answer("200 OK", "o", "", "")),
            _ => {}
        }
    }

    fn invited(&mut self, now: Instant, id: &str, text: &Text<'_>, dice: &mut Dice, wishes: &mut Wishes) {
        if let Some(call) = self.calls.get(id) {
            // A retransmission: the last word again.
            wishes.send.push(call.response.clone());
            return;
        }
        self.calls.retain(|_, call| call.state != AgentState::Done);
        let number = self.next;
        self.next += 1;
        let tag = format!("a{}", self.user);
        let response =
            text.answer("180 Ringing", &tag, &format!("Contact: <sip:{}@{}>\r\n", self.user, self.address), "");
        wishes.send.push(response.clone());
        let call = AgentCall {
            number,
            invite: text.0.to_owned(),
            state: AgentState::Ringing,
            response,
            wait: T1,
            until: now + PATIENCE,
        };
        self.calls.insert(id.to_owned(), call);
        // Some never answer: then no timer ends the ring, and the engine withdraws it.
        if !dice.chance(4) {
            wishes.timers.push((now + Duration::from_millis(dice.between(300, 12_000)), Timer::Act(number)));
        }
    }

    /// A timer asked for earlier is due.
    pub fn handle_timer(&mut self, now: Instant, timer: Timer, dice: &mut Dice, wishes: &mut Wishes) {
        match timer {
            Timer::Register => self.send_register(now, None, wishes),
            Timer::Resend(number) if number >> 32 != 0 => self.resend_register(now, number, wishes),
            Timer::Resend(number) => self.resend(now, number, wishes),
            Timer::Act(number) => self.act(now, number, dice, wishes),
        }
    }

    fn act(&mut self, now: Instant, number: u64, dice: &mut Dice, wishes: &mut Wishes) {
        let (address, user) = (self.address, self.user.clone());
        let Some((id, call)) = self.calls.iter_mut().find(|(_, call)| call.number == number) else { return };
        let tag = format!("a{user}");
        match call.state {
            AgentState::Ringing => {
                let invite = call.invite.clone();
                let text = Text(&invite);
                let (bytes, accepted) = match dice.below(100) {
                    0..=2 => (text.answer("486 Busy Here", &tag, "", ""), false),
                    3 => (text.answer("603 Decline", &tag, "", ""), false),
                    4 => (text.answer("480 Temporarily Unavailable", &tag, "", ""), false),
                    _ => {
                        let extra = format!("Contact: <sip:{user}@{address}>\r\nContent-Type: application/sdp\r\n");
                        (text.answer("200 OK", &tag, &extra, &sdp(address)), true)
                    }
                };
                call.finish(now, bytes, accepted, wishes);
            }
            AgentState::Up => {
                let invite = call.invite.clone();
                let text = Text(&invite);
                let uri = text.contact_uri().unwrap_or_default();
                let (from, to) = (text.header("From").unwrap_or_default(), text.header("To").unwrap_or_default());
                let bye = format!(
                    "BYE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKb{user}{number};rport\r\n\
                     Max-Forwards: 70\r\nFrom: {to};tag={tag}\r\nTo: {from}\r\nCall-ID: {id}\r\nCSeq: 7 BYE\r\n\
                     Content-Length: 0\r\n\r\n"
                );
                call.state = AgentState::HangingUp;
                call.response = Bytes::from(bye);
                call.wait = T1;
                call.until = now + PATIENCE;
                wishes.send.push(call.response.clone());
                wishes.timers.push((now + T1, Timer::Resend(number)));
            }
            AgentState::Final { .. } | AgentState::HangingUp | AgentState::Done => {}
        }
    }

    fn resend(&mut self, now: Instant, number: u64, wishes: &mut Wishes) {
        let Some(call) = self.calls.values_mut().find(|call| call.number == number) else { return };
        if !matches!(call.state, AgentState::Final { .. } | AgentState::HangingUp) {
            return;
        }
        if now >= call.until {
            call.state = AgentState::Done;
            return;
        }
        wishes.send.push(call.response.clone());
        call.wait = (call.wait * 2).min(T2);
        wishes.timers.push((now + call.wait, Timer::Resend(number)));
    }

    fn resend_register(&mut self, now: Instant, number: u64, wishes: &mut Wishes) {
        let Some(register) = self.register.as_mut().filter(|r| r.number == number) else { return };
        if now >= register.until {
            self.register = None;
            self.send_register(now, None, wishes);
            return;
        }
        wishes.send.push(register.bytes.clone());
        register.wait = (register.wait * 2).min(T2);
        wishes.timers.push((now + register.wait, Timer::Resend(number)));
    }
}

impl AgentCall {
    fn finish(&mut self, now: Instant, response: Bytes, accepted: bool, wishes: &mut Wishes) {
        self.state = AgentState::Final { accepted };
        self.response = response.clone();
        self.wait = T1;
        self.until = now + PATIENCE;
        wishes.send.push(response);
        wishes.timers.push((now + T1, Timer::Resend(self.number)));
    }
}

/// The MD5 challenge among those offered.
fn challenge_md5(message: &str) -> &str {
    let mut challenges = message
        .split("\r\n")
        .filter(|line| line.get(..17).is_some_and(|name| name.eq_ignore_ascii_case("WWW-Authenticate:")));
    let first = challenges.clone().next().unwrap_or_default();
    challenges.find(|line| !line.contains("SHA-256")).unwrap_or(first)
}
