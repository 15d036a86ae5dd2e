//! Nothing on the way of a packet allocates: a shard in memory, counted by an allocator of this test's own.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(unsafe_code, reason = "a global allocator is unsafe by its trait; this one counts and passes on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hatif::clock::{Clock, Wall};
use hatif::id::{LegId, RecordingId};
use hatif::media::fork::Line;
use hatif::media::shard::{Channel, Delivery, PacketIo, Shard};
use hatif::media::{Chunk, ChunkKind, Clip, Codec, Command, Event, LegRole, Port, Terms, rtp};
use smallvec::smallvec;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // At the end of a thread there is nothing to count in any more.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

/// The surroundings of the shard: counts what leaves it, and gives chunk buffers back as storage does.
#[derive(Default)]
struct Wire {
    packets: u64,
    reports: u64,
    chunks: u64,
    spare: Vec<Vec<i16>>,
}

impl PacketIo for Wire {
    fn open(&mut self, _: u32, _: u16) -> Result<(), String> {
        Ok(())
    }
    fn share(&mut self, _: u32) -> Result<(), String> {
        Ok(())
    }
    fn close(&mut self, _: u32) {}
    fn connect(&mut self, _: u32, _: Option<SocketAddr>) {}
    fn send(&mut self, _: u32, channel: Channel, _: SocketAddr, _: &[u8]) {
        match channel {
            Channel::Rtp => self.packets += 1,
            Channel::Rtcp => self.reports += 1,
        }
    }
    fn buffer(&mut self) -> Vec<i16> {
        self.spare.pop().unwrap_or_default()
    }
    fn chunk(&mut self, chunk: Chunk) -> Delivery {
        if let ChunkKind::Samples(samples) = chunk.kind {
            self.chunks += 1;
            self.spare.push(samples);
        }
        Delivery::Taken
    }
}

struct Phone {
    leg: LegId,
    address: SocketAddr,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    packet: [u8; 172],
}

/// A shard on virtual time; a leg's slot is its place among the phones.
struct World {
    shard: Shard,
    wire: Wire,
    now: Instant,
    phones: Vec<Phone>,
    port: Port,
    digits: u64,
}

impl World {
    fn new(port: Port, codecs: &[Codec]) -> Self {
        let now = Instant::now();
        let shard = Shard::new(now, Clock::new(now, Wall(1_795_341_600_000_000)), [7; 32], None);
        let mut world = Self { shard, wire: Wire::default(), now, phones: Vec::new(), port, digits: 0 };
        codecs.iter().for_each(|codec| world.phone(*codec));
        world
    }

    fn phone(&mut self, codec: Codec) {
        let n = self.phones.len() as u16;
        let address = SocketAddr::from(([10, 0, 0, n as u8 + 1], 4_000));
        let payload_type = match codec {
            Codec::Pcmu => 0,
            Codec::G722 => 9,
            _ => 8,
        };
        let leg = LegId(u64::from(n) + 1);
        let terms = Terms::plain(codec, payload_type, Some(101));
        let (remote, signalling) = (Some(address), Some(address.ip()));
        self.command(Command::Open { leg, port: self.port, remote, signalling, terms, role: LegRole::Customer });
        self.phones.push(Phone { leg, address, payload_type, sequence: 9, timestamp: 7, packet: [0x55; 172] });
    }

    fn leg(&self, n: usize) -> LegId {
        self.phones[n].leg
    }

    fn command(&mut self, command: Command) {
        self.shard.handle_command(self.now, command, &mut self.wire);
    }

    fn bridge(&mut self, a: usize, b: usize) {
        self.command(Command::Bridge { a: self.leg(a), b: self.leg(b) });
    }

    fn came(&mut self, n: usize, channel: Channel, datagram: &mut [u8]) {
        let source = self.phones[n].address;
        match self.port {
            Port::Own(_) => {
                self.shard.handle_packet(self.now, n as u32, channel, source, datagram, &mut self.wire);
            }
            Port::Shared(_) => self.shard.handle_shared(self.now, channel, source, datagram, &mut self.wire),
        }
    }

    /// Every phone says 20 ms; with `event` all press a key instead, each press of 7 packets.
    fn frame(&mut self, event: bool) {
        for n in 0..self.phones.len() {
            let phone = &mut self.phones[n];
            phone.sequence = phone.sequence.wrapping_add(1);
            let mut packet = phone.packet;
            let (step, length) = (u32::from(phone.sequence % 7), if event { 16 } else { 172 });
            let (payload_type, at) = match event {
                true => (101, phone.timestamp.wrapping_sub(step * 160)),
                false => (phone.payload_type, phone.timestamp),
            };
            packet[..12].copy_from_slice(&rtp::header(payload_type, false, phone.sequence, at, 70 + n as u32));
            if event {
                packet[12..16].copy_from_slice(&[5, if step >= 4 { 0x8a } else { 0x0a }, 0, 160]);
            }
            phone.timestamp = phone.timestamp.wrapping_add(160);
            self.came(n, Channel::Rtp, &mut packet[..length]);
        }
        self.now += Duration::from_millis(20);
        self.shard.handle_timeout(self.now, &mut self.wire);
        while let Some(event) = self.shard.poll_event() {
            self.digits += u64::from(matches!(event, Event::Digit { .. }));
        }
    }

