//! Calls over trunks: which host is tried next, who has a place, and what a carrier is shown of the caller.
//!
//! ```text
//!   dial = ["trunk:a", "trunk:b"]
//!     trunk a: may carry it, has a place --> hosts that are up, by priority, then by chance and weight
//!        host 1: silent for dial_timeout, or a code of `failover` --> host 2 --> trunk b --> the last code
//!        host 1: busy, declined, no such number                   --> the end
//! ```
//!
//! A place is taken for each try and belongs to its ring, then to its session, and goes with the session.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use rand_core::Rng;

use crate::call::Call;
use crate::call::config::{TrunkConfig, TrunkDirection, TrunkHost, TrunkIdentity};
use crate::call::route::Dial;
use crate::id::{CallId, LegId};
use crate::journal::{About, Kind};
use crate::sip::{self, Flow, Host, SessionId, Target, Transport};

use super::rings::{Shown, Way};
use super::{Engine, Owner};

/// Calls of one trunk now, and its allowance for new ones.
#[derive(Debug)]
pub(super) struct TrunkLoad {
    /// In both directions together.
    pub(super) calls: u32,
    tokens: f64,
    filled: Instant,
}

/// Why a trunk takes no call now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Full {
    /// It carries all the calls it may.
    Calls,
    /// Too many began within a second.
    Rate,
}

/// The search for somebody who takes a dialled call.
#[derive(Debug)]
pub(super) struct Search {
    dial: Dial,
    /// Trunks that were not tried yet.
    trunks: VecDeque<String>,
    /// Hosts of the present trunk that were not tried yet.
    hosts: VecDeque<Flow>,
    /// The present trunk.
    pub(super) trunk: String,
    /// The host that rings.
    pub(super) flow: Option<Flow>,
    /// The code of the last try, or of the reason why there was none.
    code: u16,
}

impl Search {
    /// Who is searched.
    pub(super) fn number(&self) -> &str {
        &self.dial.number
    }
}

impl Engine {
    /// Tells signalling where the hosts of all trunks are: after each change of them.
    pub(super) fn tell_trunks(&mut self, now: Instant) {
        let configs: Vec<TrunkConfig> = self.settings.call.trunks.values().cloned().collect();
        let mut hosts = BTreeMap::new();
        for trunk in configs {
            let mut written = trunk.hosts;
            written.sort_by_key(|host| host.priority);
            let mut flows = Vec::new();
            for host in &written {
                let mut targets = self.targets_of(host);
                targets.sort_by_key(|target| target.priority);
                flows.extend(targets.iter().filter_map(|target| self.flow_at(&host.host, target)));
            }
            hosts.insert(trunk.name, flows);
        }
        self.endpoint.set_trunks(now, hosts);
    }

    /// Takes a place on a trunk for a new call to `number`: there always is one for an emergency call.
    pub(super) fn take_trunk_place(&mut self, now: Instant, name: &str, number: &str) -> Result<(), Full> {
        let urgent = self.is_emergency(number);
        let trunk = self.settings.call.trunks.get(name);
        let rate = trunk.map_or(f64::INFINITY, |trunk| f64::from(trunk.max_calls_per_second));
        let most = trunk.map_or(u32::MAX, |trunk| trunk.max_calls);
        let load =
            self.trunks.entry(name.to_owned()).or_insert_with(|| TrunkLoad { calls: 0, tokens: rate, filled: now });
        // A bucket of one second's worth: bursts up to the rate pass, more waits.
        let since = now.saturating_duration_since(load.filled).as_secs_f64();
        load.tokens = (load.tokens + since * rate).min(rate.max(1.0));
        load.filled = now;
        if load.calls >= most && !urgent {
            return Err(Full::Calls);
        }
        if load.tokens < 1.0 && !urgent {
            return Err(Full::Rate);
        }
        load.tokens = (load.tokens - 1.0).max(0.0);
        load.calls += 1;
        Ok(())
    }

    pub(super) fn leave_trunk(&mut self, name: &str) {
        if let Some(load) = self.trunks.get_mut(name) {
            load.calls = load.calls.saturating_sub(1);
        }
    }

    /// A session is nobody's any more; its place on a trunk is free.
    pub(super) fn forget_session(&mut self, session: &SessionId) -> Option<Owner> {
        if let Some(place) = self.trunk_sessions.remove(session) {
            self.leave_trunk(&place.trunk);
            self.leave_account(*session, &place);
        }
        self.sessions.remove(session)
    }

    /// The call wants a number rung over the first of these trunks that takes it.
    pub(super) fn search_trunks(&mut self, now: Instant, call: CallId, dial: &Dial, names: &[String]) {
        if let Err(held) = self.may_go_out(now, call, &dial.number, names) {
            return self.hold_back(now, call, dial, held);
        }
        let trunks = self.awake_first(now, names);
        let (hosts, trunk) = (VecDeque::new(), String::new());
        let search = Search { dial: dial.clone(), trunks, hosts, trunk, flow: None, code: 503 };
        self.try_next(now, call, search, None);
    }

