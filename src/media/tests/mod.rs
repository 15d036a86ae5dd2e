//! Tests of a whole shard on virtual time: phones, a wire, and a storage that can be full.

mod bridge;
mod codecs;
mod fork;
mod hour;
mod play;
mod record;
mod rules;
mod sealed;
mod shared;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use smallvec::smallvec;

use super::shard::{Channel, Delivery, PacketIo, Shard};
use super::voice::{Decoder, Encoder};
use super::*;
use crate::clock::{Clock, Wall};

/// One datagram that left the shard.
#[derive(Clone, Debug)]
struct Sent {
    ms: u64,
    slot: u32,
    channel: Channel,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// The shard's surroundings.
#[derive(Default)]
struct Wire {
    ms: u64,
    sent: Vec<Sent>,
    chunks: VecDeque<Chunk>,
    full: bool,
    taken_ports: Vec<u16>,
    open: Vec<(u32, u16)>,
    connected: Vec<(u32, Option<SocketAddr>)>,
}

impl PacketIo for Wire {
    fn open(&mut self, slot: u32, port: u16) -> Result<(), String> {
        if self.taken_ports.contains(&port) {
            return Err(format!("port {port} is taken"));
        }
        self.open.push((slot, port));
        Ok(())
    }

    fn share(&mut self, slot: u32) -> Result<(), String> {
        self.open.push((slot, 0));
        Ok(())
    }

    fn close(&mut self, slot: u32) {
        self.open.retain(|(s, _)| *s != slot)
    }

    fn connect(&mut self, slot: u32, source: Option<SocketAddr>) {
        self.connected.push((slot, source))
    }

    fn send(&mut self, slot: u32, channel: Channel, to: SocketAddr, datagram: &[u8]) {
        self.sent.push(Sent { ms: self.ms, slot, channel, to, bytes: datagram.to_vec() });
    }

    fn chunk(&mut self, chunk: Chunk) -> Delivery {
        if self.full {
            return Delivery::Full;
        }
        self.chunks.push_back(chunk);
        Delivery::Taken
    }
}

/// A phone: its address and the numbers of its stream.
struct Phone {
    leg: LegId,
    slot: u32,
    address: SocketAddr,
    codec: Codec,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// A tone it speaks: frequency and the samples spoken.
    hz: f64,
    spoken: u32,
    encoder: Encoder,
    decoder: RefCell<Decoder>,
}

impl Phone {
    /// Its next 20 ms of tone as one datagram.
    fn speak(&mut self) -> Vec<u8> {
        let rate = self.encoder.rate();
        let sound: Vec<i16> = (0..rate / 50)
            .map(|n| {
                let phase = std::f64::consts::TAU * self.hz * f64::from(self.spoken + n) / f64::from(rate);
                (8_000.0 * phase.sin()) as i16
            })
            .collect();
        self.spoken += rate / 50;
        self.say(&sound)
    }

    /// 20 ms of sound at its encoder's rate as one datagram.
    fn say(&mut self, sound: &[i16]) -> Vec<u8> {
        let mut payload = [0; 400];
        let bytes = self.encoder.encode(sound, &mut payload);
        let datagram = self.datagram(payload_type(self.codec), self.timestamp, &payload[..bytes]);
        self.pause();
        datagram
    }

    /// Keeps silent for 20 ms without telling it by RTP.
    fn pause(&mut self) {
        self.timestamp = self.timestamp.wrapping_add(self.codec.clock_hz() / 50);
    }

    /// What one payload sounds like, at 8 kHz.
    fn sound(&self, payload: &[u8]) -> Vec<i16> {
        let mut decoder = self.decoder.borrow_mut();
        let mut sound = vec![0; 2_000];
        let count = decoder.decode(payload, &mut sound);
        sound.truncate(count);
        sound.into_iter().step_by(decoder.rate() as usize / 8_000).collect()
    }

    fn datagram(&mut self, payload_type: u8, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut bytes = rtp::header(payload_type, false, self.sequence, timestamp, self.ssrc).to_vec();
        bytes.extend(payload);
        bytes
    }

    /// The datagrams of one key press of 100 ms with three end packets, 20 ms apart but for the last two.
    fn press(&mut self, event: u8) -> Vec<Vec<u8>> {
        let began = self.timestamp;
        let frame = (self.codec.clock_hz() / 50) as u16;
        self.timestamp = self.timestamp.wrapping_add(6 * u32::from(frame));
        (1..=7u16)
            .map(|n| {
                let duration = (n * frame).min(5 * frame);
                let [d0, d1] = duration.to_be_bytes();
                self.datagram(101, began, &[event, if n >= 5 { 0x8a } else { 0x0a }, d0, d1])
            })
            .collect()
    }
}

fn law(codec: Codec) -> Law {
    codec.law().expect("a phone of these tests speaks G.711")
}

fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::Opus => 111,
        Codec::G729 => 18,
    }
}

/// A shard with virtual time, in ms since its beginning.
struct World {
    shard: Shard,
    wire: Wire,
    start: Instant,
    ms: u64,
    events: Vec<(u64, Event)>,
    legs: u32,
}

