//! The jitter buffer of a leg whose sound is decoded.
//!
//! Packets wait here until they are played, in order, so long behind the quickest of them as the network needs: 20 to
//! 200 ms, where 97 of 100 packets are there in time. Who plays asks whenever he needs sound:
//!
//! - the next packet is there: he gets it;
//! - a later one is there: the next is lost, and he conceals it, perhaps with what the later one knows of it (Opus FEC);
//! - none is there: he conceals up to 60 ms without going on, so that a late packet is still heard and the delay grows
//!   by itself; after that the speaker is silent;
//! - the next one is of a later time than the last one's end: the speaker paused (silence suppression), it waits its time.
//!
//! A network that stood still for longer than the most that a packet waits is not waited for: what it held back comes at
//! once and is skipped, and the aim is what it was. The delay shrinks where nobody hears it: [`JitterBuffer::is_ahead`]
//! tells when quiet frames may be left out, and lost ones are. Far above its aim, packets are skipped, and one every two
//! seconds where no moment is quiet. Times come in; nothing here reads a clock.

use std::time::{Duration, Instant};

use super::rtp::Packet;

/// The packets of one speaker that wait to be played.
#[derive(Debug)]
pub struct JitterBuffer {
    clock_hz: u32,
    slots: [Slot; SLOTS],
    stream: Option<Stream>,
    lateness: Lateness,
    /// Concealed in a row with nothing to come, in ms.
    starved_ms: u32,
    /// Since when the delay is a packet above its aim without a quiet moment to leave out.
    ahead_since: Option<Instant>,
    counts: Counts,
}

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Played.
    pub played: u64,
    /// Never there when it was their turn.
    pub lost: u64,
    /// Came after their turn, or twice.
    pub late: u64,
    /// Left out to shrink the delay.
    pub skipped: u64,
}

/// What is to be heard next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pull<'a> {
    /// A packet.
    Packet {
        /// What it carries.
        payload: &'a [u8],
        /// Who says it.
        ssrc: u32,
        /// Its RTP timestamp.
        timestamp: u32,
        /// What [`JitterBuffer::push`] was told.
        arrival: u64,
    },
    /// Sound is missing here.
    Lost {
        /// How much, in ms.
        ms: u32,
        /// The packet after it, when it is there.
        next: Option<&'a [u8]>,
    },
    /// The speaker is silent, or has not begun.
    Silence,
}

#[derive(Debug, Default)]
struct Slot {
    /// Whose sequence number it is, wraps above; `None` when it is empty.
    sequence: Option<u32>,
    timestamp: u32,
    arrival: u64,
    /// Keeps its room from one packet to the next.
    payload: Vec<u8>,
}

/// What is being played.
#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    /// The next sequence number to be played, wraps above.
    next: u32,
    /// The timestamp at which it should begin.
    cursor: u32,
    /// The highest that came.
    highest: u32,
    /// Its timestamp.
    highest_timestamp: u32,
    /// Ticks of one packet.
    ticks: u32,
    /// Playing: what is missing is a loss. Before it the first packet waits for its time.
    playing: bool,
    /// The zero of arrival times and of timestamps.
    origin: Instant,
    base: u32,
}

/// Packets that wait at most: more than 200 ms of the shortest.
const SLOTS: usize = 32;
/// A jump of the sequence by so many is a sender that began anew.
const JUMP: i32 = 1_000;
/// What is concealed with nothing to come.
const STARVED_MS: u32 = 60;
/// How far above its aim the delay may be before a packet is skipped, in ms.
const EXCESS_MS: i64 = 40;
/// How far above it the delay still is after something was left out: quiet sound, or sound that nobody has.
const AHEAD_MS: i64 = 10;
/// After so long without a quiet moment one packet is left out nevertheless.
const AHEAD_MOST: Duration = Duration::from_secs(2);

impl JitterBuffer {
    /// For a stream whose timestamps have so many ticks a second.
    pub fn new(clock_hz: u32) -> Self {
        Self {
            clock_hz,
            slots: Default::default(),
            stream: None,
            lateness: Lateness::default(),
            starved_ms: 0,
            ahead_since: None,
            counts: Counts::default(),
        }
    }

