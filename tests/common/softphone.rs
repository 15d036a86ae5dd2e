//! A user at one end of a [`Wire`]: registers with digest, calls, is called, holds, hangs up. Every step is told by
//! the test and checked where it is done.
#![allow(dead_code, clippy::disallowed_methods, clippy::disallowed_types)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use md5::{Digest, Md5};
use rustls::ClientConfig;

use super::wire::{Way, Wire, code, header, headers, sdp, uri_of};

const SOON: Duration = Duration::from_secs(15);

/// A user with one wire.
pub struct Softphone {
    pub wire: Wire,
    pub user: String,
    password: String,
    domain: String,
    /// Everything that came and went, for a failing test.
    pub trace: Vec<String>,
}

/// One dialog, from this end.
#[derive(Clone, Debug)]
pub struct Leg {
    pub call_id: String,
    local: String,
    remote: String,
    target: String,
    cseq: u32,
    branch: String,
    /// The INVITE as it was sent or received.
    pub invite: String,
}

fn token() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Softphone {
    pub fn new(wire: Wire, user: &str, password: &str) -> Self {
        let (user, password) = (user.to_owned(), password.to_owned());
        Self { wire, user, password, domain: "127.0.0.1".into(), trace: Vec::new() }
    }

    /// Connects and registers.
    #[track_caller]
    pub fn registered(
        way: Way,
        server: std::net::SocketAddr,
        tls: &Arc<ClientConfig>,
        user: &str,
        password: &str,
    ) -> Self {
        let wire = Wire::open(way, server, tls).unwrap_or_else(|e| panic!("{} to {server}: {e}", way.label()));
        let mut phone = Self::new(wire, user, password);
        assert_eq!(phone.register(300), 200, "{user} registers over {}: {:#?}", way.label(), phone.trace);
        phone
    }

    #[track_caller]
    pub fn send(&mut self, text: &str) {
        self.trace.push(format!(">> {text}"));
        if let Err(error) = self.wire.send(text.as_bytes()) {
            panic!("{} cannot send: {error}\n{:#?}", self.user, self.trace);
        }
    }

    fn contact(&self) -> String {
        let (host, parameters) = self.wire.place();
        format!("<sip:{}@{host}{parameters}>", self.user)
    }

    fn via(&self, branch: &str) -> String {
        let (host, _) = self.wire.place();
        format!("Via: SIP/2.0/{} {host};branch=z9hG4bK{branch};rport\r\n", self.wire.way.via())
    }

    /// A request; `headers` are whole lines.
    #[allow(clippy::too_many_arguments, reason = "they are the parts of a request")]
    fn request(
        &self,
        method: &str,
        target: &str,
        branch: &str,
        from: &str,
        to: &str,
        call_id: &str,
        cseq: u32,
        headers: &str,
        body: &str,
    ) -> String {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {target} SIP/2.0\r\n{}Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: {}\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
            self.via(branch),
            self.contact(),
            body.len()
        )
    }

    /// The next message that is wanted; others are passed over. OPTIONS from the server are answered.
    pub fn next(&mut self, within: Duration, wanted: impl Fn(&str) -> bool) -> io::Result<Option<String>> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(message) = self.wire.receive(left)? else { return Ok(None) };
            self.trace.push(format!("<< {message}"));
            if wanted(&message) {
                return Ok(Some(message));
            }
            if message.starts_with("OPTIONS ") {
                let answer = self.response(&message, 200, "");
                self.send(&answer);
            }
        }
    }

    #[track_caller]
    fn expect(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        match self.next(SOON, wanted) {
            Ok(Some(message)) => message,
            Ok(None) => panic!("{} over {}: no {what}\n{:#?}", self.user, self.wire.way.label(), self.trace),
            Err(e) => panic!("{} over {}: {e} before {what}\n{:#?}", self.user, self.wire.way.label(), self.trace),
        }
    }

    /// The final response to the request with this CSeq and Call-ID.
    #[track_caller]
    pub fn final_of(&mut self, call_id: &str, cseq: &str) -> String {
        self.expect(&format!("final response to {cseq}"), |m| {
            code(m) >= 200 && header(m, "Call-ID") == Some(call_id) && header(m, "CSeq") == Some(cseq)
        })
    }

    /// The next request of this method in this call; `None`: in any.
    #[track_caller]
    pub fn request_of(&mut self, method: &str, call_id: Option<&str>) -> String {
        self.expect(method, |m| {
            m.starts_with(&format!("{method} ")) && call_id.is_none_or(|id| header(m, "Call-ID") == Some(id))
        })
    }

    /// REGISTER with the answer to its challenge: the last status.
    #[track_caller]
    pub fn register(&mut self, expires: u32) -> u16 {
        let (call_id, tag) = (token(), token());
        let me = format!("<sip:{}@{}>", self.user, self.domain);
        let target = format!("sip:{}", self.domain);
        let mut extra = format!("Expires: {expires}\r\n");
        for cseq in 1..=2 {
            let from = format!("{me};tag={tag}");
            let text = self.request("REGISTER", &target, &token(), &from, &me, &call_id, cseq, &extra, "");
            self.send(&text);
            let answer = self.final_of(&call_id, &format!("{cseq} REGISTER"));
            if code(&answer) != 401 {
                return code(&answer);
            }
            extra += &self.authorization(&answer, "REGISTER", &target);
        }
        401
    }

    /// The answer to the MD5 challenge of a 401 (RFC 2617 §3.2.2.1 with qop).
    #[track_caller]
    fn authorization(&self, refused: &str, method: &str, target: &str) -> String {
        let challenge = headers(refused, "WWW-Authenticate")
            .find(|line| line.contains("MD5") || !line.contains("algorithm"))
            .unwrap_or_else(|| panic!("no challenge: {refused}"));
        let part = |name: &str| {
            let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let (realm, nonce) = (part("realm").unwrap_or_default(), part("nonce").unwrap_or_default());
        let hash = |text: String| Md5::digest(text).iter().map(|b| format!("{b:02x}")).collect::<String>();
        let a1 = hash(format!("{}:{realm}:{}", self.user, self.password));
        let a2 = hash(format!("{method}:{target}"));
        let response = hash(format!("{a1}:{nonce}:00000001:abcdef01:auth:{a2}"));
        format!(
            "Authorization: Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{target}\", \
             algorithm=MD5, qop=auth, nc=00000001, cnonce=\"abcdef01\", response=\"{response}\"\r\n",
            self.user
        )
    }

    /// An OPTIONS request and its Call-ID.
    pub fn options(&self) -> (String, String) {
        let (call_id, target) = (token(), format!("sip:{}", self.domain));
        let (from, to) = (format!("<sip:probe@probe.example>;tag={}", token()), format!("<{target}>"));
        (self.request("OPTIONS", &target, &token(), &from, &to, &call_id, 1, "", ""), call_id)
    }

    /// Sends OPTIONS; true when it is answered with a final response.
    #[track_caller]
    pub fn is_served(&mut self) -> bool {
        let (text, call_id) = self.options();
        self.send(&text);
        let answer = self.next(Duration::from_secs(5), |m| header(m, "Call-ID") == Some(&call_id));
        matches!(answer, Ok(Some(answer)) if code(&answer) >= 200)
    }

    // ---- calling -----------------------------------------------------------------------------------------------

    /// INVITE with the answer to its challenge; what comes after is up to the test.
    #[track_caller]
    pub fn invite(&mut self, number: &str) -> Leg {
        let target = format!("sip:{number}@{}", self.domain);
        let mut leg = Leg {
            call_id: token(),
            local: format!("<sip:{}@{}>;tag={}", self.user, self.domain, token()),
            remote: format!("<{target}>"),
            target: target.clone(),
            cseq: 1,
            branch: token(),
            invite: String::new(),
        };
        self.send_invite(&mut leg, "", "sendrecv");
        let cseq = "1 INVITE";
        let id = leg.call_id.clone();
        let first = self.expect("answer to INVITE", |m| {
            code(m) > 0 && header(m, "Call-ID") == Some(&id) && header(m, "CSeq") == Some(cseq)
        });
        if code(&first) == 401 {
            self.acknowledge_refusal(&leg, &first);
            let extra = self.authorization(&first, "INVITE", &target);
            leg.cseq += 1;
            leg.branch = token();
            self.send_invite(&mut leg, &extra, "sendrecv");
        } else {
            assert_eq!(code(&first), 100, "{first}");
        }
        leg
    }

    fn send_invite(&mut self, leg: &mut Leg, extra: &str, direction: &str) {
        let (from, to, body) = (leg.local.clone(), leg.remote.clone(), sdp(direction));
        leg.invite = self.request("INVITE", &leg.target, &leg.branch, &from, &to, &leg.call_id, leg.cseq, extra, &body);
        let text = leg.invite.clone();
        self.send(&text);
    }

    /// The ACK to a refusal belongs to the transaction (RFC 3261 §17.1.1.3).
    pub fn acknowledge_refusal(&mut self, leg: &Leg, refused: &str) {
        let to = header(refused, "To").unwrap_or_default().to_owned();
        let text = self.request("ACK", &leg.target, &leg.branch, &leg.local, &to, &leg.call_id, leg.cseq, "", "");
        self.send(&text);
    }

    #[track_caller]
    pub fn ringing(&mut self, leg: &Leg) {
        let id = leg.call_id.clone();
        self.expect("180", |m| code(m) == 180 && header(m, "Call-ID") == Some(&id));
    }

    /// Waits for the 200 to INVITE or re-INVITE and acknowledges it; the answer's body.
    #[track_caller]
    pub fn answered(&mut self, leg: &mut Leg) -> String {
        let cseq = format!("{} INVITE", leg.cseq);
        let answer = self.final_of(&leg.call_id.clone(), &cseq);
        assert_eq!(code(&answer), 200, "{answer}\n{:#?}", self.trace);
        leg.remote = header(&answer, "To").unwrap_or_default().to_owned();
        leg.target = uri_of(header(&answer, "Contact").unwrap_or_default()).to_owned();
        let text = self.request("ACK", &leg.target, &token(), &leg.local, &leg.remote, &leg.call_id, leg.cseq, "", "");
        self.send(&text);
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    /// CANCEL; both final responses are checked.
    #[track_caller]
    pub fn cancel(&mut self, leg: &Leg) {
        let text =
            self.request("CANCEL", &leg.target, &leg.branch, &leg.local, &leg.remote, &leg.call_id, leg.cseq, "", "");
        self.send(&text);
        // They may come in either order.
        let (id, cancel, invite) =
            (leg.call_id.clone(), format!("{} CANCEL", leg.cseq), format!("{} INVITE", leg.cseq));
        let mut seen = Vec::new();
        while seen.len() < 2 {
            let message = self.expect("200 and 487", |m| code(m) >= 200 && header(m, "Call-ID") == Some(&id));
            let which = header(&message, "CSeq").unwrap_or_default();
            if which == cancel {
                seen.push((200, code(&message)));
            } else if which == invite {
                seen.push((487, code(&message)));
                self.acknowledge_refusal(leg, &message);
            }
        }
        assert!(seen.iter().all(|(wanted, found)| wanted == found), "{seen:?}");
    }

    /// re-INVITE in this direction; the direction of the answer.
    #[track_caller]
    pub fn direct(&mut self, leg: &mut Leg, direction: &str) -> String {
        leg.cseq += 1;
        leg.branch = token();
        self.send_invite(leg, "", direction);
        let body = self.answered(leg);
        let words = ["sendrecv", "sendonly", "recvonly", "inactive"];
        let found = body.lines().filter_map(|l| l.strip_prefix("a=")).find(|l| words.contains(l));
        found.unwrap_or("sendrecv").to_owned()
    }

    #[track_caller]
    pub fn hang_up(&mut self, leg: &mut Leg) {
        leg.cseq += 1;
        let text = self.request("BYE", &leg.target, &token(), &leg.local, &leg.remote, &leg.call_id, leg.cseq, "", "");
        self.send(&text);
        let answer = self.final_of(&leg.call_id.clone(), &format!("{} BYE", leg.cseq));
        assert_eq!(code(&answer), 200, "{answer}");
    }

    // ---- being called ------------------------------------------------------------------------------------------

    /// The next INVITE, from our end.
    #[track_caller]
    pub fn called(&mut self) -> Leg {
        let invite = self.request_of("INVITE", None);
        let value = |name: &str| header(&invite, name).unwrap_or_default().to_owned();
        Leg {
            call_id: value("Call-ID"),
            local: format!("{};tag={}", value("To"), token()),
            remote: value("From"),
            target: uri_of(&value("Contact")).to_owned(),
            cseq: 0,
            branch: token(),
            invite,
        }
    }

    /// Answers a request outside or inside of a dialog; its To gets no tag here unless it has one.
    pub fn response(&self, request: &str, code: u16, body: &str) -> String {
        self.response_to(request, code, header(request, "To").unwrap_or_default(), body)
    }

    fn response_to(&self, request: &str, code: u16, to: &str, body: &str) -> String {
        let vias: String = headers(request, "Via").map(|via| format!("Via: {via}\r\n")).collect();
        let value = |name: &str| header(request, name).unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "SIP/2.0 {code} X\r\n{vias}From: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: {}\r\n{kind}\
             Content-Length: {}\r\n\r\n{body}",
            value("From"),
            value("Call-ID"),
            value("CSeq"),
            self.contact(),
            body.len()
        )
    }

    /// A response to the INVITE of this leg.
    pub fn respond(&mut self, leg: &Leg, code: u16) {
        let body = if code == 200 { sdp("sendrecv") } else { String::new() };
        let text = self.response_to(&leg.invite, code, &leg.local, &body);
        self.send(&text);
    }

    /// 200 and its ACK.
    #[track_caller]
    pub fn answer(&mut self, leg: &Leg) {
        self.respond(leg, 200);
        self.request_of("ACK", Some(&leg.call_id));
    }

    /// The caller gave up: 200 to CANCEL, 487 to INVITE, its ACK.
    #[track_caller]
    pub fn cancelled(&mut self, leg: &Leg) {
        let cancel = self.request_of("CANCEL", Some(&leg.call_id));
        let text = self.response_to(&cancel, 200, &leg.local, "");
        self.send(&text);
        self.respond(leg, 487);
        self.request_of("ACK", Some(&leg.call_id));
    }

    /// The other end hangs up.
    #[track_caller]
    pub fn hung_up(&mut self, leg: &Leg) {
        let bye = self.request_of("BYE", Some(&leg.call_id));
        let text = self.response(&bye, 200, "");
        self.send(&text);
    }

    /// The other end re-INVITEs: 200 with this direction, and its ACK; the direction offered.
    #[track_caller]
    pub fn redirected(&mut self, leg: &Leg, direction: &str) {
        let invite = self.request_of("INVITE", Some(&leg.call_id));
        let text = self.response(&invite, 200, &sdp(direction));
        self.send(&text);
        self.request_of("ACK", Some(&leg.call_id));
    }
}
