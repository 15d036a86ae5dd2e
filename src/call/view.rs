//! A call as seen from outside.

use std::time::Instant;

use super::leg::Leg;
use super::route::Route;
use super::{Call, Peer, Phase};
use crate::id::{AgentId, CallId, QueueName};
use crate::journal::Origin;

impl Call {
    /// Its name.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// The media shard of all its legs.
    pub fn shard(&self) -> usize {
        self.shard
    }

    /// The caller's leg.
    pub fn customer(&self) -> &Leg {
        &self.customer
    }

    /// Who calls, as told to the agent.
    pub fn from(&self) -> &str {
        &self.from
    }

    /// What was dialled.
    pub fn to(&self) -> &str {
        &self.to
    }

    /// His language.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// He does not want to be shown.
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// By what right he calls.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What the dialled number does.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// When the INVITE came.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The queue the caller waits in now.
    pub fn waiting_in(&self) -> Option<&QueueName> {
        match &self.phase {
            Phase::Waiting { queue } => Some(queue),
            // An agent is reserved for him meanwhile.
            Phase::Dialing { .. } if self.rings_customer_first() => self.turn.as_ref().map(|turn| &turn.queue),
            Phase::Starting | Phase::InFlow | Phase::Dialing { .. } | Phase::Talking(_) => None,
            Phase::Leaving(_) | Phase::Listening(_) => None,
            Phase::Service | Phase::Closing { .. } | Phase::Ended => None,
        }
    }

    /// The other side of the talk, while there is one: also who transfers and may take the customer back.
    pub fn peer(&self) -> Option<&Peer> {
        let transferer = self.transfer.as_ref().and_then(|transfer| transfer.peer.as_ref());
        match &self.phase {
            Phase::Talking(peer) => Some(peer),
            Phase::Starting | Phase::InFlow | Phase::Dialing { .. } | Phase::Waiting { .. } => transferer,
            Phase::Leaving(_) | Phase::Listening(_) => None,
            Phase::Service | Phase::Closing { .. } | Phase::Ended => None,
        }
    }

    /// The user of ours on the customer's side; another than he who called once he transferred the one he had called.
    pub fn user(&self) -> Option<&AgentId> {
        self.user.as_ref()
    }

    /// The user of ours by whose right the call rings somebody now: who transfers it, else who made it. `None` when it
    /// is nobody's of ours, or a flow's.
    pub fn dials_for(&self) -> Option<&AgentId> {
        let own = || self.user.as_ref().filter(|_| self.run.is_none());
        let invited = self.invited.as_ref().map(|invited| &invited.by);
        self.transfer.as_ref().map(|transfer| &transfer.by).or(invited).or_else(own)
    }

    /// The 200 went to the caller.
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// Hops that a call going on from here may still make (RFC 3261 §8.1.1.6).
    pub fn hops(&self) -> u8 {
        self.hops
    }

    /// The caller and the other side talk with each other now.
    pub fn is_talking(&self) -> bool {
        matches!(self.phase, Phase::Talking(_))
    }

    /// Who else is in the talk: a conference.
    pub fn guests(&self) -> &[Peer] {
        &self.guests
    }

    /// True while a phone outside the queues is being rung, for the caller or for his talk.
    pub fn is_dialing(&self) -> bool {
        matches!(self.phase, Phase::Dialing { .. }) || self.invited.is_some()
    }

    /// True once the call is over.
    pub fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }
}
