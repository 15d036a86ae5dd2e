//! Shell: what is on disk, all below one data folder.
//!
//! ```text
//! hatif.lock                          held while a process uses the folder
//! journal/00000000000000000001.jnl    all that happened; the name is the first entry's number
//! hatif.sqlite                        call records and API keys; records are rebuilt from the journal
//! recordings/2026/11/22/rec_….wav     audio; `.wav.part` while it is being written
//! flows/3f2a….json                    flow libraries that were in force; `active.json` says which one is
//! ```
//!
//! The journal is the truth. [`records`] follows its files and applies only what is safely on disk, so a slow or
//! failing database loses nothing. [`story`] reads one call out of the files again. No thread here ever makes a call wait.

#![allow(clippy::disallowed_methods, reason = "this is the shell: it times the disk")]

pub mod flows;
pub mod journal;
pub mod recordings;
pub mod records;
pub mod replay;
pub mod segment;
pub mod story;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Free space below which a data folder is refused at the start, in bytes.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// The data folder belongs to this process while the value lives.
#[derive(Debug)]
pub struct DataDirLock(#[allow(dead_code, reason = "the open file is the lock")] File);

/// Takes the data folder for this process, making it when absent.
///
/// # Errors
///
/// A sentence saying what is wrong and what to do: not writable, or another process uses it.
pub fn lock_data_dir(dir: &Path) -> Result<DataDirLock, String> {
    check_data_dir(dir)?;
    let path = dir.join("hatif.lock");
    let explain =
        |e: io::Error| format!("cannot open {}: {e}; give this user the right to write there", path.display());
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(explain)?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(DataDirLock(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(format!(
            "data folder {} is used by another running hatif; stop that one or choose another folder with --data-dir",
            dir.display()
        )),
        Err(e) => Err(format!("cannot lock {}: {e}; is it on a network file system without locks?", path.display())),
    }
}

/// Checks that `dir` can hold what a running centre writes, making it and its subfolders when absent.
///
/// # Errors
///
/// A sentence saying what is wrong and what to do about it.
pub fn check_data_dir(dir: &Path) -> Result<(), String> {
    for folder in [dir.to_path_buf(), dir.join("journal"), dir.join("recordings")] {
        let shown = folder.display();
        fs::create_dir_all(&folder).map_err(|e| {
            format!("cannot make the data folder {shown}: {e}; make it by hand, or set [data] dir or --data-dir")
        })?;
        let probe = folder.join(".probe");
        let written = probe_write(&probe);
        let removed = fs::remove_file(&probe);
        written.and(removed).map_err(|e| match e.kind() {
            io::ErrorKind::StorageFull => format!("the disk of {shown} is full: free some space"),
            io::ErrorKind::ReadOnlyFilesystem => format!("{shown} is on a read-only file system: mount it writable"),
            _ => format!("cannot write in {shown}: {e}; give this user the right (chown) or set [data] dir"),
        })?;
    }
    match free_bytes(dir) {
        Some(free) if free < FREE_BYTES_MIN => Err(format!(
            "only {} MB are free for {}: free some space; a recorded hour takes 115 MB",
            free >> 20,
            dir.display()
        )),
        _ => Ok(()),
    }
}

/// Bytes a process without privileges may still write on the file system of `path`; none when it cannot be asked.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let figures = rustix::fs::statvfs(path).ok()?;
    Some(figures.f_bavail.saturating_mul(figures.f_frsize))
}

fn probe_write(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(b"hatif")?;
    file.sync_data()
}

/// Makes a new, renamed or removed name in `dir` durable.
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A folder of its own for one test, removed with the value.
    pub(crate) struct TestDir(pub(crate) PathBuf);

    impl TestDir {
        pub(crate) fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("hatif-test-{}-{number}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for TestDir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_data_folder_is_made_and_belongs_to_one_process() {
        let dir = TestDir::new();
        let data = dir.0.join("a/b");
        let lock = lock_data_dir(&data).unwrap();
        let refused = lock_data_dir(&data).unwrap_err();
        assert!(refused.contains("another running hatif"), "{refused}");
        drop(lock);
        lock_data_dir(&data).unwrap();
    }

    #[test]
    fn an_unusable_data_folder_says_what_to_do() {
        let dir = TestDir::new();
        let file = dir.0.join("file");
        fs::write(&file, "x").unwrap();
        let refused = check_data_dir(&file).unwrap_err();
        assert!(refused.contains("cannot make the data folder") && refused.contains("--data-dir"), "{refused}");
    }
}
