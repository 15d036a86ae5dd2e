//! Which leg a datagram of the shared port belongs to.
//!
//! A leg with a port of its own needs no such question; on a port that many legs share, the source answers it:
//!
//! 1. the address a leg has locked, or that its SDP named, is that leg's;
//! 2. the IP and SSRC of a locked leg are that leg's, whatever the port: RTCP without rtcp-mux (RFC 5761), or a NAT that
//!    gave the phone a new port;
//! 3. a source nobody knows is of the leg that waits for its first packet and whose signalling comes from that IP, when
//!    there is only one such: two phones behind one NAT, whose SDP names addresses nobody can reach, must not be mixed up.
//!
//! Two legs may claim one address: a switch that shares its port as we do, or a liar. Then the SSRC of what is locked
//! decides; a stream that is new is of the leg that waits and whose signalling comes from there, so that nobody gets
//! another's audio by writing his address into an SDP. This finds a leg only: its latch judges each packet as ever.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

use super::rtp;
use super::shard::Channel;

/// What a leg knows of the source it listens to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Claim {
    /// The locked source, else the SDP address.
    pub source: Option<SocketAddr>,
    /// The SSRC of the locked source; `None` while the leg waits for its first packet.
    pub ssrc: Option<u32>,
    /// The address the leg's signalling comes from.
    pub signalling: Option<IpAddr>,
}

impl Claim {
    /// The IP it waits for, when nothing is locked.
    fn waits_for(&self) -> Option<IpAddr> {
        self.signalling.filter(|_| self.ssrc.is_none())
    }

    /// The IP and SSRC it has locked.
    fn voice(&self) -> Option<(IpAddr, u32)> {
        Some((self.source?.ip(), self.ssrc?))
    }
}

/// The legs of one shared port, by what they claim.
#[derive(Debug, Default)]
pub struct Directory {
    /// By slot; `None` where no leg shares the port.
    claims: Vec<Option<Claim>>,
    sources: HashMap<SocketAddr, Slots>,
    voices: HashMap<(IpAddr, u32), Slots>,
    waiting: HashMap<IpAddr, Slots>,
}

type Slots = SmallVec<[u32; 2]>;

impl Directory {
    /// The leg in `slot` shares the port and claims this; or it does no longer.
    pub fn set(&mut self, slot: u32, claim: Option<Claim>) {
        let place = slot as usize;
        if place >= self.claims.len() {
            if claim.is_none() {
                return;
            }
            self.claims.resize(place + 1, None);
        }
        let Some(known) = self.claims.get_mut(place) else { return };
        if *known == claim {
            return;
        }
        let (old, new) = (std::mem::replace(known, claim).unwrap_or_default(), claim.unwrap_or_default());
        replace(&mut self.sources, slot, old.source, new.source);
        replace(&mut self.voices, slot, old.voice(), new.voice());
        replace(&mut self.waiting, slot, old.waits_for(), new.waits_for());
    }

    /// True when the leg in `slot` shares the port.
    pub fn holds(&self, slot: u32) -> bool {
        self.claims.get(slot as usize).is_some_and(Option::is_some)
    }

    /// The slot of the leg that a datagram is for.
    pub fn find(&self, channel: Channel, source: SocketAddr, datagram: &[u8]) -> Option<u32> {
        let control = channel == Channel::Rtcp || rtp::is_rtcp(datagram);
        // RFC 3550 §6.4: who reports; §5.1: who speaks.
        let ssrc = datagram.get(if control { 4 } else { 8 }..)?.first_chunk().map(|b| u32::from_be_bytes(*b))?;
        if let Some(slots) = self.sources.get(&source) {
            return self.decide(slots, source, ssrc);
        }
        if let Some(slots) = self.voices.get(&(source.ip(), ssrc)) {
            return only(slots.iter());
        }
        // A phone without rtcp-mux that has said nothing yet reports from the port above its audio's.
        let below = SocketAddr::new(source.ip(), source.port().wrapping_sub(1));
        if let Some(slots) = self.sources.get(&below).filter(|_| control) {
            return self.decide(slots, below, ssrc);
        }
        only(self.waiting.get(&source.ip())?.iter())
    }

    /// Which of those that claim `source`.
    fn decide(&self, slots: &Slots, source: SocketAddr, ssrc: u32) -> Option<u32> {
        if let [slot] = slots.as_slice() {
            return Some(*slot);
        }
        let claim = |slot: &u32| self.claims.get(*slot as usize).copied().flatten().unwrap_or_default();
        let speaks = |slot: &&u32| claim(slot).ssrc == Some(ssrc);
        let waits = |slot: &&u32| claim(slot).waits_for() == Some(source.ip());
        let locked = |slot: &&u32| claim(slot).ssrc.is_some();
        let only_of = |is: &dyn Fn(&&u32) -> bool| only(slots.iter().filter(is));
        only_of(&speaks).or_else(|| only_of(&waits)).or_else(|| only_of(&locked))
    }
}

fn only<'a>(mut slots: impl Iterator<Item = &'a u32>) -> Option<u32> {
    let first = slots.next()?;
    slots.next().is_none().then_some(*first)
}

