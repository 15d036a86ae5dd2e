use std::fs::OpenOptions;
use std::io::Write;

use super::super::sidecar::{Talked, Verdict};
use super::super::{Recorder, flac, opus, part, pool};
use super::*;
use crate::clock::Wall;
use crate::media::{Chunk, ChunkKind, Track, TrackKind};
use crate::report::record::Fold;
use crate::report::samples::{START, call, queue_call, recording};
use crate::storage::tests::TestDir;

/// Half a second more than two: 604 Hz left, 1404 Hz right.
fn sound() -> Vec<i16> {
    let tone = |hz: f64, n: u32| (8_000.0 * (std::f64::consts::TAU * hz * f64::from(n) / 8_000.0).sin()) as i16;
    (0..20_001).flat_map(|n| [tone(604.0, n), tone(1_404.0, n)]).collect()
}

/// Level of one frequency in dB over one sample step (Goertzel).
fn level(samples: impl Iterator<Item = i16>, hz: f64) -> f64 {
    let coefficient = 2.0 * (std::f64::consts::TAU * hz / 8_000.0).cos();
    let (mut s1, mut s2, mut count) = (0.0, 0.0, 0.0);
    for sample in samples {
        let s0 = f64::from(sample) + coefficient * s1 - s2;
        (s2, s1, count) = (s1, s0, count + 1.0);
    }
    let power = (s1 * s1 + s2 * s2 - coefficient * s1 * s2) / (count / 2.0f64).powi(2);
    10.0 * power.max(1e-9).log10()
}

/// A recording with a supervisor's voice, as its writer leaves it.
fn recorded(dir: &Path) {
    let pool = pool(8 << 20);
    let recorder = Recorder::start(dir, pool.writer, |_| {}).unwrap();
    let boss = Track::Extra { kind: TrackKind::Supervisor, number: 1 };
    for (track, kind) in [
        (Track::Main, ChunkKind::Start { offset: 0 }),
        (boss, ChunkKind::Start { offset: 800 }),
        (Track::Main, ChunkKind::Samples(sound())),
        (Track::Main, ChunkKind::Pause { at: 8_000, on: true }),
        (boss, ChunkKind::Samples(vec![7; 4_000])),
    ] {
        pool.chunks.send(Chunk { recording: recording(1), track, kind }).unwrap();
    }
    drop(pool.chunks);
    recorder.join();
}

/// The call's record up to this many entries of its story.
fn record(entries: usize) -> CallRecord {
    let mut fold = Fold::default();
    queue_call(1, 1).iter().take(entries).for_each(|entry| drop(fold.handle(entry).cloned()));
    fold.record(call(1)).unwrap().clone()
}

fn shelf(dir: &TestDir, format: Format) -> Shelf {
    Shelf { data_dir: dir.0.clone(), format, stop: Arc::default() }
}

fn path(dir: &TestDir, ending: &str) -> PathBuf {
    dir.0.join(recording(1).beside(ending))
}

fn sidecar(dir: &TestDir) -> Sidecar {
    Sidecar::read(&path(dir, "json")).unwrap()
}

#[test]
fn a_filed_recording_knows_its_call_and_the_hashes_of_its_files() {
    let dir = TestDir::new();
    recorded(&dir.0);
    let shelf = shelf(&dir, Format::Wav);
    assert_eq!(shelf.left().unwrap(), [recording(1)]);
    assert_eq!(shelf.file(recording(1), &record(21)).unwrap(), None, "the record knows no end of it yet");
    let filed = shelf.file(recording(1), &record(22)).unwrap().unwrap();
    let told = sidecar(&dir);
    assert_eq!((filed.call, filed.file.as_str()), (call(1), recording(1).file().as_str()));
    assert_eq!(told.files[0].sha256.as_ref(), Some(&filed.sha256));
    assert_eq!((told.call_id, told.state), (Some(call(1)), State::Filed));
    assert_eq!(
        (told.customer.as_deref(), told.queue.as_ref().map(|q| q.as_str())),
        (Some("0501234567"), Some("support"))
    );
    let at = |seconds: i64| Wall(START.0 + seconds * 1_000_000);
    assert_eq!(told.agents, [Talked { agent: "101".into(), from: at(18), until: Some(at(48)) }]);
    assert_eq!((told.started_at, told.ended_at), (at(18), Wall(at(20).0 + 500_000)));
    assert_eq!(told.files.iter().map(|f| f.track.as_str()).collect::<Vec<_>>(), ["call", "supervisor"]);
    assert_eq!(told.pauses[0].seconds.ms, 1_500, "a pause to the end");
    assert!(shelf.left().unwrap().is_empty());
    assert!(told.verify(&dir.0).iter().all(|(_, verdict)| *verdict == Verdict::Good));
    // One bit.
    let mut file = OpenOptions::new().append(true).open(path(&dir, "supervisor.wav")).unwrap();
    file.write_all(&[1]).unwrap();
    fs::remove_file(path(&dir, "wav")).unwrap();
    let verdicts: Vec<_> = told.verify(&dir.0).into_iter().map(|(_, verdict)| verdict).collect();
    assert_eq!(verdicts, [Verdict::Missing, Verdict::Changed]);
}

