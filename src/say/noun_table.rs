//! The built-in nouns.

use std::borrow::Cow;

use super::{Forms, Gender, Language, Noun};
use Gender::{Feminine, Masculine};

/// The built-in nouns of a language.
pub(super) fn built_in(language: Language) -> &'static [Noun] {
    match language {
        Language::Ar => &ARABIC,
        Language::En => &ENGLISH,
        Language::Fr => &FRENCH,
    }
}

/// One word of the table.
const fn word(text: &'static str) -> Option<Cow<'static, str>> {
    Some(Cow::Borrowed(text))
}

/// An Arabic noun; `forms` are one, two, two oblique, few, many and other.
const fn arabic(id: &'static str, gender: Gender, forms: [&'static str; 6]) -> Noun {
    let [one, two, two_oblique, few, many, other] = forms;
    Noun {
        id: Cow::Borrowed(id),
        gender,
        people: false,
        forms: Forms {
            one: word(one),
            two: word(two),
            two_oblique: word(two_oblique),
            few: word(few),
            many: word(many),
            other: word(other),
        },
    }
}

/// A noun of a language that has a singular and a plural.
const fn western(id: &'static str, gender: Gender, one: &'static str, other: &'static str) -> Noun {
    Noun {
        id: Cow::Borrowed(id),
        gender,
        people: false,
        forms: Forms { one: word(one), two: None, two_oblique: None, few: None, many: None, other: word(other) },
    }
}

/// An English noun.
const fn english(id: &'static str, one: &'static str, other: &'static str) -> Noun {
    western(id, Masculine, one, other)
}

/// The same noun, for people.
const fn people(mut noun: Noun) -> Noun {
    noun.people = true;
    noun
}

static ARABIC: [Noun; 25] = [
    arabic("call", Feminine, ["مكالمة", "مكالمتان", "مكالمتين", "مكالمات", "مكالمةً", "مكالمة"]),
    arabic("minute", Feminine, ["دقيقة", "دقيقتان", "دقيقتين", "دقائق", "دقيقةً", "دقيقة"]),
    arabic("second", Feminine, ["ثانية", "ثانيتان", "ثانيتين", "ثوانٍ", "ثانيةً", "ثانية"]),
    arabic("hour", Feminine, ["ساعة", "ساعتان", "ساعتين", "ساعات", "ساعةً", "ساعة"]),
    arabic("day", Masculine, ["يوم", "يومان", "يومين", "أيام", "يوماً", "يوم"]),
    arabic("week", Masculine, ["أسبوع", "أسبوعان", "أسبوعين", "أسابيع", "أسبوعاً", "أسبوع"]),
    arabic("month", Masculine, ["شهر", "شهران", "شهرين", "أشهر", "شهراً", "شهر"]),
    people(arabic("person", Masculine, ["شخص", "شخصان", "شخصين", "أشخاص", "شخصاً", "شخص"])),
    arabic("order", Masculine, ["طلب", "طلبان", "طلبين", "طلبات", "طلباً", "طلب"]),
    arabic("ticket", Feminine, ["تذكرة", "تذكرتان", "تذكرتين", "تذاكر", "تذكرةً", "تذكرة"]),
    arabic("year", Feminine, ["سنة", "سنتان", "سنتين", "سنوات", "سنةً", "سنة"]),
    arabic("riyal", Masculine, ["ريال", "ريالان", "ريالين", "ريالات", "ريالاً", "ريال"]),
    arabic("halala", Feminine, ["هللة", "هللتان", "هللتين", "هللات", "هللةً", "هللة"]),
    arabic("dirham", Masculine, ["درهم", "درهمان", "درهمين", "دراهم", "درهماً", "درهم"]),
    arabic("fils", Masculine, ["فلس", "فلسان", "فلسين", "فلوس", "فلساً", "فلس"]),
    arabic("pound", Masculine, ["جنيه", "جنيهان", "جنيهين", "جنيهات", "جنيهاً", "جنيه"]),
    arabic("piastre", Masculine, ["قرش", "قرشان", "قرشين", "قروش", "قرشاً", "قرش"]),
    arabic("dinar", Masculine, ["دينار", "ديناران", "دينارين", "دنانير", "ديناراً", "دينار"]),
    arabic("millime", Masculine, ["مليم", "مليمان", "مليمين", "مليمات", "مليماً", "مليم"]),
    arabic("baisa", Feminine, ["بيسة", "بيستان", "بيستين", "بيسات", "بيسةً", "بيسة"]),
    arabic("centime", Masculine, ["سنتيم", "سنتيمان", "سنتيمين", "سنتيمات", "سنتيماً", "سنتيم"]),
    arabic("lira", Feminine, ["ليرة", "ليرتان", "ليرتين", "ليرات", "ليرةً", "ليرة"]),
    arabic("dollar", Masculine, ["دولار", "دولاران", "دولارين", "دولارات", "دولاراً", "دولار"]),
    arabic("cent", Masculine, ["سنت", "سنتان", "سنتين", "سنتات", "سنتاً", "سنت"]),
    arabic("euro", Masculine, ["يورو", "يوروان", "يوروين", "يوروات", "يورو", "يورو"]),
];

