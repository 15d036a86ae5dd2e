//! What others begin: INVITE and re-INVITE, ACK, CANCEL, BYE, OPTIONS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rsip::Method;

use super::super::audio::Codec;
use super::super::media::random_u64;
use super::super::sdp::{self, Direction};
use super::super::sip::{self, Message};
use super::{ALLOW, Answering, Dialog, Event, GIVE_UP, Server, State, T1, T4, Ua, key, token};

impl Ua {
    pub(in crate::robot) fn request(&mut self, method: Method, request: Message, source: SocketAddr) {
        let Some(branch) = request.branch() else { return };
        if method == Method::Ack {
            self.acked(&branch, &request);
            return;
        }
        let name = key(&branch, method);
        if let Some(server) = self.servers.get(&name) {
            let (bytes, to) = (server.response.clone(), server.source);
            if !bytes.is_empty() {
                self.send(&bytes, to);
            }
            return;
        }
        let call = self.find(&request);
        let server = Server {
            request,
            source,
            response: Vec::new(),
            code: 0,
            resend: None,
            until: Instant::now() + Duration::from_secs(600),
            call,
        };
        self.servers.insert(name.clone(), server);
        let to_tag = self.servers.get(&name).and_then(|s| s.request.to_tag());
        match (method, call) {
            (Method::Invite, None) if to_tag.is_none() => self.invited(&name),
            (Method::Invite, Some(id)) => self.reinvited(&name, id),
            (Method::Bye, Some(id)) => {
                self.reply(&name, 200, &[], b"");
                self.ended(id, &name);
            }
            (Method::Cancel, _) => self.cancelled(&name, &branch),
            (Method::Options, _) => {
                self.reply(&name, 200, &[("Allow", ALLOW.into()), ("Accept", "application/sdp".into())], b"");
            }
            (Method::Invite | Method::Bye, _) => self.reply(&name, 481, &[], b""),
            _ => self.reply(&name, 405, &[("Allow", ALLOW.into())], b""),
        }
    }

    /// The dialog of a request: Call-ID, our tag in To, its tag in From.
    pub(in crate::robot) fn find(&self, request: &Message) -> Option<u64> {
        let (call_id, to, from) = (request.header("Call-ID")?, request.to_tag()?, request.sender_tag());
        self.calls
            .iter()
            .find(|(_, d)| d.state != State::Over && d.call_id == call_id && d.local_tag == to && d.remote_tag == from)
            .map(|(id, _)| *id)
    }

    /// Answers a server transaction and starts its timers.
    pub(in crate::robot) fn reply(&mut self, name: &str, code: u16, headers: &[(&str, String)], body: &[u8]) {
        let now = Instant::now();
        let udp = self.udp();
        let Some(server) = self.servers.get_mut(name) else { return };
        let tag = server.call.and_then(|id| self.calls.get(&id)).map_or_else(token, |d| d.local_tag.clone());
        let bytes = sip::response(&server.request, code, phrase(code), &tag, headers, body);
        server.code = code;
        server.response = bytes.clone();
        if code >= 200 {
            let invite = server.request.method() == Some(Method::Invite);
            // A 2xx is resent until its ACK on every transport (RFC 3261 §13.3.1.4).
            server.resend = (invite && (udp || code < 300)).then_some((now + T1, T1));
            server.until = now + GIVE_UP;
        }
        let to = server.source;
        self.send(&bytes, to);
    }

