use super::*;
use crate::journal::{About, EndReason, Entry};
use crate::report::samples::*;
use crate::storage::journal::Journal;
use crate::storage::tests::TestDir;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Writes entries to the journal and lets the records follow to the end.
fn run(runtime: &tokio::runtime::Runtime, dir: &Path, entries: &[Entry]) {
    let folder = dir.join("journal");
    let (journal, _) = Journal::open(&folder, |_| {}).unwrap();
    let records = runtime.block_on(Records::open(dir)).unwrap();
    let follower = runtime.block_on(records.follow(&folder, journal.progress().clone())).unwrap();
    entries.iter().for_each(|entry| journal.append(entry.clone()));
    drop(journal);
    follower.join();
    runtime.block_on(records.close());
}

fn calls(numbers: impl Iterator<Item = u64>) -> Vec<Entry> {
    numbers.flat_map(|number| queue_call(number.into(), (number - 1) * 24 + 1)).collect()
}

fn list(runtime: &tokio::runtime::Runtime, dir: &Path, filter: &Filter) -> Page {
    runtime.block_on(async {
        let records = Records::open(dir).await.unwrap();
        let page = records.list(filter).await.unwrap();
        records.close().await;
        page
    })
}

fn applied(runtime: &tokio::runtime::Runtime, dir: &Path) -> u64 {
    runtime.block_on(async { Records::open(dir).await.unwrap().applied_seq().await.unwrap() })
}

#[test]
fn records_are_the_fold_of_the_journal_byte_for_byte() {
    let (runtime, dir) = (runtime(), TestDir::new());
    run(&runtime, &dir.0, &calls(1..=3));
    assert_eq!(applied(&runtime, &dir.0), 72);
    let mut fold = Fold::default();
    let mut want = BTreeMap::new();
    for entry in calls(1..=3) {
        if let Some(record) = fold.handle(&entry) {
            want.insert(record.call_id, serde_json::to_string(record).unwrap());
        }
    }
    let page = list(&runtime, &dir.0, &Filter::default());
    assert_eq!(page.calls, want.into_values().rev().collect::<Vec<_>>());
    assert_eq!(page.next, None);
}

/// A restart in the middle, and a lost database, give the same rows as one run.
#[test]
fn a_restart_at_any_entry_and_a_lost_database_give_the_same_records() {
    let runtime = runtime();
    let (whole, entries) = (TestDir::new(), calls(1..=1));
    run(&runtime, &whole.0, &entries);
    let want = list(&runtime, &whole.0, &Filter::default());
    assert_eq!(want.calls.len(), 1);
    for cut in [1, 5, 13, 18, 19, 20, 21, 22, 23] {
        let dir = TestDir::new();
        run(&runtime, &dir.0, &entries[..cut]);
        run(&runtime, &dir.0, &entries[cut..]);
        assert_eq!(list(&runtime, &dir.0, &Filter::default()), want, "cut at {cut}");
    }
    for file in ["hatif.sqlite", "hatif.sqlite-wal", "hatif.sqlite-shm"] {
        let _ = fs::remove_file(whole.0.join(file));
    }
    run(&runtime, &whole.0, &[]);
    assert_eq!(list(&runtime, &whole.0, &Filter::default()), want);
}

/// The database is away for a while: nothing is lost, and nothing is written twice.
#[test]
fn a_failing_database_is_tried_again_with_the_same_batch() {
    let dir = TestDir::new();
    let (journal, _) = Journal::open(&dir.0, |_| {}).unwrap();
    calls(1..=2).into_iter().for_each(|entry| journal.append(entry));
    let progress = journal.progress().clone();
    drop(journal);
    let (stats, tries) = (FollowStats::default(), AtomicU64::new(0));
    let written = std::sync::Mutex::new(Vec::new());
    let tail = Tail::open(&dir.0, 0, progress.synced()).unwrap();
    follow(tail, &progress, &stats, |batch| {
        if tries.fetch_add(1, Relaxed) < 2 {
            return Err(sqlx::Error::PoolTimedOut);
        }
        written.lock().unwrap().push((batch.seq, batch.records.len()));
        Ok(())
    });
    assert_eq!(written.into_inner().unwrap(), [(48, 2)]);
    assert_eq!((stats.applied_seq.load(Relaxed), stats.errors.load(Relaxed)), (48, 2));
    assert!(!stats.failing.load(Relaxed));
}

#[test]
fn what_is_not_durable_in_the_journal_is_not_in_the_records() {
    let dir = TestDir::new();
    let (journal, _) = Journal::open(&dir.0, |_| {}).unwrap();
    calls(1..=2).into_iter().for_each(|entry| journal.append(entry));
    let progress = journal.progress().clone();
    drop(journal);
    // The limit of durability after the first call's end: the second call's entries are in the file, but not safe.
    let mut until = progress.synced();
    let first_call: usize = {
        let mut frames = Vec::new();
        calls(1..=1).iter().for_each(|entry| segment::push_entry(&mut frames, entry).unwrap());
        frames.len()
    };
    let mut head = Vec::new();
    segment::push_snapshot(&mut head, &segment::Snapshot { next_seq: 1, ..Default::default() }).unwrap();
    until.bytes = (head.len() + first_call) as u64;
    let mut tail = Tail::open(&dir.0, 0, until).unwrap();
    let mut batch = Batch::default();
    assert!(!tail.read(&until, &mut batch).unwrap());
    assert_eq!((batch.seq, batch.records.len()), (24, 1));
    assert!(!tail.read(&progress.synced(), &mut batch).unwrap());
    assert_eq!((batch.seq, batch.records.len()), (48, 2));
}

