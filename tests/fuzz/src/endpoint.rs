//! The endpoint under any sequence of messages, commands and time.
//!
//! The bytes are records parted by `\n--\n`; the first byte says what a record is: `M` a datagram, `T` a message of a
//! stream, `R` a response to what was last sent (its status follows, then header lines), `W` waiting (seconds, one
//! byte), `C` a command on the last session (one letter). In messages `@TAG@` is the tag we last gave and `@AUTH@` the
//! right answer to the last challenge.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::sip::config::{Listener, SipConfig, Transport, UserConfig};
use crate::sip::digest::{Answer, Challenge, answer_challenge};
use crate::sip::header::{HeaderName, Method, text};
use crate::sip::message::{Message, validate};
use crate::sip::writer::response_to;
use crate::sip::{Endpoint, Event, Flow, Invite, Output, Rejection, SessionId};

/// Records beyond are not played: a run must end.
const RECORDS_MAX: usize = 64;
/// Deadlines in the hours after, at most; a session that renews itself for ever would pass it.
const DEADLINES_MAX: u32 = 20_000;
const SDP: &[u8] =
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

struct Play {
    endpoint: Endpoint,
    now: Instant,
    sessions: BTreeSet<SessionId>,
    last: Option<SessionId>,
    tag: Vec<u8>,
    challenge: Option<Vec<u8>>,
    request: Option<Message>,
}

/// Plays the records.
pub fn endpoint(data: &[u8]) {
    let mut play = Play {
        endpoint: Endpoint::new(config(), [7; 32]),
        now: Instant::now(),
        sessions: BTreeSet::new(),
        last: None,
        tag: Vec::new(),
        challenge: None,
        request: None,
    };
    for record in records(data).take(RECORDS_MAX) {
        let Some((kind, rest)) = record.split_first() else { continue };
        match kind {
            b'M' => play.receive(flow(Transport::Udp), rest),
            b'T' => play.receive(flow(Transport::Tcp), rest),
            b'R' => play.respond(rest),
            b'W' => play.pass(Duration::from_secs(rest.first().copied().unwrap_or(1).into())),
            b'C' => play.command(rest.first().copied().unwrap_or(b'a')),
            _ => {}
        }
    }
    play.rest();
}

fn records(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let all = rest?;
        let at = all.windows(4).position(|w| w == b"\n--\n");
        rest = at.map(|at| &all[at + 4..]);
        Some(at.map_or(all, |at| &all[..at]))
    })
}

fn config() -> SipConfig {
    let listener = |transport| Listener { transport, address: ([192, 0, 2, 1], 5060).into(), advertised: None };
    SipConfig {
        listeners: vec![listener(Transport::Udp), listener(Transport::Tcp)],
        domain: "example.com".to_owned(),
        users: HashMap::from([("101".to_owned(), UserConfig { password: "secret".to_owned() })]),
        trunks: BTreeMap::from([([203, 0, 113, 1].into(), "carrier".to_owned())]),
        ..SipConfig::default()
    }
}

fn flow(transport: Transport) -> Flow {
    let (listener, connection) = if transport == Transport::Udp { (0, None) } else { (1, Some(1)) };
    Flow { transport, listener, remote: SocketAddr::from(([203, 0, 113, 1], 5060)), connection }
}

impl Play {
    fn receive(&mut self, from: Flow, bytes: &[u8]) {
        let auth = self.challenge.as_deref().and_then(Challenge::parse).and_then(|challenge| {
            let (method, uri) = (Method::Register, "sip:example.com");
            let answer = Answer { username: "101", password: "secret", method, uri, cnonce: "c", nc: 1 };
            answer_challenge(&challenge, &answer)
        });
        let bytes = replaced(bytes, b"@TAG@", &self.tag);
        let bytes = replaced(&bytes, b"@AUTH@", auth.unwrap_or_default().as_bytes());
        self.endpoint.handle_message(self.now, self.now, from, Bytes::from(bytes));
        self.drain();
    }

