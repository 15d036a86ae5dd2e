//! The codecs by name, and G.711 itself: µ-law and A-law, 8 kHz, one byte a sample (ITU-T G.711, reference code in G.191).

/// The audio codecs that can be agreed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub enum Codec {
    /// G.711 µ-law, static payload type 0 (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law, static payload type 8 (RFC 3551 §4.5.14).
    Pcma,
    /// G.722 at 64 kbit/s: 16 kHz of sound, static payload type 9 (RFC 3551 §4.5.2).
    G722,
    /// Opus, payload types by agreement (RFC 7587).
    Opus,
    /// G.729, static payload type 18 (RFC 3551 §4.5.6): passed on, neither decoded nor encoded here.
    G729,
}

impl Codec {
    /// Ticks a second of its RTP timestamps: 8,000 for historical reasons also for G.722 (RFC 3551 §4.5.2).
    pub fn clock_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 | Self::G729 => 8_000,
            Self::Opus => 48_000,
        }
    }

    /// Its law, when it is G.711.
    pub fn law(self) -> Option<Law> {
        match self {
            Self::Pcmu => Some(Law::Mu),
            Self::Pcma => Some(Law::A),
            Self::G722 | Self::Opus | Self::G729 => None,
        }
    }

    /// True when a packet of this codec can be handed to a phone that hears `other` without decoding it to sound.
    pub fn passes_as(self, other: Self) -> bool {
        self == other || (self.law().is_some() && other.law().is_some())
    }
}

/// The two laws of G.711: one byte a sample at 8 kHz.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Law {
    /// µ-law.
    Mu,
    /// A-law.
    A,
}

impl Law {
    /// The byte of a silent sample.
    pub fn silence(self) -> u8 {
        match self {
            Self::Mu => 0xff,
            Self::A => 0xd5,
        }
    }

    /// One 16-bit sample as a byte.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Mu => ULAW_ENCODE[usize::from(sample as u16 >> 2)],
            Self::A => ALAW_ENCODE[usize::from(sample as u16 >> 4)],
        }
    }

    /// One byte as a 16-bit sample.
    pub fn decode(self, byte: u8) -> i16 {
        self.table()[usize::from(byte)]
    }

    /// All 256 bytes of this law as 16-bit samples.
    pub fn table(self) -> &'static [i16; 256] {
        match self {
            Self::Mu => &ULAW_DECODE,
            Self::A => &ALAW_DECODE,
        }
    }

    /// Turns samples of this law into samples of `to`, in place; nothing to do when they are the same.
    pub fn transcode(self, to: Law, payload: &mut [u8]) {
        let table = match (self, to) {
            (Self::Mu, Self::Mu) | (Self::A, Self::A) => return,
            (Self::Mu, Self::A) => &ULAW_TO_ALAW,
            (Self::A, Self::Mu) => &ALAW_TO_ULAW,
        };
        for byte in payload {
            *byte = table[usize::from(*byte)];
        }
    }
}

/// µ-law bias: 33 in the 14-bit domain.
const BIAS: i32 = 33;

/// The segment is the place of the highest set bit of the biased 14-bit magnitude.
const fn ulaw_encode(sample: i16) -> u8 {
    let linear = sample as i32;
    let ones = if linear < 0 { !linear } else { linear };
    let biased = (ones >> 2) + BIAS;
    let magnitude = if biased > 0x1fff { 0x1fff } else { biased } as u32;
    let segment = 27 - (magnitude | 32).leading_zeros();
    let low = 15 - ((magnitude >> segment) & 15);
    let byte = ((8 - segment) << 4) | low;
    if linear < 0 { byte as u8 } else { byte as u8 | 0x80 }
}

const fn alaw_encode(sample: i16) -> u8 {
    let linear = sample as i32;
    let ones = if linear < 0 { !linear } else { linear };
    let magnitude = (ones >> 4) as u32;
    let byte = if magnitude < 16 {
        magnitude
    } else {
        let shift = 27 - magnitude.leading_zeros();
        ((magnitude >> shift) - 16) + ((shift + 1) << 4)
    };
    let signed = if linear < 0 { byte as u8 } else { byte as u8 | 0x80 };
    signed ^ 0x55
}

const fn ulaw_decode(byte: u8) -> i16 {
    let inverted = !byte;
    let exponent = ((inverted >> 4) & 7) as i32;
    let step = 8 << exponent;
    let magnitude = (0x80 << exponent) + step * (inverted & 15) as i32 + step / 2 - 4 * BIAS;
    if byte < 0x80 { -magnitude as i16 } else { magnitude as i16 }
}

const fn alaw_decode(byte: u8) -> i16 {
    let plain = (byte ^ 0x55) & 0x7f;
    let exponent = (plain >> 4) as i32;
    let leading = if exponent > 0 { 16 } else { 0 };
    let base = (((plain & 15) as i32 + leading) << 4) + 8;
    let magnitude = if exponent > 1 { base << (exponent - 1) } else { base };
    if byte < 0x80 { -magnitude as i16 } else { magnitude as i16 }
}

const fn decode_table(alaw: bool) -> [i16; 256] {
    let mut table = [0i16; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = if alaw { alaw_decode(byte as u8) } else { ulaw_decode(byte as u8) };
        byte += 1;
    }
    table
}

