//! Plays the corpora of the fuzz targets through the bodies that the fuzzer drives: what it once found stays found.
//!
//! `tests/tools/fuzz.sh` grows the corpora; `docs/security.md` says how long they were grown.

#![allow(clippy::disallowed_methods, reason = "a run of the virtual world begins at a real moment")]

use std::fs;
use std::path::PathBuf;

// Where the bodies look for the cores.
use hatif::io::ws::limits as ws_limits;
use hatif::{media, sdp, sip};

#[path = "fuzz/src/bodies.rs"]
mod bodies;
#[allow(dead_code)]
mod table {
    include!("torture/table.rs");
}

/// The inputs of one target, in the order of their names.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .filter_map(|file| file.ok().map(|file| file.path()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.into_iter().map(|file| (file.clone(), fs::read(file).expect("readable"))).collect()
}

fn replay(target: &str, body: fn(&[u8])) {
    for (file, bytes) in corpus(target) {
        println!("{}", file.display());
        body(&bytes);
    }
}

macro_rules! replays {
    ($($target:ident)*) => {$(
        #[test]
        fn $target() {
            replay(stringify!($target), bodies::$target);
        }
    )*};
}

replays! { message uri sdp digest stream websocket endpoint rtp srtp demux }

/// The messages of the RFCs go through the bodies too, each alone and all as one stream.
#[test]
fn torture_messages() {
    let mut whole = Vec::new();
    for torture in table::TORTURE {
        bodies::message(torture.bytes);
        bodies::stream(torture.bytes);
        bodies::endpoint(&[b"M", torture.bytes].concat());
        bodies::endpoint(&[b"T", torture.bytes].concat());
        whole.extend_from_slice(torture.bytes);
    }
    bodies::stream(&whole);
}

/// The seeds alone are well under a megabyte, so that the repository stays small.
#[test]
fn the_corpora_stay_small() {
    let all = ["message", "uri", "sdp", "digest", "stream", "endpoint", "rtp", "srtp", "demux"];
    let bytes: usize = all.iter().flat_map(|t| corpus(t)).map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes < 1_000_000, "{bytes} bytes");
}
