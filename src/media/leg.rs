//! One leg: what its phone sends is judged, counted and handed on; what its phone hears is chosen and numbered.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::clip::{Clip, FRAME};
use super::codec::{Codec, Law};
use super::dtmf::DigitReader;
use super::latch::{Latch, Verdict};
use super::reception::Reception;
use super::rtcp::{self, LastSr, Sender};
use super::rtp::{self, Packet};
use super::shard::{Channel, PacketIo, Stats};
use super::stream::{Numbers, OutStream};
use super::terms::Terms;
use super::timeline::Timeline;
use super::{LegRole, Quality};
use crate::id::LegId;

/// What a leg's phone hears instead of the other side.
#[derive(Debug)]
pub enum Source {
    /// Nothing: a bridged leg hears the other side, a listener his mix.
    Nothing,
    /// Clips in order, once.
    Play {
        /// The engine's number for it.
        play: u64,
        /// What.
        clips: Vec<Arc<Clip>>,
        /// The clip that plays.
        index: usize,
        /// The next sample of it.
        at: usize,
    },
    /// A clip for ever, at a place common to the shard.
    Music(Arc<Clip>),
    /// A clip for ever, from its beginning.
    Tone {
        /// What.
        tone: Arc<Clip>,
        /// The next sample of it.
        at: usize,
    },
    /// Its own packets.
    Echo,
}

/// One leg of the shard.
#[derive(Debug)]
pub struct Leg {
    /// Its name.
    pub id: LegId,
    /// Whose it is.
    pub role: LegRole,
    /// What SDP settled.
    pub terms: Terms,
    /// What its phone hears instead of the other side.
    pub source: Source,
    /// The slot of the leg it is bridged with.
    pub peer: Option<u32>,
    /// The legs it hears in place of its bridge.
    pub voices: SmallVec<[LegId; 4]>,
    /// What its phone said; kept from the first recording or listener until the leg closes.
    pub timeline: Option<Timeline>,
    /// It has a place in the wheel of 20 ms frames.
    pub ticking: bool,
    slot: u32,
    latch: Latch,
    out: OutStream,
    reception: Reception,
    digits: DigitReader,
    control: Control,
    /// The address the kernel filters for.
    connected: Option<SocketAddr>,
    heard_at: Instant,
    timeout_said: bool,
    voice: Spoken,
}

/// When a leg's phone spoke last, to find audio that goes one way only.
#[derive(Debug)]
struct Spoken {
    /// The last packet of sound or keys.
    at: Option<Instant>,
    /// Silence before this is no fault: the talk began, or its terms changed.
    owed_since: Instant,
    /// That it is silent was said.
    said: bool,
}

/// What RTCP of this leg remembers.
#[derive(Debug)]
struct Control {
    remote: Option<SocketAddr>,
    heard_at: Instant,
    report_at: Instant,
    packets_at_report: u64,
    sender_report: Option<(u32, Instant)>,
    rtt: Option<Duration>,
}

/// A packet on its way from one leg's phone to another's.
#[derive(Debug)]
pub struct Forward {
    packet: Packet,
    /// `None` for a telephone-event.
    codec: Option<Codec>,
}

/// RTCP of a peer silent for so long may come from another port.
const CONTROL_SILENCE: Duration = Duration::from_secs(12);
/// A phone that is silent for so long while the other side speaks is not heard: audio goes one way.
const ONE_WAY: Duration = Duration::from_secs(5);
/// The other side speaks when its last packet is no older than this.
const SPEAKS: Duration = Duration::from_secs(2);
/// How far behind the present a listener hears, at the end of a frame: 40 ms.
pub const LISTEN_LAG: u64 = 320;

