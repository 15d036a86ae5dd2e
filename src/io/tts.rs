//! The voice that speaks what is not recorded: a program or an adaptor over HTTP, off the signalling path.
//!
//! ```text
//!   sentence --> memory --> disk (DATA/tts) --> [places] --> program or adaptor --> WAV --> 8 kHz clip
//!                  `--------- known by SHA-256 of voice, language and text ---------'
//! ```
//!
//! A few sentences are spoken at once, a few more wait, the rest is refused: whoever asked has a recording or a tone for that.

#![allow(clippy::disallowed_methods, reason = "this is the shell: it runs programs and reads the clock")]

mod cache;
mod exec;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::config::services::ServiceConfig;
use crate::config::tts::{TtsConfig, Voice};
use crate::engine::{Fetch, FetchError, Input, Method, Synthesis, SynthesisError};
use crate::media::{Clip, wave};

use super::driver::Inbox;
use super::services::Service;
use cache::Cache;

/// A sentence has this long, waiting for its place included.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most sentences that wait for a place.
const WAITING_MAX: usize = 64;
/// The same for sentences for which recordings can stand in: a thousand callers who are told their places at once take
/// the voice from no flow.
const OPTIONAL_MAX: usize = 4;
/// Largest sound of one sentence, in bytes: a minute at 48 kHz.
const SOUND_BYTES: usize = 6 << 20;

/// The voice. Cheap to clone.
#[derive(Clone)]
pub struct Tts {
    runtime: Handle,
    inbox: Inbox,
    dir: PathBuf,
    spell: fn(&str) -> String,
    state: Arc<ArcSwapOption<State>>,
}

struct State {
    config: TtsConfig,
    adaptor: Option<Service>,
    spell: fn(&str) -> String,
    places: Semaphore,
    waiting: AtomicUsize,
    cache: Mutex<Cache>,
}

impl Tts {
    /// None yet. What is spoken is kept in `tts` of `data_dir`; `spell` writes a text for a voice that reads letter by
    /// letter.
    pub fn new(runtime: Handle, inbox: Inbox, data_dir: &Path, spell: fn(&str) -> String) -> Self {
        Self { runtime, inbox, dir: data_dir.join("tts"), spell, state: Arc::default() }
    }

    /// This one from now on; what is under way is spoken by the one before.
    ///
    /// # Errors
    ///
    /// Why the system's certificates cannot be used; then all stays as it is.
    pub fn set(&self, config: &TtsConfig) -> Result<(), String> {
        if self.state.load().as_ref().is_some_and(|state| state.config == *config) {
            return Ok(());
        }
        let state = State::new(config.clone(), &self.dir, self.spell)?;
        self.state.store(Some(Arc::new(state)));
        Ok(())
    }

    /// Speaks; the sound goes into the engine's inbox.
    pub fn speak(&self, sentence: Synthesis) {
        let (state, inbox) = (self.state.load_full(), self.inbox.clone());
        self.runtime.spawn(async move {
            let sound = match state {
                Some(state) => speak(state, &sentence).await,
                None => Err(SynthesisError::NoVoice),
            };
            // That there is no voice stands in the configuration; and where something stands in, little is lost.
            let is_minor = |error: &SynthesisError| sentence.is_optional || *error == SynthesisError::NoVoice;
            if let Some(error) = sound.as_ref().err().filter(|error| !is_minor(error)) {
                tracing::warn!(language = sentence.language, %error, "a sentence is not spoken");
            }
            inbox.send(Input::Synthesized { id: sentence.id, sound });
        });
    }
}

