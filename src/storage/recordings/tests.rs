use std::sync::mpsc;

use super::*;
use crate::report::samples::{call, recording};
use crate::storage::tests::TestDir;

fn chunk(number: u128, kind: ChunkKind) -> Chunk {
    Chunk { recording: recording(number), kind }
}

/// 200 ms: the customer says `left`, the agent `right`.
fn speech(left: i16, right: i16) -> ChunkKind {
    ChunkKind::Samples([left, right].repeat(1_600))
}

fn read(path: &Path) -> (hound::WavSpec, Vec<i16>) {
    let mut reader = hound::WavReader::open(path).unwrap();
    (reader.spec(), reader.samples::<i16>().map(Result::unwrap).collect())
}

fn record(dir: &Path, chunks: Vec<Chunk>) -> Vec<Ended> {
    let (sender, receiver) = crossbeam_channel::unbounded();
    let (ended, all) = mpsc::channel();
    let recorder = Recorder::start(dir, receiver, move |what| ended.send(what).unwrap()).unwrap();
    chunks.into_iter().for_each(|chunk| sender.send(chunk).unwrap());
    drop(sender);
    recorder.join();
    all.iter().collect()
}

fn path(dir: &Path, number: u128) -> PathBuf {
    dir.join(recording(number).file())
}

#[test]
fn a_recording_is_stereo_with_customer_left_and_agent_right_and_gaps_are_silence() {
    let dir = TestDir::new();
    let gap = ChunkKind::Gap { samples: 800 };
    let kinds = [ChunkKind::Start, speech(100, -200), gap, speech(101, -201), ChunkKind::End];
    let ended = record(&dir.0, kinds.into_iter().map(|kind| chunk(1, kind)).collect());
    assert_eq!(ended, [Ended { recording: recording(1), length_ms: 500, lost_ms: 100 }]);
    let (spec, samples) = read(&path(&dir.0, 1));
    assert_eq!(spec, SPEC);
    assert_eq!(samples, [[100, -200].repeat(1_600), [0, 0].repeat(800), [101, -201].repeat(1_600)].concat());
    assert!(!part(&path(&dir.0, 1)).exists());
}

#[test]
fn recordings_still_open_at_the_end_are_completed() {
    let dir = TestDir::new();
    let ended = record(&dir.0, vec![chunk(1, ChunkKind::Start), chunk(1, speech(1, 2)), chunk(2, speech(3, 4))]);
    assert_eq!(ended.iter().map(|e| e.length_ms).collect::<Vec<_>>(), [200, 200]);
    assert_eq!(read(&path(&dir.0, 2)).1.len(), 3_200);
}

/// `kill -9`: the file as it is after each chunk plays at once, lacking under a second, and is whole after mending.
#[test]
fn a_killed_recording_plays_at_every_moment_and_loses_under_a_second() {
    let dir = TestDir::new();
    let mut tapes = fake(&dir.0, Box::new(create_file));
    tapes.0.handle(chunk(1, ChunkKind::Start));
    for pieces in 1..=17u64 {
        tapes.0.handle(chunk(1, speech(5, 6)));
        let copy = TestDir::new();
        let target = path(&copy.0, 1);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(part(&path(&dir.0, 1)), part(&target)).unwrap();
        let playable = read(&part(&target)).1.len() as u64 / 2;
        assert!(playable + 8_000 > pieces * 1_600, "{playable} of {}", pieces * 1_600);
        let known = Unfinished { recording: recording(1), call: call(1), file: recording(1).file() };
        let want = Mended { recording: recording(1), call: Some(call(1)), length_ms: pieces * 200, partial: true };
        assert_eq!(mend(&copy.0, &[known]).unwrap(), [want]);
        assert_eq!(read(&target).1.len() as u64, pieces * 3_200);
    }
}

#[test]
fn files_cut_at_any_byte_of_the_header_and_unknown_ones_are_mended() {
    let dir = TestDir::new();
    let target = path(&dir.0, 1);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    for bytes in 0..=50usize {
        let mut content = header(0);
        content.resize(50, 1);
        fs::write(part(&target), &content[..bytes]).unwrap();
        let mended = mend(&dir.0, &[]).unwrap();
        assert_eq!(mended, [Mended { recording: recording(1), call: None, length_ms: 0, partial: true }]);
        assert_eq!(read(&target).1.len(), if bytes < 48 { 0 } else { 2 }, "{bytes} bytes");
    }
}

