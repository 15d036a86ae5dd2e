//! Full rings, order, wake-ups; both sides alone first, then two threads that only bells wake.

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::id::LegId;

fn close(leg: u64) -> Command {
    Command::Close { leg: LegId(leg) }
}

fn opened(leg: u64) -> Event {
    Event::Opened { leg: LegId(leg) }
}

/// Hears the bell when it rings within `patience`.
fn hears(bell: &Bell, patience: Duration) -> bool {
    let timeout = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: i64::from(patience.subsec_nanos()) };
    let is_rung = poll(&mut [PollFd::new(bell, PollFlags::IN)], Some(&timeout)).unwrap() > 0;
    if is_rung {
        bell.hear();
    }
    is_rung
}

/// Lines with rings of this room, their far ends, the bells of the threads and the engine's.
fn lines<const SHARDS: usize>(room: usize) -> (MediaLines, [FarEnd; SHARDS], [Arc<Bell>; SHARDS], Arc<Bell>) {
    let bell = || Arc::new(Bell::new().unwrap());
    let (wakes, engine) = (std::array::from_fn(|_| bell()), bell());
    let mut near = Vec::new();
    let far = std::array::from_fn(|shard: usize| {
        let wakes: &[Arc<Bell>; SHARDS] = &wakes;
        let (line, far) = line(room, Arc::clone(&wakes[shard]), Arc::clone(&engine));
        near.push(line);
        far
    });
    (MediaLines::new(near), far, wakes, engine)
}

/// Three times what the ring holds, while nobody reads: nothing is lost, nothing overtakes.
#[test]
fn what_finds_the_ring_full_waits_in_order() {
    let (mut lines, [mut far], [wake], _) = lines(RING);
    let all = 3 * RING as u64;
    (0..all).for_each(|leg| lines.post(0, close(leg)));
    assert!(!hears(&wake, Duration::ZERO), "posted is not rung");
    assert!(!lines.ring());
    let mut done = 0;
    for round in 1..=3 {
        assert!(hears(&wake, Duration::ZERO), "what waits is a reason to ring again");
        while let Ok(Command::Close { leg }) = far.commands.pop() {
            assert_eq!(leg, LegId(done));
            done += 1;
        }
        // What comes now must not overtake what waits.
        if round == 1 {
            lines.post(0, close(all));
        }
        // One more than three times its room is taken in the third refill.
        assert_eq!((done, lines.ring()), (round * RING as u64, round == 3));
    }
    assert!(hears(&wake, Duration::ZERO));
    assert!(matches!(far.commands.pop(), Ok(Command::Close { leg }) if leg == LegId(all)));
    assert!(lines.ring() && !hears(&wake, Duration::ZERO), "nothing was sent, nobody is woken");
}

#[test]
fn each_shard_is_woken_once_for_all_it_was_sent_and_only_it() {
    let (mut lines, [_one, mut two], [wake_one, wake_two], _) = lines(4);
    (0..3).for_each(|leg| lines.post(1, close(leg)));
    lines.post(7, close(3));
    assert!(lines.ring(), "a shard that does not exist takes nothing and holds up nothing");
    let mut count = [0; 8];
    rustix::io::read(&wake_two, &mut count).unwrap();
    assert_eq!(u64::from_ne_bytes(count), 1);
    assert!(!hears(&wake_one, Duration::ZERO));
    assert_eq!(std::iter::from_fn(|| two.commands.pop().ok()).count(), 3);
}

/// The media thread neither waits nor loses: what finds no room is not even taken from the shard.
#[test]
fn events_that_find_no_room_stay_where_they_are() {
    let (mut lines, [mut far], _, bell) = lines(4);
    let mut shard: VecDeque<Event> = (0..6).map(opened).collect();
    far.tell(|| shard.pop_front());
    assert!(far.is_held() && shard.len() == 2 && hears(&bell, Duration::ZERO));
    far.tell(|| shard.pop_front());
    assert!(far.is_held() && shard.len() == 2 && !hears(&bell, Duration::ZERO), "nothing new, nobody is woken");
    assert_eq!([lines.poll_event(), lines.poll_event()], [Some(opened(0)), Some(opened(1))]);
    far.tell(|| shard.pop_front());
    assert!(shard.is_empty() && hears(&bell, Duration::ZERO));
    assert_eq!(std::iter::from_fn(|| lines.poll_event()).collect::<Vec<_>>(), [2, 3, 4, 5].map(opened));
    far.tell(|| shard.pop_front());
    assert!(!far.is_held() && !hears(&bell, Duration::ZERO));
}

