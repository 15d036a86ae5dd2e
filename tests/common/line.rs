//! What lies between a robot phone's media and the server: a router that translates addresses, a line that loses,
//! repeats and swaps packets by a seed, and in any case a witness of every packet that passes.
#![allow(dead_code, clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a packet that is to come after the next one waits for it at most.
const HELD: Duration = Duration::from_millis(40);

/// Shares of packets, each way alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub loss: f64,
    /// Comes after its successor.
    pub reorder: f64,
    pub duplicate: f64,
}

/// A packet that came to the line.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    pub at: Instant,
    /// Else to the phone.
    pub to_server: bool,
    pub rtcp: bool,
    pub from: SocketAddr,
    pub bytes: usize,
    /// It went no further.
    pub lost: bool,
    /// The RTP header as far as it is one.
    pub head: [u8; 12],
}

/// A line for all calls of one phone. Give it to the phone as `Options::line`.
#[derive(Debug)]
pub struct Line {
    /// The address on the server's side.
    outer: IpAddr,
    /// What SDP says in place of our own outer address.
    says: Option<SocketAddr>,
    faults: Faults,
    seed: u64,
    tunnels: Mutex<BTreeMap<SocketAddr, Tunnel>>,
    passed: Arc<Mutex<Vec<Passed>>>,
    stop: Arc<AtomicBool>,
}

/// One call's two pairs of sockets.
#[derive(Debug)]
struct Tunnel {
    inner: SocketAddr,
    outer: [Slot; 2],
    server: Arc<Mutex<Option<SocketAddr>>>,
    threads: Vec<JoinHandle<()>>,
}

/// A socket that can be exchanged while it is read.
type Slot = Arc<RwLock<Arc<UdpSocket>>>;

impl Line {
    pub fn new(outer: [u8; 4], says: Option<SocketAddr>, faults: Faults, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            outer: IpAddr::from(outer),
            says,
            faults,
            seed,
            tunnels: Mutex::default(),
            passed: Arc::default(),
            stop: Arc::default(),
        })
    }

    /// Every packet so far, of all calls.
    pub fn passed(&self) -> Vec<Passed> {
        lock(&self.passed).clone()
    }

    /// The router forgets its ports: what each call sends leaves from new ones from now on.
    pub fn rebind(&self) {
        for tunnel in lock(&self.tunnels).values() {
            let fresh = open_pair(self.outer);
            for (slot, socket) in tunnel.outer.iter().zip(fresh) {
                *slot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(socket);
            }
        }
    }

    /// The RTP address on the server's side of each call.
    pub fn outer(&self) -> Vec<SocketAddr> {
        lock(&self.tunnels).values().map(|t| address(&socket_of(&t.outer[0]))).collect()
    }

    /// Sends this to the server as if the phone had: from the address of its call whose RTP is at `local`, by the RTP
    /// or the RTCP port.
    pub fn inject(&self, local: SocketAddr, rtcp: bool, packet: &[u8]) {
        let tunnels = lock(&self.tunnels);
        let Some(tunnel) = tunnels.get(&local) else { return };
        let n = u16::from(rtcp);
        let Some(server) = *lock(&tunnel.server) else { return };
        let target = SocketAddr::new(server.ip(), server.port() + n);
        let _ = socket_of(&tunnel.outer[usize::from(n)]).send_to(packet, target);
    }

    /// `nth`: how many calls were before it, so that the same call meets the same faults each time.
    fn open(&self, local: SocketAddr, nth: u64) -> Tunnel {
        let (inner, outer) = (open_pair(local.ip()), open_pair(self.outer));
        let inner_address = address(&inner[0]);
        let server: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let outer = outer.map(|socket| Arc::new(RwLock::new(Arc::new(socket))));
        let mut threads = Vec::new();
        for (n, (inner, outer)) in inner.into_iter().zip(&outer).enumerate() {
            let inner: Slot = Arc::new(RwLock::new(Arc::new(inner)));
            for to_server in [true, false] {
                let target = Arc::clone(&server);
                let phone = SocketAddr::new(local.ip(), local.port() + n as u16);
                let (from, to) = if to_server { (&inner, outer) } else { (outer, &inner) };
                let way = Way {
                    from: Arc::clone(from),
                    to: Arc::clone(to),
                    to_server,
                    rtcp: n == 1,
                    dice: Dice(self.seed.wrapping_add((nth * 4 + n as u64 * 2 + u64::from(to_server)) << 32)),
                    faults: self.faults,
                    passed: Arc::clone(&self.passed),
                    stop: Arc::clone(&self.stop),
                };
                let target = move || {
                    if !to_server {
                        return Some(phone);
                    }
                    (*lock(&target)).map(|server| SocketAddr::new(server.ip(), server.port() + n as u16))
                };
                threads.push(std::thread::spawn(move || way.run(target)));
            }
        }
        Tunnel { inner: inner_address, outer, server, threads }
    }
}

