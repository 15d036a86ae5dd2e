//! Callbacks: who asked to be called back keeps his place, and is called when his turn comes.
//!
//! ```text
//!                  in its hours                 its turn                 answered
//!   booked --> Later -------> Waiting (floor) --------> Calling (call) ---------> over: reached
//!                ^  ^---------- outside them --'            |
//!                `---- retry_after, at its old place -------+-- after the last try --> over: failed
//!        expired or cancelled: over, from wherever it is but from a try
//! ```
//!
//! A place in the floor has the name of the call that will be made. The queue's own hours hold for callbacks too, whenever
//! they were booked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::acd;
use crate::acd::calendar;
use crate::call::config::{CallbackConfig, CallbackMode, DialTarget, MediaPath, RecordPolicy, TrunkDirection};
use crate::call::leg::{Guard, Leg, Place};
use crate::call::route::{Dial, Route};
use crate::call::secret::Secret;
use crate::call::{Call, CallBack, Setup, Turn, Wanted};
use crate::clock::Wall;
use crate::id::{CallId, QueueName};
use crate::journal::QueueOutcome;
use crate::journal::{About, Booking, CallbackResult, EndReason, Hours, Kind, LegRole, Origin, Party, Purpose};
use crate::report::places::Callback;
use crate::sdp::Srtp;

use super::Engine;
use super::call_out::HOPS;

/// How much longer than a customer's phone an agent is reserved: nothing but a fault of ours comes to its end.
const MARGIN: Duration = Duration::from_secs(15);
/// Most that are booked at once; one more is refused.
const BOOKED_MAX: usize = 100_000;

/// Those who are to be called back.
#[derive(Debug, Default)]
pub(super) struct Callbacks {
    list: BTreeMap<CallId, Pending>,
    /// By queue and number: nobody is called twice.
    by_number: BTreeMap<(QueueName, String), CallId>,
    /// By the call that is or will be the try.
    by_call: BTreeMap<CallId, CallId>,
    due: BTreeSet<(Instant, CallId)>,
}

#[derive(Debug)]
struct Pending {
    booking: Booking,
    since: Instant,
    expires: Instant,
    tries: u32,
    /// He has had a place in the floor: the next one is no other caller's.
    has_entered: bool,
    stage: Stage,
    /// When to look at it again.
    due: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// Not in the floor before this moment.
    Later(Instant),
    /// In the floor, as this call.
    Waiting(CallId),
    /// This call is the try.
    Calling(CallId),
}

/// One of them as seen from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct CallbackView {
    /// What was booked.
    pub booking: Booking,
    /// Tries that came to nothing.
    pub tries: u32,
    /// `later` (its next try, or the hours, are still to come), `waiting` or `calling`.
    pub state: &'static str,
    /// His place in the queue, 1 = next; none while `later` or `calling`.
    pub position: Option<u32>,
    /// When he is next looked at, when `later`.
    pub next_at: Option<Wall>,
    /// The call that is the try, or will be when it is `waiting`.
    pub call: Option<CallId>,
}

/// Why nobody is called back.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// The queue has no `callback`, or does not exist.
    #[error("the queue calls nobody back: give it a `callback` in the configuration")]
    NotOffered,
    /// He shows no number, or what was given is none.
    #[error("that is no number that can be called: digits, with a + before them or not")]
    NoNumber,
    /// Nothing says how the number is reached.
    #[error("no trunk leads there: say it by `dial` in the queue's `callback`")]
    NoWay,
    /// `[outbound]` holds the number back, or it is an emergency number.
    #[error("nobody is called back at this number: `[outbound]` or `[centre] emergency` holds it back")]
    Denied,
    /// There are very many already.
    #[error("too many calls back are booked")]
    Full,
}

