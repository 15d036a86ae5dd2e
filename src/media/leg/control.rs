//! RTCP of one leg: whom it is taken from, whom it is sent to, what is learnt.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Leg;
use crate::media::rtcp::{self, LastSr, Sender};
use crate::media::shard::{Channel, PacketIo, Stats};

/// What RTCP of this leg remembers.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) remote: Option<SocketAddr>,
    pub(super) heard_at: Instant,
    pub(super) report_at: Instant,
    pub(super) packets_at_report: u64,
    pub(super) sender_report: Option<(u32, Instant)>,
    pub(super) rtt: Option<Duration>,
}

/// RTCP of a peer silent for so long may come from another port.
const CONTROL_SILENCE: Duration = Duration::from_secs(12);
impl Leg {
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
}

/// Where the RTCP of an RTP address is unless it shares the port (RFC 3550 §11).
fn above(target: SocketAddr) -> SocketAddr {
    SocketAddr::new(target.ip(), target.port().saturating_add(1))
}
