//! Dialects: the words of the tables, and the two rules of grammar that they drop.

use super::*;

fn said(style: &'static Style, kind: Kind<'_>) -> String {
    spoken(Ar, style, Nominative, kind)
}

#[test]
fn dialects_are_always_oblique() {
    for style in [Style::GULF, Style::EGYPTIAN, Style::LEVANTINE] {
        assert_eq!(said(style, number(20, Masculine)), "عشرين");
        assert_eq!(said(style, number(200, Masculine)), "ميتين");
        assert_eq!(said(style, count(2, "day")), "يومين");
    }
    assert_eq!(said(Style::EGYPTIAN, Kind::Digits("2")), "اتنين");
    assert_eq!(said(Style::MSA, Kind::Digits("2")), "اثنان");
}

#[test]
fn dialects_say_their_own_words() {
    assert_eq!(said(Style::EGYPTIAN, number(233, Feminine)), "ميتين وتلاتة وتلاتين");
    assert_eq!(said(Style::EGYPTIAN, count(11, "day")), "حداشر يوم");
    assert_eq!(said(Style::EGYPTIAN, count(3, "call")), "تلات مكالمات");
    assert_eq!(said(Style::EGYPTIAN, count(3, "day")), "تلات أيام");
    assert_eq!(said(Style::EGYPTIAN, count(100, "day")), "ميت يوم");
    assert_eq!(said(Style::EGYPTIAN, number(100, Masculine)), "مية");
    assert_eq!(said(Style::EGYPTIAN, count(3000, "pound")), "تلات تلاف جنيه");
    assert_eq!(said(Style::EGYPTIAN, time(15, 30)), "الساعة تلاتة ونص مساءً");
    assert_eq!(said(Style::GULF, time(3, 15)), "الساعة ثلاث وربع الصبح");
    assert_eq!(said(Style::GULF, count(11_000, "riyal")), "احدعش ألف ريال");
    assert_eq!(said(Style::LEVANTINE, number(11, Masculine)), "حداعش");
    assert_eq!(said(Style::LEVANTINE, count(11, "day")), "حداعشر يوم");
    assert_eq!(said(Style::LEVANTINE, count(5, "minute")), "خمس دقايق");
    assert_eq!(said(Style::LEVANTINE, ordinal(3, Feminine)), "التالتة");
}

/// A word that no table holds is the standard one, with the standard clip.
#[test]
fn dialects_fall_back_to_the_standard_language() {
    let nouns = Nouns::built_in();
    let request = Request::new(Ar, &nouns, count(22, "call")).with_style(Style::EGYPTIAN);
    let clips: Vec<_> = say(&request).unwrap().into_iter().map(|unit| unit.clip.into_owned()).collect();
    assert_eq!(clips, ["ar-eg.n.2.f.o", "ar.w.20.o", "ar.noun.call.other"]);
}

#[test]
fn styles_are_found_by_name() {
    for style in Style::ALL {
        assert_eq!(Style::named(style.name).map(|found| found.name), Some(style.name));
    }
    assert!(Style::named("ar-xx").is_none());
}
