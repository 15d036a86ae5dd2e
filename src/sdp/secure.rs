//! What protects the packets of a stream, as both sides say it: nothing, keys in SDP, or DTLS behind ICE.
//!
//! RFC 4568 has the keys (`a=crypto`), RFC 8643 those of an offer that is plain otherwise, RFC 5763 and RFC 8842 DTLS,
//! RFC 8839 ICE in SDP, of which we are the lite side (RFC 8445 §2.5), RFC 8843 BUNDLE. Keys, names and passwords of
//! ours are handed in: nothing here is random.

use std::fmt;
use std::fmt::Write as _;

use super::crypto::{Crypto, Suite};
use super::formats::plain_text;
use super::{Local, Media, Sdp, SdpError};

/// Why a plain stream is refused where a policy asks for more.
pub const ENCRYPTION_REQUIRED: &str = "encryption is required here";
/// The suites that we offer, best first; an answer takes any of [`Suite::ALL`].
const OFFERED: [Suite; 2] = [Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80];
/// Most fingerprints of one peer that are kept.
const FINGERPRINTS_MAX: usize = 8;

/// Whether keys in SDP may protect a leg.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Srtp {
    /// They are not taken.
    Never,
    /// They are taken when they are offered.
    #[default]
    Offer,
    /// What is not encrypted, in this way or by DTLS, is refused; our own offers have keys.
    Required,
}

/// What we have to protect a leg with.
///
/// An offer of ours says the most that stands here: DTLS, keys when they are required, else nothing: whoever requires
/// keys and has neither must not offer. An answer takes what the peer offers of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Own {
    /// Whether keys in SDP are taken.
    pub srtp: Srtp,
    /// Random bytes for our keys: the same for all descriptions of a leg, other ones for each leg.
    pub keys: Option<OwnKeys>,
    /// Our side of DTLS and ICE.
    pub dtls: Option<OwnDtls>,
}

/// Random bytes that our master keys and salts are cut from. `Debug` hides them.
#[derive(Clone, Eq, PartialEq)]
pub struct OwnKeys([u8; Self::BYTES]);

impl OwnKeys {
    /// How many are needed: each suite has its own.
    pub const BYTES: usize = (16 + 12) + (32 + 12) + (16 + 14) + (16 + 14);

    /// `random` must come from a source that nobody can guess.
    pub fn new(random: [u8; Self::BYTES]) -> Self {
        Self(random)
    }

    /// Our line for this suite.
    fn crypto(&self, tag: u32, suite: Suite) -> Crypto {
        let before: usize = Suite::ALL.into_iter().take_while(|s| *s != suite).map(Suite::key_salt_bytes).sum();
        let key_salt = self.0.iter().skip(before).take(suite.key_salt_bytes()).copied().collect();
        Crypto { tag, suite, key_salt }
    }
}

impl fmt::Debug for OwnKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnKeys")
    }
}

/// Our side of DTLS and ICE.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwnDtls {
    /// The value of `a=fingerprint`: `sha-256 4A:AD:…`.
    pub fingerprint: String,
    /// Our ICE name and password; new ones when the peer restarts ICE.
    pub ice: Ice,
}

/// Name and password of one side (RFC 8445 §5.3): 4–256 and 22–256 letters, digits, `+`, `/`. `Debug` hides the latter.
#[derive(Clone, Eq, PartialEq)]
pub struct Ice {
    /// `a=ice-ufrag`.
    pub ufrag: String,
    /// `a=ice-pwd`.
    pub password: String,
}

impl fmt::Debug for Ice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ice({})", self.ufrag)
    }
}

/// What protects a leg, as agreed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Security {
    /// Nothing.
    #[default]
    None,
    /// Keys that both sides said, of one suite.
    Sdes {
        /// Of what we send.
        ours: Crypto,
        /// Of what the peer sends.
        theirs: Crypto,
    },
    /// DTLS-SRTP between addresses that ICE has validated.
    Dtls(Box<Dtls>),
}

/// A peer that speaks DTLS, and our names for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dtls {
    /// Of its certificate: hash function and digits, as it wrote them; at least one.
    pub fingerprints: Vec<(String, String)>,
    /// Who begins the handshake.
    pub role: Role,
    /// Our name and password.
    pub ours: Ice,
    /// The peer's.
    pub theirs: Ice,
}

/// Our part in the handshake (RFC 5763 §5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// `setup:active`: we begin.
    Active,
    /// `setup:passive`: we wait.
    Passive,
}

/// Transports whose packets are protected by what `a=crypto` says, or by DTLS when there is none.
const SAVP: [&[u8]; 2] = [b"RTP/SAVP", b"RTP/SAVPF"];
const AVP: [&[u8]; 2] = [b"RTP/AVP", b"RTP/AVPF"];
const DTLS: [&[u8]; 2] = [b"UDP/TLS/RTP/SAVP", b"UDP/TLS/RTP/SAVPF"];