impl Callbacks {
    /// When `callbacks_due` has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    fn set_due(&mut self, id: CallId, due: Option<Instant>) {
        let Some(pending) = self.list.get_mut(&id) else { return };
        if let Some(before) = pending.due {
            self.due.remove(&(before, id));
        }
        pending.due = due;
        if let Some(at) = due {
            self.due.insert((at, id));
        }
    }

    fn set_stage(&mut self, id: CallId, stage: Stage) {
        let Some(pending) = self.list.get_mut(&id) else { return };
        if let Stage::Waiting(call) | Stage::Calling(call) = pending.stage {
            self.by_call.remove(&call);
        }
        pending.stage = stage;
        if let Stage::Waiting(call) | Stage::Calling(call) = stage {
            self.by_call.insert(call, id);
        }
    }

    fn insert(&mut self, pending: Pending) {
        let id = pending.booking.callback;
        self.by_number.insert((pending.booking.queue.clone(), pending.booking.number.clone()), id);
        self.list.insert(id, pending);
    }

    fn remove(&mut self, now: Instant, id: CallId) -> Option<Pending> {
        self.set_due(id, None);
        self.set_stage(id, Stage::Later(now));
        let pending = self.list.remove(&id)?;
        self.by_number.remove(&(pending.booking.queue.clone(), pending.booking.number.clone()));
        Some(pending)
    }

    /// Whether this call is the try of one, or will be.
    pub(super) fn is_try(&self, call: CallId) -> bool {
        self.by_call.contains_key(&call)
    }
}

impl Engine {
    /// All that are to be called back, in the order in which they were booked.
    pub fn callbacks(&self, now: Instant) -> Vec<CallbackView> {
        let wall = |at: Instant| self.clock.wall(now + at.saturating_duration_since(now));
        let view = |pending: &Pending| {
            let (state, next_at, call) = match pending.stage {
                Stage::Later(_) => ("later", pending.due.map(wall), None),
                Stage::Waiting(call) => ("waiting", None, Some(call)),
                Stage::Calling(call) => ("calling", None, Some(call)),
            };
            let position = call.filter(|_| state == "waiting").and_then(|call| self.floor.position(call));
            CallbackView { booking: pending.booking.clone(), tries: pending.tries, state, position, next_at, call }
        };
        self.callbacks.list.values().map(view).collect()
    }

    /// Books a call back for somebody who is not on the line. The same number is booked once in a queue: again, it is the
    /// one that is there.
    ///
    /// # Errors
    ///
    /// Why it cannot be: see [`BookError`].
    pub fn book_callback(
        &mut self,
        now: Instant,
        wanted: Wanted,
        by: &str,
        language: Option<&str>,
    ) -> Result<CallId, BookError> {
        let languages = &self.settings.call.languages;
        let spoken = language.and_then(|wanted| languages.iter().find(|known| *known == wanted));
        let language = spoken.or(languages.first()).cloned().unwrap_or_else(|| "en".to_owned());
        let id = self.book(now, wanted, None, by, &language)?;
        self.pump(now);
        Ok(id)
    }

    /// The caller of this call wants to be called back.
    pub(super) fn book_caller(&mut self, now: Instant, call: CallId, wanted: Wanted) {
        let Some(known) = self.calls.get(&call) else { return };
        let language = known.language().to_owned();
        let number = wanted.number.clone().or_else(|| known.shown_number().map(str::to_owned));
        let booked = self.book(now, Wanted { number, ..wanted }, Some(call), "caller", &language);
        if let Err(error) = booked {
            let (code, detail) = ("callback_refused".to_owned(), error.to_string());
            self.journal(now, About::Call(call), Kind::Trouble { code, detail });
        }
        self.with_call(now, call, |call, context| call.handle_booked(context, booked.is_ok()));
    }

