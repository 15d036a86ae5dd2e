//! What the phone of one leg hears: packets of other legs, frames of ours, keys.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::{Leg, Source};
use crate::media::clip::{Clip, FRAME};
use crate::media::codec::{Codec, Law};
use crate::media::dtmf::{is_end, key};
use crate::media::mouth::Mouth;
use crate::media::press::{Due, KeyTone, tone_frame};
use crate::media::rtp::{self, Packet};
use crate::media::shard::{Channel, PacketIo, Stats};
use crate::media::stream::Numbers;
use crate::media::terms::COMFORT_NOISE;

/// A packet on its way from one leg's phone to another's.
#[derive(Debug)]
pub struct Forward {
    pub(super) packet: Packet,
    pub(super) what: Carried,
    /// Whose timestamps they are: of the codec that its phone speaks.
    pub(super) clock_hz: u32,
}

/// What a packet on its way carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carried {
    Sound(Codec),
    /// A telephone-event; with `begins` the first packet of its press.
    Event {
        begins: bool,
    },
    /// What a pause sounds like (RFC 3389).
    ComfortNoise,
}

/// Bytes of a packet that we encode at most.
const ENCODED_MOST: usize = 1_280;
impl Leg {
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
        let payload_type = match forward.what {
            Carried::Event { begins } => return self.deliver_event(now, forward, begins, datagram, stats, io),
            Carried::Sound(codec) if codec.passes_as(self.terms.codec) => {
                let (from, to) = (codec.law(), self.terms.codec.law());
                if let (Some(from), Some(to), Some(samples)) = (from, to, datagram.get_mut(payload.clone())) {
                    from.transcode(to, samples);
                }
                self.terms.payload_type
            }
            // A phone that does not know it hears silence.
            Carried::ComfortNoise if self.terms.comfort_noise && self.hears_as_is(forward) => COMFORT_NOISE,
            Carried::Sound(_) | Carried::ComfortNoise => return,
        };
        let Some(numbers) = self.out.relay(now, &forward.packet, true) else { return };
        let Some(packet) = datagram.get_mut(payload.start.saturating_sub(rtp::HEADER_BYTES)..payload.end) else {
            return;
        };
        self.send(target, payload_type, numbers, packet, stats, io);
    }

    /// True when the packet's timestamps are of the kind that this phone hears, and so is the sound they belong to.
    fn hears_as_is(&self, forward: &Forward) -> bool {
        forward.clock_hz == self.out.clock_hz() && self.peer_codec.is_some_and(|c| c.passes_as(self.terms.codec))
    }

    /// A telephone-event of another leg: as it came where the timestamps are of one kind, else moved onto our stream; as
    /// a tone where the phone takes no events.
    fn deliver_event(
        &mut self,
        now: Instant,
        forward: &Forward,
        begins: bool,
        datagram: &mut [u8],
        stats: &mut Stats,
        io: &mut impl PacketIo,
    ) {
        let Some(target) = self.target() else { return };
        let payload = forward.packet.payload.clone();
        let Some(event) = datagram.get(payload.clone()).and_then(|p| p.first_chunk::<4>()).copied() else { return };
        let Some(events) = self.terms.events else {
            match &mut self.key_tone {
                _ if begins => self.key_tone = key(event).map(|digit| KeyTone::new(now, digit)),
                Some(tone) => tone.go_on(now, is_end(event)),
                None => {}
            }
            return;
        };
        let clock_hz = self.out.clock_hz();
        let numbers = if self.hears_as_is(forward) {
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
        let mut done = None;
        match &mut self.source {
            Source::Play { play, clips, index, at } => {
                frame.fill(law.silence());
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
            Source::Fork => {
                let frame = self.fork.as_ref().map_or([0; FRAME], |tap| tap.speak());
                self.speak(at, 8_000, &frame, stats, io);
                return None;
            }
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
        if !self.mouth.as_ref().is_some_and(|mouth| mouth.speaks(&self.terms)) {
            self.mouth = Mouth::new(&self.terms).map(Box::new);
        }
        let Some(mut mouth) = self.mouth.take() else { return };
        mouth.take(rate, sound);
        let mut packet = [0u8; rtp::HEADER_BYTES + ENCODED_MOST];
        while let Some((bytes, ms)) = mouth.packet(packet.get_mut(rtp::HEADER_BYTES..).unwrap_or_default()) {
            let (Some(target), true) = (self.target(), self.terms.send) else { continue };
            if bytes == 0 {
                self.out.pause(ms);
                continue;
            }
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
