//! What protects the packets of a leg: nothing, keys that were told in SDP (RFC 4568), or DTLS behind ICE (RFC 5763).
//!
//! A packet whose tag is wrong is counted and forgotten: it changes nothing, and however many come, they end no call.
//! With DTLS only sources that ICE has validated are listened to; before the handshake is over nothing is sent and
//! nothing heard.

use std::net::SocketAddr;
use std::time::Instant;

use super::dtls::{Dtls, Event, Fingerprint, Identity, Role, SrtpKeys};
use super::ice::{Credentials, IceLite, RESPONSE_BYTES_MAX};
use super::rtp;
use super::srtp::{self, Keys, OVERHEAD_BYTES_MAX, Receiver, Sender};

/// How packets of a leg are to be protected.
#[derive(Clone, Debug, Default)]
pub enum Security {
    /// Not at all.
    #[default]
    None,
    /// By keys that both sides told in SDP.
    Sdes {
        /// What we protect with.
        ours: Keys,
        /// What the peer protects with.
        theirs: Keys,
    },
    /// By DTLS-SRTP with a peer that makes ICE checks.
    Dtls(Box<Browser>),
}

/// A browser's side of SDP, and our names for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Browser {
    /// Our ICE name and password: others than before restart ICE.
    pub ours: (String, String),
    /// The peer's ICE name; `None` before its answer.
    pub theirs: Option<String>,
    /// Who begins the handshake; `None` before the answer.
    pub role: Option<Role>,
    /// Of its certificate; none before the answer.
    pub fingerprints: Vec<Fingerprint>,
}

/// Protection at work.
#[derive(Debug, Default)]
pub enum Seal {
    /// Packets are as they are.
    #[default]
    Open,
    /// Keys are there from the beginning.
    Keyed(Box<Pair>),
    /// Keys come by DTLS.
    Dtls(Box<Behind>),
}

/// Both directions, and room for one packet.
#[derive(Debug)]
pub struct Pair {
    keys: (Keys, Keys),
    send: Sender,
    receive: Receiver,
    room: [u8; ROOM],
}

/// DTLS behind ICE.
#[derive(Debug)]
pub struct Behind {
    terms: Browser,
    ice: IceLite,
    dtls: Option<Dtls>,
    pair: Option<Box<Pair>>,
    failed: bool,
}

/// The longest packet that is sent protected, with its tag, in bytes.
const ROOM: usize = 1_500 + OVERHEAD_BYTES_MAX;

impl Pair {
    fn new(ours: &Keys, theirs: &Keys) -> Box<Self> {
        let keys = (ours.clone(), theirs.clone());
        Box::new(Self { keys, send: Sender::new(ours), receive: Receiver::new(theirs), room: [0; ROOM] })
    }

    /// Each direction for itself: a key that is the same must go on with its counters, for a nonce is never used twice
    /// and the peer goes on with his (RFC 4568 §7.1.4).
    fn rekey(&mut self, ours: &Keys, theirs: &Keys) {
        let (our_old, their_old) = &mut self.keys;
        if our_old != ours {
            *our_old = ours.clone();
            self.send = Sender::new(ours);
        }
        if their_old != theirs {
            *their_old = theirs.clone();
            self.receive = Receiver::new(theirs);
        }
    }

    /// From a handshake.
    fn of(keys: &SrtpKeys) -> Option<Box<Self>> {
        let profile = srtp::Profile::from(keys.profile);
        let ours = Keys::new(profile, &keys.local.key, &keys.local.salt)?;
        let theirs = Keys::new(profile, &keys.remote.key, &keys.remote.salt)?;
        Some(Self::new(&ours, &theirs))
    }

    fn open(&mut self, packet: &mut [u8], control: bool) -> Option<usize> {
        let opened = if control { self.receive.unprotect_control(packet) } else { self.receive.unprotect(packet) };
        opened.ok()
    }

    fn close(&mut self, packet: &[u8], control: bool) -> Option<&[u8]> {
        self.room.get_mut(..packet.len())?.copy_from_slice(packet);
        let closed = match control {
            true => self.send.protect_control(&mut self.room, packet.len()),
            false => self.send.protect(&mut self.room, packet.len()),
        };
        self.room.get(..closed?)
    }
}

impl Seal {
    /// What SDP asks for.
    pub fn new(now: Instant, security: &Security, identity: Option<&Identity>) -> Self {
        let mut seal = Self::Open;
        seal.update(now, security, identity);
        seal
    }

    /// SDP changed: keys that are the same go on, with their counters.
    pub fn update(&mut self, now: Instant, security: &Security, identity: Option<&Identity>) {
        match (security, &mut *self) {
            (Security::None, _) => *self = Self::Open,
            (Security::Sdes { ours, theirs }, Self::Keyed(pair)) => pair.rekey(ours, theirs),
            (Security::Sdes { ours, theirs }, Self::Open | Self::Dtls(_)) => {
                *self = Self::Keyed(Pair::new(ours, theirs))
            }
            (Security::Dtls(terms), Self::Dtls(behind)) => behind.update(now, terms, identity),
            (Security::Dtls(terms), Self::Open | Self::Keyed(_)) => {
                let (ufrag, password) = &terms.ours;
                let ice = IceLite::new(Credentials::new(ufrag, password), terms.theirs.as_deref());
                let terms = (**terms).clone();
                let mut behind = Box::new(Behind { terms, ice, dtls: None, pair: None, failed: false });
                behind.start(now, identity);
                *self = Self::Dtls(behind);
            }
        }
    }

