//! CPU of the signalling of one whole bridged call: INVITE to BYE of both legs over UDP, digest off, no RTP.
//!
//! Once through the pure engine on virtual time, the phones' bytes made outside the measured time; once through the
//! real engine thread with real sockets on loopback, real media threads opening the ports, the journal on disk and
//! records in SQLite, as `hatif serve` runs it. Prints the rows of a Markdown table.
//! Bar: 350 µs of the engine's thread a call at each rate; goal 250 µs.

// Measures with the real clock, opens sockets.
#![allow(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hatif::acd::config::{AgentConfig, FloorConfig, QueueConfig};
use hatif::call::config::{CallConfig, DialTarget, MediaPath, NumberAction, NumberConfig, RecordPolicy};
use hatif::call::prompts::Prompts;
use hatif::clock::{Clock, Wall};
use hatif::engine::{Engine, Input, Output, Settings};
use hatif::id::{AgentId, QueueName};
use hatif::io::driver::{self, Driver, Outlets};
use hatif::io::media::MediaThreads;
use hatif::journal::Entry;
use hatif::media::config::MediaConfig;
use hatif::media::{Clip, Codec, Command, Event};
use hatif::sip::Flow;
use hatif::sip::config::{GuardConfig, Listener, SipConfig, TRACE_CALLS, Transport, UserConfig};
use hatif::sip::digest::{Answer, Challenge, answer_challenge};
use hatif::sip::header::Method;
use hatif::storage::journal::Journal;
use hatif::storage::records::Records;
use nix::time::{ClockId, clock_gettime};

/// As the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds measured of each row, after one to warm up.
const ROUNDS: usize = 7;
/// Calls in a round of the pure engine, and how many of them are in the same phase at once.
const PURE_CALLS: u64 = 2_000;
const PURE_BATCH: u64 = 100;
/// Calls in a round of the real thread, and how many begin in a second: the fewer, the more wake-ups each pays for.
const REAL_CALLS: u64 = 1_000;
const REAL_RATES: [u64; 3] = [250, 500, 1_000];
/// Renewals in a round, how many come in a second, and of how many phones.
const RENEWALS: u64 = 6_000;
const RENEWALS_RATE: u64 = 3_000;
const PHONES: u64 = 1_000;
/// How long they talk there.
const TALK: Duration = Duration::from_millis(200);
const AGENTS: u64 = 400;
const BAR_US: f64 = 350.0;

/// What is dialled, in words and in digits.
const KINDS: [(&str, &str); 2] = [("number to an address", "7001"), ("queue to an agent", "600")];

fn main() {
    println!("| what | calls a round | n | min µs | median µs | max µs |");
    println!("|---|---|---|---|---|---|");
    for (what, number) in KINDS {
        let samples: Vec<f64> = (0..=ROUNDS).map(|_| pure_round(number)).skip(1).collect();
        row(&format!("pure engine, {what}"), PURE_CALLS, samples);
    }
    let mut worst: f64 = 0.0;
    for rate in REAL_RATES {
        for (what, number) in KINDS {
            let samples: Vec<(f64, f64)> = real_rounds(number, rate);
            let of = |place: fn(&(f64, f64)) -> f64| samples.iter().map(place).collect();
            worst = worst.max(row(&format!("engine thread, {rate} calls/s, {what}"), REAL_CALLS, of(|s| s.0)));
            row(&format!("whole process, {rate} calls/s, {what}"), REAL_CALLS, of(|s| s.1));
        }
    }
    let samples = renewals();
    row(
        &format!("engine thread, a registration renewed, {RENEWALS_RATE}/s"),
        RENEWALS,
        samples.iter().map(|s| s.0).collect(),
    );
    row(
        &format!("whole process, a registration renewed, {RENEWALS_RATE}/s"),
        RENEWALS,
        samples.iter().map(|s| s.1).collect(),
    );
    let verdict = if worst <= BAR_US { "met" } else { "MISSED" };
    println!("\nBar of {BAR_US} µs for signalling (the engine thread): {verdict}.");
}

/// Prints one row; returns the median.
fn row(what: &str, calls: u64, mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    let at = |index: usize| samples.get(index).copied().unwrap_or(f64::NAN);
    let (min, median, max) = (at(0), at(samples.len() / 2), at(samples.len().saturating_sub(1)));
    println!("| {what} | {calls} | {} | {min:.0} | {median:.0} | {max:.0} |", samples.len());
    median
}

