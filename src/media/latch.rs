//! Whom a leg listens to and sends to: symmetric RTP without RTP bleed.
//!
//! Until something is locked, nobody is heard and our audio goes to the SDP address. Then
//!
//! - a packet from the SDP address locks at once;
//! - a source with the signalling's IP locks after four packets in a row, however late;
//! - any other source locks only within 2 s of the answered SDP, after four in a row, and until those 2 s are over
//!   it yields to the two above;
//! - a lock is never reopened by silence, only by new SDP. One exception, NAT rebinding: a new port of the locked
//!   IP that goes on with the locked SSRC and sequence after at least 1 s of silence is followed.
//!
//! Sources of the signalling's IP and others are counted apart, so that a spray from elsewhere cannot keep a phone
//! behind NAT from its lock; several sources that alternate lock none of them.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::shared::Claim;

/// Packets in a row that a source other than the SDP address needs.
const IN_A_ROW: u32 = 4;
/// How long after the answered SDP a strange source may lock.
const WINDOW: Duration = Duration::from_secs(2);
/// Silence after which a new port of the locked IP may go on.
pub const REBIND_SILENCE: Duration = Duration::from_secs(1);
/// How far a rebound stream may have run on, in packets.
const REBIND_AHEAD: u16 = 3_000;

/// The source rule of one leg.
#[derive(Debug)]
pub struct Latch {
    remote: Option<SocketAddr>,
    signalling: Option<IpAddr>,
    window_until: Option<Instant>,
    locked: Option<Locked>,
    near: Row,
    strange: Row,
}

#[derive(Clone, Copy, Debug)]
struct Locked {
    source: SocketAddr,
    /// Locked by the 2 s rule only.
    strange: bool,
    ssrc: u32,
    sequence: u16,
    heard_at: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    source: Option<(SocketAddr, u32)>,
    count: u32,
}

impl Row {
    /// Counts a packet; true when it is the fourth in a row of one source and SSRC.
    fn count(&mut self, source: SocketAddr, ssrc: u32) -> bool {
        if self.source == Some((source, ssrc)) {
            self.count += 1;
        } else {
            *self = Self { source: Some((source, ssrc)), count: 1 };
        }
        self.count >= IN_A_ROW
    }
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// From the locked source.
    Heard,
    /// From the locked source, which is locked or has moved with this packet.
    Locked,
    /// From somebody else: count and forget it.
    Refused,
}

impl Latch {
    /// A leg whose peer's SDP named `remote` and whose signalling comes from `signalling`.
    pub fn new(now: Instant, remote: Option<SocketAddr>, signalling: Option<IpAddr>) -> Self {
        let window_until = remote.map(|_| now + WINDOW);
        Self { remote, signalling, window_until, locked: None, near: Row::default(), strange: Row::default() }
    }

    /// SDP was answered. A `remote` other than before makes the leg learn anew; the same keeps the lock.
    pub fn update(&mut self, now: Instant, remote: Option<SocketAddr>) {
        let Some(remote) = remote else { return };
        if self.remote != Some(remote) {
            self.remote = Some(remote);
            self.locked = None;
        }
        if self.locked.is_none() {
            self.window_until = Some(now + WINDOW);
            self.near = Row::default();
            self.strange = Row::default();
        }
    }

    /// Judges one RTP packet by its source.
    pub fn judge(&mut self, now: Instant, source: SocketAddr, ssrc: u32, sequence: u16) -> Verdict {
        let window_open = self.window_until.is_some_and(|until| now < until);
        if let Some(locked) = &mut self.locked {
            if locked.source == source {
                let ahead = sequence.wrapping_sub(locked.sequence) < 0x8000;
                if ahead || locked.ssrc != ssrc {
                    locked.sequence = sequence;
                }
                locked.ssrc = ssrc;
                locked.heard_at = now;
                return Verdict::Heard;
            }
            if locked.rebinds(now, source, ssrc, sequence) {
                let strange = locked.strange;
                return self.lock(now, source, ssrc, sequence, strange);
            }
            if !(locked.strange && window_open) {
                return Verdict::Refused;
            }
        }
        if self.remote == Some(source) {
            return self.lock(now, source, ssrc, sequence, false);
        }
        if self.signalling == Some(source.ip()) {
            self.strange = Row::default();
            if self.near.count(source, ssrc) {
                return self.lock(now, source, ssrc, sequence, false);
            }
        } else if window_open && self.strange.count(source, ssrc) && self.locked.is_none() {
            return self.lock(now, source, ssrc, sequence, true);
        }
        Verdict::Refused
    }

