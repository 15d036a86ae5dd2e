//! Sockets to bots that hear callers and speak to them.
//!
//! Each bot has a task of its own. Sound comes from and goes to the media thread by two rings that wait for nobody
//! ([`crate::media::fork`]); a bot that stalls loses what it does not read, and is given up when it answers nothing at all.
//!
//! ```text
//!   engine --Open--> reach (TCP, TLS, handshake) --start--> talk <==> bot
//!                         | 5 s                              |
//!                         +--Failed-----> engine <--Connected, Keys, Language, Done, Failed
//! ```

#![allow(clippy::disallowed_methods, reason = "this is the shell: it owns the sockets and reads the clock")]

mod speech;
mod talk;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::Uri;
use hyper::http::header::{AUTHORIZATION, HeaderValue};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::engine::{ForkOpen, ForkOrder, Forked, Input};

use super::services::{Service, Services, causes};
use super::tls::server_name;

/// A bot must be reached within this time, its handshake included.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest message of a bot, in bytes.
const MESSAGE_BYTES: usize = 1 << 20;
/// Room for what we send while the network is slow: two seconds of sound.
const SEND_BUFFER: usize = 32 << 10;
/// What tungstenite keeps of what we send, at most.
const WRITE_BUFFER: usize = 64 << 10;

/// What bots have been, for metrics.
#[derive(Debug, Default)]
pub struct Stats {
    /// Bots that talk now.
    pub active: AtomicU64,
    /// Frames of 20 ms of callers that their bots did not take in time.
    pub dropped: AtomicU64,
}

/// Starts the tasks of bots and passes on what the engine wants of them.
pub struct Forks {
    services: Services,
    stats: Arc<Stats>,
    open: HashMap<u64, UnboundedSender<Order>>,
}

/// What a bot's task is told. That it is to end it learns when nobody can tell it anything.
#[derive(Debug)]
enum Order {
    Key(char),
    Hangup,
}

/// Why a bot cannot be had, or is given up.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
enum Fault {
    #[error("no such service")]
    Unknown,
    #[error("too many requests at once")]
    Busy,
    #[error("it failed too often and is not asked for some time")]
    BreakerOpen,
    #[error("no bot within {} s", CONNECT.as_secs())]
    NotReached,
    #[error("{0}")]
    Unreachable(String),
    #[error("the handshake was refused with {0}")]
    Refused(u16),
    #[error("the connection was lost: {0}")]
    Lost(String),
    #[error("it closed the connection before it was done")]
    Closed,
    #[error("it answered nothing for {} s", talk::PATIENCE.as_secs())]
    Dead,
    #[error("it does not read what it is told")]
    Deaf,
    #[error("a message of more than {MESSAGE_BYTES} bytes")]
    TooLarge,
    #[error("a text that is no message: {0}")]
    Unreadable(String),
    #[error("sound of half a sample")]
    HalfSample,
    #[error("more than 60 s of speech wait to be heard")]
    TooMuchSpeech,
    #[error("too many marks wait to be heard")]
    TooManyMarks,
    #[error("too many messages in a second")]
    TooFast,
}

/// What carries a WebSocket.
trait Carrier: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Carrier for T {}

type Socket = WebSocketStream<Box<dyn Carrier>>;

impl Forks {
    /// Bots of these services.
    pub fn new(services: Services) -> Self {
        Self { services, stats: Arc::default(), open: HashMap::new() }
    }

    /// What bots have been so far.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Does what the engine wants; never waits.
    pub fn order(&mut self, order: ForkOrder) {
        match order {
            ForkOrder::Open(open) => {
                let (orders, heard) = unbounded_channel();
                self.open.insert(open.id, orders);
                let task = Task { services: self.services.clone(), stats: Arc::clone(&self.stats), open: *open };
                self.services.runtime.spawn(task.run(heard));
            }
            ForkOrder::Key { id, digit } => self.tell(id, Order::Key(digit)),
            ForkOrder::Close { id, hangup } => {
                if hangup {
                    self.tell(id, Order::Hangup);
                }
                self.open.remove(&id);
            }
        }
    }

