//! Cuts a byte stream into messages by Content-Length (RFC 3261 §18.3).
//!
//! Where the next message begins is known only as long as every length is. A message without Content-Length
//! has no body. When the place is lost — no SIP start line, a length that is none, two different ones, too
//! large — there is no safe way back: the connection must be closed, after the head of such a message was handed
//! on, so that a request is answered before. A message that is wrong in any other way is handed on too, and the
//! connection with all its calls lives.

use bytes::{Bytes, BytesMut};

use super::header::{HeaderName, number_of};
pub use super::message::MESSAGE_BYTES_MAX;
use super::message::{Message, ParseError};

/// Something whole from the stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Framed {
    /// One message, for [`Message::parse`].
    Message(Bytes),
    /// A double CRLF between messages: answer with a single one (RFC 5626 §3.5.1).
    Ping,
}

/// Why the stream cannot be read any further: close the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// What comes is not SIP: another protocol, or the rest of a message whose length was wrong.
    #[error("not SIP")]
    NotSip,
    /// A Content-Length that is no number, or two that differ.
    #[error("unusable Content-Length")]
    Length,
    /// Head or body are larger than [`MESSAGE_BYTES_MAX`], or there are too many headers.
    #[error("message over the limit")]
    TooLarge,
}

/// Collects bytes of one connection and gives back whole messages.
///
/// An iterator that ends for now when it needs more bytes and goes on after the next [`Framer::push`]. After
/// an error it gives nothing any more.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// How far the end of the headers was looked for.
    scanned: usize,
    /// Head and body of the message being collected, in bytes.
    wanted: Option<usize>,
    /// The place is lost; told after the head that showed it.
    lost: Option<StreamError>,
    broken: bool,
}

impl Framer {
    /// An empty one.
    pub fn new() -> Framer {
        Framer::default()
    }

    /// Takes bytes as they came. Drain the iterator after each call: no more than one unfinished message is
    /// then kept.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// True when part of a message has come and the rest has not: for a time limit on slow senders.
    pub fn is_partial(&self) -> bool {
        self.buffer.iter().any(|b| !matches!(b, b'\r' | b'\n'))
    }

