//! Encryption and tag of one packet under session keys.
//!
//! `ring` does AES-GCM. Counter mode is a few lines over the `aes` crate, so that no key schedule is copied for a packet;
//! HMAC-SHA1 is RustCrypto's, which uses the processor's SHA instructions where `ring` does not.

use std::fmt;

use aes::Aes128Enc;
use aes::cipher::{Array, BlockCipherEncrypt, BlockSizeUser, KeyInit, consts::U16};
use hmac::{Hmac, Mac};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use sha1::Sha1;

use super::SrtpError;

/// Bytes of an RTCP packet that stay readable (RFC 3711 §3.4).
const CONTROL_HEADER_BYTES: usize = 8;

/// The E bit of SRTCP: the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// Bytes of the word that holds E bit and index.
const WORD_BYTES: usize = 4;

/// Bytes of a tag of AES-GCM (RFC 7714 §13).
const AEAD_TAG_BYTES: usize = 16;

/// The session keys of RTP or of RTCP in one direction.
pub(super) enum Cipher {
    /// RFC 7714; `None` never happens: the key has the length of its algorithm.
    Aead { key: Option<Box<LessSafeKey>>, salt: [u8; 12] },
    /// RFC 3711 §4.1.1 and §4.2.1.
    Counter { aes: Box<Aes128Enc>, salt: [u8; 14], authentication: Box<Hmac<Sha1>>, tag_bytes: usize },
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aead { .. } => "Aead(..)",
            Self::Counter { .. } => "Counter(..)",
        })
    }
}

impl Cipher {
    pub(super) fn gcm_128(key: &[u8; 16], salt: [u8; 12]) -> Self {
        Self::gcm(&AES_128_GCM, key, salt)
    }

    pub(super) fn gcm_256(key: &[u8; 32], salt: [u8; 12]) -> Self {
        Self::gcm(&AES_256_GCM, key, salt)
    }

    fn gcm(algorithm: &'static Algorithm, key: &[u8], salt: [u8; 12]) -> Self {
        Self::Aead { key: UnboundKey::new(algorithm, key).ok().map(LessSafeKey::new).map(Box::new), salt }
    }

    pub(super) fn counter(key: &[u8; 16], salt: [u8; 14], authentication: &[u8; 20], tag_bytes: usize) -> Self {
        // A key shorter than a block is padded with zeros (RFC 2104 §2), which is done here so that no error is left.
        let mut block = Array::default();
        block.iter_mut().zip(authentication).for_each(|(to, from)| *to = *from);
        let authentication = Box::new(<Hmac<Sha1> as KeyInit>::new(&block));
        Self::Counter { aes: Box::new(Aes128Enc::new(&(*key).into())), salt, authentication, tag_bytes }
    }

