//! Where a host name leads: the choices of RFC 3263 §4, made from what name servers answer.
//!
//! ```text
//!   name;transport   ──> SRV of that transport ──┐
//!   name:port        ──> addresses, UDP          ├──> addresses of each server ──> targets
//!   name             ──> NAPTR ──> SRV of each ──┘
//!                          none: SRV of each transport we serve; none of those: addresses, UDP
//! ```
//!
//! Nothing here asks anybody: whoever can ask does it as [`first`] says and brings the answers.

use std::net::{IpAddr, SocketAddr};

use super::config::{Target, Transport};

/// Most servers of one name that are kept: an answer cannot make us try for ever.
pub const TARGETS_MAX: usize = 32;

/// A NAPTR record (RFC 3403 §4.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Naptr {
    /// Lower ones first, and only those.
    pub order: u16,
    /// Among one order, lower ones first.
    pub preference: u16,
    /// `s`: the replacement is the name of SRV records.
    pub flags: String,
    /// `SIP+D2U` and the like.
    pub service: String,
    /// The next name.
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Srv {
    /// Lower ones first.
    pub priority: u16,
    /// Share among one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The server; `.` = there is no such service.
    pub target: String,
}

/// One transport and where its servers are listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    /// How.
    pub transport: Transport,
    /// The name of its SRV records.
    pub name: String,
}

/// What to ask first for a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum First {
    /// Its addresses: the rest is said.
    Addresses(Transport, u16),
    /// The servers of this transport; without any, its addresses.
    Servers(Service),
    /// Its transports.
    Transports,
}

/// What to ask first: an explicit port ends the search for servers, an explicit transport that for transports.
pub fn first(name: &str, port: Option<u16>, transport: Option<Transport>) -> First {
    match (port, transport) {
        (Some(port), transport) => First::Addresses(transport.unwrap_or(Transport::Udp), port),
        (None, Some(transport)) => match service_of(name, transport) {
            Some(service) => First::Servers(service),
            None => First::Addresses(transport, transport.default_port()),
        },
        (None, None) => First::Transports,
    }
}

/// The services that NAPTR records offer and we can use, best first (RFC 3263 §4.1).
pub fn offered(mut records: Vec<Naptr>, usable: impl Fn(Transport) -> bool) -> Vec<Service> {
    records.sort_by_key(|record| (record.order, record.preference));
    let service = |record: &Naptr| {
        let transport = match record.service.to_ascii_uppercase().as_str() {
            "SIP+D2U" => Transport::Udp,
            "SIP+D2T" => Transport::Tcp,
            "SIPS+D2T" => Transport::Tls,
            _ => return None,
        };
        let good = record.flags.eq_ignore_ascii_case("s") && usable(transport);
        good.then(|| (record.order, Service { transport, name: record.replacement.clone() }))
    };
    let mut services: Vec<(u16, Service)> = records.iter().filter_map(service).collect();
    let lowest = services.first().map(|(order, _)| *order);
    services.retain(|(order, _)| Some(*order) == lowest);
    services.into_iter().map(|(_, service)| service).collect()
}

/// The services to try when there is no NAPTR record, in our order.
pub fn guessed(name: &str, usable: impl Fn(Transport) -> bool) -> Vec<Service> {
    let order = [Transport::Udp, Transport::Tcp, Transport::Tls];
    order.into_iter().filter(|transport| usable(*transport)).filter_map(|t| service_of(name, t)).collect()
}

fn service_of(name: &str, transport: Transport) -> Option<Service> {
    let label = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        // RFC 7118 §5.4 leaves these to URIs of their own.
        Transport::Ws | Transport::Wss => return None,
    };
    Some(Service { transport, name: format!("{label}.{name}") })
}

/// One SRV record with the addresses of its server.
pub type Server = (Srv, Vec<IpAddr>);

/// The targets of servers whose addresses are known. `servers` stand in the order of their services; priorities
/// are numbered anew over all of them, so that a later service is only tried after the earlier ones.
pub fn targets(servers: &[(Transport, Vec<Server>)]) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut priority = 0u16;
    for (transport, list) in servers {
        let mut ranks: Vec<u16> = list.iter().map(|(srv, _)| srv.priority).collect();
        ranks.sort_unstable();
        ranks.dedup();
        for rank in ranks {
            for (srv, addresses) in list.iter().filter(|(srv, _)| srv.priority == rank) {
                // A server with two addresses is still one server.
                let share = srv.weight / u16::try_from(addresses.len()).unwrap_or(u16::MAX).max(1);
                targets.extend(addresses.iter().map(|ip| Target {
                    priority,
                    weight: if srv.weight > 0 { share.max(1) } else { 0 },
                    transport: *transport,
                    address: SocketAddr::new(*ip, srv.port),
                }));
            }
            priority = priority.saturating_add(1);
        }
    }
    targets.truncate(TARGETS_MAX);
    targets
}

/// The targets of a name without servers: its addresses in their order.
pub fn plain(transport: Transport, port: u16, addresses: &[IpAddr]) -> Vec<Target> {
    let target = |ip: &IpAddr| Target { priority: 0, weight: 1, transport, address: SocketAddr::new(*ip, port) };
    addresses.iter().take(TARGETS_MAX).map(target).collect()
}

