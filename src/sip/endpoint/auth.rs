//! Who somebody is, and REGISTER.
//!
//! An INVITE with credentials is judged by them; else the fixed address of a user, then the certificate and then the
//! address of a trunk decide; else a From in our own domain is challenged, whether the user exists or not; else it is a
//! stranger. The challenge keeps no state (RFC 3261 §26.3.2.4 and §22.1).

use std::time::{Duration, Instant};

use super::super::config::TrunkProof;
use super::super::digest::{Algorithm, Authorization, Verdict, challenge};
use super::super::guard::Answered;
use super::super::header::{HeaderName, text};
use super::super::message::Message;
use super::super::registrar::{EXPIRES_MIN_S, Refusal, Registration, Wanted, WantedContact};
use super::super::uri::Scheme;
use super::super::writer::{Writer, response_to};
use super::{Endpoint, Flow, Identity, Standing, TRANSACTIONS_MAX};

/// What the credentials of a request prove.
enum Proof {
    /// There are none for our realm.
    None,
    User(String),
    /// The login of a trunk whose calls come in by it.
    Trunk(String),
    /// Right, but the nonce is used up.
    Stale,
    Wrong,
    /// There were too many wrong ones: not looked at for so many seconds.
    TooMany(u32),
}

impl Endpoint {
    /// Who sent this INVITE; `None` when it was challenged instead.
    pub(super) fn identify(&mut self, now: Instant, from: Flow, request: &Message) -> Option<Identity> {
        match self.proof(now, from, request) {
            Proof::User(user) => return Some(Identity::User(user)),
            Proof::Trunk(trunk) => return Some(Identity::Trunk(trunk)),
            Proof::Stale => {
                self.challenge(now, from, request, true);
                return None;
            }
            Proof::Wrong => {
                self.stats.rejected.auth += 1;
                self.challenge(now, from, request, false);
                return None;
            }
            Proof::TooMany(seconds) => {
                self.stats.rejected.auth += 1;
                self.refuse_tries(from, request, seconds);
                return None;
            }
            Proof::None => {}
        }
        let caller = request.from().and_then(|from| from.uri());
        let user = caller.and_then(|uri| uri.user_text()).unwrap_or_default();
        let remote = std::net::SocketAddr::new(from.remote.ip().to_canonical(), from.remote.port());
        if self.config.fixed.get(&remote).is_some_and(|users| users.contains(&user)) {
            return Some(Identity::User(user));
        }
        let peer = self.links.peer(from).and_then(|name| self.config.trunk_peers.get(name));
        if let Some(trunk) = peer {
            return Some(Identity::Trunk(trunk.clone()));
        }
        match self.trunk_at(remote.ip()) {
            Some((trunk, TrunkProof::Address)) => return Some(Identity::Trunk(trunk)),
            Some((_, TrunkProof::Digest)) => {
                self.challenge(now, from, request, false);
                return None;
            }
            // Without its certificate it is like anybody else.
            Some((_, TrunkProof::Tls)) | None => {}
        }
        if caller.is_some_and(|uri| self.is_own_host(&uri.host_text())) {
            self.challenge(now, from, request, false);
            return None;
        }
        Some(Identity::Stranger)
    }