    fn book(
        &mut self,
        now: Instant,
        wanted: Wanted,
        of: Option<CallId>,
        by: &str,
        language: &str,
    ) -> Result<CallId, BookError> {
        let config = self.settings.call.callbacks.get(&wanted.queue).cloned().ok_or(BookError::NotOffered)?;
        let number = wanted.number.filter(|number| is_number(number)).ok_or(BookError::NoNumber)?;
        if let Some(id) = self.callbacks.by_number.get(&(wanted.queue.clone(), number.clone())) {
            return Ok(*id);
        }
        let call = of.and_then(|of| self.calls.get(&of));
        let (called, trunk) = match call.map(|call| (call.to().to_owned(), call.origin())) {
            Some((called, Origin::Trunk(trunk))) => (called, Some(trunk.clone())),
            Some((called, _)) => (called, None),
            None => (String::new(), None),
        };
        let target = self.way_back(&config, trunk.as_deref()).ok_or(BookError::NoWay)?;
        // Whoever shows an emergency number as his own is a joker.
        let is_held = match &target {
            DialTarget::Trunks(names) => self.may_be_reached(&number, names).is_err(),
            DialTarget::Address { .. } => false,
        };
        if is_held || self.is_emergency(&number) {
            return Err(BookError::Denied);
        }
        if self.callbacks.list.len() >= BOOKED_MAX {
            return Err(BookError::Full);
        }
        let wall = self.clock.wall(now);
        let last_agent = self.regulars.agent_of(&number).cloned();
        let booking = Booking {
            callback: self.new_call_id(now),
            queue: wanted.queue,
            number,
            called,
            trunk,
            language: language.to_owned(),
            since: self.clock.wall(wanted.since),
            expires_at: self.clock.wall(now + config.expires_after),
            skills: wanted.skills,
            priority: wanted.priority,
            segment: wanted.segment,
            last_agent,
            by: by.to_owned(),
        };
        let (id, expires) = (booking.callback, now + booking.expires_at.since(wall));
        let about = of.map_or(About::Node, About::Call);
        self.journal(now, about, Kind::CallbackBooked { booking: Box::new(booking.clone()) });
        let (since, stage) = (wanted.since, Stage::Later(now));
        let has_entered = false;
        self.callbacks.insert(Pending { booking, since, expires, tries: 0, has_entered, stage, due: None });
        self.seek_callback(now, id);
        Ok(id)
    }

    /// Takes over those of the last process.
    pub(super) fn restore_callbacks(&mut self, now: Instant, kept: Vec<Callback>) {
        let wall = self.clock.wall(now);
        for Callback { booking, tries, again_at } in kept {
            let since = now.checked_sub(wall.since(booking.since)).unwrap_or(now);
            let expires = now + booking.expires_at.since(wall);
            let at = now + again_at.map(|at| at.since(wall)).unwrap_or_default();
            let id = booking.callback;
            let (stage, has_entered) = (Stage::Later(at), true);
            self.callbacks.insert(Pending { booking, since, expires, tries, has_entered, stage, due: None });
            self.seek_callback(now, id);
        }
    }

    /// Nobody is to be called back any more; false when there is none of this name, or he is just being called.
    pub fn cancel_callback(&mut self, now: Instant, id: CallId) -> bool {
        let stage = self.callbacks.list.get(&id).map(|pending| pending.stage);
        let can = matches!(stage, Some(Stage::Later(_) | Stage::Waiting(_)));
        if can {
            self.give_up_callback(now, id, CallbackResult::Cancelled);
            self.pump(now);
        }
        can
    }

    /// Lets deadlines act; calling it early does nothing.
    pub(super) fn callbacks_due(&mut self, now: Instant) {
        while let Some((_, id)) = self.callbacks.due.first().copied().filter(|(at, _)| *at <= now) {
            self.callbacks.set_due(id, None);
            self.seek_callback(now, id);
        }
    }

    /// Hours or settings are others than before: looks at all of them.
    pub(super) fn seek_callbacks(&mut self, now: Instant) {
        let all: Vec<CallId> = self.callbacks.list.keys().copied().collect();
        for id in all {
            self.seek_callback(now, id);
        }
    }

