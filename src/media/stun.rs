//! STUN messages as ICE needs them (RFC 8489, RFC 8445 §7.1): read and written in place, without allocation.
//!
//! Only what an ICE-lite agent meets is here: it reads requests and writes responses. Integrity is the short-term
//! mechanism with HMAC-SHA1 (RFC 8489 §9.1, §14.5), keyed by an ICE password.

use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};

/// Room that the longest response of ours needs, in bytes.
pub const RESPONSE_BYTES_MAX: usize = 128;
/// Unknown attributes named in one response; a peer with more of them is told of the first ones.
pub const UNKNOWN_MAX: usize = 8;

/// A Binding request.
pub const BINDING_REQUEST: u16 = 0x0001;
/// A Binding indication: ICE's keep-alive, never answered (RFC 8445 §11).
pub const BINDING_INDICATION: u16 = 0x0011;
/// The success response to a Binding request.
pub const BINDING_SUCCESS: u16 = 0x0101;
/// The error response to a Binding request.
pub const BINDING_ERROR: u16 = 0x0111;

const HEADER_BYTES: usize = 20;
const COOKIE: u32 = 0x2112_a442;
/// CRC-32 of a message is mixed with this ("STUN"), so that it differs from the CRC of other protocols (§14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554e;

mod attribute {
    pub const USERNAME: u16 = 0x0006;
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub const ERROR_CODE: u16 = 0x0009;
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub const PRIORITY: u16 = 0x0024;
    pub const USE_CANDIDATE: u16 = 0x0025;
    /// From here on an attribute may be ignored by who does not know it (§14).
    pub const COMPREHENSION_OPTIONAL: u16 = 0x8000;
    pub const FINGERPRINT: u16 = 0x8028;
    pub const ICE_CONTROLLED: u16 = 0x8029;
}

/// Why a datagram is not a STUN message for us: always the sender's doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StunError {
    /// Shorter than its header, its length or an attribute of it says, or of a length that is not a multiple of four.
    #[error("the STUN message is cut off")]
    Truncated,
    /// The magic cookie is another: a protocol older than RFC 5389, or none.
    #[error("not STUN: the magic cookie is missing")]
    Cookie,
    /// FINGERPRINT is there and wrong, or is not the last attribute (RFC 8489 §14.7).
    #[error("the fingerprint does not fit the message")]
    Fingerprint,
}

/// One message, still in the datagram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message<'a> {
    /// Class and method, as [`BINDING_REQUEST`].
    pub kind: u16,
    /// The transaction's name, to be repeated in its response.
    pub transaction: [u8; 12],
    /// USERNAME, when present: in ICE `receiver's ufrag:sender's ufrag`.
    pub username: Option<&'a [u8]>,
    /// USE-CANDIDATE is there: the controlling side nominates this path (RFC 8445 §7.1.2).
    pub use_candidate: bool,
    /// ICE-CONTROLLED is there: the sender believes that it is led by us (RFC 8445 §7.1.3).
    pub controlled: bool,
    /// Comprehension-required attributes that we do not know, the first ones.
    unknown: [u16; UNKNOWN_MAX],
    unknown_count: usize,
    /// What MESSAGE-INTEGRITY covers (header and attributes before it), and its value.
    integrity: Option<(&'a [u8], &'a [u8; 20])>,
}

