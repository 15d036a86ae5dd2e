//! Dialogs that outlive a process, or the connection of their page: what is told of them for the journal, and their end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::config::{Listener, Transport};
use super::super::dialog::{Dialog, DialogSeed};
use super::super::header::{Method, NameAddr};
use super::super::message::Message;
use super::super::registrar::same_uri;
use super::super::session::State;
use super::super::transaction::ClientInvite;
use super::super::uri::Uri;
use super::links;
use super::outbound::add_reason;
use super::stats::Timing;
use super::table::{ClientMachine, Purpose};
use super::{DialogNote, Endpoint, Flow, Output, SessionId, reliability};

/// How long a phone that has to connect by itself is waited for.
const RETURN_WITHIN: Duration = Duration::from_secs(60);

/// Ended dialogs whose peers were reached by a connection of theirs, which is gone: died with an earlier process, or cut.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    waiting: BTreeMap<SessionId, Orphan>,
}

#[derive(Debug)]
struct Orphan {
    seed: DialogSeed,
    reason: Option<String>,
    until: Instant,
}

impl Orphans {
    /// When `orphans_due` has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.values().map(|orphan| orphan.until).min()
    }
}

impl Orphan {
    fn new(now: Instant, seed: DialogSeed, reason: Option<String>) -> Self {
        Self { seed, reason, until: now + RETURN_WITHIN }
    }
}

impl Endpoint {
    /// Tells of the dialog of a session that came up, or whose peer is reached another way than was told.
    ///
    /// Requests of ours that only raise CSeq are not told: the number of the last BYE leaps over them.
    pub(super) fn note_dialog(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Up { .. } = session.state else { return };
        let place = session.dialog.place();
        if session.noted != Some(place) {
            session.noted = Some(place);
            let seed = Box::new(session.dialog.seed());
            self.outputs.push_back(Output::Dialog(DialogNote::Up { session: id, seed }));
        }
    }

    /// Tells of an INVITE of ours that its peer works on, so that a next process can cancel it. Before the first 1xx it
    /// could not (RFC 3261 §9.1).
    pub(super) fn note_ringing(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Calling { client, .. } = &session.state else { return };
        // Unlike any mark of the dialog, so that its answer is told too.
        let mark = Some(!(session.dialog.place() ^ client));
        if session.noted != mark {
            session.noted = mark;
            let seed = Box::new(DialogSeed { unanswered: Some(*client), ..session.dialog.seed() });
            self.outputs.push_back(Output::Dialog(DialogNote::Up { session: id, seed }));
        }
    }

    /// Ends a dialog of a process that is gone: BYE with this Reason, repeated until it is answered or 32 s have
    /// passed. Its answer changes nothing: 481 is as good as 200. A peer that cannot be called, for it was reached by a
    /// connection of its own, gets its BYE when it registers again within [`RETURN_WITHIN`]. An INVITE that is not
    /// answered gets CANCEL instead, once: a phone that lost its connection and comes back rings no more.
    ///
    /// Returns the number by which [`DialogNote::Down`] tells that it is over.
    pub fn end_orphan(&mut self, now: Instant, seed: DialogSeed, reason: &str) -> SessionId {
        self.last_session += 1;
        let id = SessionId(self.last_session);
        if let Some(client) = seed.unanswered {
            self.cancel_orphan(now, id, seed, client, reason);
            return id;
        }
        let transport = seed.flow.transport;
        if transport.is_reliable() {
            self.orphans.waiting.insert(id, Orphan::new(now, seed.clone(), Some(reason.to_owned())));
        }
        // Browsers do not listen.
        if !matches!(transport, Transport::Ws | Transport::Wss) {
            self.send_last_bye(now, id, seed, Some(reason), None);
        }
        id
    }

    /// True when no way leads to the peer of a session: it is a page whose connection is closed and that has not
    /// registered by another.
    pub fn has_lost_page(&self, session: SessionId) -> bool {
        let known = self.sessions.get(&session).filter(|session| matches!(session.state, State::Up { .. }));
        known.is_some_and(|session| links::has_lost_page(&session.dialog, &self.links, &self.registrar))
    }

    /// Ends the session with such a page at once, as BYE reaches nobody. The page hears it should it come back after
    /// all: a socket that was cut leads to a new one, while a page that was loaded anew knows of no session.
    pub(super) fn leave_page(&mut self, now: Instant, id: SessionId, reason: Option<String>) {
        self.refuse_exchange(now, id, 487);
        self.abandon_offer(now, id);
        let Some(session) = self.remove_session(id) else { return };
        self.last_session += 1;
        self.orphans.waiting.insert(SessionId(self.last_session), Orphan::new(now, session.dialog.seed(), reason));
    }

