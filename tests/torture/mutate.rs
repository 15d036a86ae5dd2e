//! Spoils messages. The same seed spoils them alike.

/// SplitMix64.
pub struct Dice(u64);

/// What breaks readers: bytes of the grammar, of other character sets, and none at all.
const NASTY: &[u8] = b"\r\n\t \0\x7f\xff\xc3\xe2;:,<>\"\\()[]@?=&%/*#'";
/// Numbers around the edges of what counters hold.
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775808",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "00000000000000000000000000000000000000000001",
];
/// Pieces put in by the thousand.
const RUNS: [&str; 8] = ["a", "(", ";x", ",<sip:a@b>", "\"", "%0", " \r\n ", "="];

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides.max(1) as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }

    /// One of these, spoilt in one to four ways.
    pub fn spoil(&mut self, messages: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = messages[self.roll(messages.len())].clone();
        for _ in 0..=self.roll(4) {
            bytes = self.spoil_once(bytes, messages);
        }
        bytes.truncate(65_000);
        bytes
    }

    fn spoil_once(&mut self, mut bytes: Vec<u8>, messages: &[Vec<u8>]) -> Vec<u8> {
        let at = self.roll(bytes.len());
        match self.roll(13) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << self.roll(8),
            1 if !bytes.is_empty() => bytes[at] = NASTY[self.roll(NASTY.len())],
            2 => bytes.insert(at, NASTY[self.roll(NASTY.len())]),
            3 => bytes.truncate(at),
            4 => _ = bytes.drain(at..(at + self.roll(40)).min(bytes.len())),
            5 => {
                let other = &messages[self.roll(messages.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[self.roll(other.len())..]);
            }
            6 => return self.lines(&bytes, Self::twice),
            7 => return self.lines(&bytes, |dice, lines| _ = lines.remove(dice.roll(lines.len()))),
            8 => {
                let other = messages[self.roll(messages.len())].clone();
                let other = other.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
                let line = other[self.roll(other.len())].clone();
                return self.lines(&bytes, |dice, lines| lines.insert(dice.roll(lines.len()), line));
            }
            9 => return self.length_lies(&bytes),
            10 => return self.huge_number(&bytes),
            11 => {
                let piece: &str = self.pick(&RUNS);
                let run = piece.repeat(1 + self.roll(3_000));
                let tail = bytes.split_off(at);
                bytes.extend_from_slice(run.as_bytes());
                bytes.extend_from_slice(&tail);
            }
            12 => {
                let ends: &[u8] = self.pick(&[&b"\n"[..], b"\r", b"\r\n\r\n", b"\n\r", b""]);
                return self.lines(&bytes, |dice, lines| {
                    let n = dice.roll(lines.len());
                    if let Some([line @ .., b'\r']) = lines.get(n).map(Vec::as_slice) {
                        lines[n] = [line, ends].concat();
                    }
                });
            }
            _ => {}
        }
        bytes
    }

    /// A header stands there a second time, somewhere else.
    fn twice(&mut self, lines: &mut Vec<Vec<u8>>) {
        let line = lines[self.roll(lines.len())].clone();
        for _ in 0..=self.roll(3).pow(5) {
            lines.insert(self.roll(lines.len()), line.clone());
        }
    }

    fn lines(&mut self, bytes: &[u8], change: impl FnOnce(&mut Self, &mut Vec<Vec<u8>>)) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        change(self, &mut lines);
        lines.join(&b"\n"[..])
    }

    fn length_lies(&mut self, bytes: &[u8]) -> Vec<u8> {
        let number: &str = self.pick(&NUMBERS);
        let lie = [b"Content-Length: ", number.as_bytes(), b"\r"].concat();
        self.lines(bytes, |dice, lines| {
            let at = lines.iter().position(|l| l.to_ascii_lowercase().starts_with(b"content-length"));
            match at {
                Some(at) => lines[at] = lie,
                None => lines.insert(dice.roll(lines.len().min(9)), lie),
            }
        })
    }

    /// A run of digits becomes another number.
    fn huge_number(&mut self, bytes: &[u8]) -> Vec<u8> {
        let from = self.roll(bytes.len());
        let Some(start) = bytes.iter().skip(from).position(u8::is_ascii_digit).map(|at| from + at) else {
            return bytes.to_vec();
        };
        let end = bytes.iter().skip(start).position(|b| !b.is_ascii_digit()).map_or(bytes.len(), |at| start + at);
        let number: &str = self.pick(&NUMBERS);
        [&bytes[..start], number.as_bytes(), &bytes[end..]].concat()
    }
}