    fn lock(&mut self, now: Instant, source: SocketAddr, ssrc: u32, sequence: u16, strange: bool) -> Verdict {
        self.locked = Some(Locked { source, strange, ssrc, sequence, heard_at: now });
        Verdict::Locked
    }

    /// Where to send RTP: the locked source, else the SDP address.
    pub fn target(&self) -> Option<SocketAddr> {
        self.locked.map(|l| l.source).or(self.remote)
    }

    /// What finds this leg on a port that many share.
    pub fn claim(&self) -> Claim {
        let ssrc = self.locked.map(|locked| locked.ssrc);
        Claim { source: self.target(), ssrc, signalling: self.signalling }
    }

    /// The SSRC of the locked source.
    pub fn ssrc(&self) -> Option<u32> {
        self.locked.map(|locked| locked.ssrc)
    }

    /// True when the peer's SDP address is known: the leg was answered.
    pub fn is_answered(&self) -> bool {
        self.remote.is_some()
    }

    /// The address the kernel may filter for: the locked source while it is not silent and can no longer yield.
    pub fn connectable(&self, now: Instant) -> Option<SocketAddr> {
        let locked = self.locked?;
        let may_yield = locked.strange && self.window_until.is_some_and(|until| now < until);
        let silent = now.saturating_duration_since(locked.heard_at) >= REBIND_SILENCE;
        if may_yield || silent { None } else { Some(locked.source) }
    }

    /// True for RTCP that may be believed: from the locked IP, or before a lock from the SDP's or signalling's IP.
    pub fn accepts_rtcp(&self, source: SocketAddr) -> bool {
        match self.locked {
            Some(locked) => locked.source.ip() == source.ip(),
            None => self.remote.map(|r| r.ip()) == Some(source.ip()) || self.signalling == Some(source.ip()),
        }
    }
}

