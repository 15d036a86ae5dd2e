//! The simulated centre's configuration, and where everybody is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::Plan;
use crate::acd::config::{AgentConfig, Bound, FloorConfig, Overflow, QueueConfig, Step, StepMode, Strategy, Way};
use crate::call::config::{
    CallConfig, CallbackConfig, CallbackMode, DialTarget, MediaPath, NumberAction, NumberConfig, RecordPolicy,
    SupervisorConfig, TrunkConfig,
};
use crate::call::prompts::Prompts;
use crate::engine::Settings;
use crate::id::{AgentId, QueueName};
use crate::ivr;
use crate::media::config::MediaConfig;
use crate::media::{Clip, Codec};
use crate::sip::config::{Listener, SipConfig, Transport, UserConfig};

/// The engine's address in this world.
pub const CENTRE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5060);
/// Phones outside that numbers lead to.
pub const OUTSIDE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1)), 5060);
/// The carrier: calls come from any port of it and go to this one.
pub const CARRIER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2)), 5060);
/// The supervisor's number.
pub const SUPERVISOR: &str = "2001";

/// A number that leads on to other numbers: out, then to a colleague.
const DESK: &str = r#"
flow = 1
name = "desk"
title = { ar = "التحويل", en = "Reception" }
languages = ["ar", "en"]
start = "out"

[node.out]
kind = "transfer"
to = "7001"
on = { ended = "end", busy = "colleague", no_answer = "colleague", failed = "colleague" }

[node.colleague]
kind = "transfer"
to = "agent:1003"
on = { ended = "end", busy = "sorry", no_answer = "sorry", failed = "sorry" }

[node.sorry]
kind = "play"
say = [{ prompt = "sorry_no_agents" }]
next = "end"

[node.end]
kind = "hangup"
"#;

/// The id of agent number so-and-so.
pub fn agent_id(number: u64) -> String {
    format!("{}", 1_000 + number)
}

/// Where the phone of agent number so-and-so is.
pub fn agent_address(number: u64) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(0x0a00_0100u32.wrapping_add(u32::try_from(number).unwrap_or(0))), 5_060))
}

/// Every fifth agent registers; the others have a fixed address.
pub fn registers(number: u64) -> bool {
    number.is_multiple_of(5)
}

/// Configuration number so-and-so: 0 at the start, one more at each reload. Odd ones lack a queue and an agent,
/// have another agent, and change times and skills.
///
/// # Errors
///
/// When the flows do not pass their own check.
pub fn settings(plan: &Plan, edition: u32) -> Result<Settings, String> {
    let other = edition % 2 == 1;
    let mut queues: Vec<QueueName> = ["support", "vip", "all", "small"].map(QueueName::from).to_vec();
    let names = queues.iter().map(ToString::to_string).collect();
    if other {
        queues.pop();
    }
    // One agent is here only by even configurations, one only by odd ones.
    let numbers = (0..=plan.agents).filter(|n| if other { *n != 7 } else { *n != plan.agents });
    let agents: Vec<AgentConfig> = numbers.clone().map(|n| agent(n, &queues, other)).collect();
    let user = |number: u64| (agent_id(number), UserConfig { password: format!("pw-{}", agent_id(number)) });
    let mut users: HashMap<_, _> = numbers.clone().map(user).collect();
    users.insert(SUPERVISOR.to_owned(), UserConfig { password: format!("pw-{SUPERVISOR}") });
    let fixed = numbers.filter(|n| !registers(*n));
    Ok(Settings {
        sip: SipConfig {
            listeners: vec![Listener { transport: Transport::Udp, address: CENTRE, advertised: None }],
            domain: "10.0.0.1".into(),
            users,
            trunks: BTreeMap::from([(CARRIER.ip(), "carrier".to_owned())]),
            fixed: fixed.map(|n| (agent_address(n), BTreeSet::from([agent_id(n)]))).collect(),
            ..SipConfig::default()
        },
        media: MediaConfig {
            address: CENTRE.ip(),
            bind: CENTRE.ip(),
            ports: 20_000..=23_999,
            mux: false,
            shared: Vec::new(),
            identity: None,
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            shards: 1,
            timeout_s: 60,
        },
        call: calls(edition),
        floor: FloorConfig {
            queues: queues.iter().map(|name| (name.clone(), queue(name, other))).collect(),
            agents: agents.into_iter().map(|a| (a.id.clone(), a)).collect(),
            ..FloorConfig::default()
        },
        utc_offset_minutes: 180,
        flows: Arc::new(flows(names)?),
        prompts: Arc::new(Prompts::new(BTreeMap::new(), Clip::tone(440.0, -20.0, 1_000))),
    })
}

