//! The recording of a call: it belongs to the call, not to a leg, and goes on whoever takes the customer over.
//!
//! ```text
//!   talk of a recorded queue or number --> recorded <--> paused (API, `*6` on the agent's phone; the timer resumes)
//!      transfer: goes on, the right side silent until the target talks
//!      the talk is over, a flow serves the customer, a queue that records nothing answers --> ends
//! ```

use std::time::{Duration, Instant};

use super::config::{RECORD_PAUSE_MAX, RecordPolicy};
use super::leg::Leg;
use super::talk::{Peer, PeerKind};
use super::{Call, Context, Phase};
use crate::id::{LegId, RecordingId};
use crate::journal::{Kind, LegRole};
use crate::media;

/// The keys that pause the recording of a talk and resume it.
const CODE: [char; 2] = ['*', '6'];
/// How far apart they may be.
const CODE_PATIENCE: Duration = Duration::from_secs(3);

/// A recording under way.
#[derive(Debug)]
pub(super) struct Recorded {
    pub id: RecordingId,
    /// When the pause ends by itself; none while everything is recorded.
    resume_at: Option<Instant>,
    /// The longest pause.
    pause_max: Duration,
}

/// Why a recording is not paused or resumed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordingFault {
    /// Nothing is recorded.
    #[error("the call is not recorded")]
    NotRecorded,
    /// It is as was asked for already.
    #[error("the recording is so already")]
    Already,
}

impl Recorded {
    /// One that begins.
    pub(super) fn new(id: RecordingId, pause_max: Duration) -> Self {
        Self { id, resume_at: None, pause_max }
    }
}

impl Call {
    /// The recording that runs, and whether it is paused.
    pub fn recording(&self) -> Option<(RecordingId, bool)> {
        self.recording.as_ref().map(|recorded| (recorded.id, recorded.resume_at.is_some()))
    }

    /// A talk with `peer` begins: it is recorded by `policy` as `fresh`, or in the recording that runs already. That one
    /// ends only where a queue says that its talks are not recorded.
    pub(super) fn record_talk(&mut self, context: &Context<'_>, policy: RecordPolicy, fresh: RecordingId, peer: &Peer) {
        let queue = match &peer.kind {
            PeerKind::Agent { queue, .. } => Some(queue),
            PeerKind::Direct(_) | PeerKind::Dialed { .. } => None,
        };
        let unrecorded = policy == RecordPolicy::Never && queue.is_some();
        if unrecorded || self.customer.port.is_none() {
            return self.stop_recording();
        }
        let pause_max = queue.and_then(|queue| context.pauses.get(queue)).copied();
        match &mut self.recording {
            Some(recorded) => recorded.pause_max = pause_max.unwrap_or(recorded.pause_max),
            None if policy == RecordPolicy::Always => {
                let pause_max = pause_max.unwrap_or(RECORD_PAUSE_MAX);
                self.recording = Some(Recorded::new(fresh, pause_max));
                self.order_sides(Some(peer.leg.id));
                self.journal(Kind::RecordingStarted { recording: fresh, file: fresh.file() });
                self.tell_leg(LegRole::Customer, codec(&self.customer));
                return self.tell_leg(LegRole::Agent, codec(&peer.leg));
            }
            None => return,
        }
        self.record_sides(Some(&peer.leg));
    }

    /// The right side of the recording is another leg now, or nobody; with whoever else is in the talk.
    pub(super) fn record_sides(&mut self, peer: Option<&Leg>) {
        self.order_sides(peer.map(|leg| leg.id));
        if let Some(leg) = peer {
            self.tell_leg(LegRole::Agent, codec(leg));
        }
    }

    /// The customer speaks from another leg now; so the left side does.
    pub(super) fn record_customer(&mut self, peer: Option<&Leg>) {
        self.order_sides(peer.map(|leg| leg.id));
        self.tell_leg(LegRole::Customer, codec(&self.customer));
    }

    /// Who is on which side of the recording, when there is one.
    pub(super) fn order_sides(&mut self, peer: Option<LegId>) {
        if let Some(Recorded { id, .. }) = self.recording {
            let guests = self.guests.iter().map(|guest| guest.leg.id);
            let others = peer.into_iter().chain(guests).collect();
            self.media(media::Command::Record { recording: id, customer: self.customer.id, others });
        }
    }

    /// What the customer speaks, for the sidecar.
    pub(super) fn tell_customer(&mut self) {
        self.tell_leg(LegRole::Customer, codec(&self.customer));
    }

    /// What a side speaks, for the sidecar.
    fn tell_leg(&mut self, leg: LegRole, codec: Option<String>) {
        if let (Some(Recorded { id, .. }), Some(codec)) = (&self.recording, codec) {
            let recording = *id;
            self.journal(Kind::RecordingLeg { recording, leg, codec });
        }
    }

    pub(super) fn stop_recording(&mut self) {
        if let Some(Recorded { id, .. }) = self.recording.take() {
            self.media(media::Command::StopRecord { recording: id });
        }
    }

    /// Pauses or resumes the recording. `by` says who asks, as in [`Kind::RecordingPaused`]; `why` in his words.
    ///
    /// # Errors
    ///
    /// [`RecordingFault`]; nothing changes then.
    pub fn handle_pause(&mut self, now: Instant, on: bool, by: String, why: String) -> Result<(), RecordingFault> {
        let recorded = self.recording.as_mut().ok_or(RecordingFault::NotRecorded)?;
        if on == recorded.resume_at.is_some() {
            return Err(RecordingFault::Already);
        }
        let recording = recorded.id;
        recorded.resume_at = on.then(|| now + recorded.pause_max);
        match on {
            true => {
                self.media(media::Command::PauseRecord { recording });
                self.journal(Kind::RecordingPaused { recording, by, why });
            }
            false => {
                self.media(media::Command::ResumeRecord { recording });
                self.journal(Kind::RecordingResumed { recording, by, why });
            }
        }
        Ok(())
    }

    /// When a pause ends by itself.
    pub(super) fn pause_deadline(&self) -> Option<Instant> {
        self.recording.as_ref()?.resume_at
    }

    /// Ends a pause whose time is over.
    pub(super) fn end_long_pause(&mut self, now: Instant) {
        if self.pause_deadline().is_some_and(|at| at <= now) {
            let _ = self.handle_pause(now, false, "timer".to_owned(), String::new());
        }
    }

    /// A key of somebody of ours in a talk. It goes to the other side as any key does; here only the code counts.
    pub(super) fn agent_key(&mut self, now: Instant, leg: LegId, digit: char) {
        let [star, six] = CODE;
        let armed = self.code_begun.take().is_some_and(|at| now.saturating_duration_since(at) < CODE_PATIENCE);
        if digit == star {
            self.code_begun = Some(now);
            return;
        }
        let (true, true, Some(by)) = (armed, digit == six, self.user_at(leg)) else { return };
        let on = self.pause_deadline().is_none();
        let _ = self.handle_pause(now, on, format!("agent:{by}"), String::new());
    }

    /// The user of ours whose leg this is.
    pub fn user_at(&self, leg: LegId) -> Option<crate::id::AgentId> {
        let user = match &self.phase {
            Phase::Talking(peer) if peer.leg.id == leg => peer.kind.agent(),
            _ if self.customer.id == leg => self.user.as_ref(),
            _ => None,
        };
        user.cloned()
    }
}

fn codec(leg: &Leg) -> Option<String> {
    leg.media.as_ref().map(|agreed| format!("{:?}", agreed.codec).to_ascii_lowercase())
}
