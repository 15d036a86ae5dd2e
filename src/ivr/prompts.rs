//! The prompts manifest: what every prompt says in every language.
//!
//! ```toml
//! [welcome]
//! ar = "مَرْحَبًا بِكُمْ"
//! en = "Welcome"
//! ```

use std::collections::{BTreeMap, BTreeSet};

use toml::de::{DeTable, DeValue};

use super::value::is_name;
use crate::diagnostic::{Diagnostic, suggestion};
use crate::say::Language;

/// The manifest that comes with the program: Arabic and English, in French what the engine says itself.
pub const SHIPPED: &str = include_str!("../../ivr-scripts/prompts.toml");

/// Longest text of one prompt, in characters.
pub const PROMPT_CHARS: usize = 1_000;

/// Prompts the engine says itself, whatever the flows are; every language needs them.
pub const OWN: [&str; 46] = [
    "position_1",
    "position_2",
    "position_3",
    "position_4",
    "position_5",
    "position_6",
    "position_7",
    "position_8",
    "position_9",
    "position_10",
    "position_more",
    "wait_1",
    "wait_2",
    "wait_3",
    "wait_4",
    "wait_5",
    "wait_10",
    "wait_15",
    "wait_20",
    "wait_30",
    "wait_45",
    "wait_60",
    "sorry_timeout",
    "sorry_full",
    "sorry_no_agents",
    "sorry_closed",
    "sorry_error",
    "sorry_fallback",
    "callback_booked",
    "callback_offer",
    "callback_hello",
    "voicemail_greeting",
    "voicemail_thanks",
    "voicemail_nothing",
    "voicemail_none",
    "voicemail_some",
    "voicemail_menu",
    "voicemail_end",
    "code_ready",
    "code_paused",
    "code_no_pause",
    "code_logged_out",
    "code_wrap_up",
    "code_wrap_up_more",
    "code_help",
    "code_no_help",
];

/// One prompt in one language.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub struct PromptText {
    /// Names it.
    pub id: String,
    /// The language, e.g. `ar`.
    pub language: String,
    /// Whole sentences.
    pub text: String,
}

/// The prompt that tells a caller his place in the queue, 1 = next, and whether it names just this place.
pub fn position(place: u32) -> (String, bool) {
    match place {
        0..=10 => (format!("position_{}", place.max(1)), true),
        _ => ("position_more".to_owned(), false),
    }
}

/// The prompt that tells a caller in how many minutes he may expect an answer; 1 is "less than a minute".
pub fn wait_within(minutes: u32) -> String {
    format!("wait_{minutes}")
}

/// Reads the manifest `text` of `file`; prompts come by id, then by language. What is in other languages than these
/// is left out.
///
/// # Errors
///
/// Everything that is wrong with it: no TOML, a language that is neither among `languages` nor one that
/// [`say`](crate::say) speaks, an entry that is no text, an empty or overlong text, one of [`OWN`] missing in a language.
pub fn parse(file: &str, text: &str, languages: &[String]) -> Result<Vec<PromptText>, Vec<Diagnostic>> {
    let table = DeTable::parse(text).map_err(|error| vec![Diagnostic::from_toml("prompts", file, text, &error)])?;
    let mut prompts = Vec::new();
    let mut faults = Vec::new();
    for (key, value) in table.get_ref().iter() {
        let id = key.get_ref();
        if !is_name(id) {
            let message = format!("\"{id}\" cannot be the name of a prompt");
            faults.push(Diagnostic::error("prompts::bad-name", file, text, key.span(), message));
        }
        let Some(texts) = value.get_ref().as_table() else {
            let message = format!("expected a table of languages, found {}", value.get_ref().type_str());
            faults.push(Diagnostic::error("prompts::wrong-type", file, text, value.span(), message));
            continue;
        };
        for (language, said) in texts.iter() {
            let name = language.get_ref();
            if !languages.iter().any(|known| known == name) {
                if Language::from_code(name).is_some() {
                    continue;
                }
                let message = format!("no language \"{name}\"");
                let found = Diagnostic::error("prompts::unknown-language", file, text, language.span(), message);
                faults.push(found.help(suggestion(name, languages)));
            }
            match said.get_ref() {
                DeValue::String(words) if words.trim().is_empty() || words.chars().count() > PROMPT_CHARS => {
                    let message = format!("a prompt has 1 to {PROMPT_CHARS} characters");
                    faults.push(Diagnostic::error("prompts::bad-value", file, text, said.span(), message));
                }
                DeValue::String(words) => {
                    let (id, language) = (id.to_string(), name.to_string());
                    prompts.push(PromptText { id, language, text: words.to_string() });
                }
                other => {
                    let message = format!("expected a text in quotes, found {}", other.type_str());
                    faults.push(Diagnostic::error("prompts::wrong-type", file, text, said.span(), message));
                }
            }
        }
    }
    prompts.sort();
    let known = ids(&prompts);
    for language in languages {
        for id in OWN.iter().filter(|id| !known.get(language).is_some_and(|ids| ids.contains(**id))) {
            let message = format!("prompt \"{id}\" is missing in \"{language}\"");
            faults.push(Diagnostic::error("prompts::missing", file, text, 0..1, message));
        }
    }
    if faults.is_empty() { Ok(prompts) } else { Err(faults) }
}