    /// A response to the last request that went out.
    fn respond(&mut self, rest: &[u8]) {
        let Some(request) = self.request.clone() else { return };
        let digits = rest.get(..3).and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| d.parse::<u16>().ok());
        let Some(code) = digits.filter(|code| (100..700).contains(code)) else { return };
        let source = SocketAddr::from(([192, 0, 2, 1], 5060));
        let whole = response_to(&request, code, None, Some("peer"), source).finish();
        let head = whole.strip_suffix(b"Content-Length: 0\r\n\r\n").unwrap_or(&whole);
        self.receive(flow(Transport::Udp), &[head, rest.get(3..).unwrap_or_default(), b"\r\n\r\n"].concat());
    }

    fn command(&mut self, letter: u8) {
        let now = self.now;
        if letter == b'n' {
            let session = self.endpoint.invite(now, an_invite());
            self.sessions.insert(session);
            self.last = Some(session);
            return self.drain();
        }
        let Some(session) = self.last else { return };
        let sdp = Bytes::from_static(SDP);
        match letter {
            b'a' => self.endpoint.answer(now, session, sdp),
            b'r' => self.endpoint.ring(now, session, None),
            b'e' => self.endpoint.ring(now, session, Some(sdp)),
            b'h' => self.endpoint.hang_up(now, session, Some("Q.850;cause=16".to_owned())),
            b'j' => self.endpoint.reject(now, session, a_rejection()),
            b'i' => self.endpoint.reinvite(now, session, sdp),
            b'o' => self.endpoint.answer_offer(now, session, sdp),
            b'x' => self.endpoint.refuse_offer(now, session, 488, None),
            b'f' => self.endpoint.handle_send_failed(now, flow(Transport::Udp)),
            b'c' => self.endpoint.handle_closed(now, 1),
            _ => {}
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Send { bytes, .. } => self.sent(bytes),
                Output::Event(Event::Incoming { session, .. }) => {
                    self.sessions.insert(session);
                    self.last = Some(session);
                }
                Output::Event(_) | Output::Link(_) | Output::Dialog(_) => {}
            }
        }
    }

    /// What goes out is well formed, whatever came in.
    fn sent(&mut self, bytes: Bytes) {
        if bytes.iter().all(|b| matches!(b, b'\r' | b'\n')) {
            return;
        }
        let message = Message::parse(bytes.clone()).unwrap_or_else(|e| panic!("sent {e}: {}", text(&bytes)));
        if message.is_request() {
            // A peer's Contact may have a scheme that we would not serve.
            let valid = validate(&message).or_else(|(code, why)| if code == 416 { Ok(()) } else { Err((code, why)) });
            assert_eq!(valid, Ok(()), "sent: {}", text(&bytes));
            self.request = Some(message);
            return;
        }
        self.tag = message.to_tag().unwrap_or_default().to_vec();
        if let Some(challenge) = message.header(HeaderName::WwwAuthenticate) {
            self.challenge = Some(challenge.to_vec());
        }
    }

    /// Lets time pass, deadline by deadline.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..DEADLINES_MAX {
            let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        panic!("deadlines without end");
    }

    /// Everybody hangs up; soon after nothing may be left.
    fn rest(&mut self) {
        for session in std::mem::take(&mut self.sessions) {
            self.endpoint.hang_up(self.now, session, None);
            self.endpoint.reject(self.now, session, a_rejection());
            self.drain();
        }
        self.pass(Duration::from_secs(400));
        assert!(self.endpoint.is_idle(), "something is left: {:?}", self.endpoint.stats());
    }
}

fn an_invite() -> Invite {
    Invite {
        flow: flow(Transport::Udp),
        uri: "sip:9@203.0.113.1".to_owned(),
        from_user: "500".to_owned(),
        from_display: None,
        to: "sip:9@203.0.113.1".to_owned(),
        routes: Vec::new(),
        sdp: Bytes::from_static(SDP),
        asserted: None,
        private: false,
        replaces: None,
        trunk: None,
        headers: Vec::new(),
    }
}

fn a_rejection() -> Rejection {
    Rejection { code: 480, reason: None, retry_after: None, warning: None }
}

/// `bytes` with each `what` become `by`.
fn replaced(bytes: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + by.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(what.len()).position(|w| w == what) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(by);
        rest = &rest[at + what.len()..];
    }
    out.extend_from_slice(rest);
    out
}
