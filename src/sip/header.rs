//! Header names and the values this engine looks into: Via, name-addr, CSeq, parameters, lists.
//!
//! Everything borrows from the message and is read when asked for. Values are bytes: Latin-1 display names and
//! tokens nobody knows survive. Grammar: RFC 3261 §25.1, read leniently where it does no harm.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::uri::{Uri, split_host_port};

macro_rules! header_names {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The headers this engine knows by name; all others are [`HeaderName::Other`].
        #[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
        #[allow(missing_docs, reason = "the variants are the names themselves")]
        #[repr(u8)]
        pub enum HeaderName { $($(#[$doc])* $name,)* /** Any other header. */ Other }

        impl HeaderName {
            /// Every known name.
            pub const ALL: &'static [HeaderName] = &[$(HeaderName::$name,)*];

            /// The long form as the RFC spells it; empty for `Other`.
            pub fn as_str(self) -> &'static str {
                match self { $(HeaderName::$name => $text,)* HeaderName::Other => "" }
            }
        }
    };
}

header_names! {
    Accept = "Accept",
    AlertInfo = "Alert-Info",
    Allow = "Allow",
    AllowEvents = "Allow-Events",
    AuthenticationInfo = "Authentication-Info",
    Authorization = "Authorization",
    CallId = "Call-ID",
    CallInfo = "Call-Info",
    Contact = "Contact",
    ContentDisposition = "Content-Disposition",
    ContentEncoding = "Content-Encoding",
    ContentLength = "Content-Length",
    ContentType = "Content-Type",
    CSeq = "CSeq",
    Date = "Date",
    Diversion = "Diversion",
    Event = "Event",
    Expires = "Expires",
    From = "From",
    HistoryInfo = "History-Info",
    Identity = "Identity",
    MaxForwards = "Max-Forwards",
    MinExpires = "Min-Expires",
    MinSe = "Min-SE",
    PAssertedIdentity = "P-Asserted-Identity",
    Path = "Path",
    PPreferredIdentity = "P-Preferred-Identity",
    Privacy = "Privacy",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyRequire = "Proxy-Require",
    RAck = "RAck",
    Reason = "Reason",
    RecordRoute = "Record-Route",
    ReferTo = "Refer-To",
    ReferredBy = "Referred-By",
    Replaces = "Replaces",
    Require = "Require",
    RetryAfter = "Retry-After",
    Route = "Route",
    RSeq = "RSeq",
    Server = "Server",
    SessionExpires = "Session-Expires",
    Subject = "Subject",
    SubscriptionState = "Subscription-State",
    Supported = "Supported",
    Timestamp = "Timestamp",
    To = "To",
    Unsupported = "Unsupported",
    UserAgent = "User-Agent",
    Via = "Via",
    Warning = "Warning",
    WwwAuthenticate = "WWW-Authenticate",
}

impl HeaderName {
    /// Recognises a name in long or compact form, in any case (RFC 3261 §7.3.1, §7.3.3).
    pub fn from_bytes(name: &[u8]) -> HeaderName {
        if let [letter] = name {
            return Self::from_compact(*letter);
        }
        let candidates = Self::of_length(name.len());
        // Most senders spell as the RFC does, and comparing that is several times as fast.
        let exact = candidates.iter().find(|id| id.as_str().as_bytes() == name);
        let any_case = || candidates.iter().find(|id| id.as_str().as_bytes().eq_ignore_ascii_case(name));
        exact.or_else(any_case).copied().unwrap_or(Self::Other)
    }

    fn from_compact(letter: u8) -> HeaderName {
        match letter.to_ascii_lowercase() {
            b'b' => Self::ReferredBy,
            b'c' => Self::ContentType,
            b'e' => Self::ContentEncoding,
            b'f' => Self::From,
            b'i' => Self::CallId,
            b'k' => Self::Supported,
            b'l' => Self::ContentLength,
            b'm' => Self::Contact,
            b'o' => Self::Event,
            b'r' => Self::ReferTo,
            b's' => Self::Subject,
            b't' => Self::To,
            b'u' => Self::AllowEvents,
            b'v' => Self::Via,
            b'x' => Self::SessionExpires,
            b'y' => Self::Identity,
            _ => Self::Other,
        }
    }

    /// The names of one length, the frequent ones first.
    fn of_length(length: usize) -> &'static [HeaderName] {
        match length {
            2 => &[Self::To],
            3 => &[Self::Via],
            4 => &[Self::From, Self::CSeq, Self::Date, Self::RSeq, Self::RAck, Self::Path],
            5 => &[Self::Allow, Self::Route, Self::Event],
            6 => &[Self::Accept, Self::Server, Self::Reason, Self::MinSe],
            7 => &[
                Self::CallId,
                Self::Contact,
                Self::Expires,
                Self::Require,
                Self::Subject,
                Self::Warning,
                Self::Privacy,
            ],
            8 => &[Self::ReferTo, Self::Replaces, Self::Identity],
            9 => &[Self::Supported, Self::Diversion, Self::CallInfo, Self::Timestamp],
            10 => &[Self::UserAgent, Self::AlertInfo],
            11 => &[Self::RetryAfter, Self::MinExpires, Self::ReferredBy, Self::Unsupported],
            12 => &[Self::ContentType, Self::MaxForwards, Self::RecordRoute, Self::AllowEvents, Self::HistoryInfo],
            13 => &[Self::Authorization, Self::ProxyRequire],
            14 => &[Self::ContentLength],
            15 => &[Self::SessionExpires],
            16 => &[Self::WwwAuthenticate, Self::ContentEncoding],
            18 => &[Self::ProxyAuthenticate, Self::SubscriptionState],
            19 => {
                &[Self::PAssertedIdentity, Self::ProxyAuthorization, Self::ContentDisposition, Self::AuthenticationInfo]
            }
            20 => &[Self::PPreferredIdentity],
            _ => &[],
        }
    }
}

