//! The engine's thread: datagrams, inbox and timers in, everything the engine asks for out.
//!
//! One epoll waits for the SIP sockets and for a bell, rung when somebody put something into the inbox or a media thread
//! into its ring.
//! The thread never waits for anything else: streams, disk and media have threads of their own.

#![allow(clippy::disallowed_methods, reason = "this is the shell: it owns the sockets and reads the clock")]

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::event::{Timespec, epoll};

use crate::engine::{Engine, Fetch, ForkOrder, Input, Output, Synthesis};
use crate::id::{CallId, RecordingId};
use crate::journal::Entry;
use crate::sip::config::Transport;
use crate::sip::{Flow, LinkOrder};

use super::bell::Bell;
use super::datagram::Datagrams;
use super::media::{MediaLines, RETRY};

/// Datagrams read from one socket before timers, the inbox and media get their turn.
const BATCH: usize = 64;

/// Letters read from the inbox, and events of media, before the others get their turn.
const LETTERS: usize = 256;

/// Letters in the inbox from which on streams wait.
const CROWD: usize = 4_096;

/// How long the thread waits at its end for media to take what it was sent.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What the engine's outputs go to.
pub struct Outlets {
    /// Media shards: commands there, events back.
    pub media: MediaLines,
    /// The journal.
    pub journal: Box<dyn FnMut(Entry) + Send>,
    /// The journal's commit request.
    pub commit: Box<dyn FnMut(u64) + Send>,
    /// Streams; false when the message cannot be sent.
    pub stream: Box<dyn FnMut(Flow, Bytes) -> bool + Send>,
    /// What streams are to know of a connection.
    pub link: Box<dyn FnMut(LinkOrder) + Send>,
    /// The sound of recordings.
    pub load: Box<dyn FnMut(CallId, RecordingId) + Send>,
    /// Requests to HTTP services.
    pub fetch: Box<dyn FnMut(Fetch) + Send>,
    /// Sentences to be spoken by a voice.
    pub speak: Box<dyn FnMut(Synthesis) + Send>,
    /// Bots that hear callers.
    pub fork: Box<dyn FnMut(ForkOrder) + Send>,
    /// The last call is over after a drain.
    pub drained: Box<dyn FnMut() + Send>,
}

/// A question to the engine, answered on its thread between two inputs.
pub type Question = Box<dyn FnOnce(&mut Engine, Instant) + Send>;

enum Letter {
    Input(Input),
    Question(Question),
    Stop,
}

/// Puts things into the engine's inbox. Cheap to clone; never waits.
#[derive(Clone)]
pub struct Inbox {
    letters: Sender<Letter>,
    bell: Arc<Bell>,
}

impl Inbox {
    /// Tells the engine. After the engine stopped, nothing happens.
    pub fn send(&self, input: Input) {
        self.post(Letter::Input(input));
    }

    /// Asks the engine something; `question` runs on its thread and must be quick.
    pub fn ask(&self, question: Question) {
        self.post(Letter::Question(question));
    }

    /// True when so much waits that who can wait should: streams stop reading.
    pub fn is_crowded(&self) -> bool {
        self.letters.len() > CROWD
    }

    fn post(&self, letter: Letter) {
        // A failed send means that the engine is gone: there is nobody to tell.
        let _ = self.letters.send(letter);
        self.bell.ring();
    }

    /// What wakes the engine: for media threads, which have rings of their own.
    pub fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }
}

/// The running engine thread.
pub struct Driver {
    inbox: Inbox,
    thread: Option<JoinHandle<()>>,
}

