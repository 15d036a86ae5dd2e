//! Web pages that register over WebSocket (RFC 7118): their words, and a centre that knows them.

use std::net::SocketAddr;

use hatif::engine::{Input, Settings};
use hatif::media::dtls::Identity;
use hatif::sip::Transport;
use hatif::sip::config::{Listener, UserConfig};
use hatif::sip::digest::{Answer, Challenge, answer_challenge};
use hatif::sip::header::Method;

use crate::centre::*;
use crate::phone::{self, header};

const PASSWORD: &str = "secret";

/// Where the n-th page connects from.
pub fn page(number: u16) -> SocketAddr {
    addr(&format!("10.5.0.{number}:50000"))
}

/// Agents 101 and 103 have no desk phones: they register.
pub fn with_pages(settings: &mut Settings) {
    for (transport, port) in [(Transport::Tls, 5061), (Transport::Ws, 5080)] {
        let address = addr(&format!("10.0.0.1:{port}"));
        settings.sip.listeners.push(Listener { transport, address, advertised: None });
    }
    settings.media.identity = Some(Identity::generate().expect("a certificate"));
    settings.media.shared = vec![30_000];
    for user in ["101", "103"] {
        if let Some(agent) = settings.floor.agents.get_mut(user) {
            agent.contact = None;
        }
        settings.sip.users.insert(user.to_owned(), UserConfig { password: PASSWORD.to_owned() });
        settings.sip.watched.users.insert(user.to_owned());
    }
    settings.sip.fixed.retain(|at, _| *at != desk(101) && *at != desk(103));
}

/// A message as a page with this Contact writes it.
pub fn of_page(text: &str, contact: &str) -> String {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let line = |line: &str| match line.starts_with("Contact: <") {
        true => format!("Contact: <{contact}>"),
        false => line.replace("SIP/2.0/UDP", "SIP/2.0/WS"),
    };
    head.split("\r\n").map(line).collect::<Vec<_>>().join("\r\n") + "\r\n\r\n" + body
}

/// The description that a page gives.
pub fn sdp(role: &str, direction: &str) -> String {
    format!(
        "v=0\r\no=- 49 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 8 101\r\n\
         c=IN IP4 0.0.0.0\r\na=ice-ufrag:ETEn\r\na=ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l\r\n\
         a=fingerprint:sha-256 49:66:12:17:0D:1C:91:AE:57:4C:C6:36:DD:D5:97:D2:7D:62:C9:9A:7F:B9:A3:F4:70:03:E7:43:91:\
         73:23:5E\r\na=setup:{role}\r\na=mid:0\r\na={direction}\r\na=rtcp-mux\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\n"
    )
}

impl Centre {
    /// A page connects and registers as `user`; pages of one name have the same Contact.
    #[track_caller]
    pub fn loads(&mut self, at: SocketAddr, user: &str, name: &str) {
        let connection = 1_000 + self.fresh();
        self.pages.insert(at, (connection, format!("sip:{name}@{name}.invalid;transport=ws")));
        self.handle(Input::ConnectionOpened { connection, remote: at, peer: None });
        let register = |cseq: u32, id: u64, more: &str| {
            format!(
                "REGISTER sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {name}.invalid;branch=z9hG4bKg{id}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{user}@10.0.0.1>;tag=g{id}\r\nTo: <sip:{user}@10.0.0.1>\r\n\
                 Call-ID: reg{name}{connection}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:x>\r\nExpires: 120\r\n{more}\
                 Content-Length: 0\r\n\r\n"
            )
        };
        let id = self.fresh();
        self.send(at, register(1, id, ""));
        let refusal = self.expect(at, "SIP/2.0 401");
        let asked = header(&refusal, "WWW-Authenticate").expect("a challenge");
        let challenge = Challenge::parse(asked.as_bytes()).expect("a challenge");
        let (method, uri, cnonce) = (Method::Register, "sip:10.0.0.1", "c1");
        let answer = Answer { username: user, password: PASSWORD, method, uri, cnonce, nc: 1 };
        let proof = answer_challenge(&challenge, &answer).expect("a proof");
        let id = self.fresh();
        self.send(at, register(2, id, &format!("Authorization: {proof}\r\n")));
        self.expect(at, "SIP/2.0 200");
    }

    /// What the phone or page there offers.
    pub fn offer_of(&self, at: SocketAddr, direction: &str) -> String {
        if self.pages.contains_key(&at) { sdp("actpass", direction) } else { phone::sdp(at, direction) }
    }

    /// What it answers.
    pub fn answer_of(&self, at: SocketAddr, direction: &str) -> String {
        if self.pages.contains_key(&at) { sdp("active", direction) } else { phone::sdp(at, direction) }
    }

    /// A page is gone: its connection closes.
    #[track_caller]
    pub fn closes(&mut self, at: SocketAddr) {
        let (connection, _) = self.pages.remove(&at).expect("a page");
        self.handle(Input::ConnectionClosed(connection));
    }
}