/// Mean CPU of one call through the engine alone, in µs.
fn pure_round(number: &str) -> f64 {
    let address = |last| SocketAddr::from((Ipv4Addr::new(10, 0, 0, last), 5_060));
    let (centre, caller, callee) = (address(1), address(2), address(3));
    let mut now = Instant::now();
    let clock = Clock::new(now, Wall(1_795_341_600_000_000));
    let mut engine = Engine::new(now, clock, settings(centre, callee), 1, [7; 32]);
    let mut out = Vec::new();
    drain(&mut engine, &mut out);
    let mut phones = Phones::new(centre, caller, callee, number);
    let mut spent = Duration::ZERO;
    for batch in 0..PURE_CALLS / PURE_BATCH {
        let first = batch * PURE_BATCH;
        let sent: Vec<Bytes> = (first..first + PURE_BATCH).map(|id| phones.invite(id)).collect();
        let mut inputs: Vec<Input> = sent.into_iter().map(|bytes| message(caller, bytes)).collect();
        let mut is_over = false;
        while !inputs.is_empty() {
            out.clear();
            now += Duration::from_millis(1);
            let began = thread_cpu();
            for mut input in inputs.drain(..) {
                if let Input::Message { received, .. } = &mut input {
                    *received = now;
                }
                engine.handle(now, input);
                drain(&mut engine, &mut out);
            }
            spent += thread_cpu() - began;
            inputs.extend(out.drain(..).filter_map(|output| phones.follow(output)));
            if inputs.is_empty() && !is_over {
                is_over = true;
                inputs.extend(phones.byes(first..first + PURE_BATCH).map(|bytes| message(caller, bytes)));
            }
        }
        // Wrap-up, transactions that linger: all that belongs to the calls.
        let end = now + Duration::from_secs(40);
        let began = thread_cpu();
        while let Some(at) = engine.poll_timeout().filter(|at| *at <= end) {
            now = now.max(at);
            engine.handle_timeout(now);
            drain(&mut engine, &mut out);
        }
        spent += thread_cpu() - began;
        now = end;
    }
    assert_eq!((phones.done, phones.failed), (PURE_CALLS, 0), "every call is bridged and ended");
    let stats = engine.stats();
    assert_eq!((stats.calls, stats.ports_in_use, stats.sip.sessions), (0, 0, 0), "nothing is left");
    spent.as_secs_f64() * 1e6 / PURE_CALLS as f64
}

fn drain(engine: &mut Engine, out: &mut Vec<Output>) {
    while let Some(output) = engine.poll_output() {
        out.push(output);
    }
}

fn message(remote: SocketAddr, bytes: Bytes) -> Input {
    let from = Flow { transport: Transport::Udp, listener: 0, remote, connection: None };
    Input::Message { received: Instant::now(), from, bytes }
}

/// Mean CPU of one call (engine thread, whole process without the phones), in µs, by round.
fn real_rounds(number: &str, rate: u64) -> Vec<(f64, f64)> {
    in_a_house(REAL_CALLS, |phones, centre, round| generate(phones, centre, number, rate, round * REAL_CALLS))
}

/// Mean CPU of one renewal of a registration over its live nonce (engine thread, whole process), in µs, by round.
fn renewals() -> Vec<(f64, f64)> {
    let mut registered = Registered::default();
    in_a_house(RENEWALS, |(phone, _), centre, _| {
        if registered.nonces.is_empty() {
            registered.begin(&phone, centre);
        }
        registered.renew(&phone, centre);
        thread_cpu()
    })
}

/// Phones behind one address, each with its nonce.
#[derive(Default)]
struct Registered {
    nonces: Vec<String>,
    cseq: u32,
}

