//! From a dialled number to what happens: feature codes, tests, agents, numbers, and who may dial them.
//!
//! Feature codes go before numbers. Trunks and users reach every `[[number]]` (narrowed by its `from`), users
//! also every agent; strangers only what is `public`, and learn nothing of what else exists.

use crate::id::{AgentId, QueueName};
use crate::journal::{Origin, Purpose, SupervisionMode};

use super::config::{CallConfig, Caller, DialTarget, MediaPath, NumberAction, NumberConfig, RecordPolicy};

/// Longest pause code that can be dialled.
const PAUSE_CODE_MAX: usize = 16;

/// What a dialled number leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route {
    /// Run this flow.
    Flow(String),
    /// Answer and queue.
    Queue(QueueName),
    /// Bridge to an address or trunk.
    Dial(Dial),
    /// Ring this agent's phone.
    Direct(AgentId),
    /// An agent's feature code.
    Feature(Feature),
    /// A supervisor wants to hear this agent, and perhaps to be heard.
    Supervise(AgentId, SupervisionMode),
    /// Send back what comes.
    Echo,
    /// The 1,004 Hz test tone.
    Tone,
    /// Nothing: answer with this status.
    Refuse(Refusal),
}

/// Where a `dial` number goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dial {
    /// The address or trunk.
    pub target: DialTarget,
    /// The dialled number, which fills `{number}`.
    pub number: String,
    /// Whether it is recorded.
    pub record: RecordPolicy,
    /// Whether media passes through us.
    pub media: MediaPath,
    /// The number shown there instead of the caller's.
    pub caller_id: Option<String>,
}

/// What an agent's feature code does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Feature {
    /// `*11`: ready.
    Ready,
    /// `*12` and a code: pause; without a code the code is `break`.
    Pause(String),
    /// `*12` and a code that he may not choose: he is told so.
    NoPause,
    /// `*13`: log out.
    LogOut,
    /// `*14`: finish wrap-up.
    FinishWrapUp,
    /// `*15`: a supervisor shall help.
    Help,
    /// `*17`: hear the messages of the boxes of his queues.
    Voicemail,
    /// `*16`: a wrap-up after this talk, or more time in the present one.
    WrapUp,
}

/// Why a dialled number leads nowhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// This caller may not: 403.
    Forbidden,
    /// There is no such number: 404.
    NotFound,
}

impl Route {
    /// The kind of call this is in records and figures.
    pub fn purpose(&self) -> Purpose {
        match self {
            Route::Flow(_) => Purpose::Flow,
            Route::Queue(_) => Purpose::Queue,
            Route::Dial(_) => Purpose::Dial,
            Route::Direct(_) => Purpose::Direct,
            Route::Feature(_) => Purpose::Feature,
            Route::Supervise(..) => Purpose::Supervision,
            Route::Echo | Route::Tone | Route::Refuse(_) => Purpose::Test,
        }
    }
}

/// Decides what `dialled` does for a caller of `origin`.
///
/// `queues_of` gives the queues of an agent, or `None` when there is no such agent.
pub fn route<'a>(
    config: &CallConfig,
    queues_of: impl Fn(&str) -> Option<&'a std::collections::BTreeSet<QueueName>>,
    origin: &Origin,
    dialled: &str,
) -> Route {
    route_forms(config, queues_of, origin, dialled, &[])
}

/// As [`route`], where `forms` are other ways to write the dialled number (see `Numbering::forms`): the first
/// `[[number]]` in the file that matches any of them decides.
pub fn route_forms<'a>(
    config: &CallConfig,
    queues_of: impl Fn(&str) -> Option<&'a std::collections::BTreeSet<QueueName>>,
    origin: &Origin,
    dialled: &str,
    forms: &[String],
) -> Route {
    if let Origin::User(user) = origin
        && let Some(code) = dialled.strip_prefix('*')
    {
        return feature(config, queues_of, user, code);
    }
    let fits = |pattern: &str| matches(pattern, dialled) || forms.iter().any(|form| matches(pattern, form));
    let test = match dialled {
        "9196" => Some(Route::Echo),
        "9197" => Some(Route::Tone),
        _ => None,
    };
    if let Some(test) = test
        && (*origin != Origin::Stranger || config.public_tests)
    {
        return test;
    }
    if let Some(number) = config.numbers.iter().find(|n| fits(&n.pattern)) {
        return match may_dial(number, origin) {
            true => number_route(number, dialled),
            false => Route::Refuse(Refusal::Forbidden),
        };
    }
    match origin {
        Origin::User(_) if queues_of(dialled).is_some() => Route::Direct(AgentId::from(dialled)),
        Origin::User(_) | Origin::Trunk(_) | Origin::System => Route::Refuse(Refusal::NotFound),
        // The same answer for what exists and what does not.
        Origin::Stranger => Route::Refuse(Refusal::Forbidden),
    }
}

