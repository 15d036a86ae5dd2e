//! Reading out character by character: digits, phone numbers, letters.

use super::{Language, Request, SPELLED_CHARACTERS_MAX, SayError, Unit, arabic, english, french, latin_digits, phone};

/// Says each digit; blanks and hyphens are skipped.
pub(super) fn digits(request: &Request<'_>, text: &str) -> Result<Vec<Unit>, SayError> {
    check_length(text)?;
    let mut units = Vec::new();
    for character in latin_digits(text).chars() {
        match character.to_digit(10) {
            Some(value) => units.push(digit(request, value)),
            None if matches!(character, ' ' | '-') => {}
            None => return Err(SayError::Unspeakable(character)),
        }
    }
    if units.is_empty() { Err(SayError::Empty) } else { Ok(units) }
}

/// Says a phone number, with a pause between its groups.
pub(super) fn phone(request: &Request<'_>, number: &str) -> Result<Vec<Unit>, SayError> {
    check_length(number)?;
    let mut units = Vec::new();
    for group in phone::groups(number)? {
        if !units.is_empty() {
            units.push(Unit::pause(request.language));
        }
        for character in group.chars() {
            units.push(name(request, character)?);
        }
    }
    Ok(units)
}

/// Says each letter, digit and sign; blanks between them are one pause.
pub(super) fn spell(request: &Request<'_>, text: &str) -> Result<Vec<Unit>, SayError> {
    check_length(text)?;
    let mut units = Vec::new();
    for word in latin_digits(text).split_whitespace() {
        if !units.is_empty() {
            units.push(Unit::pause(request.language));
        }
        for character in word.chars() {
            units.push(name(request, character)?);
        }
    }
    if units.is_empty() { Err(SayError::Empty) } else { Ok(units) }
}

/// Every letter and sign that can be spelled in a language; digits are among its numbers.
pub(super) fn names(language: Language) -> impl Iterator<Item = Unit> {
    let latin = ('a'..='z').filter_map(move |letter| latin_letter(language, letter));
    latin.chain(ARABIC_LETTERS.iter().chain(SIGNS).map(move |entry| entry.unit(language)))
}

fn check_length(text: &str) -> Result<(), SayError> {
    let characters = text.chars().count();
    if characters > SPELLED_CHARACTERS_MAX { Err(SayError::TooLong(characters)) } else { Ok(()) }
}

/// The unit that names one character.
fn name(request: &Request<'_>, character: char) -> Result<Unit, SayError> {
    if let Some(value) = character.to_digit(10) {
        return Ok(digit(request, value));
    }
    if let Some(unit) = latin_letter(request.language, character) {
        return Ok(unit);
    }
    ARABIC_LETTERS
        .iter()
        .chain(SIGNS)
        .find(|entry| entry.character == character)
        .map(|entry| entry.unit(request.language))
        .ok_or(SayError::Unspeakable(character))
}

/// The unit that says one digit, 0 to 9.
fn digit(request: &Request<'_>, value: u32) -> Unit {
    match request.language {
        Language::Ar => arabic::digit(request.style, value),
        Language::En => english::below_hundred(value),
        Language::Fr => french::below_hundred(value),
    }
}

/// The unit that names a Latin letter, capital or small; `None` for any other character.
fn latin_letter(language: Language, character: char) -> Option<Unit> {
    let small = character.to_ascii_lowercase();
    let text = match language {
        Language::Ar => LATIN_IN_ARABIC.iter().find(|(letter, _)| *letter == small).map(|(_, text)| (*text).to_owned()),
        Language::En | Language::Fr => small.is_ascii_lowercase().then(|| small.to_ascii_uppercase().to_string()),
    }?;
    Some(Unit::clip(format!("{language}.letter.{small}"), text))
}

/// The names of one Arabic letter or sign.
struct Entry {
    character: char,
    clip: &'static str,
    arabic: &'static str,
    english: &'static str,
    french: &'static str,
}

impl Entry {
    fn unit(&self, language: Language) -> Unit {
        let text = match language {
            Language::Ar => self.arabic,
            Language::En => self.english,
            Language::Fr => self.french,
        };
        Unit::clip(format!("{language}.{}", self.clip), text)
    }
}

/// An Arabic letter; other languages call it alike.
const fn letter(character: char, clip: &'static str, arabic: &'static str, latin: &'static str) -> Entry {
    Entry { character, clip, arabic, english: latin, french: latin }
}

