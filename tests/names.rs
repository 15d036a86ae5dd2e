//! Host names of trunks (RFC 3263): a name server of the test's own says where they lead, and the calls arrive there.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;
#[path = "common/softphone.rs"]
mod softphone;
#[path = "common/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::*;
use softphone::{Leg, Softphone};
use wire::{Authority, Way, Wire, code};

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const NAPTR: u16 = 35;

type Records = BTreeMap<(String, u16), Vec<Vec<u8>>>;

/// A name server with a handful of records, that answers what it has and NXDOMAIN else; slow names get no answer.
#[derive(Clone)]
struct NameServer {
    address: SocketAddr,
    records: Arc<Mutex<Records>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().expect("an address");
        let server = Self { address, records: Arc::default(), asked: Arc::default() };
        let answering = server.clone();
        // Ends with the process: it only waits for datagrams.
        std::thread::spawn(move || {
            let mut buffer = [0; 1_500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = answering.answer(&buffer[..length]) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        server
    }

    fn set(&self, name: &str, kind: u16, data: Vec<Vec<u8>>) {
        self.records.lock().expect("records").insert((name.to_owned(), kind), data);
    }

    /// This service is at a.carrier.example on the first port, when that fails at b.carrier.example on the second.
    fn leads_to(&self, service: &str, first: u16, second: u16) {
        let both = [srv(20, 1, second, "b.carrier.example"), srv(10, 1, first, "a.carrier.example")];
        self.set(service, SRV, both.to_vec());
        for host in ["a.carrier.example", "b.carrier.example"] {
            self.set(host, A, vec![vec![127, 0, 0, 1]]);
        }
    }

    fn times_asked(&self, name: &str) -> usize {
        self.asked.lock().expect("names").iter().filter(|n| *n == name).count()
    }

    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let (mut at, mut labels) = (12, Vec::new());
        while let Some(length) = query.get(at).map(|l| usize::from(*l)).filter(|l| *l > 0) {
            labels.push(String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).to_ascii_lowercase());
            at += 1 + length;
        }
        let name = labels.join(".");
        let kind = u16::from_be_bytes([*query.get(at + 1)?, *query.get(at + 2)?]);
        let question = query.get(12..at + 5)?;
        self.asked.lock().expect("names").push(name.clone());
        if name.starts_with("slow.") {
            return None;
        }
        let records = self.records.lock().expect("records");
        let found = records.get(&(name, kind)).cloned().unwrap_or_default();
        let count = u16::try_from(found.len()).ok()?.to_be_bytes();
        let status = if found.is_empty() { 0x83 } else { 0x80 };
        let mut answer = [&query[..2], &[0x85, status, 0, 1], &count, &[0, 0, 0, 0], question].concat();
        for data in found {
            // The name of the question, class IN, one second to live.
            answer.extend([0xc0, 12]);
            answer.extend(kind.to_be_bytes());
            answer.extend([0, 1, 0, 0, 0, 1]);
            answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
            answer.extend(data);
        }
        Some(answer)
    }
}

fn wire_name(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|l| [&[l.len() as u8], l.as_bytes()].concat());
    labels.chain([0]).collect()
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Vec<u8> {
    let numbers = [priority, weight, port].map(u16::to_be_bytes).concat();
    [numbers, wire_name(target)].concat()
}

fn naptr(order: u16, service: &str, replacement: &str) -> Vec<u8> {
    let text = |t: &str| [&[t.len() as u8], t.as_bytes()].concat();
    let numbers = [order, 1].map(u16::to_be_bytes).concat();
    [numbers, text("s"), text(service), text(""), wire_name(replacement)].concat()
}

/// One carrier's host: takes calls over UDP and refuses them as busy, so that no other host is tried.
struct Host {
    socket: UdpSocket,
    port: u16,
}

impl Host {
    fn new() -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into())
    }

    fn at(ip: IpAddr) -> Self {
        let socket = UdpSocket::bind((ip, 0)).expect("a socket");
        let port = socket.local_addr().expect("an address").port();
        Self { socket, port }
    }

    /// True when a call comes within this time; it is refused with 486.
    fn is_called(&self, place: &Place, within: Duration) -> bool {
        let ours = self.socket.local_addr().expect("an address");
        // Hatif calls from its listener of the same family, on the same port.
        let server = SocketAddr::new(ours.ip(), place.sip.port());
        let wire = Wire::from_socket(self.socket.try_clone().expect("cloned"), server).expect("a wire");
        let mut host = Softphone::new(wire, "carrier", "");
        if !matches!(host.wire.receive(within), Ok(Some(invite)) if invite.starts_with("INVITE ")) {
            return false;
        }
        // The INVITE comes again, as it does while nothing is answered.
        let leg = host.called();
        host.respond(&leg, 486);
        host.request_of("ACK", Some(&leg.call_id));
        true
    }
}

