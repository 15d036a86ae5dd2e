//! What carries messages over one connection: bytes framed by Content-Length here, WebSocket frames in [`crate::io::ws`].

use std::future::Future;
use std::io;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::sip::stream::{Framed, Framer, StreamError};

/// Bytes read at once.
const READ_BYTES: usize = 4_096;

/// What came.
#[derive(Debug)]
pub enum Heard {
    /// One message, whole.
    Message(Bytes),
    /// A sign of life.
    KeepAlive,
    /// A double CRLF, to be answered by a single one (RFC 5626 §3.5.1).
    Ping,
    /// Something that is no whole message yet.
    Part,
}

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Over {
    /// The other end closed it, or it broke.
    Closed,
    /// Where the next message begins is not known any more.
    Lost(StreamError),
    /// A frame or message over the limit, or against the rules of WebSocket.
    Frame,
}

/// One connection after its handshake.
pub trait Carrier: Send {
    /// Waits for what comes next. May be dropped while it waits; nothing is lost then.
    fn receive(&mut self) -> impl Future<Output = Result<Heard, Over>> + Send;

    /// Sends one message.
    fn send(&mut self, bytes: Bytes) -> impl Future<Output = io::Result<()>> + Send;

    /// Asks for a sign of life, where the transport has one of its own.
    fn ping(&mut self) -> impl Future<Output = io::Result<()>> + Send;

    /// Says goodbye, where the transport has a word for it.
    fn close(&mut self) -> impl Future<Output = ()> + Send;

    /// True when part of a message has come and the rest has not.
    fn is_partial(&self) -> bool;
}

/// TCP or TLS.
#[derive(Debug)]
pub struct ByteStream<S> {
    stream: S,
    framer: Framer,
}

impl<S> ByteStream<S> {
    /// A connection that is up.
    pub fn new(stream: S) -> Self {
        Self { stream, framer: Framer::new() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Carrier for ByteStream<S> {
    async fn receive(&mut self) -> Result<Heard, Over> {
        match self.framer.next() {
            Some(Ok(Framed::Message(bytes))) => return Ok(Heard::Message(bytes)),
            Some(Ok(Framed::Ping)) => return Ok(Heard::Ping),
            Some(Err(error)) => return Err(Over::Lost(error)),
            None => {}
        }
        let mut buffer = [0; READ_BYTES];
        match self.stream.read(&mut buffer).await {
            Ok(0) | Err(_) => Err(Over::Closed),
            Ok(length) => {
                self.framer.push(buffer.get(..length).unwrap_or_default());
                Ok(Heard::Part)
            }
        }
    }

    async fn send(&mut self, bytes: Bytes) -> io::Result<()> {
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await
    }

    async fn ping(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    fn is_partial(&self) -> bool {
        self.framer.is_partial()
    }
}