/// A request method; one nobody knows is a value too (RFC 3261 §7.1: case counts).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
#[allow(missing_docs, reason = "the variants are the methods themselves")]
pub enum Method<'a> {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Prack,
    Update,
    Info,
    Refer,
    Subscribe,
    Notify,
    Message,
    Publish,
    /** Any other token. */
    Other(&'a [u8]),
}

impl<'a> Method<'a> {
    /// Reads a method token.
    pub fn from_bytes(token: &'a [u8]) -> Method<'a> {
        match token {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"OPTIONS" => Self::Options,
            b"REGISTER" => Self::Register,
            b"PRACK" => Self::Prack,
            b"UPDATE" => Self::Update,
            b"INFO" => Self::Info,
            b"REFER" => Self::Refer,
            b"SUBSCRIBE" => Self::Subscribe,
            b"NOTIFY" => Self::Notify,
            b"MESSAGE" => Self::Message,
            b"PUBLISH" => Self::Publish,
            _ => Self::Other(token),
        }
    }

    /// The token as sent.
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Other(token) => token,
            known => known.known_str().as_bytes(),
        }
    }

    /// The token for people and labels: known methods as they are, all others `OTHER`, so that a stranger
    /// cannot make up metric labels.
    pub fn label(self) -> &'static str {
        self.known_str()
    }

    /// The same method without a borrow, for keys; `None` for an unknown one.
    pub fn known(self) -> Option<Method<'static>> {
        match self {
            Self::Other(_) => None,
            known => Some(Method::from_bytes(known.known_str().as_bytes())),
        }
    }

    fn known_str(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
            Self::Prack => "PRACK",
            Self::Update => "UPDATE",
            Self::Info => "INFO",
            Self::Refer => "REFER",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Message => "MESSAGE",
            Self::Publish => "PUBLISH",
            Self::Other(_) => "OTHER",
        }
    }
}

/// The value of CSeq (RFC 3261 §20.16).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CSeq<'a> {
    /// The sequence number, below 2³¹ in a valid message.
    pub number: u32,
    /// The method it counts.
    pub method: Method<'a>,
}

impl<'a> CSeq<'a> {
    /// Reads `4711 INVITE`; `None` when it is anything else or the number exceeds 2³² − 1.
    pub fn parse(value: &'a [u8]) -> Option<CSeq<'a>> {
        let value = trim(value);
        let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
        let (number, method) = value.split_at_checked(digits)?;
        if !method.first().is_some_and(|b| is_space(*b)) {
            return None;
        }
        let method = trim(method);
        if !is_token(method) {
            return None;
        }
        Some(CSeq { number: u32::try_from(number_of(number)?).ok()?, method: Method::from_bytes(method) })
    }
}

/// Header or URI parameters: `;name=value;flag`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Params<'a>(pub &'a [u8]);

impl<'a> Params<'a> {
    /// The parameters in order: name and value, `None` for a flag. Quotes stay; see [`unquote`].
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        split_outside(self.0, b';').filter_map(|part| {
            let (name, value) = match part.iter().position(|b| *b == b'=') {
                Some(at) => (part.get(..at).unwrap_or_default(), part.get(at + 1..)),
                None => (part, None),
            };
            let name = trim(name);
            (!name.is_empty()).then(|| (name, value.map(trim)))
        })
    }

