//! Standard Arabic: every rule of `docs/arabic-numbers.md`, by its number there.

use super::*;

/// Rule 2: day (masculine) and call (feminine), nominative.
#[test]
fn counted_nouns_follow_the_table() {
    let rows = [
        (1, "يوم واحد", "مكالمة واحدة"),
        (2, "يومان", "مكالمتان"),
        (3, "ثلاثة أيام", "ثلاث مكالمات"),
        (8, "ثمانية أيام", "ثماني مكالمات"),
        (10, "عشرة أيام", "عشر مكالمات"),
        (11, "أحد عشر يوماً", "إحدى عشرة مكالمةً"),
        (12, "اثنا عشر يوماً", "اثنتا عشرة مكالمةً"),
        (15, "خمسة عشر يوماً", "خمس عشرة مكالمةً"),
        (18, "ثمانية عشر يوماً", "ثماني عشرة مكالمةً"),
        (20, "عشرون يوماً", "عشرون مكالمةً"),
        (21, "واحد وعشرون يوماً", "إحدى وعشرون مكالمةً"),
        (22, "اثنان وعشرون يوماً", "اثنتان وعشرون مكالمةً"),
        (28, "ثمانية وعشرون يوماً", "ثمانٍ وعشرون مكالمةً"),
        (99, "تسعة وتسعون يوماً", "تسع وتسعون مكالمةً"),
        (100, "مئة يوم", "مئة مكالمة"),
        (200, "مئتا يوم", "مئتا مكالمة"),
        (300, "ثلاثمئة يوم", "ثلاثمئة مكالمة"),
        (1000, "ألف يوم", "ألف مكالمة"),
        (2000, "ألفا يوم", "ألفا مكالمة"),
        (101, "مئة يوم ويوم", "مئة مكالمة ومكالمة"),
        (102, "مئة يوم ويومان", "مئة مكالمة ومكالمتان"),
        (103, "مئة وثلاثة أيام", "مئة وثلاث مكالمات"),
        (108, "مئة وثمانية أيام", "مئة وثماني مكالمات"),
        (110, "مئة وعشرة أيام", "مئة وعشر مكالمات"),
        (111, "مئة وأحد عشر يوماً", "مئة وإحدى عشرة مكالمةً"),
        (128, "مئة وثمانية وعشرون يوماً", "مئة وثمانٍ وعشرون مكالمةً"),
        (11_000, "أحد عشر ألف يوم", "أحد عشر ألف مكالمة"),
        (200_000, "مئتا ألف يوم", "مئتا ألف مكالمة"),
    ];
    for (value, days, calls) in rows {
        assert_eq!(arabic(Nominative, count(value, "day")), days);
        assert_eq!(arabic(Nominative, count(value, "call")), calls);
    }
}

/// Rule 2: 0 is a sentence of its own; «لا يوجد» of people.
#[test]
fn none_is_a_sentence() {
    assert_eq!(arabic(Nominative, count(0, "call")), "لا توجد مكالمات");
    assert_eq!(arabic(Nominative, count(0, "day")), "لا توجد أيام");
    assert_eq!(arabic(Nominative, count(0, "second")), "لا توجد ثوانٍ");
    assert_eq!(arabic(Oblique, count(0, "person")), "لا يوجد أشخاص");
}

