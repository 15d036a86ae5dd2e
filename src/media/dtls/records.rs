//! A look at DTLS records before `rtc-dtls` reads them (RFC 6347 §4.1).
//!
//! RFC 6347 §4.1.2.7 wants broken records dropped in silence. What is let through is whole, of a known type, and within
//! what one association may cost; what is in the clear and can only end the association is kept back.

use bytes::BytesMut;

use super::Role;

/// Datagrams of one handshake: three flights each way, each sent up to ten times in few pieces.
const HANDSHAKE_DATAGRAMS: usize = 128;
/// Bytes of one handshake.
const HANDSHAKE_BYTES: usize = 128 * 1_024;
/// Datagrams with handshake records after its end: the peer repeats its last flight while ours is lost.
const REPEATS: usize = 32;
/// Pieces of messages that came in pieces. `rtc-dtls` joins them in steps that are the square of their number.
const FRAGMENTS: usize = 128;
/// The longest handshake message: a chain of certificates.
const MESSAGE_BYTES: usize = 16 * 1_024;

const RECORD_HEADER: usize = 13;
const FRAGMENT_HEADER: usize = 12;

/// Where an association stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Handshaking,
    Established,
}

/// What is left of a datagram.
#[derive(Debug, Default)]
pub(super) struct Sifted {
    /// Records for `rtc-dtls`; `None` when there are none.
    pub records: Option<BytesMut>,
    /// The number of a fatal alert, or of close_notify, in the clear while the handshake runs.
    pub alert: Option<u8>,
}

/// Counts what one association has cost, and how far the peer's messages have come.
#[derive(Debug)]
pub(super) struct Sieve {
    datagrams: usize,
    bytes: usize,
    repeats: usize,
    fragments: usize,
    role: Role,
    /// The number of the peer's first message that is not whole yet, and its bytes so far.
    next: u16,
    so_far: usize,
}

/// What a record of handshake messages is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Worth {
    /// Not to be read.
    Broken,
    /// Nothing but messages that were read already.
    Repeat,
    /// At least a piece of another one.
    New,
}

impl Sieve {
    pub(super) fn new(role: Role) -> Self {
        Self {
            datagrams: HANDSHAKE_DATAGRAMS,
            bytes: HANDSHAKE_BYTES,
            repeats: REPEATS,
            fragments: FRAGMENTS,
            role,
            next: 0,
            so_far: 0,
        }
    }

    /// Lets pass what `rtc-dtls` may see of one datagram.
    pub(super) fn pass(&mut self, phase: Phase, datagram: &[u8]) -> Sifted {
        let mut sifted = Sifted::default();
        let mut records = BytesMut::new();
        let mut handshake = false;
        let mut rest = datagram;
        // A record that is cut off ends the datagram: where the next one would begin is not known.
        while let Some((record, after)) = Record::split(rest) {
            rest = after;
            if !self.admits(phase, &record, &mut sifted) {
                continue;
            }
            handshake |= record.kind == Kind::Handshake;
            records.extend_from_slice(record.whole);
        }
        if !records.is_empty() && self.afford(phase, handshake, records.len()) {
            sifted.records = Some(records);
        }
        sifted
    }

    fn admits(&mut self, phase: Phase, record: &Record<'_>, sifted: &mut Sifted) -> bool {
        let clear = record.epoch == 0;
        match (record.kind, phase) {
            (Kind::Handshake, _) if !clear => true,
            (Kind::Handshake, _) => {
                // A server answers the first ClientHello without a timer: the client's repeats are its timer. And
                // whoever is done learns by a repeat that its last flight was lost (RFC 6347 §4.2.4).
                let repeats_count = phase == Phase::Established || (self.role == Role::Server && self.next <= 1);
                match self.worth(record.body) {
                    Worth::Broken => false,
                    Worth::Repeat => repeats_count,
                    Worth::New => true,
                }
            }
            (Kind::ChangeCipherSpec, Phase::Handshaking) => clear && record.body == [1],
            (Kind::Alert, Phase::Handshaking) if clear => {
                // 2 is fatal; close_notify is a warning by its level.
                if let [level, number] = *record.body
                    && (level == 2 || number == 0)
                {
                    sifted.alert = Some(number);
                }
                false
            }
            // Encrypted: whatever it says, the peer says it.
            (Kind::Alert, _) => !clear,
            (Kind::ChangeCipherSpec, Phase::Established) | (Kind::Other, _) => false,
        }
    }