    /// The value of the first parameter of this name in any case; an empty one for a flag.
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        let mut all = self.iter();
        all.find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value.unwrap_or_default())
    }

    /// True when a parameter of this name is there, with or without a value.
    pub fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// One Via value (RFC 3261 §20.42).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, … as written.
    pub transport: &'a [u8],
    /// Host of sent-by; an IPv6 address with its brackets.
    pub host: &'a [u8],
    /// Port of sent-by, if given.
    pub port: Option<u16>,
    /// Its parameters.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one Via value, with white space at all the places the grammar allows; `None` when it is none.
    pub fn parse(value: &'a [u8]) -> Option<Via<'a>> {
        let mut parts = value.splitn(3, |b| *b == b'/');
        let (protocol, version, rest) = (parts.next()?, parts.next()?, trim(parts.next()?));
        if trim(protocol).is_empty() || trim(version).is_empty() {
            return None;
        }
        let (transport, rest) = rest.split_at_checked(rest.iter().position(|b| is_space(*b))?)?;
        let end = rest.iter().position(|b| *b == b';').unwrap_or(rest.len());
        let (sent_by, params) = rest.split_at_checked(end)?;
        let (host, port) = split_host_port(trim(sent_by))?;
        if !is_token(transport) {
            return None;
        }
        Some(Via { transport, host, port, params: Params(params) })
    }

    /// The branch parameter: the transaction's id when it begins with `z9hG4bK` (RFC 3261 §8.1.1.7).
    pub fn branch(&self) -> Option<&'a [u8]> {
        self.params.get("branch")
    }

    /// The `received` address, with or without IPv6 brackets.
    pub fn received(&self) -> Option<IpAddr> {
        ip_of(self.params.get("received")?)
    }

    /// `Some(None)`: `rport` is asked for; `Some(Some(port))`: it was filled in (RFC 3581).
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.get("rport").map(|value| number_of(value).and_then(|n| u16::try_from(n).ok()))
    }

    /// The `maddr` parameter.
    pub fn maddr(&self) -> Option<&'a [u8]> {
        self.params.get("maddr")
    }
}

/// A From, To, Contact, Route … value: display name, URI, header parameters (RFC 3261 §20.10).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NameAddr<'a> {
    /// The display name as written, with its quotes; see [`NameAddr::display_text`].
    pub display: Option<&'a [u8]>,
    /// The URI without brackets.
    pub uri: &'a [u8],
    /// The header's parameters, e.g. `;tag=…`.
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads one value. `None`: no URI, quotes or brackets that do not close, rubbish after the bracket, or
    /// a bare URI with `?` or `,`, which §20.10 forbids.
    pub fn parse(value: &'a [u8]) -> Option<NameAddr<'a>> {
        let value = trim(value);
        let open = if value.first() == Some(&b'"') {
            let quoted = quoted_length(value)?;
            let gap = value.get(quoted..)?.iter().take_while(|b| is_space(**b)).count();
            (value.get(quoted + gap) == Some(&b'<')).then_some(quoted + gap)?
        } else {
            match value.iter().position(|b| *b == b'<') {
                Some(open) => open,
                None => return Self::parse_bare(value),
            }
        };
        let display = trim(value.get(..open)?);
        let inner = value.get(open + 1..)?;
        let close = inner.iter().position(|b| *b == b'>')?;
        let (uri, params) = (trim(inner.get(..close)?), trim(inner.get(close + 1..)?));
        if uri.is_empty() || !(params.is_empty() || params.first() == Some(&b';')) || !closes(params) {
            return None;
        }
        Some(NameAddr { display: (!display.is_empty()).then_some(display), uri, params: Params(params) })
    }

    /// Reads one Contact value; `*` is none.
    pub(crate) fn parse_contact(value: &'a [u8]) -> Option<NameAddr<'a>> {
        Self::parse(value).filter(|address| address.uri != b"*")
    }

    /// Without brackets, what follows a semicolon belongs to the header (§20).
    fn parse_bare(value: &'a [u8]) -> Option<NameAddr<'a>> {
        let end = value.iter().position(|b| *b == b';').unwrap_or(value.len());
        let (uri, params) = (trim(value.get(..end)?), value.get(end..)?);
        if uri.is_empty() || uri.iter().any(|b| matches!(b, b'?' | b',' | b'"' | b' ' | b'\t')) || !closes(params) {
            return None;
        }
        Some(NameAddr { display: None, uri, params: Params(params) })
    }

    /// The tag parameter.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// The URI read; `None` when it is none.
    pub fn uri(&self) -> Option<Uri<'a>> {
        Uri::parse(self.uri)
    }

    /// The display name as text: quotes and escapes gone, UTF-8 or else Latin-1. `None` when there is none.
    pub fn display_text(&self) -> Option<String> {
        self.display.map(|d| text(&unquote(d)).into_owned()).filter(|d| !d.is_empty())
    }
}

/// Bytes as text: UTF-8, or Latin-1 when they are not UTF-8. Never loses a byte.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()),
    }
}

