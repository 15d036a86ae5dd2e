//! One call's sound: an RTP and an RTCP socket, one thread, 20 ms.
//!
//! Sends what [`Source`] says and RFC 4733 digits, answers to where packets come from (symmetric RTP), reports by
//! RTCP every 5 s (RFC 3550), and keeps what it hears with the time of each packet.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::audio::{Codec, tone_sample};

/// Samples in one packet.
const FRAME: usize = 160;
const TICK: Duration = Duration::from_millis(20);
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Level of the tones this phone sends, in dBm0.
const TONE_DBM0: f64 = -16.0;
/// Packets of one digit: 7 while it is held (140 ms), then the end three times (RFC 4733 §2.5.1.4).
const DIGIT_UPDATES: u8 = 7;
const DIGIT_ENDS: u8 = 3;
/// Packets of sound between two digits.
const DIGIT_GAP: u8 = 5;

/// What a phone says.
#[derive(Clone, Debug)]
pub enum Source {
    /// Packets of silence.
    Silence,
    /// A sine of so many Hz at −16 dBm0.
    Tone(f64),
    /// 8 kHz samples, once, then silence.
    Clip(Arc<[i16]>),
    /// 8 kHz samples again and again.
    Loop(Arc<[i16]>),
    /// No packets at all.
    Nothing,
}

/// One RTP packet as it came.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// When it was read.
    pub at: Instant,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Sequence number.
    pub sequence: u16,
    /// Media timestamp, 8,000 a second.
    pub timestamp: u32,
    /// Payload type.
    pub payload_type: u8,
    /// The marker bit.
    pub marker: bool,
    /// Where its sound begins in all that was heard; the length there for telephone events.
    pub offset: usize,
    /// Samples of sound in it; zero for telephone events.
    pub samples: usize,
}

/// What lies between the media sockets of a phone and the network: a router that translates addresses, a bad line.
///
/// `local` is the phone's own RTP address, which names the call. RTCP goes to the next port above each address.
pub trait Line: std::fmt::Debug + Send + Sync {
    /// What SDP says in place of `local`.
    fn outside(&self, local: SocketAddr) -> SocketAddr;
    /// Where packets go that are meant for `remote`.
    fn towards(&self, local: SocketAddr, remote: SocketAddr) -> SocketAddr;
}

/// Where to send and how; set by offer and answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) remote: Option<SocketAddr>,
    pub(super) codec: Codec,
    pub(super) events: Option<u8>,
    pub(super) send: bool,
}

struct Digit {
    event: u8,
    timestamp: u32,
    packet: u8,
}

struct State {
    way: Option<Way>,
    /// Where the other side's SDP wants packets, whatever lies between.
    peer: Option<SocketAddr>,
    source: Source,
    position: u64,
    /// When the first packet of `source` left.
    said_at: Option<Instant>,
    digits: VecDeque<char>,
    digit: Option<Digit>,
    gap: u8,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    sent: u32,
    sent_bytes: u32,
    heard: Heard,
    stop: bool,
}

/// What came in.
#[derive(Default)]
struct Heard {
    limit: usize,
    pcm: Vec<i16>,
    packets: Vec<Packet>,
    digits: String,
    last_digit: Option<u32>,
    source: Option<(u32, u32, usize)>,
    received: u32,
    highest: u32,
    jitter: f64,
    transit: Option<f64>,
    last_report: Option<(u32, Instant)>,
    reports: u32,
}

/// The running sound of one call.
pub(super) struct Media {
    /// Our RTP address.
    pub(super) local: SocketAddr,
    /// Our RTP address as SDP tells it.
    pub(super) shown: SocketAddr,
    line: Option<Arc<dyn Line>>,
    state: Arc<Mutex<State>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Media {
    /// Opens an even and the next odd port and begins to listen. `keep_ms`: how much sound to keep.
    pub(super) fn open(bind: IpAddr, source: Source, keep_ms: u64, line: Option<Arc<dyn Line>>) -> io::Result<Self> {
        let (rtp, rtcp) = open_pair(bind)?;
        let local = rtp.local_addr()?;
        let shown = line.as_ref().map_or(local, |line| line.outside(local));
        let random = random_u64();
        let limit = usize::try_from(keep_ms * 8).unwrap_or(usize::MAX);
        let state = Arc::new(Mutex::new(State {
            way: None,
            peer: None,
            source,
            position: 0,
            said_at: None,
            digits: VecDeque::new(),
            digit: None,
            gap: 0,
            ssrc: random as u32,
            sequence: (random >> 32) as u16 & 0x7fff,
            timestamp: (random >> 20) as u32,
            marker: true,
            sent: 0,
            sent_bytes: 0,
            heard: Heard { limit, ..Heard::default() },
            stop: false,
        }));
        let shared = Arc::clone(&state);
        let thread = std::thread::Builder::new().name("robot-rtp".into()).spawn(move || run(&rtp, &rtcp, &shared))?;
        Ok(Self { local, shown, line, state, thread: Mutex::new(Some(thread)) })
    }

    /// Sets where to send; the stream goes on.
    pub(super) fn set_way(&self, way: Way) {
        let through = |remote| self.line.as_ref().map_or(remote, |line| line.towards(self.local, remote));
        let mut state = lock(&self.state);
        state.peer = way.remote;
        state.way = Some(Way { remote: way.remote.map(through), ..way });
    }

    /// Where the other side's SDP wants packets.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        lock(&self.state).peer
    }

