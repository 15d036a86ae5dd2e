//! Both sides of a SIP dialog as text, read and written without the engine's help.

use std::net::SocketAddr;

/// One dialog of a phone with the centre.
#[derive(Clone, Debug)]
pub struct Leg {
    /// The phone.
    pub at: SocketAddr,
    /// The INVITE that began it, ours or the centre's.
    pub invite: String,
    /// Our From or To, with tag.
    pub local: String,
    /// Theirs, with tag once known.
    pub remote: String,
    /// Where requests in the dialog go.
    pub target: String,
    pub call_id: String,
    pub cseq: u32,
    pub branch: String,
}

/// A PCMA offer or answer of a phone at `at`.
pub fn sdp(at: SocketAddr, direction: &str) -> String {
    format!(
        "v=0\r\no=- 7 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n",
        ip = at.ip()
    )
}

/// The first header of this name.
pub fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split("\r\n").take_while(|line| !line.is_empty()).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The body.
pub fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// The status of a response.
pub fn status(message: &str) -> Option<u16> {
    message.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// The URI in the Contact.
pub fn contact(message: &str) -> String {
    let value = header(message, "Contact").unwrap_or_default();
    value.trim_start_matches('<').split('>').next().unwrap_or_default().to_owned()
}

/// A response to `request`, with our tag.
pub fn response(request: &str, status: &str, tag: &str, at: SocketAddr, body: &str) -> String {
    let mut out = format!("SIP/2.0 {status}\r\n");
    for line in request.split("\r\n").take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default();
        if matches!(name, "Via" | "From" | "Call-ID" | "CSeq" | "To") {
            out.push_str(line);
            if name == "To" && !line.contains(";tag=") {
                out.push_str(&format!(";tag={tag}"));
            }
            out.push_str("\r\n");
        }
    }
    out.push_str(&format!("Contact: <sip:phone@{at}>\r\n"));
    if !body.is_empty() {
        out.push_str("Content-Type: application/sdp\r\n");
    }
    out + &format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

impl Leg {
    /// A request inside the dialog (or its ACK or CANCEL).
    pub fn request(&self, method: &str, cseq: u32, branch: &str, uri: &str, body: &str) -> String {
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let remote = if method == "CANCEL" { header(&self.invite, "To").unwrap_or_default() } else { &self.remote };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch={branch};rport\r\nMax-Forwards: 70\r\n\
             From: {local}\r\nTo: {remote}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:phone@{at}>\r\n{content}Content-Length: {length}\r\n\r\n{body}",
            at = self.at,
            local = self.local,
            id = self.call_id,
            length = body.len(),
        )
    }
}
