//! Voice messages: a caller leaves one in the box of a queue, an agent of the queue listens to them.
//!
//! ```text
//!   caller   Greeting --said, or #--> Recording --#, or long enough--> the flow goes on, or thanks and the end
//!                 \                       \--hangs up--> the message is kept
//!                  \--hangs up--> nothing was left
//!   agent    *17 --> told that there are some --> Loading --> Playing --1 again, 2 next, 3 delete, * end--> … --> the end
//! ```
//!
//! A message is a recording of the call in which it was left; the box only says which, and who has heard it. What a node of a
//! flow records goes the same way, without greeting and box: see [`super::spoken`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::RECORD_PAUSE_MAX;
use super::recording::Recorded;
use super::spoken::Spoken;
use super::{Action, Call, Context, Phase};
use crate::id::{QueueName, RecordingId};
use crate::ivr;
use crate::journal::{EndReason, Kind};
use crate::media::{self, Clip};

/// No sentence is longer; then it counts as said.
pub(super) const SAID_MAX: Duration = Duration::from_secs(60);
/// How long a message that is played may be, with room for the sentence after it.
const PLAYED_MAX: Duration = Duration::from_secs(1_800);
/// How long an agent has for a key after a message; then the next one follows.
const CHOICE: Duration = Duration::from_secs(8);
/// How long the disk has for a message.
const LOAD: Duration = Duration::from_secs(5);

/// A caller who leaves a message.
#[derive(Debug)]
pub(super) struct Leaving {
    pub place: Place,
    pub stage: Stage,
}

/// For whom the message is.
#[derive(Debug)]
pub(super) enum Place {
    /// For the box of this queue.
    Box(QueueName),
    /// For the flow that asked for it.
    Node(Spoken),
}

#[derive(Debug)]
pub(super) enum Stage {
    /// He hears what to do.
    Greeting { play: u64, until: Instant },
    /// He speaks.
    Recording { id: RecordingId, began: Instant, until: Instant },
}

/// An agent who listens to messages.
#[derive(Debug)]
pub(super) struct Listening {
    messages: Vec<(RecordingId, QueueName)>,
    at: usize,
    /// The one that is played, to be heard again.
    clip: Option<Arc<Clip>>,
    stage: Ear,
}

#[derive(Debug)]
enum Ear {
    /// He hears that there are messages.
    Told { play: u64, until: Instant },
    /// The disk is asked for the next one.
    Loading { until: Instant },
    /// He hears it, and then which keys there are.
    Playing { play: u64, until: Instant },
    /// A key is awaited.
    Choosing { until: Instant },
}

impl Leaving {
    pub(super) fn deadline(&self) -> Instant {
        match self.stage {
            Stage::Greeting { until, .. } | Stage::Recording { until, .. } => until,
        }
    }
}

impl Listening {
    pub(super) fn deadline(&self) -> Instant {
        match self.stage {
            Ear::Told { until, .. } | Ear::Loading { until } | Ear::Playing { until, .. } => until,
            Ear::Choosing { until } => until,
        }
    }
}

impl Call {
    // ---- leaving one ------------------------------------------------------------------------------------------------

    /// The caller leaves a message for this queue. A flow that asked for it goes on afterwards; without one the call ends.
    pub(super) fn leave_message(&mut self, context: &Context<'_>, queue: QueueName) {
        let Some(config) = context.voicemail.get(&queue).filter(|_| self.customer.port.is_some()) else {
            return self.message_done(context, false);
        };
        self.stop_recording();
        let (play, until) = (self.own_play(), context.now + SAID_MAX);
        let leaving = Leaving { place: Place::Box(queue), stage: Stage::Greeting { play, until } };
        self.phase = Phase::Leaving(Box::new(leaving));
        let greeting = ivr::Prompt { id: config.greeting.clone(), language: self.language.clone() };
        let mut clips = self.clips(context, &[greeting]);
        clips.push(context.prompts.beep());
        self.media(media::Command::Play { leg: self.customer.id, play, clips });
    }

