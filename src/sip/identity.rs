//! Who calls, who was called before, and what may be shown of it.
//!
//! | header | source |
//! | --- | --- |
//! | P-Asserted-Identity, P-Preferred-Identity | RFC 3325 |
//! | Privacy | RFC 3323, RFC 3325 §9.3 |
//! | Remote-Party-ID | draft-ietf-sip-privacy-04, still spoken by gateways |
//! | Diversion | RFC 5806 |
//! | History-Info | RFC 7044 |
//! | Referred-By | RFC 3892 |
//!
//! All of it is what the sender claims. P-Preferred-Identity is a wish towards a proxy and is not read.

use super::header::{HeaderName, NameAddr, split_outside, text, unquote};
use super::message::Message;
use super::uri::{Scheme, Uri, escape_user, unescape};
use super::writer::Writer;

/// Most earlier targets taken over of one call.
const DIVERSIONS_MAX: usize = 10;

/// The user part of the identity asserted: P-Asserted-Identity, else Remote-Party-ID. A `tel:` number wins over a
/// `sip:` user, as it is the one that the network knows.
pub fn asserted(message: &Message) -> Option<String> {
    let mut best = None;
    for value in message.list(HeaderName::PAssertedIdentity) {
        let Some(uri) = NameAddr::parse(value).and_then(|address| address.uri()) else { continue };
        match (uri.scheme, uri.user_text().filter(|user| !user.is_empty())) {
            (Scheme::Tel, Some(number)) => return Some(number),
            (Scheme::Sip | Scheme::Sips, Some(user)) => best = best.or(Some(user)),
            (Scheme::Tel | Scheme::Sip | Scheme::Sips, None) | (Scheme::Other(_), _) => {}
        }
    }
    best.or_else(|| {
        let (address, _) = remote_party(message)?;
        address.uri()?.user_text().filter(|user| !user.is_empty())
    })
}

/// True when the caller is not to be shown: Privacy `id`, `user` or `header`, else the privacy of Remote-Party-ID.
pub fn is_private(message: &Message) -> bool {
    let mut said = false;
    for line in message.headers(HeaderName::Privacy) {
        for word in line.split(|b| matches!(b, b';' | b',')).map(<[u8]>::trim_ascii) {
            said = true;
            if [b"id".as_slice(), b"user", b"header"].iter().any(|hidden| word.eq_ignore_ascii_case(hidden)) {
                return true;
            }
        }
    }
    !said && remote_party(message).is_some_and(|(_, private)| private)
}

/// Remote-Party-ID of the calling party, and whether it asks for privacy.
fn remote_party(message: &Message) -> Option<(NameAddr<'_>, bool)> {
    let line = message.header_named("Remote-Party-ID")?;
    let address = split_outside(line, b',').filter_map(NameAddr::parse).find(|address| {
        address.params.get("party").is_none_or(|party| unquote(party).eq_ignore_ascii_case(b"calling"))
    })?;
    let privacy = address.params.get("privacy").map(unquote);
    let private = privacy.is_some_and(|privacy| {
        privacy
            .split(|b| *b == b'-')
            .any(|word| [b"full".as_slice(), b"name", b"uri"].iter().any(|hidden| word.eq_ignore_ascii_case(hidden)))
    });
    Some((address, private))
}

/// The value of Remote-Party-ID for a caller with this number of ours.
pub fn remote_party_id(number: &str, domain: &str, private: bool) -> String {
    let privacy = if private { "full" } else { "off" };
    format!("<sip:{}@{domain}>;party=calling;screen=yes;privacy={privacy}", escape_user(number))
}

/// Who was dialled before, newest first: Diversion, else History-Info.
pub fn diversion(message: &Message) -> Vec<String> {
    // The topmost is the latest (RFC 5806 §5).
    let by_diversion: Vec<String> =
        message.list(HeaderName::Diversion).filter_map(user_of).take(DIVERSIONS_MAX).collect();
    if !by_diversion.is_empty() {
        return by_diversion;
    }
    // The last is where the call goes now; an entry with a Reason, or one that a later one came from, was left.
    let entries: Vec<&[u8]> = message.list(HeaderName::HistoryInfo).collect();
    let earlier = entries.split_last().map(|(_, earlier)| earlier).unwrap_or_default();
    let mut users: Vec<String> = Vec::new();
    for user in earlier.iter().rev().filter_map(|entry| user_of(entry)) {
        if users.last() != Some(&user) && users.len() < DIVERSIONS_MAX {
            users.push(user);
        }
    }
    users
}

fn user_of(value: &[u8]) -> Option<String> {
    NameAddr::parse(value)?.uri()?.user_text().filter(|user| !user.is_empty())
}

/// The value of Referred-By.
pub fn referred_by(message: &Message) -> Option<String> {
    message.header(HeaderName::ReferredBy).map(|value| text(value).into_owned())
}

