//! The one layout of a flow file.
//!
//! - Tables stay in their order, with one empty line between them; keys of a node stand in a fixed order: `kind`, what it works
//!   with, what it says, what leads on. `next` and `on` come last.
//! - One space around `=`, after commas and inside braces; none inside brackets. A list that goes over lines has one item on
//!   each, indented by four.
//! - Comments stay: those on a line of their own go with what follows, those behind a value stand at one column.
//!
//! What a file means never changes: when the result does not read as the same values, it is not given.

mod tokens;

use std::fmt::Write as _;

use toml::de::DeTable;

use self::tokens::{Entry, Line, Section};
use crate::diagnostic::Diagnostic;

/// Where comments behind a value stand, in characters from the left.
const COMMENT_COLUMN: usize = 43;
/// Keys of a file that come first.
const TOP: [&str; 5] = ["flow", "name", "title", "languages", "start"];
/// Keys of a node that come first, in this order.
const FIRST: [&str; 24] = [
    "kind",
    "queue",
    "calendar",
    "service",
    "flow",
    "node",
    "to",
    "get",
    "post",
    "path",
    "body",
    "send",
    "with",
    "number",
    "say",
    "say_again",
    "say_no_input",
    "say_invalid",
    "set",
    "case",
    "keys",
    "into",
    "min",
    "max",
];
/// Keys of a node that come last, in this order.
const LAST: [&str; 4] = ["results", "else", "next", "on"];

/// The text of `file` in its one layout.
///
/// # Errors
///
/// It is not TOML, or holds what this does not know how to lay out; then it must stay as it is.
pub fn format(file: &str, text: &str) -> Result<String, Box<Diagnostic>> {
    let (_, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        return Err(Box::new(Diagnostic::from_toml("ivr", file, text, error)));
    }
    let strange =
        || Box::new(Diagnostic::whole_file("ivr::layout", file, "this file cannot be laid out; it stays as it is"));
    let sections = tokens::read(text).ok_or_else(strange)?;
    let formatted = written(sections);
    let meaning = |text: &str| toml::from_str::<toml::Table>(text).ok();
    let before = meaning(text);
    if before.is_some() && before == meaning(&formatted) { Ok(formatted) } else { Err(strange()) }
}

fn written(sections: Vec<Section>) -> String {
    let mut out = String::new();
    for mut section in sections {
        // What stands at the head of the file is about the file, not about its first key.
        let preamble = match section.header {
            None => section.entries.first_mut().map(|entry| std::mem::take(&mut entry.leading)),
            Some(_) => None,
        };
        lines(&mut out, preamble.as_deref().unwrap_or_default(), true);
        if let Some(header) = &section.header {
            let has_blank = section.leading.contains(&Line::Blank);
            if !out.is_empty() && !has_blank {
                out.push('\n');
            }
            let is_first = out.is_empty();
            lines(&mut out, &section.leading, is_first);
            statement(&mut out, header, section.comment.as_deref());
        }
        // No empty line behind the header, whatever comes to stand there.
        if let Some(first) = section.entries.first_mut() {
            let blank = first.leading.iter().take_while(|line| **line == Line::Blank).count();
            first.leading.drain(..blank);
        }
        let kind = section.header.as_deref().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let is_node = kind == "defaults" || (kind.starts_with("node.") && kind.matches('.').count() == 1);
        if section.header.is_none() {
            section.entries.sort_by_key(|entry| TOP.iter().position(|key| *key == entry.key).unwrap_or(TOP.len()));
        } else if is_node {
            section.entries.sort_by_key(|entry| rank(&entry.key));
        }
        for (at, Entry { leading, text, comment, .. }) in section.entries.iter().enumerate() {
            lines(&mut out, leading, at == 0);
            statement(&mut out, text, comment.as_deref());
        }
        let is_first = out.is_empty();
        lines(&mut out, &section.trailing, is_first);
    }
    let end = out.trim_end().len();
    out.truncate(end);
    out.push('\n');
    out
}

fn rank(key: &str) -> usize {
    let first = FIRST.iter().position(|known| *known == key);
    let last = LAST.iter().position(|known| *known == key).map(|at| FIRST.len() + 1 + at);
    first.or(last).unwrap_or(FIRST.len())
}

/// Comments and empty lines, never two of these in a row and none where `is_first`.
fn lines(out: &mut String, lines: &[Line], is_first: bool) {
    let mut was_blank = is_first;
    for line in lines {
        match line {
            Line::Blank if was_blank => {}
            Line::Blank => out.push('\n'),
            Line::Comment(comment) => {
                let _ = writeln!(out, "{comment}");
            }
        }
        was_blank = *line == Line::Blank;
    }
}

