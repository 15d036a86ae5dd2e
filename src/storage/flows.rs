//! Flow libraries that were in force once: each whole, under the hash of what it holds.
//!
//! ```text
//! flows/3f2a…e1.json    one library: the text of every flow file and of the prompts manifest
//! flows/active.json     which one is active, which one the files held last, and those that were active before
//! ```
//!
//! Texts only: what they mean is the business of those who read them. A file is whole or not there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Wall;

/// Most libraries kept; of those that nothing points at the oldest go first.
pub const VERSIONS_MAX: usize = 200;
/// Most libraries remembered as having been active before.
pub const BEFORE_MAX: usize = 50;
/// Fewest characters by which a library can be named.
pub const PREFIX_MIN: usize = 4;
/// Characters by which a library is shown.
const SHORT: usize = 12;
const ACTIVE: &str = "active.json";

/// What makes a library: the files of its flows by name, and the words of its prompts.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Texts {
    /// Flow files, by file name without a folder.
    pub files: BTreeMap<String, String>,
    /// The prompts manifest.
    pub manifest: String,
}

impl Texts {
    /// SHA-256 in hex over names and texts, each with its length before it.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        let named = self.files.iter().flat_map(|(name, text)| [name, text]);
        for text in named.chain([&self.manifest]) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// As much of an id as people need.
pub fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

/// One library that was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// When it was taken first.
    pub taken_at: Wall,
    /// By whom: `start`, `reload`, or who asked for it.
    pub by: String,
    /// The version of each flow in it, by the flow's name: what call records have as `ivr.version`.
    pub flows: BTreeMap<String, String>,
    /// What it holds.
    #[serde(flatten)]
    pub texts: Texts,
}

/// Which library is active.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Active {
    /// The one new calls get.
    pub active: String,
    /// The one that the flow files held when they were taken last. While they hold it, `active` stays.
    pub from_files: String,
    /// Since when.
    #[serde(default)]
    pub since: Wall,
    /// Who activated it.
    #[serde(default)]
    pub by: String,
    /// Why, in his words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Those that were active before it, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
}

/// Why a library cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FlowStoreError {
    /// None has an id that begins so.
    #[error("no version {0}")]
    Unknown(String),
    /// More than one has.
    #[error("{0} versions begin with {1}: write more of it")]
    Ambiguous(usize, String),
    /// It is not what its name says, or cannot be read.
    #[error("version {0} is damaged: {1}")]
    Damaged(String, String),
    /// The disk's.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// The folder of libraries.
#[derive(Clone, Debug)]
pub struct FlowStore {
    dir: PathBuf,
}

impl FlowStore {
    /// Below a data folder; made when the first library is kept.
    pub fn new(data_dir: &Path) -> Self {
        Self { dir: data_dir.join("flows") }
    }