/// True when the first audio stream of an offer asks for DTLS, as those of browsers do.
pub fn wants_dtls(offer: &Sdp) -> bool {
    let audio = offer.media.iter().find(|media| media.kind == b"audio" && media.port != 0);
    audio.is_some_and(|media| {
        let protocol = media.protocol.as_slice();
        DTLS.contains(&protocol) || (SAVP.contains(&protocol) && media.attributes("crypto").next().is_none())
    })
}

/// What an answer of ours to this stream is protected by.
///
/// # Errors
///
/// [`SdpError::NoTransport`], [`SdpError::NoSecurity`]: this stream cannot be taken.
pub(super) fn answer(sdp: &Sdp, media: &Media, own: &Own) -> Result<Security, SdpError> {
    let protocol = media.protocol.as_slice();
    if DTLS.contains(&protocol) || (SAVP.contains(&protocol) && media.attributes("crypto").next().is_none()) {
        let dtls = own.dtls.as_ref().ok_or_else(|| no_transport(media))?;
        return peer_dtls(sdp, media, dtls, true);
    }
    if !SAVP.contains(&protocol) && !AVP.contains(&protocol) {
        return Err(no_transport(media));
    }
    let keys = own.keys.as_ref().filter(|_| own.srtp != Srtp::Never);
    let theirs = keys.zip(best_crypto(media));
    match theirs {
        // Also where the transport says otherwise: opportunistic (RFC 8643).
        Some((keys, theirs)) => Ok(Security::Sdes { ours: keys.crypto(theirs.tag, theirs.suite), theirs }),
        None if AVP.contains(&protocol) && own.srtp != Srtp::Required => Ok(Security::None),
        None if AVP.contains(&protocol) => Err(SdpError::NoSecurity(ENCRYPTION_REQUIRED)),
        None if keys.is_none() => Err(SdpError::NoSecurity("keys in SDP are not taken on this connection")),
        None => Err(SdpError::NoSecurity("none of the keys can be used")),
    }
}

/// What the peer's answer to our offer settles.
///
/// # Errors
///
/// As [`answer`]; what was not offered is not accepted.
pub(super) fn accept(sdp: &Sdp, media: &Media, own: &Own) -> Result<Security, SdpError> {
    let protocol = media.protocol.as_slice();
    match (&own.dtls, offered_keys(own)) {
        (Some(dtls), _) if DTLS.contains(&protocol) => peer_dtls(sdp, media, dtls, false),
        (None, Some(_)) if SAVP.contains(&protocol) => {
            let ours = offered(own);
            let pair = cryptos(media).find_map(|theirs| {
                let same = |ours: &&Crypto| ours.tag == theirs.tag && ours.suite == theirs.suite;
                Some((ours.iter().find(same)?.clone(), theirs))
            });
            let (ours, theirs) = pair.ok_or(SdpError::NoSecurity("none of the keys can be used"))?;
            Ok(Security::Sdes { ours, theirs })
        }
        (None, None) if AVP.contains(&protocol) && own.srtp != Srtp::Required => Ok(Security::None),
        _ => Err(no_transport(media)),
    }
}

/// The transport of our offer.
pub(super) fn offered_protocol(own: &Own) -> &'static str {
    match (&own.dtls, offered_keys(own)) {
        (Some(_), _) => "UDP/TLS/RTP/SAVPF",
        (None, Some(_)) => "RTP/SAVP",
        (None, None) => "RTP/AVP",
    }
}

/// The lines of our offer's stream that protect it.
pub(super) fn write_offer(text: &mut String, local: &Local) {
    match &local.security.dtls {
        Some(dtls) => write_dtls(text, local, dtls, "actpass", Some("0"), true),
        None => offered(&local.security).iter().for_each(|crypto| write_crypto(text, crypto)),
    }
}

/// The lines of our answer's stream that protect it.
pub(super) fn write_answer(text: &mut String, local: &Local, media: &Media, security: &Security) {
    match (security, &local.security.dtls) {
        (Security::Sdes { ours, .. }, _) => write_crypto(text, ours),
        (Security::Dtls(agreed), Some(dtls)) => {
            let setup = match agreed.role {
                Role::Active => "active",
                Role::Passive => "passive",
            };
            write_dtls(text, local, dtls, setup, mid(media), false);
        }
        (Security::None, _) | (Security::Dtls(_), None) => {}
    }
}

/// The session's lines of an offer of ours, or of an answer to `offer`: ICE lite, and the one stream that is bundled.
pub(super) fn write_session(text: &mut String, security: &Own, answered: Option<(&Sdp, &Media, &Security)>) {
    let bundled = match answered {
        None if security.dtls.is_some() => Some("0"),
        Some((offer, media, Security::Dtls(_))) => {
            mid(media).filter(|mid| offer.attributes("group").any(|group| bundles(group, mid)))
        }
        None | Some(_) => None,
    };
    if let Some(mid) = bundled {
        let _ = write!(text, "a=group:BUNDLE {mid}\r\n");
    }
    let is_dtls = answered.map_or(security.dtls.is_some(), |(.., agreed)| matches!(agreed, Security::Dtls(_)));
    if is_dtls {
        text.push_str("a=ice-lite\r\n");
    }
}

