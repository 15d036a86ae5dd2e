//! The engine as seen from outside, and the proof that it is in order.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use crate::acd::Floor;
use crate::call::Call;
use crate::id::{AgentId, CallId};
use crate::journal::Origin;
use crate::media::Port;
use crate::sip;

use super::rings::Purpose;
use super::{Engine, Owner};

/// Figures of the engine itself, beside the journal: transport and resources.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Signalling.
    pub sip: sip::Stats,
    /// Calls up or being set up.
    pub calls: usize,
    /// Legs whose port is not free yet.
    pub legs: usize,
    /// Bots that talk with callers, or are being reached.
    pub forks: usize,
    /// RTP port pairs in use.
    pub ports_in_use: usize,
    /// RTP port pairs in all.
    pub ports_limit: usize,
    /// Ports used again before their 30 s were over.
    pub ports_reused_early: u64,
    /// Calls ended by a fault of ours; must stay 0.
    pub panics: u64,
    /// Calls by trunk.
    pub trunk_calls: BTreeMap<String, u32>,
    /// Whether a trunk has a host that takes calls, for trunks with hosts.
    pub trunks_up: BTreeMap<String, bool>,
    /// No new calls are taken.
    pub draining: bool,
}

impl Engine {
    /// Figures of the moment.
    pub fn stats(&self) -> Stats {
        Stats {
            sip: self.endpoint.stats(),
            calls: self.calls.len(),
            legs: self.legs.len(),
            forks: self.forks.len(),
            ports_in_use: self.ports.in_use(),
            ports_limit: self.ports.limit(),
            ports_reused_early: self.ports.reused_early(),
            panics: self.panics,
            trunk_calls: self.trunks.iter().map(|(name, load)| (name.clone(), load.calls)).collect(),
            trunks_up: self.endpoint.trunks_up(),
            draining: self.draining,
        }
    }

    /// Sources that signalling does not listen to.
    pub fn bans(&self, now: Instant) -> Vec<sip::Ban> {
        self.endpoint.bans(now)
    }

    /// Listens to a source again; false when it is not banned.
    pub fn unban(&mut self, now: Instant, address: IpAddr) -> bool {
        self.endpoint.unban(now, address)
    }

    /// The floor, to look at.
    pub fn floor(&self) -> &Floor {
        &self.floor
    }

    /// Live calls, to look at.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    /// What must hold between two inputs; the simulation asks after every step.
    ///
    /// # Errors
    ///
    /// The first thing that does not hold, in words.
    pub fn check(&self) -> Result<(), String> {
        self.floor.check()?;
        self.check_callbacks()?;
        self.check_calls()
    }

    /// [`Engine::check`] without the floor's part, for steps that did not touch it ([`Floor::turns`]).
    ///
    /// # Errors
    ///
    /// The first thing that does not hold, in words.
    pub fn check_calls(&self) -> Result<(), String> {
        let own = self.legs.values().filter(|home| matches!(home.port, Port::Own(_))).count();
        if self.ports.in_use() != own {
            return Err(format!("{} ports are taken for {own} legs", self.ports.in_use()));
        }
        for (id, call) in &self.calls {
            if call.is_ended() {
                return Err(format!("{id} has ended but is still kept"));
            }
            if call.waiting_in().is_some() != self.floor.position(*id).is_some() {
                return Err(format!("{id} and the floor disagree whether it waits"));
            }
        }
        for id in self.forks.calls() {
            if !self.calls.get(id).is_some_and(Call::is_forked) {
                return Err(format!("{id} has a bot that it does not want"));
            }
        }
        self.check_rings()?;
        if let Some(call) = self.own_calls.values().flatten().find(|call| !self.calls.contains_key(call)) {
            return Err(format!("{call} is over but still somebody's own call"));
        }
        self.check_talks()?;
        self.check_trunks()?;
        for (session, owner) in &self.sessions {
            let known = match owner {
                Owner::Call(call) => self.calls.contains_key(call),
                Owner::Ring(leg) => self.rings.contains_key(leg),
            };
            if !known {
                return Err(format!("{session:?} belongs to nobody"));
            }
        }
        if self.deadlines.len() != self.deadline_of.len() || !self.errands.is_empty() || !self.acting.is_empty() {
            return Err("something was begun and left".to_owned());
        }
        Ok(())
    }