    /// Which one is active; `None` when it was never written down.
    ///
    /// # Errors
    ///
    /// The file is there and cannot be read.
    pub fn active(&self) -> Result<Option<Active>, FlowStoreError> {
        let text = match fs::read_to_string(self.dir.join(ACTIVE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let read = serde_json::from_str(&text);
        read.map(Some).map_err(|error| FlowStoreError::Damaged(ACTIVE.to_owned(), error.to_string()))
    }

    /// Writes down which one is active.
    ///
    /// # Errors
    ///
    /// The disk's; then the file is as it was.
    pub fn set_active(&self, active: &Active) -> io::Result<()> {
        self.write(ACTIVE, &serde_json::to_vec_pretty(active)?)
    }

    /// Keeps a library, and lets the oldest go that nothing points at. One that is there already stays as it is.
    ///
    /// # Errors
    ///
    /// The disk's; then nothing was kept.
    pub fn keep(&self, version: &Version, active: &Active) -> io::Result<()> {
        let name = format!("{}.json", version.texts.id());
        if self.dir.join(&name).exists() {
            return Ok(());
        }
        self.write(&name, &serde_json::to_vec(version)?)?;
        self.clear(active, version)
    }

    /// Lets go what is too much.
    fn clear(&self, active: &Active, newest: &Version) -> io::Result<()> {
        let newest = newest.texts.id();
        let is_used = |id: &str| {
            id == newest || id == active.active || id == active.from_files || active.before.iter().any(|b| b == id)
        };
        let ids = self.ids()?;
        let excess = ids.len().saturating_sub(VERSIONS_MAX);
        if excess == 0 {
            return Ok(());
        }
        let mut unused: Vec<(Wall, String)> =
            ids.into_iter().filter(|id| !is_used(id)).map(|id| (self.taken_at(&id), id)).collect();
        unused.sort();
        for (_, id) in unused.into_iter().take(excess) {
            fs::remove_file(self.dir.join(format!("{id}.json")))?;
        }
        Ok(())
    }

    /// When it was taken; what cannot be read counts as the oldest.
    fn taken_at(&self, id: &str) -> Wall {
        self.version(id).map(|version| version.taken_at).unwrap_or_default()
    }

    /// All libraries kept, the oldest first, with their ids; damaged ones are left out.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn versions(&self) -> io::Result<Vec<(String, Version)>> {
        let mut versions: Vec<(String, Version)> =
            self.ids()?.into_iter().filter_map(|id| Some((id.clone(), self.version(&id).ok()?))).collect();
        versions.sort_by(|(a_id, a), (b_id, b)| (a.taken_at, a_id).cmp(&(b.taken_at, b_id)));
        Ok(versions)
    }

    /// The id that begins with `prefix`, of at least [`PREFIX_MIN`] characters.
    ///
    /// # Errors
    ///
    /// None begins so, or several do.
    pub fn find(&self, prefix: &str) -> Result<String, FlowStoreError> {
        let prefix = prefix.to_ascii_lowercase();
        let mut found = match prefix.len() >= PREFIX_MIN {
            true => self.ids()?,
            false => Vec::new(),
        };
        found.retain(|id| id.starts_with(&prefix));
        match (found.len(), found.pop()) {
            (1, Some(id)) => Ok(id),
            (0, _) | (_, None) => Err(FlowStoreError::Unknown(prefix)),
            (several, Some(_)) => Err(FlowStoreError::Ambiguous(several, prefix)),
        }
    }

    /// The library of this id.
    ///
    /// # Errors
    ///
    /// It is not there, or not what its name says.
    pub fn version(&self, id: &str) -> Result<Version, FlowStoreError> {
        if !is_id(id) {
            return Err(FlowStoreError::Unknown(id.chars().take(SHORT).collect()));
        }
        let damaged = |what: String| FlowStoreError::Damaged(short(id).to_owned(), what);
        let text = match fs::read_to_string(self.dir.join(format!("{id}.json"))) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(FlowStoreError::Unknown(short(id).to_owned()));
            }
            Err(error) => return Err(damaged(error.to_string())),
        };
        let version: Version = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        match version.texts.id() == id {
            true => Ok(version),
            false => Err(damaged("its texts have another hash".to_owned())),
        }
    }

    fn ids(&self) -> io::Result<Vec<String>> {
        let listing = match fs::read_dir(&self.dir) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let names = listing.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter_map(|name| name.strip_suffix(".json").filter(|id| is_id(id)).map(str::to_owned)).collect())
    }

    /// A file whole or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let unfinished = self.dir.join(format!("{name}.part"));
        let written = File::create(&unfinished).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        let renamed = written.and_then(|()| fs::rename(&unfinished, self.dir.join(name)));
        if renamed.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        renamed?;
        File::open(&self.dir)?.sync_all()
    }
}

