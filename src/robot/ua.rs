//! The user agent behind a phone: transactions, dialogs, registration (RFC 3261, RFC 6026, RFC 3264).
//!
//! Runs inside the phone's lock; every method sends at once and puts what happened into `events`.

mod incoming;
mod outgoing;
mod registration;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rsip::Method;

use super::audio::Codec;
use super::media::{Line, Media, Source, Way, random_u64};
use super::sdp::{self, Direction};
use super::sip::{self, Challenge, Message};

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const T4: Duration = Duration::from_secs(5);
/// Timers B, F, H, J: 64·T1.
const GIVE_UP: Duration = Duration::from_secs(32);
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS";
/// Events and messages kept for those who ask later.
const KEPT_EVENTS: usize = 2_000;
const KEPT_MESSAGES: usize = 2_000;

/// How messages travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// Datagrams, with retransmissions.
    Udp,
    /// One connection to the server, opened at the start.
    Tcp,
}

/// What a phone does with an INVITE.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answering {
    /// 180 at once and 200 after so long; at zero 200 without 180.
    After(Duration),
    /// This final status at once.
    Reject(u16),
    /// 180 and nothing more.
    RingForever,
    /// Not even 100.
    Silent,
    /// 180; the owner of the phone decides by [`super::Call`].
    Manual,
}

/// What a phone is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where all requests go.
    pub server: SocketAddr,
    /// Address of our sockets.
    pub bind: IpAddr,
    /// Port of our SIP socket; 0 = any.
    pub port: u16,
    /// How.
    pub transport: Transport,
    /// User part of our address.
    pub user: String,
    /// User of the credentials when it is not `user`.
    pub auth_user: Option<String>,
    /// Password; without one challenges are not answered.
    pub password: Option<String>,
    /// Host part of our address of record.
    pub domain: String,
    /// Display name.
    pub display: Option<String>,
    /// Codecs in our order.
    pub codecs: Vec<Codec>,
    /// Takes and sends keys as telephone-events.
    pub events: bool,
    /// What to say in every call.
    pub source: Source,
    /// What to do with calls.
    pub answering: Answering,
    /// Calls at once; one more gets 486.
    pub lines: usize,
    /// Sound kept for each call, in ms; 0 = none.
    pub keep_ms: u64,
    /// Seconds asked for when registering; refreshed at half of what is granted.
    pub expires: u32,
    /// What lies between the media of each call and the network.
    pub line: Option<Arc<dyn Line>>,
}

impl Options {
    /// A silent phone on UDP that lets calls ring; its domain is the server's address.
    pub fn new(server: SocketAddr, user: &str) -> Self {
        let bind = if server.ip().is_loopback() { server.ip() } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
        Self {
            server,
            bind,
            port: 0,
            transport: Transport::Udp,
            user: user.into(),
            auth_user: None,
            password: None,
            domain: server.ip().to_string(),
            display: None,
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            events: true,
            source: Source::Silence,
            answering: Answering::Manual,
            lines: 1,
            keep_ms: 600_000,
            expires: 300,
            line: None,
        }
    }

