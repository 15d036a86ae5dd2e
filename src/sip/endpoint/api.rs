//! The words between the endpoint and its caller.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use super::super::config::Transport;
use super::super::dialog::DialogSeed;
use super::super::registrar::{Binding, Loss};
use super::links::LinkOrder;

/// A path to a peer: how, from which of our listeners, to which address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Flow {
    /// How.
    pub transport: Transport,
    /// Which of `SipConfig::listeners`.
    pub listener: u16,
    /// The peer.
    pub remote: SocketAddr,
    /// The connection of a stream; `None` = whichever leads to `remote`, or a new one.
    pub connection: Option<u64>,
}

/// One INVITE dialog usage: one leg of a call in SIP. Never used again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct SessionId(pub u64);

/// One REFER of a peer, until its outcome was told. Never used again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct ReferId(pub u64);

/// What the endpoint asks of its caller.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send one message.
    Send {
        /// Where.
        flow: Flow,
        /// The whole message.
        bytes: Bytes,
    },
    /// Something is to be known of a connection.
    Link(LinkOrder),
    /// A dialog is to be written down, or need not be kept any more.
    Dialog(DialogNote),
    /// Something happened.
    Event(Event),
}

/// What a later process would have to know of the dialogs of this one.
#[derive(Clone, Debug, PartialEq)]
pub enum DialogNote {
    /// The dialog of this session is up, or its peer is reached another way than was told before.
    Up {
        /// Which session.
        session: SessionId,
        /// How to send in it.
        seed: Box<DialogSeed>,
    },
    /// A dialog that was told is over: nothing is owed to its peer.
    Down {
        /// Which session.
        session: SessionId,
    },
}

/// What happened. After an event marked terminal no more of this session follow; nor after
/// `Endpoint::hang_up` and `Endpoint::reject`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody calls; 100 is sent, to a stranger not before `take_up`. Owes `answer`, `reject` or `hang_up`.
    Incoming {
        /// The new session.
        session: SessionId,
        /// Who and what.
        incoming: Box<Incoming>,
    },
    /// 101–199 to our INVITE.
    Progress {
        /// Which session.
        session: SessionId,
        /// The status code.
        code: u16,
        /// Early media, if it came with SDP.
        sdp: Option<Bytes>,
    },
    /// 2xx to our INVITE; the ACK is sent.
    Answered {
        /// Which session.
        session: SessionId,
        /// The SDP in it.
        sdp: Option<Bytes>,
    },
    /// Our INVITE came to nothing. Terminal.
    Failed {
        /// Which session.
        session: SessionId,
        /// The status code: 300–699; 408 when nothing came; 503 when the peer cannot be reached.
        code: u16,
        /// The phrase of the status line.
        reason: String,
        /// Retry-After in seconds.
        retry_after: Option<u32>,
    },
    /// The ACK to the 2xx of `answer` came.
    Acked {
        /// Which session.
        session: SessionId,
    },
    /// The caller cancelled before an answer; 487 is sent. Terminal.
    Cancelled {
        /// Which session.
        session: SessionId,
        /// The Reason header of their CANCEL.
        reason: Option<String>,
    },
    /// The session is over. Terminal.
    Ended {
        /// Which session.
        session: SessionId,
        /// How.
        cause: EndCause,
        /// The Reason header of their BYE.
        reason: Option<String>,
    },
    /// The peer offers a change (re-INVITE or UPDATE, also before the answer). Owes `answer_offer` or `refuse_offer`.
    Offer {
        /// Which session.
        session: SessionId,
        /// The offer; `None`: the peer wants ours.
        sdp: Option<Bytes>,
    },
    /// The peer accepted our offer: that of `reinvite`, or the one in a 2xx of ours to an INVITE without SDP
    /// (then it follows `Acked`).
    OfferAnswered {
        /// Which session.
        session: SessionId,
        /// The answer.
        sdp: Option<Bytes>,
    },
    /// The peer refused our offer; the session goes on as before.
    OfferRefused {
        /// Which session.
        session: SessionId,
        /// The status code.
        code: u16,
    },
    /// A digit pressed, told by INFO; 200 is sent.
    Dtmf {
        /// Which session.
        session: SessionId,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
        /// How long it was pressed, in milliseconds.
        duration_ms: u32,
    },
    /// The peer asks us to call somebody in its place (REFER); 202 and a NOTIFY of 100 are sent. Owes
    /// `refer_progress` with a final code.
    Refer {
        /// Which session.
        session: SessionId,
        /// Names it in `refer_progress`.
        refer: ReferId,
        /// User part of the URI to call, unescaped.
        to_user: String,
        /// The URI to call, without headers.
        to_uri: String,
        /// The session of ours that the new call is to take the place of (attended transfer).
        replaces: Option<SessionId>,
        /// The value of Referred-By.
        referred_by: Option<String>,
    },
    /// A contact was added, or is reached another way; a mere renewal is not told.
    Registered {
        /// Whose.
        user: String,
        /// What; it takes the place of the contact with the same URI, or of the same flow of the same phone.
        binding: Box<Binding>,
        /// True when the user had no contact before.
        new: bool,
    },
    /// A source gave too many wrong answers and is not listened to for a while.
    Banned {
        /// Its address; of IPv6 the first of its /64.
        address: IpAddr,
        /// For how long.
        seconds: u64,
        /// The how manieth ban of this source it is.
        times: u32,
    },
    /// A host of a trunk answers again, or does not any more.
    TrunkState {
        /// Which trunk.
        trunk: String,
        /// Its host.
        host: SocketAddr,
        /// Whether calls can go there.
        up: bool,
        /// Why not, in words.
        detail: String,
    },
    /// What came of registering at a trunk.
    TrunkRegistered {
        /// Which trunk.
        trunk: String,
        /// Whether we are registered now.
        ok: bool,
        /// The status code; 408 when nothing came, 503 when it cannot be reached.
        code: u16,
        /// Seconds granted; 0 when not registered.
        expires_s: u32,
    },
    /// One of several contacts is gone.
    ContactGone {
        /// Whose.
        user: String,
        /// Its URI.
        uri: String,
        /// How.
        loss: Loss,
    },
    /// The last contact is gone.
    Unregistered {
        /// Whose.
        user: String,
        /// How.
        loss: Loss,
    },
}

