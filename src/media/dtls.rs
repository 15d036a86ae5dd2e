//! DTLS-SRTP (RFC 5764): the handshake that gives a WebRTC leg its SRTP keys.
//!
//! The protocol itself, DTLS 1.2 (RFC 6347), is the crate `rtc-dtls`; this module gives it one peer, the time, limits,
//! and the check that matters: the peer's certificate must be the one whose fingerprint its SDP named (RFC 8122 §6.1).
//! Keys are given out only after that.
//!
//! ```text
//!   Handshaking ──finished, certificate is the right one──> Established ──close_notify──> Ended
//!        └── 30 s, fatal alert, wrong certificate, no SRTP profile ─────────────────────────^
//! ```
//!
//! **The caller's duty**: only datagrams from sources that ICE has validated are handed in, and answers go to the
//! selected one. A stranger's ClientHello must not even come so far. Make an endpoint when both SDPs are known and the
//! first source is validated: its 30 s begin then.
//!
//! What one endpoint may cost is bounded: datagrams and bytes of a handshake, fragments, the queue of answers. Records
//! are looked at before `rtc-dtls` sees them ([`records`]): it answers an unreadable record in the clear with a fatal
//! alert and keeps what it cannot use, so whoever guesses the peer's address could end the leg or fill memory.
//!
//! Time is virtual: every deadline counts from the `now` given. Randomness is not: the handshake's random numbers and
//! keys come from the operating system, inside `rtc-dtls` and `ring`, because a seed of ours must never decide them.

mod fingerprint;
mod records;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::{RTCCryptoProvider, default_provider};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;

pub use fingerprint::{Fingerprint, HashFunction};
use records::{Phase, Sieve};

/// A handshake that takes longer has failed.
pub const HANDSHAKE: Duration = Duration::from_secs(30);
/// First wait before a flight is sent again; it doubles each time (RFC 6347 §4.2.4.1). Shorter than the 1 s named
/// there, because ICE has shown that the path works and the caller hears nothing until this is over.
const RESEND_FIRST: Duration = Duration::from_millis(250);
/// The longest such wait.
const RESEND_LAST: Duration = Duration::from_secs(8);
/// Flights are cut into datagrams of this size, so that they pass every path (RFC 8261 §5 takes the same).
const DATAGRAM_BYTES: usize = 1_200;
/// Datagrams that wait to be sent. A flight has at most four; the oldest go when nobody fetches them.
const TRANSMITS_MAX: usize = 16;
/// The label of the exporter (RFC 5764 §4.2).
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// `rtc-dtls` keeps associations by address. Ours has one, and its peer may move (ICE), so the address is a constant.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Our certificate and its key, made once when the process starts and shared by all legs.
///
/// Self-signed ECDSA P-256: peers know it by its fingerprint in our SDP, nobody checks its names.
#[derive(Clone)]
pub struct Identity {
    certificate: Certificate,
    fingerprint: Fingerprint,
    provider: Arc<dyn RTCCryptoProvider>,
}

impl Identity {
    /// Makes a new key and certificate, with randomness of the operating system: to be called by the shell.
    ///
    /// # Errors
    ///
    /// [`DtlsError`] when the operating system gives no randomness.
    pub fn generate() -> Result<Self, DtlsError> {
        let provider = default_provider().map_err(|e| DtlsError(e.to_string()))?;
        let certificate = Certificate::generate_self_signed(vec!["hatif".to_owned()], provider.crypto())
            .map_err(|e| DtlsError(e.to_string()))?;
        let der = certificate.certificate.first().ok_or_else(|| DtlsError("no certificate was made".to_owned()))?;
        let fingerprint = Fingerprint::of(HashFunction::Sha256, der);
        Ok(Self { certificate, fingerprint, provider })
    }

    /// SHA-256 of the certificate, for our SDP.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.fingerprint)
    }
}

/// DTLS could not be set up: our side's fault, never the peer's.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("DTLS cannot be set up: {0}")]
pub struct DtlsError(String);

/// Who speaks first (RFC 5763 §5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// `setup:active`: we send the ClientHello.
    Client,
    /// `setup:passive`: we wait for it.
    Server,
}

/// How SRTP protects packets (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// SRTP_AEAD_AES_128_GCM: key 16 bytes, salt 12.
    AeadAes128Gcm,
    /// SRTP_AES128_CM_HMAC_SHA1_80: key 16 bytes, salt 14.
    Aes128CmHmacSha1,
}

impl Profile {
    /// Bytes of the master key.
    pub const KEY_BYTES: usize = 16;

