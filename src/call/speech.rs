//! Sentences that are spoken: by the recordings of all their pieces, or as a whole by one voice, never mixed.
//!
//! ```text
//!   say --nothing to be synthesized--------------------------------> played
//!    \--> Waiting --the last sentence is here, or its time is over--> played
//!           |  in a flow 0.7 s of silence, then music; in a queue its music goes on
//!           \--key, another play, an agent answers, the caller hangs up--> forgotten
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Action, Call, Context, Phase};
use crate::ivr::{self, Said};
use crate::journal::Kind;
use crate::media::{self, Clip};

/// How long a sentence may take to be synthesized; then something stands in for it.
const SPEECH: Duration = Duration::from_secs(3);
/// How long a caller hears nothing meanwhile; then music.
const SILENCE: Duration = Duration::from_millis(700);
/// Samples in a millisecond of what is played.
const SAMPLES_A_MS: usize = 8;

/// What a call has spoken by a voice.
#[derive(Debug, Default)]
pub(super) struct Speech {
    /// Sentences asked for so far.
    asked: u64,
    /// The journal was told that one failed.
    told: bool,
    waiting: Option<Waiting>,
}

/// A play that begins when its last sentence is here.
#[derive(Debug)]
struct Waiting {
    play: u64,
    pieces: Vec<Piece>,
    /// When the music begins; `None` once it plays.
    comfort_at: Option<Instant>,
    until: Instant,
}

#[derive(Debug)]
enum Piece {
    Here(Vec<Arc<Clip>>),
    Asked(Asked),
}

/// A sentence that is being synthesized.
#[derive(Debug)]
struct Asked {
    speech: u64,
    language: String,
    /// What is played when it is not spoken; none: a tone.
    instead: Option<ivr::Prompt>,
}

impl Speech {
    /// The play that is waited for is wanted no more.
    pub(super) fn forget(&mut self) {
        self.waiting = None;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let waiting = self.waiting.as_ref()?;
        Some(waiting.comfort_at.map_or(waiting.until, |at| at.min(waiting.until)))
    }
}

impl Call {
    /// Says these in order, in place of what is being said.
    pub(super) fn say(&mut self, context: &Context<'_>, play: u64, said: &[Said]) {
        let pieces: Vec<Piece> = said.iter().map(|said| self.piece(context, said)).collect();
        let is_in_queue = matches!(self.phase, Phase::Waiting { .. });
        let (comfort_at, until) = ((!is_in_queue).then_some(context.now + SILENCE), context.now + SPEECH);
        let waiting = Waiting { play, pieces, comfort_at, until };
        if waiting.is_whole() {
            return self.play_all(waiting);
        }
        if !is_in_queue {
            self.media(media::Command::Silence { leg: self.customer.id });
        }
        self.speech.waiting = Some(waiting);
    }

    /// The sound of one thing, or the question for it.
    fn piece(&mut self, context: &Context<'_>, said: &Said) -> Piece {
        let (language, text, units, is_private, instead) = match said {
            Said::Prompt(prompt) => return Piece::Here(self.clips(context, std::slice::from_ref(prompt))),
            Said::Spoken { language, text, units, is_private, instead } => {
                (language, text, units, *is_private, instead.clone())
            }
        };
        let recorded = units.iter().filter(|unit| !unit.is_pause()).map(|unit| &*unit.clip);
        let recorded = if units.is_empty() { None } else { context.prompts.units(language, recorded) };
        if let Some(clips) = recorded {
            let mut clips = clips.into_iter();
            let sound = units.iter().filter_map(|unit| match unit.is_pause() {
                true => Some(Arc::new(Clip::from_pcm16(&vec![0; unit.pause_ms as usize * SAMPLES_A_MS]))),
                false => clips.next(),
            });
            return Piece::Here(sound.collect());
        }
        self.speech.asked += 1;
        let speech = self.speech.asked;
        let (language, text) = (language.clone(), text.clone());
        let (of, is_optional) = (language.clone(), instead.is_some());
        self.outputs.push_back(Action::Synthesize { speech, language: of, text, is_private, is_optional });
        Piece::Asked(Asked { speech, language, instead })
    }

    /// A sentence is spoken, or cannot be. One that is waited for no more is ignored.
    pub fn handle_speech(&mut self, context: &Context<'_>, speech: u64, sound: Result<Arc<Clip>, String>) {
        if !matches!(self.phase, Phase::InFlow | Phase::Waiting { .. }) {
            return;
        }
        let Some(mut waiting) = self.speech.waiting.take() else { return };
        for piece in &mut waiting.pieces {
            if let Piece::Asked(asked) = piece
                && asked.speech == speech
            {
                let clips = match &sound {
                    Ok(clip) => vec![Arc::clone(clip)],
                    Err(why) => self.unspoken(context, asked, why),
                };
                *piece = Piece::Here(clips);
            }
        }
        if waiting.is_whole() {
            self.play_all(waiting);
        } else {
            self.speech.waiting = Some(waiting);
        }
    }

    /// What is due while a play is waited for.
    pub(super) fn speech_due(&mut self, context: &Context<'_>) {
        let Some(waiting) = &mut self.speech.waiting else { return };
        if waiting.until > context.now {
            if waiting.comfort_at.is_some_and(|at| at <= context.now) {
                waiting.comfort_at = None;
                self.media(media::Command::Music { leg: self.customer.id, music: context.prompts.music(None) });
            }
            return;
        }
        let Some(mut waiting) = self.speech.waiting.take() else { return };
        for piece in &mut waiting.pieces {
            if let Piece::Asked(asked) = piece {
                *piece = Piece::Here(self.unspoken(context, asked, "not in time"));
            }
        }
        self.play_all(waiting);
    }

    /// What is heard in place of a sentence; where nothing else is said, who operates the centre is told once a call.
    fn unspoken(&mut self, context: &Context<'_>, asked: &Asked, why: &str) -> Vec<Arc<Clip>> {
        if let Some(prompt) = &asked.instead {
            return self.clips(context, std::slice::from_ref(prompt));
        }
        let language = &asked.language;
        if !std::mem::replace(&mut self.speech.told, true) {
            let detail = format!(
                "a sentence in {language} cannot be spoken: {why}; record what `hatif say clips {language}` lists, or \
                 set [tts]"
            );
            self.journal(Kind::Trouble { code: "speech_failed".into(), detail });
        }
        vec![context.prompts.stand_in()]
    }

    fn play_all(&mut self, waiting: Waiting) {
        let sounds = waiting.pieces.into_iter().flat_map(|piece| match piece {
            Piece::Here(clips) => clips,
            Piece::Asked(_) => Vec::new(),
        });
        let clips = sounds.collect();
        self.media(media::Command::Play { leg: self.customer.id, play: waiting.play, clips });
    }
}

impl Waiting {
    fn is_whole(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Here(_)))
    }
}
