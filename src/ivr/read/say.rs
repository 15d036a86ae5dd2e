//! Reads `say` lists: recordings, texts, and values that are spoken.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

use super::super::flow::{Say, Spoken, SpokenKind, Unsaid, What};
use super::super::value::{Entry, Reader, Table};
use super::noun::GENDERS;
use crate::diagnostic::suggestion;
use crate::say::{Case, Currency, Gender, Language, MonthNames, SayError, Style};

/// What can stand in a `say` list.
const KINDS: [&str; 12] =
    ["prompt", "text", "number", "count", "ordinal", "money", "date", "time", "duration", "digits", "phone", "spell"];
const CASES: [(&str, Case); 2] = [("nominative", Case::Nominative), ("oblique", Case::Oblique)];
const MONTHS: [(&str, MonthNames); 3] =
    [("egypt", MonthNames::Egypt), ("levant", MonthNames::Levant), ("hijri", MonthNames::Hijri)];
const OWNER: &str = "something to say";

impl Reader<'_> {
    /// A whole list.
    pub(super) fn say(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<Say> {
        let mut say = Vec::new();
        for item in self.array(value) {
            let Some(table) = self.table(item) else { continue };
            say.extend(self.say_one(&table));
        }
        if say.is_empty() && value.get_ref().as_array().is_some_and(|array| array.is_empty()) {
            self.error("bad-value", value.span(), "there must be something to say", None);
        }
        say
    }

    fn say_one(&mut self, table: &Table<'_>) -> Option<Say> {
        let mut kinds = table.entries.iter().filter(|entry| KINDS.contains(&entry.key));
        let Some(kind) = kinds.next() else {
            let faults = self.diagnostics.len();
            self.only_keys(table, &[&KINDS[..], &["lang"]].concat(), OWNER);
            if self.diagnostics.len() == faults {
                let help = Some(format!("possible: {}", KINDS.join(", ")));
                self.error("missing-key", table.span.clone(), "it is not said what is to be said", help);
            }
            return None;
        };
        if let Some(other) = kinds.next() {
            let message = format!("\"{}\" and \"{}\" are two things to say", kind.key, other.key);
            let help = Some(format!("write {{ {} = … }}, {{ {} = … }}", kind.key, other.key));
            self.error("bad-value", other.key_span.clone(), message, help);
            return None;
        }
        let own: &[&str] = match kind.key {
            "prompt" | "text" => &[],
            "number" | "ordinal" => &["gender", "case", "style"],
            "count" => &["noun", "case", "style"],
            "money" => &["currency", "case", "style"],
            "date" => &["months", "case", "style"],
            _ => &["case", "style"],
        };
        self.only_keys(table, &[&[kind.key, "lang"], own].concat(), &format!("a {} to say", kind.key));
        let language = table.find("lang").and_then(|value| {
            let language = self.string(value)?;
            self.known_language(language, value.span());
            Some(language.to_owned())
        });
        let languages = language.as_ref().map_or_else(|| self.languages.clone(), |language| vec![language.clone()]);
        let (what, can_fail) = match kind.key {
            "prompt" => (What::Prompt(self.string(kind.value)?.to_owned()), false),
            "text" => self.words(kind.value, &languages)?,
            _ => self.spoken(table, kind, &languages)?,
        };
        Some(Say { what, language, span: kind.value.span(), can_fail })
    }

    /// A template, or one for each language.
    fn words(&mut self, value: &Spanned<DeValue<'_>>, languages: &[String]) -> Option<(What, bool)> {
        if value.get_ref().as_table().is_none() {
            let template = self.template(value)?;
            let can_fail = !template.is_constant();
            return Some((What::Text(template), can_fail));
        }
        let table = self.table(value)?;
        let mut texts = BTreeMap::new();
        for entry in &table.entries {
            self.known_language(entry.key, entry.key_span.clone());
            if let Some(template) = self.template(entry.value) {
                texts.insert(entry.key.to_owned(), template);
            }
        }
        for language in languages.iter().filter(|language| table.find(language).is_none()) {
            let help = Some(format!("add {language} = \"…\""));
            self.error("missing-language", value.span(), format!("this text is missing in \"{language}\""), help);
        }
        let can_fail = texts.values().any(|template| !template.is_constant());
        Some((What::Texts(texts), can_fail))
    }

    /// A value and how it is spoken.
    fn spoken(&mut self, table: &Table<'_>, kind: &Entry<'_>, languages: &[String]) -> Option<(What, bool)> {
        let gender = match table.find("gender") {
            Some(value) => self.word(value, &GENDERS, "gender")?,
            None => Gender::Masculine,
        };
        let spoken_kind = match kind.key {
            "number" => SpokenKind::Number(gender),
            "ordinal" => SpokenKind::Ordinal(gender),
            "count" => SpokenKind::Count(self.counted(table, languages)?),
            "money" => SpokenKind::Money(self.currency(table)?),
            "date" => SpokenKind::Date(match table.find("months") {
                Some(value) => Some(self.word(value, &MONTHS, "calendar of months")?),
                None => None,
            }),
            "time" => SpokenKind::Time,
            "duration" => SpokenKind::Duration,
            "digits" => SpokenKind::Digits,
            "phone" => SpokenKind::Phone,
            _ => SpokenKind::Spell,
        };
        let case = match table.find("case") {
            Some(value) => self.word(value, &CASES, "case")?,
            None => Case::Nominative,
        };
        let style = match table.find("style") {
            Some(value) => self.word(value, &Style::ALL.map(|style| (style.name, style)), "style")?,
            None => Style::MSA,
        };
        let is_arabic = languages.iter().any(|language| language == Language::Ar.code());
        for key in ["case", "style"].into_iter().filter(|_| !is_arabic) {
            if let Some(entry) = table.entries.iter().find(|entry| entry.key == key) {
                let message = format!("only Arabic has a \"{key}\", and this is never said in Arabic");
                self.error("bad-value", entry.key_span.clone(), message, None);
            }
        }
        let value = self.expression(kind.value)?;
        if let Some(found) = value.ty().filter(|found| !spoken_kind.takes(*found)) {
            let message = format!("a {} cannot be said as a {}", found.as_str(), kind.key);
            self.error("expression-type", kind.value.span(), message, None);
            return None;
        }
        let spoken = Spoken { kind: spoken_kind, value, case, style };
        let can_fail = self.try_out(&spoken, kind, languages);
        Some((What::Value(Box::new(spoken)), can_fail))
    }

    /// Whether it may turn out that it cannot be said. What never changes is tried here.
    fn try_out(&mut self, spoken: &Spoken, kind: &Entry<'_>, languages: &[String]) -> bool {
        let literal = spoken.value.literal();
        let mut can_fail = literal.is_none();
        for language in languages {
            let Some(known) = Language::from_code(language) else {
                if self.declared.languages.contains(language) {
                    let codes = Language::ALL.map(Language::code).join(", ");
                    let message = format!("a {} cannot be said in \"{language}\"", kind.key);
                    self.error("say-language", kind.key_span.clone(), message, Some(format!("possible: {codes}")));
                }
                continue;
            };
            match literal.as_ref().map(|value| spoken.units(known, value, self.nouns)) {
                None | Some(Ok(_)) => {}
                // It was warned of.
                Some(Err(Unsaid::Noun)) => can_fail = true,
                Some(Err(fault @ (Unsaid::NoSuch(_) | Unsaid::OutOfRange | Unsaid::Unspeakable))) => {
                    self.error("bad-value", kind.value.span(), fault.to_string(), None);
                    break;
                }
            }
        }
        can_fail
    }

    /// The noun that is counted, and a warning where a language lacks a word for it.
    fn counted(&mut self, table: &Table<'_>, languages: &[String]) -> Option<String> {
        let value = self.required(table, "noun", "a count to say")?;
        let noun = self.string(value)?;
        let nouns = self.nouns;
        if Language::ALL.into_iter().all(|language| nouns.find(language, noun).is_err()) {
            let known = Language::ALL.into_iter().flat_map(|language| nouns.iter(language)).map(|noun| &*noun.id);
            let help = suggestion(noun, known).unwrap_or_else(|| format!("declare it: [noun.{noun}]"));
            self.error("unknown-noun", value.span(), format!("no noun \"{noun}\""), Some(help));
            return None;
        }
        for language in languages.iter().filter_map(|language| Language::from_code(language)) {
            let lacks: Vec<SayError> = match nouns.find(language, noun) {
                Ok(noun) => noun.check(language),
                Err(error) => vec![error],
            };
            if lacks.is_empty() || !self.lacking.insert((noun.to_owned(), language)) {
                continue;
            }
            for lack in lacks {
                self.warning("say-forms", value.span(), lack.to_string(), None);
            }
        }
        Some(noun.to_owned())
    }

    fn currency(&mut self, table: &Table<'_>) -> Option<&'static Currency> {
        let value = self.required(table, "currency", "a money to say")?;
        let code = self.string(value)?;
        let found = Currency::find(code).ok();
        if found.is_none() {
            let codes = Currency::ALL.iter().map(|currency| currency.code);
            let help = suggestion(code, codes.clone());
            let help = help.unwrap_or_else(|| format!("possible: {}", codes.collect::<Vec<_>>().join(", ")));
            self.error("unknown-currency", value.span(), format!("no currency \"{code}\""), Some(help));
        }
        found
    }

    /// What one of these words stands for.
    pub(super) fn word<T: Copy>(&mut self, value: &Spanned<DeValue<'_>>, words: &[(&str, T)], what: &str) -> Option<T> {
        let word = self.string(value)?;
        let found = words.iter().find(|(known, _)| *known == word).map(|(_, meant)| *meant);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
            let help = suggestion(word, &known).unwrap_or_else(|| format!("possible: {}", known.join(", ")));
            self.error("unknown-word", value.span(), format!("no {what} \"{word}\""), Some(help));
        }
        found
    }
}
