//! One leg of a call: a SIP session, a media port, and what was negotiated for them.

use std::net::IpAddr;

use bytes::Bytes;

use crate::id::LegId;
use crate::journal::LegRole;
use crate::media::{self, seal::Browser};
use crate::sdp::{self, Negotiated, Sdp};
use crate::sip::SessionId;

use super::secret::Secret;

/// What a leg stands on at its birth.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name.
    pub id: LegId,
    /// Our RTP port; `None` when media does not pass through us.
    pub port: Option<media::Port>,
    /// What our SDP announces.
    pub address: IpAddr,
    /// Where its signalling comes from or goes to: a hint for who may send media.
    pub signalling: IpAddr,
    /// Whose it is.
    pub role: LegRole,
    /// What may protect its packets.
    pub guard: Guard,
}

/// What may protect the packets of a leg.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Whether keys in SDP are taken, or must be.
    pub srtp: sdp::Srtp,
    /// Nobody on the way reads our SDP: keys may stand in it.
    pub private: bool,
    /// The fingerprint of our certificate, when the peer is a browser: it is served at a shared port.
    pub fingerprint: Option<String>,
    /// What keys and names are made of.
    pub secret: Secret,
}

impl Guard {
    /// Whether we may offer: not when the leg has to be protected and nothing is there to do so.
    pub fn can_offer(&self) -> bool {
        self.srtp != sdp::Srtp::Required || self.private || self.fingerprint.is_some()
    }
}

/// The codecs of a leg, and whose order that is.
#[derive(Clone, Copy, Debug)]
pub enum Speech<'a> {
    /// `[media] codecs`: the other leg's codec may go before them.
    Ours(&'a [media::Codec]),
    /// `codecs` of an agent or a trunk, in just this order.
    Asked(&'a [media::Codec]),
}

impl<'a> Speech<'a> {
    /// The list.
    pub fn codecs(self) -> &'a [media::Codec] {
        match self {
            Self::Ours(codecs) | Self::Asked(codecs) => codecs,
        }
    }
}

/// One leg. The dialog itself lives in the endpoint.
#[derive(Clone, Debug)]
pub struct Leg {
    /// Its name towards media.
    pub id: LegId,
    /// Its name towards signalling.
    pub session: SessionId,
    /// Our RTP port; `None` when media does not pass through us.
    pub port: Option<media::Port>,
    /// Whose it is.
    pub role: LegRole,
    /// What both sides agreed on; `None` before the answer.
    pub media: Option<Negotiated>,
    /// Our side of SDP as last sent, or (bypassed) the peer's as it last said.
    pub sdp: Bytes,
    /// The media thread has its sockets.
    pub opened: bool,
    /// The SIP session has not ended.
    pub alive: bool,
    /// The peer put us on hold.
    pub on_hold: bool,
    /// What it may speak, in our order.
    codecs: Vec<media::Codec>,
    /// What our last offer listed.
    formats: sdp::Formats,
    guard: Guard,
    /// How often the peer restarted ICE, or gave up keys: what comes later is protected by other ones.
    restarts: u32,
    address: IpAddr,
    signalling: IpAddr,
    version: u64,
}

impl Leg {
    /// A leg whose peer sent `offer`; the answer is in `sdp`.
    ///
    /// `codecs` is what it may speak, in our order; G.729 among them, which can only be passed on, is taken when nothing
    /// else is common, and then for as long as the leg lives.
    ///
    /// # Errors
    ///
    /// What [`sdp::answer`] says: no common codec, nothing to answer.
    pub fn answering(
        place: Place,
        session: SessionId,
        offer: &Sdp,
        codecs: &[media::Codec],
    ) -> Result<Self, sdp::SdpError> {
        let mut leg = Self::bare(place, session, codecs.to_vec());
        if leg.port.is_some() {
            // Stable: our order stays among the others.
            leg.codecs.sort_by_key(|codec| *codec == media::Codec::G729);
            let (answer, negotiated) = sdp::answer(offer, &leg.local(), &sdp_codecs(&leg.codecs), None)?;
            let passes = negotiated.codec == sdp::Codec::G729;
            leg.codecs.retain(|codec| (*codec == media::Codec::G729) == passes);
            leg.sdp = answer;
            leg.media = Some(negotiated);
        }
        Ok(leg)
    }

