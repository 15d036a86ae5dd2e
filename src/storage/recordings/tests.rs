use std::sync::mpsc;

use super::sidecar::State;
use super::*;
use crate::media::TrackKind;
use crate::report::record::Unfinished;
use crate::report::samples::{call, recording};
use crate::storage::tests::TestDir;

fn chunk(number: u128, kind: ChunkKind) -> Chunk {
    Chunk { recording: recording(number), track: Track::Main, kind }
}

fn beside(number: u128, kind: TrackKind, what: ChunkKind) -> Chunk {
    Chunk { recording: recording(number), track: Track::Extra { kind, number: 1 }, kind: what }
}

fn sidecar(dir: &Path, number: u128) -> Sidecar {
    Sidecar::read(&dir.join(recording(number).beside("json"))).unwrap()
}

fn seconds(ms: u64) -> Seconds {
    Seconds::from_ms(ms)
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
    let pool = pool(64 << 20);
    let (ended, all) = mpsc::channel();
    let recorder = Recorder::start(dir, pool.writer, move |what| ended.send(what).unwrap()).unwrap();
    chunks.into_iter().for_each(|chunk| pool.chunks.send(chunk).unwrap());
    drop(pool.chunks);
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
    let kinds = [ChunkKind::Start { offset: 0 }, speech(100, -200), gap, speech(101, -201), ChunkKind::End];
    let ended = record(&dir.0, kinds.into_iter().map(|kind| chunk(1, kind)).collect());
    assert_eq!(ended, [Ended { recording: recording(1), length_ms: 500, lost_ms: 100 }]);
    let (spec, samples) = read(&path(&dir.0, 1));
    assert_eq!(spec, super::spec(2));
    assert_eq!(samples, [[100, -200].repeat(1_600), [0, 0].repeat(800), [101, -201].repeat(1_600)].concat());
    assert!(!part(&path(&dir.0, 1)).exists());
    let told = sidecar(&dir.0, 1);
    assert_eq!(
        (told.version, told.state, told.seconds, told.lost_seconds),
        (1, State::Recorded, seconds(500), seconds(100))
    );
    assert_eq!(told.gaps, [Piece { offset_seconds: seconds(200), seconds: seconds(100) }]);
    assert_eq!(told.files.len(), 1);
}

/// An extra voice has a file of its own, of the time it ran; the sidecar says where it belongs, and where pauses are.
#[test]
fn extra_voices_lie_beside_the_recording_and_its_sidecar_names_them_and_its_pauses() {
    let dir = TestDir::new();
    let voice = |kind, what| beside(1, kind, what);
    let (supervisor, consult) = (TrackKind::Supervisor, TrackKind::Consult);
    record(
        &dir.0,
        vec![
            chunk(1, ChunkKind::Start { offset: 0 }),
            chunk(1, speech(1, 2)),
            voice(supervisor, ChunkKind::Start { offset: 1_600 }),
            chunk(1, ChunkKind::Pause { at: 1_200, on: true }),
            voice(supervisor, ChunkKind::Samples(vec![7; 1_600])),
            voice(consult, ChunkKind::Start { offset: 2_400 }),
            voice(consult, ChunkKind::Samples(vec![8; 800])),
            voice(supervisor, ChunkKind::End),
            chunk(1, speech(3, 4)),
            chunk(1, ChunkKind::Pause { at: 2_800, on: false }),
        ],
    );
    for (name, count, level) in [("supervisor.wav", 1_600, 7), ("consult.wav", 800, 8)] {
        let (spec, samples) = read(&dir.0.join(recording(1).beside(name)));
        assert_eq!((spec, samples), (super::spec(1), vec![level; count]));
    }
    let told = sidecar(&dir.0, 1);
    let files: Vec<_> =
        told.files.iter().map(|f| (f.track.as_str(), f.channels, f.offset_seconds.ms, f.seconds.ms)).collect();
    assert_eq!(files, [("call", 2, 0, 400), ("supervisor", 1, 200, 200), ("consult", 1, 300, 100)]);
    assert_eq!(told.pauses, [Piece { offset_seconds: seconds(150), seconds: seconds(200) }.into()]);
    assert!(told.files.iter().all(|file| dir.0.join(&file.file).exists()));
}

