//! Finds one call in the journal's files again, to tell its story.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::segment::{Body, Next, SegmentReader, Snapshot, segment_path, segments};
use crate::clock::Wall;
use crate::id::CallId;
use crate::report::explain::{Roster, Story};

/// What may still belong to a call after its end: its agent's wrap-up begins.
const AFTERMATH: Duration = Duration::from_secs(1);

/// Reads the story of `call` from the journal in folder `dir`, also while it is being written.
///
/// Reading begins at the newest segment that was opened before the call and ends with the call; the entries of other
/// calls are passed over unread. To be asked only for calls that are known to be there: one that is not costs the
/// reading of everything written since its time.
///
/// # Errors
///
/// The folder or a file cannot be read.
pub fn read(dir: &Path, call: CallId, roster: Roster) -> io::Result<Story> {
    let all = segments(dir)?;
    let began = Wall(i64::try_from(call.wall_ms()).unwrap_or(i64::MAX).saturating_mul(1_000));
    let (from, before) = start(dir, &all, began)?;
    let states = before.live.agents().iter().map(|(id, agent)| (id.clone(), (agent.state, agent.code.clone())));
    let mut story = Story::new(call, roster, states);
    let name = call.to_string();
    // A start of the system sets the states of all agents back.
    let words: [&[u8]; 3] = [name.as_bytes(), b"\"agent_state\"", b"\"node_started\""];
    for first in all.get(from..).unwrap_or_default() {
        let path = segment_path(dir, *first);
        let limit = fs::metadata(&path)?.len();
        let mut reader = SegmentReader::open(&path)?;
        loop {
            match reader.next_with(limit, &words)? {
                Next::Body(Body::Entry(entry)) => {
                    if story.ended_at().is_some_and(|end| entry.at.since(end) > AFTERMATH) {
                        return Ok(story);
                    }
                    story.handle(&entry);
                }
                Next::Body(Body::Snapshot(_)) | Next::Damaged => {}
                Next::Torn | Next::End => break,
            }
        }
        if story.ended_at().is_some() {
            break;
        }
    }
    Ok(story)
}

/// The newest segment that was opened before `began`, with the state at that moment.
pub(super) fn start(dir: &Path, all: &[u64], began: Wall) -> io::Result<(usize, Snapshot)> {
    // Segments are opened one after the other: each step of the search reads one snapshot.
    let (mut low, mut high) = (0, all.len());
    let mut found = (0, Snapshot::default());
    while low < high {
        let middle = low + (high - low) / 2;
        let snapshot = match all.get(middle) {
            Some(first) => snapshot(dir, *first)?,
            None => None,
        };
        match snapshot.filter(|snapshot| snapshot.live.at() < began) {
            Some(snapshot) => {
                found = (middle, snapshot);
                low = middle + 1;
            }
            // One that cannot be read counts as too late: that costs time, and nothing is missed.
            None => high = middle,
        }
    }
    Ok(found)
}

fn snapshot(dir: &Path, first: u64) -> io::Result<Option<Snapshot>> {
    let path = segment_path(dir, first);
    let limit = fs::metadata(&path)?.len();
    Ok(match SegmentReader::open(&path)?.next(limit)? {
        Next::Body(Body::Snapshot(snapshot)) => Some(*snapshot),
        Next::Body(Body::Entry(_)) | Next::Damaged | Next::Torn | Next::End => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::explain::Language;
    use crate::report::samples::{call, queue_call};
    use crate::storage::segment::{push_entry, push_snapshot};
    use crate::storage::tests::TestDir;

    /// Two calls in two segments: the one asked for is told from its first entry to its last, and nothing of the other.
    #[test]
    fn a_call_is_found_in_its_segment() {
        let dir = TestDir::new();
        let (early, mut late) = (queue_call(1, 1), queue_call(2, 25));
        for entry in &mut late {
            entry.at.0 += 600_000_000;
        }
        // The id tells when the call began; that of the sample does not know of the ten minutes.
        let id = CallId::new(call(2).wall_ms() + 600_000, 2);
        let mut state = Snapshot { next_seq: 1, ..Snapshot::default() };
        for entries in [early, late] {
            let mut frames = Vec::new();
            push_snapshot(&mut frames, &state).unwrap();
            let first = entries[0].seq;
            for mut entry in entries {
                if entry.about == crate::journal::About::Call(call(2)) {
                    entry.about = crate::journal::About::Call(id);
                }
                push_entry(&mut frames, &entry).unwrap();
                state.handle(&entry);
            }
            fs::write(segment_path(&dir.0, first), frames).unwrap();
        }
        let words = |id| {
            let steps = read(&dir.0, id, Roster::default()).unwrap().tell(Language::English);
            steps.iter().map(|step| step.kind).collect::<Vec<_>>()
        };
        let whole = ["started", "flow", "queued", "offered", "offer_ended", "offered", "offer_ended", "connected"];
        for id in [call(1), id] {
            let told = words(id);
            assert!(told.starts_with(&whole) && told.ends_with(&["ended"]), "{told:?}");
        }
        assert!(words(CallId::new(call(1).wall_ms() + 1, 77)).is_empty());
        assert_eq!(start(&dir.0, &[1, 25], Wall(id.wall_ms() as i64 * 1_000)).unwrap().0, 1);
    }
}
