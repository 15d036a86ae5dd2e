//! SIP over connections: TCP, TLS, WebSocket, and WebSocket over TLS.
//!
//! Each connection is one task: it reads messages for the engine and writes what waits in its queue, under the
//! limits of [`StreamConfig`]. The engine sees only whole messages. Requests for a proved name have a connection of
//! their own (a *path*, see [`LinkOrder`]); others share the one that leads to their address (RFC 3261 §18.1.1).

#![allow(clippy::disallowed_methods, reason = "this is the shell: it owns the sockets and reads the clock")]

pub mod carrier;
mod serve;
mod stats;
mod table;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use crate::config::StreamConfig;
use crate::engine::Input;
use crate::sip::config::{SipConfig, Transport};
use crate::sip::{Flow, LinkOrder};

use super::driver::Inbox;
use super::tls::{self, Tls};
use super::ws;

use carrier::ByteStream;
use serve::Opened;
use table::{Full, Limits, Seat, Table, Way};

pub use stats::{Refused, Stats};

/// How often the certificate files are looked at.
const WATCH: Duration = Duration::from_secs(10);
/// A peer whose machine vanished is noticed after about two minutes.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(15), 4);
/// One that vanished while something was on its way there, a ping of ours for one, is noticed after so long.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// All SIP connections. Cheap to clone.
#[derive(Clone)]
pub struct Streams {
    shared: Arc<Shared>,
}

struct Shared {
    runtime: Handle,
    inbox: Inbox,
    settings: ArcSwap<Settings>,
    table: Mutex<Table>,
    stats: Stats,
}

/// What may change while running.
#[derive(Clone)]
struct Settings {
    config: StreamConfig,
    tls: Tls,
    /// Sources that no limit holds for: trunks and trusted proxies.
    free: BTreeSet<IpAddr>,
    /// Names that certificates may prove and that mean a trunk.
    peers: BTreeSet<String>,
}

impl Settings {
    fn new(sip: &SipConfig, config: &StreamConfig) -> Result<Self, String> {
        let free = sip.trunks.keys().chain(&config.trusted_proxies).map(IpAddr::to_canonical).collect();
        let peers = sip.trunk_peers.keys().cloned().collect();
        Ok(Self { config: config.clone(), tls: Tls::load(&config.tls)?, free, peers })
    }
}

impl Streams {
    /// Makes the table; nothing is opened yet.
    ///
    /// # Errors
    ///
    /// What is wrong with which certificate file.
    pub fn new(runtime: Handle, inbox: Inbox, sip: &SipConfig, config: &StreamConfig) -> Result<Self, String> {
        let settings = ArcSwap::from_pointee(Settings::new(sip, config)?);
        let (table, stats) = (Mutex::default(), Stats::default());
        let streams = Self { shared: Arc::new(Shared { runtime, inbox, settings, table, stats }) };
        streams.shared.runtime.spawn(streams.clone().watch());
        Ok(streams)
    }

    /// Takes a new configuration. Connections that are up stay as they are.
    ///
    /// # Errors
    ///
    /// As [`Streams::new`]; the old configuration stays.
    pub fn reload(&self, sip: &SipConfig, config: &StreamConfig) -> Result<(), String> {
        self.shared.settings.store(Arc::new(Settings::new(sip, config)?));
        Ok(())
    }

