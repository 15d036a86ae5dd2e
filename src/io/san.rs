//! The names a certificate gives its owner, for SIP (RFC 5922 §7.1): `sip:` URIs without a user part, else DNS names.
//!
//! Only read after the certificate was verified; what cannot be read gives no names. The common name does not count.

/// DER: the tag and the content of the first element, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// The content of the first element when it is of this tag.
fn inside(der: &[u8], tag: u8) -> Option<&[u8]> {
    element(der).filter(|(found, _, _)| *found == tag).map(|(_, content, _)| content)
}

/// All elements of a sequence's content.
fn elements(mut der: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, content, rest) = element(der)?;
        der = rest;
        Some((tag, content))
    })
}

const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const URI_NAME: u8 = 0x86;
/// id-ce-subjectAltName, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The domains that the owner of this certificate may speak for, in lower case.
pub fn domains(certificate: &[u8]) -> Vec<String> {
    let mut uris = Vec::new();
    let mut names = Vec::new();
    for (tag, value) in elements(alternative_names(certificate).unwrap_or_default()) {
        let Ok(text) = std::str::from_utf8(value) else { continue };
        let text = text.to_ascii_lowercase();
        match tag {
            DNS_NAME => names.push(text),
            // One of a user is no domain.
            URI_NAME => uris.extend(text.strip_prefix("sip:").filter(|rest| !rest.contains('@')).map(host)),
            _ => {}
        }
    }
    if uris.is_empty() { names } else { uris }
}

fn host(rest: &str) -> String {
    rest.split([':', ';', '?']).next().unwrap_or_default().to_owned()
}

fn alternative_names(certificate: &[u8]) -> Option<&[u8]> {
    let to_be_signed = inside(inside(certificate, SEQUENCE)?, SEQUENCE)?;
    let extensions = elements(to_be_signed).find(|(tag, _)| *tag == EXTENSIONS)?.1;
    let list = inside(extensions, SEQUENCE)?;
    let wanted = |(_, extension): &(u8, &[u8])| inside(extension, OBJECT) == Some(SUBJECT_ALT_NAME);
    let (_, extension) = elements(list).find(wanted)?;
    let (_, octets) = elements(extension).find(|(tag, _)| *tag == OCTETS)?;
    inside(octets, SEQUENCE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn dns(name: &str) -> SanType {
        SanType::DnsName(name.try_into().unwrap())
    }

    fn uri(name: &str) -> SanType {
        SanType::URI(name.try_into().unwrap())
    }

    #[test]
    fn sip_uris_go_before_dns_names_and_users_are_no_domains() {
        assert_eq!(domains(&certificate(vec![dns("A.example"), dns("b.example")])), ["a.example", "b.example"]);
        let both = [dns("host.example"), uri("sip:a.example;x=y"), uri("sip:u@b.example"), uri("https://c.example")];
        assert_eq!(domains(&certificate(both.to_vec())), ["a.example"]);
        assert_eq!(domains(&certificate(vec![])), [""; 0]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0usize..300, byte: u8, bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            domains(&bytes);
            let mut changed = certificate(vec![dns("a.example")]);
            if let Some(place) = changed.get_mut(at) {
                *place = byte;
            }
            domains(&changed);
        }
    }
}