#[test]
fn an_extra_file_that_a_crash_cut_is_mended_too() {
    let dir = TestDir::new();
    let (mut tapes, _done) = fake(&dir.0, Box::new(create_file));
    let speech = || ChunkKind::Samples(vec![7; 1_600]);
    for what in [ChunkKind::Start { offset: 0 }, speech(), speech()] {
        tapes.handle(beside(1, TrackKind::Supervisor, what));
    }
    drop(tapes);
    assert_eq!(mend(&dir.0, &[]).unwrap(), []);
    assert_eq!(read(&dir.0.join(recording(1).beside("supervisor.wav"))).1, vec![7; 3_200]);
}

/// A disk that stalls: the media threads' side of the pool takes what fits, at once, and what was written is used again.
#[test]
fn a_stalled_disk_fills_the_pool_and_raises_the_alarm() {
    let dir = TestDir::new();
    let (pool, gate) = (pool(0), Arc::new(std::sync::Mutex::new(())));
    let stalled = gate.lock().unwrap();
    let waits = gate.clone();
    let stats = Arc::new(Stats::new());
    let (completed, done) = crossbeam_channel::unbounded();
    let create = move |path: &Path| -> io::Result<Box<dyn AudioFile>> {
        create_file(path)?;
        let file = OpenOptions::new().write(true).open(path)?;
        Ok(Box::new(Stalling { file, gate: waits.clone() }))
    };
    let mut tapes = Tapes::new(&dir.0, Box::new(create), stats.clone(), pool.writer.spare, completed);
    let chunks = pool.writer.chunks;
    let writer = std::thread::spawn(move || {
        for chunk in chunks {
            tapes.desk.stats.busy(true);
            tapes.handle(chunk);
            tapes.desk.stats.busy(false);
        }
    });
    pool.chunks.send(chunk(1, ChunkKind::Start { offset: 0 })).unwrap();
    while !pool.chunks.is_empty() {
        std::thread::yield_now();
    }
    let taken = (0..1_200).filter(|_| pool.chunks.try_send(chunk(1, speech(1, 1))).is_ok()).count();
    assert_eq!(taken, 1_000, "the pool is as large as was said, and the rest is refused at once");
    let (soon, later) = (Instant::now(), Instant::now() + STALLED + Duration::from_secs(1));
    assert!(!stats.alarm(soon) && stats.alarm(later));
    drop(stalled);
    pool.chunks.send(chunk(1, ChunkKind::End)).unwrap();
    drop(pool.chunks);
    writer.join().unwrap();
    assert!(!stats.alarm(later));
    assert_eq!(pool.spare.try_iter().count(), SPARE_BUFFERS, "buffers come back, and not all of a stall");
    let ended = complete(&done);
    assert_eq!((ended.length_ms, ended.lost_ms), (200_000, 0));
}

/// A file on a disk that waits.
struct Stalling {
    file: File,
    gate: Arc<std::sync::Mutex<()>>,
}

impl AudioFile for Stalling {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        drop(self.gate.lock().unwrap());
        self.file.write_all_at(bytes, offset)
    }
    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

#[test]
fn recordings_still_open_at_the_end_are_completed() {
    let dir = TestDir::new();
    let ended =
        record(&dir.0, vec![chunk(1, ChunkKind::Start { offset: 0 }), chunk(1, speech(1, 2)), chunk(2, speech(3, 4))]);
    assert_eq!(ended.iter().map(|e| e.length_ms).collect::<Vec<_>>(), [200, 200]);
    assert_eq!(read(&path(&dir.0, 2)).1.len(), 3_200);
}

