//! The life of one connection after its handshake.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::engine::Input;
use crate::sip::{Flow, Standing};

use super::carrier::{Carrier, Heard, Over};
use super::table::{Patience, Seat};
use super::{Refused, Streams};

/// Time to take one message off our hands.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// How long answers are still sent after the framing of what comes was lost.
const LINGER: Duration = Duration::from_millis(500);
/// A WebSocket is asked for a sign of life so often: browsers and proxies close silent ones.
const PING_EVERY: Duration = Duration::from_secs(30);
/// Silence that ends a connection with a call of a stranger.
const BUSY_IDLE: Duration = Duration::from_secs(600);
/// Silence that ends a connection of somebody known; a vanished machine is noticed before, by TCP.
const KNOWN_IDLE: Duration = Duration::from_secs(7_200);
/// How long a connection waits when the engine is behind, before it looks again.
const NAP: Duration = Duration::from_millis(5);

/// When a connection is closed unless something comes.
#[derive(Debug)]
struct Clock {
    first_message: Duration,
    idle: Duration,
    patience: Patience,
    opened: Instant,
    /// The last sign of life; strangers must send messages.
    alive: Instant,
    heard: bool,
    /// Since when a message is unfinished.
    partial: Option<Instant>,
    /// The framing is lost: only what waits is sent.
    ending: Option<Instant>,
    ping: Instant,
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Opened {
    /// The other end, then: it owes a message.
    ByThem(Instant),
    /// We, for what was to be sent over this flow.
    ByUs(Flow),
}

impl Clock {
    /// The deadline, and what it means when it comes.
    fn deadline(&self) -> (Instant, Option<Refused>) {
        let silence = match self.patience.standing() {
            Standing::Stranger => self.idle,
            Standing::Busy => BUSY_IDLE.max(self.idle),
            Standing::Known => KNOWN_IDLE.max(self.idle),
        };
        let first = match self.heard {
            true => (self.alive + silence, Refused::Idle),
            false => (self.opened + self.first_message, Refused::FirstMessage),
        };
        let partial = self.partial.map(|since| (since + self.first_message, Refused::FirstMessage));
        let ending = self.ending.map(|since| (since + LINGER, Refused::Framing));
        let end = [Some(first), partial, ending].into_iter().flatten().min_by_key(|(at, _)| *at).unwrap_or(first);
        if self.ping < end.0 { (self.ping, None) } else { (end.0, Some(end.1)) }
    }

    fn note(&mut self, now: Instant, heard: &Heard, partial: bool) {
        let message = matches!(heard, Heard::Message(_));
        self.heard |= message;
        if message || self.patience.standing() != Standing::Stranger {
            self.alive = now;
        }
        self.partial = match (partial, message) {
            (false, _) => None,
            (true, true) => Some(now),
            (true, false) => self.partial.or(Some(now)),
        };
    }
}

impl Streams {
    /// Serves a connection to its end.
    pub(super) async fn serve<C: Carrier>(
        &self,
        mut seat: Seat,
        flow: Flow,
        mut carrier: C,
        peer: Option<String>,
        opened: Opened,
    ) {
        let (connection, remote) = (seat.connection, flow.remote);
        self.shared.inbox.send(Input::ConnectionOpened { connection, remote, peer });
        let why = self.exchange(&mut seat, flow, &mut carrier, opened).await;
        if let Some(why) = why {
            self.shared.stats.count(why);
            tracing::debug!(%remote, connection, why = why.label(), "a SIP connection is closed");
        }
        if self.table().remove(connection, seat.serial) {
            self.shared.inbox.send(Input::ConnectionClosed(connection));
            // What was sent by address alone does not know the number of this connection. Told before the goodbye,
            // so that what is sent over the next one to this address is not meant.
            if let Opened::ByUs(asked @ Flow { connection: None, .. }) = opened {
                self.shared.inbox.send(Input::SendFailed(asked));
            }
        }
        let _ = tokio::time::timeout(LINGER, carrier.close()).await;
    }

    /// Reads and writes until one side has enough; says why when that is us.
    async fn exchange<C: Carrier>(
        &self,
        seat: &mut Seat,
        flow: Flow,
        carrier: &mut C,
        opened: Opened,
    ) -> Option<Refused> {
        let mut clock = self.clock(seat, opened);
        // A message that the engine has no room for: the other end waits, as TCP lets it, and is still answered.
        let mut held: Option<(Instant, Bytes)> = None;
        let mut deaf = false;
        loop {
            let (deadline, meaning) = clock.deadline();
            let reading = held.is_none() && !deaf;
            tokio::select! {
                biased;
                message = seat.queue.next() => match message {
                    Some(bytes) => if !sent(carrier, bytes).await { return Some(Refused::Slow) },
                    // The table gave it up: too much waited for it.
                    None => return Some(Refused::Slow),
                },
                () = tokio::time::sleep_until(deadline.into()) => match meaning {
                    Some(why) => return Some(why),
                    None => {
                        clock.ping = Instant::now() + PING_EVERY;
                        if !matches!(tokio::time::timeout(SEND_PATIENCE, carrier.ping()).await, Ok(Ok(()))) {
                            return Some(Refused::Slow);
                        }
                    }
                },
                () = self.room(), if held.is_some() => if let Some((received, bytes)) = held.take() {
                    self.shared.inbox.send(Input::Message { received, from: flow, bytes });
                },
                heard = carrier.receive(), if reading => match heard {
                    Ok(heard) => {
                        let now = Instant::now();
                        clock.note(now, &heard, carrier.is_partial());
                        match heard {
                            Heard::Message(bytes) => held = Some((now, bytes)),
                            Heard::Ping => if !sent(carrier, Bytes::from_static(b"\r\n")).await {
                                return Some(Refused::Slow);
                            },
                            Heard::KeepAlive | Heard::Part => {}
                        }
                    }
                    Err(Over::Closed) if clock.ending.is_some() => deaf = true,
                    Err(Over::Closed) => return None,
                    Err(Over::Frame) => return Some(Refused::Framing),
                    // What was wrong may have an answer that is on its way. What still comes is read and thrown
                    // away: closed over unread bytes, the system would take the answer back with a reset.
                    Err(Over::Lost(_)) => clock.ending = Some(Instant::now()),
                },
            }
        }
    }

    fn clock(&self, seat: &Seat, opened: Opened) -> Clock {
        let settings = self.shared.settings.load();
        let now = Instant::now();
        Clock {
            first_message: settings.config.first_message,
            idle: settings.config.idle,
            patience: seat.patience.clone(),
            opened: match opened {
                Opened::ByThem(since) => since,
                Opened::ByUs(_) => now,
            },
            alive: now,
            heard: matches!(opened, Opened::ByUs(_)),
            partial: None,
            ending: None,
            ping: now + PING_EVERY,
        }
    }

    /// Waits until the engine is not behind any more.
    async fn room(&self) {
        while self.shared.inbox.is_crowded() {
            tokio::time::sleep(NAP).await;
        }
    }
}

async fn sent<C: Carrier>(carrier: &mut C, bytes: Bytes) -> bool {
    matches!(tokio::time::timeout(SEND_PATIENCE, carrier.send(bytes)).await, Ok(Ok(())))
}
