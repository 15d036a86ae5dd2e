//! The centre that the scripts run in: numbers, people, queues, flows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hatif::acd::config::{AgentConfig, FloorConfig, QueueConfig};
use hatif::call::config::*;
use hatif::call::prompts::Prompts;
use hatif::engine::Settings;
use hatif::id::{AgentId, QueueName};
use hatif::ivr;
use hatif::media::config::MediaConfig;
use hatif::media::{Clip, Codec};
use hatif::sip::config::{Listener, SipConfig, Transport};

use crate::centre::{CENTRE, FAR, addr, desk, seconds, trunk};

pub fn number(pattern: &str, action: NumberAction, public: bool) -> NumberConfig {
    NumberConfig {
        pattern: pattern.to_owned(),
        action,
        public,
        from: Vec::new(),
        record: RecordPolicy::Never,
        media: MediaPath::Relay,
        caller_id: None,
    }
}

pub fn queue(name: &str) -> QueueName {
    QueueName::from(name)
}

fn agent(id: u16, queues: &[&str]) -> AgentConfig {
    AgentConfig {
        queues: queues.iter().map(|q| queue(q)).collect(),
        auto_ready: true,
        contact: Some(desk(id)),
        ..AgentConfig::new(AgentId::from(id.to_string()))
    }
}

/// A flow of one `transfer`, each of whose edges says another prompt.
fn transfer_flow(name: &str, to: &str) -> (String, String) {
    let play = |node: &str, prompt: &str| {
        format!("[node.{node}]\nkind = \"play\"\nsay = [{{ prompt = \"{prompt}\" }}]\nnext = \"end\"\n")
    };
    let text = format!(
        "flow = 1\nname = \"{name}\"\ntitle = {{ en = \"{name}\" }}\nlanguages = [\"en\"]\nstart = \"go\"\n[node.go]\n\
         kind = \"transfer\"\nto = \"{to}\"\n\
         on = {{ ended = \"after\", busy = \"busy\", no_answer = \"late\", failed = \"failed\" }}\n\
         {}{}{}{}[node.end]\nkind = \"hangup\"\n",
        play("after", "survey_thanks"),
        play("busy", "sorry_full"),
        play("late", "sorry_timeout"),
        play("failed", "sorry_error"),
    );
    (format!("{name}.toml"), text)
}

/// A flow that goes by the hours of calendar `office`.
fn hours_flow() -> (String, String) {
    let play = |node: &str, prompt: &str| {
        format!("[node.{node}]\nkind = \"play\"\nsay = [{{ prompt = \"{prompt}\" }}]\nnext = \"end\"\n")
    };
    let text = format!(
        "flow = 1\nname = \"office\"\ntitle = {{ en = \"office\" }}\nlanguages = [\"en\"]\nstart = \"go\"\n[node.go]\n\
         kind = \"hours\"\ncalendar = \"office\"\n\
         on = {{ open = \"open\", closed = \"closed\", emergency = \"emergency\" }}\n{}{}{}[node.end]\nkind = \"hangup\"\n",
        play("open", "survey_thanks"),
        play("closed", "sorry_closed"),
        play("emergency", "sorry_error"),
    );
    ("office.toml".to_owned(), text)
}

/// A flow that queues for `support`, and tells apart who is asleep and who is not there.
fn again_flow() -> (String, String) {
    let play = |node: &str, prompt: &str| {
        format!("[node.{node}]\nkind = \"play\"\nsay = [{{ prompt = \"{prompt}\" }}]\nnext = \"end\"\n")
    };
    let text = format!(
        "flow = 1\nname = \"again\"\ntitle = {{ en = \"again\" }}\nlanguages = [\"en\"]\nstart = \"go\"\n[node.go]\n\
         kind = \"queue\"\nqueue = \"support\"\n\
         on = {{ ended = \"end\", timeout = \"nobody\", full = \"nobody\", no_agents = \"nobody\", all_paused = \"asleep\" }}\n\
         {}{}[node.end]\nkind = \"hangup\"\n",
        play("nobody", "sorry_no_agents"),
        play("asleep", "sorry_timeout"),
    );
    ("again.toml".to_owned(), text)
}

