//! RTCP: sender and receiver reports (RFC 3550 §6.4).

use super::reception::Report;

/// Room for one report of ours.
pub const REPORT_BYTES: usize = 96;

/// What a compound packet told us. BYE and all else is not acted upon: it proves nothing about its sender.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Heard {
    /// Middle 32 bits of the NTP time in the peer's sender report.
    pub sender_report: Option<u32>,
    /// Last SR and delay since it, of the report block about our stream.
    pub round_trip: Option<(u32, u32)>,
}

/// What our report says about us as sender.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sender {
    /// NTP time now.
    pub ntp: u64,
    /// Our RTP timestamp now.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

/// When the peer's last sender report came, for the report block.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LastSr {
    /// Middle 32 bits of its NTP time; 0 when none came.
    pub ntp: u32,
    /// Time since then in 1/65536 s.
    pub delay: u32,
}

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

/// Reads a compound packet about our stream `ssrc`; `None` when it is not RTCP at its beginning.
///
/// Reading stops at the first packet of the compound that does not fit.
pub fn parse(datagram: &[u8], ssrc: u32) -> Option<Heard> {
    let mut heard = Heard::default();
    let mut rest = datagram;
    let mut any = false;
    while let Some([first, kind, l0, l1]) = rest.first_chunk::<4>().copied() {
        let length = (usize::from(u16::from_be_bytes([l0, l1])) + 1) * 4;
        let Some((packet, after)) = rest.split_at_checked(length).filter(|_| first >> 6 == 2) else { break };
        if !any && !(192..=223).contains(&kind) {
            return None;
        }
        any = true;
        rest = after;
        let blocks_at = match kind {
            SR => {
                if let (Some(high), Some(low)) = (word(packet, 8), word(packet, 12)) {
                    heard.sender_report = Some((high << 16) | (low >> 16));
                }
                28
            }
            RR => 8,
            _ => continue,
        };
        for n in 0..usize::from(first & 31) {
            let at = blocks_at + n * 24;
            if let (Some(about), Some(last), Some(delay)) =
                (word(packet, at), word(packet, at + 16), word(packet, at + 20))
                && about == ssrc
                && last != 0
            {
                heard.round_trip = Some((last, delay));
            }
        }
    }
    any.then_some(heard)
}

/// Whose packet it says it is: the SSRC after the first header (RFC 3550 §6.4).
pub fn sender(datagram: &[u8]) -> Option<u32> {
    word(datagram, 4)
}

/// The round trip in 1/65536 s from a report block, by the middle 32 bits of our NTP time now.
pub fn round_trip(now: u32, (last, delay): (u32, u32)) -> Option<u32> {
    let trip = now.wrapping_sub(last).wrapping_sub(delay);
    // More than a minute or below zero: a wrong or forged block.
    (trip < 60 << 16).then_some(trip)
}

/// Writes our report and CNAME into `out` and returns its length in bytes.
pub fn write(
    out: &mut [u8; REPORT_BYTES],
    ssrc: u32,
    sender: Option<Sender>,
    report: Option<Report>,
    last_sr: LastSr,
) -> usize {
    let mut writer = Writer { out, at: 0 };
    let blocks = u8::from(report.is_some());
    let words = 1 + if sender.is_some() { 5 } else { 0 } + u16::from(blocks) * 6;
    writer.head(blocks, if sender.is_some() { SR } else { RR }, words);
    writer.word(ssrc);
    if let Some(sender) = sender {
        writer.word((sender.ntp >> 32) as u32);
        writer.word(sender.ntp as u32);
        writer.word(sender.timestamp);
        writer.word(sender.packets);
        writer.word(sender.octets);
    }
    if let Some(report) = report {
        writer.word(report.ssrc);
        writer.word((u32::from(report.fraction_lost) << 24) | (report.lost & 0xff_ffff));
        writer.word(report.highest);
        writer.word(report.jitter);
        writer.word(last_sr.ntp);
        writer.word(last_sr.delay);
    }
    // SDES with a CNAME made of the SSRC (RFC 7022 short-term name): 8 hex digits, end, padding.
    writer.head(1, SDES, 4);
    writer.word(ssrc);
    let hex = |nibble: u32| b"0123456789abcdef".get((nibble & 15) as usize).copied().unwrap_or(b'0');
    writer.bytes(&[1, 8]);
    for place in (0..8).rev() {
        writer.bytes(&[hex(ssrc >> (4 * place))]);
    }
    writer.bytes(&[0, 0]);
    writer.at
}

struct Writer<'a> {
    out: &'a mut [u8; REPORT_BYTES],
    at: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(room) = self.out.get_mut(self.at..self.at + bytes.len()) {
            room.copy_from_slice(bytes);
            self.at += bytes.len();
        }
    }

    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes())
    }

    fn head(&mut self, count: u8, kind: u8, words: u16) {
        let [l0, l1] = words.to_be_bytes();
        self.bytes(&[0x80 | count, kind, l0, l1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: Report = Report { ssrc: 7, fraction_lost: 3, lost: 9, highest: 70_000, jitter: 12 };

    #[test]
    fn a_report_reads_back_as_written() {
        let mut out = [0; REPORT_BYTES];
        let sender = Sender { ntp: 0x1234_5678_9abc_def0, timestamp: 1, packets: 2, octets: 3 };
        let last_sr = LastSr { ntp: 0xaaaa_bbbb, delay: 0x1_0000 };
        let length = write(&mut out, 5, Some(sender), Some(REPORT), last_sr);
        let bytes = &out[..length];
        assert_eq!((length % 4, &bytes[..4]), (0, &[0x81, 200, 0, 12][..]));
        let heard = parse(bytes, 7).unwrap();
        assert_eq!(heard.sender_report, Some(0x5678_9abc));
        assert_eq!(heard.round_trip, Some((0xaaaa_bbbb, 0x1_0000)));
        assert_eq!(parse(bytes, 8).unwrap().round_trip, None, "a block about somebody else");
        let length = write(&mut out, 5, None, None, LastSr::default());
        assert_eq!(parse(&out[..length], 7), Some(Heard::default()));
    }

    #[test]
    fn the_round_trip_is_now_less_last_sr_less_delay() {
        assert_eq!(round_trip(0x0003_0000, (0x0001_0000, 0x0001_8000)), Some(0x8000));
        assert_eq!(round_trip(0x0001_0000, (0x0003_0000, 0)), None);
    }

    #[test]
    fn cut_and_foreign_compounds_are_read_within_their_bounds() {
        let mut out = [0; REPORT_BYTES];
        let length = write(&mut out, 5, None, Some(REPORT), LastSr { ntp: 1, delay: 1 });
        for cut in 0..length {
            let _ = parse(&out[..cut], 7);
        }
        assert_eq!(parse(&[0x81, 201, 0xff, 0xff, 0, 0, 0, 0], 7), None, "a length of 256 KiB");
        assert_eq!(parse(&[0x9f, 201, 0, 1, 0, 0, 0, 0], 7), Some(Heard::default()), "31 blocks announced, none there");
        assert_eq!(parse(&crate::media::rtp::header(0, false, 1, 2, 3), 7), None);
    }
}