#[test]
fn shards_that_have_much_to_say_take_turns() {
    let (mut lines, [mut one, mut two, mut three], _, _) = lines(4);
    for (far, first) in [(&mut one, 10), (&mut three, 30)] {
        let mut shard: VecDeque<Event> = (first..first + 3).map(opened).collect();
        far.tell(|| shard.pop_front());
    }
    two.tell(|| None);
    let read: Vec<Event> = std::iter::from_fn(|| lines.poll_event()).collect();
    assert_eq!(read, [10, 30, 11, 31, 12, 32].map(opened));
}

/// A thread that is gone makes no room: nobody waits for it, and nothing is heaped up for it.
#[test]
fn a_side_that_is_gone_holds_nobody_up() {
    let (mut lines, [far], _, _) = lines(4);
    drop(far);
    (0..10).for_each(|leg| lines.post(0, close(leg)));
    assert!(lines.ring() && lines.lines[0].waiting.is_empty());
    let (lines, [mut far], _, _) = self::lines(4);
    drop(lines);
    let mut shard: VecDeque<Event> = (0..10).map(opened).collect();
    far.tell(|| shard.pop_front());
    assert!(shard.is_empty() && !far.is_held());
}

/// What a side that waits sleeps at most: for ever, but the test ends.
const FOR_EVER: Duration = Duration::from_secs(10);

/// Carries out `all` commands, each answered; sleeps until it is woken.
fn serve(far: &mut FarEnd, wake: &Bell, all: u64) {
    let (mut done, mut told, mut shard) = (0, 0, VecDeque::new());
    while told < all {
        if !hears(wake, if far.is_held() { RETRY } else { FOR_EVER }) {
            assert!(far.is_held(), "woken for {done} of {all}");
        }
        while let Ok(Command::Close { leg }) = far.commands.pop() {
            assert_eq!(leg, LegId(done), "in order");
            shard.push_back(opened(done));
            done += 1;
        }
        far.tell(|| shard.pop_front().inspect(|_| told += 1));
    }
}

/// 20,000 commands in bursts and as many answers through rings of this room; each side sleeps whenever it has nothing
/// to do. A wake-up that is lost shows: somebody sleeps on while something lies there for it.
fn converse(room: usize) {
    const ALL: u64 = 20_000;
    let (mut lines, [mut far], [wake], bell) = lines(room);
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&mut far, &wake, ALL));
        let (mut sent, mut heard) = (0, 0);
        while heard < ALL {
            let burst = (sent % 13).min(ALL - sent);
            (sent..sent + burst.max(u64::from(sent < ALL))).for_each(|leg| lines.post(0, close(leg)));
            sent += burst.max(u64::from(sent < ALL));
            let is_taken = lines.ring();
            let is_woken = hears(&bell, if is_taken { FOR_EVER } else { RETRY });
            assert!(is_woken || !is_taken, "woken for {heard} of {sent}");
            while let Some(event) = lines.poll_event() {
                assert_eq!(event, opened(heard), "in order");
                heard += 1;
            }
        }
    });
}

#[test]
fn two_threads_that_sleep_miss_no_wake_up() {
    converse(RING);
}

#[test]
fn two_threads_with_rings_that_are_always_full_miss_nothing() {
    converse(3);
}

/// The rings of one media thread, once they have gone round, in bytes.
#[test]
fn the_rings_are_small_beside_what_calls_take() {
    let bytes = RING * (size_of::<Command>() + size_of::<Event>());
    assert!(bytes <= 512 << 10, "{bytes}");
}