/// Rule 2: what is in construct, what is not, and where the noun stands.
#[test]
fn round_numbers_are_in_construct_only_before_the_noun() {
    let rows = [
        (1001, "ألف يوم ويوم", "ألف يوم ويوم"),
        (1002, "ألف يوم ويومان", "ألف يوم ويومين"),
        (1201, "ألف ومئتا يوم ويوم", "ألف ومئتي يوم ويوم"),
        (2003, "ألفان وثلاثة أيام", "ألفين وثلاثة أيام"),
        (2100, "ألفان ومئة يوم", "ألفين ومئة يوم"),
        (2002, "ألفا يوم ويومان", "ألفي يوم ويومين"),
        (3000, "ثلاثة آلاف يوم", "ثلاثة آلاف يوم"),
        (11_001, "أحد عشر ألف يوم ويوم", "أحد عشر ألف يوم ويوم"),
        (11_100, "أحد عشر ألفاً ومئة يوم", "أحد عشر ألفاً ومئة يوم"),
        (102_000, "مئة ألف وألفا يوم", "مئة ألف وألفي يوم"),
        (202_000, "مئتا ألف وألفا يوم", "مئتي ألف وألفي يوم"),
        (2_000_000, "مليونا يوم", "مليوني يوم"),
        (2_000_100, "مليونان ومئة يوم", "مليونين ومئة يوم"),
        (11_000_000, "أحد عشر مليون يوم", "أحد عشر مليون يوم"),
        (11_000_002, "أحد عشر مليون يوم ويومان", "أحد عشر مليون يوم ويومين"),
        (222, "مئتان واثنان وعشرون يوماً", "مئتين واثنين وعشرين يوماً"),
        (200, "مئتا يوم", "مئتي يوم"),
        (2, "يومان", "يومين"),
        (12, "اثنا عشر يوماً", "اثني عشر يوماً"),
        (-3, "ناقص ثلاثة أيام", "ناقص ثلاثة أيام"),
    ];
    for (value, nominative, oblique) in rows {
        assert_eq!(arabic(Nominative, count(value, "day")), nominative);
        assert_eq!(arabic(Oblique, count(value, "day")), oblique);
    }
    assert_eq!(arabic(Nominative, count(3, "second")), "ثلاث ثوانٍ");
    assert_eq!(arabic(Oblique, count(12, "call")), "اثنتي عشرة مكالمةً");
}

/// Rule 1.
#[test]
fn bare_numbers_join_by_and_with_units_first() {
    let rows = [
        (0, "صفر"),
        (1, "واحد"),
        (2, "اثنان"),
        (10, "عشرة"),
        (21, "واحد وعشرون"),
        (101, "مئة وواحد"),
        (111, "مئة وأحد عشر"),
        (200, "مئتان"),
        (300, "ثلاثمئة"),
        (800, "ثمانمئة"),
        (1000, "ألف"),
        (2000, "ألفان"),
        (3000, "ثلاثة آلاف"),
        (10_000, "عشرة آلاف"),
        (11_000, "أحد عشر ألفاً"),
        (12_000, "اثنا عشر ألفاً"),
        (100_000, "مئة ألف"),
        (101_000, "مئة ألف وألف"),
        (102_000, "مئة ألف وألفان"),
        (103_000, "مئة وثلاثة آلاف"),
        (111_000, "مئة وأحد عشر ألفاً"),
        (200_000, "مئتا ألف"),
        (202_000, "مئتا ألف وألفان"),
        (300_000, "ثلاثمئة ألف"),
        (1_000_000, "مليون"),
        (2_000_000, "مليونان"),
        (3_000_000, "ثلاثة ملايين"),
        (11_000_000, "أحد عشر مليوناً"),
        (101_000_000, "مئة مليون ومليون"),
        (200_000_000, "مئتا مليون"),
        (1_234_567, "مليون ومئتان وأربعة وثلاثون ألفاً وخمسمئة وسبعة وستون"),
        (999_999_999, "تسعمئة وتسعة وتسعون مليوناً وتسعمئة وتسعة وتسعون ألفاً وتسعمئة وتسعة وتسعون"),
        (-5, "ناقص خمسة"),
    ];
    for (value, expected) in rows {
        assert_eq!(arabic(Nominative, number(value, Masculine)), expected);
    }
}

/// Rule 1: feminine numbers.
#[test]
fn feminine_numbers_have_their_own_one_two_and_eight() {
    let rows = [
        (1, "واحدة"),
        (2, "اثنتان"),
        (3, "ثلاث"),
        (8, "ثمانٍ"),
        (10, "عشر"),
        (11, "إحدى عشرة"),
        (12, "اثنتا عشرة"),
        (13, "ثلاث عشرة"),
        (18, "ثماني عشرة"),
        (21, "إحدى وعشرون"),
        (22, "اثنتان وعشرون"),
        (28, "ثمانٍ وعشرون"),
        (101, "مئة وواحدة"),
        (108, "مئة وثمانٍ"),
        (121, "مئة وإحدى وعشرون"),
        (8000, "ثمانية آلاف"),
        (21_000, "واحد وعشرون ألفاً"),
    ];
    for (value, expected) in rows {
        assert_eq!(arabic(Nominative, number(value, Feminine)), expected);
    }
}