impl Leg {
    /// A leg in `slot` whose stream begins at the random numbers of `out`; its first RTCP report is due at `report_at`.
    pub fn new(
        now: Instant,
        (id, slot, role): (LegId, u32, LegRole),
        terms: Terms,
        (remote, signalling): (Option<SocketAddr>, Option<IpAddr>),
        out: OutStream,
        report_at: Instant,
    ) -> Self {
        Self {
            id,
            role,
            terms,
            source: Source::Nothing,
            peer: None,
            voices: SmallVec::new(),
            timeline: None,
            ticking: false,
            slot,
            latch: Latch::new(now, remote, signalling),
            out,
            reception: Reception::default(),
            digits: DigitReader::default(),
            control: Control {
                remote: None,
                heard_at: now,
                report_at,
                packets_at_report: 0,
                sender_report: None,
                rtt: None,
            },
            connected: None,
            heard_at: now,
            timeout_said: false,
            voice: Spoken { at: None, owed_since: now, said: false },
        }
    }

    /// SDP was answered or changed.
    pub fn update(&mut self, now: Instant, remote: Option<SocketAddr>, terms: Terms, io: &mut impl PacketIo) {
        self.terms = terms;
        self.latch.update(now, remote);
        (self.heard_at, self.timeout_said) = (now, false);
        self.voice.owed_since = now;
        self.connect(now, io);
    }

    /// What its phone hears is another now.
    pub fn hear(&mut self, source: Source) {
        self.source = source;
        self.out.switch();
    }

    /// True when frames must be made for it every 20 ms.
    pub fn needs_tick(&self) -> bool {
        match self.source {
            Source::Play { .. } | Source::Music(_) | Source::Tone { .. } => true,
            Source::Nothing => !self.voices.is_empty(),
            Source::Echo => false,
        }
    }

    /// The figures of its media so far.
    pub fn quality(&self) -> Quality {
        Quality {
            received: self.reception.received(),
            sent: self.out.packets(),
            lost: self.reception.lost(),
            jitter_ms: self.reception.jitter_ms(),
            rtt_ms: self.control.rtt.unwrap_or_default().as_secs_f64() * 1_000.0,
            mos: self.reception.mos(self.control.rtt),
        }
    }

    /// Takes one RTP packet from the network.
    ///
    /// Returns a key press that began with it, and what is to be handed to the phone that hears this one.
    pub fn receive(
        &mut self,
        now: Instant,
        position: u64,
        source: SocketAddr,
        datagram: &[u8],
        stats: &mut Stats,
        io: &mut impl PacketIo,
    ) -> (Option<char>, Option<Forward>) {
        let Ok(packet) = rtp::parse(datagram) else {
            stats.noise += 1;
            return (None, None);
        };
        match self.latch.judge(now, source, packet.ssrc, packet.sequence) {
            Verdict::Heard => {}
            Verdict::Locked => self.connect(now, io),
            Verdict::Refused => {
                stats.refused += 1;
                return (None, None);
            }
        }
        self.heard_at = now;
        self.voice.at = Some(now);
        let event = self.terms.events.is_some_and(|events| events.receive == packet.payload_type);
        let codec = if event { None } else { self.terms.codec_of(packet.payload_type) };
        if self.reception.handle(now, packet.ssrc, packet.sequence, packet.timestamp, codec) {
            self.digits.restart();
        }
        let payload = datagram.get(packet.payload.clone()).unwrap_or_default();
        if !self.terms.receive || payload.is_empty() || !(event || codec.is_some()) {
            stats.unheard += 1;
            return (None, None);
        }
        if let Some(codec) = codec {
            if let (Some(timeline), Some(law)) = (&mut self.timeline, codec.law()) {
                timeline.write(position, packet.ssrc, packet.timestamp, law.table(), payload);
            }
            return (None, Some(Forward { packet, codec: Some(codec) }));
        }
        (self.digits.handle(packet.timestamp, payload), Some(Forward { packet, codec: None }))
    }

    /// Bridges it with the leg in slot `peer`, or with none; returns the old one.
    pub fn meet(&mut self, now: Instant, peer: Option<u32>) -> Option<u32> {
        self.out.part();
        self.voice.owed_since = now;
        std::mem::replace(&mut self.peer, peer)
    }

    /// True when its phone hears the leg it is bridged with.
    pub fn hears_peer(&self) -> bool {
        match self.source {
            Source::Nothing => self.voices.is_empty(),
            Source::Play { .. } | Source::Music(_) | Source::Tone { .. } | Source::Echo => false,
        }
    }

