//! What is said next: recordings by name, values in words.

use std::sync::LazyLock;
use std::time::Instant;

use super::{Output, Run};
use crate::ivr::expr::World;
use crate::ivr::flow::{Say, What};
use crate::ivr::prompts;
use crate::say::{self, Kind, Language, Nouns, Request, Unit};

/// One thing to be said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Said {
    /// A recording.
    Prompt(Prompt),
    /// A sentence in words: by the recordings of all its units, or by one voice as a whole.
    Spoken {
        /// In which language.
        language: String,
        /// The whole of it, without digits.
        text: String,
        /// Its pieces; none: there are no recordings of it.
        units: Vec<Unit>,
        /// It may hold what is the caller's own (a code, a number, a name): its sound is not kept on disk.
        is_private: bool,
        /// The recording that is played where no voice speaks it; none: a tone.
        instead: Option<Prompt>,
    },
}

/// One recording to be said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prompt {
    /// Names it.
    pub id: String,
    /// In which language.
    pub language: String,
}

static NOUNS: LazyLock<Nouns> = LazyLock::new(Nouns::built_in);

impl Said {
    /// A caller's place in a queue, 1 = next: by the recording of the whole sentence, else in words, in place of which the
    /// recording may be heard that comes nearest.
    pub fn position(language: &str, place: u32, is_recorded: impl Fn(&Prompt) -> bool) -> Self {
        let (id, is_exact) = prompts::position(place);
        let language = language.to_owned();
        let prompt = Prompt { id, language: language.clone() };
        if is_exact && is_recorded(&prompt) {
            return Self::Prompt(prompt);
        }
        let known = Language::from_code(&language);
        match known.map(|known| say::say(&Request::new(known, &NOUNS, Kind::Position(place)))) {
            Some(Ok(units)) => {
                Self::Spoken { language, text: say::text(&units), units, is_private: false, instead: Some(prompt) }
            }
            Some(Err(_)) | None => Self::Prompt(prompt),
        }
    }
}

impl Run {
    /// Says these; the number of the play.
    pub(super) fn play<'s>(
        &mut self,
        now: Instant,
        say: impl Iterator<Item = &'s Say>,
        world: &dyn World,
    ) -> Result<u64, String> {
        let mut said = Vec::new();
        for say in say {
            said.extend(self.said(now, say, world)?);
        }
        self.plays += 1;
        self.outputs.push_back(Output::Play { play: self.plays, said });
        Ok(self.plays)
    }

    /// One thing in words; `None` when there are none, as of an empty text.
    fn said(&self, now: Instant, say: &Say, world: &dyn World) -> Result<Option<Said>, String> {
        let language = say.language.clone().unwrap_or_else(|| self.language.clone());
        let scene = self.scene(now, world);
        let template = match &say.what {
            What::Prompt(id) => return Ok(Some(Said::Prompt(Prompt { id: id.clone(), language }))),
            What::Value(spoken) => {
                let value = spoken.value.evaluate(&scene)?;
                let known = Language::from_code(&language).ok_or("no value can be said in this language")?;
                let units = spoken.units(known, &value, &self.library.nouns);
                let units = units.map_err(|why| format!("saying `{}`: {why}", spoken.value.source()))?;
                let text = say::text(&units);
                return Ok(Some(Said::Spoken {
                    language,
                    text,
                    units,
                    is_private: spoken.kind.is_read_out(),
                    instead: None,
                }));
            }
            What::Text(template) => template,
            What::Texts(texts) => texts.get(&language).ok_or("a text is missing in this language")?,
        };
        let text = template.fill(&scene)?;
        let text = Language::from_code(&language).map_or_else(|| text.clone(), |known| say::prose(known, &text));
        let is_silent = !text.chars().any(char::is_alphanumeric);
        let is_private = !template.is_constant();
        Ok((!is_silent).then_some(Said::Spoken { language, text, units: Vec::new(), is_private, instead: None }))
    }
}
