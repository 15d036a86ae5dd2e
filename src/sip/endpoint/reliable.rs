//! Provisional responses, and those that must arrive (RFC 3262).
//!
//! Ours to their INVITE: said reliably when the caller demands it, or when they carry SDP and the caller knows how.
//! One at a time; the next waits for the PRACK of the one before, and a 2xx for that of one with SDP. Theirs to our
//! INVITE: each gets one PRACK, in order, in its own early dialog.

use std::time::Instant;

use bytes::Bytes;
use rand_chacha::rand_core::Rng;

use super::super::body::sdp_of;
use super::super::header::{HeaderName, Method, number_of, split_outside};
use super::super::message::Message;
use super::super::session::{EarlyOffer, Exchange, Fork, RING_AGAIN, Ring, State, Unpracked, Waits};
use super::super::transaction::Server;
use super::super::writer::response_to;
use super::links;
use super::replies::dialog_response;
use super::table::{Cancel, Purpose, ServerMachine};
use super::{ALLOW, EndCause, Endpoint, Event, Flow, SUPPORTED, SessionId};

/// Most early dialogs of one INVITE; responses of further forks are told without one.
const FORKS_MAX: usize = 8;

impl Endpoint {
    /// 180 to their INVITE, or 183 when SDP is given for early media; repeated every minute until the answer
    /// (RFC 3261 §13.3.1.1).
    ///
    /// Reliable (RFC 3262) when the caller requires it, or when there is SDP and the caller supports it. Without
    /// an offer in the INVITE the SDP is ours, and only a reliable response may carry it; its answer is told as
    /// `OfferAnswered`.
    pub fn ring(&mut self, now: Instant, id: SessionId, sdp: Option<Bytes>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Incoming { ring, answer: None, .. } = &mut session.state else { return };
        *ring = Some(Ring { again_at: now + RING_AGAIN, sdp: sdp.clone() });
        self.send_provisional(now, id, sdp);
        self.settle_session(id);
    }

    /// It rang for a minute: once more.
    pub(super) fn ring_again(&mut self, now: Instant, id: SessionId) {
        if let Some(session) = self.sessions.get(&id)
            && let State::Incoming { ring: Some(ring), .. } = &session.state
        {
            let sdp = ring.sdp.clone();
            self.send_provisional(now, id, sdp);
        }
    }

    fn send_provisional(&mut self, now: Instant, id: SessionId, sdp: Option<Bytes>) {
        let first_rseq = self.rng.next_u32() >> 1 | 1;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Incoming { server, request, offer, .. } = &mut session.state else { return };
        let code = if sdp.is_some() { 183 } else { 180 };
        let required = request.lists(HeaderName::Require, "100rel");
        let able = required || request.lists(HeaderName::Supported, "100rel");
        let reliable = required || (able && sdp.is_some() && *offer != EarlyOffer::Done);
        let body = match (*offer, reliable) {
            (EarlyOffer::Theirs, _) | (EarlyOffer::Nobody, true) => sdp,
            // An offer may only stand where it surely arrives (RFC 3261 §13.2.1); what is agreed stays.
            (EarlyOffer::Nobody, false) | (EarlyOffer::Ours | EarlyOffer::Done, _) => None,
        };
        if reliable && *offer == EarlyOffer::Nobody && body.is_none() {
            // The first reliable response to an INVITE without offer has to offer: nothing to say yet.
            return;
        }
        if let Some(response) = &mut session.unpracked
            && reliable
            && response.waits.is_some()
        {
            let before = response.next.take().flatten();
            response.next = Some(body.or(before));
            return;
        }
        let server = *server;
        let Some(entry) = self.transactions.server(server) else { return };
        let mut writer = dialog_response(&session.dialog, request, entry.flow, code);
        let cseq = request.cseq().map_or(0, |cseq| cseq.number);
        let mut rseq = 0;
        if reliable {
            rseq = session.unpracked.as_ref().map_or(first_rseq, |response| response.rseq.wrapping_add(1));
            writer
                .header(HeaderName::Require, "100rel")
                .header(HeaderName::RSeq, rseq.to_string())
                .header(HeaderName::Allow, ALLOW)
                .header(HeaderName::Supported, SUPPORTED);
            if let Some(body) = &body {
                session.local_sdp = body.clone();
                *offer = if *offer == EarlyOffer::Theirs { EarlyOffer::Done } else { EarlyOffer::Ours };
            }
        }
        let sdp = body.is_some();
        let response = writer.finish_with("application/sdp", body.as_deref().unwrap_or_default());
        if reliable {
            let (flow, waits) = (entry.flow, Some(Waits::new(now)));
            let response = response.clone();
            session.unpracked = Some(Unpracked { rseq, cseq, response, flow, sdp, waits, next: None });
        }
        if let ServerMachine::Invite(invite) = &mut entry.machine {
            invite.progress(response);
            self.stats.response_out(Method::Invite, code);
        }
        self.drive_server(server);
        self.settle_session(id);
    }

