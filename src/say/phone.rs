//! How a phone number falls into groups.
//!
//! Digits stay in dialled order. A plan of the table wins; any other number goes by threes, with four at the
//! end rather than a digit alone.

use super::{SayError, latin_digits};

/// The groups of one kind of number, recognised by how it starts and how long it is.
struct Plan {
    starts: &'static str,
    groups: &'static [usize],
}

/// National numbers, as dialled inside the country.
const NATIONAL: &[Plan] = &[
    // Saudi Arabia and the Emirates: mobiles; the two countries write them alike.
    Plan { starts: "05", groups: &[3, 3, 4] },
    // Egypt: mobiles, then Cairo.
    Plan { starts: "01", groups: &[3, 4, 4] },
    Plan { starts: "02", groups: &[2, 4, 4] },
    // Saudi landlines; Egyptian ones outside Cairo have the same shape.
    Plan { starts: "01", groups: &[3, 3, 4] },
    // Saudi unified and free numbers.
    Plan { starts: "9200", groups: &[4, 2, 3] },
    Plan { starts: "800", groups: &[3, 3, 4] },
    // Emirates: landlines, one area digit after the zero; Alexandria has the same shape.
    Plan { starts: "0", groups: &[2, 3, 4] },
];

/// International numbers, from the country code on; the first group is the code.
const INTERNATIONAL: &[Plan] = &[
    Plan { starts: "966", groups: &[3, 2, 3, 4] },
    Plan { starts: "971", groups: &[3, 2, 3, 4] },
    Plan { starts: "971", groups: &[3, 1, 3, 4] },
    Plan { starts: "201", groups: &[2, 2, 4, 4] },
    Plan { starts: "202", groups: &[2, 1, 4, 4] },
];

/// Splits a phone number into groups; a leading `+` or `00` stays before the country code.
///
/// # Errors
///
/// - [`SayError::Unspeakable`]: something else than digits, `+` in front, `*`, `#` and the usual separators.
/// - [`SayError::Empty`]: no digit at all.
pub(super) fn groups(number: &str) -> Result<Vec<String>, SayError> {
    let mut dialled = String::new();
    for character in latin_digits(number).chars() {
        match character {
            '0'..='9' | '*' | '#' => dialled.push(character),
            '+' if dialled.is_empty() => dialled.push(character),
            ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}' => {}
            other => return Err(SayError::Unspeakable(other)),
        }
    }
    // Every character is ASCII now, so bytes are characters and any split is a good one.
    let (prefix, rest) = match (dialled.strip_prefix('+'), dialled.strip_prefix("00")) {
        (Some(rest), _) => ("+", rest),
        (None, Some(rest)) if !rest.is_empty() => ("00", rest),
        (None, Some(_) | None) => ("", dialled.as_str()),
    };
    if rest.is_empty() {
        return Err(SayError::Empty);
    }
    let sizes = if prefix.is_empty() {
        planned(NATIONAL, rest).unwrap_or_else(|| threes(rest.len()))
    } else {
        planned(INTERNATIONAL, rest).unwrap_or_else(|| {
            let code = country_code_digits(rest).min(rest.len());
            let mut sizes = vec![code];
            sizes.extend(threes(rest.len() - code));
            sizes
        })
    };
    let mut groups = cut(rest, &sizes);
    if let Some(first) = groups.first_mut() {
        first.insert_str(0, prefix);
    }
    Ok(groups)
}

/// The groups of the plan that fits, if one does.
fn planned(plans: &[Plan], digits: &str) -> Option<Vec<usize>> {
    plans
        .iter()
        .find(|plan| digits.starts_with(plan.starts) && plan.groups.iter().sum::<usize>() == digits.len())
        .map(|plan| plan.groups.to_vec())
}

/// Groups of three; a last digit alone joins the group before it.
fn threes(digits: usize) -> Vec<usize> {
    let mut sizes = vec![3; digits / 3];
    match (digits % 3, sizes.last_mut()) {
        (0, _) => {}
        (1, Some(last)) => *last += 1,
        (rest, Some(_) | None) => sizes.push(rest),
    }
    sizes
}

/// Length of the country code at the start of an international number (ITU-T E.164, list of assigned codes).
fn country_code_digits(digits: &str) -> usize {
    let code = digits.get(..2).unwrap_or(digits);
    match code.as_bytes() {
        [b'1' | b'7', ..] => 1,
        [b'2', b'0' | b'7']
        | [b'3', b'0'..=b'4' | b'6' | b'9']
        | [b'4', b'0' | b'1' | b'3'..=b'9']
        | [b'5', b'1'..=b'8']
        | [b'6', b'0'..=b'6']
        | [b'8', b'1' | b'2' | b'4' | b'6']
        | [b'9', b'0'..=b'5' | b'8'] => 2,
        _ => 3,
    }
}

/// Cuts a text into pieces of the given sizes.
fn cut(digits: &str, sizes: &[usize]) -> Vec<String> {
    let mut rest = digits.chars();
    sizes.iter().map(|size| rest.by_ref().take(*size).collect()).collect()
}
