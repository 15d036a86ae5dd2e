//! What outlives the process: dialogs and registrations go to the journal, and come back from it at the next start.
//!
//! The dialogs of a process that died are ended by its successor: BYE to each of their peers, so that nobody talks
//! into a dead line, and CANCEL to each phone that rings. They are spread over a few seconds, for the successor has new calls to take meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::acd;
use crate::acd::calendar::Override;
use crate::call::ANONYMOUS;
use crate::clock::Wall;
use crate::id::{AgentId, CallId, LegId};
use crate::journal::{About, AgentStateName, Binding, DialogSeed, Hop, Kind, LegRole, OfferResult, OpenLeg, Purpose};
use crate::report::live::{self, Live};
use crate::report::places::{Callback, Places, Set, Voicemail};
use crate::report::regulars::Regulars;
use crate::sip::{self, DialogNote, Flow, Loss, SessionId, Transport};

use super::{Engine, Owner};

/// What the peer of a dead process is told (RFC 3326).
const REASON: &str = "SIP;cause=503;text=\"Restarted\"";
/// Time between two bundles of BYEs.
const BUNDLE_EVERY: Duration = Duration::from_millis(50);
/// Whoever waited before the node was down for longer begins anew.
const DOWN_MAX: Duration = Duration::from_secs(15 * 60);
/// Least BYEs in a bundle: 200 a second.
const BUNDLE_MIN: usize = 10;
/// Bundles at most: all peers are told within five seconds, however many they are.
const BUNDLES_MAX: usize = 100;

/// What the journal says was up when the last process ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remains {
    /// Dialogs whose peers were not told of their end, with their calls.
    pub legs: Vec<(CallId, OpenLeg)>,
    /// Phones that were registered, each user's best last.
    pub phones: Vec<(AgentId, Binding)>,
    /// Calendars that people had set by hand.
    pub hours: BTreeMap<String, Override>,
    /// Agents as they were.
    pub agents: Vec<acd::Former>,
    /// The last agents of callers.
    pub regulars: Regulars,
    /// Callers who waited.
    pub waiting: Vec<acd::Interrupted>,
    /// Who is to be called back.
    pub callbacks: Vec<Callback>,
    /// Messages in boxes.
    pub voicemails: Vec<Voicemail>,
}

impl Remains {
    /// What the journal's folds say; `now` is the time of the new process, by which pauses and wrap-ups have gone on.
    pub fn of(now: Wall, live: &Live, places: &Places) -> Self {
        let legs = places.legs().map(|(call, open)| (call, open.clone()));
        let phones = places.phones().map(|(agent, binding)| (agent.clone(), binding.clone()));
        let agents = live.agents().iter().map(|(id, agent)| former(now, id, agent));
        let hours = places.hours().iter().map(|(name, set)| {
            let Set { state, by, since, until } = set.clone();
            (name.clone(), Override { state, by, since, until })
        });
        Self {
            legs: legs.collect(),
            phones: phones.collect(),
            agents: agents.collect(),
            hours: hours.collect(),
            regulars: places.regulars().clone(),
            waiting: interrupted(now, live),
            callbacks: places.callbacks().cloned().collect(),
            voicemails: places.voicemails().cloned().collect(),
        }
    }
}

/// Who waited and let his number be seen. After a long time nobody wants his place any more.
fn interrupted(now: Wall, live: &Live) -> Vec<acd::Interrupted> {
    if now.since(live.at()) > DOWN_MAX {
        return Vec::new();
    }
    let waiting = live.queues().iter().flat_map(|(queue, waiting)| waiting.iter().map(move |caller| (queue, caller)));
    // Whose place is kept without a line has it from his booking.
    let known = waiting.filter(|(_, caller)| !caller.callback).filter_map(|(queue, caller)| {
        let call = live.calls().get(&caller.call)?;
        let number = if call.purpose == Purpose::Callback { call.to.clone() } else { call.from.clone() };
        let is_known = !number.is_empty() && number != ANONYMOUS;
        let since = now.since(caller.entered_at);
        is_known.then(|| acd::Interrupted { queue: queue.clone(), number, since })
    });
    known.collect()
}

