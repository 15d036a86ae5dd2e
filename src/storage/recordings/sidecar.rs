//! What stands beside a recording: `rec_….json`, one document that says what the audio is.
//!
//! It is written twice: when the audio is complete, with what its writer knows, and after the call, with what the call's
//! record knows and the hashes. Fields are only added.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::sync_dir;
use crate::clock::Wall;
use crate::id::{AgentId, CallId, QueueName, RecordingId};
use crate::report::record::{CallRecord, RecordPause, RecordedLeg, Seconds};

/// The version of the format.
const VERSION: u32 = 1;
/// A sidecar is never larger; what is, is none of ours.
const BYTES_MOST: u64 = 4 << 20;

/// One recording, told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sidecar {
    /// Of this format: 1.
    pub version: u32,
    /// Which recording.
    pub recording: RecordingId,
    /// Whether call and hashes are filled in.
    pub state: State,
    /// A crash cut it.
    pub partial: bool,
    /// Of which call.
    pub call_id: Option<CallId>,
    /// The last queue that brought the customer to an agent in it.
    pub queue: Option<QueueName>,
    /// The node of a flow that asked the customer to speak, as `FLOW/NODE`; none where a talk was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The survey whose answer it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survey: Option<String>,
    /// The customer's number: who called, or who was called by one of ours.
    pub customer: Option<String>,
    /// Who of ours talked, and when.
    pub agents: Vec<Talked>,
    /// What each side spoke.
    pub legs: Vec<RecordedLeg>,
    /// Wall time of the first sample.
    pub started_at: Wall,
    /// Wall time after the last.
    pub ended_at: Wall,
    /// Length of the call's file.
    pub seconds: Seconds,
    /// Silence in it that stands for lost audio.
    pub lost_seconds: Seconds,
    /// Silence in it that was asked for.
    pub pauses: Vec<Pause>,
    /// Where audio was lost.
    pub gaps: Vec<Piece>,
    /// The audio: the call's own file first.
    pub files: Vec<Audio>,
    /// What the customer agreed to.
    pub consent: Consent,
}

/// How far a sidecar is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The audio is complete.
    Recorded,
    /// Call, hashes and final format are filled in.
    Filed,
}

/// By what consent a call was recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Recorded always; nobody was asked.
    Always,
    /// Recorded because he said yes.
    OptIn,
    /// Recorded because he did not say no.
    OptOut,
    /// Not to be recorded.
    Never,
}

/// One of ours in the talk.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Talked {
    /// Who.
    pub agent: AgentId,
    /// From when.
    pub from: Wall,
    /// Until when.
    pub until: Option<Wall>,
}

/// A piece of the recording.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// Where it begins.
    pub offset_seconds: Seconds,
    /// How long it is.
    pub seconds: Seconds,
}

/// A pause of the recording.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// Where it begins.
    pub offset_seconds: Seconds,
    /// How long it is.
    pub seconds: Seconds,
    /// Who asked for it: `agent:ID`, `api:KEY`.
    pub by: Option<String>,
    /// Why, in his words.
    pub why: Option<String>,
}

impl From<Piece> for Pause {
    fn from(piece: Piece) -> Self {
        Self { offset_seconds: piece.offset_seconds, seconds: piece.seconds, by: None, why: None }
    }
}

/// One file of audio.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Audio {
    /// Relative to the data folder.
    pub file: String,
    /// `call`, `supervisor` or `consult`.
    pub track: String,
    /// How it is coded.
    pub format: Format,
    /// 2: left the customer, right the agent; 1: one voice.
    pub channels: u16,
    /// How long after the first sample of the recording it begins.
    pub offset_seconds: Seconds,
    /// Its length.
    pub seconds: Seconds,
    /// Its size, once filed.
    pub bytes: Option<u64>,
    /// Hash of the whole file in hexadecimal, once filed.
    pub sha256: Option<String>,
}

/// How audio is coded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// As it was written: WAV, 16 bit, 8 kHz.
    #[default]
    Wav,
    /// Opus in Ogg (RFC 7845), 24 kb/s a channel.
    Opus,
    /// FLAC (RFC 9639): no sample is changed.
    Flac,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Wav, Self::Opus, Self::Flac];

    /// The ending of its files.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Opus => "opus",
            Self::Flac => "flac",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Opus => "audio/ogg",
            Self::Flac => "audio/flac",
        }
    }
}

/// What became of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is what was filed.
    Good,
    /// It has no hash yet: its call goes on, or it is being filed.
    NotFiled,
    /// It is not what was filed.
    Changed,
    /// It is gone or cannot be read.
    Missing,
}