    /// What became of packets so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How long a packet waits at most, in ms: the aim of the delay.
    pub fn delay_ms(&self) -> u64 {
        u64::from(self.lateness.aim_ms)
    }

    /// Takes a packet that came at `now`; `arrival` is handed on with it.
    pub fn push(&mut self, now: Instant, arrival: u64, packet: &Packet, payload: &[u8]) {
        let known = self.stream.filter(|stream| {
            let ahead = i32::from(packet.sequence.wrapping_sub(stream.highest as u16) as i16);
            stream.ssrc == packet.ssrc && ahead.abs() < JUMP
        });
        let mut stream = known.unwrap_or_else(|| self.begin(now, packet));
        let ahead = i32::from(packet.sequence.wrapping_sub(stream.highest as u16) as i16);
        let sequence = stream.highest.wrapping_add_signed(ahead);
        if ahead > 0 {
            let ticks = packet.timestamp.wrapping_sub(stream.highest_timestamp);
            if ahead == 1 && (self.clock_hz / 400..=self.clock_hz / 8).contains(&ticks) {
                stream.ticks = ticks;
            }
            (stream.highest, stream.highest_timestamp) = (sequence, packet.timestamp);
        }
        let sent = i64::from(packet.timestamp.wrapping_sub(stream.base) as i32) * 1_000 / i64::from(self.clock_hz);
        self.lateness.note(now.saturating_duration_since(stream.origin).as_millis() as i64, sent);
        self.stream = Some(stream);
        if (sequence.wrapping_sub(stream.next) as i32) < 0 {
            self.counts.late += 1;
            return;
        }
        let Some(slot) = self.slots.get_mut(sequence as usize % SLOTS) else { return };
        match slot.sequence {
            Some(known) if known == sequence => {
                self.counts.late += 1;
                return;
            }
            // What stood there for too long is forgotten: the newest is heard.
            Some(_) => self.counts.lost += 1,
            None => {}
        }
        (slot.sequence, slot.timestamp, slot.arrival) = (Some(sequence), packet.timestamp, arrival);
        slot.payload.clear();
        slot.payload.extend_from_slice(payload);
        if sequence.wrapping_sub(stream.next) as usize >= SLOTS {
            self.go_to_oldest();
        }
    }

    /// A sender that begins, or begins anew.
    fn begin(&mut self, now: Instant, packet: &Packet) -> Stream {
        self.slots.iter_mut().for_each(|slot| slot.sequence = None);
        self.lateness.restart();
        // Numbers below it may still come.
        let first = u32::from(packet.sequence) + 0x1_0000;
        Stream {
            ssrc: packet.ssrc,
            next: first,
            cursor: packet.timestamp,
            highest: first,
            highest_timestamp: packet.timestamp,
            ticks: self.clock_hz / 50,
            playing: false,
            origin: now,
            base: packet.timestamp,
        }
    }

    /// More came at once than can wait: what is oldest is next.
    fn go_to_oldest(&mut self) {
        let Some(mut stream) = self.stream else { return };
        let oldest = self.slots.iter().filter_map(|slot| slot.sequence.map(|sequence| (sequence, slot.timestamp)));
        let ahead = |sequence: u32| sequence.wrapping_sub(stream.highest.wrapping_sub(SLOTS as u32));
        if let Some((sequence, timestamp)) = oldest.min_by_key(|(sequence, _)| ahead(*sequence)) {
            self.counts.lost += u64::from(sequence.wrapping_sub(stream.next));
            (stream.next, stream.cursor) = (sequence, timestamp);
            self.stream = Some(stream);
        }
    }

