//! The Arabic words that are not numbers: ordinals, months, days, and the small words between.

use super::word::{Word, phrase};

pub(super) static NONE_OF_THINGS: Word = phrase!("ar", "none", "لا توجد");
pub(super) static NONE_OF_MEN: Word = phrase!("ar", "none.m", "لا يوجد");

/// Between the ordinal of the last two digits and the round number.
pub(super) static AFTER: Word = phrase!("ar", "after", "بعد");
/// Between the day and the month.
pub(super) static OF: Word = phrase!("ar", "of", "من");

pub(super) static THE_HOUR: Word = phrase!("ar", "time.hour", "الساعة");
pub(super) static ONE_OCLOCK: Word = phrase!("ar", "hour.1", "الواحدة");
pub(super) static QUARTER: Word = phrase!("ar", "time.quarter", "والربع");
pub(super) static HALF: Word = phrase!("ar", "time.half", "والنصف");
pub(super) static QUARTER_TO: Word = phrase!("ar", "time.quarter-to", "إلا ربعاً");
pub(super) static MIDNIGHT: Word = phrase!("ar", "time.midnight", "ليلاً");
pub(super) static MORNING: Word = phrase!("ar", "time.morning", "صباحاً");
pub(super) static NOON: Word = phrase!("ar", "time.noon", "ظهراً");
pub(super) static AFTERNOON: Word = phrase!("ar", "time.afternoon", "مساءً");

/// 1st–19th.
pub(super) static ORDINALS_MASCULINE: [Word; 19] = [
    phrase!("ar", "ord.1.m", "الأول"),
    phrase!("ar", "ord.2.m", "الثاني"),
    phrase!("ar", "ord.3.m", "الثالث"),
    phrase!("ar", "ord.4.m", "الرابع"),
    phrase!("ar", "ord.5.m", "الخامس"),
    phrase!("ar", "ord.6.m", "السادس"),
    phrase!("ar", "ord.7.m", "السابع"),
    phrase!("ar", "ord.8.m", "الثامن"),
    phrase!("ar", "ord.9.m", "التاسع"),
    phrase!("ar", "ord.10.m", "العاشر"),
    phrase!("ar", "ord.11.m", "الحادي عشر"),
    phrase!("ar", "ord.12.m", "الثاني عشر"),
    phrase!("ar", "ord.13.m", "الثالث عشر"),
    phrase!("ar", "ord.14.m", "الرابع عشر"),
    phrase!("ar", "ord.15.m", "الخامس عشر"),
    phrase!("ar", "ord.16.m", "السادس عشر"),
    phrase!("ar", "ord.17.m", "السابع عشر"),
    phrase!("ar", "ord.18.m", "الثامن عشر"),
    phrase!("ar", "ord.19.m", "التاسع عشر"),
];

/// 1st–19th of feminine things.
pub(super) static ORDINALS_FEMININE: [Word; 19] = [
    phrase!("ar", "ord.1.f", "الأولى"),
    phrase!("ar", "ord.2.f", "الثانية"),
    phrase!("ar", "ord.3.f", "الثالثة"),
    phrase!("ar", "ord.4.f", "الرابعة"),
    phrase!("ar", "ord.5.f", "الخامسة"),
    phrase!("ar", "ord.6.f", "السادسة"),
    phrase!("ar", "ord.7.f", "السابعة"),
    phrase!("ar", "ord.8.f", "الثامنة"),
    phrase!("ar", "ord.9.f", "التاسعة"),
    phrase!("ar", "ord.10.f", "العاشرة"),
    phrase!("ar", "ord.11.f", "الحادية عشرة"),
    phrase!("ar", "ord.12.f", "الثانية عشرة"),
    phrase!("ar", "ord.13.f", "الثالثة عشرة"),
    phrase!("ar", "ord.14.f", "الرابعة عشرة"),
    phrase!("ar", "ord.15.f", "الخامسة عشرة"),
    phrase!("ar", "ord.16.f", "السادسة عشرة"),
    phrase!("ar", "ord.17.f", "السابعة عشرة"),
    phrase!("ar", "ord.18.f", "الثامنة عشرة"),
    phrase!("ar", "ord.19.f", "التاسعة عشرة"),
];

/// The first of 21st, 31st … 91st.
pub(super) static ORDINAL_FIRST_OF_MORE_MASCULINE: Word = phrase!("ar", "ord.1.m.tens", "الحادي");
pub(super) static ORDINAL_FIRST_OF_MORE_FEMININE: Word = phrase!("ar", "ord.1.f.tens", "الحادية");

