//! Telephone numbers: from what people and carriers write to E.164 and back.
//!
//! A number is rewritten only when it is plain which number of the world it means; short numbers, names and codes
//! stay as they are. Pure text: nothing is looked up.

/// How a trunk's country writes numbers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Numbering {
    /// Country calling code without `+`: `966`.
    pub country: String,
    /// What stands before a national number at home: `0`; empty where nothing does.
    pub national_prefix: String,
    /// What stands before a foreign number: `00`.
    pub international_prefix: String,
    /// How numbers are written to the trunk.
    pub format: Format,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// `+966501234567`.
    #[default]
    Plus,
    /// `966501234567`.
    E164,
    /// `0501234567`; foreign ones `00971501234567`.
    National,
}

/// Fewest digits of an international number that are rewritten; below it is a short code.
const DIGITS_MIN: usize = 7;
/// Most digits of an international number (ITU-T E.164 §6.1).
const DIGITS_MAX: usize = 15;

/// Countries whose numbers have known lengths: calling code, prefixes, digits after the code.
const COUNTRIES: &[(&str, &str, &str, usize, usize)] = &[
    ("1", "1", "011", 10, 10),
    ("20", "0", "00", 8, 10),
    ("44", "0", "00", 9, 10),
    ("961", "0", "00", 7, 8),
    ("962", "0", "00", 8, 9),
    ("965", "", "00", 8, 8),
    ("966", "0", "00", 9, 9),
    ("968", "", "00", 8, 8),
    ("971", "0", "00", 8, 9),
    ("973", "", "00", 8, 8),
    ("974", "", "00", 8, 8),
];

impl Numbering {
    /// The numbering of a country by its calling code, with the prefixes used there (`0` and `00` for one that is
    /// not in the table).
    pub fn of_country(code: &str) -> Self {
        let known = COUNTRIES.iter().find(|(country, ..)| *country == code);
        let (national, international) =
            known.map_or(("0", "00"), |(_, national, international, ..)| (national, international));
        Self {
            country: code.to_owned(),
            national_prefix: national.to_owned(),
            international_prefix: international.to_owned(),
            format: Format::default(),
        }
    }

    /// The number as `+` and digits, or `None` when it is not plain which number of the world this is.
    ///
    /// `text` is the user part of a URI; visual separators (RFC 3966 §5.1.1) are passed over.
    pub fn normalise(&self, text: &str) -> Option<String> {
        let bare: String = text.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect();
        let (plus, digits) = match bare.strip_prefix('+') {
            Some(digits) => (true, digits),
            None => (false, bare.as_str()),
        };
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        if plus {
            return world(digits);
        }
        let after = |prefix: &str| if prefix.is_empty() { None } else { digits.strip_prefix(prefix) };
        if let Some(foreign) = after(&self.international_prefix) {
            return world(foreign);
        }
        let home = |number: &str| self.fits(number).then(|| format!("+{}{number}", self.country));
        if let Some(number) = digits.strip_prefix(self.country.as_str()).and_then(home) {
            return Some(number);
        }
        if let Some(number) = after(&self.national_prefix) {
            return home(number);
        }
        // Without any prefix only where the length says that it is whole.
        if self.lengths().is_some() { home(digits) } else { None }
    }

    /// The number as the trunk wants it; one that is not plain stays as it is.
    pub fn write(&self, text: &str) -> String {
        let Some(number) = self.normalise(text) else { return text.to_owned() };
        let digits = number.strip_prefix('+').unwrap_or(&number);
        match self.format {
            Format::Plus => number,
            Format::E164 => digits.to_owned(),
            Format::National => match digits.strip_prefix(self.country.as_str()) {
                Some(home) => format!("{}{home}", self.national_prefix),
                None => format!("{}{digits}", self.international_prefix),
            },
        }
    }

    /// Every way in which `[[number]] match` may write a number that came as `text`, beside `text` itself:
    /// `+966…`, `966…`, and at home `0…`. Empty when the number is not plain.
    pub fn forms(&self, text: &str) -> Vec<String> {
        let Some(number) = self.normalise(text) else { return Vec::new() };
        let digits = number.strip_prefix('+').unwrap_or(&number).to_owned();
        let national = Self { format: Format::National, ..self.clone() }.write(&number);
        let mut forms = vec![number, digits, national];
        forms.retain(|form| form != text);
        forms
    }

    fn lengths(&self) -> Option<(usize, usize)> {
        COUNTRIES.iter().find(|(country, ..)| *country == self.country).map(|(.., least, most)| (*least, *most))
    }

    /// Whether so many digits can stand after the country's code.
    fn fits(&self, number: &str) -> bool {
        let code = self.country.len();
        let (least, most) = self.lengths().unwrap_or((DIGITS_MIN, DIGITS_MAX.saturating_sub(code)));
        (least..=most).contains(&number.len()) && !number.starts_with('0')
    }
}

