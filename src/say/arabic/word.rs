//! The Arabic words of numbers, each with its clips.
//!
//! A table is indexed by the number it says, less its first one; every name says which.

/// One recording of a word.
#[derive(Clone, Copy, Debug)]
pub(in crate::say) struct Face {
    pub clip: &'static str,
    pub text: &'static str,
}

/// A word in the four ways it can be recorded; not every sentence needs all of them.
#[derive(Debug)]
pub(in crate::say) struct Word {
    /// As it is.
    pub plain: Face,
    /// With the conjunction «و», which cannot be cut off without sounding robotic.
    pub joined: Face,
    /// With the article «ال».
    pub definite: Face,
    /// With both, as inside a definite number: «الألف والمئة».
    pub joined_definite: Face,
}

/// Where a word stands, for dialects that say it differently there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::say) enum Place {
    Any,
    /// Directly before the noun it counts: Egyptian «ميت يوم», but «مية».
    Construct,
    /// As the hour of a time: Egyptian «الساعة تلاتة», but «التالتة».
    Hour,
}

/// A word of numbers: `number!("ar", "20", "عشرون")` has the clips `ar.n.20`, `ar.w.20`, `ar.d.20` and `ar.wd.20`.
macro_rules! number {
    ($prefix:literal, $key:literal, $text:literal) => {
        $crate::say::arabic::word::Word {
            plain: $crate::say::arabic::word::Face { clip: concat!($prefix, ".n.", $key), text: $text },
            joined: $crate::say::arabic::word::Face { clip: concat!($prefix, ".w.", $key), text: concat!("و", $text) },
            definite: $crate::say::arabic::word::Face {
                clip: concat!($prefix, ".d.", $key),
                text: concat!("ال", $text),
            },
            joined_definite: $crate::say::arabic::word::Face {
                clip: concat!($prefix, ".wd.", $key),
                text: concat!("وال", $text),
            },
        }
    };
}

/// Any other word: `phrase!("ar", "ord.20", "العشرون")` has the clips `ar.ord.20` and `ar.w.ord.20`.
macro_rules! phrase {
    ($prefix:literal, $key:literal, $text:literal) => {
        $crate::say::arabic::word::Word {
            plain: $crate::say::arabic::word::Face { clip: concat!($prefix, ".", $key), text: $text },
            joined: $crate::say::arabic::word::Face { clip: concat!($prefix, ".w.", $key), text: concat!("و", $text) },
            definite: $crate::say::arabic::word::Face {
                clip: concat!($prefix, ".d.", $key),
                text: concat!("ال", $text),
            },
            joined_definite: $crate::say::arabic::word::Face {
                clip: concat!($prefix, ".wd.", $key),
                text: concat!("وال", $text),
            },
        }
    };
}

pub(in crate::say) use {number, phrase};

pub(super) static ZERO: Word = number!("ar", "0", "صفر");
pub(super) static MINUS: Word = number!("ar", "minus", "ناقص");
/// Recorded ahead of its use: nothing says decimals yet.
pub(super) static POINT: Word = number!("ar", "point", "فاصل");

/// 1–10 as said of masculine things, so 3–10 in their feminine shape.
pub(super) static UNITS_MASCULINE: [Word; 10] = [
    number!("ar", "1.m", "واحد"),
    number!("ar", "2.m", "اثنان"),
    number!("ar", "3.m", "ثلاثة"),
    number!("ar", "4.m", "أربعة"),
    number!("ar", "5.m", "خمسة"),
    number!("ar", "6.m", "ستة"),
    number!("ar", "7.m", "سبعة"),
    number!("ar", "8.m", "ثمانية"),
    number!("ar", "9.m", "تسعة"),
    number!("ar", "10.m", "عشرة"),
];

/// 1–10 as said of feminine things; 8 is the one before a noun, see [`EIGHT_ALONE`].
pub(super) static UNITS_FEMININE: [Word; 10] = [
    number!("ar", "1.f", "واحدة"),
    number!("ar", "2.f", "اثنتان"),
    number!("ar", "3.f", "ثلاث"),
    number!("ar", "4.f", "أربع"),
    number!("ar", "5.f", "خمس"),
    number!("ar", "6.f", "ست"),
    number!("ar", "7.f", "سبع"),
    number!("ar", "8.f", "ثماني"),
    number!("ar", "9.f", "تسع"),
    number!("ar", "10.f", "عشر"),
];

pub(super) static TWO_MASCULINE_OBLIQUE: Word = number!("ar", "2.m.o", "اثنين");
pub(super) static TWO_FEMININE_OBLIQUE: Word = number!("ar", "2.f.o", "اثنتين");
/// The feminine 1 of 21–91.
pub(super) static ONE_FEMININE_TENS: Word = number!("ar", "1.f.tens", "إحدى");
/// The feminine 8 that no noun follows: alone, and in 28–98.
pub(super) static EIGHT_ALONE: Word = number!("ar", "8.f.alone", "ثمانٍ");

