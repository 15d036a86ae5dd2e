//! The recording list against everything that a broad range of requests says.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Currency, clips};
use super::*;

/// Numbers that reach every word: all small ones, and every last three digits after every kind of scale.
fn numbers() -> impl Iterator<Item = i64> {
    let small = 0..=2_300;
    let thousands = (0..=999).flat_map(|count| [0, 1, 2, 3, 11, 100, 200].map(|rest| count * 1000 + rest));
    let millions = (0..=999).flat_map(|count| [0, 1, 2_000, 101_000, 202_000].map(|rest| count * 1_000_000 + rest));
    small.chain(thousands).chain(millions).chain([-1])
}

/// One request of every kind and value worth it.
fn kinds() -> Vec<Kind<'static>> {
    let mut kinds = Vec::new();
    for value in numbers() {
        kinds.extend([number(value, Masculine), number(value, Feminine)]);
        kinds.extend(u32::try_from(value).map(Kind::Position));
        kinds.extend(["day", "call"].map(|noun| count(value, noun)));
        if (1..=999_999).contains(&value) {
            kinds.extend([ordinal(value, Masculine), ordinal(value, Feminine)]);
        }
    }
    let built_in = Nouns::built_in();
    for noun in built_in.iter(Ar) {
        let id: &'static str = noun.id.to_string().leak();
        kinds.extend([0, 1, 2, 3, 11, 100, 101, 102, 1_000_000].map(|value| count(value, id)));
    }
    for currency in Currency::ALL {
        let size = i64::from(currency.minor_per_major);
        kinds.extend(
            [0, 1, 2, size, size + 1, size + 2, size + 3, size * 2 + 11].map(|minor| money(minor, currency.code)),
        );
    }
    for minute_of_day in 0..1440 {
        kinds.push(time((minute_of_day / 60) as u8, (minute_of_day % 60) as u8));
    }
    for months in MonthNames::ALL {
        for (day, month, weekday) in
            (1..=30).flat_map(|day| (1..=12).map(move |month| (day, month, usize::from(day % 7))))
        {
            kinds.push(date(Some(Weekday::ALL[weekday]), day, month, Some(2026), months));
        }
        kinds.extend([date(None, 30, 1, None, months), date(None, 1, 1, Some(1905), months)]);
        kinds.extend((1..=2_100).map(|year| date(None, 1, 1, Some(year), months)));
    }
    kinds.extend((0..10_000).map(|seconds| Kind::Duration { seconds }));
    kinds.extend([Kind::Phone("+966501234567"), Kind::Digits("0123456789")]);
    kinds.extend([
        Kind::Spell("abcdefghijklmnopqrstuvwxyz"),
        Kind::Spell("ابتثجحخدذرزسشصضطظعغفقكلمنهوي"),
        Kind::Spell("ءأإآؤئةى+-_./@*#"),
    ]);
    kinds
}

/// Everything said in one language and style, by clip.
fn everything_said(language: Language, style: &'static Style) -> BTreeMap<String, String> {
    let nouns = Nouns::built_in();
    let mut said = BTreeMap::new();
    for kind in kinds() {
        for case in [Nominative, Oblique] {
            let request = Request { language, style, case, nouns: &nouns, kind };
            for unit in say(&request).unwrap_or_default().into_iter().filter(|unit| !unit.is_pause()) {
                let text = said.entry(unit.clip.to_string()).or_insert_with(|| unit.text.to_string());
                assert_eq!(*text, unit.text, "two texts for {}", unit.clip);
            }
        }
    }
    said
}

/// Every clip said is on the list with the same text; and the list holds little that is never said.
#[track_caller]
fn list_is_what_is_said(language: Language, style: &'static Style, never_said: &[&str]) {
    let listed = clips(language, style, &Nouns::built_in());
    let said = everything_said(language, style);
    for (clip, text) in &said {
        assert_eq!(listed.get(clip), Some(text), "{clip} ({text}) is not on the list of {}", style.name);
    }
    let spare: Vec<&str> = listed.keys().filter(|clip| !said.contains_key(*clip)).map(String::as_str).collect();
    assert_eq!(spare, never_said, "on the list of {}", style.name);
}

#[test]
fn the_list_of_standard_arabic_is_what_is_said() {
    list_is_what_is_said(Ar, Style::MSA, &["ar.n.point"]);
}

#[test]
fn the_list_of_each_dialect_is_what_is_said() {
    for style in [Style::GULF, Style::EGYPTIAN, Style::LEVANTINE] {
        list_is_what_is_said(Ar, style, &["ar.n.point"]);
    }
}

#[test]
fn the_lists_of_english_and_french_are_what_is_said() {
    list_is_what_is_said(En, Style::MSA, &[]);
    list_is_what_is_said(Fr, Style::MSA, &[]);
}

/// Two styles may share a clip only with the same text.
#[test]
fn a_clip_has_one_text_in_all_styles() {
    let nouns = Nouns::built_in();
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for style in Style::ALL {
        for (clip, text) in clips(Ar, style, &nouns) {
            assert_eq!(*all.entry(clip).or_insert_with(|| text.clone()), text);
        }
    }
}

/// A row of a dialect that replaces nothing would be a slip of the pen.
#[test]
fn every_row_of_a_dialect_replaces_a_listed_clip() {
    let nouns = Nouns::built_in();
    let standard = clips(Ar, Style::MSA, &nouns);
    for style in Style::ALL {
        let own = clips(Ar, style, &nouns);
        let mut seen = BTreeSet::new();
        for row in style.replacements {
            assert!(standard.contains_key(row.clip), "{} is no standard clip", row.clip);
            assert!(own.contains_key(row.word.plain.clip), "{} is never said", row.word.plain.clip);
            assert!(seen.insert(row.word.plain.clip), "{} is there twice", row.word.plain.clip);
            assert!(row.word.plain.clip.starts_with(&format!("{}.", style.name)));
        }
    }
}
