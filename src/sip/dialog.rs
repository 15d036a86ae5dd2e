//! Dialog: what two user agents agree on about one another (RFC 3261 §12).
//!
//! Knows how to write the requests inside it and which requests belong to it. Requests go to the address the
//! peer was last seen at, for NAT, except that the port may be the one its Contact or Route names.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use bytes::Bytes;
use smallvec::SmallVec;

use super::config::Transport;
use super::endpoint::Flow;
use super::header::{HeaderName, Method, NameAddr, text};
use super::message::Message;
use super::uri::{Uri, without_headers};
use super::writer::Writer;

/// Hops a request may take (RFC 3261 §8.1.1.6).
pub const MAX_FORWARDS: &str = "70";
/// Most Record-Route entries taken over; a dialog with more is served as if it had no more.
const ROUTES_MAX: usize = 16;

/// By how much the number of a recovered dialog's request is above the last one known: what was sent in between was
/// not written down.
const CSEQ_LEAP: u32 = 1_000;

/// What is needed to send one more request in a dialog whose process is gone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialogSeed {
    /// Its Call-ID.
    pub call_id: String,
    /// From of our requests, with its tag.
    pub local: String,
    /// To of our requests, with its tag.
    pub remote: String,
    /// The peer's Contact.
    pub target: String,
    /// Route values, in the order of our requests.
    pub routes: Vec<String>,
    /// The last CSeq number of ours.
    pub cseq: u32,
    /// Where the peer was seen.
    pub flow: Flow,
    /// While our INVITE is not answered: what tells its branch. `remote` has no tag then, and `cseq` is its number.
    pub unanswered: Option<u64>,
}

/// One dialog; early until the first 2xx when it is ours. What every request in it is compared with lies in it and not
/// elsewhere in memory: among many dialogs each look elsewhere takes longer than the comparison.
#[derive(Clone, Debug)]
pub struct Dialog {
    call_id: SmallVec<[u8; 64]>,
    local_tag: String,
    remote_tag: SmallVec<[u8; 24]>,
    /// From of our requests, with its tag.
    local: Vec<u8>,
    /// To of our requests, with its tag once there is one.
    remote: Vec<u8>,
    /// The peer's Contact: the Request-URI of our requests.
    target: Vec<u8>,
    /// Route values, in the order of our requests.
    routes: Vec<Vec<u8>>,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    /// Where the peer was last seen.
    flow: Flow,
    /// True when the first INVITE, and so the Call-ID, was ours.
    asked: bool,
    /// Our Contact value.
    pub contact: String,
}

impl Dialog {
    /// The dialog that a 1xx or 2xx to this INVITE makes at our side (RFC 3261 §12.1.1). `None` when the INVITE
    /// has no readable From, To, Contact or CSeq.
    pub fn answering(invite: &Message, local_tag: String, source: Flow, contact: String) -> Option<Dialog> {
        let mut local = invite.header(HeaderName::To)?.to_vec();
        local.extend_from_slice(b";tag=");
        local.extend_from_slice(local_tag.as_bytes());
        let routes = routes(invite);
        // Without a Contact, as RFC 2543 allowed, From is where to call back.
        let target = without_headers(invite.contact().or_else(|| invite.from())?.uri).to_vec();
        Some(Dialog {
            call_id: invite.call_id()?.into(),
            local_tag,
            remote_tag: invite.from_tag().unwrap_or_default().into(),
            local,
            remote: invite.header(HeaderName::From)?.to_vec(),
            flow: source,
            target,
            routes,
            local_cseq: 0,
            remote_cseq: Some(invite.cseq()?.number),
            asked: false,
            contact,
        })
    }

