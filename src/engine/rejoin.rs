//! A user's page is loaded anew in the middle of a call: his new page is rung for it, and takes its place.
//!
//! A page is known to be gone when its connection is closed and it has not registered by another. That alone does not
//! move a talk: of two pages of a user the wrong one may be back first after a trouble of the network. So media is counted
//! for a while; a page that still sends goes on talking, by whichever connection it comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::call::PeerKind;
use crate::call::config::MediaPath;
use crate::id::{AgentId, CallId, LegId};
use crate::journal::Quality;
use crate::media;
use crate::sip::SessionId;

use super::rings::{Purpose, Way};
use super::{Engine, Owner};

/// For how long packets of a page that seems to be gone are counted.
const COUNT: Duration = Duration::from_secs(1);

/// Talks that wait for new pages.
#[derive(Debug, Default)]
pub(super) struct Rejoins {
    /// Legs that are silent though the other side speaks.
    silent: BTreeSet<LegId>,
    /// One for each call at most.
    wanted: BTreeMap<CallId, Rejoin>,
}

/// A user has a new page, and a call whose page is gone.
#[derive(Debug)]
struct Rejoin {
    user: AgentId,
    /// The Contact of the new page.
    page: String,
    /// What is gone.
    session: SessionId,
    leg: LegId,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Until then packets of the old page are counted; what they were at the beginning, once it is told.
    Counts { until: Instant, before: Option<u64> },
    /// They are asked for again.
    Compares { until: Instant, before: u64 },
    /// The new page is rung.
    Rings(LegId),
}

impl Rejoins {
    /// When `rejoins_due` has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let until = |rejoin: &Rejoin| match rejoin.stage {
            Stage::Counts { until, .. } | Stage::Compares { until, .. } => Some(until),
            Stage::Rings(_) => None,
        };
        self.wanted.values().filter_map(until).min()
    }

    /// The ring at the new page of this call.
    pub(super) fn ring(&self, call: CallId) -> Option<LegId> {
        match self.wanted.get(&call)?.stage {
            Stage::Rings(leg) => Some(leg),
            Stage::Counts { .. } | Stage::Compares { .. } => None,
        }
    }

    /// How many pages are rung.
    pub(super) fn rings(&self) -> usize {
        self.wanted.keys().filter(|call| self.ring(**call).is_some()).count()
    }

    /// The ring has another name.
    pub(super) fn rename(&mut self, call: CallId, new: LegId) {
        if let Some(rejoin) = self.wanted.get_mut(&call) {
            rejoin.stage = Stage::Rings(new);
        }
    }

    /// Packets of this session's page need not be counted.
    fn forget_count(&mut self, call: CallId, session: SessionId) {
        let counts = |rejoin: &Rejoin| rejoin.session == session && !matches!(rejoin.stage, Stage::Rings(_));
        if self.wanted.get(&call).is_some_and(counts) {
            self.wanted.remove(&call);
        }
    }

    /// The call is over, or nobody is away from it any more.
    pub(super) fn forget(&mut self, call: CallId) {
        self.wanted.remove(&call);
    }
}

impl Engine {
    /// Looks whether pages of this user are gone from his talks, or there again; `page` is one that he may go on at.
    /// Who is silent for long goes on at any that he has.
    pub(super) fn seek_pages(&mut self, now: Instant, user: &AgentId, page: Option<&str>) {
        let talks = self.talks.get(user).into_iter().flatten();
        let own = self.own_calls.get(user).into_iter().flatten();
        // Supervisors are at agents, not at calls.
        let is_his = |ear: &&CallId| self.calls.get(ear).is_some_and(|line| line.user() == Some(user));
        let ears = self.listeners.values().flat_map(BTreeMap::keys).filter(is_his);
        let mut calls: Vec<CallId> = talks.chain(own).chain(ears).copied().collect();
        calls.sort_unstable();
        calls.dedup();
        for call in calls {
            self.seek_page(now, call, user, page);
        }
    }

    /// This user has his talk again after something that hid him: he may have lost his page and got another meanwhile.
    pub(super) fn seek_again(&mut self, now: Instant, call: CallId, user: &AgentId) {
        let page = self.any_page(now, user);
        self.seek_page(now, call, user, page.as_deref());
    }

