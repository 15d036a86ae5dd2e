//! What is said in words where nobody speaks them.

use super::{Checker, FAULTS};
use crate::diagnostic::Diagnostic;
use crate::ivr::flow::What;
use crate::say::{self, Language, Nouns, Style};

impl Checker<'_> {
    /// Without a voice, texts cannot be said, and values only from recordings of their pieces.
    pub(super) fn voices(&mut self) {
        let (true, Some(recorded)) = (self.declared.is_mute, &self.declared.prompts) else { return };
        let is_recorded = |language: &str| {
            let pieces = Language::from_code(language).map(|known| say::clips(known, Style::MSA, &Nouns::default()));
            let ids = recorded.get(language);
            pieces.is_some_and(|pieces| ids.is_some_and(|ids| ids.iter().any(|id| pieces.contains_key(id))))
        };
        let unrecorded: Vec<&String> =
            self.declared.languages.iter().filter(|language| !is_recorded(language)).collect();
        for program in self.flows.values() {
            for say in program.nodes.values().flat_map(|node| node.kind.says()) {
                let languages = say.language.as_ref().map_or(&program.languages[..], std::slice::from_ref);
                let unsaid = languages.iter().find(|language| unrecorded.contains(language));
                let (message, help) = match (&say.what, unsaid) {
                    (What::Prompt(_), _) | (What::Value(_), None) => continue,
                    (What::Text(_) | What::Texts(_), _) => (
                        "nobody speaks this text: [tts] has no voice".to_owned(),
                        "set [tts], or record a prompt".into(),
                    ),
                    (What::Value(_), Some(language)) => (
                        format!(
                            "nobody speaks this in \"{language}\": [tts] has no voice, and no piece of it is recorded"
                        ),
                        format!("set [tts], or record what `hatif say clips {language}` lists"),
                    ),
                };
                if self.diagnostics.len() >= FAULTS {
                    return;
                }
                let (file, text) = (&program.file, self.text(program));
                let found = Diagnostic::warning("ivr::no-voice", file, text, say.span.clone(), message);
                self.diagnostics.push(found.help(Some(help)));
            }
        }
    }
}
