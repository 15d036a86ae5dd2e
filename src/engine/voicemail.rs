//! The boxes of queues: which messages there are, who has heard them, and bringing their sound.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::call::Call;
use crate::id::{AgentId, CallId, QueueName, RecordingId};
use crate::journal::{About, Kind};
use crate::media::Clip;
use crate::report::places::Voicemail;

use super::{Engine, Output};

/// Most messages kept at once; of more the oldest are given up.
const MESSAGES_MAX: usize = 20_000;

/// The messages, oldest first.
#[derive(Debug, Default)]
pub(super) struct Voicemails(BTreeMap<RecordingId, Voicemail>);

impl Engine {
    /// All messages, or those of one queue, oldest first.
    pub fn voicemails(&self, queue: Option<&QueueName>) -> Vec<Voicemail> {
        let of_queue = |message: &&Voicemail| queue.is_none_or(|queue| message.queue == *queue);
        self.voicemails.0.values().filter(of_queue).cloned().collect()
    }

    /// Takes over what the last process knew.
    pub(super) fn restore_voicemails(&mut self, messages: Vec<Voicemail>) {
        self.voicemails.0 = messages.into_iter().map(|message| (message.recording, message)).collect();
    }

    /// A caller left one.
    pub(super) fn voicemail_left(&mut self, now: Instant, call: CallId, kind: &Kind) {
        let Kind::VoicemailLeft { queue, recording, from, length_ms } = kind else { return };
        let (queue, from, at) = (queue.clone(), from.clone(), self.clock.wall(now));
        let message = Voicemail { recording: *recording, call, queue, from, at, length_ms: *length_ms, heard: None };
        self.voicemails.0.insert(*recording, message);
        self.expire_voicemails(now);
    }

    /// Gives up those that are older than their queue keeps them, or too many.
    fn expire_voicemails(&mut self, now: Instant) {
        let wall = self.clock.wall(now);
        let keep = |queue: &QueueName| self.settings.call.voicemail.get(queue).map(|config| config.keep);
        let is_old = |message: &&Voicemail| keep(&message.queue).is_some_and(|keep| wall.since(message.at) > keep);
        let excess = self.voicemails.0.len().saturating_sub(MESSAGES_MAX);
        let many = self.voicemails.0.keys().take(excess).copied();
        let old = self.voicemails.0.values().filter(is_old).map(|message| message.recording);
        let gone: Vec<RecordingId> = many.chain(old).collect();
        for recording in gone {
            self.delete_voicemail(now, recording, "expired");
        }
    }

    /// Somebody heard a message; false when there is none, nothing when it was heard before. `by` is `agent:ID` or a key's name.
    pub fn voicemail_heard(&mut self, now: Instant, recording: RecordingId, by: &str) -> bool {
        let wall = self.clock.wall(now);
        let Some(message) = self.voicemails.0.get_mut(&recording) else { return false };
        if message.heard.is_none() {
            message.heard = Some((by.to_owned(), wall));
            let (queue, by) = (message.queue.clone(), by.to_owned());
            self.journal(now, About::Node, Kind::VoicemailHeard { queue, recording, by });
        }
        true
    }

    /// A message is out of its box; its recording stays with its call. False when there is none.
    pub fn delete_voicemail(&mut self, now: Instant, recording: RecordingId, by: &str) -> bool {
        let Some(message) = self.voicemails.0.remove(&recording) else { return false };
        let kind = Kind::VoicemailDeleted { queue: message.queue, recording, by: by.to_owned() };
        self.journal(now, About::Node, kind);
        true
    }

    /// An agent wants to hear the messages of his queues, a supervisor those of the queues he may supervise.
    pub(super) fn open_box(&mut self, now: Instant, line: CallId, user: &AgentId) {
        self.expire_voicemails(now);
        let agent = self.settings.floor.agents.get(user);
        let supervisor = self.settings.call.supervisors.get(user);
        let supervises = |queue| supervisor.is_some_and(|s| s.queues.as_ref().is_none_or(|own| own.contains(queue)));
        let may_hear = |queue| supervises(queue) || agent.is_some_and(|agent| agent.queues.contains(queue));
        let mut messages: Vec<&Voicemail> = self.voicemails.0.values().filter(|m| may_hear(&m.queue)).collect();
        messages.sort_by_key(|message| (message.heard.is_some(), message.recording));
        let messages = messages.into_iter().map(|message| (message.recording, message.queue.clone())).collect();
        self.with_call(now, line, |call, context| call.handle_messages(context, messages));
    }

    /// The disk is asked for its sound.
    pub(super) fn load_message(&mut self, call: CallId, recording: RecordingId) {
        self.outputs.push_back(Output::LoadSound { call, recording });
    }

    /// The sound is here; `None` when it cannot be read.
    pub(super) fn sound_loaded(&mut self, now: Instant, call: CallId, recording: RecordingId, clip: Option<Arc<Clip>>) {
        self.with_call(now, call, |call, context| call.handle_sound(context, recording, clip));
    }

    /// Whom this call's user is in journal and API.
    pub(super) fn listener_name(call: Option<&Call>) -> String {
        call.and_then(Call::user).map_or_else(|| "phone".to_owned(), |user| format!("agent:{user}"))
    }
}
