//! The digits that callers type and scripts write.

use std::borrow::Cow;

/// Writes Arabic-Indic digits (٠–٩) and their Persian forms (۰–۹) as 0–9; everything else stays.
#[must_use]
pub fn latin_digits(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|character| latin_digit(character) != character) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(latin_digit).collect())
}

/// The same for one character.
fn latin_digit(character: char) -> char {
    let value = match character {
        '٠'..='٩' => u32::from(character) - u32::from('٠'),
        '۰'..='۹' => u32::from(character) - u32::from('۰'),
        other => return other,
    };
    char::from_digit(value, 10).unwrap_or(character)
}