/// One agent in the words of the floor.
fn former(now: Wall, id: &AgentId, agent: &live::Agent) -> acd::Former {
    let shift = &agent.shift;
    let state = match (agent.state, &shift.paused, agent.call, &shift.queue) {
        (AgentStateName::Offline, ..) => acd::FormerState::Offline {
            since: now.since(shift.offline_since.unwrap_or(agent.since)),
            logged_out: shift.logged_out,
        },
        (_, Some(code), ..) => acd::FormerState::Paused { code: code.clone(), since: now.since(shift.paused_since) },
        (AgentStateName::WrapUp, None, Some(call), Some(queue)) => acd::FormerState::WrapUp {
            call,
            queue: queue.clone(),
            since: now.since(agent.since),
            left: agent.until.map(|until| until.since(now)),
        },
        (
            AgentStateName::Ready
            | AgentStateName::Ringing
            | AgentStateName::Busy
            | AgentStateName::Hold
            | AgentStateName::WrapUp
            | AgentStateName::Paused
            | AgentStateName::Unreachable,
            ..,
        ) => acd::FormerState::There,
    };
    let missed = OfferResult::FAILURES.map(|failure| shift.missed.get(failure.as_str()).copied().unwrap_or(0));
    acd::Former { agent: id.clone(), calls: shift.calls, talk_ms: shift.talk_ms, missed, state }
}

/// What this process has written down, and what it owes to the peers of the last one.
#[derive(Debug, Default)]
pub(super) struct Survival {
    /// Dialogs in the journal, by the session that ends them.
    up: BTreeMap<SessionId, (CallId, LegId)>,
    /// Dialogs of the last process that are still to be ended.
    orphans: VecDeque<(CallId, OpenLeg)>,
    /// How many of them at a time.
    bundle: usize,
    /// When the next bundle is due.
    next_at: Option<Instant>,
}

impl Survival {
    /// When `survival_due` has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next_at
    }
}

impl Engine {
    /// Takes over what a dead process left; said once, before all else.
    pub fn recover(&mut self, now: Instant, remains: Remains) {
        self.hours_set = remains.hours;
        self.floor.restore(now, remains.agents, remains.waiting);
        self.hear_floor(now);
        for (agent, binding) in remains.phones {
            if let Some(binding) = binding_of(binding) {
                self.endpoint.restore_contact(now, agent.as_str(), binding);
            }
        }
        self.regulars = remains.regulars;
        self.survival.bundle = remains.legs.len().div_ceil(BUNDLES_MAX).max(BUNDLE_MIN);
        self.survival.orphans = remains.legs.into();
        self.survival.next_at = (!self.survival.orphans.is_empty()).then_some(now);
        self.survival_due(now);
        self.restore_callbacks(now, remains.callbacks);
        self.restore_voicemails(remains.voicemails);
        self.pump(now);
    }

    /// Lets deadlines act; calling it early does nothing.
    pub(super) fn survival_due(&mut self, now: Instant) {
        self.end_orphans(now);
    }

    /// The next peers of the last process are told that their calls are over.
    fn end_orphans(&mut self, now: Instant) {
        if self.survival.next_at.is_none_or(|at| at > now) {
            return;
        }
        for _ in 0..self.survival.bundle {
            let Some((call, open)) = self.survival.orphans.pop_front() else { break };
            let leg = open.leg;
            match seed_of(open.dialog) {
                Some(seed) => {
                    let session = self.endpoint.end_orphan(now, seed, REASON);
                    self.survival.up.insert(session, (call, leg));
                }
                // A transport of a later version: nobody here can reach it.
                None => self.journal(now, About::Call(call), Kind::LegDown { leg }),
            }
        }
        self.survival.next_at = (!self.survival.orphans.is_empty()).then(|| now + BUNDLE_EVERY);
    }

    /// Signalling tells of a dialog: into the journal with it.
    pub(super) fn note_dialog(&mut self, now: Instant, note: DialogNote) {
        match note {
            DialogNote::Up { session, seed } => {
                let known = self.survival.up.get(&session).copied();
                let (found, role) = match self.sessions.get(&session).copied() {
                    Some(Owner::Call(call)) => self.leg_of(call, session),
                    Some(Owner::Ring(leg)) => (self.rings.get(&leg).map(|ring| (ring.call, leg)), self.role_of(leg)),
                    // Nobody wants it any more: its BYE is on the way.
                    None => (None, LegRole::Agent),
                };
                let Some((call, leg)) = known.or(found) else { return };
                self.survival.up.insert(session, (call, leg));
                let dialog = written(*seed);
                self.journal(now, About::Call(call), Kind::LegUp { leg, role, dialog });
            }
            DialogNote::Down { session } => {
                if let Some((call, leg)) = self.survival.up.remove(&session) {
                    self.journal(now, About::Call(call), Kind::LegDown { leg });
                }
            }
        }
    }

