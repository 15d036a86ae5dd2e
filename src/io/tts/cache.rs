//! What was spoken already: in memory the sentences heard last, on disk those spoken last.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::media::Clip;

/// Most sound in memory, in bytes: over half an hour.
const MEMORY_BYTES: usize = 32 << 20;

/// Sounds by the key of their sentence.
#[derive(Debug)]
pub(super) struct Cache {
    dir: PathBuf,
    disk_limit: u64,
    /// Files and their bytes, the oldest first.
    files: VecDeque<(String, u64)>,
    disk_bytes: u64,
    memory_limit: usize,
    memory: BTreeMap<String, (Arc<Clip>, u64)>,
    /// Keys by when they were heard last.
    heard: BTreeMap<u64, String>,
    memory_bytes: usize,
    clock: u64,
}

impl Cache {
    /// What `dir` holds; nothing where it cannot be read.
    pub fn open(dir: &Path, disk_limit: u64) -> Self {
        let mut files: Vec<(SystemTime, String, u64)> = Vec::new();
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let (Ok(name), Ok(meta)) = (entry.file_name().into_string(), entry.metadata()) else { continue };
            match name.strip_suffix(".wav") {
                Some(key) => {
                    files.push((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), key.to_owned(), meta.len()))
                }
                // Left by a process that ended while it wrote.
                None => _ = fs::remove_file(entry.path()),
            }
        }
        files.sort();
        let files: VecDeque<(String, u64)> = files.into_iter().map(|(_, key, bytes)| (key, bytes)).collect();
        let mut cache = Self {
            dir: dir.to_owned(),
            disk_limit,
            disk_bytes: files.iter().map(|(_, bytes)| bytes).sum(),
            files,
            memory_limit: MEMORY_BYTES,
            memory: BTreeMap::new(),
            heard: BTreeMap::new(),
            memory_bytes: 0,
            clock: 0,
        };
        remove(&cache.shrink());
        cache
    }

    /// With another limit in memory.
    #[cfg(test)]
    pub fn with_memory(self, memory_limit: usize) -> Self {
        Self { memory_limit, ..self }
    }

    /// From memory.
    pub fn remembered(&mut self, key: &str) -> Option<Arc<Clip>> {
        self.clock += 1;
        let (clip, heard) = self.memory.get_mut(key)?;
        self.heard.remove(heard);
        *heard = self.clock;
        self.heard.insert(self.clock, key.to_owned());
        Some(Arc::clone(clip))
    }

    /// Into memory; what was not heard for longest goes.
    pub fn remember(&mut self, key: &str, clip: &Arc<Clip>) {
        self.clock += 1;
        if let Some((old, heard)) = self.memory.insert(key.to_owned(), (Arc::clone(clip), self.clock)) {
            self.heard.remove(&heard);
            self.memory_bytes -= bytes_of(&old);
        }
        self.heard.insert(self.clock, key.to_owned());
        self.memory_bytes += bytes_of(clip);
        while self.memory_bytes > self.memory_limit
            && let Some((_, oldest)) = self.heard.pop_first()
        {
            if let Some((clip, _)) = self.memory.remove(&oldest) {
                self.memory_bytes -= bytes_of(&clip);
            }
        }
    }

    /// Where it lies on disk.
    pub fn file(&self, key: &str) -> Option<PathBuf> {
        self.files.iter().any(|(known, _)| known == key).then(|| self.path(key))
    }

    /// Onto the disk; the oldest files go. The cache is free for others while the disk works.
    pub fn keep(cache: &Mutex<Self>, key: &str, wav: &[u8]) {
        let lock = || cache.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = wav.len() as u64;
        let (dir, path) = {
            let cache = lock();
            if bytes > cache.disk_limit || cache.file(key).is_some() {
                return;
            }
            (cache.dir.clone(), cache.path(key))
        };
        if let Err(error) = write(&dir, &path, wav) {
            return tracing::warn!(folder = %dir.display(), %error, "a spoken sentence cannot be kept");
        }
        let gone = {
            let mut cache = lock();
            // Spoken twice at the same time: it is one file.
            if cache.file(key).is_none() {
                cache.files.push_back((key.to_owned(), bytes));
                cache.disk_bytes += bytes;
            }
            cache.shrink()
        };
        remove(&gone);
    }

    /// Takes the oldest out of the list until the rest fits; their files are to be removed.
    fn shrink(&mut self) -> Vec<PathBuf> {
        let mut gone = Vec::new();
        while self.disk_bytes > self.disk_limit
            && let Some((oldest, bytes)) = self.files.pop_front()
        {
            gone.push(self.path(&oldest));
            self.disk_bytes -= bytes;
        }
        gone
    }

    fn path(&self, key: &str) -> PathBuf {
        self.dir.join(format!("{key}.wav"))
    }
}

fn write(dir: &Path, path: &Path, wav: &[u8]) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let unfinished = path.with_extension("part");
    fs::write(&unfinished, wav)?;
    fs::rename(&unfinished, path)
}

fn remove(files: &[PathBuf]) {
    for file in files {
        let _ = fs::remove_file(file);
    }
}

fn bytes_of(clip: &Clip) -> usize {
    clip.ulaw.len() + clip.alaw.len()
}
