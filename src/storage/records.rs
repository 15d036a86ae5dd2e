//! Call records in SQLite, kept by following the journal's files.
//!
//! The follower reads only what is durable in the journal, folds it, and writes closed records and the number of
//! the last entry they contain in one transaction. After a crash, a slow or a failing database it goes on from
//! that number; with a new database it reads the whole journal. So the same entries always give the same rows.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use super::journal::{Progress, Synced};
use super::segment::{self, Body, Next, SegmentReader};
use crate::clock::Wall;
use crate::id::{CallId, RecordingId};
use crate::report::record::{CallRecord, Fold};
use crate::report::word;

/// Time between two transactions.
const BATCH: Duration = Duration::from_millis(50);
/// Records in one transaction at most.
const BATCH_RECORDS: usize = 2_000;
/// Entries read in one turn at most; a database is told at least that often how far it is.
const BATCH_ENTRIES: u64 = 20_000;
/// Time between tries while the database refuses.
const RETRY: Duration = Duration::from_secs(1);
/// Rows a list gives at most.
pub const LIST_MAX: u32 = 1_000;

const SCHEMA: &str = r#"
CREATE TABLE IF NOT EXISTS calls (
  call_id TEXT PRIMARY KEY, started_at INTEGER NOT NULL, ended_at INTEGER, "from" TEXT NOT NULL, "to" TEXT NOT NULL,
  queue TEXT NOT NULL, agent TEXT NOT NULL, reason TEXT NOT NULL, revision INTEGER NOT NULL, json TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS calls_started ON calls (started_at);
CREATE TABLE IF NOT EXISTS recordings (
  id TEXT PRIMARY KEY, call_id TEXT NOT NULL, started_at INTEGER NOT NULL, file TEXT NOT NULL, json TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS recordings_call ON recordings (call_id);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (
  id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL, scopes TEXT NOT NULL, created INTEGER NOT NULL
) WITHOUT ROWID;
"#;

/// Why the records cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The database file cannot be opened or made.
    #[error(
        "cannot open {path}: {source}; if the file is damaged, move it away: call records are rebuilt, API keys are not"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// A query failed.
    #[error("the records database failed: {0}")]
    Query(#[from] sqlx::Error),
    /// The journal's files cannot be read.
    #[error("cannot read the journal: {0}")]
    Journal(#[from] io::Error),
}

/// The records database.
#[derive(Clone, Debug)]
pub struct Records {
    pool: SqlitePool,
}

/// Which calls a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Rows at most; 0 and above [`LIST_MAX`] mean [`LIST_MAX`].
    pub limit: u32,
    /// Only calls older than this one: [`Page::next`] of the page before.
    pub cursor: Option<CallId>,
    /// Only calls that were in this queue.
    pub queue: Option<String>,
    /// Only calls offered to this agent.
    pub agent: Option<String>,
    /// Only calls that began at or after.
    pub from: Option<Wall>,
    /// Only calls that began before.
    pub to: Option<Wall>,
}

/// One page of a list, newest call first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The records as JSON, exactly as written.
    pub calls: Vec<String>,
    /// The cursor of the next page; none on the last.
    pub next: Option<CallId>,
}

/// One recording's row.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct RecordingRow {
    /// Which.
    pub id: RecordingId,
    /// Of which call.
    pub call_id: CallId,
    /// The file, relative to the data folder.
    pub file: String,
    /// Its part of the call record, as JSON.
    pub json: String,
}

/// An API key without its secret.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Its public name in lists and logs.
    pub id: String,
    /// Whose or what for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created: Wall,
}

impl Records {
    /// Opens `hatif.sqlite` in the data folder, making it when absent.
    ///
    /// # Errors
    ///
    /// [`RecordsError::Open`].
    pub async fn open(data_dir: &Path) -> Result<Self, RecordsError> {
        let path = data_dir.join("hatif.sqlite");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new().max_connections(4);
        let opened = async {
            let pool = pool.connect_with(options).await?;
            sqlx::raw_sql(SCHEMA).execute(&pool).await?;
            Ok(Self { pool })
        };
        opened.await.map_err(|source| RecordsError::Open { path, source })
    }

    /// Closes the database; open queries end first.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The last journal entry the records contain.
    ///
    /// # Errors
    ///
    /// The query failed.
    pub async fn applied_seq(&self) -> Result<u64, RecordsError> {
        let row = sqlx::query("SELECT value FROM meta WHERE name = 'applied_seq'").fetch_optional(&self.pool).await?;
        Ok(row.map_or(Ok(0), |row| row.try_get::<i64, _>(0)).map(|value| value.max(0) as u64)?)
    }