/// Arabic spelled for engines that read letter by letter, as espeak-ng does; other text comes back as it is.
///
/// Three things are changed that readers know by themselves: the doubling sign goes before the vowel of its letter
/// (Unicode's canonical order is the other way round, and then the vowel is lost), the alif of a word like «الاتصال»
/// is silent after a vowel, and the feminine ending is an h at the end of a sentence.
pub fn letter_by_letter(text: &str) -> String {
    const SHADDA: char = '\u{0651}';
    const SUKUN: char = '\u{0652}';
    let is_vowel = |c: char| matches!(c, '\u{064B}'..='\u{0650}' | SUKUN);
    let mut spelled: Vec<char> = Vec::with_capacity(text.len());
    for c in text.chars() {
        match spelled.last().copied() {
            Some(vowel) if c == SHADDA && is_vowel(vowel) => {
                spelled.pop();
                spelled.extend([SHADDA, vowel]);
            }
            _ => spelled.push(c),
        }
    }
    let mut spoken = String::with_capacity(text.len());
    let mut last = ' ';
    for (at, c) in spelled.iter().copied().enumerate() {
        let follows = |ahead: usize| spelled.get(at + ahead).copied().unwrap_or('.');
        let silent_alif = c == 'ا' && matches!(last, '\u{064F}' | '\u{0650}') && matches!(follows(2), SHADDA | SUKUN);
        let after = if follows(1) == SUKUN { follows(2) } else { follows(1) };
        match c {
            _ if silent_alif => {}
            'ة' if matches!(after, '.' | '،' | '؟' | '!' | ':') => spoken.push('ه'),
            c => spoken.push(c),
        }
        last = c;
    }
    spoken
}