    /// In their order, but those without any host that is up only after the others: one may be back before its next sign
    /// of life.
    fn awake_first(&self, now: Instant, names: &[String]) -> VecDeque<String> {
        let sleeps = |name: &&String| {
            let hosts = self.endpoint.trunk(now, name).unwrap_or_default().hosts;
            !hosts.is_empty() && hosts.iter().all(|host| !host.up)
        };
        let (last, first): (Vec<&String>, Vec<&String>) = names.iter().partition(sleeps);
        first.into_iter().chain(last).cloned().collect()
    }

    /// Rings the next host; when there is none, the call hears how the last one ended. `failed` is the try before.
    fn try_next(&mut self, now: Instant, call: CallId, mut search: Search, failed: Option<String>) {
        let Some(flow) = self.next_host(now, &mut search) else {
            let target = failed.unwrap_or_else(|| {
                let label = search.dial.target.label(&search.dial.number);
                self.with_call(now, call, |call, _| call.handle_try(label.clone()));
                label
            });
            return self.dial_failed(now, call, target, search.code);
        };
        let target = format!("trunk:{}@{}", search.trunk, flow.remote);
        let code = search.code;
        self.with_call(now, call, |call, _| {
            if let Some(failed) = failed {
                call.handle_try_failed(failed, code);
            }
            call.handle_try(target.clone());
        });
        let begun = match self.way_over(call, &search, flow) {
            Some(way) => self.begin_dial(now, call, target.clone(), way),
            None => Err(487),
        };
        match begun {
            Ok(leg) => {
                if let Some(ring) = self.rings.get_mut(&leg) {
                    ring.search = Some(Box::new(Search { flow: Some(flow), ..search }));
                }
            }
            Err(code) => {
                // For want of a port or of hops: another host would not help.
                self.leave_trunk(&search.trunk);
                self.dial_failed(now, call, target, code);
            }
        }
    }

    /// A try of this search came to nothing: the next one, when the code says that it was the trunk and not the callee.
    pub(super) fn try_failed(&mut self, now: Instant, call: CallId, search: Search, target: String, code: u16) {
        let trunk = self.settings.call.trunks.get(&search.trunk);
        let goes_on = code == 408 || trunk.is_some_and(|trunk| trunk.failover.contains(&code));
        if goes_on && let Some(flow) = search.flow {
            self.note_trunk_failure(now, &search.trunk, format!("{code} from {} to a call", flow.remote));
        }
        match goes_on {
            true => self.try_next(now, call, Search { code, ..search }, Some(target)),
            false => self.dial_failed(now, call, target, code),
        }
    }

    /// The next host, with a place for the call on its trunk.
    fn next_host(&mut self, now: Instant, search: &mut Search) -> Option<Flow> {
        loop {
            if let Some(flow) = search.hosts.pop_front() {
                // The place of the try before was given back a moment ago.
                self.trunks.entry(search.trunk.clone()).and_modify(|load| load.calls += 1);
                return Some(flow);
            }
            let name = search.trunks.pop_front()?;
            let carries = self.settings.call.trunks.get(&name).is_some_and(|t| t.direction != TrunkDirection::In);
            let hosts = if carries { self.hosts_in_turn(now, &name) } else { Vec::new() };
            if hosts.is_empty() || self.take_trunk_place(now, &name, &search.dial.number).is_err() {
                continue;
            }
            self.leave_trunk(&name);
            (search.trunk, search.hosts) = (name, hosts.into());
        }
    }

    /// The hosts of a trunk in the order in which this call tries them: those that are up, or all when none is.
    fn hosts_in_turn(&mut self, now: Instant, name: &str) -> Vec<Flow> {
        let Some(trunk) = self.settings.call.trunks.get(name) else { return Vec::new() };
        let hosts = trunk.hosts.clone();
        let mut flows = Vec::new();
        for host in self.in_turn(hosts, |host| (host.priority, host.weight)) {
            let targets = self.targets_of(&host);
            for target in self.in_turn(targets, |target| (target.priority, target.weight)) {
                flows.extend(self.flow_at(&host.host, &target));
            }
        }
        let view = self.endpoint.trunk(now, name).unwrap_or_default();
        let down = |flow: &Flow| view.hosts.iter().any(|host| host.flow == *flow && !host.up);
        if !flows.iter().all(down) {
            flows.retain(|flow| !down(flow));
        }
        flows
    }

    /// By priority, and among equals by chance: each is as likely to be next as its weight says (RFC 2782). Those of
    /// weight 0 come last among their equals.
    fn in_turn<T>(&mut self, mut list: Vec<T>, rank: impl Fn(&T) -> (u16, u16)) -> Vec<T> {
        let mut ordered = Vec::with_capacity(list.len());
        while let Some(lowest) = list.iter().map(|entry| rank(entry).0).min() {
            let weight = |entry: &T| Some(rank(entry)).filter(|(p, _)| *p == lowest).map_or(0, |(_, w)| u64::from(w));
            let all: u64 = list.iter().map(weight).sum();
            let drawn = if all == 0 { 0 } else { self.random.next_u64() % all };
            let mut sum = 0;
            let chosen = list.iter().position(|entry| {
                sum += weight(entry);
                rank(entry).0 == lowest && (all == 0 || drawn < sum)
            });
            let Some(chosen) = chosen else { break };
            ordered.push(list.remove(chosen));
        }
        ordered
    }