    /// Calls by filter, newest first.
    ///
    /// # Errors
    ///
    /// The query failed.
    pub async fn list(&self, filter: &Filter) -> Result<Page, RecordsError> {
        let limit = if filter.limit == 0 { LIST_MAX } else { filter.limit.min(LIST_MAX) };
        let ms = |wall: Option<Wall>, none: i64| wall.map_or(none, |wall| wall.0.div_euclid(1_000));
        // Ids are in order of time, and so is the primary key. Queues and agents are stored as `|a|b|`.
        let rows = sqlx::query(
            "SELECT call_id, json FROM calls WHERE call_id < ? AND started_at >= ? AND started_at < ? \
             AND (? IS NULL OR instr(queue, ?) > 0) AND (? IS NULL OR instr(agent, ?) > 0) \
             ORDER BY call_id DESC LIMIT ?",
        )
        .bind(filter.cursor.map_or_else(|| "call_~".to_owned(), |call| call.to_string()))
        .bind(ms(filter.from, i64::MIN))
        .bind(ms(filter.to, i64::MAX))
        .bind(&filter.queue)
        .bind(filter.queue.as_ref().map(|queue| format!("|{queue}|")))
        .bind(&filter.agent)
        .bind(filter.agent.as_ref().map(|agent| format!("|{agent}|")))
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.pool)
        .await?;
        let more = rows.len() > limit as usize;
        let shown = rows.get(..limit as usize).unwrap_or(&rows);
        let calls = shown.iter().map(|row| row.try_get(1)).collect::<Result<Vec<String>, _>>()?;
        let last = shown.last().filter(|_| more).map(|row| row.try_get::<String, _>(0)).transpose()?;
        Ok(Page { calls, next: last.and_then(|id| id.parse().ok()) })
    }

    /// One call's record as JSON, exactly as written; none when it is unknown or has not ended.
    ///
    /// # Errors
    ///
    /// The query failed.
    pub async fn get(&self, call: CallId) -> Result<Option<String>, RecordsError> {
        let row = sqlx::query("SELECT json FROM calls WHERE call_id = ?").bind(call.to_string());
        Ok(row.fetch_optional(&self.pool).await?.map(|row| row.try_get(0)).transpose()?)
    }

    /// One recording of an ended call.
    ///
    /// # Errors
    ///
    /// The query failed.
    pub async fn recording(&self, id: RecordingId) -> Result<Option<RecordingRow>, RecordsError> {
        let query = sqlx::query("SELECT id, call_id, file, json FROM recordings WHERE id = ?").bind(id.to_string());
        Ok(query.fetch_optional(&self.pool).await?.map(|row| recording_row(&row)).transpose()?)
    }

    /// Recordings of ended calls, newest first: at most `limit`, older than `cursor`.
    ///
    /// # Errors
    ///
    /// The query failed.
    pub async fn recordings(&self, limit: u32, cursor: Option<RecordingId>) -> Result<Vec<RecordingRow>, RecordsError> {
        let rows = sqlx::query("SELECT id, call_id, file, json FROM recordings WHERE id < ? ORDER BY id DESC LIMIT ?")
            .bind(cursor.map_or_else(|| "rec_~".to_owned(), |id| id.to_string()))
            .bind(i64::from(limit.min(LIST_MAX)))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.iter().map(recording_row).collect::<Result<_, _>>()?)
    }

    /// Stores an API key; of `secret` only a hash is kept.
    ///
    /// # Errors
    ///
    /// The query failed; also when the id or the secret is already there.
    pub async fn add_key(&self, key: &Key, secret: &str) -> Result<(), RecordsError> {
        sqlx::query("INSERT INTO keys (id, hash, name, scopes, created) VALUES (?, ?, ?, ?, ?)")
            .bind(&key.id)
            .bind(hash(secret))
            .bind(&key.name)
            .bind(key.scopes.join(" "))
            .bind(key.created.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The key with this secret, if there is one.
    ///
    /// # Errors
    ///
    /// The query failed.
    pub async fn key(&self, secret: &str) -> Result<Option<Key>, RecordsError> {
        let query = sqlx::query("SELECT id, name, scopes, created FROM keys WHERE hash = ?").bind(hash(secret));
        Ok(query.fetch_optional(&self.pool).await?.map(|row| key_row(&row)).transpose()?)
    }

    /// All keys, by id.
    ///
    /// # Errors
    ///
    /// The query failed.
    pub async fn keys(&self) -> Result<Vec<Key>, RecordsError> {
        let query = sqlx::query("SELECT id, name, scopes, created FROM keys ORDER BY id");
        Ok(query.fetch_all(&self.pool).await?.iter().map(key_row).collect::<Result<_, _>>()?)
    }

    /// Takes a key away; false when there is none of this id.
    ///
    /// # Errors
    ///
    /// The query failed.
    pub async fn remove_key(&self, id: &str) -> Result<bool, RecordsError> {
        Ok(sqlx::query("DELETE FROM keys WHERE id = ?").bind(id).execute(&self.pool).await?.rows_affected() > 0)
    }

    /// Writes closed records and how far the journal is contained in them, all or nothing.
    async fn apply(&self, batch: &Batch) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        for record in batch.records.values() {
            sqlx::query(
                r#"INSERT OR REPLACE INTO calls
                (call_id, started_at, ended_at, "from", "to", queue, agent, reason, revision, json)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"#,
            )
            .bind(record.call_id.to_string())
            .bind(record.started_at.0.div_euclid(1_000))
            .bind(record.ended_at.map(|at| at.0.div_euclid(1_000)))
            .bind(&record.from)
            .bind(&record.to)
            .bind(names(record.queue_visits.iter().map(|visit| visit.queue.as_str())))
            .bind(names(record.agents.iter().map(|visit| visit.agent.as_str())))
            .bind(record.end.map(|end| word(&end.reason)).unwrap_or_default())
            .bind(i64::from(record.revision))
            .bind(serde_json::to_string(record).map_err(|e| sqlx::Error::Encode(Box::new(e)))?)
            .execute(&mut *transaction)
            .await?;
            for recording in &record.recordings {
                sqlx::query(
                    "INSERT OR REPLACE INTO recordings (id, call_id, started_at, file, json) VALUES (?, ?, ?, ?, ?)",
                )
                .bind(recording.id.to_string())
                .bind(record.call_id.to_string())
                .bind(recording.started_at.0.div_euclid(1_000))
                .bind(&recording.file)
                .bind(serde_json::to_string(recording).map_err(|e| sqlx::Error::Encode(Box::new(e)))?)
                .execute(&mut *transaction)
                .await?;
            }
        }
        sqlx::query("INSERT OR REPLACE INTO meta (name, value) VALUES ('applied_seq', ?)")
            .bind(i64::try_from(batch.seq).unwrap_or(i64::MAX))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// Starts to follow the journal in `dir`, on a thread of its own, until the journal's writer has ended.
    ///
    /// Must be called within the tokio runtime that shall run the queries; it must live until the follower ends.
    ///
    /// # Errors
    ///
    /// The journal cannot be read or the database does not say how far it is.
    pub async fn follow(&self, dir: &Path, progress: Arc<Progress>) -> Result<Follower, RecordsError> {
        let applied = self.applied_seq().await?;
        let stats = Arc::new(FollowStats::default());
        let tail = Tail::open(dir, applied, progress.synced())?;
        stats.applied_seq.store(tail.seq, Relaxed);
        let (records, runtime, shared) = (self.clone(), tokio::runtime::Handle::current(), stats.clone());
        let thread = std::thread::Builder::new().name("records".into()).spawn(move || {
            let apply = |batch: &Batch| runtime.block_on(records.apply(batch));
            follow(tail, &progress, &shared, apply);
        })?;
        Ok(Follower { stats, thread })
    }
}

fn recording_row(row: &sqlx::sqlite::SqliteRow) -> Result<RecordingRow, sqlx::Error> {
    let bad = |e: crate::id::IdError| sqlx::Error::Decode(Box::new(e));
    Ok(RecordingRow {
        id: row.try_get::<String, _>(0)?.parse().map_err(bad)?,
        call_id: row.try_get::<String, _>(1)?.parse().map_err(bad)?,
        file: row.try_get(2)?,
        json: row.try_get(3)?,
    })
}

fn key_row(row: &sqlx::sqlite::SqliteRow) -> Result<Key, sqlx::Error> {
    let scopes: String = row.try_get(2)?;
    Ok(Key {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        scopes: scopes.split_whitespace().map(str::to_owned).collect(),
        created: Wall(row.try_get(3)?),
    })
}

fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// Names in order, each once, as `|a|b|`; empty when there are none.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for name in names {
        if !text.contains(&format!("|{name}|")) {
            text.push_str(if text.is_empty() { "|" } else { "" });
            text.push_str(name);
            text.push('|');
        }
    }
    text
}

