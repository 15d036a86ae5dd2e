//! One shard of the media plane: many legs, two wheels, no sockets.
//!
//! Two wheels turn in steps of 1 ms. The fast one makes a frame every 20 ms for each leg that plays, hears music or
//! listens; legs are spread over its 20 slots. The slow one, in steps of 20 ms, sees every leg once a second for
//! RTCP, silence and the kernel's filter, and every recording each 200 ms. Relaying needs no wheel: a packet goes
//! out when it comes in, and nothing on its way allocates, locks or logs.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use smallvec::SmallVec;

use super::clip::FRAME;
use super::demux::{self, Kind};
use super::dtls::Identity;
use super::fork::Line;
use super::ice;
use super::leg::{LISTEN_LAG, Leg, Source};
use super::mixer::Mix;
use super::paths::Paths;
use super::port::Port;
use super::recorder::{self, Recording};
use super::rtp;
use super::shared::Directory;
use super::stream::OutStream;
use super::timeline::Timeline;
use super::{Chunk, Command, Event, TrackKind};
use crate::clock::Clock;
use crate::id::{LegId, RecordingId};

/// RTP or RTCP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Channel {
    /// The even port.
    Rtp,
    /// The odd port above it.
    Rtcp,
}

/// What became of a chunk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// Storage has it.
    Taken,
    /// No room now.
    Full,
    /// Storage is gone for good.
    Gone,
}

/// The world of a shard. A leg is named by its slot, a small number used again after the leg is closed.
pub trait PacketIo {
    /// Opens the port pair of a leg.
    ///
    /// # Errors
    ///
    /// The system's words when a port cannot be bound; then nothing is open.
    fn open(&mut self, slot: u32, port: u16) -> Result<(), String>;
    /// The leg has no sockets of its own: what it sends leaves by the port all legs of the shard share.
    ///
    /// # Errors
    ///
    /// When there is no such port.
    fn share(&mut self, slot: u32) -> Result<(), String>;
    /// Closes it, whether opened or shared.
    fn close(&mut self, slot: u32);
    /// Lets the RTP socket take packets of this source only, or of all.
    fn connect(&mut self, slot: u32, source: Option<SocketAddr>);
    /// Sends one datagram; failure is as good as loss.
    fn send(&mut self, slot: u32, channel: Channel, to: SocketAddr, datagram: &[u8]);
    /// Offers a chunk to storage without waiting.
    fn chunk(&mut self, chunk: Chunk) -> Delivery;
    /// Room for the samples of a chunk, with any content: one that storage gave back, else a new one.
    fn buffer(&mut self) -> Vec<i16> {
        Vec::with_capacity(recorder::CHUNK * 2)
    }
}

/// Counts of a shard since its beginning.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// RTP packets that came.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// RTP packets sent.
    pub packets_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Packets that never came, of closed legs.
    pub lost: u64,
    /// Datagrams that are neither RTP nor RTCP.
    pub noise: u64,
    /// Packets from sources that are not locked.
    pub refused: u64,
    /// Packets that are not authentic by the keys of their leg.
    pub forged: u64,
    /// Packets of payload types not agreed, empty, or on hold.
    pub unheard: u64,
    /// Frames skipped because the thread was more than 100 ms late.
    pub skipped_ms: u64,
    /// Audio that storage had no room for, in samples at 8 kHz.
    pub unrecorded: u64,
    /// Open legs now.
    pub legs: u64,
    /// Recordings now.
    pub recordings: u64,
}

/// Many legs on one thread.
#[derive(Debug)]
pub struct Shard {
    origin: Instant,
    /// Microseconds from 1900 to `origin`.
    ntp_us: u128,
    rng: ChaCha8Rng,
    timeout: Option<Duration>,
    legs: Vec<Option<Box<Leg>>>,
    free: Vec<u32>,
    slots: HashMap<LegId, u32>,
    /// Our certificate, for legs with DTLS.
    identity: Option<Identity>,
    paths: Paths,
    /// The legs of the shared port.
    directory: Directory,
    /// Room for one frame of a mix.
    mixer: Mix,
    fast: [Vec<u32>; FAST],
    slow: [Vec<u32>; SLOW],
    recordings: BTreeMap<RecordingId, Recording>,
    events: VecDeque<Event>,
    stats: Stats,
    /// The last step of the wheels, in ms since `origin`.
    step: u64,
}

