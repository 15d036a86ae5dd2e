//! What the floor is told: agents, supervisors, queues.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::calendar::Calendar;
pub use super::way::{Bound, Lack, NoAgentRule, NoAgentRules, Overflow, Way};
use crate::id::{AgentId, QueueName};
use crate::journal::AgentAction;

pub use super::misses::MissRule;
pub use super::pause::{PauseCode, PauseRole, PauseRules, is_system_code};

/// Everything the floor needs to know; taken whole at start and at each reload.
#[derive(Clone, Debug)]
pub struct FloorConfig {
    /// Agents by id.
    pub agents: BTreeMap<AgentId, AgentConfig>,
    /// Queues by name.
    pub queues: BTreeMap<QueueName, QueueConfig>,
    /// Calendars by name.
    pub calendars: BTreeMap<String, Calendar>,
    /// Pause codes.
    pub pauses: PauseRules,
    /// How long an agent whose phone is lost keeps his state before he counts as unreachable. Default 15 s.
    pub grace: Duration,
}

impl Default for FloorConfig {
    fn default() -> Self {
        Self {
            agents: BTreeMap::new(),
            queues: BTreeMap::new(),
            calendars: BTreeMap::new(),
            pauses: PauseRules::default(),
            grace: Duration::from_secs(15),
        }
    }
}

/// One `[[agent]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentConfig {
    /// SIP user and number.
    pub id: AgentId,
    /// Shown to people.
    pub name: String,
    /// Skill name to level 1–10, 10 best.
    pub skills: BTreeMap<String, u8>,
    /// Queues he serves.
    pub queues: BTreeSet<QueueName>,
    /// Groups he belongs to, for the ladders of queues.
    pub groups: BTreeSet<String>,
    /// Ready as soon as reachable (after a log-out only when he says so).
    pub auto_ready: bool,
    /// A fixed address (then he needs no registration and is always reachable).
    pub contact: Option<SocketAddr>,
    /// The user part of the fixed contact's URI; the id when none is given.
    pub contact_user: Option<String>,
    /// His place in the file, for the strategies that go by it; equal ones go by id. Default 0.
    pub position: u32,
    /// How likely he is against others in queues of strategy [`Strategy::Weighted`], 1 to 1000; 1 where none is named.
    pub weights: BTreeMap<QueueName, u32>,
    /// How many calls he may have at once, those of his own included: with fewer he is offered callers. 1 to 9. Default 1.
    pub capacity: u8,
}

impl AgentConfig {
    /// An agent with every default: in no queue, with no skill.
    pub fn new(id: AgentId) -> Self {
        Self {
            name: id.to_string(),
            id,
            skills: BTreeMap::new(),
            queues: BTreeSet::new(),
            groups: BTreeSet::new(),
            auto_ready: false,
            contact: None,
            contact_user: None,
            position: 0,
            weights: BTreeMap::new(),
            capacity: 1,
        }
    }
}

