//! Session: the INVITE usage of one dialog, from the first INVITE to the last BYE (RFC 3261 §13–15, §9).
//!
//! ```text
//!   INVITE in  -> Incoming --200--> Up, unacknowledged --ACK--> Up --BYE--> Leaving --200--> gone
//!   INVITE out -> Calling  --200, ACK-------------------------> Up
//! ```
//!
//! Offers besides that of the INVITE (re-INVITE, RFC 3261 §14; UPDATE, RFC 3311; in PRACK, RFC 3262 §5) are an
//! [`Exchange`]: at most one at a time, before the answer too. Each part owns its deadlines. Who hangs up before our
//! 2xx is acknowledged waits for the ACK or its end (RFC 3261 §15).

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::dialog::Dialog;
use super::endpoint::{Flow, Invite};
use super::header::HeaderName;
use super::message::Message;
use super::session_timer::{self, Timer};
use super::transaction::{GIVE_UP, Resend, T2};

/// How often 180 is repeated so that proxies do not give up (RFC 3261 §13.3.1.1).
pub const RING_AGAIN: Duration = Duration::from_secs(60);

/// One session.
#[derive(Debug)]
pub struct Session {
    /// Its dialog; of a call of ours the one that its forks begin with until one of them answers.
    pub dialog: Dialog,
    /// Where it stands.
    pub state: State,
    /// The offer under way, besides that of the first INVITE.
    pub exchange: Exchange,
    /// An offer of ours that waits for its turn; a newer one replaces it.
    pub queued: Option<Bytes>,
    /// A 2xx of ours without its ACK.
    pub unacknowledged: Option<Unacknowledged>,
    /// A provisional response of ours without its PRACK.
    pub unpracked: Option<Unpracked>,
    /// When it ends unless it is refreshed (RFC 4028).
    pub timer: Option<Timer>,
    /// The least interval that the peer bears, in seconds (Min-SE of a 422).
    pub interval_min_s: u32,
    /// An UPDATE of ours that only refreshes is under way.
    pub refreshing: bool,
    /// The last SDP of ours that the peer was told reliably.
    pub local_sdp: Bytes,
    /// The last SDP of the peer.
    pub remote_sdp: Bytes,
    /// The peer serves UPDATE.
    pub updates: bool,
    /// False once the caller of this layer hung up: no more events.
    pub heard: bool,
    /// What its peer was reached by when the dialog was last told for the journal ([`Dialog::place`]).
    pub noted: Option<u64>,
    /// The deadline that the endpoint has noted for it.
    pub due: Option<Instant>,
    /// The trunk at the other side: its challenges are answered.
    pub trunk: Option<Box<str>>,
    /// What answered the challenge to our last INVITE; its ACK says it again.
    pub credentials: Option<(HeaderName, String)>,
}

/// Where a session stands.
#[derive(Debug)]
pub enum State {
    /// Their INVITE waits for our answer.
    Incoming {
        /// Its server transaction.
        server: u64,
        /// The INVITE.
        request: Box<Message>,
        /// What was said last, to be repeated; `None` before the first 180.
        ring: Option<Ring>,
        /// How far the offer of the INVITE has come.
        offer: EarlyOffer,
        /// Our answer, which waits for a PRACK or for another offer to end (RFC 3262 §3).
        answer: Option<Bytes>,
    },
    /// Our INVITE waits for their answer.
    Calling {
        /// Its client transaction.
        client: u64,
        /// What is asked, to be asked again otherwise.
        invite: Box<Invite>,
        /// The early dialogs, in the order they came.
        forks: Vec<Fork>,
    },
    /// Both sides agreed.
    Up {
        /// We hung up and wait for the ACK; holds the Reason.
        hang_up: Option<Option<String>>,
    },
    /// Our BYE waits for its answer.
    Leaving,
}

/// What a caller hears before the answer.
#[derive(Debug)]
pub struct Ring {
    /// When to say it again.
    pub again_at: Instant,
    /// Early media.
    pub sdp: Option<Bytes>,
}

/// How far offer and answer of an INVITE have come before its 2xx.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EarlyOffer {
    /// The INVITE offers; no reliable response of ours answered yet.
    Theirs,
    /// The INVITE has no offer, and we made none yet.
    Nobody,
    /// A reliable response of ours offers; the PRACK is to answer.
    Ours,
    /// Agreed.
    Done,
}

