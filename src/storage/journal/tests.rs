use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc;

use super::*;
use crate::journal::{About, EndReason, Kind};
use crate::report::samples::*;
use crate::storage::segment::{Body, Next, SegmentReader, push_entry};
use crate::storage::tests::TestDir;

fn open(dir: &Path) -> (Journal, Recovered) {
    Journal::open(dir, |_| {}).unwrap()
}

/// All entries of all segments, by number.
fn numbers(dir: &Path) -> Vec<u64> {
    let mut found = Vec::new();
    for first in segment::segments(dir).unwrap() {
        let path = segment::segment_path(dir, first);
        let (mut reader, limit) = (SegmentReader::open(&path).unwrap(), fs::metadata(&path).unwrap().len());
        loop {
            match reader.next(limit).unwrap() {
                Next::Body(Body::Entry(entry)) => found.push(entry.seq),
                Next::Body(Body::Snapshot(_)) => {}
                Next::End => break,
                bad => panic!("{bad:?} in segment {first}"),
            }
        }
    }
    found
}

fn write_calls(dir: &Path, calls: u64) -> u64 {
    let (journal, recovered) = open(dir);
    let mut next = recovered.next_seq;
    for _ in 0..calls {
        for entry in queue_call(u128::from(next), next) {
            next = entry.seq + 1;
            journal.append(entry);
        }
    }
    drop(journal);
    next
}

#[test]
fn a_journal_goes_on_where_it_ended() {
    let dir = TestDir::new();
    assert_eq!(open(&dir.0).1.next_seq, 1);
    let next = write_calls(&dir.0, 2);
    assert_eq!(next, 49);
    let (_journal, recovered) = open(&dir.0);
    assert_eq!((recovered.next_seq, recovered.cut_bytes, recovered.damaged), (49, 0, 0));
    assert_eq!(recovered.last_at, Some(Wall(START.0 + 90_000_000)));
    assert!(recovered.open_calls.is_empty() && recovered.recordings.is_empty());
    assert_eq!(numbers(&dir.0), (1..49).collect::<Vec<_>>());
}

#[test]
fn open_calls_and_agents_states_are_recovered() {
    let dir = TestDir::new();
    let (journal, _) = open(&dir.0);
    queue_call(1, 1).into_iter().take(18).for_each(|entry| journal.append(entry));
    drop(journal);
    let (_journal, recovered) = open(&dir.0);
    assert_eq!(recovered.open_calls, [call(1)]);
    assert_eq!(recovered.recordings[0].recording, recording(1));
    assert_eq!(recovered.live.agents()["101"].state, crate::journal::AgentStateName::WrapUp);
}

/// Whatever byte the crash cut the last frame at: the entries before it are there, and writing goes on.
#[test]
fn a_tail_torn_at_any_byte_costs_only_the_last_entry() {
    let dir = TestDir::new();
    let next = write_calls(&dir.0, 1);
    let path = segment::segment_path(&dir.0, 1);
    let whole = fs::read(&path).unwrap();
    let mut frame = Vec::new();
    push_entry(&mut frame, &queue_call(1, 1)[23]).unwrap();
    assert!(whole.ends_with(&frame));
    for kept in 0..frame.len() {
        fs::write(&path, &whole[..whole.len() - frame.len() + kept]).unwrap();
        let (journal, recovered) = open(&dir.0);
        assert_eq!((recovered.next_seq, recovered.cut_bytes), (next - 1, kept as u64), "{kept} bytes kept");
        journal.append(queue_call(1, 1).remove(23));
        drop(journal);
        assert!(fs::read(&path).unwrap() == whole, "{kept} bytes kept");
    }
}

/// A disk that lost power may give zeros or old bytes for blocks that were never written.
#[test]
fn a_tail_of_zeros_or_garbage_is_cut_and_kept_aside() {
    for tail in [vec![0; 5_000], vec![0xa5; 5_000], vec![1, 0, 0, 0, 0, 0, 0, 0, 7]] {
        let dir = TestDir::new();
        let next = write_calls(&dir.0, 1);
        let path = segment::segment_path(&dir.0, 1);
        let sound = fs::read(&path).unwrap();
        fs::write(&path, [sound.clone(), tail.clone()].concat()).unwrap();
        let (journal, recovered) = open(&dir.0);
        assert_eq!((recovered.next_seq, recovered.cut_bytes), (next, tail.len() as u64));
        drop(journal);
        assert!(fs::read(&path).unwrap() == sound);
        assert_eq!(fs::read(path.with_extension("torn")).unwrap(), tail);
    }
}