/// `kill -9`: the file as it is after each chunk plays at once, lacking under a second, and is whole after mending.
#[test]
fn a_killed_recording_plays_at_every_moment_and_loses_under_a_second() {
    let dir = TestDir::new();
    let mut tapes = fake(&dir.0, Box::new(create_file));
    tapes.0.handle(chunk(1, ChunkKind::Start { offset: 0 }));
    for pieces in 1..=17u64 {
        tapes.0.handle(chunk(1, speech(5, 6)));
        let copy = TestDir::new();
        let target = path(&copy.0, 1);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(part(&path(&dir.0, 1)), part(&target)).unwrap();
        let playable = read(&part(&target)).1.len() as u64 / 2;
        assert!(playable + 8_000 > pieces * 1_600, "{playable} of {}", pieces * 1_600);
        let known = Unfinished { recording: recording(1), call: call(1), file: recording(1).file() };
        // The last one may wait for the next.
        let written = pieces / HELD_MOST as u64 * HELD_MOST as u64;
        let want = Mended { recording: recording(1), call: Some(call(1)), length_ms: written * 200, partial: true };
        assert_eq!(mend(&copy.0, &[known]).unwrap(), [want]);
        assert_eq!(read(&target).1.len() as u64, written * 3_200);
    }
}

#[test]
fn files_cut_at_any_byte_of_the_header_and_unknown_ones_are_mended() {
    let dir = TestDir::new();
    let target = path(&dir.0, 1);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    for bytes in 0..=50usize {
        let mut content = header(2, 0);
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
    let (spare, _) = crossbeam_channel::bounded(1);
    (Tapes::new(dir, create, Arc::new(Stats::new()), spare, completed), to_complete)
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
        (ChunkKind::Start { offset: 0 }, false),
        (speech(1, 1), false),
        (speech(2, 2), true),
        (speech(3, 3), true),
        (speech(4, 4), false),
    ] {
        full.store(is_full, Relaxed);
        let twice = matches!(kind, ChunkKind::Samples(_)).then(|| kind.clone());
        twice.into_iter().chain([kind]).for_each(|kind| tapes.handle(chunk(1, kind)));
        assert_eq!(tapes.desk.stats.failing.load(Relaxed), is_full);
    }
    tapes.handle(chunk(1, ChunkKind::End));
    assert_eq!(complete(&done), Ended { recording: recording(1), length_ms: 1_600, lost_ms: 800 });
    let samples = read(&path(&dir.0, 1)).1;
    assert_eq!(samples.len(), 8 * 3_200, "what is lost keeps its time");
    assert_eq!((samples[0], samples[6 * 3_200], samples[8 * 3_200 - 1]), (1, 4, 4));
    assert_eq!(tapes.desk.stats.lost_ms.load(Relaxed), 800);
}

#[test]
fn a_folder_that_refuses_is_tried_again_and_the_beginning_is_silence() {
    let dir = TestDir::new();
    let blocker = dir.0.join("recordings");
    fs::write(&blocker, "in the way").unwrap();
    let (mut tapes, done) = fake(&dir.0, Box::new(create_file));
    tapes.handle(chunk(1, ChunkKind::Start { offset: 0 }));
    tapes.handle(chunk(1, speech(1, 1)));
    tapes.handle(chunk(1, speech(1, 1)));
    assert!(tapes.desk.stats.failing.load(Relaxed));
    fs::remove_file(&blocker).unwrap();
    tapes.handle(chunk(1, speech(2, 2)));
    tapes.handle(chunk(1, speech(2, 2)));
    assert!(!tapes.desk.stats.failing.load(Relaxed));
    tapes.handle(chunk(1, ChunkKind::End));
    assert_eq!(complete(&done), Ended { recording: recording(1), length_ms: 800, lost_ms: 400 });
    assert_eq!(read(&path(&dir.0, 1)).1, [[0, 0].repeat(3_200), [2, 2].repeat(3_200)].concat());
}
