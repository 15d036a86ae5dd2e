//! What is said next: recordings by name, values in words.

use std::time::Instant;

use super::{Output, Run};
use crate::ivr::expr::World;
use crate::ivr::flow::{Say, What};
use crate::say::{self, Language, Unit};

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
                return Ok(Some(Said::Spoken { language, text, units, is_private: spoken.kind.is_read_out() }));
            }
            What::Text(template) => template,
            What::Texts(texts) => texts.get(&language).ok_or("a text is missing in this language")?,
        };
        let text = template.fill(&scene)?;
        let text = Language::from_code(&language).map_or_else(|| text.clone(), |known| say::prose(known, &text));
        let is_silent = !text.chars().any(char::is_alphanumeric);
        let is_private = !template.is_constant();
        Ok((!is_silent).then_some(Said::Spoken { language, text, units: Vec::new(), is_private }))
    }
}