/// A flow that books a call back, and says something else when it cannot.
fn back_flow() -> (String, String) {
    let play = |node: &str, prompt: &str| {
        format!("[node.{node}]\nkind = \"play\"\nsay = [{{ prompt = \"{prompt}\" }}]\nnext = \"end\"\n")
    };
    let text = format!(
        "flow = 1\nname = \"back\"\ntitle = {{ en = \"back\" }}\nlanguages = [\"en\"]\nstart = \"go\"\n[node.go]\n\
         kind = \"callback\"\nqueue = \"support\"\nnext = \"booked\"\non = {{ failed = \"not\" }}\n{}{}\
         [node.end]\nkind = \"hangup\"\n",
        play("booked", "callback_booked"),
        play("not", "sorry_error"),
    );
    ("back.toml".to_owned(), text)
}

/// A flow that lets the caller leave a message, and says something else when he left none.
fn box_flow() -> (String, String) {
    let (_, text) = back_flow();
    let text = text.replace("name = \"back\"", "name = \"box\"").replace("kind = \"callback\"", "kind = \"voicemail\"");
    ("box.toml".to_owned(), text)
}

/// A flow that asks a service and then says which edge it took.
fn look_flow() -> (String, String) {
    let (_, text) = back_flow();
    let text = text.replace("name = \"back\"", "name = \"look\"").replace(
        "kind = \"callback\"\nqueue = \"support\"\nnext = \"booked\"\non = { failed = \"not\" }",
        "kind = \"http\"\nservice = \"crm\"\nget = \"/{caller.number}\"\nnext = \"booked\"\non = { error = \"not\" }",
    );
    ("look.toml".to_owned(), text)
}

fn flows(queues: &[&str]) -> ivr::Library {
    let mut files = ivr::SHIPPED_FLOWS.map(|(path, text)| (path.to_owned(), text.to_owned())).to_vec();
    files.push(transfer_flow("to_agent", "102"));
    files.push(transfer_flow("to_far", "7001"));
    files.push(transfer_flow("to_bypass", "8001"));
    files.push(transfer_flow("to_queue", "602"));
    files.push(transfer_flow("to_unknown", "12345"));
    files.push(transfer_flow("circle", "515"));
    files.push(hours_flow());
    files.push(again_flow());
    files.push(back_flow());
    files.push(box_flow());
    files.push(look_flow());
    files.push(crate::fork::flow());
    let declared = ivr::Declared {
        calendars: BTreeSet::from(["office".to_owned()]),
        callbacks: BTreeSet::from(["support".to_owned()]),
        voicemails: BTreeSet::from(["support".to_owned()]),
        services: BTreeSet::from(["crm".to_owned()]),
        queues: queues.iter().map(ToString::to_string).collect(),
        languages: vec!["en".into(), "ar".into()],
        ..ivr::Declared::default()
    };
    let (library, faults) = ivr::load(&files, &declared);
    library.unwrap_or_else(|| panic!("{}", faults.iter().map(ToString::to_string).collect::<String>()))
}

/// Every prompt of the manifest, one second long.
fn prompts() -> Prompts {
    let texts = ivr::prompts::parse("prompts.toml", ivr::prompts::SHIPPED, &["en".into(), "ar".into()]).expect("texts");
    let clip = Arc::new(Clip::tone(400.0, -20.0, 1_000));
    let mut clips: BTreeMap<String, BTreeMap<String, Arc<Clip>>> = BTreeMap::new();
    for (language, ids) in ivr::prompts::ids(&texts) {
        clips.insert(language, ids.into_iter().map(|id| (id, Arc::clone(&clip))).collect());
    }
    let of_vip = Arc::new(Clip::tone(700.0, -20.0, 1_000));
    Prompts::new(clips, Clip::tone(300.0, -20.0, 1_000)).with_queue_music(BTreeMap::from([(queue("vip"), of_vip)]))
}