    /// Looks at the handshake messages, or pieces of some, of a record in the clear.
    fn worth(&mut self, mut body: &[u8]) -> Worth {
        let mut worth = Worth::Repeat;
        while !body.is_empty() {
            let Some((header, after)) = body.split_first_chunk::<FRAGMENT_HEADER>() else { return Worth::Broken };
            let [_, a0, a1, a2, n0, n1, o0, o1, o2, l0, l1, l2] = *header;
            let of = |a, b, c| usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
            let (whole, offset, length) = (of(a0, a1, a2), of(o0, o1, o2), of(l0, l1, l2));
            let Some((_, rest)) = after.split_at_checked(length) else { return Worth::Broken };
            let end = offset.saturating_add(length);
            if whole > MESSAGE_BYTES || end > whole || (length == 0 && whole > 0) {
                return Worth::Broken;
            }
            if length < whole {
                let Some(left) = self.fragments.checked_sub(1) else { return Worth::Broken };
                self.fragments = left;
            }
            let number = u16::from_be_bytes([n0, n1]);
            if number >= self.next {
                worth = Worth::New;
            }
            if number == self.next && offset <= self.so_far {
                self.so_far = self.so_far.max(end);
                if self.so_far >= whole {
                    (self.next, self.so_far) = (self.next.saturating_add(1), 0);
                }
            }
            body = rest;
        }
        worth
    }

