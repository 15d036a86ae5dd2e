//! Running text for a voice that shall find no digits in it.

use super::{Kind, Language, NUMBER_MAX, Nouns, Request, latin_digits, say, text};

/// The same text with words in place of its digits: a number that stands alone is said as one, everything else (a code, a
/// number with a zero in front, what is joined to letters or signs) digit by digit.
#[must_use]
pub fn prose(language: Language, written: &str) -> String {
    let latin = latin_digits(written);
    if !latin.contains(|c: char| c.is_ascii_digit()) {
        return written.to_owned();
    }
    let nouns = Nouns::built_in();
    let mut spoken = String::with_capacity(latin.len() * 2);
    let mut rest = latin.as_ref();
    while let Some(from) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, digits_on) = rest.split_at(from);
        let end = digits_on.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits_on.len());
        let (digits, after) = digits_on.split_at(end);
        let is_joined = before.chars().next_back().is_some_and(joins) || is_joined_behind(after);
        let number = digits.parse::<i64>().ok().filter(|number| *number <= i64::from(NUMBER_MAX));
        let number = number.filter(|_| !is_joined && (digits.len() == 1 || !digits.starts_with('0')));
        spoken.push_str(before);
        // What stands right beside a letter would be read as one word with it.
        if spoken.chars().next_back().is_some_and(|c| !c.is_whitespace()) {
            spoken.push(' ');
        }
        match number {
            Some(value) => {
                push(&mut spoken, language, &nouns, Kind::Number { value, gender: super::Gender::Masculine })
            }
            None => {
                // Longer runs than can be said at once: in parts.
                for (n, digit) in digits.char_indices() {
                    if n > 0 {
                        spoken.push(' ');
                    }
                    push(&mut spoken, language, &nouns, Kind::Digits(digit.encode_utf8(&mut [0; 4])));
                }
            }
        }
        if after.starts_with(char::is_alphanumeric) {
            spoken.push(' ');
        }
        rest = after;
    }
    spoken.push_str(rest);
    spoken
}

/// Whether a digit behind this is part of something longer than a number.
fn joins(before: char) -> bool {
    before.is_alphanumeric() || matches!(before, '.' | '٫' | ',' | ':' | '-' | '/' | '+' | '_' | '#' | '@')
}

/// Whether what follows a run of digits belongs to it: letters, or a sign with more digits behind it.
fn is_joined_behind(after: &str) -> bool {
    let mut characters = after.chars();
    match characters.next() {
        Some(first) if first.is_alphanumeric() => true,
        Some(first) if joins(first) => characters.next().is_some_and(char::is_alphanumeric),
        Some(_) | None => false,
    }
}

fn push(spoken: &mut String, language: Language, nouns: &Nouns, kind: Kind<'_>) {
    // Both kinds are in range here; an error would leave the place empty, never the digits.
    if let Ok(units) = say(&Request::new(language, nouns, kind)) {
        spoken.push_str(&text(&units));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_digit_is_left_and_only_whole_numbers_are_counted() {
        let cases = [
            (Language::En, "Ticket 125 is open.", "Ticket one hundred and twenty-five is open."),
            (Language::En, "Code 0042", "Code zero zero four two"),
            (Language::En, "room A12b", "room A one two b"),
            (Language::En, "press 1, then 2.", "press one, then two."),
            (Language::En, "at 14:30", "at one four: three zero"),
            (Language::Fr, "le 21", "le vingt et un"),
            (Language::Ar, "رقم ٢١", "رقم واحد وعشرون"),
            (Language::En, "none", "none"),
        ];
        for (language, written, spoken) in cases {
            assert_eq!(prose(language, written), spoken, "{written}");
        }
        for language in Language::ALL {
            let long = prose(language, &"1234567890 x9 ٩٩٩٩٩٩٩٩٩٩٩٩ 7-".repeat(9));
            assert!(!long.chars().any(char::is_numeric), "{long}");
        }
    }
}