fn statement(out: &mut String, text: &str, comment: Option<&str>) {
    out.push_str(text);
    if let Some(comment) = comment {
        let line = text.lines().last().unwrap_or_default();
        let wide = line.chars().filter(|c| !matches!(c, '\u{064B}'..='\u{065F}' | '\u{0670}')).count();
        let space = COMMENT_COLUMN.saturating_sub(wide).max(1);
        let _ = write!(out, "{}{comment}", " ".repeat(space));
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ivr::SHIPPED_FLOWS;

    fn formatted(text: &str) -> String {
        format("t.toml", text).unwrap_or_else(|fault| panic!("{fault}"))
    }

    #[test]
    fn keys_are_ordered_and_spaced_and_comments_stay() {
        let untidy = "# About the file.\n\n\nname=\"t\"   # its name\nflow =1\nlanguages = [ \"ar\",\"en\" ]\n[node.a]\n\n\
                      on={ended=\"b\",timeout = \"c\"}\n# Why it asks.\nsay =[{prompt=\"x\" , lang='ar'}]\n#next\nnext= \"b\"\nkind=  \"menu\"\n\
                      keys = { \"1\"=\"b\",\n \"2\" = \"c\" } # two\n# About b.\n[ node . b ]   # the end\nkind = \"hangup\"\n# last\n";
        let tidy = "# About the file.\n\nflow = 1\nname = \"t\"                                 # its name\nlanguages = [\"ar\", \"en\"]\n\n\
                    [node.a]\nkind = \"menu\"\n# Why it asks.\nsay = [{ prompt = \"x\", lang = 'ar' }]\nkeys = {\n    \"1\" = \"b\",\n    \"2\" = \"c\",\n}                                          # two\n\
                    #next\nnext = \"b\"\non = { ended = \"b\", timeout = \"c\" }\n\n# About b.\n[node.b]                                   # the end\nkind = \"hangup\"\n# last\n";
        assert_eq!(formatted(untidy), tidy);
        assert_eq!(formatted(tidy), tidy);
    }

    #[test]
    fn lists_over_lines_have_one_item_on_each() {
        let untidy = "case = [ { when = 'a # b', next = \"x\" }, # first\n  # then\n { when = \"\"\"c\n,\"\"\", next = \"y\" } ]\nempty = [ ]\nnone = { }\n\
                      date = 2026-11-22 10:00:00\n[[a.\"b c\"]]\nx.y . \"z\" = [[1,2],\n[3]]\n";
        let tidy = "case = [\n    { when = 'a # b', next = \"x\" },        # first\n    # then\n    { when = \"\"\"c\n,\"\"\", next = \"y\" },\n]\nempty = []\nnone = {}\n\
                    date = 2026-11-22 10:00:00\n\n[[a.\"b c\"]]\nx.y.\"z\" = [\n    [1, 2],\n    [3],\n]\n";
        assert_eq!(formatted(untidy), tidy);
        assert_eq!(formatted(tidy), tidy);
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_place() {
        let fault = format("t.toml", "a = 1\nb = [\n").unwrap_err();
        assert!(fault.is_error() && fault.line >= 2, "{fault}");
    }

    /// Sound flows of the tree: one with every kind of thing in it, and the shipped ones.
    fn corpus() -> Vec<String> {
        let folders = ["tests/flows", "ivr-scripts"];
        let mut texts: Vec<String> = SHIPPED_FLOWS.map(|(_, text)| text.to_owned()).into();
        for folder in folders {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            let toml = files.iter().filter(|path| path.extension().is_some_and(|e| e == "toml"));
            texts.extend(toml.map(|path| std::fs::read_to_string(path).unwrap()));
        }
        texts
    }

    /// As a flow is read, where spans do not matter: its edges, its prompts and what it says of itself.
    fn read(text: &str) -> Option<String> {
        toml::from_str::<toml::Table>(text).ok().map(|table| format!("{table:?}"))
    }

    #[test]
    fn all_flows_mean_the_same_afterwards_and_are_laid_out_once() {
        let texts = corpus();
        assert!(texts.len() > 40);
        for text in texts.iter().filter(|text| read(text).is_some()) {
            let once = formatted(text);
            assert_eq!(read(&once), read(text), "{text}");
            assert_eq!(formatted(&once), once);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

        /// Spaces, line ends, comments and pieces put anywhere: what still is TOML keeps its meaning and is laid out once.
        #[test]
        fn whatever_is_toml_keeps_its_meaning(
            edits in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..3, "[ \t]{1,3}|\n{1,3}| # c\n|#\"'\n|,|\\[\\]|[a-z]"), 1..6),
            which in any::<prop::sample::Index>(),
        ) {
            let texts = corpus();
            let mut text = which.get(&texts).clone();
            for (at, removed, inserted) in edits {
                let mut chars: Vec<char> = text.chars().collect();
                let at = at.index(chars.len() + 1);
                let end = (at + removed).min(chars.len());
                chars.splice(at..end, inserted.chars());
                text = chars.into_iter().collect();
            }
            match (format("x.toml", &text), read(&text)) {
                (Ok(once), meaning) => {
                    prop_assert_eq!(read(&once), meaning);
                    prop_assert_eq!(format("x.toml", &once).ok(), Some(once));
                }
                (Err(fault), None) => prop_assert!(fault.is_error()),
                (Err(fault), Some(_)) => prop_assert!(false, "{}\n{}", fault, text),
            }
        }
    }
}
