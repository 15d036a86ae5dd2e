//! The centre under test: the engine, a modelled media shard, a disk that answers at once, and the phones' mail.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hatif::acd::Wish;
use hatif::call::Switch;
use hatif::clock::{Clock, Wall};
use hatif::engine::{
    Command, Engine, Fetch, ForkOrder, Input, Output, Settings, SuperviseError, Supervised, Synthesis,
};
use hatif::id::{AgentId, CallId, LegId, RecordingId};
use hatif::journal::{About, AgentStateName, Entry, Kind, Quality, StateCause};
use hatif::media::{Clip, Command as Media, Event};
use hatif::report::record::{CallRecord, Fold};
use hatif::sip::Flow;
use hatif::sip::config::Transport;

use crate::phone::{Leg, body, contact, header, response, sdp, status};
use crate::{pages, settings};

pub const CENTRE: &str = "10.0.0.1:5060";
/// Where `7XXX` and `8XXX` lead.
pub const FAR: &str = "10.4.0.1:5060";

pub fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Whom a leg hears in place of its bridge, as last said, the oldest leg first.
pub fn hears(centre: &Centre, leg: LegId) -> Vec<LegId> {
    let said = |c: &Media| match c {
        Media::Mix { leg: of, voices } if *of == leg => Some(voices.to_vec()),
        _ => None,
    };
    let mut voices = centre.media.iter().rev().find_map(said).unwrap_or_default();
    voices.sort();
    voices
}

/// The fixed contact of an agent or supervisor.
pub fn desk(number: u16) -> SocketAddr {
    addr(&format!("10.1.0.{number}:5060"))
}

/// A phone on the trunk `carrier`; all of them come from its one address.
pub fn trunk() -> SocketAddr {
    addr("10.2.0.1:5060")
}

/// A phone nobody knows.
pub fn stranger(number: u8) -> SocketAddr {
    addr(&format!("10.3.0.{number}:5060"))
}

pub fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

enum Later {
    Media(Event),
    Stored(hatif::id::RecordingId),
}

/// One centre in one script.
pub struct Centre {
    pub now: Instant,
    pub engine: Engine,
    pub settings: Settings,
    pub journal: Vec<Entry>,
    pub media: Vec<Media>,
    pub drained: u32,
    /// What services were asked.
    pub fetches: Vec<Fetch>,
    /// What a voice was asked to speak.
    pub sentences: Vec<Synthesis>,
    /// What was asked of the sockets to bots.
    pub forks: Vec<ForkOrder>,
    /// What the disk has of recordings.
    pub sounds: BTreeMap<RecordingId, Arc<Clip>>,
    /// Who signals over TLS, by the second listener; everybody else over UDP.
    pub tls: BTreeSet<SocketAddr>,
    /// Web pages that are connected, by the third listener: the number of the connection, and their Contact.
    pub pages: BTreeMap<SocketAddr, (u64, String)>,
    /// Legs from which packets come all the time.
    pub speaks: BTreeSet<LegId>,
    /// The disk does not answer.
    pub disk_silent: bool,
    /// So many of the next ports cannot be opened.
    pub ports_taken: usize,
    pub fold: Fold,
    closed: BTreeMap<CallId, CallRecord>,
    mail: BTreeMap<SocketAddr, VecDeque<String>>,
    /// Everything that was sent: what comes again is a repetition.
    known: BTreeSet<(SocketAddr, String)>,
    /// Open legs: port and shard.
    open: BTreeMap<LegId, (u16, usize)>,
    events: BTreeMap<(Instant, u64), Later>,
    number: u64,
}

