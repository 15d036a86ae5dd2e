//! REFER: a peer asks us to call somebody in its place (RFC 3515; Refer-Sub, RFC 4488; Replaces in it, RFC 3891).
//!
//! Only inside an answered session. What becomes of it is told by NOTIFY in the same dialog, also after the session
//! itself is over (RFC 5057 §4), until the outcome is known or the subscription's time is up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::super::dialog::Dialog;
use super::super::header::{HeaderName, Method, NameAddr, Params, number_of, text};
use super::super::identity::{referred_by, uri_header};
use super::super::message::Message;
use super::super::replaces::Replaces;
use super::super::session::{Session, State};
use super::super::uri::{Scheme, Uri};
use super::super::writer::{reason_phrase, response_to};
use super::links;
use super::replies::dialog_response;
use super::table::{self, Purpose};
use super::{Endpoint, Event, Flow, ReferId, SUPPORTED, SessionId};

/// How long the outcome of a REFER is waited for.
const SUBSCRIPTION: Duration = Duration::from_secs(300);
/// Most REFERs of one session at a time.
const REFERS_MAX: usize = 4;

/// The REFERs whose outcome somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Refers {
    all: BTreeMap<ReferId, Refer>,
    timers: BTreeSet<(Instant, ReferId)>,
    last: u64,
}

#[derive(Debug)]
struct Refer {
    session: SessionId,
    /// CSeq number of the REFER: the id of its event (RFC 3515 §2.4.6).
    event_id: u32,
    /// The dialog, once its session is over.
    dialog: Option<Dialog>,
    /// What was told last.
    code: u16,
    ends_at: Instant,
    due: Option<Instant>,
}

/// What a REFER asks for.
struct Target {
    user: String,
    uri: String,
    /// A Replaces header in the URI: the session it names, if that is ours.
    replaces: Option<Option<SessionId>>,
}

impl Refers {
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// A session is over: what was asked in it goes on in its dialog.
    pub fn keep_dialog(&mut self, session: SessionId, over: &Session) {
        for refer in self.all.values_mut().filter(|refer| refer.session == session) {
            refer.dialog = Some(over.dialog.clone());
        }
    }

    /// A request was sent in the dialog that this one keeps: the others of its session go on with the next number.
    fn share_dialog(&mut self, id: ReferId) {
        let Some((session, dialog)) = self.all.get(&id).map(|refer| (refer.session, refer.dialog.clone())) else {
            return;
        };
        if dialog.is_some() {
            for other in self.all.values_mut().filter(|other| other.session == session) {
                other.dialog.clone_from(&dialog);
            }
        }
    }

    fn of_session(&self, session: SessionId) -> impl Iterator<Item = (&ReferId, &Refer)> {
        self.all.iter().filter(move |(_, refer)| refer.session == session)
    }

    fn add(&mut self, now: Instant, session: SessionId, event_id: u32) -> ReferId {
        self.last += 1;
        let id = ReferId(self.last);
        let ends_at = now + SUBSCRIPTION;
        let mut refer = Refer { session, event_id, dialog: None, code: 100, ends_at, due: None };
        table::rearm(&mut self.timers, &mut refer.due, Some(ends_at), id);
        self.all.insert(id, refer);
        id
    }

    fn remove(&mut self, id: ReferId) -> Option<Refer> {
        let mut refer = self.all.remove(&id)?;
        table::rearm(&mut self.timers, &mut refer.due, None, id);
        Some(refer)
    }
}

impl Endpoint {
    /// REFER (RFC 3515 §2.4.2).
    pub(super) fn handle_refer(&mut self, now: Instant, from: Flow, key: &[u8], request: &Message) {
        if request.to_tag().is_none() {
            self.stats.rejected.unsupported += 1;
            return self.reply(from, request, 403, Some("REFER Only Inside A Call"), |_| {});
        }
        let Some(id) = self.enter_any_content(now, from, key, request) else { return };
        let target = match self.refer_target(id, request) {
            Ok(target) => target,
            Err(code) => return self.refuse_request(now, from, key, request, code),
        };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.dialog.refresh(request, from);
        let silent = request.header_named("Refer-Sub").is_some_and(|value| value.eq_ignore_ascii_case(b"false"));
        let mut accepted = dialog_response(&session.dialog, request, from, 202);
        accepted.header(HeaderName::Supported, SUPPORTED);
        if silent {
            accepted.named("Refer-Sub", "false");
        }
        self.respond(now, from, key, request, 202, accepted);
        let event_id = request.cseq().map_or(0, |cseq| cseq.number);
        let refer = self.refers.add(now, id, event_id);
        if silent {
            // Nobody waits for its outcome.
            self.refers.remove(refer);
        }
        let replaces = match target.replaces {
            // It names no call of ours: as if we had asked ourselves (RFC 3891 §3).
            Some(None) => return self.refer_progress(now, refer, 481),
            Some(Some(session)) => Some(session),
            None => None,
        };
        self.notify(now, refer, "active");
        let Target { user: to_user, uri: to_uri, .. } = target;
        let referred_by = referred_by(request);
        self.event(Event::Refer { session: id, refer, to_user, to_uri, replaces, referred_by });
    }