#[test]
fn a_damaged_entry_in_the_middle_costs_only_itself() {
    let dir = TestDir::new();
    write_calls(&dir.0, 1);
    let path = segment::segment_path(&dir.0, 1);
    let mut bytes = fs::read(&path).unwrap();
    let place = bytes.windows(10).position(|w| w == b"0501234567").unwrap();
    bytes[place] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (_journal, recovered) = open(&dir.0);
    assert_eq!((recovered.next_seq, recovered.cut_bytes, recovered.damaged), (25, 0, 1));
}

/// `kill -9` at any moment of writing: what had been committed is there, without gaps.
#[test]
fn a_copy_taken_while_writing_holds_everything_committed() {
    let (dir, copy) = (TestDir::new(), TestDir::new());
    let (acked, acks) = mpsc::channel();
    let (journal, _) = Journal::open(&dir.0, move |ticket| acked.send(ticket).unwrap()).unwrap();
    let mut next = 1;
    for round in 0..20 {
        for entry in queue_call(u128::from(next), next) {
            let seq = entry.seq;
            next = seq + 1;
            journal.append(entry);
            if seq % 8 == 0 {
                journal.commit(seq);
            }
        }
        let committed = acks.recv().unwrap();
        let target = copy.0.join(round.to_string());
        fs::create_dir_all(&target).unwrap();
        for first in segment::segments(&dir.0).unwrap() {
            fs::copy(segment::segment_path(&dir.0, first), segment::segment_path(&target, first)).unwrap();
        }
        let (_, recovered) = open(&target);
        assert!(recovered.next_seq > committed, "{committed} was committed, {} is next", recovered.next_seq);
        assert_eq!(numbers(&target), (1..recovered.next_seq).collect::<Vec<_>>());
    }
}

/// A disk whose file is in memory and that refuses on demand.
#[derive(Clone, Default)]
struct FakeDisk {
    file: Rc<RefCell<Vec<u8>>>,
    room: Rc<RefCell<usize>>,
    sync_fails: Rc<RefCell<bool>>,
    cut_fails: Rc<RefCell<bool>>,
    syncs: Rc<RefCell<u32>>,
}

impl Disk for FakeDisk {
    fn open(&mut self, _: u64, bytes: u64) -> io::Result<()> {
        self.file.borrow_mut().truncate(bytes as usize);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let taken = bytes.len().min(self.room.borrow().saturating_sub(self.file.borrow().len()));
        self.file.borrow_mut().extend_from_slice(&bytes[..taken]);
        if taken < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        *self.syncs.borrow_mut() += 1;
        if *self.sync_fails.borrow() { Err(io::Error::other("EIO")) } else { Ok(()) }
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        if *self.cut_fails.borrow() {
            return Err(io::Error::other("EIO"));
        }
        self.file.borrow_mut().truncate(bytes as usize);
        Ok(())
    }
}

struct Rig {
    disk: FakeDisk,
    writer: Writer<FakeDisk>,
    acks: mpsc::Receiver<u64>,
    start: Instant,
    dir: TestDir,
}

impl Rig {
    fn new() -> Self {
        let (dir, disk, start) = (TestDir::new(), FakeDisk::default(), Instant::now());
        *disk.room.borrow_mut() = usize::MAX;
        let (acked, acks) = mpsc::channel();
        let (stats, progress) = (Arc::new(Stats::new(start)), Arc::new(Progress::default()));
        let ack = Box::new(move |ticket| acked.send(ticket).unwrap());
        let (writer, _) = Writer::open(&dir.0, disk.clone(), stats, progress, ack).unwrap();
        *disk.syncs.borrow_mut() = 0;
        Self { disk, writer, acks, start, dir }
    }

