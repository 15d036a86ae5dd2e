//! The phone as its owner sees it: start, register, call, wait.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::media::{Media, Packet, Source};
use super::sdp::Direction;
use super::ua::{Answering, Event, Options, State, Transport, Ua, Wire};

/// How long the SIP thread sleeps at most: the grain of its timers.
const GRAIN: Duration = Duration::from_millis(20);

/// Why a wait did not bring what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The other side refused with this status; 408 also when it never answered.
    #[error("refused with {0}")]
    Refused(u16),
    /// The deadline passed.
    #[error("nothing came within the time given")]
    TimedOut,
    /// The call cannot be sent: no port or no URI.
    #[error("the call cannot be sent")]
    Unsendable,
}

struct Shared {
    ua: Mutex<Ua>,
    changed: Condvar,
    stop: Mutex<bool>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ua> {
        self.ua.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the first event for which `pick` gives something, waiting for it at most `within`.
    fn wait<T>(&self, within: Duration, mut pick: impl FnMut(&Event) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + within;
        let mut ua = self.lock();
        loop {
            if let Some(at) = ua.events.iter().position(|e| pick(e).is_some()) {
                return ua.events.remove(at).and_then(|e| pick(&e));
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|l| !l.is_zero())?;
            ua = self.changed.wait_timeout(ua, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A SIP phone with one line or more. Dropping it hangs up, unregisters and stops its threads.
pub struct Phone {
    shared: Arc<Shared>,
    local: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Phone {
    /// Opens the sockets and listens.
    ///
    /// # Errors
    ///
    /// The port is taken, or the connection (TCP) is refused.
    pub fn start(options: Options) -> io::Result<Self> {
        let bind = SocketAddr::new(options.bind, options.port);
        let (wire, reader, local) = match options.transport {
            Transport::Udp => {
                let socket = UdpSocket::bind(bind)?;
                socket.set_read_timeout(Some(GRAIN))?;
                let local = socket.local_addr()?;
                (Wire::Udp(socket.try_clone()?), Wire::Udp(socket), local)
            }
            Transport::Tcp => {
                let stream = TcpStream::connect_timeout(&options.server, Duration::from_secs(3))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(GRAIN))?;
                let local = stream.local_addr()?;
                (Wire::Tcp(stream.try_clone()?), Wire::Tcp(stream), local)
            }
        };
        let server = options.server;
        let ua = Mutex::new(Ua::new(options, local, wire));
        let shared = Arc::new(Shared { ua, changed: Condvar::new(), stop: Mutex::new(false) });
        let held = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("robot-sip".into()).spawn(move || match reader {
            Wire::Udp(socket) => read_datagrams(&held, &socket),
            Wire::Tcp(stream) => read_stream(&held, stream, server),
        })?;
        Ok(Self { shared, local, thread: Some(thread) })
    }

    /// Our SIP address.
    pub fn address(&self) -> SocketAddr {
        self.local
    }

    /// Our Contact URI, as the registrar lists it.
    pub fn contact(&self) -> String {
        self.shared.lock().contact()
    }

    /// Registers, and refreshes from then on. Returns all bindings of the user as URIs.
    ///
    /// # Errors
    ///
    /// The registrar refused, or `within` passed.
    pub fn register(&self, within: Duration) -> Result<Vec<String>, Failure> {
        let expires = self.shared.lock().options.expires;
        self.registration(Some(expires), within)
    }

    /// Removes our binding. Returns the bindings that are left.
    ///
    /// # Errors
    ///
    /// As [`Phone::register`].
    pub fn unregister(&self, within: Duration) -> Result<Vec<String>, Failure> {
        self.registration(Some(0), within)
    }

    /// Asks for the bindings without changing them (RFC 3261 §10.2.3); our own refreshing stops.
    ///
    /// # Errors
    ///
    /// As [`Phone::register`].
    pub fn bindings(&self, within: Duration) -> Result<Vec<String>, Failure> {
        self.registration(None, within)
    }

    fn registration(&self, expires: Option<u32>, within: Duration) -> Result<Vec<String>, Failure> {
        let stale = |e: &Event| matches!(e, Event::Registered { .. } | Event::RegistrationFailed { .. });
        {
            let mut ua = self.shared.lock();
            ua.events.retain(|e| !stale(e));
            ua.register(expires);
        }
        let answer = self.shared.wait(within, |e| match e {
            Event::Registered { contacts } => Some(Ok(contacts.clone())),
            Event::RegistrationFailed { code } => Some(Err(Failure::Refused(*code))),
            _ => None,
        });
        answer.unwrap_or(Err(Failure::TimedOut))
    }

    /// Calls a number at the server, or a whole `sip:` URI through it.
    ///
    /// # Errors
    ///
    /// No port is free, or `target` makes no URI.
    pub fn invite(&self, target: &str) -> Result<Call, Failure> {
        self.invite_with(target, Vec::new())
    }

    /// As [`Phone::invite`], with further headers.
    ///
    /// # Errors
    ///
    /// As [`Phone::invite`].
    pub fn invite_with(&self, target: &str, headers: Vec<(&'static str, String)>) -> Result<Call, Failure> {
        let mut ua = self.shared.lock();
        let uri = match target.starts_with("sip:") {
            true => target.to_owned(),
            false => format!("sip:{target}@{}", ua.options.server),
        };
        let id = ua.invite(&uri, headers).ok_or(Failure::Unsendable)?;
        self.handle(&ua, id).ok_or(Failure::Unsendable)
    }

    /// Waits for a call that comes in (and was dealt with as [`Answering`] says).
    ///
    /// # Errors
    ///
    /// None came.
    pub fn incoming(&self, within: Duration) -> Result<Call, Failure> {
        let pick = |e: &Event| match e {
            Event::Incoming { call, from, display, headers } => {
                Some((*call, from.clone(), display.clone(), headers.clone()))
            }
            _ => None,
        };
        let (id, from, display, headers) = self.shared.wait(within, pick).ok_or(Failure::TimedOut)?;
        let mut call = self.handle(&self.shared.lock(), id).ok_or(Failure::TimedOut)?;
        (call.from, call.display, call.headers) = (from, display, headers);
        Ok(call)
    }

    fn handle(&self, ua: &Ua, id: u64) -> Option<Call> {
        let media = Arc::clone(&ua.call(id)?.media);
        let shared = Arc::clone(&self.shared);
        Some(Call { id, from: String::new(), display: None, headers: Vec::new(), shared, media })
    }

    /// What to do with calls from now on.
    pub fn set_answering(&self, answering: Answering) {
        self.shared.lock().options.answering = answering
    }

    /// What to say in calls from now on.
    pub fn set_source(&self, source: Source) {
        self.shared.lock().options.source = source
    }

    /// Asks the server what it can do; returns the status.
    ///
    /// # Errors
    ///
    /// No answer came.
    pub fn options(&self, within: Duration) -> Result<u16, Failure> {
        self.shared.lock().options();
        let pick = |e: &Event| match e {
            Event::OptionsAnswered { code } => Some(*code),
            _ => None,
        };
        self.shared.wait(within, pick).ok_or(Failure::TimedOut)
    }

    /// Takes the first event that fits, waiting for it at most `within`. Events wait in order until taken.
    pub fn wait_for(&self, within: Duration, mut fits: impl FnMut(&Event) -> bool) -> Option<Event> {
        self.shared.wait(within, |e| fits(e).then(|| e.clone()))
    }

    /// Messages that came and could not be read.
    pub fn unreadable(&self) -> u64 {
        self.shared.lock().unreadable
    }

    /// All messages, for people: with `->` sent and `<-` received, and ms since the first.
    pub fn trace(&self) -> String {
        let ua = self.shared.lock();
        let Some((first, ..)) = ua.trace.front() else { return String::new() };
        let line = |(at, sent, text): &(Instant, bool, String)| {
            let arrow = if *sent { "->" } else { "<-" };
            format!("{arrow} {} ms\n{text}\n", at.duration_since(*first).as_millis())
        };
        ua.trace.iter().map(line).collect()
    }

    /// Messages whose first line begins with `start`, sent or received: for counting retransmissions.
    pub fn count(&self, sent: bool, start: &str) -> usize {
        self.shared.lock().trace.iter().filter(|(_, s, text)| *s == sent && text.starts_with(start)).count()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        {
            let mut ua = self.shared.lock();
            for id in ua.live_calls() {
                ua.hang_up(id);
            }
            if ua.registered() {
                ua.register(Some(0));
            }
        }
        // The farewells are given a moment to be answered (a challenge, a lost datagram), not more.
        let deadline = Instant::now() + Duration::from_millis(700);
        while self.shared.lock().waiting() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        *self.shared.stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One call of a phone. Dropping it does not hang up; what was heard can be read after the end too.
pub struct Call {
    /// Its number at this phone; events name it.
    pub id: u64,
    /// User part of From; empty for calls that go out.
    pub from: String,
    /// Display name of From.
    pub display: Option<String>,
    /// Headers of the INVITE that came.
    pub headers: Vec<(String, String)>,
    shared: Arc<Shared>,
    media: Arc<Media>,
}

impl Call {
    /// First value of a header of the INVITE that came.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Waits until it is answered, by either side.
    ///
    /// # Errors
    ///
    /// Refused, or `within` passed.
    pub fn answered(&self, within: Duration) -> Result<(), Failure> {
        let id = self.id;
        let answer = self.shared.wait(within, |e| match e {
            Event::Answered { call } if *call == id => Some(Ok(())),
            Event::Failed { call, code, .. } if *call == id => Some(Err(Failure::Refused(*code))),
            Event::Cancelled { call } if *call == id => Some(Err(Failure::Refused(487))),
            _ => None,
        });
        answer.unwrap_or(Err(Failure::TimedOut))
    }

    /// Waits for the status with which our INVITE is refused; `None` when `within` passes or it is answered.
    pub fn refused(&self, within: Duration) -> Option<u16> {
        match self.answered(within) {
            Err(Failure::Refused(code)) => Some(code),
            Ok(()) | Err(_) => None,
        }
    }

    /// Waits for a provisional response to our INVITE and returns its status.
    pub fn progress(&self, within: Duration) -> Option<u16> {
        let id = self.id;
        self.shared.wait(within, |e| match e {
            Event::Progress { call, code } if *call == id => Some(*code),
            _ => None,
        })
    }

    /// Waits until the other side ended it: BYE, or CANCEL while it rang here.
    pub fn ended(&self, within: Duration) -> bool {
        let id = self.id;
        let pick = |e: &Event| match e {
            Event::Ended { call, .. } | Event::Cancelled { call } if *call == id => Some(()),
            _ => None,
        };
        self.shared.wait(within, pick).is_some()
    }

    /// True while it is being set up or talks.
    pub fn live(&self) -> bool {
        self.shared.lock().call(self.id).is_some_and(|d| d.state != State::Over)
    }

    /// True while it talks.
    pub fn up(&self) -> bool {
        self.shared.lock().call(self.id).is_some_and(|d| d.state == State::Up)
    }

    /// Answers it with 200.
    pub fn answer(&self) {
        self.shared.lock().answer(self.id)
    }

    /// Refuses it.
    pub fn reject(&self, code: u16) {
        self.shared.lock().respond(self.id, code)
    }

    /// Ends it, whatever its state: CANCEL, 480 or BYE.
    pub fn hang_up(&self) {
        self.shared.lock().hang_up(self.id)
    }

    /// Ends it and waits for the answer to BYE or CANCEL; returns its status.
    pub fn hang_up_and_wait(&self, within: Duration) -> Option<u16> {
        self.hang_up();
        let id = self.id;
        self.shared.wait(within, |e| match e {
            Event::ByeAnswered { call, code } | Event::CancelAnswered { call, code } if *call == id => Some(*code),
            _ => None,
        })
    }

    /// Puts the other side on hold by re-INVITE (`sendonly`), and waits for the answer.
    pub fn hold(&self, within: Duration) -> Option<u16> {
        self.reinvite(Direction::SendOnly, within)
    }

    /// Takes the other side back (`sendrecv`), and waits for the answer.
    pub fn resume(&self, within: Duration) -> Option<u16> {
        self.reinvite(Direction::SendRecv, within)
    }

    fn reinvite(&self, direction: Direction, within: Duration) -> Option<u16> {
        self.shared.lock().reinvite(self.id, direction);
        let id = self.id;
        self.shared.wait(within, |e| match e {
            Event::OfferAnswered { call, code } if *call == id => Some(*code),
            _ => None,
        })
    }

    /// Says something else from now on.
    pub fn say(&self, source: Source) {
        self.media.say(source)
    }

    /// Presses keys (RFC 4733) and waits until the last is out; false when the other side takes no events.
    pub fn press(&self, digits: &str) -> bool {
        if self.media.way().and_then(|w| w.events).is_none() {
            return false;
        }
        self.media.press(digits);
        let deadline = Instant::now() + Duration::from_secs(1) * (digits.len() as u32 + 2);
        while !self.media.pressed() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.media.pressed()
    }

    /// Tells a key by INFO, beside the media.
    pub fn tell_key(&self, key: char) {
        self.shared.lock().tell_key(self.id, key)
    }

    /// All sound heard so far (8 kHz); lost packets are silence.
    pub fn heard(&self) -> Vec<i16> {
        self.media.heard()
    }

    /// The sound heard since `from`.
    pub fn heard_since(&self, from: Instant) -> Vec<i16> {
        self.media.heard_since(from)
    }

    /// Listens for `length` from now on and returns what came.
    pub fn listen(&self, length: Duration) -> Vec<i16> {
        let from = Instant::now();
        std::thread::sleep(length);
        self.heard_since(from)
    }

    /// Every RTP packet heard.
    pub fn packets(&self) -> Vec<Packet> {
        self.media.packets()
    }

    /// Keys the other side pressed.
    pub fn digits(&self) -> String {
        self.media.digits()
    }

    /// RTCP packets heard.
    pub fn reports(&self) -> u32 {
        self.media.reports()
    }

    /// Our RTP address.
    pub fn media_address(&self) -> SocketAddr {
        self.media.local
    }

    /// Where the other side's SDP wants RTP; `None` before it was answered.
    pub fn peer_media(&self) -> Option<SocketAddr> {
        self.media.peer()
    }

    /// Goes on as another source: this SSRC, other numbers.
    pub fn set_ssrc(&self, ssrc: u32) {
        self.media.set_ssrc(ssrc)
    }

    /// When the first packet of what is said now was due; `None` before it left.
    pub fn said_at(&self) -> Option<Instant> {
        self.media.said_at()
    }
}

fn read_datagrams(shared: &Shared, socket: &UdpSocket) {
    let mut buffer = vec![0u8; 65_536];
    while !shared.stopped() {
        let got = socket.recv_from(&mut buffer);
        let mut ua = shared.lock();
        if let Ok((length, source)) = got {
            ua.receive(buffer.get(..length).unwrap_or_default(), source);
        }
        ua.tick(Instant::now());
        drop(ua);
        shared.changed.notify_all();
    }
}

fn read_stream(shared: &Shared, mut stream: TcpStream, server: SocketAddr) {
    let (mut buffer, mut chunk) = (Vec::new(), vec![0u8; 16_384]);
    let mut open = true;
    while !shared.stopped() {
        match if open { stream.read(&mut chunk) } else { Err(io::ErrorKind::TimedOut.into()) } {
            Ok(0) => open = false,
            Ok(length) => buffer.extend_from_slice(chunk.get(..length).unwrap_or_default()),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if !open {
                    std::thread::sleep(GRAIN);
                }
            }
            Err(_) => open = false,
        }
        let mut ua = shared.lock();
        while let Some(message) = take_message(&mut buffer) {
            ua.receive(&message, server);
        }
        ua.tick(Instant::now());
        drop(ua);
        shared.changed.notify_all();
    }
}

/// Cuts one whole message off the front of a stream (RFC 3261 §18.3).
fn take_message(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let blank = buffer.iter().take_while(|b| b"\r\n".contains(b)).count();
    buffer.drain(..blank);
    let head = buffer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(buffer.get(..head)?);
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let known = name.trim().eq_ignore_ascii_case("content-length") || name.trim().eq_ignore_ascii_case("l");
        known.then(|| value.trim().parse::<usize>().ok())?
    });
    let end = head + length.unwrap_or(0);
    (buffer.len() >= end).then(|| buffer.drain(..end).collect())
}

#[cfg(test)]
#[path = "phone_tests.rs"]
mod tests;
