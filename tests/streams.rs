//! Connections under strain, from outside: limits of time, size and number, broken framing, WebSocket abuse,
//! certificates that change, and who a certificate proves to be.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;
#[path = "common/softphone.rs"]
mod softphone;
#[path = "common/wire.rs"]
mod wire;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Instant;

use common::*;
use softphone::Softphone;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use wire::{Authority, Identity, Way, Wire, code, dns, header, headers, uri};

struct Place {
    server: Server,
    authority: Authority,
    folder: PathBuf,
    ports: Ports,
}

impl Place {
    /// `keys` go into `[sip]`; FOLDER there is where the certificates are. `extra` are tables.
    fn new(keys: &str, extra: &str) -> Self {
        let (ports, folder, authority) = (free_ports(), temp_folder(), Authority::new("test authority"));
        authority.server().write(&folder, "server");
        std::fs::write(folder.join("ca.pem"), authority.pem()).expect("written");
        let sip = ports.sip;
        let listen: Vec<String> = Way::ALL
            .into_iter()
            .flat_map(|way| ["127.0.0.1", "[::1]"].map(|h| format!("\"{}:{h}:{}\"", way.label(), port_of(sip, way))))
            .collect();
        let plain = format!("listen = [\"udp:127.0.0.1:{sip}\", \"tcp:127.0.0.1:{sip}\"]");
        let keys = format!(
            "listen = [{}]\ntls_certificate = \"FOLDER/server.pem\"\ntls_key = \"FOLDER/server.key\"\n{keys}",
            listen.join(", ")
        );
        let keys = keys.replace("FOLDER", &folder.display().to_string());
        let text = config(ports, &format!("{}{extra}", floor(""))).replace(&plain, &keys);
        Self { server: Server::configured(ports, &text), authority, folder, ports }
    }

    fn address(&self, way: Way, host: &str) -> SocketAddr {
        format!("{host}:{}", port_of(self.ports.sip, way)).parse().expect("an address")
    }

    fn wire(&self, way: Way) -> Wire {
        let address = self.address(way, "127.0.0.1");
        Wire::open(way, address, &self.authority.client(None)).unwrap_or_else(|e| panic!("{}: {e}", way.label()))
    }

    fn stranger(&self, way: Way) -> Softphone {
        Softphone::new(self.wire(way), "stranger", "none")
    }

    fn phone(&self, way: Way, host: &str, user: &str) -> Softphone {
        Softphone::registered(way, self.address(way, host), &self.authority.client(None), user, PASSWORD)
    }