#[test]
fn calls_are_listed_newest_first_by_page_queue_agent_and_time() {
    let (runtime, dir) = (runtime(), TestDir::new());
    let mut entries = calls(1..=5);
    let lone = About::Call(call(9));
    entries.push(entry(121, 600, lone.clone(), started()));
    entries.push(entry(122, 601, lone, ended(EndReason::Abandoned)));
    run(&runtime, &dir.0, &entries);
    let ids = |filter: Filter| {
        let page = list(&runtime, &dir.0, &filter);
        let id = |json: &String| serde_json::from_str::<CallRecord>(json).unwrap().call_id;
        (page.calls.iter().map(id).collect::<Vec<_>>(), page.next)
    };
    let (first, next) = ids(Filter { limit: 2, ..Filter::default() });
    assert_eq!((first, next), (vec![call(9), call(5)], Some(call(5))));
    let (second, next) = ids(Filter { limit: 4, cursor: Some(call(5)), ..Filter::default() });
    assert_eq!((second, next), ((1..=4).rev().map(call).collect(), None));
    assert_eq!(ids(Filter { queue: Some("support".into()), ..Filter::default() }).0.len(), 5);
    assert_eq!(ids(Filter { queue: Some("sup".into()), ..Filter::default() }).0.len(), 0);
    assert_eq!(ids(Filter { agent: Some("102".into()), ..Filter::default() }).0.len(), 5);
    let late = Wall(START.0 + 600_000_000);
    assert_eq!(ids(Filter { from: Some(late), ..Filter::default() }).0, [call(9)]);
    assert_eq!(ids(Filter { to: Some(late), ..Filter::default() }).0.len(), 5);
    runtime.block_on(async {
        let records = Records::open(&dir.0).await.unwrap();
        let got = records.get(call(9)).await.unwrap().unwrap();
        assert!(got.contains("\"reason\":\"abandoned\""), "{got}");
        assert_eq!(records.get(call(77)).await.unwrap(), None);
        let row = records.recording(recording(3)).await.unwrap().unwrap();
        assert_eq!((row.call_id, row.file), (call(3), recording(3).file()));
        assert_eq!(records.recordings(2, Some(recording(3))).await.unwrap().len(), 2);
    });
}

#[test]
fn an_api_key_is_found_by_its_secret_only_and_kept_as_a_hash() {
    let (runtime, dir) = (runtime(), TestDir::new());
    runtime.block_on(async {
        let records = Records::open(&dir.0).await.unwrap();
        let scopes = vec!["calls:read".to_owned(), "agents:write".to_owned()];
        let key = Key { id: "key_1".into(), name: "crm".into(), scopes, created: START };
        records.add_key(&key, "hk_secret").await.unwrap();
        assert_eq!(records.key("hk_secret").await.unwrap(), Some(key.clone()));
        assert_eq!(records.key("hk_secreT").await.unwrap(), None);
        assert_eq!(records.keys().await.unwrap(), [key]);
        assert!(records.remove_key("key_1").await.unwrap());
        assert!(!records.remove_key("key_1").await.unwrap());
        assert_eq!(records.key("hk_secret").await.unwrap(), None);
        records.close().await;
    });
    assert!(!fs::read(dir.0.join("hatif.sqlite")).unwrap().windows(9).any(|w| w == b"hk_secret"));
}

#[test]
fn a_damaged_database_says_what_to_do() {
    let (runtime, dir) = (runtime(), TestDir::new());
    fs::write(dir.0.join("hatif.sqlite"), vec![7; 8_192]).unwrap();
    let refused = runtime.block_on(Records::open(&dir.0)).unwrap_err().to_string();
    assert!(refused.contains("move it away"), "{refused}");
}

/// A later segment's records need nothing of the segments before it but its snapshot.
#[test]
fn the_newest_fitting_snapshot_is_where_following_begins() {
    let dir = TestDir::new();
    let mut state = segment::Snapshot { next_seq: 1, ..Default::default() };
    let entries = calls(1..=2);
    let mut firsts = Vec::new();
    for part in entries.chunks(16) {
        let mut frames = Vec::new();
        segment::push_snapshot(&mut frames, &state).unwrap();
        firsts.push(state.next_seq);
        for entry in part {
            segment::push_entry(&mut frames, entry).unwrap();
            state.handle(entry);
        }
        fs::write(segment::segment_path(&dir.0, state.next_seq - 16), frames).unwrap();
    }
    assert_eq!(firsts, [1, 17, 33]);
    let bytes = fs::metadata(segment::segment_path(&dir.0, 33)).unwrap().len();
    let synced = Synced { segment: 33, bytes, seq: 48, closed: true };
    for (applied, segment) in [(0, 1), (15, 1), (16, 17), (31, 17), (32, 33), (48, 33), (99, 33)] {
        assert_eq!(Tail::open(&dir.0, applied, synced).unwrap().segment, segment, "applied {applied}");
    }
    let mut batch = Batch::default();
    Tail::open(&dir.0, 20, synced).unwrap().read(&synced, &mut batch).unwrap();
    assert_eq!(batch.records.len(), 2, "the first call's later revisions and the second call");
    assert_eq!((batch.seq, batch.entries), (48, 28), "what is applied is only folded");
}