    /// Encrypts `packet[start..length]` and writes the tag behind it. Returns the new length; `None` without room.
    pub(super) fn seal(&self, packet: &mut [u8], start: usize, length: usize, ssrc: u32, index: u64) -> Option<usize> {
        let (header, rest) = packet.split_at_mut_checked(start)?;
        let (payload, room) = rest.split_at_mut_checked(length.checked_sub(start)?)?;
        match self {
            Self::Aead { key, salt } => {
                let room = room.first_chunk_mut::<AEAD_TAG_BYTES>()?;
                let nonce = nonce(salt, ssrc, index);
                let tag = key.as_deref()?.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload).ok()?;
                room.copy_from_slice(tag.as_ref());
                Some(length + AEAD_TAG_BYTES)
            }
            Self::Counter { aes, salt, authentication, tag_bytes } => {
                let room = room.get_mut(..*tag_bytes)?;
                counter_mode(&**aes, counter_start(salt, ssrc, index), payload);
                let tag = authentication.as_ref().clone().chain_update(&*header).chain_update(&*payload);
                let tag = tag.chain_update(rollover(index)).finalize().into_bytes();
                room.copy_from_slice(tag.get(..*tag_bytes)?);
                Some(length + tag_bytes)
            }
        }
    }

    /// Checks the tag at the packet's end and decrypts what is between `start` and it. Returns the length without tag.
    pub(super) fn open(&self, packet: &mut [u8], start: usize, ssrc: u32, index: u64) -> Result<usize, SrtpError> {
        let total = packet.len();
        match self {
            Self::Aead { key, salt } => {
                let (header, sealed) = packet.split_at_mut_checked(start).ok_or(SrtpError::Truncated)?;
                if sealed.len() < AEAD_TAG_BYTES {
                    return Err(SrtpError::Truncated);
                }
                open_aead(key.as_deref(), nonce(salt, ssrc, index), header, sealed)?;
                Ok(total - AEAD_TAG_BYTES)
            }
            Self::Counter { aes, salt, authentication, tag_bytes } => {
                let length = total.checked_sub(*tag_bytes).ok_or(SrtpError::Truncated)?;
                let (clear, tag) = packet.split_at_mut_checked(length).ok_or(SrtpError::Truncated)?;
                let payload = clear.get(start..).ok_or(SrtpError::Truncated)?.len();
                let mac = authentication.as_ref().clone().chain_update(&*clear).chain_update(rollover(index));
                mac.verify_truncated_left(tag).map_err(|_| SrtpError::Forged)?;
                if let Some(payload) = clear.get_mut(length - payload..) {
                    counter_mode(&**aes, counter_start(salt, ssrc, index), payload);
                }
                Ok(length)
            }
        }
    }

    /// Encrypts `packet[8..length]` and writes index and tag behind it. Returns the new length; `None` without room.
    pub(super) fn seal_control(&self, packet: &mut [u8], length: usize, ssrc: u32, index: u32) -> Option<usize> {
        let word = (ENCRYPTED | index).to_be_bytes();
        let (header, rest) = packet.split_at_mut_checked(CONTROL_HEADER_BYTES)?;
        let (body, room) = rest.split_at_mut_checked(length.checked_sub(CONTROL_HEADER_BYTES)?)?;
        match self {
            Self::Aead { key, salt } => {
                let room = room.get_mut(..AEAD_TAG_BYTES + WORD_BYTES)?;
                let (tag_room, word_room) = room.split_at_mut_checked(AEAD_TAG_BYTES)?;
                let associated = Aad::from(control_associated(header, word));
                let nonce = nonce(salt, ssrc, index.into());
                let tag = key.as_deref()?.seal_in_place_separate_tag(nonce, associated, body).ok()?;
                tag_room.copy_from_slice(tag.as_ref());
                word_room.copy_from_slice(&word);
                Some(length + AEAD_TAG_BYTES + WORD_BYTES)
            }
            Self::Counter { aes, salt, authentication, tag_bytes } => {
                let room = room.get_mut(..WORD_BYTES + tag_bytes)?;
                let (word_room, tag_room) = room.split_at_mut_checked(WORD_BYTES)?;
                counter_mode(&**aes, counter_start(salt, ssrc, index.into()), body);
                let tag = authentication.as_ref().clone().chain_update(&*header).chain_update(&*body);
                let tag = tag.chain_update(word).finalize().into_bytes();
                word_room.copy_from_slice(&word);
                tag_room.copy_from_slice(tag.get(..*tag_bytes)?);
                Some(length + WORD_BYTES + tag_bytes)
            }
        }
    }

    /// E bit and index of an SRTCP packet, not yet known to be authentic.
    pub(super) fn control_word(&self, packet: &[u8]) -> Result<u32, SrtpError> {
        let behind = match self {
            Self::Aead { .. } => 0,
            Self::Counter { tag_bytes, .. } => *tag_bytes,
        };
        let end = packet.len().checked_sub(behind).ok_or(SrtpError::Truncated)?;
        let word = packet.get(..end).and_then(|p| p.last_chunk()).ok_or(SrtpError::Truncated)?;
        Ok(u32::from_be_bytes(*word))
    }

    /// Checks the tag and decrypts what was encrypted. Returns the length of the RTCP packet alone.
    pub(super) fn open_control(&self, packet: &mut [u8], ssrc: u32, word: u32) -> Result<usize, SrtpError> {
        let index = u64::from(word & !ENCRYPTED);
        let trailer = match self {
            Self::Aead { .. } => AEAD_TAG_BYTES + WORD_BYTES,
            Self::Counter { tag_bytes, .. } => WORD_BYTES + tag_bytes,
        };
        let length = packet.len().checked_sub(trailer).ok_or(SrtpError::Truncated)?;
        if length < CONTROL_HEADER_BYTES {
            return Err(SrtpError::Truncated);
        }
        match self {
            Self::Aead { key, salt } => {
                let nonce = nonce(salt, ssrc, index);
                open_control_aead(key.as_deref(), nonce, packet, length, word)?;
            }
            Self::Counter { aes, salt, authentication, .. } => {
                let (clear, tag) = packet.split_at_mut_checked(length + WORD_BYTES).ok_or(SrtpError::Truncated)?;
                let mac = authentication.as_ref().clone().chain_update(&*clear);
                mac.verify_truncated_left(tag).map_err(|_| SrtpError::Forged)?;
                if word & ENCRYPTED != 0
                    && let Some(body) = clear.get_mut(CONTROL_HEADER_BYTES..length)
                {
                    counter_mode(&**aes, counter_start(salt, ssrc, index), body);
                }
            }
        }
        Ok(length)
    }
}