    /// Sends a packet of another leg to this leg's phone; `datagram` is changed in place.
    pub fn deliver(
        &mut self,
        now: Instant,
        forward: &Forward,
        datagram: &mut [u8],
        stats: &mut Stats,
        io: &mut impl PacketIo,
    ) {
        let (Some(target), true) = (self.latch.target(), self.terms.send) else { return };
        let payload_type = match forward.codec {
            Some(_) => self.terms.payload_type,
            None => match self.terms.events {
                Some(events) => events.send,
                None => return,
            },
        };
        let Some(numbers) = self.out.relay(now, &forward.packet, forward.codec.is_some()) else { return };
        let payload = forward.packet.payload.clone();
        let (from, to) = (forward.codec.and_then(Codec::law), self.terms.codec.law());
        if let (Some(from), Some(to), Some(samples)) = (from, to, datagram.get_mut(payload.clone())) {
            from.transcode(to, samples);
        }
        let Some(packet) = datagram.get_mut(payload.start.saturating_sub(rtp::HEADER_BYTES)..payload.end) else {
            return;
        };
        self.send(target, payload_type, numbers, packet, stats, io);
    }

    /// Writes the header into the first 12 bytes of `packet` and sends it.
    fn send(
        &mut self,
        target: SocketAddr,
        payload_type: u8,
        numbers: Numbers,
        packet: &mut [u8],
        stats: &mut Stats,
        io: &mut impl PacketIo,
    ) {
        let Some(head) = packet.first_chunk_mut() else { return };
        *head = rtp::header(payload_type, numbers.marker, numbers.sequence, numbers.timestamp, self.out.ssrc());
        self.out.count(packet.len() - rtp::HEADER_BYTES);
        stats.packets_out += 1;
        stats.bytes_out += packet.len() as u64;
        io.send(self.slot, Channel::Rtp, target, packet);
    }

    /// Makes the frame due at `at`; `mix` is what a listener hears, `music_at` the common place of all music.
    ///
    /// Returns the number of a play that ended with it.
    pub fn frame(
        &mut self,
        at: Instant,
        music_at: usize,
        mix: Option<&[i16; FRAME]>,
        stats: &mut Stats,
        io: &mut impl PacketIo,
    ) -> Option<u64> {
        let law = self.terms.codec.law()?;
        let mut packet = [0u8; rtp::HEADER_BYTES + FRAME];
        let frame = packet.last_chunk_mut::<FRAME>()?;
        frame.fill(law.silence());
        let mut done = None;
        match &mut self.source {
            Source::Play { play, clips, index, at } => {
                let filled = fill(law, clips, index, at, frame);
                if *index >= clips.len() {
                    done = Some(*play);
                }
                if filled == 0 {
                    self.hear(Source::Nothing);
                    return done;
                }
            }
            Source::Music(music) => music.copy_looped(law, music_at, frame),
            Source::Tone { tone, at } => {
                tone.copy_looped(law, *at, frame);
                *at = (*at + FRAME) % tone.samples().max(1);
            }
            Source::Nothing => match mix {
                Some(mix) => frame.iter_mut().zip(mix).for_each(|(byte, sample)| *byte = law.encode(*sample)),
                None => return None,
            },
            Source::Echo => return None,
        }
        if let (Some(target), true) = (self.latch.target(), self.terms.send) {
            let numbers = self.out.frame(at);
            self.send(target, self.terms.payload_type, numbers, &mut packet, stats, io);
        }
        if done.is_some() {
            self.hear(Source::Nothing);
        }
        done
    }

    /// Takes one RTCP packet from the network; `ntp` is our NTP time now.
    pub fn receive_control(&mut self, now: Instant, ntp: u64, source: SocketAddr, datagram: &[u8], stats: &mut Stats) {
        if !self.latch.accepts_rtcp(source) {
            stats.refused += 1;
            return;
        }
        let Some(heard) = rtcp::parse(datagram, self.out.ssrc()) else {
            stats.noise += 1;
            return;
        };
        self.heard_at = now;
        let control = &mut self.control;
        if control.remote.is_none() || now.saturating_duration_since(control.heard_at) > CONTROL_SILENCE {
            control.remote = Some(source);
        }
        control.heard_at = now;
        if let Some(middle) = heard.sender_report {
            control.sender_report = Some((middle, now));
        }
        if let Some(trip) = heard.round_trip.and_then(|block| rtcp::round_trip((ntp >> 16) as u32, block)) {
            control.rtt = Some(Duration::from_secs_f64(f64::from(trip) / 65_536.0));
        }
    }

