//! One dialog of a phone, as caller or as called side, with the retransmissions RFC 3261 asks of a UDP client.
//!
//! ```text
//!   caller:  Calling --2xx--> Up          Calling --person gives up--> Cancelling --487--> Done
//!   called:  Ringing --picks up--> Final{accepted} --ACK--> Up        Ringing --486 …--> Final --ACK--> Done
//!   both:    Up --BYE sent--> Ending --200--> Done                    Up --BYE came--> Done
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::text::{Text, authorization, sdp};
use super::{PATIENCE, T1, T2, Timer, What, Wishes};
use crate::sim::dice::Dice;

/// Where the dialog is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// INVITE sent.
    Calling,
    /// CANCEL sent; the INVITE still waits for its final response.
    Cancelling,
    /// We were called and ring.
    Ringing,
    /// Our final response is sent, the ACK is missing.
    Final {
        /// It was a 200.
        accepted: bool,
    },
    /// Both talk.
    Up,
    /// BYE sent.
    Ending,
    /// Over.
    Done,
}

/// What the person at the phone will do.
#[derive(Clone, Debug)]
pub struct Script {
    /// Hangs up this long after dialling (caller) or after the ACK (called side).
    pub patience: Duration,
    /// Puts the other side on hold so many times before that.
    pub holds: u32,
    /// Sends the other side there before that (REFER).
    pub transfer: Option<String>,
    /// Presses a key this long after dialling, told by INFO.
    pub key_after: Option<Duration>,
    /// Leaves the offer to the other side.
    pub late: bool,
}

impl Script {
    /// Hangs up after this long and does nothing else.
    pub fn patient(patience: Duration) -> Self {
        Self { patience, holds: 0, transfer: None, key_after: None, late: false }
    }
}

/// A request that waits for its final response.
struct Pending {
    number: u64,
    method: &'static str,
    cseq: u32,
    bytes: Bytes,
    wait: Duration,
    since: Instant,
    /// A provisional response came: an INVITE is not repeated any more.
    heard: bool,
}

/// One dialog.
pub struct Line {
    /// Names it within its phone.
    pub number: u64,
    /// Where it is.
    pub state: State,
    /// When it was over.
    pub done_at: Option<Instant>,
    address: SocketAddr,
    user: String,
    call_id: String,
    /// We made the call.
    is_caller: bool,
    /// Our side of From/To, with tag.
    local: String,
    /// The other side, with its tag once known.
    remote: String,
    target: String,
    cseq: u32,
    /// Beside `request` while a CANCEL is out: the INVITE's number and when it was sent.
    invite: Option<(u32, Instant)>,
    request: Option<Pending>,
    requests: u64,
    /// The INVITE we answer, our last word to it, and its retransmission.
    asked: String,
    word: Bytes,
    word_wait: Duration,
    word_until: Instant,
    word_pending: bool,
    script: Script,
    password: Option<String>,
    challenged: bool,
    gives_up: bool,
    held: bool,
    /// The INVITE that left the offer to the other side: its ACK answers.
    late: Option<u32>,
    /// Final status of each INVITE that had one.
    finals: Vec<(u32, u16)>,
}

impl Line {
    fn bare(number: u64, address: SocketAddr, user: &str, call_id: &str, now: Instant, script: Script) -> Self {
        Self {
            number,
            state: State::Calling,
            done_at: None,
            address,
            user: user.to_owned(),
            call_id: call_id.to_owned(),
            is_caller: true,
            local: String::new(),
            remote: String::new(),
            target: String::new(),
            cseq: 1,
            invite: None,
            request: None,
            requests: 0,
            asked: String::new(),
            word: Bytes::new(),
            word_wait: T1,
            word_until: now,
            word_pending: false,
            script,
            password: None,
            challenged: false,
            gives_up: false,
            held: false,
            late: None,
            finals: Vec::new(),
        }
    }