    /// The dialog that an INVITE of ours may become. `local` is the From value without tag, `target` the
    /// Request-URI, `remote` the To URI.
    pub fn asking(
        call_id: String,
        local_tag: String,
        local: &str,
        remote: &str,
        target: &str,
        flow: Flow,
        contact: String,
    ) -> Dialog {
        let local = [local, ";tag=", local_tag.as_str()].concat().into_bytes();
        Dialog {
            call_id: call_id.into_bytes().into(),
            local_tag,
            remote_tag: SmallVec::new(),
            local,
            remote: ["<", remote, ">"].concat().into_bytes(),
            target: target.as_bytes().to_vec(),
            routes: Vec::new(),
            local_cseq: 0,
            remote_cseq: None,
            flow,
            asked: true,
            contact,
        }
    }

    /// The same, its requests going through these hops until the peer's answer names others (RFC 3327 §5.1).
    #[must_use]
    pub fn through(self, routes: &[String]) -> Dialog {
        Dialog { routes: routes.iter().map(|route| route.as_bytes().to_vec()).collect(), ..self }
    }

    /// The dialog that a 2xx to an INVITE of ours made besides the one we keep; it only lives for ACK and BYE. `cseq`: the
    /// highest number that was used in it.
    /// `None` when the response lacks what a dialog needs.
    pub fn stray(response: &Message, flow: Flow, cseq: u32) -> Option<Dialog> {
        let mut dialog = Dialog {
            call_id: response.call_id()?.into(),
            local_tag: String::new(),
            remote_tag: SmallVec::new(),
            local: response.header(HeaderName::From)?.to_vec(),
            remote: Vec::new(),
            target: without_headers(response.to()?.uri).to_vec(),
            routes: Vec::new(),
            local_cseq: response.cseq()?.number.max(cseq),
            remote_cseq: None,
            flow,
            asked: true,
            contact: String::new(),
        };
        dialog.confirm(response, flow);
        Some(dialog)
    }

    /// What a later process needs to end this dialog.
    pub fn seed(&self) -> DialogSeed {
        let owned = |bytes: &[u8]| text(bytes).into_owned();
        DialogSeed {
            call_id: owned(&self.call_id),
            local: owned(&self.local),
            remote: owned(&self.remote),
            target: owned(&self.target),
            routes: self.routes.iter().map(|route| owned(route)).collect(),
            cseq: self.local_cseq,
            flow: self.flow,
            unanswered: None,
        }
    }