impl Centre {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A centre with a change to its settings.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let now = Instant::now();
        let mut settings = settings::settings();
        change(&mut settings);
        let clock = Clock::new(now, Wall(1_795_341_600_000_000));
        let engine = Engine::new(now, clock, settings.clone(), 1, [7; 32]);
        let mut centre = Self {
            now,
            engine,
            settings,
            journal: Vec::new(),
            media: Vec::new(),
            drained: 0,
            fetches: Vec::new(),
            sentences: Vec::new(),
            forks: Vec::new(),
            sounds: BTreeMap::new(),
            tls: BTreeSet::new(),
            pages: BTreeMap::new(),
            speaks: BTreeSet::new(),
            disk_silent: false,
            ports_taken: 0,
            fold: Fold::default(),
            closed: BTreeMap::new(),
            mail: BTreeMap::new(),
            known: BTreeSet::new(),
            open: BTreeMap::new(),
            events: BTreeMap::new(),
            number: 0,
        };
        centre.flush();
        centre
    }

    // ---- the world -----------------------------------------------------------------------------------------------

    #[track_caller]
    pub fn handle(&mut self, input: Input) {
        self.engine.handle(self.now, input);
        self.flush();
    }

    pub fn command(&mut self, command: Command) {
        self.handle(Input::Command(command));
    }

    /// The console asks for supervision.
    pub fn supervise(&mut self, agent: &str, by: Option<&str>, switch: Switch) -> Result<Supervised, SuperviseError> {
        let done = self.engine.supervise(self.now, &agent.into(), by.map(Into::into), switch);
        self.flush();
        done
    }

    /// The console brings somebody into a talk.
    pub fn add(&mut self, call: CallId, to: &str) -> Result<(), u16> {
        let done = self.engine.conference_add(self.now, call, to);
        self.flush();
        done
    }

    /// The console takes somebody out of a talk.
    pub fn drop_party(&mut self, call: CallId, leg: LegId) -> Result<(), u16> {
        let done = self.engine.conference_drop(self.now, call, leg);
        self.flush();
        done
    }

    pub fn want(&mut self, agent: &str, wish: Wish) {
        self.command(Command::Agent { agent: agent.into(), wish, by: StateCause::Supervisor });
    }

    /// Lets time pass; whatever is due happens at its moment.
    #[track_caller]
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timer = self.engine.poll_timeout();
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = timer.into_iter().chain(event).min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            if event == Some(next)
                && let Some((_, later)) = self.events.pop_first()
            {
                match later {
                    Later::Media(event) => self.engine.handle(self.now, Input::Media(event)),
                    Later::Stored(recording) => {
                        self.engine.handle(self.now, Input::RecordingStored { recording, length_ms: 900, lost_ms: 0 });
                    }
                }
            } else {
                self.engine.handle_timeout(self.now);
            }
            self.flush();
        }
        self.now = end;
    }

    #[track_caller]
    fn flush(&mut self) {
        let mut inputs = VecDeque::new();
        loop {
            while let Some(output) = self.engine.poll_output() {
                match output {
                    Output::Send { flow, bytes } => {
                        let text = String::from_utf8(bytes.to_vec()).expect("text");
                        if self.known.insert((flow.remote, text.clone())) {
                            self.mail.entry(flow.remote).or_default().push_back(text);
                        }
                    }
                    Output::Media { shard, command } => inputs.extend(self.play_media(shard, command)),
                    Output::Journal(entry) => {
                        if let Some(record) = self.fold.handle(&entry) {
                            self.closed.insert(record.call_id, record.clone());
                        }
                        self.journal.push(entry);
                    }
                    Output::Commit(seq) if !self.disk_silent => inputs.push_back(Input::Committed(seq)),
                    Output::Commit(_) => {}
                    Output::Link(_) => {}
                    Output::Fetch(fetch) => self.fetches.push(fetch),
                    Output::Synthesize(sentence) => self.sentences.push(sentence),
                    Output::Fork(order) => self.forks.push(order),
                    Output::LoadSound { call, recording } => {
                        let clip = self.sounds.get(&recording).cloned();
                        inputs.push_back(Input::SoundLoaded { call, recording, clip });
                    }
                    Output::Drained => self.drained += 1,
                }
            }
            self.engine.check().unwrap_or_else(|fault| panic!("{fault}\n{}", self.story()));
            let Some(input) = inputs.pop_front() else { break };
            self.engine.handle(self.now, input);
        }
        let repaired = self.journal.iter().find(|entry| matches!(entry.kind, Kind::AgentRepaired { .. }));
        assert!(repaired.is_none(), "{repaired:?}\n{}", self.story());
    }

    fn play_media(&mut self, shard: usize, command: Media) -> Option<Input> {
        self.media.push(command.clone());
        match command {
            Media::Open { leg, .. } if self.ports_taken > 0 => {
                self.ports_taken -= 1;
                Some(Input::Media(Event::OpenFailed { leg, error: "address in use".into() }))
            }
            Media::Open { leg, port, .. } => {
                let port = port.number();
                let shared = self.settings.media.shared.contains(&port);
                let free = shared || self.open.values().all(|(other, _)| *other != port);
                assert!(free, "port {port} is open already");
                assert!(self.open.insert(leg, (port, shard)).is_none(), "{leg:?} is opened twice");
                Some(Input::Media(Event::Opened { leg }))
            }
            Media::Close { leg } => {
                self.open.remove(&leg)?;
                Some(Input::Media(Event::Closed {
                    leg,
                    quality: Quality { received: 9, sent: 9, ..Quality::default() },
                }))
            }
            Media::Play { leg, play, clips } => {
                let samples: usize = clips.iter().map(|clip| clip.ulaw.len()).sum();
                self.later(Duration::from_micros(samples as u64 * 125), Later::Media(Event::PlayDone { leg, play }));
                None
            }
            Media::StopRecord { recording } => {
                self.later(ms(20), Later::Stored(recording));
                None
            }
            Media::Report { leg } => {
                let received = if self.speaks.contains(&leg) { self.fresh() } else { 9 };
                Some(Input::Media(Event::Quality { leg, quality: Quality { received, ..Quality::default() } }))
            }
            Media::Bridge { a, b } => self.all_on(shard, &[a, b]),
            Media::RecordTrack { leg, .. } => self.all_on(shard, &[leg]),
            Media::Mix { leg, voices } => self.all_on(shard, &[voices.to_vec(), vec![leg]].concat()),
            Media::Record { customer, others, .. } => self.all_on(shard, &[vec![customer], others.to_vec()].concat()),
            _ => None,
        }
    }

    /// Only open legs of one shard can have to do with each other.
    fn all_on(&self, shard: usize, legs: &[LegId]) -> Option<Input> {
        for leg in legs {
            assert_eq!(self.open.get(leg).map(|(_, at)| *at), Some(shard), "{leg:?}\n{}", self.story());
        }
        None
    }

    fn later(&mut self, after: Duration, what: Later) {
        self.number += 1;
        self.events.insert((self.now + after, self.number), what);
    }

    /// All that was written and sent, for the message of a failed test.
    pub fn story(&self) -> String {
        let entries = self.journal.iter().map(|e| format!("{} {:?}\n", e.at, e.kind)).collect::<String>();
        let mail = self.mail.iter().flat_map(|(to, letters)| letters.iter().map(move |l| format!("-> {to}\n{l}")));
        entries + &mail.collect::<String>()
    }

    /// The end of every script: nothing is left after the last timers.
    #[track_caller]
    pub fn nothing_is_left(&mut self) {
        self.pass(seconds(120));
        let stats = self.engine.stats();
        let left = (stats.calls, stats.legs, stats.ports_in_use, stats.sip.sessions, stats.sip.transactions);
        assert_eq!(left, (0, 0, 0, 0, 0), "calls, legs, ports, sessions, transactions\n{}", self.story());
        assert_eq!(stats.forks, 0, "bots\n{}", self.story());
        assert!(self.open.is_empty() && self.engine.floor().is_empty());
        assert!(stats.trunk_calls.values().all(|calls| *calls == 0));
        let started = self.journal.iter().filter(|e| matches!(e.kind, Kind::CallStarted { .. })).count();
        assert_eq!(self.closed.len(), started, "records");
        for record in self.closed.values() {
            let last = record.path.iter().position(|s| s.what.starts_with("ended by")).expect("an end");
            let late = |what: &str| what.starts_with("recording of") || what.contains("finished the wrap-up");
            assert!(record.path[last + 1..].iter().all(|s| late(&s.what)), "after the end: {:#?}", record.path);
        }
    }

    // ---- looking -------------------------------------------------------------------------------------------------

    /// Takes the next message to `at`.
    #[track_caller]
    pub fn next(&mut self, at: SocketAddr) -> String {
        let next = self.mail.get_mut(&at).and_then(VecDeque::pop_front);
        next.unwrap_or_else(|| panic!("nothing for {at}\n{}", self.story()))
    }

    /// Takes the next message to `at`, if there is one.
    pub fn take(&mut self, at: SocketAddr) -> Option<String> {
        self.mail.get_mut(&at).and_then(VecDeque::pop_front)
    }

    /// Takes the next message to `at`, which begins like this.
    #[track_caller]
    pub fn expect(&mut self, at: SocketAddr, start: &str) -> String {
        let next = self.next(at);
        assert!(next.starts_with(start), "not {start}:\n{next}\n{}", self.story());
        next
    }

    #[track_caller]
    pub fn silent(&mut self, at: SocketAddr) {
        let next = self.mail.get_mut(&at).and_then(VecDeque::pop_front);
        assert!(next.is_none(), "{}\n{}", next.unwrap_or_default(), self.story());
    }

    /// Takes the next message to anybody, and whom it is for.
    pub fn post(&mut self) -> Option<(SocketAddr, String)> {
        let (at, letters) = self.mail.iter_mut().find(|(_, letters)| !letters.is_empty())?;
        Some((*at, letters.pop_front()?))
    }

    /// A number of its own for a branch or tag.
    pub fn fresh(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Forgets what was sent to `at`.
    pub fn ignore(&mut self, at: SocketAddr) {
        self.mail.remove(&at);
    }

    pub fn state(&self, agent: &str) -> AgentStateName {
        self.engine.floor().agent(&AgentId::from(agent)).expect("an agent").state
    }

    /// Entries about calls of which `take` wants something.
    pub fn told<T>(&self, take: impl Fn(&Kind) -> Option<T>) -> Vec<T> {
        self.journal.iter().filter(|e| matches!(e.about, About::Call(_))).filter_map(|e| take(&e.kind)).collect()
    }

    /// The record of the n-th call that began, as last given out.
    #[track_caller]
    pub fn record(&self, n: usize) -> &CallRecord {
        let started = self.journal.iter().filter(|e| matches!(e.kind, Kind::CallStarted { .. })).nth(n);
        let Some(Entry { about: About::Call(call), .. }) = started else { panic!("no call {n}") };
        self.closed.get(call).unwrap_or_else(|| panic!("{call} has not ended\n{}", self.story()))
    }

    pub fn words(&self, n: usize) -> String {
        self.record(n).path.iter().map(|step| format!("{}\n", step.what)).collect()
    }

    /// The leg that media opened as the n-th.
    pub fn leg(&self, n: usize) -> LegId {
        self.leg_named(n).expect("a leg")
    }

    /// As [`Centre::leg`]; none when there are fewer.
    pub fn leg_named(&self, n: usize) -> Option<LegId> {
        let opened = |c: &Media| if let Media::Open { leg, .. } = c { Some(*leg) } else { None };
        self.media.iter().filter_map(opened).nth(n)
    }

    pub fn digit(&mut self, leg: LegId, digit: char) {
        self.handle(Input::Media(Event::Digit { leg, digit }));
    }

    // ---- phones --------------------------------------------------------------------------------------------------

    #[track_caller]
    pub fn send(&mut self, from: SocketAddr, text: String) {
        if let Some((connection, contact)) = self.pages.get(&from).cloned() {
            let flow = Flow { transport: Transport::Ws, listener: 2, remote: from, connection: Some(connection) };
            let bytes = Bytes::from(pages::of_page(&text, &contact));
            return self.handle(Input::Message { received: self.now, from: flow, bytes });
        }
        let flow = match self.tls.contains(&from) {
            true => Flow { transport: Transport::Tls, listener: 1, remote: from, connection: Some(1) },
            false => Flow { transport: Transport::Udp, listener: 0, remote: from, connection: None },
        };
        self.handle(Input::Message { received: self.now, from: flow, bytes: Bytes::from(text) });
    }

    /// A phone dials.
    #[track_caller]
    pub fn dial(&mut self, at: SocketAddr, user: &str, number: &str) -> Leg {
        let offer = sdp(at, "sendrecv");
        self.dial_with(at, user, number, "Max-Forwards: 70", &offer)
    }

    #[track_caller]
    pub fn dial_with(&mut self, at: SocketAddr, user: &str, number: &str, headers: &str, offer: &str) -> Leg {
        self.number += 1;
        let n = self.number;
        let content = if offer.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let (uri, branch) = (format!("sip:{number}@10.0.0.1"), format!("z9hG4bKi{n}"));
        let (local, call_id) = (format!("<sip:{user}@phones.example>;tag=t{n}"), format!("id{n}"));
        let invite = format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch={branch};rport\r\n{headers}\r\nFrom: {local}\r\n\
             To: <{uri}>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContact: <sip:{user}@{at}>\r\n{content}\
             Content-Length: {}\r\n\r\n{offer}",
            offer.len()
        );
        let leg = Leg {
            at,
            invite: invite.clone(),
            local,
            remote: format!("<{uri}>"),
            target: uri,
            call_id,
            cseq: 1,
            branch,
        };
        self.send(at, invite);
        leg
    }

    /// The centre answers; the phone acknowledges. Returns the 200.
    #[track_caller]
    pub fn answered(&mut self, leg: &mut Leg) -> String {
        self.answered_with(leg, "")
    }

    /// As `answered`, with the phone's answer to the centre's offer in the ACK.
    #[track_caller]
    pub fn answered_with(&mut self, leg: &mut Leg, answer: &str) -> String {
        let mut ok = self.next(leg.at);
        while status(&ok).is_some_and(|code| code < 200) {
            ok = self.next(leg.at);
        }
        assert!(ok.starts_with("SIP/2.0 200"), "{ok}\n{}", self.story());
        leg.remote = header(&ok, "To").expect("To").to_owned();
        leg.target = contact(&ok);
        self.ack_with(leg, answer);
        ok
    }

    #[track_caller]
    pub fn ack(&mut self, leg: &Leg) {
        self.ack_with(leg, "");
    }

    /// The ACK carries the phone's answer to an offer in the 200.
    #[track_caller]
    pub fn ack_with(&mut self, leg: &Leg, answer: &str) {
        self.number += 1;
        let ack = leg.request("ACK", leg.cseq, &format!("z9hG4bKa{}", self.number), &leg.target, answer);
        self.send(leg.at, ack);
    }

    /// The centre refuses; the phone acknowledges. Returns the refusal.
    #[track_caller]
    pub fn refused(&mut self, leg: &mut Leg, code: u16) -> String {
        let mut refusal = self.next(leg.at);
        while status(&refusal).is_some_and(|code| code < 200) {
            refusal = self.next(leg.at);
        }
        assert_eq!(status(&refusal), Some(code), "{refusal}\n{}", self.story());
        leg.remote = header(&refusal, "To").expect("To").to_owned();
        let uri = header(&leg.invite, "To").unwrap_or_default().trim_matches(['<', '>']).to_owned();
        let ack = leg.request("ACK", 1, &leg.branch, &uri, "");
        self.send(leg.at, ack);
        refusal
    }

    /// A phone dials and is answered.
    #[track_caller]
    pub fn connect(&mut self, at: SocketAddr, user: &str, number: &str) -> Leg {
        let mut leg = self.dial(at, user, number);
        self.answered(&mut leg);
        leg
    }

    #[track_caller]
    pub fn cancel(&mut self, leg: &Leg) {
        let uri = header(&leg.invite, "To").unwrap_or_default().trim_matches(['<', '>']).to_owned();
        let cancel = leg.request("CANCEL", 1, &leg.branch, &uri, "");
        self.send(leg.at, cancel);
    }

    /// The phone hangs up and hears 200.
    #[track_caller]
    pub fn bye(&mut self, leg: &mut Leg) {
        leg.cseq += 1;
        self.number += 1;
        let bye = leg.request("BYE", leg.cseq, &format!("z9hG4bKb{}", self.number), &leg.target, "");
        self.send(leg.at, bye);
        self.expect(leg.at, "SIP/2.0 200");
    }

    /// The centre hangs up; the phone says 200. Returns the BYE.
    #[track_caller]
    pub fn ended(&mut self, leg: &Leg) -> String {
        let bye = self.expect(leg.at, "BYE ");
        assert_eq!(header(&bye, "Call-ID"), Some(leg.call_id.as_str()));
        self.send(leg.at, response(&bye, "200 OK", "", leg.at, ""));
        bye
    }

    /// The phone is rung.
    #[track_caller]
    pub fn rung(&mut self, at: SocketAddr) -> Leg {
        let invite = self.expect(at, "INVITE ");
        self.number += 1;
        let text = |name: &str| header(&invite, name).expect("a header").to_owned();
        Leg {
            at,
            local: format!("{};tag=p{}", text("To"), self.number),
            remote: text("From"),
            target: contact(&invite),
            call_id: text("Call-ID"),
            cseq: 100,
            branch: String::new(),
            invite,
        }
    }

    /// The rung phone says something; a refusal is acknowledged.
    #[track_caller]
    pub fn says(&mut self, leg: &Leg, status: &str) {
        let tag = leg.local.split(";tag=").nth(1).unwrap_or_default().to_owned();
        self.send(leg.at, response(&leg.invite, status, &tag, leg.at, ""));
        if !status.starts_with('1') {
            self.expect(leg.at, "ACK ");
        }
    }

    /// The rung phone answers with this SDP direction and is acknowledged.
    #[track_caller]
    pub fn picks_up(&mut self, leg: &Leg) {
        self.picks_up_with(leg, &sdp(leg.at, "sendrecv"));
    }

    #[track_caller]
    pub fn picks_up_with(&mut self, leg: &Leg, answer: &str) {
        let tag = leg.local.split(";tag=").nth(1).unwrap_or_default().to_owned();
        self.send(leg.at, response(&leg.invite, "200 OK", &tag, leg.at, answer));
        self.expect(leg.at, "ACK ");
    }

    /// The ring is cancelled; the phone says 200 and 487.
    #[track_caller]
    pub fn cancelled(&mut self, leg: &Leg) -> String {
        let cancel = self.expect(leg.at, "CANCEL ");
        self.send(leg.at, response(&cancel, "200 OK", "", leg.at, ""));
        self.says(leg, "487 Request Terminated");
        cancel
    }

    /// The phone sends a re-INVITE; returns the first final answer, acknowledged when it is 200.
    #[track_caller]
    pub fn reinvites(&mut self, leg: &mut Leg, offer: &str) -> String {
        self.offers(leg, offer);
        let answer = self.next(leg.at);
        let answer = if answer.starts_with("SIP/2.0 100") { self.next(leg.at) } else { answer };
        if answer.starts_with("SIP/2.0 200") {
            self.ack(leg);
        }
        answer
    }

    /// The phone sends a re-INVITE.
    #[track_caller]
    pub fn offers(&mut self, leg: &mut Leg, offer: &str) {
        leg.cseq += 1;
        self.number += 1;
        leg.branch = format!("z9hG4bKr{}", self.number);
        let invite = leg.request("INVITE", leg.cseq, &leg.branch, &leg.target, offer);
        self.send(leg.at, invite);
    }

    /// The phone asks something in its dialog, with these headers (each ended by CRLF) and this body; returns the
    /// answer.
    #[track_caller]
    pub fn asks(&mut self, leg: &mut Leg, method: &str, headers: &str, body: &str) -> String {
        leg.cseq += 1;
        self.number += 1;
        let plain = leg.request(method, leg.cseq, &format!("z9hG4bKq{}", self.number), &leg.target, body);
        let plain = match headers.contains("Content-Type:") {
            true => plain.replace("Content-Type: application/sdp\r\n", ""),
            false => plain,
        };
        self.send(leg.at, plain.replacen("Max-Forwards: 70\r\n", &format!("Max-Forwards: 70\r\n{headers}"), 1));
        self.expect(leg.at, "SIP/2.0 ")
    }

    /// The phone sends its other side to `target`, a URI with all its parts; 202 and the first NOTIFY come.
    #[track_caller]
    pub fn refers(&mut self, leg: &mut Leg, target: &str) {
        let answer = self.asks(leg, "REFER", &format!("Refer-To: <{target}>\r\n"), "");
        assert!(answer.starts_with("SIP/2.0 202"), "{answer}");
        assert_eq!(self.notified(leg), 100);
    }

    /// The phone hears how far its transfer has come, and says 200.
    #[track_caller]
    pub fn notified(&mut self, leg: &Leg) -> u16 {
        let notify = self.expect(leg.at, "NOTIFY ");
        assert_eq!(header(&notify, "Call-ID"), Some(leg.call_id.as_str()));
        self.send(leg.at, response(&notify, "200 OK", "", leg.at, ""));
        status(body(&notify)).unwrap_or_else(|| panic!("no sipfrag:\n{notify}"))
    }

    /// The phone tells a key by INFO.
    #[track_caller]
    pub fn info(&mut self, leg: &mut Leg, digit: char) {
        let headers = "Content-Type: application/dtmf-relay\r\n";
        let answer = self.asks(leg, "INFO", headers, &format!("Signal={digit}\r\nDuration=160\r\n"));
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }

    /// A caller talks with agent 101 through queue `support`: both legs.
    #[track_caller]
    pub fn talk(&mut self, caller: SocketAddr) -> (Leg, Leg) {
        let customer = self.connect(caller, "0551234", "600");
        let agent = self.rung(desk(101));
        self.says(&agent, "180 Ringing");
        self.picks_up(&agent);
        assert_eq!(self.state("101"), AgentStateName::Busy);
        (customer, agent)
    }

    /// 101, who holds his caller, asks 102 for 5 s and joins both, by his own leg `agent`; 102's leg.
    #[track_caller]
    pub fn consults_and_joins(&mut self, agent: &mut Leg) -> Leg {
        let mut consult = self.dial(desk(101), "101", "102");
        let colleague = self.rung(desk(102));
        self.picks_up(&colleague);
        self.answered(&mut consult);
        self.pass(seconds(5));
        self.refers(agent, &replacing("102", &consult));
        self.ended(&consult);
        assert_eq!(self.notified(agent), 200);
        self.ended(agent);
        colleague
    }

    /// The last two that were connected are the legs `a` and `b`, by the order they were opened in.
    #[track_caller]
    pub fn bridged_last(&self, a: usize, b: usize) {
        let last = self.media.iter().rev().find(|c| matches!(c, Media::Bridge { .. } | Media::Unbridge { .. }));
        let want = (self.leg(a), self.leg(b));
        assert!(matches!(last, Some(Media::Bridge { a, b }) if (*a, *b) == want), "{last:?}");
    }
}

/// The direction in an SDP answer.
pub fn direction(message: &str) -> &str {
    let known = ["sendrecv", "sendonly", "recvonly", "inactive"];
    known.into_iter().find(|d| body(message).contains(&format!("a={d}"))).unwrap_or("none")
}

/// `sip:USER@CENTRE?Replaces=…` for the dialog that `leg` has with the centre.
pub fn replacing(user: &str, leg: &Leg) -> String {
    let tag = |value: &str| value.split(";tag=").nth(1).unwrap_or_default().to_owned();
    let (to, from) = (tag(&leg.remote), tag(&leg.local));
    format!("sip:{user}@10.0.0.1?Replaces={}%3Bto-tag%3D{to}%3Bfrom-tag%3D{from}", leg.call_id)
}
