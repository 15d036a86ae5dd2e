//! What a caller is told while he waits: one thing after the other, over the music.

use std::time::{Duration, Instant};

use super::{Call, Context, Phase};
use crate::ivr::{self, Said, prompts};

/// What is told takes no longer than this: whatever is said to run after it is over.
const LONGEST: Duration = Duration::from_secs(120);
/// Most things that wait to be told.
const WAITING_MAX: usize = 4;

/// What is being told, and what is next.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The play that runs, and since when.
    now: Option<(u64, Instant)>,
    next: Vec<Vec<Said>>,
}

impl Call {
    /// The caller's place, and how long he may expect to wait.
    pub fn handle_announce(&mut self, context: &Context<'_>, position: u32, within_minutes: Option<u32>) {
        let wait = within_minutes.map(|minutes| self.recorded(prompts::wait_within(minutes)));
        let is_recorded = |prompt: &ivr::Prompt| context.prompts.has(&prompt.language, &prompt.id);
        let place = Said::position(&self.language, position, is_recorded);
        let said = [Some(place), wait].into_iter().flatten().collect();
        self.tell_all(context, said);
    }

    /// One of the queue's announcements.
    pub fn handle_remind(&mut self, context: &Context<'_>, prompt: String) {
        self.tell(context, prompt);
    }

    fn recorded(&self, id: String) -> Said {
        Said::Prompt(ivr::Prompt { id, language: self.language.clone() })
    }

    /// Plays a recording over the music.
    pub(super) fn tell(&mut self, context: &Context<'_>, id: String) {
        let said = vec![self.recorded(id)];
        self.tell_all(context, said);
    }

    fn tell_all(&mut self, context: &Context<'_>, said: Vec<Said>) {
        if !matches!(self.phase, Phase::Waiting { .. }) {
            return;
        }
        if self.told.now.is_some_and(|(_, since)| context.now < since + LONGEST) {
            if self.told.next.len() < WAITING_MAX {
                self.told.next.push(said);
            }
            return;
        }
        let play = self.own_play();
        self.told.now = Some((play, context.now));
        self.say(context, play, &said);
    }

    /// It is told: the next thing, or music again.
    pub(super) fn told_all(&mut self, context: &Context<'_>, play: u64) {
        if self.told.now.is_some_and(|(now, _)| now != play) {
            return;
        }
        self.told.now = None;
        if self.told.next.is_empty() {
            self.play_music(context);
        } else {
            let next = self.told.next.remove(0);
            self.tell_all(context, next);
        }
    }
}
