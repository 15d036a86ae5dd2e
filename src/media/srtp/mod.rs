//! SRTP and SRTCP: RTP and RTCP that only the two ends can read and write.
//!
//! RFC 3711 is the frame and AES in counter mode with HMAC-SHA1, RFC 7714 AES-GCM. A [`Sender`] and a [`Receiver`] each
//! hold one master key, so that one direction of one leg has one of them. Packets are changed in place:
//!
//! ```text
//!   RTP   | header | CSRC | extension | payload (encrypted) | tag |
//!   RTCP  | 8 bytes | rest (encrypted) | E, index | tag |            AES-CM
//!   RTCP  | 8 bytes | rest (encrypted) | tag | E, index |            AES-GCM
//! ```
//!
//! Keys come from the signalling (SDES, RFC 4568) or a DTLS handshake (RFC 5764) and are derived once
//! (`key_derivation_rate` 0). There is no MKI. What the network sends changes nothing here before its tag is found good.

mod cipher;
mod derive;
mod streams;

use std::fmt;

use zeroize::Zeroize;

use super::rtp::{self, RtpError};
use cipher::Cipher;
use streams::{Streams, Window};

/// How packets are encrypted and made authentic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// `AEAD_AES_128_GCM` (RFC 7714 §12): the quickest, to be preferred.
    AeadAes128Gcm,
    /// `AEAD_AES_256_GCM` (RFC 7714 §12).
    AeadAes256Gcm,
    /// `AES_CM_128_HMAC_SHA1_80` (RFC 3711 §8.2): what everybody has.
    AesCm128HmacSha1_80,
    /// `AES_CM_128_HMAC_SHA1_32`: four bytes of tag for RTP; RTCP keeps ten (RFC 4568 §6.2.2).
    AesCm128HmacSha1_32,
}

impl Profile {
    /// Bytes of the master key.
    pub fn key_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of the master salt.
    pub fn salt_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 14,
        }
    }

    /// By how many bytes an RTP packet grows.
    pub fn overhead_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::AesCm128HmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32 => 4,
        }
    }

    /// By how many bytes an RTCP packet grows: the tag and the word with its index.
    pub fn control_overhead_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 20,
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 14,
        }
    }
}

/// The most that a packet grows, whatever its profile and kind: the room to keep at a buffer's end, in bytes.
pub const OVERHEAD_BYTES_MAX: usize = 20;

/// The master key and salt of one direction. Not shown by `Debug`; overwritten when dropped.
#[derive(Clone)]
pub struct Keys {
    profile: Profile,
    key: [u8; 32],
    salt: [u8; 14],
}

impl Keys {
    /// `None` unless `key` and `salt` have just the bytes that the profile asks for.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Option<Self> {
        if key.len() != profile.key_bytes() || salt.len() != profile.salt_bytes() {
            return None;
        }
        let mut keys = Self { profile, key: [0; 32], salt: [0; 14] };
        keys.key.get_mut(..key.len())?.copy_from_slice(key);
        keys.salt.get_mut(..salt.len())?.copy_from_slice(salt);
        Some(keys)
    }

    /// From the key with the salt behind it, as `inline:` of SDES carries them (RFC 4568 §6.1).
    pub fn from_joined(profile: Profile, key_salt: &[u8]) -> Option<Self> {
        let (key, salt) = key_salt.split_at_checked(profile.key_bytes())?;
        Self::new(profile, key, salt)
    }

    /// For which profile.
    pub fn profile(&self) -> Profile {
        self.profile
    }
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        (self.profile, self.key, self.salt) == (other.profile, other.key, other.salt)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// Why a packet is not accepted: always the peer's, the network's or a stranger's doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SrtpError {
    /// It ends within its header, or has no room for a tag.
    #[error("the packet is cut off")]
    Truncated,
    /// Its version is not 2.
    #[error("not RTP version 2")]
    Version,
    /// It was accepted before (RFC 3711 §3.3.2).
    #[error("the packet came before")]
    Replayed,
    /// It is 128 packets or more behind the newest one, or before the first one: nobody knows whether it came before.
    #[error("the packet is too old")]
    TooOld,
    /// Its tag is wrong: made by someone without the key, or changed on its way.
    #[error("the packet is not authentic")]
    Forged,
    /// So many packets came that the key must not be used any more: 2⁴⁸ (RFC 3711 §9.2).
    #[error("the key is used up")]
    Exhausted,
}

impl From<RtpError> for SrtpError {
    fn from(error: RtpError) -> Self {
        match error {
            RtpError::Truncated => Self::Truncated,
            RtpError::Version => Self::Version,
        }
    }
}

/// SSRCs that one master key serves when sending. No stream is ever forgotten: it would begin again at its first index,
/// and two packets under one nonce give AES-GCM away (RFC 7714 §8.1).
const SENT_STREAMS: usize = 16;

/// SSRCs of a peer that are remembered; the one unheard for the longest makes room.
const HEARD_STREAMS: usize = 4;

/// SRTCP has an index of 31 bits (RFC 3711 §3.4).
const CONTROL_INDEX_END: u32 = 1 << 31;

/// Protects what we send.
#[derive(Debug)]
pub struct Sender {
    media: Cipher,
    control: Cipher,
    streams: Streams<SENT_STREAMS>,
    /// The index of the next RTCP packet: one count for all SSRCs, so that none is used twice.
    next_control: u32,
}

