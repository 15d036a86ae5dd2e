//! Digits, phone numbers and letters.

use super::super::{PAUSE_MS, latin_digits, phone};
use super::*;

#[test]
fn arabic_digits_are_read_like_latin_ones() {
    assert_eq!(latin_digits("٠١٢٣٤٥٦٧٨٩ ۰۱۲۳۴۵۶۷۸۹ a"), "0123456789 0123456789 a");
    assert!(matches!(latin_digits("05"), std::borrow::Cow::Borrowed("05")));
    assert_eq!(arabic(Nominative, Kind::Digits("٠12")), "صفر واحد اثنان");
    assert_eq!(arabic(Oblique, Kind::Digits("2-9 5")), "اثنان تسعة خمسة");
}

#[test]
fn phone_numbers_fall_into_the_groups_of_their_country() {
    let rows = [
        ("0501234567", "050 123 4567"),
        ("+966501234567", "+966 50 123 4567"),
        ("00966 50-123-4567", "00966 50 123 4567"),
        ("0112345678", "011 234 5678"),
        ("920012345", "9200 12 345"),
        ("+971501234567", "+971 50 123 4567"),
        ("+97142345678", "+971 4 234 5678"),
        ("042345678", "04 234 5678"),
        ("01012345678", "010 1234 5678"),
        ("+201012345678", "+20 10 1234 5678"),
        ("0223456789", "02 2345 6789"),
        ("+33123456789", "+33 123 456 789"),
        ("+12125550123", "+1 212 555 0123"),
        ("+21612345678", "+216 123 456 78"),
        ("1234567", "123 4567"),
        ("911", "911"),
        ("12", "12"),
        ("1", "1"),
        ("*123#", "*12 3#"),
        ("٠٥٠١٢٣٤٥٦٧", "050 123 4567"),
    ];
    for (number, expected) in rows {
        assert_eq!(phone::groups(number).map(|groups| groups.join(" ")), Ok(expected.to_owned()), "{number}");
    }
}

#[test]
fn a_pause_stands_between_groups() {
    let nouns = Nouns::built_in();
    let units = say(&Request::new(Ar, &nouns, Kind::Phone("1234567"))).unwrap();
    assert_eq!(text(&units), "واحد اثنان ثلاثة ، أربعة خمسة ستة سبعة");
    let pauses: Vec<u32> = units.iter().filter(|unit| unit.is_pause()).map(|unit| unit.pause_ms).collect();
    assert_eq!(pauses, [PAUSE_MS]);
    assert_eq!(spoken(En, Style::MSA, Nominative, Kind::Phone("+2012")), "plus two zero , one two");
    assert_eq!(spoken(Fr, Style::MSA, Nominative, Kind::Phone("+2012")), "plus deux zéro , un deux");
}

#[test]
fn letters_are_named() {
    assert_eq!(arabic(Nominative, Kind::Spell("aB1")), "إيه بي واحد");
    assert_eq!(arabic(Nominative, Kind::Spell("أ ب7")), "ألف بهمزة ، باء سبعة");
    assert_eq!(spoken(En, Style::MSA, Nominative, Kind::Spell("hi@x.io")), "H I at X dot I O");
    assert_eq!(spoken(Fr, Style::MSA, Nominative, Kind::Spell("a_1")), "A tiret bas un");
}

#[test]
fn what_cannot_be_read_out_is_refused() {
    assert_eq!(refusal(Kind::Digits("12x")), Some(SayError::Unspeakable('x')));
    assert_eq!(refusal(Kind::Digits(" ")), Some(SayError::Empty));
    assert_eq!(refusal(Kind::Phone("+")), Some(SayError::Empty));
    assert_eq!(refusal(Kind::Phone("05+1")), Some(SayError::Unspeakable('+')));
    assert_eq!(refusal(Kind::Spell("a?")), Some(SayError::Unspeakable('?')));
    assert_eq!(refusal(Kind::Spell(&"a".repeat(65))), Some(SayError::TooLong(65)));
}
