//! The demo tenant of `serve --dev`: loopback only, one flow, two queues, three agents, one supervisor.
//!
//! It declares all that the flows of `ivr-scripts/` name, so that they can be checked and tried without a configuration.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::acd::calendar::{Calendar, Day, Holiday, Span};
use crate::acd::config::{AgentConfig, FloorConfig, QueueConfig};
use crate::call::config::{
    CallConfig, CallbackConfig, MediaPath, NumberAction, NumberConfig, RecordPolicy, SupervisorConfig, VoicemailConfig,
};
use crate::id::{AgentId, QueueName};
use crate::media::codec::Codec;
use crate::media::config::MediaConfig;
use crate::sip::config::{Listener, SipConfig, Transport, UserConfig, Watched};

use super::services::ServiceConfig;
use super::{CentreConfig, Config, LogConfig, RecordingConfig};

/// What the command line may change in the demo tenant.
#[derive(Clone)]
pub struct DevOptions {
    /// SIP over UDP and TCP on 127.0.0.1. Default 5060.
    pub sip_port: u16,
    /// API, metrics and health on 127.0.0.1. Default 8080.
    pub http_port: u16,
    /// Default 20000–20199.
    pub rtp_ports: RangeInclusive<u16>,
    /// Password of every agent and supervisor.
    pub password: String,
    /// Default `.hatif-dev`.
    pub data_dir: PathBuf,
    /// Default `ivr-scripts`.
    pub flows_dir: PathBuf,
    /// Default `prompts`.
    pub prompts_dir: PathBuf,
}

impl DevOptions {
    /// The defaults, with this password.
    pub fn new(password: String) -> Self {
        Self {
            sip_port: 5060,
            http_port: 8080,
            rtp_ports: 20000..=20199,
            password,
            data_dir: PathBuf::from(".hatif-dev"),
            flows_dir: PathBuf::from("ivr-scripts"),
            prompts_dir: PathBuf::from("prompts"),
        }
    }
}

impl Config {
    /// The demo tenant: agents 101 amal, 102 omar, 103 sara; supervisor 201; queues support (600) and vip (601); flow
    /// main (500). Everybody may dial its numbers; everything listens on 127.0.0.1 only. Its services are asked in vain,
    /// until one of yours listens on [`SERVICE_PORT`].
    pub fn dev(options: DevOptions) -> Config {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let languages = vec!["ar".to_owned(), "en".to_owned()];
        let listener =
            |transport| Listener { transport, address: SocketAddr::new(loopback, options.sip_port), advertised: None };
        let user = |id: &str| (id.to_owned(), UserConfig { password: options.password.clone() });
        let mut config = Config {
            centre: CentreConfig { timezone: "UTC".to_owned(), languages: languages.clone() },
            sip: SipConfig {
                listeners: vec![listener(Transport::Udp), listener(Transport::Tcp)],
                domain: loopback.to_string(),
                users: ["101", "102", "103", "201"].map(user).into(),
                trace_calls: crate::sip::config::TRACE_CALLS,
                watched: Watched { users: ["101", "102", "103"].map(str::to_owned).into(), ..Watched::default() },
                ..SipConfig::default()
            },
            streams: super::StreamConfig::default(),
            services: services(),
            tts: super::tts::TtsConfig::espeak(),
            media: MediaConfig {
                address: loopback,
                bind: loopback,
                ports: options.rtp_ports,
                mux: false,
                shared: Vec::new(),
                identity: None,
                codecs: vec![Codec::Pcma, Codec::Pcmu],
                shards: super::build::default_shards(super::Machine::here().cores),
                timeout_s: 60,
            },
            http_listen: SocketAddr::new(loopback, options.http_port),
            metrics_listen: None,
            data_dir: options.data_dir,
            flows_dir: options.flows_dir,
            prompts_dir: options.prompts_dir,
            recording: RecordingConfig::default(),
            log: LogConfig { level: "info", json: false },
            floor: floor(),
            call: call(languages),
        };
        config.add_http_listener();
        config
    }
}

/// Where the demo tenant's services would be, on 127.0.0.1.
pub const SERVICE_PORT: u16 = 8099;

/// What the flows of the library ask: customers, payments, outages.
fn services() -> BTreeMap<String, ServiceConfig> {
    let service = |name: &str| {
        (name.to_owned(), ServiceConfig::new(name, &format!("http://{}:{SERVICE_PORT}/{name}", Ipv4Addr::LOCALHOST)))
    };
    ["crm", "payments", "status"].map(service).into()
}