    /// Runs until everything has its room, then counts over 1,000 frames of every phone.
    #[track_caller]
    fn nothing_is_allocated(&mut self, what: &str, event: bool) {
        (0..500).for_each(|_| self.frame(event));
        let before = allocations();
        (0..1_000).for_each(|_| self.frame(event));
        assert_eq!(allocations() - before, 0, "{what}");
    }
}

const OWN: Port = Port::Own(20_000);

#[test]
fn relaying_allocates_nothing() {
    for port in [OWN, Port::Shared(20_000)] {
        for codecs in [[Codec::Pcmu, Codec::Pcmu], [Codec::Pcmu, Codec::Pcma], [Codec::Pcma, Codec::G722]] {
            let mut world = World::new(port, &codecs);
            world.bridge(0, 1);
            world.nothing_is_allocated(&format!("{codecs:?} at {port:?}"), false);
            let quiet = world.wire.packets;
            world.nothing_is_allocated("again", false);
            let sent = world.wire.packets - quiet;
            assert!((2_990..=3_010).contains(&sent), "{codecs:?}: {sent} packets");
        }
    }
}

#[test]
fn a_recording_takes_its_buffers_from_the_pool() {
    let mut world = World::new(OWN, &[Codec::Pcmu, Codec::Pcma]);
    world.bridge(0, 1);
    let (recording, customer, others) = (RecordingId::new(1, 1), world.leg(0), smallvec![world.leg(1)]);
    world.command(Command::Record { recording, customer, others });
    world.nothing_is_allocated("relay and record", false);
    assert!(world.wire.chunks >= 145, "{} chunks of 200 ms in 30 s", world.wire.chunks);
    assert_eq!(world.wire.spare.len(), 1, "one buffer goes round");
}

#[test]
fn music_and_listening_allocate_nothing() {
    let mut world = World::new(OWN, &[Codec::Pcmu, Codec::Pcma, Codec::Pcmu, Codec::Pcma]);
    world.bridge(0, 1);
    let (music, voices) = (Arc::new(Clip::tone(440.0, -20.0, 1_000)), smallvec![world.leg(0), world.leg(1)]);
    world.command(Command::Music { leg: world.leg(2), music });
    world.command(Command::Mix { leg: world.leg(3), voices });
    world.nothing_is_allocated("music and a listener", false);
    assert!(world.wire.packets >= 4 * 1_480, "{} packets", world.wire.packets);
}

#[test]
fn a_bot_that_hears_and_speaks_allocates_nothing() {
    for codec in [Codec::Pcmu, Codec::G722] {
        let mut world = World::new(OWN, &[codec]);
        let line = Line::new();
        world.command(Command::Fork { leg: world.leg(0), line: Arc::clone(&line) });
        for n in 0..1_500 {
            // The bot reads and writes; for the last third it does neither.
            if n < 1_000 {
                line.ear.pop();
                line.mouth.push(&[n; 160]);
            }
            let before = allocations();
            world.frame(false);
            assert!(n < 500 || allocations() == before, "{codec:?}, frame {n}");
        }
        assert!(line.ear.written() >= 1_000 && line.ear.refused() >= 440, "{line:?}");
        assert!(world.wire.packets >= 1_480, "{} packets", world.wire.packets);
    }
}

#[test]
fn reports_allocate_nothing() {
    let mut world = World::new(OWN, &[Codec::Pcmu, Codec::Pcmu]);
    world.bridge(0, 1);
    world.nothing_is_allocated("our reports", false);
    assert!(world.wire.reports >= 8, "{} reports in 30 s", world.wire.reports);
    // A sender report of the phone with a report block about us.
    let mut report = [0; 52];
    report[..8].copy_from_slice(&[0x81, 200, 0, 12, 0, 0, 0, 70]);
    world.came(0, Channel::Rtcp, &mut report);
    let before = allocations();
    (0..1_000).for_each(|_| world.came(0, Channel::Rtcp, &mut report));
    assert_eq!(allocations() - before, 0, "the phone's reports");
    assert_eq!((world.shard.stats().refused, world.shard.stats().noise), (0, 0));
}

#[test]
fn keys_allocate_nothing() {
    let mut world = World::new(OWN, &[Codec::Pcmu, Codec::Pcma]);
    world.bridge(0, 1);
    (0..50).for_each(|_| world.frame(false));
    world.nothing_is_allocated("telephone-events", true);
    assert!(world.digits >= 2 * 200, "{} keys", world.digits);
}
