//! Session keys from the master key (RFC 3711 §4.3, RFC 7714 §11, RFC 6188 for 256 bits).

use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, KeyInit, consts::U16};
use aes::{Aes128Enc, Aes256Enc};
use zeroize::Zeroize;

use super::cipher::{Cipher, counter_mode};
use super::{Keys, Profile};

/// What a derived key is for: RTP's three labels; RTCP's are 3 higher (RFC 3711 §4.3.2).
const ENCRYPTION: u8 = 0;
const AUTHENTICATION: u8 = 1;
const SALT: u8 = 2;
const CONTROL: u8 = 3;

/// The ciphers of RTP and of RTCP.
pub(super) fn ciphers(keys: &Keys) -> (Cipher, Cipher) {
    match keys.profile {
        Profile::AeadAes256Gcm => both(keys, &Aes256Enc::new(&keys.key.into())),
        Profile::AeadAes128Gcm | Profile::AesCm128HmacSha1_80 | Profile::AesCm128HmacSha1_32 => {
            let mut key = [0; 16];
            key.copy_from_slice(keys.key.first_chunk::<16>().unwrap_or(&[0; 16]));
            let aes = Aes128Enc::new(&key.into());
            key.zeroize();
            both(keys, &aes)
        }
    }
}

fn both<A: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>>(keys: &Keys, master: &A) -> (Cipher, Cipher) {
    (one(keys, master, 0), one(keys, master, CONTROL))
}

fn one<A: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>>(keys: &Keys, master: &A, kind: u8) -> Cipher {
    let (mut short, mut long) = ([0; 16], [0; 32]);
    let mut authentication = [0; 20];
    let (mut salt, mut aead_salt) = ([0; 14], [0; 12]);
    derive(master, &keys.salt, kind + ENCRYPTION, &mut short);
    derive(master, &keys.salt, kind + ENCRYPTION, &mut long);
    derive(master, &keys.salt, kind + AUTHENTICATION, &mut authentication);
    derive(master, &keys.salt, kind + SALT, &mut salt);
    derive(master, &keys.salt, kind + SALT, &mut aead_salt);
    let cipher = match keys.profile {
        Profile::AeadAes128Gcm => Cipher::gcm_128(&short, aead_salt),
        Profile::AeadAes256Gcm => Cipher::gcm_256(&long, aead_salt),
        Profile::AesCm128HmacSha1_32 if kind != CONTROL => Cipher::counter(&short, salt, &authentication, 4),
        Profile::AesCm128HmacSha1_80 | Profile::AesCm128HmacSha1_32 => {
            Cipher::counter(&short, salt, &authentication, 10)
        }
    };
    short.zeroize();
    long.zeroize();
    authentication.zeroize();
    cipher
}

/// The first bytes of the key stream that begins at salt and label. A salt of 12 bytes ends with two of zero.
pub(super) fn derive<A>(master: &A, salt: &[u8; 14], label: u8, out: &mut [u8])
where
    A: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13] = *salt;
    out.fill(0);
    counter_mode(master, [s0, s1, s2, s3, s4, s5, s6, s7 ^ label, s8, s9, s10, s11, s12, s13, 0, 0], out);
}
