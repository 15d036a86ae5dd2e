//! What a call asks of the engine.

use std::time::{Duration, Instant};

use super::Wanted;
use super::route::{Dial, Feature};
use crate::id::{AgentId, QueueName, RecordingId};
use crate::journal::{Kind, QueueOutcome, SupervisionMode};
use crate::media;
use crate::sip::{ReferId, SessionId, Warning};

/// What a call asks of the engine, in order.
#[derive(Debug)]
pub enum Action {
    /// 180 to the caller, or 183 with this SDP: what the other side plays before it answers.
    Ring {
        /// Early media.
        sdp: Option<bytes::Bytes>,
    },
    /// 200 to the caller.
    Answer,
    /// 200 to another INVITE: that of who takes somebody's place.
    Accept {
        /// Whose.
        session: SessionId,
        /// Our description.
        sdp: bytes::Bytes,
    },
    /// Refuse the caller's INVITE.
    Reject {
        /// SIP status, 4xx–6xx.
        code: u16,
        /// Seconds for Retry-After.
        retry_after: Option<u32>,
    },
    /// BYE (or CANCEL) one of the call's sessions.
    HangUp {
        /// Which.
        session: SessionId,
        /// Value for a Reason header (RFC 3326).
        reason: Option<String>,
    },
    /// Accept a re-INVITE.
    AnswerOffer {
        /// Whose.
        session: SessionId,
        /// The answer.
        sdp: bytes::Bytes,
    },
    /// Refuse a re-INVITE.
    RefuseOffer {
        /// Whose.
        session: SessionId,
        /// SIP status.
        code: u16,
        /// What is wrong with the offer.
        warning: Option<Warning>,
    },
    /// Pass a re-INVITE on (bypassed media).
    Reinvite {
        /// To whom.
        session: SessionId,
        /// The offer.
        sdp: bytes::Bytes,
    },
    /// Tell the media shard of this call.
    Media(media::Command),
    /// Put the caller into a queue.
    Enqueue {
        /// Which.
        queue: QueueName,
        /// Skills asked of the agent.
        skills: Vec<String>,
        /// Minutes of waiting he is ahead.
        priority: u32,
        /// What kind of caller he is, when a flow said it.
        segment: Option<String>,
        /// A longest wait other than the queue's.
        max_wait: Option<Duration>,
        /// Since when he has waited, when he is transferred there. Owes `Call::handle_queued` once he is in it.
        transferred: Option<Instant>,
    },
    /// The caller asks for these skills from now on, in the queue he waits in.
    Relax {
        /// All of them.
        skills: Vec<String>,
    },
    /// The caller pressed this key while he waits.
    QueueKey(char),
    /// Take the caller out of his queue.
    LeaveQueue {
        /// Why.
        outcome: QueueOutcome,
    },
    /// The talk with this agent is over.
    TalkEnded {
        /// Who.
        agent: AgentId,
        /// It was a call to him, not one of a queue.
        own: bool,
    },
    /// The agent put the caller on hold or took him back.
    Hold {
        /// Who.
        agent: AgentId,
        /// True: on hold.
        on: bool,
    },
    /// Two talk from here on, whoever they are.
    Joined,
    /// The talk began: those who listen to this agent hear it from here.
    Talking {
        /// Who.
        agent: AgentId,
    },
    /// Ring an address or trunk.
    Dial(Dial),
    /// Ring an agent's phone directly.
    Direct(AgentId),
    /// Ask routing where this leads, for a flow's `transfer`.
    Transfer {
        /// A number, an agent's id, or `sip:`…
        to: String,
    },
    /// Tell who asked for a transfer how far it has come.
    ReferProgress {
        /// Whom.
        refer: ReferId,
        /// SIP status: 100–199, then one final.
        code: u16,
    },
    /// The customer's side and the other changed places: who was the customer is the peer now.
    Turned {
        /// The agent who no longer counts as the peer.
        before: Option<AgentId>,
        /// The one who does.
        agent: AgentId,
    },
    /// What was a talk of the floor goes on as a call of the agent's own.
    OwnCall {
        /// Who.
        agent: AgentId,
    },
    /// Give up the ring begun by `Dial` or `Direct`.
    DropDial {
        /// What the phone that rings is told (RFC 3326).
        reason: Option<String>,
    },
    /// Give up the ring at the new page of somebody who is away.
    DropPage,
    /// Who transferred has his talk back.
    Returned {
        /// Who.
        user: AgentId,
    },
    /// Do what an agent's feature code says.
    Feature(Feature),
    /// A supervisor on his line pressed a key: he takes part in another way.
    Switch(Switch),
    /// Ring the phone that this call begins with: its port is open. Owes `Call::set_session`.
    CallOut,
    /// The customer who is called back answered; `waits`: he has no agent yet.
    Reached {
        /// See above.
        waits: bool,
    },
    /// He cannot be had: this is the SIP status.
    NotReached {
        /// 487: the agent did not wait for him.
        code: u16,
    },
    /// The call ends before the customer was there, by nobody's refusal.
    CalledOff,
    /// The flow asks a service. Owes `Call::handle_fetched`, in time or not at all.
    Fetch {
        /// Numbers the questions of the flow.
        fetch: u64,
        /// Which.
        service: String,
        /// Path and query.
        path: String,
        /// JSON, by POST; without it by GET.
        body: Option<String>,
        /// How long the answer is waited for.
        timeout: Duration,
    },
    /// A sentence is to be spoken by a voice. Owes `Call::handle_speech`, in time or not at all.
    Synthesize {
        /// Numbers the sentences of the call.
        speech: u64,
        /// In which language.
        language: String,
        /// The sentence.
        text: String,
        /// Its sound is not kept on disk.
        is_private: bool,
        /// A recording stands in where it is not spoken.
        is_optional: bool,
    },
    /// The flow wants a bot for its caller. Owes `Call::handle_forked`, until [`Action::ForkEnd`].
    Fork {
        /// Numbers the bots of the flow.
        fork: u64,
        /// The service it belongs to.
        service: String,
        /// Path and query.
        path: String,
        /// What it is told.
        data: serde_json::Value,
    },
    /// The bot hears the customer's leg and speaks to it.
    ForkHear,
    /// The customer pressed this key while the bot talks with him.
    ForkKey(char),
    /// The bot is let go.
    ForkEnd {
        /// As the customer is gone.
        hangup: bool,
    },
    /// The caller is about to leave a message. Owes `Call::handle_message`.
    TakeMessage,
    /// The sound of a message is wanted. Owes `Call::handle_sound`.
    LoadMessage(RecordingId),
    /// Somebody hears this message.
    MessageHeard(RecordingId),
    /// This message is wanted no more.
    DeleteMessage(RecordingId),
    /// The caller wants to be called back. Owes `Call::handle_booked`.
    Book(Wanted),
    /// Write this about the call.
    Journal(Kind),
    /// The call is over; its legs may still be closing.
    Ended,
}

/// How a supervisor wants to take part from now on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Switch {
    /// Hear, or be heard too.
    Mode(SupervisionMode),
    /// Talk with the caller in the agent's place.
    TakeOver,
}

impl Switch {
    /// The key on the supervisor's phone: 1 listen, 2 whisper, 3 barge, 4 take over.
    pub(super) fn of_key(digit: char) -> Option<Self> {
        match digit {
            '1' => Some(Self::Mode(SupervisionMode::Listen)),
            '2' => Some(Self::Mode(SupervisionMode::Whisper)),
            '3' => Some(Self::Mode(SupervisionMode::Barge)),
            '4' => Some(Self::TakeOver),
            _ => None,
        }
    }
}