/// Rule 1: the oblique case changes duals and tens.
#[test]
fn oblique_numbers_end_in_ya_nun() {
    let rows = [
        (2, "اثنين", "اثنتين"),
        (12, "اثني عشر", "اثنتي عشرة"),
        (20, "عشرين", "عشرين"),
        (22, "اثنين وعشرين", "اثنتين وعشرين"),
        (90, "تسعين", "تسعين"),
        (200, "مئتين", "مئتين"),
        (2000, "ألفين", "ألفين"),
        (200_000, "مئتي ألف", "مئتي ألف"),
        (2_000_000, "مليونين", "مليونين"),
    ];
    for (value, masculine, feminine) in rows {
        assert_eq!(arabic(Oblique, number(value, Masculine)), masculine);
        assert_eq!(arabic(Oblique, number(value, Feminine)), feminine);
    }
}

/// Rule 3.
#[test]
fn money_is_major_and_minor() {
    let rows = [
        (12_550, "SAR", "مئة وخمسة وعشرون ريالاً وخمسون هللةً"),
        (100, "SAR", "ريال واحد"),
        (0, "SAR", "صفر ريال"),
        (201, "SAR", "ريالان وهللة واحدة"),
        (2, "SAR", "هللتان"),
        (10_100, "SAR", "مئة ريال وريال"),
        (1_500, "KWD", "دينار واحد وخمسمئة فلس"),
        (3_002, "OMR", "ثلاثة ريالات وبيستان"),
        (1_111, "EUR", "أحد عشر يورو وأحد عشر سنتاً"),
        (500, "egp", "خمسة جنيهات"),
        (-150, "USD", "ناقص دولار واحد وخمسون سنتاً"),
    ];
    for (minor, currency, expected) in rows {
        assert_eq!(arabic(Nominative, money(minor, currency)), expected);
    }
    assert_eq!(arabic(Oblique, money(202, "SAR")), "ريالين وهللتين");
}

/// Rule 4.
#[test]
fn ordinals_are_definite() {
    let rows = [
        (1, "الأول", "الأولى"),
        (2, "الثاني", "الثانية"),
        (3, "الثالث", "الثالثة"),
        (10, "العاشر", "العاشرة"),
        (11, "الحادي عشر", "الحادية عشرة"),
        (12, "الثاني عشر", "الثانية عشرة"),
        (20, "العشرون", "العشرون"),
        (21, "الحادي والعشرون", "الحادية والعشرون"),
        (99, "التاسع والتسعون", "التاسعة والتسعون"),
        (100, "المئة", "المئة"),
        (103, "الثالث بعد المئة", "الثالثة بعد المئة"),
        (200, "المئتان", "المئتان"),
        (221, "الحادي والعشرون بعد المئتين", "الحادية والعشرون بعد المئتين"),
        (300, "الثلاثمئة", "الثلاثمئة"),
        (1000, "الألف", "الألف"),
        (1001, "الأول بعد الألف", "الأولى بعد الألف"),
        (2000, "الألفان", "الألفان"),
        (2001, "الأول بعد الألفين", "الأولى بعد الألفين"),
        (1100, "الألف والمئة", "الألف والمئة"),
        (1201, "الأول بعد الألف والمئتين", "الأولى بعد الألف والمئتين"),
        (121_300, "المئة والواحد والعشرون ألفاً والثلاثمئة", "المئة والواحد والعشرون ألفاً والثلاثمئة"),
        (3000, "الثلاثة آلاف", "الثلاثة آلاف"),
        (11_000, "الأحد عشر ألفاً", "الأحد عشر ألفاً"),
        (200_000, "المئتا ألف", "المئتا ألف"),
    ];
    for (value, masculine, feminine) in rows {
        assert_eq!(arabic(Nominative, ordinal(value, Masculine)), masculine);
        assert_eq!(arabic(Nominative, ordinal(value, Feminine)), feminine);
    }
    assert_eq!(arabic(Oblique, ordinal(21, Masculine)), "الحادي والعشرين");
    assert_eq!(arabic(Oblique, ordinal(20, Masculine)), "العشرين");
    assert_eq!(arabic(Oblique, ordinal(200, Masculine)), "المئتين");
    assert_eq!(arabic(Oblique, ordinal(2000, Masculine)), "الألفين");
}