    /// What is to be heard now.
    pub fn pull(&mut self, now: Instant) -> Pull<'_> {
        let Some(mut stream) = self.stream else { return Pull::Silence };
        let Some((sequence, timestamp)) = self.earliest(&stream) else { return self.starve(stream) };
        let pause = timestamp.wrapping_sub(stream.cursor) as i32;
        let missing = sequence.wrapping_sub(stream.next);
        let lost = stream.playing && missing > 0 && pause > 0 && pause as u32 <= (missing + 1) * stream.ticks;
        if !stream.playing || (pause > 0 && !lost) {
            // A spurt begins: its first packet waits for its time.
            if self.delay(now, &stream, timestamp) < i64::from(self.lateness.aim_ms) {
                self.stream = Some(Stream { playing: false, ..stream });
                return Pull::Silence;
            }
            (stream.next, stream.cursor, stream.playing) = (sequence, timestamp, true);
        } else if lost {
            stream.next = stream.next.wrapping_add(1);
            stream.cursor = stream.cursor.wrapping_add(stream.ticks);
            self.counts.lost += 1;
            self.stream = Some(stream);
            self.starved_ms = 0;
            // Sound that nobody has is the first to be left out.
            if self.delay(now, &stream, stream.cursor) < i64::from(self.lateness.aim_ms) + AHEAD_MS {
                let next =
                    self.slots.get(stream.next as usize % SLOTS).filter(|slot| slot.sequence == Some(stream.next));
                return Pull::Lost { ms: self.ms(stream.ticks), next: next.map(|slot| slot.payload.as_slice()) };
            }
            return self.pull(now);
        }
        let excess = self.delay(now, &stream, timestamp) - i64::from(self.lateness.aim_ms);
        let packet_ms = i64::from(self.ms(stream.ticks));
        if (excess > EXCESS_MS || self.is_ahead_for_long(now, excess - packet_ms)) && sequence != stream.highest {
            self.ahead_since = None;
            self.counts.skipped += 1;
            self.take(&mut stream, sequence, timestamp);
            return self.pull(now);
        }
        self.counts.played += 1;
        self.starved_ms = 0;
        let ssrc = stream.ssrc;
        self.take(&mut stream, sequence, timestamp);
        match self.slots.get(sequence as usize % SLOTS) {
            Some(slot) => Pull::Packet { payload: &slot.payload, ssrc, timestamp, arrival: slot.arrival },
            None => Pull::Silence,
        }
    }

    /// True when the delay is a packet above its aim: what was pulled last may be left out, if it is quiet.
    pub fn is_ahead(&self, now: Instant) -> bool {
        let excess = |stream: &Stream| self.delay(now, stream, stream.cursor) - i64::from(self.lateness.aim_ms);
        self.stream.is_some_and(|stream| stream.playing && excess(&stream) > AHEAD_MS)
    }

    /// True when the delay without the next packet was above its aim for so long that somebody who is never quiet would
    /// keep it for ever.
    fn is_ahead_for_long(&mut self, now: Instant, excess_ms: i64) -> bool {
        self.ahead_since = (excess_ms > AHEAD_MS).then(|| self.ahead_since.unwrap_or(now));
        self.ahead_since.is_some_and(|since| now.saturating_duration_since(since) >= AHEAD_MOST)
    }

    /// Takes the next packet that waits, whatever its time, as nobody will hear it: payload, who says it, its timestamp
    /// and what [`JitterBuffer::push`] was told.
    pub fn take_waiting(&mut self) -> Option<(&[u8], u32, u32, u64)> {
        let mut stream = self.stream?;
        let (sequence, timestamp) = self.earliest(&stream)?;
        stream.playing = false;
        self.take(&mut stream, sequence, timestamp);
        let slot = self.slots.get(sequence as usize % SLOTS)?;
        Some((&slot.payload, stream.ssrc, timestamp, slot.arrival))
    }

    /// Nothing is there.
    fn starve(&mut self, stream: Stream) -> Pull<'_> {
        if !stream.playing || self.starved_ms >= STARVED_MS {
            self.stream = Some(Stream { playing: false, ..stream });
            return Pull::Silence;
        }
        let ms = self.ms(stream.ticks);
        self.starved_ms += ms;
        Pull::Lost { ms, next: None }
    }

    /// The packet that is next of those that wait.
    fn earliest(&self, stream: &Stream) -> Option<(u32, u32)> {
        let in_turn = self.slots.get(stream.next as usize % SLOTS).filter(|slot| slot.sequence == Some(stream.next));
        let waiting = || {
            let known = self.slots.iter().filter(|slot| slot.sequence.is_some());
            known.min_by_key(|slot| slot.sequence.map(|sequence| sequence.wrapping_sub(stream.next)))
        };
        in_turn.or_else(waiting).and_then(|slot| Some((slot.sequence?, slot.timestamp)))
    }

    /// A packet leaves; its payload stays readable until the next one comes.
    fn take(&mut self, stream: &mut Stream, sequence: u32, timestamp: u32) {
        if let Some(slot) = self.slots.get_mut(sequence as usize % SLOTS) {
            slot.sequence = None;
        }
        stream.next = sequence.wrapping_add(1);
        stream.cursor = timestamp.wrapping_add(stream.ticks);
        self.stream = Some(*stream);
    }

    /// How long after the quickest packet sound of this timestamp would be heard at `now`, in ms.
    fn delay(&self, now: Instant, stream: &Stream, timestamp: u32) -> i64 {
        let sent = i64::from(timestamp.wrapping_sub(stream.base) as i32) * 1_000 / i64::from(self.clock_hz);
        now.saturating_duration_since(stream.origin).as_millis() as i64 - sent - self.lateness.least_ms()
    }

    fn ms(&self, ticks: u32) -> u32 {
        ticks * 1_000 / self.clock_hz.max(1)
    }
}

