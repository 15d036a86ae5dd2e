//! Reading and building of SIP messages through `rsip`, and the client side of digest (RFC 8760).

use std::fmt::Write as _;

use md5::Md5;
use rsip::headers::ToTypedHeader;
use rsip::message::{HasHeaders, HeadersExt};
use sha2::{Digest, Sha256};

/// One received message, read by `rsip`.
#[derive(Clone, Debug)]
pub(super) struct Message {
    sip: rsip::SipMessage,
    /// Name and value of every header line, in order.
    pub(super) headers: Vec<(String, String)>,
}

impl Message {
    /// Reads one datagram or one framed message; `None` when `rsip` cannot.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let sip = rsip::SipMessage::try_from(bytes.to_vec()).ok()?;
        let headers = sip
            .headers()
            .iter()
            .filter_map(|h| h.to_string().split_once(':').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned())))
            .collect();
        Some(Self { sip, headers })
    }

    /// The method of a request.
    pub(super) fn method(&self) -> Option<rsip::Method> {
        match &self.sip {
            rsip::SipMessage::Request(request) => Some(request.method),
            rsip::SipMessage::Response(_) => None,
        }
    }

    /// The status of a response.
    pub(super) fn code(&self) -> Option<u16> {
        match &self.sip {
            rsip::SipMessage::Request(_) => None,
            rsip::SipMessage::Response(response) => Some(response.status_code.code()),
        }
    }

    /// First value of a header; compact names of RFC 3261 §7.3.3 are understood where this phone needs them.
    pub(super) fn header(&self, name: &'static str) -> Option<&str> {
        self.values(name).next()
    }

    /// All values of a header, line by line.
    pub(super) fn values(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let compact = match name {
            "Via" => "v",
            "From" => "f",
            "To" => "t",
            "Call-ID" => "i",
            "Contact" => "m",
            "Content-Type" => "c",
            "Content-Length" => "l",
            _ => name,
        };
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name) || n.eq_ignore_ascii_case(compact))
            .map(|(_, v)| v.as_str())
    }

    /// Branch of the topmost Via.
    pub(super) fn branch(&self) -> Option<String> {
        self.sip.transaction_id().ok().flatten().map(|b| b.value().to_owned())
    }

    /// Number and method of CSeq.
    pub(super) fn cseq(&self) -> Option<(u32, rsip::Method)> {
        let cseq = self.sip.cseq_header().ok()?.typed().ok()?;
        Some((cseq.seq, cseq.method))
    }

    /// Tag of From.
    pub(super) fn sender_tag(&self) -> Option<String> {
        self.header("From").and_then(|v| parameter(v, "tag")).map(str::to_owned)
    }

    /// Tag of To.
    pub(super) fn to_tag(&self) -> Option<String> {
        self.header("To").and_then(|v| parameter(v, "tag")).map(str::to_owned)
    }

    /// The bindings that a 200 to REGISTER lists.
    pub(super) fn contacts(&self) -> Vec<String> {
        self.values("Contact").flat_map(split_list).map(|c| address(c).to_owned()).collect()
    }

    /// The body, cut to Content-Length.
    pub(super) fn body(&self) -> &[u8] {
        let body = match &self.sip {
            rsip::SipMessage::Request(request) => request.body(),
            rsip::SipMessage::Response(response) => response.body(),
        };
        let length = self.header("Content-Length").and_then(|v| v.parse().ok());
        body.get(..length.unwrap_or(body.len())).unwrap_or(body)
    }
}

/// Builds a request.
///
/// # Errors
///
/// `uri` is not a SIP URI.
pub(super) fn request(
    method: rsip::Method,
    uri: &str,
    headers: &[(&str, String)],
    body: &[u8],
) -> Result<Vec<u8>, rsip::Error> {
    let request = rsip::Request {
        method,
        uri: rsip::Uri::try_from(uri)?,
        version: rsip::Version::V2,
        headers: lines(headers, body),
        body: body.to_vec(),
    };
    Ok(request.into())
}

