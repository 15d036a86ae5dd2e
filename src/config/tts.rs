//! `[tts]`: the voice that speaks what is not recorded.

use super::reader::Reader;
use super::services::is_address;

/// The voice, and how much of what it spoke is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TtsConfig {
    /// Who speaks; `None` = nobody.
    pub voice: Option<Voice>,
    /// It reads Arabic letter by letter. Default false.
    pub letter_by_letter: bool,
    /// Most sentences at once. Default 2.
    pub parallel: usize,
    /// What is kept on disk, in bytes. Default 256 MiB.
    pub cache_bytes: u64,
}

/// Who speaks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Voice {
    /// A program: the sentence on stdin, a WAV file on stdout; `{language}` in an argument is the language.
    Exec(Vec<String>),
    /// An adaptor that gets a POST with language and text, and answers a WAV file.
    Url(String),
}

impl Default for TtsConfig {
    fn default() -> Self {
        Self { voice: None, letter_by_letter: false, parallel: 2, cache_bytes: 256 << 20 }
    }
}

impl TtsConfig {
    /// espeak-ng, for tests and the demo.
    pub fn espeak() -> Self {
        let exec = ["espeak-ng", "-v", "{language}", "-s", "150", "--stdin", "--stdout"].map(str::to_owned);
        Self { voice: Some(Voice::Exec(exec.into())), letter_by_letter: true, ..Self::default() }
    }
}

/// Reads `[tts]`.
pub fn read(reader: &Reader) -> TtsConfig {
    let default = TtsConfig::default();
    TtsConfig {
        voice: voice(reader),
        letter_by_letter: reader.boolean("letter_by_letter").unwrap_or(default.letter_by_letter),
        parallel: reader.number("parallel", 1..=64).unwrap_or(default.parallel),
        cache_bytes: reader.number("cache_mb", 0..=100_000_u64).map_or(default.cache_bytes, |mb| mb << 20),
    }
}

fn voice(reader: &Reader) -> Option<Voice> {
    let exec = reader.texts("exec").map(|words| {
        for word in &words {
            let braces = word.text.replace("{language}", "");
            if braces.contains(['{', '}']) {
                let help = "the language is {language}; the sentence comes on stdin".to_owned();
                reader.bad(word.place, format!("\"{}\" has braces that stand for nothing", word.text), help);
            }
        }
        if words.first().is_none_or(|program| program.text.trim().is_empty()) {
            let help = "write [\"espeak-ng\", \"-v\", \"{language}\", \"--stdin\", \"--stdout\"]".to_owned();
            reader.bad(reader.key_place("exec"), "a program is needed", help);
        }
        Voice::Exec(words.into_iter().map(|word| word.text).collect())
    });
    let url = reader.text("url").map(|url| {
        if !is_address(&url.text) {
            let help = "write https://HOST[:PORT][/PATH], without a query and without a password".to_owned();
            reader.bad(url.place, format!("\"{}\" is not an address", url.text), help);
        }
        if exec.is_some() {
            reader.bad(url.place, "the voice is a program or an address, not both", "leave out exec or url".to_owned());
        }
        Voice::Url(url.text)
    });
    exec.or(url)
}