struct Place {
    server: Server,
    names: NameServer,
    sip: SocketAddr,
}

impl Place {
    /// A trunk `carrier.example` under 7XXX, and a trunk whose name servers never answer under 8XXX.
    fn new(names: NameServer) -> Self {
        let ports = free_ports();
        let extra = "[[trunk]]\nname = \"carrier\"\nhosts = [\"carrier.example\"]\noptions_interval = \"0s\"\ndial_timeout = \"3s\"\n\
                     [[trunk]]\nname = \"slow\"\nhosts = [\"slow.example\"]\n\
                     [[number]]\nmatch = \"7XXX\"\ndial = \"trunk:carrier\"\n\
                     [[number]]\nmatch = \"8XXX\"\ndial = \"trunk:slow\"\n";
        let text = config(ports, &format!("{}{extra}", floor("")))
            .replace("domain = \"127.0.0.1\"", &format!("domain = \"127.0.0.1\"\ndns = [\"{}\"]", names.address))
            .replace("listen = [\"udp:", &format!("listen = [\"udp:[::1]:{}\", \"udp:", ports.sip));
        let sip = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.sip));
        Self { server: Server::configured(ports, &text), names, sip }
    }

    fn phone(&self, user: &str) -> Softphone {
        Softphone::registered(Way::Udp, self.sip, &Authority::new("none").client(None), user, PASSWORD)
    }
}

/// The status a call ends with; its refusal is acknowledged.
fn refused(phone: &mut Softphone, leg: &Leg) -> u16 {
    let cseq = wire::header(&leg.invite, "CSeq").unwrap_or_default().to_owned();
    let last = phone.final_of(&leg.call_id, &cseq);
    phone.acknowledge_refusal(leg, &last);
    code(&last)
}

/// RFC 3263 §4.1: NAPTR chooses the transport; §4.2, RFC 2782: the server of the lowest priority; and what the name
/// servers say later holds when the answer's time is over.
#[test]
fn a_trunks_name_leads_by_naptr_and_srv_to_its_first_host() {
    let names = NameServer::start();
    let (first, second) = (Host::new(), Host::new());
    names.set(
        "carrier.example",
        NAPTR,
        vec![naptr(20, "SIP+D2T", "_sip._tcp.carrier.example"), naptr(10, "SIP+D2U", "_here.carrier.example")],
    );
    let service = "_here.carrier.example";
    names.leads_to(service, first.port, second.port);
    let place = Place::new(names);
    wait_until(SOON, "the name was looked up", || place.names.times_asked("b.carrier.example") > 0);
    std::thread::sleep(ms(500));
    let mut phone = place.phone("101");
    let leg = phone.invite("7001");
    assert!(first.is_called(&place, seconds(5)), "the host of the lowest priority: {:#?}", phone.trace);
    assert_eq!(refused(&mut phone, &leg), 486);
    assert!(!second.is_called(&place, ms(100)), "busy is an answer: the other is not tried");
    assert_eq!(place.names.times_asked("_sip._tcp.carrier.example"), 0, "the other transport is not asked for");

    place.names.set(service, SRV, vec![srv(1, 1, second.port, "b.carrier.example")]);
    let before = place.names.times_asked(service);
    wait_until(seconds(15), "the name is looked up again", || place.names.times_asked(service) > before);
    std::thread::sleep(ms(500));
    let leg = phone.invite("7002");
    assert!(second.is_called(&place, seconds(5)), "where the name leads now: {:#?}", phone.trace);
    assert_eq!(refused(&mut phone, &leg), 486);
    place.server.idle(SOON);
}