    fn append(&mut self, at_ms: u64, seq: u64) {
        let now = self.at(at_ms);
        self.writer.append(now, &entry(seq, 0, About::Node, Kind::ConfigReloaded { accepted: true }));
        self.writer.write(now);
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    /// Jumps from deadline to deadline up to `ms`.
    fn run_to(&mut self, ms: u64) {
        while let Some(due) = self.writer.poll_timeout().filter(|due| *due <= self.at(ms)) {
            self.writer.handle_timeout(due);
        }
    }

    fn due_ms(&self) -> Option<u128> {
        self.writer.poll_timeout().map(|due| due.duration_since(self.start).as_millis())
    }

    /// What a start would find in the fake file.
    fn recovered(&self) -> (u64, u64) {
        fs::write(segment::segment_path(&self.dir.0, 1), &*self.disk.file.borrow()).unwrap();
        let scan = segment::scan(&self.dir.0).unwrap();
        (scan.state.next_seq, scan.file_bytes - scan.good_bytes)
    }
}

#[test]
fn a_commit_is_durable_at_once_and_those_that_follow_gather_for_5_ms() {
    let mut rig = Rig::new();
    rig.append(0, 1);
    rig.writer.commit(rig.at(0), 7);
    assert_eq!(rig.due_ms(), Some(0));
    rig.run_to(0);
    assert_eq!(rig.acks.try_iter().collect::<Vec<_>>(), [7]);
    for ms in 1..=4 {
        rig.append(ms, 1 + ms);
        rig.writer.commit(rig.at(ms), 10 + ms);
        rig.run_to(ms);
    }
    assert!(rig.acks.try_recv().is_err());
    rig.run_to(5);
    assert_eq!(rig.acks.try_iter().collect::<Vec<_>>(), [11, 12, 13, 14]);
    assert_eq!(*rig.disk.syncs.borrow(), 2);
}

#[test]
fn entries_nobody_waits_for_are_written_at_once_and_durable_within_50_ms() {
    let mut rig = Rig::new();
    rig.append(10, 1);
    rig.append(30, 2);
    assert_eq!(rig.recovered(), (3, 0), "written, though not synced");
    assert_eq!(rig.due_ms(), Some(60));
    rig.run_to(59);
    assert_eq!((*rig.disk.syncs.borrow(), rig.writer.progress.synced().seq), (0, 0));
    rig.run_to(60);
    assert_eq!((*rig.disk.syncs.borrow(), rig.writer.progress.synced().seq), (1, 2));
    assert_eq!(rig.due_ms(), None);
}

#[test]
fn a_full_disk_keeps_entries_in_memory_says_so_and_writes_them_when_there_is_room() {
    let mut rig = Rig::new();
    *rig.disk.room.borrow_mut() = rig.disk.file.borrow().len() + 70;
    for seq in 1..=20 {
        rig.append(seq, seq);
        rig.writer.commit(rig.at(seq), seq);
    }
    rig.run_to(1_000);
    assert!(rig.acks.try_recv().is_err(), "nothing is durable");
    assert!(rig.writer.stats.stalled(rig.at(1_000)));
    assert!(rig.writer.stats.errors.load(Relaxed) > 5);
    *rig.disk.room.borrow_mut() = usize::MAX;
    rig.run_to(1_200);
    assert_eq!(rig.acks.try_iter().collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    assert_eq!(rig.recovered(), (21, 0));
    assert!(!rig.writer.stats.stalled(rig.at(9_999)));
}

/// After a failed sync nothing behind the last durable byte is trusted, even when the failed bytes cannot be cut.
#[test]
fn a_failed_sync_is_followed_by_writing_everything_anew() {
    let mut rig = Rig::new();
    *rig.disk.sync_fails.borrow_mut() = true;
    *rig.disk.cut_fails.borrow_mut() = true;
    rig.append(0, 1);
    rig.run_to(300);
    rig.append(300, 2);
    *rig.disk.sync_fails.borrow_mut() = false;
    rig.run_to(600);
    assert_eq!(rig.writer.progress.synced().seq, 0, "nothing is written behind soiled bytes");
    *rig.disk.cut_fails.borrow_mut() = false;
    rig.run_to(900);
    assert_eq!(rig.writer.progress.synced().seq, 2);
    assert_eq!(rig.recovered(), (3, 0));
}

#[test]
fn a_disk_silent_for_200_ms_is_stalled_until_it_answers() {
    let mut rig = Rig::new();
    rig.append(0, 1);
    rig.writer.commit(rig.at(0), 1);
    assert!(!rig.writer.stats.stalled(rig.at(200)));
    assert!(rig.writer.stats.stalled(rig.at(201)));
    rig.run_to(201);
    assert!(!rig.writer.stats.stalled(rig.at(500)));
    assert_eq!(rig.writer.stats.commits.load(Relaxed), 1);
}

/// Many small segments: each start reads only the last, and finds the same.
#[test]
fn a_new_segment_begins_with_a_snapshot_and_the_last_one_is_enough() {
    let dir = TestDir::new();
    let (stats, progress) = (Arc::new(Stats::new(Instant::now())), Arc::new(Progress::default()));
    let disk = Files { dir: dir.0.clone(), file: None };
    let (mut writer, _) = Writer::open(&dir.0, disk, stats, progress, Box::new(|_| {})).unwrap();
    writer.segment_bytes = 4_000;
    let now = Instant::now();
    let mut state = Snapshot { next_seq: 1, ..Snapshot::default() };
    let mut next = 1;
    for number in 1..=5 {
        for entry in queue_call(number, next) {
            next = entry.seq + 1;
            state.handle(&entry);
            writer.append(now, &entry);
            writer.commit(now, 0);
            writer.handle_timeout(now + Duration::from_secs(next));
        }
    }
    drop(writer);
    let all = segment::segments(&dir.0).unwrap();
    assert!(all.len() > 3, "{all:?}");
    assert_eq!(numbers(&dir.0), (1..next).collect::<Vec<_>>());
    assert_eq!(segment::scan(&dir.0).unwrap().state, state);
    for first in &all[..all.len() - 1] {
        fs::remove_file(segment::segment_path(&dir.0, *first)).unwrap();
    }
    assert_eq!(segment::scan(&dir.0).unwrap().state, state);
}

#[test]
fn a_segment_without_a_whole_snapshot_is_begun_anew_from_the_one_before() {
    for bytes in [0, 5, 50] {
        let dir = TestDir::new();
        let next = write_calls(&dir.0, 1);
        fs::write(segment::segment_path(&dir.0, next), vec![7; bytes]).unwrap();
        let (_journal, recovered) = open(&dir.0);
        assert_eq!(recovered.next_seq, next);
        drop(_journal);
        write_calls(&dir.0, 1);
        assert_eq!(numbers(&dir.0), (1..next + 24).collect::<Vec<_>>());
    }
}

/// The caller never waits, and what is lost is counted.
#[test]
fn a_closed_writer_takes_nothing_and_says_so() {
    let dir = TestDir::new();
    let (mut journal, _) = open(&dir.0);
    let _ = journal.sender.send(Message::Close);
    journal.thread.take().unwrap().join().unwrap();
    assert!(journal.progress.synced().closed);
    journal.append(entry(1, 0, About::Call(call(1)), ended(EndReason::Normal)));
    assert_eq!(journal.stats.lost.load(Relaxed), 1);
}

/// A real disk may be slow; then the time is counted, not hidden.
#[test]
fn commits_under_load_are_acknowledged_in_order() {
    let dir = TestDir::new();
    let (acked, acks) = mpsc::channel();
    let (journal, _) = Journal::open(&dir.0, move |ticket| acked.send(ticket).unwrap()).unwrap();
    for seq in 1..=2_000 {
        journal.append(entry(seq, 0, About::Node, Kind::ConfigReloaded { accepted: true }));
        journal.commit(seq);
    }
    let stats = journal.stats().clone();
    drop(journal);
    assert_eq!(acks.iter().collect::<Vec<_>>(), (1..=2_000).collect::<Vec<_>>());
    let counted: u64 = stats.commit_buckets.iter().map(|bucket| bucket.load(Relaxed)).sum();
    assert_eq!(counted, stats.commits.load(Relaxed));
    assert!(counted < 2_000, "{counted} syncs for 2,000 commits: they did not gather");
}
