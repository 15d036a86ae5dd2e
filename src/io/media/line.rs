//! The two rings between the engine and a media thread: commands there, events back.
//!
//! Each ring has one writer and one reader, so that neither side locks, allocates or waits for the other. What finds a
//! full ring stays in order with its writer, who looks again after [`RETRY`]: commands here, events in the shard.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use crate::io::bell::Bell;
use crate::media::{Command, Event};

/// Room of a ring, in commands or events: more than a burst of a second's calls brings.
pub(super) const RING: usize = 1_024;

/// How long the writer of a full ring sleeps at most before it looks for room again.
pub const RETRY: Duration = Duration::from_millis(2);

/// The engine's end of the lines to all media threads.
pub struct MediaLines {
    lines: Vec<Line>,
    /// The shard that is asked first for its next event.
    turn: usize,
}

/// The engine's end of one.
pub(super) struct Line {
    commands: Producer<Command>,
    /// What found the ring full, in order.
    waiting: VecDeque<Command>,
    /// The shard was sent something since it was last woken, or something waits for it.
    is_told: bool,
    events: Consumer<Event>,
    wake: Arc<Bell>,
}

/// The media thread's end.
pub(super) struct FarEnd {
    pub(super) commands: Consumer<Command>,
    events: Producer<Event>,
    is_held: bool,
    /// Wakes the engine.
    bell: Arc<Bell>,
}

/// Both ends of the line to a thread that `wake` wakes; `bell` wakes the engine. Each ring has `room`: [`RING`].
pub(super) fn line(room: usize, wake: Arc<Bell>, bell: Arc<Bell>) -> (Line, FarEnd) {
    let (commands, to_do) = RingBuffer::new(room);
    let (told, events) = RingBuffer::new(room);
    let near = Line { commands, waiting: VecDeque::new(), is_told: false, events, wake };
    (near, FarEnd { commands: to_do, events: told, is_held: false, bell })
}

impl MediaLines {
    pub(super) fn new(lines: Vec<Line>) -> Self {
        Self { lines, turn: 0 }
    }

    /// Sends a command to a shard and wakes it. All legs that ever meet must be in the same shard.
    ///
    /// Commands are carried out in order; a shard that does not exist takes none. One that finds the ring full waits
    /// for the next [`MediaLines::ring`]. So many can wait as the engine's calls give rise to.
    pub fn send(&mut self, shard: usize, command: Command) {
        self.post(shard, command);
        self.ring();
    }

    /// As [`MediaLines::send`], but the shard looks only after [`MediaLines::ring`]: one wake-up for many commands.
    pub fn post(&mut self, shard: usize, command: Command) {
        if let Some(line) = self.lines.get_mut(shard) {
            line.is_told = true;
            line.post(command);
        }
    }

    /// Wakes every shard that was sent something. False while one cannot take all: ring again after [`RETRY`].
    pub fn ring(&mut self) -> bool {
        let mut is_taken = true;
        for line in self.lines.iter_mut().filter(|line| line.is_told) {
            is_taken &= line.ring();
        }
        is_taken
    }

    /// The next thing a shard has to say, if any has. Those that have much take turns, each in its own order.
    pub fn poll_event(&mut self) -> Option<Event> {
        for _ in 0..self.lines.len() {
            let turn = self.turn;
            self.turn = (turn + 1) % self.lines.len();
            if let Some(Ok(event)) = self.lines.get_mut(turn).map(|line| line.events.pop()) {
                return Some(event);
            }
        }
        None
    }
}

impl Line {
    fn post(&mut self, command: Command) {
        if !self.waiting.is_empty() {
            return self.waiting.push_back(command);
        }
        if let Err(PushError::Full(command)) = self.commands.push(command) {
            self.waiting.push_back(command);
        }
    }

    /// Wakes the thread; true when it has been given everything.
    fn ring(&mut self) -> bool {
        while !self.commands.is_full()
            && let Some(command) = self.waiting.pop_front()
        {
            // There is room, and nobody else writes.
            let _ = self.commands.push(command);
        }
        if self.commands.is_abandoned() {
            // The thread is gone: nobody will ever make room.
            self.waiting.clear();
        }
        self.wake.ring();
        self.is_told = !self.waiting.is_empty();
        !self.is_told
    }
}

impl FarEnd {
    /// Tells the engine what `next` gives, as much as the ring takes, and wakes it once.
    ///
    /// What finds no room is not asked for, so it stays where it is; [`FarEnd::is_held`] says so.
    pub(super) fn tell(&mut self, mut next: impl FnMut() -> Option<Event>) {
        let mut is_told = false;
        self.is_held = loop {
            // With the engine gone nobody makes room, and nobody misses anything.
            if self.events.is_full() && !self.events.is_abandoned() {
                break true;
            }
            let Some(event) = next() else { break false };
            let _ = self.events.push(event);
            is_told = true;
        };
        if is_told {
            self.bell.ring();
        }
    }

    /// The engine is behind with reading: something may be left to [`FarEnd::tell`] it after [`RETRY`].
    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
