//! What we know of the stream a phone sends: loss, jitter, quality (RFC 3550 §A.1, §A.3, §A.8).

use std::time::{Duration, Instant};

use super::codec::Codec;

/// Counts of one received stream, across changes of its SSRC.
#[derive(Debug, Default)]
pub struct Reception {
    current: Option<Stream>,
    received: u64,
    /// Lost in streams that are over.
    lost_before: u64,
    /// In milliseconds: codecs count their timestamps at different clocks.
    jitter_ms: f64,
    /// What the last packet of sound was in.
    codec: Option<Codec>,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    base: u16,
    /// Highest sequence number with the count of wraps above it.
    highest: u32,
    received: u64,
    /// Arrival and timestamp of the last audio packet.
    transit: Option<(Instant, u32)>,
    expected_at_report: u64,
    received_at_report: u64,
}

/// A jump by so many packets is a sender that began anew (RFC 3550 §A.1, MAX_DROPOUT and MAX_MISORDER).
const MAX_DROPOUT: u16 = 3_000;
const MAX_MISORDER: u16 = 100;

/// The report block we send about the stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Report {
    /// Whose stream.
    pub ssrc: u32,
    /// Loss since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Loss since the beginning; 24 bits.
    pub lost: u32,
    /// Highest sequence number, wraps above.
    pub highest: u32,
    /// Jitter in units of the timestamps.
    pub jitter: u32,
}

impl Reception {
    /// Takes one packet from the locked source; true when its SSRC is new.
    ///
    /// `codec` is `None` for telephone-events, whose timestamps stand still and say nothing about jitter.
    pub fn handle(&mut self, now: Instant, ssrc: u32, sequence: u16, timestamp: u32, codec: Option<Codec>) -> bool {
        self.received += 1;
        // Timestamps of two clocks cannot be compared.
        let same_clock = codec.is_some() && codec.map(Codec::clock_hz) == self.codec.map(Codec::clock_hz);
        self.codec = codec.or(self.codec);
        let goes_on = self.current.as_mut().is_some_and(|s| s.ssrc == ssrc && s.advance(sequence));
        let new_ssrc = self.current.as_ref().is_none_or(|s| s.ssrc != ssrc);
        if !goes_on {
            self.lost_before += self.current.as_ref().map_or(0, Stream::lost);
            self.current = Some(Stream {
                ssrc,
                base: sequence,
                highest: u32::from(sequence),
                received: 1,
                transit: None,
                expected_at_report: 0,
                received_at_report: 0,
            });
        }
        let Some(codec) = codec else { return new_ssrc };
        let transit = self.current.as_mut().and_then(|s| s.transit.replace((now, timestamp)));
        if let Some((at, last)) = transit.filter(|_| same_clock) {
            let arrival = now.saturating_duration_since(at).as_secs_f64() * 1_000.0;
            let media = f64::from(timestamp.wrapping_sub(last) as i32) * 1_000.0 / f64::from(codec.clock_hz());
            // A talk spurt after silence suppressed without timestamps is not jitter.
            let difference = (arrival - media).abs();
            if difference < 1_000.0 {
                self.jitter_ms += (difference - self.jitter_ms) / 16.0;
            }
        }
        new_ssrc
    }

    /// Packets received.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets lost, never below zero.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.current.as_ref().map_or(0, Stream::lost)
    }

    /// Interarrival jitter in ms.
    pub fn jitter_ms(&self) -> f64 {
        self.jitter_ms
    }

    /// The report block; what was lost since the last one counts from here anew.
    pub fn report(&mut self) -> Option<Report> {
        let clock_hz = self.codec.map_or(8_000, Codec::clock_hz);
        let jitter = (self.jitter_ms * f64::from(clock_hz) / 1_000.0) as u32;
        let stream = self.current.as_mut()?;
        let (expected, received) = (stream.expected(), stream.received);
        let expected_now = expected.saturating_sub(stream.expected_at_report);
        let lost_now = expected_now.saturating_sub(received.saturating_sub(stream.received_at_report));
        stream.expected_at_report = expected;
        stream.received_at_report = received;
        Some(Report {
            ssrc: stream.ssrc,
            fraction_lost: (lost_now * 256).checked_div(expected_now).map_or(0, |f| f.min(255) as u8),
            lost: stream.lost().min(0x7f_ffff) as u32,
            highest: stream.highest,
            jitter,
        })
    }

    /// Estimated listening quality of what the phone sends, 1–4.5; 0 when nothing came.
    ///
    /// E-model (ITU-T G.107) on its narrowband scale, with what [`impairment`] says of the codec. The delay is half the
    /// round trip, 20 ms of packet and a jitter buffer of twice the jitter.
    pub fn mos(&self, rtt: Option<Duration>) -> f64 {
        if self.received == 0 {
            return 0.0;
        }
        let lost = self.lost() as f64;
        let loss_percent = 100.0 * lost / (self.received as f64 + lost);
        let delay_ms = rtt.unwrap_or_default().as_secs_f64() * 500.0 + 20.0 + 2.0 * self.jitter_ms();
        let delay = 0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0);
        let (impaired, robust) = impairment(self.codec.unwrap_or(Codec::Pcma));
        let equipment = impaired + (95.0 - impaired) * loss_percent / (loss_percent + robust);
        let r = (93.2 - delay - equipment).clamp(0.0, 100.0);
        (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7.0e-6).clamp(1.0, 4.5)
    }
}

