//! A stranger: raw SIP from an address of the loopback network that belongs to nobody else, so that what the server
//! counts by source is counted for each test alone.
#![allow(dead_code, clippy::disallowed_methods, clippy::disallowed_types)]

use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

/// What is said in an audio offer.
pub const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                         m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

/// One datagram socket of a stranger.
pub struct Stranger {
    pub address: SocketAddr,
    socket: UdpSocket,
    server: SocketAddr,
}

impl Stranger {
    /// At this address of the loopback network; port 0 = any.
    pub fn at(server: SocketAddr, ip: [u8; 4], port: u16) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::from(ip), port))
            .unwrap_or_else(|e| panic!("{}:{port} is taken by another program: {e}", Ipv4Addr::from(ip)));
        let address = socket.local_addr().expect("an address");
        Self { address, socket, server }
    }

    /// A stream from this address.
    pub fn stream(server: SocketAddr, ip: [u8; 4]) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
        socket.bind(&SocketAddr::from((ip, 0)).into()).expect("bound");
        socket.connect_timeout(&server.into(), Duration::from_secs(5)).expect("connected");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(3))).expect("timeout");
        stream.set_write_timeout(Some(Duration::from_secs(3))).expect("timeout");
        stream
    }

    pub fn send(&self, bytes: &[u8]) {
        // A datagram over the limit of the system is no message either.
        let _ = self.socket.send_to(bytes, self.server);
    }

    /// The next datagram within this time.
    pub fn receive(&self, within: Duration) -> Option<String> {
        let mut buffer = [0u8; 65_536];
        self.socket.set_read_timeout(Some(within.max(Duration::from_millis(1)))).expect("timeout");
        let (length, _) = self.socket.recv_from(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// The next response within this time: its code and itself.
    pub fn response(&self, within: Duration) -> Option<(u16, String)> {
        let deadline = Instant::now() + within;
        loop {
            let text = self.receive(deadline.saturating_duration_since(Instant::now()))?;
            if let Some(code) = code_of(&text) {
                return Some((code, text));
            }
        }
    }

    /// The next final response within this time.
    pub fn answer(&self, within: Duration) -> Option<(u16, String)> {
        let deadline = Instant::now() + within;
        loop {
            let (code, text) = self.response(deadline.saturating_duration_since(Instant::now()))?;
            if code >= 200 {
                return Some((code, text));
            }
        }
    }

    /// A request outside of any dialog; `extra` are whole header lines.
    pub fn request(&self, method: &str, user: &str, extra: &str, body: &str) -> String {
        let (server, me, n) = (self.server, self.address, next());
        format!(
            "{method} sip:{user}@{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {me};rport;branch=z9hG4bKst{n}\r\nMax-Forwards: 70\r\n\
             From: <sip:stranger@customer.example>;tag=st{n}\r\nTo: <sip:{user}@{server}>\r\n\
             Call-ID: st{n}@{}\r\nCSeq: 1 {method}\r\nContact: <sip:stranger@{me}>\r\n\
             {extra}Content-Length: {}\r\n\r\n{body}",
            me.ip(),
            body.len()
        )
    }

    /// An INVITE with an offer.
    pub fn invite(&self, user: &str) -> String {
        self.request("INVITE", user, "Content-Type: application/sdp\r\n", OFFER)
    }

    /// A request of the dialog that this 2xx to our INVITE made.
    pub fn within(&self, accepted: &str, method: &str, cseq: u32, extra: &str, body: &str) -> String {
        let contact = line_of(accepted, "Contact:");
        let target = contact.split(['<', '>']).nth(1).unwrap_or_default();
        let (me, n) = (self.address, next());
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {me};rport;branch=z9hG4bKst{n}\r\nMax-Forwards: 70\r\n\
             {}\r\n{}\r\n{}\r\nCSeq: {cseq} {method}\r\nContact: <sip:stranger@{me}>\r\n\
             {extra}Content-Length: {}\r\n\r\n{body}",
            line_of(accepted, "From:"),
            line_of(accepted, "To:"),
            line_of(accepted, "Call-ID:"),
            body.len()
        )
    }

    /// Does what a good caller does with a final answer to an INVITE: acknowledges it, and hangs up.
    pub fn tidy_up(&self, code: u16, answer: &str) {
        let cseq = line_of(answer, "CSeq:");
        let number = cseq.split_whitespace().nth(1).and_then(|n| n.parse().ok());
        let Some(number) = number.filter(|_| cseq.ends_with("INVITE")) else { return };
        if code < 300 {
            self.send(self.within(answer, "ACK", number, "", "").as_bytes());
            self.send(self.within(answer, "BYE", number.saturating_add(1), "", "").as_bytes());
        } else {
            self.send(ack(answer).as_bytes());
        }
    }
}

/// The ACK to a refused INVITE: of the same transaction (RFC 3261 §17.1.1.3).
pub fn ack(refusal: &str) -> String {
    let lines = ["Via:", "From:", "To:", "Call-ID:"].map(|name| line_of(refusal, name)).join("\r\n");
    let cseq = line_of(refusal, "CSeq:").replace("INVITE", "ACK");
    format!("ACK sip:x@127.0.0.1 SIP/2.0\r\n{lines}\r\nMax-Forwards: 70\r\n{cseq}\r\nContent-Length: 0\r\n\r\n")
}

/// The first header line of this name, as it stands there.
pub fn line_of<'a>(text: &'a str, name: &str) -> &'a str {
    text.split("\r\n").find(|line| line.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name))).unwrap_or("")
}

/// The status code of a response.
pub fn code_of(text: &str) -> Option<u16> {
    text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

fn next() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    std::process::id().wrapping_mul(1_000_003).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))
}
