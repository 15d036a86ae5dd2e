//! Random orders of everything that people and phones do, by seed: transfers, hang-ups, answers, offers, cancels.
//!
//! The engine's invariants are checked after each step (`Centre`); when all have hung up, nothing may be left.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use hatif::call::Switch;
use hatif::engine::Input;
use hatif::journal::{AgentStateName, Kind, SupervisionMode};
use hatif::media::Event;

use crate::centre::*;
use crate::pages::with_pages;
use crate::phone::{Leg, contact, header, response, status};

/// How many orders are played: some five seconds.
const SEEDS: u64 = 150;

/// Dice that fall the same way for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % sides as u64).expect("small")
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())].clone()
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Our INVITE waits for its answer.
    Dialing,
    /// The centre's INVITE waits for ours.
    Ringing,
    Up,
    Gone,
}

/// One dialog of a phone.
struct Line {
    leg: Leg,
    state: State,
    /// The INVITE under way had no offer: its ACK has to answer.
    late: bool,
    /// A re-INVITE of ours is under way.
    inviting: bool,
}

struct Storm {
    centre: Centre,
    dice: Dice,
    lines: Vec<Line>,
    /// Phones whose place was taken.
    replaced: usize,
    /// Agent 101 has no phone on his desk but web pages, which come and go.
    pages: bool,
}

impl Storm {
    fn new(seed: u64) -> Self {
        Self { centre: Centre::new(), dice: Dice(seed), lines: Vec::new(), replaced: 0, pages: false }
    }

    fn with_pages(seed: u64) -> Self {
        let mut centre = Centre::with(|settings| {
            let (desks, phone) = (settings.sip.fixed.clone(), settings.floor.agents["103"].contact);
            with_pages(settings);
            settings.sip.fixed = desks;
            settings.floor.agents.get_mut("103").expect("103").contact = phone;
        });
        centre.loads(desk(101), "101", "p0");
        Self { centre, pages: true, ..Self::new(seed) }
    }

    /// Whoever is heard by media is silent now, or heard again.
    fn silence(&mut self, silent: bool) {
        for leg in (0..).map_while(|n| self.centre.leg_named(n)).collect::<Vec<_>>() {
            self.centre.handle(Input::Media(Event::OneWay { leg, silent }));
        }
    }

    /// His page is loaded anew, cut off, or silent for a while.
    fn shake(&mut self) {
        self.react();
        let at = desk(101);
        match self.dice.roll(6) {
            kind @ 0..=3 => {
                let (_, contact) = self.centre.pages[&at].clone();
                let name = contact.split([':', '@']).nth(1).expect("a name").to_owned();
                self.centre.closes(at);
                let time = self.dice.pick(&[0, 400, 3_000, 30_000]);
                self.centre.pass(ms(time));
                if self.dice.roll(2) == 0 {
                    self.silence(true);
                }
                self.centre.ignore(at);
                if kind == 0 {
                    return self.centre.loads(at, "101", &name);
                }
                self.lines.retain(|line| line.leg.at != at);
                let name = format!("p{}", self.centre.fresh());
                self.centre.loads(at, "101", &name);
                let time = self.dice.pick(&[0, 1_500, 2_500]);
                self.centre.pass(ms(time));
            }
            4 => {
                let silent = self.dice.roll(2) == 0;
                self.silence(silent);
            }
            _ => {
                let number = self.dice.roll(12);
                if let Some(leg) = self.centre.leg_named(number).filter(|leg| !self.centre.speaks.remove(leg)) {
                    self.centre.speaks.insert(leg);
                }
            }
        }
    }

    /// Phones do at once what has to be done.
    fn react(&mut self) {
        while let Some((at, message)) = self.centre.post() {
            let id = header(&message, "Call-ID").expect("Call-ID").to_owned();
            let line = self.lines.iter().position(|line| line.leg.at == at && line.leg.call_id == id);
            match status(&message) {
                Some(code) => {
                    if let (Some(line), true) = (line, header(&message, "CSeq").is_some_and(|c| c.ends_with("INVITE")))
                    {
                        self.hears(line, code, &message);
                    }
                }
                None => self.asked(line, at, &message),
            }
        }
    }