/// Sunday to Thursday, nine to five, with the two feasts and Saudi Arabia's days.
fn calendar() -> Calendar {
    let nine_to_five = || vec![Span { from: 9 * 60, until: 17 * 60 }];
    let holiday = |day, days, name: &str| Holiday { day, days, name: name.to_owned(), open: Vec::new() };
    Calendar {
        zone: TimeZone::UTC,
        week: [nine_to_five(), nine_to_five(), nine_to_five(), nine_to_five(), vec![], vec![], nine_to_five()],
        holidays: vec![
            holiday(Day::Hijri(10, 1), 3, "Eid al-Fitr"),
            holiday(Day::Hijri(12, 10), 4, "Eid al-Adha"),
            holiday(Day::Yearly(2, 22), 1, "Founding Day"),
            holiday(Day::Yearly(9, 23), 1, "National Day"),
        ],
    }
}

fn floor() -> FloorConfig {
    let queues = ["support", "vip"].map(|name| {
        let queue = QueueConfig { wrap_up: Duration::from_secs(10), ..QueueConfig::new(QueueName::from(name)) };
        (queue.name.clone(), queue)
    });
    let agents = [("101", "Amal", 8), ("102", "Omar", 6), ("103", "Sara", 5)].map(|(id, name, level)| {
        let skills = ["lang:ar", "lang:en", "billing", "tech", "topic:billing", "topic:tech", "topic:general"];
        let agent = AgentConfig {
            name: name.to_owned(),
            skills: skills.map(|skill| (skill.to_owned(), level)).into(),
            queues: queues.iter().map(|(name, _)| name.clone()).collect(),
            auto_ready: true,
            ..AgentConfig::new(AgentId::from(id))
        };
        (agent.id.clone(), agent)
    });
    let calendars = BTreeMap::from([("main".to_owned(), calendar())]);
    FloorConfig { agents: agents.into(), queues: queues.into(), calendars, ..FloorConfig::default() }
}

fn call(languages: Vec<String>) -> CallConfig {
    let number = |pattern: &str, action| NumberConfig {
        pattern: pattern.to_owned(),
        action,
        public: true,
        from: Vec::new(),
        record: RecordPolicy::Never,
        media: MediaPath::Relay,
        caller_id: None,
    };
    let supervisor = SupervisorConfig { id: AgentId::from("201"), name: "Huda".to_owned(), queues: None };
    CallConfig {
        languages,
        numbers: vec![
            number("500", NumberAction::Flow("main".to_owned())),
            number("600", NumberAction::Queue(QueueName::from("support"))),
            number("601", NumberAction::Queue(QueueName::from("vip"))),
        ],
        fallback: Some(QueueName::from("support")),
        supervisors: BTreeMap::from([(supervisor.id.clone(), supervisor)]),
        public_tests: true,
        recording: BTreeMap::from(["support", "vip"].map(|queue| (QueueName::from(queue), RecordPolicy::Always))),
        callbacks: BTreeMap::from([(QueueName::from("support"), CallbackConfig::default())]),
        voicemail: BTreeMap::from([(QueueName::from("support"), VoicemailConfig::default())]),
        ..CallConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_demo_tenant_is_what_the_contract_says_and_listens_on_loopback_only() {
        let config = Config::dev(DevOptions::new("dev-7Q2M".to_owned()));
        assert!(config.sip.listeners.iter().all(|l| l.address.ip().is_loopback()));
        assert!(config.sip.listeners.iter().all(|l| [5060, 8080].contains(&l.address.port())));
        assert!(config.http_listen.ip().is_loopback() && config.media.bind.is_loopback());
        let names: BTreeSet<&str> = config.floor.agents.values().map(|a| a.name.as_str()).collect();
        assert_eq!(names, BTreeSet::from(["Amal", "Omar", "Sara"]));
        let dialled: Vec<&str> = config.call.numbers.iter().map(|n| n.pattern.as_str()).collect();
        assert_eq!(dialled, ["500", "600", "601"]);
        assert_eq!(config.floor.queues.get("support").map(|q| q.wrap_up), Some(Duration::from_secs(10)));
        assert_eq!(config.sip.users.len(), 4);
        let services: Vec<&str> = config.services.keys().map(String::as_str).collect();
        assert_eq!(services, ["crm", "payments", "status"]);
        assert!(config.services.values().all(|s| s.base_url.starts_with("http://127.0.0.1:8099/")));
        assert!(config.floor.calendars.contains_key("main"));
        let support = QueueName::from("support");
        assert!(config.call.callbacks.contains_key(&support) && config.call.voicemail.contains_key(&support));
        assert!(!format!("{config:?}").contains("dev-7Q2M"), "passwords are never printed");
    }
}
