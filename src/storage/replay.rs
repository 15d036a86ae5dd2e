//! Reads the journal's files from some moment on, for those who fold many days of it.

use std::fs;
use std::io;
use std::path::Path;

use super::segment::{Body, Next, SegmentReader, segment_path, segments};
use super::story::start;
use crate::clock::Wall;
use crate::id::AgentId;
use crate::journal::{AgentStateName, Entry};

/// What an agent did when reading began.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Before {
    /// Who.
    pub agent: AgentId,
    /// His state.
    pub state: AgentStateName,
    /// The pause code when paused.
    pub code: Option<String>,
}

/// Gives `each` entry of the journal in folder `dir`, from the newest segment on that was opened before `since`; all of them
/// where that is none. Also while the journal is being written.
///
/// `begin` is told first what agents did then, with the time of the last entry before.
///
/// Returns how many frames cannot be read.
///
/// # Errors
///
/// The folder or a file cannot be read.
pub fn read(
    dir: &Path,
    since: Option<Wall>,
    mut begin: impl FnMut(Wall, Before),
    mut each: impl FnMut(&Entry),
) -> io::Result<u64> {
    let all = segments(dir)?;
    let from = match since {
        Some(since) => {
            let (from, before) = start(dir, &all, since)?;
            let at = before.live.at();
            for (id, agent) in before.live.agents() {
                begin(at, Before { agent: id.clone(), state: agent.state, code: agent.code.clone() });
            }
            from
        }
        None => 0,
    };
    let mut damaged = 0;
    for first in all.get(from..).unwrap_or_default() {
        let path = segment_path(dir, *first);
        let limit = fs::metadata(&path)?.len();
        let mut reader = SegmentReader::open(&path)?;
        loop {
            match reader.next(limit)? {
                Next::Body(Body::Entry(entry)) => each(&entry),
                Next::Body(Body::Snapshot(_)) => {}
                Next::Damaged => damaged += 1,
                Next::Torn | Next::End => break,
            }
        }
    }
    Ok(damaged)
}
