//! What is wrong in a file somebody wrote, and where: one form for configuration and flows.
//!
//! ```text
//! error[ivr::unknown-node]: no node "surve" in flow main
//!   --> ivr-scripts/main.toml:88:16
//! 88 | on = { ended = "surve", timeout = "callback" }
//!    |                ^^^^^^^ did you mean "survey"?
//! ```
//!
//! Lines and columns count from 1; a column is one character, as editors count. File text is never trusted: control
//! characters are shown as `�`, long lines are cut around the mark.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

/// Longest excerpt of a source line that is shown, in characters.
const EXCERPT_CHARS: usize = 160;
/// Characters shown before the mark when the line is cut.
const EXCERPT_LEAD: usize = 60;
/// Longer words are not compared: a typing error is found in names, not in texts.
const WORD_CHARS: usize = 64;

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is taken; somebody should look at it.
    Warning,
}

impl Severity {
    /// The word that begins the message.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A place in a file, as editors count.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Position {
    /// From 1; 0 when the place is the whole file.
    pub line: usize,
    /// In characters, from 1; 0 when `line` is 0.
    pub column: usize,
}

/// One fault in one place of one file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name for the kind of fault, e.g. `ivr::unknown-node`.
    pub code: String,
    /// The file as the user named it.
    pub file: String,
    /// Line, from 1; 0 when the fault is the whole file's (it cannot be read, for instance).
    pub line: usize,
    /// Column in characters, from 1; 0 when `line` is 0.
    pub column: usize,
    /// The first character behind what is marked: the place may go on over several lines.
    pub end: Position,
    /// The source line, or the part of it around the mark.
    pub excerpt: String,
    /// Characters of `excerpt` before the mark.
    pub caret: usize,
    /// Length of the mark in characters, at least 1.
    pub length: usize,
    /// One sentence: what is wrong.
    pub message: String,
    /// What to do about it; shown at the mark.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at the bytes `span` of `text`, which is the whole content of `file`.
    ///
    /// A span outside the text, or inside a character, is moved to the nearest place that exists.
    pub fn error(
        code: impl Into<String>,
        file: &str,
        text: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        Self::at(Severity::Error, code.into(), file, text, span, message.into())
    }

    /// A warning; see [`Diagnostic::error`].
    pub fn warning(
        code: impl Into<String>,
        file: &str,
        text: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        Self::at(Severity::Warning, code.into(), file, text, span, message.into())
    }

    /// An error of the file as a whole, or of something that is no file (a variable, an option).
    pub fn whole_file(code: impl Into<String>, file: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code: code.into(),
            file: file.to_owned(),
            line: 0,
            column: 0,
            end: Position::default(),
            excerpt: String::new(),
            caret: 0,
            length: 1,
            message: message.into(),
            help: None,
        }
    }

    /// Says what to do; `None` changes nothing.
    #[must_use]
    pub fn help(mut self, help: Option<impl Into<String>>) -> Self {
        if let Some(help) = help {
            self.help = Some(help.into());
        }
        self
    }

    /// True when the file must be refused.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// An error of the `toml` reader, with a "did you mean" for keys and words that do not exist.
    ///
    /// `area` begins the code: `config` gives `config::syntax`, `config::unknown-key`, `config::unknown-word`,
    /// `config::missing-key`, `config::duplicate-key` or `config::bad-value`. Errors without a place point at the
    /// first line.
    pub fn from_toml(area: &str, file: &str, text: &str, error: &toml::de::Error) -> Self {
        let message = error.message();
        // serde's own sentences: the words between back quotes are the offender, then what was expected.
        let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        let (word, expected) = match quoted.split_first() {
            Some((word, expected)) => (*word, expected),
            None => ("", &[][..]),
        };
        let fault = if message.starts_with("unknown field") {
            "unknown-key"
        } else if message.starts_with("unknown variant") {
            "unknown-word"
        } else if message.starts_with("missing field") {
            "missing-key"
        } else if message.starts_with("duplicate") {
            "duplicate-key"
        } else if message.starts_with("invalid type") || message.starts_with("invalid value") {
            "bad-value"
        } else if toml::de::DeTable::parse(text).is_err() {
            "syntax"
        } else {
            "bad-value"
        };
        let (sentence, help) = match fault {
            "unknown-key" => (format!("unknown key \"{word}\""), suggest_or_list(word, expected)),
            "unknown-word" => {
                (format!("\"{word}\" is not one of the words possible here"), suggest_or_list(word, expected))
            }
            "missing-key" => (format!("key \"{word}\" is missing"), None),
            "duplicate-key" => (message.replace('`', "\""), Some("it stands here for the second time".to_owned())),
            _ => (message.replace('`', "\""), None),
        };
        let span = error.span().unwrap_or(0..0);
        Self::error(format!("{area}::{fault}"), file, text, span, sentence).help(help)
    }

    fn at(severity: Severity, code: String, file: &str, text: &str, span: Range<usize>, message: String) -> Self {
        let place = Place::of(text, span);
        Self {
            severity,
            code,
            file: file.to_owned(),
            line: place.line,
            column: place.column,
            end: place.end,
            excerpt: place.excerpt,
            caret: place.caret,
            length: place.length,
            message,
            help: None,
        }
    }
}