    /// Goes on as another source: this SSRC, other numbers, as a phone does after a restart of its stream.
    pub(super) fn set_ssrc(&self, ssrc: u32) {
        let random = random_u64();
        let mut state = lock(&self.state);
        state.ssrc = ssrc;
        state.sequence = random as u16;
        state.timestamp = (random >> 16) as u32;
    }

    /// When the first packet was due of what is said now; those after it are due one tick after the other.
    pub(super) fn said_at(&self) -> Option<Instant> {
        lock(&self.state).said_at
    }

    /// Whether events can be sent, and to where all goes.
    pub(super) fn way(&self) -> Option<Way> {
        lock(&self.state).way
    }

    /// Says something else from now on.
    pub(super) fn say(&self, source: Source) {
        let mut state = lock(&self.state);
        state.source = source;
        state.position = 0;
        state.said_at = None;
    }

    /// Presses keys, one after the other.
    pub(super) fn press(&self, digits: &str) {
        lock(&self.state).digits.extend(digits.chars())
    }

    /// True when no key is being pressed.
    pub(super) fn pressed(&self) -> bool {
        let state = lock(&self.state);
        state.digits.is_empty() && state.digit.is_none()
    }

    /// All sound so far, lost packets as silence.
    pub(super) fn heard(&self) -> Vec<i16> {
        lock(&self.state).heard.pcm.clone()
    }

    /// The sound of the packets that came since `from`.
    pub(super) fn heard_since(&self, from: Instant) -> Vec<i16> {
        let state = lock(&self.state);
        let heard = &state.heard;
        let packets = heard.packets.iter().filter(|p| p.at >= from);
        packets.filter_map(|p| heard.pcm.get(p.offset..p.offset + p.samples)).flatten().copied().collect()
    }

    /// Every packet so far.
    pub(super) fn packets(&self) -> Vec<Packet> {
        lock(&self.state).heard.packets.clone()
    }

    /// Keys the other side pressed.
    pub(super) fn digits(&self) -> String {
        lock(&self.state).heard.digits.clone()
    }

    /// RTCP packets that came.
    pub(super) fn reports(&self) -> u32 {
        lock(&self.state).heard.reports
    }

    /// Stops and gives the ports back; what was heard stays.
    pub(super) fn stop(&self) {
        lock(&self.state).stop = true;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.stop()
    }
}