impl hatif::robot::Line for Line {
    fn outside(&self, local: SocketAddr) -> SocketAddr {
        let mut tunnels = lock(&self.tunnels);
        let nth = tunnels.len() as u64;
        let tunnel = tunnels.entry(local).or_insert_with(|| self.open(local, nth));
        self.says.unwrap_or_else(|| address(&socket_of(&tunnel.outer[0])))
    }

    fn towards(&self, local: SocketAddr, remote: SocketAddr) -> SocketAddr {
        let tunnels = lock(&self.tunnels);
        let Some(tunnel) = tunnels.get(&local) else { return remote };
        *lock(&tunnel.server) = Some(remote);
        tunnel.inner
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for tunnel in std::mem::take(&mut *lock(&self.tunnels)).into_values() {
            for thread in tunnel.threads {
                let _ = thread.join();
            }
        }
    }
}

/// One direction of one socket pair.
struct Way {
    from: Slot,
    to: Slot,
    to_server: bool,
    rtcp: bool,
    dice: Dice,
    faults: Faults,
    passed: Arc<Mutex<Vec<Passed>>>,
    stop: Arc<AtomicBool>,
}

impl Way {
    fn run(mut self, target: impl Fn() -> Option<SocketAddr>) {
        let mut buffer = [0u8; 2_048];
        let mut held: Option<Vec<u8>> = None;
        while !self.stop.load(Ordering::Relaxed) {
            let Ok((length, from)) = socket_of(&self.from).recv_from(&mut buffer) else {
                // Nothing follows that it could come after.
                if let Some(packet) = held.take() {
                    self.send(&packet, &target);
                }
                continue;
            };
            let packet = &buffer[..length];
            let mut head = [0; 12];
            head.iter_mut().zip(packet).for_each(|(to, byte)| *to = *byte);
            let (to_server, rtcp) = (self.to_server, self.rtcp);
            let lost = self.dice.shows(self.faults.loss);
            lock(&self.passed).push(Passed { at: Instant::now(), to_server, rtcp, from, bytes: length, lost, head });
            if lost {
                continue;
            }
            if held.is_none() && self.dice.shows(self.faults.reorder) {
                held = Some(packet.to_vec());
                continue;
            }
            self.send(packet, &target);
            if self.dice.shows(self.faults.duplicate) {
                self.send(packet, &target);
            }
            if let Some(packet) = held.take() {
                self.send(&packet, &target);
            }
        }
    }

    fn send(&self, packet: &[u8], target: &impl Fn() -> Option<SocketAddr>) {
        if let Some(target) = target() {
            let _ = socket_of(&self.to).send_to(packet, target);
        }
    }
}

/// Numbers that follow from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn shows(&mut self, share: f64) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.0;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let share_of_all = ((n ^ (n >> 31)) >> 11) as f64 / 2f64.powi(53);
        share_of_all < share
    }
}

/// An even port and the next one, for RTP and RTCP.
pub fn open_pair(ip: IpAddr) -> [UdpSocket; 2] {
    for _ in 0..200 {
        let first = UdpSocket::bind((ip, 0)).expect("a port");
        let port = address(&first).port();
        let Ok(second) = UdpSocket::bind((ip, port ^ 1)) else { continue };
        for socket in [&first, &second] {
            socket.set_read_timeout(Some(HELD)).expect("timeout");
        }
        return if port.is_multiple_of(2) { [first, second] } else { [second, first] };
    }
    panic!("no free pair of ports at {ip}");
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().unwrap_or_else(|e: io::Error| panic!("a socket without an address: {e}"))
}

fn socket_of(slot: &Slot) -> Arc<UdpSocket> {
    Arc::clone(&slot.read().unwrap_or_else(PoisonError::into_inner))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
