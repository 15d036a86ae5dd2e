//! Writes messages: start line, headers, Content-Length, body.
//!
//! Values cannot break out of their line: CR, LF and NUL are left out of everything but the body.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::header::{HeaderName, Method, ip_of, split_outside};
use super::message::{Message, Via};

/// A message being written.
#[derive(Clone, Debug)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// Begins a request.
    pub fn request(method: Method<'_>, uri: impl AsRef<[u8]>) -> Writer {
        let mut writer = Writer { out: Vec::with_capacity(1_024) };
        writer.clean(method.as_bytes());
        writer.out.push(b' ');
        writer.clean(uri.as_ref());
        writer.out.extend_from_slice(b" SIP/2.0\r\n");
        writer
    }

    /// Begins a response; without `reason` the usual phrase is written. `code` is 100–699.
    pub fn response(code: u16, reason: Option<&str>) -> Writer {
        let mut writer = Writer { out: Vec::with_capacity(1_024) };
        writer.out.extend_from_slice(format!("SIP/2.0 {code:03} ").as_bytes());
        writer.clean(reason.unwrap_or(reason_phrase(code)).as_bytes());
        writer.line_end();
        writer
    }

    /// Appends one header line. Content-Length is not for the caller: it is left out here and written at the end.
    pub fn header(&mut self, name: HeaderName, value: impl AsRef<[u8]>) -> &mut Writer {
        self.named(name.as_str(), value)
    }

    /// Appends one header line by name; a name that is no token writes nothing.
    pub fn named(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Writer {
        if super::header::is_token(name.as_bytes())
            && HeaderName::from_bytes(name.as_bytes()) != HeaderName::ContentLength
        {
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b": ");
            self.clean(value.as_ref());
            self.line_end();
        }
        self
    }

    /// Copies every line of a header from a message.
    pub fn copy(&mut self, from: &Message, name: HeaderName) -> &mut Writer {
        for value in from.headers(name) {
            self.header(name, value);
        }
        self
    }

    /// Ends the message with a body of this media type; an empty body has none.
    pub fn finish_with(mut self, content_type: &str, body: &[u8]) -> Bytes {
        if !body.is_empty() {
            self.header(HeaderName::ContentType, content_type);
        }
        self.out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        self.out.extend_from_slice(body);
        Bytes::from(self.out)
    }

    /// Ends the message without a body.
    pub fn finish(self) -> Bytes {
        self.finish_with("", b"")
    }

    fn clean(&mut self, value: &[u8]) {
        if value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            self.out.extend(value.iter().filter(|b| !matches!(b, b'\r' | b'\n' | 0)));
        } else {
            self.out.extend_from_slice(value);
        }
    }

    fn line_end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Begins the response to a request: Via (all; the top one with `received` and `rport` from `source`), From,
/// To, Call-ID, CSeq (RFC 3261 §8.2.6, §18.2.1; RFC 3581 §4).
///
/// `reason`: `None` for the usual phrase. `to_tag` is added when To has no tag; give none for 100. Record-Route
/// of a dialog-making response is the caller's to [`Writer::copy`].
pub fn response_to(
    request: &Message,
    code: u16,
    reason: Option<&str>,
    to_tag: Option<&str>,
    source: SocketAddr,
) -> Writer {
    let mut writer = Writer::response(code, reason);
    for (index, line) in request.headers(HeaderName::Via).enumerate() {
        match index {
            0 => writer.header(HeaderName::Via, top_via(line, source)),
            _ => writer.header(HeaderName::Via, line),
        };
    }
    writer.copy(request, HeaderName::From);
    match (to_tag, request.header(HeaderName::To)) {
        (Some(tag), Some(to)) if request.to_tag().is_none() => {
            writer.header(HeaderName::To, [to, b";tag=", tag.as_bytes()].concat());
        }
        (Some(_) | None, Some(_) | None) => {
            writer.copy(request, HeaderName::To);
        }
    }
    writer.copy(request, HeaderName::CallId).copy(request, HeaderName::CSeq);
    writer
}

/// The first Via line with `received` and `rport` filled in; unreadable ones stay as they are.
fn top_via(line: &[u8], source: SocketAddr) -> Vec<u8> {
    let mut elements = split_outside(line, b',');
    let Some((top, via)) = elements.next().and_then(|top| Some((top, Via::parse(top)?))) else {
        return line.to_vec();
    };
    let asks_port = via.params.has("rport");
    // RFC 3581 §4: with rport, received is said even when it is the same address.
    let say_address = asks_port || ip_of(via.host).map(canonical) != Some(canonical(source.ip()));
    let head = top.len().saturating_sub(via.params.0.len());
    let mut out = top.get(..head).unwrap_or_default().trim_ascii_end().to_vec();
    for (name, value) in via.params.iter() {
        // What the sender claims about himself does not count.
        let ours = name.eq_ignore_ascii_case(b"received") || name.eq_ignore_ascii_case(b"rport");
        if !ours {
            out.push(b';');
            out.extend_from_slice(name);
            if let Some(value) = value {
                out.push(b'=');
                out.extend_from_slice(value);
            }
        }
    }
    if say_address {
        out.extend_from_slice(format!(";received={}", canonical(source.ip())).as_bytes());
    }
    if asks_port {
        out.extend_from_slice(format!(";rport={}", source.port()).as_bytes());
    }
    for element in elements {
        out.extend_from_slice(b", ");
        out.extend_from_slice(element);
    }
    out
}