    /// PRACK (RFC 3262 §3): which response it acknowledges stands in RAck.
    pub(super) fn handle_prack(&mut self, now: Instant, from: Flow, key: &[u8], request: Message) {
        let Some(id) = self.enter(now, from, key, &request) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some((rseq, cseq)) = request.header(HeaderName::RAck).and_then(rack) else {
            return self.refuse_request(now, from, key, &request, 400);
        };
        let waiting =
            |response: &&mut Unpracked| response.rseq == rseq && response.cseq == cseq && response.waits.is_some();
        let Some(response) = session.unpracked.as_mut().filter(waiting) else {
            return self.refuse_request(now, from, key, &request, 481);
        };
        response.waits = None;
        let (carried, next) = (response.sdp, response.next.take());
        let sdp = sdp_of(&request);
        let answers = match &mut session.state {
            State::Incoming { offer, .. } if *offer == EarlyOffer::Ours && carried => {
                *offer = EarlyOffer::Done;
                true
            }
            State::Incoming { .. } | State::Calling { .. } | State::Up { .. } | State::Leaving => false,
        };
        if let (false, Some(offer)) = (answers, &sdp) {
            // A further offer (RFC 3262 §5); the 200 answers it.
            if !matches!(session.exchange, Exchange::Idle | Exchange::Glare { .. }) || session.hangs_up() {
                return self.refuse_request(now, from, key, &request, 491);
            }
            session.remote_sdp = offer.clone();
            let machine = ServerMachine::Other(Server::new(super::reliability(from)));
            let flow = super::super::dialog::reply_to(&request, from);
            let timing = self.timing(now, &request);
            let server = self.transactions.add_server(key.into(), machine, flow, Some(id), timing);
            self.receive_offer(id, server, request);
            self.event(Event::Offer { session: id, sdp });
        } else {
            let tag = session.dialog.local_tag().to_owned();
            let ok = response_to(&request, 200, None, Some(&tag), from.remote);
            if answers && let Some(answer) = &sdp {
                session.remote_sdp = answer.clone();
            }
            self.respond(now, from, key, &request, 200, ok);
            if answers && self.sessions.get(&id).is_some_and(|session| session.heard) {
                self.event(Event::OfferAnswered { session: id, sdp });
            }
        }
        if let Some(next) = next {
            self.send_provisional(now, id, next);
        }
        self.session_idle(now, id);
    }

    /// Nobody acknowledged a reliable response within 64·T1: the INVITE is refused (RFC 3262 §3).
    pub(super) fn unpracked(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        if !matches!(session.state, State::Incoming { .. }) {
            return;
        }
        let heard = session.heard;
        self.refuse_pending(now, id, 504, None, |_| {});
        self.remove_session(id);
        if heard {
            self.event(Event::Ended { session: id, cause: EndCause::Timeout, reason: None });
        }
    }