/// Builds a response to `request`: Via lines, From, To (with `tag` when it has none), Call-ID and CSeq are copied.
pub(super) fn response(
    request: &Message,
    code: u16,
    phrase: &str,
    tag: &str,
    headers: &[(&str, String)],
    body: &[u8],
) -> Vec<u8> {
    let mut all: Vec<(&str, String)> = request.values("Via").map(|v| ("Via", v.to_owned())).collect();
    all.extend(request.values("Record-Route").map(|v| ("Record-Route", v.to_owned())));
    for name in ["From", "To", "Call-ID", "CSeq"] {
        let mut value = request.header(name).unwrap_or_default().to_owned();
        if name == "To" && code > 100 && parameter(&value, "tag").is_none() {
            let _ = write!(value, ";tag={tag}");
        }
        all.push((name, value));
    }
    all.extend(headers.iter().cloned());
    rsip::Response {
        status_code: rsip::StatusCode::Other(code, phrase.to_owned()),
        version: rsip::Version::V2,
        headers: lines(&all, body),
        body: body.to_vec(),
    }
    .into()
}

fn lines(headers: &[(&str, String)], body: &[u8]) -> rsip::Headers {
    let mut all: Vec<rsip::Header> =
        headers.iter().map(|(n, v)| rsip::Header::Other((*n).to_owned(), v.clone())).collect();
    all.push(rsip::Header::ContentLength((body.len() as u32).into()));
    all.into()
}

