//! What a leg may speak, and whether it must be encrypted: as the centre says, or the agent or trunk whose leg it is.

use crate::call::config::{LegProfile, MediaPath, RecordPolicy, Srtp};
use crate::call::leg::Speech;
use crate::call::route::Route;
use crate::id::AgentId;
use crate::journal::Origin;
use crate::media::Codec;

use super::Engine;
use super::rings::Purpose;

impl Engine {
    /// What the leg of a caller may speak. G.729, which nobody hears or makes here, only where it goes on to a dialled
    /// side and is not recorded.
    pub(super) fn caller_codecs(&self, origin: &Origin, route: &Route) -> Vec<Codec> {
        let profile = self.caller_profile(origin);
        let passes = matches!(route, Route::Dial(dial)
            if dial.media == MediaPath::Relay && dial.record == RecordPolicy::Never);
        match passes {
            true => self.speech(profile).codecs().to_vec(),
            false => self.heard_codecs(profile),
        }
    }

    /// What the leg of this user may speak where we hear it.
    pub(super) fn user_codecs(&self, user: &AgentId) -> Vec<Codec> {
        self.heard_codecs(self.settings.call.profiles.get(user))
    }

    /// What a leg that is rung may speak.
    pub(super) fn callee_speech(&self, purpose: &Purpose, trunk: Option<&str>) -> Speech<'_> {
        self.speech(self.callee_profile(purpose, trunk))
    }

    /// Whether the leg of a caller takes keys in SDP, or needs them.
    pub(super) fn caller_srtp(&self, origin: &Origin) -> Srtp {
        self.caller_profile(origin).map_or(Srtp::default(), |profile| profile.srtp)
    }

    /// Whether the leg of this user does.
    pub(super) fn user_srtp(&self, user: &AgentId) -> Srtp {
        self.settings.call.profiles.get(user).map_or(Srtp::default(), |profile| profile.srtp)
    }

    /// Whether a leg that is rung does.
    pub(super) fn callee_srtp(&self, purpose: &Purpose, trunk: Option<&str>) -> Srtp {
        self.callee_profile(purpose, trunk).map_or(Srtp::default(), |profile| profile.srtp)
    }

    fn caller_profile(&self, origin: &Origin) -> Option<&LegProfile> {
        match origin {
            Origin::User(user) => self.settings.call.profiles.get(user),
            Origin::Trunk(name) => self.settings.call.trunks.get(name).map(|trunk| &trunk.profile),
            Origin::Stranger | Origin::System => None,
        }
    }

    fn callee_profile(&self, purpose: &Purpose, trunk: Option<&str>) -> Option<&LegProfile> {
        let call = &self.settings.call;
        match (purpose, trunk) {
            (Purpose::Offer { agent, .. } | Purpose::Direct(agent), _) => call.profiles.get(agent),
            (Purpose::Rejoin { user, .. }, _) => call.profiles.get(user),
            (Purpose::Dial { .. }, Some(trunk)) => call.trunks.get(trunk).map(|trunk| &trunk.profile),
            (Purpose::Dial { .. }, None) => None,
        }
    }

    fn heard_codecs(&self, profile: Option<&LegProfile>) -> Vec<Codec> {
        self.speech(profile).codecs().iter().copied().filter(|codec| *codec != Codec::G729).collect()
    }

    fn speech<'a>(&'a self, profile: Option<&'a LegProfile>) -> Speech<'a> {
        match profile {
            Some(profile) if !profile.codecs.is_empty() => Speech::Asked(&profile.codecs),
            Some(_) | None => Speech::Ours(&self.settings.media.codecs),
        }
    }
}
