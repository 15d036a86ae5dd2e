//! One leg: what its phone sends is judged, counted and handed on; what its phone hears ([`hear`]) is chosen and
//! numbered.

mod control;
mod hear;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::clip::{Clip, SAMPLE_RATE};
use super::codec::{Codec, Law};
use super::dtls::Identity;
use super::dtmf::DigitReader;
use super::ear::{Ear, Frame};
use super::fork::{Line, Tap};
use super::inband::ToneReader;
use super::latch::{Latch, Verdict};
use super::mixer::Limiter;
use super::mouth::Mouth;
use super::press::{KeyTone, Presses};
use super::reception::Reception;
use super::rtp;
use super::seal::{Behind, Seal};
use super::shard::{Channel, PacketIo, Stats};
use super::shared::Claim;
use super::stream::OutStream;
use super::terms::{COMFORT_NOISE, Terms};
use super::timeline::{Stamp, Timeline};
use super::{LegRole, Quality};
use crate::id::LegId;
use control::Control;
use hear::{Carried, Forward};

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
    /// What the program outside says that hears it.
    Fork,
}

/// One leg of the shard.
///
/// The order of the fields is that in memory: what every packet needs lies together, what few need is at the end. A
/// shard has more legs than a processor's cache, and each line of 64 bytes that a packet needs is waited for.
#[derive(Debug)]
#[repr(C)]
pub struct Leg {
    seal: Seal,
    heard_at: Instant,
    voice: Spoken,
    /// The slot of the leg it is bridged with.
    pub peer: Option<u32>,
    slot: u32,
    /// It has a place in the wheel of 20 ms frames.
    pub ticking: bool,
    /// What the leg it is bridged with hears.
    pub peer_codec: Option<Codec>,
    timeout_said: bool,
    /// Decodes what its phone says, where that is needed.
    ear: Option<Box<Ear>>,
    /// Encodes what its phone hears, where frames of ours are not bytes already.
    mouth: Option<Box<Mouth>>,
    /// Looks for keys in the sound of a phone that takes no events.
    tones: Option<Box<ToneReader>>,
    reception: Reception,
    /// What its phone said; kept from the first recording or listener until the leg closes.
    pub timeline: Option<Timeline>,
    /// What SDP settled.
    pub terms: Terms,
    latch: Latch,
    out: OutStream,
    /// What its phone hears instead of the other side.
    pub source: Source,
    /// The legs it hears in place of its bridge.
    pub voices: SmallVec<[LegId; 4]>,
    /// A press of the other side that its phone hears as a tone.
    key_tone: Option<KeyTone>,
    /// Keys on their way to its phone.
    pub presses: Presses,
    digits: DigitReader,
    /// Its name.
    pub id: LegId,
    /// Whose it is.
    pub role: LegRole,
    /// Keeps what its voices say together within what a sample holds.
    pub limiter: Limiter,
    /// A program outside hears its phone.
    fork: Option<Box<Tap>>,
    /// The address the kernel filters for.
    connected: Option<SocketAddr>,
    control: Control,
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

/// A phone that is silent for so long while the other side speaks is not heard: audio goes one way.
const ONE_WAY: Duration = Duration::from_secs(5);
/// The other side speaks when its last packet is no older than this.
const SPEAKS: Duration = Duration::from_secs(2);
/// Samples of one packet that are searched for tones: 60 ms.
const TONES_MOST: usize = 480;
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
            limiter: Limiter::new(SAMPLE_RATE),
            tones: None,
            peer_codec: None,
            presses: Presses::default(),
            slot,
            latch: Latch::new(now, remote, signalling),
            seal: Seal::Open,
            out,
            ear: None,
            mouth: None,
            key_tone: None,
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
            fork: None,
            connected: None,
            heard_at: now,
            timeout_said: false,
            voice: Spoken { at: None, owed_since: now, said: false },
        }
    }

    /// SDP was answered or changed.
    pub fn update(&mut self, now: Instant, remote: Option<SocketAddr>, terms: Terms, io: &mut impl PacketIo) {
        self.out.set_clock(terms.codec.clock_hz());
        self.terms = terms;
        self.spare_ear();
        self.latch.update(now, remote);
        (self.heard_at, self.timeout_said) = (now, false);
        self.voice.owed_since = now;
        self.connect(now, io);
    }

    /// What its phone hears is another now.
    pub fn hear(&mut self, source: Source) {
        self.source = source;
        self.switch();
    }

    /// What finds it on a port that many share.
    pub fn claim(&self) -> Claim {
        self.latch.claim()
    }

    /// What feeds its stream changes.
    fn switch(&mut self) {
        self.out.switch();
        if let Some(mouth) = &mut self.mouth {
            mouth.switch();
        }
    }

    /// True when there is something to do for it every 20 ms: frames to make, or sound to decode.
    pub fn needs_tick(&self) -> bool {
        let frames = match self.source {
            Source::Play { .. } | Source::Music(_) | Source::Tone { .. } | Source::Fork => true,
            Source::Nothing => !self.voices.is_empty(),
            Source::Echo => false,
        };
        let speaks = self.ear.is_some() || self.key_tone.is_some() || !self.presses.is_idle();
        frames || speaks || self.fork.is_some() || self.seal.shakes_hands()
    }

    /// Meets the phone that hears what this one says: by its codec.
    pub fn acquaint(&mut self, peer_codec: Option<Codec>) {
        self.peer_codec = peer_codec;
        self.spare_ear();
    }

    fn spare_ear(&mut self) {
        if self.ear.as_ref().is_some_and(|ear| !self.needs_ear(ear.codec())) {
            self.ear = None;
        }
    }

    /// True when packets of this codec must be decoded as they are played: the other side hears another codec, or a
    /// timeline is kept of a codec with a memory, or keys are told in its sound.
    fn needs_ear(&self, codec: Codec) -> bool {
        let is_searched = codec.law().is_none() && (self.timeline.is_some() || self.terms.events.is_none());
        is_searched || self.peer_codec.is_some_and(|peer| !codec.passes_as(peer))
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

    /// A packet as its phone wrote it; `None` when it does not come from there.
    fn unseal<'a>(&mut self, source: SocketAddr, datagram: &'a mut [u8], stats: &mut Stats) -> Option<&'a [u8]> {
        if let Some(behind) = self.seal.browser()
            && !behind.admits(source)
        {
            stats.refused += 1;
            return None;
        }
        let length = self.seal.open(datagram);
        stats.forged += u64::from(length.is_none());
        datagram.get(..length?)
    }

    /// Where its phone hears.
    fn target(&self) -> Option<SocketAddr> {
        self.seal.selected().unwrap_or_else(|| self.latch.target())
    }

    /// True when SDP told where the peer is, or who.
    fn is_answered(&self) -> bool {
        self.latch.is_answered() || self.seal.is_answered()
    }

    /// What SDP asks to protect packets with is at work.
    pub fn secure(&mut self, now: Instant, identity: Option<&Identity>) {
        self.seal.update(now, &self.terms.security, identity);
    }

    /// The side of it that makes ICE checks.
    pub fn browser(&mut self) -> Option<&mut Behind> {
        self.seal.browser()
    }

    /// Sends what a handshake has to say.
    pub fn shake_hands(&mut self, io: &mut impl PacketIo) {
        let (slot, target) = (self.slot, self.target());
        let (Some(behind), Some(target)) = (self.seal.browser(), target) else { return };
        while let Some(datagram) = behind.poll_transmit() {
            io.send(slot, Channel::Rtp, target, &datagram);
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
        datagram: &mut [u8],
        stats: &mut Stats,
        io: &mut impl PacketIo,
    ) -> (Option<char>, Option<Forward>) {
        let Some(datagram) = self.unseal(source, datagram, stats) else { return (None, None) };
        let Ok(packet) = rtp::parse(datagram) else {
            stats.noise += 1;
            return (None, None);
        };
        // Behind ICE a source was judged before.
        if self.seal.selected().is_none() {
            match self.latch.judge(now, source, packet.ssrc, packet.sequence) {
                Verdict::Heard => {}
                Verdict::Locked => self.connect(now, io),
                Verdict::Refused => {
                    stats.refused += 1;
                    return (None, None);
                }
            }
        }
        self.heard_at = now;
        self.voice.at = Some(now);
        let event = self.terms.events.is_some_and(|events| events.receive == packet.payload_type);
        let noise = self.terms.comfort_noise && packet.payload_type == COMFORT_NOISE;
        let codec = if event || noise { None } else { self.terms.codec_of(packet.payload_type) };
        if self.reception.handle(now, packet.ssrc, packet.sequence, packet.timestamp, codec) {
            self.digits.restart();
        }
        let payload = datagram.get(packet.payload.clone()).unwrap_or_default();
        if !self.terms.receive || payload.is_empty() || !(event || noise || codec.is_some()) {
            stats.unheard += 1;
            return (None, None);
        }
        if let Some(codec) = codec {
            if let (Some(timeline), Some(law)) = (&mut self.timeline, codec.law()) {
                let stamp = Stamp { ssrc: packet.ssrc, timestamp: packet.timestamp, clock_hz: codec.clock_hz() };
                timeline.write(position, stamp, law.table(), payload);
            }
            if self.needs_ear(codec) {
                if self.ear.as_ref().is_none_or(|ear| ear.codec() != codec) {
                    self.ear = Ear::new(codec).map(Box::new);
                }
                if let Some(ear) = &mut self.ear {
                    ear.push(now, position, &packet, payload);
                }
            }
            // Other codecs are searched when they are decoded.
            let digit = codec.law().and_then(|law| self.key_in(law, payload));
            return (digit, Some(Forward { packet, what: Carried::Sound(codec), clock_hz: codec.clock_hz() }));
        }
        let clock_hz = self.terms.codec.clock_hz();
        if noise {
            return (None, Some(Forward { packet, what: Carried::ComfortNoise, clock_hz }));
        }
        let digit = self.digits.handle(packet.timestamp, payload);
        (digit, Some(Forward { packet, what: Carried::Event { begins: digit.is_some() }, clock_hz }))
    }

    /// A key that is told by tones in the sound; only where events were not agreed on, so that no press counts twice.
    fn key_in(&mut self, law: Law, payload: &[u8]) -> Option<char> {
        if self.terms.events.is_some() {
            self.tones = None;
            return None;
        }
        let tones = self.tones.get_or_insert_default();
        let mut sound = [0; TONES_MOST];
        let count = payload.len().min(TONES_MOST);
        sound.iter_mut().zip(payload).for_each(|(sample, byte)| *sample = law.decode(*byte));
        tones.handle(sound.get(..count).unwrap_or_default())
    }

    /// The next 20 ms of what its phone said, for a phone that hears another codec, and a key that was told in it.
    pub fn said(&mut self, now: Instant) -> (Option<Frame>, Option<char>) {
        let Some(ear) = self.ear.as_mut() else { return (None, None) };
        let codec = ear.codec();
        // G.711 lies on the timeline, and was searched for tones, since it came.
        let is_new = codec.law().is_none();
        let timeline = self.timeline.as_mut().filter(|_| is_new);
        let tones = (is_new && self.terms.events.is_none()).then(|| &mut **self.tones.get_or_insert_default());
        let (frame, digit) = ear.frame(now, timeline, tones);
        (frame.filter(|_| self.peer_codec.is_some_and(|peer| !codec.passes_as(peer))), digit)
    }

    /// A program outside hears its phone from `position` on and speaks to it; or no longer.
    pub fn fork(&mut self, line: Option<Arc<Line>>, position: u64) {
        self.fork = line.map(|line| Box::new(Tap::new(line, position)));
        if self.fork.is_some() {
            self.timeline.get_or_insert_default();
            self.hear(Source::Fork);
        } else if matches!(self.source, Source::Fork) {
            self.hear(Source::Nothing);
        }
    }

    /// Passes on what its phone said up to `position` to the program that hears it.
    pub fn tell_fork(&mut self, position: u64) {
        if let Some(tap) = &mut self.fork {
            tap.hear(position, self.timeline.as_ref());
        }
    }

    /// Lays on its timeline what its phone said and nobody will hear any more.
    pub fn drain(&mut self) {
        if let (Some(ear), Some(timeline)) = (&mut self.ear, &mut self.timeline)
            && ear.codec().law().is_none()
        {
            ear.drain(timeline);
        }
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
            Source::Nothing => self.voices.is_empty() && self.key_tone.is_none(),
            Source::Play { .. } | Source::Music(_) | Source::Tone { .. } | Source::Echo | Source::Fork => false,
        }
    }

    /// When its phone sent sound or keys last.
    pub fn spoke_at(&self) -> Option<Instant> {
        self.voice.at
    }

    /// `Some(true)` once when its phone is silent though it may speak, while the phone it is bridged with speaks (last at
    /// `peer_spoke_at`); `Some(false)` once when that is over.
    pub fn one_way(&mut self, now: Instant, peer_spoke_at: Option<Instant>) -> Option<bool> {
        let since = |at: Instant| now.saturating_duration_since(at);
        let is_answered = self.is_answered();
        let voice = &mut self.voice;
        let silent = since(voice.owed_since) >= ONE_WAY && voice.at.is_none_or(|at| since(at) >= ONE_WAY);
        let answered = peer_spoke_at.is_some_and(|at| since(at) < SPEAKS);
        let talks = self.peer.is_some() && matches!(self.source, Source::Nothing);
        let owes = talks && self.terms.receive && self.terms.send && is_answered;
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
        let dead = silent && self.terms.receive && self.is_answered() && !self.timeout_said;
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