/// All Reason values of a message, as one list (RFC 3326 §2: several protocols may each say theirs).
pub fn reason(message: &Message) -> Option<String> {
    let all: Vec<_> = message.headers(HeaderName::Reason).filter(|value| !value.is_empty()).map(text).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// The From of a caller that is not to be shown (RFC 3323 §4.1.1.3), without tag.
pub const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

/// Writes who calls for the next hop: P-Asserted-Identity and, for gateways that know only it, Remote-Party-ID when
/// `asserted` is told; Privacy when it is not to go further.
pub fn write(writer: &mut Writer, asserted: Option<&str>, domain: &str, private: bool) {
    if let Some(user) = asserted.filter(|user| !user.is_empty()) {
        let uri = ["<sip:", &escape_user(user), "@", domain, ">"].concat();
        writer.header(HeaderName::PAssertedIdentity, &uri);
        let privacy = if private { "full" } else { "off" };
        writer.named("Remote-Party-ID", format!("{uri};party=calling;screen=yes;privacy={privacy}"));
    }
    if private {
        writer.header(HeaderName::Privacy, "id");
    }
}

/// A header embedded in a URI, unescaped: `sip:a@b?Replaces=…` (RFC 3261 §19.1.1). The first of that name.
pub fn uri_header<'a>(uri: &Uri<'a>, name: &str) -> Option<std::borrow::Cow<'a, [u8]>> {
    let pairs = uri.headers?.split(|b| *b == b'&');
    pairs
        .filter_map(|pair| {
            let at = pair.iter().position(|b| *b == b'=')?;
            let (key, value) = (pair.get(..at)?, pair.get(at + 1..)?);
            unescape(key).eq_ignore_ascii_case(name.as_bytes()).then(|| unescape(value))
        })
        .next()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(headers: &str) -> Message {
        let text = format!("INVITE sip:500@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\n{headers}\r\n");
        Message::parse(Bytes::from(text)).unwrap()
    }

    /// RFC 3325 §9.1: at most a sip and a tel URI.
    #[test]
    fn the_asserted_identity_is_its_number() {
        let read = |headers: &str| asserted(&message(headers));
        let both = "P-Asserted-Identity: \"A\" <sip:+14085264000@cisco.com>\r\nP-Asserted-Identity: tel:+1408\r\n";
        assert_eq!(read(both).as_deref(), Some("+1408"));
        assert_eq!(
            read("P-Asserted-Identity: <sip:%2B96650@h;user=phone>, <mailto:a@b>\r\n").as_deref(),
            Some("+96650")
        );
        assert_eq!(read("P-Preferred-Identity: <sip:boss@h>\r\n"), None);
        assert_eq!(read("Remote-Party-ID: \"x\" <sip:77@h>;party=calling;privacy=off\r\n").as_deref(), Some("77"));
        assert_eq!(read("Remote-Party-ID: <sip:77@h>;party=called\r\n"), None);
        assert_eq!(read("P-Asserted-Identity: <sip:h>\r\nRemote-Party-ID: <sip:77@h>\r\n").as_deref(), Some("77"));
        assert_eq!(read("P-Asserted-Identity: \"\r\n"), None);
    }

    #[test]
    fn privacy_is_asked_by_either_header() {
        let read = |headers: &str| is_private(&message(headers));
        assert!(read("Privacy: id\r\n") && read("Privacy: critical; user\r\n") && read("Privacy: Header\r\n"));
        assert!(!read("Privacy: none\r\n") && !read("Privacy: session\r\n") && !read(""));
        assert!(read("Remote-Party-ID: <sip:7@h>;privacy=full;screen=yes\r\n"));
        assert!(read("Remote-Party-ID: <sip:7@h>;privacy=\"name-network\"\r\n"));
        assert!(!read("Remote-Party-ID: <sip:7@h>;privacy=off\r\n"));
        assert!(!read("Privacy: none\r\nRemote-Party-ID: <sip:7@h>;privacy=full\r\n"));
    }

    /// RFC 5806 §8 and RFC 7044 §5.
    #[test]
    fn earlier_targets_come_newest_first() {
        let read = |headers: &str| diversion(&message(headers));
        let twice = "Diversion: <sip:+15552222@h>;reason=no-answer, <tel:+15551111>;reason=unconditional\r\n";
        assert_eq!(read(twice), ["+15552222", "+15551111"]);
        let history = "History-Info: <sip:100@h>;index=1, <sip:200@h?Reason=SIP%3Bcause%3D302>;index=1.1;mp=1\r\n\
                       History-Info: <sip:500@h;cause=302>;index=1.1.1\r\n";
        assert_eq!(read(history), ["200", "100"]);
        assert_eq!(read("History-Info: <sip:500@h>;index=1\r\n"), [""; 0]);
        assert_eq!(read("Diversion: \"\r\n"), [""; 0]);
    }

    #[test]
    fn several_reasons_are_one_list() {
        let read = |headers: &str| reason(&message(headers));
        assert_eq!(
            read("Reason: SIP;cause=200\r\nReason: Q.850;cause=16\r\n").as_deref(),
            Some("SIP;cause=200, Q.850;cause=16")
        );
        assert_eq!(read(""), None);
    }

    #[test]
    fn what_is_said_of_the_caller_reads_back() {
        let written = |asserted, private| {
            let mut writer = Writer::request(super::super::header::Method::Invite, "sip:a@b");
            write(&mut writer, asserted, "hatif.test", private);
            Message::parse(writer.finish()).unwrap()
        };
        let private = written(Some("+966 50"), true);
        assert_eq!((asserted(&private).as_deref(), is_private(&private)), (Some("+966 50"), true));
        assert!(!is_private(&written(Some("+96650"), false)) && asserted(&written(None, true)).is_none());
    }

    /// RFC 3515 §2.1: headers in the URI are escaped.
    #[test]
    fn a_header_in_a_uri_is_unescaped() {
        let uri = Uri::parse(b"sip:b@h?X=y&replaces=12%40h%3Bto-tag%3D1%3Bfrom-tag%3D2").unwrap();
        assert_eq!(uri_header(&uri, "Replaces").as_deref(), Some(&b"12@h;to-tag=1;from-tag=2"[..]));
        assert_eq!(uri_header(&uri, "Require"), None);
    }
}
