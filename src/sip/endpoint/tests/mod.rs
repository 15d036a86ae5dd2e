//! Whole calls in real bytes on virtual time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::config::{Intervals, Listener, SipConfig, Transport, UserConfig};
use super::super::header::HeaderName;
use super::super::message::Message;
use super::super::message::Start;
use super::*;

mod calls;
mod identity;
mod links;
mod network;
mod orders;
mod orphans;
mod refusals;
mod register;
mod stats;
mod torture;
mod trunks;

const US: &str = "192.0.2.1:5060";
const PHONE: &str = "198.51.100.7:5070";
const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

fn config() -> SipConfig {
    let listener = |transport| Listener { transport, address: US.parse().unwrap(), advertised: None };
    let user = |password: &str| UserConfig { password: password.to_owned() };
    SipConfig {
        listeners: vec![listener(Transport::Udp), listener(Transport::Tcp)],
        domain: "hatif.test".to_owned(),
        users: HashMap::from([("101".to_owned(), user("secret")), ("102".to_owned(), user("other"))]),
        trunks: BTreeMap::from([("203.0.113.1".parse().unwrap(), "carrier".to_owned())]),
        fixed: BTreeMap::from([("203.0.113.1:6001".parse().unwrap(), BTreeSet::from(["102".to_owned()]))]),
        session_timer: Intervals::default(),
        ..SipConfig::default()
    }
}

fn udp(remote: &str) -> Flow {
    Flow { transport: Transport::Udp, listener: 0, remote: remote.parse().unwrap(), connection: None }
}

fn tcp(remote: &str, connection: u64) -> Flow {
    Flow { transport: Transport::Tcp, listener: 1, remote: remote.parse().unwrap(), connection: Some(connection) }
}

/// An endpoint, its time, and what came out of it.
struct World {
    endpoint: Endpoint,
    start: Instant,
    now: Instant,
    sent: Vec<(u64, Flow, Message)>,
    events: Vec<Event>,
    orders: Vec<LinkOrder>,
    notes: Vec<DialogNote>,
}

impl World {
    fn new() -> World {
        World::with(config())
    }

