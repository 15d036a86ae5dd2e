//! `kill -9` with calls over TLS and WebSocket: their connections die with the process, and the next one has to reach the
//! peers again. A peer that listens at its Contact is called there, and must prove its address; one that does not is told
//! when it registers anew (RFC 5626 §4.5, RFC 7118 §5).
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;
#[path = "common/softphone.rs"]
mod softphone;
#[path = "common/wire.rs"]
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Instant;

use common::*;
use softphone::{Leg, Softphone};
use wire::{Authority, Identity, Way, Wire, header};

/// Within this time the peers of a dead process know it.
const TOLD: std::time::Duration = seconds(10);

/// A server over streams, and what its peers need.
struct Place {
    server: Server,
    authority: Authority,
    identity: Identity,
    folder: PathBuf,
    ports: Ports,
}

impl Place {
    fn new() -> Self {
        let (ports, folder, authority) = (free_ports(), temp_folder(), Authority::new("test authority"));
        let identity = authority.server();
        identity.write(&folder, "server");
        std::fs::write(folder.join("ca.pem"), authority.pem()).expect("written");
        let listen = format!("udp:127.0.0.1:{0}\", \"tcp:127.0.0.1:{0}", ports.sip);
        let more = [Way::Tls, Way::Ws, Way::Wss].map(|way| format!("{}:127.0.0.1:{}", way.label(), port(ports, way)));
        let text = config(ports, &floor("")).replace(
            &format!("[\"{listen}\"]"),
            &format!(
                "[\"{listen}\", \"{}\"]\ntls_certificate = \"{folder}/server.pem\"\ntls_key = \"{folder}/server.key\"\n\
                 tls_ca = \"{folder}/ca.pem\"",
                more.join("\", \""),
                folder = folder.display()
            ),
        );
        Self { server: Server::configured(ports, &text), authority, identity, folder, ports }
    }

    fn wire(&self, way: Way) -> Wire {
        let address = SocketAddr::from(([127, 0, 0, 1], port(self.ports, way)));
        Wire::open(way, address, &self.authority.client(None)).expect("connected")
    }

    /// Dies and comes back.
    fn restart(&mut self) -> Instant {
        // A group commit is due within 50 ms.
        std::thread::sleep(ms(300));
        self.server.crash();
        let began = Instant::now();
        self.server.restart();
        began
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn port(ports: Ports, way: Way) -> u16 {
    ports.spare + way as u16
}

/// A phone of 101 whose Contact says this address, whatever it comes from.
fn at_address(wire: Wire, address: SocketAddr) -> Softphone {
    let mut phone = Softphone::new(wire, "101", PASSWORD);
    phone.wire.local = address;
    phone
}

/// The next BYE of this call, which says why, answered.
#[track_caller]
fn told(phone: &mut Softphone, leg: &Leg, to: &str) {
    let bye = phone.request_of("BYE", Some(&leg.call_id));
    assert!(bye.starts_with(&format!("BYE {to} ")), "{bye}");
    assert!(header(&bye, "Reason").is_some_and(|reason| reason.starts_with("SIP;cause=503")), "{bye}");
    let answer = phone.response(&bye, 200, "");
    phone.send(&answer);
}

#[test]
fn a_peer_over_tls_that_listens_at_its_contact_is_called_there() {
    let mut place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("bound");
    let mut phone = at_address(place.wire(Way::Tls), at);
    let mut leg = phone.invite("9196");
    phone.answered(&mut leg);
    let began = place.restart();

    listener.set_nonblocking(true).expect("set");
    let mut accepted = None;
    wait_until(TOLD, "a connection comes", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let stream = accepted.expect("a connection").0;
    stream.set_nonblocking(false).expect("set");
    let back = Wire::accepted(stream, &place.identity).expect("it believes our certificate");
    let mut phone = at_address(back, at);
    told(&mut phone, &leg, &format!("sip:101@{at};transport=tls"));
    assert!(began.elapsed() < TOLD, "{:?}", began.elapsed());
    place.server.idle(SOON);
}

/// Behind NAT, or in a browser: nobody can connect there. The phone notices that its connection is gone and registers
/// again; over that connection its BYE comes.
#[test]
fn a_peer_that_registers_again_is_told_over_its_new_connection() {
    let mut place = Place::new();
    for way in [Way::Tls, Way::Ws, Way::Wss] {
        let wire = place.wire(way);
        let local = wire.local;
        let mut phone = at_address(wire, local);
        assert_eq!(phone.register(120), 200, "{way:?}");
        let contact = phone.wire.place();
        let mut leg = phone.invite("9196");
        phone.answered(&mut leg);
        drop(phone);
        place.restart();

        // Somebody else on such a connection hears nothing of it.
        let mut other = Softphone::new(place.wire(way), "102", PASSWORD);
        assert_eq!(other.register(120), 200);
        let mut phone = at_address(place.wire(way), local);
        assert_eq!(phone.register(120), 200, "{way:?}");
        told(&mut phone, &leg, &format!("sip:101@{}{}", contact.0, contact.1));
        assert!(matches!(other.next(ms(500), |m| m.starts_with("BYE ")), Ok(None)), "{way:?}");
        assert_eq!((phone.register(0), other.register(0)), (200, 200));
        place.server.idle(SOON);

        // It is told once.
        place.restart();
        let mut phone = at_address(place.wire(way), local);
        assert_eq!(phone.register(120), 200);
        assert!(matches!(phone.next(ms(500), |m| m.starts_with("BYE ")), Ok(None)), "{way:?}");
        assert_eq!(phone.register(0), 200);
    }
}
