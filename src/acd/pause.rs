//! Pauses: which codes there are, who may choose them, and what happens when one lasts too long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::agent::{Pause, State};
use super::config::FloorConfig;
use super::deadline::Slot;
use super::floor::{Floor, after};
use super::matching::whole_ms;
use super::{PAUSE_MAX, PAUSE_RNA, UNREACHABLE_LAGGED};
use crate::journal::{About, AgentAction, Kind, StateCause};

/// Codes that only the floor gives; no human chooses them and no `[[pause_code]]` is called so.
///
/// `LOGIN` is kept for who is logged in and has not said that he is ready.
pub const SYSTEM_CODES: [&str; 4] = ["LOGIN", PAUSE_RNA, UNREACHABLE_LAGGED, PAUSE_MAX];

/// All `[[pause_code]]` and what holds for all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PauseRules {
    /// By id. Empty: every code is taken.
    pub codes: BTreeMap<String, PauseCode>,
    /// A pause without one of `codes` is refused.
    pub force: bool,
}

/// One `[[pause_code]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PauseCode {
    /// What journal, figures and API call it.
    pub id: String,
    /// What people read, by language.
    pub labels: BTreeMap<String, String>,
    /// What is dialled after `*12` for it; the id works too.
    pub digits: Option<String>,
    /// Paid time. Default true.
    pub paid: bool,
    /// Work, as a training is. Default false.
    pub productive: bool,
    /// How long it may last.
    pub max: Option<Duration>,
    /// What happens then. Default [`AgentAction::Alert`].
    pub after_max: AgentAction,
    /// Who may choose it. Default everybody.
    pub roles: BTreeSet<PauseRole>,
}

/// Who chooses a pause.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum PauseRole {
    /// The agent himself.
    Agent,
    /// A supervisor, or a program with an API key.
    Supervisor,
}

/// Why a pause is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PauseError {
    /// It is one of [`SYSTEM_CODES`].
    #[error("the pause code {0} is given by the system alone")]
    Reserved(String),
    /// There is no such code, and it must be one.
    #[error("there is no pause code {0}")]
    Unknown(String),
    /// Who asks may not choose it.
    #[error("the pause code {0} is not yours to choose")]
    Role(String),
}

impl PauseCode {
    /// A code with every default.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            labels: BTreeMap::new(),
            digits: None,
            paid: true,
            productive: false,
            max: None,
            after_max: AgentAction::Alert,
            roles: BTreeSet::from([PauseRole::Agent, PauseRole::Supervisor]),
        }
    }
}

impl PauseRules {
    /// The code that somebody means who says or dials `code`, when he may choose it.
    ///
    /// # Errors
    ///
    /// Why he may not.
    pub fn choose(&self, code: &str, by: StateCause) -> Result<String, PauseError> {
        if is_system_code(code) {
            return Err(PauseError::Reserved(code.to_owned()));
        }
        let dialled = || self.codes.values().find(|known| known.digits.as_deref() == Some(code));
        let Some(known) = self.codes.get(code).or_else(dialled) else {
            return if self.force { Err(PauseError::Unknown(code.to_owned())) } else { Ok(code.to_owned()) };
        };
        let role = match by {
            StateCause::Agent => PauseRole::Agent,
            StateCause::Supervisor
            | StateCause::Call
            | StateCause::Timer
            | StateCause::Rna
            | StateCause::MaxPause
            | StateCause::Registration
            | StateCause::Restored
            | StateCause::Config => PauseRole::Supervisor,
        };
        if known.roles.contains(&role) { Ok(known.id.clone()) } else { Err(PauseError::Role(known.id.clone())) }
    }

    /// When a pause that began then is too long.
    pub(super) fn limit(&self, code: &str, began: Instant) -> Option<Instant> {
        Some(after(began, self.codes.get(code)?.max?))
    }
}

/// True for codes that only the floor gives, however they are written.
pub fn is_system_code(code: &str) -> bool {
    SYSTEM_CODES.iter().any(|known| known.eq_ignore_ascii_case(code))
}

impl Floor {
    /// Pauses an agent. The pause that he is in already goes on: saying it again gives no more time.
    pub(super) fn pause(&mut self, now: Instant, slot: Slot, code: String) {
        let Some(agent) = self.agents.get(slot) else { return };
        if matches!(&agent.state, State::Paused(pause) if pause.code == code) {
            return;
        }
        let until = self.pauses.limit(&code, now);
        self.set_state(slot, State::Paused(Pause { code, began: now, until, is_told: false }));
    }

    /// A pause has lasted as long as its code allows.
    pub(super) fn pause_over(&mut self, now: Instant, slot: Slot) {
        let Some(agent) = self.agents.get(slot) else { return };
        let State::Paused(pause) = &agent.state else { return };
        let rule = self.pauses.codes.get(&pause.code);
        let action = rule.map_or(AgentAction::Alert, |rule| rule.after_max);
        let max_ms = rule.and_then(|rule| rule.max).map_or(0, whole_ms);
        let (id, code) = (agent.id().clone(), pause.code.clone());
        let told = Pause { until: None, is_told: true, ..pause.clone() };
        self.journal(About::Agent(id), Kind::PauseOver { code, max_ms, action });
        match action {
            AgentAction::Alert => self.set_state(slot, State::Paused(told)),
            AgentAction::Ready => self.become_idle(now, slot),
            AgentAction::Pause => self.pause(now, slot, PAUSE_MAX.to_owned()),
            AgentAction::Logout => self.log_out_by_rule(slot, PAUSE_MAX),
        }
        self.refresh(now, slot, StateCause::MaxPause);
    }

    /// A rule logs an agent out: a returning phone does not bring him back, a human does. `code` says which rule.
    pub(super) fn log_out_by_rule(&mut self, slot: Slot, code: &'static str) {
        self.set_state(slot, State::Offline);
        if let Some(agent) = self.agents.get_mut(slot) {
            agent.logged_out = true;
            agent.offline_code = Some(code);
        }
    }

    /// A new configuration: longest times hold for pauses that run, counted from their begin. One that is too long by
    /// now is over at once; what was told already is not told again.
    pub(super) fn limit_pauses(&mut self, now: Instant, config: &mut FloorConfig) {
        self.pauses = std::mem::take(&mut config.pauses);
        let slots: Vec<Slot> = self.by_name.values().copied().collect();
        for slot in slots {
            let Some(State::Paused(pause)) = self.agents.get(slot).map(|agent| &agent.state) else { continue };
            let until = self.pauses.limit(&pause.code, pause.began).filter(|_| !pause.is_told);
            let pause = Pause { until: until.map(|at| at.max(now)), ..pause.clone() };
            self.set_state(slot, State::Paused(pause));
        }
    }
}
