//! CPU of relaying one RTP packet: a bare epoll relay beside the media thread, without and with recording.
//!
//! Each round drives the same phones (G.711, 50 packets a second each, loopback) through the three relays in turn and
//! reads the CPU time of the relay's own thread. `HATIF_BENCH_CALLS` sets the two-leg calls (default 250), and
//! `HATIF_BENCH_ROUNDS` the rounds (default 3, at least 3 for a median that says something).

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hatif::clock::{Clock, Wall};
use hatif::id::{LegId, RecordingId};
use hatif::io::media::MediaThreads;
use hatif::media::config::MediaConfig;
use hatif::media::{Codec, Command, Event, LegRole, Port, PortRange, Terms, rtp};
use rustix::event::{Timespec, epoll};

/// As the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WARM: Duration = Duration::from_millis(1_000);
const MEASURE: Duration = Duration::from_millis(4_000);
const FRAME: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Bare,
    Relay,
    Record,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare epoll relay",
            Self::Relay => "media thread, relay",
            Self::Record => "media thread, relay + stereo recording",
        }
    }
}

fn main() {
    // `cargo test --benches` runs every bench without the flag: nothing to check there.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let number = |name: &str, or: usize| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(or);
    let calls = number("HATIF_BENCH_CALLS", 250);
    let rounds = number("HATIF_BENCH_ROUNDS", 3);
    raise_file_limit();
    let kinds = [Kind::Bare, Kind::Relay, Kind::Record];
    let mut results: Vec<Vec<Figures>> = kinds.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (kind, results) in kinds.iter().zip(&mut results) {
            results.push(measure(*kind, calls));
        }
    }
    println!("RTP relay on loopback: {calls} two-leg calls, {} packets/s, {rounds} rounds of 4 s\n", calls * 100);
    println!("| relay | CPU µs/packet min | median | max | median beside bare | packets/s | lost |");
    println!("|---|---|---|---|---|---|---|");
    let bare = median(&results[0]);
    for (kind, results) in kinds.iter().zip(&results) {
        let by_cost = |a: &&Figures, b: &&Figures| a.cost_us.total_cmp(&b.cost_us);
        let (min, max) = (results.iter().min_by(by_cost).unwrap(), results.iter().max_by(by_cost).unwrap());
        let middle = median(results);
        let lost = results.iter().map(|f| f.lost).fold(0.0, f64::max);
        let rate = results.iter().map(|f| f.rate).fold(f64::MAX, f64::min);
        println!(
            "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {rate:.0} | {:.2} % |",
            kind.name(),
            min.cost_us,
            middle,
            max.cost_us,
            middle / bare,
            lost * 100.0
        );
    }
}

struct Figures {
    cost_us: f64,
    /// Packets relayed a second.
    rate: f64,
    /// Part of the packets that did not come back.
    lost: f64,
}

fn median(results: &[Figures]) -> f64 {
    let mut costs: Vec<f64> = results.iter().map(|f| f.cost_us).collect();
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

/// Runs one relay under load and reads the CPU time of its thread around the measured time.
fn measure(kind: Kind, calls: usize) -> Figures {
    let phones: Vec<UdpSocket> = (0..calls * 2).map(|_| udp()).collect();
    let relay = Relay::start(kind, &phones);
    for (phone, port) in phones.iter().zip(&relay.ports) {
        phone.connect((Ipv4Addr::LOCALHOST, *port)).unwrap();
    }
    let load = Load::start(phones);
    std::thread::sleep(WARM);
    let (cpu, sent, received, at) = (cpu_ns(relay.thread), load.sent(), load.received(), Instant::now());
    std::thread::sleep(MEASURE);
    let (cpu, took) = (cpu_ns(relay.thread) - cpu, at.elapsed());
    let (sent, received) = (load.sent() - sent, load.received() - received);
    drop(load);
    drop(relay);
    Figures {
        cost_us: cpu as f64 / 1_000.0 / received.max(1) as f64,
        rate: received as f64 / took.as_secs_f64(),
        lost: (sent as f64 - received as f64).max(0.0) / sent.max(1) as f64,
    }
}

fn udp() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a UDP socket");
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Nanoseconds on the CPU of the thread of this process with this name.
fn cpu_ns(name: &str) -> u64 {
    for task in std::fs::read_dir("/proc/self/task").expect("/proc").flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if read("comm").trim() == name {
            return read("schedstat").split(' ').next().and_then(|ns| ns.parse().ok()).expect("schedstat");
        }
    }
    panic!("no thread {name}");
}

fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// The phones: every one sends each 20 ms and reads what came.
struct Load {
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    fn start(phones: Vec<UdpSocket>) -> Self {
        let (sent, received) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let stop = Arc::new(AtomicBool::new(false));
        let (to_sent, to_received, until) = (Arc::clone(&sent), Arc::clone(&received), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let began = Instant::now();
            let mut buffer = [0; 2_048];
            for round in 0u32.. {
                for (slot, chunk) in phones.chunks(phones.len().div_ceil(20)).enumerate() {
                    if until.load(Ordering::Relaxed) {
                        return;
                    }
                    let due = began + FRAME * round + Duration::from_millis(slot as u64);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    for phone in chunk {
                        while phone.recv(&mut buffer).is_ok() {
                            to_received.fetch_add(1, Ordering::Relaxed);
                        }
                        let mut packet = [0xd5; 172];
                        packet[..12].copy_from_slice(&rtp::header(0, false, round as u16, round * 160, slot as u32));
                        if phone.send(&packet).is_ok() {
                            to_sent.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            }
        });
        Self { sent, received, stop, thread: Some(thread) }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// One of the relays, its thread's name and the port for each phone; phones 2n and 2n + 1 talk.
struct Relay {
    thread: &'static str,
    ports: Vec<u16>,
    running: Option<Running>,
}

enum Running {
    Bare(Arc<AtomicBool>, JoinHandle<()>),
    Media(MediaThreads, JoinHandle<()>),
}

impl Relay {
    fn start(kind: Kind, phones: &[UdpSocket]) -> Self {
        match kind {
            Kind::Bare => Self::bare(phones),
            Kind::Relay => Self::media(phones, false),
            Kind::Record => Self::media(phones, true),
        }
    }

    fn bare(phones: &[UdpSocket]) -> Self {
        let legs: Vec<UdpSocket> = phones
            .iter()
            .map(|phone| {
                let leg = udp();
                leg.connect(phone.local_addr().unwrap()).unwrap();
                leg
            })
            .collect();
        let ports = legs.iter().map(|leg| leg.local_addr().unwrap().port()).collect();
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        for (n, leg) in legs.iter().enumerate() {
            epoll::add(&epoll, leg, epoll::EventData::new_u64(n as u64), epoll::EventFlags::IN).unwrap();
        }
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("bare".into()).spawn(move || bare_loop(&epoll, &legs, &until));
        Self { thread: "bare", ports, running: Some(Running::Bare(stop, thread.unwrap())) }
    }

    fn media(phones: &[UdpSocket], record: bool) -> Self {
        let config = MediaConfig {
            address: Ipv4Addr::LOCALHOST.into(),
            bind: Ipv4Addr::LOCALHOST.into(),
            ports: 10_000..=29_999,
            mux: false,
            shared: Vec::new(),
            identity: None,
            codecs: vec![Codec::Pcmu],
            shards: 1,
            timeout_s: 60,
        };
        let (chunks, storage) = crossbeam_channel::bounded(100_000);
        let storage = std::thread::spawn(move || while storage.recv().is_ok() {});
        let clock = Clock::new(Instant::now(), Wall(0));
        let (threads, mut lines) =
            MediaThreads::start(&config, clock, [3; 32], chunks.into(), Arc::new(|| {})).unwrap();
        let mut range = PortRange::new(config.ports);
        let ports = phones.iter().enumerate().map(|(n, phone)| {
            loop {
                let (port, _) = range.take(Instant::now()).expect("a free port");
                lines.send(0, open(LegId(n as u64), port, phone.local_addr().unwrap()));
                let answer = loop {
                    match lines.poll_event() {
                        Some(answer) => break answer,
                        None => std::thread::sleep(Duration::from_micros(50)),
                    }
                };
                match answer {
                    Event::Opened { .. } => break port,
                    _ => range.skip(Instant::now(), port),
                }
            }
        });
        let ports: Vec<u16> = ports.collect();
        for n in (0..phones.len() as u64).step_by(2) {
            let (a, b) = (LegId(n), LegId(n + 1));
            lines.send(0, Command::Bridge { a, b });
            if record {
                let recording = RecordingId::new(1, u128::from(n));
                lines.send(0, Command::Record { recording, customer: a, others: smallvec::smallvec![b] });
            }
        }
        Self { thread: "media-0", ports, running: Some(Running::Media(threads, storage)) }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        match self.running.take() {
            Some(Running::Bare(stop, thread)) => {
                stop.store(true, Ordering::Relaxed);
                let _ = thread.join();
            }
            Some(Running::Media(threads, storage)) => {
                drop(threads);
                let _ = storage.join();
            }
            None => {}
        }
    }
}

fn open(leg: LegId, port: u16, remote: SocketAddr) -> Command {
    Command::Open {
        leg,
        port: Port::Own(port),
        remote: Some(remote),
        signalling: None,
        terms: Terms::plain(Codec::Pcmu, 0, Some(101)),
        role: LegRole::Customer,
    }
}

/// The least a relay can do: wait, receive, put its own SSRC in, send.
fn bare_loop(epoll: &OwnedFd, legs: &[UdpSocket], stop: &AtomicBool) {
    let mut ready = Vec::with_capacity(256);
    let mut buffer = [0u8; 2_048];
    let timeout = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    while !stop.load(Ordering::Relaxed) {
        ready.clear();
        if epoll::wait(epoll, rustix::buffer::spare_capacity(&mut ready), Some(&timeout)).is_err() {
            continue;
        }
        for event in &ready {
            let event: &epoll::Event = event;
            let n = event.data.u64() as usize;
            if let Ok(length) = legs[n].recv(&mut buffer) {
                buffer[8..12].copy_from_slice(&(n as u32).to_be_bytes());
                let _ = legs[n ^ 1].send(&buffer[..length]);
            }
        }
    }
}
