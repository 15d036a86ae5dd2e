//! URIs: `sip:`, `sips:`, `tel:` and any other, borrowed from the message (RFC 3261 §19.1, RFC 3966).

use std::borrow::Cow;
use std::net::IpAddr;

use super::header::{Params, ip_of, is_space, number_of, text, trim};

/// The part before the first colon.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme<'a> {
    /// `sip`
    Sip,
    /// `sips`
    Sips,
    /// `tel`
    Tel,
    /// Any other, as written.
    Other(&'a [u8]),
}

impl<'a> Scheme<'a> {
    /// The scheme as written on the wire, without the colon.
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Sip => b"sip",
            Self::Sips => b"sips",
            Self::Tel => b"tel",
            Self::Other(text) => text,
        }
    }
}

/// One URI, taken apart but not unescaped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Uri<'a> {
    /// Its scheme.
    pub scheme: Scheme<'a>,
    /// The user part without password, empty in `sip:@host`, which some gateways write for withheld numbers;
    /// the number of a `tel:` URI; the whole of any other scheme.
    pub user: Option<&'a [u8]>,
    /// What follows the colon in the user part.
    pub password: Option<&'a [u8]>,
    /// The host, an IPv6 address with its brackets; empty unless `sip:` or `sips:`.
    pub host: &'a [u8],
    /// The port, if given.
    pub port: Option<u16>,
    /// `;transport=udp` and the like.
    pub params: Params<'a>,
    /// What follows `?`, without it.
    pub headers: Option<&'a [u8]>,
}

impl<'a> Uri<'a> {
    /// Takes a URI apart. `None`: no scheme, white space, brackets or quotes inside, no host in a `sip:` URI,
    /// a port that is none.
    pub fn parse(uri: &'a [u8]) -> Option<Uri<'a>> {
        let uri = trim(uri);
        let colon = uri.iter().position(|b| *b == b':')?;
        let (scheme, rest) = (uri.get(..colon)?, uri.get(colon + 1..)?);
        if !is_scheme(scheme) || rest.is_empty() || rest.iter().any(|b| is_space(*b) || matches!(b, b'<' | b'>' | b'"'))
        {
            return None;
        }
        let scheme = match scheme {
            s if s.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
            s if s.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
            s if s.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
            other => Scheme::Other(other),
        };
        match scheme {
            Scheme::Sip | Scheme::Sips => Self::parse_sip(scheme, rest),
            Scheme::Tel => {
                let end = rest.iter().position(|b| *b == b';').unwrap_or(rest.len());
                let (number, params) = rest.split_at_checked(end)?;
                (!number.is_empty()).then(|| Self::opaque(scheme, number, Params(params)))
            }
            Scheme::Other(_) => Some(Self::opaque(scheme, rest, Params(b""))),
        }
    }

    fn opaque(scheme: Scheme<'a>, user: &'a [u8], params: Params<'a>) -> Uri<'a> {
        Uri { scheme, user: Some(user), password: None, host: b"", port: None, params, headers: None }
    }

    fn parse_sip(scheme: Scheme<'a>, rest: &'a [u8]) -> Option<Uri<'a>> {
        // The user part may hold `;`, `?` and `/` (§25.1), so the at sign decides first.
        let (user, rest) = match rest.iter().position(|b| *b == b'@') {
            Some(at) => (rest.get(..at), rest.get(at + 1..)?),
            None => (None, rest),
        };
        let (user, password) = match user.and_then(|u| Some((u, u.iter().position(|b| *b == b':')?))) {
            Some((whole, at)) => (whole.get(..at), whole.get(at + 1..)),
            None => (user, None),
        };
        let (rest, headers) = match rest.iter().position(|b| *b == b'?') {
            Some(at) => (rest.get(..at)?, rest.get(at + 1..)),
            None => (rest, None),
        };
        let end = rest.iter().position(|b| *b == b';').unwrap_or(rest.len());
        let (host_port, params) = rest.split_at_checked(end)?;
        let (host, port) = split_host_port(host_port)?;
        Some(Uri { scheme, user, password, host, port, params: Params(params), headers })
    }

    /// The user part as text, unescaped (`%23` is `#`), without user parameters such as `;phone-context=`.
    pub fn user_text(&self) -> Option<String> {
        let user = self.user?;
        let end = user.iter().position(|b| *b == b';').unwrap_or(user.len());
        Some(text(&unescape(user.get(..end)?)).into_owned())
    }

    /// The host as text.
    pub fn host_text(&self) -> Cow<'a, str> {
        text(self.host)
    }