    /// Brings one to where it belongs now: out, into the floor or out of it.
    fn seek_callback(&mut self, now: Instant, id: CallId) {
        let Some(pending) = self.callbacks.list.get(&id) else { return };
        let (expires, stage) = (pending.expires, pending.stage);
        if let Stage::Calling(call) = stage {
            return self.expire_try(now, id, call, expires);
        }
        let config = self.settings.call.callbacks.get(&pending.booking.queue).cloned();
        let Some(config) = config else { return self.give_up_callback(now, id, CallbackResult::Cancelled) };
        if expires <= now {
            return self.give_up_callback(now, id, CallbackResult::Expired);
        }
        let (is_open, changes) = self.callback_hours(now, &pending.booking.queue, &config);
        let next = match stage {
            Stage::Later(at) if at > now => Some(at),
            Stage::Later(_) | Stage::Waiting(_) | Stage::Calling(_) => changes,
        };
        match stage {
            Stage::Later(at) if at <= now && is_open => self.enter_callback(now, id),
            Stage::Waiting(call) if !is_open => {
                self.callbacks.set_stage(id, Stage::Later(now));
                let outcome = QueueOutcome::Withdrawn;
                self.tell_floor(now, acd::Input::LeaveAs { call, outcome });
            }
            Stage::Later(_) | Stage::Waiting(_) | Stage::Calling(_) => {}
        }
        self.callbacks.set_due(id, Some(next.map_or(expires, |next| next.min(expires))));
    }

    /// No agent had answered in time for who is called back, or the node is to be drained; once the customer is rung the try
    /// goes on.
    fn expire_try(&mut self, now: Instant, id: CallId, call: CallId, expires: Instant) {
        let is_rung = self.calls.get(&call).is_none_or(Call::is_dialing);
        if self.draining && !is_rung {
            // The next process goes on.
            self.callbacks.set_stage(id, Stage::Later(now));
            self.callbacks.set_due(id, Some(expires));
            return self
                .with_call(now, call, |call, context| call.end(context, Party::System, EndReason::Shutdown, 503));
        }
        if expires > now || is_rung {
            return self.callbacks.set_due(id, Some(expires).filter(|at| *at > now));
        }
        self.end_callback(now, About::Call(call), id, CallbackResult::Expired);
        self.with_call(now, call, |call, context| call.end(context, Party::System, EndReason::QueueTimeout, 480));
    }

    /// Whether it is in the hours for calling back, and until when that is so.
    fn callback_hours(&self, now: Instant, queue: &QueueName, config: &CallbackConfig) -> (bool, Option<Instant>) {
        let of_queue = || self.settings.floor.queues.get(queue).and_then(|queue| queue.calendar.clone());
        let Some(name) = config.calendar.clone().or_else(of_queue) else { return (!self.draining, None) };
        let wall = self.clock.wall(now);
        let said = calendar::at(&self.settings.floor.calendars, &self.hours_set, &name, wall);
        let Some(said) = said else { return (!self.draining, None) };
        let changes = said.until.map(|until| now + until.since(wall).max(Duration::from_millis(1)));
        (said.state == Hours::Open && !self.draining, changes)
    }

    /// Into the floor, with the time he has waited.
    fn enter_callback(&mut self, now: Instant, id: CallId) {
        let call = self.new_call_id(now);
        let Some(pending) = self.callbacks.list.get(&id) else { return };
        let Booking { queue, number, skills, priority, segment, last_agent, .. } = pending.booking.clone();
        let Some(config) = self.settings.call.callbacks.get(&queue) else { return };
        let callback = acd::Callback {
            customer_first: config.mode == CallbackMode::CustomerFirst,
            ring_s: u16::try_from((config.ring + MARGIN).as_secs()).unwrap_or(u16::MAX),
            again: pending.has_entered,
        };
        let transferred = Some(pending.since);
        self.callbacks.set_stage(id, Stage::Waiting(call));
        if let Some(pending) = self.callbacks.list.get_mut(&id) {
            pending.has_entered = true;
        }
        let (number, callback) = (Some(number), Some(callback));
        let plain = acd::Arrival::new(call, queue);
        let arrival = acd::Arrival { skills, priority, segment, transferred, last_agent, number, callback, ..plain };
        self.tell_floor(now, acd::Input::Enqueue(arrival));
    }