#[test]
fn an_opus_archive_keeps_tones_and_length_and_takes_the_place_of_the_wav() {
    let dir = TestDir::new();
    recorded(&dir.0);
    let filed = shelf(&dir, Format::Opus).file(recording(1), &record(22)).unwrap().unwrap();
    assert_eq!(filed.file, recording(1).beside("opus"));
    assert!(!path(&dir, "wav").exists() && !path(&dir, "supervisor.wav").exists());
    let mut heard = Vec::new();
    assert_eq!(opus::decode(&path(&dir, "opus"), |piece| heard.extend_from_slice(piece)).unwrap(), 20_001);
    let sent = sound();
    for (side, own, other) in [(0, 604.0, 1_404.0), (1, 1_404.0, 604.0)] {
        let one = |samples: &[i16], hz| level(samples.iter().skip(side + 1_600).step_by(2).copied(), hz);
        assert!((one(&heard, own) - one(&sent, own)).abs() < 1.0);
        assert!(one(&heard, own) - one(&heard, other) > 40.0, "sides stay apart");
    }
    assert_eq!(opus::decode(&path(&dir, "supervisor.opus"), |_| {}).unwrap(), 4_000);
    let told = sidecar(&dir);
    assert!(told.files.iter().all(|file| file.format == Format::Opus && dir.0.join(&file.file).exists()));
    assert!(told.verify(&dir.0).iter().all(|(_, verdict)| *verdict == Verdict::Good));
    let size = fs::metadata(path(&dir, "opus")).unwrap().len();
    assert!(size < 20_000, "{size} bytes for 2.5 s");
}

#[test]
fn a_flac_archive_is_the_same_to_the_sample() {
    let dir = TestDir::new();
    recorded(&dir.0);
    shelf(&dir, Format::Flac).file(recording(1), &record(22)).unwrap().unwrap();
    let mut heard = Vec::new();
    assert_eq!(flac::decode(&path(&dir, "flac"), |sample| heard.push(sample)).unwrap(), 20_001);
    assert_eq!(heard, sound());
    assert!(!path(&dir, "wav").exists());
}

/// Cut at any moment there is the WAV or the whole archive, and the next start goes on.
#[test]
fn a_crash_at_any_moment_of_archiving_costs_nothing() {
    let format = Format::Opus;
    // While the archive is written.
    let dir = TestDir::new();
    recorded(&dir.0);
    fs::write(part(&path(&dir, "opus")), "half").unwrap();
    let shelf_of = |dir: &TestDir| shelf(dir, format);
    assert_eq!(shelf_of(&dir).left().unwrap(), [recording(1)]);
    shelf_of(&dir).file(recording(1), &record(22)).unwrap().unwrap();
    assert!(!part(&path(&dir, "opus")).exists() && path(&dir, "opus").exists() && !path(&dir, "wav").exists());
    // When it has its name, but the sidecar does not name it.
    let dir = TestDir::new();
    recorded(&dir.0);
    archive::convert(&path(&dir, "wav"), format, &AtomicBool::new(false)).unwrap();
    assert_eq!(shelf_of(&dir).left().unwrap(), [recording(1)]);
    shelf_of(&dir).file(recording(1), &record(22)).unwrap().unwrap();
    // When the sidecar names it, but the WAV is still there.
    fs::write(path(&dir, "wav"), "still here").unwrap();
    assert_eq!(shelf_of(&dir).left().unwrap(), []);
    assert!(!path(&dir, "wav").exists() && path(&dir, "opus").exists());
    // The process ends meanwhile: the WAV stays, and nothing of the archive.
    let dir = TestDir::new();
    recorded(&dir.0);
    archive::convert(&path(&dir, "wav"), format, &AtomicBool::new(true)).unwrap_err();
    assert!(path(&dir, "wav").exists() && !path(&dir, "opus").exists() && !part(&path(&dir, "opus")).exists());
    // One file of two was done, and its WAV is gone from under us.
    assert!(shelf_of(&dir).file(recording(1), &record(22)).unwrap().is_some());
}

/// A disk that was full at the end took no sidecar: the file and the record tell what there is.
#[test]
fn a_recording_without_a_sidecar_is_filed_by_its_file() {
    let dir = TestDir::new();
    recorded(&dir.0);
    fs::remove_file(path(&dir, "json")).unwrap();
    let shelf = shelf(&dir, Format::Wav);
    assert_eq!(shelf.left().unwrap(), [recording(1)]);
    shelf.file(recording(1), &record(22)).unwrap().unwrap();
    let told = sidecar(&dir);
    assert_eq!((told.state, told.seconds.ms, told.call_id), (State::Filed, 2_500, Some(call(1))));
    assert!(shelf.left().unwrap().is_empty());
}

/// The thread waits for the call to end, and then for nothing.
#[test]
fn a_recording_is_filed_when_its_call_is_over() {
    let dir = TestDir::new();
    recorded(&dir.0);
    let (inbox, ended) = crossbeam_channel::unbounded();
    let (told, filed) = std::sync::mpsc::channel();
    let asked = std::cell::Cell::new(0);
    let record = |_| {
        asked.set(asked.get() + 1);
        match asked.get() {
            1 => None,
            2 => Some(record(21)),
            _ => Some(record(22)),
        }
    };
    inbox.send(recording(1)).unwrap();
    let inbox = std::cell::Cell::new(Some(inbox));
    run(
        &ended,
        &shelf(&dir, Format::Wav),
        &record,
        &|what| {
            told.send(what).unwrap();
            inbox.take();
        },
        Duration::from_millis(1),
    );
    assert_eq!(filed.recv().unwrap().recording, recording(1));
    assert_eq!(asked.get(), 3);
}