const fn transcode_table(from_alaw: bool) -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] =
            if from_alaw { ulaw_encode(alaw_decode(byte as u8)) } else { alaw_encode(ulaw_decode(byte as u8)) };
        byte += 1;
    }
    table
}

/// Neither law looks at the lowest bits of a sample: 2 of them for µ-law, 4 for A-law. The tables stay small, 16 and 4 KiB.
const fn ulaw_encode_table() -> [u8; 16_384] {
    let mut table = [0u8; 16_384];
    let mut at = 0;
    while at < table.len() {
        table[at] = ulaw_encode(((at as u16) << 2) as i16);
        at += 1;
    }
    table
}

const fn alaw_encode_table() -> [u8; 4_096] {
    let mut table = [0u8; 4_096];
    let mut at = 0;
    while at < table.len() {
        table[at] = alaw_encode(((at as u16) << 4) as i16);
        at += 1;
    }
    table
}

static ULAW_ENCODE: [u8; 16_384] = ulaw_encode_table();
static ALAW_ENCODE: [u8; 4_096] = alaw_encode_table();
static ULAW_DECODE: [i16; 256] = decode_table(false);
static ALAW_DECODE: [i16; 256] = decode_table(true);
static ULAW_TO_ALAW: [u8; 256] = transcode_table(false);
static ALAW_TO_ULAW: [u8; 256] = transcode_table(true);

#[cfg(test)]
mod tests {
    use super::*;

    /// G.191 `ulaw_compress`, loop for loop.
    fn reference_ulaw_compress(linear: i16) -> u8 {
        let mut magnitude = (if linear < 0 { !linear >> 2 } else { linear >> 2 }) + 33;
        if magnitude > 0x1fff {
            magnitude = 0x1fff;
        }
        let (mut i, mut segment) = (magnitude >> 6, 1);
        while i != 0 {
            segment += 1;
            i >>= 1;
        }
        let (high, low) = (8 - segment, 15 - ((magnitude >> segment) & 15));
        let byte = ((high << 4) | low) as u8;
        if linear >= 0 { byte | 0x80 } else { byte }
    }

    /// G.191 `alaw_compress`, loop for loop.
    fn reference_alaw_compress(linear: i16) -> u8 {
        let mut ix = if linear < 0 { !linear >> 4 } else { linear >> 4 };
        if ix > 15 {
            let mut exponent = 1;
            while ix > 16 + 15 {
                ix >>= 1;
                exponent += 1;
            }
            ix -= 16;
            ix += exponent << 4;
        }
        if linear >= 0 {
            ix |= 0x80;
        }
        (ix ^ 0x55) as u8
    }

    /// G.191 `ulaw_expand`.
    fn reference_ulaw_expand(byte: u8) -> i16 {
        let sign: i16 = if byte < 0x80 { -1 } else { 1 };
        let inverted = i16::from(!byte);
        let (exponent, mantissa) = ((inverted >> 4) & 7, inverted & 15);
        let step = 4 << (exponent + 1);
        sign * ((0x80 << exponent) + step * mantissa + step / 2 - 4 * 33)
    }

    /// G.191 `alaw_expand`.
    fn reference_alaw_expand(byte: u8) -> i16 {
        let ix = i16::from((byte ^ 0x55) & 0x7f);
        let (exponent, mut mantissa) = (ix >> 4, ix & 15);
        if exponent > 0 {
            mantissa += 16;
        }
        mantissa = (mantissa << 4) + 8;
        if exponent > 1 {
            mantissa <<= exponent - 1;
        }
        if byte > 127 { mantissa } else { -mantissa }
    }

    #[test]
    fn every_sample_is_encoded_as_g191_does() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(Law::Mu.encode(sample), reference_ulaw_compress(sample), "µ-law of {sample}");
            assert_eq!(Law::A.encode(sample), reference_alaw_compress(sample), "A-law of {sample}");
        }
    }

    #[test]
    fn every_byte_is_decoded_as_g191_does_and_survives_a_round() {
        for byte in 0..=255u8 {
            assert_eq!(Law::Mu.decode(byte), reference_ulaw_expand(byte), "µ-law byte {byte:#x}");
            assert_eq!(Law::A.decode(byte), reference_alaw_expand(byte), "A-law byte {byte:#x}");
            assert_eq!(Law::A.encode(Law::A.decode(byte)), byte);
            // µ-law has two zeros; the negative one comes back as the positive one.
            let round = Law::Mu.encode(Law::Mu.decode(byte));
            assert_eq!(round, if byte == 0x7f { 0xff } else { byte });
        }
    }

    #[test]
    fn transcoding_goes_through_linear_samples() {
        let all: Vec<u8> = (0..=255).collect();
        for (from, to) in [(Law::Mu, Law::A), (Law::A, Law::Mu)] {
            let mut bytes = all.clone();
            from.transcode(to, &mut bytes);
            let expected: Vec<u8> = all.iter().map(|b| to.encode(from.decode(*b))).collect();
            assert_eq!(bytes, expected);
        }
        let mut same = all.clone();
        Law::Mu.transcode(Law::Mu, &mut same);
        assert_eq!(same, all);
    }

    #[test]
    fn the_silence_byte_is_the_encoding_of_zero() {
        for law in [Law::Mu, Law::A] {
            assert_eq!(law.silence(), law.encode(0));
        }
    }
}