    /// A response to an INVITE of ours.
    fn hears(&mut self, at: usize, code: u16, message: &str) {
        let line = &mut self.lines[at];
        let first = line.state == State::Dialing;
        if code < 200 {
            if let (true, Some(to)) = (first && code > 100, header(message, "To")) {
                line.leg.remote = to.to_owned();
            }
            return;
        }
        line.inviting = false;
        let late = std::mem::take(&mut line.late);
        if code >= 300 {
            let uri = if first { header(&line.leg.invite, "To").unwrap_or_default() } else { &line.leg.target };
            let uri = uri.trim_matches(['<', '>']).to_owned();
            if first {
                line.leg.remote = header(message, "To").expect("To").to_owned();
                line.state = State::Gone;
            }
            let ack = line.leg.request("ACK", line.leg.cseq, &line.leg.branch, &uri, "");
            return self.centre.send(line.leg.at, ack);
        }
        if first {
            line.leg.remote = header(message, "To").expect("To").to_owned();
            line.leg.target = contact(message);
            line.state = State::Up;
        }
        let (leg, answer) =
            (line.leg.clone(), if late { self.centre.answer_of(line.leg.at, "sendrecv") } else { String::new() });
        self.centre.ack_with(&leg, &answer);
    }

    /// A request of the centre.
    fn asked(&mut self, line: Option<usize>, at: SocketAddr, message: &str) {
        let method = message.split(' ').next().unwrap_or_default();
        let tagged = header(message, "To").is_some_and(|to| to.contains(";tag="));
        match (method, line) {
            ("ACK", _) => {}
            ("INVITE", None) if !tagged => {
                let n = self.centre.fresh();
                let text = |name: &str| header(message, name).expect("a header").to_owned();
                let leg = Leg {
                    at,
                    local: format!("{};tag=p{n}", text("To")),
                    remote: text("From"),
                    target: contact(message),
                    call_id: text("Call-ID"),
                    cseq: 100,
                    branch: String::new(),
                    invite: message.to_owned(),
                };
                self.lines.push(Line { leg, state: State::Ringing, late: false, inviting: false });
            }
            ("INVITE" | "UPDATE", Some(line)) => {
                let up = self.lines[line].state == State::Up && !self.lines[line].inviting;
                let (status, answer) = match (up, self.dice.roll(5)) {
                    (false, _) => ("491 Request Pending", String::new()),
                    (true, 0) => ("488 Not Acceptable Here", String::new()),
                    (true, _) => ("200 OK", self.centre.answer_of(at, "sendrecv")),
                };
                self.centre.send(at, response(message, status, "", at, &answer));
            }
            ("CANCEL", line) => {
                self.centre.send(at, response(message, "200 OK", "", at, ""));
                if let Some(line) = line.filter(|line| self.lines[*line].state == State::Ringing) {
                    self.says(line, "487 Request Terminated", "");
                    self.lines[line].state = State::Gone;
                }
            }
            ("BYE", line) => {
                self.replaced += usize::from(message.contains("Replaced"));
                self.centre.send(at, response(message, "200 OK", "", at, ""));
                if let Some(line) = line {
                    self.lines[line].state = State::Gone;
                }
            }
            _ => self.centre.send(at, response(message, "200 OK", "", at, "")),
        }
    }

    fn says(&mut self, line: usize, status: &str, answer: &str) {
        let leg = &self.lines[line].leg;
        let tag = leg.local.split(";tag=").nth(1).unwrap_or_default().to_owned();
        let text = response(&leg.invite, status, &tag, leg.at, answer);
        self.centre.send(leg.at, text);
    }

