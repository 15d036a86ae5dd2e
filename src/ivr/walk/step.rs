//! Steps: what the caller, the agents and the other side of a transfer do, in words.

use std::fmt;

use super::super::run::{QueueEnd, TransferEnd, Waits};
use super::super::value::dialled_key;
use crate::diagnostic::did_you_mean;

/// One step, as it is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// The caller presses these keys: `1`, `1234#`.
    Keys(String),
    /// Nothing happens until the time is over: `t`.
    Time,
    /// The caller hangs up: `h`.
    HangUp,
    /// Something else: `answered`, `timeout`, `busy`, `ok`, …
    Word(String),
}

/// A step that cannot happen where the walk stands.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("\"{step}\" cannot happen here; possible: {possible}")]
pub struct Misfit {
    /// The step.
    pub step: String,
    /// What can.
    pub possible: String,
}

const QUEUE: [(&str, QueueEnd); 8] = [
    ("answered", QueueEnd::Ended),
    ("timeout", QueueEnd::Timeout),
    ("full", QueueEnd::Full),
    ("no_agents", QueueEnd::NoAgents),
    ("closed", QueueEnd::Closed),
    ("none_logged_in", QueueEnd::NoneLoggedIn),
    ("none_skilled", QueueEnd::NoneSkilled),
    ("all_paused", QueueEnd::AllPaused),
];
const TRANSFER: [(&str, TransferEnd); 4] = [
    ("answered", TransferEnd::Ended),
    ("busy", TransferEnd::Busy),
    ("no_answer", TransferEnd::NoAnswer),
    ("failed", TransferEnd::Failed),
];
const BOOKING: [(&str, bool); 2] = [("ok", true), ("failed", false)];

/// What a step does to the run.
pub(super) enum Deed<'s> {
    Keys(&'s str),
    Time,
    HangUp,
    Queue(QueueEnd),
    Transfer(TransferEnd),
    Booked(bool),
    Bot(&'s str),
}

impl Step {
    /// Reads one step; `None` of an empty text.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text {
            "" => None,
            "t" => Some(Self::Time),
            "h" => Some(Self::HangUp),
            // `A` to `D` are keys too, but no word is made of them alone that is a step.
            keys => match keys.chars().map(dialled_key).collect::<Option<String>>() {
                Some(keys) => Some(Self::Keys(keys)),
                None => Some(Self::Word(text.to_owned())),
            },
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(keys) => f.write_str(keys),
            Self::Time => f.write_str("t"),
            Self::HangUp => f.write_str("h"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// The words that fit where the walk waits, besides `h`.
pub fn words(waits: Waits) -> Vec<&'static str> {
    match waits {
        Waits::Keys { .. } => vec!["t"],
        Waits::Queue => QUEUE.iter().map(|(word, _)| *word).collect(),
        Waits::Transfer => TRANSFER.iter().map(|(word, _)| *word).collect(),
        Waits::Booking => BOOKING.iter().map(|(word, _)| *word).collect(),
        Waits::Bot => vec!["timeout", "error"],
        Waits::Sound | Waits::Service | Waits::Nothing => Vec::new(),
    }
}

/// What a step does where a run waits; keys mean something in a queue that `has_offers`.
pub(super) fn fit(step: &Step, waits: Waits, has_offers: bool) -> Result<Deed<'_>, Misfit> {
    let find = |word: &str| match waits {
        Waits::Queue => QUEUE.iter().find(|(known, _)| *known == word).map(|(_, end)| Deed::Queue(*end)),
        Waits::Transfer => TRANSFER.iter().find(|(known, _)| *known == word).map(|(_, end)| Deed::Transfer(*end)),
        Waits::Booking => BOOKING.iter().find(|(known, _)| *known == word).map(|(_, ok)| Deed::Booked(*ok)),
        Waits::Keys { .. } | Waits::Sound | Waits::Service | Waits::Bot | Waits::Nothing => None,
    };
    let deed = match (step, waits) {
        (_, Waits::Nothing) => None,
        (Step::HangUp, _) => Some(Deed::HangUp),
        (Step::Keys(keys), Waits::Keys { .. }) => Some(Deed::Keys(keys)),
        (Step::Keys(keys), Waits::Queue) if has_offers => Some(Deed::Keys(keys)),
        (Step::Time, Waits::Keys { .. }) => Some(Deed::Time),
        (Step::Time, Waits::Queue) => Some(Deed::Queue(QueueEnd::Timeout)),
        (Step::Time, Waits::Bot) => Some(Deed::Bot("timeout")),
        // Any word may be a bot's last one.
        (Step::Word(word), Waits::Bot) => Some(Deed::Bot(word)),
        (Step::Word(word), _) => find(word),
        (Step::Keys(_) | Step::Time, _) => None,
    };
    deed.ok_or_else(|| {
        let known = words(waits);
        let meant = did_you_mean(&step.to_string(), &known);
        let possible = match (waits, meant) {
            (Waits::Nothing, _) => "nothing, the call is over".to_owned(),
            (_, Some(meant)) => format!("{meant}, h (did you mean \"{meant}\"?)"),
            (Waits::Keys { .. }, None) => "keys as 1 or 1234#, t (time passes), h (hangs up)".to_owned(),
            (_, None) => format!("{}, h (hangs up)", known.join(", ")),
        };
        Misfit { step: step.to_string(), possible }
    })
}