/// A trunk as signalling sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrunkView {
    /// Its hosts, best first.
    pub hosts: Vec<TrunkHostView>,
    /// It registers.
    pub registers: bool,
    /// How long its registration still lasts.
    pub registered_for: Option<Duration>,
}

/// One host of a trunk.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkHostView {
    /// How it is reached.
    pub flow: Flow,
    /// Whether calls go there.
    pub up: bool,
    /// How long its last answer to OPTIONS took.
    pub round_trip: Option<Duration>,
}

/// One INVITE that came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// User part of From, unescaped; a claim, see `identity`.
    pub from_user: String,
    /// Display name of From.
    pub from_display: Option<String>,
    /// User part of the Request-URI, unescaped: what was dialled. Empty when there is none.
    pub to_user: String,
    /// By what right.
    pub identity: Identity,
    /// The offer; `None`: our 2xx has to offer.
    pub sdp: Option<Bytes>,
    /// Where it came from.
    pub flow: Flow,
    /// Its Call-ID.
    pub call_id: String,
    /// User part of the identity that the sender asserts (P-Asserted-Identity, else Remote-Party-ID). A claim: only
    /// who knows the sender can say what it is worth.
    pub asserted: Option<String>,
    /// The sender asks not to show who calls (Privacy, else Remote-Party-ID).
    pub private: bool,
    /// User parts of who was dialled before, newest first (Diversion, else History-Info).
    pub diversion: Vec<String>,
    /// The session of ours that this call is to take the place of (Replaces).
    pub replaces: Option<SessionId>,
    /// The value of Referred-By.
    pub referred_by: Option<String>,
    /// Host of the Request-URI, without port.
    pub to_host: String,
    /// Max-Forwards, 70 when not said. A call that goes on from here says one less, by the header of that name
    /// in `Invite::headers`, so that loops end.
    pub max_forwards: u8,
}

/// Who somebody is proved to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Identity {
    /// A configured user: by password, or by the fixed address he calls from.
    User(String),
    /// A trunk, by source address.
    Trunk(String),
    /// Nobody we know.
    Stranger,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndCause {
    /// The peer sent BYE.
    Bye,
    /// The peer never acknowledged our 2xx; BYE is sent.
    NoAck,
    /// The peer does not answer any more, or does not know the session (481).
    Timeout,
    /// The peer cannot be reached. Not raised yet: a broken path shows as `Timeout` or `NoAck`.
    Transport,
}

/// A refusal.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rejection {
    /// 300–699; anything else becomes 500.
    pub code: u16,
    /// The phrase; `None` = the usual one.
    pub reason: Option<String>,
    /// Retry-After in seconds.
    pub retry_after: Option<u32>,
    /// What a Warning header says.
    pub warning: Option<Warning>,
}

/// A Warning header: why a request could not be served (RFC 3261 §20.43).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// 300–399; 399 = miscellaneous.
    pub code: u16,
    /// For people.
    pub text: String,
}

/// An INVITE to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Invite {
    /// Where to.
    pub flow: Flow,
    /// The Request-URI.
    pub uri: String,
    /// User part of From and Contact, not escaped.
    pub from_user: String,
    /// Display name of From.
    pub from_display: Option<String>,
    /// The URI of To.
    pub to: String,
    /// Route values, first hop first: the Path of a registered phone (RFC 3327).
    pub routes: Vec<String>,
    /// The offer.
    pub sdp: Bytes,
    /// User part of the identity that we assert (P-Asserted-Identity); only for who may be told.
    pub asserted: Option<String>,
    /// The callee is not to be shown who calls: From is anonymous, and Privacy asks the next hops for the same.
    pub private: bool,
    /// The value of a Replaces header.
    pub replaces: Option<String>,
    /// The trunk this goes to: its challenges are answered with its login, and From is our name there.
    pub trunk: Option<String>,
    /// Further headers in order. `Max-Forwards` replaces ours; what this layer writes itself is left out.
    pub headers: Vec<(String, String)>,
}