    /// Whom a REFER asks us to call; else the code to refuse it with.
    fn refer_target(&self, id: SessionId, request: &Message) -> Result<Target, u16> {
        let talking = |session: &&Session| session.heard && matches!(session.state, State::Up { hang_up: None });
        if !self.sessions.get(&id).is_some_and(|session| talking(&session)) {
            return Err(403);
        }
        if self.refers.of_session(id).count() >= REFERS_MAX {
            return Err(503);
        }
        let mut all = request.list(HeaderName::ReferTo);
        let (Some(value), None) = (all.next(), all.next()) else { return Err(400) };
        let uri = NameAddr::parse(value).and_then(|address| address.uri()).ok_or(400u16)?;
        match uri.scheme {
            Scheme::Sip | Scheme::Sips | Scheme::Tel => {}
            Scheme::Other(_) => return Err(416),
        }
        if uri.params.get("method").is_some_and(|method| !method.eq_ignore_ascii_case(b"INVITE")) {
            return Err(400);
        }
        let replaces = match uri_header(&uri, "Replaces") {
            None => None,
            Some(value) => {
                let named = Replaces::parse(&value).ok_or(400u16)?;
                let of = self.find_dialog(named.call_id, named.to_tag, named.from_tag);
                Some(of.filter(|of| self.sessions.get(of).is_some_and(|session| session.heard)))
            }
        };
        let mut plain = Vec::new();
        Uri { headers: None, ..uri }.write(&mut plain);
        let user = uri.user_text().unwrap_or_default();
        Ok(Target { user, uri: text(&plain).into_owned(), replaces })
    }

    /// Tells who asked how far the call that a REFER asked for has come: 100–199 as often as wanted, then one final
    /// code (200–699), which ends it.
    pub fn refer_progress(&mut self, now: Instant, refer: ReferId, code: u16) {
        let Some(known) = self.refers.all.get_mut(&refer) else { return };
        known.code = if (100..700).contains(&code) { code } else { 500 };
        if code < 200 {
            return self.notify(now, refer, "active");
        }
        self.notify(now, refer, "terminated;reason=noresource");
        self.refers.remove(refer);
    }

    /// The subscriptions whose time is up.
    pub(super) fn refers_due(&mut self, now: Instant) {
        while let Some((_, refer)) = self.refers.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.notify(now, refer, "terminated;reason=timeout");
            self.refers.remove(refer);
        }
    }

    /// The answer to a NOTIFY; 408 when none came. Who knows no such subscription is told no more (RFC 6665 §4.2.2).
    pub(super) fn notify_answered(&mut self, refer: ReferId, code: u16) {
        if matches!(code, 404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604) {
            self.refers.remove(refer);
        }
    }

    /// NOTIFY with the last known state (RFC 3515 §2.4.5).
    fn notify(&mut self, now: Instant, id: ReferId, state: &str) {
        let branch = self.new_branch();
        let Some(refer) = self.refers.all.get(&id) else { return };
        let live = self.sessions.get(&refer.session).map(|session| &session.dialog);
        let Some(dialog) = refer.dialog.as_ref().or(live) else { return };
        let flow = links::way(dialog, &self.links, &self.registrar);
        let via = self.via(flow, branch);
        let Some(refer) = self.refers.all.get_mut(&id) else { return };
        let live = self.sessions.get_mut(&refer.session).map(|session| &mut session.dialog);
        let Some(dialog) = refer.dialog.as_mut().or(live) else { return };
        let mut writer = dialog.request(Method::Notify, &via);
        writer
            .header(HeaderName::Contact, &dialog.contact)
            .header(HeaderName::Event, format!("refer;id={}", refer.event_id));
        match state {
            "active" => {
                let left_s = refer.ends_at.saturating_duration_since(now).as_secs();
                writer.header(HeaderName::SubscriptionState, format!("active;expires={left_s}"));
            }
            over => {
                writer.header(HeaderName::SubscriptionState, over);
            }
        }
        let fragment = format!("SIP/2.0 {} {}\r\n", refer.code, reason_phrase(refer.code));
        let request = writer.finish_with("message/sipfrag;version=2.0", fragment.as_bytes());
        self.refers.share_dialog(id);
        self.start_client(now, branch, flow, Method::Notify, request, Purpose::Notify(id));
    }

    /// SUBSCRIBE: only to go on with, or to end, the subscription that a REFER made (RFC 3515 §2.4.4).
    pub(super) fn handle_subscribe(&mut self, now: Instant, from: Flow, key: &[u8], request: &Message) {
        let event = request.header(HeaderName::Event).unwrap_or_default();
        let end = event.iter().position(|b| *b == b';').unwrap_or(event.len());
        let (package, params) = event.split_at_checked(end).unwrap_or_default();
        if !package.trim_ascii().eq_ignore_ascii_case(b"refer") {
            self.stats.rejected.unsupported += 1;
            return self.reply(from, request, 489, None, |w| {
                w.header(HeaderName::AllowEvents, "refer");
            });
        }
        if request.to_tag().is_none() {
            return self.reply(from, request, 403, None, |_| {});
        }
        let Some(id) = self.enter_any_content(now, from, key, request) else { return };
        let wanted = Params(params).get("id").and_then(number_of);
        let fits = |refer: &Refer| wanted.is_none_or(|wanted| wanted == u64::from(refer.event_id));
        let found = self.refers.of_session(id).find(|(_, refer)| fits(refer)).map(|(id, refer)| (*id, refer.ends_at));
        let Some((refer, ends_at)) = found else { return self.refuse_request(now, from, key, request, 481) };
        let ends = request.expires() == Some(0);
        let left_s = if ends { 0 } else { ends_at.saturating_duration_since(now).as_secs() };
        let tag = self.stateless_tag(request);
        let mut ok = response_to(request, 200, None, Some(&tag), from.remote);
        ok.header(HeaderName::Expires, left_s.to_string());
        self.respond(now, from, key, request, 200, ok);
        self.notify(now, refer, if ends { "terminated;reason=timeout" } else { "active" });
        if ends {
            self.refers.remove(refer);
        }
    }
}
