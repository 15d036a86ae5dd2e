//! The sounds of the centre, encoded once and shared by all calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::QueueName;
use crate::media::Clip;

/// Prompts by language and id, hold music, the test tone, and the sound that stands in for a missing prompt.
#[derive(Clone)]
pub struct Prompts {
    clips: BTreeMap<String, BTreeMap<String, Arc<Clip>>>,
    stand_in: Arc<Clip>,
    music: Arc<Clip>,
    /// That of queues which have their own.
    queue_music: BTreeMap<QueueName, Arc<Clip>>,
    milliwatt: Arc<Clip>,
    ringback: Arc<Clip>,
    beep: Arc<Clip>,
}

impl std::fmt::Debug for Prompts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prompts(…)")
    }
}

impl Prompts {
    /// Takes the recorded clips, `language → id → clip`, and the hold music (8 kHz, looped).
    pub fn new(clips: BTreeMap<String, BTreeMap<String, Arc<Clip>>>, music: Clip) -> Self {
        Self {
            clips,
            // A short tone says "your turn" where the words are missing: never dead air.
            stand_in: Arc::new(Clip::tone(440.0, -16.0, 400)),
            music: Arc::new(music),
            queue_music: BTreeMap::new(),
            // One second holds whole periods of 1,004 Hz: it loops without a click. 0 dBm0 by ITU-T O.133.
            milliwatt: Arc::new(Clip::tone(1_004.0, 0.0, 1_000)),
            ringback: Arc::new(ringback()),
            beep: Arc::new(Clip::tone(1_000.0, -12.0, 300)),
        }
    }

    /// Adds the hold music of queues that have their own.
    pub fn with_queue_music(mut self, music: BTreeMap<QueueName, Arc<Clip>>) -> Self {
        self.queue_music = music;
        self
    }

    /// The clip to play, and whether it is only the stand-in for a missing one.
    pub fn clip(&self, language: &str, id: &str) -> (Arc<Clip>, bool) {
        match self.clips.get(language).and_then(|ids| ids.get(id)) {
            Some(clip) => (Arc::clone(clip), false),
            None => (Arc::clone(&self.stand_in), true),
        }
    }

    /// Whether this one is recorded.
    pub fn has(&self, language: &str, id: &str) -> bool {
        self.clips.get(language).is_some_and(|ids| ids.contains_key(id))
    }

    /// The recordings of a spoken sentence, in order: all of them, or none when one is missing.
    pub fn units<'u>(&self, language: &str, clips: impl Iterator<Item = &'u str>) -> Option<Vec<Arc<Clip>>> {
        let ids = self.clips.get(language)?;
        clips.map(|id| ids.get(id).map(Arc::clone)).collect()
    }

    /// What is heard where something cannot be said.
    pub fn stand_in(&self) -> Arc<Clip> {
        Arc::clone(&self.stand_in)
    }

    /// The hold music of a queue, or of the centre.
    pub fn music(&self, queue: Option<&QueueName>) -> Arc<Clip> {
        let own = queue.and_then(|queue| self.queue_music.get(queue));
        Arc::clone(own.unwrap_or(&self.music))
    }

    /// 1,004 Hz at 0 dBm0.
    pub fn milliwatt(&self) -> Arc<Clip> {
        Arc::clone(&self.milliwatt)
    }

    /// One second of 425 Hz, four of silence: what a caller hears while a phone rings (ITU-T E.180).
    pub fn ringback(&self) -> Arc<Clip> {
        Arc::clone(&self.ringback)
    }

    /// The tone after which a message begins.
    pub fn beep(&self) -> Arc<Clip> {
        Arc::clone(&self.beep)
    }

    /// Number of recorded clips in all languages.
    pub fn len(&self) -> usize {
        self.clips.values().map(BTreeMap::len).sum()
    }

    /// True when nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn ringback() -> Clip {
    let tone = |n: u32| (f64::from(n) * 425.0 * std::f64::consts::TAU / 8_000.0).sin() * 3_600.0;
    let samples: Vec<i16> = (0..40_000).map(|n| if n < 8_000 { tone(n) as i16 } else { 0 }).collect();
    Clip::from_pcm16(&samples)
}
