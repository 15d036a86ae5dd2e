//! One bot's talk: sound and messages both ways, until somebody ends it.
//!
//! Everything is looked at in turn and nothing is waited for but all of it together: a bot that does not read holds up
//! nothing, and one that floods is given up where a bound is reached.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::engine::{ForkOpen, Forked};

use super::speech::{Due, Speech};
use super::wire::{Said, Told};
use super::{Fault, Order, Socket, Stats};

/// A bot that sends nothing for so long, though it is asked whether it is there, is not.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is asked.
const PING: Duration = Duration::from_secs(5);
/// Frames of the caller that wait for the bot at most: 2 s; of more the oldest are dropped.
const SOUND_MOST: usize = 100;
/// Texts that wait for it at most.
const TEXTS_MOST: usize = 512;
/// Messages that are not sound and that a bot may send in a second.
const MESSAGES_MOST: u32 = 100;
/// Longest name of a mark, and longest last word, in bytes.
const NAME_BYTES: usize = 128;
/// Most keys it presses at once.
const KEYS_MOST: usize = 32;
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a talk ended that nothing went wrong with.
#[derive(Debug)]
pub(super) enum End {
    /// The bot said its last word.
    Done,
    /// The caller, or the flow, left it.
    Left,
}

/// A talk under way.
struct Talk<'a> {
    socket: Socket,
    open: &'a ForkOpen,
    stats: &'a Stats,
    speech: Speech,
    texts: VecDeque<Message>,
    sounds: VecDeque<Bytes>,
    /// Something was written that may not have left yet.
    is_dirty: bool,
    /// The socket is gone, after the bot's last word.
    is_lost: bool,
    /// Frames that the ring refused, as far as they are counted.
    refused: u64,
    heard_at: Instant,
    ping_at: Instant,
    /// Messages in the second that began then.
    messages: (Instant, u32),
}

/// Talks until the end. What the bot does is told to `tell`.
pub(super) async fn talk(
    socket: Socket,
    open: &ForkOpen,
    (early, orders): (Vec<Order>, &mut UnboundedReceiver<Order>),
    stats: &Stats,
    tell: impl Fn(Forked),
) -> Result<End, Fault> {
    let now = Instant::now();
    let mut talk = Talk {
        socket,
        open,
        stats,
        speech: Speech::new(std::sync::Arc::clone(&open.line)),
        texts: VecDeque::from([Message::text(open.start.clone())]),
        sounds: VecDeque::new(),
        is_dirty: false,
        is_lost: false,
        refused: 0,
        heard_at: now,
        ping_at: now + PING,
        messages: (now, 0),
    };
    let ended = talk.run(early, orders, tell).await;
    talk.part(&ended).await;
    ended
}