    pub(in crate::robot) fn invited(&mut self, name: &str) {
        let Some((request, source)) = self.servers.get(name).map(|s| (s.request.clone(), s.source)) else { return };
        let answering = self.options.answering;
        let busy = self.calls.values().filter(|d| d.state != State::Over).count() >= self.options.lines;
        let offer = sdp::Remote::parse(request.body());
        let no_codec = offer.as_ref().is_some_and(|o| !o.codecs.iter().any(|c| self.options.codecs.contains(c)));
        let media = self.open_media();
        let (code, media) = match (busy, no_codec, media) {
            (true, ..) => return self.reply(name, 486, &[], b""),
            (_, true, _) => return self.reply(name, 488, &[], b""),
            (.., Err(_)) => return self.reply(name, 500, &[], b""),
            (_, _, Ok(media)) => (answering, media),
        };
        let id = self.next_call;
        self.next_call += 1;
        let from = request.header("From").unwrap_or_default().to_owned();
        let event = Event::Incoming {
            call: id,
            from: sip::user_and_host(sip::address(&from)).0.to_owned(),
            display: sip::display(&from),
            headers: request.headers.clone(),
        };
        let mut dialog = Dialog {
            state: State::Incoming,
            media: Arc::new(media),
            call_id: request.header("Call-ID").unwrap_or_default().to_owned(),
            local_tag: token(),
            remote_tag: request.sender_tag(),
            local: format!("<{}>", sip::address(request.header("To").unwrap_or_default())),
            remote: format!("<{}>", sip::address(&from)),
            target: String::new(),
            routes: request.values("Record-Route").flat_map(sip::split_list).map(str::to_owned).collect(),
            to: source,
            cseq: 0,
            ack: None,
            branch: name.to_owned(),
            headers: Vec::new(),
            answer_at: None,
            tried: false,
            session: random_u64() >> 2,
            version: 0,
            direction: Direction::SendRecv,
            offer,
            over_at: None,
            bye_after_ack: false,
        };
        dialog.target = sip::address(request.header("Contact").unwrap_or_default()).to_owned();
        if let Answering::After(delay) = code {
            dialog.answer_at = Some(Instant::now() + delay);
        }
        self.calls.insert(id, dialog);
        if let Some(server) = self.servers.get_mut(name) {
            server.call = Some(id);
        }
        self.event(event);
        match code {
            Answering::Reject(code) => self.respond(id, code),
            Answering::Silent => {}
            Answering::After(Duration::ZERO) => self.answer(id),
            Answering::After(_) | Answering::RingForever | Answering::Manual => self.respond(id, 180),
        }
    }

    /// Answers the INVITE of a ringing call with a provisional or a refusal.
    pub(in crate::robot) fn respond(&mut self, id: u64, code: u16) {
        let Some(dialog) = self.calls.get(&id).filter(|d| d.state == State::Incoming) else { return };
        let name = dialog.branch.clone();
        let contact = [("Contact", format!("<{}>", self.contact()))];
        self.reply(&name, code, if code < 200 { &contact } else { &[] }, b"");
        if code >= 300 {
            self.over(id);
        }
    }

    /// Answers the INVITE of a ringing call with 200.
    pub(in crate::robot) fn answer(&mut self, id: u64) {
        let Some(dialog) = self.calls.get_mut(&id).filter(|d| d.state == State::Incoming) else { return };
        dialog.state = State::Up;
        dialog.answer_at = None;
        let name = dialog.branch.clone();
        self.accept(id, &name);
        self.event(Event::Answered { call: id });
    }

    /// 200 with our SDP: an answer to the offer, or an offer when there was none.
    pub(in crate::robot) fn accept(&mut self, id: u64, name: &str) {
        let contact = format!("<{}>", self.contact());
        let Some(dialog) = self.calls.get_mut(&id) else { return };
        dialog.version += 1;
        let local = dialog.media.shown;
        let body = match dialog.offer.clone() {
            Some(offer) => {
                let way = dialog.set_way(&offer, &self.options);
                let codecs: Vec<Codec> = way.map(|w| w.codec).into_iter().collect();
                let direction = offer.direction.mirrored();
                sdp::write(
                    local,
                    dialog.session,
                    dialog.version,
                    &codecs,
                    offer.events.filter(|_| self.options.events),
                    direction,
                )
            }
            None => sdp::offer(local, dialog.session, dialog.version, &self.options, Direction::SendRecv),
        };
        let headers = [("Contact", contact), ("Allow", ALLOW.into()), ("Content-Type", "application/sdp".into())];
        self.reply(name, 200, &headers, &body);
    }

