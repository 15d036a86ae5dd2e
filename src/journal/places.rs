//! Where phones and dialogs are: what a new process must know to reach them again.
//!
//! These are the words of the journal; signalling has its own, and the engine translates.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::id::LegId;

/// The way to a peer.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// `udp`, `tcp`, …
    pub transport: String,
    /// Which listener of ours, counted from 0.
    pub listener: u16,
    /// The peer.
    pub remote: SocketAddr,
}

/// One place a user registered.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// The Contact URI.
    pub uri: String,
    /// The way to it.
    pub hop: Hop,
    /// Preference in thousandths, 1000 best.
    pub q: u16,
    /// How long each renewal lasts, in seconds.
    pub expires_s: u32,
    /// Route values to it, first hop first (RFC 3327).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// The phone's own name (`+sip.instance`, RFC 5626 §4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Which of the phone's flows (`reg-id`, RFC 5626 §4.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reg_id: Option<u32>,
    /// Call-ID of its REGISTER.
    pub call_id: String,
    /// CSeq number of its REGISTER.
    pub cseq: u32,
}

impl Binding {
    /// True when `other` takes the place of this one: the same URI, or the same flow of the same phone.
    pub fn is_replaced_by(&self, other: &Binding) -> bool {
        self.uri == other.uri
            || (self.reg_id.is_some() && (&self.instance, self.reg_id) == (&other.instance, other.reg_id))
    }
}

/// What is needed to send one more request in a dialog (RFC 3261 §12.2.1.1).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct DialogSeed {
    /// Its Call-ID.
    pub call_id: String,
    /// From of our requests, with its tag.
    pub local: String,
    /// To of our requests, with its tag.
    pub remote: String,
    /// The peer's Contact.
    pub target: String,
    /// Route values, in the order of our requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// The last CSeq number of ours.
    pub cseq: u32,
    /// Where the peer was seen.
    pub hop: Hop,
    /// While our INVITE is not answered: what tells its branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<u64>,
}

/// One leg whose dialog is up.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct OpenLeg {
    /// Its number within its process: unique together with its call.
    pub leg: LegId,
    /// Its dialog.
    pub dialog: DialogSeed,
}