impl Sidecar {
    /// One of which nothing is known but its name.
    pub fn new(recording: RecordingId) -> Self {
        let at = Wall(i64::try_from(recording.wall_ms()).unwrap_or_default().saturating_mul(1_000));
        Self {
            version: VERSION,
            recording,
            state: State::Recorded,
            partial: false,
            call_id: None,
            queue: None,
            node: None,
            survey: None,
            customer: None,
            agents: Vec::new(),
            legs: Vec::new(),
            started_at: at,
            ended_at: at,
            seconds: Seconds::default(),
            lost_seconds: Seconds::default(),
            pauses: Vec::new(),
            gaps: Vec::new(),
            files: Vec::new(),
            consent: Consent::Always,
        }
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// It is not there, or is no sidecar.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut text = String::new();
        File::open(path)?.take(BYTES_MOST).read_to_string(&mut text)?;
        serde_json::from_str(&text).map_err(io::Error::other)
    }

    /// Writes it whole or not at all, and durably.
    ///
    /// # Errors
    ///
    /// The disk's; what was there before is unchanged.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("json.new");
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        text.push(b'\n');
        let mut file = File::create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        path.parent().map_or(Ok(()), sync_dir)
    }

    /// What became of its files, by their hashes.
    pub fn verify(&self, data_dir: &Path) -> Vec<(String, Verdict)> {
        let verdict = |audio: &Audio| match (hash(&data_dir.join(&audio.file)), &audio.sha256) {
            (Err(_), _) => Verdict::Missing,
            (Ok(_), None) => Verdict::NotFiled,
            (Ok((_, found)), Some(known)) if found == *known => Verdict::Good,
            (Ok(_), Some(_)) => Verdict::Changed,
        };
        self.files.iter().map(|audio| (audio.file.clone(), verdict(audio))).collect()
    }

    /// Fills in what the record of its call knows.
    pub fn tell_call(&mut self, record: &CallRecord) {
        let Some(own) = record.recordings.iter().find(|own| own.id == self.recording) else { return };
        let after = |from: Wall, length: Seconds| {
            Wall(from.0.saturating_add(i64::try_from(length.ms).unwrap_or(i64::MAX).saturating_mul(1_000)))
        };
        self.call_id = Some(record.call_id);
        self.customer = Some(record.customer().to_owned());
        self.node.clone_from(&own.node);
        self.survey.clone_from(&own.survey);
        self.started_at = own.started_at;
        self.ended_at = after(own.started_at, self.seconds);
        self.partial = own.partial;
        self.lost_seconds = self.lost_seconds.max(own.lost_seconds);
        self.legs.clone_from(&own.legs);
        let talks = record.agents.iter().filter_map(|visit| Some((visit, visit.answered_at?)));
        let (begin, end) = (self.started_at, self.ended_at);
        let within: Vec<_> = talks
            .map(|(visit, from)| (visit, from, visit.talk_seconds.map(|talk| after(from, talk))))
            .filter(|(_, from, until)| *from <= end && until.is_none_or(|until| until >= begin))
            .collect();
        self.queue = within.iter().rev().find_map(|(visit, _, _)| visit.queue.clone());
        self.agents = within
            .iter()
            .map(|(visit, from, until)| Talked { agent: visit.agent.clone(), from: *from, until: *until })
            .collect();
        self.tell_pauses(&own.pauses);
    }

    /// Who asked for each pause. What the writer could not say (a crash came first) is taken from the record.
    fn tell_pauses(&mut self, known: &[RecordPause]) {
        for (at, asked) in known.iter().enumerate() {
            let from = Seconds::between(self.started_at, asked.from);
            let length = asked.until.map_or(Seconds::default(), |until| Seconds::between(asked.from, until));
            if at >= self.pauses.len() {
                self.pauses.push(Piece { offset_seconds: from, seconds: length }.into());
            }
            if let Some(pause) = self.pauses.get_mut(at) {
                pause.by = Some(asked.by.clone());
                pause.why = Some(asked.why.clone()).filter(|why| !why.is_empty());
            }
        }
    }
}

/// The sidecars below a data folder, oldest day first; what is no sidecar is left out.
pub fn all(data_dir: &Path) -> Vec<Sidecar> {
    let mut folders = vec![data_dir.join("recordings")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|item| item.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "json") {
                found.extend(Sidecar::read(&path));
            }
        }
    }
    found.sort_by_key(|sidecar| sidecar.recording);
    found
}

/// Size and hash of a file.
///
/// # Errors
///
/// It cannot be read.
pub fn hash(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer)?;
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
        hasher.update(read);
        bytes += count as u64;
    }
    let hex = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((bytes, hex))
}