    /// Accepts connections on a bound listener; `index` is its place in the configuration.
    pub fn listen(&self, index: u16, transport: Transport, listener: std::net::TcpListener) {
        let streams = self.clone();
        self.shared.runtime.spawn(async move {
            let listener = match TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => return tracing::error!(%error, index, "a SIP listener cannot be served"),
            };
            loop {
                match listener.accept().await {
                    Ok((stream, remote)) => streams.accept(index, transport, stream, remote),
                    // Out of descriptors: give the others time to close.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
    }

    /// Sends over the flow's connection, or a new one to the same address. False when neither can be.
    pub fn send(&self, flow: Flow, bytes: Bytes) -> bool {
        let way = self.table().send(flow, bytes);
        match way {
            Way::Queued => true,
            Way::Nowhere => false,
            Way::Open(seat, flow, name) => {
                let streams = self.clone();
                self.shared.runtime.spawn(async move { streams.connect(seat, flow, name).await });
                true
            }
        }
    }

    /// Hears what the engine knows of a connection.
    pub fn order(&self, order: LinkOrder) {
        match order {
            LinkOrder::Path { flow, name } => self.table().add_path(flow, name),
            LinkOrder::Standing { connection, standing } => self.table().raise(connection, standing),
        }
    }

    /// Figures for metrics.
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    /// Connections now, by transport.
    pub fn count(&self) -> Vec<(Transport, u64)> {
        self.table().count().into_iter().collect()
    }

    /// Judges a WebSocket handshake that came by HTTP.
    ///
    /// # Errors
    ///
    /// The status to refuse it with.
    pub fn judge(&self, headers: &hyper::HeaderMap) -> Result<(), ws::Refusal> {
        let judged = ws::judge(headers, &self.shared.settings.load().config.ws_origins);
        judged.inspect_err(|_| self.shared.stats.count(Refused::Handshake))
    }

    /// True for a proxy whose word about its clients' addresses is believed.
    pub fn trusts(&self, proxy: IpAddr) -> bool {
        self.shared.settings.load().config.trusted_proxies.contains(&proxy.to_canonical())
    }

    /// Takes over a WebSocket that came by HTTP, once the other end has its 101; `index` is the place of the
    /// listener that its Via is to say.
    ///
    /// False when there is no place for it.
    pub fn take(&self, index: u16, remote: SocketAddr, upgrade: hyper::upgrade::OnUpgrade) -> bool {
        let Some(seat) = self.admit(Transport::Ws, remote) else { return false };
        let (streams, since) = (self.clone(), Instant::now());
        self.shared.runtime.spawn(async move {
            let flow = flow(Transport::Ws, index, remote, &seat);
            let patience = streams.shared.settings.load().config.first_message;
            match tokio::time::timeout(patience, upgrade).await {
                Ok(Ok(stream)) => {
                    streams.serve(seat, flow, ws::upgraded(stream).await, None, Opened::ByThem(since)).await;
                }
                Ok(Err(_)) | Err(_) => streams.refuse(&seat, Refused::Handshake),
            }
        });
        true
    }

    fn accept(&self, index: u16, transport: Transport, stream: TcpStream, remote: SocketAddr) {
        let Some(seat) = self.admit(transport, remote) else { return };
        prepare(&stream);
        let streams = self.clone();
        self.shared.runtime.spawn(async move { streams.greet(index, transport, stream, remote, seat).await });
    }

    /// A place for a connection from outside, or it is closed at once.
    fn admit(&self, transport: Transport, remote: SocketAddr) -> Option<Seat> {
        let settings = self.shared.settings.load();
        let config = &settings.config;
        let limits = Limits { per_source: config.connections_per_source, total: config.max_connections };
        let free = settings.free.contains(&remote.ip().to_canonical());
        match self.table().admit(transport, remote, free, limits) {
            Ok(seat) => Some(seat),
            Err(full) => {
                self.shared.stats.count(match full {
                    Full::Source => Refused::Source,
                    Full::Total => Refused::Total,
                });
                None
            }
        }
    }

    /// The handshakes of a connection from outside, then its messages.
    async fn greet(&self, index: u16, transport: Transport, stream: TcpStream, remote: SocketAddr, seat: Seat) {
        let flow = flow(transport, index, remote, &seat);
        let settings = self.shared.settings.load_full();
        // One time for all handshakes and the first message: steps cannot be dragged out one after the other.
        let since = Instant::now();
        let (until, opened) = (since + settings.config.first_message, Opened::ByThem(since));
        let origins = settings.config.ws_origins.clone();
        match transport {
            Transport::Udp | Transport::Tcp => self.serve(seat, flow, ByteStream::new(stream), None, opened).await,
            Transport::Ws => match in_time(until, ws::accept(stream, origins)).await {
                Some(frames) => self.serve(seat, flow, frames, None, opened).await,
                None => self.refuse(&seat, Refused::Handshake),
            },
            Transport::Tls | Transport::Wss => {
                let hands = async {
                    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(settings.tls.server.as_ref()?));
                    let stream = acceptor.accept(stream).await.ok()?;
                    let certificates = stream.get_ref().1.peer_certificates();
                    let peer = tls::peer_name(certificates, |name| settings.peers.contains(name));
                    Some((stream, peer))
                };
                let Some((stream, peer)) = in_time(until, hands).await else {
                    return self.refuse(&seat, Refused::Handshake);
                };
                if transport == Transport::Tls {
                    return self.serve(seat, flow, ByteStream::new(stream), peer, opened).await;
                }
                match in_time(until, ws::accept(stream, origins)).await {
                    Some(frames) => self.serve(seat, flow, frames, peer, opened).await,
                    None => self.refuse(&seat, Refused::Handshake),
                }
            }
        }
    }

    /// Opens a connection of ours, then serves it. `asked` is the flow that waits for it.
    async fn connect(&self, seat: Seat, asked: Flow, name: Option<String>) {
        let settings = self.shared.settings.load_full();
        let until = Instant::now() + settings.config.first_message;
        let opened = Opened::ByUs(asked);
        let flow = flow(asked.transport, asked.listener, asked.remote, &seat);
        let stream = in_time(until, async { TcpStream::connect(asked.remote).await.ok() }).await;
        let Some(stream) = stream else { return self.unreachable(&seat, asked) };
        prepare(&stream);
        match name {
            None => self.serve(seat, flow, ByteStream::new(stream), None, opened).await,
            Some(name) => {
                let hands = async {
                    let connector = tokio_rustls::TlsConnector::from(Arc::clone(&settings.tls.client));
                    connector
                        .connect(tls::server_name(&name)?, stream)
                        .await
                        .map_err(|error| {
                            tracing::warn!(%error, name, remote = %asked.remote, "TLS to a peer failed");
                        })
                        .ok()
                };
                match in_time(until, hands).await {
                    Some(stream) => self.serve(seat, flow, ByteStream::new(stream), Some(name), opened).await,
                    None => self.unreachable(&seat, asked),
                }
            }
        }
    }

    fn unreachable(&self, seat: &Seat, asked: Flow) {
        self.table().remove(seat.connection, seat.serial);
        self.shared.inbox.send(Input::SendFailed(asked));
    }

    /// A connection from outside ends before its first message could come.
    fn refuse(&self, seat: &Seat, why: Refused) {
        self.shared.stats.count(why);
        self.table().remove(seat.connection, seat.serial);
    }

    /// Reads certificates again when their files change.
    async fn watch(self) {
        let mut seen = stamps(&self.shared.settings.load().config);
        loop {
            tokio::time::sleep(WATCH).await;
            let settings = self.shared.settings.load_full();
            let now = stamps(&settings.config);
            if now == seen {
                continue;
            }
            seen = now;
            match Tls::load(&settings.config.tls) {
                Ok(tls) => {
                    // A reload that came in between has read the files itself, perhaps others.
                    let fresh = Arc::new(Settings { tls, ..(*settings).clone() });
                    self.shared.settings.compare_and_swap(&settings, fresh);
                    tracing::info!("certificates were read again");
                }
                Err(error) => tracing::error!(error, "certificates were refused; the old ones stay"),
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn flow(transport: Transport, listener: u16, remote: SocketAddr, seat: &Seat) -> Flow {
    Flow { transport, listener, remote, connection: Some(seat.connection) }
}

async fn in_time<T>(until: Instant, work: impl Future<Output = Option<T>>) -> Option<T> {
    tokio::time::timeout_at(until.into(), work).await.ok().flatten()
}

fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let (time, interval, retries) = KEEPALIVE;
    let probes = socket2::TcpKeepalive::new().with_time(time).with_interval(interval).with_retries(retries);
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&probes);
    let patience_ms = u32::try_from(UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, patience_ms);
}

fn stamps(config: &StreamConfig) -> Vec<Option<SystemTime>> {
    config.tls.all().map(|file| std::fs::metadata(file).and_then(|meta| meta.modified()).ok()).collect()
}