    /// True when its RTCP report is due.
    pub fn report_due(&self, now: Instant) -> bool {
        now >= self.control.report_at
    }

    /// Sends the RTCP report; the next one is due at `next`.
    pub fn report(&mut self, now: Instant, ntp: u64, next: Instant, io: &mut impl PacketIo) {
        self.control.report_at = next;
        let Some(target) = self.latch.target() else { return };
        let above = SocketAddr::new(target.ip(), target.port().saturating_add(1));
        // An address learnt before the lock may be another's: only the IP we send audio to gets reports.
        let target = self.control.remote.filter(|r| r.ip() == target.ip()).unwrap_or(above);
        let sender = (self.out.packets() > self.control.packets_at_report).then(|| Sender {
            ntp,
            timestamp: self.out.timestamp_at(now),
            packets: self.out.packets() as u32,
            octets: self.out.octets() as u32,
        });
        self.control.packets_at_report = self.out.packets();
        let last_sr = self.control.sender_report.map_or(LastSr::default(), |(middle, at)| LastSr {
            ntp: middle,
            delay: (now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000) as u32,
        });
        let mut out = [0; rtcp::REPORT_BYTES];
        let length = rtcp::write(&mut out, self.out.ssrc(), sender, self.reception.report(), last_sr);
        io.send(self.slot, Channel::Rtcp, target, out.get(..length).unwrap_or_default());
    }

    /// When its phone sent sound or keys last.
    pub fn spoke_at(&self) -> Option<Instant> {
        self.voice.at
    }

    /// `Some(true)` once when its phone is silent though it may speak, while the phone it is bridged with speaks (last at
    /// `peer_spoke_at`); `Some(false)` once when that is over.
    pub fn one_way(&mut self, now: Instant, peer_spoke_at: Option<Instant>) -> Option<bool> {
        let since = |at: Instant| now.saturating_duration_since(at);
        let voice = &mut self.voice;
        let silent = since(voice.owed_since) >= ONE_WAY && voice.at.is_none_or(|at| since(at) >= ONE_WAY);
        let answered = peer_spoke_at.is_some_and(|at| since(at) < SPEAKS);
        let talks = self.peer.is_some() && matches!(self.source, Source::Nothing);
        let owes = talks && self.terms.receive && self.terms.send && self.latch.is_answered();
        let over = voice.said && (!silent || !owes);
        let begins = !voice.said && silent && owes && answered;
        if begins || over {
            voice.said = begins;
            return Some(begins);
        }
        None
    }

    /// True once, when nothing came for `limit`.
    pub fn is_dead(&mut self, now: Instant, limit: Option<Duration>) -> bool {
        let Some(limit) = limit else { return false };
        let silent = now.saturating_duration_since(self.heard_at) >= limit;
        let dead = silent && self.terms.receive && self.latch.is_answered() && !self.timeout_said;
        self.timeout_said |= dead;
        dead
    }

    /// Lets the kernel filter for the locked source, or no longer when it is silent and may have moved.
    pub fn connect(&mut self, now: Instant, io: &mut impl PacketIo) {
        let wanted = self.latch.connectable(now);
        if wanted != self.connected {
            self.connected = wanted;
            io.connect(self.slot, wanted);
        }
    }
}

/// Fills one frame from clips in order and moves on; returns how many samples there were.
fn fill(law: Law, clips: &[Arc<Clip>], index: &mut usize, at: &mut usize, frame: &mut [u8; FRAME]) -> usize {
    let mut filled = 0;
    while let Some(clip) = clips.get(*index) {
        let copied = clip.copy_at(law, *at, frame.get_mut(filled..).unwrap_or_default());
        filled += copied;
        *at += copied;
        if *at >= clip.samples() {
            *index += 1;
            *at = 0;
        }
        if filled >= FRAME {
            break;
        }
    }
    filled
}
