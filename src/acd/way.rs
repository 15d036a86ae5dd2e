//! Rules by which a queue lets its callers go elsewhere: what the configuration says of them.

use std::time::Duration;

use crate::id::QueueName;
use crate::journal::QueueOutcome;

/// Where a rule of a queue sends a caller.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Way {
    /// Nowhere: he waits on.
    #[default]
    Wait,
    /// To another queue: what he has waited counts there.
    Queue(QueueName),
    /// To what a caller of ours who dials this number gets.
    Number(String),
    /// Into this flow.
    Flow(String),
    /// Out, with his place kept: he is called back when his turn comes. Who shows no number goes as by [`Way::HangUp`].
    CallBack,
    /// Out: he leaves a message in the queue's box.
    Voicemail,
    /// Out: the flow that queued him goes on; without one he hears an apology and the call ends.
    HangUp,
}

impl Way {
    /// As the configuration and the journal write it: `wait`, `queue:NAME`, `number:N`, `flow:NAME`, `callback`, `voicemail` or
    /// `hangup`.
    pub fn word(&self) -> String {
        match self {
            Self::Wait => "wait".to_owned(),
            Self::Queue(queue) => format!("queue:{queue}"),
            Self::Number(number) => format!("number:{number}"),
            Self::Flow(flow) => format!("flow:{flow}"),
            Self::CallBack => "callback".to_owned(),
            Self::Voicemail => "voicemail".to_owned(),
            Self::HangUp => "hangup".to_owned(),
        }
    }
}

/// What becomes of callers for whom nobody is there in one of the three ways.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NoAgentRule {
    /// Where they go. Default: they wait.
    pub way: Way,
    /// How long it must have been so while somebody waits; 0 = who comes does not even enter. Default 0.
    pub after: Duration,
}

/// The three ways in which nobody can be there for a caller.
///
/// They are told apart by those agents of the queue who have the skills he needs: where some are logged in, the others do not matter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Lack {
    /// Nobody of the queue is logged in.
    LoggedIn,
    /// Of those who are logged in nobody has the skills he needs, at the level he needs them.
    Skilled,
    /// Those who have them are logged in, but each is paused or has no phone.
    Awake,
}

impl Lack {
    /// All three.
    pub const ALL: [Self; 3] = [Self::LoggedIn, Self::Skilled, Self::Awake];

    /// The key of its rule.
    pub fn key(self) -> &'static str {
        match self {
            Self::LoggedIn => "when_none_logged_in",
            Self::Skilled => "when_none_skilled",
            Self::Awake => "when_all_paused",
        }
    }

    /// How a caller left whom its rule sent away.
    pub fn outcome(self) -> QueueOutcome {
        match self {
            Self::LoggedIn => QueueOutcome::NoneLoggedIn,
            Self::Skilled => QueueOutcome::NoneSkilled,
            Self::Awake => QueueOutcome::AllPaused,
        }
    }
}

/// The rules for when nobody is there; by default callers wait.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NoAgentRules {
    /// `when_none_logged_in`.
    pub none_logged_in: NoAgentRule,
    /// `when_none_skilled`.
    pub none_skilled: NoAgentRule,
    /// `when_all_paused`.
    pub all_paused: NoAgentRule,
}

impl NoAgentRules {
    /// The rule for this lack.
    pub fn of(&self, lack: Lack) -> &NoAgentRule {
        match lack {
            Lack::LoggedIn => &self.none_logged_in,
            Lack::Skilled => &self.none_skilled,
            Lack::Awake => &self.all_paused,
        }
    }

    /// The rule for this lack, to be written.
    pub fn of_mut(&mut self, lack: Lack) -> &mut NoAgentRule {
        match lack {
            Lack::LoggedIn => &mut self.none_logged_in,
            Lack::Skilled => &mut self.none_skilled,
            Lack::Awake => &mut self.all_paused,
        }
    }
}

/// A bound with two points, so that what is at it does not switch to and fro.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bound {
    /// From here on it is passed.
    pub on: u32,
    /// Down from here it is no longer; below `on`.
    pub off: u32,
}

/// When a queue sends callers elsewhere because it is too much for its agents.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Overflow {
    /// Where they go. Default: nowhere.
    pub way: Way,
    /// Who has waited this long in the queue goes. `None` = nobody, the default.
    pub wait: Option<Duration>,
    /// So many wait: who comes goes. `None` = however many, the default.
    pub size: Option<Bound>,
    /// So many wait for each agent who is logged in (for the queue as a whole where none is): who comes goes.
    pub per_agent: Option<Bound>,
    /// Who comes would wait for so many seconds, by half of what is estimated: he goes. `None` = however long, the default.
    pub estimated_wait: Option<Bound>,
}
