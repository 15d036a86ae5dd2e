//! Session timers: a session that nobody refreshes ends (RFC 4028).
//!
//! One side, the refresher, repeats itself at half of the interval; both sides hang up a little before its end when
//! nothing came. What is agreed stands in the 2xx: the table of §9 is [`agree`].

use std::time::{Duration, Instant};

use super::header::{HeaderName, Params, number_of, trim};
use super::message::Message;
use super::writer::Writer;

/// The shortest interval that may be asked for (RFC 4028 §4), in seconds.
pub const INTERVAL_MIN_S: u32 = 90;
/// The interval asked for (RFC 4028 §4 recommends it), in seconds.
pub const INTERVAL_S: u32 = 1_800;
/// How long before its end a session without refresh is hung up at most (RFC 4028 §10).
const BYE_EARLY: Duration = Duration::from_secs(32);
/// A refresh that could not be sent or was refused is tried again after this part of the interval.
const AGAIN_PART: u32 = 8;

/// What is asked for and borne.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Intervals {
    /// Asked for in our calls, and the most that is agreed to in others, in seconds.
    pub wanted_s: u32,
    /// The least that is agreed to, in seconds; at least [`INTERVAL_MIN_S`].
    pub min_s: u32,
}

impl Default for Intervals {
    fn default() -> Self {
        Self { wanted_s: INTERVAL_S, min_s: INTERVAL_MIN_S }
    }
}

/// Who refreshes, seen from one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answered it.
    Uas,
}

/// The value of Session-Expires.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionExpires {
    /// The interval, in seconds.
    pub seconds: u32,
    /// Who refreshes, if said.
    pub refresher: Option<Refresher>,
}

/// A running session timer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timer {
    /// The agreed interval, in seconds.
    pub interval_s: u32,
    /// We are the refresher.
    pub ours: bool,
    refresh_at: Option<Instant>,
    end_at: Instant,
}

/// What a timer asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Due {
    /// Refresh.
    Refresh,
    /// Hang up.
    Expired,
}

impl Refresher {
    fn as_str(self) -> &'static str {
        match self {
            Self::Uac => "uac",
            Self::Uas => "uas",
        }
    }
}

/// The header is there but says nothing that can be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unreadable;

impl SessionExpires {
    /// Reads the header of a message. `Err` when it is there but cannot be read.
    pub fn of(message: &Message) -> Result<Option<SessionExpires>, Unreadable> {
        let Some(value) = message.header(HeaderName::SessionExpires) else { return Ok(None) };
        let end = value.iter().position(|b| *b == b';').unwrap_or(value.len());
        let (number, params) = value.split_at_checked(end).ok_or(Unreadable)?;
        let seconds = number_of(trim(number)).map(|n| u32::try_from(n).unwrap_or(u32::MAX)).ok_or(Unreadable)?;
        let refresher = match Params(params).get("refresher") {
            None => None,
            Some(who) if who.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
            Some(_) => return Err(Unreadable),
        };
        Ok(Some(SessionExpires { seconds, refresher }))
    }

    /// Writes the header.
    pub fn write(self, writer: &mut Writer) {
        let value = match self.refresher {
            Some(refresher) => format!("{};refresher={}", self.seconds, refresher.as_str()),
            None => self.seconds.to_string(),
        };
        writer.header(HeaderName::SessionExpires, value);
    }
}

/// Refuses a session refresh request: `Err` holds the code, and for 422 the Min-SE to say (RFC 4028 §9). A proxy may
/// have asked in place of a caller that knows nothing of timers: that is no fault of the caller.
pub fn check(request: &Message, intervals: Intervals) -> Result<(), (u16, u32)> {
    let min_s = intervals.min_s.max(INTERVAL_MIN_S);
    match SessionExpires::of(request) {
        Err(Unreadable) => Err((400, min_s)),
        Ok(Some(asked)) if asked.seconds < min_s && request.lists(HeaderName::Supported, "timer") => Err((422, min_s)),
        Ok(_) => Ok(()),
    }
}

/// What our 2xx to a session refresh request says (RFC 4028 §9, table 2); `None`: this session has no timer.
/// `ours`: who refreshes up to now.
pub fn agree(request: &Message, intervals: Intervals, ours: Option<bool>) -> Option<SessionExpires> {
    let knows = request.lists(HeaderName::Supported, "timer");
    let asked = SessionExpires::of(request).ok().flatten();
    if !knows && asked.is_none() {
        return None;
    }
    let floor_s = request.seconds(HeaderName::MinSe).unwrap_or(0).max(intervals.min_s).max(INTERVAL_MIN_S);
    let ceiling_s = asked.map_or(u32::MAX, |asked| asked.seconds).max(floor_s);
    let seconds = intervals.wanted_s.clamp(floor_s, ceiling_s);
    let refresher = match (knows, asked.and_then(|asked| asked.refresher), ours) {
        (false, _, _) => Refresher::Uas,
        (true, Some(refresher), _) => refresher,
        (true, None, Some(false)) => Refresher::Uac,
        (true, None, Some(true) | None) => Refresher::Uas,
    };
    Some(SessionExpires { seconds, refresher: Some(refresher) })
}

impl Timer {
    /// The session was refreshed, or begun, at `now`.
    pub fn new(now: Instant, interval_s: u32, ours: bool) -> Timer {
        let interval = Duration::from_secs(u64::from(interval_s));
        let end_at = now + (interval - BYE_EARLY.min(interval / 3));
        Timer { interval_s, ours, refresh_at: ours.then(|| now + interval / 2), end_at }
    }

    /// The timer that a 2xx to our request asks for; `None`: the peer wants none (RFC 4028 §7.2).
    pub fn asked(now: Instant, response: &Message) -> Option<Timer> {
        let agreed = SessionExpires::of(response).ok().flatten()?;
        let ours = match agreed.refresher {
            Some(Refresher::Uac) | None => true,
            Some(Refresher::Uas) => false,
        };
        Some(Timer::new(now, agreed.seconds.max(INTERVAL_MIN_S), ours))
    }

    /// What a request of ours in the session says, so that who refreshes stays the same (RFC 4028 §7.4).
    pub fn request(&self) -> SessionExpires {
        let refresher = if self.ours { Refresher::Uac } else { Refresher::Uas };
        SessionExpires { seconds: self.interval_s, refresher: Some(refresher) }
    }

    /// The refresh could not be sent, or was refused: once more before the end.
    pub fn again(&mut self, now: Instant) {
        if self.ours {
            let pause = Duration::from_secs(u64::from(self.interval_s / AGAIN_PART));
            self.refresh_at = Some(now + pause).filter(|at| *at < self.end_at);
        }
    }

    /// When `take_due` has something to say.
    pub fn poll_timeout(&self) -> Instant {
        self.refresh_at.map_or(self.end_at, |at| at.min(self.end_at))
    }

    /// What is due at `now`.
    pub fn take_due(&mut self, now: Instant) -> Option<Due> {
        if self.end_at <= now {
            return Some(Due::Expired);
        }
        self.refresh_at.take_if(|at| *at <= now).map(|_| Due::Refresh)
    }
}