    fn seek_page(&mut self, now: Instant, id: CallId, user: &AgentId, page: Option<&str>) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(leg) = call.place_of(user) else { return };
        let (leg, session, shard, away) = (leg.id, leg.session, call.shard(), call.is_away(leg.session));
        if !self.endpoint.has_lost_page(session) {
            if away {
                self.with_call(now, id, |call, _| call.handle_page_back(session));
            }
            return self.rejoins.forget_count(id, session);
        }
        let silent = self.rejoins.silent.contains(&leg);
        if silent {
            self.with_call(now, id, |call, context| call.handle_page_gone(context, session, user));
        }
        let fresh = page.is_some();
        let any = || self.any_page(now, user).filter(|_| silent);
        let Some(page) = page.map(str::to_owned).or_else(any) else { return };
        match self.rejoins.wanted.get_mut(&id) {
            Some(rejoin) if !fresh || rejoin.session != session => return,
            Some(Rejoin { stage: Stage::Rings(_), page: rung, .. }) if *rung != page => {
                // He loaded that one anew as well, and it was not told yet.
                self.drop_page(now, id);
                self.with_call(now, id, |call, context| call.handle_page_failed(context, 503, true));
            }
            Some(Rejoin { stage: Stage::Rings(_), .. }) => return,
            Some(rejoin) => return rejoin.page = page,
            None => {}
        }
        let stage = Stage::Counts { until: now + COUNT, before: None };
        self.rejoins.wanted.insert(id, Rejoin { user: user.clone(), page, session, leg, stage });
        self.media(shard, media::Command::Report { leg });
    }

    /// The Contact of a page of this user.
    fn any_page(&self, now: Instant, user: &AgentId) -> Option<String> {
        let contacts = self.endpoint.contacts(now, user.as_str());
        contacts.into_iter().find(|contact| self.is_page(contact.flow, &contact.uri)).map(|contact| contact.uri)
    }

    /// A phone is silent though the other side speaks, or speaks again.
    pub(super) fn page_silent(&mut self, now: Instant, leg: LegId, id: CallId, silent: bool) {
        match silent {
            true => self.rejoins.silent.insert(leg),
            false => self.rejoins.silent.remove(&leg),
        };
        let Some((user, session)) = self.talker(id, leg) else { return };
        match silent {
            true => self.seek_page(now, id, &user, None),
            // It is heard, though no connection leads to it.
            false if self.rejoins.ring(id).is_none() => {
                self.with_call(now, id, |call, _| call.handle_page_back(session));
            }
            false => {}
        }
    }

    /// Somebody hangs up in this session: his page is there.
    pub(super) fn page_heard(&mut self, now: Instant, session: SessionId) {
        if let Some(Owner::Call(id)) = self.sessions.get(&session).copied() {
            self.with_call(now, id, |call, _| call.handle_page_back(session));
        }
    }

    /// Nothing came from a leg for too long: true when it is a page's that is gone, whose talk may wait.
    pub(super) fn page_timed_out(&mut self, now: Instant, leg: LegId, id: CallId) -> bool {
        let Some((user, session)) = self.talker(id, leg) else { return false };
        let gone = self.endpoint.has_lost_page(session);
        if gone {
            self.with_call(now, id, |call, context| call.handle_page_timeout(context, session, &user));
        }
        gone
    }

    /// The user of ours who talks by this leg, and his session.
    fn talker(&self, id: CallId, leg: LegId) -> Option<(AgentId, SessionId)> {
        let call = self.calls.get(&id)?;
        let user = call.placed_at(leg)?.clone();
        let session = call.place_of(&user).filter(|his| his.id == leg)?.session;
        Some((user, session))
    }

    /// The leg is closed.
    pub(super) fn page_closed(&mut self, leg: LegId) {
        self.rejoins.silent.remove(&leg);
    }

    /// Lets deadlines act; calling it early does nothing.
    pub(super) fn rejoins_due(&mut self, now: Instant) {
        let due = |rejoin: &Rejoin| match rejoin.stage {
            Stage::Counts { until, .. } | Stage::Compares { until, .. } => until <= now,
            Stage::Rings(_) => false,
        };
        let calls: Vec<CallId> = self.rejoins.wanted.iter().filter(|(_, r)| due(r)).map(|(call, _)| *call).collect();
        for id in calls {
            let (Some(rejoin), Some(call)) = (self.rejoins.wanted.get_mut(&id), self.calls.get(&id)) else { continue };
            match rejoin.stage {
                Stage::Counts { before: Some(before), .. } => {
                    rejoin.stage = Stage::Compares { until: now + COUNT, before };
                    let (shard, leg) = (call.shard(), rejoin.leg);
                    self.media(shard, media::Command::Report { leg });
                }
                // Media does not answer: its silence of 5 s brings the next try.
                Stage::Counts { before: None, .. } | Stage::Compares { .. } => self.rejoins.forget(id),
                Stage::Rings(_) => {}
            }
        }
    }

    /// Media says how many packets came.
    pub(super) fn page_counted(&mut self, now: Instant, leg: LegId, quality: Quality) {
        let Some(id) = self.legs.get(&leg).map(|home| home.call) else { return };
        let Some(rejoin) = self.rejoins.wanted.get_mut(&id).filter(|rejoin| rejoin.leg == leg) else { return };
        match &mut rejoin.stage {
            Stage::Counts { before, .. } => _ = before.get_or_insert(quality.received),
            Stage::Compares { before, .. } if *before == quality.received => self.ring_page(now, id),
            // That page lives: it is only its connection that is gone.
            Stage::Compares { .. } => self.rejoins.forget(id),
            Stage::Rings(_) => {}
        }
    }

    /// The old page is silent: the new one is rung, and the other side hears music meanwhile.
    fn ring_page(&mut self, now: Instant, id: CallId) {
        let Some(Rejoin { user, page, session, .. }) = self.rejoins.wanted.remove(&id) else { return };
        let still = self.calls.get(&id).and_then(|call| call.place_of(&user)).map(|leg| (leg.id, leg.session));
        let contacts = self.endpoint.contacts(now, user.as_str());
        let contact = contacts.into_iter().find(|contact| contact.uri == page);
        let (Some((leg, now_in)), Some(contact)) = (still, contact) else { return };
        if now_in != session || !self.endpoint.has_lost_page(session) {
            return;
        }
        self.with_call(now, id, |call, context| call.handle_page_gone(context, session, &user));
        if self.calls.get(&id).is_none_or(|call| !call.is_away(session)) {
            return;
        }
        let way = Way::to_phone(contact.flow, contact.uri, self.address_of(&user), contact.path);
        let purpose = Purpose::Rejoin { user: user.clone(), session };
        let queue = self.calls.get(&id).and_then(|call| match &call.peer()?.kind {
            PeerKind::Agent { agent, queue } if *agent == user => Some(queue.clone()),
            PeerKind::Agent { .. } | PeerKind::Direct(_) | PeerKind::Dialed { .. } => None,
        });
        let display = queue.as_ref().map(|queue| queue.as_str());
        match self.begin_ring(now, id, purpose, way, display, MediaPath::Relay) {
            Ok(ring) => {
                let stage = Stage::Rings(ring);
                self.rejoins.wanted.insert(id, Rejoin { user, page, session, leg, stage });
                self.with_call(now, id, |call, context| call.handle_page_rung(context.now));
            }
            Err(code) => self.with_call(now, id, |call, context| call.handle_page_failed(context, code, false)),
        }
    }

    /// The new page answered.
    pub(super) fn page_answered(&mut self, now: Instant, ring: LegId) {
        let Some(ring) = self.take_ring(ring) else { return };
        let Purpose::Rejoin { session, .. } = ring.purpose else { return };
        self.rejoins.forget(ring.call);
        let (id, leg) = (ring.call, ring.leg);
        // A supervisor hears by another leg from here on, in the way he chose.
        self.detach(now, id);
        self.with_call(now, id, |call, context| call.handle_rejoined(context, session, leg));
        self.ear_opened(now, id);
        // The other one's page may be gone as well.
        let Some(call) = self.calls.get(&id) else { return };
        let others = call.peer().into_iter().chain(call.guests()).filter_map(|peer| peer.kind.agent());
        let users: Vec<AgentId> = call.user().into_iter().chain(others).cloned().collect();
        for user in users {
            self.seek_again(now, id, &user);
        }
    }

    /// The new page refused, or cannot be reached.
    pub(super) fn page_failed(&mut self, now: Instant, id: CallId, user: &AgentId, code: u16) {
        let Some(rejoin) = self.rejoins.wanted.remove(&id) else { return };
        let there = self.endpoint.contacts(now, user.as_str()).iter().any(|contact| contact.uri == rejoin.page);
        self.with_call(now, id, |call, context| call.handle_page_failed(context, code, !there));
    }

    /// The page is not to be rung any more.
    pub(super) fn drop_page(&mut self, now: Instant, id: CallId) {
        if let Some(ring) = self.rejoins.ring(id) {
            self.drop_ring(now, ring, None);
        }
        self.rejoins.forget(id);
    }
}

/// What an INVITE says to a page that is to answer by itself, as RFC 5373 has it and as phones of old understand, and
/// whose call it is part of.
pub(super) fn headers(call: CallId, domain: &str) -> [(String, String); 4] {
    let header = |name: &str, value: String| (name.to_owned(), value);
    [
        header("Answer-Mode", "Auto".to_owned()),
        header("Alert-Info", format!("<sip:{domain}>;info=alert-autoanswer")),
        header("Call-Info", format!("<sip:{domain}>;answer-after=0")),
        header("X-Hatif-Rejoin", call.to_string()),
    ]
}