/// One `[[queue]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueConfig {
    /// Its name.
    pub name: QueueName,
    /// How the agent is chosen.
    pub strategy: Strategy,
    /// Outside the hours of this calendar nobody gets in; who waits is still served. `None` = always open.
    pub calendar: Option<String>,
    /// Answers within this time count as within service level. Default 20 s.
    pub service_level: Duration,
    /// How long one agent rings. Default 15 s.
    pub ring_timeout: Duration,
    /// [`Strategy::RingProgressive`]: how long it rings before one more agent is rung beside. Default 10 s.
    pub ring_progressive_delay: Duration,
    /// Strategies that ring several agents: the most who ring for one caller at once. Default 50.
    pub ring_max: u32,
    /// Time after a talk before the next offer, in the modes that have one. Default 10 s; 0 = none.
    pub wrap_up: Duration,
    /// Whether there is a wrap-up, and who ends it. Default [`WrapUpMode::Timed`].
    pub wrap_up_mode: WrapUpMode,
    /// The longest wrap-up when the agent extends it, and when it is his to end. Default 15 min; never less than
    /// `wrap_up`.
    pub wrap_up_max: Duration,
    /// The longest wait. Default 10 min.
    pub max_wait: Duration,
    /// Most callers waiting at once; one more gets `Full`. Default 1000.
    pub max_waiting: u32,
    /// Skills asked of the agent by default (all of them).
    pub skills: Vec<String>,
    /// A service outside is asked about each caller first. `None` = no, the default.
    pub dispatch: Option<DispatchTimes>,
    /// Whom callers get before all others, for some time. Nobody by default.
    pub sticky: StickyConfig,
    /// Who may serve those who have waited for some time; in the order of [`Step::after`]. Empty by default.
    pub ladder: Vec<Step>,
    /// Tie-break between queues of the same score: higher first. Default 1.
    pub weight: u32,
    /// Callers of a higher priority always come before those of a lower one, however long these have waited. Default
    /// false: a minute of priority is a minute of waiting.
    pub strict_priority: bool,
    /// Who has waited this long comes before everybody who has not, in whichever queue. `None` = never, the default.
    pub max_wait_strict: Option<Duration>,
    /// Head start of callers whom a flow counts to a segment. None by default; a segment not named here has none.
    pub segments: BTreeMap<String, Duration>,
    /// What becomes of callers for whom nobody is there. By default they wait.
    pub no_agents: NoAgentRules,
    /// When callers go elsewhere because there are too many. By default never.
    pub overflow: Overflow,
    /// Who hangs up and calls again within this time keeps the time he has waited, twice at most. `None` = never, the
    /// default.
    pub resume_within: Option<Duration>,
    /// First and repeated announcement of the caller's place; `None` = never. Default 30 s.
    pub announce_every: Option<Duration>,
    /// Prompts that who waits hears by turns. Default none.
    pub announcements: Vec<String>,
    /// How often he hears one of them. Default 60 s.
    pub announcements_every: Duration,
    /// Where a key leads that is pressed while waiting. Default nowhere.
    pub exit_keys: BTreeMap<char, Way>,
    /// He is told how long he will wait, too. Default false.
    pub announce_wait: bool,
    /// Missed rings in a row after which `rna_action` is done; 0 = never. Default 2.
    pub rna_threshold: u32,
    /// What happens to an agent who let his phone ring so often. Default: a pause with code `RNA`.
    pub rna_action: AgentAction,
    /// … whose phone rejected so often in a row. Default here and below: nothing.
    pub on_rejected: MissRule,
    /// … was busy.
    pub on_busy: MissRule,
    /// … could not be reached.
    pub on_unreachable: MissRule,
    /// … said nothing at all.
    pub on_timeout: MissRule,
    /// How long this caller is not offered again to an agent who missed him. Default 30 s.
    pub exclude_agent: Duration,
    /// Delay before the agent's next offer after he did not answer. Default 10 s.
    pub delay_no_answer: Duration,
    /// … declined. Default 30 s.
    pub delay_rejected: Duration,
    /// … was busy. Default 30 s.
    pub delay_busy: Duration,
    /// … could not be reached. Default 5 s.
    pub delay_unreachable: Duration,
    /// … said nothing at all. Default 5 s.
    pub delay_timeout: Duration,
}

/// What follows a talk of a queue, for the agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WrapUpMode {
    /// He is ready at once.
    None,
    /// Only when he asks for it; it ends when somebody says so.
    Optional,
    /// Only when he asks for it; it ends after `wrap_up`.
    OptionalTimed,
    /// Always; it ends after `wrap_up`.
    Timed,
    /// Always; it ends when somebody says so, and after `wrap_up_max` at the latest.
    Discretionary,
}

impl WrapUpMode {
    /// All of them, each with its word in the configuration.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("none", Self::None),
        ("optional", Self::Optional),
        ("optional_timed", Self::OptionalTimed),
        ("timed", Self::Timed),
        ("discretionary", Self::Discretionary),
    ];
}

/// Whom the callers of a queue get before all others.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StickyConfig {
    /// Who talked with the caller last serves him alone for so long; `None` = not at all. He must serve the queue and
    /// meet what is asked.
    pub last_agent: Option<Duration>,
    /// Then this group serves him alone.
    pub group: Option<String>,
    /// For so long. Default 0.
    pub group_time: Duration,
}

/// How long callers wait for a service outside that is asked who shall serve them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DispatchTimes {
    /// Its answer must be there within this time; then the queue's own rules decide.
    pub timeout: Duration,
    /// Agents whom it names serve the caller alone for so long.
    pub hold: Duration,
}

