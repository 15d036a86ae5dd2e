//! Digest authentication: the challenging side with its nonces, and the answering side.
//!
//! RFC 3261 §22 with RFC 8760: MD5, SHA-256 and SHA-512-256, `qop=auth` and the legacy form without qop. Only `auth` is
//! offered. `auth-int` and the `-sess` algorithms are refused: no phone needs them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

use super::guard::source_of;
use super::header::{Method, split_outside, text, trim, unquote};

/// How long a nonce is good for; then a right answer is `Stale` and the phone asks again by itself.
pub const NONCE_LIFE: Duration = Duration::from_secs(300);
/// Most nonces whose counts are remembered. When full, the oldest is forgotten and no longer good.
pub const NONCES_MAX: usize = 65_536;

/// A digest algorithm (RFC 8760 §2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// `MD5`, what every phone knows.
    Md5,
    /// `SHA-256`.
    Sha256,
    /// `SHA-512-256`.
    Sha512Of256,
}

impl Algorithm {
    /// All that are served, in the order of our challenges. MD5 stands first: many phones take the first challenge
    /// without looking further.
    pub const ALL: [Algorithm; 3] = [Self::Md5, Self::Sha256, Self::Sha512Of256];

    /// The token on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512Of256 => "SHA-512-256",
        }
    }

    /// Reads the token in any case; `None` for one that is not served.
    pub fn from_bytes(token: &[u8]) -> Option<Algorithm> {
        Self::ALL.into_iter().find(|a| a.as_str().as_bytes().eq_ignore_ascii_case(token))
    }

    /// The hash in lower-case hex of the parts joined by colons.
    fn hash(self, parts: &[&[u8]]) -> String {
        let joined = parts.join(&b':');
        match self {
            Self::Md5 => hex(&Md5::digest(joined)),
            Self::Sha256 => hex(&Sha256::digest(joined)),
            Self::Sha512Of256 => hex(&Sha512_256::digest(joined)),
        }
    }
}

/// An Authorization or Proxy-Authorization value (RFC 3261 §20.7), quotes undone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authorization<'a> {
    /// The user.
    pub username: Cow<'a, [u8]>,
    /// The realm of the challenge it answers.
    pub realm: Cow<'a, [u8]>,
    /// The nonce of that challenge.
    pub nonce: Cow<'a, [u8]>,
    /// The URI it is for.
    pub uri: Cow<'a, [u8]>,
    /// The answer, in hex.
    pub response: Cow<'a, [u8]>,
    /// The algorithm, MD5 when not said; `None` for one that is not served.
    pub algorithm: Option<Algorithm>,
    /// Quality of protection and what comes with it; `None` for the legacy form.
    pub qop: Option<Qop<'a>>,
}

/// What comes with `qop`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Qop<'a> {
    /// `auth` for all we serve.
    pub name: Cow<'a, [u8]>,
    /// The client's nonce.
    pub cnonce: Cow<'a, [u8]>,
    /// The use count as written: eight hex digits, hashed as they are.
    pub nc_text: Cow<'a, [u8]>,
    /// The use count.
    pub nc: u32,
}

impl<'a> Authorization<'a> {
    /// Reads the value of one header line. `None`: not Digest, a mandatory part is missing, `qop` without
    /// `cnonce`, or an `nc` that is not one to eight hex digits.
    pub fn parse(value: &'a [u8]) -> Option<Authorization<'a>> {
        let fields = Fields::parse(value)?;
        let qop = match fields.get("qop") {
            None => None,
            Some(name) => {
                let nc_text = fields.get("nc")?;
                let digits = std::str::from_utf8(&nc_text).ok().filter(|t| !t.starts_with('+'))?;
                let nc = u32::from_str_radix(digits, 16).ok()?;
                Some(Qop { name, cnonce: fields.get("cnonce")?, nc, nc_text })
            }
        };
        Some(Authorization {
            username: fields.get("username")?,
            realm: fields.get("realm")?,
            nonce: fields.get("nonce")?,
            uri: fields.get("uri")?,
            response: fields.get("response")?,
            algorithm: fields.algorithm(),
            qop,
        })
    }

    /// The user as text.
    pub fn user(&self) -> Cow<'_, str> {
        text(&self.username)
    }

