//! What this phone begins: INVITE, re-INVITE, CANCEL, BYE, OPTIONS, and the responses to them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rsip::Method;

use super::super::media::random_u64;
use super::super::sdp::{self, Direction};
use super::super::sip::{self, Message};
use super::{ALLOW, Client, Dialog, Event, GIVE_UP, Purpose, State, T1, T2, Ua, key, token};

impl Ua {
    /// Sends INVITE to `uri`; `None` when no port is free or `uri` cannot be written.
    pub(in crate::robot) fn invite(&mut self, uri: &str, headers: Vec<(&'static str, String)>) -> Option<u64> {
        let media = self.open_media().ok()?;
        let id = self.next_call;
        self.next_call += 1;
        let dialog = Dialog {
            state: State::Calling,
            media: Arc::new(media),
            call_id: token(),
            local_tag: token(),
            remote_tag: None,
            local: self.own_address(),
            remote: format!("<{uri}>"),
            target: uri.into(),
            routes: Vec::new(),
            to: self.options.server,
            cseq: 0,
            ack: None,
            branch: String::new(),
            headers,
            answer_at: None,
            tried: false,
            session: random_u64() >> 2,
            version: 1,
            direction: Direction::SendRecv,
            offer: None,
            over_at: None,
            bye_after_ack: false,
        };
        self.calls.insert(id, dialog);
        if !self.send_invite(id, Purpose::Invite(id), None) {
            self.calls.remove(&id);
            return None;
        }
        Some(id)
    }

    pub(super) fn send_invite(
        &mut self,
        id: u64,
        purpose: Purpose,
        credentials: Option<(&'static str, String)>,
    ) -> bool {
        let contact = format!("<{}>", self.contact());
        let Some(dialog) = self.calls.get_mut(&id) else { return false };
        dialog.cseq += 1;
        let mut headers = dialog.request_headers("INVITE");
        headers.push(("Contact", contact));
        headers.push(("Allow", ALLOW.into()));
        headers.extend(dialog.headers.iter().cloned());
        headers.extend(credentials);
        let body = sdp::offer(dialog.media.shown, dialog.session, dialog.version, &self.options, dialog.direction);
        let (uri, to) = (dialog.target.clone(), dialog.to);
        let Some(branch) = self.start(purpose, Method::Invite, &uri, to, headers, &body) else { return false };
        if let Some(dialog) = self.calls.get_mut(&id) {
            dialog.branch = branch;
        }
        true
    }

    /// Sends a re-INVITE with this direction.
    pub(in crate::robot) fn reinvite(&mut self, id: u64, direction: Direction) {
        let Some(dialog) = self.calls.get_mut(&id).filter(|d| d.state == State::Up) else { return };
        dialog.version += 1;
        dialog.direction = direction;
        dialog.tried = false;
        self.send_invite(id, Purpose::Reinvite(id), None);
    }

    /// Ends a call, whatever its state: CANCEL, 480 or BYE.
    pub(in crate::robot) fn hang_up(&mut self, id: u64) {
        let Some(dialog) = self.calls.get_mut(&id) else { return };
        match dialog.state {
            // RFC 3261 §9.1: no CANCEL before the first provisional response.
            State::Calling => dialog.state = State::Cancelling,
            State::Proceeding => {
                dialog.state = State::Cancelling;
                self.send_cancel(id);
            }
            State::Incoming => self.respond(id, 480),
            State::Up => self.send_bye(id),
            State::Cancelling | State::Over => {}
        }
    }

    pub(in crate::robot) fn send_cancel(&mut self, id: u64) {
        let Some(dialog) = self.calls.get(&id) else { return };
        let (branch, to) = (dialog.branch.clone(), dialog.to);
        let mut headers = dialog.request_headers("CANCEL");
        headers.insert(0, self.via(&branch));
        headers.insert(1, ("Max-Forwards", "70".into()));
        let Ok(bytes) = sip::request(Method::Cancel, &dialog.target, &headers, b"") else { return };
        self.send(&bytes, to);
        let now = Instant::now();
        let resend = self.udp().then_some((now + T1, T1));
        let purpose = Purpose::Cancel(id);
        let client = Client { purpose, bytes, to, resend, until: now + GIVE_UP, ack: None, done: false };
        self.clients.insert(key(&branch, Method::Cancel), client);
    }

    pub(in crate::robot) fn send_bye(&mut self, id: u64) {
        let Some(dialog) = self.calls.get_mut(&id) else { return };
        // RFC 3261 §15: the called side waits for the ACK of its 2xx.
        if self.servers.values().any(|s| s.call == Some(id) && s.code / 100 == 2 && s.resend.is_some()) {
            dialog.bye_after_ack = true;
            return;
        }
        dialog.cseq += 1;
        let headers = dialog.request_headers("BYE");
        let (uri, to) = (dialog.target.clone(), dialog.to);
        self.start(Purpose::Bye(id), Method::Bye, &uri, to, headers, b"");
        self.over(id);
    }

    pub(in crate::robot) fn over(&mut self, id: u64) {
        if let Some(dialog) = self.calls.get_mut(&id) {
            dialog.state = State::Over;
            dialog.over_at = Some(Instant::now());
            dialog.answer_at = None;
            let media = Arc::clone(&dialog.media);
            // Joining waits up to one tick; not while the phone is locked.
            std::thread::spawn(move || media.stop());
        }
    }

    /// Tells a key by INFO; `application/dtmf-relay` is nobody's standard and everybody's habit.
    pub(in crate::robot) fn tell_key(&mut self, id: u64, key: char) {
        let Some(dialog) = self.calls.get_mut(&id).filter(|d| d.state == State::Up) else { return };
        dialog.cseq += 1;
        let headers = dialog.request_headers("INFO");
        let (uri, to) = (dialog.target.clone(), dialog.to);
        let body = format!("Signal={key}\r\nDuration=160\r\n");
        self.start(Purpose::Info, Method::Info, &uri, to, headers, body.as_bytes());
    }

    /// Sends OPTIONS to the server.
    pub(in crate::robot) fn options(&mut self) {
        let uri = format!("sip:{}", self.options.server);
        let headers = vec![
            ("From", format!("{};tag={}", self.own_address(), token())),
            ("To", format!("<{uri}>")),
            ("Call-ID", token()),
            ("CSeq", "1 OPTIONS".into()),
            ("Accept", "application/sdp".into()),
        ];
        let to = self.options.server;
        self.start(Purpose::Options, Method::Options, &uri, to, headers, b"");
    }

    pub(in crate::robot) fn response(&mut self, code: u16, response: &Message) {
        let (Some(branch), Some((_, method))) = (response.branch(), response.cseq()) else { return };
        let now = Instant::now();
        let udp = self.udp();
        let Some(client) = self.clients.get_mut(&key(&branch, method)) else {
            self.repeated_answer(code, method, response);
            return;
        };
        if client.done {
            if let (Some(ack), to) = (client.ack.clone(), client.to) {
                self.send(&ack, to);
            }
            return;
        }
        if code < 200 {
            // RFC 3261 §17.1.1.2: no more INVITE after 1xx; §17.1.2.2: others slow down to T2. Ringing has no limit.
            client.resend = if method == Method::Invite { None } else { client.resend.map(|(at, _)| (at, T2)) };
            if method == Method::Invite {
                client.until = now + Duration::from_secs(600);
            }
        } else {
            client.done = true;
            client.resend = None;
            client.until = now + if udp { GIVE_UP } else { Duration::ZERO };
        }
        let purpose = client.purpose;
        if code >= 300 && method == Method::Invite {
            self.acknowledge_refusal(&branch, response);
        }
        self.outcome(purpose, code, Some(response));
    }

    /// The ACK of a refusal goes in the transaction of its INVITE (RFC 3261 §17.1.1.3).
    pub(in crate::robot) fn acknowledge_refusal(&mut self, branch: &str, response: &Message) {
        let key = key(branch, Method::Invite);
        let Some(invite) = self.clients.get(&key).and_then(|c| Message::parse(&c.bytes)) else { return };
        let text = self.clients.get(&key).map(|c| String::from_utf8_lossy(&c.bytes).into_owned()).unwrap_or_default();
        let uri = text.split(' ').nth(1).unwrap_or_default().to_owned();
        let copy = |name: &'static str| (name, invite.header(name).unwrap_or_default().to_owned());
        let number = invite.cseq().map_or(0, |(n, _)| n);
        let mut headers = vec![copy("Via"), copy("Max-Forwards"), copy("From")];
        headers.push(("To", response.header("To").unwrap_or_default().to_owned()));
        headers.push(copy("Call-ID"));
        headers.push(("CSeq", format!("{number} ACK")));
        headers.extend(invite.values("Route").map(|r| ("Route", r.to_owned())));
        let Ok(bytes) = sip::request(Method::Ack, &uri, &headers, b"") else { return };
        let Some(to) = self.clients.get_mut(&key).map(|c| {
            c.ack = Some(bytes.clone());
            c.to
        }) else {
            return;
        };
        self.send(&bytes, to);
    }

    /// A 2xx that came again: its ACK was lost (RFC 3261 §13.2.2.4).
    pub(in crate::robot) fn repeated_answer(&mut self, code: u16, method: Method, response: &Message) {
        if method != Method::Invite || code / 100 != 2 {
            return;
        }
        let (call_id, tag) = (response.header("Call-ID"), response.sender_tag());
        let dialog =
            self.calls.values().find(|d| Some(d.call_id.as_str()) == call_id && Some(&d.local_tag) == tag.as_ref());
        if let Some((ack, to)) = dialog.and_then(|d| Some((d.ack.clone()?, d.to))) {
            self.send(&ack, to);
        }
    }

    /// A response to a transaction of ours, or 408 when none came.
    pub(super) fn outcome(&mut self, purpose: Purpose, code: u16, response: Option<&Message>) {
        match purpose {
            Purpose::Register if code >= 200 => self.register_answered(code, response),
            Purpose::Invite(id) => self.invite_answered(id, code, response),
            Purpose::Reinvite(id) => self.reinvite_answered(id, code, response),
            Purpose::Bye(call) if code >= 200 => self.event(Event::ByeAnswered { call, code }),
            Purpose::Cancel(call) if code >= 200 => self.event(Event::CancelAnswered { call, code }),
            Purpose::Options if code >= 200 => self.event(Event::OptionsAnswered { code }),
            Purpose::Register | Purpose::Bye(_) | Purpose::Cancel(_) | Purpose::Options | Purpose::Info => {}
        }
    }

    pub(in crate::robot) fn invite_answered(&mut self, id: u64, code: u16, response: Option<&Message>) {
        let Some(dialog) = self.calls.get_mut(&id) else { return };
        let state = dialog.state;
        match (code, response) {
            (100..=199, Some(response)) => {
                if let Some(remote) = sdp::Remote::parse(response.body()) {
                    dialog.set_way(&remote, &self.options);
                }
                match state {
                    State::Calling => dialog.state = State::Proceeding,
                    // Wanted before the first 1xx came; sent once.
                    State::Cancelling if !self.clients.contains_key(&key(&dialog.branch.clone(), Method::Cancel)) => {
                        self.send_cancel(id);
                    }
                    State::Cancelling | State::Proceeding | State::Incoming | State::Up | State::Over => {}
                }
                if code > 100 {
                    self.event(Event::Progress { call: id, code });
                }
            }
            (200..=299, Some(response)) => {
                dialog.learn(response);
                self.acknowledge(id, response);
                if state == State::Cancelling {
                    self.send_bye(id);
                    return;
                }
                self.event(Event::Answered { call: id });
            }
            (401 | 407, Some(response)) if state != State::Cancelling && !dialog.tried => {
                dialog.tried = true;
                let uri = dialog.target.clone();
                if self.take_challenge(response, 0) {
                    let credentials = self.credentials("INVITE", &uri);
                    self.send_invite(id, Purpose::Invite(id), credentials);
                } else {
                    self.refused(id, code, Some(response));
                }
            }
            (code, response) => self.refused(id, code, response),
        }
    }

    pub(in crate::robot) fn refused(&mut self, id: u64, code: u16, response: Option<&Message>) {
        self.over(id);
        let headers = response.map(|r| r.headers.clone()).unwrap_or_default();
        self.event(Event::Failed { call: id, code, headers });
    }

    /// ACK to a 2xx, and its answer put into force.
    pub(in crate::robot) fn acknowledge(&mut self, id: u64, response: &Message) {
        let branch = format!("z9hG4bK{}", token());
        let via = self.via(&branch);
        let Some(dialog) = self.calls.get_mut(&id) else { return };
        dialog.state = State::Up;
        if let Some(remote) = sdp::Remote::parse(response.body()) {
            dialog.set_way(&remote, &self.options);
        }
        let mut headers = dialog.request_headers("ACK");
        headers.insert(0, via);
        headers.insert(1, ("Max-Forwards", "70".into()));
        let Ok(bytes) = sip::request(Method::Ack, &dialog.target, &headers, b"") else { return };
        dialog.ack = Some(bytes.clone());
        let to = dialog.to;
        self.send(&bytes, to);
    }

    pub(in crate::robot) fn reinvite_answered(&mut self, id: u64, code: u16, response: Option<&Message>) {
        let Some(dialog) = self.calls.get_mut(&id).filter(|d| d.state == State::Up) else { return };
        match (code, response) {
            (100..=199, _) => {}
            (200..=299, Some(response)) => {
                self.acknowledge(id, response);
                self.event(Event::OfferAnswered { call: id, code });
            }
            (401 | 407, Some(response)) if !dialog.tried => {
                dialog.tried = true;
                let uri = dialog.target.clone();
                if self.take_challenge(response, 0) {
                    let credentials = self.credentials("INVITE", &uri);
                    self.send_invite(id, Purpose::Reinvite(id), credentials);
                }
            }
            (code, _) => self.event(Event::OfferAnswered { call: id, code }),
        }
    }
}