/// An IPv4 address seen through an IPv6 socket is that IPv4 address.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The usual phrase of a status code (RFC 3261 §21 and later RFCs); that of its class for unknown ones.
pub fn reason_phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => match code / 100 {
            1 => "Session Progress",
            2 => "OK",
            3 => "Redirected",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "OPTIONS sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP VIA, SIP/2.0/TCP next;branch=z9b;rport\r\n\
        Via: SIP/2.0/TCP last;branch=z9c\r\nFrom: <sip:a@h>;tag=f\r\nTo: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";

    fn request(via: &str) -> Message {
        Message::parse(Bytes::from(REQUEST.replace("VIA", via))).unwrap()
    }

    fn top_via_of(via: &str, source: &str) -> String {
        let response = response_to(&request(via), 200, None, None, source.parse().unwrap()).finish();
        let response = Message::parse(response).unwrap();
        String::from_utf8(response.header(HeaderName::Via).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn a_response_copies_what_the_rfc_wants_and_adds_the_tag() {
        let source = "192.0.2.9:5070".parse().unwrap();
        let bytes = response_to(&request("h;branch=z9a"), 486, None, Some("mine"), source).finish();
        assert_eq!(
            String::from_utf8(bytes.to_vec()).unwrap(),
            "SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP h;branch=z9a;received=192.0.2.9, SIP/2.0/TCP next;branch=z9b;rport\r\n\
             Via: SIP/2.0/TCP last;branch=z9c\r\nFrom: <sip:a@h>;tag=f\r\nTo: <sip:b@h>;tag=mine\r\nCall-ID: x\r\n\
             CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_tag_that_is_there_stays() {
        let request =
            Message::parse(Bytes::from(REQUEST.replace("VIA", "h").replace("To: <sip:b@h>", "To: <sip:b@h>;tag=t")))
                .unwrap();
        let bytes = response_to(&request, 200, None, Some("mine"), "192.0.2.9:5070".parse().unwrap()).finish();
        assert_eq!(Message::parse(bytes).unwrap().header(HeaderName::To), Some(&b"<sip:b@h>;tag=t"[..]));
    }

    /// RFC 3261 §18.2.1 and RFC 3581 §4.
    #[test]
    fn received_and_rport_say_where_the_request_came_from() {
        let top = |via: &str, source: &str| {
            let whole = top_via_of(via, source);
            whole.split(", ").next().unwrap_or_default().trim_start_matches("SIP/2.0/UDP ").to_owned()
        };
        assert_eq!(top("192.0.2.1:5060;branch=z", "192.0.2.1:9"), "192.0.2.1:5060;branch=z");
        assert_eq!(top("10.0.0.1;branch=z", "192.0.2.1:9"), "10.0.0.1;branch=z;received=192.0.2.1");
        assert_eq!(top("192.0.2.1;rport;branch=z", "192.0.2.1:9"), "192.0.2.1;branch=z;received=192.0.2.1;rport=9");
        // A claim of the sender about himself is not passed on.
        assert_eq!(top("h;received=6.6.6.6;rport=666;x", "192.0.2.1:9"), "h;x;received=192.0.2.1;rport=9");
        assert_eq!(top("[2001:db8::1]:5060;branch=z", "[2001:db8::1]:9"), "[2001:db8::1]:5060;branch=z");
        assert_eq!(top("[2001:db8::2];branch=z", "[2001:db8::1]:9"), "[2001:db8::2];branch=z;received=2001:db8::1");
        // A dual-stack socket shows IPv4 peers as mapped addresses.
        assert_eq!(top("192.0.2.1;branch=z", "[::ffff:192.0.2.1]:9"), "192.0.2.1;branch=z");
    }

    #[test]
    fn a_value_cannot_begin_a_new_line() {
        let mut writer = Writer::request(Method::Bye, "sip:a\r\nEvil: 1@h");
        writer.header(HeaderName::Subject, "x\r\nEvil: 2\0\r").named("X-Mine", b"\xfc\n").named("Bad Name", "x");
        writer.header(HeaderName::ContentLength, "99").named("l", "99").header(HeaderName::Other, "x");
        let bytes = writer.finish_with("application/sdp", b"v=0\r\n\r\n\0");
        assert_eq!(
            &bytes[..],
            b"BYE sip:aEvil: 1@h SIP/2.0\r\nSubject: xEvil: 2\r\nX-Mine: \xfc\r\nContent-Type: application/sdp\r\nContent-Length: 8\r\n\r\nv=0\r\n\r\n\0"
        );
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut writer = Writer::response(183, Some("Soon"));
        writer.header(HeaderName::CSeq, "1 INVITE").named("X-A", "b");
        let m = Message::parse(writer.finish_with("text/plain", b"hello")).unwrap();
        assert_eq!(
            (m.code(), m.header_named("x-a"), m.content_type()),
            (183, Some(&b"b"[..]), Some(&b"text/plain"[..]))
        );
        assert_eq!(m.body(), &b"hello"[..]);
        assert_eq!(reason_phrase(499), "Request Failure");
    }
}