/// What a codec costs of the E-model's rating: Ie without loss, and Bpl, the loss in percent that costs half of the rest.
///
/// G.711 with concealment 0 and 25.1, G.729 10 and 19 (ITU-T G.113 appendix I). G.722 and Opus carry more than the
/// narrowband scale can tell: without loss they are as good as G.711 (the scale ends there), and with loss G.722, whose
/// predictor takes some 10 ms to follow again after a hole, is set between G.711 and G.729. For Opus G.113 has no
/// planning values, and published fits differ with bitrate and bandwidth: with in-band FEC (RFC 6716 §2.1.7) it bears
/// single losses better than G.711 with concealment, whose value stands as a careful floor.
fn impairment(codec: Codec) -> (f64, f64) {
    match codec {
        Codec::Pcmu | Codec::Pcma | Codec::Opus => (0.0, 25.1),
        Codec::G722 => (0.0, 22.0),
        Codec::G729 => (10.0, 19.0),
    }
}

impl Stream {
    /// False when the sequence jumped and the stream begins anew.
    fn advance(&mut self, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead < MAX_DROPOUT {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
        } else if ahead < u16::MAX - MAX_MISORDER {
            return false;
        }
        self.received += 1;
        true
    }

    fn expected(&self) -> u64 {
        u64::from(self.highest.wrapping_sub(u32::from(self.base))) + 1
    }

    fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(sequences: impl IntoIterator<Item = u16>) -> Reception {
        let mut reception = Reception::default();
        let start = Instant::now();
        for (n, sequence) in sequences.into_iter().enumerate() {
            let n = n as u32;
            reception.handle(start + Duration::from_millis(20) * n, 7, sequence, n * 160, Some(Codec::Pcma));
        }
        reception
    }

    #[test]
    fn loss_is_counted_across_the_wrap_and_repeats_do_not_make_it_negative() {
        assert_eq!(receive((65_500..=65_535).chain(0..50).filter(|s| s % 10 != 0)).lost(), 8);
        assert_eq!(receive([1, 2, 2, 2, 3]).lost(), 0);
        assert_eq!(receive([5, 4, 7, 6]).lost(), 0);
        assert_eq!(receive([1, 2, 4, 20_000, 20_002]).lost(), 2, "a restart is no loss of thousands");
    }

    #[test]
    fn the_report_tells_the_loss_since_the_last_one() {
        let mut reception = receive([0, 1, 3]);
        assert_eq!(reception.report().map(|r| (r.fraction_lost, r.lost, r.highest)), Some((64, 1, 3)));
        reception.handle(Instant::now(), 7, 4, 0, Some(Codec::Pcma));
        assert_eq!(reception.report().map(|r| (r.fraction_lost, r.lost)), Some((0, 1)));
        assert!(reception.handle(Instant::now(), 8, 4, 0, Some(Codec::Pcma)));
        assert_eq!(reception.lost(), 1);
    }

    #[test]
    fn even_arrival_is_no_jitter_and_alternating_10_ms_tends_to_10_ms() {
        assert!(receive(0..100).jitter_ms() < 0.01);
        let mut reception = Reception::default();
        let start = Instant::now();
        for n in 0..400u32 {
            let late = if n % 2 == 0 { 0 } else { 10 };
            let now = start + Duration::from_millis(u64::from(n) * 20 + late);
            reception.handle(now, 7, n as u16, n * 160, Some(Codec::Pcma));
        }
        assert!((reception.jitter_ms() - 10.0).abs() < 0.5, "{}", reception.jitter_ms());
    }

    #[test]
    fn five_percent_loss_costs_at_most_0_6_of_mos() {
        let clean = receive(0..1_000).mos(None);
        let lossy = receive((0..1_000).filter(|s| s % 20 != 19)).mos(None);
        assert!(clean > 4.35 && clean <= 4.5, "{clean}");
        assert!(clean - lossy > 0.2 && clean - lossy <= 0.6, "{clean} {lossy}");
        assert_eq!(Reception::default().mos(None), 0.0);
    }

    /// One scale for all codecs: without loss G.729 is worse than G.711 by its Ie, and loss costs each by its own Bpl.
    #[test]
    fn quality_depends_on_the_codec() {
        let mos = |codec: Codec, every: u16| {
            let mut reception = Reception::default();
            let start = Instant::now();
            for n in (0..1_000u16).filter(|n| n % every != every - 1) {
                let timestamp = u32::from(n) * codec.clock_hz() / 50;
                reception.handle(start + Duration::from_millis(20) * u32::from(n), 7, n, timestamp, Some(codec));
            }
            assert!(reception.jitter_ms() < 0.01, "{codec:?}: its timestamps are read at its clock");
            reception.mos(None)
        };
        let clean = [Codec::Pcma, Codec::G722, Codec::Opus, Codec::G729].map(|codec| mos(codec, 2_000));
        assert!(clean[..3].iter().all(|m| *m > 4.35) && (3.9..4.2).contains(&clean[3]), "{clean:?}");
        let lossy = [Codec::Pcma, Codec::G722, Codec::G729].map(|codec| mos(codec, 10));
        assert!(lossy[0] > lossy[1] && lossy[1] > lossy[2] && lossy[2] > 2.0, "{lossy:?}");
    }

    /// A phone that changes from one clock to another (RFC 7587 §4.1: Opus counts at 48 kHz) has no jitter by that.
    #[test]
    fn a_change_of_clock_is_no_jitter() {
        let mut reception = Reception::default();
        let start = Instant::now();
        let mut timestamp = 0;
        for n in 0..400u32 {
            let codec = if n / 10 % 2 == 0 { Codec::Opus } else { Codec::G722 };
            timestamp += codec.clock_hz() / 50;
            reception.handle(start + Duration::from_millis(20) * n, 7, n as u16, timestamp, Some(codec));
        }
        assert!(reception.jitter_ms() < 0.01, "{}", reception.jitter_ms());
    }
}
