//! What is agreed with somebody who is to be called back.

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::id::{AgentId, CallId, QueueName};

/// One call back, as booked. It is restored from here after a restart.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Booking {
    /// Its name.
    pub callback: CallId,
    /// The queue in which the place is kept.
    pub queue: QueueName,
    /// Whom to call.
    pub number: String,
    /// What he is shown as the caller, where nothing else is configured: what he had dialled.
    pub called: String,
    /// The trunk he came by, for a queue that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<String>,
    /// His language.
    pub language: String,
    /// Since when he has waited: his place in the order.
    pub since: Wall,
    /// When it is given up.
    pub expires_at: Wall,
    /// Skills asked of the agent.
    pub skills: Vec<String>,
    /// Minutes of waiting he is ahead.
    pub priority: u32,
    /// What kind of caller he is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// Who talked with him last, for a queue that is `sticky`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_agent: Option<AgentId>,
    /// Who booked it: `caller`, or the name of an API key.
    pub by: String,
}
