//! Fingerprints of certificates, as SDP carries them (RFC 8122 §5).

use sha2::{Digest, Sha256, Sha384, Sha512};

/// Hash functions that are good enough to know a certificate by; MD5 and SHA-1 are not (RFC 8122 §5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HashFunction {
    /// `sha-256`: what everybody uses.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl HashFunction {
    /// Its name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }
}

/// The hash of a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fingerprint {
    function: HashFunction,
    digest: Vec<u8>,
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(function: HashFunction, certificate: &[u8]) -> Self {
        let digest = match function {
            HashFunction::Sha256 => Sha256::digest(certificate).to_vec(),
            HashFunction::Sha384 => Sha384::digest(certificate).to_vec(),
            HashFunction::Sha512 => Sha512::digest(certificate).to_vec(),
        };
        Self { function, digest }
    }

    /// Reads the two words of `a=fingerprint`: the function's name in any case, and `AB:CD:…`.
    ///
    /// `None` when the function is weak or unknown, or the digits are not of its length. Of several lines of a peer
    /// those that cannot be read are left out (RFC 8122 §5.1).
    pub fn parse(function: &str, digits: &str) -> Option<Self> {
        let functions = [HashFunction::Sha256, HashFunction::Sha384, HashFunction::Sha512];
        let function = functions.into_iter().find(|f| f.name().eq_ignore_ascii_case(function))?;
        let byte = |text: &str| (text.len() == 2).then(|| u8::from_str_radix(text, 16).ok()).flatten();
        let digest: Vec<u8> = digits.split(':').map(byte).collect::<Option<_>>()?;
        let length = match function {
            HashFunction::Sha256 => 32,
            HashFunction::Sha384 => 48,
            HashFunction::Sha512 => 64,
        };
        (digest.len() == length).then_some(Self { function, digest })
    }

    /// True when the certificate, in DER, has this fingerprint.
    pub fn is_of(&self, certificate: &[u8]) -> bool {
        *self == Self::of(self.function, certificate)
    }
}

/// As in SDP: `sha-256 AB:CD:…`.
impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.function.name())?;
        for (at, byte) in self.digest.iter().enumerate() {
            write!(f, "{}{byte:02X}", if at == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_back_as_written() {
        for function in [HashFunction::Sha256, HashFunction::Sha384, HashFunction::Sha512] {
            let fingerprint = Fingerprint::of(function, b"certificate");
            let text = fingerprint.to_string();
            let (name, digits) = text.split_once(' ').unwrap();
            assert_eq!(Fingerprint::parse(&name.to_uppercase(), &digits.to_lowercase()), Some(fingerprint.clone()));
            assert!(fingerprint.is_of(b"certificate") && !fingerprint.is_of(b"another"));
        }
    }

    /// FIPS 180-4: SHA-256 of "abc".
    #[test]
    fn digits_are_upper_case_and_parted_by_colons() {
        let text = Fingerprint::of(HashFunction::Sha256, b"abc").to_string();
        assert!(text.starts_with("sha-256 BA:78:16:BF:8F:01:CF:EA:"), "{text}");
    }

    #[test]
    fn weak_and_broken_ones_are_refused() {
        let sha1 = ["00"; 20].join(":");
        assert_eq!(Fingerprint::parse("sha-1", &sha1), None);
        for digits in ["", "00", &["00"; 31].join(":"), &["0"; 32].join(":"), &["+1"; 32].join(":").replace('+', "g")] {
            assert_eq!(Fingerprint::parse("sha-256", digits), None, "{digits}");
        }
    }
}