    /// Takes one datagram off what the association may cost; false when nothing is left.
    fn afford(&mut self, phase: Phase, handshake: bool, bytes: usize) -> bool {
        let spend = |left: &mut usize, cost: usize| {
            let after = left.checked_sub(cost);
            *left = after.unwrap_or(*left);
            after.is_some()
        };
        match phase {
            Phase::Handshaking => spend(&mut self.bytes, bytes) && spend(&mut self.datagrams, 1),
            Phase::Established => !handshake || spend(&mut self.repeats, 1),
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    ChangeCipherSpec,
    Alert,
    Handshake,
    /// Application data, and types that DTLS 1.2 does not have.
    Other,
}

struct Record<'a> {
    kind: Kind,
    epoch: u16,
    body: &'a [u8],
    whole: &'a [u8],
}

impl<'a> Record<'a> {
    /// The first whole record and what follows it.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let header: &[u8; RECORD_HEADER] = bytes.first_chunk()?;
        let [kind, major, minor, e0, e1, _, _, _, _, _, _, l0, l1] = *header;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let (whole, after) = bytes.split_at_checked(RECORD_HEADER + length)?;
        let epoch = u16::from_be_bytes([e0, e1]);
        // 0xfeff is DTLS 1.0, in the record of a ClientHello; the handshake itself refuses it. There is no second
        // handshake on an association, so no epoch after the first.
        let known = major == 0xfe && (minor == 0xfd || minor == 0xff) && epoch <= 1 && length > 0;
        let kind = match kind {
            20 if known => Kind::ChangeCipherSpec,
            21 if known => Kind::Alert,
            22 if known => Kind::Handshake,
            _ => Kind::Other,
        };
        Some((Self { kind, epoch, body: whole.get(RECORD_HEADER..)?, whole }, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0];
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    /// A piece of the first handshake message.
    fn piece(whole: u16, offset: u16, length: u16) -> Vec<u8> {
        numbered(0, whole, offset, length)
    }

    fn numbered(number: u8, whole: u16, offset: u16, length: u16) -> Vec<u8> {
        let of = |n: u16| [0, n.to_be_bytes()[0], n.to_be_bytes()[1]];
        let mut bytes = [&[1][..], &of(whole), &[0, number], &of(offset), &of(length)].concat();
        bytes.resize(bytes.len() + usize::from(length), 7);
        bytes
    }

    fn passes(phase: Phase, bytes: &[u8]) -> bool {
        Sieve::new(Role::Server).pass(phase, bytes).records.is_some()
    }

    #[test]
    fn only_what_belongs_to_a_handshake_passes_while_it_runs() {
        let hello = record(22, 0, &piece(40, 0, 40));
        assert!(passes(Phase::Handshaking, &hello));
        assert!(passes(Phase::Handshaking, &record(20, 0, &[1])));
        assert!(passes(Phase::Handshaking, &record(22, 1, b"finished, encrypted")));
        for (what, bytes) in [
            ("nothing", vec![]),
            ("application data", record(23, 0, b"data")),
            ("application data, encrypted", record(23, 1, b"data")),
            ("an unknown type", record(24, 0, b"heartbeat")),
            ("a second handshake", record(22, 2, b"renegotiation")),
            ("another protocol's version", [&[22, 3, 3], &hello[3..]].concat()),
            ("a change of cipher that is none", record(20, 0, &[2])),
            ("an empty record", record(22, 0, &[])),
            ("half a header", record(22, 0, &[1, 0, 0])),
            ("a piece beyond its message", record(22, 0, &piece(40, 30, 20))),
            ("a message too long", record(22, 0, &piece(16_385, 0, 1))),
            ("a cut record", hello[..hello.len() - 1].to_vec()),
        ] {
            assert!(!passes(Phase::Handshaking, &bytes), "{what}");
        }
        let mixed = [record(23, 0, b"x"), hello.clone(), vec![22, 0xfe]].concat();
        let sifted = Sieve::new(Role::Server).pass(Phase::Handshaking, &mixed);
        assert_eq!(sifted.records.as_deref(), Some(&hello[..]));
    }

    /// RFC 6347 §4.1.2.7: afterwards anybody could have written what is in the clear.
    #[test]
    fn alerts_in_the_clear_count_only_while_the_handshake_runs() {
        let sifted = |phase, body: &[u8]| Sieve::new(Role::Server).pass(phase, &record(21, 0, body)).alert;
        assert_eq!(sifted(Phase::Handshaking, &[2, 40]), Some(40));
        assert_eq!(sifted(Phase::Handshaking, &[1, 0]), Some(0));
        assert_eq!(sifted(Phase::Handshaking, &[1, 90]), None);
        assert_eq!(sifted(Phase::Handshaking, &[2]), None);
        assert_eq!(sifted(Phase::Established, &[2, 40]), None);
        assert!(!passes(Phase::Established, &record(21, 0, &[2, 40])));
        assert!(passes(Phase::Established, &record(21, 1, b"encrypted")));
        assert!(!passes(Phase::Established, &record(20, 0, &[1])));
    }

    #[test]
    fn what_an_association_may_cost_is_bounded() {
        let hello = record(22, 0, &piece(40, 0, 40));
        let mut sieve = Sieve::new(Role::Server);
        let count = |sieve: &mut Sieve, phase, bytes: &[u8]| {
            (0..1_000).filter(|_| sieve.pass(phase, bytes).records.is_some()).count()
        };
        assert_eq!(count(&mut sieve, Phase::Handshaking, &hello), HANDSHAKE_DATAGRAMS);
        assert_eq!(count(&mut sieve, Phase::Established, &hello), REPEATS);
        assert_eq!(count(&mut sieve, Phase::Established, &record(21, 1, b"encrypted")), 1_000);

        let pieces = record(22, 0, &[piece(40, 0, 1), piece(40, 1, 1), piece(40, 2, 1)].concat());
        assert_eq!(count(&mut Sieve::new(Role::Server), Phase::Handshaking, &pieces), FRAGMENTS / 3);
        let long = record(22, 0, &piece(8_000, 0, 8_000));
        assert_eq!(count(&mut Sieve::new(Role::Server), Phase::Handshaking, &long), HANDSHAKE_BYTES / long.len());
    }

    /// A repeat of a flight that was read must not look like the next one.
    #[test]
    fn repeats_pass_only_where_they_mean_something() {
        let whole = |number| record(22, 0, &numbered(number, 40, 0, 40));
        let mut server = Sieve::new(Role::Server);
        let mut pass = |phase, bytes: &[u8]| server.pass(phase, bytes).records.is_some();
        // The first ClientHello is answered as often as it comes, the second once.
        assert!(pass(Phase::Handshaking, &whole(0)) && pass(Phase::Handshaking, &whole(0)));
        assert!(pass(Phase::Handshaking, &whole(1)) && !pass(Phase::Handshaking, &whole(1)));
        assert!(!pass(Phase::Handshaking, &whole(0)));
        // In pieces: each piece is new until the message is whole.
        assert!(pass(Phase::Handshaking, &record(22, 0, &numbered(2, 40, 0, 20))));
        assert!(pass(Phase::Handshaking, &record(22, 0, &numbered(2, 40, 20, 20))));
        assert!(!pass(Phase::Handshaking, &record(22, 0, &numbered(2, 40, 20, 20))));
        assert!(pass(Phase::Established, &whole(2)));

        let mut client = Sieve::new(Role::Client);
        let mut pass = |bytes: &[u8]| client.pass(Phase::Handshaking, bytes).records.is_some();
        assert!(pass(&whole(0)) && !pass(&whole(0)));
        let mixed = [whole(0), record(22, 1, b"finished, encrypted")].concat();
        assert!(pass(&mixed));
    }
}