    /// The floor has an agent for who is called back as this call: the call begins. Nothing when it has begun.
    pub(super) fn begin_callback(&mut self, now: Instant, call: CallId) {
        let Some(id) = self.callbacks.by_call.get(&call).copied() else { return };
        if self.calls.contains_key(&call) {
            return;
        }
        let Some(pending) = self.callbacks.list.get(&id) else { return };
        let (booking, since) = (pending.booking.clone(), pending.since);
        let config = self.settings.call.callbacks.get(&booking.queue).cloned().unwrap_or_default();
        self.callbacks.set_stage(id, Stage::Calling(call));
        let (origin, route) = (Origin::System, Route::Queue(booking.queue.clone()));
        let started = Kind::CallStarted {
            from: booking.called.clone(),
            to: booking.number.clone(),
            origin: origin.clone(),
            purpose: Purpose::Callback,
            language: booking.language.clone(),
            diverted_from: None,
            callback_of: Some(id),
        };
        self.journal(now, About::Call(call), started);
        let caller_id = self.settings.call.queue_caller_ids.get(&booking.queue).cloned();
        let target = self.way_back(&config, booking.trunk.as_deref());
        let dial = Dial {
            // A way that is gone by now leads nowhere: the try fails, and says so.
            target: target.unwrap_or_else(|| DialTarget::Trunks(booking.trunk.iter().cloned().collect())),
            number: booking.number.clone(),
            record: RecordPolicy::Never,
            media: MediaPath::Relay,
            caller_id: Some(caller_id.unwrap_or_else(|| booking.called.clone())).filter(|number| !number.is_empty()),
        };
        let (shard, leg) = (self.choose_shard(&origin, &route), self.new_leg_id());
        let address = self.settings.media.address;
        let guard = Guard { srtp: Srtp::default(), private: false, fingerprint: None, secret: Secret::new([0; 32]) };
        let role = LegRole::Customer;
        let customer =
            Leg::offering(Place { id: leg, port: None, address, signalling: address, role, guard }, &[], false);
        let setup = Setup {
            id: call,
            shard,
            customer,
            from: booking.number.clone(),
            private: false,
            to: booking.called.clone(),
            diverted_from: None,
            origin,
            language: booking.language.clone(),
            route,
            record: RecordPolicy::Never,
            hops: HOPS,
        };
        let customer_first = config.mode == CallbackMode::CustomerFirst;
        let Booking { queue, skills, priority, segment, .. } = booking;
        let turn = Turn { since, queue, skills, priority, segment };
        let to = CallBack { dial, ring: config.ring, customer_first, turn };
        self.calls.insert(call, Call::calling_back(now, setup, to));
    }

    /// The way to who is called back: the queue's own, else the trunk he came by.
    fn way_back(&self, config: &CallbackConfig, trunk: Option<&str>) -> Option<DialTarget> {
        let goes_out = |name: &&str| {
            self.settings.call.trunks.get(*name).is_some_and(|trunk| trunk.direction != TrunkDirection::In)
        };
        let came_by = || trunk.filter(goes_out).map(|name| DialTarget::Trunks(vec![name.to_owned()]));
        config.dial.clone().or_else(came_by)
    }

    /// The customer answered; `waits`: he has no agent yet.
    pub(super) fn callback_reached(&mut self, now: Instant, call: CallId, waits: bool) {
        if let Some(id) = self.callbacks.by_call.get(&call).copied() {
            self.end_callback(now, About::Call(call), id, CallbackResult::Reached);
        }
        if waits {
            self.tell_floor(now, acd::Input::Reached { call });
        }
    }

