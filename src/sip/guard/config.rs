//! What the guard is told.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// `[guard]`, and the emergency numbers of `[centre]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GuardConfig {
    /// New calls a second that a source nobody knows may begin, twice as many at once; ten times as many other
    /// requests. 0 = no limit.
    pub calls_per_second_per_source: u32,
    /// The same for trunks, fixed phones and where users are registered from.
    pub calls_per_second_per_known_source: u32,
    /// Wrong answers to fresh challenges within 60 s that ban a source; 0 = never.
    pub ban_after: u32,
    /// How long the first ban lasts; each further one twice as long, a day at most.
    pub ban_time: Duration,
    /// Wrong answers of a source for one user before further ones wait unread; 0 = never.
    pub failures_before_back_off: u32,
    /// New requests that waited longer are dropped, from a fifth of it on the more are refused; zero = never.
    pub max_message_age: Duration,
    /// Networks that are neither counted nor banned: proxies of one's own.
    pub trusted: Vec<Network>,
    /// Numbers that are never refused for load, nor for want of a place on a trunk.
    pub emergency: BTreeSet<String>,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            calls_per_second_per_source: 20,
            calls_per_second_per_known_source: 1_000,
            ban_after: 20,
            ban_time: Duration::from_secs(600),
            failures_before_back_off: 10,
            max_message_age: Duration::from_millis(500),
            trusted: Vec::new(),
            emergency: ["112", "911", "997", "998", "999"].map(str::to_owned).into(),
        }
    }
}

impl GuardConfig {
    /// No limit on anything, for measurements.
    pub fn unlimited() -> Self {
        Self {
            calls_per_second_per_source: 0,
            calls_per_second_per_known_source: 0,
            ban_after: 0,
            failures_before_back_off: 0,
            max_message_age: Duration::ZERO,
            ..Self::default()
        }
    }
}

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/BITS`; `None` when it is neither, or has bits beyond `BITS`.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let network = Network { address, bits: bits.unwrap_or(width) };
        (network.bits <= width && network.head(address) == number(address)).then_some(network)
    }

    /// Whether an address belongs to it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && self.head(address) == number(self.address)
    }

    /// The address with all bits beyond ours cleared.
    fn head(&self, address: IpAddr) -> u128 {
        let width = if self.address.is_ipv4() { 32 } else { 128 };
        let rest = u32::from(width - self.bits.min(width));
        number(address).checked_shr(rest).and_then(|head| head.checked_shl(rest)).unwrap_or(0)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}
