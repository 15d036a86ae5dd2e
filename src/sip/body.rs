//! Bodies: which part of a message is the session description (RFC 5621).
//!
//! A body is SDP, or a multipart that holds one. Parts that nobody here reads are passed over when their
//! Content-Disposition says that this is allowed (`handling=optional`); else the request is refused with 415.

use bytes::Bytes;

use super::header::{HeaderName, Params, trim, unquote};
use super::message::Message;

/// How deep multiparts may lie in one another.
const DEPTH_MAX: u8 = 3;
/// Most parts of one multipart.
const PARTS_MAX: usize = 16;

/// What a body comes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// There is none, or nothing in it concerns us.
    Nothing,
    /// A session description.
    Sdp(Bytes),
    /// Something else that must be understood.
    Foreign,
}

/// The session description of a message.
pub fn sdp_of(message: &Message) -> Option<Bytes> {
    match body_of(message) {
        Body::Sdp(sdp) => Some(sdp),
        Body::Nothing | Body::Foreign => None,
    }
}

/// Reads the body of a message.
pub fn body_of(message: &Message) -> Body {
    let body = message.body();
    if body.is_empty() {
        return Body::Nothing;
    }
    let part = Part {
        content_type: message.header(HeaderName::ContentType).unwrap_or_default(),
        disposition: message.header(HeaderName::ContentDisposition).unwrap_or_default(),
        encoding: message.header(HeaderName::ContentEncoding).unwrap_or_default(),
    };
    read(&part, &body, 0)
}

/// What the headers say of a body or a part of one.
#[derive(Default)]
struct Part<'a> {
    content_type: &'a [u8],
    disposition: &'a [u8],
    encoding: &'a [u8],
}

impl Part<'_> {
    /// Media type and subtype.
    fn media(&self) -> &[u8] {
        value_and_params(self.content_type).0
    }

    /// RFC 3261 §20.11: what is not said to be optional is required.
    fn is_optional(&self) -> bool {
        let (_, params) = value_and_params(self.disposition);
        params.get("handling").is_some_and(|handling| unquote(handling).eq_ignore_ascii_case(b"optional"))
    }

    /// True for a session description; another disposition than `session` makes it something else.
    fn is_session(&self) -> bool {
        let (kind, _) = value_and_params(self.disposition);
        let plain = self.encoding.is_empty() || self.encoding.eq_ignore_ascii_case(b"identity");
        let session = kind.is_empty() || kind.eq_ignore_ascii_case(b"session");
        self.media().eq_ignore_ascii_case(b"application/sdp") && plain && session
    }
}

fn read(part: &Part<'_>, body: &Bytes, depth: u8) -> Body {
    if part.is_session() {
        return Body::Sdp(body.clone());
    }
    let media = part.media();
    let multipart = media.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"));
    let unread = if part.is_optional() { Body::Nothing } else { Body::Foreign };
    if !multipart || depth >= DEPTH_MAX {
        return unread;
    }
    let Some(boundary) = value_and_params(part.content_type).1.get("boundary") else { return unread };
    let found = parts(body, &unquote(boundary)).map(|inner| read_part(&inner, depth + 1));
    // Of alternatives one that is understood is enough (RFC 5621 §4).
    let any = media.eq_ignore_ascii_case(b"multipart/alternative");
    let mut whole = Body::Nothing;
    for inner in found {
        whole = match (whole, inner) {
            (Body::Sdp(sdp), Body::Foreign) | (Body::Foreign, Body::Sdp(sdp)) if any => Body::Sdp(sdp),
            (_, Body::Foreign) | (Body::Foreign, _) => Body::Foreign,
            (Body::Sdp(sdp), _) | (Body::Nothing, Body::Sdp(sdp)) => Body::Sdp(sdp),
            (Body::Nothing, Body::Nothing) => Body::Nothing,
        };
    }
    if whole == Body::Foreign && part.is_optional() { Body::Nothing } else { whole }
}

/// One part: its headers, an empty line, its content.
fn read_part(inner: &Bytes, depth: u8) -> Body {
    let mut part = Part::default();
    let mut rest: &[u8] = inner;
    loop {
        let Some(newline) = rest.iter().position(|b| *b == b'\n') else { return Body::Foreign };
        let (line, after) = (rest.get(..newline).unwrap_or_default(), rest.get(newline + 1..).unwrap_or_default());
        rest = after;
        let line = line.trim_ascii();
        if line.is_empty() {
            break;
        }
        let Some(colon) = line.iter().position(|b| *b == b':') else { return Body::Foreign };
        let value = trim(line.get(colon + 1..).unwrap_or_default());
        let name = HeaderName::from_bytes(trim(line.get(..colon).unwrap_or_default()));
        if name == HeaderName::ContentType {
            part.content_type = value;
        } else if name == HeaderName::ContentDisposition {
            part.disposition = value;
        } else if name == HeaderName::ContentEncoding {
            part.encoding = value;
        }
    }
    // RFC 2046 §5.1: a part without type is text.
    read(&part, &inner.slice_ref(rest), depth)
}