/// The order in which to try targets (RFC 2782): by priority, within one by chance in proportion to the weights.
/// `random` gives a number below its argument, which is never 0.
pub fn order(targets: &[Target], mut random: impl FnMut(u32) -> u32) -> Vec<Target> {
    let mut left = targets.to_vec();
    left.sort();
    let mut ordered = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let (priority, mut sum) = (first.priority, 0u32);
        let group = left.iter().take_while(|target| target.priority == priority);
        // Weight 0 stands first after sorting and is taken only when the number is 0.
        let sums: Vec<u32> = group
            .map(|target| {
                sum += u32::from(target.weight);
                sum
            })
            .collect();
        let number = random(sum.saturating_add(1));
        let at = sums.iter().position(|running| *running >= number).unwrap_or(0);
        ordered.push(left.remove(at));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naptr(order: u16, preference: u16, flags: &str, service: &str, replacement: &str) -> Naptr {
        let text = |s: &str| s.to_owned();
        Naptr { order, preference, flags: text(flags), service: text(service), replacement: text(replacement) }
    }

    fn srv(priority: u16, weight: u16, port: u16) -> Srv {
        Srv { priority, weight, port, target: "s.example".into() }
    }

    fn service(transport: Transport, name: &str) -> Service {
        Service { transport, name: name.into() }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// RFC 3263 §4.1 and §4.2.
    #[test]
    fn what_is_said_is_not_looked_up() {
        assert_eq!(first("a.example", None, None), First::Transports);
        assert_eq!(first("a.example", Some(5080), None), First::Addresses(Transport::Udp, 5080));
        assert_eq!(first("a.example", Some(5080), Some(Transport::Tls)), First::Addresses(Transport::Tls, 5080));
        let tls = service(Transport::Tls, "_sips._tcp.a.example");
        assert_eq!(first("a.example", None, Some(Transport::Tls)), First::Servers(tls));
    }

    /// The example of RFC 3263 §4.1; what we cannot use is as if it were not there.
    #[test]
    fn the_lowest_order_that_can_be_used_decides_then_preference() {
        let records = vec![
            naptr(50, 70, "s", "SIP+D2S", "_sip._sctp.example.com."),
            naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com."),
            naptr(90, 50, "s", "SIP+D2T", "_sip._tcp.example.com."),
            naptr(100, 50, "s", "SIP+D2U", "_sip._udp.example.com."),
            naptr(10, 1, "u", "E2U+sip", "."),
        ];
        let tls = service(Transport::Tls, "_sips._tcp.example.com.");
        assert_eq!(offered(records.clone(), |_| true), [tls]);
        let udp = service(Transport::Udp, "_sip._udp.example.com.");
        assert_eq!(offered(records, |transport| transport == Transport::Udp), [udp]);
        let same = vec![naptr(1, 2, "S", "sip+d2t", "t."), naptr(1, 1, "s", "SIP+D2U", "u.")];
        assert_eq!(offered(same, |_| true), [service(Transport::Udp, "u."), service(Transport::Tcp, "t.")]);
    }

    #[test]
    fn without_naptr_each_usable_transport_is_tried() {
        let services = guessed("h", |transport| transport != Transport::Udp);
        assert_eq!(services, [service(Transport::Tcp, "_sip._tcp.h"), service(Transport::Tls, "_sips._tcp.h")]);
    }

    #[test]
    fn priorities_go_on_over_services_and_a_server_of_two_addresses_is_one() {
        let found = targets(&[
            (Transport::Tls, vec![(srv(10, 60, 5061), vec![ip("10.0.0.1"), ip("2001:db8::1")])]),
            (Transport::Udp, vec![(srv(20, 0, 5060), vec![ip("10.0.0.3")]), (srv(5, 7, 5080), vec![ip("10.0.0.2")])]),
        ]);
        let seen: Vec<_> = found.iter().map(|t| (t.priority, t.weight, t.transport, t.address.to_string())).collect();
        assert_eq!(
            seen,
            [
                (0, 30, Transport::Tls, "10.0.0.1:5061".to_owned()),
                (0, 30, Transport::Tls, "[2001:db8::1]:5061".to_owned()),
                (1, 7, Transport::Udp, "10.0.0.2:5080".to_owned()),
                (2, 0, Transport::Udp, "10.0.0.3:5060".to_owned()),
            ]
        );
        assert_eq!(plain(Transport::Udp, 5060, &[ip("10.0.0.1")]).len(), 1);
    }

    /// RFC 2782: chance follows the weights, priorities stay in order, nobody is left out.
    #[test]
    fn weights_share_and_priorities_rule() {
        let target = |priority, weight, port| Target {
            priority,
            weight,
            transport: Transport::Udp,
            address: SocketAddr::new(ip("10.0.0.1"), port),
        };
        let all = [target(1, 0, 9), target(0, 3, 2), target(0, 1, 1), target(0, 0, 3)];
        let ports = |number: u32| -> Vec<u16> {
            order(&all, |below| number.min(below - 1)).iter().map(|t| t.address.port()).collect()
        };
        assert_eq!(ports(0), [3, 1, 2, 9]);
        assert_eq!(ports(1)[0], 1);
        assert_eq!(ports(2)[0], 2);
        let mut firsts = std::collections::BTreeMap::<u16, u32>::new();
        for number in 0..5 {
            *firsts.entry(ports(number)[0]).or_default() += 1;
        }
        assert_eq!(firsts.into_iter().collect::<Vec<_>>(), [(1, 1), (2, 3), (3, 1)]);
    }
}
