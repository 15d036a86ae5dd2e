//! Session timers at work: agreed in each 2xx, refreshed by UPDATE or re-INVITE, hung up at their end (RFC 4028).

use std::time::Instant;

use super::super::header::{HeaderName, Method};
use super::super::message::Message;
use super::super::session::{Exchange, Session, State};
use super::super::session_timer::{self, Intervals, Refresher, SessionExpires, Timer};
use super::super::writer::{Writer, response_to};
use super::links;
use super::table::Purpose;
use super::{EndCause, Endpoint, Event, Flow, SUPPORTED, SessionId};

/// What to do after a 422.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Retry {
    /// Ask again with the longer interval.
    Now,
    /// The peer asks for what it was offered, or for nothing: it is a refusal.
    Never,
}

/// Asks for a session timer in a request of ours: what holds, else what we want.
pub(super) fn ask(writer: &mut Writer, timer: Option<Timer>, intervals: Intervals, min_s: u32) {
    let wanted = SessionExpires { seconds: intervals.wanted_s, refresher: None };
    let mut asked = timer.map_or(wanted, |timer| timer.request());
    asked.seconds = asked.seconds.max(min_s);
    asked.write(writer);
    if min_s > 0 {
        writer.header(HeaderName::MinSe, min_s.to_string());
    }
}

/// Writes into our 2xx what the session agrees to, and begins it.
pub(super) fn agree(now: Instant, session: &mut Session, request: &Message, intervals: Intervals, writer: &mut Writer) {
    if !matches!(session.state, State::Up { .. }) {
        return;
    }
    let before = session.timer.map(|timer| timer.ours);
    let Some(agreed) = session_timer::agree(request, intervals, before) else {
        session.timer = None;
        return;
    };
    let ours = agreed.refresher == Some(Refresher::Uas);
    if !ours {
        writer.header(HeaderName::Require, "timer");
    }
    agreed.write(writer);
    session.timer = Some(Timer::new(now, agreed.seconds, ours));
}

/// A 2xx to a request of ours: the interval begins anew. One that says nothing of timers leaves it as it is, so that a
/// peer that is gone is found out all the same.
pub(super) fn refreshed(now: Instant, session: &mut Session, response: &Message) {
    if !matches!(session.state, State::Up { .. }) {
        return;
    }
    session.timer = match (Timer::asked(now, response), session.timer) {
        (Some(timer), _) => Some(timer),
        (None, Some(before)) => Some(Timer::new(now, before.interval_s, true)),
        (None, None) => None,
    };
}

/// A 422 says what the peer bears (RFC 4028 §7.3).
pub(super) fn raise(session: &mut Session, response: Option<&Message>, intervals: Intervals) -> Retry {
    let min_s = response.and_then(|response| response.seconds(HeaderName::MinSe)).unwrap_or(0);
    let asked_s = session.timer.map_or(intervals.wanted_s, |timer| timer.interval_s).max(session.interval_min_s);
    // Once: a peer that raises it each time is never content.
    if min_s <= asked_s || session.interval_min_s > 0 {
        return Retry::Never;
    }
    session.interval_min_s = min_s;
    Retry::Now
}

impl Endpoint {
    /// Whether the interval that a request asks for can be served.
    pub(super) fn check_interval(&self, request: &Message) -> Result<(), (u16, u32)> {
        session_timer::check(request, self.config.session_timer)
    }

    /// 422 with the least interval, or 400, to a request in a dialog.
    pub(super) fn refuse_interval(
        &mut self,
        now: Instant,
        from: Flow,
        key: &[u8],
        request: &Message,
        code: u16,
        min_s: u32,
    ) {
        let tag = self.stateless_tag(request);
        let mut writer = response_to(request, code, None, Some(&tag), from.remote);
        if code == 422 {
            writer.header(HeaderName::MinSe, min_s.to_string());
        }
        self.respond(now, from, key, request, code, writer);
    }

    /// Half of the interval is over, and the refresh is ours.
    pub(super) fn refresh_session(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Up { hang_up: None } = &session.state else { return };
        let busy = !matches!(session.exchange, Exchange::Idle) || session.unacknowledged.is_some();
        if busy || session.refreshing {
            // What is under way refreshes too when it succeeds.
            if let Some(timer) = &mut session.timer {
                timer.again(now);
            }
        } else if session.updates {
            self.send_refresh(now, id);
        } else if !session.local_sdp.is_empty() {
            let offer = session.local_sdp.clone();
            self.send_offer(now, id, offer, true);
        }
    }

    /// UPDATE without SDP.
    fn send_refresh(&mut self, now: Instant, id: SessionId) {
        let branch = self.new_branch();
        let Some(session) = self.sessions.get(&id) else { return };
        let flow = links::way(&session.dialog, &self.links, &self.registrar);
        let via = self.via(flow, branch);
        let intervals = self.config.session_timer;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.refreshing = true;
        let mut writer = session.dialog.request(Method::Update, &via);
        writer.header(HeaderName::Contact, &session.dialog.contact).header(HeaderName::Supported, SUPPORTED);
        ask(&mut writer, session.timer, intervals, session.interval_min_s);
        self.start_client(now, branch, flow, Method::Update, writer.finish(), Purpose::Refresh(id));
    }

    /// The answer to our UPDATE without SDP; 408 when none came.
    pub(super) fn refresh_answered(
        &mut self,
        now: Instant,
        id: SessionId,
        source: Flow,
        code: u16,
        response: Option<&Message>,
    ) {
        let intervals = self.config.session_timer;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.refreshing = false;
        if !matches!(session.state, State::Up { hang_up: None }) {
            return;
        }
        match (code, response) {
            (200..=299, Some(response)) => {
                session.dialog.refresh(response, source);
                session.note_allow(response);
                refreshed(now, session, response);
            }
            (408 | 481, _) => return self.peer_is_gone(now, id),
            (405 | 420 | 501, _) => {
                session.updates = false;
                self.refresh_session(now, id);
            }
            (422, _) if raise(session, response, intervals) == Retry::Now => self.send_refresh(now, id),
            (_, _) => {
                if let Some(timer) = &mut session.timer {
                    timer.again(now);
                }
            }
        }
        self.settle_session(id);
    }

    /// Nobody refreshed the session in time.
    pub(super) fn session_expired(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !matches!(session.state, State::Up { .. }) {
            return;
        }
        let heard = std::mem::replace(&mut session.heard, false);
        if heard {
            self.event(Event::Ended { session: id, cause: EndCause::Timeout, reason: None });
        }
        self.send_bye(now, id, Some("SIP;cause=408;text=\"Session timer expired\"".to_owned()));
    }
}