fn number_route(number: &NumberConfig, dialled: &str) -> Route {
    match &number.action {
        NumberAction::Flow(flow) => Route::Flow(flow.clone()),
        NumberAction::Queue(queue) => Route::Queue(queue.clone()),
        NumberAction::Dial(target) => Route::Dial(Dial {
            target: target.clone(),
            number: dialled.to_owned(),
            record: number.record,
            media: number.media,
            caller_id: number.caller_id.clone(),
        }),
    }
}

fn may_dial(number: &NumberConfig, origin: &Origin) -> bool {
    match origin {
        Origin::Stranger | Origin::System => number.public,
        Origin::User(_) => number.from.is_empty() || number.public || number.from.contains(&Caller::Agents),
        Origin::Trunk(name) => {
            number.from.is_empty() || number.public || number.from.iter().any(|c| *c == Caller::Trunk(name.clone()))
        }
    }
}

fn feature<'a>(
    config: &CallConfig,
    queues_of: impl Fn(&str) -> Option<&'a std::collections::BTreeSet<QueueName>>,
    user: &AgentId,
    code: &str,
) -> Route {
    let is_agent = queues_of(user.as_str()).is_some();
    let (kind, rest) = code.split_at_checked(2).unwrap_or((code, ""));
    let agent_only = |feature| match is_agent {
        true => Route::Feature(feature),
        false => Route::Refuse(Refusal::Forbidden),
    };
    match (kind, rest) {
        ("11", "") => agent_only(Feature::Ready),
        ("12", "") => agent_only(Feature::Pause("break".to_owned())),
        // A code becomes a word in records and figures: it is bounded.
        ("12", code) if code.len() <= PAUSE_CODE_MAX && code.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            agent_only(Feature::Pause(code.to_owned()))
        }
        ("13", "") => agent_only(Feature::LogOut),
        ("14", "") => agent_only(Feature::FinishWrapUp),
        ("15", "") => agent_only(Feature::Help),
        ("16", "") => agent_only(Feature::WrapUp),
        ("17", "") => match is_agent || config.supervisors.contains_key(user) {
            true => Route::Feature(Feature::Voicemail),
            false => Route::Refuse(Refusal::Forbidden),
        },
        ("43", "") => Route::Echo,
        ("81", agent) => supervise(config, queues_of, user, agent, SupervisionMode::Listen),
        ("82", agent) => supervise(config, queues_of, user, agent, SupervisionMode::Whisper),
        ("83", agent) => supervise(config, queues_of, user, agent, SupervisionMode::Barge),
        _ => Route::Refuse(Refusal::NotFound),
    }
}

/// Whether `user` may supervise `agent`: a supervisor of one of his queues, or of all.
pub fn supervise<'a>(
    config: &CallConfig,
    queues_of: impl Fn(&str) -> Option<&'a std::collections::BTreeSet<QueueName>>,
    user: &AgentId,
    agent: &str,
    mode: SupervisionMode,
) -> Route {
    match (config.supervisors.get(user), queues_of(agent)) {
        (None, _) => Route::Refuse(Refusal::Forbidden),
        (Some(_), None) => Route::Refuse(Refusal::NotFound),
        (Some(supervisor), Some(queues)) => match &supervisor.queues {
            Some(own) if own.is_disjoint(queues) => Route::Refuse(Refusal::Forbidden),
            Some(_) | None => Route::Supervise(AgentId::from(agent), mode),
        },
    }
}

