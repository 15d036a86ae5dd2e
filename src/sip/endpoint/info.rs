//! INFO: digits from phones that send them beside the media (RFC 6086; `application/dtmf-relay` has no RFC).

use std::time::Instant;

use super::super::header::{HeaderName, number_of, text};
use super::super::message::Message;
use super::super::writer::response_to;
use super::{Endpoint, Event, Flow, SessionId};

/// What is said of a digit without a duration, in milliseconds.
const DURATION_MS: u32 = 160;
/// The longest that is believed, in milliseconds.
const DURATION_MS_MAX: u32 = 10_000;
/// The bodies that are read.
const ACCEPT: &str = "application/dtmf-relay, application/dtmf";

impl Endpoint {
    /// INFO, only inside a session.
    pub(super) fn handle_info(&mut self, now: Instant, from: Flow, key: &[u8], request: &Message) {
        let Some(id) = self.enter_any_content(now, from, key, request) else { return };
        let tag = self.stateless_tag(request);
        let mut answer = |code: u16, header: Option<(&str, &str)>| {
            let mut writer = response_to(request, code, None, Some(&tag), from.remote);
            if let Some((name, value)) = header {
                writer.named(name, value);
            }
            self.respond(now, from, key, request, code, writer);
        };
        if request.header_named("Info-Package").is_some() {
            // We asked for none (RFC 6086 §4.2.2).
            return answer(469, Some(("Recv-Info", "")));
        }
        let body = request.body();
        if body.is_empty() {
            return answer(200, None);
        }
        let kind = request.content_type().unwrap_or_default();
        let read = if kind.eq_ignore_ascii_case(b"application/dtmf-relay") {
            relayed(&body)
        } else if kind.eq_ignore_ascii_case(b"application/dtmf") {
            digit_of(body.trim_ascii()).map(|digit| (digit, DURATION_MS)).or_else(|| relayed(&body))
        } else {
            return answer(415, Some((HeaderName::Accept.as_str(), ACCEPT)));
        };
        match read {
            None => answer(400, None),
            Some((digit, duration_ms)) => {
                answer(200, None);
                self.tell_digit(id, digit, duration_ms);
            }
        }
    }

    fn tell_digit(&mut self, id: SessionId, digit: char, duration_ms: u32) {
        if self.sessions.get(&id).is_some_and(|session| session.heard) {
            self.event(Event::Dtmf { session: id, digit, duration_ms });
        }
    }
}

/// `Signal=5`, `Duration=160`, each on a line of its own.
fn relayed(body: &[u8]) -> Option<(char, u32)> {
    let value = |name: &str| {
        body.split(|b| matches!(b, b'\r' | b'\n')).find_map(|line| {
            let at = line.iter().position(|b| *b == b'=')?;
            let (key, value) = (line.get(..at)?.trim_ascii(), line.get(at + 1..)?.trim_ascii());
            key.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
        })
    };
    let digit = digit_of(value("Signal")?)?;
    let duration_ms = value("Duration").and_then(number_of).and_then(|n| u32::try_from(n).ok());
    Some((digit, duration_ms.filter(|ms| *ms > 0).map_or(DURATION_MS, |ms| ms.min(DURATION_MS_MAX))))
}

/// A digit as it is, or as the number of its event (RFC 4733 §3.2).
fn digit_of(value: &[u8]) -> Option<char> {
    let value = text(value);
    let mut letters = value.chars();
    match (letters.next()?.to_ascii_uppercase(), letters.next(), letters.next()) {
        (digit @ ('0'..='9' | '*' | '#' | 'A'..='D'), None, None) => Some(digit),
        ('1', Some(second), None) => match second {
            '0' => Some('*'),
            '1' => Some('#'),
            '2' => Some('A'),
            '3' => Some('B'),
            '4' => Some('C'),
            '5' => Some('D'),
            _ => None,
        },
        _ => None,
    }
}