/// One step of a queue's ladder: who may serve a caller who has waited so long.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Its name in reasons and records.
    pub name: String,
    /// It begins when the caller has been in the queue for so long.
    pub after: Duration,
    /// The skills asked of agents in place of the queue's; `None` = the queue's. What the caller's flow asks for comes
    /// in addition.
    pub skills: Option<Vec<String>>,
    /// So much lower are all levels that are asked for, those of the caller's flow too.
    pub relax: u8,
    /// Agents who serve by this step, members of the queue or not. With no agents and no groups: the members.
    pub agents: BTreeSet<AgentId>,
    /// Groups whose agents do.
    pub groups: BTreeSet<String>,
    /// What becomes of those who served before.
    pub mode: StepMode,
    /// Left at once for the next step when nobody by it is there; without effect in the last one.
    pub skip_unstaffed: bool,
}

impl Step {
    /// A step with every default: it changes nothing.
    pub fn new(name: &str, after: Duration) -> Self {
        Self {
            name: name.to_owned(),
            after,
            skills: None,
            relax: 0,
            agents: BTreeSet::new(),
            groups: BTreeSet::new(),
            mode: StepMode::Cumulative,
            skip_unstaffed: false,
        }
    }
}

/// What becomes of those who may serve by the steps before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StepMode {
    /// They serve on, before those of the new step.
    Cumulative,
    /// They serve no more.
    Replace,
}

impl StepMode {
    /// All of them, each with its word in the configuration.
    pub const WORDS: [(&'static str, Self); 2] = [("cumulative", Self::Cumulative), ("replace", Self::Replace)];
}

/// How a queue chooses among free agents.
///
/// Calls and talk are those of all queues in the agent's present shift, which ends when he has been offline for
/// four hours. Where they are equal the longer idle one is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Strategy {
    /// Who has been idle the longest.
    LongestIdle,
    /// All who are free at once, the longest idle first; who answers first has the caller.
    RingAll,
    /// The longest idle, and one more beside those who ring after each [`QueueConfig::ring_progressive_delay`].
    RingProgressive,
    /// Who has answered the fewest callers.
    FewestCalls,
    /// Who has talked the least with callers, hold included.
    LeastTalk,
    /// The next in the file after the one this queue rang last, from the top again after the last of them.
    RoundRobin,
    /// The first in the file.
    Linear,
    /// Anyone, each as likely as the others.
    Random,
    /// Anyone, each as likely as his weight in the queue says.
    Weighted,
}

impl Strategy {
    /// All of them, each with its word in the configuration and in the journal.
    pub const WORDS: [(&'static str, Self); 9] = [
        ("longest_idle", Self::LongestIdle),
        ("ring_all", Self::RingAll),
        ("ring_progressive", Self::RingProgressive),
        ("fewest_calls", Self::FewestCalls),
        ("least_talk", Self::LeastTalk),
        ("round_robin", Self::RoundRobin),
        ("linear", Self::Linear),
        ("random", Self::Random),
        ("weighted", Self::Weighted),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, strategy)| *strategy == self).map_or("", |(word, _)| *word)
    }
}

impl QueueConfig {
    /// A queue with every default.
    pub fn new(name: QueueName) -> Self {
        Self {
            name,
            strategy: Strategy::LongestIdle,
            calendar: None,
            service_level: Duration::from_secs(20),
            ring_timeout: Duration::from_secs(15),
            ring_progressive_delay: Duration::from_secs(10),
            ring_max: 50,
            wrap_up: Duration::from_secs(10),
            wrap_up_mode: WrapUpMode::Timed,
            wrap_up_max: Duration::from_secs(900),
            max_wait: Duration::from_secs(600),
            max_waiting: 1_000,
            skills: Vec::new(),
            dispatch: None,
            sticky: StickyConfig::default(),
            ladder: Vec::new(),
            weight: 1,
            strict_priority: false,
            max_wait_strict: None,
            segments: BTreeMap::new(),
            no_agents: NoAgentRules::default(),
            overflow: Overflow::default(),
            resume_within: None,
            announce_every: Some(Duration::from_secs(30)),
            announcements: Vec::new(),
            announcements_every: Duration::from_secs(60),
            exit_keys: BTreeMap::new(),
            announce_wait: false,
            rna_threshold: 2,
            rna_action: AgentAction::Pause,
            on_rejected: MissRule::default(),
            on_busy: MissRule::default(),
            on_unreachable: MissRule::default(),
            on_timeout: MissRule::default(),
            exclude_agent: Duration::from_secs(30),
            delay_no_answer: Duration::from_secs(10),
            delay_rejected: Duration::from_secs(30),
            delay_busy: Duration::from_secs(30),
            delay_unreachable: Duration::from_secs(5),
            delay_timeout: Duration::from_secs(5),
        }
    }
}