/// The URI of a name-addr or addr-spec (RFC 3261 §20.10).
pub(super) fn address(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

/// The display name of a name-addr, without quotes.
pub(super) fn display(value: &str) -> Option<String> {
    let name = value.split_once('<')?.0.trim().trim_matches('"');
    (!name.is_empty()).then(|| name.to_owned())
}

/// User and host:port of a SIP URI.
pub(super) fn user_and_host(uri: &str) -> (&str, &str) {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let rest = rest.split([';', '?']).next().unwrap_or(rest);
    rest.rsplit_once('@').unwrap_or(("", rest))
}

/// A header parameter after the address.
pub(super) fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let after = value.rsplit_once('>').map_or(value, |(_, after)| after);
    after.split(';').skip(1).find_map(|p| {
        let (key, value) = p.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Splits a header value at commas outside of quotes and angle brackets.
pub(super) fn split_list(value: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut inside) = (Vec::new(), 0, false, false);
    for (at, c) in value.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '<' if !quoted => inside = true,
            '>' if !quoted => inside = false,
            ',' if !quoted && !inside => {
                parts.push(value[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(value[start..].trim());
    parts
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A digest challenge (RFC 8760, RFC 2617).
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    sha256: bool,
    algorithm: Option<String>,
    qop: bool,
    /// The credentials were right but the nonce is too old.
    pub(super) stale: bool,
    /// The header that answers it.
    pub(super) answer_header: &'static str,
    uses: u32,
}

impl Challenge {
    /// The first challenge of a 401 or 407 that this phone can answer (RFC 8760 §2.4: the topmost known).
    pub(super) fn find(response: &Message) -> Option<Self> {
        let www = response.values("WWW-Authenticate").map(|v| (v, "Authorization"));
        let proxy = response.values("Proxy-Authenticate").map(|v| (v, "Proxy-Authorization"));
        www.chain(proxy).find_map(|(value, header)| Self::parse(value, header))
    }

    fn parse(value: &str, answer_header: &'static str) -> Option<Self> {
        let (scheme, rest) = value.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let field = |name: &str| {
            split_list(rest).into_iter().find_map(|p| {
                let (key, value) = p.split_once('=')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
            })
        };
        let algorithm = field("algorithm");
        let sha256 = match algorithm.as_deref().map(str::to_ascii_uppercase).as_deref() {
            None | Some("MD5") => false,
            Some("SHA-256") => true,
            Some(_) => return None,
        };
        let qop = field("qop").is_some_and(|q| q.split(',').any(|q| q.trim() == "auth"));
        let stale = field("stale").is_some_and(|s| s.eq_ignore_ascii_case("true"));
        let (realm, nonce, opaque) = (field("realm")?, field("nonce")?, field("opaque"));
        Some(Self { realm, nonce, opaque, sha256, algorithm, qop, stale, answer_header, uses: 0 })
    }

    /// The credentials for one request; each use counts `nc` up (RFC 7616 §3.4).
    pub(super) fn answer(&mut self, user: &str, password: &str, method: &str, uri: &str, cnonce: &str) -> String {
        self.uses += 1;
        let hash = |text: String| match self.sha256 {
            true => hex(&Sha256::digest(text.as_bytes())),
            false => hex(&Md5::digest(text.as_bytes())),
        };
        let secret = hash(format!("{user}:{}:{password}", self.realm));
        let what = hash(format!("{method}:{uri}"));
        let mut text =
            format!("Digest username=\"{user}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\"", self.realm, self.nonce);
        let response = if self.qop {
            let _ = write!(text, ", qop=auth, nc={:08x}, cnonce=\"{cnonce}\"", self.uses);
            hash(format!("{secret}:{}:{:08x}:{cnonce}:auth:{what}", self.nonce, self.uses))
        } else {
            hash(format!("{secret}:{}:{what}", self.nonce))
        };
        let _ = write!(text, ", response=\"{response}\"");
        if let Some(algorithm) = &self.algorithm {
            let _ = write!(text, ", algorithm={algorithm}");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(text, ", opaque=\"{opaque}\"");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2617 §3.5 (with qop), and RFC 7616 §3.9.1 for both algorithms.
    #[test]
    fn digest_gives_the_responses_of_the_rfcs() {
        let mut old = Challenge::parse(
            "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"",
            "Authorization",
        )
        .expect("challenge");
        let text = old.answer("Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b");
        assert!(text.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{text}");
        for (algorithm, wanted) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let mut challenge = Challenge::parse(
                &format!(
                    "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                     nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
                ),
                "Authorization",
            )
            .expect("challenge");
            let text = challenge.answer(
                "Mufasa",
                "Circle of Life",
                "GET",
                "/dir/index.html",
                "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            );
            assert!(text.contains(&format!("response=\"{wanted}\"")), "{text}");
        }
    }

    #[test]
    fn a_built_message_reads_back() {
        let headers = [
            ("Via", "SIP/2.0/UDP 127.0.0.1:5070;rport;branch=z9hG4bKabc".to_owned()),
            ("From", "\"Robot\" <sip:201@127.0.0.1>;tag=me".to_owned()),
            ("To", "<sip:*81101@127.0.0.1:5060>".to_owned()),
            ("Call-ID", "1@robot".to_owned()),
            ("CSeq", "7 INVITE".to_owned()),
        ];
        let bytes = request(rsip::Method::Invite, "sip:*81101@127.0.0.1:5060", &headers, b"v=0\r\n").expect("uri");
        assert!(bytes.starts_with(b"INVITE sip:*81101@127.0.0.1:5060 SIP/2.0\r\n"));
        let read = Message::parse(&bytes).expect("readable");
        assert_eq!(read.branch().as_deref(), Some("z9hG4bKabc"));
        assert_eq!(read.cseq(), Some((7, rsip::Method::Invite)));
        assert_eq!((read.sender_tag().as_deref(), read.to_tag()), (Some("me"), None));
        assert_eq!(read.body(), b"v=0\r\n");
        let answer = Message::parse(&response(&read, 180, "Ringing", "you", &[], b"")).expect("readable");
        assert_eq!((answer.code(), answer.to_tag().as_deref()), (Some(180), Some("you")));
        assert_eq!(display(answer.header("From").unwrap_or_default()).as_deref(), Some("Robot"));
        assert_eq!(split_list("<sip:a,b@c>;x, \"q,r\" <sip:d>"), ["<sip:a,b@c>;x", "\"q,r\" <sip:d>"]);
    }
}