    fn step(&mut self) -> Result<Option<Framed>, StreamError> {
        if let Some(error) = self.lost {
            return Err(error);
        }
        if self.wanted.is_none() {
            if self.skip_line_ends() {
                return Ok(Some(Framed::Ping));
            }
            // A TLS hello or the like never sends a line end; do not wait for one.
            if self.buffer.first().is_some_and(|b| !matches!(b, b'!'..=b'~' | b'\r' | b'\n')) {
                return Err(StreamError::NotSip);
            }
            match self.head_end() {
                Some(head) => match self.measure(head) {
                    Ok(wanted) => self.wanted = Some(wanted),
                    Err(error @ (StreamError::Length | StreamError::TooLarge)) if head <= MESSAGE_BYTES_MAX => {
                        self.lost = Some(error);
                        return Ok(Some(Framed::Message(self.buffer.split_to(head).freeze())));
                    }
                    Err(error) => return Err(error),
                },
                None if self.buffer.len() > MESSAGE_BYTES_MAX => return Err(StreamError::TooLarge),
                None => return Ok(None),
            }
        }
        match self.wanted {
            Some(wanted) if wanted <= self.buffer.len() => {
                (self.wanted, self.scanned) = (None, 0);
                Ok(Some(Framed::Message(self.buffer.split_to(wanted).freeze())))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Drops line ends before a message; true for a ping. A line end at the very end is kept: it may be half
    /// of one.
    fn skip_line_ends(&mut self) -> bool {
        loop {
            let (skip, ping) = match &self.buffer[..] {
                [b'\r', b'\n', b'\r', b'\n', ..] => (4, true),
                [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return false,
                [b'\r', b'\n', ..] => (2, false),
                [b'\r' | b'\n', ..] => (1, false),
                _ => return false,
            };
            drop(self.buffer.split_to(skip));
            self.scanned = 0;
            if ping {
                return true;
            }
        }
    }

    /// Length of start line and headers with the empty line, once they are all there.
    fn head_end(&mut self) -> Option<usize> {
        loop {
            let from = self.scanned;
            let newline = match self.buffer.get(from..)?.iter().position(|b| *b == b'\n') {
                Some(offset) => from + offset,
                None => {
                    self.scanned = self.buffer.len();
                    return None;
                }
            };
            self.scanned = newline + 1;
            if let [.., b'\n'] | [.., b'\n', b'\r'] = self.buffer.get(..newline)? {
                return Some(newline + 1);
            }
        }
    }

    /// Length of the whole message whose head is `head` bytes.
    fn measure(&self, head: usize) -> Result<usize, StreamError> {
        if head > MESSAGE_BYTES_MAX {
            return Err(StreamError::TooLarge);
        }
        let bytes = Bytes::copy_from_slice(self.buffer.get(..head).unwrap_or_default());
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(malformed) => match (malformed.error, malformed.message) {
                (ParseError::TooManyHeaders, _) => return Err(StreamError::TooLarge),
                (_, Some(message)) => *message,
                (_, None) => return Err(StreamError::NotSip),
            },
        };
        let mut lengths = message.headers(HeaderName::ContentLength).map(number_of);
        let first = lengths.next().unwrap_or(Some(0)).ok_or(StreamError::Length)?;
        if lengths.any(|other| other != Some(first)) {
            return Err(StreamError::Length);
        }
        let body = usize::try_from(first).map_err(|_| StreamError::TooLarge)?;
        let whole = head.saturating_add(body);
        if whole > MESSAGE_BYTES_MAX { Err(StreamError::TooLarge) } else { Ok(whole) }
    }
}

impl Iterator for Framer {
    type Item = Result<Framed, StreamError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.broken = true;
            self.buffer = BytesMut::new();
        }
        step.transpose()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: &[u8] = b"OPTIONS sip:a@h SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 5\r\n\r\n\r\n\r\nx";
    const SECOND: &[u8] = b"SIP/2.0 200 OK\r\nl:\r\n 0\r\n\r\n";

    fn all(framer: &mut Framer) -> Vec<Result<Framed, StreamError>> {
        framer.collect()
    }

    fn message(bytes: &'static [u8]) -> Result<Framed, StreamError> {
        Ok(Framed::Message(Bytes::from_static(bytes)))
    }

    fn frame(bytes: &[u8]) -> Vec<Result<Framed, StreamError>> {
        let mut framer = Framer::new();
        framer.push(bytes);
        all(&mut framer)
    }

    /// The way TCP cuts the stream does not matter: messages, pings and their order are the same.
    #[test]
    fn messages_and_pings_come_out_whole_wherever_the_stream_is_cut() {
        let stream = [b"\r\n\r\n", FIRST, b"\r\n\r\n", SECOND, FIRST].concat();
        let expected = [Ok(Framed::Ping), message(FIRST), Ok(Framed::Ping), message(SECOND), message(FIRST)];
        for cut in 0..stream.len() {
            let (mut framer, (head, tail)) = (Framer::new(), stream.split_at(cut));
            framer.push(head);
            let mut seen = all(&mut framer);
            framer.push(tail);
            seen.extend(all(&mut framer));
            assert_eq!(seen, expected, "cut at {cut}");
            assert!(!framer.is_partial());
        }
        let mut framer = Framer::new();
        let mut seen = Vec::new();
        for byte in &stream {
            framer.push(&[*byte]);
            seen.extend(all(&mut framer));
        }
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_single_line_end_before_a_message_is_skipped() {
        assert_eq!(frame(&[b"\r\n", FIRST].concat()), [message(FIRST)]);
        assert_eq!(frame(b"\r\n"), []);
    }

    #[test]
    fn without_content_length_there_is_no_body() {
        const BARE: &[u8] = b"BYE sip:a@h SIP/2.0\nCall-ID: 1\n\n";
        assert_eq!(frame(&[BARE, SECOND].concat()), [message(BARE), message(SECOND)]);
    }

    /// One odd message must not take the trunk's other calls with it.
    #[test]
    fn a_malformed_message_of_known_length_is_handed_on() {
        const ODD: &[u8] = b"FOO  sip:a@h SIP/2.0\r\nno colon\r\nContent-Length: 2\r\n\r\nab";
        assert_eq!(frame(&[ODD, SECOND].concat()), [message(ODD), message(SECOND)]);
    }

    #[test]
    fn the_stream_ends_where_the_place_is_lost() {
        for (bytes, error) in [
            (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), StreamError::NotSip),
            (b"\x16\x03\x01\x02\x00".to_vec(), StreamError::NotSip),
            (vec![b'x'; MESSAGE_BYTES_MAX + 1], StreamError::TooLarge),
        ] {
            assert_eq!(frame(&bytes), [Err(error)]);
        }
    }

    /// What was wrong with the last message can still be answered; its body and all that follows cannot be found.
    #[test]
    fn the_head_of_a_message_of_no_known_length_is_handed_on_and_nothing_after_it() {
        for (length, error) in [
            ("Content-Length: -1", StreamError::Length),
            ("Content-Length: 1\r\nl: 2", StreamError::Length),
            ("Content-Length: 65536", StreamError::TooLarge),
            ("Content-Length: 99999999999999999999999", StreamError::TooLarge),
            (&["X: y"; 300].join("\r\n"), StreamError::TooLarge),
        ] {
            let head = format!("BYE sip:a@h SIP/2.0\r\n{length}\r\n\r\n").into_bytes();
            let mut framer = Framer::new();
            framer.push(&[head.as_slice(), b"body"].concat());
            assert_eq!(all(&mut framer), [Ok(Framed::Message(Bytes::from(head))), Err(error)]);
            framer.push(SECOND);
            assert_eq!(all(&mut framer), [], "nothing comes after an error");
        }
    }

    #[test]
    fn equal_lengths_are_no_reason_to_close() {
        const TWICE: &[u8] = b"BYE sip:a@h SIP/2.0\r\nContent-Length: 1\r\nl: 1\r\n\r\nx";
        assert_eq!(frame(TWICE), [message(TWICE)]);
    }

    #[test]
    fn an_unfinished_message_is_known_as_such() {
        let mut framer = Framer::new();
        framer.push(b"\r\n");
        assert!(all(&mut framer).is_empty() && !framer.is_partial());
        framer.push(b"BYE ");
        assert!(all(&mut framer).is_empty() && framer.is_partial());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_it_never_keeps_more_than_one_message(
            pushes in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(any::<u8>(), 0..40),
                    Just(FIRST.to_vec()), Just(SECOND.to_vec()), Just(b"\r\n".to_vec()), Just(b"l: 7\r\n\r\n".to_vec()),
                ], 0..20)
        ) {
            let mut framer = Framer::new();
            for push in pushes {
                framer.push(&push);
                for _ in framer.by_ref() {}
                prop_assert!(framer.buffer.len() <= MESSAGE_BYTES_MAX);
            }
        }
    }
}