impl World {
    fn new() -> Self {
        let start = Instant::now();
        let clock = Clock::new(start, Wall(1_795_341_600_000_000));
        let shard = Shard::new(start, clock, [7; 32], Some(Duration::from_secs(60)));
        Self { shard, wire: Wire::default(), start, ms: 0, events: Vec::new(), legs: 0 }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.ms)
    }

    fn command(&mut self, command: Command) {
        self.shard.handle_command(self.now(), command, &mut self.wire);
        self.events();
    }

    fn events(&mut self) {
        while let Some(event) = self.shard.poll_event() {
            self.events.push((self.ms, event));
        }
    }

    /// A leg whose SDP address is its phone's.
    fn phone(&mut self, codec: Codec, hz: f64) -> Phone {
        self.phone_at(Port::Own(20_000 + self.legs as u16 * 2), codec, hz)
    }

    fn phone_at(&mut self, port: Port, codec: Codec, hz: f64) -> Phone {
        let n = self.legs;
        self.legs += 1;
        let address: SocketAddr = format!("10.0.0.{}:4000", n + 1).parse().unwrap();
        let leg = LegId(u64::from(n) + 1);
        self.command(Command::Open {
            leg,
            port,
            remote: Some(address),
            signalling: Some(address.ip()),
            terms: Terms::plain(codec, payload_type(codec), Some(101)),
            role: LegRole::Customer,
        });
        assert_eq!(self.events.pop().map(|e| e.1), Some(Event::Opened { leg }));
        let slot = self.wire.open.last().unwrap().0;
        let (ssrc, sequence, timestamp, spoken) = (100 + n, 65_500, n * 7_777, 0);
        let (encoder, decoder) = (Encoder::new(codec).unwrap(), RefCell::new(Decoder::new(codec).unwrap()));
        Phone { leg, slot, address, codec, ssrc, sequence, timestamp, hz, spoken, encoder, decoder }
    }

    /// Time goes on, every deadline in its order.
    fn run(&mut self, ms: u64) {
        let until = self.ms + ms;
        while let Some(due) = self.shard.poll_timeout() {
            let due = due.duration_since(self.start).as_millis() as u64;
            if due > until {
                break;
            }
            self.ms = self.ms.max(due);
            self.wire.ms = self.ms;
            self.shard.handle_timeout(self.now(), &mut self.wire);
            self.events();
        }
        self.ms = until;
        self.wire.ms = until;
    }

    fn packet(&mut self, slot: u32, source: SocketAddr, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        let now = self.now();
        self.shard.handle_packet(now, slot, Channel::Rtp, source, &mut datagram, &mut self.wire);
        self.events();
    }

    fn says(&mut self, phone: &mut Phone) {
        let datagram = phone.speak();
        self.packet(phone.slot, phone.address, &datagram);
    }

    /// All phones speak for `ms`, a packet each 20 ms.
    fn talk(&mut self, ms: u64, phones: &mut [&mut Phone]) {
        for _ in 0..ms / 20 {
            for phone in phones.iter_mut() {
                self.says(phone);
            }
            self.run(20);
        }
    }

    /// The RTP a phone got since the last call of this.
    fn heard(&mut self, phone: &Phone) -> Vec<(u64, rtp::Packet, Vec<u8>)> {
        let sent = std::mem::take(&mut self.wire.sent);
        let (ours, others): (Vec<_>, Vec<_>) =
            sent.into_iter().partition(|s| s.slot == phone.slot && s.channel == Channel::Rtp);
        self.wire.sent = others;
        ours.into_iter()
            .map(|s| {
                assert_eq!(s.to, phone.address);
                let packet = rtp::parse(&s.bytes).unwrap();
                let payload = s.bytes[packet.payload.clone()].to_vec();
                (s.ms, packet, payload)
            })
            .collect()
    }

    /// The samples a phone heard since the last call of `heard`.
    fn samples(&mut self, phone: &Phone) -> Vec<i16> {
        let own = payload_type(phone.codec);
        let heard = self.heard(phone);
        assert!(heard.iter().all(|(_, p, _)| p.payload_type == own));
        heard.iter().flat_map(|(_, _, payload)| phone.sound(payload)).collect()
    }

    fn digits(&self, leg: LegId) -> String {
        let digit = |e: &(u64, Event)| match e.1 {
            Event::Digit { leg: of, digit } if of == leg => Some(digit),
            _ => None,
        };
        self.events.iter().filter_map(digit).collect()
    }
}

/// Level of one frequency in dB over one sample step (Goertzel).
fn level(samples: &[i16], hz: f64) -> f64 {
    let coefficient = 2.0 * (std::f64::consts::TAU * hz / 8_000.0).cos();
    let (mut s1, mut s2) = (0.0, 0.0);
    for sample in samples {
        let s0 = f64::from(*sample) + coefficient * s1 - s2;
        s2 = s1;
        s1 = s0;
    }
    let power = (s1 * s1 + s2 * s2 - coefficient * s1 * s2) / (samples.len() as f64 / 2.0).powi(2);
    10.0 * power.max(1e-9).log10()
}

/// True when sequence numbers follow one another, timestamps grow, and there is one SSRC.
fn assert_continuous(heard: &[(u64, rtp::Packet, Vec<u8>)]) {
    for pair in heard.windows(2) {
        let ((ms0, a, _), (ms1, b, _)) = (&pair[0], &pair[1]);
        assert_eq!(a.ssrc, b.ssrc);
        assert_eq!(b.sequence, a.sequence.wrapping_add(1), "at {ms1} ms");
        let step = b.timestamp.wrapping_sub(a.timestamp);
        let elapsed = (ms1 - ms0) as u32 * 8;
        assert!((160..=elapsed.max(160) + 160).contains(&step), "timestamp step {step} at {ms1} ms after {elapsed}");
    }
}