#[test]
fn a_file_completed_just_before_the_crash_is_reported_whole_and_a_missing_one_with_nothing() {
    let dir = TestDir::new();
    record(&dir.0, vec![chunk(1, speech(1, 1)), chunk(1, ChunkKind::End)]);
    let known = |number| Unfinished { recording: recording(number), call: call(number), file: String::new() };
    let mended = mend(&dir.0, &[known(1), known(2)]).unwrap();
    assert_eq!(mended.iter().map(|m| (m.length_ms, m.partial)).collect::<Vec<_>>(), [(200, false), (0, true)]);
}

#[test]
fn no_recordings_at_all_are_nothing_to_mend() {
    let dir = TestDir::new();
    assert_eq!(mend(&dir.0, &[]).unwrap(), []);
}

/// A file on a disk that refuses on demand, as a full one does.
struct Moody {
    file: File,
    full: Arc<AtomicBool>,
}

impl AudioFile for Moody {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.full.load(Relaxed) {
            // A full disk often takes a part.
            self.file.write_all_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all_at(bytes, offset)
    }
    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn fake(dir: &Path, create: Box<Create>) -> (Tapes, Receiver<Completed>) {
    let (completed, to_complete) = crossbeam_channel::unbounded();
    let stats = Arc::new(Stats::default());
    let (data_dir, tapes) = (dir.to_path_buf(), BTreeMap::new());
    (Tapes { data_dir, create, tapes, bytes: Vec::new(), stats, completed }, to_complete)
}

fn complete(to_complete: &Receiver<Completed>) -> Ended {
    let (one, only) = crossbeam_channel::bounded(1);
    one.send(to_complete.try_recv().unwrap()).unwrap();
    drop(one);
    let (sender, receiver) = mpsc::channel();
    finish_all(&only, &move |ended| sender.send(ended).unwrap());
    receiver.recv().unwrap()
}

#[test]
fn a_full_disk_costs_the_audio_of_that_time_and_raises_the_alarm() {
    let dir = TestDir::new();
    let full = Arc::new(AtomicBool::new(false));
    let mood = full.clone();
    let create = move |path: &Path| -> io::Result<Box<dyn AudioFile>> {
        create_file(path)?;
        Ok(Box::new(Moody { file: OpenOptions::new().write(true).open(path)?, full: mood.clone() }))
    };
    let (mut tapes, done) = fake(&dir.0, Box::new(create));
    for (kind, is_full) in [
        (ChunkKind::Start, false),
        (speech(1, 1), false),
        (speech(2, 2), true),
        (speech(3, 3), true),
        (speech(4, 4), false),
    ] {
        full.store(is_full, Relaxed);
        tapes.handle(chunk(1, kind));
        assert_eq!(tapes.stats.failing.load(Relaxed), is_full);
    }
    tapes.handle(chunk(1, ChunkKind::End));
    assert_eq!(complete(&done), Ended { recording: recording(1), length_ms: 800, lost_ms: 400 });
    let samples = read(&path(&dir.0, 1)).1;
    assert_eq!(samples.len(), 4 * 3_200, "what is lost keeps its time");
    assert_eq!((samples[0], samples[3 * 3_200], samples[4 * 3_200 - 1]), (1, 4, 4));
    assert_eq!(tapes.stats.lost_ms.load(Relaxed), 400);
}

#[test]
fn a_folder_that_refuses_is_tried_again_and_the_beginning_is_silence() {
    let dir = TestDir::new();
    let blocker = dir.0.join("recordings");
    fs::write(&blocker, "in the way").unwrap();
    let (mut tapes, done) = fake(&dir.0, Box::new(create_file));
    tapes.handle(chunk(1, ChunkKind::Start));
    tapes.handle(chunk(1, speech(1, 1)));
    assert!(tapes.stats.failing.load(Relaxed));
    fs::remove_file(&blocker).unwrap();
    tapes.handle(chunk(1, speech(2, 2)));
    assert!(!tapes.stats.failing.load(Relaxed));
    tapes.handle(chunk(1, ChunkKind::End));
    assert_eq!(complete(&done), Ended { recording: recording(1), length_ms: 400, lost_ms: 200 });
    assert_eq!(read(&path(&dir.0, 1)).1, [[0, 0].repeat(1_600), [2, 2].repeat(1_600)].concat());
}
