//! What a caller is told while he waits: one thing after the other, over the music.

use std::time::{Duration, Instant};

use super::{Call, Context, Phase};
use crate::ivr;

/// What is told takes no longer than this: whatever is said to run after it is over.
const LONGEST: Duration = Duration::from_secs(120);
/// Most things that wait to be told.
const WAITING_MAX: usize = 4;

/// What is being told, and what is next.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The play that runs, and since when.
    now: Option<(u64, Instant)>,
    next: Vec<Vec<String>>,
}

impl Call {
    /// The caller's place, and how long he may expect to wait.
    pub fn handle_announce(&mut self, context: &Context<'_>, position: u32, within_minutes: Option<u32>) {
        let ids = [Some(ivr::prompts::position(position)), within_minutes.map(ivr::prompts::wait_within)];
        self.tell(context, ids.into_iter().flatten().collect());
    }

    /// One of the queue's announcements.
    pub fn handle_remind(&mut self, context: &Context<'_>, prompt: String) {
        self.tell(context, vec![prompt]);
    }

    pub(super) fn tell(&mut self, context: &Context<'_>, ids: Vec<String>) {
        if !matches!(self.phase, Phase::Waiting { .. }) {
            return;
        }
        if self.told.now.is_some_and(|(_, since)| context.now < since + LONGEST) {
            if self.told.next.len() < WAITING_MAX {
                self.told.next.push(ids);
            }
            return;
        }
        let play = self.own_play();
        self.told.now = Some((play, context.now));
        let prompts = ids.into_iter().map(|id| ivr::Prompt { id, language: self.language.clone() });
        self.play(context, play, &prompts.collect::<Vec<_>>());
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
            self.tell(context, next);
        }
    }
}