    fn tell(&self, id: u64, order: Order) {
        if let Some(orders) = self.open.get(&id) {
            // A task that ended by itself misses nothing.
            let _ = orders.send(order);
        }
    }
}

/// The task of one bot.
struct Task {
    services: Services,
    stats: Arc<Stats>,
    open: ForkOpen,
}

impl Task {
    async fn run(self, mut orders: UnboundedReceiver<Order>) {
        if let Err(fault) = self.serve(&mut orders).await {
            let is_open = fault == Fault::BreakerOpen;
            self.tell(Forked::Failed { is_open, detail: fault.to_string() });
        }
    }

    fn tell(&self, event: Forked) {
        self.services.inbox.send(Input::Forked { id: self.open.id, event });
    }

    async fn serve(&self, orders: &mut UnboundedReceiver<Order>) -> Result<(), Fault> {
        let service = self.services.find(&self.open.service).ok_or(Fault::Unknown)?;
        let Ok(_place) = service.places.try_acquire() else { return Err(Fault::Busy) };
        if !service.breaker().may_try(Instant::now()) {
            return Err(Fault::BreakerOpen);
        }
        let mut early = Vec::new();
        let reached = {
            let reach = tokio::time::timeout(CONNECT, reach(&service, &self.open.path));
            tokio::pin!(reach);
            loop {
                tokio::select! {
                    reached = &mut reach => break Some(reached.unwrap_or(Err(Fault::NotReached))),
                    order = orders.recv() => match order {
                        Some(order) => early.push(order),
                        None => break None,
                    },
                }
            }
        };
        let socket = match reached {
            Some(Ok(socket)) => socket,
            Some(Err(fault)) => {
                // Who refuses is there.
                service.note(matches!(fault, Fault::Refused(status) if status < 500));
                return Err(fault);
            }
            // The caller did not wait for it: that says nothing, unless this one was to try.
            None => {
                if service.breaker().is_trying() {
                    service.note(false);
                }
                return Ok(());
            }
        };
        if service.breaker().is_trying() {
            service.note(true);
        }
        self.tell(Forked::Connected);
        self.stats.active.fetch_add(1, Ordering::Relaxed);
        let ended = talk::talk(socket, &self.open, (early, orders), &self.stats, |event| self.tell(event)).await;
        self.stats.active.fetch_sub(1, Ordering::Relaxed);
        match &ended {
            Ok(talk::End::Done) => service.note(true),
            Ok(talk::End::Left) => {}
            Err(_) => service.note(false),
        }
        ended.map(|_| ())
    }
}

/// Connects and shakes hands.
async fn reach(service: &Service, path: &str) -> Result<Socket, Fault> {
    let wrong = |error: &dyn std::error::Error| Fault::Unreachable(causes(error));
    let address = format!("{}{path}", service.config.base_url).replacen("http", "ws", 1);
    let uri: Uri = address.parse().map_err(|error| wrong(&error))?;
    let is_secure = uri.scheme_str() == Some("wss");
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let mut request = uri.into_client_request().map_err(|error| wrong(&error))?;
    if let Some(authorization) = &service.config.authorization {
        let mut value = HeaderValue::from_str(&authorization.0).map_err(|error| wrong(&error))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| wrong(&error))?;
    // Both are wishes: without them sound is late where the network is slow.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER);
    let carrier: Box<dyn Carrier> = if is_secure {
        let name = server_name(&host).ok_or_else(|| Fault::Unreachable(format!("\"{host}\" is no host name")))?;
        let connector = TlsConnector::from(Arc::clone(&service.tls));
        Box::new(connector.connect(name, stream).await.map_err(|error| wrong(&error))?)
    } else {
        Box::new(stream)
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(16 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES));
    match tokio_tungstenite::client_async_with_config(request, carrier, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(Fault::Refused(response.status().as_u16())),
        Err(error) => Err(wrong(&error)),
    }
}