    /// A leg that calls out: its offer is in `sdp`, best codec first; with comfort noise when the other side makes it.
    pub fn offering(place: Place, codecs: &[media::Codec], comfort_noise: bool) -> Self {
        let mut leg = Self::bare(place, SessionId(0), codecs.to_vec());
        if leg.port.is_some() {
            leg.formats = sdp::Formats::new(&sdp_codecs(codecs), comfort_noise);
            leg.sdp = sdp::offer(&leg.local(), &leg.formats);
        }
        leg
    }

    /// A leg whose peer calls: it answers his `offer`, or offers when he left that to us; `sdp` has what our 2xx says.
    ///
    /// # Errors
    ///
    /// As [`Leg::answering`].
    pub fn called(
        place: Place,
        session: SessionId,
        offer: Option<&Sdp>,
        codecs: &[media::Codec],
    ) -> Result<Self, sdp::SdpError> {
        let Some(offer) = offer else {
            if !place.guard.can_offer() {
                return Err(sdp::SdpError::NoSecurity(sdp::ENCRYPTION_REQUIRED));
            }
            let heard: Vec<_> = codecs.iter().copied().filter(|codec| *codec != media::Codec::G729).collect();
            return Ok(Self { session, ..Self::offering(place, &heard, false) });
        };
        Self::answering(place, session, offer, codecs)
    }

    /// Its sound passes through us and can be made and heard here: not bypassed, not passed on as it is.
    pub fn is_heard(&self) -> bool {
        self.port.is_some() && !self.only_passes()
    }

    fn only_passes(&self) -> bool {
        self.media.as_ref().is_some_and(|agreed| agreed.codec == sdp::Codec::G729)
    }

    /// Our offer was sent, and nothing was agreed yet: how to talk to the peer is not known.
    pub fn awaits_answer(&self) -> bool {
        self.port.is_some() && self.media.is_none()
    }

    /// Offers anew, at the peer's wish (RFC 3261 §14.2): all our codecs, what is spoken now first. The offer is in `sdp`;
    /// what was agreed stands until its answer.
    pub fn offer_again(&mut self) {
        self.version += 1;
        let codecs = sdp_codecs(&self.first_own(&self.codecs));
        self.formats = match &self.media {
            Some(agreed) => sdp::Formats::keeping(&codecs, agreed),
            None => sdp::Formats::new(&codecs, false),
        };
        self.sdp = sdp::offer(&self.offered(), &self.formats);
    }

    /// Another name and port, before anybody was told of the old ones: the description says the new port.
    pub fn move_to(&mut self, id: LegId, port: media::Port) {
        self.id = id;
        self.port = Some(port);
        if let Ok(mut sdp) = Sdp::parse(&self.sdp) {
            for media in sdp.media.iter_mut().filter(|media| media.port != 0) {
                media.port = port.number();
            }
            self.sdp = sdp.write();
        }
    }

    fn bare(place: Place, session: SessionId, codecs: Vec<media::Codec>) -> Self {
        Self {
            id: place.id,
            session,
            port: place.port,
            role: place.role,
            media: None,
            sdp: Bytes::new(),
            opened: false,
            alive: true,
            on_hold: false,
            codecs,
            formats: sdp::Formats::default(),
            guard: place.guard,
            restarts: 0,
            address: place.address,
            signalling: place.signalling,
            version: 1,
        }
    }

    fn local(&self) -> sdp::Local {
        // Leg ids are never reused, so the o= line is unique (RFC 8866 §5.2).
        let port = self.port.map_or(0, media::Port::number);
        let security = self.own();
        sdp::Local { address: self.address, port, session: self.id.0, version: self.version, security }
    }

    /// What an offer of ours says: where keys protect the leg they go on to.
    fn offered(&self) -> sdp::Local {
        let mut local = self.local();
        if self.media.as_ref().is_some_and(|agreed| matches!(agreed.security, sdp::Security::Sdes { .. })) {
            local.security.srtp = sdp::Srtp::Required;
        }
        local
    }

    /// What we have to protect it with.
    fn own(&self) -> sdp::Own {
        let Guard { srtp, private, fingerprint, secret } = &self.guard;
        let ice = || secret.ice(self.restarts);
        let dtls = fingerprint.as_ref().map(|text| sdp::OwnDtls { fingerprint: text.clone(), ice: ice() });
        sdp::Own { srtp: *srtp, keys: private.then(|| secret.keys(self.restarts)), dtls }
    }

