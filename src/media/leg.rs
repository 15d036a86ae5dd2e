//! One leg: what its phone sends is judged, counted and handed on; what its phone hears is chosen and numbered.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::clip::{Clip, FRAME, SAMPLE_RATE};
use super::codec::{Codec, Law};
use super::dtls::Identity;
use super::dtmf::{DigitReader, is_end, key};
use super::ear::{Ear, Frame};
use super::inband::ToneReader;
use super::latch::{Latch, Verdict};
use super::mixer::Limiter;
use super::mouth::Mouth;
use super::press::{Due, KeyTone, Presses, tone_frame};
use super::reception::Reception;
use super::rtcp::{self, LastSr, Sender};
use super::rtp::{self, Packet};
use super::seal::{Behind, Seal};
use super::shard::{Channel, PacketIo, Stats};
use super::shared::Claim;
use super::stream::{Numbers, OutStream};
use super::terms::Terms;
use super::timeline::{Stamp, Timeline};
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
    /// Keeps what its voices say together within what a sample holds.
    pub limiter: Limiter,
    /// What the leg it is bridged with hears.
    pub peer_codec: Option<Codec>,
    /// Keys on their way to its phone.
    pub presses: Presses,
    slot: u32,
    latch: Latch,
    seal: Seal,
    out: OutStream,
    /// Decodes what its phone says, where that is needed.
    ear: Option<Box<Ear>>,
    /// Encodes what its phone hears, where frames of ours are not bytes already.
    mouth: Option<Box<Mouth>>,
    /// Looks for keys in the sound of a phone that takes no events.
    tones: Option<Box<ToneReader>>,
    /// A press of the other side that its phone hears as a tone.
    key_tone: Option<KeyTone>,
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
    /// Whose timestamps they are: of the codec that its phone speaks.
    clock_hz: u32,
    /// The first packet of a press.
    begins: bool,
}