impl Registered {
    /// All ask, are challenged, and register.
    fn begin(&mut self, phone: &UdpSocket, centre: SocketAddr) {
        phone.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out");
        let mut buffer = [0; 4_096];
        let mut ask = |request: String| {
            phone.send_to(request.as_bytes(), centre).expect("sent");
            let (length, _) = phone.recv_from(&mut buffer).expect("an answer");
            String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned()
        };
        let here = phone.local_addr().expect("its address");
        for n in 0..PHONES {
            let answer = ask(register(n, here, 1, ""));
            let challenge = header(&answer, "WWW-Authenticate").expect("a challenge").to_owned();
            assert!(ask(register(n, here, 2, &proof(n, &challenge, 1))).starts_with("SIP/2.0 200"), "registered");
            self.nonces.push(challenge);
        }
        self.cseq = 2;
    }

    /// All renew in turn, at an even rate.
    fn renew(&mut self, phone: &UdpSocket, centre: SocketAddr) {
        phone.set_nonblocking(true).expect("non-blocking");
        let here = phone.local_addr().expect("its address");
        let began = Instant::now();
        let (mut sent, mut done) = (0, 0);
        let mut buffer = [0; 4_096];
        while done < RENEWALS {
            assert!(began.elapsed() < Duration::from_secs(30), "{done} of {RENEWALS} are answered");
            while sent < RENEWALS
                && began.elapsed() >= Duration::from_nanos(1_000_000_000 / RENEWALS_RATE) * sent as u32
            {
                let n = sent % PHONES;
                self.cseq += u32::from(n == 0);
                let challenge = self.nonces.get(n as usize).map_or("", String::as_str);
                let request = register(n, here, self.cseq, &proof(n, challenge, self.cseq - 1));
                let _ = phone.send_to(request.as_bytes(), centre);
                sent += 1;
            }
            while let Ok((length, _)) = phone.recv_from(&mut buffer) {
                assert!(buffer.get(..length).unwrap_or_default().starts_with(b"SIP/2.0 200"), "renewed");
                done += 1;
            }
            thread::sleep(Duration::from_micros(500));
        }
        phone.set_nonblocking(false).expect("blocking");
    }
}