    /// True when packets are protected, or will be.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Open => false,
            Self::Keyed(_) | Self::Dtls(_) => true,
        }
    }

    /// Takes the protection off one RTP or RTCP packet in place and returns its length; `None` when it is not authentic.
    pub fn open(&mut self, packet: &mut [u8]) -> Option<usize> {
        let control = rtp::is_rtcp(packet);
        match self {
            Self::Open => Some(packet.len()),
            Self::Keyed(pair) => pair.open(packet, control),
            Self::Dtls(behind) => behind.pair.as_mut()?.open(packet, control),
        }
    }

    /// The packet as it may leave; `None` when it may not.
    pub fn close<'a>(&'a mut self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let control = rtp::is_rtcp(packet);
        match self {
            Self::Open => Some(packet),
            Self::Keyed(pair) => pair.close(packet, control),
            Self::Dtls(behind) => behind.pair.as_mut()?.close(packet, control),
        }
    }

    /// The side that makes ICE checks, when there is one.
    pub fn browser(&mut self) -> Option<&mut Behind> {
        match self {
            Self::Dtls(behind) => Some(behind),
            Self::Open | Self::Keyed(_) => None,
        }
    }

    /// Where media goes by ICE: `Some(None)` while no path is known.
    pub fn selected(&self) -> Option<Option<SocketAddr>> {
        match self {
            Self::Dtls(behind) => Some(behind.ice.selected()),
            Self::Open | Self::Keyed(_) => None,
        }
    }

    /// True when the peer's certificate is known.
    pub fn is_answered(&self) -> bool {
        match self {
            Self::Dtls(behind) => !behind.terms.fingerprints.is_empty(),
            Self::Open | Self::Keyed(_) => false,
        }
    }

    /// True while it has something to do every 20 ms: a handshake.
    pub fn shakes_hands(&self) -> bool {
        match self {
            Self::Dtls(behind) => behind.pair.is_none() && behind.dtls.is_some() && !behind.failed,
            Self::Open | Self::Keyed(_) => false,
        }
    }
}

impl Behind {
    fn update(&mut self, now: Instant, terms: &Browser, identity: Option<&Identity>) {
        if terms.ours != self.terms.ours {
            let (ufrag, password) = &terms.ours;
            self.ice.restart(Credentials::new(ufrag, password), terms.theirs.as_deref());
        } else if let Some(theirs) = &terms.theirs {
            self.ice.set_theirs(theirs);
        }
        let anew = terms.fingerprints != self.terms.fingerprints;
        self.terms = terms.clone();
        if anew {
            (self.dtls, self.pair, self.failed) = (None, None, false);
            self.start(now, identity);
        }
    }

    /// The handshake begins when the peer's certificate is known.
    fn start(&mut self, now: Instant, identity: Option<&Identity>) {
        let (Some(role), Some(identity), false) = (self.terms.role, identity, self.terms.fingerprints.is_empty())
        else {
            return;
        };
        self.dtls = Dtls::new(now, identity, role, &self.terms.fingerprints).ok();
        self.failed = self.dtls.is_none();
    }

    /// Our ICE name.
    pub fn ufrag(&self) -> &str {
        &self.terms.ours.0
    }

    /// True when the source was validated by ICE.
    pub fn admits(&mut self, source: SocketAddr) -> bool {
        self.ice.admits(source)
    }

    /// Takes a STUN datagram; returns the length of the answer in `out`.
    pub fn stun(
        &mut self,
        now: Instant,
        source: SocketAddr,
        datagram: &[u8],
        out: &mut [u8; RESPONSE_BYTES_MAX],
    ) -> Option<usize> {
        self.ice.handle_datagram(now, source, datagram, out)
    }

    /// Takes a DTLS datagram of a validated source.
    pub fn dtls(&mut self, now: Instant, datagram: &[u8]) {
        if let Some(dtls) = &mut self.dtls {
            dtls.handle_datagram(now, datagram);
        }
        self.settle();
    }

    /// Time passed; true when the last path lost its consent.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        if let Some(dtls) = &mut self.dtls {
            dtls.handle_timeout(now);
        }
        self.settle();
        self.ice.handle_timeout(now)
    }

    /// The next DTLS datagram to be sent to the selected path; while there is none it waits.
    pub fn poll_transmit(&mut self) -> Option<bytes::Bytes> {
        self.ice.selected()?;
        self.dtls.as_mut()?.poll_transmit()
    }

    fn settle(&mut self) {
        let Some(dtls) = &mut self.dtls else { return };
        while let Some(event) = dtls.poll_event() {
            match event {
                Event::Keys(keys) => self.pair = Pair::of(&keys),
                Event::Ended(_) => self.failed |= self.pair.is_none(),
            }
        }
    }

    /// True when the handshake ended without keys: nothing will ever be heard.
    pub fn has_failed(&self) -> bool {
        self.failed
    }
}