    /// A line in this state, any of them.
    fn some(&mut self, state: State) -> Option<usize> {
        let all: Vec<usize> = (0..self.lines.len()).filter(|at| self.lines[*at].state == state).collect();
        (!all.is_empty()).then(|| self.dice.pick(&all))
    }

    fn dial(&mut self) {
        let number = self.dice.pick(&["600", "600", "600", "500", "602", "7001", "8001", "101", "102", "510", "511"]);
        let (at, user) = match self.dice.roll(7) {
            0 | 1 => (stranger(u8::try_from(1 + self.dice.roll(4)).expect("small")), "0551"),
            2 | 3 => (trunk(), "0552"),
            4 => (desk(101), "101"),
            5 => (desk(103), "103"),
            _ => (desk(201), "201"),
        };
        // Who talks consults somebody.
        let talking = self.some(State::Up).map(|line| self.lines[line].leg.at).filter(|_| self.dice.roll(2) == 0);
        let desks = [(desk(101), "101"), (desk(102), "102"), (desk(103), "103")];
        let (at, user) = desks.into_iter().find(|(desk, _)| Some(*desk) == talking).unwrap_or((at, user));
        // A supervisor listens, whatever becomes of the talk.
        let number = if user == "201" { self.dice.pick(&["*81101", "*82101", "*83102", "*81102"]) } else { number };
        let late = self.dice.roll(5) == 0;
        let offer = if late { String::new() } else { self.centre.offer_of(at, "sendrecv") };
        let leg = self.centre.dial_with(at, user, number, "Max-Forwards: 70", &offer);
        self.lines.push(Line { leg, state: State::Dialing, late, inviting: false });
    }

    fn answer(&mut self) {
        let Some(line) = self.some(State::Ringing) else { return };
        let (at, kind) = (self.lines[line].leg.at, self.dice.roll(8));
        match kind {
            0 => self.says(line, "180 Ringing", ""),
            1 => self.says(line, "183 Session Progress", &self.centre.answer_of(at, "sendrecv")),
            2 => {
                let refusal = self.dice.pick(&["486 Busy Here", "603 Decline", "480 Away", "404 Not Found"]);
                self.lines[line].state = State::Gone;
                self.says(line, refusal, "");
            }
            _ => {
                self.lines[line].state = State::Up;
                let direction = self.dice.pick(&["sendrecv", "sendrecv", "inactive"]);
                self.says(line, "200 OK", &self.centre.answer_of(at, direction));
            }
        }
    }

    fn ask(&mut self, line: usize, method: &str, headers: &str) {
        let branch = format!("z9hG4bKs{}", self.centre.fresh());
        let leg = &mut self.lines[line].leg;
        leg.cseq += 1;
        let text = leg.request(method, leg.cseq, &branch, &leg.target, "");
        let text = text.replacen("Max-Forwards: 70\r\n", &format!("Max-Forwards: 70\r\n{headers}"), 1);
        self.centre.send(leg.at, text);
    }

    fn hang_up(&mut self) {
        if let Some(line) = self.some(State::Up) {
            self.lines[line].state = State::Gone;
            self.ask(line, "BYE", "");
        }
    }

    fn cancel(&mut self) {
        if let Some(line) = self.some(State::Dialing) {
            let leg = self.lines[line].leg.clone();
            self.centre.cancel(&leg);
        }
    }

    fn transfer(&mut self) {
        let Some(line) = self.some(State::Up) else { return };
        let other = match self.dice.roll(3) {
            0 => None,
            // Mostly one of the same phone: an attended transfer.
            _ => (0..self.lines.len()).rev().find(|other| {
                let (one, two) = (&self.lines[line], &self.lines[*other]);
                *other != line && one.leg.at == two.leg.at && matches!(two.state, State::Up | State::Dialing)
            }),
        };
        let target = match other {
            None => self
                .dice
                .pick(&["600", "601", "603", "500", "101", "102", "103", "7001", "8001", "*11", "nobody"])
                .to_owned(),
            Some(other) => format!(
                "x@10.0.0.1?Replaces={}",
                dialog(&self.lines[other].leg).replace(';', "%3B").replace('=', "%3D")
            ),
        };
        let uri = if target.contains('@') { target } else { format!("{target}@10.0.0.1") };
        self.ask(line, "REFER", &format!("Refer-To: <sip:{uri}>\r\n"));
    }

