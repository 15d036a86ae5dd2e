//! Currencies: what their whole and their small units are called.

use super::{SayError, latin_digits};

/// A currency that can be said.
#[derive(Debug, Eq, PartialEq)]
pub struct Currency {
    /// ISO 4217 code.
    pub code: &'static str,
    /// Name of the noun of the whole unit.
    pub major: &'static str,
    /// Name of the noun of the small unit.
    pub minor: &'static str,
    /// How many small units make a whole one: 100 or 1000.
    pub minor_per_major: u32,
}

impl Currency {
    /// Every currency that can be said.
    pub const ALL: &'static [Self] = &[
        hundred("SAR", "riyal", "halala"),
        hundred("QAR", "riyal", "dirham"),
        hundred("YER", "riyal", "fils"),
        thousand("OMR", "riyal", "baisa"),
        hundred("AED", "dirham", "fils"),
        hundred("MAD", "dirham", "centime"),
        hundred("EGP", "pound", "piastre"),
        hundred("SDG", "pound", "piastre"),
        thousand("KWD", "dinar", "fils"),
        thousand("BHD", "dinar", "fils"),
        thousand("JOD", "dinar", "fils"),
        thousand("IQD", "dinar", "fils"),
        thousand("TND", "dinar", "millime"),
        thousand("LYD", "dinar", "dirham"),
        hundred("SYP", "lira", "piastre"),
        hundred("LBP", "lira", "piastre"),
        hundred("USD", "dollar", "cent"),
        hundred("EUR", "euro", "cent"),
    ];

    /// The currency of an ISO 4217 code, in either case of letters.
    ///
    /// # Errors
    ///
    /// [`SayError::UnknownCurrency`]: the code is not in [`Currency::ALL`].
    pub fn find(code: &str) -> Result<&'static Self, SayError> {
        Self::ALL
            .iter()
            .find(|currency| currency.code.eq_ignore_ascii_case(code))
            .ok_or_else(|| SayError::UnknownCurrency(code.to_owned()))
    }

    /// How many digits an amount has after the point: 2 or 3.
    #[must_use]
    pub const fn decimals(&self) -> usize {
        if self.minor_per_major == 1000 { 3 } else { 2 }
    }

    /// Reads an amount as people write it, `125`, `-125.5`, `١٢٥٫٥٠`, in small units.
    ///
    /// `None` when it is no number, has more decimals than the currency, or does not fit.
    #[must_use]
    pub fn read(&self, amount: &str) -> Option<i64> {
        let amount = latin_digits(amount);
        let (size, sign) = amount.strip_prefix('-').map_or((amount.as_ref(), 1), |size| (size, -1));
        let (whole, part) = match size.split_once(['.', '٫']) {
            Some((_, "")) => return None,
            Some((whole, part)) => (whole, part),
            None => (size, ""),
        };
        let decimals = self.decimals();
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || part.len() > decimals || !digits(whole) || !digits(part) {
            return None;
        }
        Some(sign * format!("{whole}{part:0<decimals$}").parse::<i64>().ok()?)
    }

    /// Splits an amount in small units into whole and small ones, without the sign.
    pub(super) fn split(&self, minor: i64) -> Result<(u32, u32), SayError> {
        let (amount, size) = (minor.unsigned_abs(), u64::from(self.minor_per_major));
        let highest =
            i64::from(super::NUMBER_MAX) * i64::from(self.minor_per_major) + i64::from(self.minor_per_major) - 1;
        match (u32::try_from(amount / size), u32::try_from(amount % size)) {
            (Ok(major), Ok(small)) if major <= super::NUMBER_MAX => Ok((major, small)),
            (Ok(_) | Err(_), Ok(_) | Err(_)) => {
                Err(SayError::OutOfRange { what: "money", value: minor, lowest: -highest, highest })
            }
        }
    }
}

/// A currency of two decimals.
const fn hundred(code: &'static str, major: &'static str, minor: &'static str) -> Currency {
    Currency { code, major, minor, minor_per_major: 100 }
}

/// A currency of three decimals.
const fn thousand(code: &'static str, major: &'static str, minor: &'static str) -> Currency {
    Currency { code, major, minor, minor_per_major: 1000 }
}
