//! CPU of one message with 10, and with 50,000, bindings and dialogs alive: what is many must not make each one slow.
//!
//! The SIP core alone on virtual time: a phone renews its registration over its live nonce; a new call is rung,
//! answered, acknowledged and ended; a request comes in the middle of a dialog. Prints rows of a Markdown table.
//!
//! `scale count N MESSAGES` only does that with N alive: two runs under `valgrind --tool=callgrind` with different
//! MESSAGES give instructions a message (`tests/tools/instructions.sh`).
//! Bars: CPU ≤ 1.3 ×, instructions ≤ 1.1 ×; 3,000 renewals a second.

// Measures with the real clock.
#![allow(clippy::disallowed_methods)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hatif::sip::config::{GuardConfig, Listener, SipConfig, Transport, UserConfig};
use hatif::sip::digest::{Answer, Challenge, answer_challenge};
use hatif::sip::header::{HeaderName, Method};
use hatif::sip::message::Message;
use hatif::sip::{Endpoint, Event, Flow, Output, SessionId};
use nix::time::{ClockId, clock_gettime};

/// As the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FEW: usize = 10;
const MANY: usize = 50_000;
/// Messages of one sample of each kind, and samples.
const MESSAGES: usize = 4_000;
const SAMPLES: usize = 9;
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
                   a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n";

const NO_ANSWER: &[u8] = b"SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP 10.0.0.2\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";

type Turn = fn(&mut World, usize);

/// What is measured; messages in and out of one turn.
const KINDS: [(&str, Turn, usize); 3] = [
    ("REGISTER, renewal over a live nonce", World::renew, 1),
    ("a call: INVITE, ACK, BYE with their answers", World::call, 3),
    ("INFO inside a dialog", World::inside, 1),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [word, alive, messages] = arguments.as_slice()
        && word == "count"
    {
        let number = |text: &String| text.parse().expect("a number");
        let mut world = World::new(number(alive));
        for (_, turn, _) in KINDS {
            (0..number(messages)).for_each(|n| turn(&mut world, n));
        }
        return;
    }
    println!("| message | alive | n | min µs | median µs | max µs | median against {FEW} |");
    println!("|---|---|---|---|---|---|---|");
    let (mut few, mut many) = (World::new(FEW), World::new(MANY));
    let mut renewals = 0.0;
    for (what, turn, each) in KINDS {
        // In turn, so that both meet the same neighbours.
        let pairs: Vec<(f64, f64)> =
            (0..=SAMPLES).map(|_| (few.sample(turn, each), many.sample(turn, each))).skip(1).collect();
        let base = row(what, FEW, pairs.iter().map(|pair| pair.0).collect(), None);
        let full = row(what, MANY, pairs.iter().map(|pair| pair.1).collect(), Some(base));
        renewals = if what.starts_with("REGISTER") { 1e6 / full } else { renewals };
    }
    println!("\nRenewals on one core with {MANY} bindings: {renewals:.0} a second (bar 3,000).");
}

/// Prints one row; returns the median.
fn row(what: &str, alive: usize, mut samples: Vec<f64>, base: Option<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    let at = |index: usize| samples.get(index).copied().unwrap_or(f64::NAN);
    let (min, median, max) = (at(0), at(samples.len() / 2), at(samples.len().saturating_sub(1)));
    let ratio = base.map_or(String::new(), |base| format!("{:.2}", median / base));
    println!("| {what} | {alive} | {} | {min:.2} | {median:.2} | {max:.2} | {ratio} |", samples.len());
    median
}

/// A centre with so many phones, each registered and in a dialog.
struct World {
    endpoint: Endpoint,
    now: Instant,
    phones: Vec<Phone>,
    calls: usize,
    /// CPU of the endpoint in this sample.
    spent: Duration,
}

/// What a phone remembers.
struct Phone {
    /// The challenge it answers.
    challenge: String,
    uses: u32,
    cseq: u32,
    /// Our tag in its dialog.
    tag: String,
}