/// Counters of the follower, for metrics and readiness.
#[derive(Debug, Default)]
pub struct FollowStats {
    /// The last entry the records contain.
    pub applied_seq: AtomicU64,
    /// Records written, later revisions included.
    pub records: AtomicU64,
    /// Failed transactions and reads.
    pub errors: AtomicU64,
    /// The alarm: the last try failed.
    pub failing: AtomicBool,
}

/// The running follower.
#[derive(Debug)]
pub struct Follower {
    stats: Arc<FollowStats>,
    thread: JoinHandle<()>,
}

impl Follower {
    /// Counters and the alarm.
    pub fn stats(&self) -> &Arc<FollowStats> {
        &self.stats
    }

    /// Waits until everything the ended journal holds is in the records; drop the journal first.
    ///
    /// Not to be called from a runtime's only thread: the last queries need it.
    pub fn join(self) {
        let _ = self.thread.join();
    }
}

/// What one transaction writes.
#[derive(Debug, Default)]
struct Batch {
    records: BTreeMap<CallId, CallRecord>,
    /// The last entry contained.
    seq: u64,
    /// Entries read for it.
    entries: u64,
}

fn follow(mut tail: Tail, progress: &Progress, stats: &FollowStats, apply: impl Fn(&Batch) -> Result<(), sqlx::Error>) {
    let mut batch = Batch { seq: tail.seq, ..Batch::default() };
    let mut closed_at: Option<Instant> = None;
    loop {
        let synced = progress.wait(tail.seq, BATCH * 20);
        let read = tail.read(&synced, &mut batch);
        let more = matches!(read, Ok(true));
        let mut result = read.map(|_| ()).map_err(|e| e.to_string());
        if result.is_ok() && (!batch.records.is_empty() || batch.entries >= BATCH_ENTRIES || synced.closed) {
            result = apply(&batch).map_err(|e| e.to_string());
            if result.is_ok() {
                stats.applied_seq.store(batch.seq, Relaxed);
                stats.records.fetch_add(batch.records.len() as u64, Relaxed);
                batch = Batch { seq: tail.seq, ..Batch::default() };
            }
        }
        stats.failing.store(result.is_err(), Relaxed);
        match result {
            Err(error) => {
                if stats.errors.fetch_add(1, Relaxed).is_multiple_of(60) {
                    tracing::error!(error, "call records cannot be written; they will be, from the journal");
                }
                // At the end a broken database must not hold the process: the next start goes on.
                if synced.closed && closed_at.get_or_insert_with(Instant::now).elapsed() > RETRY * 3 {
                    return;
                }
                std::thread::sleep(RETRY);
            }
            Ok(()) if more => {}
            Ok(()) if synced.closed => return,
            Ok(()) => std::thread::sleep(BATCH),
        }
    }
}