    /// The host as an IP address, when it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        ip_of(self.host)
    }

    /// Appends the URI in its written form.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.scheme.as_bytes());
        out.push(b':');
        out.extend_from_slice(self.user.unwrap_or_default());
        if let Some(password) = self.password {
            out.push(b':');
            out.extend_from_slice(password);
        }
        if self.user.is_some() && !self.host.is_empty() {
            out.push(b'@');
        }
        out.extend_from_slice(self.host);
        if let Some(port) = self.port {
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
        out.extend_from_slice(self.params.0);
        if let Some(headers) = self.headers {
            out.push(b'?');
            out.extend_from_slice(headers);
        }
    }

    /// True when both name the same resource (RFC 3261 §19.1.4): escapes and letter case of scheme, host and
    /// parameters do not count, those of user and password do; `user`, `ttl`, `method`, `maddr` and
    /// `transport` must be in both or in none; other parameters only count when in both.
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        let same_part = |a: Option<&[u8]>, b: Option<&[u8]>| match (a, b) {
            (Some(a), Some(b)) => unescape(a) == unescape(b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let same_scheme = self.scheme.as_bytes().eq_ignore_ascii_case(other.scheme.as_bytes());
        same_scheme
            && same_part(self.user, other.user)
            && same_part(self.password, other.password)
            && self.host.eq_ignore_ascii_case(other.host)
            && self.port == other.port
            && params_agree(self.params, other.params)
            && params_agree(other.params, self.params)
            && headers_of(self.headers) == headers_of(other.headers)
    }
}

/// Every parameter of `a` agrees with `b`.
fn params_agree(a: Params<'_>, b: Params<'_>) -> bool {
    let binding = |name: &[u8]| {
        ["user", "ttl", "method", "maddr", "transport"].iter().any(|p| name.eq_ignore_ascii_case(p.as_bytes()))
    };
    let b_value =
        |name: &[u8]| b.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or_default());
    // A name that stands twice is against the grammar; such a URI still equals itself.
    a.0 == b.0
        || a.iter().all(|(name, value)| match b_value(name) {
            Some(other) => unescape(value.unwrap_or_default()).eq_ignore_ascii_case(&unescape(other)),
            None => !binding(name),
        })
}

/// A URI without its headers, as a Request-URI has to be (RFC 3261 §19.1.1).
pub fn without_headers(uri: &[u8]) -> &[u8] {
    let uri = trim(uri);
    let headers = Uri::parse(uri).and_then(|uri| uri.headers).map_or(0, |headers| headers.len() + 1);
    uri.get(..uri.len() - headers).unwrap_or(uri)
}

fn headers_of(headers: Option<&[u8]>) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> =
        headers.into_iter().flat_map(|h| h.split(|b| *b == b'&')).map(|h| unescape(h).to_ascii_lowercase()).collect();
    all.sort();
    all
}

/// Undoes `%41`; a percent sign without two hex digits stays.
pub fn unescape(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'%') {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        let hex = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let escaped = match after {
            [high, low, tail @ ..] if *first == b'%' => hex(*high).zip(hex(*low)).map(|(h, l)| (h << 4 | l, tail)),
            _ => None,
        };
        let (byte, tail) = escaped.unwrap_or((*first, after));
        out.push(byte);
        rest = tail;
    }
    Cow::Owned(out)
}