    fn refused(&self, why: &str) -> f64 {
        self.server.metric("hatif_sip_connections_refused_total", &[("reason", why)])
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

const SHORT: &str = "first_message = \"2s\"\nidle = \"3s\"";

/// spec: at most 10 s (here 2) to the first whole message, however busily it trickles; then at most `idle` of silence.
#[test]
fn who_trickles_or_says_nothing_is_closed_in_time() {
    let place = Place::new(SHORT, "");
    for way in [Way::Tcp, Way::Tls] {
        let mut slow = place.stranger(way);
        let (text, _) = slow.options();
        let from = Instant::now();
        let sent = text.bytes().take_while(|byte| {
            std::thread::sleep(ms(100));
            slow.wire.send(&[*byte]).is_ok() && slow.wire.closed(ms(1)).is_none()
        });
        let count = sent.count();
        assert!(count < text.len() && from.elapsed() < seconds(5), "{}: {count} bytes", way.label());
    }
    let mut silent = place.wire(Way::Wss);
    assert!(silent.closed(seconds(5)).is_some(), "nothing was said");
    let mut half = place.stranger(Way::Tcp);
    assert!(half.is_served());
    half.wire.send(b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: ").expect("sent");
    assert!(half.wire.closed(seconds(5)).is_some(), "half a message");
    let mut idle = place.stranger(Way::Tcp);
    assert!(idle.is_served());
    assert!(idle.wire.closed(seconds(6)).is_some(), "idle");
    // Half a handshake.
    let mut hello = TcpStream::connect(place.address(Way::Tls, "127.0.0.1")).expect("connected");
    hello.write_all(&[0x16, 3, 1]).expect("sent");
    hello.set_read_timeout(Some(seconds(6))).expect("timeout");
    assert!(matches!(hello.read(&mut [0; 64]), Ok(0) | Err(_)));
    assert!(place.refused("first_message") >= 4.0 && place.refused("idle") >= 1.0 && place.refused("handshake") >= 1.0);
}

/// spec: at most 64 KB a message: refused or closed. RFC 3261 §18.3: what is odd is answered, and the next is served.
#[test]
fn odd_messages_are_answered_and_lost_framing_closes() {
    let place = Place::new("", "");
    for way in [Way::Tcp, Way::Tls, Way::Wss] {
        let mut peer = place.stranger(way);
        assert!(peer.is_served());
        let (good, call_id) = peer.options();
        peer.send(&good.replace("CSeq: 1 OPTIONS", "CSeq: many OPTIONS"));
        let refused = peer.next(seconds(5), |m| header(m, "Call-ID") == Some(&call_id)).expect("open");
        assert_eq!(refused.as_deref().map(code), Some(400), "{}: {refused:?}", way.label());
        assert!(peer.is_served(), "{}: the next one is served", way.label());
    }
    for length in ["70000", "-5", "4\r\nContent-Length: 9"] {
        let mut peer = place.stranger(Way::Tcp);
        let (good, _) = peer.options();
        peer.send(&good.replace("Content-Length: 0", &format!("Content-Length: {length}")));
        let last = peer.wire.closed(seconds(5)).expect("closed");
        assert!(last.iter().any(|m| matches!(code(m), 400 | 413)), "{length}: answered before: {last:?}");
    }
    let mut endless = place.wire(Way::Tcp);
    let mut sent = endless.send(b"OPTIONS sip:127.0.0.1 SIP/2.0\r\n");
    for _line in 0..2_000 {
        sent = sent.and_then(|()| endless.send(&[b"X-Long: ".as_slice(), &[b'x'; 64], b"\r\n"].concat()));
    }
    assert!(sent.is_err() || endless.closed(seconds(5)).is_some(), "no end of headers");
    let mut frames = place.wire(Way::Ws);
    let _ = frames.frame(Message::text("x".repeat(70_000)));
    assert!(frames.closed(seconds(5)).is_some(), "a frame over the limit");
}

/// RFC 5626 §3.5.1 and RFC 6455 §5.5: signs of life are answered; none of them counts as a message.
#[test]
fn signs_of_life_are_answered() {
    let place = Place::new(SHORT, "");
    for way in [Way::Tcp, Way::Tls, Way::Ws, Way::Wss] {
        let mut wire = place.wire(way);
        wire.send(b"\r\n\r\n").expect("sent");
        let _ = wire.receive(seconds(1));
        assert!(wire.pongs >= 1, "{}: CRLF", way.label());
    }
    let mut frames = place.wire(Way::Ws);
    frames.frame(Message::Ping(vec![1, 2, 3].into())).expect("sent");
    let _ = frames.receive(seconds(1));
    assert_eq!(frames.pongs, 1);
    let mut pinger = place.wire(Way::Tcp);
    let from = Instant::now();
    while pinger.send(b"\r\n\r\n").is_ok() && pinger.closed(ms(50)).is_none() {
        assert!(from.elapsed() < seconds(5), "keep-alives alone keep no stranger's connection");
    }
    // Of somebody known they do.
    let mut known = place.phone(Way::Tcp, "127.0.0.1", "101");
    for _second in 0..5 {
        std::thread::sleep(seconds(1));
        known.wire.send(b"\r\n\r\n").expect("sent");
    }
    assert!(known.is_served());
}

/// spec: at most 64 connections of a source that holds no registered user; one that does is not counted out.
#[test]
fn the_65th_connection_of_strangers_is_refused_and_users_pass() {
    let place = Place::new("", "");
    let strangers: Vec<TcpStream> =
        (0..64).map(|_| TcpStream::connect(place.address(Way::Tcp, "127.0.0.1")).expect("connected")).collect();
    std::thread::sleep(ms(300));
    let mut one_more = place.wire(Way::Tcp);
    assert!(one_more.closed(seconds(2)).is_some(), "the 65th");
    assert!(place.refused("source") >= 1.0);
    let mut user = place.phone(Way::Tls, "[::1]", "101");
    let office: Vec<TcpStream> =
        (0..80).map(|_| TcpStream::connect(place.address(Way::Tcp, "[::1]")).expect("connected")).collect();
    let mut colleague = place.phone(Way::Wss, "[::1]", "102");
    assert!(user.is_served() && colleague.is_served());
    drop((strangers, office));
    wait_until(SOON, "places are free again", || {
        Wire::open(Way::Tcp, place.address(Way::Tcp, "127.0.0.1"), &place.authority.client(None))
            .is_ok_and(|wire| Softphone::new(wire, "s", "").is_served())
    });
}

/// RFC 7118 §4, RFC 6455 §5.1: the subprotocol, the page, the mask; floods and fragments.
#[test]
fn websockets_keep_the_rules() {
    let place = Place::new("", "");
    let tls = place.authority.client(None);
    let address = place.address(Way::Ws, "127.0.0.1");
    let open = |headers: &[(&'static str, &str)]| {
        Wire::open_with(Way::Ws, address, &tls, headers).err().map(|error| error.to_string())
    };
    let sip = ("Sec-WebSocket-Protocol", "sip");
    assert_eq!(open(&[]).as_deref(), Some("400"), "no subprotocol");
    assert_eq!(open(&[sip, ("Origin", "https://elsewhere.example")]).as_deref(), Some("403"));
    assert_eq!(open(&[sip, ("Origin", &format!("http://{address}"))]), None);
    let stream = TcpStream::connect(address).expect("connected");
    let mut raw = stream.try_clone().expect("cloned");
    let mut unmasked = Wire::over(Way::Ws, stream, &tls, &[sip]).expect("a handshake");
    raw.write_all(b"\x81\x05hello").expect("sent");
    assert!(unmasked.closed(seconds(5)).is_some(), "no mask");

    let mut phone = place.phone(Way::Ws, "127.0.0.1", "101");
    let (text, call_id) = phone.options();
    let (first, rest) = text.split_at(40);
    let (second, third) = rest.split_at(40);
    let part = |text: &str, kind, last| Message::Frame(Frame::message(text.to_owned(), OpCode::Data(kind), last));
    for (text, kind, last) in
        [(first, Data::Text, false), (second, Data::Continue, false), (third, Data::Continue, true)]
    {
        phone.wire.frame(part(text, kind, last)).expect("sent");
    }
    let answer = phone.next(seconds(5), |m| header(m, "Call-ID") == Some(&call_id)).expect("open");
    assert!(answer.is_some(), "fragments make one message");

    let before = place.server.resident_bytes();
    let mut flooder = place.wire(Way::Ws);
    for _ping in 0..20_000 {
        if flooder.frame(Message::Ping(vec![0; 100].into())).is_err() {
            break;
        }
    }
    assert!(phone.is_served(), "others are served");
    let grown = place.server.resident_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "a flood of pings that nobody reads: {grown} bytes");
    let mut pieces = place.wire(Way::Ws);
    let _ = pieces.frame(part(&"x".repeat(30_000), Data::Text, false));
    for _piece in 0..4 {
        let _ = pieces.frame(part(&"x".repeat(30_000), Data::Continue, false));
    }
    assert!(pieces.closed(seconds(5)).is_some(), "fragments over the limit");
}

/// A phone whose connection is gone cannot be called over it: its contact goes with it.
#[test]
fn the_end_of_a_connection_ends_its_contact() {
    let place = Place::new("", "");
    let contacts = |phone: &Softphone| headers(phone.trace.last().expect("a 200"), "Contact").count();
    for way in [Way::Tcp, Way::Tls, Way::Ws, Way::Wss] {
        let first = place.phone(way, "127.0.0.1", "101");
        let mut second = place.phone(Way::Udp, "127.0.0.1", "101");
        assert_eq!(contacts(&second), 2, "{}", way.label());
        drop(first);
        wait_until(SOON, "its contact is gone", || second.register(300) == 200 && contacts(&second) == 1);
        assert_eq!(second.register(0), 200);
    }
}

/// Certificates change under live calls: new connections see the new one, the old ones go on.
#[test]
fn a_new_certificate_serves_at_once_and_no_call_ends() {
    let place = Place::new("", "");
    let mut phone = place.phone(Way::Tls, "127.0.0.1", "101");
    let mut browser = place.phone(Way::Wss, "127.0.0.1", "102");
    let mut call = phone.invite("9196");
    phone.answered(&mut call);
    let mut other = browser.invite("9196");
    browser.answered(&mut other);
    let fresh: Identity = place.authority.server();
    assert_ne!(phone.wire.certificate.as_ref(), Some(&fresh.der));
    fresh.write(&place.folder, "server");
    place.server.signal("HUP");
    let shown = |way| place.wire(way).certificate;
    wait_until(SOON, "the new certificate is shown", || shown(Way::Tls).as_ref() == Some(&fresh.der));
    assert_eq!(shown(Way::Wss), Some(fresh.der.clone()));
    // A broken one is refused, and the last good one stays.
    std::fs::write(place.folder.join("server.pem"), "nothing").expect("written");
    place.server.signal("HUP");
    std::thread::sleep(seconds(1));
    assert_eq!(shown(Way::Tls), Some(fresh.der.clone()));
    assert_eq!(phone.direct(&mut call, "sendonly"), "recvonly");
    phone.hang_up(&mut call);
    browser.hang_up(&mut other);
}

const TRUNK: &str =
    "[[trunk]]\nname = \"carrier\"\ndirection = \"in\"\ninbound_auth = \"tls\"\ntls_identity = \"carrier.example\"\n";

/// RFC 5922 §7: a trunk is who its certificate says, by `sip:` URI or DNS name; and mutual TLS, asked or demanded.
#[test]
fn a_certificate_proves_a_trunk() {
    let keys = "tls_client = \"optional\"\ntls_client_ca = \"FOLDER/ca.pem\"";
    let place = Place::new(keys, TRUNK);
    let address = place.address(Way::Tls, "127.0.0.1");
    let call = |shows: Option<&Identity>| {
        let wire = Wire::open(Way::Tls, address, &place.authority.client(shows)).expect("connected");
        let mut peer = Softphone::new(wire, "0501234567", "none");
        let mut leg = peer.invite("9196");
        let cseq = headers(&leg.invite, "CSeq").next().unwrap_or_default().to_owned();
        if cseq == "1 INVITE" {
            peer.answered(&mut leg);
            peer.hang_up(&mut leg);
            return 200;
        }
        code(&peer.final_of(&leg.call_id.clone(), &cseq))
    };
    assert_eq!(call(Some(&place.authority.issue(vec![uri("sip:carrier.example")]))), 200, "by URI");
    assert_eq!(call(Some(&place.authority.issue(vec![dns("carrier.example")]))), 200, "by DNS name");
    assert_ne!(call(Some(&place.authority.issue(vec![dns("other.example")]))), 200, "another name");
    let both = vec![dns("carrier.example"), uri("sip:other.example")];
    assert_ne!(call(Some(&place.authority.issue(both))), 200, "DNS names do not count beside a URI");
    assert_ne!(call(None), 200, "no certificate");
    let foreign = Authority::new("foreign").issue(vec![dns("carrier.example")]);
    let refused = |place: &Place, shows: Option<&Identity>| {
        let address = place.address(Way::Tls, "127.0.0.1");
        match Wire::open(Way::Tls, address, &place.authority.client(shows)) {
            // With TLS 1.3 the client hears of it after its own handshake.
            Ok(mut wire) => wire.closed(seconds(5)).is_some(),
            Err(_) => true,
        }
    };
    assert!(refused(&place, Some(&foreign)), "an authority nobody trusts");

    let strict = Place::new(&keys.replace("optional", "required"), TRUNK);
    assert!(refused(&strict, None), "a certificate is demanded");
    let own = strict.authority.issue(vec![dns("phone.example")]);
    let wire = Wire::open(Way::Tls, strict.address(Way::Tls, "127.0.0.1"), &strict.authority.client(Some(&own)));
    assert!(Softphone::new(wire.expect("connected"), "s", "").is_served());
}

/// `/sip` of the HTTP listener, behind a proxy: a browser registers and is called there, and who it is decides the
/// limit, not the proxy that all come through.
#[test]
fn browsers_behind_a_proxy_are_told_apart() {
    let place = Place::new("trusted_proxies = [\"127.0.0.1\"]", "");
    let tls = place.authority.client(None);
    let open = |client: &str| {
        let headers = [("Sec-WebSocket-Protocol", "sip"), ("X-Forwarded-For", client)];
        Wire::open_with(Way::Ws, place.server.http, &tls, &headers)
    };
    let mut browser = Softphone::new(open("203.0.113.9").expect("a handshake"), "101", PASSWORD);
    assert_eq!(browser.register(300), 200);
    let mut caller = place.phone(Way::Udp, "127.0.0.1", "102");
    let mut out = caller.invite("101");
    let inside = browser.called();
    browser.answer(&inside);
    caller.answered(&mut out);
    caller.hang_up(&mut out);
    browser.hung_up(&inside);
    let strangers: Vec<Wire> =
        (0..64).map(|n| open("198.51.100.1, 203.0.113.7").unwrap_or_else(|e| panic!("{n}: {e}"))).collect();
    assert_eq!(open("203.0.113.7").err().map(|e| e.to_string()).as_deref(), Some("503"), "the 65th of one client");
    assert!(open("203.0.113.8").is_ok(), "another client of the same proxy");
    drop(strangers);
    let headers = [("Sec-WebSocket-Protocol", "sip"), ("Origin", "https://elsewhere.example")];
    let foreign = Wire::open_with(Way::Ws, place.server.http, &tls, &headers);
    assert_eq!(foreign.err().map(|e| e.to_string()).as_deref(), Some("403"));
}
