//! REGISTER, its refreshing, and the answers to challenges (RFC 3261 §10, §22).

use std::time::{Duration, Instant};

use rsip::Method;

use super::super::sip::{self, Challenge, Message};
use super::{Event, Purpose, Ua, token};

impl Ua {
    /// Sends REGISTER: `Some(seconds)` binds (0 removes) our contact, `None` only asks for the bindings.
    pub(in crate::robot) fn register(&mut self, expires: Option<u32>) {
        self.register_tries = 0;
        self.register_contact = expires;
        self.refresh_at = None;
        self.send_register();
    }

    pub(in crate::robot) fn send_register(&mut self) {
        self.register_cseq += 1;
        let uri = format!("sip:{}", self.options.domain);
        let mut headers = vec![
            ("From", format!("{};tag={}", self.own_address(), self.register_tag)),
            ("To", self.own_address()),
            ("Call-ID", self.register_id.clone()),
            ("CSeq", format!("{} REGISTER", self.register_cseq)),
        ];
        if let Some(seconds) = self.register_contact {
            headers.push(("Contact", format!("<{}>", self.contact())));
            headers.push(("Expires", seconds.to_string()));
        }
        headers.extend(self.credentials("REGISTER", &uri));
        let to = self.options.server;
        self.start(Purpose::Register, Method::Register, &uri, to, headers, b"");
    }

    pub(in crate::robot) fn credentials(&mut self, method: &str, uri: &str) -> Option<(&'static str, String)> {
        let password = self.options.password.clone()?;
        let user = self.options.auth_user.clone().unwrap_or_else(|| self.options.user.clone());
        let challenge = self.challenge.as_mut()?;
        Some((challenge.answer_header, challenge.answer(&user, &password, method, uri, &token())))
    }

    pub(in crate::robot) fn register_answered(&mut self, code: u16, response: Option<&Message>) {
        let now = Instant::now();
        match (code, response) {
            (200..=299, Some(response)) => {
                let contacts = response.contacts();
                if self.register_contact.is_some_and(|s| s > 0) {
                    let own = self.contact();
                    let line = response.values("Contact").flat_map(sip::split_list).find(|c| c.contains(&own));
                    let granted = line
                        .and_then(|c| sip::parameter(c, "expires"))
                        .or(response.header("Expires"))
                        .and_then(|e| e.parse::<u64>().ok())
                        .unwrap_or(60);
                    self.refresh_at = Some(now + Duration::from_secs(granted.max(2) / 2));
                }
                self.event(Event::Registered { contacts });
            }
            (401 | 407, Some(response)) if self.take_challenge(response, self.register_tries) => {
                self.register_tries += 1;
                self.send_register();
            }
            (423, Some(response)) if self.register_tries < 3 => {
                self.register_tries += 1;
                let least = response.header("Min-Expires").and_then(|v| v.parse().ok());
                self.register_contact = least.or(self.register_contact);
                self.send_register();
            }
            _ => {
                self.challenge = None;
                if self.register_contact.is_some_and(|s| s > 0) {
                    self.refresh_at = Some(now + Duration::from_secs(30));
                }
                self.event(Event::RegistrationFailed { code });
            }
        }
    }

    /// Keeps the challenge of a 401 or 407; false when answering it would be pointless.
    pub(in crate::robot) fn take_challenge(&mut self, response: &Message, tries: u32) -> bool {
        let Some(challenge) = Challenge::find(response) else { return false };
        let worth = self.options.password.is_some() && (tries == 0 || (challenge.stale && tries < 3));
        self.challenge = Some(challenge);
        worth
    }
}