/// Escapes what may not stand in a user part (RFC 3261 §25.1), so that any text becomes one.
pub fn escape_user(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// `host`, `host:port`, `[v6]:port` with white space around the colon; the host keeps its brackets.
pub(crate) fn split_host_port(value: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let host_end = match value.first()? {
        b'[' => value.iter().position(|b| *b == b']')? + 1,
        _ => value.iter().position(|b| *b == b':').unwrap_or(value.len()),
    };
    let (host, after) = value.split_at_checked(host_end)?;
    let (host, after) = (trim(host), trim(after));
    let port = match after.split_first() {
        None => None,
        Some((b':', digits)) => Some(u16::try_from(number_of(trim(digits))?).ok()?),
        Some(_) => return None,
    };
    let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_') || *b >= 0x80;
    let ok = match host.strip_prefix(b"[") {
        Some(_) => ip_of(host).is_some(),
        None => !host.is_empty() && host.iter().all(inner),
    };
    ok.then_some((host, port))
}

fn is_scheme(scheme: &[u8]) -> bool {
    let ok = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(ok)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uri(text: &str) -> Uri<'_> {
        Uri::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a URI"))
    }

    /// RFC 3261 §19.1.1: a Request-URI has no headers. A question mark of the user part stays.
    #[test]
    fn headers_are_cut_off() {
        for (uri, without) in [
            ("sip:a@h;lr?subject=x&y=z", "sip:a@h;lr"),
            (" sip:p?203.0.113.1 ", "sip:p"),
            ("sip:a?b@h:5070", "sip:a?b@h:5070"),
            ("tel:+966500000000", "tel:+966500000000"),
            ("no uri?", "no uri?"),
        ] {
            assert_eq!(without_headers(uri.as_bytes()), without.as_bytes(), "{uri}");
        }
    }

    #[test]
    fn a_uri_is_taken_apart_and_written_as_it_was() {
        let whole = "sips:alice;x=1:secret@[2001:db8::1]:5061;transport=tcp;lr?subject=a%20b&x=y";
        let u = uri(whole);
        assert_eq!((u.scheme, u.user, u.password), (Scheme::Sips, Some(&b"alice;x=1"[..]), Some(&b"secret"[..])));
        assert_eq!((u.host, u.port, u.ip()), (&b"[2001:db8::1]"[..], Some(5061), "2001:db8::1".parse().ok()));
        assert_eq!((u.params.get("transport"), u.params.has("LR")), (Some(&b"tcp"[..]), true));
        assert_eq!((u.headers, u.user_text().as_deref()), (Some(&b"subject=a%20b&x=y"[..]), Some("alice")));
        for text in [
            whole,
            "sip:h",
            "sip:h:5060;lr",
            "sip:a@h?b=c",
            "tel:+49-30;phone-context=x",
            "urn:service:sos",
            "sip:a:@h",
            "sip:@h",
        ] {
            let mut out = Vec::new();
            uri(text).write(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn a_tel_uri_has_its_number_as_user() {
        let u = uri("tel:+4930123456;phone-context=example.com");
        assert_eq!((u.scheme, u.user_text().as_deref(), u.port), (Scheme::Tel, Some("+4930123456"), None));
        assert_eq!(u.params.get("phone-context"), Some(&b"example.com"[..]));
        assert_eq!(uri("urn:service:sos").user, Some(&b"service:sos"[..]));
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for bad in [
            "",
            "sip",
            "sip:",
            "sip:a@",
            "sip:a@h:",
            "sip:a@h:65536",
            "sip:a b@h",
            "<sip:a@h>",
            "sip:[::1",
            "sip:[::g]",
            "1x:y",
            "tel:;x",
            "sip:a@h,b",
        ] {
            assert_eq!(Uri::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    /// The pairs of RFC 3261 §19.1.4.
    #[test]
    fn equivalence_follows_the_examples_of_the_rfc() {
        let same = [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
        ];
        let different = [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:carol@chicago.com", "sips:carol@chicago.com"),
        ];
        for (a, b) in same {
            assert!(uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)), "{a} {b}");
        }
        for (a, b) in different {
            assert!(!uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn any_user_comes_back_from_its_escaped_form(user in "\\PC{1,20}") {
            let text = format!("sip:{}@h", escape_user(&user));
            prop_assert_eq!(uri(&text).user_text(), Some(user));
        }
    }
}