    /// True when the answer is the right one for this method and password. Says nothing about the nonce:
    /// see [`Nonces::check`].
    pub fn verify(&self, method: Method<'_>, password: &str) -> bool {
        let Some(algorithm) = self.algorithm else { return false };
        if self.qop.as_ref().is_some_and(|qop| !qop.name.eq_ignore_ascii_case(b"auth")) {
            return false;
        }
        let secret = algorithm.hash(&[&self.username, &self.realm, password.as_bytes()]);
        let request = algorithm.hash(&[method.as_bytes(), &self.uri]);
        let expected = match &self.qop {
            None => algorithm.hash(&[secret.as_bytes(), &self.nonce, request.as_bytes()]),
            Some(Qop { name, cnonce, nc_text, .. }) => {
                algorithm.hash(&[secret.as_bytes(), &self.nonce, nc_text, cnonce, name, request.as_bytes()])
            }
        };
        same(expected.as_bytes(), &self.response.to_ascii_lowercase())
    }
}

/// The value of a WWW-Authenticate or Proxy-Authenticate header. `stale`: the answer was right but the nonce
/// is not good any more.
pub fn challenge(realm: &str, nonce: &str, stale: bool, algorithm: Algorithm) -> String {
    let stale = if stale { ", stale=true" } else { "" };
    let algorithm = algorithm.as_str();
    format!("Digest realm=\"{}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}", quote(realm))
}

/// What came of looking at an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Right, and this use of the nonce is new.
    Accepted,
    /// Right, but the nonce is too old, not ours, or this use was seen before: challenge again with `stale`.
    Stale,
    /// Wrong.
    Wrong,
}

/// Makes nonces and knows which uses of them are new.
///
/// A nonce carries its time and a keyed hash over that and the peer's address, so nothing is kept for one that is
/// never answered rightly, and nobody can answer in the name of another address.
/// Each right answer must have a higher count than the last with the same nonce; the legacy form has no
/// count, so its nonce is good once.
pub struct Nonces {
    /// The secret, filled up with zeros to the hash's block as RFC 2104 has it.
    key: [u8; 64],
    origin: Option<Instant>,
    serial: u32,
    /// Highest count seen, by age and serial of the nonce.
    used: BTreeMap<Stamp, u32>,
    /// The newest nonce that was forgotten to make room.
    forgotten: Option<Stamp>,
}

/// Milliseconds since the first nonce, and a serial number: the order of issue.
type Stamp = (u64, u32);

/// A nonce of ours in its time, from the peer it was made for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fresh(Stamp);

impl Nonces {
    /// `secret` must be random and is best made new at every start.
    pub fn new(secret: [u8; 32]) -> Nonces {
        let mut key = [0; 64];
        key.iter_mut().zip(secret).for_each(|(to, from)| *to = from);
        Nonces { key, origin: None, serial: 0, used: BTreeMap::new(), forgotten: None }
    }

    /// Makes a nonce for one peer: 52 hex digits, never the same twice.
    pub fn issue(&mut self, now: Instant, peer: IpAddr) -> String {
        self.serial = self.serial.wrapping_add(1);
        let stamp = (self.age_ms(now), self.serial);
        self.write(stamp, peer)
    }

    /// A nonce that was made for this peer within [`NONCE_LIFE`]. Who answers with it got the challenge, so he is
    /// where he says.
    pub fn fresh(&mut self, now: Instant, nonce: &[u8], peer: IpAddr) -> Option<Fresh> {
        let now_ms = self.age_ms(now);
        let life_ms = u64::try_from(NONCE_LIFE.as_millis()).unwrap_or(u64::MAX);
        let oldest = now_ms.saturating_sub(life_ms);
        while self.used.first_key_value().is_some_and(|(stamp, _)| stamp.0 < oldest) {
            self.used.pop_first();
        }
        self.read(nonce, peer).filter(|stamp| stamp.0 >= oldest && stamp.0 <= now_ms).map(Fresh)
    }

    /// Looks at an answer: first the digest, then its nonce (see [`Nonces::fresh`]) and the count. Only a right
    /// answer is remembered, so guessing fills no table.
    pub fn check(
        &mut self,
        nonce: Option<Fresh>,
        answer: &Authorization<'_>,
        method: Method<'_>,
        password: &str,
    ) -> Verdict {
        if !answer.verify(method, password) {
            return Verdict::Wrong;
        }
        let Some(Fresh(stamp)) = nonce else { return Verdict::Stale };
        let count = answer.qop.as_ref().map_or(u32::MAX, |qop| qop.nc);
        match self.used.entry(stamp) {
            Entry::Occupied(used) if count <= *used.get() => return Verdict::Stale,
            Entry::Vacant(_) if self.forgotten.is_some_and(|forgotten| stamp <= forgotten) => return Verdict::Stale,
            used => *used.or_default() = count,
        }
        if self.used.len() > NONCES_MAX {
            self.forgotten = self.used.pop_first().map(|(stamp, _)| stamp).max(self.forgotten);
        }
        Verdict::Accepted
    }

