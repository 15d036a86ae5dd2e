//! Reads `[noun.NAME]`: what can be counted aloud, declared in any file for all flows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use toml::de::DeTable;

use super::super::check::Declared;
use super::super::expr::Compiler;
use super::super::value::{Reader, Table, is_name};
use super::FILE_BYTES;
use crate::diagnostic::{Diagnostic, suggestion};
use crate::say::{Form, Forms, Gender, Language, Noun, Nouns};

/// Longest form of a noun, in characters.
const FORM_CHARS: usize = 100;

/// The nouns of all files, beside the shipped ones. What is wrong with a file elsewhere is not told of here.
pub(in crate::ivr) fn nouns(
    files: &[(String, String)],
    declared: &Declared,
    compiler: &Compiler,
    diagnostics: &mut Vec<Diagnostic>,
) -> Nouns {
    let mut nouns = Nouns::built_in();
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    let shipped = Nouns::built_in();
    for (file, text) in files.iter().filter(|(_, text)| text.len() <= FILE_BYTES && text.contains("noun")) {
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            continue;
        }
        let mut reader = Reader::new((file, text), declared, compiler, &shipped, diagnostics);
        let top = Table::of(document.get_ref(), 0..1);
        let Some(table) = reader.table_at(&top, "noun") else { continue };
        for entry in &table.entries {
            if !is_name(entry.key) {
                let help = Some("letters, digits, - and _, at most 64".to_owned());
                let message = format!("\"{}\" cannot be the name of a noun", entry.key);
                reader.error("bad-name", entry.key_span.clone(), message, help);
            }
            if let Some(other) = first.insert(entry.key.to_owned(), file) {
                let message = format!("noun \"{}\" is already declared in {other}", entry.key);
                reader.error("duplicate-noun", entry.key_span.clone(), message, None);
            }
            let Some(languages) = reader.table(entry.value) else { continue };
            for language in &languages.entries {
                let Some(known) = Language::from_code(language.key) else {
                    let codes = Language::ALL.map(Language::code);
                    let help = suggestion(language.key, codes).unwrap_or(format!("possible: {}", codes.join(", ")));
                    let message = format!("nothing is counted in \"{}\"", language.key);
                    reader.error("unknown-language", language.key_span.clone(), message, Some(help));
                    continue;
                };
                let Some(mut table) = reader.table(language.value) else { continue };
                table.span = language.key_span.clone();
                if let Some(noun) = reader.noun(entry.key, known, &table) {
                    nouns.declare(known, noun);
                }
            }
        }
    }
    nouns
}

impl Reader<'_> {
    /// One noun in one language. A form that is missing is told of where it is counted.
    fn noun(&mut self, name: &str, language: Language, table: &Table<'_>) -> Option<Noun> {
        let forms = Form::needed_in(language);
        let keys: Vec<&str> = ["gender"].into_iter().chain(forms.iter().map(|form| form.name())).collect();
        self.only_keys(table, &keys, &format!("a noun in {language}"));
        let gender = match language {
            Language::Ar | Language::Fr => self.required(table, "gender", &format!("a noun in {language}")),
            Language::En => table.find("gender"),
        };
        let gender = match gender {
            Some(value) => self.word(value, &GENDERS, "gender")?,
            None if language == Language::En => Gender::Masculine,
            None => return None,
        };
        let mut form = |form: Form| -> Option<Cow<'static, str>> {
            let value = table.find(form.name()).filter(|_| forms.contains(&form))?;
            let text = self.string(value)?;
            if text.trim().is_empty() || text.chars().count() > FORM_CHARS {
                let message = format!("a form of a noun has 1 to {FORM_CHARS} characters");
                self.error("bad-value", value.span(), message, None);
            }
            Some(Cow::Owned(text.to_owned()))
        };
        let forms = Forms {
            one: form(Form::One),
            two: form(Form::Two),
            two_oblique: form(Form::TwoOblique),
            few: form(Form::Few),
            many: form(Form::Many),
            other: form(Form::Other),
        };
        Some(Noun { forms, ..Noun::new(Cow::Owned(name.to_owned()), gender) })
    }
}

/// Genders by their words.
pub(super) const GENDERS: [(&str, Gender); 2] = [("m", Gender::Masculine), ("f", Gender::Feminine)];