    pub(in crate::robot) fn reinvited(&mut self, name: &str, id: u64) {
        let Some(offer) = self.servers.get(name).map(|s| sdp::Remote::parse(s.request.body())) else { return };
        let Some(dialog) = self.calls.get_mut(&id) else { return };
        if dialog.state != State::Up {
            return self.reply(name, 491, &[], b"");
        }
        let target = self.servers.get(name).and_then(|s| s.request.header("Contact")).map(sip::address);
        if let Some(target) = target {
            dialog.target = target.to_owned();
        }
        let usable = offer.as_ref().is_none_or(|o| o.codecs.iter().any(|c| self.options.codecs.contains(c)));
        if !usable {
            return self.reply(name, 488, &[], b"");
        }
        let hold = offer.as_ref().is_some_and(|o| o.direction != Direction::SendRecv || o.address.is_none());
        dialog.offer = offer;
        self.accept(id, name);
        self.event(Event::Offered { call: id, hold });
    }

    pub(in crate::robot) fn acked(&mut self, branch: &str, ack: &Message) {
        // The ACK of a refusal has the branch of its INVITE, the ACK of a 2xx has the dialog.
        if let Some(server) = self.servers.get_mut(&key(branch, Method::Invite)).filter(|s| s.code >= 300) {
            server.resend = None;
            server.until = Instant::now() + T4;
            return;
        }
        let Some(id) = self.find(ack) else { return };
        let number = ack.cseq().map(|(n, _)| n);
        let waiting = self
            .servers
            .values_mut()
            .filter(|s| s.call == Some(id) && s.code / 100 == 2 && s.request.cseq().map(|(n, _)| n) == number);
        let mut first = false;
        for server in waiting {
            first |= server.resend.take().is_some();
            server.until = Instant::now() + T4;
        }
        if !first {
            return;
        }
        let Some(dialog) = self.calls.get_mut(&id) else { return };
        if let Some(answer) = sdp::Remote::parse(ack.body()) {
            dialog.set_way(&answer, &self.options);
        }
        let bye = std::mem::take(&mut dialog.bye_after_ack);
        self.event(Event::Acked { call: id });
        if bye {
            self.send_bye(id);
        }
    }

    pub(in crate::robot) fn cancelled(&mut self, name: &str, branch: &str) {
        let invite = key(branch, Method::Invite);
        let Some(server) = self.servers.get(&invite) else { return self.reply(name, 481, &[], b"") };
        let (call, pending) = (server.call, server.code < 200);
        self.reply(name, 200, &[], b"");
        if let (true, Some(id)) = (pending, call) {
            self.reply(&invite, 487, &[], b"");
            self.over(id);
            self.event(Event::Cancelled { call: id });
        }
    }

    pub(in crate::robot) fn ended(&mut self, id: u64, name: &str) {
        let headers = self.servers.get(name).map(|s| s.request.headers.clone()).unwrap_or_default();
        // RFC 3261 §15.1.2: what is still unanswered in the dialog gets 487.
        let pending: Vec<String> = self
            .servers
            .iter()
            .filter(|(n, s)| s.call == Some(id) && s.code < 200 && n.as_str() != name)
            .map(|(n, _)| n.clone())
            .collect();
        for invite in pending {
            self.reply(&invite, 487, &[], b"");
        }
        for server in self.servers.values_mut().filter(|s| s.call == Some(id) && s.code / 100 == 2) {
            server.resend = None;
        }
        self.over(id);
        self.event(Event::Ended { call: id, headers });
    }
}

fn phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        404 => "Not Found",
        405 => "Method Not Allowed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ => "Other",
    }
}