impl Talk<'_> {
    async fn run(
        &mut self,
        early: Vec<Order>,
        orders: &mut UnboundedReceiver<Order>,
        tell: impl Fn(Forked),
    ) -> Result<End, Fault> {
        early.into_iter().for_each(|order| self.obey(&order));
        let mut turn = interval(Duration::from_millis(20));
        turn.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut is_told = false;
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(order) => self.obey(&order),
                    None => return Ok(if is_told { End::Done } else { End::Left }),
                },
                _ = turn.tick() => self.tick(Instant::now())?,
                heard = poll_fn(|cx| self.poll_socket(cx)), if !self.is_lost => {
                    match heard {
                        Ok(message) => self.hear(Instant::now(), message, &tell)?,
                        // It may go once it has said all.
                        Err(_) if self.speech.is_done() => self.is_lost = true,
                        Err(fault) => return Err(fault),
                    }
                }
            }
            while let Some(due) = self.speech.poll_due() {
                match due {
                    Due::Mark(name) => self.text(&Told::Mark { name: &name }),
                    Due::Done { result, data } => {
                        is_told = true;
                        tell(Forked::Done { result, data });
                    }
                }
            }
            if self.texts.len() > TEXTS_MOST {
                return Err(Fault::Deaf);
            }
        }
    }

    fn text(&mut self, told: &Told<'_>) {
        self.texts.push_back(Message::text(told.text()));
    }

    fn obey(&mut self, order: &Order) {
        match order {
            Order::Key(digit) => self.text(&Told::Dtmf { digit: *digit }),
            Order::Hangup => self.text(&Told::Hangup),
        }
    }

    /// Every 20 ms: what the caller said goes out, what the bot said is passed on.
    fn tick(&mut self, now: Instant) -> Result<(), Fault> {
        let mut dropped = 0;
        while let Some(frame) = self.open.line.ear.pop() {
            if self.sounds.len() >= SOUND_MOST {
                self.sounds.pop_front();
                dropped += 1;
            }
            self.sounds.push_back(frame.iter().flat_map(|sample| sample.to_le_bytes()).collect());
        }
        let refused = self.open.line.ear.refused();
        dropped += refused - std::mem::replace(&mut self.refused, refused);
        self.stats.dropped.fetch_add(dropped, Ordering::Relaxed);
        self.speech.pass_on(now);
        if self.is_lost {
            return Ok(());
        }
        if now.saturating_duration_since(self.heard_at) > PATIENCE {
            return Err(Fault::Dead);
        }
        if now >= self.ping_at {
            self.ping_at = now + PING;
            self.texts.push_back(Message::Ping(Bytes::new()));
        }
        Ok(())
    }

    /// Writes what the socket takes, then reads one message.
    fn poll_socket(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Fault>> {
        let lost = |error: Error| match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => Fault::TooLarge,
            Error::ConnectionClosed | Error::AlreadyClosed => Fault::Closed,
            error => Fault::Lost(error.to_string()),
        };
        let mut socket = Pin::new(&mut self.socket);
        while !self.texts.is_empty() || !self.sounds.is_empty() {
            match socket.as_mut().poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(lost(error))),
                Poll::Pending => break,
            }
            let sound = || self.sounds.pop_front().map(Message::Binary);
            let Some(message) = self.texts.pop_front().or_else(sound) else { break };
            if let Err(error) = socket.as_mut().start_send(message) {
                return Poll::Ready(Err(lost(error)));
            }
            self.is_dirty = true;
        }
        if self.is_dirty && self.texts.is_empty() && self.sounds.is_empty() {
            match socket.as_mut().poll_flush(cx) {
                Poll::Ready(Ok(())) => self.is_dirty = false,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(lost(error))),
                Poll::Pending => {}
            }
        }
        socket.poll_next(cx).map(|heard| match heard {
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(lost(error)),
            None => Err(Fault::Closed),
        })
    }

    fn hear(&mut self, now: Instant, message: Message, tell: &impl Fn(Forked)) -> Result<(), Fault> {
        self.heard_at = now;
        let text = match message {
            Message::Binary(_) if self.speech.is_done() => return Ok(()),
            Message::Binary(sound) => return self.speech.hear(now, &sound),
            Message::Close(_) => return Ok(()),
            Message::Text(text) => Some(text),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => None,
        };
        if now.saturating_duration_since(self.messages.0) >= Duration::from_secs(1) {
            self.messages = (now, 0);
        }
        self.messages.1 += 1;
        if self.messages.1 > MESSAGES_MOST {
            return Err(Fault::TooFast);
        }
        let Some(text) = text.filter(|_| !self.speech.is_done()) else { return Ok(()) };
        // What stands in it may be the caller's: only where it is wrong is told.
        let said = serde_json::from_str(&text).map_err(|error| {
            Fault::Unreadable(format!("{:?} in line {}, column {}", error.classify(), error.line(), error.column()))
        })?;
        match said {
            Said::Clear => self.speech.clear(),
            Said::Mark { name } if name.len() > NAME_BYTES => return Err(Fault::TooLarge),
            Said::Mark { name } => self.speech.mark(Due::Mark(name))?,
            Said::Dtmf { digits } => tell(Forked::Keys(digits.chars().take(KEYS_MOST).collect())),
            Said::Language { language } if language.len() > NAME_BYTES => {}
            Said::Language { language } => tell(Forked::Language(language)),
            Said::Done { result, data } => {
                let result = result.filter(|word| word.len() <= NAME_BYTES);
                let data = if data.is_null() { String::new() } else { data.to_string() };
                self.speech.mark(Due::Done { result, data: data.into() })?;
            }
            Said::Unknown => {}
        }
        Ok(())
    }

    /// Says why it ends, and closes.
    async fn part(&mut self, ended: &Result<End, Fault>) {
        let (code, reason) = match ended {
            Ok(End::Done | End::Left) => (CloseCode::Normal, String::new()),
            Err(Fault::Unreadable(_) | Fault::HalfSample) => (CloseCode::Invalid, "not understood".to_owned()),
            Err(Fault::TooLarge) => (CloseCode::Size, "too large".to_owned()),
            Err(fault) => (CloseCode::Policy, fault.to_string()),
        };
        // A reason has 123 bytes at most (RFC 6455 §5.5).
        let reason: String = reason.chars().take(60).collect();
        let farewell = async {
            while let Some(message) = self.texts.pop_front() {
                self.socket.feed(message).await?;
            }
            self.socket.close(Some(CloseFrame { code, reason: reason.into() })).await
        };
        // With a bot that does not read it is cut short.
        let _ = timeout(FAREWELL, farewell).await;
    }
}