/// Slots of the fast wheel, 1 ms each.
const FAST: usize = 20;
/// Slots of the slow wheel, 20 ms each.
const SLOW: usize = 50;
/// The slow wheel's steps between two chunks of a recording.
const CHUNK_STEPS: u64 = (recorder::CHUNK / FRAME) as u64;
/// Voices that one leg hears at most.
const VOICES_MOST: usize = 32;
/// How far the wheels turn at most to catch up: later frames are skipped.
const CATCH_UP_MS: u64 = 100;
/// Seconds from 1900 to 1970.
const NTP_EPOCH_S: u128 = 2_208_988_800;
/// Mean time between two RTCP reports of a leg (RFC 3550 §6.2); each is between half and one and a half of it.
const REPORT_MS: u64 = 5_000;

impl Shard {
    /// An empty shard. `clock` gives RTCP its wall time, `seed` the SSRCs; `timeout` ends silent legs, `None` never.
    pub fn new(now: Instant, clock: Clock, seed: [u8; 32], timeout: Option<Duration>) -> Self {
        let wall_us = u128::from(clock.wall(now).ms()) * 1_000;
        Self {
            origin: now,
            ntp_us: wall_us + NTP_EPOCH_S * 1_000_000,
            rng: ChaCha8Rng::from_seed(seed),
            timeout,
            legs: Vec::new(),
            free: Vec::new(),
            slots: HashMap::new(),
            identity: None,
            paths: Paths::default(),
            directory: Directory::default(),
            mixer: Mix::default(),
            fast: Default::default(),
            slow: std::array::from_fn(|_| Vec::new()),
            recordings: BTreeMap::new(),
            events: VecDeque::with_capacity(256),
            stats: Stats::default(),
            step: 0,
        }
    }

    /// With a certificate, for legs with DTLS; without one such legs hear nothing.
    pub fn with_identity(self, identity: Option<Identity>) -> Self {
        Self { identity, ..self }
    }

    /// Next thing for the engine; call until it returns `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Counts so far.
    pub fn stats(&self) -> Stats {
        Stats { legs: self.slots.len() as u64, recordings: self.recordings.len() as u64, ..self.stats }
    }

    /// Takes one datagram of a leg's ports; it is changed in place. `slot` is as given to [`PacketIo::open`].
    pub fn handle_packet(
        &mut self,
        now: Instant,
        slot: u32,
        channel: Channel,
        source: SocketAddr,
        datagram: &mut [u8],
        io: &mut impl PacketIo,
    ) {
        if channel == Channel::Rtcp || rtp::is_rtcp(datagram) {
            let ntp = self.ntp(now);
            let Some(leg) = leg(&mut self.legs, slot) else { return };
            return leg.receive_control(now, ntp, source, datagram, &mut self.stats);
        }
        let position = self.position(now);
        let Some(leg) = leg(&mut self.legs, slot) else { return };
        self.stats.packets_in += 1;
        self.stats.bytes_in += datagram.len() as u64;
        let (digit, forward) = leg.receive(now, position, source, datagram, &mut self.stats, io);
        if let Some(digit) = digit {
            self.events.push_back(Event::Digit { leg: leg.id, digit });
        }
        if leg.needs_tick() && !leg.ticking {
            leg.ticking = true;
            put(&mut self.fast, slot);
        }
        let Some(forward) = forward else { return };
        if matches!(leg.source, Source::Echo) {
            return leg.deliver(now, &forward, datagram, &mut self.stats, io);
        }
        let Some(peer) = leg.peer else { return };
        let Some(hearer) = self.legs.get_mut(peer as usize).and_then(Option::as_deref_mut) else { return };
        if hearer.hears_peer() {
            hearer.deliver(now, &forward, datagram, &mut self.stats, io);
            // It may have to be told of a key by a tone.
            if hearer.needs_tick() && !hearer.ticking {
                hearer.ticking = true;
                put(&mut self.fast, peer);
            }
        }
    }