/// Opens a SIP datagram socket, non-blocking, with room for a burst of messages.
///
/// # Errors
///
/// The system's: address in use, not ours, no permission.
pub fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = if address.is_ipv4() { socket2::Domain::IPV4 } else { socket2::Domain::IPV6 };
    let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, None)?;
    // Ten thousand messages of a burst: the kernel gives what its limit allows.
    let _ = socket.set_recv_buffer_size(8 << 20);
    let _ = socket.set_send_buffer_size(2 << 20);
    if address.is_ipv6() {
        // What IPv4 phones see stays IPv4: `0.0.0.0` is a listener of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Opens a listener for streams, non-blocking. An IPv6 one takes no IPv4, as for datagrams.
///
/// # Errors
///
/// The system's: address in use, not ours, no permission.
pub fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = if address.is_ipv4() { socket2::Domain::IPV4 } else { socket2::Domain::IPV6 };
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of the last process may still be in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    Ok(socket.into())
}

/// Makes the inbox before the engine exists, so that others can be told where to write.
///
/// # Errors
///
/// The system's, when it gives no more file descriptors.
pub fn inbox() -> io::Result<(Inbox, Mail)> {
    let (letters, received) = unbounded();
    let bell = Arc::new(Bell::new()?);
    let mail = Mail { received, bell: Arc::clone(&bell) };
    Ok((Inbox { letters, bell }, mail))
}

/// The reading end of an [`Inbox`].
pub struct Mail {
    received: Receiver<Letter>,
    bell: Arc<Bell>,
}

impl Driver {
    /// Starts the thread. `sockets` are the UDP listeners with their index in the configuration.
    ///
    /// # Errors
    ///
    /// The system's, when epoll or the thread cannot be made.
    pub fn start(
        engine: Engine,
        inbox: Inbox,
        mail: Mail,
        sockets: Vec<(u16, UdpSocket)>,
        outlets: Outlets,
    ) -> io::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (index, (_, socket)) in sockets.iter().enumerate() {
            epoll::add(&poll, socket, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        }
        epoll::add(&poll, &*mail.bell, epoll::EventData::new_u64(u64::MAX), epoll::EventFlags::IN)?;
        let sockets = sockets
            .into_iter()
            .map(|(index, socket)| Ok((index, Datagrams::new(socket)?)))
            .collect::<io::Result<Vec<_>>>()?;
        let running = Running { engine, mail, sockets, outlets, poll };
        let thread = std::thread::Builder::new().name("engine".into()).spawn(move || running.run())?;
        Ok(Self { inbox, thread: Some(thread) })
    }