    /// A phone rings for a call that lives, and is found by what it rings for.
    fn check_rings(&self) -> Result<(), String> {
        for (leg, ring) in &self.rings {
            let Some(call) = self.calls.get(&ring.call) else {
                return Err(format!("leg {leg:?} rings for {} that is over", ring.call));
            };
            let (found, wanted) = match &ring.purpose {
                Purpose::Offer { offer, .. } => (self.offers.get(offer).copied(), call.waiting_in().is_some()),
                Purpose::Direct(_) | Purpose::Dial { .. } => (self.dials.get(&ring.call).copied(), call.is_dialing()),
                Purpose::Rejoin { .. } => (self.rejoins.ring(ring.call), call.rings_page()),
            };
            if found != Some(*leg) || !wanted {
                return Err(format!("leg {leg:?} rings for {}, which does not know it", ring.call));
            }
        }
        match self.offers.len() + self.dials.len() + self.rejoins.rings() == self.rings.len() {
            true => Ok(()),
            false => Err("an offer, a dial or a page without its ring".to_owned()),
        }
    }

    /// Agents talk in calls that know it; who listens hears the agent's present talk.
    fn check_talks(&self) -> Result<(), String> {
        let talking = |call: &Call| call.peer().and_then(|peer| peer.kind.agent().cloned()).map(|a| (a, call.id()));
        let talks: BTreeSet<(AgentId, CallId)> = self.calls.values().filter_map(talking).collect();
        let known = self.talks.iter().flat_map(|(agent, calls)| calls.iter().map(|call| (agent.clone(), *call)));
        if talks != known.collect() || talks.len() != self.talks.values().map(Vec::len).sum::<usize>() {
            return Err(format!("agents talk in {talks:?}, the engine knows {:?}", self.talks));
        }
        for (ear, hearing) in &self.hearing {
            let listens = self.listeners.get(&hearing.agent).is_some_and(|ears| ears.contains_key(ear));
            if !listens || self.talk_of(&hearing.agent) != Some(hearing.talk) {
                return Err(format!("{ear} hears {}, which it should not", hearing.talk));
            }
        }
        self.check_voices()?;
        match self.listeners.values().flatten().find(|(ear, _)| !self.calls.contains_key(ear)) {
            Some((ear, _)) => Err(format!("{ear} still listens but is over")),
            None => Ok(()),
        }
    }

    /// The places taken on trunks are their calls.
    fn check_trunks(&self) -> Result<(), String> {
        let mut live: BTreeMap<&str, u32> = BTreeMap::new();
        for call in self.calls.values() {
            if let Origin::Trunk(name) = call.origin() {
                *live.entry(name.as_str()).or_default() += 1;
            }
        }
        let opening = self.rings.values().filter_map(|ring| ring.place());
        for name in self.trunk_sessions.values().map(|place| place.trunk.as_str()).chain(opening) {
            *live.entry(name).or_default() += 1;
        }
        if let Some(lost) = self.trunk_sessions.keys().find(|session| !self.sessions.contains_key(session)) {
            return Err(format!("{lost:?} has a place on a trunk but is nobody's"));
        }
        self.check_accounts()?;
        let taken = self.trunks.iter().filter(|(_, load)| load.calls > 0);
        let taken: BTreeMap<&str, u32> = taken.map(|(name, load)| (name.as_str(), load.calls)).collect();
        match live == taken {
            true => Ok(()),
            false => Err(format!("trunks carry {live:?}, places taken are {taken:?}")),
        }
    }
}