    /// An agent's phone registered, or is reached another way.
    pub(super) fn phone_registered(&mut self, now: Instant, user: String, binding: sip::Binding) {
        let agent = AgentId::from(user);
        let page = self.is_page(binding.flow, &binding.uri).then(|| binding.uri.clone());
        let transport = binding.flow.transport.label().to_owned();
        let kind = Kind::Registered { transport, binding: Some(written_binding(binding)) };
        self.journal(now, About::Agent(agent.clone()), kind);
        self.tell_floor(now, acd::Input::Reachable { agent: agent.clone(), reachable: true });
        self.seek_pages(now, &agent, page.as_deref());
    }

    /// One of an agent's phones is gone.
    pub(super) fn phone_gone(&mut self, now: Instant, user: String, uri: String, loss: Loss) {
        let expired = loss.is_involuntary();
        let agent = AgentId::from(user);
        self.journal(now, About::Agent(agent.clone()), Kind::ContactGone { uri, expired });
        self.seek_pages(now, &agent, None);
    }

    /// An agent's last phone is gone. What may be a short trouble of the network does not cost him his place: the floor
    /// gives him a grace. Who said so himself, or was silent for longer than that, is gone at once.
    pub(super) fn phones_gone(&mut self, now: Instant, user: String, loss: Loss) {
        let agent = AgentId::from(user);
        self.journal(now, About::Agent(agent.clone()), Kind::Unregistered { expired: loss.is_involuntary() });
        self.seek_pages(now, &agent, None);
        match loss {
            Loss::Expired | Loss::Closed => self.tell_floor(now, acd::Input::PhoneLost { agent }),
            Loss::Asked | Loss::Silent => self.tell_floor(now, acd::Input::Reachable { agent, reachable: false }),
        }
    }

    fn role_of(&self, leg: LegId) -> LegRole {
        self.legs.get(&leg).map_or(LegRole::Agent, |home| home.role)
    }

    fn leg_of(&mut self, id: CallId, session: SessionId) -> (Option<(CallId, LegId)>, LegRole) {
        let Some(call) = self.calls.get(&id) else { return (None, LegRole::Agent) };
        let customer = call.customer();
        if customer.session == session {
            return (Some((id, customer.id)), self.legs.get(&customer.id).map_or(LegRole::Customer, |home| home.role));
        }
        let mut others = call.peer().into_iter().chain(call.guests());
        let peer = others.find(|peer| peer.leg.session == session).map(|peer| peer.leg.id);
        let leg = peer.unwrap_or_else(|| self.new_leg_id());
        (Some((id, leg)), LegRole::Agent)
    }
}

/// In the words of the journal.
fn written(seed: sip::DialogSeed) -> DialogSeed {
    let sip::DialogSeed { call_id, local, remote, target, routes, cseq, flow, unanswered } = seed;
    DialogSeed { call_id, local, remote, target, routes, cseq, hop: written_hop(flow), unanswered }
}

fn written_hop(flow: Flow) -> Hop {
    Hop { transport: flow.transport.label().to_owned(), listener: flow.listener, remote: flow.remote }
}

fn written_binding(binding: sip::Binding) -> Binding {
    let sip::Binding { uri, flow, q, expires_s, path, instance, reg_id, call_id, cseq } = binding;
    Binding { uri, hop: written_hop(flow), q, expires_s, path, instance, reg_id, call_id, cseq }
}

/// In the words of signalling; `None` for a transport that is not known here.
fn seed_of(written: DialogSeed) -> Option<sip::DialogSeed> {
    let DialogSeed { call_id, local, remote, target, routes, cseq, hop, unanswered } = written;
    let flow = flow_of(&hop)?;
    Some(sip::DialogSeed { call_id, local, remote, target, routes, cseq, flow, unanswered })
}

fn flow_of(hop: &Hop) -> Option<Flow> {
    let transport = Transport::of_label(&hop.transport)?;
    Some(Flow { transport, listener: hop.listener, remote: hop.remote, connection: None })
}

fn binding_of(written: Binding) -> Option<sip::Binding> {
    let Binding { uri, hop, q, expires_s, path, instance, reg_id, call_id, cseq } = written;
    let flow = flow_of(&hop)?;
    Some(sip::Binding { uri, flow, q, expires_s, path, instance, reg_id, call_id, cseq })
}

#[cfg(test)]
#[path = "survival_tests.rs"]
mod tests;