    /// Bytes of the master salt.
    pub const fn salt_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 12,
            Self::Aes128CmHmacSha1 => 14,
        }
    }

    fn of(profile: SrtpProtectionProfile) -> Option<Self> {
        match profile {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Some(Self::AeadAes128Gcm),
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Some(Self::Aes128CmHmacSha1),
            _ => None,
        }
    }
}

impl From<Profile> for super::srtp::Profile {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::AeadAes128Gcm => Self::AeadAes128Gcm,
            Profile::Aes128CmHmacSha1 => Self::AesCm128HmacSha1_80,
        }
    }
}

/// Master key and salt of one direction.
#[derive(Clone, Eq, PartialEq)]
pub struct MasterKey {
    /// [`Profile::KEY_BYTES`] bytes.
    pub key: Vec<u8>,
    /// [`Profile::salt_bytes`] bytes.
    pub salt: Vec<u8>,
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// The keys of a leg, one for each direction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SrtpKeys {
    /// The same for both directions.
    pub profile: Profile,
    /// Protects what we send.
    pub local: MasterKey,
    /// Protects what the peer sends.
    pub remote: MasterKey,
}

/// Why a leg has no DTLS any more.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum End {
    /// Not finished within [`HANDSHAKE`].
    #[error("the DTLS handshake took too long")]
    Timeout,
    /// The certificate is not the one that the peer's SDP named: perhaps somebody is in between.
    #[error("the peer's certificate does not have the fingerprint of its SDP")]
    Fingerprint,
    /// The peer speaks no SRTP profile of ours.
    #[error("no SRTP profile in common")]
    Profile,
    /// The peer sent close_notify.
    #[error("the peer closed DTLS")]
    Closed,
    /// The peer sent another fatal alert (RFC 5246 §7.2); its number, or `None` when it came encrypted.
    #[error("the peer ended DTLS by an alert")]
    Alert(Option<u8>),
    /// The handshake broke; words of `rtc-dtls`.
    #[error("the DTLS handshake failed: {0}")]
    Handshake(String),
}

/// What an endpoint tells its caller, each once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// The handshake is over and the certificate is the right one: SRTP begins.
    Keys(SrtpKeys),
    /// Nothing more will come. Keys that were given out before stay good: SRTP does not need DTLS.
    Ended(End),
}

/// DTLS of one leg.
///
/// Doors: [`handle_datagram`](Self::handle_datagram), [`handle_timeout`](Self::handle_timeout) with
/// [`poll_timeout`](Self::poll_timeout); after each of them fetch [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event) until both are empty.
pub struct Dtls {
    state: State,
    role: Role,
    transmits: VecDeque<Bytes>,
    event: Option<Event>,
    end: Option<Event>,
}

enum State {
    Handshaking { endpoint: Box<Endpoint>, give_up_at: Instant, resend: Resend, sieve: Sieve },
    Established { endpoint: Box<Endpoint>, sieve: Sieve },
    Ended,
}

/// When the last flight is sent again. `rtc-dtls` would do so in equal steps and give up after seven; longer and
/// longer steps let the same seven reach over [`HANDSHAKE`].
#[derive(Debug, Default)]
struct Resend {
    /// The deadline that `rtc-dtls` has now: a new one means that a flight went out.
    theirs: Option<Instant>,
    at: Option<Instant>,
    waits: u32,
}

impl Resend {
    /// Follows the deadline of `rtc-dtls` after it has worked.
    fn follow(&mut self, now: Instant, theirs: Option<Instant>, first: bool) {
        if theirs == self.theirs {
            return;
        }
        self.waits = if first { 0 } else { self.waits + 1 };
        self.theirs = theirs;
        let wait = RESEND_FIRST.saturating_mul(1 << self.waits.min(8)).min(RESEND_LAST);
        self.at = theirs.map(|_| now + wait);
    }
}

impl Dtls {
    /// `fingerprints` are those of the peer's SDP: its certificate must have one of them.
    ///
    /// A client has its first datagram ready afterwards.
    ///
    /// # Errors
    ///
    /// [`DtlsError`] when `fingerprints` is empty or the operating system gives no randomness.
    pub fn new(now: Instant, identity: &Identity, role: Role, fingerprints: &[Fingerprint]) -> Result<Self, DtlsError> {
        if fingerprints.is_empty() {
            return Err(DtlsError("the peer has no fingerprint".to_owned()));
        }
        let config = config(identity, role, fingerprints).map_err(|e| DtlsError(e.to_string()))?;
        let server = (role == Role::Server).then(|| Arc::clone(&config));
        let mut endpoint = Box::new(Endpoint::new(PEER, TransportProtocol::UDP, server));
        if role == Role::Client {
            endpoint.connect(now, PEER, config, None).map_err(|e| DtlsError(e.to_string()))?;
        }
        let mut resend = Resend::default();
        resend.follow(now, endpoint.poll_timeout(&PEER), true);
        let state = State::Handshaking { endpoint, give_up_at: now + HANDSHAKE, resend, sieve: Sieve::new(role) };
        let mut dtls = Self { state, role, transmits: VecDeque::new(), event: None, end: None };
        dtls.collect();
        Ok(dtls)
    }