/// RTCP of a peer silent for so long may come from another port.
const CONTROL_SILENCE: Duration = Duration::from_secs(12);
/// A phone that is silent for so long while the other side speaks is not heard: audio goes one way.
const ONE_WAY: Duration = Duration::from_secs(5);
/// The other side speaks when its last packet is no older than this.
const SPEAKS: Duration = Duration::from_secs(2);
/// Bytes of a packet that we encode at most.
const ENCODED_MOST: usize = 1_280;
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
            Source::Play { .. } | Source::Music(_) | Source::Tone { .. } => true,
            Source::Nothing => !self.voices.is_empty(),
            Source::Echo => false,
        };
        let speaks = self.ear.is_some() || self.key_tone.is_some() || !self.presses.is_idle();
        frames || speaks || self.seal.shakes_hands()
    }

    /// Meets the phone that hears what this one says: by its codec.
    pub fn acquaint(&mut self, peer_codec: Option<Codec>) {
        self.peer_codec = peer_codec;
        if self.ear.as_ref().is_some_and(|ear| !self.needs_ear(ear.codec())) {
            self.ear = None;
        }
    }

    /// True when packets of this codec must be decoded as they are played: the other side hears another codec, or a
    /// timeline is kept of a codec with a memory.
    fn needs_ear(&self, codec: Codec) -> bool {
        self.peer_codec.is_some_and(|peer| !codec.passes_as(peer)) || (codec.law().is_none() && self.timeline.is_some())
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
            let digit = codec.law().and_then(|law| self.key_in(law, payload));
            return (digit, Some(Forward { packet, codec: Some(codec), clock_hz: codec.clock_hz(), begins: false }));
        }
        let digit = self.digits.handle(packet.timestamp, payload);
        let clock_hz = self.terms.codec.clock_hz();
        (digit, Some(Forward { packet, codec: None, clock_hz, begins: digit.is_some() }))
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

    /// The next 20 ms of what its phone said, for a phone that hears another codec.
    pub fn said(&mut self, now: Instant) -> Option<Frame> {
        let ear = self.ear.as_mut()?;
        let codec = ear.codec();
        // G.711 lies on the timeline since it came.
        let timeline = self.timeline.as_mut().filter(|_| codec.law().is_none());
        let frame = ear.frame(now, timeline);
        frame.filter(|_| self.peer_codec.is_some_and(|peer| !codec.passes_as(peer)))
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
        let (Some(target), true) = (self.target(), self.terms.send) else { return };
        let payload = forward.packet.payload.clone();
        let Some(codec) = forward.codec else {
            return self.deliver_event(now, forward, datagram, stats, io);
        };
        if !codec.passes_as(self.terms.codec) {
            return;
        }
        let Some(numbers) = self.out.relay(now, &forward.packet, true) else { return };
        let (from, to) = (codec.law(), self.terms.codec.law());
        if let (Some(from), Some(to), Some(samples)) = (from, to, datagram.get_mut(payload.clone())) {
            from.transcode(to, samples);
        }
        let Some(packet) = datagram.get_mut(payload.start.saturating_sub(rtp::HEADER_BYTES)..payload.end) else {
            return;
        };
        self.send(target, self.terms.payload_type, numbers, packet, stats, io);
    }

    /// A telephone-event of another leg: as it came where the timestamps are of one kind, else moved onto our stream; as
    /// a tone where the phone takes no events.
    fn deliver_event(
        &mut self,
        now: Instant,
        forward: &Forward,
        datagram: &mut [u8],
        stats: &mut Stats,
        io: &mut impl PacketIo,
    ) {
        let Some(target) = self.target() else { return };
        let payload = forward.packet.payload.clone();
        let Some(event) = datagram.get(payload.clone()).and_then(|p| p.first_chunk::<4>()).copied() else { return };
        let Some(events) = self.terms.events else {
            match &mut self.key_tone {
                _ if forward.begins => self.key_tone = key(event).map(|digit| KeyTone::new(now, digit)),
                Some(tone) => tone.go_on(now, is_end(event)),
                None => {}
            }
            return;
        };
        let clock_hz = self.out.clock_hz();
        let numbers = if forward.clock_hz == clock_hz && self.peer_codec.is_some_and(|c| c.passes_as(self.terms.codec))
        {
            match self.out.relay(now, &forward.packet, false) {
                Some(numbers) => numbers,
                None => return,
            }
        } else {
            let [.., d0, d1] = event;
            let duration = u64::from(u16::from_be_bytes([d0, d1]));
            let duration = duration * u64::from(clock_hz) / u64::from(forward.clock_hz.max(1));
            if let Some(place) = datagram.get_mut(payload.start + 2..payload.start + 4) {
                place.copy_from_slice(&(duration.min(0xffff) as u16).to_be_bytes());
            }
            self.out.event(now, (forward.packet.ssrc, forward.packet.timestamp))
        };
        let Some(packet) = datagram.get_mut(payload.start.saturating_sub(rtp::HEADER_BYTES)..payload.end) else {
            return;
        };
        self.send(target, events.send, numbers, packet, stats, io);
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
        if let Some(packet) = self.seal.close(packet) {
            io.send(self.slot, Channel::Rtp, target, packet);
        }
    }

    /// Makes the frame due at `at`; `mix` is what its voices say, `music_at` the common place of all music.
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
        if let Some(tone) = self.press_frame(at, stats, io) {
            self.speak(at, 8_000, &tone, stats, io);
            return None;
        }
        let law = self.terms.codec.law().unwrap_or(Law::Mu);
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
            Source::Nothing => {
                if let Some(mix) = mix {
                    self.speak(at, 8_000, mix, stats, io);
                }
                return None;
            }
            Source::Echo => return None,
        }
        if self.takes_bytes() {
            self.send_frame(at, &mut packet, stats, io);
        } else {
            let sound = std::array::from_fn::<i16, FRAME, _>(|n| frame.get(n).map_or(0, |byte| law.decode(*byte)));
            self.speak(at, 8_000, &sound, stats, io);
        }
        if done.is_some() {
            self.hear(Source::Nothing);
        }
        done
    }

    /// True when a frame of G.711 is a packet as it stands.
    fn takes_bytes(&self) -> bool {
        self.terms.codec.law().is_some() && self.terms.ptime_ms == 20
    }

    /// A frame of 20 ms of G.711, its header still to be written.
    fn send_frame(
        &mut self,
        at: Instant,
        packet: &mut [u8; rtp::HEADER_BYTES + FRAME],
        stats: &mut Stats,
        io: &mut impl PacketIo,
    ) {
        if let (Some(target), true) = (self.target(), self.terms.send) {
            let numbers = self.out.frame(at, 20);
            self.send(target, self.terms.payload_type, numbers, packet, stats, io);
        }
    }

    /// Lets its phone hear 20 ms of sound at 8 or 16 kHz.
    pub fn speak(&mut self, at: Instant, rate: u32, sound: &[i16], stats: &mut Stats, io: &mut impl PacketIo) {
        if let (Some(law), true, 8_000, FRAME) = (self.terms.codec.law(), self.takes_bytes(), rate, sound.len()) {
            let mut packet = [0u8; rtp::HEADER_BYTES + FRAME];
            if let Some(frame) = packet.last_chunk_mut::<FRAME>() {
                frame.iter_mut().zip(sound).for_each(|(byte, sample)| *byte = law.encode(*sample));
            }
            return self.send_frame(at, &mut packet, stats, io);
        }
        let (codec, ptime_ms) = (self.terms.codec, self.terms.ptime_ms);
        if !self.mouth.as_ref().is_some_and(|mouth| mouth.speaks(codec, ptime_ms)) {
            self.mouth = Mouth::new(codec, ptime_ms).map(Box::new);
        }
        let Some(mut mouth) = self.mouth.take() else { return };
        mouth.take(rate, sound);
        let mut packet = [0u8; rtp::HEADER_BYTES + ENCODED_MOST];
        while let Some((bytes, ms)) = mouth.packet(packet.get_mut(rtp::HEADER_BYTES..).unwrap_or_default()) {
            let (Some(target), true) = (self.target(), self.terms.send && bytes > 0) else { continue };
            let numbers = self.out.frame(at, ms);
            let packet = packet.get_mut(..rtp::HEADER_BYTES + bytes).unwrap_or_default();
            self.send(target, self.terms.payload_type, numbers, packet, stats, io);
        }
        self.mouth = Some(mouth);
    }

    /// The key that is pressed towards its phone: an event is sent beside all else, a tone is returned.
    fn press_frame(&mut self, at: Instant, stats: &mut Stats, io: &mut impl PacketIo) -> Option<[i16; FRAME]> {
        if let Some(tone) = self.key_tone {
            let frame = tone.frame(at);
            if frame.is_none() {
                self.key_tone = None;
                self.switch();
            }
            return frame;
        }
        let events = self.terms.events;
        match self.presses.due(at, events.is_some(), self.out.clock_hz())? {
            Due::Tone { digit, at } => Some(tone_frame(digit, at)),
            Due::Event { source, payload } => {
                let (Some(target), Some(events)) = (self.target(), events) else { return None };
                let numbers = self.out.event(at, source);
                let mut packet = [0u8; rtp::HEADER_BYTES + 4];
                if let Some(place) = packet.last_chunk_mut() {
                    *place = payload;
                }
                self.send(target, events.send, numbers, &mut packet, stats, io);
                None
            }
        }
    }

    /// Takes one RTCP packet from the network; `ntp` is our NTP time now.
    pub fn receive_control(
        &mut self,
        now: Instant,
        ntp: u64,
        source: SocketAddr,
        datagram: &mut [u8],
        stats: &mut Stats,
    ) {
        let Some(datagram) = self.unseal(source, datagram, stats) else { return };
        let behind_ice = self.seal.selected().is_some();
        if !behind_ice && !self.latch.accepts_rtcp(source) {
            stats.refused += 1;
            return;
        }
        let Some(heard) = rtcp::parse(datagram, self.out.ssrc()) else {
            stats.noise += 1;
            return;
        };
        self.heard_at = now;
        let ours = self.target().is_some_and(|target| source == target || source == above(target));
        // Another port of the phone's host: behind NAT it may be the phone's, but it must know the phone's SSRC.
        if !behind_ice && !ours && (self.latch.ssrc().is_none() || rtcp::sender(datagram) != self.latch.ssrc()) {
            stats.refused += 1;
            return;
        }
        let control = &mut self.control;
        let silent = now.saturating_duration_since(control.heard_at) > CONTROL_SILENCE;
        if ours || silent || control.remote.is_none() {
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
        let Some(target) = self.target() else { return };
        let (channel, target) = match self.terms.rtcp_mux {
            true => (Channel::Rtp, target),
            false => {
                // An address learnt before the lock may be another's: only the IP we send audio to gets reports.
                (Channel::Rtcp, self.control.remote.filter(|r| r.ip() == target.ip()).unwrap_or(above(target)))
            }
        };
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
        if let Some(report) = self.seal.close(out.get(..length).unwrap_or_default()) {
            io.send(self.slot, channel, target, report);
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

/// Where the RTCP of an RTP address is unless it shares the port (RFC 3550 §11).
fn above(target: SocketAddr) -> SocketAddr {
    SocketAddr::new(target.ip(), target.port().saturating_add(1))
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