/// How late packets come, beside the quickest.
#[derive(Debug)]
struct Lateness {
    /// Share of packets by lateness in steps of 5 ms; old ones fade.
    shares: [f32; STEPS],
    /// Least transit of this window and of the last one, in ms.
    least: (i64, i64),
    packets: u32,
    /// The network stood still: what comes at once after that says nothing of how long to wait.
    stalled: bool,
    aim_ms: u32,
}

const STEPS: usize = 40;
const STEP_MS: i64 = 5;
/// What a packet's weight becomes with each one after it: half after 7 s.
const FADE: f32 = 0.998;
/// Share of packets that must be there in time.
const IN_TIME: f32 = 0.97;
/// Packets of a window: 5 s.
const WINDOW: u32 = 250;
/// The least and the most that a packet waits.
const AIM_MS: (u32, u32) = (20, 200);

impl Default for Lateness {
    fn default() -> Self {
        Self { shares: [0.0; STEPS], least: (i64::MAX, i64::MAX), packets: 0, stalled: false, aim_ms: AIM_MS.0 }
    }
}

impl Lateness {
    /// Other clocks: what was learnt of the network stays.
    fn restart(&mut self) {
        self.stalled = false;
        self.least = (i64::MAX, i64::MAX);
        self.packets = 0;
    }

    fn least_ms(&self) -> i64 {
        self.least.0.min(self.least.1)
    }

    fn note(&mut self, arrived_ms: i64, sent_ms: i64) {
        let transit = arrived_ms - sent_ms;
        self.least.0 = self.least.0.min(transit);
        let late_ms = transit - self.least_ms();
        self.packets += 1;
        if self.packets.is_multiple_of(WINDOW) {
            self.least = (transit, self.least.0);
        }
        self.stalled = late_ms > i64::from(if self.stalled { self.aim_ms } else { AIM_MS.1 });
        if self.stalled {
            return;
        }
        self.shares.iter_mut().for_each(|share| *share *= FADE);
        if let Some(share) = self.shares.get_mut(((late_ms / STEP_MS) as usize).min(STEPS - 1)) {
            *share += 1.0 - FADE;
        }
        let all: f32 = self.shares.iter().sum();
        let mut seen = 0.0;
        let step = self.shares.iter().position(|share| {
            seen += share;
            seen >= all * IN_TIME
        });
        // Half a frame of our own turn comes on top.
        let aim = (step.unwrap_or(STEPS) as i64 + 1) * STEP_MS + 10;
        self.aim_ms = (aim as u32).clamp(AIM_MS.0, AIM_MS.1);
    }
}

/// Longest time that a packet may wait: what a reader of decoded sound must stay behind.
pub const DELAY_MOST: Duration = Duration::from_millis(AIM_MS.1 as u64 + EXCESS_MS as u64);

#[cfg(test)]
mod tests {
    use super::*;