/// One early dialog of our INVITE (RFC 3261 §12.1.2).
#[derive(Debug)]
pub struct Fork {
    /// Its dialog.
    pub dialog: Dialog,
    /// The number of its last reliable response (RFC 3262 §4).
    pub rseq: Option<u32>,
    /// A reliable response brought the answer.
    pub agreed: bool,
    /// The last SDP of this fork; empty before the first.
    pub sdp: Bytes,
    /// It serves UPDATE.
    pub updates: bool,
}

/// An offer besides that of the first INVITE.
#[derive(Debug)]
pub enum Exchange {
    /// None.
    Idle,
    /// Theirs, by re-INVITE, UPDATE or PRACK, waits for our answer.
    Received {
        /// Its server transaction.
        server: u64,
        /// The request.
        request: Box<Message>,
    },
    /// Ours waits for their answer.
    Sent {
        /// Its client transaction.
        client: u64,
        /// What it offers, in case of a 491.
        offer: Bytes,
        /// It only repeats what holds, to refresh the session: nobody waits for its answer.
        refresh: bool,
    },
    /// They had the same idea at the same time: ours waits (RFC 3261 §14.1).
    Glare {
        /// When to try again.
        again_at: Instant,
        /// What it offers.
        offer: Bytes,
    },
}

/// A 2xx of ours on its way.
#[derive(Debug)]
pub struct Unacknowledged {
    /// The 2xx.
    pub ok: Bytes,
    /// Where it goes.
    pub flow: Flow,
    /// CSeq number of the INVITE and of its ACK.
    pub cseq: u32,
    /// The first INVITE, not a re-INVITE.
    pub initial: bool,
    /// The INVITE had no offer, so ours was in the 2xx and the ACK brings the answer.
    pub offered: bool,
    resend: Resend,
    give_up_at: Instant,
}

/// A reliable provisional response of ours on its way (RFC 3262 §3).
#[derive(Debug)]
pub struct Unpracked {
    /// Its number.
    pub rseq: u32,
    /// CSeq number of the INVITE.
    pub cseq: u32,
    /// The response.
    pub response: Bytes,
    /// Where it goes.
    pub flow: Flow,
    /// It carries SDP: no 2xx before its PRACK.
    pub sdp: bool,
    /// It waits for its PRACK; `None` when that came.
    pub waits: Option<Waits>,
    /// The provisional response to say next.
    pub next: Option<Option<Bytes>>,
}

/// How long a provisional response goes on.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    resend: Resend,
    give_up_at: Instant,
}

/// What a session has to do when its time comes.
#[derive(Debug, Eq, PartialEq)]
pub enum Due {
    /// Send 180 again.
    Ring,
    /// Send this 2xx, or this provisional response, again.
    Resend(Flow, Bytes),
    /// No ACK came within 64·T1.
    NoAck,
    /// No PRACK came within 64·T1.
    NoPrack,
    /// Send this offer again after a 491.
    Offer(Bytes),
    /// Refresh the session (RFC 4028).
    Refresh,
    /// Nobody refreshed the session (RFC 4028 §10).
    Expired,
}

impl Unacknowledged {
    /// The 2xx is sent at `now`.
    pub fn new(now: Instant, flow: Flow, ok: Bytes, cseq: u32, initial: bool, offered: bool) -> Self {
        Self { ok, flow, cseq, initial, offered, resend: Resend::start(now), give_up_at: now + GIVE_UP }
    }
}

impl Waits {
    /// The response is sent at `now`.
    pub fn new(now: Instant) -> Self {
        Self { resend: Resend::start(now), give_up_at: now + GIVE_UP }
    }
}

impl Fork {
    /// True when both sides agreed on media and the peer serves UPDATE: the offer may be changed (RFC 3311 §5.1).
    pub fn may_update(&self) -> bool {
        self.agreed && self.updates
    }
}

impl Session {
    /// A new session.
    pub fn new(dialog: Dialog, state: State) -> Self {
        Self {
            dialog,
            state,
            exchange: Exchange::Idle,
            queued: None,
            unacknowledged: None,
            unpracked: None,
            timer: None,
            interval_min_s: 0,
            refreshing: false,
            local_sdp: Bytes::new(),
            remote_sdp: Bytes::new(),
            updates: false,
            heard: true,
            noted: None,
            due: None,
            trunk: None,
            credentials: None,
        }
    }

    /// The dialog that a request of the peer belongs to: the session's, or one of its early ones.
    pub fn dialog_of(&mut self, request: &Message) -> Option<&mut Dialog> {
        match &mut self.state {
            State::Calling { forks, .. } => {
                forks.iter_mut().map(|fork| &mut fork.dialog).find(|dialog| dialog.matches(request))
            }
            State::Incoming { .. } | State::Up { .. } | State::Leaving => {
                Some(&mut self.dialog).filter(|dialog| dialog.matches(request))
            }
        }
    }