fn register(n: u64, here: SocketAddr, cseq: u32, more: &str) -> String {
    format!(
        "REGISTER sip:bench.example SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKr{n}c{cseq};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{n}@bench.example>;tag=f{n}\r\nTo: <sip:{n}@bench.example>\r\n\
         Call-ID: reg{n}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{n}@{here}>\r\nExpires: 120\r\n{more}\
         User-Agent: Bench phone 1.0\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The answer to this challenge, the n-th.
fn proof(n: u64, challenge: &str, nc: u32) -> String {
    let challenge = Challenge::parse(challenge.as_bytes()).expect("a challenge");
    let (username, password) = (&n.to_string(), "secret");
    let (method, uri, cnonce) = (Method::Register, "sip:bench.example", "0a4f113b");
    let answer = Answer { username, password, method, uri, cnonce, nc };
    format!("Authorization: {}\r\n", answer_challenge(&challenge, &answer).expect("MD5 is served"))
}

/// Mean CPU of one of `each` things a round that the phones' sockets are used for, given by `use_phones` together with
/// the CPU that the phones took: engine thread and whole process, in µs, by round.
fn in_a_house(
    each: u64,
    mut use_phones: impl FnMut((UdpSocket, UdpSocket), SocketAddr, u64) -> Duration + Send,
) -> Vec<(f64, f64)> {
    static HOUSES: AtomicU64 = AtomicU64::new(0);
    let house = HOUSES.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("hatif-signalling-{}-{house}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let socket = || UdpSocket::bind(loopback).expect("a socket");
    let (caller, callee) = (socket(), socket());
    let listener = driver::bind_udp(loopback).expect("a socket");
    let centre = listener.local_addr().expect("its address");
    let house = House::start(&folder, &runtime, listener, centre, callee.local_addr().expect("its address"));
    let mut samples = Vec::new();
    for round in 0..=ROUNDS as u64 {
        let phones = (caller.try_clone().expect("socket"), callee.try_clone().expect("socket"));
        let (before, engine) = (process_cpu(), engine_cpu());
        let phones_cpu = thread::scope(|scope| {
            let generator = scope.spawn(|| use_phones(phones, centre, round));
            generator.join().expect("the phones end well")
        });
        // What lingers behind the calls belongs to them: journal, records, ports.
        thread::sleep(Duration::from_secs(1));
        let per_one = |spent: Duration| spent.as_secs_f64() * 1e6 / each as f64;
        if round > 0 {
            samples.push((per_one(engine_cpu() - engine), per_one(process_cpu() - before - phones_cpu)));
        }
    }
    house.stop();
    drop(runtime);
    let _ = std::fs::remove_dir_all(&folder);
    samples
}

/// Everything `hatif serve` runs for calls.
struct House {
    driver: Driver,
    media: MediaThreads,
    journal: Arc<Journal>,
    present: thread::JoinHandle<()>,
    follower: hatif::storage::records::Follower,
}

impl House {
    fn start(
        folder: &Path,
        runtime: &tokio::runtime::Runtime,
        listener: UdpSocket,
        centre: SocketAddr,
        callee: SocketAddr,
    ) -> Self {
        let (inbox, mail) = driver::inbox().expect("an inbox");
        let committed = inbox.clone();
        let (journal, _) = Journal::open(&folder.join("journal"), move |seq| committed.send(Input::Committed(seq)))
            .expect("a journal");
        let journal = Arc::new(journal);
        let progress = Arc::clone(journal.progress());
        let follower = runtime.block_on(async {
            let records = Records::open(folder).await.expect("records");
            records.follow(&folder.join("journal"), progress).await.expect("a follower")
        });
        let origin = Instant::now();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let clock = Clock::new(origin, Wall(i64::try_from(since.as_micros()).unwrap_or(0)));
        let settings = settings(centre, callee);
        // Nothing is recorded: no chunk is ever sent.
        let (chunks, _) = crossbeam_channel::bounded(1);
        let started = MediaThreads::start(&settings.media, clock, [9; 32], chunks.into(), inbox.bell());
        let (media, lines) = started.expect("media");
        let engine = Engine::new(origin, clock, settings, 1, [7; 32]);
        let (writer, commits) = (Arc::clone(&journal), Arc::clone(&journal));
        // What the API and the metrics show.
        let (entries, present) = hatif::http::follow(&Default::default()).expect("a thread");
        let outlets = Outlets {
            media: lines,
            journal: Box::new(move |entry: Entry| {
                writer.append(entry.clone());
                let _ = entries.send(entry);
            }),
            commit: Box::new(move |seq| commits.commit(seq)),
            stream: Box::new(|_, _| false),
            link: Box::new(|_| {}),
            fetch: Box::new(|_| {}),
            speak: Box::new(|_| {}),
            fork: Box::new(|_| {}),
            load: Box::new(|_, _| {}),
            drained: Box::new(|| {}),
        };
        let driver = Driver::start(engine, inbox, mail, vec![(0, listener)], outlets).expect("the engine");
        Self { driver, media, journal, present, follower }
    }

    fn stop(self) {
        self.driver.stop();
        drop(self.media);
        drop(self.journal);
        self.follower.join();
        let _ = self.present.join();
    }
}

/// Calls at an even rate, talks, hangs up; returns the CPU it took for that.
fn generate(
    (caller, callee): (UdpSocket, UdpSocket),
    centre: SocketAddr,
    number: &str,
    rate: u64,
    first: u64,
) -> Duration {
    let address = |socket: &UdpSocket| socket.local_addr().expect("its address");
    let mut phones = Phones::new(centre, address(&caller), address(&callee), number);
    caller.set_nonblocking(true).and_then(|()| callee.set_nonblocking(true)).expect("non-blocking");
    let began = Instant::now();
    let (mut sent, mut byes) = (0, 0);
    let mut up: Vec<(Instant, u64)> = Vec::new();
    let mut buffer = [0; 4_096];
    while phones.done < REAL_CALLS {
        assert!(began.elapsed() < Duration::from_secs(60), "{} of {REAL_CALLS} calls are over", phones.done);
        while sent < REAL_CALLS && began.elapsed() >= Duration::from_micros(1_000_000 / rate) * sent as u32 {
            let _ = caller.send_to(&phones.invite(first + sent), centre);
            sent += 1;
        }
        for (socket, is_caller) in [(&caller, true), (&callee, false)] {
            while let Ok((length, _)) = socket.recv_from(&mut buffer) {
                let text = std::str::from_utf8(buffer.get(..length).unwrap_or_default()).unwrap_or_default();
                let answer = if is_caller { phones.at_caller(text) } else { phones.at_callee(text) };
                if let Some(bytes) = answer {
                    let _ = socket.send_to(&bytes, centre);
                }
            }
        }
        up.extend(phones.just_up.drain(..).map(|id| (Instant::now() + TALK, id)));
        while up.get(byes).is_some_and(|(at, _)| *at <= Instant::now()) {
            if let Some(bytes) = up.get(byes).and_then(|(_, id)| phones.bye(*id)) {
                let _ = caller.send_to(&bytes, centre);
            }
            byes += 1;
        }
        thread::sleep(Duration::from_micros(500));
    }
    assert_eq!(phones.failed, 0, "every call is bridged");
    thread_cpu()
}

/// A caller and a called side who do everything right.
struct Phones {
    centre: SocketAddr,
    caller: SocketAddr,
    callee: SocketAddr,
    number: String,
    /// To and Contact of each answered call.
    up: BTreeMap<u64, (String, String)>,
    just_up: Vec<u64>,
    done: u64,
    failed: u64,
}

impl Phones {
    fn new(centre: SocketAddr, caller: SocketAddr, callee: SocketAddr, number: &str) -> Self {
        let (number, up, just_up) = (number.to_owned(), BTreeMap::new(), Vec::new());
        Self { centre, caller, callee, number, up, just_up, done: 0, failed: 0 }
    }

    fn invite(&self, id: u64) -> Bytes {
        let (a, number, centre, body) = (self.caller, &self.number, self.centre, sdp(self.caller));
        Bytes::from(format!(
            "INVITE sip:{number}@{centre} SIP/2.0\r\nVia: SIP/2.0/UDP {a};branch=z9hG4bKi{id};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{id}@customers.example>;tag=t{id}\r\nTo: <sip:{number}@{centre}>\r\n\
             Call-ID: b{id}\r\nCSeq: 1 INVITE\r\nContact: <sip:{id}@{a}>\r\n\
             Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\nUser-Agent: bench\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    fn in_dialog(&self, id: u64, method: &str, cseq: u32, branch: char) -> Option<Bytes> {
        let (to, uri) = self.up.get(&id)?;
        let a = self.caller;
        Some(Bytes::from(format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {a};branch=z9hG4bK{branch}{id};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{id}@customers.example>;tag=t{id}\r\nTo: {to}\r\nCall-ID: b{id}\r\nCSeq: {cseq} {method}\r\n\
             Content-Length: 0\r\n\r\n"
        )))
    }

    fn bye(&self, id: u64) -> Option<Bytes> {
        self.in_dialog(id, "BYE", 2, 'b')
    }

    fn byes(&self, ids: std::ops::Range<u64>) -> impl Iterator<Item = Bytes> {
        ids.filter_map(|id| self.bye(id))
    }

    /// What the caller's phone answers.
    fn at_caller(&mut self, text: &str) -> Option<Bytes> {
        let id: u64 = header(text, "Call-ID")?.strip_prefix('b')?.parse().ok()?;
        if text.starts_with("SIP/2.0 1") {
            return None;
        }
        if header(text, "CSeq")?.ends_with("BYE") {
            self.done += u64::from(self.up.remove(&id).is_some());
            return None;
        }
        if !text.starts_with("SIP/2.0 200") {
            self.failed += 1;
            return None;
        }
        let contact = header(text, "Contact")?.trim_matches(['<', '>']).to_owned();
        if self.up.insert(id, (header(text, "To")?.to_owned(), contact)).is_none() {
            self.just_up.push(id);
        }
        self.in_dialog(id, "ACK", 1, 'a')
    }

    /// What the called phone answers.
    fn at_callee(&self, text: &str) -> Option<Bytes> {
        let body = sdp(self.callee);
        let more = format!("Contact: <sip:callee@{}>\r\nContent-Type: application/sdp\r\n", self.callee);
        match text.split(' ').next()? {
            "INVITE" => Some(answer(text, &more, &body)),
            "BYE" => Some(answer(text, "", "")),
            _ => None,
        }
    }

    /// What comes of an output of the pure engine.
    fn follow(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Send { flow, bytes } => {
                let text = std::str::from_utf8(&bytes).ok()?;
                let is_caller = flow.remote == self.caller;
                let answer = if is_caller { self.at_caller(text) } else { self.at_callee(text) };
                answer.map(|bytes| message(flow.remote, bytes))
            }
            Output::Media { command: Command::Open { leg, .. }, .. } => Some(Input::Media(Event::Opened { leg })),
            Output::Media { command: Command::Close { leg }, .. } => {
                Some(Input::Media(Event::Closed { leg, quality: hatif::journal::Quality::default() }))
            }
            Output::Commit(seq) => Some(Input::Committed(seq)),
            Output::Media { .. }
            | Output::Journal(_)
            | Output::Link(_)
            | Output::Fetch(_)
            | Output::Synthesize(_)
            | Output::Fork(_)
            | Output::LoadSound { .. }
            | Output::Drained => None,
        }
    }
}

fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn answer(request: &str, more: &str, body: &str) -> Bytes {
    let mut out = String::from("SIP/2.0 200 OK\r\n");
    for line in request.split("\r\n").take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default();
        if matches!(name, "Via" | "From" | "To" | "Call-ID" | "CSeq") {
            out.push_str(line);
            let tagless = name == "To" && !line.contains(";tag=");
            out.push_str(if tagless { ";tag=callee\r\n" } else { "\r\n" });
        }
    }
    Bytes::from(format!("{out}{more}Content-Length: {}\r\n\r\n{body}", body.len()))
}

fn sdp(address: SocketAddr) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n",
        ip = address.ip()
    )
}