    fn offer(&mut self) {
        let Some(line) = self.some(State::Up).filter(|line| !self.lines[*line].inviting) else { return };
        let direction = self.dice.pick(&["sendrecv", "sendonly", "inactive", ""]);
        let line = &mut self.lines[line];
        (line.inviting, line.late) = (true, direction.is_empty());
        let offer = if direction.is_empty() { String::new() } else { self.centre.offer_of(line.leg.at, direction) };
        self.centre.offers(&mut line.leg, &offer);
    }

    fn take_place(&mut self) {
        let states = [State::Up, State::Up, State::Ringing];
        let wanted = self.dice.pick(&states);
        let Some(line) = self.some(wanted) else { return };
        let (at, user) = self.dice.pick(&[(desk(102), "102"), (desk(103), "103"), (desk(101), "101")]);
        let plain = dialog(&self.lines[line].leg);
        let headers = format!("Max-Forwards: 70\r\nReplaces: {plain}");
        let leg = self.centre.dial_with(at, user, "x", &headers, &self.centre.offer_of(at, "sendrecv"));
        self.lines.push(Line { leg, state: State::Dialing, late: false, inviting: false });
    }

    /// A supervisor takes part in another way, by key or from the console.
    fn switch(&mut self) {
        let lines: Vec<usize> = (0..self.lines.len())
            .filter(|at| self.lines[*at].leg.at == desk(201) && self.lines[*at].state == State::Up)
            .collect();
        if lines.is_empty() || self.dice.roll(4) == 0 {
            let mode = self.dice.pick(&[SupervisionMode::Whisper, SupervisionMode::Barge]);
            let switch = if self.dice.roll(3) == 0 { Switch::TakeOver } else { Switch::Mode(mode) };
            let agent = self.dice.pick(&["101", "102"]);
            let _ = self.centre.supervise(agent, Some("201"), switch);
            return;
        }
        let line = self.dice.pick(&lines);
        let body = format!("Signal={}\r\nDuration=160\r\n", self.dice.pick(&['1', '2', '3', '3', '4', '7']));
        let branch = format!("z9hG4bKk{}", self.centre.fresh());
        let leg = &mut self.lines[line].leg;
        leg.cseq += 1;
        let text = leg.request("INFO", leg.cseq, &branch, &leg.target, &body);
        self.centre.send(leg.at, text.replace("application/sdp", "application/dtmf-relay"));
    }

    fn step(&mut self) {
        if self.pages && self.dice.roll(5) == 0 {
            self.shake();
        }
        match self.dice.roll(25) {
            0..=2 => self.dial(),
            3..=7 => self.answer(),
            8 | 9 => self.hang_up(),
            10 => self.cancel(),
            11..=14 => self.transfer(),
            15 | 16 => self.offer(),
            17 => self.take_place(),
            22..=24 => self.switch(),
            18 => {
                if let Some(line) = self.some(State::Up) {
                    self.ask(line, "INFO", "");
                }
            }
            _ => {
                let ms_ = [20, 400, 3_000, 15_000, 40_000];
                let time = self.dice.pick(&ms_);
                self.centre.pass(ms(time));
            }
        }
        // Not always: what crosses on the wire has to be borne too.
        if self.dice.roll(3) > 0 {
            self.react();
        }
    }