impl State {
    fn new(config: TtsConfig, dir: &Path, spell: fn(&str) -> String) -> Result<Self, String> {
        let adaptor = match &config.voice {
            Some(Voice::Url(url)) => {
                let service = ServiceConfig {
                    max_concurrency: config.parallel,
                    answer_bytes: SOUND_BYTES,
                    ..ServiceConfig::new("tts", url)
                };
                Some(Service::new(service)?.accepts("audio/wav"))
            }
            Some(Voice::Exec(_)) | None => None,
        };
        let cache = Mutex::new(Cache::open(dir, config.cache_bytes));
        let (places, waiting) = (Semaphore::new(config.parallel), AtomicUsize::new(0));
        Ok(Self { adaptor, spell, places, waiting, cache, config })
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a sentence is known by.
    fn key(&self, language: &str, text: &str) -> String {
        let voice = match &self.config.voice {
            Some(Voice::Exec(words)) => words.as_slice(),
            Some(Voice::Url(url)) => std::slice::from_ref(url),
            None => &[],
        };
        let mut hash = Sha256::new();
        for part in voice.iter().map(String::as_str).chain([language, text]) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A WAV file from the voice.
    async fn ask(&self, language: &str, text: &str, until: Instant) -> Result<Vec<u8>, SynthesisError> {
        let timeout = until.saturating_duration_since(Instant::now());
        match (&self.config.voice, &self.adaptor) {
            (Some(Voice::Exec(command)), _) => {
                let (command, language, text) = (command.clone(), language.to_owned(), text.to_owned());
                let spoken =
                    tokio::task::spawn_blocking(move || exec::run(&command, &language, &text, SOUND_BYTES, until));
                spoken.await.unwrap_or_else(|_| Err(SynthesisError::Failed("the voice could not be run".to_owned())))
            }
            (Some(Voice::Url(_)), Some(adaptor)) => {
                let body = serde_json::json!({ "language": language, "text": text }).to_string();
                let (method, body) = (Method::Post, Some(body));
                let fetch = Fetch { id: 0, service: "tts".into(), method, path: String::new(), body, timeout };
                match adaptor.ask(&fetch).await {
                    Ok(reply) if (200..300).contains(&reply.status) => Ok(reply.body.to_vec()),
                    Ok(reply) => Err(SynthesisError::Failed(format!("the voice answers HTTP {}", reply.status))),
                    Err(FetchError::Timeout) => Err(SynthesisError::Timeout),
                    Err(FetchError::Busy) => Err(SynthesisError::Busy),
                    Err(error) => Err(SynthesisError::Failed(error.to_string())),
                }
            }
            (Some(Voice::Url(_)) | None, _) => Err(SynthesisError::NoVoice),
        }
    }

    /// Waits for a place, then asks.
    async fn spoken(&self, language: &str, text: &str, is_optional: bool) -> Result<Vec<u8>, SynthesisError> {
        let until = Instant::now() + PATIENCE;
        let most = if is_optional { OPTIONAL_MAX } else { WAITING_MAX };
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= most + self.config.parallel {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(SynthesisError::Busy);
        }
        let asked = async {
            let _place = self.places.acquire().await.map_err(|_| SynthesisError::NoVoice)?;
            self.ask(language, text, until).await
        };
        let spoken = tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Err(SynthesisError::Timeout));
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        spoken
    }
}

/// A sentence from the cache, or from the voice into the cache.
async fn speak(state: Arc<State>, sentence: &Synthesis) -> Result<Arc<Clip>, SynthesisError> {
    if state.config.voice.is_none() {
        return Err(SynthesisError::NoVoice);
    }
    let text = if state.config.letter_by_letter { (state.spell)(&sentence.text) } else { sentence.text.clone() };
    let key = state.key(&sentence.language, &text);
    if let Some(clip) = state.cache().remembered(&key) {
        return Ok(clip);
    }
    let lost = |_| SynthesisError::Failed("the sound could not be read".to_owned());
    let (disk, name) = (Arc::clone(&state), key.clone());
    let kept = tokio::task::spawn_blocking(move || {
        let path = disk.cache().file(&name)?;
        let clip = Arc::new(Clip::from_pcm16(&wave::read(&std::fs::read(path).ok()?).ok()?));
        disk.cache().remember(&name, &clip);
        Some(clip)
    });
    if let Some(clip) = kept.await.map_err(lost)? {
        return Ok(clip);
    }
    let bytes = state.spoken(&sentence.language, &text, sentence.is_optional).await?;
    let is_private = sentence.is_private;
    let heard = tokio::task::spawn_blocking(move || {
        let samples = wave::read(&bytes).map_err(|error| SynthesisError::Failed(format!("what it says: {error}")))?;
        if samples.is_empty() {
            return Err(SynthesisError::Failed("it says nothing".to_owned()));
        }
        let clip = Arc::new(Clip::from_pcm16(&samples));
        state.cache().remember(&key, &clip);
        if !is_private {
            Cache::keep(&state.cache, &key, &wave::write(&samples));
        }
        Ok(clip)
    });
    heard.await.map_err(lost)?
}
