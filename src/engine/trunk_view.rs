//! Trunks as operators see them.

use std::time::{Duration, Instant};

use crate::call::config::{TrunkConfig, TrunkDirection};
use crate::clock::Wall;
use crate::sip::TrunkHostView;

use super::Engine;

/// One trunk at one moment.
#[derive(Clone, Debug)]
pub struct TrunkStatus {
    /// Its name.
    pub name: String,
    /// Which way calls may go.
    pub direction: TrunkDirection,
    /// Calls from it now.
    pub calls_in: u32,
    /// Calls to it now, ringing ones included.
    pub calls_out: u32,
    /// Most calls at once, in both directions together.
    pub max_calls: u32,
    /// Its hosts, best first.
    pub hosts: Vec<TrunkHostView>,
    /// We register there.
    pub registers: bool,
    /// How long the registration still lasts; `None`: not registered.
    pub registered_for: Option<Duration>,
    /// What went wrong last, and when; of this process.
    pub failure: Option<(Wall, String)>,
}

impl TrunkStatus {
    /// `up`, `not_registered`, `down`, or `in_only` for one that is never called.
    pub fn state(&self) -> &'static str {
        match self.direction {
            TrunkDirection::In => "in_only",
            TrunkDirection::Both | TrunkDirection::Out if !self.hosts.iter().any(|host| host.up) => "down",
            TrunkDirection::Both | TrunkDirection::Out if self.registers && self.registered_for.is_none() => {
                "not_registered"
            }
            TrunkDirection::Both | TrunkDirection::Out => "up",
        }
    }
}

impl Engine {
    /// All trunks, by name.
    pub fn trunk_statuses(&self, now: Instant) -> Vec<TrunkStatus> {
        let status = |(name, config): (&String, &TrunkConfig)| {
            let view = self.endpoint.trunk(now, name).unwrap_or_default();
            let calls = self.trunks.get(name).map_or(0, |load| load.calls);
            let opening = self.rings.values().filter(|ring| ring.place() == Some(name.as_str())).count();
            let out = self.trunk_sessions.values().filter(|place| place.trunk == *name).count() + opening;
            let out = u32::try_from(out).unwrap_or(u32::MAX);
            TrunkStatus {
                name: name.clone(),
                direction: config.direction,
                calls_in: calls.saturating_sub(out),
                calls_out: out,
                max_calls: config.max_calls,
                hosts: view.hosts,
                registers: view.registers,
                registered_for: view.registered_for,
                failure: self.trunk_failures.get(name).cloned(),
            }
        };
        self.settings.call.trunks.iter().map(status).collect()
    }

    /// Something went wrong at a trunk.
    pub(super) fn note_trunk_failure(&mut self, now: Instant, trunk: &str, what: String) {
        self.trunk_failures.insert(trunk.to_owned(), (self.clock.wall(now), what));
    }
}