    fn targets_of(&self, host: &TrunkHost) -> Vec<Target> {
        let mut targets = self.targets(&host.host);
        if let (Host::Address(_), Some(transport)) = (&host.host, host.transport) {
            for target in &mut targets {
                target.transport = transport;
            }
        }
        targets
    }

    fn flow_at(&mut self, host: &Host, target: &Target) -> Option<Flow> {
        let name = match host {
            Host::Address(address) => address.ip().to_string(),
            Host::Name { name, .. } => name.clone(),
        };
        self.endpoint.flow_to(target.transport, target.address, &name)
    }

    /// How the call is put to this host; `None` when nobody is dialling any more.
    fn way_over(&self, call: CallId, search: &Search, flow: Flow) -> Option<Way> {
        let known = self.calls.get(&call).filter(|call| call.is_dialing())?;
        let trunk = self.settings.call.trunks.get(&search.trunk)?;
        let number = match &trunk.numbering {
            Some(numbering) => numbering.write(&search.dial.number),
            None => search.dial.number.clone(),
        };
        let user = sip::uri::escape_user(&number);
        let remote = flow.remote;
        let transport = match flow.transport {
            Transport::Udp => String::new(),
            other => format!(";transport={}", other.label()),
        };
        let shown = self.shown_over(trunk, known, search.dial.caller_id.as_deref());
        Some(Way {
            flow,
            uri: format!("sip:{user}@{remote}{transport}"),
            to: format!("sip:{user}@{remote}"),
            routes: Vec::new(),
            trunk: Some(search.trunk.clone()),
            shown: Some(shown),
        })
    }

    /// Who calls, as this trunk is told.
    fn shown_over(&self, trunk: &TrunkConfig, call: &Call, of_number: Option<&str>) -> Shown {
        let of_queue = || {
            let user = call.user()?;
            let queues = &self.settings.floor.agents.get(user)?.queues;
            queues.iter().find_map(|queue| self.settings.call.queue_caller_ids.get(queue))
        };
        let of_trunk = || call.user().and(trunk.caller_id.as_ref());
        let own = of_number.or_else(|| of_queue().or_else(of_trunk).map(String::as_str));
        let number = own.unwrap_or_else(|| call.from());
        let number = trunk.numbering.as_ref().map_or_else(|| number.to_owned(), |numbering| numbering.write(number));
        // Nobody knows the number of who came anonymous.
        let known = own.is_some() || !call.is_private();
        match trunk.identity {
            TrunkIdentity::From => Shown { from: number, asserted: None, remote_party: None },
            TrunkIdentity::Asserted => {
                Shown { from: number.clone(), asserted: Some(number).filter(|_| known), remote_party: None }
            }
            TrunkIdentity::RemoteParty => {
                Shown { from: number.clone(), asserted: None, remote_party: Some(number).filter(|_| known) }
            }
        }
    }

    /// OPTIONS found a host to be down, or to be back.
    pub(super) fn trunk_state(&mut self, now: Instant, trunk: &str, host: SocketAddr, up: bool, detail: &str) {
        if up {
            return tracing::info!(trunk, %host, "a host of a trunk is up again");
        }
        tracing::warn!(trunk, %host, detail, "a host of a trunk is down: calls go to the others");
        self.note_trunk_failure(now, trunk, format!("{host} is down: {detail}"));
        let detail = format!("trunk {trunk}: {host} is down ({detail}); calls go to its other hosts");
        self.journal(now, About::Node, Kind::Trouble { code: "trunk_host_down".into(), detail });
    }

    /// A carrier granted or refused our registration.
    pub(super) fn trunk_registered(&mut self, now: Instant, trunk: &str, ok: bool, code: u16) {
        if ok {
            return tracing::debug!(trunk, "registered at the carrier");
        }
        tracing::warn!(trunk, code, "the carrier does not register us: see its username, password and realm");
        self.note_trunk_failure(now, trunk, format!("{code} to REGISTER"));
        let detail = format!("trunk {trunk}: the registration failed ({code}); it is tried again");
        self.journal(now, About::Node, Kind::Trouble { code: "trunk_not_registered".into(), detail });
    }

    /// When a host that stays wholly silent is given up.
    pub(super) fn await_sign(&mut self, now: Instant, trunk: &str, leg: LegId) {
        if let Some(trunk) = self.settings.call.trunks.get(trunk) {
            self.silences.insert((now + trunk.dial_timeout, leg));
        }
    }

    /// Hosts that said nothing for too long are left for the next ones.
    pub(super) fn silences_due(&mut self, now: Instant) {
        while let Some((at, leg)) = self.silences.first().copied().filter(|(at, _)| *at <= now) {
            self.silences.remove(&(at, leg));
            self.give_up_silent(now, leg);
        }
    }
}
