//! SIP messages as they travel: one pass over the bytes, an index of header ranges, values read when asked for.
//!
//! The reader is bytes-clean (Latin-1 headers and binary bodies survive), knows compact names and folded lines,
//! and is lenient; what a request must not get wrong is said by [`validate`]. Grammar: RFC 3261 §7 and §25.1.

use bytes::Bytes;
use smallvec::SmallVec;

pub use super::header::{CSeq, HeaderName, Method, NameAddr, Params, Via};
use super::header::{is_space, is_token, number_of, split_outside, trim};
use super::uri::{Scheme, Uri};

/// Largest message read, in bytes: one less than 64 KiB, so that offsets fit 16 bits.
pub const MESSAGE_BYTES_MAX: usize = 65_535;
/// Most header lines in one message.
pub const HEADERS_MAX: usize = 256;
/// Largest CSeq number (RFC 3261 §8.1.1.5: less than 2³¹).
const CSEQ_MAX: u32 = 0x7fff_ffff;

/// Why bytes are not a SIP message. Always the sender's doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Nothing but line ends: a keep-alive, not a fault.
    #[error("no message: only line ends")]
    Empty,
    /// Larger than [`MESSAGE_BYTES_MAX`]; holds the size, in bytes.
    #[error("message of {0} bytes is over the limit")]
    TooLarge(usize),
    /// More than [`HEADERS_MAX`] header lines.
    #[error("too many header lines")]
    TooManyHeaders,
    /// The first line is neither a request line nor a status line.
    #[error("the first line is neither a request line nor a status line")]
    StartLine,
    /// A line without colon or with a name that is no token; holds its place, 1 = the first after the start line.
    #[error("line {0} is no header")]
    HeaderLine(u16),
    /// The empty line that ends the headers never came.
    #[error("headers do not end")]
    Unterminated,
}

/// Bytes that are not a valid message, with what could be read of them.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error}")]
pub struct Malformed {
    /// What is wrong, the first fault of them.
    pub error: ParseError,
    /// The readable rest; `None` when even the first line is not to be read.
    pub message: Option<Box<Message>>,
}

impl Malformed {
    /// The request to answer with 400: it is one, is no ACK, and its top Via says where to. A response never gets
    /// an answer.
    pub fn answerable(&self) -> Option<&Message> {
        self.message.as_deref().filter(|message| message.answerable())
    }
}

/// The first line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Start<'a> {
    /// A request line.
    Request {
        /// The method.
        method: Method<'a>,
        /// The Request-URI as written; see [`Message::request_uri`].
        uri: &'a [u8],
    },
    /// A status line.
    Response {
        /// 100–699.
        code: u16,
        /// The reason phrase as written.
        reason: &'a [u8],
    },
}

/// One SIP message: its bytes and where the headers are. Cloning shares the bytes.
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    line: Line,
    slots: SmallVec<[Slot; 24]>,
    body: Span,
    length: Length,
}

/// A range of the message, in bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Span {
    from: u16,
    to: u16,
}

#[derive(Clone, Copy, Debug)]
enum Line {
    Request { method: Span, uri: Span, version: Span },
    Response { code: u16, reason: Span },
}

/// One header line.
#[derive(Clone, Copy, Debug)]
struct Slot {
    name: Span,
    value: Span,
    id: HeaderName,
    folded: bool,
}

/// What Content-Length says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Length {
    Absent,
    Fits,
    /// More than there is.
    Beyond,
    /// Not a number.
    Bad,
}

impl Span {
    /// Offsets are at most [`MESSAGE_BYTES_MAX`], so nothing is cut here.
    fn new(from: usize, to: usize) -> Span {
        let short = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        Span { from: short(from), to: short(to) }
    }

    fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(usize::from(self.from)..usize::from(self.to)).unwrap_or_default()
    }

    /// The same range without white space and line ends at both ends.
    fn trimmed(self, bytes: &[u8]) -> Span {
        let whole = self.of(bytes);
        let from = usize::from(self.from) + (whole.len() - whole.trim_ascii_start().len());
        Span::new(from, from + whole.trim_ascii().len())
    }
}