/// A quoted string without quotes and backslashes; anything else as it is (RFC 3261 §25.1).
pub fn unquote(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")) else {
        return Cow::Borrowed(value);
    };
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'\\' { bytes.next().unwrap_or(b'\\') } else { byte });
    }
    Cow::Owned(out)
}

/// The parts between separators that stand outside quotes and angle brackets, trimmed, without empty ones.
pub fn split_outside(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        loop {
            let now = rest?;
            let end = find_outside(now, separator);
            rest = end.and_then(|end| now.get(end + 1..));
            let part = trim(now.get(..end.unwrap_or(now.len())).unwrap_or_default());
            if !part.is_empty() {
                return Some(part);
            }
        }
    })
}

fn find_outside(value: &[u8], separator: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = value.get(at..)?;
        let found = rest.iter().position(|b| *b == separator || *b == b'"' || *b == b'<')?;
        let from = rest.get(found..)?;
        at += found;
        at += match from.first() {
            Some(b'"') => quoted_length(from)?,
            Some(b'<') => from.iter().position(|b| *b == b'>')? + 1,
            Some(_) | None => return Some(at),
        };
    }
}

/// Length of the quoted string at the start, quotes included; `None` when it does not close.
fn quoted_length(value: &[u8]) -> Option<usize> {
    let mut escaped = false;
    let close = value.iter().skip(1).position(|b| match *b {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        b => b == b'"',
    })?;
    Some(close + 2)
}