    /// Takes one datagram from a source that ICE has validated. Garbage is dropped.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let (endpoint, sieve, phase) = match &mut self.state {
            State::Handshaking { endpoint, sieve, .. } => (endpoint, sieve, Phase::Handshaking),
            State::Established { endpoint, sieve } => (endpoint, sieve, Phase::Established),
            State::Ended => return,
        };
        let sifted = sieve.pass(phase, datagram);
        let outcome = match sifted.records {
            Some(records) => read(endpoint, now, records),
            None => Ok(Outcome::Nothing),
        };
        self.collect();
        match (outcome, sifted.alert) {
            (Ok(Outcome::Finished), _) => self.establish(now),
            (Ok(Outcome::Closed), _) | (Ok(Outcome::Nothing), Some(CLOSE_NOTIFY)) => self.finish(End::Closed),
            (Ok(Outcome::Nothing), Some(number)) => self.finish(End::Alert(Some(number))),
            (Ok(Outcome::Nothing), None) => self.follow(now, true),
            (Err(end), _) => {
                // After the handshake only what is encrypted can end it, not what may be anybody's.
                if phase == Phase::Handshaking || matches!(end, End::Alert(_)) {
                    self.finish(end);
                }
            }
        }
    }

    /// Sends a flight again or gives up, when it is time; calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        let State::Handshaking { endpoint, give_up_at, resend, .. } = &mut self.state else { return };
        if now >= *give_up_at {
            self.finish(End::Timeout);
            return;
        }
        if resend.at.is_none_or(|at| now < at) {
            return;
        }
        let outcome = guarded(|| endpoint.handle_timeout(PEER, now));
        self.collect();
        match outcome {
            Ok(()) => self.follow(now, false),
            Err(end) => self.finish(end),
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None` when no timer runs.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Handshaking { give_up_at, resend, .. } => {
                Some(resend.at.map_or(*give_up_at, |at| at.min(*give_up_at)))
            }
            State::Established { .. } | State::Ended => None,
        }
    }

    /// Next datagram to send to the selected source; call until it returns `None`.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmits.pop_front()
    }

    /// Next thing to know; call until it returns `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.event.take().or_else(|| self.end.take())
    }

    /// Ends the association from our side: the peer gets close_notify, by `poll_transmit`. No event follows.
    pub fn close(&mut self, now: Instant) {
        match &mut self.state {
            State::Handshaking { endpoint, .. } | State::Established { endpoint, .. } => {
                let _ = endpoint.stop(now, PEER);
            }
            State::Ended => return,
        }
        self.collect();
        self.state = State::Ended;
    }

    /// The handshake is over: keys, or the end when the peer has agreed to no profile.
    fn establish(&mut self, now: Instant) {
        let state = std::mem::replace(&mut self.state, State::Ended);
        let (State::Handshaking { endpoint, sieve, .. } | State::Established { endpoint, sieve }) = state else {
            return;
        };
        match export(&endpoint, self.role) {
            Ok(keys) => {
                self.state = State::Established { endpoint, sieve };
                self.event = Some(Event::Keys(keys));
            }
            Err(end) => {
                self.state = State::Established { endpoint, sieve };
                self.close(now);
                self.end = Some(Event::Ended(end));
            }
        }
    }

    fn finish(&mut self, end: End) {
        self.state = State::Ended;
        self.end = Some(Event::Ended(end));
    }

    fn follow(&mut self, now: Instant, first: bool) {
        if let State::Handshaking { endpoint, resend, .. } = &mut self.state {
            resend.follow(now, endpoint.poll_timeout(&PEER), first);
        }
    }

    /// Fetches what is to be sent.
    fn collect(&mut self) {
        let (State::Handshaking { endpoint, .. } | State::Established { endpoint, .. }) = &mut self.state else {
            return;
        };
        while let Some(transmit) = endpoint.poll_transmit() {
            if self.transmits.len() >= TRANSMITS_MAX {
                self.transmits.pop_front();
            }
            self.transmits.push_back(transmit.message.freeze());
        }
    }
}