impl<'a> Message<'a> {
    /// Reads one datagram; FINGERPRINT is checked when it is there, integrity by [`Message::is_signed_by`].
    ///
    /// The first of several equal attributes counts, and of what follows MESSAGE-INTEGRITY only FINGERPRINT
    /// (RFC 8489 §14, §14.5).
    ///
    /// # Errors
    ///
    /// As [`StunError`] says.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, StunError> {
        let header: &[u8; HEADER_BYTES] = datagram.first_chunk().ok_or(StunError::Truncated)?;
        let [k0, k1, l0, l1, c0, c1, c2, c3, transaction @ ..] = *header;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if u32::from_be_bytes([c0, c1, c2, c3]) != COOKIE || k0 > 3 {
            return Err(StunError::Cookie);
        }
        if !length.is_multiple_of(4) || datagram.len() != HEADER_BYTES + length {
            return Err(StunError::Truncated);
        }
        let mut message = Self {
            kind: u16::from_be_bytes([k0, k1]),
            transaction,
            username: None,
            use_candidate: false,
            controlled: false,
            unknown: [0; UNKNOWN_MAX],
            unknown_count: 0,
            integrity: None,
        };
        let mut at = HEADER_BYTES;
        while at < datagram.len() {
            let rest = datagram.get(at..).unwrap_or_default();
            let Some(([t0, t1, l0, l1], after)) = rest.split_first_chunk() else { return Err(StunError::Truncated) };
            let value_bytes = usize::from(u16::from_be_bytes([*l0, *l1]));
            let value = after.get(..value_bytes).ok_or(StunError::Truncated)?;
            let before = datagram.get(..at).unwrap_or_default();
            // The value is filled up to a multiple of four; the filling is not counted in its length.
            at += 4 + value_bytes.next_multiple_of(4);
            let kind = u16::from_be_bytes([*t0, *t1]);
            if kind == attribute::FINGERPRINT {
                let last = at == datagram.len();
                let right = value.first_chunk().is_some_and(|v| u32::from_be_bytes(*v) == fingerprint(before));
                return if last && right { Ok(message) } else { Err(StunError::Fingerprint) };
            }
            if message.integrity.is_none() {
                message.take(kind, value, before)?;
            }
        }
        Ok(message)
    }

    /// Notes one attribute; `before` is the message up to it.
    fn take(&mut self, kind: u16, value: &'a [u8], before: &'a [u8]) -> Result<(), StunError> {
        match kind {
            attribute::USERNAME => self.username = self.username.or(Some(value)),
            attribute::MESSAGE_INTEGRITY => {
                let tag = value.first_chunk().filter(|_| value.len() == 20).ok_or(StunError::Truncated)?;
                self.integrity = Some((before, tag));
            }
            attribute::USE_CANDIDATE => self.use_candidate = true,
            attribute::ICE_CONTROLLED => self.controlled = true,
            attribute::PRIORITY | attribute::XOR_MAPPED_ADDRESS | attribute::ERROR_CODE => {}
            kind if kind < attribute::COMPREHENSION_OPTIONAL => {
                if let Some(free) = self.unknown.get_mut(self.unknown_count) {
                    *free = kind;
                    self.unknown_count += 1;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Comprehension-required attributes that we do not know, at most [`UNKNOWN_MAX`] (RFC 8489 §6.3.1).
    pub fn unknown(&self) -> &[u16] {
        self.unknown.get(..self.unknown_count).unwrap_or_default()
    }

    /// True when MESSAGE-INTEGRITY is there and was made with this key; compared in constant time.
    pub fn is_signed_by(&self, key: &Key) -> bool {
        let Some((covered, tag)) = self.integrity else { return false };
        key.sign(covered).verify_slice(tag).is_ok()
    }
}

/// A key of MESSAGE-INTEGRITY, made once from an ICE password (RFC 8489 §9.1.1).
#[derive(Clone)]
pub struct Key(Hmac<Sha1>);

impl Key {
    /// ICE passwords are of letters, digits, `+` and `/` (RFC 8445 §5.3): nothing to be prepared in them.
    pub fn new(password: &[u8]) -> Self {
        // A key shorter than a block is filled with zeros, a longer one is hashed first (RFC 2104 §2).
        let mut block = [0; 64];
        let hashed = Sha1::digest(password);
        let key = if password.len() > block.len() { hashed.as_slice() } else { password };
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte = *key);
        Self(Hmac::new(&block.into()))
    }

    /// `covered` is a message up to MESSAGE-INTEGRITY; its length is taken as if it ended after it (§14.5).
    fn sign(&self, covered: &[u8]) -> Hmac<Sha1> {
        let length = u16::try_from((covered.len() + 24).saturating_sub(HEADER_BYTES)).unwrap_or_default();
        let mut mac = self.0.clone();
        mac.update(covered.get(..2).unwrap_or_default());
        mac.update(&length.to_be_bytes());
        mac.update(covered.get(4..).unwrap_or_default());
        mac
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The CRC of a message up to FINGERPRINT, with the length as if it ended after it (§14.7).
fn fingerprint(covered: &[u8]) -> u32 {
    let length = u16::try_from((covered.len() + 8).saturating_sub(HEADER_BYTES)).unwrap_or_default();
    let mut crc = crc32fast::Hasher::new();
    crc.update(covered.get(..2).unwrap_or_default());
    crc.update(&length.to_be_bytes());
    crc.update(covered.get(4..).unwrap_or_default());
    crc.finalize() ^ FINGERPRINT_XOR
}

/// What a response says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Response<'a> {
    /// 2xx: where the request came from, as seen here (XOR-MAPPED-ADDRESS).
    Success(SocketAddr),
    /// 487 (RFC 8445 §7.3.1.1): the sender must lead.
    RoleConflict,
    /// 420 (RFC 8489 §6.3.1): these attributes are required and not known here.
    UnknownAttributes(&'a [u16]),
}

/// Writes a signed response to `request` with FINGERPRINT; returns its length in bytes.
pub fn respond(request: &Message<'_>, response: Response<'_>, key: &Key, out: &mut [u8; RESPONSE_BYTES_MAX]) -> usize {
    let mut writer = Writer { out, length: 0 };
    let kind = match response {
        Response::Success(_) => BINDING_SUCCESS,
        Response::RoleConflict | Response::UnknownAttributes(_) => BINDING_ERROR,
    };
    writer.put(&kind.to_be_bytes());
    writer.put(&[0, 0]);
    writer.put(&COOKIE.to_be_bytes());
    writer.put(&request.transaction);
    match response {
        Response::Success(source) => writer.mapped_address(source, &request.transaction),
        Response::RoleConflict => writer.attribute(attribute::ERROR_CODE, b"\0\0\x04\x57Role Conflict"),
        Response::UnknownAttributes(unknown) => {
            writer.attribute(attribute::ERROR_CODE, b"\0\0\x04\x14Unknown Attribute");
            writer.head(attribute::UNKNOWN_ATTRIBUTES, unknown.len().min(UNKNOWN_MAX) * 2);
            for kind in unknown.iter().take(UNKNOWN_MAX) {
                writer.put(&kind.to_be_bytes());
            }
            writer.fill();
        }
    }
    let tag = key.sign(writer.written()).finalize().into_bytes();
    writer.attribute(attribute::MESSAGE_INTEGRITY, &tag);
    // The CRC covers the header with the whole length already in it, as does what is sent.
    let crc = fingerprint(writer.written());
    writer.attribute(attribute::FINGERPRINT, &crc.to_be_bytes());
    let length = writer.length;
    if let (Ok(bytes), Some(field)) = (u16::try_from(length.saturating_sub(HEADER_BYTES)), out.get_mut(2..4)) {
        field.copy_from_slice(&bytes.to_be_bytes());
    }
    length
}

/// Appends to a buffer that is large enough for every response; what would not fit is left out.
struct Writer<'a> {
    out: &'a mut [u8; RESPONSE_BYTES_MAX],
    length: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.out.get_mut(self.length..self.length + bytes.len()) {
            room.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }

    fn head(&mut self, kind: u16, value_bytes: usize) {
        self.put(&kind.to_be_bytes());
        self.put(&u16::try_from(value_bytes).unwrap_or_default().to_be_bytes());
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.head(kind, value.len());
        self.put(value);
        self.fill();
    }

    /// Fills an attribute's value up to a multiple of four bytes.
    fn fill(&mut self) {
        while !self.length.is_multiple_of(4) && self.length < RESPONSE_BYTES_MAX {
            self.put(&[0]);
        }
    }

    /// XOR-MAPPED-ADDRESS: the address mixed with cookie and transaction, so that no router rewrites it (§14.2).
    fn mapped_address(&mut self, source: SocketAddr, transaction: &[u8; 12]) {
        let port = source.port() ^ (COOKIE >> 16) as u16;
        let mask = COOKIE.to_be_bytes().into_iter().chain(*transaction);
        // A socket for both families shows IPv4 peers as mapped addresses; the peer knows itself by its real one.
        match source.ip().to_canonical() {
            IpAddr::V4(ip) => {
                self.head(attribute::XOR_MAPPED_ADDRESS, 8);
                self.put(&[0, 1]);
                self.put(&port.to_be_bytes());
                ip.octets().into_iter().zip(mask).for_each(|(byte, mask)| self.put(&[byte ^ mask]));
            }
            IpAddr::V6(ip) => {
                self.head(attribute::XOR_MAPPED_ADDRESS, 20);
                self.put(&[0, 2]);
                self.put(&port.to_be_bytes());
                ip.octets().into_iter().zip(mask).for_each(|(byte, mask)| self.put(&[byte ^ mask]));
            }
        }
    }

    fn written(&self) -> &[u8] {
        self.out.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 §2: the password of all three messages.
    const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

    /// RFC 5769 §2.1.
    const REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\
        \x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\x00\x06\x00\x09evtj:h6vY   \
        \x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\
        \x80\x28\x00\x04\xe5\x7a\x3b\xcf";

    /// RFC 5769 §2.2.
    const IPV4_RESPONSE: &[u8] = b"\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x0btest vector \x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43\
        \x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7\
        \x80\x28\x00\x04\xc0\x7d\x4c\x96";

    /// RFC 5769 §2.3.
    const IPV6_RESPONSE: &[u8] = b"\x01\x01\x00\x48\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x0btest vector \x00\x20\x00\x14\x00\x02\xa1\x47\
        \x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9\
        \x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c\x82\x92\xc2\x75\xbf\xe3\xed\x41\
        \x80\x28\x00\x04\xc8\xfb\x0b\x4c";

    /// RFC 5769 §2.1: read, its fingerprint and its integrity are right.
    #[test]
    fn the_sample_request_is_read_and_its_integrity_is_right() {
        let message = Message::parse(REQUEST).unwrap();
        assert_eq!((message.kind, message.username), (BINDING_REQUEST, Some(&b"evtj:h6vY"[..])));
        assert!(message.controlled && !message.use_candidate && message.unknown().is_empty());
        assert!(message.is_signed_by(&Key::new(PASSWORD)));
        assert!(!message.is_signed_by(&Key::new(b"VOkJxbRl1RmTxUk/WvJxBu")));
    }

    /// RFC 5769 §2.2 and §2.3: signed as we sign; our own address attribute has the same bytes as theirs.
    #[test]
    fn the_sample_responses_are_signed_and_addressed_as_ours() {
        let key = Key::new(PASSWORD);
        let request = Message::parse(REQUEST).unwrap();
        for (sample, source) in
            [(IPV4_RESPONSE, "192.0.2.1:32853"), (IPV6_RESPONSE, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
        {
            assert!(Message::parse(sample).unwrap().is_signed_by(&key), "{source}");
            let mut out = [0; RESPONSE_BYTES_MAX];
            let length = respond(&request, Response::Success(source.parse().unwrap()), &key, &mut out);
            let ours = &out[..length];
            // Theirs has SOFTWARE of 16 bytes before the address, and the address before integrity of 24 bytes.
            assert_eq!(ours[20..length - 32], sample[36..sample.len() - 32], "{source}");
            let read = Message::parse(ours).unwrap();
            assert_eq!((read.kind, read.transaction), (BINDING_SUCCESS, request.transaction));
            assert!(read.is_signed_by(&key));
        }
    }

    /// A socket for both families shows 192.0.2.1 as ::ffff:192.0.2.1.
    #[test]
    fn a_mapped_ipv4_source_is_told_as_ipv4() {
        let (key, request) = (Key::new(PASSWORD), Message::parse(REQUEST).unwrap());
        let (mut mapped, mut plain) = ([0; RESPONSE_BYTES_MAX], [0; RESPONSE_BYTES_MAX]);
        let of = |source: &str| Response::Success(source.parse().unwrap());
        respond(&request, of("[::ffff:192.0.2.1]:32853"), &key, &mut mapped);
        respond(&request, of("192.0.2.1:32853"), &key, &mut plain);
        assert_eq!(mapped, plain);
    }

    /// RFC 8489 §14.8: class in bits 0–2 of the third byte, number in the fourth; the longest response fits.
    #[test]
    fn error_responses_carry_code_reason_and_names() {
        let (key, request) = (Key::new(PASSWORD), Message::parse(REQUEST).unwrap());
        let mut out = [0; RESPONSE_BYTES_MAX];
        let length = respond(&request, Response::RoleConflict, &key, &mut out);
        assert_eq!(out[20..44], *b"\x00\x09\x00\x11\0\0\x04\x57Role Conflict\0\0\0");
        assert!(Message::parse(&out[..length]).unwrap().is_signed_by(&key));

        let length = respond(&request, Response::UnknownAttributes(&[1, 2, 3, 4, 5, 6, 7, 0x7fff, 9]), &key, &mut out);
        assert_eq!(out[20..28], *b"\x00\x09\x00\x15\0\0\x04\x14");
        assert_eq!(out[48..68], *b"\x00\x0a\x00\x10\0\x01\0\x02\0\x03\0\x04\0\x05\0\x06\0\x07\x7f\xff");
        assert!(Message::parse(&out[..length]).unwrap().is_signed_by(&key));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let key = Key::new(PASSWORD);
        // Bytes 100 and 101 are the fingerprint's type: changed, it is an attribute after integrity, and ignored.
        for at in (0..100).chain(102..REQUEST.len()) {
            let mut bytes = REQUEST.to_vec();
            bytes[at] ^= 0x40;
            assert!(!Message::parse(&bytes).is_ok_and(|m| m.is_signed_by(&key)), "byte {at}");
        }
        for length in 0..REQUEST.len() {
            assert!(Message::parse(&REQUEST[..length]).is_err(), "{length} bytes");
        }
        let mut longer = REQUEST.to_vec();
        longer.extend([0; 4]);
        assert_eq!(Message::parse(&longer), Err(StunError::Truncated));
    }

    /// RFC 8489 §14.7: FINGERPRINT is the last attribute; without it a message may still be a good one.
    #[test]
    fn a_fingerprint_may_be_absent_but_not_in_the_middle() {
        let mut without = REQUEST[..REQUEST.len() - 8].to_vec();
        without[3] -= 8;
        assert!(Message::parse(&without).unwrap().is_signed_by(&Key::new(PASSWORD)));
        let mut middle = REQUEST.to_vec();
        middle[3] += 4;
        middle.extend([0x80, 0x22, 0, 0]);
        assert_eq!(Message::parse(&middle), Err(StunError::Fingerprint));
    }

    /// RFC 2104 §2: a key longer than a block is hashed.
    #[test]
    fn long_passwords_are_keys_too() {
        let long = [b'a'; 256];
        let request = Message::parse(REQUEST).unwrap();
        let mut out = [0; RESPONSE_BYTES_MAX];
        let length = respond(&request, Response::RoleConflict, &Key::new(&long), &mut out);
        let reference = Hmac::<Sha1>::new_from_slice(&long).unwrap();
        assert!(Message::parse(&out[..length]).unwrap().is_signed_by(&Key(reference)));
    }
}