/// A whole hash, and so no path that leads elsewhere.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> (Self, FlowStore) {
            let dir = std::env::temp_dir().join(format!("hatif-flow-store-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            let store = FlowStore::new(&dir);
            (Self(dir), store)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn version(number: i64) -> Version {
        let files = BTreeMap::from([("main.toml".to_owned(), format!("# {number}"))]);
        let texts = Texts { files, manifest: "m".to_owned() };
        Version { taken_at: Wall(number * 1_000_000), by: "reload".to_owned(), flows: BTreeMap::new(), texts }
    }

    #[test]
    fn the_id_changes_with_names_and_texts_and_with_nothing_else() {
        let texts = |files: &[(&str, &str)], manifest: &str| {
            let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
            Texts { files, manifest: manifest.to_owned() }.id()
        };
        let first = texts(&[("a.toml", "x"), ("b.toml", "y")], "m");
        assert!(is_id(&first));
        assert_eq!(first, texts(&[("b.toml", "y"), ("a.toml", "x")], "m"));
        for other in [
            texts(&[("a.toml", "x"), ("b.toml", "z")], "m"),
            texts(&[("a.toml", "x"), ("c.toml", "y")], "m"),
            texts(&[("a.toml", "x")], "m"),
            texts(&[("a.toml", "x"), ("b.toml", "y")], "n"),
            texts(&[("a.toml", "xb.toml"), ("", "y")], "m"),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_library_comes_back_as_it_was_and_by_the_beginning_of_its_id() {
        let (_folder, store) = Folder::new("back");
        assert!(store.active().unwrap().is_none() && store.versions().unwrap().is_empty());
        let (one, two) = (version(1), version(2));
        let active =
            Active { active: one.texts.id(), from_files: two.texts.id(), by: "api".into(), ..Active::default() };
        store.keep(&two, &active).unwrap();
        store.keep(&one, &active).unwrap();
        store.set_active(&active).unwrap();
        assert_eq!(store.active().unwrap(), Some(active));
        assert_eq!(store.version(&one.texts.id()).unwrap(), one);
        assert_eq!(store.find(one.texts.id().get(..8).unwrap()).unwrap(), one.texts.id());
        let order: Vec<Wall> = store.versions().unwrap().iter().map(|(_, version)| version.taken_at).collect();
        assert_eq!(order, [Wall(1_000_000), Wall(2_000_000)]);
        for unknown in ["", "0", "ffffffffffff", "../../etc", "active"] {
            assert!(matches!(store.find(unknown), Err(FlowStoreError::Unknown(_))), "{unknown}");
        }
        assert!(matches!(store.version("../active"), Err(FlowStoreError::Unknown(_))));
    }

    #[test]
    fn what_was_changed_on_the_disk_is_not_taken() {
        let (folder, store) = Folder::new("damaged");
        let one = version(1);
        store.keep(&one, &Active::default()).unwrap();
        let path = folder.0.join("flows").join(format!("{}.json", one.texts.id()));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("# 1", "# 2")).unwrap();
        assert!(matches!(store.version(&one.texts.id()), Err(FlowStoreError::Damaged(..))));
        fs::write(&path, text.get(..20).unwrap()).unwrap();
        assert!(matches!(store.version(&one.texts.id()), Err(FlowStoreError::Damaged(..))));
        assert!(store.versions().unwrap().is_empty());
    }

    #[test]
    fn the_oldest_go_that_nothing_points_at() {
        let (_folder, store) = Folder::new("oldest");
        let id = |number| version(number).texts.id();
        let active = Active { active: id(1), from_files: id(2), before: vec![id(3)], ..Active::default() };
        let most = VERSIONS_MAX as i64;
        for number in 1..=most + 3 {
            store.keep(&version(number), &active).unwrap();
        }
        let kept: Vec<i64> =
            store.versions().unwrap().iter().map(|(_, version)| version.taken_at.0 / 1_000_000).collect();
        assert_eq!(kept.len(), VERSIONS_MAX);
        assert_eq!(kept.get(..4), Some(&[1, 2, 3, 7][..]));
    }

    /// A folder that cannot be written is an error for who asked, and leaves nothing half-written.
    #[test]
    fn a_disk_that_refuses_is_told() {
        let (folder, store) = Folder::new("refuses");
        fs::create_dir_all(&folder.0).unwrap();
        fs::write(folder.0.join("flows"), "no folder").unwrap();
        assert!(store.keep(&version(1), &Active::default()).is_err());
        assert!(store.set_active(&Active::default()).is_err());
    }
}