impl std::fmt::Debug for Dtls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &self.state {
            State::Handshaking { .. } => "Handshaking",
            State::Established { .. } => "Established",
            State::Ended => "Ended",
        };
        f.debug_struct("Dtls").field("state", &state).field("role", &self.role).finish_non_exhaustive()
    }
}

/// close_notify's number (RFC 5246 §7.2).
const CLOSE_NOTIFY: u8 = 0;

/// What came of a datagram.
enum Outcome {
    Nothing,
    Finished,
    Closed,
}

/// Hands records to `rtc-dtls`. Application data (data channels) is nothing of ours and is dropped there and then.
fn read(endpoint: &mut Endpoint, now: Instant, records: BytesMut) -> Result<Outcome, End> {
    let events = guarded(|| endpoint.read(now, PEER, None, records))?;
    Ok(events.iter().fold(Outcome::Nothing, |outcome, event| match event {
        EndpointEvent::HandshakeComplete => Outcome::Finished,
        EndpointEvent::PeerClosed => Outcome::Closed,
        _ => outcome,
    }))
}

/// Calls `rtc-dtls`. It reads bytes of strangers and is not ours: should it panic, that costs this leg its DTLS and
/// not the shard its other legs.
fn guarded<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, End> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Error::ErrNoMatchingCertificateFingerprint)) => Err(End::Fingerprint),
        Ok(Err(Error::ErrServerNoMatchingSrtpProfile | Error::ErrClientNoMatchingSrtpProfile)) => Err(End::Profile),
        Ok(Err(Error::ErrRequestedButNoSrtpExtension)) => Err(End::Profile),
        Ok(Err(Error::ErrAlertFatalOrClose)) => Err(End::Alert(None)),
        Ok(Err(error)) => Err(End::Handshake(error.to_string())),
        Err(_) => Err(End::Handshake("rtc-dtls panicked".to_owned())),
    }
}

/// What our side offers and demands.
fn config(identity: &Identity, role: Role, fingerprints: &[Fingerprint]) -> Result<Arc<HandshakeConfig>, Error> {
    let wanted: Vec<Fingerprint> = fingerprints.to_vec();
    let config = ConfigBuilder::default()
        .with_crypto_provider(Arc::clone(&identity.provider))
        .with_certificates(vec![identity.certificate.clone()])
        // The first is mandatory for WebRTC (RFC 8827 §6.5); the RSA ones are for peers with such a certificate.
        .with_cipher_suites(vec![
            CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
            CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
            CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
            CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256,
        ])
        .with_srtp_protection_profiles(vec![
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
        ])
        // Without it keys could be the same on two associations of a man in the middle (RFC 7627 §1).
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        // Both sides show certificates (RFC 5763 §5). Chains and names are nobody's business: the fingerprint is.
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        .with_insecure_skip_verify(true)
        .with_verify_peer_certificate(Some(Arc::new(move |certificates, _| {
            let right = certificates.first().is_some_and(|der| wanted.iter().any(|w| w.is_of(der)));
            if right { Ok(()) } else { Err(Error::ErrNoMatchingCertificateFingerprint) }
        })))
        .with_flight_interval(RESEND_FIRST)
        .with_mtu(DATAGRAM_BYTES)
        .build(role == Role::Client, Some(PEER))?;
    Ok(Arc::new(config))
}

/// The keys of a finished handshake: client's key, server's key, client's salt, server's salt (RFC 5764 §4.2).
fn export(endpoint: &Endpoint, role: Role) -> Result<SrtpKeys, End> {
    let state = endpoint.get_connection_state(PEER).ok_or(End::Closed)?;
    let profile = Profile::of(state.srtp_protection_profile()).ok_or(End::Profile)?;
    let salt_bytes = profile.salt_bytes();
    let length = 2 * (Profile::KEY_BYTES + salt_bytes);
    let secret =
        state.export_keying_material(EXPORTER_LABEL, &[], length).map_err(|e| End::Handshake(e.to_string()))?;
    let (keys, salts) = secret.as_ref().split_at_checked(2 * Profile::KEY_BYTES).ok_or(End::Profile)?;
    let half = |bytes: &[u8], at: usize, length: usize| bytes.iter().skip(at).take(length).copied().collect();
    let client = MasterKey { key: half(keys, 0, Profile::KEY_BYTES), salt: half(salts, 0, salt_bytes) };
    let server = MasterKey {
        key: half(keys, Profile::KEY_BYTES, Profile::KEY_BYTES),
        salt: half(salts, salt_bytes, salt_bytes),
    };
    let (local, remote) = match role {
        Role::Client => (client, server),
        Role::Server => (server, client),
    };
    Ok(SrtpKeys { profile, local, remote })
}

#[cfg(test)]
mod tests;