    /// The peer answered our offer.
    ///
    /// # Errors
    ///
    /// What [`sdp::accept`] says: the answer names nothing we offered.
    pub fn accept(&mut self, answer: &Sdp) -> Result<(), sdp::SdpError> {
        let negotiated = sdp::accept(answer, &self.offered(), &self.formats)?;
        if self.media.as_ref().is_some_and(|before| restarts(&before.security, &negotiated.security)) {
            // What we offered stands; from the next description on nothing of before is used.
            self.restarts += 1;
        }
        self.on_hold = !negotiated.direction.sends();
        self.media = Some(negotiated);
        Ok(())
    }

    /// The peer sent a new offer in the dialog; the answer is in `sdp` afterwards.
    ///
    /// # Errors
    ///
    /// What [`sdp::answer`] says; the old agreement stands then.
    pub fn renegotiate(&mut self, offer: &Sdp) -> Result<(), sdp::SdpError> {
        let prefer = self.media.as_ref().map(|m| m.codec);
        let codecs = sdp_codecs(&self.codecs);
        let local = sdp::Local { version: self.version + 1, ..self.local() };
        let (mut answer, mut negotiated) = sdp::answer(offer, &local, &codecs, prefer)?;
        if self.media.as_ref().is_some_and(|before| restarts(&before.security, &negotiated.security)) {
            self.restarts += 1;
            let local = sdp::Local { version: self.version + 1, ..self.local() };
            (answer, negotiated) = sdp::answer(offer, &local, &codecs, prefer)?;
        }
        self.version = local.version;
        self.on_hold = !negotiated.direction.sends();
        self.sdp = answer;
        self.media = Some(negotiated);
        Ok(())
    }

    /// Tells media to open the port; `None` when there is none. Before the answer nothing is known of the peer.
    pub fn open_command(&self) -> Option<media::Command> {
        let port = self.port?;
        let agreed = self.media.as_ref();
        Some(media::Command::Open {
            leg: self.id,
            port,
            remote: agreed.and_then(|m| m.remote),
            signalling: Some(self.signalling),
            terms: agreed.map_or_else(|| self.terms_before(), terms),
            role: self.role,
        })
    }

    /// Before the answer: a browser makes its checks at once.
    fn terms_before(&self) -> media::Terms {
        let plain = media::Terms::plain(media::Codec::Pcma, 8, None);
        let Some(dtls) = self.own().dtls else { return plain };
        let ours = (dtls.ice.ufrag, dtls.ice.password);
        let browser = Browser { ours, theirs: None, role: None, fingerprints: Vec::new() };
        media::Terms { security: media::seal::Security::Dtls(Box::new(browser)), rtcp_mux: true, ..plain }
    }

    /// Tells media what was agreed; `None` when there is no port or nothing agreed.
    pub fn update_command(&self) -> Option<media::Command> {
        let agreed = self.media.as_ref()?;
        self.port?;
        Some(media::Command::Update { leg: self.id, remote: agreed.remote, terms: terms(agreed) })
    }

    /// The codecs to offer the other side, of those that it may speak: what this leg speaks comes first, so that nothing
    /// is transcoded, unless its own order was asked for. G.729 goes with G.729 alone; empty: they cannot be joined.
    pub fn codecs_for_peer(&self, speech: Speech<'_>) -> Vec<media::Codec> {
        let codecs = match speech {
            Speech::Ours(codecs) => self.first_own(codecs),
            Speech::Asked(codecs) => codecs.to_vec(),
        };
        // What passes by is nobody's codec here.
        let passes = self.only_passes();
        codecs.into_iter().filter(|codec| (*codec == media::Codec::G729) == passes).collect()
    }

    /// Its peer fills pauses with comfort noise.
    pub fn has_comfort_noise(&self) -> bool {
        self.media.as_ref().is_some_and(|agreed| agreed.comfort_noise)
    }

    /// `codecs` with what this leg speaks first, when it is one of them.
    fn first_own(&self, codecs: &[media::Codec]) -> Vec<media::Codec> {
        let own = self.media.as_ref().map(|m| media_codec(m.codec)).filter(|own| codecs.contains(own));
        own.into_iter().chain(codecs.iter().copied().filter(|c| Some(*c) != own)).collect()
    }
}