    /// With this password.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Saying this in every call.
    pub fn says(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// Taking calls like this.
    pub fn answers(mut self, answering: Answering) -> Self {
        self.answering = answering;
        self
    }
}

/// What happened to a phone. `call` is [`super::Call::id`], `code` a SIP status, `headers` those of the message.
#[derive(Clone, Debug, Eq, PartialEq)]
#[allow(missing_docs)]
pub enum Event {
    /// 200 to REGISTER, with all bindings of the user as URIs.
    Registered { contacts: Vec<String> },
    /// Final refusal of REGISTER; 408 = no answer.
    RegistrationFailed { code: u16 },
    /// An INVITE came (and was answered as [`Answering`] says).
    Incoming { call: u64, from: String, display: Option<String>, headers: Vec<(String, String)> },
    /// 101–199 to our INVITE.
    Progress { call: u64, code: u16 },
    /// 2xx to our INVITE, ACK sent; or our 2xx went out.
    Answered { call: u64 },
    /// ACK to our 2xx.
    Acked { call: u64 },
    /// Final refusal of our INVITE; 408 = no answer. The call is over.
    Failed { call: u64, code: u16, headers: Vec<(String, String)> },
    /// CANCEL for a call that rang here. The call is over.
    Cancelled { call: u64 },
    /// BYE from the other side, or no ACK for 32 s. The call is over.
    Ended { call: u64, headers: Vec<(String, String)> },
    /// Final answer to our BYE; 408 = none.
    ByeAnswered { call: u64, code: u16 },
    /// Final answer to our CANCEL.
    CancelAnswered { call: u64, code: u16 },
    /// The other side changed the session: true when it no longer sends or no longer listens.
    Offered { call: u64, hold: bool },
    /// Final answer to our re-INVITE.
    OfferAnswered { call: u64, code: u16 },
    /// Final answer to our OPTIONS; 408 = none.
    OptionsAnswered { code: u16 },
}

/// The socket.
pub(super) enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Wire {
    fn send(&mut self, bytes: &[u8], to: SocketAddr) {
        // A lost datagram is resent; a broken connection shows as a time-out.
        let _ = match self {
            Self::Udp(socket) => socket.send_to(bytes, to).map(|_| ()),
            Self::Tcp(stream) => stream.write_all(bytes),
        };
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Purpose {
    Register,
    Invite(u64),
    Reinvite(u64),
    Bye(u64),
    Cancel(u64),
    Options,
    Info,
}

/// A client transaction.
struct Client {
    purpose: Purpose,
    bytes: Vec<u8>,
    to: SocketAddr,
    resend: Option<(Instant, Duration)>,
    until: Instant,
    /// The ACK of a refused INVITE, resent for each repeated refusal.
    ack: Option<Vec<u8>>,
    done: bool,
}

/// A server transaction.
struct Server {
    request: Message,
    source: SocketAddr,
    response: Vec<u8>,
    code: u16,
    resend: Option<(Instant, Duration)>,
    until: Instant,
    call: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// INVITE sent, nothing heard.
    Calling,
    /// 1xx heard.
    Proceeding,
    /// CANCEL sent or wanted.
    Cancelling,
    /// INVITE received, not answered.
    Incoming,
    /// Talking.
    Up,
    /// Gone.
    Over,
}

pub(super) struct Dialog {
    pub(super) state: State,
    pub(super) media: Arc<Media>,
    call_id: String,
    local_tag: String,
    remote_tag: Option<String>,
    local: String,
    remote: String,
    target: String,
    routes: Vec<String>,
    to: SocketAddr,
    cseq: u32,
    ack: Option<Vec<u8>>,
    /// Branch of the INVITE that set it up.
    branch: String,
    headers: Vec<(&'static str, String)>,
    answer_at: Option<Instant>,
    tried: bool,
    session: u64,
    version: u64,
    direction: Direction,
    offer: Option<sdp::Remote>,
    over_at: Option<Instant>,
    bye_after_ack: bool,
}

pub(super) struct Ua {
    pub(super) options: Options,
    local: SocketAddr,
    wire: Wire,
    calls: BTreeMap<u64, Dialog>,
    next_call: u64,
    clients: BTreeMap<String, Client>,
    servers: BTreeMap<String, Server>,
    pub(super) events: VecDeque<Event>,
    pub(super) trace: VecDeque<(Instant, bool, String)>,
    pub(super) unreadable: u64,
    challenge: Option<Challenge>,
    register_tag: String,
    register_id: String,
    register_cseq: u32,
    register_tries: u32,
    register_contact: Option<u32>,
    refresh_at: Option<Instant>,
}

impl Ua {
    pub(super) fn new(options: Options, local: SocketAddr, wire: Wire) -> Self {
        Self {
            options,
            local,
            wire,
            calls: BTreeMap::new(),
            next_call: 1,
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            events: VecDeque::new(),
            trace: VecDeque::new(),
            unreadable: 0,
            challenge: None,
            register_tag: token(),
            register_id: token(),
            register_cseq: 0,
            register_tries: 0,
            register_contact: None,
            refresh_at: None,
        }
    }

    fn event(&mut self, event: Event) {
        if self.events.len() >= KEPT_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn log(&mut self, sent: bool, bytes: &[u8]) {
        if self.trace.len() >= KEPT_MESSAGES {
            self.trace.pop_front();
        }
        self.trace.push_back((Instant::now(), sent, String::from_utf8_lossy(bytes).into_owned()));
    }

    fn send(&mut self, bytes: &[u8], to: SocketAddr) {
        self.log(true, bytes);
        self.wire.send(bytes, to);
    }

    fn udp(&self) -> bool {
        self.options.transport == Transport::Udp
    }

    /// Our address with which others reach us.
    pub(super) fn contact(&self) -> String {
        let transport = if self.udp() { "" } else { ";transport=tcp" };
        format!("sip:{}@{}{transport}", self.options.user, self.local)
    }

    /// The sockets of one call.
    fn open_media(&self) -> io::Result<Media> {
        let options = &self.options;
        Media::open(options.bind, options.source.clone(), options.keep_ms, options.line.clone())
    }

    fn own_address(&self) -> String {
        let uri = format!("<sip:{}@{}>", self.options.user, self.options.domain);
        match &self.options.display {
            Some(name) => format!("\"{name}\" {uri}"),
            None => uri,
        }
    }

    fn via(&self, branch: &str) -> (&'static str, String) {
        let transport = if self.udp() { "UDP" } else { "TCP" };
        ("Via", format!("SIP/2.0/{transport} {};rport;branch={branch}", self.local))
    }

    /// Starts a client transaction and returns its branch; `None` when `uri` cannot be written.
    fn start(
        &mut self,
        purpose: Purpose,
        method: Method,
        uri: &str,
        to: SocketAddr,
        mut headers: Vec<(&'static str, String)>,
        body: &[u8],
    ) -> Option<String> {
        let now = Instant::now();
        let branch = format!("z9hG4bK{}", token());
        headers.insert(0, self.via(&branch));
        headers.insert(1, ("Max-Forwards", "70".into()));
        if !body.is_empty() {
            let kind = if method == Method::Info { "application/dtmf-relay" } else { "application/sdp" };
            headers.push(("Content-Type", kind.into()));
        }
        headers.push(("User-Agent", "hatif-robot".into()));
        let bytes = sip::request(method, uri, &headers, body).ok()?;
        self.send(&bytes, to);
        let resend = self.udp().then_some((now + T1, T1));
        let client = Client { purpose, bytes, to, resend, until: now + GIVE_UP, ack: None, done: false };
        self.clients.insert(key(&branch, method), client);
        Some(branch)
    }

    /// One message from the network.
    pub(super) fn receive(&mut self, bytes: &[u8], source: SocketAddr) {
        if bytes.iter().all(|b| b"\r\n".contains(b)) {
            return;
        }
        self.log(false, bytes);
        let Some(message) = Message::parse(bytes) else {
            self.unreadable += 1;
            return;
        };
        match (message.method(), message.code()) {
            (Some(method), _) => self.request(method, message, source),
            (None, Some(code)) => self.response(code, &message),
            (None, None) => {}
        }
    }

    /// Runs every timer that is due; called at least every 20 ms.
    pub(super) fn tick(&mut self, now: Instant) {
        let mut sends = Vec::new();
        let mut lost = Vec::new();
        self.clients.retain(|name, client| {
            if let Some((at, wait)) = client.resend.filter(|(at, _)| *at <= now) {
                sends.push((client.bytes.clone(), client.to));
                let invite = name.ends_with("INVITE");
                let wait = if invite { wait * 2 } else { (wait * 2).min(T2) };
                client.resend = Some((at + wait, wait));
            }
            let over = client.until <= now;
            if over && !client.done {
                lost.push(client.purpose);
            }
            !over
        });
        let mut unacknowledged = Vec::new();
        self.servers.retain(|_, server| {
            if let Some((at, wait)) = server.resend.filter(|(at, _)| *at <= now) {
                sends.push((server.response.clone(), server.source));
                let wait = (wait * 2).min(T2);
                server.resend = Some((at + wait, wait));
            }
            let over = server.until <= now;
            if over && server.code / 100 == 2 && server.resend.is_some() {
                unacknowledged.extend(server.call);
            }
            !over
        });
        for (bytes, to) in sends {
            self.send(&bytes, to);
        }
        for purpose in lost {
            self.outcome(purpose, 408, None);
        }
        for id in unacknowledged {
            self.send_bye(id);
            self.event(Event::Ended { call: id, headers: Vec::new() });
        }
        let due = |d: &Dialog| d.answer_at.is_some_and(|at| at <= now);
        let answers: Vec<u64> = self.calls.iter().filter(|(_, d)| due(d)).map(|(id, _)| *id).collect();
        for id in answers {
            self.answer(id);
        }
        self.calls.retain(|_, d| d.over_at.is_none_or(|at| now < at + GIVE_UP));
        if self.refresh_at.is_some_and(|at| at <= now) {
            let expires = self.options.expires;
            self.register(Some(expires));
        }
    }

    /// One call, while it is known: until 32 s after its end.
    pub(super) fn call(&self, id: u64) -> Option<&Dialog> {
        self.calls.get(&id)
    }

    /// Calls that are not over.
    pub(super) fn live_calls(&self) -> Vec<u64> {
        self.calls.iter().filter(|(_, d)| d.state != State::Over).map(|(id, _)| *id).collect()
    }

    /// Whether a refresh is planned: we are bound as far as we know.
    pub(super) fn registered(&self) -> bool {
        self.refresh_at.is_some()
    }

    /// Whether a request of ours still waits for its final response.
    pub(super) fn waiting(&self) -> bool {
        self.clients.values().any(|c| !c.done)
    }
}

impl Dialog {
    fn request_headers(&self, method: &str) -> Vec<(&'static str, String)> {
        let mut to = self.remote.clone();
        // CANCEL and the first INVITE have no tag of the other side.
        if let Some(tag) = self.remote_tag.as_ref().filter(|_| method != "CANCEL") {
            to = format!("{to};tag={tag}");
        }
        let mut headers = vec![
            ("From", format!("{};tag={}", self.local, self.local_tag)),
            ("To", to),
            ("Call-ID", self.call_id.clone()),
            ("CSeq", format!("{} {method}", self.cseq)),
        ];
        headers.extend(self.routes.iter().map(|r| ("Route", r.clone())));
        headers
    }

    /// Takes tag, target and routes from a 2xx (RFC 3261 §12.1.2).
    fn learn(&mut self, response: &Message) {
        self.remote_tag = response.to_tag();
        if let Some(contact) = response.header("Contact") {
            self.target = sip::address(contact).to_owned();
        }
        let mut routes: Vec<String> =
            response.values("Record-Route").flat_map(sip::split_list).map(str::to_owned).collect();
        routes.reverse();
        self.routes = routes;
        // Requests go to the next hop's address when it is one; names are not looked up.
        let hop = self.routes.first().map_or(self.target.as_str(), |r| sip::address(r));
        let host = sip::user_and_host(hop).1;
        if let Ok(to) = host.parse().or_else(|_| host.parse().map(|ip: IpAddr| SocketAddr::new(ip, 5060))) {
            self.to = to;
        }
    }

    /// Puts the other side's session into force; `None` when no codec fits.
    fn set_way(&self, remote: &sdp::Remote, options: &Options) -> Option<Way> {
        let codec = remote.codecs.iter().copied().find(|c| options.codecs.contains(c))?;
        let events = remote.events.filter(|_| options.events);
        let send = remote.direction.mirrored().sends() && self.direction.sends();
        let way = Way { remote: remote.address, codec, events, send };
        self.media.set_way(way);
        Some(way)
    }
}

fn key(branch: &str, method: Method) -> String {
    format!("{branch} {method}")
}

/// 64 random bits as text: tags, branches, Call-IDs.
fn token() -> String {
    format!("{:016x}", random_u64())
}