    /// Calls `number_dialled`. `from_host` is the domain of From; `password` answers a challenge.
    #[allow(clippy::too_many_arguments, reason = "all facts of one INVITE")]
    pub fn call(
        number: u64,
        now: Instant,
        address: SocketAddr,
        (user, from_host): (&str, &str),
        call_id: &str,
        number_dialled: &str,
        password: Option<&str>,
        script: Script,
        wishes: &mut Wishes,
    ) -> Self {
        let mut line = Self::bare(number, address, user, call_id, now, script);
        line.local = format!("<sip:{user}@{from_host}>;tag=t{call_id}");
        line.remote = format!("<sip:{number_dialled}@10.0.0.1>");
        line.target = format!("sip:{number_dialled}@10.0.0.1");
        line.password = password.map(str::to_owned);
        line.send_first_invite(now, "", wishes);
        line.later(now, line.script.patience, What::Act, wishes);
        if let Some(after) = line.script.key_after {
            line.later(now, after, What::Key, wishes);
        }
        line
    }

    /// Is called: rings.
    pub fn called(
        number: u64,
        now: Instant,
        (address, user): (SocketAddr, &str),
        invite: &Text<'_>,
        script: Script,
        wishes: &mut Wishes,
    ) -> Self {
        let call_id = invite.header("Call-ID").unwrap_or_default();
        let mut line = Self::bare(number, address, user, call_id, now, script);
        (line.state, line.is_caller) = (State::Ringing, false);
        line.local = format!("{};tag=t{user}{number}", invite.header("To").unwrap_or_default());
        line.remote = invite.header("From").unwrap_or_default().to_owned();
        line.target = invite.contact_uri().unwrap_or_default().to_owned();
        line.asked = invite.0.to_owned();
        line.word = invite.answer("180 Ringing", &line.tag(), &line.contact(), "");
        wishes.send.push(line.word.clone());
        line
    }

    fn tag(&self) -> String {
        self.local.rsplit_once(";tag=").map(|(_, tag)| tag.to_owned()).unwrap_or_default()
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:{}@{}>\r\n", self.user, self.address)
    }

    fn later(&self, now: Instant, after: Duration, what: What, wishes: &mut Wishes) {
        wishes.timers.push((now + after, Timer::Line { line: self.number, what }));
    }

