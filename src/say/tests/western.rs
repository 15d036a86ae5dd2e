//! English and French.

use super::*;

fn english(kind: Kind<'_>) -> String {
    spoken(En, Style::MSA, Nominative, kind)
}

fn french(kind: Kind<'_>) -> String {
    spoken(Fr, Style::MSA, Nominative, kind)
}

#[test]
fn english_numbers_have_the_british_and() {
    let rows = [
        (0, "zero"),
        (21, "twenty-one"),
        (100, "one hundred"),
        (105, "one hundred and five"),
        (1005, "one thousand and five"),
        (1234, "one thousand two hundred and thirty-four"),
        (105_000, "one hundred and five thousand"),
        (1_200_001, "one million two hundred thousand and one"),
        (1_000_000, "one million"),
        (-7, "minus seven"),
    ];
    for (value, expected) in rows {
        assert_eq!(english(number(value, Masculine)), expected);
    }
}

#[test]
fn english_ordinals_change_the_last_word() {
    let rows = [
        (1, "first"),
        (3, "third"),
        (12, "twelfth"),
        (20, "twentieth"),
        (22, "twenty-second"),
        (45, "forty-fifth"),
        (100, "one hundredth"),
        (101, "one hundred and first"),
        (1000, "one thousandth"),
        (1100, "one thousand one hundredth"),
        (2003, "two thousand and third"),
    ];
    for (value, expected) in rows {
        assert_eq!(english(ordinal(value, Feminine)), expected);
    }
}

#[test]
fn english_counts_money_and_durations() {
    assert_eq!(english(count(0, "call")), "no calls");
    assert_eq!(english(count(1, "call")), "one call");
    assert_eq!(english(count(3, "person")), "three people");
    assert_eq!(english(money(12_550, "SAR")), "one hundred and twenty-five riyals and fifty halalas");
    assert_eq!(english(money(0, "SAR")), "zero riyals");
    assert_eq!(english(Kind::Duration { seconds: 3723 }), "one hour two minutes and three seconds");
    assert_eq!(english(Kind::Duration { seconds: 0 }), "zero seconds");
}

#[test]
fn english_times_and_dates() {
    assert_eq!(english(time(10, 15)), "ten fifteen a.m.");
    assert_eq!(english(time(22, 5)), "ten oh five p.m.");
    assert_eq!(english(time(10, 0)), "ten a.m.");
    assert_eq!(english(time(0, 30)), "twelve thirty a.m.");
    assert_eq!(english(time(0, 0)), "twelve midnight");
    assert_eq!(english(time(12, 0)), "twelve noon");
    let sunday = Some(Weekday::Sunday);
    assert_eq!(
        english(date(sunday, 22, 11, Some(2026), MonthNames::Egypt)),
        "Sunday the twenty-second of November twenty twenty-six"
    );
    let years = [
        (1, "one"),
        (1066, "ten sixty-six"),
        (1448, "fourteen forty-eight"),
        (1900, "nineteen hundred"),
        (1905, "nineteen oh five"),
        (2000, "two thousand"),
        (2006, "two thousand and six"),
        (2010, "twenty ten"),
    ];
    for (year, expected) in years {
        let said = english(date(None, 1, 5, Some(year), MonthNames::Levant));
        assert_eq!(said, format!("the first of May {expected}"));
    }
    assert_eq!(english(date(None, 1, 9, None, MonthNames::Hijri)), "the first of Ramadan");
}

