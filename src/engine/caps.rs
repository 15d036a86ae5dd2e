//! Calls over trunks, held back: what a user may have at once and begin in a minute, and the numbers nobody may reach.
//!
//! ```text
//!   emergency number ------------------------------------------------------> goes
//!   `allow` does not name it, and `deny` does, or it is of another country --> 403
//!   by a user's right, who has calls_per_user going ------------------------> 503
//!                      or began calls_per_minute_per_user within 60 s -------> 503
//!                      when it has been up for max_call ---------------------> ends
//! ```
//!
//! Whose right counts: of who dialled, or of who transfers (REFER). A flow's transfer is the centre's own doing, and
//! only the number is asked after. A user's place goes with the session over the trunk, whoever talks there by then:
//! who sends his calls on to each other keeps paying for them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::call::config::TrunkConfig;
use crate::call::route::{Dial, matches};
use crate::id::{AgentId, CallId};
use crate::journal::{About, EndReason, Kind, Party};
use crate::sip::SessionId;

use super::{Engine, Owner};

/// How far back calls that a user began are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// The place on a trunk that a session of ours has.
#[derive(Debug)]
pub(super) struct OnTrunk {
    pub(super) trunk: String,
    /// The user by whose right it goes out.
    pub(super) by: Option<AgentId>,
    /// When it has been up for as long as it may.
    until: Option<Instant>,
}

/// What one user has going over trunks.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// His sessions there.
    live: u32,
    /// When he began calls within [`WINDOW`]; never more than he may.
    began: VecDeque<Instant>,
}

/// Why a call does not go out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Held {
    /// The number is in `deny`.
    Number,
    /// The number is of another country.
    International,
    /// The user has as many calls as he may.
    Calls,
    /// The user began as many calls as he may.
    Rate,
}

impl Held {
    /// SIP status, code in the journal, and words for it that hold no number.
    fn told(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Number => (403, "outbound_denied", "the number is in [outbound] deny"),
            Self::International => (403, "outbound_denied", "international calls need [outbound] allow_international"),
            Self::Calls => (503, "outbound_cap", "the user has [outbound] calls_per_user calls over trunks"),
            Self::Rate => {
                (503, "outbound_cap", "the user began [outbound] calls_per_minute_per_user calls in a minute")
            }
        }
    }
}

impl Engine {
    /// `[centre] emergency` names it.
    pub(super) fn is_emergency(&self, number: &str) -> bool {
        self.settings.sip.guard.emergency.contains(number)
    }

    /// Whether the call may go to `number` over these trunks; when it may, it counts in its user's minute.
    pub(super) fn may_go_out(
        &mut self,
        now: Instant,
        call: CallId,
        number: &str,
        names: &[String],
    ) -> Result<(), Held> {
        if self.is_emergency(number) {
            return Ok(());
        }
        self.may_be_reached(number, names)?;
        let Some(user) = self.calls.get(&call).and_then(|call| call.dials_for()).cloned() else { return Ok(()) };
        let (most, rate) =
            (self.settings.call.outbound.calls_per_user, self.settings.call.outbound.calls_per_minute_per_user);
        // Those that wait for a port have no session yet.
        let opening = self.rings.values().filter(|ring| ring.place().is_some());
        let opening =
            opening.filter_map(|ring| self.calls.get(&ring.call)?.dials_for()).filter(|by| **by == user).count();
        let account = self.accounts.entry(user).or_default();
        while account.began.front().is_some_and(|at| now.saturating_duration_since(*at) >= WINDOW) {
            account.began.pop_front();
        }
        if most > 0 && u64::from(account.live) + opening as u64 >= u64::from(most) {
            return Err(Held::Calls);
        }
        if rate > 0 {
            if account.began.len() >= rate as usize {
                return Err(Held::Rate);
            }
            account.began.push_back(now);
        }
        Ok(())
    }

    /// Tells the journal why the call does not go out, and the call that it does not.
    pub(super) fn hold_back(&mut self, now: Instant, call: CallId, dial: &Dial, held: Held) {
        let (code, trouble, detail) = held.told();
        self.journal(now, About::Call(call), Kind::Trouble { code: trouble.into(), detail: detail.into() });
        let target = dial.target.label(&dial.number);
        self.with_call(now, call, |call, _| call.handle_try(target.clone()));
        self.dial_failed(now, call, target, code);
    }