    /// 100–199 to our INVITE.
    pub(super) fn progress(&mut self, now: Instant, client: u64, id: SessionId, source: Flow, response: &Message) {
        if let Some(entry) = self.transactions.client(client)
            && let Cancel::Wanted(reason) = &mut entry.cancel
        {
            let reason = reason.take();
            return self.cancel(now, client, reason);
        }
        self.note_ringing(id);
        let code = response.code();
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.heard && code > 100) else { return };
        let base = &session.dialog;
        let State::Calling { forks, .. } = &mut session.state else { return };
        let sdp = sdp_of(response);
        let at = match response.to_tag() {
            None => None,
            Some(tag) => forks.iter().position(|fork| fork.dialog.remote_tag() == tag).or_else(|| {
                (forks.len() < FORKS_MAX).then(|| {
                    let mut dialog = base.clone();
                    dialog.confirm(response, source);
                    forks.push(Fork { dialog, rseq: None, agreed: false, sdp: Bytes::new(), updates: false });
                    forks.len() - 1
                })
            }),
        };
        let mut acknowledge = None;
        if let Some(fork) = at.and_then(|at| forks.get_mut(at)) {
            if let Some(rseq) = reliable_number(response) {
                // One that came before, or before its turn, is not acknowledged again (RFC 3262 §4).
                if fork.rseq.is_some_and(|last| last.checked_add(1) != Some(rseq)) {
                    return;
                }
                fork.rseq = Some(rseq);
                acknowledge = Some((fork.dialog.remote_tag().to_vec(), rseq));
                fork.agreed |= sdp.is_some();
            }
            if response.header(HeaderName::Allow).is_some() {
                fork.updates = response.lists(HeaderName::Allow, "UPDATE");
            }
            if let Some(sdp) = &sdp {
                fork.sdp = sdp.clone();
            }
        }
        if let Some((tag, rseq)) = acknowledge {
            self.send_prack(now, client, id, &tag, rseq, response);
        }
        self.event(Event::Progress { session: id, code, sdp });
        self.session_idle(now, id);
    }

    fn send_prack(&mut self, now: Instant, client: u64, id: SessionId, tag: &[u8], rseq: u32, response: &Message) {
        let branch = self.new_branch();
        let invite = response.cseq().map_or(0, |cseq| cseq.number);
        let Some(session) = self.sessions.get(&id) else { return };
        let State::Calling { forks, .. } = &session.state else { return };
        let Some(at) = forks.iter().position(|fork| fork.dialog.remote_tag() == tag) else { return };
        let Some(flow) = forks.get(at).map(|fork| links::way(&fork.dialog, &self.links, &self.registrar)) else {
            return;
        };
        let via = self.via(flow, branch);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Calling { forks, .. } = &mut session.state else { return };
        let Some(fork) = forks.get_mut(at) else { return };
        let mut writer = fork.dialog.request(Method::Prack, &via);
        writer.header(HeaderName::RAck, format!("{rseq} {invite} INVITE"));
        let used = fork.dialog.local_cseq();
        if let Some(entry) = self.transactions.client(client) {
            entry.cseq = entry.cseq.max(used);
        }
        self.start_client(now, branch, flow, Method::Prack, writer.finish(), Purpose::Nothing);
    }
}

/// RSeq of a response that wants a PRACK.
fn reliable_number(response: &Message) -> Option<u32> {
    if !response.lists(HeaderName::Require, "100rel") {
        return None;
    }
    number_of(response.header(HeaderName::RSeq)?).and_then(|rseq| u32::try_from(rseq).ok()).filter(|rseq| *rseq > 0)
}

/// RSeq and CSeq number of a RAck value that speaks of an INVITE (RFC 3262 §7.2).
fn rack(value: &[u8]) -> Option<(u32, u32)> {
    let mut parts = split_outside(value, b' ');
    let (rseq, cseq, method) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |digits| number_of(digits).and_then(|n| u32::try_from(n).ok());
    (method == b"INVITE" && parts.next().is_none()).then_some((number(rseq)?, number(cseq)?))
}