    fn age_ms(&mut self, now: Instant) -> u64 {
        let origin = *self.origin.get_or_insert(now);
        u64::try_from(now.saturating_duration_since(origin).as_millis()).unwrap_or(u64::MAX)
    }

    fn write(&self, (age_ms, serial): Stamp, peer: IpAddr) -> String {
        let stamp = format!("{age_ms:012x}{serial:08x}");
        let seal = self.seal(stamp.as_bytes(), peer);
        stamp + &seal
    }

    /// The stamp of a nonce that we made for this peer.
    fn read(&self, nonce: &[u8], peer: IpAddr) -> Option<Stamp> {
        let (stamp, seal) = nonce.split_at_checked(20)?;
        if !same(self.seal(stamp, peer).as_bytes(), seal) {
            return None;
        }
        let (age_ms, serial) = std::str::from_utf8(stamp).ok()?.split_at_checked(12)?;
        Some((u64::from_str_radix(age_ms, 16).ok()?, u32::from_str_radix(serial, 16).ok()?))
    }

    /// Sixteen bytes of the keyed hash over stamp and peer, in hex.
    fn seal(&self, stamp: &[u8], peer: IpAddr) -> String {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(stamp);
        match source_of(peer) {
            IpAddr::V4(address) => mac.update(&address.octets()),
            IpAddr::V6(address) => mac.update(&address.octets()),
        }
        let tag = mac.finalize().into_bytes();
        hex(tag.get(..16).unwrap_or_default())
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("used", &self.used.len()).finish_non_exhaustive()
    }
}

/// A challenge as the phone sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge<'a> {
    /// The realm.
    pub realm: Cow<'a, [u8]>,
    /// The nonce.
    pub nonce: Cow<'a, [u8]>,
    /// To be sent back as it is.
    pub opaque: Option<Cow<'a, [u8]>>,
    /// The algorithm, MD5 when not said; `None` for one that is not served.
    pub algorithm: Option<Algorithm>,
    /// True when `qop` lists `auth`; false for the legacy form.
    pub auth: bool,
    /// True when the last answer was right and only its nonce was too old.
    pub stale: bool,
}

impl<'a> Challenge<'a> {
    /// Reads the value of one WWW-Authenticate or Proxy-Authenticate line. `None`: not Digest, no realm or nonce, or
    /// only a quality of protection that is not served (`auth-int`).
    pub fn parse(value: &'a [u8]) -> Option<Challenge<'a>> {
        let fields = Fields::parse(value)?;
        let qop = fields.get("qop");
        let auth = qop.is_some_and(|q| q.split(|b| *b == b',').any(|q| trim(q).eq_ignore_ascii_case(b"auth")));
        if fields.get("qop").is_some() && !auth {
            return None;
        }
        Some(Challenge {
            realm: fields.get("realm")?,
            nonce: fields.get("nonce")?,
            opaque: fields.get("opaque"),
            algorithm: fields.algorithm(),
            auth,
            stale: fields.get("stale").is_some_and(|s| s.eq_ignore_ascii_case(b"true")),
        })
    }
}

/// Who answers a challenge, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The user.
    pub username: &'a str,
    /// His password.
    pub password: &'a str,
    /// The method of the request.
    pub method: Method<'a>,
    /// The Request-URI as sent.
    pub uri: &'a str,
    /// The client's nonce: random letters and digits.
    pub cnonce: &'a str,
    /// How often this nonce was used, this time included: 1, 2, …
    pub nc: u32,
}

/// The value of the Authorization (401) or Proxy-Authorization (407) header that answers a challenge; `None`
/// when its algorithm is not served.
pub fn answer_challenge(challenge: &Challenge<'_>, answer: &Answer<'_>) -> Option<String> {
    let algorithm = challenge.algorithm?;
    let Answer { username, password, method, uri, cnonce, nc } = answer;
    let secret = algorithm.hash(&[username.as_bytes(), &challenge.realm, password.as_bytes()]);
    let request = algorithm.hash(&[method.as_bytes(), uri.as_bytes()]);
    let nc = format!("{nc:08x}");
    let response = match challenge.auth {
        true => {
            let parts =
                [secret.as_bytes(), &challenge.nonce, nc.as_bytes(), cnonce.as_bytes(), b"auth", request.as_bytes()];
            algorithm.hash(&parts)
        }
        false => algorithm.hash(&[secret.as_bytes(), &challenge.nonce, request.as_bytes()]),
    };
    let (realm, nonce) = (quote(&text(&challenge.realm)), quote(&text(&challenge.nonce)));
    let mut out =
        format!("Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\"", quote(username));
    out += &format!(", response=\"{response}\", algorithm={}", algorithm.as_str());
    if challenge.auth {
        out += &format!(", qop=auth, nc={nc}, cnonce=\"{cnonce}\"");
    }
    if let Some(opaque) = &challenge.opaque {
        out += &format!(", opaque=\"{}\"", quote(&text(opaque)));
    }
    Some(out)
}