    /// He heard the tone, or did not want to: from now on he is recorded, as `fresh`.
    pub fn handle_message(&mut self, context: &Context<'_>, fresh: RecordingId) {
        let Phase::Leaving(leaving) = &mut self.phase else { return };
        if !matches!(leaving.stage, Stage::Greeting { .. }) {
            return;
        }
        let (max, silence) = match &leaving.place {
            Place::Box(queue) => (context.voicemail.get(queue).map_or(Duration::ZERO, |config| config.max), None),
            Place::Node(spoken) => (spoken.max, spoken.silence),
        };
        // Who only said something to a flow has not got what he called for.
        self.served |= matches!(leaving.place, Place::Box(_));
        leaving.stage = Stage::Recording { id: fresh, began: context.now, until: context.now + max };
        self.recording = Some(Recorded::new(fresh, RECORD_PAUSE_MAX));
        self.order_sides(None);
        if let Some(silence) = silence {
            self.media(media::Command::AwaitQuiet { recording: fresh, silence });
        }
        self.journal(Kind::RecordingStarted { recording: fresh, file: fresh.file() });
        self.tell_customer();
    }

    /// A key while he leaves a message: `#`, or the one that the flow names, ends what goes on.
    pub(super) fn leaving_key(&mut self, context: &Context<'_>, digit: char) {
        let Phase::Leaving(leaving) = &self.phase else { return };
        let ends = match &leaving.place {
            Place::Box(_) => digit == '#',
            Place::Node(spoken) => spoken.terminator == Some(digit),
        };
        match leaving.stage {
            Stage::Greeting { .. } if ends => {
                self.media(media::Command::Silence { leg: self.customer.id });
                self.outputs.push_back(Action::TakeMessage);
            }
            Stage::Recording { .. } if ends => self.end_message(context),
            Stage::Greeting { .. } | Stage::Recording { .. } => {}
        }
    }

    /// The greeting was said.
    pub(super) fn greeted(&mut self, done: u64) {
        let Phase::Leaving(leaving) = &self.phase else { return };
        if matches!(leaving.stage, Stage::Greeting { play, .. } if play == done) {
            self.outputs.push_back(Action::TakeMessage);
        }
    }

    /// What goes on takes too long.
    pub(super) fn leaving_due(&mut self, context: &Context<'_>) {
        let Phase::Leaving(leaving) = &mut self.phase else { return };
        match &mut leaving.stage {
            Stage::Greeting { until, .. } if *until <= context.now => {
                // Said again at most once a minute: the engine owes the recording.
                *until = context.now + SAID_MAX;
                self.outputs.push_back(Action::TakeMessage);
            }
            Stage::Recording { until, .. } if *until <= context.now => self.end_message(context),
            Stage::Greeting { .. } | Stage::Recording { .. } => {}
        }
    }

    pub(super) fn end_message(&mut self, context: &Context<'_>) {
        let Phase::Leaving(leaving) = std::mem::replace(&mut self.phase, Phase::InFlow) else { return };
        let is_asked_for = matches!(leaving.place, Place::Node(_));
        let kept = self.keep_message(context, *leaving);
        match is_asked_for {
            true => self.spoken(context, kept),
            false => self.message_done(context, kept.is_some()),
        }
    }

    /// The message is complete; `None` when it is too short to be one.
    pub(super) fn keep_message(&mut self, context: &Context<'_>, leaving: Leaving) -> Option<RecordingId> {
        self.stop_recording();
        let Stage::Recording { id, began, .. } = leaving.stage else { return None };
        let length = context.now.saturating_duration_since(began);
        let length_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        match leaving.place {
            Place::Box(queue) => {
                let min = context.voicemail.get(&queue).map_or(Duration::ZERO, |config| config.min);
                if length < min {
                    return None;
                }
                let from = self.shown_number().unwrap_or_default().to_owned();
                self.journal(Kind::VoicemailLeft { queue, recording: id, from, length_ms });
            }
            Place::Node(spoken) => self.journal(spoken.told(id, length)?),
        }
        Some(id)
    }

    fn message_done(&mut self, context: &Context<'_>, is_kept: bool) {
        self.phase = Phase::InFlow;
        if self.run.as_ref().is_some_and(ivr::Run::is_booking) {
            return self.drive_run(context, ivr::Input::Booked { ok: is_kept });
        }
        self.leave_flow(context);
        let prompt = if is_kept { "voicemail_thanks" } else { "voicemail_nothing" };
        self.say_and_end(context, prompt, EndReason::Normal);
    }

    // ---- listening to them -------------------------------------------------------------------------------------------