impl Message {
    /// Reads one whole datagram or one framed message of a stream; line ends before it are skipped.
    ///
    /// The body is what Content-Length says, or the rest when it says nothing or more than there is (then
    /// [`validate`] objects). Bytes after the body are dropped (RFC 3261 §18.3).
    ///
    /// # Errors
    ///
    /// [`Malformed`] with the first fault found, and the readable part for an answer.
    pub fn parse(bytes: Bytes) -> Result<Message, Malformed> {
        let fail = |error| Malformed { error, message: None };
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(fail(ParseError::TooLarge(bytes.len())));
        }
        let start = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n'));
        let start = start.ok_or(fail(ParseError::Empty))?;
        let newline = find_newline(&bytes, start).ok_or(fail(ParseError::Unterminated))?;
        let (line, line_fault) = read_line(&bytes, start, line_end(&bytes, start, newline)).map_err(fail)?;
        let mut message =
            Message { bytes, line, slots: SmallVec::new(), body: Span::default(), length: Length::Absent };
        let header_fault = message.read_headers(newline + 1);
        match line_fault.or(header_fault) {
            None => Ok(message),
            Some(error) => Err(Malformed { error, message: Some(Box::new(message)) }),
        }
    }

    /// Indexes the header lines from `from` on and cuts the body; bad lines are left out, the first is told.
    fn read_headers(&mut self, from: usize) -> Option<ParseError> {
        let (mut at, mut number, mut fault, mut folded) = (from, 0u16, None, false);
        let body_from = loop {
            let Some(newline) = find_newline(&self.bytes, at) else {
                fault = fault.or(Some(ParseError::Unterminated));
                break self.bytes.len();
            };
            let end = line_end(&self.bytes, at, newline);
            if end == at {
                break newline + 1;
            }
            number = number.saturating_add(1);
            let line = self.bytes.get(at..end).unwrap_or_default();
            if line.first().is_some_and(|b| is_space(*b)) {
                match self.slots.last_mut() {
                    Some(slot) => {
                        slot.value.to = Span::new(end, end).to;
                        slot.folded = true;
                        folded = true;
                    }
                    None => fault = fault.or(Some(ParseError::HeaderLine(number))),
                }
            } else if self.slots.len() == HEADERS_MAX {
                fault = fault.or(Some(ParseError::TooManyHeaders));
                break self.bytes.len();
            } else {
                match read_header(line, at) {
                    Some(slot) => self.slots.push(slot),
                    None => fault = fault.or(Some(ParseError::HeaderLine(number))),
                }
            }
            at = newline + 1;
        };
        if folded {
            self.unfold();
        }
        self.cut_body(body_from);
        fault
    }

    /// Puts spaces where folded values have line ends (RFC 3261 §7.3.1): the same meaning, the same offsets.
    fn unfold(&mut self) {
        let mut bytes = self.bytes.to_vec();
        for slot in self.slots.iter_mut().filter(|slot| slot.folded) {
            let range = usize::from(slot.value.from)..usize::from(slot.value.to);
            for byte in bytes.get_mut(range).unwrap_or_default() {
                if matches!(byte, b'\r' | b'\n') {
                    *byte = b' ';
                }
            }
            slot.value = slot.value.trimmed(&bytes);
        }
        self.bytes = Bytes::from(bytes);
    }

    fn cut_body(&mut self, from: usize) {
        let rest = self.bytes.len().saturating_sub(from);
        let said = self.header(HeaderName::ContentLength).map(number_of);
        let (length, bytes) = match said {
            None => (Length::Absent, rest),
            Some(None) => (Length::Bad, rest),
            Some(Some(said)) => match usize::try_from(said) {
                Ok(said) if said <= rest => (Length::Fits, said),
                Ok(_) | Err(_) => (Length::Beyond, rest),
            },
        };
        self.length = length;
        self.body = Span::new(from, from + bytes);
    }

    /// The first line.
    pub fn start(&self) -> Start<'_> {
        match self.line {
            Line::Request { method, uri, .. } => {
                Start::Request { method: Method::from_bytes(self.of(method)), uri: self.of(uri) }
            }
            Line::Response { code, reason } => Start::Response { code, reason: self.of(reason) },
        }
    }

    /// True for a request.
    pub fn is_request(&self) -> bool {
        matches!(self.line, Line::Request { .. })
    }

    /// The method of a request; of a response that of its CSeq, `Other("")` when it has none.
    pub fn method(&self) -> Method<'_> {
        match self.line {
            Line::Request { method, .. } => Method::from_bytes(self.of(method)),
            Line::Response { .. } => self.cseq().map_or(Method::Other(b""), |cseq| cseq.method),
        }
    }

    /// The status code; 0 for a request.
    pub fn code(&self) -> u16 {
        match self.line {
            Line::Request { .. } => 0,
            Line::Response { code, .. } => code,
        }
    }

    /// The Request-URI; `None` for a response or when it is no URI.
    pub fn request_uri(&self) -> Option<Uri<'_>> {
        match self.line {
            Line::Request { uri, .. } => Uri::parse(self.of(uri)),
            Line::Response { .. } => None,
        }
    }

    /// The first value of a header, trimmed and unfolded.
    pub fn header(&self, name: HeaderName) -> Option<&[u8]> {
        self.slots.iter().find(|slot| slot.id == name).map(|slot| self.of(slot.value))
    }

    /// Every line of a header in order, trimmed and unfolded; lists are not split, see [`Message::list`].
    pub fn headers(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.slots.iter().filter(move |slot| slot.id == name).map(|slot| self.of(slot.value))
    }

    /// The elements of a comma list over all lines of the header, in order (RFC 3261 §7.3.1). Commas in quotes
    /// and angle brackets do not split.
    pub fn list(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.headers(name).flat_map(|line| split_outside(line, b','))
    }

    /// The first value of a header by its name in any case; for those without a [`HeaderName`].
    pub fn header_named(&self, name: &str) -> Option<&[u8]> {
        match HeaderName::from_bytes(name.as_bytes()) {
            HeaderName::Other => self
                .all_headers()
                .find(|(id, n, _)| *id == HeaderName::Other && n.eq_ignore_ascii_case(name.as_bytes()))
                .map(|(_, _, value)| value),
            known => self.header(known),
        }
    }

    /// Every header line in order: name, name as written, value.
    pub fn all_headers(&self) -> impl Iterator<Item = (HeaderName, &[u8], &[u8])> {
        self.slots.iter().map(|slot| (slot.id, self.of(slot.name), self.of(slot.value)))
    }

    /// The top Via; `None` when there is none or it cannot be read.
    pub fn via(&self) -> Option<Via<'_>> {
        // Of the first line alone: when that one is empty nobody knows where the message came from.
        Via::parse(split_outside(self.header(HeaderName::Via)?, b',').next()?)
    }

    /// The branch of the top Via.
    pub fn branch(&self) -> Option<&[u8]> {
        self.via()?.branch()
    }

    /// The From header.
    pub fn from(&self) -> Option<NameAddr<'_>> {
        NameAddr::parse(self.header(HeaderName::From)?)
    }

    /// The To header.
    pub fn to(&self) -> Option<NameAddr<'_>> {
        NameAddr::parse(self.header(HeaderName::To)?)
    }

    /// The tag of From.
    pub fn from_tag(&self) -> Option<&[u8]> {
        self.from()?.tag()
    }

    /// The tag of To.
    pub fn to_tag(&self) -> Option<&[u8]> {
        self.to()?.tag()
    }

    /// The Call-ID; `None` when it is missing or empty.
    pub fn call_id(&self) -> Option<&[u8]> {
        self.header(HeaderName::CallId).filter(|id| !id.is_empty())
    }

    /// The CSeq.
    pub fn cseq(&self) -> Option<CSeq<'_>> {
        CSeq::parse(self.header(HeaderName::CSeq)?)
    }

    /// The Contact values. `Some` of each element, in order; an element that cannot be read is `None`, and so
    /// is `*`, for which see [`Message::contact_is_star`].
    pub fn contacts(&self) -> impl Iterator<Item = Option<NameAddr<'_>>> {
        self.list(HeaderName::Contact).map(NameAddr::parse_contact)
    }

    /// The first Contact.
    pub fn contact(&self) -> Option<NameAddr<'_>> {
        self.contacts().next().flatten()
    }

    /// True when the only Contact is `*` (RFC 3261 §10.2.2).
    pub fn contact_is_star(&self) -> bool {
        let mut all = self.list(HeaderName::Contact);
        all.next() == Some(b"*") && all.next().is_none()
    }

    /// Max-Forwards; `None` when missing, not a number, or above 255.
    pub fn max_forwards(&self) -> Option<u8> {
        number_of(self.header(HeaderName::MaxForwards)?).and_then(|n| u8::try_from(n).ok())
    }

    /// Expires in seconds, at most 2³² − 1; `None` when missing or not a number.
    pub fn expires(&self) -> Option<u32> {
        self.seconds(HeaderName::Expires)
    }

    /// Retry-After in seconds, without its comment and parameters.
    pub fn retry_after(&self) -> Option<u32> {
        self.seconds(HeaderName::RetryAfter)
    }

    /// A header that begins with a number of seconds, at most 2³² − 1.
    pub fn seconds(&self, name: HeaderName) -> Option<u32> {
        let value = self.header(name)?;
        let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
        let (number, rest) = value.split_at_checked(digits)?;
        let ends = rest.first().is_none_or(|b| is_space(*b) || matches!(b, b';' | b'('));
        ends.then(|| number_of(number)).flatten().map(|n| u32::try_from(n).unwrap_or(u32::MAX))
    }

    /// Media type and subtype of Content-Type, without parameters, as written: `application/sdp`.
    pub fn content_type(&self) -> Option<&[u8]> {
        let value = self.header(HeaderName::ContentType)?;
        value.split(|b| *b == b';').next().map(trim).filter(|value| !value.is_empty())
    }

    /// True when the list header (Supported, Allow, Require …) holds this token, in any case.
    pub fn lists(&self, name: HeaderName, token: &str) -> bool {
        self.list(name).any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The body; empty when there is none.
    pub fn body(&self) -> Bytes {
        self.bytes.slice(usize::from(self.body.from)..usize::from(self.body.to))
    }

    /// The whole as received, except that folded lines are unfolded.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// True when a response can be made to it: a request but no ACK, with a top Via that can be read. What else a
    /// response copies may be missing: that is what the 400 says.
    pub fn answerable(&self) -> bool {
        self.is_request() && self.method() != Method::Ack && self.via().is_some()
    }

    fn of(&self, span: Span) -> &[u8] {
        span.of(&self.bytes)
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}

/// Says what is wrong with a request: the status code and reason phrase to answer with.
///
/// 505 for another version than 2.0; 416 for a scheme nobody here serves; 400 for a missing or repeated or
/// unreadable mandatory header, a CSeq of another method, a body shorter than promised (RFC 3261 §8.1.1, §8.2,
/// §18.3, §20). A missing Max-Forwards is borne: RFC 2543 did not have it.
///
/// # Errors
///
/// The answer; the caller sends it unless the request is an ACK, which never gets one.
pub fn validate(message: &Message) -> Result<(), (u16, &'static str)> {
    let Line::Request { method, version, .. } = message.line else { return Ok(()) };
    if !message.of(version).eq_ignore_ascii_case(b"SIP/2.0") {
        return Err((505, "Version Not Supported"));
    }
    let single = [
        (HeaderName::From, "Missing From", "More Than One From"),
        (HeaderName::To, "Missing To", "More Than One To"),
        (HeaderName::CallId, "Missing Call-ID", "More Than One Call-ID"),
        (HeaderName::CSeq, "Missing CSeq", "More Than One CSeq"),
    ];
    for (name, missing, repeated) in single {
        match message.headers(name).filter(|value| !value.is_empty()).count() {
            0 => return Err((400, missing)),
            1 => {}
            _ => return Err((400, repeated)),
        }
    }
    if message.header(HeaderName::Via).is_none() {
        return Err((400, "Missing Via"));
    }
    if message.list(HeaderName::Via).any(|via| Via::parse(via).is_none()) {
        return Err((400, "Bad Via"));
    }
    let readable = |address: Option<NameAddr<'_>>| address.is_some_and(|a| a.uri().is_some());
    if !readable(message.from()) {
        return Err((400, "Bad From"));
    }
    if !readable(message.to()) {
        return Err((400, "Bad To"));
    }
    validate_cseq(message, message.of(method))?;
    validate_lengths(message)?;
    let star = message.method() == Method::Register && message.contact_is_star();
    if !star && message.contacts().any(|contact| !readable(contact)) {
        return Err((400, "Bad Contact"));
    }
    match message.request_uri() {
        None => Err((400, "Bad Request-URI")),
        Some(Uri { scheme: Scheme::Other(other), .. }) if !other.eq_ignore_ascii_case(b"urn") => {
            Err((416, "Unsupported URI Scheme"))
        }
        // RFC 3261 §19.1.1: headers have no place in a Request-URI.
        Some(uri) if uri.headers.is_some() => Err((400, "Headers In Request-URI")),
        Some(_) => Ok(()),
    }
}

fn validate_cseq(message: &Message, method: &[u8]) -> Result<(), (u16, &'static str)> {
    match message.cseq() {
        None => Err((400, "Bad CSeq")),
        Some(cseq) if cseq.number > CSEQ_MAX => Err((400, "CSeq Out Of Range")),
        Some(cseq) if cseq.method.as_bytes() != method => Err((400, "CSeq Method Does Not Match")),
        Some(_) => Ok(()),
    }
}

fn validate_lengths(message: &Message) -> Result<(), (u16, &'static str)> {
    match message.length {
        Length::Absent | Length::Fits => {}
        Length::Beyond => return Err((400, "Body Shorter Than Content-Length")),
        Length::Bad => return Err((400, "Bad Content-Length")),
    }
    if message.headers(HeaderName::ContentLength).nth(1).is_some() {
        return Err((400, "More Than One Content-Length"));
    }
    let hops = message.headers(HeaderName::MaxForwards).count();
    if hops > 1 {
        return Err((400, "More Than One Max-Forwards"));
    }
    if hops == 1 && message.max_forwards().is_none() {
        return Err((400, "Bad Max-Forwards"));
    }
    Ok(())
}

/// Reads the first line. Separators are single spaces (RFC 3261 §7.1); with others the line is told apart but
/// is a fault.
fn read_line(bytes: &Bytes, from: usize, to: usize) -> Result<(Line, Option<ParseError>), ParseError> {
    let line = bytes.get(from..to).unwrap_or_default();
    let space = line.iter().position(|b| *b == b' ').ok_or(ParseError::StartLine)?;
    let (first, rest) = (line.get(..space).unwrap_or_default(), line.get(space + 1..).unwrap_or_default());
    if first.eq_ignore_ascii_case(b"SIP/2.0") {
        let digits = rest.first_chunk::<3>().filter(|_| rest.get(3).is_none_or(|b| is_space(*b)));
        let code = digits.and_then(|d| number_of(d)).and_then(|n| u16::try_from(n).ok());
        let code = code.filter(|code| (100..700).contains(code)).ok_or(ParseError::StartLine)?;
        let reason = Span::new(from + space + 1 + rest.len().min(4), to);
        return Ok((Line::Response { code, reason }, None));
    }
    let last = line.trim_ascii_end().iter().rposition(|b| *b == b' ').ok_or(ParseError::StartLine)?;
    let version = line.get(last + 1..).unwrap_or_default();
    if !is_token(first) || !is_version(version.trim_ascii_end()) {
        return Err(ParseError::StartLine);
    }
    let uri = line.get(space + 1..last).unwrap_or_default();
    let clean = !uri.is_empty() && !uri.iter().any(|b| is_space(*b)) && version.trim_ascii_end().len() == version.len();
    let line = Line::Request {
        method: Span::new(from, from + space),
        uri: Span::new(from + space + 1, (from + last).max(from + space + 1)),
        version: Span::new(from + last + 1, to).trimmed(bytes),
    };
    Ok((line, (!clean).then_some(ParseError::StartLine)))
}

/// `SIP/7.3` and the like.
fn is_version(version: &[u8]) -> bool {
    let Some((name, numbers)) = version.split_at_checked(4) else { return false };
    let mut parts = numbers.split(|b| *b == b'.').map(number_of);
    name.eq_ignore_ascii_case(b"SIP/")
        && matches!((parts.next(), parts.next(), parts.next()), (Some(Some(_)), Some(Some(_)), None))
}

/// Reads one header line without its line end; `at` is its place in the message.
fn read_header(line: &[u8], at: usize) -> Option<Slot> {
    let colon = line.iter().position(|b| *b == b':')?;
    let name = line.get(..colon)?.trim_ascii_end();
    let after = line.get(colon + 1..)?;
    let id = HeaderName::from_bytes(name);
    if id == HeaderName::Other && !is_token(name) {
        return None;
    }
    let value_at = at + colon + 1 + (after.len() - after.trim_ascii_start().len());
    let value = Span::new(value_at, value_at + after.trim_ascii().len());
    Some(Slot { name: Span::new(at, at + name.len()), value, id, folded: false })
}

/// Where the text of a line ends that begins at `from` and whose line feed is at `newline`.
fn line_end(bytes: &[u8], from: usize, newline: usize) -> usize {
    match newline.checked_sub(1) {
        Some(before) if before >= from && bytes.get(before) == Some(&b'\r') => before,
        Some(_) | None => newline,
    }
}

/// Place of the first line feed at or after `from`, eight bytes at a step.
fn find_newline(bytes: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut rest = bytes.get(from..)?;
    let mut at = from;
    while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        // A byte that equals the line feed becomes zero, and only the lowest zero byte is looked at.
        let differs = u64::from_le_bytes(*chunk) ^ (ONES * u64::from(b'\n'));
        let zeros = differs.wrapping_sub(ONES) & !differs & HIGHS;
        if zeros != 0 {
            return Some(at + zeros.trailing_zeros() as usize / 8);
        }
        at += 8;
        rest = tail;
    }
    rest.iter().position(|b| *b == b'\n').map(|offset| at + offset)
}

#[cfg(test)]
#[path = "torture_tests.rs"]
mod torture_tests;
