//! SIP over TCP: accepting, framing, reusing connections.
//!
//! Each connection is one reading and one writing task on the runtime; the engine sees only whole messages. A flow
//! whose connection is gone gets a new one to the same address (RFC 3261 §18.2.2).

#![allow(clippy::disallowed_methods, reason = "this is the shell: it owns the sockets")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::engine::Input;
use crate::sip::Flow;
use crate::sip::config::Transport;
use crate::sip::stream::{Framed, Framer};

use super::driver::Inbox;

/// Messages that wait for one slow connection; one more closes it.
const WRITE_QUEUE: usize = 256;
/// Connections in all; one more is closed at once.
const CONNECTIONS_MAX: usize = 4_096;
/// Time for the first whole message, and for a connection of ours to come up.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);

/// All SIP stream connections. Cheap to clone.
#[derive(Clone)]
pub struct Streams {
    shared: Arc<Shared>,
}

struct Shared {
    runtime: Handle,
    inbox: Inbox,
    next: AtomicU64,
    open: AtomicUsize,
    writers: Mutex<BTreeMap<u64, (SocketAddr, mpsc::Sender<Bytes>)>>,
}

impl Streams {
    /// Makes the table; nothing is opened yet.
    pub fn new(runtime: Handle, inbox: Inbox) -> Self {
        let shared = Shared {
            runtime,
            inbox,
            next: AtomicU64::new(1),
            open: AtomicUsize::new(0),
            writers: Mutex::new(BTreeMap::new()),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Accepts connections on a bound listener; `index` is its place in the configuration.
    pub fn listen(&self, index: u16, listener: std::net::TcpListener) {
        let streams = self.clone();
        self.shared.runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            loop {
                match listener.accept().await {
                    Ok((stream, remote)) => {
                        streams.serve(index, stream, remote);
                    }
                    // Out of descriptors: give the others time to close.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
    }

    /// Sends over the flow's connection, or a new one to the same address. False when neither can be.
    pub fn send(&self, flow: Flow, bytes: Bytes) -> bool {
        let writers = self.shared.writers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = match flow.connection {
            Some(connection) => writers.get(&connection),
            None => writers.values().find(|(remote, _)| *remote == flow.remote),
        };
        if let Some((_, writer)) = known {
            return writer.try_send(bytes).is_ok();
        }
        drop(writers);
        let streams = self.clone();
        self.shared.runtime.spawn(async move { streams.connect(flow, bytes).await });
        true
    }

    async fn connect(&self, flow: Flow, bytes: Bytes) {
        match tokio::time::timeout(FIRST_MESSAGE, TcpStream::connect(flow.remote)).await {
            Ok(Ok(stream)) => {
                if let Some(writer) = self.serve(flow.listener, stream, flow.remote) {
                    let _ = writer.send(bytes).await;
                }
            }
            Ok(Err(_)) | Err(_) => self.shared.inbox.send(Input::SendFailed(flow)),
        }
    }

    fn serve(&self, index: u16, stream: TcpStream, remote: SocketAddr) -> Option<mpsc::Sender<Bytes>> {
        if self.shared.open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
            self.shared.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let _ = stream.set_nodelay(true);
        let connection = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (writer, mut queue) = mpsc::channel::<Bytes>(WRITE_QUEUE);
        let (mut reading, mut writing) = stream.into_split();
        self.lock().insert(connection, (remote, writer.clone()));
        self.shared.runtime.spawn(async move {
            while let Some(bytes) = queue.recv().await {
                if writing.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        });
        let streams = self.clone();
        let pong = writer.clone();
        self.shared.runtime.spawn(async move {
            let from = Flow { transport: Transport::Tcp, listener: index, remote, connection: Some(connection) };
            streams.read(from, &mut reading, &pong).await;
            streams.lock().remove(&connection);
            streams.shared.open.fetch_sub(1, Ordering::Relaxed);
            streams.shared.inbox.send(Input::ConnectionClosed(connection));
        });
        Some(writer)
    }

    /// Reads messages until the peer closes, breaks the framing, or says nothing whole in time.
    async fn read(&self, from: Flow, stream: &mut tokio::net::tcp::OwnedReadHalf, pong: &mpsc::Sender<Bytes>) {
        let mut framer = Framer::new();
        let mut buffer = vec![0; 16_384];
        let mut heard = false;
        loop {
            let read = stream.read(&mut buffer);
            let length = match heard {
                true => read.await,
                false => match tokio::time::timeout(FIRST_MESSAGE, read).await {
                    Ok(read) => read,
                    Err(_) => return,
                },
            };
            let Ok(length) = length else { return };
            if length == 0 {
                return;
            }
            framer.push(buffer.get(..length).unwrap_or_default());
            for framed in framer.by_ref() {
                match framed {
                    Ok(Framed::Message(bytes)) => {
                        heard = true;
                        self.shared.inbox.send(Input::Message { received: std::time::Instant::now(), from, bytes });
                    }
                    Ok(Framed::Ping) => {
                        // RFC 5626 §3.5.1: a double CRLF is answered by a single one.
                        let _ = pong.try_send(Bytes::from_static(b"\r\n"));
                    }
                    Err(error) => {
                        tracing::debug!(%error, remote = %from.remote, "a SIP stream lost its framing and is closed");
                        return;
                    }
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, (SocketAddr, mpsc::Sender<Bytes>)>> {
        self.shared.writers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