/// The ids there are, by language: what [`super::Declared`] wants to know.
pub fn ids(prompts: &[PromptText]) -> BTreeMap<String, BTreeSet<String>> {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for prompt in prompts {
        ids.entry(prompt.language.clone()).or_default().insert(prompt.id.clone());
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn languages() -> Vec<String> {
        vec!["ar".to_owned(), "en".to_owned()]
    }

    #[test]
    fn the_shipped_manifest_says_everything_in_both_languages() {
        let prompts = parse("ivr-scripts/prompts.toml", SHIPPED, &languages()).unwrap_or_else(|faults| {
            panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        });
        let ids = ids(&prompts);
        assert_eq!(ids.get("ar"), ids.get("en"));
        for place in 1..=12 {
            assert!(ids["ar"].contains(&position(place).0), "place {place}");
        }
        let arabic = |c: char| matches!(c, '\u{0600}'..='\u{06FF}' | ' ' | '.' | ',' | ':');
        for prompt in &prompts {
            assert_eq!(prompt.language == "ar", prompt.text.chars().all(arabic), "{prompt:?}");
            assert!(prompt.text.ends_with(['.', ':']), "a sentence, or the beginning of one: {prompt:?}");
        }
    }

    #[test]
    fn the_shipped_manifest_has_french_for_what_the_engine_says() {
        let prompts = parse("p", SHIPPED, &["fr".to_owned()]).unwrap_or_else(|faults| panic!("{}", faults[0]));
        let said: Vec<&str> = prompts.iter().map(|prompt| prompt.id.as_str()).collect();
        let mut own = OWN;
        own.sort_unstable();
        assert_eq!(said, own);
        let nouns = crate::say::Nouns::built_in();
        for place in 1..=10 {
            let request = crate::say::Request::new(Language::Fr, &nouns, crate::say::Kind::Position(place));
            let sentence = crate::say::text(&crate::say::say(&request).unwrap_or_default()) + ".";
            let found =
                prompts.iter().find(|prompt| prompt.id == position(place).0).map(|prompt| prompt.text.to_lowercase());
            assert_eq!(found, Some(sentence));
        }
    }

    /// Spec: the number takes the gender opposite to the noun's; dual and singular need none.
    #[test]
    fn arabic_places_are_counted_by_the_rules_of_the_feminine() {
        let prompts = parse("p", SHIPPED, &languages()).unwrap_or_default();
        let plain = |id: &str| -> String {
            let found = prompts.iter().find(|p| p.id == id && p.language == "ar").map(|p| p.text.as_str());
            found.unwrap_or_default().chars().filter(|c| !matches!(c, '\u{064B}'..='\u{0652}')).collect()
        };
        let expected = [
            (2, "أمامكم مكالمة واحدة."),
            (3, "أمامكم مكالمتان."),
            (4, "أمامكم ثلاث مكالمات."),
            (9, "أمامكم ثماني مكالمات."),
            (10, "أمامكم تسع مكالمات."),
            (11, "أمامكم عشر مكالمات أو أكثر."),
        ];
        for (place, sentence) in expected {
            assert_eq!(plain(&position(place).0), sentence);
        }
    }

    #[test]
    fn arabic_is_spelled_for_engines_that_read_letters() {
        let cases = [
            ("\u{0631}\u{064E}\u{0651}", "\u{0631}\u{0651}\u{064E}"),
            ("لِاتِّصَالِكُمْ", "لِتِّصَالِكُمْ"),
            ("الِانْتِظَارُ", "الِنْتِظَارُ"),
            ("وَاحِدَةْ.", "وَاحِدَهْ."),
            ("خَمْسَةٌ لِ", "خَمْسَةٌ لِ"),
            ("الرِّضَا", "الرِّضَا"),
            ("Press one.", "Press one."),
        ];
        let ordered = |text: &str| letter_by_letter(text).chars().collect::<Vec<_>>();
        for (text, spelled) in cases {
            assert_eq!(ordered(text), ordered(spelled), "{text}");
        }
        assert_eq!(letter_by_letter("\u{0631}\u{064E}\u{0651}"), "\u{0631}\u{0651}\u{064E}");
        assert!(letter_by_letter("وَاحِدَةْ").contains('ه') && !letter_by_letter("لِاتْ").contains('ا'));
    }

    #[test]
    fn faults_of_a_manifest_are_named_with_their_place() {
        let text = "[hello]\nar = \"أهلاً\"\nde = \"Hallo\"\nen = 5\n[x]\nen = \" \"\n";
        let faults = parse("p.toml", text, &languages()).unwrap_err();
        let found: Vec<_> = faults.iter().map(|f| (f.code.as_str(), f.line, f.column)).collect();
        for expected in [
            ("prompts::unknown-language", 3, 1),
            ("prompts::wrong-type", 4, 6),
            ("prompts::bad-value", 6, 6),
            ("prompts::missing", 1, 1),
        ] {
            assert!(found.contains(&expected), "{expected:?} in {found:?}");
        }
        assert!(parse("p.toml", "[", &languages()).is_err());
    }
}
