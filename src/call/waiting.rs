//! The caller waits in a queue: in, from one to another, and out without an answer.

use std::time::Duration;

use super::told::Told;
use super::{Action, Call, Context, Phase, Turn};
use crate::id::QueueName;
use crate::journal::{EndReason, QueueOutcome};
use crate::{ivr, media};

impl Call {
    /// Enters a queue anew: his wait begins now.
    pub(super) fn enter_queue(&mut self, context: &Context<'_>, turn: Turn, max_wait: Option<Duration>) {
        let Turn { queue, skills, priority, segment, .. } = turn.clone();
        self.turn = Some(turn);
        self.wait(context, queue.clone());
        self.outputs.push_back(Action::Enqueue { queue, skills, priority, segment, max_wait, transferred: None });
    }

    /// He waits in this queue from now on.
    pub(super) fn wait(&mut self, context: &Context<'_>, queue: QueueName) {
        self.phase = Phase::Waiting { queue };
        self.wait_on(context);
    }

    /// Nothing is being told to him any more.
    pub(super) fn wait_on(&mut self, context: &Context<'_>) {
        self.told = Told::default();
        self.speech.forget();
        self.play_music(context);
    }

    /// The music of the queue that the caller waits in, or talks through.
    pub(super) fn play_music(&mut self, context: &Context<'_>) {
        let queue = match &self.phase {
            Phase::Waiting { queue } => Some(queue),
            Phase::Talking(_) => self.turn.as_ref().map(|turn| &turn.queue),
            _ => None,
        };
        self.media(media::Command::Music { leg: self.customer.id, music: context.prompts.music(queue) });
    }

    /// A rule of the queue sent the caller to another, where he waits on.
    pub fn handle_moved(&mut self, context: &Context<'_>, queue: QueueName) {
        if !matches!(self.phase, Phase::Waiting { .. }) {
            return;
        }
        if let Some(turn) = &mut self.turn {
            turn.queue = queue.clone();
        }
        self.wait(context, queue);
    }

    /// The queue let the caller go without an answer.
    pub fn handle_queue_left(&mut self, context: &Context<'_>, outcome: QueueOutcome) {
        if !matches!(self.phase, Phase::Waiting { .. }) {
            return;
        }
        if self.is_away(self.customer.session) {
            // His place was kept in the queue, and nobody hears what would come now.
            self.phase = Phase::InFlow;
            return self.give_up_away(context, 480);
        }
        self.media(media::Command::Silence { leg: self.customer.id });
        if self.transfer.is_some() {
            return self.transfer_failed(context, if outcome == QueueOutcome::Full { 486 } else { 480 });
        }
        // One that a transfer carried on here: no talk comes of it.
        self.stop_recording();
        use ivr::{QueueEnd, TransferEnd};
        // A flow that transferred to the queue's number hears it in the words of a transfer.
        let nobody = |end| (end, TransferEnd::Failed, "sorry_no_agents", EndReason::NoAgents);
        let (queue_end, transfer_end, prompt, reason) = match outcome {
            QueueOutcome::Timeout => {
                (QueueEnd::Timeout, TransferEnd::NoAnswer, "sorry_timeout", EndReason::QueueTimeout)
            }
            QueueOutcome::Full => (QueueEnd::Full, TransferEnd::Busy, "sorry_full", EndReason::QueueFull),
            QueueOutcome::Closed => (QueueEnd::Closed, TransferEnd::Failed, "sorry_closed", EndReason::Closed),
            QueueOutcome::NoAgents => nobody(QueueEnd::NoAgents),
            QueueOutcome::NoneLoggedIn => nobody(QueueEnd::NoneLoggedIn),
            QueueOutcome::NoneSkilled => nobody(QueueEnd::NoneSkilled),
            QueueOutcome::AllPaused => nobody(QueueEnd::AllPaused),
            QueueOutcome::Overflow => (QueueEnd::Full, TransferEnd::Busy, "sorry_full", EndReason::QueueFull),
            QueueOutcome::Key | QueueOutcome::Callback | QueueOutcome::Withdrawn => nobody(QueueEnd::NoAgents),
            QueueOutcome::Answered | QueueOutcome::Abandoned | QueueOutcome::Transferred => return,
        };
        if self.run.is_some() {
            self.phase = Phase::InFlow;
            self.drive_run(
                context,
                match self.flow_transfers() {
                    true => ivr::Input::TransferEnded { outcome: transfer_end },
                    false => ivr::Input::QueueLeft { outcome: queue_end },
                },
            );
        } else {
            self.say_and_end(context, prompt, reason);
        }
    }
}