    /// Whether anybody may be called there, whoever asks.
    pub(super) fn may_be_reached(&self, number: &str, names: &[String]) -> Result<(), Held> {
        let outbound = &self.settings.call.outbound;
        let trunks = || names.iter().filter_map(|name| self.settings.call.trunks.get(name));
        // A carrier passes over what separates digits to the eye, so it hides nothing here either.
        let bare: String = number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect();
        let mut forms: Vec<String> =
            trunks().filter_map(|t| t.numbering.as_ref()).flat_map(|n| n.forms(&bare)).collect();
        forms.push(bare.clone());
        let named = |patterns: &[String]| patterns.iter().any(|p| forms.iter().any(|form| matches(p, form)));
        if named(&outbound.allow) {
            return Ok(());
        }
        if named(&outbound.deny) {
            return Err(Held::Number);
        }
        match !outbound.allow_international && trunks().any(|trunk| is_foreign(trunk, &bare)) {
            true => Err(Held::International),
            false => Ok(()),
        }
    }

    /// A session of this user over a trunk is over.
    pub(super) fn leave_account(&mut self, session: SessionId, place: &OnTrunk) {
        if let Some(at) = place.until {
            self.longest.remove(&(at, session));
        }
        if let Some(account) = place.by.as_ref().and_then(|by| self.accounts.get_mut(by)) {
            account.live = account.live.saturating_sub(1);
        }
    }

    /// Somebody picked up who was dialled at `number`: from now on it costs. An emergency call may last.
    pub(super) fn limit_talk(&mut self, now: Instant, session: SessionId, number: &str) {
        let most = self.settings.call.outbound.max_call;
        if most.is_zero() || self.is_emergency(number) {
            return;
        }
        if let Some(place) = self.trunk_sessions.get_mut(&session).filter(|place| place.by.is_some()) {
            place.until = Some(now + most);
            self.longest.insert((now + most, session));
        }
    }

    /// Users' calls over trunks that have been up for as long as they may are ended.
    pub(super) fn longest_due(&mut self, now: Instant) {
        while let Some((at, session)) = self.longest.first().copied().filter(|(at, _)| *at <= now) {
            self.longest.remove(&(at, session));
            if let Some(place) = self.trunk_sessions.get_mut(&session) {
                place.until = None;
            }
            let Some(Owner::Call(call)) = self.sessions.get(&session).copied() else { continue };
            let detail = "the user's call over a trunk was up for [outbound] max_call".to_owned();
            self.journal(now, About::Call(call), Kind::Trouble { code: "outbound_max_call".into(), detail });
            self.with_call(now, call, |call, context| call.end(context, Party::System, EndReason::Limit, 480));
        }
    }

    /// A session has a place on a trunk, by the right of whoever the call dials for.
    pub(super) fn on_trunk(&mut self, call: CallId, trunk: String) -> OnTrunk {
        let by = self.calls.get(&call).and_then(|call| call.dials_for()).cloned();
        if let Some(by) = &by {
            self.accounts.entry(by.clone()).or_default().live += 1;
        }
        OnTrunk { trunk, by, until: None }
    }

    /// Each user's calls over trunks are the sessions that go by his right.
    pub(super) fn check_accounts(&self) -> Result<(), String> {
        let mut live: BTreeMap<&AgentId, u32> = BTreeMap::new();
        for by in self.trunk_sessions.values().filter_map(|place| place.by.as_ref()) {
            *live.entry(by).or_default() += 1;
        }
        let counted = self.accounts.iter().filter(|(_, account)| account.live > 0);
        let counted: BTreeMap<&AgentId, u32> = counted.map(|(user, account)| (user, account.live)).collect();
        let limits: BTreeSet<(Instant, SessionId)> =
            self.trunk_sessions.iter().filter_map(|(session, place)| Some((place.until?, *session))).collect();
        if limits != self.longest {
            return Err(format!("users' talks end at {limits:?}, awaited are {:?}", self.longest));
        }
        match live == counted {
            true => Ok(()),
            false => Err(format!("users have {live:?} going over trunks, counted are {counted:?}")),
        }
    }
}

/// Whether the number is of another country than the trunk's. One that is not plain but is written as an international
/// one counts as foreign: what it means only the carrier knows.
fn is_foreign(trunk: &TrunkConfig, number: &str) -> bool {
    let Some(numbering) = &trunk.numbering else { return number.starts_with('+') || number.starts_with("00") };
    match numbering.normalise(number) {
        Some(plain) => !plain.trim_start_matches('+').starts_with(&numbering.country),
        None => number.starts_with('+') || number.starts_with(&numbering.international_prefix),
    }
}
