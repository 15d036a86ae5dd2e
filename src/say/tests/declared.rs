//! Declared nouns, currencies, and what is refused.

use super::super::{Currency, Form, Noun};
use super::*;

/// A noun as a script would declare it.
fn car() -> Noun {
    let mut noun = Noun::new("car".into(), Feminine);
    noun.forms.one = Some("سيارة".into());
    noun.forms.two = Some("سيارتان".into());
    noun.forms.two_oblique = Some("سيارتين".into());
    noun.forms.many = Some("سيارةً".into());
    noun.forms.other = Some("سيارة".into());
    noun
}

#[test]
fn a_missing_form_is_reported_by_the_number_that_needs_it() {
    let warnings: Vec<String> = car().check(Ar).iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["noun \"car\" lacks form `few` for ar (needed for 3–10)"]);
    let mut nouns = Nouns::built_in();
    nouns.declare(Ar, car());
    assert!(nouns.form(Ar, "car", Form::Many).is_ok());
    let refused = say(&Request::new(Ar, &nouns, count(5, "car")));
    assert_eq!(refused, Err(SayError::MissingForm { noun: "car".to_owned(), form: Form::Few, language: Ar }));
    assert_eq!(say(&Request::new(Ar, &nouns, count(11, "car"))).map(|units| text(&units)).unwrap(), "إحدى عشرة سيارةً");
}

#[test]
fn built_in_nouns_have_every_form() {
    let nouns = Nouns::built_in();
    for language in Language::ALL {
        for noun in nouns.iter(language) {
            assert_eq!(noun.check(language), []);
        }
        for currency in Currency::ALL {
            assert!(nouns.find(language, currency.major).is_ok());
            assert!(nouns.find(language, currency.minor).is_ok());
        }
    }
}

/// The small units of each currency are ISO 4217's: 500 fils are half a dinar, 500 halalas five riyals.
#[test]
fn amounts_are_read_as_people_write_them() {
    let read = |code, amount| Currency::find(code).ok().and_then(|currency| currency.read(amount));
    for (code, amount, small) in [
        ("SAR", "125.50", 12_550),
        ("SAR", "125.5", 12_550),
        ("SAR", "125", 12_500),
        ("SAR", "-0.05", -5),
        ("SAR", "١٢٥٫٥٠", 12_550),
        ("KWD", "1.5", 1_500),
        ("KWD", "1.005", 1_005),
    ] {
        assert_eq!(read(code, amount), Some(small), "{amount} {code}");
    }
    for amount in ["", "-", ".", ".5", "1.", "1.005", "1,50", "1.5.0", "--1", "+1", "1 000", "99999999999999999999"] {
        assert_eq!(read("SAR", amount), None, "{amount}");
    }
}

#[test]
fn a_declared_noun_hides_the_built_in_one() {
    let mut nouns = Nouns::built_in();
    let mut minute = Noun::new("minute".into(), Feminine);
    minute.forms.few = Some("دقائق".into());
    nouns.declare(Ar, minute);
    let request = Request::new(Ar, &nouns, count(5, "minute")).with_style(Style::EGYPTIAN);
    assert_eq!(text(&say(&request).unwrap()), "خمس دقائق");
    assert_eq!(nouns.iter(Ar).filter(|noun| noun.id == "minute").count(), 1);
}

#[test]
fn refusals_say_what_was_wrong() {
    let rows = [
        (count(1, "unicorn"), "noun \"unicorn\" is not declared for ar"),
        (money(1, "XXX"), "currency \"XXX\" is not known (ISO 4217 codes such as SAR)"),
        (number(1_000_000_000, Masculine), "number 1000000000 cannot be said (from -999999999 to 999999999)"),
        (number(i64::MIN, Masculine), "number -9223372036854775808 cannot be said (from -999999999 to 999999999)"),
        (money(100_000_000_000, "SAR"), "money 100000000000 cannot be said (from -99999999999 to 99999999999)"),
        (ordinal(0, Masculine), "ordinal 0 cannot be said (from 1 to 999999)"),
        (ordinal(1_000_000, Masculine), "ordinal 1000000 cannot be said (from 1 to 999999)"),
        (time(24, 0), "there is no time 24:00 (00:00 to 23:59)"),
        (time(0, 60), "there is no time 00:60 (00:00 to 23:59)"),
        (date(None, 29, 2, Some(2025), MonthNames::Egypt), "there is no day 29 in month 2 of 2025"),
        (date(None, 31, 4, None, MonthNames::Levant), "there is no day 31 in month 4"),
        (date(None, 31, 1, None, MonthNames::Hijri), "there is no day 31 in month 1"),
        (date(None, 0, 1, None, MonthNames::Egypt), "there is no day 0 in month 1"),
        (date(None, 1, 13, None, MonthNames::Egypt), "there is no day 1 in month 13"),
        (date(None, 1, 1, Some(0), MonthNames::Egypt), "year 0 cannot be said (from 1 to 9999)"),
    ];
    for (kind, expected) in rows {
        assert_eq!(refusal(kind).map(|error| error.to_string()).as_deref(), Some(expected));
    }
    assert!(refusal(Kind::Duration { seconds: u64::MAX }).is_some());
    assert!(refusal(date(None, 29, 2, Some(2024), MonthNames::Egypt)).is_none());
    assert!(refusal(date(None, 29, 2, None, MonthNames::Egypt)).is_none());
}