/// True when every quoted string in it closes.
fn closes(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some(at) = rest.iter().position(|b| *b == b'"') {
        let from = rest.get(at..).unwrap_or_default();
        match quoted_length(from) {
            Some(length) => rest = from.get(length..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// Without spaces and tabs at both ends.
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    value.trim_ascii()
}

pub(crate) fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// One or more of the token characters of RFC 3261 §25.1.
pub(crate) fn is_token(value: &[u8]) -> bool {
    let ok = |b: &u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(b);
    !value.is_empty() && value.iter().all(ok)
}

/// A decimal number; saturates at 2⁶⁴ − 1. `None` when anything but digits is in it.
pub(crate) fn number_of(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value
        .iter()
        .try_fold(0u64, |sum, b| b.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u64::from(b - b'0'))))
}

/// An IP address; IPv6 with or without brackets.
pub(crate) fn ip_of(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok()?;
    match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        Some(inner) => ipv6_of(inner).map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

/// What stands between the brackets. The grammar of RFC 3261 puts a third colon before an embedded IPv4 address;
/// it must be tolerated (RFC 5118 §4.10).
fn ipv6_of(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| {
        let (head, tail) = text.split_once(":::")?;
        tail.parse::<Ipv4Addr>().ok()?;
        [head, "::", tail].concat().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_recognised_in_any_case() {
        for name in HeaderName::ALL {
            assert_eq!(HeaderName::from_bytes(name.as_str().as_bytes()), *name, "{}", name.as_str());
            assert_eq!(HeaderName::from_bytes(name.as_str().to_uppercase().as_bytes()), *name);
        }
        assert_eq!(HeaderName::from_bytes(b"X-Unknown"), HeaderName::Other);
        assert_eq!(HeaderName::from_bytes(b""), HeaderName::Other);
    }

    /// The compact forms registered with IANA for the headers we know.
    #[test]
    fn compact_forms_are_recognised() {
        let all = "b=Referred-By c=Content-Type e=Content-Encoding f=From i=Call-ID k=Supported l=Content-Length \
                   m=Contact o=Event r=Refer-To s=Subject t=To u=Allow-Events v=Via x=Session-Expires y=Identity";
        for pair in all.split(' ').filter(|p| !p.is_empty()) {
            let (letter, name) = pair.split_once('=').unwrap();
            assert_eq!(HeaderName::from_bytes(letter.as_bytes()).as_str(), name);
            assert_eq!(HeaderName::from_bytes(letter.to_uppercase().as_bytes()).as_str(), name);
        }
        assert_eq!(HeaderName::from_bytes(b"z"), HeaderName::Other);
    }

    #[test]
    fn methods_are_told_apart_by_case_and_unknown_ones_are_values() {
        for token in ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "UPDATE", "INFO", "REFER"] {
            let method = Method::from_bytes(token.as_bytes());
            assert_eq!((method.label(), method.as_bytes(), method.known()), (token, token.as_bytes(), Some(method)));
        }
        let method = Method::from_bytes(b"invite");
        assert_eq!(method, Method::Other(b"invite"));
        assert_eq!((method.label(), method.as_bytes(), method.known()), ("OTHER", &b"invite"[..], None));
    }

    #[test]
    fn a_via_is_read_with_ipv6_received_and_rport() {
        let via = Via::parse(b"SIP/2.0/TLS [2001:db8::1]:5061;RPort=1024;received=2001:db8::9;branch=z9;maddr=m;alias")
            .unwrap();
        assert_eq!((via.transport, via.host, via.port), (&b"TLS"[..], &b"[2001:db8::1]"[..], Some(5061)));
        assert_eq!((via.rport(), via.maddr()), (Some(Some(1024)), Some(&b"m"[..])));
        assert_eq!(via.received(), Some("2001:db8::9".parse().unwrap()));
        let bracketed = Via::parse(b"SIP/2.0/UDP h;received=[2001:db8::9]").unwrap();
        assert_eq!(bracketed.received(), via.received());
        for bad in [
            "",
            "SIP/2.0",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0/UDP ;branch=x",
            "SIP/2.0/UDP h:99999",
            "SIP/2.0/UDP h:x",
            "SIP/2.0/UDP a b",
        ] {
            assert_eq!(Via::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_name_addr_is_read_in_all_its_forms() {
        let read = |value: &'static str| {
            let address = NameAddr::parse(value.as_bytes())?;
            Some((address.display_text(), text(address.uri).into_owned(), address.tag().map(|t| text(t).into_owned())))
        };
        let expect = |display: &str, uri: &str, tag: &str| {
            let some = |t: &str| (!t.is_empty()).then(|| t.to_owned());
            Some((some(display), uri.to_owned(), some(tag)))
        };
        assert_eq!(read("sip:a@b;tag=1"), expect("", "sip:a@b", "1"));
        assert_eq!(read("<sip:a@b;tag=no>;x;TAG = 1"), expect("", "sip:a@b;tag=no", "1"));
        assert_eq!(read("Alice B <sip:a@b>"), expect("Alice B", "sip:a@b", ""));
        assert_eq!(read("\"<;tag=x\\\"\" <sip:a@b>;tag=1"), expect("<;tag=x\"", "sip:a@b", "1"));
        assert_eq!(read("\"\"<tel:+49>"), expect("", "tel:+49", ""));
        assert_eq!(read("<sip:a@b>;p=\";tag=x\";tag=1"), expect("", "sip:a@b", "1"));
        for bad in [
            "",
            "<>",
            "<sip:a@b",
            "\"x <sip:a@b>",
            "<sip:a@b> x",
            "sip:a@b?x=y",
            "sip:a@b, sip:c@d",
            "\"x\" sip:a@b",
            "<sip:a@b>;p=\"",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_cseq_is_a_number_and_a_method() {
        let read = |v: &'static str| CSeq::parse(v.as_bytes()).map(|c| (c.number, c.method));
        assert_eq!(read("4711 INVITE"), Some((4711, Method::Invite)));
        assert_eq!(read("4294967295 \t FOO"), Some((u32::MAX, Method::Other(b"FOO"))));
        for bad in ["", "1", "INVITE", "1INVITE", "-1 INVITE", "4294967296 INVITE", "1 INVITE x"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn lists_split_only_outside_quotes_and_brackets() {
        let parts: Vec<_> = split_outside(b" a , \"b,\\\",c\" <d,e>;f=\"g,h\",, i,", b',').collect();
        assert_eq!(parts, [&b"a"[..], b"\"b,\\\",c\" <d,e>;f=\"g,h\"", b"i"]);
    }

    #[test]
    fn quotes_are_undone_once() {
        assert_eq!(&*unquote(b"\"a\\\\b\\\"c\""), b"a\\b\"c");
        assert_eq!(&*unquote(b"plain"), b"plain");
        assert_eq!(&*unquote(b"\""), b"\"");
        assert_eq!(text(b"\xfc"), "ü");
        assert_eq!(text("ü".as_bytes()), "ü");
    }
}