static ENGLISH: [Noun; 25] = [
    english("call", "call", "calls"),
    english("minute", "minute", "minutes"),
    english("second", "second", "seconds"),
    english("hour", "hour", "hours"),
    english("day", "day", "days"),
    english("week", "week", "weeks"),
    english("month", "month", "months"),
    people(english("person", "person", "people")),
    english("order", "order", "orders"),
    english("ticket", "ticket", "tickets"),
    english("year", "year", "years"),
    english("riyal", "riyal", "riyals"),
    english("halala", "halala", "halalas"),
    english("dirham", "dirham", "dirhams"),
    english("fils", "fils", "fils"),
    english("pound", "pound", "pounds"),
    english("piastre", "piastre", "piastres"),
    english("dinar", "dinar", "dinars"),
    english("millime", "millime", "millimes"),
    english("baisa", "baisa", "baisas"),
    english("centime", "centime", "centimes"),
    english("lira", "lira", "liras"),
    english("dollar", "dollar", "dollars"),
    english("cent", "cent", "cents"),
    english("euro", "euro", "euros"),
];

static FRENCH: [Noun; 25] = [
    western("call", Masculine, "appel", "appels"),
    western("minute", Feminine, "minute", "minutes"),
    western("second", Feminine, "seconde", "secondes"),
    western("hour", Feminine, "heure", "heures"),
    western("day", Masculine, "jour", "jours"),
    western("week", Feminine, "semaine", "semaines"),
    western("month", Masculine, "mois", "mois"),
    people(western("person", Feminine, "personne", "personnes")),
    western("order", Feminine, "commande", "commandes"),
    western("ticket", Masculine, "ticket", "tickets"),
    western("year", Masculine, "an", "ans"),
    western("riyal", Masculine, "riyal", "riyals"),
    western("halala", Masculine, "halala", "halalas"),
    western("dirham", Masculine, "dirham", "dirhams"),
    western("fils", Masculine, "fils", "fils"),
    western("pound", Feminine, "livre", "livres"),
    western("piastre", Feminine, "piastre", "piastres"),
    western("dinar", Masculine, "dinar", "dinars"),
    western("millime", Masculine, "millime", "millimes"),
    western("baisa", Masculine, "baisa", "baisas"),
    western("centime", Masculine, "centime", "centimes"),
    western("lira", Feminine, "livre", "livres"),
    western("dollar", Masculine, "dollar", "dollars"),
    // In writing "cent" would be read as the number 100.
    western("cent", Masculine, "centime", "centimes"),
    western("euro", Masculine, "euro", "euros"),
];