    /// Somebody registered over this flow: his phone may be the peer of dialogs that wait for it.
    pub(super) fn phone_returned(&mut self, now: Instant, flow: Flow, uris: &[String]) {
        if self.orphans.waiting.is_empty() || flow.connection.is_none() {
            return;
        }
        let is_his = |orphan: &Orphan| {
            orphan.seed.flow.transport == flow.transport && uris.iter().any(|uri| same_uri(uri, &orphan.seed.target))
        };
        let his: Vec<SessionId> =
            self.orphans.waiting.iter().filter(|(_, orphan)| is_his(orphan)).map(|(id, _)| *id).collect();
        for id in his {
            if let Some(Orphan { seed, reason, .. }) = self.orphans.waiting.remove(&id) {
                self.send_last_bye(now, id, seed, reason.as_deref(), Some(flow));
            }
        }
    }

    fn send_last_bye(
        &mut self,
        now: Instant,
        id: SessionId,
        seed: DialogSeed,
        reason: Option<&str>,
        back: Option<Flow>,
    ) {
        let mut dialog = Dialog::orphan(seed);
        let flow = match back {
            Some(flow) => flow,
            None => {
                let hop = dialog.hop(|_| false);
                self.way_back(hop, dialog.next_uri())
            }
        };
        let branch = self.new_branch();
        let mut request = dialog.request(Method::Bye, &self.via(flow, branch));
        add_reason(&mut request, reason);
        self.start_client(now, branch, flow, Method::Bye, request.finish(), Purpose::Orphan(id));
    }

    /// CANCEL to an INVITE of a process that is gone. Its transaction goes on here: a refusal is acknowledged, an answer
    /// that crosses the CANCEL gets ACK and BYE.
    fn cancel_orphan(&mut self, now: Instant, id: SessionId, seed: DialogSeed, client: u64, reason: &str) {
        if self.transactions.has_client(client) {
            return self.orphan_ended(id);
        }
        // It goes where the INVITE went; over streams that connection is gone.
        let flow = match seed.flow.transport.is_reliable() {
            false => Flow { listener: self.same_listener(seed.flow).unwrap_or(seed.flow.listener), ..seed.flow },
            true => {
                let dialog = Dialog::orphan(seed.clone());
                self.way_back(dialog.hop(|_| false), dialog.next_uri())
            }
        };
        let invite = Dialog::lost_invite(seed, &self.via(flow, client));
        let machine = ClientMachine::Invite(ClientInvite::taken_over(reliability(flow)));
        let timing = Timing::unknown(Method::Invite);
        self.transactions.add_client(client, machine, flow, Purpose::Orphan(id), invite, timing);
        self.cancel(now, client, Some(reason.to_owned()));
    }

    /// A 2xx to such an INVITE: nobody is there to talk.
    pub(super) fn orphan_answered(&mut self, now: Instant, client: u64, id: SessionId, source: Flow, ok: &Message) {
        if !self.acknowledge_again(client, ok) {
            self.refuse_fork(now, client, source, ok, true);
            self.orphan_ended(id);
        }
    }

    /// The BYE was answered, or never will be.
    pub(super) fn orphan_ended(&mut self, session: SessionId) {
        self.orphans.waiting.remove(&session);
        self.outputs.push_back(Output::Dialog(DialogNote::Down { session }));
    }

    /// The BYE could not be sent, or was not answered: a peer that may come back is waited for.
    pub(super) fn orphan_failed(&mut self, session: SessionId) {
        if !self.orphans.waiting.contains_key(&session) {
            self.orphan_ended(session);
        }
    }

    /// Who did not come back in time is not waited for any more.
    pub(super) fn orphans_due(&mut self, now: Instant) {
        let late = self.orphans.waiting.iter().filter(|(_, orphan)| orphan.until <= now);
        for id in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.orphan_ended(id);
        }
    }

    /// The same way by the listeners of now. Over TLS the peer has to prove the name that stands in the URI, if one does.
    fn way_back(&mut self, flow: Flow, uri: &[u8]) -> Flow {
        let listener = self.same_listener(flow).unwrap_or(flow.listener);
        let name = NameAddr::parse(uri).map_or(uri, |route| route.uri);
        let name = Uri::parse(name).filter(|uri| uri.ip().is_none()).map(|uri| uri.host_text().into_owned());
        let named = name.filter(|_| flow.transport.is_secure());
        named.and_then(|name| self.flow_to(flow.transport, flow.remote, &name)).unwrap_or(Flow { listener, ..flow })
    }

    /// The listener that a flow of an earlier process leaves by now: they may stand in another order.
    pub(super) fn same_listener(&self, flow: Flow) -> Option<u16> {
        let fits = |l: &Listener| l.transport == flow.transport && l.address.is_ipv4() == flow.remote.is_ipv4();
        match self.config.listeners.get(usize::from(flow.listener)).is_some_and(fits) {
            true => Some(flow.listener),
            false => self.config.listener_for(flow.transport, flow.remote),
        }
    }
}