#[test]
fn french_numbers_agree() {
    let rows = [
        (0, "zéro", "zéro"),
        (1, "un", "une"),
        (17, "dix-sept", "dix-sept"),
        (21, "vingt et un", "vingt et une"),
        (22, "vingt-deux", "vingt-deux"),
        (70, "soixante-dix", "soixante-dix"),
        (71, "soixante et onze", "soixante et onze"),
        (72, "soixante-douze", "soixante-douze"),
        (80, "quatre-vingts", "quatre-vingts"),
        (81, "quatre-vingt-un", "quatre-vingt-une"),
        (90, "quatre-vingt-dix", "quatre-vingt-dix"),
        (91, "quatre-vingt-onze", "quatre-vingt-onze"),
        (99, "quatre-vingt-dix-neuf", "quatre-vingt-dix-neuf"),
        (100, "cent", "cent"),
        (101, "cent un", "cent une"),
        (200, "deux cents", "deux cents"),
        (201, "deux cent un", "deux cent une"),
        (280, "deux cent quatre-vingts", "deux cent quatre-vingts"),
        (1000, "mille", "mille"),
        (1080, "mille quatre-vingts", "mille quatre-vingts"),
        (2000, "deux mille", "deux mille"),
        (21_000, "vingt et un mille", "vingt et un mille"),
        (80_000, "quatre-vingt mille", "quatre-vingt mille"),
        (200_000, "deux cent mille", "deux cent mille"),
        (1_000_000, "un million", "un million"),
        (80_000_000, "quatre-vingts millions", "quatre-vingts millions"),
        (-7, "moins sept", "moins sept"),
    ];
    for (value, masculine, feminine) in rows {
        assert_eq!(french(number(value, Masculine)), masculine);
        assert_eq!(french(number(value, Feminine)), feminine);
    }
}

#[test]
fn french_ordinals_change_the_last_word() {
    let rows = [
        (1, "premier", "première"),
        (2, "deuxième", "deuxième"),
        (4, "quatrième", "quatrième"),
        (5, "cinquième", "cinquième"),
        (9, "neuvième", "neuvième"),
        (11, "onzième", "onzième"),
        (19, "dix-neuvième", "dix-neuvième"),
        (21, "vingt et unième", "vingt et unième"),
        (25, "vingt-cinquième", "vingt-cinquième"),
        (30, "trentième", "trentième"),
        (71, "soixante et onzième", "soixante et onzième"),
        (80, "quatre-vingtième", "quatre-vingtième"),
        (81, "quatre-vingt-unième", "quatre-vingt-unième"),
        (100, "centième", "centième"),
        (101, "cent unième", "cent unième"),
        (200, "deux centième", "deux centième"),
        (1000, "millième", "millième"),
        (80_000, "quatre-vingt millième", "quatre-vingt millième"),
        (2300, "deux mille trois centième", "deux mille trois centième"),
    ];
    for (value, masculine, feminine) in rows {
        assert_eq!(french(ordinal(value, Masculine)), masculine);
        assert_eq!(french(ordinal(value, Feminine)), feminine);
    }
}

#[test]
fn french_counts_money_and_durations() {
    assert_eq!(french(count(0, "call")), "aucun appel");
    assert_eq!(french(count(0, "minute")), "aucune minute");
    assert_eq!(french(count(1, "minute")), "une minute");
    assert_eq!(french(count(21, "minute")), "vingt et une minutes");
    assert_eq!(french(count(2_000_000, "call")), "deux millions d'appels");
    assert_eq!(french(count(1_000_000, "day")), "un million de jours");
    assert_eq!(french(count(1_000_200, "day")), "un million deux cents jours");
    assert_eq!(french(money(12_550, "EUR")), "cent vingt-cinq euros et cinquante centimes");
    assert_eq!(french(money(0, "SAR")), "zéro riyal");
    assert_eq!(french(Kind::Duration { seconds: 3723 }), "une heure deux minutes et trois secondes");
}

#[test]
fn french_times_and_dates() {
    assert_eq!(french(time(10, 15)), "dix heures quinze");
    assert_eq!(french(time(21, 1)), "vingt et une heures une");
    assert_eq!(french(time(1, 0)), "une heure");
    assert_eq!(french(time(0, 0)), "minuit");
    assert_eq!(french(time(12, 30)), "midi trente");
    let sunday = Some(Weekday::Sunday);
    assert_eq!(
        french(date(sunday, 22, 11, Some(2026), MonthNames::Egypt)),
        "dimanche vingt-deux novembre deux mille vingt-six"
    );
    assert_eq!(french(date(None, 1, 5, Some(1980), MonthNames::Egypt)), "le premier mai mille neuf cent quatre-vingt");
    assert_eq!(french(date(None, 2, 9, None, MonthNames::Hijri)), "le deux ramadan");
}