fn agent(number: u64, queues: &[QueueName], other: bool) -> AgentConfig {
    let id = AgentId::from(agent_id(number));
    let serves = |queue: &QueueName| match queue.as_str() {
        "support" => true,
        "vip" => number.is_multiple_of(3),
        "all" => number % 7 == 2,
        _ => number == 11,
    };
    AgentConfig {
        skills: BTreeMap::from([("lang:ar".to_owned(), if other && number == 9 { 1 } else { 5 })]),
        queues: queues.iter().filter(|queue| serves(queue)).cloned().collect(),
        groups: BTreeSet::from_iter((number == 10).then(|| "back".to_owned())),
        auto_ready: true,
        contact: (!registers(number)).then(|| agent_address(number)),
        // The other way round after a reload; 9 is as likely as five others, then as none but one.
        position: u32::try_from(if other { 100 - number.min(100) } else { number }).unwrap_or(0),
        weights: queues.iter().filter(|_| number == 9 && !other).map(|queue| (queue.clone(), 5)).collect(),
        ..AgentConfig::new(id)
    }
}

fn queue(name: &QueueName, other: bool) -> QueueConfig {
    let mut queue = QueueConfig::new(name.clone());
    if name.as_str() == "small" {
        (queue.max_waiting, queue.max_wait) = (1, Duration::from_secs(40));
    }
    // Who waits there for long gets two others, then the members as well: not so many that nobody waits in vain. The first
    // step is skipped at times.
    if name.as_str() == "small" {
        let (mut first, second) =
            (Step::new("first", Duration::from_secs(5)), Step::new("second", Duration::from_secs(15)));
        first.agents = BTreeSet::from([agent_id(5).into()]);
        first.groups = BTreeSet::from(["back".to_owned()]);
        (first.mode, first.skip_unstaffed) = (StepMode::Replace, true);
        queue.ladder = vec![first, second];
    }
    if name.as_str() == "support" {
        queue.skills = vec![if other { "lang:ar>=2" } else { "lang:ar" }.to_owned()];
        // Who calls again waits for the agent he knows, and has his place when he hung up; the key 1 leads to all.
        queue.sticky.last_agent = Some(Duration::from_secs(if other { 4 } else { 8 }));
        queue.resume_within = Some(Duration::from_secs(60));
        queue.exit_keys = BTreeMap::from([('1', if other { Way::Queue("all".into()) } else { Way::CallBack })]);
        (queue.announce_wait, queue.announcements) = (true, vec!["survey_thanks".to_owned()]);
        queue.announcements_every = Duration::from_secs(20);
    }
    if name.as_str() == "vip" {
        (queue.strict_priority, queue.max_wait_strict) = (other, Some(Duration::from_secs(60)));
        // Too many go to the menu, and who waits too long to all.
        let per_agent = Some(Bound { on: 2, off: 1 });
        queue.overflow = match other {
            true => {
                Overflow { way: Way::Queue("all".into()), wait: Some(Duration::from_secs(15)), ..Overflow::default() }
            }
            false => Overflow { way: Way::Number("500".to_owned()), per_agent, ..Overflow::default() },
        };
    }
    queue.strategy = match (name.as_str(), other) {
        ("support", false) => Strategy::LongestIdle,
        ("support", true) => Strategy::FewestCalls,
        ("vip", false) => Strategy::Weighted,
        ("vip", true) => Strategy::RoundRobin,
        ("all", false) => Strategy::RingAll,
        ("all", true) => Strategy::RingProgressive,
        (_, false) => Strategy::LeastTalk,
        (_, true) => Strategy::Random,
    };
    if other {
        (queue.wrap_up, queue.ring_timeout) = (Duration::from_secs(5), Duration::from_secs(11));
    }
    queue
}