/// Reads the journal's files behind the writer, folding.
struct Tail {
    dir: PathBuf,
    segment: u64,
    reader: Option<SegmentReader>,
    fold: Fold,
    /// Entries up to here are in the records already: they are only folded.
    applied: u64,
    /// The last entry read.
    seq: u64,
}

impl Tail {
    /// Places itself at the newest snapshot from which the records can go on.
    fn open(dir: &Path, applied: u64, synced: Synced) -> io::Result<Self> {
        if applied > synced.seq {
            tracing::warn!(applied, journal = synced.seq, "the journal is older than the records: was it restored?");
        }
        let applied = applied.min(synced.seq);
        let all = segment::segments(dir)?;
        let place = segment::newest_snapshot(dir, &all, applied.saturating_add(1))?;
        let segment = all.get(place).copied().unwrap_or(synced.segment);
        Ok(Self { dir: dir.to_path_buf(), segment, reader: None, fold: Fold::default(), applied, seq: 0 })
    }

    /// Reads what is durable, at most so much as fits a batch; true when that stopped it.
    fn read(&mut self, synced: &Synced, batch: &mut Batch) -> io::Result<bool> {
        while batch.records.len() < BATCH_RECORDS && batch.entries < BATCH_ENTRIES {
            let path = segment::segment_path(&self.dir, self.segment);
            let reader = match &mut self.reader {
                Some(reader) => reader,
                none => none.insert(SegmentReader::open(&path)?),
            };
            let last = self.segment >= synced.segment;
            let limit = if last { synced.bytes } else { fs::metadata(&path)?.len() };
            match reader.next(limit)? {
                Next::Body(Body::Snapshot(snapshot)) => {
                    // Later snapshots say what we have folded ourselves, unless a damaged segment lies before.
                    if snapshot.next_seq > self.seq.saturating_add(1) {
                        self.fold = snapshot.fold;
                        self.seq = snapshot.next_seq - 1;
                    }
                }
                Next::Body(Body::Entry(entry)) => {
                    self.seq = entry.seq;
                    let record = self.fold.handle(&entry);
                    if entry.seq > self.applied {
                        if let Some(record) = record {
                            batch.records.insert(record.call_id, record.clone());
                        }
                        batch.seq = entry.seq;
                        batch.entries += 1;
                    }
                }
                Next::Damaged => tracing::warn!(segment = self.segment, "a damaged journal frame was skipped"),
                Next::End if last => return Ok(false),
                Next::Torn if last => return Err(io::Error::other("the journal's newest segment is damaged")),
                Next::End | Next::Torn => {
                    let all = segment::segments(&self.dir)?;
                    self.segment = all.into_iter().find(|first| *first > self.segment).unwrap_or(synced.segment);
                    self.reader = None;
                }
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