    /// A network with a seed, and a player that asks each 20 ms.
    struct Play {
        start: Instant,
        buffer: JitterBuffer,
        /// Packets on their way: when they come, and their number.
        wire: Vec<(u64, u32)>,
        heard: Vec<Option<u32>>,
        /// By how much each packet heard was behind its sending, in ms.
        delays: Vec<i64>,
    }

    fn random(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *seed >> 33
    }

    impl Play {
        fn new() -> Self {
            let buffer = JitterBuffer::new(8_000);
            Self { start: Instant::now(), buffer, wire: Vec::new(), heard: Vec::new(), delays: Vec::new() }
        }

        /// Runs until `until_ms`; packet n was sent at n · 20 ms of its sender's clock.
        fn run(&mut self, until_ms: u64) {
            self.wire.sort_unstable();
            let mut wire = std::mem::take(&mut self.wire).into_iter().peekable();
            for ms in 0..until_ms {
                let now = self.start + Duration::from_millis(ms);
                while let Some((_, n)) = wire.next_if(|(at, _)| *at <= ms) {
                    let packet = Packet {
                        payload_type: 0,
                        marker: false,
                        sequence: (n + 65_000) as u16,
                        timestamp: (n * 160).wrapping_add(u32::MAX - 8_000),
                        ssrc: 1,
                        payload: 0..4,
                    };
                    self.buffer.push(now, ms, &packet, &n.to_be_bytes());
                }
                if ms % 20 == 7 {
                    match self.buffer.pull(now) {
                        Pull::Packet { payload, .. } => {
                            let n = u32::from_be_bytes(payload.try_into().unwrap());
                            self.heard.push(Some(n));
                            self.delays.push(ms as i64 - i64::from(n) * 20);
                        }
                        Pull::Lost { ms, .. } => {
                            assert_eq!(ms, 20);
                            self.heard.push(None);
                        }
                        Pull::Silence => {}
                    }
                }
            }
        }

        fn numbers(&self) -> Vec<u32> {
            self.heard.iter().flatten().copied().collect()
        }

        fn concealed(&self) -> usize {
            self.heard.iter().filter(|heard| heard.is_none()).count()
        }
    }

    #[test]
    fn on_a_good_network_each_packet_is_heard_once_in_order_after_20_to_40_ms() {
        let mut play = Play::new();
        play.wire = (0..3_000).map(|n| (u64::from(n) * 20 + 5, n)).collect();
        play.run(60_000);
        assert_eq!(play.numbers(), (0..play.numbers().len() as u32).collect::<Vec<_>>());
        assert!(play.numbers().len() > 2_995 && play.concealed() == 0);
        assert!(play.delays.iter().all(|delay| (20..=45).contains(delay)), "{:?}", play.delays.iter().max());
    }

    #[test]
    fn with_60_ms_of_jitter_less_than_1_in_100_is_concealed() {
        let mut play = Play::new();
        let mut seed = 7;
        play.wire = (0..3_000).map(|n| (u64::from(n) * 20 + random(&mut seed) % 60, n)).collect();
        play.run(60_000);
        let late: Vec<_> = play.heard.iter().skip(500).filter(|heard| heard.is_none()).collect();
        assert!(late.len() < 25, "{} of 2,500", late.len());
        assert!(play.delays.iter().all(|delay| *delay <= 160), "{:?}", play.delays.iter().max());
    }

    #[test]
    fn what_is_lost_is_concealed_and_nothing_else() {
        let mut play = Play::new();
        let mut seed = 3;
        let mut lost = 0;
        for n in 0..3_000u32 {
            let at = u64::from(n) * 20 + 5;
            match random(&mut seed) % 100 {
                0..5 if n < 2_990 => lost += 1,
                5..7 => play.wire.push((at + 25, n)),
                7..8 => play.wire.extend([(at, n), (at + 3, n)]),
                _ => play.wire.push((at, n)),
            }
        }
        play.run(60_000);
        let numbers = play.numbers();
        assert!(numbers.is_sorted() && numbers.len() + lost + 5 > 3_000, "{} and {lost}", numbers.len());
        let extra = play.concealed() as i64 - lost as i64;
        assert!((-5..=60).contains(&extra), "{lost} lost, {extra} more concealed");
        assert!(play.delays.iter().all(|delay| *delay <= 120));
    }