/// `name=value` pairs after the word Digest.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn parse(value: &'a [u8]) -> Option<Fields<'a>> {
        let value = trim(value);
        let (scheme, rest) = value.split_at_checked(6)?;
        let spaced = rest.first().is_some_and(|b| super::header::is_space(*b));
        (scheme.eq_ignore_ascii_case(b"Digest") && spaced).then_some(Fields(rest))
    }

    /// The first value of this name, quotes undone.
    fn get(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        split_outside(self.0, b',').find_map(|field| {
            let at = field.iter().position(|b| *b == b'=')?;
            let same = trim(field.get(..at)?).eq_ignore_ascii_case(name.as_bytes());
            same.then(|| unquote(trim(field.get(at + 1..).unwrap_or_default())))
        })
    }

    fn algorithm(&self) -> Option<Algorithm> {
        self.get("algorithm").map_or(Some(Algorithm::Md5), |token| Algorithm::from_bytes(&token))
    }
}

/// Escapes what may not stand in a quoted string.
fn quote(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// Compares in a time that depends on the length only.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2617 §3.5, the example everybody tests with.
    #[test]
    fn the_md5_example_of_rfc_2617_is_right() {
        let header = b"Digest username=\"Mufasa\", realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let answer = Authorization::parse(header).unwrap();
        assert!(answer.verify(Method::Other(b"GET"), "Circle Of Life"));
        assert!(!answer.verify(Method::Other(b"GET"), "Circle of Life"));
        assert!(!answer.verify(Method::Invite, "Circle Of Life"));
    }

    /// RFC 7616 §3.9.1: the same request with MD5 and SHA-256.
    #[test]
    fn the_examples_of_rfc_7616_are_right() {
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let header = format!(
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let answer = Authorization::parse(header.as_bytes()).unwrap();
            assert!(answer.verify(Method::Other(b"GET"), "Circle of Life"), "{algorithm}");
        }
    }

    const URI: &str = "sip:hatif.example";
    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    /// Answers a challenge as a phone would and lets the server look at it.
    fn play(nonces: &mut Nonces, now: Instant, challenge: &str, nc: u32, password: &str) -> Verdict {
        let challenge = Challenge::parse(challenge.as_bytes()).unwrap();
        let answer = Answer { username: "al\"ice", password, method: Method::Register, uri: URI, cnonce: "c0", nc };
        let header = answer_challenge(&challenge, &answer).unwrap();
        let answer = Authorization::parse(header.as_bytes()).unwrap();
        assert_eq!((answer.user().as_ref(), &*answer.uri), ("al\"ice", URI.as_bytes()));
        let fresh = nonces.fresh(now, &answer.nonce, PEER);
        nonces.check(fresh, &answer, Method::Register, "secret")
    }

    #[test]
    fn a_nonce_is_good_for_rising_counts_only() {
        let (mut nonces, now) = (Nonces::new([7; 32]), Instant::now());
        for algorithm in Algorithm::ALL {
            let challenge = challenge("hatif \"x\"", &nonces.issue(now, PEER), false, algorithm);
            assert_eq!(play(&mut nonces, now, &challenge, 1, "wrong"), Verdict::Wrong);
            assert_eq!(play(&mut nonces, now, &challenge, 1, "secret"), Verdict::Accepted);
            assert_eq!(play(&mut nonces, now, &challenge, 1, "secret"), Verdict::Stale, "replay");
            // Hexadecimal: the tenth use is 0000000a, the 256th 00000100.
            assert_eq!(play(&mut nonces, now, &challenge, 10, "secret"), Verdict::Accepted);
            assert_eq!(play(&mut nonces, now, &challenge, 256, "secret"), Verdict::Accepted);
            assert_eq!(play(&mut nonces, now, &challenge, 255, "secret"), Verdict::Stale);
        }
    }

    #[test]
    fn a_nonce_lives_five_minutes_and_is_then_forgotten() {
        let (mut nonces, now) = (Nonces::new([7; 32]), Instant::now());
        let challenge = challenge("r", &nonces.issue(now, PEER), false, Algorithm::Md5);
        assert_eq!(play(&mut nonces, now + NONCE_LIFE, &challenge, 1, "secret"), Verdict::Accepted);
        assert_eq!(nonces.used.len(), 1);
        let late = now + NONCE_LIFE + Duration::from_millis(1);
        assert_eq!(play(&mut nonces, late, &challenge, 2, "secret"), Verdict::Stale);
        assert_eq!(nonces.used.len(), 0);
    }

    #[test]
    fn a_nonce_of_somebody_else_is_stale() {
        let (mut nonces, now) = (Nonces::new([7; 32]), Instant::now());
        let foreign = Nonces::new([8; 32]).issue(now, PEER);
        let elsewhere = nonces.issue(now, IpAddr::from([192, 0, 2, 8]));
        for nonce in [foreign.as_str(), &elsewhere, "", "short", &"0".repeat(52)] {
            let challenge = challenge("r", nonce, false, Algorithm::Md5);
            assert_eq!(play(&mut nonces, now, &challenge, 1, "secret"), Verdict::Stale, "{nonce}");
        }
    }

    #[test]
    fn the_legacy_form_without_qop_is_served_once_per_nonce() {
        let (mut nonces, now) = (Nonces::new([7; 32]), Instant::now());
        let challenge = format!("Digest realm=\"r\", nonce=\"{}\", opaque=\"o\"", nonces.issue(now, PEER));
        assert_eq!(play(&mut nonces, now, &challenge, 1, "secret"), Verdict::Accepted);
        assert_eq!(play(&mut nonces, now, &challenge, 1, "secret"), Verdict::Stale);
    }

    /// Forgetting a count for want of room must not make its nonce fresh again.
    #[test]
    fn a_nonce_pushed_out_of_the_full_table_is_stale() {
        let (mut nonces, now) = (Nonces::new([7; 32]), Instant::now());
        let first = challenge("r", &nonces.issue(now, PEER), false, Algorithm::Md5);
        assert_eq!(play(&mut nonces, now, &first, 1, "secret"), Verdict::Accepted);
        for serial in 0..NONCES_MAX as u32 {
            nonces.used.insert((0, 1_000 + serial), 1);
        }
        let last = challenge("r", &nonces.issue(now + Duration::from_secs(1), PEER), false, Algorithm::Md5);
        assert_eq!(play(&mut nonces, now + Duration::from_secs(1), &last, 1, "secret"), Verdict::Accepted);
        assert!(nonces.used.len() <= NONCES_MAX + 1);
        assert_eq!(play(&mut nonces, now + Duration::from_secs(1), &first, 2, "secret"), Verdict::Stale);
    }

    #[test]
    fn no_nonce_comes_twice() {
        let (mut nonces, now) = (Nonces::new([7; 32]), Instant::now());
        assert_ne!(nonces.issue(now, PEER), nonces.issue(now, PEER));
        assert_eq!(nonces.issue(now, PEER).len(), 52);
    }

    #[test]
    fn a_challenge_reads_as_written() {
        let text = challenge("ha\\tif", "n", true, Algorithm::Sha256);
        assert_eq!(text, "Digest realm=\"ha\\\\tif\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\", stale=true");
        let read = Challenge::parse(text.as_bytes()).unwrap();
        assert_eq!((&*read.realm, &*read.nonce), (&b"ha\\tif"[..], &b"n"[..]));
        assert_eq!((read.algorithm, read.auth, read.stale), (Some(Algorithm::Sha256), true, true));
        let other = Challenge::parse(b"digest realm=r,nonce=n,qop=\"auth-int, AUTH\",algorithm=AKAv1-MD5").unwrap();
        assert_eq!((other.algorithm, other.auth, other.stale), (None, true, false));
    }

    #[test]
    fn answers_that_cannot_be_checked_are_refused() {
        let whole = "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"x\", response=\"y\"";
        assert!(Authorization::parse(whole.as_bytes()).is_some());
        for bad in ["", "Basic dTpw", "Digest", "Digest username=\"u\""] {
            assert_eq!(Authorization::parse(bad.as_bytes()), None, "{bad}");
        }
        for more in [
            ", qop=auth",
            ", qop=auth, nc=1",
            ", qop=auth, cnonce=c, nc=xyz",
            ", qop=auth, cnonce=c, nc=100000000",
            ", qop=auth, cnonce=c, nc=+1",
        ] {
            assert_eq!(Authorization::parse(format!("{whole}{more}").as_bytes()), None, "{more}");
        }
        let refused = |more: &str| {
            let header = format!("{whole}{more}");
            let answer = Authorization::parse(header.as_bytes()).unwrap();
            !answer.verify(Method::Invite, "")
        };
        assert!(refused(", algorithm=MD5-sess") && refused(", qop=auth-int, cnonce=c, nc=00000001"));
    }
}