/// Whether `dialled` fits `pattern`: `X` is one digit, a `*` at the end is the rest (also none), all else itself.
pub fn matches(pattern: &str, dialled: &str) -> bool {
    let (fixed, open) = match pattern.strip_suffix('*') {
        Some(fixed) => (fixed, true),
        None => (pattern, false),
    };
    let long_enough = if open { dialled.len() >= fixed.len() } else { dialled.len() == fixed.len() };
    long_enough && fixed.bytes().zip(dialled.bytes()).all(|(p, d)| if p == b'X' { d.is_ascii_digit() } else { p == d })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::config::SupervisorConfig;
    use super::*;

    fn config() -> CallConfig {
        let number = |pattern: &str, public: bool, from: Vec<Caller>| NumberConfig {
            pattern: pattern.to_owned(),
            action: NumberAction::Flow(pattern.to_owned()),
            public,
            from,
            record: RecordPolicy::Never,
            media: MediaPath::Relay,
            caller_id: None,
        };
        let supervisor = |id: &str, queue: Option<&str>| SupervisorConfig {
            id: id.into(),
            name: id.to_owned(),
            queues: queue.map(|q| BTreeSet::from([QueueName::from(q)])),
        };
        CallConfig {
            numbers: vec![
                number("500", true, vec![]),
                number("7XXX", false, vec![Caller::Trunk("carrier".into())]),
                number("00*", false, vec![Caller::Agents]),
            ],
            supervisors: BTreeMap::from([
                (AgentId::from("201"), supervisor("201", Some("support"))),
                (AgentId::from("202"), supervisor("202", Some("vip"))),
            ]),
            ..CallConfig::default()
        }
    }

    fn routed(origin: &Origin, dialled: &str) -> Route {
        let queues = BTreeSet::from([QueueName::from("support")]);
        route(&config(), |id| (id == "101").then_some(&queues), origin, dialled)
    }

    #[test]
    fn a_stranger_reaches_public_numbers_and_learns_nothing_of_others() {
        let stranger = Origin::Stranger;
        assert_eq!(routed(&stranger, "500"), Route::Flow("500".into()));
        for closed in ["7001", "101", "999", "*11", "9196", "0096650", "+0096650", "500#"] {
            assert_eq!(routed(&stranger, closed), Route::Refuse(Refusal::Forbidden), "{closed}");
        }
    }

    #[test]
    fn from_narrows_a_number_to_the_named_callers() {
        let (carrier, other) = (Origin::Trunk("carrier".into()), Origin::Trunk("other".into()));
        assert_eq!(routed(&carrier, "7001"), Route::Flow("7XXX".into()));
        assert_eq!(routed(&other, "7001"), Route::Refuse(Refusal::Forbidden));
        assert_eq!(routed(&Origin::User("101".into()), "7001"), Route::Refuse(Refusal::Forbidden));
        assert_eq!(routed(&Origin::User("101".into()), "0096650"), Route::Flow("00*".into()));
        assert_eq!(routed(&carrier, "0096650"), Route::Refuse(Refusal::Forbidden));
    }

    #[test]
    fn feature_codes_belong_to_agents_and_listening_to_their_supervisors() {
        let agent = Origin::User("101".into());
        assert_eq!(routed(&agent, "*11"), Route::Feature(Feature::Ready));
        assert_eq!(routed(&agent, "*12"), Route::Feature(Feature::Pause("break".into())));
        assert_eq!(routed(&agent, "*123"), Route::Feature(Feature::Pause("3".into())));
        assert_eq!(routed(&agent, "*81101"), Route::Refuse(Refusal::Forbidden));
        assert_eq!(routed(&Origin::User("201".into()), "*11"), Route::Refuse(Refusal::Forbidden));
        assert_eq!(
            routed(&Origin::User("201".into()), "*81101"),
            Route::Supervise("101".into(), SupervisionMode::Listen)
        );
        assert_eq!(routed(&Origin::User("202".into()), "*81101"), Route::Refuse(Refusal::Forbidden));
        for (code, mode) in [("*82101", SupervisionMode::Whisper), ("*83101", SupervisionMode::Barge)] {
            assert_eq!(routed(&Origin::User("201".into()), code), Route::Supervise("101".into(), mode));
            assert_eq!(routed(&Origin::User("202".into()), code), Route::Refuse(Refusal::Forbidden));
            assert_eq!(routed(&agent, code), Route::Refuse(Refusal::Forbidden));
        }
        assert_eq!(routed(&Origin::Trunk("carrier".into()), "*11"), Route::Refuse(Refusal::NotFound));
        assert_eq!(routed(&Origin::User("201".into()), "*é"), Route::Refuse(Refusal::NotFound));
    }

    /// The first number of the file decides, whichever form of the dialled number it is written in.
    #[test]
    fn a_number_is_found_in_any_form_in_the_order_of_the_file() {
        let mut config = config();
        let flow = |pattern: &str| NumberConfig {
            pattern: pattern.to_owned(),
            action: NumberAction::Flow(pattern.to_owned()),
            from: Vec::new(),
            ..config.numbers[0].clone()
        };
        config.numbers = vec![flow("+966112345678"), flow("011*"), flow("*")];
        let trunk = Origin::Trunk("carrier".into());
        let routed = |dialled: &str| {
            let forms = super::super::number::Numbering::of_country("966").forms(dialled);
            route_forms(&config, |_| None, &trunk, dialled, &forms)
        };
        assert_eq!(routed("0112345678"), Route::Flow("+966112345678".into()));
        assert_eq!(routed("966112345678"), Route::Flow("+966112345678".into()));
        assert_eq!(routed("+966117654321"), Route::Flow("011*".into()));
        assert_eq!(routed("500"), Route::Flow("*".into()));
    }

    #[test]
    fn patterns_match_whole_numbers() {
        assert!(matches("7XXX", "7012") && !matches("7XXX", "70123") && !matches("7XXX", "70a2"));
        assert!(matches("19*", "19") && matches("19*", "1942") && !matches("19*", "18"));
        assert!(matches("*", "anything"));
    }
}
