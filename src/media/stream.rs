//! The one RTP stream a phone hears from us, whatever feeds it.
//!
//! SSRC, sequence and timestamp go on across play, music, mix and bridge, so that the phone's jitter buffer never
//! starts anew. Relayed packets keep their distances: what was lost or reordered before us looks so behind us.
//! The marker tells the phone that another source begins (RFC 3551 §4.1).

use std::time::{Duration, Instant};

use super::rtp::Packet;

/// Numbers of the outgoing packets of one leg.
#[derive(Debug)]
pub struct OutStream {
    ssrc: u32,
    /// Ticks a millisecond of the timestamps: 8, or 48 for Opus.
    per_ms: u32,
    /// Highest sequence number sent.
    sequence: u16,
    /// Highest timestamp sent, and when.
    timestamp: u32,
    at: Option<Instant>,
    /// The last packet was a frame of ours of so many ticks: the next is due when it ends.
    steady: Option<u32>,
    relay: Option<Relay>,
    press: Option<Press>,
    packets: u64,
    octets: u64,
}

/// How a relayed stream is moved onto ours.
#[derive(Clone, Copy, Debug)]
struct Relay {
    ssrc: u32,
    sequence_offset: u16,
    timestamp_offset: u32,
    /// Highest sequence number of the source.
    highest: u16,
    /// Our sequence number where it began, and for how many packets older ones are refused.
    began: u16,
    young: u16,
}

/// The key press under way: all its packets have the timestamp of its beginning (RFC 4733 §2.2).
#[derive(Clone, Copy, Debug)]
struct Press {
    /// SSRC and timestamp of its source.
    source: (u32, u32),
    timestamp: u32,
}

/// The numbers of one outgoing packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Numbers {
    /// The marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
}

/// A source that jumps by so many packets has begun anew.
const SEQUENCE_JUMP: u16 = 3_000;
/// A source whose timestamps are so far from the clock is tied to it anew, in ms.
const TIMESTAMP_JUMP_MS: u32 = 3_000;
/// What one of our frames lasts at least, in ms.
const FRAME_MS: u32 = 20;
/// Packets after the beginning of a relay that may still be older than it.
const YOUNG: u16 = 1_000;
/// A frame of ours that is later than this tells its true time: 100 ms.
const LATE: Duration = Duration::from_millis(100);

impl OutStream {
    /// A stream that begins at random numbers (RFC 3550 §5.1), its timestamps at this clock.
    pub fn new(ssrc: u32, sequence: u16, timestamp: u32, clock_hz: u32) -> Self {
        let (at, steady, relay, press) = (None, None, None, None);
        let per_ms = clock_hz / 1_000;
        Self { ssrc, per_ms, sequence, timestamp, at, steady, relay, press, packets: 0, octets: 0 }
    }

    /// The codec changes: timestamps go on from where they are, at another pace perhaps.
    pub fn set_clock(&mut self, clock_hz: u32) {
        if self.per_ms != clock_hz / 1_000 {
            self.per_ms = clock_hz / 1_000;
            self.switch();
        }
    }

    /// Ticks a second of its timestamps.
    pub fn clock_hz(&self) -> u32 {
        self.per_ms * 1_000
    }

    /// Our SSRC towards this phone.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets sent.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Payload bytes sent.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Counts a packet that was sent.
    pub fn count(&mut self, payload_bytes: usize) {
        self.packets += 1;
        self.octets += payload_bytes as u64;
    }

    /// What feeds the stream changes: the next packet carries the marker and the time that passed.
    pub fn switch(&mut self) {
        self.relay = None;
        self.steady = None;
    }

    /// Another leg will be relayed, or none: its numbers have nothing to do with the last one's.
    pub fn part(&mut self) {
        self.relay = None
    }

    /// The timestamp of a sample that begins at `now`.
    pub fn timestamp_at(&self, now: Instant) -> u32 {
        let Some(at) = self.at else { return self.timestamp };
        let elapsed = now.saturating_duration_since(at).as_micros() * u128::from(self.per_ms) / 1_000;
        self.timestamp.wrapping_add(elapsed as u32)
    }