/// 11–19 of masculine things.
pub(super) static TEENS_MASCULINE: [Word; 9] = [
    number!("ar", "11.m", "أحد عشر"),
    number!("ar", "12.m", "اثنا عشر"),
    number!("ar", "13.m", "ثلاثة عشر"),
    number!("ar", "14.m", "أربعة عشر"),
    number!("ar", "15.m", "خمسة عشر"),
    number!("ar", "16.m", "ستة عشر"),
    number!("ar", "17.m", "سبعة عشر"),
    number!("ar", "18.m", "ثمانية عشر"),
    number!("ar", "19.m", "تسعة عشر"),
];

/// 11–19 of feminine things.
pub(super) static TEENS_FEMININE: [Word; 9] = [
    number!("ar", "11.f", "إحدى عشرة"),
    number!("ar", "12.f", "اثنتا عشرة"),
    number!("ar", "13.f", "ثلاث عشرة"),
    number!("ar", "14.f", "أربع عشرة"),
    number!("ar", "15.f", "خمس عشرة"),
    number!("ar", "16.f", "ست عشرة"),
    number!("ar", "17.f", "سبع عشرة"),
    number!("ar", "18.f", "ثماني عشرة"),
    number!("ar", "19.f", "تسع عشرة"),
];

pub(super) static TWELVE_MASCULINE_OBLIQUE: Word = number!("ar", "12.m.o", "اثني عشر");
pub(super) static TWELVE_FEMININE_OBLIQUE: Word = number!("ar", "12.f.o", "اثنتي عشرة");

/// 20, 30 … 90.
pub(super) static TENS: [Word; 8] = [
    number!("ar", "20", "عشرون"),
    number!("ar", "30", "ثلاثون"),
    number!("ar", "40", "أربعون"),
    number!("ar", "50", "خمسون"),
    number!("ar", "60", "ستون"),
    number!("ar", "70", "سبعون"),
    number!("ar", "80", "ثمانون"),
    number!("ar", "90", "تسعون"),
];

/// 20, 30 … 90 in the oblique case.
pub(super) static TENS_OBLIQUE: [Word; 8] = [
    number!("ar", "20.o", "عشرين"),
    number!("ar", "30.o", "ثلاثين"),
    number!("ar", "40.o", "أربعين"),
    number!("ar", "50.o", "خمسين"),
    number!("ar", "60.o", "ستين"),
    number!("ar", "70.o", "سبعين"),
    number!("ar", "80.o", "ثمانين"),
    number!("ar", "90.o", "تسعين"),
];

/// 100, 200 … 900.
pub(super) static HUNDREDS: [Word; 9] = [
    number!("ar", "100", "مئة"),
    number!("ar", "200", "مئتان"),
    number!("ar", "300", "ثلاثمئة"),
    number!("ar", "400", "أربعمئة"),
    number!("ar", "500", "خمسمئة"),
    number!("ar", "600", "ستمئة"),
    number!("ar", "700", "سبعمئة"),
    number!("ar", "800", "ثمانمئة"),
    number!("ar", "900", "تسعمئة"),
];

pub(super) static TWO_HUNDRED_OBLIQUE: Word = number!("ar", "200.o", "مئتين");
/// 200 directly before what it counts, which loses its ن.
pub(super) static TWO_HUNDRED_CONSTRUCT: Word = number!("ar", "200.c", "مئتا");
pub(super) static TWO_HUNDRED_CONSTRUCT_OBLIQUE: Word = number!("ar", "200.c.o", "مئتي");

/// A power of a thousand, which is counted like a masculine noun.
#[derive(Debug)]
pub(super) struct Scale {
    pub one: Word,
    pub two: Word,
    pub two_oblique: Word,
    /// The dual directly before the noun that it counts, which loses its ن.
    pub two_construct: Word,
    pub two_construct_oblique: Word,
    pub few: Word,
    pub many: Word,
}

pub(super) static THOUSAND: Scale = Scale {
    one: number!("ar", "1000.one", "ألف"),
    two: number!("ar", "1000.two", "ألفان"),
    two_oblique: number!("ar", "1000.two.o", "ألفين"),
    two_construct: number!("ar", "1000.two.c", "ألفا"),
    two_construct_oblique: number!("ar", "1000.two.c.o", "ألفي"),
    few: number!("ar", "1000.few", "آلاف"),
    many: number!("ar", "1000.many", "ألفاً"),
};

pub(super) static MILLION: Scale = Scale {
    one: number!("ar", "1000000.one", "مليون"),
    two: number!("ar", "1000000.two", "مليونان"),
    two_oblique: number!("ar", "1000000.two.o", "مليونين"),
    two_construct: number!("ar", "1000000.two.c", "مليونا"),
    two_construct_oblique: number!("ar", "1000000.two.c.o", "مليوني"),
    few: number!("ar", "1000000.few", "ملايين"),
    many: number!("ar", "1000000.many", "مليوناً"),
};