fn replace<K: Copy + Eq + Hash>(map: &mut HashMap<K, Slots>, slot: u32, old: Option<K>, new: Option<K>) {
    if old == new {
        return;
    }
    if let Some(old) = old
        && let Entry::Occupied(mut entry) = map.entry(old)
    {
        entry.get_mut().retain(|other| *other != slot);
        if entry.get().is_empty() {
            entry.remove();
        }
    }
    if let Some(new) = new {
        map.entry(new).or_default().push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: &str = "192.0.2.1:4000";
    const OTHER: &str = "192.0.2.1:4002";
    const FAR: &str = "198.51.100.7:9000";

    fn claim(source: &str, ssrc: Option<u32>, signalling: &str) -> Option<Claim> {
        Some(Claim { source: source.parse().ok(), ssrc, signalling: signalling.parse().ok() })
    }

    fn audio(ssrc: u32) -> Vec<u8> {
        rtp::header(0, false, 1, 2, ssrc).to_vec()
    }

    fn report(ssrc: u32) -> Vec<u8> {
        [[0x80, 201, 0, 1], ssrc.to_be_bytes()].concat()
    }

    fn find(directory: &Directory, source: &str, datagram: &[u8]) -> Option<u32> {
        directory.find(Channel::Rtp, source.parse().unwrap(), datagram)
    }

    #[test]
    fn an_address_of_sdp_or_lock_finds_its_leg_and_is_forgotten_with_it() {
        let mut directory = Directory::default();
        directory.set(3, claim(PHONE, None, "192.0.2.1"));
        directory.set(4, claim(OTHER, None, "192.0.2.1"));
        assert_eq!(find(&directory, PHONE, &audio(7)), Some(3));
        assert_eq!(find(&directory, OTHER, &audio(7)), Some(4));
        assert_eq!(find(&directory, FAR, &audio(7)), None);
        assert_eq!(find(&directory, PHONE, b"short"), None);
        // The phone speaks from elsewhere than its SDP says.
        directory.set(3, claim(FAR, Some(7), "192.0.2.1"));
        assert_eq!(find(&directory, FAR, &audio(7)), Some(3));
        directory.set(4, None);
        directory.set(3, None);
        assert!(!directory.holds(3) && !directory.holds(9));
        assert!(directory.sources.is_empty() && directory.voices.is_empty() && directory.waiting.is_empty());
    }

    #[test]
    fn reports_come_from_the_port_above_or_by_their_ssrc() {
        let mut directory = Directory::default();
        directory.set(1, claim(PHONE, None, "10.0.0.1"));
        let above = "192.0.2.1:4001".parse().unwrap();
        assert_eq!(directory.find(Channel::Rtcp, above, &report(7)), Some(1));
        assert_eq!(directory.find(Channel::Rtp, above, &audio(7)), None, "audio does not");
        directory.set(1, claim(PHONE, Some(7), "10.0.0.1"));
        assert_eq!(directory.find(Channel::Rtcp, "192.0.2.1:777".parse().unwrap(), &report(7)), Some(1));
        assert_eq!(find(&directory, "192.0.2.1:777", &audio(7)), Some(1), "a new port of its NAT: the latch judges");
        assert_eq!(find(&directory, "192.0.2.2:777", &audio(7)), None, "never another IP");
    }

    #[test]
    fn an_unknown_source_is_of_the_only_leg_that_waits_for_its_ip() {
        let mut directory = Directory::default();
        directory.set(1, claim("10.1.1.1:4000", None, "203.0.113.9"));
        assert_eq!(find(&directory, "203.0.113.9:61000", &audio(7)), Some(1));
        directory.set(2, claim("10.1.1.2:4000", None, "203.0.113.9"));
        assert_eq!(find(&directory, "203.0.113.9:61000", &audio(7)), None, "one of two: which?");
        directory.set(1, claim("203.0.113.9:61000", Some(7), "203.0.113.9"));
        assert_eq!(find(&directory, "203.0.113.9:61001", &audio(8)), Some(2));
    }

    #[test]
    fn of_two_legs_that_claim_one_source_the_ssrc_decides_and_a_liar_gets_nothing() {
        let mut directory = Directory::default();
        directory.set(1, claim(PHONE, Some(7), "192.0.2.1"));
        directory.set(2, claim(PHONE, None, "198.51.100.66"));
        assert_eq!(find(&directory, PHONE, &audio(7)), Some(1));
        assert_eq!(find(&directory, PHONE, &audio(8)), Some(1), "a new SSRC of the locked source is followed");
        directory.set(1, claim(PHONE, None, "192.0.2.1"));
        assert_eq!(find(&directory, PHONE, &audio(8)), Some(1), "before any lock the signalling decides");
        // A switch that shares its port as we do: all its streams come from one address.
        directory.set(2, claim(PHONE, None, "192.0.2.1"));
        assert_eq!(find(&directory, PHONE, &audio(8)), None);
        directory.set(1, claim(PHONE, Some(7), "192.0.2.1"));
        assert_eq!(find(&directory, PHONE, &audio(8)), Some(2), "the one that waits");
        directory.set(2, claim(PHONE, Some(8), "192.0.2.1"));
        assert_eq!(find(&directory, PHONE, &audio(7)), Some(1));
        assert_eq!(find(&directory, PHONE, &audio(8)), Some(2));
        assert_eq!(find(&directory, PHONE, &audio(9)), None);
    }
}