/// Rule 5.
#[test]
fn times_name_the_hour_by_its_ordinal() {
    let rows = [
        (0, 0, "الساعة الثانية عشرة ليلاً"),
        (1, 0, "الساعة الواحدة صباحاً"),
        (3, 30, "الساعة الثالثة والنصف صباحاً"),
        (3, 15, "الساعة الثالثة والربع صباحاً"),
        (2, 45, "الساعة الثالثة إلا ربعاً صباحاً"),
        (11, 45, "الساعة الثانية عشرة إلا ربعاً ظهراً"),
        (12, 0, "الساعة الثانية عشرة ظهراً"),
        (12, 45, "الساعة الواحدة إلا ربعاً مساءً"),
        (13, 1, "الساعة الواحدة ودقيقة واحدة مساءً"),
        (22, 2, "الساعة العاشرة ودقيقتان مساءً"),
        (23, 20, "الساعة الحادية عشرة وعشرون دقيقةً مساءً"),
        (23, 45, "الساعة الثانية عشرة إلا ربعاً ليلاً"),
    ];
    for (hour, minute, expected) in rows {
        assert_eq!(arabic(Nominative, time(hour, minute)), expected);
    }
    assert_eq!(arabic(Oblique, time(22, 2)), "الساعة العاشرة ودقيقتين مساءً");
}

/// Rule 6.
#[test]
fn dates_are_weekday_ordinal_month_year() {
    use MonthNames::{Egypt, Hijri, Levant};
    let sunday = Some(Weekday::Sunday);
    let full = date(sunday, 22, 11, Some(2026), Egypt);
    assert_eq!(arabic(Nominative, full), "الأحد الثاني والعشرون من نوفمبر ألفين وستة وعشرين");
    assert_eq!(arabic(Oblique, full), "الأحد الثاني والعشرين من نوفمبر ألفين وستة وعشرين");
    assert_eq!(arabic(Nominative, date(None, 1, 1, None, Levant)), "الأول من كانون الثاني");
    let hijri = date(None, 9, 12, Some(1447), Hijri);
    assert_eq!(arabic(Nominative, hijri), "التاسع من ذي الحجة ألف وأربعمئة وسبعة وأربعين");
    assert_eq!(arabic(Nominative, date(None, 30, 11, None, Hijri)), "الثلاثون من ذي القعدة");
}

/// The first day of Ramadan 1447 was 18 February 2026 by the Umm al-Qura calendar; jiff names the weekday.
#[test]
fn a_gregorian_day_is_said_in_either_calendar() {
    use MonthNames::{Egypt, Hijri, Levant};
    let said = |year, month, day, months| {
        let date = Date::on(jiff::civil::date(year, month, day), months)?;
        Some(arabic(Nominative, Kind::Date(date)))
    };
    let expected = "الأربعاء الأول من رمضان ألف وأربعمئة وسبعة وأربعين";
    assert_eq!(said(2026, 2, 18, Hijri).as_deref(), Some(expected));
    let expected = "الأحد الثاني والعشرون من تشرين الثاني ألفين وستة وعشرين";
    assert_eq!(said(2026, 11, 22, Levant).as_deref(), Some(expected));
    assert_eq!(said(0, 1, 1, Egypt), None);
    assert_eq!(said(500, 1, 1, Hijri), None);
}

/// Rule 7.
#[test]
fn durations_leave_out_what_is_zero() {
    let rows = [
        (0, "صفر ثانية"),
        (1, "ثانية واحدة"),
        (90, "دقيقة واحدة وثلاثون ثانيةً"),
        (3600, "ساعة واحدة"),
        (7205, "ساعتان وخمس ثوانٍ"),
        (3661, "ساعة واحدة ودقيقة واحدة وثانية واحدة"),
        (3_722, "ساعة واحدة ودقيقتان وثانيتان"),
    ];
    for (seconds, expected) in rows {
        assert_eq!(arabic(Nominative, Kind::Duration { seconds }), expected);
    }
}

/// Joined pieces keep «و»: cutting it would sound robotic.
#[test]
fn joined_pieces_are_clips_of_their_own() {
    let nouns = Nouns::built_in();
    let units = say(&Request::new(Ar, &nouns, count(123, "call"))).unwrap();
    let clips: Vec<&str> = units.iter().map(|unit| unit.clip.as_ref()).collect();
    assert_eq!(clips, ["ar.n.100", "ar.w.3.f", "ar.w.20", "ar.noun.call.many"]);
    let units = say(&Request::new(Ar, &nouns, count(102, "call"))).unwrap();
    let clips: Vec<&str> = units.iter().map(|unit| unit.clip.as_ref()).collect();
    assert_eq!(clips, ["ar.n.100", "ar.noun.call.other", "ar.w.noun.call.two"]);
}