impl Locked {
    fn rebinds(&self, now: Instant, source: SocketAddr, ssrc: u32, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(self.sequence);
        source.ip() == self.source.ip()
            && ssrc == self.ssrc
            && (1..=REBIND_AHEAD).contains(&ahead)
            && now.saturating_duration_since(self.heard_at) >= REBIND_SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "192.168.1.5:4000";
    const NAT: &str = "203.0.113.9:61000";
    const EVIL: &str = "198.51.100.66:5555";

    struct Bench {
        start: Instant,
        latch: Latch,
        sequence: u16,
    }

    impl Bench {
        fn new() -> Self {
            let start = Instant::now();
            let latch = Latch::new(start, SDP.parse().ok(), "203.0.113.9".parse().ok());
            Self { start, latch, sequence: 100 }
        }

        fn packets(&mut self, at_ms: u64, from: &str, count: u16) -> Vec<Verdict> {
            let now = self.start + Duration::from_millis(at_ms);
            (0..count)
                .map(|_| {
                    self.sequence += 1;
                    self.latch.judge(now, from.parse().unwrap(), 7, self.sequence)
                })
                .collect()
        }

        fn target(&self) -> String {
            self.latch.target().map(|t| t.to_string()).unwrap_or_default()
        }
    }
    use Verdict::{Heard, Locked, Refused};

    #[test]
    fn the_sdp_address_locks_at_once_and_for_good() {
        let mut bench = Bench::new();
        assert_eq!(bench.packets(0, EVIL, 3), [Refused; 3]);
        assert_eq!(bench.packets(10, SDP, 2), [Locked, Heard]);
        assert_eq!(bench.packets(20, EVIL, 200), [Refused; 200]);
        assert_eq!(bench.packets(60_000, EVIL, 200), [Refused; 200], "silence reopens nothing");
        assert_eq!(bench.packets(60_000, NAT, 200), [Refused; 200]);
        assert_eq!(bench.target(), SDP);
    }

    #[test]
    fn the_signalling_ip_locks_after_four_in_a_row_however_late() {
        let mut bench = Bench::new();
        assert_eq!(bench.target(), SDP, "before any packet the SDP address is sent to");
        assert_eq!(bench.packets(30_000, NAT, 5), [Refused, Refused, Refused, Locked, Heard]);
        assert_eq!(bench.target(), NAT);
    }

    #[test]
    fn a_spray_from_elsewhere_does_not_keep_a_nat_phone_deaf() {
        let mut bench = Bench::new();
        for n in 0..4u16 {
            let verdicts = bench.packets(3_000 + u64::from(n), NAT, 1);
            assert_eq!(verdicts, [if n == 3 { Locked } else { Refused }]);
            assert_eq!(bench.packets(3_000, EVIL, 7), [Refused; 7]);
        }
    }

    #[test]
    fn a_strange_source_locks_only_within_2_s_and_yields_until_they_are_over() {
        let mut late = Bench::new();
        assert_eq!(late.packets(2_000, EVIL, 50), [Refused; 50]);

        let mut bench = Bench::new();
        assert_eq!(bench.packets(500, EVIL, 5), [Refused, Refused, Refused, Locked, Heard]);
        assert_eq!(bench.latch.connectable(bench.start + Duration::from_millis(500)), None);
        assert_eq!(bench.packets(600, SDP, 1), [Locked]);
        assert_eq!(bench.packets(700, EVIL, 9), [Refused; 9]);

        let mut carrier = Bench::new();
        assert_eq!(carrier.packets(1_900, EVIL, 4).last(), Some(&Locked));
        assert_eq!(carrier.packets(2_100, SDP, 9), [Refused; 9], "locked for good after the 2 s");
        let now = carrier.start + Duration::from_millis(2_100);
        assert_eq!(carrier.latch.connectable(now).map(|a| a.to_string()).as_deref(), Some(EVIL));
    }

    #[test]
    fn a_spray_of_several_sources_locks_none_of_them() {
        let mut bench = Bench::new();
        for n in 0..200u16 {
            let from = format!("198.51.100.{}:5000", n % 3);
            assert_eq!(bench.packets(u64::from(n), &from, 1), [Refused]);
        }
        for n in 0..50u16 {
            let from = format!("203.0.113.9:{}", 5_000 + n % 2 * 2);
            assert_eq!(bench.packets(500, &from, 1), [Refused]);
        }
        assert_eq!(bench.target(), SDP);
    }

    #[test]
    fn new_sdp_reopens_and_the_same_sdp_does_not() {
        let mut bench = Bench::new();
        bench.packets(0, SDP, 1);
        let now = bench.start + Duration::from_secs(10);
        bench.latch.update(now, SDP.parse().ok());
        bench.latch.update(now, None);
        assert_eq!(bench.packets(10_000, EVIL, 9), [Refused; 9]);
        bench.latch.update(now, "192.168.1.5:4444".parse().ok());
        assert_eq!(bench.packets(10_001, SDP, 1), [Refused], "the old source must earn it again");
        assert_eq!(bench.packets(10_001, "192.168.1.5:4444", 1), [Locked]);
    }

    #[test]
    fn nat_rebinding_is_followed_after_1_s_with_ssrc_and_sequence() {
        let mut bench = Bench::new();
        bench.packets(0, NAT, 4);
        let moved = "203.0.113.9:62000";
        assert_eq!(bench.packets(900, moved, 1), [Refused], "not silent for 1 s");
        let now = bench.start + Duration::from_millis(1_100);
        let source = moved.parse().unwrap();
        assert_eq!(bench.latch.judge(now, source, 8, 110), Refused, "another SSRC");
        assert_eq!(bench.latch.judge(now, source, 7, 104), Refused, "a sequence that does not go on");
        assert_eq!(bench.latch.judge(now, source, 7, 9_000), Refused, "a sequence far away");
        assert_eq!(bench.latch.judge(now, EVIL.parse().unwrap(), 7, 110), Refused, "another IP");
        assert_eq!(bench.latch.judge(now, source, 7, 110), Locked);
        assert_eq!(bench.target(), moved);
    }

    #[test]
    fn rtcp_is_believed_from_the_locked_ip_only() {
        let mut bench = Bench::new();
        assert!(bench.latch.accepts_rtcp("203.0.113.9:9".parse().unwrap()));
        assert!(!bench.latch.accepts_rtcp(EVIL.parse().unwrap()));
        bench.packets(0, SDP, 1);
        assert!(bench.latch.accepts_rtcp("192.168.1.5:4001".parse().unwrap()));
        assert!(!bench.latch.accepts_rtcp("203.0.113.9:9".parse().unwrap()));
    }
}