    fn write(&self, method: &str, cseq: u32, branch: &str, extra: &str, body: &str) -> Bytes {
        let (a, uri, local, remote, id) = (self.address, &self.target, &self.local, &self.remote, &self.call_id);
        Bytes::from(format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {a};branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: {local}\r\nTo: {remote}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n\
             {extra}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    fn send_first_invite(&mut self, now: Instant, authorization: &str, wishes: &mut Wishes) {
        self.late = self.script.late.then_some(self.cseq);
        self.send_invite(now, authorization, "sendrecv", wishes);
    }

    fn send_invite(&mut self, now: Instant, authorization: &str, direction: &str, wishes: &mut Wishes) {
        let (body, content) = match self.late == Some(self.cseq) {
            true => (String::new(), ""),
            false => (sdp(self.address, self.cseq, direction), "Content-Type: application/sdp\r\n"),
        };
        let extra = format!("{}{content}{authorization}", self.contact());
        let branch = format!("{}{}", self.tag(), self.cseq);
        let bytes = self.write("INVITE", self.cseq, &branch, &extra, &body);
        self.invite = Some((self.cseq, now));
        self.request(now, "INVITE", bytes, wishes);
    }

    fn request(&mut self, now: Instant, method: &'static str, bytes: Bytes, wishes: &mut Wishes) {
        self.requests += 1;
        let number = self.requests;
        wishes.send.push(bytes.clone());
        self.later(now, T1, What::Resend(number), wishes);
        let cseq = self.cseq;
        self.request = Some(Pending { number, method, cseq, bytes, wait: T1, since: now, heard: false });
    }

    fn ack(&self, status: u16, cseq: u32, wishes: &mut Wishes) {
        // An ACK to a 2xx is a transaction of its own (RFC 3261 §13.2.2.4).
        let suffix = if status < 300 { "a" } else { "" };
        let branch = format!("{}{cseq}{suffix}", self.tag());
        let (content, answer) = match status < 300 && self.late == Some(cseq) {
            true => ("Content-Type: application/sdp\r\n", sdp(self.address, cseq, "sendrecv")),
            false => ("", String::new()),
        };
        wishes.send.push(self.write("ACK", cseq, &branch, content, &answer));
    }

    fn bye(&mut self, now: Instant, wishes: &mut Wishes) {
        self.state = State::Ending;
        self.word_pending = false;
        self.invite = None;
        self.cseq += 1;
        let bytes = self.write("BYE", self.cseq, &format!("{}{}", self.tag(), self.cseq), "", "");
        self.request(now, "BYE", bytes, wishes);
    }

    /// Asks something in the dialog, beside the call itself.
    fn ask(&mut self, now: Instant, method: &'static str, extra: &str, body: &str, wishes: &mut Wishes) {
        self.cseq += 1;
        let extra = format!("{}{extra}", self.contact());
        let bytes = self.write(method, self.cseq, &format!("{}{}", self.tag(), self.cseq), &extra, body);
        self.request(now, method, bytes, wishes);
    }

    fn cancel(&mut self, now: Instant, wishes: &mut Wishes) {
        self.state = State::Cancelling;
        wishes.told("phone.cancel");
        let bytes = self.write("CANCEL", self.cseq, &format!("{}{}", self.tag(), self.cseq), "", "");
        self.request(now, "CANCEL", bytes, wishes);
    }

    /// Ends without a word: power is gone, or everything is said.
    pub fn finish(&mut self, now: Instant) {
        self.state = State::Done;
        self.done_at = Some(now);
        self.request = None;
        self.invite = None;
        self.word_pending = false;
    }

    /// A response came.
    pub fn response(&mut self, now: Instant, status: u16, text: &Text<'_>, wishes: &mut Wishes) {
        let (cseq, method) = text.cseq();
        if method == "INVITE" {
            return self.invite_answered(now, status, cseq, text, wishes);
        }
        let ours = self.request.as_ref().is_some_and(|r| r.method == method && r.cseq == cseq);
        if status < 200 || !ours {
            return;
        }
        self.request = None;
        match (method, status) {
            ("BYE", _) => self.finish(now),
            ("REFER", 202) => wishes.told("phone.transfers"),
            ("INFO", 200) => wishes.told("phone.key_told"),
            _ => {}
        }
        // After a CANCEL the final response to the INVITE says how it ended; `What::Silence` sees that it comes.
        if method == "CANCEL" {
            self.later(now, PATIENCE * 2, What::Silence, wishes);
        }
    }

    fn invite_answered(&mut self, now: Instant, status: u16, cseq: u32, text: &Text<'_>, wishes: &mut Wishes) {
        let current = self.invite.is_some_and(|(number, _)| number == cseq);
        if status < 200 {
            if let Some(request) = self.request.as_mut().filter(|r| current && r.method == "INVITE") {
                request.heard = true;
                if self.gives_up && self.state == State::Calling {
                    self.cancel(now, wishes);
                }
            }
            return;
        }
        match self.finals.iter().find(|(number, _)| *number == cseq) {
            Some((_, before)) if before / 100 != status / 100 => {
                wishes.fault =
                    Some(format!("INVITE {cseq} of {} was answered {before} and then {status}", self.call_id));
            }
            Some(_) => {}
            None => self.finals.push((cseq, status)),
        }
        if status < 300 && self.state != State::Done && text.in_dialog() {
            self.remote = text.header("To").unwrap_or_default().to_owned();
            if let Some(target) = text.contact_uri() {
                self.target = target.to_owned();
            }
        }
        let to = std::mem::take(&mut self.remote);
        self.remote = text.header("To").unwrap_or_default().to_owned();
        self.ack(status, cseq, wishes);
        self.remote = to;
        if !current {
            return;
        }
        self.invite = None;
        match self.state {
            State::Calling | State::Cancelling => self.first_invite_over(now, status, text, wishes),
            State::Up => self.reinvite_over(now, status, wishes),
            State::Ringing | State::Final { .. } | State::Ending | State::Done => {}
        }
    }

    fn first_invite_over(&mut self, now: Instant, status: u16, text: &Text<'_>, wishes: &mut Wishes) {
        self.request = None;
        if status < 300 {
            // CANCEL crossed the 200, or there was no time for it: the call is up and must be ended.
            let crossed = self.state == State::Cancelling;
            self.state = State::Up;
            wishes.told(if crossed { "phone.cancel_crossed_200" } else { "phone.answered" });
            if crossed || self.gives_up {
                self.bye(now, wishes);
            }
            return;
        }
        if let (401, Some(password), false, State::Calling) =
            (status, self.password.clone(), self.challenged, self.state)
        {
            self.challenged = true;
            self.cseq += 1;
            wishes.told("phone.challenged");
            let header = authorization(text.challenge_md5(), &self.user, &password, "INVITE", &self.target, self.cseq);
            return self.send_first_invite(now, &header, wishes);
        }
        wishes.told(match status {
            403 => "phone.403",
            404 => "phone.404",
            480 => "phone.480",
            486 => "phone.486",
            487 => "phone.487",
            488 => "phone.488",
            503 => "phone.503",
            500 => "phone.500",
            _ => "phone.refused",
        });
        self.finish(now);
    }

    fn reinvite_over(&mut self, now: Instant, status: u16, wishes: &mut Wishes) {
        self.request = None;
        match status {
            200..=299 => {
                self.held = !self.held;
                wishes.told(if self.held { "phone.hold" } else { "phone.resume" });
            }
            // Who made the call waits longer (RFC 3261 §14.1).
            491 => {
                wishes.told("phone.491");
                let wait = if self.is_caller { 2_500 } else { 1_000 };
                self.script.holds += 1;
                self.later(now, Duration::from_millis(wait), What::Act, wishes);
            }
            408 | 481 => self.finish(now),
            _ => wishes.told("phone.hold_refused"),
        }
    }

    /// A request in the dialog, or the one that began it again.
    pub fn handle(&mut self, now: Instant, text: &Text<'_>, wishes: &mut Wishes) {
        match text.method() {
            "INVITE" if text.cseq().0 <= Text(&self.asked).cseq().0 && !self.asked.is_empty() => {
                // A retransmission: the last word again.
                wishes.send.push(self.word.clone());
            }
            "INVITE" => self.reinvited(now, text, wishes),
            "ACK" => self.acknowledged(now, wishes),
            "CANCEL" => {
                wishes.send.push(text.answer("200 OK", &self.tag(), "", ""));
                if self.state == State::Ringing {
                    wishes.told("phone.was_cancelled");
                    self.say(now, "487 Request Terminated", false, wishes);
                }
            }
            "NOTIFY" => {
                wishes.told("phone.notified");
                wishes.send.push(text.answer("200 OK", &self.tag(), "", ""));
            }
            "BYE" => {
                wishes.send.push(text.answer("200 OK", "", "", ""));
                if self.state != State::Done {
                    self.finish(now);
                }
            }
            _ => wishes.send.push(text.answer("501 Not Implemented", &self.tag(), "", "")),
        }
    }

    fn acknowledged(&mut self, now: Instant, wishes: &mut Wishes) {
        self.word_pending = false;
        match self.state {
            State::Final { accepted: true } => {
                self.state = State::Up;
                self.later(now, self.script.patience, What::Act, wishes);
            }
            State::Final { accepted: false } => self.finish(now),
            State::Calling | State::Cancelling | State::Ringing | State::Up | State::Ending | State::Done => {}
        }
    }

    /// The engine passes a new offer on.
    fn reinvited(&mut self, now: Instant, text: &Text<'_>, wishes: &mut Wishes) {
        if self.state != State::Up {
            wishes.send.push(text.answer("481 Call/Transaction Does Not Exist", &self.tag(), "", ""));
        } else if self.invite.is_some() {
            wishes.send.push(text.answer("491 Request Pending", &self.tag(), "", ""));
        } else {
            self.asked = text.0.to_owned();
            wishes.told("phone.reinvited");
            let extra = format!("{}Content-Type: application/sdp\r\n", self.contact());
            self.word = text.answer("200 OK", "", &extra, &sdp(self.address, 9, "sendrecv"));
            self.send_word(now, wishes);
        }
    }

    fn say(&mut self, now: Instant, status: &str, accepted: bool, wishes: &mut Wishes) {
        let text = Text(&self.asked);
        self.word = match accepted {
            true => {
                let extra = format!("{}Content-Type: application/sdp\r\n", self.contact());
                text.answer(status, &self.tag(), &extra, &sdp(self.address, 1, "sendrecv"))
            }
            false => text.answer(status, &self.tag(), "", ""),
        };
        self.state = State::Final { accepted };
        self.send_word(now, wishes);
    }

    fn send_word(&mut self, now: Instant, wishes: &mut Wishes) {
        wishes.send.push(self.word.clone());
        (self.word_wait, self.word_until, self.word_pending) = (T1, now + PATIENCE, true);
        self.later(now, T1, What::ResendWord, wishes);
    }

    /// A timer asked for earlier is due.
    pub fn due(&mut self, now: Instant, what: What, dice: &mut Dice, wishes: &mut Wishes) {
        match what {
            What::Resend(number) => self.resend(now, number, wishes),
            What::ResendWord => self.resend_word(now, wishes),
            What::Act => self.act(now, dice, wishes),
            What::Key if self.state == State::Up && self.request.is_none() => {
                let key = "Content-Type: application/dtmf-relay\r\n";
                self.ask(now, "INFO", key, "Signal=1\r\nDuration=160\r\n", wishes);
            }
            What::Key => {}
            What::Silence => {
                if let (State::Cancelling, Some((_, since))) = (self.state, self.invite) {
                    wishes.unanswered = Some(("INVITE", self.call_id.clone(), since));
                    self.finish(now);
                }
            }
            What::StopRinging => {
                if self.state == State::Ringing {
                    self.say(now, "480 Temporarily Unavailable", false, wishes);
                }
            }
        }
    }

    fn act(&mut self, now: Instant, dice: &mut Dice, wishes: &mut Wishes) {
        match self.state {
            State::Calling if self.request.as_ref().is_some_and(|r| r.heard) => self.cancel(now, wishes),
            State::Calling => self.gives_up = true,
            State::Ringing => match dice.below(100) {
                0..=2 => self.say(now, "486 Busy Here", false, wishes),
                3 => self.say(now, "603 Decline", false, wishes),
                4 => self.say(now, "480 Temporarily Unavailable", false, wishes),
                _ => self.say(now, "200 OK", true, wishes),
            },
            State::Up if self.request.as_ref().is_some_and(|r| now < r.since + PATIENCE * 2) => {
                self.later(now, T1 * 2, What::Act, wishes);
            }
            State::Up if self.request.is_some() => {
                wishes.unanswered = self.request.as_ref().map(|r| (r.method, self.call_id.clone(), r.since));
                self.bye(now, wishes);
            }
            State::Up if self.script.holds > 0 || self.held => {
                self.script.holds = self.script.holds.saturating_sub(u32::from(!self.held));
                self.cseq += 1;
                let direction = if self.held { "sendrecv" } else { "sendonly" };
                self.send_invite(now, "", direction, wishes);
                self.later(now, Duration::from_millis(dice.between(500, 20_000)), What::Act, wishes);
            }
            State::Up if self.script.transfer.is_some() => {
                let target = self.script.transfer.take().unwrap_or_default();
                self.ask(now, "REFER", &format!("Refer-To: <sip:{target}@10.0.0.1>\r\n"), "", wishes);
                // Most phones hang up at once; some wait for the outcome.
                let wait = if dice.chance(50) { dice.between(10, 900) } else { dice.between(2_000, 60_000) };
                self.later(now, Duration::from_millis(wait), What::Act, wishes);
            }
            State::Up => self.bye(now, wishes),
            State::Cancelling | State::Final { .. } | State::Ending | State::Done => {}
        }
    }

    fn resend(&mut self, now: Instant, number: u64, wishes: &mut Wishes) {
        let Some(request) = self.request.as_mut().filter(|r| r.number == number && !r.heard) else { return };
        if now >= request.since + PATIENCE {
            wishes.unanswered = Some((request.method, self.call_id.clone(), request.since));
            return self.finish(now);
        }
        wishes.send.push(request.bytes.clone());
        // An INVITE has no ceiling of T2 (RFC 3261 §17.1.1.2).
        request.wait = if request.method == "INVITE" { request.wait * 2 } else { (request.wait * 2).min(T2) };
        let wait = request.wait;
        self.later(now, wait, What::Resend(number), wishes);
    }

    fn resend_word(&mut self, now: Instant, wishes: &mut Wishes) {
        if !self.word_pending {
            return;
        }
        if now >= self.word_until {
            // Never acknowledged: the other side is gone.
            return self.finish(now);
        }
        wishes.send.push(self.word.clone());
        self.word_wait = (self.word_wait * 2).min(T2);
        self.later(now, self.word_wait, What::ResendWord, wishes);
    }
}