/// The signalling thread asks nobody: name servers that never answer delay no other call, and a call to a name that
/// leads nowhere yet is refused at once.
#[test]
fn silent_name_servers_delay_no_call() {
    let place = Place::new(NameServer::start());
    wait_until(SOON, "the slow name was asked for", || place.names.times_asked("slow.example") > 0);
    let mut phone = place.phone("101");
    let from = Instant::now();
    let leg = phone.invite("8001");
    assert!((500..600).contains(&refused(&mut phone, &leg)));
    let mut echo = phone.invite("9196");
    phone.answered(&mut echo);
    phone.hang_up(&mut echo);
    assert!(from.elapsed() < seconds(3), "{:?}", from.elapsed());
}

/// RFC 3263 §4.1, §4.3: NAPTR chooses TCP, and the next server is called when the first one refuses the connection.
#[test]
fn a_dead_host_is_passed_over_and_tcp_is_spoken_where_naptr_says_so() {
    let names = NameServer::start();
    let alive = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    let dead = TcpListener::bind("127.0.0.1:0").map(|l| port(&l)).expect("a port");
    let service = "_sip._tcp.carrier.example";
    names.set(
        "carrier.example",
        NAPTR,
        vec![naptr(20, "SIP+D2U", "_sip._udp.carrier.example"), naptr(10, "SIP+D2T", service)],
    );
    names.leads_to(service, dead, port(&alive));
    let place = Place::new(names);
    wait_until(SOON, "the name was looked up", || place.names.times_asked("b.carrier.example") > 0);
    std::thread::sleep(ms(500));
    let mut phone = place.phone("101");
    let leg = phone.invite("7001");
    alive.set_nonblocking(true).expect("set");
    let mut accepted = None;
    wait_until(SOON, "the living host is called", || {
        accepted = alive.accept().ok();
        accepted.is_some()
    });
    let (stream, _) = accepted.expect("a connection");
    stream.set_nonblocking(false).expect("set");
    let wire = Wire::over(Way::Tcp, stream, &Authority::new("none").client(None), &[]).expect("a wire");
    let mut host = Softphone::new(wire, "carrier", "");
    let inside = host.called();
    assert!(inside.invite.contains("Via: SIP/2.0/TCP"), "{}", inside.invite);
    host.answer(&inside);
    let mut out = leg;
    phone.answered(&mut out);
    host.hang_up(&mut inside.clone());
    phone.hung_up(&out);
    place.server.idle(SOON);
}

/// RFC 3263 §4.3: over UDP a server that says nothing for `dial_timeout` is as dead as one that refuses.
#[test]
fn a_silent_host_is_passed_over() {
    let names = NameServer::start();
    let (silent, alive) = (Host::new(), Host::new());
    let service = "_sip._udp.carrier.example";
    names.set("carrier.example", NAPTR, vec![naptr(10, "SIP+D2U", service)]);
    names.leads_to(service, silent.port, alive.port);
    let place = Place::new(names);
    wait_until(SOON, "the name was looked up", || place.names.times_asked("b.carrier.example") > 0);
    std::thread::sleep(ms(500));
    let mut phone = place.phone("101");
    let leg = phone.invite("7001");
    assert!(alive.is_called(&place, seconds(10)), "the living host is called: {:#?}", phone.trace);
    assert_eq!(refused(&mut phone, &leg), 486);
    let mut buffer = [0; 1_500];
    let length = silent.socket.recv(&mut buffer).expect("the silent one was called first");
    assert!(buffer[..length].starts_with(b"INVITE "));
    place.server.idle(seconds(40));
}

/// RFC 3263 §4.2 with RFC 3596: a host that has only an AAAA record is called over IPv6.
#[test]
fn a_host_with_an_ipv6_address_alone_is_called_there() {
    let names = NameServer::start();
    let host = Host::at(Ipv6Addr::LOCALHOST.into());
    let service = "_sip._udp.carrier.example";
    names.set("carrier.example", NAPTR, vec![naptr(10, "SIP+D2U", service)]);
    names.set(service, SRV, vec![srv(10, 1, host.port, "six.carrier.example")]);
    names.set("six.carrier.example", AAAA, vec![Ipv6Addr::LOCALHOST.octets().to_vec()]);
    let place = Place::new(names);
    wait_until(SOON, "the name was looked up", || place.names.times_asked("six.carrier.example") >= 2);
    std::thread::sleep(ms(500));
    let mut phone = place.phone("101");
    let leg = phone.invite("7001");
    assert!(host.is_called(&place, seconds(5)), "over IPv6: {:#?}", phone.trace);
    assert_eq!(refused(&mut phone, &leg), 486);
    place.server.idle(SOON);
}
