//! The place of a caller who waits, as a sentence: «أمامكم خمس وعشرون مكالمةً».

use super::{Kind, Language, NUMBER_MAX, Request, SayError, Unit, say};

/// The words of one language around the number of calls.
struct Words {
    /// For who is next.
    next: (&'static str, &'static str),
    /// Before one call.
    one: (&'static str, &'static str),
    /// Before several.
    several: (&'static str, &'static str),
    /// After the calls.
    after: Option<(&'static str, &'static str)>,
}

const ARABIC: Words = Words {
    next: ("ar.position.next", "دوركم هو التالي"),
    one: ("ar.position.ahead", "أمامكم"),
    several: ("ar.position.ahead", "أمامكم"),
    after: None,
};

const ENGLISH: Words = Words {
    next: ("en.position.next", "you are next in line"),
    one: ("en.position.is", "there is"),
    several: ("en.position.are", "there are"),
    after: Some(("en.position.before", "before you")),
};

const FRENCH: Words = Words {
    next: ("fr.position.next", "votre appel est le prochain"),
    one: ("fr.position.ahead", "il y a"),
    several: ("fr.position.ahead", "il y a"),
    after: Some(("fr.position.before", "avant le vôtre")),
};

/// Says a place in a queue, 1 = next.
pub(super) fn position(request: &Request<'_>, place: u32) -> Result<Vec<Unit>, SayError> {
    let words = words(request.language);
    let highest = i64::from(NUMBER_MAX) + 1;
    let out_of_range = SayError::OutOfRange { what: "position", value: i64::from(place), lowest: 1, highest };
    let ahead = place.checked_sub(1).ok_or(out_of_range)?;
    let before = match ahead {
        0 => return Ok(vec![unit(words.next)]),
        1 => words.one,
        _ => words.several,
    };
    let calls = say(&Request { kind: Kind::Count { value: i64::from(ahead), noun: "call" }, ..*request })?;
    Ok([unit(before)].into_iter().chain(calls).chain(words.after.map(unit)).collect())
}

/// What these sentences need beside numbers and calls.
pub(super) fn units(language: Language) -> impl Iterator<Item = Unit> {
    let Words { next, one, several, after } = words(language);
    [Some(next), Some(one), Some(several), after].into_iter().flatten().map(unit)
}

const fn words(language: Language) -> Words {
    match language {
        Language::Ar => ARABIC,
        Language::En => ENGLISH,
        Language::Fr => FRENCH,
    }
}

fn unit((clip, text): (&'static str, &'static str)) -> Unit {
    Unit::clip(clip, text)
}