    /// He cannot be had: `code` is the SIP status, 487 when the agent did not wait for him.
    pub(super) fn callback_not_reached(&mut self, now: Instant, call: CallId, code: u16) {
        let Some(id) = self.callbacks.by_call.get(&call).copied() else { return };
        let Some(pending) = self.callbacks.list.get_mut(&id) else { return };
        pending.tries += 1;
        let (tries, expires) = (pending.tries, pending.expires);
        let config = self.settings.call.callbacks.get(&pending.booking.queue).cloned().unwrap_or_default();
        let result = match code {
            486 | 600 => CallbackResult::Busy,
            408 | 480 => CallbackResult::NoAnswer,
            _ => CallbackResult::Failed,
        };
        let again = Some(now + config.retry_after).filter(|at| tries < config.tries && *at < expires);
        let again_at = again.map(|at| self.clock.wall(at));
        self.journal(now, About::Call(call), Kind::CallbackTried { callback: id, tries, result, again_at });
        match again {
            Some(at) => {
                self.callbacks.set_stage(id, Stage::Later(at));
                self.seek_callback(now, id);
            }
            None => self.end_callback(now, About::Call(call), id, CallbackResult::Failed),
        }
    }

    /// This call is over. Where it was a try of which nobody said how it ended, somebody took it away.
    pub(super) fn callback_call_ended(&mut self, now: Instant, call: CallId) {
        if let Some(id) = self.callbacks.by_call.get(&call).copied() {
            self.end_callback(now, About::Call(call), id, CallbackResult::Cancelled);
        }
    }

    /// A rule of the floor took his place away: his queue is gone.
    pub(super) fn callback_left(&mut self, now: Instant, call: CallId) {
        let Some(id) = self.callbacks.by_call.get(&call).copied() else { return };
        match self.calls.contains_key(&call) {
            // Its end says that of the call back.
            true => self.with_call(now, call, |call, context| {
                call.end(context, Party::System, EndReason::NoAgents, 480);
            }),
            false => self.give_up_callback(now, id, CallbackResult::Cancelled),
        }
    }

    /// Over, from outside a try.
    fn give_up_callback(&mut self, now: Instant, id: CallId, result: CallbackResult) {
        let Some(pending) = self.callbacks.list.get(&id) else { return };
        if let Stage::Waiting(call) = pending.stage {
            self.callbacks.set_stage(id, Stage::Later(now));
            self.tell_floor(now, acd::Input::LeaveAs { call, outcome: QueueOutcome::Withdrawn });
        }
        self.end_callback(now, About::Node, id, result);
    }

    fn end_callback(&mut self, now: Instant, about: About, id: CallId, result: CallbackResult) {
        let Some(pending) = self.callbacks.remove(now, id) else { return };
        let (queue, tries) = (pending.booking.queue, pending.tries);
        let tries = if result == CallbackResult::Reached { tries + 1 } else { tries };
        self.journal(now, about, Kind::CallbackEnded { callback: id, queue, result, tries });
    }

    /// What must hold of callbacks between two inputs.
    pub(super) fn check_callbacks(&self) -> Result<(), String> {
        for (id, pending) in &self.callbacks.list {
            let (waits, calls) = match pending.stage {
                Stage::Later(_) => (None, None),
                Stage::Waiting(call) => (Some(call), None),
                Stage::Calling(call) => (None, Some(call)),
            };
            if waits.is_some_and(|call| self.floor.position(call).is_none() || self.calls.contains_key(&call)) {
                return Err(format!("the call back {id} has no place"));
            }
            if calls.is_some_and(|call| !self.calls.get(&call).is_some_and(Call::is_customer_absent)) {
                return Err(format!("the call back {id} has no call"));
            }
            if pending.due.is_none() && calls.is_none() {
                return Err(format!("nobody looks at the call back {id}"));
            }
        }
        let known = self.callbacks.by_call.len();
        let counted = self.callbacks.list.values().filter(|p| !matches!(p.stage, Stage::Later(_))).count();
        match known == counted && self.callbacks.by_number.len() == self.callbacks.list.len() {
            true => Ok(()),
            false => Err("a call back without its call".to_owned()),
        }
    }
}

/// 2 to 20 digits, with a + before them or not.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (2..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}