/// What was agreed, in media's words.
fn terms(agreed: &Negotiated) -> media::Terms {
    media::Terms {
        codec: media_codec(agreed.codec),
        payload_type: agreed.payload_type,
        accepts: agreed.accepts.iter().map(|(number, codec)| (*number, media_codec(*codec))).collect(),
        events: agreed.events.map(|events| media::terms::Events { send: events.send, receive: events.receive }),
        comfort_noise: agreed.comfort_noise,
        dtx: agreed.dtx,
        ptime_ms: agreed.ptime_ms,
        send: agreed.direction.sends(),
        receive: agreed.direction.receives(),
        rtcp_mux: agreed.rtcp_mux,
        security: security(&agreed.security),
    }
}

/// A peer that names itself anew in ICE wants new names of ours too (RFC 8839 §4.4.1.1.1). Keys that were given up, for
/// none or for another suite's, are not taken up again: their counters are lost, and a nonce is never used twice.
fn restarts(before: &sdp::Security, now: &sdp::Security) -> bool {
    use sdp::Security::{Dtls, None, Sdes};
    match (before, now) {
        (Dtls(before), Dtls(now)) => before.theirs != now.theirs,
        (Sdes { ours: before, .. }, Sdes { ours: now, .. }) => before.suite != now.suite,
        (Sdes { .. }, None | Dtls(_)) => true,
        (None | Dtls(_), None | Sdes { .. }) | (None, Dtls(_)) => false,
    }
}

/// What protects a leg, in media's words.
fn security(agreed: &sdp::Security) -> media::seal::Security {
    use media::seal::Security;
    match agreed {
        sdp::Security::None => Security::None,
        sdp::Security::Sdes { ours, theirs } => match (keys(ours), keys(theirs)) {
            (Some(ours), Some(theirs)) => Security::Sdes { ours, theirs },
            // The reader takes only keys of their suite's length.
            _ => Security::None,
        },
        sdp::Security::Dtls(dtls) => {
            let read = |(function, digits): &(String, String)| media::dtls::Fingerprint::parse(function, digits);
            Security::Dtls(Box::new(Browser {
                ours: (dtls.ours.ufrag.clone(), dtls.ours.password.clone()),
                theirs: Some(dtls.theirs.ufrag.clone()),
                role: Some(match dtls.role {
                    sdp::Role::Active => media::dtls::Role::Client,
                    sdp::Role::Passive => media::dtls::Role::Server,
                }),
                fingerprints: dtls.fingerprints.iter().filter_map(read).collect(),
            }))
        }
    }
}

fn keys(crypto: &sdp::crypto::Crypto) -> Option<media::srtp::Keys> {
    use media::srtp::Profile;
    use sdp::crypto::Suite;
    let profile = match crypto.suite {
        Suite::AeadAes128Gcm => Profile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => Profile::AeadAes256Gcm,
        Suite::AesCm128HmacSha1_80 => Profile::AesCm128HmacSha1_80,
        Suite::AesCm128HmacSha1_32 => Profile::AesCm128HmacSha1_32,
    };
    media::srtp::Keys::from_joined(profile, &crypto.key_salt)
}

/// The same codec in media's words.
pub fn media_codec(codec: sdp::Codec) -> media::Codec {
    match codec {
        sdp::Codec::Pcmu => media::Codec::Pcmu,
        sdp::Codec::Pcma => media::Codec::Pcma,
        sdp::Codec::G722 => media::Codec::G722,
        sdp::Codec::Opus => media::Codec::Opus,
        sdp::Codec::G729 => media::Codec::G729,
    }
}

fn sdp_codecs(codecs: &[media::Codec]) -> Vec<sdp::Codec> {
    codecs
        .iter()
        .map(|codec| match codec {
            media::Codec::Pcmu => sdp::Codec::Pcmu,
            media::Codec::Pcma => sdp::Codec::Pcma,
            media::Codec::G722 => sdp::Codec::G722,
            media::Codec::Opus => sdp::Codec::Opus,
            media::Codec::G729 => sdp::Codec::G729,
        })
        .collect()
}