/// An international number: digits after `+` or the international prefix.
fn world(digits: &str) -> Option<String> {
    let fits = (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && !digits.starts_with('0');
    fits.then(|| format!("+{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written, and the number of the world it means; `""` = not plain, left alone.
    const TABLE: &[(&str, &[(&str, &str)])] = &[
        (
            "966",
            &[
                ("0501234567", "+966501234567"),
                ("501234567", "+966501234567"),
                ("966501234567", "+966501234567"),
                ("+966501234567", "+966501234567"),
                ("00966501234567", "+966501234567"),
                ("+966-50-123 4567", "+966501234567"),
                ("0112345678", "+966112345678"),
                ("920012345", "+966920012345"),
                ("00971501234567", "+971501234567"),
                ("+442079460000", "+442079460000"),
                ("500", ""),
                ("999", ""),
                ("0", ""),
                ("00", ""),
                ("8001234567", ""),
                ("anonymous", ""),
                ("", ""),
                ("*12", ""),
                ("050123456", ""),
                ("+0501234567", ""),
                ("0000501234567", ""),
                ("+9665012345671234567", ""),
            ],
        ),
        (
            "971",
            &[
                ("0501234567", "+971501234567"),
                ("042345678", "+97142345678"),
                ("97142345678", "+97142345678"),
                ("00966501234567", "+966501234567"),
                ("999", ""),
            ],
        ),
        (
            "20",
            &[
                ("01001234567", "+201001234567"),
                ("0223456789", "+20223456789"),
                ("00201001234567", "+201001234567"),
                ("19777", ""),
            ],
        ),
        (
            "44",
            &[
                ("02079460000", "+442079460000"),
                ("442079460000", "+442079460000"),
                ("0012125550100", "+12125550100"),
                ("112", ""),
            ],
        ),
        (
            "1",
            &[
                ("2125550100", "+12125550100"),
                ("12125550100", "+12125550100"),
                ("+12125550100", "+12125550100"),
                ("011966501234567", "+966501234567"),
                ("5550100", ""),
                ("911", ""),
            ],
        ),
        // Not in the table of lengths: only what has a prefix is plain.
        ("49", &[("0301234567", "+49301234567"), ("301234567", ""), ("49301234567", "+49301234567")]),
    ];

    #[test]
    fn a_number_means_the_same_however_it_is_written() {
        for (country, rows) in TABLE {
            let numbering = Numbering::of_country(country);
            for (text, number) in *rows {
                let wanted = (!number.is_empty()).then(|| (*number).to_owned());
                assert_eq!(numbering.normalise(text), wanted, "{country}: {text}");
            }
        }
    }

    #[test]
    fn each_trunk_gets_its_own_form_and_short_numbers_stay() {
        let write =
            |country: &str, format, text: &str| Numbering { format, ..Numbering::of_country(country) }.write(text);
        for (format, home, abroad) in [
            (Format::Plus, "+966501234567", "+971501234567"),
            (Format::E164, "966501234567", "971501234567"),
            (Format::National, "0501234567", "00971501234567"),
        ] {
            assert_eq!(write("966", format, "0501234567"), home);
            assert_eq!(write("966", format, "00966501234567"), home);
            assert_eq!(write("966", format, "+971501234567"), abroad);
            assert_eq!(write("966", format, "999"), "999");
            assert_eq!(write("966", format, "anonymous"), "anonymous");
        }
        assert_eq!(write("1", Format::National, "+12125550100"), "12125550100");
        assert_eq!(write("1", Format::National, "+966501234567"), "011966501234567");
        assert_eq!(write("974", Format::National, "+97444123456"), "44123456");
    }

    #[test]
    fn a_dialled_number_is_found_in_any_of_its_forms() {
        let numbering = Numbering::of_country("966");
        assert_eq!(numbering.forms("0112345678"), ["+966112345678", "966112345678"]);
        assert_eq!(numbering.forms("+966112345678"), ["966112345678", "0112345678"]);
        assert_eq!(numbering.forms("500"), Vec::<String>::new());
    }

    proptest::proptest! {
        /// What is written in any form means the same number again.
        #[test]
        fn every_form_reads_back(digits in "[1-9][0-9]{8}", format in 0..3_usize) {
            let format = [Format::Plus, Format::E164, Format::National][format];
            let numbering = Numbering { format, ..Numbering::of_country("966") };
            let number = format!("+966{digits}");
            proptest::prop_assert_eq!(numbering.normalise(&numbering.write(&number)), Some(number));
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,40}") {
            let numbering = Numbering::of_country("966");
            let _ = numbering.forms(&text);
            let _ = numbering.write(&text);
        }
    }
}