impl World {
    fn new(alive: usize) -> Self {
        let address = SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1), 5_060));
        let user = |n: usize| (user(n), UserConfig { password: "secret".to_owned() });
        let config = SipConfig {
            listeners: vec![Listener { transport: Transport::Udp, address, advertised: None }],
            domain: "bench.example".to_owned(),
            users: (0..alive).map(user).collect(),
            guard: GuardConfig::unlimited(),
            ..SipConfig::default()
        };
        let now = Instant::now();
        let endpoint = Endpoint::new(config, [7; 32]);
        let mut world = Self { endpoint, now, phones: Vec::with_capacity(alive), calls: 0, spent: Duration::ZERO };
        for n in 0..alive {
            world.phones.push(Phone { challenge: String::new(), uses: 0, cseq: 0, tag: String::new() });
            let (answer, _) = world.ask(n, register(n, 0, ""));
            let challenge = answer.header(HeaderName::WwwAuthenticate).map(String::from_utf8_lossy);
            world.phones[n].challenge = challenge.expect("a challenge").into_owned();
            world.register(n);
            world.phones[n].tag = world.begin(n, &format!("live{n}"));
        }
        // What the beginning left behind is over.
        let end = world.now + Duration::from_secs(40);
        while let Some(at) = world.endpoint.poll_timeout().filter(|at| *at <= end) {
            world.now = world.now.max(at);
            world.endpoint.handle_timeout(world.now);
            while world.endpoint.poll_output().is_some() {}
        }
        world.now = end;
        let stats = world.endpoint.stats();
        assert_eq!((stats.contacts, stats.sessions), (alive, alive), "all are there");
        world
    }

    /// Mean CPU of one message in the sample, in µs.
    fn sample(&mut self, turn: Turn, each: usize) -> f64 {
        self.spent = Duration::ZERO;
        (0..MESSAGES).for_each(|n| turn(self, n));
        self.spent.as_secs_f64() * 1e6 / (MESSAGES * each) as f64
    }

    /// Some phone renews.
    fn renew(&mut self, n: usize) {
        self.register(self.someone(n));
    }

    /// Registers with the challenge that it has.
    fn register(&mut self, n: usize) {
        let phone = &mut self.phones[n];
        (phone.uses, phone.cseq) = (phone.uses + 1, phone.cseq + 1);
        let challenge = Challenge::parse(phone.challenge.as_bytes()).expect("a challenge");
        let name = user(n);
        let answer = Answer {
            username: &name,
            password: "secret",
            method: Method::Register,
            uri: "sip:bench.example",
            cnonce: "0a4f113b",
            nc: phone.uses,
        };
        let credentials = answer_challenge(&challenge, &answer).expect("MD5 is served");
        let request = register(n, phone.cseq, &format!("Authorization: {credentials}\r\n"));
        let (answer, _) = self.ask(n, request);
        assert_eq!(answer.code(), 200, "renewed");
    }

    /// Somebody calls, talks and hangs up.
    fn call(&mut self, n: usize) {
        let n = self.someone(n);
        self.calls += 1;
        let id = format!("call{}", self.calls);
        let tag = self.begin(n, &id);
        let (answer, _) = self.ask(n, in_dialog(n, "BYE", 2, &id, &tag, ""));
        assert_eq!(answer.code(), 200, "ended");
    }

    /// A key is told inside a dialog.
    fn inside(&mut self, n: usize) {
        let n = self.someone(n);
        let phone = &mut self.phones[n];
        phone.cseq += 1;
        let (tag, cseq) = (phone.tag.clone(), phone.cseq + 10);
        let more = "Content-Type: application/dtmf-relay\r\n";
        let (answer, _) = self.ask(n, in_dialog(n, "INFO", cseq, &format!("live{n}"), &tag, more));
        assert_eq!(answer.code(), 200, "heard");
    }

    /// Calls and is answered; gives our tag.
    fn begin(&mut self, n: usize, id: &str) -> String {
        let (refused, session) = self.ask(n, invite(n, id));
        let session = session.unwrap_or_else(|| panic!("{refused:?}"));
        let (answer, _) = self.serve(|endpoint, now| {
            endpoint.take_up(session);
            endpoint.ring(now, session, None);
            endpoint.answer(now, session, Bytes::from_static(SDP.as_bytes()));
        });
        let answer = answer.and_then(|bytes| Message::parse(bytes).ok());
        let tag = answer.and_then(|answer| answer.to_tag().map(|tag| String::from_utf8_lossy(tag).into_owned()));
        let tag = tag.expect("our tag");
        self.receive(n, in_dialog(n, "ACK", 1, id, &tag, ""));
        tag
    }

    /// Far apart, so that a cache does not help the many.
    fn someone(&self, n: usize) -> usize {
        if self.phones.len() > n { (n.wrapping_mul(7_919)) % self.phones.len() } else { n % self.phones.len() }
    }

    fn ask(&mut self, n: usize, request: String) -> (Message, Option<SessionId>) {
        let (answer, session) = self.receive(n, request);
        // A stranger's INVITE has no answer yet.
        let bytes = answer.unwrap_or_else(|| Bytes::from_static(NO_ANSWER));
        (Message::parse(bytes).unwrap_or_else(|malformed| panic!("{malformed}")), session)
    }

    fn receive(&mut self, n: usize, request: String) -> (Option<Bytes>, Option<SessionId>) {
        // So fast that all of it is over before anybody's timer runs out.
        self.now += Duration::from_micros(1);
        let remote = SocketAddr::from((Ipv4Addr::from(0x0a01_0000 + n as u32), 5_060));
        let from = Flow { transport: Transport::Udp, listener: 0, remote, connection: None };
        let bytes = Bytes::from(request);
        self.serve(|endpoint, now| {
            endpoint.handle_message(now, now, from, bytes);
            if endpoint.poll_timeout().is_some_and(|at| at <= now) {
                endpoint.handle_timeout(now);
            }
        })
    }

    /// What is measured: one input and what comes of it. The last message that went out, the call that came in.
    #[inline(never)]
    fn serve(&mut self, act: impl FnOnce(&mut Endpoint, Instant)) -> (Option<Bytes>, Option<SessionId>) {
        let began = thread_cpu();
        act(&mut self.endpoint, self.now);
        let (mut last, mut session) = (None, None);
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Send { bytes, .. } => last = Some(bytes),
                Output::Event(Event::Incoming { session: id, .. }) => session = Some(id),
                _ => {}
            }
        }
        self.spent += thread_cpu() - began;
        (last, session)
    }
}