impl fmt::Display for Diagnostic {
    /// Writes the form shown at the top of this module, without a line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: {}", self.severity.as_str(), self.code, one_line(&self.message))?;
        if self.line == 0 {
            if !self.file.is_empty() {
                write!(f, "\n --> {}", one_line(&self.file))?;
            }
            if let Some(help) = &self.help {
                write!(f, "\n  = {}", one_line(help))?;
            }
            return Ok(());
        }
        let number = self.line.to_string();
        let gutter = number.len();
        write!(f, "\n{:gutter$}--> {}:{}:{}", "", one_line(&self.file), self.line, self.column)?;
        write!(f, "\n{number} | {}", self.excerpt)?;
        write!(f, "\n{:gutter$} | ", "")?;
        for c in self.excerpt.chars().take(self.caret).filter(|c| !is_mark(*c)) {
            f.write_str(if c == '\t' { "\t" } else { " " })?;
        }
        let marked = self.excerpt.chars().skip(self.caret).take(self.length).filter(|c| !is_mark(*c)).count();
        f.write_str(&"^".repeat(marked.max(1)))?;
        match &self.help {
            Some(help) => write!(f, " {}", one_line(help)),
            None => Ok(()),
        }
    }
}

/// The candidate that `word` most likely stands for, if one is near enough.
///
/// Near means at most one wrong, missing, extra or swapped letter in three. Of equally near ones the first wins.
pub fn did_you_mean<C: AsRef<str>>(word: &str, candidates: impl IntoIterator<Item = C>) -> Option<String> {
    let letters = word.chars().count();
    if letters > WORD_CHARS {
        return None;
    }
    let folded = word.to_lowercase();
    let mut best: Option<(usize, String)> = None;
    for candidate in candidates {
        let candidate = candidate.as_ref();
        let length = candidate.chars().count();
        if length > WORD_CHARS || candidate == word {
            continue;
        }
        let allowed = (letters.max(length) / 3).max(1);
        let distance = strsim::osa_distance(&folded, &candidate.to_lowercase());
        let nearer = best.as_ref().is_none_or(|(least, _)| distance < *least);
        if distance <= allowed && distance < letters.max(length) && nearer {
            best = Some((distance, candidate.to_owned()));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The help text `did you mean "survey"?`, if a candidate is near enough.
pub fn suggestion<C: AsRef<str>>(word: &str, candidates: impl IntoIterator<Item = C>) -> Option<String> {
    did_you_mean(word, candidates).map(|candidate| format!("did you mean \"{candidate}\"?"))
}

/// Line and column (both from 1; the column in characters) of the byte `offset` in `text`.
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let offset = floor_boundary(text, offset);
    let before = text.get(..offset).unwrap_or_default();
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before.get(start..).unwrap_or_default().chars().count() + 1)
}

fn suggest_or_list(word: &str, expected: &[&str]) -> Option<String> {
    match (suggestion(word, expected), expected.is_empty()) {
        (Some(help), _) => Some(help),
        (None, true) => None,
        (None, false) => Some(format!("possible: {}", expected.join(", "))),
    }
}

/// A byte span turned into what a reader sees.
struct Place {
    line: usize,
    column: usize,
    end: Position,
    excerpt: String,
    caret: usize,
    length: usize,
}

impl Place {
    fn of(text: &str, span: Range<usize>) -> Self {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end.max(span.start)).max(start);
        let (line, column) = line_column(text, start);
        let line_start = text.get(..start).unwrap_or_default().rfind('\n').map_or(0, |at| at + 1);
        let line_end = text.get(start..).unwrap_or_default().find('\n').map_or(text.len(), |at| start + at);
        let whole = text.get(line_start..line_end).unwrap_or_default().trim_end_matches('\r');
        let marked = text.get(start..end.min(line_end)).unwrap_or_default();
        let length = marked.trim_end().chars().count().clamp(1, EXCERPT_CHARS);
        let clean = |c: char| if is_hidden(c) { '\u{FFFD}' } else { c };
        let before = column - 1;
        let end = match text.get(start..end).unwrap_or_default().trim_end() {
            "" => Position { line, column: column + 1 },
            marked => {
                let lines = marked.matches('\n').count();
                let last = marked.rsplit('\n').next().unwrap_or_default().chars().count();
                Position { line: line + lines, column: if lines == 0 { column } else { 1 } + last }
            }
        };
        if whole.chars().count() <= EXCERPT_CHARS {
            return Self { line, column, end, excerpt: whole.chars().map(clean).collect(), caret: before, length };
        }
        let skipped = before.saturating_sub(EXCERPT_LEAD);
        let mut excerpt = String::from(if skipped > 0 { "…" } else { "" });
        let lead = excerpt.chars().count();
        excerpt.extend(whole.chars().skip(skipped).take(EXCERPT_CHARS).map(clean));
        if whole.chars().count() > skipped + EXCERPT_CHARS {
            excerpt.push('…');
        }
        Self {
            line,
            column,
            end,
            excerpt,
            caret: lead + before - skipped,
            length: length.min(EXCERPT_CHARS - EXCERPT_LEAD),
        }
    }
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

fn one_line(text: &str) -> String {
    let clean = |c: char| {
        if c == '\n' || c == '\t' {
            ' '
        } else if is_hidden(c) {
            '\u{FFFD}'
        } else {
            c
        }
    };
    text.trim_end().chars().map(clean).collect()
}

/// Control characters and those that reorder what follows: they could make a terminal lie.
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Arabic vowel signs and other marks that take no column of their own.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{064B}'..='\u{065F}' | '\u{0670}' | '\u{200B}'..='\u{200F}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span_of(text: &str, part: &str) -> Range<usize> {
        let start = text.find(part).unwrap();
        start..start + part.len()
    }

    #[test]
    fn a_diagnostic_is_shown_with_line_mark_and_help() {
        let text = format!("{}on = {{ ended = \"surve\", timeout = \"callback\" }}\n", "\n".repeat(87));
        let shown = Diagnostic::error(
            "ivr::unknown-node",
            "ivr-scripts/main.toml",
            &text,
            span_of(&text, "\"surve\""),
            "no node \"surve\" in flow main",
        )
        .help(suggestion("surve", ["topic", "survey"]))
        .to_string();
        assert_eq!(
            shown,
            "error[ivr::unknown-node]: no node \"surve\" in flow main\n  \
               --> ivr-scripts/main.toml:88:16\n\
             88 | on = { ended = \"surve\", timeout = \"callback\" }\n   \
                |                ^^^^^^^ did you mean \"survey\"?"
        );
    }

    #[test]
    fn columns_count_characters_and_marks_skip_vowel_signs() {
        let text = "title = \"مَرحباً\" ; x";
        let found = Diagnostic::warning("a::b", "f", text, span_of(text, ";"), "m");
        assert_eq!((found.line, found.column), (1, 19));
        let mark = found.to_string().lines().last().unwrap_or_default().to_owned();
        assert_eq!(mark, format!("  | {}^", " ".repeat(16)), "two vowel signs take no column");
    }

    #[test]
    fn a_typing_error_finds_the_word_meant() {
        assert_eq!(did_you_mean("labl", ["table", "label"]).as_deref(), Some("label"));
        assert_eq!(did_you_mean("Support", ["support"]).as_deref(), Some("support"));
        assert_eq!(did_you_mean("no_inptu", ["no_input", "invalid"]).as_deref(), Some("no_input"));
        assert_eq!(did_you_mean("billing", ["support", "vip"]), None);
        assert_eq!(did_you_mean("x", ["y"]), None);
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Sample {
        domain: String,
        #[serde(default)]
        mode: Mode,
    }

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        #[default]
        Relay,
        Bypass,
    }

    #[test]
    fn reader_errors_get_place_code_and_suggestion() {
        let cases = [
            ("domain = \"a\"\ndomian = \"b\"\n", "t::unknown-key", (2, 1), Some("did you mean \"domain\"?")),
            ("domain = \"a\"\nmode = \"bypas\"\n", "t::unknown-word", (2, 8), Some("did you mean \"bypass\"?")),
            ("mode = \"relay\"\n", "t::missing-key", (1, 1), None),
            ("domain = 5\n", "t::bad-value", (1, 10), None),
            (
                "domain = \"a\"\ndomain = \"b\"\n",
                "t::duplicate-key",
                (2, 1),
                Some("it stands here for the second time"),
            ),
            ("domain = \"a\" x\n", "t::syntax", (1, 14), None),
        ];
        for (text, code, place, help) in cases {
            let error = toml::from_str::<Sample>(text).unwrap_err();
            let found = Diagnostic::from_toml("t", "f.toml", text, &error);
            assert_eq!(
                (found.code.as_str(), (found.line, found.column), found.help.as_deref()),
                (code, place, help),
                "{error:?}"
            );
        }
    }

    #[test]
    fn file_text_cannot_drive_the_terminal_nor_flood_it() {
        let text = format!("# \u{1b}[2J\u{202e}{}x", "y".repeat(5_000));
        let shown = Diagnostic::error("a::b", "f", &text, text.len() - 1..text.len(), "bad \u{7} thing\n").to_string();
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{7}']));
        assert!(shown.len() < 600);
        assert!(shown.lines().nth(2).is_some_and(|line| line.ends_with('x')));
    }

    #[test]
    fn spans_outside_the_text_or_inside_a_character_are_moved() {
        for (start, end) in [(0, 0), (5, 900), (900, 901), (1, 2), (3, 1)] {
            assert_eq!(Diagnostic::error("a::b", "f", "é", start..end, "m").line, 1);
        }
        assert_eq!(line_column("a\nb\n", 4), (3, 1));
    }

    /// Editors underline from the place to its end; a mark in the terminal stays on the first line.
    #[test]
    fn the_end_of_a_place_is_told_for_editors() {
        let text = "a = [\n  \"مرحبا\",\n  2 ]\nb = 1";
        let end = |part: &str| {
            let end = Diagnostic::error("a::b", "f", text, span_of(text, part), "m").end;
            (end.line, end.column)
        };
        assert_eq!(end("\"مرحبا\""), (2, 10));
        assert_eq!(end("[\n  \"مرحبا\",\n  2 ]"), (3, 6));
        assert_eq!(Diagnostic::error("a::b", "f", text, 0..0, "m").end, Position { line: 1, column: 2 });
        assert_eq!(Diagnostic::whole_file("a::b", "f", "m").end, Position::default());
        let json = serde_json::to_value(Diagnostic::error("a::b", "f", text, span_of(text, "b = 1"), "m")).unwrap();
        assert_eq!((&json["line"], &json["end"]["line"], &json["end"]["column"]), (&4.into(), &4.into(), &6.into()));
    }
}
