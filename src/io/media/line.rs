//! The two rings between the engine and a media thread: commands there, events back.
//!
//! Each ring has one writer and one reader, so that neither side locks or waits for the other. What finds a full ring
//! stays in order with its writer until there is room: commands here, events in the shard.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::Counters;
use super::worker::Wake;
use crate::media::{Command, Event};

/// Room of each ring.
const RING: usize = 1_024;

/// The engine's end of all media threads.
pub struct MediaLines {
    lines: Vec<Line>,
    counters: Arc<Counters>,
}

/// The engine's end of one.
pub(super) struct Line {
    commands: Producer<Command>,
    /// What found the ring full, in order.
    waiting: VecDeque<Command>,
    events: Consumer<Event>,
    wake: Arc<Wake>,
}

/// The shard's end.
pub(super) struct FarEnd {
    pub(super) commands: Consumer<Command>,
    pub(super) events: Producer<Event>,
}

/// Both ends of the rings of a thread that `wake` wakes.
pub(super) fn line(wake: Arc<Wake>) -> (Line, FarEnd) {
    let (commands, to_do) = RingBuffer::new(RING);
    let (told, events) = RingBuffer::new(RING);
    (Line { commands, waiting: VecDeque::new(), events, wake }, FarEnd { commands: to_do, events: told })
}

impl MediaLines {
    pub(super) fn new(lines: Vec<Line>, counters: Arc<Counters>) -> Self {
        Self { lines, counters }
    }

    /// Sends a command to a shard. All legs that ever meet must be in the same shard.
    ///
    /// Commands are carried out in order. What finds the ring full waits for [`MediaLines::ring`].
    pub fn send(&mut self, shard: usize, command: Command) {
        self.post(shard, command);
        self.ring(shard);
    }

    /// As [`MediaLines::send`], but the shard looks only after [`MediaLines::ring`]: one wake-up for many commands.
    pub fn post(&mut self, shard: usize, command: Command) {
        let Some(line) = self.lines.get_mut(shard) else { return };
        if !line.waiting.is_empty() {
            return line.waiting.push_back(command);
        }
        if let Err(PushError::Full(command)) = line.commands.push(command) {
            self.counters.commands_delayed.fetch_add(1, Ordering::Relaxed);
            line.waiting.push_back(command);
        }
    }

    /// Wakes a shard. False when it cannot take all yet: ring again soon.
    pub fn ring(&mut self, shard: usize) -> bool {
        let Some(line) = self.lines.get_mut(shard) else { return true };
        while !line.commands.is_full() {
            let Some(command) = line.waiting.pop_front() else { break };
            if let Err(PushError::Full(command)) = line.commands.push(command) {
                line.waiting.push_front(command);
                break;
            }
        }
        line.wake.ring();
        line.waiting.is_empty()
    }

    /// The next thing a shard has to say, if any has.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.lines.iter_mut().find_map(|line| line.events.pop().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::LegId;

    fn close(leg: u64) -> Command {
        Command::Close { leg: LegId(leg) }
    }

    /// Three times what the ring holds, while nobody reads: nothing is lost, nothing overtakes.
    #[test]
    fn what_finds_the_ring_full_waits_in_order() {
        let (line, mut far) = line(Arc::new(Wake::new().unwrap()));
        let counters = Arc::new(Counters::default());
        let mut lines = MediaLines::new(vec![line], Arc::clone(&counters));
        let all = 3 * RING as u64;
        (0..all).for_each(|leg| lines.post(0, close(leg)));
        assert_eq!(counters.commands_delayed.load(Ordering::Relaxed), 1, "the first that waited");
        assert!(!lines.ring(0));
        let mut done = 0;
        for round in 1..=3 {
            while let Ok(Command::Close { leg }) = far.commands.pop() {
                assert_eq!(leg, LegId(done));
                done += 1;
            }
            assert_eq!((done, lines.ring(0)), (round * RING as u64, round >= 2));
        }
        assert_eq!(done, all);
        lines.send(0, close(all));
        assert!(far.commands.pop().is_ok() && lines.ring(0));
        lines.post(7, close(0));
        assert!(lines.ring(7), "a shard that does not exist takes nothing");
    }

    #[test]
    fn events_of_all_shards_are_read_and_a_full_ring_refuses() {
        let wake = Arc::new(Wake::new().unwrap());
        let ((one, mut far_one), (two, mut far_two)) = (line(Arc::clone(&wake)), line(wake));
        let mut lines = MediaLines::new(vec![one, two], Arc::default());
        let opened = |leg| Event::Opened { leg: LegId(leg) };
        far_two.events.push(opened(2)).unwrap();
        (0..RING).for_each(|_| far_one.events.push(opened(1)).unwrap());
        assert!(far_one.events.push(opened(1)).is_err());
        let read: Vec<Event> = std::iter::from_fn(|| lines.poll_event()).collect();
        assert_eq!((read.len(), read.last()), (RING + 1, Some(&opened(2))));
    }
}