    /// The messages of the boxes of the agent who calls, those first that nobody has heard.
    pub fn handle_messages(&mut self, context: &Context<'_>, messages: Vec<(RecordingId, QueueName)>) {
        if !matches!(self.phase, Phase::Starting) || !self.answered {
            return;
        }
        if messages.is_empty() {
            return self.say_and_end(context, "voicemail_none", EndReason::Normal);
        }
        let (play, until) = (self.own_play(), context.now + SAID_MAX);
        let stage = Ear::Told { play, until };
        self.phase = Phase::Listening(Box::new(Listening { messages, at: 0, clip: None, stage }));
        let some = ivr::Prompt { id: "voicemail_some".to_owned(), language: self.language.clone() };
        self.play(context, play, &[some]);
    }

    /// A message is here to be heard, or cannot be read.
    pub fn handle_sound(&mut self, context: &Context<'_>, recording: RecordingId, clip: Option<Arc<Clip>>) {
        let Phase::Listening(listening) = &mut self.phase else { return };
        let Some((id, queue)) = listening.messages.get(listening.at).cloned() else { return };
        if id != recording || !matches!(listening.stage, Ear::Loading { .. }) {
            return;
        }
        let Some(clip) = clip else {
            let detail = format!("the message {recording} of queue {queue} cannot be read");
            self.journal(Kind::Trouble { code: "voicemail_unreadable".into(), detail });
            return self.next_message(context);
        };
        listening.clip = Some(clip);
        self.outputs.push_back(Action::MessageHeard(recording));
        self.play_message(context);
    }

    fn play_message(&mut self, context: &Context<'_>) {
        let play = self.own_play();
        let menu = ivr::Prompt { id: "voicemail_menu".to_owned(), language: self.language.clone() };
        let menu = self.clips(context, &[menu]);
        let Phase::Listening(listening) = &mut self.phase else { return };
        let Some(clip) = listening.clip.clone() else { return };
        listening.stage = Ear::Playing { play, until: context.now + PLAYED_MAX };
        let clips = [context.prompts.beep(), clip].into_iter().chain(menu).collect();
        self.media(media::Command::Play { leg: self.customer.id, play, clips });
    }

    /// Asks for the message he has come to; after the last one the call ends.
    fn load_message(&mut self, context: &Context<'_>) {
        let Phase::Listening(listening) = &mut self.phase else { return };
        let Some((recording, _)) = listening.messages.get(listening.at) else {
            return self.say_and_end(context, "voicemail_end", EndReason::Normal);
        };
        listening.stage = Ear::Loading { until: context.now + LOAD };
        let recording = *recording;
        self.outputs.push_back(Action::LoadMessage(recording));
    }

    fn next_message(&mut self, context: &Context<'_>) {
        if let Phase::Listening(listening) = &mut self.phase {
            listening.at += 1;
            listening.clip = None;
        }
        self.load_message(context);
    }

    /// A key of the agent who listens.
    pub(super) fn listening_key(&mut self, context: &Context<'_>, digit: char) {
        let Phase::Listening(listening) = &self.phase else { return };
        let has_one = matches!(listening.stage, Ear::Playing { .. } | Ear::Choosing { .. });
        let present = listening.messages.get(listening.at).map(|(recording, _)| *recording);
        match digit {
            '*' => self.say_and_end(context, "voicemail_end", EndReason::Normal),
            '1' if has_one => self.play_message(context),
            '2' if has_one => self.next_message(context),
            '3' if has_one => {
                self.outputs.extend(present.map(Action::DeleteMessage));
                self.next_message(context);
            }
            _ => {}
        }
    }

    /// A sound that he hears is over.
    pub(super) fn listened(&mut self, context: &Context<'_>, done: u64) {
        let Phase::Listening(listening) = &mut self.phase else { return };
        match listening.stage {
            Ear::Told { play, .. } if play == done => self.load_message(context),
            Ear::Playing { play, .. } if play == done => {
                listening.stage = Ear::Choosing { until: context.now + CHOICE };
            }
            Ear::Told { .. } | Ear::Loading { .. } | Ear::Playing { .. } | Ear::Choosing { .. } => {}
        }
    }

    /// What goes on takes too long.
    pub(super) fn listening_due(&mut self, context: &Context<'_>) {
        let Phase::Listening(listening) = &mut self.phase else { return };
        if listening.deadline() > context.now {
            return;
        }
        match listening.stage {
            Ear::Told { .. } => self.load_message(context),
            Ear::Playing { .. } => listening.stage = Ear::Choosing { until: context.now + CHOICE },
            // The disk does not answer, or he says nothing.
            Ear::Loading { .. } | Ear::Choosing { .. } => self.next_message(context),
        }
    }
}
