//! Who somebody is.
//!
//! An INVITE with credentials is judged by them; else the fixed address of a user, then the certificate and then the
//! address of a trunk decide; else a From in our own domain is challenged, whether the user exists or not; else it is a
//! stranger. The challenge keeps no state (RFC 3261 §26.3.2.4 and §22.1).

use std::time::Instant;

use super::super::config::{Transport, TrunkProof};
use super::super::digest::{Algorithm, Authorization, Verdict, challenge};
use super::super::guard::Answered;
use super::super::header::HeaderName;
use super::super::message::Message;
use super::super::writer::response_to;
use super::{Endpoint, Flow, Identity};

/// What the credentials of a request prove.
pub(super) enum Proof {
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
    pub(super) fn proof(&mut self, now: Instant, from: Flow, request: &Message) -> Proof {
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

    /// 401, without state: a challenge for each algorithm, as far as there is room for them.
    pub(super) fn challenge(&mut self, now: Instant, from: Flow, request: &Message, stale: bool) {
        let nonce = self.nonces.issue(now, from.remote.ip());
        let realm = self.config.domain.clone();
        // libre before 2.1 (baresip in Debian 12) gives up when any challenge is not MD5.
        let agent = request.header(HeaderName::UserAgent).unwrap_or_default();
        let old = [b"baresip v0", b"baresip v1", b"baresip v2"].iter().any(|old| agent.starts_with(*old));
        // JsSIP and its kin in web pages keep the last challenge and know MD5 only.
        let md5_only = old || matches!(from.transport, Transport::Ws | Transport::Wss);
        // An answer of more than twice its question would let others flood third parties through us.
        let mut length = response_to(request, 401, None, Some("0123456789abcdef"), from.remote).finish().len();
        let mut challenges = Vec::new();
        for algorithm in Algorithm::ALL {
            let line = challenge(&realm, &nonce, stale, algorithm);
            length += HeaderName::WwwAuthenticate.as_str().len() + line.len() + 4;
            if (md5_only && algorithm != Algorithm::Md5) || self.amplifies(from, request, length) {
                break;
            }
            challenges.push(line);
        }
        if challenges.is_empty() {
            return self.reply(from, request, 400, Some("Too short to be challenged"), |_| {});
        }
        self.reply(from, request, 401, None, |w| {
            for line in challenges {
                w.header(HeaderName::WwwAuthenticate, line);
            }
        });
    }
}