pub fn settings() -> Settings {
    let names = ["support", "vip", "lonely", "tiny"];
    let agents = [agent(101, &["support", "vip"]), agent(102, &["support"]), agent(103, &[])];
    let far = |user: &str| NumberAction::Dial(DialTarget::Address { user: user.into(), address: addr(FAR) });
    let to_queue = |name: &str| NumberAction::Queue(queue(name));
    let to_flow = |name: &str| NumberAction::Flow(name.to_owned());
    let mut queues: BTreeMap<QueueName, QueueConfig> =
        names.iter().map(|name| (queue(name), QueueConfig::new(queue(name)))).collect();
    for config in queues.values_mut() {
        config.announce_every = None;
    }
    if let Some(lonely) = queues.get_mut("lonely") {
        lonely.max_wait = seconds(12);
        lonely.announce_every = Some(seconds(5));
    }
    if let Some(tiny) = queues.get_mut("tiny") {
        tiny.max_waiting = 0;
    }
    let supervisor = |id: &str, of: Option<&str>| {
        let queues = of.map(|q| BTreeSet::from([queue(q)]));
        (AgentId::from(id), SupervisorConfig { id: id.into(), name: id.into(), queues })
    };
    let trunk_config =
        TrunkConfig { max_calls: 2, max_calls_per_second: 10, ..TrunkConfig::new("carrier", &[trunk()]) };
    Settings {
        sip: SipConfig {
            listeners: vec![Listener { transport: Transport::Udp, address: addr(CENTRE), advertised: None }],
            domain: "10.0.0.1".into(),
            trunks: BTreeMap::from([(trunk().ip(), "carrier".to_owned())]),
            fixed: [101, 102, 103, 201, 202].map(|id| (desk(id), BTreeSet::from([id.to_string()]))).into(),
            ..SipConfig::default()
        },
        media: MediaConfig {
            address: addr(CENTRE).ip(),
            bind: addr(CENTRE).ip(),
            ports: 20_000..=20_039,
            mux: false,
            shared: Vec::new(),
            identity: None,
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            shards: 1,
            timeout_s: 60,
        },
        call: CallConfig {
            languages: vec!["en".into(), "ar".into()],
            numbers: vec![
                number("500", to_flow("main"), true),
                number("510", to_flow("to_agent"), true),
                number("511", to_flow("to_far"), true),
                number("512", to_flow("to_bypass"), true),
                number("513", to_flow("to_queue"), true),
                number("514", to_flow("to_unknown"), true),
                number("515", to_flow("circle"), true),
                number("516", to_flow("office"), true),
                number("517", to_flow("again"), true),
                number("520", to_flow("back"), true),
                number("521", to_flow("box"), true),
                number("522", to_flow("look"), true),
                number("523", to_flow("bot"), true),
                number("600", to_queue("support"), true),
                number("601", to_queue("vip"), true),
                number("602", to_queue("lonely"), true),
                number("603", to_queue("tiny"), true),
                number("604", to_queue("nowhere"), true),
                NumberConfig { record: RecordPolicy::Always, ..number("7XXX", far("{number}"), false) },
                NumberConfig { media: MediaPath::Bypass, ..number("8XXX", far("{number}"), false) },
                number("9000", NumberAction::Dial(DialTarget::Trunks(vec!["carrier".into()])), false),
            ],
            trunks: BTreeMap::from([("carrier".to_owned(), trunk_config)]),
            supervisors: BTreeMap::from([supervisor("201", Some("support")), supervisor("202", Some("lonely"))]),
            public_tests: false,
            recording: BTreeMap::from([(queue("support"), RecordPolicy::Always)]),
            ..CallConfig::default()
        },
        floor: FloorConfig {
            agents: agents.into_iter().map(|a| (a.id.clone(), a)).collect(),
            queues,
            ..FloorConfig::default()
        },
        utc_offset_minutes: 180,
        flows: Arc::new(flows(&names)),
        prompts: Arc::new(prompts()),
    }
}