    /// True when a request of the peer belongs here.
    pub fn matches(&self, request: &Message) -> bool {
        match &self.state {
            State::Calling { forks, .. } => forks.iter().any(|fork| fork.dialog.matches(request)),
            State::Incoming { .. } | State::Up { .. } | State::Leaving => self.dialog.matches(request),
        }
    }

    /// What the peer says it serves.
    pub fn note_allow(&mut self, message: &Message) {
        if message.header(HeaderName::Allow).is_some() {
            self.updates = message.lists(HeaderName::Allow, "UPDATE");
        }
    }

    /// We hang up, or did.
    pub fn hangs_up(&self) -> bool {
        match &self.state {
            State::Up { hang_up } => hang_up.is_some(),
            State::Leaving => true,
            State::Incoming { .. } | State::Calling { .. } => false,
        }
    }

    /// A reliable response with SDP waits for its PRACK.
    pub fn awaits_prack_of_sdp(&self) -> bool {
        self.unpracked.as_ref().is_some_and(|response| response.sdp && response.waits.is_some())
    }

    /// The same with a trunk at the other side.
    #[must_use]
    pub fn with_trunk(self, trunk: Option<String>) -> Self {
        Self { trunk: trunk.map(String::into_boxed_str), ..self }
    }

    /// When `take_due` has something to say.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ring = match &self.state {
            State::Incoming { ring, .. } => ring.as_ref().map(|ring| ring.again_at),
            State::Calling { .. } | State::Up { .. } | State::Leaving => None,
        };
        let again = match &self.exchange {
            Exchange::Glare { again_at, .. } => Some(*again_at),
            Exchange::Idle | Exchange::Received { .. } | Exchange::Sent { .. } => None,
        };
        let ok = self.unacknowledged.as_ref().map(|ok| ok.resend.at.min(ok.give_up_at));
        let prack = self.unpracked.as_ref().and_then(|response| response.waits);
        let prack = prack.map(|waits| waits.resend.at.min(waits.give_up_at));
        let timer = self.timer.as_ref().map(Timer::poll_timeout);
        [ring, again, ok, prack, timer].into_iter().flatten().min()
    }

    /// What is due at `now`, one thing at a time; `None` when nothing is.
    pub fn take_due(&mut self, now: Instant) -> Option<Due> {
        if let State::Incoming { ring: Some(ring), .. } = &mut self.state
            && ring.again_at <= now
        {
            ring.again_at = now + RING_AGAIN;
            return Some(Due::Ring);
        }
        if let Some(due) = self.take_ok_due(now).or_else(|| self.take_prack_due(now)) {
            return Some(due);
        }
        if let Exchange::Glare { again_at, offer } = &mut self.exchange
            && *again_at <= now
        {
            let offer = std::mem::take(offer);
            self.exchange = Exchange::Idle;
            return Some(Due::Offer(offer));
        }
        match self.timer.as_mut()?.take_due(now)? {
            session_timer::Due::Refresh => Some(Due::Refresh),
            session_timer::Due::Expired => {
                self.timer = None;
                Some(Due::Expired)
            }
        }
    }

    fn take_ok_due(&mut self, now: Instant) -> Option<Due> {
        let ok = self.unacknowledged.as_mut()?;
        if ok.give_up_at <= now {
            self.unacknowledged = None;
            return Some(Due::NoAck);
        }
        (ok.resend.at <= now).then(|| {
            ok.resend = ok.resend.next(T2);
            Due::Resend(ok.flow, ok.ok.clone())
        })
    }

    fn take_prack_due(&mut self, now: Instant) -> Option<Due> {
        let response = self.unpracked.as_mut()?;
        let waits = response.waits.as_mut()?;
        if waits.give_up_at <= now {
            self.unpracked = None;
            return Some(Due::NoPrack);
        }
        (waits.resend.at <= now).then(|| {
            // It doubles without a ceiling (RFC 3262 §3).
            waits.resend = waits.resend.next(GIVE_UP);
            Due::Resend(response.flow, response.response.clone())
        })
    }

    /// An ACK with this number arrived; gives the 2xx it acknowledges, once.
    pub fn take_ack(&mut self, cseq: u32) -> Option<Unacknowledged> {
        self.unacknowledged.take_if(|ok| ok.cseq == cseq)
    }
}