    #[test]
    fn a_clock_that_runs_fast_or_slow_is_followed_for_an_hour() {
        for ppm in [-300.0, 300.0] {
            let mut play = Play::new();
            play.wire = (0..180_000).map(|n| ((f64::from(n) * 20.0 * (1.0 + ppm / 1e6)) as u64 + 5, n)).collect();
            play.run(3_600_000);
            let tail = play.delays.len() - 500;
            // Measured by the sender's clock, which is 1.08 s off at the end.
            let off = (ppm / 1e6 * 3_600_000.0) as i64;
            let worst = play.delays.iter().skip(tail).map(|delay| (delay - off).abs()).max();
            assert!(worst < Some(110), "{ppm}: {worst:?} ms");
        }
    }

    /// All that was held back comes at once; three seconds later the delay is what it was, also for a speaker who is never
    /// quiet, and where the network had taught us to wait.
    #[test]
    fn a_stall_leaves_no_delay_behind() {
        for (stall_ms, jitter_ms) in [(100, 1), (220, 1), (300, 1), (1_000, 1), (300, 60), (1_000, 60)] {
            let mut play = Play::new();
            let mut seed = 7;
            let end = 20_000 + stall_ms;
            let at = |n: u32| (u64::from(n) * 20 + random(&mut seed) % jitter_ms, n);
            let held = |(at, n)| (if (20_000..end).contains(&at) { end } else { at }, n);
            play.wire = (0..2_000).map(at).map(held).collect();
            play.run(40_000);
            let worst = |from: u32, until: u32| {
                let played = play.numbers().into_iter().zip(&play.delays).filter(|(n, _)| (from..until).contains(n));
                played.map(|(_, delay)| *delay).max().unwrap_or(i64::MAX)
            };
            let (before, after) = (worst(500, 1_000), worst(1_150 + stall_ms as u32 / 20, 1_500));
            assert!(after <= before + 20, "{stall_ms} ms, jitter of {jitter_ms}: {before} ms before, {after} ms after");
            assert!(play.numbers().last() >= Some(&1_990));
        }
    }

    /// Packets that begin to take another way are waited for as soon as the old way is forgotten.
    #[test]
    fn a_longer_way_is_no_stall_for_ever() {
        let mut play = Play::new();
        let mut seed = 7;
        let at = |n: u32| (u64::from(n) * 20 + random(&mut seed) % 40 + if n < 500 { 0 } else { 300 }, n);
        play.wire = (0..3_000).map(at).collect();
        play.run(60_000);
        let late = play.heard.iter().skip(1_500).filter(|heard| heard.is_none()).count();
        assert!(late < 20, "{late} of 1,500");
    }

    #[test]
    fn a_pause_by_timestamps_is_silence_and_no_loss() {
        let mut play = Play::new();
        play.wire = (0..100).chain(300..400).map(|n| (u64::from(n) * 20 + 5, n)).collect();
        // The sequence goes on through the pause.
        let mut buffer = JitterBuffer::new(8_000);
        let mut concealed = 0;
        let mut heard = 0;
        for ms in 0..9_000u64 {
            let now = play.start + Duration::from_millis(ms);
            if let Some(place) = play.wire.iter().position(|(at, _)| *at == ms) {
                let n = play.wire[place].1;
                let packet = Packet {
                    payload_type: 0,
                    marker: n == 300,
                    sequence: place as u16,
                    timestamp: n * 160,
                    ssrc: 1,
                    payload: 0..4,
                };
                buffer.push(now, ms, &packet, &[0; 160]);
            }
            if ms % 20 == 7 {
                match buffer.pull(now) {
                    Pull::Packet { .. } => heard += 1,
                    Pull::Lost { .. } => concealed += 1,
                    Pull::Silence => {}
                }
            }
        }
        assert_eq!(heard, 200);
        assert!(concealed <= 6, "{concealed}: at the end of each spurt a little");
    }
}
