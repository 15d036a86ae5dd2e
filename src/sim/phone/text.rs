//! SIP as text: just enough to play a phone, and written apart from the engine's own reading of it.

use std::net::SocketAddr;

use bytes::Bytes;
use md5::{Digest, Md5};

/// One message.
#[derive(Clone, Copy)]
pub struct Text<'a>(pub &'a str);

impl<'a> Text<'a> {
    /// Reads a datagram; `None` when it is not text.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().map(Self)
    }

    fn first_line(&self) -> &'a str {
        self.0.split("\r\n").next().unwrap_or_default()
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        self.first_line().strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request.
    pub fn method(&self) -> &'a str {
        self.first_line().split(' ').next().unwrap_or_default()
    }

    /// The first header of this full name.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.0.split("\r\n").skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
            let (found, value) = (line.get(..name.len())?, line.get(name.len()..)?.strip_prefix(':')?);
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Number and method of CSeq.
    pub fn cseq(&self) -> (u32, &'a str) {
        let value = self.header("CSeq").unwrap_or_default();
        let (number, method) = value.split_once(' ').unwrap_or_default();
        (number.parse().unwrap_or(0), method)
    }

    /// The address to which requests in the dialog go.
    pub fn contact_uri(&self) -> Option<&'a str> {
        let contact = self.header("Contact")?;
        let inner = contact.split_once('<').map_or(contact, |(_, rest)| rest);
        inner.split('>').next()
    }

    /// Whether To carries a tag: the request belongs to a dialog.
    pub fn in_dialog(&self) -> bool {
        self.header("To").is_some_and(|to| to.contains(";tag="))
    }

    /// The MD5 challenge among those offered.
    pub fn challenge_md5(&self) -> &'a str {
        const NAME: &str = "WWW-Authenticate:";
        let mut challenges = self
            .0
            .split("\r\n")
            .filter(|line| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)));
        let first = challenges.clone().next().unwrap_or_default();
        challenges.find(|line| !line.contains("SHA-256")).unwrap_or(first)
    }

    /// A response to it: status line words, our tag, more headers, body.
    pub fn answer(&self, status: &str, tag: &str, extra: &str, body: &str) -> Bytes {
        let mut out = String::with_capacity(512 + body.len());
        out.push_str("SIP/2.0 ");
        out.push_str(status);
        out.push_str("\r\n");
        for line in self.0.split("\r\n").skip(1).take_while(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap_or_default();
            match name {
                "Via" | "From" | "Call-ID" | "CSeq" => out.push_str(line),
                "To" if tag.is_empty() || line.contains(";tag=") => out.push_str(line),
                "To" => {
                    out.push_str(line);
                    out.push_str(";tag=");
                    out.push_str(tag);
                }
                _ => continue,
            }
            out.push_str("\r\n");
        }
        out.push_str(extra);
        out.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        Bytes::from(out)
    }
}

/// Offer or answer of a phone at `address`; `direction` as in `a=sendrecv`.
pub fn sdp(address: SocketAddr, version: u32, direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n",
        ip = address.ip()
    )
}

/// An Authorization header for a challenge: RFC 2617 with qop=auth and MD5.
pub fn authorization(challenge: &str, user: &str, password: &str, method: &str, uri: &str, cseq: u32) -> String {
    let field = |name: &str| {
        let start = challenge.find(&format!("{name}=\""))? + name.len() + 2;
        challenge.get(start..)?.split('"').next()
    };
    let (realm, nonce) = (field("realm").unwrap_or_default(), field("nonce").unwrap_or_default());
    let hash = |text: String| Md5::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let ha1 = hash(format!("{user}:{realm}:{password}"));
    let ha2 = hash(format!("{method}:{uri}"));
    let response = hash(format!("{ha1}:{nonce}:00000001:c{cseq}:auth:{ha2}"));
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c{cseq}\"\r\n"
    )
}