    /// Takes one datagram of the port all legs share; it is changed in place.
    pub fn handle_shared(
        &mut self,
        now: Instant,
        channel: Channel,
        source: SocketAddr,
        datagram: &mut [u8],
        io: &mut impl PacketIo,
    ) {
        let slot = match demux::kind(datagram) {
            Kind::Stun => return self.check(now, source, datagram, io),
            Kind::Dtls => return self.handshake(now, source, datagram, io),
            Kind::Rtp => self.paths.find(source).or_else(|| self.directory.find(channel, source, datagram)),
            Kind::Other => {
                self.stats.noise += 1;
                return;
            }
        };
        let Some(slot) = slot else {
            self.stats.refused += 1;
            return;
        };
        self.handle_packet(now, slot, channel, source, datagram, io);
        self.claim(slot);
    }

    /// A connectivity check: it names its leg, and proves who sent it.
    fn check(&mut self, now: Instant, source: SocketAddr, datagram: &[u8], io: &mut impl PacketIo) {
        let slot = ice::stun_ufrag(datagram).and_then(|ufrag| self.paths.named(ufrag));
        let Some(leg) = slot.and_then(|slot| leg(&mut self.legs, slot)) else {
            self.stats.refused += 1;
            return;
        };
        let Some(behind) = leg.browser() else { return };
        let mut answer = [0; ice::RESPONSE_BYTES_MAX];
        let Some(length) = behind.stun(now, source, datagram, &mut answer) else {
            self.stats.refused += 1;
            return;
        };
        if let (Some(slot), true) = (slot, behind.admits(source)) {
            self.paths.validated(slot, source);
            io.send(slot, Channel::Rtp, source, answer.get(..length).unwrap_or_default());
        }
        leg.shake_hands(io);
    }

    /// A part of a DTLS handshake, from a source that made a check.
    fn handshake(&mut self, now: Instant, source: SocketAddr, datagram: &[u8], io: &mut impl PacketIo) {
        let slot = self.paths.find(source);
        let Some(leg) = slot.and_then(|slot| leg(&mut self.legs, slot)) else {
            self.stats.refused += 1;
            return;
        };
        if let Some(behind) = leg.browser()
            && behind.admits(source)
        {
            behind.dtls(now, datagram);
        }
        leg.shake_hands(io);
    }

    /// The leg's packets are protected as SDP asks, and ICE finds it by its name.
    fn secure(&mut self, now: Instant, slot: u32) {
        let Some(leg) = leg(&mut self.legs, slot) else { return };
        leg.secure(now, self.identity.as_ref());
        if let Some(behind) = leg.browser() {
            self.paths.name(slot, behind.ufrag());
        }
        if leg.needs_tick() && !leg.ticking {
            leg.ticking = true;
            put(&mut self.fast, slot);
        }
    }

    /// A leg of the shared port may have locked another source.
    fn claim(&mut self, slot: u32) {
        if let Some(leg) = leg(&mut self.legs, slot)
            && self.directory.holds(slot)
        {
            self.directory.set(slot, Some(leg.claim()));
        }
    }

