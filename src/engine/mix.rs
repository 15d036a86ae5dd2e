//! Who hears whom, where it is more than the two sides of a bridge: worked out anew after every step of such a call.
//!
//! ```text
//!               customer          agent                      supervisor
//!   listen      bridge            bridge                     customer + agent
//!   whisper     bridge            customer + supervisor      customer + agent
//!   barge       agent + sup.      customer + supervisor      customer + agent
//!   conference  each hears all the others
//! ```
//!
//! What a leg hears is a list of voices: a whisper is in the agent's list alone, so no path leads it to the customer or
//! into his side of a recording.

use smallvec::SmallVec;

use crate::call::Call;
use crate::call::route::Route;
use crate::id::{CallId, LegId};
use crate::journal::SupervisionMode;
use crate::media;

use super::Engine;

/// Whom a leg hears in place of its bridge; none: its bridge.
pub(super) type Voices = SmallVec<[LegId; 4]>;

impl Engine {
    /// Lets everybody of a call hear whom he should, as far as that changed.
    pub(super) fn remix(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        if self.voices.is_empty() && self.hearing.is_empty() && call.guests().is_empty() {
            return;
        }
        let shard = call.shard();
        for (leg, voices) in self.wanted(call) {
            self.set_voices(shard, leg, voices);
        }
    }

    pub(super) fn set_voices(&mut self, shard: usize, leg: LegId, voices: Voices) {
        let same = match self.voices.get(&leg) {
            Some(known) => *known == voices,
            None => voices.is_empty(),
        };
        if same {
            return;
        }
        match voices.is_empty() {
            true => self.voices.remove(&leg),
            false => self.voices.insert(leg, voices.clone()),
        };
        self.media(shard, media::Command::Mix { leg, voices });
    }

    /// Whom each leg of a call is to hear, supervisors' included.
    fn wanted(&self, call: &Call) -> Vec<(LegId, Voices)> {
        if matches!(call.route(), Route::Supervise(..)) || call.customer().port.is_none() {
            return Vec::new();
        }
        let customer = call.customer().id;
        let Some(peer) = call.peer() else { return vec![(customer, Voices::new())] };
        let (agent, joined, guests) = (peer.leg.id, call.is_talking(), call.guests());
        let ears = self.ears_of(call);
        let heard = |modes: &[SupervisionMode]| -> Voices {
            ears.iter().filter(|(_, mode)| modes.contains(mode)).map(|(leg, _)| *leg).collect()
        };
        let (to_agent, to_all) =
            (heard(&[SupervisionMode::Whisper, SupervisionMode::Barge]), heard(&[SupervisionMode::Barge]));
        let parties: Voices = [customer, agent].into_iter().chain(guests.iter().map(|guest| guest.leg.id)).collect();
        let of_party = |leg: &LegId| {
            // Who is sent elsewhere hears what that brings, and who sends him hears him no longer.
            let others = parties.iter().filter(|other| joined && *other != leg);
            let supervisors: &[LegId] = match (*leg == agent, joined) {
                (true, _) => &to_agent,
                (false, true) => &to_all,
                (false, false) => &[],
            };
            let plain = guests.is_empty() && supervisors.is_empty();
            let voices = if plain { Voices::new() } else { others.chain(supervisors).copied().collect() };
            (*leg, voices)
        };
        let of_ear = |(ear, _): &(LegId, SupervisionMode)| {
            (*ear, parties.iter().chain(to_all.iter().filter(|other| *other != ear)).copied().collect())
        };
        parties.iter().map(of_party).chain(ears.iter().map(of_ear)).collect()
    }

    /// The phones of those who hear this call, and how they take part.
    fn ears_of(&self, call: &Call) -> Vec<(LegId, SupervisionMode)> {
        let Some(agent) = call.peer().and_then(|peer| peer.kind.agent()) else { return Vec::new() };
        let lines = self.listeners.get(agent).into_iter().flatten();
        let hears = lines.filter_map(|(ear, _)| Some((ear, self.hearing.get(ear)?)));
        let here = hears.filter(|(_, hearing)| hearing.talk == call.id());
        here.filter_map(|(ear, hearing)| Some((self.calls.get(ear)?.customer().id, hearing.mode))).collect()
    }

    /// Everybody hears whom he should, and nobody else.
    pub(super) fn check_voices(&self) -> Result<(), String> {
        for call in self.calls.values() {
            for (leg, voices) in self.wanted(call) {
                let heard = self.voices.get(&leg).map_or(&[][..], |voices| voices);
                if heard != voices.as_slice() {
                    return Err(format!("{leg:?} of {} hears {heard:?} and not {voices:?}", call.id()));
                }
            }
        }
        match self.voices.keys().find(|leg| !self.legs.contains_key(leg)) {
            Some(leg) => Err(format!("{leg:?} is closed and still hears somebody")),
            None => Ok(()),
        }
    }
}
