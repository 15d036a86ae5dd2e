//! RTP headers (RFC 3550 §5.1).

use std::ops::Range;

/// Bytes of a header without CSRC and extension: the only kind we write.
pub const HEADER_BYTES: usize = 12;

/// The header of one packet and where its payload lies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Packet {
    /// Payload type, 0–127.
    pub payload_type: u8,
    /// The marker bit: the first packet after silence, or of a telephone-event.
    pub marker: bool,
    /// Sequence number; wraps at 2¹⁶.
    pub sequence: u16,
    /// Media timestamp in samples; wraps at 2³².
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
    /// The payload within the datagram, padding left out; starts at 12 or later.
    pub payload: Range<usize>,
}

/// Why a datagram is not an RTP packet: always the sender's doing.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum RtpError {
    /// The datagram ends within the header, the CSRC list, the extension or the padding.
    #[error("the RTP packet is cut off")]
    Truncated,
    /// The version is not 2: often STUN or a keep-alive on the same port.
    #[error("not RTP version 2")]
    Version,
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, RtpError> {
    bytes.get(at..).and_then(|b| b.first_chunk()).map(|b| u16::from_be_bytes(*b)).ok_or(RtpError::Truncated)
}

/// Where the payload of one datagram starts, behind CSRC list and extension; at most its length.
///
/// # Errors
///
/// Those of [`parse`], which looks at the padding too: its length cannot be read while a packet is encrypted.
pub fn payload_start(datagram: &[u8]) -> Result<usize, RtpError> {
    let first = *datagram.first().ok_or(RtpError::Truncated)?;
    if first >> 6 != 2 {
        return Err(RtpError::Version);
    }
    let mut start = HEADER_BYTES + usize::from(first & 15) * 4;
    if first & 0x10 != 0 {
        let words = usize::from(u16_at(datagram, start + 2)?);
        start += 4 + words * 4;
    }
    if start > datagram.len() { Err(RtpError::Truncated) } else { Ok(start) }
}

/// Reads the header of one datagram.
///
/// # Errors
///
/// [`RtpError::Version`] before [`RtpError::Truncated`], so that foreign protocols are told from broken ones.
pub fn parse(datagram: &[u8]) -> Result<Packet, RtpError> {
    let start = payload_start(datagram)?;
    let header: &[u8; HEADER_BYTES] = datagram.first_chunk().ok_or(RtpError::Truncated)?;
    let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *header;
    let mut end = datagram.len();
    if first & 0x20 != 0 {
        end = end.checked_sub(usize::from(*datagram.last().ok_or(RtpError::Truncated)?)).ok_or(RtpError::Truncated)?;
    }
    if start > end {
        return Err(RtpError::Truncated);
    }
    Ok(Packet {
        payload_type: second & 0x7f,
        marker: second & 0x80 != 0,
        sequence: u16::from_be_bytes([s0, s1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        payload: start..end,
    })
}

/// A plain header: no CSRC, no extension, no padding.
pub fn header(payload_type: u8, marker: bool, sequence: u16, timestamp: u32, ssrc: u32) -> [u8; HEADER_BYTES] {
    let [s0, s1] = sequence.to_be_bytes();
    let [t0, t1, t2, t3] = timestamp.to_be_bytes();
    let [c0, c1, c2, c3] = ssrc.to_be_bytes();
    [0x80, (u8::from(marker) << 7) | (payload_type & 0x7f), s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
}

/// True when a datagram on an RTP port is RTCP: packet types 192–223 (RFC 5761 §4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|b| (192..=223).contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_written() {
        let mut bytes = header(101, true, 65_535, 0xfedc_ba98, 7).to_vec();
        bytes.extend([1, 2, 3]);
        let read = parse(&bytes);
        let expected = Packet {
            payload_type: 101,
            marker: true,
            sequence: 65_535,
            timestamp: 0xfedc_ba98,
            ssrc: 7,
            payload: 12..15,
        };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn csrc_extension_and_padding_are_left_out_of_the_payload() {
        let mut bytes = header(0, false, 1, 2, 3).to_vec();
        bytes[0] = 0x80 | 0x20 | 0x10 | 1;
        bytes.extend([9, 9, 9, 9]); // one CSRC
        bytes.extend([0xbe, 0xde, 0, 1, 8, 8, 8, 8]); // extension of one word
        bytes.extend([1, 2, 3, 4, 0, 2]); // four bytes of payload, two of padding
        assert_eq!(parse(&bytes).map(|p| p.payload), Ok(24..28));
    }

    #[test]
    fn cut_and_foreign_datagrams_are_refused() {
        let mut bytes = header(0, false, 1, 2, 3).to_vec();
        assert_eq!(parse(&[]), Err(RtpError::Truncated));
        assert_eq!(parse(&bytes[..11]), Err(RtpError::Truncated));
        assert_eq!(parse(&[0, 1, 0, 0]), Err(RtpError::Version));
        bytes[0] = 0x8f;
        assert_eq!(parse(&bytes), Err(RtpError::Truncated), "15 CSRC announced, none there");
        bytes[0] = 0x90;
        assert_eq!(parse(&bytes), Err(RtpError::Truncated), "extension announced, none there");
        bytes[0] = 0xa0;
        bytes.push(255);
        assert_eq!(parse(&bytes), Err(RtpError::Truncated), "padding longer than the packet");
        for length in 0..40 {
            for first in 0..=255u8 {
                let noise: Vec<u8> = (0..length).map(|n| if n == 0 { first } else { (n * 37) as u8 | first }).collect();
                let _ = parse(&noise);
            }
        }
    }
}