    /// When to call [`Shard::handle_timeout`] next; `None` when nothing is open.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_idle() {
            return None;
        }
        let due = |step: &u64| {
            let busy = self.fast.get(*step as usize % FAST).is_some_and(|slot| !slot.is_empty());
            busy || step.is_multiple_of(FAST as u64)
        };
        (self.step + 1..=self.step + FAST as u64).find(due).map(|step| self.time(step))
    }

    /// Turns the wheels up to `now`; calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant, io: &mut impl PacketIo) {
        if self.is_idle() {
            return;
        }
        let until = self.steps(now);
        let first = until.saturating_sub(CATCH_UP_MS);
        if first > self.step {
            self.stats.skipped_ms += first - self.step;
            self.step = first;
        }
        while self.step < until {
            self.step += 1;
            self.frames(self.step, io);
            if self.step.is_multiple_of(FAST as u64) {
                let slow = self.step / FAST as u64;
                self.chunks(slow, io);
                self.housekeep(slow, io);
            }
        }
    }

    /// One slot of the fast wheel.
    fn frames(&mut self, step: u64, io: &mut impl PacketIo) {
        let at = self.time(step);
        let position = step * 8;
        let music_at = (step / FAST as u64) as usize * FRAME;
        let turn = step as usize % FAST;
        let mut n = 0;
        // A leg is out of the wheel while its frame is made: if that panics, only this leg falls silent.
        while let Some(slot) = self.fast.get_mut(turn).filter(|w| n < w.len()).map(|w| w.swap_remove(n)) {
            self.said(slot, at, io);
            let mix = self.mix(slot, position);
            let Some(leg) = leg(&mut self.legs, slot) else { continue };
            leg.tell_fork(position);
            if let Some(behind) = leg.browser() {
                behind.handle_timeout(at);
                leg.shake_hands(io);
            }
            if let Some(play) = leg.frame(at, music_at, mix.as_ref(), &mut self.stats, io) {
                self.events.push_back(Event::PlayDone { leg: leg.id, play });
            }
            leg.ticking = leg.needs_tick();
            if let Some(wheel) = self.fast.get_mut(turn).filter(|_| leg.ticking) {
                wheel.push(slot);
                let last = wheel.len() - 1;
                wheel.swap(n, last);
                n += 1;
            }
        }
    }

    /// Hands on what the leg in `slot` said, decoded, to the leg it is bridged with, and tells of a key in it.
    fn said(&mut self, slot: u32, at: Instant, io: &mut impl PacketIo) {
        let Some(leg) = self.legs.get_mut(slot as usize).and_then(Option::as_deref_mut) else { return };
        let (frame, digit) = leg.said(at);
        if let Some(digit) = digit {
            self.events.push_back(Event::Digit { leg: leg.id, digit });
        }
        let (Some(frame), Some(peer)) = (frame, leg.peer) else { return };
        let hearer = self.legs.get_mut(peer as usize).and_then(Option::as_deref_mut);
        if let Some(hearer) = hearer.filter(|hearer| hearer.hears_peer()) {
            hearer.speak(at, frame.rate(), frame.sound(), &mut self.stats, io);
        }
    }

    /// What the leg in `slot` hears of its voices now.
    fn mix(&mut self, slot: u32, position: u64) -> Option<[i16; FRAME]> {
        let leg = self.legs.get(slot as usize)?.as_ref()?;
        if leg.voices.is_empty() || !matches!(leg.source, Source::Nothing) {
            return None;
        }
        let mut voice = [0; FRAME];
        self.mixer.begin(FRAME);
        for timeline in leg.voices.iter().filter_map(|voice| timeline(&self.legs, &self.slots, *voice)) {
            timeline.read(position.saturating_sub(LISTEN_LAG + FRAME as u64 + timeline.behind), &mut voice);
            self.mixer.add(&voice);
        }
        let leg = self.legs.get_mut(slot as usize)?.as_mut()?;
        self.mixer.hear(&[], &mut leg.limiter, &mut voice);
        Some(voice)
    }

    /// The recordings' turn: a chunk each 200 ms, all of a shard spread over the steps between.
    fn chunks(&mut self, slow: u64, io: &mut impl PacketIo) {
        let position = self.step * 8;
        let mut finished = None;
        for (id, recording) in &mut self.recordings {
            if slow % CHUNK_STEPS == recording.turn % CHUNK_STEPS {
                recording.tick(position, &|leg| timeline(&self.legs, &self.slots, leg), io);
                self.stats.unrecorded += recording.take_lost();
                self.events.extend(recording.take_quiet());
            }
            if recording.is_ended()
                && finished.is_none()
                && let Some(event) = recording.finish(io)
            {
                self.events.push_back(event);
                finished = Some(*id);
            }
        }
        if let Some(id) = finished {
            self.recordings.remove(&id);
        }
    }

    /// One slot of the slow wheel.
    fn housekeep(&mut self, slow: u64, io: &mut impl PacketIo) {
        let now = self.time(self.step);
        let ntp = self.ntp(now);
        for slot in self.slow.get(slow as usize % SLOW).into_iter().flatten() {
            let peer = self.legs.get(*slot as usize).and_then(|leg| leg.as_ref()?.peer);
            let other = peer.and_then(|peer| self.legs.get(peer as usize)?.as_ref());
            let peer_spoke_at = other.and_then(|other| other.spoke_at());
            let Some(leg) = leg(&mut self.legs, *slot) else { continue };
            leg.connect(now, io);
            let failed = leg.browser().is_some_and(|behind| {
                behind.handle_timeout(now);
                behind.has_failed()
            });
            if let Some(silent) = leg.one_way(now, peer_spoke_at) {
                self.events.push_back(Event::OneWay { leg: leg.id, silent });
            }
            // A handshake that failed is never heard of again.
            if leg.is_dead(now, if failed { Some(Duration::ZERO) } else { self.timeout }) {
                self.events.push_back(Event::MediaTimeout { leg: leg.id });
            }
            if leg.report_due(now) {
                let next = now + report_interval(&mut self.rng);
                leg.report(now, ntp, next, io);
            }
        }
    }

    /// Carries out one command.
    pub fn handle_command(&mut self, now: Instant, command: Command, io: &mut impl PacketIo) {
        // Wheels that stand behind would make a frame for the time before the command.
        self.handle_timeout(now, io);
        match command {
            Command::Open { .. } => self.open(now, command, io),
            Command::Update { leg, remote, terms } => {
                let Some(slot) = self.slots.get(&leg).copied() else { return };
                let Some(known) = self::leg(&mut self.legs, slot) else { return };
                let codec = terms.codec;
                known.update(now, remote, terms, io);
                if let Some(peer) = known.peer.and_then(|peer| self::leg(&mut self.legs, peer)) {
                    peer.acquaint(Some(codec));
                }
                self.claim(slot);
                self.secure(now, slot);
            }
            Command::Press { leg, digit, length } => {
                if let Some(known) = self.leg(leg) {
                    known.presses.press(digit, length);
                    self.tick(leg);
                }
            }
            Command::Play { leg, play, clips } => self.hear(leg, Source::Play { play, clips, index: 0, at: 0 }),
            Command::Music { leg, music } => self.hear(leg, Source::Music(music)),
            Command::Silence { leg } => self.hear(leg, Source::Nothing),
            Command::Tone { leg, tone } => self.hear(leg, Source::Tone { tone, at: 0 }),
            Command::Echo { leg } => self.hear(leg, Source::Echo),
            Command::Bridge { a, b } => self.bridge(now, a, b),
            Command::Unbridge { a } => self.unbridge(now, a),
            Command::Record { recording, customer, others } => self.record(now, recording, customer, others, io),
            Command::AwaitQuiet { recording, silence } => {
                self.recordings.entry(recording).and_modify(|recording| recording.await_quiet(silence));
            }
            Command::PauseRecord { recording } => self.pause_record(now, recording, true),
            Command::ResumeRecord { recording } => self.pause_record(now, recording, false),
            Command::RecordTrack { recording, kind, leg } => self.record_track(now, recording, kind, leg),
            Command::StopTrack { recording, leg } => self.stop_track(now, recording, leg, io),
            Command::StopRecord { recording } => self.stop_record(now, recording, io),
            Command::Mix { leg, voices } => self.mix_for(leg, voices),
            Command::Fork { leg, line } => self.fork(now, leg, Some(line)),
            Command::Unfork { leg } => self.fork(now, leg, None),
            Command::Report { leg } => {
                if let Some(quality) = self.leg(leg).map(|leg| leg.quality()) {
                    self.events.push_back(Event::Quality { leg, quality });
                }
            }
            Command::Close { leg } => self.close(now, leg, io),
        }
    }

    fn open(&mut self, now: Instant, command: Command, io: &mut impl PacketIo) {
        let Command::Open { leg: id, port, remote, signalling, terms, role } = command else { return };
        if self.is_idle() {
            self.step = self.steps(now);
        }
        let slot = self.free.pop().unwrap_or(self.legs.len() as u32);
        let opened = match port {
            _ if self.slots.contains_key(&id) => Err("the leg is open".to_owned()),
            Port::Own(port) => io.open(slot, port),
            Port::Shared(_) => io.share(slot),
        };
        if let Err(error) = opened {
            if (slot as usize) < self.legs.len() {
                self.free.push(slot);
            }
            self.events.push_back(Event::OpenFailed { leg: id, error });
            return;
        }
        let numbers = (self.rng.next_u32(), self.rng.next_u32(), self.rng.next_u32());
        let out = OutStream::new(numbers.0, numbers.1 as u16, numbers.2, terms.codec.clock_hz());
        let report_at = now + report_interval(&mut self.rng);
        let leg = Box::new(Leg::new(now, (id, slot, role), terms, (remote, signalling), out, report_at));
        match self.legs.get_mut(slot as usize) {
            Some(place) => *place = Some(leg),
            None => self.legs.push(Some(leg)),
        }
        self.slots.insert(id, slot);
        if let (Port::Shared(_), Some(leg)) = (port, self.leg(id)) {
            let claim = leg.claim();
            self.directory.set(slot, Some(claim));
        }
        if let Some(wheel) = self.slow.get_mut(slot as usize % SLOW) {
            wheel.push(slot);
        }
        self.secure(now, slot);
        self.events.push_back(Event::Opened { leg: id });
    }

    fn close(&mut self, now: Instant, id: LegId, io: &mut impl PacketIo) {
        let Some(slot) = self.slots.get(&id).copied() else { return };
        self.unbridge(now, id);
        if let Some(leg) = self.leg(id) {
            leg.drain();
        }
        let touched = |r: &&Recording| r.hears(id);
        let recordings: Vec<_> = self.recordings.values().filter(touched).map(|r| (r.id(), r.customer == id)).collect();
        for (recording, owned) in recordings {
            if owned {
                self.stop_record(now, recording, io);
            } else {
                self.stop_track(now, recording, id, io);
                self.recordings.entry(recording).and_modify(|r| r.others.retain(|other| *other != id));
            }
        }
        io.close(slot);
        for wheel in [self.fast.get_mut(slot as usize % FAST), self.slow.get_mut(slot as usize % SLOW)] {
            wheel.into_iter().for_each(|w| w.retain(|s| *s != slot));
        }
        self.slots.remove(&id);
        self.directory.set(slot, None);
        self.paths.forget(slot);
        self.free.push(slot);
        if let Some(leg) = self.legs.get_mut(slot as usize).and_then(Option::take) {
            let quality = leg.quality();
            self.stats.lost += quality.lost;
            self.events.push_back(Event::Closed { leg: id, quality });
        }
    }

    fn hear(&mut self, id: LegId, source: Source) {
        if let Some(leg) = self.leg(id) {
            leg.hear(source);
            self.tick(id);
        }
    }

    /// Gives a leg its place in the fast wheel when it needs one; it loses it at its next turn.
    fn tick(&mut self, id: LegId) {
        let Some(slot) = self.slots.get(&id).copied() else { return };
        let Some(leg) = leg(&mut self.legs, slot) else { return };
        if leg.needs_tick() && !leg.ticking {
            leg.ticking = true;
            put(&mut self.fast, slot);
        }
    }

    /// A program outside hears the leg's phone and speaks to it, or no longer.
    fn fork(&mut self, now: Instant, id: LegId, line: Option<Arc<Line>>) {
        let position = self.position(now);
        if let Some(leg) = self.leg(id) {
            leg.fork(line, position);
            self.tick(id);
        }
    }

    fn bridge(&mut self, now: Instant, a: LegId, b: LegId) {
        let (Some(slot_a), Some(slot_b)) = (self.slots.get(&a).copied(), self.slots.get(&b).copied()) else { return };
        if slot_a == slot_b {
            return;
        }
        self.unbridge(now, a);
        self.unbridge(now, b);
        for (slot, peer) in [(slot_a, slot_b), (slot_b, slot_a)] {
            let codec = leg(&mut self.legs, peer).map(|peer| peer.terms.codec);
            if let Some(leg) = leg(&mut self.legs, slot) {
                leg.meet(now, Some(peer));
                leg.acquaint(codec);
            }
        }
    }

    fn unbridge(&mut self, now: Instant, id: LegId) {
        let Some(left) = self.leg(id) else { return };
        left.acquaint(None);
        let Some(peer) = left.meet(now, None) else { return };
        if let Some(peer) = leg(&mut self.legs, peer) {
            peer.meet(now, None);
            peer.acquaint(None);
        }
    }

    fn mix_for(&mut self, id: LegId, mut voices: SmallVec<[LegId; 4]>) {
        voices.truncate(VOICES_MOST);
        for voice in &voices {
            self.keep_timeline(*voice);
        }
        if let Some(leg) = self.leg(id) {
            leg.voices = voices;
            self.tick(id);
        }
    }

    fn record(
        &mut self,
        now: Instant,
        id: RecordingId,
        customer: LegId,
        mut others: SmallVec<[LegId; 4]>,
        io: &mut impl PacketIo,
    ) {
        others.truncate(VOICES_MOST);
        let position = self.position(now);
        if !self.slots.contains_key(&customer) {
            // Nothing to record: said at once, so that nobody waits for its end.
            if !self.recordings.contains_key(&id) {
                self.events.push_back(Event::RecordingEnded { recording: id, length_ms: 0, lost_ms: 0 });
            }
            return;
        }
        self.keep_timeline(customer);
        for other in &others {
            self.keep_timeline(*other);
        }
        self.flush(now, id, io);
        let turn = self.step / FAST as u64;
        let recording = self.recordings.entry(id).or_insert_with(|| Recording::new(id, customer, position, turn));
        recording.customer = customer;
        recording.others = others;
    }

    fn pause_record(&mut self, now: Instant, id: RecordingId, on: bool) {
        let position = self.position(now);
        self.recordings.entry(id).and_modify(|recording| recording.pause(position, on));
    }

    fn record_track(&mut self, now: Instant, id: RecordingId, kind: TrackKind, leg: LegId) {
        let position = self.position(now);
        if self.slots.contains_key(&leg) {
            self.keep_timeline(leg);
            self.recordings.entry(id).and_modify(|recording| recording.begin_track(position, kind, leg));
        }
    }

    fn stop_track(&mut self, now: Instant, id: RecordingId, leg: LegId, io: &mut impl PacketIo) {
        self.flush(now, id, io);
        self.recordings.entry(id).and_modify(|recording| recording.end_track(leg));
    }

    fn stop_record(&mut self, now: Instant, id: RecordingId, io: &mut impl PacketIo) {
        // The talk is over: what still waits to be played is only for the file.
        let legs: SmallVec<[LegId; 4]> = self.recordings.get(&id).into_iter().flat_map(Recording::legs).collect();
        for leg in legs {
            if let Some(leg) = self.leg(leg) {
                leg.drain();
            }
        }
        self.flush(now, id, io);
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        recording.end();
        if let Some(event) = recording.finish(io) {
            self.events.push_back(event);
            self.recordings.remove(&id);
        }
    }

    fn flush(&mut self, now: Instant, id: RecordingId, io: &mut impl PacketIo) {
        let position = self.position(now);
        if let Some(recording) = self.recordings.get_mut(&id) {
            recording.flush(position, &|leg| timeline(&self.legs, &self.slots, leg), io);
            self.stats.unrecorded += recording.take_lost();
        }
    }

    fn keep_timeline(&mut self, id: LegId) {
        if let Some(leg) = self.leg(id) {
            leg.timeline.get_or_insert_default();
        }
    }

    fn leg(&mut self, id: LegId) -> Option<&mut Leg> {
        let slot = self.slots.get(&id).copied()?;
        leg(&mut self.legs, slot)
    }

    fn is_idle(&self) -> bool {
        self.slots.is_empty() && self.recordings.is_empty()
    }

    /// How many steps the wheels should have made by `now`.
    fn steps(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.origin).as_millis() as u64
    }

    /// The moment of a step of the wheels.
    fn time(&self, step: u64) -> Instant {
        self.origin + Duration::from_millis(step)
    }

    /// A moment as a position on the timelines.
    fn position(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.origin);
        since.as_secs() * 8_000 + u64::from(since.subsec_micros()) * 8 / 1_000
    }

    /// A moment as NTP time (RFC 3550 §4).
    fn ntp(&self, now: Instant) -> u64 {
        let us = self.ntp_us + now.saturating_duration_since(self.origin).as_micros();
        ((us << 32) / 1_000_000) as u64
    }
}

fn leg(legs: &mut [Option<Box<Leg>>], slot: u32) -> Option<&mut Leg> {
    legs.get_mut(slot as usize)?.as_deref_mut()
}

/// Into the wheel of frames.
fn put(fast: &mut [Vec<u32>; FAST], slot: u32) {
    if let Some(wheel) = fast.get_mut(slot as usize % FAST) {
        wheel.push(slot);
    }
}

fn timeline<'a>(legs: &'a [Option<Box<Leg>>], slots: &HashMap<LegId, u32>, id: LegId) -> Option<&'a Timeline> {
    legs.get(*slots.get(&id)? as usize)?.as_ref()?.timeline.as_ref()
}

fn report_interval(rng: &mut ChaCha8Rng) -> Duration {
    Duration::from_millis(REPORT_MS / 2 + u64::from(rng.next_u32()) % REPORT_MS)
}