    /// A short word for how the peer is reached: another one when its Contact or its address changed.
    pub fn place(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.flow.transport, self.flow.listener, self.flow.remote, &self.target).hash(&mut hasher);
        hasher.finish()
    }

    /// An INVITE of a process that is gone, as far as CANCEL and the ACK to its refusal repeat it. It is never sent.
    pub fn lost_invite(seed: DialogSeed, via: &str) -> Bytes {
        let number = seed.cseq;
        Self::orphan(seed).write(Method::Invite, number, via, MAX_FORWARDS).finish()
    }

    /// A dialog of a process that is gone. It only lives for its BYE, whose number is above all that were sent.
    pub fn orphan(seed: DialogSeed) -> Dialog {
        Dialog {
            call_id: seed.call_id.into_bytes().into(),
            local_tag: String::new(),
            remote_tag: SmallVec::new(),
            local: seed.local.into_bytes(),
            remote: seed.remote.into_bytes(),
            target: seed.target.into_bytes(),
            routes: seed.routes.into_iter().map(String::into_bytes).collect(),
            local_cseq: seed.cseq.wrapping_add(CSEQ_LEAP - 1),
            remote_cseq: None,
            flow: Flow { connection: None, ..seed.flow },
            asked: false,
            contact: String::new(),
        }
    }

    /// A 2xx to our first INVITE, which came from `source`, fixes the peer (RFC 3261 §12.1.2).
    pub fn confirm(&mut self, response: &Message, source: Flow) {
        if let Some(to) = response.header(HeaderName::To) {
            self.remote = to.to_vec();
        }
        self.remote_tag = response.to_tag().unwrap_or_default().into();
        self.routes = routes(response);
        self.routes.reverse();
        self.refresh(response, source);
    }

    /// A target refresh: a 2xx to INVITE, or a re-INVITE that came from `source` (RFC 3261 §12.2).
    pub fn refresh(&mut self, message: &Message, source: Flow) {
        if let Some(contact) = message.contact().filter(|contact| contact.uri().is_some()) {
            self.target = without_headers(contact.uri).to_vec();
        }
        self.flow = source;
    }

    /// Where our next request goes: the connection that is open, else [`next_hop`].
    pub fn hop(&self, open: impl FnOnce(u64) -> bool) -> Flow {
        match self.flow.connection {
            Some(connection) if open(connection) => self.flow,
            Some(_) | None => next_hop(&self.routes, &self.target, Flow { connection: None, ..self.flow }),
        }
    }

    /// The user at the other end and the name of his page, when that is all his Contact says (`….invalid`, RFC 7118 §5.2):
    /// it is reached over the connection that it registered by, whichever that is now.
    pub fn page(&self) -> Option<(String, Uri<'_>)> {
        let page = Uri::parse(&self.target).filter(|uri| self.routes.is_empty() && uri.host.ends_with(b".invalid"))?;
        Some((NameAddr::parse(&self.remote)?.uri()?.user_text()?, page))
    }

    /// What names the next hop: the first Route value, else the peer's Contact.
    pub fn next_uri(&self) -> &[u8] {
        self.routes.first().unwrap_or(&self.target)
    }

    /// True when a request with our tag in To belongs here: the other tag and the Call-ID are right too.
    pub fn matches(&self, request: &Message) -> bool {
        request.call_id() == Some(&self.call_id) && request.from_tag().unwrap_or_default() == &self.remote_tag[..]
    }

    /// True when this is the dialog with these tags.
    pub fn is(&self, call_id: &[u8], local_tag: &[u8], remote_tag: &[u8]) -> bool {
        self.call_id[..] == *call_id && self.local_tag.as_bytes() == local_tag && self.remote_tag[..] == *remote_tag
    }

    /// The peer's tag; empty before its first response.
    pub fn remote_tag(&self) -> &[u8] {
        &self.remote_tag
    }

    /// The number of our last request.
    pub fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// True when this is our own request coming back: our tag in its From, our Call-ID.
    pub fn is_own(&self, request: &Message) -> bool {
        self.asked && request.call_id() == Some(&self.call_id) && request.from_tag() == Some(self.local_tag.as_bytes())
    }

    /// Its Call-ID.
    pub fn call_id(&self) -> &[u8] {
        &self.call_id
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        &self.local_tag
    }

    /// True when the Call-ID is ours: then we wait longer after a 491 (RFC 3261 §14.1).
    pub fn owns_call_id(&self) -> bool {
        self.asked
    }

    /// Takes note of the number of the peer's request; false when it is out of order (RFC 3261 §12.2.2: 500).
    pub fn take_cseq(&mut self, number: u32) -> bool {
        let in_order = self.remote_cseq.is_none_or(|last| number > last);
        if in_order {
            self.remote_cseq = Some(number);
        }
        in_order
    }

    /// The number of the next request of ours; it counts as used.
    pub fn next_cseq(&mut self) -> u32 {
        self.local_cseq = self.local_cseq.wrapping_add(1);
        self.local_cseq
    }

    /// Begins the next request inside the dialog (RFC 3261 §12.2.1.1): all headers up to CSeq.
    pub fn request(&mut self, method: Method<'_>, via: &str) -> Writer {
        self.local_cseq = self.local_cseq.wrapping_add(1);
        self.write(method, self.local_cseq, via, MAX_FORWARDS)
    }

    /// As [`Dialog::request`], with another Max-Forwards.
    pub fn request_hops(&mut self, method: Method<'_>, via: &str, max_forwards: &str) -> Writer {
        self.local_cseq = self.local_cseq.wrapping_add(1);
        self.write(method, self.local_cseq, via, max_forwards)
    }

    /// Begins the ACK to a 2xx to our INVITE of this number (RFC 3261 §13.2.2.4).
    pub fn ack(&self, cseq: u32, via: &str) -> Writer {
        self.write(Method::Ack, cseq, via, MAX_FORWARDS)
    }

    fn write(&self, method: Method<'_>, cseq: u32, via: &str, max_forwards: &str) -> Writer {
        let strict = self.routes.first().filter(|route| !is_loose(route)).and_then(|route| NameAddr::parse(route));
        let mut writer = match strict {
            None => Writer::request(method, &self.target),
            Some(first) => Writer::request(method, without_headers(first.uri)),
        };
        writer.header(HeaderName::Via, via);
        match strict {
            None => self.routes.iter().for_each(|route| {
                writer.header(HeaderName::Route, route);
            }),
            // A strict router takes its own URI from the Request-URI; the target goes last.
            Some(_) => {
                for route in self.routes.iter().skip(1) {
                    writer.header(HeaderName::Route, route);
                }
                writer.header(HeaderName::Route, [b"<", self.target.as_slice(), b">"].concat());
            }
        }
        writer.header(HeaderName::MaxForwards, max_forwards);
        writer.header(HeaderName::From, &self.local);
        writer.header(HeaderName::To, &self.remote);
        writer.header(HeaderName::CallId, &self.call_id);
        writer.header(HeaderName::CSeq, format!("{cseq} {}", method.label()));
        writer
    }
}