/// The parts between the delimiters (RFC 2046 §5.1.1); what is before the first and after the last does not count.
fn parts<'a>(body: &'a Bytes, boundary: &[u8]) -> impl Iterator<Item = Bytes> + 'a {
    let delimiter = [b"--", boundary].concat();
    let mut at = if boundary.is_empty() { None } else { find_delimiter(body, 0, &delimiter) };
    std::iter::from_fn(move || {
        let (_, content) = at?;
        let rest = body.get(content..)?;
        if rest.starts_with(b"--") {
            return None;
        }
        let from = content + rest.iter().position(|b| *b == b'\n')? + 1;
        let (end, _) = find_delimiter(body, from, &delimiter)?;
        at = find_delimiter(body, from, &delimiter);
        Some(body.slice(from..end.max(from)))
    })
    .take(PARTS_MAX)
}

/// The next delimiter that begins a line: where the content before it ends, and what follows it.
fn find_delimiter(body: &[u8], from: usize, delimiter: &[u8]) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        let rest = body.get(at..)?;
        if rest.starts_with(delimiter) {
            let before = body.get(..at).unwrap_or_default();
            let before = before.strip_suffix(b"\n").unwrap_or(before);
            let before = before.strip_suffix(b"\r").unwrap_or(before);
            return Some((before.len(), at + delimiter.len()));
        }
        at += rest.iter().position(|b| *b == b'\n')? + 1;
    }
}

fn value_and_params(value: &[u8]) -> (&[u8], Params<'_>) {
    let end = value.iter().position(|b| *b == b';').unwrap_or(value.len());
    let (value, params) = value.split_at_checked(end).unwrap_or((value, b""));
    (trim(value), Params(params))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\n";

    fn message(headers: &str, body: &str) -> Message {
        let text = format!(
            "INVITE sip:500@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Message::parse(Bytes::from(text)).unwrap()
    }

    fn mixed(parts: &[&str]) -> Body {
        let body: String = parts.iter().map(|part| format!("--b 1\r\n{part}\r\n")).collect();
        body_of(&message("Content-Type: multipart/mixed;boundary=\"b 1\"\r\n", &format!("{body}--b 1--\r\n")))
    }

    #[test]
    fn plain_sdp_is_the_body_unless_it_is_encoded_or_something_else() {
        let sdp = |headers: &str| body_of(&message(headers, SDP));
        assert_eq!(sdp("Content-Type: application/sdp\r\n"), Body::Sdp(SDP.into()));
        assert_eq!(sdp("c: Application/SDP;charset=utf-8\r\ne: identity\r\n"), Body::Sdp(SDP.into()));
        assert_eq!(sdp(""), Body::Foreign);
        assert_eq!(sdp("Content-Type: text/plain\r\n"), Body::Foreign);
        assert_eq!(sdp("Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n"), Body::Foreign);
        assert_eq!(sdp("Content-Type: text/plain\r\nContent-Disposition: x; handling=optional\r\n"), Body::Nothing);
        assert_eq!(body_of(&message("Content-Type: text/plain\r\n", "")), Body::Nothing);
    }

    /// RFC 5621 §3: SIP-I brings SDP and ISUP in one body.
    #[test]
    fn sdp_is_found_among_parts_that_may_be_passed_over() {
        let sdp = &format!("Content-Type: application/sdp\r\n\r\n{SDP}");
        let optional =
            "Content-Type: application/isup;version=x\r\nContent-Disposition: signal;handling=optional\r\n\r\n\x01";
        let required = "Content-Type: application/isup\r\n\r\n\x01";
        assert_eq!(mixed(&[sdp]), Body::Sdp(SDP.into()));
        assert_eq!(mixed(&[optional, sdp]), Body::Sdp(SDP.into()));
        assert_eq!(mixed(&[sdp, optional]), Body::Sdp(SDP.into()));
        assert_eq!(mixed(&[sdp, required]), Body::Foreign);
        assert_eq!(mixed(&[required, sdp]), Body::Foreign);
        assert_eq!(mixed(&[optional]), Body::Nothing);
        assert_eq!(mixed(&[]), Body::Nothing);
    }

    #[test]
    fn multiparts_may_lie_in_multiparts_to_a_limit() {
        let nest = |depth: usize| {
            (0..depth).fold(format!("Content-Type: application/sdp\r\n\r\n{SDP}"), |inner, n| {
                format!("Content-Type: multipart/mixed;boundary=n{n}\r\n\r\n--n{n}\r\n{inner}\r\n--n{n}--")
            })
        };
        assert_eq!(mixed(&[&nest(2)]), Body::Sdp(SDP.into()));
        assert_eq!(mixed(&[&nest(3)]), Body::Foreign);
    }

    #[test]
    fn of_alternatives_one_is_enough() {
        let body =
            format!("--x\r\nContent-Type: text/html\r\n\r\nhi\r\n--x\nContent-Type: application/sdp\n\n{SDP}\r\n--x--");
        let read = |kind: &str| body_of(&message(&format!("Content-Type: multipart/{kind};boundary=x\r\n"), &body));
        assert_eq!(read("alternative"), Body::Sdp(SDP.into()));
        assert_eq!(read("mixed"), Body::Foreign);
    }
}