/// SRTCP under AES-GCM: an encrypted packet's header and word, or all of one that is not, are associated data
/// (RFC 7714 §9.2 and §9.3).
fn open_control_aead(
    key: Option<&LessSafeKey>,
    nonce: Nonce,
    packet: &mut [u8],
    length: usize,
    word: u32,
) -> Result<(), SrtpError> {
    let word_bytes = word.to_be_bytes();
    if word & ENCRYPTED != 0 {
        let (header, rest) = packet.split_at_mut_checked(CONTROL_HEADER_BYTES).ok_or(SrtpError::Truncated)?;
        let sealed_bytes = (length - CONTROL_HEADER_BYTES) + AEAD_TAG_BYTES;
        let sealed = rest.get_mut(..sealed_bytes).ok_or(SrtpError::Truncated)?;
        return open_aead(key, nonce, &control_associated(header, word_bytes), sealed);
    }
    let rest = packet.get_mut(length..).and_then(|rest| rest.first_chunk_mut::<AEAD_TAG_BYTES>());
    let rest = rest.ok_or(SrtpError::Truncated)?;
    let mut tag = *rest;
    // The associated data must lie in one piece: the word moves to where the tag was.
    rest.iter_mut().zip(word_bytes).for_each(|(to, from)| *to = from);
    let associated = packet.get(..length + WORD_BYTES).ok_or(SrtpError::Truncated)?;
    open_aead(key, nonce, associated, &mut tag)
}

fn open_aead(key: Option<&LessSafeKey>, nonce: Nonce, associated: &[u8], sealed: &mut [u8]) -> Result<(), SrtpError> {
    let key = key.ok_or(SrtpError::Forged)?;
    key.open_in_place(nonce, Aad::from(associated), sealed).map(|_| ()).map_err(|_| SrtpError::Forged)
}

/// The 8 readable bytes and the word (RFC 7714 §9.2).
fn control_associated(header: &[u8], word: [u8; 4]) -> [u8; CONTROL_HEADER_BYTES + WORD_BYTES] {
    let mut associated = [0; CONTROL_HEADER_BYTES + WORD_BYTES];
    associated.iter_mut().zip(header.iter().chain(&word)).for_each(|(to, from)| *to = *from);
    associated
}

/// What HMAC-SHA1 reads behind an RTP packet (RFC 3711 §4.2).
fn rollover(index: u64) -> [u8; 4] {
    let [_, _, r0, r1, r2, r3, _, _] = index.to_be_bytes();
    [r0, r1, r2, r3]
}

/// SSRC and 48-bit index: RTCP's index of 31 bits fills the same place with zeros before it (RFC 7714 §8.1 and §9.1).
fn place(ssrc: u32, index: u64) -> [u8; 10] {
    let [c0, c1, c2, c3] = ssrc.to_be_bytes();
    let [_, _, i0, i1, i2, i3, i4, i5] = index.to_be_bytes();
    [c0, c1, c2, c3, i0, i1, i2, i3, i4, i5]
}

/// The nonce of AES-GCM: two bytes of zero and the place, mixed with the salt.
fn nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let mut nonce = *salt;
    nonce.iter_mut().skip(2).zip(place(ssrc, index)).for_each(|(to, from)| *to ^= from);
    Nonce::assume_unique_for_key(nonce)
}

/// The first counter of AES-CM (RFC 3711 §4.1.1): salt, SSRC and index; the last two bytes count blocks.
fn counter_start(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let mut start = [0; 16];
    start.iter_mut().zip(salt).for_each(|(to, from)| *to = *from);
    start.iter_mut().skip(4).zip(place(ssrc, index)).for_each(|(to, from)| *to ^= from);
    start
}

/// Mixes data with the key stream that begins at `start`, up to 1 MiB (RFC 3711 §4.1.1).
///
/// Eight blocks at once, so that the processor's AES units are all busy.
pub(super) fn counter_mode<A>(aes: &A, start: [u8; 16], data: &mut [u8])
where
    A: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let [head @ .., c0, c1] = start;
    let mut count = u16::from_be_bytes([c0, c1]);
    let mut next = || {
        let mut block = [0; 16];
        if let Some(to) = block.first_chunk_mut() {
            *to = head;
        }
        if let Some(to) = block.last_chunk_mut() {
            *to = count.to_be_bytes();
        }
        count = count.wrapping_add(1);
        Array::from(block)
    };
    for piece in data.chunks_mut(8 * 16) {
        let mut blocks: [Array<u8, U16>; 8] = std::array::from_fn(|_| next());
        if let Some(needed) = blocks.get_mut(..piece.len().div_ceil(16)) {
            aes.encrypt_blocks(needed);
        }
        for (bytes, block) in piece.chunks_mut(16).zip(&blocks) {
            bytes.iter_mut().zip(block).for_each(|(to, from)| *to ^= *from);
        }
    }
}