fn settings(centre: SocketAddr, callee: SocketAddr) -> Settings {
    let support = QueueName::from("support");
    let agent = |number: u64| {
        let id = AgentId::from(format!("{}", 1_000 + number));
        let config = AgentConfig {
            queues: BTreeSet::from([QueueName::from("support")]),
            auto_ready: true,
            contact: Some(callee),
            ..AgentConfig::new(id.clone())
        };
        (id, config)
    };
    let number = |pattern: &str, action| NumberConfig {
        pattern: pattern.to_owned(),
        action,
        public: true,
        from: Vec::new(),
        record: RecordPolicy::Never,
        media: MediaPath::Relay,
        caller_id: None,
    };
    let outside = DialTarget::Address { user: "{number}".to_owned(), address: callee };
    let queue = QueueConfig { wrap_up: Duration::ZERO, ..QueueConfig::new(support.clone()) };
    let ip: IpAddr = centre.ip();
    let (flows, _) = hatif::ivr::load(&[], &hatif::ivr::Declared::default());
    Settings {
        sip: SipConfig {
            listeners: vec![Listener { transport: Transport::Udp, address: centre, advertised: None }],
            domain: "bench.example".to_owned(),
            // All calls come from one address here; all else as it is served.
            guard: GuardConfig {
                calls_per_second_per_source: 0,
                calls_per_second_per_known_source: 0,
                ..GuardConfig::default()
            },
            users: (0..PHONES).map(|n| (n.to_string(), UserConfig { password: "secret".to_owned() })).collect(),
            trace_calls: TRACE_CALLS,
            ..SipConfig::default()
        },
        media: MediaConfig {
            address: ip,
            bind: ip,
            ports: 30_000..=49_999,
            mux: false,
            shared: Vec::new(),
            identity: None,
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            shards: 1,
            timeout_s: 60,
        },
        floor: FloorConfig {
            agents: (0..AGENTS).map(agent).collect(),
            queues: BTreeMap::from([(support.clone(), queue)]),
            ..FloorConfig::default()
        },
        call: CallConfig {
            languages: vec!["en".to_owned()],
            numbers: vec![number("7XXX", NumberAction::Dial(outside)), number("600", NumberAction::Queue(support))],
            ..CallConfig::default()
        },
        utc_offset_minutes: 0,
        flows: Arc::new(flows.expect("no flow is a sound library")),
        prompts: Arc::new(Prompts::new(BTreeMap::new(), Clip::tone(440.0, -20.0, 1_000))),
    }
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock).expect("a clock");
    Duration::new(u64::try_from(time.tv_sec()).unwrap_or(0), u32::try_from(time.tv_nsec()).unwrap_or(0))
}

fn thread_cpu() -> Duration {
    cpu(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

fn process_cpu() -> Duration {
    cpu(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// CPU of the threads named `engine` so far, by the kernel's own account.
fn engine_cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let engines = tasks
        .filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "engine"));
    let spent = engines.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}