impl Sender {
    /// Derives the session keys. Nothing is allocated later.
    pub fn new(keys: &Keys) -> Self {
        let (media, control) = derive::ciphers(keys);
        Self { media, control, streams: Streams::default(), next_control: 0 }
    }

    /// Encrypts one RTP packet in place and puts its tag behind it.
    ///
    /// The packet is the first `length` bytes; [`Profile::overhead_bytes`] more must follow it. CSRC list and header
    /// extension stay readable. The roll-over counter follows the sequence numbers, which may come a little out of order.
    ///
    /// Returns the new length. `None`, and nothing to be sent, when it is no RTP packet, the room is too small, its
    /// sequence number was used before or is 128 behind, it is of the 17th SSRC, or the key is used up.
    pub fn protect(&mut self, packet: &mut [u8], length: usize) -> Option<usize> {
        let header = Header::read(packet.get(..length)?).ok()?;
        let index = index_of(self.streams.find(header.ssrc), header.sequence).ok()?;
        if !self.streams.has_room_for(header.ssrc) {
            return None;
        }
        let length = self.media.seal(packet, header.payload_start, length, header.ssrc, index)?;
        self.streams.accept(header.ssrc, index);
        Some(length)
    }

    /// Encrypts one RTCP packet, perhaps compound, in place and puts its index and tag behind it.
    ///
    /// The packet is the first `length` bytes; [`Profile::control_overhead_bytes`] more must follow it.
    ///
    /// Returns the new length. `None` when it is no RTCP packet, the room is too small or 2³¹ packets were sent.
    pub fn protect_control(&mut self, packet: &mut [u8], length: usize) -> Option<usize> {
        let ssrc = control_ssrc(packet.get(..length)?).ok()?;
        let index = self.next_control;
        if index >= CONTROL_INDEX_END {
            return None;
        }
        let length = self.control.seal_control(packet, length, ssrc, index)?;
        self.next_control = index + 1;
        Some(length)
    }
}

/// Reads what the peer sends.
///
/// Its SSRC may change: the last four are remembered with their counters. Packets of one that was forgotten are read as
/// the first ones of a new stream.
#[derive(Debug)]
pub struct Receiver {
    media: Cipher,
    control: Cipher,
    streams: Streams<HEARD_STREAMS>,
    control_streams: Streams<HEARD_STREAMS>,
}

impl Receiver {
    /// Derives the session keys. Nothing is allocated later.
    pub fn new(keys: &Keys) -> Self {
        let (media, control) = derive::ciphers(keys);
        Self { media, control, streams: Streams::default(), control_streams: Streams::default() }
    }

    /// Checks and decrypts one SRTP packet in place; `packet` is the whole datagram.
    ///
    /// Returns the length of the RTP packet, the tag left out.
    ///
    /// # Errors
    ///
    /// Any [`SrtpError`]. Counters and window stay as they were; the packet's bytes may be changed and mean nothing.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let header = Header::read(packet)?;
        let index = index_of(self.streams.find(header.ssrc), header.sequence)?;
        let length = self.media.open(packet, header.payload_start, header.ssrc, index)?;
        self.streams.accept(header.ssrc, index);
        Ok(length)
    }

    /// Checks and decrypts one SRTCP packet in place; `packet` is the whole datagram.
    ///
    /// A packet that is only authenticated (E bit 0, RFC 3711 §3.4) is taken too.
    ///
    /// Returns the length of the RTCP packet, index and tag left out.
    ///
    /// # Errors
    ///
    /// Any [`SrtpError`] but `Exhausted`. The window stays as it was; the packet's bytes may be changed and mean nothing.
    pub fn unprotect_control(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = control_ssrc(packet)?;
        let word = self.control.control_word(packet)?;
        let index = u64::from(word % CONTROL_INDEX_END);
        if let Some(window) = self.control_streams.find(ssrc) {
            window.check(index)?;
        }
        let length = self.control.open_control(packet, ssrc, word)?;
        self.control_streams.accept(ssrc, index);
        Ok(length)
    }
}

/// What the cipher needs of an RTP header. Padding is not looked at: its length is encrypted.
struct Header {
    sequence: u16,
    ssrc: u32,
    payload_start: usize,
}

impl Header {
    fn read(packet: &[u8]) -> Result<Self, SrtpError> {
        let payload_start = rtp::payload_start(packet)?;
        let header: &[u8; rtp::HEADER_BYTES] = packet.first_chunk().ok_or(SrtpError::Truncated)?;
        let [_, _, s0, s1, _, _, _, _, c0, c1, c2, c3] = *header;
        let (sequence, ssrc) = (u16::from_be_bytes([s0, s1]), u32::from_be_bytes([c0, c1, c2, c3]));
        Ok(Self { sequence, ssrc, payload_start })
    }
}

/// The sender's SSRC, which stays readable in the first 8 bytes of every RTCP packet.
fn control_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    let [first, _, _, _, c0, c1, c2, c3] = *packet.first_chunk().ok_or(SrtpError::Truncated)?;
    if first >> 6 != 2 {
        return Err(SrtpError::Version);
    }
    Ok(u32::from_be_bytes([c0, c1, c2, c3]))
}

/// The 48-bit index of a packet that may be taken; a stream begins with roll-over counter 0 (RFC 3711 §3.3.1).
fn index_of(window: Option<&Window>, sequence: u16) -> Result<u64, SrtpError> {
    let Some(window) = window else { return Ok(u64::from(sequence)) };
    let index = window.estimate(sequence)?;
    window.check(index)?;
    Ok(index)
}

#[cfg(test)]
mod tests;