    /// The timestamp of the first packet of another source: never within the last frame sent.
    fn next_timestamp(&self, now: Instant) -> u32 {
        match self.at {
            None => self.timestamp,
            Some(_) => {
                let elapsed = self.timestamp_at(now).wrapping_sub(self.timestamp);
                self.timestamp.wrapping_add(elapsed.max(FRAME_MS * self.per_ms))
            }
        }
    }

    /// Numbers for a frame of ours that lasts so many ms, due at `at`.
    pub fn frame(&mut self, at: Instant, ms: u32) -> Numbers {
        let on_time = self.at.is_some_and(|last| at.saturating_duration_since(last) < LATE);
        let goes_on = self.steady.filter(|_| on_time);
        self.timestamp = match goes_on {
            Some(ticks) => self.timestamp.wrapping_add(ticks),
            None => self.next_timestamp(at),
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.at = Some(at);
        self.steady = Some(ms * self.per_ms);
        self.relay = None;
        Numbers { marker: goes_on.is_none(), sequence: self.sequence, timestamp: self.timestamp }
    }

    /// A frame of ours of so many ms is not sent: the next one tells of the time that passed.
    pub fn pause(&mut self, ms: u32) {
        if let Some(ticks) = &mut self.steady {
            *ticks = ticks.wrapping_add(ms * self.per_ms);
        }
    }

    /// Numbers for a telephone-event that stands among frames of ours: of the press that `source` names by its SSRC and
    /// timestamp. Frames go on beside it, and so does a relay.
    pub fn event(&mut self, now: Instant, source: (u32, u32)) -> Numbers {
        let known = self.press.filter(|press| press.source == source);
        let press = known.unwrap_or_else(|| Press { source, timestamp: self.next_timestamp(now) });
        self.press = Some(press);
        self.sequence = self.sequence.wrapping_add(1);
        if let Some(relay) = &mut self.relay {
            // What is relayed beside it moves up by one; what comes too late for that would have another's number.
            relay.sequence_offset = relay.sequence_offset.wrapping_add(1);
            (relay.began, relay.young) = (self.sequence.wrapping_add(1), YOUNG);
        }
        Numbers { marker: known.is_none(), sequence: self.sequence, timestamp: press.timestamp }
    }

    /// Numbers for a packet of another stream; `None` when it is older than the beginning of the relay.
    ///
    /// `audio` is false for telephone-events, whose timestamp is that of the key press's beginning.
    pub fn relay(&mut self, now: Instant, packet: &Packet, audio: bool) -> Option<Numbers> {
        let mut began = false;
        let mut relay = match self.relay.filter(|r| self.goes_on(now, r, packet, audio)) {
            Some(relay) => relay,
            None => {
                began = true;
                self.begin(now, packet)
            }
        };
        let sequence = packet.sequence.wrapping_add(relay.sequence_offset);
        let timestamp = packet.timestamp.wrapping_add(relay.timestamp_offset);
        if relay.young > 0 {
            relay.young -= 1;
            if sequence.wrapping_sub(relay.began) >= 0x8000 {
                return None;
            }
        }
        if packet.sequence.wrapping_sub(relay.highest) < 0x8000 {
            relay.highest = packet.sequence;
        }
        if sequence.wrapping_sub(self.sequence) < 0x8000 {
            self.sequence = sequence;
        }
        let ahead = timestamp.wrapping_sub(self.timestamp);
        if (ahead != 0 && ahead < 1 << 31) || self.at.is_none() {
            self.timestamp = timestamp;
            self.at = Some(now);
        }
        self.steady = None;
        self.relay = Some(relay);
        Some(Numbers { marker: began || packet.marker, sequence, timestamp })
    }

    fn goes_on(&self, now: Instant, relay: &Relay, packet: &Packet, audio: bool) -> bool {
        let ahead = packet.sequence.wrapping_sub(relay.highest);
        let in_order = !(SEQUENCE_JUMP..=u16::MAX - SEQUENCE_JUMP).contains(&ahead);
        let timestamp = packet.timestamp.wrapping_add(relay.timestamp_offset);
        let off = (timestamp.wrapping_sub(self.timestamp_at(now)) as i32).unsigned_abs();
        relay.ssrc == packet.ssrc && in_order && (!audio || off < TIMESTAMP_JUMP_MS * self.per_ms)
    }

    fn begin(&self, now: Instant, packet: &Packet) -> Relay {
        let first = self.sequence.wrapping_add(1);
        Relay {
            ssrc: packet.ssrc,
            sequence_offset: first.wrapping_sub(packet.sequence),
            timestamp_offset: self.next_timestamp(now).wrapping_sub(packet.timestamp),
            highest: packet.sequence,
            began: first,
            young: YOUNG,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, timestamp: u32, ssrc: u32) -> Packet {
        Packet { payload_type: 0, marker: false, sequence, timestamp, ssrc, payload: 12..172 }
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn numbers_go_on_from_frames_to_relay_and_back() {
        let start = Instant::now();
        let mut out = OutStream::new(1, 65_534, u32::MAX - 100, 8_000);
        assert_eq!(out.frame(start, 20), Numbers { marker: true, sequence: 65_535, timestamp: u32::MAX - 100 });
        assert_eq!(out.frame(start + ms(20), 20), Numbers { marker: false, sequence: 0, timestamp: 59 });
        // 50 ms later another phone speaks.
        let first = out.relay(start + ms(70), &packet(500, 90_000, 7), true);
        assert_eq!(first, Some(Numbers { marker: true, sequence: 1, timestamp: 459 }));
        assert_eq!(out.relay(start + ms(71), &packet(499, 89_840, 7), true), None, "older than the beginning");
        let lossy = out.relay(start + ms(110), &packet(502, 90_320, 7), true);
        assert_eq!(lossy, Some(Numbers { marker: false, sequence: 3, timestamp: 779 }), "loss is seen behind us");
        let late = out.relay(start + ms(111), &packet(501, 90_160, 7), true);
        assert_eq!(late, Some(Numbers { marker: false, sequence: 2, timestamp: 619 }));
        assert_eq!(out.frame(start + ms(130), 20), Numbers { marker: true, sequence: 4, timestamp: 939 });
    }

    #[test]
    fn a_source_that_begins_anew_does_not_disturb_the_stream() {
        let start = Instant::now();
        let mut out = OutStream::new(1, 0, 0, 8_000);
        out.relay(start, &packet(10, 1_000, 7), true);
        let next = out.relay(start + ms(20), &packet(11, 1_160, 7), true);
        assert_eq!(next.map(|n| (n.sequence, n.timestamp)), Some((2, 160)));
        for (at, anew) in [(40, packet(40_000, 1_320, 7)), (60, packet(40_001, 9_000_000, 7)), (80, packet(9, 9, 8))] {
            let numbers = out.relay(start + ms(at), &anew, true);
            let expected = Numbers { marker: true, sequence: 1 + at as u16 / 20, timestamp: at as u32 * 8 };
            assert_eq!(numbers, Some(expected));
        }
    }

    #[test]
    fn a_frame_after_a_stall_tells_the_time_that_passed() {
        let start = Instant::now();
        let mut out = OutStream::new(1, 0, 0, 8_000);
        out.frame(start, 20);
        assert_eq!(out.frame(start + ms(1_000), 20), Numbers { marker: true, sequence: 2, timestamp: 8_000 });
    }

    #[test]
    fn a_press_among_frames_keeps_the_timestamp_of_its_beginning() {
        let start = Instant::now();
        let mut out = OutStream::new(1, 0, 0, 48_000);
        out.frame(start, 20);
        let press = [(7, 90_000), (7, 90_000), (7, 94_000)].map(|source| out.event(start + ms(40), source));
        assert_eq!(press.map(|n| (n.marker, n.sequence)), [(true, 2), (false, 3), (true, 4)]);
        assert_eq!(press.map(|n| n.timestamp), [1_920; 3]);
        assert_eq!(out.frame(start + ms(20), 20), Numbers { marker: false, sequence: 5, timestamp: 960 });
    }
}
