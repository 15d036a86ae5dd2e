//! SDP security descriptions: the value of `a=crypto` (RFC 4568).
//!
//! ```text
//!   1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20 UNENCRYPTED_SRTCP
//!   tag suite                 key and salt in base64                          lifetime  session parameters
//! ```
//!
//! The master key travels readable: only for signalling that is encrypted itself. Several lines are a choice of the
//! offerer; a line that cannot be read is none of them (RFC 4568 §7.1.2).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How media is to be encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Suite {
    /// `AEAD_AES_128_GCM` (RFC 7714 §14.1).
    AeadAes128Gcm,
    /// `AEAD_AES_256_GCM` (RFC 7714 §14.1).
    AeadAes256Gcm,
    /// `AES_CM_128_HMAC_SHA1_80` (RFC 4568 §6.2.1).
    AesCm128HmacSha1_80,
    /// `AES_CM_128_HMAC_SHA1_32` (RFC 4568 §6.2.2).
    AesCm128HmacSha1_32,
}

impl Suite {
    /// All, the one to be preferred first.
    pub const ALL: [Self; 4] =
        [Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::AesCm128HmacSha1_80, Self::AesCm128HmacSha1_32];

    /// Its registered name, read and written in capitals.
    pub fn name(self) -> &'static str {
        match self {
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// Bytes of the master key and the master salt together.
    pub fn key_salt_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 16 + 12,
            Self::AeadAes256Gcm => 32 + 12,
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 16 + 14,
        }
    }
}

/// One `a=crypto` line that can be accepted or offered. `Debug` hides the key.
#[derive(Clone, Eq, PartialEq)]
pub struct Crypto {
    /// Which of the offer's lines: the answer repeats it. At most 999,999,999.
    pub tag: u32,
    /// The suite.
    pub suite: Suite,
    /// The master key with its salt behind it, [`Suite::key_salt_bytes`] long: of what the writer of the line sends.
    pub key_salt: Vec<u8>,
}

impl fmt::Debug for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crypto").field("tag", &self.tag).field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// Why a line is passed over: the peer's doing, or something that we have not.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CryptoError {
    /// The tag is not 1 to 9 digits, or begins with 0 (RFC 4568 §9.1).
    #[error("the tag of a=crypto is not a number")]
    Tag,
    /// A suite that is none of [`Suite::ALL`].
    #[error("the suite of a=crypto is unknown")]
    UnknownSuite,
    /// Suite or key is missing.
    #[error("a=crypto is cut off")]
    Truncated,
    /// The key does not begin with `inline:`, or more than one key is given.
    #[error("the key of a=crypto is not one inline key")]
    KeyMethod,
    /// Not base64, or not as long as the suite's key and salt.
    #[error("the key of a=crypto has not the suite's length")]
    Key,
    /// Neither a decimal number nor a power of two, or 0, or over the 2⁴⁸ packets of SRTP (RFC 4568 §6.1).
    #[error("the lifetime of a=crypto cannot be read")]
    Lifetime,
    /// A master key identifier, which changes the packets' form: not built.
    #[error("a=crypto with an MKI is not supported")]
    MasterKeyIdentifier,
    /// A session parameter that must be understood and is not (RFC 4568 §6.3.7); all those that are known change
    /// something that we do not change.
    #[error("a session parameter of a=crypto is not supported")]
    SessionParameter,
}

impl Crypto {
    /// Reads what stands behind `a=crypto:`.
    ///
    /// A lifetime is checked and not kept: no call sends 2³¹ packets. Session parameters that begin with `-` may be
    /// passed over, and are (RFC 4568 §6.3.7).
    ///
    /// # Errors
    ///
    /// Any [`CryptoError`]: the line is to be passed over.
    pub fn parse(value: &str) -> Result<Self, CryptoError> {
        let mut words = value.split([' ', '\t']).filter(|word| !word.is_empty());
        let tag = read_tag(words.next().ok_or(CryptoError::Tag)?)?;
        let name = words.next().ok_or(CryptoError::Truncated)?;
        let suite = Suite::ALL.into_iter().find(|suite| suite.name() == name).ok_or(CryptoError::UnknownSuite)?;
        let key = words.next().ok_or(CryptoError::Truncated)?;
        let key_salt = read_key(key, suite)?;
        if words.any(|parameter| !parameter.starts_with('-')) {
            return Err(CryptoError::SessionParameter);
        }
        Ok(Self { tag, suite, key_salt })
    }

    /// What stands behind `a=crypto:`: no lifetime, no parameters.
    pub fn write(&self) -> String {
        format!("{} {} inline:{}", self.tag, self.suite.name(), STANDARD.encode(&self.key_salt))
    }
}

fn read_tag(word: &str) -> Result<u32, CryptoError> {
    let digits = (1..=9).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit());
    if !digits || word.starts_with('0') {
        return Err(CryptoError::Tag);
    }
    word.parse().map_err(|_| CryptoError::Tag)
}

/// `inline:` key and salt, then perhaps `|lifetime`, then perhaps `|MKI:length` (RFC 4568 §6.1).
fn read_key(word: &str, suite: Suite) -> Result<Vec<u8>, CryptoError> {
    let (method, info) = word.split_once(':').ok_or(CryptoError::KeyMethod)?;
    // More than one key is told apart by MKI, which is not built either.
    if !method.eq_ignore_ascii_case("inline") || info.contains(';') {
        return Err(CryptoError::KeyMethod);
    }
    let mut parts = info.split('|');
    let key_salt = STANDARD.decode(parts.next().unwrap_or_default()).map_err(|_| CryptoError::Key)?;
    if key_salt.len() != suite.key_salt_bytes() {
        return Err(CryptoError::Key);
    }
    for part in parts {
        if part.contains(':') {
            return Err(CryptoError::MasterKeyIdentifier);
        }
        check_lifetime(part)?;
    }
    Ok(key_salt)
}