fn routes(message: &Message) -> Vec<Vec<u8>> {
    message.list(HeaderName::RecordRoute).take(ROUTES_MAX).map(<[u8]>::to_vec).collect()
}

fn is_loose(route: &[u8]) -> bool {
    NameAddr::parse(route).and_then(|r| r.uri()).is_none_or(|uri| uri.params.has("lr"))
}

/// Where a request to the first route, else to the target, goes when the peer was seen at `source`.
///
/// The address seen wins over the one named, which behind NAT is wrong. When both are the same host, the peer
/// knows its own port best: it may send from another one than it listens on.
pub fn next_hop(routes: &[Vec<u8>], target: &[u8], source: Flow) -> Flow {
    let route = routes.first().and_then(|route| NameAddr::parse(route));
    let uri = route.map_or(target, |route| route.uri);
    match Uri::parse(uri).and_then(|uri| Some((uri.ip()?, uri.port.unwrap_or(source.transport.default_port())))) {
        Some((ip, port)) if ip == source.remote.ip().to_canonical() => {
            Flow { remote: SocketAddr::new(source.remote.ip(), port), ..source }
        }
        Some(_) | None => source,
    }
}

/// Where a response to this request goes (RFC 3261 §18.2.2, RFC 3581 §4): over streams the connection it came on,
/// over UDP its source, but with the port of sent-by unless `rport` is there.
pub fn reply_to(request: &Message, source: Flow) -> Flow {
    match (source.transport, request.via()) {
        (Transport::Udp, Some(via)) if via.rport().is_none() => {
            let remote = SocketAddr::new(source.remote.ip(), via.port.unwrap_or(5060));
            Flow { remote, ..source }
        }
        (Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss, _) => source,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn source(remote: &str) -> Flow {
        Flow { transport: Transport::Udp, listener: 0, remote: remote.parse().unwrap(), connection: None }
    }

    fn invite(contact: &str, more: &str) -> Message {
        let text = format!(
            "INVITE sip:500@h SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKa\r\nFrom: <sip:a@h>;tag=f\r\n\
             To: <sip:500@h>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\nContact: {contact}\r\n{more}Content-Length: 0\r\n\r\n"
        );
        Message::parse(Bytes::from(text)).unwrap()
    }

    fn answering(invite: &Message, remote: &str) -> Dialog {
        Dialog::answering(invite, "0011223344556677".into(), source(remote), "<sip:500@us>".into()).unwrap()
    }

    /// RFC 3261 §12.2.1.1: From and To change places, the Contact is the target, Route is the Record-Route.
    #[test]
    fn requests_of_the_answering_side_follow_the_route_set() {
        let invite = invite("<sip:a@10.0.0.9:5071>", "Record-Route: <sip:10.0.0.1;lr>, <sip:10.0.0.2;lr>\r\n");
        let mut dialog = answering(&invite, "10.0.0.1:6000");
        let bye = dialog.request(Method::Bye, "SIP/2.0/UDP us:5060;branch=z9hG4bKb").finish();
        let expected = "BYE sip:a@10.0.0.9:5071 SIP/2.0\r\nVia: SIP/2.0/UDP us:5060;branch=z9hG4bKb\r\n\
            Route: <sip:10.0.0.1;lr>\r\nRoute: <sip:10.0.0.2;lr>\r\nMax-Forwards: 70\r\n\
            From: <sip:500@h>;tag=0011223344556677\r\nTo: <sip:a@h>;tag=f\r\nCall-ID: c\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&bye), expected);
        assert_eq!(
            dialog.hop(|_| false).remote,
            "10.0.0.1:5060".parse::<SocketAddr>().unwrap(),
            "the proxy, at the port it names"
        );
    }

    /// RFC 3261 §12.2.1.1: a first route without `lr` is a strict router.
    #[test]
    fn a_strict_router_becomes_the_request_uri() {
        let invite = invite("<sip:a@10.0.0.9>", "Record-Route: <sip:10.0.0.1>\r\nRecord-Route: <sip:10.0.0.2;lr>\r\n");
        let bye = answering(&invite, "10.0.0.1:6000").request(Method::Bye, "v").finish();
        let text = String::from_utf8_lossy(&bye).into_owned();
        assert!(text.starts_with("BYE sip:10.0.0.1 SIP/2.0\r\n"), "{text}");
        assert!(text.contains("\r\nRoute: <sip:10.0.0.2;lr>\r\nRoute: <sip:a@10.0.0.9>\r\n"), "{text}");
    }

    /// RFC 3261 §12.2.1.1: what a Request-URI must not say is taken off.
    #[test]
    fn headers_in_a_contact_or_a_strict_route_stay_away() {
        let mut dialog = answering(&invite("<sip:a@10.0.0.9?subject=x>", ""), "10.0.0.1:6000");
        assert!(dialog.request(Method::Bye, "v").finish().starts_with(b"BYE sip:a@10.0.0.9 SIP/2.0\r\n"));
        let strict = invite("<sip:a@10.0.0.9>", "Record-Route: <sip:10.0.0.1?subject=x>\r\n");
        let bye = answering(&strict, "10.0.0.1:6000").request(Method::Bye, "v").finish();
        assert!(bye.starts_with(b"BYE sip:10.0.0.1 SIP/2.0\r\n"));
    }

    #[test]
    fn behind_nat_the_address_seen_wins() {
        let nat = answering(&invite("<sip:a@192.168.1.5:5062>", ""), "203.0.113.9:40123");
        assert_eq!(nat.hop(|_| false).remote, "203.0.113.9:40123".parse::<SocketAddr>().unwrap());
        let direct = answering(&invite("<sip:a@203.0.113.9:5062>", ""), "203.0.113.9:40123");
        assert_eq!(direct.hop(|_| false).remote, "203.0.113.9:5062".parse::<SocketAddr>().unwrap());
    }

    /// RFC 3261 §12.2.2: a lower number than the last is out of order.
    #[test]
    fn sequence_numbers_only_rise() {
        let mut dialog = answering(&invite("<sip:a@h>", ""), "10.0.0.1:6000");
        assert!(!dialog.take_cseq(7));
        assert!(dialog.take_cseq(9));
        assert!(!dialog.take_cseq(8));
    }

    /// RFC 3581 §4 and RFC 3261 §18.2.2.
    #[test]
    fn responses_go_to_the_sent_by_port_without_rport() {
        let without = invite("<sip:a@h>", "");
        assert_eq!(reply_to(&without, source("10.0.0.1:6000")).remote, "10.0.0.1:5070".parse::<SocketAddr>().unwrap());
        let with = String::from_utf8(without.bytes().to_vec()).unwrap().replace(";branch", ";rport;branch");
        let with = Message::parse(Bytes::from(with)).unwrap();
        assert_eq!(reply_to(&with, source("10.0.0.1:6000")).remote, "10.0.0.1:6000".parse::<SocketAddr>().unwrap());
    }
}