/// The name of a stream (RFC 5888): letters, digits and what a token may hold beside.
pub(super) fn mid(media: &Media) -> Option<&str> {
    let mid = std::str::from_utf8(media.attributes("mid").next()?).ok()?;
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&b);
    ((1..=64).contains(&mid.len()) && mid.bytes().all(is_token)).then_some(mid)
}

fn bundles(group: &[u8], mid: &str) -> bool {
    let mut words = group.split(|b| *b == b' ');
    words.next() == Some(b"BUNDLE") && words.any(|word| word == mid.as_bytes())
}

fn offered_keys(own: &Own) -> Option<&OwnKeys> {
    own.keys.as_ref().filter(|_| own.srtp == Srtp::Required)
}

/// Our `a=crypto` lines, when we offer keys.
fn offered(own: &Own) -> Vec<Crypto> {
    let Some(keys) = offered_keys(own) else { return Vec::new() };
    (1..).zip(OFFERED).map(|(tag, suite)| keys.crypto(tag, suite)).collect()
}

/// The lines that can be used.
fn cryptos(media: &Media) -> impl Iterator<Item = Crypto> {
    media.attributes("crypto").filter_map(|value| Crypto::parse(std::str::from_utf8(value).ok()?).ok())
}

/// The line with the suite that we like best.
fn best_crypto(media: &Media) -> Option<Crypto> {
    cryptos(media).min_by_key(|crypto| Suite::ALL.into_iter().position(|suite| suite == crypto.suite))
}

/// The peer's side of DTLS and ICE, in its offer (`offers`) or in its answer.
fn peer_dtls(sdp: &Sdp, media: &Media, own: &OwnDtls, offers: bool) -> Result<Security, SdpError> {
    let missing = SdpError::NoSecurity;
    let role = match (said(sdp, media, "setup"), offers) {
        (Some("actpass"), true) | (Some("active"), _) => Role::Passive,
        (Some("passive"), _) => Role::Active,
        _ => return Err(missing("DTLS without a role that we can answer (a=setup)")),
    };
    let own_level = fingerprints(media.attributes("fingerprint"));
    let fingerprints = if own_level.is_empty() { fingerprints(sdp.attributes("fingerprint")) } else { own_level };
    if fingerprints.is_empty() {
        return Err(missing("DTLS without a fingerprint"));
    }
    let is_ice =
        |text: &&str| text.len() <= 256 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-=_".contains(&b));
    let ufrag = said(sdp, media, "ice-ufrag").filter(is_ice).filter(|text| text.len() >= 4);
    let password = said(sdp, media, "ice-pwd").filter(is_ice).filter(|text| text.len() >= 22);
    let (ufrag, password) = ufrag.zip(password).ok_or(missing("DTLS without ICE"))?;
    let theirs = Ice { ufrag: ufrag.to_owned(), password: password.to_owned() };
    Ok(Security::Dtls(Box::new(Dtls { fingerprints, role, ours: own.ice.clone(), theirs })))
}

fn fingerprints<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<(String, String)> {
    let read = |value: &[u8]| {
        let (function, digits) = std::str::from_utf8(value).ok()?.trim().split_once(' ')?;
        let is_hex = digits.len() <= 191 && digits.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        (function.len() <= 16 && is_hex).then(|| (function.to_owned(), digits.to_owned()))
    };
    values.filter_map(read).take(FINGERPRINTS_MAX).collect()
}

/// An attribute of the stream, else of the session.
fn said<'a>(sdp: &'a Sdp, media: &'a Media, name: &'a str) -> Option<&'a str> {
    let value = media.attributes(name).next().or_else(|| sdp.attributes(name).next())?;
    std::str::from_utf8(value).ok()
}

fn no_transport(media: &Media) -> SdpError {
    SdpError::NoTransport(plain_text(&media.protocol))
}

fn write_crypto(text: &mut String, crypto: &Crypto) {
    let _ = write!(text, "a=crypto:{}\r\n", crypto.write());
}

/// One candidate is all a lite side has: where its packets come from (RFC 8445 §5.2).
fn write_dtls(text: &mut String, local: &Local, dtls: &OwnDtls, setup: &str, mid: Option<&str>, muxes: bool) {
    let Ice { ufrag, password } = &dtls.ice;
    if let Some(mid) = mid {
        let _ = write!(text, "a=mid:{mid}\r\n");
    }
    if muxes {
        text.push_str("a=rtcp-mux\r\n");
    }
    let _ = write!(text, "a=setup:{setup}\r\na=fingerprint:{}\r\n", dtls.fingerprint);
    let _ = write!(text, "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n");
    let (address, port) = (local.address, local.port);
    let _ = write!(text, "a=candidate:1 1 UDP 2130706431 {address} {port} typ host\r\na=end-of-candidates\r\n");
}