/// Packets that the key may serve: `2^20`, or the number itself.
fn check_lifetime(text: &str) -> Result<(), CryptoError> {
    let (digits, most) = match text.strip_prefix("2^") {
        Some(power) => (power, 48),
        None => (text, 1 << 48),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| CryptoError::Lifetime)?;
    if plain && (1..=most).contains(&number) { Ok(()) } else { Err(CryptoError::Lifetime) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn error(value: &str) -> CryptoError {
        Crypto::parse(value).unwrap_err()
    }

    /// RFC 4568 §7.1.1 and §9.2; the keys with an MKI or a session parameter are refused, see below.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let read =
            Crypto::parse("1 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^20").unwrap();
        assert_eq!((read.tag, read.suite), (1, Suite::AesCm128HmacSha1_32));
        assert_eq!(read.key_salt, b"70xwPH5@/,L:S1wY\"~='EpgT%(i_Vc");
        let read = Crypto::parse("1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:32");
        assert_eq!(read, Err(CryptoError::MasterKeyIdentifier));
        assert_eq!(Crypto::parse(&format!("2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1048576")).unwrap().tag, 2);
    }

    #[test]
    fn what_is_written_is_read() {
        for suite in Suite::ALL {
            let key_salt = (0..suite.key_salt_bytes()).map(|n| 255 - n as u8).collect();
            let crypto = Crypto { tag: 999_999_999, suite, key_salt };
            assert_eq!(Crypto::parse(&crypto.write()), Ok(crypto));
        }
        let crypto = Crypto { tag: 3, suite: Suite::AeadAes128Gcm, key_salt: b"0123456789abcdef0123456789ab".to_vec() };
        assert_eq!(crypto.write(), "3 AEAD_AES_128_GCM inline:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYg==");
        assert_eq!(format!("{crypto:?}"), "Crypto { tag: 3, suite: AeadAes128Gcm, .. }");
    }

    #[test]
    fn tags_are_numbers_of_one_to_nine_digits() {
        for tag in ["", "x", "-1", "+1", "1234567890", "01", "0", "1.0"] {
            assert_eq!(error(&format!("{tag} AES_CM_128_HMAC_SHA1_80 inline:{KEY}")), CryptoError::Tag, "{tag}");
        }
    }

    #[test]
    fn other_suites_are_unknown() {
        for suite in ["F8_128_HMAC_SHA1_80", "AES_192_CM_HMAC_SHA1_80", "aes_cm_128_hmac_sha1_80", "NULL"] {
            assert_eq!(error(&format!("1 {suite} inline:{KEY}")), CryptoError::UnknownSuite);
        }
    }

    #[test]
    fn a_line_has_tag_suite_and_key() {
        assert_eq!(error("1"), CryptoError::Truncated);
        assert_eq!(error("1 AES_CM_128_HMAC_SHA1_80"), CryptoError::Truncated);
        assert!(Crypto::parse(&format!("1  AES_CM_128_HMAC_SHA1_80\tinline:{KEY} ")).is_ok(), "white space is free");
    }

    #[test]
    fn the_key_is_inline_and_one() {
        for key in [KEY, &format!("uri:{KEY}"), &format!("inline:{KEY};inline:{KEY}")] {
            assert_eq!(error(&format!("1 AES_CM_128_HMAC_SHA1_80 {key}")), CryptoError::KeyMethod, "{key}");
        }
    }

    #[test]
    fn the_key_is_base64_of_the_suites_length() {
        let short = STANDARD.encode([1; 29]);
        let long = STANDARD.encode([1; 31]);
        for key in ["", "!!!!", "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGV", &short, &long] {
            assert_eq!(error(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}")), CryptoError::Key, "{key}");
        }
        assert_eq!(error(&format!("1 AEAD_AES_128_GCM inline:{KEY}")), CryptoError::Key, "its salt has 12 bytes");
    }

    #[test]
    fn lifetimes_are_numbers_or_powers_of_two() {
        for lifetime in ["", "0", "2^", "2^0", "2^49", "3^20", "x", "281474976710657", "+5", "2^+5", "-1"] {
            let line = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|{lifetime}");
            assert_eq!(error(&line), CryptoError::Lifetime, "{lifetime}");
        }
        for lifetime in ["1", "2^31", "2^48", "281474976710656"] {
            assert!(Crypto::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|{lifetime}")).is_ok());
        }
    }

    /// RFC 4568 §6.1: an MKI may come without a lifetime.
    #[test]
    fn a_master_key_identifier_is_refused() {
        for mki in ["|1:4", "|2^20|1:4", "|1:32"] {
            let line = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}{mki}");
            assert_eq!(error(&line), CryptoError::MasterKeyIdentifier, "{mki}");
        }
    }

    /// RFC 4568 §6.3: what is not understood refuses the line, unless it begins with `-`.
    #[test]
    fn session_parameters_must_be_understood() {
        for parameter in ["KDR=1", "UNENCRYPTED_SRTCP", "FEC_ORDER=FEC_SRTP", "WSH=64", "-WSH=64 KDR=0", "x"] {
            let line = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} {parameter}");
            assert_eq!(error(&line), CryptoError::SessionParameter, "{parameter}");
        }
        assert!(Crypto::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} -WSH=64 -any")).is_ok());
    }
}