    fn with(config: SipConfig) -> World {
        let now = Instant::now();
        World {
            endpoint: Endpoint::new(config, [7; 32]),
            start: now,
            now,
            sent: Vec::new(),
            events: Vec::new(),
            orders: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Send { flow, bytes } => {
                    let at = (self.now - self.start).as_millis() as u64;
                    let message = Message::parse(bytes).unwrap();
                    validate(&message).unwrap();
                    self.sent.push((at, flow, message));
                }
                Output::Link(order) => self.orders.push(order),
                Output::Dialog(note) => self.notes.push(note),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    fn receive(&mut self, from: Flow, text: &str) {
        self.endpoint.handle_message(self.now, self.now, from, Bytes::from(text.to_owned()));
        self.drain();
    }

    fn act(&mut self, act: impl FnOnce(&mut Endpoint, Instant)) {
        act(&mut self.endpoint, self.now);
        self.drain();
    }

    /// Lets time pass, deadline by deadline.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// All that was sent since the last call.
    fn take_sent(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.sent).into_iter().map(|(_, _, m)| m).collect()
    }

    /// First lines of all that was sent since the last call.
    fn take_lines(&mut self) -> Vec<String> {
        self.take_sent().iter().map(line).collect()
    }

    fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The only message sent since the last call.
    fn take_one(&mut self) -> Message {
        let mut sent = self.take_sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    /// After all timers nothing may be left.
    fn assert_rests(&mut self) {
        self.pass(Duration::from_secs(100));
        assert!(self.endpoint.is_idle(), "{:?}", self.endpoint.stats());
        assert!(self.endpoint.tags.is_empty() && self.endpoint.timers.is_empty());
    }
}

/// The first line, without `SIP/2.0` and the URI.
fn line(message: &Message) -> String {
    match message.is_request() {
        true => message.method().label().to_owned(),
        false => format!("{} {}", message.code(), message.method().label()),
    }
}

fn value(message: &Message, name: HeaderName) -> String {
    String::from_utf8(message.header(name).unwrap_or_default().to_vec()).unwrap()
}

fn tag_of(value: &str) -> String {
    value.split(";tag=").nth(1).unwrap_or_default().to_owned()
}

/// A request of a phone.
struct Ask {
    method: &'static str,
    branch: &'static str,
    cseq: u32,
    from: String,
    to: String,
    more: String,
    body: &'static str,
}

impl Ask {
    fn new(method: &'static str, branch: &'static str, cseq: u32) -> Ask {
        Ask {
            method,
            branch,
            cseq,
            from: "\"Caller\" <sip:+96650@elsewhere.test>;tag=ft".to_owned(),
            to: "<sip:500@hatif.test>".to_owned(),
            more: String::new(),
            body: "",
        }
    }

    fn more(mut self, header: &str) -> Ask {
        self.more += header;
        self.more += "\r\n";
        self
    }

    fn tagged(mut self, tag: &str) -> Ask {
        self.to += ";tag=";
        self.to += tag;
        self
    }

    fn from(mut self, from: &str) -> Ask {
        self.from = from.to_owned();
        self
    }

    fn sdp(mut self) -> Ask {
        self.body = SDP;
        self.more("Content-Type: application/sdp")
    }

    fn text(&self) -> String {
        let Ask { method, branch, cseq, from, to, more, body } = self;
        format!(
            "{method} sip:500@hatif.test SIP/2.0\r\nVia: SIP/2.0/UDP {PHONE};rport;branch=z9hG4bK{branch}\r\nFrom: {from}\r\n\
             To: {to}\r\nCall-ID: call-1\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n\
             Contact: <sip:+96650@{PHONE}>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

/// A phone's response to a request of ours.
fn respond(request: &Message, code: u16, tag: &str, more: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {code} Whatever\r\n");
    for (name, header) in [
        ("Via", HeaderName::Via),
        ("From", HeaderName::From),
        ("Call-ID", HeaderName::CallId),
        ("CSeq", HeaderName::CSeq),
    ] {
        text += &format!("{name}: {}\r\n", value(request, header));
    }
    let to = value(request, HeaderName::To);
    let tagged = if to.contains(";tag=") || tag.is_empty() { to } else { format!("{to};tag={tag}") };
    text += &format!("To: {tagged}\r\n{more}");
    if !body.is_empty() {
        text += "Content-Type: application/sdp\r\n";
    }
    text + &format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

/// An INVITE of a stranger that reached `Incoming`; gives the session.
fn incoming(world: &mut World) -> SessionId {
    world.receive(udp(PHONE), &Ask::new("INVITE", "inv", 1).sdp().text());
    let session = match world.take_events().as_slice() {
        [Event::Incoming { session, .. }] => *session,
        other => panic!("{other:?}"),
    };
    assert_eq!(world.take_lines(), [""; 0], "a stranger may still be refused");
    world.act(|e, _| e.take_up(session));
    assert_eq!(world.take_lines(), ["100 INVITE"]);
    session
}

/// An answered and acknowledged incoming call; gives the session and our tag.
fn established(world: &mut World) -> (SessionId, String) {
    let session = incoming(world);
    world.act(|e, now| e.answer(now, session, Bytes::from(SDP)));
    let tag = tag_of(&value(&world.take_one(), HeaderName::To));
    world.receive(udp(PHONE), &Ask::new("ACK", "ack", 1).tagged(&tag).text());
    assert_eq!(world.take_events(), [Event::Acked { session }]);
    (session, tag)
}

fn invite() -> Invite {
    Invite {
        flow: udp(PHONE),
        uri: format!("sip:101@{PHONE}"),
        from_user: "+96650".to_owned(),
        from_display: Some("support".to_owned()),
        to: "sip:101@hatif.test".to_owned(),
        routes: Vec::new(),
        sdp: Bytes::from(SDP),
        asserted: None,
        private: false,
        replaces: None,
        trunk: None,
        headers: vec![("X-Hatif-Call".to_owned(), "call_1".to_owned())],
    }
}

/// Our INVITE on its way; gives the session and the request.
fn calling(world: &mut World) -> (SessionId, Message) {
    let mut session = None;
    world.act(|e, now| session = Some(e.invite(now, invite())));
    (session.unwrap(), world.take_one())
}

/// Our INVITE answered by fork `t1`; gives the session and the request.
fn answered(world: &mut World) -> (SessionId, Message) {
    let (session, request) = calling(world);
    world.receive(udp(PHONE), &respond(&request, 200, "t1", &format!("Contact: <sip:101@{PHONE}>\r\n"), SDP));
    assert_eq!(world.take_lines(), ["ACK"]);
    assert_eq!(world.take_events(), [Event::Answered { session, sdp: Some(Bytes::from(SDP)) }]);
    (session, request)
}

/// The URIs of phones that registered, each with whether it is the user's first.
fn registered(events: &[Event]) -> Vec<(String, bool)> {
    let one = |event: &Event| match event {
        Event::Registered { binding, new, .. } => Some((binding.uri.clone(), *new)),
        _ => None,
    };
    events.iter().filter_map(one).collect()
}

fn remote(address: &str) -> SocketAddr {
    address.parse().unwrap()
}