    /// Where to write to the engine.
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// Ends the thread: calls that are still up get BYE, the journal gets its last entry.
    pub fn stop(mut self) {
        self.inbox.post(Letter::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Running {
    engine: Engine,
    mail: Mail,
    sockets: Vec<(u16, Datagrams)>,
    outlets: Outlets,
    poll: OwnedFd,
}

impl Running {
    fn run(mut self) {
        let mut events = Vec::with_capacity(64);
        self.flush();
        loop {
            // Each media shard that was sent something in this turn is woken once, here at its end.
            let is_taken = self.outlets.media.ring();
            self.wait(&mut events, is_taken);
            let mut mail = false;
            for event in events.drain(..) {
                match event.data.u64() {
                    u64::MAX => mail = true,
                    index => self.read_socket(usize::try_from(index).unwrap_or(usize::MAX)),
                }
            }
            if mail {
                self.mail.bell.hear();
                if self.read_mail() {
                    return;
                }
                self.read_media();
            }
            let now = Instant::now();
            if self.engine.poll_timeout().is_some_and(|at| at <= now) {
                self.engine.handle_timeout(now);
                self.flush();
            }
        }
    }

    /// Sleeps until something comes or is due; not for long when media has not taken everything yet.
    fn wait(&mut self, events: &mut Vec<epoll::Event>, is_taken: bool) {
        let left = self.engine.poll_timeout().map(|at| at.saturating_duration_since(Instant::now()));
        let left = if is_taken { left } else { Some(left.unwrap_or(RETRY).min(RETRY)) };
        let timeout = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        let room = rustix::buffer::spare_capacity(events);
        // Interrupted by a signal: the next turn waits again.
        let _ = epoll::wait(&self.poll, room, timeout.as_ref());
    }

    fn read_socket(&mut self, index: usize) {
        for _ in 0..BATCH {
            let Some((listener, socket)) = self.sockets.get_mut(index) else { return };
            let datagram = match socket.receive() {
                Ok(datagram) => datagram,
                // Nothing more, or an ICMP error of an earlier send: its transaction times out by itself.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            let remote = datagram.remote;
            let from = Flow { transport: Transport::Udp, listener: *listener, remote, connection: None };
            let (received, bytes) = (datagram.received, datagram.bytes);
            self.engine.handle(Instant::now(), Input::Message { received, from, bytes });
            self.flush();
        }
    }

    /// Reads the inbox; true when it is time to stop.
    fn read_mail(&mut self) -> bool {
        for _ in 0..LETTERS {
            let Ok(letter) = self.mail.received.try_recv() else { return false };
            let now = Instant::now();
            match letter {
                Letter::Input(input) => self.engine.handle(now, input),
                Letter::Question(question) => question(&mut self.engine, now),
                Letter::Stop => {
                    self.engine.end_all(now);
                    self.flush();
                    self.engine.stop(now);
                    self.flush();
                    self.finish_media();
                    return true;
                }
            }
            self.flush();
        }
        // There is more: the others get their turn, then it goes on.
        self.mail.bell.ring();
        false
    }

    fn flush(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { flow, bytes } => self.send(flow, bytes),
                Output::Media { shard, command } => self.outlets.media.post(shard, command),
                Output::Journal(entry) => (self.outlets.journal)(entry),
                Output::Commit(seq) => (self.outlets.commit)(seq),
                Output::Link(order) => (self.outlets.link)(order),
                Output::LoadSound { call, recording } => (self.outlets.load)(call, recording),
                Output::Fetch(fetch) => (self.outlets.fetch)(fetch),
                Output::Synthesize(sentence) => (self.outlets.speak)(sentence),
                Output::Fork(order) => (self.outlets.fork)(order),
                Output::Drained => (self.outlets.drained)(),
            }
        }
    }

    /// Before the thread ends, media is given all it was sent: recordings end with their last words.
    fn finish_media(&mut self) {
        let until = Instant::now() + LAST_WORDS;
        while !self.outlets.media.ring() && Instant::now() < until {
            std::thread::sleep(RETRY);
        }
    }

    /// What media shards have to say.
    fn read_media(&mut self) {
        for _ in 0..LETTERS {
            let Some(event) = self.outlets.media.poll_event() else { return };
            self.engine.handle(Instant::now(), Input::Media(event));
            self.flush();
        }
        // There is more: the others get their turn, then it goes on.
        self.mail.bell.ring();
    }

    fn send(&mut self, flow: Flow, bytes: Bytes) {
        let sent = match flow.transport {
            Transport::Udp => {
                let socket = self.sockets.iter().find(|(index, _)| *index == flow.listener);
                match socket.map(|(_, socket)| socket.send(&bytes, flow.remote)) {
                    // A full buffer is a lost datagram: retransmission is there for it.
                    Some(Err(error)) => {
                        tracing::debug!(%error, "a SIP datagram could not be sent");
                        error.kind() == io::ErrorKind::WouldBlock
                    }
                    Some(Ok(())) => true,
                    None => false,
                }
            }
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => (self.outlets.stream)(flow, bytes),
        };
        if !sent {
            // Answered through the inbox, so that one message can never call itself again.
            self.mail_back(Input::SendFailed(flow));
        }
    }

    fn mail_back(&mut self, input: Input) {
        self.engine.handle(Instant::now(), input);
    }
}

/// Waits a moment for the engine's answer to a question.
///
/// Returns `None` when the engine is gone or has not answered within `patience`.
pub fn ask<T: Send + 'static>(
    inbox: &Inbox,
    patience: Duration,
    question: impl FnOnce(&mut Engine, Instant) -> T + Send + 'static,
) -> Option<T> {
    let (answer, answered) = crossbeam_channel::bounded(1);
    inbox.ask(Box::new(move |engine, now| {
        let _ = answer.send(question(engine, now));
    }));
    answered.recv_timeout(patience).ok()
}