    /// Everybody goes home. Gives what happened, counted.
    fn end(mut self, happened: &mut BTreeMap<String, usize>) {
        for _ in 0..12 {
            self.react();
            while let Some(line) = self.some(State::Ringing) {
                self.lines[line].state = State::Gone;
                self.says(line, "603 Decline", "");
            }
            while let Some(line) = self.some(State::Up) {
                self.lines[line].state = State::Gone;
                self.ask(line, "BYE", "");
            }
            for line in 0..self.lines.len() {
                if self.lines[line].state == State::Dialing {
                    let leg = self.lines[line].leg.clone();
                    self.centre.cancel(&leg);
                }
            }
            self.react();
            self.centre.pass(seconds(40));
            // Nobody hangs up at a page that is gone: media misses it.
            for leg in (0..).map_while(|n| self.centre.leg_named(n)).collect::<Vec<_>>() {
                if self.pages {
                    self.centre.handle(Input::Media(Event::MediaTimeout { leg }));
                }
            }
        }
        self.react();
        let left: Vec<String> =
            self.centre.engine.calls().map(|call| format!("{} {:?}", call.id(), call.route())).collect();
        assert!(left.is_empty(), "{left:?}\n{}", self.centre.story());
        self.centre.nothing_is_left();
        let words = self.centre.told(|kind| match kind {
            Kind::Transferred { attended, .. } => Some(format!("transferred, attended {attended}")),
            Kind::TransferFailed { returned, .. } => Some(format!("failed, returned {returned}")),
            Kind::Queued { transferred: true, .. } => Some("queued by transfer".to_owned()),
            Kind::SupervisionStarted { .. } => Some("heard".to_owned()),
            Kind::SupervisionChanged { .. } => Some("switched".to_owned()),
            Kind::TakenOver { .. } => Some("taken over".to_owned()),
            Kind::PageLost { .. } => Some("page lost".to_owned()),
            Kind::Rejoined { anew, .. } => Some(format!("page back, anew {anew}")),
            Kind::RejoinFailed { .. } => Some("page not back".to_owned()),
            _ => None,
        });
        for word in words.into_iter().chain((0..self.replaced).map(|_| "replaced".to_owned())) {
            *happened.entry(word).or_default() += 1;
        }
        for agent in ["101", "102", "103"] {
            let state = self.centre.state(agent);
            assert!(
                !matches!(state, AgentStateName::Busy | AgentStateName::Hold | AgentStateName::Ringing),
                "{agent} is {state:?}\n{}",
                self.centre.story()
            );
        }
    }
}

/// `CALL-ID;to-tag=…;from-tag=…` of a dialog.
fn dialog(leg: &Leg) -> String {
    let tag = |value: &str| value.split(";tag=").nth(1).unwrap_or("none").to_owned();
    format!("{};to-tag={};from-tag={}", leg.call_id, tag(&leg.remote), tag(&leg.local))
}

#[test]
fn whatever_crosses_nobody_is_lost_and_nothing_is_left() {
    let all = [
        "failed, returned false",
        "failed, returned true",
        "heard",
        "queued by transfer",
        "replaced",
        "switched",
        "taken over",
        "transferred, attended false",
        "transferred, attended true",
    ];
    play(Storm::new, &all);
}

#[test]
fn pages_that_come_and_go_lose_nobody() {
    let all = ["page back, anew false", "page back, anew true", "page lost", "page not back", "queued by transfer"];
    play(Storm::with_pages, &all);
}

/// All that is `wanted` has to happen in some of them. `STORM_SEED=n` plays one of them alone.
fn play(begin: fn(u64) -> Storm, wanted: &[&str]) {
    let only = std::env::var("STORM_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let mut happened = BTreeMap::new();
    for seed in only.map_or(0..SEEDS, |seed| seed..seed + 1) {
        println!("seed {seed}");
        let mut storm = begin(seed);
        for _ in 0..80 {
            storm.step();
        }
        storm.end(&mut happened);
    }
    println!("{happened:?}");
    assert!(only.is_some() || wanted.iter().all(|word| happened.contains_key(*word)), "{happened:?}");
}