/// A random number; robots without one would collide, so a missing source is fatal.
pub(super) fn random_u64() -> u64 {
    getrandom::u64().expect("the system has random numbers")
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_pair(bind: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let mut error = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..200 {
        let first = UdpSocket::bind((bind, 0))?;
        let port = first.local_addr()?.port();
        let (even, other) = if port % 2 == 0 { (true, port + 1) } else { (false, port - 1) };
        match UdpSocket::bind((bind, other)) {
            Ok(second) => return Ok(if even { (first, second) } else { (second, first) }),
            Err(e) => error = e,
        }
    }
    Err(error)
}

fn run(rtp: &UdpSocket, rtcp: &UdpSocket, shared: &Mutex<State>) {
    let mut buffer = [0u8; 2_048];
    let _ = rtcp.set_nonblocking(true);
    let mut next = Instant::now() + TICK;
    let mut report_at = Instant::now() + REPORT_EVERY;
    loop {
        let now = Instant::now();
        if now < next {
            let _ = rtp.set_read_timeout(Some((next - now).max(Duration::from_micros(500))));
            if let Ok((length, source)) = rtp.recv_from(&mut buffer) {
                let packet = buffer.get(..length).unwrap_or_default();
                lock(shared).receive(Instant::now(), packet, source);
            }
            continue;
        }
        // After a long stall the missed ticks are skipped: a burst would only fill jitter buffers.
        let due = if now - next > 5 * TICK { now } else { next };
        next = due + TICK;
        while let Ok((length, _)) = rtcp.recv_from(&mut buffer) {
            lock(shared).heard.report(Instant::now(), buffer.get(..length).unwrap_or_default());
        }
        let mut state = lock(shared);
        if state.stop {
            return;
        }
        let packets = state.next_packets(due);
        let remote = state.way.and_then(|w| w.remote);
        let report = (now >= report_at).then(|| state.write_report(now));
        drop(state);
        let Some(remote) = remote else { continue };
        for packet in packets {
            let _ = rtp.send_to(&packet, remote);
        }
        if let Some(report) = report {
            report_at = now + REPORT_EVERY;
            let _ = rtcp.send_to(&report, SocketAddr::new(remote.ip(), remote.port().saturating_add(1)));
        }
    }
}

impl State {
    fn receive(&mut self, now: Instant, packet: &[u8], source: SocketAddr) {
        let Some(way) = self.way.as_mut() else { return };
        if self.heard.receive(now, packet, way) {
            way.remote = way.remote.map(|_| source);
        }
    }

    /// The packets of the tick at `due`: one of sound or one of a digit; three at the end of a digit.
    fn next_packets(&mut self, due: Instant) -> Vec<Vec<u8>> {
        let Some(way) = self.way.filter(|w| w.send && w.remote.is_some()) else { return Vec::new() };
        if let Some(events) = way.events
            && let Some(packets) = self.digit_packets(events)
        {
            self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
            return packets;
        }
        self.gap = self.gap.saturating_sub(1);
        let frame: Option<Vec<u8>> = match &self.source {
            Source::Nothing => None,
            Source::Silence => Some(vec![way.codec.encode(0); FRAME]),
            Source::Tone(hz) => Some(
                (0..FRAME as u64).map(|n| way.codec.encode(tone_sample(*hz, TONE_DBM0, self.position + n))).collect(),
            ),
            Source::Clip(samples) => Some(frame_of(samples, self.position, false, way.codec)),
            Source::Loop(samples) => Some(frame_of(samples, self.position, true, way.codec)),
        };
        self.position += FRAME as u64;
        let timestamp = self.timestamp;
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        let Some(frame) = frame else { return Vec::new() };
        self.said_at.get_or_insert(due);
        let marker = std::mem::take(&mut self.marker);
        vec![self.packet(way.codec.payload_type(), marker, timestamp, &frame)]
    }

    fn digit_packets(&mut self, events: u8) -> Option<Vec<Vec<u8>>> {
        if self.digit.is_none() {
            if self.gap > 0 {
                return None;
            }
            let event = event_of(self.digits.pop_front()?)?;
            self.digit = Some(Digit { event, timestamp: self.timestamp, packet: 0 });
        }
        let digit = self.digit.as_mut()?;
        digit.packet += 1;
        let (event, timestamp, packet) = (digit.event, digit.timestamp, digit.packet);
        let ended = packet > DIGIT_UPDATES;
        let duration = (u16::from(packet) * FRAME as u16).to_be_bytes();
        let payload = [event, if ended { 0x8a } else { 0x0a }, duration[0], duration[1]];
        if ended {
            self.digit = None;
            self.gap = DIGIT_GAP;
        }
        let count = if ended { DIGIT_ENDS } else { 1 };
        Some((0..count).map(|_| self.packet(events, packet == 1, timestamp, &payload)).collect())
    }

    fn packet(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type | if marker { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.sent = self.sent.wrapping_add(1);
        self.sent_bytes = self.sent_bytes.wrapping_add(payload.len() as u32);
        packet
    }

    /// A sender report when we sent, else a receiver report, and our name (RFC 3550 §6.4, §6.5).
    fn write_report(&mut self, now: Instant) -> Vec<u8> {
        let block = self.heard.block(now);
        let count = u8::from(block.is_some());
        let sender = self.sent > 0;
        let words = (1 + if sender { 5 } else { 0 } + if block.is_some() { 6 } else { 0 }) as u16;
        let mut packet = vec![0x80 | count, if sender { 200 } else { 201 }];
        packet.extend(words.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        if sender {
            packet.extend(ntp_now().to_be_bytes());
            packet.extend(self.timestamp.to_be_bytes());
            packet.extend(self.sent.to_be_bytes());
            packet.extend(self.sent_bytes.to_be_bytes());
        }
        packet.extend(block.unwrap_or_default());
        packet.extend([0x81, 202, 0, 3]);
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(b"\x01\x05robot\x00");
        packet
    }
}

impl Heard {
    /// Takes one RTP packet; false when it is none.
    fn receive(&mut self, at: Instant, packet: &[u8], way: &Way) -> bool {
        let Some(header) = packet.first_chunk::<12>() else { return false };
        if header[0] >> 6 != 2 {
            return false;
        }
        let payload = packet.get(12 + usize::from(header[0] & 15) * 4..).unwrap_or_default();
        let (marker, payload_type) = (header[1] & 0x80 != 0, header[1] & 0x7f);
        let sequence = u16::from_be_bytes([header[2], header[3]]);
        let timestamp = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let ssrc = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        self.count(at, ssrc, sequence, timestamp);
        let (mut offset, mut samples) = (self.pcm.len(), 0);
        if way.events == Some(payload_type) {
            self.digit(timestamp, payload);
        } else if let Some(codec) = [Codec::Pcmu, Codec::Pcma].into_iter().find(|c| c.payload_type() == payload_type) {
            offset = self.place(ssrc, timestamp, payload.len());
            samples = payload.len();
            for (n, code) in payload.iter().enumerate() {
                if let Some(slot) = self.pcm.get_mut(offset + n) {
                    *slot = codec.decode(*code);
                }
            }
        }
        if self.packets.len() < self.limit / 8 {
            self.packets.push(Packet { at, ssrc, sequence, timestamp, payload_type, marker, offset, samples });
        }
        true
    }

    /// Finds the place of a packet on the time line of its source, growing it with silence.
    fn place(&mut self, ssrc: u32, timestamp: u32, samples: usize) -> usize {
        let place = match self.source {
            Some((source, first, base)) if source == ssrc => {
                let after = i64::from(timestamp.wrapping_sub(first) as i32) + base as i64;
                usize::try_from(after).ok().filter(|a| *a < self.pcm.len() + 60 * 8_000)
            }
            _ => None,
        };
        let place = place.unwrap_or_else(|| {
            self.source = Some((ssrc, timestamp, self.pcm.len()));
            self.pcm.len()
        });
        let end = (place + samples).min(self.limit);
        if self.pcm.len() < end {
            self.pcm.resize(end, 0);
        }
        place
    }

    fn digit(&mut self, timestamp: u32, payload: &[u8]) {
        let Some(event) = payload.first() else { return };
        // A packet of an earlier key that comes late is none of a new one.
        if self.last_digit.is_none_or(|last| timestamp.wrapping_sub(last) as i32 > 0) {
            self.last_digit = Some(timestamp);
            self.digits.push(digit_of(*event));
        }
    }

    /// RFC 3550 §A.8 and the extended highest sequence number.
    fn count(&mut self, at: Instant, ssrc: u32, sequence: u16, timestamp: u32) {
        if self.source.is_some_and(|(source, ..)| source != ssrc) {
            self.transit = None;
            self.highest = u32::from(sequence);
        }
        self.received = self.received.wrapping_add(1);
        let step = sequence.wrapping_sub(self.highest as u16);
        if self.received == 1 {
            self.highest = u32::from(sequence);
        } else if step < 0x8000 {
            self.highest = self.highest.wrapping_add(u32::from(step));
        }
        let arrival = f64::from((ntp_of(at) >> 16) as u32) * 8_000.0 / 65_536.0;
        let transit = arrival - f64::from(timestamp);
        if let Some(last) = self.transit.replace(transit) {
            let change = (transit - last).abs();
            if change < 80_000.0 {
                self.jitter += (change - self.jitter) / 16.0;
            }
        }
    }

    fn report(&mut self, at: Instant, packet: &[u8]) {
        let Some(header) = packet.first_chunk::<16>() else { return };
        if header[0] >> 6 != 2 {
            return;
        }
        self.reports += 1;
        if header[1] == 200 {
            // The middle 32 bits of the NTP time (RFC 3550 §6.4.1, LSR).
            let middle = u32::from_be_bytes([header[10], header[11], header[12], header[13]]);
            self.last_report = Some((middle, at));
        }
    }

    fn block(&self, now: Instant) -> Option<Vec<u8>> {
        let (ssrc, ..) = self.source?;
        let mut block = ssrc.to_be_bytes().to_vec();
        block.extend([0; 4]);
        block.extend(self.highest.to_be_bytes());
        block.extend((self.jitter as u32).to_be_bytes());
        let (last, since) = match self.last_report {
            Some((middle, at)) => (middle, ((now - at).as_secs_f64() * 65_536.0) as u32),
            None => (0, 0),
        };
        block.extend(last.to_be_bytes());
        block.extend(since.to_be_bytes());
        Some(block)
    }
}

fn frame_of(samples: &[i16], position: u64, again: bool, codec: Codec) -> Vec<u8> {
    (position..position + FRAME as u64)
        .map(|n| {
            let at = usize::try_from(n).unwrap_or(usize::MAX);
            let at = if again && !samples.is_empty() { at % samples.len() } else { at };
            codec.encode(samples.get(at).copied().unwrap_or(0))
        })
        .collect()
}

/// The event code of a key (RFC 4733 §3.2).
fn event_of(digit: char) -> Option<u8> {
    match digit {
        '0'..='9' => Some(digit as u8 - b'0'),
        '*' => Some(10),
        '#' => Some(11),
        'A'..='D' => Some(12 + digit as u8 - b'A'),
        _ => None,
    }
}

fn digit_of(event: u8) -> char {
    "0123456789*#ABCD".chars().nth(usize::from(event)).unwrap_or('?')
}

fn ntp_now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    ((since.as_secs() + 2_208_988_800) << 32) | ((u64::from(since.subsec_nanos()) << 32) / 1_000_000_000)
}

fn ntp_of(at: Instant) -> u64 {
    let ago = at.elapsed();
    ntp_now().wrapping_sub((ago.as_secs() << 32) | ((u64::from(ago.subsec_nanos()) << 32) / 1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::super::audio;
    use super::*;

    fn pair() -> (Media, Media) {
        let ip = IpAddr::from([127, 0, 0, 1]);
        let a = Media::open(ip, Source::Tone(1_004.0), 60_000, None).expect("ports");
        let b = Media::open(ip, Source::Tone(604.0), 60_000, None).expect("ports");
        for (from, to) in [(&a, &b), (&b, &a)] {
            from.set_way(Way { remote: Some(to.local), codec: Codec::Pcma, events: Some(101), send: true });
        }
        (a, b)
    }

    #[test]
    fn tones_and_digits_reach_the_other_side() {
        let (a, b) = pair();
        std::thread::sleep(Duration::from_millis(600));
        a.press("1#7");
        std::thread::sleep(Duration::from_millis(1_400));
        assert!(audio::stands_above(&a.heard(), 604.0, 1_004.0, 30.0));
        assert!(audio::stands_above(&b.heard()[..4_000], 1_004.0, 604.0, 30.0));
        assert_eq!((a.digits().as_str(), b.digits().as_str()), ("", "1#7"));
        let packets = b.packets();
        // RFC 4733 §2.5.1.4: three end packets for each digit, one timestamp for all packets of it.
        let events: Vec<_> = packets.iter().filter(|p| p.payload_type == 101).collect();
        assert_eq!(events.len(), 3 * usize::from(DIGIT_UPDATES + DIGIT_ENDS));
        assert_eq!(events.iter().filter(|p| p.marker).count(), 3);
        assert!(packets.windows(2).all(|w| w[1].sequence == w[0].sequence.wrapping_add(1)), "one stream, no hole");
    }

    #[test]
    fn a_lost_packet_is_silence_and_time_goes_on() {
        let mut heard = Heard { limit: 8_000, ..Heard::default() };
        let way = Way { remote: None, codec: Codec::Pcma, events: None, send: true };
        for n in [0u8, 2] {
            let mut packet = vec![0x80, 8, 0, n, 0, 0, 1, 0, 0, 0, 0, 9];
            packet[6..8].copy_from_slice(&(u16::from(n) * 160).to_be_bytes());
            packet.extend([0x2a; 160]);
            assert!(heard.receive(Instant::now(), &packet, &way));
        }
        assert_eq!(heard.pcm.len(), 480);
        assert!(heard.pcm[..160].iter().all(|s| *s != 0));
        assert!(heard.pcm[160..320].iter().all(|s| *s == 0));
        assert!(heard.pcm[320..].iter().all(|s| *s != 0));
        assert!(!heard.receive(Instant::now(), &[0, 1, 2], &way), "not RTP");
    }
}