/// How `support` calls back: over the carrier or by an address, who first by turns, and at times not at all.
fn callbacks(edition: u32) -> BTreeMap<QueueName, CallbackConfig> {
    let config = CallbackConfig {
        mode: if edition % 4 == 2 { CallbackMode::CustomerFirst } else { CallbackMode::AgentFirst },
        dial: Some(match edition % 4 {
            0 => DialTarget::Trunks(vec!["carrier".into()]),
            _ => DialTarget::Address { user: "{number}".into(), address: OUTSIDE },
        }),
        tries: 3,
        retry_after: Duration::from_secs(60),
        expires_after: Duration::from_secs(900),
        ring: Duration::from_secs(12),
        calendar: None,
    };
    BTreeMap::from_iter((edition % 4 != 3).then(|| ("support".into(), config)))
}

fn calls(edition: u32) -> CallConfig {
    let number = |pattern: &str, public: bool, action: NumberAction| NumberConfig {
        pattern: pattern.to_owned(),
        action,
        public,
        from: Vec::new(),
        record: RecordPolicy::Never,
        media: MediaPath::Relay,
        caller_id: None,
    };
    let outside = || NumberAction::Dial(DialTarget::Address { user: "{number}".into(), address: OUTSIDE });
    let recorded = NumberConfig { record: RecordPolicy::Always, ..number("7XXX", false, outside()) };
    let bypassed = NumberConfig { media: MediaPath::Bypass, ..number("79XX", false, outside()) };
    let supervisor = SupervisorConfig { id: SUPERVISOR.into(), name: SUPERVISOR.to_owned(), queues: None };
    CallConfig {
        languages: vec!["ar".into(), "en".into()],
        numbers: vec![
            number("500", true, NumberAction::Flow("main".into())),
            number("510", true, NumberAction::Flow("desk".into())),
            number("600", true, NumberAction::Queue("support".into())),
            number("601", true, NumberAction::Queue("vip".into())),
            number("602", true, NumberAction::Queue("small".into())),
            number("604", true, NumberAction::Queue("all".into())),
            bypassed,
            recorded,
            number("8XXX", false, NumberAction::Dial(DialTarget::Trunks(vec!["carrier".into()]))),
        ],
        trunks: BTreeMap::from([(
            "carrier".to_owned(),
            TrunkConfig { max_calls: 12, max_calls_per_second: 3, ..TrunkConfig::new("carrier", &[CARRIER]) },
        )]),
        supervisors: BTreeMap::from([(AgentId::from(SUPERVISOR), supervisor)]),
        public_tests: false,
        recording: BTreeMap::from([(QueueName::from("support"), RecordPolicy::Always)]),
        callbacks: callbacks(edition),
        ..CallConfig::default()
    }
}

fn flows(queues: BTreeSet<String>) -> Result<ivr::Library, String> {
    let declared = ivr::Declared { queues, languages: vec!["ar".into(), "en".into()], ..ivr::Declared::default() };
    let shipped = ivr::SHIPPED_FLOWS.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let files: Vec<_> = shipped.into_iter().chain([("desk.toml".to_owned(), DESK.to_owned())]).collect();
    let (flows, faults) = ivr::load(&files, &declared);
    flows.ok_or_else(|| faults.iter().map(ToString::to_string).collect())
}