const ARABIC_LETTERS: &[Entry] = &[
    letter('ا', "letter.alif", "ألف", "alif"),
    letter('ب', "letter.ba", "باء", "ba"),
    letter('ت', "letter.ta", "تاء", "ta"),
    letter('ث', "letter.tha", "ثاء", "tha"),
    letter('ج', "letter.jim", "جيم", "jim"),
    letter('ح', "letter.hha", "حاء", "hha"),
    letter('خ', "letter.kha", "خاء", "kha"),
    letter('د', "letter.dal", "دال", "dal"),
    letter('ذ', "letter.dhal", "ذال", "dhal"),
    letter('ر', "letter.ra", "راء", "ra"),
    letter('ز', "letter.zay", "زاي", "zay"),
    letter('س', "letter.sin", "سين", "sin"),
    letter('ش', "letter.shin", "شين", "shin"),
    letter('ص', "letter.sad", "صاد", "sad"),
    letter('ض', "letter.dad", "ضاد", "dad"),
    letter('ط', "letter.tta", "طاء", "tta"),
    letter('ظ', "letter.zza", "ظاء", "zza"),
    letter('ع', "letter.ayn", "عين", "ayn"),
    letter('غ', "letter.ghayn", "غين", "ghayn"),
    letter('ف', "letter.fa", "فاء", "fa"),
    letter('ق', "letter.qaf", "قاف", "qaf"),
    letter('ك', "letter.kaf", "كاف", "kaf"),
    letter('ل', "letter.lam", "لام", "lam"),
    letter('م', "letter.mim", "ميم", "mim"),
    letter('ن', "letter.nun", "نون", "nun"),
    letter('ه', "letter.ha", "هاء", "ha"),
    letter('و', "letter.waw", "واو", "waw"),
    letter('ي', "letter.ya", "ياء", "ya"),
    letter('ء', "letter.hamza", "همزة", "hamza"),
    letter('أ', "letter.alif-hamza", "ألف بهمزة", "alif hamza"),
    letter('إ', "letter.alif-hamza-below", "ألف بهمزة تحتها", "alif hamza below"),
    letter('آ', "letter.alif-madda", "ألف بمدة", "alif madda"),
    letter('ؤ', "letter.waw-hamza", "واو بهمزة", "waw hamza"),
    letter('ئ', "letter.ya-hamza", "ياء بهمزة", "ya hamza"),
    letter('ة', "letter.ta-marbuta", "تاء مربوطة", "ta marbuta"),
    letter('ى', "letter.alif-maqsura", "ألف مقصورة", "alif maqsura"),
];

const SIGNS: &[Entry] = &[
    Entry { character: '+', clip: "sign.plus", arabic: "زائد", english: "plus", french: "plus" },
    Entry { character: '-', clip: "sign.dash", arabic: "شرطة", english: "dash", french: "tiret" },
    Entry {
        character: '_', clip: "sign.underscore", arabic: "شرطة سفلية", english: "underscore", french: "tiret bas"
    },
    Entry { character: '.', clip: "sign.dot", arabic: "نقطة", english: "dot", french: "point" },
    Entry {
        character: '/', clip: "sign.slash", arabic: "شرطة مائلة", english: "slash", french: "barre oblique"
    },
    Entry { character: '@', clip: "sign.at", arabic: "آت", english: "at", french: "arobase" },
    Entry { character: '*', clip: "sign.star", arabic: "نجمة", english: "star", french: "étoile" },
    Entry { character: '#', clip: "sign.hash", arabic: "مربع", english: "hash", french: "dièse" },
];

const LATIN_IN_ARABIC: [(char, &str); 26] = [
    ('a', "إيه"),
    ('b', "بي"),
    ('c', "سي"),
    ('d', "دي"),
    ('e', "إي"),
    ('f', "إف"),
    ('g', "جي"),
    ('h', "إتش"),
    ('i', "آي"),
    ('j', "جيه"),
    ('k', "كيه"),
    ('l', "إل"),
    ('m', "إم"),
    ('n', "إن"),
    ('o', "أو"),
    // With the Persian letter: «بي» would be heard as a b.
    ('p', "پي"),
    ('q', "كيو"),
    ('r', "آر"),
    ('s', "إس"),
    ('t', "تي"),
    ('u', "يو"),
    ('v', "في"),
    ('w', "دبليو"),
    ('x', "إكس"),
    ('y', "واي"),
    ('z', "زد"),
];