fn user(n: usize) -> String {
    format!("{}", 100_000 + n)
}

fn head(n: usize, method: &str, cseq: u32, branch: &str) -> String {
    let address = Ipv4Addr::from(0x0a01_0000 + n as u32);
    format!(
        "Via: SIP/2.0/UDP {address}:5060;branch=z9hG4bK{branch}{method}{cseq};rport\r\nMax-Forwards: 70\r\nCSeq: {cseq} {method}\r\n"
    )
}

fn register(n: usize, cseq: u32, more: &str) -> String {
    let (name, head) = (user(n), head(n, "REGISTER", cseq + 1, &format!("r{n}x")));
    format!(
        "REGISTER sip:bench.example SIP/2.0\r\n{head}From: <sip:{name}@bench.example>;tag=f{n}\r\n\
         To: <sip:{name}@bench.example>\r\nCall-ID: reg{n}\r\nContact: <sip:{name}@{}:5060>\r\nExpires: 120\r\n{more}\
         User-Agent: Bench phone 1.0 with a name of usual length\r\nContent-Length: 0\r\n\r\n",
        Ipv4Addr::from(0x0a01_0000 + n as u32)
    )
}

fn invite(n: usize, id: &str) -> String {
    let (name, head) = (user(n), head(n, "INVITE", 1, id));
    format!(
        "INVITE sip:500@bench.example SIP/2.0\r\n{head}From: <sip:{name}@customer.example>;tag=f{id}\r\n\
         To: <sip:500@bench.example>\r\nCall-ID: {id}\r\nContact: <sip:{name}@{}:5060>\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        Ipv4Addr::from(0x0a01_0000 + n as u32),
        SDP.len()
    )
}

fn in_dialog(n: usize, method: &str, cseq: u32, id: &str, tag: &str, more: &str) -> String {
    let (name, head) = (user(n), head(n, method, cseq, id));
    let body = if method == "INFO" { "Signal=5\r\nDuration=160\r\n" } else { "" };
    format!(
        "{method} sip:500@10.0.0.1 SIP/2.0\r\n{head}From: <sip:{name}@customer.example>;tag=f{id}\r\n\
         To: <sip:500@bench.example>;tag={tag}\r\nCall-ID: {id}\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock");
    Duration::new(u64::try_from(time.tv_sec()).unwrap_or(0), u32::try_from(time.tv_nsec()).unwrap_or(0))
}