    /// True for our domain and for what our listeners call themselves.
    fn is_own_host(&self, host: &str) -> bool {
        let listener = |l: &super::super::config::Listener| {
            l.advertised.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(host))
                || l.address.ip().to_string() == host.trim_matches(['[', ']'])
        };
        host.eq_ignore_ascii_case(&self.config.domain) || self.config.listeners.iter().any(listener)
    }

    /// Judges the credentials for our realm. A phone may answer each of our challenges: one right one is enough.
    fn proof(&mut self, now: Instant, from: Flow, request: &Message) -> Proof {
        let mut proof = Proof::None;
        for line in request.headers(HeaderName::Authorization) {
            let Some(answer) = Authorization::parse(line) else {
                proof = Proof::Wrong;
                continue;
            };
            if answer.realm.as_ref() != self.config.domain.as_bytes() {
                continue;
            }
            let user = answer.user();
            let known = self.config.users.get(user.as_ref()).map(|user| (None, user.password.clone()));
            let login = || self.trunk_login(&user).map(|(name, password)| (Some(name.clone()), password.to_owned()));
            let known = known.or_else(login);
            let nonce = self.nonces.fresh(now, &answer.nonce, from.remote.ip());
            if let Err(seconds) = self.guard.may_try(now, from.remote.ip(), &answer.username, nonce.is_some()) {
                self.answered(now, from, &answer, Answered::NotLookedAt { fresh: nonce.is_some() });
                proof = Proof::TooMany(seconds);
                continue;
            }
            // Unknown users take the same time as wrong passwords.
            let password = known.as_ref().map_or("-", |(_, password)| password.as_str());
            let verdict = match nonce {
                Some(_) => self.nonces.check(nonce, &answer, request.method(), password),
                None => Verdict::Stale,
            };
            match (verdict, known) {
                (Verdict::Accepted, Some((trunk, _))) => {
                    self.answered(now, from, &answer, Answered::Right);
                    return match trunk {
                        None => Proof::User(user.into_owned()),
                        Some(trunk) => Proof::Trunk(trunk),
                    };
                }
                (Verdict::Stale, _) if nonce.is_none() => {
                    self.answered(now, from, &answer, Answered::Old);
                    proof = Proof::Stale;
                }
                (Verdict::Stale, Some(_)) => proof = Proof::Stale,
                (Verdict::Accepted | Verdict::Stale, None) | (Verdict::Wrong, _) => {
                    self.answered(now, from, &answer, Answered::Wrong);
                    if !matches!(proof, Proof::Stale) {
                        proof = Proof::Wrong;
                    }
                }
            }
        }
        proof
    }

    /// 401, without state. MD5 stands first: many phones take the first challenge without looking further.
    fn challenge(&mut self, now: Instant, from: Flow, request: &Message, stale: bool) {
        let nonce = self.nonces.issue(now, from.remote.ip());
        let realm = self.config.domain.clone();
        // libre before 2.1 (baresip in Debian 12) gives up when any challenge is not MD5.
        let agent = request.header(HeaderName::UserAgent).unwrap_or_default();
        let md5_only = [b"baresip v0", b"baresip v1", b"baresip v2"].iter().any(|old| agent.starts_with(*old));
        let md5 = challenge(&realm, &nonce, stale, Algorithm::Md5);
        let sha256 = challenge(&realm, &nonce, stale, Algorithm::Sha256);
        // An answer of more than twice its question would let others flood third parties through us.
        let bare = response_to(request, 401, None, Some("0123456789abcdef"), from.remote).finish().len();
        let line = |challenge: &str| HeaderName::WwwAuthenticate.as_str().len() + challenge.len() + 4;
        if self.amplifies(from, request, bare + line(&md5)) {
            return self.reply(from, request, 400, Some("Too short to be challenged"), |_| {});
        }
        let roomy = !self.amplifies(from, request, bare + line(&md5) + line(&sha256));
        self.reply(from, request, 401, None, |w| {
            w.header(HeaderName::WwwAuthenticate, md5);
            if roomy && !md5_only {
                w.header(HeaderName::WwwAuthenticate, sha256);
            }
        });
    }

    /// REGISTER (RFC 3261 §10.3): always challenged, only for oneself.
    pub(super) fn handle_register(&mut self, now: Instant, from: Flow, key: &[u8], request: &Message) {
        if self.transactions.len() >= TRANSACTIONS_MAX {
            return self.refuse_overload(from, request);
        }
        if !self.accepts_extensions(from, request) {
            return;
        }
        // RFC 3261 §10.2: an address of record is a SIP URI.
        let record = request.to().and_then(|to| to.uri());
        if !record.is_some_and(|uri| matches!(uri.scheme, Scheme::Sip | Scheme::Sips)) {
            return self.refuse_malformed(from, request, 400, "Address Of Record Is No SIP URI");
        }
        let user = match self.proof(now, from, request) {
            Proof::User(user) => user,
            // A trunk does not register here: it is where the configuration says.
            Proof::Trunk(_) => return self.answer_register(now, from, key, request, 403, |_| {}),
            Proof::None => {
                self.stats.registrations.challenged += 1;
                return self.challenge(now, from, request, false);
            }
            Proof::Stale => {
                self.stats.registrations.challenged += 1;
                return self.challenge(now, from, request, true);
            }
            Proof::Wrong => {
                self.stats.rejected.auth += 1;
                self.stats.registrations.denied += 1;
                return self.challenge(now, from, request, false);
            }
            Proof::TooMany(seconds) => {
                self.stats.rejected.auth += 1;
                self.stats.registrations.denied += 1;
                return self.refuse_tries(from, request, seconds);
            }
        };
        let whom = request.to().and_then(|to| to.uri()?.user_text());
        if whom.as_deref() != Some(user.as_str()) {
            self.stats.rejected.auth += 1;
            return self.answer_register(now, from, key, request, 403, |_| {});
        }
        let Some(contacts) = wanted(request) else {
            return self.answer_register(now, from, key, request, 400, |_| {});
        };
        let registration = Registration {
            user: &user,
            call_id: request.call_id().unwrap_or_default(),
            cseq: request.cseq().map_or(0, |cseq| cseq.number),
            flow: from,
            contacts,
        };
        match self.registrar.register(now, registration) {
            Ok(change) => {
                self.raise(from.connection, Standing::Known);
                let list = self
                    .registrar
                    .remaining(now, &user)
                    .map(|(uri, seconds)| format!("<{uri}>;expires={seconds}"))
                    .collect::<Vec<_>>();
                if let Some(longest) = self.registrar.remaining(now, &user).map(|(_, seconds)| seconds).max() {
                    self.guard.registered(now, from.remote.ip(), Duration::from_secs(longest));
                }
                self.answer_register(now, from, key, request, 200, |w| {
                    for contact in &list {
                        w.header(HeaderName::Contact, contact);
                    }
                });
                self.tell_changes(change);
            }
            Err(Refusal::TooBrief) => self.answer_register(now, from, key, request, 423, |w| {
                w.header(HeaderName::MinExpires, EXPIRES_MIN_S.to_string());
            }),
            Err(Refusal::OutOfOrder) => self.answer_register(now, from, key, request, 500, |_| {}),
        }
    }

    fn answer_register(
        &mut self,
        now: Instant,
        from: Flow,
        key: &[u8],
        request: &Message,
        code: u16,
        more: impl FnOnce(&mut Writer),
    ) {
        match code {
            200 => self.stats.registrations.ok += 1,
            _ => self.stats.registrations.denied += 1,
        }
        let tag = self.stateless_tag(request);
        let mut writer = response_to(request, code, None, Some(&tag), from.remote);
        more(&mut writer);
        self.respond(now, from, key, request, code, writer);
    }
}

/// The Contact headers of a REGISTER. `None`: `*` with anything but `Expires: 0`, or an address we could never
/// call.
fn wanted(request: &Message) -> Option<Wanted> {
    if request.contact_is_star() {
        return (request.expires() == Some(0)).then_some(Wanted::ForgetAll);
    }
    let each = request.contacts().map(|contact| {
        let contact = contact?;
        let uri = contact.uri().filter(|uri| matches!(uri.scheme, Scheme::Sip))?;
        // A Request-URI carries no headers (RFC 3261 §19.1.1).
        uri.headers.is_none().then_some(())?;
        let expires = contact.params.get("expires").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        Some(WantedContact {
            uri: text(contact.uri).into_owned(),
            expires_s: expires.or(request.expires()),
            q: contact.params.get("q").map_or(1000, q_value),
        })
    });
    each.collect::<Option<Vec<_>>>().map(Wanted::Each)
}

/// `0.7` as 700; what is no q value counts as 1.
fn q_value(value: &[u8]) -> u16 {
    let q = std::str::from_utf8(value).ok().and_then(|v| v.parse::<f32>().ok()).filter(|q| (0.0..=1.0).contains(q));
    // In range by the filter.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    q.map_or(1000, |q| (q * 1000.0) as u16)
}
