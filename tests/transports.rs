//! The same calls over every transport, on IPv4 and IPv6: REGISTER with digest, a call, CANCEL, hold, BYE from each
//! side. What is sent to a registered phone comes over its own connection: it has no other.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;
#[path = "common/softphone.rs"]
mod softphone;
#[path = "common/wire.rs"]
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;

use common::*;
use softphone::Softphone;
use wire::{Authority, Way};

/// A server that listens on everything, and what its clients need.
struct Place {
    server: Server,
    authority: Authority,
    folder: PathBuf,
    sip: u16,
}

impl Place {
    fn new(way: Way) -> Self {
        let (ports, folder, authority) = (free_ports(), temp_folder(), Authority::new("test authority"));
        authority.server().write(&folder, "server");
        let port = port_of(ports.sip, way);
        let mut listen = vec![format!("udp:127.0.0.1:{}", ports.sip), format!("udp:[::1]:{}", ports.sip)];
        if way != Way::Udp {
            listen.extend(["127.0.0.1", "[::1]"].map(|host| format!("{}:{host}:{port}", way.label())));
        }
        let list: Vec<String> = listen.iter().map(|l| format!("\"{l}\"")).collect();
        let plain = format!("listen = [\"udp:127.0.0.1:{0}\", \"tcp:127.0.0.1:{0}\"]", ports.sip);
        let text = config(ports, &floor("")).replace(
            &plain,
            &format!(
                "listen = [{}]\ntls_certificate = \"{folder}/server.pem\"\ntls_key = \"{folder}/server.key\"",
                list.join(", "),
                folder = folder.display()
            ),
        );
        Self { server: Server::configured(ports, &text), authority, folder, sip: ports.sip }
    }

    fn phone(&self, way: Way, host: &str, user: &str) -> Softphone {
        let server: SocketAddr = format!("{host}:{}", port_of(self.sip, way)).parse().expect("an address");
        Softphone::registered(way, server, &self.authority.client(None), user, PASSWORD)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn port_of(sip: u16, way: Way) -> u16 {
    if way == Way::Udp { sip } else { sip + 3 + way as u16 }
}

/// The whole table for one transport: `phone` speaks it, `other` speaks UDP.
fn everything_over(way: Way) {
    let place = Place::new(way);
    for host in ["127.0.0.1", "[::1]"] {
        let mut phone = place.phone(way, host, "101");
        let mut other = place.phone(Way::Udp, "127.0.0.1", "102");
        echo(&mut phone);
        rung_and_cancelled(&mut other, &mut phone);
        rung_and_cancelled(&mut phone, &mut other);
        talk(&mut other, &mut phone);
        talk(&mut phone, &mut other);
        assert_eq!(phone.register(0), 200, "goes");
        assert_eq!(other.register(0), 200, "goes");
        place.server.idle(seconds(10));
    }
    let gone = place.server.metric("hatif_sip_connections_refused_total", &[]);
    assert_eq!(gone, 0.0, "no connection was closed by the server");
}

/// A call to the echo, held and taken back, ended by the caller.
fn echo(phone: &mut Softphone) {
    let mut leg = phone.invite("9196");
    phone.answered(&mut leg);
    assert_eq!(phone.direct(&mut leg, "sendonly"), "recvonly", "hold");
    assert_eq!(phone.direct(&mut leg, "sendrecv"), "sendrecv", "back");
    phone.hang_up(&mut leg);
}

fn rung_and_cancelled(caller: &mut Softphone, callee: &mut Softphone) {
    let out = caller.invite(&callee.user);
    let inside = callee.called();
    callee.respond(&inside, 180);
    caller.ringing(&out);
    caller.cancel(&out);
    callee.cancelled(&inside);
}

/// A talk that the caller holds and the callee ends, then one that the callee holds and the caller ends.
fn talk(caller: &mut Softphone, callee: &mut Softphone) {
    for callee_ends in [true, false] {
        let mut out = caller.invite(&callee.user);
        let mut inside = callee.called();
        callee.respond(&inside, 180);
        caller.ringing(&out);
        callee.answer(&inside);
        caller.answered(&mut out);
        let (holder, held) = if callee_ends { (&mut *caller, &mut out) } else { (&mut *callee, &mut inside) };
        assert_eq!(holder.direct(held, "sendonly"), "recvonly", "hold");
        assert_eq!(holder.direct(held, "sendrecv"), "sendrecv", "back");
        if callee_ends {
            callee.hang_up(&mut inside);
            caller.hung_up(&out);
        } else {
            caller.hang_up(&mut out);
            callee.hung_up(&inside);
        }
    }
}

#[test]
fn udp() {
    everything_over(Way::Udp);
}

#[test]
fn tcp() {
    everything_over(Way::Tcp);
}

#[test]
fn tls() {
    everything_over(Way::Tls);
}

#[test]
fn ws() {
    everything_over(Way::Ws);
}

#[test]
fn wss() {
    everything_over(Way::Wss);
}
