//! Key presses as telephone-event (RFC 4733 §2).

/// Reads the telephone-events of one sender: each key press once, at the first of its packets that comes.
///
/// All packets of one press carry the timestamp of its beginning, so loss of any of them, the end included,
/// repeats and reordering do not matter.
#[derive(Debug, Default)]
pub struct DigitReader {
    last: Option<Press>,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    timestamp: u32,
    event: u8,
    duration: u16,
}

/// Timestamps so far back are a sender that began anew rather than a late packet: 10 s.
const RESTART: u32 = 80_000;

impl DigitReader {
    /// Takes one packet: its timestamp and its payload. Returns the key when a new press began with it.
    pub fn handle(&mut self, timestamp: u32, payload: &[u8]) -> Option<char> {
        let [event, _flags, d0, d1] = *payload.first_chunk::<4>()?;
        let digit = digit(event)?;
        let duration = u16::from_be_bytes([d0, d1]);
        if let Some(last) = &mut self.last {
            let ahead = timestamp.wrapping_sub(last.timestamp);
            if ahead == 0 || (ahead > u32::MAX / 2 && ahead.wrapping_neg() < RESTART) {
                last.duration = if ahead == 0 { last.duration.max(duration) } else { last.duration };
                return None;
            }
            // A press of more than 8 s goes on in segments that touch (RFC 4733 §2.5.1.3).
            if event == last.event && last.duration >= 0xff00 && ahead <= u32::from(u16::MAX) {
                *last = Press { timestamp, event, duration };
                return None;
            }
        }
        self.last = Some(Press { timestamp, event, duration });
        Some(digit)
    }

    /// The sender changed its SSRC: its timestamps begin anew.
    pub fn restart(&mut self) {
        self.last = None
    }
}

/// The key of an event's payload, when it is one.
pub fn key([event, ..]: [u8; 4]) -> Option<char> {
    digit(event)
}

/// True for a packet that ends its press.
pub fn is_end([_, flags, ..]: [u8; 4]) -> bool {
    flags & 0x80 != 0
}

/// The key of an event code; flash and other events are none.
fn digit(event: u8) -> Option<char> {
    b"0123456789*#ABCD".get(usize::from(event)).map(|b| char::from(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(event: u8, end: bool, duration: u16) -> [u8; 4] {
        let [d0, d1] = duration.to_be_bytes();
        [event, if end { 0x8a } else { 0x0a }, d0, d1]
    }

    #[test]
    fn a_press_is_told_once_by_its_timestamp() {
        let mut reader = DigitReader::default();
        assert_eq!(reader.handle(u32::MAX - 80, &payload(5, false, 160)), Some('5'));
        assert_eq!(reader.handle(u32::MAX - 80, &payload(5, false, 320)), None);
        assert_eq!(reader.handle(u32::MAX - 80, &payload(5, true, 480)), None);
        // The same key again, the timestamp wrapped; then a late packet of the first press.
        assert_eq!(reader.handle(1_000, &payload(5, true, 160)), Some('5'), "only the end packet came");
        assert_eq!(reader.handle(u32::MAX - 80, &payload(5, true, 480)), None);
        assert_eq!(reader.handle(1_000, &payload(5, true, 160)), None);
        assert_eq!(reader.handle(3_000, &payload(11, false, 160)), Some('#'));
    }

    #[test]
    fn a_long_press_in_segments_is_one() {
        let mut reader = DigitReader::default();
        assert_eq!(reader.handle(0, &payload(1, false, 0xffff)), Some('1'));
        assert_eq!(reader.handle(0xffff, &payload(1, false, 160)), None);
        assert_eq!(reader.handle(0xffff, &payload(1, true, 800)), None);
        assert_eq!(reader.handle(0xffff + 1_600, &payload(1, false, 160)), Some('1'));
    }

    #[test]
    fn flash_and_cut_payloads_are_no_digits() {
        let mut reader = DigitReader::default();
        assert_eq!(reader.handle(0, &payload(16, false, 160)), None);
        assert_eq!(reader.handle(0, &[5, 0, 0]), None);
        assert_eq!(reader.handle(0, &payload(15, false, 160)), Some('D'));
        reader.restart();
        assert_eq!(reader.handle(0, &payload(10, false, 160)), Some('*'));
    }
}