/// 20th, 30th … 90th.
pub(super) static ORDINAL_TENS: [Word; 8] = [
    phrase!("ar", "ord.20", "العشرون"),
    phrase!("ar", "ord.30", "الثلاثون"),
    phrase!("ar", "ord.40", "الأربعون"),
    phrase!("ar", "ord.50", "الخمسون"),
    phrase!("ar", "ord.60", "الستون"),
    phrase!("ar", "ord.70", "السبعون"),
    phrase!("ar", "ord.80", "الثمانون"),
    phrase!("ar", "ord.90", "التسعون"),
];

/// 20th, 30th … 90th in the oblique case.
pub(super) static ORDINAL_TENS_OBLIQUE: [Word; 8] = [
    phrase!("ar", "ord.20.o", "العشرين"),
    phrase!("ar", "ord.30.o", "الثلاثين"),
    phrase!("ar", "ord.40.o", "الأربعين"),
    phrase!("ar", "ord.50.o", "الخمسين"),
    phrase!("ar", "ord.60.o", "الستين"),
    phrase!("ar", "ord.70.o", "السبعين"),
    phrase!("ar", "ord.80.o", "الثمانين"),
    phrase!("ar", "ord.90.o", "التسعين"),
];

/// From Sunday.
pub(super) static WEEKDAYS: [Word; 7] = [
    phrase!("ar", "weekday.0", "الأحد"),
    phrase!("ar", "weekday.1", "الاثنين"),
    phrase!("ar", "weekday.2", "الثلاثاء"),
    phrase!("ar", "weekday.3", "الأربعاء"),
    phrase!("ar", "weekday.4", "الخميس"),
    phrase!("ar", "weekday.5", "الجمعة"),
    phrase!("ar", "weekday.6", "السبت"),
];

/// From January.
pub(super) static MONTHS_EGYPT: [Word; 12] = [
    phrase!("ar", "month.egypt.1", "يناير"),
    phrase!("ar", "month.egypt.2", "فبراير"),
    phrase!("ar", "month.egypt.3", "مارس"),
    phrase!("ar", "month.egypt.4", "أبريل"),
    phrase!("ar", "month.egypt.5", "مايو"),
    phrase!("ar", "month.egypt.6", "يونيو"),
    phrase!("ar", "month.egypt.7", "يوليو"),
    phrase!("ar", "month.egypt.8", "أغسطس"),
    phrase!("ar", "month.egypt.9", "سبتمبر"),
    phrase!("ar", "month.egypt.10", "أكتوبر"),
    phrase!("ar", "month.egypt.11", "نوفمبر"),
    phrase!("ar", "month.egypt.12", "ديسمبر"),
];

/// From January.
pub(super) static MONTHS_LEVANT: [Word; 12] = [
    phrase!("ar", "month.levant.1", "كانون الثاني"),
    phrase!("ar", "month.levant.2", "شباط"),
    phrase!("ar", "month.levant.3", "آذار"),
    phrase!("ar", "month.levant.4", "نيسان"),
    phrase!("ar", "month.levant.5", "أيار"),
    phrase!("ar", "month.levant.6", "حزيران"),
    phrase!("ar", "month.levant.7", "تموز"),
    phrase!("ar", "month.levant.8", "آب"),
    phrase!("ar", "month.levant.9", "أيلول"),
    phrase!("ar", "month.levant.10", "تشرين الأول"),
    phrase!("ar", "month.levant.11", "تشرين الثاني"),
    phrase!("ar", "month.levant.12", "كانون الأول"),
];

/// From Muharram; always said after «من», so «ذي», never «ذو».
pub(super) static MONTHS_HIJRI: [Word; 12] = [
    phrase!("ar", "month.hijri.1", "محرم"),
    phrase!("ar", "month.hijri.2", "صفر"),
    phrase!("ar", "month.hijri.3", "ربيع الأول"),
    phrase!("ar", "month.hijri.4", "ربيع الآخر"),
    phrase!("ar", "month.hijri.5", "جمادى الأولى"),
    phrase!("ar", "month.hijri.6", "جمادى الآخرة"),
    phrase!("ar", "month.hijri.7", "رجب"),
    phrase!("ar", "month.hijri.8", "شعبان"),
    phrase!("ar", "month.hijri.9", "رمضان"),
    phrase!("ar", "month.hijri.10", "شوال"),
    phrase!("ar", "month.hijri.11", "ذي القعدة"),
    phrase!("ar", "month.hijri.12", "ذي الحجة"),
];
