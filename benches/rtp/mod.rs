//! Phones that send and read, a media thread that serves them, and bare threads to compare it with.

pub mod browser;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hatif::clock::{Clock, Wall};
use hatif::id::LegId;
use hatif::io::bell::Bell;
use hatif::io::media::{MediaLines, MediaThreads, RETRY};
use hatif::media::config::MediaConfig;
use hatif::media::srtp::Sender;
use hatif::media::{Codec, Command, Event, LegRole, Port, PortRange, Terms, rtp};
use rustix::event::{Timespec, epoll};

use browser::Browsers;

const WARM: Duration = Duration::from_millis(1_000);
const MEASURE: Duration = Duration::from_millis(4_000);
const FRAME: Duration = Duration::from_millis(20);

/// What one round of a row cost.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// CPU of the serving thread for each packet that the phones sent, in µs.
    pub cost_us: f64,
    /// Part of the packets that did not come back.
    pub lost: f64,
}

/// The middle one by cost.
pub fn median(results: &[Figures]) -> f64 {
    let mut costs: Vec<f64> = results.iter().map(|f| f.cost_us).collect();
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

/// A number from the environment.
pub fn number(name: &str, or: usize) -> usize {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(or)
}

/// As many open files as the system allows.
pub fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Who serves the phones: its thread's name, and the port for each phone. Ends when it is dropped.
pub trait Serving {
    /// The name of the thread whose time counts.
    fn thread(&self) -> &'static str;
    /// The port for each phone.
    fn ports(&self) -> &[u16];
}

/// Runs so many phones against one server and reads the CPU time of its thread around the measured time.
///
/// Each phone sends what `voice` says each 20 ms.
pub fn measure<S: Serving>(count: usize, voice: &Voice, start: impl FnOnce(&[UdpSocket]) -> S) -> Figures {
    measure_while(count, voice, start, || std::thread::sleep(MEASURE))
}

/// The same, over the time that `work` takes on this thread.
pub fn measure_while<S: Serving>(
    count: usize,
    voice: &Voice,
    start: impl FnOnce(&[UdpSocket]) -> S,
    work: impl FnOnce(),
) -> Figures {
    let phones: Vec<UdpSocket> = (0..count).map(|_| udp()).collect();
    let serving = start(&phones);
    for (phone, port) in phones.iter().zip(serving.ports()) {
        phone.connect((Ipv4Addr::LOCALHOST, *port)).unwrap();
    }
    let load = Load::start(phones, voice.clone());
    std::thread::sleep(WARM);
    let (cpu, sent, received) = (cpu_ns(serving.thread()), load.sent(), load.received());
    work();
    let cpu = cpu_ns(serving.thread()) - cpu;
    let (sent, received) = (load.sent() - sent, load.received() - received);
    drop(load);
    drop(serving);
    Figures {
        cost_us: cpu as f64 / 1_000.0 / sent.max(1) as f64,
        lost: (sent as f64 - received as f64).max(0.0) / sent.max(1) as f64,
    }
}

/// What the phones send: by turns, so that coders see sound that changes.
#[derive(Clone)]
pub struct Voice {
    /// By the phone's number, even and odd: payload type, ticks a packet, payloads.
    pub sides: [(u8, u32, Vec<Vec<u8>>); 2],
    /// Makes what seals the packets of one phone.
    pub seal: Option<Seals>,
    /// The even phones are browsers, which check each 2.5 s.
    pub browsers: bool,
}

/// Makes the sender of SRTP of the phone of this number; none where it sends plain RTP.
pub type Seals = Arc<dyn Fn(usize) -> Option<Sender> + Send + Sync>;

/// Packets between two checks of a browser: 2.5 s.
const CHECK_EVERY: u32 = 125;

impl Voice {
    /// µ-law silence both ways.
    pub fn pcmu() -> Self {
        let side = (0, 160, vec![vec![0xd5; 160]]);
        Self { sides: [side.clone(), side], seal: None, browsers: false }
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

/// The phones: every one sends each 20 ms and reads what came.
struct Load {
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    fn start(phones: Vec<UdpSocket>, voice: Voice) -> Self {
        let (sent, received) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let stop = Arc::new(AtomicBool::new(false));
        let (to_sent, to_received, until) = (Arc::clone(&sent), Arc::clone(&received), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let began = Instant::now();
            let mut buffer = [0; 2_048];
            let of_slot = phones.len().div_ceil(20);
            let make = |n: usize| voice.seal.as_ref().and_then(|make| make(n));
            let mut seals: Vec<_> = (0..phones.len()).map(make).collect();
            for round in 0u32.. {
                for (slot, chunk) in phones.chunks(of_slot).enumerate() {
                    if until.load(Ordering::Relaxed) {
                        return;
                    }
                    let due = began + FRAME * round + Duration::from_millis(slot as u64);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    for (n, phone) in chunk.iter().enumerate() {
                        while phone.recv(&mut buffer).is_ok() {
                            to_received.fetch_add(u64::from(buffer[0] >= 128), Ordering::Relaxed);
                        }
                        let n = slot * of_slot + n;
                        if voice.browsers && n.is_multiple_of(2) && (round + n as u32).is_multiple_of(CHECK_EVERY) {
                            let _ = phone.send(&browser::check(n));
                        }
                        let (payload_type, ticks, payloads) = &voice.sides[n % 2];
                        let payload = &payloads[round as usize % payloads.len()];
                        let mut packet = [0; 1_500];
                        let header = rtp::header(*payload_type, false, round as u16, round * ticks, n as u32);
                        packet[..12].copy_from_slice(&header);
                        packet[12..12 + payload.len()].copy_from_slice(payload);
                        let mut length = 12 + payload.len();
                        if let Some(sender) = &mut seals[n] {
                            length = sender.protect(&mut packet, length).expect("sealed");
                        }
                        if phone.send(&packet[..length]).is_ok() {
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

/// A thread that does the least that can be done.
pub struct Bare {
    ports: Vec<u16>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bare {
    /// Waits, receives, puts its own SSRC in, sends to the neighbour: phones 2n and 2n + 1 talk.
    pub fn relay(phones: &[UdpSocket]) -> Self {
        Self::start(phones, |epoll, legs, stop| {
            let mut ready = Vec::with_capacity(256);
            let mut buffer = [0u8; 2_048];
            while !stop.load(Ordering::Relaxed) {
                for event in wait(epoll, &mut ready, Duration::from_millis(100)) {
                    let n = event.data.u64() as usize;
                    if let Ok(length) = legs[n].recv(&mut buffer) {
                        buffer[8..12].copy_from_slice(&(n as u32).to_be_bytes());
                        let _ = legs[n ^ 1].send(&buffer[..length]);
                    }
                }
            }
        })
    }

    /// Receives what comes, and sends to each phone a packet of its own each 20 ms, spread over 1 ms slots.
    pub fn turns(phones: &[UdpSocket]) -> Self {
        Self::start(phones, |epoll, legs, stop| {
            let mut ready = Vec::with_capacity(256);
            let mut buffer = [0u8; 2_048];
            let began = Instant::now();
            for step in 0u32.. {
                let due = began + Duration::from_millis(u64::from(step));
                loop {
                    let left = due.saturating_duration_since(Instant::now());
                    for event in wait(epoll, &mut ready, left) {
                        let _ = legs[event.data.u64() as usize].recv(&mut buffer);
                    }
                    if Instant::now() >= due {
                        break;
                    }
                }
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let mut packet = [0xd5u8; 172];
                packet[..12].copy_from_slice(&rtp::header(0, false, (step / 20) as u16, step / 20 * 160, 7));
                for leg in legs.iter().skip(step as usize % 20).step_by(20) {
                    let _ = leg.send(&packet);
                }
            }
        })
    }

    fn start(phones: &[UdpSocket], run: fn(&OwnedFd, &[UdpSocket], &AtomicBool)) -> Self {
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
        let thread = std::thread::Builder::new().name("bare".into()).spawn(move || run(&epoll, &legs, &until));
        Self { ports, stop, thread: Some(thread.unwrap()) }
    }
}

fn wait<'a>(epoll: &OwnedFd, ready: &'a mut Vec<epoll::Event>, time: Duration) -> &'a [epoll::Event] {
    ready.clear();
    let timeout = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
    let _ = epoll::wait(epoll, rustix::buffer::spare_capacity(ready), Some(&timeout));
    ready
}

impl Serving for Bare {
    fn thread(&self) -> &'static str {
        "bare"
    }

    fn ports(&self) -> &[u16] {
        &self.ports
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A media thread with a leg for each phone.
pub struct Media {
    ports: Vec<u16>,
    threads: Option<MediaThreads>,
    storage: Option<JoinHandle<()>>,
}

impl Media {
    /// Opens leg n for phone n by `terms`, then gives its commands.
    pub fn start(
        phones: &[UdpSocket],
        terms: impl Fn(usize) -> Terms,
        then: impl FnOnce(&mut dyn FnMut(Command)),
    ) -> Self {
        Self::with_browsers(phones, None, terms, then)
    }

    /// The same with browsers at the even numbers, which have shaken hands when it is done.
    pub fn with_browsers(
        phones: &[UdpSocket],
        browsers: Option<&Browsers>,
        terms: impl Fn(usize) -> Terms,
        then: impl FnOnce(&mut dyn FnMut(Command)),
    ) -> Self {
        let config = MediaConfig {
            address: Ipv4Addr::LOCALHOST.into(),
            bind: Ipv4Addr::LOCALHOST.into(),
            ports: 10_000..=29_999,
            mux: false,
            shared: Vec::new(),
            identity: browsers.map(|browsers| browsers.server().clone()),
            codecs: vec![Codec::Pcmu],
            shards: 1,
            timeout_s: 60,
        };
        let (chunks, storage) = crossbeam_channel::bounded(100_000);
        let storage = std::thread::spawn(move || while storage.recv().is_ok() {});
        let clock = Clock::new(Instant::now(), Wall(0));
        // Nobody sleeps by it: the answers are looked for.
        let bell = Arc::new(Bell::new().unwrap());
        let (threads, mut lines) = MediaThreads::start(&config, clock, [3; 32], chunks.into(), bell).unwrap();
        let mut range = PortRange::new(config.ports);
        let mut ports = Vec::new();
        for (n, phone) in phones.iter().enumerate() {
            let (leg, remote) = (LegId(n as u64), phone.local_addr().unwrap());
            if let Some(browsers) = browsers.filter(|_| n % 2 == 0) {
                let port = threads.shared_ports()[0];
                let terms = Terms { security: browsers.security(n), rtcp_mux: true, ..terms(n) };
                lines.send(0, open(leg, Port::Shared(port), remote, terms));
                assert!(matches!(answer(&mut lines), Event::Opened { .. }));
                phone.connect((Ipv4Addr::LOCALHOST, port)).unwrap();
                browsers.shake_hands(n, phone);
                ports.push(port);
                continue;
            }
            loop {
                let (port, _) = range.take(Instant::now()).expect("a free port");
                lines.send(0, open(leg, Port::Own(port), remote, terms(n)));
                match answer(&mut lines) {
                    Event::Opened { .. } => {
                        ports.push(port);
                        break;
                    }
                    _ => range.skip(Instant::now(), port),
                }
            }
        }
        then(&mut |command| lines.send(0, command));
        while !lines.ring() {
            std::thread::sleep(RETRY);
        }
        Self { ports, threads: Some(threads), storage: Some(storage) }
    }
}

impl Serving for Media {
    fn thread(&self) -> &'static str {
        "media-0"
    }

    fn ports(&self) -> &[u16] {
        &self.ports
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        drop(self.threads.take());
        let _ = self.storage.take().map(JoinHandle::join);
    }
}

/// The next event, waited for at most 5 s.
fn answer(lines: &mut MediaLines) -> Event {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        if let Some(event) = lines.poll_event() {
            return event;
        }
        assert!(Instant::now() < until, "an answer");
        std::thread::sleep(Duration::from_micros(50));
    }
}

fn open(leg: LegId, port: Port, remote: SocketAddr, terms: Terms) -> Command {
    Command::Open { leg, port, remote: Some(remote), signalling: None, terms, role: LegRole::Customer }
}
